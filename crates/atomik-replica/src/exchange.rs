//! Anti-entropy: finds out whether two replicas agree and, if not, repairs the differences with
//! traffic proportional to their number.
//!
//! ```text
//! A                                  B
//! Summary ────────────────────────>      equal: done, in O(1) bytes
//!         <──────────────────────── Sketch of 240 cells: decodes or estimates the differences
//! SketchRequest ──────────────────>      if 240 cells were too few
//!         <──────────────────────── Sketch
//! Repair: entries that B lacks ───>
//! Fetch: ids that A lacks ────────>
//!         <──────────────────────── Changes
//! ```
//!
//! If there are too many differences for cells, each side that lacks something reads the other's
//! entire table with `Pull` and `Chunk`. Any message may be lost: the next tick starts over.
//!
//! The replica with fewer entries *leads*; it is A above. B, which has more entries, answers a
//! summary with a sketch, and A answers B's summaries with its own. A replica leads one exchange at
//! a time, until everything it fetched has arrived or its peer has been silent for a while. So a
//! replica that joins late or was away takes what it lacks from one peer instead of from all at
//! once.
//!
//! Peers found to differ in the meantime are *deferred* and compared with as soon as the exchange
//! is over. Most agree by then, or lack only what A alone had. Entries that B lacks are also sent
//! to deferred peers with the same sum as B, which must lack the same. This ends without a clock:
//! one of the deferred peers is led next, the others become fewer, and a replica does not notify a
//! peer that it defers.
//!
//! The exchange only decides. The [`Outgoing`] messages that it asks for are built by the replica.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::Bases;
use crate::chunk::Chunk;
use crate::codec::{Encode, Malformed, Reader};
use crate::counters::Counters;
use crate::digest::Digest;
use crate::notice::Notice;
use crate::peers::{PeerId, Peers};
use crate::sketch::{Sketch, newer};
use crate::summary::Summary;

/// From this number of decoded differences on, up to an eighth of all differences may be left to
/// the next comparison.
const FEW: usize = 64;

/// Ticks without progress after which an exchange is abandoned.
const PATIENCE: u32 = 4;

/// Chunks with neither entries nor bases, other than the last, that are tolerated in a pass: the
/// entries may have been lost.
const BARREN: u32 = 16;

/// A pass ends at this many times the number of slots that the peer had when it began, plus
/// [`GROWN`]: the peer's table may grow meanwhile, but not for ever.
const GROWTH: u64 = 2;
const GROWN: u64 = 65_536;

/// What an exchange wants to be sent or reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// A summary of this replica.
    Summary(PeerId),
    /// The retirements and attestations known here.
    Ledger(PeerId),
    /// Cells of the digest folded to this size, from this cell on.
    Sketch(PeerId, CellRange),
    /// A request for such cells.
    SketchRequest(PeerId, CellRange),
    /// The entries with these ids, ascending, as a repair.
    Repair(PeerId, Vec<u64>),
    /// A request for the entries with these ids.
    Fetch(PeerId, Vec<u64>),
    /// A request for the chunk that begins with this slot.
    Pull(PeerId, u64),
    /// A report.
    Notify(Notice),
}

/// Cells from number `first` on of a sketch with subtables of `size` cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CellRange {
    pub(crate) size: usize,
    pub(crate) first: usize,
}

impl CellRange {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let size = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
        let first = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
        (Sketch::is_size(size) && first < Sketch::TABLES * size)
            .then_some(Self { size, first })
            .ok_or(Malformed)
    }

    /// The body of the message that requests these cells.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.varint(self.size as u64);
        body.varint(self.first as u64);
        body
    }

    /// The body of the message with these cells of a digest, as many as fit in `room` bytes. A size
    /// that does not divide the digest's is replaced by the digest's.
    pub(crate) fn cells_of(&self, digest: &mut Digest, room: usize) -> Vec<u8> {
        let (full, first) = (digest.size(), self.first);
        let size = if full.is_multiple_of(self.size) {
            self.size
        } else {
            full
        };
        let mut body = Self { size, first }.encode();
        body.extend_from_slice(&digest.sum.to_le_bytes());
        let rest = room - body.len();
        digest.sketch().folded(size).encode(first, rest, &mut body);
        body
    }
}

