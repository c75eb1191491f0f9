//! The steps of a schedule, performed.

use std::rc::Rc;

use atomik_replica::{Event as Input, LocalOp, Replica};

use super::members::second_roster;
use super::world::{World, peer};
use crate::step::{Operation, Step};
use crate::violation::{Check, ensure};

impl World<'_> {
    /// Performs a step. One of a replica that is down does nothing.
    pub(crate) fn perform(&mut self, step: &Step) -> Check {
        match *step {
            Step::Link(from, to, works) => {
                self.narrate(|_| step.to_string());
                self.network.set_link(from, to, works);
                return Ok(());
            }
            _ if self.setup.liar() == Some(step.replica()) => return self.perform_as_liar(step),
            Step::Start(n, memory) => return self.start(n, memory),
            Step::FailStorage(n, batches, stored) => {
                self.narrate(|_| step.to_string());
                self.hosts[n].errors = (batches, stored);
                return Ok(());
            }
            Step::Order(n, m, order) => return self.order(n, m, order),
            _ if !self.is_up(step.replica()) => return Ok(()),
            _ => self.narrate(|_| step.to_string()),
        }
        match *step {
            Step::Operate(n, ref operations) => self.operate(n, operations),
            Step::Undo(n, back) => self.undo(n, back),
            Step::Checkpoint(n) => self.make_checkpoint(n),
            Step::DropCheckpoint(n, place) => self.drop_checkpoint(n, place),
            Step::Subscribe(n, true) => self.subscribe(n),
            Step::Subscribe(n, false) => self.unsubscribe(n),
            Step::Retire(n) => self.retire(n),
            Step::Admit(n) => self.admit(n),
            Step::Flush(n) => self.flush(n),
            Step::Tick(n) => self.handle(n, Input::Tick),
            Step::ConfirmAgain(n) => match self.hosts[n].last_confirmed {
                Some(ticket) => self.handle(n, Input::Persisted(ticket)),
                None => Ok(()),
            },
            Step::Peer(n, other, up) if self.setup.sessions => self.announce(n, other, up),
            Step::Peer(n, other, true) if !self.are_linked(n, other) => Ok(()),
            Step::Peer(n, other, true) => {
                let (peer, key) = (peer(other), None);
                self.handle(n, Input::PeerUp { peer, key })
            }
            Step::Peer(n, other, false) => self.handle(n, Input::PeerDown(peer(other))),
            Step::Crash(n, stored) => self.crash(n, stored),
            Step::Link(..)
            | Step::Start(..)
            | Step::FailStorage(..)
            | Step::Lie(..)
            | Step::Order(..) => Ok(()),
        }
    }

    pub(crate) fn operate(&mut self, n: usize, operations: &[(usize, Operation)]) -> Check {
        let keys = Rc::clone(&self.keys);
        let ops: Vec<_> = operations
            .iter()
            .map(|(key, operation)| LocalOp {
                key: &keys[*key],
                action: operation.action(self.setup.words),
            })
            .collect();
        let plan = self.oracle.plan_operations(n, operations)?;
        let event = match &ops[..] {
            [op] => Input::Op(op),
            ops => Input::Batch(ops),
        };
        let (result, reaction) = self.feed(n, event)?;
        self.report.operations += ops.len() as u64;
        self.report.refused += u64::from(result.is_err());
        let stored = self.hosts[n].disk.last_confirmed();
        self.oracle
            .check_and_apply(n, plan, result, stored.as_deref())?;
        self.settle(n, reaction, true)
    }

    fn undo(&mut self, n: usize, back: u64) -> Check {
        let number = self.oracle.batch_number(n, back)?;
        let plan = self.oracle.plan_undo(n, number)?;
        let (result, reaction) = self.feed(n, Input::Undo(number))?;
        self.report.undone += u64::from(result.is_ok());
        let stored = self.hosts[n].disk.last_confirmed();
        self.oracle
            .check_and_apply(n, plan, result, stored.as_deref())?;
        self.settle(n, reaction, true)
    }

    fn make_checkpoint(&mut self, n: usize) -> Check {
        let (result, reaction) = self.feed(n, Input::Checkpoint("here"))?;
        self.oracle.checkpoint_made(n, result)?;
        self.settle(n, reaction, true)
    }

    fn drop_checkpoint(&mut self, n: usize, place: usize) -> Check {
        let number = self.oracle.checkpoint_number(n, place)?;
        let (result, reaction) = self.feed(n, Input::DropCheckpoint(number))?;
        self.oracle.checkpoint_dropped(n, number, result)?;
        self.settle(n, reaction, true)?;
        self.check_checkpoints(n)
    }

    fn subscribe(&mut self, n: usize) -> Check {
        let Some(replica) = &mut self.hosts[n].replica else {
            return Ok(());
        };
        let number = replica.subscribe(b"k");
        self.oracle.subscribed(n, number)
    }

    fn unsubscribe(&mut self, n: usize) -> Check {
        let Some(replica) = &mut self.hosts[n].replica else {
            return Ok(());
        };
        for number in self.oracle.unsubscribed(n)? {
            replica.unsubscribe(number);
        }
        Ok(())
    }

    fn retire(&mut self, n: usize) -> Check {
        // A replica on a stale copy must notice before it can retire.
        if self.oracle.is_resumed(n) || self.oracle.has_retired(n) {
            return Ok(());
        }
        self.report.retired += 1;
        let (result, reaction) = self.feed(n, Input::Retire)?;
        // It may have taken a new life, which is the one that retires.
        self.check(n, &[])?;
        self.oracle.retired(n, result)?;
        self.settle(n, reaction, true)
    }

    /// Hands replica `n` the list of members that adds the last replica.
    pub(crate) fn admit(&mut self, n: usize) -> Check {
        if !self.setup.joins {
            return Ok(());
        }
        let roster = second_roster(self.setup)?.encode();
        let (result, reaction) = self.feed(n, Input::Roster(&roster))?;
        ensure(result.is_ok(), "a list of members is accepted", || {
            format!("r{n}: {result:?}")
        })?;
        self.settle(n, reaction, true)
    }

    pub(crate) fn flush(&mut self, n: usize) -> Check {
        let host = &self.hosts[n];
        let dirty = host.replica.as_ref().is_some_and(Replica::is_dirty);
        let before = host.in_flight;
        self.handle(n, Input::Flush)?;
        let after = self.hosts[n].in_flight;
        ensure(
            !dirty || after.is_some(),
            "a flush hands pending changes to storage",
            || format!("r{n}"),
        )?;
        ensure(
            before.is_none() || after == before,
            "one batch at a time is in flight",
            || format!("r{n}"),
        )
    }
}
