//! `atomik eval generate`.

use std::io::Read;
use std::process::Output;

use atomik_workload::generate::{Text, Zipf};
use atomik_workload::workload::Line;

use crate::command;

fn bytes(lines: impl Iterator<Item = Line>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        line.write(&mut bytes).unwrap();
    }
    bytes
}

fn zipf(seed: u64) -> Zipf {
    Zipf {
        seed,
        operations: 3000,
        overlap: 0.1,
        mix: "toggle=3,set=2,add,insert,remove,append".parse().unwrap(),
        ..Zipf::default()
    }
}

fn text(seed: u64) -> Text {
    Text {
        seed,
        operations: 3000,
        ..Text::default()
    }
}

fn generate(args: &[&str]) -> Output {
    command(&["eval", "generate"]).args(args).output().unwrap()
}

#[test]
fn generate_writes_the_lines_of_the_library_and_reports_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("z.jsonl");
    let path = file.to_str().unwrap();
    let output = generate(&[
        "zipf",
        "--ops",
        "3000",
        "--overlap",
        "0.1",
        "--mix",
        "toggle=3,set=2,add,insert,remove,append",
        "-o",
        path,
    ]);
    assert!(output.status.success(), "{output:?}");
    let mut written = Vec::new();
    std::fs::File::open(&file)
        .unwrap()
        .read_to_end(&mut written)
        .unwrap();
    assert_eq!(written, bytes(zipf(1).lines().unwrap()));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.starts_with("zipf: 3,000 operations, ") && message.contains("3 nodes; 10.0"),
        "{message}"
    );
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no temporary file is left"
    );
    let output = generate(&["text", "--ops", "3000"]);
    assert_eq!(output.stdout, bytes(text(1).lines().unwrap()));
    let output = generate(&["zipf", "--nodes", "0"]);
    assert_eq!(output.status.code(), Some(2));
}
