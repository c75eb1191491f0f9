//! Closings: which lives of which keys are over.
//!
//! Three things close all lives of a key, until it is removed from the roster and added again: its
//! signed word that it retires ([`Ended`]), absence from the roster, and a proof of misconduct.

use std::collections::BTreeMap;

use crate::codec::{Encode, Malformed, Reader};
use crate::config::Config;
use crate::origin::{Author, PublicKey, Sealed, Trust};
use crate::proof::Proof;
use crate::roster::{Listed, Roster};
use crate::secrets::Secrets;

/// The number of the first life of a key that was added with roster number `since`.
pub(crate) fn first_life(since: u64) -> u64 {
    since.min(NUMBERS - 1) << 32
}

/// The number below which all lives of a key are that was added with roster number `since`.
fn end_of_lives(since: u64) -> u64 {
    (since.min(NUMBERS - 1) + 1) << 32
}

/// How many numbers of rosters can be told apart in the number of a life.
const NUMBERS: u64 = (1 << 32) - 1;

/// A key's signed word that it retires: that its lives below a number, which are all that it may
/// have, are over.
///
/// A member retires once one that stays holds what it holds. Whoever does not know that one would
/// fold without it, so the word names the roster under which it was said, and waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ended {
    pub(crate) key: PublicKey,
    /// A multiple of 2^32.
    pub(crate) below: u64,
    /// The number of the roster. A replica that was stopped while it retired may retire again under
    /// a later one. Both words close the same, so this is left out when ledgers are compared.
    roster: u32,
    seal: Sealed,
}

impl Ended {
    /// Signs that this replica, which the roster with this number lists, retires for good.
    pub(crate) fn retire(listed: &Listed, number: u64, trust: &Trust, secrets: &Secrets) -> Self {
        let mut ended = Self {
            key: trust.key(),
            below: end_of_lives(listed.since),
            roster: u32::try_from(number).unwrap_or(u32::MAX),
            seal: [0; 64],
        };
        ended.seal = trust.sign(&ended.statement(secrets));
        ended
    }

    /// What it closes.
    pub(crate) fn closes(&self) -> Vec<u8> {
        let mut content = self.key.to_vec();
        content.extend_from_slice(&self.below.to_le_bytes());
        content
    }

    /// Everything but the signature.
    fn content(&self) -> Vec<u8> {
        let mut content = self.closes();
        content[32..36].copy_from_slice(&self.roster.to_le_bytes());
        content
    }

    fn statement(&self, secrets: &Secrets) -> Vec<u8> {
        secrets.statement("ended", &self.content())
    }

    pub(crate) fn holds(&self, trust: &Trust, secrets: &Secrets) -> bool {
        trust.verify(&self.key, &self.statement(secrets), &self.seal)
    }

    /// Whether it ends all lives that a member may have.
    pub(crate) fn concerns(&self, listed: &Listed) -> bool {
        self.below == end_of_lives(listed.since)
    }

    /// Whether it counts for those who have this roster.
    pub(crate) fn counts_under(&self, roster: &Roster) -> bool {
        u64::from(self.roster) <= roster.number()
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.content());
        out.extend_from_slice(&self.seal);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            key: reader.array()?,
            roster: u32::from_le_bytes(reader.array()?),
            below: u64::from(u32::from_le_bytes(reader.array()?)) << 32,
            seal: reader.array()?,
        })
    }
}

/// Why lives are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Their key is not on the roster, or was added again since.
    Removed,
    /// There is proof of misconduct of the holder of their key.
    Convicted,
    /// Their key has retired.
    Retired,
}

/// Everything that is closed under a roster, in short. Of two that replicas can hold one after the
/// other, the later is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Extent {
    /// The number of the roster.
    pub(crate) number: u64,
    rank: u128,
    /// A hash over the roster and everything closed.
    pub(crate) hash: [u8; 32],
}

/// The signed words and proofs that close lives, at most one of each per key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Closings {
    pub(crate) ended: BTreeMap<PublicKey, Ended>,
    pub(crate) proofs: BTreeMap<PublicKey, Proof>,
}

impl Closings {
    /// The number below which all lives of a key are over; `None` if all of them are.
    pub(crate) fn below(&self, key: &PublicKey, roster: &Roster) -> Option<u64> {
        let listed = roster.get(key).filter(|listed| self.signs(listed))?;
        let first = first_life(listed.since);
        let ended = self.ended.get(key).map(|ended| ended.below);
        Some(ended.map_or(first, |below| below.max(first)))
    }

