//! A job: a design to place on a device.

use crate::design::Design;
use crate::device::{Cells, Device};

/// A design, and where and how to place it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The design.
    pub design: Design,
    /// The device.
    pub device: &'static Device,
    /// The placer seeds to run with.
    pub seeds: Vec<u32>,
    /// The requested frequency in MHz.
    pub freq_mhz: u32,
    /// What the timing analysis covers.
    pub cells: Cells,
}
