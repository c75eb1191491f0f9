//! From measurements to a verdict.

use indicatif::HumanCount;

use super::bits::CAPACITY;
use super::encoding::LONGEST;
use super::study::share;
use super::{FieldFit, Fit, Thresholds, Verdict, Window};
use crate::workload::Class;

/// What a verdict on a field rests on beside what is told of it.
#[derive(Debug)]
pub(super) struct Evidence {
    /// Operations.
    pub(super) total: u64,
    /// Operations that overlap within the widest window, without toggles.
    pub(super) overlapping: u64,
    /// Keys that more than one node writes.
    pub(super) several_writers: u64,
    /// Kinds of values that are set.
    pub(super) kinds: usize,
    /// Two toggles within the widest window, in words.
    pub(super) blind_example: Option<String>,
}

/// Reasons, the weighty ones first.
#[derive(Debug, Default)]
struct Reasons {
    against: Vec<String>,
    conditions: Vec<String>,
    remarks: Vec<String>,
}

impl Reasons {
    fn verdict(self) -> (Verdict, Vec<String>) {
        let verdict = match (self.against.is_empty(), self.conditions.is_empty()) {
            (false, _) => Verdict::DoesNotFit,
            (true, false) => Verdict::FitsWithConditions,
            (true, true) => Verdict::Fits,
        };
        let conditions = self
            .conditions
            .into_iter()
            .map(|condition| format!("Condition: {condition}"));
        let reasons = self.against.into_iter().chain(conditions);
        (verdict, reasons.chain(self.remarks).collect())
    }
}

/// The verdict on a field whose figures are all in `fit` but for the verdict.
pub(super) fn field(
    fit: &FieldFit,
    evidence: &Evidence,
    thresholds: &Thresholds,
) -> (Verdict, Vec<String>) {
    let mut reasons = Reasons::default();
    let Some(decisive) = fit.windows.last() else {
        return reasons.verdict();
    };
    match fit.class {
        Class::Flag => flag(fit, evidence, thresholds, &mut reasons),
        Class::Register => register(fit, evidence, thresholds, &mut reasons),
        Class::Counter => counter(fit, evidence, decisive, &mut reasons),
        Class::Set => set(fit, thresholds, &mut reasons),
        Class::List => reasons.against.push(
            "A list has no fixed bits: what is appended by two nodes at once lands in the same place, and xor makes one garbled element of both. Use a log (Raft, an event store) or a list CRDT."
                .into(),
        ),
        Class::Text => reasons.against.push(
            "Text has no fixed bits: an insertion moves all that stands behind it, so two edits at once garble each other wherever they are. Use a sequence CRDT, or one writer behind Raft."
                .into(),
        ),
    }
    if fit.inexpressible > 0 {
        reasons.remarks.push(format!(
            "{} had no place in 1024 bits and were left out of the simulation.",
            of(fit.inexpressible, evidence.total)
        ));
    }
    concurrency(fit, evidence, decisive, thresholds, &mut reasons);
    gain(fit, decisive, thresholds, &mut reasons);
    reasons.verdict()
}

fn flag(fit: &FieldFit, evidence: &Evidence, thresholds: &Thresholds, reasons: &mut Reasons) {
    let toggles = fit.operations.get("toggle").copied().unwrap_or_default();
    if toggles == 0 {
        return;
    }
    if share(fit.blind_toggles, evidence.total) > thresholds.overlap_fits {
        let example = evidence.blind_example.as_deref().unwrap_or_default();
        reasons.conditions.push(format!(
            "{} were made less than {} ms after another node's toggle of the same flag ({example}). Xor gives what both together say, twice over; if both meant the same, on or off, it is not what they meant, and the flag stays inverted.",
            of(fit.blind_toggles, toggles),
            HumanCount(fit.windows.last().map_or(0, |window| window.ms)),
        ));
    }
    let (odd, left_on) = (fit.odd.unwrap_or_default(), fit.left_on.unwrap_or_default());
    if odd > 0 {
        reasons.conditions.push(format!(
            "{} were toggled an odd number of times, and {} are on at the end. If a toggle stands for coming and going, each may be an event that was missed or told twice, and is inverted from then on: set the flag where its value is known.",
            of_things(odd, fit.keys, "flags"),
            HumanCount(left_on),
        ));
    }
    reasons
        .remarks
        .push("Toggles commute: xor gives their parity whatever came when.".into());
}

