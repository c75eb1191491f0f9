//! What Yosys writes: how big a design is, which ports it has, and its netlist for nextpnr.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::design::Port;
use crate::device::Family;

/// Yosys wrote something that cannot be understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("what Yosys wrote cannot be read: {0}; try the Yosys that `make setup-fpga` installs")]
pub struct NetlistError(pub String);

/// The cells of a design, as Yosys counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// Look-up tables of up to four inputs, those in carry chains included.
    pub luts: u32,
    /// Flip-flops.
    pub ffs: u32,
    /// Block memories.
    pub block_memories: u32,
    /// Distributed memories of 16 words by 4 bits, made of look-up tables that `luts` does not
    /// count.
    pub lut_memories: u32,
}

impl Area {
    /// Counts cells by their types.
    #[must_use]
    pub fn of(family: Family, cells: &BTreeMap<String, u32>) -> Self {
        let mut area = Self::default();
        for (cell, &count) in cells {
            let starts = |names: &[&str]| names.iter().any(|name| cell.starts_with(name));
            match family {
                Family::Ecp5 => match cell.as_str() {
                    "LUT4" => area.luts += count,
                    "CCU2C" => area.luts += 2 * count,
                    "TRELLIS_FF" => area.ffs += count,
                    "DP16KD" | "PDPW16KD" => area.block_memories += count,
                    "TRELLIS_DPR16X4" => area.lut_memories += count,
                    _ => {}
                },
                Family::Ice40 => match cell.as_str() {
                    "SB_LUT4" => area.luts += count,
                    _ if starts(&["SB_DFF"]) => area.ffs += count,
                    _ if starts(&["SB_RAM40"]) => area.block_memories += count,
                    _ => {}
                },
                Family::Gowin => match cell.as_str() {
                    "LUT1" | "LUT2" | "LUT3" | "LUT4" | "ALU" => area.luts += count,
                    _ if starts(&["DFF"]) => area.ffs += count,
                    _ if starts(&["RAM16"]) => area.lut_memories += count,
                    _ if starts(&["SDP", "DP", "SP", "pROM"]) => area.block_memories += count,
                    _ => {}
                },
            }
        }
        area
    }

    /// The area in what `stat -json` of Yosys prints.
    ///
    /// # Errors
    /// When it is no such text.
    pub fn parse(family: Family, stat: &str) -> Result<Self, NetlistError> {
        #[derive(Deserialize)]
        struct Stat {
            design: Totals,
        }
        #[derive(Deserialize)]
        struct Totals {
            num_cells_by_type: BTreeMap<String, u32>,
        }
        let stat: Stat =
            serde_json::from_str(stat).map_err(|error| NetlistError(error.to_string()))?;
        Ok(Self::of(family, &stat.design.num_cells_by_type))
    }
}

/// The ports of module `top` in a netlist of Yosys, in their order.
///
/// # Errors
/// When there is no such module, or a port is neither an input nor an output.
pub fn ports(netlist: &str, top: &str) -> Result<Vec<Port>, NetlistError> {
    #[derive(Deserialize)]
    struct Netlist {
        modules: HashMap<String, Module>,
    }
    #[derive(Deserialize)]
    struct Module {
        ports: BTreeMap<String, PortEntry>,
    }
    #[derive(Deserialize)]
    struct PortEntry {
        direction: String,
        bits: Vec<Value>,
    }
    let mut netlist: Netlist =
        serde_json::from_str(netlist).map_err(|error| NetlistError(error.to_string()))?;
    let module = netlist
        .modules
        .remove(top)
        .ok_or_else(|| NetlistError(format!("there is no module {top}")))?;
    module
        .ports
        .into_iter()
        .map(|(name, port)| match port.direction.as_str() {
            "input" | "output" => Ok(Port {
                name,
                input: port.direction == "input",
                bits: port.bits.len() as u32,
            }),
            other => Err(NetlistError(format!(
                "port {name} is an {other}, and only inputs and outputs can be placed"
            ))),
        })
        .collect()
}

/// The names of Gowin's flip-flops on a rising clock edge.
const GOWIN_FFS: [&str; 10] = [
    "DFF", "DFFE", "DFFS", "DFFSE", "DFFR", "DFFRE", "DFFP", "DFFPE", "DFFC", "DFFCE",
];
/// A table that passes on its input I3.
const PASS: &str = "1111111100000000";

