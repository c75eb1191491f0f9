//! The harness: registers around a design that is placed to measure its speed. Without them, paths
//! to and from pins would hide the paths inside, and a device has fewer pins than the design ports.
//!
//! All inputs come from a shift register with one input pin. All outputs are registered and reduced
//! to one output pin by a tree of registered four-input xors. So no path of the harness has more
//! than one level of logic, and none of the design's logic can be optimised away.

use std::fmt::Write as _;

use crate::design::Port;

/// The name of the harness module.
pub const TOP: &str = "harness";
/// The instance name of the design in the harness; a prefix of the design's names in reports.
pub const INSTANCE: &str = "dut";
/// The clock of the design and of the harness.
pub const CLOCK: &str = "clk";

/// Pins of the harness on Gowin devices, where nextpnr needs them named: the 27 MHz oscillator and
/// two free pins of a Tang Nano 9K.
pub(crate) const GOWIN_PINS: &str = "IO_LOC \"clk\" 52;\nIO_LOC \"si\" 25;\nIO_LOC \"so\" 26;\n";

/// The Verilog of the harness around module `top`. The port called [`CLOCK`] is its clock.
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
    text += &tree(outputs);

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

/// The tree that reduces the outputs to one pin.
fn tree(outputs: u32) -> String {
    let mut text = String::new();
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
    text
}

const I: &str = "    ";

/// A range, also for a single bit, so that every bit can be selected.
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
