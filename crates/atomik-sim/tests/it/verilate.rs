//! Builds small designs with the real tools, runs them, and checks the cache, also when builds
//! fail.
//!
//! Most designs are written by a few lines of Rust here, with the ports of a register file and a
//! latency of one cycle, independently of the generator.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Barrier,
    thread,
};

use atomik_hdl::{Config, generate};
use atomik_sim::{
    model::{Model, ModelError},
    record::{CommandRecord, Layout},
    verilate::{BuildError, Builder, Lint, Options, Source, Waves},
};
use atomik_tools::{Search, Tool, ToolError, ToolKind};
use tempfile::TempDir;

const WAVES: Options = Options {
    lint: Lint::Deny,
    waves: Waves::Vcd,
    counts: false,
};

fn tool(kind: ToolKind) -> Tool {
    Search::from_env()
        .find(kind)
        .unwrap_or_else(|error| panic!("this test needs it: {error}"))
}

fn builder_in(cache: &Path) -> Builder {
    Builder::new(
        tool(ToolKind::Verilator),
        tool(ToolKind::Compiler),
        cache.to_path_buf(),
    )
}

/// A builder with a cache that outlives the test run, for tests that only need a model.
fn builder() -> Builder {
    builder_in(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("verilate-cache"))
}

/// A cache for one test. It already holds the run-time library, which takes long to compile.
fn cache_without_models() -> TempDir {
    let shared = builder();
    let layout = Layout::new(8, 2, 1).unwrap();
    shared.build(&design(layout), Options::default()).unwrap();
    let cache = TempDir::new().unwrap();
    for entry in fs::read_dir(shared.cache()).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("verilator-runtime-") && !name.contains(".building.") {
            fs::create_dir(cache.path().join(&name)).unwrap();
            for file in fs::read_dir(entry.path()).unwrap().flatten() {
                fs::copy(file.path(), cache.path().join(&name).join(file.file_name())).unwrap();
            }
        }
    }
    cache
}

/// The relative paths of everything in a cache except its lock files.
fn contents(cache: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![cache.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path != cache.join("locks") {
                found.insert(path.strip_prefix(cache).unwrap().to_path_buf());
                open.push(path);
            }
        }
    }
    found
}

fn models(cache: &Path) -> Vec<PathBuf> {
    let files = contents(cache);
    files
        .into_iter()
        .filter(|path| path.ends_with("model.so"))
        .collect()
}

