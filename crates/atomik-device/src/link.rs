//! One request, one reply, with retries.
//!
//! Only one request is outstanding at a time. It is sent again if the board could not read it, if
//! its reply was damaged, and on a timeout. Retries are safe because the board remembers the number
//! of its last batch and answers a repeated batch from memory, without executing it again. Frames
//! that do not answer the request, such as the second reply to a request that was sent twice, are
//! skipped: a reply has the kind, the number and, unless it describes the board, the epoch of its
//! request. Replies arrive in the order of the requests. After the link has given up on a batch,
//! its number must not be used for another one in the same session: the reply may still come.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::frame::{Decoder, Frame, MAX_WIRE, PayloadTooLong};
use crate::line::Line;
use crate::message::{ERROR, Refusal, RequestKind};

/// When a [`Link`] retries, and when it gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How long to wait for a reply.
    pub timeout: Duration,
    /// How often a request is sent before the link gives up; at least once.
    pub attempts: u32,
}

impl RetryPolicy {
    /// The policy for a line of `baud` bits per second. The timeout is the time that the longest
    /// request and the longest reply spend on the line, plus a quarter of a second for buffers and
    /// for USB, which adds some milliseconds each way.
    #[must_use]
    pub fn for_baud(baud: u32) -> Self {
        let bits = 2 * 10 * MAX_WIRE as u32;
        Self {
            timeout: Duration::from_millis(250) + Duration::from_secs(1) * bits / baud.max(1),
            attempts: 8,
        }
    }
}

/// Statistics of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests.
    pub requests: u64,
    /// Times that a request was sent again.
    pub retries: u64,
    /// Damaged frames from the board, and garbage.
    pub damaged: u64,
    /// Frames that the board reported as unreadable.
    pub unreadable: u64,
    /// Waits that timed out.
    pub timeouts: u64,
    /// Intact frames that did not answer the request.
    pub stale: u64,
}

/// Why there is no reply.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The line failed.
    #[error("the line to the board failed: {0}; is the board still plugged in?")]
    Line(#[from] io::Error),
    /// The board did not reply.
    #[error(
        "no reply from the board to {attempts} requests ({symptom}); check that its bitstream is \
         loaded and its ready LED is on, that this port is its UART, and that --baud matches the \
         bitstream"
    )]
    NoReply {
        /// How often the request was sent.
        attempts: u32,
        /// What the board sent instead.
        symptom: Symptom,
    },
    /// The request does not fit into a frame.
    #[error(transparent)]
    PayloadTooLong(#[from] PayloadTooLong),
}

/// What a board sent instead of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Symptom {
    /// Nothing.
    #[error("it is silent")]
    Silence,
    /// Bytes that are not frames.
    #[error("it sends garbage")]
    Garbage,
    /// Reports that it could not read the request.
    #[error("it reports that it cannot read them")]
    Unreadable,
    /// Frames that do not answer the request.
    #[error("it answers something else")]
    Unrelated,
}

/// The reply of a board to a request that it could read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The request was carried out.
    Done(Frame),
    /// The request was refused.
    Refused {
        /// Why.
        refusal: Refusal,
        /// The session of the board; 0 for none.
        epoch: u32,
    },
}

/// The host's end of a line to a board.
#[derive(Debug)]
pub struct Link<L> {
    line: L,
    policy: RetryPolicy,
    decoder: Decoder,
    /// Received and not decoded.
    pending: VecDeque<u8>,
    counters: Counters,
}

impl<L: Line> Link<L> {
    /// A link over `line`. Discards whatever the line has already received.
    ///
    /// # Errors
    /// If the line fails.
    pub fn new(mut line: L, policy: RetryPolicy) -> io::Result<Self> {
        line.discard()?;
        Ok(Self {
            line,
            policy,
            decoder: Decoder::default(),
            pending: VecDeque::new(),
            counters: Counters::default(),
        })
    }

    /// The statistics so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The line.
    pub fn line_mut(&mut self) -> &mut L {
        &mut self.line
    }

    /// Sends `request` and returns its reply. Retries as the policy says.
    ///
    /// # Errors
    /// If the line fails, or if there is no reply after the last attempt.
    pub fn exchange(&mut self, kind: RequestKind, request: &Frame) -> Result<Reply, LinkError> {
        let wire = request.to_wire()?;
        let attempts = self.policy.attempts.max(1);
        let mut symptom = Symptom::Silence;
        self.counters.requests += 1;
        for attempt in 0..attempts {
            self.counters.retries += u64::from(attempt > 0);
            self.line.send(&wire)?;
            if let Some(reply) = self.wait(kind, request, &mut symptom)? {
                return Ok(reply);
            }
        }
        Err(LinkError::NoReply { attempts, symptom })
    }

    /// Waits for the reply to the request just sent. `None` means that it must be sent again.
    fn wait(
        &mut self,
        kind: RequestKind,
        request: &Frame,
        symptom: &mut Symptom,
    ) -> Result<Option<Reply>, LinkError> {
        let mut deadline = self.line.now() + self.policy.timeout;
        // A damaged frame may have been the reply, or garbage before it: wait a little longer.
        let short = self.policy.timeout / 4;
        let mut damaged = false;
        loop {
            let Some(byte) = self.next_byte(deadline)? else {
                self.counters.timeouts += u64::from(!damaged);
                return Ok(None);
            };
            let frame = match self.decoder.push(byte) {
                None => continue,
                Some(Ok(frame)) => frame,
                Some(Err(_)) => {
                    self.counters.damaged += 1;
                    *symptom = Symptom::Garbage;
                    damaged = true;
                    deadline = deadline.min(self.line.now() + short);
                    continue;
                }
            };
            // The reply to an info request has the epoch of the board, not that of the request.
            let session = kind == RequestKind::Info || frame.epoch == request.epoch;
            if frame.kind == kind.reply() && frame.number == request.number && session {
                return Ok(Some(Reply::Done(frame)));
            }
            if let (ERROR, &[code, detail]) = (frame.kind, &frame.payload[..]) {
                let refusal = Refusal::from_code(code, detail);
                if refusal.is_unreadable() {
                    self.counters.unreadable += 1;
                    *symptom = Symptom::Unreadable;
                    damaged = true;
                    deadline = deadline.min(self.line.now() + short);
                    continue;
                }
                if frame.number == request.number {
                    let epoch = frame.epoch;
                    return Ok(Some(Reply::Refused { refusal, epoch }));
                }
            }
            self.counters.stale += 1;
            *symptom = Symptom::Unrelated;
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
