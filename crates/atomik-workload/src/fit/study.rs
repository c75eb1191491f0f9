//! Measures a trace in one pass.

use std::collections::BTreeMap;
use std::io::BufRead;

use atomik_algebra::FieldKind;
use foldhash::fast::FixedState;
use indexmap::{IndexMap, IndexSet};

use super::bits::Bits;
use super::cell::{Cell, Counts, History, Incident, Step, Writers};
use super::encoding::{Effect, show};
use super::findings::{FieldFit, Fit, Sums, Verdict, Width, Window, Wrong};
use super::ratio::share;
use super::reason::Reason;
use super::sums::Range;
use super::thresholds::Thresholds;
use super::unseen::Moment;
use super::values::Values;
use super::verdict::{self, Evidence};
use super::{layout, overall};
use crate::workload::{Action, Class, Line, Reader, Scalar, TraceError};

/// Measures and judges a trace. Up to `examples` of what goes wrong are kept per field. `trace`
/// and `command` are only recorded.
///
/// # Errors
///
/// The first error of the reader.
pub fn fit<R: BufRead>(
    mut reader: Reader<R>,
    thresholds: Thresholds,
    examples: usize,
    trace: &str,
    command: &str,
) -> Result<Fit, TraceError> {
    let mut study = Study::new(thresholds, examples);
    while let Some(line) = reader.next() {
        study.see(reader.line(), line?);
    }
    Ok(study.judge(trace, command))
}

/// Measures a trace in one pass. It keeps every key, one state of at most 1024 bits for each field
/// of a key with the last write of each node, and the changes within the widest window.
#[derive(Debug)]
pub struct Study {
    thresholds: Thresholds,
    examples: usize,
    keys: IndexMap<String, Key, FixedState>,
    fields: IndexMap<String, FieldStudy, FixedState>,
    /// Entries sent by window, if an entry is a whole key.
    entries: Vec<u64>,
    operations: u64,
    nodes: Vec<bool>,
    first_t: Option<u64>,
    last_t: u64,
    /// Cells, and operations since the last sweep.
    cells: u64,
    unswept: u64,
}

/// A key.
#[derive(Debug)]
struct Key {
    writers: Writers,
    /// Time and node of the last write, and the time of the last write by any other node.
    last: (u64, u32),
    before: Option<u64>,
}

/// A field over all keys.
#[derive(Debug, Default)]
struct FieldStudy {
    operations: BTreeMap<&'static str, u64>,
    total: u64,
    /// By key.
    histories: IndexMap<u32, History, FixedState>,
    /// How its changes combine. As long as it is only set to integers, it may be a register or a
    /// counter, so both are modelled.
    models: Vec<Model>,
    /// Without what depends on the model.
    counts: Vec<Counts>,
    universe: IndexSet<Scalar, FixedState>,
    /// Whether there are more elements than `universe` holds.
    open_universe: bool,
    positions: bool,
    values: Values,
    widths: Widths,
}

/// The values of a field if changes combine in one way.
#[derive(Debug)]
struct Model {
    kind: FieldKind,
    /// In the order of [`FieldStudy::histories`], up to the last that was modelled.
    cells: Vec<Cell>,
    /// Of fields that add, as `cells`.
    ranges: Vec<Range>,
    /// The first line at which a range is wider than 64 bits.
    overflow: Option<u64>,
    counts: Vec<Counts>,
    changed_words: u64,
    simulated: u64,
    blind_example: Option<String>,
    wrong: Vec<Wrong>,
}

/// Operations between two sweeps, at least. A sweep visits every cell, so the interval grows with
/// the number of cells.
const SWEEP: u64 = 1 << 16;

impl Study {
    /// A study with these limits. Up to `examples` of what goes wrong are kept per field.
    pub fn new(mut thresholds: Thresholds, examples: usize) -> Self {
        thresholds.windows_ms.sort_unstable();
        thresholds.windows_ms.dedup();
        if thresholds.windows_ms.is_empty() {
            thresholds.windows_ms = Thresholds::default().windows_ms;
        }
        Self {
            examples,
            entries: vec![0; thresholds.windows_ms.len()],
            thresholds,
            keys: IndexMap::default(),
            fields: IndexMap::default(),
            operations: 0,
            nodes: Vec::new(),
            first_t: None,
            last_t: 0,
            cells: 0,
            unswept: 0,
        }
    }

