use std::error::Error;

use crate::status::Status;

/// An error that ends a command.
pub trait Failure: Error {
    /// The exit status.
    fn status(&self) -> Status;

    /// The message, including the next step for the user.
    fn text(&self) -> String {
        self.to_string()
    }

    /// Whether the reader of stdout closed it, as `head` does. The command then ends quietly, with
    /// [`Status::Done`].
    fn is_closed_output(&self) -> bool {
        false
    }
}
