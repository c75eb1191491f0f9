//! Orders of the administrator, and who gets them.

use std::sync::atomic::Ordering;

use atomik_node::Change;
use atomik_node::replica::{Roster, RosterError};
use ed25519_dalek::SigningKey;

use crate::failure::Check;
use crate::schedule::SLOTS;
use crate::slot::{Slot, Standing};
use crate::world::World;

impl World {
    /// The running member that gets an order: one after another.
    fn recipient(&mut self) -> Option<usize> {
        let first = self.draw.below(SLOTS as u64) as usize;
        let mut all = (0..SLOTS).map(|n| (first + n) % SLOTS);
        all.find(|&n| self.slots[n].is_listed() && self.slots[n].node.is_some())
    }

    /// Hands the newest list to a member, unless one has it.
    pub(crate) fn hand_over_list(&mut self) {
        if self.administrator.is_taken() {
            return;
        }
        let Some(to) = self.recipient() else {
            return;
        };
        let Some(handle) = self.handle(to) else {
            return;
        };
        let list = &self.administrator.list;
        let (number, bytes) = (list.number(), list.encode());
        self.event(&format!("node {to} gets list {number}"));
        let taken = self.administrator.taken();
        tokio::spawn(async move {
            if handle.change(Change::Roster(bytes)).await.is_ok() {
                taken.store(true, Ordering::Relaxed);
            }
        });
    }

    /// Whether the administrator can make another list: the one before has arrived.
    fn can_order(&mut self) -> bool {
        self.hand_over_list();
        self.administrator.is_taken() && !self.administrator.is_retiring
    }

    fn order(&mut self, next: Result<Roster, RosterError>) -> Check {
        let shape = self.shape().clone();
        self.administrator.sign(next, &shape)?;
        self.hand_over_list();
        Ok(())
    }

    /// How many members have not retired.
    fn active(&self) -> usize {
        let active = |slot: &&Slot| slot.standing == Standing::Member;
        self.slots.iter().filter(active).count()
    }

    pub(crate) fn invite(&mut self, n: usize) -> Check {
        if self.slots[n].standing != Standing::Unknown || !self.can_order() {
            return Ok(());
        }
        let (key, name) = (self.slots[n].key(), self.slots[n].name.clone());
        self.order(self.administrator.list.add(key, &name))?;
        self.slots[n].standing = Standing::Member;
        self.slots[n].invited = Some(self.administrator.list.clone());
        self.report.invitations += 1;
        self.start(n)
    }

    pub(crate) fn remove(&mut self, n: usize) -> Check {
        let is_last = self.slots[n].standing == Standing::Member && self.active() <= 2;
        if !self.slots[n].is_listed() || is_last || !self.can_order() {
            return Ok(());
        }
        let key = self.slots[n].key();
        self.order(self.administrator.list.remove(&key))?;
        self.slots[n].standing = Standing::Removed;
        self.is_lossy(n);
        self.report.removals += 1;
        self.event(&format!("node {n} is no member any more"));
        Ok(())
    }

    pub(crate) fn readmit(&mut self, n: usize) -> Check {
        if self.slots[n].standing != Standing::Removed || !self.can_order() {
            return Ok(());
        }
        let (key, name) = (self.slots[n].key(), self.slots[n].name.clone());
        self.order(self.administrator.list.add(key, &name))?;
        self.slots[n].standing = Standing::Member;
        // See limits of foldings: such a copy must not be restored.
        self.slots[n].backup = None;
        self.is_lossy(n);
        self.report.readmissions += 1;
        self.event(&format!("node {n} is a member again"));
        Ok(())
    }

    pub(crate) fn rotate(&mut self, n: usize) -> Check {
        if self.slots[n].standing != Standing::Member || !self.can_order() {
            return Ok(());
        }
        let old = self.slots[n].key();
        let new = SigningKey::from_bytes(&self.draw.bytes());
        self.slots[n].keys.push(new);
        let key = self.slots[n].key();
        self.order(self.administrator.list.rotate(&old, key))?;
        self.slots[n].is_rotating = true;
        self.slots[n].backup = None;
        if self.slots[n].node.is_none() {
            self.is_lossy(n);
        }
        self.report.rotations += 1;
        self.event(&format!("node {n} has another key"));
        Ok(())
    }

    /// Retires a node, when everything is at rest.
    pub(crate) async fn retire(&mut self, n: usize) -> Check {
        let is_last = self.active() <= 2;
        if self.slots[n].standing != Standing::Member || is_last || self.schedule.founders < 3 {
            return Ok(());
        }
        self.calm().await?;
        let Some(handle) = self.handle(n) else {
            return Ok(());
        };
        self.event(&format!("node {n} retires"));
        tokio::spawn(async move { handle.change(Change::Retire).await });
        self.slots[n].standing = Standing::Retired;
        self.slots[n].backup = None;
        self.administrator.is_retiring = true;
        self.report.retirements += 1;
        Ok(())
    }
}
