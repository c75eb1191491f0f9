use tokio::sync::watch;

/// The owner's end of a stop signal.
pub(crate) struct Stop(watch::Sender<bool>);

/// Tells a task to stop.
#[derive(Clone)]
pub(crate) struct StopSignal(watch::Receiver<bool>);

impl Stop {
    pub(crate) fn new() -> Self {
        Self(watch::channel(false).0)
    }

    pub(crate) fn signal(&self) -> StopSignal {
        StopSignal(self.0.subscribe())
    }

    /// Stops every task that has a signal.
    pub(crate) fn send(&self) {
        self.0.send_replace(true);
    }
}

impl StopSignal {
    /// Waits until the signal is sent, or its owner is gone. Cancel-safe.
    pub(crate) async fn wait(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