/// A register file with a latency of one cycle: one memory per lane, and a base that `LOAD`, `SWAP`
/// and `DRAIN` change.
fn design(layout: Layout) -> Source {
    let (w, depth, lanes, a) = (
        layout.width(),
        layout.depth(),
        layout.lanes(),
        layout.addr_bits(),
    );
    let name = format!("regfile_w{w}_d{depth}_l{lanes}");
    let mut v = String::new();
    let addr_port = if a > 0 {
        format!("    input wire [{}:0] cmd_addr,\n", lanes * a - 1)
    } else {
        String::new()
    };
    let (dim, clear_at) = if a > 0 {
        (format!(" [0:{}]", depth - 1), "[clear]")
    } else {
        (String::new(), "")
    };
    let at = |lane: u32| {
        if a > 0 {
            format!("[a{lane}]")
        } else {
            String::new()
        }
    };
    let last = if a > 0 {
        format!("clear == {{{a}{{1'b1}}}}")
    } else {
        "1'b1".into()
    };
    let next = if a > 0 {
        format!("clear <= clear + {a}'d1;")
    } else {
        String::new()
    };
    let zero = format!("{{{w}{{1'b0}}}}");
    write!(
        v,
        "`default_nettype none
module {name} (
    input wire clk,
    input wire rst,
    output reg ready,
    input wire [{}:0] cmd_valid,
    input wire [2:0] cmd_op,
{addr_port}    input wire [{}:0] cmd_data,
    output reg rsp_valid,
    output reg [{}:0] rsp_data,
    output reg rsp_clean
);
    reg clearing;
    reg [{}:0] mem_r{dim};
    reg [{}:0] mem_base{dim};
",
        lanes - 1,
        lanes * w - 1,
        w - 1,
        w - 1,
        w - 1
    )
    .unwrap();
    if a > 0 {
        writeln!(v, "    reg [{}:0] clear;", a - 1).unwrap();
    }
    for l in 0..lanes {
        if a > 0 {
            writeln!(
                v,
                "    wire [{}:0] a{l} = cmd_addr[{} +: {a}];",
                a - 1,
                l * a
            )
            .unwrap();
        }
        let accum = if l == 0 { " & cmd_op == 3'd2" } else { "" };
        let (at, top) = (at(l), w - 1);
        write!(
            v,
            "    wire [{top}:0] v{l} = cmd_data[{} +: {w}];
    reg [{top}:0] mem{l}{dim};
    always @(posedge clk)
        if (clearing) mem{l}{clear_at} <= {zero};
        else if (ready & cmd_valid[{l}]{accum} & ~rst) mem{l}{at} <= mem{l}{at} ^ v{l};
",
            l * w
        )
        .unwrap();
    }
    let xor: Vec<String> = (0..lanes).map(|l| format!("mem{l}{}", at(0))).collect();
    write!(
        v,
        "    wire [{top}:0] x = {};
    wire [{top}:0] d = mem_base{at} ^ x;
    wire [{top}:0] s = mem_r{at} ^ d;
    wire go = ready & cmd_valid[0] & ~rst;
    wire state = cmd_op == 3'd3 | cmd_op == 3'd4;
    wire delta = cmd_op == 3'd5 | cmd_op == 3'd6;
    wire load = cmd_op == 3'd1;
    wire moves = load | cmd_op == 3'd4 | cmd_op == 3'd6;
    always @(posedge clk) begin
        if (clearing) begin mem_r{clear_at} <= {zero}; mem_base{clear_at} <= {zero}; end
        else if (go & moves) begin mem_r{at} <= load ? v0 : s; mem_base{at} <= x; end
    end
    always @(posedge clk) begin
        rsp_valid <= go & (state | delta);
        rsp_data <= go & state ? s : go & delta ? d : {zero};
        rsp_clean <= go & (state | delta) & d == {zero};
        if (rst) begin
            clearing <= 1'b1; ready <= 1'b0; {}
        end else if (clearing) begin
            {next}
            if ({last}) begin clearing <= 1'b0; ready <= 1'b1; end
        end
    end
endmodule
",
        xor.join(" ^ "),
        if a > 0 {
            format!("clear <= {a}'d0;")
        } else {
            String::new()
        },
        top = w - 1,
        at = at(0),
    )
    .unwrap();
    Source {
        name,
        verilog: v,
        layout,
    }
}

/// A model of the register file, written from the specification, not from the Verilog.
struct Expected {
    layout: Layout,
    reference: Vec<Vec<u64>>,
    delta: Vec<Vec<u64>>,
    /// Cycles from a reset until `ready` is high.
    clear: usize,
    /// Cycles until `ready` is high; 0 if it is.
    wait: usize,
    /// The responses of the next cycles, as many as the latency.
    responses: VecDeque<Vec<u64>>,
}

impl Expected {
    /// `clear` and `latency` as in a manifest.
    fn new(layout: Layout, clear: usize, latency: usize) -> Self {
        let zero = vec![vec![0; layout.limbs()]; layout.depth()];
        let responses = vec![vec![0; layout.rsp_words()]; latency].into();
        Self {
            layout,
            reference: zero.clone(),
            delta: zero,
            clear,
            wait: clear - 1,
            responses,
        }
    }

    /// Runs one cycle. Returns the outputs before the rising edge.
    fn cycle(&mut self, cmds: &[u64], index: usize) -> Vec<u64> {
        let ready = self.wait == 0;
        let mut now = self.responses.pop_front().unwrap();
        now[0] |= u64::from(ready);
        let command = self.layout.command(cmds, index);
        if command.reset() {
            *self = Self::new(self.layout, self.clear, self.responses.len() + 1);
            return now;
        }
        self.wait = self.wait.saturating_sub(1);
        let mut response = vec![0; self.layout.rsp_words()];
        if ready {
            self.apply(&command, &mut response);
        }
        self.responses.push_back(response);
        now
    }

