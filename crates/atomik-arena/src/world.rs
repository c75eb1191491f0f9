//! The simulated world: clients, network, disks, faults and virtual time around the nodes of one
//! system.
//!
//! Everything that is counted is counted here, so it is counted for all systems alike. A run is a
//! pure function of workload, settings and system; only CPU times differ from run to run.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;

use cpu_time::ProcessTime;

use crate::disk::Files;
use crate::network::{Network, wire_bytes};
use crate::settings::Settings;
use crate::system::{
    Conflict, Micros, Node, NodeId, OpId, Out, Persist, Setup, Storage, Submitted, System,
    SystemError,
};
use atomik_workload::workload::Workload;

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Not part of this run: its field cannot be expressed.
    LeftOut,
    /// Not acknowledged.
    Waiting,
    /// Acknowledged, after so long.
    Acknowledged(Micros),
    /// Its node crashed before it was acknowledged.
    Uncertain,
}

/// What a run leaves behind.
pub struct Ended {
    /// The nodes.
    pub nodes: Vec<Box<dyn Node>>,
    /// Their disks.
    pub storages: Vec<Storage>,
    /// What every node knew.
    pub setup: Setup,
    /// What became of each operation.
    pub fates: Vec<Fate>,
    /// The node at which each operation was submitted, and when.
    pub submissions: Vec<(NodeId, Micros)>,
    /// CPU time of submissions at their nodes, in nanoseconds: for each operation its share of the
    /// call, in the order of the calls.
    pub submit_cpu: Vec<f64>,
    /// CPU time of all calls to all nodes, in nanoseconds.
    pub total_cpu: f64,
    /// Messages sent.
    pub messages: u64,
    /// Their bytes.
    pub payload_bytes: u64,
    /// Bytes with packet headers.
    pub wire_bytes: u64,
    /// Bytes written to disks, all nodes together.
    pub disk_written: u64,
    /// Fsyncs, all nodes together.
    pub fsyncs: u64,
    /// Fields that were reported as in conflict.
    pub conflicts: BTreeSet<Conflict>,
    /// Whether all acknowledged everything and knew the same.
    pub converged: bool,
    /// From the last operation to that, in microseconds.
    pub settled: Option<Micros>,
    /// Bytes on all links meanwhile.
    pub settling_bytes: u64,
}

enum Event {
    Submit(NodeId),
    Deliver {
        from: NodeId,
        to: NodeId,
        bytes: Arc<[u8]>,
    },
    Wake(NodeId, u64),
    Synced(NodeId, u64),
    Cut,
    /// A crash is near.
    Brace,
    Crash,
    /// The end of operations and faults.
    Calm,
    Link {
        at: NodeId,
        peer: NodeId,
        up: bool,
    },
    Look,
}

struct Due {
    time: Micros,
    sequence: u64,
    what: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.time, self.sequence).cmp(&(other.time, other.sequence))
    }
}

struct Host {
    node: Option<Box<dyn Node>>,
    storage: Storage,
    life: u64,
    /// Operations that clients will hand over together, by their places in the workload.
    pending: Vec<usize>,
    /// Operations not acknowledged yet.
    open: BTreeSet<OpId>,
    /// When it is to be woken; `None`: never.
    wake: Option<Micros>,
    /// What waits for the next fsync.
    queue: VecDeque<Write>,
    /// How many of them the running fsync covers; none runs if 0.
    syncing: usize,
    /// The node's own files as a crash would leave them; only of a node that is about to crash.
    durable: Option<Files>,
}

/// What was handed to a disk.
struct Write {
    persist: Persist,
    /// The node's own files as they were then; only of a node that is about to crash.
    files: Option<Files>,
}

impl Host {
    /// What was handed over first is on the disk.
    fn store(&mut self, write: Write) -> u64 {
        self.storage.store(write.persist.records);
        if write.files.is_some() {
            self.durable = write.files;
        }
        write.persist.ticket
    }

    fn files(&self) -> Result<Files, SystemError> {
        Files::read(&self.storage.folder)
            .map_err(|error| SystemError::failed("reading the files of a node's disk", error))
    }
}

