//! Reasons for a verdict, and what they cost.

use std::borrow::Cow;
use std::cmp::Reverse;

use super::findings::Verdict;

/// What a reason costs whoever uses deltas nevertheless, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cost {
    /// Wrong states.
    Wrong,
    /// Conflicts that somebody has to resolve.
    Work,
    /// Something that the trace has and the future may not.
    Assumption,
    /// Bytes.
    Space,
}

/// A reason against a fit, or a condition of one.
#[derive(Clone, Debug)]
pub(super) struct Reason {
    cost: Cost,
    /// How many operations it concerns.
    operations: u64,
    text: String,
    /// What to do where it rules deltas out, from "use" on.
    pub(super) instead: Cow<'static, str>,
}

impl Reason {
    pub(super) fn new(
        cost: Cost,
        operations: u64,
        text: impl Into<String>,
        instead: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            cost,
            operations,
            text: text.into(),
            instead: instead.into(),
        }
    }

    /// The worse, the lower.
    pub(super) fn rank(&self) -> (Cost, Reverse<u64>) {
        (self.cost, Reverse(self.operations))
    }
}

/// The reasons of a verdict.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    /// What rules deltas out.
    pub(super) against: Vec<Reason>,
    /// What has to hold.
    pub(super) conditions: Vec<Reason>,
    pub(super) remarks: Vec<String>,
}

impl Reasons {
    /// The verdict, the texts in the order of what they cost, and the worst reason.
    pub(super) fn verdict(mut self) -> (Verdict, Vec<String>, Option<Reason>) {
        self.against.sort_by_key(Reason::rank);
        self.conditions.sort_by_key(Reason::rank);
        let worst = self.against.first().or(self.conditions.first()).cloned();
        let verdict = match (self.against.is_empty(), self.conditions.is_empty()) {
            (false, _) => Verdict::DoesNotFit,
            (true, false) => Verdict::FitsWithConditions,
            (true, true) => Verdict::Fits,
        };
        let against = self.against.into_iter();
        let against =
            against.map(|Reason { text, instead, .. }| format!("{text} Instead, {instead}."));
        let conditions = self.conditions.into_iter();
        let conditions = conditions
            .map(|Reason { text, instead, .. }| format!("Condition: {text} Otherwise, {instead}."));
        let texts = against.chain(conditions).chain(self.remarks);
        (verdict, texts.collect(), worst)
    }
}
