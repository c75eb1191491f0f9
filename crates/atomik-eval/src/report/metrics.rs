//! The rows of a comparison.

use std::fmt::Write as _;

use atomik_arena::figures::{
    LeftOut, Quantiles, Recovery, Review, Run, SystemFigures, TraceFigures,
};
use atomik_workload::fit::{Thresholds, Verdict};

use atomik_terminal::{Unit, count, counted};

/// A row of a comparison: one figure of every system.
#[derive(Debug)]
pub struct Metric {
    /// The group of the row.
    pub group: &'static str,
    /// Its short name.
    pub name: &'static str,
    /// What it means and how it is measured.
    pub what: &'static str,
    /// Whether less is better, so that the lowest value is marked.
    pub ranked: bool,
    /// The figure of a system.
    pub of: fn(&SystemFigures) -> Measured,
}

/// The contents of a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// A number.
    Number(f64, Unit),
    /// Words.
    Words(String),
    /// No figure, for this reason.
    Missing(&'static str),
}

impl Measured {
    /// The cell as text.
    pub fn text(&self) -> String {
        match self {
            Self::Number(value, unit) => unit.show(*value),
            Self::Words(words) => words.clone(),
            Self::Missing(why) => (*why).to_owned(),
        }
    }

    /// The number, if it is a finite one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(value, _) if value.is_finite() => Some(*value),
            _ => None,
        }
    }
}

impl Metric {
    /// Whether this is the same row.
    pub fn same(&self, other: &Self) -> bool {
        (self.group, self.name) == (other.group, other.name)
    }

    /// The cell of a system. A system that ran no operations has no figures.
    pub fn measure(&self, system: &SystemFigures) -> Measured {
        match (self.of)(system) {
            Measured::Number(..) if system.submitted == 0 => Measured::Missing("nothing ran"),
            measured => measured,
        }
    }

    /// Which systems have the lowest value among those [without caveats](caveats). None if all of
    /// these are equal. Values with the same text are equal.
    pub fn least(&self, systems: &[SystemFigures]) -> Vec<bool> {
        let none = vec![false; systems.len()];
        if !self.ranked {
            return none;
        }
        let candidates: Vec<Option<f64>> = systems
            .iter()
            .map(|system| {
                self.measure(system)
                    .number()
                    .filter(|_| caveats(system).is_empty())
            })
            .collect();
        let Some(least) = candidates.iter().flatten().copied().reduce(f64::min) else {
            return none;
        };
        let shown = |value: f64| match systems.first().map(|system| (self.of)(system)) {
            Some(Measured::Number(_, unit)) => unit.show(value),
            _ => value.to_string(),
        };
        let text = shown(least);
        if candidates
            .iter()
            .flatten()
            .all(|&value| shown(value) == text)
        {
            return none;
        }
        candidates
            .iter()
            .map(|value| value.is_some_and(|value| shown(value) == text))
            .collect()
    }
}

/// Why a system's figures do not compare with those of a system that did everything. Reports show
/// the caveats beside its name.
pub fn caveats(system: &SystemFigures) -> Vec<String> {
    let mut caveats = Vec::new();
    let left_out: u64 = system.inexpressible.iter().map(|f| f.operations).sum();
    if system.submitted == 0 {
        caveats.push("expresses nothing in this trace".into());
    } else if left_out > 0 || !system.inexpressible.is_empty() {
        caveats.push(format!("leaves out {}", counted(left_out, "operation")));
    }
    if system.conflicts.wrong > 0 {
        caveats.push(format!(
            "{} wrong",
            counted(system.conflicts.wrong, "field")
        ));
    }
    let lost = system
        .submitted
        .saturating_sub(system.acknowledged)
        .saturating_sub(system.uncertain);
    if lost > 0 {
        caveats.push(format!("{} not acknowledged", count(lost)));
    }
    if !system.converged && system.submitted > 0 {
        caveats.push("nodes not identical at the end".into());
    }
    caveats
}

/// So many of what an axis counts, such as `1 key` and `3 keys`.
pub fn along(x: u64, axis: &str) -> String {
    let (first, rest) = axis.split_at(axis.find(' ').unwrap_or(axis.len()));
    match first.strip_suffix('s') {
        Some(one) if x == 1 => format!("1 {one}{rest}"),
        _ => format!("{} {axis}", count(x)),
    }
}

/// A measurement of growth that would have taken too long, in words.
pub fn left_out(point: &LeftOut, axis: &str) -> String {
    let time = |seconds: u64| Unit::Nanos.show(seconds as f64 * 1e9);
    format!(
        "{}, {}: would take about {}, more than the limit of {}",
        point.name,
        along(point.x, axis),
        time(point.expected_s),
        time(point.patience_s)
    )
}

fn bytes(value: u64) -> Measured {
    Measured::Number(value as f64, Unit::Bytes)
}

fn acknowledged(system: &SystemFigures, value: f64, unit: Unit) -> Measured {
    if system.acknowledged == 0 {
        Measured::Missing("none acknowledged")
    } else {
        Measured::Number(value, unit)
    }
}

