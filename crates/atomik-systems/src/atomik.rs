//! ATOMiK: a replica of `atomik-replica` at every node with sessions of `atomik-session` between
//! them, as `atomik-node` runs it.
//!
//! The value of a key holds all its fields side by side: a flag takes one bit, a number 64 plus two
//! for its type, a string its maximum length. Counters are fields that add, of 64 bits; everything
//! else xors. If a key's fields do not fit into one value, every field becomes a key of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use atomik_replica::{
    Action as Change, Author, Config, Effect, Event, FieldKind, Layout, Loader, LocalOp, MAX_WORDS,
    Notice, Op, OpenError, PeerId, Replica, Shape, Trust, Value,
};
use atomik_session::{Limits, Members, Output, Sessions};
use ed25519_dalek::SigningKey;

use atomik_arena::system::{
    Conflict, Description, Micros, Node, NodeId, OpId, Out, Setup, Storage, Submitted, System,
    SystemError, of_field,
};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Class, Field, Scalar};

use super::linger::Linger;

/// The systems of this module.
pub(crate) fn systems() -> Vec<Box<dyn System>> {
    vec![Box::new(Atomik)]
}

/// The key of the record that a replica writes with every batch.
const META: &[u8] = b"m";

/// The length of a tick of the sessions.
const SESSION_TICK: Micros = 500_000;

/// The times of `atomik-node`.
fn limits() -> Limits {
    Limits {
        idle_ticks: 8,
        ..Limits::default()
    }
}

const MAX_BITS: usize = MAX_WORDS * 64;
/// Bits of a counter.
const COUNTER: usize = 64;
/// Bits that encode a register's type: empty, boolean, integer or string.
const TAG: usize = 2;
/// Bits that encode a string's length.
const LENGTH: usize = 16;
/// Separates key and field number if every field is a key of its own.
const SEPARATOR: u8 = 0xff;

struct Atomik;

const USAGE: &str = "\
    Every change is signed with ed25519, so no member can impersonate another, and every message \
    is encrypted and authenticated. Changes are sent as soon as they are stored, and signed in \
    batches of up to a second; with a linger, stored changes wait for more and become one \
    message. A node flushes as soon as storage is free, and compares digests \
    with one peer every sync interval and when a link comes up (docs/replication.md). Counters add \
    in fields of 64 bits, unless the values of a key are wider than 512 bits. Registers are put as \
    old xor new. Integers take 66 bits, strings their maximum length. To unset a field is to write \
    zeros, which only a register tells from a value. All other settings are the defaults of \
    library and node.";

impl System for Atomik {
    fn describe(&self) -> Description {
        Description {
            name: "ATOMiK",
            library: format!("atomik-replica {}", env!("CARGO_PKG_VERSION")),
            semantics: "\
                Every node accepts reads and writes on its own, even when it is cut off. Nodes \
                that have exchanged their changes have the same bits. There is no order between \
                nodes: concurrent changes of the same bits are combined by xor, possibly into a \
                value that nobody wrote; one of the two writers is notified. Concurrent additions \
                to a counter are summed. No linearizability, no compare-and-swap.",
            usage: USAGE,
            proofs: "\
                Of the protocol, in Rocq (docs/proofs.md): with loss, repetition, reordering and \
                crashes in any order, replicas converge, count every change once, and find every \
                overlap as documented. That model leaves out sessions, previews, digests and who \
                must sign when members leave. Of the algebra, in Lean. Every order of events of 2 \
                replicas with 2 operations each, and of 3 replicas with one each, with one crash, \
                is checked with stateright (crates/atomik-replica/tests/it/model_checking.rs); the \
                rest by simulation (make soak). The Rust code is not proved.",
        }
    }

    fn expresses(&self, field: &Field) -> Result<(), String> {
        width(field).map(|_| ())
    }

