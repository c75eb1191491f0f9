//! Taking over what others did: the higher version wins, per key and origin.

use core::cmp::Ordering;
use std::collections::HashMap;

use crate::codec::{Malformed, Reader};
use crate::entry::{Change, Tag};
use crate::frame::{Evidence, KeyedChanges, decode_excerpt, encode_excerpt};
use crate::interface::{Effect, Notice, Overlap, PeerId, Refusal};
use crate::message::Kind;
use crate::origin::OriginId;
use crate::replica::Replica;
use crate::table::{Entry, OURS, Published, UNPUBLISHED};

/// The most origins that a replica knows, folded ones among them: a member could otherwise invent
/// incarnations without end. So many names of 8 bytes fit into the smallest message.
const MAX_ORIGINS: usize = 1800;

impl Replica {
    /// Takes over what excerpts bring; where `answer`, sends back what is newer here.
    pub(crate) fn take_changes(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        answer: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        let mut newer = Vec::new();
        while !reader.is_empty() {
            let (evidence, changes) = decode_excerpt(reader, &self.secrets, self.config.words)?;
            self.note_arrival(from, changes.len());
            if answer && let Some(&place) = self.origin_places.get(&evidence.origin()) {
                newer.extend(changes.iter().filter_map(|(key, change)| {
                    let at = self.table.slots.get_index_of(key)?;
                    let slot = &self.table.slots[at];
                    let position = slot.position(place)?;
                    (slot.entries[position].change.version > change.version).then_some((at, place))
                }));
            }
            if let Err(reason) = self.take_excerpt(&evidence, changes, effects) {
                self.refuse(from, reason, effects);
            }
        }
        // Only now: an excerpt that shows that memory was lost moves entries.
        let newer = newer
            .into_iter()
            .filter_map(|(at, place)| Some((at as u32, self.table.slots[at].position(place)?)));
        let newer = newer.collect();
        self.send_entries(from, Kind::Changes, newer, effects);
        Ok(())
    }

    fn take_excerpt(
        &mut self,
        evidence: &Evidence,
        changes: KeyedChanges<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let author = evidence.header.author;
        let origin = evidence.origin();
        if !self.config.trust.allowed().contains(&author.key) {
            return Err(Refusal::UnknownKey {
                origin,
                key: author.key,
            });
        }
        let known = self.origin_places.get(&origin).copied();
        if let Some(place) = known {
            let known = &self.origins[place as usize];
            if known.quarantined {
                return Err(Refusal::Quarantined { origin });
            }
            if known.folded {
                self.counters.stale += changes.len() as u64;
                return Ok(());
            }
        } else if self.origins.len() >= MAX_ORIGINS {
            return Err(Refusal::TooManyOrigins { origin });
        }
        // What brings nothing new needs no proof. What contradicts needs it before it may accuse
        // anybody.
        let unknown = |change: &Change, held: Option<&Change>| {
            held.is_none_or(|held| {
                change.version > held.version || change.version == held.version && change != held
            })
        };
        // Look-ups in a row wait for memory together; in `merge` each would wait for itself. For
        // the same reason this does not stop at the first news.
        let slots = self.table.slots.find_all(&changes, |(key, _)| key);
        // What we have not sent nobody else can know.
        let pending = if known == Some(self.own) {
            self.unsent()
        } else {
            HashMap::new()
        };
        let mut news = false;
        for ((_, change), at) in changes.iter().zip(&slots) {
            let held = at.zip(known).and_then(|(at, place)| {
                pending
                    .get(&at)
                    .copied()
                    .unwrap_or_else(|| self.table.slots[at as usize].change_of(place))
            });
            news |= unknown(change, held);
        }
        if !news {
            self.counters.stale += changes.len() as u64;
            return Ok(());
        }
        if !evidence.holds(&self.secrets, &self.config.trust) {
            return Err(Refusal::Forged { origin });
        }
        let place = self.place_of(author);
        let frame = &mut self.origins[place as usize].frame;
        *frame = (*frame).max(evidence.header.number);
        if place == self.own {
            // Ours, and news to us: we have forgotten it, or somebody uses our key. It is then an
            // origin like others.
            self.lose_memory(effects);
            if place == self.own {
                return Ok(());
            }
        }
        let held = if self.is_ours(place) {
            OURS
        } else {
            self.table.hold(evidence.clone())
        };
        let mut fault = None;
        for (((index, tag), (key, change)), at) in evidence.tags().zip(changes).zip(slots) {
            let taken = fault.is_none()
                && self
                    .merge(place, (key, at), change, (held, index, tag), effects)
                    .unwrap_or_else(|version| {
                        fault = Some((key.to_vec(), index, version));
                        false
                    });
            if !taken {
                self.counters.stale += 1;
                self.table.release(&self.secrets, held, index);
            }
        }
        match fault {
            None => Ok(()),
            Some((key, index, version)) => {
                Err(self.quarantine(place, &key, version, (evidence, index)))
            }
        }
    }

    /// Own changes that have not been sent, by slot: what was sent before them.
    fn unsent(&self) -> HashMap<u32, Option<&Change>> {
        let waiting = self
            .unpublished
            .iter()
            .map(|(at, before)| (*at, before.as_ref()));
        let flying = self
            .flight
            .iter()
            .flat_map(|flight| &flight.own)
            .map(|(at, _, before)| (*at, before.as_ref()));
        // What is on its way to storage is older than what waits for it.
        waiting.chain(flying).collect()
    }

