//! What a replica remembers across restarts, and its records in storage.

use std::collections::{BTreeSet, HashMap};

use atomik_algebra::Layout;
use smallvec::SmallVec;

use crate::batches::Batches;
use crate::checkpoints::Checkpoints;
use crate::codec::{Encode, Malformed, Reader};
use crate::config::Config;
use crate::entry::{Change, Seen, Tag};
use crate::error::{OpenError, damaged};
use crate::event::Record;
use crate::frame::Evidence;
use crate::head::{Chain, Head, MAX_LINKS};
use crate::keyspace::Keyspace;
use crate::ledger::{Ledger, Surroundings};
use crate::membership::Membership;
use crate::origin::{Author, OriginId};
use crate::origins::{Origin, Origins};
use crate::publication::Publication;
use crate::record::{CERTIFICATE, LEDGER, META, leaf_in, number_in, place_in, placed, tagged};
use crate::roster::Roster;
use crate::secrets::Secrets;
use crate::shape::Shape;
use crate::slot::{Entry, OURS, Published, Rare, Slot, UNPUBLISHED};
use crate::unsealed::{Place, Unsealed};
use crate::value::Value;
use crate::writer::Writer;

/// The version of the records.
const FORMAT: u8 = 6;

/// The oldest version that can be read. It has no records of unsealed previews. Before version 6,
/// statements and certificates name no entries.
const OLDEST_FORMAT: u8 = 4;

/// The parts of a replica that have records.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Memory {
    pub(crate) keyspace: Keyspace,
    pub(crate) origins: Origins,
    pub(crate) ledger: Ledger,
    pub(crate) publication: Publication,
    pub(crate) batches: Batches,
    /// Whether this replica accepts no more operations.
    pub(crate) retired: bool,
}

