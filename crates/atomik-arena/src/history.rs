//! The operations of a finished run, by the value that they change.

use std::collections::BTreeMap;

use atomik_workload::workload::{Field, Workload};

use crate::world::{Fate, Finished};

/// A field of a key, by its indices in the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The index in [`Workload::keys`].
    pub key: u32,
    /// The index in [`Workload::fields`].
    pub field: u16,
}

impl Place {
    /// Its key.
    pub fn key(self, workload: &Workload) -> &str {
        &workload.keys[self.key as usize]
    }

    /// Its field.
    pub fn field(self, workload: &Workload) -> &Field {
        &workload.fields[usize::from(self.field)]
    }

    /// Its key and field for a message.
    pub fn name(self, workload: &Workload) -> String {
        format!(
            "{:?}, field {:?}",
            self.key(workload),
            self.field(workload).name
        )
    }
}

/// For each value that was changed, the indices of its operations in the workload, in order.
/// Operations that the system cannot express are not in it.
pub struct History(BTreeMap<Place, Vec<u32>>);

impl History {
    /// The history of a finished run.
    pub fn new(workload: &Workload, finished: &Finished) -> Self {
        let mut values: BTreeMap<Place, Vec<u32>> = BTreeMap::new();
        for (index, (step, fate)) in workload.steps.iter().zip(&finished.fates).enumerate() {
            if *fate != Fate::LeftOut {
                let (key, field) = (step.key, step.field);
                let ops = values.entry(Place { key, field }).or_default();
                ops.push(index as u32);
            }
        }
        Self(values)
    }

    /// Every value with its operations, by key and field.
    pub fn values(&self) -> impl Iterator<Item = (Place, &[u32])> {
        self.0.iter().map(|(&place, ops)| (place, &ops[..]))
    }
}
