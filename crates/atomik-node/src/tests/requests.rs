use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};

use super::{ask, node};

/// Every operation.
const OPS: [&str; 23] = [
    "get",
    "put",
    "load",
    "accum",
    "toggle",
    "set",
    "read",
    "swap",
    "delta",
    "drain",
    "batch",
    "undo",
    "list",
    "watch",
    "status",
    "peers",
    "checkpoint",
    "checkpoints",
    "drop_checkpoint",
    "diff",
    "export",
    "retire",
    "links",
];

/// The fields of each operation.
fn fields(op: &str) -> &'static [&'static str] {
    match op {
        "get" | "read" | "swap" | "delta" | "drain" => &["key"],
        "put" | "load" | "accum" => &["key", "value"],
        "toggle" => &["key", "flag"],
        "set" => &["key", "flag", "on"],
        "batch" => &["ops"],
        "undo" => &["batch"],
        "list" => &["prefix", "from", "limit"],
        "watch" => &["prefix"],
        "status" => &["hash"],
        "checkpoint" => &["name"],
        "drop_checkpoint" => &["checkpoint"],
        "diff" => &["first", "second", "key"],
        "export" => &["checkpoint", "from", "limit"],
        "links" => &["drop", "faults"],
        _ => &[],
    }
}

fn number() -> impl Strategy<Value = Json> {
    let extreme = select(vec![
        63,
        64,
        10_000,
        u64::from(u32::MAX),
        1 << 53,
        i64::MAX as u64,
        u64::MAX - 10_000,
        u64::MAX,
    ]);
    prop_oneof![
        (0..4_u64).prop_map(Json::from),
        extreme.prop_map(Json::from)
    ]
}

fn not_a_count() -> impl Strategy<Value = Json> {
    prop_oneof![
        select(vec![-1, i64::MIN]).prop_map(Json::from),
        select(vec![0.5, 1e300, -0.0]).prop_map(Json::from),
    ]
}

fn text() -> impl Strategy<Value = Json> {
    prop_oneof![
        select(vec!["a", "b", "0x61", "", "0x", "0x1", "0xé", "a\u{0}\n"]).prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        (select(vec!["a", "f", "\u{1f600}", "\""]), 1..100_000_usize)
            .prop_map(|(piece, times)| piece.repeat(times).into()),
        (0..100_000_usize).prop_map(|times| format!("0x{}", "f".repeat(times)).into()),
        select(vec![
            "loss=1e999,delay=18446744073709551615",
            "seed=1,loss=0.1,reorder=1",
            "00112233445566778899aabbccddeeff",
        ])
        .prop_map(Json::from),
    ]
}

fn any_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        number(),
        not_a_count(),
        text(),
    ];
    leaf.prop_recursive(3, 8, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            vec(("[a-z]{0,8}", inner), 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// Most values are of the type that the field has.
fn value(field: &'static str) -> BoxedStrategy<Json> {
    let fitting = match field {
        "key" | "prefix" | "name" | "faults" => text().boxed(),
        "value" => prop_oneof![number(), text()].boxed(),
        "on" | "hash" => any::<bool>().prop_map(Json::from).boxed(),
        "drop" => vec(text(), 0..3).prop_map(Json::from).boxed(),
        _ => number().boxed(),
    };
    prop_oneof![9 => fitting, 1 => any_value()].boxed()
}

/// Requests, most of them with exactly the fields of their operation.
fn request() -> impl Strategy<Value = Json> {
    let plain = select(&OPS[..]).prop_flat_map(|op| {
        let fields = fields(op).iter();
        let fields = fields.map(|field| (Just(*field), prop::option::weighted(0.95, value(field))));
        let extra = prop::option::weighted(0.03, ("[a-z]{1,8}", any_value()));
        (fields.collect::<Vec<_>>(), extra).prop_map(move |(fields, extra)| {
            let mut request = json!({"op": op});
            for (field, value) in fields {
                if let Some(value) = value {
                    request[field] = value;
                }
            }
            if let Some((field, value)) = extra {
                request[field] = value;
            }
            request
        })
    });
    let plain = plain.boxed();
    let batches = plain.clone().prop_recursive(3, 12, 4, |inner| {
        vec(inner, 0..4).prop_map(|ops| json!({"op": "batch", "ops": ops}))
    });
    prop_oneof![8 => plain, 1 => batches]
}

/// A line, with its newline.
struct Line(Vec<u8>);

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (shown, more) = self.0.split_at(self.0.len().min(300));
        write!(f, "{} and {} bytes", shown.escape_ascii(), more.len())
    }
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        12 => request().prop_map(|request| request.to_string().into_bytes()),
        1 => any_value().prop_map(|value| value.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..100),
        1 => (1..3000_usize).prop_map(|depth| br#"{"op":"batch","ops":["#.repeat(depth)),
    ]
    .prop_map(|mut line| {
        line.retain(|&byte| byte != b'\n');
        line.push(b'\n');
        Line(line)
    })
}

