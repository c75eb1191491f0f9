use crate::{Error, Op, RegisterFile, Response, Wide, Word};

/// The largest width of a [`DynRegisterFile`] in bits.
pub const MAX_WIDTH: u32 = 512;

/// A register file whose width is chosen at run time.
///
/// Values are slices of exactly [`limbs`](Self::limbs) limbs of 64 bits, lowest first; the bits
/// above the width are 0 in every answer and refused in every argument. Arguments and addresses are
/// checked before anything changes, so an error leaves everything as it was, output buffers
/// included.
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
    /// The bits of the highest limb that no value may have set.
    excess: u64,
    table: Table,
}

/// The whole contents of a [`DynRegisterFile`] at one moment; see [`DynRegisterFile::snapshot`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DynSnapshot(DynRegisterFile);

/// A register file for each number of limbs, so that every loop over limbs has a constant length.
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

/// Evaluates `$body` with `$file` bound to the register file in `$table`, whatever its word.
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

/// Evaluates `$body` with `$left` and `$right` bound to two register files of one word; does
/// nothing when the words differ.
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
    /// [`Error::Width`] unless the width is 1 to [`MAX_WIDTH`], [`Error::NoDepth`] for a depth of
    /// 0, [`Error::OutOfMemory`] when the tables cannot be allocated.
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

    /// A bank of this register file: the same references, and accumulators that are all 0; see
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

    /// Performs `op` on address `addr`. `Some(clean)` says that the operation
    /// [responds](Op::responds) and that its data is in `out`; otherwise `out` is not touched.
    ///
    /// `arg` counts for the operations that [take data](Op::takes_data) only and `out` for those
    /// that respond only; for the others they may have any length and contents. A NOP has no
    /// address, so any will do.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] for an address outside the register file, [`Error::Limbs`] when an `arg`
    /// or `out` that counts has not exactly [`limbs`](Self::limbs) limbs, [`Error::TooWide`] when
    /// `arg` has a bit set above the width.
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

    /// Kept out of line so that the path for one limb stays small where [`apply`](Self::apply) is
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

    /// Takes back a delta that was accumulated before. The same as [`accum`](Self::accum): a delta
    /// is its own inverse.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn rollback(&mut self, addr: usize, delta: &[u64]) -> Result<(), Error> {
        self.accum(addr, delta)
    }

    /// READ: `S` into `out`. Returns whether `D` was 0.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn read(&self, addr: usize, out: &mut [u64]) -> Result<bool, Error> {
        with_file!(&self.table, file => {
            check_out(file, out)?;
            Ok(answer(file.read(addr)?, out))
        })
    }

    /// SWAP: `S` into `out`, then `R := S`, `D := 0`. Returns whether `D` was 0.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn swap(&mut self, addr: usize, out: &mut [u64]) -> Result<bool, Error> {
        with_file!(&mut self.table, file => {
            check_out(file, out)?;
            Ok(answer(file.swap(addr)?, out))
        })
    }

    /// DELTA: `D` into `out`. Returns whether `D` was 0.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn delta(&self, addr: usize, out: &mut [u64]) -> Result<bool, Error> {
        with_file!(&self.table, file => {
            check_out(file, out)?;
            Ok(answer(file.delta(addr)?, out))
        })
    }

    /// DRAIN: `D` into `out`, then `R := S`, `D := 0`. Returns whether `D` was 0.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn drain(&mut self, addr: usize, out: &mut [u64]) -> Result<bool, Error> {
        with_file!(&mut self.table, file => {
            check_out(file, out)?;
            Ok(answer(file.drain(addr)?, out))
        })
    }

    /// Accumulates a list of deltas: delta `i` is limbs `i * limbs() .. (i + 1) * limbs()` of
    /// `deltas` and goes to address `addrs[i]`. An address may occur any number of times.
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
                // Deltas are their own inverses: applying what was applied so far once more takes
                // it back.
                for (&addr, delta) in entries().take(index) {
                    self.rollback(addr, delta)?;
                }
                return Err(error.in_entry(index));
            }
        }
        Ok(())
    }

    /// Takes over the deltas of every address of `other`, a [bank](Self::bank) of the same
    /// references; see
    /// [`RegisterFile::merge_from`].
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

    /// A copy of the whole contents.
    pub fn snapshot(&self) -> DynSnapshot {
        DynSnapshot(self.clone())
    }

    /// Goes back to the contents of a snapshot, which may be of another register file of this width
    /// and depth.
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
        .map(|response| answer(response, out)))
}

/// The word in `limbs`, which must be as many as it takes and clear in the `excess` bits of the
/// highest.
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
fn answer<W: Word>(response: Response<W>, out: &mut [u64]) -> bool {
    for (index, limb) in out.iter_mut().enumerate() {
        *limb = response.data.limb(index);
    }
    response.clean
}
