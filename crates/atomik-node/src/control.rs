//! Accepts and serves control connections. [`protocol`](crate::protocol) documents what they carry.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::accept::Acceptor;
use crate::connection::Connection;
use crate::credential::Token;
use crate::handle::Handle;
use crate::listener::Listener;
use crate::protocol::refused;
use crate::settings::Limits;
use crate::stop::StopSignal;

/// How long a new connection waits for another one to end if there are too many.
const LEAVING: Duration = Duration::from_millis(200);

/// Serves at most `limits.connections` at a time until the stop signal, then until all have their
/// answers. Clients must show `token` if there is one.
pub(crate) async fn serve(
    listener: Listener,
    handle: Handle,
    limits: Limits,
    words: usize,
    token: Option<Token>,
    mut stop: StopSignal,
) {
    let connections = limits.connections;
    let mut acceptor = Acceptor::new("control");
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.wait() => break,
            Some(_) = tasks.join_next() => {}
            (input, mut output) = acceptor.next(|| listener.accept()) => {
                if tasks.len() >= connections {
                    // One may have closed without having been joined yet.
                    let _ = timeout(LEAVING, tasks.join_next()).await;
                }
                if tasks.len() < connections {
                    let connection = Connection {
                        handle: handle.clone(),
                        words,
                        token,
                        idle: limits.idle,
                        stop: stop.clone(),
                    };
                    tasks.spawn(connection.run(input, output));
                    continue;
                }
                let error = refused(format_args!(
                    "the limit of {connections} control connections is reached: \
                     close one, or raise `connections`"
                ));
                // A client that does not read it has gone.
                let line = format!("{error}\n");
                let _ = timeout(LEAVING, output.write_all(line.as_bytes())).await;
            }
        }
    }
    drop(listener);
    drop(handle);
    // Bounded: storage has its own timeout, and so have clients that do not read.
    while tasks.join_next().await.is_some() {}
}
