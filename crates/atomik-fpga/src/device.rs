//! The devices that designs are placed on, and how the tools are called for each.

use std::{fmt, str::FromStr};

use atomik_hdl::Target;
use atomik_tools::ToolKind;
use thiserror::Error;

/// Devices that share their tools and the names of their cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Lattice ECP5.
    Ecp5,
    /// Lattice iCE40.
    Ice40,
    /// Gowin GW1N.
    Gowin,
}

impl Family {
    /// What places and routes for the family.
    #[must_use]
    pub fn nextpnr(self) -> ToolKind {
        match self {
            Self::Ecp5 => ToolKind::NextpnrEcp5,
            Self::Ice40 => ToolKind::NextpnrIce40,
            Self::Gowin => ToolKind::NextpnrGowin,
        }
    }

    /// What packs bitstreams for the family.
    #[must_use]
    pub fn packer(self) -> ToolKind {
        match self {
            Self::Ecp5 => ToolKind::Ecppack,
            Self::Ice40 => ToolKind::Icepack,
            Self::Gowin => ToolKind::GowinPack,
        }
    }

    /// The memories that a register file for the family is generated with, unless others are asked
    /// for.
    #[must_use]
    pub fn target(self) -> Target {
        match self {
            Self::Ecp5 => Target::Ecp5,
            Self::Ice40 => Target::Ice40,
            Self::Gowin => Target::Gowin,
        }
    }
}

/// What a device has of each resource, by the data sheet of its maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Look-up tables of four inputs.
    pub luts: u32,
    /// Flip-flops.
    pub ffs: u32,
    /// Block memories.
    pub block_memories: u32,
    /// Bits of one block memory.
    pub block_memory_bits: u32,
}

/// An FPGA in a package, with a speed grade.
#[derive(Debug, PartialEq, Eq)]
pub struct Device {
    /// What it is called here: `ecp5-25k`.
    pub name: &'static str,
    /// The part in full, with package and speed grade.
    pub part: &'static str,
    /// Its family.
    pub family: Family,
    /// What it has.
    pub resources: Resources,
    /// The frequency in MHz that nextpnr is asked for, unless another is. Without any it would try
    /// for 12 MHz only.
    pub freq_mhz: u32,
    /// The Yosys command, without the top module.
    pub synthesis: &'static str,
    /// nextpnr's arguments for the device alone.
    pub nextpnr: &'static [&'static str],
}

const ECP5_SYNTHESIS: &str = "synth_ecp5 -abc9";
const ICE40_HX_SYNTHESIS: &str = "synth_ice40 -abc9 -device hx";
const ICE40_UP_SYNTHESIS: &str = "synth_ice40 -abc9 -device u";
const GOWIN_SYNTHESIS: &str = "synth_gowin";

/// The devices, in the order in which they are listed.
pub static DEVICES: [Device; 5] = [
    Device {
        name: "ecp5-25k",
        part: "Lattice LFE5U-25F, speed grade 6, caBGA381",
        family: Family::Ecp5,
        resources: Resources {
            luts: 24_288,
            ffs: 24_288,
            block_memories: 56,
            block_memory_bits: 18_432,
        },
        freq_mhz: 350,
        synthesis: ECP5_SYNTHESIS,
        nextpnr: &["--25k", "--package", "CABGA381", "--speed", "6"],
    },
    Device {
        name: "ecp5-85k",
        part: "Lattice LFE5U-85F, speed grade 6, caBGA381",
        family: Family::Ecp5,
        resources: Resources {
            luts: 83_640,
            ffs: 83_640,
            block_memories: 208,
            block_memory_bits: 18_432,
        },
        freq_mhz: 350,
        synthesis: ECP5_SYNTHESIS,
        nextpnr: &["--85k", "--package", "CABGA381", "--speed", "6"],
    },
    Device {
        name: "ice40-hx8k",
        part: "Lattice iCE40HX8K, CT256",
        family: Family::Ice40,
        resources: Resources {
            luts: 7_680,
            ffs: 7_680,
            block_memories: 32,
            block_memory_bits: 4_096,
        },
        freq_mhz: 250,
        synthesis: ICE40_HX_SYNTHESIS,
        nextpnr: &["--hx8k", "--package", "ct256"],
    },
    Device {
        name: "ice40-up5k",
        part: "Lattice iCE40UP5K, SG48",
        family: Family::Ice40,
        resources: Resources {
            luts: 5_280,
            ffs: 5_280,
            block_memories: 30,
            block_memory_bits: 4_096,
        },
        freq_mhz: 80,
        synthesis: ICE40_UP_SYNTHESIS,
        nextpnr: &["--up5k", "--package", "sg48"],
    },
    Device {
        name: "gw1nr-9",
        part: "Gowin GW1NR-LV9QN88PC6/I5 (Tang Nano 9K)",
        family: Family::Gowin,
        resources: Resources {
            luts: 8_640,
            ffs: 6_480,
            block_memories: 26,
            block_memory_bits: 18_432,
        },
        freq_mhz: 250,
        synthesis: GOWIN_SYNTHESIS,
        nextpnr: &[
            "--device",
            "GW1NR-LV9QN88PC6/I5",
            "--vopt",
            "family=GW1N-9C",
        ],
    },
];

