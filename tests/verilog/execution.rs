//! The hardware against the golden model, cycle by cycle, with memories that return garbage when a
//! word is read at the edge that writes it: the design must rely on neither the old nor the new
//! word. It runs in rust-hdl's own simulator, and as Verilog with another memory under Verilator.

use atomik_algebra::Op;
use atomik_hdl::circuit::Circuit;
use atomik_hdl::{Config, regfile, verilog};
use atomik_sim::golden::{Golden, Timing};
use atomik_sim::model::Model;
use atomik_sim::record::Layout;
use atomik_sim::verilate::{Builder, Lint, Options, Source};
use num_bigint::BigUint;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use rust_hdl::core::simulate::{Sim, Simulation};
use std::cell::Cell;
use std::sync::{Arc, Mutex};

/// The inputs of one cycle.
#[derive(Clone, Debug)]
struct Cycle {
    reset: bool,
    op: u8,
    /// The address and value of each lane's command, if it has one.
    lanes: Vec<Option<(usize, Vec<u64>)>>,
}

fn layout(config: &Config) -> Layout {
    Layout::new(config.width(), config.depth(), config.lanes()).unwrap()
}

fn timing(config: &Config) -> Timing {
    Timing {
        latency: config.latency(),
        clear_cycles: config.clear_cycles(),
    }
}

/// A cycle that mostly uses the same addresses as other cycles, with an occasional reset.
fn any_cycle(layout: Layout) -> impl Strategy<Value = Cycle> {
    let addr = prop_oneof![9 => 0..layout.depth().min(2), 1 => 0..layout.depth()];
    let word = prop_oneof![Just(0), Just(1), Just(u64::MAX), any::<u64>()];
    let value = vec(word, layout.limbs());
    let lane = prop::option::weighted(0.9, (addr, value));
    let op = prop_oneof![1 => Just(Op::Accum.code()), 1 => 0u8..8];
    (
        prop::bool::weighted(0.01),
        op,
        vec(lane, layout.lanes() as usize),
    )
        .prop_map(|(reset, op, lanes)| Cycle { reset, op, lanes })
}

/// Command records for one cycle of reset followed by `cycles`.
fn records(layout: &Layout, cycles: &[Cycle]) -> Vec<u64> {
    let mut words = vec![0; (1 + cycles.len()) * layout.cmd_words()];
    layout.command_mut(&mut words, 0).set_reset(true);
    for (i, cycle) in cycles.iter().enumerate() {
        let mut record = layout.command_mut(&mut words, i + 1);
        record.set_reset(cycle.reset);
        record.set_op(cycle.op);
        for (lane, command) in cycle.lanes.iter().enumerate() {
            if let Some((addr, value)) = command {
                record.set_lane(lane as u32, true, *addr, value);
            }
        }
    }
    words
}

/// The extent of a random search.
#[derive(Clone, Copy)]
struct Effort {
    /// The number of random sequences.
    sequences: u32,
    /// The greatest length of a sequence.
    cycles: usize,
    /// The greatest number of runs to shrink a failing sequence.
    shrink: u32,
}

