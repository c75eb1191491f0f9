use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};

use super::names::{ALL_ALIVE, keyspace_of};
use super::options::NatsOptions;
use super::presence::{LEAVING, Presence};
use super::sender::{Outgoing, send};
use super::session::{Session, sender};
use crate::counters::Counters;
use crate::engine::Engine;
use crate::keyspace::Keyspace;
use crate::message::{Received, SendError};
use crate::open_error::OpenError;
use crate::peer::PeerId;

/// How long a close waits for queued messages to be sent, and again for the departure.
const FAREWELL: Duration = Duration::from_secs(2);

/// A replica that talks to the others through NATS.
pub struct NatsEngine {
    session: Session,
    outgoing: mpsc::Sender<Outgoing>,
    /// Number of messages put into the outgoing queue.
    accepted: AtomicU64,
    sender: JoinHandle<()>,
    /// The tasks that receive.
    receivers: JoinSet<()>,
}

impl NatsEngine {
    /// Joins the keyspace as replica `me`.
    ///
    /// # Errors
    ///
    /// [`OpenError::Option`] for an invalid option; [`OpenError::Engine`] if no server answers, or
    /// if it refuses. If the server goes away later, the engine reconnects.
    pub async fn open(
        keyspace: &Keyspace,
        me: PeerId,
        options: &NatsOptions,
    ) -> Result<Self, OpenError> {
        options.check()?;
        let session = Session::connect(keyspace, me, options).await?;
        let mut receivers = JoinSet::new();
        let subscriber = session.subscribe(&session.names.to(&me), options).await?;
        receivers.spawn(receive(session.clone(), subscriber));
        // Last: a replica that others see alive can receive their messages.
        let alive = session.subscribe(&session.names.alive, options).await?;
        let beat = Duration::from_millis(options.heartbeat_ms);
        receivers.spawn(Presence::new(session.clone(), beat).run(alive));
        // A server may permit this user no other keyspace.
        if let Ok(all) = session.client.subscribe(ALL_ALIVE).await {
            receivers.spawn(look_around(session.clone(), all));
        }
        let (outgoing, queue) = mpsc::channel(options.outgoing_messages);
        Ok(Self {
            outgoing,
            accepted: AtomicU64::new(0),
            sender: tokio::spawn(send(session.clone(), queue)),
            receivers,
            session,
        })
    }

    /// Announces the departure and closes the connection.
    async fn leave(&self) -> Result<(), async_nats::Error> {
        let (client, headers) = (&self.session.client, self.session.headers());
        let subject = self.session.names.alive.clone();
        client
            .publish_with_headers(subject, headers, LEAVING.into())
            .await?;
        client.drain().await?;
        let mut connected = self.session.connected.clone();
        let _ = connected.wait_for(|up| !*up).await;
        Ok(())
    }
}

impl Engine for NatsEngine {
    fn send(&self, to: PeerId, bytes: Vec<u8>) -> Result<(), SendError> {
        let tally = &self.session.tally;
        tally.check_length(&bytes)?;
        if !self.session.is_connected() {
            return Err(tally.refused(SendError::Disconnected));
        }
        match self.outgoing.try_send(Outgoing { to, bytes }) {
            Ok(()) => {
                self.accepted.fetch_add(1, Relaxed);
                Ok(())
            }
            Err(TrySendError::Full(_)) => Err(tally.refused(SendError::Full)),
            Err(TrySendError::Closed(_)) => Err(tally.refused(SendError::Closed)),
        }
    }

    async fn receive(&mut self) -> Option<Received> {
        self.session.inbox.next().await
    }

    fn counters(&self) -> Counters {
        self.session.tally.read()
    }

    fn other_keyspaces(&self) -> Vec<Keyspace> {
        self.session.inbox.others()
    }

    async fn close(mut self) -> Counters {
        self.session.inbox.close();
        self.receivers.shutdown().await;
        // Closing its queue ends the sender.
        (self.outgoing, _) = mpsc::channel(1);
        let deadline = Instant::now() + FAREWELL;
        if timeout_at(deadline, &mut self.sender).await.is_err() {
            self.sender.abort();
            // Aborted or finished, it does not count any further.
            let _ = (&mut self.sender).await;
        }
        let tally = &self.session.tally;
        let counters = tally.read();
        let settled = counters.messages_out + counters.failed_out;
        tally.failed(self.accepted.load(Relaxed).saturating_sub(settled) as usize);
        if self.session.is_connected() {
            // Fails if the connection breaks now, which the peers notice anyway.
            let _ = timeout(FAREWELL, self.leave()).await;
        }
        self.session.tally.read()
    }
}

impl Drop for NatsEngine {
    fn drop(&mut self) {
        self.session.inbox.close();
        self.sender.abort();
        self.receivers.abort_all();
    }
}

/// The task that notes other keyspaces, until a peer of this one is heard.
async fn look_around(session: Session, mut all: Subscriber) {
    while let Some(message) = all.next().await {
        if message.subject.as_str() != session.names.alive {
            if let Some(keyspace) = keyspace_of(&message.subject) {
                session.inbox.saw(keyspace);
            }
        } else if sender(&message).is_some_and(|peer| peer != session.me) {
            return;
        }
    }
}

/// The task that receives the messages of a subject.
async fn receive(session: Session, mut subscriber: Subscriber) {
    while let Some(message) = subscriber.next().await {
        match sender(&message) {
            Some(from) => session.inbox.put(from, message.payload.into()),
            None => session.tally.invalid(),
        }
    }
}
