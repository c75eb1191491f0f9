//! The previews that peers have sent: shown at once, merged when their seal has arrived.
//!
//! The frames of a peer are numbered, and so are the changes of its open frame. A gap shows that
//! something was lost, and the peer is asked for it: at once, and if it does not come, after ever
//! more messages of the peer and at each tick.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::codec::{Malformed, Reader};
use crate::context::Context;
use crate::entry::{Change, Tag};
use crate::frame::{Evidence, KeyedChanges};
use crate::gaps::{Again, Frames};
use crate::head::Head;
use crate::keyspace::Keyspace;
use crate::ledger::Ledger;
use crate::message::SHORT_BITS;
use crate::origin::{Author, OriginId, PublicKey};
use crate::origins::Origins;
use crate::peers::PeerId;
use crate::preview::{MOST_LEAVES, Names, Start, Subject};
use crate::slot::Key;

/// Bytes of a signature.
const SEAL: usize = 64;

/// Messages with previews after which a peer is asked again for what is missing; then twice as
/// many, and so on.
const WAIT: u32 = 8;

/// For how many messages a tick counts.
const WAIT_AT_TICK: u32 = 64;

/// Messages with previews after which what has not come is left to comparisons.
const MOST_WAITED: u32 = 256;

/// A previewed change of the open frame.
#[derive(Clone, Debug, Hash)]
struct Leaf {
    at: u32,
    change: Change,
    tag: Tag,
}

/// The stream of a peer, as far as it has arrived without a gap.
#[derive(Clone, Debug, Hash)]
struct Stream {
    author: Author,
    /// The frame before the open one.
    before: Head,
    names: Names,
    leaves: Vec<Leaf>,
}

impl Stream {
    /// What stands for the open frame in messages.
    fn frame(&self) -> u8 {
        frame_bits(&self.author, self.before)
    }
}

/// What stands in messages for an author's frame after another: the low bits of its number. Each
/// life counts from elsewhere, since a peer may have missed that another one has begun.
pub(crate) fn frame_bits(author: &Author, before: Head) -> u8 {
    let first = author.life().wrapping_mul(21).wrapping_add(1);
    before.number.wrapping_add(first) as u8 & SHORT_BITS
}

/// How many frames one is ahead of another, as far as the low bits of their numbers tell.
fn ahead(frame: u8, of: u8) -> i8 {
    (frame.wrapping_sub(of) << 2) as i8 >> 2
}

/// What a peer sends.
#[derive(Clone, Debug, Hash)]
enum State {
    Whole(Box<Stream>),
    /// A part of the frame with these bits is missing. The stream must start again. The number of
    /// the frame is known if the stream was whole before.
    Broken(u8, Option<u64>),
}

#[derive(Clone, Debug, Hash)]
struct Inbox {
    /// Whose previews are shown.
    author: Option<Author>,
    state: State,
    /// Which frames of the author have arrived, since its stream was first heard.
    frames: Option<Frames>,
    /// Messages with previews since something is missing.
    waited: u32,
    /// Whether that is left to comparisons, or a comparison has found nothing missing.
    settled: bool,
}

impl Inbox {
    /// What is missing.
    fn lacks(&self) -> Option<Again> {
        let Some(frames) = &self.frames else {
            let open = matches!(self.state, State::Broken(..));
            return open.then_some(Again::OPEN);
        };
        let open = matches!(self.state, State::Broken(_, number)
            if number.is_none_or(|number| !frames.has(number)));
        (open || frames.lacks()).then_some(Again {
            upto: Some(frames.upto()),
            open,
        })
    }

    /// Takes note of a gap in the frame with these bits, or before it.
    fn break_off(&mut self, frame: u8, number: Option<u64>) {
        if let (Some(frames), Some(number)) = (&mut self.frames, number) {
            frames.expect(number.saturating_sub(1));
        }
        self.state = State::Broken(frame, number);
        self.waited = 0;
        self.settled = false;
    }

    /// Leaves frames that are missing to comparisons.
    fn leave(&mut self) {
        if let Some(frames) = &mut self.frames {
            frames.give_up();
        }
    }

    /// Leaves everything that is missing to comparisons.
    fn settle(&mut self) {
        self.leave();
        self.settled = true;
    }
}

/// What is to be done after a message with previews.
#[derive(Debug)]
pub(crate) enum Next {
    Nothing,
    /// A sealed frame has not arrived, and its number is not known: compare.
    Compare,
    /// The frame is complete.
    Merge(Box<Evidence>, Vec<(Key, Change)>),
}