struct World<'a> {
    workload: &'a Workload,
    settings: &'a Settings,
    system: &'a dyn System,
    setup: Setup,
    nodes: Vec<Host>,
    network: Network,
    queue: BinaryHeap<Reverse<Due>>,
    sequence: u64,
    now: Micros,
    next_op: usize,
    /// The place in the workload of each operation that was handed over, by its id.
    handed: Vec<usize>,
    acceleration: f64,
    end_of_ops: Micros,
    calm: bool,
    down: Option<NodeId>,
    calm_bytes: u64,
    ended: Ended,
}

/// How many times faster than recorded a workload is played.
pub fn acceleration(workload: &Workload, settings: &Settings) -> f64 {
    let recorded = recorded_ms(workload);
    match settings.rate {
        Some(rate) if recorded > 0 => {
            rate * recorded as f64 / 1e3 / workload.steps.len().max(1) as f64
        }
        _ => 1.0,
    }
}

/// Milliseconds from the first operation to the last.
pub fn recorded_ms(workload: &Workload) -> u64 {
    match (workload.steps.first(), workload.steps.last()) {
        (Some(first), Some(last)) => last.t - first.t,
        _ => 0,
    }
}

/// Runs a workload through a system.
///
/// `folder` is an empty folder for the disks of nodes that keep files.
///
/// # Errors
///
/// [`SystemError`], if the system or its adapter has a bug, or its folder cannot be made.
pub fn run(
    workload: &Workload,
    settings: &Settings,
    system: &dyn System,
    folder: &std::path::Path,
) -> Result<Ended, SystemError> {
    let mut world = World::new(workload, settings, system, folder)?;
    world.play()?;
    world.finish()
}

impl<'a> World<'a> {
    fn new(
        workload: &'a Workload,
        settings: &'a Settings,
        system: &'a dyn System,
        folder: &std::path::Path,
    ) -> Result<Self, SystemError> {
        let setup = Setup {
            nodes: settings.nodes,
            seed: settings.seed,
            fields: workload.fields.clone().into(),
            latency: settings.link.latency,
            fsync: settings.fsync,
            sync_interval: settings.sync_interval,
        };
        let mut link = settings.link;
        if settings.faults.loss {
            [link.loss, link.duplicates, link.reorder] = settings.lossy;
        }
        let expressed: Vec<_> = workload
            .fields
            .iter()
            .map(|field| system.expresses(field).is_ok())
            .collect();
        let fates = workload
            .steps
            .iter()
            .map(|step| match expressed[usize::from(step.field)] {
                true => Fate::Waiting,
                false => Fate::LeftOut,
            });
        let mut nodes = Vec::new();
        for node in 0..settings.nodes {
            let folder = folder.join(format!("node-{node}"));
            std::fs::create_dir_all(&folder)
                .map_err(|error| SystemError::failed("a folder for a node's disk", error))?;
            nodes.push(Host {
                node: None,
                storage: Storage {
                    folder,
                    ..Storage::default()
                },
                life: 0,
                pending: Vec::new(),
                open: BTreeSet::new(),
                wake: None,
                queue: VecDeque::new(),
                syncing: 0,
                durable: None,
            });
        }
        let acceleration = acceleration(workload, settings);
        let mut world = Self {
            workload,
            settings,
            system,
            network: Network::new(link, settings.nodes, settings.seed),
            nodes,
            queue: BinaryHeap::new(),
            sequence: 0,
            now: 0,
            next_op: 0,
            handed: Vec::with_capacity(workload.steps.len()),
            acceleration,
            end_of_ops: 0,
            calm: false,
            down: None,
            calm_bytes: 0,
            ended: Ended {
                nodes: Vec::new(),
                storages: Vec::new(),
                setup: setup.clone(),
                fates: fates.collect(),
                submissions: vec![(0, 0); workload.steps.len()],
                submit_cpu: Vec::with_capacity(workload.steps.len()),
                total_cpu: 0.0,
                messages: 0,
                payload_bytes: 0,
                wire_bytes: 0,
                disk_written: 0,
                fsyncs: 0,
                conflicts: BTreeSet::new(),
                converged: false,
                settled: None,
                settling_bytes: 0,
            },
            setup,
        };
        world.end_of_ops = workload.steps.last().map_or(0, |last| world.due(last.t));
        let outage = settings.outage.min(world.end_of_ops / 3);
        let start = world.end_of_ops - outage;
        if settings.faults.partition {
            world.enqueue(start, Event::Cut);
        }
        if settings.faults.crash {
            // What was handed to the disk so long before has reached it, synced or not.
            world.enqueue(start.saturating_sub(20 * settings.fsync), Event::Brace);
            world.enqueue(start, Event::Crash);
        }
        let end = world.end_of_ops;
        world.enqueue(end, Event::Calm);
        for node in 0..settings.nodes {
            world.start(node)?;
        }
        Ok(world)
    }

