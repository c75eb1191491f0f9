//! Exports of other programs, from the file to the verdict: a ticket system's history with local
//! times, a bank statement, a Debezium stream of two tables, telemetry, and a spreadsheet.

use std::path::Path;

use crate::{Folder, Run, atomik};

fn export(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/atomik/eval/exports");
    folder.join(name).to_str().unwrap().to_owned()
}

/// Imports and judges; returns both runs, the first with its trace.
pub fn judged(args: &[&str]) -> (Run, Run) {
    let folder = Folder::new();
    let imported = atomik(&[&["eval", "import"], args].concat());
    assert_eq!(imported.status, 0, "{}", imported.err);
    let trace = folder.file("trace.jsonl", &imported.out);
    let fit = atomik(&["eval", "fit", &trace]);
    assert_eq!(fit.status, 0, "{}", fit.err);
    (imported, fit)
}

fn table(form: &str, name: &str, map: &str) -> (Run, Run) {
    judged(&[form, "--map", &export(map), &export(name)])
}

/// The lines of a guess that are no comments.
fn guessed(form: &str, name: &str) -> Vec<String> {
    let run = atomik(&["eval", "import", form, "--guess", &export(name)]);
    assert_eq!(run.status, 0, "{}", run.err);
    let lines = run.out.lines().map(|line| line.trim_end().to_owned());
    lines.filter(|line| !line.starts_with('#')).collect()
}

pub fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

/// Whether the parts come one after the other.
fn in_order(text: &str, parts: &[&str]) {
    let places: Vec<usize> = parts.iter().map(|part| text.find(part).unwrap()).collect();
    assert!(places.is_sorted(), "{parts:?}\n{text}");
}

#[test]
fn the_history_of_a_ticket_system_has_fields_by_name_and_local_times() {
    let guess = guessed("csv", "tickets.csv").join("\n");
    has(
        &guess,
        &[
            "node = { column = \"Changed by\" }",
            "key = { column = \"Ticket ID\" }",
            "column = \"Changed at\"  # or",
            "zone = \"UTC\"               # TODO",
        ],
    );
    let map = std::fs::read_to_string(export("tickets.toml")).unwrap();
    let folder = Folder::new();
    let map = folder.file("map.toml", map.replace("repeated = \"first\"\n", ""));
    let run = atomik(&[
        "eval",
        "import",
        "csv",
        "--map",
        &map,
        &export("tickets.csv"),
    ]);
    assert_eq!(run.status, 2);
    has(
        &run.err,
        &[
            "tickets.csv:8: column \"Changed at\"",
            "write `repeated = \"first\"`",
        ],
    );
    let (imported, fit) = table("csv", "tickets.csv", "tickets.toml");
    has(&imported.err, &["csv: 14 operations, 3 keys, 3 nodes"]);
    has(
        &fit.out,
        &[
            "DOES NOT FIT\n",
            "\"Status\", 64.29 % of the operations",
            "number the 4 values",
        ],
    );
}

#[test]
fn a_bank_statement_has_movements_with_thousands_and_decimal_commas() {
    let guess = guessed("csv", "statement.csv").join("\n");
    has(
        &guess,
        &[
            "key = { column = \"Account\" }",
            "column = \"Booking date\"  # or",
            "format = \"%d.%m.%Y\"",
            "delimiter = \";\"\ndecimal_mark = \",\"\nthousands_mark = \".\"",
            "column = \"Amount\"\ntype = \"decimal:2\"",
        ],
    );
    let (imported, fit) = table("csv", "statement.csv", "statement.toml");
    has(
        &imported.err,
        &[
            "7 operations, 2 keys, 1 node",
            "every row has the node \"bank\", so nothing is",
        ],
    );
    has(
        &imported.out,
        &["\"op\":\"add\",\"field\":\"balance\",\"value\":-115000}"],
    );
    has(
        &fit.out,
        &[
            "FITS WITH CONDITIONS\n",
            "Condition: a single node writes",
            "add:32 for \"balance\"",
        ],
    );
}

