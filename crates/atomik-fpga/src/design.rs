//! What is placed.

use atomik_hdl::{Config, Target, generate};
use serde::{Deserialize, Serialize};

/// One port of a design.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Whether the design reads it.
    pub input: bool,
    /// How many bits it has.
    pub bits: u32,
}

/// The size of a register file, and what its memories are made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Bits of a word.
    pub width: u32,
    /// Addresses.
    pub depth: usize,
    /// Lanes.
    pub lanes: u32,
    /// What the memories are made for.
    pub target: String,
}

impl Shape {
    /// The shape of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            width: config.width(),
            depth: config.depth(),
            lanes: config.lanes(),
            target: config.target().name().to_owned(),
        }
    }
}

/// A module in Verilog, with all that it uses. Its clock is `clk`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Design {
    /// What it is called in reports.
    pub name: String,
    /// The top module.
    pub top: String,
    /// The Verilog.
    pub verilog: String,
    /// The ports of the top module; where they are not known yet, Yosys is asked.
    pub ports: Option<Vec<Port>>,
    /// Set for a generated register file.
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
            name: label(config),
            top: design.manifest.name.clone(),
            ports: Some(ports.collect()),
            shape: Some(Shape::of(config)),
            verilog: design.verilog,
        }
    }

    /// A module of somebody else's Verilog.
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

/// A configuration as it is called in reports: `w64 d512 l4`, with the target where it is not that
/// of any device.
fn label(config: &Config) -> String {
    let mut text = format!(
        "w{} d{} l{}",
        config.width(),
        config.depth(),
        config.lanes()
    );
    if config.target() != Target::Generic {
        text += &format!(" {}", config.target());
    }
    text
}
