//! Properties that the documents of every library must have, as tests for the systems that use one.

// clippy recognises only functions with `#[test]` as tests.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::ops::Range;

use rand_xoshiro::rand_core::Rng as _;

use super::super::adversary::{Draws, setup};
use super::{Document, Documents, client_id};
use atomik_arena::system::{NodeId, Setup};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Class, Scalar};

/// An empty document of a node in its first incarnation.
fn empty<D>(system: &Documents<D>, setup: &Setup, node: NodeId) -> D {
    (system.empty)(setup, node, client_id(setup, node, 0)).unwrap()
}

/// Updates of three documents reach each other in any order, or in the order of each origin, some
/// of them twice, mixed with differences.
pub(crate) fn any_order<D: Document>(
    seeds: Range<u64>,
    classes: &[Class],
    in_order: bool,
    system: &Documents<D>,
) {
    for seed in seeds {
        let mut draws = Draws::new(seed);
        let setup = setup(classes, 3, seed);
        let mut documents: Vec<D> = (0..3).map(|node| empty(system, &setup, node)).collect();
        // From, to, update; in the order of their creation.
        let mut flying: Vec<(NodeId, NodeId, Vec<u8>)> = Vec::new();
        let mut places = BTreeSet::new();
        for step in 0.. {
            if step < 80 {
                let node = draws.below(3);
                let (key, field, action) = draws.operation(&setup, node, true);
                let update = documents[node].edit(&[(&key, field, &action)]).unwrap();
                places.insert((key, field));
                for peer in (0..3).filter(|&peer| peer != node) {
                    flying.push((node, peer, update.clone()));
                }
            } else if flying.is_empty() {
                break;
            }
            for _ in 0..draws.below(4).min(flying.len()) {
                let mut place = draws.below(flying.len());
                let (from, to, _) = flying[place];
                if in_order {
                    let first = |(a, b, _): &(NodeId, NodeId, _)| (*a, *b) == (from, to);
                    place = flying.iter().position(first).unwrap();
                }
                let update = flying[place].2.clone();
                documents[to].apply(&[&update]).unwrap();
                if !draws.chance(200) {
                    flying.remove(place);
                }
            }
            if draws.chance(100) {
                let (from, to) = (draws.below(3), draws.below(3));
                let vector = documents[to].vector().unwrap();
                let difference = documents[from].difference(&vector).unwrap();
                documents[to].apply(&[&difference]).unwrap();
            }
        }
        for (key, field) in places {
            let content = documents[0].read(&key, field).unwrap();
            for document in &documents[1..] {
                let other = document.read(&key, field).unwrap();
                assert_eq!(content, other, "seed {seed}: {key}/{field}");
            }
        }
    }
}

/// A sum wraps around at 64 bits, as in traces, whatever is added at which node.
pub(crate) fn sums<D: Document>(seeds: Range<u64>, system: &Documents<D>) {
    for seed in seeds {
        let mut draws = Draws::new(seed);
        let setup = setup(&[Class::Counter], 2, seed);
        let mut documents = [empty(system, &setup, 0), empty(system, &setup, 1)];
        let mut sum = Content::empty(Class::Counter);
        for _ in 0..20 {
            // At both nodes concurrently.
            let updates = [0, 1].map(|node: usize| {
                let value = draws.random.next_u64() as i64 >> draws.below(64);
                let action = Action::Add(value);
                sum.apply(&action);
                documents[node].edit(&[("k", 0, &action)]).unwrap()
            });
            documents[1].apply(&[&updates[0]]).unwrap();
            documents[0].apply(&[&updates[1]]).unwrap();
            for document in &documents {
                assert_eq!(document.read("k", 0).unwrap(), sum, "seed {seed}");
            }
        }
    }
}

/// After a `set` that has seen all others, a flag or counter holds its value, whichever of earlier
/// concurrent ones had won.
pub(crate) fn sets<D: Document>(seeds: Range<u64>, system: &Documents<D>) {
    let number = |value| Action::Set(Scalar::Int(value));
    let bit = |value| Action::Set(Scalar::Bool(value));
    for seed in seeds {
        let setup = setup(&[Class::Counter, Class::Flag], 2, seed);
        let (mut one, mut other) = (empty(system, &setup, 0), empty(system, &setup, 1));
        let here = [
            ("k", 0, &number(1)),
            ("k", 0, &number(2)),
            ("k", 0, &Action::Add(7)),
            ("k", 1, &bit(true)),
            ("k", 1, &bit(true)),
            ("k", 1, &Action::Toggle),
        ];
        let updates = here.map(|operation| one.edit(&[operation]).unwrap());
        let there = [("k", 0, &number(2)), ("k", 1, &bit(true))];
        let update = other.edit(&there).unwrap();
        other
            .apply(&updates.each_ref().map(|update| &update[..]))
            .unwrap();
        one.apply(&[&update]).unwrap();
        let update = one.edit(&there).unwrap();
        other.apply(&[&update]).unwrap();
        for document in [&one, &other] {
            let held = [0, 1].map(|field| document.read("k", field).unwrap());
            assert_eq!(
                held,
                [Content::Counter(2), Content::Flag(true)],
                "seed {seed}"
            );
        }
    }
}

/// The tests that each system with a document must pass.
macro_rules! document_tests {
    ($system:expr) => {
        #[test]
        fn acknowledged_operations_count_once() {
            let classes = [Class::Flag, Class::Register, Class::Counter, Class::List];
            adversary::all_counts(&$system, &classes, 0..40, adversary::ALL);
            let no_crash = adversary::Faults {
                crash: 0,
                ..adversary::ALL
            };
            adversary::all_counts(&$system, &classes, 40..80, no_crash);
        }

        #[test]
        fn nodes_become_the_same() {
            adversary::converges(&$system, &Class::ALL, 100..160);
        }

        #[test]
        fn in_sequence_operations_mean_what_traces_mean() {
            adversary::sequential(&$system, &Class::ALL, 200..210);
        }

        #[test]
        fn sums_wrap_around_as_those_of_traces() {
            laws::sums(300..320, &$system);
        }

        #[test]
        fn a_set_drops_all_that_it_has_seen() {
            laws::sets(400..420, &$system);
        }
    };
}
pub(crate) use document_tests;
