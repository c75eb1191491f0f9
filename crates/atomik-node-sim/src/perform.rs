//! Steps of a schedule.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use atomik_net::PeerId;
use atomik_net::channel::Faults;
use atomik_node::replica::Value;
use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use crate::changes::Wanted;
use crate::disk::Disk;
use crate::failure::{Check, Violation, ensure};
use crate::schedule::{SLOTS, Step};
use crate::slot::Standing;
use crate::world::World;

/// How long a folder is away before its copy takes its place: longer than any message is on its
/// way, see `docs/replication.md`, assumptions.
const AWAY: Duration = Duration::from_secs(2);

impl World {
    pub(crate) async fn perform(&mut self, step: Step) -> Check {
        self.event(&format!("{step:?}"));
        match step {
            Step::Change {
                slot,
                changes,
                marks,
            } => (0..changes).for_each(|_| self.submit(slot, marks, false)),
            Step::Put { slot } => self.submit(slot, 1, true),
            Step::Look { slot } => self.look(slot).await?,
            Step::Kill { slot } => self.crash(slot, None).await,
            Step::PowerCut { slot, seed } => self.crash(slot, Some(seed)).await,
            Step::Stop { slot } => self.stop(slot).await?,
            Step::Start { slot } => self.start_again(slot)?,
            Step::FailStorage { slot, how, seed } => {
                if self.slots[slot].node.is_some() {
                    self.slots[slot].disk.fail(how, seed);
                }
            }
            Step::Partition { sides } => self.partition(sides),
            Step::Cut { from, to } => {
                if let (Some(from), Some(to)) = (self.slots[from].peer, self.slots[to].peer) {
                    self.network.cut(from, to);
                }
            }
            Step::Heal => self.network.heal(),
            Step::Network { loss, dup, refusal } => self.network(loss, dup, refusal)?,
            Step::Invite { slot } => self.invite(slot)?,
            Step::Remove { slot } => self.remove(slot)?,
            Step::Readmit { slot } => self.readmit(slot)?,
            Step::Rotate { slot } => self.rotate(slot)?,
            Step::Retire { slot } => self.retire(slot).await?,
            Step::BackUp { slot } => self.back_up(slot).await?,
            Step::Restore { slot } => self.restore(slot).await?,
            Step::Calm => self.calm().await?,
        }
        Ok(())
    }

    fn submit(&mut self, n: usize, marks: usize, puts: bool) {
        let Some(handle) = self.handle(n) else {
            return;
        };
        let put = puts.then(|| Value::from_words(&[self.draw.word(), self.draw.word()]));
        let all = Arc::clone(&self.changes);
        let lock = all.lock();
        let mut changes = lock.unwrap_or_else(PoisonError::into_inner);
        let (number, change) = changes.submit(n, marks, put, &mut self.draw);
        if self.slots[n].is_lossy {
            changes.lose(n);
        }
        drop(changes);
        let all = Arc::clone(&self.changes);
        tokio::spawn(async move {
            let answer = handle.change(change).await;
            let mut changes = all.lock().unwrap_or_else(PoisonError::into_inner);
            changes.answer(number, &answer);
        });
    }

    /// Starts a node that is down and has been a member. One with a new key may still have the old
    /// one in its configuration.
    fn start_again(&mut self, n: usize) -> Check {
        let slot = &mut self.slots[n];
        if slot.node.is_some() || slot.standing == Standing::Unknown {
            return Ok(());
        }
        if self.draw.percent(70) {
            slot.configured = slot.keys.len() - 1;
        }
        self.start(n)
    }

    fn partition(&mut self, sides: u64) {
        let side = |bit: u64| -> Vec<PeerId> {
            let there = (0..SLOTS).filter(|n| sides >> n & 1 == bit);
            there.filter_map(|n| self.slots[n].peer).collect()
        };
        self.network.partition(&[&side(0), &side(1)]);
    }

    pub(crate) fn network(&mut self, loss: u64, dup: u64, refusal: u64) -> Check {
        let chance = |percent: u64| percent as f64 / 100.0;
        let set = self.network.set_faults(Faults {
            loss: chance(loss),
            duplication: chance(dup),
            refusal: chance(refusal),
            reorder: 0.0,
        });
        set.map_err(|error| Violation::new("faults of the network", error))
    }

