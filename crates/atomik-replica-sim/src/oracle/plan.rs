//! What operations and undos must lead to, worked out before a replica carries them out.

use std::collections::BTreeMap;

use atomik_replica::{Op, OpError, Outcome, Response, Value, View};

use super::expected::{Batch, ExpectedReplica, Snapshot};
use super::fields::Fields;
use super::history::History;
use crate::setup::Setup;
use crate::step::{Operation, WORDS};
use crate::violation::{Check, Violation, ensure};

/// The settings that decide what an operation does.
pub(crate) struct Keyspace {
    pub(crate) view: View,
    fields: Fields,
    undo_batches: usize,
}

impl Keyspace {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            view: setup.view,
            fields: Fields::of(setup),
            undo_batches: setup.undo_batches,
        }
    }

    fn takes(&self, operation: &Operation) -> bool {
        match operation {
            Operation::Op(op, _) => self.view == View::Raw || !matches!(op, Op::Load | Op::Accum),
            Operation::Toggle(_) | Operation::SetFlag(..) => self.view != View::Cell,
            Operation::Put(_) => self.view != View::Flags,
        }
    }

    /// Why an operation is refused.
    fn refuses(&self, operation: &Operation) -> Option<OpError> {
        if !self.takes(operation) {
            return Some(OpError::View { view: self.view });
        }
        let width = self.fields.width();
        match operation {
            Operation::Op(Op::Load | Op::Accum, value) | Operation::Put(value) => {
                let fits = self.fields.fits(&self.value(value));
                (!fits).then_some(OpError::Wide { width })
            }
            Operation::Toggle(flag) | Operation::SetFlag(flag, _) => {
                let (flag, last) = (*flag, width - 1);
                if flag > last {
                    Some(OpError::Flag { flag, last })
                } else if self.fields.adds(flag) {
                    let layout = self.fields.layout.map(|layout| layout.to_string());
                    let layout = layout.unwrap_or_default();
                    Some(OpError::NoFlag { flag, layout })
                } else {
                    None
                }
            }
            Operation::Op(..) => None,
        }
    }

    fn value(&self, value: &[u64; WORDS]) -> Value {
        Value::from_words(&value[..self.fields.words])
    }
}

/// What a batch must lead to.
pub(crate) struct Plan {
    /// By key, in order.
    deltas: Vec<(usize, Value)>,
    /// For each delta, whether it put a value into a field that adds.
    puts: Vec<bool>,
    /// New marks, by key.
    marks: BTreeMap<usize, Value>,
    undoes: Option<u64>,
    /// Keys that an operation found as it would have left them. It is acknowledged once what it
    /// found is durable.
    relied: Vec<usize>,
    /// Whether the batch can be undone later.
    undoable: bool,
    /// Whether there is something to store.
    durable: bool,
    /// The batch's number, if it has one.
    number: Option<u64>,
    responses: Vec<Option<Response<Value>>>,
}

/// What operations of one batch must lead to, or why they are refused.
pub(crate) fn plan_operations(
    expected: &ExpectedReplica,
    keyspace: &Keyspace,
    operations: &[(usize, Operation)],
) -> Result<Plan, OpError> {
    let ExpectedReplica {
        local, contents, ..
    } = expected;
    local.check_active()?;
    let mut refusals = operations.iter().filter_map(|(_, op)| keyspace.refuses(op));
    if let Some(refusal) = refusals.next() {
        return Err(refusal);
    }
    let mut plan = Plan {
        deltas: Vec::new(),
        puts: Vec::new(),
        marks: BTreeMap::new(),
        undoes: None,
        relied: Vec::new(),
        undoable: keyspace.undo_batches > 0,
        durable: false,
        number: None,
        responses: Vec::new(),
    };
    let mut states: BTreeMap<usize, Value> = BTreeMap::new();
    for &(key, operation) in operations {
        let state = states
            .entry(key)
            .or_insert_with(|| contents.keys[key].state.clone());
        let mark = plan.marks.get(&key).unwrap_or(&local.marks[key]);
        let effect = Effect::of(operation, state, mark, keyspace);
        keyspace.fields.add_to(state, &effect.delta);
        plan.add(key, operation, effect);
    }
    if plan.undoable && !plan.deltas.is_empty() {
        plan.number = Some(local.next_batch);
    }
    Ok(plan)
}

