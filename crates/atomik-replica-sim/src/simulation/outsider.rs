//! What an outsider does to packets of sessions. It sees all of them, and has no key and no secret.

use super::queue::Event;
use super::wire::Packet;
use super::world::World;
use crate::draw::Draw;
use crate::setup::HORIZON;

/// Packets that the outsider keeps. Beyond that, it forgets some at random.
const MOST_RECORDED: usize = 300;

/// Of these last packets it uses one in half of the cases: recent ones are more dangerous.
const RECENT: usize = 30;

/// The first byte of a farewell, and the bytes of one.
const FAREWELL: u8 = 11;
const FAREWELL_BYTES: usize = 20;

impl World<'_> {
    /// The outsider sees a packet, and may play a trick.
    pub(crate) fn see(&mut self, packet: Packet) {
        let word = self.network.trick(self.now);
        let recorded = &mut self.wire.recorded;
        recorded.push(packet);
        if let Some(word) = word {
            let draw = &mut Draw::new(word);
            if recorded.len() > MOST_RECORDED {
                recorded.remove(draw.index(MOST_RECORDED));
            }
            if let Some(trick) = self.trick(draw) {
                self.report.tricks += 1;
                let late = if draw.percent(80) { 30 } else { HORIZON / 2 };
                let time = self.now + draw.between(1, late);
                self.queue.push(time, Event::Packet(trick));
            }
        }
    }

    fn trick(&self, draw: &mut Draw) -> Option<Packet> {
        let recorded = &self.wire.recorded;
        let mut choose = |of: &[Packet]| {
            let recent = draw.percent(50);
            let from = if recent {
                of.len().saturating_sub(RECENT)
            } else {
                0
            };
            of.get(from + draw.index(of.len() - from)).cloned()
        };
        let last = recorded.last()?.clone();
        let mut packet = choose(recorded)?;
        let back: Vec<Packet> = recorded
            .iter()
            .filter(|other| (other.from, other.to) == (last.to, last.from))
            .cloned()
            .collect();
        let answer = choose(&back);
        match draw.below(6) {
            // A repetition, perhaps of an earlier process's packet.
            0 | 1 => {}
            // A reflection, with the tag of a packet in the other direction.
            2 => {
                let mut bytes = last.bytes.to_vec();
                bytes[1] = answer.map_or(bytes[1], |answer| answer.bytes[1]);
                packet = Packet {
                    from: last.to,
                    to: last.from,
                    bytes: bytes.into(),
                };
            }
            3 => {
                let others: Vec<_> = self.hosts.iter().map(|host| host.address).collect();
                packet.to = others[draw.index(others.len())];
            }
            // An altered packet, or one of another kind.
            4 => {
                let mut bytes = packet.bytes.to_vec();
                match draw.below(3) {
                    0 => bytes[0] = FAREWELL,
                    1 => bytes[0] ^= 1 << draw.below(2),
                    _ => {
                        let at = draw.index(bytes.len());
                        bytes[at] ^= 1 << draw.below(8);
                    }
                }
                packet.bytes = bytes.into();
            }
            // A farewell in the session of the packet.
            _ => {
                let mut bytes = packet.bytes.to_vec();
                bytes.truncate(FAREWELL_BYTES);
                bytes.resize(FAREWELL_BYTES, 0);
                bytes[0] = FAREWELL;
                bytes[2] = bytes[2].wrapping_add(1);
                packet.bytes = bytes.into();
            }
        }
        Some(packet)
    }
}