/// Turns a netlist for Gowin into one in which nextpnr times every path; see
/// [`crate::device::Cells::Timed`].
///
/// Tables of fewer than four inputs become tables of four. A flip-flop is fed through the table in
/// front of it, so where it is not fed by a table of its own anyway, nextpnr adds one, of which its
/// timing knows nothing: it is added here.
///
/// # Errors
/// When the text is no netlist of one module.
pub fn time_every_cell(netlist: &str) -> Result<String, NetlistError> {
    let unexpected = |what: &str| NetlistError(format!("the netlist has no {what}"));
    let mut netlist: Value =
        serde_json::from_str(netlist).map_err(|error| NetlistError(error.to_string()))?;
    let modules = netlist["modules"]
        .as_object_mut()
        .ok_or_else(|| unexpected("modules"))?;
    for module in modules.values_mut() {
        if is_library(module) {
            continue;
        }
        let cells = module["cells"]
            .as_object_mut()
            .ok_or_else(|| unexpected("cells"))?;
        for cell in cells.values_mut() {
            widen(cell);
        }
        let last = cells.values().flat_map(bits).max().unwrap_or(0);
        feed_through_tables(cells, last + 1);
    }
    serde_json::to_string(&netlist).map_err(|error| NetlistError(error.to_string()))
}

/// Yosys leaves the declarations of the device's cells in its netlists.
fn is_library(module: &Value) -> bool {
    let attributes = &module["attributes"];
    ["blackbox", "whitebox"]
        .iter()
        .any(|name| attributes.get(name).is_some())
}

/// A table of fewer inputs as one of four, which does not depend on the others.
fn widen(cell: &mut Value) {
    let inputs = match cell["type"].as_str() {
        Some("LUT1") => 1,
        Some("LUT2") => 2,
        Some("LUT3") => 3,
        _ => return,
    };
    if let Some(init) = cell["parameters"]["INIT"].as_str() {
        let init = init.repeat(16 >> inputs);
        cell["parameters"]["INIT"] = json!(init);
        cell["type"] = json!("LUT4");
    }
}

/// The numbers of all nets at a cell.
fn bits(cell: &Value) -> impl Iterator<Item = u64> + '_ {
    let connections = cell["connections"].as_object();
    connections
        .into_iter()
        .flat_map(Map::values)
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(Value::as_u64)
}

