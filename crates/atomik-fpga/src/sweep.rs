//! Grids of register files on devices: which to place, and what came out as CSV.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use atomik_hdl::{Config, ConfigError, Target};
use serde::Deserialize;
use thiserror::Error;

use crate::design::Design;
use crate::device::{Cells, Device, UnknownDevice};
use crate::flow::Job;
use crate::report::{Outcome, Report};

/// A file that says what to place. Every combination of its lists is placed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Devices by name.
    pub devices: Vec<String>,
    /// Widths in bits.
    pub widths: Vec<u32>,
    /// Depths in words.
    pub depths: Vec<usize>,
    /// Lane counts.
    pub lanes: Vec<u32>,
    /// What the memories are made for; without any, what suits each device.
    #[serde(default)]
    pub targets: Vec<String>,
    /// How many seeds, from 1 on.
    #[serde(default = "one")]
    pub seeds: u32,
    /// The frequency to ask for in MHz; without it, that of the device.
    pub freq: Option<u32>,
    /// What the timing analysis is to see.
    #[serde(default)]
    pub cells: Cells,
}

fn one() -> u32 {
    1
}

/// Why a file with a plan cannot be used.
#[derive(Debug, Error)]
pub enum PlanError {
    /// It cannot be read.
    #[error("cannot read {}; name a file that is there", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is not as it should be.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
}

/// Reads a plan in TOML, and makes jobs of it.
pub(crate) fn read<P: for<'a> Deserialize<'a>, T>(
    path: &Path,
    jobs: impl FnOnce(P) -> Result<T, JobError>,
) -> Result<T, PlanError> {
    let text = fs::read_to_string(path).map_err(|source| PlanError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    let format = |reason: String| PlanError::Format {
        path: path.to_path_buf(),
        reason,
    };
    let plan = toml::from_str(&text).map_err(|error| format(error.to_string()))?;
    jobs(plan).map_err(|error| format(error.to_string()))
}

/// Why something that is asked for cannot be placed.
#[derive(Debug, Error)]
pub enum JobError {
    /// There is no such device.
    #[error(transparent)]
    Device(#[from] UnknownDevice),
    /// There is no such register file.
    #[error("{0}; `atomik hdl list` shows what can be generated")]
    Config(#[from] ConfigError),
    /// A list is empty, or a number is zero.
    #[error("{0}")]
    Nothing(&'static str),
}

/// The seeds of a run with `count` of them.
///
/// # Errors
/// When there are to be none.
pub fn seeds(count: u32) -> Result<Vec<u32>, JobError> {
    if count == 0 {
        return Err(JobError::Nothing("at least one seed is needed: seeds = 1"));
    }
    Ok((1..=count).collect())
}

impl Sweep {
    /// Reads a sweep and makes its jobs, device by device, with the last of the lists changing
    /// fastest.
    ///
    /// # Errors
    /// When the file is not there or no sweep, or something in it cannot be placed.
    pub fn read(path: &Path) -> Result<Vec<Job>, PlanError> {
        read(path, |sweep: Self| sweep.jobs())
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
                for &width in &self.widths {
                    for &depth in &self.depths {
                        for &lanes in &self.lanes {
                            let config = Config::new(width, depth, lanes)?.with_target(target);
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
            return Err(JobError::Nothing(
                "there is nothing to place: name at least one device, width, depth and lane count",
            ));
        }
        Ok(jobs)
    }
}

/// Reports as CSV, with a line of headings. Of several seeds, use and path are those of the median.
#[must_use]
pub fn csv(reports: &[Report]) -> String {
    let mut text = String::from(
        "device,target,width,depth,lanes,seeds,asked_mhz,result,fmax_min_mhz,fmax_median_mhz,fmax_max_mhz,\
         computed_accumulates_per_second,luts,ffs,block_memories,lut_memories,covers_memories,registers,\
         registers_covered,critical_path\n",
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
