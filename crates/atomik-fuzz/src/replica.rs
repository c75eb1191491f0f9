//! Messages from a dishonest member: authentic, with any content.

use std::sync::OnceLock;

use atomik_replica::{
    Action, Config, Effect, Event, Layout, LocalOp, OriginId, PeerId, Replica, Shape, Trust, Value,
    fuzzing,
};
use ed25519_dalek::SigningKey;

use crate::target::Target;

/// A message: its kind, with the high bit in a keyspace whose values have a field that adds; then
/// its body.
pub(crate) const MESSAGE: Target = Target {
    name: "message",
    about: "messages of a dishonest member",
    run,
    seeds,
};

const PEER: PeerId = [9; 16];
const KEYS: u8 = 40;

/// The high bit of the kind of a message.
const ADDING: u8 = 0x80;

fn config(member: u8, adds: bool) -> Config {
    let key = |member: u8| SigningKey::from_bytes(&[member + 1; 32]);
    let allowed = (0..2)
        .map(|member| key(member).verifying_key().to_bytes())
        .collect();
    let trust = Trust::Signed {
        key: Box::new(key(member)),
        allowed,
    };
    let mut config = Config::new("fuzz", 1, [5; 32], trust, [member; 16]);
    if adds {
        config.shape = adding();
    }
    config
}

/// The shape of values with a field that adds.
pub(crate) fn adding() -> Shape {
    #[allow(clippy::expect_used, reason = "the layout is a constant")]
    let layout: Layout = "xor:20,add:30".parse().expect("a valid layout");
    layout.into()
}

/// Member 0 or 1 with published changes of its own to all keys.
fn open(member: u8, adds: bool) -> Replica {
    #[allow(clippy::expect_used, reason = "the configuration is a constant")]
    let mut replica = Replica::open(config(member, adds), []).expect("a valid configuration");
    let mut effects = Vec::new();
    for key in 0..KEYS {
        let key = [key];
        let op = LocalOp::accum(&key, u64::from(member + 1).into());
        step(&mut replica, Event::Op(&op), &mut effects);
    }
    if adds {
        let action = Action::Put((u64::from(member + 7) << 20).into());
        let op = LocalOp { key: &[0], action };
        step(&mut replica, Event::Op(&op), &mut effects);
    }
    step(
        &mut replica,
        Event::PeerUp {
            peer: PEER,
            key: None,
        },
        &mut effects,
    );
    persist(&mut replica, &mut effects);
    replica
}

fn step(replica: &mut Replica, event: Event<'_>, effects: &mut Vec<Effect>) {
    let refused = replica.step(event, effects).err();
    assert_eq!(refused, None, "a local operation was refused");
}

fn persist(replica: &mut Replica, effects: &mut Vec<Effect>) {
    step(replica, Event::Flush, effects);
    let tickets: Vec<u64> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Persist { ticket, .. } => Some(*ticket),
            _ => None,
        })
        .collect();
    for ticket in tickets {
        step(replica, Event::Persisted(ticket), effects);
    }
}

/// What two honest members with different changes send each other until they agree, and while one
/// retires.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = [false, true].into_iter().flat_map(seeds_of).collect();
    seeds.sort();
    seeds.dedup();
    seeds
}

fn seeds_of(adds: bool) -> Vec<Vec<u8>> {
    let mut members = [open(0, adds), open(1, adds)];
    let mut seeds = vec![vec![5, 0], vec![3, 8, 0]];
    for round in 0..12 {
        for (from, to) in [(0, 1), (1, 0)] {
            let mut effects = Vec::new();
            if round == 6 && from == 0 {
                step(&mut members[0], Event::Retire, &mut effects);
            }
            step(&mut members[from], Event::Tick, &mut effects);
            persist(&mut members[from], &mut effects);
            let mut queue = vec![(from, to, effects)];
            while let Some((from, to, effects)) = queue.pop() {
                for effect in effects {
                    let (Effect::Send { bytes, .. } | Effect::Broadcast { bytes, .. }) = effect
                    else {
                        continue;
                    };
                    let mut answers = Vec::new();
                    let message = Event::Message {
                        from: PEER,
                        bytes: &bytes,
                    };
                    step(&mut members[to], message, &mut answers);
                    persist(&mut members[to], &mut answers);
                    seeds.push(fuzzing::content(&bytes));
                    queue.push((to, from, answers));
                }
            }
        }
    }
    if adds {
        seeds.iter_mut().for_each(|seed| seed[0] |= ADDING);
    }
    seeds
}

type Entries = Vec<Vec<(OriginId, u64, Value)>>;

fn entries(replica: &Replica) -> Entries {
    (0..KEYS).map(|key| replica.writers(&[key])).collect()
}

/// The member under test, and the entries that it may hold: its own and those of the other member.
fn subject(adds: bool) -> &'static (Replica, Entries, Entries) {
    static SUBJECTS: [OnceLock<(Replica, Entries, Entries)>; 2] = [const { OnceLock::new() }; 2];
    SUBJECTS[usize::from(adds)].get_or_init(|| {
        let (reader, writer) = (open(1, adds), open(0, adds));
        let (own, genuine) = (entries(&reader), entries(&writer));
        (reader, own, genuine)
    })
}

/// The replica neither panics nor takes over what nobody wrote, loses nothing of its own, and does
/// not answer a short message with many.
fn run(input: &[u8]) {
    let Some((kind, body)) = input.split_first() else {
        return;
    };
    let (replica, own, genuine) = subject(kind & ADDING > 0);
    let mut replica = replica.clone();
    let bytes = fuzzing::message(&replica.config().shape, kind & !ADDING, body);
    let mut effects = Vec::new();
    let message = Event::Message {
        from: PEER,
        bytes: &bytes,
    };
    step(&mut replica, message, &mut effects);
    assert!(
        effects.len() <= body.len() / 4 + 8,
        "{} effects of a body of {} bytes",
        effects.len(),
        body.len()
    );
    for ((after, own), genuine) in entries(&replica).iter().zip(own).zip(genuine) {
        let known = |entry| own.contains(entry) || genuine.contains(entry);
        assert!(after.iter().all(known), "nobody wrote {after:?}");
        assert!(
            own.iter().all(|entry| after.contains(entry)),
            "own entry lost"
        );
    }
    persist(&mut replica, &mut effects);
    step(&mut replica, Event::Tick, &mut effects);
}
