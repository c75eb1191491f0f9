//! Changes that wait for others before they are sent: what that saves, what it may cost, and
//! systems with planted bugs that the same checks must find.

use std::collections::VecDeque;

use atomik_arena::figures::SystemFigures;
use atomik_arena::network::LinkConditions;
use atomik_arena::pace::Pace;
use atomik_arena::run::measure;
use atomik_arena::settings::{Faults, Settings};
use atomik_arena::system::{
    Description, Micros, Node, NodeId, OpId, Out, Setup, Storage, Submitted, System, SystemError,
};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Class, Field, Line, Workload};

const LINGER: Micros = 20_000;
const FSYNC: Micros = 1_000;

/// Bursts of five operations of a node, 3 ms apart, each on a key of its own.
fn bursts(count: u64) -> Workload {
    let line = |n: u64| Line {
        t: n / 5 * 400 + n % 5 * 3,
        node: (n / 5 % 3) as u32,
        key: n.to_string(),
        field: "field".into(),
        action: Action::Add(n as i64 + 1),
    };
    let lines = (0..5 * count).map(|n| Ok(line(n)));
    Workload::collect("bursts", lines, usize::MAX).expect("a good trace")
}

fn settings(linger: Micros) -> Settings {
    Settings {
        link: LinkConditions {
            // So that times can be compared exactly.
            jitter: 0,
            ..Settings::default().link
        },
        linger,
        pace: Pace::Recorded,
        patience: 5_000_000,
        ..Settings::default()
    }
}

fn figures(system: &dyn System, settings: &Settings, workload: &Workload) -> SystemFigures {
    measure(workload, settings, system, String::new())
        .unwrap_or_else(|error| panic!("{}: {error}", system.describe().name))
}

/// What is wrong with the linger of a system.
fn complaints(system: &dyn System) -> Vec<String> {
    let workload = bursts(40);
    let [soon, late] = [0, LINGER].map(|ms| figures(system, &settings(ms), &workload));
    let mut wrong = Vec::new();
    let mut check = |what: &str, ok: bool| {
        if !ok {
            let of = |it: &SystemFigures| {
                let (latency, visible) = (it.latency.virtual_us, &it.latency.visible);
                format!("{:?}, {latency:?}, {visible:?}", it.bandwidth)
            };
            let name = &late.name;
            wrong.push(format!("{name}: {what}: {} / {}", of(&soon), of(&late)));
        }
    };
    check("converges", late.converged && late.conflicts.wrong == 0);
    check("acknowledges", late.acknowledged == late.submitted);
    let [all, fewer] = [&soon, &late].map(|it| it.bandwidth.messages as f64);
    // Raft has heartbeats between the bursts.
    check("sends fewer messages", fewer < 0.9 * all);
    let [all, fewer] = [&soon, &late].map(|it| it.bandwidth.wire_bytes);
    check("sends fewer bytes", fewer < all);
    // Raft's acknowledgements need messages.
    let wait = if late.name == "Raft" {
        LINGER + FSYNC
    } else {
        0
    };
    let [before, after] = [&soon, &late].map(|it| it.latency.virtual_us);
    let in_time = |before: f64, after: f64| after <= before + wait as f64 + 200.0;
    check("acknowledges in time", in_time(before.median, after.median));
    check("acknowledges all in time", in_time(before.most, after.most));
    let [Some(before), Some(after)] = [&soon, &late].map(|it| it.latency.visible.as_ref()) else {
        check("was watched", false);
        return wrong;
    };
    check("is watched", after.samples == 200 && before.samples == 200);
    let (before, after) = (before.virtual_us, after.virtual_us);
    let most = (LINGER + 2 * FSYNC) as f64;
    check("waits", after.median > before.median);
    check("waits no longer", after.most <= before.most + most);
    wrong
}

#[test]
fn a_burst_travels_in_fewer_messages_and_only_its_visibility_waits() {
    for system in atomik_systems::all() {
        assert_eq!(complaints(system.as_ref()), [""; 0]);
    }
}

