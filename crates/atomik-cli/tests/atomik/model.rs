use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

use crate::{Folder, Run, atomik, atomik_with, command, fine, refused};

const TRANSCRIPT: &str = r#"{"op":"load","addr":3,"data":"0xff00"}
{"op":"read","addr":3}
{"op":"accum","addr":3,"data":"0x00ff"}
{"op":"delta","addr":3}
{"op":"rollback","addr":3,"data":15}
{"op":"swap","addr":3}
{"op":"read","addr":3}
{"op":"nop"}
{"op":"accum","addr":3,"data":"0x1"}
{"op":"drain","addr":3}
{"op":"drain","addr":3}
"#;

const ANSWERS: &str = r#"{"op":"read","addr":3,"data":"0xff00","clean":true}
{"op":"delta","addr":3,"data":"0x00ff","clean":false}
{"op":"swap","addr":3,"data":"0xfff0","clean":false}
{"op":"read","addr":3,"data":"0xfff0","clean":true}
{"op":"drain","addr":3,"data":"0x0001","clean":false}
{"op":"drain","addr":3,"data":"0x0000","clean":true}
"#;

#[test]
fn the_responses_to_a_trace_in_a_file_are_exact() {
    let folder = Folder::new();
    let trace = folder.file("trace.jsonl", TRANSCRIPT);
    assert_eq!(
        atomik(&["model", "run", "--width", "16", &trace]),
        fine(ANSWERS)
    );
}

#[test]
fn a_trace_on_stdin_has_the_same_responses() {
    assert_eq!(
        atomik_with(&["model", "run", "--width=16", "-"], TRANSCRIPT),
        fine(ANSWERS)
    );
}

#[test]
fn the_default_register_file_is_64_bits_by_512_words_with_one_lane() {
    let run = |trace: &str| atomik_with(&["model", "run", "-"], trace);
    assert_eq!(
        run("{\"op\":\"read\",\"addr\":511}\n"),
        fine("{\"op\":\"read\",\"addr\":511,\"data\":\"0x0000000000000000\",\"clean\":true}\n")
    );
    assert_eq!(
        run("{\"op\":\"read\",\"addr\":512}\n"),
        refused(
            2,
            "<stdin>:1: address 512 is outside the depth of 512; the last address is 511"
        )
    );
    assert_eq!(
        run("{\"op\":\"accum\",\"addr\":0,\"data\":0,\"lane\":1}\n"),
        refused(
            2,
            "<stdin>:1: there is no lane 1: the register file has 1, numbered from 0"
        )
    );
    assert_eq!(
        run("{\"op\":\"load\",\"addr\":0,\"data\":18446744073709551616}\n"),
        refused(
            2,
            "<stdin>:1: \"data\" is too wide: 65 bits, and a word has 64"
        )
    );
}

#[test]
fn a_flat_accumulator_needs_no_addresses() {
    let trace = "{\"op\":\"accum\",\"data\":3}\n{\"op\":\"read\"}\n";
    assert_eq!(
        atomik_with(&["model", "run", "--width=512", "--depth=1", "-"], trace),
        fine(&format!(
            "{{\"op\":\"read\",\"addr\":0,\"data\":\"0x{:0128x}\",\"clean\":false}}\n",
            3
        ))
    );
}

#[test]
fn lanes_take_effect_in_their_order_after_the_read_of_lane_0() {
    let trace = concat!(
        "{\"op\":\"accum\",\"addr\":0,\"data\":\"0x2\",\"lane\":1}\n",
        "{\"op\":\"swap\",\"addr\":0,\"cycle\":0}\n",
        "{\"op\":\"delta\",\"addr\":0}\n",
    );
    assert_eq!(
        atomik_with(&["model", "run", "--width=3", "--lanes=2", "-"], trace),
        fine(concat!(
            "{\"op\":\"swap\",\"addr\":0,\"data\":\"0x0\",\"clean\":true}\n",
            "{\"op\":\"delta\",\"addr\":0,\"data\":\"0x2\",\"clean\":false}\n",
        ))
    );
}