    /// Whether the life of an author is over.
    pub(crate) fn covers(&self, author: &Author, roster: &Roster) -> bool {
        let below = self.below(&author.key, roster);
        below.is_none_or(|below| author.life() < below)
    }

    /// Whether there is a proof of misconduct of a member.
    pub(crate) fn convicts(&self, listed: &Listed) -> bool {
        self.proofs.contains_key(&listed.key)
    }

    /// Whether a member has retired since it was added.
    pub(crate) fn has_retired(&self, listed: &Listed) -> bool {
        let ended = self.ended.get(&listed.key);
        ended.is_some_and(|ended| ended.below >= end_of_lives(listed.since))
    }

    /// Whether a member has to sign what is to be folded: it has neither retired nor been
    /// convicted.
    fn signs(&self, listed: &Listed) -> bool {
        !self.has_retired(listed) && !self.convicts(listed)
    }

    /// The members that have to sign what is to be folded.
    pub(crate) fn required<'a>(
        &'a self,
        roster: &'a Roster,
    ) -> impl Iterator<Item = &'a PublicKey> {
        let members = roster.members().iter();
        members
            .filter(|listed| self.signs(listed))
            .map(|listed| &listed.key)
    }

    /// Whether a key has to sign what is to be folded.
    pub(crate) fn requires(&self, key: &PublicKey, roster: &Roster) -> bool {
        roster.get(key).is_some_and(|listed| self.signs(listed))
    }

    /// Why lives of a key are over.
    pub(crate) fn cause(&self, key: &PublicKey, roster: &Roster) -> Cause {
        match roster.get(key) {
            Some(listed) if self.convicts(listed) => Cause::Convicted,
            Some(listed) if self.has_retired(listed) => Cause::Retired,
            _ => Cause::Removed,
        }
    }

    /// Forgets what follows from the roster.
    pub(crate) fn prune(&mut self, roster: &Roster) {
        let listed = |key: &PublicKey| roster.get(key);
        self.ended
            .retain(|key, ended| listed(key).is_some_and(|listed| ended.concerns(listed)));
        self.proofs
            .retain(|key, proof| listed(key).is_some_and(|listed| accuses(proof, listed)));
    }

    /// What is closed under a roster.
    pub(crate) fn extent(&self, roster: &Roster) -> Extent {
        let mut hasher = blake3::Hasher::new_derive_key("atomik 1 extent");
        hasher.update(&roster.hash());
        let mut rank = 0;
        for ended in self.ended.values() {
            hasher.update(&ended.closes());
            rank += u128::from(ended.below);
        }
        for key in self.proofs.keys() {
            hasher.update(b"misconduct").update(key);
            rank += 1 << 100;
        }
        Extent {
            number: roster.number(),
            rank,
            hash: *hasher.finalize().as_bytes(),
        }
    }

    /// Whether nothing is closed except by the roster.
    pub(crate) fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.proofs.is_empty()
    }

    /// Checks all signatures; says what is wrong.
    pub(crate) fn check(&self, config: &Config, secrets: &Secrets) -> Result<(), &'static str> {
        let mut ended = self.ended.iter();
        if !ended.all(|(key, ended)| *key == ended.key && ended.holds(&config.trust, secrets)) {
            return Err("a record of ended lives in it is not signed by its key");
        }
        let mut proofs = self.proofs.iter();
        if !proofs.all(|(key, proof)| proof.convicts(key, config, secrets)) {
            return Err("a proof of misconduct in it proves nothing");
        }
        Ok(())
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.varint(self.ended.len() as u64);
        self.ended.values().for_each(|ended| ended.encode(out));
        out.varint(self.proofs.len() as u64);
        for (key, proof) in &self.proofs {
            out.extend_from_slice(key);
            out.blob(&proof.encode());
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut closings = Self::default();
        for _ in 0..reader.count(104, usize::MAX)? {
            let ended = Ended::decode(reader)?;
            closings.ended.insert(ended.key, ended);
        }
        for _ in 0..reader.count(33, usize::MAX)? {
            let key = reader.array()?;
            let proof = Proof::decode(reader.blob(usize::MAX)?).map_err(|_| Malformed)?;
            closings.proofs.insert(key, proof);
        }
        Ok(closings)
    }
}

/// Whether the misconduct happened since this member was added.
pub(crate) fn accuses(proof: &Proof, listed: &Listed) -> bool {
    let life = proof.accused().map(|author| author.life());
    life.is_some_and(|life| life >= first_life(listed.since))
}
