use atomik_algebra::DynRegisterFile;

use crate::command::{Data, Response};
use crate::error::Error;
use crate::trace::Trace;

/// Runs `trace` on the software model and passes each response to `sink`, in order.
///
/// # Errors
/// [`Error`] when the model cannot be created or the trace cannot be read. An error of `sink` also
/// ends the run.
pub fn run_model<E: From<Error>>(
    trace: &mut Trace,
    mut sink: impl FnMut(&Response) -> Result<(), E>,
) -> Result<(), E> {
    let geometry = trace.geometry();
    let width = geometry.width();
    let mut file =
        DynRegisterFile::with_layout(geometry.layout(), geometry.depth()).map_err(Error::from)?;
    let mut cycles = trace.cycles()?;
    while let Some(commands) = cycles.next_cycle()? {
        for command in commands {
            let mut data = Data::ZERO;
            let clean = file
                .apply(
                    command.op,
                    command.addr,
                    command.data.limbs(width),
                    data.limbs_mut(width),
                )
                .map_err(Error::from)?;
            if let Some(clean) = clean {
                sink(&Response {
                    cycle: command.cycle,
                    op: command.op,
                    addr: command.addr,
                    data,
                    clean,
                })?;
            }
        }
    }
    Ok(())
}
