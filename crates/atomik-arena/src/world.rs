//! The simulated world around the nodes of one system: clients, links, disks, faults and virtual
//! time.
//!
//! Everything that is counted is counted here, so all systems are counted alike. A run is a pure
//! function of workload, settings and system; only CPU times differ from run to run.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::path::Path;
use std::sync::Arc;

use cpu_time::ProcessTime;

use atomik_workload::workload::Workload;

use crate::host::Host;
use crate::network::{Network, wire_bytes};
use crate::pace;
use crate::settings::Settings;
use crate::system::{
    Conflict, Micros, Node, NodeId, OpId, Out, Setup, Storage, Submitted, System, SystemError,
};
use crate::visibility::Watch;

/// The virtual time of the first operation: systems that need to find each other have until then.
const START: Micros = 3_000_000;

/// The outcome of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The system cannot express its field, so it was left out of the run.
    LeftOut,
    /// It was not acknowledged.
    Waiting,
    /// It was acknowledged after this time.
    Acknowledged(Micros),
    /// Its node crashed before it was acknowledged.
    Uncertain,
}

/// A finished run.
pub struct Finished {
    /// The nodes.
    pub nodes: Vec<Box<dyn Node>>,
    /// Their disks.
    pub storages: Vec<Storage>,
    /// What every node knew from the start.
    pub setup: Setup,
    /// The outcome of each operation.
    pub fates: Vec<Fate>,
    /// Where and when each operation was submitted.
    pub submissions: Vec<(NodeId, Micros)>,
    /// CPU time of each submission on its node, in nanoseconds, in the order of the calls. The
    /// operations of one call share its time.
    pub submit_cpu: Vec<f64>,
    /// CPU time of all calls to all nodes, in nanoseconds.
    pub total_cpu: f64,
    /// Messages sent.
    pub messages: u64,
    /// Bytes of the messages.
    pub payload_bytes: u64,
    /// Bytes of the messages with packet headers.
    pub wire_bytes: u64,
    /// Bytes written to the disks of all nodes.
    pub disk_written: u64,
    /// Fsyncs of all nodes.
    pub fsyncs: u64,
    /// The conflicts that the system reported.
    pub conflicts: BTreeSet<Conflict>,
    /// Whether every operation was acknowledged and all nodes reported the same progress.
    pub converged: bool,
    /// How long changes that were watched took until every node read them, in microseconds.
    pub visible: Vec<f64>,
    /// The time from the last operation to convergence.
    pub settled: Option<Micros>,
    /// Bytes on all links during that time.
    pub settling_bytes: u64,
}

impl Finished {
    /// Node 0.
    pub(crate) fn first_node(&self) -> Result<&dyn Node, SystemError> {
        match self.nodes.first() {
            Some(node) => Ok(node.as_ref()),
            None => Err(SystemError::invariant("a run without nodes")),
        }
    }
}

enum Event {
    /// Clients submit what has arrived at a node.
    Submit(NodeId),
    Deliver {
        from: NodeId,
        to: NodeId,
        bytes: Arc<[u8]>,
    },
    /// A wake-up of a node in one of its lives.
    Wake(NodeId, u64),
    /// The end of an fsync of a node in one of its lives.
    Synced(NodeId, u64),
    /// The partition begins.
    Cut,
    /// A crash is near.
    PrepareCrash,
    Crash,
    /// The operations and all faults end.
    EndFaults,
    /// The transport of a node notices that a peer is up or down.
    Link {
        at: NodeId,
        peer: NodeId,
        up: bool,
    },
    CheckConverged,
}

struct Scheduled {
    time: Micros,
    sequence: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.time, self.sequence).cmp(&(other.time, other.sequence))
    }
}

