use std::io::Write;

use atomik_hdl::Config;
use atomik_sim::rtl::run_rtl;
use atomik_sim::verilate::Builder;
use atomik_trace::diff::{Counts, Diff, Verdict};
use atomik_trace::{CommandWriter, Random, Trace, run_model};

use crate::args::{DiffArgs, Engine, RandomArgs};
use crate::failure::Failure;
use crate::{Outcome, say, sim, stdout};

pub fn diff(args: &DiffArgs) -> Result<Outcome, Failure> {
    let mut diff = Diff::open(&args.old, &args.new, args.width, args.depth, args.lanes)?;
    let (old, new) = (args.old.display(), args.new.display());
    let Some(engine) = args.check else {
        let counts = diff.write_trace(stdout())?;
        say(format_args!("{old} -> {new}: {}", describe(&diff, counts)));
        let geometry = diff.geometry();
        say(format_args!(
            "run the trace with --width {} --depth {} --lanes {}",
            geometry.width(),
            geometry.depth(),
            geometry.lanes()
        ));
        return Ok(Outcome::Fine);
    };
    let (counts, verdicts) = check(&mut diff, engine)?;
    say(format_args!("{old} -> {new}: {}", describe(&diff, counts)));
    conclude(&new.to_string(), &verdicts, stdout())
}

/// What ran the trace, and how the words that it read compare with the new file.
type Checked = (&'static str, Verdict);

/// Says how the checks of the file `new` ended: on `out` that it is right, on the standard error
/// that it is not.
fn conclude(new: &str, checked: &[Checked], mut out: impl Write) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Fine;
    for (engine, verdict) in checked {
        if verdict.is_equal() {
            writeln!(out, "{new}: {engine}: {verdict}").map_err(Failure::Output)?;
        } else {
            say(format_args!("{new}: {engine}: {verdict}"));
            outcome = Outcome::CheckFailed;
        }
    }
    out.flush().map_err(Failure::Output)?;
    Ok(outcome)
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

fn check(diff: &mut Diff, engine: Engine) -> Result<(Counts, Vec<Checked>), Failure> {
    let rtl = match engine {
        Engine::Model => None,
        Engine::Rtl | Engine::Both => Some(sim::config(diff.geometry()).map_err(Failure::NoRtl)?),
    };
    let mut counts = Counts::default();
    let mut trace = Trace::generate("<diff>", diff.geometry(), |out| {
        counts = diff.write_trace(out)?;
        Ok::<_, Failure>(())
    })?;
    let mut checked = Vec::new();
    if let Engine::Model | Engine::Both = engine {
        let mut comparison = diff.comparison()?;
        run_model(&mut trace, |response| {
            Ok::<_, Failure>(comparison.push(response)?)
        })?;
        checked.push(("model", comparison.finish()));
    }
    if let Some(config) = rtl {
        checked.push(("RTL", check_rtl(diff, &mut trace, config)?));
    }
    Ok((counts, checked))
}

fn check_rtl(diff: &mut Diff, trace: &mut Trace, config: Config) -> Result<Verdict, Failure> {
    let dut = sim::build(&Builder::from_env()?, config)?;
    let mut comparison = diff.comparison()?;
    run_rtl(&dut, trace, |response| {
        Ok::<_, Failure>(comparison.push(response)?)
    })?;
    Ok(comparison.finish())
}

pub fn random(args: &RandomArgs) -> Result<Outcome, Failure> {
    let geometry = args.geometry.geometry()?;
    let mut writer = CommandWriter::new(stdout(), geometry.width());
    let mut commands = Random::new(geometry, args.seed);
    for _ in 0..args.count {
        let Some(command) = commands.next() else {
            break;
        };
        writer.write(&command).map_err(Failure::Output)?;
    }
    writer.flush().map_err(Failure::Output)?;
    Ok(Outcome::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_ends_with_status_1_unless_every_word_came_right() {
        let right = Verdict {
            words: 5,
            responses: 5,
            wrong: 0,
            first: None,
        };
        let status = |verdict| {
            let mut out = Vec::new();
            let outcome = conclude("NEW", &[("model", verdict)], &mut out).unwrap();
            (outcome.status(), out.is_empty())
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
        assert_eq!(conclude("NEW", &both, &mut out).unwrap().status(), 1);
        assert!(out.starts_with(b"NEW: model: "));
    }
}
