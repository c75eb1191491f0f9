//! Bringing the segments of a word side by side.

use crate::circuit::Circuit;
use crate::config::Config;
use crate::expr::Expr;

/// `word`, whose segment of skew 0 is at `stage`, with all segments in the cycle of the latest.
pub(super) fn align(m: &mut Circuit, config: &Config, name: &str, word: &Expr, stage: u32) -> Expr {
    let skew = config.skew();
    if skew == 0 {
        return word.clone();
    }
    m.section(&format!("All bits of {name} in one cycle."));
    let parts: Vec<Expr> = config
        .segments()
        .iter()
        .enumerate()
        .map(|(i, segment)| {
            let part = word.slice(segment.low, segment.bits);
            let line = m.delay(
                &format!("{name}{i}"),
                &part,
                stage + segment.skew,
                stage + skew,
            );
            line.at(stage + skew).clone()
        })
        .collect();
    m.concat(&format!("{name}_aligned"), &parts)
}
