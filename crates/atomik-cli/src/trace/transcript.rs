//! `atomik trace transcript`.

use std::io::Write as _;

use atomik_sim::rtl::run_rtl;
use atomik_sim::verilate::Builder;
use atomik_terminal::{OutputError, Status, stdout};
use atomik_trace::{Prover, Response, Trace, Transcript, run_model};
use clap::ValueEnum;

use crate::dut;
use crate::error::CommandError;
use crate::geometry::config;
use crate::trace_file::TraceArgs;

const EXAMPLES: &str = "\
The trace runs on the software model or on the RTL, and becomes a theorem: after a reset, these
commands have exactly these responses. With the files in proofs/, the prover checks it by computing
every command, so it is for small register files and some dozens of commands.

Examples:
  atomik trace random --width 8 --depth 4 --count 40 > trace.jsonl
  atomik trace transcript --width 8 --depth 4 --prover lean trace.jsonl > transcript.lean";

/// Write a run of a trace as a theorem for Lean or Rocq
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    trace: TraceArgs,
    /// The prover to write for
    #[arg(long, value_enum, default_value_t = Language::Lean)]
    prover: Language,
    /// What runs the trace
    #[arg(long, value_enum, default_value_t = Machine::Model)]
    on: Machine,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Language {
    Lean,
    Rocq,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Machine {
    /// The software model
    Model,
    /// The generated Verilog
    Rtl,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let mut trace = args.trace.open()?;
    let responses = match args.on {
        Machine::Model => on_model(&mut trace)?,
        Machine::Rtl => on_rtl(&mut trace)?,
    };
    let prover = match args.prover {
        Language::Lean => Prover::Lean,
        Language::Rocq => Prover::Rocq,
    };
    let mut out = stdout();
    Transcript::new(&mut trace, responses)?
        .write(prover, &mut out)
        .and_then(|()| out.flush())
        .map_err(OutputError::Write)?;
    Ok(Status::Done)
}

fn on_model(trace: &mut Trace) -> Result<Vec<Response>, CommandError> {
    let mut responses = Vec::new();
    run_model(trace, |response| {
        responses.push(*response);
        Ok::<_, CommandError>(())
    })?;
    Ok(responses)
}

fn on_rtl(trace: &mut Trace) -> Result<Vec<Response>, CommandError> {
    let dut = dut::build(&Builder::from_env()?, config(trace.geometry())?)?;
    let mut responses = Vec::new();
    run_rtl(&dut, trace, |response| {
        responses.push(*response);
        Ok::<_, CommandError>(())
    })?;
    Ok(responses)
}
