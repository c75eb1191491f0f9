//! The oracle: all changes that clients submitted, what became of each, and what must be found.
//!
//! A change combines *marks* into keys, each at a place of its own: a bit of the field that xors,
//! or a digit in base 4 of the field that adds. So a value shows how often each mark was counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use atomik_node::replica::{Action, Op, Value};
use atomik_node::{Change, Done, KeyOp, Refused};
use tokio::time::Instant;

use crate::draw::Draw;
use crate::failure::{Check, ensure};

/// Keys to which marks are spread; further ones follow when these are full.
const KEYS: u64 = 8;

/// The places of marks in a key: 64 bits that xor, and 32 digits that add.
const PLACES: u64 = 64 + 32;

/// A place in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    key: u64,
    place: u64,
}

impl Mark {
    fn delta(self) -> Value {
        match self.place {
            0..64 => Value::from_words(&[1 << self.place, 0]),
            digit => Value::from_words(&[0, 1 << (2 * (digit - 64))]),
        }
    }

    /// How often it is in this value: of a bit only whether the number is odd.
    fn count(self, value: &Value) -> u64 {
        match self.place {
            0..64 => value.words()[0] >> self.place & 1,
            digit => value.words()[1] >> (2 * (digit - 64)) & 3,
        }
    }
}

fn key_of_marks(key: u64) -> Vec<u8> {
    format!("marks-{key}").into_bytes()
}

/// The key that only the node of a slot puts values into.
fn key_of_puts(slot: usize) -> Vec<u8> {
    format!("put-{slot}").into_bytes()
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// There is no answer yet.
    Open,
    Acknowledged(Instant),
    /// Refused: it must have changed nothing.
    Refused,
    /// It may be durable or not.
    Unclear,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("without an answer"),
            Self::Acknowledged(at) => write!(f, "acknowledged {:?} ago", at.elapsed()),
            Self::Refused => f.write_str("refused"),
            Self::Unclear => f.write_str("perhaps durable"),
        }
    }
}

/// A change that a client submitted.
struct Submitted {
    slot: usize,
    marks: Vec<Mark>,
    put: Option<Value>,
    submitted: Instant,
    fate: Fate,
    /// The slots whose disks certainly have it now, if it was acknowledged.
    holders: BTreeSet<usize>,
    /// All members were seen to have it.
    is_everywhere: bool,
}

/// How many of the changes of whom must be found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// Those acknowledged to clients of this slot.
    AllOf(usize),
    /// Those that were acknowledged there before this time.
    Earlier(usize, Instant),
    /// Those that all members were seen to have.
    Everywhere,
    /// Those of all slots.
    All,
}

/// All changes that clients submitted, in order.
#[derive(Default)]
pub(crate) struct Changes {
    all: Vec<Submitted>,
    /// The marks made so far.
    marks: u64,
}

/// The values of a node's keys.
pub(crate) type Values = BTreeMap<Vec<u8>, Value>;

impl Changes {
    /// A new change with new marks, and perhaps a put, and its number.
    pub(crate) fn submit(
        &mut self,
        slot: usize,
        marks: usize,
        put: Option<Value>,
        draw: &mut Draw,
    ) -> (usize, Change) {
        let first = self.marks;
        self.marks += marks as u64;
        // Places are taken in an order that mixes both fields and spreads over the keys.
        let mark = |number: u64| Mark {
            key: number % KEYS + number / (KEYS * PLACES) * KEYS,
            place: number / KEYS * 67 % PLACES,
        };
        let marks: Vec<Mark> = (first..self.marks).map(mark).collect();
        let mut ops: Vec<KeyOp> = marks
            .iter()
            .map(|mark| KeyOp {
                key: key_of_marks(mark.key),
                action: Action::Op(Op::Accum, mark.delta()),
            })
            .collect();
        if let Some(value) = &put {
            let at = draw.below(ops.len() as u64 + 1) as usize;
            let (key, action) = (key_of_puts(slot), Action::Put(value.clone()));
            ops.insert(at, KeyOp { key, action });
        }
        self.all.push(Submitted {
            slot,
            marks,
            put,
            submitted: Instant::now(),
            fate: Fate::Open,
            holders: BTreeSet::from([slot]),
            is_everywhere: false,
        });
        (self.all.len() - 1, Change::Batch(ops))
    }

