//! The register files that can be generated.

use atomik_algebra::{Field, FieldKind, Layout, LayoutError};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Data widths that can be generated for words that xor, in bits.
pub const WIDTHS: [u32; 7] = [1, 8, 16, 32, 64, 128, 256];
/// Lane counts that can be generated.
pub const LANES: [u32; 6] = [1, 2, 4, 8, 16, 32];
/// The largest number of address bits: depths are the powers of two up to 2^14.
pub const MAX_ADDRESS_BITS: u32 = 14;
/// The greatest width of a word with fields that add, which may have any width up to it, in bits.
pub const MAX_ADDING_WIDTH: u32 = 256;
/// The largest number of fields of a word with fields that add.
pub const MAX_FIELDS: usize = 16;
/// The most bits of a field that adds all of them in one cycle.
const MAX_WHOLE: u32 = 16;
/// The most bits of a segment of any other field that adds: the carries to and from it take time.
const MAX_SEGMENT: u32 = 11;
/// The number of cycles by which a segment is later than the one below it: the carry has a register
/// beside its adder, and one on its way.
pub(crate) const CARRY_STAGES: u32 = 2;
/// The largest number of xor bits of a slice beside fields that add, unless synthesis is free to
/// choose.
const MAX_XOR_SEGMENT: u32 = 32;

/// The device family that a register file's memories and pipeline are built for. The latency
/// depends on the target, ports and behaviour do not.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Any device: synthesis infers the memories.
    #[default]
    Generic,
    /// Lattice ECP5: block RAM is instantiated in order to use its output register.
    Ecp5,
    /// Lattice iCE40: block RAM at every depth; the device has no distributed RAM.
    Ice40,
    /// Gowin GW1N: block RAM is instantiated in order to use its output register.
    Gowin,
    /// AMD (Xilinx) 7 series and later: inferred, with Vivado's attributes.
    Xilinx,
}

impl Target {
    /// Every target.
    pub const ALL: [Target; 5] = [
        Target::Generic,
        Target::Ecp5,
        Target::Ice40,
        Target::Gowin,
        Target::Xilinx,
    ];

    /// `generic`, `ecp5`, `ice40`, `gowin` or `xilinx`.
    pub fn name(self) -> &'static str {
        match self {
            Target::Generic => "generic",
            Target::Ecp5 => "ecp5",
            Target::Ice40 => "ice40",
            Target::Gowin => "gowin",
            Target::Xilinx => "xilinx",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Target, ConfigError> {
        Target::ALL
            .into_iter()
            .find(|target| target.name() == name)
            .ok_or_else(|| ConfigError::Target(name.into()))
    }
}

/// A configuration of the register file that can be generated: layout of the words, depth, lanes
/// and target. Latency and names follow from it.
///
/// Layouts of xor fields alone differ in nothing that the hardware has: they are one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    layout: Layout,
    address_bits: u32,
    lanes: u32,
    target: Target,
}

/// Why a configuration cannot be generated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The width is not in [`WIDTHS`].
    #[error("cannot generate width {0}: possible widths are {list}", list = Listed(&WIDTHS))]
    Width(u32),
    /// A word with fields that add is wider than [`MAX_ADDING_WIDTH`].
    #[error(
        "cannot generate words of {0} bits with fields that add: choose fields of at most \
         {MAX_ADDING_WIDTH} bits together"
    )]
    AddingWidth(u32),
    /// There are more than [`MAX_FIELDS`] fields.
    #[error(
        "cannot generate words of {0} fields: choose at most {MAX_FIELDS}, and join xor fields \
         that are side by side"
    )]
    Fields(usize),
    /// A text is not a list of fields.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The widths of the fields do not sum to the width.
    #[error(
        "the fields {layout} have {sum} bits together, but the width is {width}: leave the width \
         out, or change the fields"
    )]
    LayoutWidth {
        /// The fields.
        layout: String,
        /// The sum of their widths.
        sum: u32,
        /// The width.
        width: u32,
    },
    /// There is neither a width nor a layout.
    #[error("give a width, or a layout such as \"xor:48,add:16\"")]
    NoWidth,
    /// The depth is not a power of two up to 2^[`MAX_ADDRESS_BITS`].
    #[error(
        "cannot generate depth {0}: possible depths are the powers of two from 1 to {max}",
        max = 1usize << MAX_ADDRESS_BITS
    )]
    Depth(usize),
    /// The lane count is not in [`LANES`].
    #[error("cannot generate {0} lanes: possible lane counts are {list}", list = Listed(&LANES))]
    Lanes(u32),
    /// There is no such target.
    #[error(
        "cannot generate for target {0:?}: possible targets are {list}",
        list = Target::ALL.map(Target::name).join(", ")
    )]
    Target(String),
}

