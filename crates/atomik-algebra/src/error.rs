use alloc::boxed::Box;

/// Why an operation was refused.
///
/// An operation that returns an error has changed nothing: neither the table it was called on nor
/// an output buffer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A register file without addresses was asked for.
    #[error("a register file needs at least one address; give a depth of 1 or more")]
    NoDepth,

    /// The tables could not be allocated.
    #[error("no memory for {depth} addresses of {width} bits; choose a smaller depth or width")]
    OutOfMemory {
        /// The depth that was asked for.
        depth: usize,
        /// The width of a word in bits.
        width: u32,
    },

    /// A run-time width that no [`DynRegisterFile`](crate::DynRegisterFile) has.
    #[error(
        "a width of {width} bits is not supported; choose one of 1 to {}",
        crate::MAX_WIDTH
    )]
    Width {
        /// The width that was asked for.
        width: u32,
    },

    /// An address outside the register file.
    #[error("address {addr} is outside a register file of {depth}; use an address below {depth}")]
    Address {
        /// The address that was given.
        addr: usize,
        /// The number of addresses there are.
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

    /// A buffer of limbs that is not exactly as long as the values need.
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

    /// Two register files of different depths were to be merged, or restored from one another.
    #[error(
        "a register file of {this} addresses cannot take one of {other}; both need the same depth"
    )]
    Depths {
        /// The depth of the register file that was called.
        this: usize,
        /// The depth of the one that was handed in.
        other: usize,
    },

    /// Two register files of different widths were to be merged, or restored from one another.
    #[error("a register file of {this} bits cannot take one of {other}; both need the same width")]
    Widths {
        /// The width of the register file that was called.
        this: u32,
        /// The width of the one that was handed in.
        other: u32,
    },

    /// Two single accumulators with different references were to be merged: their deltas do not
    /// mean the same.
    #[error(
        "the references differ, so the deltas do not add up; \
         load or swap both to the same reference first"
    )]
    References,

    /// Two register files with different references were to be merged: their deltas do not mean the
    /// same.
    #[error(
        "the references differ, first at address {addr}, so the deltas do not add up; \
         load or swap both to the same reference first"
    )]
    ReferencesAt {
        /// The lowest address at which they differ.
        addr: usize,
    },

    /// One entry of a list was refused, and the whole list with it.
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
