//! JSON values that keep the text of their numbers: 3.540 and integers of any size are exact.

use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Levels of arrays and objects in each other, at most.
const MAX_DEPTH: u32 = 128;

const ONE_PER_LINE: &str = "write one JSON value per line";

/// What makes JSON lines of an array.
const UNPACK: &str = "`jq -c '.[]'`";

const DELIMITED: &str = "`atomik eval import csv` takes delimited values";

/// What to do about a text that should be delimited values and starts as JSON does.
pub(crate) fn advice_if_json(head: &[u8]) -> Option<String> {
    let head = head.trim_ascii_start();
    let (first, rest) = head.split_first()?;
    let second = rest.trim_ascii_start().first();
    match (first, second) {
        (b'[', Some(b'{' | b'[') | None) => Some(format!(
            "is a JSON array: make JSON lines of it, for example with {UNPACK}, and import those \
             with `atomik eval import jsonl`"
        )),
        (b'{', Some(b'"') | None) => Some(
            "is JSON: import it with `atomik eval import jsonl`, which takes one object per line"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Reads with serde, and drops the position: serde_json counts lines within what it was given.
fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| {
        let place = format!(" at line {} column {}", error.line(), error.column());
        error.to_string().replace(&place, "")
    })
}

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// The text of a number.
    Number(String),
    Text(String),
    Array(Vec<Json>),
    /// Members in their order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one value.
    ///
    /// # Errors
    ///
    /// What is no JSON, is nested too deeply, or a member that an object has twice.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::nested(text, MAX_DEPTH)
    }

    /// Reads the value that is alone on a line.
    ///
    /// # Errors
    ///
    /// As [`Json::parse`], and an array of objects; each with what to do about the file.
    pub fn line(text: &str) -> Result<Self, String> {
        let objects = |elements: &[Self]| {
            let object = |element: &Self| matches!(element, Self::Object(_));
            !elements.is_empty() && elements.iter().all(object)
        };
        match Self::parse(text) {
            Ok(Self::Array(elements)) if objects(&elements) => Err(format!(
                "an array of objects: {ONE_PER_LINE}, for example with {UNPACK}"
            )),
            Ok(json) => Ok(json),
            Err(reason) => Err(match text.as_bytes().first() {
                Some(b'[') => format!("{reason}: {ONE_PER_LINE}, for example with {UNPACK}"),
                Some(b'{') => format!("{reason}: {ONE_PER_LINE}, for example with `jq -c .`"),
                _ => format!("not JSON: {reason}: {ONE_PER_LINE}; {DELIMITED}"),
            }),
        }
    }

    /// Reads a value that may contain others in `depth` levels. `RawValue` has no such limit.
    fn nested(text: &str, depth: u32) -> Result<Self, String> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        let inner = |raw: &RawValue| match depth.checked_sub(1) {
            Some(depth) => Self::nested(raw.get(), depth),
            None => Err(format!(
                "more than {MAX_DEPTH} levels of arrays and objects"
            )),
        };
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = read(text)?;
                let members = members.into_iter();
                let members = members.map(|(name, raw)| Ok((name, inner(raw)?)));
                Self::Object(members.collect::<Result<_, String>>()?)
            }
            Some(b'[') => {
                let Elements(elements) = read(text)?;
                Self::Array(elements.into_iter().map(inner).collect::<Result<_, _>>()?)
            }
            Some(b'-' | b'0'..=b'9') => Self::Number(read::<&RawValue>(text)?.get().to_owned()),
            Some(b't' | b'f') => Self::Bool(read(text)?),
            Some(b'n') => {
                read::<()>(text)?;
                Self::Null
            }
            _ => Self::Text(read(text)?),
        })
    }

    /// A member of an object.
    pub fn member(&self, name: &str) -> Option<&Self> {
        find(self.members(), name)
    }

    /// The value at a path such as `payload.after.id` or `items.0`. A member whose name has dots
    /// is found as well.
    pub fn at(&self, path: &str) -> Option<&Self> {
        if let Some(value) = self.member(path) {
            return Some(value);
        }
        if let Self::Array(elements) = self {
            let (first, rest) = match path.split_once('.') {
                Some((first, rest)) => (first, Some(rest)),
                None => (path, None),
            };
            let element = elements.get(first.parse::<usize>().ok()?)?;
            return match rest {
                Some(rest) => element.at(rest),
                None => Some(element),
            };
        }
        path.match_indices('.').find_map(|(dot, _)| {
            let inner = self.member(&path[..dot])?;
            inner.at(&path[dot + 1..])
        })
    }

    /// The members of an object, or nothing.
    pub fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// The value of the member of this name.
