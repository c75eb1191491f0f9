//! When the operations of a trace are submitted.

use std::collections::HashMap;
use std::fmt;

use atomik_workload::workload::Workload;

use crate::system::Micros;

/// How fast a trace is played.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Pace {
    /// As recorded, but no time without operations is longer than an operation takes to reach all
    /// nodes. So what was concurrent stays so, and nothing else becomes so.
    #[default]
    SkipIdle,
    /// As recorded.
    Recorded,
    /// All times scaled, to so many operations per second on average.
    PerSecond(f64),
}

/// As the command line takes it: `skip-idle`, `recorded`, or a number.
impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SkipIdle => f.write_str("skip-idle"),
            Self::Recorded => f.write_str("recorded"),
            Self::PerSecond(rate) => rate.fmt(f),
        }
    }
}

/// The virtual time of each operation, from the first. `reach` is how long an operation takes to
/// reach all nodes.
pub fn times(workload: &Workload, pace: Pace, reach: Micros) -> Vec<Micros> {
    let recorded = recorded_ms(workload);
    let first = workload.steps.first().map_or(0, |step| step.t);
    let since = workload.steps.iter().map(|step| (step.t - first) * 1_000);
    match pace {
        Pace::PerSecond(rate) if recorded > 0 => {
            let faster = rate * recorded as f64 / 1e3 / workload.steps.len() as f64;
            since.map(|time| (time as f64 / faster) as Micros).collect()
        }
        Pace::SkipIdle => {
            let (mut now, mut last) = (0, 0);
            let skipped = since.map(|time| {
                now += (time - last).min(reach);
                last = time;
                now
            });
            skipped.collect()
        }
        Pace::Recorded | Pace::PerSecond(_) => since.collect(),
    }
}

/// How many operations are less than `reach` after another node's of the same key if played at
/// these `times`, and were not as recorded.
pub fn made_concurrent(workload: &Workload, times: &[Micros], reach: Micros) -> u64 {
    // By key: the last operation, and the last one by another node than that.
    let mut last: HashMap<u32, [Option<(u32, usize)>; 2]> = HashMap::new();
    let mut made = 0;
    for (place, step) in workload.steps.iter().enumerate() {
        let [latest, other] = last.entry(step.key).or_default();
        let is_own = latest.is_none_or(|(node, _)| node == step.node);
        if !is_own {
            *other = *latest;
        }
        if let Some((_, before)) = *other {
            let recorded = (step.t - workload.steps[before].t) * 1_000;
            let played = times[place] - times[before];
            made += u64::from(played < reach && recorded >= reach);
        }
        *latest = Some((step.node, place));
    }
    made
}

/// Milliseconds from the first operation to the last.
pub fn recorded_ms(workload: &Workload) -> u64 {
    match (workload.steps.first(), workload.steps.last()) {
        (Some(first), Some(last)) => last.t - first.t,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use atomik_workload::workload::{Action, Step};
    use proptest::prelude::*;

    use super::*;

    fn workload(steps: &[(u64, u32, u32)]) -> Workload {
        let mut t = 0;
        let steps = steps.iter().map(|(gap, node, key)| {
            t += gap;
            Step {
                t,
                node: *node,
                key: *key,
                field: 0,
                action: Action::Toggle,
            }
        });
        Workload {
            steps: steps.collect(),
            ..Workload::default()
        }
    }

    const REACH: Micros = 50_000;

    proptest! {
        #[test]
        fn skipping_idle_times_neither_makes_nor_ends_concurrency(
            steps in prop::collection::vec((0_u64..120, 0_u32..3, 0_u32..3), 0..60),
        ) {
            let workload = workload(&steps);
            let times = times(&workload, Pace::SkipIdle, REACH);
            for (later, &time) in times.iter().enumerate() {
                for (earlier, &before) in times[..later].iter().enumerate() {
                    let recorded = (workload.steps[later].t - workload.steps[earlier].t) * 1_000;
                    let played = time - before;
                    prop_assert!(played <= recorded);
                    prop_assert!(played == recorded || played >= REACH);
                }
            }
            prop_assert_eq!(made_concurrent(&workload, &times, REACH), 0);
        }

        #[test]
        fn concurrency_that_a_rate_makes_is_counted(
            steps in prop::collection::vec((0_u64..120, 0_u32..3, 0_u32..3), 1..60),
            rate in 1.0..1000.0_f64,
        ) {
            let workload = workload(&steps);
            let times = times(&workload, Pace::PerSecond(rate), REACH);
            let made = (0..times.len()).filter(|&later| {
                let step = &workload.steps[later];
                let before = workload.steps[..later].iter().rposition(|other| {
                    other.key == step.key && other.node != step.node
                });
                before.is_some_and(|before| {
                    let recorded = (step.t - workload.steps[before].t) * 1_000;
                    times[later] - times[before] < REACH && recorded >= REACH
                })
            });
            let made = made.count() as u64;
            prop_assert_eq!(made_concurrent(&workload, &times, REACH), made);
        }
    }

    #[test]
    fn a_rate_is_an_average_and_recorded_is_as_recorded() {
        let workload = workload(&[(7, 0, 0), (1_000, 1, 0), (3_000, 0, 0), (0, 1, 0)]);
        let ms = |pace| -> Vec<u64> {
            let times = times(&workload, pace, REACH);
            times.into_iter().map(|time| time / 1_000).collect()
        };
        assert_eq!(ms(Pace::Recorded), [0, 1_000, 4_000, 4_000]);
        assert_eq!(ms(Pace::PerSecond(4.0)), [0, 250, 1_000, 1_000]);
        assert_eq!(ms(Pace::SkipIdle), [0, 50, 100, 100]);
    }
}