struct Listed<'a>(&'a [u32]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, v) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{v}")?;
        }
        Ok(())
    }
}

/// Word, depth and lanes of any register file as regression plans write them: `w64 d512 l4`, or
/// `xor:48,add:16 d512 l4`.
pub fn size_text(layout: &Layout, depth: usize, lanes: u32) -> String {
    let word = if layout.is_xor() {
        format!("w{}", layout.width())
    } else {
        layout.to_string()
    };
    format!("{word} d{depth} l{lanes}")
}

impl Config {
    /// A register file of `depth` addresses of `width` bits with `lanes` lanes, for the generic
    /// target.
    ///
    /// # Errors
    /// If one of the three cannot be generated; the message lists the possible values.
    pub fn new(width: u32, depth: usize, lanes: u32) -> Result<Config, ConfigError> {
        match Layout::xor(width) {
            Ok(layout) => Config::with_layout(layout, depth, lanes),
            Err(_) => Err(ConfigError::Width(width)),
        }
    }

    /// A register file of `depth` addresses of words of `layout` with `lanes` lanes, for the
    /// generic target.
    ///
    /// # Errors
    /// If one of the three cannot be generated; the message lists the possible values.
    pub fn with_layout(layout: Layout, depth: usize, lanes: u32) -> Result<Config, ConfigError> {
        let width = layout.width();
        let xor = Layout::xor(width).ok().filter(|_| layout.is_xor());
        match xor {
            Some(_) if !WIDTHS.contains(&width) => return Err(ConfigError::Width(width)),
            Some(_) => {}
            None if width > MAX_ADDING_WIDTH => return Err(ConfigError::AddingWidth(width)),
            None if layout.fields().count() > MAX_FIELDS => {
                return Err(ConfigError::Fields(layout.fields().count()));
            }
            None => {}
        }
        if !depth.is_power_of_two() || depth.trailing_zeros() > MAX_ADDRESS_BITS {
            return Err(ConfigError::Depth(depth));
        }
        if !LANES.contains(&lanes) {
            return Err(ConfigError::Lanes(lanes));
        }
        Ok(Config {
            layout: xor.unwrap_or(layout),
            address_bits: depth.trailing_zeros(),
            lanes,
            target: Target::Generic,
        })
    }

    /// A register file whose words are given as in a file: by a width, fields, or both.
    ///
    /// # Errors
    /// As for [`Config::with_layout`], or if the two do not agree.
    pub fn of_words(
        width: Option<u32>,
        layout: Option<&str>,
        depth: usize,
        lanes: u32,
    ) -> Result<Config, ConfigError> {
        let Some(text) = layout else {
            return Config::new(width.ok_or(ConfigError::NoWidth)?, depth, lanes);
        };
        let layout: Layout = text.parse()?;
        match width {
            Some(width) if width != layout.width() => Err(ConfigError::LayoutWidth {
                layout: text.into(),
                sum: layout.width(),
                width,
            }),
            _ => Config::with_layout(layout, depth, lanes),
        }
    }

    /// The same register file for `target`.
    #[must_use]
    pub fn with_target(self, target: Target) -> Config {
        Config { target, ..self }
    }