#[test]
fn a_stream_of_two_tables_asks_for_their_keys_and_who_wrote() {
    let stream = export("shop.debezium.jsonl");
    let run = atomik(&["eval", "import", "debezium", &stream]);
    assert_eq!(run.status, 2);
    has(
        &run.err,
        &["shop.debezium.jsonl:1: ", "`--key shop.customers=COLUMN`"],
    );
    let keys = [
        "debezium",
        &stream,
        "--key",
        "customers=id",
        "--key",
        "orders=order_no",
    ];
    let (imported, fit) = judged(&keys);
    has(
        &imported.err,
        &["name the column that says who wrote with --node-column"],
    );
    has(
        &fit.out,
        &[
            "FITS WITH CONDITIONS\n",
            "or `--node-column` for changes of a database",
        ],
    );
    let more = ["--node-column", "edited_by", "--type", "credit=decimal:2"];
    let (imported, fit) = judged(&[&keys[..], &more].concat());
    has(
        &imported.err,
        &["node 0: web-1", "node 1: web-2", "node 2: depot"],
    );
    assert!(!imported.err.contains("--node-column"), "{}", imported.err);
    has(
        &fit.out,
        &[
            "DOES NOT FIT\n",
            "\"orders.state\", ",
            "number the 3 values and `set` the number",
        ],
    );
}

#[test]
fn telemetry_has_paths_and_the_worst_field_is_first() {
    let guess = guessed("jsonl", "telemetry.jsonl").join("\n");
    has(
        &guess,
        &[
            "node = { column = \"controller.host\" }",
            "column = \"ts\"",
            "format = \"ms\"",
        ],
    );
    let array = std::fs::read_to_string(export("telemetry.jsonl")).unwrap();
    let array = format!("[{}]", array.trim_end().replace('\n', ",\n"));
    let folder = Folder::new();
    let array = folder.file("telemetry.json", array);
    for form in ["csv", "jsonl"] {
        let run = atomik(&["eval", "import", form, "--guess", &array]);
        assert_eq!(run.status, 2);
        has(&run.err, &["for example with `jq -c '.[]'`"]);
    }
    let (imported, fit) = table("jsonl", "telemetry.jsonl", "telemetry.toml");
    has(
        &imported.err,
        &[
            "87 operations, 2 keys, 2 nodes",
            "null cells of column \"reading.temp\" (8)",
        ],
    );
    // Of 32, 31 and 24 operations, 30, 24 and 18 are wrong.
    in_order(
        &fit.out,
        &[
            "DOES NOT FIT\n",
            "\"reading.packets\", ",
            "\"valve\", ",
            "\"reading.temp\", ",
        ],
    );
    has(
        &fit.out,
        &[
            "`add` what it grows by",
            "make \"shut\" and \"open\" a flag",
        ],
    );
}

#[test]
fn a_spreadsheet_has_a_mark_quoted_newlines_and_dates() {
    let guess = atomik(&["eval", "import", "csv", "--guess", &export("stock.csv")]);
    has(
        &guess.out,
        &[
            "node = { column = \"Counted by\" }",
            "key = { column = \"Shelf / Article\" }",
            "column = \"Day\"  # or",
            "column = \"On order?\"\ntype = \"boolean\"",
            "such as \"delivery late,\\r\\nask supplier\"",
        ],
    );
    // The guess is a map, and what it does not know is listed.
    let folder = Folder::new();
    let map = folder.file("map.toml", &guess.out);
    let (imported, _) = judged(&["csv", "--map", &map, &export("stock.csv")]);
    let line = guess
        .out
        .lines()
        .position(|line| line.contains("TODO"))
        .unwrap()
        + 1;
    has(
        &imported.err,
        &[&format!("map.toml still has TODO on line {line}: ")],
    );
    let (imported, fit) = table("csv", "stock.csv", "stock.toml");
    has(
        &imported.err,
        &[
            "17 operations, 3 keys, 2 nodes",
            "empty cells of column \"Remark\" (4)",
        ],
    );
    assert!(!imported.err.contains("TODO"), "{}", imported.err);
    has(
        &imported.out,
        &["\"value\":\"delivery late,\\r\\nask supplier\""],
    );
    has(&fit.out, &["FITS WITH CONDITIONS\n", "\"Pieces\", 41.18 %"]);
    let head = std::fs::read_to_string(export("stock.csv")).unwrap();
    let head = folder.file("head.csv", head.lines().next().unwrap());
    let run = atomik(&[
        "eval",
        "import",
        "csv",
        "--map",
        &export("stock.toml"),
        &head,
    ]);
    assert_eq!(run.status, 2);
    has(
        &run.err,
        &["csv: no operations: the input has no data, or nothing below its header"],
    );
}
