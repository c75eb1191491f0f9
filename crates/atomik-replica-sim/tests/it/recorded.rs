//! Schedules in which the simulator once found a bug, shrunk.

use atomik_replica_sim::{Memory, Operation, Schedule, Setup, Step, run};

use Step::{Crash, Flush, Link, Operate, Peer, Retire, Start, Subscribe, Tick};

fn passes(setup: Setup, steps: impl IntoIterator<Item = (u64, Step)>) {
    let schedule = Schedule {
        setup,
        steps: steps.into_iter().collect(),
    };
    if let Err(failure) = run(&schedule, true) {
        panic!("{}\n{failure}", failure.trace.join("\n"));
    }
}

fn start(n: usize) -> (u64, Step) {
    (0, Start(n, Memory::Kept))
}

/// Replaces the value of the first key.
fn put(n: usize, value: u64) -> Step {
    Operate(n, vec![(0, Operation::Put([value, 0, 0]))])
}

/// Toggles a flag of the first key.
fn toggle(n: usize, flag: usize) -> Step {
    Operate(n, vec![(0, Operation::Toggle(flag))])
}

#[test]
fn a_change_after_a_fold_does_not_overlap_with_what_was_folded() {
    passes(
        Setup::calm(2, 1),
        [
            start(0),
            start(1),
            (0, Peer(1, 0, true)),
            (85, toggle(0, 40)),
            (98, Retire(0)),
            (192, Flush(0)),
            (624, Tick(1)),
            (700, Peer(1, 0, false)),
            (743, Flush(1)),
            (791, toggle(1, 40)),
            (800, Flush(1)),
        ],
    );
}

#[test]
fn a_key_that_was_only_read_leaves_no_gap_in_the_store() {
    passes(
        Setup::calm(2, 2),
        [
            start(0),
            start(1),
            (
                63,
                Operate(
                    0,
                    vec![(1, Operation::Op(atomik_replica::Op::Swap, [0; 3]))],
                ),
            ),
            (82, put(1, 1)),
            (98, Flush(1)),
            (500, Flush(0)),
            (529, Crash(0, true)),
        ],
    );
}

#[test]
fn a_stale_copy_from_before_a_retirement_takes_a_new_origin() {
    passes(
        Setup::calm(2, 1),
        [
            start(0),
            start(1),
            (0, Peer(1, 0, true)),
            (131, put(1, 2)),
            (136, Flush(1)),
            (476, Retire(1)),
            (492, Flush(1)),
            (520, Crash(1, true)),
            (531, Flush(0)),
            (656, toggle(0, 1)),
            (731, Start(1, Memory::StaleCopy(1))),
        ],
    );
}

#[test]
fn equal_changes_of_two_origins_are_two_changes() {
    let links = [(0, 3), (0, 4), (4, 0), (4, 1), (4, 2)];
    let cuts = links.map(|(from, to)| (22, Link(from, to, false)));
    let rest = [
        (283, toggle(4, 41)),
        (297, Flush(4)),
        (299, toggle(0, 41)),
        (433, Flush(0)),
    ];
    let starts = [0, 1, 2, 3, 4].map(start);
    passes(
        Setup::calm(5, 1),
        starts.into_iter().chain(cuts).chain(rest),
    );
}

/// r1 had made two changes that its stale copy lacks, and makes two others before it learns of
/// that.
fn busy_stale_copy() -> Vec<(u64, Step)> {
    vec![
        start(0),
        start(1),
        (463, put(0, 1)),
        (464, Flush(1)),
        (471, Flush(0)),
        (861, Flush(1)),
        (868, toggle(1, 0)),
        (877, Flush(1)),
        (880, Crash(1, true)),
        (907, Start(1, Memory::StaleCopy(2))),
        (
            929,
            Operate(
                1,
                vec![(0, Operation::Toggle(1)), (0, Operation::Put([1, 0, 0]))],
            ),
        ),
    ]
}

#[test]
fn a_stale_copy_notices_even_after_as_many_new_changes() {
    passes(Setup::calm(2, 1), busy_stale_copy());
}

#[test]
fn changes_that_move_to_a_new_origin_are_not_new_to_subscribers_and_checkpoints() {
    let mut steps = busy_stale_copy();
    steps.extend([(930, Subscribe(1, true)), (931, Step::Checkpoint(1))]);
    passes(Setup::calm(2, 1), steps);
}

