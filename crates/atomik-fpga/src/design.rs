//! Designs: generated register files, and other Verilog.

use atomik_hdl::{Config, generate};
use serde::{Deserialize, Serialize};

/// One port of a design.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The name.
    pub name: String,
    /// Whether it is an input.
    pub input: bool,
    /// The number of bits.
    pub bits: u32,
}

/// The size of a register file, and the target of its memories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Bits of a word.
    pub width: u32,
    /// The fields of a word, if one of them adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// Addresses.
    pub depth: usize,
    /// Lanes.
    pub lanes: u32,
    /// The target of the memories.
    pub target: String,
}

impl Shape {
    /// The shape of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            width: config.width(),
            layout: config.adding_layout(),
            depth: config.depth(),
            lanes: config.lanes(),
            target: config.target().name().to_owned(),
        }
    }
}

/// A Verilog module with everything it instantiates. Its clock is `clk`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Design {
    /// The name in reports.
    pub name: String,
    /// The top module.
    pub top: String,
    /// The Verilog.
    pub verilog: String,
    /// The ports of the top module, if known. Otherwise Yosys reads them.
    pub ports: Option<Vec<Port>>,
    /// The size, for a generated register file.
    pub shape: Option<Shape>,
}

impl Design {
    /// The register file of a configuration.
    #[must_use]
    pub fn generated(config: &Config) -> Self {
        let design = generate(config);
        let ports = design.manifest.ports.iter().map(|port| Port {
            name: port.name.clone(),
            input: port.direction == "in",
            bits: port.bits,
        });
        Self {
            name: config.text(),
            top: design.manifest.name.clone(),
            ports: Some(ports.collect()),
            shape: Some(Shape::of(config)),
            verilog: design.verilog,
        }
    }

    /// A module of any other Verilog.
    #[must_use]
    pub fn foreign(top: &str, verilog: String) -> Self {
        Self {
            name: top.to_owned(),
            top: top.to_owned(),
            verilog,
            ports: None,
            shape: None,
        }
    }
}
