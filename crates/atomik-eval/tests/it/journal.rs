//! A review that is interrupted goes on where it was.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use atomik_arena::figures::{Review, SystemFigures};
use atomik_workload::generate::Zipf;
use serde_json::Value;

fn write_trace(file: &Path, seed: u64) {
    let settings = Zipf {
        operations: 2_000,
        seed,
        ..Zipf::default()
    };
    let mut text = Vec::new();
    for line in settings.lines().unwrap() {
        line.write(&mut text).unwrap();
    }
    fs::write(file, text).unwrap();
}

fn review(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atomik-eval"));
    command.current_dir(folder).args([
        "review",
        "trace.jsonl",
        "--faults",
        "none,loss",
        "--systems",
        "ATOMiK,CRDT,Yrs",
        "-o",
        "report.html",
        "--json",
        "report.json",
    ]);
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The complete lines of the journal after the first.
fn measured(journal: &Path) -> Vec<Value> {
    let text = fs::read_to_string(journal).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().skip(1);
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn an_interrupted_review_goes_on_with_what_it_has_measured() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    write_trace(&file("trace.jsonl"), 1);
    let mut child = review(folder.path())
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while measured(&file("report.journal")).is_empty() {
        assert_eq!(
            child.try_wait().unwrap(),
            None,
            "it ended without a journal"
        );
        sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let known = measured(&file("report.journal"));
    assert!(known.len() < 6, "it was not interrupted");
    // As an interruption in the middle of a line leaves it.
    let mut text = fs::read_to_string(file("report.journal")).unwrap();
    text.push_str("{\"figures\":{\"name\":\"Y");
    fs::write(file("report.journal"), text).unwrap();

    // Another trace is not mixed up with it, and nothing is lost.
    let before = fs::read(file("report.journal")).unwrap();
    write_trace(&file("trace.jsonl"), 2);
    let refused = review(folder.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = stderr(&refused);
    assert!(said.contains("it was written for another trace"), "{said}");
    assert!(said.contains("delete it, or move it away"), "{said}");
    assert_eq!(fs::read(file("report.journal")).unwrap(), before);

    write_trace(&file("trace.jsonl"), 1);
    // Nor are figures of another build, whose CPU times differ.
    let version = format!("\"{} ", env!("CARGO_PKG_VERSION"));
    let text = String::from_utf8(before.clone()).unwrap();
    assert!(text.contains(&version), "{text}");
    let other = text.replacen(&version, &format!("{version}0"), 1);
    fs::write(file("report.journal"), &other).unwrap();
    let said = stderr(&review(folder.path()).output().unwrap());
    let message = "it was written for another build of the program";
    assert!(said.contains(message), "{said}");
    fs::write(file("report.journal"), before).unwrap();

    let done = review(folder.path()).output().unwrap();
    let said = stderr(&done);
    assert!(done.status.success(), "{said}");
    let taken = format!("{} measurements are taken from report.journal", known.len());
    assert!(said.contains(&taken), "{said}");
    let review: Review = serde_json::from_slice(&fs::read(file("report.json")).unwrap()).unwrap();
    let systems: Vec<&SystemFigures> = review.runs.iter().flat_map(|run| &run.systems).collect();
    assert_eq!(systems.len(), 6);
    for known in &known {
        // CPU times differ from run to run.
        let cpu = &known["figures"]["latency"]["total_cpu_ns"];
        let same = |system: &&&SystemFigures| {
            system.command == known["figures"]["command"].as_str().unwrap()
                && system.latency.total_cpu_ns == cpu.as_f64().unwrap()
        };
        assert!(systems.iter().any(|system| same(&system)), "{known}");
    }
    assert!(file("report.html").exists());
    assert!(!file("report.journal").exists());
}

#[test]
fn a_file_that_is_no_journal_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("report.journal");
    write_trace(&folder.path().join("trace.jsonl"), 1);
    for notes in [
        b"notes\n".as_slice(),
        b"notes without a last newline",
        b"\xff\n",
    ] {
        fs::write(&journal, notes).unwrap();
        let refused = review(folder.path()).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        assert!(stderr(&refused).contains("journal"), "{}", stderr(&refused));
        assert_eq!(fs::read(&journal).unwrap(), notes);
    }
    // What an interruption leaves of a first line.
    fs::write(&journal, "{").unwrap();
    let done = review(folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", stderr(&done));
}

#[test]
fn a_journal_without_measurements_stands_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.jsonl");
    fs::write(&trace, "not a trace\n").unwrap();
    let refused = review(folder.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(folder.path().join("report.journal").exists());
    write_trace(&trace, 1);
    let done = review(folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", stderr(&done));
}

#[test]
fn a_report_in_the_place_of_a_folder_is_refused_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    write_trace(&folder.path().join("trace.jsonl"), 1);
    fs::create_dir(folder.path().join("report.html")).unwrap();
    let refused = review(folder.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let message = stderr(&refused);
    assert!(message.contains("report.html: is a folder"), "{message}");
    assert!(!folder.path().join("report.journal").exists());
}

#[test]
fn an_output_that_is_another_name_of_the_trace_leaves_it_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.jsonl");
    write_trace(&trace, 1);
    let before = fs::read(&trace).unwrap();
    fs::hard_link(&trace, folder.path().join("report.html")).unwrap();
    let done = review(folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!(fs::read(&trace).unwrap(), before);
}

#[test]
fn a_trace_that_can_be_read_only_once_is_refused() {
    for stream in ["-", "/dev/stdin"] {
        let output = Command::new(env!("CARGO_BIN_EXE_atomik-eval"))
            .args(["review", stream])
            .stdin(std::process::Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let message = stderr(&output);
        assert!(message.contains("write it to a file first"), "{message}");
    }
}

#[test]
fn more_nodes_than_can_be_simulated_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let line = r#"{"t":0,"node":65535,"key":"k","op":"toggle","field":"f"}"#;
    fs::write(folder.path().join("trace.jsonl"), format!("{line}\n")).unwrap();
    let refused = review(folder.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let message = stderr(&refused);
    assert!(message.contains("there are 65536 nodes"), "{message}");
}

#[test]
fn no_output_replaces_the_trace_or_the_figures_that_it_is_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.jsonl");
    write_trace(&file, 1);
    let before = fs::read(&file).unwrap();
    fs::copy(&file, folder.path().join("other.journal")).unwrap();
    fs::write(folder.path().join("flights.csv"), "").unwrap();
    let (input, twice) = ("is also the output", "would be written twice");
    for (args, message) in [
        ("review trace.jsonl -o trace.jsonl", input),
        ("review trace.jsonl --json ./trace.jsonl", input),
        ("report trace.jsonl -o ./trace.jsonl", input),
        // The journal and the imported trace are outputs beside the report.
        ("review other.journal -o other.html", input),
        ("review trace.jsonl -o new --json ./new", twice),
        ("review trace.jsonl -o new.html --json new.journal", twice),
        ("review trace.jsonl -o new.journal", twice),
        ("review flights.csv -o new.html --json new.jsonl", twice),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_atomik-eval"))
            .current_dir(folder.path())
            .args(args.split(' '))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{args}");
        let found = stderr(&output);
        assert!(found.contains(message), "{args}: {found}");
        assert_eq!(fs::read(&file).unwrap(), before, "{args}");
        let files = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 3, "{args}");
    }
}
