//! What faults do to links, nodes and disks, as systems see it that only watch and write down; a
//! power cut through every column; and a system that breaks among others.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::rc::Rc;

use atomik_arena::pace::Pace;
use atomik_arena::settings::{Faults, Settings};
use atomik_arena::system::{
    Description, Micros, Node, NodeId, OpId, Out, Setup, Storage, Submitted, System, SystemError,
};
use atomik_arena::world::{Fate, Finished, run};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Line, Workload};

const NONE: Faults = Faults {
    loss: false,
    partition: false,
    crash: false,
};
const CRASH: Faults = Faults {
    crash: true,
    ..NONE
};

/// As many operations, a millisecond apart, each on a key of its own, so that each is judged by
/// itself.
fn apart(operations: u64, action: impl Fn(u64) -> Action) -> Workload {
    let line = |t| Line {
        t,
        node: (t % 3) as u32,
        key: t.to_string(),
        field: "field".into(),
        action: action(t),
    };
    let lines = (0..operations).map(|t| Ok(line(t)));
    Workload::collect("apart", lines, usize::MAX).expect("a good trace")
}

fn description(name: &'static str) -> Description {
    Description {
        name,
        library: String::new(),
        semantics: "",
        usage: "",
        proofs: "",
    }
}

/// What a watcher saw.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Open(NodeId),
    Sent {
        from: NodeId,
        to: NodeId,
        at: Micros,
    },
    Came {
        from: NodeId,
        to: NodeId,
        sent: Micros,
        at: Micros,
    },
    Link {
        at: NodeId,
        peer: NodeId,
        up: bool,
        when: Micros,
    },
}

type Sight = Rc<RefCell<Vec<Seen>>>;

/// Sends the time to all others every millisecond, and writes down what comes.
#[derive(Default)]
struct Watch(Sight);

struct Watcher {
    sight: Sight,
    node: NodeId,
    nodes: usize,
}

impl System for Watch {
    fn describe(&self) -> Description {
        description("watch")
    }

    fn open(&self, setup: &Setup, node: NodeId, _: &Storage) -> Result<Box<dyn Node>, SystemError> {
        self.0.borrow_mut().push(Seen::Open(node));
        Ok(Box::new(Watcher {
            sight: Rc::clone(&self.0),
            node,
            nodes: setup.nodes,
        }))
    }
}

