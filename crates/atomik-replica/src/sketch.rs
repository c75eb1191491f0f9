//! An invertible Bloom lookup table: computes the difference of two sets of ids from a few cells of
//! each.
//!
//! Every change of a set updates three cells of its table. A subtable has at most [`Sketch::FULL`]
//! cells. A cell's place is a remainder, so a table whose size is a divisor is obtained by folding,
//! without a pass over the set. Subtraction and decoding follow Eppstein, Goodrich, Uyeda and
//! Varghese, "What's the Difference? Efficient Set Reconciliation without Prior Context", SIGCOMM
//! 2011.
//!
//! Ids are hashes keyed with the keyspace's secret, so outsiders cannot choose colliding ids. A
//! member can, and so make two replicas believe that they agree; it cannot make either accept a
//! forged change.

use std::collections::HashMap;

use crate::codec::{Encode, Malformed, Reader};
use crate::entry::Tag;

const TABLES: usize = Sketch::TABLES;

/// From this estimate on, the number of differences is estimated again from subtables of
/// [`REFINED`] cells.
const MANY: usize = 5000;
const REFINED: usize = 280;

/// A cell: the number of its elements, the xor of their ids, and the xor of their checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Cell {
    count: i32,
    check: u32,
    ids: u64,
}

/// Bytes of an id on the wire.
pub(crate) const ID_BYTES: usize = 7;

/// The number of low bits of an id that come from the tag.
pub(crate) const TAG_BITS: u32 = 12;

/// The low bits of an id that come from the tag.
pub(crate) fn tag_bits(tag: &Tag) -> u64 {
    u64::from(u16::from_le_bytes([tag[0], tag[1]])) & ((1 << TAG_BITS) - 1)
}

/// The id that represents an entry in the cells: 32 bits of a keyed hash of key and origin, 12 bits
/// of the version, 12 bits of the entry's tag.
///
/// Two ids of the same entry show which is newer, so only the newer version has to travel. This
/// fails if the versions are more than 2047 apart or two entries share the hash. Then an older
/// version travels, and the receiver answers a `Repair` with its newer one. Two versions with the
/// same id are invisible in the cells, but not in the sum that accompanies them.
pub(crate) fn id(place: u32, version: u64, tag: &Tag) -> u64 {
    u64::from(place) << 24 | (version & 0xfff) << 12 | tag_bits(tag)
}

/// Encodes ids into message bodies of at most `room` bytes.
pub(crate) fn encode_ids(ids: &[u64], room: usize) -> Vec<Vec<u8>> {
    ids.chunks(room / ID_BYTES)
        .map(|ids| {
            ids.iter()
                .flat_map(|id| id.to_le_bytes().into_iter().take(ID_BYTES))
                .collect()
        })
        .collect()
}

/// Decodes a message body of ids.
pub(crate) fn decode_ids(reader: &mut Reader<'_>) -> Result<Vec<u64>, Malformed> {
    let mut ids = Vec::with_capacity(reader.rest().len() / ID_BYTES);
    while !reader.is_empty() {
        ids.push(reader.low_bytes(ID_BYTES)?);
    }
    Ok(ids)
}

