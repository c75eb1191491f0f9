//! A replica: the state machine of one keyspace, with events in and effects out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use atomik_replica::{
    Action, Config, Effect, Event, LocalOp, Notice, Op, OriginId, Outcome, PeerId, Shape, Trust,
    Value,
};
use atomik_trace::{Data, Layout};
use ed25519_dalek::SigningKey;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::error::{Kind, error};
use crate::word::{integer, layout, word};

/// A replica of a keyspace: a state machine without clock, randomness, files or sockets.
///
/// `Replica(keyspace, secret=..., key=..., members=..., incarnation=...)`: `secret` are 32 bytes
/// that all members know, `key` the 32 bytes of this one's private key, `members` the public keys
/// of all (`Replica.public_key(key)`), `incarnation` 16 random bytes, new at every start. `records`
/// are what an earlier life stored, and `kept_memory` says that none of it was lost.
///
/// Every event returns a `Step`. Its effects are to be carried out: `Persist` its records, then
/// call `persisted(ticket)`; deliver `Send` and `Broadcast`, which may be lost; heed `Notify`.
#[pyclass(frozen, module = "atomik")]
pub struct Replica {
    layout: Layout,
    replica: Mutex<atomik_replica::Replica>,
}

/// A key, and what is done with it.
type Keyed = (Vec<u8>, Action);

impl Replica {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, atomik_replica::Replica> {
        self.replica
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn step<'py>(&self, py: Python<'py>, event: Event<'_>) -> PyResult<Bound<'py, PyAny>> {
        let mut effects = Vec::new();
        let outcome = self.lock(py).step(event, &mut effects);
        let Outcome {
            ticket,
            number,
            responses,
        } = outcome.map_err(|refused| error(Kind::Refused, refused))?;
        let records = py.import("atomik._records")?;
        let effects = effects.iter().map(|effect| effect_of(&records, effect));
        let effects = PyList::new(py, effects.collect::<PyResult<Vec<_>>>()?)?;
        let responses = responses.iter().map(|response| match response {
            Some(response) => Ok(Some((integer(py, response.data.words())?, response.clean))),
            None => Ok(None),
        });
        let responses = PyList::new(py, responses.collect::<PyResult<Vec<_>>>()?)?;
        records
            .getattr("Step")?
            .call1((ticket, number, responses, effects))
    }

    fn value(&self, value: &Bound<'_, PyAny>) -> PyResult<Value> {
        let data = word(&self.layout, value)?;
        Ok(Value::from_words(data.limbs(self.layout.width())))
    }

    fn action(&self, op: &str, argument: Option<&Bound<'_, PyAny>>) -> PyResult<Action> {
        let needed =
            || argument.ok_or_else(|| error(Kind::Input, format_args!("{op} needs an argument")));
        Ok(match op {
            "put" => Action::Put(self.value(needed()?)?),
            "toggle" => Action::Toggle(needed()?.extract()?),
            "set" => Action::SetFlag(needed()?.extract()?, true),
            "clear" => Action::SetFlag(needed()?.extract()?, false),
            "rollback" => {
                let data: Data = word(&self.layout, needed()?)?.inverse(&self.layout);
                let delta = Value::from_words(data.limbs(self.layout.width()));
                Action::Op(Op::Accum, delta)
            }
            _ => match Op::from_name(op) {
                Some(code) if code.takes_data() => Action::Op(code, self.value(needed()?)?),
                Some(code) => Action::Op(code, Value::zero(self.layout.limbs())),
                None => {
                    return Err(error(
                        Kind::Input,
                        format_args!(
                            "unknown op {op:?}; the ops are put, toggle, set, clear, load, accum, \
                             rollback, read, swap, delta and drain"
                        ),
                    ));
                }
            },
        })
    }
}

/// An effect as an object of `atomik._records`.
fn effect_of<'py>(records: &Bound<'py, PyModule>, effect: &Effect) -> PyResult<Bound<'py, PyAny>> {
    let py = records.py();
    let bytes = |bytes: &[u8]| PyBytes::new(py, bytes);
    match effect {
        Effect::Send { to, bytes: message } => {
            records.getattr("Send")?.call1((bytes(to), bytes(message)))
        }
        Effect::Broadcast { bytes: message, .. } => {
            records.getattr("Broadcast")?.call1((bytes(message),))
        }
        Effect::Persist {
            ticket,
            records: stored,
        } => {
            let stored = stored
                .iter()
                .map(|(key, value)| (bytes(key), value.as_deref().map(bytes)));
            let stored = PyList::new(py, stored.collect::<Vec<_>>())?;
            records.getattr("Persist")?.call1((*ticket, stored))
        }
        Effect::Notify(notice) => notice_of(records, notice),
    }
}

