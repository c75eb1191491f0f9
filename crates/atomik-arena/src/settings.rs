//! The settings of a run: nodes, links, disks, clients and faults.

use std::fmt;

use crate::network::{LinkConditions, PACKET_HEADERS, PACKET_PAYLOAD};
use crate::pace::Pace;
use crate::system::{Micros, NodeId};

/// The faults of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Messages are lost, duplicated and reordered.
    pub loss: bool,
    /// One node is cut off from the others until the last operation.
    pub partition: bool,
    /// One node loses power, and everything that its disk has not synced, and restarts with the
    /// last operation. Its clients go to the next node.
    pub crash: bool,
}

/// The names of the faults as the command line takes them: `loss,crash`, or `none`.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.loss, "loss"),
            (self.partition, "partition"),
            (self.crash, "crash"),
        ];
        let names: Vec<_> = names
            .iter()
            .filter_map(|(is, name)| is.then_some(*name))
            .collect();
        if names.is_empty() {
            f.write_str("none")
        } else {
            f.write_str(&names.join(","))
        }
    }
}

/// Everything about a run except the workload and the system.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Nodes; at least as many as the workload has.
    pub nodes: usize,
    /// The seed of all randomness.
    pub seed: u64,
    /// The links without loss, duplicates and reordering, which [`Faults::loss`] adds.
    pub link: LinkConditions,
    /// The faults.
    pub faults: Faults,
    /// The shares of messages that [`Faults::loss`] loses, duplicates and reorders.
    pub lossy: [f64; 3],
    /// How long an fsync takes.
    pub fsync: Micros,
    /// How many bytes per second a disk writes.
    pub disk_bandwidth: u64,
    /// Clients of a node submit together what arrives within this time.
    pub batch: Micros,
    /// How often nodes compare their states, in systems that do so periodically.
    pub sync_interval: Micros,
    /// How long changes may wait for others before they are sent ([`Setup::linger`]).
    ///
    /// [`Setup::linger`]: crate::system::Setup::linger
    pub linger: Micros,
    /// How fast the trace is played.
    pub pace: Pace,
    /// How long a fault lasts, but at most the last third of the run.
    pub outage: Micros,
    /// How long a transport takes to notice that a peer is gone.
    pub notice: Micros,
    /// How long nodes may take to become identical after the last operation and the last fault. The
    /// run gives up after that.
    pub patience: Micros,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            nodes: 3,
            seed: 1,
            link: LinkConditions {
                latency: 5_000,
                jitter: 500,
                bandwidth: 12_500_000,
                loss: 0.0,
                duplicates: 0.0,
                reorder: 0.0,
            },
            faults: Faults::default(),
            lossy: [0.05, 0.01, 0.01],
            fsync: 1_000,
            disk_bandwidth: 200_000_000,
            batch: 2_000,
            sync_interval: 1_000_000,
            linger: 0,
            pace: Pace::SkipIdle,
            outage: 15_000_000,
            notice: 1_000_000,
            patience: 600_000_000,
        }
    }
}

impl Settings {
    /// The time after which an operation has reached all nodes in every system, without faults and
    /// queues: ten latencies, at least 50 ms.
    pub fn reach(&self) -> Micros {
        (10 * self.link.latency).max(50_000)
    }

    /// All settings in words, one line each.
    pub fn describe(&self) -> Vec<String> {
        let LinkConditions {
            latency,
            jitter,
            bandwidth,
            ..
        } = self.link;
        let ms = |micros: Micros| micros as f64 / 1e3;
        let mut lines = vec![
            match self.nodes {
                1 => "a single node".to_owned(),
                nodes => format!("{nodes} nodes, fully connected"),
            },
            format!(
                "one-way latency {} ms plus exponential jitter of {} ms on average; \
                 uplink {} Mbit/s per node",
                ms(latency),
                ms(jitter),
                bandwidth * 8 / 1_000_000
            ),
            format!(
                "disks: an fsync takes {} ms, writing {} MB/s; a write is acknowledged when it is \
                 durable, and one fsync covers all writes that wait",
                ms(self.fsync),
                self.disk_bandwidth / 1_000_000
            ),
            format!(
                "clients of a node submit together what arrives within {} ms",
                ms(self.batch)
            ),
            match self.linger {
                0 => "changes are sent as soon as they can be".to_owned(),
                linger => format!(
                    "a change that could be sent waits up to {} ms for others, and travels with \
                     them; what a node can acknowledge on its own does not wait",
                    ms(linger)
                ),
            },
            format!(
                "packets carry up to {PACKET_PAYLOAD} bytes of a message and {PACKET_HEADERS} \
                 bytes of headers; a link delivers in order unless a message is drawn to be \
                 reordered"
            ),
        ];
        lines.push(match self.pace {
            Pace::SkipIdle => format!(
                "the trace is played as recorded, but no time without operations is longer than \
                 {} ms",
                ms(self.reach())
            ),
            Pace::Recorded => "the trace is played as recorded".into(),
            Pace::PerSecond(rate) => format!(
                "all times of the trace are scaled to {rate} operations per second on average"
            ),
        });
        self.describe_faults(&mut lines);
        lines
    }

    fn describe_faults(&self, lines: &mut Vec<String>) {
        let seconds = |micros: Micros| micros as f64 / 1e6;
        let [loss, duplicates, reorder] = self.lossy.map(|share| share * 100.0);
        if self.faults.loss {
            lines.push(format!(
                "until the last operation, {loss} % of the messages are lost, {duplicates} % are \
                 duplicated, and {reorder} % arrive up to ten latencies late"
            ));
        }
        if self.faults.partition {
            lines.push(format!(
                "node {} is cut off for the last {} s of the operations, at most a third of the \
                 run; the others notice after {} ms",
                self.partitioned_node(),
                seconds(self.outage),
                self.notice as f64 / 1e3
            ));
        }
        if self.faults.crash {
            lines.push(format!(
                "node {} loses power, and everything that its disk has not synced, {} s before \
                 the last operation, at most a third of the run, and then restarts; its clients \
                 go to the next node",
                self.crashed_node(),
                seconds(self.outage)
            ));
        }
    }

    /// The node that [`Faults::partition`] cuts off.
    pub fn partitioned_node(&self) -> NodeId {
        (self.seed % self.nodes.max(1) as u64) as NodeId
    }

    /// The node that [`Faults::crash`] crashes, which is never the one cut off.
    pub fn crashed_node(&self) -> NodeId {
        (self.partitioned_node() + 1) % self.nodes.max(1)
    }
}
