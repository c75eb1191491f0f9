use tokio::sync::mpsc;

use super::session::Session;
use crate::peer::PeerId;

/// A message in the outgoing queue.
pub(super) struct Outgoing {
    pub(super) to: PeerId,
    pub(super) bytes: Vec<u8>,
}

/// The task that publishes queued messages until the queue is closed.
pub(super) async fn send(mut session: Session, mut queue: mpsc::Receiver<Outgoing>) {
    while let Some(Outgoing { to, bytes }) = queue.recv().await {
        if !session.wait_connected().await {
            break;
        }
        let (length, headers) = (bytes.len(), session.headers());
        let subject = session.names.to(&to);
        let client = &session.client;
        let published = client.publish_with_headers(subject, headers, bytes.into());
        match published.await {
            Ok(()) => session.tally.sent(length),
            Err(_) => session.tally.failed(1),
        }
    }
}
