//! What differs between two sets of ids, from a few cells of each: an invertible Bloom look-up
//! table.
//!
//! The table is kept up to date with every change of the set, in three cells a change. It has
//! [`Sketch::FULL`] cells a subtable or less; since a cell's place is a remainder, a table of any
//! divisor's size is the same table folded, and costs no pass over the set. Difference and decoding
//! are those of Eppstein, Goodrich, Uyeda and Varghese, "What's the Difference? Efficient Set
//! Reconciliation without Prior Context", SIGCOMM 2011.
//!
//! Ids come from a hash under the keyspace's secret, so who does not know it cannot choose ids that
//! collide. Who does know it, a member, can make two replicas believe that they agree; it cannot
//! make either accept a wrong change.

use std::collections::HashMap;

use crate::codec::{Encode, Malformed, Reader};
use crate::entry::Tag;

const TABLES: usize = 3;

/// From so many differences on they are estimated twice, the second time from subtables of
/// [`REFINED`] cells.
const MANY: usize = 5000;
const REFINED: usize = 280;

/// One cell: how many, the xor of their ids, and the xor of their checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Cell {
    count: i32,
    check: u32,
    ids: u64,
}

/// Bytes of an id.
pub(crate) const ID_BYTES: usize = 7;

/// Low bits of an id that are those of the tag.
pub(crate) const TAG_BITS: u32 = 12;

/// The low bits of an id that come from the tag.
pub(crate) fn tag_bits(tag: &Tag) -> u64 {
    u64::from(u16::from_le_bytes([tag[0], tag[1]])) & ((1 << TAG_BITS) - 1)
}

/// What stands for an entry in the cells: 32 bits of a keyed hash of key and origin, 12 of the
/// version, 12 of the entry's tag.
///
/// So of two ids of one entry it shows which is newer, and only that one has to travel. It may err:
/// where versions are more than 2047 apart, or two entries share the first part. Then what travels
/// is older than what is there, and is answered with that (`Kind::Repair`). Two versions of an
/// entry with one id do not show in the cells, but in the sum that comes with them.
pub(crate) fn id(place: u32, version: u64, tag: &Tag) -> u64 {
    u64::from(place) << 24 | (version & 0xfff) << 12 | tag_bits(tag)
}

/// Of ids that differ between two replicas: which of ours to send, and which of theirs to ask for.
pub(crate) fn newer(ours: &[u64], theirs: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let place = |id: u64| (id >> 24) as u32;
    // In the high bits of 16, so that a difference keeps its sign.
    let version = |id: u64| ((id >> 12) as u16) << 4;
    let latest = |ids: &[u64], others: &[u64]| {
        let others: HashMap<u32, u16> = others.iter().map(|&id| (place(id), version(id))).collect();
        let wanted = ids.iter().copied().filter(|&id| {
            // Serial numbers: the difference as a signed number tells which is ahead. Equal ones
            // contradict each other; both travel.
            others
                .get(&place(id))
                .is_none_or(|&other| version(id).wrapping_sub(other) as i16 >= 0)
        });
        wanted.collect()
    };
    (latest(ours, theirs), latest(theirs, ours))
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014) on the id and a number for the purpose.
fn mix(id: u64, purpose: u64) -> u64 {
    let mut z = id ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// The cells of an id in the subtables of the largest table, and its check, from two hashes of 64
/// bits: 32 a subtable, 24 for the check.
///
/// A cell of several elements passes for one of a single element once in 2^24, and then some ids
/// are found that nobody has.
fn spread(id: u64) -> ([usize; TABLES], u32) {
    let (first, second) = (mix(id, 0), mix(id, 1));
    // The high half of a product instead of a remainder, which takes longer: as even, to one part
    // in 2^15.
    let place = |hash: u64| (((hash & 0xffff_ffff) * Sketch::FULL as u64) >> 32) as usize;
    let places = [place(first), place(first >> 32), place(second)];
    (places, (second >> 40) as u32)
}

/// A table of `TABLES` times [`size`](Self::size) cells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sketch {
    size: usize,
    cells: Vec<Cell>,
}

impl Sketch {
    /// The size of a subtable from which all smaller ones can be folded: a number with 144
    /// divisors, so that there is one near every wish.
    pub(crate) const FULL: usize = 110_880;

    /// An empty table; `size` divides [`FULL`](Self::FULL).
    pub(crate) fn new(size: usize) -> Self {
        debug_assert!(Self::FULL.is_multiple_of(size));
        Self {
            size,
            cells: vec![Cell::default(); TABLES * size],
        }
    }

    /// Cells in a subtable.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Cells in all.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The cell that a place in the largest table's subtable falls into here.
    fn cell(&self, table: usize, place: usize) -> usize {
        // A division by a number that the compiler does not know takes as long as all the rest.
        let place = if self.size == Self::FULL {
            place
        } else {
            (place as u32 % self.size as u32) as usize
        };
        table * self.size + place
    }

