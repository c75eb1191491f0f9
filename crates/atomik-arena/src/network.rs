//! The simulated network. It is the same for every system and drawn from one seed.
//!
//! A node has one uplink of limited bandwidth. A message leaves when those before it have left, and
//! arrives after a latency. A link delivers in order, as a TCP connection does, except for messages
//! that are drawn to be reordered. Loss is per message, as a broken connection or a full queue
//! causes it.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::system::{Micros, NodeId};

/// Header bytes of a packet: Ethernet with its checksum (18), IPv4 (20, RFC 791), and TCP (20, RFC
/// 9293) with the padded timestamp option (12, RFC 7323).
pub const PACKET_HEADERS: u64 = 70;
/// Message bytes of a packet: an Ethernet payload of 1500 minus the IP and TCP headers.
pub const PACKET_PAYLOAD: u64 = 1448;
/// Bytes that frame a message: its length.
pub const LENGTH_PREFIX: u64 = 4;

/// Bytes that a message takes on a link, including packet headers. TCP acknowledgements are not
/// counted.
pub fn wire_bytes(payload: u64) -> u64 {
    let framed = payload + LENGTH_PREFIX;
    framed + framed.div_ceil(PACKET_PAYLOAD) * PACKET_HEADERS
}

/// The conditions on all links.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkConditions {
    /// The least time from node to node, in microseconds.
    pub latency: Micros,
    /// The mean of the exponentially distributed delay on top of it, in microseconds.
    pub jitter: Micros,
    /// Bytes per second that a node can send.
    pub bandwidth: u64,
    /// The share of messages that are lost.
    pub loss: f64,
    /// The share of messages that arrive twice.
    pub duplicates: f64,
    /// The share of messages that arrive up to ten latencies late, so that later ones overtake
    /// them.
    pub reorder: f64,
}

#[derive(Debug)]
struct Link {
    draws: Xoshiro256PlusPlus,
    /// When the last message that keeps its order arrives.
    last: Micros,
    cut: bool,
}

/// All links between nodes.
#[derive(Debug)]
pub(crate) struct Network {
    conditions: LinkConditions,
    nodes: usize,
    links: Vec<Link>,
    /// When each node's uplink becomes free.
    free: Vec<Micros>,
}

impl Network {
    pub(crate) fn new(conditions: LinkConditions, nodes: usize, seed: u64) -> Self {
        let links = (0..nodes * nodes).map(|link| Link {
            draws: Xoshiro256PlusPlus::seed_from_u64(seed ^ (link as u64 + 1) << 32),
            last: 0,
            cut: false,
        });
        Self {
            conditions,
            nodes,
            links: links.collect(),
            free: vec![0; nodes],
        }
    }

    /// Stops loss, duplication and reordering.
    pub(crate) fn end_faults(&mut self) {
        self.conditions = LinkConditions {
            loss: 0.0,
            duplicates: 0.0,
            reorder: 0.0,
            ..self.conditions
        };
    }

    /// Cuts or restores all links between a node and the others.
    pub(crate) fn isolate(&mut self, node: NodeId, cut: bool) {
        for other in 0..self.nodes {
            self.links[node * self.nodes + other].cut = cut;
            self.links[other * self.nodes + node].cut = cut;
        }
    }

    /// Whether the link is cut.
    pub(crate) fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.links[from * self.nodes + to].cut
    }

    /// When a message that is sent now arrives: never, once or twice.
    pub(crate) fn send(
        &mut self,
        now: Micros,
        from: NodeId,
        to: NodeId,
        wire: u64,
    ) -> [Option<Micros>; 2] {
        let LinkConditions {
            latency,
            jitter,
            bandwidth,
            loss,
            duplicates,
            reorder,
        } = self.conditions;
        let free = &mut self.free[from];
        let sending = wire.saturating_mul(1_000_000).div_ceil(bandwidth.max(1));
        *free = (*free).max(now) + sending;
        let left = *free;
        let link = &mut self.links[from * self.nodes + to];
        // Every draw is made for every message, so that no setting changes the draws of the others.
        let [lost, doubled, late] = [loss, duplicates, reorder].map(|share| link.chance(share));
        let on_time = left + latency + link.exponential(jitter);
        let behind = link.draws.next_u64() % (10 * latency).max(1);
        if link.cut || lost {
            return [None, None];
        }
        let arrival = if late {
            on_time + behind
        } else {
            link.last = link.last.max(on_time);
            link.last
        };
        [Some(arrival), doubled.then_some(arrival + behind)]
    }
}

