//! Packaging a design for other tools: a FuseSoC core and a file list.
//!
//! Keys and targets follow FuseSoC's CAPI2 reference
//! (<https://fusesoc.readthedocs.io/en/stable/ref/capi2.html>).

use std::fmt::Write;

use crate::config::{Config, Target};

/// The folder for simulation models of device cells, below that of the design.
pub(crate) const MODELS: &str = "sim";

/// The text of `NAME.core`: the design as `atomik:regfile:LABEL:VERSION`.
///
/// Only the targets `sim` and `lint` include the models, also when the core is a dependency of
/// another one. Synthesis would build the models instead of the cells.
pub(crate) fn core(
    config: &Config,
    command: &str,
    testbench: bool,
    rtl: &[String],
    models: &[String],
) -> String {
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
    let name = config.name();
    if testbench {
        fileset("testbench", &[format!("{name}_tb.v")]);
    }
    let (default, simulated) = if models.is_empty() {
        ("rtl", "rtl")
    } else {
        fileset("models", models);
        (
            "rtl, \"target_sim ? (models)\", \"target_lint ? (models)\"",
            "rtl, models",
        )
    };
    out.push_str("\ntargets:\n");
    if !models.is_empty() {
        out.push_str("  # The models of cells are for simulation and lint only.\n");
    }
    let mut target = |target: &str, filesets: &str, top: &str, flow: &str| {
        let _ = write!(
            out,
            "  {target}:\n{flow}    filesets: [{filesets}]\n    toplevel: {top}\n"
        );
    };
    target("default", default, &name, "");
    let lint = "    description: Verilator with every warning\n    flow: lint\n    \
                flow_options:\n      tool: verilator\n      verilator_options: [-Wall]\n";
    target("lint", simulated, &name, lint);
    if testbench {
        let sim = "    description: the testbench in Icarus, or with --tool verilator\n    \
                   flow: sim\n    flow_options:\n      tool: icarus\n      \
                   iverilog_options: [-g2005]\n      \
                   verilator_options: [--binary, --timing, -Wno-MULTIDRIVEN]\n";
        let filesets = format!("{simulated}, testbench");
        target("sim", &filesets, &format!("{name}_tb"), sim);
    }
    if let Some(arch) = yosys_arch(config.target()) {
        let synth = format!(
            "    description: Yosys, to a netlist in JSON\n    flow: generic\n    \
             flow_options:\n      tool: yosys\n      arch: {arch}\n      output_format: json\n"
        );
        target("synth", "rtl", &name, &synth);
    }
    out
}

/// What Yosys calls the family: `synth_ARCH` synthesises for it.
fn yosys_arch(target: Target) -> Option<&'static str> {
    match target {
        Target::Generic => None,
        Target::Ecp5 => Some("ecp5"),
        Target::Ice40 => Some("ice40"),
        Target::Gowin => Some("gowin"),
        Target::Xilinx => Some("xilinx"),
    }
}

/// The text of `NAME.f` or `NAME.sim.f`: files, one per line, for `verilator -f` and `iverilog -c`.
pub(crate) fn file_list(files: &[String]) -> String {
    files.iter().fold(String::new(), |mut list, file| {
        let _ = writeln!(list, "{file}");
        list
    })
}
