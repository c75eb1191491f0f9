//! How cost grows with the history, the nodes and the keys.

use std::time::{Duration, Instant};

use crate::figures::{LeftOut, Point, Scaling};
use crate::run::{Job, Measured};
use crate::settings::Settings;
use crate::system::System;
use atomik_workload::generate::{Mix, OpKind, SettingsError, Zipf};
use atomik_workload::workload::{TraceError, Workload};

/// Operations along the axis of nodes.
const OPERATIONS_OF_NODES: u64 = 2_000;

/// Why the workload of a point cannot be generated.
#[derive(Debug, thiserror::Error)]
pub enum ScalingError {
    /// The generator refuses the settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The generated trace is not a workload.
    #[error(transparent)]
    Trace(#[from] TraceError),
}

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// More operations on the same keys.
    History,
    /// More nodes for the same operations.
    Nodes,
    /// More keys, with one operation each on average.
    Keys,
}

impl Axis {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::History, Self::Nodes, Self::Keys];

    /// What it counts.
    pub fn label(self) -> &'static str {
        match self {
            Self::History => "operations in the history",
            Self::Nodes => "nodes",
            Self::Keys => "keys",
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Nodes => "nodes",
            Self::Keys => "keys",
        }
    }

    /// The default places of measurement.
    pub fn values(self) -> &'static [u64] {
        match self {
            Self::History => &[10_000, 100_000, 1_000_000, 10_000_000],
            Self::Nodes => &[3, 7, 15, 31, 63],
            Self::Keys => &[1_000, 10_000, 100_000, 1_000_000],
        }
    }

    /// The approximate work at a place, in operations on three nodes.
    pub fn work(self, x: u64) -> u64 {
        match self {
            Self::History | Self::Keys => x,
            Self::Nodes => OPERATIONS_OF_NODES * x / 3,
        }
    }

    /// The workload at a place, and its number of nodes. All nodes toggle flags. Keys follow Zipf's
    /// law with exponent 0.99, but along the axis of keys they are uniform, so that nearly every
    /// key is used.
    ///
    /// # Errors
    ///
    /// [`ScalingError`] for numbers that the generator refuses.
    pub fn workload(self, x: u64, seed: u64) -> Result<(Workload, usize), ScalingError> {
        let small = |x: u64| u32::try_from(x).unwrap_or(u32::MAX);
        let base = Zipf {
            seed,
            fields: 1,
            mix: Mix::new(vec![(OpKind::Toggle, 1)])?,
            multi_writer: 1.0,
            ..Zipf::default()
        };
        let zipf = match self {
            Self::History => Zipf {
                operations: x,
                keys: 1000,
                ..base
            },
            Self::Nodes => Zipf {
                operations: OPERATIONS_OF_NODES,
                keys: 1000,
                nodes: small(x),
                ..base
            },
            Self::Keys => Zipf {
                operations: x,
                keys: small(x),
                exponent: 0.0,
                ..base
            },
        };
        let name = format!("{} {x}", self.label());
        let workload = Workload::collect(&name, zipf.lines()?.map(Ok), usize::MAX)?;
        Ok((workload, zipf.nodes as usize))
    }
}

/// The durations of a system's measurements along an axis, to extrapolate the next.
#[derive(Default)]
struct Durations(Vec<(f64, f64)>);

impl Durations {
    /// Extrapolates a power of `x` through the last two measurements, at least in proportion to
    /// `x`.
    fn expected(&self, x: u64) -> Option<Duration> {
        let &(last, took) = self.0.last()?;
        let exponent = match self.0[..] {
            [.., (before, less), _] => (took / less).ln() / (last / before).ln(),
            _ => 1.0,
        };
        // Two measurements at the same place give no slope.
        let exponent = if exponent.is_finite() { exponent } else { 1.0 };
        let seconds = took * (x as f64 / last).powf(exponent.max(1.0));
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    fn took(&mut self, x: u64, time: Duration) {
        self.0.push((x as f64, time.as_secs_f64()));
    }
}

/// Measures systems along an axis.
///
/// `settings` has everything but the number of nodes. `command` returns the command line of one
/// measurement, or of the whole series. `measure` carries out each measurement, or knows its
/// result. One that is expected to take a system longer than `patience` goes into
/// [`Scaling::left_out`], and one that fails into [`Scaling::failed`]; the series continues with
/// the others.
///
/// # Errors
///
/// [`ScalingError`] for numbers that the generator refuses.
pub fn series(
    (axis, values): (Axis, &[u64]),
    patience: Duration,
    settings: &Settings,
    systems: &[Box<dyn System>],
    command: impl Fn(Option<(u64, &str)>) -> String,
    mut measure: impl FnMut(Job<'_>) -> Measured,
) -> Result<Scaling, ScalingError> {
    let mut scaling = Scaling {
        axis: axis.label().to_owned(),
        command: command(None),
        points: Vec::new(),
        left_out: Vec::new(),
        failed: Vec::new(),
    };
    let mut durations: Vec<Durations> = systems.iter().map(|_| Durations::default()).collect();
    for &x in values {
        let (workload, nodes) = axis.workload(x, settings.seed)?;
        let settings = Settings {
            nodes,
            ..settings.clone()
        };
        for (system, durations) in systems.iter().zip(&mut durations) {
            let name = system.describe().name;
            let expected = durations.expected(axis.work(x)).unwrap_or_default();
            if expected > patience {
                scaling.left_out.push(LeftOut {
                    x,
                    name: name.to_owned(),
                    expected_s: expected.as_secs(),
                    patience_s: patience.as_secs(),
                });
                continue;
            }
            let start = Instant::now();
            let job = Job {
                workload: &workload,
                settings: &settings,
                system: system.as_ref(),
                command: command(Some((x, name))),
                size: x,
            };
            let took = match measure(job) {
                Ok((system, took)) => {
                    scaling.points.push(Point { x, system });
                    took
                }
                Err(error) => {
                    let place = format!("{name}, {x} {}", axis.label());
                    scaling.failed.push(format!("{place}: {error}"));
                    start.elapsed()
                }
            };
            durations.took(axis.work(x), took);
        }
    }
    Ok(scaling)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(measured: &[(u64, u64)], x: u64) -> Option<u64> {
        let mut pace = Durations::default();
        for &(x, seconds) in measured {
            pace.took(x, Duration::from_secs(seconds));
        }
        pace.expected(x)
            .map(|time| time.as_secs_f64().round() as u64)
    }

    #[test]
    fn durations_are_extrapolated_as_a_power() {
        assert_eq!(expected(&[], 10), None);
        assert_eq!(expected(&[(10, 3)], 100), Some(30));
        assert_eq!(expected(&[(10, 3), (100, 300)], 1000), Some(30_000));
        assert_eq!(expected(&[(10, 3), (100, 3)], 1000), Some(30));
        assert_eq!(expected(&[(10, 3), (10, 4)], 20), Some(8));
        assert_eq!(expected(&[(1, 0), (10, 1)], 20), Some(2));
    }
}
