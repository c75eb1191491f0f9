//! Tables for a terminal.

use std::fmt::Write as _;

use atomik_arena::figures::{Point, Review, Run, Scaling, SystemFigures};
use atomik_workload::fit::Fit;

use super::metrics::{self, GROWTH, caveats, left_out};
use atomik_terminal::{count, counted, number_table};

/// The whole review, in tables of at most `width` characters if names and figures allow it.
pub fn terminal(review: &Review, width: usize) -> String {
    let mut text = verdict(&review.fit);
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
    let mut text = format!("{}: {}\n", metrics::trace(&fit.trace), fit.verdict);
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
        metrics::trace(&run.trace.name),
        run.world.faults,
        counted(run.world.nodes, "node"),
        run.world.seed,
        counted(run.trace.operations, "operation"),
    );
    if let Some(pace) = metrics::pace(run) {
        let _ = writeln!(text, "{pace}");
    }
    let mut from = 0;
    while from < run.systems.len() {
        // The widest table that fits. A single system is printed at any width.
        let (to, table) = (from + 1..=run.systems.len())
            .map(|to| (to, side_by_side(run, from, to)))
            .take_while(|(to, table)| *to == from + 1 || widest(table) <= width)
            .last()
            .unwrap_or((run.systems.len(), String::new()));
        text += &table;
        text.push('\n');
        from = to;
    }
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
