//! A real process without peers: options, control connections, SIGTERM and SIGKILL.
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::process::{Members, PATIENCE, PROGRAM, Running, Scoped, is_private, run, stderr};
use serde_json::{Value as Json, json};

fn alone() -> (Members, Running) {
    let members = Members::new(1);
    let node = members.start(0, &[], &["--engine", "none"]);
    (members, node)
}

/// The exit status and stderr of a node that does not start.
fn refused(members: &Members, args: &[&str]) -> (i32, String) {
    let mut command = members.command(0, &[], args);
    let mut node = command.stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while node.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            node.kill().unwrap();
            panic!("the node started although it must not: {args:?}");
        }
        sleep(Duration::from_millis(5));
    }
    let output = node.wait_with_output().unwrap();
    (output.status.code().unwrap(), stderr(&output))
}

/// A node answers one of two requests and is gone. Stdin stays open, as with `tail -f`.
#[test]
fn a_pipe_tells_that_the_node_left_requests_without_an_answer() {
    for ends_stdin in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("control.sock")).unwrap();
        let node = std::thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(&client).lines();
            for _ in 0..3 {
                lines.next().unwrap().unwrap();
            }
            (&client).write_all(b"{\"ok\":true}\n").unwrap();
        });
        let mut pipe = Command::new(PROGRAM)
            .args(["pipe", "--data"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = pipe.stdin.take().unwrap();
        stdin
            .write_all(b"{\"op\":\"status\"}\n\n{\"op\":\"status\"}\n")
            .unwrap();
        let open = (!ends_stdin).then_some(stdin);
        let output = pipe.wait_with_output().unwrap();
        drop(open);
        node.join().unwrap();
        assert_eq!(output.stdout, b"{\"ok\":true}\n");
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        let said = stderr(&output);
        assert!(said.contains("the node closed the connection"), "{said}");
    }
}

