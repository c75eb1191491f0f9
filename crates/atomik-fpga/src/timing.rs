//! What nextpnr's timing analysis covers, and the slowest path through a memory.
//!
//! nextpnr times a path only as far as it knows the delays of the cells on it, and does not report
//! the rest: a path through a cell without delays is missing from the report and from the frequency
//! in it. So this follows the paths in the SDF file that nextpnr writes. A register input that can
//! be reached over a path without delays is not covered. The same walk finds the slowest path out
//! of a memory, which nextpnr reports only if it is the slowest of all.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::sdf::{Delays, Pin, SdfError, SdfProblem};

/// What the timing analysis of a placed design covers. Times are in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Data inputs of registers and memories that can be reached from a register or a memory.
    pub endpoints: u32,
    /// The endpoints for which the delays of all paths are known.
    pub covered: u32,
    /// Memory cells.
    pub memories: u32,
    /// The slowest path that starts in a memory or goes through one, including the setup time at
    /// its end. None if no such path has known delays.
    pub memory_path_ns: Option<f64>,
    /// The slowest path that does not involve the contents of a memory.
    pub other_path_ns: f64,
}

impl Coverage {
    /// Whether a path out of a memory is timed. True if there is no memory.
    #[must_use]
    pub fn covers_memories(&self) -> bool {
        self.memories == 0 || self.memory_path_ns.is_some()
    }

    /// The slowest path of all. It limits the frequency if every path is covered.
    #[must_use]
    pub fn slowest_path_ns(&self) -> f64 {
        self.memory_path_ns.unwrap_or(0.0).max(self.other_path_ns)
    }

    /// Whether every path is timed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.covered == self.endpoints && self.covers_memories()
    }
}

/// Follows all paths in an SDF file.
///
/// # Errors
/// If the text is not an SDF file, or if no path ends in a register.
pub fn coverage(sdf: &str) -> Result<Coverage, SdfError> {
    let delays = Delays::parse(sdf)?;
    let mut walk = Walk {
        delays: &delays,
        known: HashMap::new(),
    };
    let mut coverage = Coverage::default();
    let (mut other, mut memory) = (0, None);
    for (name, cell) in &delays.cells {
        coverage.memories += u32::from(cell.is_memory());
        for (&port, &setup) in &cell.setups {
            let path = walk.at_input((name, port));
            // Driven by a constant or a pin of the device.
            if path.time.max(path.through_memory).is_none() && !path.unknown {
                continue;
            }
            coverage.endpoints += 1;
            coverage.covered += u32::from(!path.unknown);
            other = other.max(path.time.map_or(0, |time| time + setup));
            memory = memory.max(path.through_memory.map(|time| time + setup));
        }
    }
    if coverage.endpoints == 0 {
        return Err(SdfProblem::NoEndpoint.into());
    }
    coverage.other_path_ns = nanoseconds(other);
    coverage.memory_path_ns = memory.map(nanoseconds);
    Ok(coverage)
}

fn nanoseconds(picoseconds: i64) -> f64 {
    picoseconds as f64 / 1000.0
}

/// The paths that lead to a pin.
#[derive(Clone, Copy, Debug, Default)]
struct Arrival {
    /// The longest path from a register, in picoseconds. None if only constants and pins of the
    /// device lead here.
    time: Option<i64>,
    /// The longest path that starts in a memory or goes through one.
    through_memory: Option<i64>,
    /// Whether a path with an unknown delay leads here.
    unknown: bool,
}

impl Arrival {
    fn later(self, delay: i64) -> Self {
        Self {
            time: self.time.map(|time| time + delay),
            through_memory: self.through_memory.map(|time| time + delay),
            ..self
        }
    }

    fn join(&mut self, other: Self) {
        self.time = self.time.max(other.time);
        self.through_memory = self.through_memory.max(other.through_memory);
        self.unknown |= other.unknown;
    }
}

struct Walk<'d, 'a> {
    delays: &'d Delays<'a>,
    /// The outputs visited so far; None while an output is being visited.
    known: HashMap<Pin<'a>, Option<Arrival>>,
}

