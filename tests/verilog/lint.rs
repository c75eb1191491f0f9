//! The generated Verilog is clean in Verilator and Yosys, without waivers.

use crate::tools::{run, tool, yosys};
use atomik_hdl::config::{LANES, WIDTHS};
use atomik_hdl::design::reference_configs;
use atomik_hdl::files::files;
use atomik_hdl::options::{Arrangement, Options};
use atomik_hdl::{Config, Design, Target, generate};
use atomik_tools::ToolKind;
use std::collections::BTreeSet;

/// The reference configurations, every width and every number of lanes in both structures (with and
/// without memories), the largest configuration, and every target with shallow, deep and very deep
/// memories.
fn configurations() -> BTreeSet<Config> {
    let depths = [2, 16, 16384];
    let spread = WIDTHS.into_iter().enumerate().flat_map(|(i, width)| {
        let lanes = |n: usize| LANES[n % LANES.len()];
        [
            (width, 1, lanes(i)),
            (width, depths[i % depths.len()], lanes(i + 3)),
        ]
    });
    let spread = spread.chain([(256, 16384, 32)]);
    let spread = spread.map(|(width, depth, lanes)| Config::new(width, depth, lanes).unwrap());
    let targets = Target::ALL.into_iter().flat_map(|target| {
        [
            (64, 16, 2),
            (64, 512, 4),
            (8, 1024, 1),
            (1, 16384, 2),
            (32, 1, 16),
        ]
        .map(|(w, d, l)| Config::new(w, d, l).unwrap().with_target(target))
    });
    reference_configs()
        .unwrap()
        .into_iter()
        .chain(spread)
        .chain(targets)
        .chain(adding())
        .collect()
}

/// Words with fields that add: of one segment and of several, of equal and of unequal length, with
/// and without memories, on every target.
fn adding() -> impl Iterator<Item = Config> {
    let layouts = [
        ("xor:64,xor:32,add:16", 512, 2),
        ("add:1", 2, 1),
        ("add:33,xor:7,add:17", 16, 4),
        ("add:5,add:40,xor:3", 1, 1),
        ("add:64", 1, 8),
        ("xor:63,add:193", 4, 2),
    ];
    let targets = Target::ALL.into_iter().cycle();
    let spread = layouts.into_iter().zip(targets);
    let cell = Target::ALL.map(|target| (layouts[0], target));
    spread.chain(cell).map(|((layout, depth, lanes), target)| {
        let config = Config::with_layout(layout.parse().unwrap(), depth, lanes);
        config.unwrap().with_target(target)
    })
}

/// The models of the cells that a design instantiates, as files.
fn models(design: &Design) -> Vec<(String, &str)> {
    let models = design.models.iter();
    models
        .map(|(cell, text)| (format!("{cell}.v"), text.as_str()))
        .collect()
}

fn verilator_lint(top: &str, files: &[(String, &str)]) -> Result<(), String> {
    let top = format!("{top}.v");
    run(
        &tool(ToolKind::Verilator),
        &["--lint-only", "-Wall", "-y", ".", &top],
        files,
    )
}

/// Yosys reads the models only for their ports, because it has cells of its own.
fn yosys_check(top: &str, verilog: &str, models: &[(String, &str)]) -> Result<(), String> {
    let file = format!("{top}.v");
    let mut script = String::new();
    let mut files = vec![(file.clone(), verilog)];
    for (model, text) in models {
        script += &format!("read_verilog -lib {model}; ");
        files.push((model.clone(), text));
    }
    script += &format!("read_verilog {file}; hierarchy -check -top {top}; proc; check -assert");
    yosys(&script, &files)
}

#[test]
fn designs_in_one_file_are_clean_in_verilator() {
    for config in configurations() {
        let name = config.name();
        let design = generate(&config);
        let mut files = models(&design);
        files.push((format!("{name}.v"), &design.verilog));
        if let Err(printed) = verilator_lint(&name, &files) {
            panic!("{name}:\n{printed}");
        }
    }
}

#[test]
fn designs_with_a_file_per_module_are_clean_in_verilator() {
    for config in configurations() {
        let files = files(
            &config,
            Options {
                arrangement: Arrangement::Split,
                ..Options::default()
            },
        )
        .unwrap();
        // Models are in a folder of their own; here they are beside the other files.
        let is_part = |name: &str| name.ends_with(".v") && !name.contains('/');
        let verilog = files.iter().filter(|file| is_part(&file.name));
        let design = generate(&config);
        let mut split = models(&design);
        split.extend(verilog.map(|file| (file.name.clone(), &*file.text)));
        if let Err(printed) = verilator_lint(&config.name(), &split) {
            panic!("{}:\n{printed}", config.name());
        }
    }
}

#[test]
fn designs_are_clean_in_yosys() {
    for config in configurations() {
        let design = generate(&config);
        let models = models(&design);
        if let Err(printed) = yosys_check(&config.name(), &design.verilog, &models) {
            panic!("{}:\n{printed}", config.name());
        }
    }
}

#[test]
fn a_carry_that_is_not_connected_is_detected() {
    let config = Config::with_layout("add:17".parse().unwrap(), 2, 1).unwrap();
    let (name, text) = (config.name(), generate(&config).verilog);
    let carry = ".sum_carry_s9    (slice0_sum_carry_s11)";
    assert_eq!(text.matches(carry).count(), 1);
    let lost = text.replace(carry, ".sum_carry_s9    (1'b0)");
    let printed = verilator_lint(&name, &[(format!("{name}.v"), &lost)]).unwrap_err();
    assert!(
        printed.contains("%Warning-UNUSED") && printed.contains("slice0_sum_carry_s11"),
        "{printed}"
    );
}

#[test]
fn both_tools_detect_planted_errors() {
    let config = Config::new(8, 2, 2).unwrap();
    let (name, text) = (config.name(), generate(&config).verilog);
    let file = || format!("{name}.v");
    let plant = |old: &str, new: &str| {
        assert_eq!(text.matches(old).count(), 1, "{old}");
        text.replace(old, new)
    };

    // A port with the wrong width: Verilator warns.
    let narrow = plant("valid,        //", "[1:0] valid, //");
    let printed = verilator_lint(&name, &[(file(), &narrow)]).unwrap_err();
    assert!(
        printed.contains("%Warning-WIDTH") && printed.contains("valid"),
        "{printed}"
    );
    // Two drivers: Yosys warns.
    let ready = "    assign ready = clear_ready;\n";
    let driven_twice = plant(ready, &format!("{ready}    assign ready = rst;\n"));
    let printed = yosys_check(&name, &driven_twice, &[]).unwrap_err();
    assert!(
        printed.contains("multiple conflicting drivers for"),
        "{printed}"
    );
    // An undeclared name is an error in both, not a wire of one bit.
    let undeclared = plant(
        "wire keep = ~(rst | rst_q | clearing)",
        "wire keep = ~(rst | rst_q | claering)",
    );
    assert!(
        verilator_lint(&name, &[(file(), &undeclared)])
            .unwrap_err()
            .contains("claering")
    );
    assert!(
        yosys_check(&name, &undeclared, &[])
            .unwrap_err()
            .contains("claering")
    );
}
