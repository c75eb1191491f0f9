//! Changes of Maxwell's daemon (maxwells-daemon.io, Data Format).

use super::change::{Change, Columns, Found, Kind, instant, plain};
use crate::json::{Json, find};

/// Reads a line.
pub(super) fn read(text: &str) -> Result<Found, String> {
    let event = Json::line(text)?;
    let member = |name: &str| event.member(name).filter(|value| **value != Json::Null);
    let Some(Json::Text(kind)) = member("type") else {
        return Err("no \"type\": this is not an event of Maxwell".to_owned());
    };
    let data = || columns(event.member("data"), "data");
    let kind = match kind.as_str() {
        "insert" | "bootstrap-insert" => Kind::Put {
            created: true,
            before: Vec::new(),
            after: data()?,
        },
        "update" => {
            let after = data()?;
            // Only the columns that change are in "old".
            let old = columns(event.member("old"), "old")?;
            let before = after.iter().map(|(name, value)| {
                let value = find(&old, name).unwrap_or(value);
                (name.clone(), value.clone())
            });
            Kind::Put {
                created: false,
                before: before.collect(),
                after,
            }
        }
        "delete" => Kind::Delete { before: data()? },
        "table-drop" | "table-truncate" => Kind::Truncate,
        "bootstrap-start" | "bootstrap-complete" => {
            return Ok(Found::Nothing("marks of bootstrapping"));
        }
        other if other.starts_with("table-") || other.starts_with("database-") => {
            return Ok(Found::Nothing("changes of schemas"));
        }
        "heartbeat" => return Ok(Found::Nothing("heartbeats")),
        other => {
            return Err(format!(
                "\"type\" is {other:?}, which is unknown: insert, update, delete, bootstrap-insert \
                 and changes of schemas are known"
            ));
        }
    };
    let time = instant(&event, "ts", 1_000_000_000)?
        .ok_or("no \"ts\" with a number of seconds since 1970: this is not an event of Maxwell")?;
    // Changes of schemas have milliseconds.
    let time = match kind {
        Kind::Truncate => time / 1000,
        _ => time,
    };
    let (Some(database), Some(table)) = (member("database"), member("table")) else {
        return Err("no \"database\" or no \"table\": this is not an event of Maxwell".to_owned());
    };
    let key = match member("primary_key_columns") {
        Some(Json::Array(names)) => Some(names.iter().map(plain).collect()),
        _ => None,
    };
    Ok(Found::Changes(vec![Change {
        time,
        server: member("server_id").map_or_else(|| plain(database), plain),
        table: format!("{}.{}", plain(database), plain(table)),
        key,
        kind,
    }]))
}

fn columns(value: Option<&Json>, name: &str) -> Result<Columns, String> {
    match value {
        Some(Json::Object(members)) => Ok(members.clone()),
        _ => Err(format!("no object \"{name}\" with the columns of a row")),
    }
}
