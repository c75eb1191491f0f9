//! The result of a proof.

use crate::counterexample::Counterexample;
use crate::solver::Solver;
use serde::Serialize;

/// The result for one design.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The configuration, as plans write it.
    pub config: String,
    /// The solver.
    pub solver: Solver,
    /// The version of the solver, as it prints it.
    pub solver_version: String,
    /// The version of Yosys, as it prints it.
    pub yosys_version: String,
    /// The checks, in the order of the properties' files.
    pub checks: Vec<Check>,
    /// The failure, if one is reachable from a reset.
    pub counterexample: Option<Counterexample>,
    /// Why there is no result: a tool has failed, and there are no checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Seconds from start to end.
    pub seconds: f64,
}

/// A named check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The part: `register file`, or `memory of 16 x 8 bits`.
    pub part: String,
    /// The name, such as `read_exact`.
    pub name: String,
    /// What kind of check it is.
    pub kind: Kind,
    /// The number of cycles of the window, or from the reset; or the frame of PDR's invariant.
    pub depth: u32,
    /// The result.
    pub outcome: Outcome,
    /// Seconds that it took; PDR decides all together.
    pub seconds: f64,
    /// Why it fails, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Kinds of checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Everything, in the first cycles after a reset.
    Base,
    /// Something that the specification says.
    Check,
    /// Something that induction needs.
    Invariant,
    /// Something that must be possible.
    Cover,
}

impl Kind {
    /// `base`, `check`, `invariant` or `cover`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Base => "base",
            Kind::Check => "check",
            Kind::Invariant => "invariant",
            Kind::Cover => "cover",
        }
    }
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds in every cycle; or, if it is the base, in the first cycles.
    Proved,
    /// The cover is reached, this many cycles after a reset at most.
    Reached,
    /// A state in which all invariants hold leads to the cover; whether a reset leads to that state
    /// was not asked, because the clear takes too long.
    Possible,
    /// It does not hold, from a reset.
    Fails,
    /// It does not follow from the invariants, and no failure was found from a reset.
    Unproved,
    /// It follows from the invariants, but not all of those are proved.
    Conditional,
    /// The cover cannot be reached.
    Unreachable,
    /// The solver gave no answer in time.
    Late,
}

impl Outcome {
    /// Whether this is as it should be.
    pub fn is_good(self) -> bool {
        matches!(self, Outcome::Proved | Outcome::Reached | Outcome::Possible)
    }

    /// A few words.
    pub fn text(self) -> &'static str {
        match self {
            Outcome::Proved => "proved",
            Outcome::Reached => "reached",
            Outcome::Possible => "possible",
            Outcome::Fails => "FAILS",
            Outcome::Unproved => "NOT PROVED",
            Outcome::Conditional => "NOT PROVED: an invariant is not",
            Outcome::Unreachable => "NOT REACHED",
            Outcome::Late => "NO ANSWER",
        }
    }
}

impl Report {
    /// Whether everything is proved, and every cover reached or possible.
    pub fn is_proved(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.outcome.is_good())
    }

    /// Whether some check is refuted: it fails, does not follow, or a cover cannot be reached. A
    /// solver that gave no answer refutes nothing.
    pub fn is_refuted(&self) -> bool {
        let outcomes = self.checks.iter().map(|check| check.outcome);
        outcomes
            .into_iter()
            .any(|outcome| !outcome.is_good() && outcome != Outcome::Late)
    }

    /// The names of the checks that are not as they should be.
    pub fn failing(&self) -> Vec<&str> {
        let bad = self.checks.iter().filter(|check| !check.outcome.is_good());
        bad.map(|check| check.name.as_str()).collect()
    }
}
