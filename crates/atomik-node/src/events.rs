//! What a replica told: kept for the status, counted for the metrics, logged at a bounded rate.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use atomik_replica::{Notice, Refusal, View};
use serde_json::{Value as Json, json};

use crate::link::name;
use crate::text::key_text;

/// How many are kept.
const KEPT: usize = 100;

/// At most one log line of a kind in this time.
const QUIET: Duration = Duration::from_secs(5);

/// What happened, lately and in all.
#[derive(Debug, Default)]
pub(crate) struct Events {
    latest: VecDeque<Json>,
    /// By kind; refusals as `refused` and the reason.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// By reason.
    pub(crate) refusals: BTreeMap<&'static str, u64>,
    gates: BTreeMap<&'static str, Gate>,
}

#[derive(Clone, Copy, Debug)]
struct Gate {
    opened: Instant,
    held_back: u64,
}

impl Events {
    /// Takes a notice in; `None` for those that are no event. Returns the event as it is told to
    /// watchers, with the key that it is about.
    pub(crate) fn take(&mut self, notice: &Notice, view: View) -> Option<Json> {
        let event = describe(notice, view)?;
        let kind = kind(notice);
        *self.counts.entry(kind).or_default() += 1;
        let mut gate = kind;
        if let Notice::Refused { reason, .. } = notice {
            gate = reason_name(reason);
            *self.refusals.entry(gate).or_default() += 1;
        }
        self.log(gate, &event);
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(event.clone());
        Some(event)
    }

    fn log(&mut self, gate: &'static str, event: &Json) {
        let now = Instant::now();
        let before = self.gates.get(gate).copied();
        if let Some(gate) = before.as_ref().and_then(|_| self.gates.get_mut(gate))
            && now.duration_since(gate.opened) < QUIET
        {
            gate.held_back += 1;
            return;
        }
        let held_back = before.map_or(0, |gate| gate.held_back);
        let opened = Gate {
            opened: now,
            held_back: 0,
        };
        self.gates.insert(gate, opened);
        let text = event["text"].as_str().unwrap_or_default();
        match event["event"].as_str() {
            Some("folded" | "base_adopted") => tracing::info!(event = gate, held_back, "{text}"),
            _ => tracing::warn!(event = gate, held_back, "{text}"),
        }
    }

    /// The latest, oldest first.
    pub(crate) fn latest(&self) -> Vec<Json> {
        self.latest.iter().cloned().collect()
    }
}

fn kind(notice: &Notice) -> &'static str {
    match notice {
        Notice::Changed { .. } => "changed",
        Notice::Overlap(_) => "overlap",
        Notice::SecondWriter { .. } => "second_writer",
        Notice::Refused { .. } => "refused",
        Notice::MemoryLost { .. } => "memory_lost",
        Notice::Folded(_) => "folded",
        Notice::BaseAdopted { .. } => "base_adopted",
        Notice::BaseDiverged { .. } => "base_diverged",
        Notice::InSync { .. } => "in_sync",
        _ => "other",
    }
}

/// A refusal's reason, as a label.
fn reason_name(reason: &Refusal) -> &'static str {
    match reason {
        Refusal::NotAMember => "not_a_member",
        Refusal::Format { .. } => "format",
        Refusal::Malformed => "malformed",
        Refusal::UnknownKey { .. } => "unknown_key",
        Refusal::Forged { .. } => "forged",
        Refusal::Equivocation { .. } => "equivocation",
        Refusal::Quarantined { .. } => "quarantined",
        Refusal::TooManyOrigins { .. } => "too_many_origins",
        _ => "other",
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    (since.as_secs_f64() * 1000.0).round() / 1000.0
}

fn describe(notice: &Notice, view: View) -> Option<Json> {
    let event = match notice {
        Notice::Overlap(overlap) => {
            let key = key_text(&overlap.key);
            let [(a, version_a), (b, version_b)] = overlap.origins;
            let mut text = format!(
                "overlap at {key}: origins {a} and {b} changed bits {} concurrently, which gave {}",
                overlap.bits, overlap.state
            );
            let mut event = json!({
                "key": key, "bits": overlap.bits.to_string(), "state": overlap.state.to_string(),
                "origins": [
                    {"origin": a.to_string(), "version": version_a},
                    {"origin": b.to_string(), "version": version_b},
                ],
            });
            if view == View::Flags {
                let (on, off) = (overlap.both_on(), overlap.both_off());
                text +=
                    &format!("; put on twice and now off: {on}; put off twice and now on: {off}");
                event["both_on"] = on.to_string().into();
                event["both_off"] = off.to_string().into();
            }
            event["text"] = text.into();
            event
        }
        Notice::SecondWriter {
            key,
            origins: [a, b],
        } => {
            let key = key_text(key);
            let text = format!("cell {key} has two writers, {a} and {b}: give every cell one");
            json!({"key": key, "origins": [a.to_string(), b.to_string()], "text": text})
        }
        Notice::Refused { from, reason } => {
            let from = name(from);
            let mut event = json!({
                "from": from, "reason": reason_name(reason), "text": format!("refused from peer {from}: {reason}"),
            });
            if let Refusal::Equivocation { key, evidence, .. } = reason {
                event["key"] = key_text(key).into();
                let hex = |bytes: &Vec<u8>| {
                    bytes
                        .iter()
                        .map(|byte| format!("{byte:02x}"))
                        .collect::<String>()
                };
                event["evidence"] = evidence.iter().map(hex).collect();
            }
            event
        }
        Notice::MemoryLost { old, new } => {
            let text = format!(
                "peers know changes of origin {old} that are not in the data folder: it was restored from an older copy, or is in use \
                 twice; going on as origin {new}"
            );
            json!({"old": old.to_string(), "new": new.to_string(), "text": text})
        }
        Notice::Folded(origin) => {
            json!({"origin": origin.to_string(), "text": format!("origin {origin} has left and is part of the base now")})
        }
        Notice::BaseAdopted { from, origins } => {
            let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
            let from = name(from);
            let text = format!(
                "took the base of peer {from}, with what {} had done",
                origins.join(", ")
            );
            json!({"from": from, "origins": origins, "text": text})
        }
        Notice::BaseDiverged { from } => {
            let from = name(from);
            let text = format!(
                "peer {from} has another base of the same origins: one of both is broken, compare with a third"
            );
            json!({"from": from, "text": text})
        }
        _ => return None,
    };
    let mut event = event;
    event["event"] = kind(notice).into();
    event["time"] = now().into();
    Some(event)
}

#[cfg(test)]
mod tests {
    use atomik_replica::OriginId;

    use super::*;

    #[test]
    fn the_last_hundred_events_are_kept_and_all_are_counted() {
        let mut events = Events::default();
        for n in 0..250_u32 {
            let from = [n as u8; 16];
            let reason = Refusal::NotAMember;
            assert!(
                events
                    .take(&Notice::Refused { from, reason }, View::Raw)
                    .is_some()
            );
        }
        assert!(
            events
                .take(&Notice::InSync { from: [0; 16] }, View::Raw)
                .is_none()
        );
        events.take(&Notice::Folded(OriginId([7; 16])), View::Raw);
        assert_eq!(events.latest().len(), KEPT);
        assert_eq!(events.latest()[KEPT - 1]["event"], "folded");
        assert_eq!(events.refusals["not_a_member"], 250);
        assert_eq!(events.counts["refused"], 250);
        // One line was let through, the others were held back.
        assert_eq!(events.gates["not_a_member"].held_back, 249);
    }
}
