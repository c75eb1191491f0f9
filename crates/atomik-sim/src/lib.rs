//! Simulation of the generated register files, and their check against the software model.
//!
//! | module | what is in it |
//! |---|---|
//! | [`rtl`] | traces through the compiled RTL |
//! | [`verilate`], [`model`], [`record`] | Verilog to a shared library, loaded, fed with records |
//! | [`golden`] | what every output must show in every cycle |
//! | [`stimulus`], [`coverage`] | what is driven, and what that has reached |
//! | [`scoreboard`] | RTL and golden model side by side |
//! | [`shrink`], [`sequence`], [`case`] | failures made small, written down, replayed |
//! | [`regress`], [`junit`] | plans of many jobs, and their reports |
//! | [`bench`](mod@bench) | cross-checking against a bare C++ loop |

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
pub mod verilate;

/// An error's message, and behind it those of its causes that it does not repeat already.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text += ": ";
            text += &reason;
        }
        cause = error.source();
    }
    text
}
