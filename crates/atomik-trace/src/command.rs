use std::fmt;

use atomik_algebra::{Field, FieldKind, Layout, MAX_WIDTH, Op};
use thiserror::Error;

const LIMBS: usize = MAX_WIDTH as usize / 64;

/// A value or a delta: up to [`MAX_WIDTH`] bits, held in place as little-endian limbs of 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Data([u64; LIMBS]);

/// Why a text is not a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DataError {
    /// The text is neither `0x` with hex digits nor decimal digits.
    #[error("write it as 0x and hex digits, or as decimal digits")]
    Form,
    /// The value has more than [`MAX_WIDTH`] bits.
    #[error("the value has more than {MAX_WIDTH} bits")]
    TooWide,
}

impl Data {
    /// All bits 0.
    pub const ZERO: Self = Self([0; LIMBS]);

    /// The limbs of a word of `width` bits: `ceil(width / 64)` of them, lowest first.
    ///
    /// # Panics
    /// When `width` is above [`MAX_WIDTH`].
    pub fn limbs(&self, width: u32) -> &[u64] {
        &self.0[..width.div_ceil(64) as usize]
    }

    /// [`Data::limbs`] for writing. Bits above the width must stay 0.
    ///
    /// # Panics
    /// When `width` is above [`MAX_WIDTH`].
    pub fn limbs_mut(&mut self, width: u32) -> &mut [u64] {
        &mut self.0[..width.div_ceil(64) as usize]
    }

    /// The number of bits that the value needs: the position of its highest 1 plus one, or 0 for 0.
    pub fn bits(&self) -> u32 {
        let zeros: u32 = match self.0.iter().rposition(|&limb| limb != 0) {
            Some(top) => (LIMBS - 1 - top) as u32 * 64 + self.0[top].leading_zeros(),
            None => MAX_WIDTH,
        };
        MAX_WIDTH - zeros
    }

    /// Parses `0x` with hex digits of either case, or decimal digits. Any number of leading zeros
    /// is allowed.
    ///
    /// # Errors
    /// [`DataError`] when the text has another form or the value more than [`MAX_WIDTH`] bits.
    pub fn parse(text: &str) -> Result<Self, DataError> {
        match text.strip_prefix("0x") {
            Some(digits) => Self::from_hex(digits.as_bytes()),
            None => Self::from_decimal(text.as_bytes()),
        }
    }

