// Drives the board's six status LEDs.
// SPDX-License-Identifier: MIT OR Apache-2.0

`timescale 1ns / 1ps
`default_nettype none

module atomik_board_leds #(
    parameter BLINK_BITS = 25 // the heartbeat has a period of 2^25 cycles: 0.6 s at 54 MHz
) (
    input  wire       clk,       // clock, rising edge
    input  wire       rst,       // synchronous reset, active high
    input  wire       ready,     // the board answers requests
    input  wire       session,   // a host has begun a session
    input  wire       received,  // a byte was received; high for one cycle
    input  wire       bad_frame, // a frame was unreadable; high for one cycle
    input  wire       dirty,     // the last response was not clean
    input  wire       clear_n,   // button, 0 when pressed: clears the bad-frame LED; asynchronous
    output reg  [5:0] led_n      // the LEDs, 0 lights one
);

    // A received byte lights the traffic LED until the second tick after it, so that it is visible.
    localparam TICK_BITS = BLINK_BITS - 3;

    reg [BLINK_BITS-1:0] beat;
    reg [1:0] traffic;
    wire tick = beat[TICK_BITS-1:0] == {TICK_BITS{1'b0}};
    reg bad_seen;
    reg [1:0] clear_sync;
    always @(posedge clk) begin
        clear_sync <= {clear_sync[0], !clear_n};
        beat <= beat + 1'b1;
        if (rst) begin
            beat <= {BLINK_BITS{1'b0}};
            traffic <= 2'd0;
            bad_seen <= 1'b0;
        end else begin
            if (received) begin
                traffic <= 2'd2;
            end else if (tick && traffic != 2'd0) begin
                traffic <= traffic - 2'd1;
            end
            if (bad_frame) begin
                bad_seen <= 1'b1;
            end else if (clear_sync[1]) begin
                bad_seen <= 1'b0;
            end
        end
        led_n <= ~{
            beat[BLINK_BITS-1],
            dirty,
            bad_seen,
            traffic != 2'd0,
            session,
            ready && !rst
        };
    end
endmodule

`default_nettype wire
