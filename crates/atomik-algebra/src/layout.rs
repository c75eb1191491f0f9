use alloc::boxed::Box;
use core::fmt;
use core::str::FromStr;

use crate::word::MAX_WIDTH;

const LIMBS: usize = MAX_WIDTH as usize / 64;

/// How the bits of a word combine: a list of fields, each of which xors or adds.
///
/// The text form lists the fields from the lowest bits up: `xor:48,add:16` has its 48 xor bits
/// below the 16 that add, so a delta of xor `0xff` and add `-1` is `0xffff_0000_0000_00ff`. The
/// widths of all fields sum to 1 to [`MAX_WIDTH`].
///
/// Two layouts are equal if they have the same list of fields. Different lists may still combine
/// alike: `xor:32,xor:32` does what `xor:64` does, and `add:1` what `xor:1` does.
///
/// ```
/// use atomik_algebra::Layout;
///
/// let layout: Layout = "xor:48,add:16".parse()?;
/// let mut word = [0x0001_0000_0000_000f];
/// layout.combine(&mut word, &[0xffff_0000_0000_00ff]);
/// assert_eq!(word, [0x0000_0000_0000_00f0]);
/// assert_eq!((layout.width(), layout.to_string()), (64, "xor:48,add:16".to_string()));
/// # Ok::<(), atomik_algebra::LayoutError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Layout {
    width: u32,
    /// The highest bit of every field.
    tops: [u64; LIMBS],
    /// All bits of the xor fields.
    xors: [u64; LIMBS],
}

/// How the bits of a field combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// By xor.
    Xor,
    /// By addition modulo 2^n, where n is the number of bits of the field.
    Add,
}

/// A field of a [`Layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// How its bits combine.
    pub kind: FieldKind,
    /// The position of its lowest bit in the word.
    pub offset: u32,
    /// The number of its bits, at least 1.
    pub bits: u32,
}

/// Why a layout was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A part of the text is not a field.
    #[error(
        "\"{0}\" is not a field; write xor:N or add:N for N bits, with commas between fields, \
         such as xor:48,add:16"
    )]
    Form(Box<str>),
    /// A field has no bits.
    #[error("field {0} has no bits; give every field at least 1")]
    NoBits(
        /// The position of the field in the list, from 1.
        usize,
    ),
    /// The widths of all fields sum to 0 or to more than [`MAX_WIDTH`].
    #[error("a word of {width} bits is not supported; choose fields of 1 to {MAX_WIDTH} together")]
    Width {
        /// The sum of the widths.
        width: u64,
    },
}

impl FieldKind {
    /// The name in lower case, as the text form spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xor => "xor",
            Self::Add => "add",
        }
    }
}

impl Layout {
    /// The layout of one xor field of `width` bits.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Width`] unless the width is 1 to [`MAX_WIDTH`].
    pub fn xor(width: u32) -> Result<Self, LayoutError> {
        match width {
            0 => Err(LayoutError::Width { width: 0 }),
            _ => Self::from_fields([(FieldKind::Xor, width)]),
        }
    }

    /// The layout of these fields, given as kind and number of bits, from the lowest bits up.
    ///
    /// # Errors
    ///
    /// [`LayoutError::NoBits`] for a field of 0 bits, [`LayoutError::Width`] unless the widths sum
    /// to 1 to [`MAX_WIDTH`].
    pub fn from_fields(
        fields: impl IntoIterator<Item = (FieldKind, u32)>,
    ) -> Result<Self, LayoutError> {
        let mut layout = Self {
            width: 0,
            tops: [0; LIMBS],
            xors: [0; LIMBS],
        };
        let mut width = 0_u64;
        for (index, (kind, bits)) in fields.into_iter().enumerate() {
            if bits == 0 {
                return Err(LayoutError::NoBits(index + 1));
            }
            let offset = width;
            width = width.saturating_add(u64::from(bits));
            // The sum of the rest is still needed for the message.
            if width > u64::from(MAX_WIDTH) {
                continue;
            }
            for bit in offset..width {
                let (limb, mask) = ((bit / 64) as usize, 1 << (bit % 64));
                if kind == FieldKind::Xor {
                    layout.xors[limb] |= mask;
                }
                if bit + 1 == width {
                    layout.tops[limb] |= mask;
                }
            }
        }
        match u32::try_from(width) {
            Ok(width @ 1..=MAX_WIDTH) => Ok(Self { width, ..layout }),
            _ => Err(LayoutError::Width { width }),
        }
    }

