//! Messages on the wire: format version, kind, body. Whoever carries them authenticates them.
//!
//! In a keyspace of another layout than the default, every message also has the layout's mark, and
//! summaries have its text: members that were given different layouts understand nothing of each
//! other, and find out why.

use crate::codec::{Encode, Reader};
use crate::notice::Refusal;
use crate::proof::MAX_LAYOUT;
use crate::shape::Shape;

/// The version of the wire format.
pub(crate) const WIRE: u8 = 1;

/// In place of [`WIRE`] where the layout is not the default. Kind, mark and body follow.
pub(crate) const MARKED: u8 = 2;

/// Marks messages of kinds that are sent often. Their first byte has a flag for the kind, and the
/// low bits of the first byte of the body.
const SHORT: u8 = 0x80;
const SEALED: u8 = 0x40;

/// The bits of the first byte of the body of such a message.
pub(crate) const SHORT_BITS: u8 = 0x3f;

/// Bytes of a message besides its body, at most, where the layout is the default.
pub(crate) const OVERHEAD: usize = 2;

/// The same for any layout, except for summaries.
pub(crate) const MARKED_OVERHEAD: usize = 4;

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
    /// Retirements and statements.
    Ledger = 7,
    /// Excerpts that the receiver is expected to lack. It answers with any newer entries it has.
    Repair = 8,
    /// What the sender knows of the newest frame of an origin.
    Head = 9,
    /// Asks the sender of previews for frames that have not arrived, or for its open one as a
    /// whole.
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

    /// The kind with this number.
    fn of(number: u8) -> Result<Self, Refusal> {
        let kind = Self::ALL.get(usize::from(number)).copied();
        kind.ok_or(Refusal::Malformed)
    }
}

/// Makes a message in a keyspace whose values have this shape.
pub(crate) fn seal(shape: &Shape, kind: MessageKind, body: &[u8]) -> Vec<u8> {
    numbered(shape, kind as u8, body)
}

/// Makes a message of any kind, known or not.
pub(crate) fn numbered(shape: &Shape, kind: u8, body: &[u8]) -> Vec<u8> {
    let Some([low, high]) = shape.mark() else {
        return plain(kind, body);
    };
    let mut message = Vec::with_capacity(body.len() + MARKED_OVERHEAD);
    message.extend_from_slice(&[MARKED, kind, low, high]);
    if kind == MessageKind::Summary as u8 {
        message.blob(shape.to_string().as_bytes());
    }
    message.extend_from_slice(body);
    message
}

/// The same where the layout is the default.
fn plain(kind: u8, body: &[u8]) -> Vec<u8> {
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
/// has other bits than [`SHORT_BITS`], too. `None` if it is of another layout, but does not say of
/// which.
pub(crate) fn open<'a>(
    shape: &Shape,
    message: &'a [u8],
) -> Result<Option<(MessageKind, &'a [u8])>, Refusal> {
    let other = |theirs: Option<&str>| Refusal::Layout {
        ours: shape.to_string(),
        theirs: theirs.map(str::to_owned),
    };
    match (message, shape.mark()) {
        ([MARKED, kind, low, high, body @ ..], mark) => {
            let kind = MessageKind::of(*kind)?;
            let same = mark == Some([*low, *high]);
            if kind != MessageKind::Summary {
                return Ok(same.then_some((kind, body)));
            }
            let reader = &mut Reader::new(body);
            let text = reader.blob(MAX_LAYOUT).ok();
            let text = text.and_then(|text| core::str::from_utf8(text).ok());
            let text = text.ok_or(Refusal::Malformed)?;
            let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
            match text == shape.to_string() {
                true => Ok(Some((kind, reader.rest()))),
                false if printable => Err(other(Some(text))),
                false => Err(Refusal::Malformed),
            }
        }
        ([WIRE, kind, ..], Some(_)) if *kind == MessageKind::Summary as u8 => Err(other(None)),
        ([WIRE, ..], Some(_)) => Ok(None),
        ([short, ..], Some(_)) if short & SHORT > 0 => Ok(None),
        _ => open_plain(message).map(Some),
    }
}

/// Opens a message where the layout is the default.
fn open_plain(message: &[u8]) -> Result<(MessageKind, &[u8]), Refusal> {
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
    Ok((MessageKind::of(kind)?, body))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn shape(layout: &str) -> Shape {
        layout.parse::<atomik_algebra::Layout>().unwrap().into()
    }

    #[test]
    fn a_message_of_each_kind_opens() {
        for layout in ["xor:64", "add:64"] {
            let shape = shape(layout);
            for (number, kind) in MessageKind::ALL.into_iter().enumerate() {
                assert_eq!(kind as usize, number);
                let message = seal(&shape, kind, b"5ody");
                let (opened, body) = open(&shape, &message).unwrap().unwrap();
                assert_eq!((opened, &body[1..]), (kind, &b"ody"[..]));
                assert_eq!(body[0] & SHORT_BITS, b'5');
                let more = match (shape.mark(), kind) {
                    (None, _) => OVERHEAD,
                    (Some(_), MessageKind::Summary) => MARKED_OVERHEAD + 1 + layout.len(),
                    (Some(_), _) => MARKED_OVERHEAD,
                };
                assert!(message.len() <= 4 + more);
            }
        }
    }

    #[test]
    fn messages_of_another_layout_say_nothing_and_summaries_say_which_it_is() {
        let layouts = ["xor:64", "add:64", "xor:32,xor:32", "xor:48,add:16"];
        for (ours, theirs) in layouts.into_iter().flat_map(|a| layouts.map(|b| (a, b))) {
            if ours == theirs {
                continue;
            }
            for kind in MessageKind::ALL {
                let message = seal(&shape(theirs), kind, b"5ody");
                let opened = open(&shape(ours), &message);
                if kind != MessageKind::Summary {
                    assert_eq!(opened, Ok(None), "{ours} {theirs} {kind:?}");
                    continue;
                }
                // The default has never been named in messages.
                let theirs = Some(theirs.to_owned()).filter(|theirs| theirs != "xor:64");
                let ours = ours.to_owned();
                assert_eq!(opened, Err(Refusal::Layout { ours, theirs }));
            }
        }
    }

    #[test]
    fn a_message_of_another_format_is_refused_as_such() {
        let mut newer = seal(&Shape::xor(1), MessageKind::Fetch, &[]);
        newer[0] = 3;
        let refusal = Refusal::Format {
            found: 3,
            wanted: WIRE,
        };
        assert_eq!(open(&Shape::xor(1), &newer), Err(refusal));
    }

    #[test]
    fn a_message_without_a_known_kind_is_malformed() {
        let messages: [&[u8]; 7] = [
            &[],
            &[WIRE],
            &[WIRE, 13],
            &[WIRE, 255, 1],
            &[MARKED, 13, 0, 0],
            &[MARKED, 1, 0, 0, 5, b'x'],
            &[MARKED, 1, 0, 0, 1, b'\n'],
        ];
        for message in messages {
            let opened = open(&Shape::xor(1), message);
            assert_eq!(opened, Err(Refusal::Malformed), "{message:?}");
        }
    }
}