/// Given the ids that only one side has: the ids of ours to send, and those of theirs to fetch.
pub(crate) fn newer(ours: &[u64], theirs: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let place = |id: u64| (id >> 24) as u32;
    // In the high 12 of 16 bits, so that a difference has the right sign.
    let version = |id: u64| ((id >> 12) as u16) << 4;
    let latest = |ids: &[u64], others: &[u64]| {
        let others: HashMap<u32, u16> = others.iter().map(|&id| (place(id), version(id))).collect();
        let wanted = ids.iter().copied().filter(|&id| {
            // Serial number arithmetic: the signed difference tells which is newer. Equal versions
            // contradict each other, and both travel.
            others
                .get(&place(id))
                .is_none_or(|&other| version(id).wrapping_sub(other) as i16 >= 0)
        });
        wanted.collect()
    };
    (latest(ours, theirs), latest(theirs, ours))
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014) applied to an id and a domain separator.
fn mix(id: u64, purpose: u64) -> u64 {
    let mut z = id ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// The cells of an id in the subtables of the largest table, and its check. They take 32 bits per
/// subtable and 24 bits from two 64-bit hashes.
///
/// A cell with several elements is mistaken for one with a single element with probability 2^-24.
/// Then some ids are decoded that nobody has.
fn spread(id: u64) -> ([usize; TABLES], u32) {
    let (first, second) = (mix(id, 0), mix(id, 1));
    // The high half of a product is cheaper than a remainder, and as uniform to one part in 2^15.
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
    /// The number of subtables.
    pub(crate) const TABLES: usize = 3;

    /// The largest size of a subtable, from which all smaller ones can be folded. It has 144
    /// divisors, so one is close to any desired size.
    pub(crate) const FULL: usize = 110_880;

    /// An empty table; `size` divides [`FULL`](Self::FULL).
    pub(crate) fn new(size: usize) -> Self {
        debug_assert!(Self::FULL.is_multiple_of(size));
        Self {
            size,
            cells: vec![Cell::default(); TABLES * size],
        }
    }

    /// The number of cells in a subtable.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The number of cells in all subtables.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The cell of this table onto which a place in a subtable of the largest table is folded.
    fn cell(&self, table: usize, place: usize) -> usize {
        // Division by a run-time value would take as long as everything else.
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

    /// The table of the same set with another size, which must divide this one's.
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

    /// The size of the first sketch sent from a table of size `full`. It decodes about 150
    /// differences and estimates larger numbers. The desired size is 80, but it must divide `full`.
    pub(crate) fn first_size(full: usize) -> usize {
        const DESIRED: usize = 80;
        (1..=DESIRED)
            .rev()
            .find(|&size| full.is_multiple_of(size))
            .unwrap_or(full)
    }

    /// The size to request when about `differences` are expected and the size `tried` was too
    /// small: the smallest divisor of `full` with enough cells. Many differences need 1.23 cells
    /// each, few need more. `None` if no table is large enough.
    ///
    /// An estimate from `n` cells has a relative error of about sqrt(2/n). A large number is
    /// therefore estimated again from a table of moderate size before requesting a large one that
    /// might be too small.
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

    /// Whether a subtable may have this size.
    pub(crate) fn is_size(size: usize) -> bool {
        (8..=Self::FULL).contains(&size) && Self::FULL.is_multiple_of(size)
    }

    /// Encodes the cells from number `from` on, as many as fit in `room` bytes.
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

    /// Decodes cells into this table from number `from` on; returns the number of the first cell
    /// that is still missing.
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

    /// The elements that are in only one of two sets.
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
        // In honest tables each element is removed at most once. A forged one must not loop
        // forever.
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

    /// An estimate of the number of differing elements: the variance of the cells' counts, which
    /// does not depend on which side has them.
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

/// The difference of two sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The ids that only this side has, as far as they could be decoded.
    pub(crate) ours: Vec<u64>,
    /// The ids that only the other side has, as far as they could be decoded.
    pub(crate) theirs: Vec<u64>,
    /// Whether all differences were decoded.
    pub(crate) complete: bool,
    /// An estimate of the number of differences.
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
        fn a_table_of_the_proposed_size_decodes_all_differences(
            common in 0..3000_u64, ours in 0..400_u64, theirs in 0..400_u64, salt: u64
        ) {
            let salted = |range: core::ops::Range<u64>| range.map(move |i| salt.wrapping_add(i));
            let a = sketch(salted(0..common + ours));
            let b = sketch(salted(0..common).chain(salted(10_000..10_000 + theirs)));
            let first = a.folded(80).difference(&b.folded(80));
            let actual = (ours + theirs) as usize;
            let close = first.estimate * 2 > actual && first.estimate < 2 * actual + 16;
            prop_assert!(first.complete || close, "{} for {}", first.estimate, actual);
            let size = Sketch::size_for(actual, 0, Sketch::FULL).unwrap();
            let found = a.folded(size).difference(&b.folded(size));
            let all = |range: core::ops::Range<u64>| {
                salted(range).map(id).collect::<std::collections::HashSet<_>>()
            };
            let expected_ours = all(common..common + ours);
            let expected_theirs = all(10_000..10_000 + theirs);
            prop_assert!(found.ours.iter().all(|id| expected_ours.contains(id)));
            prop_assert!(found.theirs.iter().all(|id| expected_theirs.contains(id)));
            // Two elements with the same three cells cannot be decoded, which happens about once in
            // a few hundred runs.
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
    fn a_table_round_trips_in_parts_and_is_empty_when_everything_is_removed() {
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
    fn only_the_newer_of_two_versions_travels() {
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
            "both sides must see a contradiction"
        );
    }
}
