//! A circuit as Yosys writes it in SMT-LIB (`write_smt2`): functions of a state, and how each state
//! follows from the one before.
//!
//! Only what one flattened module without properties of its own needs is understood.

use std::collections::HashMap;

/// A signal, by its position in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(pub(crate) usize);

/// A circuit.
#[derive(Debug)]
pub struct Model {
    pub(crate) signals: Vec<Definition>,
    wires: HashMap<String, Signal>,
    arrays: HashMap<String, Signal>,
}

/// What a signal is.
#[derive(Debug)]
pub(crate) struct Definition {
    /// Its sort, as SMT-LIB writes it.
    pub sort: String,
    /// Where its value comes from.
    pub source: Source,
}

/// Where the value of a signal comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Nowhere: it is an input.
    Input,
    /// The cycle before: it is a register or an array.
    Register(Term),
    /// Other signals of the same cycle.
    Wire(Term),
}

/// A term of SMT-LIB over signals.
pub(crate) type Term = Vec<Piece>;

/// A piece of a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Signal(Signal),
}

/// Why a text is not a model.
#[derive(Debug, thiserror::Error)]
#[error("Yosys's SMT-LIB has an unexpected form: {0}; this is a bug, please report it")]
pub struct ModelError(String);

fn unexpected<T>(what: impl Into<String>) -> Result<T, ModelError> {
    Err(ModelError(what.into()))
}

impl Model {
    /// Reads a model.
    ///
    /// # Errors
    /// If the text does not have the form that Yosys gives to one flat module.
    pub fn parse(text: &str) -> Result<Model, ModelError> {
        let mut model = Model {
            signals: vec![],
            wires: HashMap::new(),
            arrays: HashMap::new(),
        };
        let mut functions = HashMap::new();
        for form in forms(text)? {
            model.form(&form, &mut functions)?;
        }
        Ok(model)
    }

    /// The public wire of this name, as in `since` or `dut.clear.count0`.
    pub fn wire(&self, name: &str) -> Option<Signal> {
        self.wires.get(name).copied()
    }

