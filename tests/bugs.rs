//! Bugs to plant in the generated Verilog, to test what checks it.

use atomik_hdl::{Config, Target};

/// A bug: a description, and a text that occurs exactly once with its replacement.
pub struct Bug {
    pub what: &'static str,
    pub right: &'static str,
    pub wrong: &'static str,
}

const fn bug(what: &'static str, right: &'static str, wrong: &'static str) -> Bug {
    Bug { what, right, wrong }
}

/// Bugs in w8 d16 l2.
pub const ADDRESSED: &[Bug] = &[
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
pub const FLAT: &[Bug] = &[
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
pub const ADDING: &[Bug] = &[
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
pub const ADDING_ECP5: &[Bug] = &[
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
pub const ADDING_FLAT: &[Bug] = &[
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

impl Bug {
    /// `right`, a text of generated Verilog, with the bug.
    pub fn plant(&self, right: &str) -> String {
        let Bug {
            what,
            right: text,
            wrong,
        } = self;
        assert_eq!(right.matches(text).count(), 1, "{what}: {text}");
        right.replacen(text, wrong, 1)
    }
}

/// Every list of bugs, with the configuration that it is for.
pub fn all() -> Vec<(Config, &'static [Bug])> {
    let adding = |depth, lanes| {
        let fields = "add:4,add:21,xor:7".parse().unwrap();
        Config::with_layout(fields, depth, lanes).unwrap()
    };
    vec![
        (Config::new(8, 16, 2).unwrap(), ADDRESSED),
        (Config::new(8, 1, 4).unwrap(), FLAT),
        (adding(4, 2), ADDING),
        (adding(4, 1).with_target(Target::Ecp5), ADDING_ECP5),
        (adding(1, 4), ADDING_FLAT),
    ]
}
