//! What can be asked for, and the help that says so.

use std::ffi::OsString;
use std::path::PathBuf;

use atomik_hdl::Target;
use atomik_trace::{Geometry, GeometryError};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

const EXIT_STATUS: &str = "\
Exit status:
  0    fine
  1    a check failed
  2    bad input or use
  3    a tool is missing or failed, or an output could not be written
  130  stopped by Ctrl-C";

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
  atomik trace diff --width 32 --depth 1024 --lanes 8 --check both old.bin new.bin";

const RANDOM_EXAMPLES: &str = "\
Half of what lane 0 does is accum, the rest is every other op; the other lanes accumulate in
every second cycle. Addresses come back soon, deltas cancel, some cycles stay idle. The same
options give the same trace on every machine.

Examples:
  atomik trace random --seed 7 --count 20
  atomik trace random --lanes 4 --count 1000000 | atomik model run --lanes 4 -";

const GENERATE_EXAMPLES: &str = "\
Writes NAME.v, and NAME.json with its latency, ports, memories and digest; NAME.core for FuseSoC,
and NAME.f, the list of its files; and sim/CELL.v, a model to simulate with, for each cell of the
device that it instantiates. The same options give the same bytes. `atomik hdl list` shows what
can be generated.

Examples:
  atomik hdl generate --width 64 --depth 512 --lanes 4 -o build
  atomik hdl generate --width 8 --depth 16 --split -o build
  atomik hdl generate --reference -o hdl";

const WAVES_EXAMPLES: &str = "\
Writes NAME_OP.json for each op, and NAME_reset.json: WaveJSON, which WaveDrom draws. What is in them
was simulated.

Examples:
  atomik hdl waves --width 8 --depth 16 --lanes 2 -o hdl/waves";

const LIST_EXAMPLES: &str = "\
Examples:
  atomik hdl list
  atomik hdl list --json";

const SIM_RUN_EXAMPLES: &str = "\
A trace is as for `atomik model run`, and so are the answers but for the cycle of the command,
which comes last. The generated Verilog is compiled by Verilator once and then kept.

Every answer must come exactly the latency after its command, and none otherwise: status 1 if
not. A gap between commands that is longer than the latency and 32 cycles is cut to that, as
nothing changes in idle cycles.

Examples:
  atomik sim run trace.jsonl
  atomik trace random --lanes 4 | atomik sim run --lanes 4 -";

const REGRESS_EXAMPLES: &str = "\
A job is a configuration with a stimulus profile and a seed, and is called like
w64_d512_l1/mixed/1. Every output port is compared with the software model in every cycle.
Of a mismatch a short case is written, with its waveform; `atomik sim replay` runs it again.
With --filter or --cycles, coverage bins that stay empty are no failure.

Status 1: a mismatch, or an empty coverage bin where the plan asks for none. Status 3: a model
could not be built. Ctrl-C ends it with a summary of what ran, and status 130; a second one at
once.

Examples:
  atomik sim regress
  atomik sim regress sim/campaign.toml --junit regress.xml
  atomik sim regress --filter l4/mixed --seed 7 --cycles 1000000";

const REPLAY_EXAMPLES: &str = "\
Status 1 if the case still fails, 0 if it passes.

Examples:
  atomik sim replay target/atomik-failures/w64_d512_l1-mixed-1.json
  atomik sim replay case.json --waves case.vcd";

const BENCH_EXAMPLES: &str = "\
Three contestants take turns, on one core: a bare C++ loop around the compiled model, the shim
that is fed with commands, and the whole cross-check. Every lane is busy in every cycle.

Examples:
  atomik sim bench
  atomik sim bench \"w64 d512 l1\" \"w32 d1024 l8\"";

const FPGA_REPORT_EXAMPLES: &str = "\
The design is placed in a harness that registers every input and output, so that no path to a
pin counts. What the tools make is kept, and not made again. A frequency is marked with * where
nextpnr times no path out of a memory, and with + where it leaves out other paths.

Status 1: the design does not fit the device. Status 3: a tool is missing or failed.

Examples:
  atomik fpga report --device ecp5-25k --width 64 --depth 512 --lanes 4
  atomik fpga report --device gw1nr-9 --width 8 --depth 16 --lanes 2 --seeds 1 --json
  atomik fpga report --device ecp5-25k --verilog other.v --top other";

