//! Combining whole slices: in blocks, and on all cores when the slices are large.

use crate::Group;
use crate::arithmetic::Arithmetic;

/// Bytes of the destination that are processed at a time, so that they stay in the L1 cache while
/// several sources are combined into them.
const BLOCK_BYTES: usize = 16 << 10;

/// The smallest slice, in bytes, that is split between threads. Handing tasks to a pool costs 3 to
/// 8 microseconds whatever the size (measured); xor of this much on one thread takes 16 to 40, so
/// two threads gain, and little is lost if the pool's other threads are busy.
#[cfg(feature = "std")]
const PARALLEL_BYTES: usize = 1 << 20;

/// Bytes of a slice that one task processes.
#[cfg(feature = "std")]
const TASK_BYTES: usize = 256 << 10;

const fn words<W>(bytes: usize) -> usize {
    match bytes.checked_div(size_of::<W>()) {
        None | Some(0) => 1,
        Some(words) => words,
    }
}

#[cfg(feature = "std")]
fn is_worth_sharing<W>(slice: &[W]) -> bool {
    size_of_val(slice) >= PARALLEL_BYTES && rayon::current_num_threads() > 1
}

/// All `deltas` combined: one delta with the effect of the whole list applied in any order. For an
/// empty list it is [`Group::IDENTITY`].
///
/// ```
/// use atomik_algebra::{Add, fold};
///
/// assert_eq!(fold(&[0b001_u8, 0b011, 0b100, 0b001]), 0b111);
/// assert_eq!(fold(&[Add(200_u8), Add(100)]), Add(44));
/// ```
pub fn fold<G: Group>(deltas: &[G]) -> G {
    #[cfg(feature = "std")]
    if is_worth_sharing(deltas) {
        use rayon::prelude::*;
        return deltas
            .par_chunks(words::<G>(TASK_BYTES))
            .map(fold_here)
            .reduce(|| G::IDENTITY, G::combine);
    }
    fold_here(deltas)
}

/// Combines each of `sources` into `target`, element by element. All slices have the same length.
pub(crate) fn combine_into<W: Group>(
    arithmetic: impl Arithmetic<W>,
    target: &mut [W],
    sources: &[&[W]],
) {
    debug_assert!(sources.iter().all(|source| source.len() == target.len()));
    #[cfg(feature = "std")]
    if is_worth_sharing(target) {
        use rayon::prelude::*;
        let size = words::<W>(TASK_BYTES);
        target
            .par_chunks_mut(size)
            .enumerate()
            .for_each(|(task, chunk)| {
                combine_blocks(arithmetic, chunk, sources, task * size);
            });
        return;
    }
    combine_blocks(arithmetic, target, sources, 0);
}

/// The index of the first element in which two slices of equal length differ.
pub(crate) fn first_difference<W: Group>(left: &[W], right: &[W]) -> Option<usize> {
    #[cfg(feature = "std")]
    if is_worth_sharing(left) {
        use rayon::prelude::*;
        let size = words::<W>(TASK_BYTES);
        return left
            .par_chunks(size)
            .zip(right.par_chunks(size))
            .enumerate()
            .find_map_first(|(task, (left, right))| {
                Some(task * size + first_difference_here(left, right)?)
            });
    }
    first_difference_here(left, right)
}

/// Compares the slices as a whole first: that is much faster than a search for the element, and
/// they are nearly always equal.
fn first_difference_here<W: Group>(left: &[W], right: &[W]) -> Option<usize> {
    if left == right {
        return None;
    }
    left.iter()
        .zip(right)
        .position(|(left, right)| left != right)
}

/// Combines `sources[..][start..]` into `target`.
fn combine_blocks<W: Group>(
    arithmetic: impl Arithmetic<W>,
    target: &mut [W],
    sources: &[&[W]],
    start: usize,
) {
    let size = words::<W>(BLOCK_BYTES);
    for (block, target) in target.chunks_mut(size).enumerate() {
        let start = start + block * size;
        for source in sources {
            combine_slice(arithmetic, target, &source[start..][..target.len()]);
        }
    }
}

fn combine_slice<W: Group>(arithmetic: impl Arithmetic<W>, target: &mut [W], source: &[W]) {
    let combine = |target: &mut [W], source: &[W]| {
        for (word, source) in target.iter_mut().zip(source) {
            *word = arithmetic.combine(*word, *source);
        }
    };
    if size_of::<W>() < 16 {
        return combine(target, source);
    }
    // The compiler vectorises a loop over small words, but falls back to single limbs for `u128` or
    // an odd number of limbs. Groups of four such words fill whole vectors again.
    let (target_groups, target_rest) = target.as_chunks_mut::<4>();
    let (source_groups, source_rest) = source.as_chunks::<4>();
    for (target, source) in target_groups.iter_mut().zip(source_groups) {
        let mut group = *target;
        combine(&mut group, source);
        *target = group;
    }
    combine(target_rest, source_rest);
}

fn fold_here<G: Group>(deltas: &[G]) -> G {
    deltas
        .iter()
        .fold(G::IDENTITY, |sum, delta| sum.combine(*delta))
}
