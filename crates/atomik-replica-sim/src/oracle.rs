//! What every replica must hold and say, computed from what was done to it and from nothing that it
//! computed itself.
//!
//! The oracle keeps, for every origin and key, all changes that the origin ever made, with what
//! their maker knew of the others. From this follow: what an entry of a given version must contain,
//! what a state must be, which pairs of changes are concurrent and in which bits they meet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use atomik_replica::{
    Notice, Op, OpError, OriginId, Outcome, Overlap, Replica, Response, Value, View as Keyspace,
};

use crate::schedule::{Operation, Setup};

/// What does not hold, and how that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) text: String,
}

pub(crate) type Check<T = ()> = Result<T, Violation>;

/// A violation, unless the condition holds.
pub(crate) fn hold(
    condition: bool,
    invariant: &'static str,
    text: impl FnOnce() -> String,
) -> Check {
    if condition {
        Ok(())
    } else {
        Err(Violation {
            invariant,
            text: text(),
        })
    }
}

/// The version that stands for "everything", of origins that were folded.
const ALL: u64 = u64::MAX;

/// One change of one key, as its origin made it.
#[derive(Clone, Debug)]
struct Change {
    accumulator: Value,
    /// The versions of all origins' changes to the key that its maker knew, by origin.
    knew: Vec<u64>,
    /// Whether `knew` is all that it knew, and not less.
    exact: bool,
}

/// An origin and all that it ever did, by key.
#[derive(Clone, Debug)]
struct Origin {
    id: OriginId,
    owner: usize,
    history: Vec<Vec<Change>>,
    /// The versions that storage has confirmed.
    confirmed: Vec<u64>,
    retired: bool,
    /// Members that once held all of it durably, after it had retired.
    complete_at: BTreeSet<usize>,
}

/// An entry as a replica shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    origin: usize,
    version: u64,
    accumulator: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyView {
    state: Value,
    /// By origin.
    entries: Vec<Entry>,
}

impl KeyView {
    fn version(&self, origin: usize) -> u64 {
        self.entries
            .iter()
            .find(|entry| entry.origin == origin)
            .map_or(0, |entry| entry.version)
    }
}

/// What a replica shows of its table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct View {
    keys: Vec<KeyView>,
    folded: BTreeSet<usize>,
}

impl View {
    fn empty(keys: usize, words: usize) -> Self {
        let key = KeyView {
            state: Value::zero(words),
            entries: Vec::new(),
        };
        Self {
            keys: vec![key; keys],
            folded: BTreeSet::new(),
        }
    }

    fn knows(&self, key: usize, origin: usize) -> u64 {
        if self.folded.contains(&origin) {
            ALL
        } else {
            self.keys[key].version(origin)
        }
    }
}

#[derive(Clone, Debug)]
struct Batch {
    number: u64,
    undoes: Option<u64>,
    deltas: Vec<(usize, Value)>,
}

/// What a replica must remember beside its entries.
#[derive(Clone, Debug)]
struct Local {
    origin: usize,
    retired: bool,
    marks: Vec<Value>,
    batches: VecDeque<Batch>,
    undone: BTreeSet<u64>,
    next_batch: u64,
    checkpoints: Vec<(u32, Vec<Value>)>,
    next_checkpoint: u32,
}

/// All of a replica at the moment of a flush: what is there again if it starts from that batch.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    local: Local,
    view: View,
}

impl Snapshot {
    pub(crate) fn origin(&self) -> usize {
        self.local.origin
    }

    fn versions(&self, origin: usize) -> Vec<u64> {
        self.view
            .keys
            .iter()
            .map(|key| key.version(origin))
            .collect()
    }
}

#[derive(Clone, Debug)]
struct Subscription {
    number: u32,
    shadow: Vec<Value>,
}

/// Changes of an origin that a replica makes after an old copy of it was put back, while others may
/// know later ones.
#[derive(Clone, Debug)]
struct Branch {
    history: Vec<Vec<Change>>,
    base: Vec<u64>,
}

/// One replica as it must be.
#[derive(Clone, Debug)]
struct Mind {
    local: Local,
    view: View,
    branch: Option<Branch>,
    subscriptions: Vec<Subscription>,
    /// Tickets that were promised since the last flush.
    promised: Vec<u64>,
}

/// What a local event must lead to.
pub(crate) struct Plan {
    deltas: Vec<(usize, Value)>,
    marks: BTreeMap<usize, Value>,
    undoes: Option<u64>,
    /// Keys that an operation was to leave as it found them.
    relied: Vec<usize>,
    /// Whether the batch goes on the list of those that can be undone.
    batch: bool,
    outcome: Expected,
}

struct Expected {
    durable: bool,
    number: Option<u64>,
    responses: Vec<Option<Response<Value>>>,
}

/// What a replica's start must lead to.
pub(crate) struct Opening<'a> {
    /// What it has on disk.
    pub(crate) snapshot: Option<&'a Snapshot>,
    /// It was told that this is all.
    pub(crate) kept_memory: bool,
    /// That was not true, and others may know more of its origin.
    pub(crate) put_back: bool,
}

/// What a step has shown, for the statistics.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) overlaps: u64,
    pub(crate) second_writers: u64,
    pub(crate) folded: u64,
    pub(crate) adopted: u64,
    pub(crate) memory_lost: bool,
    pub(crate) merged: u64,
}

pub(crate) struct Oracle {
    pub(crate) keys: Vec<Vec<u8>>,
    words: usize,
    keyspace: Keyspace,
    undo_batches: usize,
    origins: Vec<Origin>,
    places: BTreeMap<OriginId, usize>,
    minds: Vec<Option<Mind>>,
}

