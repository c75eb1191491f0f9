//! `atomik fpga`: places designs on devices, and shows what came out.

use std::fmt::{self, Display, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use atomik_fpga::bitstream::{Bitstream, Packed};
use atomik_fpga::device::{Cells, DEVICES};
use atomik_fpga::goals::{Goal, Verdict};
use atomik_fpga::image::Image;
use atomik_fpga::plan;
use atomik_fpga::report::Spread;
use atomik_fpga::sweep::{self, Sweep};
use atomik_fpga::utilization::Use;
use atomik_fpga::{
    Design, Device, Family, Flow, FlowError, Job, Observer, Outcome as Result_, Report, board, plot,
};
use atomik_hdl::{Config, Target};
use atomik_tools::{Search, cache_dir, project_root};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::args::{
    BuildArgs, FpgaCommand, GeometryArgs, GoalsArgs, PlaceArgs, ReportArgs, SweepArgs, ThreadsArgs,
};
use crate::failure::Failure;
use crate::regress::stop_at_ctrl_c;
use crate::table::{rate, table};
use crate::{Outcome, print, print_json, say};

pub fn run(command: &FpgaCommand) -> Result<Outcome, Failure> {
    let result = match command {
        FpgaCommand::Report(args) => report(args),
        FpgaCommand::Sweep(args) => sweep(args),
        FpgaCommand::Goals(args) => goals(args),
        FpgaCommand::Build(args) => build(args),
    };
    match result {
        Err(Failure::Fpga(FlowError::Stopped)) => {
            say(FlowError::Stopped);
            Ok(Outcome::Stopped)
        }
        result => result,
    }
}

/// A flow for these devices, with the tools and the cache that the environment names.
fn flow(families: impl IntoIterator<Item = Family>) -> Result<Flow<'static>, Failure> {
    let flow = Flow::new(
        &Search::from_env(),
        families,
        &cache_dir(),
        stop_at_ctrl_c()?,
    );
    Ok(flow.map_err(FlowError::from)?)
}

/// Places all jobs, and shows how far that is.
fn place(flow: &Flow<'_>, jobs: &[Job], threads: &ThreadsArgs) -> Result<Vec<Report>, Failure> {
    let progress = Progress::new();
    let reports = flow.run(jobs, threads.threads(), &progress);
    progress.bar.finish_and_clear();
    Ok(reports?)
}

fn config(geometry: &GeometryArgs, target: Target) -> Result<Config, Failure> {
    let geometry = geometry.geometry()?;
    let config = Config::new(geometry.width(), geometry.depth(), geometry.lanes())?;
    Ok(config.with_target(target))
}

fn job(place: &PlaceArgs, design: Design, device: &'static Device) -> Result<Job, Failure> {
    Ok(Job {
        design,
        device,
        seeds: plan::seeds(place.seeds).map_err(Failure::FpgaJob)?,
        freq_mhz: place.freq.unwrap_or(device.freq_mhz),
        cells: place.cells,
    })
}

fn device(name: &str) -> Result<&'static Device, Failure> {
    Device::named(name).map_err(|error| Failure::FpgaJob(error.into()))
}

// ----------------------------------------------------------------------------------------------------
// report

fn report(args: &ReportArgs) -> Result<Outcome, Failure> {
    let device = device(&args.device)?;
    let design = match (&args.verilog, &args.top) {
        (Some(path), Some(top)) => {
            let verilog = fs::read_to_string(path).map_err(|source| Failure::Verilog {
                path: path.clone(),
                source,
            })?;
            Design::foreign(top, verilog)
        }
        _ => {
            let target = args.target.unwrap_or(device.family.target());
            Design::generated(&config(&args.geometry, target)?)
        }
    };
    let job = job(&args.place, design, device)?;
    let flow = flow([device.family])?;
    let reports = place(&flow, std::slice::from_ref(&job), &args.place.threads)?;
    let outcome = outcome(&reports);
    if args.json {
        print_json(&Measured::new(&flow, &reports))?;
    } else {
        for report in reports.iter().filter(|report| report.area.is_some()) {
            print(describe(report, device))?;
            print(versions(&flow))?;
        }
    }
    for report in &reports {
        tell(report);
    }
    Ok(outcome)
}

/// Reports, and what they were made with.
#[derive(Serialize)]
struct Measured<'a> {
    tools: Vec<String>,
    reports: &'a [Report],
}

impl<'a> Measured<'a> {
    fn new(flow: &Flow<'_>, reports: &'a [Report]) -> Self {
        Self {
            tools: flow.versions(),
            reports,
        }
    }
}

