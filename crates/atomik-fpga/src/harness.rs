//! The registers around a design that is placed for its speed: without them, paths to and from pins
//! would hide those inside, and there are fewer pins than ports.
//!
//! Every input comes from one shift register with one bit in, every output goes into a register and
//! through a tree of four-input xors with a register behind each, to one bit out. So no path of the
//! harness has more than one level of logic, and none of the design's logic can be optimised away.

use std::fmt::Write as _;

use crate::design::Port;

/// The name of the module.
pub const TOP: &str = "harness";
/// The name of the design's instance in it: what stands before the design's own names in reports.
pub const INSTANCE: &str = "dut";
/// The clock of the design and of the harness.
pub const CLOCK: &str = "clk";

/// The Verilog of the harness around module `top`. Ports that are called [`CLOCK`] get the clock.
#[must_use]
pub fn verilog(top: &str, ports: &[Port]) -> String {
    let data = || ports.iter().filter(|port| port.name != CLOCK);
    let inputs: u32 = data().filter(|port| port.input).map(|port| port.bits).sum();
    let outputs: u32 = data()
        .filter(|port| !port.input)
        .map(|port| port.bits)
        .sum();
    let mut text = format!(
        "// Registers around {top}, to place it by itself.\n\
         `default_nettype none\n\
         \n\
         module {TOP} (\n\
         {I}input  wire {CLOCK}, // clock, rising edge\n\
         {I}input  wire si,  // every input of the design, one bit a cycle\n\
         {I}output reg  so   // xor of every output of the design\n\
         );\n"
    );
    if inputs > 0 {
        let _ = writeln!(text, "    reg {} shift;", vector(inputs));
        let value = match inputs {
            1 => "si".to_owned(),
            _ => format!("{{shift[{}:0], si}}", inputs - 2),
        };
        let _ = writeln!(text, "    always @(posedge {CLOCK}) shift <= {value};\n");
    }
    let _ = writeln!(text, "    wire {} out;", vector(outputs));
    let (mut level, mut bits) = (0, outputs);
    let _ = writeln!(text, "    reg {} tree0;", vector(bits));
    let _ = writeln!(text, "    always @(posedge {CLOCK}) tree0 <= out;\n");
    while bits > 1 {
        let next = bits.div_ceil(4);
        let to = level + 1;
        let _ = writeln!(text, "    reg {} tree{to};", vector(next));
        let _ = writeln!(text, "    always @(posedge {CLOCK}) begin");
        for i in 0..next {
            let high = (4 * i + 3).min(bits - 1);
            let _ = writeln!(
                text,
                "        tree{to}[{i}] <= ^tree{level}[{high}:{}];",
                4 * i
            );
        }
        let _ = writeln!(text, "    end\n");
        (level, bits) = (to, next);
    }
    let _ = writeln!(
        text,
        "    always @(posedge {CLOCK}) so <= tree{level}[0];\n"
    );

    let mut connections = Vec::new();
    let (mut next_in, mut next_out) = (0, 0);
    for port in ports {
        let (name, next) = if port.input {
            ("shift", &mut next_in)
        } else {
            ("out", &mut next_out)
        };
        let connection = if port.name == CLOCK {
            format!("        .{CLOCK}({CLOCK})")
        } else {
            let low = *next;
            *next += port.bits;
            format!("        .{}({name}[{}:{low}])", port.name, *next - 1)
        };
        connections.push(connection);
    }
    let _ = writeln!(
        text,
        "    {top} {INSTANCE} (\n{}\n    );\nendmodule\n\n`default_nettype wire",
        connections.join(",\n")
    );
    text
}

const I: &str = "    ";

/// A range, written for one bit, too, so that every bit can be selected.
fn vector(bits: u32) -> String {
    format!("[{}:0]", bits.max(1) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str, input: bool, bits: u32) -> Port {
        Port {
            name: name.into(),
            input,
            bits,
        }
    }

    #[test]
    fn each_input_bit_has_its_own_stage_and_each_output_bit_its_own_leaf() {
        let ports = [
            port("clk", true, 1),
            port("a", true, 3),
            port("q", false, 5),
            port("b", true, 1),
            port("r", false, 1),
        ];
        let text = verilog("thing", &ports);
        for line in [
            "    reg [3:0] shift;",
            "    always @(posedge clk) shift <= {shift[2:0], si};",
            "        .a(shift[2:0]),",
            "        .b(shift[3:3]),",
            "        .q(out[4:0]),",
            "        .r(out[5:5])",
            "        tree1[0] <= ^tree0[3:0];",
            "        tree1[1] <= ^tree0[5:4];",
            "        tree2[0] <= ^tree1[1:0];",
            "    always @(posedge clk) so <= tree2[0];",
            "    thing dut (",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        assert!(!text.contains("tree3"), "{text}");
    }
}
