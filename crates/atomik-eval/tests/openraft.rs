//! openraft's live run, from outside.
#![cfg(feature = "openraft")]

use atomik_eval::peers::openraft::measure;
use atomik_eval::workload::{Action, Line, Workload};

#[test]
fn a_live_run_acknowledges_everything_and_says_how_long_it_took() {
    let lines = (0..600).map(|t: u64| {
        Ok(Line {
            t,
            node: (t % 2) as u32,
            key: format!("{}", t % 9),
            field: String::new(),
            action: Action::Add(1),
        })
    });
    let workload = Workload::collect("adds", lines, usize::MAX).expect("a good trace");
    for nodes in [1, 3] {
        let live = measure(&workload, nodes, 8, "a command".into()).expect("a run");
        assert_eq!(live.operations, 600);
        let waits = live.latency_us;
        assert!(0.0 < waits.median && waits.median <= waits.p99 && waits.p99 <= waits.most);
        // Sixteen clients with one operation in flight each cannot do more than that in a median's
        // time, for half of their operations.
        let most = 2.0 * 16.0 * 1e6 / waits.median;
        assert!(0.0 < live.per_second && live.per_second <= most, "{live:?}");
    }
}
