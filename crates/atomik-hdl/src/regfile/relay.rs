//! The relay: registers the signals that all lanes need, for a group of lanes.

use crate::circuit::Circuit;
use crate::config::Config;

/// The number of lanes that one relay drives.
pub(super) const LANES: usize = 4;

pub(super) fn circuit(config: &Config) -> Circuit {
    let a = config.address_bits();
    let mut m = Circuit::new(
        format!("{}_relay", config.name()),
        &[&format!(
            "Relay: registers for up to {LANES} lanes of what comes from one place."
        )],
    );
    m.keep_hierarchy();
    let active = m.input("active", 1, "a clear is running");
    let hold = m.input("hold", 1, "take no command");
    let addr = m.input("addr", a, "address to clear");
    let read_addr = m.input("read_addr_s1", a, "lane 0's address");
    m.output("clearing", 1, "active, a cycle later");
    m.output("holding", 1, "hold, a cycle later");
    m.output("clear_addr", a, "addr, a cycle later");
    m.output("read_addr_s2", a, "lane 0's address, a cycle later");
    m.section("");
    for (output, name, value) in [
        ("clearing", "clearing_q", &active),
        ("holding", "holding_q", &hold),
        ("clear_addr", "clear_addr_q", &addr),
        ("read_addr_s2", "read_addr_q", &read_addr),
    ] {
        let q = m.register(name, value);
        m.assign(output, &q);
    }
    m
}
