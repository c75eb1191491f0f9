//! The devices that designs can be placed on, and the arguments of the tools for each.

use std::{fmt, str::FromStr};

use atomik_hdl::{Target, synthesis};
use atomik_tools::ToolKind;
use thiserror::Error;

/// A family of devices, which share tools and cell names.
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
    /// The nextpnr of the family.
    #[must_use]
    pub fn nextpnr(self) -> ToolKind {
        match self {
            Self::Ecp5 => ToolKind::NextpnrEcp5,
            Self::Ice40 => ToolKind::NextpnrIce40,
            Self::Gowin => ToolKind::NextpnrGowin,
        }
    }

    /// The bitstream packer of the family.
    #[must_use]
    pub fn packer(self) -> ToolKind {
        match self {
            Self::Ecp5 => ToolKind::Ecppack,
            Self::Ice40 => ToolKind::Icepack,
            Self::Gowin => ToolKind::GowinPack,
        }
    }

    /// The default target of register files for the family.
    #[must_use]
    pub fn target(self) -> Target {
        match self {
            Self::Ecp5 => Target::Ecp5,
            Self::Ice40 => Target::Ice40,
            Self::Gowin => Target::Gowin,
        }
    }
}

/// The resources of a device, from its data sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// LUTs of four inputs.
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
    /// The name used here, such as `ecp5-25k`.
    pub name: &'static str,
    /// The full part name, with package and speed grade.
    pub part: &'static str,
    /// The family.
    pub family: Family,
    /// The resources.
    pub resources: Resources,
    /// The default frequency to request from nextpnr, in MHz. Without a request, nextpnr aims at
    /// 12 MHz.
    pub freq_mhz: u32,
    /// The Yosys command, without the top module.
    pub synthesis: &'static str,
    /// The arguments that select the device in nextpnr.
    pub nextpnr: &'static [&'static str],
}

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
        synthesis: synthesis::ECP5,
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
        synthesis: synthesis::ECP5,
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
        synthesis: synthesis::ICE40_HX,
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
        synthesis: synthesis::ICE40_UP,
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
        synthesis: synthesis::GOWIN,
        nextpnr: &[
            "--device",
            "GW1NR-LV9QN88PC6/I5",
            "--vopt",
            "family=GW1N-9C",
        ],
    },
];

/// There is no device of this name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "no device is called {0:?}; choose one of {list}",
    list = DEVICES.iter().map(|device| device.name).collect::<Vec<_>>().join(", ")
)]
pub struct UnknownDevice(pub String);

impl Device {
    /// The device called `name`.
    ///
    /// # Errors
    /// If there is none; the message lists all devices.
    pub fn named(name: &str) -> Result<&'static Self, UnknownDevice> {
        DEVICES
            .iter()
            .find(|device| device.name == name)
            .ok_or_else(|| UnknownDevice(name.to_owned()))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// How much of a design nextpnr's timing analysis covers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Cells {
    /// Every path. For Gowin, the netlist is rewritten to use only LUTs of four inputs: nextpnr
    /// knows no delays of smaller LUTs, nor of the LUTs that it adds in front of registers, and
    /// leaves every path through one out of its report. The circuit and its size on the device stay
    /// the same.
    #[default]
    Timed,
    /// The netlist as Yosys writes it, for comparison with figures measured that way.
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

/// The name is neither `timed` nor `plain`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is neither timed nor plain; choose one of the two")]
pub struct UnknownCells(pub String);

impl FromStr for Cells {
    type Err = UnknownCells;

    fn from_str(name: &str) -> Result<Self, UnknownCells> {
        [Self::Timed, Self::Plain]
            .into_iter()
            .find(|cells| cells.name() == name)
            .ok_or_else(|| UnknownCells(name.to_owned()))
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
