//! The simulated board behind a pseudo-terminal, which any program can open as a serial port.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serialport::{SerialPort as _, TTYPort};
use thiserror::Error;

use super::board::Board;
use super::model::ModelError;

/// Why the bridge between the board and its pseudo-terminal failed.
#[derive(Debug, Error)]
pub enum PtyError {
    /// The system has none.
    #[error(
        "cannot create a pseudo-terminal: {0}; check that /dev/ptmx exists and /dev/pts is mounted"
    )]
    Open(#[from] serialport::Error),
    /// Reading or writing failed.
    #[error("the pseudo-terminal failed: {0}; start the board again")]
    Io(#[from] io::Error),
    /// The simulation stopped.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A bug: the simulation panicked.
    #[error("the simulation panicked; please report this bug with the message printed above")]
    Panicked,
}

/// How long the thread waits for bytes while the line is quiet. Stopping takes no longer.
const IDLE_WAIT: Duration = Duration::from_millis(20);

/// A board that runs in its own thread, from [`PtyBoard::start`] until it is stopped or dropped.
#[derive(Debug)]
pub struct PtyBoard {
    path: PathBuf,
    board: Arc<Mutex<Board>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), PtyError>>>,
}

impl PtyBoard {
    /// Connects `board` to a new pseudo-terminal and starts it.
    ///
    /// # Errors
    /// If the system has no pseudo-terminal, or cannot start a thread.
    pub fn start(board: Board) -> Result<Self, PtyError> {
        let (master, slave) = TTYPort::pair()?;
        let path = slave.name().map(PathBuf::from).unwrap_or_default();
        let board = Arc::new(Mutex::new(board));
        let stop = Arc::new(AtomicBool::new(false));
        let bridge = Bridge {
            master,
            _slave: slave,
            board: Arc::clone(&board),
            stop: Arc::clone(&stop),
        };
        let thread = std::thread::Builder::new()
            .name("board".to_owned())
            .spawn(|| bridge.run())?;
        Ok(Self {
            path,
            board,
            stop,
            thread: Some(thread),
        })
    }

    /// The path of the serial port behind which the board runs.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The board, to press its buttons and inject faults. The board is paused while this is held.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        // If the thread panicked, the board is in the state between two steps.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the board is still running. If not, [`PtyBoard::stop`] returns the reason.
    pub fn is_running(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// Stops the board.
    ///
    /// # Errors
    /// If it had already stopped because of an error.
    pub fn stop(mut self) -> Result<(), PtyError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), PtyError> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(PtyError::Panicked),
        }
    }
}

impl Drop for PtyBoard {
    fn drop(&mut self) {
        // `stop` reports the error; drop cannot.
        let _ = self.end();
    }
}

struct Bridge {
    master: TTYPort,
    /// Kept open so that the pseudo-terminal survives when a program closes it.
    _slave: TTYPort,
    board: Arc<Mutex<Board>>,
    stop: Arc<AtomicBool>,
}

impl Bridge {
    fn run(mut self) -> Result<(), PtyError> {
        let mut buffer = [0; 512];
        let mut wait = Duration::ZERO;
        while !self.stop.load(Ordering::Relaxed) {
            self.master.set_timeout(wait)?;
            let count = match self.master.read(&mut buffer) {
                Ok(count) => count,
                Err(error) => match error.kind() {
                    io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => 0,
                    _ => return Err(error.into()),
                },
            };
            let (bytes, quiet) = {
                let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
                board.queue(&buffer[..count]);
                board.step(2000)?;
                (board.take_received(), board.is_quiet())
            };
            if !bytes.is_empty() {
                self.master.set_timeout(Duration::from_secs(1))?;
                match self.master.write_all(&bytes) {
                    // Nobody reads and the buffer is full: the bytes are lost, as on a real line.
                    Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                    result => result?,
                }
            }
            wait = if quiet { IDLE_WAIT } else { Duration::ZERO };
        }
        Ok(())
    }
}
