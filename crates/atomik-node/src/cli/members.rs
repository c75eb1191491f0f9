//! The commands that list and change the members. The administrator's key stays in this process:
//! the node receives only the signed list.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use atomik_node::client::Client;
use atomik_node::credential::{
    CredentialError, parse_digits, parse_public_key, public_key_text, read_key, read_secret,
    secret_file,
};
use atomik_node::invitation::{Invitation, InvitationError, check_endpoints, write_new};
use atomik_node::member::{Administrator, Member};
use atomik_node::options::{DEFAULT_SYNC_INTERVAL_MS, EngineKind, LayoutName, ViewName};
use atomik_node::replica::{Layout, PublicKey, Roster, Shape};
use atomik_node::text::{bytes_text, parse_bytes};
use atomik_node_options::command::{InviteArgs, NodeArgs, Signer};
use atomik_terminal::Status;
use clap::ValueEnum as _;
use ed25519_dalek::SigningKey;
use serde_json::{Value as Json, json};

use super::answers::{closings, lines, text};
use super::ask::{Ask as _, print_line};
use super::failure::NodeFailure;
use super::members_error::MembersError;

/// How long a connected member may take to say that it has a list. One that has died without a
/// goodbye is connected for 10 s.
const CONFIRMING: Duration = Duration::from_secs(20);

/// The pause between two questions whether they have.
const ASKING: Duration = Duration::from_millis(100);

/// The members as a node knows them, and the key of their administrator.
struct Members {
    administrator: SigningKey,
    client: Client,
    answer: Json,
    roster: Roster,
    keyspace: String,
    shape: Shape,
}

impl Members {
    /// Asks the node, and reads the key.
    fn ask(node: &NodeArgs, signer: &Signer) -> Result<Self, NodeFailure> {
        let mut client = node.client()?;
        let (answer, roster) = ask(&mut client)?;
        let lacks = |what| MembersError::Answer { what };
        let keyspace = answer["keyspace"].as_str().ok_or(lacks("keyspace"))?;
        let words = answer["words"].as_u64().ok_or(lacks("words"))?;
        let words = usize::try_from(words).map_err(|_| lacks("words"))?;
        let layout = answer["layout"].as_str().map(str::parse::<Layout>);
        let layout = layout.transpose().map_err(|_| lacks("layout"))?;
        let wanted = member_key(&answer["administrator"]).ok_or(MembersError::NoAdministrator)?;
        let administrator = read_key(&signer.sign_with).map_err(|error| match error {
            CredentialError::Missing { path, .. } => MembersError::NoSigner { path }.into(),
            error => NodeFailure::from(error),
        })?;
        if listed(&answer).all(|member| member["this"] != true) {
            let number = roster.number();
            return Err(MembersError::NotAMember { number }.into());
        }
        let own = administrator.verifying_key().to_bytes();
        if own != wanted {
            return Err(MembersError::OtherAdministrator {
                path: signer.sign_with.clone(),
                own: public_key_text(&own),
                administrator: public_key_text(&wanted),
            }
            .into());
        }
        Ok(Self {
            administrator,
            keyspace: keyspace.to_owned(),
            shape: layout.map_or(Shape::xor(words), Shape::from),
            client,
            answer,
            roster,
        })
    }

    /// The current roster with names from the configuration where it has none.
    fn named(&self) -> Result<Roster, MembersError> {
        let mut roster = self.roster.clone();
        for member in listed(&self.answer) {
            let (key, name) = (member_key(&member["key"]), member["name"].as_str());
            let (Some(key), Some(name)) = (key, name) else {
                continue;
            };
            if roster
                .get(&key)
                .is_some_and(|listed| listed.name.is_empty())
            {
                roster = roster.rename(&key, name)?;
            }
        }
        Ok(roster)
    }

