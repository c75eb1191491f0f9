//! Change events of Debezium (debezium.io, Connectors: data change events).
//!
//! A line is an envelope with `op`, `before`, `after` and `source`, or that as the `payload` beside
//! its `schema`. The message's key tells the primary key: as `key` beside the `value` or the
//! `payload` (`kcat -J`, whose values are strings of JSON), or before a tab
//! (`kafka-console-consumer --property print.key=true`).

use super::change::{Change, Columns, Found, Kind, instant, plain};
use crate::json::Json;

/// What stands for the value of a column that was not read, because it is large and unchanged:
/// `unavailable.value.placeholder`, as text and as base64.
const UNAVAILABLE: [&str; 2] = [
    "__debezium_unavailable_value",
    "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==",
];

/// Reads a line.
pub(super) fn read(text: &str) -> Result<Found, String> {
    match (Json::line(text), text.split_once('\t')) {
        (Ok(message), _) => event(message, None),
        (Err(_), Some((key, value))) => {
            let key = Json::parse(key).map_err(|reason| format!("the message's key: {reason}"))?;
            event(Json::parse(value)?, Some(key))
        }
        (Err(reason), None) => Err(reason),
    }
}

/// Takes an event out of what it is wrapped in.
fn event(message: Json, key: Option<Json>) -> Result<Found, String> {
    let message = match message {
        Json::Text(text) => return event(Json::parse(&text)?, key),
        Json::Null => {
            return Ok(Found::Nothing("tombstones, which follow deletes"));
        }
        Json::Object(members) => Json::Object(members),
        other => return Err(format!("{} is not a change event", other.kind())),
    };
    if message.member("op").is_some() && message.member("source").is_some() {
        return envelope(&message, key);
    }
    let own = message.member("key").cloned();
    for name in ["payload", "value"] {
        if let Some(value) = message.member(name) {
            return event(value.clone(), own.or(key));
        }
    }
    let has = |name| message.member(name).is_some();
    if has("ddl") || has("tableChanges") {
        return Ok(Found::Nothing("changes of schemas"));
    }
    if has("status") && has("id") {
        return Ok(Found::Nothing("marks of transactions"));
    }
    if let [(name, _)] = message.members()
        && name == "ts_ms"
    {
        return Ok(Found::Nothing("heartbeats"));
    }
    Err(
        "no envelope with \"op\" and \"source\": for records without one, as \
         ExtractNewRecordState makes them, use `atomik eval import jsonl`"
            .to_owned(),
    )
}

fn envelope(event: &Json, key: Option<Json>) -> Result<Found, String> {
    let source = |name: &str| {
        event
            .member("source")
            .and_then(|source| source.member(name))
    };
    let origin = event.member("source").unwrap_or(&Json::Null);
    let mut time = None;
    for (place, name, unit) in [
        (origin, "ts_ns", 1),
        (origin, "ts_us", 1000),
        (origin, "ts_ms", 1_000_000),
        (event, "ts_ms", 1_000_000),
    ] {
        time = time.or(instant(place, name, unit)?);
    }
    let time = time.ok_or("no time: neither \"source\" nor the event has a number \"ts_ms\"")?;
    let op = event.member("op").map(plain).unwrap_or_default();
    if op == "m" {
        return Ok(Found::Nothing("messages that change no row"));
    }
    let text = |name| match source(name) {
        Some(Json::Null) | None => None,
        Some(value) => Some(plain(value)).filter(|text| !text.is_empty()),
    };
    let table = text("table").ok_or(
        "\"source\" has no \"table\": events of databases without tables cannot be imported",
    )?;
    let table = match text("schema").or_else(|| text("db")) {
        Some(schema) => format!("{schema}.{table}"),
        None => table,
    };
    let name = text("name").unwrap_or_else(|| "server".to_owned());
    // MySQL has several servers behind one name; 0 is in snapshots.
    let server = match text("server_id").filter(|id| id != "0") {
        Some(id) => format!("{name}/{id}"),
        None => name,
    };
    let columns = |name: &str| row(event.member(name), name);
    let kind = match op.as_str() {
        "c" | "r" | "u" if matches!(event.member("after"), None | Some(Json::Null)) => {
            return Err(format!(
                "\"after\" is null or missing, but \"op\" is {op:?}: give the row after the change"
            ));
        }
        "c" | "r" | "u" => Kind::Put {
            created: op != "u",
            before: columns("before")?,
            after: columns("after")?,
        },
        "d" => {
            let mut before = columns("before")?;
            // Without the row before, the message's key is enough.
            before.extend(key_columns(key.clone())?);
            Kind::Delete { before }
        }
        "t" => Kind::Truncate,
        _ => {
            return Err(format!(
                "\"op\" is {op:?}, which is unknown: c, r, u, d, t and m are known"
            ));
        }
    };
    let key: Vec<String> = key_columns(key)?
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    Ok(Found::Changes(vec![Change {
        time,
        server,
        table,
        key: (!key.is_empty()).then_some(key),
        kind,
    }]))
}

/// The columns of a row that are available.
fn row(value: Option<&Json>, name: &str) -> Result<Columns, String> {
    match value {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Object(members)) => Ok(members
            .iter()
            .filter(|(_, value)| !is_unavailable(value))
            .cloned()
            .collect()),
        Some(other) => Err(format!(
            "\"{name}\" is {}, not an object with the columns of a row",
            other.kind()
        )),
    }
}

fn is_unavailable(value: &Json) -> bool {
    match value {
        Json::Text(text) => UNAVAILABLE.contains(&text.as_str()),
        Json::Array(elements) => elements.len() == 1 && elements.iter().all(is_unavailable),
        _ => false,
    }
}

/// The columns of a message's key.
fn key_columns(key: Option<Json>) -> Result<Columns, String> {
    Ok(match key {
        Some(Json::Text(text)) => key_columns(Some(
            Json::parse(&text).map_err(|reason| format!("the message's key: {reason}"))?,
        ))?,
        Some(Json::Object(members)) => {
            let payload = members.iter().find(|(name, _)| name == "payload");
            match payload {
                Some((_, payload)) => key_columns(Some(payload.clone()))?,
                // Added where several tables share a topic.
                None => members
                    .into_iter()
                    .filter(|(name, _)| !name.starts_with("__dbz__"))
                    .collect(),
            }
        }
        _ => Vec::new(),
    })
}
