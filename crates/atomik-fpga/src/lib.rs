//! Places the generated register files on FPGAs with Yosys and nextpnr, and says what came out:
//! clock, area, critical path.
//!
//! | module | what is in it |
//! |---|---|
//! | [`device`] | the devices, and how the tools are called for them |
//! | [`design`], [`harness`] | what is placed, and the registers around it |
//! | [`flow`] | synthesis, placement and packing, in parallel and cached |
//! | [`netlist`] | what Yosys wrote: area, ports; cells that nextpnr's Gowin flow would not time |
//! | [`placement`] | what nextpnr wrote: clocks, use of the device, critical path |
//! | [`timing`] | which registers and memories that timing covers |
//! | [`report`] | a design on a device, over several seeds |
//! | [`sweep`], [`plot`] | grids of designs; CSV and SVG |
//! | [`goals`] | what was set out to be reached, and what was |
//! | [`bitstream`], [`board`] | files that configure a device; designs with a top and pins of their own |

pub mod bitstream;
pub mod board;
pub mod design;
pub mod device;
pub mod flow;
pub mod goals;
pub mod harness;
pub mod netlist;
pub mod placement;
pub mod plot;
mod process;
pub mod report;
pub mod sweep;
pub mod timing;

pub use design::Design;
pub use device::{Device, Family};
pub use flow::{Flow, FlowError, Job, Observer};
pub use report::{Outcome, Report};
