//! Keyspaces whose words add, or add in some fields and xor in others.

use std::collections::BTreeMap;

use atomik_replica::{
    Action, Config, Event, FieldKind, Layout, LocalOp, Notice, Op, OpError, OpenError, Refusal,
    Replica, Shape, Value,
};
use proptest::prelude::*;

use crate::replication::{Cluster, config, peer};

fn shape(layout: &str) -> Shape {
    layout.parse::<Layout>().unwrap().into()
}

fn with_layout(n: u8, members: u8, layout: &str) -> Config {
    Config {
        shape: shape(layout),
        ..config(n, members)
    }
}

fn cluster(members: u8, layout: &str) -> Cluster {
    let configs = (0..members).map(|n| with_layout(n, members, layout));
    Cluster::with(configs.collect())
}

fn act(cluster: &mut Cluster, n: usize, key: &[u8], action: Action) -> Option<u64> {
    cluster.step(n, Event::Op(&LocalOp { key, action })).number
}

fn add(cluster: &mut Cluster, n: usize, delta: i64) -> Option<u64> {
    let delta = Value::from(delta as u64);
    act(cluster, n, b"k", Action::Op(Op::Accum, delta))
}

fn put(cluster: &mut Cluster, n: usize, value: u64) {
    act(cluster, n, b"k", Action::Put(value.into()));
}

fn state(cluster: &Cluster, n: usize) -> u64 {
    cluster.replicas[n].state(b"k").words()[0]
}

fn exchange(cluster: &mut Cluster) {
    cluster.flush();
    cluster.deliver();
}

/// The overlaps that were reported: to whom, and the bits.
fn overlaps(cluster: &mut Cluster) -> Vec<(usize, Value)> {
    let notices = core::mem::take(&mut cluster.notices);
    let overlap = |(n, notice)| match notice {
        Notice::Overlap(overlap) => Some((n, overlap.bits)),
        _ => None,
    };
    notices.into_iter().filter_map(overlap).collect()
}

#[test]
fn additions_on_all_sides_are_each_counted_once() {
    let mut cluster = cluster(3, "add:64");
    for n in 0..3 {
        add(&mut cluster, n, n as i64 + 1);
        add(&mut cluster, n, -10);
    }
    cluster.flush();
    // Every message arrives twice.
    let again = cluster.wire.clone();
    cluster.wire.extend(again);
    cluster.deliver();
    for n in 0..3 {
        assert_eq!(state(&cluster, n) as i64, 6 - 30);
    }
    assert_eq!(overlaps(&mut cluster), [], "additions commute");
}

#[test]
fn a_put_sets_the_value_and_undo_takes_back_what_was_added() {
    let mut cluster = cluster(2, "xor:48,add:16");
    let word = |xor: u64, add: i16| u64::from(add as u16) << 48 | xor;
    put(&mut cluster, 0, word(0xff, 5));
    exchange(&mut cluster);
    put(&mut cluster, 1, word(0x0f, -3));
    let delta = Value::from(word(0xf0, 7));
    let batch = act(&mut cluster, 1, b"k", Action::Op(Op::Accum, delta)).unwrap();
    exchange(&mut cluster);
    assert_eq!([0, 1].map(|n| state(&cluster, n)), [word(0xff, 4); 2]);
    let undo = cluster.step(1, Event::Undo(batch)).number.unwrap();
    exchange(&mut cluster);
    assert_eq!([0, 1].map(|n| state(&cluster, n)), [word(0x0f, -3); 2]);
    cluster.step(1, Event::Undo(undo));
    exchange(&mut cluster);
    assert_eq!([0, 1].map(|n| state(&cluster, n)), [word(0xff, 4); 2]);
    assert_eq!(overlaps(&mut cluster), [], "each knew of the other");
}

#[test]
fn checkpoints_and_marks_are_compared_by_subtraction() {
    let mut cluster = cluster(1, "add:16");
    put(&mut cluster, 0, 3);
    let first = cluster.step(0, Event::Checkpoint("one")).number.unwrap() as u32;
    let delta = |cluster: &mut Cluster, op| {
        let action = Action::Op(op, Value::zero(1));
        let op = LocalOp { key: b"k", action };
        let outcome = cluster.step(0, Event::Op(&op));
        let response = outcome.responses[0].clone().unwrap();
        response.data.words()[0]
    };
    assert_eq!(delta(&mut cluster, Op::Swap), 3);
    add(&mut cluster, 0, 0xffff);
    let second = cluster.step(0, Event::Checkpoint("two")).number.unwrap() as u32;
    assert_eq!(delta(&mut cluster, Op::Delta), 0xffff);
    assert_eq!(delta(&mut cluster, Op::Drain), 0xffff);
    assert_eq!(delta(&mut cluster, Op::Read), 2);
    let replica = &cluster.replicas[0];
    let between = |a, b| replica.delta_between(b"k", a, b).unwrap().words()[0];
    assert_eq!(
        (between(first, second), between(second, first)),
        (0xffff, 1)
    );
    let since: Vec<_> = replica.delta_since(first).unwrap().collect();
    assert_eq!(since, [(&b"k"[..], 0xffff.into())]);
}

