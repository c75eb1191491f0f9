use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use atomik_hdl::config::{LANES, MAX_ADDRESS_BITS, WIDTHS};
use atomik_hdl::design::{MemoryEntry, reference_configs};
use atomik_hdl::files::{self, Arrangement, TextFile};
use atomik_hdl::{Config, Target, generate as design, waves as diagrams};
use serde::Serialize;

use crate::args::{GenerateArgs, GeometryArgs, WavesArgs};
use crate::failure::Failure;
use crate::table::table;
use crate::{Outcome, print, print_json};

pub fn generate(args: &GenerateArgs) -> Result<Outcome, Failure> {
    let configs = if args.reference {
        reference_configs()?
    } else {
        vec![config(&args.geometry, args.target)?]
    };
    let arrangement = if args.split {
        Arrangement::Split
    } else {
        Arrangement::Together
    };
    for config in &configs {
        write(&files::files(config, arrangement)?, &args.out)?;
    }
    Ok(Outcome::Fine)
}

pub fn waves(args: &WavesArgs) -> Result<Outcome, Failure> {
    let config = config(&args.geometry, args.target)?;
    write(&diagrams::files(&config)?, &args.out)?;
    Ok(Outcome::Fine)
}

fn config(geometry: &GeometryArgs, target: Target) -> Result<Config, Failure> {
    let geometry = geometry.geometry()?;
    let config = Config::new(geometry.width(), geometry.depth(), geometry.lanes())?;
    Ok(config.with_target(target))
}

/// Writes the files, and says so.
fn write(files: &[TextFile], folder: &Path) -> Result<(), Failure> {
    let mut text = String::new();
    for path in files::write(files, folder)? {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "wrote {}", path.display());
    }
    print(text)
}

/// What there is to generate.
#[derive(Debug, Serialize)]
struct Possible {
    widths: Vec<u32>,
    depths: Vec<usize>,
    lanes: Vec<u32>,
    targets: Vec<&'static str>,
    reference: Vec<Reference>,
}

/// A reference configuration, and what its manifest says.
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
        let manifest = design(config).manifest;
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

pub fn list(json: bool) -> Result<Outcome, Failure> {
    let possible = Possible {
        widths: WIDTHS.to_vec(),
        depths: (0..=MAX_ADDRESS_BITS).map(|bits| 1 << bits).collect(),
        lanes: LANES.to_vec(),
        targets: Target::ALL.map(Target::name).to_vec(),
        reference: reference_configs()?.iter().map(Reference::of).collect(),
    };
    if json {
        print_json(&possible)?;
    } else {
        print(describe(&possible))?;
    }
    Ok(Outcome::Fine)
}

fn describe(possible: &Possible) -> String {
    let list = |values: &[String]| values.join(", ");
    let texts = |values: &[u32]| values.iter().map(u32::to_string).collect::<Vec<_>>();
    let depths: Vec<String> = possible.depths.iter().map(usize::to_string).collect();
    let mut options = table(&["option", "values"], usize::MAX);
    options.add_row(["--width", &list(&texts(&possible.widths))]);
    options.add_row(["--depth", &list(&depths)]);
    options.add_row(["--lanes", &list(&texts(&possible.lanes))]);
    options.add_row(["--target", &possible.targets.join(", ")]);

    let headings = ["reference", "latency", "clear cycles", "memories"];
    let mut reference = table(&headings, usize::MAX);
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

/// The memories by their size and kind: `512 words x 64 bits block: 4 loop_memory, 1 base_memory`.
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
