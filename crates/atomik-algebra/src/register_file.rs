use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use crate::arithmetic::{Arithmetic, Own};
use crate::pair::{self, Pair};
use crate::{Error, Group, Op, Response, bulk};

/// A table of accumulators: two dense arrays, one of references and one of accumulators.
///
/// After [`new`](Self::new) every reference and every accumulator is 0, as in hardware after reset.
/// An error leaves the table unchanged.
///
/// ```
/// use atomik_algebra::{Error, RegisterFile, W256, Wide};
///
/// let mut table = RegisterFile::<W256>::new(16)?;
/// table.accum(7, Wide([1, 0, 0, 1 << 63]))?;
/// assert_eq!(table.drain(7)?.data, Wide([1, 0, 0, 1 << 63]));
/// assert!(table.delta(7)?.clean);
/// assert_eq!(table.read(16), Err(Error::Address { addr: 16, depth: 16 }));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RegisterFile<W> {
    references: Vec<W>,
    accumulators: Vec<W>,
    lineage: Lineage,
}

/// What is known about the references without reading them.
///
/// A dense merge is bound by memory bandwidth, and comparing two tables of references moves as much
/// memory again. Tables whose references are known to be equal skip the comparison. Only operations
/// that change a reference pay for this knowledge.
#[derive(Clone, Debug)]
enum Lineage {
    /// All references are 0, as after reset.
    Reset,
    /// The references equal those of every other table with the same token.
    Shared(Arc<()>),
    /// Nothing is known.
    Own,
}

impl Lineage {
    fn proves_equality(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Reset, Self::Reset) => true,
            (Self::Shared(this), Self::Shared(other)) => Arc::ptr_eq(this, other),
            _ => false,
        }
    }
}

/// A copy of a [`RegisterFile`], made by [`RegisterFile::snapshot`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot<W: Group>(RegisterFile<W>);

impl<W: Group> RegisterFile<W> {
    /// A register file of `depth` addresses, all 0.
    ///
    /// # Errors
    ///
    /// [`Error::NoDepth`] for a depth of 0, [`Error::OutOfMemory`] when the tables cannot be
    /// allocated.
    pub fn new(depth: usize) -> Result<Self, Error> {
        if depth == 0 {
            return Err(Error::NoDepth);
        }
        let zeroed = || {
            let mut table = Vec::new();
            match table.try_reserve_exact(depth) {
                Ok(()) => table.resize(depth, W::IDENTITY),
                Err(_) => {
                    return Err(Error::OutOfMemory {
                        depth,
                        width: W::BITS,
                    });
                }
            }
            Ok(table)
        };
        Ok(Self {
            references: zeroed()?,
            accumulators: zeroed()?,
            lineage: Lineage::Reset,
        })
    }

    /// A bank of this register file: a copy with the same references and all accumulators 0.
    ///
    /// Deltas may go to any bank and be [merged](Self::merge_from) later. Table and bank both
    /// record that their references are equal (hence `&mut self`), so a merge compares them only
    /// after one side has changed a reference.
    #[must_use]
    pub fn bank(&mut self) -> Self {
        self.share();
        let mut bank = self.clone();
        bank.clear_accumulators();
        bank
    }

    pub(crate) fn clear_accumulators(&mut self) {
        self.accumulators.fill(W::IDENTITY);
    }

    /// Notes that another register file is about to have the same references.
    pub(crate) fn share(&mut self) {
        if let Lineage::Own = self.lineage {
            self.lineage = Lineage::Shared(Arc::new(()));
        }
    }

    /// Takes the references of one of the same depth.
    pub(crate) fn take_references(&mut self, other: &Self) {
        self.references.copy_from_slice(&other.references);
        self.lineage = other.lineage.clone();
    }

    /// The number of addresses.
    #[inline]
    pub fn depth(&self) -> usize {
        self.accumulators.len()
    }

    /// The reference `R` of every address.
    pub fn references(&self) -> &[W] {
        &self.references
    }

    /// The accumulator `D` of every address.
    pub fn accumulators(&self) -> &[W] {
        &self.accumulators
    }

    /// Performs `op` on address `addr`. `arg` is used only by operations that [take
    /// data](Op::takes_data). Returns a response if the operation [responds](Op::responds). A NOP
    /// ignores the address.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] for an address outside the register file.
    #[inline]
    pub fn apply(&mut self, op: Op, addr: usize, arg: W) -> Result<Option<Response<W>>, Error> {
        self.apply_with(Own, op, addr, arg)
    }

