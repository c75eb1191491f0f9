//! The FPGA flow with scripts in place of Yosys and nextpnr: order, cache, failures, and paths that
//! nextpnr does not time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atomik_fpga::design::Port;
use atomik_fpga::device::Cells;
use atomik_fpga::{Design, Device, Family, Flow, FlowError, Job, Outcome, Report};
use atomik_tools::Search;
use tempfile::TempDir;

static NEVER_STOP: AtomicBool = AtomicBool::new(false);

const REPORT: &str = include_str!("../../crates/atomik-fpga/tests/reports/ecp5.json");

/// Delays of two registers, a memory, and a lookup table behind the memory.
fn delays(behind_memory: &str) -> String {
    let ff = |name: &str| {
        format!(
            "(CELL (CELLTYPE \"TRELLIS_FF\") (INSTANCE {name})
               (DELAY (ABSOLUTE (IOPATH CLK Q (1:1:500))))
               (TIMINGCHECK (SETUPHOLD (posedge DI) (posedge CLK) (1:1:100) (0:0:0))))"
        )
    };
    format!(
        "(DELAYFILE (CELL (CELLTYPE \"top\") (INSTANCE ) (DELAY (ABSOLUTE
           (INTERCONNECT a/Q m/DIA0 (1:1:1000)) (INTERCONNECT m/DOB0 t/A (1:1:1000))
           (INTERCONNECT t/F b/DI (0:0:0)))))
         {} {}
         (CELL (CELLTYPE \"DP16KD\") (INSTANCE m)
           (DELAY (ABSOLUTE (IOPATH CLKB DOB0 (1:1:2000))))
           (TIMINGCHECK (SETUPHOLD (posedge DIA0) (posedge CLKA) (0:0:0) (0:0:0))
                        (SETUPHOLD (posedge ADB0) (posedge CLKB) (0:0:0) (0:0:0))))
         (CELL (CELLTYPE \"TRELLIS_COMB\") (INSTANCE t) {behind_memory}))",
        ff("a"),
        ff("b")
    )
}

const TABLE: &str = "(DELAY (ABSOLUTE (IOPATH A F (1:1:200))))";

/// A folder with scripts in place of tools, and a cache.
struct Bench {
    folder: TempDir,
}

impl Bench {
    /// Tools that work. nextpnr reaches 100 MHz plus its seed, and is faster for higher seeds.
    fn new() -> Self {
        let bench = Self {
            folder: TempDir::new().unwrap(),
        };
        fs::create_dir(bench.path("bin")).unwrap();
        fs::write(bench.path("report.json"), REPORT).unwrap();
        fs::write(bench.path("delays.sdf"), delays(TABLE)).unwrap();
        bench.yosys(
            "printf '{}' > netlist.json
             printf '{\"design\":{\"num_cells_by_type\":{\"LUT4\":3,\"DP16KD\":1}}}' > area.json
             echo done > yosys.log",
        );
        bench.nextpnr("");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn here(&self) -> String {
        self.folder.path().display().to_string()
    }

    fn yosys(&self, body: &str) {
        self.script("bin/yosys", "echo 'Yosys 0.70'", body);
    }

    /// nextpnr, which runs `before` first. `$seed` is its seed.
    fn nextpnr(&self, before: &str) {
        let here = self.here();
        let body = format!(
            "for word; do seed=$word; done
             {before}
             sleep 0.$((4 - seed))
             sed 's/\"achieved\": [.0-9]*/\"achieved\": 10'$seed.0/ {here}/report.json > report.json
             cp {here}/delays.sdf delays.sdf
             echo done > nextpnr.log"
        );
        self.script("bin/nextpnr-ecp5", "echo '(Version nextpnr-0.11.1)'", &body);
    }

    /// A script that prints its version, or records the call and runs `body`.
    ///
    /// A shell writes the file: if this process did, a child started meanwhile by another thread
    /// could inherit the open file, and the kernel would refuse to execute it.
    fn script(&self, name: &str, version: &str, body: &str) {
        let here = self.here();
        let text = format!(
            "#!/bin/sh\ncase $1 in -V|--version) {version}; exit;; esac\n\
             basename $0 >> {here}/calls\nset -e\n{body}\n"
        );
        let mut shell = Command::new("/bin/sh");
        shell.args([
            "-c",
            "printf '%s' \"$1\" > \"$0.new\" && chmod +x \"$0.new\" && mv \"$0.new\" \"$0\"",
        ]);
        let status = shell.arg(self.path(name)).arg(text).status().unwrap();
        assert!(status.success());
    }

    fn flow<'s>(&self, stop: &'s AtomicBool) -> Flow<'s> {
        let search = Search {
            path: format!("{}:/usr/bin:/bin", self.path("bin").display()).into(),
            ..Search::default()
        };
        Flow::new(&search, [Family::Ecp5], &self.path("cache"), stop).unwrap()
    }

    fn run(&self, jobs: &[Job]) -> Vec<Report> {
        self.flow(&NEVER_STOP).run(jobs, 4, &()).unwrap()
    }

    /// How often a tool was called, other than for its version.
    fn calls(&self, tool: &str) -> usize {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().filter(|&line| line == tool).count()
    }
}

