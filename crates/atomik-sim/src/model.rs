//! A compiled model, loaded into this process and driven with records.
//!
//! All of the crate's `unsafe` is here: it rests on the C functions of `shim.cpp`, and on the
//! size check that [`Model::load`] makes before it trusts them.

use std::{
    ffi::{CStr, CString, c_char, c_void},
    fmt,
    fs::File,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    ptr::NonNull,
};

use libloading::Library;
use thiserror::Error;

use crate::{
    record::{Layout, LayoutError},
    shim,
    verilate::Built,
};

/// Why a model could not be loaded or run.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The shared library does not load, or lacks a function of the shim.
    #[error("the compiled model {} does not load; remove that folder and build again", path.display())]
    Load {
        /// The shared library.
        path: PathBuf,
        /// What the loader says.
        #[source]
        source: libloading::Error,
    },
    /// The shared library belongs to another version of the shim or to another size of model.
    #[error(
        "the compiled model {} is {found}, but {wanted} is asked for; build a model of that size",
        path.display()
    )]
    Shape {
        /// The shared library.
        path: PathBuf,
        /// What the library says it is.
        found: Shape,
        /// What was asked for.
        wanted: Shape,
    },
    /// A waveform was asked of a model that was built without tracing.
    #[error("the compiled model {} writes no waveforms; build it with `Waves::Vcd`", .0.display())]
    NotTraced(PathBuf),
    /// The waveform file cannot be written.
    #[error("cannot write the waveform {}; choose another file", path.display())]
    Wave {
        /// The waveform file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The model ran out of memory, or its start-up code failed.
    #[error("the model did not start: {0}")]
    Create(String),
    /// The command buffer does not hold whole records.
    #[error("{words} command words are not whole records of {record}")]
    Commands {
        /// The length that was given.
        words: usize,
        /// Words in a record.
        record: usize,
    },
    /// The response buffer does not hold as many records as the command buffer.
    #[error("{words} response words do not hold {cycles} records of {record}")]
    Responses {
        /// The length that was given.
        words: usize,
        /// Cycles in the command buffer.
        cycles: usize,
        /// Words in a record.
        record: usize,
    },
    /// The Verilated code stopped itself, for instance because a combinational loop does not
    /// settle.
    #[error(
        "the model stopped in cycle {cycle}: {message}; it cannot go on from there, load it afresh"
    )]
    Stopped {
        /// The cycle that was not finished, counted from the load.
        cycle: u64,
        /// What the simulator's run-time library says.
        message: String,
    },
    /// The size is none that records can describe.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// What must agree between a compiled model and the one who calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Version of the shim's functions.
    pub version: u64,
    /// Bits in a word.
    pub width: u64,
    /// Addresses.
    pub depth: u64,
    /// Lanes.
    pub lanes: u64,
    /// Words in a command record.
    pub cmd_words: u64,
    /// Words in a response record.
    pub rsp_words: u64,
}

impl Shape {
    fn of(layout: &Layout) -> Self {
        Self {
            version: shim::VERSION,
            width: u64::from(layout.width()),
            depth: layout.depth() as u64,
            lanes: u64::from(layout.lanes()),
            cmd_words: layout.cmd_words() as u64,
            rsp_words: layout.rsp_words() as u64,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            width,
            depth,
            lanes,
            cmd_words,
            rsp_words,
        } = self;
        write!(
            f,
            "width {width}, depth {depth}, lanes {lanes} (records of {cmd_words} and {rsp_words} words, shim {version})"
        )
    }
}

/// The functions of the shim, valid as long as the library that they come from is loaded.
#[derive(Clone, Copy)]
struct Functions {
    create: unsafe extern "C" fn(u64, *const c_char, *mut c_char, u64) -> *mut c_void,
    run: unsafe extern "C" fn(*mut c_void, u64, *const u64, *mut u64) -> u64,
    bare: unsafe extern "C" fn(*mut c_void, u64, u64) -> u64,
    cycles: unsafe extern "C" fn(*const c_void) -> u64,
    error: unsafe extern "C" fn(*const c_void) -> *const c_char,
    destroy: unsafe extern "C" fn(*mut c_void),
}

