//! Arrays of 64-bit integers, read and written in place through the buffer protocol.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::error::{Kind, error};

/// The memory of an array, which stays where it is as long as this lives.
///
/// Elements are read and written one at a time, as relaxed atomics: the interpreter's lock is
/// released meanwhile, so another thread may write to the array. What is read then is either what
/// was there before or what that thread wrote.
pub struct Array {
    memory: Memory,
    shape: Vec<usize>,
}

enum Memory {
    Unsigned(PyBuffer<u64>),
    Signed(PyBuffer<i64>),
}

impl Array {
    /// The addresses in `value`: a list of signed or unsigned integers.
    pub fn addresses(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let value = &owner(value)?;
        let memory = match buffer(value) {
            Some(buffer) => Memory::Unsigned(buffer),
            None => match buffer(value) {
                Some(buffer) => Memory::Signed(buffer),
                None => return Err(wrong_type("addresses", "uint64 or int64", value)),
            },
        };
        let array = Self::new(memory)?;
        match array.shape[..] {
            [_] => Ok(array),
            _ => Err(array.wrong_shape("addresses", "(n,)")),
        }
    }

    /// The words in `value`, of `limbs` limbs each.
    pub fn words(value: &Bound<'_, PyAny>, limbs: usize) -> PyResult<Self> {
        let value = &owner(value)?;
        let Some(buffer) = buffer(value) else {
            return Err(wrong_type("words", "uint64", value));
        };
        let array = Self::new(Memory::Unsigned(buffer))?;
        match array.shape[..] {
            [_] if limbs == 1 => Ok(array),
            [_, found] if found == limbs => Ok(array),
            _ if limbs == 1 => Err(array.wrong_shape("words of up to 64 bits", "(n,) or (n, 1)")),
            _ => Err(array.wrong_shape(
                "words of this width",
                &format!("(n, {limbs}), lowest limb first"),
            )),
        }
    }

    /// An array for `len` words: `out` if it is given, else a new NumPy array.
    pub fn output<'py>(
        py: Python<'py>,
        out: Option<&Bound<'py, PyAny>>,
        len: usize,
        limbs: usize,
    ) -> PyResult<(Self, Bound<'py, PyAny>)> {
        let object = match out {
            Some(out) => out.clone(),
            None => new(py, len, limbs)?,
        };
        let array = Self::words(&object, limbs)?;
        let Memory::Unsigned(buffer) = &array.memory else {
            return Err(wrong_type("words", "uint64", &object));
        };
        if buffer.readonly() {
            return Err(PyTypeError::new_err(
                "`out` is read-only; give an array that can be written to",
            ));
        }
        if array.len() != len {
            return Err(
                array.wrong_shape("the output", &format!("({len}, ...), one word per address"))
            );
        }
        Ok((array, object))
    }

    fn new(memory: Memory) -> PyResult<Self> {
        let (shape, contiguous) = match &memory {
            Memory::Unsigned(buffer) => shape(buffer),
            Memory::Signed(buffer) => shape(buffer),
        };
        if !contiguous {
            return Err(error(
                Kind::Input,
                "the array is not contiguous, and arrays are not copied; \
                 give numpy.ascontiguousarray(array)",
            ));
        }
        Ok(Self { memory, shape })
    }

    /// The number of words or addresses.
    pub fn len(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Whether both have one element for each of the other's.
    pub fn check_len(&self, words: &Self) -> PyResult<()> {
        if self.len() == words.len() {
            return Ok(());
        }
        Err(error(
            Kind::Input,
            format_args!(
                "{} addresses and {} words; give one word for each address",
                self.len(),
                words.len()
            ),
        ))
    }

    /// Refuses an output that shares memory with the addresses: they would change while they are
    /// read.
    pub fn check_apart(&self, output: &Self) -> PyResult<()> {
        let (this, that) = (self.view().0.as_ptr_range(), output.view().0.as_ptr_range());
        if this.start < that.end && that.start < this.end {
            return Err(error(
                Kind::Input,
                "`out` and the addresses overlap in memory; give another array",
            ));
        }
        Ok(())
    }

    /// The address at this position if it is negative.
    pub fn negative(&self, at: usize) -> Option<i64> {
        match &self.memory {
            Memory::Signed(_) => {
                let addr = self.view().get(at) as i64;
                (addr < 0).then_some(addr)
            }
            Memory::Unsigned(_) => None,
        }
    }

    /// The elements.
    pub fn view(&self) -> View<'_> {
        let slice = match &self.memory {
            Memory::Unsigned(buffer) => {
                buffer.as_slice_ptr().map(|slice| slice.cast::<AtomicU64>())
            }
            Memory::Signed(buffer) => buffer.as_slice_ptr().map(|slice| slice.cast::<AtomicU64>()),
        };
        let len = self.shape.iter().product();
        match slice {
            // SAFETY: the buffer is contiguous, aligned for 64-bit integers, as long as this and
            // not moved while it is held. Whoever else uses it while the interpreter's lock is
            // released is another thread of the program; all accesses from here are atomic.
            Some(first) if len != 0 => {
                View(unsafe { std::slice::from_raw_parts(first.as_ptr(), len) })
            }
            _ => View(&[]),
        }
    }
}

