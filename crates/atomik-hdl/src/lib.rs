//! The ATOMiK register file as hardware.
//!
//! - [`config`]: which register files there are, their names and latencies
//! - [`regfile`]: the design itself
//! - [`expr`], [`circuit`]: run-time-sized signals and modules on rust-hdl's traits
//! - [`verilog`]: Verilog-2001 for people to read
//! - [`design`]: [`generate`], the Verilog with its header and its [`Manifest`]
//! - [`files`]: a design as files, with what FuseSoC and the tools read beside it
//! - [`waves`]: timing diagrams, out of the simulator
//!
//! ```
//! let config = atomik_hdl::Config::new(64, 512, 4)?;
//! let design = atomik_hdl::generate(&config);
//! assert!(design.verilog.contains("module atomik_regfile_w64_d512_l4 ("));
//! assert_eq!(design.manifest.latency, config.latency());
//! # Ok::<(), atomik_hdl::ConfigError>(())
//! ```

// A description of hardware that makes no sense is a bug of this crate, found when it is described,
// not something that a user's input can cause: configurations are checked before (see `config`).
#![allow(clippy::panic, clippy::expect_used)]

mod block;
pub mod circuit;
pub mod config;
pub mod design;
mod evaluate;
pub mod expr;
pub mod files;
pub mod memory;
mod net;
mod package;
pub mod regfile;
mod register;
mod storage;
pub mod verilog;
pub mod waves;

pub use config::{Config, ConfigError, Target};
pub use design::{Design, Manifest, REFERENCE, generate};
