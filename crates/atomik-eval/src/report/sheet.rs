//! All runs side by side: the columns are systems, and every figure has a line for each set of
//! faults.

use std::collections::BTreeMap;

use atomik_arena::figures::{Review, Run, SystemFigures};

use super::metrics::{self, Measured, Metric, caveats};

/// The name of the system that the evaluation is about.
pub const OURS: &str = "ATOMiK";

/// Whether a system is ATOMiK, or a variant such as `ATOMiK unsigned`, and no rival.
pub fn is_ours(name: &str) -> bool {
    name.strip_prefix(OURS)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// Whether these faults cut a node off.
pub fn cut_off(faults: &str) -> bool {
    faults.contains("partition")
}

/// The runs in which a system ran, and all systems of them.
#[derive(Debug)]
pub struct Sheet<'a> {
    /// The runs.
    pub runs: Vec<&'a Run>,
    /// The names of the columns, in order of first appearance. If a run has a name twice, there are
    /// two columns of that name.
    pub names: Vec<&'a str>,
    /// By run and column.
    systems: Vec<Vec<Option<&'a SystemFigures>>>,
    /// What the ids of its cells begin with, so that they differ from those of other sheets.
    name: String,
}

/// The cells of a figure that are the same in one or more runs.
#[derive(Debug)]
pub struct Line {
    /// The places of the runs.
    pub runs: Vec<usize>,
    /// A cell for each column.
    pub cells: Vec<Cell>,
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its contents.
    pub measured: Measured,
    /// Whether it is the lowest of its line.
    pub least: bool,
    /// Whether the system has caveats in this run.
    pub caveat: bool,
}

impl Line {
    /// The reason why no system has a figure, if it is the same for all.
    pub fn missing(&self) -> Option<&'static str> {
        let Measured::Missing(why) = self.cells.first()?.measured else {
            return None;
        };
        let same = |cell: &Cell| cell.measured == Measured::Missing(why);
        self.cells.iter().all(same).then_some(why)
    }
}

impl<'a> Sheet<'a> {
    /// The runs of a review.
    pub fn new(review: &'a Review) -> Self {
        Self::of("figure", review.runs.iter())
    }

    /// These runs.
    pub fn of(name: &str, runs: impl IntoIterator<Item = &'a Run>) -> Self {
        let runs: Vec<&Run> = runs
            .into_iter()
            .filter(|run| !run.systems.is_empty())
            .collect();
        let mut columns: Vec<(&str, usize)> = Vec::new();
        let mut keyed = Vec::new();
        for run in &runs {
            let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
            let mut found = BTreeMap::new();
            for system in &run.systems {
                let times = seen.entry(&system.name).or_default();
                let key = (system.name.as_str(), *times);
                *times += 1;
                if !columns.contains(&key) {
                    columns.push(key);
                }
                found.insert(key, system);
            }
            keyed.push(found);
        }
        let systems = keyed
            .iter()
            .map(|found| columns.iter().map(|key| found.get(key).copied()).collect())
            .collect();
        Self {
            runs,
            names: columns.into_iter().map(|(name, _)| name).collect(),
            systems,
            name: name.to_owned(),
        }
    }

    /// A system in a run.
    pub fn system(&self, run: usize, column: usize) -> Option<&'a SystemFigures> {
        self.systems.get(run)?.get(column).copied().flatten()
    }

    /// A system in every run that has it.
    pub fn everywhere(&self, column: usize) -> impl Iterator<Item = &'a SystemFigures> {
        (0..self.runs.len()).filter_map(move |run| self.system(run, column))
    }

    /// The faults of a run.
    pub fn faults(&self, run: usize) -> &'a str {
        self.runs.get(run).map_or("", |run| &run.world.faults)
    }

    /// The lines of a figure. Runs with equal cells share one.
    pub fn lines(&self, metric: &Metric) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for (place, run) in self.runs.iter().enumerate() {
            let mut least = metric.least(&run.systems).into_iter();
            let mut marks: BTreeMap<*const SystemFigures, bool> = BTreeMap::new();
            for system in &run.systems {
                marks.insert(std::ptr::from_ref(system), least.next().unwrap_or(false));
            }
            let cell = |column| match self.system(place, column) {
                None => Cell {
                    measured: Measured::Missing("not run"),
                    least: false,
                    caveat: false,
                },
                Some(system) => Cell {
                    measured: metric.measure(system),
                    least: marks.get(&std::ptr::from_ref(system)) == Some(&true),
                    caveat: !caveats(system).is_empty(),
                },
            };
            let cells: Vec<Cell> = (0..self.names.len()).map(cell).collect();
            match lines.iter_mut().find(|line| alike(&line.cells, &cells)) {
                Some(line) => line.runs.push(place),
                None => lines.push(Line {
                    runs: vec![place],
                    cells,
                }),
            }
        }
        lines
    }

    /// The id of the cell that shows a figure of a column in a run.
    pub fn id(&self, metric: &Metric, run: usize, column: usize) -> String {
        let lines = self.lines(metric);
        let line = lines.iter().find(|line| line.runs.contains(&run));
        let first = line.and_then(|line| line.runs.first()).unwrap_or(&run);
        let column = match line.and_then(Line::missing) {
            Some(_) => 0,
            None => column,
        };
        self.cell_id(metric, *first, column)
    }

    /// The id of the cell of a line whose first run is this.
    pub fn cell_id(&self, metric: &Metric, run: usize, column: usize) -> String {
        let row = metrics::ALL.iter().position(|other| other.same(metric));
        let row = row.unwrap_or_default();
        format!("{}-{row}-run-{run}-system-{column}", self.name)
    }
}

/// Whether two lines show the same.
fn alike(one: &[Cell], other: &[Cell]) -> bool {
    let shown = |cell: &Cell| (cell.measured.text(), cell.least, cell.caveat);
    one.iter().map(shown).eq(other.iter().map(shown))
}

/// The names of all systems, each once: those of the runs, then those of the series only. The place
/// of a name is the style of its system in every chart and table.
pub fn everyone(review: &Review) -> Vec<&str> {
    let runs = review.runs.iter().flat_map(|run| &run.systems);
    let series = review.scaling.iter().flat_map(|series| &series.points);
    let systems = runs.chain(series.map(|point| &point.system));
    distinct(systems.map(|system| system.name.as_str()))
}

/// Each item once, in order of first appearance.
pub fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

/// Each key once with all of its values, in order of first appearance.
pub fn grouped<K: PartialEq, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Vec<(K, Vec<V>)> {
    let mut groups: Vec<(K, Vec<V>)> = Vec::new();
    for (key, value) in pairs {
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, values)) => values.push(value),
            None => groups.push((key, vec![value])),
        }
    }
    groups
}
