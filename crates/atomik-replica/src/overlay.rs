//! Previewed changes of other origins: visible in the state of their keys, but not entries yet.

use std::collections::BTreeMap;

use crate::entry::{Change, Tag};
use crate::origin::OriginId;
use crate::shape::Shape;
use crate::value::Value;

/// A previewed change.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Shown {
    pub(crate) origin: OriginId,
    pub(crate) tag: Tag,
    pub(crate) change: Change,
    /// What it adds to the state: its accumulator minus that of the origin's entry.
    delta: Value,
}

/// The newest previewed change of each key and origin, by slot. It is newer than the origin's
/// entry.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Overlay {
    slots: BTreeMap<u32, Vec<Shown>>,
}

impl Overlay {
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The previewed changes of a slot.
    pub(crate) fn of(&self, at: u32) -> &[Shown] {
        self.slots.get(&at).map_or(&[], |shown| &shown[..])
    }

    pub(crate) fn get(&self, at: u32, origin: OriginId) -> Option<&Shown> {
        self.of(at).iter().find(|shown| shown.origin == origin)
    }

    /// What the previewed changes of a slot add to its state.
    pub(crate) fn delta(&self, at: u32, shape: &Shape) -> Value {
        let mut sum = shape.zero();
        for shown in self.of(at) {
            shape.accumulate(&mut sum, &shown.delta);
        }
        sum
    }

    /// All previewed changes, with their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Shown)> {
        let slots = self.slots.iter();
        slots.flat_map(|(&at, shown)| shown.iter().map(move |shown| (at, shown)))
    }

    /// Adds a change that is newer than `before`, which was visible, and than the origin's `entry`.
    /// Returns what it changes of the state.
    pub(crate) fn show(
        &mut self,
        at: u32,
        (origin, tag): (OriginId, Tag),
        change: Change,
        entry: Option<&Change>,
        shape: &Shape,
    ) -> Value {
        let mut delta = change.accumulator.clone();
        if let Some(entry) = entry {
            shape.subtract(&mut delta, &entry.accumulator);
        }
        let slot = self.slots.entry(at).or_default();
        let new = Shown {
            origin,
            tag,
            change,
            delta,
        };
        let mut visible = new.delta.clone();
        match slot.iter_mut().find(|shown| shown.origin == origin) {
            Some(shown) => {
                shape.subtract(&mut visible, &shown.delta);
                *shown = new;
            }
            None => slot.push(new),
        }
        visible
    }

    /// The entry of an origin gets this version, which changes it by `delta`. Turns `delta` into
    /// what that changes of the state. Returns the previewed change if the entry replaces it.
    pub(crate) fn merged(
        &mut self,
        at: u32,
        origin: OriginId,
        version: u64,
        delta: &mut Value,
        shape: &Shape,
    ) -> Option<Change> {
        let slot = self.slots.get_mut(&at)?;
        let position = slot.iter().position(|shown| shown.origin == origin)?;
        let shown = &mut slot[position];
        if shown.change.version > version {
            shape.subtract(&mut shown.delta, delta);
            *delta = shape.zero();
            return None;
        }
        shape.subtract(delta, &shown.delta);
        let shown = slot.remove(position);
        if slot.is_empty() {
            self.slots.remove(&at);
        }
        Some(shown.change)
    }

    /// Removes the previewed changes of some origins; returns what that changes of the state.
    pub(crate) fn remove(
        &mut self,
        goes: impl Fn(OriginId) -> bool,
        shape: &Shape,
    ) -> Vec<(u32, OriginId, Value)> {
        let mut removed = Vec::new();
        self.slots.retain(|&at, slot| {
            let gone = slot.extract_if(.., |shown| goes(shown.origin));
            removed.extend(gone.map(|shown| (at, shown.origin, shape.inverse(&shown.delta))));
            !slot.is_empty()
        });
        removed
    }
}
