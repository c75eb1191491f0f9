use std::fs::{DirBuilder, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
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

/// The folder in which a socket gets its mode.
const HIDDEN_FOLDER: &str = ".new";
/// The name of the socket there. With the folder it is no longer than the final name, since the
/// path of a socket must be short.
const HIDDEN_NAME: &str = "sock";

/// Binds a socket with mode 0600 in a folder that only this user can enter, because a socket has
/// the mode that the umask leaves until it is given another. Returns the folder.
fn bind_hidden(data: &Path) -> io::Result<(UnixListener, PathBuf)> {
    let folder = data.join(HIDDEN_FOLDER);
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(&folder)?;
    let path = folder.join(HIDDEN_NAME);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok((listener, folder))
}

impl Listener {
    /// Listens on the socket of a data folder, for this user only. The caller holds the folder's
    /// lock, so an existing socket is a leftover and is replaced.
    pub(crate) fn unix(data: &Path) -> io::Result<Self> {
        let (listener, hidden) = bind_hidden(data)?;
        let path = socket(data);
        std::fs::rename(hidden.join(HIDDEN_NAME), &path)?;
        let listener = Self::Unix(listener, path);
        std::fs::remove_dir(hidden)?;
        Ok(listener)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_is_out_of_reach_until_it_has_its_mode() {
        let data = tempfile::tempdir().unwrap();
        std::fs::set_permissions(data.path(), Permissions::from_mode(0o777)).unwrap();
        let (_listener, hidden) = bind_hidden(data.path()).unwrap();
        assert_eq!(mode(&hidden), 0o700);
        assert_eq!(mode(&hidden.join(HIDDEN_NAME)), 0o600);
        assert!(!socket(data.path()).exists());
        // The folder is left over by a crash, and so is a socket.
        drop(UnixListener::bind(socket(data.path())).unwrap());
        let listener = Listener::unix(data.path()).unwrap();
        assert_eq!(mode(&socket(data.path())), 0o600);
        assert!(!hidden.exists());
        let connected = tokio::net::UnixStream::connect(socket(data.path())).await;
        assert!(connected.is_ok(), "{connected:?}");
        drop(listener);
        assert!(!socket(data.path()).exists());
    }

    #[tokio::test]
    async fn the_path_of_a_socket_may_be_as_long_as_before() {
        let parent = tempfile::tempdir().unwrap();
        // 107 bytes are the longest path that a socket can have.
        let room = 107 - "/control.sock".len() - 1 - parent.path().as_os_str().len();
        let data = parent.path().join("d".repeat(room));
        std::fs::create_dir(&data).unwrap();
        assert_eq!(socket(&data).as_os_str().len(), 107);
        assert!(Listener::unix(&data).is_ok());
    }
}
