//! What a replica remembers across restarts, and its records in storage.

use std::collections::HashMap;

use crate::batches::Batches;
use crate::checkpoints::Checkpoints;
use crate::codec::{Encode, Malformed, Reader};
use crate::config::Config;
use crate::entry::Change;
use crate::error::{OpenError, damaged};
use crate::event::Record;
use crate::frame::Evidence;
use crate::head::{Chain, Head};
use crate::keyspace::Keyspace;
use crate::ledger::Ledger;
use crate::membership::Membership;
use crate::origin::Author;
use crate::origins::{Origin, Origins};
use crate::publication::Publication;
use crate::record::{META, place_in, placed};
use crate::secrets::Secrets;
use crate::slot::{Entry, OURS, Published, UNPUBLISHED};
use crate::writer::Writer;

/// The version of the records.
const FORMAT: u8 = 1;

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
            ledger: Ledger::default(),
            publication: Publication::default(),
            batches: Batches::new(config.undo_batches),
            retired: false,
        }
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
            records.push((placed(b'e', place), archive.get(place).map(evidence_record)));
        }
        self.batches.store(&mut records);
        records
    }

    fn meta(&self, config: &Config) -> Vec<u8> {
        let mut value = vec![FORMAT];
        value.blob(identity(config).as_bytes());
        value.varint(u64::from(self.origins.own()));
        value.push(u8::from(self.retired));
        value.varint(self.publication.issued());
        self.publication.head().encode(&mut value);
        value.varint(self.batches.next());
        self.keyspace.checkpoints.encode(&mut value);
        self.batches.encode_undone(&mut value);
        value
    }

    fn origin_record(&self, place: u32) -> Vec<u8> {
        let origin = self.origins.get(place);
        let folded = self.ledger.is_folded(place);
        let mut value = Vec::new();
        value.extend_from_slice(&origin.author.key);
        value.extend_from_slice(&origin.author.incarnation);
        origin.chain.head().encode(&mut value);
        value.push(u8::from(origin.quarantined) | u8::from(folded) << 1);
        self.ledger.encode(place, &mut value);
        value
    }

    fn slot_record(&self, at: u32) -> Option<(Vec<u8>, Vec<u8>)> {
        let (key, slot) = self.keyspace.table.slots.get_index(at as usize)?;
        let mut value = Vec::with_capacity(64);
        // The slot's place, so that it stays the same in whatever order records are read.
        value.varint(u64::from(at));
        match &slot.rare {
            None => value.push(0),
            Some(rare) => {
                value.push(1);
                value.value(&rare.base);
                value.value(&rare.mark);
                value.varint(rare.history.len() as u64);
                for (upto, state) in &rare.history {
                    value.varint(u64::from(*upto));
                    value.value(state);
                }
            }
        }
        for entry in &slot.entries {
            value.varint(u64::from(entry.origin));
            value.varint(if entry.evidence == OURS {
                0
            } else {
                u64::from(entry.evidence) + 1
            });
            value.varint(u64::from(entry.leaf));
            entry.change.encode(&[], &mut value);
        }
        let mut name = vec![b'k'];
        name.extend_from_slice(key);
        Some((name, value))
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
        let archive = &mut memory.keyspace.table.archive;
        let moved = archive.restore(found.evidence);
        memory.read_slots(found.slots, &moved, secrets)?;
        memory.read_batches(found.batches)?;
        memory.refresh_chains(own, secrets);
        // Evidence is deleted together with its last reference, so none is idle.
        if let Some(place) = memory.keyspace.table.archive.idle() {
            return Err(damaged(&placed(b'e', place)));
        }
        let origins = memory.origins.len();
        if own.is_some_and(|own| own as usize >= origins) || own.is_none() && origins > 0 {
            return Err(damaged(META));
        }
        let Self {
            keyspace,
            origins,
            ledger,
            ..
        } = &mut memory;
        ledger.refresh(&keyspace.table, origins, secrets);
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
            Some((b'o', place)) => {
                found.origins.push((place_in(place)?, value.to_vec()));
                return Ok(());
            }
            Some((b'e', place)) => {
                found
                    .evidence
                    .push((place_in(place)?, read_evidence(reader)?));
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
            self.read_origin(place, &mut Reader::new(&value))
                .map_err(|Malformed| damaged())?;
        }
        Ok(())
    }

    fn read_origin(&mut self, place: u32, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let author = Author {
            key: reader.array()?,
            incarnation: reader.array()?,
        };
        let mut chain = Chain::default();
        chain.note(Head::decode(reader)?);
        let flags = reader.u8()?;
        self.ledger.restore(place, flags & 2 != 0, reader)?;
        self.origins.restore(Origin {
            id: author.origin(),
            author,
            quarantined: flags & 1 != 0,
            chain,
        });
        reader.end()
    }

    /// Adds the frames of which entries or their evidence tell. Those of other members are not
    /// stored when they arrive.
    fn refresh_chains(&mut self, own: Option<u32>, secrets: &Secrets) {
        for evidence in self.keyspace.table.archive.iter() {
            if let (Some(place), Some(frame)) = (
                self.origins.place(evidence.origin()),
                evidence.head(secrets),
            ) {
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
        for (at, name, value) in records {
            let at = u32::try_from(at)
                .ok()
                .filter(|&at| self.keyspace.table.slot_of(&name) == at);
            let read = at
                .ok_or(Malformed)
                .and_then(|at| self.read_slot(at, &value, moved, secrets));
            read.map_err(|Malformed| damaged(&[b"k", &name[..]].concat()))?;
        }
        let table = &mut self.keyspace.table;
        // The slots were created just now, but they are stored.
        table.take_unstored();
        for at in 0..table.slots.len() as u32 {
            let Some((_, slot)) = table.slots.get_index(at as usize) else {
                break;
            };
            let mut evidence = slot.entries.iter().map(|entry| entry.evidence);
            if !moved.is_empty() && evidence.any(|place| place != OURS) {
                table.touch(at);
            }
        }
        Ok(())
    }

    /// Reads the slot `at`. `moved` says where evidence is that is not in the place where it was
    /// stored.
    fn read_slot(
        &mut self,
        at: u32,
        value: &[u8],
        moved: &HashMap<u32, u32>,
        secrets: &Secrets,
    ) -> Result<(), Malformed> {
        let reader = &mut Reader::new(value);
        let table = &mut self.keyspace.table;
        let words = table.words;
        if reader.u8()? != 0 {
            let (base, mark) = (reader.value(words)?, reader.value(words)?);
            let mut history = Vec::new();
            for _ in 0..reader.count(1 + 8 * words, usize::MAX)? {
                history.push((reader.u32()?, reader.value(words)?));
            }
            let rare = table.slot(at).rare();
            (rare.base, rare.mark, rare.history) = (base, mark, history);
        }
        while !reader.is_empty() {
            let origin = reader.u32()?;
            let evidence = reader.u32()?.checked_sub(1).unwrap_or(OURS);
            let evidence = match moved.get(&evidence) {
                Some(place) => *place,
                None if moved.is_empty() || evidence == OURS => evidence,
                None => return Err(Malformed),
            };
            let leaf = u16::try_from(reader.varint()?).map_err(|_| Malformed)?;
            let (_, change) = Change::decode(reader, words)?;
            if origin as usize >= self.origins.len() {
                return Err(Malformed);
            }
            if evidence != OURS && !table.archive.refer(evidence, leaf) {
                return Err(Malformed);
            }
            let (key, _) = table.slots.get_index(at as usize).ok_or(Malformed)?;
            let mut encoded = Vec::new();
            change.encode(key, &mut encoded);
            let id = self.origins.id(origin);
            let tag = secrets.leaf(id, &encoded);
            let published = Published::new(secrets, id, key, change.version, tag);
            let slot = table.slot(at);
            slot.entries.push(Entry {
                origin,
                evidence,
                leaf,
                published: UNPUBLISHED,
                change,
            });
            let position = slot.entries.len() - 1;
            table.publish(at, position, published);
        }
        let slot = table.slot(at);
        slot.state = slot.sum();
        Ok(())
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
    evidence: Vec<(u32, Evidence)>,
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
        Some(&found) if found > FORMAT => {
            return Err(OpenError::Format {
                found,
                wanted: FORMAT,
            });
        }
        _ => return Err(damaged(META)),
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

fn evidence_record(evidence: &Evidence) -> Vec<u8> {
    let mut value = Vec::new();
    evidence.encode(&mut value);
    evidence
        .tags()
        .for_each(|(_, tag)| value.extend_from_slice(&tag));
    value
}

fn read_evidence(reader: &mut Reader<'_>) -> Result<Evidence, Malformed> {
    let mut evidence = Evidence::decode(reader)?;
    for position in 0..evidence.len() {
        evidence.set_tag(position, reader.array()?);
    }
    Ok(evidence)
}
