//! Goals: frequencies to reach on FPGAs, and whether a report reaches them.

use std::path::Path;

use atomik_hdl::{Config, Target};
use serde::{Deserialize, Serialize};

use crate::design::Design;
use crate::device::{Cells, Device};
use crate::job::Job;
use crate::plan::{self, JobError, PlanError, seeds};
use crate::report::Report;

/// A file of goals.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    goal: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    text: String,
    device: String,
    width: Option<u32>,
    layout: Option<String>,
    depth: usize,
    lanes: u32,
    target: Option<String>,
    #[serde(default = "three")]
    seeds: u32,
    freq: Option<u32>,
    mhz: Option<f64>,
    #[serde(default)]
    bitstream: bool,
    #[serde(default)]
    cells: Cells,
}

fn three() -> u32 {
    3
}

/// A design to place, and the frequency it should reach.
#[derive(Clone, Debug)]
pub struct Goal {
    /// The description shown in tables.
    pub text: String,
    /// The median frequency to reach, in MHz. None: the design only has to be placed.
    pub mhz: Option<f64>,
    /// Whether to pack a bitstream as well.
    pub bitstream: bool,
    /// The design to place.
    pub job: Job,
}

impl Goal {
    /// Reads a file of goals.
    ///
    /// # Errors
    /// If the file cannot be read, is not a file of goals, or names something that cannot be
    /// placed.
    pub fn read(path: &Path) -> Result<Vec<Self>, PlanError> {
        plan::read(path, |plan: Plan| {
            plan.goal.into_iter().map(Self::of).collect()
        })
    }

    fn of(entry: Entry) -> Result<Self, JobError> {
        let device = Device::named(&entry.device)?;
        let target: Target = match &entry.target {
            Some(name) => name.parse()?,
            None => device.family.target(),
        };
        let layout = entry.layout.as_deref();
        let config = Config::of_words(entry.width, layout, entry.depth, entry.lanes)?;
        Ok(Self {
            text: entry.text,
            mhz: entry.mhz,
            bitstream: entry.bitstream,
            job: Job {
                design: Design::generated(&config.with_target(target)),
                device,
                seeds: seeds(entry.seeds)?,
                freq_mhz: entry.freq.unwrap_or(device.freq_mhz),
                cells: entry.cells,
            },
        })
    }

    /// Whether the report reaches the goal. If its frequency does not cover the memories, the
    /// verdict says so.
    #[must_use]
    pub fn verdict(&self, report: &Report) -> Verdict {
        match (report.fmax_mhz(), self.mhz) {
            (None, _) => Verdict::NotPlaced,
            (Some(fmax), Some(mhz)) if fmax.median < mhz => Verdict::Missed,
            (Some(_), _) if report.misses_memories() => Verdict::MetUncovered,
            (Some(_), _) => Verdict::Met,
        }
    }
}

/// Whether a goal was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Reached.
    Met,
    /// Reached, but the frequency does not cover the memories.
    MetUncovered,
    /// The median is too low.
    Missed,
    /// The design was not placed.
    NotPlaced,
}

impl Verdict {
    /// The verdict as shown in tables.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Met => "yes",
            Self::MetUncovered => "yes*",
            Self::Missed => "no",
            Self::NotPlaced => "not placed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::critical_path::CriticalPath;
    use crate::placement::Placement;
    use crate::report::{Outcome, Spread};
    use crate::timing::Coverage;

    const GOAL: &str = r#"
        [[goal]]
        text = "one lane"
        device = "ecp5-25k"
        width = 8
        depth = 16
        lanes = 1
        mhz = 300
    "#;

    fn goals(text: &str) -> Result<Vec<Goal>, String> {
        let plan: Plan = toml::from_str(text).map_err(|error| error.to_string())?;
        let goals = plan.goal.into_iter().map(Goal::of);
        goals
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())
    }

    fn report(fmax: f64, memory_path_ns: Option<f64>) -> Report {
        let placement = Placement {
            seed: 1,
            fmax_mhz: fmax,
            asked_mhz: 350.0,
            critical_path: CriticalPath {
                from: "a".into(),
                to: "b".into(),
                levels: 1,
                logic_ns: 1.0,
                routing_ns: 1.0,
            },
            coverage: Coverage {
                endpoints: 10,
                covered: 10,
                memories: 2,
                memory_path_ns,
                other_path_ns: 1.0,
            },
            uses: vec![],
        };
        Report {
            design: "d".into(),
            shape: None,
            device: "ecp5-25k".into(),
            asked_mhz: 350,
            cells: Cells::Timed,
            area: None,
            outcome: Outcome::Placed {
                fmax_mhz: Spread::of([fmax]).unwrap(),
                placements: vec![placement],
            },
        }
    }

    #[test]
    fn a_goal_is_met_by_its_median_and_marked_where_the_memory_is_not_covered() {
        let goal = &goals(GOAL).unwrap()[0];
        assert_eq!(goal.job.design.shape.as_ref().unwrap().target, "ecp5");
        assert_eq!(goal.job.seeds, [1, 2, 3]);
        assert_eq!(goal.verdict(&report(300.0, Some(2.0))), Verdict::Met);
        assert_eq!(goal.verdict(&report(300.0, None)), Verdict::MetUncovered);
        assert_eq!(goal.verdict(&report(299.9, Some(2.0))), Verdict::Missed);
        let mut none = report(300.0, None);
        none.outcome = Outcome::TooBig { overfull: vec![] };
        assert_eq!(goal.verdict(&none), Verdict::NotPlaced);
    }

    #[test]
    fn a_goal_may_have_fields_that_add_if_they_agree_with_the_width() {
        let with = |word: &str| goals(&GOAL.replace("width = 8", word));
        for word in [
            "layout = \"xor:5,add:3\"",
            "width = 8\nlayout = \"xor:5,add:3\"",
        ] {
            let goal = &with(word).unwrap()[0];
            assert_eq!(goal.job.design.name, "xor:5,add:3 d16 l1 ecp5");
            let shape = goal.job.design.shape.as_ref().unwrap();
            assert_eq!(shape.layout.as_deref(), Some("xor:5,add:3"));
        }
        for (word, reason) in [
            (
                "width = 9\nlayout = \"xor:5,add:3\"",
                "have 8 bits together, but the width is 9",
            ),
            ("layout = \"xor:5;add:3\"", "is not a field"),
            ("", "give a width, or a layout"),
        ] {
            let error = with(word).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_goal_that_makes_no_sense_is_refused() {
        assert!(
            goals(&GOAL.replace("mhz", "mhhz"))
                .unwrap_err()
                .contains("unknown field")
        );
        assert!(
            goals(&GOAL.replace("lanes = 1", "lanes = 3"))
                .unwrap_err()
                .contains("lane counts")
        );
    }
}
