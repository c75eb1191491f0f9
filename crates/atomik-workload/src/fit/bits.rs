//! The bits of a replicated value.

use std::iter::repeat;

use atomik_algebra::FieldKind;
use atomik_replica::MAX_WORDS;

/// The size of a replicated value in bytes.
pub(super) const CAPACITY: usize = 8 * MAX_WORDS;

/// A state or a delta of up to [`MAX_WORDS`] words, padded with zeros. Most are a single word,
/// which needs no allocation.
#[derive(Clone, Debug)]
pub(super) enum Bits {
    Word(u64),
    Wide(Box<[u64; MAX_WORDS]>),
}

impl Default for Bits {
    fn default() -> Self {
        Self::ZERO
    }
}

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Word(a), Self::Word(b)) => a == b,
            (Self::Wide(a), Self::Wide(b)) => a == b,
            (Self::Word(word), Self::Wide(wide)) | (Self::Wide(wide), Self::Word(word)) => {
                wide[0] == *word && wide[1..].iter().all(|&word| word == 0)
            }
        }
    }
}

impl Bits {
    pub(super) const ZERO: Self = Self::Word(0);

    /// The first [`CAPACITY`] of these bytes, the first in the lowest bits.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut words = [0; MAX_WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_le_bytes(whole);
        }
        match bytes.len() {
            0..=8 => Self::Word(words[0]),
            _ => Self::Wide(Box::new(words)),
        }
    }

    /// Its bytes without trailing zeros.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self
            .words()
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let length = bytes.iter().rposition(|&byte| byte != 0);
        bytes.truncate(length.map_or(0, |last| last + 1));
        bytes
    }

    pub(super) fn words(&self) -> &[u64] {
        match self {
            Self::Word(word) => std::slice::from_ref(word),
            Self::Wide(words) => &words[..],
        }
    }

    /// The lowest word.
    pub(super) fn low(&self) -> u64 {
        self.words()[0]
    }

    pub(super) fn is_zero(&self) -> bool {
        self.words().iter().all(|&word| word == 0)
    }

    /// Whether `bit` is set.
    pub(super) fn has(&self, bit: usize) -> bool {
        self.words()
            .get(bit / 64)
            .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// Flips `bit`.
    ///
    /// # Panics
    ///
    /// If there is no such bit in [`MAX_WORDS`] words.
    pub(super) fn flip(&mut self, bit: usize) {
        if bit >= 64 {
            self.widen()[bit / 64] ^= 1 << (bit % 64);
        } else {
            match self {
                Self::Word(word) => *word ^= 1 << bit,
                Self::Wide(words) => words[0] ^= 1 << bit,
            }
        }
    }

    /// The set bits, in order.
    pub(super) fn ones(&self) -> impl Iterator<Item = usize> + '_ {
        let bits = 64 * self.words().len();
        (0..bits).filter(|&bit| self.has(bit))
    }

    /// Combines a delta into a state, or two deltas. What adds is a single word.
    pub(super) fn accumulate(&mut self, delta: &Self, kind: FieldKind) {
        match kind {
            FieldKind::Xor => self.combine(delta, |word, delta| *word ^= delta),
            FieldKind::Add => *self = Self::Word(self.low().wrapping_add(delta.low())),
        }
    }

    /// The delta that leads from `old` to this state.
    pub(super) fn since(&self, old: &Self, kind: FieldKind) -> Self {
        match kind {
            FieldKind::Xor => self ^ old,
            FieldKind::Add => Self::Word(self.low().wrapping_sub(old.low())),
        }
    }

    pub(super) fn or(&mut self, other: &Self) {
        self.combine(other, |word, other| *word |= other);
    }

    pub(super) fn and(&mut self, other: &Self) {
        let others = other.words().iter().copied().chain(repeat(0));
        let words = match self {
            Self::Word(word) => std::slice::from_mut(word),
            Self::Wide(words) => &mut words[..],
        };
        for (word, other) in words.iter_mut().zip(others) {
            *word &= other;
        }
    }

    pub(super) fn intersects(&self, other: &Self) -> bool {
        self.words()
            .iter()
            .zip(other.words())
            .any(|(word, other)| word & other != 0)
    }

    /// Words that are not 0.
    pub(super) fn changed_words(&self) -> u64 {
        self.words().iter().filter(|&&word| word != 0).count() as u64
    }

    fn combine(&mut self, other: &Self, with: impl Fn(&mut u64, u64)) {
        match (&mut *self, other) {
            (Self::Word(word), Self::Word(other)) => with(word, *other),
            (Self::Wide(words), other) => {
                for (word, other) in words.iter_mut().zip(other.words()) {
                    with(word, *other);
                }
            }
            (Self::Word(_), Self::Wide(_)) => {
                self.widen();
                self.combine(other, with);
            }
        }
    }

    fn widen(&mut self) -> &mut [u64; MAX_WORDS] {
        if let Self::Word(word) = *self {
            let mut words = [0; MAX_WORDS];
            words[0] = word;
            *self = Self::Wide(Box::new(words));
        }
        match self {
            Self::Wide(words) => words,
            Self::Word(_) => unreachable!("it was widened just now"),
        }
    }
}

impl std::ops::BitXor<&Bits> for &Bits {
    type Output = Bits;

    fn bitxor(self, other: &Bits) -> Bits {
        let mut bits = self.clone();
        bits.accumulate(other, FieldKind::Xor);
        bits
    }
}