/// One running instance of a compiled model.
///
/// Instances share no state, also not those of one shared library; each may move to another thread,
/// but is used by one thread at a time. Dropping it closes its waveform.
pub struct Model {
    handle: NonNull<c_void>,
    functions: Functions,
    layout: Layout,
    // Dropped after `Drop::drop` has called `destroy`: the code must outlive the handle.
    _library: Library,
}

// SAFETY: the handle owns everything that it points to (a Verilated context of its own included)
// and the shim keeps nothing per thread, so the instance may be used by whichever thread holds the
// `Model`.
unsafe impl Send for Model {}

impl Model {
    /// Loads `built` and creates one instance.
    ///
    /// Registers and memories start with values drawn from `seed`, so that a design that relies on
    /// its power-up state is found out. With `waves` every cycle is written to that VCD file, which
    /// needs a model that was built with [`crate::verilate::Waves::Vcd`]; cycle `c` spans times
    /// `2c` (inputs change, `clk` low) and `2c + 1`.
    ///
    /// # Errors
    /// When the library does not load, is not for `layout`, cannot trace or cannot write `waves`.
    pub fn load(
        built: &Built,
        layout: Layout,
        seed: u64,
        waves: Option<&Path>,
    ) -> Result<Self, ModelError> {
        let path = &built.library();
        let failed = |source| ModelError::Load {
            path: path.to_path_buf(),
            source,
        };
        // SAFETY: the library was written by `verilate` from the shim; its static initialisers are
        // those of the Verilated run-time library, which only set up their own data.
        let library = unsafe { Library::new(path) }.map_err(failed)?;
        // SAFETY: the shim defines this symbol with this type in every version.
        let shape = unsafe { library.get::<unsafe extern "C" fn(*mut u64)>(shim::SHAPE) }
            .map_err(failed)?;
        let mut said = [0u64; 7];
        // SAFETY: the function writes exactly seven words.
        unsafe { shape(said.as_mut_ptr()) };
        let [version, width, depth, lanes, cmd_words, rsp_words, traced] = said;
        let found = Shape {
            version,
            width,
            depth,
            lanes,
            cmd_words,
            rsp_words,
        };
        let wanted = Shape::of(&layout);
        if found != wanted {
            return Err(ModelError::Shape {
                path: path.to_path_buf(),
                found,
                wanted,
            });
        }
        if waves.is_some() && traced == 0 {
            return Err(ModelError::NotTraced(path.to_path_buf()));
        }
        // SAFETY: the version matches, and `shim::VERSION` changes whenever one of these types
        // does. The pointers are used only while `library` is loaded, because `Model` keeps both.
        let functions = unsafe {
            Functions {
                create: *library.get(shim::CREATE).map_err(failed)?,
                run: *library.get(shim::RUN).map_err(failed)?,
                bare: *library.get(shim::BARE).map_err(failed)?,
                cycles: *library.get(shim::CYCLES).map_err(failed)?,
                error: *library.get(shim::ERROR).map_err(failed)?,
                destroy: *library.get(shim::DESTROY).map_err(failed)?,
            }
        };
        let wave_path = waves.map(prepare_wave).transpose()?;
        let wave_ptr = wave_path.as_ref().map_or(std::ptr::null(), |p| p.as_ptr());
        let mut message = [0u8; 1024];
        // SAFETY: the path is null or ends in NUL and outlives the call; the message buffer is as
        // long as said.
        let handle = unsafe {
            (functions.create)(
                seed,
                wave_ptr,
                message.as_mut_ptr().cast(),
                message.len() as u64,
            )
        };
        let Some(handle) = NonNull::new(handle) else {
            let text = CStr::from_bytes_until_nul(&message).map_or_else(
                |_| String::from_utf8_lossy(&message).into_owned(),
                |text| text.to_string_lossy().into_owned(),
            );
            return Err(ModelError::Create(text));
        };
        Ok(Self {
            handle,
            functions,
            layout,
            _library: library,
        })
    }

