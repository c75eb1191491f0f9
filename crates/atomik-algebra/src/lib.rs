//! The ATOMiK delta-state algebra in software: the model that the hardware is checked against.
//!
//! The state of an address is a pair of words: a *reference* `R` and an *accumulator* `D`. Its
//! current state is `S = R + D`, where `+` is the operation of an Abelian group: xor for plain
//! words, and field by field xor or addition for a word with a [`Layout`]. So deltas may arrive in
//! any order, be split over any number of banks, and be undone by their inverses; under xor every
//! delta is its own inverse. `docs/spec.md`, section 1, is normative for this crate.
//!
//! | item | what it is |
//! |---|---|
//! | [`Op`] | the seven operations, with their codes and names |
//! | [`Response`] | the result of READ, SWAP, DELTA or DRAIN: a word, and whether `D` was 0 |
//! | [`Group`] | how words combine: [`Xor`] and [`Add`] of a word, and pairs of groups |
//! | [`Word`] | a word type: `u8` to `u128`, or [`Wide`] for a multiple of 64 bits |
//! | [`Layout`] | the fields of a word, such as `xor:48,add:16`, chosen at run time |
//! | [`Accumulator`] | one address |
//! | [`RegisterFile`], [`Snapshot`] | many addresses, with a group known at compile time |
//! | [`DynRegisterFile`], [`DynSnapshot`] | many addresses, with a layout chosen at run time |
//! | [`fold`] | reduces a list of deltas to one |
//! | [`entries`] | which of two contents of an entry stays; where concurrent changes conflict |
//! | [`Error`] | why an operation was refused; a refused operation changes nothing |
//!
//! # Example
//!
//! A table and its bank accumulate deltas separately and are then merged:
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
//! `std` (default) runs large merges and folds on the threads of the current rayon pool. Without it
//! the crate is `no_std` and needs only `alloc`; the results are the same.
//!
//! # Speed
//!
//! `cargo bench -p atomik-algebra` on a 2-core virtual machine. Rates are those of the fastest
//! sample; the last column is the ratio to a bare loop that does the same in the same run.
//!
//! | | rate | of bare |
//! |---|---|---|
//! | `accum`, random address, 16384 words of 64 bits | 955 M/s | 1.01 |
//! | `accum` on one [`Accumulator`] | 444 M/s | 1.00 |
//! | `accum`, width chosen at run time (64 bits) | 786 M/s | 0.83 |
//! | dense merge of a bank, in cache | 32.7 GB/s | 0.98 |
//! | dense merge of a bank, 2 x 256 MiB, one thread | 5.7 GB/s | 0.91 |
//! | the same, both cores | 11.5 GB/s | 1.83 |
//! | dense merge that must compare references, in cache | 20.3 GB/s | 0.61 |
//! | the same, out of cache | 3.3 GB/s | 0.53 |
//! | fold of deltas, out of cache, one thread | 9.9 GB/s | 0.99 |
//! | the same, both cores | 19.9 GB/s | 2.00 |
//!
//! Words that add, on another 2-core virtual machine under other load: medians of five runs of
//! `cargo bench -p atomik-algebra -- --warm-up-time 0.3 --measurement-time 1 adding`. The bare
//! loops call `wrapping_add` for `u64` after `u64`.
//!
//! | | rate | of bare |
//! |---|---|---|
//! | `accum`, random address, 16384 words of `Add<u64>` | 2739 M/s | 1.01 |
//! | the same at run time, `add:64`, `add:32,add:32` or `xor:48,add:16` | 1140 M/s | 0.42 |
//! | the same at run time, `xor:64` | 1448 M/s | 0.54 |
//! | dense merge of a bank in cache, `Add<u64>` | 52.4 GB/s | 0.98 |
//! | the same at run time, `add:64` | 51.6 GB/s | 0.98 |
//! | the same, `add:32,add:32` or `xor:48,add:16` | 34.8 GB/s | 0.65 |
//! | the same, `add:128`, which carries from limb to limb | 15.3 GB/s | 0.29 |
//! | dense merge out of cache, 2 x 256 MiB, `Add<u64>` | 19.1 GB/s | 1.03 |
//! | the same, `add:32,add:32` or `xor:48,add:16` | 18.9 GB/s | 1.01 |
//! | the same, `add:128` | 11.1 GB/s | 0.59 |
//! | fold of deltas in cache, `Add<u64>` | 67.0 GB/s | 0.99 |
//!
//! For comparison, ATOMiK's original Python package reached 6.6 M/s on one context and 2.3 M/s on a
//! table of 256 entries, on one core (measured separately, before this project).

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod accumulator;
mod add;
mod arithmetic;
mod bulk;
mod dyn_register_file;
pub mod entries;
mod error;
mod group;
mod layout;
mod op;
mod pair;
mod product;
mod register_file;
mod word;

pub use accumulator::Accumulator;
pub use add::Add;
pub use bulk::fold;
pub use dyn_register_file::{DynRegisterFile, DynSnapshot};
pub use error::Error;
pub use group::Group;
pub use layout::{Field, FieldKind, Layout, LayoutError};
pub use op::{Op, Response};
pub use register_file::{RegisterFile, Snapshot};
pub use word::{MAX_WIDTH, W256, W512, Wide, Word, Xor};
