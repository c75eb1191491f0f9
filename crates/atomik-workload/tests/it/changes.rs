//! Captured changes of databases. The lines follow the documentation of the formats:
//! debezium.io (connectors for PostgreSQL and MySQL), maxwells-daemon.io (Data Format), and
//! github.com/eulerto/wal2json; the lines of wal2json are those of a real server.

use std::path::PathBuf;

use atomik_workload::import::Report;
use atomik_workload::import::changes::{self, Capture, Settings};
use atomik_workload::workload::{Action, Line};
use proptest::prelude::*;

/// Imports lines of one file, `shop.jsonl`.
fn import(
    lines: &str,
    capture: Capture,
    settings: &Settings,
) -> Result<(Vec<Line>, Report), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.jsonl");
    std::fs::write(&file, lines).unwrap();
    let mut found = Vec::new();
    let files: Vec<PathBuf> = vec![file];
    let report = changes::import(&files, capture, settings, 0, &mut |line| {
        found.push(line);
        Ok(())
    });
    match report {
        Ok(report) => Ok((found, report)),
        Err(error) => {
            let folder = format!("{}/", folder.path().display());
            Err(error.to_string().replace(&folder, ""))
        }
    }
}

/// `t node key field=value`; `-` is an unset, and a delete has no field.
fn shown(lines: &[Line]) -> Vec<String> {
    lines
        .iter()
        .map(|line| {
            let what = match &line.action {
                Action::Set(value) => format!(" {}={value}", line.field),
                Action::Unset => format!(" {}=-", line.field),
                Action::Delete => String::new(),
                other => panic!("{other:?}"),
            };
            format!("{} {} {}{what}", line.t, line.node, line.key)
        })
        .collect()
}

const ONE_SERVER: &str = "one server made all changes, and what one node writes always fits: name \
                          the column that says who wrote with --node-column, or import the \
                          changes of the other servers as well";

fn keyed(key: &str) -> Settings {
    Settings {
        keys: [(String::new(), vec![key.to_owned()])].into(),
        ..Settings::default()
    }
}

/// An envelope of the PostgreSQL connector.
fn debezium(op: &str, ms: u64, before: &str, after: &str) -> String {
    let source = r#"{"version":"3.0.5.Final","connector":"postgresql","name":"pg1","ts_ms":MS,
        "snapshot":"false","db":"shop","schema":"public","table":"orders","txId":555,
        "lsn":24023128,"xmin":null}"#;
    let event = r#"{"before":BEFORE,"after":AFTER,"source":SOURCE,"op":"OP","ts_ms":1714000099999,
        "transaction":null}"#;
    let event = event
        .replace("SOURCE", source)
        .replace("MS", &ms.to_string());
    let event = event.replace("OP", op).replace("BEFORE", before);
    event.replace("AFTER", after).replace("\n        ", "")
}

