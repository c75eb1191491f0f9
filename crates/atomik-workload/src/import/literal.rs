//! Object literals of JavaScript, as far as packed data uses them: what `module.exports=` is
//! followed by.

use std::iter::Peekable;
use std::str::CharIndices;

/// Nested deeper than this, it is no data.
const MAX_DEPTH: usize = 32;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    /// `null` or `undefined`.
    Nothing,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Literal>),
    /// Members in the order in which they are written.
    Object(Vec<(String, Literal)>),
}

impl Literal {
    /// Reads a module that exports a literal and does nothing else.
    ///
    /// # Errors
    ///
    /// What is wrong, and at which byte.
    pub(super) fn of_module(text: &str) -> Result<Self, String> {
        let mut parser = Parser {
            text,
            rest: text.char_indices().peekable(),
        };
        for part in ["module", ".", "exports", "="] {
            parser.space();
            for wanted in part.chars() {
                parser.expect(wanted)?;
            }
        }
        let value = parser.value(0)?;
        parser.space();
        if parser.peek() == Some(';') {
            parser.rest.next();
            parser.space();
        }
        match parser.peek() {
            None => Ok(value),
            Some(_) => Err(parser.wrong("the end")),
        }
    }

    /// A member of an object.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        self.members()
            .iter()
            .find(|(member, _)| member == name)
            .map(|(_, value)| value)
    }

    /// The members; none if it is no object.
    pub(super) fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements, if it is a list.
    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(values) => Some(values),
            _ => None,
        }
    }

    /// The number, if it is a whole one that is exact.
    pub(super) fn whole(&self) -> Option<i64> {
        match self {
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                Some(*number as i64)
            }
            _ => None,
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest.peek().map(|(_, char)| *char)
    }

    fn at(&mut self) -> usize {
        self.rest.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.rest.next();
        }
    }

    fn wrong(&mut self, wanted: &str) -> String {
        let found = self
            .peek()
            .map_or_else(|| "the end".to_owned(), |char| format!("{char:?}"));
        format!("byte {}: {wanted} should be here, not {found}", self.at())
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.peek() == Some(wanted) {
            self.rest.next();
            Ok(())
        } else {
            Err(self.wrong(&format!("{wanted:?}")))
        }
    }

    /// Letters, digits, and what else a name or a number may hold.
    fn word(&mut self) -> &str {
        let start = self.at();
        while self
            .peek()
            .is_some_and(|char| char.is_alphanumeric() || "_$.+-".contains(char))
        {
            self.rest.next();
        }
        let end = self.at();
        &self.text[start..end]
    }

    fn value(&mut self, depth: usize) -> Result<Literal, String> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("something less nested"));
        }
        self.space();
        match self.peek() {
            Some('{') => {
                let mut members: Vec<(String, Literal)> = Vec::new();
                self.elements('}', |parser| {
                    let name = match parser.peek() {
                        Some('"' | '\'') => parser.string()?,
                        _ => parser.word().to_owned(),
                    };
                    if name.is_empty() {
                        return Err(parser.wrong("the name of a member"));
                    }
                    parser.space();
                    parser.expect(':')?;
                    members.push((name, parser.value(depth + 1)?));
                    Ok(())
                })?;
                Ok(Literal::Object(members))
            }
            Some('[') => {
                let mut values = Vec::new();
                self.elements(']', |parser| {
                    values.push(parser.value(depth + 1)?);
                    Ok(())
                })?;
                Ok(Literal::List(values))
            }
            Some('"' | '\'') => Ok(Literal::Text(self.string()?)),
            _ => match self.word() {
                "true" => Ok(Literal::Bool(true)),
                "false" => Ok(Literal::Bool(false)),
                "null" | "undefined" => Ok(Literal::Nothing),
                word => match word.parse() {
                    Ok(number) if !word.starts_with(char::is_alphabetic) => {
                        Ok(Literal::Number(number))
                    }
                    _ => {
                        let word = word.to_owned();
                        Err(format!("{} (after {word:?})", self.wrong("a value")))
                    }
                },
            },
        }
    }

    /// What stands between brackets, separated by commas.
    fn elements(
        &mut self,
        end: char,
        mut element: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.rest.next();
        loop {
            self.space();
            if self.peek() == Some(end) {
                self.rest.next();
                return Ok(());
            }
            element(self)?;
            self.space();
            if self.peek() != Some(end) {
                self.expect(',')?;
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = self.rest.next().map(|(_, char)| char);
        let mut text = String::new();
        loop {
            match self.rest.next().map(|(_, char)| char) {
                None | Some('\n') => return Err(self.wrong("the end of a string")),
                char if char == quote => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(char) => text.push(char),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let digits = match self.rest.next().map(|(_, char)| char) {
            Some('n') => return Ok('\n'),
            Some('t') => return Ok('\t'),
            Some('r') => return Ok('\r'),
            Some('x') => 2,
            Some('u') => 4,
            Some(char) if !char.is_alphanumeric() => return Ok(char),
            _ => return Err(self.wrong("a known escape")),
        };
        let mut code = 0;
        for _ in 0..digits {
            let digit = self.peek().and_then(|char| char.to_digit(16));
            let Some(digit) = digit else {
                return Err(self.wrong("a hexadecimal digit"));
            };
            self.rest.next();
            code = code * 16 + digit;
        }
        // Half of a surrogate pair is no character; names and versions have none.
        char::from_u32(code).ok_or_else(|| self.wrong("a character"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn literal_keeps_order_quotes_and_escapes() {
        let value = Literal::of_module(
            r#"module.exports={b:"x\"\u0041\x42",A:[1,-2.5,null,undefined,true,],"3":{'c d':'"'}};"#,
        )
        .unwrap();
        let names: Vec<_> = value
            .members()
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["b", "A", "3"]);
        assert_eq!(value.member("b").unwrap().text(), Some("x\"AB"));
        assert_eq!(value.member("A").unwrap().list().unwrap().len(), 5);
        let inner = value.member("3").unwrap();
        assert_eq!(inner.member("c d").unwrap().text(), Some("\""));
    }

    #[test]
    fn literal_refuses_what_is_not_one() {
        for text in [
            "",
            "module.exports=",
            "module.exports={A:1",
            "module.exports={A:1} x",
            "module.exports={A:f()}",
            "module.exports={A 1}",
            "module.exports={A:\"x}",
            "module.exports={A:\"\\ud800\"}",
            "module.exports={A:inf}",
            "exports={}",
        ] {
            assert!(Literal::of_module(text).is_err(), "{text}");
        }
        let deep = format!(
            "module.exports={}{}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert!(Literal::of_module(&deep).is_err());
    }

    proptest! {
        #[test]
        fn literal_never_panics(text in r#"module\.exports=[\[\]{}:,"'\\xu0-9A-Za-z ;é]{0,60}"#) {
            let _ = Literal::of_module(&text);
        }
    }
}
