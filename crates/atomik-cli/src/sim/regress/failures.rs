//! Reports of mismatches and of jobs that could not run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use atomik_sim::case::Case;
use atomik_sim::dut::Dut;
use atomik_sim::report::{JobReport, Report};
use atomik_sim::verilate::Builder;
use atomik_terminal::Failure as _;

use crate::error::CommandError;
use crate::program::ATOMIK;

/// Records the cases of mismatches.
pub struct Failures<'a> {
    pub builder: &'a Builder,
    /// Where cases and waveforms go.
    pub folder: PathBuf,
}

impl Failures<'_> {
    /// Reports the mismatch of a job, if it found one, records its case with a waveform, and prints
    /// the command that replays it. `command` runs the whole job again.
    pub fn report(
        &self,
        job: &JobReport,
        command: impl FnOnce() -> String,
    ) -> Result<(), CommandError> {
        let Some(mismatch) = &job.mismatch else {
            return Ok(());
        };
        let Some(case) = &job.case else {
            ATOMIK.message(format_args!("{}: {mismatch}", job.name));
            ATOMIK.message(format_args!(
                "no short sequence shows it; run the job again with: {}",
                command()
            ));
            return Ok(());
        };
        let path = self.folder.join(job.name.replace('/', "-") + ".json");
        case.write(&path)
            .map_err(|error| CommandError::Record(error.into()))?;
        ATOMIK.message(format_args!(
            "{case}  replay    atomik sim replay {}",
            path.display()
        ));
        // Without a waveform, the mismatch is still reported.
        match self.waveform(case, &path) {
            Ok(waves) => ATOMIK.message(format_args!("waveform: {}", waves.display())),
            Err(error) => ATOMIK.message(format_args!("no waveform: {}", error.text())),
        }
        Ok(())
    }

    fn waveform(&self, case: &Case, path: &Path) -> Result<PathBuf, CommandError> {
        let waves = path.with_extension("vcd");
        let cycles = case.cycles(path)?;
        let dut = Dut::of_case(self.builder, case)?;
        dut.play_with_waves(self.builder, &cycles, case.seed, &waves)?;
        Ok(waves)
    }
}

/// Prints why jobs could not run. A reason that several jobs share is printed once.
pub fn report_errors(report: &Report) {
    let mut jobs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for job in &report.jobs {
        if let Some(error) = &job.error {
            jobs.entry(error).or_default().push(&job.name);
        }
    }
    for (error, jobs) in jobs {
        match jobs[..] {
            [job] => ATOMIK.message(format_args!("{job}: {error}")),
            _ => ATOMIK.message(format_args!(
                "{} and {} more jobs: {error}",
                jobs[0],
                jobs.len() - 1
            )),
        }
    }
}
