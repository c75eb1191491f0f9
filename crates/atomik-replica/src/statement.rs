//! Statements: what members say that their base will be once everything closed is folded.

use crate::codec::{Encode, Malformed, Reader};
use crate::origin::{Author, Incarnation, PublicKey, Sealed, Trust, truncated};
use crate::secrets::Secrets;

/// A hash over all bases of a replica, sorted by key.
pub(crate) type BaseHash = [u8; 32];

/// A hash over the entries that are folded into a base.
pub(crate) type EntriesHash = [u8; 16];

/// What a member holds of lives that are over: the base that it will have once they are folded, and
/// their entries. Of equal bases one may have the change of one life in it, and the other an equal
/// change of another life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Holding {
    pub(crate) base: BaseHash,
    /// `None` in what was signed before statements named entries.
    pub(crate) entries: Option<EntriesHash>,
}

impl Holding {
    /// What stands for it among the things that a replica has signed.
    pub(crate) fn name(&self) -> [u8; 32] {
        let Some(entries) = &self.entries else {
            return self.base;
        };
        let mut hasher = blake3::Hasher::new_derive_key("atomik 1 holding");
        hasher.update(&self.base).update(entries);
        *hasher.finalize().as_bytes()
    }

    /// Appends what names the entries, if it does.
    pub(crate) fn encode_entries(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.entries.as_ref().map_or(&[], |entries| &entries[..]));
    }

    /// Decodes the same, to the end.
    pub(crate) fn decode_entries(
        reader: &mut Reader<'_>,
    ) -> Result<Option<EntriesHash>, Malformed> {
        let entries = (!reader.is_empty()).then(|| reader.array());
        entries.transpose()
    }
}

/// Distinguishes the memories of one key: random bits drawn when a replica starts without records,
/// and kept as long as the records are, unless they turn out to be older than a statement made in
/// this memory.
pub(crate) type MemoryId = [u8; 16];

/// A round of statements about one extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Round {
    /// The number of the roster.
    pub(crate) number: u64,
    /// The hash of the extent.
    pub(crate) extent: [u8; 32],
    /// Counts from 0.
    pub(crate) round: u64,
}

impl Round {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.varint(self.number);
        out.extend_from_slice(&self.extent);
        out.varint(self.round);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            number: reader.varint()?,
            extent: reader.array()?,
            round: reader.varint()?,
        })
    }
}

/// A life of a member that signs, and the memory in which it was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Signer {
    pub(crate) incarnation: Incarnation,
    pub(crate) memory: MemoryId,
}

impl Signer {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.incarnation);
        out.extend_from_slice(&self.memory);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            incarnation: reader.array()?,
            memory: reader.array()?,
        })
    }
}

/// A hash over the memories of all who sign, by key, as the signer of a statement knows them.
/// Statements count together only if it is the same: a member that has lost its memory may agree
/// with an old statement of another one, which has made a newer one since.
pub(crate) type Memories = [u8; 16];

/// The hash over these memories, which are sorted by key.
pub(crate) fn memories<'a>(of: impl Iterator<Item = (&'a PublicKey, MemoryId)>) -> Memories {
    let mut hasher = blake3::Hasher::new_derive_key("atomik 1 memories");
    for (key, memory) in of {
        hasher.update(key).update(&memory);
    }
    truncated(hasher.finalize())
}

/// A member's word on what it holds in a round. An honest member that has not lost its memory signs
/// one per round.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Statement {
    pub(crate) by: PublicKey,
    pub(crate) round: Round,
    pub(crate) signer: Signer,
    pub(crate) memories: Memories,
    pub(crate) holding: Holding,
    pub(crate) seal: Sealed,
}

impl Statement {
    /// Signs a statement with this replica's key.
    pub(crate) fn sign(
        round: Round,
        (signer, memories): (Signer, Memories),
        holding: Holding,
        trust: &Trust,
        secrets: &Secrets,
    ) -> Self {
        let mut statement = Self {
            by: trust.key(),
            round,
            signer,
            memories,
            holding,
            seal: [0; 64],
        };
        statement.seal = trust.sign(&secrets.statement("statement", &statement.content()));
        statement
    }

    /// Everything but the signature.
    pub(crate) fn content(&self) -> Vec<u8> {
        let mut content = self.content_without_entries();
        self.holding.encode_entries(&mut content);
        content
    }

    fn content_without_entries(&self) -> Vec<u8> {
        let mut content = self.by.to_vec();
        self.round.encode(&mut content);
        self.signer.encode(&mut content);
        content.extend_from_slice(&self.memories);
        content.extend_from_slice(&self.holding.base);
        content
    }

    /// The life that makes it.
    pub(crate) fn author(&self) -> Author {
        Author {
            key: self.by,
            incarnation: self.signer.incarnation,
        }
    }

    /// The memory of a replica that has forgotten that it made this statement.
    pub(crate) fn next_memory(&self) -> MemoryId {
        let mut hasher = blake3::Hasher::new_derive_key("atomik 1 next memory");
        hasher.update(&self.signer.memory).update(&self.seal);
        truncated(hasher.finalize())
    }

    /// Whether the signature holds.
    pub(crate) fn holds(&self, trust: &Trust, secrets: &Secrets) -> bool {
        let statement = secrets.statement("statement", &self.content());
        trust.verify(&self.by, &statement, &self.seal)
    }

    /// Whether one memory signed two things in one round, which an honest member does only if its
    /// records were replaced by older ones.
    pub(crate) fn contradicts(&self, other: &Self) -> bool {
        let same = (self.by, self.round, self.signer) == (other.by, other.round, other.signer);
        same && self.holding != other.holding
    }

    /// Of two statements of a member about one extent, the one with the higher rank counts. That of
    /// a later life is preferred to that of one that was lost; any order will do for those of a
    /// liar.
    pub(crate) fn rank(&self) -> (u64, Signer, Holding) {
        (self.round.round, self.signer, self.holding)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.content_without_entries());
        out.extend_from_slice(&self.seal);
        self.holding.encode_entries(out);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (by, round) = (reader.array()?, Round::decode(reader)?);
        let (signer, memories) = (Signer::decode(reader)?, reader.array()?);
        let (base, seal) = (reader.array()?, reader.array()?);
        let entries = Holding::decode_entries(reader)?;
        Ok(Self {
            by,
            round,
            signer,
            memories,
            holding: Holding { base, entries },
            seal,
        })
    }
}
