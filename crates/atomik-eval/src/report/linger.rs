//! What it saves and costs to let changes wait for others before they are sent: the same run at
//! once and with a linger.

use atomik_arena::figures::{Review, Run, SystemFigures};

use super::metrics::{self, Metric};
use super::sheet::is_ours;

/// The figures that a linger changes.
pub const ROWS: &[&Metric] = &[
    &metrics::WIRE,
    &metrics::MESSAGES,
    &metrics::LATENCY_MEDIAN,
    &metrics::LATENCY_P99,
    &metrics::VISIBLE_MEDIAN,
    &metrics::VISIBLE_P99,
];

/// What a linger is, for those who read the figures.
pub const WHAT: &str = "A change that could be sent waits up to so long for others, and travels in \
    one message with them. What a node can acknowledge on its own does not wait.";

/// A run at both settings. Its runs have the settings in place of the faults.
#[derive(Debug)]
pub struct Pair {
    /// The faults of both.
    pub faults: String,
    /// The run in which changes are sent at once.
    pub at_once: Run,
    /// The run in which they wait.
    pub later: Run,
}

impl Pair {
    /// The two settings of a run, if it was run at both.
    pub fn of(run: &Run) -> Option<Self> {
        let lingering = run.lingering.as_ref()?;
        let at = |ms: f64, systems: &[SystemFigures]| {
            let mut at = run.clone();
            at.world.faults = format!("{ms} ms");
            at.systems = systems.to_vec();
            at
        };
        Some(Self {
            faults: run.world.faults.clone(),
            at_once: at(0.0, &run.systems),
            later: at(lingering.linger_ms, &lingering.systems),
        })
    }

    /// The runs of a review that have both settings.
    pub fn all(review: &Review) -> Vec<Self> {
        review.runs.iter().filter_map(Self::of).collect()
    }

    /// Both, in order.
    pub fn runs(&self) -> [&Run; 2] {
        [&self.at_once, &self.later]
    }

    /// What a linger saves and costs ATOMiK, in a sentence. `None` if it did not run, or a figure
    /// is missing.
    pub fn sentence(&self) -> Option<String> {
        let [before, after] = self.runs().map(|run| {
            let mut systems = run.systems.iter();
            systems.find(|system| is_ours(&system.name))
        });
        let (before, after) = (before?, after?);
        let number = |metric: &Metric| {
            let [before, after] = [before, after].map(|system| metric.measure(system).number());
            Some((before?, after?))
        };
        let text = |metric: &Metric| {
            let [before, after] = [before, after].map(|system| metric.measure(system).text());
            format!("{after} instead of {before}")
        };
        let (bytes, visible) = (&metrics::WIRE, &metrics::VISIBLE_MEDIAN);
        let (all, fewer) = number(bytes)?;
        let (soon, late) = number(visible)?;
        let saves = match fewer < all {
            true => "saves",
            false => "does not save",
        };
        let costs = match late > soon {
            true => "costs freshness",
            false => "costs no freshness",
        };
        Some(format!(
            "With {} of linger, {} {saves} bytes ({} a write) and {costs} (a change is visible \
             everywhere after {}, median).",
            self.later.world.faults,
            after.name,
            text(bytes),
            text(visible),
        ))
    }
}
