//! For fuzz targets: messages as any member can make them.

use crate::message::{MARKED, MessageKind, numbered};
use crate::shape::Shape;

/// A message of any kind, known or not, with any body, in a keyspace whose values have this shape.
pub fn message(shape: &Shape, kind: u8, body: &[u8]) -> Vec<u8> {
    numbered(shape, kind, body)
}

/// The kind of a message, followed by its body.
pub fn content(message: &[u8]) -> Vec<u8> {
    match message {
        [1, content @ ..] => content.to_vec(),
        [MARKED, kind, _, _, body @ ..] => {
            let text = match (*kind == MessageKind::Summary as u8, body.first()) {
                (true, Some(length)) => 1 + usize::from(*length),
                _ => 0,
            };
            [&[*kind], body.get(text..).unwrap_or(&[])].concat()
        }
        [short, ..] => [&[11 + (short >> 6 & 1)], message].concat(),
        [] => Vec::new(),
    }
}