    #[inline]
    pub(crate) fn apply_with(
        &mut self,
        arithmetic: impl Arithmetic<W>,
        op: Op,
        addr: usize,
        arg: W,
    ) -> Result<Option<Response<W>>, Error> {
        match op {
            Op::Nop => Ok(None),
            Op::Load => self.load(addr, arg).map(|()| None),
            Op::Accum => self.accum_with(arithmetic, addr, arg).map(|()| None),
            Op::Read => self.read_with(arithmetic, addr).map(Some),
            Op::Swap => Ok(Some(self.pair(addr)?.swap(arithmetic))),
            Op::Delta => self.delta(addr).map(Some),
            Op::Drain => Ok(Some(self.pair(addr)?.drain(arithmetic))),
        }
    }

    /// LOAD: `R := value`, `D := 0`.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] for an address outside the register file.
    #[inline]
    pub fn load(&mut self, addr: usize, value: W) -> Result<(), Error> {
        self.pair(addr)?.load(value);
        Ok(())
    }

    /// ACCUM: `D := D + delta`.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] for an address outside the register file.
    #[inline]
    pub fn accum(&mut self, addr: usize, delta: W) -> Result<(), Error> {
        self.accum_with(Own, addr, delta)
    }

    #[inline]
    pub(crate) fn accum_with(
        &mut self,
        arithmetic: impl Arithmetic<W>,
        addr: usize,
        delta: W,
    ) -> Result<(), Error> {
        match self.accumulators.get_mut(addr) {
            Some(accumulator) => {
                *accumulator = arithmetic.combine(*accumulator, delta);
                Ok(())
            }
            None => Err(Error::address(addr, self.depth())),
        }
    }

    /// Undoes an earlier [`accum`](Self::accum) of the same delta: accumulates its inverse, which
    /// under xor is the delta itself.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] for an address outside the register file.
    #[inline]
    pub fn rollback(&mut self, addr: usize, delta: W) -> Result<(), Error> {
        self.accum(addr, delta.inverse())
    }

    /// READ: returns `S`.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] for an address outside the register file.
    #[inline]
    pub fn read(&self, addr: usize) -> Result<Response<W>, Error> {
        self.read_with(Own, addr)
    }

    #[inline]
    pub(crate) fn read_with(
        &self,
        arithmetic: impl Arithmetic<W>,
        addr: usize,
    ) -> Result<Response<W>, Error> {
        match (self.references.get(addr), self.accumulators.get(addr)) {
            (Some(reference), Some(accumulator)) => {
                Ok(pair::read(arithmetic, *reference, *accumulator))
            }
            _ => Err(Error::address(addr, self.depth())),
        }
    }

    /// SWAP: returns `S`, then sets `R := S`, `D := 0`.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] for an address outside the register file.
    #[inline]
    pub fn swap(&mut self, addr: usize) -> Result<Response<W>, Error> {
        Ok(self.pair(addr)?.swap(Own))
    }

    /// DELTA: returns `D`.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] for an address outside the register file.
    #[inline]
    pub fn delta(&self, addr: usize) -> Result<Response<W>, Error> {
        match self.accumulators.get(addr) {
            Some(accumulator) => Ok(pair::delta(*accumulator)),
            None => Err(Error::address(addr, self.depth())),
        }
    }

    /// DRAIN: returns `D`, then sets `R := S`, `D := 0`.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] for an address outside the register file.
    #[inline]
    pub fn drain(&mut self, addr: usize) -> Result<Response<W>, Error> {
        Ok(self.pair(addr)?.drain(Own))
    }

    /// Accumulates every `(address, delta)` of a list. An address may occur more than once.
    ///
    /// # Errors
    ///
    /// [`Error::Entry`] with the [`Error::Address`] of the first entry that is outside the register
    /// file.
    pub fn accum_batch(&mut self, batch: &[(usize, W)]) -> Result<(), Error> {
        for (index, &(addr, delta)) in batch.iter().enumerate() {
            if let Err(error) = self.accum(addr, delta) {
                for &(addr, delta) in &batch[..index] {
                    self.rollback(addr, delta)?;
                }
                return Err(error.in_entry(index));
            }
        }
        Ok(())
    }

