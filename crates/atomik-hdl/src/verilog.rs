//! Writes a [`Circuit`] as readable Verilog-2001.
//!
//! The logic comes from the same statement tree that rust-hdl's own writer prints. The form
//! differs: ANSI ports with comments, registers as plain `always @(posedge clk)` blocks, choices as
//! `?:` or `if`, slices with constant bounds, each distinct module once.

use crate::circuit::{Child, Circuit};
use crate::expr::literal_value;
use crate::memory::Memory;
use crate::net::range;
use rust_hdl::core::ast::{
    VerilogBlockOrConditional, VerilogConditional, VerilogExpression, VerilogOp, VerilogOpUnary,
    VerilogStatement,
};
use rust_hdl::core::atom::AtomKind;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The modules of `top`, by name and text: the top module first, then each sub-module once, in the
/// order of first use.
///
/// # Panics
/// If two different modules have the same name, or on a construct that this crate's descriptions
/// never use.
pub fn modules(top: &Circuit) -> Vec<(String, String)> {
    let mut done: Vec<(String, String)> = vec![];
    let mut add = |name: &str, text: String| match done.iter().find(|(n, _)| n == name) {
        Some((_, known)) => assert_eq!(*known, text, "two modules are called {name}"),
        None => done.push((name.into(), text)),
    };
    let mut queue = std::collections::VecDeque::from([top]);
    while let Some(circuit) = queue.pop_front() {
        add(&circuit.module, Writer::new(circuit).module());
        for (_, child) in &circuit.children {
            match child {
                Child::Circuit(c) => queue.push_back(c),
                Child::Memory(m) => add(&m.module, memory_module(m)),
                Child::Register(_) => {}
            }
        }
    }
    done
}

/// The maximum line length.
const COLUMNS: usize = 100;

struct Port<'a> {
    direction: &'a str,
    width: u32,
    name: &'a str,
    comment: &'a str,
}

fn module_header(
    out: &mut String,
    name: &str,
    summary: &[String],
    keep_hierarchy: bool,
    ports: &[Port],
) {
    for line in summary {
        let _ = writeln!(out, "{}", format!("// {line}").trim_end());
    }
    if keep_hierarchy {
        out.push_str("(* keep_hierarchy *)\n");
    }
    let _ = writeln!(out, "module {name} (");
    let vectors: Vec<String> = ports
        .iter()
        .map(|p| range(p.width).trim_end().into())
        .collect();
    let vector_width = vectors.iter().map(String::len).max().unwrap_or(0);
    let name_width = ports.iter().map(|p| p.name.len()).max().unwrap_or(0) + 1;
    for (i, (port, vector)) in ports.iter().zip(&vectors).enumerate() {
        let comma = if i + 1 < ports.len() { "," } else { "" };
        let pad = if vector_width > 0 { 1 } else { 0 };
        let _ = writeln!(
            out,
            "    {:<11} {vector:<vector_width$}{:pad$}{:<name_width$} // {}",
            port.direction,
            "",
            format!("{}{comma}", port.name),
            port.comment,
        );
    }
    out.push_str(");\n");
}

fn memory_module(memory: &Memory) -> String {
    let mut out = String::new();
    let depth = 1u32 << memory.address_bits;
    let storage = memory.storage();
    let mut summary = vec![format!(
        "Memory of {depth} x {} bits, one write port and one read port.",
        memory.width
    )];
    summary.extend(storage.summary().map(String::from));
    let ports: Vec<Port> = memory
        .nets()
        .iter()
        .map(|net| Port {
            direction: if net.kind == AtomKind::InputParameter {
                "input  wire"
            } else if storage.output_is_register() {
                "output reg"
            } else {
                "output wire"
            },
            width: net.width,
            name: &net.name,
            comment: &net.comment,
        })
        .collect();
    module_header(&mut out, &memory.module, &summary, false, &ports);
    for line in memory.body("read_data").lines() {
        let _ = writeln!(out, "{}", format!("    {line}").trim_end());
    }
    out.push_str("endmodule\n");
    out
}

/// A register assignment, or a choice between two lists of them.
#[derive(Debug)]
enum Clocked {
    Assign(String),
    If {
        condition: String,
        then: Vec<Clocked>,
        otherwise: Vec<Clocked>,
    },
}