/// Pins of the harness where nextpnr wants them named: the 27 MHz oscillator and two free pins of a
/// Tang Nano 9K.
pub(crate) const GOWIN_HARNESS_PINS: &str =
    "IO_LOC \"clk\" 52;\nIO_LOC \"si\" 25;\nIO_LOC \"so\" 26;\n";

/// There is no such device.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "no device is called {0:?}; there are {list}",
    list = DEVICES.iter().map(|device| device.name).collect::<Vec<_>>().join(", ")
)]
pub struct UnknownDevice(pub String);

impl Device {
    /// The device of a name.
    ///
    /// # Errors
    /// When there is none of that name; the message lists those that there are.
    pub fn named(name: &str) -> Result<&'static Self, UnknownDevice> {
        DEVICES
            .iter()
            .find(|device| device.name == name)
            .ok_or_else(|| UnknownDevice(name.to_owned()))
    }
}

impl Device {
    /// The Yosys commands that write the netlist of module `top`, whose ports are pins, to `file`.
    #[must_use]
    pub(crate) fn to_netlist(&self, top: &str, file: &str) -> String {
        let command = self.synthesis;
        match self.family {
            Family::Ecp5 | Family::Ice40 => format!("{command} -top {top} -json {file}"),
            // It would put pads on the ports of every module that is kept whole, not of the top
            // alone. And flip-flops are to be seen together with the tables that feed them across
            // modules; see `netlist::time_every_cell`.
            Family::Gowin => format!(
                "{command} -noiopads -top {top}; setattr -mod -unset keep_hierarchy; flatten; clean; \
                 iopadmap -bits -inpad IBUF O:I -outpad OBUF I:O -toutpad TBUF ~OEN:I:O -tinoutpad IOBUF ~OEN:O:I:IO \
                 {top}; clean; write_json {file}"
            ),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// How much of a design nextpnr's timing analysis is made to see.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Cells {
    /// Every path. On Gowin this takes a netlist of four-input tables alone: nextpnr knows no
    /// delays of the smaller ones, nor of the tables that it adds ahead of registers, and leaves
    /// every path through one out of its report. The circuit stays the same, and so does its size
    /// on the device.
    #[default]
    Timed,
    /// The netlist as Yosys makes it, for comparison with figures that were measured so.
    Plain,
}

impl Cells {
    /// `timed` or `plain`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Timed => "timed",
            Self::Plain => "plain",
        }
    }
}

impl FromStr for Cells {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Timed, Self::Plain]
            .into_iter()
            .find(|cells| cells.name() == name)
            .ok_or_else(|| format!("{name:?} is neither timed nor plain"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_is_found_by_its_name_and_a_wrong_name_lists_them_all() {
        for device in &DEVICES {
            assert_eq!(Device::named(device.name), Ok(device));
        }
        let message = Device::named("ecp5").unwrap_err().to_string();
        for device in &DEVICES {
            assert!(message.contains(device.name), "{message}");
        }
    }
}
