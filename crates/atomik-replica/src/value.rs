//! Words of one key.

use core::fmt;

use smallvec::SmallVec;

/// The most words that a value may have: 1024 bits.
///
/// With [`MAX_KEY`](crate::MAX_KEY) and [`MAX_SEEN`](crate::MAX_SEEN) it bounds what one entry takes on the wire to
/// a fifth of a message.
pub const MAX_WORDS: usize = 16;

/// A fixed number of 64-bit words: a state, a delta or an accumulator.
///
/// Every value of a keyspace has the same number of words. One or two words are stored in place.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Value(SmallVec<[u64; 2]>);

impl Value {
    /// The identity: `words` words of 0.
    pub fn zero(words: usize) -> Self {
        Self(SmallVec::from_elem(0, words))
    }

    /// A value of these words, the lowest bits first.
    pub fn from_words(words: &[u64]) -> Self {
        Self(SmallVec::from_slice(words))
    }

    /// The words, the lowest bits first.
    pub fn words(&self) -> &[u64] {
        &self.0
    }

    /// A value of `words` words in which only `bit` is set.
    ///
    /// # Panics
    ///
    /// If `bit` is not below `64 * words`.
    pub fn bit(words: usize, bit: usize) -> Self {
        let mut value = Self::zero(words);
        value.0[bit / 64] = 1 << (bit % 64);
        value
    }

    /// Whether `bit` is set; bits beyond the words are not.
    pub fn has(&self, bit: usize) -> bool {
        self.0
            .get(bit / 64)
            .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// Whether every word is 0.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// Xor, in place.
    pub fn accumulate(&mut self, delta: &Self) {
        for (word, delta) in self.0.iter_mut().zip(&delta.0) {
            *word ^= delta;
        }
    }

    /// Xor.
    #[must_use]
    pub fn xor(&self, other: &Self) -> Self {
        let mut result = self.clone();
        result.accumulate(other);
        result
    }

    /// Bits that are set in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect())
    }

    /// Bits that are set here and not in `other`.
    #[must_use]
    pub fn and_not(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & !b).collect())
    }
}

impl fmt::Display for Value {
    /// `0x` and the words in hexadecimal, the highest first, zero-padded to the width.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0
            .iter()
            .rev()
            .try_for_each(|word| write!(f, "{word:016x}"))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<u64> for Value {
    /// A value of one word.
    fn from(word: u64) -> Self {
        Self::from_words(&[word])
    }
}
