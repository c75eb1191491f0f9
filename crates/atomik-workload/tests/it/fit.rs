//! The verdict on hand-made traces, and against a naive model of replication.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use atomik_workload::content::Content;
use atomik_workload::fit::{self, FieldFit, Fit, Thresholds, Verdict};
use atomik_workload::workload::{Action, Class, Line, Reader, Scalar};
use proptest::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

fn at(t: u64, node: u32, key: &str, field: &str, action: Action) -> Line {
    Line {
        t,
        node,
        key: key.into(),
        field: field.into(),
        action,
    }
}

fn int(value: i64) -> Scalar {
    Scalar::Int(value)
}

fn text(value: &str) -> Scalar {
    Scalar::Text(value.into())
}

fn set(value: i64) -> Action {
    Action::Set(int(value))
}

fn written(lines: &[Line]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        line.write(&mut bytes).unwrap();
    }
    bytes
}

fn fit_with(lines: &[Line], thresholds: Thresholds) -> Fit {
    let bytes = written(lines);
    let reader = Reader::new(&bytes[..], Path::new("test"));
    fit::fit(reader, thresholds, 10, "test", "").unwrap()
}

fn fit_by(lines: &[Line], windows_ms: &[u64]) -> Fit {
    let thresholds = Thresholds {
        windows_ms: windows_ms.to_vec(),
        ..Thresholds::default()
    };
    fit_with(lines, thresholds)
}

/// Of a trace that has one field.
fn field_by(lines: &[Line], windows_ms: &[u64]) -> FieldFit {
    let mut fit = fit_by(lines, windows_ms);
    assert_eq!(fit.fields.len(), 1);
    fit.fields.remove(0)
}

/// What `field_by` finds in its only window: concurrent, overlapping (shares), wrong.
fn found(lines: &[Line], ms: u64) -> (f64, f64, u64) {
    let window = &field_by(lines, &[ms]).windows[0];
    (window.concurrent, window.overlapping, window.wrong)
}

fn reasons(fit: &Fit) -> String {
    fit.reasons.join("\n")
}

#[test]
fn two_puts_at_once_give_5_xor_3() {
    let lines = [at(0, 0, "k", "", set(5)), at(9, 1, "k", "", set(3))];
    let field = field_by(&lines, &[10]);
    assert_eq!(field.class, Class::Register);
    assert_eq!(field.wrong_operations, 1);
    let wrong = &field.wrong[0];
    assert_eq!(wrong.lines, [1, 2]);
    assert_eq!((wrong.meant.as_str(), wrong.got.as_str()), ("3", "6"));
    assert_eq!(
        wrong.why,
        "node 1 has not seen node 0's change 9 ms earlier (line 1). It sees 0 and makes it 3: that \
         delta on top of 5 gives 6."
    );
}

#[test]
fn a_change_is_seen_when_it_is_a_window_old() {
    let lines = [at(0, 0, "k", "", set(5)), at(10, 1, "k", "", set(3))];
    assert_eq!(found(&lines, 10), (0.0, 0.0, 0));
    assert_eq!(found(&lines, 11), (0.5, 0.5, 1));
}

#[test]
fn disjoint_bits_are_concurrent_and_no_overlap() {
    let lines = [at(0, 0, "k", "", set(0b01)), at(0, 1, "k", "", set(0b10))];
    // Both bits are on, which is not what the second meant.
    assert_eq!(found(&lines, 1), (0.5, 0.0, 1));
    let insert = |element| Action::Insert(text(element));
    let lines = [
        at(0, 0, "k", "", insert("a")),
        at(0, 1, "k", "", insert("b")),
    ];
    assert_eq!(found(&lines, 1), (0.5, 0.0, 0));
}

#[test]
fn another_field_of_the_key_is_concurrent_and_another_key_is_not() {
    let lines = [
        at(0, 0, "k", "a", set(1)),
        at(0, 1, "k", "b", set(1)),
        at(0, 2, "l", "b", set(1)),
    ];
    let fit = fit_by(&lines, &[1]);
    assert_eq!(fit.fields[1].windows[0].concurrent, 0.5);
    assert_eq!(fit.fields[1].windows[0].overlapping, 0.0);
    assert_eq!(fit.windows[0].concurrent, 1.0 / 3.0);
    assert_eq!(fit.single_writer_share, 0.5);
}

#[test]
fn two_equal_puts_at_once_cancel() {
    let on = || Action::Set(Scalar::Bool(true));
    let lines = [at(0, 0, "k", "", on()), at(1, 1, "k", "", on())];
    let field = field_by(&lines, &[10]);
    let wrong = &field.wrong[0];
    assert_eq!((wrong.meant.as_str(), wrong.got.as_str()), ("on", "off"));
    let insert = || Action::Insert(text("x"));
    let lines = [at(0, 0, "k", "", insert()), at(1, 1, "k", "", insert())];
    let field = field_by(&lines, &[10]);
    let wrong = &field.wrong[0];
    assert_eq!(
        (wrong.meant.as_str(), wrong.got.as_str()),
        ("{\"x\"}", "{}")
    );
}

#[test]
fn a_writer_that_sees_nothing_to_change_is_wrong_without_an_overlap() {
    let put = |value| Action::Set(Scalar::Bool(value));
    let lines = [at(0, 0, "k", "", put(true)), at(1, 1, "k", "", put(false))];
    assert_eq!(found(&lines, 10), (0.5, 0.0, 1));
    let why = &field_by(&lines, &[10]).wrong[0].why;
    assert!(
        why.ends_with("It wants off, which is what it sees, so it changes nothing."),
        "{why}"
    );
}

#[test]
fn a_sum_that_went_wrong_stays_wrong_and_a_register_heals() {
    let sums = [
        at(0, 0, "k", "", Action::Add(5)),
        at(1, 1, "k", "", set(3)),
        at(1_000, 0, "k", "", Action::Add(1)),
        at(2_000, 0, "k", "", Action::Add(1)),
    ];
    let field = field_by(&sums, &[10]);
    assert_eq!(field.class, Class::Counter);
    assert_eq!(field.wrong_operations, 3);
    assert_eq!(
        (field.wrong[0].meant.as_str(), field.wrong[0].got.as_str()),
        ("3", "8")
    );
    // Examples are of what goes wrong, not of what stays so.
    assert_eq!(field.wrong.len(), 1);
    let puts = [
        at(0, 0, "k", "", set(5)),
        at(1, 1, "k", "", set(3)),
        at(1_000, 0, "k", "", set(1)),
    ];
    assert_eq!(field_by(&puts, &[10]).wrong_operations, 1);
}

#[test]
fn an_unset_field_reads_as_never_written() {
    let unset = |t, node| at(t, node, "k", "", Action::Unset);
    let lines = [
        at(0, 0, "k", "", set(5)),
        unset(99, 0),
        at(200, 1, "k", "", set(3)),
    ];
    assert_eq!(found(&lines, 10), (0.0, 0.0, 0));
    // At once with a set, both differences apply: 5 xor 3 is left of neither.
    let lines = [
        at(0, 0, "k", "", set(5)),
        unset(99, 0),
        at(99, 1, "k", "", set(3)),
    ];
    let field = field_by(&lines, &[10]);
    let wrong = &field.wrong[0];
    assert_eq!((wrong.meant.as_str(), wrong.got.as_str()), ("3", "6"));
    let lines = [
        at(0, 0, "k", "", set(5)),
        at(99, 1, "k", "", set(3)),
        unset(99, 0),
    ];
    let field = field_by(&lines, &[10]);
    let wrong = &field.wrong[0];
    assert_eq!((wrong.meant.as_str(), wrong.got.as_str()), ("nothing", "6"));
    // A counter that is unset by one node while another adds to it keeps the addition.
    let lines = [add(0, 0, 5), unset(99, 0), add(99, 1, 3)];
    assert_eq!(found(&lines, 10), (1.0 / 3.0, 0.0, 0));
    assert_eq!(field_by(&lines, &[10]).class, Class::Counter);
}

