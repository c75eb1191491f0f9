//! The speed of cross-checking, compared with a bare C++ loop around the same compiled model.
//!
//! The bare loop, the shim alone and the whole scoreboard are measured in turn, round after round,
//! so that other load on the machine affects all three alike. The ratios are taken within a round.

use crate::case::CaseError;
use crate::dut::Dut;
use crate::random::{Profile, Random};
use crate::scoreboard::ScoreboardError;
use crate::stimulus::fill;
use serde::Serialize;
use std::time::Instant;

/// Speeds in cycles per second on one core, and ratios to the bare loop: medians over all rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Speed {
    /// The C++ loop, which generates random commands itself and checks nothing.
    pub bare: f64,
    /// The shim, fed from a buffer of commands.
    pub shim: f64,
    /// Stimulus, shim, golden model and comparison.
    pub checked: f64,
    /// `shim / bare`.
    pub shim_ratio: f64,
    /// `checked / bare`.
    pub checked_ratio: f64,
    /// Commands accepted per cycle in the cross-check, as counted; at most the number of lanes.
    pub commands_per_cycle: f64,
}

/// Cycles of commands in the buffer that the shim runs repeatedly.
const BUFFER: usize = 4096;

/// Measures `dut` in `rounds` rounds, each with `cycles` cycles of each of the three.
///
/// Every lane has a command in every cycle, at uniformly random addresses with random data. One in
/// 16 on lane 0 is a READ.
///
/// # Errors
/// When the model fails or there is a mismatch.
pub fn measure(dut: &Dut, cycles: u64, rounds: usize) -> Result<Speed, CaseError> {
    let (layout, timing) = (dut.layout(), dut.timing());
    let profile = Profile {
        ops: [0, 0, 15, 1, 0, 0, 0, 0],
        locality: [0, 0, 0, 1],
        data: [1, 0, 0, 0, 0],
        occupancy: [1, 0, 0, 0, 0],
        reset_every: 0,
    };
    let mut bare_model = dut.model(1)?;
    let mut shim_model = dut.model(1)?;
    let mut board = dut.scoreboard(1)?;
    let mut stimulus = Random::new(layout, timing, profile.clone(), 1);
    let mut cmds = vec![0; BUFFER * layout.cmd_words()];
    let mut rsps = vec![0; BUFFER * layout.rsp_words()];
    let mut once = Random::new(layout, timing, profile, 2);
    fill(&mut once, &layout, &mut cmds);
    shim_model.run(&cmds, &mut rsps)?;
    for cycle in 0..BUFFER {
        layout.command_mut(&mut cmds, cycle).set_reset(false);
    }
    // Run past the clear, so that every command is accepted.
    board.run(
        &mut stimulus,
        u64::from(timing.clear_cycles) + 8,
        None,
        |_| true,
    )?;
    let passes = cycles.div_ceil(BUFFER as u64);
    let cycles = passes * BUFFER as u64;
    let mut measured = vec![];
    let before = board.run(&mut stimulus, 0, None, |_| true)?.clone();
    for round in 0..rounds.max(1) {
        let start = Instant::now();
        bare_model.bare(cycles, round as u64 + 1)?;
        let bare = start.elapsed();
        let start = Instant::now();
        for _ in 0..passes {
            shim_model.run(&cmds, &mut rsps)?;
        }
        let shim = start.elapsed();
        let start = Instant::now();
        let tally = board.run(&mut stimulus, cycles, None, |_| true)?;
        let checked = start.elapsed();
        if let Some(m) = &tally.mismatch {
            return Err(ScoreboardError::Mismatch(m.clone()).into());
        }
        measured.push([bare, shim, checked].map(|t| cycles as f64 / t.as_secs_f64()));
    }
    let after = board.run(&mut stimulus, 0, None, |_| true)?;
    let median = |of: &dyn Fn(&[f64; 3]) -> f64| {
        let mut values: Vec<f64> = measured.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Ok(Speed {
        bare: median(&|t| t[0]),
        shim: median(&|t| t[1]),
        checked: median(&|t| t[2]),
        shim_ratio: median(&|t| t[1] / t[0]),
        checked_ratio: median(&|t| t[2] / t[0]),
        commands_per_cycle: (after.commands - before.commands) as f64
            / (after.cycles - before.cycles) as f64,
    })
}
