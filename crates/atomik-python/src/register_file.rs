//! The register file of the software model.

use std::sync::{Mutex, MutexGuard, PoisonError};

use atomik_algebra::{DynRegisterFile, DynSnapshot, Error, Op};
use atomik_trace::{Data, Geometry, Quote, Reason};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyBytes;

use crate::array::{Array, View};
use crate::error::{Kind, error, model};
use crate::word::{address, geometry, hex, integer, response, word};

/// How many addresses `repr` shows.
const SHOWN: usize = 4;

/// Many addresses with a reference and an accumulator each.
///
/// `width` is a number of bits, 1 to 512, or a layout such as "xor:48,add:16". `depth` is a power
/// of two. Values are integers, texts as in traces ("0xff"), or lists with one value per field.
///
/// Addresses and values may be arrays, too: `load`, `accum` and `rollback` take arrays of addresses
/// (int64 or uint64) and of words (uint64), `read`, `delta` and `reference` an array of addresses.
/// Words of up to 64 bits are arrays of shape (n,), wider ones of shape (n, limbs), lowest limb
/// first. Arrays are used where they are, not copied, and other threads run meanwhile; do not
/// change an array before the call has returned. If one entry is refused, none is applied.
#[pyclass(frozen, module = "atomik")]
pub struct RegisterFile {
    geometry: Geometry,
    file: Mutex<DynRegisterFile>,
}

/// A copy of all references and accumulators of a register file.
#[pyclass(frozen, module = "atomik")]
pub struct Snapshot(DynSnapshot);

type Single = fn(&mut DynRegisterFile, usize, &[u64]) -> Result<(), Error>;
type Many = fn(&mut DynRegisterFile, usize, View<'_>, View<'_>) -> Result<(), Error>;

impl RegisterFile {
    fn wrap(geometry: Geometry, file: DynRegisterFile) -> Self {
        Self {
            geometry,
            file: Mutex::new(file),
        }
    }

    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, DynRegisterFile> {
        // A panic cannot leave the tables in pieces: every op is checked before it changes them.
        self.file
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The tables, for a thread that has released the interpreter's lock.
    fn hold(&self) -> MutexGuard<'_, DynRegisterFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_lane(&self, lane: u32) -> PyResult<()> {
        if lane < self.geometry.lanes() {
            return Ok(());
        }
        let lanes = self.geometry.lanes();
        let lane = Quote::new(&lane.to_string());
        Err(error(Kind::Geometry, Reason::NoSuchLane { lane, lanes }))
    }

    /// One op with data at an address, or many at an array of addresses.
    fn change<'py>(
        &self,
        addr: &Bound<'py, PyAny>,
        data: &Bound<'py, PyAny>,
        single: Single,
        each: Many,
    ) -> PyResult<()> {
        let py = addr.py();
        if let Some(addr) = self.single(addr)? {
            let layout = self.geometry.layout();
            let data = word(&layout, data)?;
            let limbs = data.limbs(layout.width());
            return single(&mut self.lock(py), addr, limbs).map_err(|refused| model(&refused));
        }
        let addrs = Array::addresses(addr)?;
        let words = Array::words(data, self.geometry.layout().limbs())?;
        addrs.check_len(&words)?;
        let (at, limbs) = (addrs.view(), words.view());
        let len = addrs.len();
        let done = py.detach(|| each(&mut self.hold(), len, at, limbs));
        done.map_err(|refused| bulk_error(&refused, &addrs))
    }

    /// One op with a response at an address, or many at an array of addresses.
    fn ask<'py>(
        &self,
        addr: &Bound<'py, PyAny>,
        out: Option<&Bound<'py, PyAny>>,
        single: impl FnOnce(&mut DynRegisterFile, usize, &mut [u64]) -> Result<bool, Error>,
        each: impl FnOnce(&DynRegisterFile, usize, View<'_>, View<'_>) -> Result<(), Error> + Send,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = addr.py();
        if let Some(addr) = self.single(addr)? {
            let mut file = self.lock(py);
            return response(py, self.geometry.width(), |data| {
                single(&mut file, addr, data)
            });
        }
        let addrs = Array::addresses(addr)?;
        let (words, object) = Array::output(py, out, addrs.len(), self.geometry.layout().limbs())?;
        addrs.check_apart(&words)?;
        let (at, limbs, len) = (addrs.view(), words.view(), addrs.len());
        let done = py.detach(|| each(&self.hold(), len, at, limbs));
        done.map_err(|refused| bulk_error(&refused, &addrs))?;
        Ok(object)
    }

    /// The address, or `None` for what may be an array of addresses.
    fn single(&self, addr: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        match address(addr, self.geometry.depth()) {
            Ok(addr) => Ok(Some(addr)),
            Err(refused) if refused.is_instance_of::<PyValueError>(addr.py()) => Err(refused),
            Err(_) => Ok(None),
        }
    }

    /// All limbs of all references, or of all accumulators, as bytes.
    fn table<'py>(&self, py: Python<'py>, references: bool) -> PyResult<Bound<'py, PyBytes>> {
        let file = self.lock(py);
        let (depth, limbs) = (file.depth(), file.limbs());
        PyBytes::new_with(py, depth * limbs * 8, |bytes| {
            let put = |at: usize, limb: u64| {
                bytes[8 * at..8 * at + 8].copy_from_slice(&limb.to_le_bytes());
            };
            let done = match references {
                true => file.reference_each(depth, |at| at, put),
                false => file.delta_each(depth, |at| at, put),
            };
            done.map_err(|refused| model(&refused))
        })
    }
}

