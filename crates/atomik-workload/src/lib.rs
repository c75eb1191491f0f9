//! Workloads as traces: where they come from, what their operations mean, and whether XOR deltas
//! fit them. Knows no database and no Raft.
//!
//! | module | contents |
//! |---|---|
//! | [`workload`] | traces: the format, its reader, a whole one in memory |
//! | [`trace_writer`] | writing a trace to a file, whole or not at all |
//! | [`content`] | what the operations mean when applied one after the other |
//! | [`import`] | traces from public data and from versions of files |
//! | [`generate`] | traces from seeds |
//! | [`fit`] | the verdict: do XOR deltas fit the trace? |

#![forbid(unsafe_code)]

pub mod content;
pub mod fit;
pub mod generate;
pub mod import;
pub mod trace_writer;
pub mod workload;
