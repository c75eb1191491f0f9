//! Synthesis: from Verilog to a netlist for nextpnr, with Yosys.

use std::path::{Path, PathBuf};

use atomik_tools::Tool;
use atomik_tools::cache::{Entry, Recipe};

use crate::design::{Design, Port};
use crate::device::{Cells, Device, Family};
use crate::image::Image;
use crate::job::Job;
use crate::netlist::{self, Area};
use crate::step::{FORMAT, StepError, Steps, names, read, write};
use crate::{gowin, harness};

const DESIGN: &str = "design.v";
const HARNESS: &str = "harness.v";
const NETLIST: &str = "netlist.json";
const AREA: &str = "area.json";
const LOG: &str = "yosys.log";

/// A design after synthesis.
#[derive(Debug)]
pub(crate) struct Synthesised {
    /// The netlist of the design in its harness.
    pub netlist: PathBuf,
    /// The area of the design alone.
    pub area: Area,
}

/// Yosys.
#[derive(Debug)]
pub(crate) struct Synthesis {
    pub yosys: Tool,
}

impl Synthesis {
    /// Synthesises a job's design twice: in its harness for the netlist, and alone for the area.
    pub fn design(&self, steps: &Steps<'_>, job: &Job) -> Result<Synthesised, StepError> {
        let Design { top, verilog, .. } = &job.design;
        let ports = match &job.design.ports {
            Some(ports) => ports.clone(),
            None => self.ports(steps, job)?,
        };
        if !ports.iter().any(|port| port.name == harness::CLOCK) {
            return Err(StepError::NoClock {
                top: top.clone(),
                clock: harness::CLOCK,
            });
        }
        if ports.iter().all(|port| port.input) {
            return Err(StepError::NoOutput { top: top.clone() });
        }
        let command = job.device.synthesis;
        // No pads: the ports of the design alone are not pins of the device.
        let pads = match job.device.family {
            Family::Gowin => " -noiopads",
            Family::Ecp5 | Family::Ice40 => "",
        };
        let script = format!(
            "read_verilog {DESIGN} {HARNESS}; {}; \
             design -reset; \
             read_verilog {DESIGN}; {command}{pads} -top {top}; tee -q -o {AREA} stat -json",
            to_netlist(job.device, harness::TOP),
        );
        let files = [
            (DESIGN, verilog.clone()),
            (HARNESS, harness::verilog(top, &ports)),
        ];
        let mut recipe = self.recipe("synthesis", &script);
        for (name, text) in &files {
            recipe.input(name, text);
        }
        recipe.input("cells", job.cells.name());
        let Entry { dir, .. } = steps.cache.entry(&recipe, |dir| {
            self.run(steps, dir, &script, &files, &job.design.name)?;
            complete_timing(&dir.join(NETLIST), job.cells, job.device)?;
            Ok::<_, StepError>(names(&[NETLIST, AREA, LOG]))
        })?;
        Ok(Synthesised {
            netlist: dir.join(NETLIST),
            area: Area::parse(job.device.family, &read(&dir.join(AREA))?)?,
        })
    }

    /// Synthesises an image. Returns its netlist.
    pub fn image(&self, steps: &Steps<'_>, image: &Image) -> Result<PathBuf, StepError> {
        let files: Vec<&str> = image
            .verilog
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let script = format!(
            "read_verilog {}; {}",
            files.join(" "),
            to_netlist(image.device, &image.top)
        );
        let mut recipe = self.recipe("image", &script);
        recipe.input("cells", image.cells.name());
        for (_, text) in &image.verilog {
            recipe.input("verilog", text);
        }
        let Entry { dir, .. } = steps.cache.entry(&recipe, |dir| {
            self.run(steps, dir, &script, &image.verilog, &image.name)?;
            complete_timing(&dir.join(NETLIST), image.cells, image.device)?;
            Ok::<_, StepError>(names(&[NETLIST, LOG]))
        })?;
        Ok(dir.join(NETLIST))
    }

    /// The ports of a design, read by Yosys.
    fn ports(&self, steps: &Steps<'_>, job: &Job) -> Result<Vec<Port>, StepError> {
        let Design { top, verilog, .. } = &job.design;
        let script =
            format!("read_verilog {DESIGN}; hierarchy -top {top}; proc; write_json {NETLIST}");
        let mut recipe = self.recipe("ports", &script);
        recipe.input(DESIGN, verilog);
        let Entry { dir, .. } = steps.cache.entry(&recipe, |dir| {
            let files = [(DESIGN, verilog.clone())];
            self.run(steps, dir, &script, &files, &job.design.name)?;
            Ok::<_, StepError>(names(&[NETLIST]))
        })?;
        Ok(netlist::ports(&read(&dir.join(NETLIST))?, top)?)
    }

    fn recipe(&self, stem: &str, script: &str) -> Recipe {
        let mut recipe = Recipe::new(stem, FORMAT);
        recipe.input("yosys", &self.yosys.version_text);
        recipe.input("script", script);
        recipe
    }

    fn run(
        &self,
        steps: &Steps<'_>,
        dir: &Path,
        script: &str,
        files: &[(impl AsRef<str>, String)],
        name: &str,
    ) -> Result<(), StepError> {
        for (file, text) in files {
            write(&dir.join(file.as_ref()), text)?;
        }
        let args = ["-q", "-l", LOG, "-p", script].map(str::to_owned);
        steps.run(&self.yosys, name, dir, &args, LOG)
    }
}

/// The Yosys commands that write the netlist of module `top`, whose ports are pins.
fn to_netlist(device: &Device, top: &str) -> String {
    let command = device.synthesis;
    match device.family {
        Family::Ecp5 | Family::Ice40 => format!("{command} -top {top} -json {NETLIST}"),
        // synth_gowin would put pads on the ports of every module that keeps its hierarchy, not
        // only on those of the top module. And the modules must be flattened, so that flip-flops
        // are seen together with the LUTs that feed them; see `gowin::time_every_cell`.
        Family::Gowin => format!(
            "{command} -noiopads -top {top}; setattr -mod -unset keep_hierarchy; flatten; clean; \
             iopadmap -bits -inpad IBUF O:I -outpad OBUF I:O -toutpad TBUF ~OEN:I:O \
             -tinoutpad IOBUF ~OEN:O:I:IO {top}; clean; write_json {NETLIST}"
        ),
    }
}

/// Rewrites a Gowin netlist so that nextpnr times all of it, if that is asked for.
fn complete_timing(netlist: &Path, cells: Cells, device: &Device) -> Result<(), StepError> {
    if cells == Cells::Timed && device.family == Family::Gowin {
        let text = gowin::time_every_cell(&read(netlist)?)?;
        write(netlist, &text)?;
    }
    Ok(())
}
