//! Transcripts, checked by Lean. `make proofs` checks more of them, and by Rocq.

use std::path::Path;
use std::process::Command;

#[test]
fn runs_of_the_model_and_of_the_verilog_are_theorems_in_lean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new("python3")
        .arg(root.join("scripts/proofs.py"))
        .args(["lean", "--transcripts", "2", "--program"])
        .arg(env!("CARGO_BIN_EXE_atomik"))
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{out}{err}");
    assert!(
        out.contains("2 traces") && out.contains("4 with a wrong response are refused"),
        "{out}"
    );
}
