//! Structural coverage: which lines of a design the stimulus of a plan runs, and which bits of its
//! signals toggle. Verilator counts both; modules with several instances are counted together.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::case::CaseError;
use crate::dut::Dut;
use crate::mutant::module;
use crate::plan::{Plan, PlanError};
use crate::scoreboard::ScoreboardError;
use crate::verilate::Builder;
use atomik_hdl::Config;

/// Why coverage cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum StructureError {
    /// The plan cannot be run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The model cannot be built or run.
    #[error(transparent)]
    Case(Box<CaseError>),
    /// Verilator's file of counts cannot be read.
    #[error("{}: {source}", path.display())]
    Counts {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

impl From<CaseError> for StructureError {
    fn from(error: CaseError) -> StructureError {
        StructureError::Case(error.into())
    }
}

/// Something that the stimulus may reach in a design.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The module, without the name of the design: `lane`, or `top`.
    pub module: String,
    /// `line`, `branch` or `toggle`.
    pub kind: String,
    /// The line in the Verilog.
    pub line: usize,
    /// The bit that toggles, or the kind of the statement.
    pub what: String,
}

impl Point {
    /// The point in words, such as `lane: toggle addr_s1[2]`, or
    /// `clear: line 'if' in ...` with the text of the line.
    pub fn text(&self, lines: &[&str]) -> String {
        let Point {
            module,
            kind,
            line,
            what,
        } = self;
        match kind.as_str() {
            "toggle" => format!("{module}: toggle {what}"),
            _ => {
                let text = lines
                    .get(line.wrapping_sub(1))
                    .map_or("", |text| text.trim());
                format!("{module}: {kind} {what} in {text}")
            }
        }
    }
}

/// Runs the stimulus of `plan` on the generated design of `config`, and returns how often each
/// point was reached. Sequences of the profile `proptest` are left out.
///
/// # Errors
/// When the model cannot be built or differs from the golden model.
pub fn count(
    builder: &Builder,
    config: Config,
    plan: &Plan,
) -> Result<BTreeMap<Point, u64>, StructureError> {
    let dut = Dut::with_counts(builder, config)?;
    let mut counts = BTreeMap::new();
    for job in plan.streams(config)? {
        let mut board = dut.scoreboard(job.seed)?;
        let tally = board
            .run(&mut *job.stimulus(&dut), job.cycles, None, |_| true)
            .map_err(CaseError::from)?;
        if let Some(mismatch) = &tally.mismatch {
            let error = ScoreboardError::Mismatch(mismatch.clone());
            return Err(CaseError::from(error).into());
        }
        let folder = tempfile::tempdir().map_err(|source| StructureError::Counts {
            path: std::env::temp_dir(),
            source,
        })?;
        let path = folder.path().join("counts.dat");
        board.model().write_counts(&path).map_err(CaseError::from)?;
        let text =
            fs::read_to_string(&path).map_err(|source| StructureError::Counts { path, source })?;
        for (point, count) in text.lines().filter_map(|line| parse(line, &config.name())) {
            *counts.entry(point).or_default() += count;
        }
    }
    Ok(counts)
}

/// A line of Verilator's file: `C 'KEYS' COUNT`. Each key follows \x01, its value \x02.
fn parse(line: &str, design: &str) -> Option<(Point, u64)> {
    let (keys, count) = line.strip_prefix("C '")?.rsplit_once("' ")?;
    let value = |name: &str| {
        keys.split('\u{1}')
            .filter_map(|key| key.split_once('\u{2}'))
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value)
    };
    let (kind, name) = value("page").split_once('/')?;
    let point = Point {
        module: module(name, design).to_owned(),
        kind: kind.trim_start_matches("v_").to_owned(),
        line: value("l").parse().ok()?,
        what: value("o").to_owned(),
    };
    Some((point, count.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_verilator_is_a_point() {
        let line = "C '\u{1}f\u{2}a.v\u{1}l\u{2}12\u{1}n\u{2}5\u{1}t\u{2}toggle\
                    \u{1}page\u{2}v_toggle/regfile_lane\u{1}o\u{2}addr[3]\u{1}h\u{2}TOP' 7";
        let (point, count) = parse(line, "regfile").unwrap();
        assert_eq!(count, 7);
        assert_eq!(point.text(&[]), "lane: toggle addr[3]");
        let line = line.replace("toggle/regfile_lane", "line/regfile");
        let (point, _) = parse(&line, "regfile").unwrap();
        let mut lines = vec![""; 12];
        lines[11] = "  if (a) begin";
        assert_eq!(point.text(&lines), "top: line addr[3] in if (a) begin");
        assert_eq!(parse("# SystemC::Coverage-3", "regfile"), None);
    }
}
