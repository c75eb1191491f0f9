//! Signed batches of changes.
//!
//! A *frame* is a list of one origin's changes under one signature. The signature covers the root
//! of a hash tree over the changes, so part of a frame, an *excerpt*, can be forwarded and still be
//! verified: it consists of some changes and the hashes of the subtrees that are left out. A
//! complete frame is the excerpt that omits nothing.

use crate::codec::{Encode, Malformed, Reader};
use crate::entry::{Change, Tag};
use crate::head::{Head, Link};
use crate::origin::{Author, OriginId, Sealed, SecretKey, Trust, verifies};
use crate::secrets::Secrets;
use crate::shape::Shape;

/// The maximum number of changes in a frame.
pub(crate) const MAX_LEAVES: usize = 1000;

/// An upper bound on the bytes of a frame besides its changes.
pub(crate) const FRAME_OVERHEAD: usize = 32 + 16 + 16 + 64 + 10 + 3 + 3 + 1;

/// A frame's author, its place in the chain of the author's frames, and its number of changes.
///
/// Entries that their author signs anew are not part of the chain. Their frame has the number and
/// the link of the newest frame of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Header {
    pub(crate) author: Author,
    pub(crate) number: u64,
    /// The link of the frame before; if the entries are signed anew, of the frame with this number.
    previous: Link,
    /// Whether the entries are signed anew.
    anew: bool,
    pub(crate) leaves: u16,
}

impl Header {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.author.key);
        out.extend_from_slice(&self.author.incarnation);
        self.encode_place(out);
    }

    /// Encodes everything except the author.
    fn encode_place(&self, out: &mut Vec<u8>) {
        out.varint(self.number);
        out.extend_from_slice(&self.previous);
        out.varint(u64::from(self.leaves) << 1 | u64::from(self.anew));
    }

    /// Decodes the output of [`encode_place`](Self::encode_place).
    fn decode(author: Author, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let number = reader.varint()?;
        let previous = reader.array()?;
        let total = reader.varint()?;
        let anew = total & 1 == 1;
        let leaves = u16::try_from(total >> 1).map_err(|_| Malformed)?;
        if leaves == 0 || usize::from(leaves) > MAX_LEAVES || number == 0 && !anew {
            return Err(Malformed);
        }
        Ok(Self {
            author,
            number,
            previous,
            anew,
            leaves,
        })
    }

    /// The statement that the author signs.
    fn statement(&self, secrets: &Secrets, root: &Tag) -> Vec<u8> {
        let mut content = Vec::with_capacity(100);
        self.encode(&mut content);
        content.extend_from_slice(root);
        secrets.statement("frame", &content)
    }

    /// The frame of the chain with this header's number; `statement` is what the author signs.
    fn head(&self, statement: &[u8]) -> Head {
        let link = match statement.last_chunk() {
            Some(link) if !self.anew => *link,
            _ => self.previous,
        };
        Head {
            number: self.number,
            link,
        }
    }

    /// The frame of the chain before this one.
    pub(crate) fn before(&self) -> Head {
        Head {
            number: self.number - u64::from(!self.anew),
            link: self.previous,
        }
    }
}

/// The hash of the leaves `from..to` of a frame, computed from the tags in `have` and, left to
/// right, the hashes of the largest subtrees that contain none of them. `None` if there are too few
/// hashes.
fn hash(
    secrets: &Secrets,
    from: u16,
    to: u16,
    mut have: &[(u16, Tag)],
    hashes: &mut core::slice::Iter<'_, Tag>,
) -> Option<Tag> {
    match have {
        [] => hashes.next().copied(),
        [(_, tag)] if to - from == 1 => Some(*tag),
        _ if have.len() == usize::from(to - from) => {
            // Nothing is left out, so whole levels of the tree are computed at a time.
            let mut level: Vec<Tag> = have.iter().map(|(_, tag)| *tag).collect();
            while level.len() > 1 {
                level = secrets.nodes(&level);
            }
            level.pop()
        }
        _ => {
            let mut children = [Tag::default(); 4];
            let mut count = 0;
            for (from, to) in split(from, to) {
                let (child, rest) = have.split_at(have.partition_point(|&(index, _)| index < to));
                have = rest;
                children[count] = hash(secrets, from, to, child, hashes)?;
                count += 1;
            }
            Some(secrets.node(&children[..count]))
        }
    }
}

