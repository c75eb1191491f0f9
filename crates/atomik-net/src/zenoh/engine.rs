use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use ::zenoh::Session;
use ::zenoh::liveliness::LivelinessToken;
use ::zenoh::sample::{Locality, Sample, SampleKind};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::keys::{ALL_ALIVE, Keys, parse_alive};
use super::options::ZenohOptions;
use super::sender::{Outgoing, Sender};
use crate::counters::{Counters, Tally};
use crate::engine::Engine;
use crate::inbox::Inbox;
use crate::keyspace::Keyspace;
use crate::message::{MAX_MESSAGE, Received, SendError};
use crate::open_error::OpenError;
use crate::peer::{PeerId, parse_hex};

/// How long a close waits for queued messages to be sent.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long a close waits for zenoh to close the session.
const CLOSING: Duration = Duration::from_secs(10);

/// A replica in a network of zenoh peers.
pub struct ZenohEngine {
    /// `None` once closing has begun.
    outgoing: Option<SyncSender<Outgoing>>,
    /// When to stop sending queued messages.
    deadline: Arc<OnceLock<Instant>>,
    closed: oneshot::Receiver<()>,
    inbox: Arc<Inbox>,
    tally: Arc<Tally>,
}

impl ZenohEngine {
    /// Joins the keyspace as replica `me`. Waits up to half a second to discover peers; others come
    /// up later.
    ///
    /// # Errors
    ///
    /// [`OpenError::Option`] for an invalid option; [`OpenError::Runtime`] outside a multi-threaded
    /// tokio runtime; [`OpenError::Engine`] if zenoh cannot start, most often because an address of
    /// `listen` is in use.
    pub async fn open(
        keyspace: &Keyspace,
        me: PeerId,
        options: &ZenohOptions,
    ) -> Result<Self, OpenError> {
        let config = options.config()?;
        let runtime = Handle::try_current();
        if !runtime.is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread) {
            return Err(OpenError::Runtime);
        }
        let tally = Arc::new(Tally::default());
        let inbox = Inbox::new(me, options.incoming_messages, Arc::clone(&tally));
        let inbox = Arc::new(inbox);
        let keys = Keys::new(keyspace);
        let (session, token) = join(config, &keys, me, &inbox, &tally)
            .await
            .map_err(|error| OpenError::Engine {
                what: "zenoh does not start".to_owned(),
                reason: error.to_string(),
                next: "make sure that the addresses of `listen` belong to this machine and are \
                       free, or set multicast_scouting = false if no interface supports multicast",
            })?;

        let (outgoing, queue) = sync_channel(options.outgoing_messages);
        let (done, closed) = oneshot::channel();
        let deadline = Arc::new(OnceLock::new());
        let sender = Sender {
            me,
            keys,
            session,
            token,
            deadline: Arc::clone(&deadline),
            tally: Arc::clone(&tally),
        };
        thread::Builder::new()
            .name("zenoh-sender".to_owned())
            .spawn(move || {
                sender.run(&queue);
                // Nobody waits for this after a drop.
                let _ = done.send(());
            })
            .map_err(|error| OpenError::Engine {
                what: "cannot start the sending thread".to_owned(),
                reason: error.to_string(),
                next: "raise the system's thread limit",
            })?;
        Ok(Self {
            outgoing: Some(outgoing),
            deadline,
            closed,
            inbox,
            tally,
        })
    }

    /// Closes the queue: the sender sends its messages until `deadline`, then closes the session.
    fn end(&mut self, deadline: Instant) {
        self.inbox.close();
        // The first deadline stands: the drop after a close must not cut it short.
        let _ = self.deadline.set(deadline);
        self.outgoing = None;
    }
}

impl Engine for ZenohEngine {
    fn send(&self, to: PeerId, bytes: Vec<u8>) -> Result<(), SendError> {
        self.tally.check_length(&bytes)?;
        let queue = self.outgoing.as_ref().ok_or(SendError::Closed)?;
        queue.try_send(Outgoing { to, bytes }).map_err(|error| {
            self.tally.refused(match error {
                TrySendError::Full(_) => SendError::Full,
                TrySendError::Disconnected(_) => SendError::Closed,
            })
        })
    }

