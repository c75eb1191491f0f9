use core::fmt;

/// An operation on one address, encoded in the three bits of `cmd_op`.
///
/// `R` is the reference, `D` the accumulator and `S = R + D` the current state of the address,
/// where `+` is the operation of the group of words: xor unless the word has fields that add.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Op {
    /// Does nothing.
    Nop = 0,
    /// `R := value`, `D := 0`.
    Load = 1,
    /// `D := D + delta`. Rolling a delta back is this operation with the inverse of the delta.
    Accum = 2,
    /// Returns `S`.
    Read = 3,
    /// Returns `S`, then sets `R := S`, `D := 0`.
    Swap = 4,
    /// Returns `D`.
    Delta = 5,
    /// Returns `D`, then sets `R := S`, `D := 0`.
    Drain = 6,
}

impl Op {
    /// Every operation, in the order of the codes.
    pub const ALL: [Self; 7] = [
        Self::Nop,
        Self::Load,
        Self::Accum,
        Self::Read,
        Self::Swap,
        Self::Delta,
        Self::Drain,
    ];

    /// The three-bit code, 0 to 6.
    #[inline]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The operation that the hardware performs for a code: only the low three bits count, and the
    /// reserved code 7 is a NOP.
    #[inline]
    pub const fn from_code(code: u8) -> Self {
        match code & 7 {
            1 => Self::Load,
            2 => Self::Accum,
            3 => Self::Read,
            4 => Self::Swap,
            5 => Self::Delta,
            6 => Self::Drain,
            _ => Self::Nop,
        }
    }

    /// The name in lower case, as traces spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nop => "nop",
            Self::Load => "load",
            Self::Accum => "accum",
            Self::Read => "read",
            Self::Swap => "swap",
            Self::Delta => "delta",
            Self::Drain => "drain",
        }
    }

    /// The operation with this [`name`](Self::name), or `None`. `rollback` is an alias of
    /// [`Op::Accum`] in traces and in the software interface, not the name of an operation, so the
    /// result for it is `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.name() == name)
    }

    /// Whether the operation has an argument: the value of a LOAD, the delta of an ACCUM.
    #[inline]
    pub const fn takes_data(self) -> bool {
        matches!(self, Self::Load | Self::Accum)
    }

    /// Whether the operation returns a [`Response`].
    #[inline]
    pub const fn responds(self) -> bool {
        matches!(self, Self::Read | Self::Swap | Self::Delta | Self::Drain)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The response to READ, SWAP, DELTA or DRAIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Response<W> {
    /// `S` for READ and SWAP, `D` for DELTA and DRAIN.
    pub data: W,
    /// Whether `D` was 0 just before the operation.
    pub clean: bool,
}
