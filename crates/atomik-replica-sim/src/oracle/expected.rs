//! One replica as it must be: what it holds, and what it must remember beside that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use atomik_replica::{OpError, Value};

use super::contents::Contents;
use super::fields::Fields;
use super::history::Folded;
use super::members::Covered;

/// A batch that can be undone.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) number: u64,
    pub(crate) undoes: Option<u64>,
    pub(crate) deltas: Vec<(usize, Value)>,
}

/// What a replica stores and does not share with others.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub(crate) origin: usize,
    pub(crate) retired: bool,
    /// The number of the list of members, and whether this replica is on it.
    pub(crate) roster: u64,
    pub(crate) member: bool,
    /// By origin, what is in its base.
    pub(crate) base: BTreeMap<usize, Folded>,
    /// How many disks had been lost when it was asked to retire.
    pub(crate) losses: usize,
    /// By key.
    pub(crate) marks: Vec<Value>,
    pub(crate) batches: VecDeque<Batch>,
    pub(crate) undone: BTreeSet<u64>,
    pub(crate) next_batch: u64,
    /// Number, and the states of all keys.
    pub(crate) checkpoints: Vec<(u32, Vec<Value>)>,
    pub(crate) next_checkpoint: u32,
}

impl Local {
    /// Why the replica accepts no operations.
    pub(crate) fn check_active(&self) -> Result<(), OpError> {
        if !self.member {
            let roster = self.roster;
            return Err(OpError::Removed { roster });
        }
        if self.retired {
            return Err(OpError::Retired);
        }
        Ok(())
    }
}

/// A replica at the moment of a flush: what a start from that batch must bring back.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) local: Local,
    pub(crate) contents: Contents,
}

impl Snapshot {
    pub(crate) fn origin(&self) -> usize {
        self.local.origin
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) number: u32,
    /// The states of all keys as the notices add up.
    pub(crate) heard: Vec<Value>,
}

/// One replica as it must be.
#[derive(Clone, Debug)]
pub(crate) struct ExpectedReplica {
    /// Its number.
    pub(crate) n: usize,
    pub(crate) local: Local,
    pub(crate) contents: Contents,
    /// What the certificate of its base covers.
    pub(crate) covered: Covered,
    pub(crate) subscriptions: Vec<Subscription>,
    /// Tickets that were promised since the last flush.
    pub(crate) promised: Vec<u64>,
}

impl ExpectedReplica {
    /// A replica that starts without records.
    pub(crate) fn empty(n: usize, origin: usize, keys: usize, fields: &Rc<Fields>) -> Self {
        let local = Local {
            origin,
            retired: false,
            roster: 0,
            member: true,
            base: BTreeMap::new(),
            losses: 0,
            marks: vec![fields.zero(); keys],
            batches: VecDeque::new(),
            undone: BTreeSet::new(),
            next_batch: 1,
            checkpoints: Vec::new(),
            next_checkpoint: 1,
        };
        let contents = Contents::empty(keys, fields);
        Self::from_snapshot(n, origin, Snapshot { local, contents })
    }

    /// A replica that starts from what it had stored, as `origin`.
    pub(crate) fn from_snapshot(n: usize, origin: usize, snapshot: Snapshot) -> Self {
        let Snapshot { local, contents } = snapshot;
        Self {
            n,
            local: Local { origin, ..local },
            contents,
            covered: Covered::default(),
            subscriptions: Vec::new(),
            promised: Vec::new(),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            local: self.local.clone(),
            contents: self.contents.signed(),
        }
    }

    /// The states of all keys.
    pub(crate) fn states(&self) -> Vec<Value> {
        let keys = self.contents.keys.iter();
        keys.map(|key| key.state.clone()).collect()
    }
}
