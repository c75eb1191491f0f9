//! The interface to a compiled model: one command record and one response record per cycle.
//!
//! Both consist of little-endian `u64` words, so that many cycles are one slice in each direction.
//!
//! | record | word | contents |
//! |---|---|---|
//! | command | 0 | bit 0 `rst`, bits 8..=10 `cmd_op`, bit `32 + l` `cmd_valid` of lane `l` |
//! | | 1.. | `cmd_addr`, `ceil(lanes * addr_bits / 64)` words; none if the depth is 1 |
//! | | then | `cmd_data`, `ceil(lanes * width / 64)` words |
//! | response | 0 | bit 0 `ready`, bit 1 `rsp_valid`, bit 2 `rsp_clean` |
//! | | 1.. | `rsp_data`, `ceil(width / 64)` words |
//!
//! `cmd_addr` and `cmd_data` are packed as in the ports: lane 0 in the low bits and no padding
//! between lanes, so the field of a lane may straddle two words. Unused bits are 0.

use std::ops::{Deref, DerefMut, Range};

use thiserror::Error;

/// The widest word that a record can carry, in bits.
pub const MAX_WIDTH: u32 = 512;
/// The most lanes that word 0 of a command record has room for.
pub const MAX_LANES: u32 = 32;
/// The largest depth whose addresses a record can carry.
pub const MAX_DEPTH: usize = 1 << 31;

const RST: u64 = 1;
const OP_SHIFT: u32 = 8;
const OP_MASK: u64 = 7 << OP_SHIFT;
const VALID_SHIFT: u32 = 32;

const READY: u64 = 1;
const RSP_VALID: u64 = 1 << 1;
const RSP_CLEAN: u64 = 1 << 2;

/// Why a size does not fit into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// The word width is 0 or too large.
    #[error("a width of {0} bits does not fit a record: choose 1 to {MAX_WIDTH}")]
    Width(u32),
    /// The depth is not a power of two, or too large.
    #[error("a depth of {0} does not fit a record: choose a power of two up to {MAX_DEPTH}")]
    Depth(usize),
    /// The number of lanes is 0 or too large.
    #[error("{0} lanes do not fit a record: choose 1 to {MAX_LANES}")]
    Lanes(u32),
}

/// The positions of the fields in the records of one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    width: u32,
    depth: usize,
    lanes: u32,
    addr_bits: u32,
    addr_words: usize,
    data_words: usize,
    limbs: usize,
}

impl Layout {
    /// The layout for words of `width` bits, `depth` addresses and `lanes` lanes.
    ///
    /// # Errors
    /// When `width` is not in `1..=512`, `depth` is not a power of two up to [`MAX_DEPTH`], or
    /// `lanes` is not in `1..=32`.
    pub fn new(width: u32, depth: usize, lanes: u32) -> Result<Self, LayoutError> {
        if !(1..=MAX_WIDTH).contains(&width) {
            return Err(LayoutError::Width(width));
        }
        if !depth.is_power_of_two() || depth > MAX_DEPTH {
            return Err(LayoutError::Depth(depth));
        }
        if !(1..=MAX_LANES).contains(&lanes) {
            return Err(LayoutError::Lanes(lanes));
        }
        let addr_bits = depth.trailing_zeros();
        Ok(Self {
            width,
            depth,
            lanes,
            addr_bits,
            addr_words: words_for(lanes * addr_bits),
            data_words: words_for(lanes * width),
            limbs: words_for(width),
        })
    }

    /// Bits in a word of the register file.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// The number of addresses.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The number of lanes.
    #[must_use]
    pub fn lanes(&self) -> u32 {
        self.lanes
    }

    /// Bits in the address of one lane; 0 when the depth is 1.
    #[must_use]
    pub fn addr_bits(&self) -> u32 {
        self.addr_bits
    }

    /// The number of `u64` limbs of a value, `ceil(width / 64)`.
    #[must_use]
    pub fn limbs(&self) -> usize {
        self.limbs
    }

    /// The number of words in a command record.
    #[must_use]
    pub fn cmd_words(&self) -> usize {
        1 + self.addr_words + self.data_words
    }

    /// The number of words in a response record.
    #[must_use]
    pub fn rsp_words(&self) -> usize {
        1 + self.limbs
    }

    /// The words of a command record that hold `cmd_addr`.
    #[must_use]
    pub fn addr_range(&self) -> Range<usize> {
        1..1 + self.addr_words
    }

