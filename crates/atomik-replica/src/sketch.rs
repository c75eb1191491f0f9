//! Rateless cells: they tell the difference of two sets of entries, from as many cells of each set
//! as the difference needs.
//!
//! A set is a map from *places*, which stand for a key and an origin, to *weights*, which stand for
//! a version. An entry that is missing has weight 0. A cell is the sum, modulo 2^64, of
//! `weight * (code * 2^16 + 1)` over the entries in it, where `code` is the place followed by 16
//! bits of check. So the difference of the same cell of two sets holds only what differs, and an
//! entry that differs in its version counts once. If it is alone in the cell, the low 16 bits are
//! the difference of the weights, and dividing the rest by it yields the code.
//!
//! Every entry is in one cell of each of three subtables. A subtable grows as a linear hash table
//! does (Litwin 1980): cell `i` with `2^k <= i < 2^(k+1)` holds the entries whose hash has `i` in
//! its low `k + 1` bits, and takes them away from the cell without bit `k`. So there is one endless
//! sequence of cells, of which any prefix can be decoded by peeling (Eppstein, Goodrich, Uyeda,
//! Varghese, "What's the Difference?", SIGCOMM 2011), if it has 1.22 to 1.29 cells for each of many
//! differences; and whoever needs more cells asks for the next ones. The table in memory is the
//! finest level, in which an entry takes three additions. All prefixes are folded from it.
//!
//! A cell with several differences is mistaken for one with a single difference with probability
//! 2^-16, if the place belongs in this cell, so about 2^-16 / m with `m` cells in a subtable. Then
//! cells remain, more are requested, and the mistake does not repeat itself.
//!
//! Places are hashes keyed with the keyspace's secret, so outsiders cannot choose colliding ones. A
//! member can, and so make two replicas believe that they agree; it cannot make either accept a
//! forged change.

use std::collections::HashMap;

use crate::codec::{Encode, Malformed, Reader};
use crate::entry::Tag;

/// The number of subtables.
const TABLES: usize = 3;

/// Cells with the same number in all subtables.
pub(crate) type Row = [u64; TABLES];

/// Bytes of a row on the wire.
pub(crate) const ROW_BYTES: usize = TABLES * 8;

/// Bits of a weight that come from the version, above those from the tag.
const VERSION_BITS: u32 = 10;
const TAG_BITS: u32 = 5;

/// Cells per level of an [`Opening`], and the binary logarithm of the first level's first cell.
const LEVEL: usize = 32;
const FIRST_LEVEL: u32 = 6;

/// Rows of an [`Opening`].
pub(crate) const FIRST_ROWS: usize = 16;

/// The weight of a version of an entry: 10 bits of the version and 5 of the tag, so 1 to 2^15 - 1.
///
/// If A has weight a and B weight b < a, A's version is taken for the newer. This fails if a
/// multiple of 1024 lies between the versions. Then an older version travels, and its receiver
/// answers with the newer one. Two versions have the same weight with probability 2^-15 if they
/// are 1024 or more apart, and never if they are less. Such a difference does not show in the
/// cells, but in the sum that accompanies them.
pub(crate) fn weight(version: u64, tag: &Tag) -> u16 {
    let version = (version & ((1 << VERSION_BITS) - 1)) as u16;
    let tag = u16::from(tag[0]) & ((1 << TAG_BITS) - 1);
    (version << TAG_BITS | tag).max(1)
}

/// A place and 16 bits of check, given the place's hash.
fn code(place: u32, hash: u64) -> u64 {
    let check = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    check << 32 | u64::from(place)
}

/// What an entry of this weight adds to its cells.
fn summand(place: u32, hash: u64, weight: i32) -> u64 {
    (i64::from(weight) as u64).wrapping_mul(code(place, hash) << 16 | 1)
}

