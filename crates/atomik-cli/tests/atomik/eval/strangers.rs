//! Data of the kinds that strangers bring, made up, with verdicts computed by hand.

use std::fmt::Write as _;
use std::process::Command;

use super::exports::{has, judged};
use crate::{Folder, Run, atomik};

/// The import of a table with a map, and its verdict.
fn verdict(form: &str, map: &str, table: &str) -> (Run, Run) {
    let folder = Folder::new();
    let map = folder.file("map.toml", map);
    let table = folder.file("table", table);
    judged(&[form, "--map", &map, &table])
}

/// The blocks of a language in the documentation of event logs.
fn documented(language: &str) -> Vec<&'static str> {
    let page = include_str!("../../../../../docs/evaluation.md");
    let (_, below) = page.split_once("\n## Importing event logs\n").unwrap();
    let (section, _) = below.split_once("\n## ").unwrap();
    let fence = format!("```{language}\n");
    let blocks = section.split(fence.as_str()).skip(1);
    blocks
        .map(|block| block.split_once("```\n").unwrap().0)
        .collect()
}

/// The JSON lines that a documented script makes of a log.
fn rows(script: &str, log: &str) -> String {
    let folder = Folder::new();
    let output = Command::new("python3")
        .arg(folder.file("script.py", script))
        .arg(folder.file("log", log))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A log of 1,000 incidents with an event each, two hours apart, by eight groups. At the last, a
/// second group adds an event five seconds later.
fn incidents() -> String {
    let mut log = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <log xes.version=\"1.0\" xmlns=\"http://www.xes-standard.org/\">\n\
         <global scope=\"event\"><string key=\"concept:name\" value=\"none\"/></global>\n"
        .to_owned();
    let event = |hours: usize, seconds: usize, group: usize, states: [&str; 3]| {
        let [status, phase, impact] = states;
        let (day, hour) = (hours / 24, hours % 24);
        let (month, day) = (1 + day / 28, 1 + day % 28);
        format!(
            "<event><date key=\"time:timestamp\" \
             value=\"2024-{month:02}-{day:02}T{hour:02}:00:{seconds:02}.000+02:00\"/>\
             <string key=\"org:group\" value=\"G{group}\"/>\
             <string key=\"concept:name\" value=\"{status}\"/>\
             <string key=\"lifecycle:transition\" value=\"{phase}\"/>\
             <string key=\"impact\" value=\"{impact}\"/></event>\n"
        )
    };
    for case in 0..1_000 {
        let hours = case * 2;
        let mut events = event(hours, 0, case % 8, ["Accepted", "In Progress", "Medium"]);
        if case == 999 {
            events += &event(hours, 5, 3, ["Queued", "Awaiting Assignment", "Low"]);
        }
        let _ = writeln!(
            log,
            "<trace><string key=\"concept:name\" value=\"1-{case}\"/>\n{events}</trace>"
        );
    }
    log + "</log>\n"
}

#[test]
fn the_headline_of_an_incident_log_names_the_overlap_and_not_the_padding() {
    let rows = rows(documented("python")[0], &incidents());
    assert_eq!(rows.lines().count(), 1_001);
    let map = documented("toml")[0].to_owned()
        + "[[field]]\ncolumn = \"lifecycle:transition\"\n[[field]]\ncolumn = \"impact\"\n";
    let (imported, fit) = verdict("jsonl", &map, &rows);
    has(&imported.err, &["3,003 operations, 1,000 keys, 8 nodes"]);
    let (headline, fields) = fit
        .out
        .split_once("\n\n")
        .unwrap()
        .1
        .split_once("\n\n")
        .unwrap();
    has(&fit.out, &["FITS WITH CONDITIONS\n"]);
    // Both writers start from nothing, so both write bits that both of their strings have.
    let overlap = "1 of 1,001 operations (0.10 %) overlap within 1 h, and 1 leave a wrong \
                   state that is reported";
    assert_eq!(headline.matches(overlap).count(), 3, "{headline}");
    let padding = "values never grow longer than here";
    assert_eq!(headline.matches(padding).count(), 0, "{headline}");
    assert_eq!(fields.matches(padding).count(), 3, "{fields}");
}

#[test]
fn the_documented_commands_judge_an_incident_log() {
    let folder = Folder::new();
    let path = |name: &str| folder.path(name).to_str().unwrap().to_owned();
    folder.file(
        "incidents.jsonl",
        rows(documented("python")[0], &incidents()),
    );
    folder.file("map.toml", documented("toml")[0]);
    let mut last = None;
    for line in documented("sh")[0].lines().skip(1) {
        let words = line.split_whitespace().skip(1);
        let words: Vec<String> = words
            .map(|word| match word.contains('.') {
                true => path(word),
                false => word.to_owned(),
            })
            .collect();
        let run = atomik(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(run.status, 0, "{line}: {}", run.err);
        last = Some(run);
    }
    has(&last.unwrap().out, &["FITS WITH CONDITIONS\n"]);
}

#[test]
fn an_order_that_is_paid_for_before_the_bank_knows_of_it_does_not_fit() {
    let log = r#"{"objectTypes": [], "eventTypes": [],
        "objects": [{"id": "o1", "type": "order"}, {"id": "i1", "type": "item"}],
        "events": [
          {"id": "e1", "type": "place order", "time": "2024-05-01T08:00:00Z",
           "attributes": [{"name": "resource", "value": "shop"}],
           "relationships": [{"objectId": "o1", "qualifier": "order"},
                             {"objectId": "i1", "qualifier": "item"}]},
          {"id": "e2", "type": "pay order", "time": "2024-05-01T08:00:02Z",
           "attributes": [{"name": "resource", "value": "bank"}],
           "relationships": [{"objectId": "o1", "qualifier": "order"}]},
          {"id": "e3", "type": "send parcel", "time": "2024-05-02T08:00:00Z",
           "attributes": [{"name": "resource", "value": "depot"}],
           "relationships": [{"objectId": "o1", "qualifier": "order"},
                             {"objectId": "i1", "qualifier": "item"}]}]}"#;
    let rows = rows(documented("python")[1], log);
    let map = "node = { column = \"resource\" }\nkey = { column = \"object\" }\n[time]\n\
               column = \"time\"\n[[field]]\ncolumn = \"activity\"\n";
    let (imported, fit) = verdict("jsonl", map, &rows);
    has(&imported.err, &["5 operations, 2 keys, 3 nodes"]);
    // The parcel, a day later, sets o1 again.
    has(
        &fit.out,
        &[
            "DOES NOT FIT\n",
            "1 of 5 operations (20.00 %) leave a wrong state if a node sees changes of other nodes \
             after 10 s",
        ],
    );
}

#[test]
fn a_history_of_files_fits_while_nobody_is_cut_off_for_an_hour() {
    // As `git log --reverse --raw` has it. Two authors change one file within half an hour.
    let [a, b, c] = ["a", "b", "c"].map(|digit| digit.repeat(40));
    let table = format!(
        "date,author,status,path,blob\n\
         2024-05-01T08:00:00+02:00,ann,A,src/main.rs,{a}\n\
         2024-05-01T08:00:00+02:00,ann,A,README.md,{a}\n\
         2024-05-03T10:00:00+02:00,ann,M,src/main.rs,{b}\n\
         2024-05-03T04:30:00-04:00,bob,M,src/main.rs,{c}\n\
         2024-05-04T10:00:00+02:00,bob,D,README.md,\n"
    );
    let map = "node = { column = \"author\" }\nkey = { column = \"path\" }\n\
               op = { column = \"status\", \
               values = { A = \"set\", M = \"set\", D = \"delete\" } }\n\
               [time]\ncolumn = \"date\"\n[[field]]\ncolumn = \"blob\"\n";
    let (imported, fit) = verdict("csv", map, &table);
    has(&imported.err, &["5 operations, 2 keys, 2 nodes"]);
    has(
        &fit.out,
        &[
            "FITS WITH CONDITIONS\n",
            "no node is cut off for 1 h and more: 1 of 5 operations (20.00 %) leave a \
             wrong state",
            "Up to 1 min, no limit is exceeded.",
        ],
    );
}

#[test]
fn the_log_of_a_package_manager_has_one_writer_and_states_of_several_lengths() {
    let mut table = String::new();
    for (second, state) in ["half-installed", "unpacked", "half-configured", "installed"]
        .into_iter()
        .enumerate()
    {
        for package in ["libc6:amd64", "zlib1g:amd64"] {
            let _ = writeln!(
                table,
                "2024-05-01 08:00:0{second} status {state} {package} 1.2-3"
            );
        }
    }
    let map = "node = \"machine\"\nkey = { column = \"5\" }\n[time]\ncolumns = [\"1\", \"2\"]\n\
               format = \"%Y-%m-%d %H:%M:%S\"\nzone = \"UTC\"\n[csv]\ndelimiter = \" \"\n\
               header = false\n[[field]]\nname = \"state\"\ncolumn = \"4\"\n";
    let (imported, fit) = verdict("csv", map, &table);
    has(
        &imported.err,
        &["8 operations, 2 keys, 1 node", "nothing is concurrent"],
    );
    // (14 + 8 + 15 + 9) / 4 = 11.5.
    has(
        &fit.out,
        &[
            "FITS WITH CONDITIONS\n",
            "They have 8 to 15 bytes, 11.5 on average",
            "Every key has one writer",
        ],
    );
}

#[test]
fn bits_of_a_bloom_filter_that_two_nodes_set_at_once_cancel() {
    let map = "node = { column = \"node\" }\nkey = { column = \"bit\" }\n[time]\ncolumn = \"t\"\n\
               format = \"ms\"\n[[field]]\nname = \"on\"\nvalue = true\n";
    let row =
        |t: u64, node: &str, bit: u64| format!("{{\"t\":{t},\"node\":\"{node}\",\"bit\":{bit}}}\n");
    // A hundred bits, each two hours after the one before, and the first one from a second node.
    let mut table: String = (0..100).map(|bit| row(bit * 7_200_000, "a", bit)).collect();
    table += &row(1_000, "b", 0);
    let (imported, fit) = verdict("jsonl", map, &table);
    has(&imported.err, &["101 operations, 100 keys, 2 nodes"]);
    has(
        &fit.out,
        &[
            "FITS WITH CONDITIONS\n",
            "1 of 101 operations (0.99 %) overlap",
        ],
    );
    // A second such bit is beyond one in a hundred.
    let (_, fit) = verdict("jsonl", map, &(table + &row(7_201_000, "b", 1)));
    has(
        &fit.out,
        &[
            "DOES NOT FIT\n",
            "2 of 102 operations (1.96 %) leave a wrong state",
        ],
    );
}

#[test]
fn transfers_between_accounts_fit_as_movements() {
    // Each transfer is two movements. Two branches move money at once.
    let table = "at,branch,account,cents\n\
                 2024-05-01T08:00:00Z,north,A,-50\n2024-05-01T08:00:00Z,north,B,50\n\
                 2024-05-01T08:00:01Z,south,A,-30\n2024-05-01T08:00:01Z,south,B,30\n";
    let map = "node = { column = \"branch\" }\nkey = { column = \"account\" }\nop = \"add\"\n\
               [time]\n\
               column = \"at\"\n[[field]]\ncolumn = \"cents\"\n";
    let (_, fit) = verdict("csv", map, table);
    has(
        &fit.out,
        &[
            "FITS\n",
            "No reader meets a sum below -80 or above 80, whatever changes it has; add:8 holds",
        ],
    );
    // The balance after each movement is set by two nodes at once.
    let (_, fit) = verdict("csv", &map.replace("\"add\"", "\"set\""), table);
    has(&fit.out, &["DOES NOT FIT\n"]);
}
