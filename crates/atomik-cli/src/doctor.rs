use std::fmt::Write as _;

use atomik_tools::{Search, ToolError, ToolKind, cache_dir, project_root};

use comfy_table::Table;

use crate::companion::Companion;
use crate::failure::Failure;
use crate::table::table;
use crate::{Outcome, print, say};

pub fn run() -> Result<Outcome, Failure> {
    let mut tools = table(&["tool", "for", "found", "where", "path"], usize::MAX);
    let mut missing = Vec::new();
    let search = Search::from_env();
    for (kind, found) in search.report(&ToolKind::ALL) {
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
    let (fpga_tools, all_there) = fpga_tools(&search);
    let mut text = format!("{tools}\n\n{fpga_tools}\n");
    if !all_there {
        text += "What is not there is for `atomik fpga` alone; `make setup-fpga` installs it below .tools.\n";
    }
    text.push('\n');
    for companion in Companion::ALL {
        let place = companion.find().map_or_else(
            || {
                let (target, subcommand) = (companion.target(), companion.subcommand());
                format!("none; `{target}` builds what `{subcommand}` runs")
            },
            |path| path.display().to_string(),
        );
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {place}", companion.program());
    }
    let root = project_root().map_or("none".into(), |root| root.display().to_string());
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

/// What there is for the FPGA flow, and whether that is all.
fn fpga_tools(search: &Search) -> (Table, bool) {
    let mut tools = table(&["for FPGAs", "for", "found", "where", "path"], usize::MAX);
    let mut all_there = true;
    for (kind, found) in search.report(&ToolKind::FPGA) {
        let row = match found {
            Ok(tool) => [
                tool.version_text,
                tool.origin.to_string(),
                tool.path.display().to_string(),
            ],
            Err(error) => {
                all_there = false;
                let reason = match error {
                    ToolError::Missing { .. } => "not there".to_owned(),
                    ToolError::TooOld {
                        version, minimum, ..
                    } => format!("{version} is too old, {minimum} is wanted"),
                    ToolError::Broken { .. } => "does not run".to_owned(),
                };
                [reason, "-".into(), "-".into()]
            }
        };
        let [version, origin, path] = row;
        let [name, purpose] = [kind.name(), kind.purpose()].map(str::to_owned);
        tools.add_row([name, purpose, version, origin, path]);
    }
    (tools, all_there)
}