/// Why a command was refused, in the words of traces.
fn refused(reason: Reason) -> PyErr {
    error(Kind::Input, reason)
}

/// The op of this name, as traces have it.
fn named(op: &str) -> PyResult<(&'static str, Op)> {
    match Op::from_name(op) {
        Some(code) => Ok((code.name(), code)),
        None if op == "rollback" => Ok(("rollback", Op::Accum)),
        None => Err(refused(Reason::UnknownOp(Quote::new(op)))),
    }
}

/// What a bulk operation refused, with the address as it stands in the array.
fn bulk_error(refused: &Error, addrs: &Array) -> PyErr {
    if let Error::Entry { index, reason } = refused
        && let Error::Address { depth, .. } = **reason
        && let Some(addr) = addrs.negative(*index)
    {
        return error(
            Kind::Address,
            format_args!(
                "entry {index} of the list: address {addr} is outside a register file of {depth}; \
                 use an address below {depth} (nothing of the list was applied)"
            ),
        );
    }
    model(refused)
}

#[pymethods]
impl RegisterFile {
    #[new]
    #[pyo3(signature = (width, depth=512, lanes=1))]
    fn new(width: &Bound<'_, PyAny>, depth: usize, lanes: u32) -> PyResult<Self> {
        let geometry = geometry(width, depth, lanes)?;
        let file = DynRegisterFile::with_layout(geometry.layout(), depth);
        Ok(Self::wrap(
            geometry,
            file.map_err(|refused| model(&refused))?,
        ))
    }

    /// The width of a word in bits.
    #[getter]
    fn width(&self) -> u32 {
        self.geometry.width()
    }

    /// The layout of a word, such as "xor:48,add:16".
    #[getter]
    fn layout(&self) -> String {
        self.geometry.layout().to_string()
    }

    /// The number of addresses.
    #[getter]
    fn depth(&self) -> usize {
        self.geometry.depth()
    }

    /// The number of lanes, which are the numbers that `lane` may have.
    #[getter]
    fn lanes(&self) -> u32 {
        self.geometry.lanes()
    }

    /// The number of 64-bit limbs of a word.
    #[getter]
    fn limbs(&self) -> usize {
        self.geometry.layout().limbs()
    }

    fn __len__(&self) -> usize {
        self.geometry.depth()
    }

