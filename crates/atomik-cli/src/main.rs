//! The program `atomik`; the library of this crate has the commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(atomik_cli::run_from(std::env::args_os()))
}
