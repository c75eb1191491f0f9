//! The compiled board, loaded into this process. All of the crate's `unsafe` is here: it rests on
//! the C functions of `board.cpp`, which is compiled together with the model that it drives.

use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use libloading::Library;
use thiserror::Error;

/// Why the compiled board does not run.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The shared library does not load, or lacks a function.
    #[error("the compiled board {} does not load; remove that folder and try again", path.display())]
    Load {
        /// The shared library.
        path: PathBuf,
        /// What the loader says.
        #[source]
        source: libloading::Error,
    },
    /// The model ran out of memory, or its start-up code failed.
    #[error("the compiled board did not start: {0}")]
    Create(String),
    /// The Verilated code stopped itself.
    #[error("the simulated board stopped: {0}; start it again")]
    Stopped(String),
}

type Run = unsafe extern "C" fn(*mut c_void, u64, u64, *mut u64) -> u64;

pub struct Model {
    handle: NonNull<c_void>,
    run: Run,
    outputs: unsafe extern "C" fn(*const c_void) -> u64,
    error: unsafe extern "C" fn(*const c_void) -> *const c_char,
    destroy: unsafe extern "C" fn(*mut c_void),
    // Dropped after `Drop::drop` has called `destroy`: the code must outlive the handle.
    _library: Library,
}

// SAFETY: the handle owns everything that it points to (a Verilated context of its own included)
// and the C functions keep nothing per thread, so the instance may be used by whichever thread
// holds the `Model`.
unsafe impl Send for Model {}

impl Model {
    pub fn load(path: &Path, seed: u64) -> Result<Self, ModelError> {
        let failed = |source| ModelError::Load {
            path: path.to_path_buf(),
            source,
        };
        // SAFETY: the library was built from `board.cpp`; its static initialisers are those of the
        // Verilated run-time library, which only set up their own data.
        let library = unsafe { Library::new(path) }.map_err(failed)?;
        // SAFETY: `board.cpp` defines these symbols with these types, and the pointers are kept no
        // longer than the library.
        unsafe {
            let create = library
                .get::<unsafe extern "C" fn(u64, *mut c_char, u64) -> *mut c_void>(
                    "atomik_board_create",
                )
                .map_err(failed)?;
            let run = *library.get::<Run>("atomik_board_run").map_err(failed)?;
            let outputs = *library.get("atomik_board_outputs").map_err(failed)?;
            let error = *library.get("atomik_board_error").map_err(failed)?;
            let destroy = *library.get("atomik_board_destroy").map_err(failed)?;
            let mut message = [0u8; 512];
            let handle = create(seed, message.as_mut_ptr().cast(), message.len() as u64);
            let Some(handle) = NonNull::new(handle) else {
                let text = CStr::from_bytes_until_nul(&message).unwrap_or_default();
                return Err(ModelError::Create(text.to_string_lossy().into_owned()));
            };
            Ok(Self {
                handle,
                run,
                outputs,
                error,
                destroy,
                _library: library,
            })
        }
    }

    /// Runs as many cycles as `changes` has room for. Returns how many of `changes` it has written:
    /// the cycles, from the first one that ever ran, after which the line from the board is another
    /// than before.
    pub fn run(&mut self, inputs: u64, changes: &mut [u64]) -> Result<usize, ModelError> {
        let cycles = changes.len() as u64;
        // SAFETY: there is room for one change in every cycle.
        let count =
            unsafe { (self.run)(self.handle.as_ptr(), cycles, inputs, changes.as_mut_ptr()) };
        // SAFETY: the text lives as long as the instance, and is copied before anything else is
        // called.
        let error = unsafe { (self.error)(self.handle.as_ptr()) };
        if error.is_null() {
            return Ok(count as usize);
        }
        // SAFETY: as above; it ends with a zero.
        let text = unsafe { CStr::from_ptr(error) };
        Err(ModelError::Stopped(text.to_string_lossy().into_owned()))
    }

    /// The levels of the output pins.
    pub fn outputs(&self) -> u64 {
        // SAFETY: reads two ports.
        unsafe { (self.outputs)(self.handle.as_ptr()) }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: the handle came from `create`, and is not used again.
        unsafe { (self.destroy)(self.handle.as_ptr()) }
    }
}