    /// Takes the next operation, from line `number` of the trace. Lines must be as a [`Reader`]
    /// returns them: `t` never decreases, and a field has one class.
    pub fn see(&mut self, number: u64, line: Line) {
        let Line {
            t,
            node,
            key,
            field,
            action,
        } = line;
        if action == Action::Delete {
            self.delete(number, t, node, &key);
            return;
        }
        let moment = Moment {
            t,
            node,
            line: number,
        };
        self.operations += 1;
        self.first_t.get_or_insert(t);
        self.last_t = t;
        let place = node as usize;
        if self.nodes.len() <= place {
            self.nodes.resize(place + 1, false);
        }
        self.nodes[place] = true;

        let entry = self.keys.entry(key);
        let place = entry.index();
        let state = entry.or_insert(Key {
            writers: Writers::default(),
            last: (t, node),
            before: None,
        });
        let other = state.note(node, t);
        let last = state.writers.note(node, t);
        for (entries, &ms) in self.entries.iter_mut().zip(&self.thresholds.windows_ms) {
            *entries += u64::from(!one_window(last, t, ms));
        }
        let field = match self.fields.get_mut(&field) {
            Some(field) => field,
            None => self.fields.entry(field).or_insert(FieldStudy {
                counts: vec![Counts::default(); self.thresholds.windows_ms.len()],
                ..FieldStudy::default()
            }),
        };
        let known = field.histories.len();
        let windows_ms = &self.thresholds.windows_ms;
        let key = self.keys.get_index(place).map_or("", |(key, _)| key);
        let operation = Operation {
            moment,
            action: &action,
            key,
        };
        let limits = Limits {
            windows_ms,
            decisive: self.thresholds.decisive(),
            examples: self.examples,
        };
        field.see(&operation, place as u32, other, limits);
        self.cells += (field.histories.len() - known) as u64;
        self.unswept += 1;
        if self.unswept >= self.cells.max(SWEEP) {
            self.unswept = 0;
            for cell in self
                .fields
                .values_mut()
                .flat_map(|field| &mut field.models)
                .flat_map(|model| &mut model.cells)
            {
                cell.sweep(t, windows_ms);
            }
        }
    }

    /// Unsets every field of a key that was written so far.
    fn delete(&mut self, number: u64, t: u64, node: u32, key: &str) {
        self.first_t.get_or_insert(t);
        self.last_t = t;
        let place = self.keys.get_index_of(key).map(|place| place as u32);
        let written = self
            .fields
            .iter()
            .filter(|(_, field)| place.is_some_and(|place| field.histories.contains_key(&place)));
        let names: Vec<String> = written.map(|(name, _)| name.clone()).collect();
        for field in names {
            let line = Line {
                t,
                node,
                key: key.to_owned(),
                field,
                action: Action::Unset,
            };
            self.see(number, line);
        }
    }

    /// The verdict. `trace` and `command` are only recorded.
    pub fn judge(self, trace: &str, command: &str) -> Fit {
        let windows_ms = &self.thresholds.windows_ms;
        let mut counts = vec![Counts::default(); windows_ms.len()];
        for field in self.fields.values() {
            for (sum, count) in counts.iter_mut().zip(field.counts()) {
                sum.concurrent += count.concurrent;
                sum.overlapping += count.overlapping;
                sum.wrong += count.wrong;
                sum.unnoticed += count.unnoticed;
            }
        }
        for (sum, entries) in counts.iter_mut().zip(self.entries) {
            sum.entries = entries;
        }
        let keys = self.keys.len() as u64;
        let single = self
            .keys
            .values()
            .filter(|key| key.writers.is_one())
            .count() as u64;
        let fields = self.fields.into_iter();
        let (fields, worst): (Vec<FieldFit>, Vec<_>) = fields
            .map(|(name, field)| field.judge(name, &self.thresholds))
            .unzip();
        let mut fit = Fit {
            trace: trace.to_owned(),
            operations: self.operations,
            keys,
            nodes: self.nodes.iter().filter(|&&seen| seen).count() as u64,
            recorded_ms: self.last_t - self.first_t.unwrap_or(self.last_t),
            single_writer_share: share(single, keys),
            windows: windows(windows_ms, &counts, self.operations),
            wrong_operations: counts[self.thresholds.decisive()].wrong,
            layout: layout::word(&fields),
            fields,
            verdict: Verdict::DoesNotFit,
            reasons: Vec::new(),
            instead: None,
            command: command.to_owned(),
            thresholds: self.thresholds,
        };
        overall::judge(&mut fit, &worst);
        fit
    }
}