#[test]
fn an_invalid_option_is_reported_with_the_next_step() {
    let members = Members::new(1);
    let data = members.data(0);
    let path = |name: &str| data.join(name).to_str().unwrap().to_owned();
    let none = ["--engine", "none"];
    let with = |more: &[&str]| refused(&members, &[&none[..], more].concat());
    let cases: Vec<((i32, String), i32, &str)> = vec![
        (
            refused(&members, &[]),
            2,
            "choose --engine zenoh, nats or none",
        ),
        (
            with(&["--key", &path("nowhere")]),
            2,
            "create it with `atomik-node keygen -o FILE`",
        ),
        (
            with(&["--secret", &path("nowhere")]),
            2,
            "copy it from another member",
        ),
        (
            with(&["--secret", &path("node.key")]),
            2,
            "not one line of `atomik-secret-1`",
        ),
        (
            with(&["--words", "17"]),
            2,
            "words = 17: it must be 1 to 16",
        ),
        (
            with(&["--message-bytes", "70000"]),
            2,
            "it must be 16384 to 65536",
        ),
        (
            with(&["--control", "0.0.0.0:0"]),
            2,
            "allow it with --control-remote",
        ),
        (
            with(&["--http", "0.0.0.0:0"]),
            2,
            "allow it with --http-remote",
        ),
        (
            with(&["--http", "[::]:0", "--control-remote"]),
            2,
            "allow it with --http-remote",
        ),
        (
            with(&["--idle-seconds", "0"]),
            2,
            "idle_seconds = 0: it must be 1 to 86400",
        ),
        (
            with(&["--fsync", "sometimes"]),
            2,
            "use `always`, `never`, or an interval in milliseconds",
        ),
        (with(&["--member", "twin"]), 2, "write NAME=KEY"),
        (
            with(&["--member", &members.list[0].replace("n0=", "twin=")]),
            2,
            "have the same key",
        ),
        (with(&["--keyspace", "a/b"]), 2, "cannot name a keyspace"),
        (
            with(&["--listen", "tcp/127.0.0.1:1"]),
            2,
            "leave it out, or choose another engine",
        ),
        (with(&["--log", "=loud="]), 2, "write for example info"),
        (
            with(&["--config", &path("nowhere.toml")]),
            2,
            "name the config file with --config",
        ),
    ];
    for ((status, text), expected, next) in cases {
        assert_eq!(status, expected, "{next}: {text}");
        assert!(text.contains(next), "{next:?} is missing: {text}");
    }
    let missing = run(&["--engine", "none"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        stderr(&missing).contains("set --keyspace"),
        "{}",
        stderr(&missing)
    );
    // Another node's key.
    let other = Members::new(1);
    let stranger = other.data(0).join("node.key");
    let (status, text) = with(&["--key", stranger.to_str().unwrap()]);
    assert_eq!(status, 2);
    assert!(
        text.contains("is not on the list of members: add it"),
        "{text}"
    );
    // A folder, whose mode says nothing.
    let folder = members.folder.path().join("folder");
    for mode in [0o755, 0o700] {
        let _ = fs::create_dir(&folder);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(&folder, mode).unwrap();
        let (status, text) = with(&["--key", folder.to_str().unwrap()]);
        assert_eq!(status, 2, "{text}");
        assert!(text.contains("a folder, not a file"), "{text}");
    }
    // A key that other users can read.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(data.join("node.key"), open).unwrap();
    let (status, text) = with(&[]);
    assert_eq!(status, 2);
    assert!(text.contains("run `chmod 600` on it"), "{text}");
}

#[test]
fn a_port_in_use_is_reported_with_the_next_step() {
    let members = Members::new(1);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (option, next) in [
        ("--http", "choose a free address with --http"),
        ("--control", "choose a free port with --control"),
    ] {
        let (status, text) = refused(&members, &["--engine", "none", option, &address]);
        assert_eq!(status, 3, "{text}");
        assert!(text.contains(next) && text.contains(&address), "{text}");
    }
}

#[test]
fn every_option_can_be_set_in_the_file_and_the_command_line_wins() {
    let members = Members::new(1);
    let (name, key) = members.list[0].split_once('=').unwrap();
    let file = members.folder.path().join("node.toml");
    let text = format!(
        r#"keyspace = "filed"
           data = "n0"
           engine = "none"
           words = 2
           view = "flags"
           fsync = "interval:50ms"
           undo_batches = 7
           sync_interval_ms = 200
           linger_ms = 5
           message_bytes = 20000
           unflushed_keys = 10
           waiting_changes = 10
           connections = 3
           idle_seconds = 60
           http_remote = true
           control_remote = false
           key = "n0/node.key"
           secret = "n0/keyspace.secret"
           log = "debug"
           log_format = "json"
           listen = []
           connect = []
           http = "127.0.0.1:0"
           [[member]]
           name = "{name}"
           key = "{key}""#
    );
    fs::write(&file, &text).unwrap();
    let start = |more: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command
            .arg("--config")
            .arg(&file)
            .args(more)
            .stderr(Stdio::piped())
            .stdin(Stdio::null());
        Scoped(command.spawn().unwrap())
    };
    let mut node = start(&["--words", "3"]);
    let mut log = BufReader::new(node.0.stderr.take().unwrap()).lines();
    let serving = log
        .find_map(|line| {
            let line: Json = serde_json::from_str(&line.unwrap()).unwrap();
            (line["message"] == "serving").then_some(line)
        })
        .unwrap();
    assert_eq!(serving["keyspace"], "filed");
    let data = members.data(0);
    let status = run(&["status", "--json", "--data", data.to_str().unwrap()]);
    let status: Json = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["status"]["words"], 3);
    assert_eq!(status["status"]["view"], "flags");
    crate::process::signal(node.0.id(), "INT");
    assert!(node.0.wait().unwrap().success());

    fs::write(&file, text.replace("words = 2", "word = 2")).unwrap();
    let output = Command::new(PROGRAM)
        .arg("--config")
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("word"), "{}", stderr(&output));
}

