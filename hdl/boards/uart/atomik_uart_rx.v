// Receives bytes from a serial line: a start bit, eight data bits, lowest first, a stop bit.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Two registers guard against metastability, and a majority vote over three clocks filters short
// spikes. Each bit is sampled in its middle. The receiver looks for the next start bit right after
// sampling the stop bit, so it tolerates a sender that is a few percent faster.

`timescale 1ns / 1ps
`default_nettype none

module atomik_uart_rx #(
    parameter [15:0] CLKS_PER_BIT = 16'd54 // clocks in a bit, 8 or more
) (
    input  wire       clk,        // clock, rising edge
    input  wire       rst,        // synchronous reset, active high
    input  wire       rxd,        // the line, asynchronous to clk, 1 when idle
    output reg        byte_valid, // data holds a new byte; high for one cycle
    output reg        line_error, // instead of byte_valid: the stop bit was 0; high for one cycle
    output wire [7:0] data        // the byte
);

    localparam [15:0] WHOLE = CLKS_PER_BIT - 16'd1;
    localparam [15:0] HALF = (CLKS_PER_BIT >> 1) - 16'd1;
    localparam [3:0] START = 4'd0;
    localparam [3:0] STOP = 4'd9;

    // The synchronised and filtered line.
    reg [1:0] sync;
    reg [2:0] recent;
    wire line = (recent[0] & recent[1]) | (recent[1] & recent[2]) | (recent[0] & recent[2]);
    always @(posedge clk) begin
        if (rst) begin
            sync <= 2'b11;
            recent <= 3'b111;
        end else begin
            sync <= {sync[0], rxd};
            recent <= {recent[1:0], sync[1]};
        end
    end

    // The bit to sample when timer expires: START, the data bits, STOP.
    reg active;
    reg [3:0] position;
    reg [15:0] timer;
    reg [7:0] shift;
    // After a stop bit of 0, the line must be idle before a start bit is accepted.
    reg wait_idle;
    assign data = shift;
    always @(posedge clk) begin
        byte_valid <= 1'b0;
        line_error <= 1'b0;
        if (rst) begin
            active <= 1'b0;
            wait_idle <= 1'b1;
        end else if (!active) begin
            position <= START;
            timer <= HALF;
            if (line) begin
                wait_idle <= 1'b0;
            end else if (!wait_idle) begin
                active <= 1'b1;
            end
        end else if (timer != 16'd0) begin
            timer <= timer - 16'd1;
        end else begin
            timer <= WHOLE;
            position <= position + 4'd1;
            if (position == START) begin
                // A spike too long for the vote, but not a start bit.
                if (line) begin
                    active <= 1'b0;
                end
            end else if (position == STOP) begin
                active <= 1'b0;
                byte_valid <= line;
                line_error <= !line;
                wait_idle <= !line;
            end else begin
                shift <= {line, shift[7:1]};
            end
        end
    end
endmodule

`default_nettype wire
