//! The rows of a comparison.

use atomik_arena::figures::SystemFigures;

use atomik_terminal::{Unit, count, counted};

/// A row: what is measured of every column.
#[derive(Debug)]
pub struct Metric {
    /// Rows of one group stand together.
    pub group: &'static str,
    /// Its name, short.
    pub name: &'static str,
    /// What it means, and how it is counted.
    pub what: &'static str,
    /// Whether less is better, so that the least may be marked.
    pub ranked: bool,
    /// The value of a column.
    pub of: fn(&SystemFigures) -> Measured,
}

/// What a cell holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// A number.
    Number(f64, Unit),
    /// Words.
    Words(String),
    /// Nothing, and why.
    Missing(&'static str),
}

impl Measured {
    /// As text.
    pub fn text(&self) -> String {
        match self {
            Self::Number(value, unit) => unit.show(*value),
            Self::Words(words) => words.clone(),
            Self::Missing(why) => (*why).to_owned(),
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(value, _) if value.is_finite() => Some(*value),
            _ => None,
        }
    }
}

impl Metric {
    /// The cell of a column. A column in which nothing ran has no figures.
    pub fn measure(&self, system: &SystemFigures) -> Measured {
        match (self.of)(system) {
            Measured::Number(..) if system.submitted == 0 => Measured::Missing("nothing ran"),
            measured => measured,
        }
    }

    /// The columns that have the least value of those that [did everything](caveats), if these
    /// differ. Values that are shown alike are alike.
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

/// Why a column's figures do not compare with those of a column that did everything: what stands
/// beside its name.
pub fn caveats(system: &SystemFigures) -> Vec<String> {
    let mut caveats = Vec::new();
    let left_out: u64 = system.inexpressible.iter().map(|f| f.operations).sum();
    if system.submitted == 0 {
        caveats.push("expresses nothing of this trace".into());
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

fn rebuilt(system: &SystemFigures, value: Measured) -> Measured {
    if system.rebuild.samples == 0 {
        Measured::Missing("not measured")
    } else {
        value
    }
}

fn recovered(
    system: &SystemFigures,
    of: fn(&atomik_arena::figures::Recovery) -> Measured,
) -> Measured {
    match &system.recovery {
        Some(recovery) => of(recovery),
        None if system.converged => Measured::Missing("no partition or crash"),
        None => Measured::Missing("never identical"),
    }
}

fn words(text: &str) -> Measured {
    if text.trim().is_empty() {
        Measured::Missing("not said")
    } else {
        Measured::Words(text.to_owned())
    }
}

/// Bytes beyond those that no system can do without.
fn beyond(all: u64, needed: u64) -> Measured {
    Measured::Number(all as f64 - needed as f64, Unit::Bytes)
}

/// What is shown of growth, with its titles on a page and in a terminal.
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
            pub const $id: Metric = Metric { group: $group, name: $name, what: $what, ranked: $ranked, of: $of };
        )*
        /// All rows, in order.
        pub const ALL: &[&Metric] = &[$(&$id),*];
    };
}

