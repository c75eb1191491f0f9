//! `atomik eval generate`.

use super::{Failure, Outcome};

#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: &Args) -> Result<Outcome, Failure> {
    Ok(Outcome::Fine)
}
