//! `atomik eval import csv` and `jsonl`, and of changes of databases.

use crate::{Folder, Run, atomik, atomik_with};

const MAP: &str = r#"node = { column = "node" }
key = { column = "key" }
[time]
column = "time"
[[field]]
column = "value"
"#;

/// Imports a table with a map; returns the status and the message without the folder.
fn import(form: &str, map: &str, table: impl AsRef<[u8]>, more: &[&str]) -> Run {
    let folder = Folder::new();
    let map = folder.file("map.toml", map);
    let table = folder.file("table", table);
    let mut run = atomik(&[&["eval", "import", form, "--map", &map, &table], more].concat());
    run.err = run.err.replace(folder.0.path().to_str().unwrap(), "DIR");
    run
}

#[test]
fn a_table_becomes_a_trace_and_a_dry_run_shows_its_start() {
    let rows: String = (0..12)
        .rev()
        .map(|row| format!("{row};n;k;{row}\n"))
        .collect();
    let table = format!("time;node;key;value\n{rows}");
    let run = import("csv", MAP, &table, &[]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert_eq!(run.out.lines().count(), 12);
    assert_eq!(
        run.out.lines().nth(1),
        Some(r#"{"t":1000,"node":0,"key":"k","op":"set","field":"value","value":1}"#)
    );
    let guesses = "  guessed in DIR/table: delimiter = ';'
  guessed from the first 12 rows of DIR/table: [time] format = \"s\" (then all times are before \
        1980; if they are days of a spreadsheet, export them as dates), column \"value\" type = \
        \"integer\"
  node 0: n
";
    assert_eq!(
        run.err,
        format!("csv: 12 operations, 1 key, 1 node; nothing left out\n{guesses}")
    );
    let dry = import("csv", MAP, &table, &["--dry-run"]);
    let first: String = run
        .out
        .lines()
        .take(10)
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!((dry.status, dry.out), (0, first));
    let shown = "csv: 12 operations, of which the first are shown; nothing left out\n";
    assert_eq!(dry.err, format!("{shown}{guesses}"));
}

#[test]
fn a_guessed_map_imports_its_table_from_stdin() {
    let table = "at,host,id,temperature,on\n\
                 2024-01-01 00:00:00+01:00,a,7,3.5,true\n\
                 2024-01-01 00:00:02+01:00,b,7,4.25,false\n";
    let map = atomik_with(&["eval", "import", "csv", "--guess"], table);
    assert_eq!((map.status, map.err.as_str()), (0, ""), "{}", map.out);
    let folder = Folder::new();
    let file = folder.file("map.toml", &map.out);
    let run = atomik_with(&["eval", "import", "csv", "--map", &file], table);
    assert_eq!(
        run.out.lines().map(str::to_owned).collect::<Vec<_>>(),
        [
            r#"{"t":0,"node":0,"key":"7","op":"set","field":"temperature","value":350}"#,
            r#"{"t":0,"node":0,"key":"7","op":"set","field":"on","value":true}"#,
            r#"{"t":2000,"node":1,"key":"7","op":"set","field":"temperature","value":425}"#,
            r#"{"t":2000,"node":1,"key":"7","op":"set","field":"on","value":false}"#,
        ],
        "{}\n{}",
        run.err,
        map.out
    );
}

#[test]
fn a_map_or_guess_is_needed_and_not_both() {
    for args in [
        &["eval", "import", "csv", "x.csv"][..],
        &["eval", "import", "csv", "--guess", "--map", "m", "x.csv"],
        &["eval", "import", "csv", "--guess", "-o", "m", "x.csv"],
        &[
            "eval",
            "import",
            "jsonl",
            "--dry-run",
            "-o",
            "m",
            "--map",
            "m",
        ],
    ] {
        assert_eq!(atomik(args).status, 2, "{args:?}");
    }
}

#[test]
fn bad_tables_are_refused_with_line_column_and_what_to_do() {
    let head = "time,node,key,value\n1,n,k,5\n";
    let berlin = MAP.replace(
        "column = \"time\"",
        "column = \"time\"\nformat = \"iso\"\nzone = \"Europe/Berlin\"",
    );
    let with = |from: &str, to: &str| MAP.replace(from, to);
    let op = with(
        "[time]",
        "op = { column = \"value\", values = { a = \"set\" } }\n[time]",
    );
    let cases: Vec<(String, String, &str)> = vec![
        // The form of the table.
        (MAP.into(), String::new(), "DIR/table: is empty"),
        (
            MAP.into(),
            format!("{head}1,n,k\n"),
            "DIR/table:3: 3 cells where the first row has 4: write `ragged",
        ),
        (
            MAP.into(),
            format!("{head}1,n,k,5,6\n"),
            "DIR/table:3: 5 cells where the first row has 4: is the delimiter",
        ),
        (
            MAP.into(),
            format!("{head}1,n,\"k,5\n2,n,k,5\n"),
            "DIR/table:3: a quote of this row is never closed",
        ),
        (
            MAP.into(),
            format!("{head}1,\"n\",\"k\"k,5\n2,n,k,5\n"),
            "DIR/table:3: a cell goes on after its closing quote: double quotes within cells",
        ),
        (
            MAP.into(),
            "time,node,key\n1,n,k\n".into(),
            "DIR/table: no column \"value\", which the map names; there is \"time\", \"node\", \
             \"key\"",
        ),
        (
            MAP.into(),
            "time,node,key,value,value\n1,n,k,5,5\n".into(),
            "two columns are called \"value\", number 4 and number 5",
        ),
        // Times.
        (
            MAP.into(),
            "time,node,key,value\n1,n,k,5\nx,n,k,5\n".into(),
            "DIR/table:2: column \"time\": \"1\" is not a time",
        ),
        (
            MAP.into(),
            "time,node,key,value\n,n,k,5\n".into(),
            "DIR/table:2: column \"time\" is empty, but it is the time",
        ),
        (
            MAP.into(),
            "time,node,key,value\n2024-01-01,n,k,5\n".into(),
            "has no offset from UTC: write `zone = \"UTC\"`",
        ),
        (
            berlin.clone(),
            "time,node,key,value\n2024-10-27 02:30:00,n,k,5\n".into(),
            "occurs twice in Europe/Berlin: write `repeated",
        ),
        (
            berlin.clone(),
            "time,node,key,value\n2024-03-31 02:30:00,n,k,5\n".into(),
            "does not occur in Europe/Berlin, whose clocks skip it: write `missing",
        ),
        (
            with("column = \"time\"", "column = \"time\"\nformat = \"s\""),
            "time,node,key,value\n0,n,k,5\n9999999999999999,n,k,5\n".into(),
            "years after the first row: is the unit",
        ),
        // Nodes, keys, ops, values.
        (
            MAP.into(),
            format!("{head}1,,k,5\n"),
            "DIR/table:3: column \"node\" is empty, but it is the node",
        ),
        (
            MAP.into(),
            format!("{head}1,n,,5\n"),
            "DIR/table:3: column \"key\" is empty, but it is the key",
        ),
        (
            MAP.into(),
            format!("{head}1,n,{},5\n", "k".repeat(513)),
            "DIR/table:3: the key has 513 bytes; it may have at most 512",
        ),
        (
            op,
            format!("{head}1,n,k,5\n"),
            "DIR/table:2: column \"value\" is \"5\", which its `values` do not name: add \"5\" =",
        ),
        (
            with(
                "column = \"value\"",
                "column = \"value\"\nop = { column = \"key\" }",
            ),
            head.into(),
            "DIR/table:2: op \"k\" is unknown",
        ),
        (
            MAP.into(),
            "time,node,key,value\n1,n,k,18446744073709551615\n".into(),
            "DIR/table:2: column \"value\": 18446744073709551615 does not fit an integer of 64 \
             bits with a sign: write `type = \"text\"`",
        ),
        (
            MAP.into(),
            "time,node,key,value\n1,n,k,1e3\n".into(),
            "column \"value\": 1e3 is not written as an integer: write `type = \"decimal:0\"`",
        ),
        (
            MAP.into(),
            "time,node,key,value\n1,n,k,3.540\n".into(),
            "column \"value\": 3.540 is not written as an integer: write `type = \"decimal:2\"`",
        ),
        (
            with("column = \"value\"", "column = \"value\"\nop = \"add\""),
            "time,node,key,value\n1,n,k,x\n".into(),
            "DIR/table:2: column \"value\": add takes an integer, not \"x\"",
        ),
        (
            with(
                "column = \"value\"",
                "column = \"value\"\nempty = \"refuse\"",
            ),
            format!("{head}1,n,k,\n"),
            "DIR/table:3: column \"value\" is empty: fill it in, or write `empty = \"skip\"`",
        ),
        (
            with(
                "[[field]]",
                "[csv]\nnulls = [\"-\"]\n[[field]]\nnull = \"refuse\"",
            ),
            format!("{head}1,n,k,-\n"),
            "DIR/table:3: column \"value\" is null: fill it in, or write `null = \"skip\"`",
        ),
        (
            format!(
                "{MAP}[[field]]\nname = \"value\"\nop = \"toggle\"\n[[field]]\nname = \
                 \"value\"\nop = \"append\"\nvalue = 1\n"
            ),
            head.into(),
            "DIR/table:2: append makes the field \"value\" a list, but since DIR/table:2 it is \
             a register",
        ),
    ];
    for (map, table, message) in cases {
        let run = import("csv", &map, &table, &[]);
        assert_eq!(run.status, 2, "{table}\n{}", run.err);
        assert!(run.err.contains(message), "{table}\n{}", run.err);
    }
    // A quote that is never closed makes the rest one row, of which only so much is read.
    let endless = format!("{head}1,n,k,\"{}", "5\n".repeat(9 << 20));
    let run = import("csv", MAP, &endless, &[]);
    assert_eq!(run.status, 2);
    let message = "DIR/table: a row of more than 16 MiB: close its quotes, or split it";
    assert!(run.err.contains(message), "{}", run.err);
    let returns = format!("{head}1,n,k\n").replace('\n', "\r");
    let run = import("csv", MAP, &returns, &[]);
    assert!(run.err.contains("DIR/table:3: 3 cells"), "{}", run.err);
    let utf8 = [head.as_bytes(), b"1,n,k,\xe4\n"].concat();
    let run = import("csv", MAP, utf8, &[]);
    let message = "DIR/table:3: column \"value\" is not UTF-8: convert the file, for example with";
    assert!(run.err.contains(message), "{}", run.err);
    let run = import("csv", MAP, b"\xff\xfet\0", &[]);
    assert!(run.err.contains("iconv -f UTF-16"), "{}", run.err);
}

#[test]
fn bad_json_is_refused_with_line_and_column() {
    let good = r#"{"time":1,"node":"n","key":"k","value":5}"#;
    for (line, message) in [
        (
            "{",
            "DIR/table:2: EOF while parsing an object: write one JSON value per line, for example \
             with `jq -c .`",
        ),
        (
            r#"{"time":1,"time":2}"#,
            "DIR/table:2: the member \"time\" twice",
        ),
        (
            &good.replace('5', "3.540"),
            "DIR/table:2: column \"value\": 3.540 is not written as an integer: write `type = \
             \"decimal:2\"`",
        ),
        (
            &good.replace('5', "18446744073709551615"),
            "column \"value\": 18446744073709551615 does not fit",
        ),
        (
            &good.replace('5', "[5]"),
            "column \"value\": an array is not a value: name a path into it",
        ),
        (
            &good.replace("\"k\"", "{}"),
            "column \"key\" is an object, but it is the key",
        ),
        (
            &good.replace("\"k\"", "null"),
            "column \"key\" is null, but it is the key",
        ),
        (
            &good.replace(r#""node":"n","#, ""),
            "column \"node\" is empty, but it is the node",
        ),
        (
            &good.replace(":1", ":true"),
            "column \"time\" is not a time: map another column",
        ),
    ] {
        let run = import("jsonl", MAP, format!("{good}\n{line}\n"), &[]);
        assert_eq!(
            (run.status, run.out.as_str()),
            (2, ""),
            "{line}\n{}",
            run.err
        );
        assert!(run.err.contains(message), "{line}\n{}", run.err);
    }
}

#[test]
fn what_is_of_another_form_is_refused_with_the_command_that_takes_it() {
    let json = "{\"time\":1,\"node\":\"n\",\"key\":\"k\",\"value\":5}";
    let array = format!("[{json},\n{json}]\n");
    let unpack = "write one JSON value per line, for example with `jq -c '.[]'`";
    for (form, table, message) in [
        (
            "csv",
            json,
            "DIR/table: is JSON: import it with `atomik eval import jsonl`",
        ),
        (
            "csv",
            &array,
            "DIR/table: is a JSON array: make JSON lines of it",
        ),
        ("jsonl", &array, unpack),
        ("jsonl", &array.replace('\n', ""), unpack),
        (
            "jsonl",
            "time,node,key,value\n1,n,k,5\n",
            "DIR/table:1: not JSON: expected ident: write one JSON value per line; `atomik eval \
             import csv` takes delimited values",
        ),
    ] {
        let folder = Folder::new();
        let file = folder.file("table", table);
        let guess = atomik(&["eval", "import", form, "--guess", &file]);
        let guess = Run {
            err: guess.err.replace(folder.0.path().to_str().unwrap(), "DIR"),
            ..guess
        };
        for run in [import(form, MAP, table, &[]), guess] {
            assert_eq!((run.status, run.out.as_str()), (2, ""), "{table}");
            assert!(run.err.contains(message), "{table}: {}", run.err);
        }
    }
    for form in ["debezium", "maxwell", "wal2json"] {
        for table in [&array, &array.replace('\n', "")] {
            let run = atomik_with(&["eval", "import", form], table.as_str());
            assert_eq!((run.status, run.out.as_str()), (2, ""), "{form}");
            assert!(run.err.contains(unpack), "{form}: {}", run.err);
        }
    }
}

#[test]
fn an_input_without_operations_is_bad_input() {
    for (form, table) in [
        ("csv", "time,node,key,value\n"),
        ("jsonl", ""),
        ("jsonl", "\n"),
    ] {
        for more in [&[][..], &["--dry-run"]] {
            let run = import(form, MAP, table, more);
            let message = format!("{form}: no operations: the input has no data, or nothing below");
            assert_eq!((run.status, run.out.as_str()), (2, ""), "{table:?}");
            assert!(run.err.contains(&message), "{table:?}: {}", run.err);
        }
    }
    for form in ["debezium", "maxwell", "wal2json"] {
        let run = atomik(&["eval", "import", form]);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{form}");
        assert!(
            run.err.contains("no operations: the input has no data"),
            "{}",
            run.err
        );
    }
    let run = import("csv", MAP, "time,node,key,value\n1,n,k,\n", &[]);
    assert_eq!((run.status, run.out.as_str()), (2, ""));
    let message =
        "csv: no operations: left out: empty cells of column \"value\" (1); change the map";
    assert!(run.err.contains(message), "{}", run.err);
    // A file that has a trace keeps it.
    let folder = Folder::new();
    let table = folder.file("table.csv", "time,node,key,value\n");
    let map = folder.file("map.toml", MAP);
    let trace = folder.file("trace.jsonl", "the old trace");
    let run = atomik(&["eval", "import", "csv", "--map", &map, &table, "-o", &trace]);
    assert_eq!(run.status, 2);
    assert_eq!(std::fs::read_to_string(trace).unwrap(), "the old trace");
}

#[test]
fn days_of_a_spreadsheet_are_doubted_where_their_format_is_guessed() {
    let table = "time,node,key,value\n45413.5,n,k,1\n45414.5,n,k,2\n";
    let run = import("csv", MAP, table, &[]);
    assert_eq!(run.status, 0, "{}", run.err);
    let doubt = "then all times are before 1980; if they are days of a spreadsheet";
    let said =
        format!("guessed from the first 2 rows of DIR/table: [time] format = \"s\" ({doubt}");
    assert!(run.err.contains(&said), "{}", run.err);
    let folder = Folder::new();
    let table = folder.file("table.csv", table);
    let guess = atomik(&["eval", "import", "csv", "--guess", &table]);
    assert!(
        guess.out.contains(&format!("\n# TODO: {doubt}")),
        "{}",
        guess.out
    );
    // Once the map says that they are seconds, or where they are later, nothing is doubted.
    let map = MAP.replace("\"time\"", "\"time\"\nformat = \"s\"");
    let run = import("csv", &map, "time,node,key,value\n45413.5,n,k,1\n", &[]);
    assert!(!run.err.contains("1980"), "{}", run.err);
    let run = import("csv", MAP, "time,node,key,value\n1711846200,n,k,1\n", &[]);
    assert!(!run.err.contains("1980"), "{}", run.err);
    assert!(
        run.err.contains("guessed from the first row of"),
        "{}",
        run.err
    );
}

#[test]
fn space_around_the_name_of_a_node_is_shown() {
    let table = "time,node,key,value\n1,a,k,1\n2,\"a \",k,2\n";
    let run = import("csv", MAP, table, &[]);
    assert!(
        run.err.ends_with("  node 0: a\n  node 1: \"a \"\n"),
        "{}",
        run.err
    );
}

#[test]
fn bad_maps_are_refused_with_what_to_write() {
    let with = |from: &str, to: &str| MAP.replace(from, to);
    for (map, message) in [
        ("x".into(), "DIR/map.toml:1: "),
        (
            with("key = { column", "key = { colum"),
            "DIR/map.toml:2: unknown field `colum`",
        ),
        (
            with("key = { column = \"key\" }", "key = 5"),
            "DIR/map.toml:2: invalid type: integer `5`, expected a string that stands for \
             itself, or { column = \"NAME\" }",
        ),
        (
            with("key = { column = \"key\" }", "key = { }"),
            "write either column = ",
        ),
        (
            with("column = \"time\"", ""),
            "DIR/map.toml: [time]: write either column = ",
        ),
        (
            with("column = \"time\"", "column = \"time\"\nformat = \"unix\""),
            "DIR/map.toml: \"unix\" is not a time format: write iso",
        ),
        (
            with("column = \"time\"", "column = \"time\"\nzone = \"Berlin\""),
            "\"Berlin\" is not a time zone",
        ),
        (
            with("column = \"value\"", "column = \"value\"\ntype = \"float\""),
            "DIR/map.toml:7: \"float\" is not a type: write text",
        ),
        (
            with("column = \"value\"", "column = \"value\"\nop = \"put\""),
            "op \"put\" is unknown: write one of toggle, set",
        ),
        (
            with("column = \"value\"", "name = \"x\""),
            "set needs a value: write column =",
        ),
        (
            with("column = \"value\"", "column = \"value\"\nvalue = 1"),
            "has a value as well: remove one",
        ),
        (
            with("column = \"value\"", "value = 1.5"),
            "value = 1.5 in [[field]] is not a boolean",
        ),
        (
            with("[[field]]\ncolumn = \"value\"\n", ""),
            "DIR/map.toml: no [[field]]",
        ),
        (
            with("[time]", "[csv]\ndelimiter = \"→\"\n[time]"),
            "not an ASCII character",
        ),
        (
            with("[time]", "[csv]\ndelimiter = \"'\"\nquote = \"'\"\n[time]"),
            "delimiter and quote are both '\\''",
        ),
        (
            with("\"time\"", "\"time\"\nformat = \"s\"\nzone = \"UTC\""),
            "[time] has format = \"s\", a number since 1970 in UTC",
        ),
        (
            with(
                "\"time\"",
                "\"time\"\nformat = \"ms\"\nrepeated = \"first\"",
            ),
            "repeated and missing mean nothing: remove them",
        ),
        (
            with("[[field]]", "[[field]]\ncolumn = \"value\"\n[[field]]"),
            "two [[field]] set \"value\"",
        ),
        (
            with("column = \"value\"", "column = \"value\"\nop = \"toggle\""),
            "toggle takes no value, so nothing is read from column \"value\": write name = ",
        ),
    ] {
        let run = import("csv", &map, "time,node,key,value\n1,n,k,5\n", &[]);
        assert_eq!(
            (run.status, run.out.as_str()),
            (2, ""),
            "{map}\n{}",
            run.err
        );
        assert!(run.err.contains(message), "{map}\n{}", run.err);
    }
    let folder = Folder::new();
    let binary = folder.file("map.toml", b"\xff");
    let run = atomik(&["eval", "import", "csv", "--map", &binary]);
    assert_eq!(run.status, 2);
    assert!(
        run.err.contains("not UTF-8, so it is not a map"),
        "{}",
        run.err
    );
    let run = atomik(&["eval", "import", "csv", "--map", "/nonexistent/map.toml"]);
    assert_eq!(run.status, 2);
    assert!(
        run.err.starts_with("atomik: /nonexistent/map.toml: "),
        "{}",
        run.err
    );
}

#[test]
fn changes_of_a_database_become_a_trace() {
    let folder = Folder::new();
    let row = |kind: &str, ts: u64, data: &str| {
        format!(r#"{{"database":"shop","table":"items","type":"{kind}","ts":{ts},"data":{data}}}"#)
    };
    let lines = [
        row("insert", 1, r#"{"id":1,"price":3.50,"who":"ann"}"#),
        row("delete", 2, r#"{"id":1,"price":3.50,"who":"bob"}"#),
    ];
    let file = folder.file("changes.json", lines.join("\n"));
    let all = ["eval", "import", "maxwell", &file];
    let keyed = [
        "--key",
        "items=id",
        "--node-column",
        "who",
        "--type",
        "price=decimal:2",
    ];
    let run = atomik(&[&all[..], &keyed].concat());
    assert_eq!(
        run.out,
        "{\"t\":0,\"node\":0,\"key\":\"shop.items/1\",\"op\":\"set\",\"field\":\"items.price\",\
         \"value\":350}\n{\"t\":1000,\"node\":1,\"key\":\"shop.items/1\",\"op\":\"delete\"}\n"
    );
    assert_eq!(
        run.err,
        "maxwell: 2 operations, 1 key, 2 nodes; nothing left out\n  times are whole seconds, so \
         changes within a second count as concurrent\n  node 0: ann\n  node 1: bob\n"
    );
    let run = atomik(&all);
    let message = format!(
        "{file}:1: the data does not say what the primary key of shop.items is: write `--key \
         shop.items=COLUMN`, with commas between several columns, or `--skip shop.items`"
    );
    assert_eq!(run, crate::refused(2, &message));
    for bad in [
        &["--key", "items="][..],
        &["--type", "price"],
        &["--type", "price=float"],
    ] {
        assert_eq!(atomik(&[&all[..], bad].concat()).status, 2, "{bad:?}");
    }
    let dry = atomik(&[&all[..], &keyed, &["--dry-run"]].concat());
    assert_eq!(dry.out.lines().count(), 2);
}

/// The first block of code in this language below the heading.
fn block<'a>(page: &'a str, heading: &str, language: &str) -> &'a str {
    let (_, below) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, code) = below.split_once(&format!("\n```{language}\n")).unwrap();
    code.split_once("```\n").unwrap().0
}

#[test]
fn the_commands_of_the_documentation_lead_from_a_file_to_the_verdict_it_names() {
    let page = include_str!("../../../../../docs/evaluation.md");
    let block = |language| block(page, "From a file to a verdict", language);
    let folder = Folder::new();
    let path = |name: &str| folder.0.path().join(name).to_str().unwrap().to_owned();
    folder.file("doors.csv", block("csv"));
    let names = ["doors.csv", "map.toml", "trace.jsonl"];
    let runs: Vec<Run> = block("sh")
        .lines()
        .map(|line| {
            let command = line.split(['#', '>']).next().unwrap();
            let words: Vec<String> = command
                .split_whitespace()
                .skip(1)
                .map(|word| {
                    if names.contains(&word) {
                        path(word)
                    } else {
                        word.to_owned()
                    }
                })
                .collect();
            let run = atomik(&words.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(run.status, 0, "{line}: {}", run.err);
            if line.contains("--guess") {
                folder.file("map.toml", block("toml"));
            }
            run
        })
        .collect();
    let [guessed, imported, fit] = &runs[..] else {
        panic!("three commands");
    };
    for part in ["node = \"one\"  ", "key = \"one\"  ", "column = \"at\""] {
        assert!(guessed.out.contains(part), "{part}: {}", guessed.out);
    }
    assert!(
        imported.err.contains("4 operations, 2 keys, 2 nodes"),
        "{}",
        imported.err
    );
    let headline = fit.out.lines().next().unwrap();
    let section = page.split_once("## From a file to a verdict").unwrap().1;
    assert!(
        section.contains(&format!("`fit` prints `{headline}`")),
        "{headline}"
    );
    assert!(
        fit.out.contains("key \"D1\": nodes 0 and 1 within 4000 ms"),
        "{}",
        fit.out
    );
}