metrics! {
    LATENCY_MEDIAN: "Write latency", "until acknowledged, median", true,
        "Virtual time from the moment a client hands an operation to its node until the node says that it is done: half of the operations take at most this.",
        |c| acknowledged(c, c.latency.virtual_us.median, Unit::Micros);
    LATENCY_P99: "Write latency", "until acknowledged, p99", true,
        "The same; 99 of 100 operations take at most this.",
        |c| acknowledged(c, c.latency.virtual_us.p99, Unit::Micros);
    SUBMIT_MEDIAN: "Write latency", "CPU at the writer, median", true,
        "CPU time that the writer's node spends on taking an operation; of a batch, its share.",
        |c| Measured::Number(c.latency.submit_cpu_ns.median, Unit::Nanos);
    SUBMIT_P99: "Write latency", "CPU at the writer, p99", true,
        "The same; 99 of 100 operations take at most this.",
        |c| Measured::Number(c.latency.submit_cpu_ns.p99, Unit::Nanos);
    CPU: "Write latency", "CPU of all nodes, per write", true,
        "CPU time of all nodes over the whole run, by operation.",
        |c| Measured::Number(c.latency.total_cpu_ns, Unit::Nanos);
    WIRE: "Sync bandwidth", "bytes per write", true,
        "Bytes on all links, headers of packets included, by operation.",
        |c| Measured::Number(c.bandwidth.wire_bytes_per_op, Unit::Bytes);
    MESSAGES: "Sync bandwidth", "messages per write", true,
        "Messages on all links, by operation.",
        |c| Measured::Number(c.bandwidth.messages_per_op, Unit::Number);
    WIRE_ALL: "Sync bandwidth", "bytes, in all", true,
        "Bytes on all links over the whole run, headers of packets included.",
        |c| bytes(c.bandwidth.wire_bytes);
    WRONG: "Conflict resolution", "fields that end wrong", false,
        "Fields of keys whose end value no order of the acknowledged operations explains that respects when each was acknowledged.",
        |c| Measured::Number(c.conflicts.wrong as f64, Unit::Count);
    WRONG_REPORTED: "Conflict resolution", "of these, reported", false,
        "Wrong fields that the system itself told its user of.",
        |c| Measured::Number(c.conflicts.wrong_reported as f64, Unit::Count);
    REPORTED: "Conflict resolution", "reported in all", false,
        "Fields that the system reported as in conflict, wrong or not.",
        |c| Measured::Number(c.conflicts.reported as f64, Unit::Count);
    COMPARED: "Conflict resolution", "fields compared", false,
        "Fields of keys whose end value was compared with what the operations mean.",
        |c| Measured::Number(c.conflicts.compared as f64, Unit::Count);
    NOT_JUDGED: "Conflict resolution", "fields not judged", false,
        "Fields without a single right result (concurrent edits of text), or with operations of which nobody knows whether they were done.",
        |c| Measured::Number(c.conflicts.not_judged as f64, Unit::Count);
    REBUILD_CPU: "State reconstruction", "CPU after a restart", true,
        "CPU time of a node to have its state back from its own disk at the end of the run; the median of several times.",
        |c| rebuilt(c, Measured::Number(c.rebuild.cpu_us, Unit::Micros));
    REBUILD_BYTES: "State reconstruction", "bytes read", true,
        "Bytes that the node reads for it.",
        |c| rebuilt(c, bytes(c.rebuild.bytes_read));
    MEMORY: "Metadata overhead", "in memory", true,
        "Bytes in memory of the median node, less the names of keys and fields and the values at the end.",
        |c| match c.overhead.memory_bytes {
            Some(all) => beyond(all, c.overhead.value_bytes),
            None => Measured::Missing("not measured"),
        };
    DISK: "Metadata overhead", "on disk", true,
        "Bytes on disk of the median node, less the names and the values at the end.",
        |c| beyond(c.overhead.disk_bytes, c.overhead.value_bytes);
    ON_WIRE: "Metadata overhead", "on the wire", true,
        "Bytes on all links, less key, field and value of every operation, once for each other node. Below zero if operations are merged before they are sent.",
        |c| beyond(c.bandwidth.wire_bytes, c.overhead.needed_wire_bytes);
    WRITTEN: "Metadata overhead", "written to disk over the run", true,
        "All bytes that the median node wrote to its disk, what was overwritten or compacted later included.",
        |c| bytes(c.overhead.disk_written);
    RECOVERY_TIME: "Partition recovery", "until all nodes are identical", true,
        "Virtual time from the end of the partition, or from the restart, until all nodes know the same.",
        |c| recovered(c, |r| Measured::Number(r.virtual_us as f64, Unit::Micros));
    RECOVERY_BYTES: "Partition recovery", "bytes on all links", true,
        "Bytes on all links meanwhile, headers of packets included.",
        |c| recovered(c, |r| bytes(r.wire_bytes));
    SETTLE: "Partition recovery", "from the last event to identical", true,
        "Virtual time from the last operation or the end of the last fault until all nodes know the same.",
        |c| match c.settle_us {
            Some(time) => Measured::Number(time as f64, Unit::Micros),
            None => Measured::Missing("never identical"),
        };
    DONE: "Operations", "acknowledged", false,
        "Operations that were acknowledged by the end, of those submitted.",
        |c| if c.submitted == 0 {
            Measured::Missing("nothing ran")
        } else {
            Measured::Words(format!("{} of {}", count(c.acknowledged), count(c.submitted)))
        };
    UNCERTAIN: "Operations", "done or not, nobody knows", false,
        "Operations whose node crashed before it acknowledged them. Their fields are not judged.",
        |c| Measured::Number(c.uncertain as f64, Unit::Count);
    PROMISES: "Semantics", "promises", false,
        "What the system promises: figures of a weaker promise are not the same thing for less.",
        |c| words(&c.semantics);
    PROOFS: "Proofs", "machine-checked", false,
        "What of the system, or of its protocol, is machine-checked, and by whom.",
        |c| words(&c.proofs);
}
