// SPDX-License-Identifier: MIT OR Apache-2.0

`timescale 1ns / 1ps

// Compares every output of a register file with the golden model, in every cycle from the one after
// the first with rst high. All ports but the counters are inputs: connect them beside a design, or
// bind the checker to it. The first difference ends in $error, with cycle, port and both values.
module atomik_checker #(
    // As for atomik_model.
    parameter string       MANIFEST  = "",
    parameter int unsigned WIDTH     = 64,
    parameter int unsigned DEPTH     = 512,
    parameter int unsigned LANES     = 1,
    parameter int unsigned ADDR_BITS = DEPTH == 1 ? 1 : $clog2(DEPTH)
) (
    input  logic                       clk,        // clock, rising edge
    input  logic                       rst,        // synchronous reset, active high
    input  logic                       ready,      // of the design
    input  logic [LANES-1:0]           cmd_valid,  // inputs of the design
    input  logic [2:0]                 cmd_op,
    input  logic [LANES*ADDR_BITS-1:0] cmd_addr,
    input  logic [LANES*WIDTH-1:0]     cmd_data,
    input  logic                       rsp_valid,  // outputs of the design
    input  logic [WIDTH-1:0]           rsp_data,
    input  logic                       rsp_clean,
    output longint unsigned            cycles,     // cycles compared
    output longint unsigned            responses,  // responses compared
    output bit                         differs     // a difference was found; comparing has ended
);

    logic             defined;
    logic             expected_ready;
    logic             expected_valid;
    logic [WIDTH-1:0] expected_data;
    logic             expected_clean;

    atomik_model #(
        .MANIFEST (MANIFEST),
        .WIDTH    (WIDTH),
        .DEPTH    (DEPTH),
        .LANES    (LANES),
        .ADDR_BITS(ADDR_BITS)
    ) model (
        .clk      (clk),
        .rst      (rst),
        .defined  (defined),
        .ready    (expected_ready),
        .cmd_valid(cmd_valid),
        .cmd_op   (cmd_op),
        .cmd_addr (cmd_addr),
        .cmd_data (cmd_data),
        .rsp_valid(expected_valid),
        .rsp_data (expected_data),
        .rsp_clean(expected_clean)
    );

    initial begin
        cycles    = 0;
        responses = 0;
        differs   = 1'b0;
    end

    // Reports a port that differs; returns 1.
    function automatic bit report(
        input string port, input logic [WIDTH-1:0] expected, input logic [WIDTH-1:0] got
    );
        $error("%m: cycle %0d after the first reset, time %0t: %s expected 0x%0h, got 0x%0h",
               cycles, $time, port, expected, got);
        return 1'b1;
    endfunction

    always @(posedge clk) begin
        if (defined && !differs) begin
            cycles <= cycles + 1;
            if (expected_valid) responses <= responses + 1;
            if (ready !== expected_ready) begin
                differs <= report("ready", WIDTH'(expected_ready), WIDTH'(ready));
            end else if (rsp_valid !== expected_valid) begin
                differs <= report("rsp_valid", WIDTH'(expected_valid), WIDTH'(rsp_valid));
            end else if (expected_valid && rsp_data !== expected_data) begin
                differs <= report("rsp_data", expected_data, rsp_data);
            end else if (expected_valid && rsp_clean !== expected_clean) begin
                differs <= report("rsp_clean", WIDTH'(expected_clean), WIDTH'(rsp_clean));
            end
        end
    end

endmodule
