//! Properties of the algebra, each for every group: words under xor, words that add, and products.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails, and so do its helper functions"
)]

#[macro_use]
mod oracle;
mod dyn_register_file;
mod entries;
mod laws;
mod layout;
mod many_addresses;
mod register_file;
