// Reset of the board: from power-up until the PLL is steady, and while a button is down.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A press resets at once. The reset ends when lock and button have been good without a break for
// 2^SETTLE_BITS cycles, which outlasts the bouncing of a contact.

`default_nettype none

module atomik_board_reset #(
    parameter SETTLE_BITS = 19 // 2^19 cycles are 9.7 ms at 54 MHz
) (
    input  wire clk,      // clock, rising edge
    input  wire lock,     // the clock is steady; asynchronous
    input  wire button_n, // the button, 0 when down; asynchronous
    output wire rst       // synchronous reset, active high
);

    // The configuration of the FPGA sets these; the reset cannot wait for a reset.
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