/// A complete pass over a peer's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// The sum of our entries when it began.
    pub(crate) began: u128,
    /// The peer's folded origins: a sum, and their short names.
    pub(crate) folded: u128,
    pub(crate) names: BTreeSet<u64>,
    /// All bases of the peer.
    pub(crate) bases: Bases,
}

/// The parts of a replica that an exchange reads, and where its requests go.
pub(crate) struct Surroundings<'a> {
    pub(crate) digest: &'a mut Digest,
    pub(crate) peers: &'a Peers,
    pub(crate) counters: &'a mut Counters,
    pub(crate) out: &'a mut Vec<Outgoing>,
}

/// An exchange of several messages led by this replica.
#[derive(Clone, Debug, Hash)]
struct Led {
    peer: PeerId,
    /// The tick of the last progress.
    active: u32,
    stage: Stage,
}

#[derive(Clone, Debug, Hash)]
enum Stage {
    /// The peer's cells before `next` have arrived.
    Cells { cells: Sketch, next: usize },
    /// All slots before `next` have been pulled. Our entries had the sum `began` at the start. The
    /// peer's `bases` hold folded origins with the sum `folded`.
    Pull {
        began: u128,
        next: u64,
        folded: u128,
        bases: Bases,
        /// The pass is abandoned when it gets beyond this slot; known from the first chunk on.
        end: Option<u64>,
        /// Whether entries have arrived since the last chunk.
        fed: bool,
        /// The number of chunks without any content.
        barren: u32,
    },
    /// `missing` of the fetched entries have not arrived. The peer's entries had this sum and
    /// lacked `ours`.
    Fetch {
        missing: usize,
        sum: u128,
        ours: Vec<u64>,
    },
}

impl Led {
    /// The number of ticks without progress that are tolerated. Fetched entries arrive without
    /// further requests. If none arrived for a whole tick, none will: they were lost, or they
    /// changed in the meantime and will be published.
    fn patience(&self) -> u32 {
        match self.stage {
            Stage::Cells { .. } | Stage::Pull { .. } => PATIENCE,
            Stage::Fetch { .. } => 1,
        }
    }
}

/// The comparison with peers: at most one exchange that this replica leads, and the peers deferred
/// until it is over.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Exchange {
    led: Option<Led>,
    /// Peers that were sent a summary and have not answered with cells.
    asked: BTreeSet<PeerId>,
    /// Reachable peers found to differ, with the sums of their entries.
    deferred: BTreeMap<PeerId, u128>,
}

impl Exchange {
    /// Starts a comparison with a peer.
    pub(crate) fn compare(&mut self, peer: PeerId, out: &mut Vec<Outgoing>) {
        if self.led.is_none() {
            self.deferred.remove(&peer);
        }
        self.asked.insert(peer);
        out.push(Outgoing::Summary(peer));
    }

    /// Abandons a silent exchange. If it is a peer's turn, starts a comparison with it or asks
    /// again for a chunk that may have been lost.
    pub(crate) fn tick(&mut self, turn: Option<PeerId>, around: &mut Surroundings<'_>) {
        let (ticks, out) = (around.peers.ticks(), &mut *around.out);
        self.led
            .take_if(|led| ticks.wrapping_sub(led.active) > led.patience());
        let Some(peer) = turn else { return };
        match &self.led {
            Some(Led {
                stage: Stage::Pull { .. },
                ..
            }) => self.ask_chunk(out),
            Some(Led { peer: busy, .. }) if *busy == peer => {}
            _ => self.compare(peer, out),
        }
    }

    /// Compares with the deferred peers if no exchange is under way.
    pub(crate) fn resume(&mut self, out: &mut Vec<Outgoing>) {
        if self.led.is_none() {
            for peer in core::mem::take(&mut self.deferred).into_keys() {
                self.compare(peer, out);
            }
        }
    }