impl Memory {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            keyspace: Keyspace::new(config),
            origins: Origins::default(),
            ledger: Ledger::new(config.incarnation),
            publication: Publication::default(),
            batches: Batches::new(config.undo_batches),
            retired: false,
        }
    }

    /// Ends the retirement of this replica, which begins anew: also one that it has not announced
    /// yet, which would be announced for the new life.
    pub(crate) fn stay(&mut self) {
        self.retired = false;
        self.ledger.stay();
    }

    /// The ledger, and what it needs to know of the rest.
    pub(crate) fn ledger<'a>(
        &'a mut self,
        roster: &'a Roster,
    ) -> (&'a mut Ledger, Surroundings<'a>) {
        let around = Surroundings {
            roster,
            keyspace: &mut self.keyspace,
            origins: &mut self.origins,
            publication: &mut self.publication,
            retired: self.retired,
        };
        (&mut self.ledger, around)
    }

    /// The writer of this replica's own entries.
    pub(crate) fn writer(&mut self) -> Writer<'_> {
        Writer {
            keyspace: &mut self.keyspace,
            origins: &mut self.origins,
            publication: &mut self.publication,
        }
    }

    /// Queues what is held back of the current life for the next frame.
    pub(crate) fn seal_held(&mut self) {
        for ((_, at), before) in self.publication.unsealed.take(self.origins.own()) {
            self.publication.touch_meta();
            let slot = self.keyspace.table.slot(at);
            if core::mem::replace(&mut slot.unpublished, true) {
                // A later change waits already.
                self.publication.reach_back(at, before);
            } else {
                self.publication.wait(at, before);
            }
        }
    }

    /// Forgets what is held back of entries that peers had a newer version of.
    pub(crate) fn forget_superseded(&mut self, secrets: &Secrets) {
        let Self {
            keyspace,
            origins,
            publication,
            ..
        } = self;
        publication.unsealed.retain(|(life, at)| {
            let entry = keyspace.table.slots.entry_of(at as usize, life);
            entry.is_some_and(|entry| {
                let key = keyspace.table.slots.key(at);
                let (id, mut encoded) = (origins.id(life), Vec::new());
                entry.published != published(secrets, id, key, &entry.change, &mut encoded)
            })
        });
    }

    /// Has peers be told of what is released, now that this is durable.
    pub(crate) fn show_released(&mut self, secrets: &Secrets) {
        let released = self.publication.unsealed.take_released();
        if released.is_empty() {
            return;
        }
        // Later changes may wait by now, or fly.
        let (own, unsent) = (self.origins.own(), self.publication.unsent());
        let none = HashMap::new();
        let slots = &self.keyspace.table.slots;
        let released = released.into_iter().filter_map(|(life, at)| {
            let unsent = if life == own { &unsent } else { &none };
            let change = slots.sent_change_of(at, life, unsent)?;
            Some(((life, at), change.into_owned()))
        });
        for (place, change) in released.collect::<Vec<_>>() {
            self.show(place, Some(&change), secrets);
        }
    }

    /// Has peers be told of this change as the one of a life to a slot. Returns whether the slot
    /// has an entry of that life.
    fn show(&mut self, (life, at): Place, change: Option<&Change>, secrets: &Secrets) -> bool {
        let table = &mut self.keyspace.table;
        if at as usize >= table.slots.len() {
            return false;
        }
        let Some(position) = table.slots.position(at as usize, life) else {
            return false;
        };
        let (id, key) = (self.origins.id(life), table.slots.key(at));
        let new = change.map_or(UNPUBLISHED, |change| {
            published(secrets, id, key, change, &mut Vec::new())
        });
        table.publish(at, position, new);
        true
    }

    /// The records of everything that has changed since the last call.
    pub(crate) fn store(&mut self, config: &Config) -> Vec<Record> {
        let mut records = vec![(META.to_vec(), Some(self.meta(config)))];
        for place in self.origins.take_unstored() {
            records.push((placed(b'o', place), Some(self.origin_record(place))));
        }
        let table = &mut self.keyspace.table;
        for at in table.take_unstored() {
            if let Some((key, value)) = self.slot_record(at) {
                records.push((key, Some(value)));
            }
        }
        let archive = &mut self.keyspace.table.archive;
        for place in archive.take_unstored() {
            let stored = archive.get(place).and_then(|evidence| {
                let origin = self.origins.place(evidence.origin())?;
                let mut value = Vec::new();
                evidence.store(origin, &mut value);
                Some(value)
            });
            records.push((placed(b'e', place), stored));
        }
        for (place, leaf) in archive.take_unstored_tags() {
            let tag = archive.superseded(place, leaf);
            records.push((tagged(place, leaf), tag.map(Vec::from)));
        }
        self.batches.store(&mut records);
        let ticket = self.publication.issued();
        let own = self.origins.own();
        self.publication.unsealed.store(ticket, own, &mut records);
        self.ledger.store(&config.trust.key(), &mut records);
        records
    }

    fn meta(&self, config: &Config) -> Vec<u8> {
        let mut value = vec![FORMAT];
        value.blob(identity(config).as_bytes());
        value.varint(u64::from(self.origins.own()));
        value.push(u8::from(self.retired));
        value.extend_from_slice(&self.ledger.memory());
        value.varint(self.publication.issued());
        self.publication.head().encode(&mut value);
        value.varint(self.batches.next());
        self.keyspace.checkpoints.encode(&mut value);
        self.batches.encode_undone(&mut value);
        value
    }

    fn origin_record(&self, place: u32) -> Vec<u8> {
        let origin = self.origins.get(place);
        let mut value = Vec::new();
        value.extend_from_slice(&origin.author.key);
        value.extend_from_slice(&origin.author.incarnation);
        origin.chain.head().encode(&mut value);
        value.push(u8::from(origin.quarantined));
        value
    }

    fn slot_record(&self, at: u32) -> Option<(Vec<u8>, Vec<u8>)> {
        let (key, slot) = self.keyspace.table.slots.get_index(at as usize)?;
        let mut value = Vec::with_capacity(64);
        // The slot's place, so that it stays the same in whatever order records are read.
        value.varint(u64::from(at) << 1 | u64::from(slot.rare.is_some()));
        if let Some(rare) = &slot.rare {
            value.packed(&rare.base);
            value.packed(&rare.mark);
            value.varint(rare.history.len() as u64);
            for (upto, state) in &rare.history {
                value.varint(u64::from(*upto));
                value.packed(state);
            }
        }
        for entry in &slot.entries {
            self.encode_entry(entry, &slot, &mut value);
        }
        let mut name = vec![b'k'];
        name.extend_from_slice(key);
        Some((name, value))
    }

    fn encode_entry(&self, entry: &Entry, slot: &Slot, out: &mut Vec<u8>) {
        let (change, ours) = (&entry.change, entry.evidence == OURS);
        let lists = !change.seen.is_empty() || change.put > 0;
        let flags = u64::from(lists) << 1 | u64::from(!ours);
        out.varint(u64::from(entry.origin) << 2 | flags);
        if !ours {
            out.varint(u64::from(entry.evidence));
            out.varint(u64::from(entry.leaf));
        }
        out.varint(change.version);
        out.packed(&change.accumulator);
        if !lists {
            return;
        }
        out.varint(change.seen_count());
        for seen in change.seen.iter() {
            let mut entries = slot.entries.iter();
            match entries.find(|entry| self.origins.id(entry.origin) == seen.origin) {
                // Another origin gets this place once this one is folded, but then its entry goes,
                // and this record is written again.
                Some(entry) => {
                    let (version, accumulator) = (entry.change.version, &entry.change.accumulator);
                    let same = version == seen.version && *accumulator == seen.accumulator;
                    out.varint((u64::from(entry.origin) + 1) << 1 | u64::from(same));
                    if same {
                        continue;
                    }
                }
                None => {
                    out.varint(0);
                    out.extend_from_slice(&seen.origin.0);
                }
            }
            out.varint(seen.version);
            out.packed(&seen.accumulator);
        }
        change.encode_put(out);
    }

    fn read_meta(&mut self, reader: &mut Reader<'_>) -> Result<u32, Malformed> {
        reader.u8()?;
        reader.blob(usize::MAX)?;
        let own = reader.u32()?;
        self.retired = reader.u8()? != 0;
        self.ledger.restore_memory(reader.array()?);
        let (issued, head) = (reader.varint()?, Head::decode(reader)?);
        self.publication = Publication::restored(issued, head);
        let next_batch = reader.varint()?;
        self.keyspace.checkpoints = Checkpoints::decode(reader)?;
        self.batches.restore(next_batch, reader)?;
        Ok(own)
    }

    fn read_origins(&mut self, records: &Aside<u32>) -> Result<(), OpenError> {
        for (expected, (place, _, value)) in records.sorted().enumerate() {
            let damaged = || damaged(&placed(b'o', place));
            if place as usize != expected {
                return Err(damaged());
            }
            self.read_origin(&mut Reader::new(value))
                .map_err(|Malformed| damaged())?;
        }
        Ok(())
    }

    /// Returns which evidence moved from where to where.
    fn read_evidence(&mut self, records: &Aside<u32>) -> Result<HashMap<u32, u32>, OpenError> {
        let mut stored = Vec::with_capacity(records.len());
        let authors: Vec<_> = self
            .origins
            .iter()
            .map(|(_, origin)| origin.author)
            .collect();
        for (place, _, value) in records.sorted() {
            let reader = &mut Reader::new(value);
            let author = |origin: u32| authors.get(origin as usize).copied();
            let read = Evidence::load(reader, author)
                .and_then(|evidence| reader.end().map(|()| evidence))
                .map_err(|Malformed| damaged(&placed(b'e', place)))?;
            stored.push((place, read));
        }
        Ok(self.keyspace.table.archive.restore(stored))
    }

    fn read_origin(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let author = Author {
            key: reader.array()?,
            incarnation: reader.array()?,
        };
        let mut chain = Chain::default();
        chain.note(Head::decode(reader)?);
        let quarantined = reader.u8()? & 1 != 0;
        self.origins.restore(Origin {
            id: author.origin(),
            author,
            quarantined,
            chain,
            begun: false,
        });
        reader.end()
    }

    /// Adds the frames of which entries or their evidence tell. Those of other members are not
    /// stored when they arrive.
    fn refresh_chains(&mut self, own: Option<u32>, secrets: &Secrets) {
        // A chain keeps only its latest frames, so earlier ones need not be computed.
        let mut numbers: HashMap<OriginId, BTreeSet<u64>> = HashMap::new();
        let archive = &self.keyspace.table.archive;
        let origins: Vec<_> = archive.iter().map(Evidence::origin).collect();
        for (evidence, origin) in archive.iter().zip(&origins) {
            let latest = numbers.entry(*origin).or_default();
            if latest.len() < MAX_LINKS || latest.first() < Some(&evidence.header.number) {
                latest.insert(evidence.header.number);
                if latest.len() > MAX_LINKS {
                    latest.pop_first();
                }
            }
        }
        for (evidence, origin) in archive.iter().zip(&origins) {
            let first = numbers.get(origin).and_then(BTreeSet::first);
            if Some(&evidence.header.number) < first {
                continue;
            }
            if let (Some(place), Some(frame)) =
                (self.origins.place(*origin), evidence.head(secrets))
            {
                self.origins.note_frame(place, frame);
                self.origins.note_frame(place, evidence.header.before());
            }
        }
        if let Some(own) = own.filter(|&own| (own as usize) < self.origins.len()) {
            self.origins.note_frame(own, self.publication.head());
        }
    }

    fn read_slots(
        &mut self,
        records: &Aside<u64>,
        moved: &HashMap<u32, u32>,
        secrets: &Secrets,
    ) -> Result<(), OpenError> {
        let words = self.keyspace.table.shape.words();
        self.keyspace.table.slots.reserve(records.len());
        let mut encoded = Vec::new();
        for (at, (flags, name, value)) in (0_u32..).zip(records.sorted()) {
            let (place, new) = self.keyspace.table.slots.place_or_insert(name, words);
            let read = if new && place == at as usize && flags >> 1 == u64::from(at) {
                self.read_slot((at, flags & 1 == 1), value, moved, secrets, &mut encoded)
            } else {
                Err(Malformed)
            };
            read.map_err(|Malformed| damaged(&[b"k", name].concat()))?;
        }
        let table = &mut self.keyspace.table;
        table.recount();
        if moved.is_empty() {
            return Ok(());
        }
        for at in 0..table.slots.len() as u32 {
            let Some((_, slot)) = table.slots.get_index(at as usize) else {
                break;
            };
            let mut evidence = slot.entries.iter().map(|entry| entry.evidence);
            if evidence.any(|place| place != OURS) {
                table.touch(at);
            }
        }
        Ok(())
    }

    /// Reads the slot `at`, which has `rare` properties or not. `moved` says where evidence is that
    /// is not in the place where it was stored. `encoded` is overwritten.
    fn read_slot(
        &mut self,
        (at, rare): (u32, bool),
        value: &[u8],
        moved: &HashMap<u32, u32>,
        secrets: &Secrets,
        encoded: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        let reader = &mut Reader::new(value);
        let words = self.keyspace.table.shape.words();
        let rare = rare.then(|| read_rare(reader, words)).transpose()?;
        let mut entries = SmallVec::<[Entry; 1]>::new();
        let mut same = Vec::new();
        while !reader.is_empty() {
            let position = entries.len();
            entries.push(self.read_entry(reader, moved, |index, origin| {
                same.push((position, index, origin));
            })?);
        }
        for (position, index, origin) in same {
            let mut entries_of = entries.iter().filter(|entry| entry.origin == origin);
            let seen = &entries_of.next().ok_or(Malformed)?.change;
            let (version, accumulator) = (seen.version, seen.accumulator.clone());
            entries[position]
                .change
                .seen
                .set(index, version, accumulator);
        }
        let table = &mut self.keyspace.table;
        let key = table.slots.key(at);
        for entry in &mut entries {
            let id = self.origins.id(entry.origin);
            entry.published = published(secrets, id, key, &entry.change, encoded);
            let tag = entry.published.tag;
            if entry.evidence != OURS && !table.archive.refer(entry.evidence, entry.leaf, tag) {
                return Err(Malformed);
            }
        }
        table.restore(at, entries, rare);
        Ok(())
    }

    /// Reads an entry, but not what is published of it. `same` is called for each change that it
    /// has seen and that is also the one held: with its index among those seen, and its origin.
    fn read_entry(
        &self,
        reader: &mut Reader<'_>,
        moved: &HashMap<u32, u32>,
        mut same: impl FnMut(usize, u32),
    ) -> Result<Entry, Malformed> {
        let shape = &self.keyspace.table.shape;
        let words = shape.words();
        let flags = reader.varint()?;
        let origin = u32::try_from(flags >> 2).map_err(|_| Malformed)?;
        if origin as usize >= self.origins.len() {
            return Err(Malformed);
        }
        let (mut evidence, mut leaf) = (OURS, 0);
        if flags & 1 != 0 {
            evidence = place_now(moved, reader.u32()?).ok_or(Malformed)?;
            leaf = u16::try_from(reader.varint()?).map_err(|_| Malformed)?;
        }
        if flags & 1 != 0 && evidence == OURS {
            return Err(Malformed);
        }
        let (version, accumulator) = (reader.varint()?, reader.packed(words)?);
        if version == 0 {
            return Err(Malformed);
        }
        let (mut seen, mut put) = (Vec::new(), 0);
        if flags & 2 != 0 {
            let (count, has_put) = Change::decode_count(reader, 1, shape)?;
            for index in 0..count {
                let (origin, held) = match reader.varint()? {
                    0 => (OriginId(reader.array()?), false),
                    place => {
                        let origin = u32::try_from(place >> 1).map_err(|_| Malformed)?;
                        let origin = origin.checked_sub(1).ok_or(Malformed)?;
                        if origin as usize >= self.origins.len() {
                            return Err(Malformed);
                        }
                        if place & 1 == 1 {
                            same(index, origin);
                        }
                        (self.origins.id(origin), place & 1 == 1)
                    }
                };
                let (version, accumulator) = if held {
                    (0, Value::zero(words))
                } else {
                    (reader.varint()?, reader.packed(words)?)
                };
                seen.push(Seen {
                    origin,
                    version,
                    accumulator,
                });
            }
            put = Change::decode_put(reader, version, has_put)?;
        }
        Ok(Entry {
            origin,
            evidence,
            leaf,
            published: UNPUBLISHED,
            change: Change {
                version,
                accumulator,
                seen: seen.into(),
                put,
            },
        })
    }

    fn read_batches(&mut self, records: &Aside<u64>) -> Result<(), OpenError> {
        let table = &self.keyspace.table;
        for (first, _, value) in records.sorted() {
            self.batches
                .read(first, value, table.shape.words(), table.slots.len())
                .map_err(|Malformed| damaged(&Batches::key(first)))?;
        }
        self.batches.finish_reading();
        Ok(())
    }

    /// Reads what no frame has, and holds it back.
    fn read_unsealed(&mut self, records: &Aside<u64>, secrets: &Secrets) -> Result<(), OpenError> {
        let shape = self.keyspace.table.shape.clone();
        for (ticket, _, value) in records.sorted() {
            let unsealed = &mut self.publication.unsealed;
            let read = unsealed.read(ticket, value, &shape);
            let new = read.map_err(|Malformed| damaged(&Unsealed::key(ticket)))?;
            for (place, before) in new {
                let known = (place.0 as usize) < self.origins.len();
                if !known || !self.show(place, before.as_ref(), secrets) {
                    return Err(damaged(&Unsealed::key(ticket)));
                }
            }
        }
        Ok(())
    }
}

