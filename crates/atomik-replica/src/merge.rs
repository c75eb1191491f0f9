//! Merging received entries: per key and origin, the higher version wins.

use std::collections::HashMap;

use atomik_algebra::entries::{self, Content, Merged};

use crate::config::Config;
use crate::context::Context;
use crate::entry::{Change, Tag};
use crate::frame::{Evidence, KeyedChanges, encode_excerpt};
use crate::keyspace::Keyspace;
use crate::ledger::{Ledger, Phase};
use crate::notice::Refusal;
use crate::origin::Author;
use crate::origins::Origins;
use crate::proof::Proof;
use crate::publication::Publication;
use crate::slot::{Entry, OURS, Published, UNPUBLISHED};

/// An excerpt with news, from a known origin and with a valid signature.
pub(crate) struct News {
    /// The place of its origin.
    pub(crate) place: u32,
    /// Whether its life is over.
    pub(crate) closed: bool,
    /// The slots of its changes, as far as they exist.
    slots: Vec<Option<u32>>,
    /// If another frame of this number is known, so that the origin has forked.
    fork: Option<u64>,
}

/// Merges received entries.
pub(crate) struct Merger<'a> {
    pub(crate) keyspace: &'a mut Keyspace,
    pub(crate) origins: &'a mut Origins,
}