const FPGA_SWEEP_EXAMPLES: &str = "\
The file lists devices, widths, depths and lanes, and every combination is placed:
  devices = [\"ecp5-25k\"]
  widths = [64]
  depths = [1, 512]
  lanes = [1, 2, 4]
  seeds = 1                # when left out
  freq = 300               # MHz to ask for; without it, as suits the device
  targets = [\"generic\"]  # what memories are made for; without it, as suits the device

Writes sweep.csv, sweep.json and sweep.svg.

Examples:
  atomik fpga sweep hdl/fpga/sweep.toml -o target/sweep";

const FPGA_GOALS_EXAMPLES: &str = "\
Examples:
  atomik fpga goals
  atomik fpga goals hdl/fpga/goals.toml --strict";

const FPGA_BUILD_EXAMPLES: &str = "\
Without a board, the register file is packed in its harness, to see how big that is. A board is
a folder with a board.toml, or the name of one in hdl/boards of the project.

Status 1: the design does not fit, or is slower than the board's clock.

Examples:
  atomik fpga build --board tangnano9k -o target/tangnano9k
  atomik fpga build --device ice40-hx8k --width 8 --depth 16 --lanes 2 -o target/bitstream";

const DEVICE_RUN_EXAMPLES: &str = "\
A trace is as for `atomik model run`, and so are the answers. It is checked against the sizes that
the board reports before anything is sent. The board is cleared first, unless --keep is given.

Requests that are lost or damaged on the line are sent again, and executed once. When the board
was reset in between, what it had accumulated is gone: the run ends, and says so.

Status 3: no port, no board, or the board was reset.

Examples:
  atomik device run --port /dev/ttyUSB1 trace.jsonl
  atomik trace random --lanes 2 | atomik device run --port /dev/ttyUSB1 -";

const DEVICE_INFO_EXAMPLES: &str = "\
Examples:
  atomik device info --port /dev/ttyUSB1";

const DEVICE_RESET_EXAMPLES: &str = "\
Examples:
  atomik device reset --port /dev/ttyUSB1";

const DEVICE_SIMULATE_EXAMPLES: &str = "\
Prints the port of the simulated board, for --port of the other commands, and runs until Ctrl-C.
The whole Verilog of the Tang Nano 9K is simulated, bit by bit of its line; some hundred commands
a second are what to expect.

Examples:
  atomik device simulate
  atomik device simulate --faults 0.001 --seed 7";

const REPLICA_SIMULATE_EXAMPLES: &str = "\
A seed decides on everything: replicas, keys, operations, flushes, ticks; messages that are lost,
doubled, late; links that are cut, one way or both; crashes, disks that are lost or put back;
members that leave and come back. At the end all is well, and all must be equal, bit by bit.
The same seed gives the same run on every machine.

Status 1 if a schedule fails; the command that shows it is printed.

Examples:
  atomik replica simulate
  atomik replica simulate --schedules 1000000 --seed 7 --minimise
  atomik replica simulate --replay 4711";

const NODE_EXAMPLES: &str = "\
The program is atomik-node, beside this one or on PATH; `make node` builds it. `atomik-node --help` lists its options and commands.

Examples:
  atomik node status --help
  atomik node --config node.toml
  atomik node put greeting 0x68656c6c6f --data DIR
  atomik node status --data DIR";

const EVAL_EXAMPLES: &str = "\
The program is atomik-eval, beside this one or on PATH; `make atomik-eval` builds it. `atomik-eval --help` lists its commands.

Examples:
  atomik eval fit trace.jsonl
  atomik eval run trace.jsonl --ops 20000 --faults partition
  atomik eval review trace.jsonl -o report.html";

const DOCTOR_EXAMPLES: &str = "\
Status 3 if a tool is missing, unless it is only for FPGAs.

Examples:
  atomik doctor";

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
/// A register file keeps a reference and an accumulator at each address. Deltas are accumulated by
/// xor; the current state is reference xor accumulator.
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
    /// Generate Verilog
    #[command(subcommand)]
    Hdl(HdlCommand),
    /// Run the generated Verilog in simulation
    #[command(subcommand)]
    Sim(SimCommand),
    /// Place the generated Verilog on FPGAs
    #[command(subcommand)]
    Fpga(FpgaCommand),
    /// Use a board, or a simulated one, over its serial line
    Device(DeviceArgs),
    /// Check replicas under faults, in simulation
    #[command(subcommand)]
    Replica(ReplicaCommand),
    /// Run a replica of a keyspace, or ask one that runs
    #[command(after_help = NODE_EXAMPLES, disable_version_flag = true)]
    Node {
        /// What atomik-node is told
        #[arg(
            value_name = "ARGUMENTS",
            trailing_var_arg = true,
            allow_hyphen_values = true
        )]
        args: Vec<OsString>,
    },
    /// Measure whether a workload fits xor deltas, against Raft, CRDTs and event stores
    #[command(after_help = EVAL_EXAMPLES, disable_version_flag = true)]
    Eval {
        /// What atomik-eval is told
        #[arg(
            value_name = "ARGUMENTS",
            trailing_var_arg = true,
            allow_hyphen_values = true
        )]
        args: Vec<OsString>,
    },
    /// Show which tools were found, and what is missing
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor,
    /// Print the completions for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command
    #[command(after_help = MAN_EXAMPLES)]
    Man {
        /// The folder to write the pages to, made if need be; without it, the page of atomik itself
        /// goes to the standard output
        #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub enum ReplicaCommand {
    /// Run replicas through schedules of operations and faults, with an oracle beside every step
    #[command(after_help = REPLICA_SIMULATE_EXAMPLES)]
    Simulate(ReplicaSimulateArgs),
}

