//! The shape of a keyspace's values: how many words they have, and how their bits combine.

use core::fmt;
use std::sync::Arc;

use atomik_algebra::entries::Fields;
use atomik_algebra::{FieldKind, Layout};

use crate::value::Value;

/// How many words the values of a keyspace have, and how their bits combine.
///
/// By default all bits xor. `Shape::from` a [`Layout`] makes others, in which fields add.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    words: usize,
    /// `None` if all bits of all words xor, in one field.
    listed: Option<Arc<Listed>>,
}

/// A list of fields other than the default.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Listed {
    layout: Layout,
    /// The bits of all xor fields.
    xors: Value,
    /// The bits of each field that adds.
    adding: Box<[Value]>,
    /// Tells messages of keyspaces with other layouts apart.
    mark: Mark,
}

impl Listed {
    /// Whether no bit of a value with the right number of words is above the width.
    fn fits(&self, value: &Value) -> bool {
        let excess = |last: &u64| match self.layout.width() % 64 {
            0 => 0,
            bits => last >> bits,
        };
        value.words().last().map_or(0, excess) == 0
    }
}

/// 16 bits of a hash of a layout.
pub(crate) type Mark = [u8; 2];

impl Shape {
    /// Values of this many 64-bit words, all bits of which xor.
    pub fn xor(words: usize) -> Self {
        Self {
            words,
            listed: None,
        }
    }

    /// The number of words of a value.
    #[inline]
    pub fn words(&self) -> usize {
        self.words
    }

    /// The number of bits of a value. Bits above are 0.
    pub fn width(&self) -> usize {
        self.layout()
            .map_or(64 * self.words, |layout| layout.width() as usize)
    }

    /// The list of fields; `None` for the default, which is one xor field over all words.
    pub fn layout(&self) -> Option<&Layout> {
        self.listed.as_ref().map(|listed| &listed.layout)
    }

    /// Whether there are fields that add.
    #[inline]
    pub fn adds(&self) -> bool {
        self.adding().is_some()
    }

    #[inline]
    fn adding(&self) -> Option<&Listed> {
        let listed = self.listed.as_deref();
        listed.filter(|listed| !listed.adding.is_empty())
    }

    /// Whether a bit is one of an xor field.
    pub fn is_xor(&self, bit: usize) -> bool {
        bit < self.width()
            && self
                .listed
                .as_ref()
                .is_none_or(|listed| listed.xors.has(bit))
    }

    /// Whether a value has the right number of words, and no bit above the width.
    #[inline]
    pub fn fits(&self, value: &Value) -> bool {
        value.words().len() == self.words
            && self
                .listed
                .as_deref()
                .is_none_or(|listed| listed.fits(value))
    }

    /// The identity: all bits are 0.
    pub fn zero(&self) -> Value {
        Value::zero(self.words)
    }

    /// Combines a delta into a value, field by field.
    #[inline]
    pub fn accumulate(&self, value: &mut Value, delta: &Value) {
        match self.adding() {
            None => value.xor_with(delta),
            Some(listed) => listed.layout.combine(value.words_mut(), delta.words()),
        }
    }

    /// Combines the inverse of a delta into a value.
    #[inline]
    pub fn subtract(&self, value: &mut Value, delta: &Value) {
        match self.adding() {
            None => value.xor_with(delta),
            Some(_) => self.accumulate(value, &self.inverse(delta)),
        }
    }

    /// The delta that makes `old` into `new`.
    #[must_use]
    #[inline]
    pub fn difference(&self, new: &Value, old: &Value) -> Value {
        let mut delta = new.clone();
        self.subtract(&mut delta, old);
        delta
    }

    /// The delta that cancels another. For xor fields alone it is the same.
    #[must_use]
    #[inline]
    pub fn inverse(&self, delta: &Value) -> Value {
        let mut inverse = delta.clone();
        if let Some(listed) = self.adding() {
            listed.layout.inverse(inverse.words_mut());
        }
        inverse
    }

    /// `word` combined with `delta`, in a keyspace of one word.
    #[inline]
    pub(crate) fn combined(&self, word: u64, delta: u64) -> u64 {
        match self.adding() {
            None => word ^ delta,
            Some(listed) => {
                let mut word = [word];
                listed.layout.combine(&mut word, &[delta]);
                word[0]
            }
        }
    }

    /// Whether replacing a value by such a delta sets a field that adds.
    pub(crate) fn sets_sum(&self, delta: &Value) -> bool {
        let adding = self.adding();
        adding.is_some_and(|listed| !delta.and_not(&listed.xors).is_zero())
    }

    /// The fields for a comparison of changes; `None` if all bits xor.
    pub(crate) fn fields(&self) -> Option<Fields<'_, Value>> {
        self.adding().map(|listed| Fields {
            xors: &listed.xors,
            adding: &listed.adding,
        })
    }

    /// What a layout other than the default adds to the messages of its keyspace.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.listed.as_ref().map(|listed| listed.mark)
    }

    /// Hashes what distinguishes this shape from others. For the default these are the same bytes
    /// as before there were layouts.
    pub(crate) fn hash_into(&self, hasher: &mut blake3::Hasher) {
        let words = self.words as u64;
        match self.layout() {
            None => hasher.update(&words.to_le_bytes()),
            Some(layout) => {
                let text = layout.to_string();
                hasher
                    .update(&(1 << 63 | text.len() as u64).to_le_bytes())
                    .update(text.as_bytes())
            }
        };
    }
}