#[test]
fn two_concurrent_puts_are_told_and_a_put_beside_additions_is_not() {
    let mut cluster = cluster(2, "add:64");
    put(&mut cluster, 0, 5);
    put(&mut cluster, 1, 3);
    exchange(&mut cluster);
    assert_eq!([0, 1].map(|n| state(&cluster, n)), [8, 8]);
    let told = overlaps(&mut cluster);
    assert!(!told.is_empty());
    assert!(told.iter().all(|(_, bits)| *bits == u64::MAX.into()));

    // As if what was added had been added after the put.
    put(&mut cluster, 0, 100);
    add(&mut cluster, 1, 1);
    exchange(&mut cluster);
    assert_eq!([0, 1].map(|n| state(&cluster, n)), [101, 101]);
    assert_eq!(overlaps(&mut cluster), []);
}

#[test]
fn xor_fields_overlap_beside_fields_that_add() {
    let mut cluster = cluster(2, "xor:32,add:32");
    let accum = |cluster: &mut Cluster, n, word: u64| {
        act(cluster, n, b"k", Action::Op(Op::Accum, word.into()));
    };
    accum(&mut cluster, 0, 5 | 7 << 32);
    accum(&mut cluster, 1, 3 | 9 << 32);
    exchange(&mut cluster);
    assert_eq!(state(&cluster, 0), 6 | 16 << 32);
    let told = overlaps(&mut cluster);
    assert!(!told.is_empty());
    assert!(told.iter().all(|(_, bits)| *bits == 1.into()));
}

#[test]
fn a_put_is_still_known_as_one_after_a_restart() {
    let mut cluster = cluster(2, "add:64");
    cluster.cut = vec![0, 1];
    put(&mut cluster, 0, 5);
    add(&mut cluster, 0, 1);
    put(&mut cluster, 1, 3);
    exchange(&mut cluster);
    for n in 0..2 {
        let records = cluster.stores[n].clone();
        let config = with_layout(n as u8, 2, "add:64");
        cluster.replicas[n] = Replica::open(config, records).unwrap();
        cluster.up(n, 1 - n);
    }
    cluster.cut.clear();
    for _ in 0..8 {
        (0..2).for_each(|n| drop(cluster.step(n, Event::Tick)));
        exchange(&mut cluster);
    }
    assert_eq!([0, 1].map(|n| state(&cluster, n)), [9, 9]);
    assert!(!overlaps(&mut cluster).is_empty());
}

#[test]
fn what_does_not_fit_the_layout_is_refused_with_what_to_do() {
    let mut cluster = cluster(1, "xor:8,add:8");
    let mut refused = |action: Action| {
        let op = LocalOp { key: b"k", action };
        let refused = cluster.try_step(0, Event::Op(&op)).unwrap_err();
        (refused.to_string(), refused)
    };
    let (text, error) = refused(Action::Put(0x1_0000.into()));
    assert_eq!(error, OpError::Wide { width: 16 });
    assert!(text.contains("use fewer"), "{text}");
    let (text, error) = refused(Action::Toggle(8));
    assert!(matches!(error, OpError::NoFlag { flag: 8, .. }));
    assert!(
        text.contains("xor:8,add:8") && text.contains("add to that field"),
        "{text}"
    );
    let (_, error) = refused(Action::SetFlag(16, true));
    assert_eq!(error, OpError::Flag { flag: 16, last: 15 });
}

#[test]
fn members_of_different_layouts_find_out_and_take_nothing_of_each_other() {
    let layouts = ["xor:64", "xor:32,xor:32", "add:64", "xor:48,add:16"];
    for (a, b) in layouts.into_iter().flat_map(|a| layouts.map(|b| (a, b))) {
        if a == b {
            continue;
        }
        let mut cluster = Cluster::with(vec![with_layout(0, 2, a), with_layout(1, 2, b)]);
        put(&mut cluster, 0, 5);
        put(&mut cluster, 1, 9);
        for _ in 0..5 {
            exchange(&mut cluster);
            (0..2).for_each(|n| drop(cluster.step(n, Event::Tick)));
        }
        cluster.deliver();
        assert_eq!([0, 1].map(|n| state(&cluster, n)), [5, 9], "{a} {b}");
        for (n, ours, theirs) in [(0, a, b), (1, b, a)] {
            let notices = cluster.notices.iter().filter(|(at, _)| *at == n);
            let refusals: Vec<_> = notices.map(|(_, notice)| notice).collect();
            let [Notice::Refused { from, reason }] = refusals[..] else {
                panic!("one refusal is enough: {refusals:?}");
            };
            assert_eq!(*from, peer(1 - n));
            assert!(matches!(reason, Refusal::Layout { .. }), "{reason}");
            let text = reason.to_string();
            assert!(text.contains(&format!("layout {ours},")), "{text}");
            let named = format!("layout {theirs}:");
            let default = theirs == "xor:64" && text.contains("the default layout");
            assert!(text.contains(&named) || default, "{text}");
            assert!(text.contains("configure the layout"), "{text}");
        }
    }
}

