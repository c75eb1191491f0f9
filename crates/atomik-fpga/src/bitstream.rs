//! From an image to a bitstream.

use std::{
    fs,
    path::{Path, PathBuf},
};

use atomik_tools::Tool;
use atomik_tools::cache::failed;
use serde::Serialize;

use crate::device::Family;
use crate::flow::{Flow, FlowError};
use crate::image::Image;
use crate::placement::Placement;
use crate::placer::{Placed, Run};
use crate::step::{StepError, names};
use crate::utilization::Use;

const LOG: &str = "packer.log";

/// A bitstream, and the placement in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bitstream {
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The placement that was packed.
    pub placement: Placement,
}

/// How packing an image ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Packed {
    /// A bitstream was written.
    Bitstream(Box<Bitstream>),
    /// The device is too small.
    TooBig(Vec<Use>),
    /// A tool failed: the last lines of its output, and where its log is.
    Failed(String),
}

impl Flow<'_> {
    /// Synthesises, places and packs `image` into the folder `out`, which is created if necessary.
    ///
    /// # Errors
    /// If the flow is stopped, or a file cannot be written. Errors in the design are in the result.
    pub fn pack(
        &self,
        packer: &Tool,
        image: &Image,
        seed: u32,
        out: &Path,
    ) -> Result<Packed, FlowError> {
        match self.try_pack(packer, image, seed, out) {
            Ok(packed) => Ok(packed),
            Err(StepError::Cache(error)) => Err(error.into()),
            Err(StepError::Stopped) => Err(FlowError::Stopped),
            Err(error) => Ok(Packed::Failed(error.to_string())),
        }
    }

    fn try_pack(
        &self,
        packer: &Tool,
        image: &Image,
        seed: u32,
        out: &Path,
    ) -> Result<Packed, StepError> {
        let netlist = self.synthesis.image(&self.steps, image)?;
        // The packer's input, as nextpnr writes it, and the extension of its output.
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
        let (dir, placed) = self.placer.place(&self.steps, &run)?;
        let placement = match placed {
            Placed::Fits(placement) => *placement,
            Placed::TooBig(overfull) => return Ok(Packed::TooBig(overfull)),
        };
        fs::create_dir_all(out).map_err(failed("create", out))?;
        // In the same folder as the result, so that the result can be renamed into place.
        let work = tempfile::tempdir_in(out).map_err(failed("write to", out))?;
        let placed = dir.join(write.1);
        fs::copy(&placed, work.path().join(write.1)).map_err(failed("copy", &placed))?;
        let name = format!("{}.{ending}", image.name);
        let args = match image.device.family {
            Family::Ecp5 | Family::Ice40 => names(&[write.1, &name]),
            Family::Gowin => names(&["-d", "GW1N-9C", "-o", &name, write.1]),
        };
        self.steps
            .run(packer, &image.name, work.path(), &args, LOG)?;
        let file = out.join(&name);
        fs::rename(work.path().join(&name), &file).map_err(failed("create", &file))?;
        let bytes = fs::metadata(&file).map_err(failed("read", &file))?.len();
        Ok(Packed::Bitstream(Box::new(Bitstream {
            file,
            bytes,
            placement,
        })))
    }
}
