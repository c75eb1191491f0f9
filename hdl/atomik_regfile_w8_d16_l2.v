// atomik_regfile_w8_d16_l2: XOR accumulator register file
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Generated; do not edit. Regenerate with:
//     atomik hdl generate --width 8 --depth 16 --lanes 2
//
// 16 addresses of 8 bits, 2 lanes.
// Every lane accepts one command in every cycle, whatever the addresses.
// LATENCY = 13: a response comes exactly 13 cycles after its command.
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
//     cmd_valid  in  [1:0]     lane l offers a command in this cycle
//     cmd_op     in  [2:0]     op of lane 0; the other lanes always accumulate
//     cmd_addr   in  [7:0]     address of each lane, lane 0 in the low bits
//     cmd_data   in  [15:0]    value or delta of each lane, lane 0 low
//     rsp_valid  out           a response is on the port
//     rsp_data   out [7:0]     state or delta, by the op; 0 when rsp_valid is 0
//     rsp_clean  out           the delta was 0 before the op; 0 when rsp_valid is 0

`default_nettype none

module atomik_regfile_w8_d16_l2 (
    input  wire        clk,       // clock, rising edge
    input  wire        rst,       // synchronous reset, active high
    output wire        ready,     // memories are clear, commands are accepted
    input  wire [1:0]  cmd_valid, // lane l offers a command in this cycle
    input  wire [2:0]  cmd_op,    // op of lane 0; the other lanes always accumulate
    input  wire [7:0]  cmd_addr,  // address of each lane, lane 0 in the low bits
    input  wire [15:0] cmd_data,  // value or delta of each lane, lane 0 low
    output wire        rsp_valid, // a response is on the port
    output wire [7:0]  rsp_data,  // state or delta, by the op; 0 when rsp_valid is 0
    output wire        rsp_clean  // the delta was 0 before the op; 0 when rsp_valid is 0
);

    // Reset: clears every address, holding ready low.
    wire clear_ready;
    wire clear_active;
    wire [3:0] clear_addr;
    atomik_regfile_w8_d16_l2_clear clear (
        .clk    (clk),
        .rst    (rst),
        .ready  (clear_ready),
        .active (clear_active),
        .addr   (clear_addr)
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

    // Stage 1: the lanes' commands.
    reg [3:0] addr0_s1, addr1_s1;
    reg [7:0] data0_s1, data1_s1;
    reg valid1_s1;
    always @(posedge clk) begin
        addr0_s1 <= cmd_addr[3:0];
        addr1_s1 <= cmd_addr[7:4];
        data0_s1 <= cmd_data[7:0];
        data1_s1 <= cmd_data[15:8];
        valid1_s1 <= cmd_valid[1] & clear_ready;
    end

    // Lane 0's command, beside the lanes.
    reg [3:0] addr_s2, addr_s3, addr_s4, addr_s5, addr_s6, addr_s7, addr_s8;
    reg [7:0] value_s2, value_s3, value_s4, value_s5, value_s6, value_s7, value_s8;
    reg load_s2, load_s3, load_s4, load_s5, load_s6, load_s7, load_s8, freeze_s2, freeze_s3;
    reg freeze_s4, freeze_s5, freeze_s6, freeze_s7, freeze_s8, respond_s2, respond_s3, respond_s4;
    reg respond_s5, respond_s6, respond_s7, respond_s8, respond_s9, respond_s10, respond_s11;
    reg state_op_s2, state_op_s3, state_op_s4, state_op_s5, state_op_s6, state_op_s7, state_op_s8;
    reg state_op_s9, state_op_s10, state_op_s11;
    always @(posedge clk) begin
        addr_s2 <= addr0_s1;
        addr_s3 <= addr_s2;
        addr_s4 <= addr_s3;
        addr_s5 <= addr_s4;
        addr_s6 <= addr_s5;
        addr_s7 <= addr_s6;
        addr_s8 <= addr_s7;
        value_s2 <= data0_s1;
        value_s3 <= value_s2;
        value_s4 <= value_s3;
        value_s5 <= value_s4;
        value_s6 <= value_s5;
        value_s7 <= value_s6;
        value_s8 <= value_s7;
        load_s2 <= load_s1;
        load_s3 <= load_s2;
        load_s4 <= load_s3;
        load_s5 <= load_s4;
        load_s6 <= load_s5;
        load_s7 <= load_s6;
        load_s8 <= load_s7;
        freeze_s2 <= freeze_s1;
        freeze_s3 <= freeze_s2;
        freeze_s4 <= freeze_s3;
        freeze_s5 <= freeze_s4;
        freeze_s6 <= freeze_s5;
        freeze_s7 <= freeze_s6;
        freeze_s8 <= freeze_s7;
        respond_s2 <= respond_s1;
        respond_s3 <= respond_s2;
        respond_s4 <= respond_s3;
        respond_s5 <= respond_s4;
        respond_s6 <= respond_s5;
        respond_s7 <= respond_s6;
        respond_s8 <= respond_s7;
        respond_s9 <= respond_s8;
        respond_s10 <= respond_s9;
        respond_s11 <= respond_s10;
        state_op_s2 <= state_s1;
        state_op_s3 <= state_op_s2;
        state_op_s4 <= state_op_s3;
        state_op_s5 <= state_op_s4;
        state_op_s6 <= state_op_s5;
        state_op_s7 <= state_op_s6;
        state_op_s8 <= state_op_s7;
        state_op_s9 <= state_op_s8;
        state_op_s10 <= state_op_s9;
        state_op_s11 <= state_op_s10;
    end

    // The lanes.
    wire [7:0] lane0_word_s7;
    atomik_regfile_w8_d16_l2_lane lane0 (
        .clk          (clk),
        .clearing     (clear_active),
        .clear_addr   (clear_addr),
        .valid_s1     (accum_s1),
        .addr_s1      (addr0_s1),
        .data_s1      (data0_s1),
        .read_addr_s1 (addr0_s1),
        .read_addr_s4 (addr_s4),
        .word_s7      (lane0_word_s7)
    );
    wire [7:0] lane1_word_s7;
    atomik_regfile_w8_d16_l2_lane lane1 (
        .clk          (clk),
        .clearing     (clear_active),
        .clear_addr   (clear_addr),
        .valid_s1     (valid1_s1),
        .addr_s1      (addr1_s1),
        .data_s1      (data1_s1),
        .read_addr_s1 (addr0_s1),
        .read_addr_s4 (addr_s4),
        .word_s7      (lane1_word_s7)
    );

    // Stage 8: merge, four words at a time.
    reg [7:0] merge0_s8;
    always @(posedge clk) begin
        merge0_s8 <= lane0_word_s7 ^ lane1_word_s7;
    end

    // Reference side.
    wire [7:0] reference_delta_s11;
    wire [7:0] reference_state_s11;
    atomik_regfile_w8_d16_l2_reference reference (
        .clk        (clk),
        .clearing   (clear_active),
        .clear_addr (clear_addr),
        .addr_s7    (addr_s7),
        .addr_s8    (addr_s8),
        .load_s8    (load_s8),
        .freeze_s8  (freeze_s8),
        .value_s8   (value_s8),
        .total_s8   (merge0_s8),
        .delta_s11  (reference_delta_s11),
        .state_s11  (reference_state_s11)
    );

    // Response.
    wire respond_rsp_valid;
    wire [7:0] respond_rsp_data;
    wire respond_rsp_clean;
    atomik_regfile_w8_d16_l2_respond respond (
        .clk          (clk),
        .rst          (rst),
        .clearing     (clear_active),
        .respond_s11  (respond_s11),
        .state_op_s11 (state_op_s11),
        .delta_s11    (reference_delta_s11),
        .state_s11    (reference_state_s11),
        .rsp_valid    (respond_rsp_valid),
        .rsp_data     (respond_rsp_data),
        .rsp_clean    (respond_rsp_clean)
    );
    assign rsp_valid = respond_rsp_valid;
    assign rsp_data = respond_rsp_data;
    assign rsp_clean = respond_rsp_clean;
endmodule

`line 1 "atomik_regfile_w8_d16_l2_clear.v" 0
// Clear sequencer. While active is high, every write port writes zeros to addr.
// It runs for 32 cycles after a reset: all addresses, and long enough for whatever
// was in flight to leave the pipeline without effect.
module atomik_regfile_w8_d16_l2_clear (
    input  wire       clk,    // clock, rising edge
    input  wire       rst,    // synchronous reset, active high
    output wire       ready,  // the clear has finished
    output wire       active, // write zeros
    output wire [3:0] addr    // where to write them
);

    // Position in the clear; last is high in its last cycle.
    reg [4:0] count;
    reg last, active_q, ready_q;
    wire [4:0] count_next = count + 5'd1;
    assign ready = ready_q;
    assign active = active_q;
    assign addr = count[3:0];
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

