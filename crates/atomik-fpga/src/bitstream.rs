//! From Verilog to a file that configures a device.

use std::{
    fs,
    path::{Path, PathBuf},
};

use atomik_tools::Tool;
use atomik_tools::cache::{Entry, failed};
use serde::Serialize;

use crate::design::Design;
use crate::device::{Cells, Device, Family, GOWIN_HARNESS_PINS};
use crate::flow::{self, Flow, FlowError, Job, Run, StepError};
use crate::placement::{Placement, Use};
use crate::{harness, netlist, process};

const NETLIST: &str = "netlist.json";
const SYNTHESIS_LOG: &str = "yosys.log";
const PACKER_LOG: &str = "packer.log";

/// A whole design, pins and all.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// What it is called; the bitstream's file is, too.
    pub name: String,
    /// The device.
    pub device: &'static Device,
    /// The top module.
    pub top: String,
    /// Verilog files: names and texts.
    pub verilog: Vec<(String, String)>,
    /// The text of the file that says where pins are; without it nextpnr chooses.
    pub pins: Option<String>,
    /// The frequency that it is to run at, in MHz.
    pub freq_mhz: f64,
    /// What the timing analysis is to see.
    pub cells: Cells,
}

impl Image {
    /// A register file in its harness, on pins that mean nothing: to see that it can be packed, and
    /// how big it is. `None` for a design whose ports are not known.
    #[must_use]
    pub fn of(job: &Job) -> Option<Self> {
        let Design {
            top,
            verilog,
            ports,
            ..
        } = &job.design;
        let pins = match job.device.family {
            Family::Gowin => Some(GOWIN_HARNESS_PINS.to_owned()),
            Family::Ecp5 | Family::Ice40 => None,
        };
        Some(Self {
            name: top.clone(),
            device: job.device,
            top: harness::TOP.to_owned(),
            verilog: vec![
                (format!("{top}.v"), verilog.clone()),
                (
                    "harness.v".to_owned(),
                    harness::verilog(top, ports.as_ref()?),
                ),
            ],
            pins,
            freq_mhz: f64::from(job.freq_mhz),
            cells: job.cells,
        })
    }
}

/// A bitstream, and what is in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bitstream {
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// What was packed.
    pub placement: Placement,
}

/// What came of a design that was to be packed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Packed {
    /// A bitstream.
    Bitstream(Box<Bitstream>),
    /// The device is too small.
    TooBig(Vec<Use>),
    /// A tool failed: what it said last, and where its log is.
    Failed(String),
}

impl Flow<'_> {
    /// Synthesises, places and packs `image` into the folder `out`, which is made if need be.
    ///
    /// # Errors
    /// When it is stopped, or a file cannot be written. What goes wrong with the design is in the
    /// result.
    pub fn pack(
        &self,
        packer: &Tool,
        image: &Image,
        seed: u32,
        out: &Path,
    ) -> Result<Packed, FlowError> {
        match self.try_pack(packer, image, seed, out) {
            Ok(packed) => Ok(packed),
            Err(StepError::Failed(message)) => Ok(Packed::Failed(message)),
            Err(StepError::Cache(error)) => Err(error.into()),
            Err(StepError::Stopped) => Err(FlowError::Stopped),
        }
    }

    fn try_pack(
        &self,
        packer: &Tool,
        image: &Image,
        seed: u32,
        out: &Path,
    ) -> Result<Packed, StepError> {
        let netlist = self.synthesise_image(image)?;
        // What nextpnr writes for the packer, and what the packer makes of it.
        let (write, ending) = match image.device.family {
            Family::Ecp5 => (("--textcfg", "placed.config"), "bit"),
            Family::Ice40 => (("--asc", "placed.asc"), "bin"),
            Family::Gowin => (("--write", "placed.json"), "fs"),
        };
        let run = Run {
            name: &image.name,
            device: image.device,
            netlist: &netlist,
            pins: image.pins.as_deref(),
            seed,
            freq_mhz: image.freq_mhz.ceil() as u32,
            write: Some(write),
        };
        let (placed, placement) = self.place_for_packing(&run)?;
        let placement = match placement {
            Ok(placement) => placement,
            Err(overfull) => return Ok(Packed::TooBig(overfull)),
        };
        fs::create_dir_all(out).map_err(failed("create", out))?;
        // Beside the file that it becomes, so that a rename puts it there whole.
        let work = tempfile::tempdir_in(out).map_err(failed("write to", out))?;
        let input = work.path().join(write.1);
        fs::copy(&placed, &input).map_err(failed("copy", &placed))?;
        let name = format!("{}.{ending}", image.name);
        let args = match image.device.family {
            Family::Ecp5 | Family::Ice40 => flow::names(&[write.1, &name]),
            Family::Gowin => flow::names(&["-d", "GW1N-9C", "-o", &name, write.1]),
        };
        process::run(packer, work.path(), &args, PACKER_LOG, self.stop())
            .map_err(|error| self.failure(error, packer, &image.name, work.path(), PACKER_LOG))?;
        let file = out.join(&name);
        fs::rename(work.path().join(&name), &file).map_err(failed("create", &file))?;
        let bytes = fs::metadata(&file).map_err(failed("read", &file))?.len();
        Ok(Packed::Bitstream(Box::new(Bitstream {
            file,
            bytes,
            placement,
        })))
    }

    fn synthesise_image(&self, image: &Image) -> Result<PathBuf, StepError> {
        let files: Vec<&str> = image
            .verilog
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let script = format!(
            "read_verilog {}; {}",
            files.join(" "),
            image.device.to_netlist(&image.top, NETLIST)
        );
        let mut recipe = self.synthesis_recipe("image", &script);
        recipe.input("cells", image.cells.name());
        for (_, text) in &image.verilog {
            recipe.input("verilog", text);
        }
        let Entry { dir, .. } = self.cache().entry(&recipe, |dir| {
            self.yosys(dir, &script, &image.verilog, &image.name)?;
            if image.cells == Cells::Timed && image.device.family == Family::Gowin {
                let path = dir.join(NETLIST);
                let text = netlist::time_every_cell(&flow::read(&path)?)
                    .map_err(|error| StepError::Failed(error.to_string()))?;
                flow::write(&path, &text)?;
            }
            Ok::<_, StepError>(flow::names(&[NETLIST, SYNTHESIS_LOG]))
        })?;
        Ok(dir.join(NETLIST))
    }
}
