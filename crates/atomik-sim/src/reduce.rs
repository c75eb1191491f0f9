//! Reduces a failure to a short recorded case.

use crate::case::{Case, CaseError};
use crate::dut::Dut;
use crate::scoreboard::{Mismatch, Tally};
use crate::sequence::Sequence;
use crate::shrink;
use crate::stimulus::{Cycle, Stimulus};
use std::cell::RefCell;
use std::collections::VecDeque;

/// Lengths of the windows before a failure, in cycles, in the order in which they are tried.
const WINDOWS: [usize; 4] = [64, 1024, 16_384, 262_144];

/// Reduces the failure at `mismatch` to a short case. `stimulus` is the stream that failed, from
/// its start. Ever longer windows that end at the failure are played on a fresh model, until one
/// fails by itself; that one is shrunk. The result is `None` if no window fails by itself.
///
/// # Errors
/// When the model fails.
pub fn reduce(
    dut: &Dut,
    seed: u64,
    mut stimulus: Box<dyn Stimulus>,
    mismatch: &Mismatch,
    found: String,
) -> Result<Option<Case>, CaseError> {
    let layout = dut.layout();
    let longest = WINDOWS[WINDOWS.len() - 1];
    let mut record = vec![0; layout.cmd_words()];
    let mut window: VecDeque<Cycle> = VecDeque::new();
    for _ in 0..=mismatch.cycle {
        stimulus.drive(&mut layout.command_mut(&mut record, 0));
        if window.len() == longest {
            window.pop_front();
        }
        window.push_back(Cycle::from_record(&layout, &record));
    }
    let window = window.make_contiguous();
    for length in WINDOWS {
        let cycles = &window[window.len().saturating_sub(length)..];
        if dut.play(cycles, seed)?.mismatch.is_some() {
            return shrink_to_case(dut, seed, cycles, found);
        }
    }
    Ok(None)
}

/// Shrinks `cycles`, which fail, to a case. The result is `None` if they do not fail.
///
/// # Errors
/// When the model fails.
pub fn shrink_to_case(
    dut: &Dut,
    seed: u64,
    cycles: &[Cycle],
    found: String,
) -> Result<Option<Case>, CaseError> {
    let check = FailureCheck::new(dut, seed);
    let small = shrink::shrink(cycles, |cycles| check.fails(cycles));
    check.finish()?;
    let Some(small) = small else { return Ok(None) };
    // If the search ended on an untried candidate, that may pass; the original is known to fail.
    for cycles in [small.as_slice(), cycles] {
        if let Some(mismatch) = dut.play(cycles, seed)?.mismatch {
            return Ok(Some(Case {
                width: dut.config().width(),
                layout: dut.config().adding_layout(),
                depth: dut.config().depth(),
                lanes: dut.config().lanes(),
                target: dut.config().target(),
                design: dut.subject().supplied.clone(),
                netlist: dut.subject().netlist_of(dut.config()),
                seed,
                found,
                mismatch,
                sequence: Sequence::from_cycles(cycles),
            }));
        }
    }
    Ok(None)
}

/// Tests whether sequences fail on a design, for use in a search. It counts what was run and keeps
/// the first error.
#[derive(Debug)]
pub struct FailureCheck<'a> {
    dut: &'a Dut,
    seed: u64,
    seen: RefCell<(Tally, Option<CaseError>)>,
}

impl<'a> FailureCheck<'a> {
    /// A check on `dut`, with initial contents of registers and memories drawn from `seed`.
    pub fn new(dut: &'a Dut, seed: u64) -> FailureCheck<'a> {
        FailureCheck {
            dut,
            seed,
            seen: RefCell::default(),
        }
    }

    /// Whether `cycles` cause a mismatch. After an error the result is always `false`.
    pub fn fails(&self, cycles: &[Cycle]) -> bool {
        let mut seen = self.seen.borrow_mut();
        if seen.1.is_some() {
            return false;
        }
        match self.dut.play(cycles, self.seed) {
            Ok(tally) => {
                seen.0.cycles += tally.cycles;
                seen.0.commands += tally.commands;
                seen.0.responses += tally.responses;
                tally.mismatch.is_some()
            }
            Err(e) => {
                seen.1 = Some(e);
                false
            }
        }
    }

    /// The sum of everything that was run.
    ///
    /// # Errors
    /// The first error of a run.
    pub fn finish(self) -> Result<Tally, CaseError> {
        match self.seen.into_inner() {
            (_, Some(e)) => Err(e),
            (tally, None) => Ok(tally),
        }
    }
}
