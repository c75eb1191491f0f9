//! `DeltaStream`: deltas to and from other streams.

use std::collections::HashMap;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList};

use super::context::{AtomikContext, integer};
use super::message::{DeltaMessage, Tag};
use super::seen::Seen;
use super::{forks, new_origin, wide_address};
use crate::error::{Kind, error};

/// Contexts whose deltas go to other streams as messages.
#[pyclass(subclass, module = "atomik_core")]
pub struct DeltaStream {
    width: u64,
    /// In the order of their first use.
    order: Vec<u32>,
    slots: HashMap<u32, Slot>,
    pending: Vec<Py<DeltaMessage>>,
    origin: u64,
    /// [`forks`] when the origin was drawn.
    forks: u64,
    /// Loads so far, of any address.
    epoch: u64,
    seq: u64,
    seen: Seen,
}

struct Slot {
    context: Py<AtomikContext>,
    /// How often it was loaded.
    generation: u64,
}

impl DeltaStream {
    fn slot(&mut self, py: Python<'_>, addr: u32) -> PyResult<&mut Slot> {
        if !self.slots.contains_key(&addr) {
            let context = Py::new(py, AtomikContext::zero(py, self.width)?)?;
            self.order.push(addr);
            self.slots.insert(
                addr,
                Slot {
                    context,
                    generation: 0,
                },
            );
        }
        match self.slots.get_mut(&addr) {
            Some(slot) => Ok(slot),
            None => Err(error(Kind::Tool, "a context is missing")),
        }
    }

    /// In the child of a fork, the stream is another sender, with another origin.
    fn renew(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.forks != forks() {
            let origin = new_origin(py)?;
            self.seen.numbers(self.origin, self.seq);
            (self.origin, self.forks) = (origin, forks());
        }
        Ok(())
    }

    /// Whether the message counts: `false` if it is an own one, a duplicate, or of before the last
    /// load. Remembers it.
    fn admit(&mut self, py: Python<'_>, message: &DeltaMessage) -> PyResult<bool> {
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
        if message.seq == 0 {
            return Ok(true);
        }
        match (origin, message.content(py)) {
            (Some(origin), _) => Ok(self.seen.number(origin, message.seq)),
            (None, Some(content)) if !self.seen.content(content) => Err(ambiguous(message)),
            _ => Ok(true),
        }
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

#[cold]
fn ambiguous(message: &DeltaMessage) -> PyErr {
    error(
        Kind::Merge,
        format_args!(
            "a message with this address, {}, this delta and this number, {}, was sent or applied \
             already: this is the same one again, or another sender's; say whose it is, \
             DeltaMessage.from_bytes(data, origin=NUMBER)",
            message.addr, message.seq
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
            order: Vec::new(),
            slots: HashMap::new(),
            pending: Vec::new(),
            origin: new_origin(py)?,
            forks: forks(),
            epoch: 0,
            seq: 0,
            seen: Seen::default(),
        })
    }

    /// Makes the value the reference of an address, and clears its accumulator.
    fn load(
        slf: &Bound<'_, Self>,
        addr: &Bound<'_, PyAny>,
        initial_state: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        // Conversions first: they may call code that uses this stream.
        let (addr, value) = (wide_address(addr)?, integer(initial_state)?);
        let mut this = slf.try_borrow_mut()?;
        let slot = this.slot(slf.py(), addr)?;
        slot.context.get().load(&value)?;
        slot.generation += 1;
        this.epoch += 1;
        Ok(())
    }

    /// Combines a delta into the accumulator of an address. Returns the message for other streams.
    fn accum(
        slf: &Bound<'_, Self>,
        addr: &Bound<'_, PyAny>,
        delta: &Bound<'_, PyAny>,
    ) -> PyResult<Py<DeltaMessage>> {
        // Conversions first: they may call code that uses this stream.
        let (py, addr, delta) = (addr.py(), wide_address(addr)?, integer(delta)?);
        let mut this = slf.try_borrow_mut()?;
        this.renew(py)?;
        let slot = this.slot(py, addr)?;
        let context = slot.context.get();
        let word = context.word(&delta)?;
        context.combine(py, &word)?;
        let generation = Some(slot.generation);
        let origin = Some(this.origin);
        this.seq += 1;
        let delta = word.object(py)?;
        let tag = Tag { origin, generation };
        let message = DeltaMessage::new_tagged(addr, &delta, this.epoch, this.seq, tag)?;
        if let Some(content) = message.content(py) {
            this.seen.content(content);
        }
        let message = Py::new(py, message)?;
        this.pending.push(message.clone_ref(py));
        Ok(message)
    }

    /// The state of an address.
    fn read<'py>(slf: &Bound<'py, Self>, addr: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, addr) = (addr.py(), wide_address(addr)?);
        match slf.try_borrow()?.slots.get(&addr) {
            Some(slot) => slot.context.get().read(py),
            None => Ok(0_u64.into_pyobject(py)?.into_any()),
        }
    }

    /// Applies a message. Returns whether it counted: not if it was applied before, comes from this
    /// stream, or is older than the last load.
    fn apply(&mut self, msg: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = msg.py();
        let Ok(message) = msg.cast::<DeltaMessage>() else {
            let found = msg.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "a stream applies a DeltaMessage, found {found}; \
                 make one with DeltaMessage.from_bytes(data)"
            )));
        };
        let message = message.get();
        self.renew(py)?;
        if !self.admit(py, message)? {
            return Ok(false);
        }
        let context = self.slot(py, message.addr)?.context.get();
        context.combine(py, &context.word(message.delta(py))?)?;
        Ok(true)
    }

    /// The messages made since the last call.
    fn pending(&mut self) -> Vec<Py<DeltaMessage>> {
        std::mem::take(&mut self.pending)
    }

    /// The addresses in use with their contexts, in the order of their first use.
    fn contexts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let pair = |addr: &u32| (*addr, self.slots[addr].context.clone_ref(py));
        PyList::new(py, self.order.iter().map(pair))?.try_iter()
    }

    /// How often an address was loaded.
    fn generation(slf: &Bound<'_, Self>, addr: &Bound<'_, PyAny>) -> PyResult<u64> {
        let addr = wide_address(addr)?;
        let this = slf.try_borrow()?;
        Ok(this.slots.get(&addr).map_or(0, |slot| slot.generation))
    }

    /// The number that tells this stream's messages from those of others.
    #[getter]
    fn origin(&mut self, py: Python<'_>) -> PyResult<u64> {
        self.renew(py)?;
        Ok(self.origin)
    }

    fn __repr__(&self) -> String {
        format!(
            "<DeltaStream width {}, {} addresses, {} pending>",
            self.width,
            self.order.len(),
            self.pending.len()
        )
    }
}
