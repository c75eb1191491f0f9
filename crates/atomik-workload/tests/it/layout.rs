//! Words in the layout that a fit names, as replicas hold them: an accumulator for each origin.

use std::collections::BTreeMap;
use std::path::Path;

use atomik_algebra::{Field, FieldKind, Layout};
use atomik_workload::content::Content;
use atomik_workload::fit::{self, Thresholds};
use atomik_workload::workload::{Action, Class, Line, Reader};
use proptest::prelude::*;

const FIELDS: [(&str, Class); 3] = [
    ("low", Class::Counter),
    ("flag", Class::Flag),
    ("high", Class::Counter),
];

fn layout(lines: &[Line]) -> Layout {
    let mut bytes = Vec::new();
    for line in lines {
        line.write(&mut bytes).unwrap();
    }
    let reader = Reader::new(&bytes[..], Path::new("test"));
    let fit = fit::fit(reader, Thresholds::default(), 0, "", "").unwrap();
    fit.layout.unwrap().parse().unwrap()
}

fn mask(field: Field) -> u128 {
    ((1 << field.bits) - 1) << field.offset
}

fn limbs(word: u128) -> [u64; 2] {
    [word as u64, (word >> 64) as u64]
}

/// The first field that does not hold what the operations mean, if all origins' accumulators are
/// combined by `combining`. Its fields lie where `layout` has them.
fn wrong(lines: &[Line], layout: &Layout, combining: &Layout) -> Option<&'static str> {
    let places: Vec<Field> = layout.fields().collect();
    let mut origins: BTreeMap<u32, [u64; 2]> = BTreeMap::new();
    let mut meant = FIELDS.map(|(_, class)| Content::empty(class));
    for line in lines {
        let place = FIELDS
            .iter()
            .position(|(name, _)| *name == line.field)
            .unwrap();
        let field = places[place];
        let delta = match line.action {
            Action::Add(value) => (value as u128) << field.offset & mask(field),
            _ => mask(field),
        };
        combining.combine(origins.entry(line.node).or_default(), &limbs(delta));
        meant[place].apply(&line.action);
    }
    let mut word = [0; 2];
    for accumulator in origins.values().rev() {
        combining.combine(&mut word, accumulator);
    }
    let word = u128::from(word[1]) << 64 | u128::from(word[0]);
    let read = |field: Field| {
        let bits = (word & mask(field)) >> field.offset;
        match field.kind {
            FieldKind::Xor => Content::Flag(bits == 1),
            FieldKind::Add => {
                let unused = 64 - field.bits;
                Content::Counter((bits as i64) << unused >> unused)
            }
        }
    };
    let found = (0..FIELDS.len()).find(|&place| read(places[place]) != meant[place]);
    found.map(|place| FIELDS[place].0)
}

fn line(node: u32, field: usize, value: i64) -> Line {
    let (name, class) = FIELDS[field];
    Line {
        t: 0,
        node,
        key: "k".into(),
        field: name.into(),
        action: match class {
            Class::Flag => Action::Toggle,
            _ => Action::Add(value),
        },
    }
}

/// A first use of every field, in order.
fn all() -> Vec<Line> {
    (0..FIELDS.len()).map(|field| line(0, field, 0)).collect()
}

proptest! {
    #[test]
    fn accumulators_by_origin_sum_to_what_the_operations_mean(
        operations in prop::collection::vec((0_u32..5, 0_usize..3, -70_000_i64..70_000), 1..60),
    ) {
        let mut lines = all();
        lines.extend(operations.into_iter().map(|(node, field, value)| line(node, field, value)));
        let layout = layout(&lines);
        prop_assert_eq!(wrong(&lines, &layout, &layout), None);
    }
}

#[test]
fn counters_that_xor_and_fields_that_carry_are_found() {
    let with = |more: &[Line]| [&all()[..], more].concat();
    let parse = |text: &str| text.parse::<Layout>().unwrap();
    let lines = with(&[line(0, 0, 5), line(1, 0, 3)]);
    let right = layout(&lines);
    assert_eq!(right, parse("add:8,xor:1,add:8"));
    assert_eq!(wrong(&lines, &right, &right), None);
    assert_eq!(wrong(&lines, &right, &parse("xor:17")), Some("low"));
    // -1 and 1 leave 0, and a carry that belongs to nobody.
    let lines = with(&[line(0, 0, -1), line(1, 0, 1), line(1, 1, 0)]);
    assert_eq!(wrong(&lines, &right, &right), None);
    assert_eq!(wrong(&lines, &right, &parse("add:17")), Some("flag"));
    assert_eq!(wrong(&lines, &right, &parse("add:9,add:8")), Some("flag"));
}
