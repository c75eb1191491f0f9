//! What every replica must hold, answer and report, computed from what was done to it, never from
//! what it computed itself.
//!
//! | file | what it holds or checks |
//! |---|---|
//! | [`history`] | every change of every origin, and what its maker knew |
//! | [`expected`] | one replica as it must be |
//! | [`contents`], [`observe`] | what a replica holds, and how that is read |
//! | [`plan`] | what operations and undos must lead to |
//! | [`entries`] | entries and states after every event |
//! | [`notices`] | every notice, and that none is missing |
//! | [`members`] | the lists of members, and who stays |
//! | [`membership`] | the list of each replica, and what it keeps of those that were removed |
//! | [`honesty`] | a dishonest member, and what honest ones may report of it |
//! | [`overlaps`], [`subscriptions`] | overlap reports, and notices to subscribers |
//! | [`checkpoints`] | states at checkpoints |
//! | [`restarts`], [`lives`] | starts, crashes, and the lives of a replica |
//! | [`convergence`] | the end of a run |

mod checkpoints;
mod contents;
mod convergence;
mod entries;
mod expected;
mod fields;
mod history;
mod honesty;
mod lives;
mod members;
mod membership;
mod notices;
mod observe;
mod overlaps;
mod plan;
mod restarts;
mod subscriptions;

use std::collections::BTreeSet;
use std::rc::Rc;

use atomik_replica::{Notice, OpError, OriginId, Outcome, Replica, Roster, Value};

use self::contents::Contents;
use self::expected::ExpectedReplica;
use self::fields::Fields;
use self::history::History;
use self::honesty::{Fate, KnownLiar};
use self::members::Members;
use self::plan::{Keyspace, check_and_apply, plan_operations, plan_undo};
use crate::setup::{STRANGE_KEYS, Setup};
use crate::step::{Operation, Order};
use crate::violation::{Check, Violation, ensure};

pub(crate) use self::convergence::Versions;
pub(crate) use self::expected::Snapshot;
pub(crate) use self::lives::Turn;
pub(crate) use self::notices::Observed;
pub(crate) use self::plan::Plan;
pub(crate) use self::restarts::Opening;

pub(crate) struct Oracle {
    keyspace: Keyspace,
    history: History,
    /// Those that are up.
    replicas: Vec<Option<ExpectedReplica>>,
}

impl Oracle {
    /// `lists` are the lists of members that the administrator has made so far, by number.
    pub(crate) fn new(setup: &Setup, lists: Vec<Roster>) -> Self {
        let keys = (0..setup.keys).map(|key| {
            let mut bytes = format!("k{key}").into_bytes();
            if setup.long_keys {
                bytes.resize(1000 + key, b'.');
            }
            bytes
        });
        let strange = if setup.liar { STRANGE_KEYS } else { 0 };
        let keys = keys.chain((0..strange).map(|key| format!("kx{key}").into_bytes()));
        let mut history = History::new(keys.collect(), Fields::of(setup), setup.replicas);
        history.liar = setup.liar().map(KnownLiar::new);
        history.members = Members::new(lists, setup);
        Self {
            keyspace: Keyspace::new(setup),
            history,
            replicas: vec![None; setup.replicas],
        }
    }

    /// The names of the keys, and of those that only a dishonest member changes.
    pub(crate) fn keys(&self) -> &[Vec<u8>] {
        &self.history.keys
    }

    /// A short name of an origin: its replica, and how many origins that replica had before.
    pub(crate) fn name(&self, origin: usize) -> String {
        self.history.name(origin)
    }

    /// As [`Oracle::name`]; the id itself if no replica has had it.
    pub(crate) fn name_of(&self, id: OriginId) -> String {
        self.history.name_of(id)
    }

    /// Whether replica `n` was started with records, and not all have vouched for its life.
    pub(crate) fn is_resumed(&self, n: usize) -> bool {
        self.history.branch(n).is_some()
    }

    /// Whether members may hold different entries for ever: those of a dishonest one, of which one
    /// has reported an origin, while none of them is over; or those of lives that are over, whose
    /// base is lost.
    pub(crate) fn may_differ(&self, announced: &BTreeSet<OriginId>) -> bool {
        let liar = self.history.liar.as_ref();
        let fate = |liar: &KnownLiar| liar.fate(announced, convergence::held(&self.replicas));
        self.has_lost_base()
            || liar.is_some_and(|liar| match fate(liar) {
                Fate::Living => liar.is_reported(),
                Fate::Folded => false,
                Fate::Stuck => true,
            })
    }

