//! `atomik eval fit`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Output;

use atomik_workload::fit::{Fit, Verdict};
use atomik_workload::workload::{Action, Line, Scalar};

use crate::{Folder, atomik, atomik_with, command};

fn at(t: u64, node: u32, key: &str, field: &str, action: Action) -> Line {
    Line {
        t,
        node,
        key: key.into(),
        field: field.into(),
        action,
    }
}

fn set(value: i64) -> Action {
    Action::Set(Scalar::Int(value))
}

fn written(lines: &[Line]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        line.write(&mut bytes).unwrap();
    }
    bytes
}

fn eval(args: &[&str]) -> Output {
    command(&[&["eval"], args].concat()).output().unwrap()
}

fn file(lines: &[Line]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), written(lines)).unwrap();
    file
}

#[test]
fn strict_fails_unless_it_fits() {
    let good = file(&[at(0, 0, "k", "", set(5)), at(0, 1, "l", "", set(3))]);
    let bad = file(&[at(0, 0, "k", "", set(5)), at(0, 1, "k", "", set(3))]);
    let status = |args: &[&str]| eval(args).status.code();
    for (file, status_if_strict) in [(&good, 0), (&bad, 1)] {
        let path = file.path().to_str().unwrap();
        assert_eq!(status(&["fit", path]), Some(0));
        assert_eq!(status(&["fit", "--strict", path]), Some(status_if_strict));
    }
}

#[test]
fn the_verdict_comes_first_and_examples_are_shown() {
    let bad = file(&[at(0, 0, "k", "n", set(5)), at(0, 1, "k", "n", set(3))]);
    let output = eval(&["fit", bad.path().to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("DOES NOT FIT\n"), "{text}");
    assert!(
        text.contains("lines 1, 2, key \"k\", field \"n\": intended 3, replicas get 6."),
        "{text}"
    );
}

#[test]
fn a_counter_fits_and_its_width_is_explained() {
    let good = file(&[
        at(0, 0, "k", "n", Action::Add(1000)),
        at(0, 1, "k", "n", Action::Add(-3)),
    ]);
    let output = eval(&["fit", good.path().to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("FITS\n"), "{text}");
    assert!(
        text.contains("below -3 or above 1,000") && text.contains("add:16 for \"n\""),
        "{text}"
    );
}

#[test]
fn layout_is_one_line_that_a_model_takes() {
    let trace = file(&[
        at(0, 0, "k", "on", Action::Toggle),
        at(0, 1, "k", "n", Action::Add(1000)),
    ]);
    let output = eval(&["fit", "--layout", trace.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"xor:1,add:16\n");
    let mut model = command(&["model", "run", "--layout", "xor:1,add:16", "-"]);
    assert_eq!(model.output().unwrap().status.code(), Some(0));
    let list = file(&[at(0, 0, "k", "", Action::Append(Scalar::Int(1)))]);
    let output = eval(&["fit", "--layout", list.path().to_str().unwrap()]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("no layout holds every field"), "{message}");
}

#[test]
fn json_is_a_fit_and_its_command_prints_the_same() {
    let trace = file(&[at(0, 0, "k", "", set(5)), at(0, 1, "k", "", set(3))]);
    let path = trace.path().to_str().unwrap();
    let args = [
        "fit",
        "--json",
        "--window",
        "7",
        "--window",
        "3",
        "--overlap-fails",
        "0.75",
        "--wrong-fails",
        "1",
        "--value-bytes",
        "64",
        path,
    ];
    let output = eval(&args);
    let fit: Fit = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(fit.thresholds.windows_ms, [3, 7]);
    assert_eq!(fit.thresholds.overlap_fails, 0.75);
    assert_eq!(fit.verdict, Verdict::FitsWithConditions);
    let mut words: Vec<&str> = fit.command.split(' ').skip(2).collect();
    words.push("--json");
    let again = eval(&words);
    assert_eq!(
        String::from_utf8(again.stdout).unwrap(),
        String::from_utf8(output.stdout).unwrap()
    );
}

#[test]
fn bad_input_is_refused_with_its_place() {
    let trace = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        trace.path(),
        "{\"t\":0,\"node\":0,\"key\":\"k\",\"op\":\"toggle\"}\n{}\n",
    )
    .unwrap();
    let path = trace.path().to_str().unwrap();
    let output = eval(&["fit", path]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains(&format!("{path}:2: ")), "{message}");
    assert!(output.stdout.is_empty());
    std::fs::write(trace.path(), "").unwrap();
    assert_eq!(eval(&["fit", path]).status.code(), Some(2));
    assert_eq!(
        eval(&["fit", "--overlap-fits", "2", path]).status.code(),
        Some(2)
    );
}

#[test]
fn a_compressed_trace_is_a_trace() {
    let text = written(&[at(0, 0, "k", "", set(5)), at(0, 1, "l", "", set(3))]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&text).unwrap();
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let zstd = ruzstd::encoding::compress_to_vec(&text[..], level);
    let packed = [text.clone(), gzip.finish().unwrap(), zstd];
    let shown = packed.map(|bytes| {
        let from_stdin = atomik_with(&["eval", "fit", "-"], bytes.clone());
        assert_eq!(from_stdin.status, 0, "{}", from_stdin.err);
        let folder = Folder::new();
        let file = folder.file("trace", bytes);
        let run = atomik(&["eval", "fit", &file]);
        assert_eq!(run.status, 0, "{}", run.err);
        let named = run.out.replacen(&file, "standard input", 1);
        [from_stdin.out, named.replace(&file, "-")]
    });
    assert!(
        shown[0][0].contains("2 operations on 2 keys"),
        "{}",
        shown[0][0]
    );
    let all: BTreeSet<&String> = shown.iter().flatten().collect();
    assert_eq!(all.len(), 1);
}

#[test]
fn what_is_no_trace_is_refused_with_what_to_do() {
    let line = r#"{"t":0,"node":0,"key":"k","op":"toggle"}"#;
    for (text, advice) in [
        (format!("[{line}]"), "for example with `jq -c '.[]'`"),
        (format!("[\n{line}\n]"), "for example with `jq -c '.[]'`"),
        (line.replace(',', ",\n"), "for example with `jq -c .`"),
        (
            "t,node\n0,0\n".to_owned(),
            "not JSON: a line of a trace is one JSON object; `atomik eval import` makes traces",
        ),
        ("PK\u{3}\u{4}".to_owned(), "<stdin>: is a ZIP archive"),
    ] {
        let run = atomik_with(&["eval", "fit", "-"], text.as_str());
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{text}");
        assert!(run.err.contains(advice), "{text}: {}", run.err);
    }
}