/// A memory that is being read from records.
#[derive(Debug)]
pub(crate) struct Loading {
    memory: Memory,
    own: Option<u32>,
    roster: Option<Vec<u8>>,
    /// Records that can only be read after others.
    origins: Aside<u32>,
    evidence: Aside<u32>,
    tags: Vec<(u32, u16, Tag)>,
    slots: Aside<u64>,
    batches: Aside<u64>,
    unsealed: Aside<u64>,
    /// About the first damaged record. In another format a record may look like one.
    damaged: Option<OpenError>,
}

impl Loading {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            memory: Memory::new(config),
            own: None,
            roster: None,
            origins: Aside::default(),
            evidence: Aside::default(),
            tags: Vec::new(),
            slots: Aside::default(),
            batches: Aside::default(),
            unsealed: Aside::default(),
            damaged: None,
        }
    }

    /// Reads a record, or sets it aside if it refers to others. Fails if the records are of another
    /// keyspace or format.
    pub(crate) fn record(
        &mut self,
        config: &Config,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), OpenError> {
        if key == META {
            check_meta(config, value)?;
        }
        if let Err(Malformed) = self.read(key, value) {
            self.damaged.get_or_insert_with(|| damaged(key));
        }
        Ok(())
    }

    fn read(&mut self, key: &[u8], value: &[u8]) -> Result<(), Malformed> {
        let reader = &mut Reader::new(value);
        match key.split_first() {
            Some((b'm', [])) => self.own = Some(self.memory.read_meta(reader)?),
            Some((b'r', [])) => {
                self.roster = Some(value.to_vec());
                return Ok(());
            }
            _ if key == LEDGER => self.memory.ledger.restore(reader)?,
            _ if key == CERTIFICATE => self.memory.ledger.restore_certificate(reader)?,
            Some((b'o', place)) => {
                self.origins.push(place_in(place)?, &[], value);
                return Ok(());
            }
            Some((b'e', place)) => {
                self.evidence.push(place_in(place)?, &[], value);
                return Ok(());
            }
            Some((b't', leaf)) => {
                let (place, leaf) = leaf_in(leaf)?;
                self.tags.push((place, leaf, reader.array()?));
            }
            Some((b'k', name)) => {
                let at = reader.varint()?;
                self.slots.push(at, name, reader.rest());
                return Ok(());
            }
            Some((b'b', number)) => {
                self.batches.push(number_in(number)?, &[], value);
                return Ok(());
            }
            Some((b'u', ticket)) => {
                self.unsealed.push(number_in(ticket)?, &[], value);
                return Ok(());
            }
            _ => return Err(Malformed),
        }
        reader.end()
    }

    /// Completes the memory after all records. Returns also the roster, and the place of the
    /// replica's own origin or `None` without records.
    pub(crate) fn finish(
        self,
        config: &Config,
        secrets: &Secrets,
    ) -> Result<(Memory, Membership, Option<u32>), OpenError> {
        if let Some(damaged) = self.damaged {
            return Err(damaged);
        }
        let (mut memory, own) = (self.memory, self.own);
        let membership = Membership::restore(config, self.roster.as_deref())?;
        memory.read_origins(&self.origins)?;
        let moved = memory.read_evidence(&self.evidence)?;
        memory.read_slots(&self.slots, &moved, secrets)?;
        memory.read_batches(&self.batches)?;
        memory.read_unsealed(&self.unsealed, secrets)?;
        let archive = &mut memory.keyspace.table.archive;
        for (place, leaf, tag) in self.tags {
            let now = place_now(&moved, place);
            if !now.is_some_and(|now| archive.supersede((place, now), leaf, tag)) {
                return Err(damaged(&tagged(place, leaf)));
            }
        }
        // Evidence is deleted together with its last reference, and other leaves have stored tags.
        let finished = archive.finish();
        finished.map_err(|place| damaged(&placed(b'e', place)))?;
        memory.refresh_chains(own, secrets);
        let origins = memory.origins.len();
        if own.is_some_and(|own| own as usize >= origins) || own.is_none() && origins > 0 {
            return Err(damaged(META));
        }
        Ok((memory, membership, own))
    }
}

