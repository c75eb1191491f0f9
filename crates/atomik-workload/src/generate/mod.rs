//! Generated traces. The same settings give the same lines on every machine.

mod counter;
mod draw;
mod settings;
mod text;
mod zipf;

pub use counter::{Counter, CounterLines};
pub use settings::{SEED, SettingsError};
pub use text::{Text, TextLines};
pub use zipf::{Mix, OpKind, Zipf, ZipfLines};
