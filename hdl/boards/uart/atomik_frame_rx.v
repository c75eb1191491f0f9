// Finds frames in a stream of bytes, decodes their COBS and checks them.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A zero byte ends a frame and occurs nowhere else, so the receiver resynchronises at the next zero
// byte after any garbage. docs/board.md defines the frame layout.
//
// The buffer holds one frame. Frames that begin before the engine has released it are skipped as a
// whole: their sender gets no reply and sends them again.

`timescale 1ns / 1ps
`default_nettype none

module atomik_frame_rx (
    input  wire        clk,          // clock, rising edge
    input  wire        rst,          // synchronous reset, active high
    input  wire        byte_valid,   // data holds a byte
    input  wire        line_error,   // a byte had a stop bit of 0
    input  wire [7:0]  data,         // the byte
    output wire        write_en,     // write write_data to the buffer
    output wire [7:0]  write_addr,   // where to write
    output wire [7:0]  write_data,   // what to write
    output reg         frame_valid,  // the buffer holds a frame; high until frame_taken
    output reg  [7:0]  frame_error,  // 0, or the error code of an unreadable frame
    output wire [7:0]  frame_length, // bytes of the frame, including header and CRC
    output wire [31:0] frame_crc,    // the CRC in the frame
    input  wire        frame_taken   // the engine has released the buffer
);

    localparam [7:0] ERROR_NONE = 8'h00;
    localparam [7:0] ERROR_LINE = 8'h01;
    localparam [7:0] ERROR_LONG = 8'h02;
    localparam [7:0] ERROR_SHAPE = 8'h03;
    localparam [7:0] ERROR_CRC = 8'h04;
    localparam [7:0] LONGEST = 8'd253;
    localparam [7:0] OVERHEAD = 8'd11;
    localparam [31:0] CRC_START = 32'hffffffff;
    localparam [31:0] CRC_RESIDUE = 32'hdebb20e3;

    // A frame has begun.
    reg started;
    // It is being skipped.
    reg skipping;
    // The error found in it so far, or none.
    reg [7:0] problem;
    // Bytes left in the current COBS block; at 0 the next byte is the code byte of a new block.
    reg [7:0] block_left;
    // The number of decoded bytes.
    reg [7:0] count;
    // The length field, and the last four bytes.
    reg [7:0] payload_length;
    reg [31:0] last_four;
    reg [31:0] crc;

    wire delimiter = byte_valid && data == 8'd0;
    wire content = byte_valid && data != 8'd0;
    wire code = block_left == 8'd0;
    // A block encodes its bytes and, unless it is the last, a zero, which is added when the next
    // block begins.
    wire decoded = content && !frame_valid && !skipping && (!code || started);
    wire full = count == LONGEST;
    assign write_en = decoded && !full;
    assign write_addr = count;
    assign write_data = code ? 8'd0 : data;
    assign frame_length = count;
    assign frame_crc = last_four;

    wire [31:0] crc_next;
    atomik_crc32_step crc_step (
        .crc      (crc),
        .data     (write_data),
        .crc_next (crc_next)
    );

    wire too_short = count < OVERHEAD;
    wire length_differs = payload_length != count - OVERHEAD;
    always @(posedge clk) begin
        if (rst) begin
            started <= 1'b0;
            skipping <= 1'b0;
            problem <= ERROR_NONE;
            block_left <= 8'd0;
            count <= 8'd0;
            crc <= CRC_START;
            frame_valid <= 1'b0;
        end else if (frame_valid) begin
            if (content || line_error) begin
                skipping <= 1'b1;
            end else if (delimiter) begin
                skipping <= 1'b0;
            end
            if (frame_taken) begin
                frame_valid <= 1'b0;
                started <= 1'b0;
                problem <= ERROR_NONE;
                block_left <= 8'd0;
                count <= 8'd0;
                crc <= CRC_START;
            end
        end else if (skipping) begin
            if (delimiter) begin
                skipping <= 1'b0;
            end
        end else if (line_error) begin
            started <= 1'b1;
            problem <= ERROR_LINE;
        end else if (content) begin
            started <= 1'b1;
            block_left <= code ? data - 8'd1 : block_left - 8'd1;
            if (decoded && full && problem == ERROR_NONE) begin
                problem <= ERROR_LONG;
            end
            if (write_en) begin
                count <= count + 8'd1;
                crc <= crc_next;
                last_four <= {write_data, last_four[31:8]};
                if (count == 8'd2) begin
                    payload_length <= write_data;
                end
            end
        end else if (delimiter && started) begin
            frame_valid <= 1'b1;
            if (problem != ERROR_NONE) begin
                frame_error <= problem;
            end else if (!code || too_short || length_differs) begin
                frame_error <= ERROR_SHAPE;
            end else if (crc != CRC_RESIDUE) begin
                frame_error <= ERROR_CRC;
            end else begin
                frame_error <= ERROR_NONE;
            end
        end
    end
endmodule

`default_nettype wire
