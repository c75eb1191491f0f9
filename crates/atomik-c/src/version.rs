//! The version of the library.

use std::ffi::c_char;

/// The major version of this header. Before 1.0.0, only libraries with the same major and minor
/// version fit.
pub const ATOMIK_VERSION_MAJOR: u32 = 0;
/// The minor version of this header.
pub const ATOMIK_VERSION_MINOR: u32 = 1;
/// The patch version of this header.
pub const ATOMIK_VERSION_PATCH: u32 = 0;

const TEXT: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// The version of the library, such as "0.1.0". The text is valid forever.
#[unsafe(no_mangle)]
pub extern "C" fn atomik_version() -> *const c_char {
    TEXT.as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn the_header_has_the_version_of_the_library() {
        let numbers = [
            ATOMIK_VERSION_MAJOR,
            ATOMIK_VERSION_MINOR,
            ATOMIK_VERSION_PATCH,
        ];
        let text = unsafe { CStr::from_ptr(atomik_version()) }
            .to_str()
            .unwrap();
        assert_eq!(text, numbers.map(|number| number.to_string()).join("."));
    }
}
