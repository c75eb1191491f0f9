use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The command did what it was asked to do.
    Done,
    /// A check failed: a mismatch, a design that does not fit, replicas that differ.
    CheckFailed,
    /// The arguments or an input file are wrong.
    BadInput,
    /// A tool is missing or failed, an output could not be written, or there is a bug.
    Broken,
    /// Ctrl-C ended the command.
    Stopped,
}

impl Status {
    /// The exit status of the process.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::CheckFailed => 1,
            Self::BadInput => 2,
            Self::Broken => 3,
            // As a shell reports a process that SIGINT ended: 128 + 2.
            Self::Stopped => 130,
        }
    }

    /// The last word of a summary: `PASSED`, `STOPPED` or `FAILED`.
    #[must_use]
    pub fn verdict(self) -> &'static str {
        match self {
            Self::Done => "PASSED",
            Self::Stopped => "STOPPED",
            Self::CheckFailed | Self::BadInput | Self::Broken => "FAILED",
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_the_code_that_the_help_documents() {
        let all = [
            Status::Done,
            Status::CheckFailed,
            Status::BadInput,
            Status::Broken,
            Status::Stopped,
        ];
        assert_eq!(all.map(Status::code), [0, 1, 2, 3, 130]);
    }

    #[test]
    fn only_a_command_that_is_done_has_passed() {
        assert_eq!(Status::Done.verdict(), "PASSED");
        assert_eq!(Status::Stopped.verdict(), "STOPPED");
        for status in [Status::CheckFailed, Status::BadInput, Status::Broken] {
            assert_eq!(status.verdict(), "FAILED");
        }
    }
}
