//! The lists of members that the administrator has made, and who stays.

use std::collections::BTreeSet;

use atomik_replica::{Author, PublicKey, Replica, Roster};

use crate::setup::Setup;
use crate::step::Order;

/// The lists of members, and who stays.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// By number.
    lists: Vec<Roster>,
    /// Whether lists are made during the run.
    orders: bool,
    /// Whether a replica is on the newest list, by number.
    stay: Vec<bool>,
    /// Those that were removed, until they hold what the others decided without them.
    stale: BTreeSet<usize>,
    /// The most that any certificate covers.
    certified: Covered,
}

impl Members {
    pub(crate) fn new(lists: Vec<Roster>, setup: &Setup) -> Self {
        Self {
            lists,
            orders: setup.orders,
            stay: vec![true; setup.replicas],
            stale: BTreeSet::new(),
            certified: Covered::default(),
        }
    }

    /// Takes note of a new list, made by an order about replica `m`.
    pub(crate) fn follow(&mut self, roster: Roster, stay: Vec<bool>, (m, order): (usize, Order)) {
        self.lists.push(roster);
        self.stay = stay;
        if order == Order::Remove {
            self.stale.insert(m);
        }
    }

    /// Whether no certificate covers more than that of a replica's base: then it is what was
    /// decided last, also if this replica alone is left to decide.
    pub(crate) fn is_decided(&self, replica: &Replica) -> bool {
        let covered = covered(replica);
        covered > Covered::default() && covered >= self.certified
    }

    /// Replica `n`, which knows the list with this number, holds a base that was decided without
    /// it, or since it is back. If it stays, it counts again.
    pub(crate) fn refresh(&mut self, n: usize, list: u64) {
        if self.stays(n) && list == self.newest().number() {
            self.stale.remove(&n);
        }
    }

    /// Whether lists are made during the run.
    pub(crate) fn change(&self) -> bool {
        self.orders
    }

    /// The list with this number.
    pub(crate) fn list(&self, number: u64) -> Option<&Roster> {
        self.lists.get(number as usize)
    }

    pub(crate) fn newest(&self) -> &Roster {
        &self.lists[self.lists.len() - 1]
    }

    /// Whether a replica is on the newest list.
    pub(crate) fn stays(&self, n: usize) -> bool {
        self.stay[n]
    }

    /// Whether a replica was removed, and does not hold yet what the others decided without it.
    pub(crate) fn is_stale(&self, n: usize) -> bool {
        self.stale.contains(&n)
    }

    /// Whether a life is over because its key was removed, or added again since.
    pub(crate) fn is_over(&self, author: Option<&Author>) -> bool {
        let Some(author) = author.filter(|_| self.orders) else {
            return false;
        };
        let listed = self.newest().get(&author.key);
        listed.is_none_or(|listed| added(author) < listed.since)
    }

    /// Whether a life may have begun under the list with this number.
    pub(crate) fn has_begun(&self, author: &Author, number: u64) -> bool {
        let mut lists = self.lists.iter().take(number as usize + 1);
        added(author) <= number && lists.any(|list| list.contains(&author.key))
    }

    /// Whether one that knows the list with this number does not know a key that another list has.
    pub(crate) fn may_lack(&self, number: u64, key: &PublicKey) -> bool {
        let known = self.lists.get(number as usize);
        known.is_some_and(|known| !known.contains(key))
            && self.lists.iter().any(|list| list.contains(key))
    }

    /// Takes note of the certificate of a replica's base.
    pub(crate) fn note(&mut self, replica: &Replica) {
        if self.orders {
            self.certified = self.certified.max(covered(replica));
        }
    }

    /// Whether none of these holds the base of a certificate that was made: it is lost, or with
    /// those that were removed.
    pub(crate) fn have_lost_base(&self, of: impl Iterator<Item = Covered>) -> bool {
        self.orders && of.max().is_none_or(|most| most < self.certified)
    }
}

/// What a certificate covers: its list, how many keys are closed by something else, and its round.
/// Of two that are made one after the other, the later covers more.
pub(crate) type Covered = (u64, usize, u64);

/// What the certificate of a replica's base covers.
pub(crate) fn covered(replica: &Replica) -> Covered {
    let certified = replica.certified();
    certified.map_or_else(Covered::default, |it| {
        (it.roster, it.closed.len(), it.round + 1)
    })
}

/// The number of the list that added a key, as its lives name it.
pub(crate) fn added(author: &Author) -> u64 {
    author.life() >> 32
}