#[test]
fn a_store_of_another_layout_is_refused_with_both_names() {
    for (stored, configured) in [
        ("xor:64", "add:64"),
        ("add:64", "xor:64"),
        ("xor:64", "xor:32,xor:32"),
        ("xor:48,add:16", "add:16,xor:48"),
        ("add:128", "add:64"),
    ] {
        let mut cluster = Cluster::with(vec![with_layout(0, 1, stored)]);
        cluster.flush();
        let open = |layout| {
            let records = cluster.stores[0].clone();
            Replica::open(with_layout(0, 1, layout), records).map(drop)
        };
        assert_eq!(open(stored), Ok(()));
        let (found, wanted) = (stored.to_owned(), configured.to_owned());
        let error = open(configured).unwrap_err();
        let text = error.to_string();
        assert_eq!(error, OpenError::Layout { found, wanted });
        let next = format!("set `layout` to {stored}");
        assert!(text.contains(&next) && text.contains(configured), "{text}");
    }
}

/// What happens to a cluster. Nothing that is not acknowledged counts.
#[derive(Clone, Debug)]
enum Happening {
    Add(usize, Vec<i32>),
    Put(usize, Vec<i32>),
    Undo(usize, u64),
    /// Message number so many arrives so often.
    Deliver(usize, usize),
    Flush(usize),
    Tick(usize),
    /// Crashes, and starts with what its storage has, or with an old copy of that.
    Restart(usize, bool),
    Copy(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    let n = 0..3_usize;
    let values = || prop::collection::vec(any::<i32>(), 4);
    prop_oneof![
        4 => (n.clone(), values()).prop_map(|(n, values)| Happening::Add(n, values)),
        1 => (n.clone(), values()).prop_map(|(n, values)| Happening::Put(n, values)),
        1 => (n.clone(), 0..3_u64).prop_map(|(n, back)| Happening::Undo(n, back)),
        8 => (0..8_usize, 0..3_usize).prop_map(|(at, times)| Happening::Deliver(at, times)),
        3 => n.clone().prop_map(Happening::Flush),
        2 => n.clone().prop_map(Happening::Tick),
        1 => (n.clone(), any::<bool>()).prop_map(|(n, old)| Happening::Restart(n, old)),
        1 => n.prop_map(Happening::Copy),
    ]
}

/// The value of each field, computed without the operations of the algebra.
fn fields(layout: &Layout, value: &Value) -> Vec<u128> {
    let bit = |at: u32| u128::from(value.has(at as usize));
    let field = |field: atomik_replica::Field| {
        let bits = (0..field.bits).rev();
        bits.fold(0, |word, at| word << 1 | bit(field.offset + at))
    };
    layout.fields().map(field).collect()
}

fn value_of(layout: &Layout, values: &[i32]) -> Value {
    let mut words = vec![0_u64; layout.limbs()];
    for (field, value) in layout.fields().zip(values.iter().cycle()) {
        for at in 0..field.bits {
            let place = (field.offset + at) as usize;
            let set = i128::from(*value) >> at.min(100) & 1 == 1;
            words[place / 64] |= u64::from(set) << (place % 64);
        }
    }
    Value::from_words(&words)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The oracle counts in wide integers: each acknowledged change once, whatever was lost,
    /// repeated, forgotten, undone or folded.
    #[test]
    fn every_acknowledged_change_is_counted_exactly_once(
        which in 0..5_usize, happenings in prop::collection::vec(happening(), 0..60),
        folds: bool
    ) {
        let texts = ["add:64", "xor:48,add:16", "xor:60,add:60", "add:7,xor:3,add:70", "add:1"];
        let layout: Layout = texts[which].parse().unwrap();
        let mut cluster = cluster(3, texts[which]);
        // The changes of each replica that its storage has, and those that it may still lose.
        let mut counted: Vec<Vec<(u64, Value)>> = vec![Vec::new(); 3];
        let mut open: Vec<Vec<(u64, Value)>> = vec![Vec::new(); 3];
        // The first change of each that its store knows as a batch.
        let mut since = [0; 3];
        let (mut copies, mut starts) = (vec![None; 3], 100);
        for happening in happenings {
            match happening {
                Happening::Add(n, values) => {
                    let delta = value_of(&layout, &values);
                    let action = Action::Op(Op::Accum, delta.clone());
                    if let Some(number) = act(&mut cluster, n, b"k", action) {
                        open[n].push((number, delta));
                    }
                }
                Happening::Put(n, values) => {
                    let new = value_of(&layout, &values);
                    let before = cluster.replicas[n].state(b"k");
                    if let Some(number) = act(&mut cluster, n, b"k", Action::Put(new.clone())) {
                        prop_assert_eq!(&cluster.replicas[n].state(b"k"), &new);
                        // As much as it is more than what this replica knew of.
                        let delta = shape(texts[which]).difference(&new, &before);
                        open[n].push((number, delta));
                    }
                }
                Happening::Undo(n, back) => {
                    let known = counted[n][since[n]..].iter().chain(&open[n]);
                    let undone = known.rev().nth(back as usize).cloned();
                    let Some((number, delta)) = undone else { continue };
                    if let Ok(outcome) = cluster.try_step(n, Event::Undo(number)) {
                        let number = outcome.number.unwrap();
                        open[n].push((number, shape(texts[which]).inverse(&delta)));
                    }
                }
                Happening::Deliver(at, times) => {
                    if !cluster.wire.is_empty() {
                        let (from, to, bytes) = cluster.wire.remove(at % cluster.wire.len());
                        (0..times).for_each(|_| cluster.receive(from, to, &bytes));
                    }
                }
                Happening::Flush(n) => {
                    cluster.step(n, Event::Flush);
                    let stored = core::mem::take(&mut open[n]);
                    counted[n].extend(stored);
                }
                Happening::Tick(n) => drop(cluster.step(n, Event::Tick)),
                Happening::Copy(n) => {
                    // A copy counts only if everything in it has reached somebody else, which
                    // is so once all are equal.
                    store_all(&mut cluster, &mut open, &mut counted);
                    copies[n] = Some(cluster.stores[n].clone());
                }
                Happening::Restart(n, old) => {
                    let copy = if old { copies[n].take() } else { None };
                    if let Some(records) = copy {
                        // What was written since the copy was made comes back from a peer.
                        store_all(&mut cluster, &mut open, &mut counted);
                        cluster.stores[n] = records;
                        since[n] = counted[n].len();
                    }
                    starts += 1;
                    open[n].clear();
                    restart(&mut cluster, n, starts, texts[which]);
                }
            }
        }
        store_all(&mut cluster, &mut open, &mut counted);
        if folds {
            for n in [2, 1] {
                cluster.step(n, Event::Retire);
                settle(&mut cluster);
                let mut closed = cluster.replicas[0].origins().filter(|it| it.retiring);
                prop_assert!(closed.all(|it| it.folded), "folded");
            }
            // What is read anew is the base, and what is left of the rest.
            for n in 0..3 {
                starts += 1;
                restart(&mut cluster, n, starts, texts[which]);
            }
        }
        let mut expected = vec![0_u128; layout.fields().count()];
        for (_, delta) in counted.iter().flatten() {
            let sums = expected.iter_mut().zip(fields(&layout, delta)).zip(layout.fields());
            for ((sum, delta), field) in sums {
                let mask = u128::MAX >> (128 - field.bits);
                *sum = match field.kind {
                    FieldKind::Xor => *sum ^ delta,
                    FieldKind::Add => sum.wrapping_add(delta) & mask,
                };
            }
        }
        for n in 0..3 {
            let found = fields(&layout, &cluster.replicas[n].state(b"k"));
            prop_assert_eq!(&found, &expected, "replica {}", n);
        }
    }
}

/// Stores what is `open`, so that it counts, and lets the replicas exchange it.
fn store_all(
    cluster: &mut Cluster,
    open: &mut [Vec<(u64, Value)>],
    counted: &mut [Vec<(u64, Value)>],
) {
    for (open, counted) in open.iter_mut().zip(counted) {
        counted.append(open);
    }
    settle(cluster);
}

/// Lets the replicas exchange everything.
fn settle(cluster: &mut Cluster) {
    for _ in 0..24 {
        (0..cluster.replicas.len()).for_each(|n| drop(cluster.step(n, Event::Tick)));
        exchange(cluster);
    }
}

/// Replica `n` starts anew with what its store has.
fn restart(cluster: &mut Cluster, n: usize, start: u8, layout: &str) {
    let members = cluster.replicas.len();
    let records: BTreeMap<_, _> = cluster.stores[n].clone();
    let mut config = with_layout(n as u8, members as u8, layout);
    config.incarnation = [start; 16];
    cluster.replicas[n] = Replica::open(config, records).unwrap();
    for other in (0..members).filter(|&other| other != n) {
        cluster.up(n, other);
        cluster.up(other, n);
    }
}
