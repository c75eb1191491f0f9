//! Starts a program to learn its version and whether it is the tool it should be.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::kind::{Check, ToolKind};
use crate::tool::{Origin, Tool, ToolError};
use crate::version::Version;

/// Checks the program at `path`: it must run, be new enough, and for Verilator have its run-time
/// library.
///
/// # Errors
/// [`ToolError::Broken`] when it does not run or prints something unexpected,
/// [`ToolError::TooOld`] when it is older than [`ToolKind::minimum`].
pub fn probe(
    kind: ToolKind,
    path: &Path,
    args: Vec<OsString>,
    origin: Origin,
) -> Result<Tool, ToolError> {
    let broken = |reason: String| ToolError::Broken {
        kind,
        path: path.to_path_buf(),
        reason,
    };
    let mut tool = Tool {
        kind,
        path: path.to_path_buf(),
        args,
        version: Version::new(0, 0),
        version_text: String::new(),
        origin,
        env: Vec::new(),
        include: None,
    };
    if kind == ToolKind::Verilator {
        tool.path = verilator_program(path);
        let root = verilator_root(&tool)
            .ok_or_else(|| broken("its run-time library is missing".into()))?;
        tool.include = Some(root.join("include"));
        tool.env.push(("VERILATOR_ROOT", root));
    }
    match kind.spec().check {
        Check::Usage(flag) => {
            check_usage(&tool, flag).map_err(broken)?;
            tool.version_text = format!("{kind} (it says no version)");
            Ok(tool)
        }
        Check::Version(flag) => {
            read_version(&mut tool, flag).map_err(broken)?;
            match kind.minimum() {
                Some(minimum) if tool.version < minimum => Err(ToolError::TooOld {
                    kind,
                    path: tool.path,
                    version: tool.version,
                    minimum,
                }),
                _ => Ok(tool),
            }
        }
    }
}

/// Whether `path` is a file that can be executed.
#[cfg(unix)]
pub(crate) fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Whether `path` is a file that can be executed.
#[cfg(not(unix))]
pub(crate) fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Fills in the version that the tool prints when it is called with `flag`.
fn read_version(tool: &mut Tool, flag: &str) -> Result<(), String> {
    let printed = output(tool.command().arg(flag))?;
    let line = printed.lines().next().unwrap_or_default();
    tool.version_text = line.trim().to_owned();
    // nextpnr prints a whole sentence.
    if let Some((_, version)) = tool.version_text.split_once("(Version nextpnr-") {
        let program = tool.path.file_name().unwrap_or_default().display();
        tool.version_text = format!("{program} {}", version.trim_end_matches(')'));
    }
    let mut version = Version::first_in(line);
    if let (None, Some(include)) = (version, &tool.include) {
        // A build that is not a release, such as the wheel, prints only its revision; its headers
        // hold the version.
        let header = fs::read_to_string(include.join("verilated_config.h")).unwrap_or_default();
        let line = header
            .lines()
            .find(|line| line.starts_with("#define VERILATOR_VERSION "))
            .unwrap_or_default();
        version = Version::first_in(line);
        if let Some(version) = version {
            tool.version_text = format!("Verilator {version} {}", tool.version_text);
        }
    }
    tool.version = version.ok_or_else(|| format!("`{flag}` prints no version: {printed:?}"))?;
    Ok(())
}

/// Checks that the tool prints its usage when it is called with `flag`, with any exit status.
fn check_usage(tool: &Tool, flag: &str) -> Result<(), String> {
    let output = tool.command().arg(flag).output();
    let output = output.map_err(|error| format!("it does not start: {error}"))?;
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    if !printed.to_lowercase().contains("usage") {
        return Err(format!("`{flag}` prints no usage: {:?}", printed.trim()));
    }
    Ok(())
}

/// The compiled program beside `verilator`. In every installation `verilator` itself is a Perl
/// script, so this removes the need for Perl.
fn verilator_program(path: &Path) -> PathBuf {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if real.file_name().is_some_and(|name| name == "verilator_bin") {
        return real;
    }
    let beside = real.with_file_name("verilator_bin");
    if is_program(&beside) {
        beside
    } else {
        path.to_path_buf()
    }
}

/// The folder that holds `include/verilated.cpp`: the one above the program's (a wheel or a source
/// tree), `share/verilator` in that (an installation), or the one that the program prints.
fn verilator_root(tool: &Tool) -> Option<PathBuf> {
    let above = tool.path.parent().and_then(Path::parent);
    let near = above
        .into_iter()
        .flat_map(|dir| [dir.to_path_buf(), dir.join("share/verilator")]);
    let is_verilator_root = |root: &PathBuf| root.join("include/verilated.cpp").is_file();
    near.into_iter().find(is_verilator_root).or_else(|| {
        let printed = output(tool.command().args(["--getenv", "VERILATOR_ROOT"])).ok()?;
        Some(PathBuf::from(printed.trim())).filter(is_verilator_root)
    })
}

/// What a successful command prints: its stdout, or its stderr when stdout is empty. The error is
/// the reason why the command failed.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such program".to_owned(),
        _ => format!("it does not start: {error}"),
    })?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let status = output.status;
        return Err(format!("it ended with {status}: {}", stderr.trim()));
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    // nextpnr and ecppack print their versions to stderr.
    Ok(if stdout.trim().is_empty() {
        stderr
    } else {
        stdout
    }
    .into_owned())
}
