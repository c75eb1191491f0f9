// Answers requests: checks them, executes batches exactly once, and sends the replies.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// docs/board.md defines the protocol. ACCUM undoes itself when it is executed twice, so the engine
// remembers the number and the responses of the last batch, and answers a repeated batch without
// executing it again. Every reset clears the epoch, so a host that still relies on the state
// accumulated before the reset is refused.

`timescale 1ns / 1ps
`default_nettype none

module atomik_command_engine #(
    parameter WIDTH = 64,         // bits of a word, a multiple of 8
    parameter DEPTH = 512,        // addresses
    parameter ADDR_BITS = 9,      // bits of an address, 1 or more
    parameter LANES = 4           // lanes
) (
    input  wire                       clk,          // clock, rising edge
    input  wire                       rst,          // synchronous reset, active high
    input  wire                       frame_valid,  // a frame is in the receiver's buffer
    input  wire [7:0]                 frame_error,  // 0, or the error code of an unreadable frame
    input  wire [7:0]                 frame_length, // its bytes, including header and CRC
    input  wire [31:0]                frame_crc,    // its CRC
    output reg                        frame_taken,  // the buffer may be overwritten
    output wire [7:0]                 frame_addr,   // which byte of it to read
    input  wire [7:0]                 frame_data,   // that byte, one cycle later
    output wire                       reply_write,  // write reply_data to the sender's buffer
    output wire [7:0]                 reply_addr,   // where to write
    output wire [7:0]                 reply_data,   // what to write
    output reg                        reply_start,  // the reply is complete: send it
    output wire [7:0]                 reply_length, // its bytes
    input  wire                       reply_busy,   // the last reply is still being sent
    output reg                        core_rst,     // reset of the register file
    input  wire                       core_ready,   // the register file is clear
    output wire [LANES-1:0]           cmd_valid,    // to the register file
    output wire [2:0]                 cmd_op,       // to the register file
    output wire [LANES*ADDR_BITS-1:0] cmd_addr,     // to the register file
    output wire [LANES*WIDTH-1:0]     cmd_data,     // to the register file
    input  wire                       rsp_valid,    // from the register file
    input  wire [WIDTH-1:0]           rsp_data,     // from the register file
    input  wire                       rsp_clean,    // from the register file
    output wire                       ready,        // the board answers requests
    output wire                       session,      // a host has begun a session
    output reg                        bad_frame,    // a frame was unreadable; high for one cycle
    output reg                        dirty         // the last response was not clean
);

    localparam [7:0] KIND_INFO = 8'h01;
    localparam [7:0] KIND_RESET = 8'h02;
    localparam [7:0] KIND_BATCH = 8'h03;
    localparam [7:0] REPLY = 8'h80;
    localparam [7:0] ERROR_KIND = 8'h10;
    localparam [7:0] ERROR_LENGTH = 8'h11;
    localparam [7:0] ERROR_EPOCH = 8'h12;
    localparam [7:0] ERROR_SEQUENCE = 8'h13;
    localparam [7:0] ERROR_NO_EPOCH = 8'h14;

    // The capacity of a frame and of the queue.
    localparam MAX_PAYLOAD = 242;
    localparam CYCLES_LOG2 = 4;
    localparam FIT = (MAX_PAYLOAD - 2) / (WIDTH / 8 + 1);
    localparam MAX_RESPONSES = FIT < (1 << CYCLES_LOG2) ? FIT : (1 << CYCLES_LOG2);
    localparam [7:0] HEADER_LAST = 8'd6;
    localparam [7:0] CRC_BYTES = 8'd4;

    localparam [3:0] CLEAR = 4'd0;    // the register file is being cleared
    localparam [3:0] IDLE = 4'd1;     // no frame
    localparam [3:0] HEADER = 4'd2;   // reading its header
    localparam [3:0] DECIDE = 4'd3;   // deciding what to do
    localparam [3:0] RECORDS = 4'd4;  // checking and queueing the records of a batch
    localparam [3:0] CHECKED = 4'd5;  // all of them are checked
    localparam [3:0] PLAY = 4'd6;     // executing them
    localparam [3:0] WRITE = 4'd7;    // writing the reply
    localparam [3:0] SEND = 4'd8;     // handing it to the sender

    reg [3:0] state;
    // Reading the frame: when fetched is high, frame_data is the byte at place.
    reg [7:0] place;
    reg fetched;
    assign frame_addr = place;
    wire [7:0] payload_last = frame_length - CRC_BYTES - 8'd1;
    wire empty = payload_last == HEADER_LAST;

    // The request.
    reg [7:0] kind, number;
    reg [31:0] request_epoch;

    // The session: its epoch, 0 for none; the number of the next batch; the last batch.
    reg [31:0] epoch;
    reg [7:0] expected;
    reg last_known;
    reg [31:0] last_crc;
    reg [15:0] bad_frames;
    assign session = epoch != 32'd0;
    assign ready = state != CLEAR;
    // How the request relates to the session; registered, because the comparisons are wide.
    reg same_epoch, begun, again, is_next;
    always @(posedge clk) begin
        same_epoch <= request_epoch == epoch;
        begun <= session;
        again <= last_known && number == expected - 8'd1 && frame_crc == last_crc;
        is_next <= number == expected;
    end

    // The reply.
    reg [7:0] reply_kind, reply_error, reply_detail;
    reg write_start, play_start;
    wire write_busy, play_busy;

    // The queue.
    wire [7:0] record_error, record_index;
    wire [CYCLES_LOG2-1:0] write_index, read_index;
    wire [4:0] record_lane, data_index;
    wire addr_write, data_write, entry_write;
    wire [ADDR_BITS-1:0] record_addr;
    wire [LANES-1:0] parsed_valid, queued_valid;
    wire [2:0] parsed_op;
    wire [CYCLES_LOG2:0] parsed_cycles, parsed_responses;

    // The last executed batch.
    reg [CYCLES_LOG2:0] played_responses;
    wire [15:0] cycles_taken;
    wire response_write;
    wire [CYCLES_LOG2-1:0] response_write_index, response_read_index;
    wire [WIDTH:0] response;

    atomik_batch_parser #(
        .WIDTH         (WIDTH),
        .DEPTH         (DEPTH),
        .ADDR_BITS     (ADDR_BITS),
        .LANES         (LANES),
        .CYCLES_LOG2   (CYCLES_LOG2),
        .MAX_RESPONSES (MAX_RESPONSES)
    ) parser (
        .clk         (clk),
        .start       (state == DECIDE),
        .byte_valid  (state == RECORDS && fetched),
        .byte_last   (place == payload_last),
        .data        (frame_data),
        .error       (record_error),
        .error_index (record_index),
        .entry_index (write_index),
        .lane        (record_lane),
        .addr_write  (addr_write),
        .addr        (record_addr),
        .data_write  (data_write),
        .data_index  (data_index),
        .entry_write (entry_write),
        .entry_valid (parsed_valid),
        .entry_op    (parsed_op),
        .cycles      (parsed_cycles),
        .responses   (parsed_responses)
    );

    atomik_command_queue #(
        .WIDTH       (WIDTH),
        .ADDR_BITS   (ADDR_BITS),
        .LANES       (LANES),
        .CYCLES_LOG2 (CYCLES_LOG2)
    ) queue (
        .clk         (clk),
        .write_index (write_index),
        .lane        (record_lane),
        .addr_write  (addr_write),
        .addr        (record_addr),
        .data_write  (data_write),
        .data_index  (data_index),
        .data        (frame_data),
        .entry_write (entry_write),
        .entry_valid (parsed_valid),
        .entry_op    (parsed_op),
        .read_index  (read_index),
        .cmd_valid   (queued_valid),
        .cmd_op      (cmd_op),
        .cmd_addr    (cmd_addr),
        .cmd_data    (cmd_data)
    );

    atomik_batch_player #(
        .LANES       (LANES),
        .CYCLES_LOG2 (CYCLES_LOG2)
    ) player (
        .clk            (clk),
        .rst            (rst),
        .start          (play_start),
        .cycles         (parsed_cycles),
        .responses      (parsed_responses),
        .busy           (play_busy),
        .cycles_taken   (cycles_taken),
        .entry_index    (read_index),
        .entry_valid    (queued_valid),
        .cmd_valid      (cmd_valid),
        .rsp_valid      (rsp_valid),
        .response_write (response_write),
        .response_index (response_write_index)
    );

    atomik_block_ram #(
        .WIDTH     (WIDTH + 1),
        .ADDR_BITS (CYCLES_LOG2)
    ) response_store (
        .clk        (clk),
        .write_en   (response_write),
        .write_addr (response_write_index),
        .write_data ({rsp_clean, rsp_data}),
        .read_addr  (response_read_index),
        .read_data  (response)
    );

    atomik_reply_writer #(
        .WIDTH         (WIDTH),
        .DEPTH         (DEPTH),
        .LANES         (LANES),
        .CYCLES_LOG2   (CYCLES_LOG2),
        .MAX_RESPONSES (MAX_RESPONSES),
        .MAX_PAYLOAD   (MAX_PAYLOAD)
    ) writer (
        .clk            (clk),
        .rst            (rst),
        .start          (write_start),
        .kind           (reply_kind),
        .number         (number),
        .epoch          (epoch),
        .error          (reply_error),
        .detail         (reply_detail),
        .expected       (expected),
        .bad_frames     (bad_frames),
        .cycles_taken   (cycles_taken),
        .responses      (played_responses),
        .response_index (response_read_index),
        .response       (response),
        .busy           (write_busy),
        .write_en       (reply_write),
        .write_addr     (reply_addr),
        .write_data     (reply_data),
        .length         (reply_length)
    );

    always @(posedge clk) begin
        frame_taken <= 1'b0;
        reply_start <= 1'b0;
        write_start <= 1'b0;
        play_start <= 1'b0;
        bad_frame <= 1'b0;
        core_rst <= 1'b0;
        fetched <= !fetched;
        if (rst) begin
            state <= CLEAR;
            core_rst <= 1'b1;
            epoch <= 32'd0;
            expected <= 8'd0;
            last_known <= 1'b0;
            bad_frames <= 16'd0;
            dirty <= 1'b0;
        end else begin
            if (rsp_valid) begin
                dirty <= !rsp_clean;
            end
            case (state)
                CLEAR: begin
                    // The register file's ready falls one cycle after its reset.
                    if (core_ready && !core_rst) begin
                        state <= IDLE;
                    end
                end
                IDLE: begin
                    place <= 8'd0;
                    fetched <= 1'b0;
                    // The reply must not overwrite one that is still being sent.
                    if (frame_valid && !reply_busy) begin
                        reply_detail <= 8'd0;
                        if (frame_error != 8'd0) begin
                            state <= WRITE;
                            write_start <= 1'b1;
                            number <= 8'd0;
                            reply_kind <= REPLY;
                            reply_error <= frame_error;
                            bad_frame <= 1'b1;
                            if (bad_frames != 16'hffff) begin
                                bad_frames <= bad_frames + 16'd1;
                            end
                        end else begin
                            state <= HEADER;
                        end
                    end
                end
                HEADER: begin
                    if (fetched) begin
                        place <= place + 8'd1;
                        case (place)
                            8'd0: kind <= frame_data;
                            8'd1: number <= frame_data;
                            // The receiver has checked the length.
                            8'd2: ;
                            default: request_epoch <= {frame_data, request_epoch[31:8]};
                        endcase
                        if (place == HEADER_LAST) begin
                            state <= DECIDE;
                        end
                    end
                end
                DECIDE: begin
                    // The comparisons take the first cycle.
                    if (fetched) begin
                        fetched <= 1'b0;
                        state <= WRITE;
                        write_start <= 1'b1;
                        // An error, unless the request turns out to be valid.
                        reply_kind <= REPLY;
                        case (kind)
                            KIND_INFO: begin
                                reply_error <= ERROR_LENGTH;
                                if (empty) begin
                                    reply_kind <= KIND_INFO | REPLY;
                                end
                            end
                            KIND_RESET: begin
                                reply_error <= ERROR_LENGTH;
                                if (empty && request_epoch == 32'd0) begin
                                    reply_error <= ERROR_NO_EPOCH;
                                end else if (empty) begin
                                    reply_kind <= KIND_RESET | REPLY;
                                    // Do nothing if this is a repetition.
                                    if (!same_epoch) begin
                                        core_rst <= 1'b1;
                                        epoch <= request_epoch;
                                        expected <= 8'd0;
                                        last_known <= 1'b0;
                                    end
                                end
                            end
                            KIND_BATCH: begin
                                reply_error <= ERROR_LENGTH;
                                if (!same_epoch || !begun) begin
                                    reply_error <= ERROR_EPOCH;
                                end else if (again) begin
                                    reply_kind <= KIND_BATCH | REPLY;
                                end else if (!is_next) begin
                                    reply_error <= ERROR_SEQUENCE;
                                    reply_detail <= expected;
                                end else if (!empty) begin
                                    state <= RECORDS;
                                    write_start <= 1'b0;
                                end
                            end
                            default: begin
                                reply_error <= ERROR_KIND;
                            end
                        endcase
                    end
                end
                RECORDS: begin
                    if (fetched) begin
                        place <= place + 8'd1;
                        if (place == payload_last) begin
                            state <= CHECKED;
                            fetched <= 1'b0;
                        end
                    end
                end
                CHECKED: begin
                    // The last entry is written in the first cycle.
                    if (fetched) begin
                        if (record_error != 8'd0) begin
                            state <= WRITE;
                            write_start <= 1'b1;
                            reply_error <= record_error;
                            reply_detail <= record_index;
                        end else begin
                            state <= PLAY;
                            play_start <= 1'b1;
                            reply_kind <= KIND_BATCH | REPLY;
                            expected <= expected + 8'd1;
                            last_known <= 1'b1;
                            last_crc <= frame_crc;
                            played_responses <= parsed_responses;
                        end
                    end
                end
                PLAY: begin
                    if (!play_start && !play_busy) begin
                        state <= WRITE;
                        write_start <= 1'b1;
                    end
                end
                WRITE: begin
                    // A reset is answered after it has ended.
                    if (!write_start && !write_busy && !core_rst && core_ready) begin
                        state <= SEND;
                        reply_start <= 1'b1;
                        frame_taken <= 1'b1;
                    end
                end
                default: begin
                    // The receiver and the sender need a cycle to notice their work.
                    state <= IDLE;
                end
            endcase
        end
    end
endmodule

`default_nettype wire
