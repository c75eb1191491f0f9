//! Tables of any kind, mapped to traces.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use atomik_workload::import::Report;
use atomik_workload::import::map::Map;
use atomik_workload::import::table::{self, Form};
use atomik_workload::workload::{Action, Line, Reader, Scalar};
use proptest::prelude::*;

/// A temporary file.
struct Input {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

fn input(bytes: &[u8]) -> Input {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("table");
    std::fs::write(&file, bytes).unwrap();
    Input {
        _folder: folder,
        file,
    }
}

/// Imports tables, and has the trace checked by the reader's rules.
fn import(
    tables: &[&[u8]],
    form: Form,
    map: &str,
    memory: usize,
) -> Result<(Vec<Line>, Report), String> {
    let inputs: Vec<Input> = tables.iter().map(|bytes| input(bytes)).collect();
    let files: Vec<PathBuf> = inputs.iter().map(|input| input.file.clone()).collect();
    let map = Map::parse(map, Path::new("map.toml")).map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    let report = table::import(&files, form, &map, memory, &mut |line| {
        lines.push(line);
        Ok(())
    })
    .map_err(|error| {
        let text = error.to_string();
        files.iter().fold(text, |text, file| {
            text.replace(file.to_str().unwrap(), "table")
        })
    })?;
    let mut bytes = Vec::new();
    for line in &lines {
        line.write(&mut bytes).unwrap();
    }
    let read: Result<Vec<Line>, _> = Reader::new(bytes.as_slice(), Path::new("t")).collect();
    assert_eq!(read.unwrap(), lines);
    Ok((lines, report))
}

fn csv(text: &str, map: &str) -> Result<(Vec<Line>, Report), String> {
    import(&[text.as_bytes()], Form::Csv, map, usize::MAX)
}

/// `t node key field op value`.
fn shown(lines: &[Line]) -> Vec<String> {
    lines
        .iter()
        .map(|line| {
            let value = match &line.action {
                Action::Toggle | Action::Unset | Action::Delete => String::new(),
                Action::Add(value) => value.to_string(),
                Action::Set(value)
                | Action::Insert(value)
                | Action::Remove(value)
                | Action::Append(value) => value.to_string(),
                other => panic!("{other:?}"),
            };
            let name = line.action.name();
            let text = format!(
                "{} {} {} {} {name} {value}",
                line.t, line.node, line.key, line.field
            );
            text.trim_end().to_owned()
        })
        .collect()
}

#[test]
fn one_row_is_several_operations_in_order_of_time() {
    let map = r#"
        key = { columns = ["shop", "article"], separator = "/" }
        node = { column = "host" }
        [time]
        column = "at"
        zone = "Europe/Berlin"
        [csv]
        decimal_mark = ","
        nulls = ["NULL"]
        [[field]]
        column = "price"
        type = "decimal:2"
        [[field]]
        name = "stock"
        column = "change"
        op = { column = "kind", values = { in = "add", out = "add", note = "skip" } }
        [[field]]
        name = "open"
        op = "toggle"
        [[field]]
        name = { column = "kind" }
        op = "insert"
        value = 7
    "#;
    let text = "at;host;shop;article;price;kind;change\r\n\
                2024-06-01 12:00:01;b;x;1;3,5;in;2\r\n\
                2024-06-01T10:00:00.0005Z;a;x;2;NULL;out;-3\r\n\
                \r\n\
                2024-06-01 12:00:01;a;\"y;\"\"\";1;;note;\r\n";
    let (lines, report) = csv(text, map).unwrap();
    assert_eq!(
        shown(&lines),
        [
            "0 0 x/2 stock add -3",
            "0 0 x/2 open toggle",
            "0 0 x/2 out insert 7",
            "999 1 x/1 price set 350",
            "999 1 x/1 stock add 2",
            "999 1 x/1 open toggle",
            "999 1 x/1 in insert 7",
            "999 0 y;\"/1 open toggle",
            "999 0 y;\"/1 note insert 7",
        ]
    );
    assert_eq!(
        report.left_out,
        [
            ("empty cells of column \"price\"".to_owned(), 1),
            ("null cells of column \"price\"".to_owned(), 1),
            ("operations that the map skips".to_owned(), 1),
        ]
    );
    assert_eq!(report.notes[0].split(": ").nth(1), Some("delimiter = ';'"));
    assert!(
        report.notes[1].ends_with("[time] format = \"iso\", column \"change\" type = \"integer\""),
        "{:?}",
        report.notes
    );
    assert_eq!(report.notes[2..], ["node 0: a", "node 1: b"]);
}

const SIMPLE: &str = r#"
    node = { column = "node" }
    key = { column = "key" }
    time = { column = "time", format = "ms" }
    field = [{ column = "value" }]
"#;

#[test]
fn columns_of_json_are_paths_and_its_types_are_kept() {
    let map = SIMPLE
        .replace("\"time\"", "\"meta.ts\"")
        .replace("\"value\"", "\"after.0.v\", null = \"skip\"");
    let text = r#"
        {"meta":{"ts":12},"node":7,"key":true,"after":[{"v":"5"}]}
        {"meta":{"ts":"11"},"node":"7","key":"k","after":[{"v":5}]}
        {"meta":{"ts":13},"node":"8","key":"k","after":[{"v":false}]}
        {"meta":{"ts":14},"node":"8","key":"k","after":[{"v":null}]}
        {"meta":{"ts":14},"node":"8","key":"k","after":[]}
    "#;
    let (lines, report) = import(&[text.as_bytes()], Form::Jsonl, &map, 0).unwrap();
    assert_eq!(
        shown(&lines),
        [
            "0 0 k after.0.v set 5",
            "1 0 true after.0.v set \"5\"",
            "2 1 k after.0.v set false"
        ]
    );
    assert_eq!(report.left_out.len(), 2);
}

#[test]
fn rows_delete_keys_and_empty_cells_unset_fields() {
    let map = r#"
        node = "one"
        key = { column = "key" }
        time = { column = "time", format = "ms" }
        op = { column = "op", values = { I = "set", D = "delete", N = "unset" } }
        csv = { nulls = ["NULL"] }
        field = [
            { column = "a", null = "delete" },
            { column = "b", empty = "delete", null = "skip" },
        ]
    "#;
    let text = "time,op,key,a,b\n1,I,k,1,2\n2,I,k,NULL,\n3,N,k,,\n4,D,k,,\n5,I,k,3,NULL\n";
    let (lines, _) = csv(text, map).unwrap();
    assert_eq!(
        shown(&lines),
        [
            "0 0 k a set 1",
            "0 0 k b set 2",
            "1 0 k a unset",
            "1 0 k b unset",
            "2 0 k a unset",
            "2 0 k b unset",
            "3 0 k  delete",
            "4 0 k a set 3",
        ]
    );
}

#[test]
fn identical_rows_are_dropped_only_on_demand_and_only_if_every_cell_is_the_same() {
    let text = "time,node,key,value,id\n1,a,k,5,x\n1,a,k,5,y\n1,a,k,5,x\n2,a,k,5,x\n";
    let (kept, _) = csv(text, SIMPLE).unwrap();
    assert_eq!(kept.len(), 4);
    let (dropped, report) = csv(text, &format!("duplicates = \"drop\"\n{SIMPLE}")).unwrap();
    assert_eq!(dropped.len(), 3);
    assert_eq!(
        report.left_out,
        [("rows that are identical to an earlier one".to_owned(), 1)]
    );
}

#[test]
fn several_tables_are_one_trace_whatever_the_order_of_their_columns() {
    let one = b"time,node,key,value\n2,a,k,1\n1,a,k,2\n".as_slice();
    let two = b"value;key;node;time\n3;k;b;1\n".as_slice();
    let (lines, _) = import(&[one, two], Form::Csv, SIMPLE, 0).unwrap();
    assert_eq!(
        shown(&lines),
        [
            "0 0 k value set 2",
            "0 1 k value set 3",
            "1 0 k value set 1"
        ]
    );
}

#[test]
fn an_op_from_a_column_that_needs_a_value_says_so() {
    let map = r#"
        node = "one"
        key = "k"
        time = { column = "t" }
        field = [{ name = "f", op = { column = "op" } }]
    "#;
    let (lines, _) = csv("t,op\n1,toggle\n2,unset\n3,delete\n4,skip\n", map).unwrap();
    assert_eq!(
        shown(&lines),
        ["0 0 k f toggle", "1000 0 k f unset", "2000 0 k  delete"]
    );
    let message = csv("t,op\n1,set\n", map).unwrap_err();
    assert!(
        message.starts_with("table:2: set needs a value: write column"),
        "{message}"
    );
}

#[test]
fn a_day_and_an_hour_are_one_time() {
    let map = r#"
        node = "one"
        key = "k"
        time = { columns = ["day", "hour"], zone = "UTC" }
        field = [{ column = "v" }]
    "#;
    let (lines, report) = csv("day,hour,v\n02.01.2024,01:30,5\n01.01.2024,23:00,6\n", map).unwrap();
    assert_eq!(shown(&lines), ["0 0 k v set 6", "9000000 0 k v set 5"]);
    assert!(report.notes[0].starts_with("every row has the node \"one\", so nothing is"));
    assert!(report.notes[2].contains("\"%d.%m.%Y %H:%M\""), "{report}");
    let message = csv("day,hour,v\n02.01.2024,01:30,5\n01.01.2024,noon,6\n", map).unwrap_err();
    assert!(
        message.starts_with(
            "table:2: column \"day\" and \"hour\": \"02.01.2024 01:30\" is not \
         a time"
        ),
        "{message}"
    );
    let message = csv("day,hour,v\n02.01.2024,,5\n", map).unwrap_err();
    assert!(
        message.starts_with("table:2: column \"hour\" is empty, but it is"),
        "{message}"
    );
}

#[test]
fn a_guessed_map_is_one_that_imports_the_table() {
    for (form, text, count) in [
        (
            Form::Csv,
            "created_at,user,order_id,status,price,note\n\
             2024-01-01T00:00:00Z,ann,7,new,3.50,\"a \"\"b\"\"\"\n\
             2024-01-01T00:00:01Z,bob,7,paid,12.5,\n",
            5,
        ),
        (
            Form::Csv,
            "\u{feff}at;host;key;price\r\n31.12.2024 12:00;a;k;3,50\r\n31.12.2024 12:01;a;k;\
             -1000,5\r\n",
            2,
        ),
        // Without a header.
        (
            Form::Csv,
            "2024-01-01 00:00:00,login,1\n2024-01-01 00:00:01,logout,2\n",
            4,
        ),
        (Form::Csv, "ts\thost\tkey\tx\n1700000000\ta\tk\t1\n", 1),
        (
            Form::Jsonl,
            "{\"payload\":{\"id\":1,\"ts\":1700000000000},\"host\":\"a\",\"v\":true}\n",
            1,
        ),
    ] {
        let table = input(text.as_bytes());
        let map = table::guess(&table.file, form).unwrap();
        let (lines, _) = import(&[text.as_bytes()], form, &map, usize::MAX)
            .unwrap_or_else(|error| panic!("{error}\n{map}"));
        assert_eq!(lines.len(), count, "{map}");
        if text.contains("-1000,5") {
            let values = ["0 0 k price set 350", "60000 0 k price set -100050"];
            assert_eq!(shown(&lines), values, "{map}");
        }
        let keys = ["7", "k", "1", "one"];
        assert!(lines.iter().all(|line| keys.contains(&line.key.as_str())));
    }
}

fn compressed(how: u8, bytes: Vec<u8>) -> Vec<u8> {
    match how {
        0 => bytes,
        1 => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&bytes).unwrap();
            gzip.finish().unwrap()
        }
        _ => {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            ruzstd::encoding::compress_to_vec(bytes.as_slice(), level)
        }
    }
}