fn versions(flow: &Flow<'_>) -> String {
    format!("\n{}\n", flow.versions().join("\n"))
}

/// How the command ends: as the worst of the reports.
fn outcome(reports: &[Report]) -> Outcome {
    let any = |of: fn(&Result_) -> bool| reports.iter().any(|report| of(&report.outcome));
    if any(|outcome| matches!(outcome, Result_::Failed { .. })) {
        Outcome::ToolFailed
    } else if any(|outcome| matches!(outcome, Result_::TooBig { .. })) {
        Outcome::CheckFailed
    } else {
        Outcome::Fine
    }
}

/// Says on the standard error why a design was not placed.
fn tell(report: &Report) {
    let Report { design, device, .. } = report;
    match &report.outcome {
        Result_::Placed { .. } => {}
        Result_::TooBig { overfull } => say(too_big(design, device, overfull)),
        Result_::Failed { message } => say(format_args!("{design} on {device}: {message}")),
    }
}

fn too_big(design: &str, device: impl Display, overfull: &[Use]) -> String {
    let overfull: Vec<String> = overfull.iter().map(Use::to_string).collect();
    format!(
        "{design} does not fit {device}: it needs {}; take fewer lanes, a smaller depth or width, or a larger device",
        overfull.join(", ")
    )
}

fn describe(report: &Report, device: &Device) -> String {
    let mut rows = table(&["measure", "value"], usize::MAX);
    if let Some(fmax) = report.fmax_mhz() {
        let seeds = report.placements().len();
        let Spread { min, median, max } = fmax;
        let marks = marks(report);
        rows.add_row([
            format!(
                "Fmax, {seeds} {}",
                if seeds == 1 { "seed" } else { "seeds" }
            ),
            format!("{median:.1}{marks} MHz median, {min:.1} min, {max:.1} max"),
        ]);
        if let (Some(per_second), Some(shape)) = (report.accumulates_per_second(), &report.shape) {
            let text = format!(
                "{}/s, computed: {} x {median:.1} MHz, one command per lane and cycle as in simulation",
                rate(per_second),
                lanes(shape.lanes),
            );
            rows.add_row(["accumulates".to_owned(), text]);
        }
    }
    if let Some(area) = report.area {
        let mut text = format!(
            "{} LUTs, {} flip-flops, {} block memories, {} LUT memories (synthesised without the harness)",
            area.luts, area.ffs, area.block_memories, area.lut_memories
        );
        if let Some(shape) = &report.shape {
            let _ = write!(
                text,
                "; a lane: {} LUTs, {} flip-flops",
                area.luts / shape.lanes,
                area.ffs / shape.lanes
            );
        }
        rows.add_row(["design alone".to_owned(), text]);
    }
    if let Some(placement) = report.median() {
        let uses = placement.uses.iter().filter(|used| used.is_headline());
        let uses: Vec<String> = uses.map(Use::to_string).collect();
        rows.add_row(["device, with the harness".to_owned(), uses.join(", ")]);
        rows.add_row([
            "critical path, median seed".to_owned(),
            placement.critical_path.to_string(),
        ]);
        let coverage = &placement.coverage;
        if coverage.memories > 0 {
            let text = match coverage.memory_path_ns {
                Some(ns) => format!("{ns:.2} ns, {:.1} MHz", 1000.0 / ns),
                None => "none is timed".to_owned(),
            };
            rows.add_row(["slowest path from a memory".to_owned(), text]);
        }
        let ns = coverage.other_path_ns;
        rows.add_row([
            "slowest other path".to_owned(),
            format!("{ns:.2} ns, {:.1} MHz", 1000.0 / ns),
        ]);
        rows.add_row([
            "register inputs timed".to_owned(),
            format!("{} of {}", coverage.covered, coverage.endpoints),
        ]);
    }
    let Report {
        design, asked_mhz, ..
    } = report;
    let mut text = format!(
        "{design} on {device}: {}, {asked_mhz} MHz asked for\n\n{rows}\n",
        device.part
    );
    text += &notes(std::slice::from_ref(report));
    text
}

/// What nextpnr does not know of Gowin's block memories. Delays: Apicula's data for the GW1N-9C,
/// C6/I5.
const GOWIN_MEMORIES: &str = "Gowin: nextpnr takes 3.46 ns from the clock to the data of every block memory; where \
    its output register is used\n(target gowin), Apicula's data say 0.83 ns, so paths from a memory are shown up to \
    2.63 ns too slow\n";

fn lanes(count: u32) -> String {
    match count {
        1 => "1 lane".to_owned(),
        n => format!("{n} lanes"),
    }
}