#[test]
fn a_delete_is_an_unset_of_each_field_that_the_key_has() {
    let writes = [
        at(0, 0, "k", "name", set(5)),
        at(1, 0, "l", "other", set(5)),
        at(2, 1, "k", "count", Action::Add(5)),
    ];
    let then = [at(3, 1, "k", "name", set(3)), at(9, 0, "k", "late", set(3))];
    let delete = [
        at(2, 0, "k", "", Action::Delete),
        at(2, 0, "new", "", Action::Delete),
    ];
    let unsets = ["name", "count"].map(|field| at(2, 0, "k", field, Action::Unset));
    let deleted = [&writes[..], &delete, &then].concat();
    let unset = [&writes[..], &unsets, &then].concat();
    let (deleted, unset) = (fit_by(&deleted, &[10]), fit_by(&unset, &[10]));
    assert_eq!(deleted.operations, 7);
    for (one, other) in deleted.fields.iter().zip(&unset.fields) {
        assert_eq!((&one.name, one.class), (&other.name, other.class));
        assert_eq!(one.operations, other.operations);
        assert_eq!(format!("{:?}", one.windows), format!("{:?}", other.windows));
    }
}

#[test]
fn an_entry_holds_what_one_node_did_to_a_key_in_one_window() {
    let toggle = |t, node| at(t, node, "k", "", Action::Toggle);
    // Windows of 10 ms: node 0 in the first (twice) and the second, node 1 in the second.
    let lines = [toggle(0, 0), toggle(9, 0), toggle(10, 0), toggle(11, 1)];
    let field = field_by(&lines, &[0, 10, 100]);
    let coalescing: Vec<f64> = field
        .windows
        .iter()
        .map(|window| window.coalescing)
        .collect();
    assert_eq!(coalescing, [1.0, 4.0 / 3.0, 2.0]);
}

#[test]
fn changed_words_are_counted_against_the_longest_value() {
    let put = |t, value: &str| at(t, 0, "k", "", Action::Set(text(value)));
    // Three words: all change, then the second, then none, then the first (cleared with the rest).
    let long = "aaaaaaaabbbbbbbbcccccccc";
    let lines = [
        put(0, long),
        put(1, "aaaaaaaaBbbbbbbbcccccccc"),
        put(2, "aaaaaaaaBbbbbbbbcccccccc"),
        put(3, "a"),
    ];
    let field = field_by(&lines, &[10]);
    assert_eq!(field.words, 3);
    assert_eq!(field.changed_word_ratio, (3.0 + 1.0 + 0.0 + 3.0) / 12.0);
}

#[test]
fn widths_are_those_of_the_values() {
    let put = |value| at(0, 0, "k", "", Action::Set(value));
    let width = |values: &[Scalar]| {
        let lines: Vec<Line> = values.iter().cloned().map(put).collect();
        let width = field_by(&lines, &[10]).width;
        (width.least, width.most, width.mean, width.fixed)
    };
    assert_eq!(width(&[int(1), int(i64::MAX)]), (8, 8, 8.0, true));
    assert_eq!(width(&[text("ab"), text("cd")]), (2, 2, 2.0, true));
    assert_eq!(width(&[text(""), text("abcd")]), (0, 4, 2.0, false));
    assert_eq!(width(&[Scalar::Bool(true)]), (1, 1, 1.0, true));
    assert_eq!(width(&[Scalar::Bool(true), int(1)]), (1, 8, 4.5, true));
    let elements: Vec<Line> = (0..9)
        .map(|element| at(0, 0, "k", "", Action::Insert(int(element))))
        .collect();
    let field = field_by(&elements, &[10]);
    assert_eq!(
        (field.elements, field.width.most, field.words),
        (Some(9), 2, 1)
    );
}

#[test]
fn values_of_several_widths_are_padded_up_to_the_limit_and_refused_beyond() {
    let lines = |longest: usize| {
        let put = |t, length| at(t, 0, "k", "", Action::Set(text(&"x".repeat(length))));
        [put(0, 1), put(1_000_000, longest)]
    };
    let fit = fit_by(&lines(125), &[10]);
    assert_eq!(fit.verdict, Verdict::FitsWithConditions);
    // (1 + 125) / 2 bytes of 128 are used.
    assert!(
        reasons(&fit).contains("50.78 % of what is stored and sent is padding"),
        "{}",
        reasons(&fit)
    );
    let fit = fit_by(&lines(126), &[10]);
    assert_eq!(fit.verdict, Verdict::DoesNotFit);
    assert_eq!(fit.fields[0].inexpressible, 1);
    let narrow = Thresholds {
        value_bytes: 16,
        ..Thresholds::default()
    };
    assert_eq!(
        fit_with(&lines(14), narrow.clone()).verdict,
        Verdict::DoesNotFit
    );
    assert_eq!(
        fit_with(&lines(13), narrow).verdict,
        Verdict::FitsWithConditions
    );
}

#[test]
fn one_writer_a_key_and_one_width_fit() {
    let lines: Vec<Line> = (0..100)
        .map(|n| at(n, n as u32 % 4, &format!("k{}", n % 4), "", set(n as i64)))
        .collect();
    let fit = fit_by(&lines, &[10_000]);
    assert_eq!(fit.verdict, Verdict::Fits, "{}", reasons(&fit));
    assert_eq!((fit.nodes, fit.keys, fit.single_writer_share), (4, 4, 1.0));
}

#[test]
fn a_trace_of_one_node_fits_on_that_condition_only() {
    let fit = fit_by(&[at(0, 7, "k", "", set(1))], &[10]);
    assert_eq!(fit.verdict, Verdict::FitsWithConditions);
    assert!(fit.reasons[0].contains("a single node writes"));
    assert!(fit.reasons[0].contains("`node` of a map, or `--node-column`"));
}

#[test]
fn nothing_speaks_for_an_empty_trace() {
    assert_eq!(fit_by(&[], &[10]).verdict, Verdict::DoesNotFit);
}

fn add(t: u64, node: u32, value: i64) -> Line {
    at(t, node, "k", "", Action::Add(value))
}

#[test]
fn a_counter_of_several_writers_fits_because_additions_commute() {
    // 5 and 3 at once are 8 and not 6, and nobody has to be told that they met.
    let fit = fit_by(&[add(0, 0, 5), add(1, 1, 3)], &[10]);
    assert_eq!(fit.verdict, Verdict::Fits, "{}", reasons(&fit));
    let window = &fit.fields[0].windows[0];
    assert_eq!(
        (window.concurrent, window.overlapping, window.wrong),
        (0.5, 0.0, 0)
    );
    assert_eq!(fit.layout.as_deref(), Some("add:8"));
    assert!(
        reasons(&fit).contains("No reader meets a sum below 0 or above 8"),
        "{}",
        reasons(&fit)
    );
    // A single writer of each counter is no condition any more.
    let fit = fit_by(&[add(0, 0, 1), at(0, 1, "l", "", Action::Add(1))], &[10]);
    assert_eq!(fit.verdict, Verdict::Fits, "{}", reasons(&fit));
}

#[test]
fn the_width_of_a_counter_is_that_of_what_any_reader_may_meet() {
    // The sum is always 0 or 100, but a reader may have both additions or both subtractions alone.
    let lines = [
        add(0, 0, 100),
        add(1, 1, -100),
        add(2, 0, 100),
        add(3, 1, -100),
    ];
    let sums = field_by(&lines, &[10]).sums.unwrap();
    assert_eq!(
        (sums.lowest, sums.highest, sums.bits),
        (-200, 200, Some(16))
    );
    assert_eq!(sums.headroom, 1.0 - 200.0 / 32_767.0);
    // The counter of the greatest range decides, and none is added to another.
    let one_each = |key: &str| at(0, 0, key, "", Action::Add(100));
    let field = field_by(&[one_each("k"), one_each("l")], &[10]);
    assert_eq!(field.sums.unwrap().highest, 100);
    assert_eq!(field.layout.as_deref(), Some("add:8"));
}

