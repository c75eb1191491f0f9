use crate::{Error, Op, RegisterFile, Response, Wide, Word};

/// A register file whose width is chosen at run time.
///
/// Values are slices of exactly [`limbs`](Self::limbs) limbs of 64 bits, lowest first. Bits above
/// the width are 0 in every response; an argument that sets one is an error. Arguments and
/// addresses are checked before anything changes, so an error leaves the table and the output
/// buffers as they were.
///
/// ```
/// use atomik_algebra::{DynRegisterFile, Error, Op};
///
/// let mut table = DynRegisterFile::new(65, 512)?;
/// let mut out = [0; 2];
/// assert_eq!(table.apply(Op::Accum, 9, &[0xff, 1], &mut out)?, None);
/// assert_eq!(table.apply(Op::Read, 9, &[], &mut out)?, Some(false));
/// assert_eq!(out, [0xff, 1]);
/// assert_eq!(table.accum(9, &[0, 2]), Err(Error::TooWide { bits: 66, width: 65 }));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DynRegisterFile {
    width: u32,
    /// The bits of the highest limb that lie above the width.
    excess: u64,
    table: Table,
}

/// A copy of a [`DynRegisterFile`], made by [`DynRegisterFile::snapshot`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DynSnapshot(DynRegisterFile);

/// One register file type per number of limbs, so that loops over limbs have a constant length.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Table {
    L1(RegisterFile<u64>),
    L2(RegisterFile<Wide<2>>),
    L3(RegisterFile<Wide<3>>),
    L4(RegisterFile<Wide<4>>),
    L5(RegisterFile<Wide<5>>),
    L6(RegisterFile<Wide<6>>),
    L7(RegisterFile<Wide<7>>),
    L8(RegisterFile<Wide<8>>),
}

/// Evaluates `$body` with `$file` bound to the register file in `$table`, for any word type.
macro_rules! with_file {
    ($table:expr, $file:ident => $body:expr) => {
        match $table {
            Table::L1($file) => $body,
            Table::L2($file) => $body,
            Table::L3($file) => $body,
            Table::L4($file) => $body,
            Table::L5($file) => $body,
            Table::L6($file) => $body,
            Table::L7($file) => $body,
            Table::L8($file) => $body,
        }
    };
}

/// Evaluates `$body` with `$left` and `$right` bound to the register files in two tables of the
/// same word type; does nothing if the types differ.
macro_rules! with_both {
    ($left_table:expr, $right_table:expr, ($left:ident, $right:ident) => $body:expr) => {
        match ($left_table, $right_table) {
            (Table::L1($left), Table::L1($right)) => $body,
            (Table::L2($left), Table::L2($right)) => $body,
            (Table::L3($left), Table::L3($right)) => $body,
            (Table::L4($left), Table::L4($right)) => $body,
            (Table::L5($left), Table::L5($right)) => $body,
            (Table::L6($left), Table::L6($right)) => $body,
            (Table::L7($left), Table::L7($right)) => $body,
            (Table::L8($left), Table::L8($right)) => $body,
            _ => {}
        }
    };
}

impl DynRegisterFile {
    /// A register file of `depth` addresses of `width` bits, all 0.
    ///
    /// # Errors
    ///
    /// [`Error::Width`] unless the width is 1 to [`MAX_WIDTH`](crate::MAX_WIDTH),
    /// [`Error::NoDepth`] for a depth of 0, [`Error::OutOfMemory`] when the tables cannot be
    /// allocated.
    pub fn new(width: u32, depth: usize) -> Result<Self, Error> {
        let table = match width.div_ceil(64) {
            1 => Table::L1(RegisterFile::new(depth)?),
            2 => Table::L2(RegisterFile::new(depth)?),
            3 => Table::L3(RegisterFile::new(depth)?),
            4 => Table::L4(RegisterFile::new(depth)?),
            5 => Table::L5(RegisterFile::new(depth)?),
            6 => Table::L6(RegisterFile::new(depth)?),
            7 => Table::L7(RegisterFile::new(depth)?),
            8 => Table::L8(RegisterFile::new(depth)?),
            _ => return Err(Error::Width { width }),
        };
        let excess = match width % 64 {
            0 => 0,
            bits => u64::MAX << bits,
        };
        Ok(Self {
            width,
            excess,
            table,
        })
    }