impl Oracle {
    pub(crate) fn new(setup: &Setup) -> Self {
        let keys = (0..setup.keys).map(|key| {
            let mut bytes = format!("k{key}").into_bytes();
            if setup.long_keys {
                bytes.resize(1000 + key, b'.');
            }
            bytes
        });
        Self {
            keys: keys.collect(),
            words: setup.words,
            keyspace: setup.view,
            undo_batches: setup.undo_batches,
            origins: Vec::new(),
            places: BTreeMap::new(),
            minds: vec![None; setup.replicas],
        }
    }

    /// A short name of an origin: its replica, and the how-manyeth of it.
    pub(crate) fn name(&self, origin: usize) -> String {
        let Origin { owner, .. } = self.origins[origin];
        let earlier = self.origins[..origin]
            .iter()
            .filter(|other| other.owner == owner);
        format!("r{owner}.{}", earlier.count())
    }

    pub(crate) fn name_of(&self, id: OriginId) -> String {
        self.places
            .get(&id)
            .map_or_else(|| id.to_string(), |&origin| self.name(origin))
    }

    fn mind(&mut self, n: usize) -> Check<&mut Mind> {
        self.minds[n].as_mut().ok_or_else(|| Violation {
            invariant: "simulator",
            text: format!("r{n} is not up"),
        })
    }

    fn known(&self, n: usize) -> Check<&Mind> {
        self.minds[n].as_ref().ok_or_else(|| Violation {
            invariant: "simulator",
            text: format!("r{n} is not up"),
        })
    }

    pub(crate) fn origin_of(&self, n: usize) -> Option<usize> {
        self.minds[n].as_ref().map(|mind| mind.local.origin)
    }

    pub(crate) fn is_branched(&self, n: usize) -> bool {
        self.minds[n]
            .as_ref()
            .is_some_and(|mind| mind.branch.is_some())
    }

    pub(crate) fn has_retired(&self, n: usize) -> bool {
        self.minds[n]
            .as_ref()
            .is_some_and(|mind| mind.local.retired)
    }

    /// The changes of an origin to a key, as replica `n` may know them: its own branch is known to
    /// itself alone.
    fn history(&self, n: usize, origin: usize, key: usize) -> &[Change] {
        if let Some(mind) = &self.minds[n]
            && let Some(branch) = &mind.branch
            && mind.local.origin == origin
        {
            return &branch.history[key];
        }
        &self.origins[origin].history[key]
    }

    fn accumulator(&self, n: usize, origin: usize, key: usize, version: u64) -> Option<Value> {
        if version == 0 {
            return Some(Value::zero(self.words));
        }
        let history = self.history(n, origin, key);
        let change = if version == ALL {
            match history.last() {
                None => return Some(Value::zero(self.words)),
                last => last,
            }
        } else {
            history.get(version as usize - 1)
        };
        change.map(|change| change.accumulator.clone())
    }

    /// The bits in which changes of `a` that the maker of `b`'s did not know, and the other way
    /// round, meet in their net effects; and whether all knowledge involved is exact.
    fn overlap(
        &self,
        n: usize,
        key: usize,
        a: (usize, u64),
        b: (usize, u64),
    ) -> Option<(Value, bool)> {
        let change = |(origin, version): (usize, u64)| {
            self.history(n, origin, key)
                .get((version as usize).checked_sub(1)?)
        };
        let (first, second) = (change(a)?, change(b)?);
        let knew = |change: &Change, origin: usize| change.knew.get(origin).copied().unwrap_or(0);
        let (of_b, of_a) = (knew(first, b.0), knew(second, a.0));
        // Who knows what an old copy has forgotten is compared with what the copy did instead:
        // neither right nor wrong, until it notices.
        let forgotten = self.minds[n].as_ref().is_some_and(|mind| {
            mind.branch.as_ref().is_some_and(|branch| {
                let own = mind.local.origin;
                own == a.0 && of_a > branch.base[key] || own == b.0 && of_b > branch.base[key]
            })
        });
        let exact = first.exact && second.exact && !forgotten;
        let zero = Value::zero(self.words);
        if of_b >= b.1 || of_a >= a.1 {
            return Some((zero, exact));
        }
        if forgotten {
            return Some((zero, false));
        }
        let net_a = first.accumulator.xor(&self.accumulator(n, a.0, key, of_a)?);
        let net_b = second
            .accumulator
            .xor(&self.accumulator(n, b.0, key, of_b)?);
        Some((net_a.and(&net_b), exact))
    }

    fn register(&mut self, id: OriginId, owner: usize) -> Check<usize> {
        hold(
            !self.places.contains_key(&id),
            "a replica that cannot prove its memory takes a new origin",
            || format!("r{owner} goes on as {}", self.name_of(id)),
        )?;
        let place = self.origins.len();
        self.places.insert(id, place);
        self.origins.push(Origin {
            id,
            owner,
            history: vec![Vec::new(); self.keys.len()],
            confirmed: vec![0; self.keys.len()],
            retired: false,
            complete_at: BTreeSet::new(),
        });
        Ok(place)
    }

    /// A replica has stopped; `survivor` is the last batch that its disk has.
    pub(crate) fn crashed(&mut self, n: usize, survivor: Option<&Snapshot>) {
        let Some(mind) = self.minds[n].take() else {
            return;
        };
        let own = mind.local.origin;
        if mind.branch.is_some() {
            return;
        }
        if let Some(survivor) = survivor
            && survivor.local.origin == own
        {
            self.confirm(own, survivor);
        }
        let origin = &mut self.origins[own];
        // What was not stored was not sent: it has never been.
        for (history, confirmed) in origin.history.iter_mut().zip(&origin.confirmed) {
            history.truncate(*confirmed as usize);
        }
        origin.retired &=
            survivor.is_some_and(|survivor| survivor.local.origin == own && survivor.local.retired);
        if !origin.retired {
            origin.complete_at.clear();
        }
    }

