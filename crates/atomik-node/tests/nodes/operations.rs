//! What operators do to a cluster and what happens to it, with real processes on either engine.
//!
//! The nodes are connected over loopback. Zenoh's discovery by multicast is off, so that clusters
//! of tests that run at the same time do not find each other.
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::cluster::{Cluster, until};
use crate::process::{Administrator, Ended, Members, PROGRAM, Scoped, keygen, run, stderr, text};

/// Three members on loopback, and an administrator.
struct Lab {
    engine: &'static str,
    cluster: Cluster,
    administrator: Administrator,
    /// A node that is configured with another administrator, and the key of that one.
    misled: Option<(usize, String)>,
    /// Where each member is reached, or the server.
    endpoints: Vec<String>,
    /// What a config file needs for this engine.
    config: String,
    _server: Option<Scoped>,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Lab {
    /// Returns `None` and prints why if the engine lacks a server.
    fn new(engine: &'static str) -> Option<Self> {
        let cluster = Cluster::new(3);
        let administrator = Administrator::new(cluster.members.folder.path());
        let mut config = String::new();
        let mut server = None;
        let endpoints = if engine == "nats" {
            let port = free_port();
            server = Some(server_at(port)?);
            vec![format!("nats://127.0.0.1:{port}")]
        } else {
            config += "[zenoh]\nmulticast_scouting = false\n";
            (0..3)
                .map(|_| format!("tcp/127.0.0.1:{}", free_port()))
                .collect()
        };
        fs::write(cluster.members.folder.path().join("engine.toml"), &config).unwrap();
        Some(Self {
            engine,
            cluster,
            administrator,
            misled: None,
            endpoints,
            config,
            _server: server,
        })
    }

    fn folder(&self) -> &Path {
        self.cluster.members.folder.path()
    }

    fn data(&self, n: usize) -> PathBuf {
        self.cluster.members.data(n)
    }

    /// The command that runs node `n`: as its config file says if it was invited, and else as a
    /// founder.
    fn command(&self, n: usize) -> Command {
        let config = self.data(n).join("node.toml");
        if config.exists() {
            return Members::configured(&config);
        }
        let config = text(&self.folder().join("engine.toml"));
        let mut args = vec!["--config", &config, "--engine", self.engine];
        let misled = self.misled.as_ref().filter(|(of, _)| *of == n);
        let administrator = misled.map_or(&self.administrator.key, |(_, other)| other);
        args.extend(["--administrator", administrator]);
        for (place, endpoint) in self.endpoints.iter().enumerate() {
            let listens = self.engine == "zenoh" && place == n;
            args.extend([if listens { "--listen" } else { "--connect" }, endpoint]);
        }
        self.cluster.members.command(n, &[], &args)
    }

    fn try_start(&mut self, n: usize, args: &[&str]) -> Result<(), Ended> {
        let (mut command, data) = (self.command(n), self.data(n));
        command.args(args);
        let members = &self.cluster.members;
        let node = members.try_run(&format!("n{n}"), command, data)?;
        if n == self.cluster.nodes.len() {
            self.cluster.nodes.push(None);
        }
        self.cluster.nodes[n] = Some(node);
        Ok(())
    }

    fn start(&mut self, n: usize) {
        let started = self.try_start(n, &[]);
        started.unwrap_or_else(|ended| panic!("node {n} ended: {ended:?}"));
    }

    /// Starts all three, and lets each make some changes that all get.
    fn begin(&mut self) {
        (0..3).for_each(|n| self.start(n));
        self.cluster.meet();
        self.cluster.bursts(&[0, 1, 2], 100);
        self.cluster.converge("at the beginning");
    }

    /// Waits until node `n` has reported an event of this kind.
    fn is_told(&self, n: usize, kind: &str) {
        let node = self.cluster.node(n);
        until(kind, node, || {
            let status = node.status();
            let mut events = status["events"].as_array().unwrap().iter();
            events.any(|event| event["event"] == kind)
        });
    }

    /// Waits until an event of this kind is among what needs attention at node `n`.
    fn needs_attention(&self, n: usize, kind: &str) {
        let node = self.cluster.node(n);
        until(kind, node, || {
            let status = node.status();
            let mut events = status["attention"].as_array().unwrap().iter();
            events.any(|event| event["event"] == kind)
        });
    }

    /// Runs a command of the administrator at node `n`.
    fn order(&self, n: usize, words: &[&str]) -> String {
        self.administrator.done(&self.data(n), words)
    }

    /// Waits until all running nodes use list `number`.
    fn all_use(&self, number: u64) {
        self.cluster.until("all use the list", || {
            let mut nodes = self.cluster.running().into_iter();
            nodes.all(|node| node.ask(json!({"op": "members"}))["number"] == number)
        });
    }

    /// Invites and starts a new member, with the commands of the guide. Returns its number.
    fn join(&mut self) -> usize {
        let n = self.cluster.nodes.len();
        let data = self.data(n);
        let key = keygen(&data.join("node.key"));
        let file = text(&self.folder().join(format!("invitation-{n}")));
        let member = format!("n{n}={key}");
        let mut words = vec!["invite", &member, "--out", &file];
        for endpoint in &self.endpoints {
            words.extend(["--connect", endpoint]);
        }
        let invited = self.order(0, &words);
        assert!(
            invited.contains("run `atomik-node join` there"),
            "{invited}"
        );
        let secret = "keyspace.secret";
        fs::copy(self.data(0).join(secret), data.join(secret)).unwrap();
        let joined = run(&["join", &file, "--data", &text(&data)]);
        assert_eq!(stderr(&joined), "");
        let config = data.join("node.toml");
        let written = fs::read_to_string(&config).unwrap();
        fs::write(&config, written + "\n" + &self.config).unwrap();
        self.start(n);
        n
    }
}

#[cfg(feature = "nats")]
fn server_at(port: u16) -> Option<Scoped> {
    crate::nats_server::start(&[], "127.0.0.1", port)
}

#[cfg(not(feature = "nats"))]
fn server_at(_port: u16) -> Option<Scoped> {
    None
}

impl Lab {
    /// Gives node `n` another key, on list 1, and returns it.
    fn replace_key(&mut self, n: usize) -> String {
        let (key, new) = (self.data(n).join("node.key"), self.data(n).join("new.key"));
        let public = keygen(&new);
        self.order(0, &["rotate", &format!("n{n}"), &public]);
        self.all_use(1);
        let put = json!({"op": "put", "key": "x", "value": 1});
        let refused = self.cluster.node(n).try_ask(&put).unwrap_err().to_string();
        let next = format!("(roster 1) has another key for n{n}, {public}; stop the node");
        assert!(refused.contains(&next), "{refused}");
        assert!(self.cluster.take(n).stop().success());
        // It still says so when it is started with the old key.
        self.start(n);
        let node = self.cluster.node(n);
        assert!(node.log().contains(&next), "{}", node.log());
        let stopped = node.status()["stopped"].to_string();
        assert!(stopped.contains(&next), "{stopped}");
        assert!(self.cluster.take(n).stop().success());
        self.cluster.bursts(&[0, 2], 50);
        fs::rename(&key, self.data(n).join("former.key")).unwrap();
        fs::rename(&new, &key).unwrap();
        self.start(n);
        public
    }
}

fn of_orders_given_at_once_at_two_members_those_that_end_with_0_count(lab: &mut Lab) {
    lab.begin();
    let mut number = 0;
    for round in 0..5 {
        let orders = [0, 1].map(|n| {
            let name = format!("new{round}{n}");
            let key = keygen(&lab.folder().join(format!("{name}.key")));
            (n, format!("{name}={key}"), name)
        });
        let (lab, administrator) = (&*lab, &lab.administrator);
        let ended = std::thread::scope(|scope| {
            let orders = orders.each_ref().map(|(n, member, _)| {
                let data = lab.data(*n);
                scope.spawn(move || administrator.command(&data, &["invite", member]))
            });
            orders.map(|order| order.join().unwrap())
        });
        let listed = lab.cluster.node(2).ask(json!({"op": "members"}))["members"].clone();
        for ((_, _, name), (status, _, errors)) in orders.iter().zip(ended) {
            let mut members = listed.as_array().unwrap().iter();
            let counts = members.any(|member| member["name"] == **name);
            assert_eq!(status == 0, counts, "{name}: {status} {errors}");
            assert!(counts || errors.contains("another change of the members came first"));
            number += u64::from(counts);
        }
        lab.all_use(number);
    }
    assert!(number >= 5);
}

fn an_order_names_the_member_that_does_not_take_the_list(lab: &mut Lab) {
    lab.misled = Some((2, keygen(&lab.folder().join("other.key"))));
    lab.begin();
    let key = keygen(&lab.folder().join("new.key"));
    let order = ["invite", &format!("new={key}")];
    let (status, _, errors) = lab.administrator.command(&lab.data(0), &order);
    assert_eq!(status, 1, "{errors}");
    assert!(
        errors.contains("not at n2: the list is not signed"),
        "{errors}"
    );
    assert!(errors.contains("`administrator`"), "{errors}");
    lab.misled = None;
    assert!(lab.cluster.take(2).stop().success());
    lab.start(2);
    lab.all_use(1);
    let invitation = lab.order(0, &order);
    assert!(invitation.contains("administrator"), "{invitation}");
}

fn counters_that_all_members_add_to_hold_the_sum(lab: &mut Lab) {
    const ADDITIONS: i64 = 50;
    let layout = ["--layout", "add:16,xor:48"];
    for n in 0..3 {
        let started = lab.try_start(n, &layout);
        started.unwrap_or_else(|ended| panic!("node {n} ended: {ended:?}"));
    }
    lab.cluster.meet();
    let mut expected = 0;
    for round in 0..2 {
        std::thread::scope(|scope| {
            for n in 0..3 {
                let mut client = lab.cluster.node(n).client();
                scope.spawn(move || {
                    for number in 1..=ADDITIONS {
                        let value = if n == 2 { -number } else { number };
                        let add = json!({"op": "add", "key": "hits", "value": value});
                        client.ask(&add).unwrap();
                    }
                });
            }
        });
        expected += ADDITIONS * (ADDITIONS + 1) / 2;
        if round == 0 {
            // What it added is on its disk or with the others.
            lab.cluster.take(2).kill();
            let started = lab.try_start(2, &layout);
            started.unwrap_or_else(|ended| panic!("node 2 ended: {ended:?}"));
            lab.cluster.meet();
        }
    }
    lab.cluster.agree("counters");
    for n in 0..3 {
        let node = lab.cluster.node(n);
        let read = node.ask(json!({"op": "get", "key": "hits"}));
        assert_eq!(read["fields"], json!([expected, "0x0"]), "node {n}");
        let status = node.status();
        let mut events = status["events"].as_array().unwrap().iter();
        assert!(!events.any(|event| event["event"] == "overlap"), "{status}");
    }
}

fn a_member_that_was_away_hears_of_a_new_key_from_the_member_with_that_key(lab: &mut Lab) {
    lab.begin();
    assert!(lab.cluster.take(2).stop().success());
    let (key, new) = (lab.data(1).join("node.key"), lab.data(1).join("new.key"));
    let public = keygen(&new);
    let printed = lab.order(0, &["rotate", "n1", &public]);
    assert!(printed.contains("not heard of it yet: n2"), "{printed}");
    lab.all_use(1);
    assert!(lab.cluster.take(1).stop().success());
    fs::rename(&key, lab.data(1).join("former.key")).unwrap();
    fs::rename(&new, &key).unwrap();
    lab.start(1);
    lab.cluster.bursts(&[0, 1], 50);
    lab.cluster.converge("with another key");
    // The only one left that the member that was away knows is gone when it returns.
    assert!(lab.cluster.take(0).stop().success());
    lab.start(2);
    lab.all_use(1);
    lab.cluster.bursts(&[1, 2], 50);
    lab.cluster.converge("without a third member");
}

fn what_no_member_had_of_a_removed_one_comes_back_from_a_file(lab: &mut Lab) {
    lab.begin();
    let node = lab.cluster.node(2);
    let peers = node.ask(json!({"op": "peers"}))["peers"].clone();
    let peers = peers.as_array().unwrap().iter();
    let peers: Vec<_> = peers.map(|peer| peer["peer"].clone()).collect();
    assert_eq!(peers.len(), 2);
    node.ask(json!({"op": "links", "drop": peers}));
    node.ask(json!({"op": "put", "key": "alone", "value": 5}));
    assert!(lab.cluster.take(2).stop().success());
    lab.order(0, &["remove", "n2"]);
    lab.cluster.until("it is folded", || {
        let mut statuses = lab.cluster.statuses().into_iter();
        statuses.all(|status| status["closings"] == json!([]))
    });
    lab.order(0, &["invite", &lab.cluster.members.list[2].clone()]);
    lab.start(2);
    lab.is_told(2, "missing");
    lab.cluster.converge("without what nobody had");
    let files = fs::read_dir(lab.data(2)).unwrap();
    let mut files = files.map(|file| text(&file.unwrap().path()));
    let file = files.find(|file| file.contains("/missing-")).unwrap();
    let piped = Command::new(PROGRAM)
        .args(["pipe", "--data", &text(&lab.data(2))])
        .stdin(fs::File::open(file).unwrap())
        .output()
        .unwrap();
    assert!(piped.status.success(), "{}", stderr(&piped));
    for node in lab.cluster.running() {
        until("it is back", node, || {
            let answer = node.ask(json!({"op": "get", "key": "alone"}));
            answer["value"] == "0x0000000000000005"
        });
    }
}

/// Copies a data folder, without the socket in it.
fn copy(from: &Path, to: &Path) {
    // A mount point cannot be removed.
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

fn a_restored_backup_loses_nothing_acknowledged_and_says_what_happened(lab: &mut Lab) {
    lab.begin();
    let backup = lab.folder().join("backup");
    assert!(lab.cluster.take(1).stop().success());
    copy(&lab.data(1), &backup);
    lab.start(1);
    // The second time it writes before it has heard of what it has forgotten.
    for writes_at_once in [false, true] {
        lab.cluster.bursts(&[0, 1, 2], 100);
        lab.cluster.converge("after the backup");
        lab.cluster.take(1).kill();
        lab.cluster.bursts(&[0, 2], 50);
        copy(&backup, &lab.data(1));
        lab.start(1);
        if writes_at_once {
            lab.cluster.bursts(&[1], 50);
        }
        lab.is_told(1, "memory_lost");
        let node = lab.cluster.node(1);
        assert!(
            node.log().contains("restored from an older copy"),
            "{}",
            node.log()
        );
        lab.cluster.bursts(&[0, 1, 2], 50);
        lab.cluster.converge("after the restore");
    }
}

fn a_member_that_is_gone_is_removed_and_gets_a_successor(lab: &mut Lab) {
    lab.begin();
    lab.cluster.take(2).kill();
    lab.cluster.bursts(&[0, 1], 50);
    // The successor comes first, so that it gets the changes of the member that is gone.
    let n = lab.join();
    lab.all_use(1);
    lab.cluster.bursts(&[0, 1, n], 50);
    lab.cluster.converge("with the successor");
    lab.order(0, &["remove", "n2"]);
    lab.all_use(2);
    lab.cluster.bursts(&[0, 1, n], 50);
    lab.cluster.converge("without the member that is gone");
    // Its machine comes back.
    let mut watcher = lab.cluster.node(0).client();
    watcher
        .ask(&json!({"op": "watch", "prefix": "none"}))
        .unwrap();
    lab.start(2);
    let mut events = std::iter::from_fn(|| watcher.line().unwrap());
    let refused = events.find(|event| event["event"] == "peer_refused");
    let text = refused.unwrap()["text"].as_str().unwrap().to_owned();
    assert!(text.contains("not on the list of members"), "{text}");
    lab.cluster.take(2).kill();
    lab.cluster.bursts(&[0, 1, n], 50);
    lab.cluster
        .converge("although the member that is gone came back");
}

fn a_retirement_says_whom_it_waits_for_until_it_is_in_the_base(lab: &mut Lab) {
    lab.begin();
    lab.cluster.take(2).kill();
    lab.cluster.node(1).ask(json!({"op": "retire"}));
    let shown = |lab: &Lab, command: &str| {
        let shown = run(&[command, "--data", &text(&lab.data(0))]);
        String::from_utf8(shown.stdout).unwrap()
    };
    let waits = "closing        n1 has retired: nothing more becomes part of the base until n2 has";
    for command in ["members", "status"] {
        until("it says whom it waits for", lab.cluster.node(0), || {
            shown(lab, command).contains(waits)
        });
    }
    lab.start(2);
    for (n, command) in [(0, "members"), (0, "status"), (1, "status"), (2, "status")] {
        until("it is in the base", lab.cluster.node(n), || {
            let text = shown(lab, command);
            text.contains("in the base: n1 (retired)") && !text.contains(waits)
        });
    }
    let members = shown(lab, "members");
    assert!(members.contains("in sync, retired"), "{members}");
    lab.cluster.bursts(&[0, 2], 50);
    lab.cluster.converge("with what has retired in the base");
}

fn a_member_that_gets_another_key_goes_on(lab: &mut Lab) {
    lab.begin();
    let public = lab.replace_key(1);
    lab.cluster.bursts(&[0, 1, 2], 50);
    lab.cluster.converge("with another key");
    for n in [0, 2] {
        let node = lab.cluster.node(n);
        until("the new key is in sync", node, || {
            let answer = node.ask(json!({"op": "members"}));
            let mut listed = answer["members"].as_array().unwrap().iter();
            let listed = listed.find(|listed| listed["key"] == *public);
            listed.is_some_and(|listed| listed["in_sync"] == true && listed["name"] == "n1")
        });
    }
}

fn a_member_joins_while_all_write_and_leaves_again(lab: &mut Lab) {
    lab.begin();
    let writers = lab.cluster.write(&[0, 1, 2]);
    let n = lab.join();
    lab.cluster.meet();
    lab.all_use(1);
    lab.cluster.bursts(&[n], 100);
    let written = lab.cluster.end(writers);
    assert!(written > 0, "nobody wrote");
    lab.cluster.converge("with the new member");
    // A member leaves when it is in sync.
    assert!(lab.cluster.take(n).stop().success());
    let name = format!("n{n}");
    lab.order(1, &["remove", &name]);
    lab.all_use(2);
    lab.cluster.bursts(&[0, 1, 2], 50);
    lab.cluster.converge("without it again");
}

fn a_member_joins_after_a_key_was_replaced_and_one_removed(lab: &mut Lab) {
    lab.begin();
    lab.replace_key(1);
    lab.all_use(1);
    assert!(lab.cluster.take(2).stop().success());
    lab.order(0, &["remove", "n2"]);
    lab.all_use(2);
    let n = lab.join();
    lab.all_use(3);
    lab.cluster.bursts(&[0, 1, n], 50);
    lab.cluster
        .converge("with what keys have signed that are off the list");
}

fn a_copied_folder_is_told_and_becomes_a_member_of_its_own(lab: &mut Lab) {
    lab.begin();
    assert!(lab.cluster.take(1).stop().success());
    let twin = lab.cluster.nodes.len();
    copy(&lab.data(1), &lab.data(twin));
    lab.start(1);
    lab.cluster.bursts(&[1], 50);
    lab.cluster.converge("before the copy runs");
    lab.start(twin);
    // Either has the session with a member, and all are told.
    for (n, kind) in [(1, "key_in_use"), (twin, "key_in_use"), (0, "peer_refused")] {
        lab.needs_attention(n, kind);
    }
    lab.cluster.bursts(&[twin, 0, 1], 50);
    // What the guide says.
    assert!(lab.cluster.take(1).stop().success());
    lab.cluster.meet();
    lab.cluster.agree("without the original");
    lab.is_told(twin, "memory_lost");
    lab.try_start(1, &["--new-identity"]).unwrap();
    lab.cluster.bursts(&[0, 1, twin], 50);
    lab.cluster.converge("with the original as another origin");
    assert!(lab.cluster.take(twin).stop().success());
    fs::remove_dir_all(lab.data(twin)).unwrap();
    let own = lab.join();
    lab.all_use(1);
    lab.cluster.bursts(&[0, 1, own], 50);
    lab.cluster.converge("with a key for each");
}

/// A small file system in memory over a folder.
struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Returns `None` and prints why if this user may not mount one.
    fn over(folder: &Path, size: &str) -> Option<Self> {
        let option = format!("size={size},mode=0700");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &option, "none"])
            .arg(folder);
        let mounted = mount.output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(folder.to_owned()));
        }
        assert!(
            std::env::var_os("CI").is_none(),
            "CI must have root, to mount a tmpfs"
        );
        eprintln!("skipped: needs root, to mount a tmpfs");
        None
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Fills the file system of a new file, except for `room` bytes.
fn fill(file: &Path, room: u64) {
    let mut ballast = fs::File::create(file).unwrap();
    while ballast.write_all(&[1; 4096]).is_ok() {}
    let length = ballast.metadata().unwrap().len();
    ballast.set_len(length.saturating_sub(room)).unwrap();
}

