//! The verdict on a whole trace.

use std::cmp::Reverse;

use atomik_algebra::MAX_WIDTH;
use indicatif::HumanCount;

use super::findings::{FieldFit, Fit, Verdict};
use super::ratio::{percent, share};
use super::reason::Reason;

/// Judges the whole trace by the verdicts on its fields and the worst reason of each.
pub(super) fn judge(fit: &mut Fit, worst: &[Option<Reason>]) {
    let Some(verdict) = fit.fields.iter().map(|field| field.verdict).max() else {
        fit.reasons = vec!["The trace has no operations.".into()];
        return;
    };
    fit.verdict = verdict;
    let mut reasons = Vec::new();
    if let [field] = &fit.fields[..] {
        reasons.extend(field.reasons.iter().cloned());
    } else {
        for step in [
            Verdict::DoesNotFit,
            Verdict::FitsWithConditions,
            Verdict::Fits,
        ] {
            group(fit, step, worst, &mut reasons);
        }
        reasons.push("The worst field decides.".into());
    }
    reasons.extend(layout(fit));
    let deciding = fit.fields.iter().zip(worst);
    let deciding = deciding.filter(|(field, _)| field.verdict == verdict);
    let worst = deciding.filter_map(|(_, reason)| reason.as_ref());
    let worst = worst.min_by_key(|reason| reason.rank());
    fit.instead = worst.map(|reason| reason.instead.clone().into_owned());
    if fit.nodes == 1 && verdict < Verdict::DoesNotFit {
        reasons.insert(
            0,
            "Condition: a single node writes. The trace has no operations of other nodes. \
             Otherwise, record a trace of all nodes, or import it with the column that says who \
             wrote: `node` of a map, or `--node-column` for changes of a database."
                .into(),
        );
        fit.verdict = Verdict::FitsWithConditions;
    }
    fit.reasons = reasons;
}

/// Which fields of a word hold which fields of the trace.
fn layout(fit: &Fit) -> Option<String> {
    let named = |field: &FieldFit| {
        let part = field.layout.as_deref().unwrap_or("none");
        format!("{part} for {:?}", field.name)
    };
    if fit.layout.is_none() {
        let fixed = fit.fields.iter().all(|field| field.layout.is_some());
        return fixed.then(|| {
            format!(
                "Layout: none. The fields take more than {MAX_WIDTH} bits together, and a layout \
                 has no more; give each a key of its own."
            )
        });
    }
    let shown: Vec<String> = fit.fields.iter().take(LISTED).map(named).collect();
    let rest = match fit.fields.len().saturating_sub(LISTED) {
        0 => String::new(),
        rest => format!(", and {rest} more"),
    };
    Some(format!(
        "Layout, from the lowest bits up: {}{rest}.",
        shown.join(", ")
    ))
}

/// How many fields of a layout are listed.
const LISTED: usize = 16;

/// How many fields are named individually; a trace may have thousands.
const NAMED: usize = 5;

fn group(fit: &Fit, verdict: Verdict, worst: &[Option<Reason>], reasons: &mut Vec<String>) {
    let fields = fit.fields.iter().zip(worst);
    let mut fields: Vec<_> = fields
        .filter(|(field, _)| field.verdict == verdict)
        .collect();
    let operations = |field: &FieldFit| field.operations.values().sum::<u64>();
    fields.sort_by_key(|(field, worst)| {
        let rank = worst.as_ref().map(Reason::rank);
        (rank, Reverse(operations(field)))
    });
    for (field, _) in fields.iter().take(NAMED) {
        let more = match field.reasons.len() {
            0 | 1 => String::new(),
            reasons => format!(" (1 of {reasons} reasons)"),
        };
        reasons.push(format!(
            "{:?}, {} of the operations, a {}: {verdict}. {}{more}",
            field.name,
            percent(share(operations(field), fit.operations)),
            field.class,
            field.reasons.first().map_or("", String::as_str),
        ));
    }
    if let Some(rest) = fields.get(NAMED..).filter(|rest| !rest.is_empty()) {
        let sum = rest.iter().map(|(field, _)| operations(field)).sum();
        reasons.push(format!(
            "{} more fields, {} of the operations: {verdict}.",
            HumanCount(rest.len() as u64),
            percent(share(sum, fit.operations)),
        ));
    }
}
