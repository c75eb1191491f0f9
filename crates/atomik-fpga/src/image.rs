//! An image: a complete design with a top module and pins, to be packed into a bitstream.

use crate::design::Design;
use crate::device::{Cells, Device, Family};
use crate::harness;
use crate::job::Job;

/// A complete design, including its pins.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The name, also of the bitstream file.
    pub name: String,
    /// The device.
    pub device: &'static Device,
    /// The top module.
    pub top: String,
    /// Verilog files: names and texts.
    pub verilog: Vec<(String, String)>,
    /// The text of the constraint file with the pins. Without it nextpnr chooses the pins.
    pub pins: Option<String>,
    /// The frequency at which it has to run, in MHz.
    pub freq_mhz: f64,
    /// What the timing analysis covers.
    pub cells: Cells,
}

impl Image {
    /// A register file in its harness, on arbitrary pins: to check that it can be packed, and how
    /// large it is. `None` for a design whose ports are unknown.
    #[must_use]
    pub fn of(job: &Job) -> Option<Self> {
        let Design {
            top,
            verilog,
            ports,
            ..
        } = &job.design;
        let pins = match job.device.family {
            Family::Gowin => Some(harness::GOWIN_PINS.to_owned()),
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
