//! What /metrics says, in the text format that Prometheus reads.
//!
//! Counters are those of this run of the node. The coalescing factor is `atomik_changes_total /
//! atomik_published_total`; how far a node is behind an origin is the difference between
//! `atomik_origin_frame` of that origin there and here.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use crate::actor::Inside;

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

/// All metrics as text.
pub(crate) fn text(inside: &Inside) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("atomik");
    let replica = inside.replica.counters();
    let engine = inside.link.counters();
    let tally = &inside.tally;

    let counters = [
        ("ops", "Local changes that were taken", tally.changes_done),
        (
            "ops_refused",
            "Local changes that were refused",
            tally.changes_refused,
        ),
        (
            "changes",
            "Local operations that changed a state",
            replica.changes,
        ),
        (
            "published",
            "Entries published for them, one a dirty key and flush",
            replica.published,
        ),
        (
            "frames",
            "Frames that these were published in",
            replica.frames,
        ),
        (
            "merged",
            "Entries of others that were taken over",
            replica.merged,
        ),
        (
            "stale",
            "Entries of others that were known already",
            replica.stale,
        ),
        (
            "overlaps",
            "Concurrent changes of the same bits that were reported",
            replica.overlaps,
        ),
        (
            "agreements",
            "Comparisons with a peer that found no difference",
            replica.agreements,
        ),
        (
            "repaired",
            "Differences found by comparisons",
            replica.repaired,
        ),
        (
            "replica_messages_out",
            "Messages that the replica handed out; a broadcast counts once",
            replica.messages_out,
        ),
        ("replica_bytes_out", "Bytes of these", replica.bytes_out),
        (
            "replica_messages_in",
            "Messages that the replica was given",
            replica.messages_in,
        ),
        ("replica_bytes_in", "Bytes of these", replica.bytes_in),
        (
            "engine_messages_out",
            "Messages that the engine sent",
            engine.messages_out,
        ),
        ("engine_bytes_out", "Bytes of these", engine.bytes_out),
        (
            "engine_messages_in",
            "Messages that the engine handed over",
            engine.messages_in,
        ),
        ("engine_bytes_in", "Bytes of these", engine.bytes_in),
        (
            "engine_duplicates_out",
            "Updates that the server knew already",
            engine.duplicates_out,
        ),
        (
            "commits",
            "Batches that storage has committed",
            tally.commits,
        ),
        ("records", "Records in these", tally.records),
    ];
    for (name, help, value) in counters {
        registry.register(name, help, ConstCounter::new(value));
    }
    let (entries, _) = inside.replica.digest();
    let gauges = [
        (
            "keys",
            "Keys that were ever changed",
            inside.replica.states().len() as u64,
        ),
        (
            "entries",
            "Published entries, one a key and origin that is not folded",
            entries,
        ),
        (
            "unflushed_keys",
            "Keys that wait for storage",
            inside.replica.unflushed() as u64,
        ),
        (
            "waiting_changes",
            "Changes that wait for their acknowledgement",
            inside.waiting as u64,
        ),
        (
            "peers",
            "Peers that can be reached",
            inside.peers.len() as u64,
        ),
        (
            "peers_in_sync",
            "Peers that agreed when they were asked last",
            inside.peers_in_sync() as u64,
        ),
        (
            "engine_open",
            "1 while the engine is open",
            u64::from(inside.link.is_open()),
        ),
    ];
    for (name, help, value) in gauges {
        registry.register(name, help, ConstGauge::new(value));
    }
    registry.register(
        "commit_seconds",
        "How long commits took",
        tally.commit_seconds.clone(),
    );

    let by_reason = |counts: &mut dyn Iterator<Item = (&'static str, u64)>| {
        let family = Family::<Reason, Counter>::default();
        for (reason, count) in counts {
            family.get_or_create(&Reason { reason }).inc_by(count);
        }
        family
    };
    let refused = by_reason(
        &mut inside
            .events
            .refusals
            .iter()
            .map(|(reason, count)| (*reason, *count)),
    );
    registry.register("refused", "What was refused from peers", refused);
    let events = by_reason(
        &mut inside
            .events
            .counts
            .iter()
            .map(|(reason, count)| (*reason, *count)),
    );
    registry.register("events", "What the replica told, by kind", events);
    let dropped = [
        ("queue_full", engine.refused_full),
        ("disconnected", engine.refused_disconnected),
        ("too_long", engine.refused_too_long),
        ("failed", engine.failed_out),
        ("incoming_full", engine.dropped_full),
        ("invalid", engine.dropped_invalid),
        ("engine_not_open", inside.link.unopened),
        ("cut_off", inside.link.cut_off),
        ("fault", inside.link.lost()),
    ];
    registry.register(
        "dropped",
        "Messages that this side dropped",
        by_reason(&mut dropped.into_iter()),
    );

    let frames = Family::<Origin, Gauge>::default();
    let own = inside.replica.origin();
    for status in inside.replica.origins().filter(|status| !status.folded) {
        let origin = status.origin.to_string();
        let frame = if status.origin == own {
            inside.own_frame
        } else {
            status.frame
        };
        frames
            .get_or_create(&Origin { origin })
            .set(i64::try_from(frame).unwrap_or(i64::MAX));
    }
    registry.register(
        "origin_frame",
        "Highest number of an origin's frames that is known here; of this node's own, that was sent in this run",
        frames,
    );
    let ages = Family::<Peer, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
    for (peer, age) in inside.peer_ages() {
        ages.get_or_create(&Peer { peer }).set(age);
    }
    registry.register(
        "peer_in_sync_age_seconds",
        "Since each peer agreed last, or since it came up",
        ages,
    );

    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}
