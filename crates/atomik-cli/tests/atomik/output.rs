//! Closed and full outputs.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::{Folder, Run, command};

/// Runs the binary and closes its stdout after the first line.
fn head(args: &[&str]) -> Run {
    let mut child = command(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = String::new();
    let mut reader = BufReader::with_capacity(64, child.stdout.take().unwrap());
    reader.read_line(&mut out).unwrap();
    drop(reader);
    let output = child.wait_with_output().unwrap();
    Run {
        status: output.status.code().unwrap(),
        out,
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn long_files(folder: &Folder) -> [String; 3] {
    [
        folder.file(
            "trace.jsonl",
            "{\"op\":\"read\",\"addr\":0}\n".repeat(100_000),
        ),
        folder.file("old", vec![1; 200_000]),
        folder.file("new", vec![2; 200_000]),
    ]
}

#[test]
fn a_closed_output_ends_every_command_quietly() {
    let folder = Folder::new();
    let [trace, old, new] = &long_files(&folder);
    for args in [
        vec!["model", "run", trace],
        vec!["sim", "run", trace],
        vec!["trace", "random", "--count", "100000000"],
        vec!["trace", "diff", old, new],
    ] {
        let run = head(&args);
        assert!(run.out.starts_with("{\"op\":"), "{run:?}");
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{args:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_status_3_with_a_message() {
    let folder = Folder::new();
    let [trace, old, new] = &long_files(&folder);
    for args in [
        vec!["model", "run", trace],
        vec!["sim", "run", trace],
        vec!["hdl", "list"],
        vec!["trace", "random"],
        vec!["trace", "diff", old, new],
        vec!["trace", "diff", "--check", "model", old, new],
        vec!["completions", "bash"],
        vec!["man"],
    ] {
        let full = std::fs::File::create("/dev/full").unwrap();
        let output = command(&args)
            .stdin(Stdio::null())
            .stdout(full)
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{args:?}: {err}");
        assert!(err.contains("atomik: cannot write "), "{args:?}: {err}");
    }
}

#[test]
#[cfg(unix)]
fn a_trace_that_cannot_be_spooled_is_status_3_with_the_next_step() {
    let folder = Folder::new();
    let nowhere = folder.path("nowhere");
    let output = command(&["model", "run", "-"])
        .env("TMPDIR", &nowhere)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(
        err.starts_with("atomik: <stdin>: cannot keep a copy"),
        "{err}"
    );
    assert!(err.contains("set TMPDIR"), "{err}");
}

/// Limits the size of files, as a full disk would.
#[test]
#[cfg(target_os = "linux")]
fn a_trace_that_does_not_fit_leaves_the_file_before_it() {
    let folder = Folder::new();
    let trace = folder.file("trace.jsonl", "old");
    let before = std::fs::read_dir(folder.path("")).unwrap().count();
    let generate = command(&["eval", "generate", "zipf", "--ops", "20000", "-o", &trace]);
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"])
        .arg(generate.get_program())
        .args(generate.get_args())
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(err.contains("trace.jsonl"), "{err}");
    assert_eq!(std::fs::read_to_string(&trace).unwrap(), "old");
    assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), before);
}