    /// A bank of this register file: a copy with the same references and all accumulators 0. See
    /// [`RegisterFile::bank`].
    #[must_use]
    pub fn bank(&mut self) -> Self {
        let table = match &mut self.table {
            Table::L1(file) => Table::L1(file.bank()),
            Table::L2(file) => Table::L2(file.bank()),
            Table::L3(file) => Table::L3(file.bank()),
            Table::L4(file) => Table::L4(file.bank()),
            Table::L5(file) => Table::L5(file.bank()),
            Table::L6(file) => Table::L6(file.bank()),
            Table::L7(file) => Table::L7(file.bank()),
            Table::L8(file) => Table::L8(file.bank()),
        };
        Self { table, ..*self }
    }

    /// The width of a word in bits.
    #[inline]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// The number of addresses.
    #[inline]
    pub fn depth(&self) -> usize {
        with_file!(&self.table, file => file.depth())
    }

    /// The number of limbs of a value, `ceil(width / 64)`.
    #[inline]
    pub fn limbs(&self) -> usize {
        self.width.div_ceil(64) as usize
    }

    /// Performs `op` on address `addr`. If the operation [responds](Op::responds), the data goes to
    /// `out` and the result is `Some(clean)`; otherwise `out` is not touched.
    ///
    /// `arg` is used only by operations that [take data](Op::takes_data), `out` only by those that
    /// respond; other operations ignore their length and contents. A NOP ignores the address.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] for an address outside the register file, [`Error::Limbs`] when an `arg`
    /// or `out` that is used does not have exactly [`limbs`](Self::limbs) limbs, [`Error::TooWide`]
    /// when `arg` has a bit set above the width.
    #[inline]
    pub fn apply(
        &mut self,
        op: Op,
        addr: usize,
        arg: &[u64],
        out: &mut [u64],
    ) -> Result<Option<bool>, Error> {
        match &mut self.table {
            Table::L1(file) => apply(file, self.excess, op, addr, arg, out),
            _ => self.apply_wide(op, addr, arg, out),
        }
    }

    /// Out of line, so that the path for one limb stays small where [`apply`](Self::apply) is
    /// inlined.
    #[inline(never)]
    fn apply_wide(
        &mut self,
        op: Op,
        addr: usize,
        arg: &[u64],
        out: &mut [u64],
    ) -> Result<Option<bool>, Error> {
        with_file!(&mut self.table, file => apply(file, self.excess, op, addr, arg, out))
    }

