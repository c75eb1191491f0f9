// DP16KD: block RAM of the Lattice ECP5, as a model to simulate with. Never synthesise it.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Written from FPGA-TN-02204, "ECP5 and ECP5-5G Memory Usage Guide", for what generated designs
// use: one clock, equal widths, port A writes, port B reads, with or without output registers.
// What is outside of that stops the simulation. (WRITEMODE is about what a writing port reads; it
// is not modelled to read.) A read at the edge that writes the same address returns the complement
// of the old word: no design may rely on either the old or the new one.

`default_nettype none

module DP16KD #(
    parameter DATA_WIDTH_A = 18,
    parameter DATA_WIDTH_B = 18,
    parameter REGMODE_A = "NOREG",
    parameter REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC",
    parameter ASYNC_RESET_RELEASE = "SYNC",
    parameter WRITEMODE_A = "NORMAL",
    parameter WRITEMODE_B = "NORMAL",
    parameter CSDECODE_A = "0b000",
    parameter CSDECODE_B = "0b000",
    parameter CLKAMUX = "CLKA",
    parameter CLKBMUX = "CLKB",
    parameter GSR = "ENABLED"
) (
    // write port: clock
    input  wire CLKA,
    // enable
    input  wire CEA,
    // enable of the output register (36 bits: the lower half of the read word)
    input  wire OCEA,
    // write, not read
    input  wire WEA,
    // reset of the output register
    input  wire RSTA,
    // chip select
    input  wire CSA0, CSA1, CSA2,
    // address of one bit; the lowest pins enable the bytes of wide words
    input  wire ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9,
    input  wire ADA10, ADA11, ADA12, ADA13,
    // data, the lower half of words of 36 bits
    input  wire DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9,
    input  wire DIA10, DIA11, DIA12, DIA13, DIA14, DIA15, DIA16, DIA17,
    // read port: clock
    input  wire CLKB,
    // enable
    input  wire CEB,
    // enable of the output register
    input  wire OCEB,
    // write, not read: not modelled
    input  wire WEB,
    // reset of the output register
    input  wire RSTB,
    // chip select
    input  wire CSB0, CSB1, CSB2,
    // address of one bit
    input  wire ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9,
    input  wire ADB10, ADB11, ADB12, ADB13,
    // data of the write port, the upper half of words of 36 bits
    input  wire DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9,
    input  wire DIB10, DIB11, DIB12, DIB13, DIB14, DIB15, DIB16, DIB17,
    // read word of 36 bits: the lower half
    output wire DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9,
    output wire DOA10, DOA11, DOA12, DOA13, DOA14, DOA15, DOA16, DOA17,
    // read word; of 36 bits: the upper half
    output wire DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9,
    output wire DOB10, DOB11, DOB12, DOB13, DOB14, DOB15, DOB16, DOB17
);
    localparam WIDE = DATA_WIDTH_A == 36;
    // Words, and address pins below those that select a word.
    localparam WORDS = DATA_WIDTH_A >= 9 ? 18432 / DATA_WIDTH_A : 16384 / DATA_WIDTH_A;
    localparam SHIFT = DATA_WIDTH_A == 36 ? 5
                     : DATA_WIDTH_A == 18 ? 4
                     : DATA_WIDTH_A == 9 ? 3
                     : DATA_WIDTH_A == 4 ? 2
                     : DATA_WIDTH_A == 2 ? 1 : 0;

    wire [13:0] ada = {
        ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5,
        ADA4, ADA3, ADA2, ADA1, ADA0
    };
    wire [13:0] adb = {
        ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5,
        ADB4, ADB3, ADB2, ADB1, ADB0
    };
    wire [35:0] data = {
        DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
        DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
        DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
        DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0
    };
    wire [13:0] write_addr = ada >> SHIFT;
    wire [13:0] read_addr = adb >> SHIFT;
    wire read = CEB & ~(CSB0 | CSB1 | CSB2);
    // One enable for nine bits.
    wire [3:0] bytes = WIDE ? ada[3:0] : DATA_WIDTH_A == 18 ? {2'b00, ada[1:0]} : 4'b0001;
    wire write = CEA & WEA & ~(CSA0 | CSA1 | CSA2) & (|bytes);
    wire [35:0] mask = {{9{bytes[3]}}, {9{bytes[2]}}, {9{bytes[1]}}, {9{bytes[0]}}};

    reg [DATA_WIDTH_A-1:0] mem [0:WORDS-1];
    reg [DATA_WIDTH_A-1:0] array_q;
    reg [DATA_WIDTH_A-1:0] out_q;

    always @(posedge CLKA) begin
        if (write)
            mem[write_addr[$clog2(WORDS)-1:0]] <=
                (data[DATA_WIDTH_A-1:0] & mask[DATA_WIDTH_A-1:0]) |
                (mem[write_addr[$clog2(WORDS)-1:0]] & ~mask[DATA_WIDTH_A-1:0]);
    end

    always @(posedge CLKB) begin
        if (RSTB)
            array_q <= {DATA_WIDTH_A{1'b0}};
        else if (read)
            array_q <= write && write_addr == read_addr
                ? ~mem[read_addr[$clog2(WORDS)-1:0]] : mem[read_addr[$clog2(WORDS)-1:0]];
        if (RSTB)
            out_q <= {DATA_WIDTH_A{1'b0}};
        else if (OCEB)
            out_q <= array_q;
    end

    wire [DATA_WIDTH_A-1:0] word = REGMODE_B == "OUTREG" ? out_q : array_q;
    wire [53:0] padded = {{(54 - DATA_WIDTH_A){1'b0}}, word};
    wire [35:0] pins = WIDE ? padded[35:0] : {padded[17:0], 18'b0};
    assign {
        DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
        DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0,
        DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
        DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0
    } = pins;

    // What is not modelled is not used.
    initial begin
        if (DATA_WIDTH_A != DATA_WIDTH_B || (WIDE && REGMODE_A != REGMODE_B) ||
            CSDECODE_A != "0b000" || CSDECODE_B != "0b000" ||
            CLKAMUX != "CLKA" || CLKBMUX != "CLKB") begin
            $display("DP16KD: %m: these parameters are not modelled");
            $finish;
        end
    end
`ifndef YOSYS
    always @(posedge CLKB) begin
        if (WEB || RSTA || (RSTB && RESETMODE != "SYNC") ||
            (WIDE && REGMODE_A == "OUTREG" && !OCEA))
        begin
            $display("DP16KD: %m: WEB, RSTA, OCEA and asynchronous resets are not modelled");
            $finish;
        end
    end
`endif
    wire unused = &{1'b0, GSR == "", WRITEMODE_A == "", WRITEMODE_B == "",
        ASYNC_RESET_RELEASE == "", ada, adb, data, mask, padded};
endmodule

`default_nettype wire