#[test]
fn a_sum_beyond_64_bits_does_not_fit_and_is_told_with_its_line() {
    let lines = [
        add(0, 0, i64::MAX),
        add(1, 1, -5),
        add(2, 1, 1),
        add(3, 1, 1),
    ];
    let fit = fit_by(&lines, &[10]);
    assert_eq!(fit.verdict, Verdict::DoesNotFit);
    assert!(
        fit.reasons[0].starts_with("From line 3 on, sums may need more than 64 bits"),
        "{}",
        reasons(&fit)
    );
    assert_eq!(fit.fields[0].sums.as_ref().unwrap().overflow, Some(3));
    assert_eq!((&fit.layout, &fit.fields[0].layout), (&None, &None));
    let fit = fit_by(&lines[..2], &[10]);
    assert_eq!(fit.layout.as_deref(), Some("add:64"));
}

#[test]
fn of_changes_to_a_counter_only_two_sets_overlap() {
    let put = |t, node, value| at(t, node, "k", "", set(value));
    let found = |lines: &[Line]| {
        let mut all = vec![at(0, 0, "other", "", Action::Add(0))];
        all.extend(lines.iter().cloned());
        let window = &field_by(&all, &[10]).windows[0];
        let overlapping = (window.overlapping * all.len() as f64).round();
        (overlapping as u64, window.wrong)
    };
    // Neither has seen the other, so both differences count.
    assert_eq!(found(&[put(0, 0, 5), put(1, 1, 3)]), (1, 1));
    assert_eq!(found(&[put(0, 0, 5), put(10, 1, 3)]), (0, 0));
    // The addition counts on top of the set: as meant, or as in the opposite order.
    assert_eq!(found(&[put(0, 0, 5), add(1, 1, 3)]), (0, 0));
    assert_eq!(found(&[add(0, 0, 5), put(1, 1, 3)]), (0, 1));
    // A set that changes nothing is no change.
    assert_eq!(found(&[put(0, 0, 5), put(1, 1, 0)]), (0, 1));
}

#[test]
fn a_counter_that_is_set_has_the_limits_of_a_register() {
    let put = |t, node, key, value| at(t, node, key, "", set(value));
    let verdict = |lines: &[Line]| {
        let fit = fit_by(lines, &[10]);
        (fit.verdict, reasons(&fit))
    };
    // Sets and additions of two nodes at once are the normal use.
    let (found, _) = verdict(&[add(0, 0, 5), put(1, 1, "k", 3)]);
    assert_eq!(found, Verdict::DoesNotFit);
    // Far apart: as long as they stay so.
    let (found, all) = verdict(&[add(0, 0, 5), put(100, 1, "k", 3)]);
    assert_eq!(found, Verdict::FitsWithConditions, "{all}");
    assert!(
        all.contains("1 of 1 counters (100 %) are set and have several writers"),
        "{all}"
    );
    // Each counter set and added to by one node.
    let (found, all) = verdict(&[put(0, 0, "k", 3), add(1, 0, 5), put(2, 1, "l", 4)]);
    assert_eq!(found, Verdict::Fits, "{all}");
}

#[test]
fn integers_that_are_set_before_the_first_addition_are_changes_of_a_counter() {
    // As a register, 1 and 2 set at once are 3; as a counter, they are 3 as well; but 3 and 5 are 6
    // and 8.
    let lines = [
        at(0, 0, "k", "", set(3)),
        at(1, 1, "k", "", set(5)),
        at(2, 0, "l", "", Action::Add(1)),
    ];
    let register = field_by(&lines[..2], &[10]);
    assert_eq!(
        (register.class, &*register.wrong[0].got),
        (Class::Register, "6")
    );
    let counter = field_by(&lines, &[10]);
    assert_eq!(
        (counter.class, &*counter.wrong[0].got),
        (Class::Counter, "8")
    );
    assert_eq!(counter.sums.unwrap().highest, 5);
}

#[test]
fn the_layout_has_the_fields_in_the_order_of_their_first_use() {
    let insert = |element| Action::Insert(int(element));
    let name = |value: &str| Action::Set(text(value));
    let lines = [
        at(0, 0, "k", "flag", Action::Toggle),
        at(0, 0, "k", "hits", Action::Add(300)),
        at(0, 0, "k", "tags", insert(1)),
        at(0, 0, "k", "tags", insert(2)),
        at(0, 0, "k", "tags", insert(3)),
        at(0, 0, "k", "number", set(7)),
        at(0, 0, "k", "name", name("abc")),
        at(0, 0, "k", "mixed", set(7)),
        at(0, 0, "k", "mixed", Action::Set(Scalar::Bool(true))),
    ];
    let fit = fit_by(&lines, &[10]);
    assert_eq!(
        fit.layout.as_deref(),
        Some("xor:1,add:16,xor:3,xor:64,xor:40,xor:66")
    );
    assert!(
        reasons(&fit).contains("from the lowest bits up: xor:1 for \"flag\", add:16 for \"hits\""),
        "{}",
        reasons(&fit)
    );
    // A string of 64 bytes more is beyond 512 bits, and a list has no width at all.
    let wide = at(0, 0, "k", "name", name(&"x".repeat(64)));
    let fit = fit_by(&[&lines[..], &[wide]].concat(), &[10]);
    assert_eq!(fit.layout, None);
    assert!(reasons(&fit).contains("Layout: none."), "{}", reasons(&fit));
    let list = at(0, 0, "k", "log", Action::Append(int(1)));
    let fit = fit_by(&[&lines[..], &[list]].concat(), &[10]);
    assert_eq!(fit.layout, None);
}

#[test]
fn more_elements_than_flags_do_not_fit() {
    let sets = |count| -> Vec<Line> {
        (0..count)
            .map(|n| {
                at(
                    n as u64,
                    n as u32 % 2,
                    &format!("k{}", n % 2),
                    "",
                    Action::Insert(int(n)),
                )
            })
            .collect()
    };
    let fit = fit_by(&sets(1024), &[10]);
    assert_eq!(
        fit.verdict,
        Verdict::FitsWithConditions,
        "{}",
        reasons(&fit)
    );
    assert_eq!(fit.fields[0].elements, Some(1024));
    let fit = fit_by(&sets(1026), &[10]);
    assert_eq!(fit.verdict, Verdict::DoesNotFit);
    assert_eq!(
        (fit.fields[0].elements, fit.fields[0].inexpressible),
        (Some(1025), 2)
    );
}

#[test]
fn toggles_are_never_wrong_and_blind_or_odd_ones_are_a_condition() {
    let toggle = |t, node, key| at(t, node, key, "", Action::Toggle);
    let lines = [
        toggle(0, 0, "k"),
        toggle(3, 1, "k"),
        toggle(0, 0, "l").with(4),
        toggle(5_000, 2, "k"),
    ];
    let field = field_by(&lines, &[10]);
    assert_eq!(field.wrong_operations, 0);
    assert_eq!(field.blind_toggles, 1);
    assert_eq!((field.odd, field.left_on), (Some(2), Some(2)));
    assert_eq!(field.verdict, Verdict::FitsWithConditions);
    let all = field.reasons.join("\n");
    assert!(
        all.contains("lines 1 and 2, key \"k\": nodes 0 and 1 within 3 ms"),
        "{all}"
    );
    assert!(
        all.contains("2 of 2 flags (100 %) were toggled an odd number of times"),
        "{all}"
    );
    // Neither blind nor odd: nothing to say against several writers.
    let lines = [toggle(0, 0, "k"), toggle(10, 1, "k")];
    assert_eq!(field_by(&lines, &[10]).verdict, Verdict::Fits);
}

trait With {
    fn with(self, t: u64) -> Line;
}

impl With for Line {
    fn with(self, t: u64) -> Line {
        Line { t, ..self }
    }
}

