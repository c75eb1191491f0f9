//! Properties of the generated text and its manifest, for every configuration and every target.

use atomik_hdl::{Config, Design, Manifest, Target, generate};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::LazyLock;

static DESIGNS: LazyLock<Vec<(Config, Design)>> = LazyLock::new(|| {
    let targets = Target::ALL.into_iter().skip(1).flat_map(|target| {
        [
            (64, 512, 4),
            (8, 16, 2),
            (1, 16384, 1),
            (128, 1024, 8),
            (64, 1, 16),
            (1, 1, 1),
        ]
        .map(|(w, d, l)| Config::new(w, d, l).unwrap().with_target(target))
    });
    Config::all()
        .chain(targets)
        .map(|config| (config, generate(&config)))
        .collect()
});

/// The lines between `module NAME (` and `);`.
fn header_of<'a>(verilog: &'a str, name: &str) -> Vec<&'a str> {
    let mut lines = verilog
        .lines()
        .skip_while(|line| *line != format!("module {name} ("));
    assert!(lines.next().is_some(), "there is no module {name}");
    lines.take_while(|line| *line != ");").collect()
}

fn module_names(verilog: &str) -> Vec<&str> {
    verilog
        .lines()
        .filter_map(|line| line.strip_prefix("module "))
        .map(|rest| rest.trim_end_matches(" ("))
        .collect()
}

/// Name, direction and bits of a port line: `input  wire [3:0]  cmd_addr,  // comment`.
fn parse_port(line: &str) -> (String, &'static str, u32) {
    let declaration = line
        .split("//")
        .next()
        .unwrap()
        .trim()
        .trim_end_matches(',')
        .trim();
    let words: Vec<&str> = declaration.split_whitespace().collect();
    let direction = match words[0] {
        "input" => "in",
        "output" => "out",
        other => panic!("{other} in {line}"),
    };
    let bits = match words[2]
        .strip_prefix('[')
        .and_then(|range| range.strip_suffix(":0]"))
    {
        Some(high) => high.parse::<u32>().unwrap() + 1,
        None => 1,
    };
    (words[words.len() - 1].into(), direction, bits)
}

#[test]
fn the_same_configuration_gives_the_same_bytes() {
    for (config, first) in DESIGNS.iter() {
        let second = generate(config);
        assert!(first.verilog == second.verilog, "{}", config.name());
        assert_eq!(
            first.manifest.to_json().unwrap(),
            second.manifest.to_json().unwrap()
        );
    }
}

#[test]
fn the_text_is_ascii_and_fits_100_columns() {
    for (config, design) in DESIGNS.iter() {
        let name = config.name();
        // Neither system functions nor names that need escaping.
        assert!(!design.verilog.contains('$'), "{name}");
        assert!(design.verilog.is_ascii(), "{name}");
        assert!(
            design.verilog.ends_with('\n') && !design.verilog.ends_with("\n\n"),
            "{name}"
        );
        for line in design.verilog.lines() {
            assert!(line.len() <= 100, "{name}: {} columns: {line}", line.len());
            assert_eq!(line, line.trim_end(), "{name}: trailing blanks");
            assert!(!line.contains('\t'), "{name}: a tab: {line}");
        }
    }
}

#[test]
fn every_module_occurs_once_with_the_prefix_of_the_design() {
    for (config, design) in DESIGNS.iter() {
        let top = config.name();
        let names = module_names(&design.verilog);
        assert_eq!(names[0], top);
        for name in &names[1..] {
            assert!(name.starts_with(&format!("{top}_")), "{name} in {top}");
        }
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        // The number of modules depends on the depth, not on the lanes.
        assert_eq!(
            names.len(),
            if config.depth() == 1 { 5 } else { 9 },
            "{names:?}"
        );
        let ends = design
            .verilog
            .lines()
            .filter(|line| *line == "endmodule")
            .count();
        assert_eq!(ends, names.len(), "{top}");
    }
}

#[test]
fn every_port_of_every_module_has_a_line_and_a_comment_of_its_own() {
    for (config, design) in DESIGNS.iter() {
        for module in module_names(&design.verilog) {
            let header = header_of(&design.verilog, module);
            assert!(header.len() > 1, "{module}");
            for line in header {
                let (declaration, comment) = line.split_once("//").unwrap_or((line, ""));
                assert!(
                    !comment.trim().is_empty(),
                    "{}: {module}: {line}",
                    config.name()
                );
                assert!(declaration.matches(',').count() <= 1, "{module}: {line}");
            }
        }
    }
}

