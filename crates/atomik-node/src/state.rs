use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use atomik_net::{PeerId, hex};
use atomik_replica::{
    Missing, Notice, OpError, OriginId, Overlap, PublicKey, Refusal, Replica, Roster,
};
use atomik_session::Sessions;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::change::Refused;
use crate::credential::public_key_text;
use crate::events::{Events, now};
use crate::link::Link;
use crate::missing;
use crate::peers::{PeerState, Peers};
use crate::proofs;
use crate::text::{fields_json, key_text};
use crate::unsettled::Unsettled;
use crate::watchers::Watchers;

/// How long only handshakes of another secret must arrive, or only nodes of other keyspaces be in
/// sight, before that is reported, in ticks of the sessions: 10 s.
const FOREIGN_TICKS: u64 = 100;

/// What the actor counts itself, beside the counters of the replica and the engine.
pub(crate) struct NodeCounters {
    pub(crate) commits: u64,
    pub(crate) records: u64,
    pub(crate) commit_seconds: Histogram,
    pub(crate) changes_done: u64,
    pub(crate) changes_refused: u64,
}

/// Everything that a query can read.
pub(crate) struct NodeState {
    pub(crate) replica: Replica,
    pub(crate) link: Link,
    pub(crate) sessions: Sessions,
    pub(crate) events: Events,
    pub(crate) peers: Peers,
    pub(crate) counters: NodeCounters,
    /// Changes that wait for their acknowledgement.
    pub(crate) waiting: usize,
    /// Messages dropped because there was no session with the recipient.
    pub(crate) no_session: u64,
    /// The origin under which the replica accepts no more changes ([`Notice::Stopped`]).
    pub(crate) stopped: Option<OriginId>,
    /// When the first handshake arrived that another secret made, in ticks of the sessions, since
    /// there was a session.
    foreign_since: Option<u64>,
    /// Since when there has been no session, in ticks of the sessions.
    alone_since: Option<u64>,
    /// What the operator is to know until it is settled.
    unsettled: Unsettled,
    /// The name under which this node was last on the list of members.
    own_name: Option<String>,
    /// The members' names by public key: those in the configuration, and those on the lists that
    /// have been in force in this run.
    names: BTreeMap<PublicKey, String>,
    /// The data folder, where proofs are written.
    data: Option<PathBuf>,
    watchers: Watchers,
    started: Instant,
}

impl NodeState {
    pub(crate) fn new(
        replica: Replica,
        link: Link,
        sessions: Sessions,
        sync_interval: Duration,
        names: BTreeMap<PublicKey, String>,
        data: Option<PathBuf>,
    ) -> Self {
        let mut state = Self {
            replica,
            link,
            sessions,
            events: Events::default(),
            peers: Peers::new(sync_interval),
            counters: NodeCounters {
                commits: 0,
                records: 0,
                // 0.1 ms to 6.5 s.
                commit_seconds: Histogram::new(exponential_buckets(1e-4, 2.0, 17)),
                changes_done: 0,
                changes_refused: 0,
            },
            waiting: 0,
            no_session: 0,
            stopped: None,
            foreign_since: None,
            alone_since: None,
            unsettled: Unsettled::default(),
            own_name: None,
            names,
            data,
            watchers: Watchers::default(),
            started: Instant::now(),
        };
        state.keep_names();
        let config = state.replica.config();
        let former = config.former_keys.iter();
        let former = former.map(|key| key.verifying_key().to_bytes());
        let mut keys = std::iter::once(config.trust.key()).chain(former);
        let name = keys.find_map(|key| state.member(&key)).map(str::to_owned);
        state.own_name = name;
        state
    }

