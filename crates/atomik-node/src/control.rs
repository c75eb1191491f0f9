//! Serves the control connections. See [`protocol`](crate::protocol) for what is said on them.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use atomik_net::parse_hex;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::actor::{Change, Handle, Pending, Refused, stopped};
use crate::faults::{Faults, FaultsError};
use crate::protocol::{MAX_LINE, MAX_PAGE, Request, done, entry, refused};
use crate::text::parse_key;

/// Requests of one connection that were taken and not answered yet.
const AHEAD: usize = 256;

/// What a connection has to take its last answers once the node stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a connection that ends has to make room for the next.
const LEAVING: Duration = Duration::from_millis(200);

/// The socket below the data folder.
pub(crate) const SOCKET: &str = "control.sock";

/// Where control connections come in.
pub(crate) enum Listener {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener),
}

impl Listener {
    /// On the socket of a data folder, whose lock the caller holds: one that is there is of a node
    /// that is gone.
    pub(crate) fn unix(data: &Path) -> io::Result<Self> {
        let path = data.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self::Unix(listener, path))
    }

    pub(crate) async fn tcp(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self::Tcp)
    }

    /// Where it listens, for people.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Unix(_, path) => path.display().to_string(),
            Self::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|_| "?".to_owned(), |address| address.to_string()),
        }
    }

    async fn accept(
        &self,
    ) -> io::Result<(
        Box<dyn AsyncRead + Send + Unpin>,
        Box<dyn AsyncWrite + Send + Unpin>,
    )> {
        Ok(match self {
            Self::Unix(listener, _) => {
                let (read, write) = listener.accept().await?.0.into_split();
                (Box::new(read), Box::new(write))
            }
            Self::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                // Answers are small and waited for.
                stream.set_nodelay(true)?;
                let (read, write) = stream.into_split();
                (Box::new(read), Box::new(write))
            }
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // It may be gone; the next node would remove it, too.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Serves connections until told to stop; then until they have their answers.
pub(crate) async fn serve(
    listener: Listener,
    handle: Handle,
    connections: usize,
    words: usize,
    stop: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    let mut stopping = stop.clone();
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => break,
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((read, mut write)) => {
                    if tasks.len() >= connections {
                        // One that has just left may not have been noticed yet.
                        let _ = timeout(LEAVING, tasks.join_next()).await;
                    }
                    if tasks.len() < connections {
                        let connection = Connection { handle: handle.clone(), words, stop: stop.clone() };
                        tasks.spawn(async move { connection.run(read, &mut write).await });
                        continue;
                    }
                    let error = refused(format_args!("there are {connections} control connections: close one, or raise `connections`"));
                    // Whoever does not read it is gone.
                    let _ = write.write_all(format!("{error}\n").as_bytes()).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "a control connection was not accepted");
                    // Most often there are no more file descriptors: some may be free soon.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    drop(handle);
    // Storage has its own time to finish, and those who do not read have `FAREWELL`.
    while tasks.join_next().await.is_some() {}
}

struct Connection {
    handle: Handle,
    words: usize,
    stop: watch::Receiver<bool>,
}

/// What is to be written, in order.
enum Line {
    Ready(Json),
    Waiting(Change, Pending),
}

impl Connection {
    async fn run(
        mut self,
        read: Box<dyn AsyncRead + Send + Unpin>,
        write: &mut (dyn AsyncWrite + Send + Unpin),
    ) {
        let (lines, queue) = mpsc::channel(AHEAD);
        let ahead = Arc::new(Semaphore::new(AHEAD));
        let writer = write_lines(write, queue, Arc::clone(&ahead), self.stop.clone());
        let reader = self.read_lines(BufReader::with_capacity(1 << 16, read), lines, ahead);
        // The writer ends when the reader has dropped its end, or when nobody reads; the reader
        // when there is nothing to read, or when the node stops. Whoever ends first because of the
        // peer ends the other.
        tokio::pin!(writer, reader);
        tokio::select! {
            () = &mut reader => writer.await,
            () = &mut writer => {}
        }
    }

    async fn read_lines(
        &mut self,
        mut input: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
        lines: mpsc::Sender<Line>,
        ahead: Arc<Semaphore>,
    ) {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = tokio::select! {
                () = stopped(&mut self.stop) => return,
                read = read_line(&mut input, &mut line) => read,
            };
            let request = match read {
                Ok(true) => match std::str::from_utf8(&line) {
                    Ok(text) if text.trim().is_empty() => continue,
                    Ok(text) => Request::parse(text).map_err(|error| error.to_string()),
                    Err(_) => Err("not a request: not UTF-8".to_owned()),
                },
                Ok(false) => return,
                Err(error) => {
                    // Where the next line begins is not known any more.
                    let _ = lines.send(Line::Ready(refused(error))).await;
                    return;
                }
            };
            // The writer gives it back with the answer.
            let Ok(permit) = ahead.acquire().await else {
                return;
            };
            permit.forget();
            let line = match request {
                Err(error) => Line::Ready(refused(error)),
                Ok(Request::Watch { prefix }) => {
                    return self.watch(&prefix, &lines, input).await;
                }
                Ok(request) => match request.change(self.words) {
                    Err(error) => Line::Ready(refused(error)),
                    Ok(Some(change)) => match self.handle.submit(change.clone()).await {
                        Ok(pending) => Line::Waiting(change, pending),
                        Err(error) => Line::Ready(refused(error)),
                    },
                    Ok(None) => {
                        // Its own changes before it are to be seen, and to be durable.
                        let Ok(all) = ahead.acquire_many(AHEAD as u32 - 1).await else {
                            return;
                        };
                        let answer = self.look(request).await;
                        drop(all);
                        Line::Ready(answer.unwrap_or_else(refused))
                    }
                },
            };
            if lines.send(line).await.is_err() {
                return;
            }
        }
    }

    async fn watch(
        &mut self,
        prefix: &str,
        lines: &mpsc::Sender<Line>,
        mut input: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    ) {
        let watching = match parse_key(prefix) {
            Ok(prefix) => self
                .handle
                .look(move |inside| inside.watch(prefix))
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let (first, mut watching) = match watching {
            Ok(watching) => (json!({"ok": true}), Some(watching)),
            Err(error) => (refused(error), None),
        };
        if lines.send(Line::Ready(first)).await.is_err() {
            return;
        }
        while let Some(watching) = &mut watching {
            let event = tokio::select! {
                () = stopped(&mut self.stop) => return,
                event = watching.recv() => event,
                () = closed(&mut input) => return,
            };
            let Some(event) = event else { return };
            if lines.send(Line::Ready(event)).await.is_err() {
                return;
            }
        }
    }

    async fn look(&self, request: Request) -> Result<Json, Refused> {
        let handle = &self.handle;
        let wrong = |error: crate::text::TextError| Ok(refused(error));
        match request {
            Request::Get { key } => {
                let key = match parse_key(&key) {
                    Ok(key) => key,
                    Err(error) => return wrong(error),
                };
                handle
                    .look(move |inside| {
                        let writers = inside.replica.writers(&key);
                        let mut answer = entry(&key, "value", &inside.replica.state(&key));
                        answer["ok"] = true.into();
                        answer["writers"] = writers
                            .iter()
                            .map(|(origin, version, accumulator)| {
                                json!({"origin": origin.to_string(), "version": version, "accumulator": accumulator.to_string()})
                            })
                            .collect();
                        answer
                    })
                    .await
            }
            Request::List {
                prefix,
                from,
                limit,
            } => {
                let prefix = match parse_key(&prefix) {
                    Ok(prefix) => prefix,
                    Err(error) => return wrong(error),
                };
                let page = handle.look(move |inside| {
                    let states = inside.replica.states();
                    let keys = states.len();
                    let entries = states.skip(from).take(limit.min(MAX_PAGE));
                    let entries = entries.filter(|(key, _)| key.starts_with(&prefix));
                    let entries: Vec<Json> = entries
                        .map(|(key, value)| entry(key, "value", value))
                        .collect();
                    page(entries, from + limit.min(MAX_PAGE), keys)
                });
                page.await
            }
            Request::Status { hash } => {
                let status = handle.look(move |inside| inside.status(hash)).await?;
                Ok(json!({"ok": true, "status": status}))
            }
            Request::Peers {} => {
                let peers = handle.look(|inside| inside.peers_report()).await?;
                Ok(json!({"ok": true, "peers": peers}))
            }
            Request::Checkpoints {} => {
                let checkpoints = handle
                    .look(|inside| inside.replica.checkpoints().to_vec())
                    .await?;
                let checkpoints = checkpoints
                    .iter()
                    .map(|(number, name)| json!({"checkpoint": number, "name": name}));
                Ok(json!({"ok": true, "checkpoints": checkpoints.collect::<Vec<_>>()}))
            }
            Request::Diff { first, second, key } => {
                let key = match parse_key(&key) {
                    Ok(key) => key,
                    Err(error) => return wrong(error),
                };
                let delta = handle
                    .look(move |inside| inside.replica.delta_between(&key, first, second))
                    .await??;
                Ok(json!({"ok": true, "delta": delta.to_string()}))
            }
            Request::Export {
                checkpoint,
                from,
                limit,
            } => {
                let page = handle.look(move |inside| {
                    let limit = limit.min(MAX_PAGE);
                    let keys = inside.replica.states().len();
                    let checkpoints = inside.replica.checkpoints();
                    if !checkpoints.iter().any(|(number, _)| *number == checkpoint) {
                        return Err(atomik_replica::OpError::NoCheckpoint(checkpoint));
                    }
                    let states = inside.replica.states().skip(from).take(limit);
                    let mut entries = Vec::new();
                    for (key, state) in states {
                        let delta = inside.replica.state_at(key, checkpoint)?.xor(state);
                        if !delta.is_zero() {
                            entries.push(entry(key, "delta", &delta));
                        }
                    }
                    Ok(page(entries, from + limit, keys))
                });
                Ok(page.await??)
            }
            Request::Links { drop, faults } => {
                let peers: Option<Vec<_>> = drop.iter().map(|peer| parse_hex(peer)).collect();
                let Some(peers) = peers else {
                    return Ok(refused("a peer is 32 hex digits, as `peers` shows it"));
                };
                let faults: Result<Option<Faults>, FaultsError> =
                    faults.map(|text| text.parse()).transpose();
                let faults = match faults {
                    Ok(faults) => faults,
                    Err(error) => return Ok(refused(error)),
                };
                handle
                    .look(move |inside| {
                        inside.link.cut(peers);
                        if let Some(faults) = faults {
                            inside.link.set_faults(faults);
                        }
                        json!({"ok": true})
                    })
                    .await
            }
            // The others are changes, or watches.
            _ => Ok(refused("not a request that looks")),
        }
    }
}

fn page(entries: Vec<Json>, next: usize, keys: usize) -> Json {
    let next = (next < keys).then_some(next);
    json!({"ok": true, "keys": entries, "next": next})
}

/// Reads a line without its end into `line`; false at the end of the input.
async fn read_line<R: AsyncRead + Unpin>(
    input: &mut BufReader<R>,
    line: &mut Vec<u8>,
) -> io::Result<bool> {
    loop {
        let there = input.fill_buf().await?;
        if there.is_empty() {
            return if line.is_empty() {
                Ok(false)
            } else {
                Err(io::Error::other("the last line has no end"))
            };
        }
        let end = there.iter().position(|&byte| byte == b'\n');
        let taken = end.unwrap_or(there.len());
        if line.len() + taken > MAX_LINE {
            return Err(io::Error::other(format!(
                "a line is longer than {MAX_LINE} bytes: ask for less at a time"
            )));
        }
        line.extend_from_slice(&there[..taken]);
        input.consume(taken + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Waits for the end of an input, and passes over what comes before it.
async fn closed<R: AsyncRead + Unpin>(input: &mut BufReader<R>) {
    while let Ok(there @ 1..) = input.fill_buf().await.map(<[u8]>::len) {
        input.consume(there);
    }
}

/// Writes answers in the order of their requests, until there are no more or nobody reads them.
async fn write_lines(
    output: &mut (dyn AsyncWrite + Send + Unpin),
    mut queue: mpsc::Receiver<Line>,
    ahead: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    let mut text = Vec::new();
    while let Some(line) = queue.recv().await {
        let answer = match line {
            Line::Ready(answer) => answer,
            Line::Waiting(change, pending) => match pending.done().await {
                Ok(result) => done(&change, &result),
                Err(error) => refused(error),
            },
        };
        text.clear();
        text.extend_from_slice(answer.to_string().as_bytes());
        text.push(b'\n');
        let written = tokio::select! {
            written = output.write_all(&text) => written.is_ok(),
            () = async {
                // A node does not wait for ever for those who do not read.
                stopped(&mut stop).await;
                tokio::time::sleep(FAREWELL).await;
            } => false,
        };
        if !written {
            return;
        }
        if ahead.available_permits() < AHEAD {
            ahead.add_permits(1);
        }
    }
    // The peer may be gone.
    let _ = output.flush().await;
}
