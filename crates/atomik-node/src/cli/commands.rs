use std::fs;
use std::path::PathBuf;

use atomik_node::credential::{make_key, make_secret, public_key_text};
use atomik_node::options::EngineKind;
use atomik_node::replica::Proof;
use atomik_terminal::Status;
use clap::{Subcommand, ValueEnum, ValueHint};
use serde_json::json;

use super::answers;
use super::ask::{NodeArgs, print_line};
use super::failure::NodeFailure;
use super::members::{self, InviteArgs, Signer};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a node's key, and print its public key for the list of members
    Keygen {
        /// The file to create, readable only by this user
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: PathBuf,
    },
    /// Create a keyspace's secret, to be copied to every member
    Secret {
        /// The file to create, readable only by this user
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: PathBuf,
    },
    /// Print the value of a key
    Get {
        #[command(flatten)]
        node: NodeArgs,
        /// The key, as text or as 0x and hex digits
        key: String,
    },
    /// Replace the value of a key (raw, cell)
    Put {
        #[command(flatten)]
        node: NodeArgs,
        /// The key
        key: String,
        /// The value: 0x and hex digits, an integer, or [VALUE,...] with one value per field
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Combine a delta with the value of a key, field by field (raw)
    Accum {
        #[command(flatten)]
        node: NodeArgs,
        /// The key
        key: String,
        /// The delta: 0x and hex digits, an integer, or [VALUE,...] with one value per field
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Add to a field of a key, in a keyspace whose --layout has fields that add (raw)
    Add {
        #[command(flatten)]
        node: NodeArgs,
        /// The key
        key: String,
        /// An integer, also a negative one; FIELD=N if several fields add, counted from 1; or
        /// [VALUE,...] with one value per field
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Toggle a flag (raw, flags)
    Toggle {
        #[command(flatten)]
        node: NodeArgs,
        /// The key
        key: String,
        /// The number of the flag
        flag: usize,
    },
    /// Turn a flag on or off (raw, flags)
    Set {
        #[command(flatten)]
        node: NodeArgs,
        /// The key
        key: String,
        /// The number of the flag
        flag: usize,
        /// The new state
        state: Switch,
    },
    /// Undo a batch of this node; every change prints the number of its batch
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
        /// Print only keys with this prefix
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Print changes, overlaps and refusals as they happen, one JSON object per line
    Watch {
        #[command(flatten)]
        node: NodeArgs,
        /// Print only keys with this prefix
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Print the status of the node
    Status {
        #[command(flatten)]
        node: NodeArgs,
        /// Include a hash over all states, equal for equal states; takes time per key
        #[arg(long)]
        hash: bool,
    },
    /// Check a proof that a member broke the protocol, written by a node to evidence/ in its data
    /// folder. Needs no node and no secret; exits with 1 if it proves nothing
    Verify {
        /// The file
        #[arg(value_name = "EVIDENCE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Print the reachable peers, and when each last agreed with this node
    Peers {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Print the members, and which of them are reachable and agree with this node
    Members {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Add a member, and write the invitation with which it joins
    Invite {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        signer: Signer,
        #[command(flatten)]
        invite: InviteArgs,
    },
    /// Set up a data folder from an invitation; it must have the invited key in DIR/node.key
    Join {
        /// The invitation
        #[arg(value_hint = ValueHint::FilePath)]
        invitation: PathBuf,
        /// The data folder
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data: PathBuf,
        /// The engine that connects the members [default: that of the member that invites]
        #[arg(long, value_name = "ENGINE")]
        engine: Option<EngineKind>,
    },
    /// Remove a member: the others accept no more changes from it
    Remove {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        signer: Signer,
        /// The name or public key of the member
        member: String,
    },
    /// Replace a member's key
    Rotate {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        signer: Signer,
        /// The name or public key of the member
        old: String,
        /// The new public key, from `atomik-node keygen`
        new: String,
    },
    /// Create checkpoints, and compare with them
    #[command(subcommand)]
    Checkpoint(CheckpointCommand),
    /// Retire this node for good: it accepts no more changes. Keep it running until its peers have
    /// folded it
    Retire {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Send requests from stdin, one JSON object per line, and print the answers
    Pipe {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// For tests: cut off exactly these peers, and inject faults into incoming messages
    #[command(hide = true)]
    Links {
        #[command(flatten)]
        node: NodeArgs,
        /// A peer to cut off; can be repeated; without it all links heal
        #[arg(long, value_name = "PEER")]
        drop: Vec<String>,
        /// As the node's option --faults
        #[arg(long)]
        faults: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum CheckpointCommand {
    /// Print the checkpoints
    List {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Create a checkpoint, and print its number
    Create {
        #[command(flatten)]
        node: NodeArgs,
        /// The name
        name: String,
    },
    /// Delete a checkpoint
    Drop {
        #[command(flatten)]
        node: NodeArgs,
        /// The number
        checkpoint: u32,
    },
    /// Print the change of a key between two checkpoints
    Diff {
        #[command(flatten)]
        node: NodeArgs,
        /// The number of one checkpoint
        first: u32,
        /// The number of the other
        second: u32,
        /// The key
        key: String,
    },
    /// Print every key that has changed since a checkpoint, with the change since
    Export {
        #[command(flatten)]
        node: NodeArgs,
        /// The number
        checkpoint: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    On,
    Off,
}

impl Command {
    pub(super) fn run(self) -> Result<Status, NodeFailure> {
        match self {
            Self::Keygen { out } => {
                print_line(&public_key_text(&make_key(&out)?))?;
                Ok(Status::Done)
            }
            Self::Secret { out } => {
                make_secret(&out)?;
                Ok(Status::Done)
            }
            Self::Get { node, key } => node.ask(json!({"op": "get", "key": key}), |answer| {
                answers::value(answer, "value")
            }),
            Self::Put { node, key, value } => {
                let request = json!({"op": "put", "key": key, "value": value});
                node.ask(request, answers::batch)
            }
            Self::Accum { node, key, value } => {
                let request = json!({"op": "accum", "key": key, "value": value});
                node.ask(request, answers::batch)
            }
            Self::Add { node, key, value } => {
                let request = json!({"op": "add", "key": key, "value": value});
                node.ask(request, answers::batch)
            }
            Self::Toggle { node, key, flag } => {
                let request = json!({"op": "toggle", "key": key, "flag": flag});
                node.ask(request, answers::batch)
            }
            Self::Set {
                node,
                key,
                flag,
                state,
            } => {
                let on = state == Switch::On;
                let request = json!({"op": "set", "key": key, "flag": flag, "on": on});
                node.ask(request, answers::batch)
            }
            Self::Undo { node, batch } => {
                node.ask(json!({"op": "undo", "batch": batch}), answers::batch)
            }
            Self::List { node, prefix } => {
                node.pages(json!({"op": "list", "prefix": prefix}), "value")
            }
            Self::Watch { node, prefix } => node.watch(&prefix),
            Self::Status { node, hash } => {
                node.ask(json!({"op": "status", "hash": hash}), answers::status)
            }
            Self::Verify { file } => verify(file),
            Self::Peers { node } => node.ask(json!({"op": "peers"}), answers::peers),
            Self::Members { node } => members::list(&node),
            Self::Invite {
                node,
                signer,
                invite,
            } => members::invite(&node, &signer, invite),
            Self::Join {
                invitation,
                data,
                engine,
            } => members::join(&invitation, &data, engine),
            Self::Remove {
                node,
                signer,
                member,
            } => members::remove(&node, &signer, &member),
            Self::Rotate {
                node,
                signer,
                old,
                new,
            } => members::rotate(&node, &signer, &old, &new),
            Self::Checkpoint(command) => command.run(),
            Self::Retire { node } => members::retire(&node),
            Self::Pipe { node } => node.pipe(),
            Self::Links { node, drop, faults } => {
                let request = json!({"op": "links", "drop": drop, "faults": faults});
                node.ask(request, |_| String::new())
            }
        }
    }
}

fn verify(file: PathBuf) -> Result<Status, NodeFailure> {
    let failed = |source| NodeFailure::Proof {
        file: file.clone(),
        source,
    };
    let bytes = fs::read(&file).map_err(|source| NodeFailure::Read {
        file: file.clone(),
        source,
    })?;
    let verdict = Proof::decode(&bytes)
        .and_then(|proof| proof.verify())
        .map_err(failed)?;
    print_line(&verdict.to_string())?;
    Ok(Status::Done)
}

impl CheckpointCommand {
    fn run(self) -> Result<Status, NodeFailure> {
        match self {
            Self::List { node } => node.ask(json!({"op": "checkpoints"}), answers::checkpoints),
            Self::Create { node, name } => {
                let request = json!({"op": "checkpoint", "name": name});
                node.ask(request, |answer| answer["checkpoint"].to_string())
            }
            Self::Drop { node, checkpoint } => {
                let request = json!({"op": "drop_checkpoint", "checkpoint": checkpoint});
                node.ask(request, |_| String::new())
            }
            Self::Diff {
                node,
                first,
                second,
                key,
            } => {
                let request = json!({"op": "diff", "first": first, "second": second, "key": key});
                node.ask(request, |answer| answers::value(answer, "delta"))
            }
            Self::Export { node, checkpoint } => {
                node.pages(json!({"op": "export", "checkpoint": checkpoint}), "delta")
            }
        }
    }
}
