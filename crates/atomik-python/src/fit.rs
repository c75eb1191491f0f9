//! The verdict on a workload. Python gets it as JSON, in the form of `atomik eval fit --json`.

use std::io::{BufRead, Cursor};
use std::path::{Path, PathBuf};

use atomik_workload::fit::{Fit, Thresholds, fit};
use atomik_workload::workload::{Reader, TraceError};
use pyo3::prelude::*;

use crate::error::{Kind, error, workload};

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
    let fit = py
        .detach(|| measure(source, thresholds, examples, name))
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
) -> Result<Fit, TraceError> {
    match source {
        Source::File(path) => judge(Reader::open(&path)?, thresholds, examples, name),
        Source::Lines(lines) => judge(
            Reader::new(Cursor::new(lines), Path::new(name)),
            thresholds,
            examples,
            name,
        ),
    }
}

fn judge<R: BufRead>(
    reader: Reader<R>,
    thresholds: Thresholds,
    examples: usize,
    name: &str,
) -> Result<Fit, TraceError> {
    fit(reader, thresholds, examples, name, "atomik.fit")
}

/// A verdict in JSON as text, as `atomik eval fit` prints it.
#[pyfunction]
pub fn fit_text(json: &str) -> PyResult<String> {
    let fit: Fit = serde_json::from_str(json).map_err(|wrong| error(Kind::Input, wrong))?;
    Ok(atomik_cli::fit_text(&fit))
}
