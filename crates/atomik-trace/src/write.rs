use std::io::Write;

use atomik_algebra::Op;

use crate::command::{Command, Response};
use crate::error::Error;

/// Writes responses as lines of JSON.
#[derive(Debug)]
pub struct ResponseWriter<W> {
    out: W,
    width: u32,
    cycles: bool,
    line: Vec<u8>,
}

impl<W: Write> ResponseWriter<W> {
    /// A writer of responses of `width` bits, without their cycles. It writes one line at a time,
    /// so `out` should be buffered.
    pub fn new(out: W, width: u32) -> Self {
        Self {
            out,
            width,
            cycles: false,
            line: Vec::new(),
        }
    }

    /// The same writer, but with the cycle of the command as the last field of each line.
    pub fn with_cycles(self) -> Self {
        Self {
            cycles: true,
            ..self
        }
    }

    /// Writes one response.
    ///
    /// # Errors
    /// [`Error::Write`] with the error of `out`.
    pub fn write(&mut self, response: &Response) -> Result<(), Error> {
        let line = &mut self.line;
        line.clear();
        line.extend_from_slice(b"{\"op\":\"");
        line.extend_from_slice(response.op.name().as_bytes());
        line.extend_from_slice(b"\",\"addr\":");
        push_decimal(response.addr as u64, line);
        line.extend_from_slice(b",\"data\":\"");
        response.data.push_hex(self.width, line);
        line.extend_from_slice(match response.clean {
            true => b"\",\"clean\":true",
            false => b"\",\"clean\":false",
        });
        if self.cycles {
            line.extend_from_slice(b",\"cycle\":");
            push_decimal(response.cycle, line);
        }
        line.extend_from_slice(b"}\n");
        self.out.write_all(line).map_err(Error::Write)
    }

    /// Flushes `out`.
    ///
    /// # Errors
    /// [`Error::Write`] with the error of `out`.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.out.flush().map_err(Error::Write)
    }
}

/// Writes commands as lines of a trace. `lane` and `cycle` are left out where they are the default.
#[derive(Debug)]
pub struct CommandWriter<W> {
    out: W,
    width: u32,
    /// The cycle of a line without one.
    default_cycle: Option<u64>,
    line: Vec<u8>,
}

impl<W: Write> CommandWriter<W> {
    /// A writer at the start of a trace for words of `width` bits. It writes one line at a time, so
    /// `out` should be buffered.
    pub fn new(out: W, width: u32) -> Self {
        Self {
            out,
            width,
            default_cycle: Some(0),
            line: Vec::new(),
        }
    }

    /// Writes one command. The caller must ensure that cycles never decrease and that the commands
    /// of one cycle are on different lanes.
    ///
    /// # Errors
    /// The error of `out`.
    pub fn write(&mut self, command: &Command) -> std::io::Result<()> {
        let line = &mut self.line;
        line.clear();
        line.extend_from_slice(b"{\"op\":\"");
        line.extend_from_slice(command.op.name().as_bytes());
        line.push(b'"');
        if command.op != Op::Nop || command.addr != 0 {
            line.extend_from_slice(b",\"addr\":");
            push_decimal(command.addr as u64, line);
        }
        if command.op.takes_data() {
            line.extend_from_slice(b",\"data\":\"");
            command.data.push_hex(self.width, line);
            line.push(b'"');
        }
        if command.lane != 0 {
            line.extend_from_slice(b",\"lane\":");
            push_decimal(command.lane.into(), line);
        }
        if self.default_cycle != Some(command.cycle) {
            line.extend_from_slice(b",\"cycle\":");
            push_decimal(command.cycle, line);
        }
        line.extend_from_slice(b"}\n");
        self.default_cycle = command.cycle.checked_add(1);
        self.out.write_all(line)
    }

    /// Flushes `out`.
    ///
    /// # Errors
    /// The error of `out`.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn push_decimal(value: u64, text: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    let mut rest = value;
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[first..]);
}
