//! Sweeps: grids of register files on devices, and their results as CSV.

use std::fmt::Write as _;
use std::path::Path;

use atomik_hdl::{Config, Target};
use serde::Deserialize;

use crate::design::Design;
use crate::device::{Cells, Device};
use crate::job::Job;
use crate::plan::{self, JobError, PlanError, seeds};
use crate::report::{Outcome, Report};

/// A sweep, as its file describes it. Every combination of its lists is placed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Devices by name.
    pub devices: Vec<String>,
    /// Widths in bits.
    #[serde(default)]
    pub widths: Vec<u32>,
    /// Words with fields that add, after the widths.
    #[serde(default)]
    pub layouts: Vec<String>,
    /// Depths in words.
    pub depths: Vec<usize>,
    /// Lane counts.
    pub lanes: Vec<u32>,
    /// Targets of the memories. Empty: the target of each device.
    #[serde(default)]
    pub targets: Vec<String>,
    /// The number of seeds, counted from 1.
    #[serde(default = "one")]
    pub seeds: u32,
    /// The requested frequency in MHz. Default: that of the device.
    pub freq: Option<u32>,
    /// What the timing analysis covers.
    #[serde(default)]
    pub cells: Cells,
}

fn one() -> u32 {
    1
}

impl Sweep {
    /// Reads a sweep and returns its jobs. The device changes slowest, the number of lanes fastest.
    ///
    /// # Errors
    /// If the file cannot be read, is not a sweep, or names something that cannot be placed.
    pub fn read(path: &Path) -> Result<Vec<Job>, PlanError> {
        plan::read(path, |sweep: Self| sweep.jobs())
    }

    fn jobs(&self) -> Result<Vec<Job>, JobError> {
        let mut jobs = Vec::new();
        for device in &self.devices {
            let device = Device::named(device)?;
            let targets = if self.targets.is_empty() {
                vec![device.family.target()]
            } else {
                let targets = self.targets.iter().map(|name| name.parse::<Target>());
                targets.collect::<Result<_, _>>()?
            };
            for &target in &targets {
                let widths = self.widths.iter().map(|width| (Some(*width), None));
                let layouts = self.layouts.iter().map(|fields| (None, Some(&**fields)));
                for (width, layout) in widths.chain(layouts) {
                    for &depth in &self.depths {
                        for &lanes in &self.lanes {
                            let config =
                                Config::of_words(width, layout, depth, lanes)?.with_target(target);
                            jobs.push(Job {
                                design: Design::generated(&config),
                                device,
                                seeds: seeds(self.seeds)?,
                                freq_mhz: self.freq.unwrap_or(device.freq_mhz),
                                cells: self.cells,
                            });
                        }
                    }
                }
            }
        }
        if jobs.is_empty() {
            return Err(JobError::NothingToPlace);
        }
        Ok(jobs)
    }
}

/// Reports as CSV, with a header line. The critical path is that of the median seed.
#[must_use]
pub fn csv(reports: &[Report]) -> String {
    let mut text = String::from(
        "device,target,width,depth,lanes,seeds,asked_mhz,result,\
         fmax_min_mhz,fmax_median_mhz,fmax_max_mhz,computed_accumulates_per_second,\
         luts,ffs,block_memories,lut_memories,\
         covers_memories,registers,registers_covered,critical_path,layout\n",
    );
    for report in reports {
        let Some(shape) = &report.shape else { continue };
        let result = match &report.outcome {
            Outcome::Placed { .. } => "placed",
            Outcome::TooBig { .. } => "too big",
            Outcome::Failed { .. } => "failed",
        };
        let mut cells = vec![
            report.device.clone(),
            shape.target.clone(),
            shape.width.to_string(),
            shape.depth.to_string(),
            shape.lanes.to_string(),
            report.placements().len().to_string(),
            report.asked_mhz.to_string(),
            result.to_owned(),
        ];
        match report.fmax_mhz() {
            Some(fmax) => {
                let mhz = [fmax.min, fmax.median, fmax.max];
                cells.extend(mhz.map(|mhz| format!("{mhz:.2}")));
            }
            None => cells.extend([const { String::new() }; 3]),
        }
        let rate = report.accumulates_per_second();
        cells.push(rate.map_or_else(String::new, |rate| format!("{rate:.0}")));
        match report.area {
            Some(area) => {
                let counts = [area.luts, area.ffs, area.block_memories, area.lut_memories];
                cells.extend(counts.map(|count| count.to_string()));
            }
            None => cells.extend([const { String::new() }; 4]),
        }
        match report.median() {
            Some(median) => {
                let (uncovered, registers) = report.uncovered();
                cells.push((!report.misses_memories()).to_string());
                cells.push(registers.to_string());
                cells.push((registers - uncovered).to_string());
                cells.push(quoted(&median.critical_path.to_string()));
            }
            None => cells.extend([const { String::new() }; 4]),
        }
        let layout = shape.layout.as_deref();
        cells.push(layout.map_or_else(String::new, quoted));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", cells.join(","));
    }
    text
}

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWEEP: &str = r#"
        devices = ["ecp5-25k", "gw1nr-9"]
        widths = [8]
        depths = [1, 16]
        lanes = [1, 2]
    "#;

    fn jobs(text: &str) -> Result<Vec<Job>, String> {
        let sweep: Sweep = toml::from_str(text).map_err(|error| error.to_string())?;
        sweep.jobs().map_err(|error| error.to_string())
    }

    #[test]
    fn every_combination_is_placed_with_the_memories_of_its_device() {
        let jobs = jobs(SWEEP).unwrap();
        let shapes = jobs.iter().map(|job| {
            let shape = job.design.shape.clone().unwrap();
            (job.device.name, shape.target, shape.depth, shape.lanes)
        });
        let shapes: Vec<_> = shapes.collect();
        let expected = [("ecp5-25k", "ecp5"), ("gw1nr-9", "gowin")].into_iter();
        let expected: Vec<_> = expected
            .flat_map(|(device, target)| {
                [(1, 1), (1, 2), (16, 1), (16, 2)]
                    .map(|(depth, lanes)| (device, target.to_owned(), depth, lanes))
            })
            .collect();
        assert_eq!(shapes, expected);
        assert!(jobs.iter().all(|job| job.seeds == [1]));
    }

    #[test]
    fn what_cannot_be_placed_is_refused_before_anything_runs() {
        for (from, to, reason) in [
            ("gw1nr-9", "gw9", "ecp5-85k"),
            ("[8]", "[7]", "possible widths"),
            ("[8]", "[]", "nothing to place"),
            ("widths", "width", "unknown field"),
            ("lanes = [1, 2]", "lanes = [1]\nseeds = 0", "one seed"),
            (
                "lanes = [1, 2]",
                "lanes = [1]\ntargets = [\"x\"]",
                "possible targets",
            ),
        ] {
            let error = jobs(&SWEEP.replace(from, to)).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