impl Key {
    /// Records a write and returns the time of the last one by another node.
    fn note(&mut self, node: u32, t: u64) -> Option<u64> {
        if self.last.1 != node {
            self.before = Some(self.last.0);
        }
        self.last = (t, node);
        self.before
    }
}

/// The windows, the place of the one that decides, and how many examples are kept of a field.
#[derive(Clone, Copy)]
struct Limits<'a> {
    windows_ms: &'a [u64],
    decisive: usize,
    examples: usize,
}

/// An operation and where it is from.
struct Operation<'a> {
    moment: Moment,
    action: &'a Action,
    key: &'a str,
}

impl FieldStudy {
    fn see(&mut self, operation: &Operation<'_>, key: u32, other: Option<u64>, limits: Limits<'_>) {
        let Operation { moment, action, .. } = *operation;
        let windows_ms = limits.windows_ms;
        self.total += 1;
        *self.operations.entry(action.name()).or_default() += 1;
        self.positions |= matches!(
            action,
            Action::InsertText { .. } | Action::RemoveText { .. }
        );
        if let Action::Set(value) = action {
            self.widths.note(value.bytes() as u64);
        }
        self.choose_models(action, windows_ms.len());

        let entry = self.histories.entry(key);
        let place = entry.index();
        let history = entry.or_default();
        let since = other.map(|other| moment.t - other);
        let last = history.writers.note(moment.node, moment.t);
        for (count, &ms) in self.counts.iter_mut().zip(windows_ms) {
            count.concurrent += u64::from(since.is_some_and(|since| since < ms));
            count.entries += u64::from(!one_window(last, moment.t, ms));
        }
        history.odd ^= *action == Action::Toggle;
        history.is_set |= matches!(action, Action::Set(_) | Action::Unset);

        if let Action::Set(value) = action {
            let cell = self.models.first().and_then(|model| model.cells.get(place));
            let before = cell.map(|cell| cell.meant().low().cast_signed());
            self.values.note(value, before);
        }
        let Some(effect) = Effect::of(action, &mut self.universe) else {
            self.open_universe |= matches!(action, Action::Insert(_) | Action::Remove(_));
            return;
        };
        let mut models = std::mem::take(&mut self.models);
        for model in &mut models {
            let step = model.see(moment, &effect, place, limits);
            if step.incident.is_some() || !step.blind_to.is_empty() {
                let (class, examples) = (self.class(), limits.examples);
                model.remember(step, operation, class, &self.universe, examples);
            }
        }
        self.models = models;
        let cell = self.models.first().and_then(|model| model.cells.get(place));
        if let Some(length) = cell.and_then(|cell| cell.length(&effect)) {
            self.widths.note(length);
        }
    }

    /// Models what the field may still turn out to be.
    fn choose_models(&mut self, action: &Action, windows: usize) {
        let only = match action {
            Action::Add(_) => Some(FieldKind::Add),
            Action::Set(Scalar::Int(_)) | Action::Unset => None,
            _ => Some(FieldKind::Xor),
        };
        let possible = |kind: FieldKind| only.is_none_or(|only| only == kind);
        if self.total == 1 {
            let kinds = [FieldKind::Xor, FieldKind::Add].into_iter();
            self.models = kinds
                .filter(|&kind| possible(kind))
                .map(|kind| Model::new(kind, windows))
                .collect();
        } else if self.models.len() > 1 {
            self.models.retain(|model| possible(model.kind));
        }
    }

    /// How changes combine in its class.
    fn kind(&self) -> FieldKind {
        match self.class() {
            Class::Counter => FieldKind::Add,
            _ => FieldKind::Xor,
        }
    }

    /// The counts by window, with those of the model of its class.
    fn counts(&self) -> Vec<Counts> {
        let kind = self.kind();
        let model = self.models.iter().find(|model| model.kind == kind);
        let modelled = model.into_iter().flat_map(|model| &model.counts);
        let mut counts = self.counts.clone();
        for (count, modelled) in counts.iter_mut().zip(modelled) {
            count.overlapping = modelled.overlapping;
            count.blind_toggles = modelled.blind_toggles;
            count.wrong = modelled.wrong;
            count.unnoticed = modelled.unnoticed;
        }
        counts
    }

