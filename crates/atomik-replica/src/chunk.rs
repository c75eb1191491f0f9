//! Chunks: a replica's table, one part after another.

use crate::base::Bases;
use crate::codec::{Encode, Malformed, Reader};
use crate::entry::MAX_KEY;
use crate::table::Table;

/// The number of entries after which a chunk ends.
const CHUNK_ENTRIES: usize = 4096;

/// An upper bound on the bytes of a chunk besides its bases.
const HEAD: usize = 3 * 10 + 16;

/// The end of a chunk, sent after its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// The slot with which the chunk begins.
    pub(crate) first: u64,
    /// The slot with which the next chunk begins; 0 after the last.
    pub(crate) next: u64,
    /// The number of slots in the sender's table.
    pub(crate) slots: u64,
    /// A number that stands for the certificate of the sender's base; 0 without one.
    pub(crate) folded: u128,
    /// The bases of the chunk's keys.
    pub(crate) bases: Bases,
}

impl Chunk {
    /// The end of the chunk that begins with slot `first`, and its entries by slot and position.
    /// The end fits in `room` bytes together with `others` more bytes. `folded` is the sum over the
    /// folded origins, `names` makes their names.
    pub(crate) fn gather(
        first: u64,
        table: &Table,
        room: usize,
        folded: u128,
    ) -> (Self, Vec<(u32, usize)>) {
        let largest = MAX_KEY + 2 + 8 * table.shape.words();
        let (mut bases, mut bytes) = (Vec::new(), 0);
        let mut places = Vec::new();
        let mut at = first;
        while let Some((key, slot)) = usize::try_from(at)
            .ok()
            .and_then(|at| table.slots.get_index(at))
        {
            if places.len() >= CHUNK_ENTRIES || bytes + largest + HEAD > room {
                break;
            }
            places.extend((0..slot.entries.len()).map(|position| (at as u32, position)));
            if let Some(rare) = &slot.rare
                && !rare.base.is_zero()
            {
                let length = if key.len() < 0x80 { 1 } else { 2 };
                bytes += length + key.len() + 8 * table.shape.words();
                bases.push((key.into(), rare.base.clone()));
            }
            at += 1;
        }
        let last = at >= table.slots.len() as u64;
        let chunk = Self {
            first,
            next: if last { 0 } else { at },
            slots: table.slots.len() as u64,
            folded,
            bases,
        };
        (chunk, places)
    }

    /// The body of the message.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.varint(self.first);
        body.varint(self.next);
        body.varint(self.slots);
        body.extend_from_slice(&self.folded.to_le_bytes());
        for (key, base) in &self.bases {
            body.blob(key);
            body.value(base);
        }
        body
    }

    pub(crate) fn decode(reader: &mut Reader<'_>, words: usize) -> Result<Self, Malformed> {
        let first = reader.varint()?;
        let next = reader.varint()?;
        let slots = u64::from(reader.u32()?);
        let folded = reader.u128()?;
        let mut bases = Bases::new();
        while !reader.is_empty() {
            bases.push((reader.blob(MAX_KEY)?.into(), reader.value(words)?));
        }
        Ok(Self {
            first,
            next,
            slots,
            folded,
            bases,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn chunks_fit_and_cover_every_base_once() {
        let mut table = Table::new(crate::shape::Shape::xor(1));
        for key in 0..5000_u32 {
            let at = table.slot_of(&key.to_be_bytes().repeat(1 + key as usize % 40));
            table.slot(at).rare().base = u64::from(key % 3).into();
        }
        let room = 16_000;
        let (mut next, mut bases, mut chunks) = (0, 0, 0);
        loop {
            let (chunk, _) = Chunk::gather(next, &table, room, 9);
            let body = chunk.encode();
            assert!(body.len() <= room);
            assert_eq!(
                Chunk::decode(&mut Reader::new(&body), 1).as_ref(),
                Ok(&chunk)
            );
            assert_eq!(chunk.first, next);
            bases += chunk.bases.len();
            chunks += 1;
            next = chunk.next;
            if next == 0 {
                break;
            }
        }
        assert!(chunks > 10);
        assert_eq!(bases, (0..5000).filter(|key| key % 3 != 0).count());
    }
}
