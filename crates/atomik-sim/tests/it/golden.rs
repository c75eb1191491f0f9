//! The timing of the golden model: the cycles of responses and of `ready`, written out by hand.

use atomik_algebra::{Layout as Fields, Op};
use atomik_sim::golden::{Golden, Timing};
use atomik_sim::record::Layout;
use atomik_sim::stimulus::{Cycle, Offer};

const TIMING: Timing = Timing {
    latency: 3,
    clear_cycles: 5,
};

fn offer(lane: u32, op: Op, addr: usize, data: u64) -> Offer {
    Offer {
        lane,
        op: op.code(),
        addr,
        data: vec![data],
    }
}

fn reset() -> Cycle {
    Cycle {
        reset: true,
        offers: vec![],
    }
}

fn offers(offers: Vec<Offer>) -> Cycle {
    Cycle {
        reset: false,
        offers,
    }
}

/// `(ready, rsp_valid, rsp_data, rsp_clean)` in each cycle.
fn run(cycles: &[Cycle]) -> Vec<(bool, bool, u64, bool)> {
    let layout = Layout::new(8, 4, 2).unwrap();
    let mut golden = Golden::new(layout, Fields::xor(8).unwrap(), TIMING).unwrap();
    let mut cmds = vec![0; cycles.len() * layout.cmd_words()];
    let mut rsps = vec![0; cycles.len() * layout.rsp_words()];
    for (i, cycle) in cycles.iter().enumerate() {
        cycle.drive(&mut layout.command_mut(&mut cmds, i));
    }
    golden.run(&cmds, &mut rsps).unwrap();
    (0..cycles.len())
        .map(|i| layout.response(&rsps, i))
        .map(|r| (r.ready(), r.valid(), r.data()[0], r.clean()))
        .collect()
}

fn idle(n: usize) -> Vec<Cycle> {
    vec![Cycle::default(); n]
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
    let mut cmd = vec![0; layout.cmd_words()];
    let mut rsp = vec![0; layout.rsp_words()];
    for cycle in &cycles {
        cycle.drive(&mut layout.command_mut(&mut cmd, 0));
        golden.step(&cmd, &mut rsp).unwrap();
    }
    assert_eq!(golden.accepted(), 20);
}
