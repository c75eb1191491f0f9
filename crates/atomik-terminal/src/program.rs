use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::failure::Failure;
use crate::status::Status;

/// A program, by the name that its messages begin with.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    name: &'static str,
}

impl Program {
    /// The program `name`.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self { name }
    }

    /// Prints `NAME: MESSAGE` to stderr. A closed stderr is ignored: no channel is left to report
    /// it.
    pub fn message(self, message: impl Display) {
        let _ = writeln!(io::stderr(), "{}: {message}", self.name);
    }

    /// The status that `result` stands for. A failure is printed to stderr, unless the reader of
    /// stdout has closed it.
    pub fn status<F: Failure>(self, result: &Result<Status, F>) -> Status {
        match result {
            Ok(status) => *status,
            Err(failure) if failure.is_closed_output() => Status::Done,
            Err(failure) => {
                self.message(failure.text());
                failure.status()
            }
        }
    }

    /// Ends `main`: [`Program::status`] as an exit code.
    pub fn exit<F: Failure>(self, result: &Result<Status, F>) -> ExitCode {
        self.status(result).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::OutputError;

    #[test]
    fn a_closed_output_is_no_failure_and_a_full_disk_is_one() {
        let program = Program::named("test");
        let status = |kind: io::ErrorKind| {
            let failed: Result<Status, _> = Err(OutputError::Write(kind.into()));
            program.status(&failed)
        };
        assert_eq!(status(io::ErrorKind::BrokenPipe), Status::Done);
        assert_eq!(status(io::ErrorKind::StorageFull), Status::Broken);
        let stopped: Result<_, OutputError> = Ok(Status::Stopped);
        assert_eq!(program.status(&stopped), Status::Stopped);
    }
}
