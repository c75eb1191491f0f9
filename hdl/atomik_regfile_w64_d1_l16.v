// atomik_regfile_w64_d1_l16: XOR accumulator register file
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Generated; do not edit. Regenerate with:
//     atomik hdl generate --width 64 --depth 1 --lanes 16
//
// 1 address of 64 bits, 16 lanes.
// Every lane accepts one command in every cycle, whatever the addresses.
// LATENCY = 9: a response comes exactly 9 cycles after its command.
// CLEAR = 43: ready rises 43 cycles after the last cycle with rst high.
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
//     cmd_valid  in  [15:0]    lane l offers a command in this cycle
//     cmd_op     in  [2:0]     op of lane 0; the other lanes always accumulate
//     cmd_data   in  [1023:0]  value or delta of each lane, lane 0 low
//     rsp_valid  out           a response is on the port
//     rsp_data   out [63:0]    state or delta, by the op, if rsp_valid is high
//     rsp_clean  out           the delta was 0 before the op, if rsp_valid is high

`timescale 1ns / 1ps
`default_nettype none

module atomik_regfile_w64_d1_l16 (
    input  wire          clk,       // clock, rising edge
    input  wire          rst,       // synchronous reset, active high
    output wire          ready,     // memories are clear, commands are accepted
    input  wire [15:0]   cmd_valid, // lane l offers a command in this cycle
    input  wire [2:0]    cmd_op,    // op of lane 0; the other lanes always accumulate
    input  wire [1023:0] cmd_data,  // value or delta of each lane, lane 0 low
    output wire          rsp_valid, // a response is on the port
    output wire [63:0]   rsp_data,  // state or delta, by the op, if rsp_valid is high
    output wire          rsp_clean  // the delta was 0 before the op, if rsp_valid is high
);

    // Reset: clears every address, holding ready low.
    wire clear_ready;
    wire clear_rst_q;
    wire unused_clear_active;
    wire clear_hold;
    atomik_regfile_w64_d1_l16_clear clear (
        .clk    (clk),
        .rst    (rst),
        .ready  (clear_ready),
        .rst_q  (clear_rst_q),
        .active (unused_clear_active),
        .hold   (clear_hold)
    );
    assign ready = clear_ready;

    // The clear, as a command that leaves nothing.
    reg clearing;
    always @(posedge clk) begin
        clearing <= clear_hold;
    end

    // Stage 1: lane 0's op, one bit per effect.
    reg load_s1, freeze_s1, live_s1, zero_s1, state_s1, respond_s1;
    wire is_load = cmd_op == 3'd1;
    wire is_read = cmd_op == 3'd3;
    wire is_swap = cmd_op == 3'd4;
    wire is_delta = cmd_op == 3'd5;
    wire is_drain = cmd_op == 3'd6;
    always @(posedge clk) begin
        load_s1 <= cmd_valid[0] & is_load;
        freeze_s1 <= cmd_valid[0] & (is_load | is_swap | is_drain);
        live_s1 <= clear_ready;
        zero_s1 <= clearing;
        state_s1 <= is_read | is_swap;
        respond_s1 <= clear_ready & cmd_valid[0] & (is_read | is_swap | is_delta | is_drain);
    end

    // Stage 2: only what was accepted. A clear loads zeros.
    reg load_s2, freeze_s2;
    always @(posedge clk) begin
        load_s2 <= zero_s1 | (load_s1 & live_s1);
        freeze_s2 <= zero_s1 | (freeze_s1 & live_s1);
    end

    // Stage 1: which lanes have a delta.
    wire [15:0] relay0_valid_s1;
    atomik_regfile_w64_d1_l16_relay relay0 (
        .clk      (clk),
        .valid    (cmd_valid),
        .op       (cmd_op),
        .valid_s1 (relay0_valid_s1)
    );

    // Lane 0's command, beside the deltas.
    reg load_s3, load_s4, freeze_s3, freeze_s4, zero_s2, zero_s3, zero_s4, respond_s2, respond_s3;
    reg respond_s4, respond_s5, respond_s6, state_op_s2, state_op_s3, state_op_s4, state_op_s5;
    always @(posedge clk) begin
        load_s3 <= load_s2;
        load_s4 <= load_s3;
        freeze_s3 <= freeze_s2;
        freeze_s4 <= freeze_s3;
        zero_s2 <= zero_s1;
        zero_s3 <= zero_s2;
        zero_s4 <= zero_s3;
        respond_s2 <= respond_s1;
        respond_s3 <= respond_s2;
        respond_s4 <= respond_s3;
        respond_s5 <= respond_s4;
        respond_s6 <= respond_s5;
        state_op_s2 <= state_s1;
        state_op_s3 <= state_op_s2;
        state_op_s4 <= state_op_s3;
        state_op_s5 <= state_op_s4;
    end

    // The data.
    wire [1023:0] data_slice0 = {
        cmd_data[1023:960],
        cmd_data[959:896],
        cmd_data[895:832],
        cmd_data[831:768],
        cmd_data[767:704],
        cmd_data[703:640],
        cmd_data[639:576],
        cmd_data[575:512],
        cmd_data[511:448],
        cmd_data[447:384],
        cmd_data[383:320],
        cmd_data[319:256],
        cmd_data[255:192],
        cmd_data[191:128],
        cmd_data[127:64],
        cmd_data[63:0]
    };
    wire [63:0] slice0_delta_s6;
    wire [63:0] slice0_chosen_s7;
    atomik_regfile_w64_d1_l16_slice slice0 (
        .clk         (clk),
        .valid_s1    (relay0_valid_s1),
        .data        (data_slice0),
        .zero_s4     (zero_s4),
        .load_s4     (load_s4),
        .freeze_s4   (freeze_s4),
        .state_op_s5 (state_op_s5),
        .delta_s6    (slice0_delta_s6),
        .chosen_s7   (slice0_chosen_s7)
    );
    wire [63:0] delta = slice0_delta_s6;
    wire [63:0] chosen = slice0_chosen_s7;

    // Response.
    wire respond_rsp_valid;
    wire [63:0] respond_rsp_data;
    wire respond_rsp_clean;
    atomik_regfile_w64_d1_l16_respond respond (
        .clk        (clk),
        .rst        (rst),
        .rst_q      (clear_rst_q),
        .clearing   (clear_hold),
        .respond_s6 (respond_s6),
        .delta_s6   (delta),
        .chosen_s7  (chosen),
        .rsp_valid  (respond_rsp_valid),
        .rsp_data   (respond_rsp_data),
        .rsp_clean  (respond_rsp_clean)
    );
    assign rsp_valid = respond_rsp_valid;
    assign rsp_data = respond_rsp_data;
    assign rsp_clean = respond_rsp_clean;
