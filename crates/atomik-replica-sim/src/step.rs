//! The steps of a schedule.

use core::cmp::Ordering;
use core::fmt;

use atomik_replica::{Action, Op, Value};

/// The maximum number of words per value in a schedule.
pub(crate) const WORDS: usize = 3;

/// What a replica finds on its disk when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Everything that storage confirmed.
    Kept,
    /// Nothing: it has a new disk.
    Lost,
    /// Everything except this many of the last batches, which storage confirmed before they were on
    /// disk. The replica knows of the loss.
    Truncated(usize),
    /// The same, but the replica does not know: a stale copy of the disk was restored.
    StaleCopy(usize),
}

/// An operation on one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An operation of the register file.
    Op(Op, [u64; WORDS]),
    /// Toggles a flag.
    Toggle(usize),
    /// Sets or clears a flag.
    SetFlag(usize, bool),
    /// Replaces the value.
    Put([u64; WORDS]),
}

impl Operation {
    /// The operation in a keyspace with so many words per value.
    pub(crate) fn action(&self, words: usize) -> Action {
        match self {
            Self::Op(op, value) => Action::Op(*op, Value::from_words(&value[..words])),
            Self::Toggle(flag) => Action::Toggle(*flag),
            Self::SetFlag(flag, on) => Action::SetFlag(*flag, *on),
            Self::Put(value) => Action::Put(Value::from_words(&value[..words])),
        }
    }

    /// Writes the operation, on this key, in words.
    fn write(&self, f: &mut fmt::Formatter<'_>, key: usize) -> fmt::Result {
        match self {
            Self::Op(op, value) if op.takes_data() => write!(f, "{op:?} k{key} {value:x?}"),
            Self::Op(op, _) => write!(f, "{op:?} k{key}"),
            Self::Toggle(flag) => write!(f, "Toggle flag {flag} of k{key}"),
            Self::SetFlag(flag, true) => write!(f, "Set flag {flag} of k{key}"),
            Self::SetFlag(flag, false) => write!(f, "Clear flag {flag} of k{key}"),
            Self::Put(value) => write!(f, "Put k{key} {value:x?}"),
        }
    }
}

/// What the administrator does with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Removes it, unless it is the last one.
    Remove,
    /// Adds it again if it was removed.
    Add,
    /// Gives it another key, with which it runs from its next start on.
    Rotate,
}

/// What a dishonest member does. What it draws on for that follows from the seed and the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// One of its copies makes a change, and tells only some members.
    Write,
    /// Copies itself. Both go on in the same life.
    Copy,
    /// Copies itself. The two make different changes of one key, and tell some members each.
    Contradict,
    /// Begins this many lives, each with a change.
    Lives(u64),
    /// One of its copies previews a change to some members, and forgets it before it is sealed.
    Preview,
    /// Retires, while a copy goes on.
    Retire,
    /// One of its copies states what it holds itself of closed lives, to some members.
    State,
    /// Sends cells or a chunk that nobody has asked for.
    Unasked,
    /// Sends a message that it has seen again.
    Repeat,
    /// Sends a message that it has seen, altered.
    Alter,
    /// Sends a message of some kind with random content.
    Garbage,
    /// Sends one request this many times.
    Flood(u64),
    /// Sends a list of members that the administrator did not sign.
    Roster,
    /// Begins a session in the name of another member. Only over sessions.
    Impersonate,
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write => f.write_str("writes behind the back of some"),
            Self::Copy => f.write_str("copies itself"),
            Self::Contradict => f.write_str("contradicts itself"),
            Self::Lives(count) => write!(f, "begins {count} lives"),
            Self::Preview => f.write_str("previews what it forgets"),
            Self::Retire => f.write_str("retires and goes on"),
            Self::State => f.write_str("states what a copy holds"),
            Self::Unasked => f.write_str("answers unasked"),
            Self::Repeat => f.write_str("repeats a message"),
            Self::Alter => f.write_str("alters a message"),
            Self::Garbage => f.write_str("makes up a message"),
            Self::Flood(count) => write!(f, "repeats a request {count} times"),
            Self::Roster => f.write_str("makes up a list of members"),
            Self::Impersonate => f.write_str("imitates another member"),
        }
    }
}

/// One thing that happens to a replica, given by its number, or to a link. A step that does not
/// apply, such as an operation at a replica that is down, does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Operations on keys, given by number. Several make a batch.
    Operate(usize, Vec<(usize, Operation)>),
    /// Undoes the batch this many before the last one.
    Undo(usize, u64),
    /// Makes a checkpoint.
    Checkpoint(usize),
    /// Drops the checkpoint at this place of the list.
    DropCheckpoint(usize, usize),
    /// Subscribes to all keys (`true`), or ends all subscriptions.
    Subscribe(usize, bool),
    /// Retires.
    Retire(usize),
    /// Hands pending changes to storage.
    Flush(usize),
    /// A tick of time.
    Tick(usize),
    /// Storage repeats its last confirmation.
    ConfirmAgain(usize),
    /// The engine reports, rightly or not, that a peer is reachable (`true`) or gone.
    Peer(usize, usize, bool),
    /// The link from one replica to another is restored (`true`) or cut.
    Link(usize, usize, bool),
    /// The replica crashes. The batch in flight reaches the disk (`true`) or is lost.
    Crash(usize, bool),
    /// From now on storage fails at this many batches. Each failure ends the replica, which starts
    /// again after a while; the batch has reached the disk nevertheless (`true`), or is lost.
    FailStorage(usize, u64, bool),
    /// The administrator's list of members that adds the last replica is handed in.
    Admit(usize),
    /// The administrator's next list of members, with this change of another one, is handed in.
    Order(usize, usize, Order),
    /// The replica starts.
    Start(usize, Memory),
    /// The dishonest member does this.
    Lie(usize, Lie),
}