fn job(name: &str, seeds: &[u32]) -> Job {
    let port = |name: &str, input| Port {
        name: name.into(),
        input,
        bits: 1,
    };
    Job {
        design: Design {
            name: name.into(),
            top: name.into(),
            verilog: format!("module {name}; endmodule"),
            ports: Some(vec![port("clk", true), port("q", false)]),
            shape: None,
        },
        device: Device::named("ecp5-25k").unwrap(),
        seeds: seeds.to_vec(),
        freq_mhz: 300,
        cells: Cells::Timed,
    }
}

fn seeds(report: &Report) -> Vec<(u32, f64)> {
    let placements = report.placements().iter();
    placements
        .map(|placement| (placement.seed, placement.fmax_mhz))
        .collect()
}

fn failure(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Failed { message } => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reports_are_in_the_order_of_jobs_and_seeds() {
    let bench = Bench::new();
    let reports = bench.run(&[job("one", &[1, 2, 3]), job("two", &[3, 1])]);
    let names: Vec<&str> = reports
        .iter()
        .map(|report| report.design.as_str())
        .collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(seeds(&reports[0]), [(1, 101.0), (2, 102.0), (3, 103.0)]);
    assert_eq!(seeds(&reports[1]), [(3, 103.0), (1, 101.0)]);
    let spread = reports[1].fmax_mhz().unwrap();
    assert_eq!(
        (spread.min, spread.median, spread.max),
        (101.0, 102.0, 103.0)
    );
    assert_eq!(reports[0].median().map(|placement| placement.seed), Some(2));
    assert_eq!(
        reports[0].area.map(|area| (area.luts, area.block_memories)),
        Some((3, 1))
    );
}

#[test]
fn a_tool_is_called_again_only_for_what_is_new() {
    let bench = Bench::new();
    let first = bench.run(&[job("one", &[1, 2])]);
    assert_eq!((bench.calls("yosys"), bench.calls("nextpnr-ecp5")), (1, 2));
    assert_eq!(bench.run(&[job("one", &[1, 2])]), first);
    assert_eq!((bench.calls("yosys"), bench.calls("nextpnr-ecp5")), (1, 2));
    bench.run(&[job("one", &[1, 2, 3])]);
    assert_eq!((bench.calls("yosys"), bench.calls("nextpnr-ecp5")), (1, 3));
    let faster = Job {
        freq_mhz: 301,
        ..job("one", &[1])
    };
    bench.run(&[faster]);
    assert_eq!((bench.calls("yosys"), bench.calls("nextpnr-ecp5")), (1, 4));
    // The script for Yosys writes the same netlist for every design, so nextpnr is not called
    // again.
    let mut other = job("one", &[1]);
    other.design.verilog += " // changed";
    bench.run(&[other]);
    assert_eq!((bench.calls("yosys"), bench.calls("nextpnr-ecp5")), (2, 4));
}

#[test]
fn a_tool_that_fails_shows_its_last_lines_and_its_log_and_is_called_again() {
    let bench = Bench::new();
    bench.nextpnr(
        "echo many lines > nextpnr.log; echo 'ERROR: seed 2 is no good' >> nextpnr.log
         [ $seed != 2 ] || exit 7",
    );
    let reports = bench.run(&[job("one", &[1, 2]), job("two", &[1])]);
    let message = failure(&reports[0]);
    for part in [
        "nextpnr-ecp5 failed",
        "ERROR: seed 2 is no good",
        "exit status: 7",
    ] {
        assert!(message.contains(part), "{part}\n{message}");
    }
    let log = message
        .split_once("its log is ")
        .unwrap()
        .1
        .lines()
        .next()
        .unwrap();
    assert!(fs::read_to_string(log).unwrap().contains("many lines"));
    assert_eq!(seeds(&reports[1]), [(1, 101.0)]);
    bench.nextpnr("");
    assert_eq!(
        seeds(&bench.run(&[job("one", &[1, 2])])[0]),
        [(1, 101.0), (2, 102.0)]
    );

    bench.yosys("echo 'ERROR: no such module' > yosys.log; exit 1");
    let reports = bench.run(&[job("three", &[1])]);
    let message = failure(&reports[0]);
    assert!(message.contains("Yosys for synthesis failed"), "{message}");
    assert!(message.contains("no such module"), "{message}");
}

#[test]
fn a_design_that_does_not_fit_is_a_result_that_names_the_missing_resource() {
    let bench = Bench::new();
    bench.nextpnr(
        "printf 'Info:\\t DP16KD:  68/  56  121%%\\n' > nextpnr.log
         printf 'Info:\\t TRELLIS_FF: 5/ 10  50%%\\n' >> nextpnr.log
         echo 'ERROR: Unable to place cell' >> nextpnr.log; exit 1",
    );
    let reports = bench.run(&[job("one", &[1, 2])]);
    let Outcome::TooBig { overfull } = &reports[0].outcome else {
        panic!("{reports:?}")
    };
    let texts: Vec<String> = overfull.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["DP16KD 68/56 (121.4 %)"]);
    assert!(reports[0].area.is_some() && reports[0].fmax_mhz().is_none());
}

