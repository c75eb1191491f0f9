//! A board: its session, its batches, traces on it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

use atomik_trace::{Command, Geometry, Response, Trace};
use thiserror::Error;

use crate::frame::Frame;
use crate::line::Line;
use crate::link::{Answer, Counters, Link, LinkError, Patience};
use crate::message::{Batch, Info, Kind, Nonsense, Refusal};

/// Why a board did not do what it was asked to.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// No reply.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A reply that makes no sense.
    #[error(transparent)]
    Nonsense(#[from] Nonsense),
    /// The board has lost the session, and with it everything that was accumulated.
    #[error(
        "the board was reset: what had been accumulated is gone. {acknowledged} commands of this session had been \
         answered, {pending} more were on their way. Begin again from a reset"
    )]
    BoardReset {
        /// Commands that the board has confirmed since the session was begun or taken up.
        acknowledged: u64,
        /// Commands of the batch that was not confirmed: executed or not, their effect is gone.
        pending: u64,
    },
    /// Another host has begun a session of its own.
    #[error(
        "another program has begun a session on this board; let only one use it, and begin again from a reset"
    )]
    Taken,
    /// Another host uses the session.
    #[error(
        "the board expects batch {expected} and not {sent}, so another program uses this session; let only one use \
         it, and begin again from a reset"
    )]
    Shared {
        /// The number of the batch.
        sent: u8,
        /// The number that the board expects.
        expected: u8,
    },
    /// There is no session: the board was reset, and nobody has begun one.
    #[error("there is no session on the board; begin one with a reset")]
    NoSession,
    /// The board refuses what no host should ask for.
    #[error(
        "the board refuses a request: {0}; is its bitstream that of another version of the project?"
    )]
    Refused(Refusal),
    /// The trace is for another register file.
    #[error(
        "the trace was checked for {} x {} with {} lanes, but the board has {} x {} with {}",
        trace.width(), trace.depth(), trace.lanes(), board.width(), board.depth(), board.lanes()
    )]
    Geometry {
        /// The register file of the trace.
        trace: Geometry,
        /// That of the board.
        board: Geometry,
    },
}

/// What a run took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Commands executed.
    pub commands: u64,
    /// Batches that they came in.
    pub batches: u64,
    /// Cycles of the board's clock in which commands were issued.
    pub issue_cycles: u64,
    /// Cycles of the board's clock from the first command of each batch to its end, as the board
    /// has counted them.
    pub board_cycles: u64,
}

/// A board that has answered.
#[derive(Debug)]
pub struct Device<L> {
    link: Link<L>,
    info: Info,
    /// The session; 0 for none.
    epoch: u32,
    /// The number of the next batch.
    number: u8,
    /// The number of the next request that is no batch; it differs from that of the one before.
    token: u8,
    acknowledged: u64,
}