fn a_full_disk_ends_a_node_that_goes_on_once_there_is_room(lab: &mut Lab) {
    lab.begin();
    assert!(lab.cluster.take(2).stop().success());
    let (data, kept) = (lab.data(2), lab.folder().join("kept"));
    copy(&data, &kept);
    let Some(_tmpfs) = Tmpfs::over(&data, "12m") else {
        return;
    };
    copy(&kept, &data);
    lab.start(2);
    let ballast = data.join("ballast");
    fill(&ballast, 1 << 18);
    // New keys need room.
    lab.cluster.burst(2, 50_000, u64::MAX);
    let node = lab.cluster.take(2);
    until("it says what to do", &node, || {
        node.log().contains("free some space")
    });
    assert_eq!(node.wait().code(), Some(3));
    lab.cluster.bursts(&[0, 1], 50);
    fs::remove_file(&ballast).unwrap();
    lab.start(2);
    lab.cluster.bursts(&[0, 1, 2], 50);
    lab.cluster.converge("with room on the disk");
    lab.cluster.take(2).kill();
}

/// What a disk may lose of a store.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    /// The file ends this many bytes too early.
    Cut(u64),
    /// This many bytes at the end are zeros.
    Zeroed(u64),
    /// The newest commits.
    Commits,
}

/// Losses from a single byte to everything, on and off the boundaries of pages.
fn losses(length: u64) -> Vec<Loss> {
    let tails = [
        1,
        4096,
        4097,
        length / 3,
        length / 2 + 1,
        length - 4096,
        length,
    ];
    let tails = tails.into_iter();
    tails
        .flat_map(|tail| [Loss::Cut(tail), Loss::Commits, Loss::Zeroed(tail)])
        .collect()
}

