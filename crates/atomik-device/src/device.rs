//! A board: its session, its batches, running traces on it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

use atomik_algebra::Op;
use atomik_trace::{Command, Data, Geometry, Layout, Response, Trace};
use thiserror::Error;

use crate::frame::Frame;
use crate::layout::{layout_of, ones};
use crate::line::Line;
use crate::link::{Counters, Link, LinkError, Reply, RetryPolicy};
use crate::message::{Batch, Info, ProtocolError, RECORD_BYTES, Refusal, RequestKind};

/// Why a request to a board failed.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// There was no reply.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// There was no reply to a batch.
    #[error(
        "{source}; the last {pending} commands may or may not have been executed, so the contents \
         of the register file are uncertain: start over with a reset"
    )]
    Unacknowledged {
        /// Why there was no reply.
        source: LinkError,
        /// Commands of the batch.
        pending: u64,
    },
    /// The reply breaks the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The board was reset and has lost the session, with everything accumulated in it.
    #[error(
        "the board was reset, and everything accumulated on it is lost: {acknowledged} commands of \
         this session had been acknowledged, {pending} more were pending; start over with a reset"
    )]
    BoardReset {
        /// Commands that the board acknowledged since this host began or resumed the session.
        acknowledged: u64,
        /// Commands of the batch that was not acknowledged. Executed or not, their effect is lost.
        pending: u64,
    },
    /// Another host has begun its own session.
    #[error(
        "another program has begun a session on this board; use the board from one program only, \
         and start over with a reset"
    )]
    Taken,
    /// Another host uses this session.
    #[error(
        "the board expects batch {expected} instead of {sent}: another program uses this session; \
         use the board from one program only, and start over with a reset"
    )]
    Shared {
        /// The number of the batch sent.
        sent: u8,
        /// The number that the board expects.
        expected: u8,
    },
    /// No session has begun since the board was reset, or the last one ended with an error.
    #[error("there is no session that can be continued on the board; begin one with a reset")]
    NoSession,
    /// The board refuses a request as invalid.
    #[error(
        "the board refuses a request: {0}; load a bitstream of the same version as this program"
    )]
    Refused(Refusal),
    /// The trace is for another register file.
    #[error(
        "the trace was checked for {} x {} with {} lanes, but the board has {} x {} with {} lanes; \
         check it for the board's register file",
        trace.depth(), trace.layout(), trace.lanes(), board.depth(), board.layout(), board.lanes()
    )]
    Geometry {
        /// The register file of the trace.
        trace: Box<Geometry>,
        /// The register file of the board.
        board: Box<Geometry>,
    },
    /// The board's words have another width than the layout that was stated.
    #[error(
        "the fields {layout} have {} bits together, but the board's words have {width}: state the \
         layout of the register file in the board's bitstream",
        layout.width()
    )]
    LayoutWidth {
        /// The layout.
        layout: Box<Layout>,
        /// The width of the board's words.
        width: u32,
    },
    /// The board combines words in another way than was stated.
    #[error(
        "the board's words are {found}, not {stated}: run with --layout {found}, or load a \
         bitstream with a register file of {stated}"
    )]
    Layout {
        /// The layout that was stated.
        stated: Box<Layout>,
        /// The layout that the board has.
        found: Box<Layout>,
    },
    /// The board combines words as no layout does.
    #[error("the board combines words in an unknown way; load its bitstream again")]
    NoLayout,
}

/// Statistics of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunStats {
    /// Commands executed.
    pub commands: u64,
    /// Batches sent.
    pub batches: u64,
    /// Cycles of the board's clock in which commands were issued.
    pub issue_cycles: u64,
    /// Cycles of the board's clock from the first command of each batch to its end, as counted by
    /// the board.
    pub board_cycles: u64,
}

/// A connected board.
#[derive(Debug)]
pub struct Device<L> {
    link: Link<L>,
    info: Info,
    /// The session; 0 for none that can be continued.
    epoch: u32,
    /// The number of the next batch.
    number: u8,
    /// The number of the last request other than a batch. Consecutive ones differ.
    token: u8,
    acknowledged: u64,
}