    /// Checks what an honest replica keeps, of which the dishonest member has made it keep some.
    pub(crate) fn check_bounds(&self, n: usize, replica: &Replica, keys: usize) -> Check {
        let is_honest = |id| self.history.origin(id).is_some();
        match &self.history.liar {
            Some(liar) => liar.check_bounds(n, replica, is_honest, keys),
            None => Ok(()),
        }
    }

    /// The dishonest member, of which more has become known.
    pub(crate) fn liar(&mut self) -> Option<&mut KnownLiar> {
        self.history.liar.as_mut()
    }

    pub(crate) fn has_retired(&self, n: usize) -> bool {
        let replica = self.replicas[n].as_ref();
        replica.is_some_and(|replica| replica.local.retired)
    }

    fn expected(&self, n: usize) -> Check<&ExpectedReplica> {
        self.replicas[n].as_ref().ok_or_else(|| not_up(n))
    }

    fn expected_mut(&mut self, n: usize) -> Check<&mut ExpectedReplica> {
        self.replicas[n].as_mut().ok_or_else(|| not_up(n))
    }
}

/// Those that fold by one certificate fold the same.
fn lies_agree<'a>(contents: &Contents, mut others: impl Iterator<Item = &'a Contents>) -> Check {
    others.try_for_each(|other| {
        ensure(
            other.certificate != contents.certificate || other.lies == contents.lies,
            "bases over the same origins are equal",
            || format!("{:?} and {:?}", other.lies, contents.lies),
        )
    })
}

fn not_up(n: usize) -> Violation {
    Violation::of_simulator(format!("r{n} is not up"))
}

/// Starts, storage and crashes.
impl Oracle {
    /// Replica `n` was opened.
    pub(crate) fn opened(&mut self, n: usize, replica: &Replica, opening: &Opening<'_>) -> Check {
        let expected = restarts::opened(&mut self.history, n, replica, opening)?;
        self.replicas[n] = Some(expected);
        Ok(())
    }

    /// Replica `n` has handed a batch to storage; returns what is in it.
    pub(crate) fn flushed(&mut self, n: usize, ticket: u64) -> Check<Snapshot> {
        let expected = self.expected_mut(n)?;
        let promised = core::mem::take(&mut expected.promised);
        ensure(
            promised.iter().all(|promise| *promise == ticket),
            "an operation is stored under its ticket",
            || format!("r{n}: ticket {ticket}, promised were {promised:?}"),
        )?;
        Ok(expected.snapshot())
    }

    /// Storage has confirmed a batch of replica `n`, which is about to learn so.
    pub(crate) fn confirmed(&mut self, n: usize, snapshot: &Snapshot) {
        let own = snapshot.origin();
        let is_own = self.expected(n).is_ok_and(|it| it.local.origin == own);
        if is_own && !self.is_resumed(n) {
            self.history.confirm(own, &snapshot.contents.versions(own));
        }
    }

    /// Replica `n` has stopped; `survivor` is the last batch that is left on its disk.
    pub(crate) fn crashed(&mut self, n: usize, survivor: Option<&Snapshot>) {
        if let Some(stopped) = self.replicas[n].take() {
            restarts::crashed(&mut self.history, &stopped, survivor);
        }
    }

    /// Replica `n` has lost batches of its disk; `disks` is what storage has confirmed to all.
    pub(crate) fn lost(&mut self, n: usize, disks: &[Option<Rc<Snapshot>>]) {
        restarts::lost(&mut self.history, n, disks);
    }
}

/// Orders of the administrator.
impl Oracle {
    /// The administrator has changed the list of members by an order about replica `m`. Those that
    /// `stay` are on it; `disks` is what storage has confirmed to all.
    pub(crate) fn ordered(
        &mut self,
        roster: Roster,
        stay: Vec<bool>,
        (m, order): (usize, Order),
        disks: &[Option<Rc<Snapshot>>],
    ) {
        if order != Order::Remove {
            self.history.left.remove(&m);
        }
        self.history.members.follow(roster, stay, (m, order));
        restarts::limit_acknowledged(&mut self.history, disks);
    }

    /// Checks what replica `n` keeps of members that were removed, once everything is folded.
    pub(crate) fn check_departed(&self, n: usize, replica: &Replica) -> Check {
        if self.folds() {
            membership::check_departed(&self.history, n, replica)?;
        }
        Ok(())
    }

