//! Circuits whose sizes are known at run time, as rust-hdl blocks.
//!
//! rust-hdl's own signals carry their width in their type. A [`Circuit`] carries it in a field and
//! implements the same traits ([`Logic`], [`Block`], and [`Atom`] for its nets), so rust-hdl's
//! checks, its simulator, its waveform probe and its Verilog writer all work on it unchanged.
//! The logic is rust-hdl's statement tree ([`VerilogBlock`]), which has three readers: rust-hdl's
//! writer, our emitter ([`crate::verilog`]) and, in the simulator, `evaluate`.
//!
//! A register is a leaf block with nets `d`, `q` and `clk`, as rust-hdl's `DFF` is; logic reads
//! `NAME$q` and writes `NAME$d`. A memory is a leaf block too.

use crate::config::Target;
use crate::evaluate::execute;
use crate::expr::{Drive, Expr};
use crate::storage::Storage;
use num_bigint::BigUint;
use rust_hdl::core::ast::{
    Verilog, VerilogBlock, VerilogBlockOrConditional, VerilogConditional, VerilogExpression,
    VerilogLiteral, VerilogStatement,
};
use rust_hdl::core::atom::{Atom, AtomKind};
use rust_hdl::core::block::Block;
use rust_hdl::core::constraint::PinConstraint;
use rust_hdl::core::logic::Logic;
use rust_hdl::core::probe::Probe;
use rust_hdl::core::signal::get_signal_id;
use rust_hdl::core::synth::VCDValue;
use rust_hdl::core::timing::TimingInfo;
use rust_hdl::core::type_descriptor::{TypeDescriptor, TypeKind};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A port or a local wire: one rust-hdl atom of run-time width.
///
/// Values follow rust-hdl's `Signal`: an input is read as it was latched, an output or a local as
/// it was last written.
#[derive(Clone, Debug)]
pub struct Net {
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
    fn new(name: &str, width: u32, kind: AtomKind, comment: &str) -> Net {
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

    pub(crate) fn read(&self) -> &BigUint {
        if self.kind == AtomKind::InputParameter {
            &self.latched
        } else {
            &self.next
        }
    }

    fn write(&mut self, value: BigUint) {
        debug_assert!(
            value.bits() <= u64::from(self.width),
            "{} is too narrow",
            self.name
        );
        self.next = value;
    }

    fn latch(&mut self) {
        self.changed = self.latched != self.next;
        if self.changed {
            self.latched.clone_from(&self.next);
        }
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

/// A rising-edge register: rust-hdl's `DFF` with a run-time width.
#[derive(Clone, Debug)]
pub(crate) struct Register {
    nets: [Net; 3],
}

impl Register {
    const D: usize = 0;
    const Q: usize = 1;
    const CLK: usize = 2;

    fn new(width: u32) -> Register {
        Register {
            nets: [
                Net::new("d", width, AtomKind::InputParameter, "next value"),
                Net::new("q", width, AtomKind::OutputParameter, "value"),
                Net::new("clk", 1, AtomKind::InputParameter, "clock, rising edge"),
            ],
        }
    }

    pub(crate) fn width(&self) -> u32 {
        self.nets[Register::Q].width
    }
}

impl Logic for Register {
    fn update(&mut self) {
        if rising(&self.nets[Register::CLK]) {
            let d = self.nets[Register::D].read().clone();
            self.nets[Register::Q].write(d);
        }
    }
    fn connect(&mut self) {
        self.nets[Register::Q].connected = true;
    }
    fn hdl(&self) -> Verilog {
        Verilog::Custom("always @(posedge clk) q <= d;".into())
    }
    fn timing(&self) -> Vec<TimingInfo> {
        vec![TimingInfo {
            name: "register".into(),
            clock: "clk".into(),
            inputs: vec!["d".into()],
            outputs: vec!["q".into()],
        }]
    }
}

fn rising(clk: &Net) -> bool {
    clk.changed && clk.latched.bit(0)
}

/// A memory with one write and one read port, both on the same clock.
///
/// What `read_addr` selects appears on `read_data` two rising edges later: the array is read into a
/// register and that register is registered again, which is what block RAM with an output
/// register does. A read at the edge that writes the same address returns *nothing in particular*;
/// the simulation model here returns the complement of the old word, so that a design
/// which relies on either the old or the new word fails.
#[derive(Clone, Debug)]
pub struct Memory {
    pub(crate) module: String,
    pub(crate) width: u32,
    pub(crate) address_bits: u32,
    target: Target,
    nets: Vec<Net>,
    array: Vec<BigUint>,
    array_q: BigUint,
}

impl Memory {
    /// A memory module called `module` of 2^`address_bits` words of `width` bits, made for
    /// `target`.
    pub fn new(module: impl Into<String>, width: u32, address_bits: u32, target: Target) -> Memory {
        let input = |name, width, comment| Net::new(name, width, AtomKind::InputParameter, comment);
        Memory {
            module: module.into(),
            width,
            address_bits,
            target,
            nets: vec![
                input("clk", 1, "clock, rising edge"),
                input("write_en", 1, "write write_data at this edge"),
                input("write_addr", address_bits, "where to write"),
                input("write_data", width, "what to write"),
                input("read_addr", address_bits, "where to read"),
                Net::new(
                    "read_data",
                    width,
                    AtomKind::OutputParameter,
                    "the word at read_addr, two edges later",
                ),
            ],
            array: vec![BigUint::ZERO; 1 << address_bits],
            array_q: BigUint::ZERO,
        }
    }

    pub(crate) fn nets(&self) -> &[Net] {
        &self.nets
    }

    /// What the memory is made of.
    pub(crate) fn storage(&self) -> Storage {
        Storage::new(self.target, self.address_bits)
    }

    /// The statements of the module, in our style. rust-hdl takes them verbatim.
    pub(crate) fn body(&self, output: &str) -> String {
        self.storage().body(self.width, self.address_bits, output)
    }
}

/// `[7:0] ` for a width of 8, nothing for one bit.
pub(crate) fn vector(width: u32) -> String {
    if width == 1 {
        String::new()
    } else {
        format!("[{}:0] ", width - 1)
    }
}

impl Logic for Memory {
    fn update(&mut self) {
        if !rising(&self.nets[0]) {
            return;
        }
        let index = |net: &Net| net.read().iter_u64_digits().next().unwrap_or(0) as usize;
        let (write_addr, read_addr) = (index(&self.nets[2]), index(&self.nets[4]));
        let write = self.nets[1].read().bit(0);
        let out = std::mem::replace(&mut self.array_q, self.array[read_addr].clone());
        self.nets[5].write(out);
        if write {
            if write_addr == read_addr {
                let ones = (BigUint::from(1u32) << self.width) - 1u32;
                self.array_q = ones ^ &self.array[read_addr];
            }
            self.array[write_addr] = self.nets[3].read().clone();
        }
    }
    fn connect(&mut self) {
        self.nets[5].connected = true;
    }
    fn hdl(&self) -> Verilog {
        Verilog::Custom(self.body("read_data"))
    }
    fn timing(&self) -> Vec<TimingInfo> {
        vec![TimingInfo {
            name: "memory".into(),
            clock: "clk".into(),
            inputs: ["write_en", "write_addr", "write_data", "read_addr"]
                .map(Into::into)
                .into(),
            outputs: vec!["read_data".into()],
        }]
    }
}

/// What a circuit contains.
#[derive(Clone, Debug)]
pub(crate) enum Child {
    Register(Register),
    Memory(Memory),
    Circuit(Circuit),
}

impl Child {
    pub(crate) fn nets(&self) -> &[Net] {
        match self {
            Child::Register(r) => &r.nets,
            Child::Memory(m) => &m.nets,
            Child::Circuit(c) => &c.nets,
        }
    }

    fn nets_mut(&mut self) -> &mut [Net] {
        match self {
            Child::Register(r) => &mut r.nets,
            Child::Memory(m) => &mut m.nets,
            Child::Circuit(c) => &mut c.nets,
        }
    }

    fn block(&self) -> &dyn Block {
        match self {
            Child::Register(r) => r,
            Child::Memory(m) => m,
            Child::Circuit(c) => c,
        }
    }

    fn block_mut(&mut self) -> &mut dyn Block {
        match self {
            Child::Register(r) => r,
            Child::Memory(m) => m,
            Child::Circuit(c) => c,
        }
    }
}

/// Where a name of the statement tree lives.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Own(usize),
    Child(usize, usize),
}

/// A module under construction, and once built, a rust-hdl block.
///
/// The methods add ports, wires, registers, memories and sub-circuits and return their value as an
/// [`Expr`]. Logic is written in order: a wire is driven where it is made, so nothing is read
/// before it is driven (rust-hdl checks this too).
///
/// # Panics
/// The building methods panic on duplicate names and on widths that do not fit: errors
/// in a description of hardware, not in user input.
#[derive(Clone, Debug)]
pub struct Circuit {
    pub(crate) module: String,
    pub(crate) summary: Vec<String>,
    pub(crate) keeps_hierarchy: bool,
    pub(crate) nets: Vec<Net>,
    pub(crate) body: Arc<VerilogBlock>,
    pub(crate) children: Vec<(String, Child)>,
    slots: HashMap<String, Slot>,
}

impl Circuit {
    /// An empty module with a clock input `clk`. `summary` becomes its comment in the Verilog.
    pub fn new(module: impl Into<String>, summary: &[&str]) -> Circuit {
        let mut circuit = Circuit {
            module: module.into(),
            summary: summary.iter().map(|s| s.to_string()).collect(),
            keeps_hierarchy: false,
            nets: vec![],
            body: Arc::default(),
            children: vec![],
            slots: HashMap::new(),
        };
        circuit.input("clk", 1, "clock, rising edge");
        circuit
    }

    /// Asks synthesis to leave the module whole: registers of two instances that hold the same are
    /// copies on purpose, each close to what it drives, and would be merged otherwise.
    pub fn keep_hierarchy(&mut self) {
        self.keeps_hierarchy = true;
    }

    fn add_slot(&mut self, name: String, slot: Slot) {
        let old = self.slots.insert(name.clone(), slot);
        assert!(
            old.is_none(),
            "{}: two things are called {name}",
            self.module
        );
    }

    fn add_net(&mut self, name: &str, width: u32, kind: AtomKind, comment: &str) -> Expr {
        self.add_slot(name.into(), Slot::Own(self.nets.len()));
        self.nets.push(Net::new(name, width, kind, comment));
        Expr::signal(name, width)
    }

    fn add_child(&mut self, name: &str, child: Child) {
        for (i, net) in child.nets().iter().enumerate() {
            if net.kind.is_parameter() {
                let slot = Slot::Child(self.children.len(), i);
                let old = self.slots.insert(format!("{name}${}", net.name), slot);
                assert!(
                    old.is_none(),
                    "{}: two things are called {name}",
                    self.module
                );
            }
        }
        self.children.push((name.into(), child));
        self.connect_child_clock(name);
    }

    fn connect_child_clock(&mut self, name: &str) {
        self.drive(&format!("{name}$clk"), Expr::signal("clk", 1));
    }

    fn push(&mut self, statement: VerilogStatement) {
        Arc::make_mut(&mut self.body).push(statement);
    }

    fn drive(&mut self, target: &str, drive: impl Into<Drive>) {
        let statement = statement(target, &drive.into());
        self.push(statement.expect("a wire is driven by a value, never held"));
    }

    /// An input port.
    pub fn input(&mut self, name: &str, width: u32, comment: &str) -> Expr {
        self.add_net(name, width, AtomKind::InputParameter, comment)
    }

    /// An output port; [`Circuit::assign`] drives it.
    pub fn output(&mut self, name: &str, width: u32, comment: &str) {
        self.add_net(name, width, AtomKind::OutputParameter, comment);
    }

    /// Drives the output port `name`.
    pub fn assign(&mut self, name: &str, value: &Expr) {
        let net = self.nets.iter().find(|n| n.name == name);
        assert!(
            net.is_some_and(|n| n.kind == AtomKind::OutputParameter && n.width == value.width()),
            "{}: no output {name} of {} bits",
            self.module,
            value.width()
        );
        self.drive(name, value);
    }

    /// A comment in front of what comes next.
    pub fn section(&mut self, text: &str) {
        self.push(VerilogStatement::Comment(text.into()));
    }

    /// A named combinational value.
    pub fn wire(&mut self, name: &str, drive: impl Into<Drive>) -> Expr {
        let drive = drive.into();
        let width = drive
            .width()
            .expect("a wire is driven by a value, never held");
        let wire = self.add_net(name, width, AtomKind::LocalSignal, "");
        self.drive(name, drive);
        wire
    }

    /// A named value put together from `parts`, the first in the low bits.
    pub fn concat(&mut self, name: &str, parts: &[Expr]) -> Expr {
        if let [only] = parts {
            return self.wire(name, only);
        }
        let width = parts.iter().map(Expr::width).sum();
        let wire = self.add_net(name, width, AtomKind::LocalSignal, "");
        let mut low = 0;
        for part in parts {
            self.push(VerilogStatement::SliceAssignment {
                base: VerilogExpression::Signal(name.into()),
                width: part.width() as usize,
                offset: VerilogExpression::Literal(low.into()),
                replacement: part.ast().clone(),
            });
            low += part.width();
        }
        wire
    }

    /// A register that takes `next` at every rising edge; its value is returned.
    pub fn register(&mut self, name: &str, next: impl Into<Drive>) -> Expr {
        let next = next.into();
        let width = next
            .width()
            .expect("a register that only holds has no width");
        let q = self.declare_register(name, width);
        self.set_next(name, next);
        q
    }

    /// A register whose next value is given later, by [`Circuit::set_next`]: for feedback.
    pub fn declare_register(&mut self, name: &str, width: u32) -> Expr {
        assert!(
            !self.slots.contains_key(name),
            "{}: two things are called {name}",
            self.module
        );
        self.add_child(name, Child::Register(Register::new(width)));
        Expr::signal(format!("{name}$q"), width)
    }

    /// What the register `name` takes at every rising edge.
    pub fn set_next(&mut self, name: &str, next: impl Into<Drive>) {
        let next = next.into();
        let width = self.children.iter().find_map(|(n, c)| match c {
            Child::Register(r) if n == name => Some(r.width()),
            _ => None,
        });
        assert!(
            width.is_some() && next.width().is_none_or(|w| Some(w) == width),
            "{name}"
        );
        let d = format!("{name}$d");
        if may_hold(&next) {
            self.push(VerilogStatement::Assignment(
                VerilogExpression::Signal(d.clone()),
                VerilogExpression::Signal(format!("{name}$q")),
            ));
        }
        if let Some(s) = statement(&d, &next) {
            self.push(s);
        }
    }

    /// Registers `NAME_s{from+1}` to `NAME_s{to}`, each taking the one before. Returns the value at
    /// every stage from `from` (which is `value` itself) to `to`, keyed by stage.
    pub fn delay(&mut self, name: &str, value: &Expr, from: u32, to: u32) -> Staged {
        let mut at = BTreeMap::from([(from, value.clone())]);
        let mut last = value.clone();
        for stage in from + 1..=to {
            last = self.register(&format!("{name}_s{stage}"), &last);
            at.insert(stage, last.clone());
        }
        Staged(at)
    }

    /// A memory; `clk` is connected, the other inputs are given here. Returns `read_data`.
    pub fn memory(
        &mut self,
        name: &str,
        memory: &Memory,
        [write_en, write_addr, write_data, read_addr]: [&Expr; 4],
    ) -> Expr {
        self.add_child(name, Child::Memory(memory.clone()));
        for (port, value) in [
            ("write_en", write_en),
            ("write_addr", write_addr),
            ("write_data", write_data),
            ("read_addr", read_addr),
        ] {
            self.connect_port(name, port, value);
        }
        Expr::signal(format!("{name}$read_data"), memory.width)
    }

    /// A sub-circuit; `clk` is connected, the other inputs are given in `inputs`. Read its outputs
    /// with [`Circuit::output_of`].
    pub fn instance(&mut self, name: &str, circuit: &Circuit, inputs: &[(&str, &Expr)]) {
        self.add_child(name, Child::Circuit(circuit.clone()));
        let wanted = circuit
            .nets
            .iter()
            .filter(|n| n.kind == AtomKind::InputParameter)
            .count();
        assert_eq!(
            wanted,
            inputs.len() + 1,
            "{name}: all inputs of {} at once",
            circuit.module
        );
        for (port, value) in inputs {
            self.connect_port(name, port, value);
        }
    }

    fn connect_port(&mut self, child: &str, port: &str, value: &Expr) {
        let target = format!("{child}${port}");
        let width = self.net_by_name(&target).map(|n| n.width);
        assert_eq!(width, Some(value.width()), "{}: {target}", self.module);
        self.drive(&target, value);
    }

    /// The output `port` of the sub-circuit `name`.
    pub fn output_of(&self, name: &str, port: &str) -> Expr {
        let target = format!("{name}${port}");
        match self.net_by_name(&target) {
            Some(net) => Expr::signal(target, net.width),
            None => panic!("{}: there is no {target}", self.module),
        }
    }

    pub(crate) fn net_by_name(&self, name: &str) -> Option<&Net> {
        Some(match *self.slots.get(name)? {
            Slot::Own(i) => &self.nets[i],
            Slot::Child(c, i) => &self.children[c].1.nets()[i],
        })
    }

    fn net_by_name_mut(&mut self, name: &str) -> Option<&mut Net> {
        Some(match *self.slots.get(name)? {
            Slot::Own(i) => &mut self.nets[i],
            Slot::Child(c, i) => &mut self.children[c].1.nets_mut()[i],
        })
    }

    /// The name of the Verilog module.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// Sets an input port for rust-hdl's simulator. Returns false when there is no such input or
    /// the value is too wide for it.
    pub fn set_input(&mut self, name: &str, value: BigUint) -> bool {
        match self.net_by_name_mut(name) {
            Some(net)
                if net.kind == AtomKind::InputParameter && value.bits() <= u64::from(net.width) =>
            {
                net.write(value);
                true
            }
            _ => false,
        }
    }

    /// The value of a port, or of a register as `NAME$q`, in rust-hdl's simulator.
    pub fn value(&self, name: &str) -> Option<&BigUint> {
        self.net_by_name(name).map(Net::read)
    }

    pub(crate) fn write_net(&mut self, name: &str, value: BigUint) {
        if let Some(net) = self.net_by_name_mut(name) {
            net.write(value);
        }
    }
}

/// A value and its delayed copies, by stage.
#[derive(Clone, Debug)]
pub struct Staged(BTreeMap<u32, Expr>);

impl Staged {
    /// The value at `stage`.
    ///
    /// # Panics
    /// If the value was not kept at that stage.
    pub fn at(&self, stage: u32) -> &Expr {
        match self.0.get(&stage) {
            Some(value) => value,
            None => panic!("no copy at stage {stage}: {:?}", self.0),
        }
    }
}

fn may_hold(drive: &Drive) -> bool {
    match drive {
        Drive::Value(_) => false,
        Drive::If {
            then, otherwise, ..
        } => may_hold(then) || may_hold(otherwise),
        Drive::Hold => true,
    }
}

/// The statement that gives `target` what `drive` says; none for holding.
fn statement(target: &str, drive: &Drive) -> Option<VerilogStatement> {
    Some(match drive {
        Drive::Value(e) => {
            VerilogStatement::Assignment(VerilogExpression::Signal(target.into()), e.ast().clone())
        }
        Drive::If {
            condition,
            then,
            otherwise,
        } => VerilogStatement::If(VerilogConditional {
            test: condition.ast().clone(),
            then: statement(target, then).into_iter().collect(),
            otherwise: match statement(target, otherwise) {
                None => VerilogBlockOrConditional::None,
                Some(s @ VerilogStatement::If(_)) => {
                    VerilogBlockOrConditional::Conditional(Box::new(s))
                }
                Some(s) => VerilogBlockOrConditional::Block(vec![s]),
            },
        }),
        Drive::Hold => return None,
    })
}

/// Collects the names that a block assigns.
fn assigned(block: &VerilogBlock, names: &mut Vec<String>) {
    for statement in block {
        match statement {
            VerilogStatement::Assignment(VerilogExpression::Signal(name), _)
            | VerilogStatement::SliceAssignment {
                base: VerilogExpression::Signal(name),
                ..
            } => names.push(name.clone()),
            VerilogStatement::If(c) => {
                assigned(&c.then, names);
                match &c.otherwise {
                    VerilogBlockOrConditional::Block(b) => assigned(b, names),
                    VerilogBlockOrConditional::Conditional(s) => {
                        assigned(&vec![(**s).clone()], names);
                    }
                    VerilogBlockOrConditional::None => {}
                }
            }
            _ => {}
        }
    }
}

impl Logic for Circuit {
    fn update(&mut self) {
        let body = Arc::clone(&self.body);
        execute(&body, self);
    }
    fn connect(&mut self) {
        let mut names = vec![];
        assigned(&self.body, &mut names);
        for name in names {
            if let Some(net) = self.net_by_name_mut(&name) {
                net.connected = true;
            }
        }
    }
    fn hdl(&self) -> Verilog {
        // rust-hdl's writer puts `//` in front of a comment's first line only.
        let one_line = |statement: &VerilogStatement| match statement {
            VerilogStatement::Comment(text) => text
                .lines()
                .map(|line| VerilogStatement::Comment(line.into()))
                .collect(),
            other => vec![other.clone()],
        };
        Verilog::Combinatorial(self.body.iter().flat_map(one_line).collect())
    }
}

impl Block for Circuit {
    fn connect_all(&mut self) {
        self.connect();
        for (_, child) in &mut self.children {
            child.block_mut().connect_all();
        }
    }
    fn update_all(&mut self) {
        self.update();
        self.nets.iter_mut().for_each(Net::latch);
        for (_, child) in &mut self.children {
            child.block_mut().update_all();
        }
    }
    fn has_changed(&self) -> bool {
        self.nets.iter().any(|n| n.changed)
            || self.children.iter().any(|(_, c)| c.block().has_changed())
    }
    fn accept(&self, name: &str, probe: &mut dyn Probe) {
        probe.visit_start_scope(name, self);
        for net in &self.nets {
            probe.visit_atom(&net.name, net);
        }
        for (name, child) in &self.children {
            child.block().accept(name, probe);
        }
        probe.visit_end_scope(name, self);
    }
}

/// The part of [`Block`] that leaves share: they have nets and nothing below.
macro_rules! leaf_block {
    ($leaf:ty) => {
        impl Block for $leaf {
            fn connect_all(&mut self) {
                self.connect();
            }
            fn update_all(&mut self) {
                self.update();
                self.nets.iter_mut().for_each(Net::latch);
            }
            fn has_changed(&self) -> bool {
                self.nets.iter().any(|n| n.changed)
            }
            fn accept(&self, name: &str, probe: &mut dyn Probe) {
                probe.visit_start_scope(name, self);
                for net in &self.nets {
                    probe.visit_atom(&net.name, net);
                }
                probe.visit_end_scope(name, self);
            }
        }
    };
}
leaf_block!(Register);
leaf_block!(Memory);
