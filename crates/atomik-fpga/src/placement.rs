//! What nextpnr says of a placed and routed design, in words.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::harness;
use crate::timing::Coverage;

/// A design in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// The seed of the placer.
    pub seed: u32,
    /// The frequency that is reached after routing, in MHz; of several clocks, that of the one with
    /// the least room.
    pub fmax_mhz: f64,
    /// The frequency that was asked for, in MHz.
    pub asked_mhz: f64,
    /// The path that sets it.
    pub critical_path: CriticalPath,
    /// What the analysis covers.
    pub coverage: Coverage,
    /// What is used of the device, harness and all.
    pub uses: Vec<Use>,
}

/// How much is used of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The resource, as nextpnr calls it.
    pub resource: String,
    /// How many are used.
    pub used: u32,
    /// How many there are.
    pub available: u32,
}

impl Use {
    /// The share in percent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        100.0 * f64::from(self.used) / f64::from(self.available.max(1))
    }

    /// Whether this says how full the device is: logic and memory, not pins and clocks.
    #[must_use]
    pub fn is_headline(&self) -> bool {
        const HEADLINES: [&str; 11] = [
            "TRELLIS_COMB",
            "TRELLIS_FF",
            "TRELLIS_RAMW",
            "DP16KD",
            "ICESTORM_LC",
            "ICESTORM_RAM",
            "ICESTORM_SPRAM",
            "LUT4",
            "DFF",
            "BSRAM",
            "RAM16SDP4",
        ];
        HEADLINES.contains(&self.resource.as_str())
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resource,
            used,
            available,
        } = self;
        write!(f, "{resource} {used}/{available} ({:.1} %)", self.percent())
    }
}

/// The slowest path, from register to register. Times are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CriticalPath {
    /// The signal that it starts at, by the name that it has in the design.
    pub from: String,
    /// The signal that it ends at.
    pub to: String,
    /// How many levels of logic it goes through.
    pub levels: u32,
    /// The delay of cells, clock-to-output and setup times included.
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

/// nextpnr wrote something that cannot be understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("nextpnr's report cannot be read: {0}; try the nextpnr that `make setup-fpga` installs")]
pub struct ReportError(String);

#[derive(Deserialize)]
struct Raw {
    fmax: BTreeMap<String, RawClock>,
    utilization: BTreeMap<String, RawUse>,
    critical_paths: Vec<RawPath>,
}

#[derive(Deserialize)]
struct RawClock {
    achieved: f64,
    constraint: f64,
}

#[derive(Deserialize)]
struct RawUse {
    used: u32,
    available: u32,
}

#[derive(Deserialize)]
struct RawPath {
    from: String,
    to: String,
    path: Vec<Segment>,
}

