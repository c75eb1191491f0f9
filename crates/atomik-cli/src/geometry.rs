//! The size of a register file, as options.

use atomik_hdl::{Config, ConfigError, Target};
use atomik_sim::netlist::has_netlist;
use atomik_trace::{Geometry, Layout};
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::error::CommandError;

/// The options `--width`, `--layout`, `--depth` and `--lanes`.
#[derive(Debug, clap::Args)]
pub struct GeometryArgs {
    #[command(flatten)]
    word: WordArgs,
    /// Words in the register file, a power of two [default: 512]
    #[arg(long, value_name = "WORDS", value_parser = depth)]
    depth: Option<usize>,
    /// Lanes, 1 to 32 [default: 1]
    #[arg(long, value_name = "LANES", value_parser = lanes)]
    lanes: Option<u32>,
}

/// The options `--width` and `--layout`.
#[derive(Debug, clap::Args)]
pub struct WordArgs {
    /// Bits per word, 1 to 512; in Verilog 1, 8, 16, 32, 64, 128 or 256 [default: 64]
    #[arg(long, value_name = "BITS", value_parser = width)]
    width: Option<u32>,
    /// Fields of a word, lowest bits first, such as xor:48,add:16
    #[arg(long, value_name = "FIELDS")]
    layout: Option<Layout>,
}

impl GeometryArgs {
    pub fn geometry(&self) -> Result<Geometry, CommandError> {
        let layout = self.word.layout()?;
        Ok(Geometry::with_layout(
            layout,
            self.depth.unwrap_or(512),
            self.lanes.unwrap_or(1),
        )?)
    }

    /// Whether one of the options was given.
    pub fn is_given(&self) -> bool {
        let Self { word, depth, lanes } = self;
        word.width.is_some() || word.layout.is_some() || depth.is_some() || lanes.is_some()
    }

    /// The options as they were given, each after a space.
    pub fn given(&self) -> String {
        let Self { word, depth, lanes } = self;
        [
            word.width.map(|n| format!(" --width {n}")),
            word.layout.map(|fields| format!(" --layout {fields}")),
            depth.map(|n| format!(" --depth {n}")),
            lanes.map(|n| format!(" --lanes {n}")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The configuration to generate for `target`.
    pub fn config(&self, target: Target) -> Result<Config, CommandError> {
        Ok(config(self.geometry()?)?.with_target(target))
    }
}

impl WordArgs {
    /// The layout of a word.
    pub fn layout(&self) -> Result<Layout, CommandError> {
        match (self.width, self.layout) {
            (Some(width), Some(layout)) if width != layout.width() => {
                Err(CommandError::LayoutWidth {
                    layout: Box::new(layout),
                    width,
                })
            }
            (_, Some(layout)) => Ok(layout),
            (width, None) => Ok(Geometry::new(width.unwrap_or(64), 1, 1)?.layout()),
        }
    }

    /// The options as they were given.
    pub fn text(&self) -> String {
        match (self.width, self.layout) {
            (_, Some(layout)) => format!("--layout {layout}"),
            (width, None) => format!("--width {}", width.unwrap_or(64)),
        }
    }
}

/// The configuration to generate for a register file.
pub fn config(geometry: Geometry) -> Result<Config, ConfigError> {
    Config::with_layout(geometry.layout(), geometry.depth(), geometry.lanes())
}

/// Parses a target by its name; help and completions list all names.
pub fn target() -> impl TypedValueParser<Value = Target> {
    one_of(&Target::ALL)
}

/// The same for targets whose designs have netlists.
pub fn netlist_target() -> impl TypedValueParser<Value = Target> {
    let placed = Target::ALL.into_iter().filter(|it| has_netlist(*it));
    one_of(&placed.collect::<Vec<_>>())
}

fn one_of(targets: &[Target]) -> impl TypedValueParser<Value = Target> + use<> {
    let names = targets.iter().map(|target| target.name());
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Target>())
}

/// Parses a width that some geometry can have.
pub fn width(text: &str) -> Result<u32, String> {
    let width = text.parse().map_err(|error| format!("{error}"))?;
    Geometry::new(width, 1, 1).map_err(|error| error.to_string())?;
    Ok(width)
}

/// Parses a depth that some geometry can have.
pub fn depth(text: &str) -> Result<usize, String> {
    let depth = text.parse().map_err(|error| format!("{error}"))?;
    Geometry::new(1, depth, 1).map_err(|error| error.to_string())?;
    Ok(depth)
}

/// Parses a number of lanes that some geometry can have.
pub fn lanes(text: &str) -> Result<u32, String> {
    let lanes = text.parse().map_err(|error| format!("{error}"))?;
    Geometry::new(1, 1, lanes).map_err(|error| error.to_string())?;
    Ok(lanes)
}