/// The only difference in a cell, if there is only one: its place, the place's hash, and our weight
/// less theirs.
fn single(cell: u64) -> Option<(u32, u64, i32)> {
    let weight = i64::from(cell as u16 as i16);
    if weight == 0 {
        return None;
    }
    let product = cell.wrapping_sub(weight as u64) >> 16;
    // An even weight hides as many of the code's high bits as it is divisible by 2, and leaves as
    // many low bits of the product 0: altogether 16 bits of check. The place is never hidden.
    let even = weight.trailing_zeros();
    if product.trailing_zeros() < even {
        return None;
    }
    let shown = (1 << (48 - even)) - 1;
    let found = (product >> even).wrapping_mul(inverse((weight >> even) as u64)) & shown;
    let place = found as u32;
    let hash = spread(place);
    (found == code(place, hash) & shown).then_some((place, hash, weight as i32))
}

/// The inverse of an odd number modulo 2^64, by Newton's method: 3 bits are right at first, and
/// their number doubles each time.
fn inverse(odd: u64) -> u64 {
    (0..5).fold(odd, |x, _| {
        x.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(x)))
    })
}

/// A hash with [`HASH_BITS`] for each subtable: the finalizer of splitmix64 (Steele, Lea, Flood
/// 2014).
fn spread(place: u32) -> u64 {
    let mut z = u64::from(place).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

const HASH_BITS: u32 = 21;

/// The cell of a subtable with `cells` cells in which a place with this hash belongs.
fn cell(hash: u64, table: usize, cells: usize) -> usize {
    let hash = (hash >> (HASH_BITS * table as u32)) as usize;
    let whole = cells.next_power_of_two();
    let at = hash & (whole - 1);
    if at < cells { at } else { at - whole / 2 }
}

/// Encodes places, in ascending order, into message bodies of at most `room` bytes: each as its
/// distance from the one before.
pub(crate) fn encode_places(places: &[u32], room: usize) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    let (mut body, mut next) = (Vec::new(), 0);
    for &place in places {
        if body.len() + 5 > room {
            bodies.push(core::mem::take(&mut body));
            next = 0;
        }
        body.varint(u64::from(place).saturating_sub(next));
        next = u64::from(place) + 1;
    }
    if !body.is_empty() {
        bodies.push(body);
    }
    bodies
}

/// Decodes a message body of places; they are in ascending order.
pub(crate) fn decode_places(reader: &mut Reader<'_>) -> Result<Vec<u32>, Malformed> {
    let mut places = Vec::new();
    let mut next = 0_u64;
    while !reader.is_empty() {
        let place = next + u64::from(reader.u32()?);
        places.push(u32::try_from(place).map_err(|_| Malformed)?);
        next = place + 1;
    }
    Ok(places)
}

/// The cells of a set at the finest level kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sketch {
    /// Rows; a power of two.
    size: usize,
    /// One subtable after the other.
    cells: Vec<u64>,
}

impl Sketch {
    /// The smallest and the largest number of rows.
    pub(crate) const SMALLEST: usize = 64;
    pub(crate) const LARGEST: usize = 1 << HASH_BITS;

    /// Cells of an empty set.
    pub(crate) fn new(size: usize) -> Self {
        debug_assert!(size.is_power_of_two() && size <= Self::LARGEST);
        Self {
            size,
            cells: vec![0; TABLES * size],
        }
    }

    /// The number of rows.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Adds `weight` to the weight of a place.
    pub(crate) fn add(&mut self, place: u32, weight: i32) {
        let hash = spread(place);
        let summand = summand(place, hash, weight);
        for table in 0..TABLES {
            let at = (hash >> (HASH_BITS * table as u32)) as usize & (self.size - 1);
            let cell = &mut self.cells[table * self.size + at];
            *cell = cell.wrapping_add(summand);
        }
    }

