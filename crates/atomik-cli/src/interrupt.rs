//! Ctrl-C: the first one asks a command to stop, the second ends the process.

use std::sync::atomic::{AtomicBool, Ordering};

use atomik_terminal::Status;

use crate::program::ATOMIK;

/// A flag that the first Ctrl-C sets.
pub fn stop_flag() -> Result<&'static AtomicBool, ctrlc::Error> {
    static STOP: AtomicBool = AtomicBool::new(false);
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(Status::Stopped.code()));
        }
        ATOMIK.message("stopping; press Ctrl-C again to stop at once");
    })?;
    Ok(&STOP)
}
