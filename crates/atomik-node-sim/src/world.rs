//! The simulated world: nodes on disks and a network, and how a node starts and ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atomik_net::channel::{ChannelNetwork, ChannelOptions};
use atomik_node::faults::Faults;
use atomik_node::node::{Node, Parts, hand_in, load};
use atomik_node::replica::{Config, Layout, Shape, Trust, Value};
use atomik_node::settings::Limits;
use atomik_node::{AnyEngine, Handle, Link, NodeError};

use crate::administrator::{Administrator, KEYSPACE};
use crate::changes::{Changes, Values};
use crate::draw::Draw;
use crate::failure::{Check, Violation, ensure};
use crate::log::Log;
use crate::report::Report;
use crate::schedule::{SLOTS, Schedule};
use crate::slot::{Slot, Standing};

/// Fields of values: one that xors, one that adds.
const LAYOUT: &str = "xor:64,add:64";

/// Everything.
pub(crate) struct World {
    pub(crate) schedule: Schedule,
    pub(crate) draw: Draw,
    pub(crate) network: ChannelNetwork,
    pub(crate) slots: Vec<Slot>,
    pub(crate) administrator: Administrator,
    pub(crate) changes: Arc<Mutex<Changes>>,
    pub(crate) report: Report,
    pub(crate) log: Log,
    shape: Shape,
}

