//! The events of a replica: kept for the status, counted for the metrics, logged at a bounded rate.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atomik_net::{PeerId, hex};
use atomik_replica::{Notice, Overlap, PublicKey, Refusal, View};
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::change::Refused;
use crate::credential::public_key_text;
use crate::text::{bytes_text, key_text};

/// Number of events kept for the status.
const KEPT: usize = 100;

/// Minimum time between two log lines of the same kind.
const QUIET: Duration = Duration::from_secs(5);

/// The latest events, and counts of all.
#[derive(Debug, Default)]
pub(crate) struct Events {
    latest: VecDeque<Json>,
    /// Number of events by kind.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// Number of refusals by reason.
    pub(crate) refusals: BTreeMap<&'static str, u64>,
    /// When each kind was last logged.
    gates: BTreeMap<&'static str, Gate>,
}

#[derive(Clone, Copy, Debug)]
struct Gate {
    opened: Instant,
    held_back: u64,
}

impl Events {
    /// Records a notice, and the file with the proof that came with it. Returns the event for the
    /// watchers.
    pub(crate) fn record(&mut self, notice: &Notice, proof: Option<&Path>, view: View) -> Json {
        let (kind, mut event) = event(notice, view);
        if let Some(file) = proof {
            event["evidence"] = file.display().to_string().into();
        }
        let mut gate = kind;
        if let Notice::Refused { reason, .. } = notice {
            gate = reason_name(reason);
            *self.refusals.entry(gate).or_default() += 1;
        }
        self.keep(kind, gate, event)
    }

    /// Records that the sessions refused a peer, or that a peer refuses this node. `who` is the
    /// peer, for people. Returns the event for the watchers.
    pub(crate) fn peer_refused(
        &mut self,
        from: &PeerId,
        key: &PublicKey,
        who: &str,
        reason: atomik_session::Refusal,
    ) -> Json {
        let (from, key) = (hex(from), public_key_text(key));
        let (kind, text) = if reason == atomik_session::Refusal::ByPeer {
            let text = format!(
                "peer {from} ({who}) refuses this node, whose key is not on its list of \
                 members: it was perhaps removed or replaced while this node was down; ask the \
                 administrator, and start the node with the member's new key if it has one, or set \
                 it up again with an invitation and `atomik node join`"
            );
            ("refused_by_peer", text)
        } else {
            let text = format!("peer {from} ({who}) refused: {reason}");
            ("peer_refused", text)
        };
        let event = json!({"from": from, "key": key, "text": text});
        self.keep(kind, kind, event)
    }

    /// Records that a peer has met another process with this node's key and address, and whether
    /// this one keeps the session with it. `who` is the peer, for people. Returns the event for
    /// the watchers.
    pub(crate) fn key_in_use(
        &mut self,
        by: &PeerId,
        key: &PublicKey,
        who: &str,
        kept: bool,
    ) -> Json {
        let (from, key) = (hex(by), public_key_text(key));
        let session = if kept {
            "the peer keeps its session with this process"
        } else {
            "the peer keeps its session with that one, so that what this process acknowledges may \
             be on its disk alone"
        };
        let text = format!(
            "peer {from} ({who}) sees another process with this node's key and address, of \
             a copy of its data folder or its machine, and {session}; stop one of the two, wait \
             until the other one is in sync (atomik node members), and start the first again with \
             --new-identity; then give it a key of its own"
        );
        let event = json!({"from": from, "key": key, "kept": kept, "text": text});
        self.keep("key_in_use", "key_in_use", event)
    }

    /// Records something about this node itself. Returns the event for the watchers.
    pub(crate) fn own(&mut self, kind: &'static str, text: &str) -> Json {
        self.keep(kind, kind, json!({"text": text}))
    }

    /// Counts, logs and keeps an event.
    fn keep(&mut self, kind: &'static str, gate: &'static str, mut event: Json) -> Json {
        event["event"] = kind.into();
        event["time"] = now().into();
        *self.counts.entry(kind).or_default() += 1;
        self.log(gate, &event);
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(event.clone());
        event
    }

