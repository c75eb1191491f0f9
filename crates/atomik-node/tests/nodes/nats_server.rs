//! A NATS server for the tests.
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::Scoped;

/// Starts a server at an address, prefixed by the command `by`. Returns `None` and prints why if
/// none is installed.
pub fn start(by: &[&str], address: &str, port: u16) -> Option<Scoped> {
    // Debian installs it in a folder that is only on root's PATH.
    let places = [
        "/usr/sbin/nats-server",
        "/usr/bin/nats-server",
        "/usr/local/bin/nats-server",
    ];
    let Some(program) = places.into_iter().find(|file| Path::new(file).is_file()) else {
        assert!(std::env::var_os("CI").is_none(), "CI must have nats-server");
        eprintln!("skipped: nats-server is not installed (Debian's package nats-server has it)");
        return None;
    };
    let words = [by, &[program]].concat();
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .args(["-a", address, "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Some(Scoped(command.spawn().unwrap()))
}
