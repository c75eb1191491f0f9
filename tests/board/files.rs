//! The files of the board are consistent, and its Verilog is lint clean.

use std::collections::BTreeSet;
use std::path::Path;

use crate::tools::{run, tool};
use atomik_device::simulated::board::{SOURCES, regfile};
use atomik_hdl::generate;
use atomik_tools::ToolKind;

fn board_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../hdl/boards/tangnano9k")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The file name of a path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

#[test]
fn every_module_of_the_board_is_lint_clean() {
    let config = regfile().unwrap();
    let design = generate(&config);
    let sources = SOURCES
        .iter()
        .map(|(path, text)| (file_name(path).to_owned(), *text));
    let models = design
        .models
        .iter()
        .map(|(cell, text)| (format!("{cell}.v"), text.as_str()));
    let files: Vec<(String, &str)> = sources
        .chain(models)
        .chain([(format!("{}.v", config.name()), &*design.verilog)])
        .collect();
    for (path, _) in SOURCES {
        // Each module as the top, with its default parameters. The PLL model is linted as part of
        // the board.
        let file = file_name(path);
        if file == "rPLL.v" {
            continue;
        }
        let top = file.strip_suffix(".v").unwrap();
        let arguments = ["--lint-only", "-Wall", "-y", ".", "--top-module", top, file];
        if let Err(printed) = run(&tool(ToolKind::Verilator), &arguments, &files) {
            panic!("{file}:\n{printed}");
        }
    }
}

#[test]
fn no_waiver_hides_a_warning_and_every_line_is_short() {
    for (path, text) in SOURCES {
        assert!(
            !text.contains("lint_off") && !text.contains("verilator"),
            "{path}"
        );
        let long = text.lines().position(|line| line.chars().count() > 100);
        assert_eq!(long, None, "{path}");
        assert!(text.contains("`default_nettype none"), "{path}");
        let modules = text
            .lines()
            .filter(|line| line.starts_with("module "))
            .count();
        assert_eq!(modules, 1, "{path}");
    }
}

#[test]
fn the_board_description_lists_the_simulated_sources_except_the_pll_model() {
    let description: toml::Table = board_file("board.toml").parse().unwrap();
    let listed = description["verilog"].as_array().unwrap().iter();
    let listed: BTreeSet<&str> = listed
        .map(|path| file_name(path.as_str().unwrap()))
        .collect();
    let compiled = SOURCES.iter().map(|(path, _)| file_name(path));
    let compiled: BTreeSet<&str> = compiled.filter(|&name| name != "rPLL.v").collect();
    assert_eq!(listed, compiled);
    let described = &description["regfile"];
    let size = ["width", "depth", "lanes"].map(|key| described[key].as_integer().unwrap());
    let config = regfile().unwrap();
    let sizes = [
        config.width() as i64,
        config.depth() as i64,
        config.lanes() as i64,
    ];
    assert_eq!(size, sizes);
    assert_eq!(described["target"].as_str(), Some(config.target().name()));
}

#[test]
fn exactly_the_pins_of_the_board_are_placed() {
    let constraints = board_file("tangnano9k.cst");
    let placed: BTreeSet<&str> = constraints
        .lines()
        .filter_map(|line| line.strip_prefix("IO_LOC \""))
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    let single = ["clk_27m", "button1_n", "button2_n", "uart_rxd", "uart_txd"];
    let leds = [
        "led_n[0]", "led_n[1]", "led_n[2]", "led_n[3]", "led_n[4]", "led_n[5]",
    ];
    assert_eq!(placed, single.into_iter().chain(leds).collect());
    let top = board_file("atomik_board_tangnano9k.v");
    let (_, after) = top.split_once(") (\n").unwrap();
    let (ports, _) = after.split_once("\n);").unwrap();
    for port in single.into_iter().chain(["led_n"]) {
        assert!(ports.contains(&format!(" {port}")), "{port}");
    }
    assert_eq!(ports.lines().count(), single.len() + 1);
}