/// Runs random sequences through `run` and the golden model, and compares every output in every
/// cycle after the first, in which outputs are undefined. The sequences are the same in every run
/// of the test. The error is a mismatch with the cycles that lead to it.
fn check(
    config: &Config,
    timing: Timing,
    effort: Effort,
    run: impl Fn(&[u64]) -> Vec<u64>,
) -> Result<(), String> {
    let layout = layout(config);
    let settings = ProptestConfig {
        cases: effort.sequences,
        max_shrink_iters: effort.shrink,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let last = Cell::new(0);
    let sequence = vec(any_cycle(layout), 1..=effort.cycles);
    let outcome = TestRunner::new_with_rng(settings, rng).run(&sequence, |cycles| {
        let commands = records(&layout, &cycles);
        let mut expected = vec![0; (1 + cycles.len()) * layout.rsp_words()];
        Golden::new(layout, config.layout(), timing)
            .unwrap()
            .run(&commands, &mut expected)
            .unwrap();
        let got = run(&commands);
        for cycle in 1..=cycles.len() {
            let (expected, got) = (
                layout.response(&expected, cycle),
                layout.response(&got, cycle),
            );
            if expected.words() != got.words() {
                last.set(cycle);
                return Err(TestCaseError::fail(format!(
                    "response record {:x?} in cycle {cycle}, expected {:x?}",
                    got.words(),
                    expected.words()
                )));
            }
        }
        Ok(())
    });
    outcome.map_err(|error| match error {
        TestError::Fail(reason, cycles) => {
            let start = format!("{}: {reason}; after one cycle of reset:", config.name());
            let cycles = cycles.iter().take(last.get());
            cycles.fold(start, |text, cycle| format!("{text}\n{cycle:x?}"))
        }
        TestError::Abort(reason) => panic!("{}: {reason}", config.name()),
    })
}

/// Runs command records in rust-hdl's simulator. The clock has a period of 10 time units; inputs
/// change while it is low, and outputs are sampled just before the rising edge.
fn in_rust_hdl(config: &Config, commands: &[u64]) -> Vec<u64> {
    let layout = layout(config);
    let mut simulation: Simulation<Circuit> = Simulation::new();
    simulation.add_clock(5, |circuit| {
        let low = circuit.value("clk").is_some_and(|clk| !clk.bit(0));
        assert!(circuit.set_input("clk", u32::from(low).into()));
    });
    let responses = Arc::new(Mutex::new(vec![]));
    let (sink, commands) = (Arc::clone(&responses), commands.to_vec());
    let cycles = commands.len() / layout.cmd_words();
    simulation.add_testbench(move |mut sim: Sim<Circuit>| {
        let mut circuit = sim.init()?;
        for cycle in 0..cycles {
            drive(&mut circuit, &layout, &commands, cycle);
            circuit = sim.wait(4, circuit)?;
            sink.lock().unwrap().extend(sample(&circuit, &layout));
            circuit = sim.wait(6, circuit)?;
        }
        sim.done(circuit)
    });
    simulation
        .run(Box::new(regfile::circuit(config)), u64::MAX)
        .unwrap();
    Arc::into_inner(responses).unwrap().into_inner().unwrap()
}

fn drive(circuit: &mut Circuit, layout: &Layout, commands: &[u64], cycle: usize) {
    let record = layout.command(commands, cycle);
    let packed = |words: &[u64]| {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        BigUint::from_bytes_le(&bytes)
    };
    let mut set = |port: &str, value: BigUint| assert!(circuit.set_input(port, value), "{port}");
    set("rst", u8::from(record.reset()).into());
    set("cmd_valid", record.valid_lanes().into());
    set("cmd_op", record.op().into());
    if layout.depth() > 1 {
        set("cmd_addr", packed(&record.words()[layout.addr_range()]));
    }
    set("cmd_data", packed(&record.words()[layout.data_range()]));
}

/// The response record of the current outputs.
fn sample(circuit: &Circuit, layout: &Layout) -> Vec<u64> {
    let port = |name: &str| circuit.value(name).unwrap();
    let bit = |name: &str| port(name).bit(0);
    let mut words = vec![0; layout.rsp_words()];
    let mut record = layout.response_mut(&mut words, 0);
    let valid = bit("rsp_valid");
    record.set_flags(bit("ready"), valid, valid && bit("rsp_clean"));
    if !valid {
        return words;
    }
    for (word, digit) in record
        .data_mut()
        .iter_mut()
        .zip(port("rsp_data").iter_u64_digits())
    {
        *word = digit;
    }
    words
}

fn config(width: u32, depth: usize, lanes: u32) -> Config {
    Config::new(width, depth, lanes).unwrap()
}

fn with_layout(layout: &str, depth: usize, lanes: u32) -> Config {
    Config::with_layout(layout.parse().unwrap(), depth, lanes).unwrap()
}

#[test]
fn the_circuit_in_the_simulator_of_rust_hdl_matches_the_golden_model() {
    let effort = Effort {
        sequences: 6,
        cycles: 500,
        shrink: 40,
    };
    for config in [
        config(8, 4, 2),
        config(1, 2, 1),
        config(8, 1, 4),
        config(128, 16, 1),
        with_layout("add:17,xor:3", 4, 2),
        with_layout("add:20", 1, 4),
        with_layout("xor:64,xor:32,add:16", 2, 1),
    ] {
        check(&config, timing(&config), effort, |commands| {
            in_rust_hdl(&config, commands)
        })
        .unwrap_or_else(|mismatch| panic!("{mismatch}"));
    }
}

#[test]
fn a_wrong_latency_or_clear_time_is_detected_in_the_simulator_of_rust_hdl() {
    let config = config(1, 1, 1);
    let effort = Effort {
        sequences: 4,
        cycles: 200,
        shrink: 0,
    };
    let Timing {
        latency,
        clear_cycles,
    } = timing(&config);
    for wrong in [
        Timing {
            latency: latency + 1,
            clear_cycles,
        },
        Timing {
            latency: latency - 1,
            clear_cycles,
        },
        Timing {
            latency,
            clear_cycles: clear_cycles + 1,
        },
        Timing {
            latency,
            clear_cycles: clear_cycles - 1,
        },
    ] {
        let outcome = check(&config, wrong, effort, |commands| {
            in_rust_hdl(&config, commands)
        });
        assert!(outcome.is_err(), "{wrong:?} passes");
    }
}

/// The text of a design with `change` applied to each module. `change` gets the part of the
/// module's name after that of the design, and the text.
fn changed(config: &Config, change: impl Fn(&str, String) -> String) -> String {
    let top = config.name();
    let modules = verilog::modules(&regfile::circuit(config)).into_iter();
    modules
        .map(|(name, text)| change(name.trim_start_matches(&top), text))
        .collect()
}

/// A memory with the ports of the real one. A read at the edge that writes the same address gives
/// the complement of the word that was there.
fn garbage_memory(config: &Config) -> String {
    let (w, d, a) = (config.width(), config.depth(), config.depth().ilog2());
    format!(
        "module {name}_memory (
    input  wire clk,
    input  wire write_en,
    input  wire [{a}-1:0] write_addr,
    input  wire [{w}-1:0] write_data,
    input  wire [{a}-1:0] read_addr,
    output reg  [{w}-1:0] read_data
);
    reg [{w}-1:0] mem [0:{d}-1];
    reg [{w}-1:0] array_q;
    always @(posedge clk) begin
        if (write_en)
            mem[write_addr] <= write_data;
        if (write_en && write_addr == read_addr)
            array_q <= ~mem[read_addr];
        else
            array_q <= mem[read_addr];
        read_data <= array_q;
    end
endmodule
",
        name = config.name()
    )
}

