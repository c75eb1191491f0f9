//! Packaging a design for other tools: a FuseSoC core and a file list.
//!
//! Keys and targets follow FuseSoC's CAPI2 reference
//! (<https://fusesoc.readthedocs.io/en/stable/ref/capi2.html>).

use std::fmt::Write;

use crate::config::Config;

/// The folder for simulation models of device cells, below that of the design.
pub(crate) const MODELS: &str = "sim";

/// The text of `NAME.core`: the design as `atomik:regfile:LABEL:VERSION`.
///
/// Only the targets `sim` and `lint` include the models, also when the core is a dependency of
/// another one. Synthesis would build the models instead of the cells.
pub(crate) fn core(config: &Config, command: &str, rtl: &[String], models: &[String]) -> String {
    let mut out = format!(
        "CAPI=2:\n\
         # SPDX-License-Identifier: MIT OR Apache-2.0\n\
         # Generated; do not edit. Regenerate with:\n\
         #     {command}\n\
         name: atomik:regfile:{}:{}\n\
         description: {}ccumulator register file, {} x {} bits, {} lanes, for target {}\n\
         \n\
         filesets:\n",
        config.label(),
        env!("CARGO_PKG_VERSION"),
        if config.adds() { "A" } else { "XOR a" },
        config.depth(),
        config.width(),
        config.lanes(),
        config.target(),
    );
    let mut fileset = |name: &str, files: &[String]| {
        let _ = write!(out, "  {name}:\n    files:\n");
        for file in files {
            let _ = writeln!(out, "      - {file}");
        }
        let _ = writeln!(out, "    file_type: verilogSource");
    };
    fileset("rtl", rtl);
    let (default, lint) = if models.is_empty() {
        ("[rtl]", "[rtl]")
    } else {
        fileset("models", models);
        (
            "[rtl, \"target_sim ? (models)\", \"target_lint ? (models)\"]",
            "[rtl, models]",
        )
    };
    let _ = write!(out, "\ntargets:\n");
    if !models.is_empty() {
        let _ = writeln!(
            out,
            "  # The models of cells are for simulation and lint only."
        );
    }
    let _ = write!(
        out,
        "  default:\n    \
             filesets: {default}\n    \
             toplevel: {name}\n  \
         lint:\n    \
             description: Verilator with every warning\n    \
             default_tool: verilator\n    \
             filesets: {lint}\n    \
             tools:\n      \
                 verilator:\n        \
                     mode: lint-only\n        \
                     verilator_options: [-Wall]\n    \
             toplevel: {name}\n",
        name = config.name(),
    );
    out
}

/// The text of `NAME.f`: the design's files, one per line, for `verilator -f` and `iverilog -c`.
pub(crate) fn file_list(rtl: &[String]) -> String {
    rtl.iter().fold(String::new(), |mut list, file| {
        let _ = writeln!(list, "{file}");
        list
    })
}
