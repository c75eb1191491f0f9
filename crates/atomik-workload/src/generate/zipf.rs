use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;

use foldhash::fast::FixedState;

use super::draw::{Draw, exp, ln, scatter};
use super::settings::{MAX_RATE, MIN_RATE, SEED, SettingsError, within};
use crate::workload::{Action, Line, MAX_NODES, Scalar};

/// Distinct elements of a generated set.
const ELEMENTS: u64 = 64;

/// Ranks from 0. The probability of rank r is proportional to (r + 1)^-exponent (Zipf).
#[derive(Clone, Debug)]
pub(super) struct Ranks {
    /// Cumulative weights.
    sums: Vec<f64>,
}

impl Ranks {
    pub(super) fn new(count: u32, exponent: f64) -> Result<Self, SettingsError> {
        within("the number of keys", count.into(), 1.0..=1e8)?;
        within("the exponent", exponent, 0.0..=10.0)?;
        let mut sum = 0.0;
        let sums = (1..=count)
            .map(|rank| {
                sum += exp(-exponent * ln(rank.into()));
                sum
            })
            .collect();
        Ok(Self { sums })
    }

    pub(super) fn draw(&self, draw: &mut Draw) -> u32 {
        let total = self.sums.last().copied().unwrap_or_default();
        let at = draw.unit() * total;
        let rank = self.sums.partition_point(|sum| *sum <= at);
        rank.min(self.sums.len() - 1) as u32
    }
}

/// A kind of operation, as [`Mix`] weighs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpKind {
    /// Toggles a flag.
    Toggle,
    /// Sets a 64-bit integer.
    Set,
    /// Adds to a counter.
    Add,
    /// Inserts one of 64 elements into a set.
    Insert,
    /// Removes one of 64 elements from a set.
    Remove,
    /// Appends to a list.
    Append,
}

impl OpKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Toggle,
        Self::Set,
        Self::Add,
        Self::Insert,
        Self::Remove,
        Self::Append,
    ];

    /// Its name in a trace.
    pub fn name(self) -> &'static str {
        match self {
            Self::Toggle => "toggle",
            Self::Set => "set",
            Self::Add => "add",
            Self::Insert => "insert",
            Self::Remove => "remove",
            Self::Append => "append",
        }
    }

    /// The name of its fields, which a number follows. A field has one class, so each class has its
    /// own fields.
    fn field(self) -> &'static str {
        match self {
            Self::Toggle => "flag",
            Self::Set => "word",
            Self::Add => "count",
            Self::Insert | Self::Remove => "tags",
            Self::Append => "log",
        }
    }

    /// Whether it touches a single element of its field.
    fn has_elements(self) -> bool {
        matches!(self, Self::Insert | Self::Remove)
    }
}

/// The weights of the kinds of operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix(Vec<(OpKind, u32)>);

impl Mix {
    /// A mix with these weights. Kinds that are not named have weight 0.
    ///
    /// # Errors
    ///
    /// A kind is named twice, or all weights are 0.
    pub fn new(weights: Vec<(OpKind, u32)>) -> Result<Self, SettingsError> {
        for (place, (kind, _)) in weights.iter().enumerate() {
            if weights[..place].iter().any(|(other, _)| other == kind) {
                return Err(SettingsError::TwoWeights { op: kind.name() });
            }
        }
        if weights.iter().all(|(_, weight)| *weight == 0) {
            return Err(SettingsError::NoWeight);
        }
        Ok(Self(weights))
    }

    fn draw(&self, draw: &mut Draw) -> OpKind {
        let total = self.0.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut at = draw.below(total);
        for (kind, weight) in &self.0 {
            match at.checked_sub((*weight).into()) {
                Some(rest) => at = rest,
                None => return *kind,
            }
        }
        OpKind::Toggle
    }
}

impl FromStr for Mix {
    type Err = SettingsError;

    /// Parses `toggle=3,set=1`. The default weight is 1.
    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let mut weights = Vec::new();
        for part in text.split(',') {
            let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
            let kind = OpKind::ALL
                .into_iter()
                .find(|kind| kind.name() == name.trim())
                .ok_or_else(|| SettingsError::UnknownOperation {
                    name: name.to_owned(),
                    known: OpKind::ALL.map(OpKind::name).join(", "),
                })?;
            let weight = weight
                .trim()
                .parse()
                .map_err(|_| SettingsError::BadWeight {
                    op: name.to_owned(),
                    weight: weight.to_owned(),
                })?;
            weights.push((kind, weight));
        }
        Self::new(weights)
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (kind, weight)) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{}={weight}", kind.name())?;
        }
        Ok(())
    }
}