proptest! {
    /// However a table is delimited, quoted, compressed and sorted, its cells are read back, in
    /// the order of a plain stable sort.
    #[test]
    fn what_is_written_as_csv_is_read_back(
        rows in proptest::collection::vec(
            (0u64..5, "[ab]", "\\PC{1,9}|[,;\t|\"\r\n x]{1,9}", any::<String>()), 1..30,
        ),
        delimiter in proptest::sample::select(vec![b',', b';', b'\t', b'|']),
        quotes in 0u8..3,
        end in 0u8..3,
        mark: bool,
        compression in 0u8..3,
        memory in prop_oneof![Just(0usize), Just(300), Just(usize::MAX)],
    ) {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(delimiter)
            .quote_style(match quotes {
                0 => csv::QuoteStyle::Necessary,
                1 => csv::QuoteStyle::Always,
                _ => csv::QuoteStyle::NonNumeric,
            })
            .terminator(match end {
                0 => csv::Terminator::Any(b'\n'),
                1 => csv::Terminator::CRLF,
                _ => csv::Terminator::Any(b'\r'),
            })
            .from_writer(if mark { b"\xef\xbb\xbf".to_vec() } else { Vec::new() });
        writer.write_record(["time", "node", "key", "value"]).unwrap();
        for (time, node, key, value) in &rows {
            writer.write_record([&time.to_string(), node, key, value]).unwrap();
        }
        let bytes = compressed(compression, writer.into_inner().unwrap());
        let map = format!(
            "{}\ncsv = {{ delimiter = {} }}",
            SIMPLE.replace("\"value\"", "\"value\", type = \"text\", empty = \"keep\""),
            toml::Value::from(char::from(delimiter).to_string()),
        );
        let (lines, _) = import(&[&bytes], Form::Csv, &map, memory).unwrap();
        let read: Vec<(u64, &str, &Action)> =
            lines.iter().map(|line| (line.t, line.key.as_str(), &line.action)).collect();
        let mut sorted = rows.clone();
        sorted.sort_by_key(|(time, ..)| *time);
        let start = sorted[0].0;
        let expected: Vec<(u64, String, Action)> = sorted
            .into_iter()
            .map(|(time, _, key, value)| (time - start, key, Action::Set(Scalar::Text(value))))
            .collect();
        let expected: Vec<(u64, &str, &Action)> =
            expected.iter().map(|(t, key, action)| (*t, key.as_str(), action)).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn arbitrary_bytes_are_imported_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        head in prop_oneof![Just("time,node,key,value\n"), Just("")],
    ) {
        let bytes = [head.as_bytes(), &bytes].concat();
        for form in [Form::Csv, Form::Jsonl] {
            let _ = import(&[&bytes], form, SIMPLE, 0);
            let _ = table::guess(&input(&bytes).file, form);
        }
    }
}
