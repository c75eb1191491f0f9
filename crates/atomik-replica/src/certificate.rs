//! Certificates: the equal statements of all who have to sign, which let everybody fold and a
//! joiner trust a base.

use std::collections::BTreeMap;

use crate::closing::{Cause, Closings, Extent, first_life};
use crate::codec::{Encode, Malformed, Reader};
use crate::config::Config;
use crate::membership::is_sealed;
use crate::origin::{Author, PublicKey, Sealed};
use crate::roster::Roster;
use crate::secrets::Secrets;
use crate::statement::{Holding, Round, Signer, Statement, memories};

/// What all members that had to sign say of what they hold. It contains everything needed to verify
/// it, and it says which lives are folded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Certificate {
    pub(crate) roster: Roster,
    pub(crate) closings: Closings,
    pub(crate) round: u64,
    pub(crate) holding: Holding,
    pub(crate) seals: BTreeMap<PublicKey, (Signer, Sealed)>,
    /// What is closed by closings and roster.
    pub(crate) extent: Extent,
}

/// What the certificate of the base says, as shown by
/// [`Replica::certified`](crate::Replica::certified).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The number of its roster. All lives of keys that were not on it are folded.
    pub roster: u64,
    /// How often members had compared what they held, beyond the first time.
    pub round: u64,
    /// The keys whose signed word closed lives, and that are convicted, each with the number below
    /// which its lives are folded; `None` if all are.
    pub closed: Vec<(PublicKey, Cause, Option<u64>)>,
    /// The members that have signed it.
    pub signers: Vec<PublicKey>,
    /// The hash of the base.
    pub base: [u8; 32],
}

impl Certificate {
    /// What it says, without the signatures.
    pub(crate) fn summary(&self) -> Certified {
        let Self {
            roster, closings, ..
        } = self;
        let keys = closings.ended.keys().chain(closings.proofs.keys());
        let mut closed: Vec<_> = keys
            .map(|key| {
                let below = closings.below(key, roster);
                (*key, closings.cause(key, roster), below)
            })
            .collect();
        closed.sort_unstable_by_key(|(key, ..)| *key);
        closed.dedup();
        Certified {
            roster: roster.number(),
            round: self.round,
            closed,
            signers: self.seals.keys().copied().collect(),
            base: self.holding.base,
        }
    }

    /// Of two certificates, the one with the higher rank counts.
    pub(crate) fn rank(&self) -> (Extent, u64, Holding) {
        (self.extent, self.round, self.holding)
    }

    /// A number that stands for everything but who signed when.
    pub(crate) fn sum(&self, secrets: &Secrets) -> u128 {
        let mut content = b"certificate".to_vec();
        self.statements().encode(&mut content);
        content.extend_from_slice(&self.holding.base);
        self.holding.encode_entries(&mut content);
        secrets.summand(&content)
    }

    /// The round of its statements.
    pub(crate) fn statements(&self) -> Round {
        Round {
            number: self.extent.number,
            extent: self.extent.hash,
            round: self.round,
        }
    }

    /// Checks everything; says what is wrong.
    pub(crate) fn check(&self, config: &Config, secrets: &Secrets) -> Result<(), &'static str> {
        let sealed = match config.administrator {
            _ if self.roster.number() == 0 => {
                self.roster.hash() == Roster::founders(&config.trust).hash()
            }
            None => false,
            Some(administrator) => is_sealed(&self.roster, config, &administrator),
        };
        if !sealed {
            return Err(
                "its roster is neither the one of this configuration nor signed by the \
                 administrator: give all members the same list of founders and administrator",
            );
        }
        self.closings.check(config, secrets)?;
        let mut required = self.closings.required(&self.roster).peekable();
        if required.peek().is_none() || !self.seals.keys().eq(required) {
            return Err("it is not signed by exactly those who have to sign");
        }
        let round = self.statements();
        let signers = self.seals.iter();
        let memories = memories(signers.map(|(by, (signer, _))| (by, signer.memory)));
        let mut seals = self.seals.iter();
        let holds = |(by, (signer, seal)): (&PublicKey, &(Signer, Sealed))| {
            let statement = Statement {
                by: *by,
                round,
                signer: *signer,
                memories,
                holding: self.holding,
                seal: *seal,
            };
            statement.holds(&config.trust, secrets)
        };
        if !seals.all(holds) {
            return Err("a signature under it does not match");
        }
        Ok(())
    }

    /// Whether a life is folded into the base, given the current roster. A key that was added since
    /// has lives of its own.
    pub(crate) fn has_folded(&self, author: &Author, roster: &Roster) -> bool {
        match self.closings.below(&author.key, &self.roster) {
            Some(below) => author.life() < below,
            None => {
                let number = self.roster.number();
                let later = first_life(number.saturating_add(1));
                match roster.get(&author.key) {
                    // The newer roster is on its way.
                    _ if roster.number() < number => true,
                    Some(listed) if listed.since <= number => {
                        self.roster.contains(&author.key)
                            || author.life() < first_life(listed.since)
                    }
                    // It may have been added, and removed, several times since.
                    Some(_) => author.life() < later,
                    None => roster.number() == number || author.life() < later,
                }
            }
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.blob(&self.roster.encode());
        self.closings.encode(out);
        out.varint(self.round);
        out.extend_from_slice(&self.holding.base);
        out.varint(self.seals.len() as u64);
        for (key, (signer, seal)) in &self.seals {
            out.extend_from_slice(key);
            signer.encode(out);
            out.extend_from_slice(seal);
        }
        self.holding.encode_entries(out);
    }

    /// Decodes a certificate, to the end.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut certificate = Self::decode_without_entries(reader)?;
        certificate.holding.entries = Holding::decode_entries(reader)?;
        Ok(certificate)
    }

    /// Decodes a certificate that was made before statements named entries.
    pub(crate) fn decode_without_entries(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let roster = Roster::decode(reader.blob(usize::MAX)?).map_err(|_| Malformed)?;
        let closings = Closings::decode(reader)?;
        let round = reader.varint()?;
        let base = reader.array()?;
        let mut seals = BTreeMap::new();
        for _ in 0..reader.count(128, usize::MAX)? {
            seals.insert(reader.array()?, (Signer::decode(reader)?, reader.array()?));
        }
        Ok(Self {
            extent: closings.extent(&roster),
            roster,
            closings,
            round,
            holding: Holding {
                base,
                entries: None,
            },
            seals,
        })
    }
}
