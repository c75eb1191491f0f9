//! Recorded failures: a configuration, a short sequence, and the mismatch that it causes.

use crate::model::ModelError;
use crate::netlist::NetlistError;
use crate::record::{Layout, LayoutError};
use crate::scoreboard::{Mismatch, ScoreboardError};
use crate::sequence::{Event, Input, Sequence, SequenceError};
use crate::stimulus::{Cycle, op_name};
use crate::supplied::{Family, Subject, Supplied, SuppliedError};
use crate::verilate::BuildError;
use atomik_hdl::{Config, Target};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// Why a design cannot be tested.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The configuration cannot be generated.
    #[error(transparent)]
    Config(#[from] atomik_hdl::ConfigError),
    /// The configuration does not fit into records.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The model cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The design in the user's files cannot be used.
    #[error(transparent)]
    Supplied(#[from] SuppliedError),
    /// The design has no netlist.
    #[error(transparent)]
    Netlist(#[from] NetlistError),
    /// The model or the golden model failed.
    #[error(transparent)]
    Scoreboard(#[from] ScoreboardError),
    /// The compiled model cannot be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A recorded case cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not a recorded case.
    #[error("{path}: {reason}; write cases with `atomik sim regress`, or compare with sim/cases")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A recorded sequence does not fit its configuration.
    #[error("{path}: {source}")]
    Sequence {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SequenceError,
    },
}

/// A recorded failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Width of a word in bits.
    pub width: u32,
    /// The fields of a word, such as `xor:48,add:16`; left out of the file if they xor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// Number of addresses.
    pub depth: usize,
    /// Number of lanes.
    pub lanes: u32,
    /// The target of the memories; left out of the file if it is `generic`.
    #[serde(default, skip_serializing_if = "is_generic")]
    pub target: Target,
    /// The files in which the failure was found; left out of the file for the generated Verilog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub design: Option<Supplied>,
    /// The device family for which the design was synthesised first; left out of the file if it was
    /// not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netlist: Option<Target>,
    /// The seed of the initial contents of registers and memories.
    pub seed: u64,
    /// How the failure was found: the name of the job.
    pub found: String,
    /// The mismatch that the sequence causes. Its cycle counts from the first with `ready` high.
    pub mismatch: Mismatch,
    /// The sequence.
    #[serde(flatten)]
    pub sequence: Sequence,
}

fn is_generic(target: &Target) -> bool {
    *target == Target::Generic
}

impl Case {
    /// Reads a recorded case.
    ///
    /// # Errors
    /// When the file cannot be read, is not a case, or is for a register file that cannot be
    /// generated.
    pub fn read(path: &Path) -> Result<Case, CaseError> {
        let text = std::fs::read_to_string(path).map_err(|source| CaseError::File {
            path: path.into(),
            source,
        })?;
        let error = |reason| CaseError::Format {
            path: path.into(),
            reason,
        };
        let case: Case = serde_json::from_str(&text).map_err(|e| error(e.to_string()))?;
        case.config().map_err(|e| error(e.to_string()))?;
        Ok(case)
    }

    /// Writes the case as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), CaseError> {
        let error = |source| CaseError::File {
            path: path.into(),
            source,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(error)?;
        }
        let text = serde_json::to_string_pretty(self).map_err(|e| CaseError::Format {
            path: path.into(),
            reason: e.to_string(),
        })?;
        std::fs::write(path, text + "\n").map_err(error)
    }

    /// The configuration.
    ///
    /// # Errors
    /// When it cannot be generated.
    pub fn config(&self) -> Result<Config, CaseError> {
        let layout = self.layout.as_deref();
        let config = Config::of_words(Some(self.width), layout, self.depth, self.lanes)?;
        Ok(config.with_target(self.target))
    }

    /// What stood in place of the generated Verilog.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject {
            supplied: self.design.clone(),
            netlist: self.netlist.map(Family::Named),
        }
    }

    /// The inputs of every cycle. Errors name `path`.
    ///
    /// # Errors
    /// When the sequence does not fit the configuration.
    pub fn cycles(&self, path: &Path) -> Result<Vec<Cycle>, CaseError> {
        let layout = Layout::new(self.width, self.depth, self.lanes)?;
        self.sequence
            .cycles(&layout)
            .map_err(|source| CaseError::Sequence {
                path: path.into(),
                source,
            })
    }

    /// The address of the command whose response is due in the cycle of the mismatch, if any.
    fn address(&self) -> Option<usize> {
        let latency = match &self.design {
            Some(design) => design.latency,
            None => self.config().ok()?.latency(),
        };
        let latency = u64::from(latency);
        let sent = self.mismatch.cycle.checked_sub(latency)?;
        self.sequence.events.iter().find_map(|e| match &e.input {
            Input::Offer { lane: 0, addr, .. } if e.cycle == sent => Some(*addr),
            _ => None,
        })
    }
}

/// The number of last commands that a report shows.
const SHOWN: usize = 8;

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case {
            seed,
            found,
            mismatch,
            ..
        } = self;
        let config = match self.config() {
            Ok(config) => config.text(),
            Err(error) => error.to_string(),
        };
        writeln!(f, "mismatch on {config}, seed {seed}: {found}")?;
        for file in self.design.iter().flat_map(|design| &design.files) {
            writeln!(f, "  verilog   {}", file.display())?;
        }
        if let Some(family) = self.netlist {
            writeln!(f, "  netlist   {family}")?;
        }
        writeln!(
            f,
            "  cycle     {} after the first with ready high",
            mismatch.cycle
        )?;
        writeln!(f, "  port      {}", mismatch.port)?;
        writeln!(f, "  lane      0 (the one that responds)")?;
        writeln!(f, "  expected  {}", mismatch.expected)?;
        writeln!(f, "  got       {}", mismatch.got)?;
        if self.sequence.events.is_empty() {
            return writeln!(
                f,
                "  no command is needed: the reset before the first cycle leads to it"
            );
        }
        let address = self.address();
        match address {
            Some(addr) => writeln!(f, "  last commands to address {addr}:")?,
            None => writeln!(f, "  last commands:")?,
        }
        let touched: Vec<&Event> = self
            .sequence
            .events
            .iter()
            .filter(|e| match &e.input {
                Input::Reset => true,
                Input::Offer { addr, .. } => address.is_none_or(|a| a == *addr),
            })
            .collect();
        let shown = &touched[touched.len().saturating_sub(SHOWN)..];
        shown.iter().try_for_each(|event| match &event.input {
            Input::Reset => writeln!(f, "    cycle {:>6}  rst", event.cycle),
            Input::Offer {
                lane,
                op,
                addr,
                data,
            } => writeln!(
                f,
                "    cycle {:>6}  lane {lane:>2}  {:<5}  addr {addr}  data {data}",
                event.cycle,
                op_name(*op)
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_without_commands_names_the_reset() {
        let case: Case = serde_json::from_str(
            r#"{"width":8,"depth":16,"lanes":2,"seed":1,"found":"power-up","mismatch":
            {"cycle":0,"port":"ready","expected":"1","got":"0"},"events":[]}"#,
        )
        .unwrap();
        let text = case.to_string();
        assert!(
            text.contains("ready")
                && text.ends_with("the reset before the first cycle leads to it\n"),
            "{text}"
        );
    }
}
