//! Leaving for good: retirement, attestation, folding into the base.
//!
//! An origin that leaves signs how many entries it has and a hash of all of them. A member that
//! holds exactly these, durably, attests it. Once every key on the list but the leaver's has
//! attested, nobody can ever need an entry of that origin again: everything in it is known
//! everywhere. Each member then xors its accumulators into the base and forgets them; late frames
//! of it are stale by definition.
//!
//! A member that lost its memory after it attested finds the others with a base that contains what
//! it lacks: it takes their base over, on the strength of the attestations.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::{Encode, Malformed, Reader};
use crate::interface::{Effect, Notice, PeerId};
use crate::message::{Kind, OVERHEAD};
use crate::origin::{Author, OriginId, PublicKey, Sealed};
use crate::replica::Replica;
use crate::table::UNPUBLISHED;
use crate::value::Value;

/// What an origin signs when it leaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Retirement {
    pub(crate) entries: u64,
    pub(crate) hash: [u8; 32],
    pub(crate) seal: Sealed,
}

/// What is known of an origin's leaving.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Retiring {
    pub(crate) retirement: Option<Retirement>,
    /// Who has attested, with the signature.
    pub(crate) attestations: BTreeMap<PublicKey, Sealed>,
    /// All of it is here, and will be durable with this ticket. Not stored.
    pub(crate) complete: Option<u64>,
}

impl Retiring {
    pub(crate) fn is_known(&self) -> bool {
        self.retirement.is_some()
    }
}

impl Retirement {
    fn statement(author: Author, entries: u64, hash: &[u8; 32]) -> Vec<u8> {
        let mut content = author.key.to_vec();
        content.extend_from_slice(&author.incarnation);
        content.extend_from_slice(&entries.to_le_bytes());
        content.extend_from_slice(hash);
        content
    }

    /// As it is sent.
    fn record(&self, author: Author) -> Vec<u8> {
        let mut record = vec![RETIREMENT];
        record.extend_from_slice(&author.key);
        record.extend_from_slice(&author.incarnation);
        record.varint(self.entries);
        record.extend_from_slice(&self.hash);
        record.extend_from_slice(&self.seal);
        record
    }
}

/// An attestation as it is sent.
fn attestation_record(origin: OriginId, by: &PublicKey, seal: &Sealed) -> Vec<u8> {
    let mut record = vec![ATTESTATION];
    record.extend_from_slice(&origin.0);
    record.extend_from_slice(by);
    record.extend_from_slice(seal);
    record
}

fn attestation(origin: OriginId, retirement: &Retirement) -> Vec<u8> {
    let mut content = origin.0.to_vec();
    content.extend_from_slice(&retirement.entries.to_le_bytes());
    content.extend_from_slice(&retirement.hash);
    content
}

const RETIREMENT: u8 = 0;
const ATTESTATION: u8 = 1;

impl Replica {
    /// Number and hash of all published entries of an origin. A plain hash of their sorted tags:
    /// unlike sums it cannot be forged by linear algebra even by who knows the secret.
    fn inventory(&self, place: u32) -> (u64, [u8; 32]) {
        let entries = self.table.slots.values().flat_map(|slot| &slot.entries);
        let mut tags: Vec<_> = entries
            .filter(|entry| entry.origin == place && entry.published != UNPUBLISHED)
            .map(|entry| entry.published.tag)
            .collect();
        tags.sort_unstable();
        let mut hasher = blake3::Hasher::new_derive_key("atomik 1 inventory");
        tags.iter().for_each(|tag| {
            hasher.update(tag);
        });
        (tags.len() as u64, *hasher.finalize().as_bytes())
    }

    /// Whether every message of the ledger is the same at two replicas shows in this sum of keyed
    /// hashes. The hashes are only compared to decide whether to send; what is sent is signed.
    pub(crate) fn sum_ledger(&self) -> u128 {
        self.ledger().iter().fold(0, |sum, record| {
            sum.wrapping_add(u128::from_le_bytes(self.secrets.base(record)))
        })
    }