    /// The node's status. `hash` adds a hash over all states, in time proportional to the keys.
    pub(crate) fn status(&self, hash: bool) -> Json {
        let config = self.replica.config();
        let counters = self.replica.counters();
        let (entries, digest) = self.replica.digest();
        let mut status = json!({
            "origin": self.replica.origin().to_string(),
            "vouched_for": self.replica.is_vouched_for(),
            "keyspace": config.keyspace,
            "words": config.shape.words(),
            "layout": config.shape.to_string(),
            "view": format!("{:?}", config.view).to_lowercase(),
            "uptime_s": self.started.elapsed().as_secs(),
            "engine_open": self.link.is_open(),
            "stopped": self.stopped_text(),
            "attention": self.attention(),
            "keys": self.replica.states().len(),
            "entries": entries,
            "digest": format!("{digest:032x}"),
            "unflushed": self.replica.unflushed(),
            "dirty": self.replica.is_dirty(),
            "sealed": self.replica.is_sealed(),
            "waiting": self.waiting,
            "peers": self.peers.list.len(),
            "peers_in_sync": self.peers.in_sync(),
            "commits": self.counters.commits,
            "changes": counters.changes,
            "published": counters.published,
            "merged": counters.merged,
            "stale": counters.stale,
            "refused": counters.refused,
            "overlaps": counters.overlaps,
            "repaired": counters.repaired,
            "messages_in": counters.messages_in,
            "bytes_in": counters.bytes_in,
            "messages_out": counters.messages_out,
            "bytes_out": counters.bytes_out,
            "dropped": self.link.counters().dropped(),
            "leaving": self.leaving_text(),
            "closings": self.closings_report(),
            "certificate": self.certificate_report(),
            "origins": self.origins_report(),
            "events": self.events.latest(),
        });
        if hash {
            status["states"] = self.states_hash().into();
        }
        status
    }

    /// Why the node accepts no changes, if that is so.
    pub(crate) fn refusal(&self) -> Option<Refused> {
        if let Some(origin) = self.stopped {
            return Some(Refused::Stopped { origin });
        }
        match self.replica.check_active() {
            Err(OpError::Removed { roster }) => {
                Some(self.rotated().unwrap_or(OpError::Removed { roster }.into()))
            }
            Err(error) => Some(error.into()),
            Ok(()) => self.replica.is_convicted().then_some(Refused::Convicted),
        }
    }

    /// The key that this node's member has by now, if it is another one.
    fn next_key(&self) -> Option<PublicKey> {
        let roster = self.replica.roster();
        if roster.contains(&self.replica.config().trust.key()) {
            return None;
        }
        let name = self.own_name.as_ref().filter(|name| !name.is_empty())?;
        let mut members = roster.members().iter();
        let listed = members.find(|listed| listed.name == *name)?;
        // With a former key on the list, the new one has yet to be put there.
        let config = self.replica.config();
        let mut former = config.former_keys.iter();
        let is_former = former.any(|key| key.verifying_key().to_bytes() == listed.key);
        (!is_former).then_some(listed.key)
    }

    /// The refusal of a node whose member has another key by now.
    fn rotated(&self) -> Option<Refused> {
        Some(Refused::Rotated {
            roster: self.replica.roster().number(),
            key: public_key_text(&self.next_key()?),
            name: self.own_name.clone()?,
        })
    }

    /// Why an operator may not hand in this list of members. Of two orders given at once the first
    /// counts here; those that members bring are another matter.
    pub(crate) fn refuse_order(&self, bytes: &[u8]) -> Option<Refused> {
        let (known, own) = (self.replica.roster(), self.replica.config().trust.key());
        // The replica says what is wrong with others.
        let offered = Roster::decode(bytes).ok()?;
        let roster = known.number();
        if offered.number() <= roster && offered.hash() != known.hash() {
            return Some(Refused::OtherOrder { roster });
        }
        let concerns_us = known.contains(&own) || offered.contains(&own);
        (!concerns_us).then_some(Refused::NotAMember { roster })
    }

    /// Why the node accepts no changes and what to do, if that is so.
    pub(crate) fn stopped_text(&self) -> Option<String> {
        self.refusal().map(|refused| refused.to_string())
    }

    /// What the operator is to know until it is settled.
    fn attention(&self) -> Vec<Json> {
        self.unsettled.of(&self.replica)
    }

    fn origins_report(&self) -> Vec<Json> {
        let report = self.replica.origins().map(|status| {
            let frame = status.frame;
            json!({
                "origin": status.origin.to_string(),
                "member": self.member(&status.author.key),
                "frame": frame,
                "quarantined": status.quarantined,
                "retiring": status.retiring,
                "folded": status.folded,
            })
        });
        report.collect()
    }

