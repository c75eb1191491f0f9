//! How the evaluator shows its figures.
//!
//! | module | contents |
//! |---|---|
//! | [`report`] | the report as an HTML page, as Markdown, and as tables for a terminal |

#![forbid(unsafe_code)]

pub mod report;
