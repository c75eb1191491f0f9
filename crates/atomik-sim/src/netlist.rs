//! Netlists: what synthesis makes of a design, as Verilog that can be simulated.
//!
//! Yosys synthesises the design with the command that places it. The LUTs, flip-flops and memories
//! of the result are replaced by their meaning, which is the library of cells that Yosys ships.
//! Block RAMs that the library leaves empty have the models of `atomik-hdl`.

use std::fs;

use atomik_hdl::{Target, synthesis};
use atomik_tools::cache::{Cache, CacheError, Recipe, failed};

use crate::supplied::add_missing_model;
use crate::yosys::{Yosys, YosysError};

/// Version of the contents of cache entries.
const FORMAT: u32 = 1;
const DESIGN: &str = "design.v";
/// The netlist of cells.
const MAPPED: &str = "mapped.v";
const NETLIST: &str = "netlist.v";

/// Why a design has no netlist.
#[derive(Debug, thiserror::Error)]
pub enum NetlistError {
    /// No device of the target is placed.
    #[error(
        "there is no netlist for target {0}: name a device family with --netlist=ecp5, \
         --netlist=ice40 or --netlist=gowin"
    )]
    Target(Target),
    /// Yosys fails.
    #[error(transparent)]
    Yosys(#[from] YosysError),
    /// The cache cannot be read or written.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// The Yosys command for `family` with its options, and the library of cells. No pads: the ports
/// are not pins.
fn family_of(family: Target) -> Option<(&'static str, &'static str, &'static str)> {
    match family {
        Target::Ecp5 => Some((synthesis::ECP5, "", "+/ecp5/cells_sim.v")),
        Target::Ice40 => Some((synthesis::ICE40_HX, "", "+/ice40/cells_sim.v")),
        Target::Gowin => Some((synthesis::GOWIN, " -noiopads", "+/gowin/cells_sim.v")),
        Target::Generic | Target::Xilinx => None,
    }
}

/// Whether devices of the target are placed, so that its designs have netlists.
#[must_use]
pub fn has_netlist(target: Target) -> bool {
    family_of(target).is_some()
}

/// The script that writes the netlist of module `top` for `family`.
fn script(family: Target, top: &str) -> Option<String> {
    let (command, options, library) = family_of(family)?;
    // Initial contents are neither modelled nor used.
    let initial: String = (0..64)
        .map(|i| format!(" -unset INITVAL_{i:02X}"))
        .collect();
    let unset = match family {
        Target::Ecp5 => format!("setparam{initial} -unset INIT_DATA t:DP16KD; "),
        _ => String::new(),
    };
    // A library may declare a cell twice.
    Some(format!(
        "read_verilog -sv {DESIGN}; {command}{options} -top {top}; {unset}\
         write_verilog -noattr {MAPPED}; design -reset; \
         read_verilog -nooverwrite {library}; read_verilog {MAPPED}; \
         hierarchy -top {top}; proc; flatten; opt_clean; write_verilog -noattr {NETLIST}"
    ))
}

/// Synthesises module `top` of `verilog` for `family` and returns the netlist, with the models of
/// its block RAMs.
///
/// # Errors
/// When the family is none that is placed, or Yosys fails.
pub(crate) fn netlist(
    cache: &Cache,
    family: Target,
    top: &str,
    verilog: &str,
) -> Result<String, NetlistError> {
    let script = script(family, top).ok_or(NetlistError::Target(family))?;
    let yosys = Yosys::from_env()?;
    let mut recipe = Recipe::new("netlist", FORMAT);
    recipe.input("yosys", yosys.version());
    recipe.input("script", &script);
    recipe.input("verilog", verilog);
    let entry = cache.entry(&recipe, |dir| {
        let design = dir.join(DESIGN);
        fs::write(&design, verilog).map_err(failed("write", &design))?;
        yosys.run(dir, &script)?;
        Ok::<_, NetlistError>(vec![NETLIST.to_owned()])
    })?;
    let path = entry.dir.join(NETLIST);
    let mut text = fs::read_to_string(&path).map_err(failed("read", &path))?;
    add_missing_model(&mut text, family);
    Ok(text)
}
