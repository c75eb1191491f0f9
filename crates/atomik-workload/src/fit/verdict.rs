//! The rules that decide whether a field fits.

use std::borrow::Cow;
use std::fmt;

use indicatif::HumanCount;

use super::bits::CAPACITY;
use super::cell::Counts;
use super::encoding::LONGEST;
use super::findings::FieldFit;
use super::ratio::{percent, share};
use super::reason::{Cost, Reason, Reasons};
use super::thresholds::Thresholds;
use super::values::Values;
use crate::workload::Class;

/// Measurements that a verdict needs and a report does not show.
#[derive(Debug)]
pub(super) struct Evidence {
    /// Operations.
    pub(super) total: u64,
    /// By window.
    pub(super) counts: Vec<Counts>,
    /// Keys with more than one writer.
    pub(super) several_writers: u64,
    /// Keys with more than one writer that are also set.
    pub(super) set_and_shared: u64,
    /// A description of two toggles within the window that decides.
    pub(super) blind_example: Option<String>,
    /// What is known of the values that are set.
    pub(super) values: Values,
}

/// Judges a field by its measurements and the evidence. Returns the worst reason.
pub(super) fn field(
    fit: &mut FieldFit,
    evidence: &Evidence,
    thresholds: &Thresholds,
) -> Option<Reason> {
    let mut reasons = Reasons::default();
    match fit.class {
        Class::Flag => flag(fit, evidence, thresholds, &mut reasons),
        Class::Register => register(fit, evidence, thresholds, &mut reasons),
        Class::Counter => counter(fit, evidence, &mut reasons),
        Class::Set => set(fit, evidence, thresholds, &mut reasons),
        Class::List => reasons.against.push(Reason::new(
            Cost::Wrong,
            evidence.total,
            "A list has no fixed bits: two concurrent appends land in the same place, and XOR \
             garbles them into one element.",
            "use a log (Raft or the event log), or a list of the CRDT, Yrs or Loro",
        )),
        Class::Text => reasons.against.push(Reason::new(
            Cost::Wrong,
            evidence.total,
            "Text has no fixed bits: an insertion shifts everything behind it, so concurrent edits \
             garble each other wherever they are.",
            "use a sequence CRDT (Yrs, Loro or Automerge), or Raft",
        )),
    }
    if fit.inexpressible > 0 {
        reasons.remarks.push(format!(
            "{} did not fit into 1024 bits and were left out of the simulation.",
            of(fit.inexpressible, evidence.total)
        ));
    }
    concurrency(fit, evidence, thresholds, &mut reasons);
    gain(fit, evidence, thresholds, &mut reasons);
    let worst;
    (fit.verdict, fit.reasons, worst) = reasons.verdict();
    worst
}

