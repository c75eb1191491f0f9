//! Short command sequences, as recorded failures hold them.
//!
//! A [`Sequence`] starts in the first cycle with `ready` high after a reset. It is sparse: a list
//! of events with their cycles. As JSON it is part of a [`crate::case::Case`].

use crate::record::Layout;
use crate::stimulus::{Cycle, Offer};
use serde::{Deserialize, Serialize};

/// An event on the inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// The cycle, counted from the first with `ready` high.
    pub cycle: u64,
    /// The event.
    #[serde(flatten)]
    pub input: Input,
}

/// The kinds of events on the inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// `rst` is high.
    Reset,
    /// A lane offers a command.
    Offer {
        /// The lane.
        lane: u32,
        /// The op code; 2 (ACCUM) on lanes other than 0.
        op: u8,
        /// The address.
        addr: usize,
        /// The value or delta in hexadecimal, with the prefix `0x`.
        data: String,
    },
}

/// Events in the order of their cycles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// The events. Cycles never decrease, and a lane has at most one command in a cycle.
    pub events: Vec<Event>,
}

/// `limbs` in hexadecimal with the prefix `0x`, without leading zeros.
pub(crate) fn hex(limbs: &[u64]) -> String {
    let digits: String = limbs
        .iter()
        .rev()
        .map(|limb| format!("{limb:016x}"))
        .collect();
    let short = digits.trim_start_matches('0');
    format!("0x{}", if short.is_empty() { "0" } else { short })
}

/// The limbs of a hexadecimal number with the prefix `0x`; `None` if it is malformed or too wide.
fn parse_hex(text: &str, width: u32) -> Option<Vec<u64>> {
    let limbs = width.div_ceil(64) as usize;
    let digits = text.strip_prefix("0x")?.trim_start_matches('0');
    if digits.len() > limbs * 16 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut value = vec![0u64; limbs];
    for (i, chunk) in digits.as_bytes().rchunks(16).enumerate() {
        value[i] = u64::from_str_radix(std::str::from_utf8(chunk).ok()?, 16).ok()?;
    }
    let fits = width.is_multiple_of(64) || value[limbs - 1] >> (width % 64) == 0;
    fits.then_some(value)
}

/// Why a sequence does not fit a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    /// The cycle of an event is less than that of the event before.
    #[error("event {0}: its cycle is before that of the preceding event; order them by cycle")]
    Order(usize),
    /// A lane has two commands in one cycle.
    #[error("event {0}: its lane already has a command in this cycle")]
    Twice(usize),
    /// A lane, op, address or value is outside the configuration.
    #[error("event {0}: its {1} does not fit the configuration")]
    Range(usize, &'static str),
    /// The sequence is too long to simulate.
    #[error("the sequence has {0} cycles; at most {MAX_CYCLES} can be replayed")]
    Long(u64),
}

/// The greatest length of a sequence that can be replayed, in cycles.
pub const MAX_CYCLES: u64 = 100_000_000;

impl Sequence {
    /// The events in `cycles`, which count from 0.
    pub fn from_cycles<'a>(cycles: impl IntoIterator<Item = &'a Cycle>) -> Sequence {
        let mut events = vec![];
        for (cycle, inputs) in (0..).zip(cycles) {
            if inputs.reset {
                events.push(Event {
                    cycle,
                    input: Input::Reset,
                });
            }
            events.extend(inputs.offers.iter().map(|o| Event {
                cycle,
                input: Input::Offer {
                    lane: o.lane,
                    op: o.op,
                    addr: o.addr,
                    data: hex(&o.data),
                },
            }));
        }
        Sequence { events }
    }

    /// The inputs of every cycle up to the last event.
    ///
    /// # Errors
    /// When the events are out of order or do not fit `layout`.
    pub fn cycles(&self, layout: &Layout) -> Result<Vec<Cycle>, SequenceError> {
        let length = self
            .events
            .iter()
            .map(|e| e.cycle)
            .max()
            .map_or(0, |c| c.saturating_add(1));
        if length > MAX_CYCLES {
            return Err(SequenceError::Long(length));
        }
        let mut cycles = vec![Cycle::default(); length as usize];
        let mut before = 0;
        for (i, event) in self.events.iter().enumerate() {
            if event.cycle < before {
                return Err(SequenceError::Order(i));
            }
            before = event.cycle;
            let cycle = &mut cycles[event.cycle as usize];
            match &event.input {
                Input::Reset => cycle.reset = true,
                Input::Offer {
                    lane,
                    op,
                    addr,
                    data,
                } => {
                    let check = |ok, what| {
                        if ok {
                            Ok(())
                        } else {
                            Err(SequenceError::Range(i, what))
                        }
                    };
                    check(*lane < layout.lanes(), "lane")?;
                    check(if *lane == 0 { *op < 8 } else { *op == 2 }, "op")?;
                    check(*addr < layout.depth(), "address")?;
                    let data =
                        parse_hex(data, layout.width()).ok_or(SequenceError::Range(i, "data"))?;
                    if cycle.offers.iter().any(|o| o.lane == *lane) {
                        return Err(SequenceError::Twice(i));
                    }
                    cycle.offers.push(Offer {
                        lane: *lane,
                        op: *op,
                        addr: *addr,
                        data,
                    });
                }
            }
        }
        Ok(cycles)
    }
}
