//! How long a change takes until every node reads it.
//!
//! That is measured by reading, so that all systems are measured alike. Only of some operations,
//! and only where a value cannot come from another one: of those whose field nobody else changes
//! shortly before and after, and none that a partition or a crash delays.

use std::collections::{BTreeSet, HashMap};

use atomik_workload::content::Content;
use atomik_workload::workload::{Step, Workload};

use crate::host::Host;
use crate::settings::Settings;
use crate::system::{Micros, NodeId, SystemError};

/// The maximum number of operations that are watched in a run.
const SAMPLES: usize = 500;

/// An operation that some node does not show yet.
struct Watched {
    place: usize,
    since: Micros,
    /// What its field reads as once it is visible.
    wanted: Content,
    /// The nodes that do not show it.
    missing: BTreeSet<NodeId>,
}

/// Watches some operations of a run.
pub(crate) struct Watch {
    sampled: BTreeSet<usize>,
    watched: Vec<Watched>,
    times: Vec<f64>,
}

impl Watch {
    /// Chooses operations of a run in which they are submitted at these `times` from the first. A
    /// fault covers the last `covered` of them. The system expresses those of which `is_run` says
    /// so.
    pub(crate) fn new(
        workload: &Workload,
        settings: &Settings,
        times: &[Micros],
        covered: usize,
        is_run: impl Fn(usize) -> bool,
    ) -> Self {
        let reach = settings.reach();
        let faults = settings.faults;
        let before_faults = match faults.partition || faults.crash {
            true => times.len().saturating_sub(covered),
            false => times.len(),
        };
        let end = match before_faults < times.len() {
            true => times[before_faults].saturating_sub(reach),
            false => Micros::MAX,
        };
        let mut latest: HashMap<(u32, u16), usize> = HashMap::new();
        let mut apart = vec![true; times.len()];
        for (place, step) in workload.steps.iter().enumerate() {
            if let Some(before) = latest.insert(field(step), place)
                && times[place] - times[before] < reach
            {
                apart[before] = false;
                apart[place] = false;
            }
        }
        let fits = |&place: &usize| apart[place] && is_run(place) && times[place] < end;
        let candidates = || (0..before_faults).filter(fits);
        let every = candidates().count().div_ceil(SAMPLES).max(1);
        Self {
            sampled: candidates().step_by(every).collect(),
            watched: Vec::new(),
            times: Vec::new(),
        }
    }

    /// Notes which of these operations to watch, before a node gets them. Each was submitted at its
    /// time.
    pub(crate) fn submit(
        &mut self,
        workload: &Workload,
        hosts: &[Host],
        now: Micros,
        operations: impl Iterator<Item = (usize, Micros)>,
    ) -> Result<(), SystemError> {
        for (place, since) in operations {
            let step = &workload.steps[place];
            self.overtake(workload, step, now);
            if !self.sampled.contains(&place) {
                continue;
            }
            let mut contents = Vec::with_capacity(hosts.len());
            for node in hosts.iter().filter_map(|host| host.node.as_ref()) {
                contents.push(node.read(workload.key(step), step.field)?);
            }
            let Some(before) = contents.pop() else {
                continue;
            };
            let mut wanted = before.clone();
            wanted.apply(&step.action);
            if wanted != before && contents.iter().all(|content| *content == before) {
                self.watched.push(Watched {
                    place,
                    since,
                    wanted,
                    missing: (0..hosts.len()).collect(),
                });
            }
        }
        Ok(())
    }

    /// The field of what is watched changes again: that took at least as long as until now.
    fn overtake(&mut self, workload: &Workload, step: &Step, now: Micros) {
        let overtaken = self.watched.extract_if(.., |watched| {
            field(&workload.steps[watched.place]) == field(step)
        });
        self.times
            .extend(overtaken.map(|watched| (now - watched.since) as f64));
    }

    /// Notes what a node shows now.
    pub(crate) fn look(
        &mut self,
        workload: &Workload,
        hosts: &[Host],
        node: NodeId,
        now: Micros,
    ) -> Result<(), SystemError> {
        let Some(reader) = &hosts[node].node else {
            return Ok(());
        };
        for watched in &mut self.watched {
            if !watched.missing.contains(&node) {
                continue;
            }
            let step = &workload.steps[watched.place];
            if reader.read(workload.key(step), step.field)? == watched.wanted {
                watched.missing.remove(&node);
            }
        }
        let visible = self.watched.extract_if(.., |it| it.missing.is_empty());
        self.times
            .extend(visible.map(|watched| (now - watched.since) as f64));
        Ok(())
    }

    /// Whether nothing is watched at the moment.
    pub(crate) fn is_idle(&self) -> bool {
        self.watched.is_empty()
    }

    /// What was measured, in microseconds. Of what is not visible at the end, it is the time until
    /// `now`.
    pub(crate) fn end(mut self, now: Micros) -> Vec<f64> {
        let rest = self.watched.iter().map(|it| (now - it.since) as f64);
        self.times.extend(rest);
        self.times
    }
}

fn field(step: &Step) -> (u32, u16) {
    (step.key, step.field)
}
