// A register file of 512 addresses, 64 bits and 2 lanes on a Sipeed Tang Nano 9K, behind a UART.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// docs/board.md describes the serial protocol, the buttons and the LEDs. To use another register
// file, change the sizes, the instance, and [regfile] in board.toml.

`timescale 1ns / 1ps
`default_nettype none

module atomik_board_tangnano9k #(
    parameter [15:0] CLKS_PER_BIT = 16'd54, // 1 Mbaud at 54 MHz
    parameter SETTLE_BITS = 19,             // the reset button settles in 2^19 cycles: 9.7 ms
    parameter BLINK_BITS = 25               // the heartbeat has a period of 2^25 cycles: 0.6 s
) (
    input  wire       clk_27m,   // crystal, 27 MHz
    input  wire       button1_n, // S1, 0 when pressed: reset
    input  wire       button2_n, // S2, 0 when pressed: clear the bad-frame LED
    input  wire       uart_rxd,  // from the host
    output wire       uart_txd,  // to the host
    output wire [5:0] led_n      // LEDs, 0 lights one
);

    localparam WIDTH = 64;
    localparam DEPTH = 512;
    localparam ADDR_BITS = 9;
    localparam LANES = 2;

    wire clk, lock, rst;
    atomik_pll_27_to_54 pll (
        .clk_in  (clk_27m),
        .clk_out (clk),
        .lock    (lock)
    );

    atomik_board_reset #(
        .SETTLE_BITS (SETTLE_BITS)
    ) board_reset (
        .clk      (clk),
        .lock     (lock),
        .button_n (button1_n),
        .rst      (rst)
    );

    wire core_rst, core_ready;
    wire [LANES-1:0] cmd_valid;
    wire [2:0] cmd_op;
    wire [LANES*ADDR_BITS-1:0] cmd_addr;
    wire [LANES*WIDTH-1:0] cmd_data;
    wire rsp_valid, rsp_clean;
    wire [WIDTH-1:0] rsp_data;
    wire ready, session, received, bad_frame, dirty;
    atomik_uart_bridge #(
        .CLKS_PER_BIT (CLKS_PER_BIT),
        .WIDTH        (WIDTH),
        .DEPTH        (DEPTH),
        .ADDR_BITS    (ADDR_BITS),
        .LANES        (LANES)
    ) bridge (
        .clk        (clk),
        .rst        (rst),
        .rxd        (uart_rxd),
        .txd        (uart_txd),
        .core_rst   (core_rst),
        .core_ready (core_ready),
        .cmd_valid  (cmd_valid),
        .cmd_op     (cmd_op),
        .cmd_addr   (cmd_addr),
        .cmd_data   (cmd_data),
        .rsp_valid  (rsp_valid),
        .rsp_data   (rsp_data),
        .rsp_clean  (rsp_clean),
        .ready      (ready),
        .session    (session),
        .received   (received),
        .bad_frame  (bad_frame),
        .dirty      (dirty)
    );

    atomik_regfile_w64_d512_l2_gowin regfile (
        .clk       (clk),
        .rst       (core_rst),
        .ready     (core_ready),
        .cmd_valid (cmd_valid),
        .cmd_op    (cmd_op),
        .cmd_addr  (cmd_addr),
        .cmd_data  (cmd_data),
        .rsp_valid (rsp_valid),
        .rsp_data  (rsp_data),
        .rsp_clean (rsp_clean)
    );

    atomik_board_leds #(
        .BLINK_BITS (BLINK_BITS)
    ) leds (
        .clk       (clk),
        .rst       (rst),
        .ready     (ready),
        .session   (session),
        .received  (received),
        .bad_frame (bad_frame),
        .dirty     (dirty),
        .clear_n   (button2_n),
        .led_n     (led_n)
    );
endmodule

`default_nettype wire
