// A memory with a write port and a registered read port, to be mapped to block RAM.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// An address must not be read at the edge that writes it. Frames and responses are only read when
// complete.

`timescale 1ns / 1ps
`default_nettype none

module atomik_block_ram #(
    parameter WIDTH = 8,    // bits of an entry
    parameter ADDR_BITS = 8 // bits of an address
) (
    input  wire                 clk,        // clock, rising edge
    input  wire                 write_en,   // write write_data to write_addr
    input  wire [ADDR_BITS-1:0] write_addr, // where to write
    input  wire [WIDTH-1:0]     write_data, // what to write
    input  wire [ADDR_BITS-1:0] read_addr,  // where to read
    output reg  [WIDTH-1:0]     read_data   // the entry, one cycle later
);

    (* no_rw_check, ram_style = "block", syn_ramstyle = "block_ram" *)
    reg [WIDTH-1:0] entries [0:(1<<ADDR_BITS)-1];
    always @(posedge clk) begin
        if (write_en) begin
            entries[write_addr] <= write_data;
        end
        read_data <= entries[read_addr];
    end
endmodule

`default_nettype wire
