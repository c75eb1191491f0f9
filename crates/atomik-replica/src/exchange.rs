//! Anti-entropy: finds out whether two replicas agree and, if not, repairs the differences with
//! traffic proportional to their number.
//!
//! ```text
//! A                                  B
//! Summary ────────────────────────>      equal: done, in O(1) bytes
//!         <──────────────────────── Sketch: an opening, decodes some 20 differences or estimates
//! SketchRequest ──────────────────>      if it takes more cells, as many as estimated
//!         <──────────────────────── Sketch: the next cells
//! Repair: entries that B lacks ───>
//! Fetch: places that A lacks ─────>
//!         <──────────────────────── Repair
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
//! When a peer comes up, both *offer* their openings along with their summaries, so the one that
//! leads has what it needs after one message instead of three, and both know which one that is. If
//! it needs cells, it does not ask for them: it sends its own, and the peer, which has *yielded*,
//! leads from there. That saves a round trip. A peer that is busy answers with its own cells:
//!
//! ```text
//! A                                  B
//! Summary, Sketch: an opening <───> Summary, Sketch: an opening
//! Sketch: the first cells ────────>
//!         <──────────────────────── Fetch: places that B lacks
//!         <──────────────────────── Repair: entries that A lacks
//! Repair ─────────────────────────>
//! ```
//!
//! Peers found to differ in the meantime are *deferred* and compared with as soon as the exchange
//! is over. Most agree by then, or lack only what A alone had. What their openings tell them to
//! lack is sent at once, and so are the entries that B lacks to peers with the same sum as B, which
//! must lack the same. This ends without a clock:
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
use crate::sketch::{
    Difference, Evidence, FIRST_ROWS, Opening, ROW_BYTES, Row, decode_rows, encode_rows, estimate,
    rows_for,
};
use crate::summary::Summary;

/// From this number of decoded differences on, up to an eighth of all differences may be left to
/// the next comparison.
const FEW: usize = 64;

/// Up to this number of estimated differences, the first request has cells to spare: one message
/// more would cost more than they do.
const SMALL: usize = 40;

/// Requests for cells after which each asks for twice as many as have come.
const PATIENT_REQUESTS: u32 = 4;

/// Requests for cells after which a table that changes all the time is read as a whole.
const RESTARTED: u32 = 2 * PATIENT_REQUESTS;

/// Ticks without progress after which an exchange is abandoned.
const PATIENCE: u32 = 4;

/// Chunks with neither entries nor bases, other than the last, that are tolerated in a pass: the
/// entries may have been lost.
const BARREN: u32 = 16;

/// Ticks after which a pass over a peer's table is cut short if there are other peers, and for
/// which that peer's table is then not read again. Twice as many after each that was cut short, so
/// that a large table is read at last.
const LONG: u32 = 64;

/// A pass ends at this many times the number of slots that the peer had when it began, plus
/// [`GROWN`]: the peer's table may grow meanwhile, but not for ever.
const GROWTH: u64 = 2;
const GROWN: u64 = 65_536;

/// What an exchange wants to be sent or reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// A summary of this replica.
    Summary(PeerId),
    /// The retirements and statements known here.
    Ledger(PeerId),
    /// The opening of the digest.
    Opening(PeerId),
    /// Rows of cells, with the opening if they begin with the first.
    Cells(PeerId, RowRange),
    /// A request for rows of cells.
    SketchRequest(PeerId, RowRange),
    /// The entries with these places in the digest, ascending, as a repair.
    Repair(PeerId, Vec<u32>),
    /// A request for the entries with these places.
    Fetch(PeerId, Vec<u32>),
    /// A request for the chunk that begins with this slot.
    Pull(PeerId, u64),
    /// A report.
    Notify(Notice),
}

/// Rows of cells, from `first` up to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowRange {
    pub(crate) first: usize,
    pub(crate) end: usize,
}

impl RowRange {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let first = usize::try_from(reader.u32()?).map_err(|_| Malformed)?;
        let end = usize::try_from(reader.u32()?).map_err(|_| Malformed)?;
        (first < end)
            .then_some(Self { first, end })
            .ok_or(Malformed)
    }

    /// The body of the message that requests these rows.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.varint(self.first as u64);
        body.varint(self.end as u64);
        body
    }

    /// The body of the message with these rows of a digest, as many as there are and as fit in
    /// `room` bytes.
    pub(crate) fn rows_of(&self, digest: &mut Digest, room: usize) -> Vec<u8> {
        let (mut body, opening) = if self.first == 0 {
            (opening_of(digest), FIRST_ROWS)
        } else {
            (SketchHeader::of(digest, self.first).encode(), 0)
        };
        let first = self.first.max(opening);
        let most = first + (room - body.len()) / ROW_BYTES;
        let rows = digest.sketch().rows(self.end.min(most));
        encode_rows(rows.get(first..).unwrap_or_default(), &mut body);
        body
    }
}