/// State spread over keys of different popularity, with parameters for what decides whether XOR
/// fits: how many keys have several writers, and how often these touch the same bits at about the
/// same time.
///
/// A key has `fields` fields of each class. Each field has an owner. The fields of a single-writer
/// key have the same owner; those of a key with several writers have different owners in turn. The
/// owner issues every operation, except those that are to overlap: there another node repeats an
/// operation on the same bits within the window. The generator counts overlapping operations and
/// makes one whenever their share is below `overlap`.
#[derive(Clone, Debug, PartialEq)]
pub struct Zipf {
    /// The seed.
    pub seed: u64,
    /// Operations.
    pub operations: u64,
    /// Operations per second over all nodes. They arrive independently of each other.
    pub rate: f64,
    /// Nodes.
    pub nodes: u32,
    /// Keys.
    pub keys: u32,
    /// The exponent of the Zipf distribution of the keys; 0 is uniform.
    pub exponent: f64,
    /// Fields of each class and key.
    pub fields: u32,
    /// The share of keys with several writers. They are spread evenly over the ranks.
    pub multi_writer: f64,
    /// The share of operations for which another node touches the same bits within the window,
    /// before or after. If operations are too rare for that, the second of a pair comes earlier
    /// than `rate` implies.
    pub overlap: f64,
    /// The window, in milliseconds.
    pub window_ms: u64,
    /// The kinds of operations.
    pub mix: Mix,
}

impl Default for Zipf {
    fn default() -> Self {
        Self {
            seed: SEED,
            operations: 100_000,
            rate: 1000.0,
            nodes: 3,
            keys: 10_000,
            exponent: 0.99,
            fields: 4,
            multi_writer: 0.1,
            overlap: 0.0,
            window_ms: 1000,
            mix: Mix(vec![(OpKind::Toggle, 1), (OpKind::Set, 1)]),
        }
    }
}

impl Zipf {
    /// The operations, in order. Memory grows with the keys and with the operations within a
    /// window, not with all operations.
    ///
    /// # Errors
    ///
    /// A setting that is out of range, or an overlap with a single node or without a key with
    /// several writers.
    pub fn lines(&self) -> Result<ZipfLines, SettingsError> {
        within("the rate", self.rate, MIN_RATE..=MAX_RATE)?;
        within(
            "the number of nodes",
            self.nodes.into(),
            1.0..=MAX_NODES.into(),
        )?;
        within("the number of fields", self.fields.into(), 1.0..=1000.0)?;
        within(
            "the share of keys with several writers",
            self.multi_writer,
            0.0..=1.0,
        )?;
        within("the overlap", self.overlap, 0.0..=1.0)?;
        within("the window", self.window_ms as f64, 0.0..=1e12)?;
        let lines = ZipfLines {
            ranks: Ranks::new(self.keys, self.exponent)?,
            settings: self.clone(),
            emitted: 0,
            overlapping: 0,
            clock: 0.0,
            recent: VecDeque::new(),
            writers: HashMap::default(),
            draw: Draw::new(self.seed),
        };
        if self.overlap > 0.0 {
            if self.nodes < 2 {
                return Err(SettingsError::OverlapOfOneNode);
            }
            if !(0..self.keys).any(|key| lines.has_several_writers(key)) {
                return Err(SettingsError::OverlapWithoutWriters {
                    keys: self.keys,
                    share: self.multi_writer,
                });
            }
        }
        Ok(lines)
    }
}

/// The bits that an operation touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Bits {
    key: u32,
    kind: OpKind,
    field: u32,
    element: u8,
}

impl Bits {
    /// The same value for all kinds that touch the same bits.
    fn target(self) -> Self {
        let kind = match self.kind {
            OpKind::Remove => OpKind::Insert,
            kind => kind,
        };
        Self { kind, ..self }
    }
}

/// The nodes that touched some bits within the window.
#[derive(Clone, Debug, Default)]
struct Writers {
    /// Operations of each node.
    nodes: Vec<(u32, u64)>,
    /// Operations of all.
    total: u64,
    /// Operations that overlap no other. They are the last ones, and all of one node: the first
    /// operation of another node makes them all overlap.
    alone: u64,
}

/// The iterator of [`Zipf::lines`].
#[derive(Clone, Debug)]
pub struct ZipfLines {
    settings: Zipf,
    ranks: Ranks,
    emitted: u64,
    overlapping: u64,
    clock: f64,
    /// Operations within the window on keys with several writers, with time and node.
    recent: VecDeque<(u64, u32, Bits)>,
    /// Never iterated over, so its order does not matter.
    writers: HashMap<Bits, Writers, FixedState>,
    draw: Draw,
}

