//! The ledger: retirements of origins and the attestations that allow folding them.
//!
//! An origin that leaves signs the number of its entries and a hash of all of them: its
//! *retirement*. A member that durably holds exactly these entries signs an *attestation*. Once the
//! holders of all keys on the member list except the leaver's have attested, no member can need an
//! entry of that origin again. Each member then folds the origin: it xors the accumulators into the
//! base and drops the entries. Frames of a folded origin that arrive later are stale by definition.
//!
//! A member that lost its memory after it attested finds that the others have folded entries that
//! it lacks. The attestations allow it to adopt their base.
//!
//! The rest of the replica knows only this of the ledger: whether an origin is folded, sums to
//! compare with a peer's, records to exchange, and [`Ledger::attend`], which takes the steps that
//! have become possible.

use core::hash::{Hash, Hasher};
use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Base, Bases};
use crate::codec::{Encode, Malformed, Reader};
use crate::context::Context;
use crate::keyspace::Keyspace;
use crate::notice::Notice;
use crate::origin::{Author, OriginId, PublicKey, Sealed, Trust};
use crate::origins::Origins;
use crate::publication::Publication;
use crate::roster::Roster;
use crate::secrets::Secrets;
use crate::slot::UNPUBLISHED;
use crate::table::Table;

/// An origin's signed statement that it leaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Retirement {
    entries: u64,
    hash: [u8; 32],
    seal: Sealed,
}

/// How far the departure of an origin has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Departure {
    retirement: Option<Retirement>,
    /// Signatures of the members that have attested.
    attestations: BTreeMap<PublicKey, Sealed>,
    /// The ticket that makes the origin durable here with all its entries; `None` if entries are
    /// missing. Not stored.
    complete: Option<u64>,
}

/// What two replicas compare to find out whether their ledgers and bases agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LedgerSums {
    pub(crate) folded: u128,
    pub(crate) base: u128,
    pub(crate) ledger: u128,
}

/// All departures, by the origin's place, and the base.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    departures: BTreeMap<u32, Departure>,
    /// A sum of keyed hashes over all records.
    sum: u128,
    base: Base,
}

impl Hash for Ledger {
    /// Omits the sum, which follows from the departures.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.departures, &self.base).hash(state);
    }
}

const RETIREMENT: u8 = 0;
const ATTESTATION: u8 = 1;

impl Retirement {
    /// The statement signed by the leaver.
    fn statement(&self, author: Author, secrets: &Secrets) -> Vec<u8> {
        let mut content = author.key.to_vec();
        content.extend_from_slice(&author.incarnation);
        content.extend_from_slice(&self.entries.to_le_bytes());
        content.extend_from_slice(&self.hash);
        secrets.statement("retirement", &content)
    }

    /// The statement signed by those who attest.
    fn attested(&self, origin: OriginId, secrets: &Secrets) -> Vec<u8> {
        let mut content = origin.0.to_vec();
        content.extend_from_slice(&self.entries.to_le_bytes());
        content.extend_from_slice(&self.hash);
        secrets.statement("attestation", &content)
    }

    /// The record as it is sent.
    fn record(&self, author: Author) -> Vec<u8> {
        let mut record = vec![RETIREMENT];
        record.extend_from_slice(&author.key);
        record.extend_from_slice(&author.incarnation);
        self.encode(&mut record);
        record
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.varint(self.entries);
        out.extend_from_slice(&self.hash);
        out.extend_from_slice(&self.seal);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            entries: reader.varint()?,
            hash: reader.array()?,
            seal: reader.array()?,
        })
    }
}

/// The record of an attestation as it is sent.
fn attestation_record(origin: OriginId, by: &PublicKey, seal: &Sealed) -> Vec<u8> {
    let mut record = vec![ATTESTATION];
    record.extend_from_slice(&origin.0);
    record.extend_from_slice(by);
    record.extend_from_slice(seal);
    record
}

