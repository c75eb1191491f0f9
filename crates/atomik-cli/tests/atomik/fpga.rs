//! `atomik fpga`, with scripts that stand in for Yosys and nextpnr.

use std::process::Command;

use crate::{Folder, Run, command};

const REPORT: &str = include_str!("../../../atomik-fpga/tests/reports/ecp5.json");

/// A register fed by a memory through a LUT with the delays `table`.
fn delays(table: &str) -> String {
    format!(
        r#"(DELAYFILE (CELL (CELLTYPE "top") (INSTANCE ) (DELAY (ABSOLUTE
            (INTERCONNECT a/Q m/DIA0 (1:1:1000)) (INTERCONNECT m/DOB0 t/A (1:1:1000))
            (INTERCONNECT t/F a/DI (0:0:0)))))
          (CELL (CELLTYPE "TRELLIS_FF") (INSTANCE a) (DELAY (ABSOLUTE (IOPATH CLK Q (1:1:500))))
            (TIMINGCHECK (SETUPHOLD (posedge DI) (posedge CLK) (1:1:100) (0:0:0))))
          (CELL (CELLTYPE "DP16KD") (INSTANCE m) (DELAY (ABSOLUTE (IOPATH CLKB DOB0 (1:1:2000))))
            (TIMINGCHECK (SETUPHOLD (posedge DIA0) (posedge CLKA) (0:0:0) (0:0:0))
                         (SETUPHOLD (posedge ADB0) (posedge CLKB) (0:0:0) (0:0:0))))
          (CELL (CELLTYPE "TRELLIS_COMB") (INSTANCE t) {table}))"#
    )
}

/// A folder with tools that place anything at 254.4 MHz.
struct Bench(Folder);

