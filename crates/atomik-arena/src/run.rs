//! Runs a workload through a system and measures it.

use std::collections::{BTreeMap, BTreeSet};

use cpu_time::ProcessTime;

use crate::figures::{
    Bandwidth, Conflicts, Inexpressible, Latency, Overhead, Quantiles, Rebuild, Recovery, Run,
    SystemFigures, TraceFigures, WorldFigures,
};
use crate::judge::{Done, Judgement, judge};
use crate::settings::{Faults, Settings};
use crate::system::{Node, System, SystemError};
use crate::world::{self, Ended, Fate};
use atomik_workload::content::Content;
use atomik_workload::workload::Workload;

/// How often a node is started again to measure how long that takes.
const REBUILDS: usize = 3;
/// How many wrong fields are told in words.
const EXAMPLES: usize = 3;

/// Runs a workload through each of these systems.
///
/// `started` is called with the name of each system before it runs; `commands` gives the command
/// that makes a column of that name.
///
/// # Errors
///
/// [`SystemError`], with the system's name.
pub fn run(
    workload: &Workload,
    settings: &Settings,
    systems: &[Box<dyn System>],
    command: impl Fn(&str) -> String,
    mut started: impl FnMut(&str),
) -> Result<Run, SystemError> {
    let mut measured = Vec::new();
    let mut absent = Vec::new();
    for system in systems {
        let name = system.describe().name;
        if !workload.fields.is_empty()
            && workload
                .fields
                .iter()
                .all(|field| system.expresses(field).is_err())
        {
            let reasons: BTreeSet<_> = workload
                .fields
                .iter()
                .filter_map(|field| system.expresses(field).err())
                .collect();
            let reasons: Vec<_> = reasons.into_iter().collect();
            absent.push((
                name.to_owned(),
                format!("cannot express this trace: {}", reasons.join("; ")),
            ));
            continue;
        }
        started(name);
        let figures =
            measure(workload, settings, system.as_ref(), command(name)).map_err(|error| {
                SystemError::Run {
                    name,
                    seed: settings.seed,
                    source: Box::new(error),
                }
            })?;
        measured.push(figures);
    }
    Ok(Run {
        trace: TraceFigures {
            name: workload.name.clone(),
            operations: workload.steps.len() as u64,
            keys: workload.keys.len() as u64,
            fields: workload.fields.len() as u64,
            recorded_ms: world::recorded_ms(workload),
            acceleration: world::acceleration(workload, settings),
        },
        world: WorldFigures {
            nodes: settings.nodes as u64,
            seed: settings.seed,
            faults: name_of(settings.faults),
            settings: settings.describe(),
        },
        systems: measured,
        absent,
    })
}

/// The faults by name, as the command line takes them.
pub fn name_of(faults: Faults) -> String {
    let names = [
        (faults.loss, "loss"),
        (faults.partition, "partition"),
        (faults.crash, "crash"),
    ];
    let names: Vec<_> = names
        .iter()
        .filter_map(|(is, name)| is.then_some(*name))
        .collect();
    if names.is_empty() {
        "none".into()
    } else {
        names.join(",")
    }
}

/// Runs a workload through one system.
///
/// # Errors
///
/// [`SystemError`].
pub fn measure(
    workload: &Workload,
    settings: &Settings,
    system: &dyn System,
    command: String,
) -> Result<SystemFigures, SystemError> {
    let folder = tempfile::tempdir()
        .map_err(|error| SystemError::failed("a folder for the disks of the nodes", error))?;
    let mut ended = world::run(workload, settings, system, folder.path())?;
    let count = |fate: fn(&Fate) -> bool| ended.fates.iter().filter(|f| fate(f)).count() as u64;
    let submitted = count(|fate| *fate != Fate::LeftOut);
    let acknowledged = count(|fate| matches!(fate, Fate::Acknowledged(_)));
    let uncertain = count(|fate| *fate == Fate::Uncertain);
    let per_op = |total: f64| total / (submitted.max(1)) as f64;
    let waits = ended.fates.iter().filter_map(|fate| match fate {
        Fate::Acknowledged(wait) => Some(*wait as f64),
        _ => None,
    });
    let latency = Latency {
        virtual_us: quantiles(waits.collect()),
        submit_cpu_ns: quantiles(std::mem::take(&mut ended.submit_cpu)),
        total_cpu_ns: per_op(ended.total_cpu),
    };
    let bandwidth = Bandwidth {
        messages: ended.messages,
        payload_bytes: ended.payload_bytes,
        wire_bytes: ended.wire_bytes,
        wire_bytes_per_op: per_op(ended.wire_bytes as f64),
        messages_per_op: per_op(ended.messages as f64),
    };
    let fields = Fields::new(workload, &ended);
    let (conflicts, value_bytes) = fields.judge(workload, settings, &ended)?;
    let rebuild = rebuild(system, &ended, &fields, workload, submitted)?;
    let overhead = overhead(workload, &mut ended, value_bytes);
    let description = system.describe();
    let recovery = (settings.faults.partition || settings.faults.crash)
        .then_some(ended.settled)
        .flatten()
        .map(|virtual_us| Recovery {
            virtual_us,
            wire_bytes: ended.settling_bytes,
        });
    Ok(SystemFigures {
        name: description.name.to_owned(),
        library: description.library,
        semantics: description.semantics.to_owned(),
        usage: description.usage.to_owned(),
        proofs: description.proofs.to_owned(),
        command,
        seed: settings.seed,
        inexpressible: inexpressible(workload, system),
        submitted,
        acknowledged,
        uncertain,
        latency,
        bandwidth,
        conflicts,
        rebuild,
        overhead,
        recovery,
        converged: ended.converged,
        settle_us: ended.settled,
    })
}

