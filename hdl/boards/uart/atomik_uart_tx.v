// Sends bytes on a serial line: a start bit, eight data bits, lowest first, a stop bit.
// SPDX-License-Identifier: MIT OR Apache-2.0

`timescale 1ns / 1ps
`default_nettype none

module atomik_uart_tx #(
    parameter [15:0] CLKS_PER_BIT = 16'd54 // clocks in a bit
) (
    input  wire       clk,        // clock, rising edge
    input  wire       rst,        // synchronous reset, active high
    input  wire       byte_valid, // data holds a byte to send
    input  wire [7:0] data,       // the byte
    output wire       byte_ready, // data is taken at this edge if byte_valid is high
    output wire       txd         // the line, 1 when idle
);

    localparam [15:0] WHOLE = CLKS_PER_BIT - 16'd1;

    // The bits still to send, the current one lowest in shift; left counts them, including the
    // current one.
    reg [9:0] shift;
    reg [3:0] left;
    reg [15:0] timer;
    assign byte_ready = left == 4'd0;
    assign txd = shift[0];
    always @(posedge clk) begin
        if (rst) begin
            shift <= 10'h3ff;
            left <= 4'd0;
        end else if (byte_ready) begin
            timer <= WHOLE;
            if (byte_valid) begin
                shift <= {1'b1, data, 1'b0};
                left <= 4'd10;
            end
        end else if (timer != 16'd0) begin
            timer <= timer - 16'd1;
        end else begin
            timer <= WHOLE;
            shift <= {1'b1, shift[9:1]};
            left <= left - 4'd1;
        end
    end
endmodule

`default_nettype wire
