//! The text of /metrics, in the OpenMetrics format that Prometheus reads.
//!
//! Counters start at 0 with every run of the node. The coalescing factor is `atomik_changes_total /
//! atomik_published_total`. A node lags behind an origin by the difference of `atomik_origin_frame`
//! between that origin's node and this one.

use std::sync::atomic::AtomicU64;

use atomik_net::{Counters as Engine, hex};
use atomik_replica::Counters as Core;
use atomik_session::Counters as Sessions;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use crate::state::{NodeCounters, NodeState};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Origin {
    origin: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Peer {
    peer: String,
}

/// A metric without labels: its name, its help text, and where its value comes from.
type Metric<S> = (&'static str, &'static str, fn(&S) -> u64);

const CHANGES: [Metric<NodeCounters>; 2] = [
    ("ops", "Local changes accepted", |node| node.changes_done),
    ("ops_refused", "Local changes refused", |node| {
        node.changes_refused
    }),
];

const REPLICA: [Metric<Core>; 12] = [
    ("changes", "Local operations that changed a state", |core| {
        core.changes
    }),
    (
        "published",
        "Entries published, one per changed key and flush",
        |core| core.published,
    ),
    ("frames", "Frames published", |core| core.frames),
    (
        "merged",
        "Entries received from peers and applied",
        |core| core.merged,
    ),
    (
        "stale",
        "Entries received from peers that were already known",
        |core| core.stale,
    ),
    ("overlaps", "Concurrent changes of the same bits", |core| {
        core.overlaps
    }),
    (
        "agreements",
        "Comparisons with a peer that found no difference",
        |core| core.agreements,
    ),
    ("repaired", "Differences found by comparisons", |core| {
        core.repaired
    }),
    (
        "replica_messages_out",
        "Messages sent by the replica; a broadcast counts once",
        |core| core.messages_out,
    ),
    ("replica_bytes_out", "Bytes sent by the replica", |core| {
        core.bytes_out
    }),
    (
        "replica_messages_in",
        "Messages received by the replica",
        |core| core.messages_in,
    ),
    (
        "replica_bytes_in",
        "Bytes received by the replica",
        |core| core.bytes_in,
    ),
];

const ENGINE: [Metric<Engine>; 4] = [
    (
        "engine_messages_out",
        "Messages sent by the engine",
        |engine| engine.messages_out,
    ),
    ("engine_bytes_out", "Bytes sent by the engine", |engine| {
        engine.bytes_out
    }),
    (
        "engine_messages_in",
        "Messages received by the engine",
        |engine| engine.messages_in,
    ),
    (
        "engine_bytes_in",
        "Bytes received by the engine",
        |engine| engine.bytes_in,
    ),
];

const SESSIONS: [Metric<Sessions>; 3] = [
    (
        "sessions",
        "Sessions that came up, replacements included",
        |sessions| sessions.sessions,
    ),
    ("handshakes", "Handshakes begun or answered", |sessions| {
        sessions.handshakes
    }),
    (
        "handshakes_refused",
        "Handshakes refused because of the peer's identity",
        |sessions| sessions.refused,
    ),
];

const STORAGE: [Metric<NodeCounters>; 2] = [
    ("commits", "Batches committed by storage", |node| {
        node.commits
    }),
    ("records", "Records committed by storage", |node| {
        node.records
    }),
];

const GAUGES: [Metric<NodeState>; 8] = [
    ("keys", "Keys that have ever been changed", |state| {
        state.replica.states().len() as u64
    }),
    (
        "entries",
        "Published entries, one per key and unfolded origin",
        |state| state.replica.digest().0,
    ),
    ("unflushed_keys", "Keys waiting for storage", |state| {
        state.replica.unflushed() as u64
    }),
    (
        "waiting_changes",
        "Changes waiting for their acknowledgement",
        |state| state.waiting as u64,
    ),
    ("peers", "Peers with a session", |state| {
        state.peers.list.len() as u64
    }),
    (
        "peers_in_sync",
        "Peers that agreed in their latest comparison",
        |state| state.peers.in_sync() as u64,
    ),
    ("engine_open", "1 while the engine is open", |state| {
        u64::from(state.link.is_open())
    }),
    (
        "stopped",
        "1 if the node accepts no changes; /health says why",
        |state| u64::from(state.refusal().is_some()),
    ),
];

/// Formats all metrics.
pub(crate) fn text(state: &NodeState) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("atomik");
    let engine = state.link.counters();
    register_counters(&mut registry, &CHANGES, &state.counters);
    register_counters(&mut registry, &REPLICA, &state.replica.counters());
    register_counters(&mut registry, &ENGINE, &engine);
    let sessions = state.sessions.counters();
    register_counters(&mut registry, &SESSIONS, &sessions);
    register_counters(&mut registry, &STORAGE, &state.counters);
    for (name, help, value) in GAUGES {
        registry.register(name, help, ConstGauge::new(value(state)));
    }
    let seconds = state.counters.commit_seconds.clone();
    registry.register("commit_seconds", "Duration of commits in seconds", seconds);

    let events = &state.events;
    let refused = by_reason(
        events
            .refusals
            .iter()
            .map(|(reason, count)| (*reason, *count)),
    );
    registry.register("refused", "Messages from peers refused, by reason", refused);
    let events = by_reason(events.counts.iter().map(|(kind, count)| (*kind, *count)));
    registry.register("events", "Events of the replica, by kind", events);
    let dropped = [
        ("queue_full", engine.refused_full),
        ("disconnected", engine.refused_disconnected),
        ("too_long", engine.refused_too_long),
        ("failed", engine.failed_out),
        ("incoming_full", engine.dropped_full),
        ("invalid", engine.dropped_invalid),
        ("engine_not_open", state.link.unopened),
        ("no_session", state.no_session),
        ("forged", sessions.forged),
        ("replayed", sessions.replayed),
        ("unknown_session", sessions.unknown),
        ("cut_off", state.link.cut_off),
        ("fault", state.link.lost()),
    ];
    let dropped = by_reason(dropped.into_iter());
    registry.register(
        "dropped",
        "Messages dropped by this node, by reason",
        dropped,
    );
    registry.register(
        "origin_frame",
        "Highest known frame number of each origin; for this node's own, the highest sent in this \
         run",
        origin_frames(state),
    );
    let ages = Family::<Peer, Gauge<f64, AtomicU64>>::default();
    for (peer, age) in state.peers.ages() {
        let peer = hex(peer);
        ages.get_or_create(&Peer { peer }).set(age);
    }
    registry.register(
        "peer_in_sync_age_seconds",
        "Seconds since each peer last agreed, or came up",
        ages,
    );

    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn register_counters<S>(registry: &mut Registry, metrics: &[Metric<S>], source: &S) {
    for (name, help, value) in metrics {
        registry.register(*name, *help, ConstCounter::new(value(source)));
    }
}

fn by_reason(counts: impl Iterator<Item = (&'static str, u64)>) -> Family<Reason, Counter> {
    let family = Family::<Reason, Counter>::default();
    for (reason, count) in counts {
        family.get_or_create(&Reason { reason }).inc_by(count);
    }
    family
}

fn origin_frames(state: &NodeState) -> Family<Origin, Gauge> {
    let frames = Family::<Origin, Gauge>::default();
    for status in state.replica.origins().filter(|status| !status.folded) {
        let origin = status.origin.to_string();
        let frame = i64::try_from(status.frame).unwrap_or(i64::MAX);
        frames.get_or_create(&Origin { origin }).set(frame);
    }
    frames
}
