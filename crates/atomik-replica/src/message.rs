//! Messages on the wire: format version, kind, body. Whoever carries them authenticates them.

use crate::notice::Refusal;

/// The version of the wire format.
pub(crate) const WIRE: u8 = 1;

/// Marks messages of kinds that are sent often. Their first byte has a flag for the kind, and the
/// low bits of the first byte of the body.
const SHORT: u8 = 0x80;
const SEALED: u8 = 0x40;

/// The bits of the first byte of the body of such a message.
pub(crate) const SHORT_BITS: u8 = 0x3f;

/// Bytes of a message besides its body, at most.
pub(crate) const OVERHEAD: usize = 2;

/// The kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MessageKind {
    /// One or more excerpts of signed frames.
    Changes = 0,
    /// Digest, folded origins, base and ledger of the sender in a few numbers.
    Summary = 1,
    /// Cells of the sender's digest.
    Sketch = 2,
    /// Requests cells.
    SketchRequest = 3,
    /// Requests entries by id.
    Fetch = 4,
    /// Requests all entries from a given slot on.
    Pull = 5,
    /// Completes the answer to a pull: bases, and the slot to continue from.
    Chunk = 6,
    /// Retirements and attestations.
    Ledger = 7,
    /// Excerpts that the receiver is expected to lack. It answers with any newer entries it has.
    Repair = 8,
    /// What the sender knows of the newest frame of an origin.
    Head = 9,
    /// Asks the sender of previews for its open frame as a whole.
    Again = 10,
    /// Changes of an open frame.
    Preview = 11,
    /// The last changes of an open frame, and its signature.
    Seal = 12,
}

impl MessageKind {
    /// All kinds, by their number on the wire.
    pub(crate) const ALL: [Self; 13] = [
        Self::Changes,
        Self::Summary,
        Self::Sketch,
        Self::SketchRequest,
        Self::Fetch,
        Self::Pull,
        Self::Chunk,
        Self::Ledger,
        Self::Repair,
        Self::Head,
        Self::Again,
        Self::Preview,
        Self::Seal,
    ];
}

/// Makes a message.
pub(crate) fn seal(kind: MessageKind, body: &[u8]) -> Vec<u8> {
    numbered(kind as u8, body)
}

/// Makes a message of any kind, known or not.
pub(crate) fn numbered(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(body.len() + OVERHEAD);
    let short = [
        (MessageKind::Preview as u8, SHORT),
        (MessageKind::Seal as u8, SHORT | SEALED),
    ];
    match (short.iter().find(|(short, _)| *short == kind), body) {
        (Some((_, mark)), [first, rest @ ..]) => {
            message.push(mark | first & SHORT_BITS);
            message.extend_from_slice(rest);
        }
        _ => {
            message.extend_from_slice(&[WIRE, kind]);
            message.extend_from_slice(body);
        }
    }
    message
}

/// Opens a message; returns its kind and body. The first byte of the body of a preview or a seal
/// has other bits than [`SHORT_BITS`], too.
pub(crate) fn open(message: &[u8]) -> Result<(MessageKind, &[u8]), Refusal> {
    let (kind, body) = match message {
        [WIRE, kind, body @ ..] => (*kind, body),
        [short, ..] if short & SHORT > 0 => {
            let sealed = short & SEALED > 0;
            let kind = [MessageKind::Preview, MessageKind::Seal][usize::from(sealed)];
            return Ok((kind, message));
        }
        [] | [WIRE] => return Err(Refusal::Malformed),
        [found, ..] => {
            return Err(Refusal::Format {
                found: *found,
                wanted: WIRE,
            });
        }
    };
    let kind = MessageKind::ALL
        .get(usize::from(kind))
        .ok_or(Refusal::Malformed)?;
    Ok((*kind, body))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_message_of_each_kind_opens() {
        for (number, kind) in MessageKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
            let message = seal(kind, b"5ody");
            let (opened, body) = open(&message).unwrap();
            assert_eq!((opened, &body[1..]), (kind, &b"ody"[..]));
            assert_eq!(body[0] & SHORT_BITS, b'5');
            assert!(message.len() <= 4 + OVERHEAD);
        }
    }

    #[test]
    fn a_message_of_another_format_is_refused_as_such() {
        let mut newer = seal(MessageKind::Fetch, &[]);
        newer[0] = 2;
        let refusal = Refusal::Format {
            found: 2,
            wanted: WIRE,
        };
        assert_eq!(open(&newer), Err(refusal));
    }

    #[test]
    fn a_message_without_a_known_kind_is_malformed() {
        for message in [&[][..], &[WIRE], &[WIRE, 13], &[WIRE, 255, 1]] {
            assert_eq!(open(message), Err(Refusal::Malformed));
        }
    }
}
