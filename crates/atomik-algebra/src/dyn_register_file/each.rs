//! Operations on many addresses in one call: what the layout needs is found once, not per address.

use super::{DynRegisterFile, Mixed, Table, argument};
use crate::arithmetic::{Arithmetic, Fields, LimbSums, Limbs, Own, Sums};
use crate::{Error, RegisterFile};

impl DynRegisterFile {
    /// Accumulates `len` deltas: delta `i` goes to address `addr(i)`, and its limbs, lowest first,
    /// are `limb(i * limbs())` and those that follow. An address may occur more than once.
    ///
    /// `addr` and `limb` must return the same each time that they are called with the same number:
    /// after an error, they are called again to undo what came before it.
    ///
    /// # Errors
    ///
    /// [`Error::Entry`] with the [`Error::Address`] or [`Error::TooWide`] of the first bad entry.
    pub fn accum_each(
        &mut self,
        len: usize,
        addr: impl Fn(usize) -> usize,
        limb: impl Fn(usize) -> u64,
    ) -> Result<(), Error> {
        let excess = self.excess;
        with_file!(&mut self.table, (file, arithmetic) => {
            combine_each(file, arithmetic, excess, len, &addr, |at| word(&limb, at))
        })
    }

    /// Undoes [`accum_each`](Self::accum_each) of the same deltas: accumulates their inverses.
    ///
    /// # Errors
    ///
    /// As for [`accum_each`](Self::accum_each).
    pub fn rollback_each(
        &mut self,
        len: usize,
        addr: impl Fn(usize) -> usize,
        limb: impl Fn(usize) -> u64,
    ) -> Result<(), Error> {
        let excess = self.excess;
        with_file!(&mut self.table, (file, arithmetic) => {
            combine_each(file, arithmetic, excess, len, &addr, |at| {
                let delta = word(&limb, at);
                // The inverse of a word that is too wide may not be: it must be refused as it is.
                match is_narrow(&delta, excess) {
                    true => arithmetic.inverse(delta),
                    false => delta,
                }
            })
        })
    }

    /// Loads `len` values, given as for [`accum_each`](Self::accum_each). Of an address that occurs
    /// more than once, the last value counts.
    ///
    /// # Errors
    ///
    /// As for [`accum_each`](Self::accum_each).
    pub fn load_each(
        &mut self,
        len: usize,
        addr: impl Fn(usize) -> usize,
        limb: impl Fn(usize) -> u64,
    ) -> Result<(), Error> {
        let (depth, excess) = (self.depth(), self.excess);
        check_each(len, &addr, depth)?;
        with_file!(&mut self.table, (file, _arithmetic) => {
            for index in 0..len {
                check(file, excess, &word(&limb, index)).map_err(|error| error.in_entry(index))?;
            }
            for index in 0..len {
                file.load(addr(index), word(&limb, index))?;
            }
            Ok(())
        })
    }

    /// READ of `len` addresses: passes the limbs of each state to `put`, in order.
    ///
    /// # Errors
    ///
    /// [`Error::Entry`] with the [`Error::Address`] of the first bad entry, before anything is
    /// passed to `put`.
    pub fn read_each(
        &self,
        len: usize,
        addr: impl Fn(usize) -> usize,
        put: impl FnMut(usize, u64),
    ) -> Result<(), Error> {
        check_each(len, &addr, self.depth())?;
        with_file!(&self.table, (file, arithmetic) => {
            put_each(len, &addr, put, |addr| Ok(file.read_with(arithmetic, addr)?.data))
        })
    }

    /// DELTA of `len` addresses: passes the limbs of each accumulator to `put`, in order.
    ///
    /// # Errors
    ///
    /// As for [`read_each`](Self::read_each).
    pub fn delta_each(
        &self,
        len: usize,
        addr: impl Fn(usize) -> usize,
        put: impl FnMut(usize, u64),
    ) -> Result<(), Error> {
        check_each(len, &addr, self.depth())?;
        with_file!(&self.table, (file, _arithmetic) => {
            put_each(len, &addr, put, |addr| Ok(file.delta(addr)?.data))
        })
    }

    /// The reference `R` of `len` addresses: passes the limbs of each to `put`, in order.
    ///
    /// # Errors
    ///
    /// As for [`read_each`](Self::read_each).
    pub fn reference_each(
        &self,
        len: usize,
        addr: impl Fn(usize) -> usize,
        put: impl FnMut(usize, u64),
    ) -> Result<(), Error> {
        check_each(len, &addr, self.depth())?;
        with_file!(&self.table, (file, _arithmetic) => {
            put_each(len, &addr, put, |addr| {
                let reference = file.references().get(addr).copied();
                reference.ok_or_else(|| Error::address(addr, file.depth()))
            })
        })
    }
}

/// Accumulates `len` words; after an error, those before it are undone.
#[inline]
fn combine_each<W: Limbs>(
    file: &mut RegisterFile<W>,
    arithmetic: impl Arithmetic<W>,
    excess: u64,
    len: usize,
    addr: &impl Fn(usize) -> usize,
    delta: impl Fn(usize) -> W,
) -> Result<(), Error> {
    for index in 0..len {
        let delta_here = delta(index);
        let done = if is_narrow(&delta_here, excess) {
            file.accum_with(arithmetic, addr(index), delta_here)
        } else {
            check(file, excess, &delta_here)
        };
        if let Err(error) = done {
            for index in 0..index {
                file.accum_with(arithmetic, addr(index), arithmetic.inverse(delta(index)))?;
            }
            return Err(error.in_entry(index));
        }
    }
    Ok(())
}

#[inline]
fn word<W: Limbs>(limb: &impl Fn(usize) -> u64, index: usize) -> W {
    let mut word = W::IDENTITY;
    for (at, to) in word.limbs_mut().iter_mut().enumerate() {
        *to = limb(index * W::LIMBS + at);
    }
    word
}

/// Passes the limbs of the word of each address to `put`.
#[inline]
fn put_each<W: Limbs>(
    len: usize,
    addr: &impl Fn(usize) -> usize,
    mut put: impl FnMut(usize, u64),
    word: impl Fn(usize) -> Result<W, Error>,
) -> Result<(), Error> {
    for index in 0..len {
        for (at, limb) in word(addr(index))?.limbs().iter().enumerate() {
            put(index * W::LIMBS + at, *limb);
        }
    }
    Ok(())
}

#[inline]
fn is_narrow<W: Limbs>(word: &W, excess: u64) -> bool {
    word.limb(W::LIMBS - 1) & excess == 0
}

/// Refuses a word for these tables in which a bit above the width is set.
fn check<W: Limbs>(_: &RegisterFile<W>, excess: u64, word: &W) -> Result<(), Error> {
    argument::<W>(word.limbs(), excess).map(drop)
}

fn check_each(len: usize, addr: &impl Fn(usize) -> usize, depth: usize) -> Result<(), Error> {
    for index in 0..len {
        let addr = addr(index);
        if addr >= depth {
            return Err(Error::address(addr, depth).in_entry(index));
        }
    }
    Ok(())
}