#[derive(Deserialize)]
struct Segment {
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

impl Placement {
    /// Reads the JSON report that nextpnr writes at its end, after routing.
    ///
    /// # Errors
    /// When it is no such report, or has no clock in it.
    pub fn parse(seed: u32, report: &str, coverage: Coverage) -> Result<Self, ReportError> {
        let raw: Raw =
            serde_json::from_str(report).map_err(|error| ReportError(error.to_string()))?;
        let room = |clock: &RawClock| clock.achieved / clock.constraint;
        let (name, clock) = raw
            .fmax
            .iter()
            .min_by(|(_, a), (_, b)| room(a).total_cmp(&room(b)))
            .ok_or_else(|| ReportError("it has no clock".into()))?;
        // Paths between clocks, and to and from pins, set no frequency.
        let edge = |event: &str| event.split_once(' ').map(|(_, clock)| clock.to_owned());
        let path = raw.critical_paths.iter().find(|path| {
            edge(&path.from).as_deref() == Some(name) && edge(&path.to).as_deref() == Some(name)
        });
        let path = path.ok_or_else(|| ReportError(format!("clock {name} has no path")))?;
        Ok(Self {
            seed,
            fmax_mhz: clock.achieved,
            asked_mhz: clock.constraint,
            critical_path: describe(&path.path)
                .ok_or_else(|| ReportError("a critical path is empty".into()))?,
            coverage,
            uses: raw
                .utilization
                .into_iter()
                .filter(|(_, used)| used.used > 0)
                .map(|(resource, RawUse { used, available })| Use {
                    resource,
                    used,
                    available,
                })
                .collect(),
        })
    }
}

fn describe(path: &[Segment]) -> Option<CriticalPath> {
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
    // The setup time of an iCE40's logic cell includes its table.
    let table_at_end = last.to.cell.ends_with("_LC") && last.to.cell.contains("_SB_LUT4_");
    // The net at the start has the name of the signal, unless the tools had to make one up.
    let net = path.iter().find_map(|segment| segment.net.as_deref());
    let from = match net.filter(|net| !net.contains('$')) {
        Some(net) if signal(net) == net_name(net) => with_port(net_name(net), &first.from.port),
        _ => with_port(signal(&first.from.cell), &first.from.port),
    };
    Some(CriticalPath {
        from,
        to: with_port(signal(&last.to.cell), &last.to.port),
        levels: inside + u32::from(table_at_end),
        logic_ns: sum(false),
        routing_ns: sum(true),
    })
}

/// A signal and what the pin at its register or memory is for, if that is not its data.
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

/// Whether a port is one bit of `bus`: `DI7`. Registers of ECP5 have a `DI` that is all of their
/// data.
fn is_bit(port: &str, bus: &str) -> bool {
    let digits = port.strip_prefix(bus).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A net by its name in the design; one of the harness says so.
fn net_name(net: &str) -> String {
    match net.strip_prefix(harness::INSTANCE) {
        Some(inner) if inner.starts_with('.') => inner[1..].to_owned(),
        _ if net.starts_with("shift") || net.starts_with("tree") => format!("{net} of the harness"),
        _ => net.to_owned(),
    }
}

/// The signal that a cell keeps. Yosys names cells after the nets at them:
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

/// The resources that a design needs too much of, by the table that nextpnr prints before it
/// places: more than there are, or so much that it found no place for every cell. Empty if it
/// failed for another reason.
#[must_use]
pub fn overfull(log: &str) -> Vec<Use> {
    let table = log.lines().filter_map(|line| {
        let (_, line) = line.split_once("Info:")?;
        let (resource, rest) = line.rsplit_once(':')?;
        let (used, rest) = rest.split_once('/')?;
        let available = rest.split_whitespace().next()?;
        Some(Use {
            resource: resource.trim().to_owned(),
            used: used.trim().parse().ok()?,
            available: available.parse().ok()?,
        })
    });
    let (over, rest): (Vec<Use>, Vec<Use>) = table.partition(|found| found.used > found.available);
    if over.is_empty() && log.contains("Unable to find legal placement") {
        return rest.into_iter().filter(is_crowded).collect();
    }
    over
}

/// Whether little is left of a resource that there are many of: of the few clock buffers all may
/// well be used.
fn is_crowded(found: &Use) -> bool {
    found.percent() > 80.0 && found.available >= 20
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECP5: &str = include_str!("../tests/reports/ecp5.json");
    const ICE40: &str = include_str!("../tests/reports/ice40.json");
    const GOWIN: &str = include_str!("../tests/reports/gowin.json");

    fn parse(report: &str) -> Placement {
        Placement::parse(7, report, Coverage::default()).unwrap()
    }

    #[test]
    fn the_frequency_is_that_after_routing_and_the_path_is_in_the_designs_own_names() {
        let placed = parse(ECP5);
        assert_eq!((placed.seed, placed.asked_mhz), (7, 300.0));
        assert!((placed.fmax_mhz - 254.388).abs() < 0.001, "{placed:?}");
        assert_eq!(
            placed.critical_path.to_string(),
            "clear.count[0] to clear.last, 4 levels of logic: 1.78 ns logic + 2.16 ns routing"
        );
        let path = &placed.critical_path;
        let period = 1000.0 / placed.fmax_mhz;
        assert!((path.logic_ns + path.routing_ns - period).abs() < 0.001);
    }

    #[test]
    fn paths_to_and_from_pins_set_no_frequency() {
        // The one from the pin comes first in the file, and is longer.
        let placed = parse(ICE40);
        assert!((placed.fmax_mhz - 233.046).abs() < 0.001, "{placed:?}");
        assert!(!placed.critical_path.from.contains("si"), "{placed:?}");
    }

    #[test]
    fn what_a_pin_is_for_is_said_where_it_is_not_data() {
        let placed = parse(GOWIN);
        assert_eq!(placed.critical_path.from, "reference.offset_en_s8");
        assert_eq!(placed.critical_path.to, "reference.offset_hit_s8");
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

    #[test]
    fn use_is_in_percent_and_only_of_what_is_used() {
        let placed = parse(ECP5);
        let find = |name: &str| placed.uses.iter().find(|found| found.resource == name);
        let comb = find("TRELLIS_COMB").unwrap();
        assert_eq!(comb.to_string(), "TRELLIS_COMB 265/24288 (1.1 %)");
        assert!(comb.is_headline() && !find("TRELLIS_IO").unwrap().is_headline());
        assert_eq!(find("DP16KD"), None);
    }

    #[test]
    fn resources_that_do_not_suffice_are_read_from_the_log() {
        let log = "Info: Device utilisation:\n\
                   Info: \t          TRELLIS_IO:       3/    197     1%\n\
                   Info: \t              DP16KD:      68/     56   121%\n\
                   Info: \t        TRELLIS_COMB:   24288/  24288   100%\n\
                   Info: Packing: 12/13\n";
        assert_eq!(
            overfull(log),
            [Use {
                resource: "DP16KD".into(),
                used: 68,
                available: 56
            }]
        );
    }

    #[test]
    fn a_device_that_is_too_crowded_to_place_every_cell_is_too_small() {
        let table = "Info: \t LUT4:    7961/   8640    92%\nInfo: \t DFF:    6118/   6480    94%\n\
                     Info: \t ALU:     330/   6480     5%\nInfo: \t GSR:       1/      1   100%\n";
        let log = format!("{table}ERROR: Unable to find legal placement for all cells\n");
        let names: Vec<String> = overfull(&log).into_iter().map(|u| u.resource).collect();
        assert_eq!(names, ["LUT4", "DFF"]);
        assert!(overfull(&format!("{table}ERROR: something else\n")).is_empty());
    }

    #[test]
    fn a_report_without_a_clock_or_of_another_form_is_refused() {
        let none = r#"{"fmax":{},"utilization":{},"critical_paths":[]}"#;
        let clock = none.replace(
            r#""fmax":{}"#,
            r#""fmax":{"clk":{"achieved":1,"constraint":2}}"#,
        );
        for (text, reason) in [
            (none, "no clock"),
            (&clock, "clk has no path"),
            ("{}", "fmax"),
        ] {
            let error = Placement::parse(1, text, Coverage::default());
            let error = error.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