/// The previews of all peers.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Inboxes {
    peers: BTreeMap<PeerId, Inbox>,
}

/// What taking previews may use.
pub(crate) struct Room<'a> {
    pub(crate) keyspace: &'a mut Keyspace,
    pub(crate) origins: &'a Origins,
    pub(crate) ledger: &'a Ledger,
    /// Whether this replica still makes changes of its own, so that overlaps are reported.
    pub(crate) writes: bool,
}

impl Inboxes {
    pub(crate) fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Whether changes of a peer are shown that it has not signed yet.
    pub(crate) fn shows(&self, peer: PeerId, keyspace: &Keyspace) -> bool {
        let author = self.peers.get(&peer).and_then(|inbox| inbox.author);
        author.is_some_and(|author| {
            let origin = author.origin();
            let mut shown = keyspace.overlay.iter();
            shown.any(|(_, shown)| shown.origin == origin)
        })
    }

    /// Takes back what a peer has previewed, and forgets its stream.
    pub(crate) fn forget(&mut self, peer: PeerId, keyspace: &mut Keyspace, cx: &mut Context<'_>) {
        let inbox = self.peers.remove(&peer);
        if let Some(gone) = inbox.and_then(|inbox| inbox.author) {
            keyspace.hide(|origin| origin == gone.origin(), cx);
        }
    }

    /// Takes back the previews of authors whose lives are `over`, so that nothing that they sign is
    /// merged any more, or that were opened again.
    pub(crate) fn end(
        &mut self,
        over: impl Fn(&Author) -> bool,
        keyspace: &mut Keyspace,
        cx: &mut Context<'_>,
    ) {
        let inboxes = self.peers.iter();
        let over: Vec<PeerId> = inboxes
            .filter(|(_, inbox)| inbox.author.as_ref().is_some_and(&over))
            .map(|(peer, _)| *peer)
            .collect();
        for peer in over {
            self.forget(peer, keyspace, cx);
        }
    }

