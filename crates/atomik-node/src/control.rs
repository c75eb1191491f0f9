//! Accepts and serves control connections. [`protocol`](crate::protocol) documents what they carry.

use atomik_replica::Shape;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::accept::Acceptor;
use crate::connection::{Client, Connection, LEAVING};
use crate::credential::Token;
use crate::handle::Handle;
use crate::listener::Listener;
use crate::newcomers::Newcomers;
use crate::protocol::refused;
use crate::settings::Limits;
use crate::stop::StopSignal;

/// Simultaneous connections over TCP that have not shown the token.
const STRANGERS: usize = 16;

/// Serves at most `limits.connections` at a time until the stop signal, then until all have their
/// answers. Clients must show `token` if there is one.
pub(crate) async fn serve(
    listener: Listener,
    handle: Handle,
    limits: Limits,
    shape: Shape,
    token: Option<Token>,
    mut stop: StopSignal,
) {
    let connections = limits.connections;
    let mut acceptor = Acceptor::new("control");
    let mut strangers = Newcomers::new(STRANGERS);
    let mut tasks = JoinSet::new();
    loop {
        let mut client = tokio::select! {
            () = stop.wait() => break,
            Some(_) = tasks.join_next() => continue,
            admitted = strangers.next() => match admitted.flatten() {
                Some(client) => client,
                None => continue,
            },
            (input, output) = acceptor.next(|| listener.accept()) => {
                let client = Client::new(input, output);
                match token {
                    Some(token) => {
                        strangers.add(|_| client.admitted(token)).await;
                        continue;
                    }
                    None => client,
                }
            }
        };
        if tasks.len() >= connections {
            // One may have closed without having been joined yet.
            let _ = timeout(LEAVING, tasks.join_next()).await;
        }
        if tasks.len() < connections {
            let connection = Connection {
                handle: handle.clone(),
                shape: shape.clone(),
                by_token: token.is_some(),
                idle: limits.idle,
                stop: stop.clone(),
            };
            tasks.spawn(connection.run(client));
            continue;
        }
        let refusal = refused(format_args!(
            "the limit of {connections} control connections is reached: close one, or raise \
             `connections`"
        ));
        client.dismiss(&refusal).await;
    }
    drop(strangers);
    drop(listener);
    drop(handle);
    // Bounded: storage has its own timeout, and so have clients that do not read.
    while tasks.join_next().await.is_some() {}
}
