//! The FPGA flow with the real tools, on the smallest reference configuration.
//!
//! The tools are large; `make setup-fpga` installs them. Where they are missing, these tests print
//! so and pass, but in continuous integration (`CI` is set) they fail.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use atomik_fpga::bitstream::Packed;
use atomik_fpga::device::Cells;
use atomik_fpga::image::Image;
use atomik_fpga::placement::Placement;
use atomik_fpga::{Design, Device, Flow, Job, Outcome, Report};
use atomik_hdl::Config;
use atomik_tools::{Search, Tool, ToolKind};
use tempfile::TempDir;

static NEVER_STOP: AtomicBool = AtomicBool::new(false);

/// The tool. If it is missing, prints so.
fn tool(kind: ToolKind) -> Option<Tool> {
    match Search::from_env().find(kind) {
        Ok(tool) => Some(tool),
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED: {error}");
            None
        }
        Err(error) => panic!("this test needs it: {error}"),
    }
}

fn job(device: &str, cells: Cells) -> Job {
    job_of(Config::new(8, 16, 2).unwrap(), device, cells)
}

fn job_of(config: Config, device: &str, cells: Cells) -> Job {
    let device = Device::named(device).unwrap();
    let config = config.with_target(device.family.target());
    Job {
        design: Design::generated(&config),
        device,
        seeds: vec![1],
        freq_mhz: device.freq_mhz,
        cells,
    }
}

/// A flow for the job's device, with a cache that outlives the test run; `None` if a tool is
/// missing.
fn flow(job: &Job) -> Option<Flow<'static>> {
    tool(ToolKind::Synthesis)?;
    tool(job.device.family.nextpnr())?;
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fpga-cache");
    let flow = Flow::new(
        &Search::from_env(),
        [job.device.family],
        &cache,
        &NEVER_STOP,
    );
    Some(flow.unwrap())
}

fn place(job: &Job) -> Option<Report> {
    let reports = flow(job)?.run(std::slice::from_ref(job), 1, &()).unwrap();
    let report = reports.into_iter().next().unwrap();
    assert!(
        matches!(report.outcome, Outcome::Placed { .. }),
        "{report:?}"
    );
    Some(report)
}

/// Checks that our own sum along the slowest path agrees with nextpnr's frequency.
fn assert_same_period(placement: &Placement) {
    let (ours, theirs) = (
        placement.coverage.slowest_path_ns(),
        1000.0 / placement.fmax_mhz,
    );
    assert!((ours / theirs - 1.0).abs() < 0.01, "{ours} ns, {theirs} ns");
}

fn assert_whole(report: &Report, job: &Job) {
    let placement = &report.placements()[0];
    assert!(placement.coverage.is_complete(), "{placement:?}");
    assert!(placement.coverage.memories > 0, "{placement:?}");
    assert_same_period(placement);
    let path = &placement.critical_path;
    for name in [&path.from, &path.to] {
        assert!(!name.contains('$') && !name.contains("_FF_"), "{path}");
        assert!(!name.starts_with("dut."), "{path}");
    }
    let available = |resource: &str| {
        let found = placement.uses.iter().find(|used| used.resource == resource);
        found.map(|used| used.available)
    };
    let logic = available("TRELLIS_FF").or(available("ICESTORM_LC"));
    assert_eq!(logic, Some(job.device.resources.ffs), "{placement:?}");
    let area = report.area.unwrap();
    assert!(area.luts > 50 && area.ffs > 200, "{area:?}");
}

#[test]
fn words_with_a_field_that_adds_are_placed_with_every_register_timed() {
    let config = Config::with_layout("xor:64,xor:32,add:16".parse().unwrap(), 16, 1).unwrap();
    let job = job_of(config, "ecp5-25k", Cells::Timed);
    let Some(report) = place(&job) else { return };
    let shape = report.shape.as_ref().unwrap();
    assert_eq!(shape.layout.as_deref(), Some("xor:64,xor:32,add:16"));
    let placement = report.median().unwrap();
    assert_eq!(placement.coverage.covered, placement.coverage.endpoints);
    assert_same_period(placement);
}

#[test]
fn on_ecp5_every_path_is_timed_and_memories_are_lookup_tables() {
    let job = job("ecp5-25k", Cells::Timed);
    let Some(report) = place(&job) else { return };
    assert_whole(&report, &job);
    let area = report.area.unwrap();
    // Each of 16 words by 4 bits: two memories per lane, base and offset.
    assert_eq!((area.lut_memories, area.block_memories), (12, 0));
}

#[test]
fn on_ice40_every_path_is_timed_and_memories_are_block_rams() {
    let job = job("ice40-hx8k", Cells::Timed);
    let Some(report) = place(&job) else { return };
    assert_whole(&report, &job);
    let area = report.area.unwrap();
    assert_eq!((area.lut_memories, area.block_memories), (0, 6));
}