impl Bench {
    fn new(table: &str) -> Self {
        let folder = Folder::new();
        folder.file("report.json", REPORT);
        folder.file("delays.sdf", delays(table));
        let bench = Self(folder);
        bench.tool(
            "yosys",
            "case $1 in -V) echo Yosys 0.70; exit;; esac
             echo {} > netlist.json
             echo '{\"design\":{\"num_cells_by_type\":
                 {\"LUT4\":30,\"TRELLIS_FF\":40,\"DP16KD\":1}}}' > area.json
             echo > yosys.log",
        );
        let here = bench.0.path("").display().to_string();
        bench.tool(
            "nextpnr-ecp5",
            &format!(
                "case $1 in --version) echo '(Version nextpnr-0.11.1)'; exit;; esac
                 cp {here}/report.json {here}/delays.sdf .; echo > nextpnr.log"
            ),
        );
        bench
    }

    /// A shell writes the script, because a file that this process had open for writing may refuse
    /// to start while another thread starts a process.
    fn tool(&self, name: &str, body: &str) {
        let path = self.0.path(name);
        let mut shell = Command::new("/bin/sh");
        shell.args([
            "-c",
            "printf '#!/bin/sh\n%s\n' \"$1\" > \"$0\" && chmod +x \"$0\"",
        ]);
        assert!(shell.arg(&path).arg(body).status().unwrap().success());
    }

    fn run(&self, args: &[&str]) -> Run {
        let mut command = command(&[&["fpga"], args].concat());
        for variable in ["ATOMIK_FPGA_YOSYS", "ATOMIK_NEXTPNR_ECP5"] {
            command.env_remove(variable);
        }
        let here = self.0.path("").display().to_string();
        let output = command
            .env("PATH", format!("{here}:/usr/bin:/bin"))
            .env("ATOMIK_CACHE", self.0.path("cache"))
            .env("ATOMIK_TOOLS", &here)
            .output()
            .unwrap();
        Run {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

const TABLE: &str = "(DELAY (ABSOLUTE (IOPATH A F (1:1:200))))";
const SMALL: [&str; 8] = [
    "--device", "ecp5-25k", "--width", "8", "--depth", "16", "--lanes", "2",
];

#[test]
fn a_report_distinguishes_measured_and_computed_figures() {
    let bench = Bench::new(TABLE);
    let run = bench.run(&[&["report"], &SMALL[..]].concat());
    assert_eq!(run.status, 0, "{}", run.err);
    for text in [
        "w8 d16 l2 ecp5 on ecp5-25k: Lattice LFE5U-25F, speed grade 6",
        "Fmax, 3 seeds",
        "254.4 MHz median, 254.4 min, 254.4 max",
        "508.78 M/s, computed: 2 lanes x 254.4 MHz",
        "30 LUTs, 40 flip-flops, 1 block memories, 0 LUT memories (synthesised without the \
         harness)",
        "a lane: 15 LUTs, 20 flip-flops",
        "TRELLIS_FF 442/24288 (1.8 %)",
        "clear.count[0] to clear.last, 4 levels of logic",
        "3.30 ns, 303.0 MHz",
        "2 of 2",
    ] {
        assert!(run.out.contains(text), "{text}\n{}", run.out);
    }
    assert!(!run.out.contains("does not cover"), "{}", run.out);

    let run = bench.run(&[&["report", "--json", "--seeds", "1"], &SMALL[..]].concat());
    let json: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let report = &json["reports"][0];
    assert_eq!(report["outcome"]["result"], "placed");
    assert_eq!(report["shape"]["lanes"], 2);
    assert_eq!(json["tools"][1], "nextpnr-ecp5 0.11.1");
}

#[test]
fn a_figure_that_does_not_cover_the_memory_is_marked() {
    let run = Bench::new("").run(&[&["report"], &SMALL[..]].concat());
    assert_eq!(run.status, 0, "{}", run.err);
    assert!(run.out.contains("254.4*+ MHz median"), "{}", run.out);
    assert!(
        run.out.contains("\n* does not cover the memory"),
        "{}",
        run.out
    );
    assert!(
        run.out.contains("up to 1 of 2 register inputs"),
        "{}",
        run.out
    );
}

#[test]
fn goals_are_shown_with_their_results_and_fail_the_run_only_if_strict() {
    let bench = Bench::new(TABLE);
    let goal = |mhz: u32| {
        format!(
            "[[goal]]\ntext = \"at {mhz}\"\ndevice = \"ecp5-25k\"\n\
             width = 8\ndepth = 16\nlanes = 2\nmhz = {mhz}\n"
        )
    };
    let plan = bench.0.file("goals.toml", &(goal(250) + &goal(260)));
    let run = bench.run(&["goals", &plan]);
    assert_eq!(run.status, 0, "{}", run.err);
    let row = |name: &str| {
        let row = run
            .out
            .lines()
            .find(|line| line.starts_with(&format!("| {name}")));
        row.unwrap().to_owned()
    };
    assert!(row("at 250").ends_with(" yes |"), "{}", run.out);
    assert!(row("at 260").ends_with(" no |"), "{}", run.out);
    assert_eq!(bench.run(&["goals", &plan, "--strict"]).status, 1);
}

#[test]
fn a_sweep_writes_csv_json_and_a_plot() {
    let bench = Bench::new(TABLE);
    let plan = bench.0.file(
        "sweep.toml",
        "devices = [\"ecp5-25k\"]\nwidths = [8]\ndepths = [16]\nlanes = [1, 2]\n",
    );
    let out = bench.0.path("out");
    let run = bench.run(&["sweep", &plan, "-o", out.to_str().unwrap()]);
    assert_eq!(run.status, 0, "{}", run.err);
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let csv = read("sweep.csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 3, "{csv}");
    assert!(
        lines[2].starts_with(
            "ecp5-25k,ecp5,8,16,2,1,350,placed,254.39,254.39,254.39,508776398,30,40,1,0,true,2,2,\""
        ),
        "{csv}"
    );
    assert!(
        lines[0].ends_with(",critical_path,layout") && lines[2].ends_with("\","),
        "{csv}"
    );
    assert!(read("sweep.svg").starts_with("<svg"));
    assert!(read("sweep.json").contains("\"fmax_mhz\""));
}

#[test]
fn bad_input_is_status_2_and_a_failing_tool_is_3() {
    let bench = Bench::new(TABLE);
    let mut wrong = SMALL;
    wrong[3] = "7";
    let run = bench.run(&[&["report"], &wrong[..]].concat());
    assert_eq!(run.status, 2);
    assert!(run.err.contains("possible widths"), "{}", run.err);
    assert_eq!(bench.run(&["report", "--device", "ecp6"]).status, 2);
    assert_eq!(bench.run(&["sweep", "nowhere.toml"]).status, 2);
    assert_eq!(bench.run(&["build", "-o", "x"]).status, 2);
    bench.tool(
        "nextpnr-ecp5",
        "case $1 in --version) echo '(Version nextpnr-0.11.1)'; exit;; esac
         echo 'ERROR: no luck' > nextpnr.log; exit 9",
    );
    let run = bench.run(&[&["report"], &SMALL[..]].concat());
    assert_eq!(run.status, 3);
    assert!(run.err.contains("ERROR: no luck"), "{}", run.err);
    let run = bench.run(&["report", "--device", "ice40-hx8k"]);
    assert_eq!(run.status, 3);
    assert!(
        run.err.contains("no nextpnr-ice40 was found"),
        "{}",
        run.err
    );
    assert!(run.err.contains("make setup-fpga"), "{}", run.err);
}