    fn apply(&mut self, command: &CommandRecord<&[u64]>, response: &mut [u64]) {
        let mut value = vec![0; self.layout.limbs()];
        for lane in (0..self.layout.lanes()).filter(|&lane| command.valid(lane)) {
            command.data(lane, &mut value);
            let addr = command.addr(lane);
            let (r, d) = (&mut self.reference[addr], &mut self.delta[addr]);
            let s: Vec<u64> = r.iter().zip(&*d).map(|(r, d)| r ^ d).collect();
            let op = if lane == 0 { command.op() } else { 2 };
            let answer = match op {
                3 | 4 => Some(s.clone()),
                5 | 6 => Some(d.clone()),
                _ => None,
            };
            if let Some(answer) = answer {
                response[0] = 2 | u64::from(d.iter().all(|&limb| limb == 0)) << 2;
                response[1..].copy_from_slice(&answer);
            }
            match op {
                1 => *r = value.clone(),
                4 | 6 => *r = s,
                2 => d.iter_mut().zip(&value).for_each(|(d, v)| *d ^= v),
                _ => {}
            }
            if matches!(op, 1 | 4 | 6) {
                d.fill(0);
            }
        }
    }
}

/// Pseudo-random numbers (Marsaglia's xorshift64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Commands for `cycles` cycles: first a reset, then every op on a few addresses, with occasional
/// resets.
fn stimulus(layout: &Layout, cycles: usize, seed: u64) -> Vec<u64> {
    let mut numbers = Numbers(seed);
    let mut cmds = vec![0; cycles * layout.cmd_words()];
    for cycle in 0..cycles {
        let mut command = layout.command_mut(&mut cmds, cycle);
        command.set_reset(
            cycle == 0
                || numbers
                    .next()
                    .is_multiple_of(4 * layout.depth() as u64 + 300),
        );
        command.set_op((numbers.next() >> 20) as u8);
        for lane in 0..layout.lanes() {
            let data: Vec<u64> = (0..layout.limbs()).map(|_| numbers.next()).collect();
            let addr = (numbers.next() >> 11) as usize % layout.depth().min(5);
            command.set_lane(
                lane,
                !numbers.next().is_multiple_of(4),
                layout.depth() - 1 - addr,
                &data,
            );
        }
    }
    cmds
}

fn run(model: &mut Model, cmds: &[u64]) -> Vec<u64> {
    let layout = *model.layout();
    let mut rsps = vec![u64::MAX; cmds.len() / layout.cmd_words() * layout.rsp_words()];
    model.run(cmds, &mut rsps).unwrap();
    rsps
}

/// Runs a design with a stimulus of all ops, on all lanes and with resets, and compares every
/// output in every cycle.
fn check(builder: &Builder, source: &Source, clear: usize, latency: usize) {
    let layout = source.layout;
    let built = builder.build(source, Options::default()).unwrap();
    let mut model = Model::load(&built, layout, 1, None).unwrap();
    let cycles = 3 * clear + 2000;
    let cmds = stimulus(&layout, cycles, 0x1234_5678_9abc_def1);
    // Two calls, because state must carry over from one to the next.
    let (first, second) = cmds.split_at(cycles / 3 * layout.cmd_words());
    let rsps = [run(&mut model, first), run(&mut model, second)].concat();
    assert_eq!(model.cycles(), cycles as u64);
    let mut expected = Expected::new(layout, clear, latency);
    let mut answers = 0;
    for cycle in 0..cycles {
        let want = expected.cycle(&cmds, cycle);
        let got = layout.response(&rsps, cycle);
        // Outputs are undefined before the first reset.
        if cycle > 0 {
            assert_eq!(got.words(), want, "{} cycle {cycle}", source.name);
        }
        answers += usize::from(got.valid());
    }
    assert!(answers > 500, "{}: only {answers} answers", source.name);
}