impl<'a> Walk<'_, 'a> {
    fn at_input(&mut self, pin: Pin<'a>) -> Arrival {
        match self.delays.wires.get(&pin) {
            Some(&(from, delay)) => self.at_output(from).later(delay),
            None => Arrival::default(),
        }
    }

    /// Recursive: combinational paths are only a few cells long.
    fn at_output(&mut self, pin: Pin<'a>) -> Arrival {
        match self.known.get(&pin) {
            Some(Some(known)) => return *known,
            // A combinational loop: its delay is unbounded.
            Some(None) => {
                return Arrival {
                    unknown: true,
                    ..Arrival::default()
                };
            }
            None => {}
        }
        self.known.insert(pin, None);
        let arrival = self.through_cell(pin);
        self.known.insert(pin, Some(arrival));
        arrival
    }

    fn through_cell(&mut self, (name, port): Pin<'a>) -> Arrival {
        let mut arrival = Arrival::default();
        let delays = self.delays;
        let Some(cell) = delays.cells.get(name) else {
            return arrival;
        };
        let Some(arcs) = cell.arcs.get(port) else {
            // No delays: every path to its inputs continues with an unknown delay.
            for &input in delays.inputs.get(name).into_iter().flatten() {
                let from = self.at_input((name, input));
                let leads = from.time.max(from.through_memory).is_some() || from.unknown;
                arrival.unknown |= leads && !cell.clocks.contains(input);
            }
            return arrival;
        };
        for &(from, delay) in arcs {
            let mut path = if cell.clocks.contains(from) {
                Arrival {
                    time: Some(0),
                    ..Arrival::default()
                }
            } else {
                self.at_input((name, from))
            };
            if cell.is_memory() {
                path.through_memory = path.through_memory.max(path.time.take());
            }
            arrival.join(path.later(delay));
        }
        arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two registers `a` and `c`, a cell `b` between them, and a memory.
    fn sdf(middle: &str, memory: &str) -> String {
        let ff = |name: &str| {
            format!(
                "(CELL (CELLTYPE \"DFF\") (INSTANCE {name})
                 (DELAY (ABSOLUTE (IOPATH CLK Q (300:350:400) (310:360:410))))
                 (TIMINGCHECK (SETUPHOLD (posedge D) (posedge CLK) (30:40:50) (1:1:1))
                              (SETUPHOLD (negedge D) (posedge CLK) (30:40:60) (1:1:1))))"
            )
        };
        format!(
            "(DELAYFILE (SDFVERSION \"3.0\")
             (CELL (CELLTYPE \"top\") (INSTANCE )
               (DELAY (ABSOLUTE
                 (INTERCONNECT a\\/x/Q b/I3 (1:1:100) (1:1:90))
                 (INTERCONNECT b/F c/D (1:1:1) (1:1:2))
                 (INTERCONNECT c/Q m/DI0 (1:1:10) (1:1:10))
                 (INTERCONNECT m/DO0 p/I3 (1:1:20) (1:1:20))
                 (INTERCONNECT p/F e/D (1:1:30) (1:1:30))
                 (INTERCONNECT pad/O a\\/x/D (1:1:9000) (1:1:9000))
               )))
             {} {} {} (CELL (CELLTYPE \"IBUF\") (INSTANCE pad))
             (CELL (CELLTYPE \"LUT4\") (INSTANCE b) {middle})
             (CELL (CELLTYPE \"SDPX9\") (INSTANCE m)
               (DELAY (ABSOLUTE (IOPATH CLKB DO0 (3460:3460:3460) (3460:3460:3460))))
               (TIMINGCHECK (SETUPHOLD (posedge DI0) (posedge CLKA) (40:40:40) (1:1:1))
                            (SETUPHOLD (posedge ADB0) (posedge CLKB) (40:40:40) (1:1:1))))
             (CELL (CELLTYPE \"LUT4\") (INSTANCE p) {memory})
             )",
            ff("a\\/x"),
            ff("c"),
            ff("e"),
        )
    }

    const TABLE: &str = "(DELAY (ABSOLUTE (IOPATH I3 F (1:1:625) (1:1:620))))";

    #[test]
    fn paths_add_up_to_the_setup_time_at_their_worst() {
        assert_eq!(
            coverage(&sdf(TABLE, TABLE)),
            Ok(Coverage {
                endpoints: 3,
                covered: 3,
                memories: 1,
                memory_path_ns: Some((3460 + 20 + 625 + 30 + 60) as f64 / 1000.0),
                // From a to c through b.
                other_path_ns: (410 + 100 + 625 + 2 + 60) as f64 / 1000.0,
            })
        );
    }

    #[test]
    fn a_cell_without_delays_leaves_the_register_behind_it_uncovered() {
        let coverage = coverage(&sdf("", TABLE)).unwrap();
        assert_eq!((coverage.endpoints, coverage.covered), (3, 2));
        assert!(coverage.covers_memories() && !coverage.is_complete());
    }

    #[test]
    fn a_memory_whose_every_path_is_without_delays_is_not_covered() {
        let coverage = coverage(&sdf(TABLE, "")).unwrap();
        assert_eq!(coverage.memory_path_ns, None);
        assert!(!coverage.covers_memories());
        assert_eq!(coverage.slowest_path_ns(), 1.197);
    }

    #[test]
    fn a_text_that_is_not_a_delay_file_is_refused() {
        let whole = sdf(TABLE, TABLE);
        for text in ["", "hello", "(DELAYFILE", &whole[..whole.len() - 40]] {
            assert!(coverage(text).is_err(), "{text}");
        }
        assert!(coverage("(DELAYFILE (VENDOR \"x\"))").is_err());
        let text = whole.replace("(3460:", "(soon:");
        let error = coverage(&text).unwrap_err().to_string();
        assert!(error.contains("soon"), "{error}");
    }
}
