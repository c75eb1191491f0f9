//! Writing SystemVerilog line by line, and the names of what is to be proved.

use crate::net::range;
use std::fmt::Write;

/// Lines of SystemVerilog.
#[derive(Default)]
pub(super) struct Writer {
    text: String,
    asserted: Vec<String>,
    covered: Vec<String>,
}

impl Writer {
    pub fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// A line inside a module.
    pub fn body(&mut self, line: &str) {
        self.line(&format!("    {line}"));
    }

    /// A comment that starts a group of lines inside a module.
    pub fn section(&mut self, comment: &[&str]) {
        self.line("");
        for line in comment {
            self.body(&format!("// {line}"));
        }
    }

    /// A wire and its value.
    pub fn wire(&mut self, name: &str, bits: u32, value: &str) {
        self.body(&format!("wire {}{name} =", range(bits)));
        self.body(&format!("    {value};"));
    }

    /// A register with its next value.
    pub fn register(&mut self, name: &str, bits: u32, next: &str) {
        self.body(&format!("reg {}{name};", range(bits)));
        self.body(&format!("always @(posedge clk) {name} <= {next};"));
    }

    /// `name` again 1 to `cycles` cycles later, as `name_1` to `name_CYCLES`.
    pub fn delay(&mut self, name: &str, bits: u32, cycles: u32) {
        for i in 1..=cycles {
            self.register(&format!("{name}_{i}"), bits, &delayed(name, i - 1));
        }
    }

    /// Something to prove: `value` is true in every cycle.
    pub fn check(&mut self, name: &str, value: &str) {
        self.property("check", name, value);
    }

    /// The same, which induction may also assume of earlier cycles.
    pub fn invariant(&mut self, name: &str, value: &str) {
        self.property("invariant", name, value);
    }

    fn property(&mut self, kind: &str, name: &str, value: &str) {
        let name = format!("{kind}_{name}");
        self.wire(&name, 1, value);
        self.asserted.push(name);
    }

    /// Something that must be possible: `value` is true in some cycle.
    pub fn cover(&mut self, name: &str, value: &str) {
        let name = format!("cover_{name}");
        self.wire(&name, 1, value);
        self.covered.push(name);
    }

    /// All of the above in the forms that tools take: wires for model checkers that know only
    /// outputs, without invariants, and statements of SystemVerilog. Nothing is claimed of the
    /// first cycle, in which `start` is assumed.
    pub fn statements(&mut self, start: &str) {
        self.outputs(start);
        self.line("");
        self.line("`ifdef FORMAL");
        self.body("reg started = 1'b0;");
        self.body("always @(posedge clk) begin");
        self.body("    started <= 1'b1;");
        self.body(&format!("    if (!started) assume ({start});"));
        self.body("    if (started) begin");
        for name in std::mem::take(&mut self.asserted) {
            self.body(&format!("        prove_{name}: assert ({name});"));
        }
        for name in std::mem::take(&mut self.covered) {
            self.body(&format!("        reach_{name}: cover ({name});"));
        }
        self.body("    end");
        self.body("end");
        self.line("`endif");
    }

    fn outputs(&mut self, start: &str) {
        self.line("");
        self.line("`ifdef AIGER");
        self.body("reg first = 1'b1, claimed = 1'b0;");
        self.body("always @(posedge clk) begin");
        self.body("    first <= 1'b0;");
        self.body(&format!("    claimed <= first ? {start} : claimed;"));
        self.body("end");
        let outputs = |names: &[String], from: &str, to: &str, not: &str| {
            let names = names.iter().filter_map(|name| name.strip_prefix(from));
            let wires =
                names.map(|it| (format!("{to}_{it}"), format!("claimed & {not}{from}{it}")));
            wires.collect::<Vec<_>>()
        };
        let fails = outputs(&self.asserted, "check_", "fails", "~");
        let reached = outputs(&self.covered, "cover_", "reached", "");
        for (name, value) in fails.iter().chain(&reached) {
            self.wire(name, 1, value);
        }
        self.line("`endif");
    }

    pub fn text(self) -> String {
        self.text
    }
}

/// `name`, `cycles` cycles later.
pub(super) fn delayed(name: &str, cycles: u32) -> String {
    match cycles {
        0 => name.into(),
        _ => format!("{name}_{cycles}"),
    }
}

/// Bits `low` and up, `bits` of them, of `name`, which has `width`.
pub(super) fn part(name: &str, width: u32, low: u32, bits: u32) -> String {
    match (bits, low) {
        (1, _) if width == 1 => name.into(),
        (1, _) => format!("{name}[{low}]"),
        _ if bits == width => name.into(),
        _ => format!("{name}[{}:{low}]", low + bits - 1),
    }
}

/// A comma-separated port list, one port a line.
pub(super) fn ports(ports: &[(&str, &str, u32)]) -> String {
    let mut out = String::new();
    for (i, (direction, name, bits)) in ports.iter().enumerate() {
        let end = if i + 1 < ports.len() { "," } else { "" };
        let _ = writeln!(out, "    {direction} {}{name}{end}", range(*bits));
    }
    out
}
