//! `atomik sim run`.

use atomik_sim::rtl::run_rtl;
use atomik_sim::verilate::Builder;
use atomik_terminal::{Status, stdout};
use atomik_trace::{Geometry, ResponseWriter};

use crate::design::{Chosen, DesignArgs};
use crate::dut;
use crate::error::CommandError;
use crate::trace_file::TraceArgs;

const EXAMPLES: &str = "\
Traces and responses are those of `atomik model run`, except that a response ends with the cycle of
its command. Verilator compiles the generated Verilog once; the result is cached.

Status 1: a response does not come exactly the latency after its command, or one comes without a
command. Nothing changes in idle cycles, so longer gaps between commands are cut to the latency plus
32 cycles.

With --verilog, the trace runs on the design in these files. Their size is that of the manifest, or
of --width, --depth and --lanes. With --netlist, it runs on what synthesis makes of the design.

Examples:
  atomik sim run trace.jsonl
  atomik sim run --width 8 --depth 16 --target ecp5 trace.jsonl
  atomik sim run trace.jsonl --manifest build/NAME.json --verilog build/NAME.v
  atomik trace random --lanes 4 | atomik sim run --lanes 4 -";

/// Run a trace on the compiled Verilog and print the responses
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    trace: TraceArgs,
    #[command(flatten)]
    design: DesignArgs,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let Chosen { config, subject } = args.design.choose(args.trace.options())?;
    let geometry = Geometry::with_layout(config.layout(), config.depth(), config.lanes())?;
    let mut trace = args.trace.open_for(geometry)?;
    let dut = dut::build_subject(&Builder::from_env()?, config, &subject)?;
    let mut writer = ResponseWriter::new(stdout(), geometry.width()).with_cycles();
    let result = run_rtl(&dut, &mut trace, |response| {
        Ok::<_, CommandError>(writer.write(response)?)
    });
    // Print the responses that came before a failed check.
    writer.flush()?;
    result?;
    Ok(Status::Done)
}