fn inexpressible(workload: &Workload, system: &dyn System) -> Vec<Inexpressible> {
    let mut operations = vec![0; workload.fields.len()];
    for step in &workload.steps {
        operations[usize::from(step.field)] += 1;
    }
    workload
        .fields
        .iter()
        .zip(operations)
        .filter_map(|(field, operations)| {
            Some(Inexpressible {
                field: field.name.clone(),
                operations,
                reason: system.expresses(field).err()?,
            })
        })
        .collect()
}

/// Median, 99th percentile and maximum, by nearest rank.
pub(crate) fn quantiles(mut values: Vec<f64>) -> Quantiles {
    values.sort_by(f64::total_cmp);
    let rank = |share: f64| {
        let rank = (share * values.len() as f64).ceil() as usize;
        values.get(rank.max(1) - 1).copied().unwrap_or(0.0)
    };
    Quantiles {
        median: rank(0.5),
        p99: rank(0.99),
        most: rank(1.0),
    }
}

/// The operations of a run by the field of the key that they are on.
struct Fields(BTreeMap<(u32, u16), Vec<u32>>);

impl Fields {
    fn new(workload: &Workload, ended: &Ended) -> Self {
        let mut fields: BTreeMap<(u32, u16), Vec<u32>> = BTreeMap::new();
        for (place, (step, fate)) in workload.steps.iter().zip(&ended.fates).enumerate() {
            if *fate != Fate::LeftOut {
                let ops = fields.entry((step.key, step.field)).or_default();
                ops.push(place as u32);
            }
        }
        Self(fields)
    }

    /// Compares what all nodes ended with, with what the operations explain. Also returns the bytes
    /// of names and values.
    fn judge(
        &self,
        workload: &Workload,
        settings: &Settings,
        ended: &Ended,
    ) -> Result<(Conflicts, u64), SystemError> {
        let mut conflicts = Conflicts::default();
        let mut value_bytes = 0;
        let mut last_key = None;
        let reported: BTreeSet<(&str, u16)> = ended
            .conflicts
            .iter()
            .flat_map(|conflict| {
                let all = 0..workload.fields.len() as u16;
                all.filter(|field| conflict.field.is_none_or(|named| named == *field))
                    .map(|field| (conflict.key.as_str(), field))
            })
            .collect();
        conflicts.reported = self
            .0
            .keys()
            .filter(|(key, field)| reported.contains(&(&*workload.keys[*key as usize], *field)))
            .count() as u64;
        for (&(key, number), ops) in &self.0 {
            let name = &workload.keys[key as usize];
            let field = &workload.fields[usize::from(number)];
            let ends = ended
                .nodes
                .iter()
                .map(|node| node.read(name, number))
                .collect::<Result<Vec<Content>, _>>()?;
            let Some(end) = ends.first() else {
                return Err(SystemError::invariant("a run without nodes"));
            };
            if last_key.replace(key) != Some(key) {
                value_bytes += name.len() as u64;
            }
            value_bytes += (field.name.len() + end.bytes()) as u64;
            if let Some(node) = ends.iter().position(|other| other != end)
                && ended.converged
            {
                return Err(SystemError::Diverged {
                    node,
                    place: format!("{name:?}, field {:?}", field.name),
                    first: format!("{end:?}"),
                    other: format!("{:?}", ends[node]),
                });
            }
            let judgement = if ended.converged {
                judge_field(workload, ended, ops, field.class, end)
            } else {
                Judgement::NotJudged("nodes differ")
            };
            match judgement {
                Judgement::Explained => conflicts.compared += 1,
                Judgement::NotJudged(_) => conflicts.not_judged += 1,
                Judgement::Wrong(meant) => {
                    conflicts.compared += 1;
                    conflicts.wrong += 1;
                    let told = reported.contains(&(name, number));
                    conflicts.wrong_reported += u64::from(told);
                    if conflicts.examples.len() < EXAMPLES {
                        conflicts.examples.push(format!(
                            "{name:?}, field {:?}: {}, should be {meant}; operations {}{} (seed {})",
                            field.name,
                            short(end),
                            numbers(ops),
                            if told { "; reported" } else { "; not reported" },
                            settings.seed
                        ));
                    }
                }
            }
        }
        Ok((conflicts, value_bytes))
    }
}

