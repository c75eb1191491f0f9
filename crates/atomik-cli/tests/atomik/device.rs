use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use crate::{Folder, Run, atomik, atomik_with, command, fine, refused};

/// A simulated board that stops at the end of the test.
struct Simulated {
    child: Child,
    port: String,
}

impl Simulated {
    fn start(args: &[&str]) -> Self {
        let mut child = command(&[&["device", "simulate"], args].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut port).unwrap();
        let port = port.trim_end().to_owned();
        Self { child, port }
    }

    fn run(&self, args: &[&str], trace: &str) -> Run {
        let args = [&["device", "run", "--port", &self.port], args, &["-"]].concat();
        atomik_with(&args, trace)
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_trace_on_a_board_prints_the_responses_of_the_model_and_can_be_continued() {
    let board = Simulated::start(&[]);
    let args = ["trace", "random", "--lanes", "2", "--count", "200"];
    let trace = atomik(&args).out;
    let expected = atomik_with(&["model", "run", "--lanes", "2", "-"], trace.clone());
    for _ in 0..2 {
        assert_eq!(board.run(&[], &trace), expected);
    }
    let accum = r#"{"op":"accum","addr":500,"data":1}"#;
    let read = r#"{"op":"read","addr":500}"#;
    assert_eq!(board.run(&[], accum), fine(""));
    let answer = "{\"op\":\"read\",\"addr\":500,\"data\":\"0x0000000000000001\",\"clean\":false}\n";
    assert_eq!(board.run(&["--keep"], read), fine(answer));

    // A bad line is refused before anything is sent.
    let bad = format!("{accum}\n{}", r#"{"op":"read","addr":512}"#);
    let message = "<stdin>:2: address 512 is outside the depth of 512; the last address is 511";
    assert_eq!(board.run(&["--keep"], &bad), refused(2, message));
    assert_eq!(board.run(&["--keep"], read), fine(answer));

    assert_eq!(
        atomik(&["device", "reset", "--port", &board.port]),
        fine("")
    );
    let info = atomik(&["device", "info", "--port", &board.port]);
    assert_eq!((info.status, info.err.as_str()), (0, ""));
    let first = "register file  512 addresses of 64 bits, 2 lanes\n";
    assert!(info.out.starts_with(first), "{}", info.out);
}

#[test]
fn a_board_whose_words_have_a_field_that_adds_takes_traces_of_that_layout_only() {
    let layout = ["--layout", "xor:48,add:16"];
    let board = Simulated::start(&layout);
    let trace = [
        r#"{"op":"accum","addr":0,"data":[5,-1]}"#,
        r#"{"op":"accum","addr":0,"data":[6,-1]}"#,
        r#"{"op":"read","addr":0}"#,
    ]
    .join("\n");
    let expected = atomik_with(
        &[&["model", "run"], &layout[..], &["-"]].concat(),
        trace.clone(),
    );
    assert!(expected.out.contains("0xfffe000000000003"), "{expected:?}");
    assert_eq!(board.run(&layout, &trace), expected);
    let message = "the board's words are xor:48,add:16, not xor:64: run with --layout \
                   xor:48,add:16, or load a bitstream with a register file of xor:64";
    assert_eq!(
        board.run(&[], r#"{"op":"read","addr":0}"#),
        refused(2, message)
    );
}

#[test]
fn an_unnamed_missing_or_wrong_port_is_refused_with_the_next_step() {
    let unnamed = atomik(&["device", "info"]);
    assert_eq!(unnamed.status, 2);
    assert!(unnamed.err.contains("--port"), "{}", unnamed.err);
    let missing = atomik(&["device", "--port", "/dev/ttyUSB99", "reset"]);
    assert_eq!(missing.status, 3);
    assert!(
        missing.err.contains("there is no such port"),
        "{}",
        missing.err
    );
    let folder = Folder::new();
    let file = folder.file("file", "");
    let file = atomik(&["device", "info", "--port", &file]);
    assert_eq!(file.status, 3);
    assert!(file.err.contains("name a serial port"), "{}", file.err);
}
