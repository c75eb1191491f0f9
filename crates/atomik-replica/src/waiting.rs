//! The queue of own changes to publish.

use std::borrow::Cow;

use crate::entry::{Change, SeenList};
use crate::single::Replaced;
use crate::value::Value;

/// Slots with an own change to publish, each with the change published before, in order.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Waiting {
    items: Vec<Item>,
    /// Changes that an item has no room for.
    large: Vec<Change>,
}

/// Without destructor and of fixed size, so that one can be pushed and dropped again without a
/// branch.
#[derive(Clone, Copy, Debug, Hash)]
struct Item {
    at: u32,
    /// The version of the change before; 0 if there is none, and [`LARGE`] if it is elsewhere.
    version: u32,
    /// Its accumulator, or its place among those elsewhere.
    word: u64,
}

const LARGE: u32 = u32::MAX;

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn push(&mut self, at: u32, before: Option<Change>) {
        let item = self.item(at, before);
        self.items.push(item);
    }

    /// Has a slot that waits wait with an older change as the one published before.
    pub(crate) fn reach_back(&mut self, at: u32, before: Option<Change>) {
        let older = self.item(at, before);
        if let Some(item) = self.items.iter_mut().find(|item| item.at == at) {
            *item = older;
        }
    }

    fn item(&mut self, at: u32, before: Option<Change>) -> Item {
        let (version, word) = match before {
            None => (0, 0),
            Some(change) => {
                self.large.push(change);
                (LARGE, self.large.len() as u64 - 1)
            }
        };
        Item { at, version, word }
    }

    /// Pushes what a change of a compact slot replaced, if `new`.
    ///
    /// Whether a slot waits already depends on memory that has just been asked for, and is often
    /// hard to predict, so this has no branch on it.
    pub(crate) fn push_if(&mut self, new: bool, at: u32, before: &Replaced) {
        if before.put > 0 {
            return self.push_put_if(new, at, before);
        }
        // A compact slot that has just been changed had a version below the largest.
        let item = Item {
            at,
            version: before.version as u32,
            word: before.word,
        };
        push_if(&mut self.items, new, item);
    }

    /// The same where the change before has a put. Never where all bits xor.
    #[cold]
    fn push_put_if(&mut self, new: bool, at: u32, before: &Replaced) {
        if new {
            self.push(at, before.change());
        }
    }

    /// All, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Option<Cow<'_, Change>>)> {
        self.items.iter().map(|item| {
            let before = match item.version {
                0 => None,
                LARGE => self.large.get(item.word as usize).map(Cow::Borrowed),
                version => Some(Cow::Owned(Change {
                    version: version.into(),
                    accumulator: Value::from(item.word),
                    seen: SeenList::default(),
                    put: 0,
                })),
            };
            (item.at, before)
        })
    }

    /// All, in order.
    pub(crate) fn into_changes(self) -> Vec<(u32, Option<Change>)> {
        let changes = self.iter();
        changes
            .map(|(at, before)| (at, before.map(Cow::into_owned)))
            .collect()
    }
}

/// Pushes an item if `new`, without a branch on that.
pub(crate) fn push_if<T: Copy>(items: &mut Vec<T>, new: bool, item: T) {
    let length = items.len() + usize::from(new);
    items.push(item);
    items.truncate(length);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn change(version: u64) -> Option<Change> {
        (version > 0).then(|| Change {
            version,
            accumulator: Value::from(version.rotate_left(32)),
            seen: SeenList::default(),
            put: version / 2,
        })
    }

    proptest! {
        #[test]
        fn changes_come_out_as_they_went_in_except_those_that_wait_already(
            pushed in prop::collection::vec(
                (0..20_u32, prop_oneof![0..3_u32, Just(u32::MAX - 1)], 0..4_u8),
                0..50,
            )
        ) {
            let (mut waiting, mut model) = (Waiting::default(), Vec::<(u32, _)>::new());
            for (at, version, how) in pushed {
                let before = change(version.into());
                match how {
                    0 => waiting.push(at, before.clone()),
                    3 => {
                        waiting.reach_back(at, before.clone());
                        if let Some(item) = model.iter_mut().find(|item| item.0 == at) {
                            *item = (at, before.clone());
                        }
                    }
                    _ => {
                        let replaced = Replaced {
                            version: version.into(),
                            word: before.as_ref().map_or(9, |before| before.accumulator.words()[0]),
                            put: u64::from(version / 2),
                            evidence: (7, 7),
                            published: crate::slot::UNPUBLISHED,
                        };
                        waiting.push_if(how == 1, at, &replaced);
                    }
                }
                if how < 2 {
                    model.push((at, before));
                }
            }
            prop_assert_eq!(waiting.is_empty(), model.is_empty());
            let borrowed: Vec<_> =
                waiting.iter().map(|(at, before)| (at, before.map(Cow::into_owned))).collect();
            prop_assert_eq!(borrowed, model.clone());
            prop_assert_eq!(waiting.into_changes(), model);
        }
    }
}
