//! What a replica remembers across restarts, and its records in storage.

use std::collections::{BTreeSet, HashMap};

use crate::batches::Batches;
use crate::checkpoints::Checkpoints;
use crate::codec::{Encode, Malformed, Reader};
use crate::config::Config;
use crate::entry::{Change, MAX_SEEN, Seen};
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
use crate::record::{CERTIFICATE, LEDGER, META, place_in, placed};
use crate::roster::Roster;
use crate::secrets::Secrets;
use crate::slot::{Entry, OURS, Published, Slot, UNPUBLISHED};
use crate::statement::MemoryId;
use crate::writer::Writer;

/// The version of the records.
const FORMAT: u8 = 3;

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
    /// Drawn when this memory began.
    pub(crate) id: MemoryId,
}

impl Memory {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            keyspace: Keyspace::new(config),
            origins: Origins::default(),
            ledger: Ledger::default(),
            publication: Publication::default(),
            batches: Batches::new(config.undo_batches),
            retired: false,
            id: config.incarnation,
        }
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
            memory: self.id,
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
            let stored = archive.to_store(place).and_then(|(evidence, with_tags)| {
                let origin = self.origins.place(evidence.origin())?;
                let mut value = Vec::new();
                evidence.store(origin, with_tags, &mut value);
                Some(value)
            });
            records.push((placed(b'e', place), stored));
        }
        self.batches.store(&mut records);
        self.ledger.store(&config.trust.key(), &mut records);
        records
    }

    fn meta(&self, config: &Config) -> Vec<u8> {
        let mut value = vec![FORMAT];
        value.blob(identity(config).as_bytes());
        value.varint(u64::from(self.origins.own()));
        value.push(u8::from(self.retired));
        value.extend_from_slice(&self.id);
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
            self.encode_entry(entry, &mut value);
        }
        let mut name = vec![b'k'];
        name.extend_from_slice(key);
        Some((name, value))
    }

    fn encode_entry(&self, entry: &Entry, out: &mut Vec<u8>) {
        let (change, ours) = (&entry.change, entry.evidence == OURS);
        let flags = u64::from(!change.seen.is_empty()) << 1 | u64::from(!ours);
        out.varint(u64::from(entry.origin) << 2 | flags);
        if !ours {
            out.varint(u64::from(entry.evidence));
            out.varint(u64::from(entry.leaf));
        }
        out.varint(change.version);
        out.packed(&change.accumulator);
        if change.seen.is_empty() {
            return;
        }
        out.varint(change.seen.len() as u64);
        for seen in change.seen.iter() {
            // Not its place, which another origin gets once it is folded.
            out.extend_from_slice(&seen.origin.0);
            out.varint(seen.version);
            out.packed(&seen.accumulator);
        }
    }

    /// Reads all records, in any order. Returns the memory, the roster, and the place of the
    /// replica's own origin or `None` without records.
    pub(crate) fn load(
        config: &Config,
        secrets: &Secrets,
        records: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<(Self, Membership, Option<u32>), OpenError> {
        let mut memory = Self::new(config);
        let mut found = Found::default();
        for (key, value) in records {
            if key == META {
                check_meta(config, &value)?;
            }
            memory
                .read_record(&key, &value, &mut found)
                .map_err(|Malformed| damaged(&key))?;
        }
        let own = found.own;
        let membership = Membership::restore(config, found.roster.as_deref())?;
        memory.read_origins(found.origins)?;
        let moved = memory.read_evidence(found.evidence)?;
        memory.read_slots(found.slots, &moved, secrets)?;
        memory.read_batches(found.batches)?;
        // Evidence is deleted together with its last reference, and has tags if any is missing.
        let finished = memory.keyspace.table.archive.finish();
        finished.map_err(|place| damaged(&placed(b'e', place)))?;
        memory.refresh_chains(own, secrets);
        let origins = memory.origins.len();
        if own.is_some_and(|own| own as usize >= origins) || own.is_none() && origins > 0 {
            return Err(damaged(META));
        }
        Ok((memory, membership, own))
    }

    /// Reads a record, or sets it aside if it refers to others.
    fn read_record(
        &mut self,
        key: &[u8],
        value: &[u8],
        found: &mut Found,
    ) -> Result<(), Malformed> {
        let reader = &mut Reader::new(value);
        match key.split_first() {
            Some((b'm', [])) => found.own = Some(self.read_meta(reader)?),
            Some((b'r', [])) => {
                found.roster = Some(value.to_vec());
                return Ok(());
            }
            _ if key == LEDGER => self.ledger.restore(reader)?,
            _ if key == CERTIFICATE => self.ledger.restore_certificate(reader)?,
            Some((b'o', place)) => {
                found.origins.push((place_in(place)?, value.to_vec()));
                return Ok(());
            }
            Some((b'e', place)) => {
                found.evidence.push((place_in(place)?, value.to_vec()));
                return Ok(());
            }
            Some((b'k', name)) => {
                let at = reader.varint()?;
                let rest = reader.bytes(reader.rest().len())?;
                found.slots.push((at, name.to_vec(), rest.to_vec()));
            }
            Some((b'b', number)) => {
                let number = number
                    .try_into()
                    .map(u64::from_be_bytes)
                    .map_err(|_| Malformed)?;
                found.batches.push((number, value.to_vec()));
                return Ok(());
            }
            _ => return Err(Malformed),
        }
        reader.end()
    }

    fn read_meta(&mut self, reader: &mut Reader<'_>) -> Result<u32, Malformed> {
        reader.u8()?;
        reader.blob(usize::MAX)?;
        let own = reader.u32()?;
        self.retired = reader.u8()? != 0;
        self.id = reader.array()?;
        let (issued, head) = (reader.varint()?, Head::decode(reader)?);
        self.publication = Publication::restored(issued, head);
        let next_batch = reader.varint()?;
        self.keyspace.checkpoints = Checkpoints::decode(reader)?;
        self.batches.restore(next_batch, reader)?;
        Ok(own)
    }

    fn read_origins(&mut self, mut records: Vec<(u32, Vec<u8>)>) -> Result<(), OpenError> {
        records.sort_unstable_by_key(|(place, _)| *place);
        for (expected, (place, value)) in records.into_iter().enumerate() {
            let damaged = || damaged(&placed(b'o', place));
            if place as usize != expected {
                return Err(damaged());
            }
            self.read_origin(&mut Reader::new(&value))
                .map_err(|Malformed| damaged())?;
        }
        Ok(())
    }

    /// Returns which evidence moved from where to where.
    fn read_evidence(
        &mut self,
        records: Vec<(u32, Vec<u8>)>,
    ) -> Result<HashMap<u32, u32>, OpenError> {
        let mut stored = Vec::with_capacity(records.len());
        for (place, value) in records {
            let reader = &mut Reader::new(&value);
            let author = |origin: u32| Some(self.origins.iter().nth(origin as usize)?.1.author);
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
        mut records: Vec<(u64, Vec<u8>, Vec<u8>)>,
        moved: &HashMap<u32, u32>,
        secrets: &Secrets,
    ) -> Result<(), OpenError> {
        records.sort_unstable();
        for (flags, name, value) in records {
            let at = u32::try_from(flags >> 1)
                .ok()
                .filter(|&at| self.keyspace.table.slot_of(&name) == at);
            let read = at
                .ok_or(Malformed)
                .and_then(|at| self.read_slot(at, flags & 1 == 1, &value, moved, secrets));
            read.map_err(|Malformed| damaged(&[b"k", &name[..]].concat()))?;
        }
        let table = &mut self.keyspace.table;
        // The slots were created just now, but they are stored.
        table.take_unstored();
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
    /// is not in the place where it was stored.
    fn read_slot(
        &mut self,
        at: u32,
        rare: bool,
        value: &[u8],
        moved: &HashMap<u32, u32>,
        secrets: &Secrets,
    ) -> Result<(), Malformed> {
        let reader = &mut Reader::new(value);
        let words = self.keyspace.table.words;
        let mut slot = Slot::new(words);
        slot.unstored = false;
        if rare {
            let (base, mark) = (reader.packed(words)?, reader.packed(words)?);
            let rare = slot.rare();
            (rare.base, rare.mark) = (base, mark);
            for _ in 0..reader.count(1 + words, usize::MAX)? {
                rare.history.push((reader.u32()?, reader.packed(words)?));
            }
        }
        let mut encoded = Vec::new();
        while !reader.is_empty() {
            let mut entry = self.read_entry(reader, moved)?;
            let table = &mut self.keyspace.table;
            encoded.clear();
            let key = table.slots.key(at);
            entry.change.encode(key, &mut encoded);
            let id = self.origins.id(entry.origin);
            let tag = secrets.leaf(id, &encoded);
            entry.published = Published::new(secrets, id, key, entry.change.version, tag);
            if entry.evidence != OURS && !table.archive.refer(entry.evidence, entry.leaf, tag) {
                return Err(Malformed);
            }
            slot.entries.push(entry);
        }
        self.keyspace.table.restore(at, slot);
        Ok(())
    }

    /// Reads an entry, but not what is published of it.
    fn read_entry(
        &self,
        reader: &mut Reader<'_>,
        moved: &HashMap<u32, u32>,
    ) -> Result<Entry, Malformed> {
        let words = self.keyspace.table.words;
        let flags = reader.varint()?;
        let origin = u32::try_from(flags >> 2).map_err(|_| Malformed)?;
        if origin as usize >= self.origins.len() {
            return Err(Malformed);
        }
        let (mut evidence, mut leaf) = (OURS, 0);
        if flags & 1 != 0 {
            evidence = reader.u32()?;
            if !moved.is_empty() {
                evidence = *moved.get(&evidence).ok_or(Malformed)?;
            }
            leaf = u16::try_from(reader.varint()?).map_err(|_| Malformed)?;
        }
        if flags & 1 != 0 && evidence == OURS {
            return Err(Malformed);
        }
        let (version, accumulator) = (reader.varint()?, reader.packed(words)?);
        if version == 0 {
            return Err(Malformed);
        }
        let mut seen = Vec::new();
        if flags & 2 != 0 {
            for _ in 0..reader.count(2 + words, MAX_SEEN)? {
                let origin = OriginId(reader.array()?);
                seen.push(Seen {
                    origin,
                    version: reader.varint()?,
                    accumulator: reader.packed(words)?,
                });
            }
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
            },
        })
    }

    fn read_batches(&mut self, mut records: Vec<(u64, Vec<u8>)>) -> Result<(), OpenError> {
        let table = &self.keyspace.table;
        records.sort_unstable();
        for (first, value) in records {
            self.batches
                .read(first, &value, table.words, table.slots.len())
                .map_err(|Malformed| damaged(&Batches::key(first)))?;
        }
        self.batches.finish_reading();
        Ok(())
    }
}

/// Records that can only be read after others.
#[derive(Default)]
struct Found {
    own: Option<u32>,
    roster: Option<Vec<u8>>,
    origins: Vec<(u32, Vec<u8>)>,
    evidence: Vec<(u32, Vec<u8>)>,
    slots: Vec<(u64, Vec<u8>, Vec<u8>)>,
    batches: Vec<(u64, Vec<u8>)>,
}

/// What has to be the same in configuration and records.
fn identity(config: &Config) -> String {
    format!(
        "{}, 64 x {} bits, {:?}",
        config.keyspace, config.words, config.view
    )
}

/// Checks format and identity first, because everything else depends on them.
fn check_meta(config: &Config, value: &[u8]) -> Result<(), OpenError> {
    match value.first() {
        Some(&FORMAT) => {}
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
        return Err(OpenError::Keyspace {
            found: String::from_utf8_lossy(found).into_owned(),
            wanted,
        });
    }
    Ok(())
}
