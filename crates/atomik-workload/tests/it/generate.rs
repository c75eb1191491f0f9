//! Traces from seeds: that the knobs do what they say, and that a seed says it all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use atomik_workload::content::Content;
use atomik_workload::generate::{Counter, Mix, Text, Zipf};
use atomik_workload::workload::{Action, Class, Line, Reader, Scalar};
use proptest::prelude::*;

fn bytes(lines: impl Iterator<Item = Line>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        line.write(&mut bytes).unwrap();
    }
    bytes
}

fn zipf(seed: u64) -> Zipf {
    Zipf {
        seed,
        operations: 3000,
        overlap: 0.1,
        mix: "toggle=3,set=2,add,insert,remove,append".parse().unwrap(),
        ..Zipf::default()
    }
}

fn counter(seed: u64) -> Counter {
    Counter {
        seed,
        operations: 3000,
        ..Counter::default()
    }
}

fn text(seed: u64) -> Text {
    Text {
        seed,
        operations: 3000,
        ..Text::default()
    }
}

/// What a seed gives is part of the results that name it. These sums may only change with a note
/// that old results are not repeatable.
#[test]
fn a_seed_gives_the_same_bytes_on_every_machine() {
    let traces = [
        bytes(zipf(1).lines().unwrap()),
        bytes(counter(1).lines().unwrap()),
        bytes(text(1).lines().unwrap()),
    ];
    assert_eq!(
        traces.map(|trace| fingerprint(&trace)),
        [
            16_324_511_470_021_224_531,
            1_348_433_261_387_085_554,
            10_952_997_162_238_106_263
        ]
    );
}

/// FNV-1a.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn the_same_seed_gives_the_same_lines_and_another_gives_others() {
    assert_eq!(
        bytes(zipf(7).lines().unwrap()),
        bytes(zipf(7).lines().unwrap())
    );
    assert_ne!(
        bytes(zipf(7).lines().unwrap()),
        bytes(zipf(8).lines().unwrap())
    );
    assert_eq!(
        bytes(counter(7).lines().unwrap()),
        bytes(counter(7).lines().unwrap())
    );
    assert_ne!(
        bytes(counter(7).lines().unwrap()),
        bytes(counter(8).lines().unwrap())
    );
    assert_eq!(
        bytes(text(7).lines().unwrap()),
        bytes(text(7).lines().unwrap())
    );
    assert_ne!(
        bytes(text(7).lines().unwrap()),
        bytes(text(8).lines().unwrap())
    );
}

#[test]
fn generated_traces_are_valid_and_have_the_classes_that_they_should() {
    let classes = |bytes: Vec<u8>| -> BTreeSet<Class> {
        let mut reader = Reader::new(bytes.as_slice(), Path::new("generated"));
        assert_eq!(reader.by_ref().map(Result::unwrap).count(), 3000);
        reader.classes().map(|(_, class)| class).collect()
    };
    let all_but_text = [
        Class::Flag,
        Class::Register,
        Class::Counter,
        Class::Set,
        Class::List,
    ];
    assert_eq!(
        classes(bytes(zipf(1).lines().unwrap())),
        all_but_text.into()
    );
    assert_eq!(
        classes(bytes(counter(1).lines().unwrap())),
        [Class::Counter].into()
    );
    assert_eq!(
        classes(bytes(text(1).lines().unwrap())),
        [Class::Text].into()
    );
}

/// The bits that a line touches: of a set, one element.
fn bits(line: &Line) -> (&str, &str, Option<&Scalar>) {
    let element = match &line.action {
        Action::Insert(element) | Action::Remove(element) => Some(element),
        _ => None,
    };
    (&line.key, &line.field, element)
}