#[test]
fn debezium_writes_the_columns_that_change_and_deletes_rows() {
    let lines = [
        debezium(
            "r",
            1000,
            "null",
            r#"{"id":1,"status":"old","total":7,"note":null}"#,
        ),
        debezium(
            "c",
            2000,
            "null",
            r#"{"id":2,"status":"new","total":3.50,"note":"n"}"#,
        ),
        // Without the row before: what it was is known from the data.
        debezium(
            "u",
            2005,
            "null",
            r#"{"id":2,"status":"paid","total":3.50,"note":null}"#,
        ),
        // A large value that did not change is not read.
        debezium(
            "u",
            2006,
            "null",
            r#"{"id":2,"status":"sent","total":3.50,"note":"__debezium_unavailable_value"}"#,
        ),
        // A row that was not seen yet, with the row before.
        debezium(
            "u",
            2007,
            r#"{"id":3,"status":"a","total":1,"note":null}"#,
            r#"{"id":3,"status":"b","total":1,"note":null}"#,
        ),
        // And without it.
        debezium(
            "u",
            2008,
            "null",
            r#"{"id":4,"status":"b","total":1,"note":null}"#,
        ),
        debezium(
            "d",
            2009,
            r#"{"id":2,"status":null,"total":null,"note":null}"#,
            "null",
        ),
        "null".to_owned(),
        // As new as any.
        debezium(
            "c",
            2010,
            "null",
            r#"{"id":2,"status":"new","total":4,"note":null}"#,
        ),
        debezium("t", 2011, "null", "null"),
    ];
    let (found, report) = import(&lines.join("\n"), Capture::Debezium, &keyed("id")).unwrap();
    assert_eq!(
        shown(&found),
        [
            "0 0 public.orders/1 orders.status=\"old\"",
            "0 0 public.orders/1 orders.total=7",
            "1000 0 public.orders/2 orders.status=\"new\"",
            "1000 0 public.orders/2 orders.total=\"3.50\"",
            "1000 0 public.orders/2 orders.note=\"n\"",
            "1005 0 public.orders/2 orders.status=\"paid\"",
            "1005 0 public.orders/2 orders.note=-",
            "1006 0 public.orders/2 orders.status=\"sent\"",
            "1007 0 public.orders/3 orders.status=\"b\"",
            "1008 0 public.orders/4 orders.status=\"b\"",
            "1008 0 public.orders/4 orders.total=1",
            "1008 0 public.orders/4 orders.note=-",
            "1009 0 public.orders/2",
            "1010 0 public.orders/2 orders.status=\"new\"",
            "1010 0 public.orders/2 orders.total=4",
            "1011 0 public.orders/1",
            "1011 0 public.orders/2",
            "1011 0 public.orders/3",
            "1011 0 public.orders/4",
        ]
    );
    assert_eq!(
        report.left_out,
        [("tombstones, which follow deletes".to_owned(), 1)]
    );
    assert_eq!(
        report.notes,
        [
            "numbers that are not 64-bit integers became text (--type gives them one): \
             public.orders.total",
            "node 0: pg1",
            ONE_SERVER,
        ]
    );
}

