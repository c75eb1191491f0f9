//! Faults to plant into `atomik-replica` or `atomik-session`, each of which the simulator must
//! find, or a test where that takes too many schedules, or which can be shown to change nothing.

/// A fault: what is replaced by what, and what finds it.
pub struct Mutant {
    /// What is wrong with it.
    pub name: &'static str,
    /// Files, as seen from the `src` of the crate; texts that occur exactly once there;
    /// their replacements.
    pub edits: &'static [Edit],
    pub finder: Finder,
}

/// What finds a fault.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Finder {
    /// The simulator.
    Schedules,
    /// This test of `atomik-replica`: schedules in which the fault does harm are rare.
    Test(&'static str),
    /// Nothing does: why it changes nothing that the simulator may complain of.
    Nothing(&'static str),
}

impl Mutant {
    /// The test that finds it, if one has to.
    pub fn test(&self) -> Option<&'static str> {
        match self.finder {
            Finder::Test(test) => Some(test),
            _ => None,
        }
    }
}

/// A file, a text, and its replacement.
pub type Edit = (&'static str, &'static str, &'static str);

pub const fn mutant(name: &'static str, edits: &'static [Edit]) -> Mutant {
    Mutant {
        name,
        edits,
        finder: Finder::Schedules,
    }
}

/// A fault that a test finds.
const fn rare(name: &'static str, edits: &'static [Edit], test: &'static str) -> Mutant {
    Mutant {
        name,
        edits,
        finder: Finder::Test(test),
    }
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "merge takes the same version again",
        edits: &[(
            "../../atomik-algebra/src/entries.rs",
            "    } else if received.version < held.version || received.all == held.all {",
            "    } else if received.all == held.all {
        Merged::Newer
    } else if received.version < held.version {",
        )],
        finder: Finder::Nothing(
            "the same change replaces itself: the delta is 0, and no new overlap comes of it",
        ),
    },
    mutant(
        "merge ignores versions",
        &[
            (
                "../../atomik-algebra/src/entries.rs",
                "    if received.version > held.version {",
                "    if received.version != held.version {",
            ),
            (
                "merge.rs",
                "change.version > held.version || change.contradicts(held)",
                "change != held",
            ),
        ],
    ),
    mutant(
        "merge takes the lower version",
        &[
            (
                "../../atomik-algebra/src/entries.rs",
                "    if received.version > held.version {",
                "    if received.version < held.version {",
            ),
            (
                "../../atomik-algebra/src/entries.rs",
                "else if received.version < held.version ||",
                "else if received.version > held.version ||",
            ),
            (
                "merge.rs",
                "change.version > held.version || change.contradicts(held)",
                "change.version < held.version",
            ),
        ],
    ),
    mutant(
        "an entry that comes twice is added twice",
        &[
            (
                "merge.rs",
                "                Merged::Known => return Ok(false),",
                "                Merged::Known => {
                    if change == entry.change {
                        let again = entry.change.accumulator.clone();
                        let slot = self.keyspace.table.slot(at);
                        cx.config.shape.accumulate(&mut slot.state, &again);
                    }
                    return Ok(false);
                }",
            ),
            (
                "merge.rs",
                "change.version > held.version || change.contradicts(held)",
                "change.version >= held.version",
            ),
        ],
    ),
    mutant(
        "broadcast before it is persisted",
        &[(
            "replica.rs",
            "        let ticket = publication.launch(all, send, frames);",
            "        let frames: Vec<_> = frames;
        let mut cx = cx;
        for (frame, bytes) in Vec::clone(&frames) {
            cx.broadcast(origin, frame.number, bytes);
        }
        let ticket = publication.launch(all, send, frames);",
        )],
    ),
    mutant(
        "a confirmation is not compared with the ticket",
        &[(
            "publication.rs",
            "take_if(|flight| flight.ticket == ticket)",
            "take_if(|_| true)",
        )],
    ),
    mutant(
        "statements that differ make a certificate",
        &[(
            "ledger.rs",
            "if *agreed.get_or_insert(content) != content {",
            "if agreed.get_or_insert(content).0.number > content.0.number {",
        )],
    ),
    mutant(
        "statements name bases, and not what they are made of",
        &[(
            "base.rs",
            "                    entries.push(entry.published.tag);\n",
            "",
        )],
    ),
    mutant(
        "a forgotten statement leaves the memory as it is",
        &[(
            "ledger.rs",
            "            self.memory = statement.next_memory();",
            "            let _ = statement.next_memory();",
        )],
    ),
    rare(
        "what a replica that retires has not sent does not wait",
        &[(
            "replica.rs",
            "(!self.memory.retired || self.memory.publication.is_waiting())",
            "!self.memory.retired",
        )],
        "membership::what_a_removed_replica_had_not_sent_goes_on_once_it_is_added_again",
    ),
    rare(
        "a retirement counts before its list is known",
        &[(
            "ledger.rs",
            "            || !ended.counts_under(roster)\n",
            "",
        )],
        "closings::a_retirement_waits_for_the_list_under_which_it_was_announced",
    ),
    rare(
        "a draft stays although more has arrived",
        &[(
            "ledger.rs",
            "        self.unstored |= self.draft.take().is_some();\n",
            "",
        )],
        "statements::what_arrives_while_a_statement_is_being_stored_is_in_the_one_after_a_restart",
    ),
    rare(
        "what arrives after a draft is refused",
        &[(
            "ledger.rs",
            "            None => !is_convicted,",
            "            None => self.draft.is_none() && !is_convicted,",
        )],
        "statements::what_arrives_while_a_statement_is_being_stored_is_in_the_one_after_a_restart",
    ),
    rare(
        "entries of closed lives are taken from those that sign nothing",
        &[(
            "ledger.rs",
            "            Some(own) => signs && self.is_open_after(own),",
            "            Some(own) => (signs || true) && self.is_open_after(own),",
        )],
        "statements::after_a_statement_closed_lives_grow_only_by_what_members_that_sign_have",
    ),
    mutant(
        "what is not the certified base is folded",
        &[(
            "ledger.rs",
            "        if holding.base != offered.holding.base {\n            self.differs",
            "        if false {\n            self.differs",
        )],
    ),
    rare(
        "a statement is public before it is durable",
        &[(
            "ledger.rs",
            "            if around.publication.is_durable(ticket) {",
            "            if true {",
        )],
        "statements::nobody_hears_a_statement_before_it_is_durable",
    ),
    rare(
        "a statement leaves out the base of a certificate that is to be adopted",
        &[(
            "ledger.rs",
            "        if self.settled || !requires || self.lacks_base() || !is_named {",
            "        if self.settled || !requires || !is_named {",
        )],
        "statements::one_that_lacks_the_base_states_nothing",
    ),
    rare(
        "a base that is not the certified one is adopted",
        &[(
            "ledger.rs",
            "hash != offered.holding.base {\n            return Err(Refusal::Base);",
            "hash != offered.holding.base && false {\n            return Err(Refusal::Base);",
        )],
        "liars::an_altered_base_is_refused_and_fetched_from_another",
    ),
    mutant(
        "a retirement is announced before others have what it leaves",
        &[(
            "ledger.rs",
            "if leaving.ready && (leaving.agreed || last) {",
            "if leaving.ready {",
        )],
    ),
    mutant(
        "late frames of a folded origin are taken",
        &[(
            "merge.rs",
            "            Phase::Folded => false,",
            "            Phase::Folded => true,",
        )],
    ),
    mutant(
        "an own entry with unpublished changes is served",
        &[(
            "excerpts.rs",
            "if cx.secrets.leaf(origins.id(entry.origin), &encoded) == published {",
            "if true {",
        )],
    ),
    mutant(
        "an incarnation goes on although memory was lost",
        &[(
            "replica.rs",
            "Some(own) if replica.config.kept_memory || *retired => {",
            "Some(own) if own < u32::MAX || *retired => {",
        )],
    ),
    mutant(
        "a life continues without being vouched for",
        &[(
            "vouching.rs",
            "if roster.keys().all(|member| member == own) {",
            "if roster.keys().all(|member| member == own || member != own) {",
        )],
    ),
    mutant(
        "a life continues although a member knows more of it",
        &[(
            "vouching.rs",
            "if chain.lacks(vouch.head) {",
            "if chain.lacks(vouch.head) && chain.head().number == u64::MAX {",
        )],
    ),
    mutant(
        "a life continues once one member vouches for it",
        &[(
            "vouching.rs",
            "&& roster.keys().all(|key| key == own || by.contains(key))",
            "&& roster.keys().any(|key| key != own && by.contains(key))",
        )],
    ),
    mutant(
        "the number of a life is used again",
        &[(
            "origins.rs",
            "last.map_or(0, |life| life.saturating_add(1))",
            "last.unwrap_or(0)",
        )],
    ),
    mutant(
        "what was seen is not noted",
        &[(
            "writer.rs",
            "slot.entries[position].change.seen = seen;",
            "drop(seen);",
        )],
    ),
    Mutant {
        name: "overlap compares what was known with > in place of >=",
        edits: &[(
            "../../atomik-algebra/src/entries.rs",
            "if a.knew >= b.version || b.knew >= a.version {",
            "if a.knew > b.version || b.knew > a.version {",
        )],
        finder: Finder::Nothing(
            "who knew just the last version leaves a net effect of 0, which meets nothing",
        ),
    },
    Mutant {
        name: "overlap does not compare what was known",
        edits: &[(
            "../../atomik-algebra/src/entries.rs",
            "if a.knew >= b.version || b.knew >= a.version {",
            "if false {",
        )],
        finder: Finder::Nothing(
            "one of the two entries is the replica's own: no other knows more of that than the \
             replica itself, and one that knows as much leaves 0",
        ),
    },
    mutant(
        "overlap is not told",
        &[("merge.rs", "if writes && self", "if false && self")],
    ),
    mutant(
        "who has left goes on telling overlaps",
        &[("merge.rs", "if writes && self", "if true && self")],
    ),
    Mutant {
        name: "the digest's cells keep old weights",
        edits: &[("digest.rs", "new.weight() - old.weight()", "new.weight()")],
        finder: Finder::Nothing(
            "cells that cannot be decoded are followed by a pass over the whole table, so replicas \
             converge, at a price that tests/it/replication.rs counts",
        ),
    },
    mutant(
        "the digest's sum keeps old tags",
        &[(
            "digest.rs",
            "self.sum = self.sum.wrapping_sub(u128::from_le_bytes(old.tag));",
            "",
        )],
    ),
    mutant(
        "tags do not cover the origin",
        &[
            (
                "secrets.rs",
                "[&origin.0, encoded]",
                "[&origin.0[..0], encoded]",
            ),
            (
                "secrets.rs",
                "[&origin.0[..], encoded]",
                "[&origin.0[..0], encoded]",
            ),
        ],
    ),
    mutant(
        "undo applies nothing",
        &[(
            "replica.rs",
            "            writer.change(*at, delta, false, cx);",
            "            let _ = (&mut writer, &mut *cx, at, delta);",
        )],
    ),
    mutant(
        "forgotten batches come back after a restart",
        &[(
            "batches.rs",
            "        self.unstored = self.next;\n        self.forget();\n",
            "        self.unstored = self.next;\n",
        )],
    ),
    mutant(
        "a merge does not keep the states of checkpoints",
        &[(
            "merge.rs",
            "        self.keyspace.accumulate(at, &delta);",
            "        self.keyspace.table.slot(at).state.accumulate(&delta);",
        )],
    ),
    mutant(
        "lost memory drops what was not published",
        &[(
            "writer.rs",
            "        for (at, delta, is_put) in deltas {
            self.enter(at, &delta, is_put);",
            "        for (at, delta, is_put) in deltas {
            let _ = (at, delta, is_put);",
        )],
    ),
    Mutant {
        name: "a loss of memory is looked for in what was not published",
        edits: &[("merge.rs", "known == Some(self.origins.own()) {", "false {")],
        finder: Finder::Nothing(
            "an own frame that was not sent is recognised by the chain, whatever it holds",
        ),
    },
    mutant(
        "looking at a key makes one that is not stored",
        &[
            (
                "writer.rs",
                "        if delta.is_zero() && new_mark.is_none() {",
                "        let _ = self.keyspace.table.slot_of(op.key);
        if delta.is_zero() && new_mark.is_none() {",
            ),
            (
                "slot.rs",
                "            unstored: true,",
                "            unstored: false,",
            ),
            ("single.rs", "        flags: 1,", "        flags: 0,"),
            (
                "table.rs",
                "            self.unstored.push(at);\n        }\n        at",
                "        }\n        at",
            ),
        ],
    ),
    mutant(
        "retirement is not stored",
        &[(
            "memory.rs",
            "value.push(u8::from(self.retired));",
            "value.push(0);",
        )],
    ),
    mutant(
        "a fetch is not answered",
        &[(
            "replica.rs",
            "                    self.charge_scan(from);
                    // As a repair: the peer may have a newer version, which weights do not tell.
                    self.answer_entries(from, MessageKind::Repair, &places, effects);",
            "                    let _ = (places, effects);",
        )],
    ),
    mutant(
        "who waits for what it fetched waits for ever",
        &[(
            "exchange.rs",
            ".take_if(|led| ticks.wrapping_sub(led.active) > led.patience());",
            ".take_if(|led| ticks.wrapping_sub(led.active) > led.patience() << 20);",
        )],
    ),
    mutant(
        "what is found as wanted is acknowledged at once",
        &[(
            "replica.rs",
            "            relied\n        };",
            "            0\n        };",
        )],
    ),
    mutant(
        "what is found as wanted does not wait for what is on its way to storage",
        &[(
            "writer.rs",
            "slot.unstored || !self.publication.is_confirmed()",
            "slot.unstored",
        )],
    ),
    mutant(
        "a tick compares with nobody",
        &[(
            "exchange.rs",
            "_ => self.compare(peer, ticks, out),",
            "_ => {}",
        )],
    ),
    mutant(
        "a session opens a packet again",
        &[(
            "../../atomik-session/src/session.rs",
            "if !self.window.is_new(number) {",
            "if false {",
        )],
    ),
    mutant(
        "a session does not authenticate the kind of a packet",
        &[(
            "../../atomik-session/src/session.rs",
            "number << 2 | kind as u64 & 3",
            "{
        let _ = kind;
        number << 2
    }",
        )],
    ),
    mutant(
        "a session with an earlier process lingers",
        &[(
            "../../atomik-session/src/peer.rs",
            "Some(replaced) if replaced.peer == peer => {",
            "Some(replaced) => {",
        )],
    ),
    mutant(
        "a session is held with whoever claims the address",
        &[(
            "../../atomik-session/src/sessions/handshake.rs",
            "(self.owner)(&claim.key, &claim.incarnation) != *from",
            "(self.owner)(&claim.key, &claim.incarnation) != *from && false",
        )],
    ),
    mutant(
        "a peer draws as many answers as it likes",
        &[(
            "replica.rs",
            "self.peers.may_draw(from, 2 * slots + 16_384)",
            "self.peers.may_draw(from, 2 * slots + 16_384) || true",
        )],
    ),
    mutant(
        "a contradiction is reported without its proof",
        &[(
            "merge.rs",
            "proof: proof.map(Box::new),",
            "proof: proof.map(Box::new).filter(|_| false),",
        )],
    ),
    mutant(
        "signatures are not checked",
        &[(
            "frame.rs",
            ".then(|| self.header.head(&statement))",
            ".then_some(())
            .or(Some(()))
            .map(|()| self.header.head(&statement))",
        )],
    ),
    mutant(
        "a list of members needs no signature",
        &[(
            "membership.rs",
            "if !is_sealed(&roster, config, administrator) {",
            "if !is_sealed(&roster, config, administrator) && false {",
        )],
    ),
    mutant(
        "the list of members is not stored",
        &[(
            "membership.rs",
            "core::mem::take(&mut self.unstored).then(",
            "(core::mem::take(&mut self.unstored) && false).then(",
        )],
    ),
    mutant(
        "lists of members are not compared",
        &[(
            "membership.rs",
            "        secrets.summand(&self.roster.hash())",
            "        secrets.summand(&self.roster.hash()) & 0",
        )],
    ),
    mutant(
        "who is not a member accepts operations",
        &[(
            "replica.rs",
            "        !self.membership.is_listed()",
            "        false && !self.membership.is_listed()",
        )],
    ),
    mutant(
        "a preview is never taken back",
        &[(
            "inbox.rs",
            "keyspace.hide(|origin| origin == gone.origin(), cx);",
            "let _ = (gone, keyspace, cx);",
        )],
    ),
    mutant(
        "a preview of a key is added to the one before",
        &[(
            "overlay.rs",
            "shape.subtract(&mut visible, &shown.delta);",
            "",
        )],
    ),
    mutant(
        "an entry is added to its preview",
        &[(
            "overlay.rs",
            "        shape.subtract(delta, &shown.delta);\n        let shown",
            "        let shown",
        )],
    ),
    mutant(
        "a base is adopted without what is previewed",
        &[(
            "base.rs",
            "shape.accumulate(&mut delta, &keyspace.overlay.delta(at, shape));",
            "",
        )],
    ),
    mutant(
        "an entry beneath a newer preview is reported",
        &[(
            "merge.rs",
            "if writes && self.keyspace.overlay.get(at, origin).is_none() {",
            "if writes {",
        )],
    ),
    mutant(
        "a closed life is folded without one that has to sign",
        &[(
            "ledger.rs",
            "            let statement = self.statements.get(key)?;",
            "            let Some(statement) = self.statements.get(key) else { continue };",
        )],
    ),
    mutant(
        "of two contents of a closed life the first one stays",
        &[(
            "../../atomik-algebra/src/entries.rs",
            "    } else if received.tag > held.tag {",
            "    } else if received.tag > held.tag && false {",
        )],
    ),
    mutant(
        "a put xors into a field that adds",
        &[(
            "writer.rs",
            "Action::Put(value) => (shape.difference(value, &state), None, None),",
            "Action::Put(value) => (value.xor(&state), None, None),",
        )],
    ),
    mutant(
        "an undo adds again",
        &[(
            "replica.rs",
            "            *delta = cx.config.shape.inverse(delta);",
            "",
        )],
    ),
    mutant(
        "a fold xors into the base",
        &[(
            "base.rs",
            "table.shape.accumulate(base, &entry.change.accumulator);",
            "*base = base.xor(&entry.change.accumulator);",
        )],
    ),
    mutant(
        "the delta since a mark is an xor",
        &[(
            "writer.rs",
            "let since = shape.difference(&state, &mark);",
            "let since = state.xor(&mark);",
        )],
    ),
    mutant(
        "a newer entry is added to the one before",
        &[(
            "merge.rs",
            "shape.subtract(&mut delta, &before.accumulator);",
            "shape.accumulate(&mut delta, &before.accumulator);",
        )],
    ),
    mutant(
        "what is taken back is added again",
        &[("overlay.rs", "shape.inverse(&shown.delta)", "shown.delta")],
    ),
    mutant(
        "additions are told as overlaps",
        &[(
            "../../atomik-algebra/src/entries.rs",
            "let put = a.put > b.knew && b.put > a.knew;",
            "let put = true;",
        )],
    ),
    mutant(
        "puts into fields that add are not told as overlaps",
        &[(
            "../../atomik-algebra/src/entries.rs",
            "let put = a.put > b.knew && b.put > a.knew;",
            "let put = false;",
        )],
    ),
    mutant(
        "overlaps of xor fields beside fields that add are not told",
        &[(
            "../../atomik-algebra/src/entries.rs",
            "let mut bits = bits.and(xors);",
            "let mut bits = bits.xor(&bits);",
        )],
    ),
    mutant(
        "a put that another change follows is forgotten",
        &[(
            "writer.rs",
            "        if is_put {
            change.put = change.version;
        }",
            "        change.put = if is_put { change.version } else { 0 };",
        )],
    ),
    mutant(
        "a compact slot forgets its put",
        &[(
            "single.rs",
            "        if is_put {
            self.put = self.version;
        }",
            "        let _ = is_put;",
        )],
    ),
    mutant(
        "a restart forgets puts",
        &[(
            "memory.rs",
            "put = Change::decode_put(reader, version, has_put)?;",
            "put = Change::decode_put(reader, version, has_put)? * 0;",
        )],
    ),
    mutant(
        "flags in fields that add are taken",
        &[("writer.rs", "if !shape.is_xor(*flag) => {", "if false => {")],
    ),
    mutant(
        "a life that began under a later list than the certificate's counts as folded",
        &[(
            "certificate.rs",
            "None => roster.number() == number || author.life() < later,",
            "None => true,",
        )],
    ),
    mutant(
        "a certificate folds nothing until its list is known",
        &[(
            "certificate.rs",
            "_ if roster.number() < number => true,",
            "_ if false => true,",
        )],
    ),
    mutant(
        "the last member on a list waits for others to vouch",
        &[(
            "replica.rs",
            "        self.standing.heed(&own, self.membership.roster());\n",
            "",
        )],
    ),
];
