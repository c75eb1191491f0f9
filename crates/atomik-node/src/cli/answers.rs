//! Formats the answers of a node for people.

use serde_json::Value as Json;

/// A JSON string without its quotes; other values as they are.
pub(super) fn text(value: &Json) -> String {
    let string = value.as_str();
    string.map_or_else(|| value.to_string(), str::to_owned)
}

/// The value or delta of an answer: its fields if it has some, else the whole in hex.
pub(super) fn value(answer: &Json, name: &str) -> String {
    match answer["fields"].as_array().map(Vec::as_slice) {
        None => text(&answer[name]),
        Some([only]) => text(only),
        Some(fields) => {
            let fields: Vec<String> = fields.iter().map(text).collect();
            format!("[{}]", fields.join(","))
        }
    }
}

pub(super) fn batch(answer: &Json) -> String {
    match &answer["batch"] {
        Json::Null => "unchanged".to_owned(),
        number => format!("batch {number}"),
    }
}

pub(super) fn checkpoints(answer: &Json) -> String {
    lines(&answer["checkpoints"], |checkpoint| {
        format!("{} {}", checkpoint["checkpoint"], text(&checkpoint["name"]))
    })
}

pub(super) fn peers(answer: &Json) -> String {
    lines(&answer["peers"], |peer| {
        let agreed = match &peer["in_sync_s"] {
            Json::Null => "never".to_owned(),
            seconds => format!("{seconds} s ago"),
        };
        format!(
            "{} {}  up {} s, heard {} s ago, agreed {agreed}",
            text(&peer["peer"]),
            peer["member"].as_str().unwrap_or("?"),
            peer["up_s"],
            peer["heard_s"]
        )
    })
}

pub(super) fn status(answer: &Json) -> String {
    let status = &answer["status"];
    let fields = status.as_object().into_iter().flatten();
    let plain = fields.filter(|(_, value)| !value.is_array() && !value.is_object());
    let mut parts: Vec<String> = plain
        .map(|(name, value)| format!("{name:14} {}", text(value)))
        .collect();
    parts.push(lines(&status["origins"], origin));
    parts.push(closings(status));
    parts.push(lines(&status["attention"], |event| {
        format!("attention      {}", text(&event["text"]))
    }));
    parts.push(lines(&status["events"], |event| {
        format!("event          {} {}", event["time"], text(&event["text"]))
    }));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// The lines about what leaves and what has left, of a status or an answer to `members`.
pub(super) fn closings(answer: &Json) -> String {
    let closings = lines(&answer["closings"], |closing| {
        format!("closing        {}", text(&closing["text"]))
    });
    let certificate = answer["certificate"]["text"].as_str();
    let certificate = certificate.map(|text| format!("certificate    {text}"));
    let parts = [Some(closings), certificate].into_iter().flatten();
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

fn origin(origin: &Json) -> String {
    let marks = ["quarantined", "retiring", "folded"].into_iter();
    let marks: Vec<&str> = marks.filter(|mark| origin[*mark] == true).collect();
    format!(
        "origin         {} {} frame {} {}",
        text(&origin["origin"]),
        origin["member"].as_str().unwrap_or("?"),
        origin["frame"],
        marks.join(" ")
    )
}

pub(super) fn lines(list: &Json, line: impl FnMut(&Json) -> String) -> String {
    let all: Vec<String> = list.as_array().into_iter().flatten().map(line).collect();
    all.join("\n")
}
