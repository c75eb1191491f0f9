//! The status that functions return, and the message of the last failure.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use atomik_algebra::Error;
use atomik_golden::record::LayoutError;

/// What a function returns. Every other value than `ATOMIK_STATUS_OK` is a failure: the call has
/// changed nothing, and `atomik_last_error` says why.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomikStatus {
    /// Success.
    Ok = 0,
    /// A pointer is null that must not be.
    NullPointer = 1,
    /// A text is not a layout, such as "xor:64" or "xor:48,add:16".
    Layout = 2,
    /// A depth, a number of lanes, a latency or a time to clear that is not supported.
    Size = 3,
    /// An address, a lane or a word of a port that does not exist.
    Address = 4,
    /// A value has a bit set above its width.
    Value = 5,
    /// Two register files differ in layout or depth.
    Mismatch = 6,
    /// A merge of register files with different references: their deltas do not add up.
    References = 7,
    /// A manifest cannot be read.
    Manifest = 8,
    /// The tables could not be allocated.
    OutOfMemory = 9,
    /// A bug in the library. Free the handle: what it holds is unknown.
    Internal = 10,
}

/// A status with its message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub status: AtomikStatus,
    pub message: String,
}

impl Failure {
    pub fn new(status: AtomikStatus, message: impl fmt::Display) -> Self {
        Self {
            status,
            message: message.to_string(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match innermost(&error) {
            Error::NoDepth => AtomikStatus::Size,
            Error::OutOfMemory { .. } => AtomikStatus::OutOfMemory,
            Error::Width { .. } => AtomikStatus::Layout,
            Error::Address { .. } => AtomikStatus::Address,
            Error::TooWide { .. } => AtomikStatus::Value,
            Error::Depths { .. } | Error::Layouts { .. } => AtomikStatus::Mismatch,
            Error::References | Error::ReferencesAt { .. } => AtomikStatus::References,
            _ => AtomikStatus::Internal,
        };
        Self::new(status, error)
    }
}

impl From<atomik_algebra::LayoutError> for Failure {
    fn from(error: atomik_algebra::LayoutError) -> Self {
        Self::new(AtomikStatus::Layout, error)
    }
}

impl From<LayoutError> for Failure {
    fn from(error: LayoutError) -> Self {
        Self::new(AtomikStatus::Size, error)
    }
}

/// The error of the entry, if it is one of a list.
fn innermost(error: &Error) -> &Error {
    match error {
        Error::Entry { reason, .. } => innermost(reason),
        other => other,
    }
}

thread_local! {
    /// The message of the last failure in this thread.
    static LAST: RefCell<CString> = RefCell::new(CString::default());
}

/// Runs the body of a function of the library, remembers the message if it fails, and catches
/// panics, which must not reach the caller.
pub(crate) fn guard(body: impl FnOnce() -> Result<(), Failure>) -> AtomikStatus {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return AtomikStatus::Ok,
        Ok(Err(failure)) => failure,
        Err(panic) => Failure::new(
            AtomikStatus::Internal,
            format_args!(
                "bug in libatomik: {}; please report it, and free the handle",
                text_of(panic.as_ref())
            ),
        ),
    };
    // A text with a zero byte would end there for C.
    let message = failure.message.replace('\0', " ");
    let message = CString::new(message).unwrap_or_default();
    // In a handler or destructor at the end of a thread, its storage may be gone.
    let _ = LAST.try_with(|last| last.replace(message));
    failure.status
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "a panic",
    }
}

/// The message of the last failure in this thread: what was wrong, and what to do. It is empty if
/// there was none, and valid until the next failure in this thread. In handlers and destructors
/// that run at the end of a thread it may be lost.
#[unsafe(no_mangle)]
pub extern "C" fn atomik_last_error() -> *const c_char {
    const LOST: &CStr = c"the message is lost: the thread has ended";
    LAST.try_with(|last| last.borrow().as_ptr())
        .unwrap_or(LOST.as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last() -> String {
        let text = unsafe { CStr::from_ptr(atomik_last_error()) };
        text.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_becomes_a_status_with_its_message() {
        let table = [0; 3];
        let status = guard(|| {
            assert_eq!(table[std::hint::black_box(3)], 0);
            Ok(())
        });
        assert_eq!(status, AtomikStatus::Internal);
        assert!(
            last().contains("the len is 3 but the index is 3"),
            "{}",
            last()
        );
    }

    #[test]
    fn a_success_keeps_the_message_and_threads_have_their_own() {
        let fail = |text: &str| guard(|| Err(Failure::new(AtomikStatus::Value, text)));
        assert_eq!(last(), "");
        assert_eq!(fail("a\0b"), AtomikStatus::Value);
        assert_eq!(guard(|| Ok(())), AtomikStatus::Ok);
        assert_eq!(last(), "a b");
        std::thread::spawn(|| assert_eq!(last(), ""))
            .join()
            .unwrap();
    }

    #[test]
    fn an_entry_of_a_list_has_the_status_of_its_reason() {
        let reason = Error::Address { addr: 9, depth: 4 };
        let error = Error::Entry {
            index: 1,
            reason: Box::new(reason),
        };
        let failure = Failure::from(error);
        assert_eq!(failure.status, AtomikStatus::Address);
        assert!(failure.message.starts_with("entry 1 of the list"));
    }
}
