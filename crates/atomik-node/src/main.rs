//! The `atomik-node` command: runs a node, or asks one.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use atomik_node::client::{Address, Client, ClientError};
use atomik_node::credential::{CredentialError, key_text, make_key, make_secret};
use atomik_node::options::{LogFormat, Options, OptionsError};
use atomik_node::serve::{ServeError, serve, socket};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use serde_json::{Value as Json, json};
use thiserror::Error;
use tracing_subscriber::EnvFilter;

const EXAMPLES: &str = "\
Every option may also stand in a file of TOML, with underscores, and is given there once for all:
  keyspace = \"demo\"
  data = \"/var/lib/atomik\"
  engine = \"zenoh\"
  connect = [\"tcp/192.0.2.1:7447\"]
  [[member]]
  name = \"one\"
  key = \"<what `atomik-node keygen` printed>\"
Beside them the tables [zenoh] and [nats] hold what only these engines know. Paths in the file are
relative to its folder.

SIGTERM and SIGINT stop a node: it takes no more changes, makes everything durable, sends it, and
ends with status 0.

Examples:
  atomik-node keygen -o one/node.key
  atomik-node secret -o one/keyspace.secret
  atomik-node --keyspace demo --data one --engine none --member one=KEY
  atomik-node --config node.toml --http 127.0.0.1:9464
  atomik-node put greeting 0x68656c6c6f --data one

Exit status:
  0    fine
  1    a check failed: of what was asked with `pipe`, something was refused
  2    bad input or use
  3    the system, the store or the network failed, or no node answered";

/// Run a replica of a keyspace, or ask one that runs
#[derive(Debug, Parser)]
#[command(name = "atomik-node", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Args, Debug)]
struct RunArgs {
    /// A file with options, in TOML; those of the command line win
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Go on as a new origin: needed once after the data folder was restored from a copy
    #[arg(long)]
    new_identity: bool,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a node's key, and print its public half for the list of members
    Keygen {
        /// The file to write; only this user may read it
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: PathBuf,
    },
    /// Make a keyspace's secret, to be copied to every member
    Secret {
        /// The file to write; only this user may read it
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: PathBuf,
    },
    /// Print the value of a key
    Get {
        #[command(flatten)]
        node: NodeArgs,
        /// The key, as text or 0x and hex digits
        key: String,
    },
    /// Replace the value of a key (raw, cell)
    Put {
        #[command(flatten)]
        node: NodeArgs,
        /// The key
        key: String,
        /// The value, 0x and hex digits or an integer
        value: String,
    },
    /// Xor a delta into a key (raw)
    Accum {
        #[command(flatten)]
        node: NodeArgs,
        /// The key
        key: String,
        /// The delta, 0x and hex digits or an integer
        value: String,
    },
    /// Turn a flag over (raw, flags)
    Toggle {
        #[command(flatten)]
        node: NodeArgs,
        /// The key
        key: String,
        /// The number of the flag
        flag: usize,
    },
    /// Turn a flag over if it is not as wanted (raw, flags)
    Set {
        #[command(flatten)]
        node: NodeArgs,
        /// The key
        key: String,
        /// The number of the flag
        flag: usize,
        /// How it is wanted
        state: Switch,
    },
    /// Take a batch of this node back; every change prints the number of its batch
    Undo {
        #[command(flatten)]
        node: NodeArgs,
        /// The number of the batch
        batch: u64,
    },
    /// Print all keys and values
    List {
        #[command(flatten)]
        node: NodeArgs,
        /// Only keys that begin so
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Print changes, overlaps and refusals as they happen, one JSON object a line
    Watch {
        #[command(flatten)]
        node: NodeArgs,
        /// Only keys that begin so
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Print how the node does
    Status {
        #[command(flatten)]
        node: NodeArgs,
        /// With a hash over all states: equal for equal states, in time proportional to the keys
        #[arg(long)]
        hash: bool,
    },
    /// Print the peers that can be reached, and when they agreed last
    Peers {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Remember states, and compare with them
    #[command(subcommand)]
    Checkpoint(CheckpointCommand),
    /// Leave for good: no more changes here. Keep the node running until its peers have folded it
    Retire {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Pass requests from the standard input on, one JSON object a line, and print the answers
    Pipe {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// For tests: cut off just these peers, and treat incoming messages so
    #[command(hide = true)]
    Links {
        #[command(flatten)]
        node: NodeArgs,
        /// A peer that is cut off; again for more; none at all heals
        #[arg(long, value_name = "PEER")]
        drop: Vec<String>,
        /// As --faults of the node
        #[arg(long)]
        faults: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum CheckpointCommand {
    /// Print the checkpoints
    List {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Make one, and print its number
    Create {
        #[command(flatten)]
        node: NodeArgs,
        /// What it is called
        name: String,
    },
    /// Forget one
    Drop {
        #[command(flatten)]
        node: NodeArgs,
        /// Its number
        checkpoint: u32,
    },
    /// Print what changed in a key between two
    Diff {
        #[command(flatten)]
        node: NodeArgs,
        /// The number of one
        first: u32,
        /// The number of the other
        second: u32,
        /// The key
        key: String,
    },
    /// Print every key that has changed since one, with the xor of both states
    Export {
        #[command(flatten)]
        node: NodeArgs,
        /// Its number
        checkpoint: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// Which node is asked, and how it is told.
#[derive(Args, Debug)]
struct NodeArgs {
    /// The node's data folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, required_unless_present = "control")]
    data: Option<PathBuf>,
    /// Where the node is controlled over TCP
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "data")]
    control: Option<SocketAddr>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

impl NodeArgs {
    fn connect(&self, patience: bool) -> Result<Client, Failure> {
        let place = match (&self.control, &self.data) {
            (Some(address), _) => Address::Tcp(*address),
            (None, Some(data)) => Address::Socket(socket(data)),
            (None, None) => Address::Socket(socket(std::path::Path::new(""))),
        };
        let patience = patience.then(|| Duration::from_secs(self.timeout));
        Ok(Client::connect(place, patience)?)
    }

    fn ask(&self, request: Json, show: impl FnOnce(&Json) -> String) -> Result<(), Failure> {
        let answer = self.connect(true)?.ask(&request)?;
        let text = if self.json {
            answer.to_string()
        } else {
            show(&answer)
        };
        print(text)
    }

    fn pages(&self, request: Json, value: &str) -> Result<(), Failure> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        self.connect(true)?.pages(request, |entry| {
            if self.json {
                writeln!(out, "{entry}")
            } else {
                writeln!(out, "{} {}", text(&entry["key"]), text(&entry[value]))
            }
        })?;
        out.flush()
            .map_err(|source| ClientError::Output(source).into())
    }
}

/// Why the command ended early.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Options(#[from] OptionsError),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("log = {filter}: {reason}; write for example info, or info,atomik_node=debug")]
    Log { filter: String, reason: String },
    #[error("something was refused: see its line above")]
    SomeRefused,
}

impl Failure {
    /// The exit status, as the help documents it.
    fn status(&self) -> u8 {
        match self {
            Self::SomeRefused => 1,
            Self::Options(_) | Self::Log { .. } => 2,
            Self::Client(ClientError::Refused(_) | ClientError::Input(_)) => 2,
            Self::Credential(CredentialError::Io { .. } | CredentialError::Random(_)) => 3,
            Self::Credential(_) => 2,
            Self::Serve(error) => serve_status(error),
            Self::Client(_) => 3,
        }
    }

    fn is_closed_output(&self) -> bool {
        matches!(self, Self::Client(ClientError::Output(source)) if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

fn serve_status(error: &ServeError) -> u8 {
    use atomik_node::node::LoadError;
    use atomik_node::replica::OpenError;
    match error {
        ServeError::Load(LoadError::Replica(OpenError::Config(_) | OpenError::Keyspace { .. }))
        | ServeError::Engine(atomik_net::OpenError::Option { .. }) => 2,
        _ => 3,
    }
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever closed our output has seen enough.
        Err(failure) if failure.is_closed_output() => ExitCode::SUCCESS,
        Err(failure) => {
            // There is nobody left to tell when that fails.
            let _ = writeln!(io::stderr(), "atomik-node: {failure}");
            ExitCode::from(failure.status())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        None => run_node(cli.run),
        Some(command) => run_command(command),
    }
}

fn run_node(args: RunArgs) -> Result<(), Failure> {
    let file = match &args.config {
        Some(path) => Options::read(path)?,
        None => Options::default(),
    };
    let options = args.options.or(file);
    start_log(&options)?;
    Ok(serve(options.settle()?, args.new_identity)?)
}

fn start_log(options: &Options) -> Result<(), Failure> {
    let filter = options
        .log
        .as_deref()
        .unwrap_or("info,zenoh=warn,async_nats=warn");
    let filter = EnvFilter::try_new(filter).map_err(|error| Failure::Log {
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

fn run_command(command: Command) -> Result<(), Failure> {
    match command {
        Command::Keygen { out } => print(key_text(&make_key(&out)?)),
        Command::Secret { out } => Ok(make_secret(&out)?),
        Command::Get { node, key } => node.ask(json!({"op": "get", "key": key}), |answer| {
            text(&answer["value"])
        }),
        Command::Put { node, key, value } => {
            node.ask(json!({"op": "put", "key": key, "value": value}), batch)
        }
        Command::Accum { node, key, value } => {
            node.ask(json!({"op": "accum", "key": key, "value": value}), batch)
        }
        Command::Toggle { node, key, flag } => {
            node.ask(json!({"op": "toggle", "key": key, "flag": flag}), batch)
        }
        Command::Set {
            node,
            key,
            flag,
            state,
        } => {
            let on = state == Switch::On;
            node.ask(
                json!({"op": "set", "key": key, "flag": flag, "on": on}),
                batch,
            )
        }
        Command::Undo {
            node,
            batch: number,
        } => node.ask(json!({"op": "undo", "batch": number}), batch),
        Command::List { node, prefix } => {
            node.pages(json!({"op": "list", "prefix": prefix}), "value")
        }
        Command::Watch { node, prefix } => watch(&node, &prefix),
        Command::Status { node, hash } => node
            .ask(json!({"op": "status", "hash": hash}), |answer| {
                table(&answer["status"])
            }),
        Command::Peers { node } => node.ask(json!({"op": "peers"}), peers),
        Command::Checkpoint(command) => run_checkpoint(command),
        Command::Retire { node } => node.ask(json!({"op": "retire"}), |_| {
            "retired: keep the node running until the log of a peer says that it was folded"
                .to_owned()
        }),
        Command::Pipe { node } => {
            let fine = node.connect(true)?.pipe()?;
            if fine {
                Ok(())
            } else {
                Err(Failure::SomeRefused)
            }
        }
        Command::Links { node, drop, faults } => node.ask(
            json!({"op": "links", "drop": drop, "faults": faults}),
            |_| String::new(),
        ),
    }
}

fn run_checkpoint(command: CheckpointCommand) -> Result<(), Failure> {
    match command {
        CheckpointCommand::List { node } => node.ask(json!({"op": "checkpoints"}), |answer| {
            lines(&answer["checkpoints"], |one| {
                format!("{} {}", one["checkpoint"], text(&one["name"]))
            })
        }),
        CheckpointCommand::Create { node, name } => node
            .ask(json!({"op": "checkpoint", "name": name}), |answer| {
                answer["checkpoint"].to_string()
            }),
        CheckpointCommand::Drop { node, checkpoint } => node.ask(
            json!({"op": "drop_checkpoint", "checkpoint": checkpoint}),
            |_| String::new(),
        ),
        CheckpointCommand::Diff {
            node,
            first,
            second,
            key,
        } => {
            let request = json!({"op": "diff", "first": first, "second": second, "key": key});
            node.ask(request, |answer| text(&answer["delta"]))
        }
        CheckpointCommand::Export { node, checkpoint } => {
            node.pages(json!({"op": "export", "checkpoint": checkpoint}), "delta")
        }
    }
}

fn watch(node: &NodeArgs, prefix: &str) -> Result<(), Failure> {
    let mut client = node.connect(false)?;
    client.ask(&json!({"op": "watch", "prefix": prefix}))?;
    while let Some(line) = client.line()? {
        print(line.to_string())?;
    }
    Ok(())
}

/// A text of JSON without its quotes; other values as they are.
fn text(value: &Json) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn batch(answer: &Json) -> String {
    match &answer["batch"] {
        Json::Null => "unchanged".to_owned(),
        number => format!("batch {number}"),
    }
}

fn lines(list: &Json, line: impl FnMut(&Json) -> String) -> String {
    let all: Vec<String> = list.as_array().into_iter().flatten().map(line).collect();
    all.join("\n")
}

fn peers(answer: &Json) -> String {
    lines(&answer["peers"], |peer| {
        let agreed = match &peer["in_sync_s"] {
            Json::Null => "never".to_owned(),
            seconds => format!("{seconds} s ago"),
        };
        format!(
            "{} {}  up {} s, heard {} s ago, agreed {agreed}",
            text(&peer["peer"]),
            peer["member"].as_str().unwrap_or("?"),
            peer["up_s"],
            peer["heard_s"]
        )
    })
}

fn table(status: &Json) -> String {
    let fields = status.as_object().into_iter().flatten();
    let plain = fields.filter(|(_, value)| !value.is_array());
    let mut text_lines: Vec<String> = plain
        .map(|(name, value)| format!("{name:14} {}", text(value)))
        .collect();
    text_lines.push(lines(&status["origins"], |origin| {
        let marks = ["quarantined", "retiring", "folded"]
            .into_iter()
            .filter(|mark| origin[*mark] == true);
        let marks: Vec<&str> = marks.collect();
        format!(
            "origin         {} {} frame {} {}",
            text(&origin["origin"]),
            origin["member"].as_str().unwrap_or("?"),
            origin["frame"],
            marks.join(" ")
        )
    }));
    text_lines.push(lines(&status["events"], |event| {
        format!("event          {} {}", event["time"], text(&event["text"]))
    }));
    text_lines.retain(|line| !line.is_empty());
    text_lines.join("\n")
}

/// Prints a line; nothing if there is nothing to say.
fn print(line: String) -> Result<(), Failure> {
    if line.is_empty() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    let printed = writeln!(out, "{}", line.trim_end()).and_then(|()| out.flush());
    printed.map_err(|source| ClientError::Output(source).into())
}