impl Step {
    /// The replica that performs the step; the sender if it is a link.
    pub(crate) fn replica(&self) -> usize {
        match *self {
            Self::Operate(n, _)
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
            | Self::Start(n, _)
            | Self::FailStorage(n, ..)
            | Self::Admit(n)
            | Self::Order(n, ..)
            | Self::Lie(n, _) => n,
        }
    }

    /// The replicas that the step names.
    fn replicas(&mut self) -> [Option<&mut usize>; 2] {
        match self {
            Self::Operate(n, _)
            | Self::Undo(n, _)
            | Self::Checkpoint(n)
            | Self::DropCheckpoint(n, _)
            | Self::Subscribe(n, _)
            | Self::Retire(n)
            | Self::Flush(n)
            | Self::Tick(n)
            | Self::ConfirmAgain(n)
            | Self::Crash(n, _)
            | Self::Start(n, _)
            | Self::FailStorage(n, ..)
            | Self::Admit(n)
            | Self::Lie(n, _) => [Some(n), None],
            Self::Peer(n, m, _) | Self::Link(n, m, _) | Self::Order(n, m, _) => [Some(n), Some(m)],
        }
    }

    /// The step when `replica` is removed and those after it move up; `None` if the step names it.
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
            Self::Operate(n, operations) => {
                write!(f, "r{n} performs")?;
                let mut operations = operations.iter().enumerate();
                operations.try_for_each(|(place, (key, operation))| {
                    f.write_str(if place == 0 { " " } else { ", " })?;
                    operation.write(f, *key)
                })
            }
            Self::Undo(n, 0) => write!(f, "r{n} undoes its last batch"),
            Self::Undo(n, back) => write!(f, "r{n} undoes the batch {back} before its last one"),
            Self::Checkpoint(n) => write!(f, "r{n} makes a checkpoint"),
            Self::DropCheckpoint(n, which) => {
                write!(f, "r{n} drops the checkpoint at place {which}")
            }
            Self::Subscribe(n, true) => write!(f, "r{n} gains a subscriber"),
            Self::Subscribe(n, false) => write!(f, "r{n} loses its subscribers"),
            Self::Retire(n) => write!(f, "r{n} retires"),
            Self::Flush(n) => write!(f, "r{n} flushes"),
            Self::Tick(n) => write!(f, "r{n} ticks"),
            Self::ConfirmAgain(n) => write!(f, "storage of r{n} repeats its last confirmation"),
            Self::Peer(n, peer, true) => write!(f, "r{n} is notified that r{peer} is up"),
            Self::Peer(n, peer, false) => write!(f, "r{n} is notified that r{peer} is down"),
            Self::Link(from, to, true) => write!(f, "link from r{from} to r{to} is restored"),
            Self::Link(from, to, false) => write!(f, "link from r{from} to r{to} is cut"),
            Self::Lie(n, lie) => write!(f, "r{n}, dishonest, {lie}"),
            Self::FailStorage(n, batches, stored) => {
                let fate = if *stored { "are stored" } else { "are lost" };
                write!(
                    f,
                    "storage of r{n} fails at the next {batches} batches, which {fate}"
                )
            }
            Self::Admit(n) => write!(f, "r{n} is handed the list with a new member"),
            Self::Order(n, m, Order::Remove) => write!(f, "r{n} is ordered to remove r{m}"),
            Self::Order(n, m, Order::Add) => write!(f, "r{n} is ordered to add r{m} again"),
            Self::Order(n, m, Order::Rotate) => {
                write!(f, "r{n} is ordered to list another key of r{m}")
            }
            Self::Crash(n, true) => {
                write!(f, "r{n} crashes; the batch in flight is stored")
            }
            Self::Crash(n, false) => write!(f, "r{n} crashes; the batch in flight is lost"),
            Self::Start(n, Memory::Kept) => write!(f, "r{n} starts"),
            Self::Start(n, Memory::Lost) => write!(f, "r{n} starts with a new disk"),
            Self::Start(n, Memory::Truncated(lost)) => {
                write!(
                    f,
                    "r{n} starts without its last {lost} batches, and knows of it"
                )
            }
            Self::Start(n, Memory::StaleCopy(lost)) => {
                write!(
                    f,
                    "r{n} starts from a copy {lost} batches old, without knowing"
                )
            }
        }
    }
}
