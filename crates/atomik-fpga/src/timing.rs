//! What nextpnr's timing analysis covers, and the slowest path through a memory.
//!
//! nextpnr times a path only as far as it knows the delays of the cells on it, and says nothing of
//! the others: a path through a cell without delays is left out of the report, and of the frequency
//! in it. So the delays are read from the SDF file that nextpnr writes, and the paths are followed
//! here: a register input that a path without delays leads to is not covered. The same walk gives
//! the slowest path out of a memory, which the report shows only where it is the slowest of all.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the timing analysis of a placed design covers. Times are in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Data inputs of registers and memories that a register or a memory leads to.
    pub endpoints: u32,
    /// Those of them whose every path has delays.
    pub covered: u32,
    /// Memory cells.
    pub memories: u32,
    /// The slowest path that starts in a memory or goes through one, with the setup time at its
    /// end. None if the delays of all of them are unknown.
    pub memory_path_ns: Option<f64>,
    /// The slowest path that has nothing to do with a memory's contents.
    pub other_path_ns: f64,
}

impl Coverage {
    /// Whether there is no memory, or a path out of one has been timed.
    #[must_use]
    pub fn covers_memories(&self) -> bool {
        self.memories == 0 || self.memory_path_ns.is_some()
    }

    /// The slowest path of all, which sets the frequency if every path is covered.
    #[must_use]
    pub fn slowest_path_ns(&self) -> f64 {
        self.memory_path_ns.unwrap_or(0.0).max(self.other_path_ns)
    }

    /// Whether every path has been timed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.covered == self.endpoints && self.covers_memories()
    }
}

/// A delay file that cannot be understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the delays that nextpnr wrote cannot be read: {0}")]
pub struct SdfError(String);

/// Cells that hold many bits, by the names that nextpnr has for them.
const MEMORIES: [&str; 5] = [
    "DP16KD",
    "PDPW16KD",
    "ICESTORM_RAM",
    "ICESTORM_SPRAM",
    "RAM16",
];
/// Gowin's block memories.
const GOWIN_MEMORIES: [&str; 4] = ["SDP", "DP", "SP", "pROM"];

/// Follows all paths in an SDF file.
///
/// # Errors
/// When the text is no SDF file, or has nothing in it to time.
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
            // A constant, or a pin of the device.
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
        return Err(SdfError("no path ends in a register".into()));
    }
    coverage.other_path_ns = nanoseconds(other);
    coverage.memory_path_ns = memory.map(nanoseconds);
    Ok(coverage)
}

fn nanoseconds(picoseconds: i64) -> f64 {
    picoseconds as f64 / 1000.0
}

/// Cell and port.
type Pin<'a> = (&'a str, &'a str);

/// The delays of one cell, in picoseconds.
#[derive(Debug, Default)]
struct Cell<'a> {
    kind: &'a str,
    /// By the port where they end: where they start, and how long they take.
    arcs: HashMap<&'a str, Vec<(&'a str, i64)>>,
    /// Setup times by data port.
    setups: HashMap<&'a str, i64>,
    clocks: HashSet<&'a str>,
}

impl Cell<'_> {
    fn is_memory(&self) -> bool {
        MEMORIES.iter().any(|name| self.kind.starts_with(name))
            || GOWIN_MEMORIES.iter().any(|name| {
                // SDP, SDPB, SDPX9: but not SPI or DPLL.
                self.kind
                    .strip_prefix(name)
                    .is_some_and(|rest| matches!(rest, "" | "B" | "X9" | "X9B"))
            })
            // A look-up table of an ECP5 that can be written.
            || self.kind == "TRELLIS_COMB" && !self.setups.is_empty()
    }
}

/// What an SDF file says. Names are as in the file, with their escapes.
#[derive(Debug, Default)]
struct Delays<'a> {
    cells: HashMap<&'a str, Cell<'a>>,
    /// By the input where a wire ends: the output where it starts, and its delay.
    wires: HashMap<Pin<'a>, (Pin<'a>, i64)>,
    /// The inputs of each cell that have wires.
    inputs: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Delays<'a> {
    fn parse(text: &'a str) -> Result<Self, SdfError> {
        let mut tokens = Tokens { rest: text };
        let root = tokens.list()?;
        let mut delays = Self::default();
        for cell in root.lists("CELL") {
            let kind = cell.lists("CELLTYPE").next().and_then(|l| l.atom(1));
            let name = cell.lists("INSTANCE").next().and_then(|l| l.atom(1));
            for absolute in cell.lists("DELAY").flat_map(|l| l.lists("ABSOLUTE")) {
                for wire in absolute.lists("INTERCONNECT") {
                    delays.add_wire(wire)?;
                }
            }
            // The cell of the whole design has wires and no name.
            let (Some(kind), Some(name)) = (kind, name) else {
                continue;
            };
            let mut entry = Cell {
                kind: kind.trim_matches('"'),
                ..Cell::default()
            };
            for absolute in cell.lists("DELAY").flat_map(|l| l.lists("ABSOLUTE")) {
                for arc in absolute.lists("IOPATH") {
                    let (from, to) = (arc.port(1)?, arc.port(2)?);
                    let delay = arc.longest(3)?;
                    entry.arcs.entry(to).or_default().push((from, delay));
                }
            }
            for check in cell.lists("TIMINGCHECK").flat_map(|l| l.lists("SETUPHOLD")) {
                let (data, clock) = (check.port(1)?, check.port(2)?);
                let List::List(setup) = check.get(3)? else {
                    return Err(SdfError("a setup time is no list".into()));
                };
                let setup = largest(setup)?;
                let known = entry.setups.entry(data).or_insert(setup);
                *known = setup.max(*known);
                entry.clocks.insert(clock);
            }
            delays.cells.insert(name, entry);
        }
        Ok(delays)
    }

    fn add_wire(&mut self, wire: &List<'a>) -> Result<(), SdfError> {
        let (from, to) = (pin(wire.port(1)?)?, pin(wire.port(2)?)?);
        self.wires.insert(to, (from, wire.longest(3)?));
        self.inputs.entry(to.0).or_default().push(to.1);
        Ok(())
    }
}

