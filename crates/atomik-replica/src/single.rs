//! The compact slot of a key with a single writer.
//!
//! Most keys have one word and at most one writer, so their state is that writer's accumulator.
//! Such a slot takes 47 bytes without alignment, which leaves room for a key of 15 bytes in one
//! cache line.

use crate::entry::{Change, SeenList};
use crate::slot::{Entry, Published, Slot, UNPUBLISHED};
use crate::value::Value;

/// A slot of one word with at most one entry, no entry seen, and nothing rare.
#[derive(Clone, Debug)]
pub(crate) struct Single {
    /// State and accumulator.
    word: [u8; 8],
    /// 0 if there is no entry.
    version: [u8; 4],
    evidence: [u8; 4],
    origin: [u8; 2],
    leaf: [u8; 2],
    put: [u8; 4],
    pub(crate) published: Published,
    /// Bit 0: queued to be stored. Bit 1: the entry is queued to be published.
    flags: u8,
}

/// What a change of a single entry replaced.
pub(crate) struct Replaced {
    pub(crate) version: u64,
    /// The accumulator before.
    pub(crate) word: u64,
    /// The version of the last put before.
    pub(crate) put: u64,
    /// Evidence and leaf.
    pub(crate) evidence: (u32, u16),
    pub(crate) published: Published,
}

impl Single {
    /// A new slot without entry, queued to be stored.
    pub(crate) const NEW: Self = Self {
        word: [0; 8],
        version: [0; 4],
        evidence: [0; 4],
        origin: [0; 2],
        leaf: [0; 2],
        put: [0; 4],
        published: UNPUBLISHED,
        flags: 1,
    };

    /// The compact form of a slot, if it has one.
    pub(crate) fn of(slot: &Slot) -> Option<Self> {
        let &[word] = slot.state.words() else {
            return None;
        };
        let mut single = Self {
            word: word.to_le_bytes(),
            flags: u8::from(slot.unstored) | u8::from(slot.unpublished) << 1,
            ..Self::NEW
        };
        match &slot.entries[..] {
            _ if slot.rare.is_some() => return None,
            [] if word == 0 => {}
            [entry] if entry.change.accumulator == slot.state => {
                single.put(entry)?;
                single.published = entry.published;
            }
            _ => return None,
        }
        Some(single)
    }

    /// The general form.
    pub(crate) fn slot(&self) -> Slot {
        Slot {
            state: self.word().into(),
            entries: self.entry().into_iter().collect(),
            rare: None,
            unstored: self.is_unstored(),
            unpublished: self.is_unpublished(),
        }
    }

    pub(crate) fn entry(&self) -> Option<Entry> {
        Some(Entry {
            origin: self.origin()?,
            evidence: u32::from_le_bytes(self.evidence),
            leaf: u16::from_le_bytes(self.leaf),
            published: self.published,
            change: Change {
                version: self.version(),
                accumulator: self.word().into(),
                seen: SeenList::default(),
                put: self.last_put(),
            },
        })
    }

    fn word(&self) -> u64 {
        u64::from_le_bytes(self.word)
    }

    fn version(&self) -> u64 {
        u64::from(u32::from_le_bytes(self.version))
    }

    fn last_put(&self) -> u64 {
        u64::from(u32::from_le_bytes(self.put))
    }

    /// The origin of the entry, if there is one.
    pub(crate) fn origin(&self) -> Option<u32> {
        (self.version != [0; 4]).then(|| u32::from(u16::from_le_bytes(self.origin)))
    }

    /// Replaces the entry, but not what is published of it. Returns `None`, and changes nothing,
    /// if the result would not be compact.
    pub(crate) fn put(&mut self, entry: &Entry) -> Option<Replaced> {
        let change = &entry.change;
        let fits = self.origin().is_none_or(|origin| origin == entry.origin)
            && change.version > 0
            && change.seen.is_empty();
        let &[word] = change.accumulator.words() else {
            return None;
        };
        let version = u32::try_from(change.version).ok()?;
        // No put is of a later version.
        let put = u32::try_from(change.put).ok()?;
        let origin = u16::try_from(entry.origin).ok()?;
        if !fits {
            return None;
        }
        let replaced = self.replaced();
        self.word = word.to_le_bytes();
        self.version = version.to_le_bytes();
        self.evidence = entry.evidence.to_le_bytes();
        self.origin = origin.to_le_bytes();
        self.leaf = entry.leaf.to_le_bytes();
        self.put = put.to_le_bytes();
        Some(replaced)
    }

    /// Counts one more change of an origin whose entry rests on `evidence`: `combine` makes the
    /// word before into the one after, and the change is a put or not. As [`put`](Self::put).
    pub(crate) fn change(
        &mut self,
        (origin, evidence): (u32, u32),
        is_put: bool,
        combine: impl FnOnce(u64) -> u64,
    ) -> Option<Replaced> {
        let own = u16::try_from(origin).ok()?.to_le_bytes();
        let version = u32::from_le_bytes(self.version);
        if version > 0 && self.origin != own {
            return None;
        }
        let next = version.checked_add(1)?;
        let replaced = self.replaced();
        self.word = combine(self.word()).to_le_bytes();
        self.version = next.to_le_bytes();
        if is_put {
            self.put = self.version;
        }
        self.origin = own;
        self.evidence = evidence.to_le_bytes();
        Some(replaced)
    }

