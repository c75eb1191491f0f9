//! A compiled model, loaded into this process and driven with records.
//!
//! All of the crate's `unsafe` code is here. It relies on the C functions in `shim.cpp`, whose
//! version and record sizes [`Model::load`] checks before it calls them.

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

/// Why a model cannot be loaded or run.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The shared library does not load, or lacks a function of the shim.
    #[error(
        "the compiled model {} does not load; remove that folder and build again",
        path.display()
    )]
    Load {
        /// The shared library.
        path: PathBuf,
        /// The cause.
        #[source]
        source: libloading::Error,
    },
    /// The shared library is for another version of the shim or another size of model.
    #[error(
        "the compiled model {} has {found}, but {wanted} is needed; build a model of that size",
        path.display()
    )]
    Shape {
        /// The shared library.
        path: PathBuf,
        /// The shape that the library reports.
        found: Shape,
        /// The shape that is needed.
        wanted: Shape,
    },
    /// A waveform was requested from a model that was built without tracing.
    #[error(
        "the compiled model {} cannot write waveforms; build it with `Waves::Vcd`",
        .0.display()
    )]
    NotTraced(PathBuf),
    /// The file of a waveform or of counts cannot be written.
    #[error("cannot write {}; choose another file", path.display())]
    Wave {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The model ran out of memory, or its initialisation failed.
    #[error("the model did not start: {0}")]
    Create(String),
    /// The length of the command buffer is not a multiple of the record size.
    #[error("{words} command words are not whole records of {record}")]
    Commands {
        /// The length of the buffer.
        words: usize,
        /// Words in a record.
        record: usize,
    },
    /// The buffers hold different numbers of records.
    #[error("{words} response words do not hold {cycles} records of {record}")]
    Responses {
        /// The length of the buffer.
        words: usize,
        /// Cycles in the command buffer.
        cycles: usize,
        /// Words in a record.
        record: usize,
    },
    /// The Verilated code stopped, for instance because a combinational loop did not settle.
    #[error("the model stopped in cycle {cycle}: {message}; it cannot continue, so load it again")]
    Stopped {
        /// The cycle that was not completed, counted from the load.
        cycle: u64,
        /// The message of Verilator's run-time library.
        message: String,
    },
    /// The size does not fit into records.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// What must agree between a compiled model and its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Version of the shim's interface.
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
            "width {width}, depth {depth}, lanes {lanes} \
             (records of {cmd_words} and {rsp_words} words, shim {version})"
        )
    }
}

/// The functions of the shim, valid while their library is loaded.
#[derive(Clone, Copy)]
struct Functions {
    create: unsafe extern "C" fn(u64, *const c_char, *mut c_char, u64) -> *mut c_void,
    select: unsafe extern "C" fn(*mut c_void, u64),
    run: unsafe extern "C" fn(*mut c_void, u64, *const u64, *mut u64) -> u64,
    counts: unsafe extern "C" fn(*mut c_void, *const c_char),
    bare: unsafe extern "C" fn(*mut c_void, u64, u64) -> u64,
    cycles: unsafe extern "C" fn(*const c_void) -> u64,
    error: unsafe extern "C" fn(*const c_void) -> *const c_char,
    destroy: unsafe extern "C" fn(*mut c_void),
}

impl Functions {
    /// The functions in `library`.
    ///
    /// # Safety
    /// The library has [`shim::VERSION`], which changes whenever the type of a function does. The
    /// functions may only be called while the library is loaded.
    unsafe fn of(library: &Library) -> Result<Self, libloading::Error> {
        // SAFETY: the caller guarantees that the types match.
        unsafe {
            Ok(Functions {
                create: *library.get(shim::CREATE)?,
                select: *library.get(shim::SELECT)?,
                run: *library.get(shim::RUN)?,
                counts: *library.get(shim::COUNTS)?,
                bare: *library.get(shim::BARE)?,
                cycles: *library.get(shim::CYCLES)?,
                error: *library.get(shim::ERROR)?,
                destroy: *library.get(shim::DESTROY)?,
            })
        }
    }

    /// Creates an instance, which writes a waveform to `waves` if there is one.
    fn create(&self, seed: u64, waves: Option<&CStr>) -> Result<NonNull<c_void>, ModelError> {
        let waves = waves.map_or(std::ptr::null(), CStr::as_ptr);
        let mut message = [0u8; 1024];
        // SAFETY: the path is null or ends in NUL and outlives the call; the message buffer has the
        // length that is passed.
        let handle = unsafe {
            (self.create)(
                seed,
                waves,
                message.as_mut_ptr().cast(),
                message.len() as u64,
            )
        };
        NonNull::new(handle).ok_or_else(|| {
            let text = CStr::from_bytes_until_nul(&message).map_or_else(
                |_| String::from_utf8_lossy(&message).into_owned(),
                |text| text.to_string_lossy().into_owned(),
            );
            ModelError::Create(text)
        })
    }
}

/// The shape that a library reports, and whether it can write waveforms.
fn shape_of(library: &Library, path: &Path) -> Result<(Shape, bool), ModelError> {
    // SAFETY: the shim defines this symbol with this type in every version.
    let shape = unsafe { library.get::<unsafe extern "C" fn(*mut u64)>(shim::SHAPE) }
        .map_err(load_error(path))?;
    let mut words = [0u64; 7];
    // SAFETY: the function writes exactly seven words.
    unsafe { shape(words.as_mut_ptr()) };
    let [version, width, depth, lanes, cmd_words, rsp_words, traced] = words;
    let shape = Shape {
        version,
        width,
        depth,
        lanes,
        cmd_words,
        rsp_words,
    };
    Ok((shape, traced != 0))
}

