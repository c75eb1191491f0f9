//! Real nodes on real links: processes in network namespaces, connected by a bridge whose cables
//! the test unplugs.
//!
//! Needs root, `ip` (Debian: iproute2) and `iptables`. Without them the tests are skipped with a
//! message, or fail if `CI` is set. The namespaces are called `atk-PID-…` and are removed at the
//! end; a killed test leaves them behind (`ip netns list`, `ip netns delete NAME`).
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::process::{Members, PATIENCE, Running};
use atomik_node::client::{Address, Client};
use serde_json::{Value as Json, json};

/// Writes per node and second.
const RATE: u64 = 50;

/// Number of keys.
const KEYS: u64 = 300;

/// Timeout against hanging, not a goal.
const CONVERGENCE: Duration = Duration::from_secs(120);

fn quiet(program: &str, args: &[&str]) -> bool {
    let output = Command::new(program).args(args).output();
    output.is_ok_and(|output| output.status.success())
}

fn ip(words: &str) {
    let output = Command::new("ip")
        .args(words.split_whitespace())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "ip {words}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A switch, and machines connected to it by a cable each.
struct Network {
    name: String,
    machines: usize,
}

impl Network {
    /// Returns `None` and prints why if the network cannot be created.
    fn new(engine: &str, machines: usize) -> Option<Self> {
        let name = format!("atk-{}-{engine}", std::process::id());
        let probe = format!("{name}-probe");
        let can = quiet("ip", &["netns", "add", &probe])
            && quiet(
                "ip",
                &[
                    "netns",
                    "exec",
                    &probe,
                    "iptables",
                    "-A",
                    "INPUT",
                    "-m",
                    "statistic",
                    "--mode",
                    "random",
                    "--probability",
                    "0.5",
                    "-j",
                    "DROP",
                ],
            );
        let _ = quiet("ip", &["netns", "delete", &probe]);
        if !can {
            assert!(
                std::env::var_os("CI").is_none(),
                "CI must have root, ip and iptables with the match statistic"
            );
            eprintln!(
                "skipped: needs root, ip and iptables with the match statistic \
                 (Debian: iproute2, iptables)"
            );
            return None;
        }
        let network = Self { name, machines };
        let switch = network.switch();
        ip(&format!("netns add {switch}"));
        ip(&format!("-n {switch} link set lo up"));
        ip(&format!("-n {switch} link add br0 type bridge"));
        ip(&format!("-n {switch} address add 10.77.0.254/24 dev br0"));
        ip(&format!("-n {switch} link set br0 up"));
        for n in 0..machines {
            let machine = network.machine(n);
            ip(&format!("netns add {machine}"));
            ip(&format!("-n {machine} link set lo up"));
            ip(&format!(
                "-n {machine} link add eth0 type veth peer name port{n} netns {switch}"
            ));
            ip(&format!(
                "-n {machine} address add 10.77.0.{}/24 dev eth0",
                n + 1
            ));
            ip(&format!("-n {machine} link set eth0 up"));
            ip(&format!("-n {machine} route add 224.0.0.0/4 dev eth0"));
            ip(&format!("-n {switch} link set port{n} master br0"));
            network.cable(n, true);
        }
        Some(network)
    }

    fn switch(&self) -> String {
        format!("{}-sw", self.name)
    }

    fn machine(&self, n: usize) -> String {
        format!("{}-n{n}", self.name)
    }

    /// Plugs in or unplugs the cable of a machine.
    fn cable(&self, n: usize, plugged: bool) {
        let state = if plugged { "up" } else { "down" };
        ip(&format!("-n {} link set port{n} {state}", self.switch()));
    }

    /// Makes every machine lose 5 % of its incoming packets, or none.
    fn lossy(&self, on: bool) {
        for n in 0..self.machines {
            let action = if on { "-A" } else { "-D" };
            let words = format!(
                "netns exec {} iptables {action} INPUT -i eth0 \
                 -m statistic --mode random --probability 0.05 -j DROP",
                self.machine(n)
            );
            ip(&words);
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for n in 0..self.machines {
            let _ = quiet("ip", &["netns", "delete", &self.machine(n)]);
        }
        let _ = quiet("ip", &["netns", "delete", &self.switch()]);
    }
}

/// Writes to one node, one change at a time, each acknowledged before the next.
struct Writer {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Written>,
}

/// The changes of a writer.
#[derive(Default)]
struct Written {
    /// The xor of the acknowledged deltas by key.
    acknowledged: BTreeMap<String, u64>,
    writes: u64,
    /// An unacknowledged change, which may have taken effect.
    open: Option<(String, u64)>,
}

impl Writer {
    fn start(place: Address, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let task = thread::spawn(move || {
            let mut written = Written::default();
            let mut client = Client::connect(place, Some(PATIENCE)).unwrap();
            let mut number = seed << 40;
            let mut next = Instant::now();
            while !stopping.load(Relaxed) {
                // Any generator of different deltas will do.
                number = number
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                let (key, delta) = (format!("k{}", (number >> 33) % KEYS), number | 1);
                let request = json!({"op": "accum", "key": key, "value": delta});
                if client.ask(&request).is_err() {
                    written.open = Some((key, delta));
                    break;
                }
                *written.acknowledged.entry(key).or_default() ^= delta;
                written.writes += 1;
                next += Duration::from_millis(1000 / RATE);
                sleep(next.saturating_duration_since(Instant::now()));
            }
            written
        });
        Self { stop, task }
    }

    fn end(self) -> Written {
        self.stop.store(true, Relaxed);
        self.task.join().unwrap()
    }
}

/// A test's network, members, running nodes, and expected states.
struct Lab {
    engine: &'static str,
    network: Network,
    members: Members,
    nodes: Vec<Option<Running>>,
    expected: BTreeMap<String, u64>,
    /// Changes that may have taken effect.
    open: Vec<(String, u64)>,
    table: Vec<String>,
}

impl Lab {
    fn new(engine: &'static str, machines: usize) -> Option<Self> {
        let network = Network::new(engine, machines)?;
        Some(Self {
            engine,
            network,
            members: Members::new(machines),
            nodes: (0..machines).map(|_| None).collect(),
            expected: BTreeMap::new(),
            open: Vec::new(),
            table: Vec::new(),
        })
    }

    fn start(&mut self, n: usize) {
        let machine = self.network.machine(n);
        let by = ["ip", "netns", "exec", &machine];
        let mut args = vec!["--engine", self.engine];
        if self.engine == "nats" {
            args.extend(["--connect", "nats://10.77.0.254:4222"]);
        }
        self.nodes[n] = Some(self.members.start(n, &by, &args));
    }

    fn running(&self) -> Vec<&Running> {
        self.nodes.iter().flatten().collect()
    }

    fn write(&self, nodes: &[usize]) -> Vec<Writer> {
        let seed = self.table.len() as u64 * 100;
        nodes
            .iter()
            .map(|&n| Writer::start(self.nodes[n].as_ref().unwrap().place(), seed + n as u64))
            .collect()
    }

    /// Stops the writers and returns the number of their writes.
    fn end(&mut self, writers: Vec<Writer>) -> u64 {
        let mut writes = 0;
        for writer in writers {
            let written = writer.end();
            writes += written.writes;
            for (key, delta) in written.acknowledged {
                *self.expected.entry(key).or_default() ^= delta;
            }
            self.open.extend(written.open);
        }
        writes
    }

    fn statuses(&self) -> Vec<Json> {
        self.running().iter().map(|node| node.status()).collect()
    }

    fn same(statuses: &[Json]) -> bool {
        ["states", "digest", "entries", "keys"].iter().all(|field| {
            statuses
                .windows(2)
                .all(|pair| pair[0][field] == pair[1][field])
        })
    }

    fn bytes(statuses: &[Json]) -> u64 {
        statuses
            .iter()
            .map(|status| status["bytes_out"].as_u64().unwrap())
            .sum()
    }

    /// Waits until all running nodes have the expected states, and adds a row to the table with the
    /// time since `start`.
    fn converge(&mut self, scenario: &str, writes: u64, before: &[Json], start: Instant) {
        let differed = match before.len() {
            all if all < self.running().len() => "new",
            _ if Self::same(before) => "no",
            _ => "yes",
        };
        let after = loop {
            let statuses = self.statuses();
            if Self::same(&statuses) && statuses.iter().all(|status| status["dirty"] == false) {
                break statuses;
            }
            if start.elapsed() > CONVERGENCE {
                let logs: Vec<String> = self.running().iter().map(|node| node.log()).collect();
                panic!(
                    "{scenario}: no convergence in {CONVERGENCE:?}: {statuses:#?}\n{}",
                    logs.join("\n")
                );
            }
            sleep(Duration::from_millis(50));
        };
        let took = start.elapsed().as_secs_f64();
        let bytes = Self::bytes(&after).saturating_sub(Self::bytes(before));
        let repaired: u64 = after
            .iter()
            .map(|status| status["repaired"].as_u64().unwrap())
            .sum();
        let dropped: u64 = after
            .iter()
            .map(|status| status["dropped"].as_u64().unwrap())
            .sum();
        self.table.push(format!(
            "| {:6} | {scenario:44} | {writes:6} | {:8} | {took:9.2} | {bytes:9} \
             | {:5} | {repaired:8} | {dropped:7} |",
            self.engine, differed, after[0]["entries"]
        ));
        self.check();
    }

    /// Checks that the states contain every acknowledged change exactly once.
    fn check(&mut self) {
        let mut states = BTreeMap::new();
        let mut client = self.running()[0].client();
        let list = json!({"op": "list"});
        client
            .pages(list, |entry| {
                let value =
                    u64::from_str_radix(&entry["value"].as_str().unwrap()[2..], 16).unwrap();
                states.insert(entry["key"].as_str().unwrap().to_owned(), value);
                Ok(())
            })
            .unwrap();
        // A change interrupted by a crash is present or absent, which is known from now on.
        for (key, delta) in std::mem::take(&mut self.open) {
            let expected = self.expected.entry(key.clone()).or_default();
            if states.get(&key).copied().unwrap_or_default() != *expected {
                *expected ^= delta;
            }
        }
        for (key, expected) in &self.expected {
            assert_eq!(
                states.get(key).copied().unwrap_or_default(),
                *expected,
                "{key}"
            );
        }
        assert_eq!(
            states.len(),
            self.expected.len(),
            "there is a key that was never written"
        );
    }

    fn print(&self) {
        println!(
            "| engine | {:44} | writes | differed | converged | bytes to  \
             | entry | repaired | dropped |",
            "scenario"
        );
        println!(
            "|        | {:44} |        | at heal  | after s   | converge  \
             |       | (total)  | (total) |",
            ""
        );
        println!(
            "|--------|-{:-<44}-|--------|----------|-----------|-----------\
             |-------|----------|---------|",
            ""
        );
        self.table.iter().for_each(|row| println!("{row}"));
    }

    fn peers_see_each_other(&self) {
        let nodes = self.running();
        let start = Instant::now();
        while nodes
            .iter()
            .any(|node| node.status()["peers"].as_u64().unwrap() < nodes.len() as u64 - 1)
        {
            let logs: Vec<String> = nodes.iter().map(|node| node.log()).collect();
            assert!(
                start.elapsed() < CONVERGENCE,
                "the nodes do not find each other:\n{}",
                logs.join("\n")
            );
            sleep(Duration::from_millis(100));
        }
    }
}

/// Goes through all faults between machines; after each, all nodes agree to the last bit.
fn all_heals(lab: &mut Lab) {
    (0..3).for_each(|n| lab.start(n));
    lab.peers_see_each_other();

    let writers = lab.write(&[0, 1, 2]);
    sleep(Duration::from_secs(3));
    let writes = lab.end(writers);
    let before = lab.statuses();
    let start = Instant::now();
    lab.converge("nothing goes wrong", writes, &before, start);

    let writers = lab.write(&[0, 1, 2]);
    sleep(Duration::from_secs(2));
    lab.network.cable(2, false);
    sleep(Duration::from_secs(15));
    let writes = lab.end(writers);
    let before = lab.statuses();
    assert!(!Lab::same(&before), "the link was not down");
    lab.network.cable(2, true);
    let start = Instant::now();
    lab.converge(
        "link of one node down 15 s, 50 writes/s each",
        writes,
        &before,
        start,
    );

    let writers = lab.write(&[0, 1, 2]);
    lab.network.lossy(true);
    sleep(Duration::from_secs(20));
    let writes = lab.end(writers);
    let before = lab.statuses();
    lab.network.lossy(false);
    let start = Instant::now();
    lab.converge("5 % of packets lost, 20 s", writes, &before, start);

    for node in lab.running() {
        let faults = "seed=7,loss=0.05,dup=0.2,reorder=0.2,delay=150";
        node.ask(json!({"op": "links", "faults": faults}));
    }
    let writers = lab.write(&[0, 1, 2]);
    sleep(Duration::from_secs(10));
    let writes = lab.end(writers);
    let before = lab.statuses();
    for node in lab.running() {
        node.ask(json!({"op": "links", "faults": ""}));
    }
    let start = Instant::now();
    lab.converge(
        "duplicates, reordering, delay, loss, 10 s",
        writes,
        &before,
        start,
    );

    let writers = lab.write(&[0, 1, 2]);
    sleep(Duration::from_secs(2));
    lab.nodes[1].take().unwrap().kill();
    sleep(Duration::from_secs(3));
    let writes = lab.end(writers);
    let before = lab.statuses();
    let start = Instant::now();
    lab.start(1);
    lab.converge(
        "kill -9 of one node, back after 3 s",
        writes,
        &before,
        start,
    );

    let before = lab.statuses();
    let start = Instant::now();
    lab.start(3);
    lab.converge("a late joiner", 0, &before, start);

    for status in lab.statuses() {
        assert_eq!(status["refused"], 0, "{status:#}");
        let events = status["events"].as_array().unwrap();
        let bad = events.iter().filter(|event| event["event"] != "overlap");
        assert_eq!(bad.count(), 0, "{status:#}");
    }
    for node in lab.nodes.iter_mut().filter_map(Option::take) {
        assert!(node.stop().success());
    }
}

#[test]
#[cfg(feature = "zenoh")]
fn zenoh_peers_heal_on_real_links() {
    let Some(mut lab) = Lab::new("zenoh", 4) else {
        return;
    };
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| all_heals(&mut lab)));
    lab.print();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

#[cfg(feature = "nats")]
mod nats {
    use super::*;

    use std::process::{Child, Stdio};

    struct Server {
        process: Child,
    }

    impl Server {
        /// Returns `None` and prints why if no server is installed.
        fn start(network: &Network) -> Option<Self> {
            // Debian installs it in a folder that is only on root's PATH.
            let found = [
                "/usr/sbin/nats-server",
                "/usr/bin/nats-server",
                "/usr/local/bin/nats-server",
            ];
            let Some(program) = found
                .iter()
                .find(|file| std::path::Path::new(file).is_file())
            else {
                assert!(std::env::var_os("CI").is_none(), "CI must have nats-server");
                eprintln!(
                    "skipped: nats-server is not installed (Debian's package nats-server has it)"
                );
                return None;
            };
            let process = Command::new("ip")
                .args([
                    "netns",
                    "exec",
                    &network.switch(),
                    program,
                    "-a",
                    "10.77.0.254",
                    "-p",
                    "4222",
                ])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            Some(Self { process })
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    #[test]
    fn nats_nodes_heal_on_real_links() {
        let Some(mut lab) = Lab::new("nats", 4) else {
            return;
        };
        let Some(_server) = Server::start(&lab.network) else {
            return;
        };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| all_heals(&mut lab)));
        lab.print();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    }

    #[test]
    fn a_node_logs_a_missing_nats_server_and_accepts_changes_until_it_appears() {
        let Some(mut lab) = Lab::new("late", 2) else {
            return;
        };
        lab.engine = "nats";
        lab.start(0);
        lab.start(1);
        let node = lab.nodes[0].as_ref().unwrap();
        assert_eq!(
            node.ask(json!({"op": "put", "key": "x", "value": 7}))["batch"],
            1
        );
        assert_eq!(node.status()["engine_open"], false);
        let start = Instant::now();
        while !node.log().contains("no engine yet") {
            assert!(start.elapsed() < PATIENCE, "{}", node.log());
            sleep(Duration::from_millis(50));
        }
        assert!(
            node.log().contains("start one with `nats-server`"),
            "{}",
            node.log()
        );
        let Some(_server) = Server::start(&lab.network) else {
            return;
        };
        lab.peers_see_each_other();
        let start = Instant::now();
        while lab.nodes[1].as_ref().unwrap().get("x") != "0x0000000000000007" {
            assert!(start.elapsed() < CONVERGENCE);
            sleep(Duration::from_millis(50));
        }
    }
}
