//! The parts of the module `atomik_core` whose speed matters. `docs/python.md` says what they are
//! compatible with, and where they differ on purpose.

pub mod context;
pub mod message;
mod seen;
pub mod stream;
pub mod table;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::{Kind, error};

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
        return Err(PyValueError::new_err("a chunk has at least one byte"));
    }
    let mut sum = vec![0_u8; chunk];
    for piece in data.chunks(chunk) {
        for (sum, byte) in sum.iter_mut().zip(piece) {
            *sum ^= byte;
        }
    }
    Ok(PyBytes::new(py, &sum))
}
