//! Runs a workload through systems and measures each of them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use atomik_workload::workload::Workload;

use crate::conflicts::conflicts;
use crate::figures::{Inexpressible, Run, SystemFigures, TraceFigures, WorldFigures};
use crate::history::History;
use crate::latency::{bandwidth, latency, recovery};
use crate::overhead::overhead;
use crate::pace;
use crate::rebuild::rebuild;
use crate::settings::Settings;
use crate::system::{Micros, System, SystemError};
use crate::world::{self, Fate};

/// A measurement of one system.
pub struct Job<'a> {
    /// The operations.
    pub workload: &'a Workload,
    /// The world around the nodes.
    pub settings: &'a Settings,
    /// The system.
    pub system: &'a dyn System,
    /// The command line that measures this alone. It is only recorded.
    pub command: String,
    /// The place on the axis of growth, or the number of operations.
    pub size: u64,
}

/// A system's figures, and how long it took to measure them.
pub type Measured = Result<(SystemFigures, Duration), SystemError>;

impl Job<'_> {
    /// The name of the system.
    pub fn name(&self) -> &'static str {
        self.system.describe().name
    }

    /// Runs the workload through the system.
    ///
    /// # Errors
    ///
    /// [`SystemError`].
    pub fn measure(self) -> Measured {
        let start = Instant::now();
        let figures = measure(self.workload, self.settings, self.system, self.command)?;
        Ok((figures, start.elapsed()))
    }
}

/// Runs a workload through each of the systems.
///
/// `measure` carries out each measurement, or knows its result. `command` returns the command line
/// that measures the system of that name alone.
///
/// # Errors
///
/// [`SystemError::Run`], with the system's name.
pub fn run(
    workload: &Workload,
    settings: &Settings,
    systems: &[Box<dyn System>],
    command: impl Fn(&str) -> String,
    mut measure: impl FnMut(Job<'_>) -> Measured,
) -> Result<Run, SystemError> {
    let mut measured = Vec::new();
    let mut absent = Vec::new();
    for system in systems {
        let name = system.describe().name;
        if let Some(reason) = cannot_express(system.as_ref(), workload) {
            absent.push((name.to_owned(), reason));
            continue;
        }
        let figures = measure(Job {
            workload,
            settings,
            system: system.as_ref(),
            command: command(name),
            size: workload.steps.len() as u64,
        });
        let (figures, _) = figures.map_err(|error| SystemError::Run {
            name,
            seed: settings.seed,
            source: Box::new(error),
        })?;
        measured.push(figures);
    }
    let times = pace::times(workload, settings.pace, settings.reach());
    let (recorded_ms, played) = (pace::recorded_ms(workload), times.last().copied());
    Ok(Run {
        trace: TraceFigures {
            name: workload.name.clone(),
            operations: workload.steps.len() as u64,
            keys: workload.keys.len() as u64,
            fields: workload.fields.len() as u64,
            recorded_ms,
            acceleration: match played {
                Some(played) if played > 0 => recorded_ms as f64 * 1e3 / played as f64,
                _ => 1.0,
            },
            made_concurrent: pace::made_concurrent(workload, &times, settings.reach()),
        },
        world: WorldFigures {
            nodes: settings.nodes as u64,
            seed: settings.seed,
            faults: settings.faults.to_string(),
            latency_ms: Some(settings.link.latency as f64 / 1e3),
            settings: described(workload, settings, &times),
        },
        systems: measured,
        absent,
        lingering: None,
    })
}

/// The settings, and how much of the trace a fault covers.
fn described(workload: &Workload, settings: &Settings, times: &[Micros]) -> Vec<String> {
    let mut lines = settings.describe();
    if settings.faults.partition || settings.faults.crash {
        let covered = world::covered(settings, times);
        let steps = &workload.steps[workload.steps.len() - covered..];
        if let (Some(first), Some(last)) = (steps.first(), steps.last()) {
            lines.push(format!(
                "the fault covers the last {covered} operations, which were recorded within {} s",
                (last.t - first.t) as f64 / 1e3
            ));
        }
    }
    lines
}

/// Why a system can express none of a workload's fields, if it cannot.
fn cannot_express(system: &dyn System, workload: &Workload) -> Option<String> {
    let refusals = workload.fields.iter().map(|field| system.expresses(field));
    let reasons: Option<BTreeSet<String>> = refusals.map(Result::err).collect();
    let reasons: Vec<_> = reasons?.into_iter().collect();
    (!reasons.is_empty()).then(|| format!("cannot express this trace: {}", reasons.join("; ")))
}

/// Runs a workload through one system. `command` is only recorded.
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
        .map_err(|error| SystemError::failed("creating a folder for the disks", error))?;
    let finished = world::run(workload, settings, system, folder.path())?;
    let count = |fate: fn(&Fate) -> bool| finished.fates.iter().filter(|f| fate(f)).count() as u64;
    let submitted = count(|fate| *fate != Fate::LeftOut);
    let history = History::new(workload, &finished);
    let description = system.describe();
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
        acknowledged: count(|fate| matches!(fate, Fate::Acknowledged(_))),
        uncertain: count(|fate| *fate == Fate::Uncertain),
        latency: latency(&finished, submitted),
        bandwidth: bandwidth(&finished, submitted),
        conflicts: conflicts(workload, &finished, &history, settings.seed)?,
        rebuild: rebuild(system, workload, &finished, &history, submitted)?,
        recovery: recovery(&finished, settings.faults),
        converged: finished.converged,
        settle_us: finished.settled,
        overhead: overhead(workload, finished, &history)?,
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
