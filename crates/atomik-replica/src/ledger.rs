//! The ledger: what is closed, what members say of it, and the certificate on which the base rests.
//!
//! When lives are closed ([`crate::closing`]), every member states the hash of the base that it
//! will have once they are folded, and that of the entries which that base is made of. If the
//! statements of all who have to sign are equal, they are a certificate: everybody folds, and a
//! joiner can trust the base. If they differ, entries are exchanged as always, and members whose
//! holdings have grown make another statement, in the next round. A member that has made its
//! statement takes no more entries of closed lives unless it has seen that statements differ. An
//! honest member makes one statement a round, so two certificates contradict each other only if one
//! that had to sign lied or lost its memory; then the one with the higher rank counts everywhere.
//!
//! Whoever holds a certificate but another base than the certified one adopts the base of a peer,
//! after comparing its hash.
//!
//! The rest of the replica knows only this of the ledger: in which [`Phase`] an origin is, sums to
//! compare with a peer's, records to exchange, and [`Ledger::attend`], which takes the steps that
//! have become possible.

use core::hash::{Hash, Hasher};
use std::collections::{BTreeMap, VecDeque};

use crate::base::{self, Base, Bases};
use crate::certificate::{Certificate, Certified};
use crate::closing::{Cause, Closings, Ended, Extent, accuses, first_life};
use crate::codec::{Encode, Malformed, Reader};
use crate::context::Context;
use crate::event::Record;
use crate::keyspace::Keyspace;
use crate::notice::{Notice, Refusal};
use crate::origin::{Author, OriginId, PublicKey};
use crate::origins::Origins;
use crate::proof::Proof;
use crate::publication::Publication;
use crate::record::{CERTIFICATE, LEDGER};
use crate::roster::Roster;
use crate::secrets::Secrets;
use crate::statement::{Holding, MemoryId, Round, Signer, Statement, memories};
use crate::table::Table;
use crate::value::Value;

/// How an origin stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its changes are taken.
    Living,
    /// Its life is over, and what members hold of it is being collected.
    Closed,
    /// It is in the base.
    Folded,
}

/// A closing under way, as listed by [`Replica::closings`](crate::Replica::closings).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The key whose lives are over.
    pub key: PublicKey,
    /// The number below which they are; `None` if all are.
    pub below: Option<u64>,
    /// Why they are over.
    pub cause: Cause,
    /// How often members have compared what they hold of it, beyond the first time.
    pub round: u64,
    /// The members that have not signed yet what this replica holds. If it need not sign itself:
    /// what was signed last.
    pub missing: Vec<PublicKey>,
}

/// What two replicas compare to find out whether their ledgers and bases agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LedgerSums {
    pub(crate) folded: u128,
    pub(crate) base: u128,
    pub(crate) ledger: u128,
}

/// Everything that a ledger needs to know of the replica.
pub(crate) struct Surroundings<'a> {
    pub(crate) roster: &'a Roster,
    pub(crate) keyspace: &'a mut Keyspace,
    pub(crate) origins: &'a mut Origins,
    pub(crate) publication: &'a mut Publication,
    /// Whether this replica makes no more changes.
    pub(crate) retired: bool,
}

/// How long a replica that began without records waits for what its peers hold before it states
/// what it holds itself: 4 ticks in which it hears what a peer holds, or 16 in which it does not.
const PATIENCE: u8 = 16;

/// The most own statements that are remembered.
const MAX_SIGNED: usize = 256;

/// A retirement of this replica that is not announced yet.
#[derive(Clone, Debug, Hash)]
struct Leaving {
    /// The ticket that makes it durable.
    ticket: u64,
    /// Whether it is durable and all changes are published.
    ready: bool,
    /// Whether a peer has held the same entries since.
    agreed: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    closings: Closings,
    /// What is closed by them and by the roster.
    extent: Extent,
    /// The newest statement of each member about this extent.
    statements: BTreeMap<PublicKey, Statement>,
    /// The own next statement, and the ticket that makes durable what it says.
    draft: Option<(Statement, u64)>,
    /// What this replica has signed since its last certificate, by [`Holding::name`].
    signed: VecDeque<(Round, [u8; 32])>,
    /// The certificate of the base.
    certificate: Option<Certificate>,
    /// A certificate of a higher rank, of a base that is not ours yet.
    offered: Option<Certificate>,
    leaving: Option<Leaving>,
    base: Base,
    /// That of this replica. It is another one once this replica learns of a statement that it has
    /// forgotten.
    memory: MemoryId,
    /// What is left of the patience of a memory that began without records and has not been equal
    /// to a peer's: what they hold may be lacking in it.
    patience: u8,
    /// Whether a peer has said since the last tick what it holds.
    heard: bool,
    /// Whether it makes no statement in this tick.
    waits: bool,
    /// How often what is held of closed lives has changed.
    growth: u64,
    /// What is held of closed lives, for this extent and growth.
    known: Option<(Extent, u64, Holding)>,
    /// The sum of an offered certificate, and the growth at which the base was found to differ.
    differs: Option<(u128, u64)>,
    /// Whether everything closed is folded.
    settled: bool,
    /// A sum of keyed hashes over all records.
    sum: u128,
    unstored: bool,
    certificate_unstored: bool,
}

