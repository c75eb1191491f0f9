//! `AtomikContext`: a reference and an accumulator that xor.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyType};

use crate::error::{Kind, error};

/// A reference and an accumulator of any width. Arguments are masked to the width.
///
/// The interpreter's lock is held throughout each method, so relaxed atomics suffice.
#[pyclass(frozen, subclass, module = "atomik_core")]
pub struct AtomikContext {
    width: u64,
    deltas: AtomicU64,
    words: Words,
}

enum Words {
    /// Up to 64 bits.
    Narrow {
        mask: u64,
        reference: AtomicU64,
        accumulator: AtomicU64,
    },
    /// More, as Python integers.
    Wide {
        mask: Py<PyAny>,
        pair: Mutex<(Py<PyAny>, Py<PyAny>)>,
    },
}

/// A word as this module keeps it.
pub enum Word {
    Narrow(u64),
    Wide(Py<PyAny>),
}

impl Word {
    pub fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Narrow(word) => Ok(word.into_pyobject(py)?.into_any()),
            Self::Wide(word) => Ok(word.bind(py).clone()),
        }
    }

    /// The word, if it has no more than 64 bits.
    pub fn narrow(&self, py: Python<'_>) -> Option<u64> {
        match self {
            Self::Narrow(word) => Some(*word),
            Self::Wide(word) => word.extract(py).ok(),
        }
    }
}

/// An integer, also one of NumPy's, as an object of type `int`.
pub fn integer<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match value.cast_exact::<PyInt>() {
        Ok(_) => Ok(value.clone()),
        Err(_) => value
            .py()
            .import("operator")?
            .call_method1("index", (value,)),
    }
}

impl AtomikContext {
    /// A context of this width whose words are 0.
    pub fn zero(py: Python<'_>, width: u64) -> PyResult<Self> {
        if width == 0 {
            return Err(error(
                Kind::Geometry,
                "a width of 0 bits is not possible; choose 1 or more",
            ));
        }
        let words = if width <= 64 {
            Words::Narrow {
                mask: u64::MAX >> (64 - width),
                reference: AtomicU64::new(0),
                accumulator: AtomicU64::new(0),
            }
        } else {
            let zero = || 0_u64.into_pyobject(py).map(|zero| zero.into_any().unbind());
            let one = 1_u64.into_pyobject(py)?;
            let mask = one.lshift(width)?.sub(1)?.unbind();
            Words::Wide {
                mask,
                pair: Mutex::new((zero()?, zero()?)),
            }
        };
        Ok(Self {
            width,
            deltas: AtomicU64::new(0),
            words,
        })
    }

    /// The word that a value stands for in this width.
    #[inline]
    pub fn word(&self, value: &Bound<'_, PyAny>) -> PyResult<Word> {
        match &self.words {
            Words::Narrow { mask, .. } => match value.extract::<u64>() {
                Ok(word) => Ok(Word::Narrow(word & mask)),
                Err(_) => masked(value, *mask).map(Word::Narrow),
            },
            Words::Wide { mask, .. } => {
                let word = integer(value)?.bitand(mask.bind(value.py()))?;
                Ok(Word::Wide(word.unbind()))
            }
        }
    }

    /// The same, also as an object, which is the value itself if nothing of it is masked.
    #[inline]
    pub fn word_and_object<'py>(
        &self,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<(Word, Bound<'py, PyAny>)> {
        if let Words::Narrow { mask, .. } = &self.words
            && let Ok(word) = value.extract::<u64>()
            && word & mask == word
        {
            return Ok((Word::Narrow(word), value.clone()));
        }
        let word = self.word(value)?;
        let object = word.object(value.py())?;
        Ok((word, object))
    }

    /// Whether reference or accumulator is not 0.
    pub fn is_active(&self, py: Python<'_>) -> PyResult<bool> {
        let (reference, accumulator) = self.pair(py)?;
        Ok(reference.is_truthy()? || accumulator.is_truthy()?)
    }

