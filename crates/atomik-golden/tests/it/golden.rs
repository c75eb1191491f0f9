//! The timing of the golden model: the cycles of responses and of `ready`, written out by hand and
//! against a model that keeps every cycle.

use std::collections::BTreeMap;

use atomik_algebra::{Layout as Fields, Op};
use atomik_golden::record::Layout;
use atomik_golden::{Golden, Timing};
use proptest::prelude::*;

const TIMING: Timing = Timing {
    latency: 3,
    clear_cycles: 5,
};

/// A command on one lane.
#[derive(Clone, Debug)]
struct Offer {
    lane: u32,
    op: Op,
    addr: usize,
    data: Vec<u64>,
}

/// The inputs of one cycle.
#[derive(Clone, Debug)]
struct Cycle {
    reset: bool,
    /// The op on the port if lane 0 offers nothing.
    op: Op,
    offers: Vec<Offer>,
}

fn offer(lane: u32, op: Op, addr: usize, data: u64) -> Offer {
    Offer {
        lane,
        op,
        addr,
        data: vec![data],
    }
}

fn reset() -> Cycle {
    Cycle {
        reset: true,
        op: Op::Nop,
        offers: vec![],
    }
}

fn offers(offers: Vec<Offer>) -> Cycle {
    Cycle {
        reset: false,
        op: Op::Nop,
        offers,
    }
}

fn commands(layout: &Layout, cycles: &[Cycle]) -> Vec<u64> {
    let mut cmds = vec![0; cycles.len() * layout.cmd_words()];
    for (i, cycle) in cycles.iter().enumerate() {
        let mut record = layout.command_mut(&mut cmds, i);
        record.clear_to_noise(0x9e37_79b9_7f4a_7c15);
        record.set_reset(cycle.reset);
        record.set_op(cycle.op.code());
        for offer in &cycle.offers {
            if offer.lane == 0 {
                record.set_op(offer.op.code());
            }
            record.set_lane(offer.lane, true, offer.addr, &offer.data);
        }
    }
    cmds
}

/// `(ready, rsp_valid, rsp_data, rsp_clean)` in each cycle.
fn run(cycles: &[Cycle]) -> Vec<(bool, bool, u64, bool)> {
    let layout = Layout::new(8, 4, 2).unwrap();
    let mut golden = Golden::new(layout, Fields::xor(8).unwrap(), TIMING).unwrap();
    let mut rsps = vec![0; cycles.len() * layout.rsp_words()];
    golden.run(&commands(&layout, cycles), &mut rsps).unwrap();
    (0..cycles.len())
        .map(|i| layout.response(&rsps, i))
        .map(|r| (r.ready(), r.valid(), r.data()[0], r.clean()))
        .collect()
}

fn idle(n: usize) -> Vec<Cycle> {
    vec![offers(vec![]); n]
}

#[test]
fn ready_rises_clear_cycles_after_the_last_cycle_with_rst_high() {
    let cycles = [vec![reset(), reset()], idle(7)].concat();
    let ready: Vec<bool> = run(&cycles).iter().map(|r| r.0).collect();
    // The last reset is in cycle 1, so ready is first high in cycle 1 + 5.
    assert_eq!(
        ready,
        [false, false, false, false, false, false, true, true, true]
    );
}

#[test]
fn a_response_comes_latency_cycles_after_its_command_and_sees_only_earlier_cycles() {
    let cycles = [
        vec![reset()],
        idle(4),
        vec![
            offers(vec![
                offer(0, Op::Load, 1, 0x0f),
                offer(1, Op::Accum, 1, 0xf0),
            ]),
            offers(vec![offer(0, Op::Read, 1, 0), offer(1, Op::Accum, 1, 0x01)]),
            offers(vec![offer(0, Op::Delta, 1, 0)]),
            offers(vec![offer(0, Op::Drain, 1, 0)]),
            offers(vec![offer(0, Op::Swap, 1, 0)]),
        ],
        idle(4),
    ]
    .concat();
    let seen = run(&cycles);
    assert!(seen[5].0, "ready in cycle 5");
    let expected = [(0xff, false), (0xf1, false), (0xf1, false), (0xfe, true)];
    for (cycle, rsp) in seen.iter().enumerate() {
        match cycle.checked_sub(6 + 3).and_then(|i| expected.get(i)) {
            Some(&(data, clean)) => assert_eq!(*rsp, (true, true, data, clean), "cycle {cycle}"),
            None => assert_eq!((rsp.1, rsp.2, rsp.3), (false, 0, false), "cycle {cycle}"),
        }
    }
}

