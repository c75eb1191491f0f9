//! Tests of the checker: bugs are planted in the generated Verilog, one at a time, and the stimulus
//! that the unmodified design passes must catch every one of them.

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

/// A bug: a description, and a text that occurs exactly once with its replacement.
struct Bug {
    what: &'static str,
    right: &'static str,
    wrong: &'static str,
}

const fn bug(what: &'static str, right: &'static str, wrong: &'static str) -> Bug {
    Bug { what, right, wrong }
}

/// Bugs in w8 d16 l2.
const ADDRESSED: &[Bug] = &[
    bug(
        "no forwarding from one cycle back",
        "in_flight1_s3 = hit1_s3 ? data_s4 : 8'd0",
        "in_flight1_s3 = 8'd0",
    ),
    bug(
        "forwarding one distance short: two cycles back left out",
        "in_flight2_s3 = hit2_s3 ? data_s5 : 8'd0",
        "in_flight2_s3 = 8'd0",
    ),
    bug(
        "the word written at the edge of the read is not forwarded",
        "in_flight3_s3 = hit3_s3 ? sum_s6 : 8'd0",
        "in_flight3_s3 = 8'd0",
    ),
    bug(
        "the word written at the edge of the read is added instead of replacing the one read",
        "kept_s4 = replace_s4 ? 8'd0 : loop_memory_read_data",
        "kept_s4 = loop_memory_read_data",
    ),
    bug(
        "forwarding uses the delta of a lane without a command",
        "hit1_s3 <= (&equal1_s2) & valid_s3",
        "hit1_s3 <= &equal1_s2",
    ),
    bug(
        "the comparator ignores the high address bit",
        "hit2_s3 <= (&equal2_s2) & valid_s4",
        "hit2_s3 <= equal2_s2[0] & valid_s4",
    ),
    bug(
        "forwarding uses a sum from one cycle too late",
        "in_flight3_s3 = hit3_s3 ? sum_s6",
        "in_flight3_s3 = hit3_s3 ? sum_s5",
    ),
    bug(
        "readout misses the command one cycle before",
        "read_hit_s4 <= (&read_equal_s3) & valid_s4",
        "read_hit_s4 <= 1'd0",
    ),
    bug(
        "readout happens a cycle early",
        ".read_addr  (read_addr_s4)",
        ".read_addr  (read_addr_s3)",
    ),
    bug(
        "one lane is left out of the merge",
        "merge0_s8 <= lane0_word_s7 ^ lane1_word_s7",
        "merge0_s8 <= lane0_word_s7",
    ),
    bug(
        "lanes are merged with OR",
        "merge0_s8 <= lane0_word_s7 ^ lane1_word_s7",
        "merge0_s8 <= lane0_word_s7 | lane1_word_s7",
    ),
    bug(
        "LOAD drops an ACCUM in the same cycle",
        ".valid        (cmd_valid[1])",
        ".valid        (cmd_valid[1] & ~(cmd_valid[0] & is_load))",
    ),
    bug(
        "LOAD does not clear the delta",
        "cmd_valid[0] & (is_load | is_swap | is_drain)",
        "cmd_valid[0] & (is_swap | is_drain)",
    ),
    bug(
        "SWAP does not clear the delta",
        "cmd_valid[0] & (is_load | is_swap | is_drain)",
        "cmd_valid[0] & (is_load | is_drain)",
    ),
    bug(
        "SWAP writes the offset like LOAD",
        "load_s9 <= load_s8",
        "load_s9 <= freeze_s8",
    ),
    bug(
        "a base written one cycle before is missed",
        "new_base_s9 = base_hit_s9 ? base_s10 : 8'd0",
        "new_base_s9 = 8'd0",
    ),
    bug(
        "an old offset is not replaced by the one written one cycle before",
        "old_offset_s10 = offset_hit_s10 ? 8'd0 : offset_memory_read_data",
        "old_offset_s10 = offset_memory_read_data",
    ),
    bug(
        "DRAIN responds with the state",
        "state_s1 <= is_read | is_swap;",
        "state_s1 <= is_read | is_swap | is_drain;",
    ),
    bug(
        "DELTA does not respond",
        "(is_read | is_swap | is_delta | is_drain)",
        "(is_read | is_swap | is_drain)",
    ),
    bug(
        "the reserved op loads",
        "is_load = cmd_op == 3'd1",
        "is_load = cmd_op[1:0] == 2'd3 & cmd_op[2] | cmd_op == 3'd1",
    ),
    bug(
        "responses come a cycle early",
        ".respond_s11 (respond_s11)",
        ".respond_s11 (respond_s10)",
    ),
    bug(
        "the reset does not clear the response stage",
        "if (rst) begin
            valid_s13 <= 1'd0;",
        "if (1'd0) begin
            valid_s13 <= 1'd0;",
    ),
    bug(
        "a response in flight survives the first cycle of a reset",
        "keep = ~(rst | rst_q | clearing)",
        "keep = ~(rst_q | clearing)",
    ),
    bug(
        "the clear skips odd addresses",
        "addr_s1 <= clear_addr;",
        "addr_s1 <= clear_addr & 4'd14;",
    ),
    bug(
        "ready rises a cycle early",
        "ready_q <= ~hold_q",
        "ready_q <= ~hold_q | (~active_q & carry1)",
    ),
    bug(
        "a lane accepts commands before ready",
        "valid_s2 <= clear_s1 | (valid_s1 & live_s1)",
        "valid_s2 <= clear_s1 | valid_s1",
    ),
    bug(
        "clean checks half of the delta",
        "any_next_s12 = {|delta_s11[7:4],",
        "any_next_s12 = {1'd0,",
    ),
    bug(
        "a command that was not accepted gets a response",
        "respond_s1 <= clear_ready & cmd_valid[0]",
        "respond_s1 <= cmd_valid[0]",
    ),
    bug(
        "lane 1 takes lane 0's address",
        ".addr         (cmd_addr[7:4])",
        ".addr         (cmd_addr[3:0])",
    ),
    bug(
        "the top bit of a sum is stuck",
        "sum_s5 <= kept_s4 ^ own_s4 ^ earlier_s4",
        "sum_s5 <= (kept_s4 ^ own_s4 ^ earlier_s4) & 8'd127",
    ),
    bug(
        "LOAD is accepted before ready",
        "load_s2 <= zero_s1 | (load_s1 & live_s1)",
        "load_s2 <= zero_s1 | load_s1",
    ),
    bug(
        "a clear keeps the data on the port",
        "if (zero_s1) begin
            data_s2 <= 8'd0;",
        "if (1'd0) begin
            data_s2 <= 8'd0;",
    ),
    bug(
        "a clear adds to the word it reads",
        "replace_s4 <= hit3_s3 | zero_s3",
        "replace_s4 <= hit3_s3",
    ),
    bug(
        "commands are accepted before the clear has reached the memory",
        "if (~active_q & carry1) begin",
        "if (~active_q) begin",
    ),
    bug(
        "readout sees the write of a later command",
        "out_s7 <= sum_s7",
        "out_s7 <= sum_s6",
    ),
];

