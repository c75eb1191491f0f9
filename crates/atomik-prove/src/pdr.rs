//! Proofs by property-directed reachability (PDR, also called IC3) in ABC.
//!
//! ABC reads a circuit as AIGER, in which an output is high in a cycle in which something fails, or
//! is reached. It finds invariants of its own that show that an output is never high, or a sequence
//! of inputs after which it is.

use crate::counterexample::Counterexample;
use crate::report::{Check, Kind, Outcome};
use crate::solver::{Ran, SolverError, run};
use atomik_tools::Tool;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A circuit: AIGER in `FOLDER/NAME.aig`, and what Yosys calls its inputs and outputs.
pub(crate) struct Circuit<'a> {
    pub folder: &'a Path,
    pub name: &'a str,
    /// What it is about, for reports.
    pub part: &'a str,
    /// The text of `NAME.map`.
    pub map: &'a str,
}

/// What ABC found.
pub(crate) struct Found {
    pub checks: Vec<Check>,
    pub counterexample: Option<Counterexample>,
}

/// What ABC printed of its search.
#[derive(Debug, Default, PartialEq, Eq)]
struct Search {
    /// The outputs that can be high, each with the cycle in which it first is.
    high: BTreeMap<usize, u32>,
    /// The number of outputs that are never high.
    never: usize,
    /// The frame whose clauses are the invariant.
    frame: u32,
}

/// Decides every output of a circuit, in `limit` at most.
pub(crate) fn decide(
    tool: &Tool,
    circuit: &Circuit<'_>,
    limit: Duration,
) -> Result<Found, SolverError> {
    let outputs = circuit.outputs();
    let start = Instant::now();
    // Registers that are always equal are merged first, which halves the time.
    let commands = format!(
        "read_aiger {}.aig; scorr; pdr -a -T {}",
        circuit.name,
        limit.as_secs()
    );
    // ABC ends by itself at its limit, but looks at the clock only now and then.
    let (ran, printed) = circuit.abc(tool, "pdr", &commands, limit * 2)?;
    let seconds = start.elapsed().as_secs_f64();
    let search = Search::parse(&printed, outputs.len());
    let search = match (search, ran) {
        (Some(search), _) => search,
        (None, Ran::Late) => Search::default(),
        (None, Ran::Ended) => return Err(circuit.refused(&printed)),
    };
    let all = search.never + search.high.len() == outputs.len();
    let mut checks = vec![];
    for (at, output) in outputs.iter().enumerate() {
        let (kind, name) = kind_and_name(output).ok_or_else(|| circuit.refused(circuit.map))?;
        let high = search.high.get(&at).copied();
        checks.push(Check {
            part: circuit.part.to_owned(),
            name: name.to_owned(),
            kind,
            depth: high.unwrap_or(search.frame),
            outcome: match (kind, high) {
                (Kind::Cover, Some(_)) => Outcome::Reached,
                (_, Some(_)) => Outcome::Fails,
                (_, None) if !all => Outcome::Late,
                (Kind::Cover, None) => Outcome::Unreachable,
                (_, None) => Outcome::Proved,
            },
            seconds,
            reason: None,
        });
    }
    let failing = checks.iter().enumerate();
    let failing = failing.filter(|(_, check)| check.outcome == Outcome::Fails);
    let first = failing.min_by_key(|(_, check)| check.depth);
    let counterexample = first
        .map(|(at, check)| circuit.inputs_before(tool, at, &check.name, limit))
        .transpose()?;
    Ok(Found {
        checks,
        counterexample,
    })
}

/// What the name of an output says.
fn kind_and_name(output: &str) -> Option<(Kind, &str)> {
    let check = output
        .strip_prefix("fails_")
        .map(|name| (Kind::Check, name));
    check.or_else(|| Some((Kind::Cover, output.strip_prefix("reached_")?)))
}

