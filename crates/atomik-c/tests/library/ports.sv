// Drives a design, whose sizes replace the names in @, with random bits on every port, and compares
// it with the golden model.
`timescale 1ns / 1ps

// verilator lint_off PINCONNECTEMPTY
// verilator lint_off UNUSEDPARAM
// verilator lint_off UNUSEDSIGNAL
module bench #(
    parameter string MANIFEST = "@NAME@.json"
);

    localparam int ADDR_BITS = @DEPTH@ == 1 ? 1 : $clog2(@DEPTH@);

    logic clk;
    initial clk = 1'b0;
    always #5 clk = ~clk;

    logic                          rst = 1'b1;
    logic [@LANES@-1:0]            cmd_valid;
    logic [2:0]                    cmd_op;
    logic [@LANES@*ADDR_BITS-1:0]  cmd_addr;
    logic [@LANES@*@WIDTH@-1:0]    cmd_data;
    logic                          ready, rsp_valid, rsp_clean;
    logic [@WIDTH@-1:0]            rsp_data;

    @NAME@ dut (
        .clk      (clk),
        .rst      (rst),
        .ready    (ready),
        .cmd_valid(cmd_valid),
        .cmd_op   (cmd_op),
        @ADDR_PORT@
        .cmd_data (cmd_data),
        .rsp_valid(rsp_valid),
        .rsp_data (rsp_data),
        .rsp_clean(rsp_clean)
    );

    bind @NAME@ atomik_checker #(
        .MANIFEST("@NAME@.json"), .WIDTH(@WIDTH@), .DEPTH(@DEPTH@), .LANES(@LANES@)
    ) bound (
        .clk      (clk),
        .rst      (rst),
        .ready    (ready),
        .cmd_valid(cmd_valid),
        .cmd_op   (cmd_op),
        .cmd_addr (@ADDR@),
        .cmd_data (cmd_data),
        .rsp_valid(rsp_valid),
        .rsp_data (rsp_data),
        .rsp_clean(rsp_clean),
        .cycles   (),
        .responses(),
        .differs  ()
    );

    initial begin
        for (int i = 0; i < 3000; i++) begin
            @(negedge clk);
            rst    = i < 2 || $urandom_range(999) == 0;
            cmd_op = 3'($urandom_range(7));
            for (int l = 0; l < @LANES@; l++) cmd_valid[l] = $urandom_range(3) != 0;
            for (int b = 0; b < $bits(cmd_addr); b++) cmd_addr[b] = $urandom_range(1) != 0;
            for (int b = 0; b < $bits(cmd_data); b++) cmd_data[b] = $urandom_range(1) != 0;
        end
        if (dut.bound.differs) $fatal(1, "FAIL");
        $display("PASS: %0d cycles, %0d responses", dut.bound.cycles, dut.bound.responses);
        $finish;
    end

endmodule
