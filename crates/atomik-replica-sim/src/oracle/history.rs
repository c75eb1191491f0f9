//! Every change that any origin ever made, with what its maker knew of the others.
//!
//! From this follow the contents of an entry of a given version, the state of a key, and which
//! changes are concurrent.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use atomik_replica::{Author, OriginId, Replica, Value};

use super::contents::{ALL, Entry, KeyContents};
use super::fields::Fields;
use super::honesty::KnownLiar;
use super::members::Members;
use crate::violation::{Check, Violation, ensure};

/// One change of one key, as its origin made it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The origin's accumulator after the change.
    pub(crate) accumulator: Value,
    /// The version vector of the changes to the key that the maker knew, by origin.
    pub(crate) knew: Vec<u64>,
    /// Whether `knew` is exact, and not a lower bound.
    pub(crate) exact: bool,
    /// The version of the origin's last change so far that put a value into a field that adds; 0 if
    /// none did.
    pub(crate) put: u64,
}

/// The certificate by which an origin was folded, and the versions in the base, by key.
pub(crate) type Folded = (u128, Vec<u64>);

/// An origin and everything that it ever did.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) id: OriginId,
    /// Known once a replica has listed the origin.
    pub(crate) author: Option<Author>,
    /// The replica that writes, or wrote, as this origin.
    pub(crate) owner: usize,
    /// By key.
    pub(crate) changes: Vec<Vec<Change>>,
    /// The versions that its storage has confirmed, by key.
    pub(crate) stored: Vec<u64>,
    /// The versions that some disk must have, by key: those confirmed, except what was lost.
    pub(crate) acknowledged: Vec<u64>,
    /// Whether its storage has lost confirmed batches.
    pub(crate) lost: bool,
    pub(crate) retired: bool,
    /// Whether it began while its key was on no list that its replica knew: it publishes nothing.
    pub(crate) waits: bool,
    /// What is in the bases of those that have folded it.
    folded: Option<Folded>,
}

/// Changes that a replica makes under an origin after it was started with records, while others
/// may know later ones of the same origin: the records may be a stale copy.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) origin: usize,
    /// By key.
    pub(crate) changes: Vec<Vec<Change>>,
    /// The versions in the records, by key.
    pub(crate) base: Vec<u64>,
}

impl Branch {
    /// The accumulator of a key at a version; `zero` at version 0.
    pub(crate) fn accumulator<'a>(
        &'a self,
        key: usize,
        version: u64,
        zero: &'a Value,
    ) -> &'a Value {
        let place = (version as usize).checked_sub(1);
        place.map_or(zero, |place| &self.changes[key][place].accumulator)
    }
}

/// All origins, numbered in the order in which they came to be.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) keys: Vec<Vec<u8>>,
    pub(crate) fields: Rc<Fields>,
    pub(crate) origins: Vec<Origin>,
    numbers: BTreeMap<OriginId, usize>,
    /// By replica.
    branches: Vec<Option<Branch>>,
    /// What is known of a dishonest member, if there is one.
    pub(crate) liar: Option<KnownLiar>,
    /// The lists of members, and who stays.
    pub(crate) members: Members,
    /// The replicas that have announced their retirement. What they hold no longer counts.
    pub(crate) left: BTreeSet<usize>,
    /// How many disks were lost.
    pub(crate) losses: usize,
}

impl History {
    pub(crate) fn new(keys: Vec<Vec<u8>>, fields: Fields, replicas: usize) -> Self {
        Self {
            keys,
            fields: Rc::new(fields),
            origins: Vec::new(),
            numbers: BTreeMap::new(),
            branches: vec![None; replicas],
            liar: None,
            members: Members::default(),
            left: BTreeSet::new(),
            losses: 0,
        }
    }

    pub(crate) fn zero(&self) -> Value {
        self.fields.zero()
    }

    /// Whether this replica is dishonest.
    pub(crate) fn is_liar(&self, n: u8) -> bool {
        let liar = self.liar.as_ref();
        liar.is_some_and(|liar| liar.n == usize::from(n))
    }

    /// Whether an origin is one of a dishonest member's.
    pub(crate) fn is_foreign(&self, id: OriginId) -> bool {
        let liar = self.liar.as_ref();
        liar.is_some_and(|liar| liar.has_been(id))
    }

    /// The number of a key.
    pub(crate) fn key(&self, name: &[u8]) -> Check<usize> {
        self.keys
            .iter()
            .position(|key| key[..] == *name)
            .ok_or_else(|| Violation {
                invariant: "a notice names a key of the schedule",
                detail: format!("{name:?}"),
            })
    }