    /// The layout of this model's records.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Cycles that this instance has run.
    #[must_use]
    pub fn cycles(&self) -> u64 {
        // SAFETY: the handle is live until `drop`.
        unsafe { (self.functions.cycles)(self.handle.as_ptr()) }
    }

    /// Runs one cycle per command record and writes one response record for each; returns the
    /// number of cycles.
    ///
    /// A response record holds the outputs as they are in the cycle whose inputs the command record
    /// drives, before that cycle's rising edge.
    ///
    /// # Errors
    /// When the buffers do not hold whole records, as many of one as of the other (nothing has run
    /// then), or when the Verilated code stops itself.
    pub fn run(&mut self, cmds: &[u64], rsps: &mut [u64]) -> Result<usize, ModelError> {
        let (cmd, rsp) = (self.layout.cmd_words(), self.layout.rsp_words());
        if !cmds.len().is_multiple_of(cmd) {
            return Err(ModelError::Commands {
                words: cmds.len(),
                record: cmd,
            });
        }
        let cycles = cmds.len() / cmd;
        if rsps.len() != cycles * rsp {
            return Err(ModelError::Responses {
                words: rsps.len(),
                cycles,
                record: rsp,
            });
        }
        self.check()?;
        // SAFETY: `load` checked that the shim's record sizes are those of the layout, so it reads
        // `cycles` command records and writes `cycles` response records, which is what the two
        // slices hold.
        unsafe {
            (self.functions.run)(
                self.handle.as_ptr(),
                cycles as u64,
                cmds.as_ptr(),
                rsps.as_mut_ptr(),
            )
        };
        self.check()?;
        Ok(cycles)
    }

    /// Runs `cycles` cycles in a loop of the shim's own and returns a checksum of the outputs.
    ///
    /// This is the yardstick for speed: no records, a random command on every lane in every cycle
    /// (from an in-line xorshift seeded with `seed`), two evaluations a cycle, nothing checked.
    /// Lane 0 accumulates and, in one cycle out of eight, reads; the other lanes accumulate. `rst`
    /// stays low and no waveform is written, so run a reset until `ready` first.
    ///
    /// # Errors
    /// When the Verilated code stops itself.
    pub fn bare(&mut self, cycles: u64, seed: u64) -> Result<u64, ModelError> {
        self.check()?;
        // SAFETY: the handle is live until `drop`; the function touches nothing else.
        let checksum = unsafe { (self.functions.bare)(self.handle.as_ptr(), cycles, seed) };
        self.check()?;
        Ok(checksum)
    }

    /// An error if the Verilated code has stopped itself.
    fn check(&self) -> Result<(), ModelError> {
        // SAFETY: the handle is live until `drop`.
        let message = unsafe { (self.functions.error)(self.handle.as_ptr()) };
        if message.is_null() {
            return Ok(());
        }
        // SAFETY: a message that is not null ends in NUL and stays as it is until the handle's next
        // run.
        let message = unsafe { CStr::from_ptr(message) }
            .to_string_lossy()
            .into_owned();
        Err(ModelError::Stopped {
            cycle: self.cycles(),
            message,
        })
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: the handle came from `create` and nobody uses it after this.
        unsafe { (self.functions.destroy)(self.handle.as_ptr()) };
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("layout", &self.layout)
            .field("cycles", &self.cycles())
            .finish()
    }
}

/// Makes the waveform file, so that a path that cannot be written gives the system's own reason.
fn prepare_wave(path: &Path) -> Result<CString, ModelError> {
    let failed = |source| ModelError::Wave {
        path: path.to_path_buf(),
        source,
    };
    File::create(path).map_err(failed)?;
    CString::new(path.as_os_str().as_bytes()).map_err(|nul| failed(nul.into()))
}
