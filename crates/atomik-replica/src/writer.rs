//! Local operations: how this replica changes its own entries.

use atomik_algebra::{Op, Response};

use crate::context::Context;
use crate::entry::{Change, MAX_KEY, MAX_SEEN, Seen, SeenList};
use crate::error::OpError;
use crate::keyspace::Keyspace;
use crate::operation::{Action, LocalOp, View};
use crate::origin::Author;
use crate::origins::Origins;
use crate::overlay::Shown;
use crate::publication::Publication;
use crate::secrets::Secrets;
use crate::shape::Shape;
use crate::slot::{Entry, OURS, Slot, UNPUBLISHED};
use crate::table::Table;
use crate::value::Value;

/// Checks whether a keyspace accepts an operation.
pub(crate) fn validate(op: &LocalOp<'_>, view: View, shape: &Shape) -> Result<(), OpError> {
    if op.key.is_empty() || op.key.len() > MAX_KEY {
        return Err(OpError::Key {
            length: op.key.len(),
        });
    }
    let allowed = match &op.action {
        Action::Op(op, _) => view == View::Raw || !matches!(op, Op::Load | Op::Accum),
        Action::Toggle(_) | Action::SetFlag(..) => view != View::Cell,
        Action::Put(_) => view != View::Flags,
    };
    if !allowed {
        return Err(OpError::View { view });
    }
    match &op.action {
        Action::Op(Op::Load | Op::Accum, value) | Action::Put(value) if !shape.fits(value) => {
            let (found, wanted) = (value.words().len(), shape.words());
            if found == wanted {
                return Err(OpError::Wide {
                    width: shape.width(),
                });
            }
            Err(OpError::Words { found, wanted })
        }
        Action::Toggle(flag) | Action::SetFlag(flag, _) if *flag >= shape.width() => {
            Err(OpError::Flag {
                flag: *flag,
                last: shape.width() - 1,
            })
        }
        Action::Toggle(flag) | Action::SetFlag(flag, _) if !shape.is_xor(*flag) => {
            Err(OpError::NoFlag {
                flag: *flag,
                layout: shape.to_string(),
            })
        }
        _ => Ok(()),
    }
}

/// What an operation has done.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) response: Option<Response<Value>>,
    /// The delta applied, and the slot.
    pub(crate) delta: Option<(u32, Value)>,
    /// Whether anything changed that has to be stored.
    pub(crate) changed: bool,
    /// The ticket that makes durable what the operation found already in the desired state.
    pub(crate) relied: u64,
}

/// Changes this replica's own entries.
pub(crate) struct Writer<'a> {
    pub(crate) keyspace: &'a mut Keyspace,
    pub(crate) origins: &'a mut Origins,
    pub(crate) publication: &'a mut Publication,
}

