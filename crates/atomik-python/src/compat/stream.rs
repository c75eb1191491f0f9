//! `DeltaStream`: deltas to and from other streams.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt as _;
use pyo3::types::{PyIterator, PyList};

use super::context::{AtomikContext, integer};
use super::message::{Content, DeltaMessage, Tag, digest};
use super::seen::Seen;
use super::{forks, new_origin, wide_address};
use crate::error::{Kind, error};

/// Contexts whose deltas go to other streams as messages.
#[pyclass(frozen, subclass, module = "atomik_core")]
pub struct DeltaStream {
    width: u64,
    state: Mutex<State>,
}

/// What changes. While it is locked, nothing may run Python code: that may use the stream, and let
/// other threads go on.
struct State {
    /// In the order of their first use.
    order: Vec<u32>,
    slots: HashMap<u32, Slot>,
    pending: Vec<Py<DeltaMessage>>,
    origin: u64,
    /// [`forks`] when the origin was drawn.
    forks: u64,
    /// Loads so far, of any address.
    epoch: u64,
    seen: Seen,
}

struct Slot {
    context: Py<AtomikContext>,
    /// How often it was loaded.
    generation: u64,
}

impl DeltaStream {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, State> {
        self.state
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The context of an address, or one for its first use.
    fn context(&self, py: Python<'_>, addr: u32) -> PyResult<Py<AtomikContext>> {
        if let Some(slot) = self.lock(py).slots.get(&addr) {
            return Ok(slot.context.clone_ref(py));
        }
        Py::new(py, AtomikContext::zero(py, self.width)?)
    }

    /// The state. In the child of a fork, the stream is another sender, with another origin.
    fn renewed(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, State>> {
        let state = self.lock(py);
        if state.forks == forks() {
            return Ok(state);
        }
        drop(state);
        let origin = new_origin(py)?;
        let mut state = self.lock(py);
        if state.forks != forks() {
            let former = state.origin;
            state.seen.own_until_now(former);
            (state.origin, state.forks) = (origin, forks());
        }
        Ok(state)
    }
}

impl State {
    /// The slot of an address; at its first use, it gets this context.
    fn slot(&mut self, addr: u32, context: Py<AtomikContext>) -> &mut Slot {
        self.slots.entry(addr).or_insert_with(|| {
            self.order.push(addr);
            Slot {
                context,
                generation: 0,
            }
        })
    }

    /// Accumulates a delta, which is an `int`. Returns the message for other streams; `None` if the
    /// address has no context yet.
    fn send(&mut self, addr: u32, delta: &Bound<'_, PyAny>) -> PyResult<Option<Py<DeltaMessage>>> {
        let py = delta.py();
        let Some(slot) = self.slots.get(&addr) else {
            return Ok(None);
        };
        let context = slot.context.get();
        let (word, object) = context.word_and_object(delta)?;
        let digest = match word.narrow(py) {
            Some(word) => word,
            None => digest(&object)?,
        };
        context.combine(py, &word)?;
        let tag = Tag {
            origin: Some(self.origin),
            generation: Some(slot.generation),
        };
        let seq = self.seen.own(addr, digest);
        let message = DeltaMessage::of_word(addr, object.unbind(), self.epoch, seq, tag);
        let message = Py::new(py, message)?;
        self.pending.push(message.clone_ref(py));
        Ok(Some(message))
    }

