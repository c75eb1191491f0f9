//! Every recorded case in `sim/cases` passes on the current generator.
//!
//! A case is a shrunk failure, caused by a real bug in the design or by a planted one. `atomik sim
//! replay FILE` plays one by hand.

use crate::tools::builder;
use atomik_sim::case::Case;
use atomik_sim::dut::Dut;
use atomik_sim::verilate::Lint;
use std::path::{Path, PathBuf};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/cases");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn every_recorded_case_passes() {
    let builder = builder();
    assert!(!cases().is_empty());
    for path in cases() {
        let case = Case::read(&path).unwrap();
        let dut = Dut::build(&builder, case.config().unwrap()).unwrap();
        let tally = dut.play(&case.cycles(&path).unwrap(), case.seed).unwrap();
        assert_eq!(tally.mismatch, None, "{}", path.display());
        assert!(
            tally.responses > 0 || case.mismatch.port == "rsp_valid",
            "{}",
            path.display()
        );
    }
}

#[test]
fn a_recorded_case_still_fails_on_its_bug() {
    let path = cases()
        .into_iter()
        .find(|p| p.ends_with("old-offset-not-replaced.json"))
        .unwrap();
    let case = Case::read(&path).unwrap();
    let config = case.config().unwrap();
    let wrong = atomik_hdl::generate(&config).verilog.replace(
        "old_offset_s10 = offset_hit_s10 ? 8'd0 : ",
        "old_offset_s10 = ",
    );
    let dut = Dut::build_verilog(&builder(), config, wrong, Lint::Allow).unwrap();
    let tally = dut.play(&case.cycles(&path).unwrap(), case.seed).unwrap();
    assert_eq!(tally.mismatch, Some(case.mismatch));
}

#[test]
fn a_case_whose_register_file_cannot_be_generated_is_refused_with_the_file_and_the_reason() {
    let good = std::fs::read_to_string(&cases()[0]).unwrap();
    let mut case: serde_json::Value = serde_json::from_str(&good).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("case.json");
    let mut read = |width: u32, layout: &str| {
        case["width"] = width.into();
        case["layout"] = layout.into();
        std::fs::write(&path, case.to_string()).unwrap();
        let case = Case::read(&path).map_err(|error| error.to_string())?;
        Ok::<_, String>(case.config().unwrap().text())
    };
    let text = read(8, "xor:5,add:3").unwrap();
    assert_eq!(text, "xor:5,add:3 d16 l2");
    for (width, layout, reason) in [
        (9, "xor:5,add:3", "have 8 bits together, but the width is 9"),
        (8, "xor:5;add:3", "is not a field"),
        (7, "xor:7", "cannot generate width 7"),
    ] {
        let error = read(width, layout).unwrap_err();
        assert!(error.contains("case.json"), "{error}");
        assert!(error.contains(reason), "{error}");
    }
}
