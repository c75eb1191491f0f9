//! Virtual time: takes events from the queue, one after the other.

use super::queue::Event;
use super::world::{World, peer};
use crate::setup::HORIZON;
use crate::step::Memory;
use crate::violation::{Check, ensure};

/// A run with more events is taken for one whose messages never end.
const MOST_EVENTS: u64 = 100_000;

impl World<'_> {
    /// Lets every event before `end` happen.
    pub(crate) fn drain(&mut self, end: u64) -> Check {
        while let Some((time, event)) = self.queue.pop_before(end) {
            self.now = time;
            self.report.events += 1;
            ensure(
                self.report.events < MOST_EVENTS,
                "the exchange of messages ends",
                || format!("{MOST_EVENTS} events, and more to come"),
            )?;
            self.fingerprint.word(time);
            match event {
                Event::Step(place) => {
                    let steps = self.steps;
                    self.fingerprint.word(place as u64);
                    self.perform(&steps[place].1)?;
                }
                Event::Deliver {
                    from,
                    former,
                    to,
                    bytes,
                } => {
                    if self.accepts_former(to, from, former) {
                        self.deliver(peer(from), to, &bytes)?;
                    }
                }
                Event::Packet(packet) => self.receive(&packet)?,
                Event::SessionTick => {
                    self.tick_sessions()?;
                    self.schedule_session_tick();
                }
                Event::StorageFails { n, life, stored } => self.fail_storage(n, life, stored)?,
                // One that was removed stays away when all others come together.
                Event::Restart(n) if self.now < HORIZON || self.stays(n) => {
                    self.start(n, Memory::Kept)?;
                }
                Event::Restart(_) => {}
                Event::Persisted { n, life, ticket } => self.confirm(n, life, ticket)?,
            }
        }
        Ok(())
    }
}
