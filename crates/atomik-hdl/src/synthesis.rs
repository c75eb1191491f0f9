//! How Yosys synthesises designs for the targets.

use crate::config::{MAX_ADDRESS_BITS, Target};
use crate::design::model_file;
use crate::storage::Storage;
use crate::timescale::Timescale;

/// The command for Lattice ECP5.
pub const ECP5: &str = "synth_ecp5 -abc9";
/// The command for Lattice iCE40 HX and LP.
pub const ICE40_HX: &str = "synth_ice40 -abc9 -device hx";
/// The command for Lattice iCE40 UltraPlus.
pub const ICE40_UP: &str = "synth_ice40 -abc9 -device u";
/// The command for Gowin.
pub const GOWIN: &str = "synth_gowin";

/// The model of the block RAM that designs for `target` instantiate, as a file: the name of the
/// cell and the text. `None` if they instantiate none.
pub fn cell_model(target: Target) -> Option<(&'static str, String)> {
    let (cell, text) = Storage::new(target, MAX_ADDRESS_BITS).model()?;
    Some((cell, model_file(cell, text, Timescale::default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_with_a_cell_of_their_own_have_a_model_of_it() {
        let cells = Target::ALL.map(|target| cell_model(target).map(|(cell, _)| cell));
        assert_eq!(cells, [None, Some("DP16KD"), None, Some("SDPB"), None]);
    }
}
