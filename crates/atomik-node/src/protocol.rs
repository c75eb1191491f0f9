//! The protocol of control connections: one JSON object per line in each direction.
//!
//! Keys are text, or `0x` and hex digits; a key that itself begins with `0x` is written in hex.
//! Values are `0x` and hex digits, or integers of up to 64 bits; answers show them in hex,
//! zero-padded.
//!
//! In a keyspace with a [layout](atomik_replica::Layout) other than the default, a value may also
//! be a list with one value per field, from the lowest bits up, or a negative integer if its only
//! field adds. There answers show values and deltas as such lists, too, as `fields` beside `value`
//! or `delta`: hex digits for xor fields, and signed integers for fields that add, in hex if they
//! do not fit into 64 bits.
//!
//! | request | answer, in addition to `"ok":true` |
//! |---|---|
//! | `{"op":"get","key":K}` | `key`, `value`, `writers`: the origin, version and accumulator of each |
//! | `{"op":"put","key":K,"value":V}` | `batch`: the number to pass to `undo`, or null if nothing changed |
//! | `{"op":"load","key":K,"value":V}`, `{"op":"accum","key":K,"value":V}` | `batch` |
//! | `{"op":"add","key":K,"value":N}`: adds an integer to the only field that adds; `"F=N"` names the field by its position from 1; a list adds to all fields | `batch` |
//! | `{"op":"toggle","key":K,"flag":N}` | `batch` |
//! | `{"op":"set","key":K,"flag":N,"on":true}` | `batch` |
//! | `{"op":"read","key":K}`, `swap`, `delta`, `drain` | `batch`, `responses`: one with `value` and `clean`, as the register file returns it |
//! | `{"op":"batch","ops":[...]}` of operations from `put` to `drain` | `batch`, `responses`: one per operation, null for those without a response; all take effect or none |
//! | `{"op":"undo","batch":N}` | `batch`: the number of the undo |
//! | `{"op":"list","prefix":P,"from":N,"limit":N}` | `keys`: the `key` and `value` of each; `next`: where to continue, or null |
//! | `{"op":"watch","prefix":P}` | nothing; then lines with `event` until the connection is closed |
//! | `{"op":"status","hash":true}` | `status`, including a hash over all states if `hash` is true |
//! | `{"op":"peers"}` | `peers` |
//! | `{"op":"checkpoint","name":T}` | `checkpoint`: the number |
//! | `{"op":"checkpoints"}` | `checkpoints`: the number and name of each |
//! | `{"op":"drop_checkpoint","checkpoint":N}` | |
//! | `{"op":"diff","first":N,"second":N,"key":K}` | `delta`: the second state minus the first |
//! | `{"op":"export","checkpoint":N,"from":N,"limit":N}` | `keys`: the `key` and `delta` of each key that changed since; `next` |
//! | `{"op":"retire"}` | |
//! | `{"op":"members"}` | `members`: the `name`, `key` and `since` of each, whether it is `this` node or `up`, whether it has said that it has this list (`has_list`), why it does not take it (`refuses_list`), and when it last agreed; `roster`: the list in hex digits; and what an invitation needs |
//! | `{"op":"roster","roster":H}`, the next list, signed by the administrator, in hex digits | |
//!
//! The first line of a connection over TCP is `{"op":"hello","token":T}`, where `T` is the 64 hex
//! digits in the file `control.token` of the node's data folder. It is answered with `"ok":true`.
//! Any other first line, and later any line that is not a request, ends a connection over TCP, so
//! that nothing that speaks another protocol can be taken for a client. The socket in the data
//! folder needs no token.
//!
//! A refused request is answered with `"ok":false` and `error`, and has changed nothing. There is
//! one exception: if the node is stopping or storage has failed, the change may or may not be
//! durable.
//!
//! The requests of a connection take effect and are answered in order. A client may pipeline them:
//! the node accepts up to 256 unanswered requests of 1 MiB together. A query is answered after all
//! earlier changes on its connection are acknowledged; it may see changes of other connections that
//! are not durable yet. A line has at most 1 MiB, a page 1 to 10,000 keys.

use atomik_replica::{Action, Op, Shape, Value};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::change::{Change, Done, KeyOp};
use crate::credential::Token;
use crate::text::{Number, TextError, fields_json, key_text, parse_bytes, parse_key};

/// The longest line in bytes.
pub const MAX_LINE: usize = 1 << 20;

