//! What placed designs have in common: their status, messages, and the marks and footnotes of
//! their frequencies.

use std::fmt::{Display, Write as _};

use atomik_fpga::bitstream::Packed;
use atomik_fpga::utilization::Use;
use atomik_fpga::{Device, Flow, Outcome, Report};
use atomik_terminal::Status;
use serde::Serialize;

use crate::program::ATOMIK;

/// The mark of a frequency that leaves out paths from a memory.
pub const MEMORY_MARK: char = '*';
/// The footnote of [`MEMORY_MARK`].
pub const MEMORY_NOTE: &str =
    "* does not cover the memory: nextpnr has no delay for any path out of one\n";

/// The limits of nextpnr's model of Gowin's block memories. Delays: Apicula's data for the GW1N-9C,
/// C6/I5.
const GOWIN_MEMORIES: &str = "\
Gowin: nextpnr takes 3.46 ns from the clock to the data of every block memory; where its output
register is used (target gowin), Apicula's data say 0.83 ns, so paths from a memory are shown up to
2.63 ns too slow
";

/// Reports, and the versions of the tools that made them, for JSON.
#[derive(Serialize)]
pub struct Measured<'a> {
    tools: Vec<String>,
    reports: &'a [Report],
}

impl<'a> Measured<'a> {
    pub fn new(flow: &Flow<'_>, reports: &'a [Report]) -> Self {
        Self {
            tools: flow.versions(),
            reports,
        }
    }
}

/// The versions of the tools, below an empty line.
pub fn versions(flow: &Flow<'_>) -> String {
    format!("\n{}\n", flow.versions().join("\n"))
}

/// The status of the worst report.
pub fn status(reports: &[Report]) -> Status {
    let any = |is: fn(&Outcome) -> bool| reports.iter().any(|report| is(&report.outcome));
    if any(|outcome| matches!(outcome, Outcome::Failed { .. })) {
        Status::Broken
    } else if any(|outcome| matches!(outcome, Outcome::TooBig { .. })) {
        Status::CheckFailed
    } else {
        Status::Done
    }
}

/// Prints to stderr why a design was not placed.
pub fn explain(report: &Report) {
    let Report { design, device, .. } = report;
    match &report.outcome {
        Outcome::Placed { .. } => {}
        Outcome::TooBig { overfull } => ATOMIK.message(too_big(design, device, overfull)),
        Outcome::Failed { message } => {
            ATOMIK.message(format_args!("{design} on {device}: {message}"));
        }
    }
}

/// Prints to stderr why a design has no bitstream.
pub fn explain_packed(name: &str, device: &Device, packed: &Packed) {
    match packed {
        Packed::Bitstream(_) => {}
        Packed::TooBig(overfull) => ATOMIK.message(too_big(name, device, overfull)),
        Packed::Failed(message) => ATOMIK.message(format_args!("{name} on {device}: {message}")),
    }
}

fn too_big(design: &str, device: impl Display, overfull: &[Use]) -> String {
    format!(
        "{design} does not fit {device}: it needs {}; take fewer lanes, a smaller depth or width, \
         or a larger device",
        uses(overfull)
    )
}

/// The cells of a device in use, separated by commas.
pub fn uses<'a>(uses: impl IntoIterator<Item = &'a Use>) -> String {
    let texts: Vec<String> = uses.into_iter().map(Use::to_string).collect();
    texts.join(", ")
}

/// The marks of a frequency that does not cover every path; [`notes`] explains them.
pub fn marks(report: &Report) -> String {
    let mut marks = String::new();
    if report.misses_memories() {
        marks.push(MEMORY_MARK);
    }
    if report.uncovered().0 > 0 {
        marks.push('+');
    }
    marks
}

/// The footnotes that the reports need.
pub fn notes(reports: &[Report]) -> String {
    let mut text = String::new();
    if reports.iter().any(Report::misses_memories) {
        text += MEMORY_NOTE;
    }
    let worst = reports.iter().map(Report::uncovered).max();
    if let Some((uncovered @ 1.., endpoints)) = worst {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "+ leaves out paths through cells whose delays nextpnr does not know: up to \
             {uncovered} of {endpoints} register inputs"
        );
    }
    let has_gowin_memories = |report: &Report| {
        report.fmax_mhz().is_some()
            && report.device.starts_with("gw")
            && report.area.is_some_and(|area| area.block_memories > 0)
    };
    if reports.iter().any(has_gowin_memories) {
        text += GOWIN_MEMORIES;
    }
    text
}
