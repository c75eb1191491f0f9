//! The golden model of a generated register file, cycle by cycle.

use std::ffi::c_char;

use atomik_golden::record::{CommandRecord, Layout, ResponseRecord};
use atomik_golden::{Golden, Timing};

use crate::manifest::Design;
use crate::pointer::{self, exclusive, free, give, list, shared};
use crate::status::{AtomikStatus, Failure, guard};

/// The codes of `cmd_op`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomikOp {
    /// Does nothing.
    Nop = 0,
    /// R := value, D := 0.
    Load = 1,
    /// D := D + delta.
    Accum = 2,
    /// Returns S.
    Read = 3,
    /// Returns S, then sets R := S, D := 0.
    Swap = 4,
    /// Returns D.
    Delta = 5,
    /// Returns D, then sets R := S, D := 0.
    Drain = 6,
}

/// The golden model of a generated register file: what every output port shows in every cycle.
///
/// A cycle ends with `atomik_model_clock`, which takes the values of the input ports in this cycle;
/// those of `cmd_addr` and `cmd_data` are set before, and stay until they are set again. After it,
/// the functions named for output ports return their values in the next cycle. Outputs do not
/// depend on the inputs of the same cycle.
pub struct AtomikModel {
    golden: Golden,
    design: Design,
    /// The inputs of the current cycle.
    inputs: Vec<u64>,
    /// The outputs in the current cycle.
    outputs: Vec<u64>,
    /// Whether `rst` was high in an earlier cycle.
    defined: bool,
}

impl AtomikModel {
    fn new(design: Design) -> Result<Self, Failure> {
        let mut model = Self {
            golden: Golden::new(design.ports, design.fields, design.timing)?,
            design,
            inputs: vec![0; design.ports.cmd_words()],
            outputs: vec![0; design.ports.rsp_words()],
            defined: false,
        };
        model.golden.outputs(&mut model.outputs);
        Ok(model)
    }

    fn ports(&self) -> &Layout {
        &self.design.ports
    }

    fn response(&self) -> ResponseRecord<&[u64]> {
        self.ports().response(&self.outputs, 0)
    }

    fn command(&mut self) -> CommandRecord<&mut [u64]> {
        self.design.ports.command_mut(&mut self.inputs, 0)
    }

    /// Sets a word of a port of `bits` bits, which begins at word `start` of the record.
    fn set_word(
        &mut self,
        port: &str,
        bits: u32,
        start: usize,
        word: u32,
        value: u64,
    ) -> Result<(), Failure> {
        let words = bits.div_ceil(u64::BITS);
        if word >= words {
            return Err(Failure::new(
                AtomikStatus::Address,
                format_args!(
                    "word {word} of {port} does not exist; its {bits} bits have {words} words, \
                     numbered from 0"
                ),
            ));
        }
        let used = (bits - word * u64::BITS).min(u64::BITS);
        check_bits(port, value, used)?;
        self.inputs[start + word as usize] = value;
        Ok(())
    }

    fn set_lane(&mut self, lane: u32, addr: u64, data: &[u64]) -> Result<(), Failure> {
        let ports = self.design.ports;
        if lane >= ports.lanes() {
            return Err(Failure::new(
                AtomikStatus::Address,
                format_args!(
                    "lane {lane} does not exist; use one below {}",
                    ports.lanes()
                ),
            ));
        }
        let depth = ports.depth() as u64;
        if addr >= depth {
            return Err(Failure::new(
                AtomikStatus::Address,
                format_args!(
                    "address {addr} is outside a register file of {depth}; use one below {depth}"
                ),
            ));
        }
        let top = ports.width() - (ports.limbs() as u32 - 1) * u64::BITS;
        if let Some(&high) = data.last() {
            check_bits("cmd_data", high, top)?;
        }
        // Which lanes offer a command is said when the cycle ends.
        self.command().set_lane(lane, false, addr as usize, data);
        Ok(())
    }

    fn clock(&mut self, rst: bool, cmd_valid: u32, cmd_op: u32) -> Result<(), Failure> {
        check_bits("cmd_valid", cmd_valid.into(), self.ports().lanes())?;
        check_bits("cmd_op", cmd_op.into(), 3)?;
        self.inputs[0] = 0;
        let ports = self.design.ports;
        let mut command = ports.command_mut(&mut self.inputs, 0);
        command.set_reset(rst);
        command.set_op(cmd_op as u8);
        command.set_valid_lanes(cmd_valid);
        self.golden.clock(&self.inputs)?;
        self.golden.outputs(&mut self.outputs);
        self.defined |= rst;
        Ok(())
    }
}

/// Refuses a value that needs more than `bits` bits, of 1 to 64.
fn check_bits(port: &str, value: u64, bits: u32) -> Result<(), Failure> {
    match value >> (bits - 1) >> 1 {
        0 => Ok(()),
        _ => Err(Failure::new(
            AtomikStatus::Value,
            format_args!(
                "{value:#x} has bits set above the {bits} bits that {port} has there; clear them"
            ),
        )),
    }
}

