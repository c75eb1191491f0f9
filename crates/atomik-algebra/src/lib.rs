//! The ATOMiK delta-state algebra in software.
//!
//! The state of one address is a pair of words: a *reference* `R` and an *accumulator* `D`. Its
//! current state is `S = R xor D`. Words under xor form an Abelian group in which every element is
//! its own inverse, so deltas may arrive in any order, be split over any number of banks, and be
//! undone by being applied once more. `docs/spec.md`, section 1, is normative for everything here.
//!
//! | item | what it is |
//! |---|---|
//! | [`Op`] | the seven operations, with their codes and names |
//! | [`Response`] | what an operation that answers gives back: a word, and whether `D` was 0 |
//! | [`Word`] | a machine word: `u8` to `u128`, or [`Wide`] for a multiple of 64 bits |
//! | [`Accumulator`] | one address |
//! | [`RegisterFile`], [`Snapshot`] | many addresses, of a width known at compile time |
//! | [`DynRegisterFile`], [`DynSnapshot`] | many addresses, of 1 to 512 bits chosen at run time |
//! | [`xor_fold`] | the reduction of a list of deltas to one |
//! | [`Error`] | everything that can be refused; whatever returns it has changed nothing |
//!
//! # Example
//!
//! Two banks of one table take deltas apart from each other and are merged:
//!
//! ```
//! use atomik_algebra::{Error, RegisterFile};
//!
//! let mut table = RegisterFile::<u64>::new(512)?;
//! table.load(3, 0xff00)?;
//! let mut bank = table.bank();
//!
//! table.accum(3, 0x0f)?;
//! bank.accum_batch(&[(3, 0xf0), (4, 0x1)])?;
//! table.merge_from(&bank)?;
//!
//! let response = table.read(3)?;
//! assert_eq!(response.data, 0xffff);
//! assert!(!response.clean);
//!
//! table.rollback(3, 0xf0)?;
//! assert_eq!(table.swap(3)?.data, 0xff0f);
//! assert!(table.read(3)?.clean);
//! # Ok::<(), Error>(())
//! ```
//!
//! # Features
//!
//! `std` (default) runs large merges and reductions on the threads of the current rayon pool.
//! Without it the crate is `no_std` and needs `alloc` alone; results are the same.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod accumulator;
mod bulk;
mod dyn_register_file;
mod error;
mod op;
mod pair;
mod register_file;
mod word;

pub use accumulator::Accumulator;
pub use bulk::xor_fold;
pub use dyn_register_file::{DynRegisterFile, DynSnapshot, MAX_WIDTH};
pub use error::Error;
pub use op::{Op, Response};
pub use register_file::{RegisterFile, Snapshot};
pub use word::{W256, W512, Wide, Word};