/// Bugs in w8 d1 l4.
const FLAT: &[Bug] = &[
    bug(
        "a lane without a delta is merged",
        "offered2_s2 = valid_s2[2] ? data2_s2 : 8'd0",
        "offered2_s2 = data2_s2",
    ),
    bug(
        "the second pair of lanes is left out",
        "merge0_s4 <= pair0_s3 ^ pair1_s3",
        "merge0_s4 <= pair0_s3",
    ),
    bug(
        "a reset does not clear the base",
        "total <= 8'd0;
            base <= 8'd0;",
        "total <= 8'd0;",
    ),
    bug(
        "SWAP sees the deltas of the same cycle",
        "base <= total;",
        "base <= total ^ merge0_s4;",
    ),
    bug(
        "LOAD uses the value of the previous command",
        "offset <= total ^ value_s4",
        "offset <= total ^ value_s3",
    ),
];

/// Bugs in add:4,add:21,xor:7 d4 l2. Bits 4 to 24 have two segments: 4 to 14, and 15 to 24 later.
const ADDING: &[Bug] = &[
    bug(
        "a carry leaks over a field boundary where lanes are merged",
        "sum1 <= sum1_left + sum1_right;",
        "{sum1, sum0} <= {sum1_left, a[3:0]} + {sum1_right, b[3:0]};",
    ),
    bug(
        "forwarding from one cycle back xors",
        "pair_s6 <= (own_s5 + before_s5) + pair_s6_low",
        "pair_s6 <= (own_s5 ^ before_s5) + pair_s6_low",
    ),
    bug(
        "forwarding from two and three cycles back xors",
        "recent_s8 <= (pair_s7 + earlier_s7) + recent_s8_low",
        "recent_s8 <= (pair_s7 ^ earlier_s7) + recent_s8_low",
    ),
    bug(
        "two cycles back counts for three cycles back as well",
        "earlier_s5 <= 11'd0;
        end else if (hit2_s4) begin
            earlier_s5 <= pair_s6[10:0];",
        "earlier_s5 <= 11'd0;
        end else if (hit2_s4) begin
            earlier_s5 <= data_s6;",
    ),
    bug(
        "the word that replaces the one read is from a cycle too late",
        "kept_s9 <= 11'd0;
        end else if (far_hit_s8) begin
            kept_s9 <= sum_s12;",
        "kept_s9 <= 11'd0;
        end else if (far_hit_s8) begin
            kept_s9 <= sum_s11;",
    ),
    bug(
        "the sum of the loop xors",
        "sum_s10 <= kept_s9 + recent_s9;",
        "sum_s10 <= kept_s9 ^ recent_s9;",
    ),
    bug(
        "the carry of a segment is dropped in the loop",
        ".sum_carry_s9    (slice1_sum_carry_s11)",
        ".sum_carry_s9    (1'd0)",
    ),
    bug(
        "the carry of a segment is late in the loop",
        "assign sum_carry_s11 = sum_carry_q_s11;",
        "reg late;
    always @(posedge clk) late <= sum_carry_q_s11;
    assign sum_carry_s11 = late;",
    ),
    bug(
        "the carry of a segment is early in the loop",
        "assign sum_carry_s11 = sum_carry_q_s11;",
        "assign sum_carry_s11 = sum_s10[11];",
    ),
    bug(
        "the carry of a segment is dropped among the deltas in flight",
        ".pair_carry_s5   (slice1_pair_carry_s7)",
        ".pair_carry_s5   (1'd0)",
    ),
    bug(
        "the carry of a segment is dropped where lanes are merged",
        "sum2_low = {9'd0, carry1_s2}",
        "sum2_low = 10'd0",
    ),
    bug(
        "a segment takes its delta a cycle early",
        ".data            (data2_s2)",
        ".data            (data2_s1)",
    ),
    bug(
        "a base is added instead of subtracted",
        "not_base_s14 <= 11'd2047;
        end else begin
            not_base_s14 <= ~total_s13;",
        "not_base_s14 <= 11'd2047;
        end else begin
            not_base_s14 <= total_s13;",
    ),
    bug(
        "a difference is one too small",
        "delta_q <= (total_s18 + kept_base_s18) + 4'd1;",
        "delta_q <= total_s18 + kept_base_s18;",
    ),
    bug(
        "LOAD's offset ignores the carry of the segment below",
        ".offset_carry_s15 (slice1_offset_carry_s17)",
        ".offset_carry_s15 (1'd1)",
    ),
    bug(
        "the state lacks the carry of the segment below",
        ".state_carry_s18  (slice1_state_carry_s20)",
        ".state_carry_s18  (1'd0)",
    ),
    bug(
        "the low segment responds a cycle before the high one",
        "delta_aligned = {delta3_s21, reference_delta_s19[24:15], delta1_s21,",
        "delta_aligned = {delta3_s21, reference_delta_s19[24:15], delta1_s20,",
    ),
];

