use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use atomik_node::options::{LogFormat, Options};
use atomik_node::serve::serve;
use atomik_node::settings::Settings;
use atomik_terminal::Status;
use clap::{Args, ValueHint};
use tracing_subscriber::EnvFilter;

use super::failure::NodeFailure;

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// Config file with options, in TOML; the command line takes precedence
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Continue as a new origin: required once after restoring the data folder from a copy
    #[arg(long)]
    new_identity: bool,
    #[command(flatten)]
    options: Options,
}

impl RunArgs {
    /// Runs a node until it is stopped.
    pub(super) fn run(self) -> Result<Status, NodeFailure> {
        let file = match &self.config {
            Some(path) => Options::read(path)?,
            None => Options::default(),
        };
        let options = self.options.or(file);
        start_log(&options)?;
        serve(Settings::new(options)?, self.new_identity)?;
        Ok(Status::Done)
    }
}

fn start_log(options: &Options) -> Result<(), NodeFailure> {
    let filter = options.log.as_deref();
    let filter = filter.unwrap_or("info,zenoh=warn,async_nats=warn");
    let filter = EnvFilter::try_new(filter).map_err(|error| NodeFailure::Log {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match options.log_format.unwrap_or_default() {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}
