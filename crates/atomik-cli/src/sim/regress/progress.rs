//! The progress bar of a regression.

use std::sync::atomic::{AtomicU64, Ordering};

use atomik_sim::regress::Observer;
use atomik_sim::report::JobReport;
use atomik_terminal::{bar, count};
use indicatif::ProgressBar;

/// A bar on stderr, hidden unless that is a terminal.
pub struct Progress {
    bar: ProgressBar,
    cycles: AtomicU64,
}

impl Progress {
    pub fn new() -> Self {
        Self {
            bar: bar(
                0,
                "{spinner} {pos}/{len} jobs  [{wide_bar}]  {msg}  {elapsed}",
            ),
            cycles: AtomicU64::new(0),
        }
    }

    /// Removes the bar from the terminal.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn started(&self, jobs: usize, _: u64) {
        self.bar.set_length(jobs as u64);
        self.bar.set_message("compiling models");
        self.bar.tick();
    }

    fn built(&self, config: &str) {
        self.bar.set_message(format!("compiled {config}"));
    }

    fn advanced(&self, cycles: u64) {
        let all = self.cycles.fetch_add(cycles, Ordering::Relaxed) + cycles;
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{} cycles", count(all)));
        }
    }

    fn finished(&self, _: &JobReport) {
        self.bar.inc(1);
    }
}