#[test]
fn what_was_acknowledged_survives_a_crash_while_it_waits() {
    for system in atomik_systems::all() {
        for (seed, faults) in (0..8).zip(["crash", "partition", "loss", "all"].iter().cycle()) {
            let all = *faults == "all";
            let settings = Settings {
                faults: Faults {
                    crash: all || *faults == "crash",
                    partition: all || *faults == "partition",
                    loss: all || *faults == "loss",
                },
                seed,
                outage: 300_000 + 7_370 * seed,
                pace: Pace::PerSecond(1_000.0),
                patience: 60_000_000,
                ..settings(LINGER)
            };
            let figures = figures(system.as_ref(), &settings, &bursts(120));
            let what = format!(
                "{}, {faults}, seed {seed}: {:?}",
                figures.name, figures.conflicts
            );
            assert!(figures.converged, "{what}");
            assert_eq!(figures.conflicts.wrong, 0, "{what}");
            assert_eq!(figures.conflicts.compared, figures.acknowledged, "{what}");
            assert_eq!(figures.acknowledged + figures.uncertain, 600, "{what}");
        }
    }
}

/// Stores a change of node 0 in systems that send to whoever they think is there, and returns what
/// is sent at once and what is sent when a peer goes.
fn stored_then_cut(system: &dyn System, linger: Micros) -> [usize; 2] {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup {
        nodes: 3,
        seed: 1,
        fields: vec![Field {
            name: "sum".into(),
            class: Class::Counter,
            longest: 0,
            unset: false,
            universe: None,
        }]
        .into(),
        latency: 5_000,
        fsync: FSYNC,
        sync_interval: 1_000_000,
        linger,
    };
    let storage = Storage {
        folder: folder.path().to_owned(),
        ..Storage::default()
    };
    let mut node = system.open(&setup, 0, &storage).unwrap();
    let mut out = Out::default();
    node.wake(0, &mut out).unwrap();
    let mut out = Out::default();
    let op = Submitted {
        id: 1,
        key: "key",
        field: 0,
        action: &Action::Add(1),
    };
    node.submit(10, &[op], &mut out).unwrap();
    let mut then = Out::default();
    for write in out.persisted {
        node.stored(20, write.ticket, &mut then).unwrap();
    }
    assert_eq!(then.acknowledged, [1]);
    assert!(linger == 0 || then.wake.is_some_and(|at| at <= 20 + linger));
    let mut cut = Out::default();
    node.link(30, 2, false, &mut cut).unwrap();
    [then.sent.len(), cut.sent.len()]
}

#[test]
fn a_partition_ends_the_wait() {
    let mut seen = 0;
    for system in atomik_systems::all() {
        let name = system.describe().name;
        // Sessions come first in ATOMiK, whose replica has tests of its own; Raft acknowledges
        // nothing alone.
        if !["ATOMiK", "Raft"].contains(&name) {
            assert_eq!(stored_then_cut(system.as_ref(), 0), [2, 0], "{name}");
            assert_eq!(stored_then_cut(system.as_ref(), LINGER), [0, 2], "{name}");
            seen += 1;
        }
    }
    assert!(seen > 0 || atomik_systems::all().len() < 3);
}

#[test]
fn the_library_and_the_world_have_one_default() {
    let default = u128::from(Settings::default().linger);
    assert_eq!(default, atomik_replica::DEFAULT_LINGER.as_micros());
}

/// Another system, with a bug.
struct Planted {
    inner: Box<dyn System>,
    bug: Bug,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bug {
    /// What waits is never sent, unless something else sends it.
    NeverSends,
    /// Acknowledgements wait as well.
    LateAcks,
    /// It waits twice as long.
    WaitsTwice,
    /// It does not wait.
    SendsAtOnce,
}

impl System for Planted {
    fn describe(&self) -> Description {
        self.inner.describe()
    }