    /// Every configuration of words that xor, ordered by width, depth and lanes, for the generic
    /// target.
    pub fn all() -> impl Iterator<Item = Config> {
        let layouts = WIDTHS.into_iter().flat_map(Layout::xor);
        layouts.flat_map(|layout| {
            (0..=MAX_ADDRESS_BITS).flat_map(move |address_bits| {
                LANES.into_iter().map(move |lanes| Config {
                    layout,
                    address_bits,
                    lanes,
                    target: Target::Generic,
                })
            })
        })
    }

    /// Data width in bits (`W`).
    pub fn width(&self) -> u32 {
        self.layout.width()
    }

    /// The layout of a word: a single xor field if all fields xor.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The text of the layout, such as `xor:48,add:16`, if a field of the word adds.
    pub fn adding_layout(&self) -> Option<String> {
        self.adds().then(|| self.layout.to_string())
    }

    /// Whether a field of the word adds.
    pub(crate) fn adds(&self) -> bool {
        !self.layout.is_xor()
    }

    /// Number of addresses (`DEPTH`).
    pub fn depth(&self) -> usize {
        1 << self.address_bits
    }

    /// Number of lanes (`L`).
    pub fn lanes(&self) -> u32 {
        self.lanes
    }

    /// Address bits (`A`); 0 for the flat accumulator.
    pub fn address_bits(&self) -> u32 {
        self.address_bits
    }

    /// The target.
    pub fn target(&self) -> Target {
        self.target
    }

    /// Name of the top module: `atomik_regfile_w64_d512_l4`, or with [`label`](Self::label) of
    /// another configuration.
    pub fn name(&self) -> String {
        format!("atomik_regfile_{}", self.label())
    }

    /// A short label: `w64_d512_l4`, or `w64_d512_l4_ecp5`; for fields `xor:48,add:16`,
    /// `w64_x48_a16_d512_l4`.
    pub fn label(&self) -> String {
        let size = format!("{}_d{}_l{}", self.word(), self.depth(), self.lanes);
        self.for_target(size, "_")
    }

    /// Word, depth, lanes and target as regression plans write them: `w64 d512 l4`, or
    /// `xor:48,add:16 d512 l4 ecp5`.
    pub fn text(&self) -> String {
        self.for_target(size_text(&self.layout, self.depth(), self.lanes), " ")
    }

    /// `text`, and behind it `separator` and the target, unless that is the generic one.
    fn for_target(&self, text: String, separator: &str) -> String {
        match self.target {
            Target::Generic => text,
            target => format!("{text}{separator}{target}"),
        }
    }

    /// The width, and the fields if one of them adds: `w64`, or `w64_x48_a16`.
    fn word(&self) -> String {
        let mut text = format!("w{}", self.width());
        for field in self.layout.fields().filter(|_| self.adds()) {
            let kind = match field.kind {
                FieldKind::Xor => 'x',
                FieldKind::Add => 'a',
            };
            text += &format!("_{kind}{}", field.bits);
        }
        text
    }

    /// The options of `atomik` that choose this register file: `--width 64 --depth 512 --lanes 4`.
    pub fn options(&self) -> String {
        let word = match self.adding_layout() {
            Some(layout) => format!("--layout {layout}"),
            None => format!("--width {}", self.width()),
        };
        let size = format!("{word} --depth {} --lanes {}", self.depth(), self.lanes);
        self.for_target(size, " --target ")
    }

    /// Cycles from a command's acceptance to its response (`LATENCY`).
    pub fn latency(&self) -> u32 {
        self.response_stage() + 1 + self.clean_levels()
    }

    /// Cycles from the last cycle with `rst` high to the first with `ready` high (`CLEAR`).
    pub fn clear_cycles(&self) -> u32 {
        (1 << self.clear_counter_bits()) + 11
    }