#[test]
fn the_limits_of_overlap_decide() {
    // One overlap in a hundred operations, and one wrong state, healed by the next.
    let mut lines: Vec<Line> = (0..100)
        .map(|n| at(n * 1_000, 0, "k", "", set(n as i64 + 1)))
        .collect();
    lines[50] = at(49_001, 1, "k", "", set(1_000_000));
    let by = |overlap_fails, wrong_fails| {
        fit_with(
            &lines,
            Thresholds {
                windows_ms: vec![10],
                overlap_fails,
                wrong_fails,
                ..Thresholds::default()
            },
        )
    };
    let fit = by(0.01, 0.01);
    assert_eq!(
        (fit.windows[0].overlapping, fit.wrong_operations),
        (0.01, 1)
    );
    assert_eq!(
        fit.verdict,
        Verdict::FitsWithConditions,
        "{}",
        reasons(&fit)
    );
    assert_eq!(by(0.009, 0.01).verdict, Verdict::DoesNotFit);
    assert_eq!(by(0.01, 0.009).verdict, Verdict::DoesNotFit);
}

/// The verdict and the reasons by thresholds that `change` makes of a window of 10 ms.
fn by(lines: &[Line], change: impl FnOnce(&mut Thresholds)) -> (Verdict, String) {
    let mut thresholds = Thresholds {
        windows_ms: vec![10],
        ..Thresholds::default()
    };
    change(&mut thresholds);
    let fit = fit_with(lines, thresholds);
    (fit.verdict, reasons(&fit))
}

#[test]
fn an_overlap_that_did_no_harm_is_told_of_beyond_its_limit() {
    // On and off again, and on by a node that saw neither: the same bit three times, as it was
    // meant.
    let lines = [
        at(0, 0, "k", "", set(1)),
        at(1, 0, "k", "", set(0)),
        at(2, 1, "k", "", set(1)),
    ];
    assert_eq!(found(&lines, 10), (1.0 / 3.0, 1.0 / 3.0, 0));
    let told = "writers set the value again when an overlap is reported";
    for (overlap_fits, is_told) in [(0.0, true), (0.3, true), (0.5, false)] {
        let (verdict, reasons) = by(&lines, |thresholds| {
            thresholds.overlap_fits = overlap_fits;
            thresholds.overlap_fails = 1.0;
        });
        assert_eq!(verdict, Verdict::FitsWithConditions, "{reasons}");
        assert_eq!(reasons.contains(told), is_told, "{reasons}");
    }
}

#[test]
fn toggles_that_did_not_know_of_each_other_are_a_condition_beyond_the_limit() {
    let toggle = |t, node| at(t, node, "k", "", Action::Toggle);
    let lines = [toggle(0, 0), toggle(3, 1)];
    for (overlap_fits, expected) in [
        (0.0, Verdict::FitsWithConditions),
        (0.4, Verdict::FitsWithConditions),
        (0.5, Verdict::Fits),
    ] {
        let (verdict, reasons) = by(&lines, |thresholds| thresholds.overlap_fits = overlap_fits);
        assert_eq!(verdict, expected, "{reasons}");
    }
}

#[test]
fn the_limit_of_a_value_is_that_of_a_sets_elements() {
    let lines: Vec<Line> = (0..9)
        .map(|n| {
            at(
                n,
                n as u32 % 2,
                ["k", "l"][n as usize % 2],
                "",
                Action::Insert(int(n as i64)),
            )
        })
        .collect();
    let one_byte = |thresholds: &mut Thresholds| thresholds.value_bytes = 1;
    assert_eq!(by(&lines[..8], one_byte).0, Verdict::FitsWithConditions);
    assert_eq!(by(&lines, one_byte).0, Verdict::DoesNotFit);
}

#[test]
fn the_share_of_single_writers_is_of_keys_whatever_they_have_of_operations() {
    let mut lines = vec![at(0, 0, "k", "", set(1)), at(1, 1, "k", "", set(2))];
    lines.extend((2..8).map(|t| at(t, 0, "l", "", set(t as i64))));
    let fit = fit_by(&lines, &[1]);
    let shares = (fit.single_writer_share, fit.fields[0].single_writer_share);
    assert_eq!(shares, (0.5, 0.5));
}

#[test]
fn values_of_several_kinds_need_a_tag() {
    let put = |node, key, value| at(0, node, key, "", Action::Set(value));
    let lines = [put(0, "k", int(1)), put(1, "l", Scalar::Bool(true))];
    let (verdict, reasons) = by(&lines, |_| {});
    assert_eq!(verdict, Verdict::FitsWithConditions);
    assert!(reasons.contains("several kinds"), "{reasons}");
    let (verdict, _) = by(&[put(0, "k", int(1)), put(1, "l", int(2))], |_| {});
    assert_eq!(verdict, Verdict::Fits);
}

#[test]
fn as_many_examples_are_kept_as_were_asked_for_and_name_their_lines_in_order() {
    let mut lines = Vec::new();
    for round in 0..5 {
        let t = round * 100;
        lines.push(at(t, 0, "k", "", set(16)));
        lines.push(at(t + 1, 1, "l", "", set(1)));
        lines.push(at(t + 50, 0, "l", "", set(2)));
        lines.push(at(t + 51, 1, "l", "", set(4)));
        lines.push(at(t + 90, 1, "l", "", set(0)));
        lines.push(at(t + 90, 0, "k", "", set(0)));
    }
    let bytes = written(&lines);
    for examples in [0, 2, 9] {
        let reader = Reader::new(&bytes[..], Path::new("test"));
        let fit = fit::fit(
            reader,
            Thresholds {
                windows_ms: vec![10],
                ..Thresholds::default()
            },
            examples,
            "test",
            "",
        )
        .unwrap();
        assert_eq!(fit.wrong_operations, 5);
        assert_eq!(fit.fields[0].wrong.len(), examples.min(5));
        for (round, wrong) in fit.fields[0].wrong.iter().enumerate() {
            let first = round as u64 * 6 + 3;
            assert_eq!(wrong.lines, [first, first + 1]);
        }
    }
    // Node 0 comes before node 1, and its last change after that of node 1.
    let put = |t, node, value| at(t, node, "k", "", Action::Insert(int(value)));
    let lines = [put(0, 0, 1), put(1, 1, 2), put(2, 0, 3), put(3, 2, 1)];
    assert_eq!(field_by(&lines, &[10]).wrong[0].lines, [2, 3, 4]);
}

#[test]
fn a_rare_field_decides_as_any_other_and_many_fields_are_named_together() {
    let mut lines: Vec<Line> = (0..600)
        .map(|n| {
            let node = n as u32 % 2;
            at(
                n,
                node,
                ["k", "l"][node as usize],
                &format!("f{}", n / 2 % 7),
                set(n as i64),
            )
        })
        .collect();
    let (verdict, reasons) = by(&lines, |_| {});
    assert_eq!(verdict, Verdict::Fits, "{reasons}");
    assert!(reasons.contains("2 more fields"), "{reasons}");
    lines.push(at(600, 0, "k", "rare", Action::Append(int(1))));
    lines.push(at(700, 1, "k", "rare", Action::Append(int(1))));
    let (verdict, reasons) = by(&lines, |_| {});
    assert_eq!(verdict, Verdict::DoesNotFit);
    assert!(
        reasons.starts_with("\"rare\", 0.33 % of the operations"),
        "{reasons}"
    );
}

#[test]
fn wide_values_that_are_replaced_whole_and_alone_gain_nothing() {
    let put = |t: u64, fill: &str| {
        at(
            t,
            (t / 100_000) as u32 % 2,
            ["k", "l"][(t / 100_000) as usize % 2],
            "",
            Action::Set(text(&fill.repeat(32))),
        )
    };
    let rare = [
        put(0, "a"),
        put(100_000, "b"),
        put(200_000, "c"),
        put(300_000, "d"),
    ];
    let fit = fit_by(&rare, &[10]);
    assert_eq!(fit.verdict, Verdict::FitsWithConditions);
    assert!(
        reasons(&fit).contains("sending the value would do"),
        "{}",
        reasons(&fit)
    );
    for limit in [
        |thresholds: &mut Thresholds| thresholds.whole_value = 1.01,
        |thresholds: &mut Thresholds| thresholds.coalescing_saves = 1.0,
    ] {
        assert_eq!(by(&rare, limit).0, Verdict::Fits);
    }
    // The same, ten at a time.
    let often: Vec<Line> = (0..40)
        .map(|n| put(n / 10 * 100_000, ["a", "b"][n as usize % 2]))
        .collect();
    assert_eq!(fit_by(&often, &[10]).verdict, Verdict::Fits);
}

