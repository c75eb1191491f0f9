//! Five sentences that answer the question of a review. Every figure in them is a claim with the id
//! of the cell of the page from which it was computed.

use atomik_arena::figures::{Review, SystemFigures};
use atomik_workload::fit::{Fit, Verdict};

use super::metrics::{self, Measured, Metric, caveats};
use super::sheet::{OURS, Sheet, cut_off, distinct, is_ours};
use atomik_terminal::{Unit, count, counted};

/// A sentence.
#[derive(Clone, Debug)]
pub struct Sentence {
    /// What it is about, in a few words.
    pub about: &'static str,
    /// Its parts, which are read one after the other.
    pub parts: Vec<Part>,
}

/// A part of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Words between claims.
    Words(String),
    /// The name of a system that is compared.
    Name(String),
    /// A claim, and the id of the cell that it is computed from.
    Claim(String, String),
}

impl Sentence {
    fn new(about: &'static str) -> Self {
        let parts = Vec::new();
        Self { about, parts }
    }

    fn say(&mut self, words: impl Into<String>) {
        self.parts.push(Part::Words(words.into()));
    }

    fn claim(&mut self, text: impl Into<String>, cell: impl Into<String>) {
        self.parts.push(Part::Claim(text.into(), cell.into()));
    }

    /// The sentence without the ids.
    pub fn text(&self) -> String {
        let text = |part: &Part| match part {
            Part::Words(text) | Part::Name(text) | Part::Claim(text, _) => text.clone(),
        };
        self.parts.iter().map(text).collect()
    }
}

/// The figures of a write, and what they are called.
const COSTS: &[(&Metric, &str)] = &[
    (&metrics::LATENCY_MEDIAN, "time"),
    (&metrics::CPU, "CPU"),
    (&metrics::WIRE, "bytes"),
];

/// The sentences: whether deltas fit and why, what to use instead, what they save and cost, what
/// happens in a partition, and what is not known.
pub fn sentences(review: &Review) -> Vec<Sentence> {
    let sheet = Sheet::new(review);
    vec![
        fits(&review.fit),
        instead(&review.fit, &sheet),
        costs(review, &sheet),
        partition(review, &sheet),
        unknown(review, &sheet),
    ]
}

fn fits(fit: &Fit) -> Sentence {
    let mut sentence = Sentence::new("Fit");
    let verdict = match fit.verdict {
        Verdict::Fits => "Deltas fit this trace",
        Verdict::FitsWithConditions => "Deltas fit this trace on a condition",
        Verdict::DoesNotFit => "Deltas do not fit this trace",
    };
    sentence.claim(verdict, "verdict");
    if let Some(reason) = fit.reasons.first() {
        let (field, reason) = worst(fit, reason);
        if let Some(field) = field {
            sentence.say(format!(", because of “{field}”"));
        }
        sentence.say(": ");
        sentence.claim(reason, "reason-0");
    }
    sentence.say(".");
    sentence
}

/// The longest reason in a sentence, in characters, if its first sentence is not longer.
const REASON: usize = 240;

/// The field that a reason of the whole trace is about, if the trace has several, and the reason
/// without its advice, cut at the end of a sentence.
fn worst<'a>(fit: &'a Fit, reason: &str) -> (Option<&'a str>, String) {
    let about = |field: &&atomik_workload::fit::FieldFit| {
        fit.fields.len() > 1 && reason.starts_with(&format!("{:?}, ", field.name))
    };
    let field = fit.fields.iter().find(about);
    let mark = format!(": {}. ", fit.verdict);
    let mut text = match field.and_then(|_| reason.split_once(&mark)) {
        Some((_, reason)) => reason,
        None => reason,
    };
    text = text.strip_prefix("Condition: ").unwrap_or(text);
    for advice in [" Instead, ", " Otherwise, "] {
        text = text.split_once(advice).map_or(text, |(text, _)| text);
    }
    let ends: Vec<usize> = text.match_indices(". ").map(|(end, _)| end).collect();
    if text.chars().count() > REASON
        && let Some(&first) = ends.first()
    {
        let short = |end: &&usize| {
            text.get(..**end)
                .is_some_and(|t| t.chars().count() <= REASON)
        };
        let end = ends.iter().rev().find(short).unwrap_or(&first);
        text = text.get(..*end).unwrap_or(text);
    }
    let text = text.trim_end_matches('.').to_owned();
    (field.map(|field| field.name.as_str()), text)
}

