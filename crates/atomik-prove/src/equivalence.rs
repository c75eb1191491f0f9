//! Proofs that mutants behave like the design that they were made from.
//!
//! Design and mutant are flattened and their memories become registers. Registers are paired by
//! name. Each pair is proved equal after a clock edge, and each pair of outputs in every cycle, for
//! any inputs and any contents of the registers that are equal before the edge. By induction the
//! two behave the same forever, from any power-up state that they share. The contents may be ones
//! that the design never has, so some mutants that are equivalent are not proved.
//!
//! Cells of the target become ports: what goes into them is proved equal, so what comes out is.

use std::fs;
use std::path::Path;

use atomik_sim::mutant::Mutant;
use atomik_sim::mutated::{BASE, Mutated};
use atomik_sim::yosys::Yosys;
use atomik_tools::cache::failed;

use crate::error::ProveError;

/// Mutants in one run of Yosys.
const BATCH: usize = 16;

/// Which of the mutants with these numbers, from 0, are proved to behave like the design.
///
/// # Errors
/// When Yosys fails.
pub(crate) fn proved(mutated: &Mutated, numbers: &[usize]) -> Result<Vec<bool>, ProveError> {
    let yosys = Yosys::from_env()?;
    let mut results = vec![];
    for batch in numbers.chunks(BATCH) {
        let scratch = tempfile::tempdir().map_err(failed("make", Path::new("a folder")))?;
        let copy = scratch.path().join(BASE);
        fs::copy(mutated.base(), &copy).map_err(failed("write", &copy))?;
        let mutants: Vec<&Mutant> = batch.iter().map(|n| &mutated.mutants()[*n]).collect();
        yosys.run(scratch.path(), &script(&mutated.config().name(), &mutants))?;
        for n in 0..batch.len() {
            let path = scratch.path().join(status_file(n));
            let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
            results.push(text.contains("Equivalence successfully proven!"));
        }
    }
    Ok(results)
}

fn status_file(n: usize) -> String {
    format!("status{n}")
}

/// The script that compares mutants with the design, and writes a file about each.
fn script(top: &str, mutants: &[&Mutant]) -> String {
    // Only registers and ports keep a name: what is paired must be equal.
    let side = |name: &str| {
        format!(
            "setattr -mod -unset keep_hierarchy *; flatten; memory_collect; memory_map; opt_clean; \
             rename {top} {name}; cd {name}; expose -evert t:* t:$* %d; \
             select -set registers t:$dff %x:+[Q] t:$dff %d; \
             rename -hide w:* @registers %d; cd ..; design -stash {name}; "
        )
    };
    let mut text = format!("read_rtlil {BASE}; {}", side("gold"));
    for (n, mutant) in mutants.iter().enumerate() {
        text += &format!(
            "read_rtlil {BASE}; {}; {}\
             design -copy-from gold gold; design -copy-from gate gate; \
             equiv_make gold gate equiv; hierarchy -top equiv; \
             equiv_simple; equiv_induct -seq 1; tee -q -o {} equiv_status; design -reset; ",
            mutant.command,
            side("gate"),
            status_file(n)
        );
    }
    text
}
