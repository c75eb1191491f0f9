//! The slot of a key: its state and the entries of its writers.

use smallvec::SmallVec;

use crate::entry::{Change, Tag};
use crate::origin::OriginId;
use crate::secrets::Secrets;
use crate::shape::Shape;
use crate::sketch::weight;
use crate::value::Value;

/// Short keys are stored inline, which saves a cache miss.
pub(crate) type Key = SmallVec<[u8; 16]>;

/// How digests represent an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Published {
    pub(crate) tag: Tag,
    /// What stands for key and origin. An array, so that an entry fits in a cache line.
    place: [u8; 4],
    /// The low 16 bits of the version.
    version: [u8; 2],
}

/// An entry that is not in the digest yet.
pub(crate) const UNPUBLISHED: Published = Published {
    tag: [0; 16],
    place: [0; 4],
    version: [0; 2],
};

impl Published {
    pub(crate) fn new(
        secrets: &Secrets,
        origin: OriginId,
        key: &[u8],
        version: u64,
        tag: Tag,
    ) -> Self {
        Self {
            tag,
            place: secrets.place(origin, key).to_le_bytes(),
            version: (version as u16).to_le_bytes(),
        }
    }

    /// A later version of the same entry.
    pub(crate) fn next(&self, version: u64, tag: Tag) -> Self {
        Self {
            tag,
            place: self.place,
            version: (version as u16).to_le_bytes(),
        }
    }

    pub(crate) fn place(&self) -> u32 {
        u32::from_le_bytes(self.place)
    }

    /// The weight in the cells; 0 for [`UNPUBLISHED`].
    pub(crate) fn weight(&self) -> i32 {
        if *self == UNPUBLISHED {
            0
        } else {
            i32::from(weight(
                u64::from(u16::from_le_bytes(self.version)),
                &self.tag,
            ))
        }
    }
}

/// In place of an index of evidence: the entry's origin has this replica's key, so that it can be
/// signed anew.
pub(crate) const OURS: u32 = u32::MAX;

/// One origin's changes to one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    /// Place among the replica's origins.
    pub(crate) origin: u32,
    /// Place in the archive of evidence, or [`OURS`].
    pub(crate) evidence: u32,
    /// The index of the change in the evidence's frame.
    pub(crate) leaf: u16,
    /// The published version, as digests represent it. Own entries may have a newer, unpublished
    /// version.
    pub(crate) published: Published,
    pub(crate) change: Change,
}

/// Properties that most keys lack.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Rare {
    /// The sum of the accumulators of folded origins.
    pub(crate) base: Value,
    /// The state at the last local LOAD, SWAP or DRAIN: the register file's reference.
    pub(crate) mark: Value,
    /// States at checkpoints, oldest first. Each applies to the checkpoints after the previous
    /// item's number, up to and including its own.
    pub(crate) history: Vec<(u32, Value)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    /// The sum of the base and all accumulators.
    pub(crate) state: Value,
    pub(crate) entries: SmallVec<[Entry; 1]>,
    pub(crate) rare: Option<Box<Rare>>,
    /// Whether the slot is queued to be stored.
    pub(crate) unstored: bool,
    /// Whether the own entry is queued to be published.
    pub(crate) unpublished: bool,
}

impl Slot {
    /// A new slot with the given number of words, queued to be stored.
    pub(crate) fn new(words: usize) -> Self {
        Self {
            state: Value::zero(words),
            entries: SmallVec::new(),
            rare: None,
            unstored: true,
            unpublished: false,
        }
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        let words = self.state.words().len();
        self.rare.get_or_insert_with(|| {
            Box::new(Rare {
                base: Value::zero(words),
                mark: Value::zero(words),
                history: Vec::new(),
            })
        })
    }

    /// The index of an origin's entry.
    pub(crate) fn position(&self, origin: u32) -> Option<usize> {
        self.entries.iter().position(|entry| entry.origin == origin)
    }

    /// The state at a checkpoint.
    pub(crate) fn at(&self, checkpoint: u32) -> &Value {
        let history = self.rare.as_ref().map_or(&[][..], |rare| &rare.history);
        history
            .get(history.partition_point(|&(upto, _)| upto < checkpoint))
            .map_or(&self.state, |(_, state)| state)
    }

    /// The sum of the base and all accumulators, computed anew.
    pub(crate) fn sum(&self, shape: &Shape) -> Value {
        let rare = self.rare.as_ref();
        let mut sum = rare.map_or_else(|| shape.zero(), |rare| rare.base.clone());
        for entry in &self.entries {
            shape.accumulate(&mut sum, &entry.change.accumulator);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_version_of_an_entry_is_as_it_would_be_from_the_start() {
        let secrets = Secrets::new(&[1; 32], "test", &Shape::xor(1));
        let published =
            |version, tag| Published::new(&secrets, OriginId([5; 16]), b"key", version, [tag; 16]);
        assert_eq!(published(1, 8).next(2, [9; 16]), published(2, 9));
        assert_ne!(published(1, 8).weight(), published(2, 9).weight());
    }

    #[test]
    fn a_checkpoint_without_a_later_change_has_the_current_state() {
        let mut slot = Slot::new(1);
        slot.state = 7.into();
        slot.rare().history = vec![(2, 1.into()), (4, 3.into())];
        let states = [1, 2, 3, 4, 5].map(|checkpoint| slot.at(checkpoint).words()[0]);
        assert_eq!(states, [1, 1, 3, 3, 7]);
    }
}