#[test]
fn fields_that_add_sum_and_roll_back_and_lists_give_their_values() {
    let trace = concat!(
        "{\"op\":\"load\",\"addr\":0,\"data\":[\"0xf0\",3]}\n",
        "{\"op\":\"accum\",\"addr\":0,\"data\":[255,-5]}\n",
        "{\"op\":\"delta\",\"addr\":0}\n",
        "{\"op\":\"read\",\"addr\":0}\n",
        "{\"op\":\"rollback\",\"addr\":0,\"data\":\"0xfffb0000000000ff\"}\n",
        "{\"op\":\"read\",\"addr\":0}\n",
    );
    assert_eq!(
        atomik_with(&["model", "run", "--layout", "xor:48,add:16", "-"], trace),
        fine(concat!(
            "{\"op\":\"delta\",\"addr\":0,\"data\":\"0xfffb0000000000ff\",\"clean\":false}\n",
            "{\"op\":\"read\",\"addr\":0,\"data\":\"0xfffe00000000000f\",\"clean\":false}\n",
            "{\"op\":\"read\",\"addr\":0,\"data\":\"0x00030000000000f0\",\"clean\":true}\n",
        ))
    );
    let trace = concat!(
        "{\"op\":\"accum\",\"addr\":0,\"data\":-3}\n",
        "{\"op\":\"rollback\",\"addr\":0,\"data\":-2}\n",
        "{\"op\":\"swap\",\"addr\":0}\n",
    );
    assert_eq!(
        atomik_with(&["model", "run", "--layout=add:12", "-"], trace),
        fine("{\"op\":\"swap\",\"addr\":0,\"data\":\"0xfff\",\"clean\":false}\n")
    );
}

#[test]
fn a_bad_value_of_a_field_ends_the_run_with_one_message_and_status_2() {
    for (data, reason) in [
        (
            "-1",
            "\"data\" is -1, and a word of xor:8,add:8 has several fields; \
             write a list with one value per field",
        ),
        (
            "[-1,0]",
            "\"data\" has -1, and an xor field has no negative values; write its bits in hex, or \
             choose a layout with a field that adds, such as add:64",
        ),
        (
            "[1]",
            "\"data\" lists 1 values, and a word of xor:8,add:8 has 2 fields; \
             write one value per field",
        ),
        (
            "[0,-129]",
            "value 2 of \"data\", -129, does not fit add:8; choose one from -2^7 to 2^8 - 1",
        ),
    ] {
        let line = format!("{{\"op\":\"accum\",\"addr\":0,\"data\":{data}}}\n");
        assert_eq!(
            atomik_with(&["model", "run", "--layout", "xor:8,add:8", "-"], line),
            refused(2, &format!("<stdin>:1: {reason}"))
        );
    }
}

#[test]
fn an_empty_trace_has_no_responses() {
    assert_eq!(atomik_with(&["model", "run", "-"], ""), fine(""));
}

