//! A session ends when it is not certain what the board executed.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use atomik_algebra::Op;
use atomik_device::device::{Device, DeviceError};
use atomik_device::frame::{Decoder, Frame};
use atomik_device::line::Line;
use atomik_device::link::{LinkError, RetryPolicy};
use atomik_device::message::{Batch, ERROR, RequestKind};
use atomik_trace::{Command, Data};

const POLICY: RetryPolicy = RetryPolicy {
    timeout: Duration::from_millis(100),
    attempts: 3,
};

/// A board with a line that delivers each reply `delay` after its request, in order. It keeps a
/// session as `docs/board.md` says, and the payloads that it executed; every batch is valid for it
/// and has no response.
#[derive(Default)]
struct Board {
    now: Duration,
    delay: Duration,
    decoder: Decoder,
    coming: VecDeque<(Duration, Vec<u8>)>,
    epoch: u32,
    next: u8,
    last: Option<Vec<u8>>,
    executed: Vec<Vec<u8>>,
    /// Bytes that are added to the replies to batches.
    surplus: Vec<u8>,
}

impl Board {
    fn answer(&mut self, request: &Frame) -> Frame {
        let (kind, payload) = match request.kind {
            kind if kind == RequestKind::Info as u8 => {
                let info = vec![1, 64, 0, 0, 2, 4, 242, 16, 5, self.next, 0, 0];
                (RequestKind::Info.reply(), info)
            }
            kind if kind == RequestKind::Reset as u8 => {
                if request.epoch != self.epoch {
                    (self.epoch, self.next, self.last) = (request.epoch, 0, None);
                }
                (RequestKind::Reset.reply(), vec![])
            }
            _ if request.epoch != self.epoch => (ERROR, vec![0x12, 0]),
            _ => {
                let done = [&[1, 0], &self.surplus[..]].concat();
                let repeated = request.number == self.next.wrapping_sub(1)
                    && self.last.as_ref() == Some(&request.payload);
                if repeated {
                    (RequestKind::Batch.reply(), done)
                } else if request.number == self.next {
                    self.next = self.next.wrapping_add(1);
                    self.last = Some(request.payload.clone());
                    self.executed.push(request.payload.clone());
                    (RequestKind::Batch.reply(), done)
                } else {
                    (ERROR, vec![0x13, self.next])
                }
            }
        };
        Frame {
            kind,
            number: request.number,
            epoch: self.epoch,
            payload,
        }
    }
}

impl Line for Board {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for &byte in bytes {
            if let Some(Ok(request)) = self.decoder.push(byte) {
                let reply = self.answer(&request).to_wire().unwrap();
                self.coming.push_back((self.now + self.delay, reply));
            }
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize> {
        match self.coming.front() {
            Some(&(at, _)) if at <= self.now + wait => {
                self.now = self.now.max(at);
                let (_, reply) = self.coming.pop_front().unwrap_or_default();
                buffer[..reply.len()].copy_from_slice(&reply);
                Ok(reply.len())
            }
            _ => {
                self.now += wait;
                Ok(0)
            }
        }
    }

    fn discard(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn now(&self) -> Duration {
        self.now
    }
}

fn session() -> Device<Board> {
    let mut device = Device::connect(Board::default(), POLICY).unwrap();
    device.reset().unwrap();
    device
}

fn batch(device: &Device<Board>, addr: usize) -> Batch {
    let mut batch = Batch::new(device.info());
    let command = Command {
        cycle: 0,
        lane: 0,
        op: Op::Accum,
        addr,
        data: Data::ZERO,
    };
    assert!(batch.push(&[command]));
    batch
}

#[test]
fn a_late_reply_to_one_batch_is_not_taken_for_the_reply_to_the_next() {
    let mut device = session();
    let [first, second, third] = [1, 2, 3].map(|addr| batch(&device, addr));
    // All three copies of the first batch time out; their replies arrive during the next exchange.
    device.line_mut().delay = POLICY.timeout * 7 / 2;
    let error = device.execute(&first).unwrap_err();
    assert!(
        matches!(
            error,
            DeviceError::Unacknowledged {
                source: LinkError::NoReply { attempts: 3, .. },
                pending: 1
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("reset"), "{error}");

    device.line_mut().delay = Duration::ZERO;
    let error = device.execute(&second).unwrap_err();
    assert!(matches!(error, DeviceError::NoSession), "{error}");
    assert!(!device.has_session());

    // A reset begins a session that the late replies do not disturb.
    device.reset().unwrap();
    device.execute(&third).unwrap();
    let executed = [first, third].map(|batch| batch.payload().to_vec());
    assert_eq!(device.line_mut().executed, executed);
}

#[test]
fn a_reset_without_a_reply_ends_the_session() {
    let mut device = session();
    let only = batch(&device, 1);
    device.line_mut().delay = POLICY.timeout * 10;
    let error = device.reset().unwrap_err();
    assert!(matches!(error, DeviceError::Link(_)), "{error}");
    device.line_mut().delay = Duration::ZERO;
    let error = device.execute(&only).unwrap_err();
    assert!(matches!(error, DeviceError::NoSession), "{error}");
}

#[test]
fn a_reply_of_the_wrong_length_ends_the_session() {
    let mut device = session();
    let [first, second] = [1, 2].map(|addr| batch(&device, addr));
    device.line_mut().surplus = vec![0];
    let error = device.execute(&first).unwrap_err();
    assert!(matches!(error, DeviceError::Protocol(_)), "{error}");
    device.line_mut().surplus.clear();
    let error = device.execute(&second).unwrap_err();
    assert!(matches!(error, DeviceError::NoSession), "{error}");
    assert_eq!(device.line_mut().executed, [first.payload().to_vec()]);
}