fn register(fit: &FieldFit, evidence: &Evidence, thresholds: &Thresholds, reasons: &mut Reasons) {
    let width = &fit.width;
    // An integer fits into any number of words.
    let header = (CAPACITY - LONGEST) as u64;
    if width.most > 8 && width.most + header > thresholds.value_bytes {
        reasons.against.push(format!(
            "Values have up to {} bytes. With {header} for kind and length, {} at most have a place in a replicated value. Keep them elsewhere and replicate a hash, or split them over keys.",
            HumanCount(width.most),
            thresholds.value_bytes.saturating_sub(header),
        ));
    } else if !width.fixed {
        reasons.conditions.push(format!(
            "no value ever gets longer than it is here. They have {} to {} bytes, {:.1} on average; filled up to {} words of 64 bits, {} of what is stored and sent is padding.",
            width.least,
            width.most,
            width.mean,
            fit.words,
            percent(1.0 - width.mean / (8 * fit.words) as f64),
        ));
    }
    if evidence.kinds > 1 {
        reasons.conditions.push(
            "values are of several kinds (booleans, integers, strings); nothing in the bits tells which, so the field needs a tag beside it."
                .into(),
        );
    }
}

fn counter(fit: &FieldFit, evidence: &Evidence, decisive: &Window, reasons: &mut Reasons) {
    match evidence.several_writers {
        0 => reasons.conditions.push(
            "every counter keeps its one writer. A second one that adds at the same time loses additions or garbles carries."
                .into(),
        ),
        several => reasons.against.push(format!(
            "{} are added to by more than one node. An addition is a read, a sum and a write: of two at once, xor keeps neither sum, and no later addition repairs it. {} leave a wrong sum, if what is less than {} ms old is unseen. Use a PN-counter, or a counter for each node that readers add up.",
            of_things(several, fit.keys, "counters"),
            of(fit.wrong_operations, evidence.total),
            HumanCount(decisive.ms),
        )),
    }
}

fn set(fit: &FieldFit, thresholds: &Thresholds, reasons: &mut Reasons) {
    let elements = fit.elements.unwrap_or_default();
    let limit = 8 * thresholds.value_bytes;
    if elements > limit {
        reasons.against.push(format!(
            "There are more than {} different elements, and a replicated value has no more flags. Make each element of each set a key of its own with one flag.",
            HumanCount(limit),
        ));
    } else {
        reasons.conditions.push(format!(
            "the {} elements that come up are all that there ever will be, each with a flag that all nodes know beforehand.",
            HumanCount(elements),
        ));
    }
}

/// What several writers do to values that are set to something, toggles apart.
fn concurrency(
    fit: &FieldFit,
    evidence: &Evidence,
    decisive: &Window,
    thresholds: &Thresholds,
    reasons: &mut Reasons,
) {
    let toggles = fit.operations.get("toggle").copied().unwrap_or_default();
    if evidence.several_writers == 0 {
        reasons
            .remarks
            .push("Every key has one writer, so nothing is concurrent.".into());
        return;
    }
    let ms = HumanCount(decisive.ms);
    let overlapping = share(evidence.overlapping, evidence.total);
    let wrong = share(fit.wrong_operations, evidence.total);
    let decided = matches!(fit.class, Class::Counter | Class::List | Class::Text);
    if overlapping > thresholds.overlap_fails && !decided {
        reasons.against.push(format!(
            "{} change bits that another node changed less than {ms} ms before; the limit is {}. That is no exception that somebody handles, it is how this field is used.",
            of(evidence.overlapping, evidence.total),
            percent(thresholds.overlap_fails),
        ));
    }
    if wrong > thresholds.wrong_fails && !decided {
        reasons.against.push(format!(
            "{} leave a state that is not what was meant, if what is less than {ms} ms old is unseen; the limit is {}.",
            of(fit.wrong_operations, evidence.total),
            percent(thresholds.wrong_fails),
        ));
    }
    if toggles == evidence.total || decided {
        return;
    }
    let several = of_things(evidence.several_writers, fit.keys, "keys");
    if overlapping > thresholds.overlap_fits || fit.wrong_operations > 0 {
        reasons.conditions.push(format!(
            "{several} have several writers, and whoever is told of an overlap sets the value again: {} overlapped within {ms} ms, and {} left a state that was not meant.",
            of(evidence.overlapping, evidence.total),
            HumanCount(fit.wrong_operations),
        ));
    } else {
        reasons.conditions.push(format!(
            "{several} have several writers, who stay apart as they do here: none changed bits that another had changed less than {ms} ms before."
        ));
    }
}

