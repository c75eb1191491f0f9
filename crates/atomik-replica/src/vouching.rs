//! Vouching: what members say of the head of an origin before its owner continues it.
//!
//! A replica that was started with records cannot know whether they are all that it ever stored:
//! they may come from a backup or from a copied folder. It continues its life only if every other
//! member says that it knows no frame of it that the records lack. Otherwise it takes a new life
//! before it publishes a change.

use std::collections::BTreeSet;

use crate::codec::{Malformed, Reader};
use crate::head::{Chain, Head};
use crate::origin::{Incarnation, OriginId, PublicKey, Sealed, Trust};
use crate::roster::Roster;
use crate::secrets::Secrets;

/// How a replica introduces itself to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Introduction {
    pub(crate) origin: OriginId,
    /// The newest frame that it has sent.
    pub(crate) head: Head,
    /// Whether it will sign what is to be folded, and everything that it holds is durable. A member
    /// retires only once such a one holds what it holds.
    pub(crate) signs: bool,
    /// Whether it has own changes that are in no frame yet. No comparison covers them.
    pub(crate) unsent: bool,
    /// Asks the peer to vouch for the origin; distinguishes this start of the replica from others,
    /// so that an answer to an earlier one does not count.
    pub(crate) asks: Option<Incarnation>,
}

impl Introduction {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.origin.0);
        self.head.encode(out);
        out.push(u8::from(self.signs) | u8::from(self.unsent) << 1);
        out.extend(self.asks.iter().flatten());
    }

    /// Decodes an introduction, which is the last part of a message.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (origin, head) = (OriginId(reader.array()?), Head::decode(reader)?);
        let flags = reader.u8()?;
        if flags > 3 {
            return Err(Malformed);
        }
        Ok(Self {
            origin,
            head,
            signs: flags & 1 != 0,
            unsent: flags & 2 != 0,
            asks: if reader.is_empty() {
                None
            } else {
                Some(reader.array()?)
            },
        })
    }
}

/// A member's signed word that it knows no frame of an origin after this head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vouch {
    by: PublicKey,
    pub(crate) origin: OriginId,
    pub(crate) head: Head,
    /// What the owner asked with.
    start: Incarnation,
    seal: Sealed,
}

impl Vouch {
    fn content(&self) -> Vec<u8> {
        let mut content = self.by.to_vec();
        content.extend_from_slice(&self.origin.0);
        self.head.encode(&mut content);
        content.extend_from_slice(&self.start);
        content
    }

    /// Signs the answer to an introduction that asks for it.
    pub(crate) fn sign(
        origin: OriginId,
        head: Head,
        start: Incarnation,
        trust: &Trust,
        secrets: &Secrets,
    ) -> Self {
        let by = trust.key();
        let mut vouch = Self {
            by,
            origin,
            head,
            start,
            seal: [0; 64],
        };
        vouch.seal = trust.sign(&secrets.statement("vouch", &vouch.content()));
        vouch
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.content());
        out.extend_from_slice(&self.seal);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            by: reader.array()?,
            origin: OriginId(reader.array()?),
            head: Head::decode(reader)?,
            start: reader.array()?,
            seal: reader.array()?,
        })
    }

    fn verify(&self, trust: &Trust, secrets: &Secrets) -> bool {
        let statement = secrets.statement("vouch", &self.content());
        trust.verify(&self.by, &statement, &self.seal)
    }
}

/// Ticks after which a life that became doubtful is left.
const PATIENCE: u8 = 4;

/// Whether a replica may continue its life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    /// It has begun in this run, or every other member vouches for it.
    Sure,
    /// These members vouch for it.
    Open(BTreeSet<PublicKey>),
    /// A peer knows more of it, or uses it; for so many ticks.
    Doubtful(u8),
}

impl Standing {
    /// The standing of a life that was read from storage. The only member needs no one.
    pub(crate) fn resumed(own: &PublicKey, roster: &Roster) -> Self {
        if roster.keys().all(|member| member == own) {
            Self::Sure
        } else {
            Self::Open(BTreeSet::new())
        }
    }

    /// What it is from when it becomes doubtful.
    pub(crate) const DOUBTFUL: Self = Self::Doubtful(0);

