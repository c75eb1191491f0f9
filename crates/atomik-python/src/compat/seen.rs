//! Which messages a stream or table has had, so that none counts twice.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::sync::MutexExt as _;

use super::message::{Content, DeltaMessage};
use crate::error::{Kind, error};

/// How many messages are remembered by what they hold.
const REMEMBERED: usize = 1 << 20;

/// The numbers of messages, as ranges: first number to last.
type Ranges = BTreeMap<u64, u64>;

/// The messages that a stream or table has had.
#[derive(Clone, Default)]
pub struct Seen {
    /// The numbers of those that say whose they are, by origin.
    known: HashMap<u64, Ranges>,
    /// What messages of others hold, and whether all with that content say whose they are. Those
    /// with the lowest numbers are forgotten first.
    contents: BTreeMap<Content, bool>,
    /// The highest numbers that were forgotten.
    forgotten: Forgotten,
    /// Address and delta of the last own ones, in the order of their numbers.
    own: VecDeque<(u32, u64)>,
    /// The number of the last own one.
    last: u64,
}

#[derive(Clone, Copy, Default)]
struct Forgotten {
    /// Of messages that say whose they are.
    named: u64,
    /// Of the others.
    unnamed: u64,
}

impl Seen {
    /// Whether a message, with this content, is new; an error if nobody can tell.
    pub fn is_new(&self, message: &DeltaMessage, content: Content) -> PyResult<bool> {
        let seq = message.seq;
        if seq == 0 {
            return Ok(true);
        }
        let remembered = self.contents.get(&content);
        let (is_same, forgotten) = if let Some(origin) = message.tag.origin {
            if self.has(origin, seq) {
                return Ok(false);
            }
            (remembered == Some(&false), self.forgotten.unnamed)
        } else {
            let own = self.last - self.own.len() as u64;
            let Forgotten { named, unnamed } = self.forgotten;
            let is_same = remembered.is_some() || self.is_own(content);
            (is_same, own.max(named).max(unnamed))
        };
        if is_same {
            return Err(ambiguous(message));
        }
        if seq <= forgotten {
            return Err(forgotten_before(message));
        }
        Ok(true)
    }

    /// Remembers a message of another sender, with this content.
    pub fn take(&mut self, message: &DeltaMessage, content: Content) {
        let seq = message.seq;
        if seq == 0 {
            return;
        }
        let origin = message.tag.origin;
        if let Some(origin) = origin {
            add(self.known.entry(origin).or_default(), seq);
        }
        *self.contents.entry(content).or_insert(true) &= origin.is_some();
        if self.contents.len() > REMEMBERED
            && let Some(((seq, ..), named)) = self.contents.pop_first()
        {
            let forgotten = &mut self.forgotten;
            let highest = if named {
                &mut forgotten.named
            } else {
                &mut forgotten.unnamed
            };
            *highest = seq.max(*highest);
        }
    }

    fn has(&self, origin: u64, seq: u64) -> bool {
        let ranges = self.known.get(&origin);
        let range = ranges.and_then(|ranges| ranges.range(..=seq).next_back());
        range.is_some_and(|(_, last)| seq <= *last)
    }

    /// Takes all numbers that own messages have had, as those of an origin.
    pub fn own_until_now(&mut self, origin: u64) {
        self.known.insert(origin, BTreeMap::from([(0, self.last)]));
    }

    /// Takes an own message, and gives it its number.
    pub fn own(&mut self, addr: u32, delta: u64) -> u64 {
        if self.own.len() == REMEMBERED {
            self.own.pop_front();
        }
        self.own.push_back((addr, delta));
        self.last += 1;
        self.last
    }

    /// Whether an own message among those remembered has this content.
    fn is_own(&self, (seq, addr, delta): Content) -> bool {
        let back = self.last.checked_sub(seq);
        let back = back.and_then(|back| usize::try_from(back).ok());
        let at = back.and_then(|back| self.own.len().checked_sub(back.checked_add(1)?));
        at.is_some_and(|at| self.own[at] == (addr, delta))
    }
}

/// Adds a number to ranges that do not have it.
fn add(ranges: &mut Ranges, seq: u64) {
    let before = ranges.range(..seq).next_back();
    let first = match before.map(|(first, last)| (*first, *last)) {
        Some((_, last)) if last >= seq => return,
        Some((first, last)) if last + 1 == seq => first,
        _ => seq,
    };
    let after = seq.checked_add(1);
    let last = after.and_then(|after| ranges.remove(&after)).unwrap_or(seq);
    ranges.insert(first, last);
}

#[cold]
fn ambiguous(message: &DeltaMessage) -> PyErr {
    error(
        Kind::Merge,
        format_args!(
            "a message with this address, {}, this delta and this number, {}, was sent or applied \
             already: this is the same one again, or another sender's; say whose it is, for all \
             messages of a sender: DeltaMessage.from_bytes(data, origin=sender.origin)",
            message.addr, message.seq
        ),
    )
}

#[cold]
fn forgotten_before(message: &DeltaMessage) -> PyErr {
    error(
        Kind::Merge,
        format_args!(
            "messages with numbers as low as {} were forgotten after {REMEMBERED} others, so \
             nobody can tell whether this one was sent or applied already; say whose it is, for \
             all messages of a sender: DeltaMessage.from_bytes(data, origin=sender.origin)",
            message.seq
        ),
    )
}

/// The messages that a table has had or sent.
#[pyclass(frozen, module = "atomik._atomik")]
#[derive(Default)]
pub struct Received(Mutex<Seen>);

impl Received {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Seen> {
        self.0
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Received {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Whether a message is new; raises if nobody can tell.
    fn is_new(&self, message: &Bound<'_, DeltaMessage>) -> PyResult<bool> {
        let (py, message) = (message.py(), message.get());
        let content = message.content(py)?;
        self.lock(py).is_new(message, content)
    }

    /// Remembers a message, also an own one, which may come back as bytes.
    fn remember(&self, message: &Bound<'_, DeltaMessage>) -> PyResult<()> {
        let (py, message) = (message.py(), message.get());
        let content = message.content(py)?;
        self.lock(py).take(message, content);
        Ok(())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let seen = slf.get().lock(slf.py()).clone();
        let Forgotten { named, unnamed } = seen.forgotten;
        let arguments = (seen.known, seen.contents, named, unnamed);
        let restored = slf.get_type().getattr("_restored")?;
        Ok((restored, arguments).into_pyobject(slf.py())?.into_any())
    }

    #[staticmethod]
    fn _restored(
        known: HashMap<u64, Ranges>,
        contents: BTreeMap<Content, bool>,
        named: u64,
        unnamed: u64,
    ) -> Self {
        Self(Mutex::new(Seen {
            known,
            contents,
            forgotten: Forgotten { named, unnamed },
            ..Seen::default()
        }))
    }
}
