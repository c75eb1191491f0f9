//! Messages on the wire: format version, kind, body, authentication code.

use crate::notice::Refusal;
use crate::secrets::Secrets;

/// The version of the wire format.
pub(crate) const WIRE: u8 = 1;

/// Bytes of the authentication code.
const CODE: usize = 16;

/// Bytes of a message besides its body.
pub(crate) const OVERHEAD: usize = 2 + CODE;

/// The kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl MessageKind {
    /// All kinds, by their number on the wire.
    pub(crate) const ALL: [Self; 10] = [
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
    ];
}

/// Makes a message.
pub(crate) fn seal(secrets: &Secrets, kind: MessageKind, body: &[u8]) -> Vec<u8> {
    authentic(secrets, kind as u8, body)
}

/// Makes a message of any kind, known or not.
pub(crate) fn authentic(secrets: &Secrets, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(body.len() + OVERHEAD);
    message.extend_from_slice(&[WIRE, kind]);
    message.extend_from_slice(body);
    let code = secrets.authenticate(&message);
    message.extend_from_slice(&code);
    message
}

/// Checks a message; returns its kind and body.
pub(crate) fn open<'a>(
    secrets: &Secrets,
    message: &'a [u8],
) -> Result<(MessageKind, &'a [u8]), Refusal> {
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
        .split_last_chunk::<CODE>()
        .ok_or(Refusal::NotAMember)?;
    if !equal(&secrets.authenticate(content), code) {
        return Err(Refusal::NotAMember);
    }
    let [_, kind, body @ ..] = content else {
        return Err(Refusal::Malformed);
    };
    let kind = MessageKind::ALL
        .get(usize::from(*kind))
        .ok_or(Refusal::Malformed)?;
    Ok((*kind, body))
}

/// Compares in constant time, so that timing does not reveal how much of a guessed code is right.
fn equal(a: &[u8; CODE], b: &[u8; CODE]) -> bool {
    a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn secrets(keyspace: &str) -> Secrets {
        Secrets::new(&[3; 32], keyspace, 1)
    }

    #[test]
    fn a_message_of_each_kind_opens_and_does_not_after_any_bit_flip() {
        let secrets = secrets("a");
        for (number, kind) in MessageKind::ALL.into_iter().enumerate() {
            let message = seal(&secrets, kind, b"body");
            assert_eq!(usize::from(message[1]), number);
            assert_eq!(open(&secrets, &message), Ok((kind, &b"body"[..])));
            for bit in 0..8 * message.len() {
                let mut flipped = message.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(open(&secrets, &flipped).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_message_of_another_keyspace_or_format_is_refused_as_such() {
        let message = seal(&secrets("a"), MessageKind::Fetch, &[]);
        assert_eq!(open(&secrets("b"), &message), Err(Refusal::NotAMember));
        let mut newer = message.clone();
        newer[0] = 2;
        let refusal = Refusal::Format {
            found: 2,
            wanted: WIRE,
        };
        assert_eq!(open(&secrets("a"), &newer), Err(refusal));
    }

    #[test]
    fn an_authentic_message_without_a_known_kind_is_malformed_whatever_its_length() {
        let secrets = secrets("a");
        for content in [&[WIRE][..], &[WIRE, 10], &[WIRE, 255, 1]] {
            let mut message = content.to_vec();
            message.extend_from_slice(&secrets.authenticate(content));
            assert_eq!(open(&secrets, &message), Err(Refusal::Malformed));
        }
        for length in 0..=CODE {
            assert!(open(&secrets, &vec![WIRE; length]).is_err());
        }
    }
}
