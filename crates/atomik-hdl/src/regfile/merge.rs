//! The registered four-way merge tree.

use crate::circuit::Circuit;
use crate::expr::Expr;

/// Reduces `words`, all at `stage`, to their xor: four words at a time, with a register after each
/// level. Returns the xor and its stage.
pub(super) fn merge(m: &mut Circuit, mut words: Vec<Expr>, mut stage: u32) -> (Expr, u32) {
    while words.len() > 1 {
        stage += 1;
        m.section(&format!("Stage {stage}: merge, four words at a time."));
        words = words
            .chunks(4)
            .enumerate()
            .map(|(i, group)| {
                let all = group
                    .iter()
                    .skip(1)
                    .fold(group[0].clone(), |sum, word| sum ^ word);
                m.register(&format!("merge{i}_s{stage}"), all)
            })
            .collect();
    }
    (words.swap_remove(0), stage)
}
