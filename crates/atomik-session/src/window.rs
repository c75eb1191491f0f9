//! Which packet numbers were received, and how truncated ones are completed.

/// Packets this far behind the newest are told from repeated ones; older ones count as repeated.
pub(crate) const WINDOW: u64 = 2048;

/// The received numbers.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// The highest received number plus one.
    next: u64,
    /// Bit `n % WINDOW` says whether `n` was received, for the `WINDOW` numbers below `next`.
    received: [u64; WINDOW as usize / 64],
}

impl Window {
    pub(crate) fn new() -> Self {
        Self {
            next: 0,
            received: [0; WINDOW as usize / 64],
        }
    }

    /// The highest received number plus one.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The number with these low 16 bits that is nearest to the next expected one.
    pub(crate) fn complete(&self, low: u16) -> u64 {
        const SPAN: u64 = 1 << 16;
        let near = self.next & !(SPAN - 1) | u64::from(low);
        if near + SPAN / 2 <= self.next {
            near + SPAN
        } else if near > self.next + SPAN / 2 && near >= SPAN {
            near - SPAN
        } else {
            near
        }
    }

    /// Whether the number is certainly new.
    pub(crate) fn is_new(&self, number: u64) -> bool {
        if number >= self.next {
            return true;
        }
        let (word, bit) = place(number);
        self.next - number <= WINDOW && self.received[word] & bit == 0
    }

    /// Records a number.
    pub(crate) fn record(&mut self, number: u64) {
        if number >= self.next {
            if number - self.next >= WINDOW {
                self.received = [0; WINDOW as usize / 64];
            } else {
                for skipped in self.next..number {
                    let (word, bit) = place(skipped);
                    self.received[word] &= !bit;
                }
            }
            self.next = number + 1;
        }
        let (word, bit) = place(number);
        self.received[word] |= bit;
    }
}

fn place(number: u64) -> (usize, u64) {
    let at = number % WINDOW;
    ((at / 64) as usize, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_oldest_number_in_the_window_is_new_and_the_one_before_is_not() {
        let mut window = Window::new();
        window.record(5000);
        assert!(window.is_new(5001 - WINDOW));
        assert!(!window.is_new(5000 - WINDOW));
        assert!(!window.is_new(5000));
        window.record(5001 - WINDOW);
        assert!(!window.is_new(5001 - WINDOW));
        assert!(window.is_new(5002 - WINDOW));
    }

    #[test]
    fn skipped_numbers_are_new_although_their_bits_were_used_before() {
        for skipped in [1, 2, 63, 64, WINDOW - 1, WINDOW, WINDOW + 1] {
            let mut window = Window::new();
            (0..5000).for_each(|number| window.record(number));
            window.record(5000 + skipped);
            let oldest = 5000.max(5001 + skipped - WINDOW);
            assert!((oldest..5000 + skipped).all(|number| window.is_new(number)));
            assert!((4000..5000).all(|number| !window.is_new(number)));
        }
    }

    proptest! {
        #[test]
        fn a_number_is_new_exactly_if_it_is_in_the_window_and_was_not_recorded(
            start in 0_u64..100_000,
            steps in prop::collection::vec((-3000_i64..3000, 0_u64..4), 1..300),
        ) {
            let mut window = Window::new();
            let mut recorded = BTreeSet::new();
            let mut at = start;
            for (step, stay) in steps {
                let number = at.saturating_add_signed(step);
                let next = recorded.last().map_or(0, |last| last + 1);
                let expected = number + WINDOW >= next && !recorded.contains(&number);
                prop_assert_eq!(window.is_new(number), expected, "{}", number);
                if expected {
                    window.record(number);
                    recorded.insert(number);
                }
                if stay > 0 {
                    at = number;
                }
            }
        }

        #[test]
        fn a_truncated_number_is_completed_within_half_its_span(
            next in 0_u64..1 << 40,
            offset in -32_767_i64..32_768,
        ) {
            let mut window = Window::new();
            if next > 0 {
                window.record(next - 1);
            }
            if let Some(number) = next.checked_add_signed(offset) {
                prop_assert_eq!(window.complete(number as u16), number);
            }
        }
    }
}
