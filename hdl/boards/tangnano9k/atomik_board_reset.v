// Reset of the board: from power-up until the PLL has locked, and while the button is pressed.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The reset starts at once. It ends after the PLL has been locked and the button released for
// 2^SETTLE_BITS consecutive cycles, which outlasts contact bounce.

`timescale 1ns / 1ps
`default_nettype none

module atomik_board_reset #(
    parameter SETTLE_BITS = 19 // 2^19 cycles are 9.7 ms at 54 MHz
) (
    input  wire clk,      // clock, rising edge
    input  wire lock,     // the PLL has locked; asynchronous
    input  wire button_n, // the button, 0 when pressed; asynchronous
    output wire rst       // synchronous reset, active high
);

    // The FPGA's configuration initialises these: nothing resets the reset.
    reg [2:0] good_sync;
    reg [SETTLE_BITS-1:0] settled;
    reg rst_q;
    initial begin
        good_sync = 3'd0;
        settled = {SETTLE_BITS{1'b0}};
        rst_q = 1'b1;
    end
    assign rst = rst_q;
    always @(posedge clk) begin
        good_sync <= {good_sync[1:0], lock && button_n};
        if (!good_sync[2]) begin
            settled <= {SETTLE_BITS{1'b0}};
            rst_q <= 1'b1;
        end else if (!(&settled)) begin
            settled <= settled + 1'b1;
        end else begin
            rst_q <= 1'b0;
        end
    end
endmodule

`default_nettype wire
