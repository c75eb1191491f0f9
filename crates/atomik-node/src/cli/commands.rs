use std::fs;
use std::path::PathBuf;

use atomik_node::credential::{make_key, make_secret, public_key_text};
use atomik_node::replica::Proof;
use atomik_node_options::command::{CheckpointCommand, Command, Switch};
use atomik_terminal::Status;
use serde_json::json;

use super::answers;
use super::ask::{Ask as _, print_line};
use super::failure::NodeFailure;
use super::members;

/// Carries out a command.
pub(super) fn run(command: Command) -> Result<Status, NodeFailure> {
    match command {
        Command::Keygen { out } => {
            print_line(&public_key_text(&make_key(&out)?))?;
            Ok(Status::Done)
        }
        Command::Secret { out } => {
            make_secret(&out)?;
            Ok(Status::Done)
        }
        Command::Get { node, key } => node.ask(json!({"op": "get", "key": key}), |answer| {
            answers::value(answer, "value")
        }),
        Command::Put { node, key, value } => {
            let request = json!({"op": "put", "key": key, "value": value});
            node.ask(request, answers::batch)
        }
        Command::Accum { node, key, value } => {
            let request = json!({"op": "accum", "key": key, "value": value});
            node.ask(request, answers::batch)
        }
        Command::Add { node, key, value } => {
            let request = json!({"op": "add", "key": key, "value": value});
            node.ask(request, answers::batch)
        }
        Command::Toggle { node, key, flag } => {
            let request = json!({"op": "toggle", "key": key, "flag": flag});
            node.ask(request, answers::batch)
        }
        Command::Set {
            node,
            key,
            flag,
            state,
        } => {
            let on = state == Switch::On;
            let request = json!({"op": "set", "key": key, "flag": flag, "on": on});
            node.ask(request, answers::batch)
        }
        Command::Undo { node, batch } => {
            node.ask(json!({"op": "undo", "batch": batch}), answers::batch)
        }
        Command::List { node, prefix } => {
            node.pages(json!({"op": "list", "prefix": prefix}), "value")
        }
        Command::Watch { node, prefix } => node.watch(&prefix),
        Command::Status { node, hash } => {
            node.ask(json!({"op": "status", "hash": hash}), answers::status)
        }
        Command::Verify { file } => verify(file),
        Command::Peers { node } => node.ask(json!({"op": "peers"}), answers::peers),
        Command::Members { node } => members::list(&node),
        Command::Invite {
            node,
            signer,
            invite,
        } => members::invite(&node, &signer, invite),
        Command::Join {
            invitation,
            data,
            engine,
        } => members::join(&invitation, &data, engine),
        Command::Remove {
            node,
            signer,
            member,
        } => members::remove(&node, &signer, &member),
        Command::Rotate {
            node,
            signer,
            old,
            new,
        } => members::rotate(&node, &signer, &old, &new),
        Command::Checkpoint(command) => checkpoint(command),
        Command::Retire { node } => members::retire(&node),
        Command::Pipe { node } => node.pipe(),
        Command::Links { node, drop, faults } => {
            let request = json!({"op": "links", "drop": drop, "faults": faults});
            node.ask(request, |_| String::new())
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

fn checkpoint(command: CheckpointCommand) -> Result<Status, NodeFailure> {
    match command {
        CheckpointCommand::List { node } => {
            node.ask(json!({"op": "checkpoints"}), answers::checkpoints)
        }
        CheckpointCommand::Create { node, name } => {
            let request = json!({"op": "checkpoint", "name": name});
            node.ask(request, |answer| answer["checkpoint"].to_string())
        }
        CheckpointCommand::Drop { node, checkpoint } => {
            let request = json!({"op": "drop_checkpoint", "checkpoint": checkpoint});
            node.ask(request, |_| String::new())
        }
        CheckpointCommand::Diff {
            node,
            first,
            second,
            key,
        } => {
            let request = json!({"op": "diff", "first": first, "second": second, "key": key});
            node.ask(request, |answer| answers::value(answer, "delta"))
        }
        CheckpointCommand::Export { node, checkpoint } => {
            node.pages(json!({"op": "export", "checkpoint": checkpoint}), "delta")
        }
    }
}
