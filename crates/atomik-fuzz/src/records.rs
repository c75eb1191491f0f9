//! The records of a replica, as a damaged or forged store may hold them.

use std::sync::OnceLock;

use atomik_replica::{Action, Config, Effect, Event, LocalOp, OpenError, Replica, Trust};

use crate::replica::adding;
use crate::target::Target;

/// Records, each as the length of its key in one byte, the length of its value in two
/// (little-endian), key and value.
pub(crate) const RECORDS: Target = Target {
    name: "records",
    about: "the records of a store, as a replica reads them",
    run,
    seeds,
};

type Records = Vec<(Vec<u8>, Vec<u8>)>;

fn config(adds: bool) -> Config {
    let trust = Trust::Unsigned {
        key: [1; 32],
        allowed: vec![[1; 32], [2; 32]],
    };
    let mut config = Config::new("fuzz", 1, [5; 32], trust, [7; 16]);
    if adds {
        config.shape = adding();
    }
    config
}

/// The records of a replica with keys, a batch to undo and a checkpoint. It has either retired, or
/// previewed what no frame holds yet. In a keyspace with a field that `adds` it has a put.
fn records(retired: bool, adds: bool) -> Option<Records> {
    let mut replica = Replica::open(config(adds), []).ok()?;
    let mut effects = Vec::new();
    let (peer, key) = ([1; 16], (!retired).then_some([2; 32]));
    replica
        .step(Event::PeerUp { peer, key }, &mut effects)
        .ok()?;
    for key in [&b"a"[..], b"b", b"a"] {
        let op = LocalOp::accum(key, 3.into());
        replica.step(Event::Op(&op), &mut effects).ok()?;
    }
    if adds {
        let action = Action::Put((9 << 20).into());
        let op = LocalOp { key: b"c", action };
        replica.step(Event::Op(&op), &mut effects).ok()?;
    }
    replica.step(Event::Checkpoint("then"), &mut effects).ok()?;
    if retired {
        replica.step(Event::Retire, &mut effects).ok()?;
    }
    replica.step(Event::Flush, &mut effects).ok()?;
    effects.into_iter().find_map(|effect| match effect {
        Effect::Persist { records, .. } => Some(
            records
                .into_iter()
                .filter_map(|(key, value)| Some((key, value?)))
                .collect(),
        ),
        _ => None,
    })
}

fn encode(records: &Records) -> Vec<u8> {
    let mut input = Vec::new();
    for (key, value) in records {
        input.push(key.len() as u8);
        input.extend_from_slice(&(value.len() as u16).to_le_bytes());
        input.extend_from_slice(key);
        input.extend_from_slice(value);
    }
    input
}

fn decode(mut input: &[u8]) -> Records {
    let mut records = Records::new();
    while let [key, low, high, rest @ ..] = input {
        let (key, rest) = rest.split_at(usize::from(*key).min(rest.len()));
        let value = usize::from(u16::from_le_bytes([*low, *high]));
        let (value, rest) = rest.split_at(value.min(rest.len()));
        records.push((key.to_vec(), value.to_vec()));
        input = rest;
    }
    records
}

/// Whether the replica of a store has retired, and whether its values have a field that adds.
const STORES: [(bool, bool); 4] = [(true, false), (false, false), (true, true), (false, true)];

/// All records of the stores, without some of them, and each alone.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = intact();
    for records in STORES.map(|(retired, adds)| records(retired, adds).unwrap_or_default()) {
        for at in 0..records.len() {
            let mut without = records.clone();
            let alone = without.remove(at);
            seeds.push(encode(&without));
            seeds.push(encode(&vec![alone]));
        }
    }
    seeds
}

fn intact() -> Vec<Vec<u8>> {
    STORES
        .map(|(retired, adds)| encode(&records(retired, adds).unwrap_or_default()))
        .into()
}

/// The replica opens and works, or names what is damaged. The intact stores open.
fn run(input: &[u8]) {
    static INTACT: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let intact = INTACT.get_or_init(intact);
    let mut opened = Replica::open(config(false), decode(input));
    if let Err(OpenError::Layout { .. }) = opened {
        opened = Replica::open(config(true), decode(input));
    }
    assert!(
        intact.iter().all(|intact| intact != input) || opened.is_ok(),
        "an intact store was refused: {opened:?}"
    );
    let Ok(mut replica) = opened else { return };
    let mut effects = Vec::new();
    let op = LocalOp::accum(b"a", 1.into());
    let before = replica.state(b"a");
    if replica.step(Event::Op(&op), &mut effects).is_ok() {
        let mut after = before;
        replica.config().shape.accumulate(&mut after, &1.into());
        assert_eq!(replica.state(b"a"), after);
    }
    for event in [
        Event::Flush,
        Event::Tick,
        Event::PeerUp {
            peer: [1; 16],
            key: None,
        },
    ] {
        let refused = replica.step(event, &mut effects).err();
        assert_eq!(refused, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_previews_that_no_frame_holds() {
        let records = records(false, false).unwrap_or_default();
        assert!(records.iter().any(|(key, _)| key.first() == Some(&b'u')));
    }
}