impl Merger<'_> {
    /// Checks an excerpt without merging it. Returns `None` if it contains nothing new.
    ///
    /// `signs` says whether its sender signs what is to be folded, as far as that is known.
    ///
    /// An excerpt without news needs no proof. One that contradicts known changes does: otherwise
    /// it could accuse anybody.
    pub(crate) fn examine(
        &mut self,
        (evidence, signs): (&Evidence, bool),
        changes: &KeyedChanges<'_>,
        ledger: &Ledger,
        publication: &Publication,
        cx: &mut Context<'_>,
    ) -> Result<Option<News>, Refusal> {
        let author = evidence.header.author;
        let origin = evidence.origin();
        let roster = cx.roster;
        let known = self.origins.place(origin);
        let standing = ledger.standing(&author, roster);
        let is_listed = roster.contains(&author.key);
        let taken = match standing {
            Phase::Living => true,
            Phase::Closed => ledger.takes_closed(&author, &cx.config.trust.key(), signs, roster),
            Phase::Folded => false,
        };
        if !taken && !is_listed && known.is_none() {
            let key = author.key;
            return Err(Refusal::UnknownKey { origin, key });
        }
        if !taken {
            cx.counters.stale += changes.len() as u64;
            return Ok(None);
        }
        let is_quarantined = |place| self.origins.get(place).quarantined;
        if standing == Phase::Living && known.is_some_and(is_quarantined) {
            return Err(Refusal::Quarantined { origin });
        }
        let unfolded = |author: &Author| ledger.standing(author, roster) != Phase::Folded;
        if known.is_none() && self.origins.is_full(&author.key, unfolded) {
            let key = author.key;
            return Err(Refusal::TooManyOrigins { origin, key });
        }
        // All look-ups in a row, so that their cache misses overlap; in `merge` each would stall.
        // For the same reason the search for news does not stop at the first.
        let table = &self.keyspace.table;
        let slots = table.slots.find_all(changes, |(key, _)| key);
        // Nobody else can know own changes that have not been sent.
        let unsent = if known == Some(self.origins.own()) {
            publication.unsent()
        } else {
            HashMap::new()
        };
        let mut news = false;
        for (((_, tag), (_, change)), at) in evidence.tags().zip(changes).zip(&slots) {
            let held = at
                .zip(known)
                .and_then(|(at, place)| table.slots.sent_change_of(at, place, &unsent));
            // Of two contents of a life that is over, the one with the larger tag stays.
            let stays = || {
                let held = at.zip(known);
                let held = held.and_then(|(at, place)| table.slots.entry_of(at as usize, place));
                held.is_some_and(|held| {
                    held.change.version == change.version && tag <= held.published.tag
                })
            };
            news |= is_news(change, held.as_deref()) && !(standing == Phase::Closed && stays());
        }
        let own = self.origins.own();
        // A frame of one's own that one did not send is news, whatever it contains.
        let lacks = |frame| self.origins.get(own).chain.lacks(frame);
        if known == Some(own) && !news {
            news = evidence.head(cx.secrets).is_some_and(lacks);
        }
        if !news {
            cx.counters.stale += changes.len() as u64;
            return Ok(None);
        }
        let Some(frame) = evidence.verify(cx.secrets, &cx.config.trust) else {
            return Err(Refusal::Forged { origin });
        };
        let place = self.origins.enter(author);
        let chain = &self.origins.get(place).chain;
        let frames = [evidence.header.before(), frame];
        let mut forks = frames.iter().filter(|frame| chain.contradicts(**frame));
        let fork = forks.next().map(|frame| frame.number);
        if fork.is_none() {
            frames
                .iter()
                .for_each(|frame| self.origins.note_frame(place, *frame));
            if self.origins.is_ours(place) {
                // Of these no evidence is kept that tells of the frame.
                self.origins.touch(place);
            }
        }
        let closed = standing == Phase::Closed;
        Ok(Some(News {
            place,
            closed,
            slots,
            fork,
        }))
    }

    /// Merges an excerpt with news. `writes` says whether this replica still makes changes of its
    /// own; only then are overlaps reported. The first contradiction quarantines the origin and
    /// ends the merge.
    pub(crate) fn merge_all(
        &mut self,
        news: News,
        evidence: &Evidence,
        changes: KeyedChanges<'_>,
        writes: bool,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let place = news.place;
        let held = if self.origins.is_ours(place) {
            OURS
        } else {
            self.keyspace.table.archive.hold(evidence.clone())
        };
        let (mut fault, mut forked) = (None, false);
        let table = &mut self.keyspace.table;
        let slots = changes.iter().zip(news.slots);
        let slots: Vec<u32> = slots
            .map(|((key, _), at)| at.unwrap_or_else(|| table.slot_of(key)))
            .collect();
        // Of several versions of an entry only the last is to take effect.
        let leaves = evidence.tags().zip(changes).zip(slots).rev();
        for (((index, tag), (key, change)), at) in leaves {
            // A key that both branches of a fork changed stays as it is here.
            let both = news
                .fork
                .filter(|_| !news.closed)
                .is_some_and(|fork| self.conflicts(place, at, &change, fork));
            forked |= both;
            let taken = fault.is_none()
                && !both
                && self
                    .merge(
                        (place, news.closed),
                        (key, at),
                        change,
                        (held, index, tag),
                        writes,
                        cx,
                    )
                    .unwrap_or_else(|found| {
                        fault = Some((key, index, found));
                        false
                    });
            if !taken {
                cx.counters.stale += 1;
                let archive = &mut self.keyspace.table.archive;
                archive.release(cx.secrets, held, index);
            }
        }
        match fault {
            None if forked => Err(Refusal::Forked {
                origin: self.origins.id(place),
            }),
            None => Ok(()),
            Some((key, index, found)) => {
                let proof = self.proof(place, (key, &found), (evidence, index), cx);
                self.origins.quarantine(place);
                Err(Refusal::Equivocation {
                    origin: self.origins.id(place),
                    key: key.into(),
                    version: found.version,
                    proof: proof.map(Box::new),
                })
            }
        }
    }

    /// Whether the entry held of an origin that has forked at a frame is of the branch held here
    /// and a different version than the change of the other branch. Two contents of one version are
    /// a contradiction.
    fn conflicts(&self, place: u32, at: u32, change: &Change, fork: u64) -> bool {
        let table = &self.keyspace.table;
        let entry = table.slots.entry_of(at as usize, place);
        entry.is_some_and(|entry| {
            let evidence = table.archive.get(entry.evidence);
            entry.change.version != change.version
                && evidence.is_some_and(|evidence| evidence.header.number >= fork)
        })
    }

    /// Merges one change, given its slot, and its evidence, leaf and tag. Returns whether it was
    /// newer. Of two contents of one version of a `closed` life the one with the larger tag counts
    /// as newer; of a living one, the second is an `Err` with the change.
    fn merge(
        &mut self,
        (place, closed): (u32, bool),
        (key, at): (&[u8], u32),
        change: Change,
        (held, leaf, tag): (u32, u16, Tag),
        writes: bool,
        cx: &mut Context<'_>,
    ) -> Result<bool, Change> {
        let table = &self.keyspace.table;
        if let Some(entry) = table.slots.entry_of(at as usize, place) {
            let held = content(&entry.change, entry.published.tag);
            match entries::merge(held, content(&change, tag), closed) {
                Merged::Newer => {}
                Merged::Known => return Ok(false),
                Merged::Contradiction => return Err(change),
            }
        }
        let origin = self.origins.id(place);
        cx.counters.merged += 1;
        let entry = Entry {
            origin: place,
            evidence: held,
            leaf,
            published: UNPUBLISHED,
            change,
        };
        let mut delta = entry.change.accumulator.clone();
        let (version, replaced) = (
            entry.change.version,
            self.keyspace
                .single(at)
                .and_then(|single| single.put(&entry)),
        );
        let single = replaced.is_some();
        let (position, old, published, before) = match replaced {
            Some(old) => (0, old.evidence, old.published, old.change()),
            None => self.replace(at, entry),
        };
        let shape = &cx.config.shape;
        if let Some(before) = &before {
            shape.subtract(&mut delta, &before.accumulator);
        }
        let overlay = &mut self.keyspace.overlay;
        let shown = overlay.merged(at, origin, version, &mut delta, shape);
        if !single {
            self.keyspace.accumulate(at, &delta);
        }
        let published = if published == UNPUBLISHED {
            Published::new(cx.secrets, origin, key, version, tag)
        } else {
            published.next(version, tag)
        };
        let table = &mut self.keyspace.table;
        if before.is_some() {
            table.archive.release(cx.secrets, old.0, old.1);
        }
        let writers = table.slots.writers(at);
        table.publish(at, position, published);
        table.touch(at);
        if writers > 1 {
            // While a newer preview is visible, this changes nothing that can be seen.
            if writes && self.keyspace.overlay.get(at, origin).is_none() {
                let reported = shown.as_ref().or(before.as_ref());
                if let Some(new) = self.keyspace.table.slots.change_of(at as usize, place) {
                    let (keyspace, origins) = (&self.keyspace, &self.origins);
                    keyspace.notify_overlap(at, (origin, &new), reported, origins, cx);
                }
            }
            if writers == 2 && before.is_none() {
                self.keyspace.notify_second_writer(at, self.origins, cx);
            }
        }
        self.keyspace.notify_change(at, &delta, Some(origin), cx);
        Ok(true)
    }

    /// Replaces an origin's entry, but neither the state nor what is published. Returns its
    /// position, and of the entry before its evidence and leaf, what was published, and its change.
    fn replace(
        &mut self,
        at: u32,
        mut entry: Entry,
    ) -> (usize, (u32, u16), Published, Option<Change>) {
        let slot = self.keyspace.table.slot(at);
        match slot.position(entry.origin) {
            Some(position) => {
                entry.published = slot.entries[position].published;
                let old = core::mem::replace(&mut slot.entries[position], entry);
                let evidence = (old.evidence, old.leaf);
                (position, evidence, old.published, Some(old.change))
            }
            None => {
                slot.entries.push(entry);
                (slot.entries.len() - 1, (OURS, 0), UNPUBLISHED, None)
            }
        }
    }

    /// The proof that an origin signed two contents: the change held here, and the one found.
    /// `None` if this replica signs nothing, as in simulations, or no longer has what it held.
    fn proof(
        &self,
        place: u32,
        (key, found): (&[u8], &Change),
        (evidence, index): (&Evidence, u16),
        cx: &Context<'_>,
    ) -> Option<Proof> {
        let table = &self.keyspace.table;
        let slot = table.slots.get(key)?;
        let entry = &slot.entries[slot.position(place)?];
        let encoded = |change: &Change| {
            let mut bytes = Vec::new();
            change.encode(key, &mut bytes);
            bytes
        };
        let held = match entry.evidence {
            OURS => {
                let origin = self.origins.get(place);
                let tag = cx.secrets.leaf(origin.id, &encoded(&entry.change));
                // What has not been sent contradicts nothing.
                if tag != entry.published.tag {
                    return None;
                }
                let head = origin.chain.head();
                let signer = cx.config.signer(&origin.author.key)?;
                Evidence::sign(cx.secrets, signer, origin.author, head, true, &[tag])
            }
            at => table.archive.get(at)?.restrict(cx.secrets, &[entry.leaf]),
        };
        let found_evidence = evidence.restrict(cx.secrets, &[index]);
        let excerpts =
            [(held, &entry.change), (found_evidence, found)].map(|(evidence, change)| {
                let mut bytes = Vec::new();
                encode_excerpt(&evidence, [&encoded(change)[..]].into_iter(), &mut bytes);
                bytes
            });
        let Config {
            keyspace, shape, ..
        } = cx.config;
        let proof = Proof::of_two_contents(keyspace, shape, cx.secrets, excerpts);
        proof.verify().is_ok().then_some(proof)
    }
}

fn content(change: &Change, tag: Tag) -> Content<&Change, u64, Tag> {
    Content {
        version: change.version,
        all: change,
        tag,
    }
}

/// Whether a received change is newer than the one held, or contradicts it.
fn is_news(change: &Change, held: Option<&Change>) -> bool {
    held.is_none_or(|held| change.version > held.version || change.contradicts(held))
}
