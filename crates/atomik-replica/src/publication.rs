//! Publication: own changes wait for storage before peers may see them.
//!
//! An own change is first *waiting*. A flush hands it to storage together with what will announce
//! it; until storage confirms, it is *in flight*. Then that is sent. At most one batch of records
//! is in flight. Because nothing is sent before it is durable, a crash can never make an origin
//! publish two contents under one version.
//!
//! What announces a change is a signed frame, or a preview. A previewed change is *unsealed* until
//! the frame of its preview is signed by a later flush, and the signature is sent. Only then is it
//! published. Stored previews may *linger*: they wait for later ones, and become one message with
//! them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::entry::Change;
use crate::excerpts::Leaves;
use crate::head::Head;
use crate::message::MessageKind;
use crate::origins::Origins;
use crate::peers::PeerId;
use crate::preview::{PREVIEW_HEADER, Stream};
use crate::recent::Recent;
use crate::single::Replaced;
use crate::slot::Published;
use crate::table::Table;
use crate::unsealed::Unsealed;
use crate::waiting::Waiting;

/// Slots with an own change: what the digest is to hold, and the change announced before.
pub(crate) type Own = Vec<(u32, Published, Option<Change>)>;

/// What was handed to storage and is not confirmed yet.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Flight {
    ticket: u64,
    /// What is published with the frames.
    pub(crate) own: Own,
    /// Frames to broadcast, with their places in the chain.
    pub(crate) frames: Vec<(Head, Vec<u8>)>,
    pub(crate) previews: Previews,
}

/// What is sent to authenticated peers.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Previews {
    /// The open frame that is sealed, and its excerpt for the peers that have asked for it.
    pub(crate) sealed: Option<(Head, Vec<u8>)>,
    pub(crate) askers: BTreeSet<PeerId>,
    /// New changes, the signature of the open frame, or both.
    pub(crate) message: Option<(MessageKind, Vec<u8>)>,
}

/// Changes that have been previewed, or are about to be, and are not signed yet.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct OpenFrame {
    pub(crate) leaves: Leaves,
    pub(crate) own: Own,
    /// Whether the next flush is to sign it.
    pub(crate) due: bool,
    /// Whether it was open at the last tick.
    pub(crate) aged: bool,
    /// Peers that lack a part of it.
    pub(crate) askers: BTreeSet<PeerId>,
    pub(crate) stream: Stream,
    /// The frames before.
    pub(crate) recent: Recent,
}

impl OpenFrame {
    /// Ends a frame that was open at the last tick already.
    pub(crate) fn tick(&mut self) {
        if core::mem::replace(&mut self.aged, self.leaves.len() > 0) {
            self.end();
        }
    }

    /// Has the next flush sign the changes, if there are any.
    pub(crate) fn end(&mut self) {
        self.due = self.leaves.len() > 0;
    }

    /// Sends the changes as a whole to a peer that lacks a part of them, and tells it everything
    /// again from the next frame on.
    pub(crate) fn tell(&mut self, peer: PeerId) {
        self.stream.restart();
        self.end();
        if self.due {
            self.askers.insert(peer);
        }
    }
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct Publication {
    /// Slots with an own change to publish, each with the change published before.
    waiting: Waiting,
    flight: Option<Flight>,
    pub(crate) open: OpenFrame,
    pub(crate) unsealed: Unsealed,
    /// The body of the preview that waits for more changes of the open frame. All in it is stored.
    lingering: Option<Vec<u8>>,
    /// The last ticket handed to storage.
    issued: u64,
    /// The last ticket that storage confirmed.
    durable: u64,
    /// The last frame made in this life.
    head: Head,
    /// Whether something changed that is stored in the `m` record only.
    meta_changed: bool,
}

impl Default for Publication {
    /// A new replica has its identity to store.
    fn default() -> Self {
        Self {
            waiting: Waiting::default(),
            flight: None,
            open: OpenFrame::default(),
            unsealed: Unsealed::default(),
            lingering: None,
            issued: 0,
            durable: 0,
            head: Head::default(),
            meta_changed: true,
        }
    }
}

impl Publication {
    /// The publication of a replica read from storage, where everything issued is durable.
    pub(crate) fn restored(issued: u64, head: Head) -> Self {
        Self {
            issued,
            durable: issued,
            head,
            meta_changed: false,
            ..Self::default()
        }
    }

    /// Queues the own change of a slot, given the change published before.
    pub(crate) fn wait(&mut self, at: u32, before: Option<Change>) {
        self.waiting.push(at, before);
    }

