use super::draw::Draw;
use super::settings::{MAX_RATE, MIN_RATE, SEED, SettingsError, within};
use super::zipf::Ranks;
use crate::workload::{Action, Line, MAX_NODES};

/// Counters that several nodes change concurrently, such as page views or stock: every node adds to
/// every counter. XOR would get this workload wrong; fields that add do not.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    /// The seed.
    pub seed: u64,
    /// Operations.
    pub operations: u64,
    /// Operations per second over all nodes. They arrive independently of each other.
    pub rate: f64,
    /// Nodes.
    pub nodes: u32,
    /// Counters.
    pub keys: u32,
    /// The exponent of the Zipf distribution of the counters; 0 is uniform.
    pub exponent: f64,
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            seed: SEED,
            operations: 100_000,
            rate: 1000.0,
            nodes: 3,
            keys: 100,
            exponent: 0.8,
        }
    }
}

impl Counter {
    /// The operations, in order. Nine in ten add 1 to 5; one in ten subtracts as much.
    ///
    /// # Errors
    ///
    /// A setting that is out of range.
    pub fn lines(&self) -> Result<CounterLines, SettingsError> {
        within("the rate", self.rate, MIN_RATE..=MAX_RATE)?;
        within(
            "the number of nodes",
            self.nodes.into(),
            1.0..=MAX_NODES.into(),
        )?;
        Ok(CounterLines {
            left: self.operations,
            rate: self.rate,
            nodes: self.nodes,
            ranks: Ranks::new(self.keys, self.exponent)?,
            clock: 0.0,
            draw: Draw::new(self.seed),
        })
    }
}

/// The iterator of [`Counter::lines`].
#[derive(Clone, Debug)]
pub struct CounterLines {
    left: u64,
    rate: f64,
    nodes: u32,
    ranks: Ranks,
    clock: f64,
    draw: Draw,
}

impl Iterator for CounterLines {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        self.left = self.left.checked_sub(1)?;
        let t = self.clock as u64;
        self.clock += self.draw.gap_ms(self.rate);
        let key = format!("counter-{:04}", self.ranks.draw(&mut self.draw));
        let node = self.draw.below(self.nodes.into()) as u32;
        let amount = self.draw.between(1, 5) as i64;
        let sign = if self.draw.percent(10) { -1 } else { 1 };
        Some(Line {
            t,
            node,
            key,
            field: "count".into(),
            action: Action::Add(sign * amount),
        })
    }
}
