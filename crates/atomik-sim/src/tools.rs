//! Finding Verilator, the C++ compiler and Yosys: what [`atomik_tools`] has.

pub use atomik_tools::find::*;