fn visible(system: &SystemFigures, of: fn(&Quantiles) -> f64) -> Measured {
    match &system.latency.visible {
        Some(visible) => Measured::Number(of(&visible.virtual_us), Unit::Micros),
        None => Measured::Missing("not measured"),
    }
}

fn rebuilt(system: &SystemFigures, value: Measured) -> Measured {
    if system.rebuild.samples == 0 {
        Measured::Missing("not measured")
    } else {
        value
    }
}

fn recovered(system: &SystemFigures, of: fn(&Recovery) -> Measured) -> Measured {
    match &system.recovery {
        Some(recovery) => of(recovery),
        None if system.converged => Measured::Missing("no partition or crash"),
        None => Measured::Missing("never identical"),
    }
}

fn words(text: &str) -> Measured {
    if text.trim().is_empty() {
        Measured::Missing("not stated")
    } else {
        Measured::Words(text.to_owned())
    }
}

/// Bytes beyond those that every system needs.
fn beyond(all: u64, needed: u64) -> Measured {
    Measured::Number(all as f64 - needed as f64, Unit::Bytes)
}

/// The figures of growth, with their titles on a page and in a terminal.
pub const GROWTH: &[(&Metric, &str, &str)] = &[
    (&LATENCY_MEDIAN, "Write latency, median", "latency, median"),
    (&WIRE, "Bytes on all links per write", "bytes per write"),
    (&CPU, "CPU of all nodes per write", "CPU per write"),
    (&REBUILD_CPU, "CPU to rebuild state", "rebuild"),
    (&MEMORY, "Memory beyond the values", "memory"),
    (&DISK, "Disk beyond the values", "disk"),
];

macro_rules! metrics {
    ($($id:ident: $group:literal, $name:literal, $ranked:literal, $what:literal, $of:expr;)*) => {
        $(
            #[doc = $what]
            pub const $id: Metric = Metric {
                group: $group,
                name: $name,
                what: $what,
                ranked: $ranked,
                of: $of,
            };
        )*
        /// All rows, in order.
        pub const ALL: &[&Metric] = &[$(&$id),*];
    };
}

