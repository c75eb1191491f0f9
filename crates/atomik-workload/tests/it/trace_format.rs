//! The format of traces: what is refused, with which words, and that what is written is read back.

use std::io::{self, BufRead, Read};
use std::path::Path;

use atomik_workload::content::Content;
use atomik_workload::workload::{
    Action, Class, Line, MAX_FIELD, MAX_KEY, Reader, Scalar, TraceError, Workload,
};
use proptest::prelude::*;

fn read(bytes: &[u8]) -> Result<Vec<Line>, TraceError> {
    Reader::new(bytes, Path::new("a.jsonl")).collect()
}

fn refusal(bytes: &[u8]) -> String {
    match read(bytes) {
        Err(error) => error.to_string(),
        Ok(lines) => panic!("accepted {:?} as {lines:?}", String::from_utf8_lossy(bytes)),
    }
}

/// A line that is fine but for what the test is about.
fn line(rest: &str) -> String {
    format!(r#"{{"t":5,"node":0,"key":"k",{rest}}}"#)
}

#[test]
fn bad_lines_are_refused_with_file_line_and_reason() {
    let long_key = format!(
        r#"{{"t":5,"node":0,"key":"{}","op":"toggle"}}"#,
        "é".repeat(MAX_KEY / 2 + 1)
    );
    let long_field = line(&format!(
        r#""field":"{}","op":"toggle""#,
        "f".repeat(MAX_FIELD + 1)
    ));
    let deep = line(&format!(
        r#""op":"set","value":{}{}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    ));
    let cases: Vec<(String, &str)> = vec![
        // Not JSON, or not an object of the format.
        (
            "time,host,value".into(),
            "not JSON: a line of a trace is one JSON object; `atomik eval import` makes traces of \
             tables",
        ),
        (
            "{".into(),
            "EOF while parsing an object: write one JSON value per line, for example with",
        ),
        (
            "[1]".into(),
            "[1] is not an object: a line of a trace is a JSON object",
        ),
        (
            "null".into(),
            "null is not an object: a line of a trace is a JSON object",
        ),
        (
            r#"{"t":5,"node":0,"key":"k","op":"toggle"} {}"#.into(),
            "trailing characters",
        ),
        (
            r#"{"node":0,"key":"k","op":"toggle"}"#.into(),
            "the member \"t\" is missing: give the milliseconds since the start of the trace",
        ),
        (
            r#"{"t":5,"key":"k","op":"toggle"}"#.into(),
            "the member \"node\" is missing: give the number of the node",
        ),
        (
            r#"{"t":5,"node":0,"op":"toggle"}"#.into(),
            "the member \"key\" is missing: give the key as a string",
        ),
        (
            r#"{"t":5,"node":0,"key":"k"}"#.into(),
            "the member \"op\" is missing: give the operation as a string",
        ),
        (
            line(r#""op":"toggle","unknown":1"#),
            "unknown member \"unknown\": remove it, or make a trace of this data with `atomik eval \
             import jsonl`; there are t, node, key, op, field, value",
        ),
        (
            line(r#""op":"toggle","op":"toggle""#),
            "the member \"op\" twice",
        ),
        (line(r#""op":"set","value":"\ud800""#), "hex escape"),
        (deep, "more than 128 levels"),
        // Times.
        (
            r#"{"t":-1,"node":0,"key":"k","op":"toggle"}"#.into(),
            "\"t\" is -1, a number: give the milliseconds since",
        ),
        (
            r#"{"t":5.5,"node":0,"key":"k","op":"toggle"}"#.into(),
            "\"t\" is 5.5, a number: give the milliseconds",
        ),
        (
            r#"{"t":1e3,"node":0,"key":"k","op":"toggle"}"#.into(),
            "\"t\" is 1e3, a number: give the milliseconds",
        ),
        (
            r#"{"t":"5","node":0,"key":"k","op":"toggle"}"#.into(),
            "\"t\" is \"5\", a string: give the milliseconds since the start of the trace, such \
             as 1200; `atomik eval import jsonl` converts times",
        ),
        (
            r#"{"t":99999999999999999999,"node":0,"key":"k","op":"toggle"}"#.into(),
            "\"t\" is 99999999999999999999, a number",
        ),
        (
            r#"{"t":1e999,"node":0,"key":"k","op":"toggle"}"#.into(),
            "\"t\" is 1e999, a number",
        ),
        (
            r#"{"t":9007199254740993,"node":0,"key":"k","op":"toggle"}"#.into(),
            "t is 9007199254740993",
        ),
        (
            r#"{"t":4,"node":0,"key":"k","op":"toggle"}"#.into(),
            "t is 4, less than 5 on an earlier line: sort the trace by t",
        ),
        // Nodes, keys, fields.
        (
            r#"{"t":5,"node":65536,"key":"k","op":"toggle"}"#.into(),
            "node 65536 is not below 65536",
        ),
        (
            r#"{"t":5,"node":4294967296,"key":"k","op":"toggle"}"#.into(),
            "\"node\" is 4294967296, a number: give the number of the node",
        ),
        (
            r#"{"t":5,"node":-1,"key":"k","op":"toggle"}"#.into(),
            "\"node\" is -1, a number",
        ),
        (
            r#"{"t":5,"node":"host-a","key":"k","op":"toggle"}"#.into(),
            "\"node\" is \"host-a\", a string: give the number of the node that writes, from \
             0, such \
             as 2; `atomik eval import jsonl` converts times and names of nodes",
        ),
        (
            r#"{"t":"2024-03-31T02:30:00Z","node":0,"key":"k","op":"toggle"}"#.into(),
            "\"t\" is \"2024-03-31T02:30:00Z\", a string: give the milliseconds",
        ),
        (
            r#"{"t":null,"node":0,"key":"k","op":"toggle"}"#.into(),
            "\"t\" is null: give the milliseconds",
        ),
        (
            r#"{"t":5,"node":0,"key":"k","op":null}"#.into(),
            "\"op\" is null: give the operation",
        ),
        (
            r#"{"t":5,"node":0,"key":"k","op":"toggle","field":7}"#.into(),
            "\"field\" is 7, a number: give the name of the field as a string",
        ),
        (
            r#"{"t":5,"node":0,"key":"","op":"toggle"}"#.into(),
            "the key has 0 bytes; it must have 1 to 512",
        ),
        (long_key, "the key has 514 bytes"),
        (
            long_field,
            "the field's name has 256 bytes; it may have at most 255",
        ),
        (
            r#"{"t":5,"node":0,"key":7,"op":"toggle"}"#.into(),
            "\"key\" is 7, a number: give the key as a string",
        ),
        // Operations and their values.
        (
            line(r#""op":"put","value":1"#),
            "\"op\" is \"put\", which is unknown: choose from toggle, set, add, insert, \
             remove, append, unset, delete",
        ),
        (
            line(r#""op":"toggle","value":true"#),
            "toggle takes no value",
        ),
        (
            line(r#""op":"unset","value":true"#),
            "unset takes no value: remove the member",
        ),
        (
            line(r#""op":"delete","field":"f""#),
            "delete removes every field of the key: remove the member \"field\", or write \
             \"unset\"",
        ),
        (
            line(r#""op":"set""#),
            "the member \"value\" is missing: set needs a boolean, an integer or a string",
        ),
        (
            line(r#""op":"set","value":null"#),
            "\"value\" is null: set needs a boolean, an integer or a string",
        ),
        (
            line(r#""op":"set","value":1.5"#),
            "\"value\" is 1.5, not an integer of 64 bits with a sign: scale it to one, or \
             write it as \
             a string, \"1.5\"",
        ),
        (
            line(r#""op":"set","value":1e3"#),
            "\"value\" is 1e3, not an integer",
        ),
        (
            line(r#""op":"set","value":9223372036854775808"#),
            "\"value\" is 9223372036854775808, not an integer",
        ),
        (
            line(r#""op":"add","value":3.540"#),
            "\"value\" is 3.540, not an integer",
        ),
        (
            line(r#""op":"set","value":18446744073709551615"#),
            "\"value\" is 18446744073709551615, not an integer",
        ),
        (
            line(r#""op":"set","value":[1]"#),
            "\"value\" is [1], an array: set needs",
        ),
        (
            line(r#""op":"set","value":{"at":1}"#),
            "set takes no object",
        ),
        (
            line(r#""op":"add","value":true"#),
            "\"value\" is true, but add takes an integer",
        ),
        (
            line(r#""op":"add","value":"7""#),
            "\"value\" is \"7\", but add takes an integer",
        ),
        (
            line(r#""op":"append","value":{}"#),
            "append takes no object",
        ),
        (line(r#""op":"insert","value":{"at":1}"#), "needs \"text\""),
        (
            line(r#""op":"insert","value":{"at":1,"text":""}"#),
            "needs \"text\"",
        ),
        (
            line(r#""op":"insert","value":{"text":"a"}"#),
            "needs \"at\"",
        ),
        (
            line(r#""op":"insert","value":{"at":-1,"text":"a"}"#),
            "needs \"at\"",
        ),
        (
            line(r#""op":"insert","value":{"at":1.0,"text":"a"}"#),
            "found 1.0: a value of insert at a position needs \"at\", a whole number from 0",
        ),
        (
            line(r#""op":"insert","value":{"at":1,"text":"a","n":1}"#),
            "unknown member \"n\"",
        ),
        (line(r#""op":"remove","value":{"at":1}"#), "needs \"count\""),
        (
            line(r#""op":"remove","value":{"at":1,"text":"a"}"#),
            "unknown member \"text\"",
        ),
    ];
    let mut unexpected = Vec::new();
    for (bad, reason) in cases {
        // A good line, one that is empty, the bad one, and one that must not matter any more.
        let trace = format!("{}\n\n{bad}\nx\n", line(r#""op":"toggle""#));
        let message = refusal(trace.as_bytes());
        // serde_json counts lines within what it is given; that must not show.
        let fine = message.starts_with("a.jsonl:3: ")
            && message.contains(reason)
            && !message.contains("line 1");
        if !fine {
            unexpected.push(format!("{bad:.90}: {message}, not {reason}"));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
}

#[test]
fn bytes_that_are_no_utf8_are_refused() {
    let mut trace = line(r#""op":"toggle""#).into_bytes();
    trace.extend_from_slice(b"\n{\"t\":6,\"node\":0,\"key\":\"\xff\",\"op\":\"toggle\"}\n");
    assert_eq!(refusal(&trace), "a.jsonl:2: not UTF-8");
}

#[test]
fn empty_files_blank_lines_carriage_returns_and_a_missing_last_newline_are_fine() {
    let toggle = line(r#""op":"toggle""#);
    assert_eq!(read(b"").unwrap(), []);
    assert_eq!(read(b"\n\r\n   \n").unwrap(), []);
    for trace in [
        format!("{toggle}\n{toggle}\n"),
        format!("{toggle}\n{toggle}"),
        format!("{toggle}\r\n{toggle}\r\n"),
        format!("\n  {toggle}\n\n\t{toggle}  \n\n"),
    ] {
        let mut reader = Reader::new(trace.as_bytes(), Path::new("a.jsonl"));
        let lines: Vec<Line> = reader.by_ref().map(Result::unwrap).collect();
        assert_eq!(lines.len(), 2, "{trace:?}");
        assert_eq!(lines[0].action, Action::Toggle);
        assert_eq!(reader.line(), trace.lines().count() as u64, "{trace:?}");
    }
}

#[test]
fn a_reader_that_refused_a_line_gives_no_more() {
    let good = line(r#""op":"toggle""#);
    let trace = format!("{good}\nx\n{good}\n");
    let mut reader = Reader::new(trace.as_bytes(), Path::new("a.jsonl"));
    assert!(reader.next().unwrap().is_ok());
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
}

/// A disk that fails for ever.
struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("broken disk"))
    }
}

impl BufRead for Failing {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Err(io::Error::other("broken disk"))
    }
    fn consume(&mut self, _: usize) {}
}

#[test]
fn a_file_that_cannot_be_read_fails_once() {
    let errors: Vec<String> = Reader::new(Failing, Path::new("a.jsonl"))
        .take(3)
        .filter_map(|line| Some(line.err()?.to_string()))
        .collect();
    assert_eq!(errors, ["a.jsonl: broken disk"]);
    let missing = Workload::read(Path::new("/nonexistent/a.jsonl"), 1).unwrap_err();
    assert!(
        missing.to_string().starts_with("/nonexistent/a.jsonl: "),
        "{missing}"
    );
}

fn actions_of(class: Class) -> Vec<&'static str> {
    match class {
        Class::Flag => vec![r#""op":"toggle""#],
        Class::Register => vec![r#""op":"set","value":"x""#],
        Class::Counter => vec![r#""op":"add","value":1"#],
        Class::Set => vec![r#""op":"insert","value":1"#, r#""op":"remove","value":"a""#],
        Class::List => vec![r#""op":"append","value":1"#],
        Class::Text => vec![
            r#""op":"insert","value":{"at":0,"text":"a"}"#,
            r#""op":"remove","value":{"at":0,"count":1}"#,
        ],
    }
}

#[test]
fn a_field_of_two_classes_is_refused_and_the_first_line_is_named() {
    for first in Class::ALL {
        for second in Class::ALL {
            // A flag may become a register.
            let fits = first == second
                || matches!(
                    (first, second),
                    (Class::Flag, Class::Register) | (Class::Register, Class::Flag)
                );
            for one in actions_of(first) {
                for other in actions_of(second) {
                    let trace = format!("{}\n{}\n", line(one), line(other));
                    if fits {
                        assert!(read(trace.as_bytes()).is_ok(), "{trace}");
                    } else {
                        let message = refusal(trace.as_bytes());
                        assert!(message.starts_with("a.jsonl:2: "), "{message}");
                        let reason = format!(
                            "makes the field \"\" a {second}, but since line 1 it is a {first}"
                        );
                        assert!(message.contains(&reason), "{message}");
                    }
                    // Another field is another matter.
                    let apart = format!(
                        "{}\n{}\n",
                        line(one),
                        line(&format!(r#""field":"f",{other}"#))
                    );
                    assert!(read(apart.as_bytes()).is_ok(), "{apart}");
                }
            }
        }
    }
}

/// A toggle, a set of an integer and an add made a counter, which has no toggle.
#[test]
fn an_integer_that_is_set_makes_no_counter_of_a_flag() {
    let trace = [
        r#""op":"toggle""#,
        r#""op":"set","value":5"#,
        r#""op":"add","value":1"#,
    ]
    .map(line)
    .join("\n");
    assert!(refusal(trace.as_bytes()).starts_with(
        "a.jsonl:3: add makes the field \"\" a counter, but since line 1 it is a register"
    ));
}

#[test]
fn a_delete_unsets_the_fields_that_were_written_before() {
    let lines: Vec<String> = [
        r#""op":"set","field":"b","value":5"#,
        r#""op":"add","field":"a","value":5"#,
        r#""op":"delete""#,
        r#""op":"set","field":"c","value":5"#,
    ]
    .map(line)
    .to_vec();
    let trace = lines.join("\n");
    let read = read(trace.as_bytes()).unwrap();
    assert_eq!(read[2].action, Action::Delete);
    let again: Vec<Line> = Reader::new(&written(&read)[..], Path::new("a"))
        .map(Result::unwrap)
        .collect();
    assert_eq!(again, read);
    let workload = Workload::collect("a", read.into_iter().map(Ok), usize::MAX).unwrap();
    let steps: Vec<(&str, &Action)> = workload
        .steps
        .iter()
        .map(|step| (workload.field(step).name.as_str(), &step.action))
        .collect();
    let five = Action::Set(Scalar::Int(5));
    assert_eq!(
        steps,
        [
            ("b", &five),
            ("a", &Action::Add(5)),
            ("b", &Action::Unset),
            ("a", &Action::Unset),
            ("c", &five),
        ]
    );
    let unset: Vec<bool> = workload.fields.iter().map(|field| field.unset).collect();
    assert_eq!(unset, [true, true, false]);
}

/// What is unset has the class of its other operations, and alone it is a flag.
#[test]
fn an_unset_decides_no_class() {
    for class in Class::ALL {
        for action in actions_of(class) {
            let lines = [line(r#""op":"unset""#), line(action)];
            for trace in [lines.join("\n"), format!("{}\n{}", lines[1], lines[0])] {
                let mut reader = Reader::new(trace.as_bytes(), Path::new("a.jsonl"));
                assert_eq!(reader.by_ref().filter(Result::is_ok).count(), 2);
                assert_eq!(reader.classes().collect::<Vec<_>>(), [("", class)]);
            }
        }
    }
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        any::<i64>().prop_map(Scalar::Int),
        any::<String>().prop_map(Scalar::Text),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Toggle),
        Just(Action::Unset),
        scalar().prop_map(Action::Set),
        any::<i64>().prop_map(Action::Add),
        scalar().prop_map(Action::Insert),
        scalar().prop_map(Action::Remove),
        scalar().prop_map(Action::Append),
        (any::<u32>(), ".{1,20}|\\PC{1,4}").prop_map(|(at, text)| Action::InsertText {
            at: at as usize,
            text
        }),
        (any::<u32>(), any::<u32>()).prop_map(|(at, count)| Action::RemoveText {
            at: at as usize,
            count: count as usize
        }),
    ]
}

fn trace_line() -> impl Strategy<Value = Line> {
    let name = prop_oneof![
        any::<String>(),
        "[a-z]{0,3}",
        Just("é\"\\\u{0}\n".to_owned())
    ];
    let key = name.clone().prop_filter("a key has bytes", |key| {
        !key.is_empty() && key.len() <= MAX_KEY
    });
    let field = name.prop_filter("a field is short", |field| field.len() < MAX_FIELD);
    (0u64..1 << 50, 0u32..65_536, key, field, action()).prop_map(|(t, node, key, field, action)| {
        Line {
            t,
            node,
            key,
            field,
            action,
        }
    })
}

fn written(lines: &[Line]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        line.write(&mut bytes).unwrap();
    }
    bytes
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(mut lines in proptest::collection::vec(trace_line(), 0..20)) {
        lines.sort_by_key(|line| line.t);
        // One field per class, so that nothing conflicts.
        for line in &mut lines {
            let class = line.action.class() as u8;
            line.field.truncate(0);
            line.field.push(char::from(b'a' + class));
        }
        let bytes = written(&lines);
        prop_assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), lines.len());
        prop_assert_eq!(read(&bytes).unwrap(), lines);
    }

    #[test]
    fn a_line_of_any_action_key_and_field_is_read_back(line in trace_line()) {
        let bytes = written(std::slice::from_ref(&line));
        let text = std::str::from_utf8(&bytes).unwrap();
        prop_assert_eq!(Line::parse(text.trim_end_matches('\n')).unwrap(), line);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    /// Random bytes hardly get past the first brace; broken traces do.
    #[test]
    fn broken_traces_never_panic(
        lines in proptest::collection::vec(trace_line(), 1..5),
        changes in proptest::collection::vec(
            (any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6,
        ),
    ) {
        let mut bytes = written(&lines);
        for (place, byte, how) in changes {
            let at = place.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
            if bytes.is_empty() {
                break;
            }
        }
        let result = read(&bytes);
        if let Err(TraceError::Line { line, reason, .. }) = result {
            prop_assert!(line >= 1 && !reason.is_empty());
        }
    }

    /// The order of a trace does not decide what a field is, nor whether it is anything.
    #[test]
    fn class_does_not_depend_on_order(
        (one, other) in proptest::collection::vec(action(), 1..5)
            .prop_flat_map(|actions| (Just(actions.clone()), Just(actions).prop_shuffle())),
    ) {
        let class = |actions: &[Action]| {
            let lines: Vec<Line> = actions
                .iter()
                .map(|action| Line {
                    t: 0, node: 0, key: "k".into(), field: String::new(), action: action.clone(),
                })
                .collect();
            let bytes = written(&lines);
            let mut reader = Reader::new(bytes.as_slice(), Path::new("a"));
            let fine = reader.by_ref().all(|line| line.is_ok());
            let by_reader = fine.then(|| reader.classes().next().map(|(_, class)| class)).flatten();
            let collected = Workload::collect("a", lines.into_iter().map(Ok), usize::MAX);
            let collected = collected.ok().map(|workload| workload.fields[0].class);
            (by_reader, collected)
        };
        let (by_reader, collected) = class(&one);
        prop_assert_eq!(by_reader, collected);
        prop_assert_eq!(class(&other), (by_reader, collected));
    }

    /// No action of an accepted trace is one that the content of its field would ignore.
    #[test]
    fn a_class_has_all_actions_of_its_field(actions in proptest::collection::vec(action(), 1..5)) {
        let lines = actions.iter().map(|action| {
            Ok(Line {
                t: 0, node: 0, key: "k".into(), field: String::new(), action: action.clone(),
            })
        });
        let Ok(workload) = Workload::collect("a", lines, usize::MAX) else {
            return Ok(());
        };
        for action in actions {
            let before = Content::empty(workload.fields[0].class);
            let mut after = before.clone();
            after.apply(&action);
            let effect = match &action {
                Action::Set(value) => match &after {
                    Content::Flag(flag) => Scalar::Bool(*flag) == *value,
                    Content::Register(register) => register.as_ref() == Some(value),
                    Content::Counter(sum) => Scalar::Int(*sum) == *value,
                    _ => false,
                },
                Action::Add(value) => after == Content::Counter(*value),
                Action::Unset => after == before,
                Action::Remove(_) => after == Content::empty(Class::Set),
                Action::RemoveText { .. } => after == Content::empty(Class::Text),
                _ => after != before,
            };
            prop_assert!(effect, "{action:?} on {before:?} gives {after:?}");
        }
    }
}