    async fn back_up(&mut self, n: usize) -> Check {
        if self.slots[n].node.is_none() || self.slots[n].standing != Standing::Member {
            return Ok(());
        }
        self.stop(n).await?;
        // Storage may have failed at the stop.
        if self.slots[n].disk.errors() == 0 && !self.slots[n].is_lossy {
            self.slots[n].backup = Some(self.slots[n].disk.image());
        }
        self.start_again(n)
    }

    async fn restore(&mut self, n: usize) -> Check {
        let Some(image) = self.slots[n].backup.clone() else {
            return Ok(());
        };
        if self.slots[n].standing != Standing::Member {
            return Ok(());
        }
        self.stop(n).await?;
        if self.slots[n].backup.is_none() {
            // Storage failed at the stop.
            return Ok(());
        }
        self.slots[n].disk = Disk::restored(&image);
        self.is_lossy(n);
        self.report.restores += 1;
        self.event(&format!("the folder of node {n} is replaced by its copy"));
        sleep(AWAY).await;
        self.start_again(n)
    }

    /// Asks a node for its status and its values, and checks both.
    async fn look(&mut self, n: usize) -> Check {
        let Some(handle) = self.handle(n) else {
            return Ok(());
        };
        let now = Instant::now();
        let (Ok(members), Ok(status)) = (handle.members().await, handle.status().await) else {
            return Ok(());
        };
        let Some(values) = self.values(&handle).await else {
            return Ok(());
        };
        // What arrives while it answers may be in memory alone.
        let is_durable = match handle.status().await {
            Ok(status) => status["dirty"] == false,
            Err(_) => false,
        };
        self.report.looks += 1;
        self.check_status(n, &status)?;
        let mut changes = self.changes();
        changes.check(n, &values, Wanted::AllOf(n))?;
        if self.slots[n].has_all {
            changes.check(n, &values, Wanted::Everywhere)?;
        }
        let mut in_sync = 0;
        for (other, since) in self.in_sync(&members) {
            in_sync += 1;
            ensure(
                "members in sync agreed lately",
                since <= self.lately(),
                || format!("node {n} and node {other}, {since:?} ago"),
            )?;
            let agreed = now - since - self.longest_delay();
            changes.check(n, &values, Wanted::Earlier(other, agreed))?;
            if is_durable && !self.slots[n].is_lossy {
                changes.hold(n, other, agreed);
            }
        }
        drop(changes);
        self.report.in_sync += in_sync;
        self.event(&format!("node {n} has digest {}", status["digest"]));
        Ok(())
    }

    /// The longest time for which an agreement counts, see `docs/node.md`.
    fn lately(&self) -> Duration {
        let peers = SLOTS as u32;
        (2 * peers + 2) * self.schedule.sync_interval.max(Duration::from_secs(1))
    }

    /// The slots that this report calls in sync, with the time since they agreed.
    fn in_sync(&self, members: &Json) -> Vec<(usize, Duration)> {
        let listed = members["members"].as_array().into_iter().flatten();
        let agreed = listed.filter_map(|member| {
            let is_named = |n: &usize| self.slots[*n].name == member["name"].as_str().unwrap_or("");
            let slot = (0..SLOTS).find(is_named)?;
            let since = Duration::from_secs_f64(member["in_sync_s"].as_f64()?);
            (member["in_sync"] == true).then_some((slot, since))
        });
        agreed.collect()
    }

    /// Checks what must hold of a status at any time.
    pub(crate) fn check_status(&self, n: usize, status: &Json) -> Check {
        let origins = status["origins"].as_array().into_iter().flatten();
        let convicted = origins
            .filter(|origin| origin["quarantined"] == true)
            .count();
        ensure("nobody is convicted", convicted == 0, || {
            format!("node {n}: {}", status["origins"])
        })?;
        let slot = &self.slots[n];
        let is_current = slot.configured + 1 == slot.keys.len();
        let active = slot.standing == Standing::Member && is_current && !slot.is_lossy;
        let stopped = &status["stopped"];
        // It may not have heard of the newest list yet.
        let may_be_off = slot.invited.is_some() || slot.is_rotating;
        ensure(
            "a member accepts changes",
            stopped.is_null() || !active || may_be_off,
            || format!("node {n}: {stopped}"),
        )
    }
}
