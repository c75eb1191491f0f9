use std::env;
use std::fs;
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::{DefaultHistory, History as _};
use rustyline::validate::Validator;
use rustyline::{Config, Context, Helper};
use thiserror::Error;

use super::session::COMMANDS;

/// A line editor that remembers its lines from one session to the next.
pub struct Editor {
    pub editor: rustyline::Editor<Names, DefaultHistory>,
    /// Where the lines are kept; nowhere for a user without a home.
    history: Option<PathBuf>,
}

/// Why the history was not kept.
#[derive(Debug, Error)]
#[error("{}: cannot keep the history: {reason}; set XDG_STATE_HOME to a folder that can be written to",
        .path.display())]
pub struct NotKept {
    path: PathBuf,
    reason: String,
}

/// Opens the editor, with the history of the sessions before if there is one.
pub fn open() -> Result<Editor, ReadlineError> {
    let config = Config::builder().max_history_size(1000)?.build();
    let mut editor = rustyline::Editor::with_config(config)?;
    editor.set_helper(Some(Names));
    let history = history_file();
    if let Some(path) = &history {
        // Nothing to load is the first session, not an error; what cannot be written is said at the
        // end.
        let _ = editor.load_history(path);
    }
    Ok(Editor { editor, history })
}

impl Editor {
    /// Writes the history, if there is a place for it and anything to write.
    pub fn save(&mut self) -> Result<(), NotKept> {
        let Some(path) = &self.history else {
            return Ok(());
        };
        if self.editor.history().is_empty() {
            return Ok(());
        }
        let not_kept = |reason: String| NotKept {
            path: path.clone(),
            reason,
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| not_kept(error.to_string()))?;
        }
        self.editor
            .save_history(path)
            .map_err(|error| not_kept(error.to_string()))
    }
}

/// `atomik/history` in the user's state folder (XDG Base Directory Specification 0.8).
fn history_file() -> Option<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .or_else(|| absolute("LOCALAPPDATA"))?;
    Some(state.join("atomik").join("history"))
}

/// Completes the first word of a line.
pub struct Names;

impl Completer for Names {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = &line[..pos];
        if typed.contains(' ') {
            return Ok((pos, Vec::new()));
        }
        let names = COMMANDS.iter().filter(|name| name.starts_with(typed));
        Ok((0, names.map(|name| format!("{name} ")).collect()))
    }
}

impl Hinter for Names {
    type Hint = String;
}
impl Highlighter for Names {}
impl Validator for Names {}
impl Helper for Names {}
