//! A design on a device, over several seeds.

use serde::{Deserialize, Serialize};

use crate::design::Shape;
use crate::device::Cells;
use crate::netlist::Area;
use crate::placement::{Placement, Use};

/// What came out of placing a design on a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The design.
    pub design: String,
    /// Its size, if it is a generated register file.
    pub shape: Option<Shape>,
    /// The device.
    pub device: String,
    /// The frequency that was asked for, in MHz.
    pub asked_mhz: u32,
    /// What nextpnr's timing was made to see.
    pub cells: Cells,
    /// The size of the design alone, synthesised by itself without the harness.
    pub area: Option<Area>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How placing a design ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// It was placed and routed.
    Placed {
        /// The frequencies of all seeds, in MHz.
        fmax_mhz: Spread,
        /// One for each seed, in the order of the seeds.
        placements: Vec<Placement>,
    },
    /// The device is too small.
    TooBig {
        /// What does not suffice.
        overfull: Vec<Use>,
    },
    /// A tool failed.
    Failed {
        /// What it said last, and where its log is.
        message: String,
    },
}

/// The least, middle and greatest of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The one in the middle, or the mean of the two there.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// The spread of `values`; None if there are none.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { min, median, max })
    }
}

impl Report {
    /// The frequencies of all seeds, if it was placed.
    #[must_use]
    pub fn fmax_mhz(&self) -> Option<Spread> {
        match self.outcome {
            Outcome::Placed { fmax_mhz, .. } => Some(fmax_mhz),
            _ => None,
        }
    }

    /// The placements, one for each seed.
    #[must_use]
    pub fn placements(&self) -> &[Placement] {
        match &self.outcome {
            Outcome::Placed { placements, .. } => placements,
            _ => &[],
        }
    }

    /// Of an odd number of seeds the one in the middle; of an even number the slower of the two
    /// there.
    #[must_use]
    pub fn median(&self) -> Option<&Placement> {
        let mut placements: Vec<&Placement> = self.placements().iter().collect();
        placements.sort_by(|a, b| a.fmax_mhz.total_cmp(&b.fmax_mhz));
        placements
            .get(placements.len().saturating_sub(1) / 2)
            .copied()
    }

    /// Accumulates per second: lanes times the median frequency. Every lane takes one command in
    /// every cycle, which is what simulation counts; the frequency is that of the placed design.
    #[must_use]
    pub fn accumulates_per_second(&self) -> Option<f64> {
        let lanes = self.shape.as_ref()?.lanes;
        Some(f64::from(lanes) * self.fmax_mhz()?.median * 1e6)
    }

    /// Whether the frequency says nothing of the design's memories, in any of the seeds.
    #[must_use]
    pub fn misses_memories(&self) -> bool {
        let mut placements = self.placements().iter();
        placements.any(|placement| !placement.coverage.covers_memories())
    }

    /// How many registers the frequency says nothing of, and of how many, in the worst seed.
    #[must_use]
    pub fn uncovered(&self) -> (u32, u32) {
        let coverage = self.placements().iter().map(|placement| {
            let coverage = &placement.coverage;
            (coverage.endpoints - coverage.covered, coverage.endpoints)
        });
        coverage.max().unwrap_or((0, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value_or_the_mean_of_two() {
        assert_eq!(Spread::of([]), None);
        let spread = Spread::of([300.0, 100.0, 120.0]).unwrap();
        assert_eq!(
            (spread.min, spread.median, spread.max),
            (100.0, 120.0, 300.0)
        );
        assert_eq!(
            Spread::of([4.0, 1.0, 2.0, 10.0]).map(|s| s.median),
            Some(3.0)
        );
    }
}