#[test]
fn no_request_ends_the_node() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let cases = Config {
        cases: 256,
        failure_persistence: None,
        ..Config::default()
    };
    let property = |lines: Vec<Line>| {
        runtime.block_on(async {
            let node = node();
            for Line(line) in &lines {
                let answers = ask(&node, line).await;
                let blank = line.iter().all(|byte| b" \t\r\n".contains(byte));
                for answer in answers.iter().take(1) {
                    prop_assert!(answer["ok"].is_boolean(), "{answer}");
                }
                // A watcher may be sent events until its connection is closed.
                prop_assert!(blank || !answers.is_empty());
                let status = ask(&node, b"{\"op\":\"status\",\"hash\":true}\n").await;
                prop_assert_eq!(&status[0]["ok"], &json!(true), "{:?}", status);
            }
            prop_assert!(node.stop().await.is_ok());
            Ok(())
        })
    };
    TestRunner::new(cases)
        .run(&vec(line(), 1..24), property)
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[tokio::test]
async fn only_blank_lines_have_no_answer() {
    let node = node();
    for line in ["\n", " \t \r\n"] {
        let answers = ask(&node, line.as_bytes()).await;
        assert!(answers.is_empty(), "{line:?}: {answers:?}");
    }
    // White to other standards than JSON.
    for line in ["\u{b}\n", "\u{c}\n", "\u{a0}\n", " \u{2028}\n"] {
        let answers = ask(&node, line.as_bytes()).await;
        assert_eq!(answers.len(), 1, "{line:?}: {answers:?}");
        assert_eq!(answers[0]["ok"], false, "{line:?}: {answers:?}");
    }
}

#[tokio::test]
async fn a_page_from_beyond_the_last_key_is_empty_and_the_last() {
    let node = node();
    let put = ask(&node, b"{\"op\":\"put\",\"key\":\"a\",\"value\":1}\n").await;
    assert_eq!(put[0]["batch"], 1);
    ask(&node, b"{\"op\":\"checkpoint\",\"name\":\"c\"}\n").await;
    for request in [
        json!({"op": "list", "from": u64::MAX}),
        json!({"op": "list", "from": u64::MAX - 5000, "limit": 10_000}),
        json!({"op": "export", "checkpoint": 1, "from": u64::MAX}),
    ] {
        let answers = ask(&node, format!("{request}\n").as_bytes()).await;
        let wanted = json!({"ok": true, "keys": [], "next": null});
        assert_eq!(answers, [wanted], "{request}");
    }
}

#[tokio::test]
async fn an_empty_page_is_refused_since_it_would_never_end() {
    let node = node();
    ask(&node, b"{\"op\":\"put\",\"key\":\"a\",\"value\":1}\n").await;
    let answers = ask(&node, b"{\"op\":\"list\",\"limit\":0}\n").await;
    assert_eq!(answers[0]["ok"], false, "{answers:?}");
    let reason = answers[0]["error"].as_str().unwrap();
    assert!(reason.contains("1 to 10000"), "{reason}");
}