    /// Adds the deltas of every address of `other`, a [bank](Self::bank) with the same references:
    /// `D := D + other.D`.
    ///
    /// With the feature `std`, large tables are merged by all threads of the current rayon pool.
    ///
    /// # Errors
    ///
    /// [`Error::Depths`] when the depths differ, [`Error::ReferencesAt`] when the references
    /// differ.
    pub fn merge_from(&mut self, other: &Self) -> Result<(), Error> {
        self.merge_with(Own, other)
    }

    pub(crate) fn merge_with(
        &mut self,
        arithmetic: impl Arithmetic<W>,
        other: &Self,
    ) -> Result<(), Error> {
        self.check_merge(other)?;
        bulk::combine_into(arithmetic, &mut self.accumulators, &[&other.accumulators]);
        Ok(())
    }

    /// Adds the deltas of several banks in one pass over this table.
    ///
    /// # Errors
    ///
    /// [`Error::Entry`] with the error that [`merge_from`](Self::merge_from) returns for the first
    /// bad entry.
    pub fn merge_from_all(&mut self, others: &[&Self]) -> Result<(), Error> {
        for (index, other) in others.iter().enumerate() {
            self.check_merge(other)
                .map_err(|error| error.in_entry(index))?;
        }
        let sources: Vec<&[W]> = others.iter().map(|other| other.accumulators()).collect();
        bulk::combine_into(Own, &mut self.accumulators, &sources);
        Ok(())
    }

    /// A copy of all references and accumulators.
    pub fn snapshot(&self) -> Snapshot<W> {
        Snapshot(self.clone())
    }

    /// Replaces the contents with those of a snapshot, which may come from another register file of
    /// the same depth.
    ///
    /// # Errors
    ///
    /// [`Error::Depths`] when the depths differ.
    pub fn restore(&mut self, snapshot: &Snapshot<W>) -> Result<(), Error> {
        let Snapshot(file) = snapshot;
        self.copy_from(file)
    }

    pub(crate) fn copy_from(&mut self, other: &Self) -> Result<(), Error> {
        self.check_depth(other)?;
        self.take_references(other);
        self.accumulators.copy_from_slice(&other.accumulators);
        Ok(())
    }

    fn check_depth(&self, other: &Self) -> Result<(), Error> {
        if self.depth() == other.depth() {
            Ok(())
        } else {
            Err(Error::Depths {
                this: self.depth(),
                other: other.depth(),
            })
        }
    }

    fn check_merge(&self, other: &Self) -> Result<(), Error> {
        self.check_depth(other)?;
        if self.lineage.proves_equality(&other.lineage) {
            return Ok(());
        }
        match bulk::first_difference(&self.references, &other.references) {
            None => Ok(()),
            Some(addr) => Err(Error::ReferencesAt { addr }),
        }
    }

    /// Both words of an address, to change the reference.
    #[inline]
    fn pair(&mut self, addr: usize) -> Result<Pair<'_, W>, Error> {
        let depth = self.depth();
        match (
            self.references.get_mut(addr),
            self.accumulators.get_mut(addr),
        ) {
            (Some(reference), Some(accumulator)) => {
                // Tested first: an unconditional store would have to drop the old value.
                if !matches!(self.lineage, Lineage::Own) {
                    self.lineage = Lineage::Own;
                }
                Ok(Pair {
                    reference,
                    accumulator,
                })
            }
            _ => Err(Error::address(addr, depth)),
        }
    }
}

impl<W: Group> PartialEq for RegisterFile<W> {
    /// Whether all references and all accumulators are equal.
    fn eq(&self, other: &Self) -> bool {
        self.references == other.references && self.accumulators == other.accumulators
    }
}

impl<W: Group> Eq for RegisterFile<W> {}

impl<W: Group> Hash for RegisterFile<W> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.references.hash(state);
        self.accumulators.hash(state);
    }
}

impl<W: Group> Snapshot<W> {
    /// The number of addresses.
    pub fn depth(&self) -> usize {
        self.0.depth()
    }

    /// The reference `R` of every address.
    pub fn references(&self) -> &[W] {
        self.0.references()
    }

    /// The accumulator `D` of every address.
    pub fn accumulators(&self) -> &[W] {
        self.0.accumulators()
    }
}
