//! `atomik hdl list`.

use std::collections::BTreeMap;

use atomik_hdl::config::{LANES, MAX_ADDRESS_BITS, WIDTHS};
use atomik_hdl::design::{MemoryEntry, reference_configs};
use atomik_hdl::{Config, Target, generate};
use atomik_terminal::{Status, print, print_json, text_table};
use serde::Serialize;

use crate::error::CommandError;

const EXAMPLES: &str = "\
Examples:
  atomik hdl list
  atomik hdl list --json";

/// Show what can be generated, and the reference configurations
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What can be generated.
#[derive(Debug, Serialize)]
struct Possible {
    widths: Vec<u32>,
    depths: Vec<usize>,
    lanes: Vec<u32>,
    targets: Vec<&'static str>,
    reference: Vec<Reference>,
}

/// A reference configuration, from its manifest.
#[derive(Debug, Serialize)]
struct Reference {
    name: String,
    width: u32,
    depth: usize,
    lanes: u32,
    latency: u32,
    clear_cycles: u32,
    memories: Vec<MemoryEntry>,
}

impl Reference {
    fn of(config: &Config) -> Self {
        let manifest = generate(config).manifest;
        Self {
            name: manifest.name,
            width: manifest.width,
            depth: manifest.depth,
            lanes: manifest.lanes,
            latency: manifest.latency,
            clear_cycles: manifest.clear_cycles,
            memories: manifest.memories,
        }
    }
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let possible = Possible {
        widths: WIDTHS.to_vec(),
        depths: (0..=MAX_ADDRESS_BITS).map(|bits| 1 << bits).collect(),
        lanes: LANES.to_vec(),
        targets: Target::ALL.map(Target::name).to_vec(),
        reference: reference_configs()?.iter().map(Reference::of).collect(),
    };
    if args.json {
        print_json(&possible)?;
    } else {
        print(describe(&possible))?;
    }
    Ok(Status::Done)
}

fn describe(possible: &Possible) -> String {
    let mut options = text_table(&["option", "values"]);
    options.add_row(["--width", &list(&possible.widths)]);
    options.add_row(["--depth", &list(&possible.depths)]);
    options.add_row(["--lanes", &list(&possible.lanes)]);
    options.add_row(["--target", &list(&possible.targets)]);

    let mut reference = text_table(&["reference", "latency", "clear cycles", "memories"]);
    for entry in &possible.reference {
        reference.add_row([
            entry.name.clone(),
            entry.latency.to_string(),
            entry.clear_cycles.to_string(),
            memories(&entry.memories),
        ]);
    }
    format!("{options}\n\n{reference}\n")
}

fn list(values: &[impl ToString]) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// The memories by size and kind: `512 words x 64 bits block: 4 loop_memory, 1 base_memory`.
fn memories(entries: &[MemoryEntry]) -> String {
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for MemoryEntry {
        name,
        width,
        depth,
        copies,
        kind,
    } in entries
    {
        let kind = format!("{depth} words x {width} bits {kind}");
        kinds
            .entry(kind)
            .or_default()
            .push(format!("{copies} {name}"));
    }
    let lines: Vec<String> = kinds
        .iter()
        .map(|(kind, names)| format!("{kind}: {}", names.join(", ")))
        .collect();
    if lines.is_empty() {
        return "none".into();
    }
    lines.join("; ")
}