#[test]
fn a_frequency_that_covers_no_memory_path_is_flagged() {
    let bench = Bench::new();
    let report = &bench.run(&[job("one", &[1])])[0];
    assert!(!report.misses_memories());
    assert_eq!(report.uncovered(), (0, 2));
    assert_eq!(report.placements()[0].coverage.memory_path_ns, Some(3.3));

    let bench = Bench::new();
    fs::write(bench.path("delays.sdf"), delays("")).unwrap();
    let report = &bench.run(&[job("one", &[1])])[0];
    assert!(report.misses_memories());
    assert_eq!(report.uncovered(), (1, 2));
}

#[test]
fn an_unreadable_report_is_a_failure_and_is_not_cached() {
    let bench = Bench::new();
    fs::write(bench.path("delays.sdf"), "(DELAYFILE").unwrap();
    let reports = bench.run(&[job("one", &[1])]);
    assert!(failure(&reports[0]).contains("delays"), "{reports:?}");
    fs::write(bench.path("delays.sdf"), delays(TABLE)).unwrap();
    assert_eq!(seeds(&bench.run(&[job("one", &[1])])[0]), [(1, 101.0)]);
}

#[test]
fn stopping_a_flow_ends_its_tools_and_leaves_no_entry() {
    let bench = Bench::new();
    let here = bench.here();
    bench.nextpnr(&format!("echo $$ > {here}/pid; exec sleep 600"));
    let stop = AtomicBool::new(false);
    let flow = bench.flow(&stop);
    let jobs = [job("one", &[1])];
    let result = std::thread::scope(|scope| {
        let run = scope.spawn(|| flow.run(&jobs, 1, &()));
        while fs::read_to_string(bench.path("pid"))
            .unwrap_or_default()
            .is_empty()
        {
            assert!(!run.is_finished(), "it ended before it was stopped");
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::Relaxed);
        run.join().unwrap()
    });
    assert!(matches!(result, Err(FlowError::Stopped)), "{result:?}");
    let pid = fs::read_to_string(bench.path("pid")).unwrap();
    assert!(
        !Path::new("/proc").join(pid.trim()).exists(),
        "the tool is still running"
    );
    let cache = fs::read_dir(bench.path("cache/fpga")).unwrap().flatten();
    let names: Vec<_> = cache.map(|entry| entry.file_name()).collect();
    let left = names
        .iter()
        .filter(|name| name.to_string_lossy().starts_with("placement"));
    assert_eq!(left.count(), 0, "{names:?}");
}
