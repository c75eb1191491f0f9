//! Operations on keys, and which of them each view of a keyspace allows.

use atomik_algebra::Op;

use crate::value::Value;

/// How a keyspace interprets its values: which operations it accepts and which conflicts it
/// reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum View {
    /// Words under the operations of the register file. Accepts [`Action::Op`], [`Action::Toggle`],
    /// [`Action::SetFlag`] and [`Action::Put`].
    #[default]
    Raw,
    /// Independent bits. Accepts [`Action::Toggle`], [`Action::SetFlag`] and the operations that
    /// only read.
    ///
    /// Bits of fields that add are no flags.
    ///
    /// Two origins that set the same flag concurrently toggle it twice, so it ends up where it
    /// started. The overlap report lists the flags that both switched on and that are now off, and
    /// vice versa.
    Flags,
    /// One writer per key. Accepts [`Action::Put`] and the operations that only read. A second
    /// writer is reported once per key.
    Cell,
}

/// What an operation does to its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// An operation of the register file; see `docs/spec.md`, section 1. The reference is this
    /// replica's own mark for the key. Marks do not travel; the state changes made by `LOAD` and
    /// `ACCUM` do.
    Op(Op, Value),
    /// Inverts a flag.
    Toggle(usize),
    /// Sets a flag to the given value: inverts it if it differs.
    SetFlag(usize, bool),
    /// Replaces the value: the delta is the new value minus the old one.
    Put(Value),
}

/// An operation on one key of this replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalOp<'a> {
    /// The key, 1 to [`MAX_KEY`](crate::MAX_KEY) bytes.
    pub key: &'a [u8],
    /// What to do with it.
    pub action: Action,
}

impl<'a> LocalOp<'a> {
    /// Combines a delta into the key's state: xors or adds it, field by field.
    pub fn accum(key: &'a [u8], delta: Value) -> Self {
        Self {
            key,
            action: Action::Op(Op::Accum, delta),
        }
    }
}
