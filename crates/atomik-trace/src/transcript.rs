//! Transcripts: what a run did, as a theorem that a prover checks by computing.
//!
//! The theorem says that in the machine of `proofs/`, the cycles of a trace have exactly the
//! responses that the software model or the hardware gave. Transcripts are for small register
//! files and traces of some dozens of commands: the provers count addresses in unary.

use std::io::{self, Write};
use std::iter;

use atomik_algebra::{FieldKind, Op};

use crate::command::{Command, Data, Response};
use crate::error::Error;
use crate::geometry::Geometry;
use crate::trace::Trace;

/// A trace and the responses to it.
#[derive(Debug, Clone)]
pub struct Transcript {
    geometry: Geometry,
    lines: Vec<Line>,
}

/// A cycle: what the lanes were given, and the response to lane 0.
#[derive(Debug, Clone, Default)]
struct Line {
    first: Option<Command>,
    others: Vec<Command>,
    response: Option<Response>,
}

/// A prover whose language a transcript can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prover {
    /// Lean 4, for `proofs/lean`.
    Lean,
    /// Rocq, also called Coq, for `proofs/rocq`.
    Rocq,
}

impl Transcript {
    /// A transcript that `trace` has these responses, by ascending cycle.
    ///
    /// A response that belongs to no command becomes a line of its own, so that the theorem is
    /// false.
    ///
    /// # Errors
    /// [`Error`] when the trace cannot be read.
    pub fn new(
        trace: &mut Trace,
        responses: impl IntoIterator<Item = Response>,
    ) -> Result<Self, Error> {
        let mut responses = responses.into_iter().peekable();
        let mut lines = Vec::new();
        let geometry = trace.geometry();
        let mut cycles = trace.cycles()?;
        while let Some(commands) = cycles.next_cycle()? {
            let Some(cycle) = commands.first().map(|command| command.cycle) else {
                continue;
            };
            let (first, others) = commands.iter().partition(|command| command.lane == 0);
            let first: Vec<Command> = first;
            lines.push(Line {
                first: first.first().copied(),
                others,
                response: responses.next_if(|response| response.cycle == cycle),
            });
        }
        lines.extend(responses.map(|response| Line {
            response: Some(response),
            ..Line::default()
        }));
        Ok(Self { geometry, lines })
    }

