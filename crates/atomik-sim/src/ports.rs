//! The ports of a Verilated model, compared with those of a register file.

use crate::record::Layout;
use crate::shim::SELECTOR;

/// A port of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub name: String,
    pub input: bool,
    pub bits: u32,
}

/// The ports in `header`, the text of a Verilated model's class. Verilator declares each with a
/// macro: `VL_IN8(&rst,0,0);` or `VL_OUTW(&rsp_data,127,0,4);`.
pub(crate) fn ports(header: &str) -> Vec<Port> {
    header.lines().filter_map(port).collect()
}

fn port(line: &str) -> Option<Port> {
    let line = line.trim();
    let input = line.starts_with("VL_IN") && !line.starts_with("VL_INOUT");
    if !input && !line.starts_with("VL_OUT") && !line.starts_with("VL_INOUT") {
        return None;
    }
    let (_, arguments) = line.split_once('(')?;
    let (arguments, _) = arguments.split_once(')')?;
    let mut arguments = arguments.split(',').map(str::trim);
    let name = arguments.next()?.trim_start_matches('&').to_owned();
    let (high, low): (u32, u32) = (
        arguments.next()?.parse().ok()?,
        arguments.next()?.parse().ok()?,
    );
    Some(Port {
        name,
        input,
        bits: high.abs_diff(low) + 1,
    })
}

/// The ports of a register file of this size: name, whether it is an input, and bits.
fn expected(layout: &Layout) -> Vec<(&'static str, bool, u32)> {
    let (width, lanes) = (layout.width(), layout.lanes());
    let mut ports = vec![
        ("clk", true, 1),
        ("rst", true, 1),
        ("ready", false, 1),
        ("cmd_valid", true, lanes),
        ("cmd_op", true, 3),
        ("cmd_data", true, lanes * width),
        ("rsp_valid", false, 1),
        ("rsp_data", false, width),
        ("rsp_clean", false, 1),
    ];
    if layout.depth() > 1 {
        ports.push(("cmd_addr", true, lanes * layout.addr_bits()));
    }
    ports
}

/// What keeps `ports` from being those of a register file, one sentence part each. Further outputs
/// do no harm, nor does [`SELECTOR`].
pub(crate) fn problems(ports: &[Port], layout: &Layout) -> Vec<String> {
    let direction = |input| if input { "input" } else { "output" };
    let wanted = expected(layout);
    let mut problems = vec![];
    for (name, input, bits) in &wanted {
        match ports.iter().find(|port| port.name == *name) {
            None => problems.push(format!("no {} {name}", direction(*input))),
            Some(port) if port.input != *input => {
                problems.push(format!("{name} is not an {}", direction(*input)));
            }
            Some(port) if port.bits != *bits => {
                problems.push(format!("{name} has {} bits, not {bits}", port.bits));
            }
            Some(_) => {}
        }
    }
    for port in ports.iter().filter(|port| port.input) {
        let mut known = wanted.iter().map(|(name, ..)| *name).chain([SELECTOR]);
        if !known.any(|name| name == port.name) {
            problems.push(format!("unexpected input {}", port.name));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "    // PORTS\n    VL_IN8(&clk,0,0);\n    VL_IN8(&rst,0,0);\n    \
        VL_OUT8(&ready,0,0);\n    VL_IN8(&cmd_valid,1,0);\n    VL_IN8(&cmd_op,2,0);\n    \
        VL_IN8(&cmd_addr,7,0);\n    VL_INW(&cmd_data,255,0,8);\n    VL_OUT8(&rsp_valid,0,0);\n    \
        VL_OUTW(&rsp_data,127,0,4);\n    VL_OUT8(&rsp_clean,0,0);\n";

    fn found(header: &str, layout: (u32, usize, u32)) -> Vec<String> {
        let (width, depth, lanes) = layout;
        let layout = Layout::new(width, depth, lanes).unwrap();
        problems(&ports(header), &layout)
    }

    #[test]
    fn the_ports_of_a_register_file_of_that_size_have_no_problem() {
        assert_eq!(ports(HEADER).len(), 10);
        assert_eq!(found(HEADER, (128, 16, 2)), Vec::<String>::new());
    }

    #[test]
    fn every_other_port_is_named() {
        assert_eq!(
            found(HEADER, (64, 16, 2)),
            [
                "cmd_data has 256 bits, not 128",
                "rsp_data has 128 bits, not 64"
            ]
        );
        assert_eq!(found(HEADER, (128, 1, 2)), ["unexpected input cmd_addr"]);
        assert_eq!(
            found(&HEADER.replace("rsp_clean", "rsp_dirty"), (128, 16, 2)),
            ["no output rsp_clean"]
        );
        assert_eq!(
            found(
                &HEADER.replace("VL_OUT8(&ready", "VL_IN8(&ready"),
                (128, 16, 2)
            ),
            ["ready is not an output"]
        );
        let inout = HEADER.replace("VL_IN8(&rst", "VL_INOUT8(&rst");
        assert_eq!(found(&inout, (128, 16, 2)), ["rst is not an input"]);
    }
}
