//! Everything measured, as reports show it and JSON stores it.

use serde::{Deserialize, Serialize};

use atomik_workload::fit::Fit;

/// One trace through all systems.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The trace.
    pub trace: TraceFigures,
    /// The simulated world.
    pub world: WorldFigures,
    /// The figures of each system.
    #[serde(rename = "columns")]
    pub systems: Vec<SystemFigures>,
    /// Systems that were not run, and why.
    pub absent: Vec<(String, String)>,
    /// The same with changes that wait for others, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lingering: Option<Lingering>,
}

/// A run in which changes wait for others before they are sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lingering {
    /// For how long at most, in milliseconds.
    pub linger_ms: f64,
    /// The figures of each system.
    #[serde(rename = "columns")]
    pub systems: Vec<SystemFigures>,
}

/// The trace of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TraceFigures {
    /// Its name.
    pub name: String,
    /// Operations.
    pub operations: u64,
    /// Keys.
    pub keys: u64,
    /// Fields.
    pub fields: u64,
    /// Recorded milliseconds from the first operation to the last.
    pub recorded_ms: u64,
    /// How many times faster than recorded it was played.
    pub acceleration: f64,
    /// Operations that came so soon after another node's operation on the same key as played, and
    /// not as recorded, that in some system neither may have seen the other.
    #[serde(default)]
    pub made_concurrent: u64,
}

/// The simulated network, disks and faults, which are the same for every system.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorldFigures {
    /// Nodes.
    pub nodes: u64,
    /// The seed of all randomness.
    pub seed: u64,
    /// The names of the faults.
    pub faults: String,
    /// The one-way latency of links, in milliseconds, without jitter and queues.
    #[serde(default)]
    pub latency_ms: Option<f64>,
    /// All settings in words, one line each.
    pub settings: Vec<String>,
}

/// One system's figures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SystemFigures {
    /// Its name.
    pub name: String,
    /// The library and its version.
    pub library: String,
    /// Its guarantees.
    pub semantics: String,
    /// How it is configured, and the source of that advice.
    pub usage: String,
    /// Its machine-checked proofs.
    pub proofs: String,
    /// The command that measures this system alone.
    pub command: String,
    /// The seed.
    pub seed: u64,
    /// The fields that it cannot express. Their operations were left out.
    pub inexpressible: Vec<Inexpressible>,
    /// Operations submitted.
    pub submitted: u64,
    /// Operations acknowledged by the end.
    pub acknowledged: u64,
    /// Operations whose node crashed before it acknowledged them, so their outcome is unknown.
    /// Their values are not judged.
    pub uncertain: u64,
    /// From submission to acknowledgement.
    pub latency: Latency,
    /// Traffic on all links.
    pub bandwidth: Bandwidth,
    /// The values that concurrent changes left.
    pub conflicts: Conflicts,
    /// How a node rebuilds its state from its disk at the end of the run.
    pub rebuild: Rebuild,
    /// What it keeps and sends beyond the values.
    pub overhead: Overhead,
    /// The time and bytes from the end of a partition or a crash to identical nodes.
    pub recovery: Option<Recovery>,
    /// Whether all nodes were identical at the end.
    pub converged: bool,
    /// Microseconds of virtual time from the last operation and the last fault to identical nodes.
    pub settle_us: Option<u64>,
}

/// A field that a system cannot express.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inexpressible {
    /// The field's name.
    pub field: String,
    /// Its operations.
    pub operations: u64,
    /// The reason.
    pub reason: String,
}

/// Latency of writes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Virtual time to acknowledgement, in microseconds.
    pub virtual_us: Quantiles,
    /// The time until every node reads the change. `None` if nothing could be watched, or if it was
    /// not measured yet.
    #[serde(default)]
    pub visible: Option<Visibility>,
    /// CPU time of the writer's node to submit an operation, in nanoseconds. The operations of a
    /// batch share its time.
    pub submit_cpu_ns: Quantiles,
    /// CPU time of all nodes per operation, in nanoseconds.
    pub total_cpu_ns: f64,
}