endmodule

// The file is named after the module above.
// verilator lint_off DECLFILENAME

// Clear sequencer. While active is high, a clear of addr takes the place of every command.
// It runs for 32 cycles after a reset: all addresses, and long enough for whatever
// was in flight to leave the pipeline without effect. For 8 cycles more nothing is accepted:
// a lane must not read an address whose clear is still on its way to the memory.
module atomik_regfile_w64_d1_l16_clear (
    input  wire clk,    // clock, rising edge
    input  wire rst,    // synchronous reset, active high
    output wire ready,  // the clear has finished
    output wire rst_q,  // rst, a cycle later
    output wire active, // clear addr
    output wire hold    // take no command; falls one cycle before ready rises
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
    reg [2:0] count0;
    reg [1:0] count1;
    reg last, active_q, hold_q, ready_q, carry1, full1;
    wire nearly = count0 == 3'd6;
    assign ready = ready_q;
    assign active = active_q;
    assign hold = hold_q;
    always @(posedge clk) begin
        if (rst_delayed) begin
            count0 <= 3'd0;
            carry1 <= 1'd0;
            count1 <= 2'd0;
            full1 <= 1'd0;
            last <= 1'd0;
            active_q <= 1'd1;
            hold_q <= 1'd1;
        end else begin
            count0 <= count0 + 3'd1;
            carry1 <= nearly;
            if (carry1) begin
                count1 <= count1 + 2'd1;
            end
            full1 <= &count1;
            last <= nearly & full1;
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

// Relay: which lanes have a delta, for up to 4 slices.
(* keep_hierarchy *)
module atomik_regfile_w64_d1_l16_relay (
    input  wire        clk,      // clock, rising edge
    input  wire [15:0] valid,    // lane l offers a command
    input  wire [2:0]  op,       // op of lane 0
    output wire [15:0] valid_s1  // lane l has a delta, a cycle later
);

    reg [15:0] valid_q;
    wire [15:0] has_delta = {
        valid[15],
        valid[14],
        valid[13],
        valid[12],
        valid[11],
        valid[10],
        valid[9],
        valid[8],
        valid[7],
        valid[6],
        valid[5],
        valid[4],
        valid[3],
        valid[2],
        valid[1],
        valid[0] & (op == 3'd2)
    };
    assign valid_s1 = valid_q;
    always @(posedge clk) begin
        valid_q <= has_delta;
    end
endmodule

// 64 bits of the accumulator, with registers of its own for what steers them.
(* keep_hierarchy *)
module atomik_regfile_w64_d1_l16_slice (
    input  wire          clk,         // clock, rising edge
    input  wire [15:0]   valid_s1,    // lane l has a delta
    input  wire [1023:0] data,        // the lanes' deltas, lane 0 in the low bits
    input  wire          zero_s4,     // a clear: everything becomes zero
    input  wire          load_s4,     // LOAD: set the reference to the value
    input  wire          freeze_s4,   // LOAD, SWAP, DRAIN: clear the delta
    input  wire          state_op_s5, // respond with the state, not the delta
    output wire [63:0]   delta_s6,    // delta before the command
    output wire [63:0]   chosen_s7    // state or delta before the command
);

    // Stages 1 and 2: the lanes' deltas; in stage 1 the valid bits come from afar.
    reg [63:0] data0_s1, data0_s2, data1_s1, data1_s2, data2_s1, data2_s2, data3_s1, data3_s2;
    reg [63:0] data4_s1, data4_s2, data5_s1, data5_s2, data6_s1, data6_s2, data7_s1, data7_s2;
    reg [63:0] data8_s1, data8_s2, data9_s1, data9_s2, data10_s1, data10_s2, data11_s1, data11_s2;
    reg [63:0] data12_s1, data12_s2, data13_s1, data13_s2, data14_s1, data14_s2, data15_s1;
    reg [63:0] data15_s2;
    reg [15:0] valid_s2;
    always @(posedge clk) begin
        data0_s1 <= data[63:0];
        data0_s2 <= data0_s1;
        data1_s1 <= data[127:64];
        data1_s2 <= data1_s1;
        data2_s1 <= data[191:128];
        data2_s2 <= data2_s1;
        data3_s1 <= data[255:192];
        data3_s2 <= data3_s1;
        data4_s1 <= data[319:256];
        data4_s2 <= data4_s1;
        data5_s1 <= data[383:320];
        data5_s2 <= data5_s1;
        data6_s1 <= data[447:384];
        data6_s2 <= data6_s1;
        data7_s1 <= data[511:448];
        data7_s2 <= data7_s1;
        data8_s1 <= data[575:512];
        data8_s2 <= data8_s1;
        data9_s1 <= data[639:576];
        data9_s2 <= data9_s1;
        data10_s1 <= data[703:640];
        data10_s2 <= data10_s1;
        data11_s1 <= data[767:704];
        data11_s2 <= data11_s1;
        data12_s1 <= data[831:768];
        data12_s2 <= data12_s1;
        data13_s1 <= data[895:832];
        data13_s2 <= data13_s1;
        data14_s1 <= data[959:896];
        data14_s2 <= data14_s1;
        data15_s1 <= data[1023:960];
        data15_s2 <= data15_s1;
        valid_s2 <= valid_s1;
    end

    // Stage 3: merge in pairs, leaving out lanes without a delta.
    reg [63:0] pair0_s3, pair1_s3, pair2_s3, pair3_s3, pair4_s3, pair5_s3, pair6_s3, pair7_s3;
    wire [63:0] offered0_s2 = valid_s2[0] ? data0_s2 : 64'd0;
    wire [63:0] offered1_s2 = valid_s2[1] ? data1_s2 : 64'd0;
    wire [63:0] offered2_s2 = valid_s2[2] ? data2_s2 : 64'd0;
    wire [63:0] offered3_s2 = valid_s2[3] ? data3_s2 : 64'd0;
    wire [63:0] offered4_s2 = valid_s2[4] ? data4_s2 : 64'd0;
    wire [63:0] offered5_s2 = valid_s2[5] ? data5_s2 : 64'd0;
    wire [63:0] offered6_s2 = valid_s2[6] ? data6_s2 : 64'd0;
    wire [63:0] offered7_s2 = valid_s2[7] ? data7_s2 : 64'd0;
    wire [63:0] offered8_s2 = valid_s2[8] ? data8_s2 : 64'd0;
    wire [63:0] offered9_s2 = valid_s2[9] ? data9_s2 : 64'd0;
    wire [63:0] offered10_s2 = valid_s2[10] ? data10_s2 : 64'd0;
    wire [63:0] offered11_s2 = valid_s2[11] ? data11_s2 : 64'd0;
    wire [63:0] offered12_s2 = valid_s2[12] ? data12_s2 : 64'd0;
    wire [63:0] offered13_s2 = valid_s2[13] ? data13_s2 : 64'd0;
    wire [63:0] offered14_s2 = valid_s2[14] ? data14_s2 : 64'd0;
    wire [63:0] offered15_s2 = valid_s2[15] ? data15_s2 : 64'd0;
    always @(posedge clk) begin
        pair0_s3 <= offered0_s2 ^ offered1_s2;
        pair1_s3 <= offered2_s2 ^ offered3_s2;
        pair2_s3 <= offered4_s2 ^ offered5_s2;
        pair3_s3 <= offered6_s2 ^ offered7_s2;
        pair4_s3 <= offered8_s2 ^ offered9_s2;
        pair5_s3 <= offered10_s2 ^ offered11_s2;
        pair6_s3 <= offered12_s2 ^ offered13_s2;
        pair7_s3 <= offered14_s2 ^ offered15_s2;
    end

    // Stage 4: merge, four words at a time.
    reg [63:0] merge0_s4, merge1_s4;
    always @(posedge clk) begin
        merge0_s4 <= pair0_s3 ^ pair1_s3 ^ pair2_s3 ^ pair3_s3;
        merge1_s4 <= pair4_s3 ^ pair5_s3 ^ pair6_s3 ^ pair7_s3;
    end

    // Stage 5: merge, four words at a time.
    reg [63:0] merge0_s5;
    always @(posedge clk) begin
        merge0_s5 <= merge0_s4 ^ merge1_s4;
    end

    // Lane 0's command, beside the merge.
    reg [63:0] value_s3, value_s4, value_s5;
    reg zero_s5, load_s5, freeze_s5;
    always @(posedge clk) begin
        value_s3 <= data0_s2;
        value_s4 <= value_s3;
        value_s5 <= value_s4;
        zero_s5 <= zero_s4;
        load_s5 <= load_s4;
        freeze_s5 <= freeze_s4;
    end

    // Stage 5: the registers of the one address, as the command finds them.
    // total: xor of every delta so far. base: total at the last LOAD, SWAP or DRAIN.
    // offset: reference xor base. Delta = base ^ total, state = offset ^ total: SWAP and DRAIN
    // leave both the total and the state alone, so only LOAD moves the offset.
    reg [63:0] total, base, offset;
    always @(posedge clk) begin
        if (zero_s5) begin
            total <= 64'd0;
            base <= 64'd0;
            offset <= 64'd0;
        end else begin
            total <= total ^ merge0_s5;
            if (freeze_s5) begin
                base <= total;
            end
            if (load_s5) begin
                offset <= total ^ value_s5;
            end
        end
    end

    // Stage 6: delta and state before the command. Stage 7: the one that is asked for.
    reg [63:0] delta_q, state_q;
    reg state_op_s6;
    reg [63:0] chosen_q;
    assign delta_s6 = delta_q;
    assign chosen_s7 = chosen_q;
    always @(posedge clk) begin
        delta_q <= base ^ total;
        state_q <= offset ^ total;
        state_op_s6 <= state_op_s5;
        if (state_op_s6) begin
            chosen_q <= state_q;
        end else begin
            chosen_q <= delta_q;
        end
    end
endmodule

// Response: the state or delta on its way, and whether the delta was zero, found four bits
// at a time.
module atomik_regfile_w64_d1_l16_respond (
    input  wire        clk,        // clock, rising edge
    input  wire        rst,        // synchronous reset, active high
    input  wire        rst_q,      // rst, a cycle later
    input  wire        clearing,   // a clear is running: nothing responds
    input  wire        respond_s6, // the command has a response
    input  wire [63:0] delta_s6,   // delta before the command
    input  wire [63:0] chosen_s7,  // what it responds with
    output wire        rsp_valid,  // a response is on the port
    output wire [63:0] rsp_data,   // state or delta
    output wire        rsp_clean   // the delta was 0
);

    // Stage 7: is any bit of the delta set?
    reg [15:0] any_s7;
    wire [15:0] any_next_s7 = {
        |delta_s6[63:60],
        |delta_s6[59:56],
        |delta_s6[55:52],
        |delta_s6[51:48],
        |delta_s6[47:44],
        |delta_s6[43:40],
        |delta_s6[39:36],
        |delta_s6[35:32],
        |delta_s6[31:28],
        |delta_s6[27:24],
        |delta_s6[23:20],
        |delta_s6[19:16],
        |delta_s6[15:12],
        |delta_s6[11:8],
        |delta_s6[7:4],
        |delta_s6[3:0]
    };
    always @(posedge clk) begin
        any_s7 <= any_next_s7;
    end

    // Stage 8: is any bit of the delta set?
    reg [3:0] any_s8;
    wire [3:0] any_next_s8 = {|any_s7[15:12], |any_s7[11:8], |any_s7[7:4], |any_s7[3:0]};
    always @(posedge clk) begin
        any_s8 <= any_next_s8;
    end

    // Responses due during a reset or a clear are dropped.
    reg respond_s7, respond_s8;
    wire keep = ~(rst | rst_q | clearing);
    always @(posedge clk) begin
        respond_s7 <= respond_s6;
        respond_s8 <= respond_s7 & keep;
    end

    // Stage 9: output registers.
    reg valid_s9, clean_s9;
    reg [63:0] chosen_s8, chosen_s9;
    assign rsp_valid = valid_s9;
    assign rsp_data = chosen_s9;
    assign rsp_clean = clean_s9;
    always @(posedge clk) begin
        if (rst) begin
            valid_s9 <= 1'd0;
        end else begin
            valid_s9 <= respond_s8;
        end
        clean_s9 <= ~(|any_s8);
        chosen_s8 <= chosen_s7;
        chosen_s9 <= chosen_s8;
    end
endmodule

`default_nettype wire
