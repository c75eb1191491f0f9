//! An origin's changes to a key: their number, their xor, and what the origin had seen.

use crate::codec::{Encode, Malformed, Reader};
use crate::origin::OriginId;
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
    /// The xor of all changes.
    pub(crate) accumulator: Value,
    /// The changes of other origins that were known at the latest change.
    pub(crate) seen: SeenList,
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
        }
    }

    /// Appends the bytes that are hashed, signed and sent.
    pub(crate) fn encode(&self, key: &[u8], out: &mut Vec<u8>) {
        out.blob(key);
        out.varint(self.version);
        out.value(&self.accumulator);
        out.varint(self.seen.len() as u64);
        for seen in self.seen.iter() {
            out.extend_from_slice(&seen.origin.0);
            out.varint(seen.version);
            out.value(&seen.accumulator);
        }
    }

    /// Decodes a change and its key.
    pub(crate) fn decode<'a>(
        reader: &mut Reader<'a>,
        words: usize,
    ) -> Result<(&'a [u8], Self), Malformed> {
        let key = reader.blob(MAX_KEY)?;
        let version = reader.varint()?;
        if version == 0 {
            return Err(Malformed);
        }
        let accumulator = reader.value(words)?;
        let count = reader.count(17 + 8 * words, MAX_SEEN)?;
        let mut seen = Vec::with_capacity(count);
        for _ in 0..count {
            seen.push(Seen {
                origin: OriginId(reader.array()?),
                version: reader.varint()?,
                accumulator: reader.value(words)?,
            });
        }
        Ok((
            key,
            Self {
                version,
                accumulator,
                seen: seen.into(),
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

    /// The bits that two origins changed concurrently; `None` if one knew all changes of the other,
    /// or if they have no bit in common.
    ///
    /// The changes of `a` unknown to `b` and those of `b` unknown to `a` are pairwise concurrent:
    /// knowledge only grows, so what an origin did not know at its latest change it did not know at
    /// any earlier one. The net effects of the two groups are compared. Bits that an origin changed
    /// and changed back do not count.
    pub(crate) fn overlap(a: (&Self, OriginId), b: (&Self, OriginId)) -> Option<Value> {
        let (a_knew, a_saw) = a.0.knew(b.1);
        let (b_knew, b_saw) = b.0.knew(a.1);
        if a_knew >= b.0.version || b_knew >= a.0.version {
            return None;
        }
        let net = |own: &Value, known: Option<&Value>| {
            known.map_or_else(|| own.clone(), |known| own.xor(known))
        };
        let bits = net(&a.0.accumulator, b_saw).and(&net(&b.0.accumulator, a_saw));
        (!bits.is_zero()).then_some(bits)
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
        }
    }

    fn overlap(a: &Change, b: &Change) -> Option<Value> {
        let bits = Change::overlap((a, A), (b, B));
        assert_eq!(
            bits,
            Change::overlap((b, B), (a, A)),
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

    #[test]
    fn a_change_round_trips_through_its_bytes() {
        let change = change(300, u64::MAX, &[(B, 7, 9), (A, 1 << 60, 0)]);
        let mut bytes = Vec::new();
        change.encode(b"key", &mut bytes);
        let mut reader = Reader::new(&bytes);
        assert_eq!(
            Change::decode(&mut reader, 1).unwrap(),
            (&b"key"[..], change)
        );
        assert!(reader.is_empty());
        for cut in 0..bytes.len() {
            assert!(
                Change::decode(&mut Reader::new(&bytes[..cut]), 1).is_err(),
                "cut at {cut}"
            );
        }
    }
}
