//! Heads: the newest frame of an origin, and the chain of frames that leads to it.

use std::collections::BTreeMap;

use crate::codec::{Encode, Malformed, Reader};

/// The number of links that a chain keeps.
pub(crate) const MAX_LINKS: usize = 1024;

/// A keyed hash of a frame's header and root. Each frame contains the link of the one before, so a
/// link stands for all frames of a life up to its own.
pub(crate) type Link = [u8; 16];

/// A frame of an origin; number 0 and a link of zeros stand for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) link: Link,
}

impl Head {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.varint(self.number);
        out.extend_from_slice(&self.link);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            number: reader.varint()?,
            link: reader.array()?,
        })
    }
}

/// The latest known frames of an origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Chain {
    links: BTreeMap<u64, Link>,
}

impl Chain {
    /// The newest known frame.
    pub(crate) fn head(&self) -> Head {
        self.links
            .last_key_value()
            .map_or_else(Head::default, |(&number, &link)| Head { number, link })
    }

    /// The link of the frame with this number, if it is known.
    pub(crate) fn link(&self, number: u64) -> Option<Link> {
        if number == 0 {
            return Some(Link::default());
        }
        self.links.get(&number).copied()
    }

    /// Whether a frame with this number and another link is known: the origin has forked.
    pub(crate) fn contradicts(&self, frame: Head) -> bool {
        self.link(frame.number)
            .is_some_and(|known| known != frame.link)
    }

    /// Whether a frame is newer than the head, or of another branch.
    pub(crate) fn lacks(&self, frame: Head) -> bool {
        frame.number > self.head().number || self.contradicts(frame)
    }

    /// Adds a frame. The first known link of a number stays.
    pub(crate) fn note(&mut self, frame: Head) {
        if frame.number > 0 {
            self.links.entry(frame.number).or_insert(frame.link);
            if self.links.len() > MAX_LINKS {
                self.links.pop_first();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u64, link: u8) -> Head {
        let link = [link; 16];
        Head { number, link }
    }

    #[test]
    fn a_chain_tells_newer_frames_and_forks_from_what_it_knows() {
        let mut chain = Chain::default();
        assert_eq!(chain.head(), Head::default());
        assert!(!chain.lacks(Head::default()) && chain.lacks(frame(1, 1)));
        chain.note(frame(1, 1));
        chain.note(frame(5, 5));
        chain.note(frame(5, 6));
        assert_eq!(chain.head(), frame(5, 5));
        assert!(chain.contradicts(frame(5, 6)) && chain.lacks(frame(5, 6)));
        assert!(chain.contradicts(frame(1, 2)));
        assert!(!chain.lacks(frame(5, 5)) && !chain.lacks(frame(3, 9)));
        assert!(chain.lacks(frame(6, 1)) && !chain.contradicts(frame(6, 1)));
    }

    #[test]
    fn a_chain_keeps_the_newest_links() {
        let mut chain = Chain::default();
        let last = MAX_LINKS as u64 + 1;
        (1..=last).for_each(|number| chain.note(frame(number, 1)));
        assert_eq!((chain.link(1), chain.link(2)), (None, Some([1; 16])));
        assert_eq!(chain.head().number, last);
    }
}
