//! What is stored, and how it is read back.
//!
//! | key | value |
//! |---|---|
//! | `m` | format, keyspace, words, view; own author; counters; checkpoints; batches that were undone |
//! | `o` place | an origin: author, frame number, quarantine, retirement, attestations |
//! | `k` key | everything about a key: base, mark, states at checkpoints, entries |
//! | `e` place | evidence of entries |
//! | `b` number | own batches, from this number on |

use smallvec::SmallVec;

use crate::codec::{Encode, Malformed, Reader};
use crate::entry::Change;
use crate::fold::{Retirement, Retiring};
use crate::frame::Evidence;
use crate::interface::{OpenError, Record, damaged};
use crate::origin::Author;
use crate::replica::{Batch, Origin, Replica, record};
use crate::table::{Entry, Held, OURS, Published, UNPUBLISHED};

/// The version of the records.
const FORMAT: u8 = 1;

fn place_key(kind: u8, place: u32) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(&place.to_be_bytes());
    key
}

fn batch_key(number: u64) -> Vec<u8> {
    let mut key = vec![b'b'];
    key.extend_from_slice(&number.to_be_bytes());
    key
}

impl Replica {
    /// The records of everything that has changed since the last call.
    pub(crate) fn store(&mut self) -> Vec<Record> {
        let mut records = vec![record(vec![b'm'], self.meta())];
        self.unstored_meta = false;
        for place in core::mem::take(&mut self.unstored_origins) {
            let value = origin_record(&self.origins[place as usize]);
            records.push(record(place_key(b'o', place), value));
        }
        for at in core::mem::take(&mut self.table.unstored) {
            self.table.slot(at).unstored = false;
            if let Some((key, value)) = self.slot_record(at) {
                records.push(record(key, value));
            }
        }
        let mut evidence = core::mem::take(&mut self.table.unstored_evidence);
        evidence.sort_unstable();
        evidence.dedup();
        for place in evidence {
            let value = self.table.held(place).map(evidence_record);
            records.push((place_key(b'e', place), value));
        }
        let first = self.stored_batches.0;
        let new: Vec<&Batch> = self
            .batches
            .iter()
            .rev()
            .take_while(|batch| batch.number >= first)
            .collect();
        if let Some(oldest) = new.last().map(|batch| batch.number) {
            let mut value = Vec::new();
            for batch in new.iter().rev() {
                self.encode_batch(batch, &mut value);
            }
            records.push(record(batch_key(oldest), value));
            self.stored_batches.1.push_back((oldest, new.len() as u64));
        }
        self.stored_batches.0 = self.next_batch;
        records.extend(
            core::mem::take(&mut self.forgotten_records)
                .into_iter()
                .map(|first| (batch_key(first), None)),
        );
        records
    }

    fn identity(&self) -> String {
        format!(
            "{}, 64 x {} bits, {:?}",
            self.config.keyspace, self.config.words, self.config.view
        )
    }

    fn meta(&self) -> Vec<u8> {
        let mut value = vec![FORMAT];
        value.blob(self.identity().as_bytes());
        value.varint(u64::from(self.own));
        value.push(u8::from(self.retired));
        value.varint(self.tickets);
        value.varint(self.frames);
        value.varint(self.next_batch);
        value.varint(u64::from(self.next_checkpoint));
        value.varint(self.checkpoints.len() as u64);
        for (number, name) in &self.checkpoints {
            value.varint(u64::from(*number));
            value.blob(name.as_bytes());
        }
        value.varint(self.undone.len() as u64);
        self.undone.iter().for_each(|number| value.varint(*number));
        value
    }

