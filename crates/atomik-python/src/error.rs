//! Errors on their way to Python: the classes are those of `atomik.errors`.

use pyo3::prelude::*;

/// The class of an exception.
#[derive(Clone, Copy)]
pub enum Kind {
    /// An address outside the depth.
    Address,
    /// A value that is no word of the layout.
    Data,
    /// A register file, layout or lane that there cannot be.
    Geometry,
    /// References, depths or layouts that differ.
    Merge,
    /// Any other input.
    Input,
    /// A replica refused an operation.
    Refused,
    /// A tool is missing or failed, or a file could not be written.
    Tool,
}

impl Kind {
    fn class(self) -> &'static str {
        match self {
            Self::Address => "AddressError",
            Self::Data => "DataError",
            Self::Geometry => "GeometryError",
            Self::Merge => "MergeError",
            Self::Input => "InputError",
            Self::Refused => "RefusedError",
            Self::Tool => "ToolError",
        }
    }
}

/// An exception of this kind with this message.
pub fn error(kind: Kind, message: impl ToString) -> PyErr {
    let message = message.to_string();
    Python::attach(|py| instance(py, kind.class(), (message,)))
}

fn instance<'py>(
    py: Python<'py>,
    class: &str,
    arguments: impl pyo3::call::PyCallArgs<'py>,
) -> PyErr {
    let made = py
        .import("atomik.errors")
        .and_then(|module| module.getattr(class))
        .and_then(|class| class.call1(arguments));
    match made {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}

/// What the software model refused.
pub fn model(refused: &atomik_algebra::Error) -> PyErr {
    error(model_kind(refused), refused)
}

fn model_kind(refused: &atomik_algebra::Error) -> Kind {
    use atomik_algebra::Error;
    match refused {
        Error::Entry { reason, .. } => model_kind(reason),
        Error::Address { .. } => Kind::Address,
        Error::TooWide { .. } | Error::Limbs { .. } => Kind::Data,
        Error::Depths { .. }
        | Error::Layouts { .. }
        | Error::References
        | Error::ReferencesAt { .. } => Kind::Merge,
        Error::Width { .. } | Error::NoDepth => Kind::Geometry,
        Error::OutOfMemory { .. } => Kind::Tool,
        _ => Kind::Input,
    }
}

/// Why a trace was refused: with file, line and reason, if a line is to blame.
pub fn trace(refused: &atomik_trace::Error) -> PyErr {
    use atomik_trace::Error;
    match refused {
        Error::Line { file, line, reason } => Python::attach(|py| {
            let arguments = (refused.to_string(), &**file, *line, reason.to_string());
            instance(py, "TraceError", arguments)
        }),
        Error::Read { file, .. } => Python::attach(|py| {
            let arguments = (refused.to_string(), &**file);
            instance(py, "TraceError", arguments)
        }),
        Error::Spool { .. } | Error::Write(_) => error(Kind::Tool, refused),
        Error::Model(reason) => model(reason),
    }
}

/// Why a workload was refused; its message names file and line.
pub fn workload(refused: &impl ToString) -> PyErr {
    Python::attach(|py| instance(py, "TraceError", (refused.to_string(),)))
}
