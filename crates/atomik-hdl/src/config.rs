//! The register files that can be generated.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Data widths that can be generated, in bits.
pub const WIDTHS: [u32; 7] = [1, 8, 16, 32, 64, 128, 256];
/// Lane counts that can be generated.
pub const LANES: [u32; 6] = [1, 2, 4, 8, 16, 32];
/// The largest number of address bits: depths are the powers of two up to 2^14.
pub const MAX_ADDRESS_BITS: u32 = 14;

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

/// A configuration of the register file that can be generated: data width, depth, lanes and target.
/// Latency and names follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Config {
    width: u32,
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

impl Config {
    /// A register file of `depth` addresses of `width` bits with `lanes` lanes, for the generic
    /// target.
    ///
    /// # Errors
    /// If one of the three cannot be generated; the message lists the possible values.
    pub fn new(width: u32, depth: usize, lanes: u32) -> Result<Config, ConfigError> {
        if !WIDTHS.contains(&width) {
            return Err(ConfigError::Width(width));
        }
        if !depth.is_power_of_two() || depth.trailing_zeros() > MAX_ADDRESS_BITS {
            return Err(ConfigError::Depth(depth));
        }
        if !LANES.contains(&lanes) {
            return Err(ConfigError::Lanes(lanes));
        }
        Ok(Config {
            width,
            address_bits: depth.trailing_zeros(),
            lanes,
            target: Target::Generic,
        })
    }

    /// The same register file for `target`.
    #[must_use]
    pub fn with_target(self, target: Target) -> Config {
        Config { target, ..self }
    }

    /// Every configuration that can be generated, ordered by width, depth and lanes, for the
    /// generic target.
    pub fn all() -> impl Iterator<Item = Config> {
        WIDTHS.into_iter().flat_map(|width| {
            (0..=MAX_ADDRESS_BITS).flat_map(move |address_bits| {
                LANES.into_iter().map(move |lanes| Config {
                    width,
                    address_bits,
                    lanes,
                    target: Target::Generic,
                })
            })
        })
    }

    /// Data width in bits (`W`).
    pub fn width(&self) -> u32 {
        self.width
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

    /// Name of the top module: `atomik_regfile_w64_d512_l4`, or `atomik_regfile_w64_d512_l4_ecp5`.
    pub fn name(&self) -> String {
        format!("atomik_regfile_{}", self.label())
    }

    /// A short label: `w64_d512_l4`, or `w64_d512_l4_ecp5`.
    pub fn label(&self) -> String {
        let target = match self.target {
            Target::Generic => String::new(),
            target => format!("_{target}"),
        };
        format!("w{}_d{}_l{}{target}", self.width, self.depth(), self.lanes)
    }

    /// Cycles from a command's acceptance to its response (`LATENCY`).
    pub fn latency(&self) -> u32 {
        self.delta_stage() + 1 + self.clean_levels()
    }

    /// Cycles from the last cycle with `rst` high to the first with `ready` high (`CLEAR`).
    pub fn clear_cycles(&self) -> u32 {
        (1 << self.clear_counter_bits()) + 11
    }

    /// The number of registers between a memory's output register and the logic behind it. They let
    /// that logic be placed away from the memory, at the cost of a stage in every loop.
    pub(crate) fn word_registers(&self) -> u32 {
        match self.target {
            Target::Ecp5 | Target::Ice40 | Target::Xilinx => 1,
            Target::Generic | Target::Gowin => 0,
        }
    }

    /// The stage that ends with the write to a lane's memory (`T`). The read ends stage 2.
    pub(crate) fn write_stage(&self) -> u32 {
        5 + self.word_registers()
    }

    /// The number of preceding cycles whose commands a memory read does not see (`D`).
    pub(crate) fn loop_distance(&self) -> u32 {
        self.write_stage() - 2
    }

    /// The stage at which a lane passes its delta on.
    pub(crate) fn passed_stage(&self) -> u32 {
        self.loop_distance() + 2
    }

    /// The stage at which a lane's accumulator, read for lane 0's command, is registered.
    pub(crate) fn lane_read_stage(&self) -> u32 {
        self.write_stage() + 2 + self.word_registers()
    }

    /// The number of bits of a word that share control registers.
    pub(crate) fn slice_width(&self) -> u32 {
        match self.target {
            Target::Generic => self.width,
            _ if self.address_bits == 0 => self.width.min(8),
            _ => self.width.min(32),
        }
    }

    /// The stage at which the xor of all lanes' accumulators, as the command saw it, is registered.
    pub(crate) fn total_stage(&self) -> u32 {
        if self.address_bits == 0 {
            // Inputs; distribution of the valid bits to all slices; masking and merging of pairs of
            // lanes; then the merge tree.
            3 + merge_levels(self.lanes.div_ceil(2))
        } else {
            self.lane_read_stage() + merge_levels(self.lanes)
        }
    }

    /// The stage at which the delta `D` and the state `S` that the command saw are registered.
    pub(crate) fn delta_stage(&self) -> u32 {
        if self.address_bits == 0 {
            self.total_stage() + 1
        } else {
            self.total_stage() + 3 + 2 * self.word_registers()
        }
    }

    /// The number of registered levels of the zero detector in front of the output register.
    pub(crate) fn clean_levels(&self) -> u32 {
        let mut groups = self.width.div_ceil(4);
        let mut levels = 1;
        while groups > 4 {
            groups = groups.div_ceil(4);
            levels += 1;
        }
        levels
    }

    /// The width of the clear counter. The clear takes at least 32 cycles, so that every command in
    /// flight at the reset has left the pipeline before it ends.
    pub(crate) fn clear_counter_bits(&self) -> u32 {
        self.address_bits.max(5)
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
            assert!(c.latency() + 2 < c.clear_cycles(), "{c:?}");
        }
    }
}