    fn confirm(&mut self, origin: usize, snapshot: &Snapshot) {
        let origin_versions = snapshot.versions(origin);
        let confirmed = &mut self.origins[origin].confirmed;
        for (confirmed, version) in confirmed.iter_mut().zip(origin_versions) {
            *confirmed = (*confirmed).max(version);
        }
    }

    /// Takes note of origins that have retired and that member `n` holds completely in what storage
    /// has confirmed.
    pub(crate) fn note_complete(&mut self, n: usize, confirmed: Option<&Snapshot>) {
        let Some(confirmed) = confirmed else { return };
        for (place, origin) in self.origins.iter_mut().enumerate() {
            let complete = origin.retired
                && (confirmed.view.folded.contains(&place)
                    || (0..self.keys.len()).all(|key| {
                        confirmed.view.keys[key].version(place) == origin.history[key].len() as u64
                    }));
            if complete {
                origin.complete_at.insert(n);
            }
        }
    }

    /// Storage has confirmed a batch, and the replica has been told.
    pub(crate) fn confirmed(&mut self, n: usize, snapshot: &Snapshot) {
        if self.origin_of(n) == Some(snapshot.local.origin) && !self.is_branched(n) {
            self.confirm(snapshot.local.origin, snapshot);
        }
        self.note_complete(n, Some(snapshot));
    }

    /// A replica was opened.
    pub(crate) fn opened(&mut self, n: usize, replica: &Replica, opening: &Opening<'_>) -> Check {
        let keeps = opening.kept_memory
            && opening
                .snapshot
                .is_some_and(|snapshot| !snapshot.local.retired);
        let own = match opening.snapshot {
            Some(snapshot) if keeps => {
                let own = snapshot.local.origin;
                hold(
                    replica.origin() == self.origins[own].id,
                    "a replica that kept its memory keeps its origin",
                    || format!("r{n} was {}", self.name(own)),
                )?;
                own
            }
            _ => self.register(replica.origin(), n)?,
        };
        let mut mind = opening.snapshot.map_or_else(
            || Mind {
                local: Local {
                    origin: own,
                    retired: false,
                    marks: vec![Value::zero(self.words); self.keys.len()],
                    batches: VecDeque::new(),
                    undone: BTreeSet::new(),
                    next_batch: 1,
                    checkpoints: Vec::new(),
                    next_checkpoint: 1,
                },
                view: View::empty(self.keys.len(), self.words),
                branch: None,
                subscriptions: Vec::new(),
                promised: Vec::new(),
            },
            |snapshot| Mind {
                local: snapshot.local.clone(),
                view: snapshot.view.clone(),
                branch: None,
                subscriptions: Vec::new(),
                promised: Vec::new(),
            },
        );
        mind.local.origin = own;
        mind.local.retired = false;
        if opening.put_back && keeps {
            let base: Vec<u64> = (mind.view.keys.iter().map(|key| key.version(own))).collect();
            let mut history = self.origins[own].history.clone();
            for (history, version) in history.iter_mut().zip(&base) {
                history.truncate(*version as usize);
            }
            mind.branch = Some(Branch { history, base });
        }
        let expected = mind.view.clone();
        self.minds[n] = Some(mind);
        let found = self.look(replica)?;
        hold(
            found == expected,
            "what was stored is there after a restart",
            || {
                format!(
                    "r{n}: {}",
                    self.difference(&expected, &found)
                        .unwrap_or_else(|| "folded origins".to_owned())
                )
            },
        )?;
        self.check_checkpoints(n, replica)
    }

    fn difference(&self, expected: &View, found: &View) -> Option<String> {
        let key = (0..self.keys.len()).find(|&key| expected.keys[key] != found.keys[key])?;
        Some(format!(
            "k{key}: expected {}, found {}",
            self.show(&expected.keys[key]),
            self.show(&found.keys[key])
        ))
    }

    fn show(&self, key: &KeyView) -> String {
        let entries: Vec<String> = key
            .entries
            .iter()
            .map(|entry| {
                format!(
                    "{} version {} {}",
                    self.name(entry.origin),
                    entry.version,
                    entry.accumulator
                )
            })
            .collect();
        format!("{} ({})", key.state, entries.join(", "))
    }

    /// What a replica shows.
    fn look(&self, replica: &Replica) -> Check<View> {
        let known = |id: OriginId| {
            self.places.get(&id).copied().ok_or_else(|| Violation {
                invariant: "only origins that there are have entries",
                text: id.to_string(),
            })
        };
        let mut view = View {
            keys: Vec::with_capacity(self.keys.len()),
            folded: BTreeSet::new(),
        };
        for key in &self.keys {
            let mut entries = Vec::new();
            for (id, version, accumulator) in replica.writers(key) {
                entries.push(Entry {
                    origin: known(id)?,
                    version,
                    accumulator,
                });
            }
            entries.sort_unstable_by_key(|entry| entry.origin);
            view.keys.push(KeyView {
                state: replica.state(key),
                entries,
            });
        }
        for status in replica.origins().filter(|status| status.folded) {
            view.folded.insert(known(status.origin)?);
        }
        Ok(view)
    }

