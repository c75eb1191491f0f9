//! That the data path treats the bits of a word alike, shown on the netlist.
//!
//! Two facts about words that xor. *Independence*: a bit of the response depends on no bit of a
//! word but that of its own position; `ready` and `rsp_valid` depend on none. *Likeness*: bits of
//! the response would be equal if in each input word all bits were. Together: every bit of the
//! response is the same function of the bits of its position, so that what is proved of one holds
//! of each.
//!
//! Likeness is the coarsest partition of the nets in which nets of a class are driven by cells of a
//! kind from nets of the same classes.

use atomik_hdl::formal::WordInput;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// The name of the check.
pub const ALIKE: &str = "bits_alike";

/// A netlist, as Yosys writes it in JSON.
#[derive(Debug, Deserialize)]
pub struct Netlist {
    modules: BTreeMap<String, Module>,
}

#[derive(Debug, Deserialize)]
struct Module {
    ports: BTreeMap<String, Port>,
    cells: BTreeMap<String, Cell>,
    netnames: BTreeMap<String, Port>,
}

#[derive(Debug, Deserialize)]
struct Port {
    #[serde(default)]
    direction: String,
    bits: Vec<Net>,
}

#[derive(Debug, Deserialize)]
struct Cell {
    #[serde(rename = "type")]
    kind: String,
    parameters: BTreeMap<String, String>,
    port_directions: BTreeMap<String, String>,
    connections: BTreeMap<String, Vec<Net>>,
}

/// A net of one bit, or a constant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(untagged)]
enum Net {
    Wire(u32),
    Constant(String),
}

/// What drives a net: a kind of cell, and the nets that it depends on, in order.
struct Driver<'a> {
    kind: String,
    from: Vec<&'a Net>,
}

/// The word positions that a net depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Positions {
    None,
    One(u32),
    Many,
}

impl Positions {
    fn with(self, other: Positions) -> Positions {
        match (self, other) {
            (Positions::None, it) | (it, Positions::None) => it,
            (a, b) if a == b => a,
            _ => Positions::Many,
        }
    }
}

/// Why the bits of a word are not alike.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unlike {
    /// Something that the argument needs is not in the netlist.
    #[error("the netlist has no {0}")]
    Missing(String),
    /// An output depends on bits of words that it must not depend on.
    #[error("{output} depends on bits at other positions of the word")]
    Dependent {
        /// The output, with its position.
        output: String,
    },
    /// A bit of the response is computed differently from bit 0.
    #[error("rsp_data[{0}] is computed differently from rsp_data[0]")]
    Different(usize),
}

/// Shows that the bits of a word are alike in the module `top`, into which words come at `inputs`.
///
/// # Errors
/// The first reason why they are not.
pub fn alike(netlist: &Netlist, top: &str, inputs: &[WordInput]) -> Result<(), Unlike> {
    let missing = || Unlike::Missing(top.to_owned());
    let module = netlist.modules.get(top).ok_or_else(missing)?;
    let drivers = drivers(module);
    let words = words(module, inputs)?;
    independent(module, &drivers, &words)?;
    same(module, &drivers, &words)
}

/// The nets of words: the position, and the label.
type Words<'a> = HashMap<&'a Net, (u32, &'a str)>;

fn words<'a>(module: &'a Module, inputs: &'a [WordInput]) -> Result<Words<'a>, Unlike> {
    let mut words = HashMap::new();
    for input in inputs {
        let missing = || Unlike::Missing(input.wire.clone());
        let nets = &module.netnames.get(&input.wire).ok_or_else(missing)?.bits;
        for i in 0..input.bits {
            let net = nets.get((input.from + i) as usize).ok_or_else(missing)?;
            words.insert(net, (input.low + i, input.label.as_str()));
        }
    }
    Ok(words)
}

/// The driver of every net that a cell drives.
fn drivers(module: &Module) -> HashMap<&Net, Driver<'_>> {
    let mut drivers = HashMap::new();
    for cell in module.cells.values() {
        for (port, nets) in &cell.connections {
            if cell.port_directions.get(port).map(String::as_str) == Some("output") {
                for (i, net) in nets.iter().enumerate() {
                    drivers.insert(net, cell.driver(port, i));
                }
            }
        }
    }
    drivers
}

