//! A link accepts only the reply to its request, and a batch keeps within the limits of its board.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use atomik_algebra::Op;
use atomik_device::frame::Frame;
use atomik_device::line::Line;
use atomik_device::link::{Counters, Link, LinkError, Reply, RetryPolicy, Symptom};
use atomik_device::message::{Batch, ERROR, Info, Refusal, RequestKind};
use atomik_trace::{Command, Data, Geometry};

/// A line that answers each request with the next entry of a script.
struct Script {
    answers: VecDeque<Vec<u8>>,
    coming: VecDeque<u8>,
    now: Duration,
    sent: Vec<Vec<u8>>,
}

impl Script {
    fn new(answers: &[&[Frame]]) -> Self {
        let wire = |frames: &&[Frame]| {
            let frames = frames.iter().map(|frame| frame.to_wire().unwrap());
            frames.collect::<Vec<_>>().concat()
        };
        Self {
            answers: answers.iter().map(wire).collect(),
            coming: VecDeque::new(),
            now: Duration::ZERO,
            sent: Vec::new(),
        }
    }
}

impl Line for Script {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sent.push(bytes.to_vec());
        self.coming
            .extend(self.answers.pop_front().unwrap_or_default());
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize> {
        let count = buffer.len().min(self.coming.len());
        for (place, byte) in buffer.iter_mut().zip(self.coming.drain(..count)) {
            *place = byte;
        }
        if count == 0 {
            self.now += wait;
        }
        Ok(count)
    }

    fn discard(&mut self) -> io::Result<()> {
        self.coming.clear();
        Ok(())
    }

    fn now(&self) -> Duration {
        self.now
    }
}

const POLICY: RetryPolicy = RetryPolicy {
    timeout: Duration::from_millis(100),
    attempts: 3,
};

fn frame(kind: u8, number: u8, payload: &[u8]) -> Frame {
    Frame {
        kind,
        number,
        epoch: 1,
        payload: payload.to_vec(),
    }
}

fn exchange(answers: &[&[Frame]]) -> (Result<Reply, LinkError>, Counters, Script) {
    let mut link = Link::new(Script::new(answers), POLICY).unwrap();
    let result = link.exchange(
        RequestKind::Batch,
        &frame(RequestKind::Batch as u8, 7, &[1, 2, 3]),
    );
    let counters = link.counters();
    let script = std::mem::replace(link.line_mut(), Script::new(&[]));
    (result, counters, script)
}

#[test]
fn replies_to_another_number_kind_or_session_are_passed_over() {
    let reply = frame(RequestKind::Batch.reply(), 7, &[9]);
    let others = [
        Frame {
            epoch: 2,
            ..reply.clone()
        },
        frame(RequestKind::Batch.reply(), 6, &[8]),
        frame(RequestKind::Info.reply(), 7, &[8]),
        frame(RequestKind::Batch as u8, 7, &[8]),
        frame(ERROR, 6, &[0x12, 0]),
    ];
    let all = [&others[..], std::slice::from_ref(&reply)].concat();
    let (result, counters, script) = exchange(&[&all]);
    assert_eq!(result.unwrap(), Reply::Done(reply));
    assert_eq!((counters.stale, counters.retries), (5, 0));
    assert_eq!(script.now, Duration::ZERO);
}

#[test]
fn a_request_that_the_board_could_not_read_is_sent_again_as_it_was() {
    let reply = frame(RequestKind::Batch.reply(), 7, &[9]);
    let unread = frame(ERROR, 0, &[0x04, 0]);
    let (result, counters, script) = exchange(&[&[unread], &[], std::slice::from_ref(&reply)]);
    assert_eq!(result.unwrap(), Reply::Done(reply));
    assert_eq!(
        (counters.unreadable, counters.timeouts, counters.retries),
        (1, 1, 2)
    );
    assert!(script.sent.len() == 3 && script.sent.iter().all(|sent| *sent == script.sent[0]));
    // A quarter of the timeout after the first, all of it after the second.
    assert_eq!(script.now, Duration::from_millis(125));
}

#[test]
fn a_refusal_of_this_request_ends_it_at_once() {
    let (result, counters, _) = exchange(&[&[frame(ERROR, 7, &[0x24, 5])]]);
    let refusal = Refusal::from_code(0x24, 5);
    assert_eq!(result.unwrap(), Reply::Refused { refusal, epoch: 1 });
    assert_eq!(counters.retries, 0);
}

#[test]
fn a_link_gives_up_after_its_attempts_and_reports_the_symptom() {
    let symptom = |answers: &[&[Frame]]| match exchange(answers).0 {
        Err(LinkError::NoReply {
            attempts: 3,
            symptom,
        }) => symptom,
        other => panic!("{other:?}"),
    };
    let unread = [frame(ERROR, 0, &[0x03, 0])];
    let other = [frame(RequestKind::Info.reply(), 7, &[])];
    assert_eq!(symptom(&[]), Symptom::Silence);
    assert_eq!(symptom(&[&unread, &unread, &unread]), Symptom::Unreadable);
    assert_eq!(symptom(&[&other, &other, &other]), Symptom::Unrelated);
}

fn info() -> Info {
    Info {
        geometry: Geometry::new(64, 512, 4).unwrap(),
        max_payload: 242,
        max_cycles: 16,
        max_responses: 5,
        next_number: 0,
        bad_frames: 0,
        epoch: 1,
    }
}

fn command(op: Op, lane: u32) -> Command {
    Command {
        cycle: 0,
        lane,
        op,
        addr: 1,
        data: Data::ZERO,
    }
}

/// How many commands and cycles an empty batch takes when `commands` are pushed repeatedly.
fn fits(commands: &[Command]) -> (u64, u8) {
    let mut batch = Batch::new(info());
    while batch.push(commands) {}
    (batch.commands(), batch.cycles())
}

#[test]
fn a_batch_takes_as_much_as_its_board_and_no_more() {
    // Limited by cycles; by responses; by bytes: 5 cycles of 4 records of 11 bytes.
    assert_eq!(fits(&[command(Op::Nop, 0)]), (16, 16));
    assert_eq!(fits(&[command(Op::Read, 0)]), (5, 5));
    let cycle = [0, 1, 2, 3].map(|lane| command(Op::Accum, lane));
    assert_eq!(fits(&cycle), (20, 5));
}
