//! The files with changes of this node that the members' base lacks.
//!
//! A member that was removed while it was away, and is added again, adopts a base without what had
//! reached no member. What its states lose by that is written to files first, and stays there until
//! the operator moves them away.

use std::io;
use std::path::{Path, PathBuf};

use atomik_replica::{Missing, Shape};
use serde_json::json;

use crate::folder::{Existing, files_named, write_private};
use crate::protocol::entry;
use crate::text::key_text;

/// What the names of the files begin with.
const BEGINS: &str = "missing-";

/// What they end with.
const ENDS: &str = ".jsonl";

/// What the name of a file with unclear changes ends with.
const UNCLEAR: &str = "-unclear.jsonl";

/// The most keys that a text names.
const NAMED: usize = 10;

/// Whether no member had any of this node's changes of a key. Otherwise part of what is missing may
/// be what others have changed.
fn is_clear(missing: &Missing) -> bool {
    missing.delta == missing.own
}

/// Writes what is missing into the data folder: for keys of which no member had any change of this
/// node, the requests that make it again; for others, what is known. The same again replaces the
/// file. Returns the files.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn write(data: &Path, missing: &[Missing], shape: &Shape) -> io::Result<Vec<PathBuf>> {
    let request = |missing: &Missing| {
        let (key, value) = (key_text(&missing.key), missing.delta.to_string());
        json!({"op": "accum", "key": key, "value": value}).to_string() + "\n"
    };
    let description = |missing: &Missing| {
        let mut line = entry(&missing.key, "value", &missing.state, shape);
        line["changes"] = missing.changes.into();
        line["own"] = missing.own.to_string().into();
        line["missing"] = missing.delta.to_string().into();
        line.to_string() + "\n"
    };
    let (clear, unclear): (Vec<&Missing>, Vec<&Missing>) =
        missing.iter().partition(|missing| is_clear(missing));
    let clear: String = clear.into_iter().map(request).collect();
    let unclear: String = unclear.into_iter().map(description).collect();
    let mut files = Vec::new();
    for (text, ends) in [(clear, ENDS), (unclear, UNCLEAR)] {
        if !text.is_empty() {
            let hash = blake3::hash(text.as_bytes()).to_hex();
            let name: String = hash.chars().take(8).collect();
            let path = data.join(format!("{BEGINS}{name}{ends}"));
            write_private(&path, text.as_bytes(), Existing::Replace)?;
            files.push(path);
        }
    }
    Ok(files)
}

/// The files that are in the data folder.
pub(crate) fn files(data: &Path) -> Vec<PathBuf> {
    files_named(data, |name| {
        name.starts_with(BEGINS) && name.ends_with(ENDS)
    })
}

/// What the operator is told when changes are found missing.
pub(crate) fn text(missing: &[Missing]) -> String {
    let changes: u64 = missing.iter().map(|missing| missing.changes).sum();
    let mut keys: Vec<String> = missing
        .iter()
        .take(NAMED)
        .map(|missing| key_text(&missing.key))
        .collect();
    if missing.len() > NAMED {
        keys.push("…".to_owned());
    }
    format!(
        "the base of the members lacks changes that this node made before it was removed, because \
         they had reached no member: up to {changes} changes of {} keys, {}",
        missing.len(),
        keys.join(", ")
    )
}

/// What the operator is to do about these files.
pub(crate) fn next_step(files: &[PathBuf]) -> String {
    let steps = files.iter().map(|file| {
        let name = file.display();
        if file.to_string_lossy().ends_with(UNCLEAR) {
            format!(
                "{name} has keys of which members had some changes of this node: `missing` is by \
                 how much the value was greater here; `atomik node accum` adds it, which also \
                 takes back what others changed in the key while this node was away"
            )
        } else {
            let data = file.parent().unwrap_or(Path::new("")).display();
            format!(
                "`atomik node pipe --data {data} < {name}` makes the changes of its keys again; do \
                 it once"
            )
        }
    });
    let steps: Vec<String> = steps.collect();
    format!(
        "{}; then move the files out of the data folder",
        steps.join("; ")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use serde_json::Value as Json;

    use super::*;
    use crate::change::Change;
    use crate::protocol::Request;

    fn missing(key: &[u8], [changes, own, delta]: [u64; 3]) -> Missing {
        Missing {
            key: key.into(),
            changes,
            own: own.into(),
            delta: delta.into(),
            state: 1.into(),
        }
    }

    #[test]
    fn what_is_clear_is_written_as_requests_and_the_rest_described() {
        let data = tempfile::tempdir().unwrap();
        let shape = Shape::xor(1);
        let all = [
            missing(b"a", [1, 2, 2]),
            missing(b"\xff", [2, 8, 8]),
            missing(b"b", [3, 5, 4]),
        ];
        for _ in 0..2 {
            let written = write(data.path(), &all, &shape).unwrap();
            let mut sorted = written.clone();
            sorted.sort();
            assert_eq!(files(data.path()), sorted);
            let read = |n: usize| fs::read_to_string(&written[n]).unwrap();
            let requests = read(0);
            let changes = requests.lines().map(|line| {
                let change = Request::parse(line).unwrap().change(&shape).unwrap();
                let Some(Change::Batch(ops)) = change else {
                    panic!("{line}");
                };
                ops[0].key.clone()
            });
            assert_eq!(changes.collect::<Vec<_>>(), [b"a".to_vec(), vec![0xff]]);
            let described: Json = serde_json::from_str(&read(1)).unwrap();
            let value = |name: &str| described[name].as_str().unwrap().to_owned();
            assert_eq!(described["changes"], 3);
            assert!(value("own").ends_with("05") && value("missing").ends_with("04"));
            let next = next_step(&written);
            assert!(next.contains("pipe") && next.contains("accum"), "{next}");
        }
        let told = text(&all);
        assert!(told.contains("up to 6 changes of 3 keys, a, "), "{told}");
    }
}