impl Cell {
    /// Output bit `i`. Cells that work on each bit for itself depend on the bits of their inputs
    /// with the same number, and any other cell on everything.
    fn driver(&self, port: &str, i: usize) -> Driver<'_> {
        let bit = |port: &str, i: usize| self.connections.get(port)?.get(i);
        let all = |port: &str| self.connections.get(port).into_iter().flatten();
        let each = |ports: &[&str]| ports.iter().map(|port| bit(port, i)).collect();
        let from: Option<Vec<&Net>> = match self.kind.as_str() {
            "$dff" => each(&["D"]),
            "$not" | "$pos" | "$buf" => each(&["A"]),
            "$and" | "$or" | "$xor" | "$xnor" => each(&["A", "B"]),
            "$mux" => {
                each(&["A", "B"]).map(|nets: Vec<&Net>| nets.into_iter().chain(all("S")).collect())
            }
            _ => None,
        };
        if let Some(from) = from {
            return Driver {
                kind: self.kind.clone(),
                from,
            };
        }
        let inputs = self
            .port_directions
            .iter()
            .filter(|(_, way)| *way == "input");
        Driver {
            kind: format!("{} {:?} {port} {i}", self.kind, self.parameters),
            from: inputs.flat_map(|(port, _)| all(port)).collect(),
        }
    }
}

