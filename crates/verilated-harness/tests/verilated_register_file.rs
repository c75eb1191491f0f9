//! The second harness against the software model and the main harness, in every cycle and on every
//! port.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails, and so do its helper functions"
)]

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    ops::Range,
    path::Path,
};

use atomik_sim::{
    model::Model as MainModel,
    record::Layout,
    verilate::{Builder, Options, Source},
};
use atomik_trace::{CommandWriter, Error, Geometry, Random, Trace, run_model};
use serde::Deserialize;
use verilated_harness::{DESIGN, Inputs, Model, Outputs, RandomMode};

/// The fields of the design's manifest that are used here.
#[derive(Deserialize)]
struct Manifest {
    name: String,
    width: u32,
    depth: usize,
    lanes: u32,
    latency: usize,
    clear_cycles: usize,
}

impl Manifest {
    fn read() -> Self {
        serde_json::from_str(&fs::read_to_string(format!("{DESIGN}.json")).unwrap()).unwrap()
    }
}

/// The inputs of every cycle, and the expected outputs, from the software model and the manifest.
struct Run {
    manifest: Manifest,
    inputs: Vec<Inputs>,
    /// The cycles in which all outputs are low because of a reset.
    low: Vec<Range<usize>>,
    /// The responses, by the cycle in which they are due.
    due: BTreeMap<usize, Outputs>,
}

impl Run {
    /// Two traces of `commands` commands, each after a reset. The second reset comes while
    /// responses are in flight.
    fn new(commands: usize) -> Self {
        let mut run = Self {
            manifest: Manifest::read(),
            inputs: Vec::new(),
            low: Vec::new(),
            due: BTreeMap::new(),
        };
        run.reset();
        run.trace(1, commands);
        assert!(
            run.due.keys().next_back() > Some(&run.inputs.len()),
            "no response is in flight"
        );
        run.reset();
        run.trace(2, commands);
        run.inputs.resize(
            run.inputs.len() + run.manifest.latency + 1,
            Inputs::default(),
        );
        run
    }

    /// Three cycles of reset, then the cycles until the memories are cleared, with a command
    /// offered in each.
    fn reset(&mut self) {
        const CYCLES: usize = 3;
        let first = self.inputs.len();
        let ready = first + CYCLES - 1 + self.manifest.clear_cycles;
        for cycle in first..ready {
            let rst = u8::from(cycle < first + CYCLES);
            self.inputs.push(Inputs {
                rst,
                cmd_valid: 1,
                cmd_op: 2,
                cmd_addr: 1,
                cmd_data: !0,
                clk: 0,
            });
        }
        self.low.push(first + 1..ready);
        self.due.split_off(&(first + 1));
    }

    /// Adds the trace of `atomik trace random` for `seed`, and the responses of `atomik model run`.
    fn trace(&mut self, seed: u64, commands: usize) {
        let Manifest {
            width,
            depth,
            lanes,
            latency,
            ..
        } = self.manifest;
        let geometry = Geometry::new(width, depth, lanes).unwrap();
        let mut trace = Trace::generate("random", geometry, |out| {
            let mut writer = CommandWriter::new(out, width);
            for command in Random::new(geometry, seed).take(commands) {
                writer.write(&command).unwrap();
            }
            writer.flush().unwrap();
            Ok::<(), Error>(())
        })
        .unwrap();

        let first = self.inputs.len();
        let mut cycles = trace.cycles().unwrap();
        while let Some(commands) = cycles.next_cycle().unwrap() {
            let [command] = commands else {
                panic!("a single lane has one command per cycle")
            };
            self.inputs
                .resize(first + command.cycle as usize, Inputs::default());
            self.inputs.push(Inputs {
                cmd_valid: 1,
                cmd_op: command.op.code(),
                cmd_addr: command.addr as u16,
                cmd_data: command.data.limbs(width)[0],
                ..Inputs::default()
            });
        }
        drop(cycles);
        run_model(&mut trace, |response| {
            let outputs = Outputs {
                ready: 1,
                rsp_valid: 1,
                rsp_clean: u8::from(response.clean),
                rsp_data: response.data.limbs(width)[0],
            };
            self.due
                .insert(first + response.cycle as usize + latency, outputs);
            Ok::<(), Error>(())
        })
        .unwrap();
    }

    /// The expected outputs in cycle `cycle`; `None` in the first, before any clock edge.
    fn expected(&self, cycle: usize) -> Option<Outputs> {
        if cycle == 0 {
            None
        } else if self.low.iter().any(|low| low.contains(&cycle)) {
            Some(Outputs::default())
        } else {
            Some(self.due.get(&cycle).copied().unwrap_or(Outputs {
                ready: 1,
                ..Outputs::default()
            }))
        }
    }

    fn drive(&self, model: &mut Model) -> Vec<Outputs> {
        self.inputs
            .iter()
            .map(|&inputs| model.cycle(inputs))
            .collect()
    }

