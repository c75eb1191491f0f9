//! Timing diagrams, read back and compared with the specification: the software model, the latency
//! and the clear time.

use atomik_algebra::{DynRegisterFile, Op};
use atomik_hdl::waves::{self, Scene};
use atomik_hdl::{Config, Target};
use serde_json::Value;
use std::collections::BTreeMap;

/// A diagram, parsed the way a reader would.
struct Drawn {
    /// The state of each signal in every drawn cycle: `0`, `1`, `x`, or the text of its box.
    signals: BTreeMap<String, BTreeMap<usize, String>>,
    /// The text of every coloured box, by signal.
    coloured: BTreeMap<String, Vec<String>>,
    /// The start and end of each arrow.
    arrows: Vec<[(String, usize); 2]>,
    /// The label of each arrow.
    labels: Vec<String>,
    /// The number of bricks, including gap marks.
    bricks: usize,
    /// The number of gap marks.
    gaps: usize,
}

impl Drawn {
    fn read(text: &str) -> Drawn {
        let json: Value = serde_json::from_str(text).unwrap();
        let mut rows = vec![];
        for entry in json["signal"].as_array().unwrap() {
            match entry.as_array() {
                Some(group) => rows.extend(&group[1..]),
                None => rows.push(entry),
            }
        }
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or("").to_string();
        let counter = rows.pop().unwrap();
        assert_eq!(text(counter, "name"), "cycle");
        let wave = text(counter, "wave");
        let data = text(counter, "data");
        let mut numbers = data.split(' ').map(|n| n.parse::<usize>().unwrap());
        let cycles: Vec<Option<usize>> = wave
            .chars()
            .map(|brick| (brick != '|').then(|| numbers.next().unwrap()))
            .collect();
        assert_eq!(numbers.next(), None);
        // The cycle numbers skip exactly at gap marks.
        let mut last = None;
        for (i, cycle) in cycles.iter().enumerate() {
            if let Some(cycle) = cycle {
                let behind_gap = i > 0 && cycles[i - 1].is_none();
                let step = last.map_or(1, |last| cycle - last);
                assert_eq!(step > 1, behind_gap, "cycle {cycle}");
                last = Some(*cycle);
            }
        }

        let mut drawn = Drawn {
            signals: BTreeMap::new(),
            coloured: BTreeMap::new(),
            arrows: vec![],
            labels: vec![],
            bricks: cycles.len(),
            gaps: cycles.iter().filter(|cycle| cycle.is_none()).count(),
        };
        let mut nodes = BTreeMap::new();
        for row in rows {
            let (name, wave, data) = (text(row, "name"), text(row, "wave"), text(row, "data"));
            assert_eq!(wave.len(), cycles.len(), "{name}");
            let mut boxes = data.split(' ');
            let mut state = None;
            for (brick, cycle) in wave.chars().zip(&cycles) {
                assert_eq!(brick == '|', cycle.is_none(), "{name}");
                match brick {
                    '.' | '|' => {}
                    '=' | '3' => {
                        let text = boxes.next().unwrap().to_string();
                        if brick == '3' {
                            let coloured = drawn.coloured.entry(name.clone());
                            coloured.or_default().push(text.clone());
                        }
                        state = Some(text);
                    }
                    other => state = Some(other.into()),
                }
                if let Some(cycle) = cycle {
                    let states = drawn.signals.entry(name.clone()).or_default();
                    states.insert(*cycle, state.clone().unwrap());
                }
            }
            for (node, cycle) in text(row, "node").chars().zip(&cycles) {
                if node != '.' {
                    nodes.insert(node, (name.clone(), cycle.unwrap()));
                }
            }
        }
        for edge in json["edge"].as_array().unwrap() {
            let (ends, label) = edge.as_str().unwrap().split_once(' ').unwrap();
            let (from, to) = ends.split_once("~>").unwrap();
            drawn
                .arrows
                .push([from, to].map(|end| nodes[&end.chars().next().unwrap()].clone()));
            drawn.labels.push(label.into());
        }
        drawn
    }

