//! The commands of a session.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};

use atomik_algebra::{DynRegisterFile, Op};
use atomik_trace::{
    Command, Data, Decoder, Fields, Geometry, Quote, Reason, Response, ResponseWriter,
};
use thiserror::Error;

/// The number of commands that can be undone.
const UNDO_LIMIT: usize = 1000;

/// The number of addresses that `show` lists.
const SHOW_LIMIT: usize = 64;

/// The first words that completion offers.
pub const COMMANDS: &[&str] = &[
    "accum", "delta", "drain", "help", "load", "nop", "quit", "read", "reset", "rollback", "show",
    "swap", "undo",
];

const HELP: &str = r#"  load ADDR VALUE      reference = VALUE, accumulator = 0
  accum ADDR DELTA     accumulator = accumulator + DELTA
  rollback ADDR DELTA  accumulator = accumulator - DELTA
  read ADDR            prints the state: reference + accumulator
  swap ADDR            prints the state and makes it the reference
  delta ADDR           prints the accumulator
  drain ADDR           prints the accumulator and makes the state the reference
  nop                  does nothing
  show [ADDR]          prints reference, accumulator and state of ADDR, or of all
                       addresses that are not 0
  undo                 undoes the last command that changed anything
  reset                clears the register file
  help                 prints this text
  quit                 ends the session, as the end of input does

+ and - are both xor, except in fields that add (--layout), where they are modulo 2^n.
Values are 0x and hex digits, or decimal digits; with a sign if the word is one field
that adds; or a list without spaces, [5,-1], of one value per field. A response ends in
"clean" if the accumulator was 0 before, and in "dirty" otherwise. With a depth of 1,
ADDR is optional.
A line of a trace, such as {"op":"read","addr":3}, prints its response as a trace does.
Lines that begin with # are comments.
"#;

/// A register file that runs commands line by line.
pub struct Session {
    geometry: Geometry,
    file: DynRegisterFile,
    decoder: Decoder,
    /// The cycle of the last command.
    last: Option<u64>,
    changed: VecDeque<Address>,
}

/// The contents of an address.
struct Address {
    addr: usize,
    reference: Data,
    accumulator: Data,
}

/// The result of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Text to print, often empty.
    Text(String),
    /// The session ends.
    Quit,
}