    fn zero_word(&self, py: Python<'_>) -> PyResult<Word> {
        self.word(0_u64.into_pyobject(py)?.as_any())
    }

    /// Accumulates a word of this width.
    #[inline]
    pub fn combine(&self, py: Python<'_>, delta: &Word) -> PyResult<()> {
        match (&self.words, delta) {
            (Words::Narrow { accumulator, .. }, Word::Narrow(delta)) => {
                accumulator.store(accumulator.load(Relaxed) ^ delta, Relaxed);
            }
            (Words::Wide { pair, .. }, Word::Wide(delta)) => {
                let mut pair = pair.lock().unwrap_or_else(PoisonError::into_inner);
                pair.1 = pair.1.bind(py).bitxor(delta.bind(py))?.unbind();
            }
            _ => return Err(error(Kind::Merge, "the widths differ")),
        }
        let count = self.deltas.load(Relaxed).saturating_add(1);
        self.deltas.store(count, Relaxed);
        Ok(())
    }

    /// Sets the reference to a word of this width, and clears the accumulator.
    fn set(&self, py: Python<'_>, value: Word) -> PyResult<()> {
        match (&self.words, value) {
            (
                Words::Narrow {
                    reference,
                    accumulator,
                    ..
                },
                Word::Narrow(value),
            ) => {
                reference.store(value, Relaxed);
                accumulator.store(0, Relaxed);
            }
            (Words::Wide { pair, .. }, Word::Wide(value)) => {
                let zero = 0_u64.into_pyobject(py)?.into_any().unbind();
                *pair.lock().unwrap_or_else(PoisonError::into_inner) = (value, zero);
            }
            _ => return Err(error(Kind::Merge, "the widths differ")),
        }
        self.deltas.store(0, Relaxed);
        Ok(())
    }

    /// Reference and accumulator.
    fn pair<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        match &self.words {
            Words::Narrow {
                reference,
                accumulator,
                ..
            } => {
                let object = |word: &AtomicU64| word.load(Relaxed).into_pyobject(py);
                Ok((
                    object(reference)?.into_any(),
                    object(accumulator)?.into_any(),
                ))
            }
            Words::Wide { pair, .. } => {
                let pair = pair.lock().unwrap_or_else(PoisonError::into_inner);
                Ok((pair.0.bind(py).clone(), pair.1.bind(py).clone()))
            }
        }
    }

    /// The current state.
    #[inline]
    pub fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match &self.words {
            Words::Narrow {
                reference,
                accumulator,
                ..
            } => {
                let state = reference.load(Relaxed) ^ accumulator.load(Relaxed);
                Ok(state.into_pyobject(py)?.into_any())
            }
            Words::Wide { .. } => {
                let (reference, accumulator) = self.pair(py)?;
                reference.bitxor(accumulator)
            }
        }
    }
}

/// A negative or wide integer, masked.
#[cold]
fn masked(value: &Bound<'_, PyAny>, mask: u64) -> PyResult<u64> {
    integer(value)?.bitand(mask)?.extract()
}

#[pymethods]
impl AtomikContext {
    #[new]
    #[pyo3(signature = (width=64, initial_state=None))]
    fn new(py: Python<'_>, width: i64, initial_state: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let this = Self::zero(py, u64::try_from(width).unwrap_or(0))?;
        if let Some(value) = initial_state {
            this.load(value)?;
        }
        Ok(this)
    }

    /// Makes the value the reference, and clears the accumulator.
    #[inline]
    pub fn load(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.set(value.py(), self.word(value)?)
    }

    /// Combines a delta into the accumulator by xor.
    #[inline]
    pub fn accum(&self, delta: &Bound<'_, PyAny>) -> PyResult<()> {
        self.combine(delta.py(), &self.word(delta)?)
    }

    /// Undoes an `accum` of the same delta.
    fn rollback(&self, delta: &Bound<'_, PyAny>) -> PyResult<()> {
        self.accum(delta)
    }

