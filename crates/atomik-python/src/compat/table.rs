//! `AtomikTable`: contexts by address.

use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use super::context::{AtomikContext, Word};
use super::index;
use crate::error::{Kind, error};

/// Contexts of one width at the addresses from 0 up.
#[pyclass(frozen, subclass, module = "atomik_core")]
pub struct AtomikTable {
    width: u64,
    contexts: Box<[Py<AtomikContext>]>,
}

impl AtomikTable {
    #[inline]
    fn at(&self, addr: &Bound<'_, PyAny>) -> PyResult<&AtomikContext> {
        Ok(self.contexts[index(addr, self.contexts.len())?].get())
    }
}

#[pymethods]
impl AtomikTable {
    #[new]
    #[pyo3(signature = (num_contexts=256, width=64))]
    fn new(py: Python<'_>, num_contexts: i64, width: i64) -> PyResult<Self> {
        let (count, width) = (num_contexts.max(0), u64::try_from(width).unwrap_or(0));
        if count == 0 {
            return Err(error(Kind::Geometry, "a table needs at least one context"));
        }
        // A table that has no room is refused before it is made.
        let mut contexts = Vec::new();
        let reserved = usize::try_from(count).map(|count| contexts.try_reserve_exact(count));
        if !matches!(reserved, Ok(Ok(()))) {
            return Err(PyMemoryError::new_err(format!(
                "a table of {count} contexts does not fit into memory; choose fewer"
            )));
        }
        for _ in 0..count {
            contexts.push(Py::new(py, AtomikContext::zero(py, width)?)?);
        }
        Ok(Self {
            width,
            contexts: contexts.into(),
        })
    }

    /// Makes the value the reference of an address, and clears its accumulator.
    fn load(&self, addr: &Bound<'_, PyAny>, initial_state: &Bound<'_, PyAny>) -> PyResult<()> {
        self.at(addr)?.load(initial_state)
    }

    /// Combines a delta into the accumulator of an address.
    fn accum(&self, addr: &Bound<'_, PyAny>, delta: &Bound<'_, PyAny>) -> PyResult<()> {
        self.at(addr)?.accum(delta)
    }

    /// The state of an address.
    fn read<'py>(&self, addr: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.at(addr)?.read(addr.py())
    }

    /// The state of an address. It, or `new_reference`, becomes the reference.
    #[pyo3(signature = (addr, new_reference=None))]
    fn swap<'py>(
        &self,
        addr: &Bound<'py, PyAny>,
        new_reference: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.at(addr)?.swap(addr.py(), new_reference)
    }

    /// All of the deltas or, if one is refused, none.
    fn batch_accum(&self, deltas: &Bound<'_, PyDict>) -> PyResult<()> {
        let checked: Vec<(&AtomikContext, Word)> = deltas
            .iter()
            .map(|(addr, delta)| {
                let context = self.at(&addr)?;
                Ok((context, context.word(&delta)?))
            })
            .collect::<PyResult<_>>()?;
        checked
            .iter()
            .try_for_each(|(context, delta)| context.combine(deltas.py(), delta))
    }

    /// The context at an address.
    fn context(&self, addr: &Bound<'_, PyAny>) -> PyResult<Py<AtomikContext>> {
        let at = index(addr, self.contexts.len())?;
        Ok(self.contexts[at].clone_ref(addr.py()))
    }

    /// The states that are not 0, by address.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let snapshot = PyDict::new(py);
        for (addr, context) in self.contexts.iter().enumerate() {
            let state = context.get().state(py)?;
            if state.is_truthy()? {
                snapshot.set_item(addr, state)?;
            }
        }
        Ok(snapshot)
    }

    /// The number of addresses.
    #[getter]
    fn num_contexts(&self) -> usize {
        self.contexts.len()
    }

    /// The width of a word in bits.
    #[getter]
    fn width(&self) -> u64 {
        self.width
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut active = 0;
        for context in &self.contexts {
            active += usize::from(context.get().is_active(py)?);
        }
        let (contexts, width) = (self.contexts.len(), self.width);
        Ok(format!(
            "AtomikTable(contexts={contexts}, width={width}, active={active})"
        ))
    }

    /// For pickling: what [`AtomikTable::_restored`] takes.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let contexts = PyList::new(
            py,
            this.contexts.iter().map(|context| context.clone_ref(py)),
        )?;
        let restored = slf.get_type().getattr("_restored")?;
        Ok((restored, (this.width, contexts))
            .into_pyobject(py)?
            .into_any())
    }

    #[staticmethod]
    fn _restored(width: u64, contexts: &Bound<'_, PyList>) -> PyResult<Self> {
        let context = |object: Bound<'_, PyAny>| {
            let context = object.cast::<AtomikContext>()?.clone();
            match context.get().width() == width {
                true => Ok(context.unbind()),
                false => Err(error(Kind::Data, "the pickle is not of this table")),
            }
        };
        let contexts: Box<[_]> = contexts.iter().map(context).collect::<PyResult<_>>()?;
        if contexts.is_empty() {
            return Err(error(Kind::Data, "the pickle is not of this table"));
        }
        Ok(Self { width, contexts })
    }
}