fn a_store_that_lost_its_end_starts_with_what_is_there_or_says_what_to_do(lab: &mut Lab) {
    lab.begin();
    let (data, older) = (lab.data(2), lab.folder().join("older"));
    let store = data.join("store.redb");
    let (mut started, mut refused) = (0, 0);
    for (n, loss) in losses(fs::metadata(&store).unwrap().len())
        .into_iter()
        .enumerate()
    {
        if loss == Loss::Commits {
            assert!(lab.cluster.take(2).stop().success());
            fs::copy(&store, &older).unwrap();
            lab.start(2);
            lab.cluster.bursts(&[2], 10);
            lab.cluster.converge("what the store loses is elsewhere");
        }
        // After a crash, and after a clean stop.
        let node = lab.cluster.take(2);
        if n % 2 == 0 {
            node.kill();
        } else {
            assert!(node.stop().success());
        }
        lab.cluster.bursts(&[0, 1], 10);
        let file = fs::File::options().write(true).open(&store).unwrap();
        let length = file.metadata().unwrap().len();
        match loss {
            Loss::Cut(tail) => file.set_len(length.saturating_sub(tail)).unwrap(),
            Loss::Zeroed(tail) => {
                file.set_len(length.saturating_sub(tail)).unwrap();
                file.set_len(length).unwrap();
            }
            Loss::Commits => {
                fs::copy(&older, &store).unwrap();
            }
        }
        match lab.try_start(2, &[]) {
            Ok(()) => {
                started += 1;
                let log = lab.cluster.node(2).log();
                assert!(
                    loss != Loss::Commits || log.contains("continuing as a new origin"),
                    "{loss:?}: {log}"
                );
            }
            Err(ended) => {
                refused += 1;
                let next = "move store.redb and ACKNOWLEDGED away";
                assert!(ended.log.contains(next), "{loss:?}: {ended:?}");
                assert_eq!(ended.status.code(), Some(3));
                for file in ["store.redb", "ACKNOWLEDGED"] {
                    fs::rename(data.join(file), lab.folder().join(file)).unwrap();
                }
                lab.start(2);
            }
        }
        lab.cluster.bursts(&[0, 1, 2], 10);
        lab.cluster.converge(&format!("{loss:?} of {length} bytes"));
    }
    println!(
        "{}: {started} damaged stores were opened, {refused} refused",
        lab.engine
    );
    assert!(
        started > 0 && refused > 0,
        "{started} were opened, {refused} refused"
    );
}

