//! The report about the members.

use std::collections::{BTreeMap, BTreeSet};

use atomik_net::PeerId;
use atomik_replica::PublicKey;
use serde_json::{Value as Json, json};

use crate::credential::public_key_text;
use crate::peers::PeerState;
use crate::state::NodeState;
use crate::text::bytes_text;

impl NodeState {
    /// The list of members, with what the administrator's tools need to make the next list and an
    /// invitation.
    pub(crate) fn members_report(&self) -> Json {
        let (config, roster) = (self.replica.config(), self.replica.roster());
        let own = config.trust.key();
        let peers = self.peers.list.iter();
        let up: BTreeMap<PublicKey, (&PeerId, &PeerState)> =
            peers.map(|peer| (peer.1.key, peer)).collect();
        let peers = self.peers.list.iter();
        let heard = peers.filter(|(peer, _)| self.replica.shares_roster(**peer));
        let heard: BTreeSet<PublicKey> = heard.map(|(_, state)| state.key).collect();
        let cause = self.causes();
        let member = |key: &PublicKey, since: u64| {
            let peer = up.get(key).copied();
            let agreed = peer.and_then(|(_, state)| state.in_sync);
            let agreed = agreed.map(|at| (at.elapsed().as_secs_f64() * 1000.0).round() / 1000.0);
            let refusal = peer.and_then(|(peer, _)| self.replica.roster_refusal(*peer));
            json!({
                "name": self.member(key),
                "key": public_key_text(key),
                "since": since,
                "this": *key == own,
                "up": peer.is_some(),
                "has_list": *key == own || heard.contains(key),
                "refuses_list": refusal.map(|reason| reason.to_string()),
                "in_sync": peer.is_some_and(|(peer, state)| self.is_in_sync(peer, state)),
                "in_sync_s": agreed,
                "cause": cause(key, since),
            })
        };
        let members = roster.members().iter();
        let members: Vec<Json> = members
            .map(|listed| member(&listed.key, listed.since))
            .collect();
        let founders = config.trust.allowed().iter();
        let founders: Vec<Json> = founders
            .map(|key| json!({"name": self.member(key), "key": public_key_text(key)}))
            .collect();
        json!({
            "ok": true,
            "number": roster.number(),
            "members": members,
            "leaving": self.leaving_text(),
            "closings": self.closings_report(),
            "certificate": self.certificate_report(),
            "roster": bytes_text(&roster.encode()),
            "administrator": config.administrator.map(|key| public_key_text(&key)),
            "keyspace": config.keyspace,
            "words": config.shape.words(),
            "layout": config.shape.layout().map(ToString::to_string),
            "view": format!("{:?}", config.view).to_lowercase(),
            "engine": self.link.engine(),
            "sync_interval_ms": self.peers.sync_interval().as_millis() as u64,
            "founders": founders,
        })
    }
}
