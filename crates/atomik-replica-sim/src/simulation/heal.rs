//! The end of a run: every fault stops, and the replicas must converge and come to rest.

use std::collections::BTreeSet;

use atomik_replica::{Action, Event as Input, LocalOp, Op, OriginId, Replica, Value};

use super::restart::config;
use super::world::{World, peer};
use crate::oracle::Versions;
use crate::step::Memory;
use crate::violation::{Check, ensure};

/// Virtual time between two rounds of ticks.
const ROUND: u64 = 50;

/// Rounds in which a replica may hold back, after a restart, what it had previewed before: four
/// ticks with reachable peers, and the flush of what is then released.
const MOST_HELD: u64 = 5;

impl World<'_> {
    /// Starts every replica, makes the network perfect, and lets time pass until all are equal.
    pub(crate) fn heal(&mut self) -> Check {
        self.narrate(|_| "all faults stop; healing begins".to_owned());
        self.network.heal();
        for host in &mut self.hosts {
            host.errors = (0, false);
        }
        for (n, life, stored) in self.queue.take_storage_errors() {
            self.fail_storage(n, life, stored)?;
        }
        for n in self.honest() {
            // What runs with another key than its newest is stopped, as is what was removed.
            let newest = self.hosts[n].former == self.administrator.former(n);
            if self.is_up(n) && !(newest && self.stays(n)) {
                self.crash(n, true)?;
            }
            if self.stays(n) {
                self.start(n, Memory::Kept)?;
            }
        }
        self.start_liar();
        self.end_imitations();
        let replicas = 0..self.hosts.len();
        if self.setup.sessions {
            self.restore_sessions()?;
        } else {
            for n in replicas.clone() {
                for other in replicas.clone().filter(|&other| other != n) {
                    let (peer, key) = (peer(other), None);
                    let both = [n, other].iter().all(|n| self.takes_part(*n));
                    if both && self.are_linked(n, other) {
                        self.handle(n, Input::PeerUp { peer, key })?;
                    }
                }
            }
        }
        self.admit(0)?;
        let wanted = self.converge()?;
        self.check_end(&wanted)?;
        self.readmit_nobody()
    }

    /// Whether a replica is up, or dishonest.
    fn takes_part(&self, n: usize) -> bool {
        self.is_up(n) || self.setup.liar() == Some(n)
    }

    /// Ticks until all replicas have been equal and at rest for two rounds. Returns the versions
    /// that they hold.
    fn converge(&mut self) -> Check<Versions> {
        let most = self.setup.most_rounds();
        let mut wanted = None;
        let mut quiet = 0;
        let mut round = 0;
        loop {
            self.hand_out()?;
            self.drain(u64::MAX)?;
            // That an origin of which a replica holds nothing is folded follows from the ledger.
            (0..self.hosts.len()).try_for_each(|n| self.check(n, &[]))?;
            // What waits to be published may still move to a new life.
            let settled = !self.replicas().any(Replica::is_dirty)
                // A dishonest member may refuse to vouch. Its word matters only for stale copies.
                && (self.setup.liar || !self.honest().any(|n| self.oracle.is_resumed(n)));
            if wanted.is_none() && settled && self.is_converged() {
                let highest = self.oracle.highest();
                self.oracle.check_acknowledged(&highest)?;
                wanted = Some(highest);
            }
            match &wanted {
                Some(wanted) if round > 0 && self.is_converged() => {
                    if self.report.rounds == 0 {
                        self.report.rounds = round;
                    }
                    quiet = if self.is_at_rest() { quiet + 1 } else { 0 };
                    if quiet == 2 {
                        return Ok(wanted.clone());
                    }
                    ensure(
                        round < 2 * most,
                        "replicas that agree exchange only summaries",
                        || format!("after {round} rounds: {}", self.what_differs()),
                    )?;
                }
                _ => {
                    // A dishonest member may sign, or stop to sign, when it likes.
                    ensure(
                        self.report.rounds == 0 || self.setup.liar,
                        "replicas that have converged stay equal",
                        || format!("after {round} rounds: {}", self.what_differs()),
                    )?;
                    ensure(
                        round < most,
                        "replicas converge once all faults have stopped",
                        || format!("not after {round} rounds: {}", self.what_differs()),
                    )?;
                }
            }
            self.tick_everywhere(round)?;
            round += 1;
        }
    }

    /// One round: every replica flushes, and ticks once all of that has arrived.
    pub(crate) fn tick_everywhere(&mut self, round: u64) -> Check {
        self.sent = [0; 16];
        self.narrate(|_| format!("round {round}"));
        self.pass_time(ROUND)?;
        for n in self.honest() {
            if self.is_up(n) {
                self.flush(n)?;
            }
        }
        self.hear(Input::Flush)?;
        self.drain(u64::MAX)?;
        for n in 0..self.hosts.len() {
            if self.takes_part(n) {
                self.handle(n, Input::Tick)?;
            }
        }
        Ok(())
    }

    /// Origins that some replica knows to have retired.
    fn announced(&self) -> BTreeSet<OriginId> {
        self.replicas()
            .flat_map(Replica::origins)
            .filter(|status| status.retiring)
            .map(|status| status.origin)
            .collect()
    }

    fn is_converged(&self) -> bool {
        let announced = self.announced();
        let to_fold = self.oracle.to_fold(&announced);
        self.oracle.agree(&announced)
            && self.oracle.have_folded(&to_fold)
            && self.oracle.all_know_members()
            && !self.is_leaving()
    }

    /// Whether a replica has retired and not told the others yet, because none of those that stay
    /// has been found to hold the same. Once a base is lost, nobody may be found to.
    fn is_leaving(&self) -> bool {
        let mut parties = (0..self.hosts.len()).filter(|n| self.takes_part(*n));
        if parties.all(|n| self.oracle.has_retired(n)) || self.oracle.has_lost_base() {
            return false;
        }
        let hosts = self.hosts.iter().enumerate();
        hosts
            .filter(|(n, _)| self.oracle.has_retired(*n))
            .filter_map(|(_, host)| host.replica.as_ref())
            .any(|replica| {
                let own = replica.origin();
                replica
                    .origins()
                    .any(|status| status.origin == own && !status.retiring)
            })
    }

    /// Whether no replica waits for anything, and only summaries were sent in the last round.
    fn is_at_rest(&self) -> bool {
        // What a dishonest member has previewed is visible until its sessions end.
        let is_sealed = self.setup.liar || self.replicas().all(Replica::is_sealed);
        self.queue.is_empty()
            && is_sealed
            && !self.replicas().any(Replica::is_dirty)
            && (self.sent_summaries_alone() || self.oracle.may_differ(&self.announced()))
    }

    fn what_differs(&self) -> String {
        let announced = self.announced();
        let to_fold = self.oracle.to_fold(&announced);
        let names: Vec<_> = to_fold
            .iter()
            .map(|origin| self.oracle.name(*origin))
            .collect();
        format!(
            "same entries: {}, folded {names:?}: {}, messages by kind {:?}, pending: {}",
            self.oracle.agree(&announced),
            self.oracle.have_folded(&to_fold),
            self.sent,
            self.replicas().filter(|replica| replica.is_dirty()).count(),
        )
    }

    /// Checks every replica once more when all are equal and at rest.
    fn check_end(&mut self, wanted: &Versions) -> Check {
        self.check_bounds()?;
        self.leave_liar()?;
        for n in self.honest() {
            self.check(n, &[])?;
            self.check_checkpoints(n)?;
            self.check_departed(n)?;
        }
        self.oracle.check_converged(&self.announced(), wanted)?;
        let digests: BTreeSet<_> = self.replicas().map(Replica::digest).collect();
        ensure(
            digests.len() <= 1 || self.oracle.may_differ(&self.announced()),
            "equal entries have equal digests",
            || format!("{digests:?}"),
        )?;
        for n in self.honest() {
            self.check_stored(n)?;
            if self.is_up(n) && !self.oracle.has_retired(n) {
                self.check_deltas(n)?;
            }
        }
        Ok(())
    }

    /// Checks what a replica keeps of members that were removed.
    fn check_departed(&self, n: usize) -> Check {
        match &self.hosts[n].replica {
            Some(replica) => self.oracle.check_departed(n, replica),
            None => Ok(()),
        }
    }

    /// What is stored of a replica, bases included, adds up to the states that it has.
    fn check_stored(&self, n: usize) -> Check {
        let host = &self.hosts[n];
        let running = host.replica.as_ref();
        let Some(replica) = running.filter(|replica| !replica.is_dirty()) else {
            return Ok(());
        };
        let config = config(self.setup, (n, host.former), host.life, true);
        let stored = Replica::open(config, host.disk.records());
        for (place, key) in self.keys.iter().enumerate() {
            let (now, found) = (replica.state(key), stored.as_ref().map(|it| it.state(key)));
            ensure(
                found.as_ref() == Ok(&now),
                "a restart brings back what was stored",
                || format!("r{n}: k{place} is {now}, stored {found:?}"),
            )?;
        }
        Ok(())
    }

    /// Ends the sessions with a dishonest member, with which goes what it has not sealed.
    fn leave_liar(&mut self) -> Check {
        let liar = self.setup.liar();
        for n in self.honest() {
            let peers = self.hosts[n].up.iter().copied();
            let names: Vec<_> = peers
                .filter(|it| Some(usize::from(it[0])) == liar)
                .collect();
            for name in names {
                self.handle(n, Input::PeerDown(name))?;
            }
        }
        self.drain(u64::MAX)?;
        for round in 0.. {
            if self.replicas().all(Replica::is_sealed) {
                break;
            }
            ensure(
                round < MOST_HELD,
                "what was previewed is taken back when the session ends",
                || "something is visible that nobody has signed".to_owned(),
            )?;
            self.tick_everywhere(round)?;
        }
        self.drain(u64::MAX)
    }

    /// Reads the delta of every key of a replica.
    fn check_deltas(&mut self, n: usize) -> Check {
        let Some(replica) = &mut self.hosts[n].replica else {
            return Ok(());
        };
        for (place, key) in self.keys.iter().enumerate() {
            let action = Action::Op(Op::Delta, Value::default());
            let found = replica.step(Input::Op(&LocalOp { key, action }), &mut Vec::new());
            let expected = self.oracle.since_mark(n, place)?;
            let fits = found.as_ref().is_ok_and(|outcome| {
                matches!(&outcome.responses[..], [Some(response)] if response.data == expected)
            });
            ensure(fits, "responses follow the specification", || {
                format!("r{n}: k{place}: expected {expected}, found {found:?}")
            })?;
        }
        Ok(())
    }
}
