//! The timing of generated designs.

use crate::golden::Timing;
use atomik_hdl::Config;

/// The timing of `config`, as its manifest states it.
pub fn timing(config: &Config) -> Timing {
    Timing {
        latency: config.latency(),
        clear_cycles: config.clear_cycles(),
    }
}
