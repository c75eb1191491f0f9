//! Placement and routing with nextpnr.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use atomik_tools::Tool;
use atomik_tools::cache::{Entry, Recipe};
use atomik_tools::process::{self, RunError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::device::{Device, Family};
use crate::placement::Placement;
use crate::step::{FORMAT, StepError, Steps, names, read, write};
use crate::timing;
use crate::utilization::{Use, overfull};

const NETLIST: &str = "netlist.json";
const PINS: &str = "pins.txt";
const REPORT: &str = "report.json";
const SDF: &str = "delays.sdf";
const LOG: &str = "nextpnr.log";
const PLACEMENT: &str = "placement.json";

/// One run of nextpnr.
pub(crate) struct Run<'a> {
    pub name: &'a str,
    pub device: &'static Device,
    pub netlist: &'a Path,
    /// The text of the constraint file with the pins.
    pub pins: Option<&'a str>,
    pub seed: u32,
    pub freq_mhz: u32,
    /// The option that writes the packer's input, and the file to write.
    pub write: Option<(&'static str, &'static str)>,
}

impl Run<'_> {
    fn args(&self) -> Vec<String> {
        let mut args = names(self.device.nextpnr);
        if self.pins.is_some() {
            match self.device.family {
                Family::Ecp5 => args.extend(names(&["--lpf", PINS])),
                Family::Ice40 => args.extend(names(&["--pcf", PINS])),
                Family::Gowin => args.extend(["--vopt".to_owned(), format!("cst={PINS}")]),
            }
        }
        if let Some((option, file)) = self.write {
            args.extend(names(&[option, file]));
        }
        args.extend(names(&[
            "--json", NETLIST, "--report", REPORT, "--sdf", SDF,
        ]));
        args.extend(names(&["--timing-allow-fail", "-q", "-l", LOG]));
        args.extend(["--freq".to_owned(), self.freq_mhz.to_string()]);
        args.extend(["--seed".to_owned(), self.seed.to_string()]);
        args
    }
}

/// The result of a run of nextpnr, as it is cached.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Placed {
    Fits(Box<Placement>),
    TooBig(Vec<Use>),
}

/// The nextpnr of each family.
#[derive(Debug)]
pub(crate) struct Placer {
    pub nextpnr: BTreeMap<Family, Tool>,
}

impl Placer {
    /// Runs nextpnr, or takes the result from the cache. Returns the result and the folder with its
    /// files.
    pub fn place(&self, steps: &Steps<'_>, run: &Run<'_>) -> Result<(PathBuf, Placed), StepError> {
        let family = run.device.family;
        let nextpnr = self
            .nextpnr
            .get(&family)
            .ok_or(StepError::NoTool(family.nextpnr()))?;
        let args = run.args();
        let netlist = read(run.netlist)?;
        let mut recipe = Recipe::new("placement", FORMAT);
        recipe.input("nextpnr", &nextpnr.version_text);
        recipe.input("arguments", &args.join(" "));
        recipe.input("pins", run.pins.unwrap_or_default());
        recipe.input(NETLIST, &sha256(&netlist));
        let Entry { dir, .. } = steps.cache.entry(&recipe, |dir| {
            write(&dir.join(NETLIST), &netlist)?;
            drop(netlist);
            if let Some(pins) = run.pins {
                write(&dir.join(PINS), pins)?;
            }
            let result = process::run(nextpnr, dir, &args, LOG, steps.stop);
            let mut kept = names(&[PLACEMENT, LOG]);
            let placed = match result {
                Ok(()) => {
                    kept.push(REPORT.to_owned());
                    kept.extend(run.write.map(|(_, file)| file.to_owned()));
                    let coverage = timing::coverage(&read(&dir.join(SDF))?)?;
                    let report = read(&dir.join(REPORT))?;
                    Placed::Fits(Box::new(Placement::parse(run.seed, &report, coverage)?))
                }
                Err(error) => {
                    let log = fs::read(dir.join(LOG)).unwrap_or_default();
                    let lacking = overfull(&String::from_utf8_lossy(&log));
                    if matches!(error, RunError::Stopped) || lacking.is_empty() {
                        return Err(steps.failure(error, nextpnr, run.name, dir, LOG));
                    }
                    Placed::TooBig(lacking)
                }
            };
            let text = serde_json::to_string_pretty(&placed).map_err(invalid(dir))?;
            write(&dir.join(PLACEMENT), &text)?;
            Ok(kept)
        })?;
        let text = read(&dir.join(PLACEMENT))?;
        let placed = serde_json::from_str(&text).map_err(invalid(&dir))?;
        Ok((dir, placed))
    }
}

/// The placement in a folder of the cache cannot be written or read.
fn invalid(dir: &Path) -> impl FnOnce(serde_json::Error) -> StepError {
    let dir = dir.to_owned();
    move |source| StepError::Json { dir, source }
}

fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
