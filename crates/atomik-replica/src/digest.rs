//! The digest of all published entries.

use crate::sketch::Sketch;
use crate::slot::{Published, UNPUBLISHED};

/// A digest of a set of entries: their number, the sum of their tags, and cells from which
/// differences can be decoded.
#[derive(Clone, Debug)]
pub(crate) struct Digest {
    pub(crate) count: u64,
    pub(crate) sum: u128,
    sketch: Sketch,
    /// Places and weights not yet added to the sketch. Its cells are scattered in memory, so a
    /// batch of updates has its cache misses in parallel.
    waiting: Vec<(u32, i32)>,
}

impl Default for Digest {
    fn default() -> Self {
        Self {
            count: 0,
            sum: 0,
            sketch: Sketch::new(Sketch::SMALLEST),
            waiting: Vec::new(),
        }
    }
}

impl Digest {
    const MOST_WAITING: usize = 1024;

    /// Up to this number of rows the sketch grows with every entry, so that a small set can be
    /// told apart from any other; then with every 32nd, which takes less than 2 bytes an entry.
    const ROOMY: usize = 4096;
    const ENTRIES_PER_ROW: usize = 32;

    /// The digest of entries, of which none is [`UNPUBLISHED`].
    pub(crate) fn of<'a>(entries: impl Iterator<Item = &'a Published> + Clone) -> Self {
        let mut digest = Self::default();
        for entry in entries.clone() {
            digest.count += 1;
            digest.sum = digest.sum.wrapping_add(u128::from_le_bytes(entry.tag));
        }
        let mut size = digest.sketch.size();
        while digest.is_cramped_at(size) {
            size *= 2;
        }
        digest.fill(size, entries);
        digest
    }

    /// Replaces a version of an entry. Either may be [`UNPUBLISHED`].
    pub(crate) fn replace(&mut self, old: &Published, new: &Published) {
        if *old != UNPUBLISHED {
            self.count -= 1;
            self.sum = self.sum.wrapping_sub(u128::from_le_bytes(old.tag));
        }
        if *new != UNPUBLISHED {
            self.count += 1;
            self.sum = self.sum.wrapping_add(u128::from_le_bytes(new.tag));
        }
        let place = if *new == UNPUBLISHED { old } else { new }.place();
        self.waiting.push((place, new.weight() - old.weight()));
        if self.waiting.len() >= Self::MOST_WAITING {
            self.settle();
        }
    }

    fn settle(&mut self) {
        for (place, weight) in self.waiting.drain(..) {
            self.sketch.add(place, weight);
        }
    }

    /// The cells, brought up to date.
    pub(crate) fn sketch(&mut self) -> &Sketch {
        self.settle();
        &self.sketch
    }

    /// Whether the sketch is too small for the number of entries.
    pub(crate) fn is_cramped(&self) -> bool {
        self.is_cramped_at(self.sketch.size())
    }

    /// Whether a sketch of this size would be too small.
    fn is_cramped_at(&self, size: usize) -> bool {
        let full = if size < Self::ROOMY {
            size
        } else {
            size.saturating_mul(Self::ENTRIES_PER_ROW)
        };
        self.count as usize > full && size < Sketch::LARGEST
    }

    /// Doubles the sketch, given all published entries.
    pub(crate) fn grow<'a>(&mut self, entries: impl Iterator<Item = &'a Published>) {
        self.fill(2 * self.sketch.size(), entries);
    }

    /// Makes a sketch of this size, given all published entries.
    fn fill<'a>(&mut self, size: usize, entries: impl Iterator<Item = &'a Published>) {
        self.waiting.clear();
        self.sketch = Sketch::new(size);
        for entry in entries {
            self.sketch.add(entry.place(), entry.weight());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::OriginId;
    use crate::secrets::Secrets;

    #[test]
    fn a_digest_depends_on_the_entries_and_not_on_how_they_came_in() {
        let secrets = Secrets::new(&[1; 32], "test", &crate::shape::Shape::xor(1));
        let entry = |n: u32, version: u64| {
            let tag = secrets.leaf(OriginId([1; 16]), &(n, version).0.to_le_bytes());
            Published::new(&secrets, OriginId([1; 16]), &n.to_le_bytes(), version, tag)
        };
        let (mut some, mut all) = (Digest::default(), Digest::default());
        (0..100).for_each(|n| some.replace(&UNPUBLISHED, &entry(n, 2)));
        (0..3000)
            .rev()
            .for_each(|n| all.replace(&UNPUBLISHED, &entry(n, 1)));
        assert_ne!((some.count, some.sum), (all.count, all.sum));
        (0..100).for_each(|n| all.replace(&entry(n, 1), &entry(n, 2)));
        (100..3000).for_each(|n| all.replace(&entry(n, 1), &UNPUBLISHED));
        assert_eq!((some.count, some.sum), (all.count, all.sum));
        assert_eq!(some.sketch(), all.sketch());
        assert!(some.is_cramped());
        let entries: Vec<_> = (0..100).map(|n| entry(n, 2)).collect();
        let mut anew = Digest::of(entries.iter());
        assert_eq!((anew.count, anew.sum), (some.count, some.sum));
        assert!(!anew.is_cramped());
        some.grow(entries.iter());
        assert_eq!(anew.sketch(), some.sketch());
        assert!(!some.is_cramped());
        assert_eq!(some.sketch().rows(64), all.sketch().rows(64));
    }
}