    /// The same sum, kept.
    pub(crate) fn ledger_sum(&self) -> u128 {
        debug_assert_eq!(self.ledger_sum, self.sum_ledger());
        self.ledger_sum
    }

    fn add_to_ledger(&mut self, place: u32, record: &[u8]) {
        let tag = self.secrets.base(record);
        self.ledger_sum = self.ledger_sum.wrapping_add(u128::from_le_bytes(tag));
        self.unstored_origins.insert(place);
    }

    /// Notes the retirement of an origin of which none is known.
    fn enter_retirement(&mut self, place: u32, retirement: Retirement) {
        let origin = &mut self.origins[place as usize];
        let record = retirement.record(origin.author);
        origin.retiring.retirement = Some(retirement);
        self.add_to_ledger(place, &record);
    }

    /// Notes an attestation, which is not known yet, of a retirement that is.
    fn enter_attestation(&mut self, place: u32, by: PublicKey, seal: Sealed) {
        let origin = &mut self.origins[place as usize];
        origin.retiring.attestations.insert(by, seal);
        let record = attestation_record(origin.id, &by, &seal);
        self.add_to_ledger(place, &record);
    }

    /// A sum over the folded origins.
    pub(crate) fn folded_sum(&self) -> u128 {
        let folded = self.origins.iter().filter(|origin| origin.folded);
        folded.fold(0, |sum, origin| {
            sum.wrapping_add(u128::from_le_bytes(self.secrets.base(&origin.id.0)))
        })
    }

    /// The folded origins, by short names.
    pub(crate) fn folded_names(&self) -> BTreeSet<u64> {
        self.origins
            .iter()
            .filter(|origin| origin.folded)
            .map(|origin| self.name(origin.id))
            .collect()
    }

    fn name(&self, origin: OriginId) -> u64 {
        u128::from_le_bytes(self.secrets.base(&origin.0)) as u64
    }

