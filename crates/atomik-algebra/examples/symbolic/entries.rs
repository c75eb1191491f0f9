//! What is claimed of entries: that section 4 of the specification says the same, field by field.

use atomik_algebra::entries::{Content, Fields, Merged, Side, overlap};
use atomik_algebra::{FieldKind, Layout};

use crate::run::explore;
use crate::word::{Specified, Symbolic};

type Version = Symbolic<64>;

/// An origin's changes to a key, and what it knew of another's.
#[derive(Clone, Copy)]
struct Changes<const BITS: u32> {
    version: Version,
    put: Version,
    accumulator: Symbolic<BITS>,
    knew: Version,
    saw: Option<Symbolic<BITS>>,
}

impl<const BITS: u32> Changes<BITS> {
    /// Any changes of an origin that did, or did not, know any of the other's.
    fn any(knows: bool) -> Self {
        Self {
            version: Version::any(),
            put: Version::any(),
            accumulator: Symbolic::any(),
            knew: if knows {
                Version::any()
            } else {
                Version::constant(0)
            },
            saw: knows.then(Symbolic::any),
        }
    }

    fn side(&self) -> Side<'_, Symbolic<BITS>, Version> {
        Side {
            version: self.version,
            put: self.put,
            accumulator: &self.accumulator,
            knew: self.knew,
            saw: self.saw.as_ref(),
        }
    }

    /// The sum of the changes that `other` knew.
    fn before(&self, other: &Self) -> String {
        other.saw.map_or(format!("(_ bv0 {BITS})"), Symbolic::term)
    }
}

/// Bits of a word that a field has.
fn mask<const BITS: u32>(offset: u32, bits: u32) -> Symbolic<BITS> {
    Symbolic::constant((u64::MAX >> (64 - bits)) << offset)
}

/// All claims about which of two contents of an entry stays. A content has 64 bits here, and is
/// only compared with another one.
pub fn merge() {
    for closed in [false, true] {
        let life = if closed { "closed" } else { "alive" };
        explore(&format!("merge, {life}"), || merged(closed));
    }
}

fn merged(closed: bool) -> Vec<String> {
    let any = || Content {
        version: Version::any(),
        all: Symbolic::<64>::any(),
        tag: Symbolic::<128>::any(),
    };
    let (a, b) = (any(), any());
    let (kept, swapped) = (
        atomik_algebra::entries::merge(a, b, closed),
        atomik_algebra::entries::merge(b, a, closed),
    );
    let newer = format!("(bvugt {} {})", b.version.term(), a.version.term());
    let same = format!("(= {} {})", a.version.term(), b.version.term());
    let differs = format!("(distinct {} {})", a.all.term(), b.all.term());
    let larger = format!("(bvugt {} {})", b.tag.term(), a.tag.term());
    let takes = match closed {
        true => format!("(or {newer} (and {same} {differs} {larger}))"),
        false => newer,
    };
    let is = |condition: &str, holds: bool| match holds {
        true => condition.to_owned(),
        false => format!("(not {condition})"),
    };
    let contradiction = format!("(and {same} {differs} {})", !closed);
    // In either order the same content stays, unless two have the same version and tag.
    let agrees = match (kept, swapped) {
        (Merged::Newer, Merged::Known) | (Merged::Known, Merged::Newer) => "true".into(),
        (Merged::Contradiction, Merged::Contradiction) => contradiction.clone(),
        (Merged::Known, Merged::Known) => {
            let tags = format!("(and {closed} (= {} {}))", a.tag.term(), b.tag.term());
            format!("(and {same} (or (not {differs}) {tags}))")
        }
        _ => "false".into(),
    };
    vec![
        is(&takes, kept == Merged::Newer),
        is(&contradiction, kept == Merged::Contradiction),
        agrees,
    ]
}

/// All claims about overlaps of words of this layout.
pub fn overlaps<const BITS: u32>(text: &str) {
    let layout: Layout = match text.parse() {
        Ok(layout) => layout,
        Err(error) => panic!("{text}: {error}"),
    };
    for (a, b) in [(false, false), (false, true), (true, false), (true, true)] {
        explore(&format!("{text}: overlap"), || {
            one(&layout, Changes::<BITS>::any(a), Changes::any(b))
        });
    }
}

fn one<const BITS: u32>(layout: &Layout, a: Changes<BITS>, b: Changes<BITS>) -> Vec<String> {
    let of = |kind| layout.fields().filter(move |field| field.kind == kind);
    let masks = |kind| of(kind).map(|field| mask(field.offset, field.bits));
    let adding: Vec<Symbolic<BITS>> = masks(FieldKind::Add).collect();
    let xors = masks(FieldKind::Xor).fold(Symbolic::default(), |all, field| all ^ field);
    let fields = (!adding.is_empty()).then_some(Fields {
        xors: &xors,
        adding: &adding,
    });
    let found = overlap(a.side(), b.side(), fields);
    let nothing = format!("(_ bv0 {BITS})");
    let bits = found.map_or(nothing.clone(), Symbolic::term);
    let concurrent = format!(
        "(and (bvult {} {}) (bvult {} {}))",
        a.knew.term(),
        b.version.term(),
        b.knew.term(),
        a.version.term()
    );
    // A report has bits, and there is none if one knew all changes of the other.
    let mut claims = vec![match found {
        Some(_) => format!("(and {concurrent} (distinct {bits} {nothing}))"),
        None => "true".into(),
    }];
    let put = format!(
        "(and (bvugt {} {}) (bvugt {} {}))",
        a.put.term(),
        b.knew.term(),
        b.put.term(),
        a.knew.term()
    );
    for field in layout.fields() {
        let part = |term: &str| {
            let top = field.offset + field.bits - 1;
            format!("((_ extract {top} {}) {term})", field.offset)
        };
        let zero = format!("(_ bv0 {})", field.bits);
        let net = |of: &Changes<BITS>, other, function| {
            let after = part(&of.accumulator.term());
            format!("({function} {after} {})", part(&of.before(other)))
        };
        let conflict = match field.kind {
            FieldKind::Xor => format!("(bvand {} {})", net(&a, &b, "bvxor"), net(&b, &a, "bvxor")),
            FieldKind::Add => format!(
                "(ite (and {put} (distinct {} {zero}) (distinct {} {zero})) (bvnot {zero}) {zero})",
                net(&a, &b, "bvsub"),
                net(&b, &a, "bvsub")
            ),
        };
        claims.push(format!(
            "(= {} (ite {concurrent} {conflict} {zero}))",
            part(&bits)
        ));
    }
    claims
}
