//! The Verilog under `hdl/` is what this generator writes.

use atomik_hdl::design::reference_configs;
use atomik_hdl::files::{Arrangement, files};
use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

const REMEDY: &str =
    "`make hdl` regenerates the checked-in Verilog; review the difference like source";

#[test]
fn the_checked_in_verilog_is_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hdl");
    let mut expected = BTreeMap::new();
    for config in reference_configs().unwrap() {
        let files = files(&config, Arrangement::Together).unwrap();
        expected.extend(files.into_iter().map(|file| (file.name, file.text)));
    }
    for (file, text) in &expected {
        match fs::read_to_string(folder.join(file)) {
            Ok(found) => assert!(found == *text, "hdl/{file} is stale: {REMEDY}"),
            Err(e) if e.kind() == io::ErrorKind::NotFound => panic!("no hdl/{file}: {REMEDY}"),
            Err(e) => panic!("hdl/{file}: {e}"),
        }
    }
    for entry in fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let generated = file.ends_with(".v") || file.ends_with(".json");
        assert!(
            !generated || expected.contains_key(&file),
            "hdl/{file} belongs to no reference configuration: remove it, or add it to REFERENCE"
        );
    }
}
