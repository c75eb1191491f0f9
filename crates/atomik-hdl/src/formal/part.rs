//! The parts of a proof, and where words come into a netlist.

use crate::config::Config;
use crate::regfile::holdings::holdings;

/// What the first part is about.
pub(super) const REGISTER_FILE: &str = "register file";

/// One proof obligation.
#[derive(Clone, Debug)]
pub struct Part {
    /// The top module.
    pub top: String,
    /// What it is about: `register file`, or `memory of 16 x 8 bits`.
    pub about: String,
    /// Whether memories are replaced by their promise.
    pub promised: bool,
    /// What is to be connected in the model that Yosys writes.
    pub peeks: Vec<Peek>,
    /// The number of cycles that induction assumes before the one that it proves.
    pub window: u32,
    /// The number of cycles from the start until every cover can have been reached.
    pub horizon: u32,
}

/// A wire that is left open in the Verilog: it is to have the word of an array at `address`.
#[derive(Clone, Debug)]
pub struct Peek {
    /// The wire.
    pub wire: String,
    /// The array, with the path to it.
    pub array: String,
}

/// Where bits of words come into a netlist.
#[derive(Clone, Debug)]
pub struct WordInput {
    /// The name of the wire, with the path to it.
    pub wire: String,
    /// What the bits have in common with those of other slices of the same words.
    pub label: String,
    /// The first bit of the wire that is meant.
    pub from: u32,
    /// The position of that bit in the word.
    pub low: u32,
    /// The number of bits.
    pub bits: u32,
}

/// Where words come into the register file of `config`, with the promise of its memories.
pub(super) fn words(config: &Config) -> Vec<WordInput> {
    if config.adds() {
        return vec![];
    }
    let width = config.width();
    let lanes = (0..config.lanes()).map(|lane| WordInput {
        wire: "cmd_data".into(),
        label: format!("data of lane {lane}"),
        from: lane * width,
        low: 0,
        bits: width,
    });
    let memories = holdings(config).into_iter().filter(|it| it.is_memory);
    let junk = memories.map(|it| WordInput {
        wire: format!("{}.junk", it.place),
        // Slices of a place have the same label.
        label: it
            .place
            .split('.')
            .filter(|name| !name.starts_with("slice"))
            .collect(),
        from: 0,
        low: it.low,
        bits: it.bits,
    });
    lanes.chain(junk).collect()
}
