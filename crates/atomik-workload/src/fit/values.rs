//! What the values that are set to a field have in common: a better way to write them.

use std::borrow::Cow;

use crate::workload::Scalar;

/// More different strings than this are no enumeration.
const FEW: usize = 8;

/// Sets from which on integers that only grow look like a count.
const LIKE_A_COUNT: u64 = 4;

/// The values that are set to a field.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// Booleans, integers and strings.
    pub(super) kinds: [bool; 3],
    /// Different strings, up to one more than [`FEW`].
    texts: Vec<String>,
    /// Sets to an integer above the one before, and below it.
    raised: u64,
    lowered: u64,
}

impl Values {
    /// Takes a value, and the integer that it replaces if something was written before.
    pub(super) fn note(&mut self, value: &Scalar, before: Option<i64>) {
        match value {
            Scalar::Bool(_) => self.kinds[0] = true,
            Scalar::Int(value) => {
                self.kinds[1] = true;
                self.raised += u64::from(before.is_some_and(|before| *value > before));
                self.lowered += u64::from(before.is_some_and(|before| *value < before));
            }
            Scalar::Text(text) => {
                self.kinds[2] = true;
                if self.texts.len() <= FEW && !self.texts.contains(text) {
                    self.texts.push(text.clone());
                }
            }
        }
    }

    /// How many kinds there are.
    pub(super) fn count_kinds(&self) -> usize {
        self.kinds.iter().filter(|&&kind| kind).count()
    }

    /// What a writer may have meant by setting these values: an addition or a flag.
    pub(super) fn intent(&self) -> Option<Cow<'static, str>> {
        let grows = self.raised >= LIKE_A_COUNT && self.lowered * 20 <= self.raised;
        if self.kinds == [false, true, false] && grows {
            return Some(
                "if the number counts something, `add` what it grows by instead of setting it: \
                 additions commute"
                    .into(),
            );
        }
        let [one, other] = self.enumeration()? else {
            return None;
        };
        Some(
            format!(
                "make {one:?} and {other:?} a flag, and `toggle` it where a writer reverses what \
                 it sees"
            )
            .into(),
        )
    }

    /// An encoding of a few strings that takes fewer bits.
    pub(super) fn encoding(&self) -> Option<Cow<'static, str>> {
        match self.enumeration()? {
            [one, other] => Some(
                format!("make {one:?} and {other:?} a flag: `set` it to false and true, one bit")
                    .into(),
            ),
            values => Some(
                format!(
                    "number the {} values and `set` the number: it has a fixed width",
                    values.len()
                )
                .into(),
            ),
        }
    }

    /// The values, if all are strings and there are 2 to [`FEW`].
    fn enumeration(&self) -> Option<&[String]> {
        let few = (2..=FEW).contains(&self.texts.len());
        (few && self.kinds == [false, false, true]).then_some(&self.texts)
    }
}
