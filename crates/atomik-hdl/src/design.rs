//! From a configuration to a design: the Verilog with its header, and the manifest.

use crate::circuit::{Child, Circuit};
use crate::config::{Config, ConfigError};
use crate::net::range;
use crate::options::Options;
use crate::timescale::Timescale;
use crate::{regfile, verilog};
use atomik_algebra::Op;
use rust_hdl::core::atom::AtomKind;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Width, depth and lanes of the reference configurations, whose Verilog is checked in.
pub const REFERENCE: &[(u32, usize, u32)] = &[
    (64, 512, 1),
    (64, 512, 4),
    (32, 1024, 8),
    (64, 1, 16),
    (8, 16, 2),
];

/// The reference configurations as [`Config`]s.
///
/// # Errors
/// None in practice: every configuration in [`REFERENCE`] can be generated.
pub fn reference_configs() -> Result<Vec<Config>, ConfigError> {
    REFERENCE
        .iter()
        .map(|&(w, d, l)| Config::new(w, d, l))
        .collect()
}

/// A generated design.
#[derive(Clone, Debug)]
pub struct Design {
    /// The text of `NAME.v`: Verilog-2001, the top module first.
    pub verilog: String,
    /// The contents of `NAME.json`.
    pub manifest: Manifest,
    /// Simulation models of the device cells that the Verilog instantiates: name and text.
    /// Synthesis must not see them.
    pub models: Vec<(&'static str, String)>,
}

impl Design {
    /// The Verilog, followed by the models of the cells that it instantiates.
    pub fn simulation_verilog(&self) -> String {
        let mut text = self.verilog.clone();
        for (_, model) in &self.models {
            let _ = write!(text, "\n{model}");
        }
        text
    }
}

/// The manifest, written next to the Verilog as `NAME.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the top module.
    pub name: String,
    /// Generator and version.
    pub generator: String,
    /// The command that generates the Verilog.
    pub command: String,
    /// Data width in bits.
    pub width: u32,
    /// The fields of a word, if one of them adds: `xor:48,add:16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// Number of addresses.
    pub depth: usize,
    /// Number of lanes.
    pub lanes: u32,
    /// The target.
    pub target: String,
    /// Cycles from a command to its response.
    pub latency: u32,
    /// Cycles from the last cycle with `rst` high to the first with `ready` high.
    pub clear_cycles: u32,
    /// Op codes by name.
    pub ops: BTreeMap<String, u8>,
    /// Ports of the top module, in order.
    pub ports: Vec<Port>,
    /// The memories, one entry per purpose and width.
    pub memories: Vec<MemoryEntry>,
    /// SHA-256 of the Verilog file, in hexadecimal.
    pub sha256: String,
    /// If every module has its own file: the SHA-256 of the other modules' files, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

/// One port of the top module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Name.
    pub name: String,
    /// `in` or `out`.
    pub direction: String,
    /// Number of bits.
    pub bits: u32,
    /// A one-line description.
    pub text: String,
}

/// All memories of one purpose and width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryEntry {
    /// The instance name, which is the same in every lane and slice. With fields that add, slices
    /// may differ in width; there is an entry for each.
    pub name: String,
    /// Bits of a word.
    pub width: u32,
    /// Number of words.
    pub depth: usize,
    /// The number of instances.
    pub copies: u32,
    /// The implementation: `block` or `distributed` RAM, and the name of the cell if one is
    /// instantiated.
    pub kind: String,
}

/// Generates the register file of `config`, with the default timescale. The same configuration
/// gives the same bytes.
pub fn generate(config: &Config) -> Design {
    with_options(config, Options::default())
}

/// Generates the register file of `config`, with the timescale and the command of the options.
pub(crate) fn with_options(config: &Config, options: Options) -> Design {
    let timescale = options.timescale;
    let circuit = regfile::circuit(config);
    let mut manifest = Manifest {
        name: config.name(),
        generator: format!("atomik-hdl {}", env!("CARGO_PKG_VERSION")),
        command: format!("atomik hdl generate {}{}", config.options(), options.text()),
        width: config.width(),
        layout: config.adding_layout(),
        depth: config.depth(),
        lanes: config.lanes(),
        target: config.target().to_string(),
        latency: config.latency(),
        clear_cycles: config.clear_cycles(),
        ops: Op::ALL
            .iter()
            .map(|op| (op.name().to_string(), op.code()))
            .collect(),
        ports: circuit
            .nets
            .iter()
            .filter(|n| n.is_port())
            .map(|n| Port {
                name: n.name.clone(),
                direction: if n.kind == AtomKind::InputParameter {
                    "in"
                } else {
                    "out"
                }
                .into(),
                bits: n.width,
                text: n.comment.clone(),
            })
            .collect(),
        memories: memories(&circuit),
        sha256: String::new(),
        files: BTreeMap::new(),
    };
    let mut verilog = header(&manifest, timescale);
    for (i, (_, text)) in verilog::modules(&circuit).iter().enumerate() {
        if i == 1 {
            // Verilator's -Wall wants a file for each module, as --split writes them.
            verilog.push_str("\n// The file is named after the module above.\n");
            verilog.push_str("// verilator lint_off DECLFILENAME\n");
        }
        verilog.push('\n');
        verilog.push_str(text);
    }
    verilog.push_str("\n`default_nettype wire\n");
    manifest.sha256 = sha256(&verilog);
    Design {
        verilog,
        manifest,
        models: models(&circuit)
            .into_iter()
            .map(|(cell, text)| (cell, model_file(cell, text, timescale)))
            .collect(),
    }
}

