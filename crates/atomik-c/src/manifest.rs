//! What the golden model needs of the manifest `NAME.json` of a generated design.

use std::path::Path;
use std::{fmt, fs};

use atomik_algebra::Layout as Fields;
use atomik_golden::Timing;
use atomik_golden::record::Layout;
use serde::Deserialize;

use crate::status::{AtomikStatus, Failure};

/// The fields of the manifest in use; it has more.
#[derive(Deserialize)]
struct Manifest {
    width: u32,
    layout: Option<String>,
    depth: usize,
    lanes: u32,
    latency: u32,
    clear_cycles: u32,
}

/// The ports, the layout of the words and the timing of a configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Design {
    pub ports: Layout,
    pub fields: Fields,
    pub timing: Timing,
}

/// The highest latency and time to clear that make sense, far above those of any design: the model
/// keeps a slot per cycle of latency.
const MOST_CYCLES: u32 = 1 << 20;

impl Design {
    pub fn new(fields: Fields, depth: usize, lanes: u32, timing: Timing) -> Result<Self, Failure> {
        for (what, cycles) in [
            ("latency", timing.latency),
            ("time to clear", timing.clear_cycles),
        ] {
            if !(1..=MOST_CYCLES).contains(&cycles) {
                return Err(Failure::new(
                    AtomikStatus::Size,
                    format_args!(
                        "a {what} of {cycles} cycles is not supported; \
                         take it from the manifest of the design"
                    ),
                ));
            }
        }
        Ok(Self {
            ports: Layout::new(fields.width(), depth, lanes)?,
            fields,
            timing,
        })
    }

    /// The design whose manifest is the file at `path`.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let refused = |reason: &dyn fmt::Display| {
            Failure::new(
                AtomikStatus::Manifest,
                format_args!(
                    "{}: {reason}; give the NAME.json that `atomik hdl generate` writes \
                     next to the Verilog",
                    path.display()
                ),
            )
        };
        let text = fs::read_to_string(path).map_err(|error| refused(&error))?;
        let manifest: Manifest = serde_json::from_str(&text).map_err(|error| refused(&error))?;
        let layout = manifest
            .layout
            .unwrap_or_else(|| format!("xor:{}", manifest.width));
        let fields = layout.parse::<Fields>();
        let fields = fields.map_err(|error| refused(&error))?;
        if fields.width() != manifest.width {
            return Err(refused(&format_args!(
                "layout {layout} has not the width {}",
                manifest.width
            )));
        }
        let timing = Timing {
            latency: manifest.latency,
            clear_cycles: manifest.clear_cycles,
        };
        Self::new(fields, manifest.depth, manifest.lanes, timing)
            .map_err(|failure| refused(&failure.message))
    }
}
