//! Packs entries into signed excerpts that fit in messages.

use std::collections::HashMap;

use crate::context::Context;
use crate::entry::Tag;
use crate::frame::{Evidence, FRAME_OVERHEAD, MAX_LEAVES, encode_excerpt};
use crate::head::Head;
use crate::origin::{Author, SecretKey};
use crate::origins::Origins;
use crate::slot::OURS;
use crate::table::Table;

/// Encoded changes in a row, with their tags.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Leaves {
    bytes: Vec<u8>,
    /// Where each change ends.
    ends: Vec<usize>,
    tags: Vec<Tag>,
}

impl Leaves {
    pub(crate) fn len(&self) -> usize {
        self.tags.len()
    }

    /// The bytes of all changes.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Appends all changes of another list.
    pub(crate) fn append(&mut self, other: &Self) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| start + end));
        self.tags.extend_from_slice(&other.tags);
    }

    /// Appends the change that `encode` writes, with the tag that `tag` computes from its bytes;
    /// returns the tag.
    pub(crate) fn add(
        &mut self,
        encode: impl FnOnce(&mut Vec<u8>),
        tag: impl FnOnce(&[u8]) -> Tag,
    ) -> Tag {
        let start = self.bytes.len();
        encode(&mut self.bytes);
        self.ends.push(self.bytes.len());
        let tag = tag(&self.bytes[start..]);
        self.tags.push(tag);
        tag
    }

    /// Signs all changes, at most [`MAX_LEAVES`], as the frame after `head`.
    pub(crate) fn seal(&self, author: Author, head: Head, cx: &Context<'_>) -> Evidence {
        Evidence::sign(
            cx.secrets,
            cx.config.trust.signer(),
            author,
            head,
            false,
            &self.tags,
        )
    }

    /// The excerpt of all changes under their evidence.
    pub(crate) fn excerpt(&self, evidence: &Evidence) -> Vec<u8> {
        let mut excerpt = Vec::with_capacity(self.bytes.len() + FRAME_OVERHEAD);
        encode_excerpt(evidence, core::iter::once(&self.bytes[..]), &mut excerpt);
        excerpt
    }

    /// Signs the changes with the author's key, in as many frames as needed: those after `head`,
    /// or, if the changes are signed `anew`, outside the chain. Returns for each frame its place in
    /// the chain and the excerpt of all its changes.
    pub(crate) fn sign(
        &self,
        author: Author,
        mut head: Head,
        anew: bool,
        signer: SecretKey<'_>,
        cx: &Context<'_>,
    ) -> Vec<(Head, Vec<u8>)> {
        let room = cx.room() - FRAME_OVERHEAD;
        let mut signed = Vec::new();
        let (mut first, mut start) = (0, 0);
        while first < self.tags.len() {
            let ends = &self.ends[first..];
            let count = ends
                .partition_point(|end| end - start <= room)
                .clamp(1, MAX_LEAVES);
            let end = ends[count - 1];
            let tags = &self.tags[first..first + count];
            let evidence = Evidence::sign(cx.secrets, signer, author, head, anew, tags);
            // All leaves are there, so the evidence has a place.
            head = evidence.head(cx.secrets).unwrap_or(head);
            let mut excerpt = Vec::with_capacity(end - start + FRAME_OVERHEAD);
            encode_excerpt(
                &evidence,
                core::iter::once(&self.bytes[start..end]),
                &mut excerpt,
            );
            signed.push((head, excerpt));
            (first, start) = (first + count, end);
        }
        signed
    }
}

/// Packs entries, given by slot and position, into message bodies. Own entries are signed anew,
/// and left out if they were made under a key that this replica has no more; others travel as
/// excerpts of the frames in which they arrived.
/// Own entries with unpublished changes are left out, since the next publication will include them.
pub(crate) fn pack(
    places: &[(u32, usize)],
    table: &Table,
    origins: &Origins,
    cx: &Context<'_>,
) -> Vec<Vec<u8>> {
    let mut own: HashMap<u32, Leaves> = HashMap::new();
    let mut others: HashMap<u32, Vec<(u16, Vec<u8>)>> = HashMap::new();
    let (mut own_order, mut other_order) = (Vec::new(), Vec::new());
    for &(at, position) in places {
        let Some((key, slot)) = table.slots.get_index(at as usize) else {
            continue;
        };
        let entry = &slot.entries[position];
        let mut encoded = Vec::new();
        entry.change.encode(key, &mut encoded);
        if entry.evidence == OURS {
            let published = entry.published.tag;
            if cx.secrets.leaf(origins.id(entry.origin), &encoded) == published {
                let leaves = own.entry(entry.origin).or_insert_with(|| {
                    own_order.push(entry.origin);
                    Leaves::default()
                });
                leaves.add(|bytes| bytes.extend_from_slice(&encoded), |_| published);
            }
        } else {
            let leaves = others.entry(entry.evidence).or_insert_with(|| {
                other_order.push(entry.evidence);
                Vec::new()
            });
            leaves.push((entry.leaf, encoded));
        }
    }
    let mut excerpts: Vec<Vec<u8>> = Vec::new();
    for origin in own_order {
        let known = origins.get(origin);
        let Some(signer) = cx.config.signer(&known.author.key) else {
            continue;
        };
        let signed = own[&origin].sign(known.author, known.chain.head(), true, signer, cx);
        excerpts.extend(signed.into_iter().map(|(_, excerpt)| excerpt));
    }
    for at in other_order {
        if let Some(mut leaves) = others.remove(&at)
            && let Some(evidence) = table.archive.get(at)
        {
            leaves.sort_unstable();
            restrict(evidence, &leaves, cx, &mut excerpts);
        }
    }
    join(excerpts, cx.room())
}

