//! A second test bench: the reference configuration `atomik_regfile_w64_d512_l1`, compiled by
//! Verilator when this crate is built, and driven pin by pin.
//!
//! It shares only the Verilog with the shim of `atomik-sim`: the bindings (the crate `verilated`),
//! the build and the linking are different, so the two should not share a bug. It is for tests
//! only, and empty without the feature `verilator`; `make test-verilated` runs its tests.
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

/// Path of the design in `hdl/`, without extension: `.v` is its Verilog, `.json` its manifest.
pub const DESIGN: &str = env!("VERILATED_DESIGN");

/// The input ports.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Value or delta, 64 bits.
    pub cmd_data: u64,
    /// Address, 9 bits; the bits above must be 0, as on every port.
    pub cmd_addr: u16,
    /// Clock, 1 bit.
    pub clk: u8,
    /// Reset, 1 bit.
    pub rst: u8,
    /// A command is offered, 1 bit.
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
    /// Commands are accepted, 1 bit.
    pub ready: u8,
    /// A response is on the port, 1 bit.
    pub rsp_valid: u8,
    /// The accumulator was 0, 1 bit; 0 without a response.
    pub rsp_clean: u8,
}

/// The structure in model.cpp that owns the generated class.
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

/// Verilator's run-time library has state per process, such as its random numbers, so only one
/// model exists at a time.
static LIBRARY: Mutex<()> = Mutex::new(());

/// One instance of the design. Creating a second one blocks until the first is dropped.
pub struct Model {
    instance: *mut Instance,
    waves: Option<Vcd>,
    time: u64,
    _library: MutexGuard<'static, ()>,
}

impl Model {
    /// An instance whose registers and memories have the initial contents that `start` selects;
    /// not reset yet.
    #[must_use]
    pub fn new(start: RandomMode) -> Self {
        // A failed test poisons the lock; its instance is not used again.
        let library = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: no arguments, and the lock excludes every other call into the library.
        let instance = unsafe { ffi::atomik_instance_new() };
        verilated::set_rand_reset(start);
        verilated::trace_ever_on(true);
        // SAFETY: the instance was just created. Initial values are drawn now, after the mode is
        // set.
        unsafe { ffi::atomik_instance_elaborate(instance) };
        Self {
            instance,
            waves: None,
            time: 0,
            _library: library,
        }
    }

    /// Writes a waveform from here on to a VCD file at `path`, until the model is dropped.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn trace(&mut self, path: &Path) -> io::Result<()> {
        let mut waves = Vcd::default();
        // SAFETY: both pointers are live, and `waves` outlives the model's last write to it.
        unsafe { ffi::atomik_instance_trace(self.instance, waves.0) };
        waves.open(path)?;
        self.waves = Some(waves);
        Ok(())
    }

    /// Runs one clock cycle: applies `inputs` with the clock low, and returns the outputs before
    /// the clock rises.
    ///
    /// A waveform contains both halves: cycle `n` is at times `2 n` and `2 n + 1`.
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
        // Close the file while the model that it describes still exists.
        self.waves = None;
        // SAFETY: created in `new`, deleted nowhere else.
        unsafe { ffi::atomik_instance_delete(self.instance) };
    }
}
