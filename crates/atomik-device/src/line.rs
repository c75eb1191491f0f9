//! What a serial line must be able to do, and the real one.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serialport::{ClearBuffer, SerialPort as _, TTYPort};
use thiserror::Error;

/// A line to a board: bytes both ways, and a clock to measure patience with.
pub trait Line {
    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// What the system says.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits until something has come, but no longer than `wait`. Returns how many bytes it has put
    /// into `buffer`; 0 when nothing came.
    ///
    /// # Errors
    /// What the system says.
    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize>;

    /// Throws away what has come and was not received.
    ///
    /// # Errors
    /// What the system says.
    fn discard(&mut self) -> io::Result<()>;

    /// The time, from any start.
    fn now(&self) -> Duration;
}

/// The speed of the boards of this project, in bits per second.
pub const DEFAULT_BAUD: u32 = 1_000_000;

/// Why a serial port could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// There is no such file.
    #[error(
        "{}: there is no such port; is the board plugged in? `ls /dev/ttyUSB* /dev/ttyACM*` shows what there is, \
         and of the two ports of a Tang Nano 9K the second one is the UART",
        .0.display()
    )]
    Missing(PathBuf),
    /// The user may not open it.
    #[error(
        "{}: permission denied; ports mostly belong to the group dialout (`ls -l` shows it): \
         `sudo usermod -a -G dialout $USER`, then log in again",
        .0.display()
    )]
    Permission(PathBuf),
    /// Another program has it.
    #[error("{}: the port is in use; end the program that has it open", .0.display())]
    Busy(PathBuf),
    /// It is no serial port, it does not know the speed, or anything else.
    #[error(
        "{}: {source}; name a serial port, and with --baud a speed that it knows",
        path.display()
    )]
    Other {
        /// The port.
        path: PathBuf,
        /// What the system says.
        source: serialport::Error,
    },
}

/// A serial port of this machine: eight data bits, no parity, one stop bit, no flow control.
#[derive(Debug)]
pub struct SerialLine {
    port: TTYPort,
    start: Instant,
}

impl SerialLine {
    /// Opens the port at `path`, for this program alone, at `baud` bits per second.
    ///
    /// # Errors
    /// When there is none, when it may not be opened, and when it is in use.
    pub fn open(path: &Path, baud: u32) -> Result<Self, OpenError> {
        let failed = |source: serialport::Error| {
            let path = path.to_path_buf();
            match source.kind() {
                serialport::ErrorKind::Io(io::ErrorKind::NotFound) => OpenError::Missing(path),
                serialport::ErrorKind::Io(io::ErrorKind::PermissionDenied) => {
                    OpenError::Permission(path)
                }
                serialport::ErrorKind::NoDevice => OpenError::Busy(path),
                _ => OpenError::Other { path, source },
            }
        };
        let builder = serialport::new(path.to_string_lossy(), baud);
        let port = TTYPort::open(&builder).map_err(failed)?;
        Ok(Self {
            port,
            start: Instant::now(),
        })
    }
}

/// How long the system may take to accept the bytes of a frame.
const SEND_PATIENCE: Duration = Duration::from_secs(10);

impl Line for SerialLine {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.port.set_timeout(SEND_PATIENCE)?;
        self.port.write_all(bytes)
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize> {
        self.port.set_timeout(wait)?;
        match self.port.read(buffer) {
            // The end of the file is how a port says that it was unplugged.
            Ok(0) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(0)
            }
            result => result,
        }
    }

    fn discard(&mut self) -> io::Result<()> {
        Ok(self.port.clear(ClearBuffer::Input)?)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}
