//! The report on a design on a device, over several seeds.

use serde::{Deserialize, Serialize};

use crate::design::Shape;
use crate::device::Cells;
use crate::netlist::Area;
use crate::placement::Placement;
use crate::utilization::Use;

/// The result of placing a design on a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The design.
    pub design: String,
    /// Its size, if it is a generated register file.
    pub shape: Option<Shape>,
    /// The device.
    pub device: String,
    /// The requested frequency in MHz.
    pub asked_mhz: u32,
    /// What the timing analysis covers.
    pub cells: Cells,
    /// The area of the design alone, synthesised without the harness.
    pub area: Option<Area>,
    /// The outcome.
    pub outcome: Outcome,
}

/// The outcome of placing a design.
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
        /// The resources that it ran out of.
        overfull: Vec<Use>,
    },
    /// A tool failed.
    Failed {
        /// The last lines of its output, and where its log is.
        message: String,
    },
}

/// The minimum, median and maximum of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The minimum.
    pub min: f64,
    /// The median; of an even count, the mean of the two middle numbers.
    pub median: f64,
    /// The maximum.
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

    /// The placement of the median seed; of an even count, the slower of the two middle ones.
    #[must_use]
    pub fn median(&self) -> Option<&Placement> {
        let mut placements: Vec<&Placement> = self.placements().iter().collect();
        placements.sort_by(|a, b| a.fmax_mhz.total_cmp(&b.fmax_mhz));
        placements
            .get(placements.len().saturating_sub(1) / 2)
            .copied()
    }

    /// Accumulates per second, computed as lanes times the median frequency of the placed design:
    /// every lane takes one command per cycle, as simulation confirms.
    #[must_use]
    pub fn accumulates_per_second(&self) -> Option<f64> {
        let lanes = self.shape.as_ref()?.lanes;
        Some(f64::from(lanes) * self.fmax_mhz()?.median * 1e6)
    }

    /// Whether the frequency of any seed does not cover the design's memories.
    #[must_use]
    pub fn misses_memories(&self) -> bool {
        let mut placements = self.placements().iter();
        placements.any(|placement| !placement.coverage.covers_memories())
    }

    /// How many register inputs the frequency does not cover, and how many there are, in the worst
    /// seed.
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