    /// What operations must lead to.
    pub(crate) fn plan_work(
        &self,
        n: usize,
        ops: &[(usize, Operation)],
    ) -> Check<Result<Plan, OpError>> {
        let mind = self.known(n)?;
        if mind.local.retired {
            return Ok(Err(OpError::Retired));
        }
        let view = self.keyspace;
        let takes = |op: &Operation| match op {
            Operation::Op(op, _) => view == Keyspace::Raw || !matches!(op, Op::Load | Op::Accum),
            Operation::Toggle(_) | Operation::SetFlag(..) => view != Keyspace::Cell,
            Operation::Put(_) => view != Keyspace::Flags,
        };
        if !ops.iter().all(|(_, op)| takes(op)) {
            return Ok(Err(OpError::View { view }));
        }
        let mut plan = Plan {
            deltas: Vec::new(),
            marks: BTreeMap::new(),
            undoes: None,
            relied: Vec::new(),
            batch: self.undo_batches > 0,
            outcome: Expected {
                durable: false,
                number: None,
                responses: Vec::new(),
            },
        };
        let mut states: BTreeMap<usize, Value> = BTreeMap::new();
        for &(key, op) in ops {
            let state = states
                .entry(key)
                .or_insert_with(|| mind.view.keys[key].state.clone());
            let mark = plan
                .marks
                .get(&key)
                .unwrap_or(&mind.local.marks[key])
                .clone();
            let words = |value: &[u64]| Value::from_words(&value[..self.words]);
            let delta = match op {
                Operation::Op(Op::Accum, value) => words(&value),
                Operation::Op(Op::Load, value) | Operation::Put(value) => state.xor(&words(&value)),
                Operation::Toggle(flag) => Value::bit(self.words, flag),
                Operation::SetFlag(flag, on) if state.has(flag) != on => {
                    Value::bit(self.words, flag)
                }
                _ => Value::zero(self.words),
            };
            let since = state.xor(&mark);
            let clean = since.is_zero();
            plan.outcome.responses.push(match op {
                Operation::Op(Op::Read | Op::Swap, _) => Some(Response {
                    data: state.clone(),
                    clean,
                }),
                Operation::Op(Op::Delta | Op::Drain, _) => Some(Response { data: since, clean }),
                _ => None,
            });
            let new_mark = match op {
                Operation::Op(Op::Load, value) => Some(words(&value)),
                Operation::Op(Op::Swap | Op::Drain, _) => Some(state.clone()),
                _ => None,
            };
            let looks = matches!(
                op,
                Operation::Op(Op::Nop | Op::Read | Op::Delta | Op::Accum, _)
            );
            if !looks && delta.is_zero() && new_mark.as_ref().is_none_or(|new| *new == mark) {
                plan.relied.push(key);
            }
            if let Some(new_mark) = new_mark
                && new_mark != mark
            {
                plan.marks.insert(key, new_mark);
                plan.outcome.durable = true;
            }
            if !delta.is_zero() {
                state.accumulate(&delta);
                plan.deltas.push((key, delta));
                plan.outcome.durable = true;
            }
        }
        if plan.batch && !plan.deltas.is_empty() {
            plan.outcome.number = Some(mind.local.next_batch);
        }
        Ok(Ok(plan))
    }

    /// The number of the batch that is `back` before the last; it may not exist.
    pub(crate) fn batch_number(&self, n: usize, back: u64) -> Check<u64> {
        let next = self.known(n)?.local.next_batch;
        Ok((next - 1).saturating_sub(back))
    }

    /// What an undo must lead to.
    pub(crate) fn plan_undo(&self, n: usize, number: u64) -> Check<Result<Plan, OpError>> {
        let local = &self.known(n)?.local;
        if local.retired {
            return Ok(Err(OpError::Retired));
        }
        let Some(batch) = local.batches.iter().find(|batch| batch.number == number) else {
            return Ok(Err(OpError::NoBatch(number, self.undo_batches)));
        };
        if local.undone.contains(&number) {
            return Ok(Err(OpError::Undone(number)));
        }
        Ok(Ok(Plan {
            deltas: batch.deltas.clone(),
            marks: BTreeMap::new(),
            undoes: Some(number),
            relied: Vec::new(),
            batch: true,
            outcome: Expected {
                durable: true,
                number: Some(local.next_batch),
                responses: Vec::new(),
            },
        }))
    }

    /// Compares what came of operations with the plan, and carries the plan out.
    pub(crate) fn worked(
        &mut self,
        n: usize,
        plan: Result<Plan, OpError>,
        result: Result<Outcome, OpError>,
        stored: Option<&Snapshot>,
    ) -> Check {
        let (plan, outcome) = match (plan, result) {
            (Ok(plan), Ok(outcome)) => (plan, outcome),
            (Err(expected), Err(found)) if expected == found => return Ok(()),
            (plan, result) => {
                return Err(Violation {
                    invariant: "what the view has is done, and all else refused",
                    text: format!(
                        "r{n}: expected {:?}, found {result:?}",
                        plan.map(|plan| plan.deltas)
                    ),
                });
            }
        };
        let expected = &plan.outcome;
        hold(
            outcome.responses[..] == expected.responses[..],
            "responses are those of the machine",
            || {
                format!(
                    "r{n}: expected {:?}, found {:?}",
                    expected.responses, outcome.responses
                )
            },
        )?;
        hold(
            outcome.number == expected.number
                && (outcome.ticket > 0 || !expected.durable)
                && (outcome.ticket == 0 || expected.durable || !plan.relied.is_empty()),
            "every change has a ticket, and every batch its number",
            || {
                format!(
                    "r{n}: expected batch {:?}, ticket: {}; found {outcome:?}",
                    expected.number, expected.durable
                )
            },
        )?;
        if outcome.ticket == 0 {
            let mind = self.known(n)?;
            let zero = Value::zero(self.words);
            for &key in &plan.relied {
                let now = (&mind.view.keys[key].state, &mind.local.marks[key]);
                let then = stored.map_or((&zero, &zero), |stored| {
                    (&stored.view.keys[key].state, &stored.local.marks[key])
                });
                hold(
                    now == then,
                    "what is acknowledged at once is durable",
                    || format!("r{n}: key {key} is {now:?}, storage has {then:?}"),
                )?;
            }
        }
        let own = self.known(n)?.local.origin;
        for (key, delta) in &plan.deltas {
            let mind = self.known(n)?;
            let knew = (0..self.origins.len())
                .map(|origin| mind.view.knows(*key, origin))
                .collect();
            let mut accumulator = self
                .accumulator(n, own, *key, ALL)
                .unwrap_or_else(|| Value::zero(self.words));
            accumulator.accumulate(delta);
            self.own_history(n, own, *key).push(Change {
                accumulator,
                knew,
                exact: true,
            });
        }
        let undo_batches = self.undo_batches;
        let mind = self.mind(n)?;
        if plan.outcome.durable {
            mind.promised.push(outcome.ticket);
        }
        let local = &mut mind.local;
        local.marks.iter_mut().enumerate().for_each(|(key, mark)| {
            if let Some(new) = plan.marks.get(&key) {
                mark.clone_from(new);
            }
        });
        if let Some(undone) = plan.undoes {
            local.undone.insert(undone);
            let redone = local
                .batches
                .iter()
                .find(|batch| batch.number == undone)
                .and_then(|batch| batch.undoes);
            if let Some(redone) = redone {
                local.undone.remove(&redone);
            }
        }
        if plan.batch && !plan.deltas.is_empty() {
            local.batches.push_back(Batch {
                number: local.next_batch,
                undoes: plan.undoes,
                deltas: plan.deltas,
            });
            local.next_batch += 1;
            if local.batches.len() > undo_batches
                && let Some(forgotten) = local.batches.pop_front()
            {
                local.undone.remove(&forgotten.number);
            }
        }
        Ok(())
    }

