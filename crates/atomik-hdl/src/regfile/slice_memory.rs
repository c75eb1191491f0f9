//! The memory modules that lane slices and reference slices share.

use crate::config::{Config, Segment};
use crate::memory::Memory;

/// The memory of a slice of a word that xors: as wide as the slice, one word per address.
pub(crate) fn memory(config: &Config) -> Memory {
    Memory::new(
        format!("{}_memory", config.name()),
        config.slice_width(),
        config.address_bits(),
        config.target(),
    )
}

/// The memory of a segment of a word with fields that add.
pub(crate) fn segment_memory(config: &Config, segment: &Segment) -> Memory {
    Memory::new(
        format!("{}_memory{}", config.name(), segment.bits),
        segment.bits,
        config.address_bits(),
        config.target(),
    )
}