    /// Whether those that are up can still fold: not all have retired, and one of them has the last
    /// certified base.
    pub(crate) fn folds(&self) -> bool {
        convergence::fold(&self.history, &self.replicas)
    }

    /// What these replicas hold of lives that are over: by key, what is left of the state without
    /// the entries of the others.
    pub(crate) fn departed(&self, of: &[usize]) -> Vec<Vec<Value>> {
        let replicas = of.iter().filter_map(|n| self.replicas[*n].as_ref());
        let keys = replicas.map(|replica| {
            let keys = replica.contents.keys.iter();
            keys.map(|key| self.history.departed(key)).collect()
        });
        keys.collect()
    }
}

/// Local events.
impl Oracle {
    pub(crate) fn plan_operations(
        &self,
        n: usize,
        operations: &[(usize, Operation)],
    ) -> Check<Result<Plan, OpError>> {
        Ok(plan_operations(
            self.expected(n)?,
            &self.keyspace,
            operations,
        ))
    }

    pub(crate) fn plan_undo(&self, n: usize, number: u64) -> Check<Result<Plan, OpError>> {
        Ok(plan_undo(self.expected(n)?, &self.keyspace, number))
    }

    /// The number of the batch this many before the last; it may not exist.
    pub(crate) fn batch_number(&self, n: usize, back: u64) -> Check<u64> {
        let next = self.expected(n)?.local.next_batch;
        Ok((next - 1).saturating_sub(back))
    }

    /// Compares what replica `n` made of a batch with the plan for it, and carries the plan out.
    /// `stored` is what its storage has confirmed.
    pub(crate) fn check_and_apply(
        &mut self,
        n: usize,
        plan: Result<Plan, OpError>,
        result: Result<Outcome, OpError>,
        stored: Option<&Snapshot>,
    ) -> Check {
        let Self {
            keyspace,
            history,
            replicas,
            ..
        } = self;
        let expected = replicas[n].as_mut().ok_or_else(|| not_up(n))?;
        check_and_apply(plan, result, stored, expected, history, keyspace)
    }

    pub(crate) fn checkpoint_made(&mut self, n: usize, result: Result<Outcome, OpError>) -> Check {
        checkpoints::made(self.expected_mut(n)?, result)
    }

    pub(crate) fn checkpoint_number(&self, n: usize, place: usize) -> Check<u32> {
        Ok(checkpoints::number_at(self.expected(n)?, place))
    }

    pub(crate) fn checkpoint_dropped(
        &mut self,
        n: usize,
        number: u32,
        result: Result<Outcome, OpError>,
    ) -> Check {
        checkpoints::dropped(self.expected_mut(n)?, number, result)
    }

    pub(crate) fn check_checkpoints(&self, n: usize, replica: &Replica) -> Check {
        checkpoints::check(&self.history, self.expected(n)?, replica)
    }

    pub(crate) fn subscribed(&mut self, n: usize, number: u32) -> Check {
        subscriptions::began(self.expected_mut(n)?, number);
        Ok(())
    }

    /// Ends all subscriptions of replica `n`; returns their numbers.
    pub(crate) fn unsubscribed(&mut self, n: usize) -> Check<Vec<u32>> {
        Ok(subscriptions::ended(self.expected_mut(n)?))
    }

    pub(crate) fn retired(&mut self, n: usize, result: Result<Outcome, OpError>) -> Check {
        let expected = self.replicas[n].as_mut().ok_or_else(|| not_up(n))?;
        restarts::retired(&mut self.history, expected, result)
    }
}

