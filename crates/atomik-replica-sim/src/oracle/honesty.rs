//! A dishonest member, and what honest ones may report of it.
//!
//! What it signs counts as whatever the honest members agree on, except entries of its origins that
//! one of them has reported. Nobody else may be accused.

use std::collections::BTreeSet;

use atomik_replica::{Notice, OriginId, PublicKey, Refusal, Replica, Value};

use super::contents::{Contents, KeyContents};
use crate::violation::{Check, Violation, ensure};

/// What becomes of what honest members hold of a dishonest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// They take more of it.
    Living,
    /// It has retired or was convicted, and they fold all of it.
    Folded,
    /// They would, if all who had the certified base had not lost it. So they take no more of it.
    Stuck,
}

/// What is known of a dishonest member.
#[derive(Clone, Debug)]
pub(crate) struct KnownLiar {
    /// Its number.
    pub(crate) n: usize,
    pub(crate) key: PublicKey,
    /// All origins that it has had.
    pub(crate) origins: BTreeSet<OriginId>,
    /// Those that an honest member has reported.
    reported: BTreeSet<OriginId>,
    /// Origins of which it has at most previewed changes.
    pub(crate) previewed: BTreeSet<OriginId>,
    /// Bytes that it has previewed, each of which may be part of the name of a key.
    pub(crate) previewed_bytes: usize,
    /// The certificates of honest members, in the order in which they came to be.
    certificates: Vec<u128>,
    /// Refusals, and proofs among them.
    pub(crate) refusals: u64,
    pub(crate) proofs: u64,
}

impl KnownLiar {
    pub(crate) fn new(n: usize) -> Self {
        Self {
            n,
            key: [0; 32],
            origins: BTreeSet::new(),
            reported: BTreeSet::new(),
            previewed: BTreeSet::new(),
            previewed_bytes: 0,
            certificates: vec![0],
            refusals: 0,
            proofs: 0,
        }
    }

    pub(crate) fn has_been(&self, id: OriginId) -> bool {
        self.origins.contains(&id) || self.previewed.contains(&id)
    }

    /// What an honest member holds of its origins that nobody has reported: origin, version and, as
    /// long as nobody has reported any origin, accumulator. Entries of a reported one may differ as
    /// long as it is not over, and that can hide two contents of one version with the same weight.
    /// What it only previewed differs as it likes.
    pub(crate) fn unreported(&self, key: &KeyContents) -> Vec<(OriginId, u64, Option<Value>)> {
        let entries = key.signed().foreign.into_iter();
        let entries = entries.filter(|entry| !self.reported.contains(&entry.origin));
        let content = |it: Value| Some(it).filter(|_| !self.is_reported());
        let entries = entries.map(|it| (it.origin, it.version, content(it.accumulator)));
        entries.collect()
    }

    /// Takes note of the certificate of an honest member.
    pub(crate) fn certify(&mut self, certificate: u128) {
        if !self.certificates.contains(&certificate) {
            self.certificates.push(certificate);
        }
    }

    /// What becomes of what honest members, of which these are `held`, hold of it, given which
    /// origins are over.
    pub(crate) fn fate<'a>(
        &self,
        announced: &BTreeSet<OriginId>,
        mut held: impl Iterator<Item = &'a Contents>,
    ) -> Fate {
        if self.origins.is_disjoint(announced) {
            Fate::Living
        } else if held.any(|held| Some(&held.certificate) == self.certificates.last()) {
            Fate::Folded
        } else {
            Fate::Stuck
        }
    }

    /// Whether an honest member has reported one of its origins.
    pub(crate) fn is_reported(&self) -> bool {
        !self.reported.is_empty()
    }

    /// Takes note of what an honest member reports.
    pub(crate) fn note(&mut self, notices: &[Notice]) {
        for notice in notices {
            if let Notice::Refused { reason, .. } = notice {
                self.refusals += 1;
                self.reported.extend(accused(reason));
                let proved = matches!(reason, Refusal::Equivocation { proof: Some(_), .. });
                self.proofs += u64::from(proved);
            }
        }
    }

    /// Checks a refusal by replica `n` of what it got from a replica.
    pub(crate) fn check_refusal(&self, n: usize, from: usize, reason: &Refusal) -> Check {
        let accused = accused(reason);
        ensure(
            accused.is_none_or(|origin| self.has_been(origin)),
            "no honest member is accused",
            || format!("r{n}: {reason}"),
        )?;
        ensure(
            from == self.n || accused.is_some(),
            "no honest message is refused",
            || format!("r{n}, from r{from}: {reason}"),
        )?;
        let Refusal::Equivocation { proof, .. } = reason else {
            return Ok(());
        };
        let verdict = proof.as_ref().map(|proof| proof.verify());
        ensure(
            matches!(&verdict, Some(Ok(verdict)) if verdict.accused == self.key),
            "a contradiction is reported with a proof of it",
            || format!("r{n}: {verdict:?}"),
        )
    }

    /// Checks that an honest member knows no more than somebody had a reason to tell it: no origins
    /// that nobody had, no more than `keys` keys, and the first list of members.
    pub(crate) fn check_bounds(
        &self,
        n: usize,
        replica: &Replica,
        is_honest: impl Fn(OriginId) -> bool,
        keys: usize,
    ) -> Check {
        let mut origins = replica.origins().map(|status| status.origin);
        let invented = origins.find(|origin| !self.origins.contains(origin) && !is_honest(*origin));
        if let Some(origin) = invented {
            return Err(Violation {
                invariant: "only origins that have signed something are known",
                detail: format!("r{n}: {origin}"),
            });
        }
        ensure(
            replica.states().len() <= keys + self.previewed_bytes / 3,
            "only keys that somebody has changed take memory",
            || format!("r{n}: {} keys", replica.states().len()),
        )?;
        ensure(
            replica.roster().number() == 0,
            "only the administrator changes the list of members",
            || format!("r{n}: list {}", replica.roster().number()),
        )
    }
}

/// The origin that a refusal accuses.
fn accused(reason: &Refusal) -> Option<OriginId> {
    match reason {
        Refusal::Equivocation { origin, .. }
        | Refusal::Forked { origin }
        | Refusal::Quarantined { origin }
        | Refusal::TooManyOrigins { origin, .. } => Some(*origin),
        _ => None,
    }
}