/// Appends excerpts with these leaves, splitting them until each fits in a message.
fn restrict(
    evidence: &Evidence,
    leaves: &[(u16, Vec<u8>)],
    cx: &Context<'_>,
    out: &mut Vec<Vec<u8>>,
) {
    let keep: Vec<u16> = leaves.iter().map(|(index, _)| *index).collect();
    let mut excerpt = Vec::new();
    encode_excerpt(
        &evidence.restrict(cx.secrets, &keep),
        leaves.iter().map(|(_, encoded)| &encoded[..]),
        &mut excerpt,
    );
    if excerpt.len() <= cx.room() || leaves.len() == 1 {
        out.push(excerpt);
    } else {
        let (first, second) = leaves.split_at(leaves.len() / 2);
        restrict(evidence, first, cx, out);
        restrict(evidence, second, cx, out);
    }
}

/// Joins pieces, in order, into message bodies of at most `room` bytes; a larger piece gets a body
/// of its own.
pub(crate) fn join(pieces: Vec<Vec<u8>>, room: usize) -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for piece in pieces {
        match bodies.last_mut() {
            Some(body) if body.len() + piece.len() <= room => body.extend_from_slice(&piece),
            _ => bodies.push(piece),
        }
    }
    bodies
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::codec::Reader;
    use crate::config::Config;
    use crate::counters::Counters;
    use crate::entry::{Change, SeenList};
    use crate::frame::decode_excerpt;
    use crate::origin::Trust;
    use crate::secrets::Secrets;

    fn with_context<T>(test: impl FnOnce(&Context<'_>) -> T) -> T {
        let trust = Trust::Unsigned {
            key: [1; 32],
            allowed: vec![[1; 32]],
        };
        let mut config = Config::new("test", 1, [2; 32], trust, [3; 16]);
        config.message_bytes = 16_384;
        test(&Context {
            roster: &crate::roster::Roster::founders(&config.trust),
            secrets: &Secrets::new(&config.secret, &config.keyspace, &config.shape),
            config: &config,
            counters: &mut Counters::default(),
            effects: &mut Vec::new(),
        })
    }

    #[test]
    fn frames_fit_in_a_message_and_hold_every_change_once_in_order() {
        with_context(|cx| {
            let author = Author {
                key: [1; 32],
                incarnation: [3; 16],
            };
            let mut leaves = Leaves::default();
            for key in 0..5000_u64 {
                let change = Change {
                    version: 1,
                    accumulator: key.into(),
                    seen: SeenList::default(),
                    put: 0,
                };
                leaves.add(
                    |bytes| change.encode(&key.to_be_bytes(), bytes),
                    |encoded| cx.secrets.leaf(author.origin(), encoded),
                );
            }
            let head = Head {
                number: 6,
                link: [6; 16],
            };
            let frames = leaves.sign(author, head, false, cx.config.trust.signer(), cx);
            assert!(frames.len() > 5);
            let (mut next, mut before) = (0, head);
            for ((frame, excerpt), expected) in frames.iter().zip(7..) {
                assert!(excerpt.len() <= cx.room());
                let mut reader = Reader::new(excerpt);
                let (evidence, changes) =
                    decode_excerpt(&mut reader, cx.secrets, &crate::shape::Shape::xor(1)).unwrap();
                assert!(reader.is_empty() && evidence.holds(cx.secrets, &cx.config.trust));
                assert_eq!((frame.number, evidence.header.number), (expected, expected));
                assert_eq!(evidence.header.before(), before);
                before = *frame;
                for (key, _) in changes {
                    assert_eq!(key, u64::to_be_bytes(next));
                    next += 1;
                }
            }
            assert_eq!(next, 5000);
        });
    }

    #[test]
    fn pieces_are_joined_as_long_as_they_fit() {
        let pieces = [3, 3, 9, 4, 1, 5].map(|length| vec![length as u8; length]);
        let joined = join(pieces.to_vec(), 6);
        let lengths: Vec<_> = joined.iter().map(Vec::len).collect();
        assert_eq!(lengths, [6, 9, 5, 5]);
        assert!(join(Vec::new(), 6).is_empty());
    }
}
