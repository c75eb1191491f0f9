//! External tools for the tests, run in temporary folders.

use atomik_sim::verilate::Builder;
use atomik_tools::{Search, Tool, ToolKind};
use std::fs;
use tempfile::TempDir;

/// The tool. If it is missing the test fails and says how to install it, so that no check is
/// skipped silently.
pub fn tool(kind: ToolKind) -> Tool {
    match Search::from_env().find(kind) {
        Ok(tool) => tool,
        Err(error) => panic!("this test needs it: {error}"),
    }
}

/// The builder of models. If a tool is missing the test fails and says how to install it.
pub fn builder() -> Builder {
    Builder::from_env().unwrap_or_else(|error| panic!("this test needs it: {error}"))
}

/// Runs `tool` with `arguments` in a temporary folder with `files`, each a name and a text. If it
/// fails, the error is its output and the contents of [`LOG`].
///
/// Arguments must name files relative to the folder, because the WebAssembly build of Yosys has its
/// own `/tmp`.
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

/// The log file of a tool, if it writes one.
const LOG: &str = "tool.log";

/// Runs a Yosys script over `files`. A warning is an error.
pub fn yosys(script: &str, files: &[(String, &str)]) -> Result<(), String> {
    // When an assertion fails, Yosys ends without flushing its output, but its log is complete.
    let arguments = ["-q", "-l", LOG, "-e", ".*", "-p", script];
    run(&tool(ToolKind::Yosys), &arguments, files)
}