    fn own_history(&mut self, n: usize, own: usize, key: usize) -> &mut Vec<Change> {
        let branch = self.minds[n].as_mut().and_then(|mind| mind.branch.as_mut());
        match branch {
            Some(branch) => &mut branch.history[key],
            None => &mut self.origins[own].history[key],
        }
    }

    pub(crate) fn made_checkpoint(&mut self, n: usize, result: Result<Outcome, OpError>) -> Check {
        let mind = self.mind(n)?;
        let number = mind.local.next_checkpoint;
        mind.local.next_checkpoint += 1;
        let states = mind.view.keys.iter().map(|key| key.state.clone()).collect();
        mind.local.checkpoints.push((number, states));
        let outcome = result.unwrap_or_default();
        mind.promised.push(outcome.ticket);
        hold(
            outcome.number == Some(u64::from(number)),
            "checkpoints are numbered",
            || format!("r{n}: expected {number}, found {outcome:?}"),
        )
    }

    /// The number of the checkpoint at this place, or one that is none.
    pub(crate) fn checkpoint(&self, n: usize, place: usize) -> Check<u32> {
        let local = &self.known(n)?.local;
        Ok(local
            .checkpoints
            .get(place)
            .map_or(local.next_checkpoint, |(number, _)| *number))
    }

    pub(crate) fn dropped_checkpoint(
        &mut self,
        n: usize,
        number: u32,
        result: Result<Outcome, OpError>,
    ) -> Check {
        let mind = self.mind(n)?;
        let there = mind
            .local
            .checkpoints
            .iter()
            .any(|(known, _)| *known == number);
        mind.local.checkpoints.retain(|(known, _)| *known != number);
        if let Ok(outcome) = &result {
            mind.promised.push(outcome.ticket);
        }
        let fits = match &result {
            Ok(_) => there,
            Err(error) => !there && *error == OpError::NoCheckpoint(number),
        };
        hold(fits, "a checkpoint that is there is dropped", || {
            format!("r{n}: checkpoint {number}: {result:?}")
        })
    }

    pub(crate) fn check_checkpoints(&self, n: usize, replica: &Replica) -> Check {
        let mind = self.known(n)?;
        for (number, states) in &mind.local.checkpoints {
            for ((key, name), state) in self.keys.iter().enumerate().zip(states) {
                let found = replica.state_at(name, *number);
                hold(
                    found.as_ref() == Ok(state),
                    "a checkpoint holds the states of its time",
                    || format!("r{n}: k{key} at {number}: expected {state}, found {found:?}"),
                )?;
            }
        }
        hold(
            replica.checkpoints().len() == mind.local.checkpoints.len(),
            "a checkpoint holds the states of its time",
            || format!("r{n} has {:?}", replica.checkpoints()),
        )
    }

    pub(crate) fn subscribed(&mut self, n: usize, number: u32) -> Check {
        let mind = self.mind(n)?;
        let shadow = mind.view.keys.iter().map(|key| key.state.clone()).collect();
        mind.subscriptions.push(Subscription { number, shadow });
        Ok(())
    }

    /// Ends all subscriptions; returns them.
    pub(crate) fn unsubscribed(&mut self, n: usize) -> Check<Vec<u32>> {
        let all = core::mem::take(&mut self.mind(n)?.subscriptions);
        Ok(all
            .into_iter()
            .map(|subscription| subscription.number)
            .collect())
    }

    pub(crate) fn retired(&mut self, n: usize, result: Result<Outcome, OpError>) -> Check {
        let mind = self.mind(n)?;
        mind.local.retired = true;
        let own = mind.local.origin;
        let result = result.map(|outcome| mind.promised.push(outcome.ticket));
        self.origins[own].retired = true;
        hold(result.is_ok(), "who wants to leave may", || {
            format!("r{n}: {result:?}")
        })
    }

    /// A batch was handed to storage: what it is made of.
    pub(crate) fn flushed(&mut self, n: usize, ticket: u64) -> Check<Snapshot> {
        let mind = self.mind(n)?;
        let promised = core::mem::take(&mut mind.promised);
        let snapshot = Snapshot {
            local: mind.local.clone(),
            view: mind.view.clone(),
        };
        hold(
            promised.iter().all(|promise| *promise == ticket),
            "an operation is stored with the ticket that it got",
            || format!("r{n}: ticket {ticket}, promised were {promised:?}"),
        )?;
        Ok(snapshot)
    }

