//! The other end of the control connection: what `atomik-node get` and its like do.

use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value as Json, json};
use thiserror::Error;

/// Where a node is controlled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The socket of its data folder.
    Socket(PathBuf),
    /// Over TCP.
    Tcp(SocketAddr),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

/// Why a node could not be asked, or did not do it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody is there.
    #[error(
        "no node answers at {place}: {source}; start it, or name the right one with --data DIR or --control ADDRESS:PORT"
    )]
    Connect {
        /// Where.
        place: Address,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke, or the answer did not come.
    #[error(
        "{place}: {source}; see the node's log, then ask again (whether a change has taken effect is not known)"
    )]
    Broken {
        /// Where.
        place: Address,
        /// What the system said.
        source: io::Error,
    },
    /// Not an answer.
    #[error("{place} answered what no node answers ({0}): name the right place", .line)]
    Answer {
        /// Where.
        place: Address,
        /// What came.
        line: String,
    },
    /// The node refused.
    #[error("{0}")]
    Refused(String),
    /// The output cannot be written.
    #[error("cannot write to the standard output: {0}")]
    Output(#[source] io::Error),
    /// The input cannot be read.
    #[error("<stdin>: {0}")]
    Input(#[source] io::Error),
}

trait Stream: Read + Write + Send {
    fn twin(&self) -> io::Result<Box<dyn Stream>>;
    fn limit(&self, patience: Option<Duration>) -> io::Result<()>;
    fn end(&self) -> io::Result<()>;
}

macro_rules! stream {
    ($kind:ty) => {
        impl Stream for $kind {
            fn twin(&self) -> io::Result<Box<dyn Stream>> {
                Ok(Box::new(self.try_clone()?))
            }

            fn limit(&self, patience: Option<Duration>) -> io::Result<()> {
                self.set_read_timeout(patience)?;
                self.set_write_timeout(patience)
            }

            fn end(&self) -> io::Result<()> {
                self.shutdown(std::net::Shutdown::Write)
            }
        }
    };
}

stream!(UnixStream);
stream!(TcpStream);

/// A control connection.
pub struct Client {
    place: Address,
    input: BufReader<Box<dyn Stream>>,
    output: Box<dyn Stream>,
}

impl Client {
    /// Connects; an answer must come within `patience`.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub fn connect(place: Address, patience: Option<Duration>) -> Result<Self, ClientError> {
        let connect = || -> io::Result<_> {
            let stream: Box<dyn Stream> = match &place {
                Address::Socket(path) => Box::new(UnixStream::connect(path)?),
                Address::Tcp(address) => {
                    let stream = TcpStream::connect(address)?;
                    stream.set_nodelay(true)?;
                    Box::new(stream)
                }
            };
            stream.limit(patience)?;
            Ok((stream.twin()?, stream))
        };
        match connect() {
            Ok((input, output)) => Ok(Self {
                place,
                input: BufReader::new(input),
                output,
            }),
            Err(source) => Err(ClientError::Connect { place, source }),
        }
    }

    /// Sends a request and returns its answer.
    ///
    /// # Errors
    /// [`ClientError`], [`Refused`](ClientError::Refused) among them.
    pub fn ask(&mut self, request: &Json) -> Result<Json, ClientError> {
        match self.send(request) {
            Ok(()) => self.answer(),
            // It may have said why it does not listen.
            Err(broken) => match self.answer() {
                Err(refused @ ClientError::Refused(_)) => Err(refused),
                _ => Err(broken),
            },
        }
    }

    /// Sends a request; its answer is the next but those of earlier requests.
    ///
    /// # Errors
    /// [`ClientError::Broken`].
    pub fn send(&mut self, request: &Json) -> Result<(), ClientError> {
        let sent = self.output.write_all(format!("{request}\n").as_bytes());
        sent.map_err(|source| self.broken(source))
    }

    /// The next answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn answer(&mut self) -> Result<Json, ClientError> {
        let Some(answer) = self.line()? else {
            return Err(self.broken(io::Error::other("the node closed the connection")));
        };
        if answer["ok"] == false {
            return Err(ClientError::Refused(
                answer["error"].as_str().unwrap_or("refused").to_owned(),
            ));
        }
        Ok(answer)
    }

    /// The next line; `None` at the end of the connection.
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
                place: self.place.clone(),
                line: line.trim_end().chars().take(80).collect(),
            })
    }

    fn broken(&self, source: io::Error) -> ClientError {
        let source = match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                io::Error::other("no answer in time: storage may be stuck")
            }
            _ => source,
        };
        ClientError::Broken {
            place: self.place.clone(),
            source,
        }
    }

    /// Passes the lines of the standard input on and prints the answers, in order. Returns whether
    /// all were carried out.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn pipe(mut self) -> Result<bool, ClientError> {
        let mut writer = self.output.twin().map_err(|source| self.broken(source))?;
        let sender = std::thread::spawn(move || -> io::Result<()> {
            let mut output = BufWriter::new(&mut writer);
            for line in io::stdin().lock().lines() {
                // A node that went away is noticed by whoever reads.
                if writeln!(output, "{}", line?)
                    .and_then(|()| output.flush())
                    .is_err()
                {
                    return Ok(());
                }
            }
            drop(output);
            let _ = writer.end();
            Ok(())
        });
        let mut fine = true;
        let mut out = io::stdout().lock();
        while let Some(answer) = self.line()? {
            fine &= answer["ok"] != false;
            writeln!(out, "{answer}")
                .and_then(|()| out.flush())
                .map_err(ClientError::Output)?;
        }
        match sender.join() {
            Ok(read) => read.map_err(ClientError::Input)?,
            Err(_) => return Err(self.broken(io::Error::other("sending failed"))),
        }
        Ok(fine)
    }

    /// Every page of a `list` or an `export`, entry by entry.
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
