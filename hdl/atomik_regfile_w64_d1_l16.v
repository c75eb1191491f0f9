// atomik_regfile_w64_d1_l16: XOR accumulator register file
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Generated; do not edit. Regenerate with:
//     atomik hdl generate --width 64 --depth 1 --lanes 16
//
// 1 address of 64 bits, 16 lanes.
// Every lane accepts one command in every cycle, whatever the addresses.
// LATENCY = 8: a response comes exactly 8 cycles after its command.
// CLEAR = 33: ready rises 33 cycles after the last cycle with rst high.
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
//     rsp_data   out [63:0]    state or delta, by the op; 0 when rsp_valid is 0
//     rsp_clean  out           the delta was 0 before the op; 0 when rsp_valid is 0

`default_nettype none

module atomik_regfile_w64_d1_l16 (
    input  wire          clk,       // clock, rising edge
    input  wire          rst,       // synchronous reset, active high
    output wire          ready,     // memories are clear, commands are accepted
    input  wire [15:0]   cmd_valid, // lane l offers a command in this cycle
    input  wire [2:0]    cmd_op,    // op of lane 0; the other lanes always accumulate
    input  wire [1023:0] cmd_data,  // value or delta of each lane, lane 0 low
    output wire          rsp_valid, // a response is on the port
    output wire [63:0]   rsp_data,  // state or delta, by the op; 0 when rsp_valid is 0
    output wire          rsp_clean  // the delta was 0 before the op; 0 when rsp_valid is 0
);

    // Reset: clears every address, holding ready low.
    wire clear_ready;
    wire clear_active;
    atomik_regfile_w64_d1_l16_clear clear (
        .clk    (clk),
        .rst    (rst),
        .ready  (clear_ready),
        .active (clear_active)
    );
    assign ready = clear_ready;

    // Stage 1: lane 0's op, one bit per effect.
    reg load_s1, freeze_s1, state_s1, respond_s1, accum_s1;
    wire accepted = cmd_valid[0] & clear_ready;
    wire is_load = cmd_op == 3'd1;
    wire is_accum = cmd_op == 3'd2;
    wire is_read = cmd_op == 3'd3;
    wire is_swap = cmd_op == 3'd4;
    wire is_delta = cmd_op == 3'd5;
    wire is_drain = cmd_op == 3'd6;
    always @(posedge clk) begin
        load_s1 <= accepted & is_load;
        freeze_s1 <= accepted & (is_load | is_swap | is_drain);
        state_s1 <= accepted & (is_read | is_swap);
        respond_s1 <= accepted & (is_read | is_swap | is_delta | is_drain);
        accum_s1 <= accepted & is_accum;
    end

    // Stage 1: the lanes' deltas.
    reg [63:0] data0_s1, data1_s1, data2_s1, data3_s1, data4_s1, data5_s1, data6_s1, data7_s1;
    reg [63:0] data8_s1, data9_s1, data10_s1, data11_s1, data12_s1, data13_s1, data14_s1, data15_s1;
    reg valid1_s1, valid2_s1, valid3_s1, valid4_s1, valid5_s1, valid6_s1, valid7_s1, valid8_s1;
    reg valid9_s1, valid10_s1, valid11_s1, valid12_s1, valid13_s1, valid14_s1, valid15_s1;
    always @(posedge clk) begin
        data0_s1 <= cmd_data[63:0];
        data1_s1 <= cmd_data[127:64];
        data2_s1 <= cmd_data[191:128];
        data3_s1 <= cmd_data[255:192];
        data4_s1 <= cmd_data[319:256];
        data5_s1 <= cmd_data[383:320];
        data6_s1 <= cmd_data[447:384];
        data7_s1 <= cmd_data[511:448];
        data8_s1 <= cmd_data[575:512];
        data9_s1 <= cmd_data[639:576];
        data10_s1 <= cmd_data[703:640];
        data11_s1 <= cmd_data[767:704];
        data12_s1 <= cmd_data[831:768];
        data13_s1 <= cmd_data[895:832];
        data14_s1 <= cmd_data[959:896];
        data15_s1 <= cmd_data[1023:960];
        valid1_s1 <= cmd_valid[1] & clear_ready;
        valid2_s1 <= cmd_valid[2] & clear_ready;
        valid3_s1 <= cmd_valid[3] & clear_ready;
        valid4_s1 <= cmd_valid[4] & clear_ready;
        valid5_s1 <= cmd_valid[5] & clear_ready;
        valid6_s1 <= cmd_valid[6] & clear_ready;
        valid7_s1 <= cmd_valid[7] & clear_ready;
        valid8_s1 <= cmd_valid[8] & clear_ready;
        valid9_s1 <= cmd_valid[9] & clear_ready;
        valid10_s1 <= cmd_valid[10] & clear_ready;
        valid11_s1 <= cmd_valid[11] & clear_ready;
        valid12_s1 <= cmd_valid[12] & clear_ready;
        valid13_s1 <= cmd_valid[13] & clear_ready;
        valid14_s1 <= cmd_valid[14] & clear_ready;
        valid15_s1 <= cmd_valid[15] & clear_ready;
    end

    // Stage 2: merge in pairs, leaving out lanes without a delta.
    reg [63:0] pair0_s2, pair1_s2, pair2_s2, pair3_s2, pair4_s2, pair5_s2, pair6_s2, pair7_s2;
    wire [63:0] offered0_s1 = accum_s1 ? data0_s1 : 64'd0;
    wire [63:0] offered1_s1 = valid1_s1 ? data1_s1 : 64'd0;
    wire [63:0] offered2_s1 = valid2_s1 ? data2_s1 : 64'd0;
    wire [63:0] offered3_s1 = valid3_s1 ? data3_s1 : 64'd0;
    wire [63:0] offered4_s1 = valid4_s1 ? data4_s1 : 64'd0;
    wire [63:0] offered5_s1 = valid5_s1 ? data5_s1 : 64'd0;
    wire [63:0] offered6_s1 = valid6_s1 ? data6_s1 : 64'd0;
    wire [63:0] offered7_s1 = valid7_s1 ? data7_s1 : 64'd0;
    wire [63:0] offered8_s1 = valid8_s1 ? data8_s1 : 64'd0;
    wire [63:0] offered9_s1 = valid9_s1 ? data9_s1 : 64'd0;
    wire [63:0] offered10_s1 = valid10_s1 ? data10_s1 : 64'd0;
    wire [63:0] offered11_s1 = valid11_s1 ? data11_s1 : 64'd0;
    wire [63:0] offered12_s1 = valid12_s1 ? data12_s1 : 64'd0;
    wire [63:0] offered13_s1 = valid13_s1 ? data13_s1 : 64'd0;
    wire [63:0] offered14_s1 = valid14_s1 ? data14_s1 : 64'd0;
    wire [63:0] offered15_s1 = valid15_s1 ? data15_s1 : 64'd0;
    always @(posedge clk) begin
        pair0_s2 <= offered0_s1 ^ offered1_s1;
        pair1_s2 <= offered2_s1 ^ offered3_s1;
        pair2_s2 <= offered4_s1 ^ offered5_s1;
        pair3_s2 <= offered6_s1 ^ offered7_s1;
        pair4_s2 <= offered8_s1 ^ offered9_s1;
        pair5_s2 <= offered10_s1 ^ offered11_s1;
        pair6_s2 <= offered12_s1 ^ offered13_s1;
        pair7_s2 <= offered14_s1 ^ offered15_s1;
    end

    // Stage 3: merge, four words at a time.
    reg [63:0] merge0_s3, merge1_s3;
    always @(posedge clk) begin
        merge0_s3 <= pair0_s2 ^ pair1_s2 ^ pair2_s2 ^ pair3_s2;
        merge1_s3 <= pair4_s2 ^ pair5_s2 ^ pair6_s2 ^ pair7_s2;
    end

    // Stage 4: merge, four words at a time.
    reg [63:0] merge0_s4;
    always @(posedge clk) begin
        merge0_s4 <= merge0_s3 ^ merge1_s3;
    end

    // Lane 0's command, beside the merge.
    reg [63:0] value_s2, value_s3, value_s4;
    reg load_s2, load_s3, load_s4, freeze_s2, freeze_s3, freeze_s4, respond_s2, respond_s3;
    reg respond_s4, respond_s5, state_op_s2, state_op_s3, state_op_s4, state_op_s5;
    always @(posedge clk) begin
        value_s2 <= data0_s1;
        value_s3 <= value_s2;
        value_s4 <= value_s3;
        load_s2 <= load_s1;
        load_s3 <= load_s2;
        load_s4 <= load_s3;
        freeze_s2 <= freeze_s1;
        freeze_s3 <= freeze_s2;
        freeze_s4 <= freeze_s3;
        respond_s2 <= respond_s1;
        respond_s3 <= respond_s2;
        respond_s4 <= respond_s3;
        respond_s5 <= respond_s4;
        state_op_s2 <= state_s1;
        state_op_s3 <= state_op_s2;
        state_op_s4 <= state_op_s3;
        state_op_s5 <= state_op_s4;
    end

    // Stage 4: the registers of the one address, as the command finds them.
    // total: xor of every delta so far. base: total at the last LOAD, SWAP or DRAIN.
    // offset: reference xor base. Delta = base ^ total, state = offset ^ total: SWAP and DRAIN
    // leave both the total and the state alone, so only LOAD moves the offset.
    reg [63:0] total, base, offset;
    always @(posedge clk) begin
        if (clear_active) begin
            total <= 64'd0;
            base <= 64'd0;
            offset <= 64'd0;
        end else begin
            total <= total ^ merge0_s4;
            if (freeze_s4) begin
                base <= total;
            end
            if (load_s4) begin
                offset <= total ^ value_s4;
            end
        end
    end

    // Stage 5: delta and state before the command.
    reg [63:0] delta_s5, state_s5;
    always @(posedge clk) begin
        delta_s5 <= base ^ total;
        state_s5 <= offset ^ total;
    end

    // Response.
    wire respond_rsp_valid;
    wire [63:0] respond_rsp_data;
    wire respond_rsp_clean;
    atomik_regfile_w64_d1_l16_respond respond (
        .clk         (clk),
        .rst         (rst),
        .clearing    (clear_active),
        .respond_s5  (respond_s5),
        .state_op_s5 (state_op_s5),
        .delta_s5    (delta_s5),
        .state_s5    (state_s5),
        .rsp_valid   (respond_rsp_valid),
        .rsp_data    (respond_rsp_data),
        .rsp_clean   (respond_rsp_clean)
    );
    assign rsp_valid = respond_rsp_valid;
    assign rsp_data = respond_rsp_data;
    assign rsp_clean = respond_rsp_clean;
endmodule

`line 1 "atomik_regfile_w64_d1_l16_clear.v" 0
// Clear sequencer. While active is high, every write port writes zeros to addr.
// It runs for 32 cycles after a reset: all addresses, and long enough for whatever
// was in flight to leave the pipeline without effect.
module atomik_regfile_w64_d1_l16_clear (
    input  wire clk,    // clock, rising edge
    input  wire rst,    // synchronous reset, active high
    output wire ready,  // the clear has finished
    output wire active  // write zeros
);

    // Position in the clear; last is high in its last cycle.
    reg [4:0] count;
    reg last, active_q, ready_q;
    wire [4:0] count_next = count + 5'd1;
    assign ready = ready_q;
    assign active = active_q;
    always @(posedge clk) begin
        if (rst) begin
            count <= 5'd0;
            last <= 1'd0;
            active_q <= 1'd1;
            ready_q <= 1'd0;
        end else begin
            count <= count_next;
            last <= &count_next;
            if (last) begin
                active_q <= 1'd0;
                ready_q <= 1'd1;
            end
        end
    end
