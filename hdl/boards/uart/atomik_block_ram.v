// A memory of a write port and a read port with a register, made to be built from block memory.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Nobody may read an address at the edge that writes it: frames and responses are read when they
// are whole.

`default_nettype none

module atomik_block_ram #(
    parameter WIDTH = 8,    // bits of an entry
    parameter ADDR_BITS = 8 // bits of an address
) (
    input  wire                 clk,        // clock, rising edge
    input  wire                 write_en,   // write write_data to write_addr
    input  wire [ADDR_BITS-1:0] write_addr, // where to write
    input  wire [WIDTH-1:0]     write_data, // what
    input  wire [ADDR_BITS-1:0] read_addr,  // where to read
    output reg  [WIDTH-1:0]     read_data   // what was there, one cycle later
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
