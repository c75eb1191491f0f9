//! What a run measures, in a form that is printed, drawn, and written as JSON.

use serde::{Deserialize, Serialize};

use atomik_workload::fit::Fit;

/// One trace through all columns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The trace.
    pub trace: TraceFigures,
    /// The simulated world.
    pub world: WorldFigures,
    /// The figures of each system.
    #[serde(rename = "columns")]
    pub systems: Vec<SystemFigures>,
    /// Columns that this build or this trace does not have, and why.
    pub absent: Vec<(String, String)>,
}

/// What was run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TraceFigures {
    /// Its name.
    pub name: String,
    /// Operations that were run.
    pub operations: u64,
    /// Keys.
    pub keys: u64,
    /// Fields.
    pub fields: u64,
    /// Milliseconds from its first operation to its last, as recorded.
    pub recorded_ms: u64,
    /// How many times faster than recorded it was played; 1 is as recorded.
    pub acceleration: f64,
}

/// The simulated network, disks and faults: the same for every column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorldFigures {
    /// Nodes.
    pub nodes: u64,
    /// The seed of all randomness.
    pub seed: u64,
    /// The faults, by name.
    pub faults: String,
    /// All settings, in words, one line each.
    pub settings: Vec<String>,
}

/// One system's figures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SystemFigures {
    /// Its name.
    pub name: String,
    /// What runs, with version.
    pub library: String,
    /// What it promises.
    pub semantics: String,
    /// How it is used, and whose advice that is.
    pub usage: String,
    /// What of it is machine-checked.
    pub proofs: String,
    /// The command that prints this column alone.
    pub command: String,
    /// The seed.
    pub seed: u64,
    /// Operations of fields that it cannot express, with field and reason; they were left out.
    pub inexpressible: Vec<Inexpressible>,
    /// Operations submitted.
    pub submitted: u64,
    /// Operations acknowledged by the end.
    pub acknowledged: u64,
    /// Operations whose node crashed before it acknowledged them: done or not, nobody knows. Their
    /// fields are left out of the comparison with the oracle.
    pub uncertain: u64,
    /// From submission to acknowledgement.
    pub latency: Latency,
    /// What went over all links.
    pub bandwidth: Bandwidth,
    /// What came of concurrent changes.
    pub conflicts: Conflicts,
    /// How a node gets its state back from its disk at the end of the run.
    pub rebuild: Rebuild,
    /// What is kept and sent beyond the values.
    pub overhead: Overhead,
    /// From the end of the partition or the restart to identical nodes; none if there was no such
    /// fault.
    pub recovery: Option<Recovery>,
    /// Whether all nodes were identical at the end.
    pub converged: bool,
    /// Microseconds of virtual time from the last operation or the end of the last fault to
    /// identical nodes.
    pub settle_us: Option<u64>,
}

/// A field that a column left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inexpressible {
    /// The field's name.
    pub field: String,
    /// Its operations.
    pub operations: u64,
    /// Why.
    pub reason: String,
}

/// Latency of writes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Virtual time to acknowledgement, in microseconds.
    pub virtual_us: Quantiles,
    /// CPU time that the writer's node spent in submitting an operation, in nanoseconds; of a
    /// batch, its share.
    pub submit_cpu_ns: Quantiles,
    /// CPU time of all nodes over all calls, per operation, in nanoseconds.
    pub total_cpu_ns: f64,
}

/// Median and 99th percentile.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half are at most this.
    pub median: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The largest.
    pub most: f64,
}

/// Traffic over all links, framing included.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Bandwidth {
    /// Messages sent.
    pub messages: u64,
    /// Bytes of the messages.
    pub payload_bytes: u64,
    /// Bytes with the headers of the packets that carry them.
    pub wire_bytes: u64,
    /// `wire_bytes` by operation.
    pub wire_bytes_per_op: f64,
    /// `messages` by operation.
    pub messages_per_op: f64,
}

/// What came of concurrent changes, against what the operations mean one after the other.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Conflicts {
    /// Fields of keys that were compared.
    pub compared: u64,
    /// Fields that end with what no order of the acknowledged operations that respects their
    /// acknowledgements explains.
    pub wrong: u64,
    /// Of these, fields that the system reported.
    pub wrong_reported: u64,
    /// Fields that the system reported, wrong or not.
    pub reported: u64,
    /// Fields that were not compared, because concurrent edits have no single right result (text),
    /// or operations are uncertain.
    pub not_judged: u64,
    /// Some of the wrong ones, in words.
    pub examples: Vec<String>,
}

/// State reconstruction.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rebuild {
    /// CPU time, in microseconds; the median of `samples`.
    pub cpu_us: f64,
    /// Bytes read.
    pub bytes_read: u64,
    /// How often it was done.
    pub samples: u64,
    /// Operations in the history.
    pub history: u64,
}

/// What is kept and sent beyond the values; totals, of one node where not said otherwise (the
/// median node).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Overhead {
    /// Bytes of names of keys and fields and of the values at the end: what no system can do
    /// without.
    pub value_bytes: u64,
    /// Bytes in memory.
    pub memory_bytes: Option<u64>,
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// Bytes written to disk over the run.
    pub disk_written: u64,
    /// Bytes that the operations themselves would take on the wire: key, field, value, once for
    /// each other node.
    pub needed_wire_bytes: u64,
}

/// How long and how much it took to be the same again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Recovery {
    /// Microseconds of virtual time.
    pub virtual_us: u64,
    /// Bytes on all links meanwhile, framing included.
    pub wire_bytes: u64,
}

/// How cost grows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scaling {
    /// What grows, such as `operations in the history`.
    pub axis: String,
    /// The command.
    pub command: String,
    /// Every measurement.
    pub points: Vec<Point>,
    /// What was not measured because it would have taken too long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// What could not be measured, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
}

impl Scaling {
    /// Whether all that was tried was measured, and converged.
    pub fn is_fine(&self) -> bool {
        self.failed.is_empty() && self.points.iter().all(|point| point.system.converged)
    }
}

/// A measurement that was left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeftOut {
    /// Where on the axis.
    pub x: u64,
    /// The system.
    pub name: String,
    /// Seconds that it would have taken, going by what smaller ones took.
    pub expected_s: u64,
    /// Seconds that it might have taken.
    pub patience_s: u64,
}

/// One measurement of a scaling series.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    /// Where on the axis.
    pub x: u64,
    /// The system's figures there.
    #[serde(rename = "column")]
    pub system: SystemFigures,
}

/// All that a report shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Review {
    /// Version of this format.
    pub format: u32,
    /// Version of the program.
    pub program: String,
    /// Date (UTC) on which it was made, `YYYY-MM-DD`.
    pub date: String,
    /// The machine: processor, cores, memory, system.
    pub machine: String,
    /// The verdict.
    pub fit: Fit,
    /// Runs, one for each kind of faults.
    pub runs: Vec<Run>,
    /// Scaling series.
    pub scaling: Vec<Scaling>,
    /// Every command that made a part of it, in order.
    pub commands: Vec<String>,
}