    /// The parts into which the data path splits a word, from the lowest bits up.
    ///
    /// A word that xors has parts of equal width. A field of more than [`MAX_WHOLE`] bits that adds
    /// has segments of at most [`MAX_SEGMENT`], and each works [`CARRY_STAGES`] cycles after the
    /// one below it, with its carry.
    pub(crate) fn segments(&self) -> Vec<Segment> {
        let split = |field: Field, most: u32| {
            let parts = field.bits.div_ceil(most);
            let (bits, longer) = (field.bits / parts, field.bits % parts);
            (0..parts).map(move |part| Segment {
                kind: field.kind,
                low: field.offset + part * bits + part.min(longer),
                bits: bits + u32::from(part < longer),
                skew: 0,
                part,
                parts,
            })
        };
        if !self.adds() {
            let most = self.slice_width();
            return self.layout.fields().flat_map(|f| split(f, most)).collect();
        }
        let most = |field: Field| match (field.kind, self.target) {
            (FieldKind::Add, _) if field.bits <= MAX_WHOLE => MAX_WHOLE,
            (FieldKind::Add, _) => MAX_SEGMENT,
            (FieldKind::Xor, Target::Generic) => self.width(),
            (FieldKind::Xor, _) => MAX_XOR_SEGMENT,
        };
        let segments = self.layout.fields().flat_map(|f| split(f, most(f)));
        segments
            .map(|segment| Segment {
                skew: match segment.kind {
                    FieldKind::Xor => 0,
                    FieldKind::Add => CARRY_STAGES * segment.part,
                },
                ..segment
            })
            .collect()
    }

    /// The greatest [`Segment::skew`].
    pub(crate) fn skew(&self) -> u32 {
        let segments = self.segments();
        segments.iter().map(|s| s.skew).max().unwrap_or(0)
    }

    /// The number of registers between a memory's output register and the logic behind it. They let
    /// that logic be placed away from the memory, at the cost of a stage in every loop.
    pub(crate) fn word_registers(&self) -> u32 {
        match self.target {
            Target::Ecp5 | Target::Ice40 | Target::Xilinx => 1,
            Target::Generic | Target::Gowin => 0,
        }
    }

    /// The stage that ends with the read of a lane's memory. In words that add, the deltas in
    /// flight are added up before the word is there.
    pub(crate) fn read_stage(&self) -> u32 {
        if self.adds() {
            6 - self.word_registers()
        } else {
            2
        }
    }

    /// The stage that ends with the write to a lane's memory (`T`).
    pub(crate) fn write_stage(&self) -> u32 {
        if self.adds() {
            10
        } else {
            5 + self.word_registers()
        }
    }

    /// The number of preceding cycles whose commands a memory read does not see (`D`).
    pub(crate) fn loop_distance(&self) -> u32 {
        self.write_stage() - self.read_stage()
    }

    /// The stage at which a lane passes its delta on.
    pub(crate) fn passed_stage(&self) -> u32 {
        self.loop_distance() + 2
    }

    /// The stage at which a lane's accumulator, read for lane 0's command, is registered.
    pub(crate) fn lane_read_stage(&self) -> u32 {
        self.write_stage() + 2 + self.word_registers()
    }

    /// The number of bits of a word that xors that share control registers.
    pub(crate) fn slice_width(&self) -> u32 {
        match self.target {
            Target::Generic => self.width(),
            _ if self.address_bits == 0 => self.width().min(8),
            _ => self.width().min(32),
        }
    }

    /// The stage at which the sum of all lanes' accumulators, as the command saw it, is registered.
    pub(crate) fn total_stage(&self) -> u32 {
        match (self.address_bits, self.adds()) {
            // Inputs; distribution of the valid bits to all slices; masking and merging of pairs of
            // lanes; then the merge tree.
            (0, false) => 3 + merge_levels(self.lanes.div_ceil(2)),
            (0, true) => 3 + self.lanes.ilog2(),
            (_, false) => self.lane_read_stage() + merge_levels(self.lanes),
            (_, true) => self.lane_read_stage() + self.lanes.ilog2(),
        }
    }

    /// The stage at which the delta `D` and the state `S` that the command saw are registered.
    pub(crate) fn delta_stage(&self) -> u32 {
        self.total_stage()
            + match (self.address_bits, self.adds()) {
                (0, false) => 1,
                (0, true) => 2,
                (_, false) => 3 + 2 * self.word_registers(),
                (_, true) => 6 + self.word_registers(),
            }
    }

    /// The stage at which all segments of the delta are side by side.
    pub(crate) fn response_stage(&self) -> u32 {
        self.delta_stage() + self.skew()
    }

