//! Random bytes from one seed.

/// A generator that forgets: earlier outputs cannot be computed from its present state.
#[derive(Clone)]
pub(crate) struct Entropy([u8; 32]);

impl Entropy {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        Self(blake3::derive_key("atomik session 1 entropy", seed))
    }

    pub(crate) fn draw(&mut self) -> [u8; 32] {
        let drawn = *blake3::keyed_hash(&self.0, b"draw").as_bytes();
        self.0 = *blake3::keyed_hash(&self.0, b"next").as_bytes();
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_differ_and_follow_from_the_seed() {
        let draws = |seed| {
            let mut entropy = Entropy::new(&[seed; 32]);
            [entropy.draw(), entropy.draw(), entropy.draw()]
        };
        let [a, b, c] = draws(1);
        assert!(a != b && b != c && a != c);
        assert_eq!(draws(1), [a, b, c]);
        assert_ne!(draws(2)[0], a);
    }
}
