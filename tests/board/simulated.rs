//! Simulated boards for tests, and frames made by hand.

use std::sync::LazyLock;
use std::time::Duration;

use crate::tools::builder;
use atomik_device::frame::{Decoder, Frame, FrameError};
use atomik_device::link::RetryPolicy;
use atomik_device::message::{ERROR, RequestKind};
use atomik_device::simulated::board::{Board, CompiledBoard, Settings, verilog};
use atomik_hdl::Config;
use atomik_trace::{CommandWriter, Error, Geometry, Random, Response, Trace, run_model};

/// 512 addresses of 64 bits, 4 lanes.
pub fn fast_config() -> Config {
    Config::new(64, 512, 4).unwrap()
}

static FAST: LazyLock<CompiledBoard> = LazyLock::new(|| {
    let text = verilog(Settings::FAST, &fast_config()).unwrap();
    CompiledBoard::build_from(&builder(), Settings::FAST, text).unwrap()
});

/// A board with a fast line and the register file of [`fast_config`]. Its initial contents are
/// drawn from `seed`.
pub fn fast(seed: u64) -> Board {
    FAST.start(seed).unwrap()
}

static NARROW: LazyLock<CompiledBoard> = LazyLock::new(|| {
    let config = Config::new(256, 4, 2).unwrap();
    let text = verilog(Settings::FAST, &config).unwrap();
    let limit = |payload| format!("localparam MAX_PAYLOAD = {payload};");
    assert_eq!(text.matches(&limit(242)).count(), 1);
    let text = text.replace(&limit(242), &limit(60));
    CompiledBoard::build_from(&builder(), Settings::FAST, text).unwrap()
});

/// A board with another register file, of 4 addresses, 256 bits and 2 lanes, and frames of at most
/// 60 bytes of payload. A reply has room for one response, and a request has no room for commands
/// on both lanes in one cycle.
pub fn narrow(seed: u64) -> Board {
    NARROW.start(seed).unwrap()
}

/// 16 addresses of words with a field that adds, 2 lanes.
pub fn adding_config() -> Config {
    Config::with_layout("xor:48,add:16".parse().unwrap(), 16, 2).unwrap()
}

static ADDING: LazyLock<CompiledBoard> = LazyLock::new(|| {
    let text = verilog(Settings::FAST, &adding_config()).unwrap();
    CompiledBoard::build_from(&builder(), Settings::FAST, text).unwrap()
});

/// A board with a fast line and the register file of [`adding_config`].
pub fn adding(seed: u64) -> Board {
    ADDING.start(seed).unwrap()
}

/// For the fast board: longer, in simulated time, than any request, execution and reply.
pub const POLICY: RetryPolicy = RetryPolicy {
    timeout: Duration::from_millis(2),
    attempts: 8,
};

/// A random trace with every op for the board's register file.
pub fn random_trace(geometry: Geometry, seed: u64, count: usize) -> Trace {
    Trace::generate("random", geometry, |out| {
        let mut writer = CommandWriter::new(out, geometry.width());
        for command in Random::new(geometry, seed).take(count) {
            writer.write(&command).unwrap();
        }
        writer.flush().unwrap();
        Ok::<_, Error>(())
    })
    .unwrap()
}

/// The responses of the software model.
pub fn on_the_model(trace: &mut Trace) -> Vec<Response> {
    let mut responses = Vec::new();
    run_model(trace, |response| {
        responses.push(*response);
        Ok::<_, Error>(())
    })
    .unwrap();
    responses
}

/// A request.
pub fn request(kind: RequestKind, number: u8, epoch: u32, payload: &[u8]) -> Frame {
    Frame {
        kind: kind as u8,
        number,
        epoch,
        payload: payload.to_vec(),
    }
}

/// The record of a command, as docs/board.md defines it.
pub fn record(op: u8, lane: u8, addr: u16, more: bool, data: &[u8]) -> Vec<u8> {
    let [low, high] = (addr | u16::from(more) << 15).to_le_bytes();
    [&[op | lane << 3, low, high], data].concat()
}

pub const LOAD: u8 = 1;
pub const ACCUM: u8 = 2;
pub const READ: u8 = 3;
pub const SWAP: u8 = 4;
pub const DELTA: u8 = 5;

/// Runs the board until its line is quiet.
pub fn run_until_quiet(board: &mut Board) {
    board.step(1).unwrap();
    while !board.is_quiet() {
        board.step(500).unwrap();
    }
}

/// The frames in the bytes that a board sent.
pub fn frames(bytes: &[u8]) -> Vec<Result<Frame, FrameError>> {
    let mut decoder = Decoder::default();
    bytes
        .iter()
        .filter_map(|&byte| decoder.push(byte))
        .collect()
}

/// Sends bytes and returns all frames that the board sends back.
pub fn send(board: &mut Board, bytes: &[u8]) -> Vec<Frame> {
    board.queue(bytes);
    run_until_quiet(board);
    frames(&board.take_received())
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

/// Sends a request and returns the only reply.
pub fn ask(board: &mut Board, request: &Frame) -> Frame {
    let replies = send(board, &request.to_wire().unwrap());
    match <[Frame; 1]>::try_from(replies) {
        Ok([reply]) => reply,
        Err(replies) => panic!("not one reply: {replies:?}"),
    }
}

/// The code and the detail of an error reply.
pub fn refusal(reply: &Frame) -> (u8, u8) {
    match (reply.kind, &reply.payload[..]) {
        (ERROR, &[code, detail]) => (code, detail),
        _ => panic!("not refused: {reply:?}"),
    }
}

/// Begins a session.
pub fn begin(board: &mut Board, epoch: u32) {
    let reply = ask(board, &request(RequestKind::Reset, 0, epoch, &[]));
    assert_eq!(
        (reply.kind, reply.epoch, reply.payload.len()),
        (RequestKind::Reset.reply(), epoch, 0)
    );
}

/// The cycles and the responses (clean and a 64-bit word) in a reply to a batch.
pub fn responses(reply: &Frame) -> (u16, Vec<(bool, u64)>) {
    assert_eq!(reply.kind, RequestKind::Batch.reply(), "{reply:?}");
    let (cycles, responses) = reply.payload.split_first_chunk::<2>().unwrap();
    let responses = responses.chunks(9).map(|response| {
        let word = <[u8; 8]>::try_from(&response[1..]).unwrap();
        (response[0] != 0, u64::from_le_bytes(word))
    });
    (u16::from_le_bytes(*cycles), responses.collect())
}
