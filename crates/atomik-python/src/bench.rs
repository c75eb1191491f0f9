//! Verilog, and regressions of it against the software model, for test benches in Python.

use std::path::PathBuf;

use atomik_hdl::options::{Arrangement, Options};
use atomik_hdl::{Config, Target, files};
use atomik_sim::plan::{Overrides, Plan, PlanError};
use atomik_sim::regress::{Observer, regress as run};
use atomik_sim::verilate::Builder;
use atomik_sim::with_causes;
use atomik_tools::project_root;
use pyo3::prelude::*;

use crate::error::{Kind, error};
use crate::interrupt::interruptible;
use crate::word::geometry;

/// The files of a register file in Verilog, as pairs of name and text. `out` is a folder to write
/// them to.
#[pyfunction]
#[pyo3(signature = (
    width, depth, lanes, target, out, split=false, testbench=false, cocotb=false
))]
#[expect(clippy::too_many_arguments, reason = "the options of the command")]
pub fn generate(
    py: Python<'_>,
    width: &Bound<'_, PyAny>,
    depth: usize,
    lanes: u32,
    target: &str,
    out: Option<PathBuf>,
    split: bool,
    testbench: bool,
    cocotb: bool,
) -> PyResult<Vec<(String, String)>> {
    let geometry = geometry(width, depth, lanes)?;
    let target = target.parse::<Target>();
    let target = target.map_err(|refused| error(Kind::Geometry, refused))?;
    let config = Config::with_layout(geometry.layout(), geometry.depth(), geometry.lanes());
    let config = config
        .map_err(|refused| error(Kind::Geometry, refused))?
        .with_target(target);
    let arrangement = if split {
        Arrangement::Split
    } else {
        Arrangement::Together
    };
    let options = Options {
        arrangement,
        testbench,
        cocotb,
        ..Options::default()
    };
    let made = py.detach(|| {
        let files = files::files(&config, options)?;
        if let Some(folder) = out {
            files::write(&files, &folder)?;
        }
        Ok::<_, files::Error>(files)
    });
    let made = made.map_err(|failed| error(Kind::Tool, with_causes(&failed)))?;
    Ok(made
        .into_iter()
        .map(|file| (file.name, file.text))
        .collect())
}

/// Nobody watches.
struct Silent;

impl Observer for Silent {}

/// Runs a regression plan, and returns its report as JSON with whether it passed.
#[pyfunction]
#[pyo3(signature = (plan=None, seed=None, cycles=None, filter=None))]
pub fn regress(
    py: Python<'_>,
    plan: Option<PathBuf>,
    seed: Option<u64>,
    cycles: Option<u64>,
    filter: Option<String>,
) -> PyResult<(bool, String)> {
    let plan = plan.or_else(|| Some(project_root()?.join("sim").join("reference.toml")));
    let plan = plan.ok_or_else(|| {
        error(
            Kind::Input,
            "no project was found, and so no default plan: name one, or set ATOMIK_ROOT to the \
             project's folder",
        )
    })?;
    let report = interruptible(py, |stop| {
        let plan = Plan::read(&plan).map_err(refused)?;
        let builder =
            Builder::from_env().map_err(|failed| error(Kind::Tool, with_causes(&failed)))?;
        let overrides = Overrides {
            seed,
            cycles,
            filter,
            ..Overrides::default()
        };
        run(&builder, &plan, &overrides, &Silent, stop).map_err(refused)
    })??;
    let json = serde_json::to_string(&report).map_err(|wrong| error(Kind::Tool, wrong))?;
    Ok((report.passed(), json))
}

fn refused(plan: PlanError) -> PyErr {
    error(Kind::Input, with_causes(&plan))
}
