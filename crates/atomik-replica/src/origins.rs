//! The origins that a replica knows.

use core::hash::{Hash, Hasher};
use std::collections::{BTreeSet, HashMap};

use crate::head::{Chain, Head};
use crate::origin::{Author, OriginId, PublicKey};

/// The maximum number of origins per key that are not folded. It stops a member from inventing
/// incarnations without end, at nobody else's cost.
const MAX_LIVES: usize = 1024;

/// A known origin.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Origin {
    pub(crate) id: OriginId,
    pub(crate) author: Author,
    /// Whether it signed two contents for one version.
    pub(crate) quarantined: bool,
    /// The latest frames received from it; for this replica's own origin, those it has sent.
    pub(crate) chain: Chain,
    /// Whether it was begun since the replica was opened.
    pub(crate) begun: bool,
}

/// All known origins. An origin's *place* is its index, which stays the same until it is folded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    list: Vec<Origin>,
    places: HashMap<OriginId, u32>,
    own: u32,
    /// Places of folded origins, for new ones.
    free: BTreeSet<u32>,
    /// Places whose record is to be stored.
    unstored: BTreeSet<u32>,
}

impl Hash for Origins {
    /// Omits the index, which follows from the list, and the free places, which follow from the
    /// ledger.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.list, self.own, &self.unstored).hash(state);
    }
}

impl Origins {
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether a key has as many origins as it may have; `unfolded` says which ones count.
    pub(crate) fn is_full(&self, key: &PublicKey, unfolded: impl Fn(&Author) -> bool) -> bool {
        let lives = self.list.iter().filter(|origin| origin.author.key == *key);
        let unfolded = lives.filter(|origin| unfolded(&origin.author));
        unfolded.count() >= MAX_LIVES
    }

