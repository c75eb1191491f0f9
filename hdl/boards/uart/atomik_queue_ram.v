// A small memory with an asynchronous read port, to be mapped to LUT RAM.
// SPDX-License-Identifier: MIT OR Apache-2.0

`timescale 1ns / 1ps
`default_nettype none

module atomik_queue_ram #(
    parameter WIDTH = 65,   // bits of an entry
    parameter ADDR_BITS = 4 // bits of an address
) (
    input  wire                 clk,        // clock, rising edge
    input  wire                 write_en,   // write write_data to write_addr
    input  wire [ADDR_BITS-1:0] write_addr, // where to write
    input  wire [WIDTH-1:0]     write_data, // what to write
    input  wire [ADDR_BITS-1:0] read_addr,  // where to read
    output wire [WIDTH-1:0]     read_data   // the entry, in the same cycle
);

    reg [WIDTH-1:0] entries [0:(1<<ADDR_BITS)-1];
    assign read_data = entries[read_addr];
    always @(posedge clk) begin
        if (write_en) begin
            entries[write_addr] <= write_data;
        end
    end
endmodule

`default_nettype wire