fn instead(fit: &Fit, sheet: &Sheet) -> Sentence {
    let mut sentence = Sentence::new("Instead");
    match (&fit.instead, fit.verdict) {
        (Some(instead), Verdict::DoesNotFit) => {
            sentence.say("Instead, ");
            sentence.claim(instead, "instead");
        }
        (Some(instead), _) => {
            sentence.say("Where that does not hold, ");
            sentence.claim(instead, "instead");
        }
        (None, Verdict::Fits) => sentence.claim("Nothing speaks against deltas", "verdict"),
        (None, _) => sentence.claim(
            "What to do where that does not hold is in the reasons",
            "reason-0",
        ),
    }
    // The cheapest of the others that did everything.
    let run = plain(sheet);
    let cheapest = |metric: &'static Metric| {
        let figures = rivals(sheet, run).filter(|(_, system)| caveats(system).is_empty());
        let figures =
            figures.filter_map(|(c, system)| Some((c, system, metric.measure(system).number()?)));
        let least = figures.min_by(|a, b| a.2.total_cmp(&b.2));
        least.map(|(column, system, _)| (column, system, metric))
    };
    let found = (cheapest(&metrics::CPU), cheapest(&metrics::WIRE));
    if let (Some((cpu, system, metric)), Some((wire, other, bytes))) = found {
        sentence.say(format!("; of the other systems, {} takes ", system.name));
        sentence.say("the least CPU (");
        sentence.claim(metric.measure(system).text(), sheet.id(metric, run, cpu));
        if cpu == wire {
            sentence.say(" per write) and sends the fewest bytes (");
        } else {
            sentence.say(format!(
                " per write) and {} sends the fewest bytes (",
                other.name
            ));
        }
        sentence.claim(bytes.measure(other).text(), sheet.id(bytes, run, wire));
        sentence.say("), and ");
        sentence.claim("what they promise differs", format!("system-{cpu}"));
    }
    sentence.say(".");
    sentence
}

/// The run without faults, or the first.
fn plain(sheet: &Sheet) -> usize {
    let without = sheet.runs.iter().position(|run| run.world.faults == "none");
    without.unwrap_or(0)
}

/// The systems of a run that are not ATOMiK, with their columns.
fn rivals<'a>(
    sheet: &'a Sheet<'a>,
    run: usize,
) -> impl Iterator<Item = (usize, &'a SystemFigures)> {
    let systems =
        (0..sheet.names.len()).filter_map(move |column| Some((column, sheet.system(run, column)?)));
    systems.filter(|(_, system)| !is_ours(&system.name) && system.submitted > 0)
}

/// ATOMiK in a run, with its column.
fn ours<'a>(sheet: &Sheet<'a>, run: usize) -> Option<(usize, &'a SystemFigures)> {
    let column = sheet.names.iter().position(|name| *name == OURS)?;
    let system = sheet.system(run, column)?;
    (system.submitted > 0).then_some((column, system))
}

fn costs(review: &Review, sheet: &Sheet) -> Sentence {
    let mut sentence = Sentence::new("Price");
    let run = plain(sheet);
    let Some((column, system)) = ours(sheet, run) else {
        sentence.say("What deltas save and cost was not measured");
        return not_run(sentence, review);
    };
    match sheet.faults(run) {
        "none" => sentence.say("Without faults, a write takes ATOMiK "),
        faults => sentence.say(format!("With faults ({faults}), a write takes ATOMiK ")),
    }
    for (place, (metric, what)) in COSTS.iter().enumerate() {
        sentence.say(["", ", ", " and "].get(place).copied().unwrap_or(", "));
        let text = metric.measure(system).text();
        sentence.claim(text, sheet.id(metric, run, column));
        match *what {
            "time" => sentence.say(" (median)"),
            "CPU" => sentence.say(" of CPU"),
            "bytes" => sentence.say(" on the network"),
            _ => {}
        }
    }
    if !caveats(system).is_empty() {
        sentence.say(", ");
        let cell = format!("caveats-run-{run}-system-{column}");
        sentence.claim(format!("but {}", caveats(system).join(", ")), cell);
    }
    for (rival, theirs) in rivals(sheet, run) {
        let mut saved = Vec::new();
        let mut same = Vec::new();
        let mut paid = Vec::new();
        for (metric, what) in COSTS {
            let cell = sheet.id(metric, run, rival);
            let Some(change) = change(&metric.measure(system), &metric.measure(theirs)) else {
                continue;
            };
            match change {
                Change::Saves(share) => saved.push((format!("{share} of the {what}"), cell)),
                Change::Same => same.push((format!("the same {what}"), cell)),
                Change::Costs(factor) => paid.push((format!("{factor} the {what}"), cell)),
                Change::CostsMore(share) => paid.push((format!("{share} more {what}"), cell)),
            }
        }
        let clauses = [("saves ", saved), ("takes ", same), ("costs ", paid)];
        let clauses: Vec<_> = clauses.iter().filter(|(_, c)| !c.is_empty()).collect();
        if clauses.is_empty() {
            continue;
        }
        sentence.say("; against ");
        sentence.parts.push(Part::Name(theirs.name.clone()));
        if !caveats(theirs).is_empty() {
            let cell = format!("caveats-run-{run}-system-{rival}");
            sentence.say(" (");
            sentence.claim(caveats(theirs).join(", "), cell);
            sentence.say(")");
        }
        sentence.say(" it ");
        for (place, (verb, claims)) in clauses.iter().enumerate() {
            match (place, *verb) {
                (0, _) => {}
                (_, "costs ") => sentence.say(", but "),
                _ => sentence.say(" and "),
            }
            sentence.say(*verb);
            for (place, (text, cell)) in claims.iter().enumerate() {
                match place {
                    0 => {}
                    _ if place + 1 < claims.len() => sentence.say(", "),
                    _ => sentence.say(" and "),
                }
                sentence.claim(text, cell);
            }
        }
    }
    sentence.say(".");
    sentence
}