    /// A hash that is equal for equal states, independent of the order of keys. Keys with state 0
    /// count as absent.
    fn states_hash(&self) -> String {
        let mut sum = [0_u64; 4];
        for (key, state) in self.replica.states().filter(|(_, state)| !state.is_zero()) {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&(key.len() as u64).to_le_bytes()).update(key);
            for word in state.words() {
                hasher.update(&word.to_le_bytes());
            }
            let hash = hasher.finalize();
            for (sum, bytes) in sum.iter_mut().zip(hash.as_bytes().chunks_exact(8)) {
                let bytes = bytes.iter().rev();
                let word = bytes.fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
                *sum = sum.wrapping_add(word);
            }
        }
        sum.iter().map(|word| format!("{word:016x}")).collect()
    }

    /// The name of the member with this key: that on the roster, or else that in the configuration.
    pub(crate) fn member(&self, key: &PublicKey) -> Option<&str> {
        let listed = self.replica.roster().get(key).map(|listed| &*listed.name);
        let named = listed.filter(|name| !name.is_empty());
        named.or_else(|| self.names.get(key).map(String::as_str))
    }

    /// Keeps the names on the list of members, for when their keys are no longer on it.
    fn keep_names(&mut self) {
        let listed = self.replica.roster().members().iter();
        let named = listed.filter(|listed| !listed.name.is_empty());
        self.names
            .extend(named.map(|listed| (listed.key, listed.name.clone())));
    }

    /// Whether a peer has lately agreed on all states and has signed all of its changes that this
    /// node has. If it goes away, nothing of them goes with it.
    pub(crate) fn is_in_sync(&self, peer: &PeerId, state: &PeerState) -> bool {
        self.peers.is_in_sync(state) && !self.replica.shows_unsigned(*peer)
    }

    pub(crate) fn peers_report(&self) -> Vec<Json> {
        let seconds = |at: Instant| (at.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        let report = |(peer, state): (&PeerId, &PeerState)| {
            json!({
                "peer": hex(peer),
                "key": public_key_text(&state.key),
                "member": self.member(&state.key),
                "up_s": seconds(state.since),
                "heard_s": seconds(state.heard),
                "in_sync_s": state.in_sync.map(seconds),
                "in_sync": self.is_in_sync(peer, state),
            })
        };
        self.peers.list.iter().map(report).collect()
    }

    /// Starts a watcher of the keys with this prefix.
    pub(crate) fn watch(&mut self, prefix: Vec<u8>) -> mpsc::Receiver<Json> {
        self.watchers.add(&mut self.replica, prefix)
    }

    pub(crate) fn forget_closed_watchers(&mut self) {
        self.watchers.forget_closed(&mut self.replica);
    }

    /// Passes a notice of the replica to the watchers, the events and the peers.
    #[warn(clippy::wildcard_enum_match_arm)]
    pub(crate) fn notice(&mut self, notice: Notice) {
        let key = match &notice {
            Notice::Changed {
                key,
                state,
                delta,
                origin,
                subscriptions,
            } => {
                let mut line = json!({
                    "event": "changed",
                    "key": key_text(key),
                    "value": state.to_string(),
                    "delta": delta.to_string(),
                    "origin": origin.map(|origin| origin.to_string()),
                    "time": now(),
                });
                if let Some(layout) = self.replica.config().shape.layout() {
                    line["fields"] = fields_json(layout, state);
                    line["delta_fields"] = fields_json(layout, delta);
                }
                self.watchers.send(&line, |watcher| {
                    subscriptions.contains(&watcher.subscription)
                });
                return;
            }
            Notice::InSync { from } => {
                self.peers.agreed(from);
                if let Some(peer) = self.peers.list.get(from) {
                    self.unsettled.agreed(peer.key, &self.replica);
                }
                return;
            }
            Notice::Missing(missing) => return self.keep_missing(missing),
            // The replica repeats it with every message that it cannot take.
            Notice::Stopped { .. } if self.stopped.is_some() => return,
            Notice::Stopped { origin } => {
                self.stopped = Some(*origin);
                None
            }
            Notice::Overlap(Overlap { key, .. }) | Notice::SecondWriter { key, .. } => Some(key),
            Notice::Refused { .. }
            | Notice::MemoryLost { .. }
            | Notice::KeyInUse { .. }
            | Notice::Roster { .. }
            | Notice::TwoRosters { .. }
            | Notice::Misconduct { .. }
            | Notice::TwoStatements { .. }
            | Notice::Folded(_)
            | Notice::BaseAdopted { .. }
            | Notice::BaseDiverged { .. } => None,
            _ => None,
        };
        if matches!(notice, Notice::Roster { .. }) {
            self.keep_names();
        }
        let file = self.keep_proof(&notice);
        let line = self
            .events
            .record(&notice, file.as_deref(), self.replica.config().view);
        self.unsettled.add(&notice, &line);
        // Events about no key go to all watchers.
        let wants = |prefix: &[u8]| key.is_none_or(|key| key.starts_with(prefix));
        self.watchers.send(&line, |watcher| wants(&watcher.prefix));
        self.tell_own(&notice);
    }

    /// Reports that this node itself was removed, got another key or is convicted.
    fn tell_own(&mut self, notice: &Notice) {
        let own = self.replica.config().trust.key();
        let kind = match notice {
            Notice::Roster { removed, .. } if removed.contains(&own) => "removed",
            // Its key was replaced once more.
            Notice::Roster { added, .. }
                if self.next_key().is_some_and(|key| added.contains(&key)) =>
            {
                "removed"
            }
            Notice::Misconduct { key } if *key == own => "convicted",
            Notice::Roster { .. } => {
                let name = self.member(&own).map(str::to_owned);
                self.own_name = name.or(self.own_name.take());
                return;
            }
            _ => return,
        };
        if let Some(text) = self.stopped_text() {
            let line = self.events.own(kind, &text);
            self.watchers.send(&line, |_| true);
        }
        if kind == "removed" {
            self.check_stranded();
        }
    }

    /// Reports what the start has found that may have been lost.
    pub(crate) fn started_with_less(&mut self, text: &str) {
        let line = self.events.own("new_origin", text);
        self.unsettled.lost(line);
    }

    /// Writes changes that the members' base lacks to files, before they are gone from the store.
    fn keep_missing(&mut self, missing: &[Missing]) {
        let text = missing::text(missing);
        let shape = &self.replica.config().shape;
        let written = self
            .data
            .as_ref()
            .map_or(Ok(Vec::new()), |data| missing::write(data, missing, shape));
        let (text, files) = match written {
            Ok(files) if files.is_empty() => (text, files),
            Ok(files) => (format!("{text}; {}", missing::next_step(&files)), files),
            Err(error) => {
                let text = format!(
                    "{text}; they could not be written to a file in the data folder ({error}): to \
                     see them, restore the folder from a backup made before this node was added \
                     again"
                );
                (text, Vec::new())
            }
        };
        let line = self.events.own("missing", &text);
        self.unsettled.missing(files, line.clone());
        self.watchers.send(&line, |_| true);
    }

    /// Reports changes that no member has, at a start: those in files that the operator has left,
    /// and those of a node that was removed.
    pub(crate) fn check_missing(&mut self) {
        let files = self.data.as_deref().map(missing::files);
        let files = files.unwrap_or_default();
        if !files.is_empty() {
            let next = missing::next_step(&files);
            let text = format!("changes that had reached no member are in files: {next}");
            let line = self.events.own("missing", &text);
            self.unsettled.missing(files, line);
        }
        self.check_stranded();
    }

    /// Reports what a node that is off the list may hold alone.
    fn check_stranded(&mut self) {
        let keys = self.replica.stranded();
        // With another key it hands it on itself.
        if keys == 0 || self.next_key().is_some() {
            return;
        }
        let text = format!(
            "this node is off the list of members and holds its own changes of {keys} keys: those \
             that had reached no member exist only here; keep its data folder (atomik node list \
             shows the values); if it is added again with this folder, it writes what members lack \
             to a file there"
        );
        let line = self.events.own("stranded", &text);
        self.unsettled.stranded(line.clone());
        self.watchers.send(&line, |_| true);
    }

    /// Reports changes that this node cannot hand on, if there are any.
    pub(crate) fn check_former_keys(&mut self) {
        let Some(key) = self.replica.missing_key() else {
            return;
        };
        let key = public_key_text(&key);
        let text = format!(
            "this node made changes under its former key {key}, and cannot hand them to members \
             that lack them without the file of that key: put it in the data folder as former.key \
             (former-2.key if there is one), or name it with `former_key`, and start the node again"
        );
        let line = self.events.own("former_key", &text);
        self.unsettled.lost(line);
    }

    /// Takes note of a session with a peer.
    pub(crate) fn peer_up(&mut self, address: PeerId, key: PublicKey) {
        self.peers.add(address, key);
        self.unsettled.met(key);
        self.foreign_since = None;
    }

    /// Takes note, at `now` ticks, of a handshake that another secret made. Reports it once it has
    /// gone on for a while and there is no session.
    pub(crate) fn foreign_handshake(&mut self, now: u64) {
        if !self.peers.list.is_empty() {
            return;
        }
        let since = *self.foreign_since.get_or_insert(now);
        if now - since < FOREIGN_TICKS || self.unsettled.is_without_session() {
            return;
        }
        let text = "no session with any member: the handshakes that arrive were not made with this \
                    node's secret for this keyspace; give all members the same keyspace.secret, \
                    and restart those that have another";
        let line = self.events.own("no_session", text);
        self.unsettled.without_session(line.clone());
        self.watchers.send(&line, |_| true);
    }

    /// Looks, at `now` ticks, for nodes of other keyspaces while there is no session. Reports them
    /// once no node of this keyspace has been in sight for a while.
    pub(crate) fn look_around(&mut self, now: u64) {
        if !self.peers.list.is_empty() {
            self.alone_since = None;
            return;
        }
        let since = *self.alone_since.get_or_insert(now);
        let is_only = self.replica.roster().members().len() <= 1;
        if now - since < FOREIGN_TICKS || is_only || self.unsettled.is_without_session() {
            return;
        }
        let others = self.link.only_others();
        if others.is_empty() {
            return;
        }
        let others: Vec<&str> = others.iter().map(|other| other.as_str()).collect();
        let text = format!(
            "no session with any member: no node of keyspace {} is in sight, but of {}; if they \
             are to be members, or this node one of theirs, set the same `keyspace` on all and \
             restart those that had another; otherwise wait for the members",
            self.replica.config().keyspace,
            others.join(", ")
        );
        let line = self.events.own("no_session", &text);
        self.unsettled.without_session(line.clone());
        self.watchers.send(&line, |_| true);
    }

    /// Passes the refusal of a peer, or by a peer, to the events and all watchers.
    pub(crate) fn peer_refused(
        &mut self,
        from: &PeerId,
        key: &PublicKey,
        reason: atomik_session::Refusal,
    ) {
        let who = self.name_of(key);
        let line = self.events.peer_refused(from, key, &who, reason);
        match reason {
            atomik_session::Refusal::ByPeer => self.unsettled.refused_by(*key, line.clone()),
            atomik_session::Refusal::KeyInUse => self.unsettled.while_repeated(line.clone()),
            _ => {}
        }
        self.watchers.send(&line, |_| true);
    }

    /// Reports that a peer has met another process with this node's key and address.
    pub(crate) fn key_in_use(&mut self, by: &PeerId, key: &PublicKey, kept: bool) {
        let who = self.name_of(key);
        let line = self.events.key_in_use(by, key, &who, kept);
        self.unsettled.while_repeated(line.clone());
        self.watchers.send(&line, |_| true);
    }

    /// Writes the proof that came with a refusal to a file in the data folder.
    fn keep_proof(&self, notice: &Notice) -> Option<PathBuf> {
        let Notice::Refused {
            reason:
                Refusal::Equivocation {
                    origin,
                    proof: Some(proof),
                    ..
                },
            ..
        } = notice
        else {
            return None;
        };
        match proofs::write(self.data.as_ref()?, *origin, proof) {
            Ok(file) => {
                let file_name = file.display().to_string();
                tracing::error!(%origin, file = file_name, "a member is dishonest or runs twice");
                Some(file)
            }
            Err(error) => {
                tracing::error!(%origin, %error, "cannot keep the proof against a member");
                None
            }
        }
    }
}