    /// Forgets a peer that is no longer reachable.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.led.take_if(|led| led.peer == peer);
        self.asked.remove(&peer);
        self.deferred.remove(&peer);
    }

    /// Whether an exchange is under way, and if so, whether with this peer.
    fn is_with(&self, peer: PeerId) -> Option<bool> {
        self.led.as_ref().map(|led| led.peer == peer)
    }

    /// If an exchange with another peer is under way, defers this one, whose entries have the sum
    /// `sum`. Entries that it certainly lacks are sent at once, but only once.
    fn defer(&mut self, peer: PeerId, sum: u128, peers: &Peers, out: &mut Vec<Outgoing>) {
        let Some(led) = self.led.as_ref().filter(|led| led.peer != peer) else {
            return;
        };
        // A peer that is not up is compared with when it comes up; it must not take memory.
        if !peers.is_up(peer) || self.deferred.insert(peer, sum) == Some(sum) {
            return;
        }
        if let Stage::Fetch {
            sum: same, ours, ..
        } = &led.stage
            && *same == sum
        {
            out.push(Outgoing::Repair(peer, ours.clone()));
        }
    }

    /// Handles a peer's summary, given our own. `is_late` says whether other members may have
    /// folded an origin that is not folded here.
    pub(crate) fn take_summary(
        &mut self,
        from: PeerId,
        theirs: &Summary,
        ours: &Summary,
        is_late: bool,
        around: &mut Surroundings<'_>,
    ) {
        let Surroundings { peers, out, .. } = around;
        let same_ledger = theirs.ledger.ledger == ours.ledger.ledger;
        let same_folded = theirs.ledger.folded == ours.ledger.folded;
        if !same_ledger {
            out.push(Outgoing::Ledger(from));
        }
        if same_folded && theirs.ledger.base != ours.ledger.base {
            out.push(Outgoing::Notify(Notice::BaseDiverged { from }));
        }
        if (theirs.count, theirs.sum) == (ours.count, ours.sum) {
            self.asked.remove(&from);
            around.counters.agreements += 1;
            if same_ledger && same_folded {
                out.push(Outgoing::Notify(Notice::InSync { from }));
            }
        } else if theirs.count > ours.count {
            // We lead. An exchange that is already under way may bring everything. A peer that is
            // not up is compared with when it comes up; it must not take memory.
            if self.led.is_none() {
                if peers.is_up(from) {
                    self.compare(from, out);
                }
            } else {
                self.defer(from, theirs.sum, peers, out);
            }
        } else if self.is_with(from) != Some(true) {
            let size = Sketch::first_size(around.digest.size());
            out.push(Outgoing::Sketch(from, CellRange { size, first: 0 }));
        }
        // The entries of origins that the peer folded and we did not are only in its base.
        let leads = self.led.is_none() && peers.is_up(from);
        if !same_folded && same_ledger && leads && is_late {
            self.pull(from, peers.ticks(), ours.sum, out);
        }
    }

    /// Handles cells of a peer whose entries have the sum `sum`.
    pub(crate) fn take_sketch(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Malformed> {
        let CellRange { size, first } = CellRange::decode(reader)?;
        let sum = reader.u128()?;
        let full = around.digest.size();
        let cells = if full.is_multiple_of(size) {
            match self.expected_cells(from, size, first, full) {
                None => {
                    if self.asked.remove(&from) {
                        self.defer(from, sum, around.peers, around.out);
                    }
                    None
                }
                cells => cells,
            }
        } else {
            None
        };
        let Some(mut cells) = cells else {
            return reader.bytes(reader.rest().len()).map(drop);
        };
        let next = cells.decode(first, reader)?;
        if next < cells.len() {
            if next > first {
                self.ask_cells(from, cells, next, around.peers.ticks(), around.out);
            }
            return Ok(());
        }
        self.compare_cells(from, sum, &cells, around);
        Ok(())
    }

    /// The cells received so far to which a peer's cells of this size, from `first` on, are to be
    /// added. Ends the exchange to which they belong. `None` if they are late, repeated or were not
    /// requested. A first sketch arrives twice if two summaries crossed; it must not restart an
    /// exchange.
    fn expected_cells(
        &mut self,
        from: PeerId,
        size: usize,
        first: usize,
        full: usize,
    ) -> Option<Sketch> {
        match self.led.take() {
            Some(Led {
                peer,
                stage: Stage::Cells { cells, next },
                ..
            }) if peer == from && cells.size() == size && next == first => Some(cells),
            None if first == 0 && size == Sketch::first_size(full) && self.asked.remove(&from) => {
                Some(Sketch::new(size))
            }
            Some(Led {
                peer,
                stage: Stage::Cells { cells, .. },
                ..
            }) if peer == from
                && cells.size() != size
                && size != Sketch::first_size(full)
                && first == 0 =>
            {
                Some(Sketch::new(size))
            }
            other => {
                self.led = other;
                None
            }
        }
    }

    /// Compares all cells of a peer with ours. Repairs the differences, or asks for more cells or
    /// the peer's entire table.
    fn compare_cells(
        &mut self,
        from: PeerId,
        sum: u128,
        cells: &Sketch,
        around: &mut Surroundings<'_>,
    ) {
        let Surroundings {
            digest,
            peers,
            counters,
            out,
        } = around;
        let (size, full) = (cells.size(), digest.size());
        let difference = digest.sketch().folded(size).difference(cells);
        let found = difference.ours.len() + difference.theirs.len();
        // If the peer's table changed between two parts of its cells, a few of many differences
        // remain undecoded; the next comparison finds them. If there are few differences, the
        // undecoded ones may be all that is new, and the next comparison would get no further: two
        // entries that share all cells are invisible.
        let enough = found >= FEW && found * 8 >= difference.estimate * 7;
        if !(difference.complete || enough) || found == 0 {
            let wanted =
                Sketch::size_for(difference.estimate, size, full).filter(|_| !difference.complete);
            match wanted {
                Some(wanted) => {
                    self.ask_cells(from, Sketch::new(wanted), 0, peers.ticks(), out);
                }
                // There are too many differences, or two versions have the same id: a pass over the
                // entire table finds them.
                None if !difference.complete || sum != digest.sum => {
                    self.pull(from, peers.ticks(), digest.sum, out);
                }
                None => {}
            }
            return;
        }
        counters.repaired += found as u64;
        let (mut ours, theirs) = newer(&difference.ours, &difference.theirs);
        ours.sort_unstable();
        let alike = self.deferred.iter().filter(|(_, known)| **known == sum);
        for peer in core::iter::once(from).chain(alike.map(|(peer, _)| *peer)) {
            out.push(Outgoing::Repair(peer, ours.clone()));
        }
        if !theirs.is_empty() {
            let missing = theirs.len();
            out.push(Outgoing::Fetch(from, theirs));
            let stage = Stage::Fetch { missing, sum, ours };
            self.lead(from, peers.ticks(), stage);
        }
    }

    fn lead(&mut self, peer: PeerId, active: u32, stage: Stage) {
        self.led = Some(Led {
            peer,
            active,
            stage,
        });
    }

    fn ask_cells(
        &mut self,
        peer: PeerId,
        cells: Sketch,
        next: usize,
        ticks: u32,
        out: &mut Vec<Outgoing>,
    ) {
        let (size, first) = (cells.size(), next);
        self.lead(peer, ticks, Stage::Cells { cells, next });
        out.push(Outgoing::SketchRequest(peer, CellRange { size, first }));
    }

    /// Counts entries that arrived from a peer. Entries that were not fetched count as well: a
    /// fetched entry may have been superseded, and an id may belong to no entry at all.
    pub(crate) fn note_arrival(&mut self, from: PeerId, entries: usize, ticks: u32) {
        self.led.take_if(|led| {
            if led.peer != from {
                return false;
            }
            match &mut led.stage {
                Stage::Cells { .. } => false,
                Stage::Pull { fed, .. } => {
                    *fed = true;
                    false
                }
                Stage::Fetch { missing, .. } => {
                    led.active = ticks;
                    *missing = missing.saturating_sub(entries);
                    *missing == 0
                }
            }
        });
    }

    /// Starts to read a peer's entire table. Our entries have the sum `began`.
    fn pull(&mut self, peer: PeerId, ticks: u32, began: u128, out: &mut Vec<Outgoing>) {
        let stage = Stage::Pull {
            began,
            next: 0,
            folded: 0,
            bases: Vec::new(),
            end: None,
            fed: false,
            barren: 0,
        };
        self.lead(peer, ticks, stage);
        self.ask_chunk(out);
    }

    /// Asks for the next chunk of a pull. Repeating the request does not count as progress, so a
    /// peer that never answers is abandoned.
    fn ask_chunk(&self, out: &mut Vec<Outgoing>) {
        if let Some(Led {
            peer,
            stage: Stage::Pull { next, .. },
            ..
        }) = self.led
        {
            out.push(Outgoing::Pull(peer, next));
        }
    }

    /// Handles the end of a chunk; returns the pass if it is complete. The chunk's entries have
    /// been merged already, unless they were lost.
    pub(crate) fn take_chunk(
        &mut self,
        from: PeerId,
        chunk: Chunk,
        around: &mut Surroundings<'_>,
    ) -> Option<Pass> {
        let (ticks, out) = (around.peers.ticks(), &mut *around.out);
        let (began, before, mut bases, end, mut barren) = match self.led.take() {
            Some(Led {
                peer,
                stage:
                    Stage::Pull {
                        began,
                        next,
                        folded,
                        bases,
                        end,
                        fed,
                        barren,
                    },
                ..
            }) if peer == from && next == chunk.first => {
                let empty = !fed && chunk.bases.is_empty();
                (began, folded, bases, end, barren + u32::from(empty))
            }
            other => {
                self.led = other;
                return None;
            }
        };
        let limit = end.unwrap_or(chunk.slots * GROWTH + GROWN);
        let goes_on = chunk.next > chunk.first;
        let (mut next, folded) = (chunk.next, chunk.folded);
        // The peer has folded another origin since, which makes its earlier bases invalid.
        let restart = folded != before && chunk.first > 0;
        if restart {
            bases.clear();
            next = 0;
            barren += 1;
        }
        if (goes_on || restart) && (chunk.next > limit || barren > BARREN) {
            return None;
        }
        if !restart {
            bases.extend(chunk.bases);
            if !goes_on {
                return Some(Pass {
                    began,
                    folded,
                    names: chunk.names,
                    bases,
                });
            }
        }
        let stage = Stage::Pull {
            began,
            next,
            folded,
            bases,
            end: Some(limit),
            fed: false,
            barren,
        };
        self.lead(from, ticks, stage);
        self.ask_chunk(out);
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ledger::LedgerSums;
    use crate::origin::OriginId;
    use crate::secrets::Secrets;
    use crate::slot::Published;

    const A: PeerId = [1; 16];
    const B: PeerId = [2; 16];
    const FULL: usize = 48;

    /// A digest with the entries of these numbers.
    fn digest(entries: impl IntoIterator<Item = u32>) -> Digest {
        let secrets = Secrets::new(&[1; 32], "test", 1);
        let mut digest = Digest::new(FULL);
        for n in entries {
            let (origin, key) = (OriginId([1; 16]), n.to_le_bytes());
            let tag = secrets.leaf(origin, &key);
            digest.insert(&Published::new(&secrets, origin, &key, 1, tag));
        }
        digest
    }

    fn summary(digest: &Digest) -> Summary {
        let sums = LedgerSums {
            folded: 0,
            base: 0,
            ledger: 0,
        };
        Summary::new(digest, sums)
    }

    /// All cells of a digest, as they arrive.
    fn sketch(digest: &mut Digest, size: usize) -> Vec<u8> {
        CellRange { size, first: 0 }.cells_of(digest, 60_000)
    }

    struct Side {
        exchange: Exchange,
        digest: Digest,
        peers: Peers,
        counters: Counters,
    }

    impl Side {
        fn new(digest: Digest) -> Self {
            let mut peers = Peers::default();
            peers.add(A);
            peers.add(B);
            Self {
                exchange: Exchange::default(),
                digest,
                peers,
                counters: Counters::default(),
            }
        }

        /// Runs `act` on the exchange; returns what it asks for.
        fn act(&mut self, act: impl FnOnce(&mut Exchange, &mut Surroundings<'_>)) -> Vec<Outgoing> {
            let mut out = Vec::new();
            let mut around = Surroundings {
                digest: &mut self.digest,
                peers: &self.peers,
                counters: &mut self.counters,
                out: &mut out,
            };
            act(&mut self.exchange, &mut around);
            out
        }

        fn summary(&mut self, from: PeerId, theirs: &Summary, is_late: bool) -> Vec<Outgoing> {
            let ours = summary(&self.digest);
            self.act(|exchange, around| {
                exchange.take_summary(from, theirs, &ours, is_late, around);
            })
        }

        /// Takes cells as the answer to a summary.
        fn sketch(&mut self, from: PeerId, bytes: &[u8]) -> Vec<Outgoing> {
            self.exchange.asked.insert(from);
            self.act(|exchange, around| {
                exchange
                    .take_sketch(from, &mut Reader::new(bytes), around)
                    .unwrap();
            })
        }

        fn chunk(&mut self, from: PeerId, first: u64, next: u64, folded: u128) -> Option<Pass> {
            let chunk = Chunk {
                first,
                next,
                slots: 140,
                folded,
                names: BTreeSet::new(),
                bases: vec![(first.to_le_bytes().into(), first.into())],
            };
            let mut pass = None;
            self.act(|exchange, around| pass = exchange.take_chunk(from, chunk, around));
            pass
        }

        fn tick(&mut self) -> Vec<Outgoing> {
            let turn = self.peers.tick(1);
            self.act(|exchange, around| exchange.tick(turn, around))
        }

        fn resume(&mut self) -> Vec<Outgoing> {
            self.act(|exchange, around| exchange.resume(around.out))
        }
    }

    #[test]
    fn replicas_that_agree_send_nothing_more() {
        let mut side = Side::new(digest(0..9));
        let theirs = summary(&side.digest);
        let in_sync = Outgoing::Notify(Notice::InSync { from: A });
        assert_eq!(side.summary(A, &theirs, false), [in_sync]);
        assert_eq!(side.counters.agreements, 1);
    }

    #[test]
    fn the_side_with_fewer_entries_leads_and_the_other_sends_cells() {
        let (mut few, mut many) = (Side::new(digest(0..5)), Side::new(digest(0..9)));
        let (small, large) = (summary(&few.digest), summary(&many.digest));
        assert_eq!(few.summary(A, &large, false), [Outgoing::Summary(A)]);
        let cells = CellRange {
            size: FULL,
            first: 0,
        };
        assert_eq!(many.summary(A, &small, false), [Outgoing::Sketch(A, cells)]);
    }

    #[test]
    fn cells_tell_both_sides_differences_and_a_second_sketch_does_not_start_over() {
        let mut side = Side::new(digest(0..30));
        let mut theirs = digest(5..32);
        let sketch = sketch(&mut theirs, FULL);
        let out = side.sketch(A, &sketch);
        let [Outgoing::Repair(A, ours), Outgoing::Fetch(A, missing)] = &out[..] else {
            panic!("{out:?}")
        };
        assert_eq!((ours.len(), missing.len()), (5, 2));
        assert!(ours.is_sorted());
        assert!(side.sketch(A, &sketch).is_empty());
        side.exchange.note_arrival(B, 2, 0);
        assert_eq!(side.exchange.is_with(A), Some(true));
        side.exchange.note_arrival(A, 2, 0);
        assert_eq!(side.exchange.is_with(A), None);
    }

    #[test]
    fn a_peer_that_differs_during_an_exchange_is_deferred_until_it_ends() {
        let mut side = Side::new(digest(0..30));
        let mut theirs = digest(5..40);
        let sum = theirs.sum;
        side.sketch(A, &sketch(&mut theirs, FULL));
        let same = side.summary(B, &summary(&theirs), false);
        assert!(
            matches!(&same[..], [Outgoing::Repair(B, ours)] if ours.len() == 5),
            "B has the same sum as A, so it lacks the same: {same:?}"
        );
        assert!(side.summary(B, &summary(&theirs), false).is_empty());
        assert_eq!(side.exchange.deferred, BTreeMap::from([(B, sum)]));
        assert!(side.resume().is_empty());
        side.exchange.note_arrival(A, 10, 0);
        assert_eq!(side.resume(), [Outgoing::Summary(B)]);
        assert!(side.exchange.deferred.is_empty());
    }

    #[test]
    fn an_unreachable_peer_is_neither_led_nor_deferred() {
        let mut side = Side::new(digest(0..30));
        side.sketch(A, &sketch(&mut digest(5..40), FULL));
        side.summary(B, &summary(&digest(0..99)), false);
        side.exchange.forget(B);
        side.exchange.forget(A);
        assert!(side.resume().is_empty());
        side.sketch(A, &sketch(&mut digest(5..40), FULL));
        side.peers.remove(B);
        side.summary(B, &summary(&digest(0..99)), false);
        assert!(side.exchange.deferred.is_empty());
    }

    #[test]
    fn too_many_differences_for_the_cells_lead_to_a_pass_over_the_table() {
        let mut side = Side::new(digest(0..2000));
        let out = side.sketch(A, &sketch(&mut digest(1000..4000), FULL));
        assert_eq!(out, [Outgoing::Pull(A, 0)]);
        assert_eq!(side.chunk(A, 0, 70, 5), None);
        assert_eq!(side.chunk(A, 0, 70, 5), None, "repeated");
        assert_eq!(side.chunk(B, 70, 0, 5), None, "from another peer");
        let pass = side.chunk(A, 70, 0, 5).unwrap();
        assert_eq!((pass.folded, pass.bases.len()), (5, 2));
        assert_eq!(pass.began, side.digest.sum);
        assert_eq!(side.exchange.is_with(A), None);
    }

    #[test]
    fn a_fold_during_a_pass_restarts_it() {
        let mut side = Side::new(digest(0..2000));
        side.sketch(A, &sketch(&mut digest(1000..4000), FULL));
        assert_eq!(side.chunk(A, 0, 70, 5), None);
        assert_eq!(side.chunk(A, 70, 140, 6), None);
        assert_eq!(side.chunk(A, 0, 70, 6), None);
        let pass = side.chunk(A, 70, 0, 6).unwrap();
        assert_eq!(pass.bases.len(), 2);
    }

    #[test]
    fn a_silent_pull_is_asked_again_and_then_abandoned() {
        let mut side = Side::new(digest(0..2000));
        side.sketch(A, &sketch(&mut digest(1000..4000), FULL));
        for _ in 0..PATIENCE {
            assert_eq!(side.tick(), [Outgoing::Pull(A, 0)]);
        }
        assert!(matches!(side.tick()[..], [Outgoing::Summary(_)]));
        assert_eq!(side.exchange.is_with(A), None);
    }

    #[test]
    fn a_peer_that_folded_what_is_late_here_is_pulled_once_the_ledgers_agree() {
        let mut side = Side::new(digest(0..9));
        let mut theirs = summary(&side.digest);
        theirs.ledger.folded = 1;
        assert!(side.summary(A, &theirs, false).is_empty());
        theirs.ledger.ledger = 1;
        assert_eq!(side.summary(A, &theirs, true), [Outgoing::Ledger(A)]);
        theirs.ledger.ledger = 0;
        assert_eq!(side.summary(A, &theirs, true), [Outgoing::Pull(A, 0)]);
    }

    #[test]
    fn equal_folded_origins_with_different_bases_are_reported() {
        let mut side = Side::new(digest(0..9));
        let mut theirs = summary(&side.digest);
        theirs.ledger.base = 1;
        let diverged = Outgoing::Notify(Notice::BaseDiverged { from: A });
        assert_eq!(side.summary(A, &theirs, false)[0], diverged);
    }
}