/// Ends a sentence on what was not measured.
fn not_run(mut sentence: Sentence, review: &Review) -> Sentence {
    let mut absent = review.runs.iter().flat_map(|run| &run.absent);
    if absent.any(|(name, _)| name == OURS) {
        sentence.say(", because this was not run: ");
        sentence.claim(OURS, "absent");
    }
    sentence.say(".");
    sentence
}

/// Our figure against another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is lower by this share of the other.
    Saves(String),
    /// Both are shown alike.
    Same,
    /// It is higher by this factor.
    Costs(String),
    /// It is higher by this share of the other.
    CostsMore(String),
}

/// Compares our figure with another's. `None` if there is no ratio.
pub fn change(ours: &Measured, theirs: &Measured) -> Option<Change> {
    if ours.text() == theirs.text() && ours.number().is_some() {
        return Some(Change::Same);
    }
    let positive = |measured: &Measured| measured.number().filter(|value| *value > 0.0);
    let (ours, theirs) = (positive(ours)?, positive(theirs)?);
    let percent = |share: f64| match share * 100.0 {
        percent if percent < 1.0 => "less than 1 %".to_owned(),
        percent if percent > 99.0 => "more than 99 %".to_owned(),
        percent => format!("{percent:.0} %"),
    };
    let factor = ours / theirs;
    Some(if factor < 1.0 {
        Change::Saves(percent(1.0 - factor))
    } else if factor < 1.95 {
        Change::CostsMore(percent((factor - 1.0).min(0.99)))
    } else if factor < 9.95 {
        Change::Costs(format!("{factor:.1} times"))
    } else if factor < 1e6 {
        Change::Costs(format!("{} times", count(factor.round() as u64)))
    } else {
        Change::Costs("more than a million times".into())
    })
}

fn partition(review: &Review, sheet: &Sheet) -> Sentence {
    let mut sentence = Sentence::new("Partition");
    let run = (0..sheet.runs.len()).find(|&run| cut_off(sheet.faults(run)));
    let found = run.and_then(|run| Some((run, ours(sheet, run)?)));
    let Some((run, (column, system))) = found else {
        sentence.say("What happens in a partition was not measured");
        return not_run(sentence, review);
    };
    let figure = |sentence: &mut Sentence, metric: &'static Metric| {
        let text = metric.measure(system).text();
        sentence.claim(text, sheet.id(metric, run, column));
        extremes(sentence, sheet, run, metric);
    };
    sentence.say("With a node cut off, 99 % of the writes take ATOMiK at most ");
    figure(&mut sentence, &metrics::LATENCY_P99);
    match metrics::RECOVERY_TIME.measure(system) {
        Measured::Number(..) => {
            sentence.say("; once it is back, all nodes are identical after ");
            figure(&mut sentence, &metrics::RECOVERY_TIME);
            sentence.say(", for ");
            figure(&mut sentence, &metrics::RECOVERY_BYTES);
        }
        missing => {
            sentence.say("; when all nodes are identical again: ");
            let cell = sheet.id(&metrics::RECOVERY_TIME, run, column);
            sentence.claim(missing.text(), cell);
        }
    }
    sentence.say("; ");
    let wrong = metrics::WRONG.measure(system);
    let text = match wrong.number() {
        Some(0.0) => "no field".to_owned(),
        Some(number) => counted(number as u64, "field"),
        None => wrong.text(),
    };
    sentence.claim(text, sheet.id(&metrics::WRONG, run, column));
    let one = wrong.number().is_some_and(|number| number <= 1.0);
    sentence.say(if one { " ends wrong" } else { " end wrong" });
    if wrong.number().is_some_and(|number| number > 0.0) {
        sentence.say(", ");
        let reported = metrics::WRONG_REPORTED.measure(system).text();
        let cell = sheet.id(&metrics::WRONG_REPORTED, run, column);
        sentence.claim(format!("{reported} of them reported"), cell);
    }
    sentence.say(".");
    sentence
}

