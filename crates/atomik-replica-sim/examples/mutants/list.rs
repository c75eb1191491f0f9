//! Faults to plant into `atomik-replica`, each of which the simulator must find, or which can be
//! shown to change nothing.

/// A fault: what is replaced by what, and what the simulator makes of it.
pub struct Mutant {
    /// What is wrong with it.
    pub name: &'static str,
    /// Files of `atomik-replica`, below `src`; texts that occur exactly once there; their
    /// replacements.
    pub edits: &'static [Edit],
    /// Why it changes nothing that the simulator may complain of, if so.
    pub equivalent: Option<&'static str>,
}

/// A file, a text, and its replacement.
pub type Edit = (&'static str, &'static str, &'static str);

const fn mutant(name: &'static str, edits: &'static [Edit]) -> Mutant {
    Mutant {
        name,
        edits,
        equivalent: None,
    }
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "merge takes the same version again",
        edits: &[(
            "merge.rs",
            "Ordering::Equal if change == *known => return Ok(false),",
            "Ordering::Equal if change == *known => {}",
        )],
        equivalent: Some(
            "the same change replaces itself: the delta is 0, and no new overlap comes of it",
        ),
    },
    mutant(
        "merge ignores versions",
        &[
            (
                "merge.rs",
                "Ordering::Less => return Ok(false),",
                "Ordering::Less => {}",
            ),
            (
                "merge.rs",
                "change.version > held.version || change.version == held.version && change != held",
                "change != held",
            ),
        ],
    ),
    mutant(
        "merge takes the lower version",
        &[
            (
                "merge.rs",
                "Ordering::Less => return Ok(false),",
                "Ordering::Less => {}",
            ),
            (
                "merge.rs",
                "Ordering::Greater => {}",
                "Ordering::Greater => return Ok(false),",
            ),
            (
                "merge.rs",
                "change.version > held.version || change.version == held.version && change != held",
                "change.version < held.version",
            ),
        ],
    ),
    mutant(
        "an entry that comes twice is added twice",
        &[
            (
                "merge.rs",
                "Ordering::Equal if change == *known => return Ok(false),",
                "Ordering::Equal if change == *known => {
                    let again = known.accumulator.clone();
                    self.table.slot(at).state.accumulate(&again);
                    return Ok(false);
                }",
            ),
            (
                "merge.rs",
                "change.version == held.version && change != held",
                "change.version == held.version",
            ),
        ],
    ),
    mutant(
        "broadcast before it is persisted",
        &[(
            "replica.rs",
            "        self.flight = Some(Flight {",
            "        for (number, bytes) in Vec::clone(&frames) {
            self.broadcast(number, bytes, effects);
        }
        self.flight = Some(Flight {",
        )],
    ),
    mutant(
        "a confirmation is not compared with the ticket",
        &[(
            "replica.rs",
            "take_if(|flight| flight.ticket == ticket)",
            "take_if(|_| true)",
        )],
    ),
    mutant(
        "fold without all attestations",
        &[("fold.rs", "if self.is_attested(place, true) {", "if true {")],
    ),
    mutant(
        "fold what is incomplete here",
        &[(
            "fold.rs",
            "            // Our attestation alone is no proof",
            "            if self.is_attested(place, false) {
                self.fold(place, effects);
                continue;
            }
            // Our attestation alone is no proof",
        )],
    ),
    mutant(
        "attest before it is durable",
        &[("fold.rs", "if complete > self.durable {", "if false {")],
    ),
    mutant(
        "attest what is incomplete here",
        &[(
            "fold.rs",
            "None if self.inventory(place) == (retirement.entries, retirement.hash) => {",
            "None if true => {",
        )],
    ),
    mutant(
        "an own attestation counts for what is here",
        &[(
            "fold.rs",
            "None if self.inventory(place) == (retirement.entries, retirement.hash) => {",
            "None if origin.retiring.attestations.contains_key(&key)
                    || self.inventory(place) == (retirement.entries, retirement.hash) =>
                {",
        )],
    ),
    mutant(
        "a retirement is announced before it is durable",
        &[(
            "fold.rs",
            ".is_some_and(|ticket| ticket <= self.durable)",
            ".is_some()",
        )],
    ),
    mutant(
        "late frames of a folded origin are taken",
        &[("merge.rs", "if known.folded {", "if false {")],
    ),
    mutant(
        "an own entry with unpublished changes is served",
        &[(
            "sync.rs",
            "                if self
                    .secrets
                    .leaf(",
            "                if true || self
                    .secrets
                    .leaf(",
        )],
    ),
    mutant(
        "an incarnation goes on although memory was lost",
        &[(
            "replica.rs",
            "Some(own) if replica.config.kept_memory && !replica.retired => own,",
            "Some(own) if !replica.retired => own,",
        )],
    ),
    mutant(
        "what was seen is not noted",
        &[(
            "replica.rs",
            "slot.entries[position].change.seen = seen.collect();",
            "drop(seen);",
        )],
    ),
    Mutant {
        name: "overlap compares what was known with > in place of >=",
        edits: &[(
            "entry.rs",
            "if a_knew >= b.0.version || b_knew >= a.0.version {",
            "if a_knew > b.0.version || b_knew > a.0.version {",
        )],
        equivalent: Some(
            "who knew just the last version leaves a net effect of 0, which meets nothing",
        ),
    },
    Mutant {
        name: "overlap does not compare what was known",
        edits: &[(
            "entry.rs",
            "if a_knew >= b.0.version || b_knew >= a.0.version {",
            "if false {",
        )],
        equivalent: Some(
            "of two entries, one is the replica's own: nobody knows more of that than it does itself, and who knows as much leaves 0",
        ),
    },
    mutant(
        "overlap is not told",
        &[(
            "merge.rs",
            "            if !self.retired {",
            "            if false {",
        )],
    ),
    mutant(
        "who has left goes on telling overlaps",
        &[(
            "merge.rs",
            "            if !self.retired {",
            "            if true {",
        )],
    ),
    Mutant {
        name: "the digest's table keeps old ids",
        edits: &[("table.rs", "                self.sketch.remove(id);\n", "")],
        equivalent: Some(
            "cells that cannot be decoded are followed by a pass over everything, so replicas become the same, at a price that tests/replication.rs counts",
        ),
    },
    mutant(
        "the digest's sum keeps old tags",
        &[(
            "table.rs",
            "self.sum = self.sum.wrapping_sub(u128::from_le_bytes(entry.tag));",
            "",
        )],
    ),
    mutant(
        "tags do not cover the origin",
        &[(
            "frame.rs",
            "SmallVec::<[u8; 128]>::from_slice(&origin.0);",
            "{ let _ = origin; SmallVec::<[u8; 128]>::new() };",
        )],
    ),
    mutant(
        "undo applies nothing",
        &[(
            "replica.rs",
            "        for (at, delta) in &deltas {
            self.change_own(*at, delta, effects);
        }
        self.undone",
            "        self.undone",
        )],
    ),
    mutant(
        "forgotten batches come back after a restart",
        &[("record.rs", "        self.forget_batches();\n", "")],
    ),
    mutant(
        "a merge does not keep the states of checkpoints",
        &[("merge.rs", "        self.remember(at);\n", "")],
    ),
    mutant(
        "an adopted base keeps the entries that are in it",
        &[(
            "fold.rs",
            "            for &place in &late {
                if let Some(position)",
            "            for &place in &late[..0] {
                if let Some(position)",
        )],
    ),
    mutant(
        "lost memory drops what was not published",
        &[(
            "replica.rs",
            "            self.enter(at, &delta);\n        }\n        effects",
            "            let _ = (at, delta);\n        }\n        effects",
        )],
    ),
    mutant(
        "what moves at a loss of memory is told and remembered as a change",
        &[(
            "replica.rs",
            "            self.enter(at, &delta);\n        }\n        effects",
            "            self.table.slot(at).state.accumulate(&delta);
            self.change_own(at, &delta, effects);
        }
        effects",
        )],
    ),
    mutant(
        "a loss of memory is looked for in what was not published",
        &[("merge.rs", "known == Some(self.own) {", "false {")],
    ),
    mutant(
        "who hears of its own retirement goes on",
        &[(
            "fold.rs",
            "if place == self.own && !self.retired {",
            "if false {",
        )],
    ),
    mutant(
        "who has left does not fold its own origin",
        &[(
            "fold.rs",
            "if self.retired && published && self.is_attested(place, false) {",
            "if false {",
        )],
    ),
    mutant(
        "looking at a key makes one that is not stored",
        &[
            (
                "replica.rs",
                "        if delta.is_zero() && new_mark.is_none() {",
                "        let _ = self.table.slot_of(op.key);
        if delta.is_zero() && new_mark.is_none() {",
            ),
            (
                "table.rs",
                "            unstored: true,",
                "            unstored: false,",
            ),
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
            "record.rs",
            "value.push(u8::from(self.retired));",
            "value.push(0);",
        )],
    ),
    mutant(
        "a fetch is not answered",
        &[(
            "sync.rs",
            "        self.send_entries(from, Kind::Changes, places, effects);
        Ok(())",
            "        let _ = (from, places, effects);
        Ok(())",
        )],
    ),
    mutant(
        "who waits for what it fetched waits for ever",
        &[(
            "sync.rs",
            ".take_if(|exchange| ticks.wrapping_sub(exchange.active) > exchange.patience());",
            ".take_if(|exchange| ticks.wrapping_sub(exchange.active) > exchange.patience() << 20);",
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
            "replica.rs",
            "slot.unstored || self.durable < self.tickets",
            "slot.unstored",
        )],
    ),
    mutant(
        "a tick compares with nobody",
        &[("sync.rs", "_ => self.summarise(peer, effects),", "_ => {}")],
    ),
];
