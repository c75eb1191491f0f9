//! Summaries: enough to find out whether two replicas agree.

use crate::codec::{Encode, Malformed, Reader};
use crate::digest::Digest;
use crate::ledger::LedgerSums;

/// What a replica has, in a few numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The number of entries.
    pub(crate) count: u64,
    /// The sum of their tags.
    pub(crate) sum: u128,
    pub(crate) ledger: LedgerSums,
}

impl Summary {
    pub(crate) fn new(digest: &Digest, ledger: LedgerSums) -> Self {
        Self {
            count: digest.count,
            sum: digest.sum,
            ledger,
        }
    }

    /// The body of the message.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(96);
        body.varint(self.count);
        let LedgerSums {
            folded,
            base,
            ledger,
        } = self.ledger;
        for sum in [self.sum, folded, base, ledger] {
            body.extend_from_slice(&sum.to_le_bytes());
        }
        body
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            count: reader.varint()?,
            sum: reader.u128()?,
            ledger: LedgerSums {
                folded: reader.u128()?,
                base: reader.u128()?,
                ledger: reader.u128()?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_round_trips_in_85_bytes_at_most_with_a_message_around_it() {
        let summary = Summary {
            count: 1_000_000,
            sum: 1,
            ledger: LedgerSums {
                folded: 2,
                base: 3,
                ledger: 4,
            },
        };
        let body = summary.encode();
        assert_eq!(Summary::decode(&mut Reader::new(&body)), Ok(summary));
        assert!(body.len() + crate::message::OVERHEAD <= 85);
        for cut in 0..body.len() {
            assert_eq!(
                Summary::decode(&mut Reader::new(&body[..cut])),
                Err(Malformed)
            );
        }
    }
}
