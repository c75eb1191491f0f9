//! Real nodes on real links: processes in network namespaces, connected by a bridge whose cables
//! the test unplugs.
//!
//! Needs root, `ip` (Debian: iproute2) and `iptables`. Without them the tests are skipped with a
//! message, or fail if `CI` is set. The namespaces are called `atk-PID-…` and are removed at the
//! end; a killed test leaves them behind (`ip netns list`, `ip netns delete NAME`).
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::cluster::Cluster;

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

/// A cluster whose nodes are machines of a network.
struct Lab {
    engine: &'static str,
    network: Network,
    cluster: Cluster,
    table: Vec<String>,
}

impl Lab {
    fn new(engine: &'static str, machines: usize) -> Option<Self> {
        Some(Self {
            engine,
            network: Network::new(engine, machines)?,
            cluster: Cluster::new(machines),
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
        self.cluster.nodes[n] = Some(self.cluster.members.start(n, &by, &args));
    }

    /// Writes to all running nodes for some seconds.
    fn write_for(&mut self, nodes: &[usize], seconds: u64) -> u64 {
        let writers = self.cluster.write(nodes);
        sleep(Duration::from_secs(seconds));
        self.cluster.end(writers)
    }

    /// Waits until all running nodes have the expected states, and adds a row to the table with the
    /// time that this took.
    fn converge(&mut self, scenario: &str, writes: u64, before: &[Json]) {
        let start = Instant::now();
        let differed = match before.len() {
            all if all < self.cluster.running().len() => "new",
            _ if Cluster::same(before) => "no",
            _ => "yes",
        };
        let after = self.cluster.converge(scenario);
        let took = start.elapsed().as_secs_f64();
        let total = |statuses: &[Json], field: &str| -> u64 {
            let values = statuses
                .iter()
                .map(|status| status[field].as_u64().unwrap());
            values.sum()
        };
        let bytes = total(&after, "bytes_out").saturating_sub(total(before, "bytes_out"));
        let (repaired, dropped) = (total(&after, "repaired"), total(&after, "dropped"));
        self.table.push(format!(
            "| {:6} | {scenario:44} | {writes:6} | {:8} | {took:9.2} | {bytes:9} \
             | {:5} | {repaired:8} | {dropped:7} |",
            self.engine, differed, after[0]["entries"]
        ));
    }

    /// The members that node `n` has a session with, and itself.
    fn seen_by(&self, n: usize) -> Vec<String> {
        let answer = self.cluster.node(n).ask(json!({"op": "members"}));
        let members = answer["members"].as_array().unwrap().iter();
        let seen = members.filter(|member| member["up"] == true || member["this"] == true);
        let mut seen: Vec<String> = seen
            .map(|member| member["name"].as_str().unwrap().to_owned())
            .collect();
        seen.sort();
        seen
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
}

/// Goes through all faults between machines; after each, all nodes agree to the last bit.
fn all_heals(lab: &mut Lab) {
    (0..3).for_each(|n| lab.start(n));
    lab.cluster.meet();

    let writes = lab.write_for(&[0, 1, 2], 3);
    let before = lab.cluster.statuses();
    lab.converge("nothing goes wrong", writes, &before);

    // A session outlives the first outage, and not the second.
    for (seconds, scenario) in [
        (3, "link of one node down 3 s, 50 writes/s each"),
        (15, "link of one node down 15 s, 50 writes/s each"),
    ] {
        let writers = lab.cluster.write(&[0, 1, 2]);
        sleep(Duration::from_secs(2));
        lab.network.cable(2, false);
        sleep(Duration::from_secs(seconds));
        let writes = lab.cluster.end(writers);
        let before = lab.cluster.statuses();
        assert!(!Cluster::same(&before), "the link was not down");
        if seconds == 15 {
            assert_eq!(lab.seen_by(0), ["n0", "n1"]);
            assert_eq!(lab.seen_by(2), ["n2"]);
        }
        lab.network.cable(2, true);
        lab.converge(scenario, writes, &before);
    }

    lab.network.lossy(true);
    let writes = lab.write_for(&[0, 1, 2], 20);
    let before = lab.cluster.statuses();
    lab.network.lossy(false);
    lab.converge("5 % of packets lost, 20 s", writes, &before);

    let set_faults = |lab: &Lab, faults: &str| {
        for node in lab.cluster.running() {
            node.ask(json!({"op": "links", "faults": faults}));
        }
    };
    set_faults(lab, "seed=7,loss=0.05,dup=0.2,reorder=0.2,delay=150");
    let writes = lab.write_for(&[0, 1, 2], 10);
    let before = lab.cluster.statuses();
    set_faults(lab, "");
    lab.converge("duplicates, reordering, delay, loss, 10 s", writes, &before);

    let writers = lab.cluster.write(&[0, 1, 2]);
    sleep(Duration::from_secs(2));
    lab.cluster.take(1).kill();
    sleep(Duration::from_secs(3));
    let writes = lab.cluster.end(writers);
    let before = lab.cluster.statuses();
    lab.start(1);
    lab.converge("kill -9 of one node, back after 3 s", writes, &before);

    let before = lab.cluster.statuses();
    lab.start(3);
    lab.converge("a late joiner", 0, &before);

    for status in lab.cluster.statuses() {
        assert_eq!(status["refused"], 0, "{status:#}");
        let events = status["events"].as_array().unwrap();
        let bad = events.iter().filter(|event| event["event"] != "overlap");
        assert_eq!(bad.count(), 0, "{status:#}");
    }
    lab.cluster.stop();
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

    use crate::cluster::until;
    use crate::nats_server;
    use crate::process::Scoped;

    fn server(network: &Network) -> Option<Scoped> {
        let by = ["ip", "netns", "exec", &network.switch()];
        nats_server::start(&by, "10.77.0.254", 4222)
    }

    #[test]
    fn nats_nodes_heal_on_real_links() {
        let Some(mut lab) = Lab::new("nats", 4) else {
            return;
        };
        let Some(_server) = server(&lab.network) else {
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
        let node = lab.cluster.node(0);
        assert_eq!(
            node.ask(json!({"op": "put", "key": "x", "value": 7}))["batch"],
            1
        );
        assert_eq!(node.status()["engine_open"], false);
        let says = |text: &str| node.log().contains(text);
        until("it logs that there is no server", node, || {
            says("no engine yet")
        });
        assert!(says("start one with `nats-server`"), "{}", node.log());
        let Some(_server) = server(&lab.network) else {
            return;
        };
        lab.cluster.meet();
        let other = lab.cluster.node(1);
        lab.cluster.until("the change arrives", || {
            other.get("x") == "0x0000000000000007"
        });
    }
}
