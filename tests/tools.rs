//! Runs the tools that check Verilog, each time in a folder of its own.

use atomik_tools::{Search, Tool, ToolKind};
use std::fs;
use tempfile::TempDir;

/// The tool; without it the test fails with the remedy, so that no check is skipped in silence.
pub fn tool(kind: ToolKind) -> Tool {
    match Search::from_env().find(kind) {
        Ok(tool) => tool,
        Err(error) => panic!("this test needs it: {error}"),
    }
}

/// Runs `tool` with `arguments` in a folder that holds `files`, each a name and a text. `Err` is
/// what it printed, and wrote to [`LOG`], when it ended badly.
///
/// The arguments name files relative to that folder: the WebAssembly build of Yosys has a `/tmp` of
/// its own.
pub fn run(tool: &Tool, arguments: &[&str], files: &[(String, &str)]) -> Result<(), String> {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut command = tool.command();
    let output = command
        .current_dir(folder.path())
        .args(arguments)
        .output()
        .unwrap();
    if output.status.success() {
        return Ok(());
    }
    let log = fs::read(folder.path().join(LOG)).unwrap_or_default();
    let printed = [output.stdout, output.stderr, log].concat();
    Err(String::from_utf8_lossy(&printed).into_owned())
}

/// Where a tool may leave what is too much, or not safe, to print.
const LOG: &str = "tool.log";

/// Runs a Yosys script over `files`. A warning is an error.
pub fn yosys(script: &str, files: &[(String, &str)]) -> Result<(), String> {
    // Yosys ends without flushing what it printed when an assertion fails; its log is whole.
    let arguments = ["-q", "-l", LOG, "-e", ".*", "-p", script];
    run(&tool(ToolKind::Yosys), &arguments, files)
}