struct World<'a> {
    workload: &'a Workload,
    settings: &'a Settings,
    system: &'a dyn System,
    setup: Setup,
    hosts: Vec<Host>,
    network: Network,
    queue: BinaryHeap<Reverse<Scheduled>>,
    sequence: u64,
    now: Micros,
    next_op: usize,
    /// By operation id, the index into the workload.
    submitted: Vec<usize>,
    /// The virtual time of each operation, from the first.
    times: Vec<Micros>,
    end_of_ops: Micros,
    /// Whether the operations and the faults are over.
    settling: bool,
    down: Option<NodeId>,
    /// Bytes on all links before settling.
    bytes_before: u64,
    watch: Watch,
    finished: Finished,
}

/// How long a fault lasts in a run whose operations end at this time.
fn outage(settings: &Settings, end_of_ops: Micros) -> Micros {
    settings.outage.min(end_of_ops / 3)
}

/// How many operations, of these virtual times from the first, a fault covers.
pub fn covered(settings: &Settings, times: &[Micros]) -> usize {
    let end = START + times.last().copied().unwrap_or_default();
    let start = end - outage(settings, end);
    times.iter().filter(|&&time| START + time >= start).count()
}

/// Runs a workload through a system.
///
/// `folder` is an empty folder for the files of the nodes.
///
/// # Errors
///
/// [`SystemError`] if the system or its adapter has a bug, or a folder cannot be created.
pub fn run(
    workload: &Workload,
    settings: &Settings,
    system: &dyn System,
    folder: &Path,
) -> Result<Finished, SystemError> {
    let mut world = World::new(workload, settings, system, folder)?;
    world.schedule_faults();
    for node in 0..settings.nodes {
        world.start(node)?;
    }
    world.play()?;
    world.finish()
}

impl<'a> World<'a> {
    fn new(
        workload: &'a Workload,
        settings: &'a Settings,
        system: &'a dyn System,
        folder: &Path,
    ) -> Result<Self, SystemError> {
        let setup = Setup {
            nodes: settings.nodes,
            seed: settings.seed,
            fields: workload.fields.clone().into(),
            latency: settings.link.latency,
            fsync: settings.fsync,
            sync_interval: settings.sync_interval,
            linger: settings.linger,
        };
        let mut link = settings.link;
        if settings.faults.loss {
            [link.loss, link.duplicates, link.reorder] = settings.lossy;
        }
        let times = pace::times(workload, settings.pace, settings.reach());
        let fates = initial_fates(workload, system);
        let is_run = |place: usize| fates[place] != Fate::LeftOut;
        let watch = Watch::new(
            workload,
            settings,
            &times,
            covered(settings, &times),
            is_run,
        );
        let mut hosts = Vec::new();
        for node in 0..settings.nodes {
            let folder = folder.join(format!("node-{node}"));
            std::fs::create_dir_all(&folder)
                .map_err(|error| SystemError::failed("creating a node's folder", error))?;
            hosts.push(Host::new(folder));
        }
        let mut world = Self {
            workload,
            settings,
            system,
            network: Network::new(link, settings.nodes, settings.seed),
            hosts,
            queue: BinaryHeap::new(),
            sequence: 0,
            now: 0,
            next_op: 0,
            submitted: Vec::with_capacity(workload.steps.len()),
            watch,
            times,
            end_of_ops: 0,
            settling: false,
            down: None,
            bytes_before: 0,
            finished: Finished {
                nodes: Vec::new(),
                storages: Vec::new(),
                setup: setup.clone(),
                fates,
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
                visible: Vec::new(),
                settled: None,
                settling_bytes: 0,
            },
            setup,
        };
        world.end_of_ops = world.times.last().map_or(0, |last| START + last);
        Ok(world)
    }

    fn schedule_faults(&mut self) {
        let Settings { faults, fsync, .. } = *self.settings;
        let start = self.end_of_ops - outage(self.settings, self.end_of_ops);
        if faults.partition {
            self.schedule(start, Event::Cut);
        }
        if faults.crash {
            // Whatever was written before this moment is durable by the time of the crash.
            self.schedule(start.saturating_sub(20 * fsync), Event::PrepareCrash);
            self.schedule(start, Event::Crash);
        }
        self.schedule(self.end_of_ops, Event::EndFaults);
    }

