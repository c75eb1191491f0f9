//! What is written of a design, and how.

use crate::timescale::Timescale;

/// How the modules of a design are arranged in files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrangement {
    /// All modules in `NAME.v`.
    #[default]
    Together,
    /// Each module in a file of its own name.
    Split,
}

/// What is written of a design, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How the modules are arranged in files.
    pub arrangement: Arrangement,
    /// The time unit and precision that the files declare.
    pub timescale: Timescale,
    /// Whether to write a self-checking testbench, `NAME_tb.v`.
    pub testbench: bool,
    /// Whether to write a test for cocotb, `NAME_cocotb.py`.
    pub cocotb: bool,
}

impl Options {
    /// The options of `atomik hdl generate` that these are, each with a space before it.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if self.arrangement == Arrangement::Split {
            text.push_str(" --split");
        }
        if self.timescale != Timescale::default() {
            text.push_str(&format!(" --timescale {}", self.timescale));
        }
        if self.testbench {
            text.push_str(" --testbench");
        }
        if self.cocotb {
            text.push_str(" --cocotb");
        }
        text
    }
}
