//! One request, one reply: repeated until it arrives.
//!
//! There is one request at a time. It is sent again when the board could not read it, when its
//! reply was damaged, and when nothing comes. That is safe because the board keeps the number of
//! the last batch: a batch that comes a second time is answered from memory. Frames that answer
//! something else, such as the second reply to a request that was sent twice without need, are
//! passed over.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::frame::{Decoder, Frame, MAX_WIRE, TooLong};
use crate::line::Line;
use crate::message::{ERROR, Kind, Refusal};

/// How patient a [`Link`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long a reply may take.
    pub timeout: Duration,
    /// How often a request is sent before the link gives up; at least once.
    pub attempts: u32,
}

impl Patience {
    /// For a line of `baud` bits per second: the time that the longest request and the longest
    /// reply spend on the line, and a quarter of a second for buffers and for USB, whose latency is
    /// some milliseconds each way.
    #[must_use]
    pub fn for_baud(baud: u32) -> Self {
        let bits = 2 * 10 * MAX_WIRE as u32;
        Self {
            timeout: Duration::from_millis(250) + Duration::from_secs(1) * bits / baud.max(1),
            attempts: 8,
        }
    }
}

/// What a link has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests.
    pub requests: u64,
    /// Requests that were sent again, each time counted.
    pub repeats: u64,
    /// Frames from the board that were damaged, or garbage.
    pub damaged: u64,
    /// Times that the board said that it could not read a frame.
    pub unread: u64,
    /// Waits that ended without a reply.
    pub silences: u64,
    /// Whole frames that answered something else.
    pub stale: u64,
}

/// Why there is no reply.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The line fails.
    #[error("the line to the board fails: {0}; is it still plugged in?")]
    Line(#[from] io::Error),
    /// Nothing came that was a reply.
    #[error(
        "no reply from the board to {attempts} requests ({heard}); check that its bitstream is loaded and its ready \
         light on, that this port is its UART, and that --baud is what the bitstream was built for"
    )]
    NoReply {
        /// How often the request was sent.
        attempts: u32,
        /// What came instead.
        heard: Heard,
    },
    /// The request does not fit into a frame.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// What came instead of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Heard {
    /// Nothing.
    #[error("it is silent")]
    Nothing,
    /// Bytes that are no frames.
    #[error("what comes is garbage")]
    Garbage,
    /// The board says that it cannot read what is sent.
    #[error("it answers that it cannot read them")]
    Unread,
    /// Frames that answer something else.
    #[error("it answers something else")]
    Other,
}

/// What a board answers to a request that it could read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It did what was asked.
    Done(Frame),
    /// It did not, and says why; the epoch is that of the board.
    Refused {
        /// Why.
        refusal: Refusal,
        /// The session that the board is in; 0 for none.
        epoch: u32,
    },
}

/// One end of a line, with a board at the other.
#[derive(Debug)]
pub struct Link<L> {
    line: L,
    patience: Patience,
    decoder: Decoder,
    /// Received and not decoded.
    pending: VecDeque<u8>,
    counters: Counters,
}

impl<L: Line> Link<L> {
    /// A link over `line`. What has come before is thrown away.
    ///
    /// # Errors
    /// What the line says.
    pub fn new(mut line: L, patience: Patience) -> io::Result<Self> {
        line.discard()?;
        Ok(Self {
            line,
            patience,
            decoder: Decoder::default(),
            pending: VecDeque::new(),
            counters: Counters::default(),
        })
    }

    /// What it has seen so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The line.
    pub fn line_mut(&mut self) -> &mut L {
        &mut self.line
    }

    /// Sends `request`, as often as it takes, and returns the reply to it.
    ///
    /// # Errors
    /// When the line fails, or when no reply comes however often the request is sent.
    pub fn exchange(&mut self, kind: Kind, request: &Frame) -> Result<Answer, LinkError> {
        let wire = request.to_wire()?;
        let attempts = self.patience.attempts.max(1);
        let mut heard = Heard::Nothing;
        self.counters.requests += 1;
        for attempt in 0..attempts {
            self.counters.repeats += u64::from(attempt > 0);
            self.line.send(&wire)?;
            if let Some(answer) = self.wait(kind, request, &mut heard)? {
                return Ok(answer);
            }
        }
        Err(LinkError::NoReply { attempts, heard })
    }

    /// Waits for the reply to what was just sent; `None` says that it must be sent again.
    fn wait(
        &mut self,
        kind: Kind,
        request: &Frame,
        heard: &mut Heard,
    ) -> Result<Option<Answer>, LinkError> {
        let mut deadline = self.line.now() + self.patience.timeout;
        // After a damaged frame the reply may still come, if what was damaged came before it; a
        // short wait tells.
        let short = self.patience.timeout / 4;
        let mut damaged = false;
        loop {
            let Some(byte) = self.next_byte(deadline)? else {
                self.counters.silences += u64::from(!damaged);
                return Ok(None);
            };
            let frame = match self.decoder.push(byte) {
                None => continue,
                Some(Ok(frame)) => frame,
                Some(Err(_)) => {
                    self.counters.damaged += 1;
                    *heard = Heard::Garbage;
                    damaged = true;
                    deadline = deadline.min(self.line.now() + short);
                    continue;
                }
            };
            if frame.kind == kind.reply() && frame.number == request.number {
                return Ok(Some(Answer::Done(frame)));
            }
            if let (ERROR, &[code, detail]) = (frame.kind, &frame.payload[..]) {
                let refusal = Refusal::from_code(code, detail);
                if refusal.is_damage() {
                    self.counters.unread += 1;
                    *heard = Heard::Unread;
                    damaged = true;
                    deadline = deadline.min(self.line.now() + short);
                    continue;
                }
                if frame.number == request.number {
                    let epoch = frame.epoch;
                    return Ok(Some(Answer::Refused { refusal, epoch }));
                }
            }
            self.counters.stale += 1;
            *heard = Heard::Other;
        }
    }

    fn next_byte(&mut self, deadline: Duration) -> io::Result<Option<u8>> {
        loop {
            if let Some(byte) = self.pending.pop_front() {
                return Ok(Some(byte));
            }
            let now = self.line.now();
            if now >= deadline {
                return Ok(None);
            }
            let mut buffer = [0; 512];
            let count = self.line.receive(&mut buffer, deadline - now)?;
            self.pending.extend(&buffer[..count]);
        }
    }
}
