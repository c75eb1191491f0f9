// Issues the entries of the queue, one per cycle, and counts the responses.
// SPDX-License-Identifier: MIT OR Apache-2.0

`timescale 1ns / 1ps
`default_nettype none

module atomik_batch_player #(
    parameter LANES = 4,      // lanes
    parameter CYCLES_LOG2 = 4 // the queue has 2^CYCLES_LOG2 entries
) (
    input  wire                   clk,            // clock, rising edge
    input  wire                   rst,            // synchronous reset, active high
    input  wire                   start,          // play; high for one cycle while busy is low
    input  wire [CYCLES_LOG2:0]   cycles,         // entries to play, 1 or more; stable while busy
    input  wire [CYCLES_LOG2:0]   responses,      // responses to wait for; stable while busy
    output wire                   busy,           // entries or responses are outstanding
    output reg  [15:0]            cycles_taken,   // from the first command to the end, inclusive
    output wire [CYCLES_LOG2-1:0] entry_index,    // the entry to read
    input  wire [LANES-1:0]       entry_valid,    // its lanes with a command, same cycle
    output wire [LANES-1:0]       cmd_valid,      // to the register file
    input  wire                   rsp_valid,      // from the register file
    output wire                   response_write, // store the current response
    output wire [CYCLES_LOG2-1:0] response_index  // where to store it
);

    reg running;
    reg [CYCLES_LOG2:0] issued, collected;
    wire all_issued = issued == cycles;
    wire ended = all_issued && collected == responses;
    // The rest of the entry goes directly to the register file, which registers its inputs.
    wire issue = running && !all_issued;
    assign cmd_valid = issue ? entry_valid : {LANES{1'b0}};
    assign busy = running;
    assign entry_index = issued[CYCLES_LOG2-1:0];
    assign response_write = running && rsp_valid;
    assign response_index = collected[CYCLES_LOG2-1:0];

    always @(posedge clk) begin
        if (rst) begin
            running <= 1'b0;
        end else if (!running) begin
            running <= start;
            issued <= {(CYCLES_LOG2+1){1'b0}};
            collected <= {(CYCLES_LOG2+1){1'b0}};
            if (start) begin
                cycles_taken <= 16'd0;
            end
        end else if (ended) begin
            running <= 1'b0;
        end else begin
            cycles_taken <= cycles_taken + 16'd1;
            if (issue) begin
                issued <= issued + 1'b1;
            end
            if (rsp_valid) begin
                collected <= collected + 1'b1;
            end
        end
    end
endmodule

`default_nettype wire
