//! The programs that the project calls, and what it keeps of their work.
//!
//! - [`find`]: where a program is found, which versions will do, and what to do when there is none
//! - [`cache`]: results kept under a hash of everything that went into them

pub mod cache;
pub mod find;

pub use cache::cache_dir;
pub use find::{Origin, Search, Tool, ToolError, ToolKind, Version, project_root};