    async fn receive(&mut self) -> Option<Received> {
        self.inbox.next().await
    }

    fn counters(&self) -> Counters {
        self.tally.read()
    }

    fn other_keyspaces(&self) -> Vec<Keyspace> {
        self.inbox.others()
    }

    async fn close(mut self) -> Counters {
        self.end(Instant::now() + FAREWELL);
        // A session that takes longer closes in the background.
        let _ = timeout(FAREWELL + CLOSING, &mut self.closed).await;
        self.tally.read()
    }
}

impl Drop for ZenohEngine {
    fn drop(&mut self) {
        self.end(Instant::now());
    }
}

/// Opens a session, subscribes to the replica's messages and to the peers' liveliness, and declares
/// the replica alive.
async fn join(
    config: ::zenoh::Config,
    keys: &Keys,
    me: PeerId,
    inbox: &Arc<Inbox>,
    tally: &Arc<Tally>,
) -> Result<(Session, LivelinessToken), ::zenoh::Error> {
    let session = ::zenoh::open(config).await?;
    {
        let (inbox, tally) = (Arc::clone(inbox), Arc::clone(tally));
        session
            .declare_subscriber(keys.to(&me))
            .allowed_origin(Locality::Remote)
            .callback(move |sample| receive(&inbox, &tally, &sample))
            .background()
            .await?;
    }
    // After the subscriber: a replica that others see alive can receive their messages.
    let alive = keys.alive(&me);
    let token = session.liveliness().declare_token(alive).await?;
    let (inbox, tally) = (Arc::clone(inbox), Arc::clone(tally));
    let keyspace = keys.keyspace();
    session
        .liveliness()
        .declare_subscriber(ALL_ALIVE)
        .history(true)
        .callback(move |sample| {
            let is_up = sample.kind() == SampleKind::Put;
            let (other, peer) = parse_alive(sample.key_expr().as_str()).unzip();
            if let Some(other) = other.filter(|other| *other != keyspace.as_str()) {
                inbox.saw(other);
            } else if let Some(peer) = peer.and_then(parse_hex) {
                inbox.set_peer(peer, is_up);
            } else {
                tally.invalid();
            }
        })
        .background()
        .await?;
    Ok((session, token))
}

/// Receives a message, on one of zenoh's threads.
fn receive(inbox: &Inbox, tally: &Tally, sample: &Sample) {
    let from = sample
        .attachment()
        .and_then(|bytes| PeerId::try_from(bytes.to_bytes().as_ref()).ok());
    match from {
        // The length is checked before the payload is copied.
        Some(from) if sample.kind() == SampleKind::Put && sample.payload().len() <= MAX_MESSAGE => {
            inbox.put(from, sample.payload().to_bytes().into_owned());
        }
        _ => tally.invalid(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn alone() -> ZenohEngine {
        let options = ZenohOptions {
            listen: vec!["tcp/127.0.0.1:0".to_owned()],
            multicast_scouting: false,
            ..ZenohOptions::default()
        };
        ZenohEngine::open(&"k".parse().unwrap(), [1; 16], &options)
            .await
            .unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn messages_still_queued_at_the_deadline_are_counted_as_failed() {
        let engine = alone().await;
        engine.deadline.set(Instant::now()).unwrap();
        for _ in 0..3 {
            engine.send([2; 16], vec![1]).unwrap();
        }
        let counters = engine.close().await;
        assert_eq!((counters.messages_out, counters.failed_out), (0, 3));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_close_lets_the_queue_drain_and_a_drop_does_not() {
        let engine = alone().await;
        let deadline = Arc::clone(&engine.deadline);
        let start = Instant::now();
        engine.close().await;
        assert!(*deadline.get().unwrap() >= start + FAREWELL);

        let engine = alone().await;
        let deadline = Arc::clone(&engine.deadline);
        drop(engine);
        assert!(*deadline.get().unwrap() <= Instant::now());
    }
}
