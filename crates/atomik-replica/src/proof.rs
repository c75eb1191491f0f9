//! Proofs of misconduct: for anybody to check, without the keyspace's secret and without a replica.

use atomik_algebra::Layout;

use crate::codec::{Encode, Malformed, Reader};
use crate::config::Config;
use crate::frame::decode_excerpt;
use crate::origin::{Author, OriginId, PublicKey, hex};
use crate::secrets::{FrameKey, Secrets};
use crate::shape::Shape;
use crate::value::{MAX_WORDS, Value};

/// The version of the format, and the first byte of an encoded proof.
const VERSION: u8 = 1;

/// The kind of [`Misconduct::TwoContents`], the only one so far.
const TWO_CONTENTS: u8 = 0;

/// The longest name of a keyspace in a proof, in bytes.
const MAX_KEYSPACE: usize = 1024;

/// More than any layout's text takes, in bytes: with 512 fields of a bit it is 3071 long.
pub(crate) const MAX_LAYOUT: usize = 4096;

/// A proof that the owner of a key broke the protocol: two statements, both signed with that key,
/// that contradict each other.
///
/// The bytes hold everything that is needed to check the signatures: the name of the keyspace, the
/// shape of its values, and a key derived from the keyspace's secret for the hashes of frames. The
/// secret itself and the other keys derived from it cannot be computed from that.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proof {
    keyspace: String,
    shape: Shape,
    frames: FrameKey,
    /// Two excerpts of signed frames with one change each.
    excerpts: [Vec<u8>; 2],
}

/// What a [`Proof`] proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The key that signed both statements.
    pub accused: PublicKey,
    /// The key's life in which it did.
    pub origin: OriginId,
    /// The keyspace that the statements belong to.
    pub keyspace: String,
    /// What they contradict each other in.
    pub misconduct: Misconduct,
}

/// How a member broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misconduct {
    /// It signed two contents as one version of a key. A member does that if it lies, or if two
    /// copies of it run.
    TwoContents {
        /// The key.
        key: Box<[u8]>,
        /// The version.
        version: u64,
        /// Both accumulators. They may be equal; then the contents differ in what was seen of
        /// others, or in when a field that adds was last put.
        accumulators: [Value; 2],
    },
}

impl core::fmt::Display for Verdict {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            accused,
            origin,
            keyspace,
            misconduct,
        } = self;
        let Misconduct::TwoContents { key, version, .. } = misconduct;
        write!(
            f,
            "key {} signed two contents as version {version} of 0x{} in keyspace {keyspace:?} \
             (origin {origin}): it is dishonest, or copies of this member are running",
            hex(accused),
            hex(key),
        )
    }
}

/// Why bytes are no proof of misconduct.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The bytes are damaged, or something else.
    #[error("not a proof, or a damaged one: fetch it again from the node that wrote it")]
    Malformed,
    /// The format or the kind of misconduct is unknown.
    #[error("a proof of a newer format: check it with a newer version of this program")]
    Newer,
    /// A signature is wrong.
    #[error("nothing is proved: one of the two statements is not signed by the accused")]
    NotSigned,
    /// The statements can both be true.
    #[error("nothing is proved: the two statements do not contradict each other")]
    NoContradiction,
}

impl ProofError {
    /// Whether the bytes are an intact proof that fails, as opposed to one that cannot be checked.
    pub fn proves_nothing(&self) -> bool {
        matches!(self, Self::NotSigned | Self::NoContradiction)
    }
}

impl From<Malformed> for ProofError {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

impl Proof {
    /// Of two excerpts with one change each.
    pub(crate) fn of_two_contents(
        keyspace: &str,
        shape: &Shape,
        secrets: &Secrets,
        excerpts: [Vec<u8>; 2],
    ) -> Self {
        Self {
            keyspace: keyspace.to_owned(),
            shape: shape.clone(),
            frames: secrets.frames(),
            excerpts,
        }
    }

