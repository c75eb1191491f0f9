use std::time::Duration;

use async_nats::Message;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::stream;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::options::NatsOptions;
use super::session::{BATCH, PING, Session, sender};
use crate::inbox::Receipt;

/// The task that reads the stream. After any error it recreates stream and consumer and continues.
pub(super) struct Updates {
    session: Session,
    stream: stream::Config,
    consumer: pull::Config,
    batch: usize,
    /// Acknowledgements of delivered messages, sent by [`acknowledge`].
    delivered: mpsc::UnboundedSender<Acker>,
}

impl Updates {
    pub(super) fn new(
        session: Session,
        options: &NatsOptions,
        delivered: mpsc::UnboundedSender<Acker>,
    ) -> Self {
        Self {
            stream: options.stream(&session.names),
            consumer: options.consumer(&session.me),
            batch: options.incoming_messages.min(BATCH),
            session,
            delivered,
        }
    }

    pub(super) async fn run(mut self) {
        while self.session.wait_connected().await {
            // An error comes from the server or the connection; both are tried again.
            let _ = self.read().await;
            sleep(Duration::from_millis(500)).await;
        }
    }

    async fn read(&self) -> Result<(), async_nats::Error> {
        let stream = self.stream.clone();
        let stream = self.session.context.get_or_create_stream(stream).await?;
        let name = self.consumer.durable_name.as_deref().unwrap_or_default();
        let consumer = stream
            .get_or_create_consumer(name, self.consumer.clone())
            .await?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(self.batch)
            .heartbeat(PING);
        let mut messages = messages.messages().await?;
        let mut connected = self.session.connected.clone();
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                // After a reconnect the server may have lost the consumer.
                _ = connected.wait_for(|up| !*up) => None,
            };
            let Some(message) = message else { break };
            let (message, acker) = message?.split();
            self.receive(message, acker).await;
        }
        Ok(())
    }

    async fn receive(&self, message: Message, acker: Acker) {
        let delivered = self.delivered.clone();
        // Fails only once the engine is closed; the server then redelivers the message.
        let receipt: Receipt = Box::new(move || drop(delivered.send(acker)));
        match sender(&message) {
            Some(from) => {
                let inbox = &self.session.inbox;
                inbox
                    .put_when_room(from, message.payload.into(), receipt)
                    .await;
            }
            None => {
                self.session.tally.invalid();
                receipt();
            }
        }
    }
}

/// The task that acknowledges delivered stream messages.
pub(super) async fn acknowledge(mut delivered: mpsc::UnboundedReceiver<Acker>) {
    while let Some(acker) = delivered.recv().await {
        // If this fails, the server redelivers the message.
        let _ = acker.ack().await;
    }
}
