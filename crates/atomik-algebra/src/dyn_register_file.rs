use alloc::boxed::Box;

use crate::arithmetic::{Arithmetic, Fields, LimbSums, Limbs, Own, Sums};
use crate::{Error, Group, Layout, Op, RegisterFile, Response, Wide};

/// A register file whose [`Layout`] is chosen at run time.
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
///
/// Two counters of 32 bits in one word, of which the low one wraps without touching the other:
///
/// ```
/// use atomik_algebra::DynRegisterFile;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut table = DynRegisterFile::with_layout("add:32,add:32".parse()?, 16)?;
/// table.accum(0, &[0x0000_0001_ffff_ffff])?;
/// table.accum(0, &[0x0000_0001_0000_0001])?;
/// let mut out = [0];
/// table.read(0, &mut out)?;
/// assert_eq!(out, [0x0000_0002_0000_0000]);
/// table.rollback(0, &[0x0000_0001_0000_0001])?;
/// table.read(0, &mut out)?;
/// assert_eq!(out, [0x0000_0001_ffff_ffff]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DynRegisterFile {
    layout: Layout,
    /// The bits of the highest limb that lie above the width.
    excess: u64,
    table: Table,
}

/// A copy of a [`DynRegisterFile`], made by [`DynRegisterFile::snapshot`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DynSnapshot(DynRegisterFile);

/// One variant per number of limbs, so that loops over limbs have a constant length, and per kind
/// of group, so that one match finds the arithmetic of xor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Table {
    Xor1(RegisterFile<u64>),
    Xor2(RegisterFile<Wide<2>>),
    Xor3(RegisterFile<Wide<3>>),
    Xor4(RegisterFile<Wide<4>>),
    Xor5(RegisterFile<Wide<5>>),
    Xor6(RegisterFile<Wide<6>>),
    Xor7(RegisterFile<Wide<7>>),
    Xor8(RegisterFile<Wide<8>>),
    Mixed1(Mixed<u64>),
    Mixed2(Mixed<Wide<2>>),
    Mixed3(Mixed<Wide<3>>),
    Mixed4(Mixed<Wide<4>>),
    Mixed5(Mixed<Wide<5>>),
    Mixed6(Mixed<Wide<6>>),
    Mixed7(Mixed<Wide<7>>),
    Mixed8(Mixed<Wide<8>>),
}

/// A register file of words with fields that add.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Mixed<W: Group> {
    file: RegisterFile<W>,
    sums: Sums,
    /// The bits that carry nothing upwards.
    split: W,
}

impl<W: Limbs> Mixed<W> {
    fn new(layout: &Layout, depth: usize) -> Result<Self, Error> {
        let mut split = W::IDENTITY;
        for (index, limb) in split.limbs_mut().iter_mut().enumerate() {
            *limb = layout.split(index);
        }
        Ok(Self {
            file: RegisterFile::new(depth)?,
            sums: Sums::of(layout),
            split,
        })
    }
}

/// Evaluates `$body` with `$file` bound to the register file of `$mixed` and `$arithmetic` to what
/// its layout needs.
macro_rules! with_mixed {
    ($mixed:ident, ($file:ident, $arithmetic:ident) => $body:expr) => {{
        let Mixed {
            file: $file,
            sums,
            split,
        } = $mixed;
        match sums {
            Sums::Limbs => {
                let $arithmetic = LimbSums;
                $body
            }
            Sums::Within => {
                let $arithmetic = Fields::<_, false>(*split);
                $body
            }
            Sums::Across => {
                let $arithmetic = Fields::<_, true>(*split);
                $body
            }
        }
    }};
}

/// Evaluates `$body` with `$file` bound to the register file in `$table` and `$arithmetic` to what
/// its layout needs, for any word type.
macro_rules! with_file {
    (
        @[$($xor:ident)*] [$($mixed:ident)*]
        $table:expr, ($file:ident, $arithmetic:ident) => $body:expr
    ) => {
        match $table {
            $(Table::$xor($file) => {
                let $arithmetic = Own;
                $body
            })*
            $(Table::$mixed(mixed) => with_mixed!(mixed, ($file, $arithmetic) => $body),)*
        }
    };
    ($($tokens:tt)*) => {
        with_file!(
            @[Xor1 Xor2 Xor3 Xor4 Xor5 Xor6 Xor7 Xor8]
            [Mixed1 Mixed2 Mixed3 Mixed4 Mixed5 Mixed6 Mixed7 Mixed8]
            $($tokens)*
        )
    };
}