    /// The state: reference xor accumulator.
    #[inline]
    pub fn read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.state(py)
    }

    /// The state. It, or `new_reference`, becomes the reference; the accumulator is cleared.
    #[pyo3(signature = (new_reference=None))]
    pub fn swap<'py>(
        &self,
        py: Python<'py>,
        new_reference: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let state = self.state(py)?;
        let reference = self.word(new_reference.unwrap_or(&state))?;
        self.set(py, reference)?;
        Ok(state)
    }

    /// Combines another's accumulator. Raises `MergeError` unless references and widths are equal.
    fn merge(&self, other: &Bound<'_, Self>) -> PyResult<()> {
        let py = other.py();
        let that = other.get();
        if self.width != that.width {
            return Err(error(
                Kind::Merge,
                format_args!(
                    "a context of {} bits cannot take one of {}; both need the same width",
                    self.width, that.width
                ),
            ));
        }
        let (reference, delta) = that.pair(py)?;
        if !self.pair(py)?.0.eq(&reference)? {
            return Err(error(Kind::Merge, atomik_algebra::Error::References));
        }
        let count = self.deltas.load(Relaxed);
        let count = count.saturating_add(that.deltas.load(Relaxed));
        self.combine(py, &self.word(&delta)?)?;
        self.deltas.store(count, Relaxed);
        Ok(())
    }

    /// Width, reference, accumulator, state and the number of deltas, as a dict.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (reference, accumulator) = self.pair(py)?;
        let snapshot = PyDict::new(py);
        snapshot.set_item("width", self.width)?;
        snapshot.set_item("reference", reference)?;
        snapshot.set_item("accumulator", accumulator)?;
        snapshot.set_item("state", self.state(py)?)?;
        snapshot.set_item("delta_count", self.deltas.load(Relaxed))?;
        Ok(snapshot)
    }

    /// The context of a snapshot.
    #[classmethod]
    fn from_snapshot<'py>(
        class: &Bound<'py, PyType>,
        snap: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let item = |name| snap.as_any().get_item(name);
        let object = class.call1((item("width")?, item("reference")?))?;
        let this = object.cast::<Self>()?.get();
        this.accum(&item("accumulator")?)?;
        let count = match snap.get_item("delta_count")? {
            Some(count) => count.extract()?,
            None => 0,
        };
        this.deltas.store(count, Relaxed);
        Ok(object)
    }

    /// The width in bits.
    #[getter]
    pub fn width(&self) -> u64 {
        self.width
    }

    /// The reference.
    #[getter]
    fn reference<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.pair(py)?.0)
    }

    /// The accumulator.
    #[getter]
    fn accumulator<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.pair(py)?.1)
    }

    /// How many deltas were combined since the last `load` or `swap`.
    #[getter]
    fn delta_count(&self) -> u64 {
        self.deltas.load(Relaxed)
    }

    /// Whether the accumulator is 0.
    #[getter]
    fn is_clean(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(!self.pair(py)?.1.is_truthy()?)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = other.py();
        match other.cast::<Self>() {
            Ok(other) => {
                let other = other.get();
                Ok(self.width == other.width && self.state(py)?.eq(other.state(py)?)?)
            }
            Err(_) => Ok(false),
        }
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _exception: &Bound<'_, pyo3::types::PyTuple>,
    ) -> PyResult<()> {
        self.set(py, self.zero_word(py)?)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let digits = self.width.div_ceil(4);
        let (reference, accumulator) = self.pair(py)?;
        let hex = |word: &Bound<'_, PyAny>| -> PyResult<String> {
            word.call_method1("__format__", (format!("0{digits}x"),))?
                .extract()
        };
        Ok(format!(
            "AtomikContext(state=0x{}, ref=0x{}, acc=0x{}, deltas={})",
            hex(&self.state(py)?)?,
            hex(&reference)?,
            hex(&accumulator)?,
            self.deltas.load(Relaxed)
        ))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let restored = slf.get_type().getattr("from_snapshot")?;
        let arguments = (slf.get().snapshot(py)?,);
        Ok((restored, arguments).into_pyobject(py)?.into_any())
    }
}
