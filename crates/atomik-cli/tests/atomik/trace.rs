use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::{Folder, Run, atomik, atomik_with, fine};

#[test]
fn diff_prints_the_trace_and_the_options_to_run_it() {
    let folder = Folder::new();
    let old = folder.file("old", b"hello world");
    let new = folder.file("new", b"hello, world!");
    let Run { status, out, err } = atomik(&["trace", "diff", "--width", "32", &old, &new]);
    assert_eq!(status, 0);
    assert_eq!(
        out,
        concat!(
            "{\"op\":\"load\",\"addr\":0,\"data\":\"0x6c6c6568\"}\n",
            "{\"op\":\"load\",\"addr\":1,\"data\":\"0x6f77206f\"}\n",
            "{\"op\":\"load\",\"addr\":2,\"data\":\"0x00646c72\"}\n",
            "{\"op\":\"load\",\"addr\":3,\"data\":\"0x00000000\"}\n",
            "{\"op\":\"accum\",\"addr\":1,\"data\":\"0x18570c00\"}\n",
            "{\"op\":\"accum\",\"addr\":2,\"data\":\"0x64081e1d\"}\n",
            "{\"op\":\"accum\",\"addr\":3,\"data\":\"0x00000021\"}\n",
            "{\"op\":\"read\",\"addr\":0}\n",
            "{\"op\":\"read\",\"addr\":1}\n",
            "{\"op\":\"read\",\"addr\":2}\n",
            "{\"op\":\"read\",\"addr\":3}\n",
        )
    );
    assert_eq!(
        err,
        format!(
            "atomik: {old} -> {new}: 11 and 13 bytes, 3 of 4 words changed\n\
             atomik: run the trace with --width 32 --depth 4 --lanes 1\n"
        )
    );
}

#[test]
fn diff_of_fields_that_add_has_differences_and_prints_the_layout() {
    let folder = Folder::new();
    let old = folder.file("old", [5, 200]);
    let new = folder.file("new", [3, 201]);
    let args = ["trace", "diff", "--layout", "add:8,add:8", &old, &new];
    let Run { status, out, err } = atomik(&args);
    assert_eq!(status, 0);
    assert_eq!(
        out,
        concat!(
            "{\"op\":\"load\",\"addr\":0,\"data\":\"0xc805\"}\n",
            "{\"op\":\"accum\",\"addr\":0,\"data\":\"0x01fe\"}\n",
            "{\"op\":\"read\",\"addr\":0}\n",
        )
    );
    assert!(
        err.ends_with("run the trace with --layout add:8,add:8 --depth 1 --lanes 1\n"),
        "{err}"
    );
    let check = |engine: &str| atomik(&[&args[..], &["--check", engine]].concat());
    assert_eq!(
        check("model").out,
        format!("{new}: model: words read back: 1, all as in the new file\n")
    );
    let Run { status, out, err } = check("both");
    assert_eq!(status, 0, "{err}");
    assert!(
        out.ends_with("RTL: words read back: 1, all as in the new file\n"),
        "{out}"
    );
}

#[test]
fn diff_checked_on_the_model_yields_the_new_file() {
    let folder = Folder::new();
    let old = folder.file("old", vec![0x55; 1000]);
    let new = folder.file("new", (0..777).map(|i| (i % 251) as u8).collect::<Vec<_>>());
    let run = atomik(&[
        "trace",
        "diff",
        "--depth=16",
        "--lanes=4",
        "--check",
        "model",
        &old,
        &new,
    ]);
    assert_eq!(
        run,
        Run {
            status: 0,
            out: format!("{new}: model: words read back: 125, all as in the new file\n"),
            err: format!("atomik: {old} -> {new}: 1000 and 777 bytes, 125 of 125 words changed\n"),
        }
    );
}