    fn open(
        &self,
        setup: &Setup,
        node: NodeId,
        storage: &Storage,
    ) -> Result<Box<dyn Node>, SystemError> {
        let places = Places::new(&setup.fields);
        let key = |node: NodeId| SigningKey::from_bytes(&seeded(setup.seed, 1, node));
        let allowed: Vec<_> = (0..setup.nodes)
            .map(|node| key(node).verifying_key().to_bytes())
            .collect();
        let incarnation = |node: NodeId| halves(seeded(setup.seed, 2, node))[0];
        let authors = allowed.iter().zip(0..).map(|(&key, node)| Author {
            key,
            incarnation: incarnation(node),
        });
        let addresses: Vec<_> = authors.map(|author| author.origin().0).collect();
        let secret = seeded(setup.seed, 3, 0);
        let sessions = Sessions::new(
            &atomik_session::Config {
                key: key(node),
                incarnation: incarnation(node),
                address: |&key, &incarnation| Author { key, incarnation }.origin().0,
                keyspace: "eval".to_owned(),
                secret,
                members: Members::Listed(allowed.iter().copied().collect()),
                limits: limits(),
            },
            &session_seed(setup.seed, node, storage),
        );
        let trust = Trust::Signed {
            key: Box::new(key(node)),
            allowed,
        };
        let incarnation = incarnation(node);
        let config = Config {
            shape: places.shape.clone(),
            linger: Duration::from_micros(setup.linger),
            ..Config::new("eval", places.shape.words(), secret, trust, incarnation)
        };
        let (replica, bytes_read) = load(config, storage)
            .map_err(|error| SystemError::failed("opening a replica", error))?;
        Ok(Box::new(Member {
            replica,
            places: Arc::new(places),
            node,
            nodes: addresses.iter().copied().zip(0..).collect(),
            addresses,
            sessions,
            outputs: Vec::new(),
            up: BTreeSet::new(),
            interval: setup.sync_interval,
            linger: Linger::new(setup),
            started: false,
            next_tick: 0,
            next_session_tick: 0,
            waiting: VecDeque::new(),
            newest: 0,
            durable: 0,
            bytes_read,
            effects: Vec::new(),
        }))
    }
}