/// What an undo must lead to, or why it is refused.
pub(crate) fn plan_undo(
    expected: &ExpectedReplica,
    keyspace: &Keyspace,
    number: u64,
) -> Result<Plan, OpError> {
    let local = &expected.local;
    local.check_active()?;
    let Some(batch) = local.batches.iter().find(|batch| batch.number == number) else {
        return Err(OpError::NoBatch(number, keyspace.undo_batches));
    };
    if local.undone.contains(&number) {
        return Err(OpError::Undone(number));
    }
    let deltas = batch.deltas.iter();
    let inverses = deltas.map(|(key, delta)| (*key, keyspace.fields.negative(delta)));
    Ok(Plan {
        deltas: inverses.collect(),
        // To undo a put is to add what cancels it.
        puts: vec![false; batch.deltas.len()],
        marks: BTreeMap::new(),
        undoes: Some(number),
        relied: Vec::new(),
        undoable: true,
        durable: true,
        number: Some(local.next_batch),
        responses: Vec::new(),
    })
}

/// What one operation does to its key.
struct Effect {
    delta: Value,
    /// Only if it differs from the old one.
    new_mark: Option<Value>,
    response: Option<Response<Value>>,
    is_put: bool,
}

impl Effect {
    fn of(operation: Operation, state: &Value, mark: &Value, keyspace: &Keyspace) -> Self {
        let fields = &keyspace.fields;
        let value = |value: &[u64; WORDS]| keyspace.value(value);
        let flagged = |flag: usize| Value::bit(fields.words, flag);
        let delta = match operation {
            Operation::Op(Op::Accum, delta) => value(&delta),
            Operation::Op(Op::Load, new) | Operation::Put(new) => {
                fields.difference(&value(&new), state)
            }
            Operation::Toggle(flag) => flagged(flag),
            Operation::SetFlag(flag, on) if state.has(flag) != on => flagged(flag),
            _ => fields.zero(),
        };
        let replaces = matches!(operation, Operation::Op(Op::Load, _) | Operation::Put(_));
        let is_put = replaces && fields.changes_sum(&delta);
        let since_mark = fields.difference(state, mark);
        let clean = since_mark.is_zero();
        let data = match operation {
            Operation::Op(Op::Read | Op::Swap, _) => Some(state.clone()),
            Operation::Op(Op::Delta | Op::Drain, _) => Some(since_mark),
            _ => None,
        };
        let new_mark = match operation {
            Operation::Op(Op::Load, new) => Some(value(&new)),
            Operation::Op(Op::Swap | Op::Drain, _) => Some(state.clone()),
            _ => None,
        };
        Self {
            delta,
            new_mark: new_mark.filter(|new| new != mark),
            response: data.map(|data| Response { data, clean }),
            is_put,
        }
    }
}

impl Plan {
    fn add(&mut self, key: usize, operation: Operation, effect: Effect) {
        let Effect {
            delta,
            new_mark,
            response,
            is_put,
        } = effect;
        self.responses.push(response);
        let only_reads_or_adds = matches!(
            operation,
            Operation::Op(Op::Nop | Op::Read | Op::Delta | Op::Accum, _)
        );
        if !only_reads_or_adds && delta.is_zero() && new_mark.is_none() {
            self.relied.push(key);
        }
        if let Some(new_mark) = new_mark {
            self.marks.insert(key, new_mark);
            self.durable = true;
        }
        if !delta.is_zero() {
            self.deltas.push((key, delta));
            self.puts.push(is_put);
            self.durable = true;
        }
    }

    /// Compares what a replica made of the batch with the plan. `stored` is what its storage has
    /// confirmed.
    pub(crate) fn check(
        &self,
        outcome: &Outcome,
        expected: &ExpectedReplica,
        stored: Option<&Snapshot>,
    ) -> Check {
        self.check_responses(outcome, expected.n)?;
        self.check_ticket(outcome, expected.n)?;
        if outcome.ticket == 0 {
            self.check_what_it_relies_on(expected, stored)?;
        }
        Ok(())
    }

