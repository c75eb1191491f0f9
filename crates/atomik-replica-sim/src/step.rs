//! What happens in a run, step by step.

use core::cmp::Ordering;
use core::fmt;

use atomik_replica::{Action, Op, Value};

/// The most words of a value here.
pub(crate) const WORDS: usize = 3;

/// What is left of a replica's memory when it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// All that was confirmed.
    Kept,
    /// Nothing: a new disk.
    Lost,
    /// All but this many of the last batches, although they had been confirmed: storage never
    /// waited for the disk.
    Without(usize),
    /// As `Without`, but nobody knows: an old copy was put back.
    PutBack(usize),
}

/// An operation on one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An operation of the machine.
    Op(Op, [u64; WORDS]),
    /// Turns a flag over.
    Toggle(usize),
    /// Puts a flag on or off.
    SetFlag(usize, bool),
    /// Replaces the value.
    Put([u64; WORDS]),
}

impl Operation {
    /// For a keyspace of so many words.
    pub(crate) fn action(&self, words: usize) -> Action {
        match self {
            Self::Op(op, value) => Action::Op(*op, Value::from_words(&value[..words])),
            Self::Toggle(flag) => Action::Toggle(*flag),
            Self::SetFlag(flag, on) => Action::SetFlag(*flag, *on),
            Self::Put(value) => Action::Put(Value::from_words(&value[..words])),
        }
    }
}

/// One thing that happens; an action that does not fit (work of a replica that is down) does
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Operations, on keys by number; a batch if there are several.
    Work(usize, Vec<(usize, Operation)>),
    /// Undoes the batch this many before the last.
    Undo(usize, u64),
    /// Makes a checkpoint.
    Checkpoint(usize),
    /// Drops a checkpoint, by its place among those that there are.
    DropCheckpoint(usize, usize),
    /// Subscribes to all keys, or ends that.
    Subscribe(usize, bool),
    /// Leaves for good.
    Retire(usize),
    /// Hands over to storage.
    Flush(usize),
    /// Time passes.
    Tick(usize),
    /// Storage repeats what it confirmed last.
    ConfirmAgain(usize),
    /// The engine says, rightly or not, that a peer is there or gone.
    Peer(usize, usize, bool),
    /// A link, one way, carries messages or not.
    Link(usize, usize, bool),
    /// The replica stops; whether the batch that storage was busy with is there afterwards.
    Crash(usize, bool),
    /// The replica starts (again).
    Start(usize, Memory),
}

impl Step {
    /// The replica that it is a step of; of a link, the one that sends.
    pub(crate) fn replica(&self) -> usize {
        match *self {
            Self::Work(n, _)
            | Self::Undo(n, _)
            | Self::Checkpoint(n)
            | Self::DropCheckpoint(n, _)
            | Self::Subscribe(n, _)
            | Self::Retire(n)
            | Self::Flush(n)
            | Self::Tick(n)
            | Self::ConfirmAgain(n)
            | Self::Peer(n, ..)
            | Self::Link(n, ..)
            | Self::Crash(n, _)
            | Self::Start(n, _) => n,
        }
    }

    /// The replicas that have to do with it.
    fn replicas(&mut self) -> [Option<&mut usize>; 2] {
        match self {
            Self::Work(n, _)
            | Self::Undo(n, _)
            | Self::Checkpoint(n)
            | Self::DropCheckpoint(n, _)
            | Self::Subscribe(n, _)
            | Self::Retire(n)
            | Self::Flush(n)
            | Self::Tick(n)
            | Self::ConfirmAgain(n)
            | Self::Crash(n, _)
            | Self::Start(n, _) => [Some(n), None],
            Self::Peer(n, m, _) | Self::Link(n, m, _) => [Some(n), Some(m)],
        }
    }

    /// The step without a replica, those after it moved up; `None` if it has to do with it.
    pub(crate) fn without(mut self, replica: usize) -> Option<Self> {
        for n in self.replicas().into_iter().flatten() {
            match replica.cmp(n) {
                Ordering::Less => *n -= 1,
                Ordering::Equal => return None,
                Ordering::Greater => {}
            }
        }
        Some(self)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(n, ops) => {
                write!(f, "r{n} does")?;
                ops.iter().try_for_each(|(key, op)| match op {
                    Operation::Op(op, value) if op.takes_data() => {
                        write!(f, " {op:?} {:x?} to k{key};", value)
                    }
                    Operation::Op(op, _) => write!(f, " {op:?} of k{key};"),
                    other => write!(f, " {other:x?} of k{key};"),
                })
            }
            Self::Undo(n, 0) => write!(f, "r{n} undoes its last batch"),
            Self::Undo(n, back) => write!(f, "r{n} undoes the batch {back} before its last"),
            Self::Checkpoint(n) => write!(f, "r{n} makes a checkpoint"),
            Self::DropCheckpoint(n, which) => write!(f, "r{n} drops checkpoint at place {which}"),
            Self::Subscribe(n, true) => write!(f, "r{n} gets a subscriber"),
            Self::Subscribe(n, false) => write!(f, "r{n} loses its subscribers"),
            Self::Retire(n) => write!(f, "r{n} retires"),
            Self::Flush(n) => write!(f, "r{n} flushes"),
            Self::Tick(n) => write!(f, "r{n} ticks"),
            Self::ConfirmAgain(n) => write!(f, "r{n}: storage repeats its last confirmation"),
            Self::Peer(n, peer, true) => write!(f, "r{n} is told that r{peer} is there"),
            Self::Peer(n, peer, false) => write!(f, "r{n} is told that r{peer} is gone"),
            Self::Link(from, to, true) => write!(f, "link r{from} to r{to} works"),
            Self::Link(from, to, false) => write!(f, "link r{from} to r{to} is cut"),
            Self::Crash(n, true) => {
                write!(f, "r{n} crashes; what storage was busy with is stored")
            }
            Self::Crash(n, false) => write!(f, "r{n} crashes; what storage was busy with is gone"),
            Self::Start(n, Memory::Kept) => write!(f, "r{n} starts with what it stored"),
            Self::Start(n, Memory::Lost) => write!(f, "r{n} starts with a new disk"),
            Self::Start(n, Memory::Without(batches)) => {
                write!(
                    f,
                    "r{n} starts without its last {batches} batches, and knows"
                )
            }
            Self::Start(n, Memory::PutBack(batches)) => write!(
                f,
                "r{n} starts from a copy that is {batches} batches old, and does not know"
            ),
        }
    }
}
