//! `atomik sim replay`.

use std::path::PathBuf;

use atomik_sim::case::Case;
use atomik_sim::verilate::Builder;
use atomik_terminal::{Status, count, print, spare};
use clap::ValueHint;

use crate::dut;
use crate::error::CommandError;
use crate::program::ATOMIK;

const EXAMPLES: &str = "\
Status 1 if the case still fails, 0 if it passes. A case that was found on Verilog files runs on
these files, as they are now.

Examples:
  atomik sim replay target/atomik-failures/w64_d512_l1-mixed-1.json
  atomik sim replay case.json --waves case.vcd";

/// Run a recorded case again, on freshly generated Verilog or the files it names
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The case, as `atomik sim regress` recorded it
    #[arg(value_name = "CASE", value_hint = ValueHint::FilePath)]
    case: PathBuf,
    /// Write a waveform of the case to this file
    #[arg(long, value_name = "FILE.vcd", value_hint = ValueHint::FilePath)]
    waves: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    spare(&args.waves, [&args.case])?;
    let case = Case::read(&args.case)?;
    let cycles = case.cycles(&args.case)?;
    let builder = Builder::from_env()?;
    let dut = dut::build_subject(&builder, case.config()?, &case.subject())?;
    let tally = dut.play(&cycles, case.seed)?;
    if let Some(waves) = &args.waves {
        dut.play_with_waves(&builder, &cycles, case.seed, waves)?;
        ATOMIK.message(format_args!("wrote {}", waves.display()));
    }
    let path = args.case.display();
    let Some(mismatch) = tally.mismatch else {
        print(format_args!(
            "{path}: passes now: {} cycles and {} responses compared\n",
            count(tally.cycles),
            count(tally.responses)
        ))?;
        return Ok(Status::Done);
    };
    let recorded = match mismatch == case.mismatch {
        true => String::new(),
        false => format!("  recorded  {}\n", case.mismatch),
    };
    let case = Case { mismatch, ..case };
    print(format_args!("{path}: still fails\n{case}{recorded}"))?;
    Ok(Status::CheckFailed)
}
