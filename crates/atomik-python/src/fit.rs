//! The verdict on a workload. Python gets it as JSON, in the form of `atomik eval fit --json`.

use std::io::{BufRead, Cursor};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use atomik_workload::fit::{Fit, Study, Thresholds};
use atomik_workload::workload::{Reader, TraceError};
use pyo3::prelude::*;

use crate::error::{Kind, error, workload};
use crate::interrupt::interruptible;

/// Where the operations come from.
enum Source {
    File(PathBuf),
    Lines(Vec<u8>),
}

/// Measures and judges a trace: a file, or lines of JSON. `thresholds` is JSON, with the members
/// that are not the default.
#[pyfunction]
#[pyo3(signature = (path, lines, thresholds, examples, name))]
pub fn fit_json(
    py: Python<'_>,
    path: Option<PathBuf>,
    lines: Option<Vec<u8>>,
    thresholds: &str,
    examples: usize,
    name: &str,
) -> PyResult<String> {
    let thresholds: Thresholds = serde_json::from_str(thresholds)
        .map_err(|wrong| error(Kind::Input, format_args!("limits of the verdict: {wrong}")))?;
    let source = match (path, lines) {
        (Some(path), None) => Source::File(path),
        (None, Some(lines)) => Source::Lines(lines),
        _ => return Err(error(Kind::Input, "give either a file or lines")),
    };
    let fit = interruptible(py, |stop| measure(source, thresholds, examples, name, stop))?
        .map_err(|refused| workload(&refused))?;
    if fit.operations == 0 {
        return Err(error(
            Kind::Input,
            format_args!("{name}: no operations; give one operation a line"),
        ));
    }
    serde_json::to_string(&fit).map_err(|wrong| error(Kind::Tool, wrong))
}

fn measure(
    source: Source,
    thresholds: Thresholds,
    examples: usize,
    name: &str,
    stop: &AtomicBool,
) -> Result<Fit, TraceError> {
    let study = Study::new(thresholds, examples);
    match source {
        Source::File(path) => judge(study, Reader::open(&path)?, name, stop),
        Source::Lines(lines) => {
            let reader = Reader::new(Cursor::new(lines), Path::new(name));
            judge(study, reader, name, stop)
        }
    }
}

/// The verdict on all lines or, if it is told to stop, on those so far.
fn judge<R: BufRead>(
    mut study: Study,
    mut reader: Reader<R>,
    name: &str,
    stop: &AtomicBool,
) -> Result<Fit, TraceError> {
    while let Some(line) = reader.next() {
        study.see(reader.line(), line?);
        if stop.load(Relaxed) {
            break;
        }
    }
    Ok(study.judge(name, "atomik.fit"))
}

/// A verdict in JSON as text, as `atomik eval fit` prints it.
#[pyfunction]
pub fn fit_text(json: &str) -> PyResult<String> {
    let fit: Fit = serde_json::from_str(json).map_err(|wrong| error(Kind::Input, wrong))?;
    Ok(atomik_cli::fit_text(&fit))
}