    /// Has a slot that waits wait with an older change as the one published before.
    pub(crate) fn reach_back(&mut self, at: u32, before: Option<Change>) {
        self.waiting.reach_back(at, before);
    }

    /// Queues the own change of a compact slot, if it does not wait already.
    pub(crate) fn wait_if(&mut self, new: bool, at: u32, before: &Replaced) {
        self.waiting.push_if(new, at, before);
    }

    /// Takes the waiting changes in order to launch them.
    pub(crate) fn take_waiting(&mut self) -> Vec<(u32, Option<Change>)> {
        core::mem::take(&mut self.waiting).into_changes()
    }

    /// The last frame made in this life, which may not have been sent yet.
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// Whether own changes wait to be published.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Starts the chain of a new life.
    pub(crate) fn start_chain(&mut self) {
        self.head = Head::default();
        self.open.stream.restart();
        self.open.recent.clear();
        self.touch_meta();
    }

    /// The last ticket handed to storage.
    pub(crate) fn issued(&self) -> u64 {
        self.issued
    }

    /// Puts changes and frames in flight; returns the ticket. Nothing may be in flight already.
    pub(crate) fn launch(
        &mut self,
        own: Own,
        previews: Previews,
        frames: Vec<(Head, Vec<u8>)>,
    ) -> u64 {
        debug_assert!(self.flight.is_none());
        self.issued += 1;
        self.meta_changed = false;
        let last = frames.last().or(previews.sealed.as_ref());
        self.head = last.map_or(self.head, |(head, _)| *head);
        self.flight = Some(Flight {
            ticket: self.issued,
            own,
            frames,
            previews,
        });
        self.issued
    }

    /// Takes what is in flight under this ticket, which has become durable.
    pub(crate) fn confirm(&mut self, ticket: u64) -> Option<Flight> {
        let flight = self.flight.take_if(|flight| flight.ticket == ticket)?;
        self.durable = ticket;
        Some(flight)
    }

    /// Sends the open frame as a whole to a peer that lacks a part of it, and tells it everything
    /// again from the next frame on. It may have been sealed already, and wait for storage.
    pub(crate) fn tell(&mut self, peer: PeerId) {
        self.open.tell(peer);
        if let Some(flight) = &mut self.flight
            && flight.previews.sealed.is_some()
        {
            flight.previews.askers.insert(peer);
        }
    }

    /// What lingers and the preview or seal that follows it in the open frame, as one body.
    pub(crate) fn join(&mut self, next: Vec<u8>) -> Vec<u8> {
        match self.lingering.take() {
            Some(mut body) => {
                body.extend_from_slice(&next[PREVIEW_HEADER..]);
                body
            }
            None => next,
        }
    }

    /// Lets a preview wait for more.
    pub(crate) fn linger(&mut self, body: Vec<u8>) {
        let body = self.join(body);
        self.lingering = Some(body);
    }

    /// The body of the preview that has waited.
    pub(crate) fn take_lingering(&mut self) -> Option<Vec<u8>> {
        self.lingering.take()
    }

    pub(crate) fn lingers(&self) -> bool {
        self.lingering.is_some()
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        self.flight.is_some()
    }

    /// Whether all own changes are published.
    pub(crate) fn is_complete(&self) -> bool {
        self.waiting.is_empty()
            && self.is_sealed()
            && self
                .flight
                .as_ref()
                .is_none_or(|flight| flight.own.is_empty())
    }

    /// Whether all own changes that were handed to storage are in a frame, or signed anew.
    pub(crate) fn is_sealed(&self) -> bool {
        self.open.own.is_empty() && self.unsealed.is_empty()
    }

    /// Own changes that are not published, by slot: for each the change published before.
    pub(crate) fn unsent(&self) -> HashMap<u32, Option<Cow<'_, Change>>> {
        let waiting = self.waiting.iter();
        // If a slot is in several places or several times in one, the oldest counts.
        let flying = self
            .flight
            .iter()
            .flat_map(|flight| flight.own.iter().rev());
        let older = self.open.own.iter().rev().chain(flying);
        let older = older.map(|(at, _, before)| (*at, before.as_ref().map(Cow::Borrowed)));
        waiting.chain(older).collect()
    }

