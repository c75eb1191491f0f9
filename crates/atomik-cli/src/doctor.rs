//! `atomik doctor`: which tools and programs are found.

use std::fmt::Write as _;

use atomik_terminal::{Status, Table, print, text_table};
use atomik_tools::{Search, Tool, ToolError, ToolKind, cache_dir, project_root, tools_dir};

use crate::companion::Companion;
use crate::error::CommandError;
use crate::program::ATOMIK;

const EXAMPLES: &str = "\
Status 3: a tool is missing; tools that only `atomik fpga` needs do not count.

Examples:
  atomik doctor";

/// Show which tools are found, and what is missing
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

pub fn run(Args {}: &Args) -> Result<Status, CommandError> {
    let search = Search::from_env();
    let (tools, missing) = tool_table("tool", search.report(&ToolKind::ALL), |_| "none".into());
    let (fpga_tools, missing_for_fpga) = tool_table(
        "for FPGAs",
        search.report(&ToolKind::FPGA),
        |error| match error {
            ToolError::Missing { .. } => "not found".to_owned(),
            ToolError::TooOld {
                version, minimum, ..
            } => format!("{version} is too old, the minimum is {minimum}"),
            ToolError::Broken { .. } => "does not run".to_owned(),
        },
    );
    let (solvers, _) = tool_table("for proofs", search.report(&ToolKind::SOLVERS), |_| {
        "not found; `sh scripts/setup.sh solver abc` installs it".into()
    });
    let mut text = format!("{tools}\n\n{fpga_tools}\n");
    if !missing_for_fpga.is_empty() {
        text += "Only `atomik fpga` needs what is missing; `make setup-fpga` installs it.\n";
    }
    let _ = writeln!(text, "\n{solvers}\n");
    for companion in Companion::ALL {
        let place = companion.find().map_or_else(
            || {
                let (target, subcommand) = (companion.target(), companion.subcommand());
                format!("not found; `{target}` builds it for `{subcommand}`")
            },
            |path| path.display().to_string(),
        );
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {place}", companion.program());
    }
    let root = project_root().map_or("none".into(), |root| root.display().to_string());
    let tools = tools_dir().map_or("none".into(), |tools| tools.display().to_string());
    let _ = writeln!(text, "project: {root}");
    let _ = writeln!(text, "installed tools: {tools}");
    let _ = writeln!(text, "compiled models: {}", cache_dir().display());
    print(text)?;
    for error in &missing {
        ATOMIK.message(error);
    }
    Ok(if missing.is_empty() {
        Status::Done
    } else {
        Status::Broken
    })
}

/// The tools that were searched for, and the errors of those that cannot be used. `reason` is
/// shown in the place of a version.
fn tool_table(
    heading: &str,
    report: impl IntoIterator<Item = (ToolKind, Result<Tool, ToolError>)>,
    reason: impl Fn(&ToolError) -> String,
) -> (Table, Vec<ToolError>) {
    let mut table = text_table(&[heading, "for", "found", "where", "path"]);
    let mut missing = Vec::new();
    for (kind, found) in report {
        let [version, origin, path] = match found {
            Ok(tool) => [
                tool.version_text,
                tool.origin.to_string(),
                tool.path.display().to_string(),
            ],
            Err(error) => {
                let reason = reason(&error);
                missing.push(error);
                [reason, "-".into(), "-".into()]
            }
        };
        let [name, purpose] = [kind.name(), kind.purpose()].map(str::to_owned);
        table.add_row([name, purpose, version, origin, path]);
    }
    (table, missing)
}
