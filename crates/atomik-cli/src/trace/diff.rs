//! `atomik trace diff`.

use std::io::Write;
use std::path::PathBuf;

use atomik_hdl::Config;
use atomik_sim::rtl::run_rtl;
use atomik_sim::verilate::Builder;
use atomik_terminal::{OutputError, Status, stdout};
use atomik_trace::diff::{Counts, Diff, Verdict};
use atomik_trace::{Trace, run_model};
use clap::{ValueEnum, ValueHint};

use crate::dut;
use crate::error::CommandError;
use crate::geometry::{WordArgs, config, depth, lanes};
use crate::program::ATOMIK;

const EXAMPLES: &str = "\
Byte 0 of a file is in the low bits of word 0. The last word and the shorter file are padded with
zeros. The files are processed in chunks of one depth of words, through the same addresses: load
of the old words, accum of the difference where they differ, read of every word. The lengths of the
files and the options that run the trace are printed to stderr.

Examples:
  atomik trace diff old.bin new.bin > change.jsonl
  atomik trace diff --check model old.bin new.bin
  atomik trace diff --check model --layout add:16,add:16 old.raw new.raw
  atomik trace diff --width 32 --depth 1024 --lanes 8 --check both old.bin new.bin";

/// Print the trace that turns one file into another
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    word: WordArgs,
    /// Words in the register file, a power of two [default: the smallest that holds the longer
    /// file, at most 16384]
    #[arg(long, value_name = "WORDS", value_parser = depth)]
    depth: Option<usize>,
    /// Lanes to spread the deltas over, 1 to 32
    #[arg(long, value_name = "LANES", default_value = "1", value_parser = lanes)]
    lanes: u32,
    /// Run the trace instead of printing it, and compare the words read with NEW; the RTL must be
    /// one that can be generated with --width or --layout, --depth and --lanes
    #[arg(long, value_name = "WHERE")]
    check: Option<Engine>,
    /// The old file
    #[arg(value_name = "OLD", value_hint = ValueHint::FilePath)]
    old: PathBuf,
    /// The new file
    #[arg(value_name = "NEW", value_hint = ValueHint::FilePath)]
    new: PathBuf,
}

/// Where a trace is run.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Engine {
    /// The software model
    Model,
    /// The generated Verilog, compiled
    Rtl,
    /// First the model, then the RTL
    Both,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let layout = args.word.layout()?;
    let mut diff = Diff::open(&args.old, &args.new, layout, args.depth, args.lanes)?;
    let (old, new) = (args.old.display(), args.new.display());
    let Some(engine) = args.check else {
        let counts = diff.write_trace(stdout())?;
        ATOMIK.message(format_args!("{old} -> {new}: {}", describe(&diff, counts)));
        let geometry = diff.geometry();
        ATOMIK.message(format_args!(
            "run the trace with {} --depth {} --lanes {}",
            args.word.text(),
            geometry.depth(),
            geometry.lanes()
        ));
        return Ok(Status::Done);
    };
    let (counts, verdicts) = check(&mut diff, engine)?;
    ATOMIK.message(format_args!("{old} -> {new}: {}", describe(&diff, counts)));
    conclude(&new.to_string(), &verdicts, stdout())
}

fn describe(diff: &Diff, counts: Counts) -> String {
    format!(
        "{} and {} bytes, {} of {} words changed",
        diff.old_bytes(),
        diff.new_bytes(),
        counts.changed,
        counts.words
    )
}

/// Where the trace ran, and how the words read compare with the new file.
type Checked = (&'static str, Verdict);

fn check(diff: &mut Diff, engine: Engine) -> Result<(Counts, Vec<Checked>), CommandError> {
    let rtl = match engine {
        Engine::Model => None,
        Engine::Rtl | Engine::Both => Some(config(diff.geometry()).map_err(CommandError::NoRtl)?),
    };
    let mut counts = Counts::default();
    let mut trace = Trace::generate("<diff>", diff.geometry(), |out| {
        counts = diff.write_trace(out)?;
        Ok::<_, CommandError>(())
    })?;
    let mut checked = Vec::new();
    if let Engine::Model | Engine::Both = engine {
        let mut comparison = diff.comparison()?;
        run_model(&mut trace, |response| {
            Ok::<_, CommandError>(comparison.push(response)?)
        })?;
        checked.push(("model", comparison.finish()));
    }
    if let Some(config) = rtl {
        checked.push(("RTL", check_rtl(diff, &mut trace, config)?));
    }
    Ok((counts, checked))
}

fn check_rtl(diff: &mut Diff, trace: &mut Trace, config: Config) -> Result<Verdict, CommandError> {
    let dut = dut::build(&Builder::from_env()?, config)?;
    let mut comparison = diff.comparison()?;
    run_rtl(&dut, trace, |response| {
        Ok::<_, CommandError>(comparison.push(response)?)
    })?;
    Ok(comparison.finish())
}

/// Reports the checks of the file `new`: those that passed on `out`, those that failed on stderr.
fn conclude(new: &str, checked: &[Checked], mut out: impl Write) -> Result<Status, CommandError> {
    let mut status = Status::Done;
    for (engine, verdict) in checked {
        if verdict.is_equal() {
            writeln!(out, "{new}: {engine}: {verdict}").map_err(OutputError::Write)?;
        } else {
            ATOMIK.message(format_args!("{new}: {engine}: {verdict}"));
            status = Status::CheckFailed;
        }
    }
    out.flush().map_err(OutputError::Write)?;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_ends_with_status_1_unless_every_word_is_right() {
        let right = Verdict {
            words: 5,
            responses: 5,
            wrong: 0,
            first: None,
        };
        let status = |verdict| {
            let mut out = Vec::new();
            let status = conclude("NEW", &[("model", verdict)], &mut out).unwrap();
            (status.code(), out.is_empty())
        };
        assert_eq!(status(right), (0, false));
        assert_eq!(status(Verdict { wrong: 1, ..right }), (1, true));
        assert_eq!(
            status(Verdict {
                responses: 4,
                ..right
            }),
            (1, true)
        );
        let mut out = Vec::new();
        let both = [("model", right), ("RTL", Verdict { wrong: 1, ..right })];
        assert_eq!(conclude("NEW", &both, &mut out).unwrap().code(), 1);
        assert!(out.starts_with(b"NEW: model: "));
    }
}