#[derive(Debug, Args)]
pub struct ReplicaSimulateArgs {
    /// Schedules to run
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub schedules: u64,
    /// The seed of the first; the others have the next seeds
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub seed: u64,
    /// Run the schedule of this seed alone, and print what happens in it
    #[arg(long, value_name = "SEED", conflicts_with_all = ["schedules", "seed"])]
    pub replay: Option<u64>,
    /// Of a schedule that fails, search and print the smallest that fails in the same way
    #[arg(long)]
    pub minimise: bool,
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

#[derive(Debug, Subcommand)]
pub enum HdlCommand {
    /// Write the Verilog of a register file, and its manifest
    #[command(after_help = GENERATE_EXAMPLES)]
    Generate(GenerateArgs),
    /// Write timing diagrams of a register file
    #[command(after_help = WAVES_EXAMPLES)]
    Waves(WavesArgs),
    /// Show what can be generated, and the reference configurations
    #[command(after_help = LIST_EXAMPLES)]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// Run a trace on the compiled Verilog and print the responses
    #[command(after_help = SIM_RUN_EXAMPLES)]
    Run(RunArgs),
    /// Check the generated Verilog against the software model, cycle for cycle
    #[command(after_help = REGRESS_EXAMPLES)]
    Regress(RegressArgs),
    /// Run a recorded case on the Verilog of today's generator
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Measure how fast simulation and cross-check are
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(BenchArgs),
}

#[derive(Debug, Subcommand)]
pub enum FpgaCommand {
    /// Place a register file, and show its clock, size and critical path
    #[command(after_help = FPGA_REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Place many register files, and write CSV, JSON and a plot
    #[command(after_help = FPGA_SWEEP_EXAMPLES)]
    Sweep(SweepArgs),
    /// Place the designs of a file of goals, and show which goals are reached
    #[command(after_help = FPGA_GOALS_EXAMPLES)]
    Goals(GoalsArgs),
    /// Make a bitstream
    #[command(after_help = FPGA_BUILD_EXAMPLES)]
    Build(BuildArgs),
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
    /// Words of the register file, a power of two; without it, the smallest that holds the longer
    /// file, at most 16384
    #[arg(long, value_name = "WORDS", value_parser = depth)]
    pub depth: Option<usize>,
    /// Lanes to spread the deltas over, 1 to 32
    #[arg(long, value_name = "LANES", default_value = "1", value_parser = lanes)]
    pub lanes: u32,
    /// Instead of printing the trace, run it here and compare the words that are read with NEW; the
    /// RTL is that of --width, --depth and --lanes, which it must be possible to generate
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
    /// The generated Verilog, compiled
    Rtl,
    /// The one, then the other
    Both,
}

#[derive(Debug, Args)]
pub struct GenerateArgs {
    #[command(flatten)]
    pub geometry: GeometryArgs,
    /// What the memories are made for
    #[arg(long, value_name = "TARGET", default_value = "generic", value_parser = target())]
    pub target: Target,
    /// Write each module to a file of its own
    #[arg(long)]
    pub split: bool,
    /// Write all reference configurations
    #[arg(long, conflicts_with_all = ["width", "depth", "lanes"])]
    pub reference: bool,
    /// The folder to write to, made if need be
    #[arg(short, long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct WavesArgs {
    #[command(flatten)]
    pub geometry: GeometryArgs,
    /// What the memories are made for
    #[arg(long, value_name = "TARGET", default_value = "generic", value_parser = target())]
    pub target: Target,
    /// The folder to write to, made if need be
    #[arg(short, long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
}

/// A target by its name, with all names in the help and in completions.
fn target() -> impl clap::builder::TypedValueParser<Value = Target> {
    use clap::builder::{PossibleValuesParser, TypedValueParser};
    PossibleValuesParser::new(Target::ALL.map(Target::name)).try_map(|name| name.parse::<Target>())
}

#[derive(Debug, Args)]
pub struct RegressArgs {
    /// The plan; without it, sim/reference.toml of the project
    #[arg(value_name = "PLAN.toml", value_hint = ValueHint::FilePath)]
    pub plan: Option<PathBuf>,
    /// Use this seed instead of the plan's
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Run so many cycles in each job, instead of the plan's
    #[arg(long, value_name = "CYCLES", value_parser = clap::value_parser!(u64).range(1..))]
    pub cycles: Option<u64>,
    /// Run only the jobs whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Write the result as JUnit XML to this file, too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Option<PathBuf>,
    /// Print the result as JSON instead of a summary
    #[arg(long)]
    pub json: bool,
    /// The folder to write the cases of failures to, made if need be; without it,
    /// target/atomik-failures of the project
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub failures: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The recorded case, as `atomik sim regress` writes it
    #[arg(value_name = "CASE", value_hint = ValueHint::FilePath)]
    pub case: PathBuf,
    /// Write a waveform of the case to this file
    #[arg(long, value_name = "FILE.vcd", value_hint = ValueHint::FilePath)]
    pub waves: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Configurations, written as "w64 d512 l1"; without any, the reference configurations
    #[arg(value_name = "CONFIG")]
    pub configs: Vec<String>,
    /// Cycles that each contestant runs in a turn
    #[arg(long, value_name = "CYCLES", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    pub cycles: u64,
    /// How often each contestant has its turn; medians are shown
    #[arg(long, value_name = "TURNS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub turns: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// The serial port of the board; of the two of a Tang Nano 9K, the second
    #[arg(long, global = true, value_name = "PORT", value_hint = ValueHint::FilePath)]
    pub port: Option<PathBuf>,
    /// Bits per second, as the board's bitstream has them
    #[arg(long, global = true, value_name = "BAUD", default_value_t = atomik_device::line::DEFAULT_BAUD, value_parser = clap::value_parser!(u32).range(300..))]
    pub baud: u32,
    #[command(subcommand)]
    pub command: DeviceCommand,
}

#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Run a trace on the board and print the responses
    #[command(after_help = DEVICE_RUN_EXAMPLES)]
    Run(DeviceRunArgs),
    /// Show what the board is
    #[command(after_help = DEVICE_INFO_EXAMPLES)]
    Info {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Clear the board's register file
    #[command(after_help = DEVICE_RESET_EXAMPLES)]
    Reset,
    /// Simulate a board behind a pseudo-terminal
    #[command(after_help = DEVICE_SIMULATE_EXAMPLES)]
    Simulate(DeviceSimulateArgs),
}

#[derive(Debug, Args)]
pub struct DeviceRunArgs {
    /// Go on from what is in the register file, instead of clearing it first
    #[arg(long)]
    pub keep: bool,
    /// The file with the trace, or - for the standard input
    #[arg(value_name = "TRACE", value_hint = ValueHint::FilePath)]
    pub trace: PathBuf,
}

#[derive(Debug, Args)]
pub struct DeviceSimulateArgs {
    /// The probability, for each byte in each direction, of a flipped bit, of its loss, and of
    /// garbage before it
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = rate)]
    pub faults: f64,
    /// The number that fixes the faults, and what memories hold at power-up
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub seed: u64,
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