    fn slot_record(&self, at: u32) -> Option<(Vec<u8>, Vec<u8>)> {
        let (key, slot) = self.table.slots.get_index(at as usize)?;
        let mut value = Vec::with_capacity(64);
        // The place in the table: so that it is the same after reading, in whatever order.
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

    fn encode_batch(&self, batch: &Batch, out: &mut Vec<u8>) {
        out.varint(batch.number);
        out.varint(batch.undoes.unwrap_or(0));
        out.varint(batch.deltas.len() as u64);
        for (at, delta) in &batch.deltas {
            out.varint(u64::from(*at));
            out.value(delta);
        }
    }

    /// Reads all records; returns the place of the origin that this replica had.
    pub(crate) fn load(
        &mut self,
        records: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Option<u32>, OpenError> {
        let mut found = Found::default();
        for (key, value) in records {
            if key == b"m" {
                self.check_meta(&value)?;
            }
            self.read_record(&key, &value, &mut found)
                .map_err(|Malformed| damaged(&key))?;
        }
        let Found {
            own,
            mut origins,
            mut slots,
            mut batches,
        } = found;
        origins.sort_unstable_by_key(|(place, _)| *place);
        for (expected, (place, origin)) in origins.into_iter().enumerate() {
            if place as usize != expected {
                return Err(damaged(&place_key(b'o', place)));
            }
            self.origin_places.insert(origin.id, place);
            self.origins.push(origin);
        }
        slots.sort_unstable();
        for (at, name, value) in slots {
            let at = u32::try_from(at)
                .ok()
                .filter(|&at| self.table.slot_of(&name) == at);
            let read = at
                .ok_or(Malformed)
                .and_then(|at| self.read_slot(at, &value));
            read.map_err(|Malformed| damaged(&[b"k", &name[..]].concat()))?;
        }
        // Reading made them, so they are stored.
        for at in core::mem::take(&mut self.table.unstored) {
            self.table.slot(at).unstored = false;
        }
        batches.sort_unstable();
        for (number, value) in batches {
            self.read_batches(number, &value)
                .map_err(|Malformed| damaged(&batch_key(number)))?;
        }
        self.stored_batches.0 = self.next_batch;
        self.forget_batches();
        // Evidence that nothing refers to is left over from nothing: it is deleted in the batch
        // that frees it.
        if let Some(place) = self.table.idle_evidence() {
            return Err(damaged(&place_key(b'e', place)));
        }
        if own.is_some_and(|own| own as usize >= self.origins.len())
            || own.is_none() && !self.origins.is_empty()
        {
            return Err(damaged(b"m"));
        }
        self.sum_bases();
        self.ledger_sum = self.sum_ledger();
        Ok(own)
    }

    fn check_meta(&self, value: &[u8]) -> Result<(), OpenError> {
        match value.first() {
            Some(&FORMAT) => {}
            Some(&found) if found > FORMAT => {
                return Err(OpenError::Format {
                    found,
                    wanted: FORMAT,
                });
            }
            _ => return Err(damaged(b"m")),
        }
        let wanted = self.identity();
        let found = Reader::new(&value[1..])
            .blob(usize::MAX)
            .map_err(|Malformed| damaged(b"m"))?;
        if found != wanted.as_bytes() {
            return Err(OpenError::Keyspace {
                found: String::from_utf8_lossy(found).into_owned(),
                wanted,
            });
        }
        Ok(())
    }

    fn read_record(
        &mut self,
        key: &[u8],
        value: &[u8],
        found: &mut Found,
    ) -> Result<(), Malformed> {
        let reader = &mut Reader::new(value);
        match key.split_first() {
            Some((b'm', [])) => found.own = Some(self.read_meta(reader)?),
            Some((b'o', place)) => found.origins.push((place_of(place)?, read_origin(reader)?)),
            Some((b'e', place)) => self
                .table
                .restore(place_of(place)?, Held::new(read_evidence(reader)?)),
            // These refer to the others and wait for them.
            Some((b'k', name)) => {
                let at = reader.varint()?;
                found.slots.push((
                    at,
                    name.to_vec(),
                    reader.bytes(reader.rest().len())?.to_vec(),
                ));
            }
            Some((b'b', number)) => {
                let number = number
                    .try_into()
                    .map(u64::from_be_bytes)
                    .map_err(|_| Malformed)?;
                found
                    .batches
                    .push((number, reader.bytes(reader.rest().len())?.to_vec()));
            }
            _ => return Err(Malformed),
        }
        reader.end()
    }

    fn read_meta(&mut self, reader: &mut Reader<'_>) -> Result<u32, Malformed> {
        reader.u8()?;
        reader.blob(usize::MAX)?;
        let own = small(reader)?;
        self.retired = reader.u8()? != 0;
        self.tickets = reader.varint()?;
        self.frames = reader.varint()?;
        self.next_batch = reader.varint()?;
        self.next_checkpoint = small(reader)?;
        for _ in 0..reader.count(2, usize::MAX)? {
            let number = small(reader)?;
            let name =
                String::from_utf8(reader.blob(usize::MAX)?.to_vec()).map_err(|_| Malformed)?;
            self.checkpoints.push((number, name));
        }
        for _ in 0..reader.count(1, usize::MAX)? {
            let number = reader.varint()?;
            self.undone.insert(number);
        }
        self.unstored_meta = false;
        Ok(own)
    }

    fn read_slot(&mut self, at: u32, value: &[u8]) -> Result<(), Malformed> {
        let reader = &mut Reader::new(value);
        let words = self.config.words;
        if reader.u8()? != 0 {
            let (base, mark) = (reader.value(words)?, reader.value(words)?);
            let mut history = Vec::new();
            for _ in 0..reader.count(1 + 8 * words, usize::MAX)? {
                history.push((small(reader)?, reader.value(words)?));
            }
            let rare = self.table.slot(at).rare();
            (rare.base, rare.mark, rare.history) = (base, mark, history);
        }
        while !reader.is_empty() {
            let origin = small(reader)?;
            let evidence = small(reader)?.checked_sub(1).unwrap_or(OURS);
            let leaf = u16::try_from(reader.varint()?).map_err(|_| Malformed)?;
            let (_, change) = Change::decode(reader, words)?;
            if origin as usize >= self.origins.len() {
                return Err(Malformed);
            }
            if evidence != OURS && !self.table.refer(evidence, leaf) {
                return Err(Malformed);
            }
            let (key, _) = self.table.slots.get_index(at as usize).ok_or(Malformed)?;
            let mut encoded = Vec::new();
            change.encode(key, &mut encoded);
            let author = self.origins[origin as usize].id;
            let tag = self.secrets.leaf(author, &encoded);
            let published = Published::new(&self.secrets, author, key, change.version, tag);
            let slot = self.table.slot(at);
            slot.entries.push(Entry {
                origin,
                evidence,
                leaf,
                published: UNPUBLISHED,
                change,
            });
            let position = slot.entries.len() - 1;
            self.table.publish(at, position, published);
        }
        let slot = self.table.slot(at);
        slot.state = slot.sum();
        Ok(())
    }

    fn read_batches(&mut self, first: u64, value: &[u8]) -> Result<(), Malformed> {
        let reader = &mut Reader::new(value);
        let mut count = 0;
        while !reader.is_empty() {
            let number = reader.varint()?;
            let undoes = Some(reader.varint()?).filter(|&undoes| undoes > 0);
            let mut deltas = SmallVec::new();
            for _ in 0..reader.count(1 + 8 * self.config.words, usize::MAX)? {
                let at = small(reader)?;
                if at as usize >= self.table.slots.len() {
                    return Err(Malformed);
                }
                deltas.push((at, reader.value(self.config.words)?));
            }
            if number != first + count
                || self
                    .batches
                    .back()
                    .is_some_and(|last| last.number + 1 != number)
            {
                return Err(Malformed);
            }
            self.batches.push_back(Batch {
                number,
                undoes,
                deltas,
            });
            count += 1;
        }
        self.stored_batches.1.push_back((first, count));
        Ok(())
    }
}

/// What records say, as far as it needs others to be understood.
#[derive(Default)]
struct Found {
    own: Option<u32>,
    origins: Vec<(u32, Origin)>,
    slots: Vec<(u64, Vec<u8>, Vec<u8>)>,
    batches: Vec<(u64, Vec<u8>)>,
}

fn small(reader: &mut Reader<'_>) -> Result<u32, Malformed> {
    u32::try_from(reader.varint()?).map_err(|_| Malformed)
}

fn place_of(bytes: &[u8]) -> Result<u32, Malformed> {
    bytes
        .try_into()
        .map(u32::from_be_bytes)
        .map_err(|_| Malformed)
}

fn origin_record(origin: &Origin) -> Vec<u8> {
    let mut value = Vec::new();
    value.extend_from_slice(&origin.author.key);
    value.extend_from_slice(&origin.author.incarnation);
    value.varint(origin.frame);
    value.push(u8::from(origin.quarantined) | u8::from(origin.folded) << 1);
    match &origin.retiring.retirement {
        None => value.push(0),
        Some(retirement) => {
            value.push(1);
            value.varint(retirement.entries);
            value.extend_from_slice(&retirement.hash);
            value.extend_from_slice(&retirement.seal);
            for (key, seal) in &origin.retiring.attestations {
                value.extend_from_slice(key);
                value.extend_from_slice(seal);
            }
        }
    }
    value
}

fn read_origin(reader: &mut Reader<'_>) -> Result<Origin, Malformed> {
    let author = Author {
        key: reader.array()?,
        incarnation: reader.array()?,
    };
    let frame = reader.varint()?;
    let flags = reader.u8()?;
    let mut retiring = Retiring::default();
    if reader.u8()? != 0 {
        retiring.retirement = Some(Retirement {
            entries: reader.varint()?,
            hash: reader.array()?,
            seal: reader.array()?,
        });
        while !reader.is_empty() {
            retiring
                .attestations
                .insert(reader.array()?, reader.array()?);
        }
    }
    Ok(Origin {
        id: author.origin(),
        author,
        quarantined: flags & 1 != 0,
        frame,
        folded: flags & 2 != 0,
        retiring,
    })
}

fn evidence_record(held: &Held) -> Vec<u8> {
    let mut value = Vec::new();
    held.evidence.encode(&mut value);
    held.evidence
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