    /// The names of all public wires, in alphabetical order.
    pub fn wires(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.wires.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The number of bits of a signal; `None` for an array.
    pub fn bits(&self, signal: Signal) -> Option<u32> {
        let sort = &self.signals[signal.0].sort;
        match sort.as_str() {
            "Bool" => Some(1),
            _ => sort
                .strip_prefix("(_ BitVec ")?
                .strip_suffix(')')?
                .parse()
                .ok(),
        }
    }

    /// Gives the open wire `wire` the word of `array` at the address on the wire `address`.
    ///
    /// # Errors
    /// If there are no such signals, or the wire is not open.
    pub fn peek(&mut self, wire: &str, array: &str, address: &str) -> Result<(), ModelError> {
        let found = (self.wire(wire), self.arrays.get(array), self.wire(address));
        let (Some(wire), Some(&array), Some(address)) = found else {
            return unexpected(format!("{wire}, {array} or {address} is missing"));
        };
        let Source::Wire(alias) = &self.signals[wire.0].source else {
            return unexpected("a wire is not one");
        };
        // It is the open signal itself, or as a Bool, that its only bit is set.
        let mut signals = alias.iter().filter_map(|piece| match piece {
            Piece::Signal(signal) => Some(*signal),
            Piece::Text(_) => None,
        });
        let (Some(open), None) = (signals.next(), signals.next()) else {
            return unexpected("a wire is not open");
        };
        let is_input = matches!(self.signals[open.0].source, Source::Input);
        if !is_input || self.bits(open) != self.bits(wire) {
            return unexpected("a wire is not open");
        }
        let pins = self.signals[array.0].sort.strip_prefix("(Array (_ BitVec ");
        let pins = pins.and_then(|sort| sort.split(')').next()?.parse::<u32>().ok());
        let bits = self.bits(address).unwrap_or(0);
        let Some(more) = pins.and_then(|pins| pins.checked_sub(bits)) else {
            return unexpected("an array has fewer words than addresses");
        };
        let text = |text: &str| Piece::Text(text.to_owned());
        let index = match self.signals[address.0].sort.as_str() {
            "Bool" => [text(" (ite"), Piece::Signal(address), text(" #b1 #b0)")],
            _ => [text(" "), Piece::Signal(address), text("")],
        };
        let mut word = vec![text(" (select"), Piece::Signal(array)];
        word.push(text(&format!(" ((_ zero_extend {more})")));
        word.extend(index);
        word.push(text("))"));
        if let Some(bits) = self
            .bits(open)
            .filter(|_| self.signals[open.0].sort != "Bool")
        {
            word.insert(0, text(&format!(" ((_ extract {} 0)", bits - 1)));
            word.push(text(")"));
        }
        if self.signals[open.0].sort == "Bool" {
            word.insert(0, text(" (= ((_ extract 0 0)"));
            word.push(text(") #b1)"));
        }
        self.signals[open.0].source = Source::Wire(word);
        Ok(())
    }

    /// Whether any signal is an array.
    pub fn has_arrays(&self) -> bool {
        self.signals.iter().any(|it| it.sort.starts_with("(Array"))
    }

    fn form(
        &mut self,
        form: &[&str],
        functions: &mut HashMap<String, Signal>,
    ) -> Result<(), ModelError> {
        let ["(", kind, name, rest @ .., ")"] = form else {
            return Ok(());
        };
        match *kind {
            "declare-fun" => {
                // ( |top_s| ) SORT
                let Some(close) = rest.iter().position(|it| *it == ")") else {
                    return unexpected(*name);
                };
                let sort = rest[close + 1..].join(" ");
                self.add(name, sort, Source::Input, functions);
            }
            "define-fun" if rest.contains(&"next_state") => {
                self.transition(rest, functions)?;
            }
            "define-fun" => {
                // ( ( state |top_s| ) ) SORT BODY
                let rest = &rest[6.min(rest.len())..];
                let length = length(rest)?;
                let sort = rest[..length].join(" ");
                let body = term(&rest[length..], functions);
                self.add(name, sort, Source::Wire(body), functions);
            }
            _ => {}
        }
        Ok(())
    }

    fn add(
        &mut self,
        name: &str,
        sort: String,
        source: Source,
        functions: &mut HashMap<String, Signal>,
    ) {
        let signal = Signal(self.signals.len());
        let sort = sort.replace("( ", "(").replace(" )", ")");
        self.signals.push(Definition { sort, source });
        functions.insert(name.to_owned(), signal);
        // A public wire is called |TOP_n NAME|.
        if let Some((_, wire)) = name.trim_matches('|').split_once("_n ") {
            self.wires.insert(wire.to_owned(), signal);
        } else if let Some((_, array)) = name.trim_matches('|').split_once("_m ") {
            self.arrays.insert(array.to_owned(), signal);
        }
    }

    /// The transition: a conjunction of `(= NEXT (|register| next_state))`.
    fn transition(
        &mut self,
        rest: &[&str],
        functions: &HashMap<String, Signal>,
    ) -> Result<(), ModelError> {
        let start = rest.iter().position(|it| *it == "Bool");
        let body = &rest[start.map_or(0, |at| at + 1)..];
        let mut conjuncts = match body {
            ["(", "and", inner @ .., ")"] => inner,
            ["true"] => &[],
            one => one,
        };
        while !conjuncts.is_empty() {
            let length = length(conjuncts)?;
            let (one, others) = conjuncts.split_at(length);
            conjuncts = others;
            let ["(", "=", next @ .., "(", register, "next_state", ")", ")"] = one else {
                return unexpected(one.join(" "));
            };
            let Some(&Signal(at)) = functions.get(*register) else {
                return unexpected(*register);
            };
            self.signals[at].source = Source::Register(term(next, functions));
        }
        Ok(())
    }
}

/// The number of tokens of the first expression.
fn length(tokens: &[&str]) -> Result<usize, ModelError> {
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate() {
        match *token {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Ok(i + 1);
        }
    }
    unexpected("an expression does not end")
}

/// Tokens as a term: `(|f| state)` is the signal `|f|`.
fn term(tokens: &[&str], functions: &HashMap<String, Signal>) -> Term {
    let mut pieces: Term = vec![];
    let mut text = String::new();
    let mut i = 0;
    while i < tokens.len() {
        if let ["(", name, "state", ")", ..] = &tokens[i..]
            && let Some(&signal) = functions.get(*name)
        {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Piece::Signal(signal));
            i += 4;
            continue;
        }
        text.push(' ');
        text.push_str(tokens[i]);
        i += 1;
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// The forms at the top level, as tokens. Comments are left out.
fn forms(text: &str) -> Result<Vec<Vec<&str>>, ModelError> {
    let mut forms = vec![];
    let mut form = vec![];
    let mut depth = 0usize;
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        let start = i;
        i += 1;
        match bytes[start] {
            b';' => {
                while i < bytes.len() && bytes[i] != b'\n' {
                    i += 1;
                }
                continue;
            }
            byte if byte.is_ascii_whitespace() => continue,
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'|' => {
                while i < bytes.len() && bytes[i] != b'|' {
                    i += 1;
                }
                i += 1;
            }
            _ => {
                let ends = |byte: u8| byte.is_ascii_whitespace() || b"();|".contains(&byte);
                while i < bytes.len() && !ends(bytes[i]) {
                    i += 1;
                }
            }
        }
        let Some(token) = text.get(start..i) else {
            return unexpected("a name does not end");
        };
        form.push(token);
        if depth == 0 {
            forms.push(std::mem::take(&mut form));
        }
    }
    Ok(forms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTER: &str = "; SMT-LIBv2 description generated by Yosys
(declare-sort |top_s| 0)
(declare-fun |top_is| (|top_s|) Bool)
(declare-fun |top#0| (|top_s|) Bool) ; \\up
(define-fun |top_n up| ((state |top_s|)) Bool (|top#0| state))
(declare-fun |top#1| (|top_s|) (_ BitVec 4)) ; \\count
(define-fun |top_n count| ((state |top_s|)) (_ BitVec 4) (|top#1| state))
(define-fun |top#2| ((state |top_s|)) (_ BitVec 4) (ite (|top#0| state) (bvadd (|top#1| state) \
        #b0001) (|top#1| state))) ; next
(define-fun |top_h| ((state |top_s|)) Bool (= (|top_is| state) state))
(define-fun |top_t| ((state |top_s|) (next_state |top_s|)) Bool
  (= (|top#2| state) (|top#1| next_state)) ; $procdff$1 \\count
) ; end of module top
; yosys-smt2-topmod top
";

    #[test]
    fn registers_have_their_next_value_and_wires_their_names() {
        let model = Model::parse(COUNTER).unwrap();
        let count = model.wire("count").unwrap();
        assert_eq!(model.wires(), ["count", "up"]);
        assert_eq!(model.bits(count), Some(4));
        let Source::Wire(alias) = &model.signals[count.0].source else {
            panic!("{model:?}")
        };
        let [Piece::Signal(register)] = alias[..] else {
            panic!("{alias:?}")
        };
        let Source::Register(next) = &model.signals[register.0].source else {
            panic!("{model:?}")
        };
        assert!(matches!(next[..], [Piece::Signal(_)]), "{next:?}");
        assert!(!model.has_arrays());
    }

    #[test]
    fn a_wire_that_is_not_open_is_not_connected() {
        let mut model = Model::parse(COUNTER).unwrap();
        assert!(model.peek("count", "memory", "up").is_err());
    }

    #[test]
    fn a_transition_of_another_form_is_refused() {
        let text = COUNTER.replace("(|top#1| next_state)", "((_ extract 3 0) next_state)");
        assert!(Model::parse(&text).is_err());
    }
}