fn pin(name: &str) -> Result<Pin<'_>, SdfError> {
    name.rsplit_once('/')
        .ok_or_else(|| SdfError(format!("{name} is no pin")))
}

/// What leads to a pin.
#[derive(Clone, Copy, Debug, Default)]
struct Arrival {
    /// The longest path from a register, in picoseconds. There is none from constants and pins of
    /// the device.
    time: Option<i64>,
    /// The longest path that starts in a memory or goes through one.
    through_memory: Option<i64>,
    /// Whether a path leads here whose delay is not known.
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
    /// Outputs that have been reached; None while they are.
    known: HashMap<Pin<'a>, Option<Arrival>>,
}

impl<'a> Walk<'_, 'a> {
    fn at_input(&mut self, pin: Pin<'a>) -> Arrival {
        match self.delays.wires.get(&pin) {
            Some(&(from, delay)) => self.at_output(from).later(delay),
            None => Arrival::default(),
        }
    }

    /// Combinational paths are a few cells long, so this is not deep.
    fn at_output(&mut self, pin: Pin<'a>) -> Arrival {
        match self.known.get(&pin) {
            Some(Some(known)) => return *known,
            // A loop without a register: no time is long enough for it.
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
            // No delays: whatever leads to its inputs leads on to nobody knows when.
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

/// A list in an SDF file, or a word.
#[derive(Debug)]
enum List<'a> {
    Atom(&'a str),
    List(Vec<List<'a>>),
}

impl<'a> List<'a> {
    fn items(&self) -> &[Self] {
        match self {
            Self::Atom(_) => &[],
            Self::List(items) => items,
        }
    }

    fn atom(&self, index: usize) -> Option<&'a str> {
        match self.items().get(index)? {
            Self::Atom(word) => Some(word),
            Self::List(_) => None,
        }
    }

    fn get(&self, index: usize) -> Result<&Self, SdfError> {
        self.items()
            .get(index)
            .ok_or_else(|| SdfError(format!("a list ends before its item {index}")))
    }

    /// The lists in this one that start with `head`.
    fn lists<'s>(&'s self, head: &'s str) -> impl Iterator<Item = &'s Self> {
        self.items()
            .iter()
            .filter(move |item| item.atom(0) == Some(head))
    }

    /// A port, with or without its edge: `CLK`, `(posedge CLK)`.
    fn port(&self, index: usize) -> Result<&'a str, SdfError> {
        match self.get(index)? {
            Self::Atom(word) => Some(*word),
            list => list.atom(1),
        }
        .ok_or_else(|| SdfError(format!("item {index} is no port")))
    }

    /// The longest of the delays from `index` on, of rising and falling edges at the worst corner.
    fn longest(&self, index: usize) -> Result<i64, SdfError> {
        largest(self.items().get(index..).unwrap_or_default())
    }
}

/// The largest number in delays like `(1:2:3)`.
fn largest(items: &[List<'_>]) -> Result<i64, SdfError> {
    let mut found = None;
    for item in items {
        let number = match item {
            List::List(items) => largest(items)?,
            List::Atom(triple) => {
                let numbers = triple.split(':').map(str::parse::<f64>);
                let numbers = numbers.collect::<Result<Vec<_>, _>>();
                let numbers = numbers.map_err(|_| SdfError(format!("{triple} is no delay")))?;
                numbers.into_iter().fold(f64::MIN, f64::max).round() as i64
            }
        };
        found = found.max(Some(number));
    }
    found.ok_or_else(|| SdfError("a delay is empty".into()))
}

/// The words and parentheses of a text.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    /// The next parenthesis or word. A backslash takes the meaning from what follows it.
    fn next(&mut self) -> Option<&'a str> {
        self.rest = self.rest.trim_start();
        let bytes = self.rest.as_bytes();
        let end = match bytes.first()? {
            b'(' | b')' => 1,
            b'"' => 2 + self.rest.get(1..)?.find('"')?,
            _ => {
                let mut end = 0;
                while let Some(byte) = bytes.get(end) {
                    match byte {
                        b'\\' => end += 2,
                        b'(' | b')' | b' ' | b'\t' | b'\r' | b'\n' => break,
                        _ => end += 1,
                    }
                }
                end.min(bytes.len())
            }
        };
        let (token, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(token)
    }

    /// The list that starts here.
    fn list(&mut self) -> Result<List<'a>, SdfError> {
        if self.next() != Some("(") {
            return Err(SdfError("it does not start with a parenthesis".into()));
        }
        let mut open = vec![Vec::new()];
        loop {
            let token = self.next();
            let token = token.ok_or_else(|| SdfError("it ends in the middle".into()))?;
            let item = match token {
                "(" => {
                    open.push(Vec::new());
                    continue;
                }
                ")" => match open.pop() {
                    Some(items) => List::List(items),
                    None => return Err(SdfError("a parenthesis closes nothing".into())),
                },
                word => List::Atom(word),
            };
            match open.last_mut() {
                Some(list) => list.push(item),
                None => return Ok(item),
            }
        }
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
    fn a_text_that_is_no_delay_file_is_refused() {
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
