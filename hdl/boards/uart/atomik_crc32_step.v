// One step of the Ethernet CRC-32, for one byte: polynomial 0x04c11db7, bits reflected.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The register starts at 0xffffffff; the CRC is the complement of the register after the last byte.
// After the four bytes of a correct CRC, lowest first, the register holds 0xdebb20e3 for every
// message.

`timescale 1ns / 1ps
`default_nettype none

module atomik_crc32_step (
    input  wire [31:0] crc,     // register before the byte
    input  wire [7:0]  data,    // the byte
    output reg  [31:0] crc_next // register after it
);

    integer i;
    always @* begin
        crc_next = {crc[31:8], crc[7:0] ^ data};
        for (i = 0; i < 8; i = i + 1) begin
            crc_next = {1'b0, crc_next[31:1]} ^ (crc_next[0] ? 32'hedb88320 : 32'd0);
        end
    end
endmodule

`default_nettype wire
