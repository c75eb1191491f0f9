//! Stimulus, sequences and plans, without a simulator.

use atomik_algebra::Layout as Fields;
use atomik_sim::directed::Directed;
use atomik_sim::golden::Timing;
use atomik_sim::plan::{Plan, PlanError, parse_config};
use atomik_sim::random::{Profile, Random};
use atomik_sim::record::Layout;
use atomik_sim::sequence::{Event, Input, Sequence, SequenceError};
use atomik_sim::stimulus::{Cycle, Stimulus, fill};
use proptest::prelude::*;

const TIMING: Timing = Timing {
    latency: 13,
    clear_cycles: 33,
};

fn layout() -> Layout {
    Layout::new(40, 16, 3).unwrap()
}

fn directed(seed: u64) -> Directed {
    Directed::new(layout(), Fields::xor(40).unwrap(), TIMING, seed)
}

fn records(stimulus: &mut impl Stimulus, cycles: usize) -> Vec<u64> {
    let mut cmds = vec![0; cycles * layout().cmd_words()];
    fill(stimulus, &layout(), &mut cmds);
    cmds
}

/// The FNV-1a hash of the words.
fn fingerprint(words: &[u64]) -> u64 {
    words
        .iter()
        .flat_map(|w| w.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

#[test]
fn the_same_seed_gives_the_same_stimulus_on_every_machine() {
    let random = |name: &str| {
        let profile = Profile::named(name).unwrap();
        fingerprint(&records(
            &mut Random::new(layout(), TIMING, profile, 42),
            5000,
        ))
    };
    let mut seen: Vec<(&str, u64)> = Profile::NAMES
        .iter()
        .map(|name| (*name, random(name)))
        .collect();
    seen.push(("directed", fingerprint(&records(&mut directed(42), 5000))));
    assert_eq!(seen, PINNED);
}

/// Recorded values. If one changes, old seeds no longer reproduce their stimulus.
const PINNED: [(&str, u64); 6] = [
    ("mixed", 0x44f0_afd5_fa10_2bf1),
    ("hazard", 0x8310_4033_56f1_5c1c),
    ("accumulate", 0x52e3_13db_e97b_7cf0),
    ("reset", 0x5b86_a5e8_60a7_41b4),
    ("sparse", 0xccdf_cb7e_a40d_f660),
    ("directed", 0xd4c3_04d8_f6f4_dae1),
];

#[test]
fn chunks_of_any_size_give_the_same_stream() {
    let new = || Random::new(layout(), TIMING, Profile::mixed(), 3);
    let whole = records(&mut new(), 1000);
    let mut one = new();
    let pieces: Vec<u64> = [1, 7, 92, 900]
        .iter()
        .flat_map(|&n| records(&mut one, n))
        .collect();
    assert_eq!(whole, pieces);
}

#[test]
fn accumulate_offers_a_command_on_every_lane_in_every_cycle() {
    let profile = Profile::named("accumulate").unwrap();
    let cmds = records(&mut Random::new(layout(), TIMING, profile, 1), 2000);
    let busy = (0..2000)
        .map(|i| layout().command(&cmds, i).valid_lanes().count_ones())
        .sum::<u32>();
    assert_eq!(busy, 3 * 2000);
}

#[test]
fn every_profile_starts_with_a_reset_and_only_some_reset_again() {
    for name in Profile::NAMES {
        let profile = Profile::named(name).unwrap();
        let again = profile.reset_every > 0;
        let cmds = records(&mut Random::new(layout(), TIMING, profile, 5), 100_000);
        let resets = |from: usize| {
            (from..100_000)
                .filter(|&i| layout().command(&cmds, i).reset())
                .count()
        };
        assert!(layout().command(&cmds, 0).reset(), "{name}");
        assert_eq!(resets(10) > 0, again, "{name}");
    }
}

#[test]
fn the_directed_stimulus_ends() {
    let mut directed = directed(1);
    let mut record = vec![0; layout().cmd_words()];
    let mut cycles = 0u64;
    while !directed.finished() {
        directed.drive(&mut layout().command_mut(&mut record, 0));
        cycles += 1;
        assert!(cycles < 1_000_000);
    }
    assert!(cycles > 10_000, "{cycles}");
}

proptest! {
    #[test]
    fn a_sequence_survives_json(seed: u64, length in 1usize..200) {
        let cmds = records(&mut Random::new(layout(), TIMING, Profile::mixed(), seed), length);
        let cycles: Vec<_> = cmds
            .chunks_exact(layout().cmd_words())
            .map(|record| Cycle::from_record(&layout(), record))
            .collect();
        let sequence = Sequence::from_cycles(&cycles);
        let text = serde_json::to_string(&sequence).unwrap();
        let back: Sequence = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&back, &sequence);
        let played = back.cycles(&layout()).unwrap();
        prop_assert_eq!(&played[..], &cycles[..played.len()]);
        prop_assert!(cycles[played.len()..].iter().all(|c| !c.reset && c.offers.is_empty()));
    }
}

#[test]
fn the_error_for_a_sequence_that_does_not_fit_names_the_event() {
    let offer = |cycle, lane, op, addr, data: &str| Event {
        cycle,
        input: Input::Offer {
            lane,
            op,
            addr,
            data: data.into(),
        },
    };
    let check = |events: Vec<Event>| Sequence { events }.cycles(&layout()).unwrap_err();
    let good = || offer(5, 0, 1, 0, "0x1");
    assert_eq!(
        check(vec![good(), offer(4, 0, 1, 0, "0x1")]),
        SequenceError::Order(1)
    );
    assert_eq!(check(vec![good(), good()]), SequenceError::Twice(1));
    assert_eq!(
        check(vec![offer(0, 3, 2, 0, "0x1")]),
        SequenceError::Range(0, "lane")
    );
    assert_eq!(
        check(vec![offer(0, 1, 1, 0, "0x1")]),
        SequenceError::Range(0, "op")
    );
    assert_eq!(
        check(vec![offer(0, 0, 8, 0, "0x1")]),
        SequenceError::Range(0, "op")
    );
    assert_eq!(
        check(vec![offer(0, 0, 2, 16, "0x1")]),
        SequenceError::Range(0, "address")
    );
    for data in ["1", "0xg", "0x10000000000"] {
        assert_eq!(
            check(vec![offer(0, 0, 2, 0, data)]),
            SequenceError::Range(0, "data"),
            "{data}"
        );
    }
    assert_eq!(
        check(vec![Event {
            cycle: u64::MAX,
            input: Input::Reset
        }]),
        SequenceError::Long(u64::MAX)
    );
}

#[test]
fn configurations_have_exactly_one_notation() {
    let config = parse_config("w64 d512 l4").unwrap();
    assert_eq!(
        (config.width(), config.depth(), config.lanes()),
        (64, 512, 4)
    );
    for bad in [
        "",
        "64 512 4",
        "w64 d512",
        "w64 d512 l4 x",
        "d512 w64 l4",
        "w63 d512 l4",
    ] {
        assert!(
            matches!(parse_config(bad), Err(PlanError::Config { .. })),
            "{bad}"
        );
    }
}

#[test]
fn a_plan_with_an_unknown_field_is_refused_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.toml");
    std::fs::write(&path, "name = \"x\"\nruns = []\n").unwrap();
    let message = Plan::read(&path).unwrap_err().to_string();
    assert!(
        message.contains("plan.toml") && message.contains("runs"),
        "{message}"
    );
    let message = Plan::read(&folder.path().join("none.toml"))
        .unwrap_err()
        .to_string();
    assert!(message.contains("none.toml"), "{message}");
}
