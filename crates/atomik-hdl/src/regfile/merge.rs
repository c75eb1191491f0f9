//! The registered merge trees: of four words at a time that xor, of two words at a time that add.

use super::adder;
use crate::circuit::Circuit;
use crate::config::Config;
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

/// The sum of `words`, all at `stage`, by [`adder`](super::adder): two words at a time, with a
/// register after each level. Returns the sum and its stage.
pub(super) fn add(
    m: &mut Circuit,
    config: &Config,
    mut words: Vec<Expr>,
    mut stage: u32,
) -> (Expr, u32) {
    let adder = adder::circuit(config);
    while words.len() > 1 {
        stage += 1;
        m.section(&format!("Stage {stage}: merge, two words at a time."));
        words = words
            .chunks(2)
            .enumerate()
            .map(|(i, pair)| match pair {
                [a, b] => {
                    let name = format!("merge{i}_s{stage}");
                    m.instance(&name, &adder, &[("a", a), ("b", b)]);
                    m.output_of(&name, "sum")
                }
                _ => m.register(&format!("merge{i}_s{stage}"), &pair[0]),
            })
            .collect();
    }
    (words.swap_remove(0), stage)
}