#[test]
fn responses_match_the_model_for_every_kind_of_port() {
    let builder = builder();
    // Ports of 1, 8, 16, 32, 64 and more bits, values that straddle words, and no address port.
    for (width, depth, lanes) in [
        (64, 512, 1),
        (32, 1024, 3),
        (64, 1, 16),
        (8, 16, 2),
        (1, 2, 1),
        (256, 2, 32),
        (65, 8, 3),
        (33, 4, 1),
        (20, 4096, 5),
        (100, 1, 1),
    ] {
        check(
            &builder,
            &design(Layout::new(width, depth, lanes).unwrap()),
            depth + 1,
            1,
        );
    }
}

#[test]
fn generated_register_files_run() {
    let builder = builder();
    for (width, depth, lanes) in [
        (64, 512, 1),
        (64, 512, 4),
        (32, 1024, 8),
        (64, 1, 16),
        (8, 16, 2),
        (1, 2, 1),
        (256, 2, 32),
    ] {
        let config = Config::new(width, depth, lanes).unwrap();
        let layout = Layout::new(width, depth, lanes).unwrap();
        let source = Source {
            name: config.name(),
            verilog: generate(&config).verilog,
            layout,
        };
        check(
            &builder,
            &source,
            config.clear_cycles() as usize,
            config.latency() as usize,
        );
    }
}

#[test]
fn a_traced_model_gives_the_same_responses_and_writes_every_cycle() {
    let layout = Layout::new(64, 16, 2).unwrap();
    let builder = builder();
    let cmds = stimulus(&layout, 200, 7);
    let plain = builder.build(&design(layout), Options::default()).unwrap();
    let traced = builder.build(&design(layout), WAVES).unwrap();
    assert_ne!(plain.dir(), traced.dir());
    let dir = TempDir::new().unwrap();
    let vcd = dir.path().join("case.vcd");

    let mut model = Model::load(&traced, layout, 3, Some(&vcd)).unwrap();
    let with_waves = run(&mut model, &cmds);
    let after_the_run = fs::read_to_string(&vcd).unwrap();
    assert!(
        after_the_run.contains("\n#399\n"),
        "the last half cycle is on disk before the model goes away"
    );
    drop(model);
    assert_eq!(
        with_waves,
        run(&mut Model::load(&plain, layout, 3, None).unwrap(), &cmds)
    );
    assert_eq!(
        with_waves,
        run(&mut Model::load(&traced, layout, 3, None).unwrap(), &cmds)
    );

    let text = fs::read_to_string(&vcd).unwrap();
    assert!(text.contains("$enddefinitions"), "{text}");
    for port in [
        "clk",
        "rst",
        "ready",
        "cmd_valid",
        "cmd_op",
        "cmd_addr",
        "cmd_data",
        "rsp_data",
        "mem_base",
    ] {
        assert!(
            text.contains(&format!(" {port}")),
            "no {port} in the waveform"
        );
    }
    let changes: u64 = text.lines().filter(|line| line.starts_with('#')).count() as u64;
    assert_eq!(changes, 400, "one time for each half of each cycle");
    // The waveform and the response record agree.
    let answer = (0..200)
        .map(|c| layout.response(&with_waves, c).data()[0])
        .find(|&data| data != 0)
        .unwrap();
    assert!(
        text.contains(&format!("b{answer:064b} ")),
        "{answer:#x} is not in the waveform"
    );
}

#[test]
fn waves_are_refused_with_a_reason_when_they_cannot_be_written() {
    let layout = Layout::new(8, 2, 1).unwrap();
    let builder = builder();
    let dir = TempDir::new().unwrap();
    let plain = builder.build(&design(layout), Options::default()).unwrap();
    let error = Model::load(&plain, layout, 0, Some(&dir.path().join("x.vcd"))).unwrap_err();
    assert!(matches!(error, ModelError::NotTraced(_)), "{error}");
    assert!(!dir.path().join("x.vcd").exists());
    let traced = builder.build(&design(layout), WAVES).unwrap();
    let error = Model::load(
        &traced,
        layout,
        0,
        Some(&dir.path().join("no/such/folder.vcd")),
    )
    .unwrap_err();
    assert!(
        matches!(&error, ModelError::Wave { path, .. } if path.ends_with("no/such/folder.vcd")),
        "{error}"
    );
}

