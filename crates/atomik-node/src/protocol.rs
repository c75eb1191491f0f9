//! What is said on the control connection: one JSON object a line, each way.
//!
//! Keys are text, or `0x` and hex digits; a key that itself begins with `0x` is written in hex.
//! Values are `0x` and hex digits, or integers up to 64 bits; answers have them in hex,
//! zero-padded.
//!
//! | request | answer, beside `"ok":true` |
//! |---|---|
//! | `{"op":"get","key":K}` | `key`, `value`, `writers`: origin, version and accumulator of each |
//! | `{"op":"put","key":K,"value":V}` | `batch`: its number for `undo`, or null if nothing changed |
//! | `{"op":"load","key":K,"value":V}`, `{"op":"accum","key":K,"value":V}` | `batch` |
//! | `{"op":"toggle","key":K,"flag":N}` | `batch` |
//! | `{"op":"set","key":K,"flag":N,"on":true}` | `batch` |
//! | `{"op":"read","key":K}`, `swap`, `delta`, `drain` | `batch`, `responses`: one of `value` and `clean`, as the machine's |
//! | `{"op":"batch","ops":[...]}` of the operations above, from `put` on | `batch`, `responses`: one for each, null for those that have none; all take effect or none |
//! | `{"op":"undo","batch":N}` | `batch` of the undo |
//! | `{"op":"list","prefix":P,"from":N,"limit":N}` | `keys`: `key` and `value` of each; `next`: where to go on, or null |
//! | `{"op":"watch","prefix":P}` | nothing; from then on lines with `event`, until the connection is closed |
//! | `{"op":"status","hash":true}` | `status`; with the hash over all states if it is asked for |
//! | `{"op":"peers"}` | `peers` |
//! | `{"op":"checkpoint","name":T}` | `checkpoint`: its number |
//! | `{"op":"checkpoints"}` | `checkpoints`: number and name of each |
//! | `{"op":"drop_checkpoint","checkpoint":N}` | |
//! | `{"op":"diff","first":N,"second":N,"key":K}` | `delta`: the xor of both states |
//! | `{"op":"export","checkpoint":N,"from":N,"limit":N}` | `keys`: `key` and `delta` since then of each that differs; `next` |
//! | `{"op":"retire"}` | |
//!
//! A request that is not carried out is answered with `"ok":false` and `error`, and has changed
//! nothing; but an answer that says that the node is stopping or that storage failed leaves open
//! whether the change is durable.
//!
//! Requests on one connection take effect in their order, and are answered in it. Several may be
//! sent ahead: at most 256 are taken before an answer has left. A request that only looks is
//! answered after all changes before it on its connection are acknowledged; it may see changes of
//! others that are not durable yet. A line is at most 1 MiB, and a page at most 10,000 keys.

use atomik_replica::{Action, Op, Value};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::actor::{Change, Done, KeyOp};
use crate::text::{Number, TextError, key_text, parse_key};

/// The longest line, in bytes.
pub const MAX_LINE: usize = 1 << 20;

/// The most keys of a page.
pub const MAX_PAGE: usize = 10_000;

fn page() -> usize {
    1000
}

/// A request. See the module.
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
    /// For tests: cuts off just these peers, and treats incoming messages so from now on.
    Links {
        #[serde(default)]
        drop: Vec<String>,
        #[serde(default)]
        faults: Option<String>,
    },
}

/// Why a request is not even tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not a request.
    #[error("not a request: {0}")]
    Syntax(String),
    /// A key or value.
    #[error(transparent)]
    Text(#[from] TextError),
    /// In a batch.
    #[error(
        "a batch holds operations on keys only: put, load, accum, toggle, set, read, swap, delta, drain"
    )]
    Batch,
}

impl Request {
    /// The request that a line holds.
    ///
    /// # Errors
    /// [`RequestError::Syntax`].
    pub fn parse(line: &str) -> Result<Self, RequestError> {
        serde_json::from_str(line).map_err(|error| RequestError::Syntax(error.to_string()))
    }

    /// The change that it asks for; `None` for those that only look.
    ///
    /// # Errors
    /// If a key or value is none.
    pub fn change(&self, words: usize) -> Result<Option<Change>, RequestError> {
        Ok(Some(match self {
            Self::Batch { ops } => {
                let ops = ops
                    .iter()
                    .map(|op| op.key_op(words)?.ok_or(RequestError::Batch));
                Change::Batch(ops.collect::<Result<_, _>>()?)
            }
            Self::Undo { batch } => Change::Undo(*batch),
            Self::Checkpoint { name } => Change::Checkpoint(name.clone()),
            Self::DropCheckpoint { checkpoint } => Change::DropCheckpoint(*checkpoint),
            Self::Retire {} => Change::Retire,
            other => match other.key_op(words)? {
                Some(op) => Change::Batch(vec![op]),
                None => return Ok(None),
            },
        }))
    }

    fn key_op(&self, words: usize) -> Result<Option<KeyOp>, TextError> {
        let plain = |op| Action::Op(op, Value::zero(words));
        let (key, action) = match self {
            Self::Put { key, value } => (key, Action::Put(value.value(words)?)),
            Self::Load { key, value } => (key, Action::Op(Op::Load, value.value(words)?)),
            Self::Accum { key, value } => (key, Action::Op(Op::Accum, value.value(words)?)),
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
pub fn done(change: &Change, done: &Done) -> Json {
    match change {
        Change::Batch(_) => {
            let mut answer = json!({"ok": true, "batch": done.number});
            if done.responses.iter().any(Option::is_some) {
                let response = |response: &Option<atomik_replica::Response<Value>>| {
                    response.as_ref().map(|response| {
                        json!({"value": response.data.to_string(), "clean": response.clean})
                    })
                };
                answer["responses"] = done.responses.iter().map(response).collect();
            }
            answer
        }
        Change::Undo(_) => json!({"ok": true, "batch": done.number}),
        Change::Checkpoint(_) => json!({"ok": true, "checkpoint": done.number}),
        Change::DropCheckpoint(_) | Change::Retire => json!({"ok": true}),
    }
}

/// The answer to what was refused.
#[must_use]
pub fn refused(error: impl std::fmt::Display) -> Json {
    json!({"ok": false, "error": error.to_string()})
}

/// A key with its value, in a page.
#[must_use]
pub fn entry(key: &[u8], name: &str, value: &Value) -> Json {
    let mut entry = json!({"key": key_text(key)});
    entry[name] = value.to_string().into();
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_and_unknown_fields_refused() {
        let change = |line: &str| Request::parse(line).unwrap().change(1).unwrap();
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
                r#"{"op":"batch","ops":[{"op":"accum","key":"a","value":7},{"op":"toggle","key":"b","flag":3}]}"#
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
            r#"{"op":"accum","key":"a","value":-1}"#,
        ] {
            assert!(Request::parse(line).is_err(), "{line}");
        }
        let nested = r#"{"op":"batch","ops":[{"op":"undo","batch":1}]}"#;
        assert_eq!(
            Request::parse(nested).unwrap().change(1),
            Err(RequestError::Batch)
        );
    }
}
