//! Fuzz targets: whatever reads bytes from a peer, a disk, a client or a cable.
//!
//! A [`Target`] is a function that must not panic, whatever its input. `make fuzz` runs each under
//! libFuzzer, which is guided by the coverage of the code. The tests of this crate run each target
//! on its seeds and on a few thousand mutations of them.

#![forbid(unsafe_code)]

mod device;
mod mutate;
mod proof;
mod records;
mod replica;
mod roster;
mod session;
mod store;
mod target;
mod trace;

pub use mutate::mutate;
pub use target::Target;

/// All targets.
pub const TARGETS: &[Target] = &[
    replica::MESSAGE,
    proof::PROOF,
    session::SESSION,
    roster::ROSTER,
    records::RECORDS,
    store::FILE,
    trace::TRACE,
    device::DEVICE,
];

/// The target with a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