#[test]
fn diff_refuses_what_it_cannot_do_with_status_2() {
    let folder = Folder::new();
    let file = folder.file("file", b"x");
    for (args, reason) in [
        (
            vec!["--width", "12", &file, &file],
            "a word of 12 bits does not hold whole bytes",
        ),
        (
            vec!["--layout", "add:12", &file, &file],
            "a word of 12 bits does not hold whole bytes",
        ),
        (
            vec!["--width=16", "--layout=add:8", &file, &file],
            "the fields of --layout add:8 have 8 bits together, but --width says 16: leave --width",
        ),
        (
            vec!["--depth", "12", &file, &file],
            "a depth of 12 words is not possible",
        ),
        (
            vec!["--check", "hope", &file, &file],
            "invalid value 'hope'",
        ),
        (vec![&file, "no/such"], "atomik: no/such: "),
        (vec!["no/such", &file], "atomik: no/such: "),
        (vec![&file, "/"], "atomik: /: "),
        (vec![&file], "required arguments were not provided"),
    ] {
        let Run { status, out, err } = atomik(&[&["trace", "diff"], &args[..]].concat());
        assert_eq!((status, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.contains(reason), "{args:?}: {err}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn diff_accepts_pipes() {
    let folder = Folder::new();
    let old = folder.file("old", b"one");
    let run = atomik_with(
        &["trace", "diff", "--check=model", &old, "/dev/stdin"],
        "three",
    );
    assert_eq!(
        run.out,
        "/dev/stdin: model: words read back: 1, all as in the new file\n"
    );
    assert!(
        run.err.contains("3 and 5 bytes, 1 of 1 words changed"),
        "{}",
        run.err
    );
}

#[test]
fn random_prints_a_trace_that_the_model_accepts() {
    random_is_accepted("--width=20");
    random_is_accepted("--layout=xor:7,add:13");
}

fn random_is_accepted(word: &str) {
    let geometry = [word, "--depth=8", "--lanes=2"];
    let random = |seed: &str| {
        let args = [
            &["trace", "random", "--count=5000", "--seed", seed],
            &geometry[..],
        ]
        .concat();
        let run = atomik(&args);
        assert_eq!((run.status, run.err.as_str()), (0, ""));
        assert_eq!(run.out.lines().count(), 5000);
        run.out
    };
    let trace = random("7");
    assert_eq!(trace, random("7"));
    assert_ne!(trace, random("8"));
    let run = atomik_with(
        &[&["model", "run"], &geometry[..], &["-"]].concat(),
        trace.as_str(),
    );
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    assert!(run.out.lines().count() > 500);
}

#[test]
fn random_prints_1000_commands_of_seed_0_by_default_and_none_when_told() {
    let default = atomik(&["trace", "random"]);
    assert_eq!(default.out.lines().count(), 1000);
    assert_eq!(
        atomik(&["trace", "random", "--seed=0", "--count=1000"]),
        default
    );
    assert_eq!(atomik(&["trace", "random", "--count", "0"]), fine(""));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_two_files_go_through_diff_and_run_to_the_new_one(
        old in vec(any::<u8>(), 0..200),
        new in vec(any::<u8>(), 0..200),
        bytes in 1..=64usize,
    ) {
        let folder = Folder::new();
        let (old_file, new_file) = (folder.file("old", &old), folder.file("new", &new));
        let width = (8 * bytes).to_string();
        let diff = atomik(&["trace", "diff", "--width", &width, &old_file, &new_file]);
        prop_assert_eq!(diff.status, 0);
        let (_, options) = diff.err.trim_end().rsplit_once("run the trace with ").unwrap();
        let mut args = vec!["model", "run"];
        args.extend(options.split(' '));
        args.push("-");
        let run = atomik_with(&args, diff.out);
        prop_assert_eq!((run.status, run.err.as_str()), (0, ""));
        let mut restored = Vec::new();
        for line in run.out.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let digits = &line["data"].as_str().unwrap()[2..];
            let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            restored.extend((0..digits.len()).step_by(2).rev().map(byte));
        }
        let mut expected = new.clone();
        expected.resize(old.len().max(new.len()).next_multiple_of(bytes), 0);
        prop_assert_eq!(restored, expected);
    }
}
