//! One simulated world for all systems: it runs a workload through replicated systems under the
//! same network, disks, clients, faults and clock, and measures each of them.
//!
//! The crate defines what a system is and knows none of them. A run is a pure function of workload,
//! settings and system; only CPU times and memory differ from run to run.
//!
//! | module | contents |
//! |---|---|
//! | [`system`] | the traits of a system and its nodes |
//! | [`settings`] | the settings of a run: nodes, links, disks, clients and faults |
//! | [`network`], [`disk`], [`host`] | links; a node's files; a node's machine with its disk queue |
//! | [`world`] | the event loop: clients, faults and virtual time |
//! | [`judge`] | which final values the acknowledged operations explain |
//! | [`visibility`] | how long changes take until every node reads them |
//! | [`latency`], [`conflicts`], [`rebuild`], [`overhead`] | the measurements of a finished run |
//! | [`history`] | the operations of a finished run by the value that they change |
//! | [`run`], [`scaling`] | a workload through the systems; how cost grows |
//! | [`figures`] | everything measured, as JSON |
//!
//! Two nodes that never exchange a message, and each acknowledge their own clients:
//!
//! ```
//! use atomik_arena::run::measure;
//! use atomik_arena::settings::Settings;
//! use atomik_arena::system::{
//!     Description, Micros, Node, NodeId, Out, Setup, Storage, Submitted, System, SystemError,
//! };
//! use atomik_workload::content::Content;
//! use atomik_workload::workload::{Action, Line, Workload};
//!
//! struct Alone;
//!
//! impl System for Alone {
//!     fn describe(&self) -> Description {
//!         let library = "none".to_owned();
//!         Description { name: "alone", library, semantics: "", usage: "", proofs: "" }
//!     }
//!
//!     fn open(&self, _: &Setup, _: NodeId, _: &Storage) -> Result<Box<dyn Node>, SystemError> {
//!         Ok(Box::new(AloneNode(0)))
//!     }
//! }
//!
//! /// Counts the operations that it has seen.
//! struct AloneNode(u8);
//!
//! impl Node for AloneNode {
//!     fn submit(
//!         &mut self,
//!         _: Micros,
//!         ops: &[Submitted<'_>],
//!         out: &mut Out,
//!     ) -> Result<(), SystemError> {
//!         self.0 += ops.len() as u8;
//!         ops.iter().for_each(|op| out.ack(op.id));
//!         Ok(())
//!     }
//!     fn receive(
//!         &mut self,
//!         _: Micros,
//!         _: NodeId,
//!         _: &[u8],
//!         _: &mut Out,
//!     ) -> Result<(), SystemError> {
//!         Ok(())
//!     }
//!     fn wake(&mut self, _: Micros, _: &mut Out) -> Result<(), SystemError> {
//!         Ok(())
//!     }
//!     fn stored(&mut self, _: Micros, _: u64, _: &mut Out) -> Result<(), SystemError> {
//!         Ok(())
//!     }
//!     fn progress(&self) -> Vec<u8> {
//!         vec![self.0]
//!     }
//!     fn read(&self, _: &str, _: u16) -> Result<Content, SystemError> {
//!         Ok(Content::Counter(self.0.into()))
//!     }
//!     fn bytes_read(&self) -> u64 {
//!         0
//!     }
//! }
//!
//! let line = Line { t: 0, node: 0, key: "k".into(), field: "n".into(), action: Action::Add(1) };
//! let workload = Workload::collect("one addition", [Ok(line)], usize::MAX)?;
//! let settings = Settings { patience: 1_000_000, ..Settings::default() };
//! let figures = measure(&workload, &settings, &Alone, "no command".into())?;
//! assert_eq!((figures.submitted, figures.acknowledged), (1, 1));
//! assert_eq!(figures.bandwidth.messages, 0);
//! assert!(!figures.converged, "the other nodes never hear of the addition");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod conflicts;
pub mod disk;
pub mod figures;
pub mod history;
pub mod host;
pub mod judge;
pub mod latency;
pub mod network;
pub mod overhead;
pub mod pace;
pub mod rebuild;
pub mod run;
pub mod scaling;
pub mod settings;
pub mod system;
pub mod visibility;
pub mod world;
