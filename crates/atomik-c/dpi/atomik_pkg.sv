// SPDX-License-Identifier: MIT OR Apache-2.0

`timescale 1ns / 1ps

// The functions of libatomik that the golden model needs; atomik.h describes them. Those that
// return an int return 0, or a status with a message in atomik_last_error.
package atomik_pkg;

    import "DPI-C" function string atomik_last_error();

    import "DPI-C" function int atomik_model_open(
        input  string  manifest,
        output chandle model
    );
    import "DPI-C" function void atomik_model_free(input chandle model);

    import "DPI-C" function int unsigned atomik_model_width(input chandle model);
    import "DPI-C" function int unsigned atomik_model_depth(input chandle model);
    import "DPI-C" function int unsigned atomik_model_lanes(input chandle model);
    import "DPI-C" function int unsigned atomik_model_latency(input chandle model);
    import "DPI-C" function int unsigned atomik_model_clear_cycles(input chandle model);

    import "DPI-C" function int atomik_model_set_cmd_addr(
        input chandle          model,
        input int unsigned     word,
        input longint unsigned bits
    );
    import "DPI-C" function int atomik_model_set_cmd_data(
        input chandle          model,
        input int unsigned     word,
        input longint unsigned bits
    );
    import "DPI-C" function int atomik_model_clock(
        input chandle      model,
        input bit          rst,
        input int unsigned cmd_valid,
        input int unsigned cmd_op
    );

    import "DPI-C" function bit atomik_model_defined(input chandle model);
    import "DPI-C" function bit atomik_model_ready(input chandle model);
    import "DPI-C" function bit atomik_model_rsp_valid(input chandle model);
    import "DPI-C" function bit atomik_model_rsp_clean(input chandle model);
    import "DPI-C" function longint unsigned atomik_model_rsp_data(
        input chandle      model,
        input int unsigned word
    );

endpackage