/// The subtrees of a tree over `from..to`, which has at least two leaves: two to four, each with as
/// many leaves as the largest power of four below the tree's size; the last may be smaller.
fn split(from: u16, to: u16) -> impl Iterator<Item = (u16, u16)> {
    let mut size = 1;
    while size * 4 < to - from {
        size *= 4;
    }
    (from..to)
        .step_by(usize::from(size))
        .map(move |start| (start, to.min(start + size)))
}

/// Proof that an origin made certain changes: its signature, and the parts of the hash tree needed
/// to compute the root.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Evidence {
    pub(crate) header: Header,
    seal: Sealed,
    /// Index and tag of every change, by ascending index.
    leaves: Vec<(u16, Tag)>,
    hashes: Vec<Tag>,
}

impl Evidence {
    /// Signs a frame whose changes have these tags, in order. It is the one after `head`, or, if
    /// the entries are signed `anew`, not part of the chain.
    pub(crate) fn sign(
        secrets: &Secrets,
        signer: SecretKey<'_>,
        author: Author,
        head: Head,
        anew: bool,
        tags: &[Tag],
    ) -> Self {
        debug_assert!((1..=MAX_LEAVES).contains(&tags.len()));
        let leaves: Vec<_> = (0..).zip(tags.iter().copied()).collect();
        let header = Header {
            author,
            number: head.number + u64::from(!anew),
            previous: head.link,
            anew,
            leaves: leaves.len() as u16,
        };
        // With all leaves present the hash always exists, so the default is never used.
        let root = hash(secrets, 0, header.leaves, &leaves, &mut [].iter()).unwrap_or_default();
        let seal = signer.sign(&header.statement(secrets, &root));
        Self {
            header,
            seal,
            leaves,
            hashes: Vec::new(),
        }
    }

    /// The evidence of a whole frame after `before`, as sealed by its author.
    pub(crate) fn sealed(author: Author, before: Head, tags: &[Tag], seal: Sealed) -> Self {
        let leaves: Vec<_> = (0..).zip(tags.iter().copied()).collect();
        Self {
            header: Header {
                author,
                number: before.number + 1,
                previous: before.link,
                anew: false,
                leaves: leaves.len() as u16,
            },
            seal,
            leaves,
            hashes: Vec::new(),
        }
    }

    /// The author's signature.
    pub(crate) fn seal(&self) -> Sealed {
        self.seal
    }

    pub(crate) fn tags(&self) -> impl ExactSizeIterator<Item = (u16, Tag)> + DoubleEndedIterator {
        self.leaves.iter().copied()
    }

    pub(crate) fn has(&self, leaf: u16) -> bool {
        self.position(leaf).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether it has all leaves of a frame of the chain.
    pub(crate) fn is_whole(&self) -> bool {
        !self.header.anew && self.leaves.len() == usize::from(self.header.leaves)
    }

    /// The evidence for some of its leaves; `keep` holds their indices in ascending order.
    pub(crate) fn restrict(&self, secrets: &Secrets, keep: &[u16]) -> Self {
        fn walk(
            s: &Secrets,
            from: u16,
            to: u16,
            mut have: &[(u16, Tag)],
            mut keep: &[u16],
            hashes: &mut core::slice::Iter<'_, Tag>,
            out: &mut Vec<Tag>,
        ) {
            if keep.is_empty() {
                out.extend(hash(s, from, to, have, hashes));
            } else if to - from > 1 {
                for (from, to) in split(from, to) {
                    let (child, rest) =
                        have.split_at(have.partition_point(|&(index, _)| index < to));
                    have = rest;
                    let (kept, rest) = keep.split_at(keep.partition_point(|&index| index < to));
                    keep = rest;
                    walk(s, from, to, child, kept, hashes, out);
                }
            }
        }
        let mut hashes = Vec::new();
        walk(
            secrets,
            0,
            self.header.leaves,
            &self.leaves,
            keep,
            &mut self.hashes.iter(),
            &mut hashes,
        );
        let leaves = self
            .leaves
            .iter()
            .copied()
            .filter(|(index, _)| keep.binary_search(index).is_ok())
            .collect();
        Self {
            header: self.header.clone(),
            seal: self.seal,
            leaves,
            hashes,
        }
    }

    /// Encodes everything except the changes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.header.encode(out);
        out.extend_from_slice(&self.seal);
        self.encode_leaves(out);
    }