/// Bugs in add:4,add:21,xor:7 d4 l1 ecp5, whose loop is a cycle longer.
const ADDING_ECP5: &[Bug] = &[
    bug(
        "forwarding from four cycles back xors",
        "older_s6 <= (earlier_s5 + fourth_s5) + older_s6_low",
        "older_s6 <= (earlier_s5 ^ fourth_s5) + older_s6_low",
    ),
    bug(
        "no forwarding from four cycles back",
        "fourth_s5 <= 4'd0;
        end else begin
            fourth_s5 <= data_s8;",
        "fourth_s5 <= 4'd0;
        end else begin
            fourth_s5 <= 4'd0;",
    ),
];

/// Bugs in add:4,add:21,xor:7 d1 l4.
const ADDING_FLAT: &[Bug] = &[
    bug(
        "two lanes are merged by xor",
        "merge0_s4 <= offered0_s3 + offered1_s3;",
        "merge0_s4 <= offered0_s3 ^ offered1_s3;",
    ),
    bug(
        "the carry of a pair of lanes is lost",
        "merge4_carries = {merge1_s4[11], merge0_s4[11]}",
        "merge4_carries = {1'd0, merge0_s4[11]}",
    ),
    bug(
        "the total loses the carry of the segment below",
        "total_next_low = {9'd0, total_carry_s5}",
        "total_next_low = 10'd0",
    ),
];

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
            assert_eq!(
                right.matches(bug.right).count(),
                1,
                "{}: {}",
                bug.what,
                bug.right
            );
            let wrong = right.replacen(bug.right, bug.wrong, 1);
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
    let wrong = atomik_hdl::generate(&config)
        .verilog
        .replacen(bug.right, bug.wrong, 1);
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
