//! The columns of the comparison.

#[cfg(all(test, any(feature = "crdts", feature = "yrs", feature = "sqlite")))]
mod adversary;
mod atomik;
#[cfg(feature = "crdts")]
mod causal;
#[cfg(feature = "cqrs")]
mod cqrs;
#[cfg(feature = "crdts")]
mod crdts;
#[cfg(feature = "yrs")]
mod document;
#[cfg(feature = "sqlite")]
mod event_log;
#[cfg(feature = "openraft")]
pub mod openraft;
#[cfg(feature = "raft")]
mod raft;
#[cfg(feature = "sqlite")]
mod store_protocol;
#[cfg(feature = "yrs")]
mod yrs;

use crate::system::Kind;

/// Every column that this build has, ours first.
pub fn all() -> Vec<Box<dyn Kind>> {
    [
        atomik::kinds(),
        #[cfg(feature = "raft")]
        raft::kinds(),
        #[cfg(feature = "crdts")]
        crdts::kinds(),
        #[cfg(feature = "yrs")]
        yrs::kinds(),
        #[cfg(feature = "sqlite")]
        event_log::kinds(),
        #[cfg(feature = "cqrs")]
        cqrs::kinds(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
