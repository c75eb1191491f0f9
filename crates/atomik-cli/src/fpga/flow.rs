//! Running the tools, with progress on stderr.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use atomik_fpga::bitstream::Packed;
use atomik_fpga::image::Image;
use atomik_fpga::{Family, Flow, FlowError, Job, Observer, Report};
use atomik_terminal::bar;
use atomik_tools::{Search, cache_dir};
use indicatif::ProgressBar;

use crate::error::CommandError;
use crate::interrupt::stop_flag;
use crate::program::ATOMIK;

#[derive(Debug, clap::Args)]
pub struct ThreadsArgs {
    /// Number of tools to run at once [default: the number of cores]
    #[arg(short, long, value_name = "COUNT")]
    jobs: Option<NonZeroUsize>,
}

impl ThreadsArgs {
    fn threads(&self) -> usize {
        let cores = || available_parallelism().ok();
        self.jobs.or_else(cores).map_or(1, usize::from)
    }
}

/// A flow for these devices, with the tools and the cache that the environment names.
pub fn flow(families: impl IntoIterator<Item = Family>) -> Result<Flow<'static>, CommandError> {
    let flow = Flow::new(&Search::from_env(), families, &cache_dir(), stop_flag()?);
    Ok(flow.map_err(FlowError::from)?)
}

/// Places all jobs.
pub fn place(
    flow: &Flow<'_>,
    jobs: &[Job],
    threads: &ThreadsArgs,
) -> Result<Vec<Report>, CommandError> {
    let progress = Progress::new();
    let reports = flow.run(jobs, threads.threads(), &progress);
    progress.bar.finish_and_clear();
    Ok(reports?)
}

/// Places an image and packs it into a bitstream in the folder `out`.
pub fn pack(flow: &Flow<'_>, image: &Image, seed: u32, out: &Path) -> Result<Packed, CommandError> {
    let packer = Search::from_env()
        .find(image.device.family.packer())
        .map_err(FlowError::from)?;
    Ok(flow.pack(&packer, image, seed, out)?)
}

/// A bar on stderr if that is a terminal, else a line per step: steps take minutes.
struct Progress {
    bar: ProgressBar,
    started: AtomicUsize,
    planned: AtomicUsize,
}

impl Progress {
    fn new() -> Self {
        let bar = bar(
            0,
            "{spinner} {pos}/{len} steps  [{wide_bar}]  {msg}  {elapsed}",
        );
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar,
            started: AtomicUsize::new(0),
            planned: AtomicUsize::new(0),
        }
    }
}

impl Observer for Progress {
    fn planned(&self, steps: usize) {
        self.bar.set_length(steps as u64);
        self.planned.store(steps, Ordering::Relaxed);
    }

    fn started(&self, step: &str) {
        let started = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        if self.bar.is_hidden() {
            let planned = self.planned.load(Ordering::Relaxed);
            ATOMIK.message(format_args!("[{started}/{planned}] {step}"));
        } else {
            self.bar.set_message(step.to_owned());
        }
    }

    fn finished(&self) {
        self.bar.inc(1);
    }
}
