//! For fuzz targets: messages as any member can make them.

use crate::config::Config;
use crate::message::{OVERHEAD, authentic};
use crate::secrets::Secrets;

/// An authentic message of any kind, known or not, with any body.
pub fn message(config: &Config, kind: u8, body: &[u8]) -> Vec<u8> {
    let secrets = Secrets::new(&config.secret, &config.keyspace, config.words);
    authentic(&secrets, kind, body)
}

/// The kind of a message, followed by its body.
pub fn content(message: &[u8]) -> &[u8] {
    message
        .get(1..message.len() + 2 - OVERHEAD)
        .unwrap_or_default()
}