impl Writer<'_> {
    /// Has the processor fetch what a few operations will need, so that they do not wait for it one
    /// after the other.
    pub(crate) fn fetch(&self, ops: &[LocalOp<'_>]) {
        self.keyspace.table.slots.fetch(ops.iter().map(|op| op.key));
    }

    /// Executes a valid operation.
    #[inline]
    pub(crate) fn operate(&mut self, op: &LocalOp<'_>, cx: &mut Context<'_>) -> Done {
        // The fast path: ACCUM does not depend on state or mark.
        match &op.action {
            Action::Op(Op::Accum, delta) if delta.is_zero() => Done::default(),
            Action::Op(Op::Accum, delta) => {
                let at = self.keyspace.table.slot_of(op.key);
                self.change(at, delta, false, cx);
                Done {
                    delta: Some((at, delta.clone())),
                    changed: true,
                    ..Done::default()
                }
            }
            _ => self.respond(op, cx),
        }
    }

    /// Executes an operation that depends on the state.
    fn respond(&mut self, op: &LocalOp<'_>, cx: &mut Context<'_>) -> Done {
        let shape = &cx.config.shape;
        let zero = || shape.zero();
        let slot = self.keyspace.table.slots.get(op.key);
        let mark = slot
            .as_ref()
            .and_then(|slot| slot.rare.as_ref())
            .map_or_else(zero, |rare| rare.mark.clone());
        let state = slot.map_or_else(zero, |slot| slot.into_owned().state);
        let (delta, new_mark, response) = match &op.action {
            Action::Op(Op::Nop | Op::Accum, _) => return Done::default(),
            Action::Op(Op::Load, value) => {
                (shape.difference(value, &state), Some(value.clone()), None)
            }
            Action::Op(op @ (Op::Read | Op::Swap | Op::Delta | Op::Drain), _) => {
                let since = shape.difference(&state, &mark);
                let clean = since.is_zero();
                let frozen = matches!(op, Op::Swap | Op::Drain).then(|| state.clone());
                let data = if matches!(op, Op::Read | Op::Swap) {
                    state
                } else {
                    since
                };
                (zero(), frozen, Some(Response { data, clean }))
            }
            Action::SetFlag(flag, on) if state.has(*flag) == *on => (zero(), None, None),
            Action::Toggle(flag) | Action::SetFlag(flag, _) => {
                (Value::bit(shape.words(), *flag), None, None)
            }
            Action::Put(value) => (shape.difference(value, &state), None, None),
        };
        let new_mark = new_mark.filter(|new_mark| *new_mark != mark);
        // An operation that changes nothing must not create the key.
        if delta.is_zero() && new_mark.is_none() {
            let reads = matches!(op.action, Action::Op(Op::Read | Op::Delta, _));
            return Done {
                response,
                relied: if reads { 0 } else { self.stored_with(op.key) },
                ..Done::default()
            };
        }
        let at = self.keyspace.table.slot_of(op.key);
        if let Some(new_mark) = new_mark {
            self.keyspace.table.slot(at).rare().mark = new_mark;
            self.keyspace.table.touch(at);
        }
        if !delta.is_zero() {
            let replaces = matches!(op.action, Action::Op(Op::Load, _) | Action::Put(_));
            let is_put = replaces && shape.sets_sum(&delta);
            self.change(at, &delta, is_put, cx);
        }
        Done {
            response,
            delta: (!delta.is_zero()).then_some((at, delta)),
            changed: true,
            relied: 0,
        }
    }

    /// The ticket that makes everything known about a key durable; 0 if it already is. Never
    /// decreases from one call to the next, so it may be later than necessary.
    fn stored_with(&self, key: &[u8]) -> u64 {
        let table = &self.keyspace.table;
        let slot = table.slots.get(key);
        // Storage may hold an unconfirmed version of the key even if nothing is in flight any more:
        // see `Publication::take_back`.
        if slot.is_some_and(|slot| slot.unstored || !self.publication.is_confirmed()) {
            self.publication.next_durable(table, self.origins)
        } else {
            0
        }
    }

    /// Applies a nonzero delta to a slot. It is a put, or an addition.
    pub(crate) fn change(&mut self, at: u32, delta: &Value, is_put: bool, cx: &mut Context<'_>) {
        cx.counters.changes += 1;
        if !self.change_single(at, delta, is_put, &cx.config.shape) {
            self.keyspace.accumulate(at, delta);
            self.enter(at, delta, is_put);
            let (own, slot) = (self.origins.own(), self.keyspace.table.slot(at));
            if slot.entries.len() == 2
                && slot
                    .entries
                    .iter()
                    .any(|entry| entry.origin == own && entry.change.version == 1)
            {
                self.keyspace.notify_second_writer(at, self.origins, cx);
            }
        }
        let origin = self.origins.own_id();
        self.keyspace.notify_change(at, delta, Some(origin), cx);
    }

    /// Applies a delta to a slot that is compact and stays so; returns whether it did.
    fn change_single(&mut self, at: u32, delta: &Value, is_put: bool, shape: &Shape) -> bool {
        let own = self.origins.own();
        let (Some(single), &[word]) = (self.keyspace.single(at), delta.words()) else {
            return false;
        };
        let combine = |before| shape.combined(before, word);
        let Some(before) = single.change((own, OURS), is_put, combine) else {
            return false;
        };
        let (published, stored) = single.queue();
        self.publication.wait_if(published, at, &before);
        self.keyspace.table.queue_if(stored, at);
        true
    }

    /// Adds a delta to the own entry of a slot, whose state already includes it.
    fn enter(&mut self, at: u32, delta: &Value, is_put: bool) {
        let own = self.origins.own();
        let Table { slots, shape, .. } = &mut self.keyspace.table;
        let slot = slots.slot(at);
        let position = slot.position(own).unwrap_or_else(|| {
            let change = Change::none(delta.words().len());
            slot.entries.push(Entry {
                origin: own,
                evidence: OURS,
                leaf: 0,
                published: UNPUBLISHED,
                change,
            });
            slot.entries.len() - 1
        });
        if !slot.unpublished {
            slot.unpublished = true;
            let before = &slot.entries[position].change;
            self.publication
                .wait(at, (before.version > 0).then(|| before.clone()));
        }
        let shown = self.keyspace.overlay.of(at);
        if slot.entries.len() > 1 || !shown.is_empty() {
            let known = &slot.entries[position].change.seen;
            let seen = seen((own, known), slot, shown, self.origins);
            slot.entries[position].change.seen = seen;
        }
        let change = &mut slot.entries[position].change;
        change.version += 1;
        if is_put {
            change.put = change.version;
        }
        shape.accumulate(&mut change.accumulator, delta);
        self.keyspace.table.touch(at);
    }

    /// Continues as the origin of another author. Published changes stay with the old origin,
    /// unsent ones move to the new one. States do not change.
    pub(crate) fn continue_as(&mut self, author: Author) {
        let old = self.origins.own();
        let mut deltas: Vec<(u32, Value, bool)> = Vec::new();
        for (at, before) in self.publication.take_back(old) {
            // Storage may have what is taken back here.
            self.keyspace.table.touch(at);
            let Table { slots, shape, .. } = &mut self.keyspace.table;
            let slot = slots.slot(at);
            slot.unpublished = false;
            let Some(position) = slot.position(old) else {
                continue;
            };
            let entry = &mut slot.entries[position];
            let (delta, is_put) = match before {
                Some(before) => {
                    let delta = shape.difference(&entry.change.accumulator, &before.accumulator);
                    let is_put = entry.change.put > before.version;
                    entry.change = before;
                    (delta, is_put)
                }
                None => {
                    let change = slot.entries.remove(position).change;
                    (change.accumulator, change.put > 0)
                }
            };
            if !delta.is_zero() {
                deltas.push((at, delta, is_put));
            }
        }
        self.origins.begin(author);
        self.origins.touch(old);
        self.publication.start_chain();
        for (at, delta, is_put) in deltas {
            self.enter(at, &delta, is_put);
        }
    }

    /// Moves all changes of a life, of which nothing was published, to the current one.
    pub(crate) fn take_over(&mut self, life: u32, secrets: &Secrets) {
        self.publication.unsealed.forget(|of| of == life);
        for at in 0..self.keyspace.table.slots.len() as u32 {
            let table = &mut self.keyspace.table;
            let Some(position) = table.slots.position(at as usize, life) else {
                continue;
            };
            let Change {
                accumulator: delta,
                put,
                ..
            } = table.remove(secrets, at, position).change;
            table.touch(at);
            if !delta.is_zero() {
                self.enter(at, &delta, put > 0);
            }
        }
    }
}

