//! What the operator is to know until it is settled: the events about it may be followed by many.

use std::collections::BTreeSet;
use std::path::PathBuf;

use atomik_replica::{Notice, OriginId, PublicKey, Refusal, Replica, RosterError};
use serde_json::Value as Json;
use tokio::time::{Duration, Instant};

/// Number of concerns that are kept.
const KEPT: usize = 100;

/// How long a concern is kept that was not repeated. Sessions repeat theirs after 60 to 76 s.
const REPEATED: Duration = Duration::from_secs(150);

/// What settles a concern.
#[derive(Debug)]
enum Until {
    /// Each member has agreed with this node on all states since; those that have so far.
    Agreement(BTreeSet<PublicKey>),
    /// The key of this origin has a later life, or the origin's life is over.
    NewLife(OriginId),
    /// A session with this key.
    Session(PublicKey),
    /// A session with any peer has come up.
    AnySession,
    /// This node's key is on the list of members.
    Listed,
    /// None of these files is there any more.
    Moved(Vec<PathBuf>),
    /// This time, unless it is repeated before.
    Quiet(Instant),
    /// A restart.
    Restart,
}

/// Events that matter until they are settled.
#[derive(Debug, Default)]
pub(crate) struct Unsettled(Vec<(Until, Json)>);

impl Unsettled {
    /// Keeps the event of a notice if the operator is to know of it until it is settled.
    pub(crate) fn add(&mut self, notice: &Notice, event: &Json) {
        let until = match notice {
            Notice::MemoryLost { .. }
            | Notice::Refused {
                reason: Refusal::Layout { .. } | Refusal::Roster(RosterError::NotSigned { .. }),
                ..
            } => Until::Agreement(BTreeSet::new()),
            Notice::KeyInUse { .. } | Notice::Stopped { .. } => Until::Restart,
            Notice::Refused {
                reason: Refusal::Forked { origin },
                ..
            } => Until::NewLife(*origin),
            _ => return,
        };
        let is_known = |(known, _): &(Until, Json)| match (known, &until) {
            (Until::NewLife(known), Until::NewLife(origin)) => known == origin,
            _ => false,
        };
        // Members that are configured differently refuse each other again and again.
        let is_same = |(_, known): &(Until, Json)| known["text"] == event["text"];
        let repeats = matches!(notice, Notice::Refused { .. }) && self.0.iter().any(is_same);
        if !repeats && !self.0.iter().any(is_known) && self.0.len() < KEPT {
            self.0.push((until, event.clone()));
        }
    }

    /// Keeps an event about something that is lost, unless members have it.
    pub(crate) fn lost(&mut self, event: Json) {
        self.0.push((Until::Agreement(BTreeSet::new()), event));
    }

    /// Keeps an event about changes that members lack, until none of these files is there any more.
    pub(crate) fn missing(&mut self, files: Vec<PathBuf>, event: Json) {
        let until = if files.is_empty() {
            Until::Restart
        } else {
            Until::Moved(files)
        };
        self.0.push((until, event));
    }

    /// Keeps an event about what a node holds that is off the list of members.
    pub(crate) fn stranded(&mut self, event: Json) {
        let is_former = |(until, _): &(Until, Json)| matches!(until, Until::Listed);
        self.0.retain(|kept| !is_former(kept));
        self.0.push((Until::Listed, event));
    }

    /// Keeps an event about this node having no session.
    pub(crate) fn without_session(&mut self, event: Json) {
        self.0.push((Until::AnySession, event));
    }

    /// Whether an event about this node having no session is kept.
    pub(crate) fn is_without_session(&self) -> bool {
        let mut all = self.0.iter();
        all.any(|(until, _)| matches!(until, Until::AnySession))
    }

    /// Keeps an event about a member that refuses this node.
    pub(crate) fn refused_by(&mut self, key: PublicKey, event: Json) {
        self.met(key);
        if self.0.len() < KEPT {
            self.0.push((Until::Session(key), event));
        }
    }

    /// Keeps an event as long as it is repeated.
    pub(crate) fn while_repeated(&mut self, event: Json) {
        let now = Instant::now();
        self.0.retain(|(until, known)| match until {
            Until::Quiet(end) => *end > now && known["text"] != event["text"],
            _ => true,
        });
        if self.0.len() < KEPT {
            self.0.push((Until::Quiet(now + REPEATED), event));
        }
    }

    /// Takes note that a session with this key has come up.
    pub(crate) fn met(&mut self, key: PublicKey) {
        let is_about = |until: &Until| match until {
            Until::Session(about) => *about == key,
            Until::AnySession => true,
            _ => false,
        };
        self.0.retain(|(until, _)| !is_about(until));
    }

    /// Takes note that this node and the member with this key have the same states.
    pub(crate) fn agreed(&mut self, key: PublicKey, replica: &Replica) {
        self.0.retain_mut(|(until, _)| match until {
            Until::Agreement(members) => {
                members.insert(key);
                !have_all_agreed(members, replica)
            }
            _ => true,
        });
    }

    /// The events that are not settled, oldest first.
    pub(crate) fn of(&self, replica: &Replica) -> Vec<Json> {
        let own = replica.config().trust.key();
        let open = self.0.iter().filter(|(until, _)| match until {
            Until::Agreement(members) => !have_all_agreed(members, replica),
            Until::NewLife(origin) => !has_moved_on(*origin, replica),
            // Once this node knows that it was removed, it says so itself.
            Until::Session(key) => {
                let roster = replica.roster();
                roster.get(key).is_some() && roster.get(&own).is_some()
            }
            Until::Listed => replica.roster().get(&own).is_none(),
            Until::Moved(files) => files.iter().any(|file| file.exists()),
            Until::Quiet(end) => *end > Instant::now(),
            Until::AnySession | Until::Restart => true,
        });
        open.map(|(_, event)| event.clone()).collect()
    }
}

/// Whether these are all other members.
fn have_all_agreed(members: &BTreeSet<PublicKey>, replica: &Replica) -> bool {
    let own = replica.config().trust.key();
    let mut keys = replica.roster().keys();
    keys.all(|key| *key == own || members.contains(key))
}

/// Whether an origin makes no more changes: its life is over, or its key has a later one.
fn has_moved_on(origin: OriginId, replica: &Replica) -> bool {
    let Some(known) = replica.origins().find(|status| status.origin == origin) else {
        return false;
    };
    let (key, life) = (known.author.key, known.author.life());
    known.retiring
        || replica
            .origins()
            .any(|status| status.author.key == key && status.author.life() > life)
}