macro_rules! scenarios {
    ($engine:literal, $module:ident: $($(#[$attribute:meta])* $scenario:ident),* $(,)?) => {
        #[cfg(feature = $engine)]
        mod $module {
            $(#[test]
            $(#[$attribute])*
            fn $scenario() {
                if let Some(mut lab) = super::Lab::new($engine) {
                    super::$scenario(&mut lab);
                    lab.cluster.stop();
                }
            })*
        }
    };
}

macro_rules! on_both {
    ($($(#[$attribute:meta])* $scenario:ident),* $(,)?) => {
        scenarios!("zenoh", zenoh: $($(#[$attribute])* $scenario),*);
        scenarios!("nats", nats: $($(#[$attribute])* $scenario),*);
    };
}

on_both!(
    an_order_names_the_member_that_does_not_take_the_list,
    counters_that_all_members_add_to_hold_the_sum,
    a_restored_backup_loses_nothing_acknowledged_and_says_what_happened,
    a_member_that_is_gone_is_removed_and_gets_a_successor,
    a_retirement_says_whom_it_waits_for_until_it_is_in_the_base,
    a_member_that_gets_another_key_goes_on,
    of_orders_given_at_once_at_two_members_those_that_end_with_0_count,
    a_member_that_was_away_hears_of_a_new_key_from_the_member_with_that_key,
    what_no_member_had_of_a_removed_one_comes_back_from_a_file,
    a_member_joins_while_all_write_and_leaves_again,
    a_member_joins_after_a_key_was_replaced_and_one_removed,
    a_copied_folder_is_told_and_becomes_a_member_of_its_own,
    a_full_disk_ends_a_node_that_goes_on_once_there_is_room,
    a_store_that_lost_its_end_starts_with_what_is_there_or_says_what_to_do,
);