/// The SHA-256 of a text, in hexadecimal.
pub(crate) fn sha256(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

impl Manifest {
    /// The text of `NAME.json`.
    ///
    /// # Errors
    /// None in practice: every field is plain text or a number.
    pub fn to_json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

fn memories(circuit: &Circuit) -> Vec<MemoryEntry> {
    let mut found: Vec<MemoryEntry> = vec![];
    collect_memories(circuit, &mut found);
    found
}

/// The model of a cell as a file. Several designs may bring a copy, so only the first counts.
pub(crate) fn model_file(cell: &str, text: &str, timescale: Timescale) -> String {
    let guard = format!("ATOMIK_MODEL_{cell}");
    let directive = timescale.directive();
    format!("`ifndef {guard}\n`define {guard}\n{directive}{text}`endif // {guard}\n")
}

fn models(circuit: &Circuit) -> Vec<(&'static str, &'static str)> {
    let mut found = vec![];
    for (_, child) in &circuit.children {
        let models = match child {
            Child::Memory(m) => m.storage().model().into_iter().collect(),
            Child::Circuit(c) => models(c),
            Child::Register(_) => vec![],
        };
        for model in models {
            if !found.contains(&model) {
                found.push(model);
            }
        }
    }
    found
}

fn collect_memories(circuit: &Circuit, found: &mut Vec<MemoryEntry>) {
    for (name, child) in &circuit.children {
        match child {
            Child::Memory(m) => match found
                .iter_mut()
                .find(|e| e.name == *name && e.width == m.width)
            {
                Some(entry) => entry.copies += 1,
                None => found.push(MemoryEntry {
                    name: name.clone(),
                    width: m.width,
                    depth: 1 << m.address_bits,
                    copies: 1,
                    kind: m.storage().kind(),
                }),
            },
            Child::Circuit(c) => collect_memories(c, found),
            Child::Register(_) => {}
        }
    }
}

/// The header: what the design is, how to regenerate it, its ops and its ports.
pub(crate) fn header(manifest: &Manifest, timescale: Timescale) -> String {
    let Manifest {
        name,
        width,
        layout,
        depth,
        lanes,
        latency,
        clear_cycles,
        ..
    } = manifest;
    let mut out = String::new();
    let mut line = |text: &str| {
        let _ = writeln!(out, "{}", format!("// {text}").trim_end());
    };
    line(&match layout {
        None => format!("{name}: XOR accumulator register file"),
        Some(_) => format!("{name}: accumulator register file"),
    });
    line("SPDX-License-Identifier: MIT OR Apache-2.0");
    line("");
    line("Generated; do not edit. Regenerate with:");
    line(&format!("    {}", manifest.command));
    line("");
    let plural = |n: u64, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    line(&format!(
        "{} of {}, {}.",
        plural(*depth as u64, "address", "addresses"),
        plural(u64::from(*width), "bit", "bits"),
        plural(u64::from(*lanes), "lane", "lanes")
    ));
    if let Some(layout) = layout {
        line(&format!("Fields, from the lowest bits up: {layout}."));
        line("+ combines words field by field: xor, or addition modulo 2^n in n bits.");
    }
    line("Every lane accepts one command in every cycle, whatever the addresses.");
    line(&format!(
        "LATENCY = {latency}: a response comes exactly {latency} cycles after its command."
    ));
    line(&format!(
        "CLEAR = {clear_cycles}: ready rises {clear_cycles} cycles after the last cycle with rst \
         high."
    ));
    line(
        "Commands take effect in the order (cycle, lane); lane 0 takes every op, the others ACCUM:",
    );
    let (accum, read) = match layout {
        None => (
            "delta := delta ^ cmd_data",
            "responds with the state, reference ^ delta",
        ),
        Some(_) => (
            "delta := delta + cmd_data",
            "responds with the state, reference + delta",
        ),
    };
    for (op, text) in [
        (Op::Nop, "nothing"),
        (Op::Load, "reference := cmd_data, delta := 0"),
        (Op::Accum, accum),
        (Op::Read, read),
        (
            Op::Swap,
            "responds with the state; reference := state, delta := 0",
        ),
        (Op::Delta, "responds with the delta"),
        (
            Op::Drain,
            "responds with the delta; reference := state, delta := 0",
        ),
    ] {
        line(&format!(
            "    {} {:<5} {text}",
            op.code(),
            op.name().to_uppercase()
        ));
    }
    line("");
    line("Ports:");
    for port in &manifest.ports {
        let kind = format!("{:<3} {}", port.direction, range(port.bits));
        line(&format!("    {:<10} {kind:<13} {}", port.name, port.text));
    }
    let directive = timescale.directive();
    let _ = write!(out, "\n{directive}`default_nettype none\n");
    out
}
