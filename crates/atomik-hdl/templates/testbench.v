// @NAME@_tb: self-checking testbench of @NAME@
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Generated; do not edit. Regenerate with:
//     @COMMAND@
//
// Compares every output with a model of the register file in every cycle, under random commands,
// bursts at the same address, and resets of random length at random moments. What a lane does not
// use is X, and so is a word that is read at the edge that writes it. Prints PASS or FAIL.
//
//     $ iverilog -g2005 -o tb.vvp -s @NAME@_tb -c @NAME@.sim.f @NAME@_tb.v
//     $ vvp -N tb.vvp
//     $ verilator --binary --timing --assert -Wno-MULTIDRIVEN --top-module @NAME@_tb @NAME@_tb.v -F @NAME@.sim.f
//     $ obj_dir/V@NAME@_tb
//
// Arguments: +seed=N, +cycles=N (default 20000 after the first clear), +vcd (waves in tb.vcd).

@TIMESCALE@`default_nettype none

// verilator lint_off WIDTH

module @NAME@_tb;
    localparam integer WIDTH = @WIDTH@;
    localparam integer DEPTH = @DEPTH@;
    localparam integer ADDR = @ADDR@;
    localparam integer LANES = @LANES@;
    localparam integer LATENCY = @LATENCY@;
    localparam integer CLEAR = @CLEAR@;

    reg clk;
    reg rst;
    wire ready;
    reg [LANES-1:0] cmd_valid;
    reg [2:0] cmd_op;
    reg [LANES*ADDR-1:0] cmd_addr;
    reg [LANES*WIDTH-1:0] cmd_data;
    wire rsp_valid;
    wire [WIDTH-1:0] rsp_data;
    wire rsp_clean;

    @NAME@ dut (
        .clk       (clk),
        .rst       (rst),
        .ready     (ready),
        .cmd_valid (cmd_valid),
        .cmd_op    (cmd_op),
@ADDR_PORT@        .cmd_data  (cmd_data),
        .rsp_valid (rsp_valid),
        .rsp_data  (rsp_data),
        .rsp_clean (rsp_clean)
    );

    // The model. Commands take effect in the order (cycle, lane).
    reg [WIDTH-1:0] reference [0:DEPTH-1];
    reg [WIDTH-1:0] delta [0:DEPTH-1];
    // What is due on the response port, by cycle modulo LATENCY.
    reg [LATENCY-1:0] due_valid;
    reg [LATENCY-1:0] due_clean;
    reg [WIDTH-1:0] due_data [0:LATENCY-1];
    integer slot;
    integer wait_cycles; // until ready; less than 0 before the first reset

    // The sum of two words.
    function [WIDTH-1:0] plus;
        input [WIDTH-1:0] a;
        input [WIDTH-1:0] b;
        begin
@PLUS@        end
    endfunction

    // Random numbers and the profile that shapes them.
    integer seed;
    integer cycles;
    integer cycle;
    integer pool;  // addresses in use: 1, 2, 4, ... DEPTH
    integer first; // the first of them
    integer busy;  // of 8 lanes, how many offer a command
    integer reads; // of 8 commands on lane 0, how many are no ACCUM
    integer sweep; // the next address of a sweep over all; DEPTH when there is none
    integer reset_left;

    integer errors;
    integer commands;
    integer responses;
    integer resets;

    integer lane;
    integer i;
    reg [2:0] op;
    reg [WIDTH-1:0] state;
    reg [WIDTH-1:0] word;
    reg [ADDR-1:0] address;
    reg [2:0] offered_op;
    reg [LANES-1:0] offered;

    function integer below; // a random number from 0 to limit - 1
        input integer limit;
        begin
            below = $unsigned($random(seed)) % limit;
        end
    endfunction

    task fail;
        input [8*10-1:0] port;
        input [WIDTH-1:0] expected;
        input [WIDTH-1:0] got;
        begin
            $display("FAIL %0s in cycle %0d: expected %h, got %h (+seed=%0d)",
                port, cycle, expected, got, first_seed);
            errors = errors + 1;
        end
    endtask
    integer first_seed;

    // Compares the outputs of this cycle, then lets its commands take effect.
    task check;
        begin
            if (wait_cycles >= 0) begin
                if (ready !== (wait_cycles == 0))
                    fail("ready", {{(WIDTH){1'b0}}} | (wait_cycles == 0), {{(WIDTH){1'b0}}} | ready);
                if (rsp_valid !== due_valid[slot])
                    fail("rsp_valid", {{(WIDTH){1'b0}}} | due_valid[slot],
                        {{(WIDTH){1'b0}}} | rsp_valid);
                if (due_valid[slot]) begin
                    responses = responses + 1;
                    if (rsp_data !== due_data[slot])
                        fail("rsp_data", due_data[slot], rsp_data);
                    if (rsp_clean !== due_clean[slot])
                        fail("rsp_clean", {{(WIDTH){1'b0}}} | due_clean[slot],
                            {{(WIDTH){1'b0}}} | rsp_clean);
                end
            end
            due_valid[slot] = 1'b0;
            if (rst) begin
                due_valid = {LATENCY{1'b0}};
                wait_cycles = CLEAR - 1;
                for (i = 0; i < DEPTH; i = i + 1) begin
                    reference[i] = {WIDTH{1'b0}};
                    delta[i] = {WIDTH{1'b0}};
                end
            end else if (wait_cycles > 0) begin
                wait_cycles = wait_cycles - 1;
            end else if (wait_cycles == 0) begin
                for (lane = 0; lane < LANES; lane = lane + 1)
                    if (cmd_valid[lane]) take;
            end
            slot = (slot + 1) % LATENCY;
        end
    endtask

    // The command of `lane` takes effect.
    task take;
        begin
            commands = commands + 1;
            op = lane == 0 ? cmd_op : 3'd2;
            address = cmd_addr[lane*ADDR +: ADDR];
            word = cmd_data[lane*WIDTH +: WIDTH];
            state = plus(reference[address], delta[address]);
            if (op >= 3'd3 && op <= 3'd6) begin
                due_valid[slot] = 1'b1;
                due_clean[slot] = delta[address] == {WIDTH{1'b0}};
                due_data[slot] = op == 3'd3 || op == 3'd4 ? state : delta[address];
            end
            case (op)
                3'd1: begin
                    reference[address] = word;
                    delta[address] = {WIDTH{1'b0}};
                end
                3'd2: delta[address] = plus(delta[address], word);
                3'd4, 3'd6: begin
                    reference[address] = state;
                    delta[address] = {WIDTH{1'b0}};
                end
                default: ;
            endcase
        end
    endtask

    // Draws the commands of the next cycle.
    task draw;
        begin
            if (cycle % 128 == 0) begin
                pool = 1 << below(ADDR + 1);
                if (pool > DEPTH) pool = DEPTH;
                first = below(DEPTH);
                busy = below(9);
                reads = below(9);
            end
            if (reset_left > 0) reset_left = reset_left - 1;
            else if (below(4 * CLEAR + 500) == 0)
                reset_left = below(4) == 0 ? below(2 * CLEAR) + 1 : below(4) + 1;
            if (reset_left == 1) begin
                resets = resets + 1;
                sweep = below(2) == 0 ? 0 : DEPTH;
            end
            rst = reset_left > 0;
            offered = {LANES{1'b0}};
            offered_op = below(8) < reads ? below(8) : 3'd2;
            cmd_addr = {(LANES*ADDR){1'bx}};
            cmd_data = {(LANES*WIDTH){1'bx}};
            for (lane = 0; lane < LANES; lane = lane + 1)
                if (below(8) < busy) begin
                    offered[lane] = 1'b1;
                    address = (first + below(pool)) % DEPTH;
                    cmd_addr[lane*ADDR +: ADDR] = address;
                    if (lane != 0 || offered_op == 3'd1 || offered_op == 3'd2) begin
                        for (i = 0; i < WIDTH; i = i + 1) word[i] = below(2) == 1;
                        if (below(8) == 0) word = {WIDTH{1'b1}};
                        cmd_data[lane*WIDTH +: WIDTH] = word;
                    end
                end
            // After a reset, sometimes read every address.
            if (ready === 1'b1 && sweep < DEPTH) begin
                offered[0] = 1'b1;
                offered_op = 3'd3 + sweep % 4;
                cmd_addr[ADDR-1:0] = sweep;
                cmd_data[WIDTH-1:0] = {WIDTH{1'bx}};
                sweep = sweep + 1;
            end
            cmd_valid = offered;
            cmd_op = offered[0] ? offered_op : 3'bxxx;
        end
    endtask

    initial begin
        if (!$value$plusargs("seed=%d", seed)) seed = 1;
        if (!$value$plusargs("cycles=%d", cycles)) cycles = 20000;
        if ($test$plusargs("vcd")) begin
            $dumpfile("tb.vcd");
            $dumpvars(0, dut);
        end
        first_seed = seed;
        errors = 0;
        commands = 0;
        responses = 0;
        resets = 1;
        slot = 0;
        wait_cycles = -1;
        due_valid = {LATENCY{1'b0}};
        pool = 1;
        first = 0;
        busy = 0;
        reads = 0;
        sweep = 0;
        reset_left = 2;
        clk = 1'b0;
        rst = 1'b1;
        cmd_valid = {LANES{1'bx}};
        cmd_op = 3'bxxx;
        cmd_addr = {(LANES*ADDR){1'bx}};
        cmd_data = {(LANES*WIDTH){1'bx}};
        for (cycle = 1; cycle <= cycles + CLEAR && errors < 10; cycle = cycle + 1) begin
            // Inputs change at the falling edge; outputs are compared before the rising edge.
            #5 check;
            clk = 1'b1;
            #5 clk = 1'b0;
            draw;
        end
        if (errors == 0 && responses > 0) begin
            $display("PASS: %0d commands, %0d responses, %0d resets, seed %0d",
                commands, responses, resets, first_seed);
            $finish;
        end else begin
            if (responses == 0) $display("FAIL: no response in %0d cycles", cycles);
            $stop;
        end
    end
@POISON@
endmodule

`default_nettype wire