/// Why a line was rejected.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Problem {
    #[error(transparent)]
    Command(#[from] Reason),
    #[error(transparent)]
    Model(#[from] atomik_algebra::Error),
    #[error("unknown command \"{0}\"; type help for the list")]
    Unknown(Quote),
    #[error("expected {0}")]
    Form(&'static str),
    #[error("nothing to undo")]
    NothingToUndo,
    #[error("cycle {0} already has a command; a session runs one per cycle, so omit \"cycle\"")]
    SameCycle(u64),
}

impl Session {
    pub fn new(geometry: Geometry) -> Result<Self, atomik_algebra::Error> {
        Ok(Self {
            geometry,
            file: DynRegisterFile::with_layout(geometry.layout(), geometry.depth())?,
            decoder: Decoder::new(geometry),
            last: None,
            changed: VecDeque::new(),
        })
    }

    /// Runs a line. A rejected line changes nothing.
    pub fn line(&mut self, line: &[u8]) -> Result<Answer, Problem> {
        let text = std::str::from_utf8(line).map_err(|error| Reason::NotUtf8 {
            byte: error.valid_up_to() + 1,
        })?;
        let mut words = text.split_whitespace();
        let rest = match words.next() {
            None => return Ok(Answer::Text(String::new())),
            Some(first) if first.starts_with('#') => return Ok(Answer::Text(String::new())),
            Some(first) if first.starts_with('{') => {
                let command = self.decoder.json(line)?;
                return Ok(Answer::Text(self.answer_as_trace(&command)?));
            }
            Some(first) => (first, words.next(), words.next(), words.next()),
        };
        let text = match rest {
            ("quit" | "exit", None, ..) => return Ok(Answer::Quit),
            ("help", ..) => HELP.to_owned(),
            ("show", addr, None, _) => self.show(addr)?,
            ("show", ..) => return Err(Problem::Form("show [ADDR]")),
            ("undo", None, ..) => self.undo()?,
            ("reset", None, ..) => {
                *self = Self::new(self.geometry)?;
                String::new()
            }
            ("quit" | "exit" | "undo" | "reset", ..) => {
                return Err(Problem::Form("the command alone on its line"));
            }
            (op, first, second, third) => self.op(op, [first, second, third])?,
        };
        Ok(Answer::Text(text))
    }

    /// Runs `OP ADDR` or `OP ADDR DATA`; with a depth of 1, the address is optional.
    fn op(&mut self, name: &str, words: [Option<&str>; 3]) -> Result<String, Problem> {
        let takes_data = match (name, Op::from_name(name)) {
            ("rollback", _) => true,
            (_, Some(op)) => op.takes_data(),
            (_, None) => return Err(Problem::Unknown(Quote::new(name))),
        };
        let (addr, data) = match (takes_data, words) {
            (true, [Some(data), None, None]) if self.geometry.depth() == 1 => (None, Some(data)),
            (true, [addr, data, None]) => (addr, data),
            (false, [addr, None, None]) => (addr, None),
            (true, _) => return Err(Problem::Form("the op, an address and a value")),
            (false, _) => return Err(Problem::Form("the op and an address")),
        };
        let command = self.decoder.fields(&Fields {
            op: name,
            addr,
            data,
            ..Fields::default()
        })?;
        let Some(response) = self.run(&command)? else {
            return Ok(String::new());
        };
        let clean = if response.clean { "clean" } else { "dirty" };
        Ok(format!("{} {clean}\n", self.word(response.data)))
    }

    fn answer_as_trace(&mut self, command: &Command) -> Result<String, Problem> {
        let Some(response) = self.run(command)? else {
            return Ok(String::new());
        };
        let mut text = Vec::new();
        let mut writer = ResponseWriter::new(&mut text, self.geometry.width());
        // Writing to a vector cannot fail.
        let _ = writer.write(&response);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn run(&mut self, command: &Command) -> Result<Option<Response>, Problem> {
        // In a trace, the commands of a cycle take effect together; here each line takes effect
        // at once.
        if self.last == Some(command.cycle) {
            return Err(Problem::SameCycle(command.cycle));
        }
        let before = self.address(command.addr)?;
        let data = command.data;
        let response = self.apply(command.op, command.addr, data)?;
        self.last = Some(command.cycle);
        if matches!(command.op, Op::Load | Op::Accum | Op::Swap | Op::Drain) {
            if self.changed.len() == UNDO_LIMIT {
                self.changed.pop_front();
            }
            self.changed.push_back(before);
        }
        Ok(response.map(|(data, clean)| Response {
            cycle: command.cycle,
            op: command.op,
            addr: command.addr,
            data,
            clean,
        }))
    }

    fn apply(
        &mut self,
        op: Op,
        addr: usize,
        data: Data,
    ) -> Result<Option<(Data, bool)>, atomik_algebra::Error> {
        let width = self.geometry.width();
        let mut out = Data::ZERO;
        let clean = self
            .file
            .apply(op, addr, data.limbs(width), out.limbs_mut(width))?;
        Ok(clean.map(|clean| (out, clean)))
    }

    fn address(&mut self, addr: usize) -> Result<Address, atomik_algebra::Error> {
        let state = self.apply(Op::Read, addr, Data::ZERO)?;
        let accumulator = self.apply(Op::Delta, addr, Data::ZERO)?;
        let (state, _) = state.unwrap_or_default();
        let (accumulator, _) = accumulator.unwrap_or_default();
        let layout = self.geometry.layout();
        Ok(Address {
            addr,
            reference: state.combined(&accumulator.inverse(&layout), &layout),
            accumulator,
        })
    }

    fn undo(&mut self) -> Result<String, Problem> {
        let before = self.changed.pop_back().ok_or(Problem::NothingToUndo)?;
        self.apply(Op::Load, before.addr, before.reference)?;
        self.apply(Op::Accum, before.addr, before.accumulator)?;
        let after = self.address(before.addr)?;
        Ok(self.row(&after))
    }

    fn show(&mut self, addr: Option<&str>) -> Result<String, Problem> {
        if let Some(addr) = addr {
            // A copy of the decoder parses the address, because no command is run.
            let command = self.decoder.clone().fields(&Fields {
                op: Op::Read.name(),
                addr: Some(addr),
                ..Fields::default()
            })?;
            let address = self.address(command.addr)?;
            return Ok(self.row(&address));
        }
        let mut text = String::new();
        let mut used = 0;
        for addr in 0..self.geometry.depth() {
            let address = self.address(addr)?;
            if address.reference == Data::ZERO && address.accumulator == Data::ZERO {
                continue;
            }
            used += 1;
            if used <= SHOW_LIMIT {
                text += &self.row(&address);
            }
        }
        match used {
            0 => text += "everything is 0\n",
            1..=SHOW_LIMIT => {}
            // Writing to a string cannot fail.
            _ => drop(writeln!(text, "... and {} more", used - SHOW_LIMIT)),
        }
        Ok(text)
    }

    fn row(&self, address: &Address) -> String {
        let layout = self.geometry.layout();
        let state = address.reference.combined(&address.accumulator, &layout);
        format!(
            "{}: reference {} accumulator {} state {}\n",
            address.addr,
            self.word(address.reference),
            self.word(address.accumulator),
            self.word(state)
        )
    }

    /// Hex digits, and the values of the fields unless they are one xor field.
    fn word(&self, data: Data) -> String {
        let mut text = Vec::new();
        data.push_hex(self.geometry.width(), &mut text);
        let mut text = String::from_utf8_lossy(&text).into_owned();
        let layout = self.geometry.layout();
        if !layout.is_xor() || layout.fields().count() > 1 {
            text.push(' ');
            data.push_fields(&layout, &mut text);
        }
        text
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (layout, depth) = (self.geometry.layout(), self.geometry.depth());
        write!(
            f,
            "ATOMiK register file of {depth} words of {} bits",
            layout.width()
        )?;
        match layout.is_xor() {
            true => f.write_str("."),
            false => write!(f, ", {layout}."),
        }
    }
}