/// Evaluates `$body` with `$left` and `$right` bound to the register files in two tables of the
/// same kind and word type, and `$arithmetic` to what the left one needs; does nothing if the
/// tables are not alike.
macro_rules! with_both {
    (
        @[$($xor:ident)*] [$($mixed:ident)*]
        $tables:expr, ($left:ident, $right:ident, $arithmetic:ident) => $body:expr
    ) => {
        match $tables {
            $((Table::$xor($left), Table::$xor($right)) => {
                let $arithmetic = Own;
                $body
            })*
            $((Table::$mixed(left), Table::$mixed(right)) => {
                let $right = &right.file;
                with_mixed!(left, ($left, $arithmetic) => $body)
            })*
            _ => {}
        }
    };
    ($($tokens:tt)*) => {
        with_both!(
            @[Xor1 Xor2 Xor3 Xor4 Xor5 Xor6 Xor7 Xor8]
            [Mixed1 Mixed2 Mixed3 Mixed4 Mixed5 Mixed6 Mixed7 Mixed8]
            $($tokens)*
        )
    };
}

mod each;

impl DynRegisterFile {
    /// A register file of `depth` addresses of `width` bits that xor, all 0.
    ///
    /// # Errors
    ///
    /// [`Error::Width`] unless the width is 1 to [`MAX_WIDTH`](crate::MAX_WIDTH), and those of
    /// [`with_layout`](Self::with_layout).
    pub fn new(width: u32, depth: usize) -> Result<Self, Error> {
        let layout = Layout::xor(width).map_err(|_| Error::Width { width })?;
        Self::with_layout(layout, depth)
    }

    /// A register file of `depth` addresses whose words have this layout, all 0.
    ///
    /// # Errors
    ///
    /// [`Error::NoDepth`] for a depth of 0, [`Error::OutOfMemory`] when the tables cannot be
    /// allocated.
    pub fn with_layout(layout: Layout, depth: usize) -> Result<Self, Error> {
        Self::of_layout(layout, depth).map_err(|refused| match refused {
            // The table knows its limbs.
            Error::OutOfMemory { depth, .. } => Error::OutOfMemory {
                depth,
                width: layout.width(),
            },
            refused => refused,
        })
    }

    fn of_layout(layout: Layout, depth: usize) -> Result<Self, Error> {
        let table = match (layout.limbs(), Sums::are_needed(&layout)) {
            (1, false) => Table::Xor1(RegisterFile::new(depth)?),
            (2, false) => Table::Xor2(RegisterFile::new(depth)?),
            (3, false) => Table::Xor3(RegisterFile::new(depth)?),
            (4, false) => Table::Xor4(RegisterFile::new(depth)?),
            (5, false) => Table::Xor5(RegisterFile::new(depth)?),
            (6, false) => Table::Xor6(RegisterFile::new(depth)?),
            (7, false) => Table::Xor7(RegisterFile::new(depth)?),
            (_, false) => Table::Xor8(RegisterFile::new(depth)?),
            (1, true) => Table::Mixed1(Mixed::new(&layout, depth)?),
            (2, true) => Table::Mixed2(Mixed::new(&layout, depth)?),
            (3, true) => Table::Mixed3(Mixed::new(&layout, depth)?),
            (4, true) => Table::Mixed4(Mixed::new(&layout, depth)?),
            (5, true) => Table::Mixed5(Mixed::new(&layout, depth)?),
            (6, true) => Table::Mixed6(Mixed::new(&layout, depth)?),
            (7, true) => Table::Mixed7(Mixed::new(&layout, depth)?),
            (_, true) => Table::Mixed8(Mixed::new(&layout, depth)?),
        };
        Ok(Self {
            layout,
            excess: layout.excess(),
            table,
        })
    }

