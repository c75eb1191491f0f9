//! Does a workload fit xor deltas? Measured on its own trace, against Raft, CRDTs and event stores.
//!
//! | module | what it holds |
//! |---|---|
//! | [`workload`] | traces: the format, its reader, a whole one in memory |
//! | [`content`] | what the operations mean, one after the other |
//! | [`import`], [`generate`] | traces from data, and from seeds |
//! | [`fit`] | the verdict |
//! | [`system`] | what a replicated system looks like to the simulator |
//! | [`peers`] | the systems that are compared |
//! | [`world`], [`network`] | clients, links, disks, faults, virtual time |
//! | [`judge`] | what can be explained, and what is wrong |
//! | [`run`], [`scaling`] | a workload through the systems; how cost grows |
//! | [`figures`] | what is measured |
//! | [`report`] | how it is shown: terminal, HTML |

#![forbid(unsafe_code)]

pub mod content;
mod disk;
pub mod figures;
pub mod fit;
pub mod generate;
pub mod import;
pub mod judge;
pub mod network;
pub mod peers;
pub mod report;
pub mod run;
pub mod scaling;
pub mod system;
pub mod workload;
pub mod world;
