//! An origin's changes to a key: their number, their sum, and what the origin had seen.

use atomik_algebra::entries::{Side, overlap};

use crate::codec::{Encode, Malformed, Reader};
use crate::origin::OriginId;
use crate::shape::Shape;
use crate::value::Value;

/// The longest key, in bytes.
pub const MAX_KEY: usize = 1024;

/// The maximum number of other origins that an entry lists as seen. A key with more than 65 writers
/// between two folds may cause false overlap reports; its state is not affected.
pub const MAX_SEEN: usize = 64;

/// 128 bits of a keyed hash of an entry, or of a node in the hash tree of a frame.
pub(crate) type Tag = [u8; 16];

/// The changes of another origin that an origin knew when it made its latest change to the same
/// key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    pub(crate) origin: OriginId,
    pub(crate) version: u64,
    pub(crate) accumulator: Value,
}

/// All changes of an origin to a key, as they travel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Change {
    /// The number of changes.
    pub(crate) version: u64,
    /// The sum of all changes.
    pub(crate) accumulator: Value,
    /// The changes of other origins that were known at the latest change.
    pub(crate) seen: SeenList,
    /// The version of the last change that replaced the value of a field that adds; 0 if none did.
    pub(crate) put: u64,
}

/// The changes seen. Most entries have seen none, which takes a single word.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct SeenList(Option<Box<Listed>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Listed(Box<[Seen]>);

impl core::ops::Deref for SeenList {
    type Target = [Seen];

    fn deref(&self) -> &[Seen] {
        self.0.as_ref().map_or(&[], |listed| &listed.0)
    }
}

impl SeenList {
    /// Sets version and accumulator of the change with this index, if there is one.
    pub(crate) fn set(&mut self, index: usize, version: u64, accumulator: Value) {
        if let Some(listed) = &mut self.0
            && let Some(seen) = listed.0.get_mut(index)
        {
            (seen.version, seen.accumulator) = (version, accumulator);
        }
    }
}

impl From<Vec<Seen>> for SeenList {
    fn from(seen: Vec<Seen>) -> Self {
        Self((!seen.is_empty()).then(|| Box::new(Listed(seen.into()))))
    }
}

impl FromIterator<Seen> for SeenList {
    fn from_iter<I: IntoIterator<Item = Seen>>(seen: I) -> Self {
        seen.into_iter().collect::<Vec<_>>().into()
    }
}

impl Change {
    /// No change yet, of a value with this many words.
    pub(crate) fn none(words: usize) -> Self {
        Self {
            version: 0,
            accumulator: Value::zero(words),
            seen: SeenList::default(),
            put: 0,
        }
    }

    /// Appends the bytes that are hashed, signed and sent.
    pub(crate) fn encode(&self, key: &[u8], out: &mut Vec<u8>) {
        out.blob(key);
        out.varint(self.version);
        out.value(&self.accumulator);
        out.varint(self.seen_count());
        for seen in self.seen.iter() {
            out.extend_from_slice(&seen.origin.0);
            out.varint(seen.version);
            out.value(&seen.accumulator);
        }
        self.encode_put(out);
    }

    /// The number of changes seen; by one more than [`MAX_SEEN`] larger if the version of a put
    /// follows. So only changes after a put take more room.
    pub(crate) fn seen_count(&self) -> u64 {
        let put = if self.put > 0 { MAX_SEEN + 1 } else { 0 };
        (self.seen.len() + put) as u64
    }

    /// Appends the version of the last put, if there was one.
    pub(crate) fn encode_put(&self, out: &mut Vec<u8>) {
        if self.put > 0 {
            out.varint(self.put);
        }
    }

