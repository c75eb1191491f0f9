//! `atomik eval live`: systems in their own runtime, in wall-clock time.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use atomik_eval::peers::openraft;
use clap::builder::TypedValueParser as _;

use super::run::{Choice, quoted};
use super::{Failure, Outcome};

/// Clients that wait for their operations at the same time, if nobody says how many.
pub const CLIENTS: usize = 64;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// The trace
    trace: PathBuf,
    /// Run the first N operations only
    #[arg(long, value_name = "N")]
    ops: Option<usize>,
    /// Nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=63).map(usize::from))]
    nodes: usize,
    /// Clients that each wait for an operation before they submit the next one
    #[arg(long, default_value_t = CLIENTS, value_parser = clap::value_parser!(u16).range(1..=4096).map(usize::from))]
    clients: usize,
}

pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let choice = Choice {
        peers: Vec::new(),
        ops: args.ops,
    };
    let workload = choice.read(&args.trace)?;
    let command = command(&args.trace, &choice, args.nodes, args.clients);
    let live = openraft::measure(&workload, args.nodes, args.clients, command)?;
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &live).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(Outcome::Fine)
}

/// The command that makes a live measurement again.
pub fn command(trace: &Path, choice: &Choice, nodes: usize, clients: usize) -> String {
    let mut words = vec![format!(
        "atomik eval live {}",
        quoted(&trace.to_string_lossy())
    )];
    words.extend(choice.ops.map(|ops| format!("--ops {ops}")));
    words.push(format!("--nodes {nodes} --clients {clients}"));
    words.join(" ")
}
