//! Anti-entropy: finding out whether two replicas agree, and if not, repairing with bytes in
//! proportion to what differs.
//!
//! ```text
//! A                                  B
//! Summary ────────────────────────>      equal: done, in O(1) bytes
//!         <──────────────────────── Sketch of 240 cells, which tells a few differences, or how many there are
//! SketchRequest for more cells ───>      (if these were too few)
//!         <──────────────────────── Sketch
//! Repair: what only A has ────────>
//! Fetch of what only B has ───────>
//!         <──────────────────────── Changes
//! ```
//!
//! Where more differs than cells can tell, each side that misses something goes through the other's
//! whole table with `Pull` and `Chunk`. Nothing here needs to arrive: the next tick begins anew.
//!
//! Who has fewer entries leads (A above: B, which has more, answers its summary; a summary of B is
//! answered with A's own). It leads one exchange at a time, until what it fetched is there or its
//! peer has been silent for a while. So one that comes late or was away takes what it lacks from
//! one peer, and not from all at once.
//!
//! Peers that are found to differ meanwhile are put off, and compared with as soon as the exchange
//! is over: most of them agree then, or lack what only A had. What only A has goes at once to those
//! with the same sum as B, since they lack the same. This ends without a clock: of those put off
//! one is led with next, the others are fewer, and who was put off says nothing by itself.

use std::collections::{BTreeSet, HashMap};

use crate::codec::{Encode, Malformed, Reader};
use crate::entry::MAX_KEY;
use crate::frame::encode_excerpt;
use crate::interface::{Effect, Notice, PeerId};
use crate::message::{Kind, OVERHEAD};
use crate::replica::{Leaves, Replica};
use crate::sketch::{ID_BYTES, Sketch, newer};
use crate::table::OURS;
use crate::value::Value;

/// Entries looked at for one chunk.
const CHUNK_ENTRIES: usize = 4096;

/// Differences from which on an eighth of them may be left to the next comparison.
const FEW: usize = 64;

/// Ticks after which an exchange that does not go on is given up.
const PATIENCE: u32 = 4;

/// An exchange of several messages that this replica leads.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Exchange {
    pub(crate) peer: PeerId,
    /// The tick at which it last went on.
    active: u32,
    stage: Stage,
}

#[derive(Clone, Debug, Hash)]
enum Stage {
    /// Cells of the peer up to `next` have come.
    Cells { cells: Sketch, next: usize },
    /// Everything before `next` has been pulled, beginning when our entries had the sum `began`;
    /// `bases` of the same folded set as `folded`.
    Pull {
        began: u128,
        next: u64,
        folded: u128,
        bases: Vec<(Box<[u8]>, Value)>,
    },
    /// So many of the entries that the peer was asked for have not come yet. Its entries had this
    /// sum, and lacked these of ours.
    Fetch {
        missing: usize,
        sum: u128,
        ours: Vec<u64>,
    },
}

impl Exchange {
    /// Ticks for which it may stand still. What was fetched comes without being asked again, so a
    /// whole tick without any of it says that no more comes: it was lost, or has changed meanwhile
    /// and is going to be published.
    fn patience(&self) -> u32 {
        match self.stage {
            Stage::Cells { .. } | Stage::Pull { .. } => PATIENCE,
            Stage::Fetch { .. } => 1,
        }
    }
}

impl Replica {
    pub(crate) fn tick(&mut self, effects: &mut Vec<Effect>) {
        self.ticks = self.ticks.wrapping_add(1);
        let ticks = self.ticks;
        self.attend_retirements(effects);
        self.exchange
            .take_if(|exchange| ticks.wrapping_sub(exchange.active) > exchange.patience());
        if !ticks.is_multiple_of(self.config.sync_ticks) || self.peers.is_empty() {
            return;
        }
        self.next_peer = (self.next_peer + 1) % self.peers.len();
        let peer = self.peers[self.next_peer];
        match &self.exchange {
            // Lost on the way, perhaps: ask again.
            Some(Exchange {
                stage: Stage::Pull { .. },
                ..
            }) => self.ask_chunk(effects),
            Some(Exchange { peer: busy, .. }) if *busy == peer => {}
            _ => self.summarise(peer, effects),
        }
    }

