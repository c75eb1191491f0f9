// Doubles the board's 27 MHz clock with the rPLL of the GW1N family.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Output = input * (FBDIV_SEL + 1) / (IDIV_SEL + 1) = 54 MHz. The oscillator runs at output *
// ODIV_SEL = 864 MHz, inside the 400 to 1200 MHz that the GW1NR-9 of speed C6/I5 allows.

`timescale 1ns / 1ps
`default_nettype none

module atomik_pll_27_to_54 (
    input  wire clk_in,  // 27 MHz
    output wire clk_out, // 54 MHz
    output wire lock     // clk_out is stable; asynchronous
);

    wire unused_p, unused_d, unused_d3;
    rPLL #(
        .FCLKIN    ("27"),
        .DEVICE    ("GW1NR-9C"),
        .FBDIV_SEL (1),
        .IDIV_SEL  (0),
        .ODIV_SEL  (16)
    ) pll (
        .CLKIN    (clk_in),
        .CLKFB    (1'b0),
        .RESET    (1'b0),
        .RESET_P  (1'b0),
        .FBDSEL   (6'd0),
        .IDSEL    (6'd0),
        .ODSEL    (6'd0),
        .PSDA     (4'd0),
        .DUTYDA   (4'd0),
        .FDLY     (4'd0),
        .CLKOUT   (clk_out),
        .LOCK     (lock),
        .CLKOUTP  (unused_p),
        .CLKOUTD  (unused_d),
        .CLKOUTD3 (unused_d3)
    );
endmodule

`default_nettype wire