`line 1 "atomik_regfile_w8_d16_l2_lane.v" 0
// One lane: accumulates a delta into its own memory in every cycle, and reads the word at
// lane 0's address as every earlier command, and no later one, left it.
// x_s3 and x_s5, read in one cycle, belong to commands two cycles apart.
module atomik_regfile_w8_d16_l2_lane (
    input  wire       clk,          // clock, rising edge
    input  wire       clearing,     // write zeros to clear_addr instead
    input  wire [3:0] clear_addr,   // address to clear
    input  wire       valid_s1,     // accumulate
    input  wire [3:0] addr_s1,      // where
    input  wire [7:0] data_s1,      // delta
    input  wire [3:0] read_addr_s1, // lane 0's address
    input  wire [3:0] read_addr_s4, // the same, three cycles later
    output wire [7:0] word_s7       // this lane's word at lane 0's address
);

    // The command on its way to the memory.
    reg [3:0] addr_s2, addr_s3, addr_s4;
    reg [7:0] data_s2, data_s3, data_s4, data_s5;
    reg valid_s2, valid_s3, valid_s4;
    always @(posedge clk) begin
        addr_s2 <= addr_s1;
        addr_s3 <= addr_s2;
        addr_s4 <= addr_s3;
        data_s2 <= data_s1;
        data_s3 <= data_s2;
        data_s4 <= data_s3;
        data_s5 <= data_s4;
        valid_s2 <= valid_s1;
        valid_s3 <= valid_s2;
        valid_s4 <= valid_s3;
    end

    // Stage 2: same address as the command 1, 2, 3 cycles before? First step, by slices.
    reg [1:0] equal1_s2, equal2_s2, equal3_s2;
    wire [1:0] equal1_s2_next = {addr_s1[3] == addr_s2[3], addr_s1[2:0] == addr_s2[2:0]};
    wire [1:0] equal2_s2_next = {addr_s1[3] == addr_s3[3], addr_s1[2:0] == addr_s3[2:0]};
    wire [1:0] equal3_s2_next = {addr_s1[3] == addr_s4[3], addr_s1[2:0] == addr_s4[2:0]};
    always @(posedge clk) begin
        equal1_s2 <= equal1_s2_next;
        equal2_s2 <= equal2_s2_next;
        equal3_s2 <= equal3_s2_next;
    end

    // Local copies of the clear, which drives every write register.
    reg clear_q;
    reg [3:0] clear_addr_q;
    always @(posedge clk) begin
        clear_q <= clearing;
        clear_addr_q <= clear_addr;
    end

    // Stage 5: write port, declared here because later commands look at it.
    reg write_en_s5;
    reg [3:0] write_addr_s5;
    reg [7:0] sum_s5, sum_s6;
    always @(posedge clk) begin
        sum_s6 <= sum_s5;
    end

    // Stage 3: second step, and only if that command was one.
    reg hit1_s3, hit2_s3, hit3_s3;
    always @(posedge clk) begin
        hit1_s3 <= (&equal1_s2) & valid_s3;
        hit2_s3 <= (&equal2_s2) & valid_s4;
        hit3_s3 <= (&equal3_s2) & write_en_s5;
    end

    // Stage 4: what the memory does not hold yet.
    reg [7:0] own_s4, earlier_s4;
    reg replace_s4;
    wire [7:0] in_flight1_s3 = hit1_s3 ? data_s4 : 8'd0;
    wire [7:0] in_flight2_s3 = hit2_s3 ? data_s5 : 8'd0;
    wire [7:0] in_flight3_s3 = hit3_s3 ? sum_s6 : 8'd0;
    always @(posedge clk) begin
        own_s4 <= data_s3 ^ in_flight1_s3;
        earlier_s4 <= in_flight2_s3 ^ in_flight3_s3;
        replace_s4 <= hit3_s3;
    end

    // The loop's memory.
    wire [7:0] loop_memory_read_data;
    atomik_regfile_w8_d16_l2_memory loop_memory (
        .clk        (clk),
        .write_en   (write_en_s5),
        .write_addr (write_addr_s5),
        .write_data (sum_s5),
        .read_addr  (addr_s2),
        .read_data  (loop_memory_read_data)
    );

    // Stage 5: one level of logic behind the memory, then the write registers.
    wire [7:0] kept_s4 = replace_s4 ? 8'd0 : loop_memory_read_data;
    always @(posedge clk) begin
        write_en_s5 <= clear_q | valid_s4;
        if (clear_q) begin
            write_addr_s5 <= clear_addr_q;
            sum_s5 <= 8'd0;
        end else begin
            write_addr_s5 <= addr_s4;
            sum_s5 <= kept_s4 ^ own_s4 ^ earlier_s4;
        end
    end

    // Readout: did the command before lane 0's write the address that lane 0 reads?
    reg [1:0] read_equal_s2;
    reg read_hit_s3, read_hit_s4, read_hit_s5, read_hit_s6;
    reg [7:0] fresh_s6;
    wire [1:0] read_equal_s2_next = {
        read_addr_s1[3] == addr_s2[3],
        read_addr_s1[2:0] == addr_s2[2:0]
    };
    always @(posedge clk) begin
        read_equal_s2 <= read_equal_s2_next;
        read_hit_s3 <= (&read_equal_s2) & valid_s3;
        read_hit_s4 <= read_hit_s3;
        read_hit_s5 <= read_hit_s4;
        read_hit_s6 <= read_hit_s5;
        if (read_hit_s5) begin
            fresh_s6 <= sum_s6;
        end else begin
            fresh_s6 <= 8'd0;
        end
    end

    // The copy that lane 0 reads.
    wire [7:0] read_memory_read_data;
    atomik_regfile_w8_d16_l2_memory read_memory (
        .clk        (clk),
        .write_en   (write_en_s5),
        .write_addr (write_addr_s5),
        .write_data (sum_s5),
        .read_addr  (read_addr_s4),
        .read_data  (read_memory_read_data)
    );

    // Stage 7: the lane's word.
    reg [7:0] out_s7;
    wire [7:0] stored_s6 = read_hit_s6 ? 8'd0 : read_memory_read_data;
    assign word_s7 = out_s7;
    always @(posedge clk) begin
        out_s7 <= stored_s6 ^ fresh_s6;
    end
endmodule

`line 1 "atomik_regfile_w8_d16_l2_memory.v" 0
// Memory of 16 x 8 bits, one write port and one read port.
// A read takes two cycles: the array is read into array_q, which is registered again, as in
// block RAM with its output register. Nothing relies on what a read returns at the edge that
// writes the same address, so no_rw_check holds: every reader replaces that word.
module atomik_regfile_w8_d16_l2_memory (
    input  wire       clk,        // clock, rising edge
    input  wire       write_en,   // write write_data at this edge
    input  wire [3:0] write_addr, // where to write
    input  wire [7:0] write_data, // what to write
    input  wire [3:0] read_addr,  // where to read
    output reg  [7:0] read_data   // the word at read_addr, two edges later
);
    (* no_rw_check, ram_style = "distributed" *)
    reg [7:0] mem [0:15];
    reg [7:0] array_q;

    always @(posedge clk) begin
        if (write_en)
            mem[write_addr] <= write_data;
        array_q <= mem[read_addr];
        read_data <= array_q;
    end