    /// The words of a command record that hold `cmd_data`.
    #[must_use]
    pub fn data_range(&self) -> Range<usize> {
        1 + self.addr_words..self.cmd_words()
    }

    /// The words of a response record that hold `rsp_data`.
    #[must_use]
    pub fn rsp_data_range(&self) -> Range<usize> {
        1..self.rsp_words()
    }

    /// The command record of cycle `cycle` in a buffer of records.
    ///
    /// # Panics
    /// When the buffer has fewer records.
    #[must_use]
    pub fn command<'a>(&self, cmds: &'a [u64], cycle: usize) -> CommandRecord<&'a [u64]> {
        let n = self.cmd_words();
        CommandRecord {
            layout: *self,
            words: &cmds[cycle * n..(cycle + 1) * n],
        }
    }

    /// [`Layout::command`] for writing.
    ///
    /// # Panics
    /// When the buffer has fewer records.
    #[must_use]
    pub fn command_mut<'a>(
        &self,
        cmds: &'a mut [u64],
        cycle: usize,
    ) -> CommandRecord<&'a mut [u64]> {
        let n = self.cmd_words();
        CommandRecord {
            layout: *self,
            words: &mut cmds[cycle * n..(cycle + 1) * n],
        }
    }

    /// The response record of cycle `cycle` in a buffer of records.
    ///
    /// # Panics
    /// When the buffer has fewer records.
    #[must_use]
    pub fn response<'a>(&self, rsps: &'a [u64], cycle: usize) -> ResponseRecord<&'a [u64]> {
        let n = self.rsp_words();
        ResponseRecord {
            layout: *self,
            words: &rsps[cycle * n..(cycle + 1) * n],
        }
    }

    /// [`Layout::response`] for writing.
    ///
    /// # Panics
    /// When the buffer has fewer records.
    #[must_use]
    pub fn response_mut<'a>(
        &self,
        rsps: &'a mut [u64],
        cycle: usize,
    ) -> ResponseRecord<&'a mut [u64]> {
        let n = self.rsp_words();
        ResponseRecord {
            layout: *self,
            words: &mut rsps[cycle * n..(cycle + 1) * n],
        }
    }
}

/// The inputs of one cycle. `S` holds the words: `&[u64]`, `&mut [u64]` or `Vec<u64>`.
///
/// A record of zeros is an idle cycle.
#[derive(Clone, Debug)]
pub struct CommandRecord<S> {
    layout: Layout,
    words: S,
}

impl CommandRecord<Vec<u64>> {
    /// An idle cycle.
    #[must_use]
    pub fn idle(layout: &Layout) -> Self {
        Self {
            layout: *layout,
            words: vec![0; layout.cmd_words()],
        }
    }
}

impl<S: Deref<Target = [u64]>> CommandRecord<S> {
    /// The words of the record.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Whether `rst` is high.
    #[must_use]
    #[inline]
    pub fn reset(&self) -> bool {
        self.words[0] & RST != 0
    }

    /// The code on `cmd_op`, 0 to 7.
    #[must_use]
    #[inline]
    pub fn op(&self) -> u8 {
        ((self.words[0] & OP_MASK) >> OP_SHIFT) as u8
    }

    /// `cmd_valid`, with lane `l` in bit `l`.
    #[must_use]
    #[inline]
    pub fn valid_lanes(&self) -> u32 {
        (self.words[0] >> VALID_SHIFT) as u32
    }

    /// Whether `lane` offers a command.
    ///
    /// # Panics
    /// When there is no such lane.
    #[must_use]
    #[inline]
    pub fn valid(&self, lane: u32) -> bool {
        check_lane(&self.layout, lane);
        self.valid_lanes() >> lane & 1 != 0
    }

    /// The address on `lane`; 0 if the depth is 1.
    ///
    /// # Panics
    /// When there is no such lane.
    #[must_use]
    #[inline(always)]
    pub fn addr(&self, lane: u32) -> usize {
        check_lane(&self.layout, lane);
        let bits = self.layout.addr_bits;
        if bits == 0 {
            return 0;
        }
        get_bits(
            &self.words[self.layout.addr_range()],
            (lane * bits) as usize,
            bits,
        ) as usize
    }

