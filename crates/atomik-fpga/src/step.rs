//! The steps of a flow: tools that run in folders of the cache, and how they fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use atomik_tools::cache::{Cache, CacheError, failed};
use atomik_tools::process::{self, RunError};
use atomik_tools::{Tool, ToolKind};
use thiserror::Error;

use crate::netlist::NetlistError;
use crate::placement::ReportError;
use crate::sdf::SdfError;

/// Version of the cache entries. Changes with their contents, or with what is read from the tools'
/// reports.
pub(crate) const FORMAT: u32 = 2;

/// Folder for the logs of failed tools, below the cache.
const FAILURES: &str = "failed";

/// Why a step failed.
#[derive(Debug, Error)]
pub(crate) enum StepError {
    /// The cache or a file.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The flow was stopped.
    #[error("stopped")]
    Stopped,
    /// The flow was set up without the tool.
    #[error("{0} was not set up for this flow; name its device family when the flow is created")]
    NoTool(ToolKind),
    /// A tool failed.
    #[error("{tool} failed{}\n{reason}", log.as_ref().map_or_else(String::new, |log| {
        format!("; its log is {}", log.display())
    }))]
    Tool {
        tool: ToolKind,
        /// Where its log was kept.
        log: Option<PathBuf>,
        reason: RunError,
    },
    /// The design has no clock.
    #[error("{top} has no port {clock}; its clock must have that name")]
    NoClock { top: String, clock: &'static str },
    /// The design has no output.
    #[error("{top} has no output, so synthesis would remove all of it; add an output port")]
    NoOutput { top: String },
    /// The output of Yosys is not as expected.
    #[error(transparent)]
    Netlist(#[from] NetlistError),
    /// The report of nextpnr is not as expected.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The delay file of nextpnr is not as expected.
    #[error(transparent)]
    Sdf(#[from] SdfError),
    /// A cached placement cannot be written or read.
    #[error(
        "{}: not a placement: {source}; remove this folder, and the placement is made again",
        .dir.display()
    )]
    Json {
        dir: PathBuf,
        source: serde_json::Error,
    },
}

/// What every step needs: the cache for its results, and the flag that stops it.
#[derive(Debug)]
pub(crate) struct Steps<'s> {
    pub cache: Cache,
    pub stop: &'s AtomicBool,
}

impl Steps<'_> {
    /// Runs a tool for the design `name` in `dir`; see [`process::run`].
    pub fn run(
        &self,
        tool: &Tool,
        name: &str,
        dir: &Path,
        args: &[String],
        log: &str,
    ) -> Result<(), StepError> {
        process::run(tool, dir, args, log, self.stop)
            .map_err(|error| self.failure(error, tool, name, dir, log))
    }

    /// Turns the failure of a tool into that of its step, and keeps the tool's log.
    pub fn failure(
        &self,
        reason: RunError,
        tool: &Tool,
        name: &str,
        dir: &Path,
        log: &str,
    ) -> StepError {
        if matches!(reason, RunError::Stopped) {
            return StepError::Stopped;
        }
        let file_name: String = format!("{name} {log}")
            .chars()
            .map(|c| {
                if c.is_alphanumeric() || c == '.' {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        let kept = self.cache.dir().join(FAILURES).join(file_name);
        let log = [log, process::PRINTED]
            .into_iter()
            .map(|log| dir.join(log))
            .find(|log| fs::metadata(log).is_ok_and(|meta| meta.len() > 0));
        let log = log.and_then(|log| {
            fs::create_dir_all(kept.parent()?).ok()?;
            fs::copy(log, &kept).ok()?;
            Some(kept)
        });
        StepError::Tool {
            tool: tool.kind,
            log,
            reason,
        }
    }
}

pub(crate) fn names(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

pub(crate) fn read(path: &Path) -> Result<String, CacheError> {
    fs::read_to_string(path).map_err(failed("read", path))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), CacheError> {
    fs::write(path, text).map_err(failed("write", path))
}
