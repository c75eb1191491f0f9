use std::fs;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Failure;
use crate::{Outcome, print};

pub fn completions(shell: Shell) -> Result<Outcome, Failure> {
    // The generator panics on an output that fails, so it gets one that cannot.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "atomik", &mut text);
    print(String::from_utf8_lossy(&text))?;
    Ok(Outcome::Fine)
}

pub fn man(folder: Option<&Path>) -> Result<Outcome, Failure> {
    let Some(folder) = folder else {
        let mut text = Vec::new();
        clap_mangen::Man::new(Cli::command())
            .render(&mut text)
            .map_err(Failure::Output)?;
        print(String::from_utf8_lossy(&text))?;
        return Ok(Outcome::Fine);
    };
    let failed = |source| Failure::Folder {
        path: folder.into(),
        source,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
    Ok(Outcome::Fine)
}
