//! Workloads as traces: where they come from, what their operations mean, and whether deltas that
//! XOR or add fit them. Knows no database and no Raft.
//!
//! | module | contents |
//! |---|---|
//! | [`workload`] | traces: the format, its reader, a whole one in memory |
//! | [`trace_writer`] | writing a trace to a file, whole or not at all |
//! | [`content`] | what the operations mean when applied one after the other |
//! | [`import`] | traces from tables, changes of databases, public data and versions of files |
//! | [`generate`] | traces from seeds |
//! | [`fit`] | the verdict: do deltas fit the trace? |
//!
//! Two nodes that add to one counter within a window, and put one register:
//!
//! ```
//! use std::path::Path;
//!
//! use atomik_workload::fit::{Thresholds, Verdict, fit};
//! use atomik_workload::workload::Reader;
//!
//! let trace = r#"{"t":0,"node":0,"key":"k","op":"add","value":5}
//! {"t":3,"node":1,"key":"k","op":"add","value":3}
//! {"t":4,"node":0,"key":"k","op":"set","field":"name","value":5}
//! {"t":5,"node":1,"key":"k","op":"set","field":"name","value":3}
//! "#;
//! let reader = Reader::new(trace.as_bytes(), Path::new("trace.jsonl"));
//! let fit = fit(reader, Thresholds::default(), 1, "trace.jsonl", "")?;
//! assert_eq!(fit.fields[0].verdict, Verdict::Fits);
//! assert_eq!(fit.layout.as_deref(), Some("add:8,xor:64"));
//! assert_eq!(fit.fields[1].verdict, Verdict::DoesNotFit);
//! let wrong = &fit.fields[1].wrong[0];
//! assert_eq!((wrong.meant.as_str(), wrong.got.as_str()), ("3", "6"));
//! # Ok::<(), atomik_workload::workload::TraceError>(())
//! ```

#![forbid(unsafe_code)]

pub mod content;
pub mod fit;
pub mod generate;
pub mod import;
mod input;
mod json;
pub mod trace_writer;
pub mod workload;
