//! Line editing with a history that outlives the session.

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

/// A line editor that keeps its history in a file.
pub struct Editor {
    editor: rustyline::Editor<Names, DefaultHistory>,
    /// The history file; none for a user without a home folder.
    history: Option<PathBuf>,
}

/// The history could not be saved.
#[derive(Debug, Error)]
#[error(
    "{}: cannot save the history: {source}; set XDG_STATE_HOME to a writable folder",
    .path.display()
)]
pub struct HistoryError {
    path: PathBuf,
    source: ReadlineError,
}

impl Editor {
    /// Opens the editor with the history of earlier sessions.
    pub fn open() -> Result<Self, ReadlineError> {
        let config = Config::builder().max_history_size(1000)?.build();
        let mut editor = rustyline::Editor::with_config(config)?;
        editor.set_helper(Some(Names));
        let history = history_file();
        if let Some(path) = &history {
            // The first session finds no file. One that cannot be written is reported at the end.
            let _ = editor.load_history(path);
        }
        Ok(Self { editor, history })
    }

    /// Reads a line and adds it to the history, unless it is blank.
    pub fn readline(&mut self, prompt: &str) -> Result<String, ReadlineError> {
        let line = self.editor.readline(prompt)?;
        if !line.trim().is_empty() {
            self.editor.add_history_entry(line.as_str())?;
        }
        Ok(line)
    }

    /// Saves the history, if it has any lines and a file.
    pub fn save(&mut self) -> Result<(), HistoryError> {
        let Some(path) = &self.history else {
            return Ok(());
        };
        if self.editor.history().is_empty() {
            return Ok(());
        }
        let created = path.parent().map_or(Ok(()), fs::create_dir_all);
        created
            .map_err(ReadlineError::from)
            .and_then(|()| self.editor.save_history(path))
            .map_err(|source| HistoryError {
                path: path.clone(),
                source,
            })
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
struct Names;

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