endmodule

`line 1 "atomik_regfile_w64_d1_l16_respond.v" 0
// Response: state or delta, and whether the delta was zero, found four bits at a time.
// The outputs are registers and are 0 whenever there is no response.
module atomik_regfile_w64_d1_l16_respond (
    input  wire        clk,         // clock, rising edge
    input  wire        rst,         // synchronous reset, active high
    input  wire        clearing,    // a clear is running: nothing responds
    input  wire        respond_s5,  // the command has a response
    input  wire        state_op_s5, // it is the state, not the delta
    input  wire [63:0] delta_s5,    // delta before the command
    input  wire [63:0] state_s5,    // state before the command
    output wire        rsp_valid,   // a response is on the port
    output wire [63:0] rsp_data,    // state or delta
    output wire        rsp_clean    // the delta was 0
);

    // Stage 6: choose.
    reg [63:0] chosen_s6, chosen_s7;
    always @(posedge clk) begin
        if (state_op_s5) begin
            chosen_s6 <= state_s5;
        end else begin
            chosen_s6 <= delta_s5;
        end
        chosen_s7 <= chosen_s6;
    end

    // Stage 6: is any bit of the delta set?
    reg [15:0] any_s6;
    wire [15:0] any_next_s6 = {
        |delta_s5[63:60],
        |delta_s5[59:56],
        |delta_s5[55:52],
        |delta_s5[51:48],
        |delta_s5[47:44],
        |delta_s5[43:40],
        |delta_s5[39:36],
        |delta_s5[35:32],
        |delta_s5[31:28],
        |delta_s5[27:24],
        |delta_s5[23:20],
        |delta_s5[19:16],
        |delta_s5[15:12],
        |delta_s5[11:8],
        |delta_s5[7:4],
        |delta_s5[3:0]
    };
    always @(posedge clk) begin
        any_s6 <= any_next_s6;
    end

    // Stage 7: is any bit of the delta set?
    reg [3:0] any_s7;
    wire [3:0] any_next_s7 = {|any_s6[15:12], |any_s6[11:8], |any_s6[7:4], |any_s6[3:0]};
    always @(posedge clk) begin
        any_s7 <= any_next_s7;
    end

    // Responses due during a reset or a clear are dropped.
    reg respond_s6, respond_s7;
    wire keep = ~(rst | clearing);
    always @(posedge clk) begin
        respond_s6 <= respond_s5;
        respond_s7 <= respond_s6 & keep;
    end

    // Stage 8: output registers.
    reg valid_s8, clean_s8;
    reg [63:0] data_s8;
    assign rsp_valid = valid_s8;
    assign rsp_data = data_s8;
    assign rsp_clean = clean_s8;
    always @(posedge clk) begin
        if (rst) begin
            valid_s8 <= 1'd0;
            clean_s8 <= 1'd0;
            data_s8 <= 64'd0;
        end else begin
            valid_s8 <= respond_s7;
            clean_s8 <= respond_s7 & ~(|any_s7);
            if (respond_s7) begin
                data_s8 <= chosen_s7;
            end else begin
                data_s8 <= 64'd0;
            end
        end
    end
endmodule

`default_nettype wire
