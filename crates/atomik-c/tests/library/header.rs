//! The header is current, and declares exactly what the library exports.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

fn header() -> String {
    fs::read_to_string(Path::new(CRATE).join("include/atomik.h")).unwrap()
}

#[test]
fn the_header_is_what_cbindgen_writes() {
    let mut fresh = vec![];
    cbindgen::generate(CRATE).unwrap().write(&mut fresh);
    assert!(
        header().into_bytes() == fresh,
        "include/atomik.h is stale: run `make c-header` and commit the result"
    );
}

#[test]
fn the_shared_library_exports_exactly_the_functions_of_the_header() {
    let library = env::current_exe().unwrap().with_file_name("libatomik_c.so");
    let symbols = Command::new("nm")
        .args(["--dynamic", "--defined-only", "--format=posix"])
        .arg(&library)
        .output()
        .expect("nm, which comes with the C compiler");
    assert!(
        symbols.status.success(),
        "{}: {symbols:?}",
        library.display()
    );
    let symbols = String::from_utf8(symbols.stdout).unwrap();
    let exported: BTreeSet<&str> = symbols
        .lines()
        .filter_map(|l| l.split(' ').next())
        .collect();
    let header = header();
    let declared: BTreeSet<&str> = header
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '(')
        .filter_map(|word| word.split_once('(').map(|(name, _)| name))
        .filter(|name| name.starts_with("atomik_"))
        .collect();
    assert!(declared.len() > 30, "{declared:?}");
    assert_eq!(exported, declared);
}

#[test]
fn the_shared_library_is_named_for_the_versions_it_fits() {
    let library = env::current_exe().unwrap().with_file_name("libatomik_c.so");
    let dynamic = Command::new("readelf")
        .arg("-d")
        .arg(&library)
        .output()
        .unwrap();
    let dynamic = String::from_utf8(dynamic.stdout).unwrap();
    let name = concat!(
        "[libatomik.so.",
        env!("CARGO_PKG_VERSION_MAJOR"),
        ".",
        env!("CARGO_PKG_VERSION_MINOR"),
        "]"
    );
    let soname = dynamic.lines().find(|line| line.contains("(SONAME)"));
    assert!(soname.is_some_and(|line| line.contains(name)), "{dynamic}");
}
