//! The verdict on the workloads that the importers and generators make: what must be rejected is,
//! and what need not be is not.

use std::io::Cursor;
use std::path::Path;

use atomik_workload::fit::{Fit, Thresholds, Verdict, fit};
use atomik_workload::generate::{Counter, Text, Zipf};
use atomik_workload::import::flights;
use atomik_workload::workload::{Line, Reader};

fn judged(lines: impl Iterator<Item = Line>) -> Fit {
    let mut text = Vec::new();
    for line in lines {
        line.write(&mut text).expect("memory takes it");
    }
    let reader = Reader::new(Cursor::new(text), Path::new("control"));
    fit(reader, Thresholds::default(), 3, "control", "").expect("a good trace")
}

#[test]
fn counters_that_all_nodes_add_to_fit() {
    let settings = Counter {
        operations: 5_000,
        ..Counter::default()
    };
    let fit = judged(settings.lines().expect("good settings"));
    assert_eq!(fit.verdict, Verdict::Fits, "{:?}", fit.reasons);
    assert_eq!(fit.wrong_operations, 0);
    assert!(
        fit.windows
            .last()
            .is_some_and(|widest| widest.concurrent > 0.9)
    );
    assert_eq!(fit.layout.as_deref(), Some("add:16"));
}

#[test]
fn people_who_write_text_together_are_rejected() {
    let settings = Text {
        operations: 5_000,
        ..Text::default()
    };
    let fit = judged(settings.lines().expect("good settings"));
    assert_eq!(fit.verdict, Verdict::DoesNotFit, "{:?}", fit.reasons);
}

#[test]
fn words_with_one_writer_each_are_not_rejected() {
    let settings = Zipf {
        operations: 5_000,
        multi_writer: 0.0,
        ..Zipf::default()
    };
    let fit = judged(settings.lines().expect("good settings"));
    assert_ne!(fit.verdict, Verdict::DoesNotFit, "{:?}", fit.reasons);
}

#[test]
fn the_presence_of_aircraft_has_conditions() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/flights.csv");
    let mut lines = Vec::new();
    let mut sink = |line| {
        lines.push(line);
        Ok(())
    };
    flights::import(&sample, flights::Change::Toggle, &mut sink).expect("the sample");
    let fit = judged(lines.into_iter());
    assert_eq!(
        fit.verdict,
        Verdict::FitsWithConditions,
        "{:?}",
        fit.reasons
    );
}
