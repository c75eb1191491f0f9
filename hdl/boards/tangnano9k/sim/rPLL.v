// Simulation model of the rPLL primitive: its clock output and its lock.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A simulator that counts clock edges instead of time cannot multiply a clock. CLKOUT is CLKIN
// here, so the test bench must drive the board's clock pin at the frequency of the PLL's output.
// LOCK rises after LOCK_EDGES edges, but never if the primitive does not allow the setting.

`timescale 1ns / 1ps
`default_nettype none

module rPLL #(
    parameter FCLKIN = "100.0",    // MHz at CLKIN, as text
    parameter DEVICE = "GW1NR-9C", // device
    parameter FBDIV_SEL = 0,       // feedback divider - 1, 0 to 63
    parameter IDIV_SEL = 0,        // input divider - 1, 0 to 63
    parameter ODIV_SEL = 8         // output divider
) (
    input  wire       CLKIN,    // reference clock
    input  wire       CLKFB,    // external feedback
    input  wire       RESET,    // restart
    input  wire       RESET_P,  // power down
    input  wire [5:0] FBDSEL,   // dynamic divider
    input  wire [5:0] IDSEL,    // dynamic divider
    input  wire [5:0] ODSEL,    // dynamic divider
    input  wire [3:0] PSDA,     // dynamic phase
    input  wire [3:0] DUTYDA,   // dynamic duty
    input  wire [3:0] FDLY,     // dynamic delay
    output wire       CLKOUT,   // the clock
    output wire       LOCK,     // it is stable
    output wire       CLKOUTP,  // not modelled: 0
    output wire       CLKOUTD,  // not modelled: 0
    output wire       CLKOUTD3  // not modelled: 0
);

    localparam [7:0] LOCK_EDGES = 8'd100;
    // MHz, for the board's crystal.
    localparam INPUT = 27;
    localparam OUTPUT = INPUT * (FBDIV_SEL + 1) / (IDIV_SEL + 1);
    localparam OSCILLATOR = OUTPUT * ODIV_SEL;
    localparam [0:0] POSSIBLE = FCLKIN == "27" && DEVICE == "GW1NR-9C"
        && OSCILLATOR >= 400 && OSCILLATOR <= 1200;

    // The setting is fixed: the dynamic inputs must be tied to 0.
    wire tied = {CLKFB, FBDSEL, IDSEL, ODSEL, PSDA, DUTYDA, FDLY} == 31'd0;
    reg [7:0] edges;
    initial edges = 8'd0;
    always @(posedge CLKIN) begin
        if (RESET || RESET_P) begin
            edges <= 8'd0;
        end else if (edges != LOCK_EDGES) begin
            edges <= edges + 8'd1;
        end
    end
    assign CLKOUT = CLKIN;
    assign LOCK = POSSIBLE && tied && edges == LOCK_EDGES;
    assign CLKOUTP = 1'b0;
    assign CLKOUTD = 1'b0;
    assign CLKOUTD3 = 1'b0;
endmodule

`default_nettype wire