/// What precedes the cells of a sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SketchHeader {
    /// The number of the first row; 0 for an opening.
    first: usize,
    /// The number of entries, and the sum of their tags.
    count: u64,
    sum: u128,
}

impl SketchHeader {
    fn of(digest: &Digest, first: usize) -> Self {
        let Digest { count, sum, .. } = *digest;
        Self { first, count, sum }
    }

    fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.varint(self.first as u64);
        body.varint(self.count);
        body.extend_from_slice(&self.sum.to_le_bytes());
        body
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            first: usize::try_from(reader.u32()?).map_err(|_| Malformed)?,
            count: reader.varint()?,
            sum: reader.u128()?,
        })
    }
}

/// The body of the message with the opening of a digest.
pub(crate) fn opening_of(digest: &mut Digest) -> Vec<u8> {
    let mut body = SketchHeader::of(digest, 0).encode();
    digest.sketch().opening().encode(&mut body);
    body
}

/// A complete pass over a peer's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// The sum of our entries when it began.
    pub(crate) began: u128,
    /// The number that stands for the certificate of the peer's base.
    pub(crate) folded: u128,
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
    /// These rows have arrived, and more were requested; without rows, all from the first on.
    Cells(Cells),
    /// The opening has arrived, and our cells were sent. The peer has `missing` entries more than
    /// we have; the others that we lack are as many as it fetches.
    Sent { cells: Cells, missing: usize },
    /// All slots before `next` have been pulled. Our entries had the sum `began` at the start. The
    /// peer's `bases` hold folded origins with the sum `folded`.
    Pull {
        began: u128,
        next: u64,
        folded: u128,
        bases: Bases,
        /// Whether all bases so far were wanted. Others are not kept.
        wanted: bool,
        /// The tick when it began.
        since: u32,
        /// The pass is abandoned when it gets beyond this slot; known from the first chunk on.
        end: Option<u64>,
        /// Whether entries have arrived since the last chunk.
        fed: bool,
        /// The number of chunks without any content.
        barren: u32,
    },
    /// `missing` of the entries that we lack have not arrived. The peer's entries had this sum,
    /// lacked `ours` and included `theirs`, both ascending; `theirs` are those that we fetch.
    Fetch {
        missing: usize,
        sum: u128,
        ours: Vec<u32>,
        theirs: Vec<u32>,
    },
}

/// Cells of a peer that are not enough yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Cells {
    rows: Vec<Row>,
    /// The sum of the peer's entries when it sent the opening.
    opened: u128,
    /// The same when it sent the first row.
    sum: u128,
    /// What the opening told of the number of differences.
    evidence: Vec<Evidence>,
    /// The number of requests for more.
    requests: u32,
    /// Whether the exchange began with an offer. Then a replica lags behind, and a message more
    /// would cost more than cells to spare.
    offered: bool,
}

impl Led {
    /// The number of ticks without progress that are tolerated. Fetched entries arrive without
    /// further requests. If none arrived for a whole tick, none will: they were lost, or they
    /// changed in the meantime and will be published.
    fn patience(&self) -> u32 {
        match self.stage {
            Stage::Cells(_) | Stage::Sent { .. } | Stage::Pull { .. } => PATIENCE,
            Stage::Fetch { .. } => 1,
        }
    }

    /// The peer has compared the cells that we sent, if we did. What is left is as if we had
    /// fetched it.
    fn answered(&mut self) {
        if let Stage::Sent { cells, missing } = &self.stage {
            self.stage = Stage::Fetch {
                missing: *missing,
                sum: cells.opened,
                ours: Vec::new(),
                theirs: Vec::new(),
            };
        }
    }
}

/// The comparison with peers: at most one exchange that this replica leads, and the peers deferred
/// until it is over.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Exchange {
    led: Option<Led>,
    /// Peers that were sent a summary and have not answered with cells; the tick when it was sent.
    asked: BTreeMap<PeerId, u32>,
    /// Peers that came up and were offered the opening of so many entries with this sum.
    offered: BTreeMap<PeerId, (u64, u128)>,
    /// Peers that came up and lead, so they may send their cells, once.
    yielded: BTreeSet<PeerId>,
    /// Reachable peers found to differ, with the sums of their entries.
    deferred: BTreeMap<PeerId, u128>,
    /// Peers whose tables are not read for a while, and since when.
    shunned: BTreeMap<PeerId, u32>,
    /// The number of passes that were cut short since the last complete one.
    cut: u32,
}

impl Exchange {
    /// Starts a comparison with a peer.
    pub(crate) fn compare(&mut self, peer: PeerId, ticks: u32, out: &mut Vec<Outgoing>) {
        if self.led.is_none() {
            self.deferred.remove(&peer);
        }
        self.asked.insert(peer, ticks);
        self.offered.remove(&peer);
        out.push(Outgoing::Summary(peer));
    }