/// The lowest and the highest figure of the other systems, in brackets.
fn extremes(sentence: &mut Sentence, sheet: &Sheet, run: usize, metric: &'static Metric) {
    let figures: Vec<_> = rivals(sheet, run)
        .filter_map(|(column, system)| {
            let measured = metric.measure(system);
            let value = measured.number()?;
            Some((column, &system.name, value, measured.text()))
        })
        .collect();
    let least = figures.iter().min_by(|a, b| a.2.total_cmp(&b.2));
    let most = figures.iter().max_by(|a, b| a.2.total_cmp(&b.2));
    let (Some(least), Some(most)) = (least, most) else {
        return;
    };
    let mut one = |before: &str, figure: &(usize, &String, f64, String)| {
        sentence.say(format!("{before}{} ", figure.1));
        sentence.claim(&figure.3, sheet.id(metric, run, figure.0));
    };
    one(" (others: ", least);
    if most.0 != least.0 {
        one(" to ", most);
    }
    sentence.say(")");
}

fn unknown(review: &Review, sheet: &Sheet) -> Sentence {
    let mut sentence = Sentence::new("Not known");
    sentence.say("Not known is ");
    if sheet.runs.is_empty() {
        sentence.say("what any of this costs: ");
        sentence.claim("nothing was measured", "verdict");
        sentence.say(".");
        return sentence;
    }
    let run = plain(sheet);
    sentence.say("how any system does on ");
    sentence.claim("real networks and disks, which were simulated", "world");
    sentence.say(", or with CPU other than ");
    sentence.claim("this machine's", "machine");
    let trace = sheet.runs.get(run).map(|run| &run.trace);
    if let Some(trace) = trace.filter(|trace| trace.operations < review.fit.operations) {
        sentence.say("; what the trace costs after its ");
        let first = format!("first {}", counted(trace.operations, "operation"));
        sentence.claim(first, "played-0");
        sentence.say(" of ");
        sentence.claim(count(review.fit.operations), "trace");
    }
    if let Some(trace) = trace.filter(|trace| trace.acceleration != 1.0) {
        sentence.say("; how it goes as slowly as recorded, ");
        let times = Unit::Times.show(trace.acceleration);
        sentence.claim(format!("{times} slower than played"), "played-0");
    }
    let absent = review.runs.iter().flat_map(|run| &run.absent);
    let absent = distinct(absent.map(|(name, _)| name.as_str()));
    if !absent.is_empty() {
        sentence.say("; how these compare: ");
        sentence.claim(absent.join(", "), "absent");
    }
    let judged = ours(sheet, run).map(|(column, system)| (column, system.conflicts.not_judged));
    if let Some((column, number)) = judged.filter(|(_, number)| *number > 0) {
        sentence.say("; whether ");
        let cell = sheet.id(&metrics::NOT_JUDGED, run, column);
        sentence.claim(counted(number, "field"), cell);
        sentence.say(" ended right");
    }
    for (place, series) in review.scaling.iter().enumerate() {
        let mut size = None;
        for (number, point) in series.left_out.iter().enumerate() {
            sentence.say(if size.replace(point.x) == Some(point.x) {
                ", ".into()
            } else {
                let at = metrics::along(point.x, &series.axis);
                format!("; how these do with {at}: ")
            });
            sentence.claim(&point.name, format!("left-out-{place}-{number}"));
        }
        if !series.failed.is_empty() {
            let failed = counted(series.failed.len() as u64, "measurement");
            sentence.say(format!("; how cost grows with {}, where ", series.axis));
            sentence.claim(format!("{failed} failed"), format!("failed-{place}"));
        }
    }
    sentence.say(".");
    sentence
}
