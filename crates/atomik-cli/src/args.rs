//! What can be asked for, and the help that says so.

use std::path::PathBuf;

use atomik_sim::trace::{Geometry, GeometryError};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

const EXIT_STATUS: &str = "\
Exit status:
  0  fine
  1  a check failed
  2  bad input or use
  3  a tool is missing or failed, or an output could not be written";

const RUN_EXAMPLES: &str = r#"A trace has one command a line, a JSON object:
  {"op":"accum","addr":3,"data":"0xff"}
  op     nop, load, accum (or rollback), read, swap, delta or drain
  addr   0 to depth - 1; nop may leave it out, and every op with a depth of 1
  data   "0x" and hex digits, or a non-negative integer; for load and accum
  lane   0 when left out; the other lanes take accum alone
  cycle  one after the line before when left out, and 0 on the first line

read, swap, delta and drain answer, one line each, in order:
  {"op":"read","addr":3,"data":"0x00000000000000ff","clean":false}

A bad line ends the run with status 2 before any command has taken effect.

Examples:
  atomik model run trace.jsonl
  atomik trace random --width 16 --depth 64 | atomik model run --width 16 --depth 64 -"#;

const REPL_EXAMPLES: &str = "\
Examples:
  atomik model repl --width 16 --depth 8
  printf 'accum 3 0xff\\nread 3\\n' | atomik model repl";

const DIFF_EXAMPLES: &str = "\
Byte 0 of a file is in the low bits of word 0. The last word, and the shorter file, are
filled up with zeros. The files are taken a depth of words at a time, through the same
addresses: load of the old words, accum of old xor new where they differ, read of every word.
What the trace needs to run, and the lengths, are said on the standard error.

Examples:
  atomik trace diff old.bin new.bin > change.jsonl
  atomik trace diff --check model old.bin new.bin
  atomik trace diff --width 32 --depth 1024 --lanes 8 --check model old.bin new.bin";

const RANDOM_EXAMPLES: &str = "\
Half of what lane 0 does is accum, the rest is every other op; the other lanes accumulate in
every second cycle. Addresses come back soon, deltas cancel, some cycles stay idle. The same
options give the same trace on every machine.

Examples:
  atomik trace random --seed 7 --count 20
  atomik trace random --lanes 4 --count 1000000 | atomik model run --lanes 4 -";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  atomik completions bash > ~/.local/share/bash-completion/completions/atomik
  atomik completions fish > ~/.config/fish/completions/atomik.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  atomik man | man -l -
  atomik man -o ~/.local/share/man/man1";

/// The ATOMiK delta-state register file: software model, traces and hardware
///
/// A register file keeps a reference and an accumulator at each address. Deltas are accumulated by xor; the
/// current state is reference xor accumulator.
#[derive(Debug, Parser)]
#[command(name = "atomik", version, after_help = EXIT_STATUS, propagate_version = true)]
#[command(arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run commands on the software model
    #[command(subcommand)]
    Model(ModelCommand),
    /// Make traces
    #[command(subcommand)]
    Trace(TraceCommand),
    /// Print the completions for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command
    #[command(after_help = MAN_EXAMPLES)]
    Man {
        /// The folder to write the pages to, made if need be; without it, the page of atomik itself goes to
        /// the standard output
        #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Run a trace and print the responses
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Run commands as they are typed
    #[command(after_help = REPL_EXAMPLES)]
    Repl(ReplArgs),
}

#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Print the trace that turns one file into another
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(DiffArgs),
    /// Print a random trace
    #[command(after_help = RANDOM_EXAMPLES)]
    Random(RandomArgs),
}

/// The register file that a command is about.
#[derive(Debug, Args)]
pub struct GeometryArgs {
    /// Bits of a word, 1 to 512
    #[arg(long, value_name = "BITS", default_value = "64", value_parser = width)]
    width: u32,
    /// Words of the register file, a power of two
    #[arg(long, value_name = "WORDS", default_value = "512", value_parser = depth)]
    depth: usize,
    /// Lanes, 1 to 32
    #[arg(long, value_name = "LANES", default_value = "1", value_parser = lanes)]
    lanes: u32,
}

impl GeometryArgs {
    pub fn geometry(&self) -> Result<Geometry, GeometryError> {
        Geometry::new(self.width, self.depth, self.lanes)
    }
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub geometry: GeometryArgs,
    /// The file with the trace, or - for the standard input
    #[arg(value_name = "TRACE", value_hint = ValueHint::FilePath)]
    pub trace: PathBuf,
}

#[derive(Debug, Args)]
pub struct ReplArgs {
    #[command(flatten)]
    pub geometry: GeometryArgs,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Bits of a word, a multiple of 8, up to 512
    #[arg(long, value_name = "BITS", default_value = "64", value_parser = width)]
    pub width: u32,
    /// Words of the register file, a power of two; without it, the smallest that holds the longer file,
    /// at most 16384
    #[arg(long, value_name = "WORDS", value_parser = depth)]
    pub depth: Option<usize>,
    /// Lanes to spread the deltas over, 1 to 32
    #[arg(long, value_name = "LANES", default_value = "1", value_parser = lanes)]
    pub lanes: u32,
    /// Instead of printing the trace, run it here and compare the words that are read with NEW
    #[arg(long, value_name = "WHERE")]
    pub check: Option<Engine>,
    /// The old file
    #[arg(value_name = "OLD", value_hint = ValueHint::FilePath)]
    pub old: PathBuf,
    /// The new file
    #[arg(value_name = "NEW", value_hint = ValueHint::FilePath)]
    pub new: PathBuf,
}

/// What can run a trace.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Engine {
    /// The software model
    Model,
}

#[derive(Debug, Args)]
pub struct RandomArgs {
    #[command(flatten)]
    pub geometry: GeometryArgs,
    /// The number that fixes the trace
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub seed: u64,
    /// How many commands to print
    #[arg(long, value_name = "COMMANDS", default_value_t = 1000)]
    pub count: u64,
}

fn width(text: &str) -> Result<u32, String> {
    let width = text.parse().map_err(|error| format!("{error}"))?;
    Geometry::new(width, 1, 1).map_err(|error| error.to_string())?;
    Ok(width)
}

fn depth(text: &str) -> Result<usize, String> {
    let depth = text.parse().map_err(|error| format!("{error}"))?;
    Geometry::new(1, depth, 1).map_err(|error| error.to_string())?;
    Ok(depth)
}

fn lanes(text: &str) -> Result<u32, String> {
    let lanes = text.parse().map_err(|error| format!("{error}"))?;
    Geometry::new(1, 1, lanes).map_err(|error| error.to_string())?;
    Ok(lanes)
}
