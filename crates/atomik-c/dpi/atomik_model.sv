// SPDX-License-Identifier: MIT OR Apache-2.0

`timescale 1ns / 1ps

// The golden model of a generated register file, with the ports of the design. Outputs change with
// the rising edge of clk, as those of the design do.
//
// Latency and time to clear are those of the manifest; its sizes must be those of the parameters.
// An input bit that is X or Z counts as 0.
module atomik_model #(
    // The NAME.json next to the Verilog; the path is relative to where the simulation runs.
    parameter string       MANIFEST  = "",
    parameter int unsigned WIDTH     = 64,
    parameter int unsigned DEPTH     = 512,
    parameter int unsigned LANES     = 1,
    // The bits of an address; without an address port, at DEPTH 1, tie cmd_addr to 0.
    parameter int unsigned ADDR_BITS = DEPTH == 1 ? 1 : $clog2(DEPTH)
) (
    input  logic                       clk,        // clock, rising edge
    input  logic                       rst,        // synchronous reset, active high
    output logic                       defined,    // outputs are defined: rst was high once
    output logic                       ready,      // commands are accepted
    input  logic [LANES-1:0]           cmd_valid,  // lane l offers a command in this cycle
    input  logic [2:0]                 cmd_op,     // op of lane 0
    input  logic [LANES*ADDR_BITS-1:0] cmd_addr,   // address of each lane, lane 0 low
    input  logic [LANES*WIDTH-1:0]     cmd_data,   // value or delta of each lane, lane 0 low
    output logic                       rsp_valid,  // a response is on the port
    output logic [WIDTH-1:0]           rsp_data,   // X unless rsp_valid is high
    output logic                       rsp_clean   // X unless rsp_valid is high
);

    // Words of 64 bits, in which values go to and from the library.
    localparam int unsigned ADDR_WORDS = (LANES * ADDR_BITS + 63) / 64;
    localparam int unsigned DATA_WORDS = (LANES * WIDTH + 63) / 64;
    localparam int unsigned RSP_WORDS  = (WIDTH + 63) / 64;

    chandle handle = null;

    // Stops the simulation unless a function of the library has succeeded.
    function automatic void check(input int status);
        if (status != 0) $fatal(1, "%m: %s", atomik_pkg::atomik_last_error());
    endfunction

    function automatic void check_size(
        input string what, input int unsigned parameter_value, input int unsigned manifest_value
    );
        if (parameter_value != manifest_value) begin
            $fatal(1, "%m: parameter %s is %0d, but %0d in %s", what, parameter_value,
                   manifest_value, MANIFEST);
        end
    endfunction

    function automatic void open();
        check(atomik_pkg::atomik_model_open(MANIFEST, handle));
        check_size("WIDTH", WIDTH, atomik_pkg::atomik_model_width(handle));
        check_size("DEPTH", DEPTH, atomik_pkg::atomik_model_depth(handle));
        check_size("LANES", LANES, atomik_pkg::atomik_model_lanes(handle));
    endfunction

    // Ends the cycle in the library.
    function automatic void end_cycle();
        bit [64*ADDR_WORDS-1:0] addr = (64 * ADDR_WORDS)'(cmd_addr);
        bit [64*DATA_WORDS-1:0] data = (64 * DATA_WORDS)'(cmd_data);
        if (DEPTH > 1) begin
            for (int unsigned i = 0; i < ADDR_WORDS; i++) begin
                check(atomik_pkg::atomik_model_set_cmd_addr(handle, i, addr[64*i+:64]));
            end
        end
        for (int unsigned i = 0; i < DATA_WORDS; i++) begin
            check(atomik_pkg::atomik_model_set_cmd_data(handle, i, data[64*i+:64]));
        end
        check(atomik_pkg::atomik_model_clock(handle, rst, 32'(cmd_valid), 32'(cmd_op)));
    endfunction

    function automatic logic [WIDTH-1:0] response();
        logic [WIDTH-1:0] data = '0;
        for (int unsigned i = 0; i < RSP_WORDS; i++) begin
            data |= WIDTH'(atomik_pkg::atomik_model_rsp_data(handle, i)) << (64 * i);
        end
        return data;
    endfunction

    initial begin
        defined = 1'b0;
        // The first edge of clk may be at time 0, before this.
        if (handle == null) open();
    end

    always @(posedge clk) begin
        if (handle == null) open();
        end_cycle();
        defined <= atomik_pkg::atomik_model_defined(handle);
        if (atomik_pkg::atomik_model_defined(handle)) begin
            ready     <= atomik_pkg::atomik_model_ready(handle);
            rsp_valid <= atomik_pkg::atomik_model_rsp_valid(handle);
            if (atomik_pkg::atomik_model_rsp_valid(handle)) begin
                rsp_data  <= response();
                rsp_clean <= atomik_pkg::atomik_model_rsp_clean(handle);
            end else begin
                rsp_data  <= 'x;
                rsp_clean <= 1'bx;
            end
        end
    end

    final atomik_pkg::atomik_model_free(handle);

endmodule
