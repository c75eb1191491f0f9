//! Latency and traffic of a finished run.

use crate::figures::{Bandwidth, Latency, Quantiles, Recovery, Visibility};
use crate::settings::Faults;
use crate::world::{Fate, Finished};

/// The time from submission to acknowledgement, and the CPU time per operation.
pub fn latency(finished: &Finished, submitted: u64) -> Latency {
    let waits = finished.fates.iter().filter_map(|fate| match fate {
        Fate::Acknowledged(wait) => Some(*wait as f64),
        _ => None,
    });
    Latency {
        virtual_us: quantiles(waits.collect()),
        visible: (!finished.visible.is_empty()).then(|| Visibility {
            samples: finished.visible.len() as u64,
            virtual_us: quantiles(finished.visible.clone()),
        }),
        submit_cpu_ns: quantiles(finished.submit_cpu.clone()),
        total_cpu_ns: finished.total_cpu / submitted.max(1) as f64,
    }
}

/// The messages and bytes on all links.
pub fn bandwidth(finished: &Finished, submitted: u64) -> Bandwidth {
    let per_op = |total: u64| total as f64 / submitted.max(1) as f64;
    Bandwidth {
        messages: finished.messages,
        payload_bytes: finished.payload_bytes,
        wire_bytes: finished.wire_bytes,
        wire_bytes_per_op: per_op(finished.wire_bytes),
        messages_per_op: per_op(finished.messages),
    }
}

/// The time and the bytes from the end of a partition or a crash to convergence.
pub fn recovery(finished: &Finished, faults: Faults) -> Option<Recovery> {
    (faults.partition || faults.crash)
        .then_some(finished.settled)
        .flatten()
        .map(|virtual_us| Recovery {
            virtual_us,
            wire_bytes: finished.settling_bytes,
        })
}

/// Median, 99th percentile and maximum, by nearest rank.
pub(crate) fn quantiles(mut values: Vec<f64>) -> Quantiles {
    values.sort_by(f64::total_cmp);
    let rank = |share: f64| {
        let rank = (share * values.len() as f64).ceil() as usize;
        values.get(rank.max(1) - 1).copied().unwrap_or(0.0)
    };
    Quantiles {
        median: rank(0.5),
        p99: rank(0.99),
        most: rank(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let q = quantiles((1..=200).rev().map(f64::from).collect());
        assert_eq!((q.median, q.p99, q.most), (100.0, 198.0, 200.0));
        assert_eq!(quantiles(vec![]).most, 0.0);
    }
}