    /// Copies the value on `lane` to `out`, as little-endian limbs. Bits above the width are 0.
    ///
    /// # Panics
    /// When there is no such lane, or the length of `out` is not [`Layout::limbs`].
    #[inline]
    pub fn data(&self, lane: u32, out: &mut [u64]) {
        check_lane(&self.layout, lane);
        check_limbs(&self.layout, out.len());
        get_field(
            &self.words[self.layout.data_range()],
            (lane * self.layout.width) as usize,
            self.layout.width,
            out,
        );
    }

    /// The value on `lane`, for widths of at most 64 bits.
    ///
    /// # Panics
    /// When there is no such lane, or the width is larger.
    #[must_use]
    #[inline(always)]
    pub fn data_word(&self, lane: u32) -> u64 {
        check_lane(&self.layout, lane);
        check_limbs(&self.layout, 1);
        let start = self.layout.data_range().start;
        if self.layout.width == u64::BITS {
            return self.words[start + lane as usize];
        }
        let at = start * 64 + (lane * self.layout.width) as usize;
        get_bits(&self.words, at, self.layout.width)
    }
}

impl<S: DerefMut<Target = [u64]>> CommandRecord<S> {
    /// Makes the cycle idle, with all bits 0.
    #[inline]
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Makes the cycle idle, with noise on the address and data ports, which must have no effect
    /// without a command: word `i` of each is `noise`, rotated left by `7 * i` bits.
    #[inline]
    pub fn clear_to_noise(&mut self, noise: u64) {
        self.words[0] = 0;
        let layout = self.layout;
        let addr_bits = layout.lanes * layout.addr_bits;
        let data_bits = layout.lanes * layout.width;
        for (range, bits) in [
            (layout.addr_range(), addr_bits),
            (layout.data_range(), data_bits),
        ] {
            let mut left = bits;
            for (i, word) in self.words[range].iter_mut().enumerate() {
                let mask = if left >= 64 {
                    u64::MAX
                } else {
                    (1 << left) - 1
                };
                *word = noise.rotate_left(7 * i as u32) & mask;
                left = left.saturating_sub(64);
            }
        }
    }

    /// Drives `rst`.
    #[inline]
    pub fn set_reset(&mut self, high: bool) {
        self.words[0] = self.words[0] & !RST | u64::from(high);
    }

    /// Drives `cmd_op` with the low three bits of `code`.
    #[inline]
    pub fn set_op(&mut self, code: u8) {
        self.words[0] = self.words[0] & !OP_MASK | u64::from(code) << OP_SHIFT & OP_MASK;
    }

    /// Drives `cmd_valid`, with lane `l` in bit `l`. Bits of lanes that do not exist are dropped.
    #[inline]
    pub fn set_valid_lanes(&mut self, lanes: u32) {
        let lanes = u64::from(lanes) & low_mask(self.layout.lanes);
        self.words[0] = self.words[0] & u64::from(u32::MAX) | lanes << VALID_SHIFT;
    }

    /// Drives the valid bit, address and value of `lane`.
    ///
    /// Excess bits of `addr` and `data` are dropped, so that no lane spills into its neighbour.
    ///
    /// # Panics
    /// When there is no such lane, or the length of `data` is not [`Layout::limbs`].
    #[inline(always)]
    pub fn set_lane(&mut self, lane: u32, valid: bool, addr: usize, data: &[u64]) {
        check_lane(&self.layout, lane);
        check_limbs(&self.layout, data.len());
        let bit = VALID_SHIFT + lane;
        self.words[0] = self.words[0] & !(1 << bit) | u64::from(valid) << bit;
        let Layout {
            width, addr_bits, ..
        } = self.layout;
        if addr_bits != 0 {
            let range = self.layout.addr_range();
            set_bits(
                &mut self.words[range],
                (lane * addr_bits) as usize,
                addr_bits,
                addr as u64,
            );
        }
        let range = self.layout.data_range();
        match data {
            // The common cases: a value fills one word, or fits into one.
            [limb] if width == u64::BITS => self.words[range.start + lane as usize] = *limb,
            [limb] => set_bits(
                &mut self.words[range],
                (lane * width) as usize,
                width,
                *limb,
            ),
            _ => set_field(&mut self.words[range], (lane * width) as usize, width, data),
        }
    }
}

/// The outputs of one cycle. `S` holds the words: `&[u64]`, `&mut [u64]` or `Vec<u64>`.
#[derive(Clone, Debug)]
pub struct ResponseRecord<S> {
    layout: Layout,
    words: S,
}