fn switch(t: u64, node: u32, key: &str, value: bool) -> Line {
    at(t, node, key, "open", Action::Set(Scalar::Bool(value)))
}

/// Eight doors that are closed by a node and opened by another that has not seen it closed, among
/// 3,016 other operations.
fn doors() -> Vec<Line> {
    let mut lines = Vec::new();
    for n in 0..3_016 {
        lines.push(switch(n * 100, 0, &format!("d{}", n % 16), true));
    }
    for door in 0..8 {
        let key = format!("d{door}");
        lines.push(switch(400_000 + door, 1, &key, false));
        lines.push(switch(400_008, 0, &key, true));
    }
    lines.sort_by_key(|line| line.t);
    lines
}

#[test]
fn wrong_states_of_which_nobody_is_told_have_a_limit_of_their_own() {
    let lines = doors();
    let window = &field_by(&lines, &[10]).windows[0];
    assert_eq!(
        (window.overlapping, window.wrong, window.unnoticed),
        (0.0, 8, 8)
    );
    // 8 of 3,032 are 0.26 %.
    let (verdict, reasons) = by(&lines, |_| {});
    assert_eq!(verdict, Verdict::DoesNotFit, "{reasons}");
    assert!(
        reasons.starts_with("8 of 3,032 operations (0.26 %) leave a wrong state of which nobody"),
        "{reasons}"
    );
    assert!(!reasons.contains("that are reported"), "{reasons}");
    let (verdict, reasons) = by(&lines, |thresholds| thresholds.unnoticed_fails = 0.003);
    assert_eq!(verdict, Verdict::FitsWithConditions, "{reasons}");
    assert!(
        reasons.starts_with("Condition: 8 of 3,032 operations (0.26 %) may leave a wrong state"),
        "{reasons}"
    );
    // Nobody can set again what nobody is told of.
    assert!(
        !reasons.contains("when an overlap is reported"),
        "{reasons}"
    );
}

#[test]
fn most_wrong_states_are_told_of_even_if_few_go_unnoticed() {
    let put = |t, node, key, value| at(t, node, key, "", set(value));
    // 5 and 3 overlap in a bit, which is reported; 4 and 3 do not.
    let lines = [
        put(0, 0, "k", 5),
        put(1, 1, "k", 3),
        put(2, 0, "l", 4),
        put(3, 1, "l", 3),
    ];
    let (verdict, reasons) = by(&lines, |_| {});
    assert_eq!(verdict, Verdict::DoesNotFit, "{reasons}");
    assert!(
        reasons.starts_with("1 of 4 operations (25.00 %) leave a wrong state of which nobody")
            && reasons.contains(
                " the limit is 0.10 %. With those that are reported, 2 of 4 operations (50.00 %) \
                 leave a wrong state. Instead, let one node write each key"
            ),
        "{reasons}"
    );
}

#[test]
fn a_report_of_an_overlap_covers_what_it_left_until_something_else_goes_wrong() {
    let unnoticed = |lines: &[Line]| field_by(lines, &[10]).windows[0].unnoticed;
    let put = |t, node, value| at(t, node, "k", "", set(value));
    assert_eq!(unnoticed(&[put(0, 0, 5), put(1, 1, 3)]), 0);
    // Different bits: 4 and 3 are 7.
    assert_eq!(unnoticed(&[put(0, 0, 4), put(1, 1, 3)]), 1);
    let element = |t, node, element| at(t, node, "k", "", Action::Insert(text(element)));
    let remove = |t, node, element| at(t, node, "k", "", Action::Remove(text(element)));
    // "a" is inserted twice, which is reported; "b" is inserted and removed by one that lacks it.
    let lines = [
        element(0, 0, "a"),
        element(1, 1, "a"),
        element(2, 0, "b"),
        remove(3, 1, "b"),
    ];
    assert_eq!(unnoticed(&lines[..2]), 0);
    assert_eq!(unnoticed(&lines), 1);
}

#[test]
fn reasons_stand_in_the_order_of_what_they_cost() {
    // Names of several lengths with one overlap in a thousand operations: padding is the least.
    let name = |t, node, key: &str, value: &str| at(t, node, key, "name", Action::Set(text(value)));
    let mut lines: Vec<Line> = (0..1_000)
        .map(|n| {
            name(
                n * 100,
                0,
                &format!("k{}", n % 8),
                ["Ada", "Grace", "Edsger"][n as usize % 3],
            )
        })
        .collect();
    lines.push(name(99_905, 1, "k7", "Barbara"));
    let fit = fit_by(&lines, &[10]);
    assert_eq!(
        fit.verdict,
        Verdict::FitsWithConditions,
        "{}",
        reasons(&fit)
    );
    let place = |part: &str| {
        fit.reasons
            .iter()
            .position(|reason| reason.contains(part))
            .unwrap()
    };
    assert_eq!(place("an overlap is reported"), 0);
    assert!(place("of what is stored and sent is padding") > 0);
    assert!(
        fit.instead
            .as_ref()
            .unwrap()
            .contains("let one node write each key")
    );
    // The same for a trace of several fields, whose headline is the worst of the worst field.
    for n in 0..5_000 {
        lines.push(at(
            200_000 + n,
            0,
            "k",
            "note",
            Action::Set(text(["", "x"][n as usize % 2])),
        ));
    }
    let fit = fit_by(&lines, &[10]);
    assert!(
        fit.reasons[0].starts_with("\"name\", 16.68 % of the operations, a register:")
            && fit.reasons[0].contains("an overlap is reported"),
        "{}",
        reasons(&fit)
    );
}

#[test]
fn fields_stand_in_the_order_of_their_wrong_states_noticed_or_not() {
    // In one field, all wrong states go unnoticed; in the other, there are more, and a few do.
    let mut lines = Vec::new();
    for n in 0..100_u64 {
        let (t, key) = (n * 1_000, format!("k{n}"));
        let put = |later, node, field, value| at(t + later, node, &key, field, set(value));
        lines.extend([put(0, 0, "quiet", 1), put(1, 1, "quiet", 2)]);
        // Different bits, or the same ones.
        let values: &[i64] = if n < 20 { &[1, 2] } else { &[1, 3, 2] };
        let puts = (0_u64..).zip(values);
        lines.extend(puts.map(|(n, value)| put(2 + n, n.min(1) as u32, "loud", *value)));
    }
    let fit = fit_by(&lines, &[10]);
    let field = |name: &str| fit.fields.iter().find(|field| field.name == name).unwrap();
    let (quiet, loud) = (field("quiet"), field("loud"));
    let unnoticed = |field: &FieldFit| field.windows[0].unnoticed;
    assert!(unnoticed(quiet) > unnoticed(loud) && unnoticed(loud) > 0);
    assert!(quiet.wrong_operations < loud.wrong_operations);
    let starts = |place: usize, name: &str| fit.reasons[place].starts_with(name);
    assert!(
        starts(0, "\"loud\"") && starts(1, "\"quiet\""),
        "{}",
        reasons(&fit)
    );
    assert!(
        loud.reasons[0].contains(" With those that are reported, "),
        "{}",
        loud.reasons[0]
    );
}

