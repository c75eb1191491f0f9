//! The keys of a replica, their checkpoints, and the subscriptions to their changes.

use crate::checkpoints::Checkpoints;
use crate::config::Config;
use crate::context::Context;
use crate::entry::Change;
use crate::notice::{Notice, Overlap};
use crate::operation::View;
use crate::origin::OriginId;
use crate::origins::Origins;
use crate::overlay::Overlay;
use crate::single::Single;
use crate::subscriptions::Subscriptions;
use crate::table::Table;
use crate::value::Value;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Keyspace {
    pub(crate) table: Table,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) overlay: Overlay,
}

impl Keyspace {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            table: Table::new(config.shape.clone()),
            checkpoints: Checkpoints::default(),
            subscriptions: Subscriptions::default(),
            overlay: Overlay::default(),
        }
    }

    /// Makes a checkpoint; returns its number. States with previewed changes are saved at once,
    /// because these changes are not stored.
    pub(crate) fn make_checkpoint(&mut self, name: &str) -> u32 {
        let number = self.checkpoints.make(name);
        let mut previewed: Vec<u32> = self.overlay.iter().map(|(at, _)| at).collect();
        previewed.dedup();
        for at in previewed {
            self.checkpoints.save(self.table.slot(at));
            self.table.touch(at);
        }
        number
    }

    /// Changes the state of a slot; the state at the latest checkpoint is saved first.
    pub(crate) fn accumulate(&mut self, at: u32, delta: &Value) {
        let Table { slots, shape, .. } = &mut self.table;
        let slot = slots.slot(at);
        self.checkpoints.save(slot);
        shape.accumulate(&mut slot.state, delta);
    }

    /// A slot that can be changed in its compact form: it is in that, and has neither a state to
    /// save for a checkpoint nor previewed changes.
    pub(crate) fn single(&mut self, at: u32) -> Option<&mut Single> {
        if self.checkpoints.list().is_empty() && self.overlay.of(at).is_empty() {
            self.table.slots.single(at)
        } else {
            None
        }
    }

    /// Notifies subscribers of a change that has been applied; `origin` is `None` if the change
    /// came with an adopted base.
    pub(crate) fn notify_change(
        &self,
        at: u32,
        delta: &Value,
        origin: Option<OriginId>,
        cx: &mut Context<'_>,
    ) {
        if self.subscriptions.is_empty() || delta.is_zero() {
            return;
        }
        let Some((key, slot)) = self.table.slots.get_index(at as usize) else {
            return;
        };
        let subscriptions = self.subscriptions.matching(key);
        if !subscriptions.is_empty() {
            cx.notify(Notice::Changed {
                key: key.into(),
                state: slot.into_owned().state,
                delta: delta.clone(),
                origin,
                subscriptions,
            });
        }
    }

    /// Reports bits in which the change `new` of another origin, just taken in place of `before`,
    /// conflicts with the own entry.
    ///
    /// Entries of two other origins are not compared. Their writers report the overlap themselves,
    /// and after a fold the result would be wrong: later changes do not list a folded origin as
    /// seen.
    pub(crate) fn notify_overlap(
        &self,
        at: u32,
        (origin, new): (OriginId, &Change),
        before: Option<&Change>,
        origins: &Origins,
        cx: &mut Context<'_>,
    ) {
        let Some((key, slot)) = self.table.slots.get_index(at as usize) else {
            return;
        };
        let Some(ours) = self.table.slots.change_of(at as usize, origins.own()) else {
            return;
        };
        let own = origins.own_id();
        let shape = &self.table.shape;
        let overlap = |theirs: &Change| Change::overlap((theirs, origin), (&ours, own), shape);
        let Some(bits) = overlap(new) else { return };
        // Bits reported with the previous version are not reported again.
        let reported = before.and_then(overlap);
        if reported.is_some_and(|reported| bits.and_not(&reported).is_zero()) {
            return;
        }
        cx.notify(Notice::Overlap(Overlap {
            key: key.into(),
            bits,
            state: slot.into_owned().state,
            origins: [(origin, new.version), (own, ours.version)],
        }));
        cx.counters.overlaps += 1;
    }

    /// Takes back what previewed changes of some origins changed of the states.
    pub(crate) fn hide(&mut self, goes: impl Fn(OriginId) -> bool, cx: &mut Context<'_>) {
        for (at, origin, delta) in self.overlay.remove(goes, &self.table.shape) {
            self.accumulate(at, &delta);
            self.notify_change(at, &delta, Some(origin), cx);
        }
    }

    /// Reports the second writer of a [`View::Cell`] key. To be called when a slot has just got its
    /// second entry.
    pub(crate) fn notify_second_writer(&self, at: u32, origins: &Origins, cx: &mut Context<'_>) {
        if cx.config.view != View::Cell {
            return;
        }
        if let Some((key, slot)) = self.table.slots.get_index(at as usize)
            && let [first, second, ..] = &slot.entries[..]
        {
            cx.notify(Notice::SecondWriter {
                key: key.into(),
                origins: [first, second].map(|entry| origins.id(entry.origin)),
            });
        }
    }
}
