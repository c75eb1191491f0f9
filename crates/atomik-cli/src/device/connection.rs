//! The connection to a board.

use std::path::PathBuf;

use atomik_device::device::Device;
use atomik_device::line::{DEFAULT_BAUD, SerialLine};
use atomik_device::link::RetryPolicy;
use clap::ValueHint;

use crate::error::CommandError;

#[derive(Debug, clap::Args)]
pub struct ConnectionArgs {
    /// Serial port of the board; a Tang Nano 9K has two, use the second
    #[arg(long, global = true, value_name = "PORT", value_hint = ValueHint::FilePath)]
    port: Option<PathBuf>,
    /// Bits per second, as set in the board's bitstream
    #[arg(long, global = true, value_name = "BAUD", default_value_t = DEFAULT_BAUD,
          value_parser = clap::value_parser!(u32).range(300..))]
    baud: u32,
}

impl ConnectionArgs {
    pub fn connect(&self) -> Result<Device<SerialLine>, CommandError> {
        let port = self.port.as_deref().ok_or(CommandError::NoPort)?;
        let line = SerialLine::open(port, self.baud)?;
        Ok(Device::connect(line, RetryPolicy::for_baud(self.baud))?)
    }
}
