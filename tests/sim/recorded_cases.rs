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