/// The changes of other origins that are visible in a slot, or were `known` at the last own change
/// and taken back since.
fn seen((own, known): (u32, &[Seen]), slot: &Slot, shown: &[Shown], origins: &Origins) -> SeenList {
    let item = |origin, change: &Change| Seen {
        origin,
        version: change.version,
        accumulator: change.accumulator.clone(),
    };
    let entries = slot.entries.iter().filter(|entry| entry.origin != own);
    let entries = entries.map(|entry| {
        let origin = origins.id(entry.origin);
        let newer = shown.iter().find(|shown| shown.origin == origin);
        let visible = newer.map_or(&entry.change, |shown| &shown.change);
        let known = known.iter().find(|known| known.origin == origin);
        match known.filter(|known| known.version > visible.version) {
            Some(known) => known.clone(),
            None => item(origin, visible),
        }
    });
    let without_entry = |shown: &&Shown| {
        let place = origins.place(shown.origin);
        place.is_none_or(|place| slot.position(place).is_none())
    };
    let others = shown.iter().filter(without_entry);
    let others = others.map(|shown| item(shown.origin, &shown.change));
    let gone = known.iter().filter(|known| {
        let place = origins.place(known.origin);
        shown.iter().all(|shown| shown.origin != known.origin)
            && place.is_none_or(|place| slot.position(place).is_none() && !origins.is_folded(place))
    });
    let gone = gone.cloned();
    entries.chain(others).chain(gone).take(MAX_SEEN).collect()
}
