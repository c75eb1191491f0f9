//! Records that may be longer than a message: they are sent in parts, and put together again.

use std::collections::BTreeMap;

use crate::codec::{Encode, Malformed, Reader};
use crate::origin::truncated;
use crate::peers::PeerId;

/// The kind of a record that contains a part of another one.
pub(crate) const PART: u8 = 17;

/// The longest part, in bytes. It fits in the smallest message.
const LONGEST_PART: usize = 8192;

/// The longest record, in bytes. A certificate of the largest roster, all of whose members sign or
/// have retired, takes less than half of it.
const LONGEST: usize = 1 << 20;

/// A hash that tells apart the records of one sender.
type Name = [u8; 16];

/// Splits records that are too long for the smallest message.
pub(crate) fn split(records: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let parts = |record: Vec<u8>| {
        if record.len() <= LONGEST_PART {
            return vec![record];
        }
        let name: Name = truncated(blake3::hash(&record));
        let parts = record.chunks(LONGEST_PART).enumerate();
        let part = |(index, part): (usize, &[u8])| {
            let mut bytes = vec![PART];
            bytes.extend_from_slice(&name);
            bytes.varint(record.len() as u64);
            bytes.varint((index * LONGEST_PART) as u64);
            bytes.blob(part);
            bytes
        };
        parts.map(part).collect()
    };
    records.into_iter().flat_map(parts).collect()
}

/// Records of which some parts have arrived, at most one of each sender.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Arrivals {
    by: BTreeMap<PeerId, (Name, Vec<u8>)>,
}

impl Arrivals {
    /// Reads a part, with its kind. Returns the record that is complete with it. Nothing is kept of
    /// a peer that is not `up`.
    pub(crate) fn take(
        &mut self,
        from: PeerId,
        up: bool,
        reader: &mut Reader<'_>,
    ) -> Result<Option<Vec<u8>>, Malformed> {
        reader.u8()?;
        let name = reader.array()?;
        let total = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
        let start = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
        let part = reader.blob(LONGEST_PART)?;
        if total > LONGEST || start > total || part.len() > total - start {
            return Err(Malformed);
        }
        let mut bytes = match self.by.remove(&from) {
            _ if start == 0 => Vec::new(),
            Some((arriving, bytes)) if arriving == name && bytes.len() == start => bytes,
            // A part was lost. The next comparison starts over.
            _ => return Ok(None),
        };
        bytes.extend_from_slice(part);
        if bytes.len() == total {
            return Ok(Some(bytes));
        }
        if up {
            self.by.insert(from, (name, bytes));
        }
        Ok(None)
    }

    /// Forgets a peer that is no longer reachable.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.by.remove(&peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long_record() -> Vec<u8> {
        (0..100_000_u32).map(|n| (n / 7) as u8).collect()
    }

    #[test]
    fn a_long_record_arrives_in_parts_and_a_lost_part_does_no_harm() {
        let records = split(vec![vec![1, 2], long_record()]);
        assert_eq!(records[0], [1, 2]);
        let parts = &records[1..];
        assert!(parts.len() > 10 && parts.iter().all(|part| part.len() < 8400));
        let mut arrivals = Arrivals::default();
        let mut take = |part: &Vec<u8>| {
            let mut reader = Reader::new(part);
            arrivals.take([1; 16], true, &mut reader).unwrap()
        };
        for (_, part) in parts.iter().enumerate().filter(|(n, _)| *n != 4) {
            assert_eq!(take(part), None);
        }
        let complete: Vec<_> = parts.iter().filter_map(&mut take).collect();
        assert_eq!(complete, [long_record()]);
        assert_eq!(arrivals, Arrivals::default());
    }

    #[test]
    fn parts_of_an_unknown_sender_or_of_an_endless_record_are_not_kept() {
        let mut arrivals = Arrivals::default();
        for part in split(vec![long_record()]) {
            let taken = arrivals.take([1; 16], false, &mut Reader::new(&part));
            assert_eq!(taken, Ok(None));
            assert_eq!(arrivals, Arrivals::default());
        }
        let endless = vec![0; LONGEST + 1];
        let part = &split(vec![endless])[0];
        assert_eq!(
            arrivals.take([1; 16], true, &mut Reader::new(part)),
            Err(Malformed)
        );
    }
}