/// 256 bits that depend only on the arguments.
fn seeded(seed: u64, purpose: u64, node: NodeId) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("atomik-eval seeds 1");
    for word in [seed, purpose, node as u64] {
        hasher.update(&word.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Opens a replica from its records, and counts their bytes.
fn load(config: Config, storage: &Storage) -> Result<(Replica, u64), OpenError> {
    let mut loader = Loader::new(config)?;
    let mut bytes = 0;
    for (key, value) in &storage.records {
        loader.record(key, value)?;
        bytes += (key.len() + value.len()) as u64;
    }
    Ok((loader.open()?, bytes))
}

/// The seed of a node's sessions, different for every start that follows a stored batch.
fn session_seed(seed: u64, node: NodeId, storage: &Storage) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(&seeded(seed, 4, node));
    // Every batch of records has a new number in this one.
    if let Some(value) = storage.records.get(META) {
        hasher.update(value);
    }
    *hasher.finalize().as_bytes()
}

fn halves(bytes: [u8; 32]) -> [[u8; 16]; 2] {
    [0, 16].map(|at| std::array::from_fn(|i| bytes[at + i]))
}

/// Number of bits of a field.
fn width(field: &Field) -> Result<usize, String> {
    let bits = match field.class {
        Class::Flag => 1,
        Class::Counter => COUNTER,
        Class::Register if field.longest == 0 => TAG + 64,
        Class::Register => TAG + (LENGTH + 8 * field.longest).max(64),
        Class::Set => match &field.universe {
            Some(universe) => universe.len(),
            None => {
                return Err(format!(
                    "a set has a fixed width only with a closed universe of at most {MAX_BITS} \
                     elements"
                ));
            }
        },
        Class::List => return Err("a list grows, but a value has a fixed width".into()),
        Class::Text => return Err("a text grows and shifts, but a value has a fixed width".into()),
    };
    if bits > MAX_BITS {
        return Err(format!(
            "the field takes {bits} bits; a value has at most {MAX_BITS}"
        ));
    }
    Ok(bits)
}

/// The fields side by side.
fn in_order(fields: &[Field]) -> Vec<Option<(usize, usize)>> {
    let mut next = 0;
    let places = fields.iter().map(|field| {
        let width = width(field).ok()?;
        let first = next;
        next += width;
        Some((first, width))
    });
    places.collect()
}

/// The places of the fields in values.
struct Places {
    fields: Arc<[Field]>,
    /// First bit and number of bits of each field; `None` if it is not expressible.
    places: Vec<Option<(usize, usize)>>,
    shape: Shape,
    /// Every field is a key of its own.
    apart: bool,
}

impl Places {
    fn new(fields: &Arc<[Field]>) -> Self {
        let counts = fields.iter().any(|field| field.class == Class::Counter);
        let adding = counts.then(|| Self::side_by_side(fields).or_else(|| Self::apart(fields)));
        adding.flatten().unwrap_or_else(|| Self::of_xor(fields))
    }

    /// In one value, in which counters add. `None` if it is wider than a layout can be.
    fn side_by_side(fields: &Arc<[Field]>) -> Option<Self> {
        let expressible = fields.iter().filter_map(|field| {
            let kind = match field.class {
                Class::Counter => FieldKind::Add,
                _ => FieldKind::Xor,
            };
            Some((kind, width(field).ok()? as u32))
        });
        let layout = Layout::from_fields(expressible.filter(|(_, bits)| *bits > 0)).ok()?;
        Some(Self {
            fields: Arc::clone(fields),
            places: in_order(fields),
            shape: layout.into(),
            apart: false,
        })
    }

    /// Every field in a value of its own, the lowest bits of which add for counters. `None` if the
    /// value is wider than a layout can be.
    fn apart(fields: &Arc<[Field]>) -> Option<Self> {
        let places: Vec<_> = fields
            .iter()
            .map(|field| match (field.class, width(field).ok()?) {
                (Class::Counter, bits) => Some((0, bits)),
                (_, bits) => Some((COUNTER, bits)),
            })
            .collect();
        let ends = places.iter().flatten().map(|(first, bits)| first + bits);
        let xors = ends.max().unwrap_or(COUNTER) - COUNTER;
        let list = [(FieldKind::Add, COUNTER), (FieldKind::Xor, xors)];
        let list = list.into_iter().filter(|(_, bits)| *bits > 0);
        let layout = Layout::from_fields(list.map(|(kind, bits)| (kind, bits as u32))).ok()?;
        Some(Self {
            fields: Arc::clone(fields),
            places,
            shape: layout.into(),
            apart: true,
        })
    }

    /// In values of any width, all bits of which xor.
    fn of_xor(fields: &Arc<[Field]>) -> Self {
        let widths = || fields.iter().filter_map(|field| width(field).ok());
        let together: usize = widths().sum();
        let apart = together > MAX_BITS;
        let bits = match apart {
            true => widths().max().unwrap_or(1),
            false => together,
        };
        let mut places = in_order(fields);
        if apart {
            for (first, _) in places.iter_mut().flatten() {
                *first = 0;
            }
        }
        Self {
            fields: Arc::clone(fields),
            places,
            shape: Shape::xor(bits.div_ceil(64).max(1)),
            apart,
        }
    }

    fn key(&self, key: &str, field: u16) -> Vec<u8> {
        let mut bytes = key.as_bytes().to_vec();
        if self.apart {
            // This byte does not occur in UTF-8.
            bytes.push(SEPARATOR);
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    fn place(&self, field: u16) -> Result<(usize, usize), SystemError> {
        of_field(&self.places, field)?
            .ok_or_else(|| SystemError::invariant(format!("field {field} is not expressible")))
    }

    /// The fields of a key that contain one of these bits.
    fn touched(&self, key: &[u8], bits: &Value) -> Vec<Conflict> {
        let (name, only) = match key.iter().position(|&byte| byte == SEPARATOR) {
            Some(end) => {
                let number = key[end + 1..].first_chunk().map(|b| u16::from_le_bytes(*b));
                (&key[..end], number)
            }
            None => (key, None),
        };
        let name = String::from_utf8_lossy(name);
        (0..self.fields.len() as u16)
            .filter(|field| only.is_none_or(|only| only == *field))
            .filter(|&field| {
                self.places[usize::from(field)]
                    .is_some_and(|(first, width)| (first..first + width).any(|bit| bits.has(bit)))
            })
            .map(|field| Conflict {
                key: name.clone().into_owned(),
                field: Some(field),
            })
            .collect()
    }

    /// The change that an action makes of the value that `read` returns. Additions do not read.
    fn change(
        &self,
        field: u16,
        action: &Action,
        read: impl FnOnce() -> Value,
    ) -> Result<Change, SystemError> {
        let (first, width) = self.place(field)?;
        let schema = &self.fields[usize::from(field)];
        let adds = schema.class == Class::Counter && self.shape.adds();
        let mut delta = vec![0u64; self.shape.words()];
        let value = match action {
            Action::Add(amount) if adds => {
                write(&mut delta, first, COUNTER, *amount as u64);
                return Ok(Change::Op(Op::Accum, Value::from_words(&delta)));
            }
            _ => read(),
        };
        match (schema.class, action) {
            (Class::Flag, Action::Toggle) => flip(&mut delta, first),
            (Class::Flag, Action::Set(Scalar::Bool(on))) => {
                if value.has(first) != *on {
                    flip(&mut delta, first);
                }
            }
            (Class::Set, Action::Insert(element) | Action::Remove(element)) => {
                let place = schema
                    .universe
                    .as_ref()
                    .and_then(|universe| universe.iter().position(|known| known == element))
                    .ok_or_else(|| {
                        SystemError::invariant(format!("{element} is not in the universe"))
                    })?;
                if value.has(first + place) != matches!(action, Action::Insert(_)) {
                    flip(&mut delta, first + place);
                }
            }
            _ => {
                let mut content = self.decode(field, &value)?;
                content.apply(action);
                let new = encode(&content, width);
                for bit in 0..width {
                    if value.has(first + bit) != (new[bit / 64] >> (bit % 64) & 1 == 1) {
                        flip(&mut delta, first + bit);
                    }
                }
            }
        }
        let delta = Value::from_words(&delta);
        Ok(match adds {
            true => Change::Put(value.xor(&delta)),
            false => Change::Op(Op::Accum, delta),
        })
    }

    fn decode(&self, field: u16, value: &Value) -> Result<Content, SystemError> {
        let (first, width) = self.place(field)?;
        let schema = &self.fields[usize::from(field)];
        let word = |from: usize, bits: usize| {
            (0..bits).fold(0u64, |word, bit| {
                word | u64::from(value.has(first + from + bit)) << bit
            })
        };
        Ok(match schema.class {
            Class::Flag => Content::Flag(value.has(first)),
            Class::Counter => Content::Counter(word(0, COUNTER) as i64),
            Class::Set => {
                let universe = schema.universe.iter().flatten().enumerate();
                let present = universe.filter(|(place, _)| value.has(first + place));
                Content::Set(present.map(|(_, element)| element.clone()).collect())
            }
            Class::Register => Content::Register(match word(0, TAG) {
                0 => None,
                1 => Some(Scalar::Bool(word(TAG, 1) == 1)),
                2 => Some(Scalar::Int(word(TAG, 64) as i64)),
                _ => {
                    let most = (width - TAG - LENGTH) / 8;
                    let length = (word(TAG, LENGTH) as usize).min(most);
                    let bytes: Vec<u8> = (0..length)
                        .map(|byte| word(TAG + LENGTH + 8 * byte, 8) as u8)
                        .collect();
                    Some(Scalar::Text(String::from_utf8_lossy(&bytes).into_owned()))
                }
            }),
            Class::List | Class::Text => {
                return Err(SystemError::invariant("a field of no fixed width"));
            }
        })
    }
}

fn flip(words: &mut [u64], bit: usize) {
    words[bit / 64] ^= 1 << (bit % 64);
}

/// Writes the lowest `bits` of `word` to bits that are 0.
fn write(words: &mut [u64], from: usize, bits: usize, word: u64) {
    for bit in (0..bits).filter(|bit| word >> bit & 1 == 1) {
        flip(words, from + bit);
    }
}

/// Encodes a counter or register.
fn encode(content: &Content, width: usize) -> Vec<u64> {
    let mut words = vec![0; width.div_ceil(64)];
    let mut put = |from: usize, bits: usize, word: u64| write(&mut words, from, bits, word);
    match content {
        Content::Counter(sum) => put(0, COUNTER, *sum as u64),
        Content::Register(Some(Scalar::Bool(value))) => {
            put(0, TAG, 1);
            put(TAG, 1, u64::from(*value));
        }
        Content::Register(Some(Scalar::Int(value))) => {
            put(0, TAG, 2);
            put(TAG, 64, *value as u64);
        }
        Content::Register(Some(Scalar::Text(text))) => {
            put(0, TAG, 3);
            put(TAG, LENGTH, text.len() as u64);
            for (place, byte) in text.bytes().enumerate() {
                put(TAG + LENGTH + 8 * place, 8, u64::from(byte));
            }
        }
        _ => {}
    }
    words
}

struct Member {
    replica: Replica,
    places: Arc<Places>,
    node: NodeId,
    /// The addresses of all nodes, and the reverse.
    addresses: Vec<PeerId>,
    nodes: BTreeMap<PeerId, NodeId>,
    sessions: Sessions,
    outputs: Vec<Output>,
    /// The peers that the replica is told to be up.
    up: BTreeSet<PeerId>,
    interval: Micros,
    linger: Linger,
    started: bool,
    next_tick: Micros,
    next_session_tick: Micros,
    /// Operations that wait for a ticket, in order.
    waiting: VecDeque<(u64, OpId)>,
    /// The highest ticket that an operation has waited for.
    newest: u64,
    durable: u64,
    bytes_read: u64,
    effects: Vec<Effect>,
}

impl Member {
    fn step(&mut self, event: Event<'_>) -> Result<u64, SystemError> {
        let outcome = self
            .replica
            .step(event, &mut self.effects)
            .map_err(|error| SystemError::failed("stepping a replica", error))?;
        Ok(outcome.ticket)
    }

    fn flush(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        self.follow_sessions(out)?;
        self.step(Event::Flush)?;
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Send { to, bytes } => self.send(&to, &bytes),
                Effect::Broadcast { bytes, .. } => {
                    for peer in self.up.clone() {
                        self.send(&peer, &bytes);
                    }
                }
                Effect::Persist { ticket, records } => out.persist(ticket, records),
                Effect::Notify(notice) => self.tell(notice, out)?,
            }
        }
        if self.replica.lingers() {
            self.linger.begin(now, out);
        } else {
            self.linger.end();
        }
        // Sending brings forth nothing but packets.
        self.follow_sessions(out)
    }

    /// Sends a message. Without a session it is lost.
    fn send(&mut self, to: &PeerId, bytes: &[u8]) {
        let _ = self.sessions.send(to, bytes, &mut self.outputs);
    }

    /// Carries out what the sessions want done.
    fn follow_sessions(&mut self, out: &mut Out) -> Result<(), SystemError> {
        for output in std::mem::take(&mut self.outputs) {
            match output {
                Output::Packet { to, bytes } => {
                    if let Some(&node) = self.nodes.get(&to) {
                        out.send(node, bytes);
                    }
                }
                Output::Up { address, .. } => self.peer_up(address)?,
                Output::Down { address } => self.peer_down(address)?,
                Output::Message { from, bytes } => {
                    // It is reachable after all.
                    if !self.up.contains(&from) {
                        self.peer_up(from)?;
                    }
                    let bytes = &bytes;
                    self.step(Event::Message { from, bytes })?;
                }
                // The members never change.
                Output::List { .. } => {}
                Output::Refused { reason, .. } => {
                    return Err(SystemError::invariant(format!(
                        "node {} refused a session: {reason}",
                        self.node
                    )));
                }
                Output::KeyInUse { .. } => {
                    return Err(SystemError::invariant(format!(
                        "node {} runs twice",
                        self.node
                    )));
                }
            }
        }
        Ok(())
    }

    /// Tells the replica that a peer is up, if there is a session with it.
    fn peer_up(&mut self, peer: PeerId) -> Result<(), SystemError> {
        let key = self.sessions.key(&peer);
        if key.is_some() {
            self.up.insert(peer);
            self.step(Event::PeerUp { peer, key })?;
        }
        Ok(())
    }

    fn peer_down(&mut self, peer: PeerId) -> Result<(), SystemError> {
        if self.up.remove(&peer) {
            self.step(Event::PeerDown(peer))?;
        }
        Ok(())
    }

    fn tell(&self, notice: Notice, out: &mut Out) -> Result<(), SystemError> {
        match notice {
            Notice::Overlap(overlap) => {
                for conflict in self.places.touched(&overlap.key, &overlap.bits) {
                    out.report(conflict);
                }
                Ok(())
            }
            Notice::InSync { .. } => Ok(()),
            other => Err(SystemError::invariant(format!(
                "node {} sent an unexpected notice: {other:?}",
                self.node
            ))),
        }
    }
}

fn of_node(addresses: &[PeerId], node: NodeId) -> Result<&PeerId, SystemError> {
    addresses
        .get(node)
        .ok_or_else(|| SystemError::invariant(format!("there is no node {node}")))
}

impl Node for Member {
    fn submit(
        &mut self,
        now: Micros,
        ops: &[Submitted<'_>],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        for op in ops {
            let key = self.places.key(op.key, op.field);
            let read = || self.replica.state(&key);
            let action = self.places.change(op.field, op.action, read)?;
            let ticket = self.step(Event::Op(&LocalOp { key: &key, action }))?;
            // An operation without effect depends on the existing state, which may not be durable
            // yet.
            self.newest = self.newest.max(ticket);
            self.waiting.push_back((self.newest, op.id));
        }
        self.flush(now, out)?;
        self.acknowledge(out);
        Ok(())
    }

    fn receive(
        &mut self,
        now: Micros,
        from: NodeId,
        bytes: &[u8],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        let from = *of_node(&self.addresses, from)?;
        self.sessions.receive(from, bytes, &mut self.outputs);
        self.flush(now, out)
    }

    fn wake(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        if !self.started {
            self.started = true;
            let this = self.sessions.address();
            for &peer in self.addresses.iter().filter(|peer| **peer != this) {
                self.sessions.peer_up(peer, &mut self.outputs);
            }
            // Staggered, so that the nodes do not all compare at the same time.
            let nodes = self.addresses.len() as u64;
            self.next_tick = now + self.interval * (self.node as u64 + 1) / nodes;
            self.next_session_tick = now + SESSION_TICK;
        }
        if now >= self.next_session_tick {
            self.next_session_tick = now + SESSION_TICK;
            self.sessions.tick(now / SESSION_TICK, &mut self.outputs);
        }
        if now >= self.next_tick {
            self.next_tick = now + self.interval;
            self.step(Event::Tick)?;
        }
        if self.linger.is_due(now, out) {
            self.step(Event::Publish)?;
        }
        out.wake(self.next_tick.min(self.next_session_tick));
        self.flush(now, out)
    }

    fn stored(&mut self, now: Micros, ticket: u64, out: &mut Out) -> Result<(), SystemError> {
        self.step(Event::Persisted(ticket))?;
        self.durable = ticket;
        self.acknowledge(out);
        self.flush(now, out)
    }

    fn link(
        &mut self,
        now: Micros,
        peer: NodeId,
        up: bool,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        let peer = *of_node(&self.addresses, peer)?;
        if up {
            self.sessions.peer_up(peer, &mut self.outputs);
            self.peer_up(peer)?;
        } else {
            // The session lasts, in case that it is not true.
            self.sessions.peer_down(&peer);
            self.peer_down(peer)?;
        }
        self.flush(now, out)
    }

    fn finish(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        self.step(Event::Seal)?;
        self.flush(now, out)
    }

    fn is_at_rest(&self) -> bool {
        self.replica.is_sealed() && !self.replica.is_dirty()
    }

    fn progress(&self) -> Vec<u8> {
        let (count, sum) = self.replica.digest();
        let mut bytes = count.to_le_bytes().to_vec();
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn read(&self, key: &str, field: u16) -> Result<Content, SystemError> {
        let value = self.replica.state(&self.places.key(key, field));
        self.places.decode(field, &value)
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}

impl Member {
    fn acknowledge(&mut self, out: &mut Out) {
        while let Some((ticket, id)) = self.waiting.front().copied()
            && ticket <= self.durable
        {
            self.waiting.pop_front();
            out.ack(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(class: Class, longest: usize, universe: Option<Vec<Scalar>>) -> Field {
        Field {
            name: format!("{class}"),
            class,
            longest,
            unset: false,
            universe,
        }
    }

    fn scalar() -> impl Strategy<Value = Scalar> {
        prop_oneof![
            any::<bool>().prop_map(Scalar::Bool),
            any::<i64>().prop_map(Scalar::Int),
            "[a-zäö]{0,5}".prop_map(Scalar::Text),
        ]
    }

    fn step() -> impl Strategy<Value = (u16, Action)> {
        let element = || (0..9i64).prop_map(Scalar::Int);
        prop_oneof![
            Just((0, Action::Toggle)),
            any::<bool>().prop_map(|on| (0, Action::Set(Scalar::Bool(on)))),
            scalar().prop_map(|value| (1, Action::Set(value))),
            any::<i64>().prop_map(|value| (2, Action::Add(value))),
            element().prop_map(|value| (3, Action::Insert(value))),
            element().prop_map(|value| (3, Action::Remove(value))),
        ]
    }

    proptest! {
        /// With one writer, the bits have the meaning of the operations.
        #[test]
        fn deltas_of_one_writer_do_what_the_actions_do(
            steps in prop::collection::vec(step(), 0..40),
            wider in 0..3_usize,
        ) {
            let (apart, wide) = (wider > 0, wider > 1);
            let mut fields = vec![
                field(Class::Flag, 0, None),
                field(Class::Register, 10, None),
                field(Class::Counter, 0, None),
                field(Class::Set, 0, Some((0..9).map(Scalar::Int).collect())),
            ];
            if apart {
                // Together they are beyond 512 bits; the wider one is so with a counter alone.
                fields.push(field(Class::Register, if wide { 120 } else { 50 }, None));
            }
            let places = Places::new(&fields.into());
            prop_assert_eq!(places.apart, apart);
            prop_assert_eq!(places.shape.adds(), !wide);
            let mut contents: Vec<_> =
                places.fields.iter().map(|field| Content::empty(field.class)).collect();
            let mut values = std::collections::BTreeMap::new();
            for (field, action) in &steps {
                let value = values
                    .entry(places.key("k", *field))
                    .or_insert_with(|| places.shape.zero());
                match places.change(*field, action, || value.clone()).unwrap() {
                    Change::Put(new) => *value = new,
                    Change::Op(Op::Accum, delta) => places.shape.accumulate(value, &delta),
                    other => panic!("{other:?} is not expected"),
                }
                prop_assert!(places.shape.fits(value));
                contents[usize::from(*field)].apply(action);
                prop_assert_eq!(
                    &places.decode(*field, value).unwrap(),
                    &contents[usize::from(*field)]
                );
            }
        }
    }

    #[test]
    fn fields_without_a_fixed_width_are_refused() {
        let refused: Vec<_> = atomik_arena::system::inexpressible(&Atomik)
            .into_iter()
            .map(|(class, _)| class)
            .collect();
        assert_eq!(refused, [Class::Set, Class::List, Class::Text]);
        assert!(width(&field(Class::Register, 126, None)).is_err());
        assert_eq!(width(&field(Class::Register, 125, None)), Ok(1018));
    }
}
