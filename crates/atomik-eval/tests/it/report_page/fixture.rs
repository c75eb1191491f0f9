//! Reviews made by hand: figures that nobody measured, to see how they are shown.

use std::collections::BTreeMap;

use atomik_arena::figures::{
    Bandwidth, Conflicts, Inexpressible, Latency, LeftOut, Lingering, Overhead, Point, Quantiles,
    Rebuild, Recovery, Review, Run, Scaling, SystemFigures, TraceFigures, Visibility, WorldFigures,
};
use atomik_eval::report::FORMAT;
use atomik_workload::fit::{FieldFit, Fit, Thresholds, Verdict, Width, Window, Wrong};
use atomik_workload::workload::Class;

/// What may not be taken for markup, nor break a line, a table or a quotation.
pub const HOSTILE: &str = "</style></title><script>alert(1)</script><img \
    src=https://example.org/x.png onerror=alert(2)> \"' & | ` * _ \\ 日本語";

/// A column with everything in order; `scale` sets its figures apart from others'.
pub fn measure(name: &str, scale: f64) -> SystemFigures {
    SystemFigures {
        name: name.into(),
        library: format!("{} 1.2.3", name.to_lowercase()),
        semantics: "Every node accepts writes at any time; nodes that can exchange messages \
            come to hold the same state."
            .into(),
        usage: "Batches of 64 operations, snapshot every 10,000 entries, as the README \
            (Performance) advises."
            .into(),
        proofs: "The merge is a join: checked by a model checker for 3 nodes.".into(),
        command: format!(
            "atomik eval run flights.jsonl --systems {} --nodes 3 --faults none --seed 7",
            name.to_lowercase()
        ),
        seed: 7,
        inexpressible: vec![],
        submitted: 673_552,
        acknowledged: 673_552,
        uncertain: 0,
        latency: Latency {
            virtual_us: Quantiles {
                median: 1_234.0 * scale,
                p99: 5_678.0 * scale,
                most: 90_123.0 * scale,
            },
            visible: Some(Visibility {
                samples: 480,
                virtual_us: Quantiles {
                    median: 2_345.0 * scale,
                    p99: 7_890.0 * scale,
                    most: 12_345.0 * scale,
                },
            }),
            submit_cpu_ns: Quantiles {
                median: 850.0 * scale,
                p99: 4_200.0 * scale,
                most: 1e6,
            },
            total_cpu_ns: 3_456.0 * scale,
        },
        bandwidth: Bandwidth {
            messages: 45_678,
            payload_bytes: 61_000_000,
            wire_bytes: (64_000_000.0 * scale) as u64,
            wire_bytes_per_op: 95.02 * scale,
            messages_per_op: 0.0678 * scale,
        },
        conflicts: Conflicts {
            compared: 4_043,
            not_judged: 3,
            ..Conflicts::default()
        },
        rebuild: Rebuild {
            cpu_us: 45_600.0 * scale,
            bytes_read: (1_234_567.0 * scale) as u64,
            samples: 5,
            history: 673_552,
        },
        overhead: Overhead {
            value_bytes: 52_000,
            memory_bytes: Some((420_000.0 * scale) as u64),
            disk_bytes: (1_300_000.0 * scale) as u64,
            disk_written: (9_000_000.0 * scale) as u64,
            needed_wire_bytes: 27_000_000,
        },
        recovery: None,
        converged: true,
        settle_us: Some(210_000),
    }
}

fn run(faults: &str, systems: Vec<SystemFigures>, absent: Vec<(String, String)>) -> Run {
    Run {
        trace: TraceFigures {
            name: "flights.jsonl".into(),
            operations: 673_552,
            keys: 4_043,
            fields: 1,
            recorded_ms: 31_536_000_000,
            acceleration: 100.0,
            made_concurrent: 12,
        },
        world: WorldFigures {
            nodes: 3,
            seed: 7,
            faults: faults.into(),
            latency_ms: Some(5.0),
            settings: vec![
                "half a round trip: 5 ms, 1 ms standard deviation, at least 1 ms".into(),
                "fsync: 2 ms; group commit".into(),
                "100 Mbit/s on each link; 66 bytes of headers a packet of 1448".into(),
            ],
        },
        systems,
        absent,
        lingering: None,
    }
}