    /// The state of an address. Ends iteration with an `IndexError`, so a file is a sequence.
    fn __getitem__<'py>(&self, addr: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.read(addr, None)
    }

    /// LOAD: makes the value the reference, and the accumulator 0. Arrays are as in the class.
    fn load(&self, addr: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.change(addr, value, DynRegisterFile::load, |file, len, at, data| {
            file.load_each(len, at.addresses(), data.limbs())
        })
    }

    /// ACCUM: combines a delta into the accumulator.
    #[pyo3(signature = (addr, delta, lane=0))]
    fn accum(&self, addr: &Bound<'_, PyAny>, delta: &Bound<'_, PyAny>, lane: u32) -> PyResult<()> {
        self.check_lane(lane)?;
        self.change(
            addr,
            delta,
            DynRegisterFile::accum,
            |file, len, at, data| file.accum_each(len, at.addresses(), data.limbs()),
        )
    }

    /// Undoes an `accum` of the same delta: accumulates its inverse.
    #[pyo3(signature = (addr, delta, lane=0))]
    fn rollback(
        &self,
        addr: &Bound<'_, PyAny>,
        delta: &Bound<'_, PyAny>,
        lane: u32,
    ) -> PyResult<()> {
        self.check_lane(lane)?;
        self.change(
            addr,
            delta,
            DynRegisterFile::rollback,
            |file, len, at, data| file.rollback_each(len, at.addresses(), data.limbs()),
        )
    }

    /// READ: the state, reference + accumulator.
    #[pyo3(signature = (addr, out=None))]
    fn read<'py>(
        &self,
        addr: &Bound<'py, PyAny>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.ask(
            addr,
            out,
            |file, addr, data| file.read(addr, data),
            |file, len, at, out| file.read_each(len, at.addresses(), out.put()),
        )
    }

    /// DELTA: the accumulator.
    #[pyo3(signature = (addr, out=None))]
    fn delta<'py>(
        &self,
        addr: &Bound<'py, PyAny>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.ask(
            addr,
            out,
            |file, addr, data| file.delta(addr, data),
            |file, len, at, out| file.delta_each(len, at.addresses(), out.put()),
        )
    }

    /// The reference of an address.
    #[pyo3(signature = (addr, out=None))]
    fn reference<'py>(
        &self,
        addr: &Bound<'py, PyAny>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.ask(
            addr,
            out,
            |file, addr, data| {
                let limbs = data.len();
                file.reference_each(1, |_| addr, |limb, value| data[limb % limbs] = value)
                    .map(|()| true)
                    .map_err(|refused| match refused {
                        Error::Entry { reason, .. } => *reason,
                        other => other,
                    })
            },
            |file, len, at, out| file.reference_each(len, at.addresses(), out.put()),
        )
    }

    /// SWAP: the state, which becomes the reference; the accumulator becomes 0.
    fn swap<'py>(&self, py: Python<'py>, addr: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let addr = address(addr, self.geometry.depth())?;
        let mut file = self.lock(py);
        response(py, self.geometry.width(), |data| file.swap(addr, data))
    }

    /// DRAIN: the accumulator; the state becomes the reference, and the accumulator 0.
    fn drain<'py>(&self, py: Python<'py>, addr: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let addr = address(addr, self.geometry.depth())?;
        let mut file = self.lock(py);
        response(py, self.geometry.width(), |data| file.drain(addr, data))
    }

    /// Whether the accumulator of an address is 0.
    fn is_clean(&self, py: Python<'_>, addr: &Bound<'_, PyAny>) -> PyResult<bool> {
        let addr = address(addr, self.geometry.depth())?;
        let mut data = Data::ZERO;
        let clean = self
            .lock(py)
            .delta(addr, data.limbs_mut(self.geometry.width()));
        clean.map_err(|refused| model(&refused))
    }

    /// The states of all addresses.
    #[pyo3(signature = (out=None))]
    fn states<'py>(
        &self,
        py: Python<'py>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let depth = self.geometry.depth();
        let (words, object) = Array::output(py, out, depth, self.geometry.layout().limbs())?;
        let view = words.view();
        let done = py.detach(|| {
            let file = self.hold();
            file.read_each(depth, |at| at, |limb, value| view.set(limb, value))
        });
        done.map_err(|refused| model(&refused))?;
        Ok(object)
    }

    /// Performs the op of this name. Returns a `Response`, or `None` if the op has none.
    #[pyo3(signature = (op, addr=None, data=None, lane=0))]
    fn apply<'py>(
        &self,
        py: Python<'py>,
        op: &str,
        addr: Option<&Bound<'py, PyAny>>,
        data: Option<&Bound<'py, PyAny>>,
        lane: u32,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (depth, layout) = (self.geometry.depth(), self.geometry.layout());
        let addr = match addr {
            Some(addr) => address(addr, depth)?,
            None if op == "nop" || depth == 1 => 0,
            None => return Err(refused(Reason::MissingAddr { op: named(op)?.0 })),
        };
        let (name, code) = named(op)?;
        self.check_lane(lane)?;
        if lane != 0 && code != Op::Accum {
            return Err(refused(Reason::NotOnThisLane { lane, op: name }));
        }
        let data = match (data, code.takes_data()) {
            (Some(data), true) => word(&layout, data)?,
            (None, false) => Data::ZERO,
            (None, true) => return Err(refused(Reason::MissingData { op: name })),
            (Some(_), false) => return Err(refused(Reason::RefusedData { op: name })),
        };
        let data = if name == "rollback" {
            data.inverse(&layout)
        } else {
            data
        };
        let (mut out, width) = (Data::ZERO, layout.width());
        let clean = self
            .lock(py)
            .apply(code, addr, data.limbs(width), out.limbs_mut(width))
            .map_err(|refused| model(&refused))?;
        let Some(clean) = clean else {
            return Ok(None);
        };
        let response = py.import("atomik._records")?.getattr("Response")?;
        let data = integer(py, out.limbs(width))?;
        response.call1((name, addr, data, clean)).map(Some)
    }

    /// A bank: a copy with the same references, and all accumulators 0, to be merged later.
    fn bank(&self, py: Python<'_>) -> Self {
        Self::wrap(self.geometry, self.lock(py).bank())
    }

    /// Adds the accumulators of a bank. Raises `MergeError` unless the references are equal.
    fn merge(&self, py: Python<'_>, other: &Bound<'_, Self>) -> PyResult<()> {
        let other = other.get();
        let done = py.detach(|| {
            if std::ptr::eq(self, other) {
                let mut file = self.hold();
                let copy = file.clone();
                return file.merge_from(&copy);
            }
            // In one order everywhere, so that two merges never wait for each other.
            let (mut this, that);
            if std::ptr::from_ref(self) < std::ptr::from_ref(other) {
                (this, that) = (self.hold(), other.hold());
            } else {
                (that, this) = (other.hold(), self.hold());
            }
            this.merge_from(&that)
        });
        done.map_err(|refused| model(&refused))
    }

    /// A copy of all references and accumulators.
    fn snapshot(&self, py: Python<'_>) -> Snapshot {
        Snapshot(self.lock(py).snapshot())
    }

    /// Replaces all references and accumulators by those of a snapshot.
    fn restore(&self, py: Python<'_>, snapshot: &Bound<'_, Snapshot>) -> PyResult<()> {
        let restored = self.lock(py).restore(&snapshot.get().0);
        restored.map_err(|refused| model(&refused))
    }

    fn __copy__(&self, py: Python<'_>) -> Self {
        Self::wrap(self.geometry, self.lock(py).clone())
    }

    fn __deepcopy__(&self, py: Python<'_>, _memo: &Bound<'_, PyAny>) -> Self {
        self.__copy__(py)
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> bool {
        let Ok(other) = other.cast::<Self>() else {
            return false;
        };
        let other = other.get();
        if std::ptr::eq(self, other) {
            return true;
        }
        // One after the other: nobody may wait for one with the other locked.
        let copy = other.lock(py).clone();
        self.geometry == other.geometry && *self.lock(py) == copy
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (geometry, width) = (self.geometry, self.geometry.width());
        let file = self.lock(py);
        let mut used = 0;
        let mut shown = String::new();
        let (mut state, mut delta) = (Data::ZERO, Data::ZERO);
        for addr in 0..geometry.depth() {
            let read = file
                .read(addr, state.limbs_mut(width))
                .and_then(|_| file.delta(addr, delta.limbs_mut(width)));
            let clean = read.map_err(|refused| model(&refused))?;
            if state == Data::ZERO && clean {
                continue;
            }
            used += 1;
            if used <= SHOWN {
                let accumulated = if clean {
                    String::new()
                } else {
                    format!(" (delta {})", hex(delta.limbs(width), width))
                };
                shown += &format!(
                    "{} {addr}: {}{accumulated}",
                    if used == 1 { ":" } else { "," },
                    hex(state.limbs(width), width)
                );
            }
        }
        let more = if used > SHOWN { ", ..." } else { "" };
        Ok(format!(
            "<RegisterFile {}, depth {}, lanes {}, {used} not 0{shown}{more}>",
            geometry.layout(),
            geometry.depth(),
            geometry.lanes()
        ))
    }

    /// For pickling: what [`RegisterFile::_restored`] takes.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let restored = slf.get_type().getattr("_restored")?;
        let arguments = (
            this.layout(),
            this.depth(),
            this.lanes(),
            this.table(py, true)?,
            this.table(py, false)?,
        );
        Ok((restored, arguments).into_pyobject(py)?.into_any())
    }

    #[staticmethod]
    fn _restored(
        width: &Bound<'_, PyAny>,
        depth: usize,
        lanes: u32,
        references: &[u8],
        accumulators: &[u8],
    ) -> PyResult<Self> {
        let this = Self::new(width, depth, lanes)?;
        let py = width.py();
        let expected = depth * this.limbs() * 8;
        if references.len() != expected || accumulators.len() != expected {
            return Err(error(
                Kind::Input,
                "the pickle is not of this register file",
            ));
        }
        let limb = |bytes: &[u8], at: usize| {
            let mut limb = [0; 8];
            limb.copy_from_slice(&bytes[8 * at..8 * at + 8]);
            u64::from_le_bytes(limb)
        };
        {
            let mut file = this.lock(py);
            file.load_each(depth, |at| at, |at| limb(references, at))
                .and_then(|()| file.accum_each(depth, |at| at, |at| limb(accumulators, at)))
                .map_err(|refused| model(&refused))?;
        }
        Ok(this)
    }
}

#[pymethods]
impl Snapshot {
    #[getter]
    fn layout(&self) -> String {
        self.0.layout().to_string()
    }

    #[getter]
    fn depth(&self) -> usize {
        self.0.depth()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<Self>()
            .is_ok_and(|other| self.0 == other.get().0)
    }

    fn __repr__(&self) -> String {
        format!("<Snapshot {}, depth {}>", self.0.layout(), self.0.depth())
    }
}