#[test]
fn keys_and_secrets_are_private_and_never_overwritten() {
    let members = Members::new(1);
    for (command, name) in [("keygen", "node.key"), ("secret", "keyspace.secret")] {
        let path = members.data(0).join(name);
        assert!(is_private(&path));
        let before = fs::read(&path).unwrap();
        let again = run(&[command, "-o", path.to_str().unwrap()]);
        assert_eq!(again.status.code(), Some(2));
        assert!(
            stderr(&again).contains("is not replaced"),
            "{}",
            stderr(&again)
        );
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn what_a_node_creates_is_for_its_user_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let members = Members::new(1);
    let data = members.data(0);
    assert_eq!(mode(&data), 0o700, "the folder that keygen creates");
    let new = members.folder.path().join("deep/new");
    let path = |name: &str| data.join(name).to_str().unwrap().to_owned();
    let (key, secret) = (path("node.key"), path("keyspace.secret"));
    let mut command = Command::new(PROGRAM);
    command
        .args(["--keyspace", "test", "--engine", "none", "--data"])
        .arg(&new)
        .args([
            "--member",
            &members.list[0],
            "--key",
            &key,
            "--secret",
            &secret,
        ])
        .stderr(Stdio::null());
    let _node = Scoped(command.spawn().unwrap());
    let start = Instant::now();
    while UnixStream::connect(atomik_node::socket(&new)).is_err() {
        assert!(start.elapsed() < PATIENCE);
    }
    assert_eq!(mode(&new), 0o700);
    assert_eq!(mode(new.parent().unwrap()), 0o700);
    assert!(is_private(&atomik_node::socket(&new)));
}

#[test]
fn a_keyspace_with_a_layout_adds_shows_fields_and_keeps_to_it() {
    let members = Members::new(1);
    let layout = ["--engine", "none", "--layout", "xor:48,add:16"];
    let node = members.start(0, &[], &layout);
    let data = node.data.to_str().unwrap().to_owned();
    let ask = |args: &[&str]| {
        let output = run(&[args, &["--data", &data]].concat());
        let out = String::from_utf8(output.stdout.clone()).unwrap();
        (
            output.status.code().unwrap(),
            out.trim_end().to_owned(),
            stderr(&output),
        )
    };
    let accepted = |args: &[&str]| {
        let (status, out, err) = ask(args);
        assert_eq!(status, 0, "{args:?}: {err}");
        out
    };
    assert_eq!(accepted(&["get", "a"]), "[0x0,0]");
    assert_eq!(accepted(&["add", "a", "5"]), "batch 1");
    assert_eq!(accepted(&["add", "a", "-7"]), "batch 2");
    assert_eq!(accepted(&["toggle", "a", "4"]), "batch 3");
    assert_eq!(accepted(&["get", "a"]), "[0x10,-2]");
    assert_eq!(accepted(&["checkpoint", "create", "one"]), "1");
    assert_eq!(accepted(&["add", "a", "2=10"]), "batch 4");
    assert_eq!(accepted(&["accum", "a", "[0xff,1]"]), "batch 5");
    assert_eq!(accepted(&["list"]), "a [0xef,9]");
    assert_eq!(accepted(&["checkpoint", "export", "1"]), "a [0xff,11]");
    assert_eq!(accepted(&["undo", "4"]), "batch 6");
    assert_eq!(accepted(&["get", "a"]), "[0xef,-1]");
    assert_eq!(accepted(&["put", "a", "[7,-3]"]), "batch 7");
    let answer: Json = serde_json::from_str(&accepted(&["get", "a", "--json"])).unwrap();
    assert_eq!(answer["value"], "0xfffd000000000007");
    assert_eq!(answer["fields"], serde_json::json!(["0x7", -3]));
    assert!(accepted(&["status"]).contains("layout         xor:48,add:16"));
    for (args, told) in [
        (&["toggle", "a", "48"][..], "part of a field that adds"),
        (&["set", "a", "64", "on"], "flags 0 to 63"),
        (&["add", "a", "1=5"], "field 1 does not add"),
        (&["add", "a", "70000"], "does not fit add:16"),
        (&["accum", "a", "-1"], "list with one value per field"),
    ] {
        let (status, _, err) = ask(args);
        assert_eq!(status, 2, "{args:?}: {err}");
        assert!(err.contains(told), "{args:?}: {err}");
    }
    drop(node);

    let (status, err) = refused(&members, &["--engine", "none", "--layout", "add:64"]);
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("set `layout` to xor:48,add:16"), "{err}");
    let (status, err) = refused(&members, &["--engine", "none"]);
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("layout xor:48,add:16, not xor:64"), "{err}");
    let (status, err) = refused(&members, &["--layout", "add:0"]);
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("at least 1"), "{err}");
    let again = members.start(0, &[], &layout);
    assert_eq!(accepted(&["get", "a"]), "[0x7,-3]");
    drop(again);
}