/// The time from submission until every node reads a change.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Visibility {
    /// Operations that were watched.
    pub samples: u64,
    /// Virtual time, in microseconds.
    pub virtual_us: Quantiles,
}

/// Quantiles by nearest rank.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// The median.
    pub median: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The maximum.
    pub most: f64,
}

/// Traffic on all links.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Bandwidth {
    /// Messages sent.
    pub messages: u64,
    /// Bytes of the messages.
    pub payload_bytes: u64,
    /// Bytes of the messages with framing and packet headers.
    pub wire_bytes: u64,
    /// `wire_bytes` per operation.
    pub wire_bytes_per_op: f64,
    /// `messages` per operation.
    pub messages_per_op: f64,
}

/// Final values against those that the acknowledged operations explain.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Conflicts {
    /// Values compared.
    pub compared: u64,
    /// Values that no order of the acknowledged operations explains.
    pub wrong: u64,
    /// Wrong values that the system reported.
    pub wrong_reported: u64,
    /// Values that the system reported, wrong or not.
    pub reported: u64,
    /// Values that were not judged: text, whose concurrent edits have no single right result, and
    /// values with uncertain operations.
    pub not_judged: u64,
    /// Some of the wrong values, in words.
    pub examples: Vec<String>,
}

/// The cost of rebuilding a node from its disk.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rebuild {
    /// CPU time in microseconds, the median of `samples`.
    pub cpu_us: f64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Nodes that were rebuilt.
    pub samples: u64,
    /// Operations in the history.
    pub history: u64,
}

/// What a system keeps and sends beyond the values.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Overhead {
    /// Bytes that no system can do without: the names of keys and fields and the final values.
    pub value_bytes: u64,
    /// Total bytes in memory of the median node. `None` if the program does not count them.
    pub memory_bytes: Option<u64>,
    /// Total bytes on disk of the median node.
    pub disk_bytes: u64,
    /// Bytes written to the disks of all nodes during the run.
    pub disk_written: u64,
    /// Bytes of the operations themselves (key, field and value), sent once to each other node.
    pub needed_wire_bytes: u64,
}

/// The cost of convergence after a fault.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Recovery {
    /// Microseconds of virtual time.
    pub virtual_us: u64,
    /// Bytes on all links during that time, with framing and packet headers.
    pub wire_bytes: u64,
}

/// How cost grows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scaling {
    /// What grows, such as `operations in the history`.
    pub axis: String,
    /// The command that measures it.
    pub command: String,
    /// The measurements.
    pub points: Vec<Point>,
    /// Measurements that would have taken too long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Measurements that failed, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
}

impl Scaling {
    /// Whether every measurement succeeded and converged.
    pub fn is_fine(&self) -> bool {
        self.failed.is_empty() && self.points.iter().all(|point| point.system.converged)
    }
}

/// A measurement that would have taken too long.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeftOut {
    /// The place on the axis.
    pub x: u64,
    /// The system.
    pub name: String,
    /// Its expected duration in seconds, extrapolated from smaller ones.
    pub expected_s: u64,
    /// The limit in seconds.
    pub patience_s: u64,
}

/// One measurement of a scaling series.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    /// The place on the axis.
    pub x: u64,
    /// The system's figures there.
    #[serde(rename = "column")]
    pub system: SystemFigures,
}

/// Everything that a report shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Review {
    /// Version of this format.
    pub format: u32,
    /// Version of the program.
    pub program: String,
    /// The UTC date, `YYYY-MM-DD`.
    pub date: String,
    /// The machine: processor, cores, memory, operating system.
    pub machine: String,
    /// The verdict.
    pub fit: Fit,
    /// One run for each set of faults.
    pub runs: Vec<Run>,
    /// How cost grows, by axis.
    pub scaling: Vec<Scaling>,
    /// The commands that produced it, in order.
    pub commands: Vec<String>,
}
