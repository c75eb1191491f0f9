//! What a command simulates, as options: a generated design, or one in the user's files.

use std::path::PathBuf;

use atomik_hdl::{Config, Target};
use atomik_sim::supplied::{Described, Family, Subject, Supplied};
use atomik_sim::timing::timing;
use clap::ValueHint;

use crate::error::CommandError;
use crate::geometry::{GeometryArgs, netlist_target, target};

/// The options `--target`, `--verilog` and what belongs to it, and `--netlist`.
#[derive(Debug, clap::Args)]
pub struct DesignArgs {
    /// Device family that the design is for [default: generic]
    #[arg(long, value_name = "TARGET", value_parser = target())]
    target: Option<Target>,
    /// Verilog files of a design to simulate in place of the generated one
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath)]
    verilog: Vec<PathBuf>,
    /// Manifest of that design, as `atomik hdl generate` writes it: top module, size, timing
    #[arg(long, value_name = "FILE.json", value_hint = ValueHint::FilePath, requires = "verilog",
          conflicts_with_all = ["width", "layout", "depth", "lanes", "target"])]
    manifest: Option<PathBuf>,
    /// Its top module [default: the manifest's, or the one that no other module instantiates]
    #[arg(long, value_name = "MODULE", requires = "verilog")]
    top: Option<String>,
    /// Its cycles from a command to the response [default: as generated]
    #[arg(long, value_name = "CYCLES", requires = "verilog")]
    latency: Option<u32>,
    /// Its cycles from the last with rst high to the first with ready high [default: as generated]
    #[arg(long, value_name = "CYCLES", requires = "verilog")]
    clear: Option<u32>,
    /// Synthesise the design with Yosys first, for this target or its own, and simulate what would
    /// be placed
    #[arg(long, value_name = "TARGET", num_args = 0..=1, require_equals = true,
          value_parser = netlist_target())]
    netlist: Option<Option<Target>>,
}

/// A configuration, and what stands in place of its generated Verilog.
#[derive(Debug)]
pub struct Chosen {
    pub config: Config,
    pub subject: Subject,
}

impl DesignArgs {
    /// Whether an option names a configuration.
    pub fn names_a_config(&self, geometry: &GeometryArgs) -> bool {
        geometry.is_given() || self.target.is_some() || !self.verilog.is_empty()
    }

    /// The device family to synthesise for first, if any.
    pub fn netlist(&self) -> Option<Family> {
        self.netlist
            .map(|family| family.map_or(Family::OfTarget, Family::Named))
    }

    /// The configuration and the design.
    pub fn choose(&self, geometry: &GeometryArgs) -> Result<Chosen, CommandError> {
        let described = match &self.manifest {
            Some(path) => Some(Described::read(path)?),
            None => None,
        };
        let (config, timing) = match &described {
            Some(described) => (described.config, described.timing),
            None => {
                let config = geometry.config(self.target.unwrap_or_default())?;
                (config, timing(&config))
            }
        };
        let supplied = (!self.verilog.is_empty()).then(|| Supplied {
            // Cases are replayed from other folders.
            files: self
                .verilog
                .iter()
                .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()))
                .collect(),
            top: self.top.clone().or(described.map(|d| d.name)),
            latency: self.latency.unwrap_or(timing.latency),
            clear_cycles: self.clear.unwrap_or(timing.clear_cycles),
        });
        Ok(Chosen {
            config,
            subject: Subject {
                supplied,
                netlist: self.netlist(),
            },
        })
    }

    /// The options as they were given, each after a space.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                text += &format!(" --{name} {value}");
            }
        };
        option("target", self.target.map(|t| t.to_string()));
        let path = |path: &PathBuf| path.display().to_string();
        let files: Vec<String> = self.verilog.iter().map(path).collect();
        option("verilog", (!files.is_empty()).then(|| files.join(" ")));
        option("manifest", self.manifest.as_ref().map(path));
        option("top", self.top.clone());
        option("latency", self.latency.map(|n| n.to_string()));
        option("clear", self.clear.map(|n| n.to_string()));
        text += &match self.netlist {
            None => String::new(),
            Some(None) => " --netlist".to_owned(),
            Some(Some(family)) => format!(" --netlist={family}"),
        };
        text
    }
}
