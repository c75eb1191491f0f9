//! The memory module that lane slices and reference slices share.

use crate::config::Config;
use crate::memory::Memory;

/// The memory of a slice: as wide as the slice, one word per address.
pub(super) fn memory(config: &Config) -> Memory {
    Memory::new(
        format!("{}_memory", config.name()),
        config.slice_width(),
        config.address_bits(),
        config.target(),
    )
}
