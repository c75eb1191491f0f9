use std::io;
use std::time::Duration;

use tokio::time::sleep;

/// The pause after the first failure; it doubles with each further one.
const SHORTEST: Duration = Duration::from_millis(10);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(1);

/// Accepts connections, and pauses while that fails: most often the process is out of file
/// descriptors, and some may be freed soon.
pub(crate) struct Acceptor {
    /// What is served, for the log.
    what: &'static str,
    pause: Duration,
}

impl Acceptor {
    pub(crate) fn new(what: &'static str) -> Self {
        Self {
            what,
            pause: SHORTEST,
        }
    }

    /// The next connection. Cancel-safe if `accept` is.
    pub(crate) async fn next<T, F>(&mut self, mut accept: impl FnMut() -> F) -> T
    where
        F: Future<Output = io::Result<T>>,
    {
        loop {
            match accept().await {
                Ok(connection) => {
                    self.pause = SHORTEST;
                    return connection;
                }
                Err(error) => {
                    if self.pause == SHORTEST {
                        let what = self.what;
                        tracing::warn!(
                            %error,
                            "cannot accept a connection for {what}: trying again; raise the limit \
                             of open files if it is too low"
                        );
                    }
                    let pause = self.pause;
                    self.pause = (2 * pause).min(LONGEST);
                    sleep(pause).await;
                }
            }
        }
    }
}
