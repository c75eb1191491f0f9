//! Traces: checked to their last line when they are opened, run on the model, compared with files.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};

use atomik_trace::diff::Diff;
use atomik_trace::{
    Command, CommandWriter, Error, Geometry, Random, Response, ResponseWriter, run_model,
};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyIterator, PyList};

use crate::error::{Kind, error, trace as refuse};
use crate::interrupt::interruptible;
use crate::word::{geometry, integer, layout};

/// A trace for one register file, checked to its last line when it is opened.
///
/// `Trace(path, width=64, depth=512, lanes=1)` reads a file, `Trace.from_text` a text,
/// `Trace.from_commands` commands, `Trace.from_columns` a table, and `Trace.random` makes one. A
/// bad line raises `TraceError` with file, line and reason, before anything has run.
#[pyclass(frozen, module = "atomik")]
pub struct Trace(Mutex<atomik_trace::Trace>);

/// What ends a run early.
enum Stop {
    Trace(Error),
    Python(PyErr),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Trace(error)
    }
}

impl From<Stop> for PyErr {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Trace(error) => refuse(&error),
            Stop::Python(error) => error,
        }
    }
}

impl Trace {
    fn wrap(trace: Result<atomik_trace::Trace, Error>) -> PyResult<Self> {
        trace
            .map(|trace| Self(Mutex::new(trace)))
            .map_err(|error| refuse(&error))
    }

    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, atomik_trace::Trace> {
        self.0
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn geometry(&self, py: Python<'_>) -> Geometry {
        self.lock(py).geometry()
    }

    /// Passes every command to `each`, in the order in which they take effect.
    fn each(
        trace: &mut atomik_trace::Trace,
        mut each: impl FnMut(&Command) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut cycles = trace.cycles()?;
        while let Some(commands) = cycles.next_cycle()? {
            for command in commands {
                each(command)?;
            }
        }
        Ok(())
    }
}

/// A command as the arguments of `atomik.Command`.
fn command_fields<'py>(
    py: Python<'py>,
    command: &Command,
    width: u32,
) -> PyResult<Bound<'py, PyAny>> {
    let data = match command.op.takes_data() {
        true => Some(integer(py, command.data.limbs(width))?),
        false => None,
    };
    let fields = (
        command.op.name(),
        command.addr,
        data,
        command.lane,
        command.cycle,
    );
    Ok(fields.into_pyobject(py)?.into_any())
}

/// A response as the arguments of `atomik.Response`.
fn response_fields<'py>(
    py: Python<'py>,
    response: &Response,
    width: u32,
) -> PyResult<Bound<'py, PyAny>> {
    let data = integer(py, response.data.limbs(width))?;
    let fields = (response.op.name(), response.addr, data, response.clean);
    Ok(fields.into_pyobject(py)?.into_any())
}

/// A list of what `class` makes of each tuple.
fn collect<'py>(
    py: Python<'py>,
    class: &str,
    tuples: impl IntoIterator<Item = PyResult<Bound<'py, PyAny>>>,
) -> PyResult<Bound<'py, PyList>> {
    let make = py
        .import("atomik._records")?
        .getattr(class)?
        .getattr("_make")?;
    let made = tuples.into_iter().map(|tuple| make.call1((tuple?,)));
    PyList::new(py, made.collect::<PyResult<Vec<_>>>()?)
}