    fn at(&self, signal: &str, cycle: usize) -> &str {
        &self.signals[signal][&cycle]
    }

    fn cycles(&self) -> Vec<usize> {
        self.signals["ready"].keys().copied().collect()
    }

    /// The name of a lane's part of a port.
    fn lane(&self, port: &str, lane: u32, bits: u32, lanes: u32) -> String {
        let (low, high) = (lane * bits, lane * bits + bits - 1);
        match (lanes, bits) {
            (1, _) => port.into(),
            (_, 1) => format!("{port}[{low}]"),
            _ => format!("{port}[{high}:{low}]"),
        }
    }
}

fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}

/// The scenes of a configuration with their diagrams.
fn drawn(config: &Config) -> Vec<(Scene, Drawn)> {
    let files = waves::files(config).unwrap();
    assert_eq!(files.len(), Scene::all().count());
    Scene::all()
        .zip(files)
        .map(|(scene, file)| {
            let name = format!("{}_{}.json", config.name(), scene.name());
            assert_eq!(file.name, name);
            (scene, Drawn::read(&file.text))
        })
        .collect()
}

fn configs() -> Vec<Config> {
    let shape = |w, d, l, target| Config::new(w, d, l).unwrap().with_target(target);
    vec![
        shape(8, 16, 2, Target::Generic),
        shape(1, 1, 1, Target::Generic),
        shape(32, 1, 4, Target::Gowin),
        shape(16, 2, 1, Target::Ice40),
        shape(64, 64, 4, Target::Ecp5),
        Config::with_layout("xor:4,add:20".parse().unwrap(), 4, 2).unwrap(),
    ]
}

#[test]
fn every_response_follows_its_command_by_the_latency_and_agrees_with_the_software_model() {
    for config in configs() {
        let latency = config.latency() as usize;
        for (scene, drawn) in drawn(&config) {
            let what = format!("{} {}", config.name(), scene.name());
            let lanes = config.lanes();
            let mut model = DynRegisterFile::with_layout(config.layout(), config.depth()).unwrap();
            let mut expected: Vec<(usize, u64, bool)> = vec![];
            let mut seen = vec![];
            for cycle in drawn.cycles() {
                if drawn.at("rsp_valid", cycle) == "1" {
                    let data = number(drawn.at("rsp_data", cycle));
                    let clean = drawn.at("rsp_clean", cycle) == "1";
                    seen.push((cycle, data, clean));
                } else {
                    assert_eq!(drawn.at("rsp_data", cycle), "x", "{what}");
                    assert_eq!(drawn.at("rsp_clean", cycle), "x", "{what}");
                }
                if drawn.signals.contains_key("rst") && drawn.at("rst", cycle) == "1" {
                    model = DynRegisterFile::with_layout(config.layout(), config.depth()).unwrap();
                    expected.retain(|(due, ..)| *due <= cycle);
                    continue;
                }
                for lane in 0..lanes {
                    let part = |port: &str, bits| drawn.lane(port, lane, bits, lanes);
                    let valid = part("cmd_valid", 1);
                    if !drawn.signals.contains_key(&valid) {
                        assert!(lane > 0, "{what}");
                        continue;
                    }
                    let op = match lane {
                        0 => drawn.at("cmd_op", cycle).to_lowercase(),
                        _ => "accum".into(),
                    };
                    if drawn.at(&valid, cycle) == "0" || drawn.at("ready", cycle) == "0" {
                        continue;
                    }
                    let op = Op::from_name(&op).expect(&what);
                    let addr = match config.address_bits() {
                        0 => 0,
                        _ if op == Op::Nop => 0,
                        bits => number(drawn.at(&part("cmd_addr", bits), cycle)) as usize,
                    };
                    let data = drawn.at(&part("cmd_data", config.width()), cycle);
                    assert_eq!(data == "x", !op.takes_data(), "{what}");
                    let data = if data == "x" { 0 } else { number(data) };
                    let mut out = [0];
                    if let Some(clean) = model.apply(op, addr, &[data], &mut out).unwrap() {
                        expected.push((cycle + latency, out[0], clean));
                    }
                }
            }
            assert!(!seen.is_empty(), "{what}");
            assert_eq!(seen, expected, "{what}");
        }
    }
}

