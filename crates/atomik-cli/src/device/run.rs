//! `atomik device run`.

use std::path::PathBuf;

use atomik_terminal::{Status, stdout};
use atomik_trace::{Layout, ResponseWriter};
use clap::ValueHint;

use super::connection::ConnectionArgs;
use crate::error::CommandError;
use crate::program::ATOMIK;
use crate::trace_file;

const EXAMPLES: &str = "\
Traces and responses are those of `atomik model run`. The trace is checked against the size that the
board reports before anything is sent. The board is cleared first, unless --keep is given.

A board does not report the layout of its words: give --layout if they have fields that add. It is
checked once the board is clear, so not with --keep.

Requests that are lost or damaged on the line are sent again and executed once. A reset of the board
in between loses what it had accumulated: the run then fails.

Status 3: no port, no board, or the board was reset.

Examples:
  atomik device run --port /dev/ttyUSB1 trace.jsonl
  atomik trace random --lanes 2 | atomik device run --port /dev/ttyUSB1 -
  atomik device run --port /dev/ttyUSB1 --layout xor:48,add:16 counters.jsonl";

/// Run a trace on the board and print the responses
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Keep the contents of the register file instead of clearing it first
    #[arg(long)]
    keep: bool,
    /// Fields of the board's words, lowest bits first, such as xor:48,add:16 [default: one xor
    /// field]
    #[arg(long, value_name = "FIELDS")]
    layout: Option<Layout>,
    /// The trace file, or - for stdin
    #[arg(value_name = "TRACE", value_hint = ValueHint::FilePath)]
    trace: PathBuf,
}

pub fn run(connection: &ConnectionArgs, args: &Args) -> Result<Status, CommandError> {
    let mut device = connection.connect()?;
    if let Some(layout) = args.layout {
        device.set_layout(layout)?;
    }
    let mut trace = trace_file::open(&args.trace, device.info().geometry)?;
    if !args.keep || !device.has_session() {
        device.reset()?;
        device.check_layout()?;
    }
    let mut writer = ResponseWriter::new(stdout(), trace.geometry().width());
    let result = device.run(&mut trace, |response| {
        Ok::<_, CommandError>(writer.write(response)?)
    });
    // Print the responses that came before the board was lost.
    writer.flush()?;
    result?;
    let counters = device.counters();
    if counters.retries > 0 {
        ATOMIK.message(format_args!(
            "the serial line is unreliable, check the cable: {} of {} requests were sent again \
             ({} frames damaged, {} unreadable for the board, {} lost)",
            counters.retries,
            counters.requests + counters.retries,
            counters.damaged,
            counters.unreadable,
            counters.timeouts
        ));
    }
    Ok(Status::Done)
}