impl Node for Watcher {
    fn submit(
        &mut self,
        _: Micros,
        ops: &[Submitted<'_>],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        ops.iter().for_each(|op| out.ack(op.id));
        Ok(())
    }

    fn receive(
        &mut self,
        now: Micros,
        from: NodeId,
        bytes: &[u8],
        _: &mut Out,
    ) -> Result<(), SystemError> {
        let sent = Micros::from_le_bytes(bytes.try_into().expect("a time"));
        let (to, at) = (self.node, now);
        let came = Seen::Came { from, to, sent, at };
        self.sight.borrow_mut().push(came);
        Ok(())
    }

    fn wake(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        for to in (0..self.nodes).filter(|&peer| peer != self.node) {
            out.send(to, now.to_le_bytes());
            let (from, at) = (self.node, now);
            self.sight.borrow_mut().push(Seen::Sent { from, to, at });
        }
        out.wake(now + 1_000);
        Ok(())
    }

    fn stored(&mut self, _: Micros, _: u64, _: &mut Out) -> Result<(), SystemError> {
        Ok(())
    }

    fn link(
        &mut self,
        now: Micros,
        peer: NodeId,
        up: bool,
        _: &mut Out,
    ) -> Result<(), SystemError> {
        let (at, when) = (self.node, now);
        let link = Seen::Link { at, peer, up, when };
        self.sight.borrow_mut().push(link);
        Ok(())
    }

    fn progress(&self) -> Vec<u8> {
        Vec::new()
    }

    fn read(&self, _: &str, _: u16) -> Result<Content, SystemError> {
        Ok(Content::Flag(false))
    }

    fn bytes_read(&self) -> u64 {
        0
    }
}

/// A watched run: what was seen, when faults began and when they finished.
struct Watched {
    settings: Settings,
    seen: Vec<Seen>,
    /// How often each message came: by link and time of sending, with the times.
    came: BTreeMap<(NodeId, NodeId, Micros), Vec<Micros>>,
    start: Micros,
    end: Micros,
    finished: Finished,
}

fn watched(faults: Faults) -> Watched {
    let settings = Settings {
        faults,
        seed: 1,
        pace: Pace::PerSecond(1_000.0),
        outage: 1_000_000,
        notice: 100_000,
        ..Settings::default()
    };
    let watch = Watch::default();
    let folder = tempfile::tempdir().expect("a folder");
    let workload = apart(3_000, |_| Action::Toggle);
    let finished = run(&workload, &settings, &watch, folder.path()).expect("a run");
    let end = finished.submissions.last().expect("operations").1;
    let seen = watch.0.take();
    let mut came = BTreeMap::new();
    for seen in &seen {
        match *seen {
            Seen::Sent { from, to, at } => {
                came.entry((from, to, at)).or_insert_with(Vec::new);
            }
            Seen::Came { from, to, sent, at } => {
                came.get_mut(&(from, to, sent)).expect("sent").push(at);
            }
            _ => {}
        }
    }
    Watched {
        start: end - settings.outage,
        settings,
        seen,
        came,
        end,
        finished,
    }
}

impl Watched {
    /// Messages that had the time to come, with the times when they came.
    fn messages(&self) -> impl Iterator<Item = (NodeId, NodeId, Micros, &[Micros])> {
        self.came
            .iter()
            .filter(|((_, _, sent), _)| *sent < self.end + 40_000)
            .map(|((from, to, sent), came)| (*from, *to, *sent, &came[..]))
    }

    /// When a message was sent or came between the start of faults and their end.
    fn is_between(&self, at: Micros) -> bool {
        self.start < at && at < self.end
    }

