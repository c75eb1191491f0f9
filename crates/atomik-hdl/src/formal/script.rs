//! How tools read the properties: a script for Yosys, and a file for SymbiYosys.

use super::part::{Part, REGISTER_FILE};
use crate::config::Config;
use std::fmt::Write;

/// The names of the files.
pub(super) struct Names<'a> {
    pub design: &'a [String],
    pub properties: &'a str,
    pub promise: Option<&'a str>,
    pub contract: Option<&'a str>,
}

/// The files of a part in the order in which they are read, each with the options that it needs.
fn sources<'a>(names: &Names<'a>, part: &Part) -> Vec<(&'a str, &'a str)> {
    let mut files: Vec<(&str, &str)> = names.design.iter().map(|file| (&file[..], "")).collect();
    if part.promised {
        files.extend(names.promise.map(|file| (file, " -overwrite")));
    }
    if part.about == REGISTER_FILE {
        files.push((names.properties, ""));
    } else {
        files.extend(names.contract.map(|file| (file, "")));
    }
    files
}

/// Reads the part and writes it as SMT-LIB to the file `smt`.
pub(super) fn smt(names: &Names<'_>, part: &Part, models: &[String], smt: &str) -> String {
    let mut out = read(names, part, models, "-sv");
    let _ = writeln!(out, "write_smt2 -wires {smt}");
    out
}

/// Reads the register file with its memories as registers, and writes the outputs that the
/// properties have for model checkers as AIGER to `FILE.aig`, with their names in `FILE.map`.
pub(super) fn aiger(names: &Names<'_>, part: &Part, models: &[String], file: &str) -> String {
    let mut out = String::new();
    for file in models.iter().chain(names.design) {
        let _ = writeln!(out, "read_verilog -sv {file}");
    }
    let _ = writeln!(out, "read_verilog -sv -D AIGER {}", names.properties);
    let _ = writeln!(out, "hierarchy -check -top {}", part.top);
    out.push_str("proc\nsetattr -mod -unset keep_hierarchy\nflatten\nmemory_collect\nmemory_map\n");
    out.push_str("expose w:fails_* w:reached_*\n");
    // No pass may optimise registers: the constant address would become an input.
    out.push_str("opt_clean\nsimplemap\naigmap\nsetundef -anyseq\nopt_clean\n");
    let _ = writeln!(out, "write_aiger -zinit -map {file}.map {file}.aig");
    out
}

/// Reads the register file alone and writes it as JSON to the file `json`.
pub(super) fn netlist(names: &Names<'_>, config: &Config, json: &str) -> String {
    let mut out = String::new();
    for file in names.design {
        let _ = writeln!(out, "read_verilog -sv {file}");
    }
    if let Some(promise) = names.promise {
        let _ = writeln!(out, "read_verilog -sv -overwrite {promise}");
    }
    let _ = write!(
        out,
        "hierarchy -check -top {}\nproc\nsetattr -mod -unset keep_hierarchy\nflatten\n\
         write_json {json}\n",
        config.name()
    );
    out
}

fn read(names: &Names<'_>, part: &Part, models: &[String], options: &str) -> String {
    let mut out = String::new();
    if !part.promised {
        for model in models {
            let _ = writeln!(out, "read_verilog {options} {model}");
        }
    }
    for (file, option) in sources(names, part) {
        let _ = writeln!(out, "read_verilog {options}{option} {file}");
    }
    let _ = writeln!(out, "hierarchy -check -top {}", part.top);
    out.push_str("proc\nsetattr -mod -unset keep_hierarchy\nflatten\n");
    // Every name by which the properties reach into the design has been found there.
    out.push_str("select -assert-none a:hierconn\n");
    if !part.promised {
        out.push_str("memory_collect\n");
    }
    out
}

/// The text of `TOP.sby`.
pub(super) fn sby(names: &Names<'_>, part: &Part) -> String {
    let mut out = format!(
        "# {}: {}. Run with: sby {}.sby\n[options]\nmode prove\ndepth {}\n\n[engines]\n\
         smtbmc yices\n\n[script]\n",
        part.top, part.about, part.top, part.window
    );
    out.push_str(&read(names, part, &[], "-sv -formal"));
    out.push_str("\n[files]\n");
    for (name, _) in sources(names, part) {
        let _ = writeln!(out, "{name}");
    }
    out
}
