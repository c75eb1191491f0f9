//! Lists of configurations to prove.

use atomik_hdl::Config;
use atomik_sim::plan::{PlanError, parse_config, read_toml};
use serde::Deserialize;
use std::path::Path;

/// A list of configurations to prove, in the form of its TOML file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The name of the plan.
    pub name: String,
    /// The configurations, such as `w64 d512 l4 ecp5`.
    pub configs: Vec<String>,
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// When the file cannot be read or is not a plan.
    pub fn read(path: &Path) -> Result<Plan, PlanError> {
        read_toml(path)
    }

    /// The configurations.
    ///
    /// # Errors
    /// When one is malformed or cannot be generated, or there is none.
    pub fn configs(&self) -> Result<Vec<Config>, PlanError> {
        if self.configs.is_empty() {
            return Err(PlanError::Empty);
        }
        self.configs.iter().map(|text| parse_config(text)).collect()
    }
}
