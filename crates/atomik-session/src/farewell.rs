//! What two replicas say to each other of which one refuses the other: the newer of the lists that
//! they have the members from. One of them may have missed a change of the members.
//!
//! It travels in goodbyes, on the keys of the handshake that was refused. Nothing else does, and
//! what is lost comes with the next handshake.
//!
//! | content of a goodbye | meaning |
//! |---|---|
//! | 1 | the recipient is [not a member](crate::packet::NOT_A_MEMBER) |
//! | 2, rank (40) | the sender has this list |
//! | 3 | the sender has no list, or an older one: send yours |
//! | 4, number, last, bytes | part of a list; `last` is 1 for the last one, 0 for others |
//!
//! With 5, a goodbye refuses [a second process of one key](crate::packet::IN_USE).

use crate::config::{List, MAX_LIST, MAX_PART, RANK};
use crate::packet::{Kind, NOT_A_MEMBER};
use crate::session::Session;

const HAVE: u8 = 2;
const WANTED: u8 = 3;
const PART: u8 = 4;

/// A session that carries nothing but goodbyes, because one side refuses the other.
pub(crate) struct Farewell {
    pub(crate) session: Session,
    /// The other side has said that it refuses this replica. It is answered once.
    refused: bool,
    /// The list was sent. It is not sent again.
    sent: bool,
    /// The parts of the other side's list that have arrived.
    parts: u8,
    received: Vec<u8>,
}

/// What the other side wants or has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It refuses this replica.
    NotAMember,
    /// It has the list with this rank.
    Have([u8; RANK]),
    /// It wants this replica's list.
    Wanted,
    /// This is its list.
    List(Vec<u8>),
}

impl Farewell {
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session,
            refused: false,
            sent: false,
            parts: 0,
            received: Vec::new(),
        }
    }

    /// Reads the content of a goodbye; `None` if nothing is to be done.
    pub(crate) fn read(&mut self, content: &[u8]) -> Option<Said> {
        match content {
            NOT_A_MEMBER if core::mem::replace(&mut self.refused, true) => None,
            NOT_A_MEMBER => Some(Said::NotAMember),
            [HAVE, rank @ ..] => Some(Said::Have(rank.try_into().ok()?)),
            [WANTED] => Some(Said::Wanted),
            // Parts out of order are lost.
            [PART, number, last, bytes @ ..] if *number == self.parts => {
                self.parts = self.parts.checked_add(1)?;
                if self.received.len() + bytes.len() > MAX_LIST {
                    return None;
                }
                self.received.extend_from_slice(bytes);
                (*last == 1).then(|| Said::List(core::mem::take(&mut self.received)))
            }
            _ => None,
        }
    }

    /// The packet with which this side refuses the other.
    pub(crate) fn refuse(&mut self) -> Option<Vec<u8>> {
        self.session.seal(Kind::Bye, NOT_A_MEMBER)
    }

    /// The answer to a refusal: which list this side has, or that it has none.
    pub(crate) fn answer(&mut self, list: Option<[u8; RANK]>) -> Option<Vec<u8>> {
        match list {
            Some(rank) => {
                let content = [&[HAVE], &rank[..]].concat();
                self.session.seal(Kind::Bye, &content)
            }
            None => self.want(),
        }
    }

    /// The packet that asks for the other side's list.
    pub(crate) fn want(&mut self) -> Option<Vec<u8>> {
        self.session.seal(Kind::Bye, &[WANTED])
    }

    /// The packets with this side's list; none if it was sent.
    pub(crate) fn tell(&mut self, list: &List) -> Vec<Vec<u8>> {
        if core::mem::replace(&mut self.sent, true) || list.bytes.len() > MAX_LIST {
            return Vec::new();
        }
        let parts = list.bytes.chunks(MAX_PART);
        let last = parts.len().saturating_sub(1);
        let packets = parts.zip(0_u8..).filter_map(|(bytes, number)| {
            let is_last = u8::from(usize::from(number) == last);
            let content = [&[PART, number, is_last], bytes].concat();
            self.session.seal(Kind::Bye, &content)
        });
        packets.collect()
    }
}

/// The rank of a list, or of none.
pub(crate) fn rank(list: Option<&List>) -> [u8; RANK] {
    list.map_or([0; RANK], |list| list.rank)
}
