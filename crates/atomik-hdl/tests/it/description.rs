//! The hardware description passes rust-hdl's own checks, and behaves in its simulator as
//! specified.

use atomik_hdl::circuit::Circuit;
use atomik_hdl::config::{LANES, WIDTHS};
use atomik_hdl::memory::Memory;
use atomik_hdl::{Config, Target, regfile};
use rust_hdl::core::block::Block;
use rust_hdl::core::check_error::{CheckError, check_all};
use rust_hdl::core::simulate::simulate;

/// Drives `inputs`, samples the outputs before the rising edge, then makes that edge.
fn cycle<T>(circuit: &mut Circuit, inputs: &[(&str, u64)], outputs: impl Fn(&Circuit) -> T) -> T {
    for (name, value) in inputs {
        assert!(
            circuit.set_input(name, (*value).into()),
            "{name} does not take {value}"
        );
    }
    let mut seen = None;
    for clk in [0u32, 1] {
        assert!(circuit.set_input("clk", clk.into()));
        assert!(simulate(circuit, 100), "the circuit does not settle");
        seen.get_or_insert_with(|| outputs(circuit));
    }
    seen.unwrap()
}

fn bit(circuit: &Circuit, name: &str) -> bool {
    circuit.value(name).unwrap().bit(0)
}

#[test]
fn every_shape_passes_the_checks_of_rust_hdl() {
    for (i, lanes) in LANES.into_iter().enumerate() {
        for (j, depth) in [1, 2, 16, 16384].into_iter().enumerate() {
            let config = Config::new(WIDTHS[(i + j) % WIDTHS.len()], depth, lanes).unwrap();
            let mut circuit = regfile::circuit(&config);
            circuit.connect_all();
            assert_eq!(check_all(&circuit), Ok(()), "{}", config.name());
        }
    }
}

#[test]
fn the_checks_of_rust_hdl_report_an_undriven_output() {
    let mut circuit = Circuit::new("open", &[]);
    circuit.output("nothing", 4, "left open");
    circuit.connect_all();
    assert!(matches!(check_all(&circuit), Err(CheckError::OpenSignal(open)) if open.len() == 1));
}

#[test]
fn latency_and_clear_are_as_measured_in_the_simulator() {
    // These cover all levels of the zero detector (width), the merge tree (lanes) and the clear
    // counter (depth).
    let shapes = [
        (1, 1, 1),
        (8, 1, 2),
        (16, 1, 8),
        (32, 1, 16),
        (256, 1, 32),
        (1, 2, 1),
        (16, 4, 2),
        (32, 16, 4),
        (8, 64, 8),
        (64, 32, 1),
        (128, 2, 16),
        (1, 2, 32),
    ];
    for (width, depth, lanes) in shapes {
        let config = Config::new(width, depth, lanes).unwrap();
        let mut circuit = regfile::circuit(&config);
        let ready = |c: &Circuit| bit(c, "ready");
        cycle(&mut circuit, &[("rst", 1)], ready);
        let clear = (1..10 * config.clear_cycles())
            .find(|_| cycle(&mut circuit, &[("rst", 0)], ready))
            .expect("ready rises");
        assert_eq!(clear, config.clear_cycles(), "clear of {}", config.name());

        let response = |c: &Circuit| bit(c, "rsp_valid") && bit(c, "rsp_clean");
        cycle(&mut circuit, &[("cmd_valid", 1), ("cmd_op", 3)], response);
        let latency = (1..10 * config.latency())
            .find(|_| cycle(&mut circuit, &[("cmd_valid", 0)], response))
            .expect("a response comes");
        assert_eq!(latency, config.latency(), "latency of {}", config.name());
    }
}

#[test]
fn a_read_at_the_edge_that_writes_the_address_returns_neither_the_old_word_nor_the_new() {
    let mut circuit = Circuit::new("bench", &[]);
    let en = circuit.input("en", 1, "write");
    let to = circuit.input("to", 2, "where to write");
    let word = circuit.input("word", 8, "what to write");
    let from = circuit.input("from", 2, "where to read");
    circuit.output("read", 8, "the word read");
    let read = circuit.memory(
        "memory",
        &Memory::new("memory", 8, 2, Target::Generic),
        [&en, &to, &word, &from],
    );
    circuit.assign("read", &read);

    // (en, to, word, from), and the word read two cycles later.
    let steps = [
        (1, 1, 0x5a, 0, 0),
        (0, 1, 0x33, 1, 0x5a), // read only: the stored word
        (1, 2, 0x33, 1, 0x5a), // another address: the stored word
        (1, 1, 0x33, 1, 0xa5), // collision: the complement of the old word
        (0, 1, 0x00, 1, 0x33), // the write itself took effect
        (1, 1, 0x33, 1, 0xcc), // collision, even if it writes the stored word
    ];
    let mut seen = vec![];
    for (en, to, word, from, _) in steps.into_iter().chain([(0, 0, 0, 0, 0); 2]) {
        let inputs = [("en", en), ("to", to), ("word", word), ("from", from)];
        seen.push(cycle(&mut circuit, &inputs, |c| {
            c.value("read").unwrap().clone()
        }));
    }
    for (i, (.., expected)) in steps.into_iter().enumerate() {
        assert_eq!(seen[i + 2], u64::into(expected), "step {i}: {:?}", steps[i]);
    }
}