    /// All origins, by place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Origin)> {
        (0..).zip(&self.list)
    }

    pub(crate) fn get(&self, place: u32) -> &Origin {
        &self.list[place as usize]
    }

    pub(crate) fn id(&self, place: u32) -> OriginId {
        self.get(place).id
    }

    pub(crate) fn place(&self, id: OriginId) -> Option<u32> {
        self.places.get(&id).copied()
    }

    /// The place of this replica's own origin.
    pub(crate) fn own(&self) -> u32 {
        self.own
    }

    /// This replica's own origin.
    pub(crate) fn own_id(&self) -> OriginId {
        self.id(self.own)
    }

    pub(crate) fn set_own(&mut self, place: u32) {
        self.own = place;
    }

    /// Whether this replica can sign for an origin, because it has the same key and at most another
    /// incarnation.
    pub(crate) fn is_ours(&self, place: u32) -> bool {
        self.get(place).author.key == self.get(self.own).author.key
    }

    /// The place of an author's origin, which is added if it is unknown.
    pub(crate) fn enter(&mut self, author: Author) -> u32 {
        let id = author.origin();
        if let Some(place) = self.place(id) {
            return place;
        }
        let origin = Origin {
            id,
            author,
            quarantined: false,
            chain: Chain::default(),
            begun: false,
        };
        let place = match self.free.pop_first() {
            Some(place) => {
                let folded = core::mem::replace(&mut self.list[place as usize], origin);
                self.places.remove(&folded.id);
                self.places.insert(id, place);
                place
            }
            None => {
                self.restore(origin);
                self.list.len() as u32 - 1
            }
        };
        self.unstored.insert(place);
        place
    }

    /// Enters a new life of this replica, which becomes the current one.
    pub(crate) fn begin(&mut self, author: Author) -> u32 {
        let place = self.enter(author);
        let origin = &mut self.list[place as usize];
        origin.begun = true;
        self.own = place;
        place
    }

    /// Which places are those of origins of such authors.
    pub(crate) fn places(&self, of: impl Fn(&Author) -> bool) -> Vec<bool> {
        self.list.iter().map(|origin| of(&origin.author)).collect()
    }

    /// Frees the places of folded origins, except the current one, for new origins.
    pub(crate) fn release(&mut self, folded: &[bool]) {
        let places = (0..).zip(folded).filter(|(_, folded)| **folded);
        let places = places.map(|(place, _)| place);
        self.free.extend(places.filter(|place| *place != self.own));
    }

    /// Whether the origin in a place is folded.
    pub(crate) fn is_folded(&self, place: u32) -> bool {
        self.free.contains(&place)
    }

    /// Adds a stored origin in the next place.
    pub(crate) fn restore(&mut self, origin: Origin) {
        self.places.insert(origin.id, self.list.len() as u32);
        self.list.push(origin);
    }

    /// The number for a new life of a key: one more than its highest known, or 0.
    pub(crate) fn next_life(&self, key: &PublicKey) -> u64 {
        let lives = self.list.iter().filter(|origin| origin.author.key == *key);
        let last = lives.map(|origin| origin.author.life()).max();
        last.map_or(0, |life| life.saturating_add(1))
    }

    /// Whether another origin has this replica's key and a life that is not before the current one.
    pub(crate) fn is_surpassed(&self) -> bool {
        let own = self.get(self.own);
        self.list.iter().any(|other| {
            let author = other.author;
            author.key == own.author.key && author.life() >= own.author.life() && other.id != own.id
        })
    }

    /// Whether a later life of an author's key is known.
    pub(crate) fn has_later_life(&self, of: &Author) -> bool {
        let mut origins = self.list.iter().map(|origin| &origin.author);
        origins.any(|author| author.key == of.key && author.life() > of.life())
    }

    /// Records that a frame has arrived or was sent.
    pub(crate) fn note_frame(&mut self, place: u32, frame: Head) {
        self.list[place as usize].chain.note(frame);
    }

    /// Ignores an origin from now on.
    pub(crate) fn quarantine(&mut self, place: u32) {
        self.list[place as usize].quarantined = true;
        self.touch(place);
    }

    /// Queues an origin's record to be stored.
    pub(crate) fn touch(&mut self, place: u32) {
        self.unstored.insert(place);
    }

    pub(crate) fn is_unstored(&self) -> bool {
        !self.unstored.is_empty()
    }

    /// Takes the origins to be stored off the queue, in ascending order.
    pub(crate) fn take_unstored(&mut self) -> BTreeSet<u32> {
        core::mem::take(&mut self.unstored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::incarnation;

    fn author(key: u8, incarnation: u8) -> Author {
        Author {
            key: [key; 32],
            incarnation: [incarnation; 16],
        }
    }

    #[test]
    fn an_origin_has_one_place_and_is_ours_by_its_key() {
        let mut origins = Origins::default();
        let places = [(1, 1), (2, 1), (1, 2), (2, 1)].map(|(k, i)| origins.enter(author(k, i)));
        assert_eq!(places, [0, 1, 2, 1]);
        assert_eq!(origins.place(author(1, 2).origin()), Some(2));
        assert_eq!(origins.place(author(3, 1).origin()), None);
        origins.set_own(2);
        assert_eq!(
            [0, 1, 2].map(|place| origins.is_ours(place)),
            [true, false, true]
        );
        assert_eq!(origins.own_id(), author(1, 2).origin());
    }

    #[test]
    fn what_changes_is_queued_to_be_stored_except_frame_numbers() {
        let mut origins = Origins::default();
        let place = origins.enter(author(1, 1));
        assert_eq!(origins.take_unstored(), BTreeSet::from([place]));
        origins.enter(author(1, 1));
        for number in [9, 3] {
            let link = [1; 16];
            origins.note_frame(place, Head { number, link });
        }
        assert!(!origins.is_unstored());
        assert_eq!(origins.get(place).chain.head().number, 9);
        origins.quarantine(place);
        assert!(origins.is_unstored() && origins.get(place).quarantined);
    }

    #[test]
    fn a_new_life_has_a_higher_number_than_all_known_ones_of_its_key() {
        let mut origins = Origins::default();
        let life = |key, life| Author {
            key: [key; 32],
            incarnation: crate::origin::incarnation(life, &[9; 16], Head::default()),
        };
        assert_eq!(origins.next_life(&[1; 32]), 0);
        for author in [life(1, 0), life(1, 4), life(2, 9)] {
            origins.enter(author);
        }
        assert_eq!(
            [1, 2, 3].map(|key| origins.next_life(&[key; 32])),
            [5, 10, 0]
        );
        assert!(origins.is_surpassed());
        origins.set_own(1);
        assert!(!origins.is_surpassed());
    }

    #[test]
    fn each_key_may_have_a_number_of_origins_that_are_not_folded() {
        let mut origins = Origins::default();
        let life = |key: u8, life: u64| Author {
            key: [key; 32],
            incarnation: incarnation(life, &[0; 16], Head::default()),
        };
        for number in 1..=MAX_LIVES as u64 {
            origins.enter(life(1, number));
        }
        origins.enter(life(2, 1));
        let full = |key, folded: u64| {
            let unfolded = |author: &Author| author.life() > folded;
            origins.is_full(&[key; 32], unfolded)
        };
        assert_eq!([full(1, 0), full(1, 1), full(2, 0)], [true, false, false]);
    }
}