    /// The first cells of a subtable's sequence; at most [`size`](Self::size).
    fn sequence(&self, table: usize, count: usize) -> Vec<u64> {
        let count = count.min(self.size);
        let mut half = count.next_power_of_two();
        let mut cells = vec![0_u64; half];
        let finest = &self.cells[table * self.size..][..self.size];
        for level in finest.chunks_exact(half) {
            for (cell, finer) in cells.iter_mut().zip(level) {
                *cell = cell.wrapping_add(*finer);
            }
        }
        while half > 1 {
            half /= 2;
            let (coarse, fine) = cells.split_at_mut(half);
            for (cell, finer) in coarse.iter_mut().zip(&fine[..half]) {
                *cell = cell.wrapping_add(*finer);
            }
        }
        cells.truncate(count);
        cells
    }

    /// The first rows of the sequence; at most [`size`](Self::size).
    pub(crate) fn rows(&self, count: usize) -> Vec<Row> {
        let tables: [_; TABLES] = core::array::from_fn(|table| self.sequence(table, count));
        (0..tables[0].len())
            .map(|at| core::array::from_fn(|table| tables[table][at]))
            .collect()
    }

    /// What is sent unasked.
    pub(crate) fn opening(&self) -> Opening {
        let sequence = self.sequence(0, self.size);
        let levels = (FIRST_LEVEL..HASH_BITS)
            .step_by(2)
            .map(|level| 1_usize << level)
            .take_while(|&first| 2 * first <= self.size);
        Opening {
            levels: levels
                .flat_map(|first| &sequence[first..first + LEVEL])
                .map(|cell| *cell as u8)
                .collect(),
            rows: self.rows(FIRST_ROWS),
        }
    }
}

/// Enough to decode some 20 differences and to estimate larger numbers: the first rows, and of
/// every other level of the first subtable 32 cells of one byte each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Opening {
    pub(crate) levels: Vec<u8>,
    pub(crate) rows: Vec<Row>,
}

impl Opening {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push((self.levels.len() / LEVEL) as u8);
        out.extend_from_slice(&self.levels);
        encode_rows(&self.rows, out);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let levels = usize::from(reader.u8()?);
        let levels = reader.bytes(levels * LEVEL)?.to_vec();
        let rows = reader.bytes(FIRST_ROWS * ROW_BYTES)?;
        let rows = decode_rows(&mut Reader::new(rows))?;
        Ok(Self { levels, rows })
    }

    /// What the levels of two sets tell of the number of their differences.
    pub(crate) fn evidence(&self, theirs: &Self) -> Vec<Evidence> {
        let levels = self.levels.chunks_exact(LEVEL);
        levels
            .zip(theirs.levels.chunks_exact(LEVEL))
            .zip((FIRST_LEVEL..).step_by(2))
            .map(|((ours, theirs), level)| {
                let equal = ours.iter().zip(theirs).filter(|(a, b)| a == b).count();
                Evidence {
                    one_in: 2 << level,
                    equal,
                    unequal: LEVEL - equal,
                }
            })
            .collect()
    }
}

/// Encodes rows.
pub(crate) fn encode_rows(rows: &[Row], out: &mut Vec<u8>) {
    for cell in rows.as_flattened() {
        out.extend_from_slice(&cell.to_le_bytes());
    }
}

/// Decodes rows to the end.
pub(crate) fn decode_rows(reader: &mut Reader<'_>) -> Result<Vec<Row>, Malformed> {
    let mut rows = Vec::with_capacity(reader.rest().len() / ROW_BYTES);
    while !reader.is_empty() {
        rows.push([reader.u64()?, reader.u64()?, reader.u64()?]);
    }
    Ok(rows)
}

/// How many of some cells are equal in two sets, if one in so many differences falls into a given
/// one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Evidence {
    one_in: u64,
    equal: usize,
    unequal: usize,
}