#[test]
fn the_layout_in_the_file_gives_way_to_the_command_line() {
    let members = Members::new(1);
    let file = members.folder.path().join("node.toml");
    let start = |text: &str, more: &[&str]| {
        fs::write(&file, text).unwrap();
        let config = file.to_str().unwrap();
        let args = [&["--engine", "none", "--config", config], more].concat();
        let node = members.start(0, &[], &args);
        let data = node.data.to_str().unwrap().to_owned();
        let status = run(&["status", "--json", "--data", &data]);
        let status: Json = serde_json::from_slice(&status.stdout).unwrap();
        let store = members.data(0).join("store.redb");
        drop(node);
        fs::remove_file(store).unwrap();
        fs::remove_file(members.data(0).join("ACKNOWLEDGED")).unwrap();
        status["status"]["layout"].as_str().unwrap().to_owned()
    };
    assert_eq!(start("layout = \"add:8\"", &[]), "add:8");
    assert_eq!(start("layout = \"add:8\"", &["--layout", "xor:8"]), "xor:8");
    assert_eq!(start("layout = \"add:8\"", &["--words", "2"]), "xor:128");
    assert_eq!(start("words = 3", &["--layout", "add:70"]), "add:70");
    assert_eq!(start("", &[]), "xor:64");
    fs::write(&file, "words = 3\nlayout = \"add:8\"").unwrap();
    let config = file.to_str().unwrap();
    let (status, err) = refused(&members, &["--engine", "none", "--config", config]);
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("leave out `words`"), "{err}");
}

#[test]
fn every_command_does_what_its_help_says() {
    let (_members, node) = alone();
    let data = node.data.to_str().unwrap().to_owned();
    let ask = |args: &[&str]| {
        let output = run(&[args, &["--data", &data]].concat());
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout.clone()).unwrap(),
            stderr(&output),
        )
    };
    let accepted = |args: &[&str]| {
        let (status, out, err) = ask(args);
        assert_eq!(status, 0, "{args:?}: {err}");
        out.trim_end().to_owned()
    };
    assert_eq!(accepted(&["get", "a"]), "0x0000000000000000");
    assert_eq!(accepted(&["put", "a", "0xf0"]), "batch 1");
    assert_eq!(accepted(&["accum", "a", "3"]), "batch 2");
    assert_eq!(accepted(&["toggle", "a", "8"]), "batch 3");
    assert_eq!(accepted(&["set", "a", "8", "on"]), "unchanged");
    assert_eq!(accepted(&["get", "a"]), "0x00000000000001f3");
    assert_eq!(accepted(&["get", "0x61"]), "0x00000000000001f3");
    assert_eq!(accepted(&["checkpoint", "create", "one"]), "1");
    assert_eq!(accepted(&["undo", "2"]), "batch 4");
    assert_eq!(accepted(&["put", "0x00ff", "1"]), "batch 5");
    assert_eq!(
        accepted(&["list"]),
        "a 0x00000000000001f0\n0x00ff 0x0000000000000001"
    );
    assert_eq!(accepted(&["list", "a"]), "a 0x00000000000001f0");
    assert_eq!(accepted(&["checkpoint", "create", "two"]), "2");
    assert_eq!(accepted(&["checkpoint", "list"]), "1 one\n2 two");
    assert_eq!(
        accepted(&["checkpoint", "diff", "1", "2", "a"]),
        "0x0000000000000003"
    );
    assert_eq!(
        accepted(&["checkpoint", "export", "1"]),
        "a 0x0000000000000003\n0x00ff 0x0000000000000001"
    );
    assert_eq!(accepted(&["checkpoint", "drop", "1"]), "");
    assert!(accepted(&["status", "--hash"]).contains("keys           2"));
    assert_eq!(accepted(&["peers"]), "");
    for (args, next) in [
        (&["undo", "2"][..], "undo the undo"),
        (&["checkpoint", "export", "1"], "there is no checkpoint 1"),
        (&["put", "a", "0x10000000000000000"], "does not fit"),
        (&["get", "0xabc"], "pairs of hex digits"),
        (&["toggle", "a", "64"], "flags 0 to 63"),
    ] {
        let (status, _, text) = ask(args);
        assert_eq!(status, 2, "{args:?}");
        assert!(text.contains(next), "{text}");
    }
    assert!(accepted(&["retire"]).contains("nobody to wait for"));
    let (status, _, text) = ask(&["put", "a", "1"]);
    assert_eq!(status, 2);
    assert!(text.contains("has retired"), "{text}");
    assert!(node.stop().success());
    let (status, _, text) = ask(&["get", "a"]);
    assert_eq!(status, 3);
    assert!(text.contains("no node answers at"), "{text}");
}

