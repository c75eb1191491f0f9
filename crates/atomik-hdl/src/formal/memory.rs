//! What a memory promises, and that it keeps it.
//!
//! The promise is about one address, which the properties choose. The word there changes only by a
//! write to it. A read of it returns the word, two edges later, unless the same edge writes it; any
//! other read returns any word whatever. So a design that works with the promise works with every
//! memory that keeps it, whatever that returns when a read collides with a write.

use super::part::Peek;
use super::plan::header;
use super::writer::{Writer, ports};
use crate::config::Config;
use crate::memory::Memory;
use crate::net::range;
use crate::regfile::slice_memory::{memory, segment_memory};

/// The kinds of memories of a register file: one of words that xor, one for each width of a segment
/// of words that add; none if there is one address.
pub(super) fn memories(config: &Config) -> Vec<Memory> {
    let mut found: Vec<Memory> = vec![];
    if config.address_bits() == 0 {
        return found;
    }
    for segment in config.segments() {
        let memory = if config.adds() {
            segment_memory(config, &segment)
        } else {
            memory(config)
        };
        if found.iter().all(|other| other.module != memory.module) {
            found.push(memory);
        }
    }
    found
}

/// The ports of a memory, with `output` as the kind of its output.
fn memory_ports(memory: &Memory, output: Option<&str>) -> String {
    let (width, a) = (memory.width, memory.address_bits);
    let mut list = vec![
        ("input  wire", "clk", 1),
        ("input  wire", "write_en", 1),
        ("input  wire", "write_addr", a),
        ("input  wire", "write_data", width),
        ("input  wire", "read_addr", a),
    ];
    if let Some(output) = output {
        list.push((output, "read_data", width));
    }
    ports(&list)
}

/// The text of `NAME_promise.sv`: modules that take the places of the memories.
pub(super) fn promises(config: &Config, memories: &[Memory]) -> String {
    let mut w = Writer::default();
    header(
        &mut w,
        config,
        &format!("{}_promise", config.name()),
        &[
            "What each memory promises, in place of the memory. At the address `symbolic`, which",
            "the properties choose, it holds `word`; where nothing is promised it returns `junk`,",
            "any word.",
        ],
    );
    for memory in memories {
        let word = range(memory.width);
        w.line(&format!("module {} (", memory.module));
        w.line(memory_ports(memory, Some("output reg ")).trim_end());
        w.line(");");
        w.body(&format!("wire {}symbolic;", range(memory.address_bits)));
        w.body(&format!("wire {word}junk;"));
        w.body(&format!("reg {word}word, array_q;"));
        w.wire("writes", 1, "write_en & (write_addr == symbolic)");
        w.wire("promised", 1, "(read_addr == symbolic) & ~writes");
        w.body("always @(posedge clk) begin");
        w.body("    word <= writes ? write_data : word;");
        w.body("    array_q <= promised ? word : junk;");
        w.body("    read_data <= array_q;");
        w.body("end");
        w.line("endmodule");
        w.line("");
    }
    w.line("`default_nettype wire");
    w.text()
}

/// The text of `NAME_contract.sv`: that each memory, as it is built, keeps its promise.
pub(super) fn contracts(config: &Config, memories: &[Memory]) -> String {
    let mut w = Writer::default();
    header(
        &mut w,
        config,
        &format!("{}_contract", config.name()),
        &[
            "That each memory, as it is built, keeps the promise that the proof of the register",
            "file relies on.",
        ],
    );
    for memory in memories {
        contract(&mut w, memory);
        w.line("");
    }
    w.line("`default_nettype wire");
    w.text()
}

fn contract(w: &mut Writer, memory: &Memory) {
    let (width, a) = (memory.width, memory.address_bits);
    w.line(&format!("module {}_contract (", memory.module));
    w.line(memory_ports(memory, None).trim_end());
    w.line(");");
    w.body(&format!("wire {}read_data;", range(width)));
    w.body(&format!("{} dut (", memory.module));
    w.body("    .clk(clk), .write_en(write_en), .write_addr(write_addr),");
    w.body("    .write_data(write_data), .read_addr(read_addr), .read_data(read_data)");
    w.body(");");
    w.section(&["The address that this is about, an arbitrary constant; and what it holds."]);
    w.register("address", a, "address");
    w.wire("writes", 1, "write_en & (write_addr == address)");
    w.register("word", width, "writes ? write_data : word");
    let held = held(w, memory);
    w.invariant("memory_holds_its_word", &format!("{held} == word"));
    w.section(&["A read of the address, unless it is written at the same edge, returns the word."]);
    w.wire("asked", 1, "(read_addr == address) & ~writes");
    w.delay("asked", 1, 2);
    w.wire("wanted", width, "word");
    w.delay("wanted", width, 2);
    w.check("read_exact", "~asked_2 | (read_data == wanted_2)");
    w.wire(
        "start",
        1,
        &format!("({held} == word) & ~asked_1 & ~asked_2"),
    );
    w.cover("read", "asked_2 & (|read_data)");
    w.cover("collision", "(read_addr == address) & writes");
    w.statements("start");
    w.line("endmodule");
}

/// Declares what the memory holds at the address, read from outside, and returns the expression.
///
/// Yosys cannot read an array from outside: there they are any values, to be connected in what it
/// writes ([`peeks`]). Wires without a driver would not do: it makes one signal of several.
fn held(w: &mut Writer, memory: &Memory) -> String {
    let arrays = memory.storage().arrays(memory.width, memory.address_bits);
    let mut total = 0;
    let mut names = vec![];
    for (i, (path, bits)) in arrays.iter().enumerate() {
        let bits = (*bits).min(memory.width - total);
        w.line("`ifdef YOSYS");
        w.body(&format!("(* anyseq *) reg {}held{i};", range(bits)));
        w.line("`else");
        w.body(&format!(
            "wire {}held{i} = dut.{path}[address];",
            range(bits)
        ));
        w.line("`endif");
        names.insert(0, format!("held{i}"));
        total += bits;
    }
    w.wire("held", total, &format!("{{{}}}", names.join(", ")));
    "held".into()
}

/// The wires that [`held`] leaves to any value, and the array that each is to be connected to.
pub(super) fn peeks(memory: &Memory) -> Vec<Peek> {
    let arrays = memory.storage().arrays(memory.width, memory.address_bits);
    arrays
        .into_iter()
        .zip(0..)
        .map(|((path, _), i)| Peek {
            wire: format!("held{i}"),
            array: format!("dut.{path}"),
        })
        .collect()
}
