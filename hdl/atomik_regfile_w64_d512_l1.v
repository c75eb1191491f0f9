// atomik_regfile_w64_d512_l1: XOR accumulator register file
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Generated; do not edit. Regenerate with:
//     atomik hdl generate --width 64 --depth 512 --lanes 1
//
// 512 addresses of 64 bits, 1 lane.
// Every lane accepts one command in every cycle, whatever the addresses.
// LATENCY = 13: a response comes exactly 13 cycles after its command.
// CLEAR = 513: ready rises 513 cycles after the last cycle with rst high.
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
//     rsp_data   out [63:0]    state or delta, by the op; 0 when rsp_valid is 0
//     rsp_clean  out           the delta was 0 before the op; 0 when rsp_valid is 0

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
    output wire [63:0] rsp_data,  // state or delta, by the op; 0 when rsp_valid is 0
    output wire        rsp_clean  // the delta was 0 before the op; 0 when rsp_valid is 0
);

    // Reset: clears every address, holding ready low.
    wire clear_ready;
    wire clear_active;
    wire [8:0] clear_addr;
    atomik_regfile_w64_d512_l1_clear clear (
        .clk    (clk),
        .rst    (rst),
        .ready  (clear_ready),
        .active (clear_active),
        .addr   (clear_addr)
    );
    assign ready = clear_ready;

    // Stage 1: lane 0's op, one bit per effect.
    reg load_s1, freeze_s1, state_s1, respond_s1, accum_s1;
    wire accepted = cmd_valid & clear_ready;
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
    reg [8:0] addr0_s1;
    reg [63:0] data0_s1;
    always @(posedge clk) begin
        addr0_s1 <= cmd_addr;
        data0_s1 <= cmd_data;
    end

    // Lane 0's command, beside the lanes.
    reg [8:0] addr_s2, addr_s3, addr_s4, addr_s5, addr_s6, addr_s7;
    reg [63:0] value_s2, value_s3, value_s4, value_s5, value_s6, value_s7;
    reg load_s2, load_s3, load_s4, load_s5, load_s6, load_s7, freeze_s2, freeze_s3, freeze_s4;
    reg freeze_s5, freeze_s6, freeze_s7, respond_s2, respond_s3, respond_s4, respond_s5, respond_s6;
    reg respond_s7, respond_s8, respond_s9, respond_s10, state_op_s2, state_op_s3, state_op_s4;
    reg state_op_s5, state_op_s6, state_op_s7, state_op_s8, state_op_s9, state_op_s10;
    always @(posedge clk) begin
        addr_s2 <= addr0_s1;
        addr_s3 <= addr_s2;
        addr_s4 <= addr_s3;
        addr_s5 <= addr_s4;
        addr_s6 <= addr_s5;
        addr_s7 <= addr_s6;
        value_s2 <= data0_s1;
        value_s3 <= value_s2;
        value_s4 <= value_s3;
        value_s5 <= value_s4;
        value_s6 <= value_s5;
        value_s7 <= value_s6;
        load_s2 <= load_s1;
        load_s3 <= load_s2;
        load_s4 <= load_s3;
        load_s5 <= load_s4;
        load_s6 <= load_s5;
        load_s7 <= load_s6;
        freeze_s2 <= freeze_s1;
        freeze_s3 <= freeze_s2;
        freeze_s4 <= freeze_s3;
        freeze_s5 <= freeze_s4;
        freeze_s6 <= freeze_s5;
        freeze_s7 <= freeze_s6;
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
        state_op_s10 <= state_op_s9;
    end

    // The lanes.
    wire [63:0] lane0_word_s7;
    atomik_regfile_w64_d512_l1_lane lane0 (
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

    // Reference side.
    wire [63:0] reference_delta_s10;
    wire [63:0] reference_state_s10;
    atomik_regfile_w64_d512_l1_reference reference (
        .clk        (clk),
        .clearing   (clear_active),
        .clear_addr (clear_addr),
        .addr_s6    (addr_s6),
        .addr_s7    (addr_s7),
        .load_s7    (load_s7),
        .freeze_s7  (freeze_s7),
        .value_s7   (value_s7),
        .total_s7   (lane0_word_s7),
        .delta_s10  (reference_delta_s10),
        .state_s10  (reference_state_s10)
    );

    // Response.
    wire respond_rsp_valid;
    wire [63:0] respond_rsp_data;
    wire respond_rsp_clean;
    atomik_regfile_w64_d512_l1_respond respond (
        .clk          (clk),
        .rst          (rst),
        .clearing     (clear_active),
        .respond_s10  (respond_s10),
        .state_op_s10 (state_op_s10),
        .delta_s10    (reference_delta_s10),
        .state_s10    (reference_state_s10),
        .rsp_valid    (respond_rsp_valid),
        .rsp_data     (respond_rsp_data),
        .rsp_clean    (respond_rsp_clean)
    );
    assign rsp_valid = respond_rsp_valid;
    assign rsp_data = respond_rsp_data;
    assign rsp_clean = respond_rsp_clean;
endmodule

`line 1 "atomik_regfile_w64_d512_l1_clear.v" 0
// Clear sequencer. While active is high, every write port writes zeros to addr.
// It runs for 512 cycles after a reset: all addresses, and long enough for whatever
// was in flight to leave the pipeline without effect.
module atomik_regfile_w64_d512_l1_clear (
    input  wire       clk,    // clock, rising edge
    input  wire       rst,    // synchronous reset, active high
    output wire       ready,  // the clear has finished
    output wire       active, // write zeros
    output wire [8:0] addr    // where to write them
);

    // Position in the clear; last is high in its last cycle.
    reg [8:0] count;
    reg last, active_q, ready_q;
    wire [8:0] count_next = count + 9'd1;
    assign ready = ready_q;
    assign active = active_q;
    assign addr = count;
    always @(posedge clk) begin
        if (rst) begin
            count <= 9'd0;
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

`line 1 "atomik_regfile_w64_d512_l1_lane.v" 0
// One lane: accumulates a delta into its own memory in every cycle, and reads the word at
// lane 0's address as every earlier command, and no later one, left it.
// x_s3 and x_s5, read in one cycle, belong to commands two cycles apart.
module atomik_regfile_w64_d512_l1_lane (
    input  wire        clk,          // clock, rising edge
    input  wire        clearing,     // write zeros to clear_addr instead
    input  wire [8:0]  clear_addr,   // address to clear
    input  wire        valid_s1,     // accumulate
    input  wire [8:0]  addr_s1,      // where
    input  wire [63:0] data_s1,      // delta
    input  wire [8:0]  read_addr_s1, // lane 0's address
    input  wire [8:0]  read_addr_s4, // the same, three cycles later
    output wire [63:0] word_s7       // this lane's word at lane 0's address
);

    // The command on its way to the memory.
    reg [8:0] addr_s2, addr_s3, addr_s4;
    reg [63:0] data_s2, data_s3, data_s4, data_s5;
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

    // Local copies of the clear, which drives every write register.
    reg clear_q;
    reg [8:0] clear_addr_q;
    always @(posedge clk) begin
        clear_q <= clearing;
        clear_addr_q <= clear_addr;
    end

    // Stage 5: write port, declared here because later commands look at it.
    reg write_en_s5;
    reg [8:0] write_addr_s5;
    reg [63:0] sum_s5, sum_s6;
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
    reg [63:0] own_s4, earlier_s4;
    reg replace_s4;
    wire [63:0] in_flight1_s3 = hit1_s3 ? data_s4 : 64'd0;
    wire [63:0] in_flight2_s3 = hit2_s3 ? data_s5 : 64'd0;
    wire [63:0] in_flight3_s3 = hit3_s3 ? sum_s6 : 64'd0;
    always @(posedge clk) begin
        own_s4 <= data_s3 ^ in_flight1_s3;
        earlier_s4 <= in_flight2_s3 ^ in_flight3_s3;
        replace_s4 <= hit3_s3;
    end

    // The loop's memory.
    wire [63:0] loop_memory_read_data;
    atomik_regfile_w64_d512_l1_memory loop_memory (
        .clk        (clk),
        .write_en   (write_en_s5),
        .write_addr (write_addr_s5),
        .write_data (sum_s5),
        .read_addr  (addr_s2),
        .read_data  (loop_memory_read_data)
    );

    // Stage 5: one level of logic behind the memory, then the write registers.
    wire [63:0] kept_s4 = replace_s4 ? 64'd0 : loop_memory_read_data;
    always @(posedge clk) begin
        write_en_s5 <= clear_q | valid_s4;
        if (clear_q) begin
            write_addr_s5 <= clear_addr_q;
            sum_s5 <= 64'd0;
        end else begin
            write_addr_s5 <= addr_s4;
            sum_s5 <= kept_s4 ^ own_s4 ^ earlier_s4;
        end
    end

    // Readout: did the command before lane 0's write the address that lane 0 reads?
    reg [2:0] read_equal_s2;
    reg read_hit_s3, read_hit_s4, read_hit_s5, read_hit_s6;
    reg [63:0] fresh_s6;
    wire [2:0] read_equal_s2_next = {
        read_addr_s1[8:6] == addr_s2[8:6],
        read_addr_s1[5:3] == addr_s2[5:3],
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
            fresh_s6 <= 64'd0;
        end
    end

    // The copy that lane 0 reads.
    wire [63:0] read_memory_read_data;
    atomik_regfile_w64_d512_l1_memory read_memory (
        .clk        (clk),
        .write_en   (write_en_s5),
        .write_addr (write_addr_s5),
        .write_data (sum_s5),
        .read_addr  (read_addr_s4),
        .read_data  (read_memory_read_data)
    );

    // Stage 7: the lane's word.
    reg [63:0] out_s7;
    wire [63:0] stored_s6 = read_hit_s6 ? 64'd0 : read_memory_read_data;
    assign word_s7 = out_s7;
    always @(posedge clk) begin
        out_s7 <= stored_s6 ^ fresh_s6;
    end
endmodule

`line 1 "atomik_regfile_w64_d512_l1_memory.v" 0
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

`line 1 "atomik_regfile_w64_d512_l1_reference.v" 0
// Reference side: base (the total at the last LOAD, SWAP or DRAIN) and offset (reference
// xor base) of every address. Delta = base ^ total, state = offset ^ total; SWAP and DRAIN
// change neither total nor state, so only LOAD writes the offset.
module atomik_regfile_w64_d512_l1_reference (
    input  wire        clk,        // clock, rising edge
    input  wire        clearing,   // write zeros to clear_addr instead
    input  wire [8:0]  clear_addr, // address to clear
    input  wire [8:0]  addr_s6,    // lane 0's address
    input  wire [8:0]  addr_s7,    // the same, a cycle later
    input  wire        load_s7,    // LOAD: set the reference to the value
    input  wire        freeze_s7,  // LOAD, SWAP, DRAIN: clear the delta
    input  wire [63:0] value_s7,   // LOAD's value
    input  wire [63:0] total_s7,   // xor of all lanes' words before the command
    output wire [63:0] delta_s10,  // delta before the command
    output wire [63:0] state_s10   // state before the command
);

    // Local copies of the clear.
    reg clear_q;
    reg [8:0] clear_addr_q;
    always @(posedge clk) begin
        clear_q <= clearing;
        clear_addr_q <= clear_addr;
    end

    // Stage 8: write ports.
    reg [8:0] write_addr_s8;
    reg base_en_s8, offset_en_s8;
    reg [63:0] base_s8, offset_s8;
    always @(posedge clk) begin
        if (clear_q) begin
            write_addr_s8 <= clear_addr_q;
            base_en_s8 <= 1'd1;
            offset_en_s8 <= 1'd1;
            base_s8 <= 64'd0;
            offset_s8 <= 64'd0;
        end else begin
            write_addr_s8 <= addr_s7;
            base_en_s8 <= freeze_s7;
            offset_en_s8 <= load_s7;
            base_s8 <= total_s7;
            offset_s8 <= total_s7 ^ value_s7;
        end
    end

    // The command one cycle before writes at the edge at which this one reads: its words
    // replace those read.
    reg [63:0] base_s9, offset_s9;
    reg [2:0] equal_s7;
    reg base_hit_s8, offset_hit_s8, base_hit_s9, offset_hit_s9;
    wire [2:0] equal_s7_next = {
        addr_s6[8:6] == addr_s7[8:6],
        addr_s6[5:3] == addr_s7[5:3],
        addr_s6[2:0] == addr_s7[2:0]
    };
    always @(posedge clk) begin
        base_s9 <= base_s8;
        offset_s9 <= offset_s8;
        equal_s7 <= equal_s7_next;
        base_hit_s8 <= (&equal_s7) & base_en_s8;
        offset_hit_s8 <= (&equal_s7) & offset_en_s8;
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
        .write_en   (base_en_s8),
        .write_addr (write_addr_s8),
        .write_data (base_s8),
        .read_addr  (addr_s7),
        .read_data  (base_memory_read_data)
    );
    wire [63:0] offset_memory_read_data;
    atomik_regfile_w64_d512_l1_memory offset_memory (
        .clk        (clk),
        .write_en   (offset_en_s8),
        .write_addr (write_addr_s8),
        .write_data (offset_s8),
        .read_addr  (addr_s7),
        .read_data  (offset_memory_read_data)
    );

    // Stage 10: delta and state before the command.
    reg [63:0] delta_q, state_q;
    wire [63:0] old_base_s9 = base_hit_s9 ? 64'd0 : base_memory_read_data;
    wire [63:0] old_offset_s9 = offset_hit_s9 ? 64'd0 : offset_memory_read_data;
    assign delta_s10 = delta_q;
    assign state_s10 = state_q;
    always @(posedge clk) begin
        delta_q <= old_base_s9 ^ delta_part_s9;
        state_q <= old_offset_s9 ^ state_part_s9;
    end
endmodule

`line 1 "atomik_regfile_w64_d512_l1_respond.v" 0
// Response: state or delta, and whether the delta was zero, found four bits at a time.
// The outputs are registers and are 0 whenever there is no response.
module atomik_regfile_w64_d512_l1_respond (
    input  wire        clk,          // clock, rising edge
    input  wire        rst,          // synchronous reset, active high
    input  wire        clearing,     // a clear is running: nothing responds
    input  wire        respond_s10,  // the command has a response
    input  wire        state_op_s10, // it is the state, not the delta
    input  wire [63:0] delta_s10,    // delta before the command
    input  wire [63:0] state_s10,    // state before the command
    output wire        rsp_valid,    // a response is on the port
    output wire [63:0] rsp_data,     // state or delta
    output wire        rsp_clean     // the delta was 0
);

    // Stage 11: choose.
    reg [63:0] chosen_s11, chosen_s12;
    always @(posedge clk) begin
        if (state_op_s10) begin
            chosen_s11 <= state_s10;
        end else begin
            chosen_s11 <= delta_s10;
        end
        chosen_s12 <= chosen_s11;
    end

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
    wire keep = ~(rst | clearing);
    always @(posedge clk) begin
        respond_s11 <= respond_s10;
        respond_s12 <= respond_s11 & keep;
    end

    // Stage 13: output registers.
    reg valid_s13, clean_s13;
    reg [63:0] data_s13;
    assign rsp_valid = valid_s13;
    assign rsp_data = data_s13;
    assign rsp_clean = clean_s13;
    always @(posedge clk) begin
        if (rst) begin
            valid_s13 <= 1'd0;
            clean_s13 <= 1'd0;
            data_s13 <= 64'd0;
        end else begin
            valid_s13 <= respond_s12;
            clean_s13 <= respond_s12 & ~(|any_s12);
            if (respond_s12) begin
                data_s13 <= chosen_s12;
            end else begin
                data_s13 <= 64'd0;
            end
        end
    end
endmodule

`default_nettype wire