/// How many things are done at once.
#[derive(Debug, Args)]
pub struct ThreadsArgs {
    /// Run so many tools at once; without it, as many as there are cores
    #[arg(short, long, value_name = "COUNT")]
    jobs: Option<std::num::NonZeroUsize>,
}

impl ThreadsArgs {
    pub fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().ok();
        self.jobs.or_else(cores).map_or(1, usize::from)
    }
}

/// How a design is placed.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// Place with so many seeds, from 1 on
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    pub seeds: u32,
    /// The frequency in MHz that the tools are asked for; without it, as suits the device
    #[arg(long, value_name = "MHZ", value_parser = clap::value_parser!(u32).range(1..))]
    pub freq: Option<u32>,
    /// What nextpnr's timing is made to see: timed is every cell; plain leaves Gowin's netlist as
    /// Yosys makes it, of which nextpnr times a part
    #[arg(long, value_name = "WHAT", default_value = "timed")]
    pub cells: atomik_fpga::device::Cells,
    #[command(flatten)]
    pub threads: ThreadsArgs,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The device
    #[arg(long, value_name = "DEVICE", value_parser = clap::builder::PossibleValuesParser::new(crate::fpga::device_names()))]
    pub device: String,
    #[command(flatten)]
    pub geometry: GeometryArgs,
    /// What the memories are made for; without it, the device
    #[arg(long, value_name = "TARGET", value_parser = target())]
    pub target: Option<Target>,
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Place a module of this file, whose clock is clk, instead of a generated register file
    #[arg(long, value_name = "FILE.v", value_hint = ValueHint::FilePath, requires = "top")]
    #[arg(conflicts_with_all = ["width", "depth", "lanes", "target"])]
    pub verilog: Option<PathBuf>,
    /// The module
    #[arg(long, value_name = "MODULE", requires = "verilog")]
    pub top: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SweepArgs {
    /// What to place
    #[arg(value_name = "SWEEP.toml", value_hint = ValueHint::FilePath)]
    pub plan: PathBuf,
    /// The folder to write to, made if need be
    #[arg(short, long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    #[command(flatten)]
    pub threads: ThreadsArgs,
}