impl World {
    pub(crate) fn new(schedule: Schedule, wants_log: bool) -> Check<Self> {
        let seed = schedule.seed;
        let mut draw = Draw::new(seed, 2);
        let options = ChannelOptions {
            seed,
            ..ChannelOptions::default()
        };
        let network = ChannelNetwork::new(&options);
        let network = network.map_err(|error| Violation::new("a network", error))?;
        network.record();
        let layout: Layout = LAYOUT
            .parse()
            .map_err(|error| Violation::new("a layout", error))?;
        let slots: Check<Vec<Slot>> = (0..SLOTS).map(|n| Slot::new(n, &mut draw)).collect();
        let mut slots = slots?;
        for slot in slots.iter_mut().take(schedule.founders) {
            slot.standing = Standing::Member;
        }
        let founders = slots.iter().take(schedule.founders);
        let founders = founders.map(|slot| (slot.key(), slot.name.clone()));
        let administrator = Administrator::new(founders, &mut draw)?;
        Ok(Self {
            schedule,
            draw,
            network,
            slots,
            administrator,
            changes: Arc::default(),
            report: Report::default(),
            log: Log::new(wants_log),
            shape: Shape::from(layout),
        })
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(crate) fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an event, after the messages so far.
    pub(crate) fn event(&mut self, text: &str) {
        let messages = self.network.recorded();
        self.report.messages += messages.len() as u64;
        self.log.messages(&messages);
        self.log.event(text);
    }

    /// The handle of a running node.
    pub(crate) fn handle(&self, n: usize) -> Option<Handle> {
        self.slots[n].node.as_ref().map(Node::handle)
    }

    fn config(&mut self, n: usize) -> Config {
        let founders = &self.slots[..self.schedule.founders];
        let allowed = founders.iter().filter_map(|slot| slot.keys.first());
        let allowed = allowed.map(|key| key.verifying_key().to_bytes()).collect();
        let slot = &self.slots[n];
        let key = Box::new(slot.keys[slot.configured].clone());
        let trust = Trust::Signed { key, allowed };
        let secret = [9; 32];
        let incarnation = self.draw.bytes();
        let mut config = Config::new(KEYSPACE, 2, secret, trust, incarnation);
        config.shape = self.shape.clone();
        config.administrator = Some(self.administrator.key());
        config.former_keys = slot.keys[..slot.configured].to_vec();
        config
    }

    /// Starts a node that is down.
    pub(crate) fn start(&mut self, n: usize) -> Check {
        let config = self.config(n);
        let pace = Draw::new(self.draw.word(), 3);
        let slot = &mut self.slots[n];
        let (store, pace) = slot.disk.open(pace).map_err(refused(n))?;
        let mut replica = load(config, &store).map_err(refused(n))?;
        if let Some(roster) = &slot.invited {
            hand_in(&mut replica, roster).map_err(refused(n))?;
        }
        let peer = replica.origin().0;
        let engine = self.network.join(peer).map_err(refused(n))?;
        slot.peer = Some(peer);
        let faults = Faults {
            seed: self.draw.word(),
            reorder: 0.1,
            delay: self.schedule.delay,
            ..Faults::default()
        };
        let link = Link::new(AnyEngine::Channel(engine), Some(faults));
        let mut parts = Parts::new(replica, store, link);
        parts.sync_interval = self.schedule.sync_interval;
        if self.schedule.narrow {
            parts.limits = Limits {
                unflushed_keys: 4,
                waiting_changes: 6,
                ..Limits::default()
            };
        }
        parts.seed = Some(self.draw.bytes());
        parts.pace = Some(Box::new(pace));
        slot.node = Some(Node::start(parts).map_err(refused(n))?);
        self.report.starts += 1;
        let key = self.slots[n].configured;
        self.event(&format!("node {n} starts, with key {key}"));
        Ok(())
    }

    /// The longest time that a message is on its way.
    pub(crate) fn longest_delay(&self) -> Duration {
        Duration::from_millis(4 * self.schedule.delay + 21)
    }

    /// Takes note of nodes that have ended on their own.
    pub(crate) async fn sweep(&mut self) -> Check {
        for n in 0..SLOTS {
            let Some(handle) = self.handle(n) else {
                continue;
            };
            if handle.members().await.is_err() {
                self.stop(n).await?;
            }
        }
        Ok(())
    }

    /// Stops a node as SIGTERM does; it may have ended already because storage failed.
    pub(crate) async fn stop(&mut self, n: usize) -> Check {
        let Some(node) = self.slots[n].node.take() else {
            return Ok(());
        };
        let ended = node.stop().await;
        self.event(&format!("node {n} has stopped: {ended:?}"));
        let failed = self.slots[n].disk.errors() > 0;
        match ended {
            Ok(()) => ensure("a node that ends well has a good store", !failed, || {
                format!("node {n}")
            }),
            Err(NodeError::Store(_)) if failed => {
                self.after_storage_error(n);
                Ok(())
            }
            Err(error) => {
                let detail = format!("node {n}: {error}");
                Err(Violation::new("only storage ends a node", detail))
            }
        }
    }

    /// What the next start finds on a disk that failed.
    fn after_storage_error(&mut self, n: usize) {
        self.report.storage_errors += 1;
        let (kind, seed) = (self.draw.below(3), self.draw.below(12));
        if kind == 0 {
            self.slots[n].disk = self.slots[n].disk.after_power_cut(seed, &mut self.draw);
        } else {
            self.slots[n].disk = self.slots[n].disk.killed(&mut self.draw);
        }
        if kind == 1 {
            self.slots[n].disk.evict(seed);
        }
        self.event(&format!(
            "the disk of node {n} is used again, {kind} {seed}"
        ));
        self.ended_badly(n);
    }

    /// Ends a node as a crash does, if it runs.
    pub(crate) async fn crash(&mut self, n: usize, power_cut: Option<u64>) {
        let Some(node) = self.slots[n].node.take() else {
            return;
        };
        let old = &self.slots[n].disk;
        self.report.in_commits += u64::from(old.is_in_commit());
        let disk = match power_cut {
            Some(seed) => {
                self.report.power_cuts += 1;
                old.after_power_cut(seed, &mut self.draw)
            }
            None => {
                self.report.kills += 1;
                old.killed(&mut self.draw)
            }
        };
        self.slots[n].disk = disk;
        node.kill().await;
        self.event(&format!("node {n} is gone, {power_cut:?}"));
        self.ended_badly(n);
    }

    /// A copy of the folder from before is no backup that may be restored, see
    /// `docs/replication.md`, limits of foldings. The same limits say that what a member has not
    /// signed is lost if it gets another key before it runs again.
    fn ended_badly(&mut self, n: usize) {
        self.slots[n].backup = None;
        if self.slots[n].is_rotating {
            self.is_lossy(n);
        }
    }

    /// From now on until everything comes to rest, what a node acknowledges may be lost.
    pub(crate) fn is_lossy(&mut self, n: usize) {
        self.slots[n].is_lossy = true;
        self.slots[n].has_all = false;
        self.changes().lose(n);
    }

    /// The values of a node.
    pub(crate) async fn values(&self, handle: &Handle) -> Option<Values> {
        let mut values = Values::new();
        let keys = self.changes().keys();
        for key in keys {
            let value: Value = handle.state(&key).await.ok()?;
            values.insert(key, value);
        }
        Some(values)
    }
}

fn refused<E: ToString>(n: usize) -> impl FnOnce(E) -> Violation {
    move |error| Violation::new("a node starts", format!("node {n}: {}", error.to_string()))
}
