//! Describing circuits whose sizes are known at run time.
//!
//! rust-hdl's own signals carry their width in their type. A [`Circuit`] carries it in a field and
//! implements the same traits (`Logic` and `Block`; its nets implement `Atom`), so rust-hdl's
//! checks, simulator, waveform probe and Verilog writer all work on it unchanged. Its logic is
//! rust-hdl's statement tree ([`VerilogBlock`]), which has three readers: rust-hdl's writer, our
//! emitter ([`crate::verilog`]) and the interpreter that runs it in rust-hdl's simulator.
//!
//! A register is a leaf block with nets `d`, `q` and `clk`, like rust-hdl's `DFF`; logic reads
//! `NAME$q` and writes `NAME$d`. A memory is a leaf block as well.

use crate::expr::{Drive, Expr};
use crate::memory::Memory;
use crate::net::Net;
use crate::register::Register;
use num_bigint::BigUint;
use rust_hdl::core::ast::{
    VerilogBlock, VerilogBlockOrConditional, VerilogConditional, VerilogExpression,
    VerilogStatement,
};
use rust_hdl::core::atom::AtomKind;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A child of a circuit.
#[derive(Clone, Debug)]
pub(crate) enum Child {
    Register(Register),
    Memory(Memory),
    Circuit(Circuit),
}

impl Child {
    pub(crate) fn nets(&self) -> &[Net] {
        match self {
            Child::Register(r) => r.nets(),
            Child::Memory(m) => m.nets(),
            Child::Circuit(c) => &c.nets,
        }
    }

    pub(crate) fn nets_mut(&mut self) -> &mut [Net] {
        match self {
            Child::Register(r) => r.nets_mut(),
            Child::Memory(m) => m.nets_mut(),
            Child::Circuit(c) => &mut c.nets,
        }
    }
}

/// Where the net behind a name of the statement tree is stored.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Own(usize),
    Child(usize, usize),
}

/// A module under construction, and once built, a rust-hdl block.
///
/// The methods add ports, wires, registers, memories and sub-circuits and return their value as an
/// [`Expr`]. Logic is written in order: a wire is driven where it is declared, so nothing is read
/// before it is driven (rust-hdl checks this as well).
///
/// # Panics
/// The building methods panic on duplicate names and on width mismatches. These are errors in a
/// hardware description, not in user input.
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

    /// Tells synthesis to keep the module's hierarchy. Equal registers in several instances are
    /// deliberate copies, each close to its loads; synthesis would otherwise merge them.
    pub fn keep_hierarchy(&mut self) {
        self.keeps_hierarchy = true;
    }

    fn add_slot(&mut self, name: String, slot: Slot) {
        let old = self.slots.insert(name.clone(), slot);
        assert!(
            old.is_none(),
            "{}: the name {name} is used twice",
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
            if net.is_port() {
                let slot = Slot::Child(self.children.len(), i);
                let old = self.slots.insert(format!("{name}${}", net.name), slot);
                assert!(
                    old.is_none(),
                    "{}: the name {name} is used twice",
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
        self.push(statement.expect("a wire needs a value; only a register can hold"));
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

    /// A comment in front of the statements that follow.
    pub fn section(&mut self, text: &str) {
        self.push(VerilogStatement::Comment(text.into()));
    }

    /// A named combinational value.
    pub fn wire(&mut self, name: &str, drive: impl Into<Drive>) -> Expr {
        let drive = drive.into();
        let width = drive
            .width()
            .expect("a wire needs a value; only a register can hold");
        let wire = self.add_net(name, width, AtomKind::LocalSignal, "");
        self.drive(name, drive);
        wire
    }

    /// A named concatenation of `parts`, the first in the low bits.
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

    /// A register that takes `next` at every rising edge. Returns its value.
    pub fn register(&mut self, name: &str, next: impl Into<Drive>) -> Expr {
        let next = next.into();
        let width = next
            .width()
            .expect("a register that always holds has no width");
        let q = self.declare_register(name, width);
        self.set_next(name, next);
        q
    }

    /// A register whose next value is set later, by [`Circuit::set_next`]; for feedback.
    pub fn declare_register(&mut self, name: &str, width: u32) -> Expr {
        assert!(
            !self.slots.contains_key(name),
            "{}: the name {name} is used twice",
            self.module
        );
        self.add_child(name, Child::Register(Register::new(width)));
        Expr::signal(format!("{name}$q"), width)
    }

    /// Sets the value that the register `name` takes at every rising edge.
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

    /// A chain of registers `NAME_s{from+1}` to `NAME_s{to}` that delays `value`. Returns the value
    /// at every stage from `from` (`value` itself) to `to`.
    pub fn delay(&mut self, name: &str, value: &Expr, from: u32, to: u32) -> Staged {
        let mut at = BTreeMap::from([(from, value.clone())]);
        let mut last = value.clone();
        for stage in from + 1..=to {
            last = self.register(&format!("{name}_s{stage}"), &last);
            at.insert(stage, last.clone());
        }
        Staged(at)
    }

    /// A memory. `clk` is connected implicitly. Returns `read_data`.
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

    /// A sub-circuit. `clk` is connected implicitly, `inputs` must connect all other inputs. Its
    /// outputs are read with [`Circuit::output_of`].
    pub fn instance(&mut self, name: &str, circuit: &Circuit, inputs: &[(&str, &Expr)]) {
        self.add_child(name, Child::Circuit(circuit.clone()));
        let wanted = circuit.nets.iter().filter(|net| net.is_input()).count();
        assert_eq!(
            wanted,
            inputs.len() + 1,
            "{name}: connect all inputs of {}",
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

    pub(crate) fn net_by_name_mut(&mut self, name: &str) -> Option<&mut Net> {
        Some(match *self.slots.get(name)? {
            Slot::Own(i) => &mut self.nets[i],
            Slot::Child(c, i) => &mut self.children[c].1.nets_mut()[i],
        })
    }

    /// The name of the Verilog module.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// Sets an input port in rust-hdl's simulator. Returns false if there is no such input or the
    /// value is too wide for it.
    pub fn set_input(&mut self, name: &str, value: BigUint) -> bool {
        match self.net_by_name_mut(name) {
            Some(net) if net.is_input() && value.bits() <= u64::from(net.width) => {
                net.write(value);
                true
            }
            _ => false,
        }
    }

    /// The value of a port, or of a register `NAME` as `NAME$q`, in rust-hdl's simulator.
    pub fn value(&self, name: &str) -> Option<&BigUint> {
        self.net_by_name(name).map(Net::read)
    }
}

/// A value and its delayed copies, by stage.
#[derive(Clone, Debug)]
pub struct Staged(BTreeMap<u32, Expr>);

impl Staged {
    /// The value at `stage`.
    ///
    /// # Panics
    /// If there is no copy at that stage.
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

/// The statement that drives `target` with `drive`; none if it only holds.
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