    /// Encodes which leaves there are, and the hashes of the subtrees without any.
    fn encode_leaves(&self, out: &mut Vec<u8>) {
        out.varint(self.leaves.len() as u64);
        if self.leaves.len() < usize::from(self.header.leaves) {
            let mut next = 0;
            for &(index, _) in &self.leaves {
                out.varint(u64::from(index - next));
                next = index + 1;
            }
            out.varint(self.hashes.len() as u64);
            out.extend(self.hashes.iter().flatten());
        }
    }

    /// Decodes the output of [`encode`](Self::encode). The tags are still missing: compute them
    /// from the changes and add them with [`set_tag`](Self::set_tag).
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let author = Author {
            key: reader.array()?,
            incarnation: reader.array()?,
        };
        let header = Header::decode(author, reader)?;
        let seal = reader.array()?;
        Self::decode_leaves(header, seal, reader)
    }

    /// Decodes the output of [`encode_leaves`](Self::encode_leaves).
    fn decode_leaves(
        header: Header,
        seal: Sealed,
        reader: &mut Reader<'_>,
    ) -> Result<Self, Malformed> {
        let total = header.leaves;
        let count = u16::try_from(reader.varint()?).map_err(|_| Malformed)?;
        if count == 0 || count > total {
            return Err(Malformed);
        }
        let mut leaves = Vec::with_capacity(usize::from(count));
        let mut hashes = Vec::new();
        if count == total {
            leaves.extend((0..total).map(|index| (index, Tag::default())));
        } else {
            let mut next = 0_u64;
            for _ in 0..count {
                let index = next
                    .checked_add(reader.varint()?)
                    .filter(|&index| index < u64::from(total))
                    .ok_or(Malformed)?;
                leaves.push((index as u16, Tag::default()));
                next = index + 1;
            }
            for _ in 0..reader.count(16, MAX_LEAVES)? {
                hashes.push(reader.array()?);
            }
        }
        Ok(Self {
            header,
            seal,
            leaves,
            hashes,
        })
    }

    /// Encodes for storage, given the place of the author among the origins: without the author,
    /// without the tags and, where members do not sign, without the signature.
    pub(crate) fn store(&self, origin: u32, out: &mut Vec<u8>) {
        let signed = self.seal != [0; 64];
        out.varint(u64::from(origin) << 1 | u64::from(signed));
        self.header.encode_place(out);
        if signed {
            out.extend_from_slice(&self.seal);
        }
        self.encode_leaves(out);
    }

    /// Decodes the output of [`store`](Self::store). The tags are still missing: add them with
    /// [`set_tag_of`](Self::set_tag_of).
    pub(crate) fn load(
        reader: &mut Reader<'_>,
        author: impl FnOnce(u32) -> Option<Author>,
    ) -> Result<Self, Malformed> {
        let flags = reader.varint()?;
        let origin = u32::try_from(flags >> 1).map_err(|_| Malformed)?;
        let header = Header::decode(author(origin).ok_or(Malformed)?, reader)?;
        let seal = if flags & 1 != 0 {
            reader.array()?
        } else {
            [0; 64]
        };
        Self::decode_leaves(header, seal, reader)
    }

    /// The position of a leaf among this evidence's leaves.
    fn position(&self, leaf: u16) -> Option<usize> {
        if self.leaves.len() == usize::from(self.header.leaves) {
            return (leaf < self.header.leaves).then_some(usize::from(leaf));
        }
        self.leaves
            .binary_search_by_key(&leaf, |(index, _)| *index)
            .ok()
    }

    /// The tag of the leaf with this index.
    pub(crate) fn tag_of(&self, leaf: u16) -> Option<Tag> {
        self.position(leaf).map(|at| self.leaves[at].1)
    }

    /// Sets the tag of the leaf with this index.
    pub(crate) fn set_tag_of(&mut self, leaf: u16, tag: Tag) {
        if let Some(position) = self.position(leaf) {
            self.set_tag(position, tag);
        }
    }

    /// Sets the tag of the leaf at `position` among this evidence's leaves.
    pub(crate) fn set_tag(&mut self, position: usize, tag: Tag) {
        if let Some(leaf) = self.leaves.get_mut(position) {
            leaf.1 = tag;
        }
    }

    /// What the author signs of these leaves at these indices.
    fn statement(&self, secrets: &Secrets) -> Option<Vec<u8>> {
        let mut hashes = self.hashes.iter();
        let root = hash(secrets, 0, self.header.leaves, &self.leaves, &mut hashes)?;
        hashes
            .next()
            .is_none()
            .then(|| self.header.statement(secrets, &root))
    }

    /// The frame of the author's chain that this evidence attests; `None` if it is damaged. The
    /// signature is not checked.
    pub(crate) fn head(&self, secrets: &Secrets) -> Option<Head> {
        Some(self.header.head(&self.statement(secrets)?))
    }

    /// The same, or `None` if the author did not sign exactly these leaves at these indices.
    pub(crate) fn verify(&self, secrets: &Secrets, trust: &Trust) -> Option<Head> {
        let statement = self.statement(secrets)?;
        trust
            .verify(&self.header.author.key, &statement, &self.seal)
            .then(|| self.header.head(&statement))
    }

    /// Whether there is a signature, and the author signed exactly these leaves at these indices.
    pub(crate) fn is_signed(&self, secrets: &Secrets) -> bool {
        self.statement(secrets)
            .is_some_and(|statement| verifies(&self.header.author.key, &statement, &self.seal))
    }

    /// Whether the author signed exactly these leaves at these indices.
    #[cfg(test)]
    pub(crate) fn holds(&self, secrets: &Secrets, trust: &Trust) -> bool {
        self.verify(secrets, trust).is_some()
    }

    pub(crate) fn origin(&self) -> OriginId {
        self.header.author.origin()
    }
}

