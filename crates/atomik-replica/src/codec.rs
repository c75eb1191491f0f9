//! The encoding of messages and records: varints, byte strings, words. Decoding never allocates
//! more than the input contains.

use crate::value::Value;

/// The input ends early, or contains a varint that is not in its shortest form or exceeds its
/// range, an impossible length, or an unknown tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads from the front of a slice.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Fails unless everything has been read.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        self.rest.is_empty().then_some(()).ok_or(Malformed)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Malformed> {
        self.array().map(u128::from_le_bytes)
    }

    /// LEB128 in its shortest form. The encoding of a number is unique, and so is its hash.
    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part || (byte == 0 && shift > 0) {
                return Err(Malformed);
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// A 32-bit number as a varint.
    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.varint()?).map_err(|_| Malformed)
    }

    /// A count of at most `most` items that take at least `size` bytes each.
    pub(crate) fn count(&mut self, size: usize, most: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        let fits = count
            .checked_mul(size.max(1))
            .is_some_and(|bytes| bytes <= self.rest.len());
        (fits && count <= most).then_some(count).ok_or(Malformed)
    }

    /// A length of at most `most` and that many bytes.
    pub(crate) fn blob(&mut self, most: usize) -> Result<&'a [u8], Malformed> {
        let length = self.count(1, most)?;
        self.bytes(length)
    }

    pub(crate) fn value(&mut self, words: usize) -> Result<Value, Malformed> {
        if words == 1 {
            return self.u64().map(Value::from);
        }
        let mut value = smallvec::SmallVec::<[u64; 2]>::new();
        for _ in 0..words {
            value.push(self.u64()?);
        }
        Ok(Value::from_words(&value))
    }

    /// A value without the leading zeros of its words.
    pub(crate) fn packed(&mut self, words: usize) -> Result<Value, Malformed> {
        let mut value = smallvec::SmallVec::<[u64; 2]>::new();
        for _ in 0..words {
            let length = usize::from(self.u8()?);
            let bytes = self.bytes(length)?;
            let mut word = [0; 8];
            word.get_mut(..length)
                .ok_or(Malformed)?
                .copy_from_slice(bytes);
            if bytes.last() == Some(&0) {
                return Err(Malformed);
            }
            value.push(u64::from_le_bytes(word));
        }
        Ok(Value::from_words(&value))
    }
}

/// Encodes into a byte vector.
pub(crate) trait Encode {
    fn varint(&mut self, value: u64);
    fn blob(&mut self, bytes: &[u8]);
    fn value(&mut self, value: &Value);
    fn packed(&mut self, value: &Value);
}

impl Encode for Vec<u8> {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    fn blob(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.extend_from_slice(bytes);
    }

    fn value(&mut self, value: &Value) {
        for word in value.words() {
            self.extend_from_slice(&word.to_le_bytes());
        }
    }

    fn packed(&mut self, value: &Value) {
        for word in value.words() {
            let length = 8 - word.leading_zeros() as usize / 8;
            self.push(length as u8);
            self.extend_from_slice(&word.to_le_bytes()[..length]);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_varint_round_trips_and_has_one_encoding(value: u64) {
            let mut bytes = Vec::new();
            bytes.varint(value);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint().unwrap(), value);
            prop_assert!(reader.is_empty());
            // The same number with a trailing zero byte is refused.
            *bytes.last_mut().unwrap() |= 0x80;
            bytes.push(0);
            prop_assert_eq!(Reader::new(&bytes).varint(), Err(Malformed));
        }
    }

    proptest! {
        #[test]
        fn a_packed_value_round_trips_and_has_one_encoding(
            words in prop::collection::vec((any::<u64>(), 0..64_u32), 0..4)
        ) {
            let words: Vec<_> = words.iter().map(|(word, shift)| word >> shift).collect();
            let value = Value::from_words(&words);
            let mut bytes = Vec::new();
            bytes.packed(&value);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.packed(words.len()), Ok(value));
            prop_assert!(reader.is_empty());
            for cut in 0..bytes.len() {
                prop_assert!(Reader::new(&bytes[..cut]).packed(words.len()).is_err());
            }
        }
    }

    #[test]
    fn a_packed_word_with_a_leading_zero_or_more_than_eight_bytes_is_refused() {
        for bytes in [&[1, 0][..], &[2, 1, 0], &[9, 1, 2, 3, 4, 5, 6, 7, 8, 9]] {
            assert_eq!(Reader::new(bytes).packed(1), Err(Malformed));
        }
    }

    #[test]
    fn a_varint_of_more_than_64_bits_is_refused() {
        let mut bytes = [0xff; 10];
        bytes[9] = 0x02;
        assert_eq!(Reader::new(&bytes).varint(), Err(Malformed));
        bytes[9] = 0x01;
        assert_eq!(Reader::new(&bytes).varint(), Ok(u64::MAX));
    }

    #[test]
    fn a_count_that_the_input_cannot_hold_is_refused_before_anything_is_allocated() {
        let mut bytes = Vec::new();
        bytes.varint(u64::MAX);
        assert_eq!(Reader::new(&bytes).count(0, usize::MAX), Err(Malformed));
        assert_eq!(Reader::new(&bytes).count(16, usize::MAX), Err(Malformed));
    }
}
