use std::fmt::Write as _;

use atomik_sim::tools::{Search, project_root};
use atomik_sim::verilate::cache_dir;

use crate::failure::Failure;
use crate::table::table;
use crate::{Outcome, print, say};

pub fn run() -> Result<Outcome, Failure> {
    let mut tools = table(&["tool", "for", "found", "where", "path"], usize::MAX);
    let mut missing = Vec::new();
    for (kind, found) in Search::from_env().report() {
        let row = match found {
            Ok(tool) => [
                tool.version_text,
                tool.origin.to_string(),
                tool.path.display().to_string(),
            ],
            Err(error) => {
                missing.push(error);
                ["none".into(), "-".into(), "-".into()]
            }
        };
        let [version, origin, path] = row;
        tools.add_row([
            kind.name().to_owned(),
            kind.purpose().to_owned(),
            version,
            origin,
            path,
        ]);
    }
    let mut text = format!("{tools}\n\n");
    let root = project_root().map_or("none".into(), |root| root.display().to_string());
    // Writing to a string cannot fail.
    let _ = writeln!(text, "project: {root}");
    let _ = writeln!(text, "compiled models: {}", cache_dir().display());
    print(text)?;
    for error in &missing {
        say(error);
    }
    Ok(if missing.is_empty() {
        Outcome::Fine
    } else {
        Outcome::ToolFailed
    })
}
