//! Nets: ports and local wires whose width is known at run time, as rust-hdl atoms.

use num_bigint::BigUint;
use rust_hdl::core::ast::VerilogLiteral;
use rust_hdl::core::atom::{Atom, AtomKind};
use rust_hdl::core::constraint::PinConstraint;
use rust_hdl::core::signal::get_signal_id;
use rust_hdl::core::synth::VCDValue;
use rust_hdl::core::type_descriptor::{TypeDescriptor, TypeKind};

/// A port or a local wire.
///
/// Values follow rust-hdl's `Signal`: reading an input returns its latched value; reading an output
/// or a local wire returns the value last written.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    pub(crate) name: String,
    pub(crate) width: u32,
    pub(crate) kind: AtomKind,
    pub(crate) comment: String,
    next: BigUint,
    latched: BigUint,
    changed: bool,
    connected: bool,
    id: usize,
}

impl Net {
    pub(crate) fn new(name: &str, width: u32, kind: AtomKind, comment: &str) -> Net {
        Net {
            name: name.into(),
            width,
            kind,
            comment: comment.into(),
            next: BigUint::ZERO,
            latched: BigUint::ZERO,
            changed: false,
            connected: false,
            id: get_signal_id(),
        }
    }

    pub(crate) fn input(name: &str, width: u32, comment: &str) -> Net {
        Net::new(name, width, AtomKind::InputParameter, comment)
    }

    pub(crate) fn output(name: &str, width: u32, comment: &str) -> Net {
        Net::new(name, width, AtomKind::OutputParameter, comment)
    }

    pub(crate) fn is_input(&self) -> bool {
        self.kind == AtomKind::InputParameter
    }

    /// Whether it is a port, not a local wire.
    pub(crate) fn is_port(&self) -> bool {
        self.kind.is_parameter()
    }

    pub(crate) fn read(&self) -> &BigUint {
        if self.is_input() {
            &self.latched
        } else {
            &self.next
        }
    }

    pub(crate) fn write(&mut self, value: BigUint) {
        debug_assert!(
            value.bits() <= u64::from(self.width),
            "{} is too narrow",
            self.name
        );
        self.next = value;
    }

    /// Marks the net as driven, for rust-hdl's check for open signals.
    pub(crate) fn connect(&mut self) {
        self.connected = true;
    }

    /// Ends a simulation step: the value written becomes the latched value.
    pub(crate) fn latch(&mut self) {
        self.changed = self.latched != self.next;
        if self.changed {
            self.latched.clone_from(&self.next);
        }
    }

    /// Whether a one-bit net, such as a clock, rose in the last step.
    pub(crate) fn is_rising(&self) -> bool {
        self.changed && self.latched.bit(0)
    }
}

impl Atom for Net {
    fn bits(&self) -> usize {
        self.width as usize
    }
    fn connected(&self) -> bool {
        self.connected
    }
    fn changed(&self) -> bool {
        self.changed
    }
    fn kind(&self) -> AtomKind {
        self.kind
    }
    fn descriptor(&self) -> TypeDescriptor {
        TypeDescriptor {
            name: format!("Bits::<{}>", self.width),
            kind: TypeKind::Bits(self.width as usize),
        }
    }
    fn vcd(&self) -> VCDValue {
        let bit = |i| {
            if self.latched.bit(i) {
                vcd::Value::V1
            } else {
                vcd::Value::V0
            }
        };
        VCDValue::Vector((0..u64::from(self.width)).rev().map(bit).collect())
    }
    fn id(&self) -> usize {
        self.id
    }
    fn verilog(&self) -> VerilogLiteral {
        0u64.into()
    }
    fn constraints(&self) -> Vec<PinConstraint> {
        vec![]
    }
}

/// The range of a Verilog declaration, with a space after it: `[7:0] ` for 8 bits, empty for one.
pub(crate) fn range(width: u32) -> String {
    if width == 1 {
        String::new()
    } else {
        format!("[{}:0] ", width - 1)
    }
}
