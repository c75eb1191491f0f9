//! How much of a device a design uses.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much of one resource is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The resource, by nextpnr's name.
    pub resource: String,
    /// The number used.
    pub used: u32,
    /// The number on the device.
    pub available: u32,
}

impl Use {
    /// The share in percent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        100.0 * f64::from(self.used) / f64::from(self.available.max(1))
    }

    /// Whether the resource shows how full the device is: logic and memory, not pins and clocks.
    #[must_use]
    pub fn is_headline(&self) -> bool {
        const HEADLINES: [&str; 11] = [
            "TRELLIS_COMB",
            "TRELLIS_FF",
            "TRELLIS_RAMW",
            "DP16KD",
            "ICESTORM_LC",
            "ICESTORM_RAM",
            "ICESTORM_SPRAM",
            "LUT4",
            "DFF",
            "BSRAM",
            "RAM16SDP4",
        ];
        HEADLINES.contains(&self.resource.as_str())
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resource,
            used,
            available,
        } = self;
        write!(f, "{resource} {used}/{available} ({:.1} %)", self.percent())
    }
}

/// The resources that nextpnr ran out of, from the utilization table in its log: those of which the
/// design needs more than there are, or, if nextpnr found no legal placement, those that are almost
/// used up. Empty if nextpnr failed for another reason.
#[must_use]
pub fn overfull(log: &str) -> Vec<Use> {
    let table = log.lines().filter_map(|line| {
        let (_, line) = line.split_once("Info:")?;
        let (resource, rest) = line.rsplit_once(':')?;
        let (used, rest) = rest.split_once('/')?;
        let available = rest.split_whitespace().next()?;
        Some(Use {
            resource: resource.trim().to_owned(),
            used: used.trim().parse().ok()?,
            available: available.parse().ok()?,
        })
    });
    let (over, rest): (Vec<Use>, Vec<Use>) = table.partition(|found| found.used > found.available);
    if over.is_empty() && log.contains("Unable to find legal placement") {
        return rest.into_iter().filter(is_crowded).collect();
    }
    over
}

/// Whether a plentiful resource is almost used up. Scarce ones, such as clock buffers, are often
/// fully used without being the problem.
fn is_crowded(found: &Use) -> bool {
    found.percent() > 80.0 && found.available >= 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_that_ran_out_are_read_from_the_log() {
        let log = "Info: Device utilisation:\n\
                   Info: \t          TRELLIS_IO:       3/    197     1%\n\
                   Info: \t              DP16KD:      68/     56   121%\n\
                   Info: \t        TRELLIS_COMB:   24288/  24288   100%\n\
                   Info: Packing: 12/13\n";
        assert_eq!(
            overfull(log),
            [Use {
                resource: "DP16KD".into(),
                used: 68,
                available: 56
            }]
        );
    }

    #[test]
    fn a_device_that_is_too_crowded_to_place_every_cell_is_too_small() {
        let table = "Info: \t LUT4:    7961/   8640    92%\nInfo: \t DFF:    6118/   6480    94%\n\
                     Info: \t ALU:     330/   6480     5%\nInfo: \t GSR:       1/      1   100%\n";
        let log = format!("{table}ERROR: Unable to find legal placement for all cells\n");
        let names: Vec<String> = overfull(&log).into_iter().map(|u| u.resource).collect();
        assert_eq!(names, ["LUT4", "DFF"]);
        assert!(overfull(&format!("{table}ERROR: something else\n")).is_empty());
    }
}
