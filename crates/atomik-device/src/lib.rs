//! An ATOMiK board behind a serial line, and the same board in simulation.
//!
//! The protocol is that of `docs/board.md`.
//!
//! | module | what is in it |
//! |---|---|
//! | [`frame`] | frames on the wire: COBS, CRC-32, finding the next one after garbage |
//! | [`message`] | what frames say: requests, replies, records, error codes |
//! | [`line`](mod@line) | what a serial line must be able to do, and the real one |
//! | [`link`] | one request, one reply, repeated until it arrives |
//! | [`device`] | a board: its session, its batches, traces on it |
//! | [`board`] | the board's Verilog under Verilator, its pins, buttons and lights |
//! | [`wire`] | bits on the simulated pins, and what may go wrong with them |
//! | [`pty`] | the simulated board behind a pseudo-terminal |

pub mod board;
pub mod device;
pub mod frame;
pub mod line;
pub mod link;
pub mod message;
mod model;
pub mod pty;
pub mod wire;