    fn replaced(&self) -> Replaced {
        Replaced {
            version: self.version(),
            word: self.word(),
            put: self.last_put(),
            evidence: (
                u32::from_le_bytes(self.evidence),
                u16::from_le_bytes(self.leaf),
            ),
            published: self.published,
        }
    }

    pub(crate) fn is_unstored(&self) -> bool {
        self.flags & 1 == 1
    }

    pub(crate) fn set_unstored(&mut self, unstored: bool) {
        self.flags = self.flags & !1 | u8::from(unstored);
    }

    /// Queues the slot to be stored and its entry to be published. Returns whether the entry was
    /// published and the slot stored before.
    pub(crate) fn queue(&mut self) -> (bool, bool) {
        let before = (!self.is_unpublished(), !self.is_unstored());
        self.flags |= 3;
        before
    }

    pub(crate) fn is_unpublished(&self) -> bool {
        self.flags & 2 == 2
    }

    pub(crate) fn set_unpublished(&mut self, unpublished: bool) {
        self.flags = self.flags & !2 | u8::from(unpublished) << 1;
    }
}

impl Replaced {
    /// The change before, if there was an entry.
    pub(crate) fn change(&self) -> Option<Change> {
        (self.version > 0).then(|| Change {
            version: self.version,
            accumulator: Value::from(self.word),
            seen: SeenList::default(),
            put: self.put,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::origin::OriginId;
    use crate::secrets::Secrets;
    use crate::shape::Shape;

    fn entry(origin: u32, version: u64, accumulator: Value) -> Entry {
        let secrets = Secrets::new(&[1; 32], "test", &Shape::xor(1));
        Entry {
            origin,
            evidence: 7,
            leaf: 9,
            published: Published::new(&secrets, OriginId([1; 16]), b"k", version, [2; 16]),
            change: Change {
                version,
                accumulator,
                seen: SeenList::default(),
                put: version.min(5),
            },
        }
    }

    fn slot(entries: Vec<Entry>) -> Slot {
        let mut slot = Slot::new(1);
        slot.entries = entries.into();
        slot.state = slot.sum(&Shape::xor(1));
        slot
    }

    proptest! {
        #[test]
        fn a_slot_comes_back_from_its_compact_form(
            origin in 0..3000_u32, version in 0..1_u64 << 34, word: u64, flags: [bool; 2]
        ) {
            let mut slot = slot(vec![entry(origin, version, word.into())]);
            (slot.unstored, slot.unpublished) = (flags[0], flags[1]);
            let compact = Single::of(&slot);
            prop_assert_eq!(compact.is_some(), (1..1 << 32).contains(&version));
            if let Some(compact) = compact {
                prop_assert_eq!(compact.slot(), slot);
            }
        }
    }

    #[test]
    fn what_does_not_fit_has_no_compact_form() {
        let fits = |slot: &Slot| Single::of(slot).is_some();
        let one = || entry(3, 1, 5.into());
        assert!(fits(&slot(vec![])) && fits(&slot(vec![one()])));
        assert!(!fits(&slot(vec![one(), entry(4, 1, 5.into())])));
        assert!(!fits(&slot(vec![entry(1 << 16, 1, 5.into())])));
        assert!(!fits(&Slot::new(2)));
        let mut rare = slot(vec![one()]);
        rare.rare();
        assert!(!fits(&rare));
        let mut odd = slot(vec![one()]);
        odd.state = 6.into();
        assert!(!fits(&odd));
        let mut seen = one();
        seen.change.seen = vec![crate::entry::Seen {
            origin: OriginId([9; 16]),
            version: 1,
            accumulator: 1.into(),
        }]
        .into();
        assert!(!fits(&slot(vec![seen])));
    }

    #[test]
    fn only_the_writer_changes_a_compact_slot_and_only_up_to_the_largest_version() {
        let mut single = Single::of(&slot(vec![entry(3, 1, 5.into())])).unwrap();
        let xor = |word: u64| word ^ 1;
        assert!(single.change((4, 7), false, xor).is_none());
        assert!(single.put(&entry(4, 9, 1.into())).is_none());
        let replaced = single.change((3, 7), false, xor).unwrap();
        assert_eq!((replaced.version, replaced.word), (1, 5));
        assert_eq!(single.entry().unwrap().change.accumulator, 4.into());
        assert_eq!((replaced.put, single.entry().unwrap().change.put), (1, 1));
        single.change((3, 7), true, |word| word + 2).unwrap();
        let change = single.entry().unwrap().change;
        assert_eq!((change.accumulator, change.put), (6.into(), 3));
        let last = u64::from(u32::MAX);
        assert!(single.put(&entry(3, last + 1, 1.into())).is_none());
        assert!(single.put(&entry(3, last, 1.into())).is_some());
        assert!(single.change((3, 7), false, xor).is_none());
        assert_eq!(single.entry().unwrap().change.version, last);
    }
}