    /// Compares what a replica shows after an event with what it must, and what it told with what
    /// there was to tell.
    pub(crate) fn check(&mut self, n: usize, replica: &Replica, notices: &[Notice]) -> Check<Seen> {
        let mut seen = Seen::default();
        for notice in notices {
            match notice {
                Notice::Refused { reason, .. } => {
                    return Err(Violation {
                        invariant: "no honest message is refused",
                        text: format!("r{n}: {reason}"),
                    });
                }
                Notice::BaseDiverged { from } => {
                    return Err(Violation {
                        invariant: "bases of the same origins are the same",
                        text: format!("r{n} and r{}", from[0]),
                    });
                }
                Notice::MemoryLost { old, new } => {
                    self.lost_memory(n, *old, *new)?;
                    seen.memory_lost = true;
                }
                _ => {}
            }
        }
        let view = self.look(replica)?;
        self.check_view(n, &view)?;
        self.check_notices(n, &view, notices, &mut seen)?;
        self.mind(n)?.view = view;
        Ok(seen)
    }

    /// Goes on as another, with what was not published.
    fn lost_memory(&mut self, n: usize, old: OriginId, new: OriginId) -> Check {
        let mind = self.mind(n)?;
        let own = mind.local.origin;
        let branch = mind.branch.take();
        let id = self.origins[own].id;
        let Some(branch) = branch.filter(|_| old == id) else {
            return Err(Violation {
                invariant: "only who lost memory notices so",
                text: format!("r{n}, as {}", self.name_of(old)),
            });
        };
        let place = self.register(new, n)?;
        for key in 0..self.keys.len() {
            let at = |version: usize| {
                version.checked_sub(1).map_or_else(
                    || Value::zero(self.words),
                    |at| branch.history[key][at].accumulator.clone(),
                )
            };
            let net = at(branch.history[key].len()).xor(&at(branch.base[key] as usize));
            if !net.is_zero() {
                let mind = self.known(n)?;
                let knew = (0..place)
                    .map(|origin| {
                        if origin == own {
                            branch.base[key]
                        } else {
                            mind.view.knows(key, origin)
                        }
                    })
                    .collect();
                // The message that brought it to light may have brought more.
                self.origins[place].history[key].push(Change {
                    accumulator: net,
                    knew,
                    exact: false,
                });
            }
            let base = branch.base[key];
            let accumulator = at(base as usize);
            for entry in &mut self.mind(n)?.view.keys[key].entries {
                if entry.origin == own {
                    (entry.version, entry.accumulator) = (base, accumulator.clone());
                }
            }
        }
        let mind = self.mind(n)?;
        mind.local.origin = place;
        for key in &mut mind.view.keys {
            key.entries.retain(|entry| entry.version > 0);
        }
        Ok(())
    }

    fn check_view(&self, n: usize, view: &View) -> Check {
        let mind = self.known(n)?;
        let own = mind.local.origin;
        for origin in &mind.view.folded {
            hold(
                view.folded.contains(origin),
                "what is folded stays folded",
                || format!("r{n}: {}", self.name(*origin)),
            )?;
        }
        for (key, (new, old)) in view.keys.iter().zip(&mind.view.keys).enumerate() {
            let mut sum = new.state.clone();
            for entry in &new.entries {
                let &Entry {
                    origin, version, ..
                } = entry;
                sum.accumulate(&entry.accumulator);
                let name = || format!("r{n}: k{key}: {} version {version}", self.name(origin));
                hold(
                    self.accumulator(n, origin, key, version).as_ref() == Some(&entry.accumulator),
                    "an entry is what its origin did",
                    || format!("{}: {}", name(), entry.accumulator),
                )?;
                hold(
                    origin == own || version <= self.origins[origin].confirmed[key],
                    "nobody knows what its origin has not stored",
                    name,
                )?;
                hold(
                    version >= old.version(origin),
                    "versions never go backward",
                    || format!("{}, before {}", name(), old.version(origin)),
                )?;
                hold(
                    !view.folded.contains(&origin),
                    "what is folded has no entries",
                    name,
                )?;
            }
            for entry in &old.entries {
                hold(
                    new.version(entry.origin) > 0 || view.folded.contains(&entry.origin),
                    "versions never go backward",
                    || {
                        format!(
                            "r{n}: k{key}: {} version {} is gone",
                            self.name(entry.origin),
                            entry.version
                        )
                    },
                )?;
            }
            let done = self.history(n, own, key).len() as u64;
            hold(
                new.version(own) == done || view.folded.contains(&own) && mind.local.retired,
                "a replica knows all that it did",
                || format!("r{n}: k{key}: {} of {done}", new.version(own)),
            )?;
            for &origin in &view.folded {
                if let Some(last) = self.accumulator(n, origin, key, ALL) {
                    sum.accumulate(&last);
                }
            }
            hold(
                sum.is_zero(),
                "a state is the xor of what all origins did",
                || format!("r{n}: k{key}: {}, wrong bits {sum}", self.show(new)),
            )?;
        }
        Ok(())
    }

