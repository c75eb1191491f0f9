//! The roster: the signed list of a keyspace's members.
//!
//! The *administrator*, a key of its own, signs every roster above number 0. A roster holds the
//! whole list, so only the newest is kept and sent: the higher number wins, and of two rosters with
//! one number the one with the larger hash. Roster 0 is unsigned; every member makes it from its
//! configuration.

use ed25519_dalek::{Signer, SigningKey};

use crate::codec::{Encode, Malformed, Reader};
use crate::origin::{PublicKey, Sealed, Trust, hex};
use crate::shape::Shape;

/// The most members of a keyspace.
pub const MAX_MEMBERS: usize = 1000;

/// The longest name of a member, in bytes.
pub const MAX_NAME: usize = 64;

/// The first byte of an encoded roster.
const VERSION: u8 = 1;

/// A member as listed on a roster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listed {
    /// Its public key.
    pub key: PublicKey,
    /// Its name, for people: at most [`MAX_NAME`] bytes; may be empty, otherwise unique.
    pub name: String,
    /// The number of the roster with which the key was last added.
    pub since: u64,
}

/// A list of all members of a keyspace.
///
/// An administrator's tool takes the current roster, changes it with [`add`](Self::add),
/// [`remove`](Self::remove), [`rotate`](Self::rotate) or [`rename`](Self::rename), signs it with
/// [`sign`](Self::sign) and hands it to one member with [`Event::Roster`](crate::Event::Roster).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Roster {
    number: u64,
    /// Ascending by key.
    members: Vec<Listed>,
    /// Of number and members.
    hash: [u8; 32],
    seal: Sealed,
}

/// Why a roster cannot be made or is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RosterError {
    /// The bytes are no roster in canonical form.
    #[error("not a roster, or a damaged one: export it again from the tool that signed it")]
    Malformed,
    /// It has no members.
    #[error("a roster needs at least one member: retire the keyspace's last member instead")]
    Empty,
    /// It has too many members.
    #[error("a roster has at most {MAX_MEMBERS} members: remove those that left")]
    TooMany,
    /// A name is too long or has control characters.
    #[error("the name {name:?} does not fit: use at most {MAX_NAME} bytes, no control characters")]
    Name {
        /// The name.
        name: String,
    },
    /// A key or a name is listed already.
    #[error("{what} is on the roster already: choose another, or remove that member first")]
    Listed {
        /// The name, or the key in hexadecimal.
        what: String,
    },
    /// A key is not on the roster.
    #[error("key {} is not on the roster: list the members to see their keys", hex(.key))]
    NotListed {
        /// The key.
        key: PublicKey,
    },
    /// There is no administrator.
    #[error(
        "this replica has no administrator's key, so its members cannot change: set \
         `administrator` in the configuration of every member"
    )]
    NoAdministrator,
    /// The signature is not that of the administrator.
    #[error(
        "roster {number} is not signed by the administrator of this keyspace: sign it with the key \
         of the configured administrator; if it was, `administrator`, or the name, words or layout \
         of the keyspace, differ from those configured here, and have to be alike on all members"
    )]
    NotSigned {
        /// The roster's number.
        number: u64,
    },
    /// A newer roster is known.
    #[error(
        "roster {found} is stale, for roster {known} is known: make the change again from the \
         current roster"
    )]
    Stale {
        /// The number of the offered roster.
        found: u64,
        /// The number of the current roster.
        known: u64,
    },
}

/// Why a peer does not accept this replica's roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterRefusal {
    /// Its configuration has another administrator, name, words or layout.
    #[error(
        "the list is not signed by the administrator in its configuration: give it the \
         `administrator`, name, words and layout of the keyspace, and restart it"
    )]
    NotSigned,
    /// Its configuration has no administrator.
    #[error("it has no administrator: set `administrator` in its configuration, and restart it")]
    NoAdministrator,
    /// Its values have another layout.
    #[error("its values have another layout: configure that of the keyspace, and restart it")]
    Layout,
}

impl Roster {
    /// Roster 0 of these members, each with its key and name.
    ///
    /// # Errors
    ///
    /// [`RosterError`] if there are no or too many members, a key or a name occurs twice, or a name
    /// does not fit.
    pub fn first<Name: Into<String>>(
        members: impl IntoIterator<Item = (PublicKey, Name)>,
    ) -> Result<Self, RosterError> {
        let members = members.into_iter().map(|(key, name)| Listed {
            key,
            name: name.into(),
            since: 0,
        });
        Self::new(0, members.collect())
    }

