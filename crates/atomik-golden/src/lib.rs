//! The golden model of the generated register files: the value of every output port in every cycle.
//!
//! [`Golden`] is the software model of `atomik-algebra` plus the two numbers of [`Timing`], which
//! the manifest has: a response appears `latency` cycles after its command, and `ready` rises
//! `clear_cycles` cycles after the last cycle with `rst` high. It knows nothing about pipelines,
//! hazards or memories, so it cannot share a bug with the RTL there. [`record`] is how the ports of
//! a cycle are stored.
//!
//! ```
//! use atomik_algebra::Layout as Fields;
//! use atomik_golden::record::Layout;
//! use atomik_golden::{Golden, Timing};
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

#![forbid(unsafe_code)]

mod golden;
pub mod record;

pub use golden::{Golden, Timing};
