//! The layout of a word that holds the fields of a trace.

use atomik_algebra::{FieldKind, Layout};

use super::encoding::{KIND, LENGTH};
use super::findings::FieldFit;
use crate::workload::Class;

/// The field of a layout that holds these values, such as `add:16`. `None` if they have no fixed
/// width. `kinds` says whether booleans, integers and strings are set.
pub(super) fn field(fit: &FieldFit, kinds: [bool; 3]) -> Option<String> {
    let (kind, bits) = match fit.class {
        Class::Flag => (FieldKind::Xor, 1),
        Class::Counter => (FieldKind::Add, fit.sums.as_ref()?.bits?.into()),
        Class::Set => (FieldKind::Xor, fit.elements.filter(|_| fit.width.fixed)?),
        Class::Register => (FieldKind::Xor, register(fit, kinds)),
        Class::List | Class::Text => return None,
    };
    Some(format!("{}:{bits}", kind.name()))
}

fn register(fit: &FieldFit, [booleans, integers, texts]: [bool; 3]) -> u64 {
    let booleans = booleans || fit.operations.contains_key("toggle");
    let widths = [
        (booleans, 1),
        (integers, 64),
        (texts, LENGTH + 8 * fit.width.most),
    ];
    let present = || widths.iter().filter(|(present, _)| *present);
    let tag = if present().count() > 1 { KIND } else { 0 };
    tag + present().map(|(_, bits)| *bits).max().unwrap_or(1)
}

/// All fields side by side, the first lowest. `None` if one has no fixed width, or if they are
/// wider than a layout can be.
pub(super) fn word(fields: &[FieldFit]) -> Option<String> {
    let fields: Option<Vec<&str>> = fields.iter().map(|field| field.layout.as_deref()).collect();
    let layout: Layout = fields?.join(",").parse().ok()?;
    Some(layout.to_string())
}