    /// The key of the member with this name or key.
    fn find(&self, text: &str) -> Result<PublicKey, MembersError> {
        let roster = self.named()?;
        let key = parse_digits(text);
        let mut members = roster.members().iter();
        let found = members.find(|listed| Some(listed.key) == key || listed.name == text);
        found
            .map(|listed| listed.key)
            .ok_or(MembersError::NoMember {
                text: text.to_owned(),
            })
    }

    /// Signs a roster, hands it to the node, and waits until all members that the node sees have
    /// it. `counts` tells whether a roster contains the requested change. Returns the roster in
    /// force.
    fn sign(
        &mut self,
        next: Roster,
        counts: impl Fn(&Roster) -> bool,
    ) -> Result<Roster, NodeFailure> {
        let signed = next.sign(&self.keyspace, &self.shape, &self.administrator);
        let roster = bytes_text(&signed.encode());
        let handed = self.client.ask(&json!({"op": "roster", "roster": roster}));
        let begun = Instant::now();
        loop {
            let (answer, roster) = ask(&mut self.client)?;
            if roster.number() < signed.number() {
                handed?;
                return Err(MembersError::OtherOrder.into());
            }
            // Another command may have done the same.
            if !counts(&roster) {
                return Err(MembersError::OtherOrder.into());
            }
            let lacking = |member: &&Json| member["up"] == true && member["has_list"] != true;
            let (refusing, unconfirmed): (Vec<&Json>, Vec<&Json>) = listed(&answer)
                .filter(lacking)
                .partition(|member| member["refuses_list"].is_string());
            if unconfirmed.is_empty() && !refusing.is_empty() {
                let reason =
                    |member| format!("{}: {}", name(member), text(&member["refuses_list"]));
                let members: Vec<String> = refusing.into_iter().map(reason).collect();
                return Err(MembersError::Refused {
                    number: roster.number(),
                    members: members.join("; "),
                }
                .into());
            }
            if unconfirmed.is_empty() {
                self.answer = answer;
                return Ok(roster);
            }
            if begun.elapsed() > CONFIRMING {
                let members: Vec<String> =
                    refusing.into_iter().chain(unconfirmed).map(name).collect();
                return Err(MembersError::Unconfirmed {
                    number: roster.number(),
                    members: members.join(", "),
                    seconds: CONFIRMING.as_secs(),
                }
                .into());
            }
            thread::sleep(ASKING);
        }
    }

    /// Leaves out a member that hears of the newest roster in another way.
    fn forget(&mut self, key: &PublicKey) {
        if let Some(members) = self.answer["members"].as_array_mut() {
            members.retain(|member| member_key(&member["key"]) != Some(*key));
        }
    }

    /// What to say of the members that have not heard of the newest roster; empty if all have.
    fn unheard(&self) -> String {
        let unheard = listed(&self.answer).filter(|member| member["has_list"] != true);
        let unheard: Vec<String> = unheard.map(name).collect();
        if unheard.is_empty() {
            return String::new();
        }
        format!(
            "not heard of it yet: {}, which this node does not see: they get the list from the \
             first member that they meet; a change of the members made there before that may \
             win",
            unheard.join(", ")
        )
    }

    /// The engine of the node that was asked, if options can name it.
    fn engine(&self) -> Option<EngineKind> {
        let engine = self.answer["engine"].as_str();
        engine.and_then(|engine| EngineKind::from_str(engine, true).ok())
    }