    /// Decodes the number of changes seen, which take at least `size` bytes each, and whether the
    /// version of a put follows them.
    pub(crate) fn decode_count(
        reader: &mut Reader<'_>,
        size: usize,
        shape: &Shape,
    ) -> Result<(usize, bool), Malformed> {
        let count = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
        let (count, has_put) = match count.checked_sub(MAX_SEEN + 1) {
            Some(count) if shape.adds() => (count, true),
            Some(_) => return Err(Malformed),
            None => (count, false),
        };
        let fits = count <= MAX_SEEN && count * size <= reader.rest().len();
        fits.then_some((count, has_put)).ok_or(Malformed)
    }

    /// Decodes the version of the last put of a change with this version, if it follows.
    pub(crate) fn decode_put(
        reader: &mut Reader<'_>,
        version: u64,
        has_put: bool,
    ) -> Result<u64, Malformed> {
        if !has_put {
            return Ok(0);
        }
        let put = reader.varint()?;
        let valid = (1..=version).contains(&put);
        valid.then_some(put).ok_or(Malformed)
    }

    /// Decodes a change and its key.
    pub(crate) fn decode<'a>(
        reader: &mut Reader<'a>,
        shape: &Shape,
    ) -> Result<(&'a [u8], Self), Malformed> {
        let words = shape.words();
        let key = reader.blob(MAX_KEY)?;
        let version = reader.varint()?;
        if version == 0 {
            return Err(Malformed);
        }
        let accumulator = reader.value(words)?;
        if !shape.fits(&accumulator) {
            return Err(Malformed);
        }
        let (count, has_put) = Self::decode_count(reader, 17 + 8 * words, shape)?;
        let mut seen = Vec::with_capacity(count);
        for _ in 0..count {
            seen.push(Seen {
                origin: OriginId(reader.array()?),
                version: reader.varint()?,
                accumulator: reader.value(words)?,
            });
        }
        let put = Self::decode_put(reader, version, has_put)?;
        Ok((
            key,
            Self {
                version,
                accumulator,
                seen: seen.into(),
                put,
            },
        ))
    }

    /// Whether two changes of one key by one origin are two contents of one version.
    pub(crate) fn contradicts(&self, other: &Self) -> bool {
        self.version == other.version && self != other
    }

    /// The version and accumulator of `origin` that this change's origin knew; version 0 if none.
    fn knew(&self, origin: OriginId) -> (u64, Option<&Value>) {
        self.seen
            .iter()
            .find(|seen| seen.origin == origin)
            .map_or((0, None), |seen| (seen.version, Some(&seen.accumulator)))
    }

    /// The bits in which concurrent changes of two origins conflict, as [`overlap`] finds them.
    pub(crate) fn overlap(
        a: (&Self, OriginId),
        b: (&Self, OriginId),
        shape: &Shape,
    ) -> Option<Value> {
        overlap(a.0.beside(b.1), b.0.beside(a.1), shape.fields())
    }

    /// This change for a comparison with the changes of `other`.
    fn beside(&self, other: OriginId) -> Side<'_, Value> {
        let (knew, saw) = self.knew(other);
        Side {
            version: self.version,
            put: self.put,
            accumulator: &self.accumulator,
            knew,
            saw,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const A: OriginId = OriginId([1; 16]);
    const B: OriginId = OriginId([2; 16]);

    fn change(version: u64, accumulator: u64, seen: &[(OriginId, u64, u64)]) -> Change {
        let seen = seen.iter().map(|&(origin, version, accumulator)| Seen {
            origin,
            version,
            accumulator: accumulator.into(),
        });
        Change {
            version,
            accumulator: accumulator.into(),
            seen: seen.collect(),
            put: 0,
        }
    }

    fn overlap(a: &Change, b: &Change) -> Option<Value> {
        overlap_of(&Shape::xor(1), a, b)
    }

    fn overlap_of(shape: &Shape, a: &Change, b: &Change) -> Option<Value> {
        let bits = Change::overlap((a, A), (b, B), shape);
        assert_eq!(
            bits,
            Change::overlap((b, B), (a, A), shape),
            "overlap is symmetric"
        );
        bits
    }

    #[test]
    fn changes_that_do_not_know_of_each_other_overlap_in_their_common_bits() {
        assert_eq!(
            overlap(&change(1, 5, &[]), &change(1, 3, &[])),
            Some(1.into())
        );
        assert_eq!(overlap(&change(1, 4, &[]), &change(1, 3, &[])), None);
    }

    #[test]
    fn a_change_made_in_knowledge_of_the_other_does_not_overlap() {
        assert_eq!(
            overlap(&change(1, 5, &[]), &change(1, 3, &[(A, 1, 5)])),
            None
        );
    }

    #[test]
    fn only_what_the_other_did_not_know_counts() {
        // A changed 5, then 8. B knew only the 5 and changed 9, which has 8 in common with the
        // unknown part.
        assert_eq!(
            overlap(&change(2, 13, &[]), &change(1, 9, &[(A, 1, 5)])),
            Some(8.into())
        );
        assert_eq!(
            overlap(&change(2, 13, &[]), &change(1, 9, &[])),
            Some(9.into())
        );
    }

    fn shape(layout: &str) -> Shape {
        layout.parse::<atomik_algebra::Layout>().unwrap().into()
    }

    #[test]
    fn additions_do_not_overlap_with_anything_and_two_puts_of_a_field_that_adds_do() {
        let counter = shape("add:64");
        let put = |version, put, seen: &[_]| Change {
            put,
            ..change(version, 5, seen)
        };
        let overlap = |a: &Change, b: &Change| overlap_of(&counter, a, b);
        let (added, replaced) = (put(1, 0, &[]), put(1, 1, &[]));
        assert_eq!(overlap(&added, &added), None);
        assert_eq!(
            overlap(&added, &replaced),
            None,
            "as if added after the put"
        );
        assert_eq!(overlap(&replaced, &replaced), Some(u64::MAX.into()));
        // A put that the other knew is no longer concurrent, but a later one is.
        let after = |version, last| Change {
            accumulator: 9.into(),
            ..put(version, last, &[])
        };
        let knowing = put(1, 1, &[(A, 1, 5)]);
        assert_eq!(overlap(&after(2, 1), &knowing), None);
        assert_eq!(overlap(&after(2, 2), &knowing), Some(u64::MAX.into()));
    }

    #[test]
    fn a_change_round_trips_through_its_bytes() {
        for put in [0, 1, 299, 300] {
            let change = Change {
                put,
                ..change(300, u64::MAX, &[(B, 7, 9), (A, 1 << 60, 0)])
            };
            let mut bytes = Vec::new();
            change.encode(b"key", &mut bytes);
            let (xor, adds) = (Shape::xor(1), shape("xor:32,add:32"));
            let mut reader = Reader::new(&bytes);
            let decoded = Change::decode(&mut reader, &adds).unwrap();
            assert_eq!(decoded, (&b"key"[..], change));
            assert!(reader.is_empty());
            // Where all bits xor, there are no puts, and the bytes are what they always were.
            let decoded = Change::decode(&mut Reader::new(&bytes), &xor);
            assert_eq!(decoded.is_ok(), put == 0);
            for cut in 0..bytes.len() {
                assert!(
                    Change::decode(&mut Reader::new(&bytes[..cut]), &adds).is_err(),
                    "cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn neither_puts_of_later_versions_nor_bits_above_the_width_are_read() {
        let adds = shape("add:16");
        let read = |change: &Change| {
            let mut bytes = Vec::new();
            change.encode(b"key", &mut bytes);
            Change::decode(&mut Reader::new(&bytes), &adds).is_ok()
        };
        let change = |accumulator, put| Change {
            put,
            ..change(3, accumulator, &[])
        };
        assert!(read(&change(0xffff, 3)));
        assert!(!read(&change(0xffff, 4)) && !read(&change(0x1_0000, 3)));
    }
}
