// SDPB: block RAM of the Gowin GW1N with one write and one read port, as a model to simulate with.
// Never synthesise it.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Written from UG285, "BSRAM & SSRAM User Guide", for what generated designs use: one clock and
// equal widths, with or without the output register. What is outside of that stops the simulation.
// A read at the edge that writes the same address returns the complement of the old word: no
// design may rely on either the old or the new one. Resets are synchronous.

`default_nettype none

module SDPB #(
    parameter READ_MODE = 1'b0,
    parameter BIT_WIDTH_0 = 32,
    parameter BIT_WIDTH_1 = 32,
    parameter BLK_SEL_0 = 3'b000,
    parameter BLK_SEL_1 = 3'b000,
    parameter RESET_MODE = "SYNC"
) (
    input  wire        CLKA,    // write port: clock
    input  wire        CEA,     // write
    input  wire        RESETA,  // not modelled
    input  wire [2:0]  BLKSELA, // block select
    input  wire [13:0] ADA,     // address of one bit; the lowest pins enable bytes of wide words
    input  wire [31:0] DI,      // data
    input  wire        CLKB,    // read port: clock
    input  wire        CEB,     // enable
    input  wire        OCE,     // enable of the output register
    input  wire        RESETB,  // reset of the output register
    input  wire [2:0]  BLKSELB, // block select
    input  wire [13:0] ADB,     // address of one bit
    output wire [31:0] DO       // read word
);
    // Words, and address pins below those that select a word.
    localparam WORDS = 16384 / BIT_WIDTH_0;
    localparam SHIFT = $clog2(BIT_WIDTH_0);

    wire [13:0] write_addr = ADA >> SHIFT;
    wire [13:0] read_addr = ADB >> SHIFT;
    wire read = CEB & (BLKSELB == BLK_SEL_1);
    wire [3:0] bytes = BIT_WIDTH_0 == 32 ? ADA[3:0]
                     : BIT_WIDTH_0 == 16 ? {2'b00, ADA[1:0]} : 4'b0001;
    wire write = CEA & (BLKSELA == BLK_SEL_0) & (|bytes);
    wire [31:0] mask = {{8{bytes[3]}}, {8{bytes[2]}}, {8{bytes[1]}}, {8{bytes[0]}}};

    reg [BIT_WIDTH_0-1:0] mem [0:WORDS-1];
    reg [BIT_WIDTH_0-1:0] array_q;
    reg [BIT_WIDTH_0-1:0] out_q;

    always @(posedge CLKA) begin
        if (write)
            mem[write_addr[$clog2(WORDS)-1:0]] <=
                (DI[BIT_WIDTH_0-1:0] & mask[BIT_WIDTH_0-1:0]) |
                (mem[write_addr[$clog2(WORDS)-1:0]] & ~mask[BIT_WIDTH_0-1:0]);
    end

    always @(posedge CLKB) begin
        if (RESETB)
            array_q <= {BIT_WIDTH_0{1'b0}};
        else if (read)
            array_q <= write && write_addr == read_addr
                ? ~mem[read_addr[$clog2(WORDS)-1:0]] : mem[read_addr[$clog2(WORDS)-1:0]];
        if (RESETB)
            out_q <= {BIT_WIDTH_0{1'b0}};
        else if (OCE)
            out_q <= array_q;
    end

    wire [32+BIT_WIDTH_0-1:0] padded = {32'b0, READ_MODE ? out_q : array_q};
    assign DO = padded[31:0];

    // What is not modelled is not used.
    initial begin
        if (BIT_WIDTH_0 != BIT_WIDTH_1) begin
            $display("SDPB: %m: these parameters are not modelled");
            $finish;
        end
    end
    wire unused = &{1'b0, RESETA, RESET_MODE == "", ADA, ADB, DI, mask, padded};
endmodule

`default_nettype wire
