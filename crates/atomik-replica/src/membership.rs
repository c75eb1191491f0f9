//! The roster in force: how a newer one is accepted, sent to peers and stored.

use crate::codec::{Encode, Malformed, Reader};
use crate::config::Config;
use crate::error::{OpenError, damaged};
use crate::event::Record;
use crate::notice::Notice;
use crate::origin::PublicKey;
use crate::record::ROSTER;
use crate::roster::{Roster, RosterError, RosterRefusal};
use crate::secrets::Secrets;

/// The kind of a record in a message about the ledger that contains a roster.
pub(crate) const ROSTER_RECORD: u8 = 16;

/// The kind of a record in such a message that answers a roster which its sender does not accept.
pub(crate) const REFUSED_RECORD: u8 = 18;

/// The newest roster known here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Membership {
    roster: Roster,
    /// Whether this replica is on the roster. Every local operation asks.
    listed: bool,
    /// Two signed rosters of one number, the first that were found.
    rivals: Option<Box<[Roster; 2]>>,
    unstored: bool,
}

impl Membership {
    /// Roster 0 of a configuration.
    pub(crate) fn new(config: &Config) -> Self {
        let roster = Roster::founders(&config.trust);
        Self {
            listed: roster.contains(&config.trust.key()),
            roster,
            rivals: None,
            unstored: false,
        }
    }

    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Whether this replica is on the roster.
    pub(crate) fn is_listed(&self) -> bool {
        self.listed
    }

    fn set_roster(&mut self, roster: Roster, config: &Config) {
        self.listed = roster.contains(&config.trust.key());
        self.roster = roster;
    }

    /// Takes a roster that an operator or a peer offers. Returns what there is to report; nothing
    /// if it is known already.
    pub(crate) fn offer(
        &mut self,
        roster: Roster,
        config: &Config,
    ) -> Result<Vec<Notice>, RosterError> {
        let (offered, known) = (roster.rank(), self.roster.rank());
        let stale = RosterError::Stale {
            found: offered.0,
            known: known.0,
        };
        if offered == known {
            return Ok(Vec::new());
        }
        if offered.0 < known.0 || offered.0 == 0 {
            return Err(stale);
        }
        let administrator = config
            .administrator
            .as_ref()
            .ok_or(RosterError::NoAdministrator)?;
        if !is_sealed(&roster, config, administrator) {
            return Err(RosterError::NotSigned { number: offered.0 });
        }
        let mut notices = Vec::new();
        if offered.0 == known.0 && self.rivals.is_none() {
            let rivals = [self.roster.clone(), roster.clone()];
            notices.push(Notice::TwoRosters {
                number: offered.0,
                rosters: Box::new(rivals.each_ref().map(Roster::encode)),
            });
            self.rivals = Some(Box::new(rivals));
            self.unstored = true;
        }
        if offered > known {
            let missing = |of: &Roster, from: &Roster| -> Vec<PublicKey> {
                let keys = of.keys().filter(|key| !from.contains(key));
                keys.copied().collect()
            };
            notices.push(Notice::Roster {
                number: offered.0,
                added: missing(&roster, &self.roster),
                removed: missing(&self.roster, &roster),
            });
            self.set_roster(roster, config);
            self.unstored = true;
        } else if notices.is_empty() {
            return Err(stale);
        }
        Ok(notices)
    }

    /// The share of the roster in the sum that two replicas compare. Roster 0 has none: it is not
    /// replicated.
    pub(crate) fn sum(&self, secrets: &Secrets) -> u128 {
        if self.roster.number() == 0 {
            return 0;
        }
        secrets.summand(&self.roster.hash())
    }

    /// The record with the roster, to be sent.
    pub(crate) fn records(&self) -> Vec<Vec<u8>> {
        if self.roster.number() == 0 {
            return Vec::new();
        }
        let mut record = vec![ROSTER_RECORD];
        record.blob(&self.roster.encode());
        vec![record]
    }

    /// The record that tells a peer that its roster is not accepted.
    pub(crate) fn refusal(hash: &[u8; 32], error: &RosterError) -> Vec<u8> {
        let mut record = vec![REFUSED_RECORD];
        record.extend_from_slice(hash);
        record.push(u8::from(*error == RosterError::NoAdministrator));
        record
    }

    /// Reads such a record, with its kind: the hash of the roster, and why it is not accepted.
    pub(crate) fn read_refusal(
        reader: &mut Reader<'_>,
    ) -> Result<([u8; 32], RosterRefusal), Malformed> {
        reader.u8()?;
        let hash = reader.array()?;
        let reason = match reader.u8()? {
            0 => RosterRefusal::NotSigned,
            1 => RosterRefusal::NoAdministrator,
            _ => return Err(Malformed),
        };
        Ok((hash, reason))
    }

