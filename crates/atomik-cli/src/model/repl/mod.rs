//! `atomik model repl`: an interactive session on a register file.

mod editor;
mod session;

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use atomik_terminal::{Status, print};
use atomik_trace::{LINE_LIMIT, Reason};
use rustyline::error::ReadlineError;

use crate::error::CommandError;
use crate::geometry::GeometryArgs;
use crate::program::ATOMIK;
use editor::Editor;
use session::{Answer, Session};

const EXAMPLES: &str = "\
Examples:
  atomik model repl --width 16 --depth 8
  atomik model repl --layout xor:48,add:16
  printf 'accum 3 0xff\\nread 3\\n' | atomik model repl";

/// Run commands interactively
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    geometry: GeometryArgs,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let session = Session::new(args.geometry.geometry()?)?;
    if io::stdin().is_terminal() {
        interactive(session)
    } else {
        script(session)
    }
}

/// Reads lines from a terminal. An error is printed, and the session continues.
fn interactive(mut session: Session) -> Result<Status, CommandError> {
    let mut editor = Editor::open()?;
    print(format_args!(
        "{session}\nType help for the commands, quit to leave.\n"
    ))?;
    loop {
        let line = match editor.readline("atomik> ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        };
        match session.line(line.as_bytes()) {
            Ok(Answer::Text(text)) => print(text)?,
            Ok(Answer::Quit) => break,
            Err(problem) => ATOMIK.message(problem),
        }
    }
    if let Err(problem) = editor.save() {
        ATOMIK.message(problem);
    }
    Ok(Status::Done)
}

/// Reads lines from a file or a pipe. The first error ends the session.
fn script(mut session: Session) -> Result<Status, CommandError> {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        input
            .by_ref()
            .take(LINE_LIMIT as u64 + 1)
            .read_until(b'\n', &mut line)
            .map_err(CommandError::Input)?;
        if line.is_empty() {
            break;
        }
        let failed = |reason: String| CommandError::Script {
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
    Ok(Status::Done)
}
