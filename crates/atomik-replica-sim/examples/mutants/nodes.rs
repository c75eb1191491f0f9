//! Faults to plant into `atomik-node`, each of which the simulation of nodes must find.

use super::list::{Mutant, mutant};

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    mutant(
        "acknowledges before storage has committed",
        &[("actor.rs", "if ticket == 0 {", "if ticket != u64::MAX {")],
    ),
    mutant(
        "acknowledges with the commit before",
        &[(
            "actor.rs",
            "*ticket <= committed.ticket)",
            "*ticket <= committed.ticket + 1)",
        )],
    ),
    mutant(
        "sends before storage has committed",
        &[(
            "actor.rs",
            "self.committing = true;",
            "self.committing = true;
                    let now = Event::Persisted(ticket);
                    let _ = self.state.replica.step(now, &mut self.effects);",
        )],
    ),
    mutant(
        "takes an error of storage for a commit",
        &[(
            "storage.rs",
            "outcome.map(|()| Committed {",
            "outcome.or(Ok(())).map(|()| Committed {",
        )],
    ),
    mutant(
        "goes on after an error of storage",
        &[(
            "actor.rs",
            "Next::Committed(committed) => self.committed(committed?)?,",
            "Next::Committed(committed) => {
                    if let Ok(committed) = committed {
                        self.committed(committed)?;
                    }
                }",
        )],
    ),
    mutant(
        "never acknowledges what waits for the second of two commits",
        &[(
            "actor.rs",
            "self.waiting.push_back((ticket, answer, done));",
            "if ticket % 16 != 0 {
                        self.waiting.push_back((ticket, answer, done));
                    } else {
                        std::mem::forget(answer);
                    }",
        )],
    ),
    mutant(
        "does not send to one peer",
        &[(
            "actor.rs",
            "Effect::Send { to, bytes } => self.send(&to, &bytes),",
            "Effect::Send { .. } => {}",
        )],
    ),
    mutant(
        "drops the effects of a received message",
        &[(
            "actor/traffic.rs",
            "self.step(Event::Message { from, bytes })?;",
            "let message = Event::Message { from, bytes };
                    let _ = self.state.replica.step(message, &mut self.effects);
                    self.effects.clear();",
        )],
    ),
    mutant(
        "the replica has no clock",
        &[("actor.rs", "self.step(Event::Tick)", "Ok(())")],
    ),
    mutant(
        "the sessions have no clock",
        &[("actor/traffic.rs", "self.ticks += 1;", "")],
    ),
    mutant(
        "the clock of the sessions stops at the first session",
        &[(
            "actor/traffic.rs",
            "self.ticks += 1;",
            "self.ticks += u64::from(self.state.peers.list.is_empty());",
        )],
    ),
    mutant(
        "peers that the engine reports are not passed on",
        &[(
            "actor/traffic.rs",
            "Received::PeerUp(peer) => sessions.peer_up(peer, &mut self.outputs),",
            "Received::PeerUp(_) => {}",
        )],
    ),
    mutant(
        "the replica does not hear of the end of a session",
        &[(
            "actor/traffic.rs",
            "self.step(Event::PeerDown(address))?;",
            "let _ = Event::PeerDown(address);",
        )],
    ),
    mutant(
        "waits for members to vouch for ever",
        &[("actor.rs", "&& Instant::now() < self.vouching_ends", "")],
    ),
    mutant(
        "the sessions do not follow the list of members",
        &[(
            "actor.rs",
            "self.new_roster |= matches!(notice, Notice::Roster { .. });",
            "",
        )],
    ),
    mutant(
        "a stop does not commit what was submitted",
        &[(
            "actor.rs",
            "while self.committing || self.state.replica.is_dirty() {",
            "while false {",
        )],
    ),
    mutant(
        "a stop acknowledges what it has not committed",
        &[
            (
                "actor.rs",
                "while self.committing || self.state.replica.is_dirty() {",
                "while self.committing {",
            ),
            (
                "actor.rs",
                "drop(answer.send(Err(Refused::Storage { reason })));",
                "drop((answer.send(Ok(Done::default())), reason));",
            ),
        ],
    ),
    mutant(
        "a peer is in sync for ever",
        &[(
            "peers.rs",
            "state.in_sync.is_some_and(|at| at.elapsed() <= self.fresh)",
            "state.in_sync.is_some()",
        )],
    ),
    mutant(
        "a peer is in sync before it has agreed",
        &[("peers.rs", "in_sync: None,", "in_sync: Some(now),")],
    ),
    mutant(
        "a peer is in sync before it has signed",
        &[(
            "state.rs",
            "self.peers.is_in_sync(state) && !self.replica.shows_unsigned(*peer)",
            "{ let _ = peer; self.peers.is_in_sync(state) }",
        )],
    ),
    mutant(
        "what a store has lost is not passed on",
        &[(
            "node.rs",
            "config.kept_memory &= store.kept_memory();",
            "let _ = &mut config;",
        )],
    ),
];
