// SPDX-License-Identifier: MIT OR Apache-2.0

`timescale 1ns / 1ps

// An integration of a register file, for the benches of this folder and of ../cocotb: a table of 16
// words of flags. A host loads, changes and reads them on lane 0; a sensor toggles them on lane 1.
module flag_table (
    input  logic       clk,           // clock, rising edge
    input  logic       rst,           // synchronous reset, active high
    output logic       ready,         // commands are accepted
    input  logic       host_valid,    // the host offers a command
    input  logic [2:0] host_op,
    input  logic [3:0] host_addr,
    input  logic [7:0] host_data,
    input  logic       sensor_valid,  // the sensor toggles flags
    input  logic [3:0] sensor_addr,
    input  logic [7:0] sensor_data,
    output logic       rsp_valid,     // a response to the host
    output logic [7:0] rsp_data,
    output logic       rsp_clean
);

    atomik_regfile_w8_d16_l2 regfile (
        .clk      (clk),
        .rst      (rst),
        .ready    (ready),
        .cmd_valid({sensor_valid, host_valid}),
        .cmd_op   (host_op),
        .cmd_addr ({sensor_addr, host_addr}),
        .cmd_data ({sensor_data, host_data}),
        .rsp_valid(rsp_valid),
        .rsp_data (rsp_data),
        .rsp_clean(rsp_clean)
    );

endmodule
