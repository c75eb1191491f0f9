//! Rosters, as peers and operators hand them in.

use atomik_replica::Roster;
use ed25519_dalek::SigningKey;

use crate::target::Target;

/// An encoded roster.
pub(crate) const ROSTER: Target = Target {
    name: "roster",
    about: "rosters of members",
    run,
    seeds,
};

fn seeds() -> Vec<Vec<u8>> {
    let key = |n: u8| SigningKey::from_bytes(&[n; 32]).verifying_key().to_bytes();
    let Ok(first) = Roster::first([(key(1), "one"), (key(2), "two")]) else {
        return Vec::new();
    };
    let more = first.add(key(3), "three");
    let fewer = more
        .as_ref()
        .ok()
        .and_then(|more| more.remove(&key(1)).ok());
    [Some(first), more.ok(), fewer]
        .into_iter()
        .flatten()
        .map(|roster| roster.encode())
        .collect()
}

/// What decodes as a roster is encoded as the same bytes.
fn run(input: &[u8]) {
    if let Ok(roster) = Roster::decode(input) {
        assert_eq!(roster.encode(), input, "not canonical");
    }
}
