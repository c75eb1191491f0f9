//! How the evaluator shows its figures.
//!
//! | module | contents |
//! |---|---|
//! | [`report`] | the report as an HTML page, as Markdown, and as tables for a terminal |
//!
//! ```
//! use atomik_arena::figures::Review;
//! use atomik_eval::report;
//!
//! let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/eval/flights.json");
//! let review: Review = serde_json::from_str(&std::fs::read_to_string(file)?)?;
//! let text = report::overview(&review);
//! assert!(text.starts_with("**target/eval/flights.jsonl: FITS WITH CONDITIONS**"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod report;