fn load_error(path: &Path) -> impl Fn(libloading::Error) -> ModelError {
    let path = path.to_path_buf();
    move |source| ModelError::Load {
        path: path.clone(),
        source,
    }
}

/// One running instance of a compiled model.
///
/// Instances share no state, even if they come from one library. An instance may move to another
/// thread, but only one thread at a time may use it. Dropping it closes its waveform.
pub struct Model {
    handle: NonNull<c_void>,
    functions: Functions,
    layout: Layout,
    // Fields are dropped after `Drop::drop`, which calls `destroy`: the code outlives the handle.
    _library: Library,
}

// SAFETY: the handle owns everything it points to, including its own Verilated context, and the
// shim keeps no state per thread, so any thread that holds the `Model` may use the instance.
unsafe impl Send for Model {}

impl Model {
    /// Loads `built` and creates one instance.
    ///
    /// The initial contents of registers and memories are random, drawn from `seed`, which exposes
    /// designs that rely on their power-up state. With `waves`, every cycle is written to that VCD
    /// file; the model must have been built with [`crate::verilate::Waves::Vcd`]. Cycle `c` spans
    /// times `2c` (inputs change, `clk` low) and `2c + 1` (`clk` high).
    ///
    /// # Errors
    /// When the library does not load or is not for `layout`, or when a waveform is requested and
    /// the model cannot trace or the file cannot be written.
    pub fn load(
        built: &Built,
        layout: Layout,
        seed: u64,
        waves: Option<&Path>,
    ) -> Result<Self, ModelError> {
        let path = built.library();
        // SAFETY: the library was built by `verilate` from the shim. Its static initialisers are
        // those of Verilator's run-time library, which only set up their own data.
        let library = unsafe { Library::new(&path) }.map_err(load_error(&path))?;
        let (found, traced) = shape_of(&library, &path)?;
        let wanted = Shape::of(&layout);
        if found != wanted {
            return Err(ModelError::Shape {
                path,
                found,
                wanted,
            });
        }
        if waves.is_some() && !traced {
            return Err(ModelError::NotTraced(path));
        }
        // SAFETY: the version matches.
        let functions = unsafe { Functions::of(&library) }.map_err(load_error(&path))?;
        let wave_path = waves.map(prepare_wave).transpose()?;
        let handle = functions.create(seed, wave_path.as_deref())?;
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

    /// The number of cycles that this instance has run.
    #[must_use]
    pub fn cycles(&self) -> u64 {
        // SAFETY: the handle is live until `drop`.
        unsafe { (self.functions.cycles)(self.handle.as_ptr()) }
    }

    /// Chooses the planted bug with this number, in a design with several and an input
    /// `atomik_mutant`; 0 is none. Other designs ignore it.
    pub fn select(&mut self, mutant: u64) {
        // SAFETY: the handle is live until `drop`; the function writes to the instance alone.
        unsafe { (self.functions.select)(self.handle.as_ptr(), mutant) };
    }

    /// Runs one cycle per command record and writes one response record per cycle. Returns the
    /// number of cycles.
    ///
    /// A response record holds the outputs in the cycle whose inputs come from the command record,
    /// before that cycle's rising clock edge.
    ///
    /// # Errors
    /// When the buffers do not hold the same number of whole records (nothing has run then), or
    /// when the Verilated code stops.
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

    /// Writes how often lines ran and signals toggled to the file at `path`, in Verilator's format.
    /// The model must have been built with [`counts`](crate::verilate::Options::counts); others
    /// write nothing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_counts(&self, path: &Path) -> Result<(), ModelError> {
        let path = prepare_wave(path)?;
        // SAFETY: the handle is live until `drop`; the path ends in NUL and outlives the call.
        unsafe { (self.functions.counts)(self.handle.as_ptr(), path.as_ptr()) };
        Ok(())
    }

    /// Runs `cycles` cycles in a loop inside the shim and returns a checksum of the outputs.
    ///
    /// This is the baseline for speed: no records, a random command on every lane in every cycle
    /// (from an inlined xorshift generator seeded with `seed`), two evaluations per cycle, and no
    /// checks. Lane 0 reads in one cycle of eight and accumulates otherwise; the other lanes
    /// accumulate. `rst` stays low and no waveform is written, so run a reset until `ready` first.
    ///
    /// # Errors
    /// When the Verilated code stops.
    pub fn bare(&mut self, cycles: u64, seed: u64) -> Result<u64, ModelError> {
        self.check()?;
        // SAFETY: the handle is live until `drop`; the function touches nothing else.
        let checksum = unsafe { (self.functions.bare)(self.handle.as_ptr(), cycles, seed) };
        self.check()?;
        Ok(checksum)
    }

    /// An error if the Verilated code has stopped.
    fn check(&self) -> Result<(), ModelError> {
        // SAFETY: the handle is live until `drop`.
        let message = unsafe { (self.functions.error)(self.handle.as_ptr()) };
        if message.is_null() {
            return Ok(());
        }
        // SAFETY: a message that is not null ends in NUL and is valid until the handle's next run.
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
        // SAFETY: the handle came from `create` and is not used after this.
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

/// Creates the waveform file, so that an error carries the system's reason, and returns its path.
fn prepare_wave(path: &Path) -> Result<CString, ModelError> {
    let failed = |source| ModelError::Wave {
        path: path.to_path_buf(),
        source,
    };
    File::create(path).map_err(failed)?;
    CString::new(path.as_os_str().as_bytes()).map_err(|nul| failed(nul.into()))
}