    /// The record to store, if it has changed since the last call.
    pub(crate) fn take_unstored(&mut self) -> Option<Record> {
        core::mem::take(&mut self.unstored).then(|| (ROSTER.to_vec(), Some(self.record())))
    }

    fn record(&self) -> Vec<u8> {
        let mut value = Vec::new();
        value.blob(&self.roster.encode());
        for rival in self.rivals.iter().flat_map(|rivals| rivals.iter()) {
            value.blob(&rival.encode());
        }
        value
    }

    /// Restores the roster from its record. Without one, roster 0 is in force.
    pub(crate) fn restore(config: &Config, record: Option<&[u8]>) -> Result<Self, OpenError> {
        let mut membership = Self::new(config);
        let Some(record) = record else {
            return Ok(membership);
        };
        let mut rosters = read_rosters(record).map_err(|Malformed| damaged(ROSTER))?;
        let rivals = rosters.split_off(1);
        let Some(roster) = rosters.pop() else {
            return Err(damaged(ROSTER));
        };
        if roster.number() > 0
            && !config
                .administrator
                .is_some_and(|administrator| is_sealed(&roster, config, &administrator))
        {
            return Err(OpenError::Administrator {
                roster: roster.number(),
            });
        }
        membership.set_roster(roster, config);
        membership.rivals = match rivals.try_into() {
            Ok(pair) => Some(Box::new(pair)),
            Err(rest) if rest.is_empty() => None,
            Err(_) => return Err(damaged(ROSTER)),
        };
        Ok(membership)
    }
}

/// Whether a replica with this configuration accepts a roster as signed with this key. In an
/// unsigned keyspace the signature has to be zero.
pub(crate) fn is_sealed(roster: &Roster, config: &Config, administrator: &PublicKey) -> bool {
    let statement = roster.statement(&config.keyspace, &config.shape);
    config
        .trust
        .verify(administrator, &statement, roster.seal())
}

/// The rosters in a record: at least one.
fn read_rosters(record: &[u8]) -> Result<Vec<Roster>, Malformed> {
    let mut reader = Reader::new(record);
    let mut rosters = Vec::new();
    while !reader.is_empty() {
        let bytes = reader.blob(usize::MAX)?;
        rosters.push(Roster::decode(bytes).map_err(|_| Malformed)?);
    }
    (!rosters.is_empty()).then_some(rosters).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::origin::Trust;

    fn config() -> Config {
        let trust = Trust::Signed {
            key: Box::new(SigningKey::from_bytes(&[1; 32])),
            allowed: vec![[1; 32]],
        };
        let mut config = Config::new("test", 1, [2; 32], trust, [3; 16]);
        config.administrator = Some(administrator().verifying_key().to_bytes());
        config
    }

    fn administrator() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    /// A signed roster of so many members with long names.
    fn large(members: usize) -> Roster {
        let key = |n: usize| core::array::from_fn(|i| n.to_le_bytes()[i % 8]);
        let first = Roster::first((2..members).map(|n| (key(n), format!("{n:064}")))).unwrap();
        let next = first.add(key(1), "").unwrap();
        next.sign("test", &crate::shape::Shape::xor(1), &administrator())
    }

    #[test]
    fn of_two_rosters_with_one_number_the_same_wins_everywhere_and_both_are_kept() {
        let sign =
            |roster: Roster| roster.sign("test", &crate::shape::Shape::xor(1), &administrator());
        let first = Roster::first([([1; 32], "a")]).unwrap();
        let [b, c] = [2, 3].map(|n| sign(first.add([n; 32], "").unwrap()));
        let mut ends = Vec::new();
        for order in [[&b, &c], [&c, &b]] {
            let mut membership = Membership::new(&config());
            let mut reported = 0;
            for roster in order.into_iter().chain([&b, &c]) {
                let notices = membership.offer(roster.clone(), &config());
                let two = |notice: &Notice| matches!(notice, Notice::TwoRosters { number: 1, .. });
                reported += notices
                    .iter()
                    .flatten()
                    .filter(|notice| two(notice))
                    .count();
            }
            assert_eq!(reported, 1);
            let record = membership.take_unstored().unwrap().1.unwrap();
            let restored = Membership::restore(&config(), Some(&record)).unwrap();
            membership.unstored = false;
            assert_eq!(restored, membership);
            let mut kept = *restored.rivals.unwrap();
            kept.sort_by_key(Roster::rank);
            ends.push((restored.roster, kept));
        }
        assert_eq!(ends[0], ends[1]);
    }

    #[test]
    fn a_stored_roster_needs_the_administrator_that_signed_it() {
        let mut membership = Membership::new(&config());
        membership.offer(large(3), &config()).unwrap();
        let record = membership.take_unstored().unwrap().1.unwrap();
        for administrator in [None, Some([9; 32])] {
            let mut config = config();
            config.administrator = administrator;
            assert_eq!(
                Membership::restore(&config, Some(&record)),
                Err(OpenError::Administrator { roster: 1 })
            );
        }
    }
}