    /// Whether the message with this content counts: `false` if it is an own one, a duplicate, or
    /// of before the last load. Remembers it.
    fn admit(&mut self, message: &DeltaMessage, content: Content) -> PyResult<bool> {
        let Tag { origin, generation } = message.tag;
        if origin == Some(self.origin) {
            return Ok(false);
        }
        let here = self
            .slots
            .get(&message.addr)
            .map_or(0, |slot| slot.generation);
        match generation {
            Some(there) if there < here => return Ok(false),
            Some(there) if there > here => return Err(ahead(message.addr, there, here)),
            None if here > 1 => return Err(undated(message.addr, here)),
            _ => {}
        }
        let is_new = self.seen.is_new(message, content)?;
        if is_new {
            self.seen.take(message, content);
        }
        Ok(is_new)
    }
}

#[cold]
fn ahead(addr: u32, there: u64, here: u64) -> PyErr {
    error(
        Kind::Merge,
        format_args!(
            "the sender has loaded address {addr} {there} times and this stream {here} times, so \
             the references may differ; load it here as there, then apply the message again"
        ),
    )
}

#[cold]
fn undated(addr: u32, here: u64) -> PyErr {
    error(
        Kind::Merge,
        format_args!(
            "address {addr} was loaded {here} times, and the message does not say of which load \
             it is: 16 bytes have no room for that; pass the number of the sender's loads, \
             DeltaMessage.from_bytes(data, generation={here})"
        ),
    )
}

#[pymethods]
impl DeltaStream {
    /// `num_contexts` is not used, as in the original: any address of 32 bits will do.
    #[new]
    #[pyo3(signature = (width=64, num_contexts=256))]
    fn new(py: Python<'_>, width: i64, num_contexts: i64) -> PyResult<Self> {
        let _ = num_contexts;
        let width = u64::try_from(width).unwrap_or(0);
        // A width that no context can have is refused here, not at the first use.
        AtomikContext::zero(py, width)?;
        Ok(Self {
            width,
            state: Mutex::new(State {
                order: Vec::new(),
                slots: HashMap::new(),
                pending: Vec::new(),
                origin: new_origin(py)?,
                forks: forks(),
                epoch: 0,
                seen: Seen::default(),
            }),
        })
    }

    /// Makes the value the reference of an address, and clears its accumulator.
    fn load(&self, addr: &Bound<'_, PyAny>, initial_state: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, addr, value) = (addr.py(), wide_address(addr)?, integer(initial_state)?);
        let context = self.context(py, addr)?;
        let mut state = self.lock(py);
        let slot = state.slot(addr, context);
        slot.context.get().load(&value)?;
        slot.generation += 1;
        state.epoch += 1;
        Ok(())
    }

    /// Combines a delta into the accumulator of an address. Returns the message for other streams.
    fn accum(
        &self,
        addr: &Bound<'_, PyAny>,
        delta: &Bound<'_, PyAny>,
    ) -> PyResult<Py<DeltaMessage>> {
        let (py, addr, delta) = (addr.py(), wide_address(addr)?, integer(delta)?);
        loop {
            if let Some(message) = self.renewed(py)?.send(addr, &delta)? {
                return Ok(message);
            }
            let context = self.context(py, addr)?;
            self.lock(py).slot(addr, context);
        }
    }

    /// The state of an address.
    fn read<'py>(&self, addr: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, addr) = (addr.py(), wide_address(addr)?);
        self.context(py, addr)?.get().read(py)
    }

    /// Applies a message. Returns whether it counted: not if it was applied before, comes from this
    /// stream, or is older than the last load.
    fn apply(&self, msg: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = msg.py();
        let Ok(message) = msg.cast::<DeltaMessage>() else {
            let found = msg.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "a stream applies a DeltaMessage, found {found}; \
                 make one with DeltaMessage.from_bytes(data)"
            )));
        };
        let message = message.get();
        let context = self.context(py, message.addr)?;
        let word = context.get().word(message.delta(py))?;
        let content = message.content(py)?;
        let mut state = self.renewed(py)?;
        if !state.admit(message, content)? {
            return Ok(false);
        }
        let slot = state.slot(message.addr, context);
        slot.context.get().combine(py, &word)?;
        Ok(true)
    }

    /// The messages made since the last call.
    fn pending(&self, py: Python<'_>) -> Vec<Py<DeltaMessage>> {
        std::mem::take(&mut self.lock(py).pending)
    }

    /// The addresses in use with their contexts, in the order of their first use.
    fn contexts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let pairs: Vec<_> = {
            let state = self.lock(py);
            let pair = |addr: &u32| (*addr, state.slots[addr].context.clone_ref(py));
            state.order.iter().map(pair).collect()
        };
        PyList::new(py, pairs)?.try_iter()
    }

    /// How often an address was loaded.
    fn generation(&self, addr: &Bound<'_, PyAny>) -> PyResult<u64> {
        let (py, addr) = (addr.py(), wide_address(addr)?);
        let state = self.lock(py);
        Ok(state.slots.get(&addr).map_or(0, |slot| slot.generation))
    }

    /// The number that tells this stream's messages from those of others.
    #[getter]
    fn origin(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.renewed(py)?.origin)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let state = self.lock(py);
        format!(
            "<DeltaStream width {}, {} addresses, {} pending>",
            self.width,
            state.order.len(),
            state.pending.len()
        )
    }
}