#[test]
fn the_pages_of_a_list_join_without_gap_or_repetition() {
    let (_members, node) = alone();
    let ops: Vec<Json> = (0..2500)
        .map(|n| json!({"op": "accum", "key": format!("k{n}"), "value": n + 1}))
        .collect();
    node.ask(json!({"op": "batch", "ops": ops}));
    let mut seen = BTreeMap::new();
    node.client()
        .pages(json!({"op": "list", "limit": 700}), |entry| {
            assert!(
                seen.insert(entry["key"].to_string(), entry["value"].clone())
                    .is_none()
            );
            Ok(())
        })
        .unwrap();
    assert_eq!(seen.len(), 2500);
}

#[test]
fn requests_of_one_connection_take_effect_and_are_answered_in_order() {
    let (_members, node) = alone();
    let mut stream = UnixStream::connect(atomik_node::socket(&node.data)).unwrap();
    let mut text = String::new();
    for n in 1..=1000 {
        text += &format!("{}\n", json!({"op": "put", "key": "x", "value": n}));
        if n % 100 == 0 {
            text += &format!("{}\n{{\"op\":\"fly\"}}\n", json!({"op": "get", "key": "x"}));
        }
    }
    let mut sender = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || sender.write_all(text.as_bytes()).unwrap());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(&mut stream).lines();
    let mut answer = || -> Json { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    for n in 1..=1000 {
        assert_eq!(answer()["batch"], n);
        if n % 100 == 0 {
            assert_eq!(
                answer()["value"],
                format!("{n:#018x}"),
                "a query sees the changes before it and none after"
            );
            assert_eq!(answer()["ok"], false);
        }
    }
    writer.join().unwrap();
}

#[test]
fn an_endless_line_ends_the_connection_and_not_the_node() {
    let (_members, node) = alone();
    let mut stream = UnixStream::connect(atomik_node::socket(&node.data)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The node may close the connection before everything is written.
    let _ = stream.write_all(&vec![b' '; (1 << 20) + 65_536 * 4]);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(
        answer.is_empty() || answer.contains("longer than 1048576 bytes"),
        "{answer}"
    );
    assert_eq!(
        node.ask(json!({"op": "put", "key": "x", "value": 1}))["batch"],
        1
    );
}

#[test]
fn connections_beyond_the_limit_are_refused_until_one_closes() {
    let members = Members::new(1);
    let node = members.start(0, &[], &["--engine", "none", "--connections", "2"]);
    let mut first = node.client();
    let mut second = node.client();
    for client in [&mut first, &mut second] {
        client.ask(&json!({"op": "peers"})).unwrap();
    }
    let refused = node
        .try_ask(&json!({"op": "peers"}))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("raise `connections`"), "{refused}");
    drop(first);
    let start = Instant::now();
    while node.try_ask(&json!({"op": "peers"})).is_err() {
        assert!(start.elapsed() < PATIENCE);
    }
}

