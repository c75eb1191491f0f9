//! Tables for a terminal.

use std::fmt::Write as _;

use atomik_arena::figures::{Point, Review, Run, Scaling, SystemFigures};
use atomik_workload::fit::{Fit, Thresholds};

use super::linger::{self, Pair};
use super::metrics::{self, GROWTH, caveats, left_out};
use atomik_terminal::{count, counted, number_table};
use atomik_workload::workload;

/// The whole review, in tables of at most `width` characters if names and figures allow it.
pub fn terminal(review: &Review, width: usize) -> String {
    let mut text = verdict(&review.fit);
    if let Some(unaware) = metrics::disagreement(review) {
        let _ = writeln!(text, "{unaware}");
    }
    for figures in &review.runs {
        text.push('\n');
        text += &run(figures, width);
    }
    for figures in &review.scaling {
        text.push('\n');
        text += &scaling(figures);
    }
    let _ = writeln!(
        text,
        "\natomik-eval {}, {}, {}",
        review.program, review.date, review.machine
    );
    text
}

/// One run whose trace has not been judged here.
pub fn alone(figures: &Run, width: usize) -> String {
    let mut text = run(figures, width);
    if let Some(unaware) = metrics::unaware(figures, &Thresholds::default()) {
        let _ = writeln!(text, "{unaware}");
    }
    text
}

/// One series, with a row for each measurement.
pub fn scaling(scaling: &Scaling) -> String {
    let mut text = format!("growth with {}\n$ {}\n", scaling.axis, scaling.command);
    let titles = GROWTH.iter().map(|(_, _, title)| *title);
    let headings: Vec<&str> = ["at", "system"].into_iter().chain(titles).collect();
    let mut table = number_table(&headings, 1);
    for Point { x, system } in &scaling.points {
        let cells = GROWTH
            .iter()
            .map(|(metric, ..)| metric.measure(system).text());
        table.add_row([count(*x), name(system)].into_iter().chain(cells));
    }
    let _ = writeln!(text, "{table}");
    for point in &scaling.left_out {
        let _ = writeln!(text, "- not measured: {}", left_out(point, &scaling.axis));
    }
    for failed in &scaling.failed {
        let _ = writeln!(text, "- not measured: {failed}");
    }
    text
}

/// The verdict, its reasons, and the first example of what goes wrong.
fn verdict(fit: &Fit) -> String {
    let mut text = format!("{}: {}\n", workload::title(&fit.trace), fit.verdict);
    for reason in &fit.reasons {
        let _ = writeln!(text, "- {reason}");
    }
    if let Some(wrong) = fit.fields.iter().flat_map(|field| &field.wrong).next() {
        let lines: Vec<String> = wrong.lines.iter().map(u64::to_string).collect();
        let _ = writeln!(
            text,
            "example: lines {}: {:?}: {}: intended {}, replicas get {}",
            lines.join(", "),
            wrong.key,
            wrong.why,
            wrong.meant,
            wrong.got
        );
    }
    let _ = writeln!(text, "$ {}", fit.command);
    text
}

