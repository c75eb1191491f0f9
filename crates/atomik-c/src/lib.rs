//! The C library `libatomik`. Its interface is `include/atomik.h`, which cbindgen writes from the
//! items of this crate that begin with `atomik`; `docs/c.md` has the rules for callers.
//!
//! | module | contents |
//! |---|---|
//! | [`status`] | the status that functions return, and the message of the last failure |
//! | [`register_file`] | many addresses of words with a layout: the software model |
//! | [`model`] | the golden model of a generated register file, cycle by cycle |
//! | [`version`] | the version of the library |
//!
//! Every function checks its arguments and catches panics. What it cannot check is the caller's
//! part: a pointer is null, or points to as much memory as the function's documentation says; a
//! handle comes from this library and was not freed; no two threads use a handle at once, unless
//! both calls take it as `const`.

#![allow(
    clippy::missing_safety_doc,
    reason = "the rules are the same for all functions, and stand above"
)]

mod manifest;
pub mod model;
mod pointer;
pub mod register_file;
pub mod status;
pub mod version;

/// The rules for threads rest on this.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<register_file::AtomikRegisterFile>();
    shared::<model::AtomikModel>();
};