#[pymethods]
impl Trace {
    /// Opens and checks the trace in a file.
    #[new]
    #[pyo3(signature = (path, width=None, depth=512, lanes=1))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        width: Option<&Bound<'_, PyAny>>,
        depth: usize,
        lanes: u32,
    ) -> PyResult<Self> {
        let geometry = geometry_or_default(py, width, depth, lanes)?;
        Self::wrap(py.detach(|| atomik_trace::Trace::open(&path, geometry)))
    }

    /// Checks the trace in a text.
    #[staticmethod]
    #[pyo3(signature = (text, width=None, depth=512, lanes=1, name="<text>"))]
    fn from_text(
        py: Python<'_>,
        text: &Bound<'_, PyAny>,
        width: Option<&Bound<'_, PyAny>>,
        depth: usize,
        lanes: u32,
        name: &str,
    ) -> PyResult<Self> {
        let geometry = geometry_or_default(py, width, depth, lanes)?;
        let bytes = match text.cast::<PyBytes>() {
            Ok(bytes) => bytes.as_bytes().to_vec(),
            Err(_) => text.extract::<String>()?.into_bytes(),
        };
        Self::wrap(py.detach(|| atomik_trace::Trace::spool(name, &bytes[..], geometry)))
    }

    /// The trace of `Command`s, of tuples in their order, or of dicts as in the file format.
    #[staticmethod]
    #[pyo3(signature = (commands, width=None, depth=512, lanes=1))]
    fn from_commands(
        commands: &Bound<'_, PyAny>,
        width: Option<&Bound<'_, PyAny>>,
        depth: usize,
        lanes: u32,
    ) -> PyResult<Self> {
        let py = commands.py();
        let text = py
            .import("atomik._traces")?
            .call_method1("commands_text", (commands,))?;
        Self::from_text(py, &text, width, depth, lanes, "<commands>")
    }

    /// The trace of a table with the columns op, addr, data, lane and cycle: of pandas, Polars or
    /// PyArrow, or a dict of sequences. data, lane and cycle may be left out, or empty in a row.
    #[staticmethod]
    #[pyo3(signature = (table, width=None, depth=512, lanes=1))]
    fn from_columns(
        table: &Bound<'_, PyAny>,
        width: Option<&Bound<'_, PyAny>>,
        depth: usize,
        lanes: u32,
    ) -> PyResult<Self> {
        let py = table.py();
        let text = py
            .import("atomik._traces")?
            .call_method1("columns_text", (table,))?;
        Self::from_text(py, &text, width, depth, lanes, "<columns>")
    }

    /// The first `count` commands of the random trace of a seed.
    #[staticmethod]
    #[pyo3(signature = (count, seed=1, width=None, depth=512, lanes=1))]
    fn random(
        py: Python<'_>,
        count: usize,
        seed: u64,
        width: Option<&Bound<'_, PyAny>>,
        depth: usize,
        lanes: u32,
    ) -> PyResult<Self> {
        let geometry = geometry_or_default(py, width, depth, lanes)?;
        let made = interruptible(py, |stop| {
            atomik_trace::Trace::generate("<random>", geometry, |out| {
                let mut writer = CommandWriter::new(out, geometry.width());
                for command in Random::new(geometry, seed).take(count) {
                    if stop.load(Relaxed) {
                        break;
                    }
                    writer.write(&command).map_err(Error::Write)?;
                }
                writer.flush().map_err(Error::Write)
            })
        })?;
        Self::wrap(made)
    }

    /// The layout of a word.
    #[getter]
    fn layout(&self, py: Python<'_>) -> String {
        self.geometry(py).layout().to_string()
    }

    /// The width of a word in bits.
    #[getter]
    fn width(&self, py: Python<'_>) -> u32 {
        self.geometry(py).width()
    }

    /// The number of addresses of the register file.
    #[getter]
    fn depth(&self, py: Python<'_>) -> usize {
        self.geometry(py).depth()
    }

    /// The number of lanes of the register file.
    #[getter]
    fn lanes(&self, py: Python<'_>) -> u32 {
        self.geometry(py).lanes()
    }

    /// The number of responses.
    #[getter]
    fn responses(&self, py: Python<'_>) -> u64 {
        self.lock(py).summary().responses
    }

    /// The cycle of the last command; `None` without commands.
    #[getter]
    fn last_cycle(&self, py: Python<'_>) -> Option<u64> {
        self.lock(py).summary().last_cycle
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        usize::try_from(self.lock(py).summary().commands).map_err(|_| {
            error(
                Kind::Input,
                "the trace has too many commands for this machine",
            )
        })
    }

    /// The commands, in the order in which they take effect.
    fn commands<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut trace = self.lock(py);
        let width = trace.geometry().width();
        let mut tuples = Vec::new();
        Self::each(&mut trace, |command| {
            tuples.push(command_fields(py, command, width));
            Ok(())
        })?;
        drop(trace);
        collect(py, "Command", tuples)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.commands(py)?.try_iter()
    }

    /// The commands as a dict of lists, one for each field: for a table of any library.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let commands = self.commands(py)?;
        py.import("atomik._traces")?
            .call_method1("columns_of", (commands,))
    }

    /// Runs the trace on a new register file of the software model.
    fn run<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut trace = self.lock(py);
        let width = trace.geometry().width();
        let mut tuples = Vec::new();
        run_model(&mut trace, |response| {
            tuples.push(Ok(
                response_fields(py, response, width).map_err(Stop::Python)?
            ));
            Ok::<_, Stop>(())
        })?;
        drop(trace);
        collect(py, "Response", tuples)
    }

    /// The responses as the command line prints them.
    fn run_text(&self, py: Python<'_>) -> PyResult<String> {
        let mut out = Vec::new();
        py.detach(|| {
            let mut trace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let mut writer = ResponseWriter::new(&mut out, trace.geometry().width());
            run_model(&mut trace, |response| writer.write(response))
        })
        .map_err(|error| refuse(&error))?;
        String::from_utf8(out).map_err(|wrong| error(Kind::Tool, wrong))
    }

    /// Writes the trace to a file, one command a line.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let written = py.detach(|| -> Result<(), Stop> {
            let mut trace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let width = trace.geometry().width();
            let out =
                BufWriter::new(File::create(&path).map_err(|source| unwritable(&path, source))?);
            let mut writer = CommandWriter::new(out, width);
            let cannot = |source| unwritable(&path, source);
            Self::each(&mut trace, |command| writer.write(command).map_err(cannot))?;
            writer.flush().map_err(cannot)
        });
        Ok(written?)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let trace = self.lock(py);
        let (geometry, summary) = (trace.geometry(), trace.summary());
        format!(
            "<Trace for {}, depth {}, lanes {}: {} commands, {} responses>",
            geometry.layout(),
            geometry.depth(),
            geometry.lanes(),
            summary.commands,
            summary.responses
        )
    }
}