    fn touch(&mut self, id: u64, (places, check): ([usize; TABLES], u32), count: i32) {
        for (table, place) in places.into_iter().enumerate() {
            let at = self.cell(table, place);
            let cell = &mut self.cells[at];
            cell.count = cell.count.wrapping_add(count);
            cell.check ^= check;
            cell.ids ^= id;
        }
    }

    pub(crate) fn insert(&mut self, id: u64) {
        self.touch(id, spread(id), 1);
    }

    pub(crate) fn remove(&mut self, id: u64) {
        self.touch(id, spread(id), -1);
    }

    /// The same set in a table of another size, which divides this one's.
    pub(crate) fn folded(&self, size: usize) -> Self {
        debug_assert!(self.size.is_multiple_of(size));
        let mut folded = Self::new(size);
        for (at, cell) in self.cells.iter().enumerate() {
            let into = &mut folded.cells[at / self.size * size + at % self.size % size];
            into.count = into.count.wrapping_add(cell.count);
            into.check ^= cell.check;
            into.ids ^= cell.ids;
        }
        folded
    }

    /// The size of the first answer from a table of `full`: decodes some 150 differences, and
    /// estimates more. Not every size of a table divides by the 80 that are wished for.
    pub(crate) fn first_size(full: usize) -> usize {
        const WISHED: usize = 80;
        (1..=WISHED)
            .rev()
            .find(|&size| full.is_multiple_of(size))
            .unwrap_or(full)
    }

    /// The size to ask for when some `differences` are expected and `tried` was too small: the
    /// smallest divisor of `full` with enough cells, which is 1.23 for each of many differences,
    /// and more for few. `None` if no table is large enough.
    ///
    /// An estimate from `n` cells is off by some sqrt(2/n) of itself. So many differences are
    /// estimated once more, from a table of a size that does not count then, before a large table
    /// is asked for that might be too small.
    pub(crate) fn size_for(differences: usize, tried: usize, full: usize) -> Option<usize> {
        let percent = match differences {
            MANY.. if tried < REFINED => {
                return (tried + 1..=full)
                    .find(|&size| full.is_multiple_of(size) && size >= REFINED);
            }
            MANY.. => 138,
            _ => 150,
        };
        let wanted = differences.saturating_mul(percent) / 100 + 24;
        (tried + 1..=full).find(|&size| full.is_multiple_of(size) && TABLES * size >= wanted)
    }

    /// Whether a peer may ask for this size.
    pub(crate) fn is_size(size: usize) -> bool {
        (8..=Self::FULL).contains(&size) && Self::FULL.is_multiple_of(size)
    }

    /// Encodes cells from number `from` on, as many as fit into `room` bytes.
    pub(crate) fn encode(&self, from: usize, room: usize, out: &mut Vec<u8>) {
        let limit = out.len() + room;
        let mut cell_bytes = Vec::with_capacity(20);
        for cell in self.cells.iter().skip(from) {
            cell_bytes.clear();
            cell_bytes.varint(u64::from(cell.count as u32));
            cell_bytes.extend_from_slice(&cell.check.to_le_bytes()[..3]);
            cell_bytes.extend_from_slice(&cell.ids.to_le_bytes()[..ID_BYTES]);
            if out.len() + cell_bytes.len() > limit {
                break;
            }
            out.extend_from_slice(&cell_bytes);
        }
    }

    /// Reads cells from number `from` on into this table; returns the number of the first that is
    /// still missing.
    pub(crate) fn decode(
        &mut self,
        from: usize,
        reader: &mut Reader<'_>,
    ) -> Result<usize, Malformed> {
        let mut at = from;
        while !reader.is_empty() {
            let count = u32::try_from(reader.varint()?).map_err(|_| Malformed)?;
            let cell = self.cells.get_mut(at).ok_or(Malformed)?;
            *cell = Cell {
                count: count as i32,
                check: reader.low_bytes(3)? as u32,
                ids: reader.low_bytes(ID_BYTES)?,
            };
            at += 1;
        }
        Ok(at)
    }

    /// What is in this set and not in the other, and the other way round.
    pub(crate) fn difference(&self, other: &Self) -> Difference {
        debug_assert_eq!(self.size, other.size);
        let mut rest = self.clone();
        for (cell, other) in rest.cells.iter_mut().zip(&other.cells) {
            cell.count = cell.count.wrapping_sub(other.count);
            cell.check ^= other.check;
            cell.ids ^= other.ids;
        }
        let estimate = rest.estimate();
        let mut difference = Difference {
            estimate,
            ..Difference::default()
        };
        let mut queue: Vec<usize> = (0..rest.cells.len()).collect();
        // Each element leaves at most once in honest tables; a forged table must not keep us here.
        let mut budget = rest.cells.len();
        while let Some(at) = queue.pop() {
            let Cell {
                count,
                check: found,
                ids,
            } = rest.cells[at];
            if !matches!(count, 1 | -1) {
                continue;
            }
            let spread = spread(ids);
            if found != spread.1 {
                continue;
            }
            if budget == 0 {
                return difference;
            }
            budget -= 1;
            if count == 1 {
                &mut difference.ours
            } else {
                &mut difference.theirs
            }
            .push(ids);
            rest.touch(ids, spread, -count);
            for (table, place) in spread.0.into_iter().enumerate() {
                queue.push(rest.cell(table, place));
            }
        }
        difference.complete = rest.cells.iter().all(|cell| *cell == Cell::default());
        difference
    }