    /// Compares with the peers that were put off, once nothing else is under way.
    pub(crate) fn go_on(&mut self, effects: &mut Vec<Effect>) {
        if self.exchange.is_none() {
            for peer in core::mem::take(&mut self.put_off).into_keys() {
                self.summarise(peer, effects);
            }
        }
    }

    /// If an exchange with another peer is under way, notes that this one, whose entries have the
    /// sum `sum`, is to be gone on with afterwards. What it certainly lacks it gets at once, but
    /// not twice.
    fn put_off(&mut self, peer: PeerId, sum: u128, effects: &mut Vec<Effect>) {
        let Some(exchange) = self.exchange.as_ref().filter(|busy| busy.peer != peer) else {
            return;
        };
        // One that is not up is compared with when it comes up, and cannot make us remember it.
        if !self.peers.contains(&peer) || self.put_off.insert(peer, sum) == Some(sum) {
            return;
        }
        if let Stage::Fetch {
            sum: same, ours, ..
        } = &exchange.stage
            && *same == sum
        {
            let places = self.table.find(ours);
            self.send_entries(peer, Kind::Repair, places, effects);
        }
    }

    pub(crate) fn summarise(&mut self, to: PeerId, effects: &mut Vec<Effect>) {
        if self.exchange.is_none() {
            self.put_off.remove(&to);
        }
        let mut body = Vec::with_capacity(96);
        body.varint(self.table.digest.count);
        for sum in [
            self.table.digest.sum,
            self.folded_sum(),
            self.base_sum,
            self.ledger_sum(),
        ] {
            body.extend_from_slice(&sum.to_le_bytes());
        }
        self.send(to, Kind::Summary, &body, effects);
    }

    pub(crate) fn take_summary(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        let count = reader.varint()?;
        let [sum, folded, base, ledger] = [
            reader.u128()?,
            reader.u128()?,
            reader.u128()?,
            reader.u128()?,
        ];
        let same_ledger = ledger == self.ledger_sum();
        let same_folded = folded == self.folded_sum();
        let same_entries = (count, sum) == self.digest();
        if !same_ledger {
            self.send_ledger(from, effects);
        }
        if same_folded && base != self.base_sum {
            effects.push(Effect::Notify(Notice::BaseDiverged { from }));
        }
        if same_entries {
            self.counters.agreements += 1;
            if same_ledger && same_folded {
                effects.push(Effect::Notify(Notice::InSync { from }));
            }
        } else if count > self.table.digest.count {
            // Ours to lead. If another exchange is under way, that one may bring it all.
            if self.exchange.is_none() {
                self.summarise(from, effects);
            } else {
                self.put_off(from, sum, effects);
            }
        } else if self
            .exchange
            .as_ref()
            .is_none_or(|exchange| exchange.peer != from)
        {
            let first = Sketch::first_size(self.table.digest.size());
            self.send_sketch(from, first, 0, effects);
        }
        // Who has folded what is incomplete here has forgotten the entries that are missing here;
        // its base has them.
        if !same_folded && same_ledger && self.exchange.is_none() && self.lacks_folded() {
            self.pull(from, effects);
        }
        Ok(())
    }

    fn send_sketch(
        &mut self,
        to: PeerId,
        size: usize,
        from_cell: usize,
        effects: &mut Vec<Effect>,
    ) {
        let full = self.table.digest.size();
        let size = if full.is_multiple_of(size) {
            size
        } else {
            full
        };
        let mut body = Vec::new();
        body.varint(size as u64);
        body.varint(from_cell as u64);
        body.extend_from_slice(&self.table.digest.sum.to_le_bytes());
        let room = self.config.message_bytes - OVERHEAD - body.len();
        self.table
            .digest
            .sketch()
            .folded(size)
            .encode(from_cell, room, &mut body);
        self.send(to, Kind::Sketch, &body, effects);
    }

    pub(crate) fn take_sketch_request(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        let (size, cell) = read_place(reader)?;
        self.send_sketch(from, size, cell, effects);
        Ok(())
    }