/// How many lines there are whose bits another node touches at most `window` ms before or after. By
/// the definition, pair by pair.
fn overlapping(lines: &[Line], window: u64) -> u64 {
    let mut by_bits: BTreeMap<_, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        by_bits.entry(bits(line)).or_default().push(line);
    }
    let overlaps = |line: &Line, others: &[&Line]| {
        others
            .iter()
            .any(|other| other.node != line.node && other.t.abs_diff(line.t) <= window)
    };
    by_bits
        .values()
        .flat_map(|lines| lines.iter().filter(|line| overlaps(line, lines)))
        .count() as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn measured_overlap_tracks_the_knob(
        seed in any::<u64>(),
        overlap in prop_oneof![Just(0.0), Just(1.0), 0.0..0.05f64, 0.0..1.0f64],
        window_ms in prop_oneof![Just(0u64), 1u64..50, 50u64..2000],
        rate in prop_oneof![1.0..10.0f64, 100.0..1000.0f64],
        nodes in 2u32..9,
        keys in 20u32..3000,
        exponent in 0.0..1.3f64,
        multi_writer in 0.2..1.0f64,
        mix in prop_oneof![Just("toggle"), Just("set"), Just("insert,remove"), Just("\
            toggle,set,add,insert,remove,append")],
    ) {
        let settings = Zipf {
            seed, operations: 8000, rate, nodes, keys, exponent,
            fields: 4, multi_writer, overlap, window_ms, mix: mix.parse().unwrap(),
        };
        let mut generator = settings.lines().unwrap();
        let lines: Vec<Line> = generator.by_ref().collect();
        prop_assert_eq!(lines.len(), 8000);
        let measured = overlapping(&lines, window_ms);
        prop_assert_eq!(measured, generator.overlapping(), "its own count is not that by the \
            definition");
        let share = measured as f64 / 8000.0;
        prop_assert!((share - overlap).abs() < 0.02, "{share}, not {overlap}");
    }

    #[test]
    fn keys_have_one_writer_or_bits_have(
        seed in any::<u64>(), multi_writer in 0.0..1.0f64, nodes in 2u32..6,
    ) {
        let settings = Zipf {
            seed, operations: 20_000, keys: 100, exponent: 0.0, multi_writer, nodes, overlap: 0.0,
            ..Zipf::default()
        };
        let mut of_keys: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        let mut of_fields: BTreeMap<(String, String), BTreeSet<u32>> = BTreeMap::new();
        for line in settings.lines().unwrap() {
            of_keys.entry(line.key.clone()).or_default().insert(line.node);
            of_fields.entry((line.key, line.field)).or_default().insert(line.node);
        }
        prop_assert!(of_fields.values().all(|writers| writers.len() == 1));
        let several = of_keys.values().filter(|writers| writers.len() > 1).count() as f64;
        prop_assert_eq!(of_keys.len(), 100);
        // The first or the last key may fall on either side.
        prop_assert!((several - 100.0 * multi_writer).abs() <= 1.0, "{several} of 100, not \
            {multi_writer}");
    }
}

#[test]
fn keys_come_up_as_zipf_says() {
    for exponent in [0.0, 0.7, 1.0, 1.5] {
        let settings = Zipf {
            operations: 200_000,
            keys: 50,
            exponent,
            ..Zipf::default()
        };
        let mut counts: BTreeMap<String, f64> = BTreeMap::new();
        for line in settings.lines().unwrap() {
            *counts.entry(line.key).or_default() += 1.0;
        }
        let weight = |rank: usize| (rank as f64 + 1.0).powf(-exponent);
        let total: f64 = (0..50).map(weight).sum();
        for rank in 0..50 {
            let expected = 200_000.0 * weight(rank) / total;
            let count = counts
                .get(&format!("key-{rank:06}"))
                .copied()
                .unwrap_or_default();
            // Six standard deviations of a Poisson count.
            assert!(
                (count - expected).abs() < 6.0 * expected.sqrt(),
                "exponent {exponent}, rank {rank}: {count}, not {expected}"
            );
        }
    }
}