#[test]
fn power_up_values_follow_the_seed_and_are_not_zero() {
    let layout = Layout::new(64, 512, 1).unwrap();
    let built = builder()
        .build(&design(layout), Options::default())
        .unwrap();
    let first_outputs = |seed| {
        let mut model = Model::load(&built, layout, seed, None).unwrap();
        run(&mut model, &vec![0; layout.cmd_words()])
    };
    assert_eq!(first_outputs(1), first_outputs(1));
    // Data is masked without a response, and at power-up `rsp_valid` is random too.
    let outputs: BTreeSet<Vec<u64>> = (0..32).map(first_outputs).collect();
    let data: BTreeSet<u64> = outputs.iter().map(|o| o[1]).filter(|&d| d != 0).collect();
    assert!(data.len() >= 4, "{outputs:x?}");
}

#[test]
fn instances_of_one_library_do_not_disturb_each_other() {
    let layout = Layout::new(32, 8, 2).unwrap();
    let built = builder()
        .build(&design(layout), Options::default())
        .unwrap();
    let alone: Vec<Vec<u64>> = (1..=4)
        .map(|seed| {
            run(
                &mut Model::load(&built, layout, seed, None).unwrap(),
                &stimulus(&layout, 3000, seed),
            )
        })
        .collect();
    let together: Vec<Vec<u64>> = thread::scope(|scope| {
        let threads: Vec<_> = (1..=4)
            .map(|seed| {
                // Created in one thread, used in another: a model may move between threads.
                let mut model = Model::load(&built, layout, seed, None).unwrap();
                scope.spawn(move || {
                    let cmds = stimulus(&layout, 3000, seed);
                    let chunks = cmds.chunks(layout.cmd_words() * 100);
                    chunks
                        .flat_map(|chunk| run(&mut model, chunk))
                        .collect::<Vec<u64>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(alone, together);
}

#[test]
fn buffers_of_the_wrong_length_are_refused_before_anything_runs() {
    let layout = Layout::new(64, 512, 1).unwrap();
    let built = builder()
        .build(&design(layout), Options::default())
        .unwrap();
    let mut model = Model::load(&built, layout, 1, None).unwrap();
    let error = model.run(&[0; 4], &mut [0; 2]).unwrap_err();
    assert!(
        matches!(
            error,
            ModelError::Commands {
                words: 4,
                record: 3
            }
        ),
        "{error}"
    );
    let error = model.run(&[0; 6], &mut [0; 2]).unwrap_err();
    assert!(
        matches!(
            error,
            ModelError::Responses {
                words: 2,
                cycles: 2,
                record: 2
            }
        ),
        "{error}"
    );
    assert_eq!(model.cycles(), 0);
    assert_eq!(model.run(&[], &mut []).unwrap(), 0);
    assert_eq!(model.run(&[0; 6], &mut [0; 4]).unwrap(), 2);
}

#[test]
fn a_library_of_another_size_is_refused() {
    let layout = Layout::new(64, 512, 1).unwrap();
    let built = builder()
        .build(&design(layout), Options::default())
        .unwrap();
    let other = Layout::new(64, 512, 2).unwrap();
    let error = Model::load(&built, other, 1, None).unwrap_err();
    assert!(matches!(error, ModelError::Shape { .. }), "{error}");
    assert!(
        error.to_string().contains("lanes 1") && error.to_string().contains("lanes 2"),
        "{error}"
    );
}

#[test]
fn the_bare_loop_runs_the_design_and_is_reproducible() {
    let layout = Layout::new(64, 512, 1).unwrap();
    let built = builder()
        .build(&design(layout), Options::default())
        .unwrap();
    let checksum = |cycles, seed| {
        let mut model = Model::load(&built, layout, 1, None).unwrap();
        let mut cmds = vec![0; 600 * layout.cmd_words()];
        layout.command_mut(&mut cmds, 0).set_reset(true);
        run(&mut model, &cmds);
        let sum = model.bare(cycles, seed).unwrap();
        assert_eq!(model.cycles(), 600 + cycles);
        sum
    };
    assert_eq!(checksum(10_000, 1), checksum(10_000, 1));
    assert_ne!(checksum(10_000, 1), checksum(10_000, 3));
    assert_ne!(checksum(10_000, 1), checksum(10_001, 1));
}

#[test]
fn a_design_that_never_settles_is_an_error_and_does_not_end_the_process() {
    let layout = Layout::new(64, 512, 1).unwrap();
    let mut source = design(layout);
    // Oscillates as soon as lane 0 has a command.
    let broken = "    wire loop_a = cmd_valid[0] & ~loop_b;\n\
                 \x20   wire loop_b = ~(cmd_valid[0] & ~loop_a);\n\
                  \x20   always @(posedge clk) if (loop_a) clearing <= 1'b0;\nendmodule";
    source.verilog = source.verilog.replace("endmodule", broken);
    let options = Options {
        lint: Lint::Allow,
        ..Options::default()
    };
    let built = builder().build(&source, options).unwrap();
    let mut model = Model::load(&built, layout, 1, None).unwrap();
    let mut cmds = vec![0; 3 * layout.cmd_words()];
    layout.command_mut(&mut cmds, 2).set_lane(0, true, 0, &[0]);
    let error = model.run(&cmds, &mut [0; 6]).unwrap_err();
    let ModelError::Stopped { cycle: 2, message } = &error else {
        panic!("{error}")
    };
    assert!(message.contains("converge"), "{message}");
    let again = model.run(&cmds, &mut [0; 6]).unwrap_err();
    assert!(
        matches!(again, ModelError::Stopped { cycle: 2, .. }),
        "{again}"
    );
}

#[test]
fn the_error_for_verilog_that_does_not_parse_shows_where_and_nothing_is_cached() {
    let cache = cache_without_models();
    let builder = builder_in(cache.path());
    let before = contents(cache.path());
    let mut source = design(Layout::new(8, 2, 1).unwrap());
    source.verilog = source.verilog.replace("reg clearing;", "reg clearing");
    let error = builder.build(&source, Options::default()).unwrap_err();
    let BuildError::Verilator { name, message } = &error else {
        panic!("{error}")
    };
    assert_eq!(name, &source.name);
    let line = 1 + source
        .verilog
        .lines()
        .position(|line| line.trim() == "reg clearing")
        .unwrap();
    let place = format!("{name}.v:{}:", line + 1);
    assert!(
        message.contains(&place) && message.contains("syntax error"),
        "{message}"
    );
    assert_eq!(contents(cache.path()), before);
}

#[test]
fn a_warning_is_an_error_unless_it_is_allowed() {
    let cache = cache_without_models();
    let builder = builder_in(cache.path());
    let before = contents(cache.path());
    let mut source = design(Layout::new(8, 2, 1).unwrap());
    source.verilog = source
        .verilog
        .replace("reg clearing;", "reg clearing; wire forgotten = clearing;");
    let error = builder.build(&source, Options::default()).unwrap_err();
    assert!(
        matches!(&error, BuildError::Verilator { message, .. } if message.contains("forgotten")),
        "{error}"
    );
    assert_eq!(contents(cache.path()), before);
    let allowed = Options {
        lint: Lint::Allow,
        ..Options::default()
    };
    assert!(!builder.build(&source, allowed).unwrap().reused());
}

/// A compiler that prints its version but fails otherwise.
fn failing_compiler(dir: &Path) -> Tool {
    let script = dir.join("c++.sh");
    let text =
        "[ \"$1\" = --version ] && echo 'c++ 99.1' && exit\necho out of registers >&2\nexit 1\n";
    fs::write(&script, text).unwrap();
    // A shell reads the script, because executing a file that was just written can fail while other
    // threads start processes.
    let compiler = format!("/bin/sh {}", script.display());
    Search {
        named: [(ToolKind::Compiler, compiler.into())].into(),
        ..Search::default()
    }
    .find(ToolKind::Compiler)
    .unwrap()
}

#[test]
fn the_error_of_a_failing_compiler_shows_its_output_and_nothing_is_cached() {
    let dir = TempDir::new().unwrap();
    let cache = dir.path().join("cache");
    let builder = Builder::new(
        tool(ToolKind::Verilator),
        failing_compiler(dir.path()),
        cache.clone(),
    );
    let error = builder
        .build(&design(Layout::new(8, 2, 1).unwrap()), Options::default())
        .unwrap_err();
    assert!(
        matches!(
            &error,
            BuildError::Compiler { message, .. } if message.contains("out of registers")
        ),
        "{error}"
    );
    assert_eq!(contents(&cache), BTreeSet::new());
}

#[test]
fn a_model_is_built_once_and_rebuilt_when_an_input_changes() {
    let cache = cache_without_models();
    let builder = builder_in(cache.path());
    let source = design(Layout::new(8, 2, 1).unwrap());
    let first = builder.build(&source, Options::default()).unwrap();
    assert!(!first.reused());
    let second = builder_in(cache.path())
        .build(&source, Options::default())
        .unwrap();
    assert!(second.reused());
    assert_eq!(first.library(), second.library());
    assert_eq!(
        fs::read_to_string(first.dir().join("regfile_w8_d2_l1.v")).unwrap(),
        source.verilog
    );
    let manifest = fs::read_to_string(first.dir().join("entry.json")).unwrap();
    assert!(
        manifest.contains(&builder.verilator().version_text),
        "{manifest}"
    );

    let mut changed = source.clone();
    changed.verilog.push_str("// a comment\n");
    let third = builder.build(&changed, Options::default()).unwrap();
    assert!(!third.reused());
    let allowed = builder
        .build(
            &source,
            Options {
                lint: Lint::Allow,
                ..Options::default()
            },
        )
        .unwrap();
    assert!(!allowed.reused());
    let dirs: BTreeSet<_> = [&first, &third, &allowed]
        .map(|built| built.dir().to_path_buf())
        .into();
    assert_eq!(dirs.len(), 3);

    // With a failing compiler, only models in the cache are available.
    let mut compiler = builder.compiler().clone();
    compiler.path = "/bin/false".into();
    let rebuild = |verilator: Tool, compiler: Tool| {
        let builder = Builder::new(verilator, compiler, cache.path().to_path_buf());
        builder.build(&source, Options::default())
    };
    let patched = |tool: &Tool| {
        let version_text = format!("{} patched", tool.version_text);
        Tool {
            version_text,
            ..tool.clone()
        }
    };
    let verilator = builder.verilator();
    assert!(
        rebuild(verilator.clone(), compiler.clone())
            .unwrap()
            .reused()
    );
    rebuild(patched(verilator), compiler.clone()).unwrap_err();
    rebuild(verilator.clone(), patched(&compiler)).unwrap_err();
}

#[test]
fn a_damaged_entry_is_built_again() {
    let cache = cache_without_models();
    let builder = builder_in(cache.path());
    let layout = Layout::new(8, 2, 1).unwrap();
    let source = design(layout);
    let library = builder
        .build(&source, Options::default())
        .unwrap()
        .library();
    let good = fs::read(&library).unwrap();
    let manifest = library.with_file_name("entry.json");

    // Write a new file, because the old one may still be mapped into this process.
    let replace = |bytes: &[u8]| {
        fs::remove_file(&library).unwrap();
        fs::write(&library, bytes).unwrap();
    };
    let truncate = || replace(&good[..good.len() / 2]);
    let flip = || {
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 1;
        replace(&bad);
    };
    let lose = || fs::remove_file(&library).unwrap();
    let spoil = || fs::write(&manifest, "{").unwrap();
    for (what, damage) in [
        ("truncated", &truncate as &dyn Fn()),
        ("flipped", &flip),
        ("lost", &lose),
        ("manifest", &spoil),
    ] {
        damage();
        let built = builder.build(&source, Options::default()).unwrap();
        assert!(!built.reused(), "{what}");
        Model::load(&built, layout, 1, None).unwrap();
        assert!(
            builder.build(&source, Options::default()).unwrap().reused(),
            "{what}"
        );
        assert_eq!(models(cache.path()).len(), 1, "{what}");
    }
}

#[test]
fn leftovers_of_an_interrupted_build_are_swept_but_a_running_build_is_not() {
    let cache = cache_without_models();
    let source = design(Layout::new(8, 2, 1).unwrap());
    let abandoned = cache
        .path()
        .join("some_design-0123456789abcdef01a0.building.99-0");
    let running = cache
        .path()
        .join("some_design-0123456789abcdef01a1.building.98-0");
    for dir in [&abandoned, &running] {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("model.so"), "half").unwrap();
    }
    fs::create_dir_all(cache.path().join("locks")).unwrap();
    let lock = fs::File::create(cache.path().join("locks/01a1")).unwrap();
    lock.lock().unwrap();
    builder_in(cache.path())
        .build(&source, Options::default())
        .unwrap();
    assert!(!abandoned.exists());
    assert!(running.exists());
}

#[test]
fn concurrent_threads_share_one_build() {
    let cache = cache_without_models();
    let source = design(Layout::new(16, 4, 1).unwrap());
    let barrier = Barrier::new(4);
    let reused: Vec<bool> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let builder = builder_in(cache.path());
                    barrier.wait();
                    let built = builder.build(&source, Options::default()).unwrap();
                    Model::load(&built, source.layout, 1, None).unwrap();
                    built.reused()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(
        reused.iter().filter(|&&reused| !reused).count(),
        1,
        "{reused:?}"
    );
    assert_eq!(models(cache.path()).len(), 1);
}

/// Runs in the child processes of the test below.
#[test]
#[ignore = "run by concurrent_processes_share_one_build"]
fn child_that_builds() {
    let cache =
        PathBuf::from(std::env::var_os("ATOMIK_TEST_CACHE").expect("the parent sets the variable"));
    let source = design(Layout::new(16, 8, 1).unwrap());
    let built = builder_in(&cache)
        .build(&source, Options::default())
        .unwrap();
    Model::load(&built, source.layout, 1, None).unwrap();
    println!("reused={}", built.reused());
}

#[test]
fn concurrent_processes_share_one_build() {
    // The cache is empty, so they also compete for the run-time library.
    let cache = TempDir::new().unwrap();
    let children: Vec<_> = (0..3)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "verilate::child_that_builds",
                    "--ignored",
                    "--nocapture",
                ])
                .env("ATOMIK_TEST_CACHE", cache.path())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut built = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("reused="), "{text}");
        built += usize::from(text.contains("reused=false"));
    }
    assert_eq!(built, 1);
    assert_eq!(models(cache.path()).len(), 1);
    assert!(
        contents(cache.path())
            .iter()
            .all(|path| !path.to_string_lossy().contains(".building."))
    );
}

#[test]
fn the_error_for_a_read_only_cache_names_its_variable() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = builder_in(&file.join("cache"))
        .build(&design(Layout::new(8, 2, 1).unwrap()), Options::default());
    let error = error.unwrap_err();
    assert!(
        matches!(error, BuildError::Io { .. }) && error.to_string().contains("ATOMIK_CACHE"),
        "{error}"
    );
}

#[test]
fn a_name_that_is_not_an_identifier_never_reaches_a_tool() {
    let cache = TempDir::new().unwrap();
    let mut source = design(Layout::new(8, 2, 1).unwrap());
    for name in ["", "--help", "a/b", "1x", "a b"] {
        source.name = name.to_owned();
        let error = builder_in(cache.path())
            .build(&source, Options::default())
            .unwrap_err();
        assert!(
            matches!(&error, BuildError::Name(bad) if bad == name),
            "{error}"
        );
    }
    assert_eq!(contents(cache.path()), BTreeSet::new());
}

#[test]
fn without_verilator_the_error_names_the_command_that_installs_it() {
    let nothing = TempDir::new().unwrap();
    let search = Search {
        path: nothing.path().into(),
        ..Search::default()
    };
    let error = BuildError::from(search.find(ToolKind::Verilator).unwrap_err());
    assert!(matches!(
        error,
        BuildError::Tool(ToolError::Missing {
            kind: ToolKind::Verilator
        })
    ));
    let text = error.to_string();
    assert!(
        text.contains("no Verilator was found") && text.contains("`make setup`"),
        "{text}"
    );
}