    /// Retirements and attestations, each as it is sent; a retirement before its attestations.
    fn ledger(&self) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        for origin in &self.origins {
            let Some(retirement) = &origin.retiring.retirement else {
                continue;
            };
            records.push(retirement.record(origin.author));
            for (key, seal) in &origin.retiring.attestations {
                records.push(attestation_record(origin.id, key, seal));
            }
        }
        records
    }

    pub(crate) fn send_ledger(&mut self, to: PeerId, effects: &mut Vec<Effect>) {
        let room = self.config.message_bytes - OVERHEAD;
        let mut body = Vec::new();
        for record in self.ledger() {
            if body.len() + record.len() > room {
                self.send(to, Kind::Ledger, &body, effects);
                body.clear();
            }
            body.extend_from_slice(&record);
        }
        if !body.is_empty() {
            self.send(to, Kind::Ledger, &body, effects);
        }
    }

    pub(crate) fn take_ledger(
        &mut self,
        _from: PeerId,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        while !reader.is_empty() {
            match reader.u8()? {
                RETIREMENT => {
                    let author = Author {
                        key: reader.array()?,
                        incarnation: reader.array()?,
                    };
                    let entries = reader.varint()?;
                    let hash = reader.array()?;
                    let seal = reader.array()?;
                    let known = self
                        .origin_places
                        .get(&author.origin())
                        .map(|&place| &self.origins[place as usize]);
                    if known.is_some_and(|known| known.retiring.is_known() || known.quarantined)
                        || !self.config.trust.allowed().contains(&author.key)
                    {
                        continue;
                    }
                    let statement = self
                        .secrets
                        .statement("retirement", &Retirement::statement(author, entries, &hash));
                    if self.config.trust.verify(&author.key, &statement, &seal) {
                        let place = self.place_of(author);
                        let retirement = Retirement {
                            entries,
                            hash,
                            seal,
                        };
                        self.enter_retirement(place, retirement);
                        if place == self.own && !self.retired {
                            // It has left, and has been put back to before that.
                            self.lose_memory(effects);
                        }
                    }
                }
                ATTESTATION => {
                    let origin = OriginId(reader.array()?);
                    let key: PublicKey = reader.array()?;
                    let seal = reader.array()?;
                    let Some(&place) = self.origin_places.get(&origin) else {
                        continue;
                    };
                    let retiring = &self.origins[place as usize].retiring;
                    let Some(retirement) = &retiring.retirement else {
                        continue;
                    };
                    if retiring.attestations.contains_key(&key)
                        || !self.config.trust.allowed().contains(&key)
                    {
                        continue;
                    }
                    let statement = self
                        .secrets
                        .statement("attestation", &attestation(origin, retirement));
                    if self.config.trust.verify(&key, &statement, &seal) {
                        self.enter_attestation(place, key, seal);
                    }
                }
                _ => return Err(Malformed),
            }
        }
        self.attend_retirements(effects);
        Ok(())
    }

    /// Announces our own retirement once everything is published, attests those of others that we
    /// know completely and durably, and folds those that everybody has attested.
    pub(crate) fn attend_retirements(&mut self, effects: &mut Vec<Effect>) {
        let key = self.config.trust.key();
        let mut news = false;
        let published = self.unpublished.is_empty()
            && self
                .flight
                .as_ref()
                .is_none_or(|flight| flight.own.is_empty());
        // A replica that announced it and then forgot would go on making changes that nobody
        // expects.
        let own = &self.origins[self.own as usize];
        if self.retired
            && published
            && !own.retiring.is_known()
            && own
                .retiring
                .complete
                .is_some_and(|ticket| ticket <= self.durable)
        {
            self.announce_retirement(self.own);
            news = true;
        }
        for place in 0..self.origins.len() as u32 {
            let origin = &self.origins[place as usize];
            if origin.folded || origin.quarantined {
                continue;
            }
            if place == self.own {
                // One that has left and runs on does as the others do: it may be the only one that
                // has a base.
                if self.retired && published && self.is_attested(place, false) {
                    self.fold(place, effects);
                }
                continue;
            }
            let (id, Some(retirement)) = (origin.id, origin.retiring.retirement.clone()) else {
                continue;
            };
            // Our attestation alone is no proof: it may be from before we lost our memory.
            let complete = match origin.retiring.complete {
                Some(ticket) => ticket,
                None if self.inventory(place) == (retirement.entries, retirement.hash) => {
                    self.next_durable()
                }
                None => continue,
            };
            let retiring = &mut self.origins[place as usize].retiring;
            retiring.complete = Some(complete);
            // Attesting what is not durable would be a promise that a crash breaks.
            if complete > self.durable {
                continue;
            }
            if !retiring.attestations.contains_key(&key) {
                let statement = self
                    .secrets
                    .statement("attestation", &attestation(id, &retirement));
                let seal = self.config.trust.sign(&statement);
                self.enter_attestation(place, key, seal);
                news = true;
            }
            if self.is_attested(place, true) {
                self.fold(place, effects);
            }
        }
        if news {
            for peer in self.peers.clone() {
                self.send_ledger(peer, effects);
            }
        }
    }

    /// Signs that an origin of ours has left.
    pub(crate) fn announce_retirement(&mut self, place: u32) {
        let (entries, hash) = self.inventory(place);
        let author = self.origins[place as usize].author;
        let statement = self
            .secrets
            .statement("retirement", &Retirement::statement(author, entries, &hash));
        let seal = self.config.trust.sign(&statement);
        let retirement = Retirement {
            entries,
            hash,
            seal,
        };
        self.enter_retirement(place, retirement);
    }

    /// The ticket with which everything that is here now is durable.
    pub(crate) fn next_durable(&self) -> u64 {
        if self.is_unflushed() {
            self.tickets + 1
        } else if self.flight.is_some() {
            self.tickets
        } else {
            self.durable
        }
    }

    /// Whether every member has attested an origin's retirement; the leaver's key need not, and
    /// ours only if `with_us`.
    fn is_attested(&self, place: u32, with_us: bool) -> bool {
        let origin = &self.origins[place as usize];
        let us = self.config.trust.key();
        origin.retiring.is_known()
            && self.config.trust.allowed().iter().all(|key| {
                *key == origin.author.key && *key != us
                    || !with_us && *key == us
                    || origin.retiring.attestations.contains_key(key)
            })
    }

    fn fold(&mut self, place: u32, effects: &mut Vec<Effect>) {
        for at in 0..self.table.slots.len() as u32 {
            let slot = self.table.slot(at);
            if let Some(position) = slot.position(place) {
                let accumulator = self
                    .table
                    .remove(&self.secrets, at, position)
                    .change
                    .accumulator;
                self.table.slot(at).rare().base.accumulate(&accumulator);
                self.table.touch(at);
            }
        }
        self.origins[place as usize].folded = true;
        self.unstored_origins.insert(place);
        self.sum_bases();
        effects.push(Effect::Notify(Notice::Folded(
            self.origins[place as usize].id,
        )));
    }

    /// Computes the sum over all bases anew.
    pub(crate) fn sum_bases(&mut self) {
        let mut sum = 0_u128;
        for (key, slot) in self.table.slots.iter() {
            if let Some(rare) = &slot.rare
                && !rare.base.is_zero()
            {
                let mut encoded = Vec::new();
                encoded.blob(key);
                encoded.value(&rare.base);
                sum = sum.wrapping_add(u128::from_le_bytes(self.secrets.base(&encoded)));
            }
        }
        self.base_sum = sum;
    }

    /// Whether all other members have attested an origin that we do not know completely: they may
    /// have folded it.
    pub(crate) fn lacks_folded(&self) -> bool {
        !self.late_origins().is_empty()
    }

    fn late_origins(&self) -> Vec<u32> {
        let all = 0..self.origins.len() as u32;
        all.filter(|&place| {
            place != self.own
                && !self.origins[place as usize].folded
                && self.is_attested(place, false)
        })
        .collect()
    }

    /// Takes a peer's base in the place of ours, if the origins that it has folded beyond ours are
    /// just those that all other members have attested.
    pub(crate) fn adopt_base(
        &mut self,
        from: PeerId,
        folded: &BTreeSet<u64>,
        bases: Vec<(Box<[u8]>, Value)>,
        effects: &mut Vec<Effect>,
    ) {
        let mut late = self.late_origins();
        late.retain(|&place| folded.contains(&self.name(self.origins[place as usize].id)));
        let mut covered = self.folded_names();
        covered.extend(
            late.iter()
                .map(|&place| self.name(self.origins[place as usize].id)),
        );
        // What the peer has folded must be what we have and what all others have attested; it may
        // be behind, and then it will catch up.
        if late.is_empty() || covered != *folded {
            return;
        }
        let mut bases: BTreeMap<Box<[u8]>, Value> = bases.into_iter().collect();
        for key in bases.keys() {
            self.table.slot_of(key);
        }
        for at in 0..self.table.slots.len() as u32 {
            for &place in &late {
                if let Some(position) = self.table.slot(at).position(place) {
                    self.table.remove(&self.secrets, at, position);
                    self.table.touch(at);
                }
            }
            let Some((key, slot)) = self.table.slots.get_index(at as usize) else {
                continue;
            };
            let base = bases
                .remove(&key[..])
                .unwrap_or_else(|| Value::zero(self.config.words));
            let old = slot
                .rare
                .as_ref()
                .map_or_else(|| Value::zero(self.config.words), |rare| rare.base.clone());
            if base != old {
                self.table.slot(at).rare().base = base;
                self.table.touch(at);
            }
            let slot = self.table.slot(at);
            let delta = slot.sum().xor(&slot.state);
            if !delta.is_zero() {
                self.remember(at);
                self.table.slot(at).state.accumulate(&delta);
                self.tell_change(at, &delta, None, effects);
            }
        }
        for &place in &late {
            self.origins[place as usize].folded = true;
            self.unstored_origins.insert(place);
        }
        self.sum_bases();
        let origins = late
            .iter()
            .map(|&place| self.origins[place as usize].id)
            .collect();
        effects.push(Effect::Notify(Notice::BaseAdopted { from, origins }));
    }
}
