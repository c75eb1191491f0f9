//! Reading nextpnr's report on a placed and routed design.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::critical_path::{CriticalPath, Segment};
use crate::timing::Coverage;
use crate::utilization::Use;

/// A placed and routed design.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// The placer seed.
    pub seed: u32,
    /// The frequency reached after routing, in MHz. With several clocks, that of the clock with the
    /// smallest margin.
    pub fmax_mhz: f64,
    /// The requested frequency in MHz.
    pub asked_mhz: f64,
    /// The path that limits the frequency.
    pub critical_path: CriticalPath,
    /// What the timing analysis covers.
    pub coverage: Coverage,
    /// The resources of the device that are used, including those of the harness.
    pub uses: Vec<Use>,
}

/// The report of nextpnr is not as expected.
#[derive(Debug, Error)]
pub enum ReportError {
    /// It is not the expected JSON.
    #[error("cannot read nextpnr's report: {0}; try the nextpnr that `make setup-fpga` installs")]
    Json(#[from] serde_json::Error),
    /// It has no clock.
    #[error("nextpnr's report has no clock; clock the design's registers from its port clk")]
    NoClock,
    /// It has no critical path for the clock.
    #[error(
        "in nextpnr's report, clock {0} has no path from register to register; \
         place a design with such a path"
    )]
    NoPath(String),
    /// A critical path has no segments.
    #[error(
        "nextpnr's report has an empty critical path; \
         try the nextpnr that `make setup-fpga` installs"
    )]
    EmptyPath,
}

#[derive(Deserialize)]
struct Raw {
    fmax: BTreeMap<String, RawClock>,
    utilization: BTreeMap<String, RawUse>,
    critical_paths: Vec<RawPath>,
}

#[derive(Deserialize)]
struct RawClock {
    achieved: f64,
    constraint: f64,
}

#[derive(Deserialize)]
struct RawUse {
    used: u32,
    available: u32,
}

#[derive(Deserialize)]
struct RawPath {
    from: String,
    to: String,
    path: Vec<Segment>,
}

impl Placement {
    /// Reads the JSON report that nextpnr writes after routing.
    ///
    /// # Errors
    /// If the text is not such a report, or has no clock, or no critical path for its clock.
    pub fn parse(seed: u32, report: &str, coverage: Coverage) -> Result<Self, ReportError> {
        let raw: Raw = serde_json::from_str(report)?;
        let margin = |clock: &RawClock| clock.achieved / clock.constraint;
        let (name, clock) = raw
            .fmax
            .iter()
            .min_by(|(_, a), (_, b)| margin(a).total_cmp(&margin(b)))
            .ok_or(ReportError::NoClock)?;
        // Paths between clocks, and to and from pins, do not limit the frequency.
        let edge = |event: &str| event.split_once(' ').map(|(_, clock)| clock.to_owned());
        let path = raw.critical_paths.iter().find(|path| {
            edge(&path.from).as_deref() == Some(name) && edge(&path.to).as_deref() == Some(name)
        });
        let path = path.ok_or_else(|| ReportError::NoPath(name.clone()))?;
        Ok(Self {
            seed,
            fmax_mhz: clock.achieved,
            asked_mhz: clock.constraint,
            critical_path: CriticalPath::of(&path.path).ok_or(ReportError::EmptyPath)?,
            coverage,
            uses: raw
                .utilization
                .into_iter()
                .filter(|(_, used)| used.used > 0)
                .map(|(resource, RawUse { used, available })| Use {
                    resource,
                    used,
                    available,
                })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECP5: &str = include_str!("../tests/reports/ecp5.json");
    const ICE40: &str = include_str!("../tests/reports/ice40.json");
    const GOWIN: &str = include_str!("../tests/reports/gowin.json");

    fn parse(report: &str) -> Placement {
        Placement::parse(7, report, Coverage::default()).unwrap()
    }

    #[test]
    fn the_frequency_is_that_after_routing_and_the_path_is_in_the_designs_own_names() {
        let placed = parse(ECP5);
        assert_eq!((placed.seed, placed.asked_mhz), (7, 300.0));
        assert!((placed.fmax_mhz - 254.388).abs() < 0.001, "{placed:?}");
        assert_eq!(
            placed.critical_path.to_string(),
            "clear.count[0] to clear.last, 4 levels of logic: 1.78 ns logic + 2.16 ns routing"
        );
        let path = &placed.critical_path;
        let period = 1000.0 / placed.fmax_mhz;
        assert!((path.logic_ns + path.routing_ns - period).abs() < 0.001);
    }

    #[test]
    fn a_critical_path_ends_in_the_designs_own_names() {
        let placed = parse(GOWIN);
        assert_eq!(placed.critical_path.from, "reference.offset_en_s8");
        assert_eq!(placed.critical_path.to, "reference.offset_hit_s8");
    }

    #[test]
    fn paths_to_and_from_pins_set_no_frequency() {
        // The one from the pin comes first in the file, and is longer.
        let placed = parse(ICE40);
        assert!((placed.fmax_mhz - 233.046).abs() < 0.001, "{placed:?}");
        assert!(!placed.critical_path.from.contains("si"), "{placed:?}");
    }

    #[test]
    fn use_is_in_percent_and_only_of_what_is_used() {
        let placed = parse(ECP5);
        let find = |name: &str| placed.uses.iter().find(|found| found.resource == name);
        let comb = find("TRELLIS_COMB").unwrap();
        assert_eq!(comb.to_string(), "TRELLIS_COMB 265/24288 (1.1 %)");
        assert!(comb.is_headline() && !find("TRELLIS_IO").unwrap().is_headline());
        assert_eq!(find("DP16KD"), None);
    }

    #[test]
    fn a_report_without_a_clock_or_of_another_form_is_refused() {
        let none = r#"{"fmax":{},"utilization":{},"critical_paths":[]}"#;
        let clock = none.replace(
            r#""fmax":{}"#,
            r#""fmax":{"clk":{"achieved":1,"constraint":2}}"#,
        );
        for (text, reason) in [
            (none, "no clock"),
            (&clock, "clk has no path"),
            ("{}", "fmax"),
        ] {
            let error = Placement::parse(1, text, Coverage::default());
            let error = error.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
