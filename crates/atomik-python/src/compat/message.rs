//! `DeltaMessage`: one delta on its way from a stream to another.

use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyType};

use super::{is_origin, wide_address};
use crate::error::{Kind, error};

/// One delta. Beside what it shows, it knows which stream it comes from and how often that stream
/// had loaded the address, as long as it is passed on as an object: the 16 bytes have no room.
#[pyclass(frozen, subclass, module = "atomik_core")]
pub struct DeltaMessage {
    #[pyo3(get)]
    pub addr: u32,
    #[pyo3(get)]
    delta: Py<PyAny>,
    #[pyo3(get)]
    epoch: u64,
    #[pyo3(get)]
    pub seq: u64,
    pub tag: Tag,
}

/// Number, address, and delta, or its hash if it has more than 64 bits: what is left of a message
/// that passes through bytes or a dict.
pub type Content = (u64, u32, u64);

/// What the 16 bytes of a message leave out.
#[derive(Clone, Copy, Default)]
pub struct Tag {
    /// The stream or table that it comes from.
    pub origin: Option<u64>,
    /// How often its stream had loaded the address.
    pub generation: Option<u64>,
}

impl Tag {
    /// What a caller says of a message; refuses a number that no stream or table has.
    fn said(origin: Option<u64>, generation: Option<u64>) -> PyResult<Self> {
        match origin {
            Some(origin) if !is_origin(origin) => Err(error(
                Kind::Data,
                format_args!(
                    "{origin} is not the number of a stream or table; pass the `origin` of its \
                     sender, and for a sender that has none, always the same new one, \
                     DeltaStream().origin"
                ),
            )),
            _ => Ok(Self { origin, generation }),
        }
    }
}

/// A delta, or its hash if it has more than 64 bits.
pub fn digest(delta: &Bound<'_, PyAny>) -> PyResult<u64> {
    delta
        .extract::<u64>()
        .or_else(|_| delta.hash().map(isize::cast_unsigned).map(|it| it as u64))
}

impl DeltaMessage {
    pub fn new_tagged(
        addr: u32,
        delta: &Bound<'_, PyAny>,
        epoch: u64,
        seq: u64,
        tag: Tag,
    ) -> PyResult<Self> {
        if delta.lt(0)? {
            return Err(error(
                Kind::Data,
                format_args!("the delta {delta} is negative; mask it to the width of the stream"),
            ));
        }
        Ok(Self::of_word(addr, delta.clone().unbind(), epoch, seq, tag))
    }

    /// A message with a delta that is no negative integer.
    pub fn of_word(addr: u32, delta: Py<PyAny>, epoch: u64, seq: u64, tag: Tag) -> Self {
        Self {
            addr,
            delta,
            epoch,
            seq,
            tag,
        }
    }

    pub fn delta<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.delta.bind(py)
    }

    /// What is left of the message that passes through bytes or a dict.
    pub fn content(&self, py: Python<'_>) -> PyResult<Content> {
        Ok((self.seq, self.addr, digest(self.delta.bind(py))?))
    }

    /// Of class `class`, which may be one of Python's.
    fn into_class<'py>(self, class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
        let py = class.py();
        if class.is(py.get_type::<Self>()) {
            return Ok(Bound::new(py, self)?.into_any());
        }
        let Tag { origin, generation } = self.tag;
        let keywords = PyDict::new(py);
        // A class that takes no such keywords can be used where nothing is to be said.
        if let Some(origin) = origin {
            keywords.set_item("origin", origin)?;
        }
        if let Some(generation) = generation {
            keywords.set_item("generation", generation)?;
        }
        class.call(self.fields(py), Some(&keywords))
    }

    fn fields(&self, py: Python<'_>) -> (u32, Py<PyAny>, u64, u64) {
        (self.addr, self.delta.clone_ref(py), self.epoch, self.seq)
    }
}

#[pymethods]
impl DeltaMessage {
    #[new]
    #[pyo3(signature = (addr, delta, epoch=0, seq=0, *, origin=None, generation=None))]
    fn new(
        addr: &Bound<'_, PyAny>,
        delta: &Bound<'_, PyAny>,
        epoch: u64,
        seq: u64,
        origin: Option<u64>,
        generation: Option<u64>,
    ) -> PyResult<Self> {
        let delta = delta
            .py()
            .import("operator")?
            .call_method1("index", (delta,))?;
        let tag = Tag::said(origin, generation)?;
        Self::new_tagged(wide_address(addr)?, &delta, epoch, seq, tag)
    }