    /// Takes the answer to a change.
    pub(crate) fn answer(&mut self, number: usize, answer: &Result<Done, Refused>) {
        let fate = match answer {
            Ok(_) => Fate::Acknowledged(Instant::now()),
            Err(Refused::Stopping | Refused::Storage { .. }) => Fate::Unclear,
            Err(_) => Fate::Refused,
        };
        if let Some(change) = self.all.get_mut(number) {
            change.fate = fate;
        }
    }

    /// Whether some changes have no answer yet.
    pub(crate) fn are_open(&self) -> bool {
        self.all.iter().any(|change| change.fate == Fate::Open)
    }

    /// How many changes were acknowledged, refused, and left unclear.
    pub(crate) fn counts(&self) -> [u64; 3] {
        let count = |wanted: fn(&Fate) -> bool| {
            let fates = self.all.iter().map(|change| change.fate);
            fates.filter(wanted).count() as u64
        };
        [
            count(|fate| matches!(fate, Fate::Acknowledged(_))),
            count(|fate| *fate == Fate::Refused),
            count(|fate| *fate == Fate::Unclear),
        ]
    }

    /// Checks that no client has waited for longer than this.
    pub(crate) fn check_patience(&self, patience: Duration) -> Check {
        let is_open = |change: &&Submitted| change.fate == Fate::Open;
        for change in self.all.iter().filter(is_open) {
            let waited = change.submitted.elapsed();
            ensure("clients get answers", waited <= patience, || {
                format!("a client of node {} has waited {waited:?}", change.slot)
            })?;
        }
        Ok(())
    }

    /// A slot may not have any more what it had. What all members were seen to have comes back.
    pub(crate) fn lose(&mut self, slot: usize) {
        for change in &mut self.all {
            change.holders.remove(&slot);
        }
    }

    /// A slot has on its disk what another one acknowledged before this time.
    pub(crate) fn hold(&mut self, holder: usize, slot: usize, time: Instant) {
        let wanted = Wanted::Earlier(slot, time);
        let handed_on = |change: &&mut Submitted| change.must_be_found(wanted);
        for change in self.all.iter_mut().filter(handed_on) {
            change.holders.insert(holder);
        }
    }

    /// All members have the same: what is there stays there.
    pub(crate) fn are_everywhere(&mut self, values: &Values) {
        for change in &mut self.all {
            change.is_everywhere = change.is_counted(values);
        }
    }

