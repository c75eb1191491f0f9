//! `atomik sim run`.

use atomik_sim::rtl::run_rtl;
use atomik_sim::verilate::Builder;
use atomik_terminal::{Status, stdout};
use atomik_trace::ResponseWriter;

use crate::dut;
use crate::error::CommandError;
use crate::geometry::config;
use crate::trace_file::TraceArgs;

pub const EXAMPLES: &str = "\
Traces and responses are those of `atomik model run`, except that a response ends with the cycle of
its command. Verilator compiles the generated Verilog once; the result is cached.

Status 1 unless every response comes exactly the latency after its command, and no others come.
Nothing changes in idle cycles, so longer gaps between commands are cut to the latency plus 32
cycles.

Examples:
  atomik sim run trace.jsonl
  atomik trace random --lanes 4 | atomik sim run --lanes 4 -";

pub fn run(args: &TraceArgs) -> Result<Status, CommandError> {
    let geometry = args.geometry()?;
    let config = config(geometry)?;
    let mut trace = args.open()?;
    let dut = dut::build(&Builder::from_env()?, config)?;
    let mut writer = ResponseWriter::new(stdout(), geometry.width()).with_cycles();
    let result = run_rtl(&dut, &mut trace, |response| {
        Ok::<_, CommandError>(writer.write(response)?)
    });
    // Print the responses that came before a failed check.
    writer.flush()?;
    result?;
    Ok(Status::Done)
}