struct Writer<'a> {
    circuit: &'a Circuit,
    out: String,
    /// The input connections of each memory and sub-circuit: values by port, by instance.
    connections: BTreeMap<&'a str, BTreeMap<&'a str, String>>,
    /// The statements in their debug format, to search for names.
    reads: String,
}

impl<'a> Writer<'a> {
    fn new(circuit: &'a Circuit) -> Writer<'a> {
        Writer {
            circuit,
            out: String::new(),
            connections: BTreeMap::new(),
            reads: format!("{:?}", circuit.body),
        }
    }

    fn module(mut self) -> String {
        let circuit = self.circuit;
        let ports: Vec<Port> = circuit
            .nets
            .iter()
            .filter(|n| n.is_port())
            .map(|net| Port {
                direction: match net.kind {
                    AtomKind::InputParameter => "input  wire",
                    _ => "output wire",
                },
                width: net.width,
                name: &net.name,
                comment: &net.comment,
            })
            .collect();
        module_header(
            &mut self.out,
            &circuit.module,
            &circuit.summary,
            circuit.keeps_hierarchy,
            &ports,
        );
        self.collect_connections();
        let mut section: Vec<&VerilogStatement> = vec![];
        let mut title: Option<&str> = None;
        for statement in circuit.body.iter() {
            if let VerilogStatement::Comment(text) = statement {
                self.section(title, &section);
                title = Some(text);
                section.clear();
            } else {
                section.push(statement);
            }
        }
        self.section(title, &section);
        self.out.push_str("endmodule\n");
        self.out
    }

    fn collect_connections(&mut self) {
        for statement in self.circuit.body.iter() {
            if let VerilogStatement::Assignment(VerilogExpression::Signal(target), value) =
                statement
                && let Some((child, port)) = target.split_once('$')
                && !matches!(self.child(child), Child::Register(_))
            {
                let width = self.width_of(target);
                let value = self.expression(value, width);
                self.connections
                    .entry(child)
                    .or_default()
                    .insert(port, value);
            }
        }
    }

    fn child(&self, name: &str) -> &'a Child {
        match self.circuit.children.iter().find(|(n, _)| n == name) {
            Some((_, child)) => child,
            None => panic!("{}: no child {name}", self.circuit.module),
        }
    }

    fn width_of(&self, name: &str) -> u32 {
        match self.circuit.net_by_name(name) {
            Some(net) => net.width,
            None => panic!("{}: no signal {name}", self.circuit.module),
        }
    }

    /// The identifier of a net: NAME for `NAME$q` of a register, INSTANCE_PORT for the output
    /// `PORT` of an instance.
    fn identifier(&self, name: &str) -> String {
        match name.split_once('$') {
            None => name.into(),
            Some((child, port)) => match self.child(child) {
                Child::Register(_) => child.into(),
                _ => format!("{child}_{port}"),
            },
        }
    }

