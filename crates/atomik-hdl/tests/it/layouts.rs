//! Words with fields: those that xor change nothing, those that add have names and texts of their
//! own.

use atomik_hdl::circuit::Circuit;
use atomik_hdl::design::Manifest;
use atomik_hdl::files::files;
use atomik_hdl::options::Options;
use atomik_hdl::{Config, ConfigError, Target, generate, regfile};
use rust_hdl::core::block::Block;
use rust_hdl::core::check_error::check_all;
use rust_hdl::core::simulate::simulate;

fn with(layout: &str, depth: usize, lanes: u32) -> Result<Config, ConfigError> {
    Config::with_layout(layout.parse().unwrap(), depth, lanes)
}

#[test]
fn layouts_of_xor_fields_generate_the_same_files() {
    for (depth, lanes) in [(1, 4), (16, 2)] {
        for target in Target::ALL {
            let text =
                |config: Config| files(&config.with_target(target), Options::default()).unwrap();
            let plain = text(Config::new(32, depth, lanes).unwrap());
            for layout in ["xor:32", "xor:1,xor:31", "xor:8,xor:8,xor:8,xor:8"] {
                assert_eq!(text(with(layout, depth, lanes).unwrap()), plain, "{layout}");
            }
            let adding = text(with("xor:16,add:16", depth, lanes).unwrap());
            assert_ne!(adding[0].text, plain[0].text);
        }
    }
}

#[test]
fn a_layout_that_adds_is_in_the_names_the_manifest_and_the_command() {
    let config = with("xor:64,xor:32,add:16", 512, 4).unwrap();
    let design = generate(&config.with_target(Target::Ecp5));
    let Manifest {
        name,
        layout,
        width,
        command,
        memories,
        ..
    } = &design.manifest;
    assert_eq!(name, "atomik_regfile_w112_x64_x32_a16_d512_l4_ecp5");
    assert_eq!(layout.as_deref(), Some("xor:64,xor:32,add:16"));
    assert_eq!(*width, 112);
    assert_eq!(
        command,
        "atomik hdl generate --layout xor:64,xor:32,add:16 --depth 512 --lanes 4 --target ecp5"
    );
    let loops: Vec<_> = memories
        .iter()
        .filter(|memory| memory.name == "loop_memory")
        .map(|memory| (memory.width, memory.copies))
        .collect();
    assert_eq!(loops, [(32, 12), (16, 4)]);
    for line in [
        "// Fields, from the lowest bits up: xor:64,xor:32,add:16.",
        "//     2 ACCUM delta := delta + cmd_data",
    ] {
        assert!(design.verilog.lines().any(|l| l == line), "{line}");
    }
    let manifest = generate(&Config::new(8, 16, 2).unwrap()).manifest;
    assert!(!manifest.to_json().unwrap().contains("layout"));
}

#[test]
fn words_that_cannot_be_generated_are_refused_with_what_to_do() {
    let many = vec!["add:1"; 17].join(",");
    for (layout, hint) in [
        ("add:257", "at most 256 bits together"),
        ("xor:200,add:57", "at most 256 bits together"),
        ("xor:20,xor:4", "possible widths are 1, 8"),
        (&*many, "choose at most 16, and join xor fields"),
    ] {
        let message = with(layout, 16, 1).unwrap_err().to_string();
        assert!(message.contains(hint), "{layout}: {message}");
    }
    assert!(with("xor:63,add:193", 16, 1).is_ok());
}

/// A field of one segment, fields of several, fields of one bit, and segments of unequal length.
const LAYOUTS: [&str; 6] = [
    "xor:64,xor:32,add:16",
    "add:1",
    "add:1,xor:3,add:5",
    "add:33,xor:7,add:17",
    "add:64",
    "xor:100,add:150,add:6",
];

#[test]
fn every_layout_passes_the_checks_of_rust_hdl_and_fits_100_columns() {
    for (layout, target) in LAYOUTS.into_iter().zip(Target::ALL.into_iter().cycle()) {
        for (depth, lanes) in [(1, 1), (1, 8), (2, 1), (512, 4)] {
            let config = with(layout, depth, lanes).unwrap().with_target(target);
            let mut circuit = regfile::circuit(&config);
            circuit.connect_all();
            assert_eq!(check_all(&circuit), Ok(()), "{}", config.name());
            let text = generate(&config).verilog;
            assert!(text.is_ascii() && !text.contains('$'), "{}", config.name());
            for line in text.lines() {
                assert!(line.len() <= 100, "{}: {line}", config.name());
            }
        }
    }
}

/// Drives `inputs` for a cycle and returns `output`, sampled before the rising edge.
fn cycle(circuit: &mut Circuit, inputs: &[(&str, u64)], output: &str) -> bool {
    for (name, value) in inputs {
        assert!(circuit.set_input(name, (*value).into()), "{name}");
    }
    let mut seen = false;
    for clk in [1u32, 0] {
        if clk == 1 {
            assert!(simulate(circuit, 100));
            seen = circuit.value(output).unwrap().bit(0);
        }
        assert!(circuit.set_input("clk", clk.into()));
        assert!(simulate(circuit, 100));
    }
    seen
}

#[test]
fn latency_and_clear_of_every_layout_are_as_measured_in_the_simulator() {
    for (i, layout) in LAYOUTS.into_iter().enumerate() {
        for target in [Target::Generic, Target::Ecp5] {
            let (depth, lanes) = [(1, 4), (2, 2), (1, 1), (16, 4)][i % 4];
            let config = with(layout, depth, lanes).unwrap().with_target(target);
            let mut circuit = regfile::circuit(&config);
            cycle(&mut circuit, &[("clk", 0), ("rst", 1)], "ready");
            let clear = (1..10 * config.clear_cycles())
                .find(|_| cycle(&mut circuit, &[("rst", 0)], "ready"));
            assert_eq!(clear, Some(config.clear_cycles()), "{}", config.name());
            cycle(
                &mut circuit,
                &[("cmd_valid", 1), ("cmd_op", 3)],
                "rsp_valid",
            );
            let latency = (1..10 * config.latency())
                .find(|_| cycle(&mut circuit, &[("cmd_valid", 0)], "rsp_valid"));
            assert_eq!(latency, Some(config.latency()), "{}", config.name());
            // Commands in flight at a reset are gone before responses are let out again.
            assert!(config.latency() + 2 < config.clear_cycles() - 11);
        }
    }
}