impl ResponseRecord<Vec<u64>> {
    /// A cycle with all outputs low.
    #[must_use]
    pub fn low(layout: &Layout) -> Self {
        Self {
            layout: *layout,
            words: vec![0; layout.rsp_words()],
        }
    }
}

impl<S: Deref<Target = [u64]>> ResponseRecord<S> {
    /// The words of the record.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Whether `ready` is high.
    #[must_use]
    #[inline]
    pub fn ready(&self) -> bool {
        self.words[0] & READY != 0
    }

    /// Whether `rsp_valid` is high.
    #[must_use]
    #[inline]
    pub fn valid(&self) -> bool {
        self.words[0] & RSP_VALID != 0
    }

    /// Whether `rsp_clean` is high.
    #[must_use]
    #[inline]
    pub fn clean(&self) -> bool {
        self.words[0] & RSP_CLEAN != 0
    }

    /// `rsp_data`, [`Layout::limbs`] little-endian limbs.
    #[must_use]
    #[inline]
    pub fn data(&self) -> &[u64] {
        &self.words[self.layout.rsp_data_range()]
    }
}

impl<S: DerefMut<Target = [u64]>> ResponseRecord<S> {
    /// Sets `ready`, `rsp_valid` and `rsp_clean`, but not the data.
    #[inline]
    pub fn set_flags(&mut self, ready: bool, valid: bool, clean: bool) {
        let flag = |high, bit| if high { bit } else { 0 };
        self.words[0] = flag(ready, READY) | flag(valid, RSP_VALID) | flag(clean, RSP_CLEAN);
    }

    /// `rsp_data`, for writing. Bits above the width must stay 0.
    #[inline]
    pub fn data_mut(&mut self) -> &mut [u64] {
        let range = self.layout.rsp_data_range();
        &mut self.words[range]
    }
}

fn words_for(bits: u32) -> usize {
    bits.div_ceil(u64::BITS) as usize
}

#[inline]
fn check_lane(layout: &Layout, lane: u32) {
    assert!(lane < layout.lanes, "lane {lane} of {}", layout.lanes);
}

#[inline]
fn check_limbs(layout: &Layout, limbs: usize) {
    assert!(
        limbs == layout.limbs,
        "{limbs} limbs for a value of {} bits",
        layout.width
    );
}

/// A mask of the low `bits` (1 to 64) bits.
#[inline]
fn low_mask(bits: u32) -> u64 {
    u64::MAX >> (u64::BITS - bits)
}

/// Reads `bits` (1 to 64) bits that start at bit `at`.
#[inline]
fn get_bits(words: &[u64], at: usize, bits: u32) -> u64 {
    let (word, shift) = (at / 64, (at % 64) as u32);
    let mut value = words[word] >> shift;
    if shift + bits > u64::BITS {
        value |= words[word + 1] << (u64::BITS - shift);
    }
    value & low_mask(bits)
}

/// Writes the low `bits` (1 to 64) bits of `value` at bit `at` and keeps all other bits.
#[inline]
fn set_bits(words: &mut [u64], at: usize, bits: u32, value: u64) {
    let (word, shift) = (at / 64, (at % 64) as u32);
    let mask = low_mask(bits);
    let value = value & mask;
    words[word] = words[word] & !(mask << shift) | value << shift;
    if shift + bits > u64::BITS {
        let back = u64::BITS - shift;
        words[word + 1] = words[word + 1] & !(mask >> back) | value >> back;
    }
}

/// Reads a field of any width into limbs.
#[inline]
fn get_field(words: &[u64], at: usize, width: u32, out: &mut [u64]) {
    for (i, limb) in out.iter_mut().enumerate() {
        *limb = get_bits(words, at + 64 * i, limb_bits(width, i));
    }
}

/// Writes a field of any width from limbs.
#[inline]
fn set_field(words: &mut [u64], at: usize, width: u32, limbs: &[u64]) {
    if at.is_multiple_of(64) && width.is_multiple_of(u64::BITS) {
        words[at / 64..at / 64 + limbs.len()].copy_from_slice(limbs);
        return;
    }
    for (i, &limb) in limbs.iter().enumerate() {
        set_bits(words, at + 64 * i, limb_bits(width, i), limb);
    }
}

/// The number of bits of limb `i` that a value of `width` bits uses.
#[inline]
fn limb_bits(width: u32, i: usize) -> u32 {
    (width - 64 * i as u32).min(u64::BITS)
}
