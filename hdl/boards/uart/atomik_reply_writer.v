// Writes a reply into the sender's buffer: header, payload and CRC.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Each byte takes four cycles: read a response from its memory, pick one of its bytes, choose the
// byte to write, then write it and add it to the CRC.

`timescale 1ns / 1ps
`default_nettype none

module atomik_reply_writer #(
    parameter WIDTH = 64,         // bits of a word, a multiple of 8
    parameter DEPTH = 512,        // addresses
    parameter LANES = 4,          // lanes
    parameter CYCLES_LOG2 = 4,    // a batch has at most 2^CYCLES_LOG2 cycles
    parameter MAX_RESPONSES = 16, // responses that fit into a reply
    parameter MAX_PAYLOAD = 242   // payload bytes that fit into a frame
) (
    input  wire                   clk,            // clock, rising edge
    input  wire                   rst,            // synchronous reset, active high
    input  wire                   start,          // write; high for one cycle while busy is low
    input  wire [7:0]             kind,           // the kind; stable while busy, like all below
    input  wire [7:0]             number,         // the sequence number of the request
    input  wire [31:0]            epoch,          // the session, 0 for none
    input  wire [7:0]             error,          // error reply: the code
    input  wire [7:0]             detail,         // error reply: the detail
    input  wire [7:0]             expected,       // info reply: the number of the next batch
    input  wire [15:0]            bad_frames,     // info reply: the number of unreadable frames
    input  wire [15:0]            cycles_taken,   // batch reply: the cycles that it took
    input  wire [CYCLES_LOG2:0]   responses,      // batch reply: the number of responses
    output wire [CYCLES_LOG2-1:0] response_index, // the response to read
    input  wire [WIDTH:0]         response,       // that one, clean above the data, a cycle later
    output wire                   busy,           // the reply is incomplete
    output reg                    write_en,       // write write_data to the buffer
    output reg  [7:0]             write_addr,     // where to write
    output reg  [7:0]             write_data,     // what to write
    output wire [7:0]             length          // bytes of the reply, valid when busy is low
);

    localparam [7:0] PROTOCOL = 8'd1;
    localparam [7:0] KIND_ERROR = 8'h80;
    localparam [7:0] KIND_INFO = 8'h81;
    localparam [7:0] KIND_BATCH = 8'h83;
    localparam DATA_BYTES = WIDTH / 8;
    localparam [7:0] RESPONSE_BYTES = DATA_BYTES[7:0] + 8'd1;
    localparam [31:0] CYCLES = 32'd1 << CYCLES_LOG2;
    localparam [1:0] HEADER = 2'd0;
    localparam [1:0] PAYLOAD = 2'd1;
    localparam [1:0] RESPONSES = 2'd2;
    localparam [1:0] CHECK = 2'd3;

    localparam [1:0] FETCH = 2'd0;
    localparam [1:0] PICK = 2'd1;
    localparam [1:0] CHOOSE = 2'd2;
    localparam [1:0] COUNT = 2'd3;

    reg active;
    reg [1:0] phase, section;
    // The position in the section, and in the frame.
    reg [7:0] place, count;
    // The current response.
    reg [CYCLES_LOG2:0] index;
    reg [31:0] crc;
    assign response_index = index[CYCLES_LOG2-1:0];
    assign busy = active;
    assign length = count;

    // The bytes of section PAYLOAD, and of the whole payload.
    reg [7:0] fixed_length;
    always @* begin
        case (kind)
            KIND_ERROR: fixed_length = 8'd2;
            KIND_INFO: fixed_length = 8'd12;
            KIND_BATCH: fixed_length = 8'd2;
            default: fixed_length = 8'd0;
        endcase
    end
    wire [7:0] response_count = {{(7-CYCLES_LOG2){1'b0}}, responses};
    wire has_responses = kind == KIND_BATCH && response_count != 8'd0;
    wire [7:0] payload_length = fixed_length
        + (kind == KIND_BATCH ? response_count * DATA_BYTES[7:0] + response_count : 8'd0);

    reg [7:0] header_byte;
    always @* begin
        case (place[2:0])
            3'd0: header_byte = kind;
            3'd1: header_byte = number;
            3'd2: header_byte = payload_length;
            3'd3: header_byte = epoch[7:0];
            3'd4: header_byte = epoch[15:8];
            3'd5: header_byte = epoch[23:16];
            default: header_byte = epoch[31:24];
        endcase
    end

    reg [7:0] info_byte;
    always @* begin
        case (place[3:0])
            4'd0: info_byte = PROTOCOL;
            4'd1: info_byte = WIDTH[7:0];
            4'd2: info_byte = WIDTH[15:8];
            4'd3: info_byte = DEPTH[7:0];
            4'd4: info_byte = DEPTH[15:8];
            4'd5: info_byte = LANES[7:0];
            4'd6: info_byte = MAX_PAYLOAD[7:0];
            4'd7: info_byte = CYCLES[7:0];
            4'd8: info_byte = MAX_RESPONSES[7:0];
            4'd9: info_byte = expected;
            4'd10: info_byte = bad_frames[7:0];
            default: info_byte = bad_frames[15:8];
        endcase
    end

    reg [7:0] payload_byte;
    always @* begin
        case (kind)
            KIND_INFO: payload_byte = info_byte;
            KIND_BATCH: payload_byte = place[0] ? cycles_taken[15:8] : cycles_taken[7:0];
            default: payload_byte = place[0] ? detail : error;
        endcase
    end

    // Clean first, then the data.
    wire [WIDTH-1:0] word = response[WIDTH-1:0];
    reg [7:0] response_byte, picked;
    integer b;
    always @* begin
        response_byte = {7'd0, response[WIDTH]};
        for (b = 0; b < DATA_BYTES; b = b + 1) begin
            if (place == b[7:0] + 8'd1) begin
                response_byte = word[b*8 +: 8];
            end
        end
    end

    reg [7:0] next_byte;
    always @* begin
        case (section)
            HEADER: next_byte = header_byte;
            PAYLOAD: next_byte = payload_byte;
            RESPONSES: next_byte = picked;
            default: next_byte = ~crc[7:0];
        endcase
    end

    wire [31:0] crc_next;
    atomik_crc32_step crc_step (
        .crc      (crc),
        .data     (write_data),
        .crc_next (crc_next)
    );

    reg section_ends;
    always @* begin
        case (section)
            HEADER: section_ends = place == 8'd6;
            PAYLOAD: section_ends = place == fixed_length - 8'd1;
            RESPONSES: section_ends = place == RESPONSE_BYTES - 8'd1;
            default: section_ends = place == 8'd3;
        endcase
    end
    wire last_response = index + 1'b1 == responses;

    always @(posedge clk) begin
        write_en <= 1'b0;
        if (rst) begin
            active <= 1'b0;
        end else if (!active) begin
            active <= start;
            phase <= FETCH;
            section <= HEADER;
            place <= 8'd0;
            index <= {(CYCLES_LOG2+1){1'b0}};
            crc <= 32'hffffffff;
            if (start) begin
                count <= 8'd0;
            end
        end else if (phase == FETCH) begin
            phase <= PICK;
        end else if (phase == PICK) begin
            phase <= CHOOSE;
            picked <= response_byte;
        end else if (phase == CHOOSE) begin
            phase <= COUNT;
            write_en <= 1'b1;
            write_addr <= count;
            write_data <= next_byte;
        end else begin
            phase <= FETCH;
            count <= count + 8'd1;
            place <= section_ends ? 8'd0 : place + 8'd1;
            crc <= section == CHECK ? {8'd0, crc[31:8]} : crc_next;
            if (section_ends) begin
                case (section)
                    HEADER: section <= fixed_length == 8'd0 ? CHECK : PAYLOAD;
                    PAYLOAD: section <= has_responses ? RESPONSES : CHECK;
                    RESPONSES: begin
                        index <= index + 1'b1;
                        if (last_response) begin
                            section <= CHECK;
                        end
                    end
                    default: active <= 1'b0;
                endcase
            end
        end
    end
endmodule

`default_nettype wire
