//! For fuzz targets: messages as any member can make them.

use crate::message::numbered;

/// A message of any kind, known or not, with any body.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    numbered(kind, body)
}

/// The kind of a message, followed by its body.
pub fn content(message: &[u8]) -> Vec<u8> {
    match message {
        [1, content @ ..] => content.to_vec(),
        [short, ..] => [&[11 + (short >> 6 & 1)], message].concat(),
        [] => Vec::new(),
    }
}
