//! Previewed changes without a frame, as a restart finds them.
//!
//! A replica signs an entry anew outside the chain only if a frame of the chain holds it, so that
//! whoever vouches for the head knows nothing that its owner lacks. What was only previewed when
//! the replica stopped is therefore *held back* until all members vouch. Then the next frame seals
//! it. Otherwise it is *released*, to be signed anew after all: if they do not vouch in time, or if
//! a new life has begun, with a frame that tells members of it. It does not move to a new life,
//! because a member that is away may have it in a frame.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::codec::{Encode, Malformed, Reader};
use crate::entry::Change;
use crate::event::Record;
use crate::record::numbered;
use crate::shape::Shape;

/// The place of an own origin, and a slot.
pub(crate) type Place = (u32, u32);

/// For how many ticks with reachable peers the members' word is waited for.
const PATIENCE: u8 = 4;

#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Unsealed {
    /// What is held back, each with the change in the last frame.
    held: BTreeMap<Place, Option<Change>>,
    /// How many ticks it has waited.
    waited: u8,
    /// What is no longer held back once its records are deleted.
    released: Vec<Place>,
    /// The tickets of stored records, each with the life of its changes.
    stored: Vec<(u64, u32)>,
    /// The next record.
    new: Vec<u8>,
    /// Lives whose stored records are to be deleted.
    obsolete: BTreeSet<u32>,
}

impl Unsealed {
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.released.is_empty()
    }

    /// Has changes of a life stored that are previewed: their slots, and the changes before.
    pub(crate) fn preview<'a>(
        &mut self,
        life: u32,
        changes: impl Iterator<Item = (u32, Option<&'a Change>)>,
    ) {
        self.new.varint(u64::from(life));
        for (at, before) in changes {
            self.new.varint(u64::from(at));
            self.new.push(u8::from(before.is_some()));
            if let Some(before) = before {
                before.encode(&[], &mut self.new);
            }
        }
    }

    /// All that was previewed in a life since the start is in a frame, or taken back.
    pub(crate) fn clear(&mut self, life: u32) {
        self.new.clear();
        // As long as something of a life is held back, nothing is previewed in it.
        if self.held.keys().all(|place| place.0 != life) {
            self.obsolete.insert(life);
        }
    }

    /// Takes what is held back of a life for the next frame.
    pub(crate) fn take(&mut self, life: u32) -> BTreeMap<Place, Option<Change>> {
        let of_life = (life, 0)..=(life, u32::MAX);
        self.held.extract_if(of_life, |_, _| true).collect()
    }

    /// Releases what is held back of some lives.
    pub(crate) fn release(&mut self, of: impl Fn(u32) -> bool) {
        let (obsolete, released) = (&mut self.obsolete, &mut self.released);
        self.held.retain(|place, _| {
            let keep = !of(place.0);
            if !keep {
                obsolete.insert(place.0);
                released.push(*place);
            }
            keep
        });
    }

    /// Keeps back only some of what is held back.
    pub(crate) fn retain(&mut self, keep: impl Fn(Place) -> bool) {
        let lives = |held: &BTreeMap<Place, _>| held.keys().map(|place| place.0).collect();
        let before: BTreeSet<u32> = lives(&self.held);
        self.held.retain(|place, _| keep(*place));
        let after = lives(&self.held);
        self.obsolete.extend(before.difference(&after));
    }

    /// Forgets what is held back of some lives.
    pub(crate) fn forget(&mut self, of: impl Fn(u32) -> bool) {
        self.release(&of);
        self.released.retain(|place| !of(place.0));
    }

    /// Takes what is released, and of which storage has deleted the records.
    pub(crate) fn take_released(&mut self) -> Vec<Place> {
        if self.obsolete.is_empty() {
            core::mem::take(&mut self.released)
        } else {
            Vec::new()
        }
    }

    /// Takes note of a tick. Returns whether something has waited for long enough.
    pub(crate) fn is_late(&mut self) -> bool {
        self.waited += u8::from(!self.held.is_empty() && self.waited < PATIENCE);
        self.waited == PATIENCE
    }

    /// Whether something waits for records to be deleted.
    pub(crate) fn is_unstored(&self) -> bool {
        !self.released.is_empty()
    }

    /// Appends the records of everything that has changed since the last call; `ticket` is theirs,
    /// and `life` the current one.
    pub(crate) fn store(&mut self, ticket: u64, life: u32, records: &mut Vec<Record>) {
        let obsolete = core::mem::take(&mut self.obsolete);
        self.stored.retain(|(ticket, life)| {
            let keep = !obsolete.contains(life);
            if !keep {
                records.push((Self::key(*ticket), None));
            }
            keep
        });
        if !self.new.is_empty() {
            records.push((Self::key(ticket), Some(core::mem::take(&mut self.new))));
            self.stored.push((ticket, life));
        }
    }

    /// The key of the record that was stored with this ticket.
    pub(crate) fn key(ticket: u64) -> Vec<u8> {
        numbered(b'u', &ticket.to_be_bytes())
    }

    /// Reads a stored record. Records come in ascending order. Returns what was not held back yet.
    pub(crate) fn read(
        &mut self,
        ticket: u64,
        value: &[u8],
        shape: &Shape,
    ) -> Result<Vec<(Place, Option<Change>)>, Malformed> {
        let reader = &mut Reader::new(value);
        let life = reader.u32()?;
        let mut new = Vec::new();
        while !reader.is_empty() {
            let at = reader.u32()?;
            let before = match reader.u8()? {
                0 => None,
                1 => Some(Change::decode(reader, shape)?.1),
                _ => return Err(Malformed),
            };
            // The oldest is what a frame holds.
            if let Entry::Vacant(vacant) = self.held.entry((life, at)) {
                new.push(((life, at), vacant.insert(before).clone()));
            }
        }
        self.stored.push((ticket, life));
        Ok(new)
    }
}
