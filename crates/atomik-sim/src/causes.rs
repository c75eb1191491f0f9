//! The message of an error together with its causes.

/// An error's message, followed by the messages of those of its causes that it does not already
/// contain.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text += ": ";
            text += &reason;
        }
        cause = error.source();
    }
    text
}
