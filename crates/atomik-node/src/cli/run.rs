use std::io::{self, IsTerminal as _};

use atomik_node::options::{LogFormat, Options};
use atomik_node::serve::serve;
use atomik_node::settings::Settings;
use atomik_node_options::RunArgs;
use atomik_terminal::Status;
use tracing_subscriber::EnvFilter;

use super::failure::NodeFailure;

/// Runs a node until it is stopped.
pub(super) fn run(args: RunArgs) -> Result<Status, NodeFailure> {
    let file = match &args.config {
        Some(path) => Options::read(path)?,
        None => Options::default(),
    };
    let options = args.options.or(file);
    start_log(&options)?;
    serve(Settings::new(options)?, args.new_identity)?;
    Ok(Status::Done)
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
