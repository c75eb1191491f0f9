//! The commands, and their options.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use crate::member::Member;
use crate::options::EngineKind;

const INVITE: &str = "\
Examples:
  atomik node invite three=KEY --data one --sign-with admin.key --out invitation
  atomik node invite three=KEY --data one --sign-with admin.key --connect tcp/192.0.2.1:7447";

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Create a node's key, and print its public key for the list of members
    #[command(after_help = "Examples:\n  atomik node keygen -o one/node.key")]
    Keygen {
        /// The file to create, readable only by this user
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: PathBuf,
    },
    /// Create a keyspace's secret, to be copied to every member
    #[command(after_help = "Examples:\n  atomik node secret -o one/keyspace.secret")]
    Secret {
        /// The file to create, readable only by this user
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: PathBuf,
    },
    /// Print the value of a key
    #[command(after_help = "Examples:\n  atomik node get greeting --data one")]
    Get {
        #[command(flatten)]
        node: NodeArgs,
        /// The key, as text or as 0x and hex digits
        key: String,
    },
    /// Replace the value of a key (raw, cell)
    #[command(after_help = "Examples:\n  atomik node put greeting 0x68656c6c6f --data one")]
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
    #[command(after_help = "Examples:\n  atomik node accum shared 0x1 --data one")]
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
    #[command(after_help = "Examples:\n  atomik node add hits -1 --data one")]
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
    #[command(after_help = "Examples:\n  atomik node toggle door 3 --data one")]
    Toggle {
        #[command(flatten)]
        node: NodeArgs,
        /// The key
        key: String,
        /// The number of the flag
        flag: usize,
    },
    /// Turn a flag on or off (raw, flags)
    #[command(after_help = "Examples:\n  atomik node set door 3 on --data one")]
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
    #[command(after_help = "Examples:\n  atomik node undo 7 --data one")]
    Undo {
        #[command(flatten)]
        node: NodeArgs,
        /// The number of the batch
        batch: u64,
    },
    /// Print all keys and values
    #[command(after_help = "Examples:\n  atomik node list sensors/ --data one")]
    List {
        #[command(flatten)]
        node: NodeArgs,
        /// Print only keys with this prefix
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Print changes, overlaps and refusals as they happen, one JSON object per line
    #[command(after_help = "Examples:\n  atomik node watch sensors/ --data one")]
    Watch {
        #[command(flatten)]
        node: NodeArgs,
        /// Print only keys with this prefix
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Print the status of the node
    #[command(after_help = "Examples:\n  atomik node status --data one --hash")]
    Status {
        #[command(flatten)]
        node: NodeArgs,
        /// Include a hash over all states, equal for equal states; takes time per key
        #[arg(long)]
        hash: bool,
    },
    /// Check a proof that a member broke the protocol, written by a node to evidence/ in its data
    /// folder. Needs no node and no secret; exits with 1 if it proves nothing
    #[command(after_help = "Examples:\n  atomik node verify one/evidence/ORIGIN.evidence")]
    Verify {
        /// The file
        #[arg(value_name = "EVIDENCE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Print the reachable peers, and when each last agreed with this node
    #[command(after_help = "Examples:\n  atomik node peers --data one")]
    Peers {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Print the members, and which of them are reachable and agree with this node
    #[command(after_help = "Examples:\n  atomik node members --data one")]
    Members {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Add a member, and write the invitation with which it joins
    #[command(after_help = INVITE)]
    Invite {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        signer: Signer,
        #[command(flatten)]
        invite: InviteArgs,
    },
    /// Set up a data folder from an invitation; it must have the invited key in DIR/node.key
    #[command(after_help = "Examples:\n  atomik node join invitation --data three")]
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
    #[command(
        after_help = "Examples:\n  atomik node remove three --data one --sign-with admin.key"
    )]
    Remove {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        signer: Signer,
        /// The name or public key of the member
        member: String,
    },
    /// Replace a member's key
    #[command(
        after_help = "Examples:\n  atomik node rotate two KEY --data one --sign-with admin.key"
    )]
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
    #[command(after_help = "Examples:\n  atomik node retire --data three")]
    Retire {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Send requests from stdin, one JSON object per line, and print the answers
    #[command(after_help = "Examples:\n  atomik node pipe --data one < requests.jsonl")]
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
pub enum CheckpointCommand {
    /// Print the checkpoints
    #[command(after_help = "Examples:\n  atomik node checkpoint list --data one")]
    List {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Create a checkpoint, and print its number
    #[command(after_help = "Examples:\n  atomik node checkpoint create monday --data one")]
    Create {
        #[command(flatten)]
        node: NodeArgs,
        /// The name
        name: String,
    },
    /// Delete a checkpoint
    #[command(after_help = "Examples:\n  atomik node checkpoint drop 1 --data one")]
    Drop {
        #[command(flatten)]
        node: NodeArgs,
        /// The number
        checkpoint: u32,
    },
    /// Print the change of a key between two checkpoints
    #[command(after_help = "Examples:\n  atomik node checkpoint diff 1 2 greeting --data one")]
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
    #[command(after_help = "Examples:\n  atomik node checkpoint export 1 --data one")]
    Export {
        #[command(flatten)]
        node: NodeArgs,
        /// The number
        checkpoint: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

/// The node to talk to, and how to print its answer.
#[derive(Args, Debug)]
pub struct NodeArgs {
    /// The node's data folder; with --control, only its file control.token is used
    #[arg(
        long,
        value_name = "DIR",
        value_hint = ValueHint::DirPath,
        required_unless_present = "control"
    )]
    pub data: Option<PathBuf>,
    /// The node's TCP control address
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub control: Option<SocketAddr>,
    /// A copy of the file control.token in the node's data folder, for --control
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "control",
        conflicts_with = "data"
    )]
    pub token: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
    /// Seconds to wait for an answer
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "30",
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub timeout: u64,
}

/// The administrator's key.
#[derive(Args, Debug)]
pub struct Signer {
    /// File with the administrator's key; it is read here and not sent to the node
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub sign_with: PathBuf,
}

/// What goes into an invitation.
#[derive(Args, Debug)]
pub struct InviteArgs {
    /// Name and public key of the new member
    #[arg(value_name = "NAME=KEY")]
    pub member: Member,
    /// Endpoint at which the new member reaches another or a server; can be repeated
    #[arg(long, value_name = "ENDPOINT")]
    pub connect: Vec<String>,
    /// The file to create [default: printed]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Include the keyspace's secret, which otherwise is copied separately: the file must be kept
    /// secret as well
    #[arg(long)]
    pub with_secret: bool,
    /// File with the secret for --with-secret [default: DIR/keyspace.secret]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "with_secret")]
    pub secret: Option<PathBuf>,
}