    /// All keys that have a value.
    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        let keys = self.marks.min(KEYS) + self.marks / (KEYS * PLACES) * KEYS;
        let mut puts: Vec<usize> = self.all.iter().map(|change| change.slot).collect();
        puts.sort_unstable();
        puts.dedup();
        let marks = (0..keys).map(key_of_marks);
        marks.chain(puts.into_iter().map(key_of_puts)).collect()
    }

    /// Checks that the values of a node count no change twice, contain nothing that nobody
    /// submitted or that was refused, and all that is wanted.
    pub(crate) fn check(&self, node: usize, values: &Values, wanted: Wanted) -> Check {
        for (number, change) in self.all.iter().enumerate() {
            let counts = || change.marks.iter().map(|mark| mark.count_in(values));
            let what = || {
                let counts: Vec<u64> = counts().collect();
                format!(
                    "node {node}: change {number} of node {}, {}, counts {counts:?}",
                    change.slot, change.fate
                )
            };
            ensure(
                "counted at most once",
                counts().all(|count| count <= 1),
                what,
            )?;
            let none = counts().all(|count| count == 0);
            ensure(
                "refused, no effect",
                none || change.fate != Fate::Refused,
                what,
            )?;
            let whole = none || counts().all(|count| count == 1);
            let is_own = change.slot == node || matches!(wanted, Wanted::All);
            // Of what a removed member had, others may have accepted a part.
            let excused = !is_own || change.may_be_lost();
            ensure("whole at its node and at rest", whole || excused, what)?;
            let found = !change.must_be_found(wanted) || change.is_counted(values);
            ensure(wanted.invariant(), found, what)?;
        }
        self.check_nothing_else(node, values)
    }

    fn check_nothing_else(&self, node: usize, values: &Values) -> Check {
        let mut known: Values = Values::new();
        for mark in self.all.iter().flat_map(|change| &change.marks) {
            let digit = match mark.place {
                0..64 => mark.delta(),
                _ => Value::from_words(&[0, 3 * mark.delta().words()[1]]),
            };
            let sum = known
                .entry(key_of_marks(mark.key))
                .or_insert_with(|| Value::zero(2));
            *sum = sum.xor(&digit);
        }
        for (key, value) in values.iter().filter(|(key, _)| key.starts_with(b"marks")) {
            let known = known.get(key).cloned().unwrap_or_else(|| Value::zero(2));
            ensure(
                "nothing that nobody submitted",
                value.and_not(&known).is_zero(),
                || {
                    let key = String::from_utf8_lossy(key);
                    format!("node {node}: {key} is {value}, known is {known}")
                },
            )?;
        }
        Ok(())
    }

    /// Checks that each key with one writer has the value that was put last, of those puts that
    /// count.
    pub(crate) fn check_puts(&self, values: &Values) -> Check {
        let slots = 0..crate::schedule::SLOTS;
        for slot in slots {
            let of_slot = self.all.iter().filter(|change| change.slot == slot);
            let puts = of_slot.filter(|change| change.put.is_some());
            let puts: Vec<&Submitted> = puts.collect();
            // A lost put is a part of the later ones.
            let lost = |put: &&Submitted| put.may_be_lost() && !put.is_counted(values);
            if puts.iter().any(lost) {
                continue;
            }
            let last = puts.iter().rfind(|put| put.is_counted(values));
            let expected = last.and_then(|put| put.put.clone());
            let expected = expected.unwrap_or_else(|| Value::zero(2));
            let found = values.get(&key_of_puts(slot)).cloned();
            let found = found.unwrap_or_else(|| Value::zero(2));
            ensure("the last put counts", found == expected, || {
                format!("the key of node {slot} is {found}, not {expected}")
            })?;
        }
        Ok(())
    }
}

impl Mark {
    fn count_in(self, values: &Values) -> u64 {
        let value = values.get(&key_of_marks(self.key));
        value.map_or(0, |value| self.count(value))
    }
}

impl Submitted {
    fn is_counted(&self, values: &Values) -> bool {
        self.marks.iter().all(|mark| mark.count_in(values) == 1)
    }

    /// It may be lost although it was acknowledged: only disks had it that are gone.
    fn may_be_lost(&self) -> bool {
        self.holders.is_empty() && !self.is_everywhere
    }

    /// It was submitted there, and the disk has not lost it.
    fn is_held_by(&self, slot: usize) -> bool {
        self.slot == slot && self.holders.contains(&slot)
    }

    fn must_be_found(&self, wanted: Wanted) -> bool {
        let Fate::Acknowledged(at) = self.fate else {
            return self.is_everywhere && matches!(wanted, Wanted::Everywhere | Wanted::All);
        };
        !self.may_be_lost()
            && match wanted {
                Wanted::AllOf(slot) => self.is_held_by(slot),
                Wanted::Earlier(slot, time) => self.is_held_by(slot) && at < time,
                Wanted::Everywhere => self.is_everywhere,
                Wanted::All => true,
            }
    }
}

impl Wanted {
    fn invariant(self) -> &'static str {
        match self {
            Self::AllOf(_) => "a node has what it acknowledged",
            Self::Earlier(..) => "a member that is in sync has handed on what it acknowledged",
            Self::Everywhere => "what all members had stays",
            Self::All => "what was acknowledged is everywhere",
        }
    }
}
