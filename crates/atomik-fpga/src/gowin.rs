//! Rewriting Gowin netlists so that nextpnr times all of their paths.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::netlist::NetlistError;

/// The names of Gowin's flip-flops on a rising clock edge.
const GOWIN_FFS: [&str; 10] = [
    "DFF", "DFFE", "DFFS", "DFFSE", "DFFR", "DFFRE", "DFFP", "DFFPE", "DFFC", "DFFCE",
];
/// The contents of a LUT that passes its input I3 through.
const PASS: &str = "1111111100000000";

/// Rewrites a netlist so that nextpnr times every path; see [`crate::device::Cells::Timed`].
///
/// LUTs of fewer than four inputs become LUTs of four. On the device, a flip-flop is fed through
/// the LUT in front of it. Where the netlist has no LUT for a flip-flop, nextpnr adds one that its
/// timing analysis does not know; this adds that LUT beforehand.
///
/// # Errors
/// If the text is not a netlist.
pub fn time_every_cell(netlist: &str) -> Result<String, NetlistError> {
    let mut netlist: Value = serde_json::from_str(netlist)?;
    let modules = netlist["modules"]
        .as_object_mut()
        .ok_or(NetlistError::Missing("modules"))?;
    for module in modules.values_mut() {
        if is_library(module) {
            continue;
        }
        let cells = module["cells"]
            .as_object_mut()
            .ok_or(NetlistError::Missing("cells"))?;
        for cell in cells.values_mut() {
            widen(cell);
        }
        let last = cells.values().flat_map(bits).max().unwrap_or(0);
        feed_through_luts(cells, last + 1);
    }
    Ok(serde_json::to_string(&netlist)?)
}

/// Whether a module only declares a cell of the device; Yosys leaves these in its netlists.
fn is_library(module: &Value) -> bool {
    let attributes = &module["attributes"];
    ["blackbox", "whitebox"]
        .iter()
        .any(|name| attributes.get(name).is_some())
}

/// Turns a smaller LUT into one of four inputs that ignores the additional ones.
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

/// The numbers of all nets connected to a cell.
fn bits(cell: &Value) -> impl Iterator<Item = u64> + '_ {
    let connections = cell["connections"].as_object();
    connections
        .into_iter()
        .flat_map(Map::values)
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(Value::as_u64)
}

/// Inserts a LUT in front of each flip-flop that does not have one to itself. `next` is the first
/// unused net number.
fn feed_through_luts(cells: &mut Map<String, Value>, mut next: u64) {
    let mut loads: HashMap<u64, u32> = HashMap::new();
    for net in cells.values().flat_map(bits) {
        *loads.entry(net).or_default() += 1;
    }
    // The output nets of LUTs that have no flip-flop yet. An adder counts as a LUT, but nextpnr
    // joins a flip-flop to it only if its sum has no other load. (`loads` includes the driver.)
    let mut luts: HashSet<u64> = cells
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
        // A constant is not a net and needs no timing.
        let Some(net) = data.as_u64() else { continue };
        if luts.remove(&net) {
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

    fn lut(kind: &str, init: &str, out: u64) -> Value {
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
    fn small_luts_become_luts_of_four_inputs_with_the_same_function() {
        let netlist = json!({ "modules": { "m": { "cells": {
            "a": lut("LUT1", "01", 5), "b": lut("LUT2", "0110", 6),
            "c": lut("LUT3", "11101000", 7), "d": lut("LUT4", "1000000000000001", 8),
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
    fn a_flip_flop_without_its_own_lut_gets_one_that_passes_its_data_through() {
        let netlist = json!({ "modules": {
            "LUT4": { "attributes": { "blackbox": 1 }, "cells": {} },
            "m": { "cells": {
                "lut": lut("LUT4", "1000000000000001", 5),
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
}
