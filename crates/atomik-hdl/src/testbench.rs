//! Testbenches for any simulator: a self-checking one in plain Verilog, and one for cocotb.
//!
//! They repeat the specification on their own: they share neither code nor stimulus with the golden
//! model of `atomik-sim`.

use crate::circuit::{Child, Circuit};
use crate::config::Config;
use crate::regfile;
use crate::timescale::Timescale;
use atomik_algebra::FieldKind;
use std::fmt::Write;

/// The templates; names in `@` are replaced.
const VERILOG: &str = include_str!("../templates/testbench.v");
const COCOTB: &str = include_str!("../templates/cocotb.py");

/// The text of `NAME_tb.v`.
pub(crate) fn verilog(config: &Config, timescale: Timescale, command: &str) -> String {
    let port = match config.depth() {
        1 => "",
        _ => "        .cmd_addr  (cmd_addr),\n",
    };
    let text = fill(VERILOG, config, command)
        .replace("@TIMESCALE@", &timescale.directive())
        .replace("@ADDR_PORT@", port)
        .replace("@PLUS@", &plus(config));
    text.replace("@POISON@", &poison(&regfile::circuit(config)))
}

/// The text of `NAME_cocotb.py`.
pub(crate) fn cocotb(config: &Config, command: &str) -> String {
    let fields: Vec<String> = config
        .layout()
        .fields()
        .map(|field| {
            let kind = match field.kind {
                FieldKind::Xor => "xor",
                FieldKind::Add => "add",
            };
            format!("(\"{kind}\", {})", field.bits)
        })
        .collect();
    fill(COCOTB, config, command).replace("@FIELDS@", &fields.join(", "))
}

/// The template with the sizes of the configuration.
fn fill(template: &str, config: &Config, command: &str) -> String {
    // Without an address port the model still has an address, of one bit.
    let address_bits = config.depth().trailing_zeros().max(1);
    let values = [
        ("NAME", config.name()),
        ("COMMAND", command.to_owned()),
        ("WIDTH", config.width().to_string()),
        ("DEPTH", config.depth().to_string()),
        ("ADDR", address_bits.to_string()),
        ("LANES", config.lanes().to_string()),
        ("LATENCY", config.latency().to_string()),
        ("CLEAR", config.clear_cycles().to_string()),
    ];
    values
        .iter()
        .fold(template.to_owned(), |text, (name, value)| {
            text.replace(&format!("@{name}@"), value)
        })
}

/// The sum of two words, field by field.
fn plus(config: &Config) -> String {
    let mut low = 0;
    config
        .layout()
        .fields()
        .fold(String::new(), |mut out, field| {
            let high = low + field.bits - 1;
            let operator = match field.kind {
                FieldKind::Xor => '^',
                FieldKind::Add => '+',
            };
            let _ = writeln!(
                out,
                "            plus[{high}:{low}] = a[{high}:{low}] {operator} b[{high}:{low}];"
            );
            low = high + 1;
            out
        })
}

/// For every memory that is an array: what makes a word unknown that was read at the edge that
/// wrote it. Models of cells do that themselves.
fn poison(top: &Circuit) -> String {
    let mut memories = vec![];
    collect(top, "dut", &mut memories);
    let mut out = String::new();
    for (i, (path, width)) in memories.iter().enumerate() {
        if i == 0 {
            out.push_str("\n    // A word that is read at the edge that writes it is unknown.\n");
        }
        let _ = write!(
            out,
            "    reg hit_{i};\n    \
             always @(posedge clk) hit_{i} <= {path}.write_en &\n        \
                 ({path}.write_addr == {path}.read_addr);\n    \
             always @(negedge clk) if (hit_{i})\n        \
                 {path}.array_q <= ~{path}.array_q ^ {{{width}{{1'bx}}}};\n"
        );
    }
    out
}

/// The path and the width of each memory that is an array.
fn collect(circuit: &Circuit, path: &str, found: &mut Vec<(String, u32)>) {
    for (name, child) in &circuit.children {
        let path = format!("{path}.{name}");
        match child {
            Child::Memory(memory) if memory.storage().output_is_register() => {
                found.push((path, memory.width));
            }
            Child::Circuit(circuit) => collect(circuit, &path, found),
            Child::Memory(_) | Child::Register(_) => {}
        }
    }
}
