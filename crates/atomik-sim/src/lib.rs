//! ATOMiK.

pub mod bench;
pub mod case;
pub mod coverage;
pub mod golden;
pub mod junit;
pub mod model;
pub mod record;
pub mod regress;
pub mod rtl;
pub mod scoreboard;
pub mod sequence;
mod shim;
pub mod shrink;
pub mod stimulus;
pub mod tools;
pub mod trace;
pub mod verilate;