    /// Starts a comparison with a peer that has just come up and does the same.
    pub(crate) fn meet(&mut self, peer: PeerId, around: &mut Surroundings<'_>) {
        self.compare(peer, around.peers.ticks(), around.out);
        if around.digest.count > 0 {
            let Digest { count, sum, .. } = *around.digest;
            self.offered.insert(peer, (count, sum));
            around.out.push(Outgoing::Opening(peer));
        }
    }

    /// Abandons a silent exchange. If it is a peer's turn, starts a comparison with it or asks
    /// again for a chunk that may have been lost.
    pub(crate) fn tick(&mut self, turn: Option<PeerId>, around: &mut Surroundings<'_>) {
        let (ticks, out) = (around.peers.ticks(), &mut *around.out);
        self.led
            .take_if(|led| ticks.wrapping_sub(led.active) > led.patience());
        self.shunned
            .retain(|_, since| ticks.wrapping_sub(*since) < LONG);
        let cut = self.cut_short(around.peers);
        let Some(peer) = turn.filter(|turn| cut != Some(*turn)) else {
            return;
        };
        match &self.led {
            Some(Led {
                stage: Stage::Pull { .. },
                ..
            }) => self.ask_chunk(out),
            Some(Led { peer: busy, .. }) if *busy == peer => {}
            _ => self.compare(peer, ticks, out),
        }
    }

    /// Cuts a long pass short if there are other peers; returns whose.
    fn cut_short(&mut self, peers: &Peers) -> Option<PeerId> {
        let long = LONG << self.cut.min(16);
        let led = self.led.take_if(|led| {
            let Stage::Pull { since, .. } = led.stage else {
                return false;
            };
            peers.up().len() > 1 && peers.ticks().wrapping_sub(since) >= long
        })?;
        self.cut = self.cut.saturating_add(1);
        self.shun(led.peer, peers.ticks());
        Some(led.peer)
    }

    /// Reads the tables of other peers for a while.
    pub(crate) fn shun(&mut self, peer: PeerId, ticks: u32) {
        self.shunned.insert(peer, ticks);
    }

    /// Compares with the deferred peers if no exchange is under way.
    pub(crate) fn resume(&mut self, ticks: u32, out: &mut Vec<Outgoing>) {
        if self.led.is_none() {
            for peer in core::mem::take(&mut self.deferred).into_keys() {
                self.compare(peer, ticks, out);
            }
        }
    }

    /// Forgets a peer that is no longer reachable.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.led.take_if(|led| led.peer == peer);
        self.asked.remove(&peer);
        self.offered.remove(&peer);
        self.yielded.remove(&peer);
        self.deferred.remove(&peer);
        self.shunned.remove(&peer);
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