/// The number and the hash of all published entries of an origin. The hash covers the sorted tags:
/// unlike a sum it cannot be forged by solving linear equations, not even by a member.
fn inventory(table: &Table, place: u32) -> (u64, [u8; 32]) {
    let entries = (0..table.slots.len()).filter_map(|at| table.slots.entry_of(at, place));
    let published = entries.map(|entry| entry.published);
    let mut tags: Vec<_> = published
        .filter(|published| *published != UNPUBLISHED)
        .map(|published| published.tag)
        .collect();
    tags.sort_unstable();
    let mut hasher = blake3::Hasher::new_derive_key("atomik 1 inventory");
    tags.iter().for_each(|tag| {
        hasher.update(tag);
    });
    (tags.len() as u64, *hasher.finalize().as_bytes())
}

impl Ledger {
    /// Whether an origin is folded into the base.
    pub(crate) fn is_folded(&self, place: u32) -> bool {
        self.base.has(place)
    }

    /// Whether an origin has retired.
    pub(crate) fn is_retiring(&self, place: u32) -> bool {
        self.retirement(place).is_some()
    }

    fn retirement(&self, place: u32) -> Option<&Retirement> {
        self.departures.get(&place)?.retirement.as_ref()
    }

    /// The short names of the folded origins.
    pub(crate) fn folded_names(&self, origins: &Origins, secrets: &Secrets) -> BTreeSet<u64> {
        self.base.names(origins, secrets)
    }

    /// A sum over the folded origins.
    pub(crate) fn folded_sum(&self, origins: &Origins, secrets: &Secrets) -> u128 {
        self.base.folded_sum(origins, secrets)
    }

    pub(crate) fn sums(&self, origins: &Origins, secrets: &Secrets) -> LedgerSums {
        debug_assert_eq!(self.sum, self.recomputed_sum(origins, secrets));
        LedgerSums {
            folded: self.folded_sum(origins, secrets),
            base: self.base.sum(),
            ledger: self.sum,
        }
    }

    /// The sum serves only to decide whether to send the ledger; the records are signed.
    fn recomputed_sum(&self, origins: &Origins, secrets: &Secrets) -> u128 {
        let records = self.records(origins);
        records
            .iter()
            .fold(0, |sum, record| sum.wrapping_add(secrets.summand(record)))
    }

