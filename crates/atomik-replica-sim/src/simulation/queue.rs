//! Events to come, by time.

use std::collections::BTreeMap;
use std::rc::Rc;

use atomik_session::Address;

use super::wire::Packet;

pub(crate) enum Event {
    /// The step at this place of the schedule.
    Step(usize),
    Deliver {
        from: usize,
        /// How many keys the sender had before the one with which it runs.
        former: u64,
        to: usize,
        bytes: Rc<[u8]>,
    },
    /// A packet of a session arrives.
    Packet(Packet),
    /// A tick of all sessions.
    SessionTick,
    /// Storage fails to write the batch of replica `n` in flight, if it is still in the same life;
    /// it is stored nevertheless, or lost.
    StorageFails { n: usize, life: u64, stored: bool },
    /// Replica `n` starts again after storage has failed.
    Restart(usize),
    /// Storage confirms a batch of replica `n`, if it is still in the same life.
    Persisted { n: usize, life: u64, ticket: u64 },
}

/// Events of one time keep the order in which they were put in.
#[derive(Default)]
pub(crate) struct Queue {
    events: BTreeMap<(u64, u64), Event>,
    sequence: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((time, self.sequence), event);
    }

    /// The next event before `end`, with its time.
    pub(crate) fn pop_before(&mut self, end: u64) -> Option<(u64, Event)> {
        let entry = self.events.first_entry()?;
        let &(time, _) = entry.key();
        (time < end).then(|| (time, entry.remove()))
    }

    /// Loses all messages under way.
    pub(crate) fn drop_messages(&mut self) {
        self.events
            .retain(|_, event| !matches!(event, Event::Deliver { .. }));
    }

    /// Loses all packets under way, except those from this address.
    pub(crate) fn drop_packets_except(&mut self, from: Address) {
        self.events.retain(|_, event| match event {
            Event::Packet(packet) => packet.from == from,
            _ => true,
        });
    }

    /// Takes all errors of storage: replica, life, and whether the batch is stored nevertheless.
    pub(crate) fn take_storage_errors(&mut self) -> Vec<(usize, u64, bool)> {
        let mut errors = Vec::new();
        self.events.retain(|_, event| match *event {
            Event::StorageFails { n, life, stored } => {
                errors.push((n, life, stored));
                false
            }
            _ => true,
        });
        errors
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}
