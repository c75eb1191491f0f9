//! Which values of a finished run are wrong, and which of those the system reported.

use std::collections::BTreeSet;

use atomik_workload::content::Content;
use atomik_workload::workload::Workload;

use crate::figures::Conflicts;
use crate::history::{History, Place};
use crate::judge::{Completed, Judgement, judge};
use crate::system::SystemError;
use crate::world::{Fate, Finished};

/// How many wrong values are described.
const EXAMPLES: usize = 3;

/// Compares the final values of all nodes with what the acknowledged operations explain.
///
/// # Errors
///
/// [`SystemError::Diverged`] if nodes that report the same progress hold different values.
pub fn conflicts(
    workload: &Workload,
    finished: &Finished,
    history: &History,
    seed: u64,
) -> Result<Conflicts, SystemError> {
    let reported = reported(workload, finished);
    let mut conflicts = Conflicts {
        reported: history
            .values()
            .filter(|(place, _)| reported.contains(&(place.key(workload), place.field)))
            .count() as u64,
        ..Conflicts::default()
    };
    for (place, ops) in history.values() {
        let end = final_value(workload, finished, place)?;
        let judgement = if finished.converged {
            judge_value(workload, finished, place, ops, &end)
        } else {
            Judgement::NotJudged("nodes differ")
        };
        match judgement {
            Judgement::Explained => conflicts.compared += 1,
            Judgement::NotJudged(_) => conflicts.not_judged += 1,
            Judgement::Wrong(expected) => {
                conflicts.compared += 1;
                conflicts.wrong += 1;
                let is_reported = reported.contains(&(place.key(workload), place.field));
                conflicts.wrong_reported += u64::from(is_reported);
                if conflicts.examples.len() < EXAMPLES {
                    conflicts.examples.push(format!(
                        "{}: {}, should be {expected}; operations {}; {} (seed {seed})",
                        place.name(workload),
                        end.summary(),
                        numbers(ops),
                        if is_reported {
                            "reported"
                        } else {
                            "not reported"
                        },
                    ));
                }
            }
        }
    }
    Ok(conflicts)
}

/// The fields that the system reported as in conflict. A report without a field stands for every
/// field of the key.
fn reported<'a>(workload: &Workload, finished: &'a Finished) -> BTreeSet<(&'a str, u16)> {
    let fields = workload.fields.len() as u16;
    finished
        .conflicts
        .iter()
        .flat_map(|conflict| {
            (0..fields)
                .filter(|field| conflict.field.is_none_or(|named| named == *field))
                .map(|field| (conflict.key.as_str(), field))
        })
        .collect()
}

/// The value on node 0, which must be that of every node if the run converged.
fn final_value(
    workload: &Workload,
    finished: &Finished,
    place: Place,
) -> Result<Content, SystemError> {
    let key = place.key(workload);
    let end = finished.first_node()?.read(key, place.field)?;
    for (node, other) in finished.nodes.iter().enumerate().skip(1) {
        let other = other.read(key, place.field)?;
        if other != end && finished.converged {
            return Err(SystemError::Diverged {
                node,
                place: place.name(workload),
                first: format!("{end:?}"),
                other: format!("{other:?}"),
            });
        }
    }
    Ok(end)
}

fn judge_value(
    workload: &Workload,
    finished: &Finished,
    place: Place,
    ops: &[u32],
    end: &Content,
) -> Judgement {
    let mut completed = Vec::with_capacity(ops.len());
    for &op in ops {
        let (node, submitted) = finished.submissions[op as usize];
        let Fate::Acknowledged(wait) = finished.fates[op as usize] else {
            return Judgement::NotJudged("an operation with an uncertain outcome");
        };
        completed.push(Completed {
            node,
            submitted,
            acknowledged: submitted + wait,
            action: &workload.steps[op as usize].action,
        });
    }
    judge(place.field(workload).class, &completed, end)
}

/// The last operations, numbered from 1 as the lines of a trace are.
fn numbers(ops: &[u32]) -> String {
    const SHOWN: usize = 4;
    let last = &ops[ops.len().saturating_sub(SHOWN)..];
    let words: Vec<_> = last.iter().map(|op| (op + 1).to_string()).collect();
    let before = if ops.len() > SHOWN { "…, " } else { "" };
    format!("{before}{}", words.join(", "))
}
