//! Runs this crate's code on symbolic words and prints, as SMT-LIB, what has to be proved of it.
//!
//! A symbolic word stands for all words of its width. Where the code asks whether a word is 0, or
//! whether two are equal, it is run once for each answer. On every path, responses and state must
//! equal those of section 1 of `docs/spec.md`, which [`claims`] states a second time. Since the
//! claims start from any reference and any accumulator, they hold after any list of ops.
//! [`entries`] does the same for section 4: what replicas keep and report.
//!
//! `python3 scripts/proofs.py solver` runs a solver on the output: every claim must be `unsat`, as
//! its negation is what is asserted, and every path named `reached` must be `sat` at least once.
//! `--wrong` adds a claim that is false.

#![allow(
    clippy::panic,
    reason = "a claim that cannot be stated ends the program"
)]

mod claims;
mod entries;
mod run;
mod word;

use atomik_algebra::Add;
use word::Symbolic;

fn main() {
    println!("(set-logic QF_BV)");
    claims::all::<Symbolic<1>>("xor:1");
    claims::all::<Symbolic<8>>("xor:8");
    claims::all::<Symbolic<64>>("xor:64");
    claims::all::<Add<Symbolic<1>>>("add:1");
    claims::all::<Add<Symbolic<8>>>("add:8");
    claims::all::<Add<Symbolic<64>>>("add:64");
    claims::all::<(Symbolic<48>, Add<Symbolic<16>>)>("xor:48,add:16");
    entries::merge();
    entries::overlaps::<1>("xor:1");
    entries::overlaps::<8>("xor:8");
    entries::overlaps::<64>("xor:64");
    entries::overlaps::<1>("add:1");
    entries::overlaps::<8>("add:8");
    entries::overlaps::<64>("add:64");
    entries::overlaps::<64>("xor:48,add:16");
    entries::overlaps::<64>("add:7,xor:20,add:37");
    if std::env::args().any(|argument| argument == "--wrong") {
        claims::wrong::<Add<Symbolic<8>>>("add:8");
    }
}
