//! The newest frames that were sent, for peers in which they have not arrived.

use std::collections::VecDeque;

/// The most bytes that are kept, besides the newest frame.
const MOST_BYTES: usize = 1 << 15;

/// The most frames that are kept.
const MOST_FRAMES: usize = 64;

/// Excerpts of the newest frames of the current life that were previewed, one after the other.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Recent {
    /// Number and excerpt, ascending.
    frames: VecDeque<(u64, Vec<u8>)>,
    bytes: usize,
}

impl Recent {
    /// Keeps a frame that was sent, which is newer than all others.
    pub(crate) fn keep(&mut self, number: u64, excerpt: Vec<u8>) {
        while (self.bytes > MOST_BYTES || self.frames.len() >= MOST_FRAMES)
            && let Some((_, oldest)) = self.frames.pop_front()
        {
            self.bytes -= oldest.len();
        }
        self.bytes += excerpt.len();
        self.frames.push_back((number, excerpt));
    }

    /// The frames after this number, each with its number, ascending; some may be gone.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = (u64, &[u8])> {
        let first = self.frames.partition_point(|(kept, _)| *kept <= number);
        let frames = self.frames.range(first..);
        frames.map(|(number, excerpt)| (*number, &excerpt[..]))
    }

    /// Forgets the frames of a life that was left.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(recent: &Recent, after: u64) -> Vec<u64> {
        recent.after(after).map(|(number, _)| number).collect()
    }

    #[test]
    fn the_newest_frames_are_kept_in_bounded_memory() {
        let mut recent = Recent::default();
        for number in [1, 2, 4] {
            recent.keep(number, vec![number as u8; 9]);
        }
        assert_eq!(numbers(&recent, 0), [1, 2, 4]);
        assert_eq!(numbers(&recent, 2), [4]);
        assert_eq!(numbers(&recent, 4), []);
        for number in 5..200 {
            recent.keep(number, vec![0]);
            assert!(recent.after(0).count() <= MOST_FRAMES);
        }
        for number in 200..300 {
            recent.keep(number, vec![0; 1000]);
            let bytes: usize = recent.after(0).map(|(_, excerpt)| excerpt.len()).sum();
            assert!(bytes <= MOST_BYTES + 1000, "{bytes}");
        }
        assert_eq!(numbers(&recent, 298), [299]);
        recent.keep(300, vec![0; 60_000]);
        recent.keep(301, vec![0; 60_000]);
        assert_eq!(numbers(&recent, 0), [301]);
    }
}
