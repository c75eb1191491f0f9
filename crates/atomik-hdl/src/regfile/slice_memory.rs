//! The memory module that lanes and the reference side share.

use crate::config::Config;
use crate::memory::Memory;

/// The memory of a slice.
pub(super) fn memory(config: &Config) -> Memory {
    Memory::new(
        format!("{}_memory", config.name()),
        config.slice_width(),
        config.address_bits(),
        config.target(),
    )
}