    /// Writes the transcript as a file for `prover` with the theorem `holds`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, prover: Prover, out: &mut impl Write) -> io::Result<()> {
        match prover {
            Prover::Lean => self.write_lean(out),
            Prover::Rocq => self.write_rocq(out),
        }
    }

    fn write_lean(&self, out: &mut impl Write) -> io::Result<()> {
        // A list nests as deep as it is long.
        let depth = 10_000 + 200 * self.lines.len();
        write!(
            out,
            "prelude\nimport Atomik.Transcript\nset_option autoImplicit false\n\
             set_option maxRecDepth {depth}\n\nnoncomputable section\nopen Hex Transcript\n\n"
        )?;
        let largest = self.geometry.depth().max(self.geometry.width() as usize);
        writeln!(out, "def n0 : Number := .zero")?;
        for number in 1..=largest {
            writeln!(out, "def n{number} : Number := .succ n{}", number - 1)?;
        }
        write!(out, "\ndef layout : Layout :=")?;
        for field in self.geometry.layout().fields() {
            let kind = match field.kind {
                FieldKind::Xor => "xor",
                FieldKind::Add => "add",
            };
            write!(out, " .cons (.{kind} n{}) (", field.bits)?;
        }
        let fields = self.geometry.layout().fields().count();
        writeln!(out, ".nil{}", ")".repeat(fields))?;
        writeln!(out, "\ndef lines : List (Line layout) :=")?;
        for line in &self.lines {
            writeln!(out, "  .cons ({}) (", self.lean_line(line))?;
        }
        writeln!(out, "  .nil{}", ")".repeat(self.lines.len()))?;
        let depth = self.geometry.depth();
        writeln!(
            out,
            "\ntheorem holds : Holds layout n{depth} lines := Eq.refl _"
        )
    }

    fn lean_line(&self, line: &Line) -> String {
        let first = line.first.map_or(".none".into(), |command| {
            let Command { addr, op, data, .. } = command;
            format!("(op n{addr} .{op} {})", self.lean_digits(&data))
        });
        let others: String = line
            .others
            .iter()
            .map(|Command { addr, data, .. }| {
                format!(".cons (delta n{addr} {}) (", self.lean_digits(data))
            })
            .chain(iter::once(".nil".into()))
            .chain(iter::repeat_n(")".into(), line.others.len()))
            .collect();
        let response = line.response.map_or(".none".into(), |response| {
            let Response { data, clean, .. } = response;
            format!("(returns {} .{clean})", self.lean_digits(&data))
        });
        format!("line {first} ({others}) {response}")
    }

    /// The hex digits, the lowest first, without zeros above the highest other digit.
    fn lean_digits(&self, data: &Data) -> String {
        let digits = data.bits().div_ceil(4);
        if digits == 0 {
            return "o".into();
        }
        let mut text = String::new();
        for digit in 0..digits {
            let limb = data.limbs(self.geometry.width())[digit as usize / 16];
            text += &format!("(x{:x} ", limb >> (digit % 16 * 4) & 0xf);
        }
        text.pop();
        text + " o" + &")".repeat(digits as usize)
    }

    fn write_rocq(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "From Coq Require Import List NArith.")?;
        writeln!(out, "From Atomik Require Import Group Machine.")?;
        writeln!(
            out,
            "Import ListNotations.\n\nDefinition fields : layout := ["
        )?;
        let layout = self.geometry.layout();
        let fields = layout.fields().map(|field| {
            let kind = match field.kind {
                FieldKind::Xor => "Xor",
                FieldKind::Add => "Add",
            };
            format!("({kind}, {}%N)", field.bits)
        });
        writeln!(out, "  {}].", fields.collect::<Vec<_>>().join("; "))?;
        writeln!(
            out,
            "Definition w (value : N) : words fields := unpack fields value."
        )?;
        writeln!(out, "Definition cycles : list (cycle (words fields)) := [")?;
        let cycles = self.lines.iter().map(|line| self.rocq_cycle(line));
        writeln!(out, "  {}].", cycles.collect::<Vec<_>>().join(";\n  "))?;
        writeln!(out, "Definition responses : list (option (N * bool)) := [")?;
        let responses = self.lines.iter().map(|line| {
            line.response.map_or("None".into(), |response| {
                format!("Some ({}%N, {})", response.data, response.clean)
            })
        });
        writeln!(out, "  {}].", responses.collect::<Vec<_>>().join(";\n  "))?;
        writeln!(
            out,
            "Theorem holds :\n  map (option_map (fun r => (pack fields (fst r), snd r)))\n    \
             (run (@empty (words fields)) cycles) = responses.\n\
             Proof. vm_compute. reflexivity. Qed."
        )
    }

    fn rocq_cycle(&self, line: &Line) -> String {
        let first = line.first.map_or("None".into(), |command| {
            let Command { addr, op, data, .. } = command;
            let name = match op {
                Op::Nop => "Nop",
                Op::Load => "Load",
                Op::Accum => "Accum",
                Op::Read => "Read",
                Op::Swap => "Swap",
                Op::Delta => "Delta",
                Op::Drain => "Drain",
            };
            match op.takes_data() {
                true => format!("(Some ({addr}%nat, {name} (w {data}%N)))"),
                false => format!("(Some ({addr}%nat, {name}))"),
            }
        });
        let lanes = (1..self.geometry.lanes()).map(|lane| {
            let command = line.others.iter().find(|command| command.lane == lane);
            command.map_or("None".into(), |Command { addr, data, .. }| {
                format!("Some ({addr}%nat, w {data}%N)")
            })
        });
        format!("Cycle {first} [{}]", lanes.collect::<Vec<_>>().join("; "))
    }
}