    fn check_notices(
        &mut self,
        n: usize,
        view: &View,
        notices: &[Notice],
        seen: &mut Seen,
    ) -> Check {
        let members = self.minds.len();
        let mut expected = if seen.memory_lost {
            Vec::new()
        } else {
            self.expected_overlaps(n, view, seen)?
        };
        for notice in notices {
            match notice {
                Notice::Overlap(overlap) => {
                    seen.overlaps += 1;
                    // In the message that shows an old copy what it is, the copy's changes are
                    // compared before they move.
                    if !seen.memory_lost {
                        self.check_overlap(n, view, overlap, &mut expected)?;
                    }
                }
                Notice::Folded(id) => {
                    seen.folded += 1;
                    let Some(&place) = self.places.get(id) else {
                        continue;
                    };
                    let origin = &self.origins[place];
                    let missing = (0..members)
                        .find(|m| *m != origin.owner && !origin.complete_at.contains(m));
                    hold(
                        origin.retired && missing.is_none(),
                        "an origin is folded when all members have stored all of it",
                        || {
                            format!(
                                "r{n} folds {}; retired: {}; r{missing:?} never had all",
                                self.name(place),
                                origin.retired
                            )
                        },
                    )?;
                }
                Notice::BaseAdopted { .. } => seen.adopted += 1,
                Notice::SecondWriter { key, origins } => {
                    seen.second_writers += 1;
                    if seen.memory_lost {
                        continue;
                    }
                    let key = self.key(key)?;
                    let both = origins.iter().all(|id| {
                        self.places
                            .get(id)
                            .is_some_and(|&origin| !self.history(n, origin, key).is_empty())
                    });
                    hold(
                        both && origins[0] != origins[1] && self.keyspace == Keyspace::Cell,
                        "a second writer has written",
                        || format!("r{n}: k{key}"),
                    )?;
                }
                Notice::Changed {
                    key,
                    state,
                    delta,
                    subscriptions,
                    ..
                } => {
                    let key = self.key(key)?;
                    let mind = self.mind(n)?;
                    for subscription in &mut mind.subscriptions {
                        if subscriptions.contains(&subscription.number) {
                            let shadow = &mut subscription.shadow[key];
                            shadow.accumulate(delta);
                            hold(
                                shadow == state,
                                "subscribers hear of every change, once",
                                || format!("r{n}: k{key} is {state}, heard {shadow}"),
                            )?;
                        }
                    }
                }
                _ => {}
            }
        }
        hold(
            expected.is_empty(),
            "concurrent changes of the same bits are reported to a writer",
            || {
                let (key, origin, version, bits) = &expected[0];
                format!(
                    "r{n}: k{key}: bits {bits} of {} version {version}",
                    self.name(*origin)
                )
            },
        )?;
        for subscription in &self.known(n)?.subscriptions {
            for (key, (heard, now)) in subscription.shadow.iter().zip(&view.keys).enumerate() {
                hold(
                    *heard == now.state,
                    "subscribers hear of every change, once",
                    || format!("r{n}: k{key} is {}, heard {heard}", now.state),
                )?;
            }
        }
        Ok(())
    }

    fn key(&self, name: &[u8]) -> Check<usize> {
        self.keys
            .iter()
            .position(|key| key[..] == *name)
            .ok_or_else(|| Violation {
                invariant: "notices are about keys that there are",
                text: format!("{name:?}"),
            })
    }

    /// What this replica, as a writer, must be told of what it has just learned: key, other origin,
    /// its version, bits.
    fn expected_overlaps(
        &self,
        n: usize,
        view: &View,
        seen: &mut Seen,
    ) -> Check<Vec<(usize, usize, u64, Value)>> {
        let mind = self.known(n)?;
        let own = mind.local.origin;
        let mut expected = Vec::new();
        // Who has left may be folded at others, whose changes then do not say that they knew its.
        let listens = !mind.local.retired;
        for (key, (new, old)) in view.keys.iter().zip(&mind.view.keys).enumerate() {
            let mine = old.version(own);
            for entry in &new.entries {
                let before = old.version(entry.origin);
                if entry.origin == own || entry.version == before {
                    continue;
                }
                seen.merged += 1;
                let meet = |version| {
                    self.overlap(n, key, (own, mine), (entry.origin, version))
                        .unwrap_or_else(|| (Value::zero(self.words), true))
                };
                let (bits, exact) = meet(entry.version);
                let (told, told_exact) = meet(before);
                if listens && exact && told_exact && !bits.and_not(&told).is_zero() {
                    expected.push((key, entry.origin, entry.version, bits));
                }
            }
        }
        Ok(expected)
    }

    fn check_overlap(
        &self,
        n: usize,
        view: &View,
        overlap: &Overlap,
        expected: &mut Vec<(usize, usize, u64, Value)>,
    ) -> Check {
        let key = self.key(&overlap.key)?;
        let mut sides = [(0, 0); 2];
        for (side, (id, version)) in sides.iter_mut().zip(&overlap.origins) {
            *side = (self.places.get(id).copied().unwrap_or(usize::MAX), *version);
        }
        let [a, b] = sides;
        let found = (a.0.max(b.0) < self.origins.len())
            .then(|| self.overlap(n, key, a, b))
            .flatten();
        let text = || {
            format!(
                "r{n}: k{key}: bits {} of {} version {} and {} version {}; it is {found:?}",
                overlap.bits,
                self.name_of(overlap.origins[0].0),
                a.1,
                self.name_of(overlap.origins[1].0),
                b.1
            )
        };
        let right = found
            .as_ref()
            .is_some_and(|(bits, exact)| !exact || *bits == overlap.bits && !bits.is_zero());
        hold(right, "no overlap is reported that is none", text)?;
        let mind = self.known(n)?;
        let own = mind.local.origin;
        let place = expected.iter().position(|(k, origin, version, bits)| {
            *k == key
                && *bits == overlap.bits
                && (a == (*origin, *version) && b.0 == own
                    || b == (*origin, *version) && a.0 == own)
        });
        if let Some(place) = place {
            expected.swap_remove(place);
        }
        // Where only one entry has changed, the state is that at the end.
        let changed = view.keys[key]
            .entries
            .iter()
            .filter(|entry| mind.view.keys[key].version(entry.origin) != entry.version);
        hold(
            changed.count() != 1 || overlap.state == view.keys[key].state,
            "an overlap names the state that came of it",
            || format!("r{n}: k{key}: {}", overlap.state),
        )
    }