/// The maximum number of keys on a page.
pub const MAX_PAGE: usize = 10_000;

fn page() -> usize {
    1000
}

/// A request, see the [module](self).
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)]
pub enum Request {
    Get {
        key: String,
    },
    Put {
        key: String,
        value: Number,
    },
    Load {
        key: String,
        value: Number,
    },
    Accum {
        key: String,
        value: Number,
    },
    Add {
        key: String,
        value: Number,
    },
    Toggle {
        key: String,
        flag: usize,
    },
    Set {
        key: String,
        flag: usize,
        on: bool,
    },
    Read {
        key: String,
    },
    Swap {
        key: String,
    },
    Delta {
        key: String,
    },
    Drain {
        key: String,
    },
    Batch {
        ops: Vec<Request>,
    },
    Undo {
        batch: u64,
    },
    List {
        #[serde(default)]
        prefix: String,
        #[serde(default)]
        from: usize,
        #[serde(default = "page")]
        limit: usize,
    },
    Watch {
        #[serde(default)]
        prefix: String,
    },
    Status {
        #[serde(default)]
        hash: bool,
    },
    Peers {},
    Checkpoint {
        name: String,
    },
    Checkpoints {},
    DropCheckpoint {
        checkpoint: u32,
    },
    Diff {
        first: u32,
        second: u32,
        key: String,
    },
    Export {
        checkpoint: u32,
        #[serde(default)]
        from: usize,
        #[serde(default = "page")]
        limit: usize,
    },
    Retire {},
    Members {},
    Roster {
        roster: String,
    },
    /// For tests: cuts off exactly these peers, and replaces the injected faults.
    Links {
        #[serde(default)]
        drop: Vec<String>,
        #[serde(default)]
        faults: Option<String>,
    },
}

/// The first line of a connection over TCP.
#[derive(Clone, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Greeting {
    Hello { token: String },
}

/// The longest [`Greeting`] in bytes.
pub(crate) const MAX_GREETING: usize = 256;

/// Why a connection over TCP was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AdmissionError {
    #[error(
        "the first line of a connection over TCP must be {{\"op\":\"hello\",\"token\":T}}, with \
         the digits in the file control.token of the node's data folder"
    )]
    Greeting,
    #[error(
        "wrong token: use the digits in the file control.token of this node's data folder, with \
         --data DIR or --token FILE"
    )]
    Token,
    #[error("no token within {0} s: send it in the first line")]
    Late(u64),
}

impl Greeting {
    /// Checks the first line of a connection over TCP.
    pub(crate) fn check(line: &[u8], token: &Token) -> Result<(), AdmissionError> {
        match serde_json::from_slice(line) {
            Ok(Self::Hello { token: given }) if Token::parse(&given) == Some(*token) => Ok(()),
            Ok(Self::Hello { .. }) => Err(AdmissionError::Token),
            Err(_) => Err(AdmissionError::Greeting),
        }
    }
}

/// Why a request is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The line is not a request.
    #[error(
        "not a request: {reason}; write one JSON object per line that names an operation, for \
         example {{\"op\":\"get\",\"key\":\"x\"}}"
    )]
    Syntax {
        /// The parser's error.
        reason: String,
    },
    /// A key or value is invalid.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A roster is not in hex digits.
    #[error("a roster is written in hex digits, as `members` shows it")]
    Roster,
    /// A batch contains a request that is not an operation on a key.
    #[error(
        "a batch can only contain put, load, accum, add, toggle, set, read, swap, delta and drain"
    )]
    Batch,
}

impl Request {
    /// Parses a line.
    ///
    /// # Errors
    /// [`RequestError::Syntax`].
    pub fn parse(line: &str) -> Result<Self, RequestError> {
        serde_json::from_str(line).map_err(|error| RequestError::Syntax {
            reason: error.to_string(),
        })
    }

    /// The requested change, in a keyspace whose values have this shape; `None` for a query.
    ///
    /// # Errors
    /// [`RequestError::Text`] and [`RequestError::Batch`].
    pub fn change(&self, shape: &Shape) -> Result<Option<Change>, RequestError> {
        Ok(Some(match self {
            Self::Batch { ops } => {
                let ops = ops
                    .iter()
                    .map(|op| op.key_op(shape)?.ok_or(RequestError::Batch));
                Change::Batch(ops.collect::<Result<_, _>>()?)
            }
            Self::Undo { batch } => Change::Undo(*batch),
            Self::Checkpoint { name } => Change::Checkpoint(name.clone()),
            Self::DropCheckpoint { checkpoint } => Change::DropCheckpoint(*checkpoint),
            Self::Retire {} => Change::Retire,
            Self::Roster { roster } => {
                Change::Roster(parse_bytes(roster).ok_or(RequestError::Roster)?)
            }
            other => match other.key_op(shape)? {
                Some(op) => Change::Batch(vec![op]),
                None => return Ok(None),
            },
        }))
    }

