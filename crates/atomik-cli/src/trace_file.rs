//! A trace on the command line.

use std::path::{Path, PathBuf};

use atomik_trace::{Geometry, Trace};
use clap::ValueHint;

use crate::error::CommandError;
use crate::geometry::GeometryArgs;

/// A trace, and the register file to run it on.
#[derive(Debug, clap::Args)]
pub struct TraceArgs {
    #[command(flatten)]
    geometry: GeometryArgs,
    /// The trace file, or - for stdin
    #[arg(value_name = "TRACE", value_hint = ValueHint::FilePath)]
    trace: PathBuf,
}

impl TraceArgs {
    /// The options of the register file.
    pub fn options(&self) -> &GeometryArgs {
        &self.geometry
    }

    pub fn geometry(&self) -> Result<Geometry, CommandError> {
        self.geometry.geometry()
    }

    /// Reads and checks the trace.
    pub fn open(&self) -> Result<Trace, CommandError> {
        self.open_for(self.geometry()?)
    }

    /// As [`TraceArgs::open`], for another register file than that of the options.
    pub fn open_for(&self, geometry: Geometry) -> Result<Trace, CommandError> {
        open(&self.trace, geometry)
    }
}

/// Reads and checks the trace in the file at `path`, or on stdin for `-`.
pub fn open(path: &Path, geometry: Geometry) -> Result<Trace, CommandError> {
    if path == Path::new("-") {
        return Ok(Trace::stdin(geometry)?);
    }
    Ok(Trace::open(path, geometry)?)
}
