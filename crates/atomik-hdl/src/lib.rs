//! The ATOMiK register file as hardware: from a configuration to readable Verilog and a manifest.
//!
//! | module | contents |
//! |---|---|
//! | [`config`] | the configurations that can be generated, their names and latencies |
//! | [`regfile`] | the design: lanes, merge tree, reference side, clear, response |
//! | [`circuit`], [`expr`], [`memory`] | modules and signals of run-time size, as rust-hdl blocks |
//! | [`verilog`] | writing a circuit as Verilog-2001 |
//! | [`design`] | [`generate`]: the Verilog with its header, and its [`Manifest`] |
//! | [`files`] | a design as files, including those for FuseSoC and other tools |
//! | [`formal`] | what is to be proved of a design, written beside it |
//! | [`options`] | what is written of a design, and how |
//! | [`timescale`] | the time unit and precision that the files declare |
//! | [`waves`] | timing diagrams, from simulation |
//!
//! ```
//! let config = atomik_hdl::Config::new(64, 512, 4)?;
//! let design = atomik_hdl::generate(&config);
//! assert!(design.verilog.contains("module atomik_regfile_w64_d512_l4 ("));
//! assert_eq!(design.manifest.latency, config.latency());
//! # Ok::<(), atomik_hdl::ConfigError>(())
//! ```

// The panics of this crate are bugs in its own hardware descriptions. User input cannot cause them:
// a `Config` exists only if it can be generated.
#![allow(clippy::panic, clippy::expect_used)]

mod block;
pub mod circuit;
pub mod config;
pub mod design;
mod evaluate;
pub mod expr;
pub mod files;
pub mod formal;
pub mod memory;
mod net;
pub mod options;
mod package;
pub mod regfile;
mod register;
mod storage;
pub mod synthesis;
mod testbench;
pub mod timescale;
pub mod verilog;
pub mod waves;

pub use config::{Config, ConfigError, Target};
pub use design::{Design, Manifest, REFERENCE, generate};