/// Numbered records with names, all in one piece of memory.
#[derive(Debug)]
struct Aside<N> {
    bytes: Vec<u8>,
    /// For each its number, and where its name and its value end.
    ends: Vec<(N, usize, usize)>,
}

impl<N> Default for Aside<N> {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            ends: Vec::new(),
        }
    }
}

impl<N: Copy + Ord> Aside<N> {
    fn push(&mut self, number: N, name: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(name);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push((number, middle, self.bytes.len()));
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    /// Number, name and value of all records, by number.
    fn sorted(&self) -> impl Iterator<Item = (N, &[u8], &[u8])> {
        let mut start = 0;
        let mut records = Vec::with_capacity(self.ends.len());
        for &(number, middle, end) in &self.ends {
            records.push((number, start, middle, end));
            start = end;
        }
        records.sort_unstable();
        let bytes = &self.bytes;
        let record = move |(number, start, middle, end)| {
            (number, &bytes[start..middle], &bytes[middle..end])
        };
        records.into_iter().map(record)
    }
}

/// The place of evidence that was stored in `place`.
fn place_now(moved: &HashMap<u32, u32>, place: u32) -> Option<u32> {
    if moved.is_empty() {
        return Some(place);
    }
    moved.get(&place).copied()
}

/// How digests represent a change. `encoded` is overwritten.
fn published(
    secrets: &Secrets,
    origin: OriginId,
    key: &[u8],
    change: &Change,
    encoded: &mut Vec<u8>,
) -> Published {
    encoded.clear();
    change.encode(key, encoded);
    let tag = secrets.leaf(origin, encoded);
    Published::new(secrets, origin, key, change.version, tag)
}

fn read_rare(reader: &mut Reader<'_>, words: usize) -> Result<Box<Rare>, Malformed> {
    let (base, mark) = (reader.packed(words)?, reader.packed(words)?);
    let mut history = Vec::new();
    for _ in 0..reader.count(1 + words, usize::MAX)? {
        history.push((reader.u32()?, reader.packed(words)?));
    }
    Ok(Box::new(Rare {
        base,
        mark,
        history,
    }))
}

/// What has to be the same in configuration and records.
fn identity(config: &Config) -> String {
    // As it was before there were layouts, in the default one.
    let shape = match config.shape.layout() {
        None => format!("64 x {} bits", config.shape.words()),
        Some(layout) => layout.to_string(),
    };
    format!("{}, {shape}, {:?}", config.keyspace, config.view)
}

/// The layout in an identity that differs in it alone from that of a configuration.
fn other_layout(config: &Config, found: &str) -> Option<String> {
    let shape = found
        .strip_prefix(&format!("{}, ", config.keyspace))?
        .strip_suffix(&format!(", {:?}", config.view))?;
    if let Some(words) = shape.strip_prefix("64 x ") {
        let words = words.strip_suffix(" bits")?.parse().ok()?;
        return Some(Shape::xor(words).to_string());
    }
    let layout: Layout = shape.parse().ok()?;
    Some(layout.to_string())
}

/// Checks format and identity first, because everything else depends on them.
fn check_meta(config: &Config, value: &[u8]) -> Result<(), OpenError> {
    match value.first() {
        Some(OLDEST_FORMAT..=FORMAT) => {}
        Some(&found) => {
            return Err(OpenError::Format {
                found,
                wanted: FORMAT,
            });
        }
        None => return Err(damaged(META)),
    }
    let wanted = identity(config);
    let found = Reader::new(&value[1..])
        .blob(usize::MAX)
        .map_err(|Malformed| damaged(META))?;
    if found != wanted.as_bytes() {
        let text = core::str::from_utf8(found).unwrap_or_default();
        if let Some(found) = other_layout(config, text) {
            let wanted = config.shape.to_string();
            return Err(OpenError::Layout { found, wanted });
        }
        return Err(OpenError::Keyspace {
            found: String::from_utf8_lossy(found).into_owned(),
            wanted,
        });
    }
    Ok(())
}
