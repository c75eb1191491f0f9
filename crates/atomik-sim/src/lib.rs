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
//! | [`dut`], [`timing`] | the design under test, its latency and clear time |
//! | [`scoreboard`] | RTL and golden model side by side |
//! | [`supplied`], [`netlist`] | designs in the user's own files; what synthesis makes of a design |
//! | [`shrink`], [`reduce`] | failing sequences made small |
//! | [`sequence`], [`case`] | failures recorded in files and replayed |
//! | [`plan`], [`regress`], [`report`], [`junit`] | regressions: plan, run, result, JUnit XML |
//! | [`mutated`], [`mutant`] | bugs planted at random, and which ones a plan finds |
//! | [`structure`] | which lines of a design the stimulus runs, and which signals toggle |
//! | [`rtl`] | traces on the compiled RTL |
//! | [`bench`](mod@bench) | the speed of cross-checking |
//!
//! Building a model needs Verilator and a C++ compiler; the stimulus and the golden model, which is
//! the crate `atomik-golden`, do not.

pub mod bench;
pub mod case;
mod causes;
pub mod coverage;
pub mod directed;
pub mod dut;
mod flags;
pub mod junit;
pub mod model;
pub mod mutant;
pub mod mutated;
pub mod netlist;
pub mod plan;
mod ports;
pub mod random;
pub mod reduce;
pub mod regress;
pub mod report;
pub mod rtl;
pub mod scoreboard;
pub mod sequence;
mod shim;
pub mod shrink;
pub mod stimulus;
pub mod structure;
pub mod supplied;
pub mod timing;
pub mod verilate;
pub mod yosys;

pub use atomik_golden as golden;
pub use atomik_golden::record;
pub use causes::with_causes;