#[test]
fn forgotten_batches_stay_forgotten_after_a_restart() {
    let setup = Setup {
        undo_batches: 2,
        ..Setup::calm(2, 1)
    };
    passes(
        setup,
        [
            start(0),
            (10, toggle(0, 0)),
            (11, toggle(0, 1)),
            (12, Flush(0)),
            (13, toggle(0, 2)),
            (20, Flush(0)),
            (30, Crash(0, true)),
            (40, Start(0, Memory::Kept)),
            (50, Step::Undo(0, 2)),
        ],
    );
}

#[test]
fn a_retired_replica_that_keeps_running_hands_over_its_base() {
    passes(
        Setup::calm(3, 1),
        [
            start(0),
            start(1),
            start(2),
            (0, Peer(0, 1, true)),
            (0, Peer(1, 2, true)),
            (178, Retire(2)),
            (346, toggle(0, 0)),
            (414, Retire(0)),
            (547, Flush(0)),
            (556, Crash(0, true)),
            (580, Flush(1)),
            (630, Crash(1, false)),
            (639, Flush(2)),
            (675, Start(1, Memory::Truncated(3))),
            (749, Start(0, Memory::Lost)),
        ],
    );
}

#[test]
fn a_base_is_adopted_although_another_origin_is_lost_for_good() {
    passes(
        Setup::calm(3, 1),
        [
            start(0),
            start(1),
            (0, Peer(1, 2, true)),
            start(2),
            (0, Peer(0, 2, true)),
            (68, toggle(1, 3)),
            (268, Retire(1)),
            (280, Flush(1)),
            (311, Tick(0)),
            (337, toggle(2, 2)),
            (347, Flush(2)),
            (363, Flush(0)),
            (381, Crash(0, true)),
            (409, Crash(1, true)),
            (528, Retire(2)),
            (563, Start(1, Memory::Lost)),
            (611, Start(0, Memory::Truncated(3))),
            (611, Peer(2, 0, true)),
            (630, Flush(2)),
            (663, Tick(2)),
            (663, Crash(2, false)),
            (841, Start(2, Memory::Lost)),
        ],
    );
}

#[test]
fn a_repair_is_looked_up_after_a_memory_loss_has_moved_its_entry() {
    let cut = |time, from, to| (time, Link(from, to, false));
    passes(
        Setup::calm(4, 1),
        [
            start(0),
            start(1),
            start(2),
            start(3),
            cut(0, 0, 1),
            cut(0, 0, 3),
            cut(0, 3, 0),
            cut(0, 3, 1),
            (20, Flush(0)),
            (52, toggle(0, 0)),
            (74, Flush(0)),
            (81, Crash(0, true)),
            (85, Start(0, Memory::StaleCopy(1))),
            (600, toggle(0, 0)),
            (637, toggle(3, 0)),
            (653, Flush(3)),
            (819, toggle(0, 0)),
            (957, toggle(3, 0)),
            cut(960, 3, 2),
            (960, Link(3, 1, true)),
            (970, Flush(3)),
        ],
    );
}

/// r0 starts from a stale copy, and no other replica holds what it has forgotten, so it writes
/// other changes under the same versions. An entry of r1 still names a forgotten change as seen. No
/// overlap can be derived from that entry.
#[test]
fn entries_that_name_forgotten_changes_as_seen_decide_no_overlap() {
    let down = |from, to| (1, Link(from, to, false));
    // Until healing releases r0, r1 has an unpublished change of another key.
    let other = || Operate(1, vec![(1, Operation::Toggle(0))]);
    passes(
        Setup::calm(3, 2),
        [
            start(0),
            start(1),
            start(2),
            (0, Flush(0)),
            down(0, 2),
            down(1, 0),
            down(1, 2),
            down(2, 0),
            down(2, 1),
            (5, other()),
            (6, Flush(1)),
            (10, toggle(0, 0)),
            (20, Flush(0)),
            (40, toggle(1, 0)),
            (45, Link(1, 2, true)),
            (50, Flush(1)),
            (80, Crash(0, true)),
            (81, Crash(1, true)),
            (90, Start(1, Memory::StaleCopy(1))),
            (91, Start(0, Memory::StaleCopy(1))),
            (92, toggle(0, 1)),
            (93, toggle(0, 2)),
            (94, other()),
        ],
    );
}
