//! Messages: version, kind, body, authentication code.

use crate::codec::{Malformed, Reader};
use crate::interface::{Effect, Notice, PeerId, Refusal};
use crate::replica::Replica;

/// The version of the wire format.
pub(crate) const WIRE: u8 = 1;

/// Bytes of a message that are not its body.
pub(crate) const OVERHEAD: usize = 2 + 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One or more excerpts of signed frames.
    Changes = 0,
    /// What the sender has, in a few numbers.
    Summary = 1,
    /// Cells of the sender's digest.
    Sketch = 2,
    /// Asks for cells.
    SketchRequest = 3,
    /// Asks for entries by id.
    Fetch = 4,
    /// Asks for all entries, from a place on.
    Pull = 5,
    /// Ends the entries sent for a pull: base values, and the next place.
    Chunk = 6,
    /// Retirements and attestations.
    Ledger = 7,
    /// Excerpts that the receiver is thought to lack; what it has newer it sends back.
    Repair = 8,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Changes,
        Self::Summary,
        Self::Sketch,
        Self::SketchRequest,
        Self::Fetch,
        Self::Pull,
        Self::Chunk,
        Self::Ledger,
        Self::Repair,
    ];
}

impl Replica {
    /// Makes a message.
    pub(crate) fn seal(&self, kind: Kind, body: &[u8]) -> Vec<u8> {
        let mut message = Vec::with_capacity(body.len() + OVERHEAD);
        message.extend_from_slice(&[WIRE, kind as u8]);
        message.extend_from_slice(body);
        let code = self.secrets.authenticate(&message);
        message.extend_from_slice(&code);
        message
    }

    pub(crate) fn send(&mut self, to: PeerId, kind: Kind, body: &[u8], effects: &mut Vec<Effect>) {
        let bytes = self.seal(kind, body);
        self.counters.messages_out += 1;
        self.counters.bytes_out += bytes.len() as u64;
        effects.push(Effect::Send { to, bytes });
    }

    pub(crate) fn broadcast(&mut self, number: u64, bytes: Vec<u8>, effects: &mut Vec<Effect>) {
        self.counters.messages_out += 1;
        self.counters.bytes_out += bytes.len() as u64;
        effects.push(Effect::Broadcast {
            id: (self.origin(), number),
            bytes,
        });
    }

    pub(crate) fn refuse(&mut self, from: PeerId, reason: Refusal, effects: &mut Vec<Effect>) {
        self.counters.refused += 1;
        // Who holds a quarantined origin's entries offers them at every comparison: it has been
        // told once.
        if !matches!(reason, Refusal::Quarantined { .. }) {
            effects.push(Effect::Notify(Notice::Refused { from, reason }));
        }
    }

    pub(crate) fn receive(&mut self, from: PeerId, message: &[u8], effects: &mut Vec<Effect>) {
        self.counters.messages_in += 1;
        self.counters.bytes_in += message.len() as u64;
        if let Err(reason) = self.dispatch(from, message, effects) {
            self.refuse(from, reason, effects);
        }
    }

    fn dispatch(
        &mut self,
        from: PeerId,
        message: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        match message.first() {
            Some(&WIRE) => {}
            Some(&found) => {
                return Err(Refusal::Format {
                    found,
                    wanted: WIRE,
                });
            }
            None => return Err(Refusal::NotAMember),
        }
        let (content, code) = message
            .split_last_chunk::<16>()
            .ok_or(Refusal::NotAMember)?;
        if !equal(&self.secrets.authenticate(content), code) {
            return Err(Refusal::NotAMember);
        }
        let (kind, body) = content[1..].split_first().ok_or(Refusal::Malformed)?;
        let kind = Kind::ALL
            .get(usize::from(*kind))
            .ok_or(Refusal::Malformed)?;
        let reader = &mut Reader::new(body);
        let read = match kind {
            Kind::Changes => self.take_changes(from, reader, false, effects),
            Kind::Repair => self.take_changes(from, reader, true, effects),
            Kind::Summary => self.take_summary(from, reader, effects),
            Kind::Sketch => self.take_sketch(from, reader, effects),
            Kind::SketchRequest => self.take_sketch_request(from, reader, effects),
            Kind::Fetch => self.take_fetch(from, reader, effects),
            Kind::Pull => self.take_pull(from, reader, effects),
            Kind::Chunk => self.take_chunk(from, reader, effects),
            Kind::Ledger => self.take_ledger(from, reader, effects),
        };
        read.and_then(|()| reader.end())
            .map_err(|Malformed| Refusal::Malformed)
    }
}

