// Bridge between a serial line and a register file: all of a board except clocks and pins.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The parameters are those of the register file; its latency does not matter. A register file of
// depth 1 has no address port: set ADDR_BITS to 1 and leave cmd_addr open.

`timescale 1ns / 1ps
`default_nettype none

module atomik_uart_bridge #(
    parameter [15:0] CLKS_PER_BIT = 16'd54, // clocks in a bit of the line, 8 or more
    parameter WIDTH = 64,                   // bits of a word, a multiple of 8
    parameter DEPTH = 512,                  // addresses
    parameter ADDR_BITS = 9,                // bits of an address, 1 or more
    parameter LANES = 4                     // lanes
) (
    input  wire                       clk,       // clock, rising edge
    input  wire                       rst,       // synchronous reset, active high
    input  wire                       rxd,       // line to the board, asynchronous
    output wire                       txd,       // line from the board
    output wire                       core_rst,  // reset of the register file
    input  wire                       core_ready, // the register file is clear
    output wire [LANES-1:0]           cmd_valid, // to the register file
    output wire [2:0]                 cmd_op,    // to the register file
    output wire [LANES*ADDR_BITS-1:0] cmd_addr,  // to the register file
    output wire [LANES*WIDTH-1:0]     cmd_data,  // to the register file
    input  wire                       rsp_valid, // from the register file
    input  wire [WIDTH-1:0]           rsp_data,  // from the register file
    input  wire                       rsp_clean, // from the register file
    output wire                       ready,     // the board answers requests
    output wire                       session,   // a host has begun a session
    output wire                       received,  // a byte was received; high for one cycle
    output wire                       bad_frame, // a frame was unreadable; high for one cycle
    output wire                       dirty      // the last response was not clean
);

    wire rx_valid, rx_error;
    wire [7:0] rx_data;
    assign received = rx_valid;
    atomik_uart_rx #(
        .CLKS_PER_BIT (CLKS_PER_BIT)
    ) receiver (
        .clk        (clk),
        .rst        (rst),
        .rxd        (rxd),
        .byte_valid (rx_valid),
        .line_error (rx_error),
        .data       (rx_data)
    );

    wire decoded_write;
    wire [7:0] decoded_addr, decoded_data;
    wire frame_valid, frame_taken;
    wire [7:0] frame_error, frame_length, frame_addr, frame_data;
    wire [31:0] frame_crc;
    atomik_frame_rx frame_receiver (
        .clk          (clk),
        .rst          (rst),
        .byte_valid   (rx_valid),
        .line_error   (rx_error),
        .data         (rx_data),
        .write_en     (decoded_write),
        .write_addr   (decoded_addr),
        .write_data   (decoded_data),
        .frame_valid  (frame_valid),
        .frame_error  (frame_error),
        .frame_length (frame_length),
        .frame_crc    (frame_crc),
        .frame_taken  (frame_taken)
    );

    atomik_block_ram #(
        .WIDTH     (8),
        .ADDR_BITS (8)
    ) request_buffer (
        .clk        (clk),
        .write_en   (decoded_write),
        .write_addr (decoded_addr),
        .write_data (decoded_data),
        .read_addr  (frame_addr),
        .read_data  (frame_data)
    );

    wire reply_write, reply_start, reply_busy;
    wire [7:0] reply_addr, reply_data, reply_length;
    atomik_command_engine #(
        .WIDTH     (WIDTH),
        .DEPTH     (DEPTH),
        .ADDR_BITS (ADDR_BITS),
        .LANES     (LANES)
    ) engine (
        .clk          (clk),
        .rst          (rst),
        .frame_valid  (frame_valid),
        .frame_error  (frame_error),
        .frame_length (frame_length),
        .frame_crc    (frame_crc),
        .frame_taken  (frame_taken),
        .frame_addr   (frame_addr),
        .frame_data   (frame_data),
        .reply_write  (reply_write),
        .reply_addr   (reply_addr),
        .reply_data   (reply_data),
        .reply_start  (reply_start),
        .reply_length (reply_length),
        .reply_busy   (reply_busy),
        .core_rst     (core_rst),
        .core_ready   (core_ready),
        .cmd_valid    (cmd_valid),
        .cmd_op       (cmd_op),
        .cmd_addr     (cmd_addr),
        .cmd_data     (cmd_data),
        .rsp_valid    (rsp_valid),
        .rsp_data     (rsp_data),
        .rsp_clean    (rsp_clean),
        .ready        (ready),
        .session      (session),
        .bad_frame    (bad_frame),
        .dirty        (dirty)
    );

    wire [7:0] tx_addr, tx_byte, tx_data;
    wire tx_valid, tx_ready;
    atomik_block_ram #(
        .WIDTH     (8),
        .ADDR_BITS (8)
    ) reply_buffer (
        .clk        (clk),
        .write_en   (reply_write),
        .write_addr (reply_addr),
        .write_data (reply_data),
        .read_addr  (tx_addr),
        .read_data  (tx_byte)
    );

    atomik_frame_tx frame_sender (
        .clk        (clk),
        .rst        (rst),
        .start      (reply_start),
        .length     (reply_length),
        .busy       (reply_busy),
        .read_addr  (tx_addr),
        .read_data  (tx_byte),
        .byte_valid (tx_valid),
        .data       (tx_data),
        .byte_ready (tx_ready)
    );

    atomik_uart_tx #(
        .CLKS_PER_BIT (CLKS_PER_BIT)
    ) sender (
        .clk        (clk),
        .rst        (rst),
        .byte_valid (tx_valid),
        .data       (tx_data),
        .byte_ready (tx_ready),
        .txd        (txd)
    );
endmodule

`default_nettype wire
