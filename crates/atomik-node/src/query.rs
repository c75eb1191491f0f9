use atomik_net::parse_hex;
use atomik_replica::OpError;
use serde_json::{Value as Json, json};
use thiserror::Error;

use crate::change::Refused;
use crate::faults::{Faults, FaultsError};
use crate::handle::Handle;
use crate::protocol::{MAX_PAGE, Request, entry, refused, show};
use crate::state::NodeState;
use crate::text::{TextError, parse_key};

/// Why a query was refused.
#[derive(Debug, Error)]
enum QueryError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Op(#[from] OpError),
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Faults(#[from] FaultsError),
    #[error("a peer is 32 hex digits, as `peers` prints it")]
    Peer,
    #[error("limit = 0: ask for 1 to {MAX_PAGE} keys per page")]
    Limit,
    /// Changes and watches do not come here.
    #[error("not a query")]
    NotAQuery,
}

/// The answer to a request that changes nothing.
pub(crate) async fn answer(handle: &Handle, request: Request) -> Json {
    try_answer(handle, request).await.unwrap_or_else(refused)
}

async fn try_answer(handle: &Handle, request: Request) -> Result<Json, QueryError> {
    match request {
        Request::Get { key } => {
            let key = parse_key(&key)?;
            Ok(handle.query(move |state| get(state, &key)).await?)
        }
        Request::List {
            prefix,
            from,
            limit,
        } => {
            let prefix = parse_key(&prefix)?;
            let limit = page_limit(limit)?;
            Ok(handle
                .query(move |state| list(state, &prefix, from, limit))
                .await?)
        }
        Request::Status { hash } => {
            let status = handle.query(move |state| state.status(hash)).await?;
            Ok(json!({"ok": true, "status": status}))
        }
        Request::Peers {} => {
            let peers = handle.query(|state| state.peers_report()).await?;
            Ok(json!({"ok": true, "peers": peers}))
        }
        Request::Members {} => Ok(handle.query(|state| state.members_report()).await?),
        Request::Checkpoints {} => Ok(handle.query(|state| checkpoints(state)).await?),
        Request::Diff { first, second, key } => {
            let key = parse_key(&key)?;
            let delta = move |state: &mut NodeState| {
                let shape = &state.replica.config().shape;
                let delta = state.replica.delta_between(&key, first, second)?;
                let mut answer = json!({"ok": true});
                show(&mut answer, "delta", &delta, shape);
                Ok::<_, OpError>(answer)
            };
            Ok(handle.query(delta).await??)
        }
        Request::Export {
            checkpoint,
            from,
            limit,
        } => {
            let limit = page_limit(limit)?;
            Ok(handle
                .query(move |state| export(state, checkpoint, from, limit))
                .await??)
        }
        Request::Links { drop, faults } => {
            let peers: Option<Vec<_>> = drop.iter().map(|peer| parse_hex(peer)).collect();
            let peers = peers.ok_or(QueryError::Peer)?;
            let faults: Option<Faults> = faults.map(|text| text.parse()).transpose()?;
            let set = move |state: &mut NodeState| {
                state.link.cut(peers);
                if let Some(faults) = faults {
                    state.link.set_faults(faults);
                }
            };
            handle.query(set).await?;
            Ok(json!({"ok": true}))
        }
        _ => Err(QueryError::NotAQuery),
    }
}

fn get(state: &NodeState, key: &[u8]) -> Json {
    let mut writers = state.replica.previewed(key);
    for writer in state.replica.writers(key) {
        if writers.iter().all(|(origin, ..)| *origin != writer.0) {
            writers.push(writer);
        }
    }
    let shape = &state.replica.config().shape;
    let mut answer = entry(key, "value", &state.replica.state(key), shape);
    answer["ok"] = true.into();
    answer["writers"] = writers
        .iter()
        .map(|(origin, version, accumulator)| {
            let mut writer = json!({"origin": origin.to_string(), "version": version});
            show(&mut writer, "accumulator", accumulator, shape);
            writer
        })
        .collect();
    answer
}

fn list(state: &NodeState, prefix: &[u8], from: usize, limit: usize) -> Json {
    let states = state.replica.states();
    let keys = states.len();
    let entries = states
        .skip(from)
        .take(limit)
        .filter(|(key, _)| key.starts_with(prefix))
        .map(|(key, value)| entry(key, "value", &value, &state.replica.config().shape))
        .collect();
    page(entries, from.saturating_add(limit), keys)
}

fn checkpoints(state: &NodeState) -> Json {
    let checkpoints = state.replica.checkpoints().iter();
    let checkpoints = checkpoints.map(|(number, name)| json!({"checkpoint": number, "name": name}));
    json!({"ok": true, "checkpoints": checkpoints.collect::<Vec<_>>()})
}

/// The keys that changed since a checkpoint.
fn export(state: &NodeState, checkpoint: u32, from: usize, limit: usize) -> Result<Json, OpError> {
    let replica = &state.replica;
    let shape = &replica.config().shape;
    let keys = replica.states().len();
    let mut checkpoints = replica.checkpoints().iter();
    if !checkpoints.any(|(number, _)| *number == checkpoint) {
        return Err(OpError::NoCheckpoint(checkpoint));
    }
    let mut entries = Vec::new();
    for (key, state) in replica.states().skip(from).take(limit) {
        let before = replica.state_at(key, checkpoint)?;
        let delta = shape.difference(&state, &before);
        if !delta.is_zero() {
            entries.push(entry(key, "delta", &delta, shape));
        }
    }
    Ok(page(entries, from.saturating_add(limit), keys))
}

/// The keys to look at for a page. A page of none would name itself as the next one.
fn page_limit(limit: usize) -> Result<usize, QueryError> {
    match limit {
        0 => Err(QueryError::Limit),
        limit => Ok(limit.min(MAX_PAGE)),
    }
}

/// A page of the keys, which ends before key number `next` of `keys`.
fn page(entries: Vec<Json>, next: usize, keys: usize) -> Json {
    let next = (next < keys).then_some(next);
    json!({"ok": true, "keys": entries, "next": next})
}