impl Hash for Ledger {
    /// Omits what follows from the rest.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.closings, &self.statements, &self.draft, &self.signed).hash(state);
        (&self.certificate, &self.offered, &self.leaving).hash(state);
        (self.memory, self.patience, self.heard, self.waits).hash(state);
        (self.unstored, self.certificate_unstored).hash(state);
    }
}

// The kinds of records.
const ENDED: u8 = 8;
const MISCONDUCT: u8 = 9;
const CERTIFIED: u8 = 10;
const STATEMENT: u8 = 11;

// How the stored ledger goes on after what was signed.
const NONE_OFFERED: u8 = 0;
/// In format 5 and before.
const OFFERED_WITHOUT_ENTRIES: u8 = 1;
const OFFERED: u8 = 2;

impl Ledger {
    pub(crate) fn new(memory: MemoryId) -> Self {
        Self {
            memory,
            ..Self::default()
        }
    }

    // How origins stand.

    /// How an origin stands.
    pub(crate) fn standing(&self, author: &Author, roster: &Roster) -> Phase {
        let certified = self.certificate.as_ref();
        if certified.is_some_and(|certificate| certificate.has_folded(author, roster)) {
            Phase::Folded
        } else if self.closings.covers(author, roster) {
            Phase::Closed
        } else {
            Phase::Living
        }
    }

    pub(crate) fn is_living(&self, author: &Author, roster: &Roster) -> bool {
        self.standing(author, roster) == Phase::Living
    }

    /// Whether entries of a closed life are taken: until this replica has said what it holds,
    /// unless the key is convicted, and then only while statements differ, and from a peer that
    /// `signs`: nobody waits for what another one holds. What is in a base that is about to be
    /// adopted is not, nor is a life that no list known here can have begun.
    pub(crate) fn takes_closed(
        &self,
        author: &Author,
        own: &PublicKey,
        signs: bool,
        roster: &Roster,
    ) -> bool {
        let offered = self.offered.as_ref();
        if self.settled
            || offered.is_some_and(|offered| offered.has_folded(author, roster))
            || author.life() >= first_life(roster.number().saturating_add(1))
        {
            return false;
        }
        let is_convicted = self.closings.proofs.contains_key(&author.key);
        match self.own_statement(own) {
            None => !is_convicted,
            Some(own) => signs && self.is_open_after(own),
        }
    }

    /// What this replica has stated in its present memory.
    fn own_statement(&self, own: &PublicKey) -> Option<&Statement> {
        let stated = self.statements.get(own);
        stated.filter(|stated| stated.signer.memory == self.memory)
    }

    /// Whether statements differ in the round of this one, or somebody is in a later one, or it
    /// names no entries, as those of older programs.
    fn is_open_after(&self, own: &Statement) -> bool {
        let round = own.round.round;
        let mut others = self.statements.values();
        own.holding.entries.is_none()
            || others.any(|other| {
                let theirs = other.round.round;
                theirs > round || theirs == round && other.holding != own.holding
            })
    }

    /// Takes note that what is held of closed lives has changed. A draft is void then, also in
    /// storage.
    pub(crate) fn note_growth(&mut self) {
        self.growth += 1;
        self.unstored |= self.draft.take().is_some();
    }

    /// The lowest number for a new life of a key, by what was signed with it.
    pub(crate) fn lowest_life(&self, key: &PublicKey, roster: &Roster) -> u64 {
        let ended = self.closings.ended.get(key).map(|ended| ended.below);
        let stated = self
            .statements
            .get(key)
            .map(|stated| stated.author().life());
        let known = ended.max(stated).map(|life| life.saturating_add(1));
        // What was certified before this roster has not folded a life that begins off it.
        let since = roster
            .get(key)
            .map_or(roster.number(), |listed| listed.since);
        known.unwrap_or(0).max(first_life(since))
    }