    /// All records as they are sent: each retirement, followed by its attestations.
    pub(crate) fn records(&self, origins: &Origins) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        for (&place, departure) in &self.departures {
            let Some(retirement) = &departure.retirement else {
                continue;
            };
            let origin = origins.get(place);
            records.push(retirement.record(origin.author));
            for (key, seal) in &departure.attestations {
                records.push(attestation_record(origin.id, key, seal));
            }
        }
        records
    }

    fn add(&mut self, place: u32, record: &[u8], origins: &mut Origins, secrets: &Secrets) {
        self.sum = self.sum.wrapping_add(secrets.summand(record));
        origins.touch(place);
    }

    /// Enters the first retirement of an origin.
    fn enter_retirement(
        &mut self,
        place: u32,
        retirement: Retirement,
        origins: &mut Origins,
        secrets: &Secrets,
    ) {
        let record = retirement.record(origins.get(place).author);
        self.departures.entry(place).or_default().retirement = Some(retirement);
        self.add(place, &record, origins, secrets);
    }

    /// Enters a member's first attestation of a known retirement.
    fn enter_attestation(
        &mut self,
        place: u32,
        by: PublicKey,
        seal: Sealed,
        origins: &mut Origins,
        secrets: &Secrets,
    ) {
        let departure = self.departures.entry(place).or_default();
        departure.attestations.insert(by, seal);
        let record = attestation_record(origins.id(place), &by, &seal);
        self.add(place, &record, origins, secrets);
    }

    /// Reads one record sent by a peer. Invalid records are ignored. Returns the place of the
    /// origin if the record is a valid retirement that was not known yet.
    pub(crate) fn take_record(
        &mut self,
        reader: &mut Reader<'_>,
        origins: &mut Origins,
        roster: &Roster,
        trust: &Trust,
        secrets: &Secrets,
    ) -> Result<Option<u32>, Malformed> {
        match reader.u8()? {
            RETIREMENT => {
                let author = Author {
                    key: reader.array()?,
                    incarnation: reader.array()?,
                };
                let retirement = Retirement::decode(reader)?;
                let known = origins.place(author.origin());
                let ignored = known
                    .is_some_and(|place| self.is_retiring(place) || origins.get(place).quarantined);
                let statement = retirement.statement(author, secrets);
                if ignored
                    || !roster.contains(&author.key)
                    || !trust.verify(&author.key, &statement, &retirement.seal)
                {
                    return Ok(None);
                }
                let place = origins.enter(author);
                self.enter_retirement(place, retirement, origins, secrets);
                Ok(Some(place))
            }
            ATTESTATION => {
                let origin = OriginId(reader.array()?);
                let (key, seal): (PublicKey, Sealed) = (reader.array()?, reader.array()?);
                if let Some(place) = origins.place(origin)
                    && let Some(departure) = self.departures.get(&place)
                    && let Some(retirement) = &departure.retirement
                    && !departure.attestations.contains_key(&key)
                    && roster.contains(&key)
                    && trust.verify(&key, &retirement.attested(origin, secrets), &seal)
                {
                    self.enter_attestation(place, key, seal, origins, secrets);
                }
                Ok(None)
            }
            _ => Err(Malformed),
        }
    }

    /// Starts the retirement of this replica's own origin. It is announced once this ticket is
    /// durable: a replica that announced it and then forgot would go on to make changes that nobody
    /// expects.
    pub(crate) fn retire(&mut self, own: u32, ticket: u64) {
        self.departures.entry(own).or_default().complete = Some(ticket);
    }

    /// Signs the retirement of an origin of this replica.
    pub(crate) fn announce(
        &mut self,
        place: u32,
        table: &Table,
        origins: &mut Origins,
        trust: &Trust,
        secrets: &Secrets,
    ) {
        let (entries, hash) = inventory(table, place);
        let mut retirement = Retirement {
            entries,
            hash,
            seal: [0; 64],
        };
        let statement = retirement.statement(origins.get(place).author, secrets);
        retirement.seal = trust.sign(&statement);
        self.enter_retirement(place, retirement, origins, secrets);
    }

    /// Announces this replica's own retirement once everything is published, attests the
    /// retirements of origins that are durably complete here, and folds the origins that all
    /// members have attested. `retired` says whether this replica has left. Returns whether the
    /// ledger has new records of this replica.
    pub(crate) fn attend(
        &mut self,
        retired: bool,
        keyspace: &mut Keyspace,
        origins: &mut Origins,
        publication: &Publication,
        cx: &mut Context<'_>,
    ) -> bool {
        let (trust, roster, own) = (&cx.config.trust, cx.roster, origins.own());
        let leaves = retired && publication.is_complete();
        let mut news = false;
        let is_durable = |ticket: u64| publication.is_durable(ticket);
        if leaves
            && let Some(departure) = self.departures.get(&own)
            && departure.retirement.is_none()
            && departure.complete.is_some_and(is_durable)
        {
            self.announce(own, &keyspace.table, origins, trust, cx.secrets);
            news = true;
        }
        let places: Vec<u32> = self.departures.keys().copied().collect();
        for place in places {
            if self.is_folded(place) || origins.get(place).quarantined {
                continue;
            }
            if place == own {
                // A member that has left but keeps running folds itself like the others: it may be
                // the only one that can serve its base.
                if leaves && self.is_attested(place, false, origins, roster, trust) {
                    self.fold(place, keyspace, origins, cx);
                }
                continue;
            }
            if !self.is_complete(place, keyspace, origins, publication) {
                continue;
            }
            news |= self.attest(place, origins, trust, cx.secrets);
            if self.is_attested(place, true, origins, roster, trust) {
                self.fold(place, keyspace, origins, cx);
            }
        }
        news
    }

    /// Whether this replica durably holds all entries of a retired origin. An own attestation does
    /// not prove that: it may be older than a loss of memory.
    fn is_complete(
        &mut self,
        place: u32,
        keyspace: &Keyspace,
        origins: &Origins,
        publication: &Publication,
    ) -> bool {
        let Some(departure) = self.departures.get_mut(&place) else {
            return false;
        };
        let Some(retirement) = &departure.retirement else {
            return false;
        };
        let table = &keyspace.table;
        let complete = match departure.complete {
            Some(ticket) => ticket,
            None if inventory(table, place) == (retirement.entries, retirement.hash) => {
                publication.next_durable(table, origins)
            }
            None => return false,
        };
        departure.complete = Some(complete);
        publication.is_durable(complete)
    }

    /// Signs an attestation, unless there is one already; returns whether it did. To be called only
    /// for what is durable: an attestation is a promise that a crash must not break.
    fn attest(
        &mut self,
        place: u32,
        origins: &mut Origins,
        trust: &Trust,
        secrets: &Secrets,
    ) -> bool {
        let Some(departure) = self.departures.get(&place) else {
            return false;
        };
        let Some(retirement) = &departure.retirement else {
            return false;
        };
        let key = trust.key();
        if departure.attestations.contains_key(&key) {
            return false;
        }
        let seal = trust.sign(&retirement.attested(origins.id(place), secrets));
        self.enter_attestation(place, key, seal, origins, secrets);
        true
    }

    /// Whether all members have attested an origin's retirement. The leaver need not attest, and
    /// this replica only if `with_us`.
    fn is_attested(
        &self,
        place: u32,
        with_us: bool,
        origins: &Origins,
        roster: &Roster,
        trust: &Trust,
    ) -> bool {
        let leaver = origins.get(place).author.key;
        let us = trust.key();
        self.departures.get(&place).is_some_and(|departure| {
            departure.retirement.is_some()
                && roster.keys().all(|key| {
                    *key == leaver && *key != us
                        || !with_us && *key == us
                        || departure.attestations.contains_key(key)
                })
        })
    }

    fn fold(
        &mut self,
        place: u32,
        keyspace: &mut Keyspace,
        origins: &mut Origins,
        cx: &mut Context<'_>,
    ) {
        self.base
            .fold(place, &mut keyspace.table, origins, cx.secrets);
        cx.notify(Notice::Folded(origins.id(place)));
    }

    /// Origins that all other members have attested but that are not folded here: the others may
    /// have folded them.
    fn late(&self, origins: &Origins, roster: &Roster, trust: &Trust) -> Vec<u32> {
        let own = origins.own();
        self.departures
            .keys()
            .copied()
            .filter(|&place| {
                place != own
                    && !self.is_folded(place)
                    && self.is_attested(place, false, origins, roster, trust)
            })
            .collect()
    }

    /// Whether other members may have folded an origin that is not folded here.
    pub(crate) fn is_late(&self, origins: &Origins, roster: &Roster, trust: &Trust) -> bool {
        !self.late(origins, roster, trust).is_empty()
    }

    /// Adopts a peer's base if, beyond the origins folded here, it holds only origins that all
    /// other members have attested. `names` are those folded by the peer. Returns the newly folded
    /// origins, or `None` if the base was not adopted.
    pub(crate) fn adopt(
        &mut self,
        names: &BTreeSet<u64>,
        bases: Bases,
        keyspace: &mut Keyspace,
        origins: &mut Origins,
        cx: &mut Context<'_>,
    ) -> Option<Vec<OriginId>> {
        let late = self.late(origins, cx.roster, &cx.config.trust);
        self.base.adopt(names, bases, late, keyspace, origins, cx)
    }

    /// Encodes an origin's retirement and attestations for its stored record.
    pub(crate) fn encode(&self, place: u32, out: &mut Vec<u8>) {
        let departure = self.departures.get(&place);
        match departure.and_then(|departure| departure.retirement.as_ref()) {
            None => out.push(0),
            Some(retirement) => {
                out.push(1);
                retirement.encode(out);
                for (key, seal) in departure.iter().flat_map(|known| &known.attestations) {
                    out.extend_from_slice(key);
                    out.extend_from_slice(seal);
                }
            }
        }
    }

    /// Restores an origin from the rest of its stored record. [`refresh`](Self::refresh) has to
    /// follow.
    pub(crate) fn restore(
        &mut self,
        place: u32,
        folded: bool,
        reader: &mut Reader<'_>,
    ) -> Result<(), Malformed> {
        if folded {
            self.base.restore(place);
        }
        if reader.u8()? != 0 {
            let mut departure = Departure {
                retirement: Some(Retirement::decode(reader)?),
                ..Departure::default()
            };
            while !reader.is_empty() {
                departure
                    .attestations
                    .insert(reader.array()?, reader.array()?);
            }
            self.departures.insert(place, departure);
        }
        Ok(())
    }

    /// Recomputes the sums after everything was restored.
    pub(crate) fn refresh(&mut self, table: &Table, origins: &Origins, secrets: &Secrets) {
        self.base.refresh(table, secrets);
        self.sum = self.recomputed_sum(origins, secrets);
    }
}
