// The queue of commands to issue: each entry has one command per lane.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// An entry is written in pieces, as its bytes arrive, and read as a whole. The queue is built from
// LUT RAM: it has few entries, and too many bits in each for block RAM.

`timescale 1ns / 1ps
`default_nettype none

module atomik_command_queue #(
    parameter WIDTH = 64,     // bits of a word, a multiple of 8
    parameter ADDR_BITS = 9,  // bits of an address
    parameter LANES = 4,      // lanes
    parameter CYCLES_LOG2 = 4 // the queue has 2^CYCLES_LOG2 entries
) (
    input  wire                       clk,         // clock, rising edge
    input  wire [CYCLES_LOG2-1:0]     write_index, // the entry to write
    input  wire [4:0]                 lane,        // the lane to write
    input  wire                       addr_write,  // write addr to that lane
    input  wire [ADDR_BITS-1:0]       addr,        // an address
    input  wire                       data_write,  // write data to that lane
    input  wire [4:0]                 data_index,  // the position of data in the word
    input  wire [7:0]                 data,        // a byte
    input  wire                       entry_write, // write entry_valid and entry_op
    input  wire [LANES-1:0]           entry_valid, // the lanes with a command
    input  wire [2:0]                 entry_op,    // the op of lane 0
    input  wire [CYCLES_LOG2-1:0]     read_index,  // the entry to read
    output wire [LANES-1:0]           cmd_valid,   // of that entry, in the same cycle
    output wire [2:0]                 cmd_op,      // of that entry, in the same cycle
    output wire [LANES*ADDR_BITS-1:0] cmd_addr,    // of that entry, in the same cycle
    output wire [LANES*WIDTH-1:0]     cmd_data     // of that entry, in the same cycle
);

    localparam DATA_BYTES = WIDTH / 8;

    atomik_queue_ram #(
        .WIDTH     (LANES + 3),
        .ADDR_BITS (CYCLES_LOG2)
    ) heads (
        .clk        (clk),
        .write_en   (entry_write),
        .write_addr (write_index),
        .write_data ({entry_valid, entry_op}),
        .read_addr  (read_index),
        .read_data  ({cmd_valid, cmd_op})
    );

    genvar l, b;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : lanes
            localparam [31:0] LANE = l;
            wire here = lane == LANE[4:0];
            atomik_queue_ram #(
                .WIDTH     (ADDR_BITS),
                .ADDR_BITS (CYCLES_LOG2)
            ) addrs (
                .clk        (clk),
                .write_en   (addr_write && here),
                .write_addr (write_index),
                .write_data (addr),
                .read_addr  (read_index),
                .read_data  (cmd_addr[l*ADDR_BITS +: ADDR_BITS])
            );
            for (b = 0; b < DATA_BYTES; b = b + 1) begin : bytes
                localparam [31:0] BYTE = b;
                atomik_queue_ram #(
                    .WIDTH     (8),
                    .ADDR_BITS (CYCLES_LOG2)
                ) words (
                    .clk        (clk),
                    .write_en   (data_write && here && data_index == BYTE[4:0]),
                    .write_addr (write_index),
                    .write_data (data),
                    .read_addr  (read_index),
                    .read_data  (cmd_data[l*WIDTH + b*8 +: 8])
                );
            end
        end
    endgenerate
endmodule

`default_nettype wire
