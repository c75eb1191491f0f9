//! A run and a review with and without a linger, from the command line.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use atomik_arena::figures::{Review, Run, SystemFigures};
use atomik_workload::generate::Zipf;

/// Operations of all nodes, each on a key of its own.
fn write_trace(file: &Path) {
    let settings = Zipf {
        operations: 600,
        keys: 600,
        ..Zipf::default()
    };
    let mut text = Vec::new();
    for line in settings.lines().unwrap() {
        line.write(&mut text).unwrap();
    }
    fs::write(file, text).unwrap();
}

fn evaluate(folder: &Path, words: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_atomik-eval");
    let mut command = Command::new(program);
    let common = ["--rate", "1000", "--systems", "ATOMiK,CRDT"];
    let done = command
        .current_dir(folder)
        .args(words)
        .args(common)
        .output();
    done.unwrap()
}

fn check(run: &Run) {
    let lingering = run.lingering.as_ref().unwrap();
    assert_eq!(lingering.linger_ms, 4.0);
    assert_eq!(run.world.latency_ms, Some(5.0));
    let pairs: Vec<_> = run.systems.iter().zip(&lingering.systems).collect();
    assert_eq!(pairs.len(), 2);
    for (soon, late) in pairs {
        assert_eq!(soon.name, late.name);
        let systems = format!(" --systems {}", soon.name);
        let lingering = format!(" --linger 4{systems}");
        assert_eq!(late.command, soon.command.replace(&systems, &lingering));
        assert!(
            late.bandwidth.messages < soon.bandwidth.messages,
            "{}",
            soon.name
        );
        assert!(soon.converged && late.converged);
        let visible = |it: &SystemFigures| it.latency.visible.clone().unwrap().virtual_us.median;
        // Where messages are lost, fewer of them may arrive sooner.
        let is_later = visible(late) > visible(soon);
        assert!(is_later || run.world.faults == "loss", "{}", soon.name);
    }
}

#[test]
fn both_settings_are_run_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    write_trace(&file("trace.jsonl"));
    let run = ["run", "trace.jsonl", "--linger", "4"];
    let shown = evaluate(folder.path(), &run);
    let text = String::from_utf8(shown.stdout).unwrap();
    for said in [
        "With 4 ms of linger, ATOMiK ",
        "bytes per write, 0 ms",
        "bytes per write, 4 ms",
    ] {
        assert!(text.contains(said), "{text}");
    }
    let shown = evaluate(folder.path(), &[&run[..], &["--json"]].concat());
    check(&serde_json::from_slice(&shown.stdout).unwrap());

    let review = [
        "review",
        "trace.jsonl",
        "--linger",
        "4",
        "--faults",
        "none,loss",
    ];
    let output = ["-o", "report.html", "--json", "report.json"];
    let shown = evaluate(folder.path(), &[&review[..], &output].concat());
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let text = fs::read_to_string(file("report.json")).unwrap();
    let review: Review = serde_json::from_str(&text).unwrap();
    assert_eq!(review.runs.len(), 2);
    review.runs.iter().for_each(check);
    assert!(
        review
            .commands
            .iter()
            .filter(|it| it.contains("--linger 4"))
            .count()
            == 2
    );
    let page = fs::read_to_string(file("report.html")).unwrap();
    assert!(page.contains("With 4 ms of linger, ATOMiK ") && page.contains("id=\"linger\""));
}

#[test]
fn without_a_linger_and_with_one_of_nothing_a_run_has_one_setting() {
    let folder = tempfile::tempdir().unwrap();
    write_trace(&folder.path().join("trace.jsonl"));
    for words in [
        &["run", "trace.jsonl"][..],
        &["run", "trace.jsonl", "--linger", "0"],
    ] {
        let shown = evaluate(folder.path(), &[words, &["--json"]].concat());
        let run: Run = serde_json::from_slice(&shown.stdout).unwrap();
        assert!(run.lingering.is_none());
    }
}

#[test]
fn a_linger_that_would_change_what_is_concurrent_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    write_trace(&folder.path().join("trace.jsonl"));
    let shown = evaluate(folder.path(), &["run", "trace.jsonl", "--linger", "30"]);
    assert_eq!(shown.status.code(), Some(2));
    let said = String::from_utf8(shown.stderr).unwrap();
    assert!(
        said.contains("--linger 30") && said.contains("25 ms"),
        "{said}"
    );
    assert!(said.contains("--latency-ms"), "{said}");
}
