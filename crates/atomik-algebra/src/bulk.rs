//! Xor over whole slices: in blocks, and on all cores when the slices are large.

use crate::Word;

/// Bytes of the destination that are processed at a time, so that they stay in the L1 cache while
/// several sources are xored into them.
const BLOCK_BYTES: usize = 16 << 10;

/// The smallest slice, in bytes, that is split between threads. Handing tasks to a pool costs 3 to
/// 8 microseconds whatever the size (measured); xoring this much on one thread takes 16 to 40, so
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

/// The xor of all `deltas`: one delta with the effect of the whole list applied in any order. For
/// an empty list it is [`Word::ZERO`].
///
/// ```
/// assert_eq!(atomik_algebra::xor_fold(&[0b001_u8, 0b011, 0b100, 0b001]), 0b111);
/// ```
pub fn xor_fold<W: Word>(deltas: &[W]) -> W {
    #[cfg(feature = "std")]
    if is_worth_sharing(deltas) {
        use rayon::prelude::*;
        return deltas
            .par_chunks(words::<W>(TASK_BYTES))
            .map(fold)
            .reduce(|| W::ZERO, |left, right| left ^ right);
    }
    fold(deltas)
}

/// Xors each of `sources` into `target`, element by element. All slices have the same length.
pub(crate) fn xor_into<W: Word>(target: &mut [W], sources: &[&[W]]) {
    debug_assert!(sources.iter().all(|source| source.len() == target.len()));
    #[cfg(feature = "std")]
    if is_worth_sharing(target) {
        use rayon::prelude::*;
        let size = words::<W>(TASK_BYTES);
        target
            .par_chunks_mut(size)
            .enumerate()
            .for_each(|(task, chunk)| {
                xor_blocks(chunk, sources, task * size);
            });
        return;
    }
    xor_blocks(target, sources, 0);
}

/// The index of the first element in which two slices of equal length differ.
pub(crate) fn first_difference<W: Word>(left: &[W], right: &[W]) -> Option<usize> {
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
fn first_difference_here<W: Word>(left: &[W], right: &[W]) -> Option<usize> {
    if left == right {
        return None;
    }
    left.iter()
        .zip(right)
        .position(|(left, right)| left != right)
}

/// Xors `sources[..][start..]` into `target`.
fn xor_blocks<W: Word>(target: &mut [W], sources: &[&[W]], start: usize) {
    let size = words::<W>(BLOCK_BYTES);
    for (block, target) in target.chunks_mut(size).enumerate() {
        let start = start + block * size;
        for source in sources {
            xor_slice(target, &source[start..][..target.len()]);
        }
    }
}

fn xor_slice<W: Word>(target: &mut [W], source: &[W]) {
    let xor = |target: &mut [W], source: &[W]| {
        for (word, source) in target.iter_mut().zip(source) {
            *word ^= *source;
        }
    };
    if size_of::<W>() < 16 {
        return xor(target, source);
    }
    // The compiler vectorises a loop over small words, but falls back to single limbs for `u128` or
    // an odd number of limbs. Groups of four such words fill whole vectors again.
    let (target_groups, target_rest) = target.as_chunks_mut::<4>();
    let (source_groups, source_rest) = source.as_chunks::<4>();
    for (target, source) in target_groups.iter_mut().zip(source_groups) {
        let mut group = *target;
        xor(&mut group, source);
        *target = group;
    }
    xor(target_rest, source_rest);
}

fn fold<W: Word>(deltas: &[W]) -> W {
    deltas.iter().fold(W::ZERO, |sum, delta| sum ^ *delta)
}
