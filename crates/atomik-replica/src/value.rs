//! Values: the fixed-size words of a key.

use core::cmp::Ordering;
use core::fmt;

use atomik_algebra::entries::Bits;

/// The maximum number of words in a value, which makes 1024 bits.
///
/// Together with [`MAX_KEY`](crate::MAX_KEY) and [`MAX_SEEN`](crate::MAX_SEEN) it limits an entry
/// to a fifth of a message of the default size.
pub const MAX_WORDS: usize = 16;

/// A fixed number of 64-bit words: a state, a delta or an accumulator.
///
/// All values of a keyspace have the same number of words. A single word is stored inline.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Value(Words);

/// Takes two words of memory, so that a key's slot fits in two cache lines.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Words {
    One(u64),
    /// Any other number of words. A single word is always stored as `One`.
    Other(Box<[u64]>),
}

impl Value {
    /// The identity of every layout: `words` words, all 0.
    pub fn zero(words: usize) -> Self {
        match words {
            1 => Self(Words::One(0)),
            _ => Self(Words::Other(vec![0; words].into())),
        }
    }

    /// A value of these words, least significant first.
    pub fn from_words(words: &[u64]) -> Self {
        match words {
            [word] => Self(Words::One(*word)),
            _ => Self(Words::Other(words.into())),
        }
    }

    /// The words, least significant first.
    pub fn words(&self) -> &[u64] {
        match &self.0 {
            Words::One(word) => core::slice::from_ref(word),
            Words::Other(words) => words,
        }
    }

    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        match &mut self.0 {
            Words::One(word) => core::slice::from_mut(word),
            Words::Other(words) => words,
        }
    }

    fn combine(&self, other: &Self, with: impl Fn(u64, u64) -> u64) -> Self {
        let mut result = self.clone();
        result.combine_with(other, with);
        result
    }

    fn combine_with(&mut self, other: &Self, with: impl Fn(u64, u64) -> u64) {
        // The common case needs no loop.
        if let (Words::One(word), Words::One(other)) = (&mut self.0, &other.0) {
            *word = with(*word, *other);
            return;
        }
        for (word, other) in self.words_mut().iter_mut().zip(other.words()) {
            *word = with(*word, *other);
        }
    }

    /// A value of `words` words in which only `bit` is set.
    ///
    /// # Panics
    ///
    /// If `bit` is not below `64 * words`.
    pub fn bit(words: usize, bit: usize) -> Self {
        let mut value = Self::zero(words);
        value.words_mut()[bit / 64] = 1 << (bit % 64);
        value
    }

    /// Whether `bit` is set. Bits beyond the last word are not.
    pub fn has(&self, bit: usize) -> bool {
        self.words()
            .get(bit / 64)
            .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// Whether every word is 0.
    pub fn is_zero(&self) -> bool {
        self.words().iter().all(|&word| word == 0)
    }

    /// Xors another value into this one.
    #[inline]
    pub(crate) fn xor_with(&mut self, other: &Self) {
        self.combine_with(other, |word, other| word ^ other);
    }

    /// The bitwise xor of two values, whatever the layout of their keyspace.
    #[must_use]
    pub fn xor(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a ^ b)
    }

    /// The bits set in both values.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a & b)
    }

    /// The bits set in this value but not in `other`.
    #[must_use]
    pub fn and_not(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a & !b)
    }
}

impl Bits for Value {
    fn xor(&self, other: &Self) -> Self {
        Value::xor(self, other)
    }

    fn and(&self, other: &Self) -> Self {
        Value::and(self, other)
    }

    fn is_zero(&self) -> bool {
        Value::is_zero(self)
    }
}

impl Default for Value {
    /// A value without words.
    fn default() -> Self {
        Self::zero(0)
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    /// Compares the words lexicographically, least significant first.
    fn cmp(&self, other: &Self) -> Ordering {
        self.words().cmp(other.words())
    }
}

impl fmt::Display for Value {
    /// `0x` and the words in zero-padded hexadecimal, most significant first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.words()
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