    fn log(&mut self, gate: &'static str, event: &Json) {
        let now = Instant::now();
        let held_back = match self.gates.get_mut(gate) {
            Some(gate) if now.duration_since(gate.opened) < QUIET => {
                gate.held_back += 1;
                return;
            }
            Some(gate) => gate.held_back,
            None => 0,
        };
        let opened = Gate {
            opened: now,
            held_back: 0,
        };
        self.gates.insert(gate, opened);
        let text = event["text"].as_str().unwrap_or_default();
        match event["event"].as_str() {
            Some("folded" | "base_adopted" | "roster") => {
                tracing::info!(event = gate, held_back, "{text}")
            }
            Some("stopped" | "removed" | "convicted") => {
                tracing::error!(event = gate, held_back, "{text}")
            }
            _ => tracing::warn!(event = gate, held_back, "{text}"),
        }
    }

    /// The latest events, oldest first.
    pub(crate) fn latest(&self) -> Vec<Json> {
        self.latest.iter().cloned().collect()
    }
}

/// The reason of a refusal, as a metrics label.
#[warn(clippy::wildcard_enum_match_arm)]
fn reason_name(reason: &Refusal) -> &'static str {
    match reason {
        Refusal::Format { .. } => "format",
        Refusal::Layout { .. } => "layout",
        Refusal::Malformed => "malformed",
        Refusal::UnknownKey { .. } => "unknown_key",
        Refusal::Forged { .. } => "forged",
        Refusal::Equivocation { .. } => "equivocation",
        Refusal::Forked { .. } => "forked",
        Refusal::Quarantined { .. } => "quarantined",
        Refusal::Roster(_) => "roster",
        Refusal::TooManyOrigins { .. } => "too_many_origins",
        Refusal::Ledger { .. } => "ledger",
        Refusal::Base => "base",
        _ => "other",
    }
}

/// The time in seconds since 1970, with milliseconds.
pub(crate) fn now() -> f64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    (since.as_secs_f64() * 1000.0).round() / 1000.0
}

/// The kind and the fields of the event that a notice stands for. Every notice is one: what this
/// version does not know is shown as it is.
#[warn(clippy::wildcard_enum_match_arm)]
fn event(notice: &Notice, view: View) -> (&'static str, Json) {
    match notice {
        Notice::Overlap(overlap) => ("overlap", overlap_event(overlap, view)),
        Notice::SecondWriter {
            key,
            origins: [a, b],
        } => {
            let key = key_text(key);
            let text = format!("cell {key} has two writers, {a} and {b}: give it a single writer");
            let origins = [a.to_string(), b.to_string()];
            let event = json!({"key": key, "origins": origins, "text": text});
            ("second_writer", event)
        }
        Notice::Refused { from, reason } => ("refused", refusal_event(from, reason)),
        Notice::MemoryLost { old, new } => {
            let text = format!(
                "peers have changes of origin {old} that are missing from the data folder: it was \
                 restored from an older copy, or is in use twice; continuing as origin {new}"
            );
            let event = json!({"old": old.to_string(), "new": new.to_string(), "text": text});
            ("memory_lost", event)
        }
        Notice::KeyInUse { origin } => {
            let text = format!(
                "another node uses this node's key, as origin {origin}, or that origin is left \
                 over from a lost data folder: if a copy is running, stop it and restart this node \
                 with --new-identity"
            );
            let event = json!({"origin": origin.to_string(), "text": text});
            ("key_in_use", event)
        }
        &Notice::Stopped { origin } => {
            let text = Refused::Stopped { origin }.to_string();
            (
                "stopped",
                json!({"origin": origin.to_string(), "text": text}),
            )
        }
        Notice::Roster {
            number,
            added,
            removed,
        } => roster_event(*number, added, removed),
        Notice::TwoRosters { number, rosters } => {
            let text = format!(
                "the administrator signed two lists of members with number {number}: all members \
                 use the same one; check it, and who has the administrator's key"
            );
            let rosters = rosters.each_ref().map(|roster| bytes_text(roster));
            let event = json!({"number": number, "rosters": rosters, "text": text});
            ("two_rosters", event)
        }
        Notice::Folded(origin) => {
            let text = format!("origin {origin} has left and is now part of the base");
            (
                "folded",
                json!({"origin": origin.to_string(), "text": text}),
            )
        }
        Notice::BaseAdopted { from, origins } => {
            let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
            let from = hex(from);
            let text = format!(
                "adopted the base of peer {from}, which contains the changes of {}",
                origins.join(", ")
            );
            let event = json!({"from": from, "origins": origins, "text": text});
            ("base_adopted", event)
        }
        Notice::BaseDiverged { from } => {
            let from = hex(from);
            let text = format!(
                "peer {from} has a different base of the same origins: \
                 one of the two is corrupt; compare with a third"
            );
            ("base_diverged", json!({"from": from, "text": text}))
        }
        Notice::Misconduct { key } => {
            let key = public_key_text(key);
            let text = format!(
                "there is proof that the member with key {key} signed two contents of one version: \
                 its changes are no longer accepted; remove it (atomik node remove)"
            );
            ("misconduct", json!({"key": key, "text": text}))
        }
        Notice::TwoStatements { key } => {
            let key = public_key_text(key);
            let text = format!(
                "the member with key {key} signed two bases in one round: its folder was restored \
                 from a backup, or it is dishonest; if folding does not continue, remove it \
                 (atomik node remove)"
            );
            ("two_statements", json!({"key": key, "text": text}))
        }
        Notice::Missing(_) => ("missing", other_event(notice)),
        Notice::Changed { .. } => ("changed", other_event(notice)),
        Notice::InSync { .. } => ("in_sync", other_event(notice)),
        _ => ("other", other_event(notice)),
    }
}