/// The most likely number of differences, from the cells that are equal (Whang, Vander-Zanden,
/// Taylor, "A linear-time probabilistic counting algorithm", 1990, for several probabilities).
pub(crate) fn estimate(evidence: &[Evidence]) -> usize {
    // The derivative of the logarithm of the likelihood, which falls.
    let rises = |differences: f64| {
        let slopes = evidence.iter().map(|e| {
            let share = 1.0 / e.one_in as f64;
            let missed = (-differences * share).exp();
            share * (e.unequal as f64 * missed / (1.0 - missed) - e.equal as f64)
        });
        slopes.sum::<f64>() > 0.0
    };
    let (mut low, mut high) = (1_u64, 1_u64 << 32);
    while high - low > low / 64 {
        let middle = low + (high - low) / 2;
        if rises(middle as f64) {
            low = middle;
        } else {
            high = middle;
        }
        if high - low <= 1 {
            break;
        }
    }
    low as usize
}

/// The number of rows that almost always decode a number of differences: 1.3 cells for each of many
/// differences, and more for few.
pub(crate) fn rows_for(differences: usize) -> usize {
    let d = differences as f64;
    ((1.3 * d + 2.0 * d.sqrt() + 6.0) / TABLES as f64).ceil() as usize
}

/// The difference of two sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Places of which we have the newer version, ascending.
    pub(crate) ours: Vec<u32>,
    /// Places of which they have the newer version, ascending.
    pub(crate) theirs: Vec<u32>,
    /// Whether there are no others.
    pub(crate) complete: bool,
    /// What the cells tell of the number of differences.
    pub(crate) evidence: Vec<Evidence>,
}

impl Difference {
    /// Decodes the first rows of two sets, equally many.
    pub(crate) fn decode(ours: &[Row], theirs: &[Row]) -> Self {
        let mut rows: Vec<Row> = ours
            .iter()
            .zip(theirs)
            .map(|(ours, theirs)| core::array::from_fn(|t| ours[t].wrapping_sub(theirs[t])))
            .collect();
        let count = rows.len();
        // From the sequence of cells to a table of this size.
        let mut half = 1;
        while half < count {
            for at in 0..half.min(count - half) {
                let finer = rows[at + half];
                for (cell, finer) in rows[at].iter_mut().zip(finer) {
                    *cell = cell.wrapping_sub(finer);
                }
            }
            half *= 2;
        }
        let mut difference = Self {
            evidence: evidence(&rows),
            ..Self::default()
        };
        // A place is found only once, so forged cells cannot keep this going.
        let mut found = HashMap::new();
        let mut queue: Vec<_> = (0..count)
            .flat_map(|at| (0..TABLES).map(move |table| (at, table)))
            .collect();
        while let Some((at, table)) = queue.pop() {
            let Some((place, hash, weight)) = single(rows[at][table]) else {
                continue;
            };
            if cell(hash, table, count) != at || found.contains_key(&place) {
                continue;
            }
            found.insert(place, weight);
            let summand = summand(place, hash, weight);
            let cells = (0..TABLES).map(|table| (cell(hash, table, count), table));
            for (at, table) in cells {
                rows[at][table] = rows[at][table].wrapping_sub(summand);
                queue.push((at, table));
            }
        }
        difference.complete = rows.iter().all(|row| *row == [0; TABLES]);
        for (place, weight) in found {
            if weight > 0 {
                difference.ours.push(place);
            } else {
                difference.theirs.push(place);
            }
        }
        difference.ours.sort_unstable();
        difference.theirs.sort_unstable();
        difference
    }

    /// The number of places found.
    pub(crate) fn found(&self) -> usize {
        self.ours.len() + self.theirs.len()
    }
}