endmodule

`line 1 "atomik_regfile_w8_d16_l2_reference.v" 0
// Reference side: base (the total at the last LOAD, SWAP or DRAIN) and offset (reference
// xor base) of every address. Delta = base ^ total, state = offset ^ total; SWAP and DRAIN
// change neither total nor state, so only LOAD writes the offset.
module atomik_regfile_w8_d16_l2_reference (
    input  wire       clk,        // clock, rising edge
    input  wire       clearing,   // write zeros to clear_addr instead
    input  wire [3:0] clear_addr, // address to clear
    input  wire [3:0] addr_s7,    // lane 0's address
    input  wire [3:0] addr_s8,    // the same, a cycle later
    input  wire       load_s8,    // LOAD: set the reference to the value
    input  wire       freeze_s8,  // LOAD, SWAP, DRAIN: clear the delta
    input  wire [7:0] value_s8,   // LOAD's value
    input  wire [7:0] total_s8,   // xor of all lanes' words before the command
    output wire [7:0] delta_s11,  // delta before the command
    output wire [7:0] state_s11   // state before the command
);

    // Local copies of the clear.
    reg clear_q;
    reg [3:0] clear_addr_q;
    always @(posedge clk) begin
        clear_q <= clearing;
        clear_addr_q <= clear_addr;
    end

    // Stage 9: write ports.
    reg [3:0] write_addr_s9;
    reg base_en_s9, offset_en_s9;
    reg [7:0] base_s9, offset_s9;
    always @(posedge clk) begin
        if (clear_q) begin
            write_addr_s9 <= clear_addr_q;
            base_en_s9 <= 1'd1;
            offset_en_s9 <= 1'd1;
            base_s9 <= 8'd0;
            offset_s9 <= 8'd0;
        end else begin
            write_addr_s9 <= addr_s8;
            base_en_s9 <= freeze_s8;
            offset_en_s9 <= load_s8;
            base_s9 <= total_s8;
            offset_s9 <= total_s8 ^ value_s8;
        end
    end

    // The command one cycle before writes at the edge at which this one reads: its words
    // replace those read.
    reg [7:0] base_s10, offset_s10;
    reg [1:0] equal_s8;
    reg base_hit_s9, offset_hit_s9, base_hit_s10, offset_hit_s10;
    wire [1:0] equal_s8_next = {addr_s7[3] == addr_s8[3], addr_s7[2:0] == addr_s8[2:0]};
    always @(posedge clk) begin
        base_s10 <= base_s9;
        offset_s10 <= offset_s9;
        equal_s8 <= equal_s8_next;
        base_hit_s9 <= (&equal_s8) & base_en_s9;
        offset_hit_s9 <= (&equal_s8) & offset_en_s9;
        base_hit_s10 <= base_hit_s9;
        offset_hit_s10 <= offset_hit_s9;
    end

    // Stage 10: total (which base_s9 still is) with the words that replace those read.
    reg [7:0] delta_part_s10, state_part_s10;
    wire [7:0] new_base_s9 = base_hit_s9 ? base_s10 : 8'd0;
    wire [7:0] new_offset_s9 = offset_hit_s9 ? offset_s10 : 8'd0;
    always @(posedge clk) begin
        delta_part_s10 <= base_s9 ^ new_base_s9;
        state_part_s10 <= base_s9 ^ new_offset_s9;
    end

    // The memories.
    wire [7:0] base_memory_read_data;
    atomik_regfile_w8_d16_l2_memory base_memory (
        .clk        (clk),
        .write_en   (base_en_s9),
        .write_addr (write_addr_s9),
        .write_data (base_s9),
        .read_addr  (addr_s8),
        .read_data  (base_memory_read_data)
    );
    wire [7:0] offset_memory_read_data;
    atomik_regfile_w8_d16_l2_memory offset_memory (
        .clk        (clk),
        .write_en   (offset_en_s9),
        .write_addr (write_addr_s9),
        .write_data (offset_s9),
        .read_addr  (addr_s8),
        .read_data  (offset_memory_read_data)
    );

    // Stage 11: delta and state before the command.
    reg [7:0] delta_q, state_q;
    wire [7:0] old_base_s10 = base_hit_s10 ? 8'd0 : base_memory_read_data;
    wire [7:0] old_offset_s10 = offset_hit_s10 ? 8'd0 : offset_memory_read_data;
    assign delta_s11 = delta_q;
    assign state_s11 = state_q;
    always @(posedge clk) begin
        delta_q <= old_base_s10 ^ delta_part_s10;
        state_q <= old_offset_s10 ^ state_part_s10;
    end
endmodule

`line 1 "atomik_regfile_w8_d16_l2_respond.v" 0
// Response: state or delta, and whether the delta was zero, found four bits at a time.
// The outputs are registers and are 0 whenever there is no response.
module atomik_regfile_w8_d16_l2_respond (
    input  wire       clk,          // clock, rising edge
    input  wire       rst,          // synchronous reset, active high
    input  wire       clearing,     // a clear is running: nothing responds
    input  wire       respond_s11,  // the command has a response
    input  wire       state_op_s11, // it is the state, not the delta
    input  wire [7:0] delta_s11,    // delta before the command
    input  wire [7:0] state_s11,    // state before the command
    output wire       rsp_valid,    // a response is on the port
    output wire [7:0] rsp_data,     // state or delta
    output wire       rsp_clean     // the delta was 0
);

    // Stage 12: choose.
    reg [7:0] chosen_s12;
    always @(posedge clk) begin
        if (state_op_s11) begin
            chosen_s12 <= state_s11;
        end else begin
            chosen_s12 <= delta_s11;
        end
    end

    // Stage 12: is any bit of the delta set?
    reg [1:0] any_s12;
    wire [1:0] any_next_s12 = {|delta_s11[7:4], |delta_s11[3:0]};
    always @(posedge clk) begin
        any_s12 <= any_next_s12;
    end

    // Responses due during a reset or a clear are dropped.
    reg respond_s12;
    wire keep = ~(rst | clearing);
    always @(posedge clk) begin
        respond_s12 <= respond_s11 & keep;
    end

    // Stage 13: output registers.
    reg valid_s13, clean_s13;
    reg [7:0] data_s13;
    assign rsp_valid = valid_s13;
    assign rsp_data = data_s13;
    assign rsp_clean = clean_s13;
    always @(posedge clk) begin
        if (rst) begin
            valid_s13 <= 1'd0;
            clean_s13 <= 1'd0;
            data_s13 <= 8'd0;
        end else begin
            valid_s13 <= respond_s12;
            clean_s13 <= respond_s12 & ~(|any_s12);
            if (respond_s12) begin
                data_s13 <= chosen_s12;
            end else begin
                data_s13 <= 8'd0;
            end
        end
    end
endmodule

`default_nettype wire