    fn from_hex(digits: &[u8]) -> Result<Self, DataError> {
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(DataError::Form);
        }
        let significant = digits.iter().position(|&digit| digit != b'0');
        let digits = &digits[significant.unwrap_or(digits.len())..];
        if digits.len() > LIMBS * 16 {
            return Err(DataError::TooWide);
        }
        let mut data = Self::ZERO;
        for (limb, digits) in data.0.iter_mut().zip(digits.rchunks(16)) {
            for &digit in digits {
                // The low four bits are the value of '0'..='9', and nine less than the value of a
                // letter of either case.
                let value = (digit & 0xf) + 9 * (digit >> 6);
                *limb = *limb << 4 | u64::from(value);
            }
        }
        Ok(data)
    }

    fn from_decimal(digits: &[u8]) -> Result<Self, DataError> {
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(DataError::Form);
        }
        let mut data = Self::ZERO;
        // 19 digits at a time: 10^19 is the largest power of ten that fits into 64 bits.
        for chunk in digits.chunks(19) {
            let scale = 10u64.pow(chunk.len() as u32);
            let mut carry = chunk
                .iter()
                .fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0'));
            for limb in &mut data.0 {
                let product = u128::from(*limb) * u128::from(scale) + u128::from(carry);
                *limb = product as u64;
                carry = (product >> 64) as u64;
            }
            if carry != 0 {
                return Err(DataError::TooWide);
            }
        }
        Ok(data)
    }

    /// This word and `other` combined in the fields of `layout`. Both fit its width.
    #[must_use]
    pub fn combined(mut self, other: &Self, layout: &Layout) -> Self {
        layout.combine(&mut self.0, &other.0);
        self
    }

    /// The word that cancels this one when the two are combined. It fits the width of `layout`.
    #[must_use]
    pub fn inverse(mut self, layout: &Layout) -> Self {
        layout.inverse(&mut self.0);
        self
    }

    /// The bits of `field`, moved down to bit 0.
    fn field(&self, field: &Field) -> Self {
        let (whole, bits) = ((field.offset / 64) as usize, field.offset % 64);
        let limb = |at: usize| self.0.get(at).copied().unwrap_or(0);
        let mut value = Self::ZERO;
        for (at, to) in value.0.iter_mut().enumerate() {
            let above = match bits {
                0 => 0,
                bits => limb(at + whole + 1) << (64 - bits),
            };
            *to = limb(at + whole) >> bits | above;
        }
        value.masked(field.bits)
    }

    /// Sets the bits of `field`, which are 0, to those of `value`, which fits them.
    pub(crate) fn set_field(&mut self, field: &Field, value: &Self) {
        let (whole, bits) = ((field.offset / 64) as usize, field.offset % 64);
        for (at, to) in self.0.iter_mut().enumerate().skip(whole) {
            let below = match (bits, at - whole) {
                (0, _) | (_, 0) => 0,
                (bits, at) => value.0[at - 1] >> (64 - bits),
            };
            *to |= value.0[at - whole] << bits | below;
        }
    }

    fn masked(mut self, bits: u32) -> Self {
        for (limb, at) in self.0.iter_mut().zip((0..).step_by(64)) {
            *limb &= match bits.saturating_sub(at) {
                0 => 0,
                bits => u64::MAX >> (64 - bits.min(64)),
            };
        }
        self
    }

    /// The negative of the value in `bits` bits, in two's complement.
    pub(crate) fn negated(mut self, bits: u32) -> Self {
        let mut carry = true;
        for limb in &mut self.0 {
            (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
        }
        self.masked(bits)
    }

    /// Whether the value is at most 2^(`bits` - 1), so that its negative has `bits` bits.
    pub(crate) fn is_at_most_half(&self, bits: u32) -> bool {
        let ones: u32 = self.0.iter().map(|limb| limb.count_ones()).sum();
        self.bits() < bits || self.bits() == bits && ones == 1
    }

    /// Appends the values of the fields of `layout` as a list that a session reads back:
    /// `[0xff,-1]` has hex digits for an xor field, and a signed number for one that adds.
    pub fn push_fields(&self, layout: &Layout, text: &mut String) {
        for field in layout.fields() {
            text.push(if field.offset == 0 { '[' } else { ',' });
            let value = self.field(&field);
            if field.kind == FieldKind::Xor {
                text.push_str(&value.to_string());
            } else if value.bits() == field.bits {
                text.push('-');
                text.push_str(&value.negated(field.bits).decimal());
            } else {
                text.push_str(&value.decimal());
            }
        }
        text.push(']');
    }

    /// The value in decimal digits.
    fn decimal(mut self) -> String {
        // 19 digits at a time, lowest first: 10^19 is the largest power of ten in 64 bits.
        const SCALE: u128 = 10_u128.pow(19);
        let mut chunks = Vec::new();
        while chunks.is_empty() || self != Self::ZERO {
            let mut rest = 0;
            for limb in self.0.iter_mut().rev() {
                let value = rest << 64 | u128::from(*limb);
                *limb = (value / SCALE) as u64;
                rest = value % SCALE;
            }
            chunks.push(rest);
        }
        let mut text = String::new();
        for chunk in chunks.iter().rev() {
            text += &match text.is_empty() {
                true => chunk.to_string(),
                false => format!("{chunk:019}"),
            };
        }
        text
    }

    /// Appends `0x` and the value as `ceil(width / 4)` lowercase hex digits.
    ///
    /// # Panics
    /// When `width` is above [`MAX_WIDTH`].
    pub fn push_hex(&self, width: u32, text: &mut Vec<u8>) {
        text.extend_from_slice(b"0x");
        for digit in (0..width.div_ceil(4)).rev() {
            let nibble = self.0[digit as usize / 16] >> (digit % 16 * 4) & 0xf;
            text.push(b"0123456789abcdef"[nibble as usize]);
        }
    }
}

impl From<u64> for Data {
    fn from(value: u64) -> Self {
        let mut data = Self::ZERO;
        data.0[0] = value;
        data
    }
}