/// Encodes an excerpt: the evidence, then the encoded changes by ascending index.
pub(crate) fn encode_excerpt<'a>(
    evidence: &Evidence,
    changes: impl Iterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
) {
    evidence.encode(out);
    changes.for_each(|change| out.extend_from_slice(change));
}

/// Changes with their keys.
pub(crate) type KeyedChanges<'a> = Vec<(&'a [u8], Change)>;

/// Decodes an excerpt and computes its tags. It does not check the signature; see
/// [`Evidence::holds`].
pub(crate) fn decode_excerpt<'a>(
    reader: &mut Reader<'a>,
    secrets: &Secrets,
    shape: &Shape,
) -> Result<(Evidence, KeyedChanges<'a>), Malformed> {
    let mut evidence = Evidence::decode(reader)?;
    let origin = evidence.origin();
    let mut changes = Vec::with_capacity(evidence.len());
    let mut encoded = Vec::with_capacity(evidence.len());
    for _ in 0..evidence.len() {
        let before = reader.rest();
        changes.push(Change::decode(reader, shape)?);
        encoded.push(&before[..before.len() - reader.rest().len()]);
    }
    let tags = secrets.leaves(origin, encoded.into_iter());
    for (leaf, tag) in evidence.leaves.iter_mut().zip(tags) {
        leaf.1 = tag;
    }
    Ok((evidence, changes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;

    use super::*;

    fn signer() -> Trust {
        let key = SigningKey::from_bytes(&[7; 32]);
        let allowed = vec![key.verifying_key().to_bytes()];
        Trust::Signed {
            key: Box::new(key),
            allowed,
        }
    }

    fn encoded(count: usize) -> Vec<Vec<u8>> {
        (0..count as u64)
            .map(|i| {
                let mut bytes = Vec::new();
                Change {
                    version: i + 1,
                    accumulator: (i * 3).into(),
                    seen: crate::entry::SeenList::default(),
                    put: 0,
                }
                .encode(&i.to_le_bytes(), &mut bytes);
                bytes
            })
            .collect()
    }

    fn frame(count: usize) -> (Secrets, Trust, Evidence, Vec<Vec<u8>>) {
        let (secrets, trust) = (Secrets::new(&[1; 32], "test", &Shape::xor(1)), signer());
        let author = Author {
            key: trust.key(),
            incarnation: [9; 16],
        };
        let encoded = encoded(count);
        let tags: Vec<_> = encoded
            .iter()
            .map(|bytes| secrets.leaf(author.origin(), bytes))
            .collect();
        let head = Head {
            number: 4,
            link: [5; 16],
        };
        let evidence = Evidence::sign(&secrets, trust.signer(), author, head, false, &tags);
        (secrets, trust, evidence, encoded)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn excerpts_of_excerpts_are_verified_and_damaged_ones_are_not(
            count in 1..70_usize, first: u128, second: u128, flip: prop::sample::Index
        ) {
            let (secrets, trust, whole, encoded) = frame(count);
            prop_assert!(whole.holds(&secrets, &trust));
            let chosen = |mask: u128, of: &Evidence| {
                let all: Vec<u16> = of.tags().map(|(index, _)| index).collect();
                let some: Vec<u16> =
                    all.iter().copied().filter(|index| mask >> index & 1 == 1).collect();
                if some.is_empty() { all } else { some }
            };
            let part = whole.restrict(&secrets, &chosen(first, &whole));
            let part = part.restrict(&secrets, &chosen(second, &part));
            prop_assert!(part.holds(&secrets, &trust));

            let mut bytes = Vec::new();
            let kept = part.tags().map(|(index, _)| &encoded[usize::from(index)][..]);
            encode_excerpt(&part, kept, &mut bytes);
            let mut reader = Reader::new(&bytes);
            let (read, changes) = decode_excerpt(&mut reader, &secrets, &Shape::xor(1)).unwrap();
            prop_assert!(reader.is_empty());
            prop_assert_eq!(&read, &part);
            prop_assert_eq!(changes.len(), part.len());

            // After any bit flip the excerpt cannot be decoded, fails verification, or leaves bytes
            // unread.
            let at = flip.index(bytes.len() * 8);
            bytes[at / 8] ^= 1 << (at % 8);
            let mut reader = Reader::new(&bytes);
            if let Ok((read, _)) = decode_excerpt(&mut reader, &secrets, &Shape::xor(1)) {
                let noticed = !read.holds(&secrets, &trust) || !reader.is_empty();
                prop_assert!(noticed, "flipping bit {} goes unnoticed", at);
            }
        }
    }

    #[test]
    fn a_frame_is_linked_to_the_one_before_and_entries_signed_anew_to_the_newest() {
        let (secrets, trust, evidence, _) = frame(3);
        let head = evidence.verify(&secrets, &trust).unwrap();
        assert_eq!((head.number, evidence.header.before().number), (5, 4));
        let author = evidence.header.author;
        let tags: Vec<_> = evidence.tags().map(|(_, tag)| tag).collect();
        let sign = |anew| Evidence::sign(&secrets, trust.signer(), author, head, anew, &tags);
        let next = sign(false);
        assert_eq!(next.header.before(), head);
        assert_eq!(next.head(&secrets).unwrap().number, 6);
        assert_ne!(next.head(&secrets).unwrap().link, head.link);
        let anew = sign(true);
        assert_eq!(
            (anew.header.before(), anew.verify(&secrets, &trust)),
            (head, Some(head))
        );
        let part = next.restrict(&secrets, &[1]);
        assert_eq!(part.head(&secrets), next.head(&secrets));
    }

    #[test]
    fn a_frame_of_another_keyspace_or_key_is_not_verified() {
        let (_, trust, evidence, _) = frame(3);
        assert!(!evidence.holds(&Secrets::new(&[1; 32], "other", &Shape::xor(1)), &trust));
        let mut other = evidence;
        other.header.author.key = SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes();
        assert!(!other.holds(&Secrets::new(&[1; 32], "test", &Shape::xor(1)), &trust));
    }
}