    /// The number of an origin.
    pub(crate) fn origin(&self, id: OriginId) -> Option<usize> {
        self.numbers.get(&id).copied()
    }

    /// A short name of an origin: its replica, and how many origins that replica had before.
    pub(crate) fn name(&self, origin: usize) -> String {
        let Origin { owner, .. } = self.origins[origin];
        let earlier = self.origins[..origin]
            .iter()
            .filter(|other| other.owner == owner);
        format!("r{owner}.{}", earlier.count())
    }

    /// As [`History::name`]; the id itself if no replica has had it.
    pub(crate) fn name_of(&self, id: OriginId) -> String {
        self.origin(id)
            .map_or_else(|| id.to_string(), |origin| self.name(origin))
    }

    /// Adds an origin that replica `owner` writes as from now on.
    pub(crate) fn register(&mut self, id: OriginId, owner: usize) -> Check<usize> {
        ensure(
            !self.numbers.contains_key(&id),
            "a replica that cannot prove its memory takes a new origin",
            || format!("r{owner} goes on as {}", self.name_of(id)),
        )?;
        let number = self.origins.len();
        self.numbers.insert(id, number);
        self.origins.push(Origin {
            id,
            author: None,
            owner,
            changes: vec![Vec::new(); self.keys.len()],
            stored: vec![0; self.keys.len()],
            acknowledged: vec![0; self.keys.len()],
            lost: false,
            retired: false,
            waits: false,
            folded: None,
        });
        Ok(number)
    }

    /// Learns who wrote as the origins that a replica lists.
    pub(crate) fn learn(&mut self, replica: &Replica) {
        for status in replica.origins() {
            if let Some(&number) = self.numbers.get(&status.origin) {
                self.origins[number].author = Some(status.author);
            }
        }
    }

    /// The version of an origin's entry that is folded; the last one as long as none is.
    pub(crate) fn folded_version(&self, origin: usize, key: usize) -> u64 {
        let origin = &self.origins[origin];
        let folded = origin.folded.as_ref().map(|(_, folded)| folded[key]);
        folded.unwrap_or(origin.changes[key].len() as u64)
    }

    /// Takes note that a replica that held these versions of an origin has folded it by a
    /// certificate, or has `adopted` a base in which it is folded; returns what is in its base. The
    /// first to fold decides, unless it has lost that, nobody else has it, and there is another
    /// certificate: by the same one, what one has that lost its base can only be an equal one, such
    /// as that of changes which cancel.
    pub(crate) fn fold(
        &mut self,
        (origin, held): (usize, Vec<u64>),
        certificate: u128,
        adopted: bool,
        known: bool,
    ) -> Folded {
        let folded = &mut self.origins[origin].folded;
        if adopted {
            // If nobody is known to have folded it, nobody has folded any change of it.
            let none = || (certificate, vec![0; held.len()]);
            return folded.get_or_insert_with(none).clone();
        }
        if folded
            .as_ref()
            .is_some_and(|(by, _)| !known && *by != certificate)
        {
            *folded = None;
        }
        folded.get_or_insert((certificate, held)).clone()
    }

    /// What a replica has folded while it counted as removed is what counts now.
    pub(crate) fn decide(&mut self, base: &BTreeMap<usize, Folded>) {
        for (origin, folded) in base {
            self.origins[*origin].folded = Some(folded.clone());
        }
    }

    /// The part of a state that is not that of entries of lives that are not over.
    pub(crate) fn departed(&self, key: &KeyContents) -> Value {
        let mut rest = key.state.clone();
        for entry in self.living(key) {
            self.fields.take_from(&mut rest, &entry.accumulator);
        }
        rest
    }

    /// The entries of lives that are not over.
    pub(crate) fn living<'a>(&'a self, key: &'a KeyContents) -> impl Iterator<Item = &'a Entry> {
        key.entries.iter().filter(|entry| {
            let author = self.origins[entry.origin].author.as_ref();
            !self.members.is_over(author)
        })
    }

    /// The changes of an origin to a key, as replica `n` may know them: a branch is known to its
    /// replica alone.
    pub(crate) fn changes(&self, n: usize, origin: usize, key: usize) -> &[Change] {
        match &self.branches[n] {
            Some(branch) if branch.origin == origin => &branch.changes[key],
            _ => &self.origins[origin].changes[key],
        }
    }

