use crate::arithmetic::Own;
use crate::pair::{self, Pair};
use crate::{Error, Group, Op, Response};

/// One address: a reference `R` and an accumulator `D`, with the current state `S = R + D`, where
/// `+` is the operation of the [`Group`]: xor for plain words.
///
/// ```
/// use atomik_algebra::{Accumulator, Error};
///
/// let mut left = Accumulator::with_reference(0x10_u32);
/// let mut right = left;
/// left.accum(0x01);
/// right.accum(0x02);
/// left.merge(&right)?;
/// assert_eq!(left.read().data, 0x13);
///
/// right.swap();
/// assert_eq!(left.merge(&right), Err(Error::References));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Accumulator<W> {
    reference: W,
    accumulator: W,
}

impl<W: Group> Accumulator<W> {
    /// An accumulator after reset: `R = 0`, `D = 0`.
    pub const fn new() -> Self {
        Self::with_reference(W::IDENTITY)
    }

    /// An accumulator with `R = reference` and `D = 0`.
    pub const fn with_reference(reference: W) -> Self {
        Self {
            reference,
            accumulator: W::IDENTITY,
        }
    }

    /// The reference `R`.
    pub const fn reference(&self) -> W {
        self.reference
    }

    /// The accumulator `D`.
    pub const fn accumulator(&self) -> W {
        self.accumulator
    }

    /// Performs `op`. `arg` is used only by operations that [take data](Op::takes_data). Returns a
    /// response if the operation [responds](Op::responds).
    #[inline]
    pub fn apply(&mut self, op: Op, arg: W) -> Option<Response<W>> {
        match op {
            Op::Nop => None,
            Op::Load => {
                self.load(arg);
                None
            }
            Op::Accum => {
                self.accum(arg);
                None
            }
            Op::Read => Some(self.read()),
            Op::Swap => Some(self.swap()),
            Op::Delta => Some(self.delta()),
            Op::Drain => Some(self.drain()),
        }
    }

    /// LOAD: `R := value`, `D := 0`.
    #[inline]
    pub fn load(&mut self, value: W) {
        self.pair().load(value);
    }

    /// ACCUM: `D := D + delta`.
    #[inline]
    pub fn accum(&mut self, delta: W) {
        self.accumulator = self.accumulator.combine(delta);
    }

    /// Undoes an earlier [`accum`](Self::accum) of the same delta: accumulates its inverse, which
    /// under xor is the delta itself.
    #[inline]
    pub fn rollback(&mut self, delta: W) {
        self.accum(delta.inverse());
    }

    /// READ: returns `S`.
    #[inline]
    pub fn read(&self) -> Response<W> {
        pair::read(Own, self.reference, self.accumulator)
    }

    /// SWAP: returns `S`, then sets `R := S`, `D := 0`.
    #[inline]
    pub fn swap(&mut self) -> Response<W> {
        self.pair().swap(Own)
    }

    /// DELTA: returns `D`.
    #[inline]
    pub fn delta(&self) -> Response<W> {
        pair::delta(self.accumulator)
    }

    /// DRAIN: returns `D`, then sets `R := S`, `D := 0`.
    #[inline]
    pub fn drain(&mut self) -> Response<W> {
        self.pair().drain(Own)
    }

    /// Adds the deltas of `other`, a bank with the same reference: `D := D + other.D`.
    ///
    /// # Errors
    ///
    /// [`Error::References`] when the references differ.
    #[inline]
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        if self.reference != other.reference {
            return Err(Error::References);
        }
        self.accum(other.accumulator);
        Ok(())
    }

    #[inline]
    fn pair(&mut self) -> Pair<'_, W> {
        Pair {
            reference: &mut self.reference,
            accumulator: &mut self.accumulator,
        }
    }
}