    /// Roster 0 of a configuration: without names, and a key listed twice counts once. Names are
    /// left out because the configurations of two members need not agree on them.
    pub(crate) fn founders(trust: &Trust) -> Self {
        let mut keys = trust.allowed().to_vec();
        keys.sort_unstable();
        keys.dedup();
        let members = keys.into_iter().map(|key| Listed {
            key,
            name: String::new(),
            since: 0,
        });
        Self::of(0, members.collect())
    }

    /// The unsigned roster of these members, ascending by key.
    fn of(number: u64, members: Vec<Listed>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("atomik 1 roster");
        hasher.update(&content(number, &members));
        Self {
            number,
            members,
            hash: *hasher.finalize().as_bytes(),
            seal: [0; 64],
        }
    }

    fn new(number: u64, mut members: Vec<Listed>) -> Result<Self, RosterError> {
        members.sort_unstable_by_key(|member| member.key);
        if members.is_empty() {
            return Err(RosterError::Empty);
        }
        if members.len() > MAX_MEMBERS {
            return Err(RosterError::TooMany);
        }
        let twice = |what: String| Err(RosterError::Listed { what });
        if let Some(pair) = members.windows(2).find(|pair| pair[0].key == pair[1].key) {
            return twice(hex(&pair[0].key));
        }
        let unfit = |name: &str| name.len() > MAX_NAME || name.chars().any(char::is_control);
        if let Some(member) = members.iter().find(|member| unfit(&member.name)) {
            return Err(RosterError::Name {
                name: member.name.clone(),
            });
        }
        let mut names: Vec<&str> = members.iter().map(|member| &*member.name).collect();
        names.retain(|name| !name.is_empty());
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return twice(format!("{:?}", pair[0]));
        }
        Ok(Self::of(number, members))
    }

    /// The next roster with these members; not signed yet.
    fn next(&self, members: Vec<Listed>) -> Result<Self, RosterError> {
        let number = self.number.checked_add(1).ok_or(RosterError::Malformed)?;
        Self::new(number, members)
    }

    /// The next roster, with one more member. Not signed yet, like those of the other methods.
    ///
    /// # Errors
    ///
    /// [`RosterError`] if the key or the name is listed already, the name does not fit, or there
    /// are too many members.
    pub fn add(&self, key: PublicKey, name: &str) -> Result<Self, RosterError> {
        let mut members = self.members.clone();
        members.push(Listed {
            key,
            name: name.to_owned(),
            since: self.number.saturating_add(1),
        });
        self.next(members)
    }

    /// The next roster, without this member.
    ///
    /// # Errors
    ///
    /// [`RosterError::NotListed`], or [`RosterError::Empty`] for the last member.
    pub fn remove(&self, key: &PublicKey) -> Result<Self, RosterError> {
        let place = self.place(key)?;
        let mut members = self.members.clone();
        members.remove(place);
        self.next(members)
    }

    /// The next roster, with a new key for the member with the old one.
    ///
    /// # Errors
    ///
    /// [`RosterError`] if the old key is not listed or the new one is.
    pub fn rotate(&self, old: &PublicKey, new: PublicKey) -> Result<Self, RosterError> {
        let place = self.place(old)?;
        let mut members = self.members.clone();
        members[place].key = new;
        members[place].since = self.number.saturating_add(1);
        self.next(members)
    }

    /// The same roster with another name for a member; unsigned.
    ///
    /// # Errors
    ///
    /// [`RosterError`] if the key is not listed, or the name does not fit or is taken.
    pub fn rename(&self, key: &PublicKey, name: &str) -> Result<Self, RosterError> {
        let place = self.place(key)?;
        let mut members = self.members.clone();
        name.clone_into(&mut members[place].name);
        Self::new(self.number, members)
    }

    /// This roster signed with the administrator's key, for the keyspace with this name and shape.
    #[must_use]
    pub fn sign(mut self, keyspace: &str, shape: &Shape, administrator: &SigningKey) -> Self {
        self.seal = administrator
            .sign(&self.statement(keyspace, shape))
            .to_bytes();
        self
    }

    /// Whether it is signed with this administrator's key, for the keyspace with this name and
    /// shape.
    pub fn is_signed(&self, keyspace: &str, shape: &Shape, administrator: &PublicKey) -> bool {
        let statement = self.statement(keyspace, shape);
        crate::origin::verifies(administrator, &statement, &self.seal)
    }

    /// The bytes that the administrator signs.
    pub(crate) fn statement(&self, keyspace: &str, shape: &Shape) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new_derive_key("atomik 1 roster seal");
        hasher
            .update(&(keyspace.len() as u64).to_le_bytes())
            .update(keyspace.as_bytes());
        shape.hash_into(&mut hasher);
        hasher.update(&self.hash);
        let mut message = b"atomik 1 roster ".to_vec();
        message.extend_from_slice(hasher.finalize().as_bytes());
        message
    }

    /// The administrator's signature; zeros on a roster without one.
    pub(crate) fn seal(&self) -> &Sealed {
        &self.seal
    }

    /// Its number. Every change of the members adds one.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The members, ascending by key.
    pub fn members(&self) -> &[Listed] {
        &self.members
    }

    /// The member with this key.
    pub fn get(&self, key: &PublicKey) -> Option<&Listed> {
        self.place(key).ok().map(|place| &self.members[place])
    }

    /// Whether a key is listed.
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.place(key).is_ok()
    }

    /// All keys, ascending.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &PublicKey> {
        self.members.iter().map(|member| &member.key)
    }

    fn place(&self, key: &PublicKey) -> Result<usize, RosterError> {
        self.members
            .binary_search_by_key(key, |member| member.key)
            .map_err(|_| RosterError::NotListed { key: *key })
    }

    /// A hash of number and members, but not of the signature: a roster that was signed twice is
    /// one roster.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// What decides between two rosters: the greater wins.
    pub(crate) fn rank(&self) -> (u64, [u8; 32]) {
        (self.number, self.hash)
    }

    /// Its canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = content(self.number, &self.members);
        bytes.extend_from_slice(&self.seal);
        bytes
    }

    /// Reads an encoded roster. Does not verify its signature.
    ///
    /// # Errors
    ///
    /// [`RosterError::Malformed`] unless the bytes are the canonical encoding of a valid roster.
    pub fn decode(bytes: &[u8]) -> Result<Self, RosterError> {
        let roster = Self::read(&mut Reader::new(bytes)).map_err(|_| RosterError::Malformed)?;
        // Members out of order would be sorted.
        (roster.encode() == bytes)
            .then_some(roster)
            .ok_or(RosterError::Malformed)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if reader.u8()? != VERSION {
            return Err(Malformed);
        }
        let number = reader.varint()?;
        let mut members = Vec::new();
        for _ in 0..reader.count(34, MAX_MEMBERS)? {
            let (key, since) = (reader.array()?, reader.varint()?);
            let name = core::str::from_utf8(reader.blob(MAX_NAME)?).map_err(|_| Malformed)?;
            if since > number {
                return Err(Malformed);
            }
            members.push(Listed {
                key,
                name: name.to_owned(),
                since,
            });
        }
        let seal = reader.array()?;
        reader.end()?;
        let roster = Self::new(number, members).map_err(|_| Malformed)?;
        Ok(Self { seal, ..roster })
    }
}