impl<L: Line> Device<L> {
    /// Asks the board at the end of `line` what it is. This changes nothing on the board.
    ///
    /// # Errors
    /// When nobody answers, or something that is no board of this version.
    pub fn connect(line: L, patience: Patience) -> Result<Self, DeviceError> {
        let mut link = Link::new(line, patience).map_err(LinkError::Line)?;
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

    /// What the board said about itself when it was last asked.
    pub fn info(&self) -> Info {
        self.info
    }

    /// Asks the board again what it is.
    ///
    /// # Errors
    /// When nobody answers, or something that is no board of this version.
    pub fn refresh(&mut self) -> Result<Info, DeviceError> {
        self.info = ask(&mut self.link, &mut self.token)?;
        Ok(self.info)
    }

    /// What has been seen on the line so far.
    pub fn counters(&self) -> Counters {
        self.link.counters()
    }

    /// Whether there is a session: whether [`Device::execute`] can go on from what has been
    /// accumulated.
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
    /// When nobody answers.
    pub fn reset(&mut self) -> Result<(), DeviceError> {
        let epoch = std::iter::repeat_with(|| random() as u32)
            .find(|&epoch| epoch != 0 && epoch != self.epoch)
            .unwrap_or(1);
        let request = Frame {
            kind: Kind::Reset as u8,
            number: next_token(&mut self.token),
            epoch,
            payload: Vec::new(),
        };
        match self.link.exchange(Kind::Reset, &request)? {
            Answer::Done(_) => {
                self.epoch = epoch;
                self.number = 0;
                self.acknowledged = 0;
                Ok(())
            }
            Answer::Refused { refusal, .. } => Err(DeviceError::Refused(refusal)),
        }
    }

    /// Executes a batch, once, and returns the clock cycles that it took and its responses. An
    /// empty batch does nothing.
    ///
    /// # Errors
    /// When the board was reset since the session was begun: nothing is executed then. When nobody
    /// answers: the batch may have been executed or not, and the session is not to be gone on with.
    pub fn execute(&mut self, batch: &Batch) -> Result<(u16, Vec<Response>), DeviceError> {
        if batch.commands() == 0 {
            return Ok((0, Vec::new()));
        }
        if self.epoch == 0 {
            return Err(DeviceError::NoSession);
        }
        let request = Frame {
            kind: Kind::Batch as u8,
            number: self.number,
            epoch: self.epoch,
            payload: batch.payload().to_vec(),
        };
        match self.link.exchange(Kind::Batch, &request)? {
            Answer::Done(frame) if frame.epoch == self.epoch => {
                let reply = batch.read_reply(&frame)?;
                self.number = self.number.wrapping_add(1);
                self.acknowledged += batch.commands();
                Ok(reply)
            }
            Answer::Done(Frame { epoch, .. })
            | Answer::Refused {
                refusal: Refusal::Epoch,
                epoch,
            } => {
                self.epoch = 0;
                match epoch {
                    0 => Err(DeviceError::BoardReset {
                        acknowledged: self.acknowledged,
                        pending: batch.commands(),
                    }),
                    _ => Err(DeviceError::Taken),
                }
            }
            Answer::Refused { refusal, .. } => {
                let sent = self.number;
                // What is on its way belongs to this session; nothing of it must be taken for
                // something else.
                self.epoch = 0;
                match refusal {
                    Refusal::Sequence(expected) => Err(DeviceError::Shared { sent, expected }),
                    refusal => Err(DeviceError::Refused(refusal)),
                }
            }
        }
    }

    /// Runs `trace` in the session as it is, and hands each response to `sink`, in order.
    ///
    /// Commands of one cycle of the trace are issued in one cycle of the board's clock, and the
    /// cycles of a batch one after the other; between batches the board is idle, which changes no
    /// response.
    ///
    /// # Errors
    /// As [`Device::execute`], those of reading the trace, and those of `sink`.
    pub fn run<E: From<DeviceError> + From<atomik_trace::Error>>(
        &mut self,
        trace: &mut Trace,
        mut sink: impl FnMut(&Response) -> Result<(), E>,
    ) -> Result<Work, E> {
        if trace.geometry() != self.info.geometry {
            return Err(E::from(DeviceError::Geometry {
                trace: trace.geometry(),
                board: self.info.geometry,
            }));
        }
        let mut work = Work::default();
        let mut batch = Batch::new(self.info);
        let mut cycles = trace.cycles()?;
        while let Some(commands) = cycles.next_cycle()? {
            for part in parts(commands, self.info) {
                if !batch.push(part) {
                    self.flush(&mut batch, &mut work, &mut sink)?;
                    batch.push(part);
                }
            }
        }
        self.flush(&mut batch, &mut work, &mut sink)?;
        Ok(work)
    }

    fn flush<E: From<DeviceError>>(
        &mut self,
        batch: &mut Batch,
        work: &mut Work,
        sink: &mut impl FnMut(&Response) -> Result<(), E>,
    ) -> Result<(), E> {
        let (cycles, responses) = self.execute(batch)?;
        work.commands += batch.commands();
        work.batches += u64::from(batch.commands() > 0);
        work.issue_cycles += u64::from(batch.cycles());
        work.board_cycles += u64::from(cycles);
        batch.clear();
        responses.iter().try_for_each(sink)
    }
}

/// The commands of one cycle, in pieces that fit into a batch. They are in the order of their
/// lanes, which is that in which they take effect, so that pieces that are issued one after the
/// other do the same.
fn parts(commands: &[Command], info: Info) -> impl Iterator<Item = &[Command]> {
    let longest = crate::message::RECORD_BYTES + info.data_bytes();
    commands.chunks((usize::from(info.max_payload) / longest).max(1))
}

fn ask<L: Line>(link: &mut Link<L>, token: &mut u8) -> Result<Info, DeviceError> {
    let request = Frame {
        kind: Kind::Info as u8,
        number: next_token(token),
        epoch: 0,
        payload: Vec::new(),
    };
    match link.exchange(Kind::Info, &request)? {
        Answer::Done(frame) => Ok(Info::from_frame(&frame)?),
        Answer::Refused { refusal, .. } => Err(DeviceError::Refused(refusal)),
    }
}

fn next_token(token: &mut u8) -> u8 {
    *token = token.wrapping_add(1);
    *token
}

/// A number that another call, another process or another machine hardly ever gets: the keys that
/// the standard library draws for its hash maps.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