/// One run: systems side by side, as many as fit into `width`, followed by what is too long for a
/// cell.
pub fn run(run: &Run, width: usize) -> String {
    let mut text = format!(
        "{}, faults: {}, {}, seed {}, {}\n",
        workload::title(&run.trace.name),
        run.world.faults,
        counted(run.world.nodes, "node"),
        run.world.seed,
        counted(run.trace.operations, "operation"),
    );
    if let Some(pace) = metrics::pace(run) {
        let _ = writeln!(text, "{pace}");
    }
    if !run.world.settings.is_empty() {
        let _ = writeln!(text, "simulated: {}", run.world.settings.join("; "));
    }
    text += &tables(run.systems.len(), width, |from, to| {
        side_by_side(run, from, to)
    });
    if metrics::ALL
        .iter()
        .any(|metric| metric.least(&run.systems).contains(&true))
    {
        text += "* lowest of the systems without caveats; their guarantees differ\n";
    }
    for system in &run.systems {
        let _ = writeln!(text, "{} ({})", name(system), system.library);
        for caveat in caveats(system) {
            let _ = writeln!(text, "  ! {caveat}");
        }
        for field in &system.inexpressible {
            let _ = writeln!(
                text,
                "  left out: {:?}, {}: {}",
                field.field,
                counted(field.operations, "operation"),
                field.reason
            );
        }
        for example in &system.conflicts.examples {
            let _ = writeln!(text, "  wrong: {example}");
        }
        for metric in [&metrics::PROMISES, &metrics::PROOFS] {
            let _ = writeln!(text, "  {}: {}", metric.name, metric.measure(system).text());
        }
        let _ = writeln!(text, "  $ {}", system.command);
    }
    for (name, why) in &run.absent {
        let _ = writeln!(text, "{name} was not run: {why}");
    }
    if let Some(pair) = Pair::of(run) {
        text += &lingering(&pair, width);
    }
    text
}

/// Tables of some columns each, from one to another of `count`: the widest that fit into `width`. A
/// single column is printed at any width.
fn tables(count: usize, width: usize, table: impl Fn(usize, usize) -> String) -> String {
    let mut text = String::new();
    let mut from = 0;
    while from < count {
        let (to, table) = (from + 1..=count)
            .map(|to| (to, table(from, to)))
            .take_while(|(to, table)| *to == from + 1 || widest(table) <= width)
            .last()
            .unwrap_or((count, String::new()));
        text += &table;
        text.push('\n');
        from = to;
    }
    text
}

/// A run with and without a linger: systems side by side.
fn lingering(pair: &Pair, width: usize) -> String {
    let mut text = format!("linger, faults: {}\n{}\n", pair.faults, linger::WHAT);
    if let Some(sentence) = pair.sentence() {
        let _ = writeln!(text, "{sentence}");
    }
    text += &tables(pair.at_once.systems.len(), width, |from, to| {
        let heads = pair.at_once.systems.get(from..to).unwrap_or_default();
        let headings = std::iter::once(String::new()).chain(heads.iter().map(name));
        let headings: Vec<_> = headings.collect();
        let mut table = number_table(&headings, 1);
        for metric in linger::ROWS {
            for run in pair.runs() {
                let label = format!("{}, {}", metric.name, run.world.faults);
                let systems = run.systems.get(from..to).unwrap_or_default();
                let cells = systems.iter().map(|system| metric.measure(system).text());
                table.add_row(std::iter::once(label).chain(cells));
            }
        }
        table.to_string()
    });
    for system in &pair.later.systems {
        for caveat in caveats(system) {
            let _ = writeln!(
                text,
                "{} with {}: ! {caveat}",
                system.name, pair.later.world.faults
            );
        }
        let _ = writeln!(text, "  $ {}", system.command);
    }
    text
}

/// The name, with a mark if the system has caveats.
fn name(system: &SystemFigures) -> String {
    let mark = if caveats(system).is_empty() { "" } else { " !" };
    format!("{}{mark}", system.name)
}

fn side_by_side(run: &Run, from: usize, to: usize) -> String {
    let systems = run.systems.get(from..to).unwrap_or_default();
    let mut headings = vec![String::new()];
    headings.extend(systems.iter().map(name));
    let mut table = number_table(&headings, 1);
    for metric in metrics::ALL {
        if metric.name == metrics::PROMISES.name || metric.name == metrics::PROOFS.name {
            continue;
        }
        let least = metric.least(&run.systems);
        let mut row = vec![format!("{}: {}", metric.group, metric.name)];
        row.extend(
            systems
                .iter()
                .zip(least.iter().skip(from))
                .map(|(system, &least)| {
                    let mark = if least { "* " } else { "" };
                    format!("{mark}{}", metric.measure(system).text())
                }),
        );
        table.add_row(row);
    }
    table.to_string()
}

fn widest(table: &str) -> usize {
    table
        .lines()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0)
}
