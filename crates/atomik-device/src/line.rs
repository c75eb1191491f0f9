//! A line to a board: what the host needs from it, and the serial port.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serialport::{ClearBuffer, SerialPort as _, TTYPort};
use thiserror::Error;

/// A line to a board: bytes in both directions, and a clock for timeouts.
pub trait Line {
    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// If the line fails.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits for bytes, but no longer than `wait`. Returns how many it has put into `buffer`; 0 on
    /// a timeout.
    ///
    /// # Errors
    /// If the line fails.
    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize>;

    /// Discards the bytes that have arrived but were not received.
    ///
    /// # Errors
    /// If the line fails.
    fn discard(&mut self) -> io::Result<()>;

    /// The time since an arbitrary start.
    fn now(&self) -> Duration;
}

/// The speed of this project's boards, in bits per second.
pub const DEFAULT_BAUD: u32 = 1_000_000;

/// Why a serial port could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The port does not exist.
    #[error(
        "{}: there is no such port; is the board plugged in? `ls /dev/ttyUSB* /dev/ttyACM*` lists \
         the ports; on a Tang Nano 9K the second of its two ports is the UART",
        .0.display()
    )]
    Missing(PathBuf),
    /// The user is not allowed to open it.
    #[error(
        "{}: permission denied; serial ports usually belong to the group dialout (check with \
         `ls -l`): run `sudo usermod -a -G dialout $USER`, then log in again",
        .0.display()
    )]
    Permission(PathBuf),
    /// Another program has it open.
    #[error("{}: the port is in use; quit the program that has it open", .0.display())]
    Busy(PathBuf),
    /// It is not a serial port, it does not support the speed, or something else failed.
    #[error(
        "{}: {source}; name a serial port, and with --baud a speed that it supports",
        path.display()
    )]
    Other {
        /// The port.
        path: PathBuf,
        /// The system's error.
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
    /// Opens the port at `path` for exclusive use, at `baud` bits per second.
    ///
    /// # Errors
    /// If the port does not exist, may not be opened, or is in use.
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
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

impl Line for SerialLine {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.port.set_timeout(SEND_TIMEOUT)?;
        self.port.write_all(bytes)
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize> {
        self.port.set_timeout(wait)?;
        match self.port.read(buffer) {
            // An unplugged port reads as end of file.
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