fn roster_event(number: u64, added: &[PublicKey], removed: &[PublicKey]) -> (&'static str, Json) {
    let texts = |keys: &[PublicKey]| -> Vec<String> { keys.iter().map(public_key_text).collect() };
    let (added, removed) = (texts(added), texts(removed));
    let list = |keys: &[String]| match keys {
        [] => "none".to_owned(),
        keys => keys.join(", "),
    };
    let text = format!(
        "list of members {number} is in force: added {}, removed {}",
        list(&added),
        list(&removed)
    );
    let event = json!({"number": number, "added": added, "removed": removed, "text": text});
    ("roster", event)
}

/// An event that shows a notice as it is.
fn other_event(notice: &Notice) -> Json {
    json!({"text": format!("{notice:?}")})
}

fn overlap_event(overlap: &Overlap, view: View) -> Json {
    let key = key_text(&overlap.key);
    let [(a, version_a), (b, version_b)] = overlap.origins;
    let mut text = format!(
        "overlap at {key}: origins {a} and {b} changed bits {} concurrently, resulting in {}",
        overlap.bits, overlap.state
    );
    let mut event = json!({
        "key": key,
        "bits": overlap.bits.to_string(),
        "state": overlap.state.to_string(),
        "origins": [
            {"origin": a.to_string(), "version": version_a},
            {"origin": b.to_string(), "version": version_b},
        ],
    });
    if view == View::Flags {
        let (on, off) = (overlap.both_on(), overlap.both_off());
        text += &format!("; turned on twice and now off: {on}; turned off twice and now on: {off}");
        event["both_on"] = on.to_string().into();
        event["both_off"] = off.to_string().into();
    }
    event["text"] = text.into();
    event
}

fn refusal_event(from: &PeerId, reason: &Refusal) -> Json {
    let from = hex(from);
    let mut event = json!({
        "from": from,
        "reason": reason_name(reason),
        "text": format!("refused from peer {from}: {reason}"),
    });
    if let Refusal::Equivocation { key, .. } = reason {
        event["key"] = key_text(key).into();
    }
    event
}

#[cfg(test)]
mod tests {
    use atomik_replica::OriginId;

    use super::*;

    #[test]
    fn the_last_hundred_events_are_kept_and_all_events_are_counted() {
        let mut events = Events::default();
        for n in 0..250_u32 {
            let from = [n as u8; 16];
            let reason = Refusal::Malformed;
            events.record(&Notice::Refused { from, reason }, None, View::Raw);
        }
        events.record(&Notice::Folded(OriginId([7; 16])), None, View::Raw);
        assert_eq!(events.latest().len(), KEPT);
        assert_eq!(events.latest()[KEPT - 1]["event"], "folded");
        assert_eq!(events.refusals["malformed"], 250);
        assert_eq!(events.counts["refused"], 250);
        // One line was logged, the others were held back.
        assert_eq!(events.gates["malformed"].held_back, 249);
    }
}
