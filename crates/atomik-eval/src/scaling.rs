//! How cost grows with the history, the nodes and the keys.

use crate::figures::{Point, Scaling};
use crate::generate::{Kind as Op, Mix, SettingsError, Zipf};
use crate::run;
use crate::system::Kind;
use crate::workload::Workload;
use crate::world::Settings;

/// Operations along the nodes.
const OPERATIONS_OF_NODES: u64 = 2_000;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Operations, on the same keys.
    History,
    /// Nodes, with the same operations.
    Nodes,
    /// Keys, with one operation each on average.
    Keys,
}

impl Axis {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::History, Self::Nodes, Self::Keys];

    /// What is counted along it.
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

    /// Where it is measured if nobody says: what takes minutes for all systems together. Further out, name the systems.
    pub fn values(self) -> &'static [u64] {
        match self {
            Self::History => &[10_000, 30_000, 100_000],
            Self::Nodes => &[3, 7, 15, 31, 63],
            Self::Keys => &[1_000, 10_000, 100_000],
        }
    }

    /// About how much there is to do at a point: operations, as if on three nodes.
    pub fn work(self, x: u64) -> u64 {
        match self {
            Self::History | Self::Keys => x,
            Self::Nodes => OPERATIONS_OF_NODES * x / 3,
        }
    }

    /// The workload of a point, and how many nodes run it: flags that are turned over, all nodes alike, keys by Zipf's law with exponent 0.99; along the keys
    /// evenly, so that nearly all come up.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] for numbers that the generator does not take.
    pub fn workload(self, x: u64, seed: u64) -> Result<(Workload, usize), SettingsError> {
        let small = |x: u64| u32::try_from(x).unwrap_or(u32::MAX);
        let base = Zipf {
            seed,
            fields: 1,
            mix: Mix::new(vec![(Op::Toggle, 1)])?,
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
        let workload = Workload::collect(&name, zipf.lines()?.map(Ok), usize::MAX)
            .map_err(|error| SettingsError::new(error.to_string()))?;
        Ok((workload, zipf.nodes as usize))
    }
}

/// Measures systems along an axis.
///
/// `settings` has everything but the number of nodes; `command` gives the command for a point and a column, or for the whole series; `started` hears of each
/// measurement before it starts. A system that breaks at a point is noted in [`Scaling::failed`], and the others go on.
///
/// # Errors
///
/// [`SettingsError`] for numbers that the generator does not take.
pub fn series(
    axis: Axis,
    values: &[u64],
    settings: &Settings,
    kinds: &[Box<dyn Kind>],
    command: impl Fn(Option<(u64, &str)>) -> String,
    mut started: impl FnMut(u64, &str),
) -> Result<Scaling, SettingsError> {
    let (mut points, mut failed) = (Vec::new(), Vec::new());
    for &x in values {
        let (workload, nodes) = axis.workload(x, settings.seed)?;
        let settings = Settings {
            nodes,
            ..settings.clone()
        };
        for kind in kinds {
            let name = kind.describe().name;
            started(x, name);
            let command = command(Some((x, name)));
            match run::column(&workload, &settings, kind.as_ref(), command) {
                Ok(column) => points.push(Point { x, column }),
                Err(error) => failed.push(format!("{name}, {x} {}: {error}", axis.label())),
            }
        }
    }
    Ok(Scaling {
        axis: axis.label().to_owned(),
        command: command(None),
        points,
        failed,
    })
}