/// Checks that no output depends on what it must not depend on.
fn independent(
    module: &Module,
    drivers: &HashMap<&Net, Driver<'_>>,
    words: &Words<'_>,
) -> Result<(), Unlike> {
    let mut known: HashMap<&Net, Positions> = HashMap::new();
    for (net, (position, _)) in words {
        known.insert(net, Positions::One(*position));
    }
    loop {
        let mut changed = false;
        for (net, driver) in drivers {
            let of = |net| known.get(net).copied().unwrap_or(Positions::None);
            let all = driver
                .from
                .iter()
                .fold(of(net), |all, net| all.with(of(net)));
            if all != of(net) {
                known.insert(net, all);
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    for (name, port) in module
        .ports
        .iter()
        .filter(|(_, it)| it.direction == "output")
    {
        for (i, net) in port.bits.iter().enumerate() {
            let own = Positions::One(i as u32);
            let found = known.get(net).copied().unwrap_or(Positions::None);
            let allowed = match name.as_str() {
                "rsp_clean" => true,
                "rsp_data" => found == own,
                _ => found == Positions::None,
            };
            if !allowed {
                let output = format!("{name}[{i}]");
                return Err(Unlike::Dependent { output });
            }
        }
    }
    Ok(())
}

/// Checks that all bits of the response are in one class of the coarsest partition.
fn same(
    module: &Module,
    drivers: &HashMap<&Net, Driver<'_>>,
    words: &Words<'_>,
) -> Result<(), Unlike> {
    let kinds: HashMap<&str, u32> = drivers
        .values()
        .map(|it| it.kind.as_str())
        .zip(0..)
        .collect();
    let names = names(module);
    // The class of a net that no cell drives: constants and inputs.
    let mut fixed: HashMap<String, u32> = HashMap::new();
    let mut source = |net: &Net| {
        let label = match (words.get(net), net) {
            (Some((_, label)), _) => format!("word {label}"),
            (None, Net::Constant(value)) => format!("constant {value}"),
            (None, net) => names
                .get(net)
                .cloned()
                .unwrap_or_else(|| format!("{net:?}")),
        };
        let next = fixed.len() as u32;
        *fixed.entry(label).or_insert(next)
    };
    let mut classes: HashMap<&Net, u32> = HashMap::new();
    for driver in drivers.values() {
        for net in &driver.from {
            if !drivers.contains_key(*net) {
                let class = source(net);
                classes.insert(net, class);
            }
        }
    }
    let sources = classes.clone();
    for net in drivers.keys() {
        classes.insert(net, u32::MAX);
    }
    let mut count = 0;
    loop {
        let mut found: HashMap<(u32, u32, Vec<u32>), u32> = HashMap::new();
        let mut next = sources.clone();
        for (net, driver) in drivers {
            let from = driver.from.iter().map(|net| classes[net]).collect();
            let key = (classes[net], kinds[driver.kind.as_str()], from);
            // Classes of driven nets follow those of sources.
            let number = (sources.len() + found.len()) as u32;
            next.insert(net, *found.entry(key).or_insert(number));
        }
        classes = next;
        if found.len() == count {
            break;
        }
        count = found.len();
    }
    let bits = &module.ports.get("rsp_data");
    let bits = &bits.ok_or_else(|| Unlike::Missing("rsp_data".into()))?.bits;
    match bits
        .iter()
        .position(|net| classes.get(net) != classes.get(&bits[0]))
    {
        Some(different) => Err(Unlike::Different(different)),
        None => Ok(()),
    }
}

/// What nets that no cell drives are called. The address at which memories keep their promise is
/// the same everywhere.
fn names(module: &Module) -> HashMap<&Net, String> {
    let mut names = HashMap::new();
    for (name, wire) in &module.netnames {
        let last = match name.rsplit_once('.') {
            Some((_, "symbolic")) => "symbolic",
            _ => name,
        };
        for (i, net) in wire.bits.iter().enumerate() {
            names.entry(net).or_insert_with(|| format!("{last} {i}"));
        }
    }
    for (name, port) in &module.ports {
        for (i, net) in port.bits.iter().enumerate() {
            names.insert(net, format!("port {name} {i}"));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A register of two bits in front of `rsp_data`, each with what drives it: a kind of cell, and
    /// two nets. Nets 2 and 3 are the data.
    fn netlist(cells: [(&str, u32, u32); 2]) -> Netlist {
        let cell = |kind: &str, a, b, y| {
            json!({"type": kind, "parameters": {},
                "port_directions": {"A": "input", "B": "input", "Y": "output"},
                "connections": {"A": [a], "B": [b], "Y": [y]}})
        };
        let [(k0, a0, b0), (k1, a1, b1)] = cells;
        let register = json!({"type": "$dff", "parameters": {},
            "port_directions": {"D": "input", "Q": "output"},
            "connections": {"D": [4, 5], "Q": [6, 7]}});
        let top = json!({
            "ports": {"cmd_data": {"direction": "input", "bits": [2, 3]},
                "valid": {"direction": "input", "bits": [8]},
                "rsp_data": {"direction": "output", "bits": [6, 7]}},
            "cells": {"c0": cell(k0, a0, b0, 4), "c1": cell(k1, a1, b1, 5), "r": register},
            "netnames": {"cmd_data": {"bits": [2, 3]}, "valid": {"bits": [8]}}});
        serde_json::from_value(json!({"modules": {"top": top}})).unwrap()
    }

    fn result(cells: [(&str, u32, u32); 2]) -> Result<(), Unlike> {
        let inputs = [WordInput {
            wire: "cmd_data".into(),
            label: "data".into(),
            from: 0,
            low: 0,
            bits: 2,
        }];
        alike(&netlist(cells), "top", &inputs)
    }

    #[test]
    fn bits_that_are_combined_with_the_same_in_the_same_way_are_alike() {
        assert_eq!(result([("$and", 2, 8), ("$and", 3, 8)]), Ok(()));
    }

    #[test]
    fn a_bit_that_takes_part_of_another_is_dependent() {
        let output = "rsp_data[1]".into();
        let expected = Err(Unlike::Dependent { output });
        assert_eq!(result([("$and", 2, 8), ("$xor", 3, 2)]), expected);
    }

    #[test]
    fn a_bit_that_is_computed_in_another_way_is_different() {
        assert_eq!(
            result([("$and", 2, 8), ("$or", 3, 8)]),
            Err(Unlike::Different(1))
        );
    }
}
