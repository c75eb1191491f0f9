//! The compiled board, loaded into this process. All `unsafe` code of the crate is here. It relies
//! on the C functions of `board.cpp`, which is compiled together with the model it drives.

use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use libloading::Library;
use thiserror::Error;

/// Why the compiled board does not run.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The shared library does not load, or lacks a function.
    #[error(
        "the compiled board {} does not load; remove its folder and try again",
        path.display()
    )]
    Load {
        /// The shared library.
        path: PathBuf,
        /// The loader's error.
        #[source]
        source: libloading::Error,
    },
    /// The model ran out of memory, or its start-up code failed.
    #[error("the compiled board did not start: {0}; check how much memory is free")]
    Create(String),
    /// The Verilated code stopped itself.
    #[error("the simulated board stopped: {0}; start it again")]
    Stopped(String),
}

type Run = unsafe extern "C" fn(*mut c_void, u64, u64, *mut u64) -> u64;

/// A running board.
pub struct Model {
    handle: NonNull<c_void>,
    run: Run,
    outputs: unsafe extern "C" fn(*const c_void) -> u64,
    error: unsafe extern "C" fn(*const c_void) -> *const c_char,
    destroy: unsafe extern "C" fn(*mut c_void),
    // Dropped after `Drop::drop` has called `destroy`: the code must outlive the handle.
    _library: Library,
}

// SAFETY: the handle owns everything it points to, including its own Verilated context, and the C
// functions keep no per-thread state, so any thread that holds the `Model` may use it.
unsafe impl Send for Model {}

impl Model {
    /// Loads the shared library at `path` and powers up a board with contents drawn from `seed`.
    pub fn load(path: &Path, seed: u64) -> Result<Self, ModelError> {
        let failed = |source| ModelError::Load {
            path: path.to_path_buf(),
            source,
        };
        // SAFETY: the library was built from `board.cpp`. Its static initialisers are those of the
        // Verilated run-time library, which only set up their own data.
        let library = unsafe { Library::new(path) }.map_err(failed)?;
        // SAFETY: `board.cpp` defines these symbols with these types, and the library outlives the
        // pointers.
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

    /// Runs as many cycles as `changes` has room for. Writes the cycle numbers, counted from
    /// power-up, at which the line from the board changed, and returns how many there are.
    pub fn run(&mut self, inputs: u64, changes: &mut [u64]) -> Result<usize, ModelError> {
        let cycles = changes.len() as u64;
        // SAFETY: there is room for one change per cycle.
        let count =
            unsafe { (self.run)(self.handle.as_ptr(), cycles, inputs, changes.as_mut_ptr()) };
        // SAFETY: the text lives as long as the instance, and is copied before the next call.
        let error = unsafe { (self.error)(self.handle.as_ptr()) };
        if error.is_null() {
            return Ok(count as usize);
        }
        // SAFETY: as above; the text ends with a zero byte.
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