#[test]
fn values_that_are_set_suggest_what_the_writers_may_mean() {
    // Two writers who set the same keys in turn.
    let turns = |value: &dyn Fn(u64) -> Scalar| {
        let lines: Vec<Line> = (0..40)
            .map(|n| {
                at(
                    n * 5,
                    n as u32 % 2,
                    ["k", "l"][n as usize / 2 % 2],
                    "v",
                    Action::Set(value(n)),
                )
            })
            .collect();
        reasons(&fit_by(&lines, &[10]))
    };
    let add = "`add` what it grows by";
    assert!(turns(&|n| int(n as i64)).contains(add));
    assert!(!turns(&|n| int([5, 3, 9, 1][n as usize % 4])).contains(add));
    let flag = "make \"open\" and \"closed\" a flag";
    let two = turns(&|n| text(["open", "closed"][n as usize % 3 % 2]));
    assert!(
        two.contains(flag) && two.contains("`set` it to false and true, one bit"),
        "{two}"
    );
    let three = turns(&|n| text(["open", "closed", "on hold"][n as usize % 3]));
    assert!(
        three.contains("number the 3 values") && !three.contains("a flag"),
        "{three}"
    );
    let many = turns(&|n| text(&"x".repeat(n as usize)));
    assert!(
        !many.contains("number the") && many.contains("a hash of the value"),
        "{many}"
    );
    let mixed = turns(&|n| {
        if n % 2 == 0 {
            text("open")
        } else {
            int(n as i64)
        }
    });
    assert!(!mixed.contains("a flag") && !mixed.contains(add), "{mixed}");
}

#[test]
fn what_goes_wrong_in_a_partition_is_a_condition() {
    // Two nodes set the same keys half a minute apart.
    let lines: Vec<Line> = (0..100)
        .map(|n| {
            at(
                n * 30_000,
                n as u32 % 2,
                &format!("k{}", n % 5),
                "",
                set(n as i64 + 1),
            )
        })
        .collect();
    let fit = fit_by(&lines, &Thresholds::WINDOWS_MS);
    assert_eq!(
        fit.verdict,
        Verdict::FitsWithConditions,
        "{}",
        reasons(&fit)
    );
    assert!(
        fit.reasons[0].starts_with("Condition: no node is cut off for 1 h and more:"),
        "{}",
        reasons(&fit)
    );
    assert!(fit.reasons[0].contains("Up to 1 min, no limit is exceeded."));
    assert_eq!(fit.fields[0].wrong_operations, 0);
    // If changes need an hour while all are connected, it does not fit.
    let (verdict, reasons) = by(&lines, |thresholds| {
        thresholds.windows_ms = Thresholds::WINDOWS_MS.to_vec();
        thresholds.connected_ms = 3_600_000;
    });
    assert_eq!(verdict, Verdict::DoesNotFit, "{reasons}");
    // The only window decides, however wide it is.
    assert_eq!(fit_by(&lines, &[3_600_000]).verdict, Verdict::DoesNotFit);
}

#[test]
fn every_condition_and_every_reason_against_names_an_alternative() {
    let mut seen = BTreeSet::new();
    let mut check = |lines: &[Line]| {
        let fit = fit_by(lines, &Thresholds::WINDOWS_MS);
        for reason in fit.fields.iter().flat_map(|field| &field.reasons) {
            if reason.starts_with("Condition:") {
                assert!(reason.contains(" Otherwise, "), "{reason}");
                seen.insert(
                    reason
                        .split_whitespace()
                        .take(4)
                        .collect::<Vec<_>>()
                        .join(" "),
                );
            }
        }
        if fit.verdict == Verdict::DoesNotFit {
            assert!(fit.reasons[0].contains(" Instead, "), "{}", fit.reasons[0]);
            assert!(fit.instead.is_some());
        }
    };
    check(&doors());
    check(&[at(0, 0, "k", "", Action::Append(int(1)))]);
    check(&[add(0, 0, i64::MAX), add(0, 1, 1)]);
    check(&[add(0, 0, 5), at(90_000, 1, "k", "", set(3))]);
    for value in ["x", "longer", &"x".repeat(200)] {
        check(&[
            at(0, 0, "k", "", Action::Set(text("x"))),
            at(0, 1, "k", "", Action::Set(text(value))),
            at(0, 1, "l", "", set(1)),
        ]);
    }
    check(&[
        at(0, 0, "k", "", Action::Toggle),
        at(0, 1, "k", "", Action::Toggle),
    ]);
    check(&[at(0, 0, "k", "", Action::Toggle)]);
    let insert = |node, element| at(0, node, "k", "", Action::Insert(int(element)));
    check(&[insert(0, 1), insert(1, 1)]);
    check(&(0..2_000).map(|n| insert(0, n)).collect::<Vec<_>>());
    check(&[0, 1].map(|n| {
        at(
            n,
            0,
            "k",
            "",
            Action::Set(text(&["a", "b"][n as usize].repeat(32))),
        )
    }));
    assert!(seen.len() >= 7, "{seen:?}");
}

#[test]
fn the_worst_field_decides_and_the_others_are_told() {
    let lines = [
        at(0, 0, "k", "log", Action::Append(int(1))),
        at(0, 1, "k", "log", Action::Append(int(1))),
        at(0, 0, "k", "name", set(1)),
    ];
    let fit = fit_by(&lines, &[10]);
    assert_eq!(fit.verdict, Verdict::DoesNotFit);
    let verdicts: Vec<Verdict> = fit.fields.iter().map(|field| field.verdict).collect();
    assert_eq!(verdicts, [Verdict::DoesNotFit, Verdict::Fits]);
    assert!(
        fit.reasons[0].starts_with("\"log\", 66.67 % of the operations, a list: DOES NOT FIT."),
        "{}",
        reasons(&fit)
    );
    assert!(
        fit.reasons[1].starts_with("\"name\", 33.33 % of the operations, a register: FITS."),
        "{}",
        reasons(&fit)
    );
}

#[test]
fn memory_is_given_back_without_forgetting_what_is_unseen() {
    // After one operation by itself, pairs of concurrent puts, so that a sweep falls between the
    // two of a pair.
    let mut lines = vec![at(0, 0, "first", "", set(1))];
    for pair in 0..70_000_u64 {
        let key = format!("k{pair}");
        lines.push(at(pair, 0, &key, "", set(5)));
        lines.push(at(pair, 1, &key, "", set(3)));
    }
    let field = field_by(&lines, &[10]);
    assert_eq!(field.wrong_operations, 70_000);
}

// Negative and positive controls.

/// Draws that follow from a seed.
struct Draws(Xoshiro256PlusPlus);

impl Draws {
    fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit
    }
}

#[test]
fn concurrent_counters_fit_without_conditions() {
    let mut draws = Draws::new(1);
    let lines: Vec<Line> = (0..2_000)
        .map(|n| {
            at(
                n * 5,
                draws.below(3) as u32,
                &format!("page{}", draws.below(10)),
                "hits",
                Action::Add(1 + draws.below(3) as i64),
            )
        })
        .collect();
    let fit = fit_by(&lines, &Thresholds::WINDOWS_MS);
    assert_eq!(fit.verdict, Verdict::Fits, "{}", reasons(&fit));
    let widest = fit.windows.last().unwrap();
    assert!(widest.concurrent > 0.9, "{}", widest.concurrent);
    assert_eq!((fit.wrong_operations, widest.overlapping), (0, 0.0));
    assert!(fit.fields[0].wrong.is_empty());
}

#[test]
fn text_does_not_fit() {
    let mut draws = Draws::new(2);
    let mut lengths = [0_u64; 2];
    let lines: Vec<Line> = (0..400)
        .map(|n| {
            let page = draws.below(2) as usize;
            let place = draws.below(lengths[page] + 1) as usize;
            let action = if draws.below(3) == 0 && lengths[page] > 3 {
                lengths[page] -= 2;
                Action::RemoveText {
                    at: place.min(lengths[page] as usize),
                    count: 2,
                }
            } else {
                lengths[page] += 3;
                Action::InsertText {
                    at: place,
                    text: "été".into(),
                }
            };
            at(
                n * 50,
                draws.below(3) as u32,
                ["a", "b"][page],
                "body",
                action,
            )
        })
        .collect();
    let fit = fit_by(&lines, &Thresholds::WINDOWS_MS);
    assert_eq!(fit.verdict, Verdict::DoesNotFit);
    let field = &fit.fields[0];
    assert_eq!(field.class, Class::Text);
    assert!(!field.wrong.is_empty());
    assert!(
        field.inexpressible > 0 && field.width.most > 128,
        "{:?}",
        field.width
    );
    assert!(reasons(&fit).contains("sequence CRDT"));
}