    fn key_op(&self, shape: &Shape) -> Result<Option<KeyOp>, TextError> {
        let plain = |op| Action::Op(op, shape.zero());
        let (key, action) = match self {
            Self::Put { key, value } => (key, Action::Put(value.value(shape)?)),
            Self::Load { key, value } => (key, Action::Op(Op::Load, value.value(shape)?)),
            Self::Accum { key, value } => (key, Action::Op(Op::Accum, value.value(shape)?)),
            Self::Add { key, value } => (key, Action::Op(Op::Accum, value.addition(shape)?)),
            Self::Toggle { key, flag } => (key, Action::Toggle(*flag)),
            Self::Set { key, flag, on } => (key, Action::SetFlag(*flag, *on)),
            Self::Read { key } => (key, plain(Op::Read)),
            Self::Swap { key } => (key, plain(Op::Swap)),
            Self::Delta { key } => (key, plain(Op::Delta)),
            Self::Drain { key } => (key, plain(Op::Drain)),
            _ => return Ok(None),
        };
        let key = parse_key(key)?;
        Ok(Some(KeyOp { key, action }))
    }
}

/// The answer to a change.
#[must_use]
pub fn done(change: &Change, done: &Done, shape: &Shape) -> Json {
    match change {
        Change::Batch(_) => {
            let mut answer = json!({"ok": true, "batch": done.number});
            if done.responses.iter().any(Option::is_some) {
                let response = |response: &Option<atomik_replica::Response<Value>>| {
                    response.as_ref().map(|response| {
                        let mut answer = json!({"clean": response.clean});
                        show(&mut answer, "value", &response.data, shape);
                        answer
                    })
                };
                answer["responses"] = done.responses.iter().map(response).collect();
            }
            answer
        }
        Change::Undo(_) => json!({"ok": true, "batch": done.number}),
        Change::Checkpoint(_) => json!({"ok": true, "checkpoint": done.number}),
        Change::DropCheckpoint(_) | Change::Retire | Change::Roster(_) => json!({"ok": true}),
    }
}

/// The answer to a refused request.
#[must_use]
pub fn refused(error: impl std::fmt::Display) -> Json {
    json!({"ok": false, "error": error.to_string()})
}

/// An entry of a page: a key, and a value of this shape under the name `name`.
#[must_use]
pub fn entry(key: &[u8], name: &str, value: &Value, shape: &Shape) -> Json {
    let mut entry = json!({"key": key_text(key)});
    show(&mut entry, name, value, shape);
    entry
}