    fn check(&self, source: &str, outputs: &[Outputs]) {
        assert_eq!(outputs.len(), self.inputs.len(), "{source}: cycles");
        for (cycle, &got) in outputs.iter().enumerate() {
            if let Some(expected) = self.expected(cycle) {
                let name = &self.manifest.name;
                assert!(
                    got == expected,
                    "{source}, {name}, cycle {cycle}:\n     got {got:x?}\nexpected {expected:x?}"
                );
            }
        }
    }
}

#[test]
fn every_port_matches_the_software_model_in_every_cycle_for_any_initial_values() {
    let run = Run::new(20_000);
    for start in [
        RandomMode::AllZeros,
        RandomMode::AllBits,
        RandomMode::Randomize,
    ] {
        let outputs = run.drive(&mut Model::new(start));
        run.check(&format!("initial values {start:?}"), &outputs);
    }
}

/// Ensures that the test above really uses three different sets of initial values.
#[test]
fn initial_values_reach_the_registers() {
    let first = |start| Model::new(start).cycle(Inputs::default());
    assert_ne!(first(RandomMode::AllZeros), first(RandomMode::AllBits));
}

#[test]
fn the_main_harness_gives_the_same_responses() {
    let run = Run::new(5_000);
    let Manifest {
        ref name,
        width,
        depth,
        lanes,
        ..
    } = run.manifest;
    let layout = Layout::new(width, depth, lanes).unwrap();
    let mut cmds = vec![0; run.inputs.len() * layout.cmd_words()];
    for (cycle, inputs) in run.inputs.iter().enumerate() {
        let mut record = layout.command_mut(&mut cmds, cycle);
        record.set_reset(inputs.rst != 0);
        record.set_op(inputs.cmd_op);
        record.set_lane(
            0,
            inputs.cmd_valid != 0,
            inputs.cmd_addr.into(),
            &[inputs.cmd_data],
        );
    }
    let verilog = fs::read_to_string(format!("{DESIGN}.v")).unwrap();
    let source = Source {
        name: name.clone(),
        verilog,
        layout,
    };
    let built = Builder::from_env()
        .unwrap()
        .build(&source, Options::default())
        .unwrap();
    let mut rsps = vec![0; run.inputs.len() * layout.rsp_words()];
    MainModel::load(&built, layout, 1, None)
        .unwrap()
        .run(&cmds, &mut rsps)
        .unwrap();

    let ours = run.drive(&mut Model::new(RandomMode::Randomize));
    for (cycle, ours) in ours.iter().enumerate().skip(1) {
        let record = layout.response(&rsps, cycle);
        let main = Outputs {
            ready: record.ready().into(),
            rsp_valid: record.valid().into(),
            rsp_clean: record.clean().into(),
            rsp_data: record.data()[0],
        };
        assert!(
            *ours == main,
            "{name}, cycle {cycle}:\nthis harness {ours:x?}\nthe main one {main:x?}"
        );
    }
}

#[test]
fn the_waveform_shows_the_outputs_of_every_cycle() {
    let run = Run::new(500);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("register_file.vcd");
    let mut model = Model::new(RandomMode::Randomize);
    model.trace(&path).unwrap();
    let driven = run.drive(&mut model);
    drop(model);
    let shown = outputs_in_vcd(&fs::read_to_string(&path).unwrap(), driven.len());
    assert_eq!(shown[0], driven[0], "before the first reset");
    run.check("waveform", &shown);
}

/// The outputs at time `2n` for every cycle `n`, from the format of IEEE 1364-2005, section 18.
fn outputs_in_vcd(text: &str, cycles: usize) -> Vec<Outputs> {
    let mut ports: HashMap<&str, &str> = HashMap::new();
    let mut values: HashMap<&str, u64> = HashMap::new();
    let mut outputs = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            // The top module's ports precede the signals of its submodules.
            ["$var", _, _, code, name, ..] => {
                ports.entry(name).or_insert(code);
            }
            [time] if time.starts_with('#') => {
                // Values hold until the next time stamp.
                let time: usize = time[1..].parse().unwrap();
                fill(&mut outputs, time.div_ceil(2), &ports, &values);
            }
            [value, code] if value.starts_with('b') => {
                values.insert(code, u64::from_str_radix(&value[1..], 2).unwrap());
            }
            [bit] if bit.starts_with(['0', '1']) => {
                values.insert(&bit[1..], u64::from(bit.starts_with('1')));
            }
            _ => {}
        }
    }
    fill(&mut outputs, cycles, &ports, &values);
    outputs
}

/// Extends `outputs` to `cycles` cycles with the current values of the signals.
fn fill(
    outputs: &mut Vec<Outputs>,
    cycles: usize,
    ports: &HashMap<&str, &str>,
    values: &HashMap<&str, u64>,
) {
    if outputs.len() < cycles {
        let port = |name| values[ports[name]];
        // Without a response the other ports are undefined, and the model masks them.
        let valid = port("rsp_valid");
        let now = Outputs {
            ready: port("ready") as u8,
            rsp_valid: valid as u8,
            rsp_clean: (port("rsp_clean") & valid) as u8,
            rsp_data: port("rsp_data") * valid,
        };
        outputs.resize(cycles, now);
    }
}