/// Comparison in constant time, so that the code cannot be guessed byte by byte.
fn equal(a: &[u8; 16], b: &[u8; 16]) -> bool {
    a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;

    use super::*;
    use crate::sketch::ID_BYTES;
    use crate::{Config, Event, LocalOp, Trust};

    const PEER: PeerId = [1; 16];

    fn open(n: u8) -> Replica {
        let key = |n: u8| SigningKey::from_bytes(&[n + 1; 32]);
        let allowed = (0..2).map(|n| key(n).verifying_key().to_bytes()).collect();
        let trust = Trust::Signed {
            key: Box::new(key(n)),
            allowed,
        };
        let mut config = Config::new("fuzz", 1, [5; 32], trust, [n; 16]);
        config.digest_cells = 16;
        let mut replica = Replica::open(config, []).unwrap();
        let mut effects = Vec::new();
        for key in 0..40_u8 {
            replica
                .step(Event::Op(&LocalOp::accum(&[key], 1.into())), &mut effects)
                .unwrap();
        }
        replica.step(Event::PeerUp(PEER), &mut effects).unwrap();
        settle(&mut replica, &mut effects);
        replica
    }

    fn settle(replica: &mut Replica, effects: &mut Vec<Effect>) {
        replica.step(Event::Flush, effects).unwrap();
        let ticket = effects.iter().rev().find_map(|effect| match effect {
            Effect::Persist { ticket, .. } => Some(*ticket),
            _ => None,
        });
        if let Some(ticket) = ticket {
            replica.step(Event::Persisted(ticket), effects).unwrap();
        }
    }

    /// Messages of every kind, as replicas send them.
    fn samples() -> Vec<Vec<u8>> {
        let (mut a, mut b) = (open(0), open(1));
        let mut samples = Vec::new();
        let mut effects = Vec::new();
        a.step(Event::Retire, &mut effects).unwrap();
        settle(&mut a, &mut effects);
        a.step(Event::Tick, &mut effects).unwrap();
        let pull = a.seal(Kind::Pull, &[0]);
        let request = a.seal(Kind::SketchRequest, &[8, 0]);
        b.step(
            Event::Message {
                from: PEER,
                bytes: &pull,
            },
            &mut effects,
        )
        .unwrap();
        b.step(
            Event::Message {
                from: PEER,
                bytes: &request,
            },
            &mut effects,
        )
        .unwrap();
        let ids = b
            .table
            .slots
            .values()
            .flat_map(|slot| &slot.entries)
            .map(|entry| entry.published.id());
        let fetch = a.seal(
            Kind::Fetch,
            &ids.flat_map(|id| id.to_le_bytes().into_iter().take(ID_BYTES))
                .collect::<Vec<_>>(),
        );
        b.step(
            Event::Message {
                from: PEER,
                bytes: &fetch,
            },
            &mut effects,
        )
        .unwrap();
        samples.extend([pull, request, fetch]);
        for _ in 0..6 {
            for effect in core::mem::take(&mut effects) {
                if let Effect::Send { bytes, .. } | Effect::Broadcast { bytes, .. } = effect {
                    b.step(
                        Event::Message {
                            from: PEER,
                            bytes: &bytes,
                        },
                        &mut effects,
                    )
                    .unwrap();
                    a.step(
                        Event::Message {
                            from: PEER,
                            bytes: &bytes,
                        },
                        &mut effects,
                    )
                    .unwrap();
                    samples.push(bytes);
                }
            }
        }
        let changes = samples
            .iter()
            .filter(|sample| sample[1] == Kind::Changes as u8);
        let repairs: Vec<_> = changes
            .map(|sample| a.seal(Kind::Repair, &sample[2..sample.len() - 16]))
            .collect();
        samples.extend(repairs);
        for kind in Kind::ALL {
            assert!(
                samples.iter().any(|sample| sample[1] == kind as u8),
                "no sample of {kind:?}"
            );
        }
        samples
    }

    type Entries = Vec<Vec<(crate::OriginId, u64, crate::Value)>>;

    fn entries(replica: &Replica) -> Entries {
        (0..40_u8).map(|key| replica.writers(&[key])).collect()
    }

    #[test]
    fn authentic_messages_with_any_content_neither_panic_nor_forge_nor_flood() {
        let samples = samples();
        let (writer, reader) = (open(0), open(1));
        let (genuine, own) = (entries(&writer), entries(&reader));
        let cases = std::env::var("PROPTEST_CASES")
            .ok()
            .and_then(|cases| cases.parse().ok())
            .unwrap_or(20_000);
        let config = ProptestConfig {
            cases,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let edits =
            prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..6_u8), 0..6);
        let noise = prop::collection::vec(any::<u8>(), 0..80);
        let strategy = (
            any::<prop::sample::Index>(),
            edits,
            noise,
            prop::option::weighted(0.1, 0..9_usize),
        );
        proptest::test_runner::TestRunner::new(config)
            .run(&strategy, |(which, edits, noise, of_noise)| {
                let sample = which.get(&samples);
                let mut kind = Kind::ALL[usize::from(sample[1])];
                let mut body = sample[2..sample.len() - 16].to_vec();
                if let Some(other) = of_noise {
                    (kind, body) = (Kind::ALL[other], noise.clone());
                }
                for (at, byte, how) in edits {
                    if body.is_empty() {
                        break;
                    }
                    let at = at.index(body.len());
                    match how {
                        0 => body[at] = byte,
                        1 => body[at] ^= 1 << (byte % 8),
                        2 => body.truncate(at),
                        3 => body.insert(at, byte),
                        4 => body.extend_from_within(at..),
                        _ => drop(body.splice(at.., noise.iter().copied())),
                    }
                }
                let mut replica = reader.clone();
                let message = replica.seal(kind, &body);
                let mut effects = Vec::new();
                replica
                    .step(
                        Event::Message {
                            from: PEER,
                            bytes: &message,
                        },
                        &mut effects,
                    )
                    .unwrap();
                prop_assert!(
                    effects.len() <= body.len() / 4 + 8,
                    "{} effects of {} bytes",
                    effects.len(),
                    body.len()
                );
                for ((after, own), genuine) in entries(&replica).iter().zip(&own).zip(&genuine) {
                    prop_assert!(
                        after
                            .iter()
                            .all(|entry| own.contains(entry) || genuine.contains(entry)),
                        "{:?}",
                        after
                    );
                    prop_assert!(own.iter().all(|entry| after.contains(entry)));
                }
                Ok(())
            })
            .unwrap();
    }
}
