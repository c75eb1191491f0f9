//! Reading what Yosys writes: the area of a design, and its ports.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::design::Port;
use crate::device::Family;

/// The output of Yosys is not as expected.
#[derive(Debug, Error)]
pub enum NetlistError {
    /// It is not the expected JSON.
    #[error("cannot read the output of Yosys: {0}; try the Yosys that `make setup-fpga` installs")]
    Json(#[from] serde_json::Error),
    /// A part of the netlist is missing.
    #[error("the netlist of Yosys has no {0}; try the Yosys that `make setup-fpga` installs")]
    Missing(&'static str),
    /// The design does not have the module.
    #[error("there is no module {top} in the netlist; name the top module of the design")]
    NoModule {
        /// The module.
        top: String,
    },
    /// A port cannot be connected to the harness.
    #[error("port {port} is an {direction}, but only inputs and outputs can be placed; split it")]
    Direction {
        /// The port.
        port: String,
        /// Its direction.
        direction: String,
    },
}

/// The area of a design, as cells counted by Yosys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// LUTs of up to four inputs, including those in carry chains.
    pub luts: u32,
    /// Flip-flops.
    pub ffs: u32,
    /// Block memories.
    pub block_memories: u32,
    /// Distributed memories of 16 words by 4 bits. `luts` does not include their LUTs.
    pub lut_memories: u32,
}

impl Area {
    /// Counts cells by their types.
    #[must_use]
    pub fn of(family: Family, cells: &BTreeMap<String, u32>) -> Self {
        let mut area = Self::default();
        for (cell, &count) in cells {
            let starts = |names: &[&str]| names.iter().any(|name| cell.starts_with(name));
            match family {
                Family::Ecp5 => match cell.as_str() {
                    "LUT4" => area.luts += count,
                    "CCU2C" => area.luts += 2 * count,
                    "TRELLIS_FF" => area.ffs += count,
                    "DP16KD" | "PDPW16KD" => area.block_memories += count,
                    "TRELLIS_DPR16X4" => area.lut_memories += count,
                    _ => {}
                },
                Family::Ice40 => match cell.as_str() {
                    "SB_LUT4" => area.luts += count,
                    _ if starts(&["SB_DFF"]) => area.ffs += count,
                    _ if starts(&["SB_RAM40"]) => area.block_memories += count,
                    _ => {}
                },
                Family::Gowin => match cell.as_str() {
                    "LUT1" | "LUT2" | "LUT3" | "LUT4" | "ALU" => area.luts += count,
                    _ if starts(&["DFF"]) => area.ffs += count,
                    _ if starts(&["RAM16"]) => area.lut_memories += count,
                    _ if starts(&["SDP", "DP", "SP", "pROM"]) => area.block_memories += count,
                    _ => {}
                },
            }
        }
        area
    }

    /// Reads the output of Yosys's `stat -json`.
    ///
    /// # Errors
    /// If the text is something else.
    pub fn parse(family: Family, stat: &str) -> Result<Self, NetlistError> {
        #[derive(Deserialize)]
        struct Stat {
            design: Totals,
        }
        #[derive(Deserialize)]
        struct Totals {
            num_cells_by_type: BTreeMap<String, u32>,
        }
        let stat: Stat = serde_json::from_str(stat)?;
        Ok(Self::of(family, &stat.design.num_cells_by_type))
    }
}

/// The ports of module `top` in a JSON netlist of Yosys, ordered by name.
///
/// # Errors
/// If there is no such module, or if a port is neither an input nor an output.
pub fn ports(netlist: &str, top: &str) -> Result<Vec<Port>, NetlistError> {
    #[derive(Deserialize)]
    struct Netlist {
        modules: HashMap<String, Module>,
    }
    #[derive(Deserialize)]
    struct Module {
        ports: BTreeMap<String, PortEntry>,
    }
    #[derive(Deserialize)]
    struct PortEntry {
        direction: String,
        bits: Vec<Value>,
    }
    let mut netlist: Netlist = serde_json::from_str(netlist)?;
    let module = netlist
        .modules
        .remove(top)
        .ok_or_else(|| NetlistError::NoModule {
            top: top.to_owned(),
        })?;
    module
        .ports
        .into_iter()
        .map(|(name, port)| match port.direction.as_str() {
            "input" | "output" => Ok(Port {
                name,
                input: port.direction == "input",
                bits: port.bits.len() as u32,
            }),
            _ => Err(NetlistError::Direction {
                port: name,
                direction: port.direction,
            }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_counted_as_what_they_take_of_a_device() {
        let count = |family, cells: &[(&str, u32)]| {
            let cells = cells.iter().map(|&(name, n)| (name.to_owned(), n));
            Area::of(family, &cells.collect())
        };
        assert_eq!(
            count(
                Family::Ecp5,
                &[
                    ("LUT4", 10),
                    ("CCU2C", 3),
                    ("PFUMX", 5),
                    ("TRELLIS_FF", 7),
                    ("DP16KD", 2),
                    ("TRELLIS_DPR16X4", 4)
                ]
            ),
            Area {
                luts: 16,
                ffs: 7,
                block_memories: 2,
                lut_memories: 4
            }
        );
        assert_eq!(
            count(
                Family::Ice40,
                &[
                    ("SB_LUT4", 10),
                    ("SB_CARRY", 9),
                    ("SB_DFF", 1),
                    ("SB_DFFESR", 2),
                    ("SB_RAM40_4K", 8)
                ]
            ),
            Area {
                luts: 10,
                ffs: 3,
                block_memories: 8,
                lut_memories: 0
            }
        );
        assert_eq!(
            count(
                Family::Gowin,
                &[
                    ("LUT1", 1),
                    ("LUT4", 2),
                    ("ALU", 4),
                    ("MUX2_LUT5", 9),
                    ("DFF", 8),
                    ("DFFRE", 16),
                    ("SDPX9B", 3),
                    ("RAM16SDP4", 5),
                    ("IBUF", 2)
                ]
            ),
            Area {
                luts: 7,
                ffs: 24,
                block_memories: 3,
                lut_memories: 5
            }
        );
    }

    #[test]
    fn ports_of_a_netlist_have_their_direction_and_size() {
        let netlist = r#"{"modules":{"m":{"ports":{
            "q":{"direction":"output","bits":[3,4]},"clk":{"direction":"input","bits":[2]}}}}}"#;
        let ports = ports(netlist, "m").unwrap();
        let find = |name: &str| ports.iter().find(|port| port.name == name).unwrap();
        assert_eq!((find("q").input, find("q").bits), (false, 2));
        assert_eq!((find("clk").input, find("clk").bits), (true, 1));
        let netlist = netlist.replace("output", "inout");
        let error = super::ports(&netlist, "m").unwrap_err().to_string();
        assert!(error.contains("port q is an inout"), "{error}");
        assert!(super::ports(&netlist, "n").is_err());
    }
}