    /// Takes over one change, with its evidence, leaf and tag, if it is newer; whether it was.
    /// `Err` with the version if it contradicts what is held. The slot is given if it is there.
    fn merge(
        &mut self,
        place: u32,
        (key, at): (&[u8], Option<u32>),
        change: Change,
        (held, leaf, tag): (u32, u16, Tag),
        effects: &mut Vec<Effect>,
    ) -> Result<bool, u64> {
        let at = at.unwrap_or_else(|| self.table.slot_of(key));
        if let Some(known) = self.table.slot(at).change_of(place) {
            match change.version.cmp(&known.version) {
                Ordering::Less => return Ok(false),
                Ordering::Equal if change == *known => return Ok(false),
                Ordering::Equal => return Err(change.version),
                Ordering::Greater => {}
            }
        }
        let origin = self.origins[place as usize].id;
        self.remember(at);
        self.counters.merged += 1;
        let mut delta = change.accumulator.clone();
        let slot = self.table.slot(at);
        let (position, published, before) = match slot.position(place) {
            Some(position) => {
                let entry = &mut slot.entries[position];
                let published = if entry.published == UNPUBLISHED {
                    Published::new(&self.secrets, origin, key, change.version, tag)
                } else {
                    entry.published.next(change.version, tag)
                };
                let before = core::mem::replace(&mut entry.change, change);
                let old = (
                    core::mem::replace(&mut entry.evidence, held),
                    core::mem::replace(&mut entry.leaf, leaf),
                );
                delta.accumulate(&before.accumulator);
                self.table.release(&self.secrets, old.0, old.1);
                (position, published, Some(before))
            }
            None => {
                let published = Published::new(&self.secrets, origin, key, change.version, tag);
                slot.entries.push(Entry {
                    origin: place,
                    evidence: held,
                    leaf,
                    published: UNPUBLISHED,
                    change,
                });
                (slot.entries.len() - 1, published, None)
            }
        };
        let slot = self.table.slot(at);
        slot.state.accumulate(&delta);
        let writers = slot.entries.len();
        self.table.publish(at, position, published);
        self.table.touch(at);
        if writers > 1 {
            if !self.retired {
                self.tell_overlap(at, place, before.as_ref(), effects);
            }
            if writers == 2 && before.is_none() {
                self.tell_second_writer(at, effects);
            }
        }
        self.tell_change(at, &delta, Some(origin), effects);
        Ok(true)
    }

    /// Compares the entry of `place`, which has just been replaced, with our own. Comparing third
    /// parties' entries with each other would tell nothing that neither of them hears, and after a
    /// fold it would tell what is not so: changes made since do not name the folded origin as seen.
    fn tell_overlap(
        &mut self,
        at: u32,
        place: u32,
        before: Option<&Change>,
        effects: &mut Vec<Effect>,
    ) {
        let Some((key, slot)) = self.table.slots.get_index(at as usize) else {
            return;
        };
        let (Some(theirs), Some(ours)) = (slot.position(place), slot.position(self.own)) else {
            return;
        };
        let id = |place: u32| -> OriginId { self.origins[place as usize].id };
        let (new, own) = (&slot.entries[theirs].change, &slot.entries[ours].change);
        let overlap = |theirs: &Change| Change::overlap((theirs, id(place)), (own, id(self.own)));
        let Some(bits) = overlap(new) else { return };
        // What was told of the version before is not told again.
        let told = before.and_then(overlap);
        if told.is_some_and(|told| bits.and_not(&told).is_zero()) {
            return;
        }
        let origins = [(id(place), new.version), (id(self.own), own.version)];
        let overlap = Overlap {
            key: key[..].into(),
            bits,
            state: slot.state.clone(),
            origins,
        };
        effects.push(Effect::Notify(Notice::Overlap(overlap)));
        self.counters.overlaps += 1;
    }

    fn quarantine(
        &mut self,
        place: u32,
        key: &[u8],
        version: u64,
        found: (&Evidence, u16),
    ) -> Refusal {
        let excerpt = |evidence: &Evidence, leaf: u16, change: &Change| {
            let (mut bytes, mut encoded) = (Vec::new(), Vec::new());
            change.encode(key, &mut encoded);
            encode_excerpt(
                &evidence.restrict(&self.secrets, &[leaf]),
                [&encoded[..]].into_iter(),
                &mut bytes,
            );
            bytes
        };
        let held = self.table.slots.get(key).and_then(|slot| {
            let entry = &slot.entries[slot.position(place)?];
            let evidence = self.table.held(entry.evidence)?;
            Some(excerpt(&evidence.evidence, entry.leaf, &entry.change))
        });
        let mut second = Vec::new();
        found
            .0
            .restrict(&self.secrets, &[found.1])
            .encode(&mut second);
        let evidence = [held.unwrap_or_default(), second];
        let origin = &mut self.origins[place as usize];
        origin.quarantined = true;
        self.unstored_origins.insert(place);
        Refusal::Equivocation {
            origin: origin.id,
            key: key.into(),
            version,
            evidence,
        }
    }
}
