// atomik_regfile_w64_d512_l1: XOR accumulator register file
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Generated; do not edit. Regenerate with:
//     atomik hdl generate --width 64 --depth 512 --lanes 1
//
// 512 addresses of 64 bits, 1 lane.
// Every lane accepts one command in every cycle, whatever the addresses.
// LATENCY = 13: a response comes exactly 13 cycles after its command.
// CLEAR = 523: ready rises 523 cycles after the last cycle with rst high.
// Commands take effect in the order (cycle, lane); lane 0 takes every op, the others ACCUM:
//     0 NOP   nothing
//     1 LOAD  reference := cmd_data, delta := 0
//     2 ACCUM delta := delta ^ cmd_data
//     3 READ  responds with the state, reference ^ delta
//     4 SWAP  responds with the state; reference := state, delta := 0
//     5 DELTA responds with the delta
//     6 DRAIN responds with the delta; reference := state, delta := 0
//
// Ports:
//     clk        in            clock, rising edge
//     rst        in            synchronous reset, active high
//     ready      out           memories are clear, commands are accepted
//     cmd_valid  in            lane l offers a command in this cycle
//     cmd_op     in  [2:0]     op of lane 0; the other lanes always accumulate
//     cmd_addr   in  [8:0]     address of each lane, lane 0 in the low bits
//     cmd_data   in  [63:0]    value or delta of each lane, lane 0 low
//     rsp_valid  out           a response is on the port
//     rsp_data   out [63:0]    state or delta, by the op, if rsp_valid is high
//     rsp_clean  out           the delta was 0 before the op, if rsp_valid is high

`timescale 1ns / 1ps
`default_nettype none

