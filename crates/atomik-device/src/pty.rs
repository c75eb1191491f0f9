//! The simulated board behind a pseudo-terminal, which any program can open as a serial port.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serialport::{SerialPort as _, TTYPort};
use thiserror::Error;

use crate::board::{Board, ModelError};

/// Why the bridge between board and pseudo-terminal does not work.
#[derive(Debug, Error)]
pub enum PtyError {
    /// The system gives none.
    #[error("cannot make a pseudo-terminal: {0}; is /dev/pts mounted, and /dev/ptmx there?")]
    Open(#[from] serialport::Error),
    /// It fails.
    #[error("the pseudo-terminal fails: {0}")]
    Io(#[from] io::Error),
    /// The simulation stopped.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A bug: the thread of the simulation is gone.
    #[error("the thread of the simulation ended in a panic")]
    Panicked,
}

/// How long the thread waits for bytes when nothing is under way; a stop takes no longer.
const IDLE_WAIT: Duration = Duration::from_millis(20);

/// A board that runs in a thread of its own, from [`PtyBoard::start`] until it is stopped or
/// dropped.
#[derive(Debug)]
pub struct PtyBoard {
    path: PathBuf,
    board: Arc<Mutex<Board>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), PtyError>>>,
}

impl PtyBoard {
    /// Connects `board` to a new pseudo-terminal and lets it run.
    ///
    /// # Errors
    /// When the system gives no pseudo-terminal or no thread.
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

    /// The serial port at which the board answers.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The board, to press its buttons and to spoil its line. It stands still while this is held.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        // After a panic in the thread the board is as it was between two steps.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the board still runs; if not, [`PtyBoard::stop`] says why.
    pub fn is_running(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// Stops the board.
    ///
    /// # Errors
    /// When it had stopped before, for a reason of its own.
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
        // Whoever wants to know why it ended calls `stop`.
        let _ = self.end();
    }
}

struct Bridge {
    master: TTYPort,
    /// Open, so that the pseudo-terminal stays when a program closes it.
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
                    // Nobody reads, and the buffer is full: lost, as on a real line.
                    Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                    result => result?,
                }
            }
            wait = if quiet { IDLE_WAIT } else { Duration::ZERO };
        }
        Ok(())
    }
}