    /// The links of a node are told to both their ends: that they are down, and that they are up
    /// again.
    fn assert_announced(&self, node: NodeId, told_itself: bool) {
        let mut told: Vec<Seen> = self.seen.clone();
        told.retain(|seen| matches!(seen, Seen::Link { .. }));
        let mut expected = Vec::new();
        let [down, up] = [
            self.start + self.settings.notice,
            self.end + 2 * self.settings.link.latency,
        ];
        for (up, when) in [(false, down), (true, up)] {
            for peer in (0..3).filter(|&peer| peer != node) {
                for (at, peer) in [(node, peer), (peer, node)] {
                    if up || told_itself || at != node {
                        expected.push(Seen::Link { at, peer, up, when });
                    }
                }
            }
        }
        assert_eq!(told, expected);
    }
}

#[test]
fn without_faults_every_message_comes_once_and_in_order() {
    let run = watched(NONE);
    let mut last = BTreeMap::new();
    for (from, to, sent, came) in run.messages() {
        assert_eq!(came.len(), 1, "{from} to {to} at {sent}");
        assert!(came[0] >= sent + run.settings.link.latency);
        let before = last.insert((from, to), came[0]);
        assert!(before <= Some(came[0]), "{from} to {to} at {sent}");
    }
    assert_eq!(
        run.seen.len(),
        run.came.len() + 3 + run.came.values().flatten().count()
    );
}

#[test]
fn loss_loses_doubles_and_reorders_its_shares_until_the_last_operation() {
    let run = watched(Faults { loss: true, ..NONE });
    let [mut lost, mut doubled, mut overtaken, mut all] = [0; 4];
    let mut last = BTreeMap::new();
    for (from, to, sent, came) in run.messages() {
        if sent > run.end {
            assert_eq!(came.len(), 1, "{from} to {to} at {sent}");
            continue;
        }
        all += 1;
        lost += usize::from(came.is_empty());
        doubled += usize::from(came.len() == 2);
        if let Some(&first) = came.first() {
            let latest = last.entry((from, to)).or_insert(first);
            overtaken += usize::from(first < *latest);
            *latest = first.max(*latest);
        }
    }
    let share = |count: usize| count as f64 / all as f64;
    let [loss, duplicates, _] = run.settings.lossy;
    assert!((share(lost) - loss).abs() < 0.01, "{lost} of {all}");
    assert!(
        (share(doubled) - duplicates).abs() < 0.004,
        "{doubled} of {all}"
    );
    assert!(share(overtaken) > 0.1, "{overtaken} of {all}");
}

#[test]
fn a_node_that_is_cut_off_hears_nobody_and_is_heard_by_nobody_until_the_last_operation() {
    let run = watched(Faults {
        partition: true,
        ..NONE
    });
    let victim = run.settings.partitioned_node();
    let mut swallowed = 0;
    for (from, to, sent, came) in run.messages() {
        let what = format!("{from} to {to} at {sent}: {came:?}");
        if from != victim && to != victim {
            assert_eq!(came.len(), 1, "{what}");
            continue;
        }
        assert!(!came.iter().any(|&at| run.is_between(at)), "{what}");
        let late = sent + run.settings.link.latency;
        if run.is_between(sent) || run.is_between(late) {
            assert!(came.is_empty(), "{what}");
            swallowed += 1;
        }
    }
    // A thousand milliseconds, two links, both ways.
    assert!(swallowed >= 3_990, "{swallowed}");
    run.assert_announced(victim, true);
}

#[test]
fn a_node_without_power_does_nothing_until_the_last_operation_and_its_clients_go_to_the_next() {
    let run = watched(CRASH);
    let casualty = run.settings.crashed_node();
    let mut swallowed = 0;
    for (from, to, sent, came) in run.messages() {
        let what = format!("{from} to {to} at {sent}: {came:?}");
        assert!(from != casualty || !run.is_between(sent), "{what}");
        let dead = |at| to == casualty && run.is_between(at);
        assert!(!came.iter().any(|&at| dead(at)), "{what}");
        swallowed += usize::from(came.is_empty());
    }
    assert!(swallowed >= 1_980, "{swallowed}");
    run.assert_announced(casualty, false);
    let opened = run.seen.iter().filter(|seen| matches!(seen, Seen::Open(_)));
    assert_eq!(opened.count(), 4);
    let mut moved = 0;
    for (place, &(node, at)) in run.finished.submissions.iter().enumerate() {
        let own = place % 3;
        if own == casualty && run.is_between(at) {
            assert_eq!(node, (casualty + 1) % 3);
            moved += 1;
        } else if at + run.settings.batch <= run.start {
            assert_eq!(node, own);
        }
    }
    assert!(moved > 300, "{moved}");
}

/// Writes each operation down; acknowledges it when that is durable, or at once.
#[derive(Clone, Copy)]
struct Ledger {
    in_a_file: bool,
    at_once: bool,
}

struct Page {
    ledger: Ledger,
    file: File,
    ticket: u64,
    waiting: Vec<(u64, OpId)>,
}

impl Ledger {
    /// What is written down on a disk.
    fn lines(self, storage: &Storage) -> Vec<String> {
        if self.in_a_file {
            let text = fs::read_to_string(storage.folder.join("ledger")).unwrap_or_default();
            return text.lines().map(str::to_owned).collect();
        }
        let keys = storage.records.keys();
        keys.map(|key| String::from_utf8_lossy(key).into_owned())
            .collect()
    }
}

impl System for Ledger {
    fn describe(&self) -> Description {
        description("ledger")
    }