    /// Whether the holder of a key has retired since it was added to the roster.
    pub(crate) fn has_retired(&self, key: &PublicKey, roster: &Roster) -> bool {
        let listed = roster.get(key);
        listed.is_some_and(|listed| self.closings.has_retired(listed))
    }

    /// Whether there is proof of misconduct of the holder of a key.
    pub(crate) fn convicts(&self, key: &PublicKey) -> bool {
        self.closings.proofs.contains_key(key)
    }

    /// Whether this replica has to begin another life: its current one is over, or another life of
    /// its key that is not an earlier one has made a statement.
    pub(crate) fn is_outlived(&self, own: &Author, roster: &Roster) -> bool {
        let below = self.closings.below(&own.key, roster);
        let stated = self.statements.get(&own.key).map(Statement::author);
        below.is_some_and(|below| own.life() < below)
            || stated.is_some_and(|other| other != *own && other.life() >= own.life())
    }

    /// The newest certificate, be it of the own base or of one to be adopted.
    pub(crate) fn newest(&self) -> Option<&Certificate> {
        self.offered.as_ref().or(self.certificate.as_ref())
    }

    /// What the certificate of the base says.
    pub(crate) fn certified(&self) -> Option<Certified> {
        self.certificate.as_ref().map(Certificate::summary)
    }

    /// The closings under way.
    pub(crate) fn closings(&self, roster: &Roster, origins: &Origins) -> Vec<Closing> {
        if self.settled {
            return Vec::new();
        }
        let own = origins.get(origins.own()).author.key;
        let mut wanted = self.statements.get(&own);
        if !self.closings.requires(&own, roster) {
            let stated = self.statements.values();
            wanted = stated.max_by_key(|stated| (stated.round.round, stated.holding));
        }
        let content = |stated: &Statement| (stated.round, stated.holding, stated.memories);
        let agrees = |key: &PublicKey| {
            let theirs = self.statements.get(key);
            wanted.is_some() && wanted.map(content) == theirs.map(content)
        };
        let required = self.closings.required(roster);
        let missing: Vec<_> = required.filter(|key| !agrees(key)).copied().collect();
        let mut keys: Vec<PublicKey> = origins
            .iter()
            .filter(|(_, origin)| self.standing(&origin.author, roster) == Phase::Closed)
            .map(|(_, origin)| origin.author.key)
            .collect();
        keys.extend(self.closings.ended.keys().filter(|key| {
            let certified = self.certificate.as_ref();
            let before = certified.and_then(|known| known.closings.ended.get(*key));
            before.map(Ended::closes) != self.closings.ended.get(*key).map(Ended::closes)
        }));
        keys.extend(self.closings.proofs.keys());
        keys.sort_unstable();
        keys.dedup();
        let closing = |key| Closing {
            key,
            below: self.closings.below(&key, roster),
            cause: self.closings.cause(&key, roster),
            round: wanted.map_or(0, |wanted| wanted.round.round),
            missing: missing.clone(),
        };
        keys.into_iter().map(closing).collect()
    }

    // Comparison with peers.

    /// A number that stands for the certificate of the base; 0 without one.
    pub(crate) fn folded_sum(&self, secrets: &Secrets) -> u128 {
        let certificate = self.certificate.as_ref();
        certificate.map_or(0, |certificate| certificate.sum(secrets))
    }

    pub(crate) fn sums(&self, secrets: &Secrets) -> LedgerSums {
        LedgerSums {
            folded: self.folded_sum(secrets),
            base: self.base.sum(),
            ledger: self.sum,
        }
    }

    /// Recomputes the sum over the records. It serves only to decide whether to send them, so it
    /// leaves out signatures and what can differ between honest replicas.
    fn refresh_sum(&mut self, secrets: &Secrets) {
        let mut sum = self
            .newest()
            .map_or(0, |certificate| certificate.sum(secrets));
        let mut add = |kind: u8, content: &[u8]| {
            let record = [&[kind], content].concat();
            sum = sum.wrapping_add(secrets.summand(&record));
        };
        for ended in self.closings.ended.values() {
            add(ENDED, &ended.closes());
        }
        for key in self.closings.proofs.keys() {
            add(MISCONDUCT, key);
        }
        for statement in self.statements.values() {
            add(STATEMENT, &statement.content());
        }
        self.sum = sum;
    }