    /// The bytes of the proof. Whoever has them can check it with [`verify`](Self::verify).
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, TWO_CONTENTS];
        out.blob(self.keyspace.as_bytes());
        match self.shape.layout() {
            None => out.varint(self.shape.words() as u64),
            Some(layout) => {
                out.varint(0);
                out.blob(layout.to_string().as_bytes());
            }
        }
        out.extend_from_slice(&self.frames);
        for excerpt in &self.excerpts {
            out.blob(excerpt);
        }
        out
    }

    /// Reads the output of [`encode`](Self::encode). This does not check the proof.
    ///
    /// # Errors
    ///
    /// [`ProofError::Malformed`] or [`ProofError::Newer`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        let reader = &mut Reader::new(bytes);
        if reader.u8()? != VERSION || reader.u8()? != TWO_CONTENTS {
            return Err(ProofError::Newer);
        }
        let keyspace = core::str::from_utf8(reader.blob(MAX_KEYSPACE)?)
            .map_err(|_| ProofError::Malformed)?
            .to_owned();
        let shape = match usize::try_from(reader.varint()?) {
            Ok(0) => {
                let text = core::str::from_utf8(reader.blob(MAX_LAYOUT)?).ok();
                let layout = text.and_then(|text| text.parse::<Layout>().ok());
                layout.ok_or(ProofError::Malformed)?.into()
            }
            Ok(words @ 1..=MAX_WORDS) => Shape::xor(words),
            _ => return Err(ProofError::Malformed),
        };
        let frames = reader.array()?;
        let excerpts = [
            reader.blob(usize::MAX)?.to_vec(),
            reader.blob(usize::MAX)?.to_vec(),
        ];
        reader.end()?;
        Ok(Self {
            keyspace,
            shape,
            frames,
            excerpts,
        })
    }

    /// The life that a proof accuses, as it says itself. The proof may be false.
    pub(crate) fn accused(&self) -> Option<Author> {
        let secrets = Secrets::of_frames(self.frames, &self.keyspace, &self.shape);
        let reader = &mut Reader::new(&self.excerpts[0]);
        let (evidence, _) = decode_excerpt(reader, &secrets, &self.shape).ok()?;
        Some(evidence.header.author)
    }

    /// Whether it proves misconduct of the holder of a key in the keyspace of a replica.
    pub(crate) fn convicts(&self, key: &PublicKey, config: &Config, secrets: &Secrets) -> bool {
        self.keyspace == config.keyspace
            && self.shape == config.shape
            && self.frames == secrets.frames()
            && self.verify().is_ok_and(|verdict| verdict.accused == *key)
    }

    /// Checks the proof.
    ///
    /// # Errors
    ///
    /// [`ProofError`] if it proves nothing.
    pub fn verify(&self) -> Result<Verdict, ProofError> {
        let secrets = Secrets::of_frames(self.frames, &self.keyspace, &self.shape);
        let mut statements = Vec::new();
        for excerpt in &self.excerpts {
            let reader = &mut Reader::new(excerpt);
            let (evidence, mut changes) = decode_excerpt(reader, &secrets, &self.shape)?;
            reader.end()?;
            let (Some((key, change)), true) = (changes.pop(), changes.is_empty()) else {
                return Err(ProofError::Malformed);
            };
            if !evidence.is_signed(&secrets) {
                return Err(ProofError::NotSigned);
            }
            statements.push((evidence.header.author, key, change));
        }
        let [(author, key, first), (other, same_key, second)] = &statements[..] else {
            return Err(ProofError::Malformed);
        };
        if author != other || key != same_key || !first.contradicts(second) {
            return Err(ProofError::NoContradiction);
        }
        Ok(Verdict {
            accused: author.key,
            origin: author.origin(),
            keyspace: self.keyspace.clone(),
            misconduct: Misconduct::TwoContents {
                key: (*key).into(),
                version: first.version,
                accumulators: [first.accumulator.clone(), second.accumulator.clone()],
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;

    use super::*;
    use crate::entry::{Change, SeenList};
    use crate::frame::{Evidence, encode_excerpt};
    use crate::head::Head;
    use crate::origin::Trust;

    /// A signed excerpt with one change of the member with this key.
    fn excerpt(member: u8, keyspace: &str, key: &[u8], version: u64, accumulator: u64) -> Vec<u8> {
        let signing = SigningKey::from_bytes(&[member; 32]);
        let author = Author {
            key: signing.verifying_key().to_bytes(),
            incarnation: [9; 16],
        };
        let trust = Trust::Signed {
            key: Box::new(signing),
            allowed: Vec::new(),
        };
        let secrets = Secrets::new(&[1; 32], keyspace, &Shape::xor(1));
        let change = Change {
            version,
            accumulator: accumulator.into(),
            seen: SeenList::default(),
            put: 0,
        };
        let mut encoded = Vec::new();
        change.encode(key, &mut encoded);
        let tag = secrets.leaf(author.origin(), &encoded);
        // Two leaves, so that there is a path in the tree.
        let whole = Evidence::sign(
            &secrets,
            trust.signer(),
            author,
            Head::default(),
            false,
            &[tag, [7; 16]],
        );
        let mut bytes = Vec::new();
        let one = whole.restrict(&secrets, &[0]);
        encode_excerpt(&one, [&encoded[..]].into_iter(), &mut bytes);
        bytes
    }

    fn proof(excerpts: [Vec<u8>; 2]) -> Proof {
        let secrets = Secrets::new(&[1; 32], "test", &Shape::xor(1));
        Proof::of_two_contents("test", &Shape::xor(1), &secrets, excerpts)
    }

    fn genuine() -> Proof {
        proof([
            excerpt(3, "test", b"k", 5, 10),
            excerpt(3, "test", b"k", 5, 12),
        ])
    }

    #[test]
    fn two_contents_of_one_version_are_proved_without_the_secret() {
        let read = Proof::decode(&genuine().encode()).unwrap();
        let verdict = read.verify().unwrap();
        let accused = SigningKey::from_bytes(&[3; 32]).verifying_key().to_bytes();
        assert_eq!(verdict.accused, accused);
        assert_eq!(verdict.keyspace, "test");
        let wanted = Misconduct::TwoContents {
            key: b"k"[..].into(),
            version: 5,
            accumulators: [10.into(), 12.into()],
        };
        assert_eq!(verdict.misconduct, wanted);
        assert!(verdict.to_string().contains("version 5 of 0x6b"));
    }

    #[test]
    fn what_an_honest_member_signs_proves_nothing() {
        let honest = || excerpt(3, "test", b"k", 5, 10);
        let others = [
            excerpt(3, "test", b"k", 5, 10),
            excerpt(3, "test", b"k", 6, 12),
            excerpt(3, "test", b"l", 5, 12),
            excerpt(4, "test", b"k", 5, 12),
        ];
        for other in others {
            let verified = proof([honest(), other]).verify();
            assert_eq!(verified, Err(ProofError::NoContradiction));
        }
        let elsewhere = excerpt(3, "other", b"k", 5, 12);
        let verified = proof([honest(), elsewhere]).verify();
        assert_eq!(verified, Err(ProofError::NotSigned));
    }

    proptest! {
        #[test]
        fn no_changed_byte_accuses_anybody(at: prop::sample::Index, flip in 1..=255_u8) {
            let mut bytes = genuine().encode();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let verdict = Proof::decode(&bytes).and_then(|proof| proof.verify());
            prop_assert!(verdict.is_err(), "byte {}: {:?}", at, verdict);
        }

        #[test]
        fn arbitrary_bytes_prove_nothing(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Proof::decode(&bytes).and_then(|proof| proof.verify()).is_err());
        }
    }
}