    fn section(&mut self, title: Option<&str>, statements: &[&'a VerilogStatement]) {
        if statements
            .iter()
            .all(|s| matches!(s, VerilogStatement::Comment(_)))
        {
            return;
        }
        self.out.push('\n');
        for line in title.into_iter().flat_map(str::lines) {
            let _ = writeln!(self.out, "    // {line}");
        }
        self.declare_registers(statements);
        let mut clocked: Vec<Clocked> = vec![];
        let mut done = 0;
        for (i, statement) in statements.iter().enumerate() {
            if i < done {
                continue;
            }
            if let Some(child) = child_start(statement) {
                self.instance(child);
                continue;
            }
            match statement {
                VerilogStatement::SliceAssignment {
                    base: VerilogExpression::Signal(target),
                    ..
                } => done = i + self.concatenation(target, &statements[i..]),
                _ => match target(statement) {
                    Some(name) if name.ends_with("$d") => self.clocked(statement, &mut clocked),
                    Some(name) if name.contains('$') => {}
                    Some(name) => {
                        let value = self.choice(statement, self.width_of(name));
                        self.net_assignment(name, &value);
                    }
                    None => panic!("{}: {statement:?}", self.circuit.module),
                },
            }
        }
        if !clocked.is_empty() {
            self.out.push_str("    always @(posedge clk) begin\n");
            let text = clocked_text(&clocked, 2);
            self.out.push_str(&text);
            self.out.push_str("    end\n");
        }
    }

    /// Writes the slice assignments to `target` at the start of `statements` as one concatenation.
    /// Returns how many there are.
    fn concatenation(&mut self, target: &str, statements: &[&'a VerilogStatement]) -> usize {
        let mut parts: Vec<String> = statements
            .iter()
            .map_while(|statement| match statement {
                VerilogStatement::SliceAssignment {
                    base: VerilogExpression::Signal(name),
                    width,
                    replacement,
                    ..
                } if name == target => Some(self.expression(replacement, *width as u32)),
                _ => None,
            })
            .collect();
        // Verilog lists the highest part first.
        parts.reverse();
        let one_line = format!("{{{}}}", parts.join(", "));
        let prefix = format!("    wire {}{target} = ;", range(self.width_of(target)));
        let value = if prefix.len() + one_line.len() <= COLUMNS {
            one_line
        } else {
            format!("{{\n        {}\n    }}", parts.join(",\n        "))
        };
        self.net_assignment(target, &value);
        parts.len()
    }

    /// Declares registers. Consecutive registers of the same width share a declaration.
    fn declare_registers(&mut self, statements: &[&'a VerilogStatement]) {
        let mut line = String::new();
        let mut line_width = 0;
        for child in statements.iter().filter_map(|s| child_start(s)) {
            let Child::Register(register) = self.child(child) else {
                continue;
            };
            if line_width == register.width() && line.len() + child.len() + 3 <= COLUMNS {
                let _ = write!(line, ", {child}");
            } else {
                if !line.is_empty() {
                    let _ = writeln!(self.out, "{line};");
                }
                line_width = register.width();
                line = format!("    reg {}{child}", range(line_width));
            }
        }
        if !line.is_empty() {
            let _ = writeln!(self.out, "{line};");
        }
    }

    fn net_assignment(&mut self, name: &str, value: &str) {
        let net = self.circuit.nets.iter().find(|n| n.name == name);
        let keyword = match net {
            Some(n) if n.kind == AtomKind::LocalSignal => format!("wire {}", range(n.width)),
            _ => "assign ".into(),
        };
        let _ = writeln!(self.out, "    {keyword}{name} = {value};");
    }

    fn instance(&mut self, name: &str) {
        let child = self.child(name);
        let module = match child {
            Child::Register(_) => return,
            Child::Memory(m) => &m.module,
            Child::Circuit(c) => &c.module,
        };
        let ports: Vec<_> = child.nets().iter().filter(|n| n.is_port()).collect();
        // The name of an unread output starts with `unused_`.
        let output = |port: &str| {
            let read = self.reads.contains(&format!("Signal(\"{name}${port}\")"));
            format!("{}{name}_{port}", if read { "" } else { "unused_" })
        };
        for port in ports.iter().filter(|p| p.kind == AtomKind::OutputParameter) {
            let _ = writeln!(
                self.out,
                "    wire {}{};",
                range(port.width),
                output(&port.name)
            );
        }
        let _ = writeln!(self.out, "    {module} {name} (");
        let name_width = ports.iter().map(|p| p.name.len()).max().unwrap_or(0);
        for (i, port) in ports.iter().enumerate() {
            let value = if port.kind == AtomKind::OutputParameter {
                output(&port.name)
            } else {
                match self
                    .connections
                    .get(name)
                    .and_then(|c| c.get(port.name.as_str()))
                {
                    Some(value) => value.clone(),
                    None => panic!("{}: {name}.{} is open", self.circuit.module, port.name),
                }
            };
            let comma = if i + 1 < ports.len() { "," } else { "" };
            let _ = writeln!(
                self.out,
                "        .{:<name_width$} ({value}){comma}",
                port.name
            );
        }
        self.out.push_str("    );\n");
    }

    /// The value of a wire; a choice becomes `?:`.
    fn choice(&self, statement: &VerilogStatement, width: u32) -> String {
        match statement {
            VerilogStatement::Assignment(_, value) => self.expression(value, width),
            VerilogStatement::If(VerilogConditional {
                test,
                then,
                otherwise,
            }) => {
                let otherwise = match otherwise {
                    VerilogBlockOrConditional::Block(b) => &b[0],
                    VerilogBlockOrConditional::Conditional(s) => s,
                    VerilogBlockOrConditional::None => panic!("a wire that holds its value"),
                };
                format!(
                    "{} ? {} : {}",
                    self.operand(test, 1),
                    self.choice(&then[0], width),
                    self.choice(otherwise, width)
                )
            }
            other => panic!("{}: {other:?}", self.circuit.module),
        }
    }

    fn clocked(&self, statement: &VerilogStatement, into: &mut Vec<Clocked>) {
        match statement {
            VerilogStatement::Assignment(VerilogExpression::Signal(target), value) => {
                let register = target.trim_end_matches("$d");
                let holds = matches!(value, VerilogExpression::Signal(q)
                    if q.strip_suffix("$q") == Some(register));
                if !holds {
                    let value = self.expression(value, self.width_of(target));
                    into.push(Clocked::Assign(format!("{register} <= {value};")));
                }
            }
            VerilogStatement::If(VerilogConditional {
                test,
                then,
                otherwise,
            }) => {
                let condition = self.expression(test, 1);
                let (mut yes, mut no) = (vec![], vec![]);
                then.iter().for_each(|s| self.clocked(s, &mut yes));
                match otherwise {
                    VerilogBlockOrConditional::Block(b) => {
                        b.iter().for_each(|s| self.clocked(s, &mut no));
                    }
                    VerilogBlockOrConditional::Conditional(s) => self.clocked(s, &mut no),
                    VerilogBlockOrConditional::None => {}
                }
                push_clocked(
                    into,
                    Clocked::If {
                        condition,
                        then: yes,
                        otherwise: no,
                    },
                );
            }
            other => panic!("{}: {other:?}", self.circuit.module),
        }
    }

    /// `width` is that of the context; literals are printed with it.
    fn expression(&self, e: &VerilogExpression, width: u32) -> String {
        use VerilogExpression as E;
        match e {
            E::Signal(name) => self.identifier(name),
            E::Literal(literal) => format!("{width}'d{}", literal_value(literal)),
            E::Paren(inner) => self.expression(inner, width),
            E::Binary(left, op, right) => {
                let symbol = match op {
                    VerilogOp::BitXor => "^",
                    VerilogOp::BitAnd => "&",
                    VerilogOp::BitOr => "|",
                    VerilogOp::Add => "+",
                    VerilogOp::Eq => "==",
                    other => panic!("operator outside the subset in use: {other:?}"),
                };
                let inner = self.natural_width(left).or(self.natural_width(right));
                let inner = if matches!(op, VerilogOp::Eq) {
                    inner.unwrap_or(width)
                } else {
                    width
                };
                let left_text = match strip(left) {
                    // a ^ b ^ c reads better than (a ^ b) ^ c, and means the same.
                    E::Binary(_, o, _) if same(o, op) => self.expression(left, inner),
                    _ => self.operand(left, inner),
                };
                format!("{left_text} {symbol} {}", self.operand(right, inner))
            }
            E::Unary(op, inner) => {
                let symbol = match op {
                    VerilogOpUnary::Not => "~",
                    VerilogOpUnary::Any => "|",
                    VerilogOpUnary::All => "&",
                    other => panic!("operator outside the subset in use: {other:?}"),
                };
                let inner_width = self.natural_width(inner).unwrap_or(width);
                let text = match strip(inner) {
                    E::Binary(..) | E::Unary(..) => {
                        format!("({})", self.expression(inner, inner_width))
                    }
                    _ => self.expression(inner, inner_width),
                };
                format!("{symbol}{text}")
            }
            E::Index(base, index) => {
                format!("{}[{}]", self.expression(base, width), constant(index))
            }
            E::Slice(base, bits, low) => {
                let low = constant(low);
                format!(
                    "{}[{}:{low}]",
                    self.expression(base, width),
                    low + *bits as u64 - 1
                )
            }
            other => panic!("expression outside the subset in use: {other:?}"),
        }
    }

    /// An operand, in parentheses unless it binds more tightly than any operator.
    fn operand(&self, e: &VerilogExpression, width: u32) -> String {
        let text = self.expression(e, width);
        match strip(e) {
            VerilogExpression::Binary(..)
            | VerilogExpression::Unary(VerilogOpUnary::Any | VerilogOpUnary::All, _) => {
                format!("({text})")
            }
            _ => text,
        }
    }

    /// The self-determined width of an expression; none for a literal.
    fn natural_width(&self, e: &VerilogExpression) -> Option<u32> {
        use VerilogExpression as E;
        match e {
            E::Signal(name) => Some(self.width_of(name)),
            E::Paren(inner) => self.natural_width(inner),
            E::Binary(_, VerilogOp::Eq, _) => Some(1),
            E::Binary(left, _, right) => self.natural_width(left).or(self.natural_width(right)),
            E::Unary(VerilogOpUnary::Any | VerilogOpUnary::All, _) | E::Index(..) => Some(1),
            E::Unary(_, inner) => self.natural_width(inner),
            E::Slice(_, bits, _) => Some(*bits as u32),
            _ => None,
        }
    }
}

/// Adds a statement. Consecutive statements under the same condition share one `if`: nonblocking
/// assignments to different registers are independent.
fn push_clocked(list: &mut Vec<Clocked>, statement: Clocked) {
    match (list.last_mut(), statement) {
        (
            Some(Clocked::If {
                condition: known,
                then,
                otherwise,
            }),
            Clocked::If {
                condition,
                then: yes,
                otherwise: no,
            },
        ) if *known == condition => {
            yes.into_iter().for_each(|s| push_clocked(then, s));
            no.into_iter().for_each(|s| push_clocked(otherwise, s));
        }
        (_, statement) => list.push(statement),
    }
}

/// The child whose clock this statement connects, which marks where the child was added.
fn child_start(statement: &VerilogStatement) -> Option<&str> {
    match statement {
        VerilogStatement::Assignment(VerilogExpression::Signal(target), _) => {
            target.strip_suffix("$clk")
        }
        _ => None,
    }
}

fn target(statement: &VerilogStatement) -> Option<&str> {
    match statement {
        VerilogStatement::Assignment(VerilogExpression::Signal(name), _) => Some(name),
        VerilogStatement::If(c) => c.then.first().and_then(target).or(match &c.otherwise {
            VerilogBlockOrConditional::Block(b) => b.first().and_then(target),
            VerilogBlockOrConditional::Conditional(s) => target(s),
            VerilogBlockOrConditional::None => None,
        }),
        _ => None,
    }
}

fn strip(e: &VerilogExpression) -> &VerilogExpression {
    match e {
        VerilogExpression::Paren(inner) => strip(inner),
        e => e,
    }
}

/// Whether both are the same associative operator.
fn same(a: &VerilogOp, b: &VerilogOp) -> bool {
    use VerilogOp::{BitAnd, BitOr, BitXor};
    matches!((a, b), (BitXor, BitXor) | (BitAnd, BitAnd) | (BitOr, BitOr))
}

fn constant(e: &VerilogExpression) -> u64 {
    match e {
        VerilogExpression::Literal(literal) => literal_value(literal),
        other => panic!("slices start at a constant: {other:?}"),
    }
}

fn clocked_text(statements: &[Clocked], indent: usize) -> String {
    let pad = "    ".repeat(indent);
    let mut out = String::new();
    for statement in statements {
        match statement {
            Clocked::Assign(text) => {
                let _ = writeln!(out, "{pad}{text}");
            }
            Clocked::If {
                condition,
                then,
                otherwise,
            } => {
                let _ = writeln!(out, "{pad}if ({condition}) begin");
                out.push_str(&clocked_text(then, indent + 1));
                match otherwise.as_slice() {
                    [] => {}
                    [Clocked::If { .. }] => {
                        let _ = write!(out, "{pad}end else ");
                        out.push_str(clocked_text(otherwise, indent).trim_start());
                        continue;
                    }
                    _ => {
                        let _ = writeln!(out, "{pad}end else begin");
                        out.push_str(&clocked_text(otherwise, indent + 1));
                    }
                }
                let _ = writeln!(out, "{pad}end");
            }
        }
    }
    out
}
