//! One lane. This part has the addresses, their comparison and the valid bits. The slices
//! ([`super::lane_slice`]) have the data, the lane's private accumulator memory, and the copy of it
//! that lane 0's commands read.
//!
//! The accumulation loop reads its memory at the edge after stage 2, or a later one if a field adds
//! ([`Config::read_stage`]), and writes it at the edge after stage T ([`Config::write_stage`]). So
//! a word read contains the commands that are more than D cycles older ([`Config::loop_distance`]).
//! Of the others:
//! - 1 to D - 1 cycles older: the delta is in flight. It is added, because deltas commute.
//! - D cycles older: its word is written at the very edge of the read. The word written, which
//!   contains everything up to that command, replaces the word read.
//!
//! The readout copy is read at the edge after stage T - 1, which also writes the command one cycle
//! older; again the word written replaces the word read. So nothing relies on what a memory returns
//! at an edge that writes the same address.
//!
//! A segment of a field that adds ([`Segment`](crate::config::Segment)) does all this some cycles
//! after the segment below it. Its stages are its own: `x_s3` in a slice of skew 2 is `x_s5`
//! outside.
//!
//! A clear is a command that writes zero, regardless of the old word. No command follows within D
//! cycles of a clear, because it would read a word that is not zero yet.

use super::adder::connect;
use super::compare::equal_groups;
use super::{adding_lane_slice, lane_slice};
use crate::circuit::{Circuit, Staged};
use crate::config::Config;
use crate::expr::{Expr, select};

pub(super) fn circuit(config: &Config) -> Circuit {
    let (w, a) = (config.width(), config.address_bits());
    let (r, t, d) = (
        config.read_stage(),
        config.write_stage(),
        config.loop_distance(),
    );
    let skew = config.skew();
    // The stages at which a slice asks whether there is a command.
    let valid_stages = lane_slice::valid_stages(config);
    let mut m = Circuit::new(
        format!("{}_lane", config.name()),
        &[
            "One lane: accumulates a delta into its own memory in every cycle, and reads the word \
             at",
            "lane 0's address as every earlier command, and no later one, left it.",
            "x_s3 and x_s5, read in one cycle, belong to commands two cycles apart.",
        ],
    );
    m.keep_hierarchy();
    let clearing = m.input("clearing", 1, "write zeros to clear_addr instead");
    let holding = m.input("holding", 1, "take no command");
    let clear_addr = m.input("clear_addr", a, "address to clear");
    let valid = m.input("valid", 1, "accumulate");
    let addr = m.input("addr", a, "where");
    let data = m.input("data", w, "delta");
    let read_addr_s2 = m.input("read_addr_s2", a, "lane 0's address");
    let word = format!("word_s{}", config.lane_read_stage());
    m.output(&word, w, "this lane's word at lane 0's address");
    let passed = format!("passed_s{}", config.passed_stage());
    m.output(&passed, w, "the delta, on its way");

    m.section("Stage 1: the command, or a clear in its place.");
    let addr_s1 = m.register("addr_s1", select(&clearing, &clear_addr, &addr));
    let valid_s1 = m.register("valid_s1", &valid);
    let live_s1 = m.register("live_s1", !&holding);
    let clear_s1 = m.register("clear_s1", &clearing);

    m.section("On its way to the memory.");
    let addr = m.delay("addr", &addr_s1, 1, t - 1 + skew);
    let valid_s2 = m.register("valid_s2", &clear_s1 | (&valid_s1 & &live_s1));
    let last_valid = valid_stages.last().map_or(2, |stage| *stage);
    let valid = m.delay("valid", &valid_s2, 2, last_valid + skew);
    let clearing = m.delay("clearing", &clearing, 0, skew);

    m.section(&format!(
        "Stage 2: same address as the command 1 to {d} cycles before? First step, by groups of \
         bits."
    ));
    let equal: Vec<Staged> = (1..=d)
        .map(|d| {
            let equal = equal_groups(&mut m, &format!("equal{d}_s2"), &addr_s1, addr.at(1 + d));
            m.delay(&format!("equal{d}"), &equal, 2, 2 + skew)
        })
        .collect();

    m.section("Readout: did the command before lane 0's write the address that lane 0 reads?");
    let read_addr = m.delay("read_addr", &read_addr_s2, 2, t - 2 + skew);
    let read_equal = equal_groups(&mut m, "read_equal_s3", &read_addr_s2, addr.at(3));
    let read_equal = m.delay("read_equal", &read_equal, 3, 3 + skew);

    m.section("The data.");
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    let mut words = vec![];
    let mut passing = vec![];
    let mut below = String::new();
    for (i, segment) in config.segments().iter().enumerate() {
        let name = format!("slice{i}");
        let k = segment.skew;
        let data = data.slice(segment.low, segment.bits);
        let data = m.delay(&format!("data{i}"), &data, 0, k);
        let mut inputs: Vec<(String, Expr)> = vec![
            (s("addr", r - 1), addr.at(r - 1 + k).clone()),
            (s("addr", t - 1), addr.at(t - 1 + k).clone()),
            ("clearing".into(), clearing.at(k).clone()),
            ("read_equal_s3".into(), read_equal.at(3 + k).clone()),
            (s("read_addr", t - 2), read_addr.at(t - 2 + k).clone()),
            ("data".into(), data.at(k).clone()),
        ];
        for (i, equal) in equal.iter().enumerate() {
            inputs.push((format!("equal{}_s2", i + 1), equal.at(2 + k).clone()));
        }
        for &stage in &valid_stages {
            inputs.push((s("valid", stage), valid.at(stage + k).clone()));
        }
        if config.adds() {
            let adders = adding_lane_slice::adders(config);
            connect(&mut m, segment, &below, &adders, &mut inputs);
        }
        let inputs: Vec<(&str, &Expr)> = inputs.iter().map(|(n, e)| (n.as_str(), e)).collect();
        let slice = if config.adds() {
            adding_lane_slice::circuit(config, segment)
        } else {
            lane_slice::circuit(config)
        };
        m.instance(&name, &slice, &inputs);
        words.push(m.output_of(&name, &word));
        passing.push(m.output_of(&name, &passed));
        below = name;
    }
    let value = m.concat("word", &words);
    m.assign(&word, &value);
    let value = m.concat("passed", &passing);
    m.assign(&passed, &value);
    m
}