/// What stands behind a frequency that does not say all.
fn marks(report: &Report) -> String {
    let mut marks = String::new();
    if report.misses_memories() {
        marks.push('*');
    }
    if report.uncovered().0 > 0 {
        marks.push('+');
    }
    marks
}

/// What the marks mean, as far as there are any.
fn notes(reports: &[Report]) -> String {
    let mut text = String::new();
    if reports.iter().any(Report::misses_memories) {
        text += "* does not cover the memory: nextpnr has no delay for any path out of one\n";
    }
    let memories = |report: &Report| {
        let placed = report.fmax_mhz().is_some();
        placed
            && report.device.starts_with("gw")
            && report.area.is_some_and(|a| a.block_memories > 0)
    };
    let worst = reports.iter().map(Report::uncovered).max();
    if let Some((uncovered @ 1.., endpoints)) = worst {
        let _ = writeln!(
            text,
            "+ leaves out paths through cells whose delays nextpnr does not know: up to {uncovered} of {endpoints} \
             register inputs"
        );
    }
    if reports.iter().any(memories) {
        text += GOWIN_MEMORIES;
    }
    text
}

// -----------------------------------------------------------------------------------------------------
// sweep

fn sweep(args: &SweepArgs) -> Result<Outcome, Failure> {
    let jobs = Sweep::read(&args.plan)?;
    let flow = flow(jobs.iter().map(|job| job.device.family))?;
    let reports = place(&flow, &jobs, &args.threads)?;
    for report in &reports {
        tell(report);
    }
    let mut files = vec![("sweep.csv", sweep::csv(&reports))];
    let json = serde_json::to_string_pretty(&Measured::new(&flow, &reports));
    files.push(("sweep.json", json.map_err(Failure::Json)? + "\n"));
    match plot::svg(&reports) {
        Ok(svg) => files.push(("sweep.svg", svg)),
        Err(error) => say(error),
    }
    let failed = |path: &Path, source| Failure::Folder {
        path: path.to_path_buf(),
        source,
    };
    fs::create_dir_all(&args.out).map_err(|source| failed(&args.out, source))?;
    let mut rows = table(
        &[
            "device",
            "design",
            "Fmax, MHz",
            "min",
            "max",
            "computed accumulates/s",
            "LUTs",
            "FFs",
            "block memories",
            "LUT memories",
        ],
        2,
    );
    for report in &reports {
        rows.add_row(sweep_row(report));
    }
    let mut text = format!("{rows}\n{}", notes(&reports));
    text += "Fmax: median of the seeds. LUTs to LUT memories: of the design without the harness.\n";
    text += &versions(&flow);
    for (name, contents) in files {
        let path = args.out.join(name);
        fs::write(&path, contents).map_err(|source| failed(&path, source))?;
        let _ = writeln!(text, "wrote {}", path.display());
    }
    print(text)?;
    // That some designs do not fit is what a sweep is to find out.
    Ok(match outcome(&reports) {
        Outcome::CheckFailed => Outcome::Fine,
        outcome => outcome,
    })
}

fn sweep_row(report: &Report) -> Vec<String> {
    let mut row = vec![report.device.clone(), report.design.clone()];
    match (&report.outcome, report.fmax_mhz()) {
        (_, Some(Spread { min, median, max })) => {
            row.push(format!("{median:.1}{}", marks(report)));
            row.extend([min, max].map(|mhz| format!("{mhz:.1}")));
        }
        (Result_::TooBig { .. }, None) => row.extend(["too big", "-", "-"].map(str::to_owned)),
        (_, None) => row.extend(["failed", "-", "-"].map(str::to_owned)),
    }
    row.push(report.accumulates_per_second().map_or("-".to_owned(), rate));
    match report.area {
        Some(area) => {
            let counts = [area.luts, area.ffs, area.block_memories, area.lut_memories];
            row.extend(counts.map(|count| count.to_string()));
        }
        None => row.extend(["-"; 4].map(str::to_owned)),
    }
    row
}

// -----------------------------------------------------------------------------------------------------
// goals

/// A goal and what became of it, for JSON.
#[derive(Serialize)]
struct Reached<'a> {
    goal: &'a str,
    goal_mhz: Option<f64>,
    verdict: Verdict,
    report: &'a Report,
    bitstream: Option<&'a Packed>,
}