    /// Takes note of a tick. Returns whether it has been doubtful for so long that what the peer
    /// knows more, if any member still has it, would have come.
    pub(crate) fn tick(&mut self) -> bool {
        let Self::Doubtful(ticks) = self else {
            return false;
        };
        *ticks = ticks.saturating_add(1);
        *ticks > PATIENCE
    }

    /// Handles a member's word on the current life, whose sent frames are `chain`. `start` is what
    /// this replica asks with.
    pub(crate) fn take(
        &mut self,
        vouch: &Vouch,
        chain: &Chain,
        start: &Incarnation,
        (trust, roster): (&Trust, &Roster),
        secrets: &Secrets,
    ) {
        let own = trust.key();
        let Self::Open(by) = self else { return };
        if vouch.start != *start
            || vouch.by == own
            || !roster.contains(&vouch.by)
            || !vouch.verify(trust, secrets)
        {
            return;
        }
        if chain.lacks(vouch.head) {
            *self = Self::DOUBTFUL;
            return;
        }
        by.insert(vouch.by);
        self.heed(&own, roster);
    }

    /// Takes note of the members that have to vouch.
    pub(crate) fn heed(&mut self, own: &PublicKey, roster: &Roster) {
        if let Self::Open(by) = self
            && roster.keys().all(|key| key == own || by.contains(key))
        {
            *self = Self::Sure;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ed25519_dalek::SigningKey;

    use super::*;

    const ORIGIN: OriginId = OriginId([5; 16]);
    const START: Incarnation = [8; 16];

    fn trust(n: u8) -> Trust {
        let key = |n: u8| SigningKey::from_bytes(&[n + 1; 32]);
        let allowed = (0..3).map(|n| key(n).verifying_key().to_bytes());
        Trust::Signed {
            key: Box::new(key(n)),
            allowed: allowed.collect(),
        }
    }

    fn head(number: u64, link: u8) -> Head {
        let link = [link; 16];
        Head { number, link }
    }

    /// The standing after members `by` said that they know `head`, of a replica that has sent two
    /// frames.
    fn standing(by: &[u8], known: Head, start: Incarnation) -> Standing {
        let secrets = Secrets::new(&[1; 32], "test", &crate::shape::Shape::xor(1));
        let mut chain = Chain::default();
        chain.note(head(1, 1));
        chain.note(head(2, 2));
        let roster = Roster::founders(&trust(0));
        let mut standing = Standing::resumed(&trust(0).key(), &roster);
        for &n in by {
            let vouch = Vouch::sign(ORIGIN, known, start, &trust(n), &secrets);
            let mut bytes = Vec::new();
            vouch.encode(&mut bytes);
            let read = Vouch::decode(&mut Reader::new(&bytes)).unwrap();
            standing.take(&read, &chain, &START, (&trust(0), &roster), &secrets);
        }
        standing
    }

    #[test]
    fn a_life_continues_once_all_others_know_no_more_of_it() {
        assert_eq!(standing(&[1, 2], head(2, 2), START), Standing::Sure);
        assert_eq!(standing(&[1, 2], head(0, 0), START), Standing::Sure);
        assert!(
            matches!(standing(&[1, 1], head(2, 2), START), Standing::Open(by) if by.len() == 1)
        );
        assert_eq!(standing(&[1], head(3, 3), START), Standing::DOUBTFUL);
        assert_eq!(standing(&[1], head(1, 9), START), Standing::DOUBTFUL);
    }

    #[test]
    fn words_of_oneself_to_another_start_or_forged_do_not_count() {
        let none = Standing::Open(BTreeSet::new());
        assert_eq!(standing(&[0], head(2, 2), START), none);
        assert_eq!(standing(&[1, 2], head(2, 2), [7; 16]), none);
        let secrets = Secrets::new(&[1; 32], "test", &crate::shape::Shape::xor(1));
        let mut forged = Vouch::sign(ORIGIN, head(0, 0), START, &trust(1), &secrets);
        forged.by = trust(2).key();
        let mut standing = none.clone();
        let members = (&trust(0), &Roster::founders(&trust(0)));
        standing.take(&forged, &Chain::default(), &START, members, &secrets);
        assert_eq!(standing, none);
    }

    #[test]
    fn the_only_member_needs_no_one() {
        let alone = Trust::Unsigned {
            key: [1; 32],
            allowed: vec![[1; 32]],
        };
        let roster = Roster::founders(&alone);
        assert_eq!(Standing::resumed(&[1; 32], &roster), Standing::Sure);
    }
}