    fn invitation(&self, key: PublicKey, roster: &Roster) -> Result<Invitation, MembersError> {
        let lacks = |what| MembersError::Answer { what };
        let named = |what: &'static str| self.answer[what].as_str().ok_or(lacks(what));
        let founders = self.answer["founders"].as_array().into_iter().flatten();
        let founders = founders.map(|founder| {
            let key = member_key(&founder["key"]).ok_or(lacks("founders"))?;
            let name = founder["name"].as_str().map(str::to_owned);
            // No name is a whole key.
            let name = name.unwrap_or_else(|| public_key_text(&key).chars().take(16).collect());
            Ok(Member { name, key })
        });
        let layout = self.shape.layout().copied().map(LayoutName);
        Ok(Invitation {
            key,
            keyspace: self.keyspace.parse().map_err(|_| lacks("keyspace"))?,
            words: layout.is_none().then_some(self.shape.words()),
            layout,
            view: ViewName::from_str(named("view")?, true).map_err(|_| lacks("view"))?,
            administrator: Administrator(self.administrator.verifying_key().to_bytes()),
            engine: self.engine(),
            sync_interval_ms: self.answer["sync_interval_ms"]
                .as_u64()
                .filter(|millis| *millis != DEFAULT_SYNC_INTERVAL_MS),
            connect: Vec::new(),
            roster: bytes_text(&roster.encode()),
            secret: None,
            founders: founders.collect::<Result<_, MembersError>>()?,
        })
    }
}

/// Asks a node for its members and the roster with them.
fn ask(client: &mut Client) -> Result<(Json, Roster), NodeFailure> {
    let answer = client.ask(&json!({"op": "members"}))?;
    let bytes = answer["roster"].as_str().and_then(parse_bytes);
    let bytes = bytes.ok_or(MembersError::Answer { what: "roster" })?;
    let roster = Roster::decode(&bytes).map_err(MembersError::from)?;
    Ok((answer, roster))
}

/// The members in an answer.
fn listed(answer: &Json) -> impl Iterator<Item = &Json> {
    answer["members"].as_array().into_iter().flatten()
}

/// The name of a member, or its key.
fn name(member: &Json) -> String {
    let name = member["name"].as_str().map(str::to_owned);
    name.unwrap_or_else(|| text(&member["key"]))
}

fn member_key(text: &Json) -> Option<PublicKey> {
    text.as_str().and_then(parse_digits)
}

/// Prints the members.
pub(super) fn list(node: &NodeArgs) -> Result<Status, NodeFailure> {
    node.ask(json!({"op": "members"}), |answer| {
        let members = lines(&answer["members"], |member| {
            let state = match (&member["this"], &member["up"], &member["in_sync"]) {
                (Json::Bool(true), ..) => "this node",
                (_, Json::Bool(true), Json::Bool(true)) => "in sync",
                (_, Json::Bool(true), _) => "up",
                _ => "not seen",
            };
            let state = match member["refuses_list"].as_str() {
                Some(reason) => format!("{state}, does not take this list: {reason}"),
                None => state.to_owned(),
            };
            let name = member["name"].as_str().unwrap_or("?");
            let (key, since) = (text(&member["key"]), &member["since"]);
            let cause = member["cause"].as_str();
            let left = cause.map_or_else(String::new, |cause| format!(", {cause}"));
            format!("{name:16} {key}  since {since}  {state}{left}")
        });
        let mut parts = vec![format!("list {}\n{members}", answer["number"])];
        parts.extend(answer["leaving"].as_str().map(str::to_owned));
        parts.push(closings(answer));
        parts.retain(|part| !part.is_empty());
        parts.join("\n")
    })
}

