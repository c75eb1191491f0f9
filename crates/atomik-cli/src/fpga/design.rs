//! Devices and generated designs, as options.

use atomik_fpga::device::DEVICES;
use atomik_fpga::{Design, Device};
use atomik_hdl::Target;
use clap::builder::PossibleValuesParser;

use crate::error::CommandError;
use crate::geometry::{GeometryArgs, target};

/// A generated register file for a device.
#[derive(Debug, clap::Args)]
pub struct DesignArgs {
    #[command(flatten)]
    geometry: GeometryArgs,
    /// Device family to generate memories for [default: the device's]
    #[arg(long, value_name = "TARGET", value_parser = target())]
    target: Option<Target>,
}

impl DesignArgs {
    pub fn design(&self, device: &Device) -> Result<Design, CommandError> {
        let target = self.target.unwrap_or(device.family.target());
        Ok(Design::generated(&self.geometry.config(target)?))
    }
}

/// Accepts the name of a device; help and completions list all names.
pub fn device_name() -> PossibleValuesParser {
    PossibleValuesParser::new(DEVICES.iter().map(|device| device.name))
}

pub fn device(name: &str) -> Result<&'static Device, CommandError> {
    Device::named(name).map_err(|error| CommandError::FpgaJob(error.into()))
}
