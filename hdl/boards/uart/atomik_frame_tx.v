// Sends the frame in the buffer, COBS encoded, between two zero bytes.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The first byte of a block says where the frame's next zero is, so the buffer is searched before
// each block. A frame has at most 253 bytes, so no block is longer than 254.

`timescale 1ns / 1ps
`default_nettype none

module atomik_frame_tx (
    input  wire       clk,        // clock, rising edge
    input  wire       rst,        // synchronous reset, active high
    input  wire       start,      // send; high for one cycle while busy is low
    input  wire [7:0] length,     // bytes in the buffer, 1 to 253; stable while busy
    output wire       busy,       // the buffer is in use
    output reg  [7:0] read_addr,  // which byte of the buffer to read
    input  wire [7:0] read_data,  // that byte, one cycle later
    output wire       byte_valid, // data holds a byte to send
    output reg  [7:0] data,       // the byte
    input  wire       byte_ready  // data is taken at this edge if byte_valid is high
);

    localparam [2:0] IDLE = 3'd0;
    localparam [2:0] LEAD = 3'd1;   // the zero byte before the frame
    localparam [2:0] SEARCH = 3'd2; // looking for the next zero with read_addr
    localparam [2:0] CODE = 3'd3;   // the first byte of a block
    localparam [2:0] FETCH = 3'd4;  // reading a byte of the block
    localparam [2:0] BYTE = 3'd5;   // sending it
    localparam [2:0] TAIL = 3'd6;   // the zero byte after the frame

    reg [2:0] state;
    // In SEARCH: read_addr was set a cycle ago, so read_data is its byte.
    reg settled;
    // The start of the block, and its end: a zero or the end of the frame.
    reg [7:0] from, to;
    wire at_end = read_addr == length;
    assign busy = state != IDLE;
    assign byte_valid = state == LEAD || state == CODE || state == BYTE || state == TAIL;

    always @(posedge clk) begin
        if (rst) begin
            state <= IDLE;
        end else begin
            case (state)
                IDLE: begin
                    data <= 8'd0;
                    from <= 8'd0;
                    read_addr <= 8'd0;
                    settled <= 1'b0;
                    if (start) begin
                        state <= LEAD;
                    end
                end
                LEAD: begin
                    if (byte_ready) begin
                        state <= SEARCH;
                    end
                end
                SEARCH: begin
                    settled <= !settled;
                    if (at_end || (settled && read_data == 8'd0)) begin
                        state <= CODE;
                        to <= read_addr;
                        read_addr <= from;
                        data <= read_addr - from + 8'd1;
                    end else if (settled) begin
                        read_addr <= read_addr + 8'd1;
                    end
                end
                CODE, BYTE: begin
                    if (byte_ready) begin
                        if (read_addr != to) begin
                            state <= FETCH;
                        end else if (at_end) begin
                            state <= TAIL;
                            data <= 8'd0;
                        end else begin
                            // Skip the zero that the block encodes.
                            state <= SEARCH;
                            settled <= 1'b0;
                            from <= read_addr + 8'd1;
                            read_addr <= read_addr + 8'd1;
                        end
                    end
                end
                FETCH: begin
                    // read_addr has been stable for at least a cycle.
                    state <= BYTE;
                    data <= read_data;
                    read_addr <= read_addr + 8'd1;
                end
                default: begin
                    if (byte_ready) begin
                        state <= IDLE;
                    end
                end
            endcase
        end
    end
endmodule

`default_nettype wire
