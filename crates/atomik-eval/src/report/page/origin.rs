//! Where the figures come from: what each row means, the simulated world, machine and commands.

use atomik_arena::figures::{Review, Run};
use maud::{Markup, html};

use super::parts::joined;
use crate::report::metrics;
use crate::report::sheet::grouped;
use atomik_terminal::counted;

/// What the rows mean, and the world in which they were measured.
pub fn method(review: &Review) -> Markup {
    html! {
        h2 id="method" { "Method" }
        details {
            summary { "What each row means" }
            dl.pairs {
                @for metric in metrics::ALL {
                    dt { (metric.group) ": " (metric.name) }
                    dd { (metric.what) }
                }
            }
        }
        @if !review.runs.is_empty() {
            details #world {
                summary { "The simulated world: nodes, network, disks, clients and faults" }
                (world(&review.runs))
            }
        }
    }
}

/// The settings, each once, with the faults that have it unless all do.
fn world(runs: &[Run]) -> Markup {
    let settings = grouped(runs.iter().flat_map(|run| {
        let world = &run.world;
        let first = format!("{}, seed {}", counted(world.nodes, "node"), world.seed);
        let settings = std::iter::once(first).chain(world.settings.iter().cloned());
        settings.map(|setting| (setting, &world.faults))
    }));
    html! {
        ul {
            @for (setting, faults) in &settings {
                li {
                    @if faults.len() < runs.len() {
                        "Faults " (joined(faults.iter().map(|&name| name.clone()))) ": "
                    }
                    span { (setting) }
                }
            }
        }
    }
}

/// The machine, the program and the commands.
pub fn origin(review: &Review) -> Markup {
    html! {
        h2 id="origin" { "Machine and commands" }
        dl.pairs {
            dt { "machine" } dd #machine { (review.machine) }
            dt { "made on" } dd { (review.date) }
            dt { "atomik-eval" } dd { (review.program) ", format " (review.format) }
        }
        @if !review.commands.is_empty() {
            details {
                summary { (counted(review.commands.len() as u64, "command")) " made this report" }
                ol.commands { @for command in &review.commands { li { code { (command) } } } }
            }
        }
    }
}
