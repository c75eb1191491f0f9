//! The parts of the module `atomik_core` whose speed matters. `docs/python.md` says what they are
//! compatible with, and where they differ on purpose.

pub mod context;
pub mod message;
pub mod seen;
pub mod stream;
pub mod table;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::{Kind, error};

static FORKS: AtomicU64 = AtomicU64::new(0);

/// Notes that this process is the child of a fork.
#[pyfunction]
pub fn forked() {
    FORKS.fetch_add(1, Relaxed);
}

/// How many forks lie between this process and the one that imported the module.
#[pyfunction]
pub fn forks() -> u64 {
    FORKS.load(Relaxed)
}

/// A number for a sender of messages, from the system's randomness: a fork would copy the state of
/// any other generator.
#[pyfunction]
pub fn new_origin(py: Python<'_>) -> PyResult<u64> {
    let bytes = py.import("os")?.call_method1("urandom", (8,))?;
    let number = u64::from_le_bytes(bytes.extract()?) & !0xFFFF;
    Ok(number | check_bits(number))
}

/// Whether a number is one that [`new_origin`] may have drawn. One that a caller invents could be
/// a second name of a sender, and its messages would count twice.
fn is_origin(number: u64) -> bool {
    number & 0xFFFF == check_bits(number)
}

/// The lowest 16 bits of an origin, which depend on the others.
fn check_bits(number: u64) -> u64 {
    (number >> 48 ^ number >> 32 ^ number >> 16 ^ 0xA70C) & 0xFFFF
}

/// The address, if it is one of `count`.
fn index(addr: &Bound<'_, PyAny>, count: usize) -> PyResult<usize> {
    match addr.extract::<usize>() {
        Ok(at) if at < count => Ok(at),
        Err(refused) if refused.is_instance_of::<pyo3::exceptions::PyTypeError>(addr.py()) => {
            Err(refused)
        }
        _ => Err(error(
            Kind::Address,
            format_args!(
                "address {addr} is outside a table of {count}; use one from 0 to {}",
                count - 1
            ),
        )),
    }
}

/// The address of a stream or a message, which has 32 bits.
fn wide_address(addr: &Bound<'_, PyAny>) -> PyResult<u32> {
    match addr.extract::<u32>() {
        Err(refused) if !refused.is_instance_of::<pyo3::exceptions::PyTypeError>(addr.py()) => {
            Err(error(
                Kind::Address,
                format_args!(
                    "address {addr} does not fit into 32 bits; use one from 0 to 2^32 - 1"
                ),
            ))
        }
        result => result,
    }
}

/// The xor of the chunks of `data`, of so many bytes each and little-endian. The last chunk is
/// padded with zeros.
#[pyfunction]
pub fn xor_chunks<'py>(
    py: Python<'py>,
    data: &[u8],
    chunk: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    if chunk == 0 {
        return Err(error(Kind::Input, "a chunk has at least one byte"));
    }
    // The rest of a chunk that is longer than the data is 0.
    let mut sum = vec![0_u8; chunk.min(data.len())];
    for piece in data.chunks(chunk) {
        for (sum, byte) in sum.iter_mut().zip(piece) {
            *sum ^= byte;
        }
    }
    Ok(PyBytes::new(py, &sum))
}
