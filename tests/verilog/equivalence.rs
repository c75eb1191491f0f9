//! Yosys proves that our Verilog is equivalent to the output of rust-hdl's own writer for the same
//! circuit.
//!
//! Both texts are flattened, and their registers, memory words and wires are paired by name. Each
//! pair is proved equal after a clock edge, for any inputs and any contents that are equal before
//! the edge. By induction both behave the same forever.
//!
//! rust-hdl writes a register `x` as a module with an output `q`, where we write `reg x`. A walk
//! over the circuit with rust-hdl's probe lists the registers to rename.

use crate::tools::yosys;
use atomik_hdl::{Config, generate, regfile};
use rust_hdl::core::atom::Atom;
use rust_hdl::core::block::Block;
use rust_hdl::core::module_defines::generate_verilog;
use rust_hdl::core::probe::Probe;
use std::fmt::Write;

/// Collects the path of every register below the top, `lane0.sum_s5` for example.
#[derive(Default)]
struct Registers {
    /// The current scope and its parents, each with the names of its atoms so far.
    scopes: Vec<(String, Vec<String>)>,
    paths: Vec<String>,
}

impl Probe for Registers {
    fn visit_start_scope(&mut self, name: &str, _: &dyn Block) {
        self.scopes.push((name.into(), vec![]));
    }
    fn visit_atom(&mut self, name: &str, _: &dyn Atom) {
        self.scopes.last_mut().unwrap().1.push(name.into());
    }
    fn visit_end_scope(&mut self, _: &str, _: &dyn Block) {
        let path: Vec<_> = self
            .scopes
            .iter()
            .skip(1)
            .map(|(name, _)| name.as_str())
            .collect();
        let path = path.join(".");
        if self.scopes.pop().unwrap().1 == ["d", "q", "clk"] {
            self.paths.push(path);
        }
    }
}

/// Proves with Yosys that `ours`, a text for `config`, is equivalent to rust-hdl's. The error is
/// the output of Yosys. rust-hdl's text is called gold, ours gate.
fn prove(config: &Config, ours: &str) -> Result<(), String> {
    let mut circuit = regfile::circuit(config);
    circuit.connect_all();
    let theirs = generate_verilog(&circuit);
    let mut registers = Registers::default();
    circuit.accept("top", &mut registers);
    let renames = registers
        .paths
        .iter()
        .fold(String::new(), |mut renames, path| {
            let _ = write!(renames, "rename {path} {path}.q; ");
            renames
        });
    assert!(!renames.is_empty(), "every design has registers");

    let read = |side: &str, top: &str, renames: &str| {
        // memory_map turns every memory word into a register, with the same name on both sides.
        format!(
            "read_verilog {side}.v; hierarchy -check -top {top}; \
             setattr -mod -unset keep_hierarchy *; proc; flatten; \
             cd {top}; {renames} cd ..; memory_collect; memory_map; opt_clean; \
             rename {top} {side}; design -stash {side}; "
        )
    };
    let script = read("gold", "top", "")
        + &read("gate", &config.name(), &renames)
        + "design -copy-from gold gold; design -copy-from gate gate; \
           equiv_make gold gate equiv; hierarchy -top equiv; \
           equiv_simple; equiv_induct -seq 1; equiv_status -assert";
    yosys(
        &script,
        &[("gold.v".into(), &theirs), ("gate.v".into(), ours)],
    )
}

fn assert_equal(sizes: &[(u32, usize, u32)]) {
    for &(width, depth, lanes) in sizes {
        let config = Config::new(width, depth, lanes).unwrap();
        if let Err(printed) = prove(&config, &generate(&config).verilog) {
            panic!("{}:\n{printed}", config.name());
        }
    }
}

#[test]
fn our_text_is_equivalent_to_that_of_rust_hdl_without_memories() {
    assert_equal(&[(1, 1, 1), (8, 1, 4), (1, 1, 32), (32, 1, 2), (128, 1, 1)]);
}

#[test]
fn our_text_is_equivalent_to_that_of_rust_hdl_with_memories() {
    assert_equal(&[
        (1, 2, 1),
        (8, 2, 2),
        (8, 4, 1),
        (1, 16, 1),
        (1, 2, 8),
        (32, 2, 1),
    ]);
}

#[test]
fn our_text_is_equivalent_to_that_of_rust_hdl_with_fields_that_add() {
    for (layout, depth, lanes) in [
        ("xor:2,add:3", 2, 2),
        ("add:17", 2, 1),
        ("add:1,xor:1,add:18", 1, 2),
    ] {
        let config = Config::with_layout(layout.parse().unwrap(), depth, lanes).unwrap();
        if let Err(printed) = prove(&config, &generate(&config).verilog) {
            panic!("{}:\n{printed}", config.name());
        }
    }
}

#[test]
fn every_kind_of_difference_is_detected_and_named() {
    let config = Config::new(1, 2, 2).unwrap();
    let text = generate(&config).verilog;
    for (old, new, register) in [
        // An operator, a constant, a slice, a condition, a reset value.
        (
            "data_s3 ^ in_flight1_s3",
            "data_s3 | in_flight1_s3",
            "own_s4.q",
        ),
        ("cmd_op == 3'd4", "cmd_op == 3'd5", "is_swap"),
        ("cmd_data[1]", "cmd_data[0]", "lane1.slice0.data"),
        ("if (read_hit_s6)", "if (read_hit_s5)", "out_s7.q"),
        ("active_q <= 1'd1", "active_q <= 1'd0", "active_q.q"),
        // A register skipped in a chain, and one replaced by a wire.
        ("addr_s4 <= addr_s3", "addr_s4 <= addr_s2", "addr_s4.q"),
        (
            "reg merge0_s8;\n    always @(posedge clk) begin\n        \
             merge0_s8 <= lane0_word_s7 ^ lane1_word_s7;\n    end\n",
            "wire merge0_s8 = lane0_word_s7 ^ lane1_word_s7;\n",
            "merge0_s8.q",
        ),
        // A port connected to another lane, and a memory that writes to its read address.
        ("(cmd_valid[1])", "(cmd_valid[0])", "lane1.valid"),
        ("mem[write_addr]", "mem[read_addr]", "mem[0]"),
    ] {
        assert!(text.contains(old), "{old}");
        let Err(printed) = prove(&config, &text.replacen(old, new, 1)) else {
            panic!("Yosys proves that {new:?} is equivalent to {old:?}");
        };
        assert!(
            printed.contains("equiv_status -assert"),
            "{old}:\n{printed}"
        );
        let named = |line: &str| line.contains("Unproven $equiv") && line.contains(register);
        assert!(printed.lines().any(named), "{old}, {register}:\n{printed}");
    }
}
