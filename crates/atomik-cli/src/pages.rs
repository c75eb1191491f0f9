use std::fs;
use std::io::Write as _;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Failure;
use crate::{Outcome, stdout};

pub fn completions(shell: Shell) -> Result<Outcome, Failure> {
    // The generator panics on an output that fails, so it gets one that cannot.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "atomik", &mut text);
    print(&text)
}

pub fn man(folder: Option<&Path>) -> Result<Outcome, Failure> {
    let Some(folder) = folder else {
        let mut text = Vec::new();
        clap_mangen::Man::new(Cli::command())
            .render(&mut text)
            .map_err(Failure::Output)?;
        return print(&text);
    };
    let failed = |source| Failure::Folder {
        path: folder.into(),
        source,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
    Ok(Outcome::Fine)
}

fn print(text: &[u8]) -> Result<Outcome, Failure> {
    let mut out = stdout();
    out.write_all(text).map_err(Failure::Output)?;
    out.flush().map_err(Failure::Output)?;
    Ok(Outcome::Fine)
}