/// Puts a table in front of each flip-flop that has none to itself. `next` is a number that no net
/// has.
fn feed_through_tables(cells: &mut Map<String, Value>, mut next: u64) {
    let mut loads: HashMap<u64, u32> = HashMap::new();
    for net in cells.values().flat_map(bits) {
        *loads.entry(net).or_default() += 1;
    }
    // The nets of tables whose flip-flop has not been met. An adder is a table, too, but nextpnr
    // puts a flip-flop to it only if its sum leads nowhere else; a net is counted at the cell that
    // drives it as well.
    let mut tables: HashSet<u64> = cells
        .values()
        .filter_map(|cell| match cell["type"].as_str()? {
            "LUT4" => cell["connections"]["F"][0].as_u64(),
            "ALU" => {
                let sum = cell["connections"]["SUM"][0].as_u64()?;
                Some(sum).filter(|sum| loads.get(sum) == Some(&2))
            }
            _ => None,
        })
        .collect();
    let mut added = Vec::new();
    for (name, cell) in cells.iter_mut() {
        if !cell["type"]
            .as_str()
            .is_some_and(|kind| GOWIN_FFS.contains(&kind))
        {
            continue;
        }
        let data = &mut cell["connections"]["D"][0];
        // A constant is no net, and needs no time.
        let Some(net) = data.as_u64() else { continue };
        if tables.remove(&net) {
            continue;
        }
        *data = json!(next);
        let pass = json!({
            "hide_name": 0,
            "type": "LUT4",
            "parameters": { "INIT": PASS },
            "attributes": {},
            "port_directions": { "F": "output", "I3": "input" },
            "connections": { "F": [next], "I3": [net] },
        });
        added.push((format!("{name}_pass"), pass));
        next += 1;
    }
    cells.extend(added);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_counted_as_what_they_take_of_a_device() {
        let count = |family, cells: &[(&str, u32)]| {
            let cells = cells.iter().map(|&(name, n)| (name.to_owned(), n));
            Area::of(family, &cells.collect())
        };
        assert_eq!(
            count(
                Family::Ecp5,
                &[
                    ("LUT4", 10),
                    ("CCU2C", 3),
                    ("PFUMX", 5),
                    ("TRELLIS_FF", 7),
                    ("DP16KD", 2),
                    ("TRELLIS_DPR16X4", 4)
                ]
            ),
            Area {
                luts: 16,
                ffs: 7,
                block_memories: 2,
                lut_memories: 4
            }
        );
        assert_eq!(
            count(
                Family::Ice40,
                &[
                    ("SB_LUT4", 10),
                    ("SB_CARRY", 9),
                    ("SB_DFF", 1),
                    ("SB_DFFESR", 2),
                    ("SB_RAM40_4K", 8)
                ]
            ),
            Area {
                luts: 10,
                ffs: 3,
                block_memories: 8,
                lut_memories: 0
            }
        );
        assert_eq!(
            count(
                Family::Gowin,
                &[
                    ("LUT1", 1),
                    ("LUT4", 2),
                    ("ALU", 4),
                    ("MUX2_LUT5", 9),
                    ("DFF", 8),
                    ("DFFRE", 16),
                    ("SDPX9B", 3),
                    ("RAM16SDP4", 5),
                    ("IBUF", 2)
                ]
            ),
            Area {
                luts: 7,
                ffs: 24,
                block_memories: 3,
                lut_memories: 5
            }
        );
    }

    fn table(kind: &str, init: &str, out: u64) -> Value {
        json!({
            "type": kind,
            "parameters": { "INIT": init },
            "connections": { "F": [out], "I0": [2] },
        })
    }

    fn ff(kind: &str, data: Value) -> Value {
        json!({ "type": kind, "connections": { "CLK": [1], "D": [data], "Q": [2] } })
    }

    #[test]
    fn small_tables_become_tables_of_four_inputs_with_the_same_function() {
        let netlist = json!({ "modules": { "m": { "cells": {
            "a": table("LUT1", "01", 5), "b": table("LUT2", "0110", 6),
            "c": table("LUT3", "11101000", 7), "d": table("LUT4", "1000000000000001", 8),
        } } } });
        let text = time_every_cell(&netlist.to_string()).unwrap();
        let netlist: Value = serde_json::from_str(&text).unwrap();
        let cells = &netlist["modules"]["m"]["cells"];
        for (name, init) in [
            ("a", "0101010101010101"),
            ("b", "0110011001100110"),
            ("c", "1110100011101000"),
            ("d", "1000000000000001"),
        ] {
            assert_eq!(cells[name]["type"], "LUT4", "{name}");
            assert_eq!(cells[name]["parameters"]["INIT"], init, "{name}");
        }
        assert_eq!(cells.as_object().unwrap().len(), 4);
    }

    #[test]
    fn a_flip_flop_without_a_table_to_itself_gets_one_that_passes_its_data_on() {
        let netlist = json!({ "modules": {
            "LUT4": { "attributes": { "blackbox": 1 }, "cells": {} },
            "m": { "cells": {
                "table": table("LUT4", "1000000000000001", 5),
                "1_fed": ff("DFFRE", json!(5)),
                "2_shared": ff("DFF", json!(5)),
                "3_bare": ff("DFF", json!(2)),
                "4_constant": ff("DFF", json!("1")),
            } },
        } });
        let text = time_every_cell(&netlist.to_string()).unwrap();
        let netlist: Value = serde_json::from_str(&text).unwrap();
        let cells = netlist["modules"]["m"]["cells"].as_object().unwrap();
        assert_eq!(cells.len(), 7);
        assert_eq!(cells["1_fed"]["connections"]["D"], json!([5]));
        assert_eq!(cells["4_constant"]["connections"]["D"], json!(["1"]));
        for (name, from) in [("2_shared", 5), ("3_bare", 2)] {
            let pass = &cells[&format!("{name}_pass")];
            assert_eq!(pass["connections"]["I3"], json!([from]), "{name}");
            let net = &pass["connections"]["F"];
            assert_eq!(net, &cells[name]["connections"]["D"], "{name}");
            assert!(net[0].as_u64().unwrap() > 5, "{name}");
            // 16 entries, the highest first: 1 where I3 is 1.
            assert_eq!(pass["parameters"]["INIT"], "1111111100000000");
        }
    }

    #[test]
    fn an_adder_feeds_a_flip_flop_only_if_it_feeds_nothing_else() {
        let adder = |sum: u64| json!({ "type": "ALU", "connections": { "SUM": [sum] } });
        let netlist = json!({ "modules": { "m": { "cells": {
            "a": adder(5), "b": adder(6),
            "1_alone": ff("DFF", json!(5)), "2_not_alone": ff("DFF", json!(6)),
            "other": { "type": "OBUF", "connections": { "I": [6] } },
        } } } });
        let text = time_every_cell(&netlist.to_string()).unwrap();
        let netlist: Value = serde_json::from_str(&text).unwrap();
        let cells = netlist["modules"]["m"]["cells"].as_object().unwrap();
        assert!(!cells.contains_key("1_alone_pass"));
        assert!(cells.contains_key("2_not_alone_pass"));
    }

    #[test]
    fn ports_of_a_netlist_have_their_direction_and_size() {
        let netlist = r#"{"modules":{"m":{"ports":{
            "q":{"direction":"output","bits":[3,4]},"clk":{"direction":"input","bits":[2]}}}}}"#;
        let ports = ports(netlist, "m").unwrap();
        let find = |name: &str| ports.iter().find(|port| port.name == name).unwrap();
        assert_eq!((find("q").input, find("q").bits), (false, 2));
        assert_eq!((find("clk").input, find("clk").bits), (true, 1));
        let netlist = netlist.replace("output", "inout");
        let error = super::ports(&netlist, "m").unwrap_err().to_string();
        assert!(error.contains("port q is an inout"), "{error}");
        assert!(super::ports(&netlist, "n").is_err());
    }
}
