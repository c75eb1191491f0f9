//! The size of a register file, as options.

use atomik_hdl::{Config, ConfigError, Target};
use atomik_trace::{Geometry, GeometryError, Layout};
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::error::CommandError;

/// The options `--width`, `--depth` and `--lanes` of a register file that xors.
#[derive(Debug, clap::Args)]
pub struct GeometryArgs {
    /// Bits per word, 1 to 512
    #[arg(long, value_name = "BITS", default_value = "64", value_parser = width)]
    width: u32,
    #[command(flatten)]
    size: SizeArgs,
}

/// The options `--depth` and `--lanes`.
#[derive(Debug, clap::Args)]
struct SizeArgs {
    /// Words in the register file, a power of two
    #[arg(long, value_name = "WORDS", default_value = "512", value_parser = depth)]
    depth: usize,
    /// Lanes, 1 to 32
    #[arg(long, value_name = "LANES", default_value = "1", value_parser = lanes)]
    lanes: u32,
}

impl GeometryArgs {
    /// The configuration to generate for `target`.
    pub fn config(&self, target: Target) -> Result<Config, CommandError> {
        Ok(config(self.geometry()?)?.with_target(target))
    }
}

/// The options `--width`, `--layout`, `--depth` and `--lanes`.
#[derive(Debug, clap::Args)]
pub struct LayoutArgs {
    /// Bits per word, 1 to 512
    #[arg(long, value_name = "BITS", default_value = "64", value_parser = width)]
    width: u32,
    /// Fields of a word, lowest bits first, such as xor:48,add:16; in place of --width
    #[arg(long, value_name = "FIELDS", conflicts_with = "width")]
    layout: Option<Layout>,
    #[command(flatten)]
    size: SizeArgs,
}

/// A register file given by options.
pub trait RegisterFile {
    fn geometry(&self) -> Result<Geometry, GeometryError>;
}

impl RegisterFile for GeometryArgs {
    fn geometry(&self) -> Result<Geometry, GeometryError> {
        Geometry::new(self.width, self.size.depth, self.size.lanes)
    }
}

impl RegisterFile for LayoutArgs {
    fn geometry(&self) -> Result<Geometry, GeometryError> {
        let SizeArgs { depth, lanes } = self.size;
        match self.layout {
            Some(layout) => Geometry::with_layout(layout, depth, lanes),
            None => Geometry::new(self.width, depth, lanes),
        }
    }
}

/// The configuration to generate for a register file.
pub fn config(geometry: Geometry) -> Result<Config, ConfigError> {
    Config::new(geometry.width(), geometry.depth(), geometry.lanes())
}

/// Parses a target by its name; help and completions list all names.
pub fn target() -> impl TypedValueParser<Value = Target> {
    PossibleValuesParser::new(Target::ALL.map(Target::name)).try_map(|name| name.parse::<Target>())
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
