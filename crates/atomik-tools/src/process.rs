//! Running a tool until it ends or its user stops it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use thiserror::Error;

use crate::Tool;

/// Where a tool's stdout and stderr go, in its working folder.
pub const PRINTED: &str = "printed.log";

/// Lines of a tool's log that an error message shows.
const LAST_LINES: usize = 12;

/// Why a tool did not finish its work.
#[derive(Debug, Error)]
pub enum RunError {
    /// It was stopped.
    #[error("stopped")]
    Stopped,
    /// Its output cannot be captured.
    #[error("cannot write to {}: {source}", dir.display())]
    Output {
        /// Its working folder.
        dir: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It did not start.
    #[error("{} does not start: {source}", path.display())]
    Start {
        /// The tool.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The system lost track of it.
    #[error("cannot wait for it: {0}")]
    Wait(io::Error),
    /// It exited with an error; the last lines of its log.
    #[error("{last_lines}\n({status})")]
    Exit {
        /// The status.
        status: ExitStatus,
        /// The last lines of its log, and what it printed besides.
        last_lines: String,
    },
}

/// Runs a tool in the folder `dir`. WebAssembly builds of the tools see nothing else, so `args`
/// must name files relative to it. `log` is the log file that the tool writes there. Once `stop` is
/// set, the tool is killed.
///
/// # Errors
/// When the tool does not start, fails or is stopped.
pub fn run(
    tool: &Tool,
    dir: &Path,
    args: &[String],
    log: &str,
    stop: &AtomicBool,
) -> Result<(), RunError> {
    let printed = File::create(dir.join(PRINTED))
        .and_then(|file| Ok((file.try_clone()?, file)))
        .map_err(|source| RunError::Output {
            dir: dir.to_path_buf(),
            source,
        })?;
    let child = tool
        .command()
        .current_dir(dir)
        .args(args)
        .stdout(printed.0)
        .stderr(printed.1)
        .spawn()
        .map_err(|source| RunError::Start {
            path: tool.path.clone(),
            source,
        })?;
    let mut child = Reaped(child);
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(RunError::Stopped);
        }
        match child.0.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            // Ctrl-C reaches the tool as well, possibly before us.
            Ok(Some(_)) if stop.load(Ordering::Relaxed) => return Err(RunError::Stopped),
            Ok(Some(status)) => {
                return Err(RunError::Exit {
                    status,
                    last_lines: last_lines(dir, log),
                });
            }
            Ok(None) => thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(RunError::Wait(error)),
        }
    }
}

/// A child process that is killed when this is dropped.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        // Both fail only if the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The end of the log, followed by printed lines that are not in the log.
fn last_lines(dir: &Path, log: &str) -> String {
    let read = |name: &str| {
        let bytes = fs::read(dir.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let text = read(log);
    // A tool that crashes reports it on stderr only.
    let printed = read(PRINTED);
    let lines: Vec<&str> = text
        .lines()
        .chain(printed.lines().filter(|line| !text.contains(line)))
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
