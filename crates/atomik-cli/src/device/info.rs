//! `atomik device info`.

use atomik_terminal::{Status, print, print_json};

use super::connection::ConnectionArgs;
use crate::error::CommandError;

const EXAMPLES: &str = "\
Examples:
  atomik device info --port /dev/ttyUSB1";

/// Show the board's register file and session
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(connection: &ConnectionArgs, args: &Args) -> Result<Status, CommandError> {
    let info = connection.connect()?.info();
    let geometry = info.geometry;
    if args.json {
        print_json(&serde_json::json!({
            "width": geometry.width(),
            "depth": geometry.depth(),
            "lanes": geometry.lanes(),
            "max_payload": info.max_payload,
            "max_cycles": info.max_cycles,
            "max_responses": info.max_responses,
            "bad_frames": info.bad_frames,
            "epoch": info.epoch,
            "next_batch": info.next_number,
        }))?;
        return Ok(Status::Done);
    }
    let session = match info.epoch {
        0 => "none since its last reset".to_owned(),
        epoch => format!("{epoch:#010x}, next batch {}", info.next_number),
    };
    print(format_args!(
        "register file  {} addresses of {} bits, {} lanes\n\
         session        {session}\n\
         batches        up to {} cycles, {} responses, {} bytes\n\
         bad frames     {} since its last reset\n",
        geometry.depth(),
        geometry.width(),
        geometry.lanes(),
        info.max_cycles,
        info.max_responses,
        info.max_payload,
        info.bad_frames,
    ))?;
    Ok(Status::Done)
}