impl<L: Line> Device<L> {
    /// Connects to the board at the other end of `line` and asks for its description. This changes
    /// nothing on the board.
    ///
    /// # Errors
    /// If there is no reply, or if the other end is not a board of this protocol version.
    pub fn connect(line: L, policy: RetryPolicy) -> Result<Self, DeviceError> {
        let mut link = Link::new(line, policy).map_err(LinkError::Line)?;
        let mut token = random() as u8;
        let info = ask(&mut link, &mut token)?;
        Ok(Self {
            link,
            info,
            epoch: info.epoch,
            number: info.next_number,
            token,
            acknowledged: 0,
        })
    }

    /// The board's latest description of itself.
    pub fn info(&self) -> Info {
        self.info
    }

    /// States the layout of the board's words, which its description does not contain. Unless it is
    /// stated, words xor. [`Device::check_layout`] shows whether it is right.
    ///
    /// # Errors
    /// If the board's words have another width.
    pub fn set_layout(&mut self, layout: Layout) -> Result<(), DeviceError> {
        let geometry = self.info.geometry;
        if layout.width() != geometry.width() {
            return Err(DeviceError::LayoutWidth {
                layout: Box::new(layout),
                width: geometry.width(),
            });
        }
        self.info.geometry = Geometry::with_layout(layout, geometry.depth(), geometry.lanes())
            .map_err(ProtocolError::from)?;
        Ok(())
    }

    /// The statistics of the line so far.
    pub fn counters(&self) -> Counters {
        self.link.counters()
    }

    /// Whether there is a session, so that [`Device::execute`] can continue with the accumulated
    /// state.
    pub fn has_session(&self) -> bool {
        self.epoch != 0
    }

    /// The line to the board.
    pub fn line_mut(&mut self) -> &mut L {
        self.link.line_mut()
    }

    /// Clears the register file and begins a new session.
    ///
    /// # Errors
    /// If there is no reply. There is then no session until a reset succeeds.
    pub fn reset(&mut self) -> Result<(), DeviceError> {
        let previous = std::mem::take(&mut self.epoch);
        let epoch = std::iter::repeat_with(|| random() as u32)
            .find(|&epoch| epoch != 0 && epoch != previous)
            .unwrap_or(1);
        let request = Frame {
            kind: RequestKind::Reset as u8,
            number: next_token(&mut self.token),
            epoch,
            payload: Vec::new(),
        };
        match self.link.exchange(RequestKind::Reset, &request)? {
            Reply::Done(_) => {
                self.epoch = epoch;
                self.number = 0;
                self.acknowledged = 0;
                Ok(())
            }
            Reply::Refused { refusal, .. } => Err(DeviceError::Refused(refusal)),
        }
    }

    /// Checks that the board combines words as the layout says, by adding two words of ones at
    /// address 0, which is zero afterwards. Call it after [`Device::reset`].
    ///
    /// # Errors
    /// If it combines them in another way; the session is over then. Those of [`Device::execute`].
    pub fn check_layout(&mut self) -> Result<(), DeviceError> {
        let stated = self.info.geometry.layout();
        let ones = ones(stated.width());
        let command = |op, data| Command {
            cycle: 0,
            lane: 0,
            op,
            addr: 0,
            data,
        };
        let mut sum = Data::ZERO;
        let mut batch = Batch::new(self.info);
        for command in [
            command(Op::Accum, ones),
            command(Op::Accum, ones),
            command(Op::Delta, Data::ZERO),
            command(Op::Load, Data::ZERO),
        ] {
            // A batch of one command: every board has room for that.
            batch.clear();
            batch.push(&[command]);
            let (_, responses) = self.execute(&batch)?;
            if let Some(response) = responses.first() {
                sum = response.data;
            }
        }
        self.acknowledged = 0;
        if sum == ones.combined(&ones, &stated) {
            return Ok(());
        }
        self.epoch = 0;
        Err(match layout_of(&sum, stated.width()) {
            Some(found) => DeviceError::Layout {
                stated: Box::new(stated),
                found: Box::new(found),
            },
            None => DeviceError::NoLayout,
        })
    }

