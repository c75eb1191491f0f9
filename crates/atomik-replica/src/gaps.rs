//! Gaps between the frames of a peer that have arrived.

use std::collections::BTreeSet;

use crate::codec::{Encode, Malformed, Reader};

/// The most frames after a gap that are kept in mind.
const MOST_LATER: usize = 64;

/// Which frames of one origin have arrived from its owner, by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Frames {
    /// All up to this one have arrived, or are left to comparisons.
    upto: u64,
    /// The newest that there is, as far as is known.
    known: u64,
    /// Those that have arrived after a gap.
    later: BTreeSet<u64>,
}

impl Frames {
    /// Those after this one are looked for.
    pub(crate) fn since(number: u64) -> Self {
        Self {
            upto: number,
            known: number,
            later: BTreeSet::new(),
        }
    }

    /// Takes note that there is a frame with this number, and so are all before it.
    pub(crate) fn expect(&mut self, number: u64) {
        self.known = self.known.max(number);
    }

    /// Takes note that this one has arrived.
    pub(crate) fn note(&mut self, number: u64) {
        self.expect(number);
        if number > self.upto {
            self.later.insert(number);
        }
        while self
            .later
            .first()
            .is_some_and(|next| *next == self.upto + 1)
        {
            self.later.pop_first();
            self.upto += 1;
        }
        if self.later.len() > MOST_LATER {
            self.give_up();
        }
    }

    /// The one up to which all have arrived.
    pub(crate) fn upto(&self) -> u64 {
        self.upto
    }

    /// Whether this one has arrived.
    pub(crate) fn has(&self, number: u64) -> bool {
        number <= self.upto || self.later.contains(&number)
    }

    /// Whether some have not arrived.
    pub(crate) fn lacks(&self) -> bool {
        self.upto < self.known
    }

    /// Leaves what has not arrived to comparisons.
    pub(crate) fn give_up(&mut self) {
        self.upto = self.known;
        self.later.clear();
    }
}

/// What a peer is asked for: frames, or the open one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Again {
    /// Frames after this one are missing, if that is known.
    pub(crate) upto: Option<u64>,
    /// A part of the open frame is missing, so that the stream has to start again.
    pub(crate) open: bool,
}

impl Again {
    /// The open frame alone.
    pub(crate) const OPEN: Self = Self {
        upto: None,
        open: true,
    };

    /// The body of the message that asks for it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        if let Some(upto) = self.upto {
            body.push(u8::from(self.open));
            body.varint(upto);
        }
        body
    }

    /// Decodes the rest of such a message.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if reader.is_empty() {
            return Ok(Self::OPEN);
        }
        let open = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(Malformed),
        };
        let upto = Some(reader.varint()?);
        Ok(Self { upto, open })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_frame_is_missing_until_it_arrives_or_is_given_up() {
        let mut frames = Frames::since(7);
        assert!(!frames.lacks() && frames.has(7) && !frames.has(8));
        frames.expect(9);
        assert!(frames.lacks());
        frames.note(9);
        assert_eq!(
            (frames.upto(), frames.has(9), frames.has(8)),
            (7, true, false)
        );
        frames.note(8);
        assert_eq!((frames.upto(), frames.lacks()), (9, false));
        frames.note(u64::MAX);
        assert!(frames.lacks());
        frames.give_up();
        assert_eq!((frames.upto(), frames.lacks()), (u64::MAX, false));
        frames.note(u64::MAX);
        assert!(!frames.lacks());
    }

    #[test]
    fn what_arrives_after_a_gap_takes_bounded_memory() {
        let mut frames = Frames::since(0);
        for number in 0..10_000 {
            frames.note(2 * number);
            assert!(frames.later.len() <= MOST_LATER);
        }
    }

    #[test]
    fn what_is_asked_for_is_read_as_it_was_written() {
        for upto in [None, Some(0), Some(300), Some(u64::MAX)] {
            for open in [false, true] {
                let again = Again { upto, open };
                if again
                    == (Again {
                        upto: None,
                        open: false,
                    })
                {
                    continue;
                }
                let body = again.encode();
                let reader = &mut Reader::new(&body);
                assert_eq!(Again::decode(reader), Ok(again));
                reader.end().unwrap();
            }
        }
    }
}