/// Runs random sequences on `verilog` under Verilator.
fn check_verilog(config: &Config, verilog: String) -> Result<(), String> {
    let layout = layout(config);
    let source = Source {
        name: config.name(),
        verilog,
        layout,
    };
    let options = Options {
        lint: Lint::Allow,
        ..Options::default()
    };
    let built = Builder::from_env().and_then(|builder| builder.build(&source, options));
    let built = built.unwrap_or_else(|error| panic!("{error}"));
    let effort = Effort {
        sequences: 16,
        cycles: 5000,
        shrink: 500,
    };
    check(config, timing(config), effort, |commands| {
        let mut model = Model::load(&built, layout, 1, None).unwrap();
        let mut responses = vec![0; commands.len() / layout.cmd_words() * layout.rsp_words()];
        model.run(commands, &mut responses).unwrap();
        responses
    })
}

#[test]
fn the_verilog_matches_the_golden_model_with_memories_that_return_garbage_on_collision() {
    for config in [config(8, 4, 2), config(32, 16, 4)] {
        let verilog = changed(&config, |name, text| match name {
            "_memory" => garbage_memory(&config),
            _ => text,
        });
        check_verilog(&config, verilog).unwrap_or_else(|mismatch| panic!("{mismatch}"));
    }
}

#[test]
fn a_lane_that_relies_on_reading_the_old_word_is_detected_by_memories_that_return_garbage() {
    let config = config(8, 4, 2);
    // The delta from three cycles back is added to the word read. That is correct if a read at the
    // edge of the write returns the old word.
    let read_first = |text: String| {
        let edits = [
            ("replace_s4 <= hit3_s3 | zero_s3", "replace_s4 <= zero_s3"),
            ("hit3_s3 ? sum_s6 : 8'd0", "hit3_s3 ? data_s6 : 8'd0"),
            (
                "    reg [7:0] own_s4",
                "    reg [7:0] data_s6;\n    always @(posedge clk) data_s6 <= data_s5;\n\
                 \x20   reg [7:0] own_s4",
            ),
        ];
        edits.into_iter().fold(text, |text, (old, new)| {
            assert_eq!(text.matches(old).count(), 1, "{old}");
            text.replace(old, new)
        })
    };
    let with_old_words = changed(&config, |name, text| match name {
        "_lane_slice" => read_first(text),
        _ => text,
    });
    let with_garbage = changed(&config, |name, text| match name {
        "_lane_slice" => read_first(text),
        "_memory" => garbage_memory(&config),
        _ => text,
    });
    assert_eq!(check_verilog(&config, with_old_words), Ok(()));
    assert!(
        check_verilog(&config, with_garbage).is_err(),
        "nothing was detected"
    );
}
