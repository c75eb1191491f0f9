//! Tests of the checker: bugs are planted in the generated Verilog, one at a time, and the stimulus
//! that the unmodified design passes must catch every one of them.

use crate::bugs::{ADDING, ADDING_ECP5, ADDING_FLAT, ADDRESSED, Bug, FLAT};
use crate::tools::builder;
use atomik_algebra::Layout as Fields;
use atomik_hdl::{Config, Target};
use atomik_sim::case::Case;
use atomik_sim::coverage::Coverage;
use atomik_sim::directed::Directed;
use atomik_sim::dut::Dut;
use atomik_sim::random::{Profile, Random};
use atomik_sim::reduce::reduce;
use atomik_sim::scoreboard::Mismatch;
use atomik_sim::stimulus::Stimulus;
use atomik_sim::verilate::Lint;
use rayon::prelude::*;

/// Runs the stimulus of the reference regression, shortened.
fn check(dut: &Dut) -> Option<(String, u64, Mismatch)> {
    let stimuli: [(&str, u64); 4] = [
        ("directed", 1 << 20),
        ("mixed", 20_000),
        ("hazard", 20_000),
        ("reset", 20_000),
    ];
    stimuli.into_iter().find_map(|(name, cycles)| {
        let mut board = dut.scoreboard(1).unwrap();
        let mut stimulus = stimulus(dut, name);
        let tally = board.run(&mut *stimulus, cycles, None, |_| true).unwrap();
        assert!(
            tally.responses > 0 || tally.mismatch.is_some(),
            "{name} compared nothing"
        );
        tally
            .mismatch
            .clone()
            .map(|m| (name.to_string(), tally.cycles, m))
    })
}

fn stimulus(dut: &Dut, name: &str) -> Box<dyn Stimulus> {
    match Profile::named(name) {
        Some(profile) => Box::new(Random::new(dut.layout(), dut.timing(), profile, 1)),
        None => {
            let fields = dut.config().layout();
            Box::new(Directed::new(dut.layout(), fields, dut.timing(), 1))
        }
    }
}