pub(crate) fn find<'a>(members: &'a [(String, Json)], name: &str) -> Option<&'a Json> {
    members
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

/// The value as JSON.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Number(text) => f.write_str(text),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Array(elements) => {
                f.write_str("[")?;
                for (place, element) in elements.iter().enumerate() {
                    f.write_str(if place > 0 { "," } else { "" })?;
                    element.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (place, (name, value)) in members.iter().enumerate() {
                    let comma = if place > 0 { "," } else { "" };
                    write!(f, "{comma}{}:{value}", quoted(name))?;
                }
                f.write_str("}")
            }
        }
    }
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members: Vec<(String, &RawValue)> = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format!("the member {name:?} twice")));
                    }
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

struct Elements<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Elements<'de>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_seq(Visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text_and_paths_lead_to_values() {
        let text = r#"{"a":{"b.c":[3.540,{"d":18446744073709551616}]},"e":null,"f.g":"x"}"#;
        let json = Json::parse(text).unwrap();
        assert_eq!(json.to_string(), text);
        let at = |path: &str| json.at(path).map(Json::to_string);
        assert_eq!(at("a.b.c.0").as_deref(), Some("3.540"));
        assert_eq!(at("a.b.c.1.d").as_deref(), Some("18446744073709551616"));
        assert_eq!(at("e").as_deref(), Some("null"));
        assert_eq!(at("f.g").as_deref(), Some("\"x\""));
        for missing in ["b", "a.x", "a.b.c.2", "a.b.c.x", "e.x", ""] {
            assert_eq!(at(missing), None, "{missing}");
        }
    }

    #[test]
    fn a_line_that_is_no_value_of_its_own_is_refused_with_what_to_do() {
        for text in ["[1,2]", "[]", "{}", "null", "[{},1]"] {
            Json::line(text).unwrap();
        }
        let unpack = "write one JSON value per line, for example with `jq -c '.[]'`";
        for (text, advice) in [
            ("[", unpack),
            (r#"[{"a":1},"#, unpack),
            (r#"[{"a":1},{"a":2}]"#, unpack),
            (
                "{",
                "write one JSON value per line, for example with `jq -c .`",
            ),
            ("a,b", "`atomik eval import csv` takes delimited values"),
        ] {
            let message = Json::line(text).unwrap_err();
            assert!(message.contains(advice), "{text}: {message}");
        }
    }

    #[test]
    fn json_is_told_from_delimited_values() {
        for (head, advice) in [
            ("", None),
            ("a,b\n", None),
            ("[id],[name]\n", None),
            ("{id},{name}\n", None),
            ("[\n  {", Some("is a JSON array")),
            ("  [ [1,2] ]", Some("is a JSON array")),
            ("{\"a\":1}\n", Some("is JSON")),
            ("{\n  \"a\":1}\n", Some("is JSON")),
        ] {
            let found = advice_if_json(head.as_bytes());
            let fits = match (&found, advice) {
                (Some(found), Some(advice)) => found.starts_with(advice),
                (found, advice) => found.is_none() && advice.is_none(),
            };
            assert!(fits, "{head:?}: {found:?}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for (text, reason) in [
            ("", "EOF"),
            ("{\"a\":1", "EOF"),
            ("{\"a\":1,\"a\":2}", "the member \"a\" twice"),
            ("{\"a\":{\"b\":1,\"b\":2}}", "the member \"b\" twice"),
            ("[1,]", "trailing comma"),
            ("01", "invalid number"),
            ("\"\\ud800\"", "hex escape"),
            ("nulx", "ident"),
            ("1 2", "trailing characters"),
        ] {
            let message = Json::parse(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
            assert!(!message.contains("line 1"), "{text}: {message}");
        }
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(
            Json::parse(&deep)
                .unwrap_err()
                .contains("more than 128 levels")
        );
    }
}
