//! Timing diagrams of a register file, as sources for WaveDrom.
//!
//! Each op has a scene of a few commands. The scene runs on the circuit in rust-hdl's simulator,
//! and the diagram shows the resulting port values, so it cannot differ from the hardware. A gap
//! mark replaces cycles in which nothing changes; the row `cycle` counts them as well.
//!
//! The format is WaveJSON, described in WaveDrom's tutorial (<https://wavedrom.com/tutorial.html>).

use atomik_algebra::Op;
use num_bigint::BigUint;
use rust_hdl::core::simulate::simulate;
use serde::Serialize;

use crate::circuit::Circuit;
use crate::config::Config;
use crate::files::{Error, TextFile};
use crate::regfile;

/// Shorter runs of unchanged cycles are drawn, not cut.
const SHORTEST_GAP: usize = 4;

/// The horizontal scale: the name of an op must fit into one cycle.
const SCALE: u32 = 2;

/// The number of rounds after which rust-hdl gives up on settling; more than any path needs.
const ROUNDS: usize = 100;

/// The subject of a diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// One op, with the state before and after it.
    Op(Op),
    /// A reset while a response is in flight, and the clear that follows.
    Reset,
}

impl Scene {
    /// Every scene: the ops in the order of their codes, then the reset.
    pub fn all() -> impl Iterator<Item = Scene> {
        Op::ALL.into_iter().map(Scene::Op).chain([Scene::Reset])
    }

    /// The name of the op in lower case, or `reset`.
    pub fn name(self) -> &'static str {
        match self {
            Scene::Op(op) => op.name(),
            Scene::Reset => "reset",
        }
    }

    /// The inputs of each cycle, for a register file that has just been cleared.
    fn steps(self, config: &Config) -> Vec<Step> {
        let one = |op, data| Step::commands(&[(op, data)]);
        let mut steps = vec![
            Step::default(),
            one(Op::Load, 0x5a),
            one(Op::Accum, 0x0f),
            one(Op::Read, 0),
        ];
        match self {
            Scene::Op(Op::Read) => {
                if let Some(read) = steps.last_mut() {
                    read.subject = true;
                }
            }
            Scene::Op(Op::Accum) => {
                let lanes = config.lanes().min(2) as usize;
                for deltas in [[0x30, 0xc0], [0x05, 0x81]] {
                    let commands = deltas.map(|delta| (Op::Accum, delta));
                    steps.push(Step::commands(&commands[..lanes]).subject());
                }
                steps.push(one(Op::Read, 0));
            }
            Scene::Op(op) => {
                // The data shows that ops without data ignore it.
                steps.push(one(op, 0xc3).subject());
                steps.push(one(Op::Read, 0));
            }
            Scene::Reset => {
                let reset = Step {
                    rst: true,
                    ..Step::default()
                };
                steps.extend([Step::default(), reset.clone(), reset]);
                let ready = steps.len() - 1 + config.clear_cycles() as usize;
                // Offered before `ready`, so ignored.
                steps.extend([Step::default(), one(Op::Load, 0xff)]);
                steps.resize(ready, Step::default());
                steps.push(one(Op::Read, 0).subject());
            }
        }
        let end = steps.len() + config.latency() as usize + 1;
        steps.resize(end, Step::default());
        steps
    }
}

/// The inputs of one cycle.
#[derive(Clone, Debug, Default)]
struct Step {
    rst: bool,
    /// The commands of lanes 0, 1, ..., with their data.
    commands: Vec<(Op, u32)>,
    /// Whether this cycle is the subject of the diagram, drawn in colour.
    subject: bool,
}

impl Step {
    fn commands(commands: &[(Op, u32)]) -> Step {
        Step {
            commands: commands.to_vec(),
            ..Step::default()
        }
    }

    fn subject(self) -> Step {
        Step {
            subject: true,
            ..self
        }
    }
}

/// The outputs of one cycle.
#[derive(Clone, Debug)]
struct Outputs {
    ready: bool,
    valid: bool,
    data: BigUint,
    clean: bool,
}

/// The circuit in rust-hdl's simulator.
#[derive(Clone)]
struct Bench {
    config: Config,
    circuit: Circuit,
}

impl Bench {
    /// A register file after reset, in the first cycle with `ready` high.
    fn cleared(config: &Config) -> Bench {
        let mut bench = Bench {
            config: *config,
            circuit: regfile::circuit(config),
        };
        let reset = Step {
            rst: true,
            ..Step::default()
        };
        bench.cycle(&reset);
        for _ in 1..config.clear_cycles() {
            bench.cycle(&Step::default());
        }
        bench
    }