#[derive(Debug, Args)]
pub struct GoalsArgs {
    /// The goals; without it, hdl/fpga/goals.toml of the project
    #[arg(value_name = "GOALS.toml", value_hint = ValueHint::FilePath)]
    pub plan: Option<PathBuf>,
    /// The folder to write bitstreams to, made if need be; without it, target/atomik-fpga of the
    /// project
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Status 1 where a goal is not reached
    #[arg(long)]
    pub strict: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub threads: ThreadsArgs,
}

#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The board
    #[arg(long, value_name = "BOARD", required_unless_present = "device")]
    #[arg(conflicts_with_all = ["device", "width", "depth", "lanes", "target", "freq"])]
    pub board: Option<String>,
    /// The device
    #[arg(long, value_name = "DEVICE", value_parser = clap::builder::PossibleValuesParser::new(crate::fpga::device_names()))]
    pub device: Option<String>,
    #[command(flatten)]
    pub geometry: GeometryArgs,
    /// What the memories are made for; without it, the device
    #[arg(long, value_name = "TARGET", value_parser = target())]
    pub target: Option<Target>,
    /// The frequency in MHz that the tools are asked for; without it, as suits the device
    #[arg(long, value_name = "MHZ", value_parser = clap::value_parser!(u32).range(1..))]
    pub freq: Option<u32>,
    /// The seed of the placer
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u32,
    /// The folder to write to, made if need be
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
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

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().map_err(|error| format!("{error}"))?;
    match (0.0..=1.0).contains(&rate) {
        true => Ok(rate),
        false => Err("not a probability; choose 0 to 1".to_owned()),
    }
}

fn lanes(text: &str) -> Result<u32, String> {
    let lanes = text.parse().map_err(|error| format!("{error}"))?;
    Geometry::new(1, 1, lanes).map_err(|error| error.to_string())?;
    Ok(lanes)
}