fn goals(args: &GoalsArgs) -> Result<Outcome, Failure> {
    let root = project_root();
    let path = match &args.plan {
        Some(path) => path.clone(),
        None => root
            .clone()
            .ok_or(Failure::NoPlan)?
            .join("hdl/fpga/goals.toml"),
    };
    let goals = Goal::read(&path)?;
    let jobs: Vec<Job> = goals.iter().map(|goal| goal.job.clone()).collect();
    let flow = flow(jobs.iter().map(|job| job.device.family))?;
    let reports = place(&flow, &jobs, &args.threads)?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| root.unwrap_or_default().join("target/atomik-fpga"));
    let mut packed = Vec::new();
    for (goal, report) in goals.iter().zip(&reports) {
        let fits = report.fmax_mhz().is_some();
        packed.push(match Image::of(&goal.job) {
            Some(image) if goal.bitstream && fits => Some(pack(&flow, &image, 1, &out)?),
            _ => None,
        });
    }
    let verdicts: Vec<Verdict> = goals
        .iter()
        .zip(&reports)
        .zip(&packed)
        .map(|((goal, report), packed)| match packed {
            Some(Packed::TooBig(_) | Packed::Failed(_)) => Verdict::NotPlaced,
            _ => goal.verdict(report),
        })
        .collect();
    if args.json {
        let all = goals.iter().zip(&reports).zip(&packed).zip(&verdicts);
        let all: Vec<Reached<'_>> = all
            .map(|(((goal, report), packed), &verdict)| Reached {
                goal: &goal.text,
                goal_mhz: goal.mhz,
                verdict,
                report,
                bitstream: packed.as_ref(),
            })
            .collect();
        print_json(&all)?;
    } else {
        print(GoalTable {
            goals: &goals,
            reports: &reports,
            verdicts: &verdicts,
            packed: &packed,
            versions: versions(&flow),
        })?;
    }
    for report in &reports {
        tell(report);
    }
    for (goal, packed) in goals.iter().zip(&packed) {
        tell_packed(&goal.text, goal.job.device, packed.as_ref());
    }
    let missed = |verdict: &Verdict| matches!(verdict, Verdict::Missed | Verdict::NotPlaced);
    Ok(match outcome(&reports) {
        Outcome::ToolFailed => Outcome::ToolFailed,
        _ if packed
            .iter()
            .flatten()
            .any(|p| matches!(p, Packed::Failed(_))) =>
        {
            Outcome::ToolFailed
        }
        _ if args.strict && verdicts.iter().any(missed) => Outcome::CheckFailed,
        _ => Outcome::Fine,
    })
}

struct GoalTable<'a> {
    goals: &'a [Goal],
    reports: &'a [Report],
    verdicts: &'a [Verdict],
    packed: &'a [Option<Packed>],
    versions: String,
}

impl Display for GoalTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = table(
            &[
                "goal",
                "device",
                "MHz",
                "median",
                "min-max",
                "computed accumulates/s",
                "reached",
            ],
            2,
        );
        for ((goal, report), verdict) in self.goals.iter().zip(self.reports).zip(self.verdicts) {
            let (median, range) = match report.fmax_mhz() {
                Some(Spread { min, median, max }) => (
                    format!("{median:.1}{}", marks(report)),
                    format!("{min:.0}-{max:.0}"),
                ),
                None => ("-".to_owned(), "-".to_owned()),
            };
            let wanted = goal
                .mhz
                .map_or("placed".to_owned(), |mhz| format!("{mhz:.0}"));
            let throughput = report.accumulates_per_second();
            rows.add_row([
                goal.text.clone(),
                report.device.clone(),
                wanted,
                median,
                range,
                throughput.map_or("-".to_owned(), rate),
                verdict.text().to_owned(),
            ]);
        }
        writeln!(f, "{rows}\n")?;
        writeln!(
            f,
            "Critical path of the median seed, and size of the register file alone:"
        )?;
        for ((goal, report), packed) in self.goals.iter().zip(self.reports).zip(self.packed) {
            let place = format!("  {}, {}:", goal.text, report.device);
            if let Some(placement) = report.median() {
                writeln!(f, "{place} {}", placement.critical_path)?;
            }
            if let (Some(area), Some(shape)) = (report.area, &report.shape) {
                writeln!(
                    f,
                    "    {} LUTs ({} a lane), {} flip-flops ({} a lane), {} block memories, {} LUT memories",
                    area.luts,
                    area.luts / shape.lanes,
                    area.ffs,
                    area.ffs / shape.lanes,
                    area.block_memories,
                    area.lut_memories
                )?;
            }
            if let Some(Packed::Bitstream(bitstream)) = packed {
                let Bitstream { file, bytes, .. } = &**bitstream;
                writeln!(f, "    bitstream {}, {bytes} bytes", file.display())?;
            }
        }
        writeln!(f)?;
        write!(f, "{}", notes(self.reports))?;
        if self.goals.iter().any(|goal| goal.job.cells == Cells::Plain) {
            writeln!(
                f,
                "as synthesised: the netlist as Yosys makes it, of which nextpnr times a part; for comparison only"
            )?;
        }
        writeln!(
            f,
            "accumulates/s = lanes x median Fmax of the placed design; one command per lane and cycle is what \
             `atomik sim regress` counts"
        )?;
        write!(f, "{}", self.versions)
    }
}

