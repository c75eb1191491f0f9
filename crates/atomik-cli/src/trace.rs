use std::io::Write;

use atomik_sim::trace::diff::{Counts, Diff, Verdict};
use atomik_sim::trace::{CommandWriter, Random, Trace, run_model};

use crate::args::{DiffArgs, Engine, RandomArgs};
use crate::failure::Failure;
use crate::{Outcome, say, stdout};

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
    let (counts, verdict) = check(&mut diff, engine)?;
    say(format_args!("{old} -> {new}: {}", describe(&diff, counts)));
    conclude(&new.to_string(), &verdict, stdout())
}

/// Says how the check of the file `new` ended: on `out` that it is right, on the standard error that it is not.
fn conclude(new: &str, verdict: &Verdict, mut out: impl Write) -> Result<Outcome, Failure> {
    if !verdict.is_equal() {
        say(format_args!("{new}: {verdict}"));
        return Ok(Outcome::CheckFailed);
    }
    writeln!(out, "{new}: {verdict}").map_err(Failure::Output)?;
    out.flush().map_err(Failure::Output)?;
    Ok(Outcome::Fine)
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

fn check(diff: &mut Diff, engine: Engine) -> Result<(Counts, Verdict), Failure> {
    let mut counts = Counts::default();
    let mut trace = Trace::generate("<diff>", diff.geometry(), |out| {
        counts = diff.write_trace(out)?;
        Ok::<_, Failure>(())
    })?;
    let mut comparison = diff.comparison()?;
    let compare = |response: &_| Ok::<_, Failure>(comparison.push(response)?);
    match engine {
        Engine::Model => run_model(&mut trace, compare)?,
    }
    Ok((counts, comparison.finish()))
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
            let outcome = conclude("NEW", &verdict, &mut out).unwrap();
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
    }
}