    /// The virtual time of a recorded one. The run starts three seconds late, so that systems that
    /// need it have found each other.
    fn due(&self, t: u64) -> Micros {
        let first = self.workload.steps.first().map_or(0, |step| step.t);
        const START: Micros = 3_000_000;
        START + ((t - first) as f64 * 1e3 / self.acceleration) as Micros
    }

    fn enqueue(&mut self, time: Micros, what: Event) {
        self.sequence += 1;
        self.queue.push(Reverse(Due {
            time,
            sequence: self.sequence,
            what,
        }));
    }

    fn start(&mut self, node: NodeId) -> Result<(), SystemError> {
        let opened = self
            .system
            .open(&self.setup, node, &self.nodes[node].storage)?;
        self.nodes[node].node = Some(opened);
        self.call(node, |node, now, out| node.wake(now, out))
    }

    /// Calls a node, times it, and does what it wants done.
    fn call(
        &mut self,
        node: NodeId,
        call: impl FnOnce(&mut dyn Node, Micros, &mut Out) -> Result<(), SystemError>,
    ) -> Result<(), SystemError> {
        let Some(called) = &mut self.nodes[node].node else {
            return Ok(());
        };
        let mut out = Out::default();
        // Of all threads: a system may have some of its own, as sqlx has.
        let before = ProcessTime::now();
        call(called.as_mut(), self.now, &mut out)?;
        self.ended.total_cpu += before.elapsed().as_nanos() as f64;
        self.settle(node, out)
    }

    fn settle(&mut self, node: NodeId, out: Out) -> Result<(), SystemError> {
        let disk = &mut self.nodes[node];
        for persist in out.persisted {
            self.ended.disk_written += persist.bytes;
            let files = disk.durable.is_some().then(|| disk.files()).transpose()?;
            disk.queue.push_back(Write { persist, files });
        }
        self.sync(node);
        for (to, bytes) in out.sent {
            self.send(node, to, bytes)?;
        }
        for id in out.acknowledged {
            if !self.nodes[node].open.remove(&id) {
                return Err(SystemError::UnexpectedAck { node, op: id });
            }
            let place = self.handed[id as usize];
            let submitted = self.ended.submissions[place].1;
            self.ended.fates[place] = Fate::Acknowledged(self.now - submitted);
        }
        self.ended.conflicts.extend(out.conflicts);
        if let Some(at) = out.wake {
            let at = at.max(self.now + 1);
            if self.nodes[node].wake.is_none_or(|before| at < before) {
                self.nodes[node].wake = Some(at);
                let life = self.nodes[node].life;
                self.enqueue(at, Event::Wake(node, life));
            }
        }
        Ok(())
    }

    /// Starts an fsync for all that waits, if none runs.
    fn sync(&mut self, node: NodeId) {
        let disk = &mut self.nodes[node];
        if disk.syncing > 0 || disk.queue.is_empty() {
            return;
        }
        disk.syncing = disk.queue.len();
        let bytes: u64 = disk.queue.iter().map(|write| write.persist.bytes).sum();
        let life = disk.life;
        let writing = bytes.saturating_mul(1_000_000) / self.settings.disk_bandwidth.max(1);
        self.ended.fsyncs += 1;
        self.enqueue(
            self.now + self.settings.fsync + writing,
            Event::Synced(node, life),
        );
    }

    fn send(&mut self, from: NodeId, to: NodeId, bytes: Arc<[u8]>) -> Result<(), SystemError> {
        if to >= self.nodes.len() || to == from {
            return Err(SystemError::BadDestination { from, to });
        }
        let wire = wire_bytes(bytes.len() as u64);
        self.ended.messages += 1;
        self.ended.payload_bytes += bytes.len() as u64;
        self.ended.wire_bytes += wire;
        for time in self
            .network
            .send(self.now, from, to, wire)
            .into_iter()
            .flatten()
        {
            let bytes = Arc::clone(&bytes);
            self.enqueue(time, Event::Deliver { from, to, bytes });
        }
        Ok(())
    }