// -----------------------------------------------------------------------------------------------------
// build

fn pack(flow: &Flow<'_>, image: &Image, seed: u32, out: &Path) -> Result<Packed, Failure> {
    let packer = Search::from_env()
        .find(image.device.family.packer())
        .map_err(FlowError::from)?;
    Ok(flow.pack(&packer, image, seed, out)?)
}

fn tell_packed(name: &str, device: &Device, packed: Option<&Packed>) {
    match packed {
        Some(Packed::TooBig(overfull)) => say(too_big(name, device, overfull)),
        Some(Packed::Failed(message)) => say(format_args!("{name} on {device}: {message}")),
        Some(Packed::Bitstream(_)) | None => {}
    }
}

fn build(args: &BuildArgs) -> Result<Outcome, Failure> {
    let (image, whole_board) = match (&args.board, &args.device) {
        (Some(name), _) => (board::read(&board_folder(name)?)?, true),
        (None, Some(name)) => {
            let device = device(name)?;
            let target = args.target.unwrap_or(device.family.target());
            let design = Design::generated(&config(&args.geometry, target)?);
            let job = Job {
                design,
                device,
                seeds: vec![args.seed],
                freq_mhz: args.freq.unwrap_or(device.freq_mhz),
                cells: Cells::Timed,
            };
            // The ports of a generated design are known.
            (Image::of(&job).ok_or(Failure::NoDevice)?, false)
        }
        (None, None) => return Err(Failure::NoDevice),
    };
    let flow = flow([image.device.family])?;
    let packed = pack(&flow, &image, args.seed, &args.out)?;
    if args.json {
        print_json(&packed)?;
    }
    tell_packed(&image.name, image.device, Some(&packed));
    let bitstream = match packed {
        Packed::Bitstream(bitstream) => bitstream,
        Packed::TooBig(_) => return Ok(Outcome::CheckFailed),
        Packed::Failed(_) => return Ok(Outcome::ToolFailed),
    };
    let placement = &bitstream.placement;
    if !args.json {
        let uses = placement.uses.iter().filter(|used| used.used > 0);
        let uses: Vec<String> = uses.map(Use::to_string).collect();
        let coverage = &placement.coverage;
        let mark = if coverage.covers_memories() { "" } else { "*" };
        let mut text = format!(
            "wrote {}, {} bytes\n{}: {}\nFmax {:.1}{mark} MHz, {:.1} asked for; critical path: {}\n{} of {} register \
             inputs timed\n",
            bitstream.file.display(),
            bitstream.bytes,
            image.device,
            uses.join(", "),
            placement.fmax_mhz,
            placement.asked_mhz,
            placement.critical_path,
            coverage.covered,
            coverage.endpoints,
        );
        if !mark.is_empty() {
            text += "* does not cover the memory: nextpnr has no delay for any path out of one\n";
        }
        print(text)?;
    }
    if whole_board && placement.fmax_mhz < image.freq_mhz {
        say(format_args!(
            "{} runs at {} MHz and its design does not: it reaches {:.1} MHz; try another --seed",
            image.name, image.freq_mhz, placement.fmax_mhz
        ));
        return Ok(Outcome::CheckFailed);
    }
    Ok(Outcome::Fine)
}

/// The folder of a board: a path, or a name in `hdl/boards` of the project.
fn board_folder(name: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(name);
    if path.components().count() > 1 || path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let root = project_root().ok_or(Failure::NoPlan)?;
    Ok(root.join("hdl/boards").join(name))
}

// --------------------------------------------------------------------------------------------------
// progress

/// A bar on the standard error if that is a terminal, lines if it is not: steps take minutes.
struct Progress {
    bar: ProgressBar,
    started: AtomicUsize,
    planned: AtomicUsize,
}

impl Progress {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = "{spinner} {pos}/{len} steps  [{wide_bar}]  {msg}  {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
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
            say(format_args!("[{started}/{planned}] {step}"));
        } else {
            self.bar.set_message(step.to_owned());
        }
    }

    fn finished(&self) {
        self.bar.inc(1);
    }
}

/// The names of all devices, for the help.
pub fn device_names() -> Vec<&'static str> {
    DEVICES.iter().map(|device| device.name).collect()
}