    /// The stage that ends with the write of base and offset, one after that of their read.
    pub(crate) fn reference_write_stage(&self) -> u32 {
        let between = if self.adds() {
            2
        } else {
            self.word_registers()
        };
        self.total_stage() + between + 1
    }

    /// The number of registered levels of the zero detector in front of the output register.
    pub(crate) fn clean_levels(&self) -> u32 {
        let mut groups = self.width().div_ceil(4);
        let mut levels = 1;
        while groups > 4 {
            groups = groups.div_ceil(4);
            levels += 1;
        }
        levels
    }

    /// The width of the clear counter. The clear takes at least 32 cycles, and longer than a
    /// command takes, so that every command in flight at the reset has left the pipeline before it
    /// ends.
    pub(crate) fn clear_counter_bits(&self) -> u32 {
        self.address_bits
            .max(5)
            .max((self.latency() + 4).ilog2() + 1)
    }
}

/// By width, then fields, depth, lanes and target.
impl Ord for Config {
    fn cmp(&self, other: &Config) -> Ordering {
        let key = |c: &Config| {
            let fields: Vec<_> = c.layout.fields().map(|f| (f.kind.name(), f.bits)).collect();
            (
                c.width(),
                c.adds(),
                fields,
                c.address_bits,
                c.lanes,
                c.target,
            )
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Config {
    fn partial_cmp(&self, other: &Config) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A part of a word in the data path: all of a field, or some bits of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// How the bits combine.
    pub kind: FieldKind,
    /// The position of the lowest bit in the word.
    pub low: u32,
    /// The number of bits.
    pub bits: u32,
    /// The number of cycles by which this segment is later than the others of the word.
    pub skew: u32,
    /// The number of parts of the field below this one.
    part: u32,
    /// The number of parts of the field.
    parts: u32,
}

impl Segment {
    /// Whether the segment takes a carry from the one below it.
    pub fn takes_carry(&self) -> bool {
        self.kind == FieldKind::Add && self.part > 0
    }

    /// Whether the segment gives a carry to the one above it.
    pub fn gives_carry(&self) -> bool {
        self.kind == FieldKind::Add && self.part + 1 < self.parts
    }

    /// What distinguishes the modules of segments that are built alike: `xor32`, `add16`, or
    /// `add16_low`, `add16_mid` and `add16_high` if there are carries.
    pub fn label(&self) -> String {
        let place = match (self.takes_carry(), self.gives_carry()) {
            (false, false) => "",
            (false, true) => "_low",
            (true, true) => "_mid",
            (true, false) => "_high",
        };
        format!("{}{}{place}", self.kind.name(), self.bits)
    }
}

/// The number of levels of a four-way merge of `inputs` words.
pub(crate) fn merge_levels(inputs: u32) -> u32 {
    let (mut n, mut levels) = (inputs, 0);
    while n > 1 {
        n = n.div_ceil(4);
        levels += 1;
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_configuration_is_refused_with_the_possible_values() {
        for (bad, hint) in [
            (Config::new(24, 512, 1), "1, 8, 16, 32, 64, 128, 256"),
            (Config::new(64, 500, 1), "powers of two from 1 to 16384"),
            (Config::new(64, 1 << 15, 1), "powers of two from 1 to 16384"),
            (Config::new(64, 0, 1), "powers of two from 1 to 16384"),
            (Config::new(64, 512, 3), "1, 2, 4, 8, 16, 32"),
        ] {
            let message = bad.unwrap_err().to_string();
            assert!(message.contains(hint), "{message}");
        }
        assert_eq!(Config::all().count(), 7 * 15 * 6);
        for c in Config::all() {
            assert_eq!(Config::new(c.width(), c.depth(), c.lanes()), Ok(c));
        }
    }

    #[test]
    fn every_command_in_flight_leaves_the_pipeline_before_a_clear_ends() {
        for c in Config::all() {
            assert!(c.latency() + 2 < 1 << c.clear_counter_bits(), "{c:?}");
        }
    }
}
