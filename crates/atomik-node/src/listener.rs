use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// The reading half of a control connection.
pub(crate) type Input = Box<dyn AsyncRead + Send + Unpin>;
/// The writing half of a control connection.
pub(crate) type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// Accepts control connections.
pub(crate) enum Listener {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener),
}

/// The path of a data folder's control socket.
#[must_use]
pub fn socket(data: &Path) -> PathBuf {
    data.join("control.sock")
}

impl Listener {
    /// Listens on the socket of a data folder. The caller holds the folder's lock, so an existing
    /// socket is a leftover and is replaced.
    pub(crate) fn unix(data: &Path) -> io::Result<Self> {
        let path = socket(data);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self::Unix(listener, path))
    }

    pub(crate) async fn tcp(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self::Tcp)
    }

    /// The path or address, for messages.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Unix(_, path) => path.display().to_string(),
            Self::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|_| "?".to_owned(), |address| address.to_string()),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<(Input, Output)> {
        Ok(match self {
            Self::Unix(listener, _) => {
                let (read, write) = listener.accept().await?.0.into_split();
                (Box::new(read), Box::new(write))
            }
            Self::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                // Answers are small, and the client waits for them.
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
            // If this fails, the next node removes it.
            let _ = std::fs::remove_file(path);
        }
    }
}
