//! Words and addresses on their way to and from Python integers.

use atomik_algebra::{Layout, MAX_WIDTH};
use atomik_trace::{Data, Geometry, parse_word};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList, PyString, PyTuple};

use crate::error::{Kind, error, model};

/// The layout that an argument names: a width in bits, or text such as `xor:48,add:16`.
pub fn layout(word: &Bound<'_, PyAny>) -> PyResult<Layout> {
    if let Ok(text) = word.cast::<PyString>() {
        let layout = text.to_str()?.parse::<Layout>();
        return layout.map_err(|refused| error(Kind::Geometry, refused));
    }
    let width = word.extract::<i64>()?;
    let width = u32::try_from(width).unwrap_or(0);
    match Geometry::new(width, 1, 1) {
        Ok(geometry) => Ok(geometry.layout()),
        Err(refused) => Err(error(Kind::Geometry, refused)),
    }
}

/// The register file of these arguments.
pub fn geometry(word: &Bound<'_, PyAny>, depth: usize, lanes: u32) -> PyResult<Geometry> {
    Geometry::with_layout(layout(word)?, depth, lanes)
        .map_err(|refused| error(Kind::Geometry, refused))
}

/// The word that a value stands for: an integer, text as in traces, or one value per field.
///
/// # Errors
///
/// `DataError` with the message that the command line gives, or `TypeError`.
pub fn word(layout: &Layout, value: &Bound<'_, PyAny>) -> PyResult<Data> {
    if let Ok(small) = value.extract::<u64>()
        && (layout.width() >= 64 || small >> layout.width() == 0)
    {
        let mut data = Data::ZERO;
        data.limbs_mut(64)[0] = small;
        return Ok(data);
    }
    parse_word(layout, &text(value)?).map_err(|reason| error(Kind::Data, reason))
}

/// A value as a trace would have it.
fn text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(text.to_str()?.to_owned());
    }
    if value.cast::<PyList>().is_ok() || value.cast::<PyTuple>().is_ok() {
        let fields: PyResult<Vec<String>> = value
            .try_iter()?
            .map(|field| {
                let field = field?;
                let quote = if field.cast::<PyString>().is_ok() {
                    "\""
                } else {
                    ""
                };
                Ok(format!("{quote}{}{quote}", text(&field)?))
            })
            .collect();
        return Ok(format!("[{}]", fields?.join(",")));
    }
    let integer = value
        .py()
        .import("operator")?
        .call_method1("index", (value,))?;
    // Hex digits have no limit on their number, and `True` is 1.
    let sign = if integer.lt(0)? { "-" } else { "" };
    let magnitude = integer.abs()?;
    if sign.is_empty() {
        let digits = value
            .py()
            .import("builtins")?
            .call_method1("hex", (magnitude,))?;
        return digits.extract();
    }
    if magnitude.call_method0("bit_length")?.extract::<u64>()? > u64::from(MAX_WIDTH) {
        return Err(error(
            Kind::Data,
            format_args!("the value has more than {MAX_WIDTH} bits"),
        ));
    }
    Ok(format!("-{}", magnitude.str()?.to_str()?))
}

/// The integer with these limbs, lowest first.
pub fn integer<'py>(py: Python<'py>, limbs: &[u64]) -> PyResult<Bound<'py, PyAny>> {
    if let [limb] = limbs {
        return Ok(limb.into_pyobject(py)?.into_any());
    }
    let bytes: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
    let bytes = PyBytes::new(py, &bytes);
    py.get_type::<PyInt>()
        .call_method1("from_bytes", (bytes, "little"))
}

/// An address, as long as it is an integer.
///
/// # Errors
///
/// `AddressError` for an integer that is no address of any register file, else `TypeError`.
pub fn address(addr: &Bound<'_, PyAny>, depth: usize) -> PyResult<usize> {
    match addr.extract::<usize>() {
        Ok(addr) => Ok(addr),
        Err(_) if addr.cast::<PyInt>().is_ok() => Err(outside(addr.str()?.to_str()?, depth)),
        Err(_) => Err(PyTypeError::new_err(format!(
            "this takes one address, an integer, found {}; load, accum, rollback, read, delta and \
             reference take arrays, too",
            addr.get_type().name()?
        ))),
    }
}

/// The error of an address outside the depth.
fn outside(addr: &str, depth: usize) -> PyErr {
    error(
        Kind::Address,
        format_args!(
            "address {addr} is outside a register file of {depth}; use an address below {depth}"
        ),
    )
}

/// The response of a refused or accepted operation, as an integer.
pub fn response<'py>(
    py: Python<'py>,
    width: u32,
    operation: impl FnOnce(&mut [u64]) -> Result<bool, atomik_algebra::Error>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut data = Data::ZERO;
    operation(data.limbs_mut(width)).map_err(|refused| model(&refused))?;
    integer(py, data.limbs(width))
}

/// A word in hex digits, as the command line prints it.
pub fn hex(limbs: &[u64], width: u32) -> String {
    let digits: String = limbs
        .iter()
        .rev()
        .map(|limb| format!("{limb:016x}"))
        .collect();
    let shown = width.div_ceil(4) as usize;
    format!("0x{}", &digits[digits.len() - shown..])
}
