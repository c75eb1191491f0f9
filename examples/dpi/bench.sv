// SPDX-License-Identifier: MIT OR Apache-2.0

// Drives a flag_table with random commands and resets, and compares it with the golden model in
// every cycle.
`timescale 1ns / 1ps
module bench #(
    parameter string MANIFEST = "atomik_regfile_w8_d16_l2.json",
    parameter int    CYCLES   = 20000
);

    logic clk;
    initial clk = 1'b0;
    always #5 clk = ~clk;

    logic       rst = 1'b1;
    logic       host_valid, sensor_valid;
    logic [2:0] host_op;
    logic [3:0] host_addr, sensor_addr;
    logic [7:0] host_data, sensor_data;
    logic       ready, rsp_valid, rsp_clean;
    logic [7:0] rsp_data;

    flag_table dut (
        .clk         (clk),
        .rst         (rst),
        .ready       (ready),
        .host_valid  (host_valid),
        .host_op     (host_op),
        .host_addr   (host_addr),
        .host_data   (host_data),
        .sensor_valid(sensor_valid),
        .sensor_addr (sensor_addr),
        .sensor_data (sensor_data),
        .rsp_valid   (rsp_valid),
        .rsp_data    (rsp_data),
        .rsp_clean   (rsp_clean)
    );

    longint unsigned cycles, responses;
    bit              differs;

    // The integration's border: the host is lane 0, the sensor lane 1.
    atomik_checker #(
        .MANIFEST(MANIFEST),
        .WIDTH   (8),
        .DEPTH   (16),
        .LANES   (2)
    ) checker_i (
        .clk      (clk),
        .rst      (rst),
        .ready    (ready),
        .cmd_valid({sensor_valid, host_valid}),
        .cmd_op   (host_op),
        .cmd_addr ({sensor_addr, host_addr}),
        .cmd_data ({sensor_data, host_data}),
        .rsp_valid(rsp_valid),
        .rsp_data (rsp_data),
        .rsp_clean(rsp_clean),
        .cycles   (cycles),
        .responses(responses),
        .differs  (differs)
    );

    initial begin
        for (int i = 0; i < CYCLES; i++) begin
            // Inputs change away from the rising edge. Few addresses, so that commands meet there.
            @(negedge clk);
            rst          = i < 2 || $urandom_range(499) == 0;
            host_valid   = $urandom_range(3) != 0;
            host_op      = 3'($urandom_range(7));
            host_addr    = 4'($urandom_range(3));
            host_data    = 8'($urandom_range(255));
            sensor_valid = $urandom_range(3) != 0;
            sensor_addr  = 4'($urandom_range(3));
            sensor_data  = 8'($urandom_range(255));
        end
        if (differs) $fatal(1, "FAIL: the flag table differs from the model");
        if (responses < 100) $fatal(1, "FAIL: only %0d responses", responses);
        $display("PASS: %0d cycles, %0d responses compared", cycles, responses);
        $finish;
    end

endmodule
