//! The `atomik` command as users run it: the real binary, its output and its exit status.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot continue fails"
)]

mod device;
mod doctor;
mod eval;
mod fpga;
mod hdl;
mod help;
mod model;
mod output;
mod regress;
mod repl;
mod sim;
mod trace;
mod transcript;
mod verilog;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The result of running the binary.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    status: i32,
    out: String,
    err: String,
}

/// The binary, independent of the user's environment.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atomik"));
    command
        .args(args)
        .env_remove("XDG_STATE_HOME")
        .env("COLUMNS", "100");
    command
}

/// Runs the binary with `input` on stdin.
fn atomik_with(args: &[&str], input: impl Into<Vec<u8>>) -> Run {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.into();
    // A child that stops early does not read all of its input; that is fine.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Run {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn atomik(args: &[&str]) -> Run {
    atomik_with(args, "")
}

fn fine(out: &str) -> Run {
    Run {
        status: 0,
        out: out.to_owned(),
        err: String::new(),
    }
}

/// A run that printed only one message.
fn refused(status: i32, message: &str) -> Run {
    Run {
        status,
        out: String::new(),
        err: format!("atomik: {message}\n"),
    }
}

/// A temporary folder.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and returns its path.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}