    /// An old copy of `n` was put back, and it turns out that nobody knows more of its origin: what
    /// was lost is lost, and its new changes count. False if somebody does, or knows that its
    /// origin has retired.
    pub(crate) fn release(&mut self, n: usize, announced: &BTreeSet<OriginId>) -> bool {
        let Some(mind) = &self.minds[n] else {
            return false;
        };
        let (own, Some(branch)) = (mind.local.origin, &mind.branch) else {
            return false;
        };
        if announced.contains(&self.origins[own].id) {
            return false;
        }
        let others = self
            .minds
            .iter()
            .enumerate()
            .filter(|(m, _)| *m != n)
            .filter_map(|(_, mind)| mind.as_ref());
        for other in others {
            let ahead = other.view.folded.contains(&own)
                || (0..self.keys.len())
                    .any(|key| other.view.keys[key].version(own) > branch.base[key]);
            if ahead {
                return false;
            }
        }
        let Some(branch) = self.minds[n].as_mut().and_then(|mind| mind.branch.take()) else {
            return false;
        };
        // Whose entries name what is forgotten as seen mean other changes than those that have the
        // numbers now.
        let histories = self.origins.iter_mut().map(|origin| &mut origin.history);
        let branches = self
            .minds
            .iter_mut()
            .flatten()
            .filter_map(|mind| mind.branch.as_mut())
            .map(|branch| &mut branch.history);
        for history in histories.chain(branches) {
            for (changes, base) in history.iter_mut().zip(&branch.base) {
                for change in changes {
                    change.exact &= change.knew.get(own).is_none_or(|knew| knew <= base);
                }
            }
        }
        let retired = self.has_retired(n);
        let origin = &mut self.origins[own];
        origin.history = branch.history;
        origin.confirmed = branch.base;
        origin.retired = retired;
        true
    }

    /// For each key and origin, the highest version that any replica holds.
    pub(crate) fn highest(&self) -> Vec<Vec<u64>> {
        let views = || self.minds.iter().flatten().map(|mind| &mind.view);
        let highest = |key: usize, origin: usize| {
            let folded = views().any(|view| view.folded.contains(&origin));
            if folded {
                self.origins[origin].history[key].len() as u64
            } else {
                views()
                    .map(|view| view.keys[key].version(origin))
                    .max()
                    .unwrap_or(0)
            }
        };
        (0..self.keys.len())
            .map(|key| {
                (0..self.origins.len())
                    .map(|origin| highest(key, origin))
                    .collect()
            })
            .collect()
    }

    /// Compares with what was there when healing began: all of it, everywhere.
    pub(crate) fn check_converged(&self, wanted: &[Vec<u64>]) -> Check {
        for (n, mind) in self.minds.iter().enumerate() {
            let Some(mind) = mind else { continue };
            for (key, wanted) in wanted.iter().enumerate() {
                for (origin, &wanted) in wanted.iter().enumerate() {
                    let held = mind.view.keys[key].version(origin);
                    hold(
                        mind.view.folded.contains(&origin) || held == wanted,
                        "what anybody holds comes to everybody",
                        || {
                            format!(
                                "r{n}: k{key}: {} version {held}, should be {wanted}",
                                self.name(origin)
                            )
                        },
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Whether all that storage ever confirmed of origins whose disks were not lost is in `wanted`.
    pub(crate) fn check_acknowledged(&self, wanted: &[Vec<u64>], lost: &BTreeSet<usize>) -> Check {
        for (place, origin) in self.origins.iter().enumerate() {
            for (key, &confirmed) in origin.confirmed.iter().enumerate() {
                hold(
                    lost.contains(&place) || wanted[key][place] >= confirmed,
                    "what was acknowledged is there",
                    || {
                        format!(
                            "k{key}: {} version {}, acknowledged {confirmed}",
                            self.name(place),
                            wanted[key][place]
                        )
                    },
                )?;
            }
        }
        Ok(())
    }

    /// The origins that a member has had so far.
    pub(crate) fn origins_of(&self, n: usize) -> impl Iterator<Item = usize> {
        let all = self.origins.iter().enumerate();
        all.filter(move |(_, origin)| origin.owner == n)
            .map(|(place, _)| place)
    }

    /// Origins that everybody must fold: they are known to have retired, and everything of them is
    /// there.
    pub(crate) fn to_fold(&self, announced: &BTreeSet<OriginId>) -> Vec<usize> {
        let highest = self.highest();
        let complete = |place: &usize| {
            let origin = &self.origins[*place];
            origin.retired
                && announced.contains(&origin.id)
                && (0..self.keys.len())
                    .all(|key| highest[key][*place] == origin.history[key].len() as u64)
        };
        (0..self.origins.len()).filter(complete).collect()
    }

    /// Whether everybody has folded these.
    pub(crate) fn has_folded(&self, origins: &[usize]) -> bool {
        self.minds.iter().flatten().all(|mind| {
            origins
                .iter()
                .all(|origin| mind.view.folded.contains(origin))
        })
    }

    /// Whether all replicas that are up hold the same, and have folded the same.
    pub(crate) fn agree(&self) -> bool {
        let mut minds = self.minds.iter().flatten();
        let Some(first) = minds.next() else {
            return true;
        };
        minds.all(|mind| mind.view == first.view)
    }

    /// The mark of a key: what a delta is counted from.
    pub(crate) fn since_mark(&self, n: usize, key: usize) -> Check<Value> {
        let mind = self.known(n)?;
        Ok(mind.view.keys[key].state.xor(&mind.local.marks[key]))
    }
}
