//! What the writers of the properties need to know of a configuration.

use super::writer::Writer;
use crate::config::Config;
use crate::regfile::holdings::{Holding, holdings};

/// What the writers of the parts need to know.
pub(super) struct Plan<'a> {
    pub config: &'a Config,
    pub holdings: Vec<Holding>,
    /// The last value of the counter of cycles since the last reset.
    pub limit: u32,
    /// The bits of that counter.
    pub since_bits: u32,
}

impl Plan<'_> {
    pub fn new(config: &Config) -> Plan<'_> {
        let holdings = holdings(config);
        let last = holdings.iter().map(|h| h.stage).max().unwrap_or(0);
        let cleared = config.depth() as u32 + last + 4;
        let limit = cleared.max(config.clear_cycles()) + 1;
        Plan {
            config,
            holdings,
            limit,
            since_bits: limit.ilog2() + 1,
        }
    }

    /// A number with the width of `since`.
    pub fn cycles(&self, number: u32) -> String {
        format!("{}'d{number}", self.since_bits)
    }

    /// The cycle since the reset from which the clear of the address is in a place with `stage`.
    pub fn cleared(&self, stage: u32) -> String {
        let a = self.config.address_bits();
        match a {
            0 => self.cycles(stage + 4),
            _ => format!(
                "{{{}'d0, address}} + {}",
                self.since_bits - a,
                self.cycles(stage + 4)
            ),
        }
    }

    /// How many cycles late the ghost `name` of `content` is needed.
    pub fn latest(&self, of: impl Fn(&Holding) -> bool) -> u32 {
        let stages = self.holdings.iter().filter(|h| of(h)).map(|h| h.stage);
        stages.max().unwrap_or(0)
    }
}

/// The comment at the head of a file.
pub(super) fn header(w: &mut Writer, config: &Config, module: &str, about: &[&str]) {
    w.line(&format!("// {module}: {}", config.text()));
    w.line("// SPDX-License-Identifier: MIT OR Apache-2.0");
    w.line("//");
    w.line("// Generated; do not edit. Regenerate with:");
    w.line(&format!("//     atomik hdl prove \"{}\"", config.text()));
    w.line("//");
    for line in about {
        w.line(&format!("// {line}"));
    }
    w.line("");
    w.line("`default_nettype none");
    w.line("");
}
