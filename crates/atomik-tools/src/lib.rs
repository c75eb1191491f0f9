//! Finds the external programs that ATOMiK runs, and caches what they produce.
//!
//! | module | contents |
//! |---|---|
//! | [`kind`] | the programs: names, oldest usable versions, how to install each |
//! | [`search`] | where a program is looked for, and the tool that was found |
//! | [`probe`] | starts a program to learn its version and whether it works |
//! | [`process`] | runs a program until it ends or its user stops it |
//! | [`version`] | version numbers, compared as numbers |
//! | [`root`] | the project's root folder, and that of the installed tools |
//! | [`cache`] | results stored under a hash of everything they were made from |
//!
//! ```
//! use atomik_tools::{Search, ToolKind};
//!
//! // Nothing is on this search's PATH, so the error says how to install the tool.
//! let error = Search::default().find(ToolKind::Verilator).unwrap_err();
//! assert!(error.to_string().contains("run `make setup`"));
//! ```

pub mod cache;
pub mod kind;
pub mod probe;
pub mod process;
pub mod root;
pub mod search;
pub mod tool;
pub mod version;

pub use cache::cache_dir;
pub use kind::ToolKind;
pub use root::{project_root, tools_dir};
pub use search::Search;
pub use tool::{Origin, Tool, ToolError};
pub use version::Version;
