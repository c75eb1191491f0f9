// Parses the records of a batch into a queue with one entry per clock cycle.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A record has op and lane, address, and for LOAD and ACCUM the data; docs/board.md has the layout.
// All records are checked here before the first is issued. Addresses and data are queued as they
// arrive; the valid bits of the lanes, which turn them into commands, are queued last.

`timescale 1ns / 1ps
`default_nettype none

module atomik_batch_parser #(
    parameter WIDTH = 64,        // bits of a word, a multiple of 8
    parameter DEPTH = 512,       // addresses
    parameter ADDR_BITS = 9,     // bits of an address, 1 or more
    parameter LANES = 4,         // lanes
    parameter CYCLES_LOG2 = 4,   // the queue has 2^CYCLES_LOG2 entries
    parameter MAX_RESPONSES = 16 // responses that fit into a reply
) (
    input  wire                   clk,         // clock, rising edge
    input  wire                   start,       // a new batch begins
    input  wire                   byte_valid,  // data holds a byte; at most every second cycle
    input  wire                   byte_last,   // it is the last byte of the batch
    input  wire [7:0]             data,        // the byte
    output reg  [7:0]             error,       // 0, or the error code of a record
    output reg  [7:0]             error_index, // that record, from 0
    output wire [CYCLES_LOG2-1:0] entry_index, // the entry being filled
    output wire [4:0]             lane,        // the lane of the current record
    output wire                   addr_write,  // addr is the address of that record
    output wire [ADDR_BITS-1:0]   addr,        // the address
    output wire                   data_write,  // data is a data byte of that record
    output wire [4:0]             data_index,  // its position, from the lowest
    output reg                    entry_write, // the entry is complete
    output wire [LANES-1:0]       entry_valid, // the lanes with a command in it
    output wire [2:0]             entry_op,    // the op of lane 0
    output wire [CYCLES_LOG2:0]   cycles,      // the number of entries, one per cycle
    output wire [CYCLES_LOG2:0]   responses    // the number of responses to expect
);

    localparam [7:0] ERROR_OP = 8'h20;
    localparam [7:0] ERROR_LANE = 8'h21;
    localparam [7:0] ERROR_LANE_OP = 8'h22;
    localparam [7:0] ERROR_LANE_TWICE = 8'h23;
    localparam [7:0] ERROR_ADDRESS = 8'h24;
    localparam [7:0] ERROR_CYCLES = 8'h25;
    localparam [7:0] ERROR_RESPONSES = 8'h26;
    localparam [7:0] ERROR_RECORD = 8'h27;
    localparam [7:0] ERROR_OPEN = 8'h28;
    localparam [2:0] OP_NOP = 3'd0;
    localparam [2:0] OP_LOAD = 3'd1;
    localparam [2:0] OP_ACCUM = 3'd2;
    localparam [2:0] OP_RESERVED = 3'd7;
    localparam DATA_BYTES = WIDTH / 8;
    localparam [4:0] LAST_BYTE = DATA_BYTES[4:0] - 5'd1;
    localparam [5:0] LAST_LANE = LANES[5:0] - 6'd1;
    localparam [15:0] LAST_ADDR = DEPTH[15:0] - 16'd1;
    localparam [CYCLES_LOG2:0] FULL = {1'b1, {CYCLES_LOG2{1'b0}}};
    localparam [7:0] RESPONSES_FULL = MAX_RESPONSES[7:0];
    localparam [1:0] HEAD = 2'd0;
    localparam [1:0] ADDR_LOW = 2'd1;
    localparam [1:0] ADDR_HIGH = 2'd2;
    localparam [1:0] DATA = 2'd3;

    // The current record.
    reg [1:0] place;
    reg [4:0] data_place;
    reg [2:0] op;
    reg [4:0] record_lane;
    reg [7:0] addr_low;
    reg with_next_q;
    reg [7:0] index;
    wire [14:0] whole_addr = {data[6:0], addr_low};
    wire addr_ends = place == ADDR_HIGH;
    wire takes_data = op == OP_LOAD || op == OP_ACCUM;
    wire responds = !takes_data && op != OP_NOP;
    wire with_next = addr_ends ? data[7] : with_next_q;
    wire data_ends = place == DATA && data_place == LAST_BYTE;
    wire record_ends = data_ends || (addr_ends && !takes_data);

    // The current entry: all records of one cycle.
    reg [LANES-1:0] valid;
    reg [2:0] op_lane0;
    reg [CYCLES_LOG2:0] entry_count, response_count;
    assign entry_index = entry_count[CYCLES_LOG2-1:0];
    assign entry_valid = valid;
    assign entry_op = op_lane0;
    assign cycles = entry_count;
    assign responses = response_count;
    assign lane = record_lane;
    assign addr_write = byte_valid && addr_ends;
    assign addr = whole_addr[ADDR_BITS-1:0];
    assign data_write = byte_valid && place == DATA;
    assign data_index = data_place;

    // Whether the record's lane already has a command in this cycle.
    reg lane_taken;
    integer l;
    always @* begin
        lane_taken = 1'b0;
        for (l = 0; l < LANES; l = l + 1) begin
            if (record_lane == l[4:0] && valid[l]) begin
                lane_taken = 1'b1;
            end
        end
    end

    // The error in the record, known with the last byte of its address.
    reg [7:0] problem;
    always @* begin
        problem = 8'd0;
        if (op == OP_RESERVED) begin
            problem = ERROR_OP;
        end else if ({1'b0, record_lane} > LAST_LANE) begin
            problem = ERROR_LANE;
        end else if (record_lane != 5'd0 && op != OP_ACCUM) begin
            problem = ERROR_LANE_OP;
        end else if (lane_taken) begin
            problem = ERROR_LANE_TWICE;
        end else if ({1'b0, whole_addr} > LAST_ADDR) begin
            problem = ERROR_ADDRESS;
        end else if (entry_count == FULL) begin
            problem = ERROR_CYCLES;
        end else if (responds && {{(7-CYCLES_LOG2){1'b0}}, response_count} == RESPONSES_FULL) begin
            problem = ERROR_RESPONSES;
        end
    end
    wire refused = addr_ends && problem != 8'd0;

    integer m;
    always @(posedge clk) begin
        entry_write <= 1'b0;
        if (entry_write) begin
            entry_count <= entry_count + 1'b1;
            valid <= {LANES{1'b0}};
        end
        if (start) begin
            place <= HEAD;
            index <= 8'd0;
            error <= 8'd0;
            valid <= {LANES{1'b0}};
            entry_count <= {(CYCLES_LOG2+1){1'b0}};
            response_count <= {(CYCLES_LOG2+1){1'b0}};
        end else if (byte_valid && error == 8'd0) begin
            error_index <= index;
            case (place)
                HEAD: begin
                    place <= ADDR_LOW;
                    op <= data[2:0];
                    record_lane <= data[7:3];
                end
                ADDR_LOW: begin
                    place <= ADDR_HIGH;
                    addr_low <= data;
                end
                ADDR_HIGH: begin
                    place <= takes_data ? DATA : HEAD;
                    data_place <= 5'd0;
                    with_next_q <= data[7];
                    if (responds) begin
                        response_count <= response_count + 1'b1;
                    end
                    if (record_lane == 5'd0) begin
                        op_lane0 <= op;
                    end
                    for (m = 0; m < LANES; m = m + 1) begin
                        if (record_lane == m[4:0]) begin
                            valid[m] <= 1'b1;
                        end
                    end
                end
                default: begin
                    place <= data_ends ? HEAD : DATA;
                    data_place <= data_place + 5'd1;
                end
            endcase
            if (record_ends) begin
                index <= index + 8'd1;
                entry_write <= !with_next;
            end
            if (refused) begin
                error <= problem;
            end else if (byte_last && !record_ends) begin
                error <= ERROR_RECORD;
            end else if (byte_last && with_next) begin
                error <= ERROR_OPEN;
            end
        end
    end
endmodule

`default_nettype wire
