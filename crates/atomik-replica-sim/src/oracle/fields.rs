//! How the oracle adds: field by field, in pieces with a carry. Written from the specification,
//! and not with the operations of the algebra that replicas use.

use atomik_replica::{FieldKind, Layout, Value};

use crate::setup::Setup;

/// The fields of the values of a keyspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) words: usize,
    pub(crate) layout: Option<Layout>,
    fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    adds: bool,
    from: usize,
    to: usize,
}

/// The bits that are added at once.
const PIECE: usize = 32;

impl Fields {
    pub(crate) fn of(setup: &Setup) -> Self {
        Self {
            words: setup.words,
            layout: setup.layout,
            fields: match &setup.layout {
                Some(layout) => {
                    let fields = layout.fields();
                    let fields = fields.map(|field| Field {
                        adds: field.kind == FieldKind::Add,
                        from: field.offset as usize,
                        to: (field.offset + field.bits) as usize,
                    });
                    fields.collect()
                }
                None => vec![Field {
                    adds: false,
                    from: 0,
                    to: 64 * setup.words,
                }],
            },
        }
    }

    pub(crate) fn zero(&self) -> Value {
        Value::zero(self.words)
    }

    /// The number of bits.
    pub(crate) fn width(&self) -> usize {
        self.fields.last().map_or(0, |field| field.to)
    }

    /// Whether a bit is one of a field that adds.
    pub(crate) fn adds(&self, bit: usize) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|field| field.adds && (field.from..field.to).contains(&bit))
    }

    /// Whether a value has only bits below the width.
    pub(crate) fn fits(&self, value: &Value) -> bool {
        (self.width()..64 * self.words).all(|bit| !value.has(bit))
    }

    pub(crate) fn sum(&self, a: &Value, b: &Value) -> Value {
        self.walk(a, b, 0, |a, b, carry, _| a + b + carry)
    }

    pub(crate) fn difference(&self, a: &Value, b: &Value) -> Value {
        let complement = |b: u64, bits: usize| !b & ((1 << bits) - 1);
        self.walk(a, b, 1, |a, b, carry, bits| a + complement(b, bits) + carry)
    }

    pub(crate) fn negative(&self, a: &Value) -> Value {
        self.difference(&self.zero(), a)
    }

    pub(crate) fn add_to(&self, a: &mut Value, b: &Value) {
        *a = self.sum(a, b);
    }

    pub(crate) fn take_from(&self, a: &mut Value, b: &Value) {
        *a = self.difference(a, b);
    }

    /// The xor of two values, except that fields that add are combined by `add` in pieces of so
    /// many bits, from the lowest on, with the carry, which is `first` for the lowest.
    fn walk(
        &self,
        a: &Value,
        b: &Value,
        first: u64,
        add: impl Fn(u64, u64, u64, usize) -> u64,
    ) -> Value {
        let mut words = a.xor(b).words().to_vec();
        for field in self.fields.iter().filter(|field| field.adds) {
            let (mut from, mut carry) = (field.from, first);
            while from < field.to {
                let bits = PIECE.min(field.to - from);
                let sum = add(get(a, from, bits), get(b, from, bits), carry, bits);
                carry = sum >> bits;
                set(&mut words, from, bits, sum);
                from += bits;
            }
        }
        Value::from_words(&words)
    }

    /// The bits in which two net effects conflict, given as the bits that each changed: the common
    /// ones of fields that xor, and whole fields that add if both sides `put`.
    pub(crate) fn conflict(&self, a: &Value, b: &Value, put: bool) -> Value {
        let mut words = vec![0; self.words];
        for field in &self.fields {
            let changed = |value: &Value| (field.from..field.to).any(|bit| value.has(bit));
            let whole = put && changed(a) && changed(b);
            for bit in field.from..field.to {
                let both = a.has(bit) && b.has(bit);
                if if field.adds { whole } else { both } {
                    words[bit / 64] |= 1 << (bit % 64);
                }
            }
        }
        Value::from_words(&words)
    }

    /// Whether a delta changes a field that adds.
    pub(crate) fn changes_sum(&self, delta: &Value) -> bool {
        (0..64 * self.words).any(|bit| delta.has(bit) && self.adds(bit))
    }
}

fn get(value: &Value, from: usize, bits: usize) -> u64 {
    let words = value.words();
    let word = |at: usize| u128::from(words.get(at).copied().unwrap_or(0));
    let both = word(from / 64) | word(from / 64 + 1) << 64;
    (both >> (from % 64)) as u64 & ((1 << bits) - 1)
}

fn set(words: &mut [u64], from: usize, bits: usize, value: u64) {
    for bit in 0..bits {
        let (at, mask) = ((from + bit) / 64, 1 << ((from + bit) % 64));
        match value >> bit & 1 {
            1 => words[at] |= mask,
            _ => words[at] &= !mask,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn fields(layout: &str) -> Fields {
        let layout: Layout = layout.parse().unwrap();
        Fields::of(&Setup {
            words: layout.limbs(),
            layout: Some(layout),
            ..Setup::calm(2, 1)
        })
    }

    #[test]
    fn fields_add_and_xor_each_for_itself_also_across_words() {
        let mixed = fields("xor:48,add:16");
        let (a, b) = (0x0001_0000_0000_000f.into(), 0xffff_0000_0000_00ff.into());
        assert_eq!(mixed.sum(&a, &b), 0x0000_0000_0000_00f0.into());
        assert_eq!(mixed.difference(&mixed.sum(&a, &b), &b), a);
        assert_eq!(mixed.negative(&a), 0xffff_0000_0000_000f.into());

        let straddling = fields("xor:60,add:60");
        let last = Value::from_words(&[0xf << 60, (1 << 56) - 1]);
        let one = Value::from_words(&[1 << 60, 0]);
        assert!(straddling.sum(&last, &one).is_zero());
        assert_eq!(straddling.negative(&one), last);
        assert!(!straddling.fits(&Value::from_words(&[0, 1 << 56])));
        assert!(straddling.fits(&last));
    }

    #[test]
    fn only_two_puts_conflict_in_a_field_that_adds() {
        let mixed = fields("xor:4,add:4");
        let conflict = |a: u64, b: u64, put| mixed.conflict(&a.into(), &b.into(), put);
        assert_eq!(conflict(0x13, 0x21, false), 1.into());
        assert_eq!(conflict(0x13, 0x21, true), 0xf1.into());
        assert_eq!(conflict(0x13, 0x01, true), 1.into());
    }
}