    /// The number of bits of a word.
    #[inline]
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// The number of limbs of a word, `ceil(width / 64)`.
    #[inline]
    pub const fn limbs(&self) -> usize {
        self.width.div_ceil(64) as usize
    }

    /// The fields, from the lowest bits up.
    pub fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        let mut offset = 0;
        core::iter::from_fn(move || {
            if offset >= self.width {
                return None;
            }
            let bit = |mask: &[u64; LIMBS], bit: u32| mask[(bit / 64) as usize] >> (bit % 64) & 1;
            let top = (offset..self.width).find(|at| bit(&self.tops, *at) == 1)?;
            let field = Field {
                kind: match bit(&self.xors, offset) {
                    1 => FieldKind::Xor,
                    _ => FieldKind::Add,
                },
                offset,
                bits: top + 1 - offset,
            };
            offset = top + 1;
            Some(field)
        })
    }

    /// Whether every field is an xor field, so that every word is its own inverse.
    pub fn is_xor(&self) -> bool {
        self.fields().all(|field| field.kind == FieldKind::Xor)
    }

    /// Combines `delta` into `word`. Both have [`limbs`](Self::limbs) limbs, lowest first, with no
    /// bit set above the width; limbs beyond are ignored.
    pub fn combine(&self, word: &mut [u64], delta: &[u64]) {
        let mut carry = false;
        for (index, (limb, delta)) in word.iter_mut().zip(delta).take(self.limbs()).enumerate() {
            (*limb, carry) = add_limb(self.split(index), *limb, *delta, carry);
        }
    }

    /// Replaces `word` by its inverse: xor fields stay, and fields that add are negated. `word` is
    /// as for [`combine`](Self::combine).
    pub fn inverse(&self, word: &mut [u64]) {
        let mut borrow = false;
        for (index, limb) in word.iter_mut().take(self.limbs()).enumerate() {
            (*limb, borrow) = negate_limb(self.split(index), *limb, borrow);
        }
    }

    /// Limb `index` of the mask of the bits that carry nothing upwards: all bits of xor fields, and
    /// the highest bit of every other field. The bits above the width are 0 in all words.
    pub(crate) fn split(&self, index: usize) -> u64 {
        self.tops[index] | self.xors[index]
    }

    /// The bits of the highest limb that lie above the width.
    pub(crate) fn excess(&self) -> u64 {
        match self.width % 64 {
            0 => 0,
            bits => u64::MAX << bits,
        }
    }
}

/// One limb of `a` combined with `b`, and the carry into the next limb.
///
/// The bits of `split` carry nothing upwards. Without them on either side, a plain addition carries
/// only within fields, and leaves in each bit of `split` the carry from below; xor adds the two
/// bits themselves. (In an xor field there is nothing below that could carry.)
#[inline]
pub(crate) fn add_limb(split: u64, a: u64, b: u64, carry: bool) -> (u64, bool) {
    let (sum, carry) = (a & !split).carrying_add(b & !split, carry);
    (sum ^ (a ^ b) & split, carry)
}

/// One limb of the inverse of `a`, and the borrow from the next limb: 0 - `a`, with every bit of
/// `split` set in the minuend so that a borrow ends there.
#[inline]
pub(crate) fn negate_limb(split: u64, a: u64, borrow: bool) -> (u64, bool) {
    let (difference, borrow) = split.borrowing_sub(a & !split, borrow);
    (difference ^ !a & split, borrow)
}

impl FromStr for Layout {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        let form = |part: &str| {
            let shown: alloc::string::String = part.chars().take(40).collect();
            LayoutError::Form(alloc::format!("{}", shown.escape_debug()).into())
        };
        let field = |part: &str| {
            let (kind, bits) = match part.split_once(':') {
                Some(("xor", bits)) => (FieldKind::Xor, bits),
                Some(("add", bits)) => (FieldKind::Add, bits),
                _ => return Err(form(part)),
            };
            if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(form(part));
            }
            // A number too large for the type is too large for a word as well.
            Ok((kind, bits.parse().unwrap_or(u32::MAX)))
        };
        let fields: Result<alloc::vec::Vec<_>, _> = text.split(',').map(field).collect();
        Self::from_fields(fields?)
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for field in self.fields() {
            let comma = if field.offset == 0 { "" } else { "," };
            write!(f, "{comma}{}:{}", field.kind.name(), field.bits)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layout({self})")
    }
}
