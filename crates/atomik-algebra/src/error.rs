use alloc::boxed::Box;

use crate::layout::Layout;
use crate::word::MAX_WIDTH;

/// Why an operation was refused.
///
/// An operation that returns an error has changed neither the table it was called on nor an output
/// buffer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A depth of 0 was requested.
    #[error("a register file needs at least one address; give a depth of 1 or more")]
    NoDepth,

    /// The tables could not be allocated.
    #[error("no memory for {depth} addresses of {width} bits; choose a smaller depth or width")]
    OutOfMemory {
        /// The requested depth.
        depth: usize,
        /// The width of a word in bits.
        width: u32,
    },

    /// A width outside 1 to [`MAX_WIDTH`].
    #[error("a width of {width} bits is not supported; choose one of 1 to {MAX_WIDTH}")]
    Width {
        /// The requested width.
        width: u32,
    },

    /// An address outside the register file.
    #[error("address {addr} is outside a register file of {depth}; use an address below {depth}")]
    Address {
        /// The address.
        addr: usize,
        /// The depth of the register file.
        depth: usize,
    },

    /// A value with bits set above the width of the register file.
    #[error(
        "the value needs {bits} bits and the register file has {width}; \
         mask the value or choose a wider one"
    )]
    TooWide {
        /// The position of the highest bit set, plus one.
        bits: u32,
        /// The width of the register file.
        width: u32,
    },

    /// A buffer of limbs of the wrong length.
    #[error(
        "{found} limbs were given where {expected} are needed; \
         a value has ceil(width / 64) limbs of 64 bits"
    )]
    Limbs {
        /// The number of limbs needed.
        expected: usize,
        /// The number of limbs found.
        found: usize,
    },

    /// A merge or restore between register files of different depths.
    #[error(
        "a register file of {this} addresses cannot take one of {other}; both need the same depth"
    )]
    Depths {
        /// The depth of the register file that was called on.
        this: usize,
        /// The depth of the argument.
        other: usize,
    },

    /// A merge or restore between register files of different layouts.
    #[error("a register file of {this} cannot take one of {other}; both need the same layout")]
    Layouts {
        /// The layout of the register file that was called on.
        this: Box<Layout>,
        /// The layout of the argument.
        other: Box<Layout>,
    },

    /// A merge of two accumulators with different references: their deltas are not comparable.
    #[error(
        "the references differ, so the deltas do not add up; \
         load or swap both to the same reference first"
    )]
    References,

    /// A merge of two register files with different references: their deltas are not comparable.
    #[error(
        "the references differ, first at address {addr}, so the deltas do not add up; \
         load or swap both to the same reference first"
    )]
    ReferencesAt {
        /// The lowest address at which the references differ.
        addr: usize,
    },

    /// One entry of a list was refused, so none of the list was applied.
    #[error("entry {index} of the list: {reason} (nothing of the list was applied)")]
    Entry {
        /// The position of the entry, from 0.
        index: usize,
        /// Why the entry was refused.
        reason: Box<Error>,
    },
}

impl Error {
    #[cold]
    pub(crate) fn address(addr: usize, depth: usize) -> Self {
        Self::Address { addr, depth }
    }

    #[cold]
    pub(crate) fn in_entry(self, index: usize) -> Self {
        Self::Entry {
            index,
            reason: Box::new(self),
        }
    }
}