#[test]
fn a_watcher_sees_the_changes_of_its_prefix_and_frees_its_connection() {
    let members = Members::new(1);
    let node = members.start(0, &[], &["--engine", "none", "--connections", "2"]);
    let mut watcher = node.client();
    watcher
        .ask(&json!({"op": "watch", "prefix": "a/"}))
        .unwrap();
    node.ask(json!({"op": "put", "key": "b/1", "value": 9}));
    node.ask(json!({"op": "put", "key": "a/1", "value": 5}));
    let line = watcher.line().unwrap().unwrap();
    assert_eq!(
        (&line["event"], &line["key"]),
        (&json!("changed"), &json!("a/1"))
    );
    assert_eq!(line["value"], "0x0000000000000005");
    drop(watcher);
    // The connection is free again although no event occurs.
    let _held = node.client().ask(&json!({"op": "peers"})).unwrap();
    let mut clients = Vec::new();
    let start = Instant::now();
    while clients.len() < 2 {
        let mut client = node.client();
        if client.ask(&json!({"op": "peers"})).is_ok() {
            clients.push(client);
        }
        assert!(
            start.elapsed() < PATIENCE,
            "the watcher still holds its connection"
        );
    }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// The response of an HTTP server, headers included.
fn fetch(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_metrics_have_exactly_the_documented_text() {
    let members = Members::new(1);
    let http = free_address();
    let node = members.start(0, &[], &["--engine", "none", "--http", &http]);
    for (key, value) in [("x", 1), ("x", 300)] {
        node.ask(json!({"op": "put", "key": key, "value": value}));
    }
    let no_flag = node.try_ask(&json!({"op": "toggle", "key": "x", "flag": 99}));
    assert!(no_flag.is_err());
    let origin = node.status()["origin"].as_str().unwrap().to_owned();
    let response = fetch(&http, "/metrics").replace(&origin, "ORIGIN");
    let (_, text) = response.split_once("\r\n\r\n").unwrap();
    // Durations differ from run to run, and so does the order of the reasons.
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| match line.rsplit_once(' ') {
            Some((name, _)) if name.starts_with("atomik_commit_seconds") => {
                format!("{name} MEASURED")
            }
            _ => line.to_owned(),
        })
        .collect();
    lines
        .chunk_by_mut(|a, b| [a, b].iter().all(|line| line.starts_with("atomik_dropped")))
        .for_each(<[String]>::sort);
    assert_eq!(lines.join("\n") + "\n", include_str!("metrics.txt"));
}

#[test]
fn health_and_metrics_are_served_over_http_and_control_over_tcp() {
    let members = Members::new(1);
    let (http, control) = (free_address(), free_address());
    let mut command = members.command(
        0,
        &[],
        &["--engine", "none", "--http", &http, "--control", &control],
    );
    let mut process = Scoped(command.stderr(Stdio::null()).spawn().unwrap());
    let start = Instant::now();
    let data = members.data(0).to_str().unwrap().to_owned();
    let token = format!("{data}/control.token");
    while !run(&["put", "x", "1", "--control", &control, "--data", &data])
        .status
        .success()
    {
        assert!(start.elapsed() < PATIENCE);
    }
    let ask = |more: &[&str]| run(&[&["get", "x", "--control", &control], more].concat());
    assert!(ask(&["--token", &token]).status.success());
    // A token of another node.
    let other = format!("{data}/other.token");
    fs::copy(&token, &other).unwrap();
    fs::write(&other, format!("atomik-token-1 {}", "0".repeat(64))).unwrap();
    for (args, next) in [
        (&[][..], "with --data, or a copy"),
        (&["--token", "nowhere"], "control.token"),
        (&["--token", &other], "wrong token"),
    ] {
        let refused = ask(args);
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
        assert!(stderr(&refused).contains(next), "{}", stderr(&refused));
    }
    let fetch = |path: &str| fetch(&http, path);
    let health = fetch("/health");
    assert!(
        health.starts_with("HTTP/1.1 200") && health.contains("\"serving\":true"),
        "{health}"
    );
    let metrics = fetch("/metrics");
    for line in [
        "atomik_ops_total 1",
        "atomik_changes_total 1",
        "atomik_published_total 1",
        "atomik_keys 1",
        "atomik_unflushed_keys 0",
        "atomik_dropped_total{reason=\"queue_full\"} 0",
        "# TYPE atomik_commit_seconds histogram",
        "# EOF",
    ] {
        assert!(metrics.contains(line), "{line} is missing:\n{metrics}");
    }
    assert!(fetch("/other").starts_with("HTTP/1.1 404"));
    crate::process::signal(process.0.id(), "TERM");
    assert!(process.0.wait().unwrap().success());
}

/// A node with control connections over TCP, and what it answers to the lines of a connection.
fn over_tcp(members: &Members) -> (Scoped, impl Fn(&str) -> String) {
    let control = free_address();
    let mut command = members.command(0, &[], &["--engine", "none", "--control", &control]);
    let process = Scoped(command.stderr(Stdio::null()).spawn().unwrap());
    let start = Instant::now();
    // Not sooner and not often: as long as nobody listens on a port, the system may also give it to
    // the connection, which then leads to itself.
    let token = members.data(0).join("control.token");
    while !token.exists() || TcpStream::connect(&control).is_err() {
        assert!(start.elapsed() < PATIENCE);
        sleep(Duration::from_millis(20));
    }
    let send = move |lines: &str| {
        let mut stream = TcpStream::connect(&control).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(lines.as_bytes()).unwrap();
        // A connection with unread lines may be reset.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answers = Vec::new();
        let _ = stream.read_to_end(&mut answers);
        String::from_utf8(answers).unwrap()
    };
    (process, send)
}

#[test]
fn over_tcp_nothing_is_done_without_the_token() {
    let members = Members::new(1);
    let (_process, send) = over_tcp(&members);
    let token = fs::read_to_string(members.data(0).join("control.token")).unwrap_or_default();
    assert!(is_private(&members.data(0).join("control.token")));
    let token = token.trim().strip_prefix("atomik-token-1 ").unwrap();
    let put = r#"{"op":"put","key":"x","value":1}"#;
    let hello = |token: &str| format!("{}\n", json!({"op": "hello", "token": token}));
    for lines in [
        // What a page in a browser can send to any port of its machine.
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n\r\n{put}\n"),
        format!("{put}\n"),
        format!("{}{put}\n", hello("")),
        format!(
            "{}{put}\n",
            hello(&token.replace(char::is_alphanumeric, "0"))
        ),
        format!("{}{put}\n", hello(&token[1..])),
        format!("\n\n{put}\n"),
        format!("{}\n{put}\n", "a".repeat(2000)),
        // After the token, too, what is not a request ends the connection.
        format!("{}GET / HTTP/1.1\n{put}\n", hello(token)),
    ] {
        let answers = send(&lines);
        assert!(!answers.contains("batch"), "{lines}: {answers}");
    }
    let refused = send(&format!("{put}\n"));
    assert!(refused.contains("control.token"), "{refused}");
    let answers = send(&format!("{}{put}\n", hello(token)));
    let wanted = ["{\"ok\":true}", "{\"batch\":1,\"ok\":true}"];
    assert_eq!(answers.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn a_damaged_token_is_refused_until_it_is_deleted() {
    let members = Members::new(1);
    let token = members.data(0).join("control.token");
    let args = ["--engine", "none", "--control", "127.0.0.1:0"];
    for damaged in ["", "atomik-token-1 ", "atomik-token-1 0123"] {
        fs::write(&token, damaged).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&token, private).unwrap();
        let (status, text) = refused(&members, &args);
        assert_eq!(status, 3, "{text}");
        assert!(
            text.contains("delete it in the node's data folder"),
            "{text}"
        );
    }
    fs::remove_file(&token).unwrap();
    let (_process, send) = over_tcp(&members);
    assert!(is_private(&token));
    drop(send);
}

#[test]
fn a_data_folder_in_use_or_of_another_keyspace_is_refused() {
    let (members, node) = alone();
    let (status, text) = refused(&members, &["--engine", "none"]);
    assert_eq!(status, 3);
    assert!(
        text.contains(&format!("in use by process {}", node.id())),
        "{text}"
    );
    // The running node is not disturbed, and neither is its socket.
    node.ask(json!({"op": "put", "key": "x", "value": 1}));
    assert!(node.stop().success());
    let (status, text) = refused(&members, &["--engine", "none", "--keyspace", "other"]);
    assert_eq!(status, 2, "{text}");
    assert!(
        text.contains("use the folder of this keyspace or an empty one"),
        "{text}"
    );
}

#[test]
fn sigterm_under_load_stops_cleanly_and_keeps_every_acknowledged_change() {
    let (members, node) = alone();
    let stream = UnixStream::connect(atomik_node::socket(&node.data)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        (1..1_000_000_u64).find(|n| {
            let request = json!({"op": "put", "key": format!("k{n}"), "value": n});
            writeln!(sender, "{request}").is_err()
        })
    });
    let mut acknowledged = 0_u64;
    for line in BufReader::new(stream).lines() {
        // A connection with unread requests may be reset.
        let Ok(line) = line else { break };
        let answer: Json = serde_json::from_str(&line).unwrap();
        if answer["ok"] != true {
            assert!(
                answer["error"].as_str().unwrap().contains("stopping"),
                "{answer}"
            );
            break;
        }
        acknowledged += 1;
        if acknowledged == 300 {
            crate::process::signal(node.id(), "TERM");
        }
    }
    assert!(node.wait().success());
    assert!(
        writer.join().unwrap().is_some(),
        "the connection was closed"
    );
    assert!(acknowledged >= 300);
    let node = members.start(0, &[], &["--engine", "none"]);
    assert!(
        node.log().contains("the store was closed cleanly"),
        "{}",
        node.log()
    );
    for n in 1..=acknowledged {
        assert_eq!(node.get(&format!("k{n}")), format!("{n:#018x}"));
    }
}

#[test]
fn every_acknowledged_change_survives_sigkill() {
    let members = Members::new(1);
    let mut written: BTreeMap<String, u64> = BTreeMap::new();
    let mut origin = Json::Null;
    for round in 0..8_u64 {
        let node = members.start(0, &[], &["--engine", "none"]);
        let status = node.status();
        if round > 0 {
            assert_eq!(
                status["origin"], origin,
                "with fsync = always it continues under its old origin"
            );
        }
        origin = status["origin"].clone();
        for (key, value) in &written {
            assert_eq!(
                node.get(key),
                format!("{value:#018x}"),
                "round {round}, key {key}"
            );
        }
        let mut client = node.client();
        let key = |n: u64| format!("k{}", n % 17);
        let value = |n: u64| round << 32 | (n + 1);
        for n in 0..400 {
            client
                .send(&json!({"op": "put", "key": key(n), "value": value(n)}))
                .unwrap();
        }
        let until = 20 + 37 * round;
        for n in 0..until {
            client.answer().unwrap();
            written.insert(key(n), value(n));
        }
        node.kill();
        // Unacknowledged changes may have been committed; no key may be older than acknowledged.
        let node = members.start(0, &[], &["--engine", "none"]);
        for (key, value) in &mut written {
            let now = u64::from_str_radix(&node.get(key)[2..], 16).unwrap();
            assert!(
                now >= *value,
                "round {round}: {key} has {now:#x}, {value:#x} was acknowledged"
            );
            *value = now;
        }
        node.kill();
    }
}

#[test]
fn after_a_crash_without_fsync_a_node_continues_as_a_new_origin_and_logs_it() {
    let members = Members::new(2);
    let args = ["--engine", "none", "--fsync", "never"];
    let node = members.start(0, &[], &args);
    node.ask(json!({"op": "put", "key": "x", "value": 1}));
    let origin = node.status()["origin"].clone();
    assert!(node.stop().success());
    let node = members.start(0, &[], &args);
    assert_eq!(node.status()["origin"], origin, "it was stopped cleanly");
    node.ask(json!({"op": "put", "key": "x", "value": 2}));
    node.kill();
    let node = members.start(0, &[], &args);
    assert_ne!(node.status()["origin"], origin);
    assert!(
        node.log().contains("continuing as a new origin"),
        "{}",
        node.log()
    );
    let attention = node.status()["attention"].clone();
    assert_eq!(attention[0]["event"], "new_origin", "{attention:#}");
    let text = attention[0]["text"].as_str().unwrap();
    assert!(
        text.contains("acknowledged changes may be missing"),
        "{text}"
    );
    let second = node.status()["origin"].clone();
    assert!(node.stop().success());
    // And when it is requested.
    let node = members.start(0, &[], &["--engine", "none", "--new-identity"]);
    assert_ne!(node.status()["origin"], second);
}
