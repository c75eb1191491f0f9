//! What a system keeps and sends beyond the values.

use atomik_workload::workload::Workload;

use crate::figures::Overhead;
use crate::history::History;
use crate::latency::quantiles;
use crate::system::{Node, Storage, SystemError};
use crate::world::{Fate, Finished};

/// Measures the nodes' disks, then drops the nodes one by one and measures what each frees.
///
/// # Errors
///
/// [`SystemError`] if a value cannot be read.
pub fn overhead(
    workload: &Workload,
    finished: Finished,
    history: &History,
) -> Result<Overhead, SystemError> {
    let value_bytes = value_bytes(workload, &finished, history)?;
    let needed_wire_bytes = needed_wire_bytes(workload, &finished);
    let disks = finished.storages.iter().zip(&finished.nodes);
    let disks: Vec<f64> = disks
        .map(|(disk, node)| disk_bytes(disk, node.as_ref()))
        .collect();
    let memories: Vec<f64> = finished.nodes.into_iter().map(freed_bytes).collect();
    Ok(Overhead {
        value_bytes,
        memory_bytes: is_counted().then(|| quantiles(memories).median as u64),
        disk_bytes: quantiles(disks).median as u64,
        disk_written: finished.disk_written,
        needed_wire_bytes,
    })
}

/// Bytes that no system can do without: the names of keys and fields, and the final values.
fn value_bytes(
    workload: &Workload,
    finished: &Finished,
    history: &History,
) -> Result<u64, SystemError> {
    let mut bytes = 0;
    let mut last_key = None;
    for (place, _) in history.values() {
        let key = place.key(workload);
        if last_key.replace(place.key) != Some(place.key) {
            bytes += key.len();
        }
        let value = finished.first_node()?.read(key, place.field)?;
        bytes += place.field(workload).name.len() + value.bytes();
    }
    Ok(bytes as u64)
}

/// Bytes of the operations themselves, sent once to each other node.
fn needed_wire_bytes(workload: &Workload, finished: &Finished) -> u64 {
    let others = finished.setup.nodes as u64 - 1;
    let needed: usize = workload
        .steps
        .iter()
        .zip(&finished.fates)
        .filter(|(_, fate)| **fate != Fate::LeftOut)
        .map(|(step, _)| {
            workload.key(step).len() + workload.field(step).name.len() + step.action.bytes()
        })
        .sum();
    needed as u64 * others
}

fn disk_bytes(disk: &Storage, node: &dyn Node) -> f64 {
    let records = disk.records.iter();
    let bytes: usize = records.map(|(key, value)| key.len() + value.len()).sum();
    bytes as f64 + node.foreign_disk() as f64
}

fn freed_bytes(node: Box<dyn Node>) -> f64 {
    let foreign = node.foreign_memory();
    let before = allocated_bytes();
    drop(node);
    (before - allocated_bytes()) as f64 + foreign as f64
}

/// Bytes allocated and not freed, or 0 if the program's allocator does not count them.
fn allocated_bytes() -> i64 {
    let stats = stats_alloc::INSTRUMENTED_SYSTEM.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

/// Whether the program's allocator counts.
fn is_counted() -> bool {
    allocated_bytes() != 0
}
