use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use atomik_tools::{Search, ToolKind};
use serde_json::Value;

use crate::{Folder, Run, atomik, command};

/// A plan that runs in a moment.
pub const TINY: &str = r#"
name = "tiny"
[[run]]
configs = ["w8 d16 l2", "w64 d1 l16"]
profiles = ["mixed", "hazard"]
seeds = [1]
cycles = 2000
"#;

/// A case recorded for a bug that is fixed, so it passes.
pub const CASE: &str = r#"{
  "width": 8, "depth": 16, "lanes": 2, "seed": 1, "found": "w8_d16_l2/mixed/1",
  "mismatch": { "cycle": 14, "port": "rsp_data", "expected": "0x51", "got": "0x50" },
  "events": [
    { "cycle": 0, "offer": { "lane": 0, "op": 1, "addr": 3, "data": "0x51" } },
    { "cycle": 1, "offer": { "lane": 0, "op": 3, "addr": 3, "data": "0x0" } }
  ]
}"#;

#[test]
fn a_regression_that_passes_ends_with_a_table_and_a_total() {
    let folder = Folder::new();
    let plan = folder.file("tiny.toml", TINY);
    let junit = folder.path("junit.xml");
    let run = atomik(&["sim", "regress", &plan, "--junit", junit.to_str().unwrap()]);
    assert_eq!((run.status, run.err.as_str()), (0, ""), "{}", run.out);
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(
        lines[0].starts_with("| configuration | latency | cycles compared | commands"),
        "{}",
        lines[0]
    );
    let row = |name: &str| {
        let line = lines
            .iter()
            .find(|line| line.starts_with(&format!("| {name} ")))
            .unwrap();
        line.split('|')
            .map(|cell| cell.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let cells = row("w8_d16_l2");
    assert_eq!([&cells[2], &cells[3], &cells[6]], ["13", "4,000", "0"]);
    let cells = row("w64_d1_l16");
    assert_eq!([&cells[2], &cells[3], &cells[6]], ["9", "4,000", "0"]);
    for text in [
        "coverage by group: hazard ",
        "w8_d16_l2: empty coverage bins: ",
        "\n  ... and ",
        "total: 2 configurations, 4 jobs, 8,000 cycles compared, 0 mismatches, coverage ",
        ": PASSED\nplan tiny, ",
    ] {
        assert!(run.out.contains(text), "{text}\n{}", run.out);
    }
    let xml = fs::read_to_string(&junit).unwrap();
    let xml = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((xml.tests, xml.failures, xml.errors), (4, 0, 0));
    assert_eq!(xml.test_suites.len(), 2);
}

#[test]
fn the_json_report_has_every_job_with_the_requested_seed_and_cycles() {
    let folder = Folder::new();
    let plan = folder.file("tiny.toml", TINY);
    let run = atomik(&[
        "sim",
        "regress",
        &plan,
        "--json",
        "--seed=7",
        "--cycles=500",
        "--filter=l2/",
    ]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    let json: Value = serde_json::from_str(&run.out).unwrap();
    let jobs: Vec<_> = json["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| (&job["name"], &job["cycles"]))
        .collect();
    let (mixed, hazard, cycles) = (
        "w8_d16_l2/mixed/7".into(),
        "w8_d16_l2/hazard/7".into(),
        500.into(),
    );
    assert_eq!(jobs, [(&mixed, &cycles), (&hazard, &cycles)]);
    assert_eq!(json["configs"].as_array().unwrap().len(), 1);
}

#[test]
fn gated_coverage_fails_the_run_if_a_bin_stays_empty() {
    let folder = Folder::new();
    let plan = folder.file("tiny.toml", format!("gate_coverage = true\n{TINY}"));
    let junit = folder.path("junit.xml");
    let run = atomik(&["sim", "regress", &plan, "--junit", junit.to_str().unwrap()]);
    assert_eq!((run.status, run.err.as_str()), (1, ""));
    assert!(run.out.contains(": FAILED\n"), "{}", run.out);
    let holes = run
        .out
        .lines()
        .filter(|line| line.starts_with("  "))
        .count();
    assert_eq!(holes, 2 * (20 + 1), "{}", run.out);
    let xml =
        quick_junit::Report::deserialize_from_str(&fs::read_to_string(&junit).unwrap()).unwrap();
    assert_eq!((xml.tests, xml.failures), (6, 2));
}

#[test]
fn an_invalid_plan_is_status_2_with_the_reason() {
    let folder = Folder::new();
    let refused = |plan: &str, extra: &[&str], reason: &str| {
        let run = atomik(&[&["sim", "regress", plan], extra].concat());
        assert_eq!(
            (run.status, run.out.as_str()),
            (2, ""),
            "{reason}: {}",
            run.err
        );
        assert!(run.err.contains(reason), "{reason}: {}", run.err);
    };
    refused("no/such.toml", &[], "no/such.toml: No such file");
    let tiny = folder.file("tiny.toml", TINY);
    refused(
        &tiny,
        &["--filter", "w9"],
        "no job of the plan matches \"w9\"",
    );
    for (right, wrong, reason) in [
        ("name =", "name", "tiny.toml: "),
        ("cycles", "cycle", "unknown field `cycle`"),
        ("mixed", "mxied", "there is no profile \"mxied\""),
        ("w8 d16", "w9 d16", "possible widths are"),
        ("w8 d16 l2", "8x16", "write it as w64 d512 l4"),
        ("[1]", "[]", "the plan has no jobs"),
    ] {
        let plan = folder.file("tiny.toml", TINY.replace(right, wrong));
        refused(&plan, &[], reason);
    }
}

#[test]
fn outside_a_project_a_plan_must_be_named() {
    let folder = Folder::new();
    let output = command(&["sim", "regress"])
        .current_dir(folder.path(""))
        .env_remove("ATOMIK_ROOT")
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("name a plan, or set ATOMIK_ROOT"), "{err}");
}

#[test]
fn a_recorded_case_that_no_longer_fails_passes() {
    let folder = Folder::new();
    let case = folder.file("case.json", CASE);
    let waves = folder.path("case.vcd");
    let run = atomik(&["sim", "replay", &case, "--waves", waves.to_str().unwrap()]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert_eq!(run.err, format!("atomik: wrote {}\n", waves.display()));
    assert!(
        run.out.starts_with(&format!("{case}: passes now: ")),
        "{}",
        run.out
    );
    assert!(
        fs::read_to_string(&waves)
            .unwrap()
            .contains("$enddefinitions")
    );
}

#[test]
fn a_file_that_is_no_case_is_status_2() {
    let folder = Folder::new();
    for (right, wrong, reason) in [
        ("\"width\": 8", "\"width\": 9", "possible widths are"),
        ("\"events\"", "\"event\"", "case.json: "),
        (
            "\"addr\": 3",
            "\"addr\": 16",
            "event 0: its address does not fit",
        ),
    ] {
        let case = folder.file("case.json", CASE.replace(right, wrong));
        let run = atomik(&["sim", "replay", &case]);
        assert_eq!(
            (run.status, run.out.as_str()),
            (2, ""),
            "{reason}: {}",
            run.err
        );
        assert!(run.err.contains(reason), "{reason}: {}", run.err);
    }
}

/// A Verilator that plants a bug: bit 0 of a response is wrong if the address was clean.
///
/// It edits its input and passes it to the real one. Its models do not match the Verilog, so they
/// have a separate cache.
struct Planted {
    program: PathBuf,
    cache: PathBuf,
}

impl Planted {
    fn new(folder: &Folder) -> Self {
        let real = Search::from_env()
            .find(ToolKind::Verilator)
            .unwrap_or_else(|error| panic!("this test needs it: {error}"));
        let root = real.include.as_deref().and_then(Path::parent).unwrap();
        let script = format!(
            "#!/bin/sh\nVERILATOR_ROOT='{}'\nexport VERILATOR_ROOT\n\
             for last; do :; done\n\
             case $last in *.v)\n\
             sed 's/assign rsp_data = respond_rsp_data;/assign rsp_data = respond_rsp_data ^ \
             {{7'\\''d0, respond_rsp_valid \\& respond_rsp_clean}};/' \"$last\" \
             >\"$last.new\" || exit\n\
             mv \"$last.new\" \"$last\"\nesac\nexec '{}' \"$@\"\n",
            root.display(),
            real.path.display()
        );
        let program = folder.path("verilator");
        fs::write(&program, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&program, mode).unwrap();
        Self {
            program,
            cache: Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted-cache"),
        }
    }

    fn atomik(&self, args: &[&str]) -> Run {
        let output = command(args)
            .env("ATOMIK_VERILATOR", &self.program)
            .env("ATOMIK_CACHE", &self.cache)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Run {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

#[test]
fn a_planted_bug_is_found_recorded_and_replayed_and_its_case_passes_without_it() {
    let folder = Folder::new();
    let planted = Planted::new(&folder);
    let plan = folder.file("tiny.toml", TINY);
    let failures = folder.path("failures");
    let junit = folder.path("junit.xml");
    let args = [
        "sim",
        "regress",
        &plan,
        "--filter=w8_d16_l2/mixed",
        "--failures",
        failures.to_str().unwrap(),
    ];
    let run = planted.atomik(&[&args[..], &["--junit", junit.to_str().unwrap()]].concat());
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(
        run.out.contains(" 1 mismatches, ") && run.out.contains(": FAILED\n"),
        "{}",
        run.out
    );

    let case = failures.join("w8_d16_l2-mixed-1.json");
    let replay = format!("atomik sim replay {}", case.display());
    for text in [
        "atomik: mismatch on w8 d16 l2, seed 1: w8_d16_l2/mixed/1\n",
        "  port      rsp_data\n",
        &replay,
    ] {
        assert!(run.err.contains(text), "{text}\n{}", run.err);
    }
    let waves = fs::read_to_string(case.with_extension("vcd")).unwrap();
    assert!(waves.contains("$enddefinitions"));
    let xml = fs::read_to_string(&junit).unwrap();
    assert!(
        xml.contains("mismatch on w8 d16 l2") && xml.contains("failures=\"1\""),
        "{xml}"
    );

    // A single command with a response shows the bug, so the case is shrunk to it.
    let recorded: Value = serde_json::from_str(&fs::read_to_string(&case).unwrap()).unwrap();
    assert_eq!(
        recorded["events"].as_array().unwrap().len(),
        1,
        "{recorded}"
    );
    let case = case.to_str().unwrap();
    let run = planted.atomik(&["sim", "replay", case]);
    assert_eq!((run.status, run.err.as_str()), (1, ""));
    assert!(
        run.out
            .starts_with(&format!("{case}: still fails\nmismatch on w8 d16 l2")),
        "{}",
        run.out
    );
    assert!(!run.out.contains("recorded"), "{}", run.out);
    let run = atomik(&["sim", "replay", case]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    assert!(
        run.out.starts_with(&format!("{case}: passes now: ")),
        "{}",
        run.out
    );
}

#[test]
fn a_planted_bug_fails_the_check_of_a_file_on_the_rtl_alone() {
    let folder = Folder::new();
    let planted = Planted::new(&folder);
    let (old, new) = (
        folder.file("old", b"same, old"),
        folder.file("new", b"same, new"),
    );
    let args = [
        "trace",
        "diff",
        "--width=8",
        "--depth=16",
        "--lanes=2",
        "--check=both",
        &old,
        &new,
    ];
    let run = planted.atomik(&args);
    assert_eq!(run.status, 1, "{}", run.err);
    assert_eq!(
        run.out,
        format!("{new}: model: words read back: 9, all as in the new file\n")
    );
    assert!(
        run.err
            .contains("RTL: words due: 9, came: 9, wrong: 6; first at byte 0"),
        "{}",
        run.err
    );
}

/// Whether a process has a compiled model loaded.
#[cfg(target_os = "linux")]
fn simulates(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/maps")).is_ok_and(|maps| maps.contains("model.so"))
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_ends_a_regression_with_a_summary_of_what_ran() {
    use std::process::Command;
    use std::time::Duration;

    let folder = Folder::new();
    let plan = folder.file("long.toml", TINY.replace("2000", "100_000_000_000"));
    let child = command(&["sim", "regress", &plan])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    for _ in 0..1200 {
        if simulates(pid) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let kill = Command::new("kill")
        .args(["-INT", &pid.to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(output.status.code(), Some(130), "{err}\n{out}");
    assert_eq!(
        err,
        "atomik: stopping; press Ctrl-C again to stop at once\n"
    );
    for text in [
        "| w8_d16_l2 ",
        " 4 jobs stopped before their end: STOPPED\n",
    ] {
        assert!(out.contains(text), "{text}\n{out}");
    }
    assert!(!out.contains("empty coverage bins"), "{out}");
}

#[test]
fn a_plan_or_a_case_is_never_the_output() {
    let folder = Folder::new();
    for (args, option) in [
        (["sim", "regress"], "--junit"),
        (["sim", "replay"], "--waves"),
    ] {
        let file = folder.file("input.toml", "kept");
        let run = atomik(&[&args[..], &[&file, option, &file]].concat());
        let message = format!(
            "{file}: is also the output, and would be lost: name another file for the output"
        );
        assert_eq!(run, crate::refused(2, &message));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
    }
}