impl Circuit<'_> {
    /// The names of the outputs, in their order.
    fn outputs(&self) -> Vec<&str> {
        let named: BTreeMap<usize, &str> = self
            .ports("output")
            .map(|(at, _, name)| (at, name))
            .collect();
        named.into_values().collect()
    }

    /// Number, bit and name of each input or output that has a name.
    fn ports(&self, kind: &str) -> impl Iterator<Item = (usize, usize, &str)> {
        self.map.lines().filter_map(move |line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [first, at, bit, name] if first == kind => {
                    Some((at.parse().ok()?, bit.parse().ok()?, name))
                }
                _ => None,
            }
        })
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}-{kind}.out", self.name))
    }

    fn refused(&self, output: &str) -> SolverError {
        SolverError::Refused {
            solver: "ABC",
            question: self.folder.join(format!("{}.aig", self.name)),
            output: output.chars().take(400).collect(),
        }
    }

    /// Has ABC run commands; what it prints is also written to a file.
    fn abc(
        &self,
        tool: &Tool,
        kind: &str,
        commands: &str,
        limit: Duration,
    ) -> Result<(Ran, String), SolverError> {
        let mut command = tool.command();
        command
            .current_dir(self.folder)
            .args(["-s", "-q", commands]);
        run(tool, command, &self.file(kind), limit)
    }

    /// Inputs from the first cycle to one in which output `at` is high.
    fn inputs_before(
        &self,
        tool: &Tool,
        at: usize,
        failing: &str,
        limit: Duration,
    ) -> Result<Counterexample, SolverError> {
        let file = format!("{}-inputs", self.name);
        // There is none yet, unless this is not the first proof in the folder.
        let _ = fs::remove_file(self.folder.join(&file));
        let commands = format!(
            "read_aiger {}.aig; cone -s -O {at}; bmc3; write_cex -a {file}",
            self.name
        );
        let (_, printed) = self.abc(tool, "bmc", &commands, limit)?;
        let text = fs::read_to_string(self.folder.join(file));
        let text = text.map_err(|_| self.refused(&printed))?;
        Ok(Counterexample::of_inputs(failing, &self.inputs(&text)))
    }

    /// The inputs of each cycle in the text of a counterexample: the initial state in the first
    /// line, then a line per cycle, each a digit per input. The names, and each value in binary.
    fn inputs(&self, text: &str) -> BTreeMap<String, Vec<String>> {
        let cycles: Vec<&str> = text
            .lines()
            .skip(1)
            .filter(|line| !line.is_empty())
            .collect();
        let mut bits: BTreeMap<&str, BTreeMap<usize, usize>> = BTreeMap::new();
        for (at, bit, name) in self.ports("input") {
            bits.entry(name).or_default().insert(bit, at);
        }
        let value = |cycle: &str, bits: &BTreeMap<usize, usize>| {
            let digit = |at: &usize| cycle.chars().nth(*at).unwrap_or('0');
            bits.values().rev().map(digit).collect::<String>()
        };
        let values = |bits| cycles.iter().map(|cycle| value(cycle, bits)).collect();
        bits.iter()
            .map(|(name, bits)| ((*name).to_owned(), values(bits)))
            .collect()
    }
}

impl Search {
    /// Reads what `pdr -a` printed about `outputs` outputs.
    fn parse(text: &str, outputs: usize) -> Option<Search> {
        let mut search = Search::default();
        let mut counted = None;
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["Output", at, "was", "asserted", "in", "frame", cycle, ..] => {
                    search.high.insert(at.parse().ok()?, cycle.parse().ok()?);
                }
                ["Invariant", frame, ..] => {
                    let frame = frame.strip_prefix("F[")?.strip_suffix(']')?;
                    search.frame = frame.parse().ok()?;
                }
                [
                    "Properties:",
                    "All",
                    "=",
                    all,
                    "Proved",
                    "=",
                    proved,
                    "Disproved",
                    "=",
                    high,
                    ..,
                ] => {
                    let number = |word: &str| word.trim_end_matches('.').parse::<usize>().ok();
                    counted = Some((number(all)?, number(proved)?, number(high)?));
                }
                _ => {}
            }
        }
        let (all, never, high) = counted?;
        search.never = never;
        (all == outputs && high == search.high.len()).then_some(search)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "Output  2 was asserted in frame 37 (37) (solved  1 out of 3 outputs).
Invariant F[50] : 910 clauses with 91 flops (out of 108) (cex = 0, ave = 14.46)
Verification of invariant with 910 clauses was successful.  Time =     0.01 sec
Properties:  All = 3. Proved = 2. Disproved = 1. Undecided = 0.   Time =     5.07 sec
";

    #[test]
    fn what_abc_prints_is_read_and_must_be_about_every_output() {
        let found = Search::parse(PRINTED, 3).unwrap();
        assert_eq!((found.never, found.frame), (2, 50));
        assert_eq!(found.high, BTreeMap::from([(2, 37)]));
        assert_eq!(Search::parse(PRINTED, 4), None);
        let lost = PRINTED.replace("Output", "An output");
        assert_eq!(Search::parse(&lost, 3), None);
        assert_eq!(Search::parse("", 3), None);
    }

    #[test]
    fn inputs_are_read_bit_by_bit_under_their_names() {
        let map = "input 2 0 rst\ninput 1 1 op\ninput 0 0 op\noutput 0 0 fails_a\ninit 3 0 x\n";
        let circuit = Circuit {
            folder: Path::new("."),
            name: "x",
            part: "x",
            map,
        };
        assert_eq!(circuit.outputs(), ["fails_a"]);
        let inputs = circuit.inputs("0000\n0110\n1000\n");
        assert_eq!(inputs["op"], ["10", "01"]);
        assert_eq!(inputs["rst"], ["1", "0"]);
    }
}
