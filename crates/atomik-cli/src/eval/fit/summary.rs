//! A fit as text.

use std::cmp::Reverse;
use std::fmt;

use atomik_terminal::{Table, count, counted, duration, number_table};
use atomik_workload::fit::{FieldFit, Fit, Thresholds, Window, percent};
use atomik_workload::workload::title;

/// Fields shown; the JSON has all.
const FIELDS_SHOWN: usize = 20;

/// The verdict, the reasons for it, and the figures behind them.
pub struct Summary<'a>(pub &'a Fit);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fit = self.0;
        writeln!(f, "{}", fit.verdict)?;
        writeln!(
            f,
            "{}: {} on {} by {} within {}",
            title(&fit.trace),
            counted(fit.operations, "operation"),
            counted(fit.keys, "key"),
            counted(fit.nodes, "node"),
            duration(fit.recorded_ms),
        )?;
        writeln!(f)?;
        for reason in &fit.reasons {
            writeln!(f, "- {reason}")?;
        }
        let mut fields: Vec<&FieldFit> = fit.fields.iter().collect();
        fields.sort_by_key(|field| Reverse(operations(field)));
        let shown = &fields[..fields.len().min(FIELDS_SHOWN)];
        writeln!(f, "\n{}", field_table(fit, shown))?;
        if fields.len() > shown.len() {
            let hidden = fields.len() - shown.len();
            writeln!(f, "and {hidden} more fields: --json has them")?;
        }
        writeln!(f, "\n{}", window_table(fit, shown))?;
        if fit.fields.len() > 1 {
            for field in shown {
                writeln!(
                    f,
                    "\n{:?}, a {}: {}",
                    field.name, field.class, field.verdict
                )?;
                for reason in &field.reasons {
                    writeln!(f, "- {reason}")?;
                }
            }
        }
        examples(f, shown)?;
        limits(f, &fit.thresholds)?;
        writeln!(f, "{}", fit.command)
    }
}

fn operations(field: &FieldFit) -> u64 {
    field.operations.values().sum()
}

fn field_table(fit: &Fit, fields: &[&FieldFit]) -> Table {
    let headings = [
        "field",
        "class",
        "verdict",
        "operations",
        "keys",
        "one writer",
        "wrong",
        "bytes",
        "words",
        "changed",
    ];
    let mut table = number_table(&headings, 3);
    for field in fields {
        let operations: Vec<String> = field
            .operations
            .iter()
            .map(|(name, operations)| format!("{} {name}", count(*operations)))
            .collect();
        let width = &field.width;
        table.add_row([
            format!("{:?}", field.name),
            field.class.to_string(),
            field.verdict.to_string(),
            operations.join(", "),
            count(field.keys),
            percent(field.single_writer_share),
            count(field.wrong_operations),
            match (width.least == width.most, width.fixed) {
                (true, true) => width.most.to_string(),
                _ => format!("{}-{}", width.least, width.most),
            },
            field.words.to_string(),
            percent(field.changed_word_ratio),
        ]);
    }
    if fit.fields.len() > 1 {
        table.add_row([
            "all".to_owned(),
            String::new(),
            fit.verdict.to_string(),
            count(fit.operations),
            count(fit.keys),
            percent(fit.single_writer_share),
            count(fit.wrong_operations),
        ]);
    }
    table
}

fn window_table(fit: &Fit, fields: &[&FieldFit]) -> Table {
    let headings = [
        "field",
        "window, ms",
        "concurrent",
        "overlapping",
        "wrong",
        "unnoticed",
        "operations/entry",
    ];
    let mut table = number_table(&headings, 1);
    let mut rows = |name: &str, windows: &[Window]| {
        for window in windows {
            table.add_row([
                name.to_owned(),
                count(window.ms),
                percent(window.concurrent),
                percent(window.overlapping),
                count(window.wrong),
                count(window.unnoticed),
                format!("{:.2}", window.coalescing),
            ]);
        }
    };
    for field in fields {
        rows(&format!("{:?}", field.name), &field.windows);
    }
    if fit.fields.len() > 1 {
        rows("all", &fit.windows);
    }
    table
}

fn examples(f: &mut fmt::Formatter<'_>, fields: &[&FieldFit]) -> fmt::Result {
    let wrong: Vec<_> = fields
        .iter()
        .flat_map(|field| field.wrong.iter().map(move |wrong| (field, wrong)))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nWhat goes wrong, for example:")?;
    for (field, wrong) in wrong {
        let lines: Vec<String> = wrong.lines.iter().map(u64::to_string).collect();
        writeln!(
            f,
            "- lines {}, key {:?}, field {:?}: intended {}, replicas get {}.\n  {}",
            lines.join(", "),
            wrong.key,
            field.name,
            wrong.meant,
            wrong.got,
            wrong.why
        )?;
    }
    Ok(())
}

fn limits(f: &mut fmt::Formatter<'_>, thresholds: &Thresholds) -> fmt::Result {
    writeln!(
        f,
        "\nLimits: overlapping {} without conditions, {} at most; wrong {} at most, unnoticed {}; \
         {} bytes a value; whole values from {} of the words, coalescing from {} operations an \
         entry. The widest window up to {} ms decides.",
        percent(thresholds.overlap_fits),
        percent(thresholds.overlap_fails),
        percent(thresholds.wrong_fails),
        percent(thresholds.unnoticed_fails),
        thresholds.value_bytes,
        percent(thresholds.whole_value),
        thresholds.coalescing_saves,
        count(thresholds.connected_ms),
    )
}