    /// Sets the inputs, samples the outputs before the rising edge, then makes that edge.
    fn cycle(&mut self, step: &Step) -> Outputs {
        let config = self.config;
        let (width, bits) = (config.width(), config.address_bits());
        // Every don't-care input bit is 1, so that an unwanted effect shows.
        let ones = |n: u32| (BigUint::from(1u32) << n) - 1u32;
        let mut valid = BigUint::ZERO;
        let mut data = ones(config.lanes() * width);
        let mut addr = ones(config.lanes() * bits);
        for (lane, &(_, word)) in (0u32..).zip(&step.commands) {
            let place = |value: BigUint, n: u32, all: &mut BigUint| {
                *all ^= (ones(n) ^ value) << (lane * n);
            };
            valid.set_bit(lane.into(), true);
            place(cut(word, width), width, &mut data);
            place(address(&config).into(), bits, &mut addr);
        }
        let op = step.commands.first().map_or(7, |(op, _)| op.code());
        self.set("rst", u32::from(step.rst).into());
        self.set("cmd_valid", valid);
        self.set("cmd_op", op.into());
        self.set("cmd_data", data);
        if bits > 0 {
            self.set("cmd_addr", addr);
        }
        self.set("clk", 0u32.into());
        self.settle();
        let outputs = Outputs {
            ready: self.value("ready").bit(0),
            valid: self.value("rsp_valid").bit(0),
            data: self.value("rsp_data").clone(),
            clean: self.value("rsp_clean").bit(0),
        };
        self.set("clk", 1u32.into());
        self.settle();
        outputs
    }

    fn set(&mut self, input: &str, value: BigUint) {
        assert!(
            self.circuit.set_input(input, value),
            "{input} takes no such value"
        );
    }

    fn settle(&mut self) {
        assert!(
            simulate(&mut self.circuit, ROUNDS),
            "the circuit does not settle"
        );
    }

    fn value(&self, output: &str) -> &BigUint {
        self.circuit
            .value(output)
            .unwrap_or_else(|| panic!("no output {output}"))
    }
}

/// The address that all commands of a scene use.
fn address(config: &Config) -> u32 {
    3 & ((1 << config.address_bits()) - 1)
}

/// The low `width` bits of a word.
fn cut(word: u32, width: u32) -> BigUint {
    if width < u32::BITS {
        (word & ((1 << width) - 1)).into()
    } else {
        word.into()
    }
}

/// How a signal is drawn in one cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    Bit(bool),
    /// A value as text, and whether it is coloured.
    Value(String, bool),
    /// The signal has no meaning.
    DontCare,
}

/// A signal over all cycles, and marks at which arrows start or end.
struct Row {
    name: String,
    cells: Vec<Cell>,
    marks: Vec<(usize, char)>,
}

/// A row in WaveJSON.
#[derive(Serialize)]
struct Lane<'a> {
    name: &'a str,
    wave: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    data: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    node: String,
}

/// The diagrams of every [`Scene`], in order, for the register file of `config`: `NAME_read.json`
/// and so on.
///
/// Arrows show the number of cycles from a command to its response and, for the reset, from the
/// last cycle of the reset to `ready`.
///
/// The clear is simulated cycle by cycle, which takes minutes for the deepest register files.
///
/// # Errors
/// None in practice: a diagram is plain text.
///
/// # Panics
/// If the circuit does not settle in simulation, which is a bug of this crate.
pub fn files(config: &Config) -> Result<Vec<TextFile>, Error> {
    let cleared = Bench::cleared(config);
    Scene::all()
        .map(|scene| {
            Ok(TextFile {
                name: format!("{}_{}.json", config.name(), scene.name()),
                text: diagram(scene, cleared.clone())?,
            })
        })
        .collect()
}

