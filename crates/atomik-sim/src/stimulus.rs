//! Stimulus: streams of command records, and the inputs of single cycles to build them from.
//!
//! Every stream is a pure function of its seed, the same on every machine. [`crate::random`] and
//! [`crate::directed`] are the two sources.

use crate::record::{CommandRecord, Layout};
use atomik_algebra::Op;

/// A source of command records, one per cycle.
pub trait Stimulus {
    /// Overwrites `record` with the inputs of the next cycle.
    fn drive(&mut self, record: &mut CommandRecord<&mut [u64]>);

    /// Whether all further cycles are idle.
    fn finished(&self) -> bool {
        false
    }
}

/// Fills `cmds` with the next cycles of `stimulus`, as many as it holds records.
pub fn fill(stimulus: &mut (impl Stimulus + ?Sized), layout: &Layout, cmds: &mut [u64]) {
    for cycle in 0..cmds.len() / layout.cmd_words() {
        stimulus.drive(&mut layout.command_mut(cmds, cycle));
    }
}

/// The inputs of one cycle, in a form that is easy to build sequences from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cycle {
    /// Whether `rst` is high.
    pub reset: bool,
    /// The commands offered, at most one per lane.
    pub offers: Vec<Offer>,
}

/// A command that a lane offers in one cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The lane.
    pub lane: u32,
    /// The op code, 0 to 7; always 2 (ACCUM) on lanes other than 0.
    pub op: u8,
    /// The address.
    pub addr: usize,
    /// The value or delta, little-endian limbs.
    pub data: Vec<u64>,
}

/// The pattern on the ports of lanes without a command. It is constant, so that a sequence fails
/// the same way wherever it is played. Any number with about as many ones as zeros will do.
const NOISE: u64 = 0x9e37_79b9_7f4a_7c15;

impl Cycle {
    /// The inputs in a command record.
    pub fn from_record(layout: &Layout, record: &[u64]) -> Cycle {
        let cmd = layout.command(record, 0);
        let offers = (0..layout.lanes())
            .filter(|&lane| cmd.valid(lane))
            .map(|lane| {
                let mut data = vec![0; layout.limbs()];
                cmd.data(lane, &mut data);
                Offer {
                    lane,
                    op: if lane == 0 { cmd.op() } else { ACCUM },
                    addr: cmd.addr(lane),
                    data,
                }
            })
            .collect();
        Cycle {
            reset: cmd.reset(),
            offers,
        }
    }

    /// Writes the inputs to `record`.
    pub fn drive(&self, record: &mut CommandRecord<&mut [u64]>) {
        record.clear_to_noise(NOISE);
        record.set_reset(self.reset);
        for offer in &self.offers {
            if offer.lane == 0 {
                record.set_op(offer.op);
            }
            record.set_lane(offer.lane, true, offer.addr, &offer.data);
        }
    }
}

/// The op code of the only op on lanes other than 0.
pub(crate) const ACCUM: u8 = Op::Accum as u8;

/// Whether the op with this code sets the delta to 0.
pub(crate) fn clears_delta(code: u8) -> bool {
    matches!(Op::from_code(code), Op::Load | Op::Swap | Op::Drain)
}

/// The name of the op with this code in reports. The reserved code has no name of its own.
pub(crate) fn op_name(code: u8) -> &'static str {
    if code == 7 {
        "op 7"
    } else {
        Op::from_code(code).name()
    }
}