/// The elements of an [`Array`].
#[derive(Clone, Copy)]
pub struct View<'a>(&'a [AtomicU64]);

impl View<'_> {
    /// The element at this position, in the order of the memory.
    #[inline]
    pub fn get(&self, at: usize) -> u64 {
        self.0[at].load(Ordering::Relaxed)
    }

    /// Replaces the element at this position.
    #[inline]
    pub fn set(&self, at: usize, value: u64) {
        self.0[at].store(value, Ordering::Relaxed);
    }
}

impl<'a> View<'a> {
    /// Reads elements as addresses.
    pub fn addresses(self) -> impl Fn(usize) -> usize + 'a {
        move |at| self.get(at) as usize
    }

    /// Reads elements as limbs.
    pub fn limbs(self) -> impl Fn(usize) -> u64 + 'a {
        move |at| self.get(at)
    }

    /// Replaces elements by limbs.
    pub fn put(self) -> impl Fn(usize, u64) + 'a {
        move |at, limb| self.set(at, limb)
    }
}

/// The memory of an array of this type, in the byte order of this machine.
fn buffer<T: Element>(value: &Bound<'_, PyAny>) -> Option<PyBuffer<T>> {
    let buffer = PyBuffer::get(value).ok()?;
    // PyO3 compares the type alone.
    let swapped = if cfg!(target_endian = "little") {
        [b'>', b'!']
    } else {
        [b'<', b'<']
    };
    let first = buffer.format().to_bytes().first();
    first
        .is_none_or(|order| !swapped.contains(order))
        .then_some(buffer)
}

fn shape<T: Element>(buffer: &PyBuffer<T>) -> (Vec<usize>, bool) {
    (buffer.shape().to_vec(), buffer.is_c_contiguous())
}

/// What has the memory: the value, or the array that a column of a table shows.
fn owner<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match value.getattr_opt("to_numpy")? {
        Some(to_numpy) => to_numpy.call0(),
        None => Ok(value.clone()),
    }
}

fn new<'py>(py: Python<'py>, len: usize, limbs: usize) -> PyResult<Bound<'py, PyAny>> {
    let numpy = py.import("numpy").map_err(|_| {
        error(
            Kind::Tool,
            "NumPy is missing; install it (pip install numpy), or give an array as `out`",
        )
    })?;
    let arguments = PyDict::new(py);
    arguments.set_item("dtype", "uint64")?;
    match limbs {
        1 => numpy.call_method("empty", (len,), Some(&arguments)),
        _ => numpy.call_method("empty", ((len, limbs),), Some(&arguments)),
    }
}

#[cold]
fn wrong_type(what: &str, wanted: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let found = value
        .getattr("dtype")
        .and_then(|dtype| Ok(dtype.str()?.to_string()))
        .or_else(|_| Ok::<_, PyErr>(value.get_type().name()?.to_string()))
        .unwrap_or_default();
    let is_array = value.len().is_ok() && !value.is_instance_of::<PyString>();
    let advice = if is_array {
        "; convert it, in this machine's byte order and alignment, for example with \
         numpy.array(values, dtype=numpy.uint64)"
    } else {
        ""
    };
    PyTypeError::new_err(format!(
        "{what} are integers or an array of {wanted}, found {found}{advice}"
    ))
}

impl Array {
    #[cold]
    fn wrong_shape(&self, what: &str, wanted: &str) -> PyErr {
        let shape: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        error(
            Kind::Input,
            format_args!(
                "{what} are an array of shape {wanted}, found ({})",
                shape.join(", ")
            ),
        )
    }
}

/// Seconds that a plain loop over vectors takes to xor every delta into its place of a table of
/// `depth` words: the yardstick of `bench/bench.py`. The vectors are copies of the arrays, made
/// before the clock starts.
#[pyfunction]
pub fn plain_loop_seconds(
    py: Python<'_>,
    depth: usize,
    addrs: &Bound<'_, PyAny>,
    deltas: &Bound<'_, PyAny>,
) -> PyResult<f64> {
    let (addrs, deltas) = (Array::addresses(addrs)?, Array::words(deltas, 1)?);
    let copy = |array: &Array| -> Vec<u64> {
        let view = array.view();
        (0..array.len()).map(|at| view.get(at)).collect()
    };
    let (addrs, deltas) = (copy(&addrs), copy(&deltas));
    let seconds = py.detach(|| {
        let mut table = vec![0_u64; depth];
        let start = Instant::now();
        for (addr, delta) in addrs.iter().zip(&deltas) {
            *table.get_mut(*addr as usize)? ^= delta;
        }
        std::hint::black_box(&mut table);
        Some(start.elapsed().as_secs_f64())
    });
    seconds.ok_or_else(|| error(Kind::Address, "an address is outside the table"))
}