metrics! {
    LATENCY_MEDIAN: "Write latency", "until acknowledged, median", true,
        "Virtual time from submission to acknowledgement. Half of the operations take at most \
         this.",
        |c| acknowledged(c, c.latency.virtual_us.median, Unit::Micros);
    LATENCY_P99: "Write latency", "until acknowledged, p99", true,
        "The same. 99 % of the operations take at most this.",
        |c| acknowledged(c, c.latency.virtual_us.p99, Unit::Micros);
    VISIBLE_MEDIAN: "Write latency", "until visible everywhere, median", true,
        "Virtual time from submission until every node reads the change. Of up to 500 operations \
         before a partition or a crash whose field nobody else changes at about the same time. \
         Half of them take at most this.",
        |c| visible(c, |all| all.median);
    VISIBLE_P99: "Write latency", "until visible everywhere, p99", true,
        "The same. 99 % of these operations take at most this.",
        |c| visible(c, |all| all.p99);
    SUBMIT_MEDIAN: "Write latency", "CPU at the writer, median", true,
        "CPU time of the writer's node to submit an operation. A batch shares its time equally.",
        |c| Measured::Number(c.latency.submit_cpu_ns.median, Unit::Nanos);
    SUBMIT_P99: "Write latency", "CPU at the writer, p99", true,
        "The same. 99 % of the operations take at most this.",
        |c| Measured::Number(c.latency.submit_cpu_ns.p99, Unit::Nanos);
    CPU: "Write latency", "CPU of all nodes, per write", true,
        "CPU time of all nodes over the whole run, per operation.",
        |c| Measured::Number(c.latency.total_cpu_ns, Unit::Nanos);
    WIRE: "Sync bandwidth", "bytes per write", true,
        "Bytes on all links with packet headers, per operation.",
        |c| Measured::Number(c.bandwidth.wire_bytes_per_op, Unit::Bytes);
    MESSAGES: "Sync bandwidth", "messages per write", true,
        "Messages on all links, per operation.",
        |c| Measured::Number(c.bandwidth.messages_per_op, Unit::Number);
    WIRE_ALL: "Sync bandwidth", "bytes, total", true,
        "Bytes on all links with packet headers, over the whole run.",
        |c| bytes(c.bandwidth.wire_bytes);
    WRONG: "Conflict resolution", "fields that end wrong", false,
        "Values that no order of the acknowledged operations explains, given when each was \
         acknowledged. The verdict is stricter: it counts every operation after which a state \
         differs from the order of the trace.",
        |c| Measured::Number(c.conflicts.wrong as f64, Unit::Count);
    WRONG_REPORTED: "Conflict resolution", "wrong and reported", false,
        "Wrong values that the system reported to its user.",
        |c| Measured::Number(c.conflicts.wrong_reported as f64, Unit::Count);
    REPORTED: "Conflict resolution", "reported, total", false,
        "Values that the system reported as in conflict, wrong or not.",
        |c| Measured::Number(c.conflicts.reported as f64, Unit::Count);
    COMPARED: "Conflict resolution", "fields compared", false,
        "Values that were compared with what the operations mean.",
        |c| Measured::Number(c.conflicts.compared as f64, Unit::Count);
    NOT_JUDGED: "Conflict resolution", "fields not judged", false,
        "Values without a single right result (concurrent edits of text) or with uncertain \
         operations.",
        |c| Measured::Number(c.conflicts.not_judged as f64, Unit::Count);
    REBUILD_CPU: "State reconstruction", "CPU after a restart", true,
        "CPU time of a node to rebuild its state from its disk at the end of the run. The median \
         of several nodes.",
        |c| rebuilt(c, Measured::Number(c.rebuild.cpu_us, Unit::Micros));
    REBUILD_BYTES: "State reconstruction", "bytes read", true,
        "Bytes that the node reads to rebuild its state.",
        |c| rebuilt(c, bytes(c.rebuild.bytes_read));
    MEMORY: "Metadata overhead", "in memory", true,
        "Bytes in memory of the median node, minus the names of keys and fields and the final \
         values.",
        |c| match c.overhead.memory_bytes {
            Some(all) => beyond(all, c.overhead.value_bytes),
            None => Measured::Missing("not measured"),
        };
    DISK: "Metadata overhead", "on disk", true,
        "Bytes on disk of the median node, minus the names and the final values.",
        |c| beyond(c.overhead.disk_bytes, c.overhead.value_bytes);
    ON_WIRE: "Metadata overhead", "on the wire", true,
        "Bytes on all links, minus key, field and value of every operation, once for each other \
         node. Negative if operations are merged before they are sent.",
        |c| beyond(c.bandwidth.wire_bytes, c.overhead.needed_wire_bytes);
    WRITTEN: "Metadata overhead", "written to disk during the run", true,
        "Bytes that all nodes wrote to their disks, including what was overwritten or compacted \
         later.",
        |c| bytes(c.overhead.disk_written);
    RECOVERY_TIME: "Partition recovery", "until all nodes are identical", true,
        "Virtual time from the end of the partition or the restart until all nodes are identical.",
        |c| recovered(c, |r| Measured::Number(r.virtual_us as f64, Unit::Micros));
    RECOVERY_BYTES: "Partition recovery", "bytes on all links", true,
        "Bytes on all links during that time, with packet headers.",
        |c| recovered(c, |r| bytes(r.wire_bytes));
    SETTLE: "Partition recovery", "from the last event to identical nodes", true,
        "Virtual time from the last operation and the last fault until all nodes are identical.",
        |c| match c.settle_us {
            Some(time) => Measured::Number(time as f64, Unit::Micros),
            None => Measured::Missing("never identical"),
        };
    DONE: "Operations", "acknowledged", false,
        "Operations acknowledged by the end, and operations submitted.",
        |c| if c.submitted == 0 {
            Measured::Missing("nothing ran")
        } else {
            Measured::Words(format!("{} of {}", count(c.acknowledged), count(c.submitted)))
        };
    UNCERTAIN: "Operations", "uncertain", false,
        "Operations whose node crashed before it acknowledged them. Their values are not judged.",
        |c| Measured::Number(c.uncertain as f64, Unit::Count);
    PROMISES: "Semantics", "guarantees", false,
        "What the system guarantees. Lower figures for a weaker guarantee are not a better price \
         for the same thing.",
        |c| words(&c.semantics);
    PROOFS: "Proofs", "machine-checked", false,
        "Machine-checked proofs of the system or its protocol, and their sources.",
        |c| words(&c.proofs);
}

/// For how long nodes do not know of each other's changes in the verdict and in this run, and what
/// either counts as wrong, which explains why the two may disagree. `None` if the run does not say.
pub fn unaware(run: &Run, thresholds: &Thresholds) -> Option<String> {
    let time = |ms: f64| Unit::Micros.mark(ms * 1e3);
    Some(format!(
        "The verdict lets {} pass before nodes know of each other's changes; here it is about {} \
         except during a fault, so the verdict may count concurrent changes that this run does not \
         have. It also counts every operation after which a state differs from the order of the \
         trace; here, only fields count whose last value no order of the operations explains.",
        time(thresholds.decisive_ms() as f64),
        time(run.world.latency_ms?)
    ))
}

/// The same for a review, if its verdict may disagree with its runs.
pub fn disagreement(review: &Review) -> Option<String> {
    let run = review.runs.iter().find(|run| !run.systems.is_empty())?;
    let may_disagree = review.fit.verdict != Verdict::Fits;
    may_disagree
        .then(|| unaware(run, &review.fit.thresholds))
        .flatten()
}

/// How fast the trace was played, and what that made concurrent. `None` if it was as recorded.
pub fn pace(run: &Run) -> Option<String> {
    let TraceFigures {
        acceleration,
        made_concurrent,
        ..
    } = &run.trace;
    if *acceleration == 1.0 {
        return None;
    }
    let mut text = format!(
        "played {} as fast as recorded",
        Unit::Times.show(*acceleration)
    );
    if *made_concurrent > 0 {
        let _ = write!(
            text,
            "; only that made {} concurrent with another node's on the same key",
            counted(*made_concurrent, "operation")
        );
    }
    Some(text)
}
