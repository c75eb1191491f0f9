//! A failure from a reset: as commands, as a waveform, and as a case for `atomik sim replay`.

use crate::design::Design;
use crate::error::ProveError;
use crate::model::{Model, Signal};
use crate::unroll::name;
use atomik_hdl::Config;
use atomik_sim::case::Case;
use atomik_sim::dut::Dut;
use atomik_sim::reduce::shrink_to_case;
use atomik_sim::stimulus::{Cycle, Offer};
use atomik_sim::verilate::{Builder, Lint};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A failure from a reset.
#[derive(Clone, Debug, Serialize)]
pub struct Counterexample {
    /// The checks that fail in it.
    pub failing: Vec<String>,
    /// The cycle in which the first fails; the reset is in cycle 0.
    pub cycle: u32,
    /// What the simulator makes of it: a short case, if the failure is on the ports.
    pub case: Option<Case>,
    /// The wires, each with a value per cycle in binary.
    #[serde(skip)]
    wires: Vec<Wire>,
}

/// A wire and its value in every cycle, in binary.
#[derive(Clone, Debug)]
struct Wire {
    name: String,
    bits: u32,
    values: Vec<String>,
}

impl Counterexample {
    /// The counterexample in the values that a solver gave to `wires`, up to the cycle in which the
    /// first check fails.
    pub(crate) fn new(
        model: &Model,
        wires: &[(String, Signal)],
        horizon: u32,
        values: &HashMap<String, String>,
    ) -> Counterexample {
        let value = |signal: Signal, cycle: u32| {
            let found = values.get(&name((signal, cycle)));
            found.cloned().unwrap_or_else(|| "0".into())
        };
        let checks = || {
            let kinds = ["check_", "invariant_"];
            wires.iter().filter_map(move |(name, signal)| {
                let short = kinds.iter().find_map(|kind| name.strip_prefix(kind))?;
                Some((short, *signal))
            })
        };
        let fails = |cycle: u32| {
            let failing = checks().filter(|(_, signal)| value(*signal, cycle) == "0");
            failing.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        };
        let cycle = (1..=horizon).find(|&cycle| !fails(cycle).is_empty());
        let cycle = cycle.unwrap_or(horizon);
        Counterexample {
            failing: fails(cycle),
            cycle,
            case: None,
            wires: wires
                .iter()
                .map(|(name, signal)| Wire {
                    name: name.clone(),
                    bits: model.bits(*signal).unwrap_or(1),
                    values: (0..=cycle).map(|cycle| value(*signal, cycle)).collect(),
                })
                .collect(),
        }
    }

    /// The counterexample with these values of inputs, in binary, for every cycle from the reset to
    /// the one in which `failing` fails.
    pub(crate) fn of_inputs(
        failing: &str,
        inputs: &BTreeMap<String, Vec<String>>,
    ) -> Counterexample {
        let cycles = inputs.values().map(Vec::len).max().unwrap_or(0);
        Counterexample {
            failing: vec![failing.to_owned()],
            cycle: cycles.saturating_sub(1) as u32,
            case: None,
            wires: inputs
                .iter()
                .map(|(name, values)| Wire {
                    name: name.clone(),
                    bits: values.first().map_or(1, |value| value.len() as u32),
                    values: values.clone(),
                })
                .collect(),
        }
    }

    /// The inputs of every cycle.
    pub fn cycles(&self, config: &Config) -> Vec<Cycle> {
        let bits = |name: &str, cycle: usize| {
            let wire = self.wires.iter().find(|wire| wire.name == name);
            let value = wire.and_then(|wire| wire.values.get(cycle));
            value.map_or("0", String::as_str)
        };
        let (a, w) = (config.address_bits(), config.width());
        (0..=self.cycle as usize)
            .map(|cycle| Cycle {
                reset: bits("rst", cycle) == "1",
                offers: (0..config.lanes())
                    .filter(|&lane| part(bits("cmd_valid", cycle), lane, 1) == [1])
                    .map(|lane| Offer {
                        lane,
                        op: match lane {
                            0 => part(bits("cmd_op", cycle), 0, 3)[0] as u8,
                            _ => 2,
                        },
                        addr: match a {
                            0 => 0,
                            _ => part(bits("cmd_addr", cycle), lane * a, a)[0] as usize,
                        },
                        data: part(bits("cmd_data", cycle), lane * w, w),
                    })
                    .collect(),
            })
            .collect()
    }

    /// Plays the counterexample in simulation and shrinks it to a case. There is none if the ports
    /// are as they should be in simulation.
    ///
    /// # Errors
    /// When the model cannot be built or fails.
    pub fn simulate(&mut self, design: &Design, builder: &Builder) -> Result<(), ProveError> {
        let verilog = design.simulation_verilog();
        let dut = Dut::build_verilog(builder, design.config, verilog, Lint::Allow)?;
        let found = format!("{}/proof/{}", design.config.label(), self.failing.join(","));
        self.case = shrink_to_case(&dut, 1, &self.cycles(&design.config), found)?;
        Ok(())
    }

    /// Writes the wires of the properties as a waveform, with a nanosecond for a cycle.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_waves(&self, path: &Path) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        let mut waves = vcd::Writer::new(&mut out);
        waves.timescale(1, vcd::TimescaleUnit::NS)?;
        waves.add_module("properties")?;
        let mut ids = vec![];
        for wire in &self.wires {
            ids.push(waves.add_wire(wire.bits, &wire.name)?);
        }
        waves.upscope()?;
        waves.enddefinitions()?;
        for cycle in 0..=self.cycle as usize {
            waves.timestamp(cycle as u64)?;
            for (wire, &id) in self.wires.iter().zip(&ids) {
                let bits = wire.values.get(cycle).map_or("", String::as_str);
                let values: Vec<vcd::Value> = bits
                    .chars()
                    .map(|bit| vcd::Value::from(bit == '1'))
                    .collect();
                match values[..] {
                    [value] => waves.change_scalar(id, value)?,
                    _ => waves.change_vector(id, &values)?,
                }
            }
        }
        waves.timestamp(u64::from(self.cycle) + 1)?;
        out.flush()
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} cycles after a reset: {}",
            self.cycle,
            self.failing.join(", ")
        )?;
        match &self.case {
            Some(case) => write!(f, "{case}"),
            None => writeln!(f, "  not seen on the ports in simulation"),
        }
    }
}

/// `bits` bits of a number in binary, from bit `low` up, as limbs.
fn part(binary: &str, low: u32, bits: u32) -> Vec<u64> {
    let mut limbs = vec![0; bits.div_ceil(64) as usize];
    let digits = binary.bytes().rev().skip(low as usize).take(bits as usize);
    for (i, digit) in digits.enumerate() {
        limbs[i / 64] |= u64::from(digit == b'1') << (i % 64);
    }
    limbs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_number_is_read_as_limbs() {
        assert_eq!(part("10110", 1, 3), [0b011]);
        let wide = format!("1{}", "0".repeat(69));
        assert_eq!(part(&wide, 0, 70), [0, 1 << 5]);
        assert_eq!(part("1", 0, 1), [1]);
    }
}