impl Link {
    /// A uniform draw of [0, 1).
    fn unit(&mut self) -> f64 {
        (self.draws.next_u64() >> 11) as f64 * 2f64.powi(-53)
    }

    fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    fn exponential(&mut self, mean: Micros) -> Micros {
        (-(1.0 - self.unit()).ln() * mean as f64) as Micros
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: LinkConditions = LinkConditions {
        latency: 1000,
        jitter: 0,
        bandwidth: 1_000_000,
        loss: 0.0,
        duplicates: 0.0,
        reorder: 0.0,
    };

    #[test]
    fn a_message_pays_for_every_packet() {
        assert_eq!(wire_bytes(0), 74);
        assert_eq!(wire_bytes(1444), 1448 + 70);
        assert_eq!(wire_bytes(1445), 1449 + 140);
    }

    #[test]
    fn messages_wait_for_the_uplink() {
        let mut network = Network::new(CALM, 3, 1);
        assert_eq!(network.send(0, 0, 1, 500), [Some(1500), None]);
        assert_eq!(network.send(0, 0, 2, 500), [Some(2000), None]);
        assert_eq!(network.send(0, 1, 2, 500), [Some(1500), None]);
    }

    #[test]
    fn shares_are_as_set_and_order_is_kept_but_for_those_reordered() {
        let link = LinkConditions {
            jitter: 700,
            bandwidth: u64::MAX,
            loss: 0.1,
            duplicates: 0.05,
            reorder: 0.02,
            ..CALM
        };
        let mut network = Network::new(link, 2, 7);
        let fates: Vec<_> = (0..100_000u64)
            .map(|n| network.send(n * 10, 0, 1, 100))
            .collect();
        let share = |count: usize| count as f64 / fates.len() as f64;
        let lost = share(fates.iter().filter(|fate| fate[0].is_none()).count());
        let doubled = share(fates.iter().filter(|fate| fate[1].is_some()).count());
        assert!((lost - 0.1).abs() < 0.005, "{lost}");
        assert!((doubled - 0.045).abs() < 0.005, "{doubled}");
        let mut latest = 0;
        let mut overtaken = 0;
        for arrival in fates.iter().filter_map(|fate| fate[0]) {
            overtaken += usize::from(arrival < latest);
            latest = latest.max(arrival);
        }
        let overtakers = share(overtaken);
        assert!(
            overtakers > 0.1,
            "{overtakers}: late messages are overtaken by many"
        );

        let calm = LinkConditions {
            reorder: 0.0,
            ..link
        };
        let mut network = Network::new(calm, 2, 7);
        let arrivals: Vec<_> = (0..10_000u64)
            .filter_map(|n| network.send(n * 10, 0, 1, 100)[0])
            .collect();
        assert!(arrivals.is_sorted());
    }

    #[test]
    fn an_isolated_node_neither_sends_nor_receives() {
        let mut network = Network::new(CALM, 3, 1);
        network.isolate(1, true);
        assert_eq!(network.send(0, 0, 1, 1)[0], None);
        assert_eq!(network.send(0, 1, 2, 1)[0], None);
        assert!(network.send(0, 0, 2, 1)[0].is_some());
        network.isolate(1, false);
        assert!(network.send(0, 1, 2, 1)[0].is_some());
    }
}