/// Adds a value to an answer under the name `name`, and its fields unless the layout is the
/// default.
pub(crate) fn show(answer: &mut Json, name: &str, value: &Value, shape: &Shape) {
    answer[name] = value.to_string().into();
    if let Some(layout) = shape.layout() {
        answer["fields"] = fields_json(layout, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_parsed_and_unknown_fields_rejected() {
        let shape = Shape::xor(1);
        let change = |line: &str| Request::parse(line).unwrap().change(&shape).unwrap();
        let accum = |key: &[u8], value: u64| KeyOp {
            key: key.to_vec(),
            action: Action::Op(Op::Accum, value.into()),
        };
        assert_eq!(
            change(r#"{"op":"accum","key":"0x00ff","value":"0x10"}"#),
            Some(Change::Batch(vec![accum(b"\x00\xff", 16)]))
        );
        assert_eq!(
            change(
                r#"{"op":"batch","ops":[{"op":"accum","key":"a","value":7},
                   {"op":"toggle","key":"b","flag":3}]}"#
            ),
            Some(Change::Batch(vec![
                accum(b"a", 7),
                KeyOp {
                    key: b"b".to_vec(),
                    action: Action::Toggle(3)
                }
            ]))
        );
        assert_eq!(change(r#"{"op":"status"}"#), None);
        for line in [
            "",
            "{}",
            r#"{"op":"fly"}"#,
            r#"{"op":"get"}"#,
            r#"{"op":"get","key":"a","extra":1}"#,
            r#"{"op":"retire","extra":1}"#,
            r#"{"op":"accum","key":"a","value":1.5}"#,
            r#"{"op":"accum","key":"a","value":[true]}"#,
        ] {
            assert!(Request::parse(line).is_err(), "{line}");
        }
        let refused = |line: &str| match Request::parse(line) {
            Ok(request) => match request.change(&shape) {
                Err(error) => error.to_string(),
                Ok(change) => panic!("{line}: {change:?}"),
            },
            Err(error) => error.to_string(),
        };
        for line in ["{}", "[]", "x", r#""get""#, r#"{"op":7}"#] {
            let told = refused(line);
            assert!(told.contains("one JSON object per line"), "{told}");
        }
        for value in ["-1", "18446744073709551616", "null", "[1,null]", "{}"] {
            let told = refused(&format!(r#"{{"op":"put","key":"a","value":{value}}}"#));
            assert!(told.contains("integer"), "{told}");
            assert!(!told.contains("untagged"), "{told}");
        }
        let nested = r#"{"op":"batch","ops":[{"op":"undo","batch":1}]}"#;
        assert_eq!(
            Request::parse(nested).unwrap().change(&shape),
            Err(RequestError::Batch)
        );
    }

    #[test]
    fn values_are_written_and_shown_by_field() {
        let mixed = "xor:48,add:16".parse::<atomik_replica::Layout>().unwrap();
        let counters = "add:8,add:80".parse::<atomik_replica::Layout>().unwrap();
        let accum = |layout, op: &str, value: &str| {
            let line = format!(r#"{{"op":"{op}","key":"a","value":{value}}}"#);
            let change = Request::parse(&line).unwrap().change(&Shape::from(layout));
            match change {
                Ok(Some(Change::Batch(ops))) => match &ops[..] {
                    [
                        KeyOp {
                            action: Action::Op(Op::Accum, delta),
                            ..
                        },
                    ] => Ok(delta.clone()),
                    other => panic!("{other:?}"),
                },
                Err(error) => Err(error.to_string()),
                other => panic!("{other:?}"),
            }
        };
        let word = Value::from(0xffff_0000_0000_0005);
        for (op, value) in [
            ("accum", r#"[5,-1]"#),
            ("accum", r#"["0x5","0xffff"]"#),
            ("accum", r#""0xffff000000000005""#),
            ("add", r#"[5,-1]"#),
        ] {
            assert_eq!(accum(mixed, op, value), Ok(word.clone()), "{value}");
        }
        let minus = Value::from(0xffff << 48);
        for value in ["-1", r#""-1""#, r#""2=-1""#, r#""2=65535""#] {
            assert_eq!(accum(mixed, "add", value), Ok(minus.clone()), "{value}");
        }
        let far = Value::from_words(&[7 << 8, 0]);
        assert_eq!(accum(counters, "add", r#""2=7""#), Ok(far));
        for (layout, op, value, told) in [
            (mixed, "accum", "-1", "list with one value per field"),
            (mixed, "accum", "[1]", "write one value per field"),
            (mixed, "accum", "[-1,0]", "no negative values"),
            (mixed, "add", "65536", "from -2^15 to 2^16 - 1"),
            (mixed, "add", r#""1=5""#, "field 1 does not add"),
            (mixed, "add", r#""3=5""#, "there is no field 3"),
            (mixed, "add", r#""x=5""#, "not an addition"),
            (counters, "add", "5", "FIELD=N"),
            ("xor:32,xor:32".parse().unwrap(), "add", "5", "use accum"),
        ] {
            let error = accum(layout, op, value).unwrap_err();
            assert!(error.contains(told), "{value}: {error}");
        }
        let default = Request::parse(r#"{"op":"add","key":"a","value":5}"#).unwrap();
        let error = default.change(&Shape::xor(1)).unwrap_err().to_string();
        assert!(error.contains("use accum"), "{error}");

        let shown = entry(b"a", "value", &word, &mixed.into());
        assert_eq!(shown["fields"], json!(["0x5", -1]));
        assert_eq!(shown["value"], "0xffff000000000005");
        let wide = Value::from_words(&[3, 7 << 9]);
        let shown = entry(b"a", "value", &wide, &counters.into());
        assert_eq!(shown["fields"], json!([3, "0xe0000000000000000"]));
        let plain = entry(b"a", "value", &word, &Shape::xor(1));
        assert_eq!(plain.get("fields"), None);
    }
}