    pub(crate) fn take_sketch(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        let (size, first) = read_place(reader)?;
        let sum = reader.u128()?;
        let full = self.table.digest.size();
        if !full.is_multiple_of(size) {
            return reader.bytes(reader.rest().len()).map(drop);
        }
        let mut cells = match self.exchange.take() {
            Some(Exchange {
                peer,
                stage: Stage::Cells { cells, next },
                ..
            }) if peer == from && cells.size() == size && next == first => cells,
            None if first == 0 => Sketch::new(size),
            Some(Exchange {
                peer,
                stage: Stage::Cells { cells, .. },
                ..
            }) if peer == from
                && cells.size() != size
                && size != Sketch::first_size(full)
                && first == 0 =>
            {
                Sketch::new(size)
            }
            // Late, repeated or not asked for. A first answer comes twice if two summaries crossed;
            // it must not begin anew what is under way.
            other => {
                self.exchange = other;
                self.put_off(from, sum, effects);
                return reader.bytes(reader.rest().len()).map(drop);
            }
        };
        let next = cells.decode(first, reader)?;
        if next < cells.len() {
            if next > first {
                self.ask_cells(from, cells, next, effects);
            }
            return Ok(());
        }
        let difference = self.table.digest.sketch().folded(size).difference(&cells);
        let found = difference.ours.len() + difference.theirs.len();
        // Cells of a table that changed between its parts leave a few of many differences open: the
        // next comparison has them. Of few, those that are open may be all that is new, so that the
        // next would find the same again: two entries with all cells in common do not show.
        let enough = found >= FEW && found * 8 >= difference.estimate * 7;
        if !(difference.complete || enough) || found == 0 {
            let wanted =
                Sketch::size_for(difference.estimate, size, full).filter(|_| !difference.complete);
            match wanted {
                Some(wanted) => self.ask_cells(from, Sketch::new(wanted), 0, effects),
                // Too many, or two versions with one id: a pass over everything finds them.
                None if !difference.complete || sum != self.table.digest.sum => {
                    self.pull(from, effects)
                }
                None => {}
            }
            return Ok(());
        }
        self.counters.repaired += found as u64;
        let (mut ours, theirs) = newer(&difference.ours, &difference.theirs);
        ours.sort_unstable();
        let alike = self.put_off.iter().filter(|(_, put_off)| **put_off == sum);
        let alike: Vec<PeerId> = alike.map(|(peer, _)| *peer).collect();
        for peer in core::iter::once(from).chain(alike) {
            let places = self.table.find(&ours);
            self.send_entries(peer, Kind::Repair, places, effects);
        }
        self.fetch(from, &theirs, effects);
        if !theirs.is_empty() {
            self.exchange = Some(Exchange {
                peer: from,
                active: self.ticks,
                stage: Stage::Fetch {
                    missing: theirs.len(),
                    sum,
                    ours,
                },
            });
        }
        Ok(())
    }

    fn ask_cells(&mut self, peer: PeerId, cells: Sketch, next: usize, effects: &mut Vec<Effect>) {
        let mut body = Vec::new();
        body.varint(cells.size() as u64);
        body.varint(next as u64);
        self.exchange = Some(Exchange {
            peer,
            active: self.ticks,
            stage: Stage::Cells { cells, next },
        });
        self.send(peer, Kind::SketchRequest, &body, effects);
    }

    fn fetch(&mut self, from: PeerId, ids: &[u64], effects: &mut Vec<Effect>) {
        for ids in ids.chunks((self.config.message_bytes - OVERHEAD) / ID_BYTES) {
            let body: Vec<u8> = ids
                .iter()
                .flat_map(|id| id.to_le_bytes().into_iter().take(ID_BYTES))
                .collect();
            self.send(from, Kind::Fetch, &body, effects);
        }
    }

    /// Entries have come from a peer; those that were fetched may be among them. Others count, too:
    /// what was fetched may have become them meanwhile, and ids may be of entries that nobody has.
    pub(crate) fn note_arrival(&mut self, from: PeerId, entries: usize) {
        let ticks = self.ticks;
        self.exchange.take_if(|exchange| {
            let Stage::Fetch { missing, .. } = &mut exchange.stage else {
                return false;
            };
            if exchange.peer != from {
                return false;
            }
            exchange.active = ticks;
            *missing = missing.saturating_sub(entries);
            *missing == 0
        });
    }