    /// Takes a message with previews from a peer, whose key is authenticated. `sealed` says whether
    /// a signature follows them.
    pub(crate) fn take(
        &mut self,
        (from, key): (PeerId, PublicKey),
        sealed: bool,
        reader: &mut Reader<'_>,
        room: &mut Room<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Next, Malformed> {
        let (frame, index) = (reader.u8()? & SHORT_BITS, usize::from(reader.u8()?));
        let rest = reader.bytes(reader.rest().len())?;
        let (content, seal) = match rest.split_last_chunk::<SEAL>() {
            Some((content, seal)) if sealed => (content, Some(*seal)),
            _ if sealed => return Err(Malformed),
            _ => (rest, None),
        };
        let reader = &mut Reader::new(content);
        let start = if index == 0 {
            Start::decode(reader)?
        } else {
            None
        };
        if let Some(start) = start {
            let author = Author {
                key,
                incarnation: start.incarnation,
            };
            if frame_bits(&author, start.before) != frame {
                return Err(Malformed);
            }
            if !self.start(from, author, start.before, room, cx) {
                return Ok(Next::Nothing);
            }
        }
        let Some(inbox) = self.peers.get_mut(&from) else {
            // The stream has begun before this replica listened.
            let inbox = Inbox {
                author: None,
                state: State::Broken(frame, None),
                frames: None,
                waited: 0,
                settled: false,
            };
            self.peers.insert(from, inbox);
            return Ok(Next::Nothing);
        };
        let stream = match &mut inbox.state {
            State::Whole(stream) => stream,
            State::Broken(asked, number) => {
                let (ahead, number) = (ahead(frame, *asked), *number);
                if ahead > 0 {
                    let later = number.and_then(|number| number.checked_add(ahead as u64));
                    inbox.break_off(frame, later);
                } else if sealed && ahead == 0 {
                    match (&mut inbox.frames, number) {
                        (Some(frames), Some(number)) => frames.expect(number),
                        _ => return Ok(Next::Compare),
                    }
                }
                return Ok(Next::Nothing);
            }
        };
        let ahead = ahead(frame, stream.frame());
        if ahead < 0 || ahead == 0 && index < stream.leaves.len() {
            // Repeated, or late.
            return Ok(Next::Nothing);
        }
        let number = stream.before.number.checked_add(ahead as u64 + 1);
        if ahead > 0 || index > stream.leaves.len() || !stream.read(reader, room, cx)? {
            inbox.break_off(frame, number);
            if let (Some(frames), Some(number), true) = (&mut inbox.frames, number, sealed) {
                frames.expect(number);
            }
            return Ok(Next::Nothing);
        }
        let Some(seal) = seal else {
            return Ok(Next::Nothing);
        };
        let leaves = core::mem::take(&mut stream.leaves);
        if leaves.is_empty() {
            return Err(Malformed);
        }
        let tags = leaves.iter().map(|leaf| leaf.tag).collect::<Vec<_>>();
        let evidence = Evidence::sealed(stream.author, stream.before, &tags, seal);
        match evidence.head(cx.secrets) {
            Some(head) => stream.before = head,
            None => return Err(Malformed),
        }
        let (number, frames) = (stream.before.number, &mut inbox.frames);
        frames.iter_mut().for_each(|frames| frames.note(number));
        let slots = &room.keyspace.table.slots;
        let changes = leaves.into_iter().filter_map(|leaf| {
            let (key, _) = slots.get_index(leaf.at as usize)?;
            Some((key.into(), leaf.change))
        });
        Ok(Next::Merge(Box::new(evidence), changes.collect()))
    }

    /// Starts a peer's stream from the beginning, unless the message is late or its author is not
    /// listened to.
    fn start(
        &mut self,
        from: PeerId,
        author: Author,
        before: Head,
        room: &mut Room<'_>,
        cx: &mut Context<'_>,
    ) -> bool {
        let origin = author.origin();
        let known = room.origins.place(origin);
        let is_known = known.is_some_and(|place| {
            let chain = &room.origins.get(place).chain;
            room.origins.get(place).quarantined || chain.head().number > before.number
        });
        let is_over = is_known || !room.ledger.is_living(&author, cx.roster);
        let is_late = self
            .peers
            .get(&from)
            .is_some_and(|inbox| match &inbox.state {
                State::Whole(stream) if stream.author.origin() == origin => {
                    let known = stream.before.number;
                    // It starts again for a peer that has missed something.
                    known > before.number || known == before.number && !stream.leaves.is_empty()
                }
                State::Whole(stream) => stream.author.life() > author.life(),
                State::Broken(..) => false,
            });
        if is_over || is_late || !cx.roster.contains(&author.key) {
            return false;
        }
        let inbox = self.peers.get_mut(&from);
        let inbox = inbox.filter(|inbox| inbox.author.is_some_and(|it| it.origin() == origin));
        let frames = inbox.and_then(|inbox| inbox.frames.take());
        let mut frames = frames.unwrap_or_else(|| Frames::since(before.number));
        frames.expect(before.number);
        self.forget(from, room.keyspace, cx);
        let stream = Stream {
            author,
            before,
            names: Names::default(),
            leaves: Vec::new(),
        };
        let inbox = Inbox {
            author: Some(author),
            state: State::Whole(Box::new(stream)),
            frames: Some(frames),
            waited: 0,
            settled: false,
        };
        self.peers.insert(from, inbox);
        true
    }

    /// What to ask a peer for after a message with previews: what is missing, unless it was asked
    /// for a few messages ago.
    pub(crate) fn due(&mut self, from: PeerId) -> Option<Again> {
        let inbox = self.peers.get_mut(&from)?;
        let Some(again) = inbox.lacks() else {
            inbox.waited = 0;
            return None;
        };
        inbox.waited = inbox.waited.saturating_add(1);
        if inbox.waited > MOST_WAITED {
            // The peer does not have it any more.
            inbox.settle();
        }
        let is_due = inbox.waited == 1 || inbox.waited >= WAIT && inbox.waited.is_power_of_two();
        is_due.then_some(again)
    }

    /// What to ask peers for at a tick: what has been missing since before.
    pub(crate) fn overdue(&mut self) -> Vec<(PeerId, Again)> {
        let mut overdue = Vec::new();
        for (peer, inbox) in &mut self.peers {
            if let Some(again) = inbox.lacks().filter(|_| !inbox.settled) {
                inbox.waited = inbox.waited.saturating_add(WAIT_AT_TICK);
                if inbox.waited > MOST_WAITED {
                    inbox.settle();
                }
                overdue.push((*peer, again));
            }
        }
        overdue
    }

    /// Takes note that a frame of a peer has arrived as a whole.
    pub(crate) fn note_frame(&mut self, from: PeerId, author: &Author, number: u64) {
        if let Some(Inbox {
            author: Some(known),
            frames: Some(frames),
            ..
        }) = self.peers.get_mut(&from)
            && known == author
        {
            frames.note(number);
        }
    }

    /// Takes note of a comparison with a peer, which finds the frames that are missing. Perhaps it
    /// has found that nothing is: the two hold the same, and the peer has signed everything.
    pub(crate) fn note_summary(&mut self, from: PeerId, is_complete: bool) {
        if let Some(inbox) = self.peers.get_mut(&from) {
            inbox.leave();
            inbox.settled |= is_complete;
        }
    }
}

impl Start {
    /// Decodes the beginning of a frame; `None` if the stream goes on.
    fn decode(reader: &mut Reader<'_>) -> Result<Option<Self>, Malformed> {
        match reader.u8()? {
            0 => Ok(None),
            1 => {
                let incarnation = reader.array()?;
                let before = Head::decode(reader)?;
                if before.number == u64::MAX {
                    return Err(Malformed);
                }
                Ok(Some(Self {
                    incarnation,
                    before,
                }))
            }
            _ => Err(Malformed),
        }
    }
}

impl Stream {
    /// Reads changes and shows them. Returns whether this replica has what they build upon.
    fn read(
        &mut self,
        reader: &mut Reader<'_>,
        room: &mut Room<'_>,
        cx: &mut Context<'_>,
    ) -> Result<bool, Malformed> {
        let origin = self.author.origin();
        let place = room.origins.place(origin);
        let shape = &cx.config.shape;
        let none = Change::none(shape.words());
        while !reader.is_empty() {
            if self.leaves.len() >= MOST_LEAVES {
                return Err(Malformed);
            }
            let subject = self.names.subject(reader)?;
            let (at, version) = match subject {
                Subject::New(key) => (room.keyspace.table.slot_of(key), None),
                Subject::Again(number) | Subject::Named(number) => {
                    let name = self.names.name(number);
                    (name.at, Some(name.version))
                }
            };
            let held = visible(room.keyspace, at, origin, place).map(Cow::into_owned);
            let before = match (version, &held) {
                (None, _) => &none,
                (Some(version), Some(held)) if held.version == version => held,
                (Some(_), _) => return Ok(false),
            };
            let change = self.names.change(subject, before, reader, shape)?;
            self.names.note(subject, at, before, &change, shape);
            let mut encoded = Vec::with_capacity(64);
            let (key, _) = room
                .keyspace
                .table
                .slots
                .get_index(at as usize)
                .ok_or(Malformed)?;
            change.encode(key, &mut encoded);
            let tag = cx.secrets.leaf(origin, &encoded);
            let leaf = Leaf {
                at,
                change: change.clone(),
                tag,
            };
            self.leaves.push(leaf);
            show(at, (origin, place), (tag, change), held.as_ref(), room, cx);
        }
        Ok(true)
    }
}

/// The newest visible change of an origin.
fn visible(
    keyspace: &Keyspace,
    at: u32,
    origin: OriginId,
    place: Option<u32>,
) -> Option<Cow<'_, Change>> {
    match keyspace.overlay.get(at, origin) {
        Some(shown) => Some(Cow::Borrowed(&shown.change)),
        None => keyspace.table.slots.change_of(at as usize, place?),
    }
}

/// Makes a previewed change visible in place of `before`, unless that is newer.
fn show(
    at: u32,
    (origin, place): (OriginId, Option<u32>),
    (tag, change): (Tag, Change),
    before: Option<&Change>,
    room: &mut Room<'_>,
    cx: &mut Context<'_>,
) {
    let Room {
        keyspace,
        origins,
        writes,
        ..
    } = room;
    if before.is_some_and(|before| before.version >= change.version) {
        return;
    }
    let slots = &keyspace.table.slots;
    let entry = place.and_then(|place| slots.change_of(at as usize, place));
    let shape = &keyspace.table.shape;
    let (new, entry) = (change.clone(), entry.as_deref());
    let delta = keyspace.overlay.show(at, (origin, tag), new, entry, shape);
    keyspace.accumulate(at, &delta);
    if *writes {
        keyspace.notify_overlap(at, (origin, &change), before, origins, cx);
    }
    keyspace.notify_change(at, &delta, Some(origin), cx);
}

/// The changes with borrowed keys.
pub(crate) fn keyed(changes: &[(Key, Change)]) -> KeyedChanges<'_> {
    let changes = changes.iter();
    changes
        .map(|(key, change)| (&key[..], change.clone()))
        .collect()
}
