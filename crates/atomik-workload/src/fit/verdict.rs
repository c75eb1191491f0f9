//! The rules that decide whether a field and a trace fit.

use atomik_algebra::MAX_WIDTH;
use indicatif::HumanCount;

use super::bits::CAPACITY;
use super::encoding::LONGEST;
use super::findings::{FieldFit, Fit, Verdict, Window};
use super::ratio::{percent, share};
use super::thresholds::Thresholds;
use crate::workload::Class;

/// Measurements that a verdict needs and a report does not show.
#[derive(Debug)]
pub(super) struct Evidence {
    /// Operations.
    pub(super) total: u64,
    /// Operations other than toggles that overlap within the widest window.
    pub(super) overlapping: u64,
    /// Keys with more than one writer.
    pub(super) several_writers: u64,
    /// Keys with more than one writer that are also set.
    pub(super) set_and_shared: u64,
    /// How many kinds of values are set.
    pub(super) kinds: usize,
    /// A description of two toggles within the widest window.
    pub(super) blind_example: Option<String>,
}

/// The reasons of a verdict.
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

/// The verdict on a field, from its measurements in `fit` and the evidence.
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
        Class::Counter => counter(fit, evidence, &mut reasons),
        Class::Set => set(fit, thresholds, &mut reasons),
        Class::List => reasons.against.push(
            "A list has no fixed bits: two concurrent appends land in the same place, and XOR \
             garbles them into one element. Use a log (Raft, an event store) or a list CRDT."
                .into(),
        ),
        Class::Text => reasons.against.push(
            "Text has no fixed bits: an insertion shifts everything behind it, so concurrent edits \
             garble each other wherever they are. Use a sequence CRDT, or Raft."
                .into(),
        ),
    }
    if fit.inexpressible > 0 {
        reasons.remarks.push(format!(
            "{} did not fit into 1024 bits and were left out of the simulation.",
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
            "{} came less than {} ms after another node's toggle of the same flag ({example}). XOR \
             applies both, so the flag returns to its old value. If both writers meant the same \
             new value, the flag stays inverted.",
            of(fit.blind_toggles, toggles),
            HumanCount(fit.windows.last().map_or(0, |window| window.ms)),
        ));
    }
    let (odd, left_on) = (fit.odd.unwrap_or_default(), fit.left_on.unwrap_or_default());
    if odd > 0 {
        reasons.conditions.push(format!(
            "{} were toggled an odd number of times, and {} are on at the end. If toggles come in \
             pairs, an odd count may be a lost or duplicated event, and the flag is inverted from \
             then on. Set the flag wherever its value is known.",
            of_things(odd, fit.keys, "flags"),
            HumanCount(left_on),
        ));
    }
    reasons
        .remarks
        .push("Toggles commute: XOR gives their parity in any order.".into());
}

fn register(fit: &FieldFit, evidence: &Evidence, thresholds: &Thresholds, reasons: &mut Reasons) {
    let width = &fit.width;
    // An integer fits into any number of words.
    let header = (CAPACITY - LONGEST) as u64;
    if width.most > 8 && width.most + header > thresholds.value_bytes {
        reasons.against.push(format!(
            "Values have up to {} bytes. A replicated value holds at most {} beside {header} for \
             kind and length. Store them elsewhere and replicate a hash, or split them over \
             several keys.",
            HumanCount(width.most),
            thresholds.value_bytes.saturating_sub(header),
        ));
    } else if !width.fixed {
        reasons.conditions.push(format!(
            "values never grow longer than here. They have {} to {} bytes, {:.1} on average; \
             padded to {} words of 64 bits, {} of what is stored and sent is padding.",
            width.least,
            width.most,
            width.mean,
            fit.words,
            percent(1.0 - width.mean / (8 * fit.words) as f64),
        ));
    }
    if evidence.kinds > 1 {
        reasons.conditions.push(
            "the field carries a tag for the kind of its value: values are of several kinds \
             (booleans, integers, strings), and their bits do not tell which."
                .into(),
        );
    }
}