#[test]
fn rate_nodes_and_mix_are_as_asked() {
    let settings = Zipf {
        operations: 100_000,
        rate: 500.0,
        nodes: 5,
        mix: "toggle=6,set=3,add=1".parse().unwrap(),
        ..Zipf::default()
    };
    let lines: Vec<Line> = settings.lines().unwrap().collect();
    let seconds = lines[lines.len() - 1].t as f64 / 1000.0;
    assert!((seconds - 200.0).abs() < 4.0, "{seconds} s");
    let share = |name: &str| {
        lines
            .iter()
            .filter(|line| line.action.name() == name)
            .count() as f64
            / 1e5
    };
    assert!((share("toggle") - 0.6).abs() < 0.01 && (share("set") - 0.3).abs() < 0.01);
    assert_eq!(
        lines.iter().map(|line| line.node).collect::<BTreeSet<_>>(),
        (0..5).collect()
    );
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let fine = Zipf::default();
    for (bad, reason) in [
        (
            Zipf {
                nodes: 0,
                ..fine.clone()
            },
            "the number of nodes is 0; it must be from 1 to",
        ),
        (
            Zipf {
                keys: 0,
                ..fine.clone()
            },
            "the number of keys is 0",
        ),
        (
            Zipf {
                fields: 0,
                ..fine.clone()
            },
            "the number of fields is 0",
        ),
        (
            Zipf {
                rate: 0.0,
                ..fine.clone()
            },
            "the rate is 0",
        ),
        (
            Zipf {
                rate: f64::NAN,
                ..fine.clone()
            },
            "the rate is NaN",
        ),
        (
            Zipf {
                exponent: -1.0,
                ..fine.clone()
            },
            "the exponent is -1",
        ),
        (
            Zipf {
                overlap: 1.1,
                ..fine.clone()
            },
            "the overlap is 1.1",
        ),
        (
            Zipf {
                multi_writer: 2.0,
                ..fine.clone()
            },
            "several writers is 2",
        ),
        (
            Zipf {
                overlap: 0.1,
                nodes: 1,
                ..fine.clone()
            },
            "operations of a single node cannot overlap",
        ),
        (
            Zipf {
                overlap: 0.1,
                multi_writer: 0.0,
                ..fine.clone()
            },
            "leaves no key with several writers",
        ),
    ] {
        let error = bad.lines().map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}, not {reason}");
    }
    for (mix, reason) in [
        (
            "put=1",
            "unknown operation \"put\"; choose from toggle, set",
        ),
        ("toggle=x", "\"x\" of toggle is not a whole number"),
        ("toggle=0", "all weights are 0"),
        ("toggle,toggle", "toggle has two weights"),
        ("", "unknown operation"),
    ] {
        let error = mix.parse::<Mix>().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}, not {reason}");
    }
    assert_eq!(
        "toggle=2, set".parse::<Mix>().unwrap().to_string(),
        "toggle=2,set=1"
    );
    assert!(
        Counter {
            nodes: 0,
            ..Counter::default()
        }
        .lines()
        .is_err()
    );
    assert!(
        Text {
            authors: 0,
            ..Text::default()
        }
        .lines()
        .is_err()
    );
}

#[test]
fn counters_are_added_to_by_several_nodes_at_once() {
    let lines: Vec<Line> = Counter {
        operations: 20_000,
        ..Counter::default()
    }
    .lines()
    .unwrap()
    .collect();
    let share = overlapping(&lines, 100) as f64 / lines.len() as f64;
    assert!(share > 0.5, "{share}");
    assert!(
        lines
            .iter()
            .any(|line| matches!(line.action, Action::Add(amount) if amount < 0))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn text_is_edited_within_its_bounds_by_all_authors(
        seed in any::<u64>(), authors in 1u32..6, documents in 1u32..4,
    ) {
        let settings = Text { seed, authors, documents, nodes: authors, operations: 4000 };
        let mut texts: BTreeMap<String, Content> = BTreeMap::new();
        let mut nodes = BTreeSet::new();
        let (mut keys, mut jumps, mut pastes, mut removals) = (0, 0, 0, 0);
        let mut last: BTreeMap<u32, usize> = BTreeMap::new();
        for line in settings.lines().unwrap() {
            let text = texts.entry(line.key.clone()).or_insert_with(|| Content::empty(Class::Text));
            let Content::Text(before) = &*text else { unreachable!() };
            let length = before.chars().count();
            let end = match &line.action {
                Action::InsertText { at, text } => {
                    prop_assert!(*at <= length, "at {at} of {length}");
                    let count = text.chars().count();
                    keys += usize::from(count == 1);
                    pastes += usize::from(count > 10);
                    jumps += usize::from(last.get(&line.node).is_some_and(|last| last != at));
                    at + count
                }
                Action::RemoveText { at, count } => {
                    prop_assert!(*count > 0 && at + count <= length, "{at} + {count} of {length}");
                    removals += 1;
                    *at
                }
                action => return Err(TestCaseError::fail(format!("{action:?}"))),
            };
            last.insert(line.node, end);
            text.apply(&line.action);
            nodes.insert(line.node);
        }
        prop_assert_eq!(nodes.len(), authors as usize);
        prop_assert_eq!(texts.len(), documents.min(authors) as usize);
        prop_assert!(keys > 2400 && removals > 100 && jumps > 5 && pastes > 0, "{keys} keys, \
            {removals} removals, {jumps} jumps, {pastes} pastes");
        // Characters and bytes differ, so that a reader that mixes them up is found out.
        let differ = |text: &Content| match text {
            Content::Text(text) => text.len() != text.chars().count(),
            _ => false,
        };
        prop_assert!(texts.values().any(differ));
    }
}