#[cold]
fn unwritable(path: &Path, source: std::io::Error) -> Stop {
    let message = format!("{}: {source}; name a writable file", path.display());
    Stop::Python(error(Kind::Tool, message))
}

fn geometry_or_default(
    py: Python<'_>,
    width: Option<&Bound<'_, PyAny>>,
    depth: usize,
    lanes: u32,
) -> PyResult<Geometry> {
    match width {
        Some(width) => geometry(width, depth, lanes),
        None => geometry(64_u32.into_pyobject(py)?.as_any(), depth, lanes),
    }
}

/// The trace that turns the file `old` into the file `new`, and how many words there are, and how
/// many change.
#[pyfunction]
#[pyo3(signature = (old, new, width=None, depth=None, lanes=1))]
pub fn diff_trace(
    py: Python<'_>,
    old: PathBuf,
    new: PathBuf,
    width: Option<&Bound<'_, PyAny>>,
    depth: Option<usize>,
    lanes: u32,
) -> PyResult<(Trace, u64, u64)> {
    use atomik_trace::diff::Error as DiffError;
    enum Failed {
        Diff(DiffError),
        Trace(Error),
    }
    impl From<Error> for Failed {
        fn from(error: Error) -> Self {
            Self::Trace(error)
        }
    }
    let layout = match width {
        Some(width) => layout(width)?,
        None => layout(64_u32.into_pyobject(py)?.as_any())?,
    };
    let made = py.detach(|| {
        let mut diff = Diff::open(&old, &new, layout, depth, lanes).map_err(Failed::Diff)?;
        let mut counts = atomik_trace::diff::Counts::default();
        let trace = atomik_trace::Trace::generate("<diff>", diff.geometry(), |out| {
            counts = diff.write_trace(&mut *out).map_err(Failed::Diff)?;
            out.flush()
                .map_err(|source| Failed::Diff(DiffError::Write(source)))
        });
        trace.map(|trace| (trace, counts))
    });
    match made {
        Ok((trace, counts)) => Ok((Trace(Mutex::new(trace)), counts.words, counts.changed)),
        Err(Failed::Trace(refused)) => Err(refuse(&refused)),
        Err(Failed::Diff(DiffError::Geometry(refused))) => Err(error(Kind::Geometry, refused)),
        Err(Failed::Diff(refused @ (DiffError::Spool { .. } | DiffError::Write(_)))) => {
            Err(error(Kind::Tool, refused))
        }
        Err(Failed::Diff(refused)) => Err(error(Kind::Input, refused)),
    }
}