#[test]
fn on_gowin_the_plain_netlist_is_timed_partly_and_ours_almost_completely() {
    let [timed, plain] = [Cells::Timed, Cells::Plain].map(|cells| place(&job("gw1nr-9", cells)));
    let (Some(timed), Some(plain)) = (timed, plain) else {
        return;
    };
    assert_same_period(&timed.placements()[0]);
    let (uncovered, endpoints) = timed.uncovered();
    assert!(uncovered * 100 <= endpoints, "{uncovered} of {endpoints}");
    assert!(!timed.misses_memories());
    let (uncovered, endpoints) = plain.uncovered();
    assert!(uncovered * 2 > endpoints, "{uncovered} of {endpoints}");
    // We add about as many lookup tables as nextpnr would.
    let tables = |report: &Report| {
        let uses = &report.placements()[0].uses;
        uses.iter()
            .find(|used| used.resource == "LUT4")
            .unwrap()
            .used
    };
    let (ours, theirs) = (tables(&timed), tables(&plain));
    assert!(ours.abs_diff(theirs) <= 5, "{ours} {theirs}");
}

/// Runs a Yosys script in a folder. The error is its output.
fn yosys(tool: &Tool, dir: &Path, script: &str) -> Result<(), String> {
    let mut command = tool.command();
    let output = command.current_dir(dir).args(["-q", "-p", script]).output();
    let output = output.unwrap();
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&printed).into_owned())
}

/// Proves with Yosys that two netlists for Gowin are equal, register by register, using Yosys's
/// models of the cells.
fn proved_equal(tool: &Tool, dir: &Path, netlists: [&str; 2]) -> Result<(), String> {
    for (name, text) in ["gold", "gate"].into_iter().zip(netlists) {
        let mut netlist: serde_json::Value = serde_json::from_str(text).unwrap();
        let modules = netlist["modules"].as_object().unwrap();
        let mut top = modules["top"].clone();
        top["attributes"] = serde_json::json!({});
        netlist["modules"] = serde_json::json!({ name: top });
        fs::write(dir.join(format!("{name}.json")), netlist.to_string()).unwrap();
    }
    // Deferred, so that each cell is elaborated with its own parameters.
    let script = "read_verilog -icells -defer +/gowin/cells_sim.v; \
                  read_json gold.json; read_json gate.json; \
                  hierarchy; proc; flatten gold gate; opt_clean gold gate; \
                  equiv_make gold gate both; hierarchy -top both; opt_clean; \
                  equiv_simple -undef; equiv_induct -undef; equiv_status -assert";
    yosys(tool, dir, script)
}

#[test]
fn the_completely_timed_netlist_is_proved_equal_to_the_plain_one() {
    let Some(tool) = tool(ToolKind::Synthesis) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let dir = folder.path();
    let config = Config::new(8, 1, 2).unwrap();
    fs::write(dir.join("d.v"), atomik_hdl::generate(&config).verilog).unwrap();
    let script = format!(
        "read_verilog d.v; rename {} top; synth_gowin -noiopads -top top; \
         setattr -mod -unset keep_hierarchy; flatten; clean; write_json plain.json",
        config.name()
    );
    yosys(&tool, dir, &script).unwrap();
    let plain = fs::read_to_string(dir.join("plain.json")).unwrap();
    let timed = atomik_fpga::gowin::time_every_cell(&plain).unwrap();
    assert!(timed.matches("_pass").count() > 50, "nothing was added");
    assert_eq!(proved_equal(&tool, dir, [&plain, &timed]), Ok(()));
    // The proof detects a table that inverts its input instead of passing it on.
    let wrong = timed.replacen("1111111100000000", "0000000011111111", 1);
    assert!(proved_equal(&tool, dir, [&plain, &wrong]).is_err());
}

#[test]
fn every_family_packs_a_bitstream() {
    for device in ["ecp5-25k", "ice40-hx8k", "gw1nr-9"] {
        let job = job(device, Cells::Timed);
        let (Some(flow), Some(packer)) = (flow(&job), tool(job.device.family.packer())) else {
            return;
        };
        let out = TempDir::new().unwrap();
        let image = Image::of(&job).unwrap();
        let packed = flow.pack(&packer, &image, 1, out.path()).unwrap();
        let Packed::Bitstream(bitstream) = packed else {
            panic!("{device}: {packed:?}")
        };
        let bytes = fs::read(&bitstream.file).unwrap();
        assert_eq!(bytes.len() as u64, bitstream.bytes);
        assert!(bytes.len() > 10_000, "{device}: {} bytes", bytes.len());
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1, "{device}");
    }
}
