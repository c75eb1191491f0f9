//! The critical path of a placed design, in the names of the design.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::harness;

/// The slowest path, from register to register. Times are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CriticalPath {
    /// The signal at its start, by its name in the design.
    pub from: String,
    /// The signal at its end.
    pub to: String,
    /// Levels of logic.
    pub levels: u32,
    /// The delay of cells, including the clock-to-output and setup times.
    pub logic_ns: f64,
    /// The delay of wires.
    pub routing_ns: f64,
}

impl fmt::Display for CriticalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels = match self.levels {
            0 => "straight".to_owned(),
            1 => "1 level of logic".to_owned(),
            n => format!("{n} levels of logic"),
        };
        write!(
            f,
            "{} to {}, {levels}: {:.2} ns logic + {:.2} ns routing",
            self.from, self.to, self.logic_ns, self.routing_ns
        )
    }
}

/// A segment of a path, in nextpnr's report.
#[derive(Deserialize)]
pub(crate) struct Segment {
    delay: f64,
    #[serde(rename = "type")]
    kind: String,
    net: Option<String>,
    from: End,
    to: End,
}

#[derive(Deserialize)]
struct End {
    cell: String,
    port: String,
}

impl CriticalPath {
    /// The path of these segments; none if there are none.
    pub(crate) fn of(path: &[Segment]) -> Option<Self> {
        let (first, last) = (path.first()?, path.last()?);
        let sum = |routing: bool| -> f64 {
            path.iter()
                .filter(|segment| (segment.kind == "routing") == routing)
                .map(|segment| segment.delay)
                .sum()
        };
        let inside = path
            .iter()
            .filter(|segment| segment.kind == "logic")
            .count() as u32;
        // The setup time of an iCE40 logic cell includes its LUT.
        let lut_at_end = last.to.cell.ends_with("_LC") && last.to.cell.contains("_SB_LUT4_");
        // The net at the start has the name of the signal, unless the tools made one up.
        let net = path.iter().find_map(|segment| segment.net.as_deref());
        let from = match net.filter(|net| !net.contains('$')) {
            Some(net) if signal(net) == net_name(net) => with_port(net_name(net), &first.from.port),
            _ => with_port(signal(&first.from.cell), &first.from.port),
        };
        Some(Self {
            from,
            to: with_port(signal(&last.to.cell), &last.to.port),
            levels: inside + u32::from(lut_at_end),
            logic_ns: sum(false),
            routing_ns: sum(true),
        })
    }
}

/// A signal, and the purpose of the pin at its register or memory unless that is plain data.
fn with_port(signal: String, port: &str) -> String {
    let starts = |names: &[&str]| names.iter().any(|name| port.starts_with(name));
    let what = match port {
        "CE" | "CEA" | "CEB" | "CEN" | "OCEA" | "OCEB" | "WCLKE" | "RCLKE" => "enable",
        "RESET" | "SET" | "CLEAR" | "PRESET" | "LSR" | "SR" | "RSTA" | "RSTB" => "set or reset",
        "WE" | "RE" | "WRE" | "WREA" | "WREB" | "WEA" | "WEB" => "write enable",
        _ if starts(&["ADA", "ADB", "ADW", "ADR", "WADDR_", "RADDR_", "WAD", "RAD"]) => "address",
        _ if starts(&["DIA", "DIB", "WDATA_"]) || is_bit(port, "DI") => "data in",
        _ if starts(&["DOA", "DOB", "RDATA_"]) || is_bit(port, "DO") => "data out",
        _ => return signal,
    };
    format!("{signal} ({what})")
}

/// Whether a port is one bit of `bus`, such as `DI7`. (`DI` alone is the data input of an ECP5
/// register.)
fn is_bit(port: &str, bus: &str) -> bool {
    let digits = port.strip_prefix(bus).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The name of a net in the design, or in the harness.
fn net_name(net: &str) -> String {
    match net.strip_prefix(harness::INSTANCE) {
        Some(inner) if inner.starts_with('.') => inner[1..].to_owned(),
        _ if net.starts_with("shift") || net.starts_with("tree") => format!("{net} of the harness"),
        _ => net.to_owned(),
    }
}

/// The signal that a cell holds. Yosys names cells after their nets:
/// `dut.lane0.sum_s5_TRELLIS_FF_Q_3`.
fn signal(cell: &str) -> String {
    const MARKS: [&str; 8] = [
        "_TRELLIS_FF_",
        "_SB_DFF",
        "_DFF",
        "_SB_LUT4_",
        "_LUT4_",
        "_SB_RAM40",
        ".mem.",
        "$",
    ];
    let end = MARKS.iter().filter_map(|mark| cell.find(mark)).min();
    let name = &cell[..end.unwrap_or(cell.len())];
    net_name(if name.is_empty() { cell } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_purpose_of_a_pin_is_named_unless_it_is_data() {
        for (cell, port, text) in [
            (
                "dut.lane0.loop_memory.mem.0.0",
                "ADB5",
                "lane0.loop_memory (address)",
            ),
            (
                "dut.lane0.loop_memory.mem.0.0",
                "DO12",
                "lane0.loop_memory (data out)",
            ),
            ("dut.lane0.sum_TRELLIS_FF_Q_3", "DI", "lane0.sum"),
            ("dut.lane0.sum_TRELLIS_FF_Q_3", "CE", "lane0.sum (enable)"),
            ("dut.x_SB_DFF_Q_9_D_SB_LUT4_O_LC", "I3", "x"),
            ("tree1_DFF_Q_2", "D", "tree1 of the harness"),
        ] {
            assert_eq!(with_port(signal(cell), port), text);
        }
    }
}
