//! Replicas run in a program of their own, `atomik-node`: its engines take many minutes to compile, and nothing else here needs them.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::Outcome;
use crate::failure::Failure;

/// The program's name.
const PROGRAM: &str = "atomik-node";

/// Becomes `atomik-node` with these arguments; returns only if it cannot.
pub fn run(args: &[OsString]) -> Result<Outcome, Failure> {
    let path = find().ok_or(Failure::NoNode)?;
    let source = Command::new(&path).args(args).exec();
    Err(Failure::Node { path, source })
}

/// Where the program is: beside this one, or on `PATH`.
pub fn find() -> Option<PathBuf> {
    // Without knowing where this one is, PATH is all there is.
    let beside = env::current_exe()
        .ok()
        .and_then(|this| Some(this.parent()?.to_owned()));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = beside.into_iter().chain(env::split_paths(&path));
    folders
        .map(|folder| folder.join(PROGRAM))
        .find(|file| file.is_file())
}