impl ZipfLines {
    /// How many operations so far overlap another.
    pub fn overlapping(&self) -> u64 {
        self.overlapping
    }

    fn has_several_writers(&self, key: u32) -> bool {
        let share = self.settings.multi_writer;
        let phase = (scatter(self.settings.seed, u64::MAX) >> 11) as f64 / (1u64 << 53) as f64;
        let before = f64::from(key) + phase;
        (before * share + share).floor() > (before * share).floor()
    }

    fn owner(&self, key: u32, field: u32) -> u32 {
        let first = scatter(self.settings.seed, key.into());
        let turn = if self.has_several_writers(key) {
            field
        } else {
            0
        };
        (first.wrapping_add(turn.into()) % u64::from(self.settings.nodes)) as u32
    }

    /// The next key with several writers, starting at this one and wrapping around. There is one,
    /// because [`Zipf::lines`] checks it.
    fn with_several_writers(&self, key: u32) -> u32 {
        (key..self.settings.keys)
            .chain(0..key)
            .find(|key| self.has_several_writers(*key))
            .unwrap_or(key)
    }

    fn forget_before(&mut self, t: u64) {
        while let Some((when, node, bits)) = self.recent.front().copied()
            && when + self.settings.window_ms < t
        {
            self.recent.pop_front();
            let bits = bits.target();
            if let Some(writers) = self.writers.get_mut(&bits) {
                // The operations that overlap no other are the last ones.
                writers.alone = writers.alone.min(writers.total - 1);
                writers.total -= 1;
                for (other, count) in &mut writers.nodes {
                    *count -= u64::from(*other == node);
                }
                writers.nodes.retain(|(_, count)| *count > 0);
                if writers.total == 0 {
                    self.writers.remove(&bits);
                }
            }
        }
    }

    fn count(&mut self, t: u64, node: u32, bits: Bits) {
        if !self.has_several_writers(bits.key) {
            return;
        }
        self.recent.push_back((t, node, bits));
        let writers = self.writers.entry(bits.target()).or_default();
        writers.total += 1;
        let own = match writers.nodes.iter_mut().find(|(other, _)| *other == node) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                writers.nodes.push((node, 1));
                1
            }
        };
        if writers.total > own {
            self.overlapping += 1 + writers.alone;
            writers.alone = 0;
        } else {
            writers.alone += 1;
        }
    }

    /// The next operation of an owner, on a key with several writers if that is wanted.
    fn of_an_owner(&mut self, several_writers: bool) -> (u32, Bits) {
        let mut key = self.ranks.draw(&mut self.draw);
        if several_writers {
            key = self.with_several_writers(key);
        }
        let kind = self.settings.mix.draw(&mut self.draw);
        let field = self.draw.below(self.settings.fields.into()) as u32;
        let element = if kind.has_elements() {
            self.draw.below(ELEMENTS) as u8
        } else {
            0
        };
        let bits = Bits {
            key,
            kind,
            field,
            element,
        };
        (self.owner(key, field), bits)
    }
}

impl Iterator for ZipfLines {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if self.emitted == self.settings.operations {
            return None;
        }
        let t = self.clock as u64;
        self.forget_before(t);
        let wanted = (self.overlapping as f64) < self.settings.overlap * (self.emitted + 1) as f64;
        let first_of_pair = wanted && self.recent.is_empty();
        let window = self.settings.window_ms as f64;
        let (node, bits) = if wanted && !first_of_pair {
            let (_, other, bits) = self.recent[self.draw.index(self.recent.len())];
            let nodes = u64::from(self.settings.nodes);
            let distance = self.draw.between(1, nodes - 1);
            (((u64::from(other) + distance) % nodes) as u32, bits)
        } else {
            self.of_an_owner(wanted)
        };
        self.count(t, node, bits);
        self.emitted += 1;
        let mut gap = self.draw.gap_ms(self.settings.rate);
        if first_of_pair && gap > window {
            gap = self.draw.unit() * window - self.clock.fract();
        }
        self.clock += gap.max(0.0);
        let value = self.draw.word();
        let element = Scalar::Int(bits.element.into());
        Some(Line {
            t,
            node,
            key: format!("key-{:06}", bits.key),
            field: format!("{}{}", bits.kind.field(), bits.field),
            action: match bits.kind {
                OpKind::Toggle => Action::Toggle,
                OpKind::Set => Action::Set(Scalar::Int(value as i64)),
                OpKind::Add => Action::Add((value % 100) as i64 + 1),
                OpKind::Insert => Action::Insert(element),
                OpKind::Remove => Action::Remove(element),
                OpKind::Append => Action::Append(Scalar::Int((value % 1000) as i64)),
            },
        })
    }
}