    fn play(&mut self) -> Result<(), SystemError> {
        loop {
            let next_op = self
                .workload
                .steps
                .get(self.next_op)
                .map(|step| self.due(step.t));
            let next_due = self.queue.peek().map(|Reverse(due)| due.time);
            match (next_op, next_due) {
                (Some(op), due) if due.is_none_or(|due| op <= due) => {
                    self.now = op;
                    self.arrive();
                }
                (_, None) => return Ok(()),
                _ => {
                    let Some(Reverse(due)) = self.queue.pop() else {
                        return Ok(());
                    };
                    self.now = due.time;
                    if self.happen(due.what)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// A client's operation comes to its node.
    fn arrive(&mut self) {
        let place = self.next_op;
        self.next_op += 1;
        if self.ended.fates[place] == Fate::LeftOut {
            return;
        }
        let mut node = self.workload.steps[place].node as usize % self.nodes.len();
        if self.down == Some(node) {
            node = (node + 1) % self.nodes.len();
        }
        self.ended.submissions[place] = (node, self.now);
        let pending = &mut self.nodes[node].pending;
        pending.push(place);
        if pending.len() == 1 {
            self.enqueue(self.now + self.settings.batch, Event::Submit(node));
        }
    }

    /// Whether the run is over.
    fn happen(&mut self, what: Event) -> Result<bool, SystemError> {
        match what {
            Event::Submit(node) => self.submit(node)?,
            Event::Deliver { from, to, bytes } => {
                if !self.network.is_cut(from, to) {
                    self.call(to, |node, now, out| node.receive(now, from, &bytes, out))?;
                }
            }
            Event::Wake(node, life) => {
                if self.nodes[node].life == life && self.nodes[node].wake == Some(self.now) {
                    self.nodes[node].wake = None;
                    self.call(node, |node, now, out| node.wake(now, out))?;
                }
            }
            Event::Synced(node, life) => {
                if self.nodes[node].life == life {
                    let disk = &mut self.nodes[node];
                    let done: Vec<_> = disk.queue.drain(..disk.syncing).collect();
                    disk.syncing = 0;
                    let tickets: Vec<_> = done.into_iter().map(|write| disk.store(write)).collect();
                    for ticket in tickets {
                        self.call(node, |node, now, out| node.stored(now, ticket, out))?;
                    }
                    self.sync(node);
                }
            }
            Event::Cut => {
                let victim = self.settings.victim();
                self.network.isolate(victim, true);
                self.announce(victim, false);
            }
            Event::Brace => {
                let node = &mut self.nodes[self.settings.casualty()];
                node.durable = Some(node.files()?);
            }
            Event::Crash => {
                let node = self.settings.casualty();
                self.down = Some(node);
                self.kill(node)?;
                self.announce(node, false);
            }
            Event::Calm => self.calm_down()?,
            Event::Link { at, peer, up } => {
                let cut = self.network.is_cut(at, peer) || self.nodes[peer].node.is_none();
                if cut != up {
                    self.call(at, |node, now, out| node.link(now, peer, up, out))?;
                }
            }
            Event::Look => {
                if self.is_settled() {
                    self.ended.converged = true;
                    self.ended.settled = Some(self.now - self.end_of_ops);
                    self.ended.settling_bytes = self.ended.wire_bytes - self.calm_bytes;
                    return Ok(true);
                }
                if self.now > self.end_of_ops + self.settings.patience {
                    return Ok(true);
                }
                self.look_later();
            }
        }
        Ok(false)
    }

    fn submit(&mut self, node: NodeId) -> Result<(), SystemError> {
        let places = std::mem::take(&mut self.nodes[node].pending);
        if places.is_empty() {
            return Ok(());
        }
        let first = self.handed.len();
        self.handed.extend(&places);
        let ids = first as OpId..self.handed.len() as OpId;
        self.nodes[node].open.extend(ids.clone());
        let workload = self.workload;
        let ops: Vec<_> = ids
            .zip(&places)
            .map(|(id, &place)| {
                let step = &workload.steps[place];
                Submitted {
                    id,
                    key: workload.key(step),
                    field: step.field,
                    action: &step.action,
                }
            })
            .collect();
        let before = self.ended.total_cpu;
        self.call(node, |node, now, out| node.submit(now, &ops, out))?;
        let share = (self.ended.total_cpu - before) / ops.len() as f64;
        self.ended.submit_cpu.extend(ops.iter().map(|_| share));
        Ok(())
    }

    /// Tells both ends of all links of a node that they are up or down, when their transport would
    /// notice.
    fn announce(&mut self, node: NodeId, up: bool) {
        let delay = if up {
            2 * self.settings.link.latency
        } else {
            self.settings.notice
        };
        for peer in (0..self.nodes.len()).filter(|&peer| peer != node) {
            for (at, peer) in [(node, peer), (peer, node)] {
                self.enqueue(self.now + delay, Event::Link { at, peer, up });
            }
        }
    }

    /// Takes a node's power away.
    fn kill(&mut self, node: NodeId) -> Result<(), SystemError> {
        let node = &mut self.nodes[node];
        // Who keeps files has closed them before they are as they were.
        node.node = None;
        if let Some(files) = node.durable.take() {
            files.restore(&node.storage.folder).map_err(|error| {
                SystemError::failed("restoring the files of a node's disk", error)
            })?;
        }
        node.life += 1;
        node.wake = None;
        node.queue.clear();
        node.syncing = 0;
        for id in std::mem::take(&mut node.open) {
            self.ended.fates[self.handed[id as usize]] = Fate::Uncertain;
        }
        // What clients had not handed over yet, they hand to the next node.
        let waiting = std::mem::take(&mut node.pending);
        let next = (self.settings.casualty() + 1) % self.nodes.len();
        for &place in &waiting {
            self.ended.submissions[place].0 = next;
        }
        if !waiting.is_empty() {
            let first = self.nodes[next].pending.is_empty();
            self.nodes[next].pending.extend(waiting);
            self.nodes[next].pending.sort_unstable();
            if first {
                self.enqueue(self.now + self.settings.batch, Event::Submit(next));
            }
        }
        Ok(())
    }

    /// Ends all faults; from here on the run only waits for the nodes to be the same.
    fn calm_down(&mut self) -> Result<(), SystemError> {
        let faults = self.settings.faults;
        self.calm = true;
        self.calm_bytes = self.ended.wire_bytes;
        self.network.calm();
        if faults.partition {
            self.network.isolate(self.settings.victim(), false);
            self.announce(self.settings.victim(), true);
        }
        if let Some(node) = self.down.take() {
            self.start(node)?;
            self.announce(node, true);
        }
        self.look_later();
        Ok(())
    }

    fn look_later(&mut self) {
        let interval = (self.settings.link.latency / 10).max(100);
        self.enqueue(self.now + interval, Event::Look);
    }

    /// Whether all clients have their acknowledgements and all nodes know the same.
    fn is_settled(&self) -> bool {
        if !self.calm
            || self
                .nodes
                .iter()
                .any(|node| !node.open.is_empty() || !node.pending.is_empty())
        {
            return false;
        }
        let mut progress = self
            .nodes
            .iter()
            .map(|node| node.node.as_ref().map(|node| node.progress()));
        let Some(Some(first)) = progress.next() else {
            return false;
        };
        progress.all(|other| other.as_ref() == Some(&first))
    }

    /// Lets everything in flight land, so that what nodes know is on their disks, too.
    fn finish(mut self) -> Result<Ended, SystemError> {
        let end = self.now + 10 * self.settings.link.latency + 20 * self.settings.fsync;
        while self
            .queue
            .peek()
            .is_some_and(|Reverse(due)| due.time <= end)
        {
            let Some(Reverse(due)) = self.queue.pop() else {
                break;
            };
            self.now = due.time;
            if !matches!(due.what, Event::Look) {
                self.happen(due.what)?;
            }
        }
        for mut node in self.nodes {
            // No crash comes any more.
            for write in std::mem::take(&mut node.queue) {
                node.store(write);
            }
            self.ended.nodes.extend(node.node);
            self.ended.storages.push(node.storage);
        }
        Ok(self.ended)
    }
}
