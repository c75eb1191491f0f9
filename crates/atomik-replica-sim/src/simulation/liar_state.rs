//! A dishonest member: copies of its replica, and what it has seen.

use std::rc::Rc;

use atomik_replica::Replica;
use atomik_session::Sessions;

/// Messages that it keeps.
const MOST_SEEN: usize = 64;

/// A member with a key of its own and the keyspace's secret.
pub(crate) struct Liar {
    /// Its replica, which takes part like others, and copies that only write.
    pub(crate) copies: Vec<Replica>,
    /// Messages that it got or sent, recent ones and some old ones.
    pub(crate) seen: Vec<Rc<[u8]>>,
    /// How many replicas it has opened.
    pub(crate) opened: u64,
    /// How many lies it has told.
    pub(crate) lies: u64,
    /// Sessions in the name of another member.
    pub(crate) impostor: Option<Sessions>,
}

impl Liar {
    pub(crate) fn new(replica: Replica) -> Self {
        Self {
            copies: vec![replica],
            seen: Vec::new(),
            opened: 1,
            lies: 0,
            impostor: None,
        }
    }

    /// Keeps a message.
    pub(crate) fn see(&mut self, message: Rc<[u8]>) {
        if self.seen.len() == MOST_SEEN {
            // Every fourth place keeps what it has got for longer.
            let hash = message
                .iter()
                .fold(0, |sum: usize, byte| sum + usize::from(*byte));
            let oldest = if hash.is_multiple_of(4) {
                0
            } else {
                MOST_SEEN / 4
            };
            self.seen.remove(oldest);
        }
        self.seen.push(message);
    }
}
