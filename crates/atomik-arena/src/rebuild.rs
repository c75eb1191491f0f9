//! How long a node takes to rebuild its state from its disk.

use cpu_time::ProcessTime;

use atomik_workload::workload::Workload;

use crate::figures::Rebuild;
use crate::history::History;
use crate::latency::quantiles;
use crate::system::{Node, System, SystemError};
use crate::world::Finished;

/// How many nodes are reopened, at most.
const REBUILDS: usize = 3;

/// Reopens nodes from their disks, and checks that they hold what they held before.
///
/// # Errors
///
/// [`SystemError::NotDurable`] if a node lost something.
pub fn rebuild(
    system: &dyn System,
    workload: &Workload,
    finished: &Finished,
    history: &History,
    submitted: u64,
) -> Result<Rebuild, SystemError> {
    let mut times = Vec::new();
    let mut read = Vec::new();
    for (node, storage) in finished.storages.iter().enumerate().take(REBUILDS) {
        let before = ProcessTime::now();
        let reopened = system.open(&finished.setup, node, storage)?;
        times.push(before.elapsed().as_nanos() as f64 / 1e3);
        read.push(reopened.bytes_read() as f64);
        if finished.converged {
            check(workload, finished, history, node, reopened.as_ref())?;
        }
    }
    Ok(Rebuild {
        samples: times.len() as u64,
        cpu_us: quantiles(times).median,
        bytes_read: quantiles(read).median as u64,
        history: submitted,
    })
}

fn check(
    workload: &Workload,
    finished: &Finished,
    history: &History,
    node: usize,
    reopened: &dyn Node,
) -> Result<(), SystemError> {
    for (place, _) in history.values() {
        let key = place.key(workload);
        let before = finished.nodes[node].read(key, place.field)?;
        let after = reopened.read(key, place.field)?;
        if before != after {
            return Err(SystemError::NotDurable {
                node,
                place: place.name(workload),
                before: before.summary(),
                after: after.summary(),
            });
        }
    }
    Ok(())
}
