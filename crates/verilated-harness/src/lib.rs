//! A second, independent test bench for the reference configuration `atomik_regfile_w64_d512_l1`.
//!
//! It shares only the Verilog with `atomik-sim`: it has other bindings (the crate `verilated`),
//! another build, and static linking, so the two should not have the same bug. The design is
//! verilated when this crate is built, and driven pin by pin. The crate is for tests only and is
//! empty without the feature `verilator`; `make test-verilated` runs its tests.
//!
//! | item | what it is |
//! |---|---|
//! | `Model` | an instance of the design |
//! | `Inputs`, `Outputs` | the values of the ports in one cycle |
//! | `DESIGN` | the path of the design |
//!
//! ```ignore
//! use verilated_harness::{Inputs, Model, RandomMode};
//!
//! let mut model = Model::new(RandomMode::Randomize);
//! model.cycle(Inputs { rst: 1, ..Inputs::default() });
//! let outputs = model.cycle(Inputs::default());
//! assert_eq!(outputs.ready, 0);
//! ```
#![cfg(feature = "verilator")]

use std::{
    io,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub use verilated::{
    RandomMode,
    vcd::{Vcd, VcdC},
};

/// The path of the design in `hdl/` without extension. `.v` is its Verilog, `.json` its manifest.
pub const DESIGN: &str = env!("VERILATED_DESIGN");

/// The input ports.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Value or delta, 64 bits.
    pub cmd_data: u64,
    /// Address, 9 bits. On every port, the model relies on the bits above the width being 0.
    pub cmd_addr: u16,
    /// Clock, 1 bit.
    pub clk: u8,
    /// Reset, 1 bit.
    pub rst: u8,
    /// Whether a command is offered, 1 bit.
    pub cmd_valid: u8,
    /// Op code, 3 bits.
    pub cmd_op: u8,
}

/// The output ports.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// State or accumulator, 64 bits; 0 without a response.
    pub rsp_data: u64,
    /// Whether commands are accepted, 1 bit.
    pub ready: u8,
    /// Whether there is a response, 1 bit.
    pub rsp_valid: u8,
    /// Whether the accumulator was 0, 1 bit; 0 without a response.
    pub rsp_clean: u8,
}

/// The structure in model.cpp that holds the Verilated class.
#[repr(C)]
struct Instance {
    _private: [u8; 0],
}

mod ffi {
    use super::{Inputs, Instance, Outputs, VcdC};

    unsafe extern "C" {
        pub fn atomik_instance_new() -> *mut Instance;
        pub fn atomik_instance_elaborate(instance: *mut Instance);
        pub fn atomik_instance_delete(instance: *mut Instance);
        pub fn atomik_instance_trace(instance: *mut Instance, waves: *mut VcdC);
        pub fn atomik_instance_eval(
            instance: *mut Instance,
            inputs: *const Inputs,
            outputs: *mut Outputs,
        );
    }
}

/// The run-time library has global state, such as its random generator, so only one model may exist
/// at a time.
static LIBRARY: Mutex<()> = Mutex::new(());

/// An instance of the design. Creating a second one waits until the first is dropped.
pub struct Model {
    instance: *mut Instance,
    waves: Option<Vcd>,
    time: u64,
    _library: MutexGuard<'static, ()>,
}

impl Model {
    /// An instance whose registers and memories are initialised according to `start`, before any
    /// reset.
    #[must_use]
    pub fn new(start: RandomMode) -> Self {
        // A failed test poisons the lock, but its instance is not used again.
        let library = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: no arguments, and the lock excludes other calls into the library.
        let instance = unsafe { ffi::atomik_instance_new() };
        verilated::set_rand_reset(start);
        verilated::trace_ever_on(true);
        // SAFETY: the instance was just created. This draws the initial values, after the mode was
        // set.
        unsafe { ffi::atomik_instance_elaborate(instance) };
        Self {
            instance,
            waves: None,
            time: 0,
            _library: library,
        }
    }

    /// Writes all further cycles to a VCD file at `path`, until the model is dropped.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn trace(&mut self, path: &Path) -> io::Result<()> {
        let mut waves = Vcd::default();
        // SAFETY: both pointers are live, and `waves` outlives its use by the model.
        unsafe { ffi::atomik_instance_trace(self.instance, waves.0) };
        waves.open(path)?;
        self.waves = Some(waves);
        Ok(())
    }

    /// Runs one clock cycle: applies `inputs` with the clock low and returns the outputs before the
    /// rising edge.
    ///
    /// In a waveform, cycle `n` spans times `2n` and `2n + 1`.
    pub fn cycle(&mut self, inputs: Inputs) -> Outputs {
        let outputs = self.eval(&Inputs { clk: 0, ..inputs });
        self.eval(&Inputs { clk: 1, ..inputs });
        outputs
    }

    fn eval(&mut self, inputs: &Inputs) -> Outputs {
        let mut outputs = Outputs::default();
        // SAFETY: the model is live, and both structures match those in model.cpp.
        unsafe { ffi::atomik_instance_eval(self.instance, inputs, &mut outputs) };
        if let Some(waves) = &mut self.waves {
            waves.dump(self.time);
        }
        self.time += 1;
        outputs
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // Close the file while the model still exists.
        self.waves = None;
        // SAFETY: created in `new` and deleted only here.
        unsafe { ffi::atomik_instance_delete(self.instance) };
    }
}
