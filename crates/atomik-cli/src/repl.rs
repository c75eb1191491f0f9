//! `atomik model repl`: a session at a register file, line by line.

mod editor;
mod session;

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use atomik_trace::{LINE_LIMIT, Reason};
use rustyline::error::ReadlineError;

use crate::args::ReplArgs;
use crate::failure::Failure;
use crate::{Outcome, print, say};
use session::{Answer, Session};

pub fn run(args: &ReplArgs) -> Result<Outcome, Failure> {
    let session = Session::new(args.geometry.geometry()?)?;
    if io::stdin().is_terminal() {
        converse(session)
    } else {
        follow(session)
    }
}

/// Reads lines from a person: a mistake is said, and the session goes on.
fn converse(mut session: Session) -> Result<Outcome, Failure> {
    let mut editor = editor::open()?;
    print(format_args!(
        "{session}\nType help for the commands, quit to leave.\n"
    ))?;
    loop {
        let line = match editor.editor.readline("atomik> ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        };
        if !line.trim().is_empty() {
            editor.editor.add_history_entry(line.as_str())?;
        }
        match session.line(line.as_bytes()) {
            Ok(Answer::Text(text)) => print(text)?,
            Ok(Answer::Quit) => break,
            Err(problem) => say(problem),
        }
    }
    if let Err(problem) = editor.save() {
        say(problem);
    }
    Ok(Outcome::Fine)
}

/// Reads lines from a file or a pipe: the first mistake ends the session.
fn follow(mut session: Session) -> Result<Outcome, Failure> {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        input
            .by_ref()
            .take(LINE_LIMIT as u64 + 1)
            .read_until(b'\n', &mut line)
            .map_err(Failure::Input)?;
        if line.is_empty() {
            break;
        }
        let failed = |reason: String| Failure::Script {
            line: number,
            reason,
        };
        if line.len() > LINE_LIMIT && !line.ends_with(b"\n") {
            return Err(failed(Reason::TooLong.to_string()));
        }
        match session.line(&line) {
            Ok(Answer::Text(text)) => print(text)?,
            Ok(Answer::Quit) => break,
            Err(problem) => return Err(failed(problem.to_string())),
        }
    }
    Ok(Outcome::Fine)
}