#[test]
fn debezium_events_are_found_in_whatever_they_are_wrapped_in() {
    let event = debezium("c", 5, "null", r#"{"id":1,"v":2}"#);
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let key = r#"{"id":1}"#;
    let schema = r#"{"type":"struct","optional":false,"name":"pg1.Key"}"#;
    let schema_key = format!(r#"{{"schema":{schema},"payload":{key}}}"#);
    let schema_event = format!(r#"{{"schema":{schema},"payload":{event}}}"#);
    for line in [
        format!("{key}\t{event}"),
        format!("{schema_key}\t{schema_event}"),
        format!(r#"{{"key":{key},"value":{event}}}"#),
        format!(r#"{{"key":{schema_key},"value":{schema_event}}}"#),
        format!(
            r#"{{"topic":"t","partition":0,"offset":1,"key":{},"payload":{}}}"#,
            quoted(key),
            quoted(&event)
        ),
        format!(
            r#"{{"topic":"t","key":{},"payload":{}}}"#,
            quoted(&schema_key),
            quoted(&schema_event)
        ),
    ] {
        let (found, _) = import(&line, Capture::Debezium, &Settings::default()).unwrap();
        assert_eq!(shown(&found), ["0 0 public.orders/1 orders.v=2"], "{line}");
    }
    // A delete without the row before has the message's key.
    let delete = format!("{key}\t{}", debezium("d", 9, "null", "null"));
    let (found, _) = import(&delete, Capture::Debezium, &Settings::default()).unwrap();
    assert_eq!(shown(&found), ["0 0 public.orders/1"]);
}

#[test]
fn the_node_is_the_server_or_a_column_and_a_key_may_have_several() {
    let mysql = include_str!("../../samples/debezium-mysql.jsonl");
    let insert = mysql.lines().next().unwrap();
    let settings = |node: Option<&str>| Settings {
        keys: [("shop.t".to_owned(), vec!["a".to_owned(), "b".to_owned()])].into(),
        node_column: node.map(str::to_owned),
        ..Settings::default()
    };
    let (found, report) = import(insert, Capture::Debezium, &settings(None)).unwrap();
    assert_eq!(
        shown(&found),
        [
            "0 0 shop.t/x%2Fy/1 t.who=\"ann\"",
            "0 0 shop.t/x%2Fy/1 t.v=1"
        ]
    );
    assert_eq!(report.notes, ["node 0: my/31", ONE_SERVER]);
    // A delete that does not say it is of the node that last wrote the row.
    let (found, report) = import(mysql, Capture::Debezium, &settings(Some("who"))).unwrap();
    assert_eq!(
        shown(&found),
        ["0 0 shop.t/x%2Fy/1 t.v=1", "2 0 shop.t/x%2Fy/1"]
    );
    assert_eq!(report.notes, ["node 0: ann"]);
}

#[test]
fn changes_of_a_row_keep_their_order_whatever_their_times() {
    let lines = [
        debezium("c", 50, "null", r#"{"id":1,"v":1}"#),
        debezium("u", 40, "null", r#"{"id":1,"v":2}"#),
        debezium("c", 45, "null", r#"{"id":2,"v":3}"#),
    ];
    let (found, report) = import(&lines.join("\n"), Capture::Debezium, &keyed("id")).unwrap();
    assert_eq!(
        shown(&found),
        [
            "0 0 public.orders/2 orders.v=3",
            "5 0 public.orders/1 orders.v=1",
            "5 0 public.orders/1 orders.v=2",
        ]
    );
    assert!(report.notes[0].starts_with("1 changes have an earlier time"));
}

const MAXWELL: &str = include_str!("../../samples/maxwell.jsonl");

#[test]
fn maxwell_writes_what_is_in_old_and_moves_rows_whose_key_changes() {
    let settings = Settings {
        types: [("e.m".to_owned(), "decimal:4".parse().unwrap())].into(),
        ..keyed("id")
    };
    let (found, report) = import(MAXWELL, Capture::Maxwell, &settings).unwrap();
    assert_eq!(
        shown(&found),
        [
            "0 0 test.e/9 e.m=10000",
            "1000 1 test.e/1 e.m=27183",
            "1000 1 test.e/1 e.c=\"2024-05-01 10:00:00.250000\"",
            "1000 1 test.e/1 e.comment=\"a lamp\"",
            "18000 1 test.e/1 e.m=31416",
            "18000 1 test.e/1 e.c=-",
            "19000 1 test.e/1",
            "19000 1 test.e/2 e.m=31416",
            "19000 1 test.e/2 e.comment=\"x\"",
            "19000 2 test.e/7 e.m=10000",
            "20000 1 test.e/2",
            "120000 0 test.e/9",
            "120000 0 test.e/7",
        ]
    );
    assert_eq!(
        report.left_out,
        [
            ("changes of schemas".to_owned(), 1),
            ("marks of bootstrapping".to_owned(), 1)
        ]
    );
    assert!(
        report.notes[0].contains("whole seconds"),
        "{:?}",
        report.notes
    );
    assert_eq!(
        report.notes[1..],
        ["node 0: test", "node 1: 11", "node 2: 12"]
    );
}

/// The same changes of a server in both formats, as `scripts/record-wal2json.sh` records them.
const WAL2JSON: [&str; 2] = [
    include_str!("../../samples/wal2json-1.jsonl"),
    include_str!("../../samples/wal2json-2.jsonl"),
];

/// What the server was told to do, as far as the data has it, without times. Values of 2100 equal
/// letters are one letter.
const DONE: [&str; 46] = [
    "orders/1 orders.status=\"new\"",
    "orders/1 orders.total=350",
    "orders/1 orders.note=\"x\"",
    "orders/1 orders.paid=false",
    "orders/1 orders.big=9223372036854775807",
    "orders/1 orders.tags=\"{\\\"a\\\": 1}\"",
    "orders/1 orders.rate=\"1e+300\"",
    "orders/1 orders.at=\"2024-05-01 08:00:00+00\"",
    "orders/1 orders.words=\"{a,\\\"b c\\\"}\"",
    // A large value that did not change is not in the data.
    "orders/1 orders.status=\"paid\"",
    "orders/1 orders.paid=true",
    "orders/1 orders.note=\"y\"",
    // NaN and infinity are null in the data.
    "orders/1 orders.total=-",
    "orders/1 orders.tags=-",
    "orders/1 orders.rate=-",
    "links/1/a%2Fb links=true",
    "links/2/\"c\"\nä links=true",
    "whole/1 whole.v=\"a\"",
    "whole/1 whole.w=1",
    "whole/1 whole.note=\"x\"",
    "whole/2 whole.v=\"b\"",
    "whole/2 whole.w=2",
    "whole/1 whole.v=-",
    "whole/2",
    "whole/3 whole.v=\"b\"",
    "whole/3 whole.w=2",
    // The note did not change, so it is lost with the primary key.
    "orders/1",
    "orders/7 orders.status=\"paid\"",
    "orders/7 orders.paid=true",
    "orders/7 orders.big=9223372036854775807",
    "orders/7 orders.at=\"2024-05-01 08:00:00+00\"",
    "orders/7 orders.words=\"{a,\\\"b c\\\"}\"",
    "chosen/x chosen.id=1",
    "chosen/x chosen.v=1",
    "chosen/x chosen.v=2",
    // Its replica identity changed, which is its key here.
    "chosen/x",
    "chosen/y chosen.id=1",
    "chosen/y chosen.v=2",
    "chosen/y",
    // A table without a replica identity has insertions alone.
    "silent/1 silent.v=1",
    "links/1/a%2Fb",
    "whole/1",
    "links/2/\"c\"\nä",
    "whole/3",
    "orders/7",
    "loose/1 loose.w=2",
];

#[test]
fn both_formats_of_wal2json_give_what_was_done() {
    let named = |table: &str, column: &str| (table.to_owned(), vec![column.to_owned()]);
    let mut settings = Settings {
        types: [("total".to_owned(), "decimal:2".parse().unwrap())].into(),
        ..Settings::default()
    };
    for (format, lines) in (1..).zip(WAL2JSON) {
        // What the data lacks is asked for, table by table.
        settings.keys.clear();
        let mut asked = Vec::new();
        let (found, report) = loop {
            let message = match import(lines, Capture::Wal2json, &settings) {
                Ok(done) => break done,
                Err(message) => message,
            };
            let table = message.split("public.").nth(1).unwrap();
            let table = table.split([':', ' ', '=']).next().unwrap().trim();
            assert!(
                message.contains(&format!("`--key public.{table}=COLUMN`")),
                "{message}"
            );
            let column = match table {
                "chosen" => "code",
                "loose" => "v",
                _ => "id",
            };
            settings.keys.extend([named(table, column)]);
            asked.push(table.to_owned());
            assert!(asked.len() < 9, "{message}");
        };
        // Format 1 names no primary key where the replica identity is another.
        let lacking = [
            &["whole", "chosen", "silent", "loose"][..],
            &["chosen", "loose"],
        ];
        assert_eq!(asked, lacking[format - 1]);
        let found: Vec<String> = shown(&found)
            .iter()
            .filter_map(|line| Some(line.split_once("public.")?.1.to_owned()))
            .map(|line| {
                line.replace(&"x".repeat(2100), "x")
                    .replace(&"y".repeat(2100), "y")
            })
            .collect();
        // Format 1 does not have truncations.
        let truncated = ["links/2/\"c\"\nä", "whole/3"];
        let done = DONE
            .iter()
            .filter(|line| format == 2 || !truncated.contains(line));
        assert_eq!(found, done.copied().collect::<Vec<_>>(), "format {format}");
        let lost = "large values of rows whose primary key changed, which the data does not have";
        assert!(report.left_out.contains(&(lost.to_owned(), 1)), "{report}");
        let told = |what: &str| report.notes.iter().any(|note| note.contains(what));
        assert!(
            told("tables without a replica identity"),
            "{:?}",
            report.notes
        );
        assert_eq!(told("truncations"), format == 1, "{:?}", report.notes);
        assert!(told("one server made all changes"), "{:?}", report.notes);
    }
}

#[test]
fn what_is_no_change_is_refused_with_what_to_do() {
    let event =
        |from: &str, to: &str| debezium("c", 5, "null", r#"{"id":1,"v":2}"#).replace(from, to);
    let (debezium, maxwell, wal2json) = (Capture::Debezium, Capture::Maxwell, Capture::Wal2json);
    for (capture, line, reason) in [
        (
            debezium,
            "{".to_owned(),
            "EOF while parsing an object: write one JSON value per line",
        ),
        (debezium, "[]".into(), "an array is not a change event"),
        (
            debezium,
            r#"{"id":1}"#.into(),
            "use `atomik eval import jsonl`",
        ),
        (
            debezium,
            event("\"op\":\"c\"", "\"op\":\"x\""),
            "\"op\" is \"x\", which is unknown",
        ),
        (
            debezium,
            event("{\"id\":1,\"v\":2}", "\"{}\""),
            "\"after\" is a string, not an object",
        ),
        (
            debezium,
            event("\"table\":\"orders\"", "\"table\":null"),
            "\"source\" has no \"table\"",
        ),
        (debezium, event("ts_ms", "ts_s"), "no time: neither"),
        (
            debezium,
            event("ts_ms\":5", "ts_ms\":5.25"),
            "\"ts_ms\" is 5.25: give it as a whole number of milliseconds since 1970",
        ),
        (
            debezium,
            event("{\"id\":1,\"v\":2}", "null"),
            "\"after\" is null or missing, but \"op\" is \"c\"",
        ),
        (
            debezium,
            event("", ""),
            "the data does not say what the primary key of public.orders is: write `--key \
             public.orders=COLUMN`",
        ),
        (
            maxwell,
            "{}".into(),
            "no \"type\": this is not an event of Maxwell",
        ),
        (
            maxwell,
            r#"{"type":"select"}"#.into(),
            "\"type\" is \"select\", which is unknown",
        ),
        (
            maxwell,
            r#"{"type":"insert","ts":1}"#.into(),
            "no object \"data\"",
        ),
        (
            maxwell,
            r#"{"type":"insert","ts":"x","data":{}}"#.into(),
            "\"ts\" is \"x\": give it as a whole number of seconds since 1970",
        ),
        (
            maxwell,
            r#"{"type":"insert","ts":null,"data":{}}"#.into(),
            "no \"ts\"",
        ),
        (
            maxwell,
            r#"{"type":"insert","ts":1,"data":{}}"#.into(),
            "no \"database\"",
        ),
        (wal2json, "{}".into(), "neither \"action\" nor \"change\""),
        (
            wal2json,
            r#"{"action":"I","table":"t"}"#.into(),
            "read the slot with the option `include-timestamp`",
        ),
        (
            wal2json,
            r#"{"action":"X","table":"t"}"#.into(),
            "\"action\" is \"X\", which is unknown",
        ),
        (
            wal2json,
            r#"{"change":[{"kind":"x"}]}"#.into(),
            "\"kind\" is \"x\", which is unknown",
        ),
        (
            wal2json,
            r#"{"timestamp":"noon","change":[]}"#.into(),
            "\"timestamp\" is \"noon\"",
        ),
        (
            wal2json,
            r#"{"timestamp":null,"change":[]}"#.into(),
            "\"timestamp\" is \"null\", not a time with an offset: read the slot with",
        ),
        (
            wal2json,
            r#"{"change":[{"kind":"insert","columnnames":["a"],"columnvalues":[]}]}"#.into(),
            "\"columnnames\" and \"columnvalues\" are not arrays of the same length",
        ),
    ] {
        let message = import(&line, capture, &Settings::default()).unwrap_err();
        assert!(message.starts_with("shop.jsonl:1: "), "{message}");
        assert!(message.contains(reason), "{line}: {message}");
    }
    let message = import(&event("", ""), debezium, &keyed("nr")).unwrap_err();
    assert!(
        message.contains("no column \"nr\", which is in the primary key of public.orders"),
        "{message}"
    );
    let typed = Settings {
        types: [("v".to_owned(), "boolean".parse().unwrap())].into(),
        ..keyed("id")
    };
    let message = import(&event("", ""), debezium, &typed).unwrap_err();
    assert!(
        message.contains("column \"public.orders.v\": \"2\" is not a boolean"),
        "{message}"
    );
    let skip = Settings {
        skip: ["orders".to_owned()].into(),
        ..Settings::default()
    };
    let (found, report) = import(&event("", ""), debezium, &skip).unwrap();
    assert_eq!((found.len(), report.left_out[0].1), (0, 1));
}

#[test]
fn what_names_nothing_in_the_data_is_told() {
    let line = debezium("c", 5, "null", r#"{"id":1,"v":2}"#);
    let named = |key: &str, skip: &str, column: &str| Settings {
        keys: [(key.to_owned(), vec!["id".to_owned()])].into(),
        skip: [skip.to_owned()].into(),
        types: [(column.to_owned(), "decimal:2".parse().unwrap())].into(),
        node_column: None,
    };
    let keyed = debezium_key(&line);
    let (_, report) = import(&keyed, Capture::Debezium, &named("order", "x", "order.v")).unwrap();
    assert_eq!(
        report.notes,
        [
            "`--key order=id` took effect nowhere: check the name, or leave it out",
            "`--skip x` took effect nowhere: check the name, or leave it out",
            "`--type order.v` took effect nowhere: check the name, or leave it out",
            "node 0: pg1",
            ONE_SERVER,
        ]
    );
    for (key, column) in [
        ("", "v"),
        ("orders", "orders.v"),
        ("public.orders", "public.orders.v"),
    ] {
        let settings = Settings {
            skip: [].into(),
            ..named(key, "", column)
        };
        let (_, report) = import(&line, Capture::Debezium, &settings).unwrap();
        assert_eq!(report.notes, ["node 0: pg1", ONE_SERVER]);
    }
    let skip = Settings {
        skip: ["orders".to_owned()].into(),
        ..Settings::default()
    };
    let (_, report) = import(&line, Capture::Debezium, &skip).unwrap();
    assert!(report.notes.is_empty(), "{:?}", report.notes);
}

/// An event behind its message's key.
fn debezium_key(event: &str) -> String {
    format!("{{\"id\":1}}\t{event}")
}

proptest! {
    /// Random bytes hardly get past the first brace; broken changes do.
    #[test]
    fn broken_changes_never_panic(
        sample in 0_usize..5,
        edits in proptest::collection::vec(
            (any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 0..6,
        ),
    ) {
        let debezium = debezium("u", 5, r#"{"id":1,"v":2}"#, r#"{"id":2,"v":[null,{"a":1e5}]}"#);
        let samples = [
            (Capture::Debezium, debezium.as_str()),
            (Capture::Debezium, include_str!("../../samples/debezium-mysql.jsonl")),
            (Capture::Maxwell, MAXWELL),
            (Capture::Wal2json, WAL2JSON[0]),
            (Capture::Wal2json, WAL2JSON[1]),
        ];
        let (capture, lines) = samples[sample];
        let mut bytes = lines.as_bytes().to_vec();
        for (place, byte, how) in edits {
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => drop(bytes.remove(place)),
            }
        }
        let lines = String::from_utf8_lossy(&bytes);
        if let Err(message) = import(&lines, capture, &keyed("id")) {
            prop_assert!(message.starts_with("shop.jsonl:"), "{}", message);
        }
    }
}
