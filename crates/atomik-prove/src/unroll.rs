//! Questions to a solver about the cycles of a model.
//!
//! A register's value in a cycle is its definition in terms of the cycle before, so that only
//! inputs, and registers in the first cycle, are variables. Only what a question needs is written.

use crate::model::{Model, Piece, Signal, Source, Term};
use std::collections::HashSet;
use std::fmt::Write;

/// A signal in a cycle, counted from the first that a question is about.
pub(crate) type At = (Signal, u32);

/// A question: whether there are values for which all that was asserted is true.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    model: &'a Model,
    text: String,
    defined: HashSet<At>,
}

/// The name of a signal in a cycle.
pub(crate) fn name((signal, cycle): At) -> String {
    format!("n{}_{cycle}", signal.0)
}

impl<'a> Question<'a> {
    pub fn new(model: &'a Model) -> Question<'a> {
        let logic = if model.has_arrays() {
            "QF_ABV"
        } else {
            "QF_BV"
        };
        Question {
            model,
            text: format!("(set-option :produce-models true)\n(set-logic {logic})\n"),
            defined: HashSet::new(),
        }
    }

    /// Asserts that the signal is true in the cycle.
    pub fn assert(&mut self, at: At) {
        let term = self.truth(at);
        let _ = writeln!(self.text, "(assert {term})");
    }

    /// Asserts that one of the signals is false, or true, as it says.
    pub fn assert_any(&mut self, any: &[(At, bool)]) {
        let terms: Vec<String> = any
            .iter()
            .map(|&(at, value)| match self.truth(at) {
                term if value => term,
                term => format!("(not {term})"),
            })
            .collect();
        let _ = writeln!(self.text, "(assert (or false {}))", terms.join(" "));
    }

    /// The question's text, which also asks for the values of `wanted`.
    pub fn ask(mut self, wanted: &[At]) -> String {
        for &at in wanted {
            self.define(at);
        }
        self.text.push_str("(check-sat)\n");
        if !wanted.is_empty() {
            let names: Vec<String> = wanted.iter().map(|&at| name(at)).collect();
            let _ = writeln!(self.text, "(get-value ({}))", names.join(" "));
        }
        self.text
    }

    /// A Boolean term that is true if the signal, of one bit, is.
    fn truth(&mut self, at: At) -> String {
        self.define(at);
        match self.model.signals[at.0.0].sort.as_str() {
            "Bool" => name(at),
            _ => format!("(= {} #b1)", name(at)),
        }
    }

    /// Writes the definitions that a signal needs.
    fn define(&mut self, at: At) {
        let mut waiting = vec![at];
        while let Some(&at) = waiting.last() {
            if self.defined.contains(&at) {
                waiting.pop();
                continue;
            }
            let (signal, cycle) = at;
            let source = &self.model.signals[signal.0].source;
            let (term, of) = match source {
                Source::Wire(term) => (Some(term), cycle),
                Source::Register(term) if cycle > 0 => (Some(term), cycle - 1),
                Source::Register(_) | Source::Input => (None, cycle),
            };
            let before = waiting.len();
            for piece in term.into_iter().flatten() {
                if let Piece::Signal(signal) = piece
                    && !self.defined.contains(&(*signal, of))
                {
                    waiting.push((*signal, of));
                }
            }
            if waiting.len() == before {
                waiting.pop();
                self.defined.insert(at);
                self.write(at, term, of);
            }
        }
    }

    fn write(&mut self, at: At, term: Option<&Term>, of: u32) {
        let sort = &self.model.signals[at.0.0].sort;
        let Some(term) = term else {
            let _ = writeln!(self.text, "(declare-fun {} () {sort})", name(at));
            return;
        };
        let _ = write!(self.text, "(define-fun {} () {sort}", name(at));
        for piece in term {
            match piece {
                Piece::Text(text) => self.text.push_str(text),
                Piece::Signal(signal) => {
                    let _ = write!(self.text, " {}", name((*signal, of)));
                }
            }
        }
        self.text.push_str(")\n");
    }
}
