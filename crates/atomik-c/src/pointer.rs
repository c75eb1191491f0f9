//! From the pointers of a caller to references.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::slice;

use atomik_algebra::Layout;

use crate::status::{AtomikStatus, Failure};

fn null(what: &str) -> Failure {
    Failure::new(
        AtomikStatus::NullPointer,
        format_args!("{what} is a null pointer; check whether an earlier call has failed"),
    )
}

/// What `pointer` points to. `what` names the argument in the message.
pub(crate) unsafe fn shared<'a, T>(pointer: *const T, what: &str) -> Result<&'a T, Failure> {
    unsafe { pointer.as_ref() }.ok_or_else(|| null(what))
}

/// What `pointer` points to, to change it.
pub(crate) unsafe fn exclusive<'a, T>(pointer: *mut T, what: &str) -> Result<&'a mut T, Failure> {
    unsafe { pointer.as_mut() }.ok_or_else(|| null(what))
}

/// The `length` elements from `pointer` on, which may be null if there are none.
pub(crate) unsafe fn list<'a, T>(
    pointer: *const T,
    length: usize,
    what: &str,
) -> Result<&'a [T], Failure> {
    match (pointer.is_null(), length) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(null(what)),
        (false, _) => Ok(unsafe { slice::from_raw_parts(pointer, length) }),
    }
}

/// The layout whose text begins at `pointer`.
pub(crate) unsafe fn layout(pointer: *const c_char) -> Result<Layout, Failure> {
    let text = unsafe { text(pointer, "layout") }?;
    // What is not UTF-8 is in no layout; the message shows it.
    Ok(text.to_string_lossy().parse::<Layout>()?)
}

/// The path that begins at `pointer`, of any bytes.
pub(crate) unsafe fn path<'a>(pointer: *const c_char, what: &str) -> Result<&'a Path, Failure> {
    let text = unsafe { text(pointer, what) }?;
    Ok(Path::new(OsStr::from_bytes(text.to_bytes())))
}

unsafe fn text<'a>(pointer: *const c_char, what: &str) -> Result<&'a CStr, Failure> {
    match pointer.is_null() {
        true => Err(null(what)),
        false => Ok(unsafe { CStr::from_ptr(pointer) }),
    }
}

/// Puts a new handle where `place` points.
pub(crate) unsafe fn give<T>(place: *mut *mut T, what: &str, handle: T) -> Result<(), Failure> {
    let place = unsafe { exclusive(place, what) }?;
    *place = Box::into_raw(Box::new(handle));
    Ok(())
}

/// Frees a handle; nothing happens if it is null.
pub(crate) unsafe fn free<T>(handle: *mut T) {
    if !handle.is_null() {
        drop(unsafe { Box::from_raw(handle) });
    }
}