fn judge_field(
    workload: &Workload,
    ended: &Ended,
    ops: &[u32],
    class: atomik_workload::workload::Class,
    end: &Content,
) -> Judgement {
    let mut history = Vec::with_capacity(ops.len());
    for &op in ops {
        let (node, submitted) = ended.submissions[op as usize];
        let Fate::Acknowledged(wait) = ended.fates[op as usize] else {
            return Judgement::NotJudged("an operation of which nobody knows whether it was done");
        };
        history.push(Done {
            node,
            submitted,
            acknowledged: submitted + wait,
            action: &workload.steps[op as usize].action,
        });
    }
    judge(class, &history, end)
}

fn short(content: &Content) -> String {
    match content {
        Content::Flag(true) => "on".into(),
        Content::Flag(false) => "off".into(),
        Content::Register(None) => "nothing".into(),
        Content::Register(Some(value)) => value.to_string(),
        Content::Counter(sum) => sum.to_string(),
        Content::Set(elements) => format!("a set of {}", elements.len()),
        Content::List(values) => format!("a list of {}", values.len()),
        Content::Text(text) => format!("{} bytes of text", text.len()),
    }
}

/// The last operations of these, counted from 1 as the lines of a trace are.
fn numbers(ops: &[u32]) -> String {
    const SHOWN: usize = 4;
    let last = &ops[ops.len().saturating_sub(SHOWN)..];
    let words: Vec<_> = last.iter().map(|op| (op + 1).to_string()).collect();
    let before = if ops.len() > SHOWN { "…, " } else { "" };
    format!("{before}{}", words.join(", "))
}

/// Starts every node again from its disk, and looks whether it has everything back.
fn rebuild(
    system: &dyn System,
    ended: &Ended,
    fields: &Fields,
    workload: &Workload,
    history: u64,
) -> Result<Rebuild, SystemError> {
    let mut times = Vec::new();
    let mut read = Vec::new();
    for (node, storage) in ended.storages.iter().enumerate().take(REBUILDS) {
        let before = ProcessTime::now();
        let again = system.open(&ended.setup, node, storage)?;
        times.push(before.elapsed().as_nanos() as f64 / 1e3);
        read.push(again.bytes_read() as f64);
        if !ended.converged {
            continue;
        }
        for &(key, field) in fields.0.keys() {
            let name = &workload.keys[key as usize];
            let (before, after) = (
                ended.nodes[node].read(name, field)?,
                again.read(name, field)?,
            );
            if before != after {
                let field = &workload.fields[usize::from(field)].name;
                return Err(SystemError::NotDurable {
                    node,
                    place: format!("{name:?}, field {field:?}"),
                    before: short(&before),
                    after: short(&after),
                });
            }
        }
    }
    Ok(Rebuild {
        samples: times.len() as u64,
        cpu_us: quantiles(times).median,
        bytes_read: quantiles(read).median as u64,
        history,
    })
}

/// Lets the nodes go, one by one, and counts what each gives back.
fn overhead(workload: &Workload, ended: &mut Ended, value_bytes: u64) -> Overhead {
    let disks: Vec<f64> = ended
        .storages
        .iter()
        .zip(&ended.nodes)
        .map(|(storage, node)| {
            let records = storage.records.iter();
            let bytes: usize = records.map(|(key, value)| key.len() + value.len()).sum();
            bytes as f64 + node.foreign_disk() as f64
        })
        .collect();
    let memories: Vec<f64> = ended
        .nodes
        .drain(..)
        .map(|node| {
            let foreign = node.foreign_memory();
            let before = live_bytes();
            drop::<Box<dyn Node>>(node);
            (before - live_bytes()) as f64 + foreign as f64
        })
        .collect();
    let others = ended.setup.nodes as u64 - 1;
    let needed: u64 = workload
        .steps
        .iter()
        .zip(&ended.fates)
        .filter(|(_, fate)| **fate != Fate::LeftOut)
        .map(|(step, _)| {
            (workload.key(step).len() + workload.field(step).name.len() + step.action.bytes())
                as u64
        })
        .sum();
    Overhead {
        value_bytes,
        memory_bytes: is_counted().then(|| quantiles(memories).median as u64),
        disk_bytes: quantiles(disks).median as u64,
        disk_written: ended.disk_written,
        needed_wire_bytes: needed * others,
    }
}

/// Bytes that Rust's allocator has handed out and not got back; 0 in programs that do not count.
fn live_bytes() -> i64 {
    let stats = stats_alloc::INSTRUMENTED_SYSTEM.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

/// Whether this program counts what it allocates.
fn is_counted() -> bool {
    live_bytes() != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let q = quantiles((1..=200).rev().map(f64::from).collect());
        assert_eq!((q.median, q.p99, q.most), (100.0, 198.0, 200.0));
        assert_eq!(quantiles(vec![]).most, 0.0);
    }
}