#[test]
fn the_manifest_lists_the_ports_of_the_module_with_the_bits_of_the_specification() {
    for (
        config,
        Design {
            verilog, manifest, ..
        },
    ) in DESIGNS.iter()
    {
        let name = config.name();
        let header: Vec<_> = header_of(verilog, &name)
            .into_iter()
            .map(parse_port)
            .collect();
        let listed: Vec<_> = manifest
            .ports
            .iter()
            .map(|p| {
                (
                    p.name.clone(),
                    if p.direction == "in" { "in" } else { "out" },
                    p.bits,
                )
            })
            .collect();
        assert_eq!(header, listed, "{name}");
        assert!(
            manifest
                .ports
                .iter()
                .all(|p| !p.text.is_empty() && !p.text.contains('\n'))
        );

        let (w, l) = (config.width(), config.lanes());
        let address_bits = config.depth().ilog2();
        let mut expected = vec![
            ("clk", "in", 1),
            ("rst", "in", 1),
            ("ready", "out", 1),
            ("cmd_valid", "in", l),
            ("cmd_op", "in", 3),
            ("cmd_addr", "in", l * address_bits),
            ("cmd_data", "in", l * w),
            ("rsp_valid", "out", 1),
            ("rsp_data", "out", w),
            ("rsp_clean", "out", 1),
        ];
        expected.retain(|(_, _, bits)| *bits > 0);
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, way, bits)| (name.to_string(), way, bits))
            .collect();
        assert_eq!(listed, expected, "{name}");
    }
}

#[test]
fn the_manifest_describes_the_design_and_how_it_was_generated() {
    for (
        config,
        Design {
            verilog, manifest, ..
        },
    ) in DESIGNS.iter()
    {
        let name = config.name();
        assert_eq!(manifest.name, name);
        assert_eq!(
            (manifest.width, manifest.depth, manifest.lanes),
            (config.width(), config.depth(), config.lanes())
        );
        assert_eq!(
            (manifest.latency, manifest.clear_cycles),
            (config.latency(), config.clear_cycles())
        );
        for line in [
            format!("//     {}", manifest.command),
            format!(
                "// LATENCY = {0}: a response comes exactly {0} cycles after its command.",
                manifest.latency
            ),
            format!(
                "// CLEAR = {0}: ready rises {0} cycles after the last cycle with rst high.",
                manifest.clear_cycles
            ),
        ] {
            assert!(verilog.lines().any(|l| l == line), "{name}: {line}");
        }
        let codes: Vec<(&str, u8)> = manifest
            .ops
            .iter()
            .map(|(name, code)| (name.as_str(), *code))
            .collect();
        assert_eq!(
            codes,
            [
                ("accum", 2),
                ("delta", 5),
                ("drain", 6),
                ("load", 1),
                ("nop", 0),
                ("read", 3),
                ("swap", 4)
            ]
        );
        let digest: String = Sha256::digest(verilog)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(manifest.sha256, digest, "{name}");
    }
}

#[test]
fn the_manifest_lists_the_memories_that_the_text_instantiates() {
    for (
        config,
        Design {
            verilog,
            manifest,
            models,
        },
    ) in DESIGNS.iter()
    {
        let name = config.name();
        let memories: Vec<_> = manifest
            .memories
            .iter()
            .map(|m| (m.name.as_str(), m.copies))
            .collect();
        if config.depth() == 1 {
            assert!(memories.is_empty() && !verilog.contains("mem ["), "{name}");
            continue;
        }
        let lanes = config.lanes();
        let slice = match config.target() {
            Target::Generic => config.width(),
            _ => config.width().min(32),
        };
        let slices = config.width() / slice;
        let expected = [
            ("loop_memory", lanes * slices),
            ("read_memory", lanes * slices),
            ("base_memory", slices),
            ("offset_memory", slices),
        ];
        assert_eq!(memories, expected, "{name}");
        // Instances in the text: lanes, slices per lane, memories per slice.
        let instances = |line: &str| verilog.lines().filter(|l| l.starts_with(line)).count() as u32;
        assert_eq!(instances(&format!("    {name}_lane lane")), lanes);
        assert_eq!(instances(&format!("    {name}_lane_slice slice")), slices);
        let primitive = match (config.target(), config.depth()) {
            (Target::Ecp5, 64..) => Some("DP16KD"),
            (Target::Gowin, 64..) => Some("SDPB"),
            _ => None,
        };
        let array = match slice {
            1 => format!("    reg mem [0:{}];", config.depth() - 1),
            w => format!("    reg [{}:0] mem [0:{}];", w - 1, config.depth() - 1),
        };
        match primitive {
            None => assert_eq!(instances(&array), 1, "{name}: {array}"),
            Some(cell) => assert_eq!(instances(&format!("            {cell} #(")), 1, "{name}"),
        }
        let cells: Vec<&str> = models.iter().map(|(cell, _)| *cell).collect();
        assert_eq!(cells, Vec::from_iter(primitive), "{name}");
        for memory in &manifest.memories {
            assert_eq!(
                instances(&format!("    {name}_memory {} (", memory.name)),
                1
            );
            assert_eq!((memory.width, memory.depth), (slice, config.depth()));
            let kind = match primitive {
                None => format!("ram_style = \"{}\"", memory.kind),
                Some(cell) => cell.into(),
            };
            assert!(verilog.contains(&kind), "{name}");
            assert!(
                memory.kind.contains(primitive.unwrap_or_default()),
                "{name}"
            );
        }
    }
}

#[test]
fn a_manifest_reads_back_as_it_was_written() {
    for (_, design) in DESIGNS.iter() {
        let json = design.manifest.to_json().unwrap();
        assert_eq!(
            serde_json::from_str::<Manifest>(&json).unwrap(),
            design.manifest
        );
        assert!(json.ends_with("}\n"));
    }
}