#[test]
fn lists_do_not_fit() {
    let append = |t, node| at(t, node, "log", "", Action::Append(int(7)));
    let fit = fit_by(&[append(0, 0), append(1, 1)], &[10]);
    assert_eq!(fit.verdict, Verdict::DoesNotFit);
    assert_eq!(fit.fields[0].wrong[0].meant, "\"7\\n7\\n\"");
}

/// Aircraft leave and arrive at three airports, each of which is a node; some of their events are
/// missing.
#[test]
fn presence_of_aircraft_fits_with_the_conditions_of_its_data() {
    let mut draws = Draws::new(3);
    let mut lines = Vec::new();
    for tail in 0..200 {
        let mut t = draws.below(3_600_000);
        for _ in 0..20 {
            let airport = draws.below(3) as u32;
            lines.push(at(t, airport, &format!("N{tail}"), "", Action::Toggle));
            t += 600_000 + draws.below(7_200_000);
            if draws.below(100) > 0 {
                lines.push(at(t, airport, &format!("N{tail}"), "", Action::Toggle));
            }
            t += 600_000 + draws.below(7_200_000);
        }
    }
    lines.sort_by_key(|line| line.t);
    let fit = fit_by(&lines, &Thresholds::WINDOWS_MS);
    assert_eq!(
        fit.verdict,
        Verdict::FitsWithConditions,
        "{}",
        reasons(&fit)
    );
    assert_eq!(fit.wrong_operations, 0);
    assert!(reasons(&fit).contains("odd number of times"));
}

/// Flags that are set by whoever is at the console of their region, and seldom by another.
#[test]
fn feature_flags_fit_with_the_conditions_of_their_data() {
    let mut draws = Draws::new(4);
    let lines: Vec<Line> = (0..5_000)
        .map(|n| {
            let flag = draws.below(300);
            let node = match draws.below(50) {
                0 => draws.below(3),
                _ => flag % 3,
            };
            at(
                n * 400,
                node as u32,
                &format!("flag{flag}"),
                "",
                Action::Set(Scalar::Bool(draws.below(2) == 0)),
            )
        })
        .collect();
    let fit = fit_by(&lines, &Thresholds::WINDOWS_MS);
    assert_eq!(
        fit.verdict,
        Verdict::FitsWithConditions,
        "{}",
        reasons(&fit)
    );
    assert!(reasons(&fit).contains("several writers"));
}

// A naive model: every node's view is made anew from all changes, and contents are those of
// `content`.

type Words = [u64; 16];

fn encode(content: &Content, universe: &BTreeSet<Scalar>) -> Words {
    let mut words = [0; 16];
    match content {
        Content::Flag(flag) => words[0] = u64::from(*flag),
        Content::Counter(sum) => words[0] = *sum as u64,
        Content::Register(None) => {}
        Content::Register(Some(Scalar::Bool(value))) => words[0] = u64::from(*value),
        Content::Register(Some(Scalar::Int(value))) => words[0] = *value as u64,
        Content::Register(Some(Scalar::Text(text))) => {
            for (place, byte) in text.bytes().enumerate() {
                words[place / 8] |= u64::from(byte) << (place % 8 * 8);
            }
        }
        Content::Set(elements) => {
            for (bit, element) in universe.iter().enumerate() {
                words[bit / 64] |= u64::from(elements.contains(element)) << (bit % 64);
            }
        }
        Content::List(_) | Content::Text(_) => unreachable!("not drawn"),
    }
    words
}

fn decode(words: &Words, class: Class, universe: &BTreeSet<Scalar>) -> Content {
    match class {
        Class::Flag => Content::Flag(words[0] == 1),
        Class::Counter => Content::Counter(words[0] as i64),
        // Whatever it holds, it is replaced.
        Class::Register => Content::Register(None),
        Class::Set => Content::Set(
            universe
                .iter()
                .enumerate()
                .filter(|(bit, _)| words[bit / 64] >> (bit % 64) & 1 == 1)
                .map(|(_, element)| element.clone())
                .collect(),
        ),
        Class::List | Class::Text => unreachable!("not drawn"),
    }
}

type Combine = fn(u64, u64) -> u64;

fn combine(a: &Words, b: &Words, with: Combine) -> Words {
    std::array::from_fn(|place| with(a[place], b[place]))
}

#[derive(Debug, Default, PartialEq, Clone, Copy)]
struct Naive {
    operations: u64,
    concurrent: u64,
    overlapping: u64,
    wrong: u64,
    unnoticed: u64,
    entries: u64,
    blind_toggles: u64,
}

/// What is wrong after an operation, and the overlap that was reported with it, if any.
type Left = (Words, Option<Words>);

/// Whether nobody was told of what is wrong after the last of these operations on a value.
fn is_unnoticed(steps: &[Left], class: Class) -> bool {
    let Some((wrong, _)) = steps.last() else {
        return false;
    };
    let bits = |words: &Words| -> BTreeSet<usize> {
        let has = |bit: &usize| words[bit / 64] >> (bit % 64) & 1 == 1;
        (0..1024).filter(has).collect()
    };
    if class == Class::Set {
        return bits(wrong).into_iter().any(|bit| {
            let since = steps.iter().rev();
            let since = since.take_while(|(wrong, _)| bits(wrong).contains(&bit));
            let told = |overlap: &Option<Words>| {
                let overlap = overlap.as_ref();
                overlap.is_some_and(|overlap| bits(overlap).contains(&bit))
            };
            !since.into_iter().any(|(_, overlap)| told(overlap))
        });
    }
    let since = steps.iter().rev().take_while(|(other, _)| other == wrong);
    *wrong != [0; 16] && !since.into_iter().any(|(_, overlap)| overlap.is_some())
}

fn naive(lines: &[Line], ms: u64) -> BTreeMap<String, Naive> {
    let mut universes: BTreeMap<&str, BTreeSet<Scalar>> = BTreeMap::new();
    let mut classes: BTreeMap<&str, Class> = BTreeMap::new();
    for line in lines {
        if line.action == Action::Unset {
            classes.entry(&line.field).or_insert(Class::Flag);
        } else {
            classes.insert(&line.field, line.action.class());
        }
        let universe = universes.entry(&line.field).or_default();
        if let Action::Insert(value) | Action::Remove(value) = &line.action {
            universe.insert(value.clone());
        }
    }
    let mut found: BTreeMap<String, Naive> = BTreeMap::new();
    let mut deltas: Vec<Words> = Vec::new();
    let mut steps: BTreeMap<(&str, &str), Vec<Left>> = BTreeMap::new();
    for (place, line) in lines.iter().enumerate() {
        let universe = &universes[line.field.as_str()];
        let class = classes[line.field.as_str()];
        let (plus, minus): (Combine, Combine) = match class {
            Class::Counter => (u64::wrapping_add, u64::wrapping_sub),
            _ => (|a, b| a ^ b, |a, b| a ^ b),
        };
        let unseen = |other: &Line| other.node != line.node && line.t - other.t < ms;
        let same = |other: &Line| (&other.key, &other.field) == (&line.key, &line.field);
        let before = || lines[..place].iter().zip(&deltas);
        let sum = |of: &dyn Fn(&Line) -> bool| {
            before()
                .filter(|(other, _)| same(other) && of(other))
                .fold([0; 16], |sum, (_, delta)| combine(&sum, delta, plus))
        };
        let seen = sum(&|other| !unseen(other));
        let mut content = decode(&seen, class, universe);
        content.apply(&line.action);
        let delta = combine(&encode(&content, universe), &seen, minus);
        let merged = combine(&sum(&|_| true), &delta, plus);
        let mut meant = Content::empty(class);
        for other in lines[..=place].iter().filter(|other| same(other)) {
            meant.apply(&other.action);
        }
        let put = |line: &Line| matches!(line.action, Action::Set(_) | Action::Unset);
        let both = |theirs: &Words| combine(theirs, &delta, |a, b| a & b);
        let others = || before().filter(|(other, _)| same(other) && unseen(other));
        let overlaps = others().any(|(other, theirs)| match class {
            Class::Counter => put(line) && put(other) && *theirs != [0; 16] && delta != [0; 16],
            _ => both(theirs) != [0; 16],
        });
        let overlap = others().fold([0; 16], |all, (_, theirs)| {
            combine(&all, &both(theirs), |a, b| a | b)
        });
        let naive = found.entry(line.field.clone()).or_default();
        naive.operations += 1;
        naive.concurrent += u64::from(
            lines[..place]
                .iter()
                .any(|other| other.key == line.key && unseen(other)),
        );
        naive.overlapping += u64::from(overlaps);
        naive.blind_toggles += u64::from(overlaps && line.action == Action::Toggle);
        naive.wrong += u64::from(merged != encode(&meant, universe));
        let wrong = combine(&merged, &encode(&meant, universe), minus);
        let steps = steps.entry((&line.key, &line.field)).or_default();
        steps.push((wrong, overlaps.then_some(overlap)));
        naive.unnoticed += u64::from(is_unnoticed(steps, class));
        let first = ms == 0
            || !lines[..place]
                .iter()
                .any(|other| same(other) && other.node == line.node && other.t / ms == line.t / ms);
        naive.entries += u64::from(first);
        deltas.push(delta);
    }
    found
}

