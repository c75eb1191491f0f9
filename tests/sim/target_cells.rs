//! Our models of block RAM cells agree with Yosys on the meaning of the pins: Yosys maps the arrays
//! of the generic design to the same cells, and that netlist, simulated with our models, matches
//! the golden model. Gowin's SDPB cannot be checked this way, because Yosys uses SDPX9B and DPB for
//! these designs.

use crate::tools::{builder, tool};
use atomik_hdl::{Config, Target, generate};
use atomik_sim::directed::Directed;
use atomik_sim::dut::Dut;
use atomik_sim::random::{Profile, Random};
use atomik_sim::scoreboard::Mismatch;
use atomik_sim::stimulus::Stimulus;
use atomik_sim::verilate::Lint;
use atomik_tools::ToolKind;
use std::fs;
use tempfile::TempDir;

/// The generic design of `config`, with its memories mapped to `cell` by Yosys's `synthesis`
/// command.
fn mapped(config: Config, synthesis: &str, cell: &str) -> String {
    let name = config.name();
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("in.v"), generate(&config).verilog).unwrap();
    // Only up to the mapping of block RAM. Initial contents are neither modelled nor used.
    let unset: String = (0..64)
        .map(|i| format!(" -unset INITVAL_{i:02X}"))
        .collect();
    let script = format!(
        "read_verilog in.v; {synthesis} -top {name} -run begin:map_ffram; \
         setparam{unset} -unset INIT_DATA t:{cell}; select -assert-min 2 t:{cell}; \
         select -assert-none t:$mem*; techmap; write_verilog -noattr out.v"
    );
    let output = tool(ToolKind::Yosys)
        .command()
        .current_dir(folder.path())
        .args(["-q", "-l", "log", "-p", &script])
        .output()
        .unwrap();
    let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    let log = log();
    let end = log.lines().rev().take(12).collect::<Vec<_>>().join("\n");
    assert!(
        output.status.success(),
        "the last lines, in reverse:\n{end}"
    );
    fs::read_to_string(folder.path().join("out.v")).unwrap()
}

/// The model of the cell that `target` instantiates.
fn model(target: Target) -> (&'static str, String) {
    let config = Config::new(8, 512, 1).unwrap().with_target(target);
    generate(&config).models.swap_remove(0)
}

fn check(config: Config, netlist: &str, model: &str) -> Option<Mismatch> {
    let verilog = format!("{netlist}\n{model}");
    let dut = Dut::build_verilog(&builder(), config, verilog, Lint::Allow)
        .unwrap_or_else(|e| panic!("{}: {e}", config.name()));
    let stimuli: [Box<dyn Stimulus>; 2] = [
        Box::new(Directed::new(
            dut.layout(),
            config.layout(),
            dut.timing(),
            1,
        )),
        Box::new(Random::new(dut.layout(), dut.timing(), Profile::mixed(), 1)),
    ];
    stimuli.into_iter().find_map(|mut stimulus| {
        let mut board = dut.scoreboard(1).unwrap();
        let tally = board.run(&mut *stimulus, 50_000, None, |_| true).unwrap();
        assert!(tally.responses > 0 || tally.mismatch.is_some());
        tally.mismatch.clone()
    })
}

/// Target, width, depth and Yosys command of shapes for which Yosys uses our cell: with words that
/// span both data ports, and with words on one.
const SHAPES: [(Target, u32, usize, &str); 2] = [
    (Target::Ecp5, 64, 512, "synth_ecp5"),
    (Target::Ecp5, 8, 2048, "synth_ecp5"),
];

#[test]
fn a_netlist_that_yosys_maps_to_a_cell_works_with_our_model_of_it() {
    for (target, width, depth, synthesis) in SHAPES {
        let config = Config::new(width, depth, 1).unwrap();
        let (cell, model) = model(target);
        let netlist = mapped(config, synthesis, cell);
        assert_eq!(check(config, &netlist, &model), None, "{target} {config:?}");
    }
}

#[test]
fn a_model_with_swapped_pins_is_detected() {
    let config = Config::new(64, 512, 1).unwrap();
    let (cell, model) = model(Target::Ecp5);
    let netlist = mapped(config, "synth_ecp5", cell);
    // The two halves of the read word are swapped.
    let wrong = model.replace(
        "= WIDE ? padded[35:0]",
        "= WIDE ? {padded[17:0], padded[35:18]}",
    );
    assert_ne!(wrong, model);
    assert!(check(config, &netlist, &wrong).is_some());
}
