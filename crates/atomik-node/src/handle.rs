use atomik_replica::Value;
use serde_json::Value as Json;
use tokio::sync::{mpsc, oneshot};

use crate::change::{Change, Done, Refused};
use crate::state::NodeState;

/// Capacity of the queue of changes and of the queue of queries.
const QUEUE: usize = 256;

/// Where the result of a change is sent.
pub(crate) type Answer = oneshot::Sender<Result<Done, Refused>>;

/// A change in the queue.
pub(crate) struct Request {
    pub(crate) change: Change,
    pub(crate) answer: Answer,
}

/// A closure that the actor runs on its state between two events.
pub(crate) type Query = Box<dyn FnOnce(&mut NodeState) + Send>;

/// The actor's ends of the queues behind a [`Handle`].
pub(crate) struct Queues {
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) queries: mpsc::Receiver<Query>,
}

/// Sends changes and queries to a running node. Clones talk to the same node.
#[derive(Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    queries: mpsc::Sender<Query>,
}

/// The pending result of a submitted change.
pub struct Pending(oneshot::Receiver<Result<Done, Refused>>);

impl Pending {
    /// Waits until the change is acknowledged.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn done(self) -> Result<Done, Refused> {
        self.0.await.unwrap_or(Err(Refused::Stopping))
    }
}

impl Handle {
    pub(crate) fn new() -> (Self, Queues) {
        let (requests, request_queue) = mpsc::channel(QUEUE);
        let (queries, query_queue) = mpsc::channel(QUEUE);
        let queues = Queues {
            requests: request_queue,
            queries: query_queue,
        };
        (Self { requests, queries }, queues)
    }

    /// Submits a change; waits while the node is overloaded. Changes take effect in the order in
    /// which they were submitted.
    ///
    /// # Errors
    /// [`Refused::Stopping`].
    pub async fn submit(&self, change: Change) -> Result<Pending, Refused> {
        let (answer, pending) = oneshot::channel();
        let request = Request { change, answer };
        let sent = self.requests.send(request).await;
        sent.map_err(|_| Refused::Stopping)?;
        Ok(Pending(pending))
    }

    /// Submits a change and waits for its acknowledgement.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn change(&self, change: Change) -> Result<Done, Refused> {
        self.submit(change).await?.done().await
    }

    /// The state of a key, including changes that are not durable yet.
    ///
    /// # Errors
    /// [`Refused::Stopping`].
    pub async fn state(&self, key: &[u8]) -> Result<Value, Refused> {
        let key = key.to_vec();
        self.query(move |state| state.replica.state(&key)).await
    }

    /// The node's status, as the request `status` returns it, with the hash over all states.
    ///
    /// # Errors
    /// [`Refused::Stopping`].
    pub async fn status(&self) -> Result<Json, Refused> {
        self.query(|state| state.status(true)).await
    }

    /// The members, as the answer of the request `members` shows them.
    ///
    /// # Errors
    /// [`Refused::Stopping`].
    pub async fn members(&self) -> Result<Json, Refused> {
        self.query(|state| state.members_report()).await
    }

    /// Runs `query` in the actor and returns its result.
    pub(crate) async fn query<R: Send + 'static>(
        &self,
        query: impl FnOnce(&mut NodeState) -> R + Send + 'static,
    ) -> Result<R, Refused> {
        let (answer, answered) = oneshot::channel();
        // The caller may have given up.
        let query: Query = Box::new(move |state| drop(answer.send(query(state))));
        let sent = self.queries.send(query).await;
        sent.map_err(|_| Refused::Stopping)?;
        answered.await.map_err(|_| Refused::Stopping)
    }
}