/// The run also with a linger, which saves a third of the bytes and makes changes visible later.
pub fn and_lingering(mut run: Run) -> Run {
    run.world.latency_ms = Some(5.0);
    let mut systems = run.systems.clone();
    for system in &mut systems {
        system.bandwidth.wire_bytes_per_op *= 0.67;
        system.bandwidth.messages_per_op *= 0.41;
        system.command += " --linger 4.5";
        if let Some(visible) = &mut system.latency.visible {
            visible.virtual_us.median += 4_321.0;
            visible.virtual_us.p99 += 4_456.0;
        }
    }
    let linger_ms = 4.5;
    run.lingering = Some(Lingering { linger_ms, systems });
    run
}

fn field(name: &str, class: Class, verdict: Verdict) -> FieldFit {
    let window = |ms| Window {
        ms,
        concurrent: 0.012_3,
        overlapping: 0.000_456,
        coalescing: 1.78,
        wrong: ms / 200,
        unnoticed: ms / 2_000,
    };
    FieldFit {
        name: name.into(),
        class,
        operations: BTreeMap::from([("set".into(), 12), ("toggle".into(), 673_540)]),
        keys: 4_043,
        single_writer_share: 0.73,
        windows: vec![window(100), window(1_000), window(60_000)],
        words: 1,
        changed_word_ratio: 1.0,
        width: Width {
            least: 1,
            most: if class == Class::Text { 4_096 } else { 1 },
            mean: 1.5,
            fixed: class != Class::Text,
        },
        wrong: vec![Wrong {
            lines: vec![12_345, 12_346],
            key: "N14228".into(),
            meant: "true".into(),
            got: "false".into(),
            why: "nodes 0 and 2 both turned it over within 1 s of each other, and the second \
                meant what the first did"
                .into(),
        }],
        wrong_operations: 307,
        inexpressible: if class == Class::Text { 5 } else { 0 },
        blind_toggles: 12,
        left_on: (class == Class::Flag).then_some(2_020),
        odd: (class == Class::Flag).then_some(2_031),
        elements: (class == Class::Set).then_some(17),
        sums: None,
        layout: (class == Class::Flag).then(|| "xor:1".into()),
        verdict,
        reasons: vec![
            "0.0456 % of the operations overlap within 1 min, over the limit of 0.01 %".into(),
        ],
    }
}

