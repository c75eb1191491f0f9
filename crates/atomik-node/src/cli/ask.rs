use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atomik_node::client::{Address, Client};
use atomik_node::credential::{read_token, token_file};
use atomik_node::socket;
use atomik_terminal::{OutputError, Status, stdout};
use clap::{Args, ValueHint};
use serde_json::{Value as Json, json};

use super::answers::{self, text};
use super::failure::NodeFailure;

/// The node to talk to, and how to print its answer.
#[derive(Args, Debug)]
pub(super) struct NodeArgs {
    /// The node's data folder; with --control, only its file control.token is used
    #[arg(
        long,
        value_name = "DIR",
        value_hint = ValueHint::DirPath,
        required_unless_present = "control"
    )]
    data: Option<PathBuf>,
    /// The node's TCP control address
    #[arg(long, value_name = "ADDRESS:PORT")]
    control: Option<SocketAddr>,
    /// A copy of the file control.token in the node's data folder, for --control
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "control",
        conflicts_with = "data"
    )]
    token: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    /// Seconds to wait for an answer
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "30",
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    timeout: u64,
}

impl NodeArgs {
    fn connect(&self, patience: Option<Duration>) -> Result<Client, NodeFailure> {
        let data = self.data.as_deref();
        let address = match self.control {
            Some(address) => {
                let token = self.token.clone().or_else(|| data.map(token_file));
                let token = read_token(&token.ok_or(NodeFailure::NoToken)?)?;
                Address::Tcp(address, token)
            }
            None => Address::Socket(socket(data.unwrap_or(Path::new("")))),
        };
        Ok(Client::connect(address, patience)?)
    }

    /// The node's data folder, if given.
    pub(super) fn data(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    pub(super) fn client(&self) -> Result<Client, NodeFailure> {
        self.connect(Some(Duration::from_secs(self.timeout)))
    }

    /// Sends a request and prints its answer, formatted by `show` unless JSON is wanted.
    pub(super) fn ask(
        &self,
        request: Json,
        show: impl FnOnce(&Json) -> String,
    ) -> Result<Status, NodeFailure> {
        let answer = self.client()?.ask(&request)?;
        print_line(&if self.json {
            answer.to_string()
        } else {
            show(&answer)
        })?;
        Ok(Status::Done)
    }

    /// Prints all entries of a paged request; `value` is the name of their values.
    pub(super) fn pages(&self, request: Json, value: &str) -> Result<Status, NodeFailure> {
        let mut out = stdout();
        self.client()?.pages(request, |entry| {
            if self.json {
                writeln!(out, "{entry}")
            } else {
                writeln!(
                    out,
                    "{} {}",
                    text(&entry["key"]),
                    answers::value(entry, value)
                )
            }
        })?;
        out.flush().map_err(OutputError::from)?;
        Ok(Status::Done)
    }

    /// Prints the events of keys with this prefix until the connection ends.
    pub(super) fn watch(&self, prefix: &str) -> Result<Status, NodeFailure> {
        let mut client = self.connect(None)?;
        client.ask(&json!({"op": "watch", "prefix": prefix}))?;
        while let Some(line) = client.line()? {
            print_line(&line.to_string())?;
        }
        Ok(Status::Done)
    }

    /// Sends the requests on stdin and prints the answers.
    pub(super) fn pipe(&self) -> Result<Status, NodeFailure> {
        if self.client()?.pipe()? {
            Ok(Status::Done)
        } else {
            Err(NodeFailure::SomeRefused)
        }
    }
}

/// Prints a line without trailing spaces, or nothing if it is empty.
pub(super) fn print_line(line: &str) -> Result<(), OutputError> {
    if line.is_empty() {
        return Ok(());
    }
    atomik_terminal::print(format_args!("{}\n", line.trim_end()))
}
