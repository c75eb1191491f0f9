//! Orders of the administrator, and who talks to whom in consequence.

use atomik_replica::{Event as Input, PublicKey};

use super::members::{Administrator, later_key, sign};
use super::world::{World, peer};
use crate::step::{Memory, Operation, Order};
use crate::violation::{Check, ensure};

/// Rounds in which those that were removed try to hand the others something.
const RETURN_ROUNDS: u64 = 6;

impl World<'_> {
    /// Whether the newest list has the newest key of a replica.
    pub(crate) fn stays(&self, n: usize) -> bool {
        let administrator = &self.administrator;
        let key = later_key(self.setup, n, administrator.former[n]);
        !self.setup.orders || administrator.roster.contains(&key)
    }

    /// The key with which a replica runs, or ran last.
    fn running_key(&self, n: usize) -> PublicKey {
        later_key(self.setup, n, self.hosts[n].former)
    }

    /// Whether replica `n` accepts messages from the holder of a key.
    pub(crate) fn accepts(&self, n: usize, key: &PublicKey) -> bool {
        let replica = self.hosts[n].replica.as_ref();
        !self.setup.orders
            || self.open
            || replica.is_none_or(|replica| replica.roster().contains(key))
    }

    /// As [`World::accepts`], of the key that another replica has after so many others.
    pub(crate) fn accepts_former(&self, n: usize, from: usize, former: u64) -> bool {
        !self.setup.orders || self.accepts(n, &later_key(self.setup, from, former))
    }

    /// Whether two replicas can have a session.
    pub(crate) fn are_linked(&self, a: usize, b: usize) -> bool {
        !self.setup.orders
            || self.accepts(a, &self.running_key(b)) && self.accepts(b, &self.running_key(a))
    }

    /// Performs an order, at replica `n` or the next one that is up and on the list.
    pub(crate) fn order(&mut self, n: usize, m: usize, order: Order) -> Check {
        let count = self.hosts.len();
        let mut candidates = (n..n + count).map(|n| n % count);
        let Some(n) = candidates.find(|&n| self.is_up(n) && self.stays(n)) else {
            return Ok(());
        };
        let Administrator { roster, former } = &self.administrator;
        let key = later_key(self.setup, m, former[m]);
        let is_listed = roster.contains(&key);
        let next = match order {
            Order::Remove if is_listed && roster.members().len() > 1 => roster.remove(&key),
            Order::Add if !is_listed => roster.add(key, &format!("r{m}")),
            Order::Rotate if is_listed => {
                roster.rotate(&key, later_key(self.setup, m, former[m] + 1))
            }
            _ => return Ok(()),
        };
        let roster = sign(self.setup, next)?;
        let counts = &mut self.report;
        match order {
            Order::Remove => counts.removals += 1,
            Order::Add => counts.returns += 1,
            Order::Rotate => {
                counts.rotations += 1;
                self.administrator.former[m] += 1;
            }
        }
        self.administrator.roster = roster.clone();
        self.narrate(|_| format!("list {} is handed to r{n}", roster.number()));
        let stay = (0..count).map(|n| self.stays(n)).collect();
        let disks = self.disks();
        self.oracle.ordered(roster, stay, (m, order), &disks);
        self.hand(n)
    }

    /// Hands replica `n` the newest list.
    fn hand(&mut self, n: usize) -> Check {
        let roster = self.administrator.roster.encode();
        let (result, reaction) = self.feed(n, Input::Roster(&roster))?;
        ensure(result.is_ok(), "a list of members is accepted", || {
            format!("r{n}: {result:?}")
        })?;
        self.settle(n, reaction, true)
    }

    /// Hands the newest list to one of those that stay if none has it, and to each that cannot hear
    /// of it: two of which one is not on the list of the other do not talk.
    pub(crate) fn hand_out(&mut self) -> Check {
        let newest = self.administrator.roster.number();
        if newest == 0 {
            return Ok(());
        }
        let parties = self.honest().filter(|n| self.is_up(*n));
        let (mut know, mut wait): (Vec<usize>, Vec<usize>) = parties.partition(|&n| {
            let replica = self.hosts[n].replica.as_ref();
            replica.is_some_and(|replica| replica.roster().number() == newest)
        });
        while !wait.is_empty() {
            let next = wait.iter().position(|&n| {
                let mut know = know.iter();
                know.any(|&m| self.are_linked(n, m))
            });
            let n = wait.remove(next.unwrap_or(0));
            if next.is_none() {
                self.hand(n)?;
            }
            know.push(n);
        }
        Ok(())
    }

    /// Begins and ends sessions of replica `n` if its list has changed.
    pub(crate) fn relink(&mut self, n: usize) -> Check {
        let number = |world: &Self| {
            let replica = world.hosts[n].replica.as_ref();
            replica.map(|replica| replica.roster().number())
        };
        let Some(list) = number(self).filter(|list| *list != self.hosts[n].list) else {
            return Ok(());
        };
        self.hosts[n].list = list;
        for m in (0..self.hosts.len()).filter(|&m| m != n) {
            let linked = self.are_linked(n, m);
            for (of, whom) in [(n, m), (m, n)] {
                let knows = self.hosts[of].up.contains(&peer(whom));
                if !self.is_up(of) || knows == linked {
                    continue;
                }
                let (peer, key) = (peer(whom), None);
                if !linked {
                    self.handle(of, Input::PeerDown(peer))?;
                } else if self.is_up(whom) {
                    self.handle(of, Input::PeerUp { peer, key })?;
                }
            }
        }
        Ok(())
    }

    /// Those that were removed start again, change something if they may, and reach everybody. The
    /// others must take nothing of it.
    pub(crate) fn readmit_nobody(&mut self) -> Check {
        let all = 0..self.hosts.len();
        let (stay, gone): (Vec<_>, Vec<_>) = all.clone().partition(|n| self.stays(*n));
        // What is not folded may be taken, until members are told that it is too late.
        if gone.is_empty() || !self.oracle.folds() {
            return Ok(());
        }
        self.narrate(|_| "those that were removed return".to_owned());
        let before = self.oracle.departed(&stay);
        self.open = true;
        for &n in &gone {
            self.start(n, Memory::Kept)?;
            for operation in [Operation::Toggle(0), Operation::Put([5, 0, 0])] {
                self.operate(n, &[(0, operation)])?;
            }
        }
        for n in all.clone() {
            for other in all.clone().filter(|&other| other != n) {
                let (peer, key) = (peer(other), None);
                self.handle(n, Input::PeerUp { peer, key })?;
            }
        }
        for round in 0..RETURN_ROUNDS {
            self.tick_everywhere(round)?;
        }
        self.drain(u64::MAX)?;
        let after = self.oracle.departed(&stay);
        ensure(
            before == after,
            "what a removed member has handed to nobody is taken by nobody",
            || format!("{before:?}, then {after:?}"),
        )
    }
}