    /// Cancels the publication of all changes of the current `life` that are not published; returns
    /// them by slot, each with the change published before. Storage and peers may nevertheless have
    /// some.
    pub(crate) fn take_back(&mut self, life: u32) -> BTreeMap<u32, Option<Change>> {
        let mut unsent: BTreeMap<_, _> = self.take_waiting().into_iter().collect();
        self.open.stream.restart();
        self.open.due = false;
        self.open.askers.clear();
        self.open.leaves = Leaves::default();
        self.lingering = None;
        self.unsealed.clear(life);
        let open = core::mem::take(&mut self.open.own);
        let flying = self.flight.take().map(|flight| flight.own);
        // If a slot is in several places or several times in one, the oldest counts.
        let older = open.into_iter().rev();
        let older = older.chain(flying.unwrap_or_default().into_iter().rev());
        for (at, _, before) in older {
            unsent.insert(at, before);
        }
        unsent
    }

    /// Marks the `m` record to be stored.
    pub(crate) fn touch_meta(&mut self) {
        self.meta_changed = true;
    }

    /// Whether there is something to hand to storage.
    pub(crate) fn is_unflushed(&self, table: &Table, origins: &Origins) -> bool {
        table.unstored() > 0
            || self.meta_changed
            || self.open.due
            || origins.is_unstored()
            || self.unsealed.is_unstored()
    }

    /// The ticket of the next batch of records.
    pub(crate) fn next_ticket(&self) -> u64 {
        self.issued + 1
    }

    /// The ticket that makes everything in memory durable.
    pub(crate) fn next_durable(&self, table: &Table, origins: &Origins) -> u64 {
        if self.is_unflushed(table, origins) {
            self.next_ticket()
        } else if self.is_in_flight() {
            self.issued
        } else {
            self.durable
        }
    }

    /// Whether storage has confirmed a ticket.
    pub(crate) fn is_durable(&self, ticket: u64) -> bool {
        ticket <= self.durable
    }

    /// Whether storage has confirmed everything handed to it. Batches that were
    /// [taken back](Self::take_back) stay unconfirmed until a later one is confirmed.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.is_durable(self.issued)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::entry::SeenList;
    use crate::slot::UNPUBLISHED;

    fn change(version: u64) -> Option<Change> {
        Some(Change {
            version,
            accumulator: version.into(),
            seen: SeenList::default(),
            put: 0,
        })
    }

    /// Launches the waiting changes.
    fn launch(publication: &mut Publication) -> u64 {
        let waiting = publication.take_waiting();
        let own = waiting
            .into_iter()
            .map(|(at, before)| (at, UNPUBLISHED, before));
        publication.launch(own.collect(), Previews::default(), Vec::new())
    }

    #[test]
    fn only_the_ticket_in_flight_is_confirmed_and_only_once() {
        let mut publication = Publication::default();
        publication.wait(3, None);
        assert!(!publication.is_complete());
        let ticket = launch(&mut publication);
        assert!(publication.confirm(ticket + 1).is_none());
        assert!(!publication.is_durable(ticket) && !publication.is_complete());
        let flight = publication.confirm(ticket).unwrap();
        assert_eq!(flight.own, [(3, UNPUBLISHED, None)]);
        assert!(publication.is_durable(ticket) && publication.is_complete());
        assert!(publication.confirm(ticket).is_none());
    }

    #[test]
    fn of_a_slot_that_waits_and_flies_the_oldest_published_change_counts() {
        let mut publication = Publication::default();
        publication.wait(1, change(1));
        let ticket = launch(&mut publication);
        publication.wait(1, change(2));
        publication.wait(2, None);
        let unsent = publication.unsent();
        assert_eq!(unsent[&1].as_deref(), change(1).as_ref());
        assert_eq!(unsent[&2], None);
        let taken = BTreeMap::from([(1, change(1)), (2, None)]);
        assert_eq!(publication.take_back(0), taken);
        assert!(publication.is_complete() && publication.unsent().is_empty());
        assert!(publication.confirm(ticket).is_none());
        assert!(!publication.is_confirmed(), "storage may have it, or not");
        let next = launch(&mut publication);
        publication.confirm(next).unwrap();
        assert!(publication.is_confirmed());
    }

    #[test]
    fn everything_is_durable_with_the_next_ticket_the_one_in_flight_or_the_last() {
        let (mut table, origins) = (Table::new(crate::shape::Shape::xor(1)), Origins::default());
        let mut publication = Publication::restored(7, Head::default());
        assert_eq!(publication.next_durable(&table, &origins), 7);
        table.slot_of(b"k");
        assert_eq!(publication.next_durable(&table, &origins), 8);
        table.take_unstored();
        let ticket = launch(&mut publication);
        assert_eq!((ticket, publication.next_durable(&table, &origins)), (8, 8));
        publication.touch_meta();
        assert_eq!(publication.next_durable(&table, &origins), 9);
    }
}
