//! The `atomik` command. One module per command holds its arguments and its `run`; the work is done
//! by the libraries.
//!
//! | module | purpose |
//! |---|---|
//! | [`model`], [`trace`], [`hdl`], [`sim`], [`fpga`], [`device`], [`replica`] | command groups |
//! | [`eval`], [`companion`] | `atomik eval` and `atomik node`, partly programs of their own |
//! | [`doctor`], [`completions`], [`man`] | commands about the program itself |
//! | [`geometry`], [`trace_file`], [`dut`], [`interrupt`] | what several commands share |
//! | [`error`], [`program`] | why commands fail, and where their messages go |

mod companion;
mod completions;
mod device;
mod doctor;
mod dut;
mod error;
mod eval;
mod fpga;
mod geometry;
mod hdl;
mod interrupt;
mod man;
mod model;
mod program;
mod replica;
mod sim;
mod trace;
mod trace_file;

use std::env;
use std::process::ExitCode;

use atomik_terminal::Status;
use clap::{CommandFactory as _, Parser, Subcommand};

use companion::Companion;
use error::CommandError;
use program::ATOMIK;

const EXIT_STATUS: &str = "\
Exit status:
  0    done
  1    a check failed
  2    bad input or usage
  3    a tool is missing or failed, or output could not be written
  130  stopped by Ctrl-C";

/// The ATOMiK delta-state register file: software model, traces and hardware
///
/// A register file keeps a reference and an accumulator at each address. Deltas are accumulated by
/// xor; the current state is reference xor accumulator.
#[derive(Debug, Parser)]
#[command(name = "atomik", version, after_help = EXIT_STATUS, propagate_version = true)]
#[command(arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run commands on the software model
    #[command(subcommand)]
    Model(model::Command),
    /// Generate traces
    #[command(subcommand)]
    Trace(trace::Command),
    /// Generate Verilog
    #[command(subcommand)]
    Hdl(hdl::Command),
    /// Simulate the generated Verilog
    #[command(subcommand)]
    Sim(sim::Command),
    /// Place the generated Verilog on FPGAs
    #[command(subcommand)]
    Fpga(fpga::Command),
    /// Drive a board, real or simulated, over its serial line
    Device(device::Args),
    /// Check replicas under simulated faults
    #[command(subcommand)]
    Replica(replica::Command),
    /// Run a replica as a process, or control a running one
    #[command(after_help = companion::NODE_NOTE, args_conflicts_with_subcommands = true)]
    Node(Box<atomik_node_options::Arguments>),
    /// Measure whether a workload fits xor deltas, against Raft, CRDTs and event stores
    #[command(subcommand, after_help = eval::NOTE)]
    Eval(eval::Command),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Man(man::Args),
}

fn main() -> ExitCode {
    ATOMIK.exit(&run(Cli::parse().command))
}

fn run(command: Command) -> Result<Status, CommandError> {
    match command {
        Command::Model(command) => command.run(),
        Command::Trace(command) => command.run(),
        Command::Hdl(command) => command.run(),
        Command::Sim(command) => command.run(),
        Command::Fpga(command) => command.run(),
        Command::Device(args) => args.run(),
        Command::Replica(command) => command.run(),
        // The program parses the same options again.
        Command::Node(_) => match Companion::Node.exec(env::args_os().skip(2))? {},
        Command::Eval(command) => command.run(),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Man(args) => man::run(&args, Cli::command()),
    }
}