    /// The number of the stream or table that it comes from, if known.
    #[getter]
    fn origin(&self) -> Option<u64> {
        self.tag.origin
    }

    /// How often its stream had loaded the address, if known.
    #[getter]
    fn generation(&self) -> Option<u64> {
        self.tag.generation
    }

    /// Address, delta and number in 16 bytes, in network order.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let delta = self.delta.bind(py).extract::<u64>();
        let (Ok(delta), Ok(seq)) = (delta, u32::try_from(self.seq)) else {
            return Err(error(
                Kind::Data,
                "the message does not fit into 16 bytes: they hold a delta of 64 bits and a \
                 number of 32; use a width of up to 64 bits",
            ));
        };
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.addr.to_be_bytes());
        bytes[4..12].copy_from_slice(&delta.to_be_bytes());
        bytes[12..].copy_from_slice(&seq.to_be_bytes());
        Ok(PyBytes::new(py, &bytes))
    }

    /// The message in 16 bytes. The caller may say whose it is, and of which load of its address.
    #[classmethod]
    #[pyo3(signature = (data, *, origin=None, generation=None))]
    fn from_bytes<'py>(
        class: &Bound<'py, PyType>,
        data: &[u8],
        origin: Option<u64>,
        generation: Option<u64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = class.py();
        let Ok(bytes) = <[u8; 16]>::try_from(data) else {
            return Err(error(
                Kind::Data,
                format_args!(
                    "a message has 16 bytes, found {}; pass one at a time",
                    data.len()
                ),
            ));
        };
        let [a, b, c, d, delta @ .., e, f, g, h] = bytes;
        let this = Self {
            addr: u32::from_be_bytes([a, b, c, d]),
            delta: u64::from_be_bytes(delta)
                .into_pyobject(py)?
                .into_any()
                .unbind(),
            epoch: 0,
            seq: u32::from_be_bytes([e, f, g, h]).into(),
            tag: Tag::said(origin, generation)?,
        };
        this.into_class(class)
    }

    /// Address, delta and number as a dict.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fields = PyDict::new(py);
        fields.set_item("addr", self.addr)?;
        fields.set_item("delta", &self.delta)?;
        fields.set_item("seq", self.seq)?;
        Ok(fields)
    }

    /// The message of a dict. The caller may say whose it is, and of which load of its address.
    #[classmethod]
    #[pyo3(signature = (d, *, origin=None, generation=None))]
    fn from_dict<'py>(
        class: &Bound<'py, PyType>,
        d: &Bound<'py, PyDict>,
        origin: Option<u64>,
        generation: Option<u64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let item = |name| d.as_any().get_item(name);
        let (addr, delta, seq) = (item("addr")?, item("delta")?, item("seq")?.extract()?);
        let this = Self::new(&addr, &delta, 0, seq, origin, generation)?;
        this.into_class(class)
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, op: CompareOp) -> PyResult<Py<PyAny>> {
        let py = other.py();
        let (Ok(that), CompareOp::Eq | CompareOp::Ne) = (other.cast::<Self>(), op) else {
            return Ok(py.NotImplemented());
        };
        let that = that.get();
        let equal = (self.addr, self.epoch, self.seq) == (that.addr, that.epoch, that.seq)
            && self.delta.bind(py).eq(&that.delta)?;
        let answer = equal == matches!(op, CompareOp::Eq);
        Ok(answer.into_pyobject(py)?.to_owned().into_any().unbind())
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.fields(py).into_pyobject(py)?.hash()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let Self {
            addr, epoch, seq, ..
        } = self;
        let delta = self.delta.bind(py);
        format!("DeltaMessage(addr={addr}, delta={delta}, epoch={epoch}, seq={seq})")
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let restored = slf.get_type().getattr("_restored")?;
        let (addr, delta, epoch, seq) = this.fields(py);
        let arguments = (
            addr,
            delta,
            epoch,
            seq,
            this.tag.origin,
            this.tag.generation,
        );
        Ok((restored, arguments).into_pyobject(py)?.into_any())
    }

    #[staticmethod]
    fn _restored(
        addr: u32,
        delta: &Bound<'_, PyAny>,
        epoch: u64,
        seq: u64,
        origin: Option<u64>,
        generation: Option<u64>,
    ) -> PyResult<Self> {
        let tag = Tag::said(origin, generation)?;
        Self::new_tagged(addr, delta, epoch, seq, tag)
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str) {
        ("addr", "delta", "epoch", "seq")
    }
}
