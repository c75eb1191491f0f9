//! A self-checking testbench in plain Verilog, for any simulator.
//!
//! It repeats the specification on its own: it shares neither code nor stimulus with the golden
//! model of `atomik-sim`.

use crate::circuit::{Child, Circuit};
use crate::config::Config;
use crate::regfile;
use crate::timescale::Timescale;
use atomik_algebra::FieldKind;
use std::fmt::Write;

/// The template of the testbench; names in `@` are replaced.
const TEMPLATE: &str = include_str!("../templates/testbench.v");

/// The text of `NAME_tb.v`.
pub(crate) fn testbench(config: &Config, timescale: Timescale, command: &str) -> String {
    let address_bits = config.depth().trailing_zeros();
    let values = [
        ("NAME", config.name()),
        ("COMMAND", command.to_owned()),
        ("TIMESCALE", timescale.directive()),
        ("WIDTH", config.width().to_string()),
        ("DEPTH", config.depth().to_string()),
        // Without an address port the model still has an address, of one bit.
        ("ADDR", address_bits.max(1).to_string()),
        ("LANES", config.lanes().to_string()),
        ("LATENCY", config.latency().to_string()),
        ("CLEAR", config.clear_cycles().to_string()),
        (
            "ADDR_PORT",
            if address_bits == 0 {
                String::new()
            } else {
                "        .cmd_addr  (cmd_addr),\n".to_owned()
            },
        ),
        ("PLUS", plus(config)),
        ("POISON", poison(&regfile::circuit(config))),
    ];
    values
        .iter()
        .fold(TEMPLATE.to_owned(), |text, (name, value)| {
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

/// For every memory that is an array: what makes a word unknown that was read at the edge that wrote
/// it. Models of cells do that themselves.
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