fn flag(fit: &FieldFit, evidence: &Evidence, thresholds: &Thresholds, reasons: &mut Reasons) {
    let toggles = fit.operations.get("toggle").copied().unwrap_or_default();
    if toggles == 0 {
        return;
    }
    if share(fit.blind_toggles, evidence.total) > thresholds.overlap_fits {
        let example = evidence.blind_example.as_deref().unwrap_or_default();
        reasons.conditions.push(Reason::new(
            Cost::Work,
            fit.blind_toggles,
            format!(
                "toggles mean parity. {} came less than {} after another node's toggle of the \
                 same flag ({example}). XOR applies both, so the flag returns to its old value. If \
                 both writers meant the same new value, the flag stays inverted.",
                of(fit.blind_toggles, toggles),
                Span(fit.windows[thresholds.decisive()].ms),
            ),
            "let one node write each flag, or use Raft, which lets each toggle see the one before",
        ));
    }
    let (odd, left_on) = (fit.odd.unwrap_or_default(), fit.left_on.unwrap_or_default());
    if odd > 0 {
        reasons.conditions.push(Reason::new(
            Cost::Assumption,
            odd,
            format!(
                "no toggle is lost or duplicated before it is written. {} were toggled an odd \
                 number of times, and {} are on at the end. If toggles come in pairs, an odd count \
                 may be such an event, and the flag is inverted from then on.",
                of_things(odd, fit.keys, "flags"),
                HumanCount(left_on),
            ),
            "set the flag wherever its value is known",
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
        reasons.against.push(Reason::new(
            Cost::Wrong,
            fit.inexpressible,
            format!(
                "Values have up to {} bytes. A replicated value holds at most {} beside {header} \
                 for kind and length.",
                HumanCount(width.most),
                thresholds.value_bytes.saturating_sub(header),
            ),
            "store them elsewhere and replicate a hash, split them over several keys, or use Raft \
             or the CRDT, which keep values of any length",
        ));
    } else if !width.fixed {
        reasons.conditions.push(Reason::new(
            Cost::Space,
            evidence.total,
            format!(
                "values never grow longer than here. They have {} to {} bytes, {:.1} on average; \
                 padded to {} bits, {} of what is stored and sent is padding.",
                width.least,
                width.most,
                width.mean,
                64 * fit.words,
                percent(1.0 - width.mean / (8 * fit.words) as f64),
            ),
            evidence.values.encoding().unwrap_or(
                "replicate a hash of the value, or use Raft or the CRDT, which keep each value at \
                 its own length"
                    .into(),
            ),
        ));
    }
    if evidence.values.count_kinds() > 1 {
        reasons.conditions.push(Reason::new(
            Cost::Space,
            0,
            "the field carries a tag for the kind of its value: values are of several kinds \
             (booleans, integers, strings), and their bits do not tell which.",
            "give each kind a field of its own, or use any of the other systems, which keep the \
             kind with the value",
        ));
    }
}

fn counter(fit: &FieldFit, evidence: &Evidence, reasons: &mut Reasons) {
    let Some(sums) = &fit.sums else { return };
    if let Some(line) = sums.overflow {
        reasons.against.push(Reason::new(
            Cost::Wrong,
            evidence.total,
            format!(
                "From line {} on, sums may need more than 64 bits, and wrap around.",
                HumanCount(line),
            ),
            "count in a larger unit, or split the counter over several keys",
        ));
    }
    if evidence.set_and_shared > 0 {
        reasons.conditions.push(Reason::new(
            Cost::Assumption,
            evidence.set_and_shared,
            format!(
                "sets of a counter keep apart from other nodes' additions: {} are set and have \
                 several writers. An addition that a set has not seen counts on top of it, and \
                 only two sets at once are reported.",
                of_things(evidence.set_and_shared, fit.keys, "counters"),
            ),
            "start a new counter instead of setting one, or use Raft, which puts sets and \
             additions in one order",
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

fn set(fit: &FieldFit, evidence: &Evidence, thresholds: &Thresholds, reasons: &mut Reasons) {
    let instead = "give each element of each set a key of its own with one flag, or use a set of \
                   the CRDT, Yrs or Loro";
    let elements = fit.elements.unwrap_or_default();
    let limit = 8 * thresholds.value_bytes;
    if elements > limit {
        reasons.against.push(Reason::new(
            Cost::Wrong,
            evidence.total,
            format!(
                "There are more than {} distinct elements, and a replicated value has no more \
                 flags.",
                HumanCount(limit),
            ),
            instead,
        ));
    } else {
        reasons.conditions.push(Reason::new(
            Cost::Assumption,
            evidence.total,
            format!(
                "the {} elements of the trace are the whole universe, and every node knows the \
                 flag of each beforehand.",
                HumanCount(elements),
            ),
            instead,
        ));
    }
}

/// What several writers do to set values, as opposed to toggles.
fn concurrency(
    fit: &FieldFit,
    evidence: &Evidence,
    thresholds: &Thresholds,
    reasons: &mut Reasons,
) {
    let total = evidence.total;
    let toggles = fit.operations.get("toggle").copied().unwrap_or_default();
    if evidence.several_writers == 0 {
        reasons
            .remarks
            .push("Every key has one writer, so no operations are concurrent.".into());
        return;
    }
    let instead: Cow<'static, str> = match fit.class {
        Class::Counter if evidence.set_and_shared > 0 => {
            "start a new counter instead of setting one, or use Raft, which puts sets and \
             additions in one order"
                .into()
        }
        Class::Counter | Class::List | Class::Text => return,
        Class::Flag => {
            "toggle the flag if each writer reverses what it sees, let one node write each \
             flag, or use the CRDT (the later write wins) or Raft (one order for all)"
                .into()
        }
        Class::Register => {
            let others = "let one node write each key, or use a register of the CRDT, Yrs or Loro \
                          (one of the values wins whole) or Raft (one order for all)";
            match evidence.values.intent() {
                Some(intent) => format!("{intent}; or {others}").into(),
                None => others.into(),
            }
        }
        Class::Set => {
            "let one node write each set, or use a set of the CRDT, Yrs or Loro, or Raft (one \
             order for all)"
                .into()
        }
    };
    let decisive = thresholds.decisive();
    let window = |place: usize| Within::of(evidence, thresholds, place);
    if let Some((cost, operations, excess)) = window(decisive).excess() {
        reasons
            .against
            .push(Reason::new(cost, operations, excess, instead));
        return;
    }
    let places = decisive + 1..evidence.counts.len();
    let beyond = places.clone().find_map(|place| {
        let excess = window(place).excess()?;
        Some((place, excess))
    });
    let last = beyond.as_ref().map_or(places.end, |(place, _)| *place) - 1;
    if let Some((place, (cost, operations, excess))) = beyond {
        let (shorter, longer) = (window(place - 1).ms, window(place).ms);
        reasons.conditions.push(Reason::new(
            cost,
            operations,
            format!(
                "no node is cut off for {longer} and more: {excess} Up to {shorter}, no \
                 limit is exceeded. `--window {}` shows examples.",
                thresholds.windows_ms[place],
            ),
            instead.clone(),
        ));
    }
    if toggles == total {
        return;
    }
    let several = of_things(evidence.several_writers, fit.keys, "keys");
    let Within {
        ms,
        overlapping,
        wrong,
        unnoticed,
        ..
    } = window(last);
    if unnoticed > 0 {
        reasons.conditions.push(Reason::new(
            Cost::Wrong,
            wrong,
            format!(
                "{} may leave a wrong state of which nobody is told: within {ms}, two nodes \
                 changed different bits of one value, or one saw nothing to change. {several} \
                 have several writers.",
                of(unnoticed, total),
            ),
            instead.clone(),
        ));
    }
    if share(overlapping, total) > thresholds.overlap_fits || wrong > unnoticed {
        reasons.conditions.push(Reason::new(
            Cost::Work,
            overlapping.max(wrong - unnoticed),
            format!(
                "writers set the value again when an overlap is reported: {several} have several \
                 writers, {} overlap within {ms}, and {} leave a wrong state that is reported.",
                of(overlapping, total),
                HumanCount(wrong - unnoticed),
            ),
            instead,
        ));
    } else if unnoticed == 0 {
        reasons.conditions.push(Reason::new(
            Cost::Assumption,
            0,
            format!(
                "writers stay as far apart as here: {several} have several writers, and none \
                 changed bits that another had changed less than {ms} before."
            ),
            instead,
        ));
    }
}

/// Operations other than toggles within a window.
struct Within<'a> {
    ms: Span,
    total: u64,
    overlapping: u64,
    wrong: u64,
    unnoticed: u64,
    thresholds: &'a Thresholds,
}

impl<'a> Within<'a> {
    fn of(evidence: &Evidence, thresholds: &'a Thresholds, place: usize) -> Self {
        let counts = evidence.counts[place];
        Self {
            ms: Span(thresholds.windows_ms[place]),
            total: evidence.total,
            overlapping: counts.overlapping - counts.blind_toggles,
            wrong: counts.wrong,
            unnoticed: counts.unnoticed,
            thresholds,
        }
    }

    /// The worst that goes beyond its limit, with what it costs and how many operations it
    /// concerns.
    fn excess(&self) -> Option<(Cost, u64, String)> {
        let Self { ms, total, .. } = self;
        let limits = self.thresholds;
        let beyond = |operations: u64, limit: f64| share(operations, *total) > limit;
        let told = |operations: u64, limit: f64, what: &str| {
            let of = of(operations, *total);
            format!("{of} {what}; the limit is {}.", percent(limit))
        };
        if beyond(self.unnoticed, limits.unnoticed_fails) {
            let what = format!(
                "leave a wrong state of which nobody is told if a node sees changes of other \
                 nodes after {ms}, since no bits were changed by both"
            );
            let mut text = told(self.unnoticed, limits.unnoticed_fails, &what);
            if self.wrong > self.unnoticed {
                text += &format!(
                    " With those that are reported, {} leave a wrong state.",
                    of(self.wrong, *total)
                );
            }
            Some((Cost::Wrong, self.wrong, text))
        } else if beyond(self.wrong, limits.wrong_fails) {
            let what =
                format!("leave a wrong state if a node sees changes of other nodes after {ms}");
            Some((
                Cost::Wrong,
                self.wrong,
                told(self.wrong, limits.wrong_fails, &what),
            ))
        } else if beyond(self.overlapping, limits.overlap_fails) {
            let what = format!("change bits that another node changed less than {ms} before");
            let text = told(self.overlapping, limits.overlap_fails, &what);
            Some((Cost::Work, self.overlapping, text))
        } else {
            None
        }
    }
}

/// What makes XOR pointless rather than wrong.
fn gain(fit: &FieldFit, evidence: &Evidence, thresholds: &Thresholds, reasons: &mut Reasons) {
    let decisive = &fit.windows[thresholds.decisive()];
    let wide = fit.words > 1;
    let whole = fit.changed_word_ratio >= thresholds.whole_value;
    let alone = decisive.coalescing < thresholds.coalescing_saves;
    let decided = matches!(fit.class, Class::List | Class::Text);
    if wide && whole && alone && !decided {
        reasons.conditions.push(Reason::new(
            Cost::Space,
            evidence.total,
            format!(
                "bandwidth is not the goal. Operations change {} of the {} words of a value, and \
                 only {:.2} of them share an entry within {}: a delta is as long as the value.",
                percent(fit.changed_word_ratio),
                fit.words,
                decisive.coalescing,
                Span(decisive.ms),
            ),
            "use a register of the CRDT: sending the value would do",
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

/// A window in milliseconds. Its text is in the largest unit of which it is a whole number.
#[derive(Clone, Copy)]
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(3_600_000, "h"), (60_000, "min"), (1_000, "s")];
        let fits = |(ms, _): &&(u64, &str)| self.0 > 0 && self.0.is_multiple_of(*ms);
        let (ms, unit) = units.iter().find(fits).unwrap_or(&(1, "ms"));
        write!(f, "{} {unit}", HumanCount(self.0 / ms))
    }
}
