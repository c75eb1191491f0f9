//! How long changes take until every node reads them, in a system that takes a known time.

use std::collections::BTreeMap;

use atomik_arena::figures::Visibility;
use atomik_arena::latency::latency;
use atomik_arena::network::LinkConditions;
use atomik_arena::pace::Pace;
use atomik_arena::settings::{Faults, Settings};
use atomik_arena::system::{
    Description, Micros, Node, NodeId, Out, Setup, Storage, Submitted, System, SystemError,
};
use atomik_arena::world::run;
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Line, Workload};

/// Every node tells all others, and shows what it hears after a time. It counts operations.
struct Slow {
    shows_after: Micros,
}

struct SlowNode {
    shows_after: Micros,
    me: NodeId,
    nodes: usize,
    counts: BTreeMap<String, i64>,
    heard: Vec<(Micros, String)>,
}

impl System for Slow {
    fn describe(&self) -> Description {
        Description {
            name: "slow",
            library: String::new(),
            semantics: "",
            usage: "",
            proofs: "",
        }
    }

    fn open(&self, setup: &Setup, me: NodeId, _: &Storage) -> Result<Box<dyn Node>, SystemError> {
        Ok(Box::new(SlowNode {
            shows_after: self.shows_after,
            me,
            nodes: setup.nodes,
            counts: BTreeMap::new(),
            heard: Vec::new(),
        }))
    }
}

impl Node for SlowNode {
    fn submit(
        &mut self,
        _: Micros,
        ops: &[Submitted<'_>],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        for op in ops {
            *self.counts.entry(op.key.to_owned()).or_default() += 1;
            out.ack(op.id);
            for to in (0..self.nodes).filter(|&to| to != self.me) {
                out.send(to, op.key.as_bytes());
            }
        }
        Ok(())
    }

    fn receive(
        &mut self,
        now: Micros,
        _: NodeId,
        bytes: &[u8],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        let key = String::from_utf8(bytes.to_vec()).expect("a key");
        self.heard.push((now + self.shows_after, key));
        self.wake(now, out)
    }

    fn wake(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        for (_, key) in self.heard.extract_if(.., |(at, _)| *at <= now) {
            *self.counts.entry(key).or_default() += 1;
        }
        if let Some(next) = self.heard.iter().map(|(at, _)| *at).min() {
            out.wake(next);
        }
        Ok(())
    }

    fn stored(&mut self, _: Micros, _: u64, _: &mut Out) -> Result<(), SystemError> {
        Ok(())
    }

    fn progress(&self) -> Vec<u8> {
        self.counts.values().sum::<i64>().to_le_bytes().to_vec()
    }

    fn read(&self, key: &str, _: u16) -> Result<Content, SystemError> {
        Ok(Content::Counter(self.counts.get(key).copied().unwrap_or(0)))
    }

    fn bytes_read(&self) -> u64 {
        0
    }
}

fn workload(lines: impl Iterator<Item = (u64, u32, String)>) -> Workload {
    let lines = lines.map(|(t, node, key)| {
        Ok(Line {
            t,
            node,
            key,
            field: "sum".into(),
            action: Action::Add(1),
        })
    });
    Workload::collect("visibility", lines, usize::MAX).expect("a good trace")
}

fn visible(workload: &Workload, shows_after: Micros, faults: Faults) -> Option<Visibility> {
    let settings = Settings {
        link: LinkConditions {
            jitter: 0,
            ..Settings::default().link
        },
        faults,
        pace: Pace::Recorded,
        patience: 1_000_000,
        outage: 1_000_000,
        notice: 1_000,
        ..Settings::default()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let finished = run(workload, &settings, &Slow { shows_after }, folder.path());
    latency(&finished.expect("a run"), 1).visible
}

const NONE: Faults = Faults {
    loss: false,
    partition: false,
    crash: false,
};

#[test]
fn a_change_is_visible_when_the_last_node_reads_it() {
    let apart = workload((0..30).map(|n| (n * 100, (n % 3) as u32, format!("{}", n % 10))));
    for shows_after in [0, 7_000] {
        let seen = visible(&apart, shows_after, NONE).unwrap();
        assert_eq!(seen.samples, 30);
        // Clients collect for 2 ms, a link takes 5 ms, and two messages some 6 µs each.
        let least = 7_000.0 + shows_after as f64;
        for time in [
            seen.virtual_us.median,
            seen.virtual_us.p99,
            seen.virtual_us.most,
        ] {
            assert!((least..least + 100.0).contains(&time), "{time}");
        }
    }
}

#[test]
fn a_change_that_never_becomes_visible_took_at_least_until_the_end() {
    let one = workload(std::iter::once((0, 0, "key".into())));
    let seen = visible(&one, 1 << 40, NONE).unwrap();
    assert_eq!(seen.samples, 1);
    assert!(seen.virtual_us.median >= 1_000_000.0);
}

#[test]
fn changes_of_one_field_at_about_the_same_time_are_not_watched() {
    let close = workload((0..30).map(|n| (n * 20, (n % 3) as u32, "key".into())));
    assert!(visible(&close, 0, NONE).is_none());
}

#[test]
fn a_long_trace_is_sampled_evenly_and_a_fault_is_left_out() {
    let long = || (0..1_200_u64).map(|n| (n * 10, (n % 3) as u32, n.to_string()));
    let seen = visible(&workload(long()), 0, NONE).unwrap();
    assert_eq!(seen.samples, 400, "every third of them");
    let parted = Faults {
        partition: true,
        ..NONE
    };
    // The last second is a partition, in which nothing is visible everywhere.
    let seen = visible(&workload(long()), 0, parted).unwrap();
    assert!((300..=500).contains(&seen.samples), "{}", seen.samples);
    assert!(seen.virtual_us.most < 8_000.0);
}
