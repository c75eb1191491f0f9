//! A cluster of processes: which nodes run, which changes were acknowledged, and whether all agree.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use atomik_node::client::Client;
use serde_json::{Value as Json, json};

use crate::process::{Members, PATIENCE, Running};

/// Writes per node and second of [`Cluster::write`].
const RATE: u64 = 50;

/// Number of keys.
const KEYS: u64 = 300;

/// Timeout against hanging, not a goal.
pub const CONVERGENCE: Duration = Duration::from_secs(120);

/// A client that makes one change at a time, each acknowledged before the next.
struct Writer {
    client: Client,
    /// Number of keys that it writes to.
    keys: u64,
    number: u64,
    written: Written,
}

/// The changes of a writer.
#[derive(Default)]
pub struct Written {
    /// The xor of the acknowledged deltas by key.
    acknowledged: BTreeMap<String, u64>,
    pub writes: u64,
    /// An unacknowledged change, which may have taken effect.
    open: Option<(String, u64)>,
}

impl Writer {
    fn new(node: &Running, seed: u64) -> Self {
        Self {
            client: node.client(),
            keys: KEYS,
            number: seed << 40,
            written: Written::default(),
        }
    }

    /// Makes a change. Returns `false` if it was not acknowledged.
    fn write(&mut self) -> bool {
        // Any generator of different deltas will do.
        self.number = self
            .number
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let (key, delta) = (
            format!("k{}", (self.number >> 33) % self.keys),
            self.number | 1,
        );
        let request = json!({"op": "accum", "key": key, "value": delta});
        if self.client.ask(&request).is_err() {
            self.written.open = Some((key, delta));
            return false;
        }
        *self.written.acknowledged.entry(key).or_default() ^= delta;
        self.written.writes += 1;
        true
    }
}

/// Writes to one node in the background, [`RATE`] times a second.
pub struct Writing {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Written>,
}

impl Writing {
    fn start(mut writer: Writer) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let task = thread::spawn(move || {
            let mut next = Instant::now();
            while !stopping.load(Relaxed) && writer.write() {
                next += Duration::from_millis(1000 / RATE);
                sleep(next.saturating_duration_since(Instant::now()));
            }
            writer.written
        });
        Self { stop, task }
    }

    fn end(self) -> Written {
        self.stop.store(true, Relaxed);
        self.task.join().unwrap()
    }
}

/// The members of a keyspace, their running nodes, and the states that they should have.
pub struct Cluster {
    pub members: Members,
    pub nodes: Vec<Option<Running>>,
    expected: BTreeMap<String, u64>,
    /// Changes that may have taken effect.
    open: Vec<(String, u64)>,
    /// Number of writers so far, so that each makes other changes.
    writers: u64,
}

impl Cluster {
    pub fn new(members: usize) -> Self {
        Self {
            members: Members::new(members),
            nodes: (0..members).map(|_| None).collect(),
            expected: BTreeMap::new(),
            open: Vec::new(),
            writers: 0,
        }
    }

    /// Node `n`, which runs.
    pub fn node(&self, n: usize) -> &Running {
        self.nodes[n].as_ref().unwrap()
    }

    /// Takes node `n`, which runs, out of the cluster, to be stopped or killed.
    pub fn take(&mut self, n: usize) -> Running {
        self.nodes[n].take().unwrap()
    }

    pub fn running(&self) -> Vec<&Running> {
        self.nodes.iter().flatten().collect()
    }

    fn writer(&mut self, n: usize) -> Writer {
        self.writers += 1;
        Writer::new(self.node(n), self.writers)
    }

    /// Begins to write to these nodes.
    pub fn write(&mut self, nodes: &[usize]) -> Vec<Writing> {
        let writers = nodes.iter().map(|&n| Writing::start(self.writer(n)));
        writers.collect()
    }

    /// Stops the writers and returns the number of their writes.
    pub fn end(&mut self, writers: Vec<Writing>) -> u64 {
        let written: Vec<Written> = writers.into_iter().map(Writing::end).collect();
        written.into_iter().map(|written| self.add(written)).sum()
    }

    fn add(&mut self, written: Written) -> u64 {
        for (key, delta) in written.acknowledged {
            *self.expected.entry(key).or_default() ^= delta;
        }
        self.open.extend(written.open);
        written.writes
    }

    /// Makes up to `count` changes of up to `keys` keys at node `n`, as fast as it acknowledges
    /// them, and returns how many it acknowledged: fewer if it refuses one.
    pub fn burst(&mut self, n: usize, count: u64, keys: u64) -> u64 {
        let mut writer = self.writer(n);
        writer.keys = keys;
        let _ = (0..count).all(|_| writer.write());
        self.add(writer.written)
    }

    /// Makes `count` changes at each of these nodes, which must acknowledge all.
    pub fn bursts(&mut self, nodes: &[usize], count: u64) {
        for &n in nodes {
            let written = self.burst(n, count, KEYS);
            assert_eq!(written, count, "node {n}: {}", self.node(n).log());
        }
    }

    pub fn statuses(&self) -> Vec<Json> {
        self.running().iter().map(|node| node.status()).collect()
    }

    pub fn same(statuses: &[Json]) -> bool {
        ["states", "digest", "entries"].iter().all(|field| {
            statuses
                .windows(2)
                .all(|pair| pair[0][field] == pair[1][field])
        })
    }

    /// Waits until `holds`; fails with the logs of all nodes.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(
                start.elapsed() < CONVERGENCE,
                "{what}: not after {CONVERGENCE:?}\n{}",
                self.logs()
            );
            sleep(Duration::from_millis(50));
        }
    }

    fn logs(&self) -> String {
        let logs: Vec<String> = self.running().iter().map(|node| node.log()).collect();
        logs.join("\n")
    }

    /// Waits until all running nodes have the expected states, and returns their statuses.
    pub fn converge(&mut self, scenario: &str) -> Vec<Json> {
        let statuses = self.agree(scenario);
        self.check(scenario);
        statuses
    }

    /// Waits until all running nodes have equal states, and returns their statuses.
    pub fn agree(&self, scenario: &str) -> Vec<Json> {
        let mut statuses = Vec::new();
        self.until(scenario, || {
            statuses = self.statuses();
            let rests = |status: &Json| status["dirty"] == false && status["sealed"] == true;
            Self::same(&statuses) && statuses.iter().all(rests)
        });
        statuses
    }

    /// Checks that the states contain every acknowledged change exactly once.
    fn check(&mut self, scenario: &str) {
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
                "{scenario}: {key}\n{}",
                self.logs()
            );
        }
        states.retain(|key, _| !self.expected.contains_key(key));
        assert!(
            states.is_empty(),
            "{scenario}: keys that were never written: {states:?}"
        );
    }

    /// Waits until every running node has a session with every other.
    pub fn meet(&self) {
        let others = self.running().len() as u64 - 1;
        self.until("the nodes find each other", || {
            let mut statuses = self.statuses().into_iter();
            statuses.all(|status| status["peers"].as_u64().unwrap() >= others)
        });
    }

    /// Stops all nodes, which must succeed.
    pub fn stop(&mut self) {
        for node in self.nodes.iter_mut().filter_map(Option::take) {
            assert!(node.stop().success());
        }
    }
}

/// Waits until `holds`, for what concerns one node.
pub fn until(what: &str, node: &Running, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}: {}", node.log());
        sleep(Duration::from_millis(50));
    }
}
