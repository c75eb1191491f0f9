//! `atomik model run`.

use atomik_terminal::{Status, stdout};
use atomik_trace::{ResponseWriter, run_model};

use crate::error::CommandError;
use crate::trace_file::TraceArgs;

pub const EXAMPLES: &str = r#"A trace has one command per line, a JSON object:
  {"op":"accum","addr":3,"data":"0xff"}
  op     nop, load, accum (or rollback), read, swap, delta or drain
  addr   0 to depth - 1; optional for nop, and for every op if the depth is 1
  data   for load and accum: "0x" and hex digits, or an integer; or a list with one
         value per field of --layout, lowest bits first: [5,-1]
  lane   0 by default; the other lanes take only accum
  cycle  by default, 0 on the first line and one more on each following line

read, swap, delta and drain print one response per line, in order:
  {"op":"read","addr":3,"data":"0x00000000000000ff","clean":false}

Words xor unless --layout has fields that add, modulo 2^n. Negative values are for such
fields alone, in two's complement; rollback subtracts there:
  {"op":"accum","addr":3,"data":[5,-1]}            with --layout add:32,add:32
  {"op":"rollback","addr":3,"data":"0xffffffff00000005"}   undoes it

A bad line ends the run with status 2 before any command takes effect.

Examples:
  atomik model run trace.jsonl
  atomik model run --layout add:32,add:32 counters.jsonl
  atomik trace random --width 16 --depth 64 | atomik model run --width 16 --depth 64 -"#;

pub fn run(args: &TraceArgs) -> Result<Status, CommandError> {
    let mut trace = args.open()?;
    let mut writer = ResponseWriter::new(stdout(), trace.geometry().width());
    run_model(&mut trace, |response| writer.write(response))?;
    writer.flush()?;
    Ok(Status::Done)
}