    /// A bank of this register file: a copy with the same references and all accumulators 0. See
    /// [`RegisterFile::bank`]. Without memory for it the program ends, and
    /// [`try_bank`](Self::try_bank) returns an error.
    #[must_use]
    pub fn bank(&mut self) -> Self {
        with_file!(&mut self.table, (file, _arithmetic) => file.share());
        let mut bank = self.clone();
        with_file!(&mut bank.table, (file, _arithmetic) => file.clear_accumulators());
        bank
    }

    /// As [`bank`](Self::bank).
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] when the tables cannot be allocated.
    pub fn try_bank(&mut self) -> Result<Self, Error> {
        let mut bank = Self::with_layout(self.layout, self.depth())?;
        with_file!(&mut self.table, (file, _arithmetic) => file.share());
        with_both!((&mut bank.table, &self.table), (bank, this, _arithmetic) => {
            bank.take_references(this);
        });
        Ok(bank)
    }

    /// A copy, as `clone` makes it.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] when the tables cannot be allocated.
    pub fn try_clone(&self) -> Result<Self, Error> {
        let mut copy = Self::with_layout(self.layout, self.depth())?;
        copy.copy_from(self)?;
        Ok(copy)
    }

    /// The layout of a word.
    #[inline]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The width of a word in bits.
    #[inline]
    pub fn width(&self) -> u32 {
        self.layout.width()
    }

    /// The number of addresses.
    #[inline]
    pub fn depth(&self) -> usize {
        with_file!(&self.table, (file, _arithmetic) => file.depth())
    }

    /// The number of limbs of a value, `ceil(width / 64)`.
    #[inline]
    pub fn limbs(&self) -> usize {
        self.layout.limbs()
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
            Table::Xor1(file) => apply(file, Own, self.excess, op, addr, arg, out),
            _ => self.apply_other(op, addr, arg, out),
        }
    }

    /// Out of line, so that the path for one limb of xor stays small where [`apply`](Self::apply)
    /// is inlined.
    #[inline(never)]
    fn apply_other(
        &mut self,
        op: Op,
        addr: usize,
        arg: &[u64],
        out: &mut [u64],
    ) -> Result<Option<bool>, Error> {
        with_file!(&mut self.table, (file, arithmetic) => {
            apply(file, arithmetic, self.excess, op, addr, arg, out)
        })
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

    /// ACCUM: `D := D + delta`, field by field.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn accum(&mut self, addr: usize, delta: &[u64]) -> Result<(), Error> {
        match &mut self.table {
            Table::Mixed1(Mixed { file, split, .. }) => {
                let fields = Fields::<_, false>(*split);
                file.accum_with(fields, addr, argument(delta, self.excess)?)
            }
            _ => self.apply(Op::Accum, addr, delta, &mut []).map(|_| ()),
        }
    }

    /// Undoes an earlier [`accum`](Self::accum) of the same delta: accumulates its inverse, in
    /// which the fields that add are negated.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn rollback(&mut self, addr: usize, delta: &[u64]) -> Result<(), Error> {
        match &mut self.table {
            Table::Xor1(_) => self.accum(addr, delta),
            _ => self.rollback_other(addr, delta),
        }
    }

    #[inline(never)]
    fn rollback_other(&mut self, addr: usize, delta: &[u64]) -> Result<(), Error> {
        with_file!(&mut self.table, (file, arithmetic) => {
            let inverse = arithmetic.inverse(argument(delta, self.excess)?);
            file.accum_with(arithmetic, addr, inverse)
        })
    }

    /// READ: writes `S` to `out`. Returns whether `D` was 0.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn read(&self, addr: usize, out: &mut [u64]) -> Result<bool, Error> {
        with_file!(&self.table, (file, arithmetic) => {
            check_out(file, out)?;
            Ok(write_response(file.read_with(arithmetic, addr)?, out))
        })
    }

    /// SWAP: writes `S` to `out`, then sets `R := S`, `D := 0`. Returns whether `D` was 0.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn swap(&mut self, addr: usize, out: &mut [u64]) -> Result<bool, Error> {
        let clean = self.apply(Op::Swap, addr, &[], out)?;
        Ok(clean == Some(true))
    }

    /// DELTA: writes `D` to `out`. Returns whether `D` was 0.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    #[inline]
    pub fn delta(&self, addr: usize, out: &mut [u64]) -> Result<bool, Error> {
        with_file!(&self.table, (file, _arithmetic) => {
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
        let clean = self.apply(Op::Drain, addr, &[], out)?;
        Ok(clean == Some(true))
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
        self.accum_each(addrs.len(), |at| addrs[at], |at| deltas[at])
    }

    /// Adds the deltas of every address of `other`, a [bank](Self::bank) with the same references.
    /// See [`RegisterFile::merge_from`].
    ///
    /// # Errors
    ///
    /// [`Error::Layouts`] when the layouts differ, [`Error::Depths`] when the depths do,
    /// [`Error::ReferencesAt`] when the references do.
    pub fn merge_from(&mut self, other: &Self) -> Result<(), Error> {
        if self.layout == other.layout {
            with_both!((&mut self.table, &other.table), (this, other, arithmetic) => {
                return this.merge_with(arithmetic, other);
            });
        }
        Err(self.other_layout(other))
    }

    /// A copy of all references and accumulators.
    pub fn snapshot(&self) -> DynSnapshot {
        DynSnapshot(self.clone())
    }

    /// Replaces the contents with those of a snapshot, which may come from another register file of
    /// the same layout and depth.
    ///
    /// # Errors
    ///
    /// [`Error::Layouts`] when the layouts differ, [`Error::Depths`] when the depths do.
    pub fn restore(&mut self, snapshot: &DynSnapshot) -> Result<(), Error> {
        self.copy_from(&snapshot.0)
    }

    /// Takes the contents of another register file of the same layout and depth.
    ///
    /// # Errors
    ///
    /// [`Error::Layouts`] when the layouts differ, [`Error::Depths`] when the depths do.
    pub fn copy_from(&mut self, other: &Self) -> Result<(), Error> {
        if self.layout == other.layout {
            with_both!((&mut self.table, &other.table), (this, other, _arithmetic) => {
                return this.copy_from(other);
            });
        }
        Err(self.other_layout(other))
    }

    #[cold]
    fn other_layout(&self, other: &Self) -> Error {
        Error::Layouts {
            this: Box::new(self.layout),
            other: Box::new(other.layout),
        }
    }
}

impl DynSnapshot {
    /// The layout of a word.
    pub fn layout(&self) -> Layout {
        self.0.layout()
    }

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
fn apply<W: Group>(
    file: &mut RegisterFile<W>,
    arithmetic: impl Arithmetic<W>,
    excess: u64,
    op: Op,
    addr: usize,
    arg: &[u64],
    out: &mut [u64],
) -> Result<Option<bool>, Error> {
    let value = if op.takes_data() {
        argument(arg, excess)?
    } else {
        W::IDENTITY
    };
    if op.responds() {
        check_out(file, out)?;
    }
    Ok(file
        .apply_with(arithmetic, op, addr, value)?
        .map(|response| write_response(response, out)))
}

/// The word made of `limbs`. There must be exactly as many as the word has, and the `excess` bits
/// of the highest must be 0.
#[inline]
fn argument<W: Group>(limbs: &[u64], excess: u64) -> Result<W, Error> {
    match (W::from_limbs(limbs), limbs.last()) {
        (Some(value), Some(high)) if high & excess == 0 => Ok(value),
        _ => Err(refused::<W>(limbs, excess)),
    }
}

#[cold]
fn refused<W: Group>(limbs: &[u64], excess: u64) -> Error {
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
fn check_out<W: Group>(_: &RegisterFile<W>, out: &[u64]) -> Result<(), Error> {
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
fn write_response<W: Group>(response: Response<W>, out: &mut [u64]) -> bool {
    for (index, limb) in out.iter_mut().enumerate() {
        *limb = response.data.limb(index);
    }
    response.clean
}
