use std::sync::Arc;

use async_nats::jetstream::message::PublishMessage;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::session::Session;
use crate::message::MessageId;
use crate::peer::PeerId;

/// A message in the outgoing queue.
pub(super) struct Outgoing {
    pub(super) to: To,
    pub(super) bytes: Vec<u8>,
}

pub(super) enum To {
    Stream(MessageId),
    All,
    Peer(PeerId),
}

/// The task that publishes queued messages until the queue is closed.
pub(super) async fn send(mut session: Session, mut queue: mpsc::Receiver<Outgoing>) {
    let mut unacknowledged = JoinSet::new();
    while let Some(Outgoing { to, bytes }) = queue.recv().await {
        if !session.wait_connected().await {
            break;
        }
        while unacknowledged.try_join_next().is_some() {}
        match to {
            To::Stream(id) => store(&session, id, bytes, &mut unacknowledged).await,
            To::All => publish(&session, session.names.all.clone(), bytes).await,
            To::Peer(peer) => publish(&session, session.names.to(&peer), bytes).await,
        }
    }
    while unacknowledged.join_next().await.is_some() {}
}

/// Publishes an update to the stream. `unacknowledged` gets a task that counts the acknowledgement.
async fn store(session: &Session, id: MessageId, bytes: Vec<u8>, unacknowledged: &mut JoinSet<()>) {
    let length = bytes.len();
    let update = PublishMessage::build()
        .payload(bytes.into())
        .headers(session.headers())
        .message_id(id.to_string());
    let tally = Arc::clone(&session.tally);
    let subject = session.names.update.clone();
    match session.context.send_publish(subject, update).await {
        Ok(answer) => drop(unacknowledged.spawn(async move {
            match answer.await {
                Ok(ack) if ack.duplicate => tally.duplicate(),
                Ok(_) => tally.sent(length),
                Err(_) => tally.failed(1),
            }
        })),
        Err(_) => tally.failed(1),
    }
}

async fn publish(session: &Session, subject: String, bytes: Vec<u8>) {
    let length = bytes.len();
    let headers = session.headers();
    match session
        .client
        .publish_with_headers(subject, headers, bytes.into())
        .await
    {
        Ok(()) => session.tally.sent(length),
        Err(_) => session.tally.failed(1),
    }
}
