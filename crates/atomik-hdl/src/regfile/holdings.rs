//! What the memories hold, or the registers of the flat accumulator: the plan from which the
//! invariants of [`crate::formal`] are made.
//!
//! A place changes at the edge after its *stage*: while a command is at that stage, the place holds
//! what the commands before it have left. A clear is a command too, so after a reset the word of
//! address a is zero from stage + 4 + a cycles after the last cycle with `rst` high: the sequencer
//! starts two cycles after that, its address takes one to the commands, and the word changes one
//! cycle after the stage.

use super::adder::Sum;
use crate::config::{Config, Segment};
use atomik_algebra::FieldKind;

/// What a place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The sum of the deltas that this lane was given.
    Lane(u32),
    /// The sum of the deltas of all lanes.
    Total,
    /// The total at the last LOAD, SWAP or DRAIN.
    Base,
    /// Reference minus base.
    Offset,
}

/// A memory, or a register of the flat accumulator, that holds a segment of the words.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    /// The path from the top module, such as `lane0.slice0.loop_memory` or `slice0.total`.
    pub place: String,
    /// Whether it is a memory, with a word per address.
    pub is_memory: bool,
    /// What it holds.
    pub content: Content,
    /// The position of the segment in the word.
    pub low: u32,
    /// The number of bits of the segment.
    pub bits: u32,
    /// The number of bits of the place, which may have a carry above the segment.
    pub width: u32,
    /// The stage after which it changes.
    pub stage: u32,
    /// Whether it holds the complement.
    pub complement: bool,
}

/// Everything that holds words, in the register file of `config`.
pub(crate) fn holdings(config: &Config) -> Vec<Holding> {
    let segments = config.segments();
    let mut found = vec![];
    if config.address_bits() == 0 {
        for (i, segment) in segments.iter().enumerate() {
            found.extend(flat(config, i, segment));
        }
        return found;
    }
    for lane in 0..config.lanes() {
        for (i, segment) in segments.iter().enumerate() {
            for memory in ["loop_memory", "read_memory"] {
                let place = format!("lane{lane}.slice{i}.{memory}");
                let stage = config.write_stage();
                found.push(Holding::new(place, Content::Lane(lane), stage, segment));
            }
        }
    }
    for (i, segment) in segments.iter().enumerate() {
        let place = |memory| format!("reference.slice{i}.{memory}");
        let stage = config.reference_write_stage();
        found.push(Holding {
            complement: config.adds() && segment.kind == FieldKind::Add,
            ..Holding::new(place("base_memory"), Content::Base, stage, segment)
        });
        let offset = place("offset_memory");
        found.push(Holding::new(offset, Content::Offset, stage, segment));
    }
    found
}

/// The registers of a slice of the flat accumulator.
fn flat(config: &Config, slice: usize, segment: &Segment) -> [Holding; 3] {
    let z = config.total_stage();
    let (base, later) = if config.adds() {
        ("not_base", z + 1)
    } else {
        ("base", z)
    };
    [
        ("total", Content::Total, z),
        (base, Content::Base, later),
        ("offset", Content::Offset, later),
    ]
    .map(|(register, content, stage)| {
        let place = format!("slice{slice}.{register}");
        Holding {
            is_memory: false,
            width: match content {
                Content::Total => Sum::width(segment),
                _ => segment.bits,
            },
            complement: content == Content::Base && config.adds() && segment.kind == FieldKind::Add,
            ..Holding::new(place, content, stage, segment)
        }
    })
}

impl Holding {
    fn new(place: String, content: Content, stage: u32, segment: &Segment) -> Holding {
        Holding {
            place,
            is_memory: true,
            content,
            low: segment.low,
            bits: segment.bits,
            width: segment.bits,
            stage: stage + segment.skew,
            complement: false,
        }
    }
}