    /// Handles a peer's summary, given our own. `unsent` says whether the peer has own changes that
    /// its summary does not cover, `is_late` whether other members may have folded an origin that
    /// is not folded here.
    pub(crate) fn take_summary(
        &mut self,
        from: PeerId,
        (theirs, unsent): (&Summary, bool),
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
            if same_ledger && same_folded && !unsent {
                out.push(Outgoing::Notify(Notice::InSync { from }));
            }
        } else if theirs.count > ours.count {
            // We lead. An exchange that is already under way may bring everything. A peer that is
            // not up is compared with when it comes up; it must not take memory.
            if self.led.is_none() {
                let asked = self.asked.get(&from) == Some(&peers.ticks());
                if peers.is_up(from) && !asked {
                    self.compare(from, peers.ticks(), out);
                }
            } else {
                self.defer(from, theirs.sum, peers, out);
            }
        } else if self.is_with(from) != Some(true) {
            out.push(Outgoing::Opening(from));
        }
        // The entries of origins that the peer folded and we did not are only in its base.
        let leads = self.led.is_none() && peers.is_up(from);
        if !same_folded && leads && is_late {
            self.pull(from, peers.ticks(), ours.sum, out);
        }
    }

    /// Handles cells of a peer.
    pub(crate) fn take_sketch(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Malformed> {
        let header = SketchHeader::decode(reader)?;
        let mut again = None;
        if header.first == 0 {
            let opening = Opening::decode(reader)?;
            if reader.is_empty() {
                self.take_opening(from, header, opening, around);
                return Ok(());
            }
            again = Some(opening);
        }
        let rows = decode_rows(reader)?;
        let is_wanted = |stage: &Stage| match stage {
            Stage::Cells(cells) => cells.rows.len() == header.first,
            Stage::Sent { .. } => again.is_some(),
            Stage::Pull { .. } | Stage::Fetch { .. } => false,
        };
        let led = self
            .led
            .take_if(|led| led.peer == from && is_wanted(&led.stage));
        let mut cells = match led.map(|led| led.stage) {
            Some(Stage::Cells(cells) | Stage::Sent { cells, .. }) => cells,
            _ if again.is_some() && self.yielded.remove(&from) => {
                if self.led.is_some() {
                    let end = FIRST_ROWS + rows.len();
                    around
                        .out
                        .push(Outgoing::Cells(from, RowRange { first: 0, end }));
                    return Ok(());
                }
                Cells {
                    rows: Vec::new(),
                    opened: header.sum,
                    sum: header.sum,
                    evidence: Vec::new(),
                    requests: 1,
                    offered: true,
                }
            }
            _ => return Ok(()),
        };
        let grown = !rows.is_empty();
        if let Some(opening) = again {
            let ours = around.digest.sketch().opening();
            cells.evidence = ours.evidence(&opening);
            cells.rows = opening.rows;
            cells.sum = header.sum;
        }
        cells.rows.extend(rows);
        self.compare_cells(from, header, cells, grown, around);
        Ok(())
    }

    /// Handles an opening. One that was not asked for is ignored.
    fn take_opening(
        &mut self,
        from: PeerId,
        header: SketchHeader,
        opening: Opening,
        around: &mut Surroundings<'_>,
    ) {
        let Surroundings { digest, .. } = around;
        if self.asked.remove(&from).is_none() || header.sum == digest.sum {
            return;
        }
        // The peer has our opening, too. Only one of us is to lead.
        let offered = self.offered.remove(&from);
        if offered.is_some_and(|offered| offered > (header.count, header.sum)) {
            self.yielded.insert(from);
            return;
        }
        let offered = offered.is_some();
        match self.is_with(from) {
            Some(true) => {}
            Some(false) => self.take_aside(from, &header, &opening, around),
            None => {
                let evidence = digest.sketch().opening().evidence(&opening);
                let cells = Cells {
                    rows: opening.rows,
                    opened: header.sum,
                    sum: header.sum,
                    evidence,
                    requests: 0,
                    offered,
                };
                self.compare_cells(from, header, cells, true, around);
            }
        }
    }

    /// Handles the opening of a peer while an exchange with another is under way: sends what the
    /// peer lacks, and defers it if it has more than was fetched already.
    fn take_aside(
        &mut self,
        from: PeerId,
        header: &SketchHeader,
        opening: &Opening,
        around: &mut Surroundings<'_>,
    ) {
        let ours = around.digest.sketch().rows(opening.rows.len());
        let difference = Difference::decode(&ours, &opening.rows);
        let Some(Stage::Fetch { sum, theirs, .. }) = self.led.as_ref().map(|led| &led.stage) else {
            return self.defer(from, header.sum, around.peers, around.out);
        };
        if *sum == header.sum || !difference.complete {
            return self.defer(from, header.sum, around.peers, around.out);
        }
        let fetched = |place| theirs.binary_search(place).is_ok();
        let all_fetched = difference.theirs.iter().all(fetched);
        if !difference.ours.is_empty() {
            around.out.push(Outgoing::Repair(from, difference.ours));
        }
        if !all_fetched {
            self.defer(from, header.sum, around.peers, around.out);
        }
    }

    /// Compares the cells of a peer with ours. Repairs the differences, or asks for more cells or
    /// the peer's entire table. `grown` says whether there are more cells than before.
    fn compare_cells(
        &mut self,
        from: PeerId,
        header: SketchHeader,
        cells: Cells,
        grown: bool,
        around: &mut Surroundings<'_>,
    ) {
        let Surroundings {
            digest,
            peers,
            counters,
            out,
        } = around;
        let had = cells.rows.len();
        let ours = digest.sketch().rows(had);
        let difference = Difference::decode(&ours, &cells.rows);
        let found = difference.found();
        let expected = estimate(&[&cells.evidence[..], &difference.evidence].concat());
        // If the peer's table changed between two parts of its cells, a few of many differences
        // remain undecoded; the next comparison finds them. If there are few differences, the
        // undecoded ones may be all that is new, and the next comparison would get no further.
        let changed = header.sum != cells.sum;
        let enough = changed && found >= FEW && found * 8 >= expected * 7;
        if found == 0 && difference.complete {
            // Two versions have the same weight.
            if header.sum != digest.sum {
                self.pull(from, peers.ticks(), digest.sum, out);
            }
        } else if difference.complete || enough {
            counters.repaired += found as u64;
            let Difference { ours, theirs, .. } = difference;
            let sums = [header.sum, cells.opened];
            self.repair(from, sums, ours, theirs, peers.ticks(), out);
        } else {
            let size = digest.sketch().size();
            // Rows from before and after a change hardly decode together. If there are few
            // differences, or if it was tried often, all are asked for again, as of one moment.
            let tried = cells.requests >= PATIENT_REQUESTS;
            let afresh = rows_for(expected + expected / 2).max(FIRST_ROWS + 1);
            if changed && (expected < FEW || tried) && cells.requests < RESTARTED && afresh < size {
                let cells = Cells {
                    rows: Vec::new(),
                    requests: cells.requests + 1,
                    ..cells
                };
                self.lead(from, peers.ticks(), Stage::Cells(cells));
                let rows = RowRange {
                    first: 0,
                    end: afresh,
                };
                return out.push(Outgoing::SketchRequest(from, rows));
            }
            let end = rows_to_request(expected, &cells).min(size);
            // Where everything is missing, cells only cost.
            let joins = digest.count <= header.count / 8
                && expected as u64 >= header.count - header.count / 4;
            if joins || !grown || end <= had || rows_for(expected) > size {
                self.pull(from, peers.ticks(), digest.sum, out);
            } else {
                let sends = cells.offered && cells.requests == 0;
                let cells = Cells {
                    requests: cells.requests + 1,
                    ..cells
                };
                let (stage, outgoing) = if sends {
                    // Those that have just come up sign what they had sent unsigned. So entries
                    // have changed since the openings, and the first rows are sent again.
                    let missing = header.count.saturating_sub(digest.count) as usize;
                    let rows = RowRange { first: 0, end };
                    (Stage::Sent { cells, missing }, Outgoing::Cells(from, rows))
                } else {
                    let rows = RowRange { first: had, end };
                    (Stage::Cells(cells), Outgoing::SketchRequest(from, rows))
                };
                self.lead(from, peers.ticks(), stage);
                out.push(outgoing);
            }
        }
    }

    /// Sends the entries that a peer lacks, `ours`, and asks for those that it has, `theirs`.
    fn repair(
        &mut self,
        from: PeerId,
        [sum, opened]: [u128; 2],
        ours: Vec<u32>,
        theirs: Vec<u32>,
        ticks: u32,
        out: &mut Vec<Outgoing>,
    ) {
        if !theirs.is_empty() {
            out.push(Outgoing::Fetch(from, theirs.clone()));
        }
        if !ours.is_empty() {
            out.push(Outgoing::Repair(from, ours.clone()));
            self.repair_deferred([sum, opened], &ours, out);
        }
        if !theirs.is_empty() {
            let stage = Stage::Fetch {
                missing: theirs.len(),
                sum,
                ours,
                theirs,
            };
            self.lead(from, ticks, stage);
        }
    }

    /// Sends the entries that a peer lacks, whose entries have had these sums, to the deferred
    /// peers with the same sum. They must lack them as well.
    fn repair_deferred(&self, sums: [u128; 2], ours: &[u32], out: &mut Vec<Outgoing>) {
        for (peer, sum) in &self.deferred {
            if sums.contains(sum) {
                out.push(Outgoing::Repair(*peer, ours.to_vec()));
            }
        }
    }

    /// Takes note that a peer fetches these entries, in answer to our cells or not.
    pub(crate) fn note_fetch(&mut self, from: PeerId, places: &[u32], out: &mut Vec<Outgoing>) {
        let Some(led) = self.led.as_mut().filter(|led| led.peer == from) else {
            return;
        };
        led.answered();
        if let Stage::Fetch {
            missing,
            sum,
            ours,
            theirs,
        } = &mut led.stage
            && theirs.is_empty()
        {
            *missing += places.len();
            ours.extend(places);
            let sum = *sum;
            self.repair_deferred([sum; 2], places, out);
        }
    }

    fn lead(&mut self, peer: PeerId, active: u32, stage: Stage) {
        self.led = Some(Led {
            peer,
            active,
            stage,
        });
    }

    /// Counts entries that arrived from a peer. Entries that were not fetched count as well: a
    /// fetched entry may have been superseded, and an id may belong to no entry at all.
    pub(crate) fn note_arrival(&mut self, from: PeerId, entries: usize, ticks: u32) {
        self.led.take_if(|led| {
            if led.peer != from {
                return false;
            }
            led.answered();
            match &mut led.stage {
                Stage::Cells(_) | Stage::Sent { .. } => false,
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
        if self.shunned.contains_key(&peer) {
            return;
        }
        let stage = Stage::Pull {
            began,
            next: 0,
            folded: 0,
            bases: Vec::new(),
            wanted: true,
            since: ticks,
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
    /// been merged already, unless they were lost. `wanted` says whether its bases are those that
    /// this replica lacks.
    pub(crate) fn take_chunk(
        &mut self,
        from: PeerId,
        chunk: Chunk,
        wanted: bool,
        around: &mut Surroundings<'_>,
    ) -> Option<Pass> {
        let (ticks, out) = (around.peers.ticks(), &mut *around.out);
        let (began, before, mut bases, end, mut barren, kept, since) = match self.led.take() {
            Some(Led {
                peer,
                stage:
                    Stage::Pull {
                        began,
                        next,
                        folded,
                        bases,
                        wanted: kept,
                        since,
                        end,
                        fed,
                        barren,
                    },
                ..
            }) if peer == from && next == chunk.first => {
                let empty = !fed && chunk.bases.is_empty();
                let barren = barren + u32::from(empty);
                (began, folded, bases, end, barren, kept, since)
            }
            other => {
                self.led = other;
                return None;
            }
        };
        let mut wanted = wanted && kept;
        let limit = end.unwrap_or(chunk.slots * GROWTH + GROWN);
        let goes_on = chunk.next > chunk.first;
        let (mut next, folded) = (chunk.next, chunk.folded);
        // The peer has folded another origin since, which makes its earlier bases invalid.
        let restart = folded != before && chunk.first > 0;
        if restart {
            bases.clear();
            next = 0;
            wanted = true;
            barren += 1;
        }
        if (goes_on || restart) && (chunk.next > limit || barren > BARREN) {
            return None;
        }
        if !restart {
            if wanted {
                bases.extend(chunk.bases);
            } else {
                bases.clear();
            }
            if !goes_on {
                self.cut = 0;
                let folded = if wanted { folded } else { 0 };
                return Some(Pass {
                    began,
                    folded,
                    bases,
                });
            }
        }
        let stage = Stage::Pull {
            began,
            next,
            folded,
            bases,
            wanted,
            since,
            end: Some(limit),
            fed: false,
            barren,
        };
        self.lead(from, ticks, stage);
        self.ask_chunk(out);
        None
    }
}

/// The row up to which to request cells for an expected number of differences.
fn rows_to_request(expected: usize, cells: &Cells) -> usize {
    let had = cells.rows.len();
    let wanted = rows_for(match cells.requests {
        // The first estimate may be off by a third. Cells are wasted if it is too high. If it
        // is too low, the cells give a much better one.
        // A replica that was away waits for this: better cells to spare than another request.
        0 if cells.offered => expected + expected / 2,
        0 if expected <= SMALL => expected + expected / 5,
        0 => expected - expected / 3,
        _ => expected + expected / 32,
    });
    let more = if cells.requests < PATIENT_REQUESTS {
        had / 16 + 2
    } else {
        had
    };
    wanted.max(had + more)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ledger::LedgerSums;
    use crate::origin::OriginId;
    use crate::secrets::Secrets;
    use crate::slot::{Published, UNPUBLISHED};

    const A: PeerId = [1; 16];
    const B: PeerId = [2; 16];

    fn entries(numbers: impl IntoIterator<Item = u32>) -> Vec<Published> {
        let secrets = Secrets::new(&[1; 32], "test", &crate::shape::Shape::xor(1));
        let entry = |n: u32| {
            let (origin, key) = (OriginId([1; 16]), n.to_le_bytes());
            let tag = secrets.leaf(origin, &key);
            Published::new(&secrets, origin, &key, 1, tag)
        };
        numbers.into_iter().map(entry).collect()
    }

    /// A digest of the fewest rows with the entries of these numbers.
    fn digest(numbers: impl IntoIterator<Item = u32>) -> Digest {
        let mut digest = Digest::default();
        for entry in entries(numbers) {
            digest.replace(&UNPUBLISHED, &entry);
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

    struct Side {
        exchange: Exchange,
        digest: Digest,
        peers: Peers,
        counters: Counters,
    }

    impl Side {
        fn new(digest: Digest) -> Self {
            let mut peers = Peers::default();
            peers.add(A, None);
            peers.add(B, None);
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
                exchange.take_summary(from, (theirs, false), &ours, is_late, around);
            })
        }

        /// Takes cells as the answer to a summary.
        fn sketch(&mut self, from: PeerId, bytes: &[u8]) -> Vec<Outgoing> {
            self.exchange.asked.insert(from, 0);
            self.act(|exchange, around| {
                exchange
                    .take_sketch(from, &mut Reader::new(bytes), around)
                    .unwrap();
            })
        }

        fn chunk(&mut self, from: PeerId, first: u64, next: u64, folded: u128) -> Option<Pass> {
            self.chunk_that(true, from, first, next, folded)
        }

        fn chunk_that(
            &mut self,
            wanted: bool,
            from: PeerId,
            first: u64,
            next: u64,
            folded: u128,
        ) -> Option<Pass> {
            let chunk = Chunk {
                first,
                next,
                slots: 140,
                folded,
                bases: vec![(first.to_le_bytes().into(), first.into())],
            };
            let mut pass = None;
            self.act(|exchange, around| {
                pass = exchange.take_chunk(from, chunk, wanted, around);
            });
            pass
        }

        fn tick(&mut self) -> Vec<Outgoing> {
            let turn = self.peers.tick(1);
            self.act(|exchange, around| exchange.tick(turn, around))
        }

        fn resume(&mut self) -> Vec<Outgoing> {
            self.act(|exchange, around| exchange.resume(around.peers.ticks(), around.out))
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
        assert_eq!(many.summary(A, &small, false), [Outgoing::Opening(A)]);
    }

    #[test]
    fn cells_tell_both_sides_differences_and_a_second_sketch_does_not_start_over() {
        let mut side = Side::new(digest(0..30));
        let sketch = opening_of(&mut digest(5..32));
        let out = side.sketch(A, &sketch);
        let [Outgoing::Fetch(A, missing), Outgoing::Repair(A, ours)] = &out[..] else {
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

    /// Two sides that have come up for each other and differ in 20 and 60 entries: each has the
    /// other's opening. Also the rows that the one with fewer entries, the first, sends of its
    /// cells to the other, which is `B` to it as it is `A` to the other.
    fn met() -> [(Side, Vec<Outgoing>); 2] {
        let [mut fewer, mut more] =
            [0..200, 20..260].map(|numbers| Side::new(Digest::of(entries(numbers).iter())));
        for (side, peer) in [(&mut fewer, B), (&mut more, A)] {
            let out = side.act(|exchange, around| exchange.meet(peer, around));
            assert_eq!(out, [Outgoing::Summary(peer), Outgoing::Opening(peer)]);
        }
        let openings = [opening_of(&mut fewer.digest), opening_of(&mut more.digest)];
        let sent = fewer.sketch(B, &openings[1]);
        let nothing = more.sketch(A, &openings[0]);
        [(fewer, sent), (more, nothing)]
    }

    fn cells_for(peer: PeerId, out: &[Outgoing]) -> RowRange {
        match out {
            [Outgoing::Cells(to, range)] if *to == peer => *range,
            other => panic!("no cells for the peer but {other:?}"),
        }
    }

    /// The places of entries, ascending.
    fn places(numbers: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let mut places: Vec<_> = entries(numbers).iter().map(Published::place).collect();
        places.sort_unstable();
        places
    }

    #[test]
    fn of_two_that_come_up_one_sends_its_cells_and_the_other_repairs_both() {
        let [(mut fewer, sent), (mut more, nothing)] = met();
        assert_eq!(nothing, []);
        let range = cells_for(B, &sent);
        assert_eq!(range.first, 0);

        // Another peer with the same entries is deferred.
        let third = [3; 16];
        fewer.peers.add(third, None);
        let opening = opening_of(&mut more.digest);
        assert_eq!(fewer.sketch(third, &opening), []);

        let cells = range.rows_of(&mut fewer.digest, 64 << 10);
        let (lacks, has) = (places(0..20), places(200..260));
        let wanted = [
            Outgoing::Fetch(A, lacks.clone()),
            Outgoing::Repair(A, has.clone()),
        ];
        assert_eq!(more.sketch(A, &cells), wanted);
        // It yielded once, not for ever.
        more.exchange.led = None;
        assert_eq!(more.sketch(A, &cells), []);

        let out = fewer.act(|exchange, around| exchange.note_fetch(B, &lacks, around.out));
        assert_eq!(out, [Outgoing::Repair(third, lacks)]);
        fewer.exchange.note_arrival(B, has.len() - 1, 0);
        assert_eq!(fewer.resume(), []);
        fewer.exchange.note_arrival(B, 21, 0);
        assert_eq!(fewer.resume(), [Outgoing::Summary(third)]);
    }

    #[test]
    fn one_that_is_busy_answers_cells_with_its_own() {
        let [(mut fewer, sent), (mut more, _)] = met();
        let range = cells_for(B, &sent);
        more.act(|exchange, around| exchange.pull([4; 16], 0, around.digest.sum, around.out));
        let cells = range.rows_of(&mut fewer.digest, 64 << 10);
        let answer = cells_for(A, &more.sketch(A, &cells));
        assert_eq!(answer, range);
        let cells = answer.rows_of(&mut more.digest, 64 << 10);
        let wanted = [
            Outgoing::Fetch(B, places(200..260)),
            Outgoing::Repair(B, places(0..20)),
        ];
        assert_eq!(fewer.sketch(B, &cells), wanted);
        // Cells that nobody waits for are not answered, or two could answer each other for ever.
        fewer.exchange.led = None;
        assert_eq!(fewer.sketch(B, &cells), []);
    }

    #[test]
    fn a_peer_that_differs_during_an_exchange_is_deferred_until_it_ends() {
        let mut side = Side::new(digest(0..30));
        let mut theirs = digest(5..40);
        let sum = theirs.sum;
        side.sketch(A, &opening_of(&mut theirs));
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
        side.sketch(A, &opening_of(&mut digest(5..40)));
        side.summary(B, &summary(&digest(0..99)), false);
        side.exchange.forget(B);
        side.exchange.forget(A);
        assert!(side.resume().is_empty());
        side.sketch(A, &opening_of(&mut digest(5..40)));
        side.peers.remove(B);
        side.summary(B, &summary(&digest(0..99)), false);
        assert!(side.exchange.deferred.is_empty());
    }

    #[test]
    fn too_many_differences_for_the_cells_lead_to_a_pass_over_the_table() {
        let mut side = Side::new(digest(0..200));
        let out = side.sketch(A, &opening_of(&mut digest(1000..4000)));
        assert_eq!(out, [Outgoing::Pull(A, 0)]);
        assert_eq!(side.chunk(A, 0, 70, 5), None);
        assert_eq!(side.chunk(A, 0, 70, 5), None, "repeated");
        assert_eq!(side.chunk(B, 70, 0, 5), None, "from another peer");
        let pass = side.chunk(A, 70, 0, 5).unwrap();
        assert_eq!((pass.folded, pass.bases.len()), (5, 2));
        assert_eq!(pass.began, side.digest.sum);
        assert_eq!(side.exchange.is_with(A), None);
    }

    /// The peer writes all the time, and what it writes arrives a little later.
    #[test]
    fn cells_of_a_table_that_changes_are_asked_for_as_of_one_moment() {
        const KEYS: u32 = 20_000;
        for (lost, in_flight) in [(0, 30), (10, 10), (10, 30), (30, 10), (30, 30)] {
            let mut side = Side::new(Digest::of(entries(0..KEYS).iter()));
            let mut theirs = Digest::of(entries(0..KEYS + lost + in_flight).iter());
            let mut written = KEYS + lost + in_flight;
            let mut out = side.sketch(A, &opening_of(&mut theirs));
            let mut received = FIRST_ROWS;
            while let [Outgoing::SketchRequest(A, rows)] = &out[..] {
                for entry in entries(written - in_flight..written) {
                    side.digest.replace(&UNPUBLISHED, &entry);
                }
                for entry in entries(written..written + in_flight) {
                    theirs.replace(&UNPUBLISHED, &entry);
                }
                written += in_flight;
                received += rows.end - rows.first;
                let cells = rows.rows_of(&mut theirs, 64 << 10);
                out = side.act(|exchange, around| {
                    let mut reader = Reader::new(&cells);
                    exchange.take_sketch(A, &mut reader, around).unwrap();
                });
            }
            let case = format!("{lost} lost, {in_flight} in flight, {received} rows: {out:?}");
            let [Outgoing::Fetch(A, missing)] = &out[..] else {
                panic!("{case}")
            };
            let lost = places(KEYS..KEYS + lost);
            assert!(lost.iter().all(|place| missing.contains(place)), "{case}");
            assert!(received < 300, "{case}");
        }
    }

    #[test]
    fn bases_that_are_not_wanted_are_not_kept_and_none_are_kept_in_part() {
        for wanted in [[false, false], [true, false], [false, true]] {
            let mut side = Side::new(digest(0..200));
            side.sketch(A, &opening_of(&mut digest(1000..4000)));
            assert_eq!(side.chunk_that(wanted[0], A, 0, 70, 5), None);
            let pass = side.chunk_that(wanted[1], A, 70, 0, 5).unwrap();
            assert_eq!((pass.folded, pass.bases.len()), (0, 0));
        }
    }

    #[test]
    fn the_table_of_a_shunned_peer_is_not_read_for_a_while() {
        let mut side = Side::new(digest(0..9));
        let mut theirs = summary(&side.digest);
        theirs.ledger.folded = 1;
        side.exchange.shun(A, 0);
        assert!(side.summary(A, &theirs, true).is_empty());
        (0..LONG).for_each(|_| drop(side.tick()));
        assert_eq!(side.summary(A, &theirs, true), [Outgoing::Pull(A, 0)]);
    }

    #[test]
    fn each_pass_that_was_cut_short_lets_the_next_last_longer() {
        let mut side = Side::new(digest(0..9));
        let mut theirs = summary(&side.digest);
        theirs.ledger.folded = 1;
        for length in [LONG, 2 * LONG, 4 * LONG] {
            assert_eq!(side.summary(A, &theirs, true), [Outgoing::Pull(A, 0)]);
            let mut ticks = 0;
            while side.exchange.is_with(A).is_some() {
                side.chunk(A, u64::from(ticks), u64::from(ticks) + 1, 5);
                side.tick();
                ticks += 1;
            }
            assert_eq!(ticks, length);
            (0..LONG).for_each(|_| drop(side.tick()));
        }
    }

    #[test]
    fn a_fold_during_a_pass_restarts_it() {
        let mut side = Side::new(digest(0..200));
        side.sketch(A, &opening_of(&mut digest(1000..4000)));
        assert_eq!(side.chunk(A, 0, 70, 5), None);
        assert_eq!(side.chunk(A, 70, 140, 6), None);
        assert_eq!(side.chunk(A, 0, 70, 6), None);
        let pass = side.chunk(A, 70, 0, 6).unwrap();
        assert_eq!(pass.bases.len(), 2);
    }

    #[test]
    fn a_silent_pull_is_asked_again_and_then_abandoned() {
        let mut side = Side::new(digest(0..200));
        side.sketch(A, &opening_of(&mut digest(1000..4000)));
        for _ in 0..PATIENCE {
            assert_eq!(side.tick(), [Outgoing::Pull(A, 0)]);
        }
        assert!(matches!(side.tick()[..], [Outgoing::Summary(_)]));
        assert_eq!(side.exchange.is_with(A), None);
    }

    #[test]
    fn a_peer_with_a_base_that_is_late_here_is_pulled() {
        let mut side = Side::new(digest(0..9));
        let mut theirs = summary(&side.digest);
        theirs.ledger.folded = 1;
        assert!(side.summary(A, &theirs, false).is_empty());
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
