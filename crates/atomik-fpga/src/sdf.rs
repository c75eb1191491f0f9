//! Delays of a placed design, from the SDF file that nextpnr writes.

use std::collections::{HashMap, HashSet};

use thiserror::Error;

/// The delay file of nextpnr is not as expected.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("cannot read the delays that nextpnr wrote: {problem}; {NEXT}")]
pub struct SdfError {
    /// What is wrong with the file.
    #[from]
    pub problem: SdfProblem,
}

/// What to do about an unreadable delay file.
const NEXT: &str = "try the nextpnr that `make setup-fpga` installs";

/// What is wrong with a delay file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SdfProblem {
    /// It does not start with a list.
    #[error("it does not start with a parenthesis")]
    NoList,
    /// It ends inside a list.
    #[error("it ends in the middle")]
    CutOff,
    /// A parenthesis closes nothing.
    #[error("a parenthesis closes nothing")]
    Unbalanced,
    /// A list is too short.
    #[error("a list ends before its item {0}")]
    ShortList(usize),
    /// An item of a list is not a port.
    #[error("item {0} is not a port")]
    NoPort(usize),
    /// A name is not that of a pin.
    #[error("{0} is not a pin")]
    NoPin(String),
    /// A setup time is not a list.
    #[error("a setup time is not a list")]
    NoSetup,
    /// A word is not a delay.
    #[error("{0} is not a delay")]
    NoDelay(String),
    /// A delay is empty.
    #[error("a delay is empty")]
    EmptyDelay,
    /// No path ends in a register.
    #[error("no path ends in a register")]
    NoEndpoint,
}

/// Memory cells, by the names that nextpnr uses.
const MEMORIES: [&str; 5] = [
    "DP16KD",
    "PDPW16KD",
    "ICESTORM_RAM",
    "ICESTORM_SPRAM",
    "RAM16",
];
/// Gowin's block memories.
const GOWIN_MEMORIES: [&str; 4] = ["SDP", "DP", "SP", "pROM"];

/// A cell and one of its ports.
pub(crate) type Pin<'a> = (&'a str, &'a str);

/// The delays of one cell, in picoseconds.
#[derive(Debug, Default)]
pub(crate) struct Cell<'a> {
    kind: &'a str,
    /// For each output port, the ports that arcs to it start at, and their delays.
    pub arcs: HashMap<&'a str, Vec<(&'a str, i64)>>,
    /// Setup times by data port.
    pub setups: HashMap<&'a str, i64>,
    /// Clock ports.
    pub clocks: HashSet<&'a str>,
}

impl Cell<'_> {
    pub fn is_memory(&self) -> bool {
        MEMORIES.iter().any(|name| self.kind.starts_with(name))
            || GOWIN_MEMORIES.iter().any(|name| {
                // SDP, SDPB, SDPX9, but not SPI or DPLL.
                self.kind
                    .strip_prefix(name)
                    .is_some_and(|rest| matches!(rest, "" | "B" | "X9" | "X9B"))
            })
            // A LUT of an ECP5 that can be written.
            || self.kind == "TRELLIS_COMB" && !self.setups.is_empty()
    }
}

/// The contents of an SDF file. Names keep their escapes.
#[derive(Debug, Default)]
pub(crate) struct Delays<'a> {
    pub cells: HashMap<&'a str, Cell<'a>>,
    /// For each input, the output that its wire comes from, and the delay of the wire.
    pub wires: HashMap<Pin<'a>, (Pin<'a>, i64)>,
    /// The connected inputs of each cell.
    pub inputs: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Delays<'a> {
    /// Reads an SDF file.
    pub fn parse(text: &'a str) -> Result<Self, SdfError> {
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
            // The cell for the whole design has wires but no name.
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
                    return Err(SdfProblem::NoSetup.into());
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
        .ok_or_else(|| SdfProblem::NoPin(name.to_owned()).into())
}

/// A list or a word.
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
            .ok_or_else(|| SdfProblem::ShortList(index).into())
    }

    /// The lists inside this one that start with `head`.
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
        .ok_or_else(|| SdfProblem::NoPort(index).into())
    }

    /// The longest delay from item `index` on: the slower edge at the slowest corner.
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
                let numbers = numbers.map_err(|_| SdfProblem::NoDelay((*triple).to_owned()))?;
                numbers.into_iter().fold(f64::MIN, f64::max).round() as i64
            }
        };
        found = found.max(Some(number));
    }
    found.ok_or_else(|| SdfProblem::EmptyDelay.into())
}

/// The words and parentheses of a text.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    /// The next parenthesis or word. A backslash escapes the next character.
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

    /// Reads the list that starts here.
    fn list(&mut self) -> Result<List<'a>, SdfError> {
        if self.next() != Some("(") {
            return Err(SdfProblem::NoList.into());
        }
        let mut open = vec![Vec::new()];
        loop {
            let token = self.next().ok_or(SdfProblem::CutOff)?;
            let item = match token {
                "(" => {
                    open.push(Vec::new());
                    continue;
                }
                ")" => match open.pop() {
                    Some(items) => List::List(items),
                    None => return Err(SdfProblem::Unbalanced.into()),
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