    fn expresses(&self, field: &Field) -> Result<(), String> {
        self.inner.expresses(field)
    }

    fn open(
        &self,
        setup: &Setup,
        node: NodeId,
        storage: &Storage,
    ) -> Result<Box<dyn Node>, SystemError> {
        let linger = match self.bug {
            Bug::NeverSends if setup.linger > 0 => 1 << 60,
            Bug::WaitsTwice => 2 * setup.linger,
            Bug::SendsAtOnce => 0,
            _ => setup.linger,
        };
        let inner_setup = Setup {
            linger,
            ..setup.clone()
        };
        let late = if self.bug == Bug::LateAcks {
            setup.linger
        } else {
            0
        };
        Ok(Box::new(Late {
            inner: self.inner.open(&inner_setup, node, storage)?,
            late,
            acks: VecDeque::new(),
            wake: None,
        }))
    }
}

/// A node whose acknowledgements are late.
struct Late {
    inner: Box<dyn Node>,
    late: Micros,
    acks: VecDeque<(Micros, OpId)>,
    /// When the inner node wants to be woken.
    wake: Option<Micros>,
}

impl Late {
    fn call(
        &mut self,
        now: Micros,
        out: &mut Out,
        call: impl FnOnce(&mut dyn Node, &mut Out) -> Result<(), SystemError>,
    ) -> Result<(), SystemError> {
        call(self.inner.as_mut(), out)?;
        if let Some(wake) = out.wake.take() {
            self.wake = Some(self.wake.map_or(wake, |before| before.min(wake)));
        }
        let acks = std::mem::take(&mut out.acknowledged);
        self.acks
            .extend(acks.into_iter().map(|id| (now + self.late, id)));
        while let Some(&(at, id)) = self.acks.front()
            && at <= now
        {
            self.acks.pop_front();
            out.ack(id);
        }
        let ack = self.acks.front().map(|(at, _)| *at);
        for at in self.wake.into_iter().chain(ack) {
            out.wake(at);
        }
        Ok(())
    }
}

impl Node for Late {
    fn submit(
        &mut self,
        now: Micros,
        ops: &[Submitted<'_>],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        self.call(now, out, |node, out| node.submit(now, ops, out))
    }

    fn receive(
        &mut self,
        now: Micros,
        from: NodeId,
        bytes: &[u8],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        self.call(now, out, |node, out| node.receive(now, from, bytes, out))
    }

    fn wake(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        let is_due = self.wake.is_none_or(|at| at <= now);
        if is_due {
            self.wake = None;
        }
        self.call(now, out, |node, out| match is_due {
            true => node.wake(now, out),
            false => Ok(()),
        })
    }

    fn stored(&mut self, now: Micros, ticket: u64, out: &mut Out) -> Result<(), SystemError> {
        self.call(now, out, |node, out| node.stored(now, ticket, out))
    }

    fn link(
        &mut self,
        now: Micros,
        peer: NodeId,
        up: bool,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        self.call(now, out, |node, out| node.link(now, peer, up, out))
    }

    fn progress(&self) -> Vec<u8> {
        self.inner.progress()
    }

    fn read(&self, key: &str, field: u16) -> Result<Content, SystemError> {
        self.inner.read(key, field)
    }

    fn finish(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        self.call(now, out, |node, out| node.finish(now, out))
    }

    fn is_at_rest(&self) -> bool {
        self.inner.is_at_rest()
    }

    fn bytes_read(&self) -> u64 {
        self.inner.bytes_read()
    }
}

#[test]
fn planted_bugs_are_found_in_every_system() {
    for bug in [
        Bug::NeverSends,
        Bug::LateAcks,
        Bug::WaitsTwice,
        Bug::SendsAtOnce,
    ] {
        for inner in atomik_systems::all() {
            let name = inner.describe().name;
            let planted = Planted { inner, bug };
            assert_ne!(complaints(&planted), [""; 0], "{name} with {bug:?}");
        }
    }
}
