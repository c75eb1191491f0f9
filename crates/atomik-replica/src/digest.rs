//! The digest of all published entries.

use crate::sketch::Sketch;
use crate::slot::Published;

/// A digest of a set of entries: their number, the sum of their tags, and a table of their ids from
/// which differences can be decoded.
#[derive(Clone, Debug)]
pub(crate) struct Digest {
    pub(crate) count: u64,
    pub(crate) sum: u128,
    sketch: Sketch,
    /// Ids not yet inserted into (`true`) or removed from the sketch. Its cells are scattered in
    /// memory, so a batch of updates has its cache misses in parallel.
    waiting: Vec<(u64, bool)>,
}

impl Digest {
    const MOST_WAITING: usize = 1024;

    pub(crate) fn new(cells: usize) -> Self {
        Self {
            count: 0,
            sum: 0,
            sketch: Sketch::new(cells),
            waiting: Vec::new(),
        }
    }

    pub(crate) fn insert(&mut self, entry: &Published) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(u128::from_le_bytes(entry.tag));
        self.wait(entry.id(), true);
    }

    pub(crate) fn remove(&mut self, entry: &Published) {
        self.count -= 1;
        self.sum = self.sum.wrapping_sub(u128::from_le_bytes(entry.tag));
        self.wait(entry.id(), false);
    }

    fn wait(&mut self, id: u64, inserted: bool) {
        self.waiting.push((id, inserted));
        if self.waiting.len() >= Self::MOST_WAITING {
            self.settle();
        }
    }

    fn settle(&mut self) {
        for (id, inserted) in self.waiting.drain(..) {
            if inserted {
                self.sketch.insert(id);
            } else {
                self.sketch.remove(id);
            }
        }
    }

    /// The table of ids, brought up to date.
    pub(crate) fn sketch(&mut self) -> &Sketch {
        self.settle();
        &self.sketch
    }

    /// Cells in a subtable of the sketch.
    pub(crate) fn size(&self) -> usize {
        self.sketch.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::OriginId;
    use crate::secrets::Secrets;

    #[test]
    fn a_digest_depends_on_the_entries_and_not_on_how_they_came_in() {
        let secrets = Secrets::new(&[1; 32], "test", 1);
        let entry = |n: u32| {
            let tag = secrets.leaf(OriginId([1; 16]), &n.to_le_bytes());
            Published::new(&secrets, OriginId([1; 16]), &n.to_le_bytes(), 1, tag)
        };
        let (mut some, mut all) = (Digest::new(48), Digest::new(48));
        (0..100).for_each(|n| some.insert(&entry(n)));
        (0..3000).rev().for_each(|n| all.insert(&entry(n)));
        assert_ne!((some.count, some.sum), (all.count, all.sum));
        (100..3000).for_each(|n| all.remove(&entry(n)));
        assert_eq!((some.count, some.sum), (all.count, all.sum));
        assert_eq!(some.sketch(), all.sketch());
    }
}
