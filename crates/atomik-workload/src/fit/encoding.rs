//! How values are encoded as bits, and how an operation changes the bits that its writer sees.
//!
//! | class | bits |
//! |---|---|
//! | flag | 1 |
//! | counter | 64, two's complement, in a field that adds |
//! | register | booleans 1, integers 64, strings 8 per byte, padded with zeros |
//! | set | 1 per element, in the order of their first use in the field |
//! | list, text | 8 per byte, padded with zeros; an element of a list is a line |
//!
//! A string has at most [`LONGEST`] bytes, which leaves room for its kind and length. Those are not
//! simulated: examples show the value alone. The last row is not a sensible way to replicate lists
//! and text; it shows what XOR would make of them. Everything but counters is in XOR fields.

use indexmap::IndexSet;

use super::bits::{Bits, CAPACITY};
use crate::workload::{Action, Class, MAX_UNIVERSE, Scalar};

/// Bits for the kind of a value.
pub(super) const KIND: u64 = 2;
/// Bits for the length of a string.
pub(super) const LENGTH: u64 = 16;
/// The longest string in bytes: a value without its kind and its length.
pub(super) const LONGEST: usize = CAPACITY - (KIND + LENGTH).div_ceil(8) as usize;

/// An operation on bits.
#[derive(Debug)]
pub(super) enum Effect<'a> {
    Toggle,
    Put(Bits),
    Add(i64),
    Element {
        bit: usize,
        present: bool,
    },
    /// Removes all elements of a set.
    Clear,
    Append(String),
    InsertText {
        at: usize,
        text: &'a str,
    },
    RemoveText {
        at: usize,
        count: usize,
    },
}

impl<'a> Effect<'a> {
    /// The effect of `action`. A new element gets the next bit of `universe`. `None` if it has no
    /// bits: a string that is too long, or an element too many.
    pub(super) fn of(
        action: &'a Action,
        universe: &mut IndexSet<Scalar, foldhash::fast::FixedState>,
    ) -> Option<Self> {
        Some(match action {
            Action::Toggle => Self::Toggle,
            Action::Set(value) => Self::Put(put(value)?),
            Action::Add(value) => Self::Add(*value),
            Action::Insert(value) | Action::Remove(value) => Self::Element {
                bit: match universe.get_index_of(value) {
                    Some(bit) => bit,
                    None if universe.len() < MAX_UNIVERSE => universe.insert_full(value.clone()).0,
                    None => return None,
                },
                present: matches!(action, Action::Insert(_)),
            },
            Action::Append(value) => Self::Append(match value {
                Scalar::Text(text) => format!("{text}\n"),
                other => format!("{other}\n"),
            }),
            Action::InsertText { at, text } => Self::InsertText { at: *at, text },
            // Only sets have elements.
            Action::Unset | Action::Delete if !universe.is_empty() => Self::Clear,
            Action::Unset | Action::Delete => Self::Put(Bits::ZERO),
            Action::RemoveText { at, count } => Self::RemoveText {
                at: *at,
                count: *count,
            },
        })
    }

    /// The bits that a writer who sees `seen` intends, or `None` if a text or list outgrows a
    /// value.
    pub(super) fn apply(&self, seen: &Bits) -> Option<Bits> {
        match self {
            Self::Toggle => Some(Bits::Word(u64::from(*seen != Bits::Word(1)))),
            Self::Put(bits) => Some(bits.clone()),
            Self::Clear => Some(Bits::ZERO),
            Self::Add(value) => Some(Bits::Word(seen.low().wrapping_add_signed(*value))),
            Self::Element { bit, present } => {
                let mut bits = seen.clone();
                if bits.has(*bit) != *present {
                    bits.flip(*bit);
                }
                Some(bits)
            }
            edit => {
                let bytes = edit.edit(seen);
                (bytes.len() <= CAPACITY).then(|| Bits::from_bytes(&bytes))
            }
        }
    }

    /// As [`Effect::apply`], truncated to the size of a value: a garbled text may be longer than
    /// the intended one.
    pub(super) fn apply_and_cut(&self, seen: &Bits) -> Bits {
        self.apply(seen)
            .unwrap_or_else(|| Bits::from_bytes(&self.edit(seen)))
    }

    /// Whether its values have no fixed width.
    pub(super) fn is_edit(&self) -> bool {
        matches!(
            self,
            Self::Append(_) | Self::InsertText { .. } | Self::RemoveText { .. }
        )
    }

    /// The number of characters of a text after the operation; unchanged for other classes.
    pub(super) fn characters_after(&self, characters: u64) -> u64 {
        match self {
            Self::Append(line) => characters + line.chars().count() as u64,
            Self::InsertText { text, .. } => characters + text.chars().count() as u64,
            Self::RemoveText { at, count } => {
                let behind = characters.saturating_sub(*at as u64);
                characters - behind.min(*count as u64)
            }
            // Only an `unset` puts a text.
            Self::Put(_) => 0,
            _ => characters,
        }
    }

    fn edit(&self, seen: &Bits) -> Vec<u8> {
        let mut bytes = seen.to_bytes();
        match self {
            Self::Append(line) => bytes.extend(line.as_bytes()),
            Self::InsertText { at, text } => {
                let place = place(&bytes, *at);
                bytes.splice(place..place, text.bytes());
            }
            Self::RemoveText { at, count } => {
                let first = place(&bytes, *at);
                let last = place(&bytes, at.saturating_add(*count));
                bytes.drain(first..last);
            }
            _ => {}
        }
        bytes
    }
}

