//! Running a tool to its end, or to that of our patience.

use std::{
    fs::{self, File},
    path::Path,
    process::Child,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use atomik_tools::Tool;

/// Where a tool's own output goes, in the folder that it works in.
pub(crate) const PRINTED: &str = "printed.log";

/// Lines of a tool's log that a message shows.
const LAST_LINES: usize = 12;

/// Why a tool has not done its work.
#[derive(Debug)]
pub(crate) enum RunError {
    /// It was told to stop.
    Stopped,
    /// It ended badly, or never started. What it said last.
    Failed(String),
}

/// Runs a tool in the folder `dir`, which is all that the WebAssembly builds see: so `args` name
/// files relative to it. `log` is the file there that the tool writes its log to.
pub(crate) fn run(
    tool: &Tool,
    dir: &Path,
    args: &[String],
    log: &str,
    stop: &AtomicBool,
) -> Result<(), RunError> {
    let failed = |reason: String| RunError::Failed(reason);
    let printed = File::create(dir.join(PRINTED))
        .and_then(|file| Ok((file.try_clone()?, file)))
        .map_err(|error| failed(format!("cannot write to {}: {error}", dir.display())))?;
    let child = tool
        .command()
        .current_dir(dir)
        .args(args)
        .stdout(printed.0)
        .stderr(printed.1)
        .spawn()
        .map_err(|error| failed(format!("{} does not start: {error}", tool.path.display())))?;
    let mut child = Reaped(child);
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(RunError::Stopped);
        }
        match child.0.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            // Ctrl-C reaches the tool, too, and maybe sooner.
            Ok(Some(_)) if stop.load(Ordering::Relaxed) => return Err(RunError::Stopped),
            Ok(Some(status)) => {
                return Err(failed(format!("{}\n({status})", last_lines(dir, log))));
            }
            Ok(None) => thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(failed(format!("cannot wait for it: {error}"))),
        }
    }
}

/// A process that does not outlive its owner.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The end of the log, or of what was printed if there is no log.
fn last_lines(dir: &Path, log: &str) -> String {
    let read = |name: &str| fs::read(dir.join(name)).unwrap_or_default();
    let mut text = read(log);
    // A tool that crashes says so on its standard error alone.
    let printed = read(PRINTED);
    let printed = String::from_utf8_lossy(&printed).into_owned();
    let text = String::from_utf8_lossy(std::mem::take(&mut text).as_slice()).into_owned();
    let lines: Vec<&str> = text
        .lines()
        .chain(printed.lines().filter(|line| !text.contains(line)))
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