/// What a table of differences tells of their number. Cells that are not split yet get twice as
/// many as others.
fn evidence(rows: &[Row]) -> Vec<Evidence> {
    let whole = rows.len().next_power_of_two();
    let half = whole / 2;
    let mut kinds = [whole, half.max(1)].map(|cells| Evidence {
        one_in: cells as u64,
        equal: 0,
        unequal: 0,
    });
    for (at, row) in rows.iter().enumerate() {
        let split = at >= half || at + half < rows.len();
        let kind = &mut kinds[usize::from(!split)];
        let equal = row.iter().filter(|cell| **cell == 0).count();
        kind.equal += equal;
        kind.unequal += TABLES - equal;
    }
    kinds.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    /// A pseudorandom number, as tags and places are.
    fn hash(seed: u64) -> u64 {
        let mut z = seed.wrapping_add(1).wrapping_mul(0xd6e8_feb8_6659_fd93);
        z = (z ^ z >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        z ^ z >> 29
    }

    fn place(seed: u64) -> u32 {
        (hash(seed) >> 32) as u32
    }

    fn weight_of(seed: u64, version: u64) -> i32 {
        let tag = u128::from(hash(seed ^ version << 40)).to_le_bytes();
        i32::from(weight(version, &tag))
    }

    fn sketch(size: usize, entries: impl IntoIterator<Item = (u64, u64)>) -> Sketch {
        let mut sketch = Sketch::new(size);
        for (seed, version) in entries {
            sketch.add(place(seed), weight_of(seed, version));
        }
        sketch
    }

    /// Reconciles as an exchange does; returns what was found and the number of rows.
    fn reconcile(ours: &Sketch, theirs: &Sketch) -> (Difference, usize) {
        let mut rows = FIRST_ROWS;
        let levels = ours.opening().evidence(&theirs.opening());
        loop {
            let size = ours.size();
            let difference = Difference::decode(&ours.rows(rows), &theirs.rows(rows));
            if difference.complete || rows == size {
                return (difference, rows);
            }
            let evidence = [&levels[..], &difference.evidence].concat();
            let wanted = rows_for(estimate(&evidence) * 2 / 3);
            rows = wanted.max(rows + rows / 8 + 1).min(size);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 64,
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Any two sets reconcile: entries that one side lacks, and entries of which one side has
        /// a newer version, with a bound on the cells.
        #[test]
        fn any_two_sets_are_told_apart_with_few_cells(
            salt in any::<u64>(),
            common in 0..2000_u64,
            sizes in prop::array::uniform4(0..600_u64),
        ) {
            let [ours, theirs, newer, older] = sizes;
            let seed = |n: u64| hash(salt) ^ n;
            let all = common..common + newer;
            let olds = common + 1000..common + 1000 + older;
            let shared: Vec<_> = (0..common).map(|n| (seed(n), 3)).collect();
            let of = |range: core::ops::Range<u64>, version: u64| {
                range.map(move |n| (seed(n), version)).collect::<Vec<_>>()
            };
            let lone = 5000..5000 + ours;
            let foreign = 9000..9000 + theirs;
            let mine = [
                shared.clone(), of(all.clone(), 9), of(olds.clone(), 7), of(lone.clone(), 1),
            ].concat();
            let others = [
                shared, of(all.clone(), 8), of(olds.clone(), 9), of(foreign.clone(), 1),
            ].concat();
            let (found, rows) = reconcile(&sketch(4096, mine), &sketch(4096, others));
            prop_assert!(found.complete);
            let places = |ranges: [core::ops::Range<u64>; 2]| {
                let mut places: Vec<_> =
                    ranges.into_iter().flatten().map(|n| place(seed(n))).collect();
                places.sort_unstable();
                places
            };
            prop_assert_eq!(&found.ours, &places([all, lone]));
            prop_assert_eq!(&found.theirs, &places([olds, foreign]));
            let differences = ours + theirs + newer + older;
            let most = 48 + (differences * 3 / 2) as usize + differences.isqrt() as usize * 12;
            prop_assert!(TABLES * rows <= most, "{rows} rows for {differences}");
        }

        #[test]
        fn places_round_trip(mut places in prop::collection::btree_set(any::<u32>(), 0..99))
        {
            places.extend([0, u32::MAX]);
            let places: Vec<_> = places.into_iter().collect();
            let bodies = encode_places(&places, 40);
            prop_assert!(bodies.iter().all(|body| body.len() <= 40));
            let decode = |body: &Vec<u8>| decode_places(&mut Reader::new(body)).unwrap();
            let back = bodies.iter().flat_map(decode);
            prop_assert_eq!(back.collect::<Vec<_>>(), places);
        }
    }

    #[test]
    fn estimates_are_close() {
        for exponent in 5..14 {
            let differences = 1_u64 << exponent;
            let (mut sum, trials) = (0.0, 20);
            for trial in 0..trials {
                let salt = hash(trial) << 20;
                let ours = sketch(32_768, (0..differences).map(|n| (salt ^ n, 1 + trial)));
                let levels = ours.opening().evidence(&Sketch::new(32_768).opening());
                let error = estimate(&levels) as f64 / differences as f64 - 1.0;
                sum += error * error;
                let rows = rows_for(differences as usize) * 4 / 5;
                let cells = Difference::decode(&ours.rows(rows), &vec![[0; 3]; rows]).evidence;
                let error = estimate(&cells) as f64 / differences as f64 - 1.0;
                assert!(error.abs() < 6.0 / (differences as f64).sqrt(), "{error}");
            }
            let deviation = (sum / trials as f64).sqrt();
            assert!(deviation < 0.4, "{deviation} for {differences}");
        }
    }

    #[test]
    fn a_prefix_is_the_same_whatever_the_size_and_nothing_remains_of_what_was_removed() {
        let entries = || (0..500).map(|n| (n, n + 1));
        let mut large = sketch(4096, entries());
        for count in [1, 2, 7, 16, 100, 128] {
            assert_eq!(large.rows(count), sketch(128, entries()).rows(count));
        }
        for (seed, version) in entries() {
            large.add(place(seed), -weight_of(seed, version));
        }
        assert_eq!(large, Sketch::new(4096));
    }

    #[test]
    fn an_opening_round_trips_and_no_part_of_one_does() {
        for size in [64, 128, 4096] {
            let opening = sketch(size, (0..99).map(|n| (n, 1))).opening();
            let mut bytes = Vec::new();
            opening.encode(&mut bytes);
            assert_eq!(Opening::decode(&mut Reader::new(&bytes)), Ok(opening));
            for cut in 0..bytes.len() {
                assert_eq!(
                    Opening::decode(&mut Reader::new(&bytes[..cut])),
                    Err(Malformed)
                );
            }
        }
    }

    #[test]
    fn a_single_difference_is_recognized_and_most_others_are_not() {
        for place in [0, 1, 77, u32::MAX] {
            for weight in [1, -1, 32_767, -32_767, 16_384, -16_384, 300] {
                let hash = spread(place);
                let cell = summand(place, hash, weight);
                assert_eq!(single(cell), Some((place, hash, weight)));
            }
        }
        let mistaken = (0..100_000_u64)
            .filter(|&n| {
                let pair = [2 * n, 2 * n + 1].map(|seed| {
                    let (place, weight) = (place(seed), weight_of(seed, n % 3 + 1));
                    summand(place, spread(place), weight)
                });
                single(pair[0].wrapping_add(pair[1])).is_some()
            })
            .count();
        assert!(mistaken < 12, "{mistaken} of 100,000, with 1.5 expected");
    }

    #[test]
    fn weights_tell_versions_apart_that_are_close() {
        let tag = |n: u64| u128::from(hash(n)).to_le_bytes();
        for version in 1..3000 {
            for ahead in [1, 2, 500, 1023] {
                let newer = version + ahead;
                assert_ne!(weight(version, &tag(version)), weight(newer, &tag(newer)));
            }
            assert!((1..1 << 15).contains(&weight(version, &[0; 16])));
        }
    }

    #[test]
    fn garbage_ends() {
        for rows in [16, 100, 1000] {
            let garbage: Vec<Row> = (0..rows).map(|n| [hash(n), hash(n + 9000), 7]).collect();
            let found = Difference::decode(&garbage, &vec![[0; 3]; rows as usize]);
            assert!(!found.complete && found.found() <= 3 * rows as usize);
        }
    }
}