/// A review as it comes out of a sound run.
pub fn sound() -> Review {
    let names = [
        "ATOMiK",
        "Raft",
        "CRDT (crdts)",
        "CRDT (yrs)",
        "Event log",
        "Event log with snapshots",
        "cqrs-es",
    ];
    let scales = [1.0, 9.3, 2.1, 3.3, 6.0, 1.4, 31.0];
    let systems = || -> Vec<SystemFigures> {
        names
            .iter()
            .zip(scales)
            .map(|(name, scale)| measure(name, scale))
            .collect()
    };
    let mut parted = systems();
    for (system, scale) in parted.iter_mut().zip(scales) {
        system.recovery = Some(Recovery {
            virtual_us: (310_000.0 * scale) as u64,
            wire_bytes: (812_345.0 * scale) as u64,
        });
    }
    parted[3].inexpressible = vec![Inexpressible {
        field: "airborne".into(),
        operations: 12,
        reason: "a map of yrs has no toggle".into(),
    }];
    parted[3].submitted -= 12;
    parted[3].acknowledged -= 12;
    parted[0].conflicts.wrong = 7;
    parted[0].conflicts.wrong_reported = 7;
    parted[0].conflicts.reported = 9;
    parted[0].conflicts.examples =
        vec!["N14228: true was meant, false is there; two origins turned it over".into()];
    let points = |xs: &[u64]| {
        names
            .iter()
            .enumerate()
            .flat_map(|(i, name)| {
                xs.iter().map(move |&x| Point {
                    x,
                    system: measure(name, (x as f64 / 1e3).powf(0.2 * i as f64)),
                })
            })
            .collect()
    };
    let scaling = |axis: &str, xs: &[u64]| Scaling {
        axis: axis.into(),
        command: format!("atomik eval scale --axis {axis:?} --seed 7"),
        points: points(xs),
        left_out: Vec::new(),
        failed: Vec::new(),
    };
    let mut history = scaling(
        "operations in the history",
        &[10_000, 100_000, 1_000_000, 10_000_000],
    );
    history.points.pop();
    history.left_out.push(LeftOut {
        x: 10_000_000,
        name: names[names.len() - 1].into(),
        expected_s: 2_820,
        patience_s: 300,
    });
    Review {
        format: FORMAT,
        program: "0.1.0".into(),
        date: "2026-01-31".into(),
        machine: "a processor of a fixture, 2 cores, 24 GB, Linux".into(),
        fit: Fit {
            trace: "flights.jsonl".into(),
            operations: 673_552,
            keys: 4_043,
            nodes: 3,
            recorded_ms: 31_536_000_000,
            single_writer_share: 0.73,
            windows: field("", Class::Flag, Verdict::Fits).windows,
            wrong_operations: 307,
            layout: Some("xor:1".into()),
            thresholds: Thresholds {
                windows_ms: vec![100, 1_000, 60_000],
                connected_ms: 10_000,
                overlap_fits: 0.000_1,
                overlap_fails: 0.01,
                wrong_fails: 0.001,
                unnoticed_fails: 0.000_1,
                value_bytes: 64,
                whole_value: 0.75,
                coalescing_saves: 1.1,
            },
            fields: vec![field("airborne", Class::Flag, Verdict::FitsWithConditions)],
            verdict: Verdict::FitsWithConditions,
            reasons: vec![
                "One field, a flag: toggles are what xor does.".into(),
                "0.0456 % of the operations overlap within 1 min; xor combines these silently \
                    unless each is looked at when it is reported."
                    .into(),
            ],
            instead: Some("let one node write each flag".into()),
            command: "atomik eval fit flights.jsonl".into(),
        },
        runs: vec![
            and_lingering(run(
                "none",
                systems(),
                vec![(
                    "loro".into(),
                    "this build leaves it out (--features loro)".into(),
                )],
            )),
            and_lingering(run("partition", parted, vec![])),
        ],
        scaling: vec![
            history,
            scaling("nodes", &[3, 7, 15, 31, 63]),
            scaling("keys", &[1_000, 10_000, 100_000, 1_000_000]),
        ],
        commands: vec![
            "atomik eval import flights -o flights.jsonl".into(),
            "atomik eval fit flights.jsonl".into(),
        ],
    }
}