/// `0x` and hex digits without leading zeros.
impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(2 + LIMBS * 16);
        self.push_hex(self.bits().max(1), &mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One command of a trace, valid for a [`Geometry`](crate::Geometry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Command {
    /// The cycle in which the command is offered.
    pub cycle: u64,
    /// The lane on which it is offered.
    pub lane: u32,
    /// The op; always `Accum` on lanes other than 0.
    pub op: Op,
    /// The address; 0 for a `nop` without an address.
    pub addr: usize,
    /// The value or delta; 0 for ops that take none.
    pub data: Data,
}

/// The response to one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Response {
    /// The cycle of the command, not of the response.
    pub cycle: u64,
    /// The command's op.
    pub op: Op,
    /// The command's address.
    pub addr: usize,
    /// The current state for `read` and `swap`, the accumulator for `delta` and `drain`.
    pub data: Data,
    /// Whether the accumulator was 0 just before the command.
    pub clean: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(data: &Data, width: u32) -> String {
        let mut text = Vec::new();
        data.push_hex(width, &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn hex_digits_of_either_case_are_read() {
        assert_eq!(Data::parse("0xabcdef"), Ok(Data::from(0xabcdef)));
        assert_eq!(Data::parse("0xABCDEF"), Ok(Data::from(0xabcdef)));
        assert_eq!(Data::parse("0x0123456789"), Ok(Data::from(0x0123456789)));
    }

    #[test]
    fn only_digits_make_a_number() {
        for text in [
            "", "0x", "0X1", "x1", "0x_1", "0xg", "+1", "-1", "1.0", "1e3", " 1", "1 ", "0x 1",
            "\u{663}",
        ] {
            assert_eq!(Data::parse(text), Err(DataError::Form), "{text:?}");
        }
    }

    #[test]
    fn leading_zeros_are_ignored() {
        let long = format!("0x{}1", "0".repeat(1000));
        assert_eq!(Data::parse(&long), Ok(Data::from(1)));
        let long = format!("{}7", "0".repeat(1000));
        assert_eq!(Data::parse(&long), Ok(Data::from(7)));
    }

    #[test]
    fn the_widest_value_is_512_ones_in_hex_and_in_decimal() {
        let ones = Data([u64::MAX; LIMBS]);
        assert_eq!(Data::parse(&format!("0x{}", "f".repeat(128))), Ok(ones));
        assert_eq!(
            Data::parse(&format!("0x1{}", "0".repeat(128))),
            Err(DataError::TooWide)
        );
        // 2^512 - 1 and 2^512.
        let decimal = "13407807929942597099574024998205846127479365820592393377723561443721764\
                       03007354697680187429816690342769003185818648605085375388281194656994643\
                       3649006084095";
        assert_eq!(Data::parse(decimal), Ok(ones));
        let next = decimal.replace("084095", "084096");
        assert_eq!(Data::parse(&next), Err(DataError::TooWide));
        assert_eq!(Data::parse(&"9".repeat(10_000)), Err(DataError::TooWide));
    }

    #[test]
    fn decimals_cross_limbs() {
        let two_to_64 = Data::parse("18446744073709551616").unwrap();
        assert_eq!(two_to_64.limbs(128), [0, 1]);
        assert_eq!(
            Data::parse("340282366920938463463374607431768211455"),
            Data::parse("0xffffffffffffffffffffffffffffffff")
        );
    }

    #[test]
    fn bits_is_the_position_of_the_highest_one_plus_one() {
        assert_eq!(Data::ZERO.bits(), 0);
        assert_eq!(Data::from(1).bits(), 1);
        assert_eq!(Data::from(0xff).bits(), 8);
        assert_eq!(Data::parse("0x10000000000000000").unwrap().bits(), 65);
        assert_eq!(Data([u64::MAX; LIMBS]).bits(), 512);
    }

    #[test]
    fn fields_are_listed_with_their_signs() {
        let fields = |layout: &str, word: &str| {
            let mut text = String::new();
            let layout = layout.parse().unwrap();
            Data::parse(word).unwrap().push_fields(&layout, &mut text);
            text
        };
        assert_eq!(fields("xor:48,add:16", "0xffff0000000000ff"), "[0xff,-1]");
        assert_eq!(fields("add:16,xor:48", "0xff7fff"), "[32767,0xff]");
        assert_eq!(fields("add:16", "0x8000"), "[-32768]");
        assert_eq!(fields("add:60,add:8", "0x80000000000000001"), "[1,-128]");
        assert_eq!(
            fields("add:512", &format!("0x8{}", "0".repeat(127))),
            "[-6703903964971298549787012499102923063739682910296196688861780721860882015036773488\
             400937149083451713845015929093243025426876941405973284973216824503042048]"
        );
    }

    #[test]
    fn hex_is_padded_to_the_width() {
        assert_eq!(hex(&Data::from(1), 1), "0x1");
        assert_eq!(hex(&Data::from(0x1f), 5), "0x1f");
        assert_eq!(hex(&Data::from(0xff), 16), "0x00ff");
        assert_eq!(hex(&Data::from(0xff), 65), "0x000000000000000ff");
        assert_eq!(hex(&Data::ZERO, 512).len(), 2 + 128);
        assert_eq!(Data::ZERO.to_string(), "0x0");
        assert_eq!(Data::from(0xabc).to_string(), "0xabc");
    }
}
