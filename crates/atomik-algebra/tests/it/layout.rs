//! Layouts: their text form, and their laws for random fields against the naive oracle.

use crate::oracle::{Fields, Limbs, fields, limbs, list, sum_of_limbs, width_of};
use atomik_algebra::{Field, FieldKind, Layout, LayoutError};
use proptest::prelude::*;

fn layout(fields: &Fields) -> Layout {
    Layout::from_fields(fields.iter().copied()).expect("1 to 512 bits")
}

fn sum(layout: Layout, left: &Limbs, right: &Limbs) -> Limbs {
    let mut sum = left.clone();
    layout.combine(&mut sum, right);
    sum
}

/// Fields, and three words of their width.
fn triples() -> impl Strategy<Value = (Fields, [Limbs; 3])> {
    fields().prop_flat_map(|fields| {
        let width = width_of(&fields);
        let words = [limbs(width), limbs(width), limbs(width)];
        (Just(fields), words)
    })
}

proptest! {
    #[test]
    fn words_form_an_abelian_group((fields, [a, b, c]) in triples()) {
        let layout = layout(&fields);
        let plus = |a: &Limbs, b: &Limbs| sum(layout, a, b);
        prop_assert_eq!(plus(&a, &b), sum_of_limbs(&fields, &a, &b));
        prop_assert_eq!(plus(&plus(&a, &b), &c), plus(&a, &plus(&b, &c)));
        prop_assert_eq!(plus(&a, &b), plus(&b, &a));
        let zero = vec![0; layout.limbs()];
        prop_assert_eq!(&plus(&a, &zero), &a);
        let mut inverse = a.clone();
        layout.inverse(&mut inverse);
        prop_assert_eq!(plus(&a, &inverse), zero);
        prop_assert!(!layout.is_xor() || inverse == a);
    }

    #[test]
    fn the_sum_is_the_same_for_every_permutation(
        (fields, list, shuffled) in fields().prop_flat_map(|fields| {
            let list = list(width_of(&fields), 30);
            list.prop_flat_map(move |list| {
                (Just(fields.clone()), Just(list.clone()), Just(list).prop_shuffle())
            })
        }),
    ) {
        let layout = layout(&fields);
        let total = |list: &[Limbs]| {
            list.iter().fold(vec![0; layout.limbs()], |total, delta| sum(layout, &total, delta))
        };
        prop_assert_eq!(total(&list), total(&shuffled));
    }

    #[test]
    fn the_text_form_is_read_back_and_lists_the_fields(fields in fields()) {
        let layout = layout(&fields);
        let parts: Vec<String> =
            fields.iter().map(|(kind, bits)| format!("{}:{bits}", kind.name())).collect();
        prop_assert_eq!(layout.to_string(), parts.join(","));
        prop_assert_eq!(layout.to_string().parse::<Layout>(), Ok(layout));
        prop_assert_eq!(layout.width(), width_of(&fields));
        let mut offset = 0;
        for (field, (kind, bits)) in layout.fields().zip(&fields) {
            prop_assert_eq!(field, Field { kind: *kind, offset, bits: *bits });
            offset += bits;
        }
        prop_assert_eq!(layout.fields().count(), fields.len());
        let xor = fields.iter().all(|(kind, _)| *kind == FieldKind::Xor);
        prop_assert_eq!(layout.is_xor(), xor);
    }
}

#[test]
fn the_first_field_has_the_lowest_bits() {
    let layout: Layout = "xor:48,add:16".parse().unwrap();
    let sum = |a, b| sum(layout, &vec![a], &vec![b])[0];
    assert_eq!(sum(0x0001_0000_0000_000f, 0xffff_0000_0000_00ff), 0xf0);
    assert_eq!(
        sum(0x7fff_8000_0000_0000, 0x0001_8000_0000_0000),
        0x8000_0000_0000_0000
    );
}

#[test]
fn a_carry_crosses_limbs_but_no_field_boundary() {
    let layout: Layout = "add:72,add:56".parse().unwrap();
    let sum = sum(layout, &vec![u64::MAX, 0xff], &vec![1, 0]);
    assert_eq!(sum, [0, 0]);
    let mut word = vec![1, 0];
    layout.inverse(&mut word);
    assert_eq!(word, [u64::MAX, 0xff]);
}

#[test]
fn layouts_are_equal_if_their_fields_are() {
    let layout = |text: &str| text.parse::<Layout>().unwrap();
    assert_eq!(layout("xor:64"), Layout::xor(64).unwrap());
    assert_ne!(layout("xor:32,xor:32"), layout("xor:64"));
    assert_ne!(layout("add:1"), layout("xor:1"));
    assert_eq!(
        format!("{:?}", layout("xor:3,add:5")),
        "Layout(xor:3,add:5)"
    );
    assert!(layout("xor:32,xor:32").is_xor());
    assert!(!layout("xor:32,add:1").is_xor());
}

#[test]
fn what_is_not_a_layout_is_refused_with_what_to_write() {
    let error = |text: &str| text.parse::<Layout>().unwrap_err();
    for text in [
        "", "64", "xor", "xor:", "add:x", "add:-1", "add:+1", "sub:8", "XOR:8", "add: 8", " add:8",
        "add:8:8", "add:0x8",
    ] {
        assert_eq!(error(text), LayoutError::Form(text.into()), "{text:?}");
    }
    assert_eq!(error("add:8,"), LayoutError::Form("".into()));
    assert_eq!(error("xor:8,add:0"), LayoutError::NoBits(2));
    assert_eq!(error("xor:500,add:13"), LayoutError::Width { width: 513 });
    assert_eq!(error("add:99999999999").to_string().split(';').count(), 2);
    assert_eq!(Layout::xor(0), Err(LayoutError::Width { width: 0 }));
    assert_eq!(Layout::xor(513), Err(LayoutError::Width { width: 513 }));
    assert!("add:512".parse::<Layout>().is_ok());
    assert_eq!(
        error("and:8").to_string(),
        "\"and:8\" is not a field; write xor:N or add:N for N bits, with commas between fields, \
         such as xor:48,add:16"
    );
}