/// After any event, and at the end.
impl Oracle {
    /// Checks what replica `n` holds after an event, and its notices. `disks` is what storage has
    /// confirmed to all.
    pub(crate) fn check(
        &mut self,
        n: usize,
        replica: &Replica,
        notices: &[Notice],
        disks: &[Option<Rc<Snapshot>>],
    ) -> Check<Observed> {
        let mut followed = self.replicas[n].take().ok_or_else(|| not_up(n))?;
        let history = &mut self.history;
        let adopted = notices
            .iter()
            .any(|notice| matches!(notice, Notice::BaseAdopted { .. }));
        let turn = lives::follow(
            history,
            &mut followed,
            (replica, adopted),
            &self.replicas,
            disks,
        )?;
        let expected = &mut followed;
        if let Some(liar) = &mut history.liar {
            liar.note(notices);
        }
        let mut observed = notices::check_identity(history, expected, notices)?;
        observed.turn = turn;
        membership::check(history, expected, replica)?;
        history.learn(replica);
        let mut contents = observe::observe(history, replica)?;
        let is_fresh = |m: usize| m != n && !history.members.is_stale(m);
        let up = self.replicas.iter().flatten();
        let up = up.filter(|other| is_fresh(other.n));
        let up: Vec<&Contents> = up.map(|other| &other.contents).collect();
        let disks_of_others = disks.iter().enumerate().filter(|(m, _)| is_fresh(*m));
        let others: Vec<&Contents> = disks_of_others
            .filter_map(|(_, disk)| Some(&disk.as_ref()?.contents))
            .chain(up.iter().copied())
            .collect();
        let mut others_hold = others.iter().map(|other| other.certificate);
        let decided = history.members.is_decided(replica);
        if history.members.is_stale(n)
            && (decided || others_hold.any(|it| it == contents.certificate))
        {
            history.members.refresh(n, expected.local.roster);
            expected.contents.lies.fill(history.zero());
            if decided {
                history.decide(&expected.local.base);
            }
        }
        let stale = history.members.is_stale(n);
        for &origin in &contents.folded {
            let is_new = !expected.contents.folded.contains(&origin);
            if !is_new && !adopted {
                continue;
            }
            let held = expected.contents.versions(origin);
            let folded = if stale && !adopted {
                (contents.certificate, held)
            } else {
                let known = others.iter().any(|other| other.folded.contains(&origin));
                history.fold((origin, held), contents.certificate, adopted, known)
            };
            expected.local.base.insert(origin, folded);
        }
        if let Some(liar) = &mut history.liar {
            liar.certify(contents.certificate);
        }
        contents.lies = if stale {
            expected.contents.lies.clone()
        } else {
            entries::unexplained(history, n, &contents)
        };
        let over = contents.folded.contains(&expected.local.origin)
            || replica
                .origins()
                .any(|status| status.origin == replica.origin() && status.retiring);
        if over && expected.local.retired {
            restarts::left(history, n, expected.local.losses, disks);
        }
        entries::check_contents(history, expected, &contents)?;
        if !stale {
            lies_agree(&contents, up.into_iter())?;
        }
        history.members.note(replica);
        expected.covered = members::covered(replica);
        let view = self.keyspace.view;
        notices::check(history, view, expected, &contents, notices, &mut observed)?;
        expected.contents = contents;
        self.replicas[n] = Some(followed);
        Ok(observed)
    }

    /// The delta of a key: its state xor its mark.
    pub(crate) fn since_mark(&self, n: usize, key: usize) -> Check<Value> {
        let ExpectedReplica {
            contents, local, ..
        } = self.expected(n)?;
        let content = &contents.keys[key];
        Ok(content.fields.difference(&content.state, &local.marks[key]))
    }

    /// The highest versions that any replica holds.
    pub(crate) fn highest(&self) -> Versions {
        convergence::highest(&self.history, &self.replicas)
    }

    pub(crate) fn check_converged(
        &self,
        announced: &BTreeSet<OriginId>,
        wanted: &Versions,
    ) -> Check {
        convergence::check_converged(&self.history, &self.replicas, announced, wanted)
    }

    /// Whether no replica has the last certified base.
    pub(crate) fn has_lost_base(&self) -> bool {
        convergence::has_lost_base(&self.history, &self.replicas)
    }

    pub(crate) fn check_acknowledged(&self, held: &Versions) -> Check {
        convergence::check_acknowledged(&self.history, held)
    }

    /// Origins that every replica must fold, given those whose retirement is announced.
    pub(crate) fn to_fold(&self, announced: &BTreeSet<OriginId>) -> Vec<usize> {
        convergence::to_fold(&self.history, &self.replicas, announced)
    }

    pub(crate) fn have_folded(&self, origins: &[usize]) -> bool {
        convergence::have_folded(&self.replicas, origins)
    }

    /// Whether all replicas that are up have the last list of members.
    pub(crate) fn all_know_members(&self) -> bool {
        let last = self.history.members.newest().number();
        let mut replicas = self.replicas.iter().flatten();
        replicas.all(|replica| replica.local.roster == last)
    }

    /// Whether all replicas that are up hold the same.
    pub(crate) fn agree(&self, announced: &BTreeSet<OriginId>) -> bool {
        convergence::agree(&self.history, &self.replicas, announced)
    }
}