#[test]
fn the_arrows_count_the_cycles_from_command_to_response_and_from_reset_to_ready() {
    for config in configs() {
        for (scene, drawn) in drawn(&config) {
            let mut expected = vec![("cmd_op", "rsp_data", config.latency())];
            if scene == Scene::Reset {
                expected.push(("rst", "ready", config.clear_cycles()));
            }
            assert_eq!(drawn.arrows.len(), expected.len());
            for (i, (from, to, cycles)) in expected.into_iter().enumerate() {
                let [(first, start), (last, end)] = &drawn.arrows[i];
                assert_eq!((first.as_str(), last.as_str()), (from, to));
                assert_eq!(end - start, cycles as usize, "{}", config.name());
                assert_eq!(drawn.labels[i], format!("{cycles} cycles"));
            }
        }
    }
}

#[test]
fn a_scene_shows_its_op_in_colour_between_the_state_before_and_the_state_after() {
    let config = Config::new(8, 16, 2).unwrap();
    for (scene, drawn) in drawn(&config) {
        let Scene::Op(op) = scene else { continue };
        let ops: Vec<String> = drawn.signals["cmd_op"]
            .values()
            .filter(|op| *op != "x")
            .map(|op| op.to_lowercase())
            .collect();
        let own = if op == Op::Accum { 2 } else { 1 };
        assert_eq!(
            drawn.coloured["cmd_op"],
            vec![op.name().to_uppercase(); own]
        );
        let responses = usize::from(op.responds());
        let coloured = drawn.coloured.get("rsp_data").map_or(0, Vec::len);
        assert_eq!(coloured, responses, "{op:?}");
        let expected: Vec<&str> = match op {
            Op::Read => vec!["load", "accum", "read"],
            _ => [
                &["load", "accum", "read"][..],
                &vec![op.name(); own],
                &["read"],
            ]
            .concat(),
        };
        assert_eq!(ops, expected);
    }
}

#[test]
fn accum_is_shown_on_two_lanes_back_to_back_at_one_address() {
    let config = Config::new(8, 16, 2).unwrap();
    let (_, drawn) = drawn(&config)
        .into_iter()
        .find(|(scene, _)| *scene == Scene::Op(Op::Accum))
        .unwrap();
    let both: Vec<usize> = drawn
        .cycles()
        .into_iter()
        .filter(|&cycle| ["cmd_valid[0]", "cmd_valid[1]"].map(|v| drawn.at(v, cycle)) == ["1"; 2])
        .collect();
    assert_eq!(both.len(), 2);
    assert_eq!(both[1], both[0] + 1);
    for cycle in both {
        assert_eq!(
            drawn.at("cmd_addr[3:0]", cycle),
            drawn.at("cmd_addr[7:4]", cycle)
        );
        assert_eq!(drawn.at("cmd_addr[3:0]", cycle), "3");
    }
}

#[test]
fn waits_are_cut_to_gap_marks_so_that_every_diagram_fits_a_page() {
    for config in configs() {
        for (scene, drawn) in drawn(&config) {
            let name = format!("{} {}", config.name(), scene.name());
            assert!(drawn.bricks <= 18, "{name}: {}", drawn.bricks);
            // A pipeline no longer than the scene leaves nothing to cut.
            assert!(drawn.gaps > 0 || config.depth() == 1, "{name}");
        }
    }
}