    /// LOAD: `R := value`, `D := 0`.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn load(&mut self, addr: usize, value: &[u64]) -> Result<(), Error> {
        self.apply(Op::Load, addr, value, &mut []).map(|_| ())
    }

    /// ACCUM: `D := D xor delta`.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn accum(&mut self, addr: usize, delta: &[u64]) -> Result<(), Error> {
        self.apply(Op::Accum, addr, delta, &mut []).map(|_| ())
    }

    /// Undoes an earlier [`accum`](Self::accum) of the same delta. It is the same operation,
    /// because a delta is its own inverse.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn rollback(&mut self, addr: usize, delta: &[u64]) -> Result<(), Error> {
        self.accum(addr, delta)
    }

    /// READ: writes `S` to `out`. Returns whether `D` was 0.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn read(&self, addr: usize, out: &mut [u64]) -> Result<bool, Error> {
        with_file!(&self.table, file => {
            check_out(file, out)?;
            Ok(write_response(file.read(addr)?, out))
        })
    }

    /// SWAP: writes `S` to `out`, then sets `R := S`, `D := 0`. Returns whether `D` was 0.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn swap(&mut self, addr: usize, out: &mut [u64]) -> Result<bool, Error> {
        with_file!(&mut self.table, file => {
            check_out(file, out)?;
            Ok(write_response(file.swap(addr)?, out))
        })
    }

    /// DELTA: writes `D` to `out`. Returns whether `D` was 0.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn delta(&self, addr: usize, out: &mut [u64]) -> Result<bool, Error> {
        with_file!(&self.table, file => {
            check_out(file, out)?;
            Ok(write_response(file.delta(addr)?, out))
        })
    }

    /// DRAIN: writes `D` to `out`, then sets `R := S`, `D := 0`. Returns whether `D` was 0.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn drain(&mut self, addr: usize, out: &mut [u64]) -> Result<bool, Error> {
        with_file!(&mut self.table, file => {
            check_out(file, out)?;
            Ok(write_response(file.drain(addr)?, out))
        })
    }

    /// Accumulates a list of deltas: delta `i` is limbs `i * limbs() .. (i + 1) * limbs()` of
    /// `deltas` and goes to address `addrs[i]`. An address may occur more than once.
    ///
    /// # Errors
    ///
    /// [`Error::Limbs`] unless there are `addrs.len() * limbs()` limbs; [`Error::Entry`] with the
    /// [`Error::Address`] or [`Error::TooWide`] of the first bad entry.
    pub fn accum_batch(&mut self, addrs: &[usize], deltas: &[u64]) -> Result<(), Error> {
        let limbs = self.limbs();
        let expected = addrs.len().saturating_mul(limbs);
        if deltas.len() != expected {
            return Err(Error::Limbs {
                expected,
                found: deltas.len(),
            });
        }
        let entries = || addrs.iter().zip(deltas.chunks_exact(limbs));
        for (index, (&addr, delta)) in entries().enumerate() {
            if let Err(error) = self.accum(addr, delta) {
                // Deltas are their own inverses, so applying the earlier entries again undoes them.
                for (&addr, delta) in entries().take(index) {
                    self.rollback(addr, delta)?;
                }
                return Err(error.in_entry(index));
            }
        }
        Ok(())
    }

    /// Adds the deltas of every address of `other`, a [bank](Self::bank) with the same references.
    /// See [`RegisterFile::merge_from`].
    ///
    /// # Errors
    ///
    /// [`Error::Widths`] when the widths differ, [`Error::Depths`] when the depths do,
    /// [`Error::ReferencesAt`] when the references do.
    pub fn merge_from(&mut self, other: &Self) -> Result<(), Error> {
        if self.width == other.width {
            with_both!(&mut self.table, &other.table, (this, other) => {
                return this.merge_from(other);
            });
        }
        Err(Error::Widths {
            this: self.width,
            other: other.width,
        })
    }

    /// A copy of all references and accumulators.
    pub fn snapshot(&self) -> DynSnapshot {
        DynSnapshot(self.clone())
    }

    /// Replaces the contents with those of a snapshot, which may come from another register file of
    /// the same width and depth.
    ///
    /// # Errors
    ///
    /// [`Error::Widths`] when the widths differ, [`Error::Depths`] when the depths do.
    pub fn restore(&mut self, snapshot: &DynSnapshot) -> Result<(), Error> {
        let DynSnapshot(other) = snapshot;
        if self.width == other.width {
            with_both!(&mut self.table, &other.table, (this, other) => {
                return this.copy_from(other);
            });
        }
        Err(Error::Widths {
            this: self.width,
            other: other.width,
        })
    }
}

impl DynSnapshot {
    /// The width of a word in bits.
    pub fn width(&self) -> u32 {
        self.0.width()
    }

    /// The number of addresses.
    pub fn depth(&self) -> usize {
        self.0.depth()
    }
}

#[inline]
fn apply<W: Word>(
    file: &mut RegisterFile<W>,
    excess: u64,
    op: Op,
    addr: usize,
    arg: &[u64],
    out: &mut [u64],
) -> Result<Option<bool>, Error> {
    let value = if op.takes_data() {
        argument(arg, excess)?
    } else {
        W::ZERO
    };
    if op.responds() {
        check_out(file, out)?;
    }
    Ok(file
        .apply(op, addr, value)?
        .map(|response| write_response(response, out)))
}

/// The word made of `limbs`. There must be exactly as many as the word has, and the `excess` bits
/// of the highest must be 0.
#[inline]
fn argument<W: Word>(limbs: &[u64], excess: u64) -> Result<W, Error> {
    match (W::from_limbs(limbs), limbs.last()) {
        (Some(value), Some(high)) if high & excess == 0 => Ok(value),
        _ => Err(refused::<W>(limbs, excess)),
    }
}

#[cold]
fn refused<W: Word>(limbs: &[u64], excess: u64) -> Error {
    match limbs.last() {
        Some(high) if limbs.len() == W::LIMBS => Error::TooWide {
            bits: W::BITS - high.leading_zeros(),
            width: W::BITS - excess.count_ones(),
        },
        _ => Error::Limbs {
            expected: W::LIMBS,
            found: limbs.len(),
        },
    }
}

#[inline]
fn check_out<W: Word>(_: &RegisterFile<W>, out: &[u64]) -> Result<(), Error> {
    if out.len() == W::LIMBS {
        Ok(())
    } else {
        Err(Error::Limbs {
            expected: W::LIMBS,
            found: out.len(),
        })
    }
}

#[inline]
fn write_response<W: Word>(response: Response<W>, out: &mut [u64]) -> bool {
    for (index, limb) in out.iter_mut().enumerate() {
        *limb = response.data.limb(index);
    }
    response.clean
}
