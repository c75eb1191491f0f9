//! The command line, for `python -m atomik`.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command with these arguments, the name of the program first, and returns its exit
/// status. It prints as the program does.
#[pyfunction]
pub fn run_cli(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| atomik_cli::run_from(arguments))
}
