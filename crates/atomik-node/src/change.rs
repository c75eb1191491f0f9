use atomik_replica::{Action, OpError, Response, Value};
use thiserror::Error;

/// An operation on a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOp {
    /// The key.
    pub key: Vec<u8>,
    /// The operation.
    pub action: Action,
}

/// A local change to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Operations applied in order, all or none.
    Batch(Vec<KeyOp>),
    /// Undo the batch with this number.
    Undo(u64),
    /// Create a checkpoint with this name.
    Checkpoint(String),
    /// Delete the checkpoint with this number.
    DropCheckpoint(u32),
    /// Retire the node for good.
    Retire,
}

/// The result of a [`Change`]. How durable it is depends on the fsync policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The number of the batch or checkpoint.
    pub number: Option<u64>,
    /// One response per operation.
    pub responses: Vec<Option<Response<Value>>>,
}

/// Why a node refused a change or a query.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// The replica refused it. Nothing has changed.
    #[error(transparent)]
    Op(#[from] OpError),
    /// The node is stopping, or has stopped. The change may or may not be durable.
    #[error("the node is stopping: ask again when it is back")]
    Stopping,
    /// Storage has failed. The change may or may not be durable.
    #[error("not acknowledged, storage has failed: {reason}")]
    Storage {
        /// The storage error, with its next step.
        reason: String,
    },
}