/// What makes xor pointless rather than wrong.
fn gain(fit: &FieldFit, decisive: &Window, thresholds: &Thresholds, reasons: &mut Reasons) {
    let wide = fit.words > 1;
    let whole = fit.changed_word_ratio >= thresholds.whole_value;
    let alone = decisive.coalescing < thresholds.coalescing_saves;
    let decided = matches!(fit.class, Class::List | Class::Text);
    if wide && whole && alone && !decided {
        reasons.conditions.push(format!(
            "it is not bandwidth that is to be saved. Operations change {} of the {} words of a value, and only {:.2} of them share an entry within {} ms: a delta is as long as the value, and sending the value would do.",
            percent(fit.changed_word_ratio),
            fit.words,
            decisive.coalescing,
            HumanCount(decisive.ms),
        ));
    }
}

/// The verdict on the whole trace, whose figures and fields are all in `fit`.
pub(super) fn overall(fit: &Fit) -> (Verdict, Vec<String>) {
    let Some(verdict) = fit.fields.iter().map(|field| field.verdict).max() else {
        let reason = "The trace has no operations, so nothing speaks for it.";
        return (Verdict::DoesNotFit, vec![reason.into()]);
    };
    let mut reasons = Vec::new();
    if let [field] = &fit.fields[..] {
        reasons.extend(field.reasons.iter().cloned());
    } else {
        for step in [
            Verdict::DoesNotFit,
            Verdict::FitsWithConditions,
            Verdict::Fits,
        ] {
            group(fit, step, &mut reasons);
        }
        reasons.push("The worst field decides.".into());
    }
    if fit.nodes == 1 && verdict < Verdict::DoesNotFit {
        reasons.insert(
            0,
            "Condition: all operations are of one node. The trace says nothing about several."
                .into(),
        );
        return (verdict.max(Verdict::FitsWithConditions), reasons);
    }
    (verdict, reasons)
}

/// Fields that are named one by one; a trace may have thousands.
const NAMED: usize = 5;

fn group(fit: &Fit, verdict: Verdict, reasons: &mut Vec<String>) {
    let mut fields: Vec<&FieldFit> = fit
        .fields
        .iter()
        .filter(|field| field.verdict == verdict)
        .collect();
    let operations = |field: &FieldFit| field.operations.values().sum::<u64>();
    fields.sort_by_key(|field| std::cmp::Reverse(operations(field)));
    for field in fields.iter().take(NAMED) {
        reasons.push(format!(
            "{:?}, {} of the operations, a {}: {verdict}. {}",
            field.name,
            percent(share(operations(field), fit.operations)),
            field.class,
            field.reasons.first().map_or("", String::as_str),
        ));
    }
    if let Some(rest) = fields.get(NAMED..).filter(|rest| !rest.is_empty()) {
        let sum = rest.iter().map(|field| operations(field)).sum();
        reasons.push(format!(
            "{} fields more, {} of the operations: {verdict}.",
            HumanCount(rest.len() as u64),
            percent(share(sum, fit.operations)),
        ));
    }
}

/// `3 of 1,000 operations (0.30 %)`.
fn of(part: u64, whole: u64) -> String {
    of_things(part, whole, "operations")
}

fn of_things(part: u64, whole: u64, things: &str) -> String {
    format!(
        "{} of {} {things} ({})",
        HumanCount(part),
        HumanCount(whole),
        percent(share(part, whole))
    )
}

/// A share as people read it: `0.30 %`.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        small if small < 0.01 => "<0.01 %".to_owned(),
        100.0 => "100 %".to_owned(),
        percent => format!("{percent:.2} %"),
    }
}
