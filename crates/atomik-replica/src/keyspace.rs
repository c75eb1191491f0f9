//! The keys of a replica, their checkpoints, and the subscriptions to their changes.

use crate::checkpoints::Checkpoints;
use crate::config::Config;
use crate::context::Context;
use crate::notice::Notice;
use crate::operation::View;
use crate::origin::OriginId;
use crate::origins::Origins;
use crate::single::Single;
use crate::subscriptions::Subscriptions;
use crate::table::Table;
use crate::value::Value;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Keyspace {
    pub(crate) table: Table,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) subscriptions: Subscriptions,
}

impl Keyspace {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            table: Table::new(config.words),
            checkpoints: Checkpoints::default(),
            subscriptions: Subscriptions::default(),
        }
    }

    /// Changes the state of a slot; the state at the latest checkpoint is saved first.
    pub(crate) fn accumulate(&mut self, at: u32, delta: &Value) {
        let slot = self.table.slot(at);
        self.checkpoints.save(slot);
        slot.state.accumulate(delta);
    }

    /// A slot that can be changed in its compact form: it is in that, and has no state to save for
    /// a checkpoint.
    pub(crate) fn single(&mut self, at: u32) -> Option<&mut Single> {
        if self.checkpoints.list().is_empty() {
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
