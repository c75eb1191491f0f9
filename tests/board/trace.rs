//! Traces on the simulated board get the responses of the software model, over good and bad serial
//! lines, and the host detects when the board has lost its state.

use std::time::Duration;

use atomik_algebra::Op;
use atomik_device::device::{Device, DeviceError, RunStats};
use atomik_device::line::{Line, SerialLine};
use atomik_device::link::RetryPolicy;
use atomik_device::message::Batch;
use atomik_device::simulated::board::{CompiledBoard, Settings};
use atomik_device::simulated::pty::PtyBoard;
use atomik_device::simulated::wire::FaultRates;

use super::simulated::{POLICY, adding, adding_config, fast, narrow, on_the_model, random_trace};
use crate::tools::builder;
use atomik_trace::{Command, Data, Geometry, Response, Trace};

fn geometry() -> Geometry {
    Geometry::new(64, 512, 4).unwrap()
}

/// Why a run on the board ended.
#[derive(Debug)]
enum Failed {
    Device(DeviceError),
    Trace(atomik_trace::Error),
}

impl From<DeviceError> for Failed {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

impl From<atomik_trace::Error> for Failed {
    fn from(error: atomik_trace::Error) -> Self {
        Self::Trace(error)
    }
}

/// Runs a trace in a new session. Returns the responses and the result.
fn on_the_board(
    device: &mut Device<impl Line>,
    trace: &mut Trace,
) -> (Vec<Response>, Result<RunStats, DeviceError>) {
    let mut responses = Vec::new();
    let result = device.reset().map_err(Failed::Device).and_then(|()| {
        device.run(trace, |response| {
            responses.push(*response);
            Ok::<_, Failed>(())
        })
    });
    let result = result.map_err(|failed| match failed {
        Failed::Device(error) => error,
        Failed::Trace(error) => panic!("{error}"),
    });
    (responses, result)
}

/// Enough attempts for a very bad line.
const PERSISTENT: RetryPolicy = RetryPolicy {
    attempts: 200,
    ..POLICY
};

#[test]
fn a_random_trace_gives_the_responses_of_the_model() {
    let mut device = Device::connect(fast(1), POLICY).unwrap();
    let mut trace = random_trace(geometry(), 7, 4000);
    let (responses, work) = on_the_board(&mut device, &mut trace);
    assert_eq!(responses, on_the_model(&mut trace));
    let work = work.unwrap();
    assert_eq!(work.commands, 4000);
    assert!(work.board_cycles >= work.issue_cycles && work.issue_cycles < work.commands);
    let counters = device.counters();
    assert_eq!(
        (counters.retries, counters.stale, counters.damaged),
        (0, 0, 0)
    );
}

#[test]
fn words_with_a_field_that_adds_give_the_responses_of_the_model_once_their_layout_is_stated() {
    let config = adding_config();
    let layout = config.layout();
    let mut device = Device::connect(adding(1), POLICY).unwrap();
    device.set_layout(layout).unwrap();
    device.reset().unwrap();
    device.check_layout().unwrap();
    let geometry = Geometry::with_layout(layout, config.depth(), config.lanes()).unwrap();
    assert_eq!(device.info().geometry, geometry);
    let mut trace = random_trace(geometry, 3, 1000);
    let expected = on_the_model(&mut trace);
    // In the session of the check, which has left no trace of itself.
    let mut responses = Vec::new();
    let result = device.run(&mut trace, |response| {
        responses.push(*response);
        Ok::<_, Failed>(())
    });
    assert_eq!(result.unwrap().commands, 1000);
    assert_eq!(responses, expected);
}

#[test]
fn a_layout_that_is_not_the_boards_is_refused_with_that_of_the_board() {
    let mut device = Device::connect(adding(2), POLICY).unwrap();
    let error = device.set_layout("add:32".parse().unwrap()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("32 bits together, but the board's words have 64"),
        "{error}"
    );
    // Words that xor, until something else is stated.
    for stated in [
        None,
        Some("add:64"),
        Some("add:16,xor:48"),
        Some("xor:47,add:17"),
    ] {
        if let Some(stated) = stated {
            device.set_layout(stated.parse().unwrap()).unwrap();
        }
        device.reset().unwrap();
        let error = device.check_layout().unwrap_err();
        let DeviceError::Layout { found, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(**found, adding_config().layout(), "{error}");
        assert!(!device.has_session());
    }
    // Fields of one bit and xor fields side by side make no difference.
    for same in ["xor:20,xor:28,add:16", "add:1,xor:47,add:16"] {
        device.set_layout(same.parse().unwrap()).unwrap();
        device.reset().unwrap();
        device.check_layout().unwrap();
    }
    let mut device = Device::connect(fast(11), POLICY).unwrap();
    device.reset().unwrap();
    device.check_layout().unwrap();
}

#[test]
fn bit_errors_lost_bytes_and_garbage_in_both_directions_change_no_response() {
    for (seed, rate) in [(1, 0.001), (2, 0.0015)] {
        let mut device = Device::connect(fast(seed), PERSISTENT).unwrap();
        device
            .line_mut()
            .set_faults(FaultRates::all(rate), FaultRates::all(rate), seed);
        let mut trace = random_trace(geometry(), seed, 1000);
        let (responses, work) = on_the_board(&mut device, &mut trace);
        work.unwrap();
        assert_eq!(responses, on_the_model(&mut trace), "seed {seed}");
        let (to, from) = device.line_mut().fault_counts();
        for counts in [to, from] {
            assert!(
                counts.flips > 0 && counts.drops > 0 && counts.inserts > 0,
                "{counts:?}"
            );
        }
        let counters = device.counters();
        assert!(
            counters.retries > 0 && counters.unreadable > 0,
            "{counters:?}"
        );
    }
}

#[test]
fn each_kind_of_fault_alone_changes_no_response() {
    let rate = 0.002;
    let kinds = [
        FaultRates {
            flip: rate,
            ..FaultRates::NONE
        },
        FaultRates {
            drop: rate,
            ..FaultRates::NONE
        },
        FaultRates {
            insert: rate,
            ..FaultRates::NONE
        },
    ];
    for (seed, rates) in (10..).zip(kinds) {
        for (to, from) in [(rates, FaultRates::NONE), (FaultRates::NONE, rates)] {
            let mut device = Device::connect(fast(seed), PERSISTENT).unwrap();
            device.line_mut().set_faults(to, from, seed);
            let mut trace = random_trace(geometry(), seed, 400);
            let (responses, work) = on_the_board(&mut device, &mut trace);
            work.unwrap();
            assert_eq!(responses, on_the_model(&mut trace), "{to:?} {from:?}");
        }
    }
}

fn accum(addr: usize, delta: u64) -> Command {
    Command {
        cycle: 0,
        lane: 0,
        op: Op::Accum,
        addr,
        data: Data::from(delta),
    }
}

fn read(addr: usize) -> Command {
    Command {
        op: Op::Read,
        data: Data::ZERO,
        ..accum(addr, 0)
    }
}

/// A batch with one command per cycle.
fn batch(device: &Device<impl Line>, commands: &[Command]) -> Batch {
    let mut batch = Batch::new(device.info());
    for command in commands {
        assert!(batch.push(std::slice::from_ref(command)));
    }
    batch
}

#[test]
fn a_lost_reply_is_requested_again_and_the_batch_is_executed_once() {
    let mut device = Device::connect(fast(4), POLICY).unwrap();
    device.reset().unwrap();
    for lost in 1..=6 {
        device.line_mut().lose_frames(lost);
        let work = batch(&device, &[accum(1, 1 << lost)]);
        device.execute(&work).unwrap();
    }
    assert_eq!(device.counters().timeouts, 1 + 2 + 3 + 4 + 5 + 6);
    assert_eq!(device.counters().retries, 21);
    let query = batch(&device, &[read(1)]);
    let (_, responses) = device.execute(&query).unwrap();
    assert_eq!(responses[0].data, Data::from(0b111_1110));
}

#[test]
fn the_host_gives_up_on_a_silent_board_and_says_what_to_check() {
    let mut device = Device::connect(fast(5), POLICY).unwrap();
    device.reset().unwrap();
    device.line_mut().lose_frames(1000);
    let work = batch(&device, &[accum(1, 1)]);
    let error = device.execute(&work).unwrap_err().to_string();
    assert!(
        error.contains("no reply from the board to 8 requests (it is silent)"),
        "{error}"
    );
    assert!(error.contains("--baud"), "{error}");
}

#[test]
fn a_reset_of_the_board_between_two_batches_is_detected() {
    let mut device = Device::connect(fast(6), POLICY).unwrap();
    device.reset().unwrap();
    let work = batch(&device, &[accum(1, 1), read(1)]);
    device.execute(&work).unwrap();
    device.line_mut().press_reset().unwrap();
    let error = device.execute(&work).unwrap_err();
    assert!(
        matches!(
            error,
            DeviceError::BoardReset {
                acknowledged: 2,
                pending: 2
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("the board was reset"), "{error}");
    // There is no session until a new one is begun.
    assert!(matches!(
        device.execute(&work).unwrap_err(),
        DeviceError::NoSession
    ));
    device.reset().unwrap();
    let (_, responses) = device.execute(&work).unwrap();
    assert_eq!(responses[0].data, Data::from(1));
}

#[test]
fn a_reset_of_the_board_at_any_byte_of_a_run_is_detected_and_ends_it() {
    let mut trace = random_trace(geometry(), 9, 300);
    let expected = on_the_model(&mut trace);
    let mut device = Device::connect(fast(7), POLICY).unwrap();
    for place in (1..1500).step_by(149) {
        // The request that begins the session has 18 bytes.
        device.line_mut().reset_after(18 + place);
        let (responses, result) = on_the_board(&mut device, &mut trace);
        match result {
            Err(DeviceError::BoardReset { acknowledged, .. }) => {
                assert!(acknowledged < 300);
                assert!(expected.starts_with(&responses), "after byte {place}");
            }
            other => panic!("after byte {place}: {other:?}"),
        }
    }
}

#[test]
fn a_reset_after_the_execution_and_before_the_reply_is_detected() {
    let mut device = Device::connect(fast(8), POLICY).unwrap();
    device.reset().unwrap();
    let work = batch(&device, &[accum(1, 1)]);
    let length = (work.payload().len() + 11 + 3) as u64;
    device.line_mut().reset_after(length);
    let error = device.execute(&work).unwrap_err();
    assert!(
        matches!(
            error,
            DeviceError::BoardReset {
                acknowledged: 0,
                pending: 1
            }
        ),
        "{error}"
    );
}

#[test]
fn a_second_host_that_takes_over_is_detected_by_the_first() {
    let mut first = Device::connect(fast(9), POLICY).unwrap();
    first.reset().unwrap();
    let work = batch(&first, &[accum(1, 1)]);
    first.execute(&work).unwrap();
    // A second host on the same line continues the session.
    let mut second = Device::connect(Borrowed(first.line_mut()), POLICY).unwrap();
    assert!(second.has_session());
    let other = batch(&second, &[accum(1, 2)]);
    second.execute(&other).unwrap();
    assert!(matches!(
        first.execute(&work).unwrap_err(),
        DeviceError::Shared {
            sent: 1,
            expected: 2
        }
    ));
    // Now the second host begins a session of its own.
    first.reset().unwrap();
    Device::connect(Borrowed(first.line_mut()), POLICY)
        .unwrap()
        .reset()
        .unwrap();
    assert!(matches!(
        first.execute(&work).unwrap_err(),
        DeviceError::Taken
    ));
}

/// A line that another device owns.
struct Borrowed<'a, L>(&'a mut L);

impl<L: Line> Line for Borrowed<'_, L> {
    fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.send(bytes)
    }
    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> std::io::Result<usize> {
        self.0.receive(buffer, wait)
    }
    fn discard(&mut self) -> std::io::Result<()> {
        self.0.discard()
    }
    fn now(&self) -> Duration {
        self.0.now()
    }
}

#[test]
fn cycles_that_do_not_fit_into_a_batch_are_issued_in_pieces() {
    let mut device = Device::connect(narrow(1), POLICY).unwrap();
    assert_eq!(
        device.info().max_payload,
        60,
        "and two deltas have 70 bytes"
    );
    let mut trace = random_trace(device.info().geometry, 3, 600);
    let (responses, work) = on_the_board(&mut device, &mut trace);
    assert_eq!(work.unwrap().commands, 600);
    assert_eq!(responses, on_the_model(&mut trace));
}

/// For boards in real time: generous, to only detect a hang.
const PATIENT: RetryPolicy = RetryPolicy {
    timeout: Duration::from_secs(2),
    attempts: 100,
};

#[test]
fn the_host_runs_a_trace_through_a_serial_port_on_the_board_with_its_real_settings() {
    let compiled = CompiledBoard::build(&builder(), Settings::REAL).unwrap();
    let pty = PtyBoard::start(compiled.start(1).unwrap()).unwrap();
    let line = SerialLine::open(pty.path(), 1_000_000).unwrap();
    let mut device = Device::connect(line, PATIENT).unwrap();
    let mut trace = random_trace(device.info().geometry, 11, 300);
    let (responses, work) = on_the_board(&mut device, &mut trace);
    work.unwrap();
    assert_eq!(responses, on_the_model(&mut trace));
    drop(device);
    assert!(pty.is_running());
    pty.stop().unwrap();
}

#[test]
fn the_host_copes_with_a_bad_serial_port_and_detects_a_reset() {
    let policy = RetryPolicy {
        // A reply that is merely slow is requested again, which costs time but is harmless.
        timeout: Duration::from_millis(300),
        ..PATIENT
    };
    let pty = PtyBoard::start(fast(2)).unwrap();
    let line = SerialLine::open(pty.path(), 1_000_000).unwrap();
    let mut device = Device::connect(line, policy).unwrap();
    pty.board()
        .set_faults(FaultRates::all(0.001), FaultRates::all(0.001), 5);
    let mut trace = random_trace(geometry(), 12, 500);
    let (responses, work) = on_the_board(&mut device, &mut trace);
    work.unwrap();
    assert_eq!(responses, on_the_model(&mut trace));
    assert!(device.counters().retries > 0, "{:?}", device.counters());

    pty.board()
        .set_faults(FaultRates::NONE, FaultRates::NONE, 0);
    device.reset().unwrap();
    pty.board().reset_after(40);
    let work = batch(&device, &[accum(1, 1), accum(2, 1), accum(3, 1)]);
    let error = device.execute(&work).unwrap_err();
    assert!(matches!(error, DeviceError::BoardReset { .. }), "{error}");
    pty.stop().unwrap();
}
