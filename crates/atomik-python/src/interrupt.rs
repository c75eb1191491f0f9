//! Work that takes long, and ends at Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use pyo3::prelude::*;

use crate::error::{Kind, error};

/// How often Python is asked whether there was a signal.
const INTERVAL: Duration = Duration::from_millis(50);

/// Does the work on a thread of its own, with the interpreter's lock released.
///
/// # Errors
///
/// What a signal's handler raises, such as `KeyboardInterrupt`: then `stop` is set, and this
/// returns when the work has heeded it.
pub fn interruptible<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&AtomicBool) -> T + Send,
) -> PyResult<T> {
    let stop = &AtomicBool::new(false);
    let (sender, mut receiver) = channel();
    let mut raised = None;
    std::thread::scope(|scope| {
        scope.spawn(move || sender.send(work(stop)).is_ok());
        loop {
            let received;
            (receiver, received) = py.detach(move || {
                let received = receiver.recv_timeout(INTERVAL);
                (receiver, received)
            });
            match (received, raised.take()) {
                (Ok(done), None) => return Ok(done),
                (Ok(_), Some(signal)) => return Err(signal),
                (Err(RecvTimeoutError::Timeout), None) => {
                    raised = py.check_signals().err();
                    stop.store(raised.is_some(), Relaxed);
                }
                (Err(RecvTimeoutError::Timeout), signal) => raised = signal,
                (Err(RecvTimeoutError::Disconnected), _) => {
                    return Err(error(Kind::Tool, "the work ended without a result"));
                }
            }
        }
    })
}
