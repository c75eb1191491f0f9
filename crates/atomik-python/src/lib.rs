//! The extension module `atomik._atomik`, on which the Python packages `atomik` and `atomik_core`
//! are built. `docs/python.md` describes both.
//!
//! | module | what it holds |
//! |---|---|
//! | `register_file`, `accumulator` | the software model, with single calls and whole arrays |
//! | `trace` | traces, checked when they are opened, and what they do on the model |
//! | `replica` | the state machine of replication, with events in and effects out |
//! | `fit`, `bench`, `cli` | the verdict on a workload; Verilog and regressions; the command line |
//! | `compat` | the parts of `atomik_core` whose speed matters |
//! | `word`, `array`, `error` | integers, arrays and errors on their way to and from Python |
//! | `interrupt` | work that takes long, and ends at Ctrl-C |
//!
//! Without the feature `extension` the crate is empty.

#![cfg(feature = "extension")]

mod accumulator;
mod array;
mod bench;
mod cli;
mod compat;
mod error;
mod fit;
mod interrupt;
mod register_file;
mod replica;
mod trace;
mod word;

/// The extension module of the package `atomik`.
#[pyo3::pymodule]
mod _atomik {
    #[pymodule_export]
    use crate::accumulator::Accumulator;
    #[pymodule_export]
    use crate::array::plain_loop_seconds;
    #[pymodule_export]
    use crate::bench::{generate, regress};
    #[pymodule_export]
    use crate::cli::run_cli;
    #[pymodule_export]
    use crate::compat::context::AtomikContext;
    #[pymodule_export]
    use crate::compat::message::DeltaMessage;
    #[pymodule_export]
    use crate::compat::seen::Received;
    #[pymodule_export]
    use crate::compat::stream::DeltaStream;
    #[pymodule_export]
    use crate::compat::table::AtomikTable;
    #[pymodule_export]
    use crate::compat::{forked, forks, new_origin, xor_chunks};
    #[pymodule_export]
    use crate::fit::{fit_json, fit_text};
    #[pymodule_export]
    use crate::register_file::{RegisterFile, Snapshot};
    #[pymodule_export]
    use crate::replica::Replica;
    #[pymodule_export]
    use crate::trace::{Trace, diff_trace};

    use pyo3::exceptions::PyImportError;
    use pyo3::prelude::*;

    /// Refuses subinterpreters, which would share objects with the first one.
    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        // SAFETY: the interpreter's lock is held, so there is a current interpreter.
        let number =
            unsafe { pyo3::ffi::PyInterpreterState_GetID(pyo3::ffi::PyInterpreterState_Get()) };
        if number == 0 {
            return Ok(());
        }
        Err(PyImportError::new_err(
            "ATOMiK cannot be used in a subinterpreter; use threads or processes",
        ))
    }
}
