//! Simulates the generated register files under Verilator and checks them against the software
//! model, cycle by cycle.
//!
//! | module | contents |
//! |---|---|
//! | [`record`] | the command and response words that cross into a compiled model |
//! | [`verilate`], [`model`] | Verilog to a shared library; the library, loaded and driven |
//! | [`golden`] | the golden model: the expected value of every output in every cycle |
//! | [`stimulus`], [`random`], [`directed`] | what drives the inputs |
//! | [`coverage`] | which situations the stimulus has reached |
//! | [`dut`], [`scoreboard`] | the design under test; RTL and golden model side by side |
//! | [`shrink`], [`reduce`] | failing sequences made small |
//! | [`sequence`], [`case`] | failures recorded in files and replayed |
//! | [`plan`], [`regress`], [`report`], [`junit`] | regressions: plan, run, result, JUnit XML |
//! | [`rtl`] | traces on the compiled RTL |
//! | [`bench`](mod@bench) | the speed of cross-checking |
//!
//! Building a model needs Verilator and a C++ compiler; the stimulus and the golden model do not:
//!
//! ```
//! use atomik_algebra::Layout as Fields;
//! use atomik_sim::golden::{Golden, Timing};
//! use atomik_sim::record::Layout;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layout = Layout::new(8, 16, 1)?;
//! let timing = Timing { latency: 2, clear_cycles: 1 };
//! let mut golden = Golden::new(layout, Fields::xor(8)?, timing)?;
//! let mut cmds = vec![0; 5 * layout.cmd_words()];
//! layout.command_mut(&mut cmds, 0).set_reset(true);
//! for (cycle, op) in [(1, 2), (2, 3)] {
//!     // ACCUM 0x5 to address 3, then READ address 3.
//!     let mut command = layout.command_mut(&mut cmds, cycle);
//!     command.set_op(op);
//!     command.set_lane(0, true, 3, &[0x5]);
//! }
//! let mut rsps = vec![0; 5 * layout.rsp_words()];
//! golden.run(&cmds, &mut rsps)?;
//! let response = layout.response(&rsps, 4);
//! assert!(response.valid() && !response.clean());
//! assert_eq!(response.data(), [0x5]);
//! # Ok(())
//! # }
//! ```

pub mod bench;
pub mod case;
mod causes;
pub mod coverage;
pub mod directed;
pub mod dut;
pub mod golden;
pub mod junit;
pub mod model;
pub mod plan;
pub mod random;
pub mod record;
pub mod reduce;
pub mod regress;
pub mod report;
pub mod rtl;
pub mod scoreboard;
pub mod sequence;
mod shim;
pub mod shrink;
pub mod stimulus;
pub mod verilate;

pub use causes::with_causes;