    /// About how many elements differ: the variance of the cells' counts, which is right for any
    /// mixture of both directions.
    fn estimate(&self) -> usize {
        let mut sum = 0.0;
        for table in self.cells.chunks_exact(self.size) {
            let counts = table.iter().map(|cell| f64::from(cell.count));
            let (total, squares) = counts.fold((0.0, 0.0), |(t, s), c| (t + c, s + c * c));
            let spread = 1.0 - 1.0 / self.size as f64;
            sum += ((squares - total * total / self.size as f64) / spread).max(total.abs());
        }
        (sum / TABLES as f64).ceil() as usize
    }
}

/// The outcome of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Ids that only this side has; as far as they could be told.
    pub(crate) ours: Vec<u64>,
    /// Ids that only the other side has.
    pub(crate) theirs: Vec<u64>,
    /// Whether these are all.
    pub(crate) complete: bool,
    /// About how many there are.
    pub(crate) estimate: usize,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn id(seed: u64) -> u64 {
        mix(seed, 100) >> 8
    }

    fn sketch(seeds: impl Iterator<Item = u64>) -> Sketch {
        let mut sketch = Sketch::new(Sketch::FULL);
        seeds.for_each(|seed| sketch.insert(id(seed)));
        sketch
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_table_of_the_proposed_size_tells_all_differences(common in 0..3000_u64, ours in 0..400_u64, theirs in 0..400_u64, salt: u64) {
            let salted = |range: core::ops::Range<u64>| range.map(move |i| salt.wrapping_add(i));
            let a = sketch(salted(0..common + ours));
            let b = sketch(salted(0..common).chain(salted(10_000..10_000 + theirs)));
            let first = a.folded(80).difference(&b.folded(80));
            let actual = (ours + theirs) as usize;
            prop_assert!(first.complete || first.estimate * 2 > actual && first.estimate < 2 * actual + 16, "{} for {}", first.estimate, actual);
            let size = Sketch::size_for(actual, 0, Sketch::FULL).unwrap();
            let found = a.folded(size).difference(&b.folded(size));
            let all = |range: core::ops::Range<u64>| salted(range).map(id).collect::<std::collections::HashSet<_>>();
            let (expected_ours, expected_theirs) = (all(common..common + ours), all(10_000..10_000 + theirs));
            prop_assert!(found.ours.iter().all(|id| expected_ours.contains(id)));
            prop_assert!(found.theirs.iter().all(|id| expected_theirs.contains(id)));
            // Two elements in the same three cells stay undecided, here once in some hundred runs.
            let missing = actual - found.ours.len() - found.theirs.len();
            prop_assert!(missing <= 4 && found.complete == (missing == 0), "{} missing", missing);
        }
    }

    #[test]
    fn folding_gives_the_table_that_the_smaller_size_would_have() {
        let full = sketch(0..500);
        for size in [8, 12, 16, 48, 13_860] {
            let mut direct = Sketch::new(size);
            (0..500).for_each(|seed| direct.insert(id(seed)));
            assert_eq!(full.folded(size), direct);
        }
    }

    #[test]
    fn removing_everything_leaves_an_empty_table_and_bytes_bring_it_back_in_parts() {
        let mut table = sketch(0..100);
        let folded = table.folded(48);
        let mut back = Sketch::new(48);
        let mut at = 0;
        while at < back.len() {
            let mut part = Vec::new();
            folded.encode(at, 200, &mut part);
            assert!(part.len() <= 200);
            at = back.decode(at, &mut Reader::new(&part)).unwrap();
        }
        assert_eq!(back, folded);
        (0..100).for_each(|seed| table.remove(id(seed)));
        assert_eq!(table, Sketch::new(Sketch::FULL));
    }

    #[test]
    fn of_two_versions_of_one_entry_only_the_newer_travels() {
        let id = |place, version| super::id(place, version, &[7; 16]);
        let ours = [id(1, 5), id(2, 4_100), id(3, 1)];
        let theirs = [id(1, 6), id(2, 4_095), id(4, 1)];
        assert_eq!(
            newer(&ours, &theirs),
            (vec![ours[1], ours[2]], vec![theirs[0], theirs[2]])
        );
        let (a, b) = (super::id(1, 5, &[7; 16]), super::id(1, 5, &[8; 16]));
        assert_eq!(
            newer(&[a], &[b]),
            (vec![a], vec![b]),
            "a contradiction has to be seen by both"
        );
    }
}