/// Each kind of bad line, between two good ones.
#[test]
fn every_kind_of_bad_line_ends_the_run_with_one_message_and_status_2() {
    let kinds: &[(&[u8], &str)] = &[
        (b"not json", "not JSON: expected ident at column 2"),
        (b"", "empty line; write one command on every line"),
        (b"\xff", "not UTF-8 at byte 1; a trace is UTF-8 text"),
        (
            b"[]",
            r#"not a JSON object; write a command like {"op":"read","addr":3}"#,
        ),
        (
            br#"{"op":"read","addr":1,"why":1}"#,
            "unknown field \"why\"; the fields are op, addr, data, lane and cycle",
        ),
        (
            br#"{"op":"read","addr":1,"addr":2}"#,
            "field \"addr\" is given twice; leave one out",
        ),
        (
            br#"{"addr":1}"#,
            r#"no "op"; say what to do, for example "op":"read""#,
        ),
        (
            br#"{"op":"write","addr":1}"#,
            "unknown op \"write\"; the ops are nop, load, accum (or rollback), read, swap, delta \
             and drain",
        ),
        (br#"{"op":"read"}"#, "read needs \"addr\""),
        (
            br#"{"op":"read","addr":4}"#,
            "address 4 is outside the depth of 4; the last address is 3",
        ),
        (
            br#"{"op":"read","addr":-1}"#,
            r#""addr" must be a non-negative integer in decimal digits, found -1"#,
        ),
        (br#"{"op":"load","addr":1}"#, "load needs \"data\""),
        (
            br#"{"op":"read","addr":1,"data":1}"#,
            "read takes no \"data\"; leave it out",
        ),
        (
            br#"{"op":"load","addr":1,"data":256}"#,
            "\"data\" is too wide: 9 bits, and a word has 8",
        ),
        (
            br#"{"op":"load","addr":1,"data":"12"}"#,
            "\"data\" must be a string of 0x and hex digits, an integer in decimal digits, \
             or a list of one such value per field, found \"12\"",
        ),
        (
            br#"{"op":"accum","addr":1,"data":-1}"#,
            "\"data\" has -1, and an xor field has no negative values; write its bits in hex, or \
             choose a layout with a field that adds, such as add:64",
        ),
        (
            br#"{"op":"accum","addr":1,"data":[1,2]}"#,
            "\"data\" lists 2 values, and a word of xor:8 has 1 fields; write one value per field",
        ),
        (
            br#"{"op":"accum","addr":1,"data":1,"lane":2}"#,
            "there is no lane 2: the register file has 2, numbered from 0",
        ),
        (
            br#"{"op":"load","addr":1,"data":1,"lane":1}"#,
            "lane 1 takes accum (or rollback) alone, not load; put load on lane 0",
        ),
        (
            br#"{"op":"nop","cycle":3}"#,
            "cycle 3 comes after cycle 7; cycles never decrease",
        ),
        (
            br#"{"op":"nop","cycle":7}"#,
            "lane 0 has a command in cycle 7 already; a lane takes one a cycle",
        ),
    ];
    let folder = Folder::new();
    let args = ["model", "run", "--width=8", "--depth=4", "--lanes=2"];
    for (line, reason) in kinds {
        let good = b"{\"op\":\"read\",\"addr\":0,\"cycle\":7}\n";
        let text = [
            &good[..],
            line,
            b"\n{\"op\":\"read\",\"addr\":0,\"cycle\":9}\n",
        ]
        .concat();
        let file = folder.file("bad.jsonl", &text);
        let run = atomik(&[&args[..], &[&file]].concat());
        assert_eq!(run, refused(2, &format!("{file}:2: {reason}")), "{reason}");
        let run = atomik_with(&[&args[..], &["-"]].concat(), text);
        assert_eq!(run, refused(2, &format!("<stdin>:2: {reason}")), "{reason}");
    }
}

#[test]
fn a_bad_line_at_the_end_stops_the_run_before_any_output() {
    let mut trace = "{\"op\":\"read\",\"addr\":0}\n".repeat(99_999);
    trace.push_str("{\"op\":\"read\",\"addr\":512}\n");
    let reason = "address 512 is outside the depth of 512; the last address is 511";
    let folder = Folder::new();
    let file = folder.file("long.jsonl", &trace);
    assert_eq!(
        atomik(&["model", "run", &file]),
        refused(2, &format!("{file}:100000: {reason}"))
    );
    assert_eq!(
        atomik_with(&["model", "run", "-"], trace),
        refused(2, &format!("<stdin>:100000: {reason}"))
    );
}

#[test]
fn a_bad_line_is_reported_before_the_input_ends() {
    let mut child = command(&["model", "run", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"oops\n").unwrap();
    // The input stays open: only the bad line can end the run.
    for _ in 0..600 {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(
        child.try_wait().unwrap().and_then(|status| status.code()),
        Some(2)
    );
    drop(stdin);
}

#[test]
fn a_missing_file_is_named() {
    let run = atomik(&["model", "run", "no/such.jsonl"]);
    assert_eq!((run.status, run.out.as_str()), (2, ""));
    assert!(
        run.err.starts_with("atomik: no/such.jsonl: "),
        "{}",
        run.err
    );
}

#[test]
fn impossible_register_files_are_wrong_usage() {
    for (option, value, reason) in [
        (
            "--width",
            "0",
            "a width of 0 bits is not possible; choose 1 to 512",
        ),
        (
            "--width",
            "513",
            "a width of 513 bits is not possible; choose 1 to 512",
        ),
        ("--width", "x", "invalid digit found in string"),
        (
            "--depth",
            "0",
            "a depth of 0 words is not possible; choose a power of two",
        ),
        (
            "--depth",
            "100",
            "a depth of 100 words is not possible; choose a power of two",
        ),
        (
            "--layout",
            "add:8,16",
            "\"16\" is not a field; write xor:N or add:N for N bits, with commas between fields",
        ),
        (
            "--layout",
            "add:8,xor:0",
            "field 2 has no bits; give every field at least 1",
        ),
        (
            "--layout",
            "add:256,add:257",
            "a word of 513 bits is not supported; choose fields of 1 to 512 together",
        ),
        (
            "--width=32",
            "--layout=xor:48,add:16",
            "the fields of --layout xor:48,add:16 have 64 bits together, but --width says 32: \
             leave --width out, or change the fields",
        ),
        ("--lanes", "0", "0 lanes are not possible; choose 1 to 32"),
        ("--lanes", "33", "33 lanes are not possible; choose 1 to 32"),
    ] {
        let Run { status, out, err } = atomik(&["model", "run", option, value, "-"]);
        assert_eq!((status, out.as_str()), (2, ""), "{option} {value}");
        assert!(err.contains(reason), "{option} {value}: {err}");
    }
    for (option, value) in [
        ("--width", "1"),
        ("--width", "512"),
        ("--depth", "1"),
        ("--depth", "65536"),
        ("--lanes", "32"),
        ("--layout", "add:1"),
        ("--layout", "xor:1,add:511"),
    ] {
        assert_eq!(
            atomik(&["model", "run", option, value, "-"]),
            fine(""),
            "{option} {value}"
        );
    }
}

#[test]
fn a_depth_beyond_all_memory_is_refused() {
    let Run { status, out, err } = atomik(&["model", "run", "--depth", "4611686018427387904", "-"]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("choose a smaller depth or width"), "{err}");
}

/// The peak resident memory of a process in KiB, or `None` once it has ended.
#[cfg(target_os = "linux")]
fn peak_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The peak resident memory of `run -` in KiB for a random trace of `count` commands, and the size
/// of its output in bytes.
#[cfg(target_os = "linux")]
fn peak_of(run: &str, geometry: &[&str], count: &str) -> (u64, usize) {
    let mut source = command(&[&["trace", "random", "--count", count], geometry].concat())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut runner = command(&[&[run, "run", "-"], geometry].concat())
        .stdin(source.stdout.take().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = runner.stdout.take().unwrap();
    let (mut piece, mut bytes, mut peak) = (vec![0; 1 << 16], 0, None);
    loop {
        peak = peak.max(peak_memory(runner.id()));
        match answers.read(&mut piece).unwrap() {
            0 => break,
            more => bytes += more,
        }
    }
    assert!(source.wait().unwrap().success());
    assert!(runner.wait().unwrap().success());
    (peak.unwrap(), bytes)
}

#[test]
#[cfg(target_os = "linux")]
fn two_million_commands_run_in_constant_memory() {
    let (small, _) = peak_of("model", &["--lanes=4"], "100000");
    let (large, bytes) = peak_of("model", &["--lanes=4"], "2000000");
    // Twenty times the trace, about 100 MB, takes the same few megabytes.
    assert!(bytes > 10_000_000, "{bytes} bytes of answers");
    assert!(large < 16 * 1024, "{large} KiB at the peak");
    assert!(
        large < small + 1024,
        "{large} KiB at the peak, {small} KiB for a twentieth"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn the_rtl_runs_a_trace_in_constant_memory() {
    let geometry = ["--width=8", "--depth=16", "--lanes=2"];
    let (small, _) = peak_of("sim", &geometry, "25000");
    let (large, bytes) = peak_of("sim", &geometry, "500000");
    assert!(bytes > 5_000_000, "{bytes} bytes of answers");
    assert!(
        large < small + 1024,
        "{large} KiB at the peak, {small} KiB for a twentieth"
    );
}
