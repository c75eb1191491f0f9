//! One address: a reference and an accumulator.

use std::sync::{Mutex, MutexGuard, PoisonError};

use atomik_algebra::{DynRegisterFile, Layout};
use atomik_trace::Data;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyInt;

use crate::array::Array;
use crate::error::model;
use crate::word::{hex, integer, layout, response, word};

/// One address: a reference and an accumulator.
#[pyclass(frozen, module = "atomik")]
pub struct Accumulator {
    layout: Layout,
    file: Mutex<DynRegisterFile>,
}

impl Accumulator {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, DynRegisterFile> {
        self.file
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Accumulates one delta, or a whole array of them.
    fn combine(&self, delta: &Bound<'_, PyAny>, undo: bool) -> PyResult<()> {
        let py = delta.py();
        let single = match word(&self.layout, delta) {
            Ok(delta) => delta,
            Err(refused) if refused.is_instance_of::<PyTypeError>(py) => {
                let deltas = Array::words(delta, self.layout.limbs())?;
                let (view, len) = (deltas.view(), deltas.len());
                let done = py.detach(|| {
                    let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
                    match undo {
                        true => file.rollback_each(len, |_| 0, |at| view.get(at)),
                        false => file.accum_each(len, |_| 0, |at| view.get(at)),
                    }
                });
                return done.map_err(|refused| model(&refused));
            }
            Err(refused) => return Err(refused),
        };
        let limbs = single.limbs(self.layout.width());
        let mut file = self.lock(py);
        let done = match undo {
            true => file.rollback(0, limbs),
            false => file.accum(0, limbs),
        };
        done.map_err(|refused| model(&refused))
    }

    /// Reference and accumulator.
    fn words(&self, py: Python<'_>) -> PyResult<(Data, Data)> {
        let (mut reference, mut delta) = (Data::ZERO, Data::ZERO);
        let width = self.layout.width();
        let file = self.lock(py);
        let limbs = reference.limbs_mut(width);
        file.reference_each(1, |_| 0, |at, limb| limbs[at] = limb)
            .and_then(|()| file.delta(0, delta.limbs_mut(width)))
            .map_err(|refused| model(&refused))?;
        Ok((reference, delta))
    }
}

#[pymethods]
impl Accumulator {
    #[new]
    #[pyo3(signature = (width, value=None))]
    fn new(width: &Bound<'_, PyAny>, value: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let layout = layout(width)?;
        let file = DynRegisterFile::with_layout(layout, 1).map_err(|refused| model(&refused))?;
        let this = Self {
            layout,
            file: Mutex::new(file),
        };
        if let Some(value) = value {
            this.load(value)?;
        }
        Ok(this)
    }

    /// The width of a word in bits.
    #[getter]
    fn width(&self) -> u32 {
        self.layout.width()
    }

    /// The layout of a word, such as "xor:48,add:16".
    #[getter]
    fn layout(&self) -> String {
        self.layout.to_string()
    }

    /// The reference.
    #[getter]
    fn reference<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        integer(py, self.words(py)?.0.limbs(self.layout.width()))
    }

    /// LOAD: makes the value the reference, and the accumulator 0.
    fn load(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let data = word(&self.layout, value)?;
        let loaded = self
            .lock(value.py())
            .load(0, data.limbs(self.layout.width()));
        loaded.map_err(|refused| model(&refused))
    }

    /// ACCUM: combines a delta, or each of an array of deltas, into the accumulator.
    fn accum(&self, delta: &Bound<'_, PyAny>) -> PyResult<()> {
        self.combine(delta, false)
    }

    /// Undoes an `accum` of the same delta or deltas: accumulates the inverse.
    fn rollback(&self, delta: &Bound<'_, PyAny>) -> PyResult<()> {
        self.combine(delta, true)
    }

    /// READ: the state, reference + accumulator.
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let file = self.lock(py);
        response(py, self.layout.width(), |data| file.read(0, data))
    }

    /// DELTA: the accumulator.
    fn delta<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let file = self.lock(py);
        response(py, self.layout.width(), |data| file.delta(0, data))
    }

    /// SWAP: the state, which becomes the reference; the accumulator becomes 0.
    fn swap<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let mut file = self.lock(py);
        response(py, self.layout.width(), |data| file.swap(0, data))
    }

    /// DRAIN: the accumulator; the state becomes the reference, and the accumulator 0.
    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let mut file = self.lock(py);
        response(py, self.layout.width(), |data| file.drain(0, data))
    }

    /// Whether the accumulator is 0.
    #[getter]
    fn is_clean(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.words(py)?.1 == Data::ZERO)
    }

    /// Adds another's accumulator. Raises `MergeError` unless the references are equal.
    fn merge(&self, py: Python<'_>, other: &Bound<'_, Self>) -> PyResult<()> {
        let copy = other.get().lock(py).clone();
        let merged = self.lock(py).merge_from(&copy);
        merged.map_err(|refused| match refused {
            atomik_algebra::Error::ReferencesAt { .. } => model(&atomik_algebra::Error::References),
            other => model(&other),
        })
    }

    fn __copy__(&self, py: Python<'_>) -> Self {
        let file = self.lock(py).clone();
        Self {
            layout: self.layout,
            file: Mutex::new(file),
        }
    }

    fn __deepcopy__(&self, py: Python<'_>, _memo: &Bound<'_, PyAny>) -> Self {
        self.__copy__(py)
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> bool {
        let Ok(other) = other.cast::<Self>() else {
            return false;
        };
        let copy = other.get().lock(py).clone();
        *self.lock(py) == copy
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (reference, delta) = self.words(py)?;
        let width = self.layout.width();
        let state = reference.combined(&delta, &self.layout);
        let hex = |data: &Data| hex(data.limbs(width), width);
        Ok(format!(
            "<Accumulator {}: {} = reference {} + delta {}>",
            self.layout,
            hex(&state),
            hex(&reference),
            hex(&delta)
        ))
    }

    /// For pickling: what [`Accumulator::_restored`] takes.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let (reference, delta) = this.words(py)?;
        let width = this.layout.width();
        let restored = slf.get_type().getattr("_restored")?;
        let arguments = (
            this.layout(),
            integer(py, reference.limbs(width))?,
            integer(py, delta.limbs(width))?,
        );
        Ok((restored, arguments).into_pyobject(py)?.into_any())
    }

    #[staticmethod]
    fn _restored(
        width: &Bound<'_, PyAny>,
        reference: &Bound<'_, PyInt>,
        delta: &Bound<'_, PyInt>,
    ) -> PyResult<Self> {
        let this = Self::new(width, Some(reference.as_any()))?;
        this.accum(delta.as_any())?;
        Ok(this)
    }
}