    /// All records as they are sent. Those that others depend on come first.
    pub(crate) fn records(&self) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        let mut add = |kind: u8, encode: &dyn Fn(&mut Vec<u8>)| {
            let (mut content, mut record) = (Vec::new(), vec![kind]);
            encode(&mut content);
            record.blob(&content);
            records.push(record);
        };
        if let Some(certificate) = self.newest() {
            add(CERTIFIED, &|out| certificate.encode(out));
        }
        for ended in self.closings.ended.values() {
            add(ENDED, &|out| ended.encode(out));
        }
        for (key, proof) in &self.closings.proofs {
            add(MISCONDUCT, &|out| {
                out.extend_from_slice(key);
                out.extend_from_slice(&proof.encode());
            });
        }
        for statement in self.statements.values() {
            add(STATEMENT, &|out| statement.encode(out));
        }
        records
    }

    /// Reads one record sent by a peer. What is superseded is ignored; `Ok(Err(_))` says why a
    /// record is refused.
    pub(crate) fn take_record(
        &mut self,
        reader: &mut Reader<'_>,
        roster: &Roster,
        cx: &mut Context<'_>,
    ) -> Result<Result<(), Refusal>, Malformed> {
        let kind = reader.u8()?;
        let reader = &mut Reader::new(reader.blob(usize::MAX)?);
        let taken = match kind {
            ENDED => self.take_ended(Ended::decode(reader)?, roster, cx),
            MISCONDUCT => {
                let key = reader.array()?;
                let proof = Proof::decode(reader.bytes(reader.rest().len())?);
                self.take_proof(key, proof.map_err(|_| Malformed)?, roster, cx)
            }
            CERTIFIED => self.take_certificate(Certificate::decode(reader)?, roster, cx),
            STATEMENT => self.take_statement(Statement::decode(reader)?, roster, cx),
            _ => return Err(Malformed),
        };
        reader.end()?;
        Ok(taken)
    }

    fn take_ended(
        &mut self,
        ended: Ended,
        roster: &Roster,
        cx: &Context<'_>,
    ) -> Result<(), Refusal> {
        let key = ended.key;
        // A key that was added later is not known here yet, nor is a later roster.
        let Some(listed) = roster.get(&key) else {
            return Ok(());
        };
        let known = self.closings.ended.get(&key);
        if !ended.concerns(listed)
            || !ended.counts_under(roster)
            || known.is_some_and(|known| known.below >= ended.below)
        {
            return Ok(());
        }
        if !ended.holds(&cx.config.trust, cx.secrets) {
            let fault = "a record of ended lives is not signed by this key";
            return Err(Refusal::Ledger { key, fault });
        }
        self.closings.ended.insert(key, ended);
        self.settle(roster, cx.secrets);
        Ok(())
    }

    /// Takes a proof of misconduct by the holder of a key.
    pub(crate) fn take_proof(
        &mut self,
        key: PublicKey,
        proof: Proof,
        roster: &Roster,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let listed = roster.get(&key).filter(|listed| accuses(&proof, listed));
        if listed.is_none() || self.closings.proofs.contains_key(&key) {
            return Ok(());
        }
        if !proof.convicts(&key, cx.config, cx.secrets) {
            let fault = "a proof of misconduct proves nothing";
            return Err(Refusal::Ledger { key, fault });
        }
        self.closings.proofs.insert(key, proof);
        cx.notify(Notice::Misconduct { key });
        self.settle(roster, cx.secrets);
        Ok(())
    }

    fn take_certificate(
        &mut self,
        certificate: Certificate,
        roster: &Roster,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let rank = certificate.rank();
        if self.newest().is_some_and(|known| known.rank() >= rank) {
            return Ok(());
        }
        if let Err(fault) = certificate.check(cx.config, cx.secrets) {
            let key = certificate.seals.keys().next().copied();
            let key = key.unwrap_or_default();
            return Err(Refusal::Ledger { key, fault });
        }
        for (key, ended) in &certificate.closings.ended {
            let known = self.closings.ended.get(key);
            if known.is_none_or(|known| known.below < ended.below) {
                self.closings.ended.insert(*key, ended.clone());
            }
        }
        for (key, proof) in &certificate.closings.proofs {
            if !self.closings.proofs.contains_key(key) {
                self.closings.proofs.insert(*key, proof.clone());
                cx.notify(Notice::Misconduct { key: *key });
            }
        }
        self.offered = Some(certificate);
        self.unstored = true;
        self.settle(roster, cx.secrets);
        Ok(())
    }

    fn take_statement(
        &mut self,
        statement: Statement,
        roster: &Roster,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let key = statement.by;
        let is_current = statement.round.number == self.extent.number
            && statement.round.extent == self.extent.hash;
        if !is_current || self.settled || !self.closings.requires(&key, roster) {
            return Ok(());
        }
        let known = self.statements.get(&key);
        let outranked = known.is_some_and(|known| known.rank() >= statement.rank());
        let contradicts = known.is_some_and(|known| known.contradicts(&statement));
        if outranked && !contradicts {
            return Ok(());
        }
        if !statement.holds(&cx.config.trust, cx.secrets) {
            let fault = "a statement is not signed by this key";
            return Err(Refusal::Ledger { key, fault });
        }
        if key == cx.config.trust.key() && statement.signer.memory == self.memory {
            // The records of this replica are older than this statement.
            self.memory = statement.next_memory();
            self.draft = None;
            self.unstored = true;
        }
        if !outranked {
            self.statements.insert(key, statement);
        }
        if contradicts {
            cx.notify(Notice::TwoStatements { key });
        }
        Ok(())
    }

    // Steps of this replica.

    /// Starts the retirement of this replica. It is announced once this ticket is durable: a
    /// replica that announced it and then forgot would go on to make changes that nobody expects.
    pub(crate) fn retire(&mut self, ticket: u64) {
        self.leaving = Some(Leaving {
            ticket,
            ready: false,
            agreed: false,
        });
    }

    /// Takes back a retirement that is not announced yet.
    pub(crate) fn stay(&mut self) {
        self.leaving = None;
    }

    fn end(&mut self, ended: Ended, cx: &Context<'_>) {
        let known = self.closings.ended.get(&ended.key);
        if known.is_none_or(|known| known.below < ended.below) {
            self.closings.ended.insert(ended.key, ended);
        }
        self.settle(cx.roster, cx.secrets);
    }

    /// Brings everything that follows from records and roster up to date. Statements about another
    /// extent than the current one are forgotten.
    pub(crate) fn settle(&mut self, roster: &Roster, secrets: &Secrets) {
        self.closings.prune(roster);
        let extent = self.closings.extent(roster);
        if extent != self.extent {
            self.extent = extent;
            self.statements.retain(|_, statement| {
                let round = statement.round;
                (round.number, round.extent) == (extent.number, extent.hash)
            });
            self.draft = None;
            self.unstored = true;
        }
        self.settled = match &self.certificate {
            Some(certificate) => certificate.extent == self.extent,
            None => self.extent.number == 0 && self.closings.is_empty(),
        };
        if self.settled {
            self.statements.clear();
            self.draft = None;
        }
        self.refresh_sum(secrets);
    }

    /// Announces this replica's own retirement once everything is published, makes a certificate of
    /// statements that are complete, and folds what is certified. In a `tick` it drafts one:
    /// that takes a pass over the table, and by then more entries may have arrived. Returns whether
    /// the ledger has new records.
    pub(crate) fn attend(
        &mut self,
        tick: bool,
        around: &mut Surroundings<'_>,
        cx: &mut Context<'_>,
    ) -> bool {
        let before = self.sum;
        self.announce(around, cx);
        self.settle(around.roster, cx.secrets);
        let own = around.origins.get(around.origins.own()).author;
        // One whose current life is closed though it makes changes is about to begin another.
        if around.retired || !self.closings.covers(&own, around.roster) {
            self.promote(around, cx);
            if let Some(certificate) = self.complete(around.roster) {
                let rank = certificate.rank();
                if self.newest().is_none_or(|known| known.rank() < rank) {
                    self.offered = Some(certificate);
                }
            }
            self.fold(tick, around, cx);
            if tick && !self.waits {
                self.state(&own, around, cx);
            }
        }
        self.refresh_sum(cx.secrets);
        if self.unstored || self.certificate_unstored {
            around.publication.touch_meta();
        }
        self.sum != before
    }

    /// Whether a member has to sign what is to be folded.
    pub(crate) fn requires(&self, key: &PublicKey, roster: &Roster) -> bool {
        self.closings.requires(key, roster)
    }

    /// Takes note that a peer holds the same entries. Its ledger is `equal`, or not, and it `signs`
    /// what is to be folded, or not.
    pub(crate) fn note_agreement(&mut self, equal: bool, signs: bool) {
        if equal {
            self.patience = 0;
        }
        if signs && let Some(leaving) = &mut self.leaving {
            leaving.agreed = leaving.ready;
        }
    }

    /// Takes note that a peer, which has the same base, has said what it holds.
    pub(crate) fn note_summary(&mut self) {
        self.heard = true;
    }

    /// Takes note of a tick.
    pub(crate) fn tick(&mut self) {
        self.waits = self.patience > 0;
        let heard = core::mem::take(&mut self.heard);
        if !self.settled {
            let spent = if heard { 4 } else { 1 };
            self.patience = self.patience.saturating_sub(spent);
        }
    }

    /// Begins a memory without records.
    pub(crate) fn begin_memory(&mut self, memory: MemoryId) {
        self.memory = memory;
        self.patience = PATIENCE;
    }

    /// Announces the retirement of this replica, if it is time to. From then on the others need not
    /// wait for what it holds, so one that stays must hold all of it: some entries may never have
    /// been sent.
    fn announce(&mut self, around: &Surroundings<'_>, cx: &Context<'_>) {
        let Some(leaving) = &mut self.leaving else {
            return;
        };
        let own = cx.config.trust.key();
        let publication = &around.publication;
        leaving.ready = publication.is_complete() && publication.is_durable(leaving.ticket);
        let mut required = self.closings.required(around.roster);
        let last = required.all(|key| *key == own);
        drop(required);
        let Some(listed) = around.roster.get(&own) else {
            return;
        };
        if leaving.ready && (leaving.agreed || last) {
            self.leaving = None;
            let number = around.roster.number();
            let ended = Ended::retire(listed, number, &cx.config.trust, cx.secrets);
            self.end(ended, cx);
        }
    }

    /// Makes the drafted statement public once everything that it says is durable.
    fn promote(&mut self, around: &Surroundings<'_>, cx: &Context<'_>) {
        let Some((draft, ticket)) = self.draft.take() else {
            return;
        };
        // If more has come since, another draft follows.
        if self.known_holding() == Some(draft.holding) && !self.lacks_base() {
            if around.publication.is_durable(ticket) {
                self.statements.insert(cx.config.trust.key(), draft);
            } else {
                self.draft = Some((draft, ticket));
            }
        }
    }

    /// Drafts the next statement of this replica, if one is due.
    fn state(&mut self, own: &Author, around: &mut Surroundings<'_>, cx: &mut Context<'_>) {
        let requires = self.closings.requires(&own.key, around.roster);
        // An entry that is held back, or just released, has the name of an older one until then.
        let is_named = around.publication.unsealed.is_empty();
        if self.settled || !requires || self.lacks_base() || !is_named {
            return;
        }
        let holding = self.held(around);
        let rounds = self.statements.values().map(|other| other.round.round);
        let latest = rounds.max().unwrap_or(0);
        let signers = self.closings.required(around.roster);
        let memories = memories(signers.filter_map(|key| {
            if *key == own.key {
                return Some((key, self.memory));
            }
            let stated = self.statements.get(key)?;
            Some((key, stated.signer.memory))
        }));
        let same = |stated: &Statement| (stated.holding, stated.memories) == (holding, memories);
        let number = match self.own_statement(&own.key) {
            Some(stated) if stated.holding != holding && !self.is_open_after(stated) => return,
            Some(stated) if !same(stated) => match stated.round.round.checked_add(1) {
                Some(next) => latest.max(next),
                // A liar has gone to the last round. A second statement in it would be a lie, too.
                None => return,
            },
            Some(stated) if stated.round.round == latest => return,
            // It has to outrank what was stated before the memory was lost.
            None if self.statements.contains_key(&own.key) => latest.saturating_add(1),
            _ => latest,
        };
        let round = Round {
            number: self.extent.number,
            extent: self.extent.hash,
            round: number,
        };
        let drafted = self.draft.as_ref();
        if drafted.is_some_and(|(draft, _)| draft.round == round && same(draft)) {
            return;
        }
        let signer = Signer {
            incarnation: own.incarnation,
            memory: self.memory,
        };
        let statement = Statement::sign(
            round,
            (signer, memories),
            holding,
            &cx.config.trust,
            cx.secrets,
        );
        let signed = (round, holding.name());
        if self.signed.back() != Some(&signed) {
            self.signed.push_back(signed);
        }
        if self.signed.len() > MAX_SIGNED {
            self.signed.pop_front();
        }
        around.publication.touch_meta();
        self.draft = Some((statement, around.publication.next_ticket()));
        self.unstored = true;
    }

    /// Whether a certificate waits for its base to be adopted that this replica has not signed.
    /// What it holds itself may lack something of that.
    fn lacks_base(&self) -> bool {
        self.offered.as_ref().is_some_and(|offered| {
            let signed = (offered.statements(), offered.holding.name());
            !self.signed.contains(&signed)
        })
    }

    /// What this replica holds of everything closed.
    fn held(&mut self, around: &Surroundings<'_>) -> Holding {
        if let Some(holding) = self.known_holding() {
            return holding;
        }
        let covered = |author: &Author| self.closings.covers(author, around.roster);
        let places = around.origins.places(covered);
        let holding = base::hash_after(&around.keyspace.table, &places);
        self.known = Some((self.extent, self.growth, holding));
        holding
    }

    /// The same, if it is known.
    fn known_holding(&self) -> Option<Holding> {
        let (extent, growth, holding) = self.known?;
        ((extent, growth) == (self.extent, self.growth)).then_some(holding)
    }

    /// The certificate made of all statements that have to be there, if they are equal and name
    /// entries.
    fn complete(&self, roster: &Roster) -> Option<Certificate> {
        if self.settled {
            return None;
        }
        let mut seals: BTreeMap<_, (Signer, _)> = BTreeMap::new();
        let mut agreed = None;
        for key in self.closings.required(roster) {
            let statement = self.statements.get(key)?;
            let content = (statement.round, statement.holding, statement.memories);
            if *agreed.get_or_insert(content) != content {
                return None;
            }
            seals.insert(*key, (statement.signer, statement.seal));
        }
        let (round, holding, named) = agreed?;
        holding.entries?;
        let signers = seals.iter().map(|(key, (signer, _))| (key, signer.memory));
        if memories(signers) != named {
            return None;
        }
        Some(Certificate {
            roster: roster.clone(),
            closings: self.closings.clone(),
            round: round.round,
            holding,
            seals,
            extent: self.extent,
        })
    }

    /// Folds what the offered certificate covers, if the result is what it certifies.
    /// That takes a pass over the table. If it was not, it is tried again in a `tick` only.
    fn fold(&mut self, tick: bool, around: &mut Surroundings<'_>, cx: &mut Context<'_>) {
        let Some(offered) = &self.offered else {
            return;
        };
        let (sum, growth) = (offered.sum(cx.secrets), self.growth);
        let places = covered(offered, around.roster, around.origins);
        let tried = self
            .differs
            .is_some_and(|(tried, at)| tried == sum && (at == growth || !tick));
        if tried || !may_fold_own(&places, around) {
            return;
        }
        // The own statement may be about the same, and then the hash is known.
        let holding = match self.known {
            Some((extent, at, known)) if (extent, at) == (offered.extent, growth) => known,
            _ => base::hash_after(&around.keyspace.table, &places),
        };
        // Whatever it is made of, the certified base counts.
        if holding.base != offered.holding.base {
            self.differs = Some((sum, growth));
            return;
        }
        let folded = self.newly_folded(&places, around);
        self.base
            .fold(&places, &mut around.keyspace.table, cx.secrets);
        self.accept(&places, around, cx.secrets);
        for id in folded {
            cx.notify(Notice::Folded(id));
        }
    }

    /// The origins in these places that are not folded yet.
    fn newly_folded(&self, places: &[bool], around: &Surroundings<'_>) -> Vec<OriginId> {
        let origins = around.origins.iter().zip(places);
        origins
            .filter(|((_, origin), covered)| {
                let standing = self.standing(&origin.author, around.roster);
                **covered && standing != Phase::Folded
            })
            .map(|((_, origin), _)| origin.id)
            .collect()
    }

    /// Makes the offered certificate that of the base, in which these places are folded.
    fn accept(&mut self, places: &[bool], around: &mut Surroundings<'_>, secrets: &Secrets) {
        self.certificate = self.offered.take();
        self.signed.clear();
        self.unstored = true;
        self.certificate_unstored = true;
        self.growth += 1;
        around.origins.release(places);
        let folded = |life: u32| places.get(life as usize) == Some(&true);
        around.publication.unsealed.forget(folded);
        self.settle(around.roster, secrets);
    }

    /// Whether a peer whose certificate has this sum has a base that this replica lacks.
    pub(crate) fn lacks(&self, folded: u128, secrets: &Secrets) -> bool {
        let offered = self.offered.as_ref();
        offered.is_some_and(|offered| offered.sum(secrets) == folded)
    }

    /// Adopts the base of a peer whose certificate has the sum `folded`, if it is what was
    /// certified. Returns the newly folded origins, or `None` if there is nothing to adopt.
    pub(crate) fn adopt(
        &mut self,
        folded: u128,
        bases: Bases,
        around: &mut Surroundings<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Option<Vec<OriginId>>, Refusal> {
        let Some(offered) = &self.offered else {
            return Ok(None);
        };
        let places = covered(offered, around.roster, around.origins);
        if !self.lacks(folded, cx.secrets) || !may_fold_own(&places, around) {
            return Ok(None);
        }
        // Whatever comes twice counts as it will be stored.
        let bases: BTreeMap<Box<[u8]>, Value> = bases.into_iter().collect();
        let hash = base::hash(bases.iter().map(|(key, base)| (&key[..], base)));
        if hash != offered.holding.base {
            return Err(Refusal::Base);
        }
        let origins = self.newly_folded(&places, around);
        self.base.adopt(bases, &places, around.keyspace, cx);
        self.accept(&places, around, cx.secrets);
        Ok(Some(origins))
    }

    // Storage.

    /// The memory of this replica.
    pub(crate) fn memory(&self) -> MemoryId {
        self.memory
    }

    pub(crate) fn restore_memory(&mut self, memory: MemoryId) {
        self.memory = memory;
    }

    /// Appends the records of what has changed since the last call.
    pub(crate) fn store(&mut self, own: &PublicKey, records: &mut Vec<Record>) {
        if core::mem::take(&mut self.unstored) {
            let mut value = Vec::new();
            self.closings.encode(&mut value);
            value.varint(self.signed.len() as u64);
            for (round, holding) in &self.signed {
                round.encode(&mut value);
                value.extend_from_slice(holding);
            }
            match &self.offered {
                None => value.push(NONE_OFFERED),
                Some(offered) => {
                    let mut certificate = Vec::new();
                    offered.encode(&mut certificate);
                    value.push(OFFERED);
                    value.blob(&certificate);
                }
            }
            // A draft is stored together with what it says.
            let draft = self.draft.as_ref().map(|(draft, _)| draft);
            if let Some(statement) = draft.or_else(|| self.statements.get(own)) {
                statement.encode(&mut value);
            }
            records.push((LEDGER.to_vec(), Some(value)));
        }
        if core::mem::take(&mut self.certificate_unstored)
            && let Some(certificate) = &self.certificate
        {
            let mut value = Vec::new();
            certificate.encode(&mut value);
            records.push((CERTIFICATE.to_vec(), Some(value)));
        }
    }

    /// Restores the stored closings and the own statement. [`refresh`](Self::refresh) has to
    /// follow.
    pub(crate) fn restore(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        self.closings = Closings::decode(reader)?;
        for _ in 0..reader.count(66, MAX_SIGNED)? {
            let signed = (Round::decode(reader)?, reader.array()?);
            self.signed.push_back(signed);
        }
        self.offered = match reader.u8()? {
            NONE_OFFERED => None,
            OFFERED_WITHOUT_ENTRIES => Some(Certificate::decode_without_entries(reader)?),
            OFFERED => {
                let reader = &mut Reader::new(reader.blob(usize::MAX)?);
                let certificate = Certificate::decode(reader)?;
                reader.end()?;
                Some(certificate)
            }
            _ => return Err(Malformed),
        };
        if !reader.is_empty() {
            let statement = Statement::decode(reader)?;
            self.statements.insert(statement.by, statement);
        }
        Ok(())
    }

    /// Restores the stored certificate. [`refresh`](Self::refresh) has to follow.
    pub(crate) fn restore_certificate(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        self.certificate = Some(Certificate::decode(reader)?);
        Ok(())
    }

    /// Recomputes what follows after everything was restored.
    pub(crate) fn refresh(
        &mut self,
        table: &Table,
        origins: &mut Origins,
        roster: &Roster,
        secrets: &Secrets,
    ) {
        self.base.refresh(table, secrets);
        self.settle(roster, secrets);
        self.unstored = false;
        if let Some(certificate) = &self.certificate {
            let places = covered(certificate, roster, origins);
            origins.release(&places);
        }
    }
}

/// Which places are those of origins that are folded by a certificate.
fn covered(certificate: &Certificate, roster: &Roster, origins: &Origins) -> Vec<bool> {
    origins.places(|author| certificate.has_folded(author, roster))
}

/// Whether this replica's current life is not to be folded, or may be: it has retired, and all its
/// changes are published.
fn may_fold_own(places: &[bool], around: &Surroundings<'_>) -> bool {
    !places[around.origins.own() as usize] || around.retired && around.publication.is_complete()
}
