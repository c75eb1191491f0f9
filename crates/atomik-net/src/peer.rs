/// The number of peers that an engine tracks. Announcements beyond it are ignored and counted in
/// [`Counters::dropped_invalid`](crate::Counters::dropped_invalid).
pub const MAX_PEERS: usize = 4096;

/// The id of a replica, which is its origin id. Shown as 32 lower-case hex digits, see [`hex`].
pub type PeerId = [u8; 16];

/// Formats a peer id as 32 lower-case hex digits.
#[must_use]
pub fn hex(peer: &PeerId) -> String {
    peer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Parses the output of [`hex`]. Returns `None` for any other text, upper-case digits included.
#[must_use]
pub fn parse_hex(text: &str) -> Option<PeerId> {
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut peer = PeerId::default();
    for (byte, pair) in peer.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_parsed_back_and_any_other_text_rejected() {
        let peer: PeerId = std::array::from_fn(|i| (i * 17) as u8);
        assert_eq!(hex(&peer), "00112233445566778899aabbccddeeff");
        assert_eq!(parse_hex(&hex(&peer)), Some(peer));
        for text in [
            "",
            "00",
            "00112233445566778899AABBCCDDEEFF",
            "zz112233445566778899aabbccddeeff",
        ] {
            assert_eq!(parse_hex(text), None, "{text}");
        }
        assert_eq!(parse_hex(&"é".repeat(16)), None);
    }
}
