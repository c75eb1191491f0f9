//! Drives an ATOMiK board over a serial line. With the feature `simulated` it also runs the same
//! board under Verilator.
//!
//! `docs/board.md` defines the protocol.
//!
//! | module | contents |
//! |---|---|
//! | [`device`] | a board: its session, its batches, running traces on it |
//! | [`link`] | one request, one reply, with retries |
//! | [`message`] | the contents of frames: requests, replies, records, error codes |
//! | [`frame`] | frames on the wire: COBS, CRC-32, resynchronisation after garbage |
//! | [`line`](mod@line) | what a serial line must be able to do; the serial port |
//! | `simulated` | the board's Verilog under Verilator, alone or behind a pseudo-terminal |
//!
//! A frame survives garbage on the line:
//!
//! ```
//! use atomik_device::frame::{Decoder, Frame};
//! use atomik_device::message::RequestKind;
//!
//! let request = Frame { kind: RequestKind::Info as u8, number: 1, epoch: 0, payload: vec![] };
//! let mut line = b"garbage".to_vec();
//! line.extend(request.to_wire()?);
//!
//! let mut decoder = Decoder::default();
//! let frames = line.iter().filter_map(|&byte| decoder.push(byte)?.ok());
//! assert_eq!(frames.collect::<Vec<_>>(), [request]);
//! # Ok::<(), atomik_device::frame::PayloadTooLong>(())
//! ```

pub mod device;
pub mod frame;
mod layout;
pub mod line;
pub mod link;
pub mod message;
#[cfg(feature = "simulated")]
pub mod simulated;