impl From<Layout> for Shape {
    fn from(layout: Layout) -> Self {
        let (width, words) = (layout.width(), layout.limbs());
        let is_default = width.is_multiple_of(64)
            && layout
                .fields()
                .all(|field| field.kind == FieldKind::Xor && field.bits == width);
        if is_default {
            return Self::xor(words);
        }
        let of_field = |offset: u32, bits: u32| {
            let mut mask = Value::zero(words);
            (offset..offset + bits).for_each(|bit| mask.xor_with(&Value::bit(words, bit as usize)));
            mask
        };
        let (mut xors, mut adding) = (Value::zero(words), Vec::new());
        for field in layout.fields() {
            let mask = of_field(field.offset, field.bits);
            match field.kind {
                FieldKind::Xor => xors.xor_with(&mask),
                FieldKind::Add => adding.push(mask),
            }
        }
        let hash = blake3::hash(layout.to_string().as_bytes());
        Self {
            words,
            listed: Some(Arc::new(Listed {
                layout,
                xors,
                adding: adding.into(),
                mark: [hash.as_bytes()[0], hash.as_bytes()[1]],
            })),
        }
    }
}

impl fmt::Display for Shape {
    /// The layout's text, also of a width that no [`Layout`] can have.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layout() {
            Some(layout) => layout.fmt(f),
            None => write!(f, "xor:{}", self.width()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use atomik_algebra::entries::conflict;
    use proptest::prelude::*;

    use super::*;

    fn shape(text: &str) -> Shape {
        text.parse::<Layout>().unwrap().into()
    }

    fn value(words: &[u64]) -> Value {
        Value::from_words(words)
    }

    #[test]
    fn one_xor_field_over_whole_words_is_the_default_and_no_other_list_is() {
        assert_eq!(shape("xor:64"), Shape::xor(1));
        assert_eq!(shape("xor:512"), Shape::xor(8));
        for text in ["xor:32,xor:32", "xor:16", "add:64", "xor:48,add:16"] {
            assert_ne!(shape(text), Shape::xor(1), "{text}");
            assert_eq!(shape(text).to_string(), text);
        }
        assert_eq!(Shape::xor(16).to_string(), "xor:1024");
        assert!(!shape("xor:32,xor:32").adds() && shape("add:16").adds());
    }

    #[test]
    fn bits_above_the_width_do_not_fit() {
        let narrow = shape("add:16");
        assert!(narrow.fits(&0xffff.into()) && !narrow.fits(&0x1_0000.into()));
        assert!(!narrow.fits(&value(&[0, 0])));
        let wide = shape("xor:48,add:24");
        assert!(wide.fits(&value(&[u64::MAX, 0xff])) && !wide.fits(&value(&[0, 0x100])));
        assert!(Shape::xor(1).fits(&u64::MAX.into()));
    }

    #[test]
    fn fields_that_add_conflict_as_a_whole_and_only_if_both_groups_put() {
        let mixed = shape("xor:48,add:16");
        let at = |xor: u64, add: u64| Value::from(add << 48 | xor);
        let both = |a: &Value, b: &Value, put| conflict((a, None), (b, None), mixed.fields(), put);
        let (a, b) = (at(5, 1), at(3, 2));
        assert_eq!(both(&a, &b, false), at(1, 0));
        assert_eq!(both(&a, &b, true), at(1, 0xffff));
        assert_eq!(both(&a, &at(2, 0), true), at(0, 0));
        let since = conflict(
            (&at(0, 7), Some(&at(0, 7))),
            (&b, None),
            mixed.fields(),
            true,
        );
        assert!(since.is_zero(), "nothing has changed since");
    }

    proptest! {
        #[test]
        fn a_difference_leads_from_one_value_to_the_other(
            which in 0..4_usize, a: [u64; 2], b: [u64; 2]
        ) {
            let texts = ["xor:128", "add:128", "xor:60,add:60", "add:7,xor:3,add:70"];
            let shape = shape(texts[which]);
            let cut = |words: [u64; 2]| {
                let excess = 128 - shape.width() as u32;
                value(&[words[0], words[1] << excess >> excess])
            };
            let (old, new) = (cut(a), cut(b));
            let delta = shape.difference(&new, &old);
            prop_assert!(shape.fits(&delta));
            let mut reached = old.clone();
            shape.accumulate(&mut reached, &delta);
            prop_assert_eq!(&reached, &new);
            shape.subtract(&mut reached, &delta);
            prop_assert_eq!(&reached, &old);
            shape.accumulate(&mut reached, &shape.inverse(&old));
            prop_assert!(reached.is_zero());
        }
    }
}
