//! Keyed BLAKE3 of many short inputs at a time.
//!
//! The tag of a change is a hash of some 35 bytes, and the compression function of BLAKE3 is one
//! long chain of dependent instructions. Sixteen inputs side by side keep a processor busy, and a
//! compiler makes vector instructions of the loops over them. The crate `blake3` does this for the
//! chunks of a long input only.

use smallvec::SmallVec;

use crate::entry::Tag;
use crate::origin::truncated;

/// How many inputs are hashed at a time. With fewer, compilers unroll the loops over them and make
/// no vector instructions.
const LANES: usize = 16;

/// Fewer inputs than this are hashed one by one.
const FEW: usize = LANES / 2;

/// The longest input that is hashed with others, in bytes: a block.
const BLOCK: usize = 64;

/// A word of every lane.
type Words = [u32; LANES];

const IV: [u32; 4] = [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a];

/// The flags of an input that is one block: start and end of a chunk, root, keyed hash.
const FLAGS: u32 = 1 | 2 | 8 | 16;

/// Which words of the block the next round takes in the places of this one's.
const PERMUTATION: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

/// The first 128 bits of the keyed hash of each input, which is given in two parts.
pub(crate) fn tags<'a>(
    key: &[u8; 32],
    mut inputs: impl ExactSizeIterator<Item = [&'a [u8]; 2]>,
) -> Vec<Tag> {
    let mut tags = Vec::with_capacity(inputs.len());
    while inputs.len() >= FEW {
        let (mut blocks, mut lengths) = ([[0; BLOCK]; LANES], [0; LANES]);
        let mut long: SmallVec<[(usize, Tag); LANES]> = SmallVec::new();
        let start = tags.len();
        let count = inputs.len().min(LANES);
        for (lane, [first, second]) in inputs.by_ref().take(LANES).enumerate() {
            let length = first.len() + second.len();
            if length > BLOCK {
                long.push((start + lane, tag(key, [first, second])));
                continue;
            }
            let (head, rest) = blocks[lane].split_at_mut(first.len());
            head.copy_from_slice(first);
            rest[..second.len()].copy_from_slice(second);
            lengths[lane] = length as u32;
        }
        tags.extend_from_slice(&compress(key, &blocks, lengths)[..count]);
        for (at, tag) in long {
            tags[at] = tag;
        }
    }
    tags.extend(inputs.map(|input| tag(key, input)));
    tags
}

/// The first 128 bits of the keyed hash of one input.
pub(crate) fn tag(key: &[u8; 32], [first, second]: [&[u8]; 2]) -> Tag {
    let mut input = SmallVec::<[u8; 128]>::from_slice(first);
    input.extend_from_slice(second);
    truncated(blake3::keyed_hash(key, &input))
}

fn compress(key: &[u8; 32], blocks: &[[u8; BLOCK]; LANES], lengths: Words) -> [Tag; LANES] {
    let word = |bytes: &[u8], at: usize| -> u32 {
        u32::from_le_bytes(core::array::from_fn(|i| bytes[4 * at + i]))
    };
    let message: [Words; 16] =
        core::array::from_fn(|at| core::array::from_fn(|lane| word(&blocks[lane], at)));
    let row = |first: usize| core::array::from_fn(|at| [word(key, first + at); LANES]);
    let zero = [0; LANES];
    let mut state: [[Words; 4]; 4] = [
        row(0),
        row(4),
        IV.map(|word| [word; LANES]),
        [zero, zero, lengths, [FLAGS; LANES]],
    ];
    let mut order: [usize; 16] = core::array::from_fn(|at| at);
    for _ in 0..7 {
        let [a, b, c, d] = &mut state;
        for (step, [x, y]) in order.as_chunks().0.iter().enumerate() {
            // Four columns, then four diagonals.
            let (at, turn) = (step % 4, step / 4);
            let [q, r, s] = [1, 2, 3].map(|row| (at + turn * row) % 4);
            let words = (&message[*x], &message[*y]);
            mix(&mut a[at], &mut b[q], &mut c[r], &mut d[s], words);
        }
        order = PERMUTATION.map(|at| order[at]);
    }
    let [a, _, c, _] = &state;
    core::array::from_fn(|lane| {
        let mut tag = Tag::default();
        for (at, bytes) in tag.chunks_exact_mut(4).enumerate() {
            bytes.copy_from_slice(&(a[at][lane] ^ c[at][lane]).to_le_bytes());
        }
        tag
    })
}

/// The mixing function of BLAKE3, in every lane.
fn mix(a: &mut Words, b: &mut Words, c: &mut Words, d: &mut Words, (x, y): (&Words, &Words)) {
    for lane in 0..LANES {
        let (mut p, mut q, mut r, mut s) = (a[lane], b[lane], c[lane], d[lane]);
        p = p.wrapping_add(q).wrapping_add(x[lane]);
        s = (s ^ p).rotate_right(16);
        r = r.wrapping_add(s);
        q = (q ^ r).rotate_right(12);
        p = p.wrapping_add(q).wrapping_add(y[lane]);
        s = (s ^ p).rotate_right(8);
        r = r.wrapping_add(s);
        q = (q ^ r).rotate_right(7);
        (a[lane], b[lane], c[lane], d[lane]) = (p, q, r, s);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tags_are_the_beginnings_of_the_keyed_hashes(
            key: [u8; 32],
            inputs in prop::collection::vec(
                (
                    prop::collection::vec(any::<u8>(), 0..=40),
                    prop::collection::vec(any::<u8>(), 0..=40),
                ),
                0..5 * LANES,
            )
        ) {
            let parts = inputs.iter().map(|(first, second)| [&first[..], &second[..]]);
            let expected = inputs.iter().map(|(first, second)| {
                truncated(blake3::keyed_hash(&key, &[&first[..], second].concat()))
            });
            prop_assert_eq!(tags(&key, parts), expected.collect::<Vec<_>>());
        }
    }
}
