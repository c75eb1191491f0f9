//! Plans: TOML files that list what to place. Sweeps, goals and boards are plans.

use std::path::{Path, PathBuf};
use std::{fs, io};

use atomik_hdl::ConfigError;
use serde::Deserialize;
use thiserror::Error;

use crate::device::UnknownDevice;

/// Why a plan cannot be used.
#[derive(Debug, Error)]
pub enum PlanError {
    /// A file cannot be read.
    #[error("cannot read {}; name an existing file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The plan is not as it should be.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Something in the plan cannot be placed.
    #[error("{}: {source}", path.display())]
    Job {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: JobError,
    },
    /// Two Verilog files have the same name; the tools see all files in one folder.
    #[error("{}: two Verilog files are called {name}; rename one of them", path.display())]
    SameName {
        /// The plan.
        path: PathBuf,
        /// The name.
        name: String,
    },
}

/// Why a requested design cannot be placed.
#[derive(Debug, Error)]
pub enum JobError {
    /// There is no such device.
    #[error(transparent)]
    Device(#[from] UnknownDevice),
    /// There is no such register file.
    #[error("{0}; `atomik hdl list` shows what can be generated")]
    Config(#[from] ConfigError),
    /// The number of seeds is zero.
    #[error("at least one seed is needed: seeds = 1")]
    NoSeeds,
    /// A list of a sweep is empty.
    #[error("there is nothing to place: name at least one device, width, depth and lane count")]
    NothingToPlace,
    /// The frequency of a board is not positive.
    #[error("freq_mhz must be above 0")]
    Frequency,
}

/// Reads a plan in TOML and makes jobs of it.
pub(crate) fn read<P: for<'a> Deserialize<'a>, T>(
    path: &Path,
    jobs: impl FnOnce(P) -> Result<T, JobError>,
) -> Result<T, PlanError> {
    let path = path.to_path_buf();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(PlanError::Read { path, source }),
    };
    let plan = match toml::from_str(&text) {
        Ok(plan) => plan,
        Err(source) => {
            let source = Box::new(source);
            return Err(PlanError::Toml { path, source });
        }
    };
    jobs(plan).map_err(|source| PlanError::Job { path, source })
}

/// The seeds 1 to `count`.
///
/// # Errors
/// If `count` is zero.
pub fn seeds(count: u32) -> Result<Vec<u32>, JobError> {
    if count == 0 {
        return Err(JobError::NoSeeds);
    }
    Ok((1..=count).collect())
}