/// Everything but the signature, encoded.
fn content(number: u64, members: &[Listed]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.varint(number);
    bytes.varint(members.len() as u64);
    for member in members {
        bytes.extend_from_slice(&member.key);
        bytes.varint(member.since);
        bytes.blob(member.name.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn administrator() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn two() -> Roster {
        Roster::first([([2; 32], "b"), ([1; 32], "a")]).unwrap()
    }

    #[test]
    fn every_change_has_the_next_number_and_marks_what_it_added() {
        let three = two().add([3; 32], "c").unwrap();
        assert_eq!((three.number(), three.get(&[3; 32]).unwrap().since), (1, 1));
        let rotated = three.rotate(&[1; 32], [0; 32]).unwrap();
        let first = &rotated.members()[0];
        assert_eq!((&*first.name, first.since, first.key), ("a", 2, [0; 32]));
        assert_eq!(rotated.get(&[2; 32]).unwrap().since, 0);
        let back = rotated.remove(&[3; 32]).unwrap().add([3; 32], "c").unwrap();
        assert_eq!(back.get(&[3; 32]).unwrap().since, 4);
    }

    #[test]
    fn impossible_changes_are_refused() {
        let listed = |what: &str| Err(RosterError::Listed { what: what.into() });
        assert_eq!(two().add([1; 32], "c"), listed(&"01".repeat(32)));
        assert_eq!(two().add([3; 32], "b"), listed("\"b\""));
        assert_eq!(two().rotate(&[1; 32], [2; 32]), listed(&"02".repeat(32)));
        let none = RosterError::NotListed { key: [3; 32] };
        assert_eq!(two().remove(&[3; 32]), Err(none.clone()));
        assert_eq!(two().rotate(&[3; 32], [4; 32]), Err(none));
        let one = two().remove(&[1; 32]).unwrap();
        assert_eq!(one.remove(&[2; 32]), Err(RosterError::Empty));
        let name = |name: &str| two().add([3; 32], name);
        assert!(name(&"x".repeat(MAX_NAME)).is_ok());
        assert!(matches!(
            name(&"x".repeat(MAX_NAME + 1)),
            Err(RosterError::Name { .. })
        ));
        assert!(matches!(name("a\nb"), Err(RosterError::Name { .. })));
        let many = |count: usize| {
            let key = |n: usize| core::array::from_fn(|i| n.to_le_bytes()[i % 8]);
            Roster::first((0..count).map(|n| (key(n), "")))
        };
        assert!(many(MAX_MEMBERS).is_ok());
        assert_eq!(many(MAX_MEMBERS + 1), Err(RosterError::TooMany));
    }

    #[test]
    fn a_signature_is_for_one_keyspace_and_one_administrator() {
        let roster = two().add([3; 32], "c").unwrap();
        let by = administrator().verifying_key().to_bytes();
        assert!(!roster.is_signed("demo", &Shape::xor(1), &by));
        let roster = roster.sign("demo", &Shape::xor(1), &administrator());
        assert!(roster.is_signed("demo", &Shape::xor(1), &by));
        assert!(!roster.is_signed("other", &Shape::xor(1), &by));
        assert!(!roster.is_signed("demo", &Shape::xor(2), &by));
        let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
        assert!(!roster.is_signed("demo", &Shape::xor(1), &other.to_bytes()));
    }

    fn rosters() -> impl Strategy<Value = Roster> {
        let member = (any::<[u8; 32]>(), "[a-z]{0,8}", any::<u64>());
        let members = prop::collection::btree_map(any::<[u8; 32]>(), member, 1..6);
        (any::<u64>(), members).prop_map(|(number, members)| {
            let mut names = std::collections::BTreeSet::new();
            let members = members.into_iter().map(|(key, (_, name, since))| Listed {
                key,
                name: if names.insert(name.clone()) {
                    name
                } else {
                    String::new()
                },
                since: since.min(number),
            });
            let roster = Roster::new(number, members.collect()).unwrap();
            roster.sign("demo", &Shape::xor(1), &administrator())
        })
    }

    proptest! {
        #[test]
        fn the_encoding_round_trips(roster in rosters()) {
            prop_assert_eq!(Roster::decode(&roster.encode()), Ok(roster));
        }

        /// Whatever byte is changed, added or lost: nothing is read from it that anybody accepts,
        /// and nothing that decodes has a second encoding.
        #[test]
        fn a_changed_roster_is_malformed_or_unsigned(
            roster in rosters(),
            at: prop::sample::Index,
            flip in 1_u8..,
            cut: bool,
        ) {
            let mut bytes = roster.encode();
            let at = at.index(bytes.len());
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] ^= flip;
            }
            let by = administrator().verifying_key().to_bytes();
            if let Ok(read) = Roster::decode(&bytes) {
                prop_assert_eq!(read.encode(), bytes);
                prop_assert!(!read.is_signed("demo", &Shape::xor(1), &by));
            }
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(bytes: Vec<u8>) {
            if let Ok(read) = Roster::decode(&bytes) {
                prop_assert_eq!(read.encode(), bytes);
            }
        }
    }
}