    /// The class that follows from the operations so far, as in [`Reader`].
    fn class(&self) -> Class {
        let has = |name| self.operations.contains_key(name);
        if self.positions {
            Class::Text
        } else if has("append") {
            Class::List
        } else if has("insert") || has("remove") {
            Class::Set
        } else if has("add") {
            Class::Counter
        } else if self.values.kinds[1] || self.values.kinds[2] {
            Class::Register
        } else {
            Class::Flag
        }
    }

    /// The verdict, and the worst reason for it.
    fn judge(self, name: String, thresholds: &Thresholds) -> (FieldFit, Option<Reason>) {
        let class = self.class();
        let windows_ms = &thresholds.windows_ms;
        let (kind, counts) = (self.kind(), self.counts());
        let model = self
            .models
            .into_iter()
            .find(|model| model.kind == kind)
            .unwrap_or_else(|| Model::new(kind, windows_ms.len()));
        let sums = (class == Class::Counter).then(|| model.sums());
        let elements = self.universe.len() as u64 + u64::from(self.open_universe);
        let width = match class {
            Class::Flag => Width::fixed(1),
            Class::Counter => {
                let bits = sums.as_ref().and_then(|sums| sums.bits).unwrap_or(64);
                Width::fixed(u64::from(bits / 8))
            }
            Class::Set => Width::fixed(elements.div_ceil(8)),
            Class::Register | Class::List | Class::Text => self.widths.width(),
        };
        let width = Width {
            fixed: match class {
                Class::Flag | Class::Counter => true,
                Class::Register => width.fixed || !self.values.kinds[2],
                Class::Set => !self.open_universe,
                Class::List | Class::Text => false,
            },
            ..width
        };
        let keys = self.histories.len() as u64;
        let histories = || self.histories.values();
        let shared = || histories().filter(|history| !history.writers.is_one());
        let words = width.most.div_ceil(8).max(1);
        let decisive = counts[thresholds.decisive()];
        let is_flag = class == Class::Flag;
        let mut fit = FieldFit {
            name,
            class,
            keys,
            single_writer_share: share(keys - shared().count() as u64, keys),
            windows: windows(windows_ms, &counts, self.total),
            words,
            changed_word_ratio: share(model.changed_words, model.simulated * words),
            width,
            inexpressible: self.total - model.simulated,
            wrong: model.wrong,
            wrong_operations: decisive.wrong,
            blind_toggles: decisive.blind_toggles,
            left_on: is_flag.then(|| {
                let on = model.cells.iter().filter(|cell| !cell.meant().is_zero());
                on.count() as u64
            }),
            odd: is_flag.then(|| histories().filter(|history| history.odd).count() as u64),
            elements: (class == Class::Set).then_some(elements),
            sums,
            layout: None,
            verdict: Verdict::DoesNotFit,
            reasons: Vec::new(),
            operations: self
                .operations
                .into_iter()
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
        };
        let evidence = Evidence {
            total: self.total,
            counts,
            several_writers: shared().count() as u64,
            set_and_shared: shared().filter(|history| history.is_set).count() as u64,
            blind_example: model.blind_example,
            values: self.values,
        };
        fit.layout = layout::field(&fit, evidence.values.kinds);
        let worst = verdict::field(&mut fit, &evidence, thresholds);
        (fit, worst)
    }
}

impl Model {
    fn new(kind: FieldKind, windows: usize) -> Self {
        Self {
            kind,
            cells: Vec::new(),
            ranges: Vec::new(),
            overflow: None,
            counts: vec![Counts::default(); windows],
            changed_words: 0,
            simulated: 0,
            blind_example: None,
            wrong: Vec::new(),
        }
    }