fn counter(fit: &FieldFit, evidence: &Evidence, reasons: &mut Reasons) {
    let Some(sums) = &fit.sums else { return };
    if let Some(line) = sums.overflow {
        reasons.against.push(format!(
            "From line {} on, sums may need more than 64 bits, and wrap around. Count in a larger \
             unit, or split the counter over several keys.",
            HumanCount(line),
        ));
    }
    if evidence.set_and_shared > 0 {
        reasons.conditions.push(format!(
            "sets of a counter keep apart from other nodes' additions: {} are set and have several \
             writers. An addition that a set has not seen counts on top of it, and only two sets \
             at once are reported.",
            of_things(evidence.set_and_shared, fit.keys, "counters"),
        ));
    }
    if let Some(bits) = sums.bits {
        reasons.remarks.push(format!(
            "Additions commute: a field that adds gives their sum in any order. No reader meets a \
             sum below {} or above {}, whatever changes it has; add:{bits} holds that and leaves \
             {} of its range.",
            signed(sums.lowest),
            signed(sums.highest),
            percent(sums.headroom),
        ));
    }
}

/// `-1,234`.
fn signed(sum: i64) -> String {
    let sign = if sum < 0 { "-" } else { "" };
    format!("{sign}{}", HumanCount(sum.unsigned_abs()))
}

fn set(fit: &FieldFit, thresholds: &Thresholds, reasons: &mut Reasons) {
    let elements = fit.elements.unwrap_or_default();
    let limit = 8 * thresholds.value_bytes;
    if elements > limit {
        reasons.against.push(format!(
            "There are more than {} distinct elements, and a replicated value has no more flags. \
             Give each element of each set its own key with one flag.",
            HumanCount(limit),
        ));
    } else {
        reasons.conditions.push(format!(
            "the {} elements of the trace are the whole universe, and every node knows the flag of \
             each beforehand.",
            HumanCount(elements),
        ));
    }
}

/// What several writers do to set values, as opposed to toggles.
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
            .push("Every key has one writer, so no operations are concurrent.".into());
        return;
    }
    let ms = HumanCount(decisive.ms);
    let overlapping = share(evidence.overlapping, evidence.total);
    let wrong = share(fit.wrong_operations, evidence.total);
    let decided = match fit.class {
        Class::Counter => evidence.set_and_shared == 0,
        Class::List | Class::Text => true,
        Class::Flag | Class::Register | Class::Set => false,
    };
    if overlapping > thresholds.overlap_fails && !decided {
        reasons.against.push(format!(
            "{} change bits that another node changed less than {ms} ms before; the limit is {}. \
             Conflicts are the normal use of this field, not an exception.",
            of(evidence.overlapping, evidence.total),
            percent(thresholds.overlap_fails),
        ));
    }
    if wrong > thresholds.wrong_fails && !decided {
        reasons.against.push(format!(
            "{} leave a wrong state if a node sees changes of other nodes after {ms} ms; the \
             limit is {}.",
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
            "writers set the value again when an overlap is reported: {several} have several \
             writers, {} overlap within {ms} ms, and {} leave a wrong state.",
            of(evidence.overlapping, evidence.total),
            HumanCount(fit.wrong_operations),
        ));
    } else {
        reasons.conditions.push(format!(
            "writers stay as far apart as here: {several} have several writers, and none changed \
             bits that another had changed less than {ms} ms before."
        ));
    }
}

/// What makes XOR pointless rather than wrong.
fn gain(fit: &FieldFit, decisive: &Window, thresholds: &Thresholds, reasons: &mut Reasons) {
    let wide = fit.words > 1;
    let whole = fit.changed_word_ratio >= thresholds.whole_value;
    let alone = decisive.coalescing < thresholds.coalescing_saves;
    let decided = matches!(fit.class, Class::List | Class::Text);
    if wide && whole && alone && !decided {
        reasons.conditions.push(format!(
            "bandwidth is not the goal. Operations change {} of the {} words of a value, and \
             only {:.2} of them share an entry within {} ms: a delta is as long as the value, so \
             sending the value would do.",
            percent(fit.changed_word_ratio),
            fit.words,
            decisive.coalescing,
            HumanCount(decisive.ms),
        ));
    }
}

/// The verdict on the whole trace, from the verdicts on its fields.
pub(super) fn overall(fit: &Fit) -> (Verdict, Vec<String>) {
    let Some(verdict) = fit.fields.iter().map(|field| field.verdict).max() else {
        let reason = "The trace has no operations.";
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
    reasons.extend(layout(fit));
    if fit.nodes == 1 && verdict < Verdict::DoesNotFit {
        reasons.insert(
            0,
            "Condition: a single node writes. The trace has no operations of other nodes.".into(),
        );
        return (verdict.max(Verdict::FitsWithConditions), reasons);
    }
    (verdict, reasons)
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
            "{} more fields, {} of the operations: {verdict}.",
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