    fn open(&self, _: &Setup, _: NodeId, storage: &Storage) -> Result<Box<dyn Node>, SystemError> {
        let file = storage.folder.join("ledger");
        let file = File::options().append(true).create(true).open(file);
        Ok(Box::new(Page {
            ledger: *self,
            file: file.expect("a file"),
            ticket: 0,
            waiting: Vec::new(),
        }))
    }
}

impl Node for Page {
    fn submit(
        &mut self,
        _: Micros,
        ops: &[Submitted<'_>],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        self.ticket += 1;
        if self.ledger.in_a_file {
            let lines: String = ops.iter().map(|op| format!("{}\n", op.key)).collect();
            self.file.write_all(lines.as_bytes()).expect("a file");
            out.persist_files(self.ticket, 100);
        } else {
            let records = ops.iter().map(|op| (op.key.into(), Some(Vec::new())));
            out.persist(self.ticket, records.collect());
        }
        for op in ops {
            match self.ledger.at_once {
                true => out.ack(op.id),
                false => self.waiting.push((self.ticket, op.id)),
            }
        }
        Ok(())
    }

    fn receive(&mut self, _: Micros, _: NodeId, _: &[u8], _: &mut Out) -> Result<(), SystemError> {
        Ok(())
    }

    fn wake(&mut self, _: Micros, _: &mut Out) -> Result<(), SystemError> {
        Ok(())
    }

    fn stored(&mut self, _: Micros, ticket: u64, out: &mut Out) -> Result<(), SystemError> {
        for (_, id) in self.waiting.extract_if(.., |(waits, _)| *waits <= ticket) {
            out.ack(id);
        }
        Ok(())
    }

    fn progress(&self) -> Vec<u8> {
        Vec::new()
    }

    fn read(&self, _: &str, _: u16) -> Result<Content, SystemError> {
        Ok(Content::Flag(false))
    }

    fn bytes_read(&self) -> u64 {
        0
    }
}

/// Power is lost at another moment with each seed, and a disk is at work most of the time.
fn busy(seed: u64) -> Settings {
    Settings {
        faults: CRASH,
        seed,
        pace: Pace::PerSecond(3_000.0),
        outage: 100_000 + 370 * seed,
        ..Settings::default()
    }
}

/// Operations that are not on the disk of their node after a power cut: how many are acknowledged,
/// how many uncertain; and uncertain ones that are there.
fn missing(ledger: Ledger, seed: u64) -> [usize; 3] {
    let settings = busy(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let workload = apart(900, |_| Action::Toggle);
    let finished = run(&workload, &settings, &ledger, folder.path()).expect("a run");
    let disks: Vec<_> = finished
        .storages
        .iter()
        .map(|disk| ledger.lines(disk))
        .collect();
    let end = finished.submissions.last().expect("operations").1;
    let start = end - settings.outage;
    let [mut acknowledged, mut uncertain, mut there] = [0; 3];
    for (place, fate) in finished.fates.iter().enumerate() {
        let (node, submitted) = finished.submissions[place];
        let is_there = disks[node].contains(&place.to_string());
        match fate {
            Fate::Acknowledged(_) if !is_there => {
                acknowledged += 1;
                assert_eq!(node, settings.crashed_node());
                assert!((start - 10_000..start).contains(&submitted), "{submitted}");
            }
            Fate::Uncertain if is_there => there += 1,
            Fate::Uncertain => uncertain += 1,
            fate => assert!(matches!(fate, Fate::Acknowledged(_)), "{fate:?}"),
        }
    }
    [acknowledged, uncertain, there]
}

#[test]
fn a_power_cut_takes_what_was_not_synced_and_leaves_what_was() {
    for in_a_file in [false, true] {
        let [mut patient, mut hasty] = [0; 2];
        for seed in 0..12 {
            let ledger = |at_once| Ledger { in_a_file, at_once };
            let [acknowledged, uncertain, there] = missing(ledger(false), seed);
            assert_eq!((acknowledged, there), (0, 0), "seed {seed}");
            patient += uncertain;
            hasty += missing(ledger(true), seed)[0];
        }
        assert!(patient > 0, "no operation waited for its disk");
        assert_eq!(
            hasty, patient,
            "the same writes are lost, acknowledged or not"
        );
    }
}
