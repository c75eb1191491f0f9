//! Subscriptions to the changes of keys by prefix. They are not stored.

use smallvec::SmallVec;

#[derive(Clone, Debug, Default)]
pub(crate) struct Subscriptions {
    /// Number and prefix.
    list: Vec<(u32, Box<[u8]>)>,
    next: u32,
}

impl core::hash::Hash for Subscriptions {
    /// Omits the next number, which affects no notice but those of later subscriptions.
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.list.hash(state);
    }
}

impl Subscriptions {
    /// Subscribes to the keys with a prefix; returns the subscription's number.
    pub(crate) fn add(&mut self, prefix: &[u8]) -> u32 {
        let number = self.next;
        self.next += 1;
        self.list.push((number, prefix.into()));
        number
    }

    pub(crate) fn remove(&mut self, subscription: u32) {
        self.list.retain(|(number, _)| *number != subscription);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The subscriptions that match a key.
    pub(crate) fn matching(&self, key: &[u8]) -> SmallVec<[u32; 2]> {
        self.list
            .iter()
            .filter(|(_, prefix)| key.starts_with(prefix))
            .map(|(number, _)| *number)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_matches_its_prefixes_until_they_are_removed() {
        let mut subscriptions = Subscriptions::default();
        let (all, a, ab) = (
            subscriptions.add(b""),
            subscriptions.add(b"a"),
            subscriptions.add(b"ab"),
        );
        assert_eq!(subscriptions.matching(b"a")[..], [all, a]);
        assert_eq!(subscriptions.matching(b"abc")[..], [all, a, ab]);
        subscriptions.remove(a);
        assert_eq!(subscriptions.matching(b"abc")[..], [all, ab]);
        let again = subscriptions.add(b"a");
        assert!(![all, a, ab].contains(&again), "numbers are not reused");
    }
}
