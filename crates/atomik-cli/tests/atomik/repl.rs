use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use crate::{Run, atomik_with, command, fine, refused};

fn repl(script: &str) -> Run {
    atomik_with(
        &["model", "repl", "--width=16", "--depth=8", "--lanes=2"],
        script,
    )
}

#[test]
fn words_get_words_and_json_gets_json() {
    assert_eq!(
        repl(concat!(
            "# a comment\n",
            "\n",
            "load 3 0xff00\n",
            "read 3\n",
            "  accum\t3   255\n",
            "rollback 3 0xf\n",
            "delta 3\n",
            "{\"op\":\"accum\",\"addr\":3,\"data\":\"0x1\",\"lane\":1}\n",
            "{\"op\":\"swap\",\"addr\":3}\n",
            "drain 3\n",
            "nop\n",
            "nop 7\n",
            "quit\n",
            "this is not read\n",
        )),
        fine(concat!(
            "0xff00 clean\n",
            "0x00f0 dirty\n",
            "{\"op\":\"swap\",\"addr\":3,\"data\":\"0xfff1\",\"clean\":false}\n",
            "0x0000 clean\n",
        ))
    );
}

#[test]
fn fields_are_shown_and_can_be_typed() {
    let session = |layout: &str, script: &str| {
        atomik_with(&["model", "repl", "--depth=8", "--layout", layout], script)
    };
    assert_eq!(
        session(
            "xor:8,add:16",
            "load 1 [0xf0,5]\naccum 1 [0xff,-7]\nread 1\nshow\nrollback 1 [0xff,-7]\ndelta 1\n\
             accum 1 0xffff01\ndrain 1\nundo\n",
        ),
        fine(concat!(
            "0xfffe0f [0xf,-2] dirty\n",
            "1: reference 0x0005f0 [0xf0,5] accumulator 0xfff9ff [0xff,-7] ",
            "state 0xfffe0f [0xf,-2]\n",
            "0x000000 [0x0,0] clean\n",
            "0xffff01 [0x1,-1] dirty\n",
            "1: reference 0x0005f0 [0xf0,5] accumulator 0xffff01 [0x1,-1] ",
            "state 0x0004f1 [0xf1,4]\n",
        ))
    );
    assert_eq!(
        session("add:8", "accum 0 -1\nread 0\nrollback 0 -2\nread 0\n"),
        fine("0xff [-1] dirty\n0x01 [1] dirty\n")
    );
    assert_eq!(
        session("xor:4,xor:4", "accum 0 [1,2]\nread 0\n"),
        fine("0x21 [0x1,0x2] dirty\n")
    );
}

#[test]
fn undo_reverts_changes_one_by_one() {
    assert_eq!(
        repl(concat!(
            "load 1 5\naccum 1 3\nread 1\ndrain 1\n",
            "show 1\nundo\nundo\nundo\nshow\n",
        )),
        fine(concat!(
            "0x0006 dirty\n",
            "0x0003 dirty\n",
            "1: reference 0x0006 accumulator 0x0000 state 0x0006\n",
            "1: reference 0x0005 accumulator 0x0003 state 0x0006\n",
            "1: reference 0x0005 accumulator 0x0000 state 0x0005\n",
            "1: reference 0x0000 accumulator 0x0000 state 0x0000\n",
            "everything is 0\n",
        ))
    );
    assert_eq!(
        repl("read 1\nundo\n").err,
        "atomik: <stdin>:2: nothing to undo\n"
    );
}

#[test]
fn show_lists_nonzero_addresses_and_reset_clears_them() {
    assert_eq!(
        repl("accum 7 1\nload 2 2\naccum 5 5\naccum 5 5\nshow\nreset\nshow\nread 2\n"),
        fine(concat!(
            "2: reference 0x0002 accumulator 0x0000 state 0x0002\n",
            "7: reference 0x0000 accumulator 0x0001 state 0x0001\n",
            "everything is 0\n",
            "0x0000 clean\n",
        ))
    );
    let script: String = (0..70).map(|addr| format!("load {addr} 1\n")).collect();
    let run = atomik_with(&["model", "repl"], script + "show\n");
    assert_eq!(run.out.lines().count(), 65);
    assert!(run.out.ends_with("... and 6 more\n"));
}

#[test]
fn with_a_depth_of_one_the_address_is_optional() {
    assert_eq!(
        atomik_with(
            &["model", "repl", "--width=8", "--depth=1"],
            "accum 0xf\naccum 0 1\nread\nread 0\ndrain\n"
        ),
        fine("0x0e dirty\n0x0e dirty\n0x0e dirty\n")
    );
}

#[test]
fn the_first_error_in_a_script_ends_it_with_its_line_number() {
    for (line, reason) in [
        (
            "write 3 4",
            "unknown command \"write\"; type help for the list",
        ),
        ("read", "read needs \"addr\""),
        (
            "read 8",
            "address 8 is outside the depth of 8; the last address is 7",
        ),
        (
            "read x",
            "\"addr\" must be a non-negative integer in decimal digits, found x",
        ),
        ("read 1 2", "expected the op and an address"),
        ("accum 1", "accum needs \"data\""),
        (
            "accum 1 0x10000",
            "\"data\" is too wide: 17 bits, and a word has 16",
        ),
        (
            "accum 1 -1",
            "\"data\" has -1, and an xor field has no negative values; write its bits in hex, or \
             choose a layout with a field that adds, such as add:64",
        ),
        ("accum 1 [1, 2]", "expected the op, an address and a value"),
        ("accum 1 2 3", "expected the op, an address and a value"),
        ("show 1 2", "expected show [ADDR]"),
        ("undo 3", "expected the command alone on its line"),
        ("{\"op\":\"read\"}", "read needs \"addr\""),
        (
            "{\"op\":\"read\",\"addr\":1} x",
            "not JSON: trailing characters at column 24",
        ),
        (
            "{\"op\":\"accum\",\"addr\":1,\"data\":1,\"lane\":1,\"cycle\":0}",
            "cycle 0 already has a command; a session runs one per cycle, so omit \"cycle\"",
        ),
    ] {
        let run = repl(&format!("read 0\n{line}\nread 0\n"));
        let expected = Run {
            out: "0x0000 clean\n".to_owned(),
            ..refused(2, &format!("<stdin>:2: {reason}"))
        };
        assert_eq!(run, expected, "{line}");
    }
}

#[test]
fn an_endless_line_is_refused() {
    let run = repl(&"x".repeat(1 << 20));
    assert_eq!(
        run,
        refused(
            2,
            "<stdin>:1: the line has more than 65536 bytes; write one command a line"
        )
    );
}

#[test]
fn help_names_every_command() {
    let help = repl("help\n").out;
    for name in [
        "load", "accum", "rollback", "read", "swap", "delta", "drain", "nop", "show", "undo",
        "reset", "help", "quit",
    ] {
        assert!(
            help.contains(&format!("\n  {name} ")) || help.starts_with(&format!("  {name} ")),
            "{name}"
        );
    }
}

#[test]
fn a_response_is_printed_before_the_next_line_is_read() {
    let mut child = command(&["model", "repl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    for value in 1..=3 {
        writeln!(stdin, "load 0 {value}\nread 0").unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert_eq!(answer, format!("0x{value:016x} clean\n"));
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}
