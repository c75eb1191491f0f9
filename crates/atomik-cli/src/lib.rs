//! The `atomik` command. One module per command holds its arguments and its `run`; the work is done
//! by the libraries. `main.rs` is the program; `python -m atomik` runs the same.
//!
//! | module | purpose |
//! |---|---|
//! | `model`, `trace`, `hdl`, `sim`, `fpga`, `device`, `replica` | command groups |
//! | `eval`, `companion` | `atomik eval` and `atomik node`, partly programs of their own |
//! | `doctor`, `completions`, `man` | commands about the program itself |
//! | `geometry`, `design`, `trace_file`, `dut`, `interrupt` | what several commands share |
//! | `error`, `program` | why commands fail, and where their messages go |

mod companion;
mod completions;
mod design;
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
mod plan_file;
mod program;
mod replica;
mod sim;
mod trace;
mod trace_file;

use std::ffi::OsString;

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
/// A register file keeps a reference and an accumulator at each address. Deltas are accumulated
/// field by field, by xor or by addition; the current state combines reference and accumulator.
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
    /// Judge whether a workload fits deltas that xor or add; compare Raft, CRDTs and event stores
    #[command(subcommand, after_help = eval::NOTE)]
    Eval(eval::Command),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the command with these arguments, of which the first is the name of the program, and
/// returns the exit status. Usage errors and help are printed, too.
pub fn run_from(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(usage) => {
            // If there is nowhere to print it, the status is all that is left to say.
            let _ = usage.print();
            return u8::try_from(usage.exit_code()).unwrap_or(2);
        }
    };
    ATOMIK.status(&run(cli.command, &arguments)).code()
}

/// A verdict as `atomik eval fit` prints it.
pub fn fit_text(fit: &atomik_workload::fit::Fit) -> String {
    eval::fit_text(fit)
}

fn run(command: Command, arguments: &[OsString]) -> Result<Status, CommandError> {
    match command {
        Command::Model(command) => command.run(),
        Command::Trace(command) => command.run(),
        Command::Hdl(command) => command.run(),
        Command::Sim(command) => command.run(),
        Command::Fpga(command) => command.run(),
        Command::Device(args) => args.run(),
        Command::Replica(command) => command.run(),
        // The program parses the same options again.
        Command::Node(_) => match Companion::Node.exec(arguments.iter().skip(2).cloned())? {},
        Command::Eval(command) => command.run(arguments),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Man(args) => man::run(&args, Cli::command()),
    }
}