/// The WaveJSON of a scene, run on a register file that has just been cleared.
fn diagram(scene: Scene, mut bench: Bench) -> Result<String, Error> {
    let config = &{ bench.config };
    let steps = scene.steps(config);
    let outputs: Vec<Outputs> = steps.iter().map(|step| bench.cycle(step)).collect();
    let groups = groups(config, scene, &steps, &outputs);
    let (arrows, groups) = arrows(scene, &steps, &outputs, groups);

    let kept = kept(groups.iter().flat_map(|(_, rows)| rows));
    let counter = Row::new("cycle", steps.len(), |cycle| {
        Cell::Value(cycle.to_string(), false)
    });
    let mut clock = kept.iter().map(|cycle| cycle.map_or('|', |_| '.'));
    let lane = Lane {
        name: "clk",
        wave: clock.next().map(|_| 'p').into_iter().chain(clock).collect(),
        data: String::new(),
        node: String::new(),
    };
    let mut signals = vec![format!("    {}", serde_json::to_string(&lane)?)];
    for (name, rows) in groups.iter().chain([&(None, vec![counter])]) {
        let indent = if name.is_some() { 6 } else { 4 };
        let rows = rows
            .iter()
            .map(|row| Ok(format!("{:indent$}{}", "", row.text(&kept)?)))
            .collect::<Result<Vec<String>, serde_json::Error>>()?
            .join(",\n");
        signals.push(match name {
            Some(name) => format!("    [{},\n{rows}\n    ]", serde_json::to_string(name)?),
            None => rows,
        });
    }
    let title = format!("{} on {}", scene.name().to_uppercase(), config.name());
    Ok(format!(
        "{{\n  \"config\": {{\"hscale\": {SCALE}}},\n  \"head\": {{\"text\": {}}},\n  \
         \"signal\": [\n{}\n  ],\n  \"edge\": {}\n}}\n",
        serde_json::to_string(&title)?,
        signals.join(",\n"),
        serde_json::to_string(&arrows)?,
    ))
}

type Groups = Vec<(Option<String>, Vec<Row>)>;

/// The rows: reset, each lane that the scene uses, and the response.
fn groups(config: &Config, scene: Scene, steps: &[Step], outputs: &[Outputs]) -> Groups {
    let cycles = steps.len();
    let mut reset = vec![];
    if scene == Scene::Reset {
        reset.push(Row::new("rst", cycles, |i| Cell::Bit(steps[i].rst)));
    }
    reset.push(Row::new("ready", cycles, |i| Cell::Bit(outputs[i].ready)));
    let mut groups = vec![(None, reset)];

    let used = steps.iter().map(|step| step.commands.len()).max();
    for lane in 0..used.unwrap_or(0) {
        groups.push((Some(format!("lane {lane}")), lane_rows(config, lane, steps)));
    }
    let response = response_rows(config, steps, outputs);
    groups.push((Some("response".into()), response));
    groups
}

/// The command inputs of a lane.
fn lane_rows(config: &Config, lane: usize, steps: &[Step]) -> Vec<Row> {
    let cycles = steps.len();
    // The lane's part of a port.
    let part = |port: &str, bits: u32| {
        let (low, high) = (lane as u32 * bits, (lane as u32 + 1) * bits - 1);
        match (config.lanes(), bits) {
            (1, _) => port.to_string(),
            (_, 1) => format!("{port}[{low}]"),
            _ => format!("{port}[{high}:{low}]"),
        }
    };
    let value = |text: &dyn Fn(Op, u32) -> Option<String>, i: usize| {
        let Some(&(op, data)) = steps[i].commands.get(lane) else {
            return Cell::DontCare;
        };
        text(op, data).map_or(Cell::DontCare, |text| Cell::Value(text, steps[i].subject))
    };
    let mut rows = vec![Row::new(&part("cmd_valid", 1), cycles, |i| {
        Cell::Bit(steps[i].commands.len() > lane)
    })];
    if lane == 0 {
        let op = |op: Op, _| Some(op.name().to_uppercase());
        rows.push(Row::new("cmd_op", cycles, |i| value(&op, i)));
    }
    let bits = config.address_bits();
    if bits > 0 {
        let addr = |op, _| (op != Op::Nop).then(|| address(config).to_string());
        let name = part("cmd_addr", bits);
        rows.push(Row::new(&name, cycles, |i| value(&addr, i)));
    }
    let data = |op: Op, data| {
        let word = || hex(&cut(data, config.width()), config);
        op.takes_data().then(word)
    };
    let name = part("cmd_data", config.width());
    rows.push(Row::new(&name, cycles, |i| value(&data, i)));
    rows
}

/// The response outputs.
fn response_rows(config: &Config, steps: &[Step], outputs: &[Outputs]) -> Vec<Row> {
    let cycles = steps.len();
    let latency = config.latency() as usize;
    let coloured = |i: usize| i >= latency && steps[i - latency].subject;
    // Without a response, data and clean have no meaning.
    let valid = |i: usize, cell: &dyn Fn(&Outputs) -> Cell| match &outputs[i] {
        outputs if outputs.valid => cell(outputs),
        _ => Cell::DontCare,
    };
    vec![
        Row::new("rsp_valid", cycles, |i| Cell::Bit(outputs[i].valid)),
        Row::new("rsp_data", cycles, |i| {
            valid(i, &|outputs| {
                Cell::Value(hex(&outputs.data, config), coloured(i))
            })
        }),
        Row::new("rsp_clean", cycles, |i| {
            valid(i, &|outputs| Cell::Bit(outputs.clean))
        }),
    ]
}