    fn check_responses(&self, outcome: &Outcome, n: usize) -> Check {
        ensure(
            outcome.responses[..] == self.responses[..],
            "responses follow the specification",
            || {
                format!(
                    "r{n}: expected {:?}, found {:?}",
                    self.responses, outcome.responses
                )
            },
        )
    }

    fn check_ticket(&self, outcome: &Outcome, n: usize) -> Check {
        let has_ticket = outcome.ticket > 0;
        ensure(
            outcome.number == self.number
                && (has_ticket || !self.durable)
                && (!has_ticket || self.durable || !self.relied.is_empty()),
            "every change has a ticket, every batch its number",
            || {
                format!(
                    "r{n}: expected batch {:?}, ticket: {}; found {outcome:?}",
                    self.number, self.durable
                )
            },
        )
    }

    /// Without a ticket the batch is acknowledged at once, so everything that it relies on must be
    /// stored.
    fn check_what_it_relies_on(
        &self,
        expected: &ExpectedReplica,
        stored: Option<&Snapshot>,
    ) -> Check {
        let ExpectedReplica {
            n, local, contents, ..
        } = expected;
        for &key in &self.relied {
            // What its origin has not signed is durable there.
            let signed = contents.keys[key].signed();
            let now = (&signed.state, &local.marks[key]);
            let zero = Value::zero(now.0.words().len());
            let then = stored.map_or((&zero, &zero), |stored| {
                (&stored.contents.keys[key].state, &stored.local.marks[key])
            });
            ensure(
                now == then,
                "an operation acknowledged at once is durable",
                || format!("r{n}: key {key} is {now:?}, storage has {then:?}"),
            )?;
        }
        Ok(())
    }

    /// Carries the plan out; `ticket` is what the replica promised for it.
    pub(crate) fn apply(
        self,
        ticket: u64,
        expected: &mut ExpectedReplica,
        history: &mut History,
        keyspace: &Keyspace,
    ) {
        let ExpectedReplica { n, contents, .. } = &*expected;
        for ((key, delta), is_put) in self.deltas.iter().zip(&self.puts) {
            let own = expected.local.origin;
            let last = history.changes(*n, own, *key).last();
            // What was known stays known, also if it was taken back.
            let knew = (0..history.origins.len()).map(|origin| {
                let before = last.and_then(|last| last.knew.get(origin)).copied();
                contents.knows(*key, origin).max(before.unwrap_or(0))
            });
            let knew = knew.collect();
            history.append(*n, own, *key, (delta, *is_put), knew);
        }
        if self.durable {
            expected.promised.push(ticket);
        }
        for (key, new) in &self.marks {
            expected.local.marks[*key].clone_from(new);
        }
        self.remember(expected, keyspace);
    }

    /// Puts the batch on the list of those that can be undone.
    fn remember(self, expected: &mut ExpectedReplica, keyspace: &Keyspace) {
        let local = &mut expected.local;
        if let Some(undone) = self.undoes {
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
        if self.undoable && !self.deltas.is_empty() {
            local.batches.push_back(Batch {
                number: local.next_batch,
                undoes: self.undoes,
                deltas: self.deltas,
            });
            local.next_batch += 1;
            if local.batches.len() > keyspace.undo_batches
                && let Some(forgotten) = local.batches.pop_front()
            {
                local.undone.remove(&forgotten.number);
            }
        }
    }
}

/// Compares what a replica answered to a batch with the plan for it, and carries the plan out.
pub(crate) fn check_and_apply(
    plan: Result<Plan, OpError>,
    result: Result<Outcome, OpError>,
    stored: Option<&Snapshot>,
    expected: &mut ExpectedReplica,
    history: &mut History,
    keyspace: &Keyspace,
) -> Check {
    match (plan, result) {
        (Ok(plan), Ok(outcome)) => {
            plan.check(&outcome, expected, stored)?;
            plan.apply(outcome.ticket, expected, history, keyspace);
            Ok(())
        }
        (Err(expected), Err(found)) if expected == found => Ok(()),
        (plan, result) => Err(Violation {
            invariant: "operations of the view are accepted, all others refused",
            detail: format!(
                "r{}: expected {:?}, found {result:?}",
                expected.n,
                plan.map(|plan| plan.deltas)
            ),
        }),
    }
}