    fn schedule(&mut self, time: Micros, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse(Scheduled {
            time,
            sequence: self.sequence,
            event,
        }));
    }

    fn start(&mut self, node: NodeId) -> Result<(), SystemError> {
        let opened = self
            .system
            .open(&self.setup, node, &self.hosts[node].storage)?;
        self.hosts[node].node = Some(opened);
        self.call(node, |node, now, out| node.wake(now, out))
    }

    /// Calls a node, times the call, and carries out what the node asks for. A node that is down
    /// is not called.
    fn call(
        &mut self,
        node: NodeId,
        call: impl FnOnce(&mut dyn Node, Micros, &mut Out) -> Result<(), SystemError>,
    ) -> Result<(), SystemError> {
        let Some(called) = &mut self.hosts[node].node else {
            return Ok(());
        };
        let mut out = Out::default();
        // The CPU time of all threads, because a system may start its own, as sqlx does.
        let before = ProcessTime::now();
        call(called.as_mut(), self.now, &mut out)?;
        self.finished.total_cpu += before.elapsed().as_nanos() as f64;
        self.carry_out(node, out)?;
        if self.watch.is_idle() {
            return Ok(());
        }
        let (workload, hosts) = (self.workload, &self.hosts);
        self.watch.look(workload, hosts, node, self.now)
    }

    fn carry_out(&mut self, node: NodeId, out: Out) -> Result<(), SystemError> {
        for persist in out.persisted {
            self.finished.disk_written += persist.bytes;
            self.hosts[node].write(persist)?;
        }
        self.sync(node);
        for (to, bytes) in out.sent {
            self.send(node, to, bytes)?;
        }
        for id in out.acknowledged {
            if !self.hosts[node].open.remove(&id) {
                return Err(SystemError::UnexpectedAck { node, op: id });
            }
            let place = self.submitted[id as usize];
            let at = self.finished.submissions[place].1;
            self.finished.fates[place] = Fate::Acknowledged(self.now - at);
        }
        self.finished.conflicts.extend(out.conflicts);
        if let Some(at) = out.wake {
            let at = at.max(self.now + 1);
            let host = &mut self.hosts[node];
            if host.wake.is_none_or(|before| at < before) {
                host.wake = Some(at);
                let life = host.life;
                self.schedule(at, Event::Wake(node, life));
            }
        }
        Ok(())
    }

    /// Starts an fsync for everything that waits, unless one is running.
    fn sync(&mut self, node: NodeId) {
        let Some(bytes) = self.hosts[node].start_sync() else {
            return;
        };
        let writing = bytes.saturating_mul(1_000_000) / self.settings.disk_bandwidth.max(1);
        self.finished.fsyncs += 1;
        self.schedule(
            self.now + self.settings.fsync + writing,
            Event::Synced(node, self.hosts[node].life),
        );
    }

    fn send(&mut self, from: NodeId, to: NodeId, bytes: Arc<[u8]>) -> Result<(), SystemError> {
        if to >= self.hosts.len() || to == from {
            return Err(SystemError::BadDestination { from, to });
        }
        let wire = wire_bytes(bytes.len() as u64);
        self.finished.messages += 1;
        self.finished.payload_bytes += bytes.len() as u64;
        self.finished.wire_bytes += wire;
        let arrivals = self.network.send(self.now, from, to, wire);
        for time in arrivals.into_iter().flatten() {
            let bytes = Arc::clone(&bytes);
            self.schedule(time, Event::Deliver { from, to, bytes });
        }
        Ok(())
    }

    fn play(&mut self) -> Result<(), SystemError> {
        loop {
            let next_op = self.times.get(self.next_op).map(|time| START + time);
            let next_event = self.queue.peek().map(|Reverse(next)| next.time);
            match (next_op, next_event) {
                (Some(op), event) if event.is_none_or(|event| op <= event) => {
                    self.now = op;
                    self.arrive();
                }
                _ => {
                    let Some(Reverse(next)) = self.queue.pop() else {
                        return Ok(());
                    };
                    self.now = next.time;
                    if matches!(next.event, Event::CheckConverged) {
                        if self.check_converged() {
                            return Ok(());
                        }
                    } else {
                        self.handle(next.event)?;
                    }
                }
            }
        }
    }

    /// A client's operation arrives at its node.
    fn arrive(&mut self) {
        let place = self.next_op;
        self.next_op += 1;
        if self.finished.fates[place] == Fate::LeftOut {
            return;
        }
        let mut node = self.workload.steps[place].node as usize % self.hosts.len();
        if self.down == Some(node) {
            node = (node + 1) % self.hosts.len();
        }
        self.finished.submissions[place] = (node, self.now);
        let pending = &mut self.hosts[node].pending;
        pending.push(place);
        if pending.len() == 1 {
            self.schedule(self.now + self.settings.batch, Event::Submit(node));
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), SystemError> {
        match event {
            Event::Submit(node) => self.submit(node),
            Event::Deliver { from, to, bytes } => {
                if self.network.is_cut(from, to) {
                    return Ok(());
                }
                self.call(to, |node, now, out| node.receive(now, from, &bytes, out))
            }
            Event::Wake(node, life) => {
                let host = &mut self.hosts[node];
                if host.life != life || host.wake != Some(self.now) {
                    return Ok(());
                }
                host.wake = None;
                self.call(node, |node, now, out| node.wake(now, out))
            }
            Event::Synced(node, life) if self.hosts[node].life == life => {
                for ticket in self.hosts[node].finish_sync() {
                    self.call(node, |node, now, out| node.stored(now, ticket, out))?;
                }
                self.sync(node);
                Ok(())
            }
            Event::Synced(..) => Ok(()),
            Event::Cut => {
                let node = self.settings.partitioned_node();
                self.network.isolate(node, true);
                self.announce(node, false);
                Ok(())
            }
            Event::PrepareCrash => self.hosts[self.settings.crashed_node()].prepare_crash(),
            Event::Crash => {
                let node = self.settings.crashed_node();
                self.down = Some(node);
                self.crash(node)?;
                self.announce(node, false);
                Ok(())
            }
            Event::EndFaults => self.end_faults(),
            Event::Link { at, peer, up } => {
                let is_up = !self.network.is_cut(at, peer) && self.hosts[peer].node.is_some();
                if is_up != up {
                    return Ok(());
                }
                self.call(at, |node, now, out| node.link(now, peer, up, out))
            }
            Event::CheckConverged => Ok(()),
        }
    }

    /// Records convergence, or schedules another check. Returns whether the run is over.
    fn check_converged(&mut self) -> bool {
        if self.is_converged() {
            self.finished.converged = true;
            self.finished.settled = Some(self.now - self.end_of_ops);
            self.finished.settling_bytes = self.finished.wire_bytes - self.bytes_before;
            return true;
        }
        if self.now > self.end_of_ops + self.settings.patience {
            return true;
        }
        self.check_later();
        false
    }

    fn submit(&mut self, node: NodeId) -> Result<(), SystemError> {
        let places = std::mem::take(&mut self.hosts[node].pending);
        if places.is_empty() {
            return Ok(());
        }
        let first = self.submitted.len();
        self.submitted.extend(&places);
        let ids = first as OpId..self.submitted.len() as OpId;
        self.hosts[node].open.extend(ids.clone());
        let workload = self.workload;
        let submissions = &self.finished.submissions;
        let since = places.iter().map(|&place| (place, submissions[place].1));
        self.watch.submit(workload, &self.hosts, self.now, since)?;
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
        let before = self.finished.total_cpu;
        self.call(node, |node, now, out| node.submit(now, &ops, out))?;
        let share = (self.finished.total_cpu - before) / ops.len() as f64;
        self.finished.submit_cpu.extend(ops.iter().map(|_| share));
        Ok(())
    }

    /// Tells both ends of every link of a node that it is up or down, when their transports notice.
    fn announce(&mut self, node: NodeId, up: bool) {
        let delay = if up {
            2 * self.settings.link.latency
        } else {
            self.settings.notice
        };
        for peer in (0..self.hosts.len()).filter(|&peer| peer != node) {
            for (at, peer) in [(node, peer), (peer, node)] {
                self.schedule(self.now + delay, Event::Link { at, peer, up });
            }
        }
    }

    /// Cuts a node's power. Its clients submit to the next node what they have not submitted yet.
    fn crash(&mut self, node: NodeId) -> Result<(), SystemError> {
        for id in self.hosts[node].crash()? {
            self.finished.fates[self.submitted[id as usize]] = Fate::Uncertain;
        }
        let waiting = std::mem::take(&mut self.hosts[node].pending);
        let next = (node + 1) % self.hosts.len();
        for &place in &waiting {
            self.finished.submissions[place].0 = next;
        }
        if !waiting.is_empty() {
            let pending = &mut self.hosts[next].pending;
            let first = pending.is_empty();
            pending.extend(waiting);
            pending.sort_unstable();
            if first {
                self.schedule(self.now + self.settings.batch, Event::Submit(next));
            }
        }
        Ok(())
    }

    /// Ends all faults. From here on the run waits for the nodes to converge.
    fn end_faults(&mut self) -> Result<(), SystemError> {
        self.settling = true;
        self.bytes_before = self.finished.wire_bytes;
        self.network.end_faults();
        if self.settings.faults.partition {
            let node = self.settings.partitioned_node();
            self.network.isolate(node, false);
            self.announce(node, true);
        }
        if let Some(node) = self.down.take() {
            self.start(node)?;
            self.announce(node, true);
        }
        self.check_later();
        Ok(())
    }

    fn check_later(&mut self) {
        let interval = (self.settings.link.latency / 10).max(100);
        self.schedule(self.now + interval, Event::CheckConverged);
    }

    /// Whether every operation is acknowledged and all nodes report the same progress.
    fn is_converged(&self) -> bool {
        let is_idle = |host: &Host| host.open.is_empty() && host.pending.is_empty();
        if !self.settling || !self.hosts.iter().all(is_idle) {
            return false;
        }
        let mut progress = self
            .hosts
            .iter()
            .map(|host| host.node.as_ref().map(|node| node.progress()));
        let Some(Some(first)) = progress.next() else {
            return false;
        };
        progress.all(|other| other.as_ref() == Some(&first))
    }

    /// Whether the nodes still agree, if they did.
    fn is_as_converged(&self) -> bool {
        !self.finished.converged || self.is_converged()
    }

    /// Lets everything in flight arrive, so that the disks hold what the nodes know.
    fn finish(mut self) -> Result<Finished, SystemError> {
        for node in 0..self.hosts.len() {
            self.call(node, |node, now, out| node.finish(now, out))?;
        }
        let end = self.now + 10 * self.settings.link.latency + 20 * self.settings.fsync;
        while let Some(Reverse(next)) = self.queue.pop() {
            let mut nodes = self.hosts.iter().filter_map(|host| host.node.as_ref());
            let over = next.time > end + self.settings.patience;
            if next.time > end
                && (over || nodes.all(|node| node.is_at_rest()) && self.is_as_converged())
            {
                break;
            }
            self.now = next.time;
            self.handle(next.event)?;
        }
        for mut host in self.hosts {
            // No crash comes any more.
            host.drain();
            self.finished.nodes.extend(host.node);
            self.finished.storages.push(host.storage);
        }
        self.finished.visible = self.watch.end(self.now);
        Ok(self.finished)
    }
}

fn initial_fates(workload: &Workload, system: &dyn System) -> Vec<Fate> {
    let expressed: Vec<_> = workload
        .fields
        .iter()
        .map(|field| system.expresses(field).is_ok())
        .collect();
    let fate = |field: u16| match expressed[usize::from(field)] {
        true => Fate::Waiting,
        false => Fate::LeftOut,
    };
    workload.steps.iter().map(|step| fate(step.field)).collect()
}
