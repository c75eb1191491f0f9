//! The settings of a run: nodes, links, disks, clients and faults.

use crate::network::LinkConditions;
use crate::system::{Micros, NodeId};

/// What goes wrong during a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Messages are lost, come twice and overtake each other.
    pub loss: bool,
    /// One node is cut off from the others; the cut ends with the last operation.
    pub partition: bool,
    /// One node loses power, and with it what its disk had not synced; it is started again with the
    /// last operation. Its clients go to the next node.
    pub crash: bool,
}

/// All of a run but the workload and the system.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Nodes; at least as many as the workload has.
    pub nodes: usize,
    /// Where all randomness comes from.
    pub seed: u64,
    /// The network, loss and the like left to [`Faults`].
    pub link: LinkConditions,
    /// What goes wrong.
    pub faults: Faults,
    /// Shares of messages that are lost, doubled and reordered where [`Faults::loss`] is set.
    pub lossy: [f64; 3],
    /// How long an fsync takes.
    pub fsync: Micros,
    /// Bytes a second that a disk writes.
    pub disk_bandwidth: u64,
    /// Clients of a node hand over together what came within this time.
    pub batch: Micros,
    /// How often nodes compare themselves where a system does so periodically.
    pub sync_interval: Micros,
    /// Operations a second of virtual time, on average; `None`: as recorded.
    pub rate: Option<f64>,
    /// How long a fault lasts; the last third of the run if that is shorter.
    pub outage: Micros,
    /// How long it takes a transport to notice that a peer is gone.
    pub notice: Micros,
    /// How long nodes may take to be identical after the last operation and the last fault before
    /// the run gives up.
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
            rate: Some(1_000.0),
            outage: 15_000_000,
            notice: 1_000_000,
            patience: 600_000_000,
        }
    }
}

impl Settings {
    /// All settings in words, a line each.
    pub fn describe(&self) -> Vec<String> {
        let LinkConditions {
            latency,
            jitter,
            bandwidth,
            ..
        } = self.link;
        let ms = |micros: Micros| micros as f64 / 1e3;
        let [loss, duplicates, reorder] = self.lossy.map(|share| share * 100.0);
        let mut lines = vec![
            format!("{} nodes, all connected to all", self.nodes),
            format!(
                "latency {} ms one way, plus an exponential draw of {} ms on average; uplink {} Mbit/s a node",
                ms(latency),
                ms(jitter),
                bandwidth * 8 / 1_000_000
            ),
            format!(
                "disks: an fsync takes {} ms, writing {} MB/s; a write is acknowledged when it is durable, all that waits goes into one fsync",
                ms(self.fsync),
                self.disk_bandwidth / 1_000_000
            ),
            format!(
                "clients of a node hand over together what came within {} ms",
                ms(self.batch)
            ),
            format!(
                "messages are carried in packets of {} bytes with {} bytes of headers each; they keep their order on a link unless drawn to be reordered",
                crate::network::PACKET_PAYLOAD,
                crate::network::PACKET_HEADERS
            ),
        ];
        if self.faults.loss {
            lines.push(format!(
                "{loss} % of the messages are lost, {duplicates} % come twice, {reorder} % come up to ten latencies late; while operations come, not after"
            ));
        }
        if self.faults.partition {
            lines.push(format!(
                "node {} is cut off for {} s at most, a third of the run at most, until the last operation; noticed after {} ms",
                self.victim(),
                ms(self.outage) / 1e3,
                ms(self.notice)
            ));
        }
        if self.faults.crash {
            lines.push(format!(
                "node {} loses power and what its disk had not synced, and is started again with the last operation, {} s later at most, a third of the run at most; its clients go to the next node",
                self.casualty(),
                ms(self.outage) / 1e3
            ));
        }
        lines
    }

    /// The node that is cut off.
    pub fn victim(&self) -> NodeId {
        (self.seed % self.nodes.max(1) as u64) as NodeId
    }

    /// The node that is killed; another than the one cut off.
    pub fn casualty(&self) -> NodeId {
        (self.victim() + 1) % self.nodes.max(1)
    }
}