/// The value in hexadecimal, padded to two digits only, because words of 256 bits must fit into a
/// cycle.
fn hex(value: &BigUint, config: &Config) -> String {
    let digits = config.width().div_ceil(4).min(2) as usize;
    format!("0x{value:0digits$x}")
}

/// Adds the arrows: from the last command to its response, and from the reset to `ready`. Returns
/// them with the rows in which their ends are marked, in capitals, which WaveDrom does not draw.
fn arrows(
    scene: Scene,
    steps: &[Step],
    outputs: &[Outputs],
    mut groups: Groups,
) -> (Vec<String>, Groups) {
    let mut arrows = vec![];
    let mut arrow = |marks: [char; 2], from: (&str, Option<usize>), to: (&str, Option<usize>)| {
        let (Some(first), Some(last)) = (from.1, to.1) else {
            return;
        };
        for ((name, cycle), mark) in [(from.0, first), (to.0, last)].into_iter().zip(marks) {
            for row in groups.iter_mut().flat_map(|(_, rows)| rows) {
                if row.name == name {
                    row.marks.push((cycle, mark));
                }
            }
        }
        arrows.push(format!(
            "{}~>{} {} cycles",
            marks[0],
            marks[1],
            last - first
        ));
    };
    let command = steps.iter().rposition(|step| !step.commands.is_empty());
    let response = outputs.iter().rposition(|outputs| outputs.valid);
    arrow(['A', 'B'], ("cmd_op", command), ("rsp_data", response));
    if scene == Scene::Reset {
        let reset = steps.iter().rposition(|step| step.rst);
        let ready = outputs.iter().rposition(|outputs| !outputs.ready);
        arrow(
            ['C', 'D'],
            ("rst", reset),
            ("ready", ready.map(|last| last + 1)),
        );
    }
    (arrows, groups)
}

/// The cycles to draw, in order; None is a gap mark in place of unchanged cycles.
fn kept<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<Option<usize>> {
    let rows: Vec<&Row> = rows.collect();
    let cycles = rows.first().map_or(0, |row| row.cells.len());
    let quiet =
        |i: usize| i > 0 && i < cycles && rows.iter().all(|row| row.cells[i] == row.cells[i - 1]);
    let mut kept = vec![];
    let mut i = 0;
    while i < cycles {
        let mut end = i;
        while quiet(end) {
            end += 1;
        }
        if end - i >= SHORTEST_GAP {
            // One unchanged cycle is drawn after the mark, so that the next change does not touch
            // it.
            kept.push(None);
            i = end - 1;
        }
        kept.push(Some(i));
        i += 1;
    }
    kept
}

impl Row {
    fn new(name: &str, cycles: usize, cell: impl Fn(usize) -> Cell) -> Row {
        Row {
            name: name.into(),
            cells: (0..cycles).map(cell).collect(),
            marks: vec![],
        }
    }

    /// The row in WaveJSON.
    fn text(&self, kept: &[Option<usize>]) -> serde_json::Result<String> {
        let (mut wave, mut node, mut data) = (String::new(), String::new(), vec![]);
        let mut last = None;
        for cycle in kept {
            let Some(cycle) = cycle else {
                wave.push('|');
                node.push('.');
                continue;
            };
            let cell = &self.cells[*cycle];
            wave.push(match cell {
                // Each command and each response has its own box.
                Cell::Bit(_) | Cell::DontCare if last == Some(cell) => '.',
                Cell::Bit(false) => '0',
                Cell::Bit(true) => '1',
                Cell::DontCare => 'x',
                Cell::Value(text, coloured) => {
                    data.push(text.as_str());
                    if *coloured { '3' } else { '=' }
                }
            });
            let mark = self.marks.iter().find(|(marked, _)| marked == cycle);
            node.push(mark.map_or('.', |(_, mark)| *mark));
            last = Some(cell);
        }
        if self.marks.is_empty() {
            node.clear();
        }
        serde_json::to_string(&Lane {
            name: &self.name,
            wave,
            data: data.join(" "),
            node,
        })
    }
}
