//! ATOMiK.

pub mod model;
pub mod record;
mod shim;
pub mod tools;
pub mod trace;
pub mod verilate;
pub mod golden;
pub mod stimulus;
pub mod coverage;
pub mod scoreboard;
pub mod sequence;
pub mod shrink;
pub mod case;
pub mod regress;
pub mod bench;
pub mod rtl;
pub mod junit;