fn action(field: usize) -> BoxedStrategy<Action> {
    prop_oneof![9 => write(field), 1 => Just(Action::Unset)].boxed()
}

fn write(field: usize) -> BoxedStrategy<Action> {
    let element = (0_i64..70).prop_map(int);
    match field {
        0 => prop_oneof![
            2 => Just(Action::Toggle),
            1 => any::<bool>().prop_map(|value| Action::Set(Scalar::Bool(value))),
        ]
        .boxed(),
        1 => (-4_i64..5).prop_map(set).boxed(),
        2 => "[a-c]{0,20}"
            .prop_map(|value| Action::Set(text(&value)))
            .boxed(),
        3 => prop_oneof![
            4 => (-9_i64..10).prop_map(Action::Add),
            1 => (0_i64..10).prop_map(set),
        ]
        .boxed(),
        _ => prop_oneof![
            2 => element.clone().prop_map(Action::Insert),
            1 => element.prop_map(Action::Remove),
        ]
        .boxed(),
    }
}

const FIELDS: [&str; 5] = ["flag", "number", "name", "count", "tags"];

fn trace(nodes: u32, length: usize) -> impl Strategy<Value = Vec<Line>> {
    let line = (0_usize..5).prop_flat_map(move |field| {
        (0_u64..12, 0..nodes, 0_usize..3, action(field)).prop_map(
            move |(later, node, key, action)| {
                at(later, node, ["k", "l", "m"][key], FIELDS[field], action)
            },
        )
    });
    prop::collection::vec(line, 1..length).prop_map(|mut lines| {
        // A counter whose only operations were sets would be a register.
        lines.push(at(0, 0, "k", "count", Action::Add(1)));
        let mut t = 0;
        for line in &mut lines {
            t += line.t;
            line.t = t;
        }
        lines
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn figures_are_those_of_a_naive_model(
        lines in trace(4, 120),
        windows in prop::collection::btree_set(0_u64..120, 1..4),
    ) {
        let windows: Vec<u64> = windows.into_iter().collect();
        let fit = fit_by(&lines, &windows);
        let mut wrong = vec![0; windows.len()];
        for (place, &ms) in windows.iter().enumerate() {
            let naive = naive(&lines, ms);
            prop_assert_eq!(naive.len(), fit.fields.len());
            for field in &fit.fields {
                let naive = naive[&field.name];
                wrong[place] += naive.wrong;
                let window = &field.windows[place];
                let total = naive.operations as f64;
                prop_assert_eq!(window.concurrent, naive.concurrent as f64 / total);
                prop_assert_eq!(window.overlapping, naive.overlapping as f64 / total);
                prop_assert_eq!(window.wrong, naive.wrong);
                prop_assert_eq!(window.unnoticed, naive.unnoticed);
                prop_assert_eq!(window.coalescing, total / naive.entries as f64);
                if place == windows.len() - 1 {
                    prop_assert_eq!(field.wrong_operations, naive.wrong);
                    prop_assert_eq!(field.blind_toggles, naive.blind_toggles);
                }
            }
            prop_assert_eq!(fit.windows[place].wrong, wrong[place]);
            let sent: BTreeSet<_> = lines
                .iter()
                .enumerate()
                .map(|(number, line)| {
                    let window = line.t.checked_div(ms);
                    // Of a window of 0, every operation.
                    (&line.key, line.node, window, window.map_or(number, |_| 0))
                })
                .collect();
            prop_assert_eq!(fit.windows[place].coalescing, lines.len() as f64 / sent.len() as f64);
        }
    }

    #[test]
    fn additions_are_never_wrong_and_their_range_is_the_plain_sums(
        additions in prop::collection::vec(
            (0_u64..12, 0_u32..4, 0_usize..3, -1_000_000_i64..1_000_000),
            1..80,
        ),
        windows in prop::collection::btree_set(0_u64..120, 1..4),
    ) {
        let mut t = 0;
        let mut sums = BTreeMap::new();
        let mut lines = Vec::new();
        for (later, node, key, value) in additions {
            t += later;
            let key = ["k", "l", "m"][key];
            lines.push(at(t, node, key, "", Action::Add(value)));
            let (lowest, highest) = sums.entry(key).or_insert((0, 0));
            *if value < 0 { lowest } else { highest } += value;
        }
        let windows: Vec<u64> = windows.into_iter().collect();
        let field = field_by(&lines, &windows);
        for window in &field.windows {
            prop_assert_eq!((window.wrong, window.overlapping), (0, 0.0));
        }
        prop_assert!(field.verdict == Verdict::Fits);
        let found = field.sums.unwrap();
        prop_assert_eq!(Some(found.lowest), sums.values().map(|(lowest, _)| *lowest).min());
        prop_assert_eq!(Some(found.highest), sums.values().map(|(_, highest)| *highest).max());
    }

    #[test]
    fn nothing_is_wrong_if_all_is_seen_at_once(lines in trace(4, 80)) {
        let fit = fit_by(&lines, &[0]);
        prop_assert_eq!(fit.wrong_operations, 0);
        prop_assert_eq!((fit.windows[0].concurrent, fit.windows[0].overlapping), (0.0, 0.0));
    }

    #[test]
    fn nothing_is_wrong_with_one_writer_a_key(mut lines in trace(4, 80), window in 0_u64..1_000) {
        for line in &mut lines {
            line.node = u32::from(line.key.as_bytes()[0] - b'k');
        }
        let fit = fit_by(&lines, &[window]);
        prop_assert_eq!(fit.wrong_operations, 0);
        prop_assert_eq!(fit.windows[0].overlapping, 0.0);
        prop_assert!(fit.verdict != Verdict::DoesNotFit, "{}", reasons(&fit));
    }

    #[test]
    fn two_puts_at_once_give_old_xor_both(old: i64, first: i64, second: i64) {
        let lines = [
            at(0, 2, "k", "", set(old)),
            at(1_000, 0, "k", "", set(first)),
            at(1_001, 1, "k", "", set(second)),
        ];
        let field = field_by(&lines, &[10]);
        let xor = old ^ first ^ second;
        prop_assert_eq!(field.wrong.len(), usize::from(xor != second));
        if let Some(wrong) = field.wrong.first() {
            prop_assert_eq!(&wrong.got, &xor.to_string());
            prop_assert_eq!(&wrong.meant, &second.to_string());
            prop_assert_eq!(&wrong.lines, &[2, 3]);
        }
    }

    #[test]
    fn more_than_a_window_of_quiet_makes_wider_windows_alike(lines in trace(3, 60)) {
        // Nothing is further apart than this, so all wider windows see the same.
        let all = lines.last().unwrap().t + 1;
        let fit = fit_by(&lines, &[all, all * 2, u64::MAX]);
        let of = |place: usize| {
            let window = &fit.windows[place];
            (window.concurrent, window.overlapping, window.wrong)
        };
        prop_assert_eq!(of(0), of(1));
        prop_assert_eq!(of(0), of(2));
    }
}