module atomik_regfile_w64_d512_l1 (
    input  wire        clk,       // clock, rising edge
    input  wire        rst,       // synchronous reset, active high
    output wire        ready,     // memories are clear, commands are accepted
    input  wire        cmd_valid, // lane l offers a command in this cycle
    input  wire [2:0]  cmd_op,    // op of lane 0; the other lanes always accumulate
    input  wire [8:0]  cmd_addr,  // address of each lane, lane 0 in the low bits
    input  wire [63:0] cmd_data,  // value or delta of each lane, lane 0 low
    output wire        rsp_valid, // a response is on the port
    output wire [63:0] rsp_data,  // state or delta, by the op, if rsp_valid is high
    output wire        rsp_clean  // the delta was 0 before the op, if rsp_valid is high
);

    // Reset: clears every address, holding ready low.
    wire clear_ready;
    wire clear_rst_q;
    wire clear_active;
    wire clear_hold;
    wire [8:0] clear_addr;
    atomik_regfile_w64_d512_l1_clear clear (
        .clk    (clk),
        .rst    (rst),
        .ready  (clear_ready),
        .rst_q  (clear_rst_q),
        .active (clear_active),
        .hold   (clear_hold),
        .addr   (clear_addr)
    );
    assign ready = clear_ready;

    // The clear, and lane 0's address, on their way to the lanes.
    reg clearing;
    reg [8:0] clearing_addr;
    always @(posedge clk) begin
        clearing <= clear_active;
        clearing_addr <= clear_addr;
    end

    // Stage 1: lane 0's op, one bit per effect.
    reg load_s1, freeze_s1, live_s1, zero_s1, state_s1, respond_s1;
    wire is_load = cmd_op == 3'd1;
    wire is_read = cmd_op == 3'd3;
    wire is_swap = cmd_op == 3'd4;
    wire is_delta = cmd_op == 3'd5;
    wire is_drain = cmd_op == 3'd6;
    always @(posedge clk) begin
        load_s1 <= cmd_valid & is_load;
        freeze_s1 <= cmd_valid & (is_load | is_swap | is_drain);
        live_s1 <= clear_ready;
        zero_s1 <= clearing;
        state_s1 <= is_read | is_swap;
        respond_s1 <= clear_ready & cmd_valid & (is_read | is_swap | is_delta | is_drain);
    end

    // Stage 2: only what was accepted. A clear loads zeros.
    reg load_s2, freeze_s2;
    always @(posedge clk) begin
        load_s2 <= zero_s1 | (load_s1 & live_s1);
        freeze_s2 <= zero_s1 | (freeze_s1 & live_s1);
    end

    // Stage 1: lane 0's address.
    reg [8:0] addr_s1;
    wire relay0_clearing;
    wire relay0_holding;
    wire [8:0] relay0_clear_addr;
    wire [8:0] relay0_read_addr_s2;
    atomik_regfile_w64_d512_l1_relay relay0 (
        .clk          (clk),
        .active       (clear_active),
        .hold         (clear_hold),
        .addr         (clear_addr),
        .read_addr_s1 (addr_s1),
        .clearing     (relay0_clearing),
        .holding      (relay0_holding),
        .clear_addr   (relay0_clear_addr),
        .read_addr_s2 (relay0_read_addr_s2)
    );
    always @(posedge clk) begin
        if (clearing) begin
            addr_s1 <= clearing_addr;
        end else begin
            addr_s1 <= cmd_addr;
        end
    end

    // The lanes.
    wire accum = cmd_valid & (cmd_op == 3'd2);
    wire [63:0] lane0_word_s7;
    wire [63:0] lane0_passed_s5;
    atomik_regfile_w64_d512_l1_lane lane0 (
        .clk          (clk),
        .clearing     (relay0_clearing),
        .holding      (relay0_holding),
        .clear_addr   (relay0_clear_addr),
        .valid        (accum),
        .addr         (cmd_addr),
        .data         (cmd_data),
        .read_addr_s2 (relay0_read_addr_s2),
        .word_s7      (lane0_word_s7),
        .passed_s5    (lane0_passed_s5)
    );

    // Lane 0's command, beside the lanes.
    reg [63:0] value_s6, value_s7;
    reg [8:0] addr_s2, addr_s3, addr_s4, addr_s5, addr_s6;
    reg load_s3, load_s4, load_s5, load_s6, load_s7, freeze_s3, freeze_s4, freeze_s5, freeze_s6;
    reg freeze_s7, zero_s2, zero_s3, zero_s4, zero_s5, zero_s6, respond_s2, respond_s3, respond_s4;
    reg respond_s5, respond_s6, respond_s7, respond_s8, respond_s9, respond_s10, state_op_s2;
    reg state_op_s3, state_op_s4, state_op_s5, state_op_s6, state_op_s7, state_op_s8, state_op_s9;
    always @(posedge clk) begin
        value_s6 <= lane0_passed_s5;
        value_s7 <= value_s6;
        addr_s2 <= addr_s1;
        addr_s3 <= addr_s2;
        addr_s4 <= addr_s3;
        addr_s5 <= addr_s4;
        addr_s6 <= addr_s5;
        load_s3 <= load_s2;
        load_s4 <= load_s3;
        load_s5 <= load_s4;
        load_s6 <= load_s5;
        load_s7 <= load_s6;
        freeze_s3 <= freeze_s2;
        freeze_s4 <= freeze_s3;
        freeze_s5 <= freeze_s4;
        freeze_s6 <= freeze_s5;
        freeze_s7 <= freeze_s6;
        zero_s2 <= zero_s1;
        zero_s3 <= zero_s2;
        zero_s4 <= zero_s3;
        zero_s5 <= zero_s4;
        zero_s6 <= zero_s5;
        respond_s2 <= respond_s1;
        respond_s3 <= respond_s2;
        respond_s4 <= respond_s3;
        respond_s5 <= respond_s4;
        respond_s6 <= respond_s5;
        respond_s7 <= respond_s6;
        respond_s8 <= respond_s7;
        respond_s9 <= respond_s8;
        respond_s10 <= respond_s9;
        state_op_s2 <= state_s1;
        state_op_s3 <= state_op_s2;
        state_op_s4 <= state_op_s3;
        state_op_s5 <= state_op_s4;
        state_op_s6 <= state_op_s5;
        state_op_s7 <= state_op_s6;
        state_op_s8 <= state_op_s7;
        state_op_s9 <= state_op_s8;
    end

    // Reference side.
    wire [63:0] reference_delta_s10;
    wire [63:0] reference_chosen_s11;
    atomik_regfile_w64_d512_l1_reference reference (
        .clk         (clk),
        .addr_s6     (addr_s6),
        .zero_s6     (zero_s6),
        .load_s7     (load_s7),
        .freeze_s7   (freeze_s7),
        .value_s7    (value_s7),
        .total_s7    (lane0_word_s7),
        .state_op_s9 (state_op_s9),
        .delta_s10   (reference_delta_s10),
        .chosen_s11  (reference_chosen_s11)
    );

    // Response.
    wire respond_rsp_valid;
    wire [63:0] respond_rsp_data;
    wire respond_rsp_clean;
    atomik_regfile_w64_d512_l1_respond respond (
        .clk         (clk),
        .rst         (rst),
        .rst_q       (clear_rst_q),
        .clearing    (clear_active),
        .respond_s10 (respond_s10),
        .delta_s10   (reference_delta_s10),
        .chosen_s11  (reference_chosen_s11),
        .rsp_valid   (respond_rsp_valid),
        .rsp_data    (respond_rsp_data),
        .rsp_clean   (respond_rsp_clean)
    );
    assign rsp_valid = respond_rsp_valid;
    assign rsp_data = respond_rsp_data;
    assign rsp_clean = respond_rsp_clean;
endmodule

// The file is named after the module above.
// verilator lint_off DECLFILENAME

// Clear sequencer. While active is high, a clear of addr takes the place of every command.
// It runs for 512 cycles after a reset: all addresses, and long enough for whatever
// was in flight to leave the pipeline without effect. For 8 cycles more nothing is accepted:
// a lane must not read an address whose clear is still on its way to the memory.
module atomik_regfile_w64_d512_l1_clear (
    input  wire       clk,    // clock, rising edge
    input  wire       rst,    // synchronous reset, active high
    output wire       ready,  // the clear has finished
    output wire       rst_q,  // rst, a cycle later
    output wire       active, // clear addr
    output wire       hold,   // take no command; falls one cycle before ready rises
    output wire [8:0] addr    // the address to clear
);

    // Nearly everything takes the reset from a register: its way there may be long.
    reg rst_delayed;
    assign rst_q = rst_delayed;
    always @(posedge clk) begin
        rst_delayed <= rst;
    end

    // Position in the clear, in slices of 3 bits, so that no carry is longer than that: all ones in
    // the lowest slice is seen a cycle ahead, all ones in the others, which stand still by
    // then, in a chain of registers.
    reg [2:0] count0, count1, count2;
    reg last, active_q, hold_q, ready_q, carry1, full1, carry2, full2;
    wire nearly = count0 == 3'd6;
    assign ready = ready_q;
    assign active = active_q;
    assign hold = hold_q;
    wire [8:0] count = {count2, count1, count0};
    assign addr = count;
    always @(posedge clk) begin
        if (rst_delayed) begin
            count0 <= 3'd0;
            carry1 <= 1'd0;
            count1 <= 3'd0;
            full1 <= 1'd0;
            carry2 <= 1'd0;
            count2 <= 3'd0;
            full2 <= 1'd0;
            last <= 1'd0;
            active_q <= 1'd1;
            hold_q <= 1'd1;
        end else begin
            count0 <= count0 + 3'd1;
            carry1 <= nearly;
            if (carry1) begin
                count1 <= count1 + 3'd1;
            end
            full1 <= &count1;
            carry2 <= nearly & full1;
            if (carry2) begin
                count2 <= count2 + 3'd1;
            end
            full2 <= (&count2) & full1;
            last <= nearly & full2;
            if (last) begin
                active_q <= 1'd0;
            end
            if (~active_q & carry1) begin
                hold_q <= 1'd0;
            end
        end
        if (rst | rst_delayed) begin
            ready_q <= 1'd0;
        end else begin
            ready_q <= ~hold_q;
        end
    end
endmodule

// Relay: registers for up to 4 lanes of what comes from one place.
(* keep_hierarchy *)
module atomik_regfile_w64_d512_l1_relay (
    input  wire       clk,          // clock, rising edge
    input  wire       active,       // a clear is running
    input  wire       hold,         // take no command
    input  wire [8:0] addr,         // address to clear
    input  wire [8:0] read_addr_s1, // lane 0's address
    output wire       clearing,     // active, a cycle later
    output wire       holding,      // hold, a cycle later
    output wire [8:0] clear_addr,   // addr, a cycle later
    output wire [8:0] read_addr_s2  // lane 0's address, a cycle later
);

    reg clearing_q, holding_q;
    reg [8:0] clear_addr_q, read_addr_q;
    assign clearing = clearing_q;
    assign holding = holding_q;
    assign clear_addr = clear_addr_q;
    assign read_addr_s2 = read_addr_q;
    always @(posedge clk) begin
        clearing_q <= active;
        holding_q <= hold;
        clear_addr_q <= addr;
        read_addr_q <= read_addr_s1;
    end
endmodule

// One lane: accumulates a delta into its own memory in every cycle, and reads the word at
// lane 0's address as every earlier command, and no later one, left it.
// x_s3 and x_s5, read in one cycle, belong to commands two cycles apart.
(* keep_hierarchy *)
module atomik_regfile_w64_d512_l1_lane (
    input  wire        clk,          // clock, rising edge
    input  wire        clearing,     // write zeros to clear_addr instead
    input  wire        holding,      // take no command
    input  wire [8:0]  clear_addr,   // address to clear
    input  wire        valid,        // accumulate
    input  wire [8:0]  addr,         // where
    input  wire [63:0] data,         // delta
    input  wire [8:0]  read_addr_s2, // lane 0's address
    output wire [63:0] word_s7,      // this lane's word at lane 0's address
    output wire [63:0] passed_s5     // the delta, on its way
);

    // Stage 1: the command, or a clear in its place.
    reg [8:0] addr_s1;
    reg valid_s1, live_s1, clear_s1;
    always @(posedge clk) begin
        if (clearing) begin
            addr_s1 <= clear_addr;
        end else begin
            addr_s1 <= addr;
        end
        valid_s1 <= valid;
        live_s1 <= ~holding;
        clear_s1 <= clearing;
    end

    // On its way to the memory.
    reg [8:0] addr_s2, addr_s3, addr_s4;
    reg valid_s2, valid_s3, valid_s4, valid_s5;
    always @(posedge clk) begin
        addr_s2 <= addr_s1;
        addr_s3 <= addr_s2;
        addr_s4 <= addr_s3;
        valid_s2 <= clear_s1 | (valid_s1 & live_s1);
        valid_s3 <= valid_s2;
        valid_s4 <= valid_s3;
        valid_s5 <= valid_s4;
    end

    // Stage 2: same address as the command 1 to 3 cycles before? First step, by groups of bits.
    reg [2:0] equal1_s2, equal2_s2, equal3_s2;
    wire [2:0] equal1_s2_next = {
        addr_s1[8:6] == addr_s2[8:6],
        addr_s1[5:3] == addr_s2[5:3],
        addr_s1[2:0] == addr_s2[2:0]
    };
    wire [2:0] equal2_s2_next = {
        addr_s1[8:6] == addr_s3[8:6],
        addr_s1[5:3] == addr_s3[5:3],
        addr_s1[2:0] == addr_s3[2:0]
    };
    wire [2:0] equal3_s2_next = {
        addr_s1[8:6] == addr_s4[8:6],
        addr_s1[5:3] == addr_s4[5:3],
        addr_s1[2:0] == addr_s4[2:0]
    };
    always @(posedge clk) begin
        equal1_s2 <= equal1_s2_next;
        equal2_s2 <= equal2_s2_next;
        equal3_s2 <= equal3_s2_next;
    end

    // Readout: did the command before lane 0's write the address that lane 0 reads?
    reg [8:0] read_addr_s3;
    reg [2:0] read_equal_s3;
    wire [2:0] read_equal_s3_next = {
        read_addr_s2[8:6] == addr_s3[8:6],
        read_addr_s2[5:3] == addr_s3[5:3],
        read_addr_s2[2:0] == addr_s3[2:0]
    };
    always @(posedge clk) begin
        read_addr_s3 <= read_addr_s2;
        read_equal_s3 <= read_equal_s3_next;
    end

    // The data.
    wire [63:0] slice0_word_s7;
    wire [63:0] slice0_passed_s5;
    atomik_regfile_w64_d512_l1_lane_slice slice0 (
        .clk           (clk),
        .addr_s1       (addr_s1),
        .addr_s4       (addr_s4),
        .clearing      (clearing),
        .equal1_s2     (equal1_s2),
        .equal2_s2     (equal2_s2),
        .equal3_s2     (equal3_s2),
        .valid_s3      (valid_s3),
        .valid_s4      (valid_s4),
        .valid_s5      (valid_s5),
        .read_equal_s3 (read_equal_s3),
        .read_addr_s3  (read_addr_s3),
        .data          (data),
        .word_s7       (slice0_word_s7),
        .passed_s5     (slice0_passed_s5)
    );
    wire [63:0] word = slice0_word_s7;
    assign word_s7 = word;
    wire [63:0] passed = slice0_passed_s5;
    assign passed_s5 = passed;
endmodule

// Reference side: base (the total at the last LOAD, SWAP or DRAIN) and offset (reference
// xor base) of every address. Delta = base ^ total, state = offset ^ total; SWAP and DRAIN
// change neither total nor state, so only LOAD writes the offset.
(* keep_hierarchy *)
module atomik_regfile_w64_d512_l1_reference (
    input  wire        clk,         // clock, rising edge
    input  wire [8:0]  addr_s6,     // lane 0's address
    input  wire        zero_s6,     // a clear: write zeros
    input  wire        load_s7,     // LOAD: set the reference to the value
    input  wire        freeze_s7,   // LOAD, SWAP, DRAIN: clear the delta
    input  wire [63:0] value_s7,    // LOAD's value
    input  wire [63:0] total_s7,    // xor of all lanes' words before the command
    input  wire        state_op_s9, // respond with the state, not the delta
    output wire [63:0] delta_s10,   // delta before the command
    output wire [63:0] chosen_s11   // state or delta before the command
);

    // Stage 7: same address as the command before? First step, by groups of bits.
    reg [8:0] addr_s7;
    reg [2:0] equal_s7;
    wire [2:0] equal_s7_next = {
        addr_s6[8:6] == addr_s7[8:6],
        addr_s6[5:3] == addr_s7[5:3],
        addr_s6[2:0] == addr_s7[2:0]
    };
    always @(posedge clk) begin
        addr_s7 <= addr_s6;
        equal_s7 <= equal_s7_next;
    end

    // The data.
    wire [63:0] slice0_delta_s10;
    wire [63:0] slice0_chosen_s11;
    atomik_regfile_w64_d512_l1_reference_slice slice0 (
        .clk         (clk),
        .addr_s6     (addr_s6),
        .zero_s6     (zero_s6),
        .equal_s7    (equal_s7),
        .load_s7     (load_s7),
        .freeze_s7   (freeze_s7),
        .value_s7    (value_s7),
        .total_s7    (total_s7),
        .state_op_s9 (state_op_s9),
        .delta_s10   (slice0_delta_s10),
        .chosen_s11  (slice0_chosen_s11)
    );
    wire [63:0] delta = slice0_delta_s10;
    assign delta_s10 = delta;
    wire [63:0] chosen = slice0_chosen_s11;
    assign chosen_s11 = chosen;
endmodule

// Response: the state or delta on its way, and whether the delta was zero, found four bits
// at a time.
module atomik_regfile_w64_d512_l1_respond (
    input  wire        clk,         // clock, rising edge
    input  wire        rst,         // synchronous reset, active high
    input  wire        rst_q,       // rst, a cycle later
    input  wire        clearing,    // a clear is running: nothing responds
    input  wire        respond_s10, // the command has a response
    input  wire [63:0] delta_s10,   // delta before the command
    input  wire [63:0] chosen_s11,  // what it responds with
    output wire        rsp_valid,   // a response is on the port
    output wire [63:0] rsp_data,    // state or delta
    output wire        rsp_clean    // the delta was 0
);

    // Stage 11: is any bit of the delta set?
    reg [15:0] any_s11;
    wire [15:0] any_next_s11 = {
        |delta_s10[63:60],
        |delta_s10[59:56],
        |delta_s10[55:52],
        |delta_s10[51:48],
        |delta_s10[47:44],
        |delta_s10[43:40],
        |delta_s10[39:36],
        |delta_s10[35:32],
        |delta_s10[31:28],
        |delta_s10[27:24],
        |delta_s10[23:20],
        |delta_s10[19:16],
        |delta_s10[15:12],
        |delta_s10[11:8],
        |delta_s10[7:4],
        |delta_s10[3:0]
    };
    always @(posedge clk) begin
        any_s11 <= any_next_s11;
    end

    // Stage 12: is any bit of the delta set?
    reg [3:0] any_s12;
    wire [3:0] any_next_s12 = {|any_s11[15:12], |any_s11[11:8], |any_s11[7:4], |any_s11[3:0]};
    always @(posedge clk) begin
        any_s12 <= any_next_s12;
    end

    // Responses due during a reset or a clear are dropped.
    reg respond_s11, respond_s12;
    wire keep = ~(rst | rst_q | clearing);
    always @(posedge clk) begin
        respond_s11 <= respond_s10;
        respond_s12 <= respond_s11 & keep;
    end

    // Stage 13: output registers.
    reg valid_s13, clean_s13;
    reg [63:0] chosen_s12, chosen_s13;
    assign rsp_valid = valid_s13;
    assign rsp_data = chosen_s13;
    assign rsp_clean = clean_s13;
    always @(posedge clk) begin
        if (rst) begin
            valid_s13 <= 1'd0;
        end else begin
            valid_s13 <= respond_s12;
        end
        clean_s13 <= ~(|any_s12);
        chosen_s12 <= chosen_s11;
        chosen_s13 <= chosen_s12;
    end
endmodule

// 64 bits of a lane: deltas in flight, the accumulator memory and its readout copy.
// The lane compares addresses; what the comparisons say is registered here once more.
(* keep_hierarchy *)
module atomik_regfile_w64_d512_l1_lane_slice (
    input  wire        clk,           // clock, rising edge
    input  wire [8:0]  addr_s1,       // where to accumulate
    input  wire [8:0]  addr_s4,       // the same, later
    input  wire        clearing,      // a clear: the word becomes zero
    input  wire [2:0]  equal1_s2,     // address as that of the command 1 before, by groups of bits
    input  wire [2:0]  equal2_s2,     // address as that of the command 2 before, by groups of bits
    input  wire [2:0]  equal3_s2,     // address as that of the command 3 before, by groups of bits
    input  wire        valid_s3,      // there is a command
    input  wire        valid_s4,      // there is a command
    input  wire        valid_s5,      // there is a command
    input  wire [2:0]  read_equal_s3, // lane 0 reads the address of the command before
    input  wire [8:0]  read_addr_s3,  // lane 0's address
    input  wire [63:0] data,          // delta
    output wire [63:0] word_s7,       // the word at lane 0's address
    output wire [63:0] passed_s5      // the delta, on its way
);

    // The delta on its way to the memory.
    reg zero_s1, zero_s2, zero_s3;
    reg [63:0] data_s1, data_s2, data_s3, data_s4, data_s5;
    assign passed_s5 = data_s5;
    always @(posedge clk) begin
        zero_s1 <= clearing;
        zero_s2 <= zero_s1;
        zero_s3 <= zero_s2;
        data_s1 <= data;
        if (zero_s1) begin
            data_s2 <= 64'd0;
        end else begin
            data_s2 <= data_s1;
        end
        data_s3 <= data_s2;
        data_s4 <= data_s3;
        data_s5 <= data_s4;
    end

    // Stage 3: same address, and there was a command. A clear looks at none of them, its delta is
    // zero and it replaces the word that it reads.
    reg hit1_s3, hit2_s3, hit3_s3;
    always @(posedge clk) begin
        if (zero_s2) begin
            hit1_s3 <= 1'd0;
            hit2_s3 <= 1'd0;
            hit3_s3 <= 1'd0;
        end else begin
            hit1_s3 <= (&equal1_s2) & valid_s3;
            hit2_s3 <= (&equal2_s2) & valid_s4;
            hit3_s3 <= (&equal3_s2) & valid_s5;
        end
    end

    // Write port, declared here because later commands look at it.
    reg write_en_s5;
    reg [8:0] write_addr_s5;
    reg [63:0] sum_s5, sum_s6, sum_s7;
    always @(posedge clk) begin
        sum_s6 <= sum_s5;
        sum_s7 <= sum_s6;
        write_en_s5 <= valid_s4;
        write_addr_s5 <= addr_s4;
    end

    // Stage 4: what the memory does not hold yet.
    reg [63:0] own_s4;
    reg replace_s4;
    reg [63:0] earlier_s4;
    wire [63:0] in_flight1_s3 = hit1_s3 ? data_s4 : 64'd0;
    wire [63:0] in_flight2_s3 = hit2_s3 ? data_s5 : 64'd0;
    wire [63:0] in_flight3_s3 = hit3_s3 ? sum_s6 : 64'd0;
    always @(posedge clk) begin
        own_s4 <= data_s3 ^ in_flight1_s3;
        replace_s4 <= hit3_s3 | zero_s3;
        earlier_s4 <= in_flight2_s3 ^ in_flight3_s3;
    end

    // The loop's memory.
    reg [8:0] addr_s2;
    wire [63:0] loop_memory_read_data;
    atomik_regfile_w64_d512_l1_memory loop_memory (
        .clk        (clk),
        .write_en   (write_en_s5),
        .write_addr (write_addr_s5),
        .write_data (sum_s5),
        .read_addr  (addr_s2),
        .read_data  (loop_memory_read_data)
    );
    always @(posedge clk) begin
        addr_s2 <= addr_s1;
    end

    // Stage 5: one level of logic behind the memory, then the write registers.
    wire [63:0] kept_s4 = replace_s4 ? 64'd0 : loop_memory_read_data;
    always @(posedge clk) begin
        sum_s5 <= kept_s4 ^ own_s4 ^ earlier_s4;
    end

    // The copy that lane 0 reads.
    reg [8:0] read_addr_s4;
    wire [63:0] read_memory_read_data;
    atomik_regfile_w64_d512_l1_memory read_memory (
        .clk        (clk),
        .write_en   (write_en_s5),
        .write_addr (write_addr_s5),
        .write_data (sum_s5),
        .read_addr  (read_addr_s4),
        .read_data  (read_memory_read_data)
    );
    always @(posedge clk) begin
        read_addr_s4 <= read_addr_s3;
    end

    // Stage 7: the word. If the command before wrote it at the edge of the read, what it wrote.
    reg read_hit_s4, read_hit_s5, read_hit_s6;
    reg [63:0] out_s7;
    assign word_s7 = out_s7;
    always @(posedge clk) begin
        read_hit_s4 <= (&read_equal_s3) & valid_s4;
        read_hit_s5 <= read_hit_s4;
        read_hit_s6 <= read_hit_s5;
        if (read_hit_s6) begin
            out_s7 <= sum_s7;
        end else begin
            out_s7 <= read_memory_read_data;
        end
    end
endmodule

// Memory of 512 x 64 bits, one write port and one read port.
// A read takes two cycles: the array is read into array_q, which is registered again, as in
// block RAM with its output register. Nothing relies on what a read returns at the edge that
// writes the same address, so no_rw_check holds: every reader replaces that word.
module atomik_regfile_w64_d512_l1_memory (
    input  wire        clk,        // clock, rising edge
    input  wire        write_en,   // write write_data at this edge
    input  wire [8:0]  write_addr, // where to write
    input  wire [63:0] write_data, // what to write
    input  wire [8:0]  read_addr,  // where to read
    output reg  [63:0] read_data   // the word at read_addr, two edges later
);
    (* no_rw_check, ram_style = "block" *)
    reg [63:0] mem [0:511];
    reg [63:0] array_q;

    always @(posedge clk) begin
        if (write_en)
            mem[write_addr] <= write_data;
        array_q <= mem[read_addr];
        read_data <= array_q;
    end
endmodule

// 64 bits of the reference side, with registers of its own for what steers them.
(* keep_hierarchy *)
module atomik_regfile_w64_d512_l1_reference_slice (
    input  wire        clk,         // clock, rising edge
    input  wire [8:0]  addr_s6,     // lane 0's address
    input  wire        zero_s6,     // a clear: write zeros
    input  wire [2:0]  equal_s7,    // address as that of the command before, by groups of bits
    input  wire        load_s7,     // LOAD: set the reference to the value
    input  wire        freeze_s7,   // LOAD, SWAP, DRAIN: clear the delta
    input  wire [63:0] value_s7,    // LOAD's value
    input  wire [63:0] total_s7,    // xor of all lanes' words
    input  wire        state_op_s9, // respond with the state, not the delta
    output wire [63:0] delta_s10,   // delta before the command
    output wire [63:0] chosen_s11   // state or delta before the command
);

    // Stage 8: what the memories are written with.
    reg [8:0] addr_s7, addr_s8;
    reg zero_s7, freeze_s8, load_s8;
    reg [63:0] base_s8, offset_s8;
    reg base_hit_s8, offset_hit_s8;
    always @(posedge clk) begin
        addr_s7 <= addr_s6;
        addr_s8 <= addr_s7;
        zero_s7 <= zero_s6;
        freeze_s8 <= freeze_s7;
        load_s8 <= load_s7;
        if (zero_s7) begin
            base_s8 <= 64'd0;
            offset_s8 <= 64'd0;
        end else begin
            base_s8 <= total_s7;
            offset_s8 <= total_s7 ^ value_s7;
        end
        base_hit_s8 <= (&equal_s7) & freeze_s8;
        offset_hit_s8 <= (&equal_s7) & load_s8;
    end

    // The command one cycle before writes at the edge at which this one reads: its words
    // replace those read.
    reg [63:0] base_s9, offset_s9;
    reg base_hit_s9, offset_hit_s9;
    always @(posedge clk) begin
        base_s9 <= base_s8;
        offset_s9 <= offset_s8;
        base_hit_s9 <= base_hit_s8;
        offset_hit_s9 <= offset_hit_s8;
    end

    // Stage 9: total (which base_s8 still is) with the words that replace those read.
    reg [63:0] delta_part_s9, state_part_s9;
    wire [63:0] new_base_s8 = base_hit_s8 ? base_s9 : 64'd0;
    wire [63:0] new_offset_s8 = offset_hit_s8 ? offset_s9 : 64'd0;
    always @(posedge clk) begin
        delta_part_s9 <= base_s8 ^ new_base_s8;
        state_part_s9 <= base_s8 ^ new_offset_s8;
    end

    // The memories.
    wire [63:0] base_memory_read_data;
    atomik_regfile_w64_d512_l1_memory base_memory (
        .clk        (clk),
        .write_en   (freeze_s8),
        .write_addr (addr_s8),
        .write_data (base_s8),
        .read_addr  (addr_s7),
        .read_data  (base_memory_read_data)
    );
    wire [63:0] offset_memory_read_data;
    atomik_regfile_w64_d512_l1_memory offset_memory (
        .clk        (clk),
        .write_en   (load_s8),
        .write_addr (addr_s8),
        .write_data (offset_s8),
        .read_addr  (addr_s7),
        .read_data  (offset_memory_read_data)
    );

    // Stage 10: delta and state before the command. Stage 11: the one that is asked for.
    reg [63:0] delta_q, state_q;
    reg state_op_s10;
    reg [63:0] chosen_q;
    wire [63:0] old_base_s9 = base_hit_s9 ? 64'd0 : base_memory_read_data;
    wire [63:0] old_offset_s9 = offset_hit_s9 ? 64'd0 : offset_memory_read_data;
    assign delta_s10 = delta_q;
    assign chosen_s11 = chosen_q;
    always @(posedge clk) begin
        delta_q <= old_base_s9 ^ delta_part_s9;
        state_q <= old_offset_s9 ^ state_part_s9;
        state_op_s10 <= state_op_s9;
        if (state_op_s10) begin
            chosen_q <= state_q;
        end else begin
            chosen_q <= delta_q;
        end
    end
endmodule

`default_nettype wire
