//! The golden model in SystemVerilog: the bench of `examples/dpi` under Verilator passes with the
//! generated design, and finds bugs planted in the integration, in the design and in the manifest.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use atomik_hdl::Config;
use atomik_tools::{Search, ToolKind};
use tempfile::TempDir;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const TABLE: &str = "flag_table.sv";
const NAME: &str = "atomik_regfile_w8_d16_l2";
const DESIGN: &str = "atomik_regfile_w8_d16_l2.v";
const MANIFEST: &str = "atomik_regfile_w8_d16_l2.json";

/// A text that occurs once in a file, and what replaces it.
type Change<'a> = (&'a str, &'a str);

fn change(path: &Path, (right, wrong): Change) {
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(
        text.matches(right).count(),
        1,
        "{right}: {}",
        path.display()
    );
    fs::write(path, text.replace(right, wrong)).unwrap();
}

/// A bench with a design and its manifest.
struct Bench {
    folder: TempDir,
    /// The name of the design.
    name: String,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for (from, name) in [
            ("examples/dpi", "Makefile"),
            ("examples/dpi", "bench.sv"),
            ("examples/dpi", TABLE),
            ("hdl", DESIGN),
            ("hdl", MANIFEST),
        ] {
            fs::copy(
                Path::new(ROOT).join(from).join(name),
                folder.path().join(name),
            )
            .unwrap();
        }
        Self {
            folder,
            name: NAME.to_owned(),
        }
    }

    fn with(file: &str, bug: Change) -> Self {
        let bench = Self::new();
        change(&bench.folder.path().join(file), bug);
        bench
    }

    /// A bench that drives every port of a design of these sizes.
    fn of_ports(layout: &str, depth: usize, lanes: u32) -> Self {
        let mut bench = Self::new();
        let config = Config::with_layout(layout.parse().unwrap(), depth, lanes).unwrap();
        let design = atomik_hdl::generate(&config);
        bench.name = config.name();
        let write = |name: &str, text: String| {
            fs::write(bench.folder.path().join(name), text).unwrap();
        };
        write(&format!("{}.v", config.name()), design.verilog);
        write(
            &format!("{}.json", config.name()),
            design.manifest.to_json().unwrap(),
        );
        write(TABLE, String::new());
        let (port, addr) = match depth {
            1 => ("", "'0"),
            _ => (".cmd_addr (cmd_addr),", "cmd_addr"),
        };
        let text = include_str!("ports.sv")
            .replace("@NAME@", &config.name())
            .replace("@WIDTH@", &config.width().to_string())
            .replace("@DEPTH@", &depth.to_string())
            .replace("@LANES@", &lanes.to_string())
            .replace("@ADDR_PORT@", port)
            .replace("@ADDR@", addr);
        write("bench.sv", text);
        bench
    }

    /// Builds the bench and runs it; returns whether it passed, and what it printed.
    fn make(&self) -> (bool, String) {
        let verilator = Search::from_env()
            .find(ToolKind::Verilator)
            .unwrap_or_else(|error| panic!("this test needs it: {error}"));
        let library = env::current_exe().unwrap().with_file_name("libatomik_c.a");
        assert!(library.exists(), "{}", library.display());
        let dpi = Path::new(ROOT).join("crates/atomik-c/dpi");
        let mut make = Command::new("make");
        make.envs(verilator.env.iter().map(|(key, value)| (key, value)))
            .env_remove("MAKEFLAGS")
            // Compiling takes longer than running.
            .args(["run", "HDL=.", "FLAGS=-CFLAGS -O0"])
            .arg(format!("NAME={}", self.name))
            .arg(format!("VERILATOR={}", verilator.path.display()))
            .arg(format!("DPI={}", dpi.display()))
            .arg(format!("LIBS={}", library.display()));
        self.run(make)
    }

    /// Runs the bench that was built, with a change of the manifest.
    fn run_with(&self, bug: Change) -> (bool, String) {
        let manifest = self.folder.path().join(MANIFEST);
        let right = fs::read(&manifest).unwrap();
        change(&manifest, bug);
        let result = self.run(Command::new(self.folder.path().join("build/Vbench")));
        fs::write(&manifest, right).unwrap();
        result
    }

    fn run(&self, mut command: Command) -> (bool, String) {
        let output = command.current_dir(self.folder.path()).output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        (output.status.success(), printed)
    }
}

#[track_caller]
fn finds((passed, printed): (bool, String), message: &str) {
    assert!(
        !passed && printed.contains(message),
        "{message}:\n{printed}"
    );
}

#[test]
fn the_bench_passes_with_the_design_and_its_manifest_alone() {
    let bench = Bench::new();
    let (passed, printed) = bench.make();
    assert!(passed && printed.contains("PASS: "), "{printed}");

    finds(
        bench.run_with(("\"latency\": 13", "\"latency\": 14")),
        "rsp_valid expected 0x0, got 0x1",
    );
    finds(
        bench.run_with(("\"clear_cycles\": 43", "\"clear_cycles\": 42")),
        "ready expected 0x1, got 0x0",
    );
    finds(
        bench.run_with(("\"depth\": 16,\n  \"lanes\"", "\"depth\": 32,\n  \"lanes\"")),
        "parameter DEPTH is 16, but 32 in ./atomik_regfile_w8_d16_l2.json",
    );
    finds(
        bench.run_with(("\"width\": 8,\n  \"depth\"", "\"depth\"")),
        "missing field `width`",
    );
}

#[test]
fn ports_of_many_words_and_designs_without_addresses_are_compared() {
    // 72 bits of addresses, 520 of data, 65 of a response.
    for (layout, depth, lanes) in [("xor:35,add:30", 512, 8), ("xor:64", 1, 2)] {
        let (passed, printed) = Bench::of_ports(layout, depth, lanes).make();
        assert!(passed && printed.contains("PASS: "), "{printed}");
    }
}

#[test]
fn the_bench_finds_a_bug_in_the_integration() {
    let bug = ("{sensor_data, host_data}", "{host_data, sensor_data}");
    finds(Bench::with(TABLE, bug).make(), "rsp_data expected");
}

#[test]
fn the_bench_finds_a_bug_in_the_design() {
    // Commands are accepted while the memories are cleared.
    let bug = (
        "respond_s1 <= clear_ready & cmd_valid[0]",
        "respond_s1 <= cmd_valid[0]",
    );
    finds(
        Bench::with(DESIGN, bug).make(),
        "rsp_valid expected 0x0, got 0x1",
    );
}