/// Adds a member, and writes the invitation with which it joins.
pub(super) fn invite(
    node: &NodeArgs,
    signer: &Signer,
    invite: InviteArgs,
) -> Result<Status, NodeFailure> {
    if invite.with_secret && invite.out.is_none() {
        return Err(MembersError::SecretPrinted.into());
    }
    let secret = match (invite.with_secret, invite.secret, node.data.as_deref()) {
        (false, ..) => None,
        (true, Some(file), _) => Some(read_secret(&file)?),
        (true, None, data) => Some(read_secret(&secret_file(data.unwrap_or(Path::new(""))))?),
    };
    if let Some(path) = invite.out.as_ref().filter(|path| path.exists()) {
        let path = path.clone();
        return Err(MembersError::from(InvitationError::Exists { path }).into());
    }
    let mut members = Members::ask(node, signer)?;
    check_endpoints(members.engine(), &invite.connect).map_err(MembersError::from)?;
    let Member { name, key } = invite.member;
    let is_listed = |roster: &Roster| {
        let listed = roster.get(&key).map(|listed| &*listed.name);
        roster.number() > 0 && listed == Some(&*name)
    };
    let roster = if is_listed(&members.roster) {
        // Invited already: the same roster makes another copy of the invitation.
        members.roster.clone()
    } else {
        let next = members
            .named()?
            .add(key, &name)
            .map_err(MembersError::from)?;
        members.sign(next, is_listed)?
    };
    // Whoever is invited gets it with the invitation.
    members.forget(&key);
    let unheard = members.unheard();
    let mut invitation = members.invitation(key, &roster)?;
    invitation.connect = invite.connect;
    invitation.secret = secret.map(|secret| public_key_text(&secret));
    match &invite.out {
        None => {
            print_line(&invitation.text())?;
            if !unheard.is_empty() {
                print_line(&format!("# {unheard}"))?;
            }
        }
        Some(path) => {
            write_new(path, &invitation.text()).map_err(MembersError::from)?;
            print_line(&format!(
                "{name} is on list {}: copy {} to it, and run `atomik-node join` there",
                roster.number(),
                path.display()
            ))?;
            print_line(&unheard)?;
        }
    }
    Ok(Status::Done)
}

/// Removes a member.
pub(super) fn remove(
    node: &NodeArgs,
    signer: &Signer,
    member: &str,
) -> Result<Status, NodeFailure> {
    let mut members = Members::ask(node, signer)?;
    let key = members.find(member)?;
    let next = members.named()?.remove(&key).map_err(MembersError::from)?;
    let next = members.sign(next, |roster| !roster.contains(&key))?;
    print_line(&format!("{member} is not on list {}", next.number()))?;
    print_line(&members.unheard())?;
    Ok(Status::Done)
}

/// Replaces a member's key.
pub(super) fn rotate(
    node: &NodeArgs,
    signer: &Signer,
    old: &str,
    new: &str,
) -> Result<Status, NodeFailure> {
    let new = parse_public_key(new).map_err(MembersError::from)?;
    let mut members = Members::ask(node, signer)?;
    let key = members.find(old)?;
    if key == new {
        let member = old.to_owned();
        return Err(MembersError::SameKey { member }.into());
    }
    let next = members
        .named()?
        .rotate(&key, new)
        .map_err(MembersError::from)?;
    let counts = |roster: &Roster| roster.contains(&new) && !roster.contains(&key);
    let next = members.sign(next, counts)?;
    print_line(&format!("{old} has a new key on list {}", next.number()))?;
    members.forget(&new);
    print_line(&members.unheard())?;
    Ok(Status::Done)
}

/// Retires the node.
pub(super) fn retire(node: &NodeArgs) -> Result<Status, NodeFailure> {
    let answer = node.client()?.ask(&json!({"op": "members"}))?;
    let is_last = answer["members"].as_array().map_or(0, Vec::len) == 1;
    node.ask(json!({"op": "retire"}), |_| {
        let next = if is_last {
            "retired: it is the last member, so there is nobody to wait for: stop the node"
        } else {
            "retired: keep the node running until a peer logs that it was folded"
        };
        next.to_owned()
    })
}

/// Sets up a data folder as an invitation says.
pub(super) fn join(
    invitation: &Path,
    data: &Path,
    engine: Option<EngineKind>,
) -> Result<Status, NodeFailure> {
    let invitation = Invitation::read(invitation).map_err(MembersError::from)?;
    let config = invitation
        .accept(data, engine)
        .map_err(MembersError::from)?;
    let secret = secret_file(data);
    let mut next = format!("start it with `atomik-node --config {}`", config.display());
    if !secret.exists() {
        next = format!(
            "copy the keyspace's secret to {}, then {next}",
            secret.display()
        );
    }
    print_line(&next)?;
    Ok(Status::Done)
}