    /// Executes a batch exactly once. Returns the clock cycles it took on the board, and its
    /// responses. An empty batch does nothing.
    ///
    /// Any error ends the session: until [`Device::reset`] begins another, nothing more is sent,
    /// and [`Device::has_session`] is false. A reply that comes after the link has given up is
    /// therefore never taken for the reply to another batch: it has the epoch of a session that is
    /// over.
    ///
    /// # Errors
    /// If the board was reset since the session began; nothing is executed then. If there is no
    /// reply; the batch may or may not have been executed.
    pub fn execute(&mut self, batch: &Batch) -> Result<(u16, Vec<Response>), DeviceError> {
        if batch.commands() == 0 {
            return Ok((0, Vec::new()));
        }
        let pending = batch.commands();
        let epoch = std::mem::take(&mut self.epoch);
        if epoch == 0 {
            return Err(DeviceError::NoSession);
        }
        let sent = self.number;
        let request = Frame {
            kind: RequestKind::Batch as u8,
            number: sent,
            epoch,
            payload: batch.payload().to_vec(),
        };
        let reply = self
            .link
            .exchange(RequestKind::Batch, &request)
            .map_err(|source| DeviceError::Unacknowledged { source, pending })?;
        let refusal = match reply {
            Reply::Done(frame) => {
                let reply = batch.read_reply(&frame)?;
                self.epoch = epoch;
                self.number = sent.wrapping_add(1);
                self.acknowledged += pending;
                return Ok(reply);
            }
            Reply::Refused { refusal, epoch } => (refusal, epoch),
        };
        Err(match refusal {
            (Refusal::Epoch, 0) => DeviceError::BoardReset {
                acknowledged: self.acknowledged,
                pending,
            },
            (Refusal::Epoch, _) => DeviceError::Taken,
            (Refusal::Sequence(expected), _) => DeviceError::Shared { sent, expected },
            (refusal, _) => DeviceError::Refused(refusal),
        })
    }

    /// Runs `trace` in the current session and passes each response to `sink`, in order.
    ///
    /// The commands of one cycle of the trace are issued in one cycle of the board's clock, and the
    /// cycles of a batch back to back. Between batches the board is idle, which changes no
    /// response.
    ///
    /// # Errors
    /// As [`Device::execute`], and those of reading the trace and of `sink`.
    pub fn run<E: From<DeviceError> + From<atomik_trace::Error>>(
        &mut self,
        trace: &mut Trace,
        mut sink: impl FnMut(&Response) -> Result<(), E>,
    ) -> Result<RunStats, E> {
        if trace.geometry() != self.info.geometry {
            return Err(E::from(DeviceError::Geometry {
                trace: Box::new(trace.geometry()),
                board: Box::new(self.info.geometry),
            }));
        }
        let mut stats = RunStats::default();
        let mut batch = Batch::new(self.info);
        let mut cycles = trace.cycles()?;
        while let Some(commands) = cycles.next_cycle()? {
            for piece in pieces(commands, self.info) {
                if !batch.push(piece) {
                    self.flush(&mut batch, &mut stats, &mut sink)?;
                    batch.push(piece);
                }
            }
        }
        self.flush(&mut batch, &mut stats, &mut sink)?;
        Ok(stats)
    }

    fn flush<E: From<DeviceError>>(
        &mut self,
        batch: &mut Batch,
        stats: &mut RunStats,
        sink: &mut impl FnMut(&Response) -> Result<(), E>,
    ) -> Result<(), E> {
        let (cycles, responses) = self.execute(batch)?;
        stats.commands += batch.commands();
        stats.batches += u64::from(batch.commands() > 0);
        stats.issue_cycles += u64::from(batch.cycles());
        stats.board_cycles += u64::from(cycles);
        batch.clear();
        responses.iter().try_for_each(sink)
    }
}

/// Splits the commands of one cycle into pieces that fit into a batch. The commands are ordered by
/// lane, which is the order in which they take effect, so issuing the pieces in consecutive cycles
/// gives the same result.
fn pieces(commands: &[Command], info: Info) -> impl Iterator<Item = &[Command]> {
    let longest = RECORD_BYTES + info.data_bytes();
    commands.chunks((usize::from(info.max_payload) / longest).max(1))
}

fn ask<L: Line>(link: &mut Link<L>, token: &mut u8) -> Result<Info, DeviceError> {
    let request = Frame {
        kind: RequestKind::Info as u8,
        number: next_token(token),
        epoch: 0,
        payload: Vec::new(),
    };
    match link.exchange(RequestKind::Info, &request)? {
        Reply::Done(frame) => Ok(Info::from_frame(&frame)?),
        Reply::Refused { refusal, .. } => Err(DeviceError::Refused(refusal)),
    }
}

fn next_token(token: &mut u8) -> u8 {
    *token = token.wrapping_add(1);
    *token
}

/// A number that is almost certainly different for each call, process and machine: the standard
/// library draws random keys for its hash maps.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
