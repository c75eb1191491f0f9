//! Solvers: programs that answer questions in SMT-LIB, and ABC, which proves by itself.

use atomik_tools::{Tool, ToolKind};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A solver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// Yices 2, by SRI International.
    Yices,
    /// Z3, by Microsoft Research.
    Z3,
    /// ABC, by the University of California, Berkeley: it needs no invariants.
    Abc,
}

impl Solver {
    /// All solvers. The first is the default.
    pub const ALL: [Solver; 3] = [Solver::Yices, Solver::Z3, Solver::Abc];

    /// `yices`, `z3` or `abc`.
    pub fn name(self) -> &'static str {
        match self {
            Solver::Yices => "yices",
            Solver::Z3 => "z3",
            Solver::Abc => "abc",
        }
    }

    /// The tool.
    pub fn tool(self) -> ToolKind {
        match self {
            Solver::Yices => ToolKind::Yices,
            Solver::Z3 => ToolKind::Z3,
            Solver::Abc => ToolKind::Abc,
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// There are such values: those that were asked for, in binary.
    Yes(HashMap<String, String>),
    /// There are none.
    No,
    /// The solver gave no answer in time.
    Late,
}

/// Why a solver gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum SolverError {
    /// It does not run.
    #[error("{}: {source}; free disk space, or run `make setup-proofs`", path.display())]
    Run {
        /// The program, or the file of the question.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It refuses the question.
    #[error(
        "{solver} does not understand the question {}: {output}; use another version, or report it",
        question.display()
    )]
    Refused {
        /// The solver.
        solver: &'static str,
        /// The question.
        question: PathBuf,
        /// What it printed.
        output: String,
    },
}

/// Whether a program ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    Ended,
    /// It was stopped at its limit.
    Late,
}

/// Asks `solver`, which reads SMT-LIB, at most for `limit`. The question is in `file`; the answer
/// is written beside it.
pub(crate) fn ask(
    solver: Solver,
    tool: &Tool,
    file: &Path,
    limit: Duration,
) -> Result<Answer, SolverError> {
    let mut command = tool.command();
    if solver == Solver::Z3 {
        command.arg("-smt2");
    }
    command.arg(file);
    let (ran, text) = run(tool, command, &file.with_extension("out"), limit)?;
    if ran == Ran::Late {
        return Ok(Answer::Late);
    }
    answer(&text).ok_or_else(|| SolverError::Refused {
        solver: solver.name(),
        question: file.to_path_buf(),
        output: text.chars().take(400).collect(),
    })
}

/// Runs `command`, which is the tool's, at most for `limit`. What it prints is written to `out`,
/// and returned.
pub(crate) fn run(
    tool: &Tool,
    mut command: Command,
    out: &Path,
    limit: Duration,
) -> Result<(Ran, String), SolverError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| SolverError::Run { path, source }
    };
    // A file, not a pipe: a pipe that nobody reads would fill and stop the solver.
    let output = File::create(out).map_err(failed(out))?;
    command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn().map_err(failed(&tool.path))?;
    let mut pause = Duration::from_millis(1);
    let mut ran = Ran::Ended;
    while child.try_wait().map_err(failed(&tool.path))?.is_none() {
        if start.elapsed() > limit {
            // It may have ended in the meantime.
            let _ = child.kill();
            child.wait().map_err(failed(&tool.path))?;
            ran = Ran::Late;
            break;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    let text = std::fs::read_to_string(out).map_err(failed(out))?;
    Ok((ran, text))
}

/// The answer in what a solver printed.
fn answer(text: &str) -> Option<Answer> {
    let (first, rest) = text.split_once('\n')?;
    match first.trim() {
        "unsat" => Some(Answer::No),
        "unknown" => Some(Answer::Late),
        "sat" => values(rest).map(Answer::Yes),
        _ => None,
    }
}

/// The pairs of names and values that `get-value` prints.
fn values(text: &str) -> Option<HashMap<String, String>> {
    let words = text
        .split(|c: char| c.is_whitespace() || c == '(' || c == ')')
        .filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    words
        .chunks(2)
        .map(|pair| match pair {
            [name, value] => Some(((*name).to_owned(), binary(value)?)),
            _ => None,
        })
        .collect()
}

/// A value in binary.
fn binary(value: &str) -> Option<String> {
    match value {
        "true" => return Some("1".into()),
        "false" => return Some("0".into()),
        _ => {}
    }
    if let Some(bits) = value.strip_prefix("#b") {
        return Some(bits.into());
    }
    let digits = value.strip_prefix("#x")?;
    let digit = |c: char| Some(format!("{:04b}", c.to_digit(16)?));
    digits.chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_both_solvers_are_read() {
        let yices = "sat\n((n1_0 #b0101) (n2_3 true))\n";
        let z3 = "sat\n((n1_0 #x5)\n (n2_3 true))\n";
        for text in [yices, z3] {
            let Some(Answer::Yes(values)) = answer(text) else {
                panic!("{text}")
            };
            assert_eq!(
                (values["n1_0"].as_str(), values["n2_3"].as_str()),
                ("0101", "1")
            );
        }
        assert_eq!(answer("unsat\n(error \"no model\")\n"), Some(Answer::No));
        assert_eq!(answer("unknown\n"), Some(Answer::Late));
        assert_eq!(answer("(error \"line 1: syntax\")\n"), None);
    }
}