    pub(crate) fn take_fetch(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        let mut ids = Vec::with_capacity(reader.rest().len() / ID_BYTES);
        while !reader.is_empty() {
            ids.push(reader.low_bytes(ID_BYTES)?);
        }
        ids.sort_unstable();
        let places = self.table.find(&ids);
        self.send_entries(from, Kind::Changes, places, effects);
        Ok(())
    }

    /// Sends entries: our own under a new signature, those of others as excerpts of the frames that
    /// they came in. An own entry that has changed since it was published is left out: it is going
    /// to be published.
    pub(crate) fn send_entries(
        &mut self,
        to: PeerId,
        kind: Kind,
        places: Vec<(u32, usize)>,
        effects: &mut Vec<Effect>,
    ) {
        let mut own: HashMap<u32, Leaves> = HashMap::new();
        let mut others: HashMap<u32, Vec<(u16, Vec<u8>)>> = HashMap::new();
        let (mut own_order, mut other_order) = (Vec::new(), Vec::new());
        for (at, position) in places {
            let Some((key, slot)) = self.table.slots.get_index(at as usize) else {
                continue;
            };
            let entry = &slot.entries[position];
            let mut encoded = Vec::new();
            entry.change.encode(key, &mut encoded);
            if entry.evidence == OURS {
                if self
                    .secrets
                    .leaf(self.origins[entry.origin as usize].id, &encoded)
                    == entry.published.tag
                {
                    let leaves = own.entry(entry.origin).or_insert_with(|| {
                        own_order.push(entry.origin);
                        Leaves::default()
                    });
                    leaves.push(entry.published.tag, |bytes| {
                        bytes.extend_from_slice(&encoded)
                    });
                }
            } else {
                let leaves = others.entry(entry.evidence).or_insert_with(|| {
                    other_order.push(entry.evidence);
                    Vec::new()
                });
                leaves.push((entry.leaf, encoded));
            }
        }
        let mut excerpts: Vec<Vec<u8>> = Vec::new();
        for origin in own_order {
            excerpts.extend(
                self.sign(origin, &own[&origin], false)
                    .into_iter()
                    .map(|(_, excerpt)| excerpt),
            );
        }
        for at in other_order {
            if let Some(mut leaves) = others.remove(&at) {
                leaves.sort_unstable();
                self.excerpts(at, &leaves, &mut excerpts);
            }
        }
        let room = self.config.message_bytes - OVERHEAD;
        let mut body = Vec::new();
        for excerpt in excerpts {
            if !body.is_empty() && body.len() + excerpt.len() > room {
                self.send(to, kind, &body, effects);
                body.clear();
            }
            body.extend_from_slice(&excerpt);
        }
        if !body.is_empty() {
            self.send(to, kind, &body, effects);
        }
    }

    /// Excerpts with these leaves, each small enough for a message.
    fn excerpts(&self, held: u32, leaves: &[(u16, Vec<u8>)], out: &mut Vec<Vec<u8>>) {
        let Some(evidence) = self.table.held(held) else {
            return;
        };
        let keep: Vec<u16> = leaves.iter().map(|(index, _)| *index).collect();
        let mut excerpt = Vec::new();
        let part = evidence.evidence.restrict(&self.secrets, &keep);
        encode_excerpt(
            &part,
            leaves.iter().map(|(_, encoded)| &encoded[..]),
            &mut excerpt,
        );
        if excerpt.len() <= self.config.message_bytes - OVERHEAD || leaves.len() == 1 {
            out.push(excerpt);
        } else {
            let (first, second) = leaves.split_at(leaves.len() / 2);
            self.excerpts(held, first, out);
            self.excerpts(held, second, out);
        }
    }