fn notice_of<'py>(records: &Bound<'py, PyModule>, notice: &Notice) -> PyResult<Bound<'py, PyAny>> {
    let py = records.py();
    let text = format!("{notice:?}");
    let end = text
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(text.len());
    let number = |value: &Value| integer(py, value.words());
    let (key, state, bits) = match notice {
        Notice::Changed { key, state, .. } => (Some(key), Some(number(state)?), None),
        Notice::Overlap(overlap) => (
            Some(&overlap.key),
            Some(number(&overlap.state)?),
            Some(number(&overlap.bits)?),
        ),
        Notice::SecondWriter { key, .. } => (Some(key), None, None),
        _ => (None, None, None),
    };
    let key = key.map(|key| PyBytes::new(py, key));
    records
        .getattr("Notify")?
        .call1((&text[..end], key, state, bits, text.as_str()))
}

fn array<const N: usize>(bytes: &[u8], what: &str) -> PyResult<[u8; N]> {
    bytes.try_into().map_err(|_| {
        error(
            Kind::Input,
            format_args!("{what} has {N} bytes, found {}", bytes.len()),
        )
    })
}

fn origin_bytes<'py>(py: Python<'py>, origin: &OriginId) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &origin.0)
}

#[pymethods]
impl Replica {
    #[new]
    #[pyo3(signature = (
        keyspace, *, secret, key, members, incarnation, width=None, records=None, kept_memory=true
    ))]
    #[expect(clippy::too_many_arguments, reason = "the configuration of a replica")]
    fn new(
        py: Python<'_>,
        keyspace: &str,
        secret: &[u8],
        key: &[u8],
        members: Vec<Vec<u8>>,
        incarnation: &[u8],
        width: Option<&Bound<'_, PyAny>>,
        records: Option<Vec<(Vec<u8>, Vec<u8>)>>,
        kept_memory: bool,
    ) -> PyResult<Self> {
        let layout = match width {
            Some(width) => layout(width)?,
            None => layout(64_u32.into_pyobject(py)?.as_any())?,
        };
        let allowed = members.iter().map(|member| array(member, "a public key"));
        let trust = Trust::Signed {
            key: Box::new(SigningKey::from_bytes(&array(key, "a private key")?)),
            allowed: allowed.collect::<PyResult<_>>()?,
        };
        let mut config = Config::new(
            keyspace,
            layout.limbs(),
            array(secret, "the secret")?,
            trust,
            array(incarnation, "an incarnation")?,
        );
        config.shape = Shape::from(layout);
        config.kept_memory = kept_memory;
        let records = records.unwrap_or_default().into_iter();
        let replica = atomik_replica::Replica::open(config, records);
        let replica = replica.map_err(|refused| error(Kind::Input, refused))?;
        Ok(Self {
            layout,
            replica: Mutex::new(replica),
        })
    }

    /// The public key of a private one.
    #[staticmethod]
    fn public_key<'py>(py: Python<'py>, key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let key = SigningKey::from_bytes(&array(key, "a private key")?);
        Ok(PyBytes::new(py, key.verifying_key().as_bytes()))
    }

    /// An operation on a key, as a batch of its own.
    #[pyo3(signature = (op, key, argument=None))]
    fn op<'py>(
        &self,
        py: Python<'py>,
        op: &str,
        key: &[u8],
        argument: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let action = self.action(op, argument)?;
        self.step(py, Event::Op(&LocalOp { key, action }))
    }

    /// Operations in order, all or none: tuples of op, key and argument.
    fn batch<'py>(
        &self,
        py: Python<'py>,
        ops: Vec<Bound<'py, pyo3::types::PyTuple>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let keyed = ops.iter().map(|op| -> PyResult<Keyed> {
            let argument = op.get_item(2).ok();
            let name: String = op.get_item(0)?.extract()?;
            Ok((
                op.get_item(1)?.extract()?,
                self.action(&name, argument.as_ref())?,
            ))
        });
        let keyed: Vec<Keyed> = keyed.collect::<PyResult<_>>()?;
        let ops: Vec<LocalOp<'_>> = keyed
            .iter()
            .map(|(key, action)| LocalOp {
                key,
                action: action.clone(),
            })
            .collect();
        self.step(py, Event::Batch(&ops))
    }

    /// Undoes a batch of this replica by its number. An undo is a batch, too.
    fn undo<'py>(&self, py: Python<'py>, number: u64) -> PyResult<Bound<'py, PyAny>> {
        self.step(py, Event::Undo(number))
    }

    /// Records the state of every key under a name. The step's number is the checkpoint's.
    fn checkpoint<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.step(py, Event::Checkpoint(name))
    }

    /// Hands changes to storage, unless the records before are still being written.
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.step(py, Event::Flush)
    }

    /// Storage has made the records with this ticket durable.
    fn persisted<'py>(&self, py: Python<'py>, ticket: u64) -> PyResult<Bound<'py, PyAny>> {
        self.step(py, Event::Persisted(ticket))
    }

    /// Sends the stored changes that wait for more.
    fn publish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.step(py, Event::Publish)
    }

    /// Signs, with the next `flush`, the changes that were sent unsigned.
    fn seal<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.step(py, Event::Seal)
    }

    /// Some time has passed: compares with a peer.
    fn tick<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.step(py, Event::Tick)
    }

    /// A message from a peer, which the engine calls `sender` (16 bytes).
    fn message<'py>(
        &self,
        py: Python<'py>,
        sender: &[u8],
        bytes: &[u8],
    ) -> PyResult<Bound<'py, PyAny>> {
        let from: PeerId = array(sender, "a peer's name")?;
        self.step(py, Event::Message { from, bytes })
    }

    /// A peer is reachable. `key` is its public key if the engine authenticates messages.
    #[pyo3(signature = (peer, key=None))]
    fn peer_up<'py>(
        &self,
        py: Python<'py>,
        peer: &[u8],
        key: Option<&[u8]>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let key = key.map(|key| array(key, "a public key")).transpose()?;
        let peer = array(peer, "a peer's name")?;
        self.step(py, Event::PeerUp { peer, key })
    }

    /// A peer is no longer reachable.
    fn peer_down<'py>(&self, py: Python<'py>, peer: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        self.step(py, Event::PeerDown(array(peer, "a peer's name")?))
    }

    /// The state of a key.
    fn state<'py>(&self, py: Python<'py>, key: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let state = self.lock(py).state(key);
        integer(py, state.words())
    }

    /// The states of all keys.
    fn states<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let states = PyDict::new(py);
        for (key, state) in self.lock(py).states() {
            states.set_item(PyBytes::new(py, key), integer(py, state.words())?)?;
        }
        Ok(states)
    }

    /// Origin, version and accumulator of each writer of a key.
    fn writers<'py>(&self, py: Python<'py>, key: &[u8]) -> PyResult<Bound<'py, PyList>> {
        let writers = self.lock(py).writers(key);
        let writers = writers.iter().map(|(origin, version, sum)| {
            Ok((
                origin_bytes(py, origin),
                *version,
                integer(py, sum.words())?,
            ))
        });
        PyList::new(py, writers.collect::<PyResult<Vec<_>>>()?)
    }

    /// Asks for `Notify` of every change of a key with this prefix. Returns the subscription.
    fn subscribe(&self, py: Python<'_>, prefix: &[u8]) -> u32 {
        self.lock(py).subscribe(prefix)
    }

    /// The name of this replica's life, 16 bytes.
    #[getter]
    fn origin<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        origin_bytes(py, &self.lock(py).origin())
    }

    /// The layout of a word.
    #[getter]
    fn layout(&self) -> String {
        self.layout.to_string()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let replica = self.lock(py);
        let keyspace = &replica.config().keyspace;
        let keys = replica.states().len();
        format!(
            "<Replica of {keyspace:?}, {}: {keys} keys, origin {}>",
            self.layout,
            replica.origin()
        )
    }
}