fn every_bug_is_caught(config: Config, bugs: &[Bug]) {
    let builder = builder();
    let right = atomik_hdl::generate(&config).verilog;
    let dut = Dut::build(&builder, config).unwrap();
    assert_eq!(check(&dut), None, "the unmodified design must pass");
    let missed: Vec<&str> = bugs
        .par_iter()
        .filter(|bug| {
            let wrong = bug.plant(&right);
            let dut = Dut::build_verilog(&builder, config, wrong, Lint::Allow)
                .unwrap_or_else(|e| panic!("{}: {e}", bug.what));
            let caught = check(&dut);
            match &caught {
                Some((stimulus, _, mismatch)) => {
                    println!("{}: {stimulus}, {mismatch}", bug.what);
                }
                None => println!("{}: MISSED", bug.what),
            }
            caught.is_none()
        })
        .map(|bug| bug.what)
        .collect();
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

#[test]
fn every_bug_planted_in_an_addressed_register_file_is_caught() {
    every_bug_is_caught(Config::new(8, 16, 2).unwrap(), ADDRESSED);
}

#[test]
fn every_bug_planted_in_a_flat_register_file_is_caught() {
    every_bug_is_caught(Config::new(8, 1, 4).unwrap(), FLAT);
}

fn with_layout(depth: usize, lanes: u32) -> Config {
    Config::with_layout("add:4,add:21,xor:7".parse().unwrap(), depth, lanes).unwrap()
}

#[test]
fn every_bug_planted_in_words_that_add_is_caught() {
    every_bug_is_caught(with_layout(4, 2), ADDING);
    every_bug_is_caught(with_layout(4, 1).with_target(Target::Ecp5), ADDING_ECP5);
}

#[test]
fn every_bug_planted_in_flat_words_that_add_is_caught() {
    every_bug_is_caught(with_layout(1, 4), ADDING_FLAT);
}

/// The case to which a failure of a planted bug, deep in a random run, is reduced.
fn reduced(bug: &Bug) -> (Dut, Case) {
    let config = Config::new(8, 16, 2).unwrap();
    let wrong = bug.plant(&atomik_hdl::generate(&config).verilog);
    let dut = Dut::build_verilog(&builder(), config, wrong, Lint::Allow).unwrap();
    let mut board = dut.scoreboard(7).unwrap();
    let mut random = stimulus(&dut, "mixed");
    let tally = board
        .run(&mut *random, 100_000, None, |_| true)
        .unwrap()
        .clone();
    let mismatch = tally.mismatch.expect("a mismatch");
    let case = reduce(
        &dut,
        7,
        stimulus(&dut, "mixed"),
        &mismatch,
        "mixed/1".into(),
    )
    .unwrap();
    (dut, case.expect("a case"))
}

#[test]
fn a_failure_is_shrunk_to_the_commands_that_cause_it() {
    // This bug needs two deltas to one address, two cycles apart, and a read.
    let (dut, case) = reduced(&ADDRESSED[1]);
    assert_eq!(case.sequence.events.len(), 3, "{case}");
    assert_eq!(
        case.sequence.events[1].cycle - case.sequence.events[0].cycle,
        2,
        "{case}"
    );
    assert!(
        case.to_string().contains("last commands to address 0"),
        "{case}"
    );
    let path = std::path::Path::new("recorded");
    let replayed = dut
        .play(&case.cycles(path).unwrap(), case.seed)
        .unwrap()
        .mismatch;
    assert_eq!(replayed.as_ref(), Some(&case.mismatch));
}

#[test]
fn a_case_is_read_back_as_written_and_its_waveform_shows_the_signals() {
    let (dut, case) = reduced(&ADDRESSED[0]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cases/one.json");
    case.write(&path).unwrap();
    assert_eq!(Case::read(&path).unwrap(), case);
    let waves = folder.path().join("one.vcd");
    dut.play_with_waves(&builder(), &case.cycles(&path).unwrap(), case.seed, &waves)
        .unwrap();
    let vcd = std::fs::read_to_string(&waves).unwrap();
    assert!(
        vcd.contains("rsp_valid") && vcd.contains("sum_s5"),
        "{}",
        &vcd[..500]
    );
}

#[test]
fn coverage_without_resets_in_flight_has_holes() {
    let config = Config::new(8, 16, 2).unwrap();
    let dut = Dut::build(&builder(), config).unwrap();
    let mut coverage = Coverage::new(dut.layout(), config.layout(), dut.timing()).unwrap();
    let mut board = dut.scoreboard(1).unwrap();
    let profile = Profile {
        reset_every: 0,
        ..Profile::mixed()
    };
    let mut random = Random::new(dut.layout(), dut.timing(), profile, 1);
    board
        .run(&mut random, 50_000, Some(&mut coverage), |_| true)
        .unwrap();
    assert!(
        coverage
            .holes()
            .iter()
            .any(|hole| hole.contains("before rst"))
    );
    let mut board = dut.scoreboard(1).unwrap();
    let mut directed = Directed::new(dut.layout(), config.layout(), dut.timing(), 1);
    board
        .run(&mut directed, 1 << 20, Some(&mut coverage), |_| true)
        .unwrap();
    assert_eq!(coverage.holes(), Vec::<String>::new());
}

#[test]
fn coverage_without_directed_carries_has_holes() {
    let dut = Dut::build(&builder(), with_layout(4, 2)).unwrap();
    let fields = dut.config().layout();
    let holes = |driven: Fields| {
        let mut stimulus = Directed::new(dut.layout(), driven, dut.timing(), 1);
        let mut coverage = Coverage::new(dut.layout(), fields, dut.timing()).unwrap();
        let mut board = dut.scoreboard(1).unwrap();
        board
            .run(&mut stimulus, 1 << 20, Some(&mut coverage), |_| true)
            .unwrap();
        let mut holes = coverage.holes();
        holes.retain(|hole| hole.starts_with("carry"));
        holes
    };
    assert_eq!(holes(fields), [""; 0]);
    assert_ne!(holes(Fields::xor(fields.width()).unwrap()), [""; 0]);
}