/// A new model of the design whose manifest is the file `manifest`, the NAME.json next to the
/// Verilog, in `*model`. Free it with `atomik_model_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_open(
    manifest: *const c_char,
    model: *mut *mut AtomikModel,
) -> AtomikStatus {
    guard(|| unsafe {
        let design = Design::read(pointer::path(manifest, "manifest")?)?;
        give(model, "model", AtomikModel::new(design)?)
    })
}

/// A new model of a design without a manifest, in `*model`. `layout` is as for
/// `atomik_register_file_new`; the other numbers are those of the manifest: `depth`, a power of
/// two, `lanes`, 1 to 32, `latency` and `clear_cycles`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_new(
    layout: *const c_char,
    depth: u32,
    lanes: u32,
    latency: u32,
    clear_cycles: u32,
    model: *mut *mut AtomikModel,
) -> AtomikStatus {
    guard(|| unsafe {
        let timing = Timing {
            latency,
            clear_cycles,
        };
        let fields = pointer::layout(layout)?;
        let design = Design::new(fields, depth as usize, lanes, timing)?;
        give(model, "model", AtomikModel::new(design)?)
    })
}

/// Frees a model. Nothing happens if it is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_free(model: *mut AtomikModel) {
    unsafe { free(model) }
}

/// The bits of a word; 0 if `model` is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_width(model: *const AtomikModel) -> u32 {
    unsafe { model.as_ref() }.map_or(0, |model| model.ports().width())
}

/// The number of addresses; 0 if `model` is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_depth(model: *const AtomikModel) -> u32 {
    unsafe { model.as_ref() }.map_or(0, |model| model.ports().depth() as u32)
}

/// The number of lanes; 0 if `model` is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_lanes(model: *const AtomikModel) -> u32 {
    unsafe { model.as_ref() }.map_or(0, |model| model.ports().lanes())
}

/// The cycles from a command to its response; 0 if `model` is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_latency(model: *const AtomikModel) -> u32 {
    unsafe { model.as_ref() }.map_or(0, |model| model.design.timing.latency)
}

/// The cycles from the last with `rst` high to the first with `ready` high; 0 if `model` is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_clear_cycles(model: *const AtomikModel) -> u32 {
    unsafe { model.as_ref() }.map_or(0, |model| model.design.timing.clear_cycles)
}

/// Sets word `word` of the packed port `cmd_addr`, which has lane 0 in the low bits and nothing
/// between lanes. A design of depth 1 has no such port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_set_cmd_addr(
    model: *mut AtomikModel,
    word: u32,
    bits: u64,
) -> AtomikStatus {
    guard(|| {
        let model = unsafe { exclusive(model, "model") }?;
        let ports = model.design.ports;
        let width = ports.lanes() * ports.addr_bits();
        model.set_word("cmd_addr", width, ports.addr_range().start, word, bits)
    })
}

/// Sets word `word` of the packed port `cmd_data`, which has lane 0 in the low bits and nothing
/// between lanes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_set_cmd_data(
    model: *mut AtomikModel,
    word: u32,
    bits: u64,
) -> AtomikStatus {
    guard(|| {
        let model = unsafe { exclusive(model, "model") }?;
        let ports = model.design.ports;
        let width = ports.lanes() * ports.width();
        model.set_word("cmd_data", width, ports.data_range().start, word, bits)
    })
}

/// Sets the part of one lane of `cmd_addr` and `cmd_data`. `data` is a value of ceil(width / 64)
/// words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_set_lane(
    model: *mut AtomikModel,
    lane: u32,
    addr: u64,
    data: *const u64,
) -> AtomikStatus {
    guard(|| unsafe {
        let model = exclusive(model, "model")?;
        let data = list(data, model.ports().limbs(), "data")?;
        model.set_lane(lane, addr, data)
    })
}

/// Ends the current cycle, in which the inputs were `rst`, `cmd_valid` with lane l in bit l, and
/// `cmd_op`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_clock(
    model: *mut AtomikModel,
    rst: bool,
    cmd_valid: u32,
    cmd_op: u32,
) -> AtomikStatus {
    guard(|| unsafe { exclusive(model, "model") }?.clock(rst, cmd_valid, cmd_op))
}

/// Whether outputs are defined: they are from the cycle after the first with `rst` high.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_defined(model: *const AtomikModel) -> bool {
    unsafe { model.as_ref() }.is_some_and(|model| model.defined)
}

/// `ready` in the current cycle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_ready(model: *const AtomikModel) -> bool {
    unsafe { model.as_ref() }.is_some_and(|model| model.response().ready())
}

/// `rsp_valid` in the current cycle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_rsp_valid(model: *const AtomikModel) -> bool {
    unsafe { model.as_ref() }.is_some_and(|model| model.response().valid())
}

/// `rsp_clean` in the current cycle. It has no meaning unless `rsp_valid` is high.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_rsp_clean(model: *const AtomikModel) -> bool {
    unsafe { model.as_ref() }.is_some_and(|model| model.response().clean())
}

/// Word `word` of `rsp_data` in the current cycle, 0 if there is no such word. It has no meaning
/// unless `rsp_valid` is high.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_model_rsp_data(model: *const AtomikModel, word: u32) -> u64 {
    let model = unsafe { shared(model, "model") };
    let word = model.map(|model| model.response().data().get(word as usize).copied());
    word.ok().flatten().unwrap_or(0)
}