#[test]
fn a_reset_drops_responses_in_flight_but_not_the_one_on_the_port() {
    let read = || offers(vec![offer(0, Op::Read, 0, 0)]);
    let with_reset = Cycle {
        reset: true,
        ..read()
    };
    let cycles = [
        vec![reset()],
        idle(4),
        vec![read(), read(), read(), with_reset],
        idle(6),
        vec![read()],
        idle(4),
    ]
    .concat();
    let valid: Vec<usize> = (0..)
        .zip(run(&cycles))
        .filter(|(_, r)| r.1)
        .map(|(i, _)| i)
        .collect();
    // The response to the read in cycle 5 comes in cycle 8, in which rst is high; those to the
    // reads in 6, 7 and 8 are dropped.
    assert_eq!(valid, [8, 15 + 3]);
}

#[test]
fn commands_before_ready_and_together_with_rst_change_nothing() {
    let load = || {
        offers(vec![
            offer(0, Op::Load, 2, 0xaa),
            offer(1, Op::Accum, 2, 0x55),
        ])
    };
    let cycles = [
        vec![Cycle {
            reset: true,
            ..load()
        }],
        vec![load(), load(), load(), load()],
        vec![offers(vec![offer(0, Op::Read, 2, 0)])],
        idle(3),
    ]
    .concat();
    assert_eq!(run(&cycles)[5 + 3], (true, true, 0, true));
}

#[test]
fn every_accepted_command_is_counted_once() {
    let layout = Layout::new(8, 4, 2).unwrap();
    let mut golden = Golden::new(layout, Fields::xor(8).unwrap(), TIMING).unwrap();
    let both = offers(vec![offer(0, Op::Nop, 0, 0), offer(1, Op::Accum, 0, 1)]);
    let cycles = [vec![reset()], vec![both.clone(); 4 + 10]].concat();
    let mut rsp = vec![0; layout.rsp_words()];
    for cmd in commands(&layout, &cycles).chunks(layout.cmd_words()) {
        golden.step(cmd, &mut rsp).unwrap();
    }
    assert_eq!(golden.accepted(), 20);
}

#[test]
fn the_register_file_shows_the_commands_accepted_so_far() {
    let layout = Layout::new(8, 4, 2).unwrap();
    let mut golden = Golden::new(layout, Fields::xor(8).unwrap(), TIMING).unwrap();
    let load = offers(vec![
        offer(0, Op::Load, 3, 0x0f),
        offer(1, Op::Accum, 3, 0x30),
    ]);
    let cycles = [vec![reset()], idle(4), vec![load]].concat();
    let mut rsps = vec![0; cycles.len() * layout.rsp_words()];
    golden.run(&commands(&layout, &cycles), &mut rsps).unwrap();
    let mut word = [0];
    golden.file().read(3, &mut word).unwrap();
    assert_eq!(word, [0x3f]);
    golden.file().delta(3, &mut word).unwrap();
    assert_eq!(word, [0x30]);
}

#[test]
#[should_panic(expected = "as wide as the records")]
fn fields_of_another_width_than_the_records_are_refused() {
    let layout = Layout::new(8, 4, 2).unwrap();
    let _ = Golden::new(layout, Fields::xor(9).unwrap(), TIMING);
}

#[test]
#[should_panic(expected = "as many responses as commands")]
fn buffers_of_different_lengths_are_refused() {
    let layout = Layout::new(8, 4, 2).unwrap();
    let mut golden = Golden::new(layout, Fields::xor(8).unwrap(), TIMING).unwrap();
    let mut rsps = vec![0; 2 * layout.rsp_words()];
    let _ = golden.run(&commands(&layout, &idle(3)), &mut rsps);
}

/// A configuration of words that xor, and cycles for it.
#[derive(Clone, Debug)]
struct Case {
    layout: Layout,
    timing: Timing,
    cycles: Vec<Cycle>,
}

