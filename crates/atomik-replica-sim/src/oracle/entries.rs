//! Checks what a replica holds after an event against the history of all origins.

use atomik_replica::Value;

use super::contents::{ALL, Contents, Entry, KeyContents};
use super::expected::ExpectedReplica;
use super::history::History;
use super::observe::describe;
use crate::violation::{Check, ensure};

/// Compares `new`, what a replica holds, with the history and with what it held before.
pub(crate) fn check_contents(
    history: &History,
    expected: &ExpectedReplica,
    new: &Contents,
) -> Check {
    let before = &expected.contents;
    let checker = Checker {
        history,
        expected,
        new,
    };
    checker.folded_stays_folded()?;
    checker.states_are_the_sum_of_all_changes()?;
    for (key, (new, before)) in new.keys.iter().zip(&before.keys).enumerate() {
        for entry in &new.entries {
            checker.entry_is_what_its_origin_did(key, entry)?;
            checker.entry_is_stored_at_its_origin(key, entry)?;
            checker.version_has_not_gone_backward(key, entry, before)?;
            checker.folded_origin_has_no_entry(key, entry)?;
        }
        checker.no_entry_is_gone(key, new, before)?;
        checker.own_changes_are_all_there(key, new)?;
    }
    Ok(())
}

struct Checker<'a> {
    history: &'a History,
    expected: &'a ExpectedReplica,
    new: &'a Contents,
}

impl Checker<'_> {
    fn name(&self, key: usize, entry: &Entry) -> String {
        let name = self.history.name(entry.origin);
        format!(
            "r{}: k{key}: {name} version {}",
            self.expected.n, entry.version
        )
    }

    fn folded_stays_folded(&self) -> Check {
        let mut folded = self.expected.contents.folded.iter();
        folded.try_for_each(|origin| {
            ensure(
                self.new.folded.contains(origin),
                "a folded origin stays folded",
                || format!("r{}: {}", self.expected.n, self.history.name(*origin)),
            )
        })
    }

    fn entry_is_what_its_origin_did(&self, key: usize, entry: &Entry) -> Check {
        let (n, version) = (self.expected.n, entry.version);
        let done = self.history.accumulator(n, entry.origin, key, version);
        ensure(
            done.as_ref() == Some(&entry.accumulator),
            "an entry matches what its origin did",
            || format!("{}: {}", self.name(key, entry), entry.accumulator),
        )
    }

    fn entry_is_stored_at_its_origin(&self, key: usize, entry: &Entry) -> Check {
        ensure(
            entry.origin == self.expected.local.origin
                || entry.version <= self.history.origins[entry.origin].stored[key],
            "a change travels only after its origin has stored it",
            || self.name(key, entry),
        )
    }

    fn version_has_not_gone_backward(
        &self,
        key: usize,
        entry: &Entry,
        before: &KeyContents,
    ) -> Check {
        // A version that its origin has not signed may be taken back.
        let before = before.signed().version(entry.origin);
        ensure(
            entry.version >= before,
            "versions never go backward",
            || format!("{}, before {before}", self.name(key, entry)),
        )
    }

    fn folded_origin_has_no_entry(&self, key: usize, entry: &Entry) -> Check {
        ensure(
            !self.new.folded.contains(&entry.origin),
            "a folded origin has no entries",
            || self.name(key, entry),
        )
    }

    fn no_entry_is_gone(&self, key: usize, new: &KeyContents, before: &KeyContents) -> Check {
        before.signed().entries.iter().try_for_each(|entry| {
            ensure(
                new.version(entry.origin) > 0 || self.new.folded.contains(&entry.origin),
                "versions never go backward",
                || format!("{} is gone", self.name(key, entry)),
            )
        })
    }

    fn own_changes_are_all_there(&self, key: usize, new: &KeyContents) -> Check {
        let ExpectedReplica { n, local, .. } = self.expected;
        let own = local.origin;
        let done = self.history.changes(*n, own, key).len() as u64;
        ensure(
            new.version(own) == done || self.new.folded.contains(&own) && local.retired,
            "a replica holds all its own changes",
            || format!("r{n}: k{key}: {} of {done}", new.version(own)),
        )
    }

    /// What is folded of a dishonest member only it knows, but that does not change unless more is
    /// folded.
    fn states_are_the_sum_of_all_changes(&self) -> Check {
        let (new, before) = (self.new, &self.expected.contents);
        let folds = self.history.liar.is_some() && new.certificate != before.certificate;
        let mut keys = new.lies.iter().zip(&before.lies).enumerate();
        keys.try_for_each(|(key, (lies, before))| {
            ensure(
                lies == before || folds,
                "a state is the sum of all changes",
                || {
                    format!(
                        "r{}: k{key}: {}, wrong by {}",
                        self.expected.n,
                        describe(self.history, &new.keys[key]),
                        self.history.fields.difference(lies, before)
                    )
                },
            )
        })
    }
}

/// The part of each state of replica `n` that neither entries nor what is folded of honest members
/// explain.
pub(crate) fn unexplained(history: &History, n: usize, contents: &Contents) -> Vec<Value> {
    let keys = contents.keys.iter().enumerate();
    keys.map(|(key, content)| {
        let mut rest = content.state.clone();
        let own = content.entries.iter().map(|entry| &entry.accumulator);
        let foreign = content.foreign.iter().map(|entry| &entry.accumulator);
        own.chain(foreign)
            .for_each(|it| history.fields.take_from(&mut rest, it));
        for &origin in &contents.folded {
            if let Some(last) = history.accumulator(n, origin, key, ALL) {
                history.fields.take_from(&mut rest, &last);
            }
        }
        rest
    })
    .collect()
}
