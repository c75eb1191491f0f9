//! A design with what is to be proved of it: properties and invariants in SystemVerilog, written
//! beside the design and bound to it from outside, so that nothing of the design changes.
//!
//! The proof looks at one address, an arbitrary constant, and keeps *ghosts*: what the
//! specification says of that address, computed from the commands alone. A response at the address
//! must be what the ghosts say. As the address is arbitrary, that holds for every address.
//!
//! It has two parts, for any depth and without arrays in the first:
//!
//! 1. The register file, with each memory replaced by what it promises ([`Formal::promise`]): the
//!    word of the one address is remembered; a read of another address, or of this one at the edge
//!    that writes it, returns any word whatever.
//! 2. Each memory as it is built, with the models of its cells: it keeps that promise.
//!
//! Every wire called `check_NAME` is to be proved, every `invariant_NAME` too, and an invariant is
//! also assumed of earlier cycles; every `cover_NAME` must be reachable. `start` is what is known
//! of the first cycle. All inputs are arbitrary in every cycle.

mod expectations;
mod ghosts;
mod invariants;
mod memory;
mod part;
mod plan;
mod script;
mod writer;

use crate::config::Config;
use crate::files::TextFile;
use plan::{Plan, header};
use writer::Writer;

pub use part::{Part, Peek, WordInput};

/// The properties of one configuration, as files, and how to read them with Yosys.
#[derive(Clone, Debug)]
pub struct Formal {
    /// `NAME_formal.sv`: ghosts, checks, invariants and covers of the register file.
    pub properties: TextFile,
    /// `NAME_promise.sv`: what takes the places of the memories, if there are any.
    pub promise: Option<TextFile>,
    /// The proof obligations: the register file, then each kind of memory.
    pub parts: Vec<Part>,
    /// Where bits of words come into the register file with the memories' promise; empty if a field
    /// adds, because its bits are not alike.
    pub words: Vec<WordInput>,
    /// `NAME_contract.sv`: what is to be proved of each kind of memory, if there are any.
    pub contract: Option<TextFile>,
}

impl Formal {
    /// The properties of `config`.
    pub fn new(config: &Config) -> Formal {
        let name = config.name();
        let file = |suffix: &str, text: String| TextFile {
            name: format!("{name}_{suffix}.sv"),
            text,
        };
        let mut parts = vec![Part {
            top: format!("{name}_formal"),
            about: part::REGISTER_FILE.into(),
            promised: config.address_bits() > 0,
            peeks: vec![],
            window: config.latency() + 2,
            horizon: config.clear_cycles() + config.latency() + 8,
        }];
        let memories = memory::memories(config);
        parts.extend(memories.iter().map(|memory| Part {
            top: format!("{}_contract", memory.module),
            about: format!("memory of {} x {} bits", config.depth(), memory.width),
            promised: false,
            peeks: memory::peeks(memory),
            window: 4,
            horizon: 6,
        }));
        let some = |suffix, text| (!memories.is_empty()).then(|| file(suffix, text));
        Formal {
            properties: file("formal", properties(config)),
            promise: some("promise", memory::promises(config, &memories)),
            words: part::words(config),
            contract: some("contract", memory::contracts(config, &memories)),
            parts,
        }
    }

    /// The Yosys script that reads a part's files and writes it as SMT-LIB.
    ///
    /// `design` are the files of the design, `models` those of its cells' models, all relative to
    /// the folder in which Yosys runs.
    pub fn script(&self, part: &Part, design: &[String], models: &[String], smt: &str) -> String {
        script::smt(&self.names(design), part, models, smt)
    }

    /// The Yosys script that reads the register file with its memories as registers, and writes it
    /// as AIGER to `FILE.aig`, with the names of inputs and outputs in `FILE.map`. An output
    /// `fails_NAME` is high in a cycle in which `check_NAME` does not hold, `reached_NAME` in one
    /// in which `cover_NAME` does; both only if `start` was true in the first cycle. Any state may
    /// be the first. No invariant is in it, nor the memories' promise.
    pub fn aiger_script(&self, design: &[String], models: &[String], file: &str) -> String {
        script::aiger(&self.names(design), &self.parts[0], models, file)
    }

    /// The Yosys script that reads the register file with the memories' promise, and writes its
    /// netlist as JSON.
    pub fn netlist_script(&self, config: &Config, design: &[String], json: &str) -> String {
        script::netlist(&self.names(design), config, json)
    }

    /// The names of the files.
    fn names<'a>(&'a self, design: &'a [String]) -> script::Names<'a> {
        let name = |file: &'a Option<TextFile>| file.as_ref().map(|it| it.name.as_str());
        script::Names {
            design,
            properties: &self.properties.name,
            promise: name(&self.promise),
            contract: name(&self.contract),
        }
    }

    /// The files to write beside `design`, with a file for SymbiYosys. It has the register file
    /// alone, because Yosys cannot read an array of a memory from outside.
    pub fn files(&self, design: &[String]) -> Vec<TextFile> {
        let sby = self.parts.iter().take(1).map(|part| TextFile {
            name: format!("{}.sby", part.top),
            text: script::sby(&self.names(design), part),
        });
        [
            Some(&self.properties),
            self.promise.as_ref(),
            self.contract.as_ref(),
        ]
        .into_iter()
        .flatten()
        .cloned()
        .chain(sby)
        .collect()
    }
}

/// Whether the induction step of the property `of` may need the invariant. What a property does not
/// need is not assumed, because questions are easier without. Both are names of wires.
pub fn is_needed(invariant: &str, of: &str) -> bool {
    let about = |prefixes: &[&str], name: &str| prefixes.iter().any(|it| name.starts_with(it));
    let clear = ["invariant_clear"];
    if invariant == "invariant_time_in_range" {
        return true;
    }
    let timing = [
        "invariant_clear",
        "invariant_time",
        "check_ready",
        "check_no_response",
    ];
    let ghosts = [
        "invariant_nothing",
        "invariant_delta_is",
        "invariant_reference_is",
    ];
    if about(&timing, of) {
        about(&clear, invariant)
    } else if about(&ghosts, of) {
        about(&ghosts, invariant)
    } else if about(&["invariant_lane"], of) {
        invariant == of
            || !about(
                &["invariant_lane", "invariant_base", "invariant_offset"],
                invariant,
            )
    } else {
        true
    }
}

/// The text of `NAME_formal.sv`.
fn properties(config: &Config) -> String {
    let plan = Plan::new(config);
    let mut w = Writer::default();
    header(
        &mut w,
        config,
        &format!("{}_formal", config.name()),
        &["The properties of the register file. Bound from outside: nothing is inside the design."],
    );
    ghosts::module(&mut w, &plan);
    invariants::bindings(&mut w, &plan);
    ghosts::time_and_commands(&mut w, &plan);
    ghosts::state(&mut w, &plan);
    expectations::write(&mut w, &plan);
    invariants::write(&mut w, &plan);
    w.statements("start");
    w.line("endmodule");
    w.line("");
    w.line("`default_nettype wire");
    w.text()
}