fn cases() -> impl Strategy<Value = Case> {
    let widths = prop_oneof![Just(1), Just(8), Just(63), Just(64), Just(65), Just(128)];
    let sizes = (widths, 0..3_u32, 1..4_u32, 1..5_u32, 1..5_u32);
    sizes.prop_flat_map(|(width, addr_bits, lanes, latency, clear_cycles)| {
        let layout = Layout::new(width, 1 << addr_bits, lanes).unwrap();
        let timing = Timing {
            latency,
            clear_cycles,
        };
        let cycles = prop::collection::vec(cycle(layout), 0..60);
        cycles.prop_map(move |mut cycles| {
            cycles.insert(0, reset());
            Case {
                layout,
                timing,
                cycles,
            }
        })
    })
}

fn cycle(layout: Layout) -> impl Strategy<Value = Cycle> {
    let command = (0..layout.depth(), any::<u128>());
    let offer = prop::option::weighted(0.6, command);
    let lanes = prop::collection::vec(offer, layout.lanes() as usize);
    let op = prop::sample::select(&Op::ALL[..]);
    (prop::bool::weighted(0.04), op, lanes).prop_map(move |(reset, op, lanes)| {
        let offers = (0..).zip(lanes).filter_map(|(lane, command)| {
            let (addr, data) = command?;
            let data = data & u128::MAX >> (128 - layout.width());
            Some(Offer {
                lane,
                op: if lane == 0 { op } else { Op::Accum },
                addr,
                data: [data as u64, (data >> 64) as u64][..layout.limbs()].to_vec(),
            })
        });
        Cycle {
            reset,
            op,
            offers: offers.collect(),
        }
    })
}

/// The outputs of one cycle: `ready`, and the data and `rsp_clean` of a response.
type Outputs = (bool, Option<(u128, bool)>);

fn number(limbs: &[u64]) -> u128 {
    (0..)
        .zip(limbs)
        .map(|(i, limb)| u128::from(*limb) << (64 * i))
        .sum()
}

/// The outputs in every cycle after the first, by a model with one list of responses to come.
fn expected(case: &Case) -> Vec<Outputs> {
    // Reference and delta of each address.
    let mut file = vec![(0, 0); case.layout.depth()];
    let mut responses = BTreeMap::new();
    let mut last_reset = 0;
    let mut outputs = Vec::new();
    for (now, cycle) in (0_u32..).zip(&case.cycles) {
        let ready = now >= last_reset + case.timing.clear_cycles;
        outputs.push((ready, responses.remove(&now)));
        if cycle.reset {
            file.fill((0, 0));
            responses.clear();
            last_reset = now;
        }
        for offer in cycle.offers.iter().filter(|_| ready && !cycle.reset) {
            let (reference, delta) = &mut file[offer.addr];
            let (state, before) = (*reference ^ *delta, *delta);
            match offer.op {
                Op::Load => (*reference, *delta) = (number(&offer.data), 0),
                Op::Accum => *delta ^= number(&offer.data),
                Op::Swap | Op::Drain => (*reference, *delta) = (state, 0),
                Op::Nop | Op::Read | Op::Delta => {}
            }
            let word = match offer.op {
                Op::Read | Op::Swap => state,
                Op::Delta | Op::Drain => before,
                Op::Nop | Op::Load | Op::Accum => continue,
            };
            responses.insert(now + case.timing.latency, (word, before == 0));
        }
    }
    outputs.split_off(1)
}

proptest! {
    #[test]
    fn every_output_is_that_of_a_model_with_one_list_of_responses(case in cases()) {
        let Case { layout, timing, cycles } = &case;
        let fields = Fields::xor(layout.width()).unwrap();
        let mut golden = Golden::new(*layout, fields, *timing).unwrap();
        let mut rsps = vec![0; cycles.len() * layout.rsp_words()];
        golden.run(&commands(layout, cycles), &mut rsps).unwrap();
        let outputs: Vec<Outputs> = (1..cycles.len())
            .map(|i| layout.response(&rsps, i))
            .map(|r| (r.ready(), r.valid().then(|| (number(r.data()), r.clean()))))
            .collect();
        prop_assert_eq!(outputs, expected(&case));
        let silent = (1..cycles.len())
            .map(|i| layout.response(&rsps, i))
            .filter(|r| !r.valid());
        for r in silent {
            prop_assert!(!r.clean() && number(r.data()) == 0);
        }
    }
}
