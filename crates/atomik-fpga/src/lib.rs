//! Places the generated register files on FPGAs with Yosys and nextpnr, and reports clock, area and
//! critical path.
//!
//! | module | contents |
//! |---|---|
//! | [`flow`] | the flow: synthesis and placement of jobs, in parallel and cached |
//! | [`job`], [`design`], [`device`] | a design to place on a device |
//! | [`harness`] | the registers around a design that is placed to measure its speed |
//! | [`netlist`], [`gowin`] | what Yosys writes; netlists that nextpnr can time completely |
//! | [`placement`], [`critical_path`], [`utilization`] | what nextpnr reports |
//! | [`timing`], [`sdf`] | which registers and memories the timing analysis covers |
//! | [`report`] | a design on a device, over several seeds |
//! | [`sweep`], [`plot`] | grids of designs, as CSV and SVG |
//! | [`goals`], [`plan`] | frequencies to reach; reading plans |
//! | [`bitstream`], [`image`], [`board`] | packing complete designs, such as boards |
//!
//! The flow needs the tools of `make setup-fpga`:
//!
//! ```no_run
//! use std::sync::atomic::AtomicBool;
//!
//! use atomik_fpga::device::{Cells, Device};
//! use atomik_fpga::{Design, Flow, Job};
//! use atomik_hdl::Config;
//! use atomik_tools::{Search, cache_dir};
//!
//! let device = Device::named("ecp5-25k")?;
//! let config = Config::new(64, 512, 4)?.with_target(device.family.target());
//! let job = Job {
//!     design: Design::generated(&config),
//!     device,
//!     seeds: vec![1, 2, 3],
//!     freq_mhz: device.freq_mhz,
//!     cells: Cells::Timed,
//! };
//! let stop = AtomicBool::new(false);
//! let flow = Flow::new(&Search::from_env(), [device.family], &cache_dir(), &stop)?;
//! let reports = flow.run(&[job], 2, &())?;
//! if let Some(fmax) = reports[0].fmax_mhz() {
//!     println!("{:.1} MHz", fmax.median);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What the tools wrote can be read without them:
//!
//! ```
//! use atomik_fpga::Family;
//! use atomik_fpga::netlist::Area;
//!
//! let stat = r#"{"design": {"num_cells_by_type": {"LUT4": 10, "CCU2C": 3, "TRELLIS_FF": 7}}}"#;
//! let area = Area::parse(Family::Ecp5, stat)?;
//! assert_eq!((area.luts, area.ffs), (16, 7));
//! # Ok::<(), atomik_fpga::netlist::NetlistError>(())
//! ```

pub mod bitstream;
pub mod board;
pub mod critical_path;
pub mod design;
pub mod device;
pub mod flow;
pub mod goals;
pub mod gowin;
pub mod harness;
pub mod image;
pub mod job;
pub mod netlist;
pub mod placement;
mod placer;
pub mod plan;
pub mod plot;
pub mod report;
pub mod sdf;
mod step;
pub mod sweep;
mod synthesis;
pub mod timing;
pub mod utilization;

pub use design::Design;
pub use device::{Device, Family};
pub use flow::{Flow, FlowError, Observer};
pub use job::Job;
pub use report::{Outcome, Report};