/// A review of everything that is rare: hostile and long names, extreme numbers, columns that did
/// little or nothing, a run without columns.
pub fn rare() -> Review {
    let mut review = sound();
    let long = "a_name_without_any_space_".repeat(8);
    let wide = "W".repeat(90);

    let mut nothing = measure("Expresses nothing", 1.0);
    nothing.submitted = 0;
    nothing.acknowledged = 0;
    nothing.inexpressible = vec![Inexpressible {
        field: String::new(),
        operations: 673_552,
        reason: HOSTILE.into(),
    }];
    nothing.latency = Latency::default();
    nothing.conflicts = Conflicts::default();
    nothing.rebuild = Rebuild::default();
    nothing.overhead = Overhead::default();
    nothing.semantics = String::new();
    nothing.proofs = " ".into();

    let mut parted = measure("Never agreed", 1e-7);
    parted.converged = false;
    parted.settle_us = None;
    parted.acknowledged = 0;
    parted.uncertain = 12;
    parted.overhead.memory_bytes = None;

    let mut huge = measure(HOSTILE, 1.0);
    huge.library = HOSTILE.into();
    huge.command = HOSTILE.repeat(4);
    huge.latency.virtual_us = Quantiles {
        median: 1e19,
        p99: 1e21,
        most: 1e22,
    };
    huge.latency.total_cpu_ns = f64::MAX;
    huge.bandwidth.wire_bytes = u64::MAX;
    huge.bandwidth.wire_bytes_per_op = 1e30;
    huge.overhead.disk_bytes = u64::MAX;
    huge.conflicts.wrong = 99;
    huge.conflicts.examples = vec![HOSTILE.into(), wide.clone()];
    huge.semantics = wide.clone();

    let mut tiny = measure(&long, 1e-12);
    tiny.library = wide.clone();
    tiny.proofs = "none known".into();
    tiny.recovery = Some(Recovery::default());

    let mut systems = vec![nothing, parted, huge, tiny, measure("", 1.0)];
    systems.extend((0..8).map(|i| measure(&format!("system {i}"), f64::from(i) + 0.5)));
    review.runs = vec![
        and_lingering(run(
            &format!("crash {HOSTILE}"),
            systems,
            vec![(wide.clone(), HOSTILE.into())],
        )),
        run(
            &wide,
            vec![],
            vec![("all".into(), "this build leaves them out".into())],
        ),
        run("none", vec![measure("alone", 1.0)], vec![]),
    ];
    review.fit.trace = format!("{long}{HOSTILE}");
    review.fit.verdict = Verdict::DoesNotFit;
    review.fit.reasons.push(wide.clone());
    review.fit.fields = Class::ALL
        .iter()
        .cycle()
        .take(15)
        .enumerate()
        .map(|(i, &class)| {
            let name = [
                String::new(),
                HOSTILE.into(),
                wide.clone(),
                format!("field {i}"),
            ];
            field(
                &name[i % 4],
                class,
                [Verdict::Fits, Verdict::DoesNotFit][i % 2],
            )
        })
        .collect();
    review.fit.fields[2].wrong[0].key = wide.clone();
    review.fit.fields[2].wrong[0].got = HOSTILE.into();
    review.fit.fields[4].wrong.clear();
    review.fit.fields[4].windows.clear();
    review.machine = format!("{HOSTILE} {wide}");
    review.scaling[0].axis = format!("{HOSTILE} {wide}");
    // Zero has no place on a logarithmic axis; a single point has no line.
    for point in &mut review.scaling[1].points {
        point.system.latency.virtual_us.median = 0.0;
        point.system.bandwidth.wire_bytes_per_op = 1e-9 * point.x as f64;
        point.system.name = format!("{} {}", wide, point.system.name);
    }
    review.scaling[2].points.truncate(1);
    review.scaling.push(Scaling {
        axis: "nothing".into(),
        command: "atomik eval scale".into(),
        points: vec![],
        left_out: vec![LeftOut {
            x: u64::MAX,
            name: wide.clone(),
            expected_s: u64::MAX,
            patience_s: 1,
        }],
        failed: vec![wide.clone()],
    });
    review.commands.push(wide);
    review
}

/// A review in which nothing was measured.
pub fn bare() -> Review {
    let mut review = sound();
    review.runs.clear();
    review.scaling.clear();
    review.commands.clear();
    review.fit.fields.clear();
    review.fit.reasons.clear();
    review.fit.verdict = Verdict::Fits;
    review
}

/// The review with every string in it replaced.
pub fn with_every_string(review: &Review, text: &str) -> Review {
    fn replace(value: &mut serde_json::Value, text: &str) {
        use serde_json::Value;
        match value {
            Value::String(string) => *string = text.to_owned(),
            Value::Array(values) => values.iter_mut().for_each(|value| replace(value, text)),
            Value::Object(members) => members
                .iter_mut()
                // The names of these are those of enumerations.
                .filter(|(name, _)| !["verdict", "class"].contains(&name.as_str()))
                .for_each(|(_, value)| replace(value, text)),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(review).unwrap();
    replace(&mut value, text);
    serde_json::from_value(value).unwrap()
}
