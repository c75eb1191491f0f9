//! The client side of a control connection, which `atomik-node get` and the other commands use.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};
use thiserror::Error;

use crate::connection::is_blank;
use crate::credential::Token;

/// The address of a node's control connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The socket in its data folder.
    Socket(PathBuf),
    /// A TCP address, and the token of the node there.
    Tcp(SocketAddr, Token),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Tcp(address, _) => address.fmt(f),
        }
    }
}

/// Why a request to a node failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No node answers.
    #[error(
        "no node answers at {address}: {source}; \
         start it, or name the right one with --data DIR or --control ADDRESS:PORT"
    )]
    Connect {
        /// The address.
        address: Address,
        /// The system's error.
        source: io::Error,
    },
    /// The connection broke, or the answer timed out.
    #[error(
        "{address}: {source}; check the node's log, then try again \
         (the change may or may not have taken effect)"
    )]
    Broken {
        /// The address.
        address: Address,
        /// The system's error.
        source: io::Error,
    },
    /// The answer is not JSON.
    #[error("{address} is not a node, it answered {line:?}: name the right address")]
    Answer {
        /// The address.
        address: Address,
        /// The beginning of the answer.
        line: String,
    },
    /// The node refused the request.
    #[error("{reason}")]
    Refused {
        /// The node's message, with its next step.
        reason: String,
    },
    /// Stdout cannot be written.
    #[error("cannot write to stdout: {0}")]
    Output(#[source] io::Error),
    /// Stdin cannot be read.
    #[error("cannot read stdin: {0}")]
    Input(#[source] io::Error),
}

trait Stream: Read + Write + Send {
    fn duplicate(&self) -> io::Result<Box<dyn Stream>>;
    fn set_timeout(&self, patience: Option<Duration>) -> io::Result<()>;
    fn end_input(&self) -> io::Result<()>;
}

macro_rules! stream {
    ($kind:ty) => {
        impl Stream for $kind {
            fn duplicate(&self) -> io::Result<Box<dyn Stream>> {
                Ok(Box::new(self.try_clone()?))
            }

            fn set_timeout(&self, patience: Option<Duration>) -> io::Result<()> {
                self.set_read_timeout(patience)?;
                self.set_write_timeout(patience)
            }

            fn end_input(&self) -> io::Result<()> {
                self.shutdown(std::net::Shutdown::Write)
            }
        }
    };
}

stream!(UnixStream);
stream!(TcpStream);

/// A control connection.
pub struct Client {
    address: Address,
    input: BufReader<Box<dyn Stream>>,
    output: Box<dyn Stream>,
}

impl Client {
    /// Connects, and over TCP shows the token. `patience` is the timeout of each answer.
    ///
    /// # Errors
    /// [`ClientError::Connect`]; [`ClientError::Refused`] if the token is wrong.
    pub fn connect(address: Address, patience: Option<Duration>) -> Result<Self, ClientError> {
        let connect = || -> io::Result<_> {
            let stream: Box<dyn Stream> = match &address {
                Address::Socket(path) => Box::new(UnixStream::connect(path)?),
                Address::Tcp(socket, _) => {
                    let stream = TcpStream::connect(socket)?;
                    stream.set_nodelay(true)?;
                    Box::new(stream)
                }
            };
            stream.set_timeout(patience)?;
            Ok((stream.duplicate()?, stream))
        };
        let greeting = match &address {
            Address::Socket(_) => None,
            Address::Tcp(_, token) => Some(json!({"op": "hello", "token": token.text()})),
        };
        let mut client = match connect() {
            Ok((input, output)) => Self {
                address,
                input: BufReader::new(input),
                output,
            },
            Err(source) => return Err(ClientError::Connect { address, source }),
        };
        if let Some(greeting) = greeting {
            client.ask(&greeting)?;
        }
        Ok(client)
    }

    /// Sends a request and returns its answer.
    ///
    /// # Errors
    /// [`ClientError`], including [`ClientError::Refused`].
    pub fn ask(&mut self, request: &Json) -> Result<Json, ClientError> {
        match self.send(request) {
            Ok(()) => self.answer(),
            // The node may have explained why it closed the connection.
            Err(broken) => match self.answer() {
                Err(refused @ ClientError::Refused { .. }) => Err(refused),
                _ => Err(broken),
            },
        }
    }

    /// Sends a request without waiting; answers arrive in the order of the requests.
    ///
    /// # Errors
    /// [`ClientError::Broken`].
    pub fn send(&mut self, request: &Json) -> Result<(), ClientError> {
        let sent = self.output.write_all(format!("{request}\n").as_bytes());
        sent.map_err(|source| self.broken(source))
    }

    /// Waits for the next answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn answer(&mut self) -> Result<Json, ClientError> {
        let Some(answer) = self.line()? else {
            return Err(self.closed());
        };
        if answer["ok"] == false {
            let reason = answer["error"].as_str().unwrap_or("refused").to_owned();
            return Err(ClientError::Refused { reason });
        }
        Ok(answer)
    }

    /// Waits for the next line; `None` at the end of the connection.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn line(&mut self) -> Result<Option<Json>, ClientError> {
        let mut line = String::new();
        let read = self
            .input
            .read_line(&mut line)
            .map_err(|source| self.broken(source))?;
        if read == 0 {
            return Ok(None);
        }
        serde_json::from_str(&line)
            .map(Some)
            .map_err(|_| ClientError::Answer {
                address: self.address.clone(),
                line: line.trim_end().chars().take(80).collect(),
            })
    }

    fn closed(&self) -> ClientError {
        self.broken(io::Error::other("the node closed the connection"))
    }

    fn broken(&self, source: io::Error) -> ClientError {
        let source = match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                io::Error::other("the answer timed out: storage may be stuck")
            }
            _ => source,
        };
        ClientError::Broken {
            address: self.address.clone(),
            source,
        }
    }

    /// Sends the lines of stdin as requests and prints the answers to stdout, in order. Returns
    /// whether the node accepted all of them.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Broken`] if the node closes the connection before it has
    /// answered every line.
    pub fn pipe(mut self) -> Result<bool, ClientError> {
        let writer = self.output.duplicate();
        let mut writer = writer.map_err(|source| self.broken(source))?;
        let sent = Arc::new(AtomicU64::new(0));
        let is_at_end = Arc::new(AtomicBool::new(false));
        let sender = {
            let (sent, is_at_end) = (Arc::clone(&sent), Arc::clone(&is_at_end));
            std::thread::spawn(move || {
                let read = send_stdin(&mut *writer, &sent);
                is_at_end.store(true, Ordering::SeqCst);
                let _ = writer.end_input();
                read
            })
        };
        let (mut accepted, mut answered) = (true, 0);
        let mut out = io::stdout().lock();
        while let Some(answer) = self.line()? {
            // Events of `watch` answer nothing.
            answered += u64::from(answer.get("ok").is_some());
            accepted &= answer["ok"] != false;
            writeln!(out, "{answer}")
                .and_then(|()| out.flush())
                .map_err(ClientError::Output)?;
        }
        // Before the end of stdin, the sender may wait for its next line for ever.
        if !is_at_end.load(Ordering::SeqCst) {
            return Err(self.closed());
        }
        match sender.join() {
            Ok(read) => read.map_err(ClientError::Input)?,
            Err(_) => return Err(self.broken(io::Error::other("sending failed"))),
        }
        match answered < sent.load(Ordering::SeqCst) {
            true => Err(self.closed()),
            false => Ok(accepted),
        }
    }

    /// Requests every page of a `list` or an `export` and passes each entry to `each`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn pages(
        &mut self,
        mut request: Json,
        mut each: impl FnMut(&Json) -> io::Result<()>,
    ) -> Result<(), ClientError> {
        let mut from = json!(0);
        while from.is_u64() {
            request["from"] = from;
            let page = self.ask(&request)?;
            for entry in page["keys"].as_array().into_iter().flatten() {
                each(entry).map_err(ClientError::Output)?;
            }
            from = page["next"].clone();
        }
        Ok(())
    }
}

/// Sends the lines of stdin, and counts those that have an answer. The reading side reports a node
/// that has gone.
fn send_stdin(writer: &mut dyn Stream, sent: &AtomicU64) -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        sent.fetch_add(u64::from(!is_blank(&line)), Ordering::SeqCst);
        if writer.write_all(format!("{line}\n").as_bytes()).is_err() {
            break;
        }
    }
    Ok(())
}