    fn see(
        &mut self,
        moment: Moment,
        effect: &Effect<'_>,
        place: usize,
        Limits {
            windows_ms,
            decisive,
            ..
        }: Limits<'_>,
    ) -> Step {
        let (kind, counts) = (self.kind, &mut self.counts);
        self.cells
            .resize_with(self.cells.len().max(place + 1), Cell::default);
        let cell = &mut self.cells[place];
        let before = cell.meant().low().cast_signed();
        let Some(step) = cell.step(kind, moment, effect, windows_ms, decisive, counts) else {
            return Step::default();
        };
        self.simulated += 1;
        self.changed_words += step.changed_words;
        if kind == FieldKind::Add {
            let change = match effect {
                Effect::Add(value) => i128::from(*value),
                _ => {
                    let after = self.cells[place].meant().low().cast_signed();
                    i128::from(after) - i128::from(before)
                }
            };
            self.ranges.resize(self.cells.len(), Range::default());
            if !self.ranges[place].note(change) {
                self.overflow.get_or_insert(moment.line);
            }
        }
        step
    }

    fn sums(&self) -> Sums {
        let all = self.ranges.iter().copied();
        all.fold(Range::default(), Range::and).sums(self.overflow)
    }

    /// Keeps an operation as an example if it is one.
    fn remember(
        &mut self,
        step: Step,
        operation: &Operation<'_>,
        class: Class,
        universe: &IndexSet<Scalar, FixedState>,
        examples: usize,
    ) {
        let Operation {
            moment,
            action,
            key,
        } = *operation;
        if let (Action::Toggle, Some(other), None) =
            (action, step.blind_to.first(), &self.blind_example)
        {
            self.blind_example = Some(format!(
                "lines {} and {}, key {key:?}: nodes {} and {} within {} ms",
                other.line,
                moment.line,
                other.node,
                moment.node,
                moment.t - other.t
            ));
        }
        if let Some(incident) = step.incident
            && self.wrong.len() < examples
        {
            self.wrong
                .push(example(incident, operation, class, universe));
        }
    }
}

fn example(
    incident: Incident,
    operation: &Operation<'_>,
    class: Class,
    universe: &IndexSet<Scalar, FixedState>,
) -> Wrong {
    let Operation {
        moment,
        action,
        key,
    } = *operation;
    let Incident {
        unseen,
        before,
        seen,
        made,
        meant,
        got,
    } = incident;
    let within = &meant ^ &got;
    let show = |bits: &Bits| show(bits, class, action, universe, &within);
    let others: Vec<String> = unseen
        .iter()
        .map(|other| {
            format!(
                "node {}'s change {} ms earlier (line {})",
                other.node,
                moment.t - other.t,
                other.line
            )
        })
        .collect();
    let then = if seen == made {
        format!(
            "It wants {}, which is what it sees, so it changes nothing",
            show(&made)
        )
    } else {
        format!(
            "It sees {} and makes it {}: that delta on top of {} gives {}",
            show(&seen),
            show(&made),
            show(&before),
            show(&got)
        )
    };
    let mut lines: Vec<u64> = unseen.iter().map(|other| other.line).collect();
    lines.sort_unstable();
    lines.push(moment.line);
    Wrong {
        lines,
        key: key.to_owned(),
        meant: show(&meant),
        got: show(&got),
        why: format!(
            "node {} has not seen {}. {then}.",
            moment.node,
            others.join(", nor ")
        ),
    }
}

/// Whether a node sends a change at `t` together with its last one before.
fn one_window(last: Option<u64>, t: u64, ms: u64) -> bool {
    ms > 0 && last.is_some_and(|last| last == t || last / ms == t / ms)
}

fn windows(windows_ms: &[u64], counts: &[Counts], operations: u64) -> Vec<Window> {
    windows_ms
        .iter()
        .zip(counts)
        .map(|(&ms, count)| Window {
            ms,
            concurrent: share(count.concurrent, operations),
            overlapping: share(count.overlapping, operations),
            coalescing: share(operations, count.entries),
            wrong: count.wrong,
            unnoticed: count.unnoticed,
        })
        .collect()
}

/// The widths of the values so far.
#[derive(Debug, Default)]
struct Widths {
    least: u64,
    most: u64,
    sum: u64,
    count: u64,
}

impl Widths {
    fn note(&mut self, bytes: u64) {
        self.least = match self.count {
            0 => bytes,
            _ => self.least.min(bytes),
        };
        self.most = self.most.max(bytes);
        self.sum += bytes;
        self.count += 1;
    }

    fn width(&self) -> Width {
        Width {
            least: self.least,
            most: self.most,
            mean: share(self.sum, self.count),
            fixed: self.least == self.most,
        }
    }
}
