//! `atomik eval generate`.

use std::io::Read;

use atomik_workload::generate::{Text, Zipf};
use atomik_workload::workload::Line;

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

fn command(args: &[&str]) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_atomik-eval"))
        .arg("generate")
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn command_writes_what_the_library_gives_and_says_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("z.jsonl");
    let path = file.to_str().unwrap();
    let output = command(&[
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
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("zipf: 3,000 operations, ") && said.contains("3 nodes; 10.0"),
        "{said}"
    );
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing temporary is left"
    );
    let output = command(&["text", "--ops", "3000"]);
    assert_eq!(output.stdout, bytes(text(1).lines().unwrap()));
    let output = command(&["zipf", "--nodes", "0"]);
    assert_eq!(output.status.code(), Some(2));
}
