//! The reference configuration `atomik_regfile_w64_d512_l1`, verilated when this crate is built and
//! driven pin by pin.
//!
//! It shares nothing with the harness of `atomik-sim` but the Verilog: other bindings (the crate
//! `verilated`), another build, static linking. What one of the two gets wrong about the model, the
//! other should not. It exists for tests alone, and only with the feature `verilator`; `make
//! test-verilated` runs them.
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
    /// Address, 9 bits; a model takes it for granted that the bits above are 0, here as on every
    /// port.
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

/// The structure of model.cpp that holds the class that Verilator wrote.
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

/// The run-time library has state that belongs to the process, such as its random numbers: one
/// model lives at a time.
static LIBRARY: Mutex<()> = Mutex::new(());

/// One instance of the design. Creating a second one waits until the first is gone.
pub struct Model {
    instance: *mut Instance,
    waves: Option<Vcd>,
    time: u64,
    _library: MutexGuard<'static, ()>,
}

impl Model {
    /// An instance whose registers and memories start with what `start` says; no reset yet.
    #[must_use]
    pub fn new(start: RandomMode) -> Self {
        // A test that failed left the lock poisoned; nothing of its instance is used again.
        let library = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: no argument, and the lock keeps every other call into the library away.
        let instance = unsafe { ffi::atomik_instance_new() };
        verilated::set_rand_reset(start);
        verilated::trace_ever_on(true);
        // SAFETY: the instance was just made. Start values are drawn now, after their mode was set.
        unsafe { ffi::atomik_instance_elaborate(instance) };
        Self {
            instance,
            waves: None,
            time: 0,
            _library: library,
        }
    }

    /// Writes all that follows to a VCD file at `path`, until the model is dropped.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn trace(&mut self, path: &Path) -> io::Result<()> {
        let mut waves = Vcd::default();
        // SAFETY: both pointers are live, and `waves` stays until the model has written to it for
        // the last time.
        unsafe { ffi::atomik_instance_trace(self.instance, waves.0) };
        waves.open(path)?;
        self.waves = Some(waves);
        Ok(())
    }

    /// One clock cycle: applies `inputs` with the clock low and returns the outputs then, before
    /// the clock rises.
    ///
    /// A waveform gets both halves: cycle `n` is at times `2 n` and `2 n + 1`.
    pub fn cycle(&mut self, inputs: Inputs) -> Outputs {
        let outputs = self.eval(&Inputs { clk: 0, ..inputs });
        self.eval(&Inputs { clk: 1, ..inputs });
        outputs
    }

    fn eval(&mut self, inputs: &Inputs) -> Outputs {
        let mut outputs = Outputs::default();
        // SAFETY: the model is live, and both structures are those of model.cpp.
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
        // The file is closed while the model that it describes is still there.
        self.waves = None;
        // SAFETY: made in `new`, deleted nowhere else.
        unsafe { ffi::atomik_instance_delete(self.instance) };
    }
}
