use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use atomik_node::client::{Address, Client};
use atomik_node::credential::{read_token, token_file};
use atomik_node::socket;
use atomik_node_options::command::NodeArgs;
use atomik_terminal::{OutputError, Status, stdout};
use serde_json::{Value as Json, json};

use super::answers::{self, text};
use super::failure::NodeFailure;

/// What a command does with the node that it talks to.
pub(super) trait Ask {
    /// Connects; without a patience, answers may take for ever.
    fn connect(&self, patience: Option<Duration>) -> Result<Client, NodeFailure>;

    /// Connects, with the patience of the options.
    fn client(&self) -> Result<Client, NodeFailure>;

    /// Sends a request and prints its answer, formatted by `show` unless JSON is wanted.
    fn ask(&self, request: Json, show: impl FnOnce(&Json) -> String)
    -> Result<Status, NodeFailure>;

    /// Prints all entries of a paged request; `value` is the name of their values.
    fn pages(&self, request: Json, value: &str) -> Result<Status, NodeFailure>;

    /// Prints the events of keys with this prefix until the connection ends.
    fn watch(&self, prefix: &str) -> Result<Status, NodeFailure>;

    /// Sends the requests on stdin and prints the answers.
    fn pipe(&self) -> Result<Status, NodeFailure>;
}

impl Ask for NodeArgs {
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

    fn client(&self) -> Result<Client, NodeFailure> {
        self.connect(Some(Duration::from_secs(self.timeout)))
    }

    fn ask(
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

    fn pages(&self, request: Json, value: &str) -> Result<Status, NodeFailure> {
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

    fn watch(&self, prefix: &str) -> Result<Status, NodeFailure> {
        let mut client = self.connect(None)?;
        client.ask(&json!({"op": "watch", "prefix": prefix}))?;
        while let Some(line) = client.line()? {
            print_line(&line.to_string())?;
        }
        Ok(Status::Done)
    }

    fn pipe(&self) -> Result<Status, NodeFailure> {
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
