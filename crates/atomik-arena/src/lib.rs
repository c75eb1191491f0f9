//! One simulated world for all systems: clients, links, disks, faults and virtual time, and what is
//! measured in it. Knows none of the systems.
//!
//! | module | contents |
//! |---|---|
//! | [`system`] | what a replicated system looks like to the simulator |
//! | [`settings`] | the settings of a run: nodes, links, disks, clients and faults |
//! | [`world`], [`network`], [`disk`] | clients, links, disks, faults, virtual time |
//! | [`judge`] | which final states the acknowledged operations explain |
//! | [`run`], [`scaling`] | a workload through the systems; how cost grows |
//! | [`figures`] | what is measured |

#![forbid(unsafe_code)]

pub mod disk;
pub mod figures;
pub mod judge;
pub mod network;
pub mod run;
pub mod scaling;
pub mod settings;
pub mod system;
pub mod world;