fn put(value: &Scalar) -> Option<Bits> {
    match value {
        Scalar::Bool(value) => Some(Bits::Word(u64::from(*value))),
        Scalar::Int(value) => Some(Bits::Word(value.cast_unsigned())),
        Scalar::Text(text) => (text.len() <= LONGEST).then(|| Bits::from_bytes(text.as_bytes())),
    }
}

/// Where characters start in UTF-8, even if garbled.
fn starts(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    (0..bytes.len()).filter(|&place| bytes[place] & 0xc0 != 0x80)
}

/// The byte where character `at` starts.
fn place(bytes: &[u8], at: usize) -> usize {
    starts(bytes).nth(at).unwrap_or(bytes.len())
}

/// The number of characters.
pub(super) fn characters(bytes: &[u8]) -> u64 {
    starts(bytes).count() as u64
}

/// How many characters of a value are shown.
const SHOWN: usize = 48;

/// A readable value. `like` is an operation with a value of its kind, for classes that leave the
/// kind open. Of a set, only elements with bits in `within` are shown.
pub(super) fn show(
    bits: &Bits,
    class: Class,
    like: &Action,
    universe: &IndexSet<Scalar, foldhash::fast::FixedState>,
    within: &Bits,
) -> String {
    let text = match class {
        Class::Flag => flag(bits),
        Class::Counter => bits.low().cast_signed().to_string(),
        Class::Register => match like {
            Action::Set(Scalar::Int(_)) => bits.low().cast_signed().to_string(),
            Action::Set(Scalar::Text(_)) => quoted(bits),
            Action::Unset if bits.is_zero() => "nothing".to_owned(),
            Action::Unset if matches!(bits, Bits::Word(_)) => bits.low().cast_signed().to_string(),
            Action::Unset => quoted(bits),
            _ => flag(bits),
        },
        Class::Set => {
            let elements: Vec<String> = bits
                .ones()
                .filter(|&bit| within.has(bit))
                .filter_map(|bit| universe.get_index(bit))
                .map(Scalar::to_string)
                .collect();
            format!("{{{}}}", elements.join(", "))
        }
        Class::List | Class::Text => quoted(bits),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn flag(bits: &Bits) -> String {
    match bits.low() {
        0 => "off".to_owned(),
        1 => "on".to_owned(),
        // A flag among values of other kinds.
        other => other.cast_signed().to_string(),
    }
}

fn quoted(bits: &Bits) -> String {
    let bytes = bits.to_bytes();
    match std::str::from_utf8(&bytes) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("\"{}\" (not UTF-8)", bytes.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::content::Content;

    fn edit() -> impl Strategy<Value = Action> {
        prop_oneof![
            2 => (0_usize..12, "[aé漢]{1,4}").prop_map(|(at, text)| Action::InsertText { at, text }),
            1 => (0_usize..12, 0_usize..5).prop_map(|(at, count)| Action::RemoveText { at, count }),
        ]
    }

    proptest! {
        #[test]
        fn edits_mean_what_they_mean_in_a_trace(edits in prop::collection::vec(edit(), 1..20)) {
            let mut content = Content::empty(Class::Text);
            let mut bits = Bits::ZERO;
            let mut long = 0;
            for action in &edits {
                content.apply(action);
                let Content::Text(text) = &content else { unreachable!("it is a text") };
                let effect = Effect::of(action, &mut IndexSet::default()).unwrap();
                long = effect.characters_after(long);
                prop_assert_eq!(long, text.chars().count() as u64);
                match effect.apply(&bits) {
                    None => {
                        prop_assert!(text.len() > CAPACITY);
                        break;
                    }
                    Some(new) => bits = new,
                }
                prop_assert_eq!(&bits.to_bytes(), text.as_bytes());
            }
        }

        #[test]
        fn bits_are_flipped_one_by_one(bits in prop::collection::vec(0_usize..1024, 0..40)) {
            let mut flipped = Bits::ZERO;
            let mut ones = std::collections::BTreeSet::new();
            for bit in bits {
                flipped.flip(bit);
                if !ones.remove(&bit) {
                    ones.insert(bit);
                }
                prop_assert!(flipped.ones().eq(ones.iter().copied()));
                prop_assert_eq!(&Bits::from_bytes(&flipped.to_bytes()), &flipped);
            }
        }
    }

    #[test]
    fn the_universe_is_closed_when_a_value_has_no_more_bits() {
        let mut universe = IndexSet::default();
        let bit = |element, universe: &mut _| match Effect::of(
            &Action::Remove(Scalar::Int(element)),
            universe,
        ) {
            Some(Effect::Element {
                bit,
                present: false,
            }) => Some(bit),
            _ => None,
        };
        assert_eq!(bit(-1, &mut universe), Some(0));
        for element in 0..1023 {
            assert_eq!(bit(element, &mut universe), Some(element as usize + 1));
        }
        assert_eq!(bit(5000, &mut universe), None);
        assert_eq!(bit(7, &mut universe), Some(8));
    }
}
