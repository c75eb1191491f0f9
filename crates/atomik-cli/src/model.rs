use std::path::Path;

use atomik_trace::{Geometry, ResponseWriter, Trace, run_model};

use crate::args::RunArgs;
use crate::failure::Failure;
use crate::{Outcome, stdout};

pub fn run(args: &RunArgs) -> Result<Outcome, Failure> {
    let mut trace = open(&args.trace, args.geometry.geometry()?)?;
    let mut writer = ResponseWriter::new(stdout(), trace.geometry().width());
    run_model(&mut trace, |response| writer.write(response))?;
    writer.flush()?;
    Ok(Outcome::Fine)
}

/// The checked trace in the file at `path`, or on the standard input for `-`.
pub fn open(path: &Path, geometry: Geometry) -> Result<Trace, Failure> {
    if path == Path::new("-") {
        return Ok(Trace::stdin(geometry)?);
    }
    Ok(Trace::open(path, geometry)?)
}