    /// Begins to go through everything that a peer has.
    fn pull(&mut self, peer: PeerId, effects: &mut Vec<Effect>) {
        let stage = Stage::Pull {
            began: self.table.digest.sum,
            next: 0,
            folded: 0,
            bases: Vec::new(),
        };
        self.exchange = Some(Exchange {
            peer,
            active: self.ticks,
            stage,
        });
        self.ask_chunk(effects);
    }

    /// Asks for the next chunk of what is being pulled. Asking again is no progress, so a peer that
    /// never answers is given up.
    fn ask_chunk(&mut self, effects: &mut Vec<Effect>) {
        if let Some(Exchange {
            peer,
            stage: Stage::Pull { next, .. },
            ..
        }) = self.exchange
        {
            let mut body = Vec::new();
            body.varint(next);
            self.send(peer, Kind::Pull, &body, effects);
        }
    }

    pub(crate) fn take_pull(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        let first = reader.varint()?;
        let mut body = Vec::new();
        let mut bases = Vec::new();
        let mut places = Vec::new();
        let mut at = first;
        while let Some((key, slot)) = usize::try_from(at)
            .ok()
            .and_then(|at| self.table.slots.get_index(at))
        {
            if places.len() >= CHUNK_ENTRIES
                || bases.len() + MAX_KEY + 2 + 8 * self.config.words + 64 + 8 * self.origins.len()
                    > self.config.message_bytes - OVERHEAD
            {
                break;
            }
            places.extend((0..slot.entries.len()).map(|position| (at as u32, position)));
            if let Some(rare) = &slot.rare
                && !rare.base.is_zero()
            {
                bases.blob(key);
                bases.value(&rare.base);
            }
            at += 1;
        }
        let done = at >= self.table.slots.len() as u64;
        self.send_entries(from, Kind::Changes, places, effects);
        body.varint(first);
        body.varint(if done { 0 } else { at });
        body.extend_from_slice(&self.folded_sum().to_le_bytes());
        // The last chunk says which origins the bases hold.
        let folded = if done {
            self.folded_names()
        } else {
            BTreeSet::new()
        };
        body.varint(folded.len() as u64);
        folded
            .iter()
            .for_each(|name| body.extend_from_slice(&name.to_le_bytes()));
        body.extend_from_slice(&bases);
        self.send(from, Kind::Chunk, &body, effects);
        Ok(())
    }

    pub(crate) fn take_chunk(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        let first = reader.varint()?;
        let next = reader.varint()?;
        let folded = reader.u128()?;
        let mut names = BTreeSet::new();
        for _ in 0..reader.count(8, usize::MAX)? {
            names.insert(reader.u64()?);
        }
        let mut bases: Vec<(Box<[u8]>, Value)> = Vec::new();
        while !reader.is_empty() {
            bases.push((
                reader.blob(MAX_KEY)?.into(),
                reader.value(self.config.words)?,
            ));
        }
        match self.exchange.take() {
            Some(Exchange {
                peer,
                stage:
                    Stage::Pull {
                        began,
                        next: expected,
                        folded: before,
                        bases: mut all,
                    },
                ..
            }) if peer == from && expected == first => {
                if folded != before && first > 0 {
                    // The peer has folded in between: its earlier bases are of another set.
                    self.pull(from, effects);
                    return Ok(());
                }
                all.extend(bases);
                if next > first {
                    self.exchange = Some(Exchange {
                        peer,
                        active: self.ticks,
                        stage: Stage::Pull {
                            began,
                            next,
                            folded,
                            bases: all,
                        },
                    });
                    self.ask_chunk(effects);
                } else {
                    if folded != self.folded_sum() {
                        self.adopt_base(from, &names, all, effects);
                    }
                    // A pass over everything does not show what the peer lacks: now that we have
                    // more, it leads. If this pass brought nothing, another would not either.
                    if self.table.digest.sum != began {
                        self.summarise(from, effects);
                    }
                }
            }
            other => self.exchange = other,
        }
        Ok(())
    }
}

/// A size of a subtable, and a cell.
fn read_place(reader: &mut Reader<'_>) -> Result<(usize, usize), Malformed> {
    let size = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
    let cell = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
    (Sketch::is_size(size) && cell < 3 * size)
        .then_some((size, cell))
        .ok_or(Malformed)
}
