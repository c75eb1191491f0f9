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
        // Who holds a quarantined origin's entries offers them at every comparison: it has been told once.
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
