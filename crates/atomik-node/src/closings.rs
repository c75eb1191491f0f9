//! The reports about what leaves: whose changes are to become part of the base, what that waits
//! for, and what the base contains.

use atomik_replica::{Cause, Closing, PublicKey};
use serde_json::{Value as Json, json};

use crate::credential::public_key_text;
use crate::state::NodeState;
use crate::text::bytes_text;

/// The word for a cause in reports.
fn cause_text(cause: Cause) -> &'static str {
    match cause {
        Cause::Removed => "removed",
        Cause::Convicted => "convicted",
        Cause::Retired => "retired",
        _ => "other",
    }
}

impl NodeState {
    /// The closings under way, and whose signatures each lacks.
    pub(crate) fn closings_report(&self) -> Vec<Json> {
        let closings = self.replica.closings();
        closings
            .iter()
            .map(|closing| self.closing(closing))
            .collect()
    }

    fn closing(&self, closing: &Closing) -> Json {
        let origins = self.replica.origins().filter(|status| {
            let is_over = status.retiring && !status.folded && status.frame > 0;
            status.author.key == closing.key && is_over
        });
        let origins: Vec<String> = origins.map(|status| status.origin.to_string()).collect();
        let missing = closing.missing.iter().map(|key| {
            let mut signer = self.named(key);
            signer["this"] = (*key == self.replica.config().trust.key()).into();
            signer["up"] = self.is_up(key).into();
            signer
        });
        let missing: Vec<Json> = missing.collect();
        let mut report = self.named(&closing.key);
        report["cause"] = cause_text(closing.cause).into();
        report["below"] = closing.below.into();
        report["round"] = closing.round.into();
        report["origins"] = origins.into();
        report["missing"] = missing.into();
        report["text"] = self.closing_text(closing).into();
        report
    }

    fn closing_text(&self, closing: &Closing) -> String {
        let who = self.name_of(&closing.key);
        let what = match closing.cause {
            Cause::Removed => self.removed_text(&closing.key),
            Cause::Convicted => format!("{who} is convicted (atomik node remove)"),
            Cause::Retired => format!("{who} has retired"),
            _ => format!("lives of {who} are over"),
        };
        let names = |keys: &[&PublicKey]| {
            let names: Vec<String> = keys.iter().map(|key| self.name_of(key)).collect();
            names.join(", ")
        };
        let own = self.replica.config().trust.key();
        let missing = closing.missing.iter();
        let (here, away): (Vec<_>, Vec<_>) =
            missing.partition(|key| **key == own || self.is_up(key));
        match (&here[..], &away[..]) {
            ([], []) => format!("{what}: all have signed, and it becomes part of the base"),
            (here, []) => format!(
                "{what}: waits for the signatures of {}, which compare what they hold",
                names(here)
            ),
            (_, away) => {
                let (have, are, they) = match away {
                    [_] => ("has", "it is", "it"),
                    _ => ("have", "they are", "them"),
                };
                format!(
                    "{what}: nothing more becomes part of the base until {} {have} signed, which \
                     this node does not see: nothing needs doing while {are} only away; if {are} \
                     gone for good, remove {they} (atomik node remove)",
                    names(away)
                )
            }
        }
    }

    /// What has happened to a key whose lives a list of members ended.
    fn removed_text(&self, key: &PublicKey) -> String {
        let (who, roster) = (self.name_of(key), self.replica.roster());
        let mut members = roster.members().iter();
        match roster.get(key) {
            Some(listed) => format!("the life of {who} before list {} is over", listed.since),
            // It has another key.
            None if members.any(|listed| listed.name == who) => {
                format!("a former key of {who} is closed")
            }
            None => format!("{who} was removed"),
        }
    }

    /// What the certificate of the base says; null while nothing is folded.
    pub(crate) fn certificate_report(&self) -> Json {
        let Some(certified) = self.replica.certified() else {
            return Json::Null;
        };
        let folded = self
            .replica
            .origins()
            .filter(|status| status.folded && status.frame > 0);
        let folded: Vec<String> = folded.map(|status| status.origin.to_string()).collect();
        let closed = certified.closed.iter().map(|(key, cause, below)| {
            let mut report = self.named(key);
            report["cause"] = cause_text(*cause).into();
            report["below"] = (*below).into();
            report
        });
        let closed: Vec<Json> = closed.collect();
        let signers = certified.signers.iter().map(|key| self.named(key));
        let signers: Vec<Json> = signers.collect();
        let by: Vec<String> = certified
            .signers
            .iter()
            .map(|key| self.name_of(key))
            .collect();
        let mut left: Vec<String> = certified
            .closed
            .iter()
            .map(|(key, cause, _)| format!("{} ({})", self.name_of(key), cause_text(*cause)))
            .collect();
        left.push("all that were not on that list".to_owned());
        let (number, round) = (certified.roster, certified.round);
        let text = format!(
            "list {number}, round {round}, signed by {}; in the base: {}",
            by.join(", "),
            left.join(", ")
        );
        json!({
            "roster": certified.roster,
            "round": certified.round,
            "base": bytes_text(&certified.base),
            "closed": closed,
            "signers": signers,
            "origins": folded,
            "text": text,
        })
    }

    /// What a retirement of this node waits for that is not announced yet.
    pub(crate) fn leaving_text(&self) -> Option<&'static str> {
        self.replica.is_leaving().then_some(
            "this node retires once a member that stays has everything that it has: let it run \
             until it is in sync with one",
        )
    }

    /// What tells of a listed member, by key and the number of the list that added it, why it is
    /// leaving or has left.
    pub(crate) fn causes(&self) -> impl Fn(&PublicKey, u64) -> Option<&'static str> {
        let (closings, certified) = (self.replica.closings(), self.replica.certified());
        move |key, since| {
            let closing = closings.iter().find(|closing| closing.key == *key);
            let certified = certified
                .iter()
                .filter(|certified| since <= certified.roster);
            let mut closed = certified.flat_map(|certified| &certified.closed);
            let cause = closing.map(|closing| closing.cause);
            let cause = cause.or_else(|| {
                let closed = closed.find(|(closed, ..)| closed == key);
                closed.map(|(_, cause, _)| *cause)
            });
            let has_left = cause.filter(|cause| matches!(cause, Cause::Convicted | Cause::Retired));
            has_left.map(cause_text)
        }
    }

    fn named(&self, key: &PublicKey) -> Json {
        json!({"key": public_key_text(key), "member": self.member(key)})
    }

    /// A member's name, or its key if it has none.
    pub(crate) fn name_of(&self, key: &PublicKey) -> String {
        let name = self.member(key).map(str::to_owned);
        name.unwrap_or_else(|| format!("key {}", public_key_text(key)))
    }

    fn is_up(&self, key: &PublicKey) -> bool {
        self.peers.list.values().any(|peer| peer.key == *key)
    }
}
