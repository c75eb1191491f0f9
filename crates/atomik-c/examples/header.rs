//! Writes `include/atomik.h`, for `make c-header`.

fn main() -> Result<(), cbindgen::Error> {
    let header = concat!(env!("CARGO_MANIFEST_DIR"), "/include/atomik.h");
    cbindgen::generate(env!("CARGO_MANIFEST_DIR"))?.write_to_file(header);
    Ok(())
}