    /// An origin's accumulator of a key at a version, as replica `n` may know it; `None` if there
    /// is no such version.
    pub(crate) fn accumulator(
        &self,
        n: usize,
        origin: usize,
        key: usize,
        version: u64,
    ) -> Option<Value> {
        let changes = self.changes(n, origin, key);
        let change = match version {
            ALL => {
                let folded = self.folded_version(origin, key);
                return self.accumulator(n, origin, key, folded);
            }
            0 => return Some(self.zero()),
            _ => changes.get(version as usize - 1),
        };
        change.map(|change| change.accumulator.clone())
    }

    /// Adds a change that replica `n` makes as `own`.
    pub(crate) fn append(
        &mut self,
        n: usize,
        own: usize,
        key: usize,
        (delta, is_put): (&Value, bool),
        knew: Vec<u64>,
    ) {
        let done = self.changes(n, own, key);
        let (last, version) = (done.last(), done.len() as u64 + 1);
        let before = last.map_or_else(|| self.zero(), |last| last.accumulator.clone());
        let accumulator = self.fields.sum(&before, delta);
        let before = last.map_or(0, |last| last.put);
        let put = if is_put { version } else { before };
        let changes = match &mut self.branches[n] {
            Some(branch) => &mut branch.changes[key],
            None => &mut self.origins[own].changes[key],
        };
        changes.push(Change {
            accumulator,
            knew,
            exact: true,
            put,
        });
    }

    /// The storage of its owner has these versions of an origin.
    pub(crate) fn confirm(&mut self, origin: usize, versions: &[u64]) {
        let raise = |known: &mut [u64]| {
            for (known, version) in known.iter_mut().zip(versions) {
                *known = (*known).max(*version);
            }
        };
        let origin = &mut self.origins[origin];
        raise(&mut origin.stored);
        let is_over = self.members.is_over(origin.author.as_ref());
        if !is_over && !self.left.contains(&origin.owner) {
            raise(&mut origin.acknowledged);
        }
    }

    /// Forgets the changes of an origin that its storage does not have: a change is sent only once
    /// it is stored, so nobody has seen them.
    pub(crate) fn forget_unstored(&mut self, origin: usize) {
        let origin = &mut self.origins[origin];
        for (changes, stored) in origin.changes.iter_mut().zip(&origin.stored) {
            changes.truncate(*stored as usize);
        }
    }

    pub(crate) fn branch(&self, n: usize) -> Option<&Branch> {
        self.branches[n].as_ref()
    }

    /// Replica `n` makes no more changes as `own`. Returns what it did, from what was published on.
    pub(crate) fn end_life(&mut self, n: usize, own: usize) -> Branch {
        self.take_branch(n).unwrap_or_else(|| {
            let origin = &self.origins[own];
            let (changes, base) = (origin.changes.clone(), origin.stored.clone());
            self.forget_unstored(own);
            Branch {
                origin: own,
                changes,
                base,
            }
        })
    }

    pub(crate) fn take_branch(&mut self, n: usize) -> Option<Branch> {
        self.branches[n].take()
    }

    /// From now on replica `n` writes as `origin` from the versions `base` of its records.
    pub(crate) fn branch_off(&mut self, n: usize, origin: usize, base: Vec<u64>) {
        let mut changes = self.origins[origin].changes.clone();
        for (changes, version) in changes.iter_mut().zip(&base) {
            changes.truncate(*version as usize);
        }
        self.branches[n] = Some(Branch {
            origin,
            changes,
            base,
        });
    }

    /// Makes the branch of replica `n` the history of its origin. What came after its base is lost,
    /// and its versions now name other changes.
    pub(crate) fn adopt_branch(&mut self, n: usize, retired: bool) {
        let Some(branch) = self.branches[n].take() else {
            return;
        };
        let own = branch.origin;
        // An entry that names a lost change as seen means another change than the one that has the
        // version now.
        let histories = self.origins.iter_mut().map(|origin| &mut origin.changes);
        let branches = self.branches.iter_mut().flatten();
        for history in histories.chain(branches.map(|branch| &mut branch.changes)) {
            for (changes, base) in history.iter_mut().zip(&branch.base) {
                for change in changes {
                    change.exact &= change.knew.get(own).is_none_or(|knew| knew <= base);
                }
            }
        }
        let is_over = self.members.is_over(self.origins[own].author.as_ref());
        let origin = &mut self.origins[own];
        origin.changes = branch.changes;
        if !is_over {
            origin.acknowledged.clone_from(&branch.base);
        }
        origin.stored = branch.base;
        origin.retired = retired;
    }
}
