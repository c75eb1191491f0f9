//! The sentences of the page: every claim in them is read back from the cell to which it is linked.

use atomik_arena::figures::Review;
use atomik_eval::report::page;
use proptest::prelude::*;

use crate::report_page::fixture;
use crate::report_page::html::{Tag, tags};

/// The text of the element at a place, without that of marks such as "least".
fn text_at(tags: &[Tag], at: usize) -> String {
    let mut depth = 0;
    let mut text = String::new();
    for tag in &tags[at..] {
        if tag.name.starts_with('/') {
            depth -= 1;
        } else if !["br", "circle", "line"].contains(&tag.name.as_str()) {
            depth += 1;
        }
        if depth == 0 {
            break;
        }
        if tag.text != "least" {
            text += &tag.text;
        }
    }
    text.trim().to_owned()
}

fn cell(tags: &[Tag], id: &str) -> Option<String> {
    let at = tags.iter().position(|tag| tag.get("id") == Some(id))?;
    Some(text_at(tags, at))
}

/// A cell of the comparison: its row, run and column.
fn place(id: &str) -> Option<(usize, usize, usize)> {
    let mut parts = id.strip_prefix("figure-")?.split('-');
    let row = parts.next()?.parse().ok()?;
    let run = parts.nth(1)?.parse().ok()?;
    let column = parts.nth(1)?.parse().ok()?;
    Some((row, run, column))
}

fn figure(tags: &[Tag], (row, run, column): (usize, usize, usize)) -> Option<String> {
    cell(tags, &format!("figure-{row}-run-{run}-system-{column}"))
}

/// The value of a text such as `3.00 ms`.
fn value(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let scale = match unit {
        "" | "B" | "s" => 1.0,
        "ns" => 1e-9,
        "µs" => 1e-6,
        "ms" => 1e-3,
        "min" => 60.0,
        "h" => 3_600.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => return None,
    };
    Some(number.replace(',', "").parse::<f64>().ok()? * scale)
}

/// The names of the columns.
fn columns(tags: &[Tag]) -> Vec<String> {
    let table = tags
        .iter()
        .position(|tag| tag.get("class") == Some("systems"))
        .expect("a table of systems");
    let head = tags[table..].iter().skip_while(|tag| tag.name != "th");
    let head = head.skip(1).take_while(|tag| tag.name != "/thead");
    // The name follows the swatch.
    head.filter(|tag| tag.name == "/span")
        .map(|tag| tag.text.clone())
        .collect()
}

/// The sentences: their parts, each with the id to which it is linked, or nothing.
fn answers(tags: &[Tag]) -> Vec<Vec<(String, Option<String>)>> {
    let from = tags
        .iter()
        .position(|tag| tag.get("class") == Some("answer"))
        .expect("an answer");
    let mut answers = Vec::new();
    for tag in tags[from..].iter().take_while(|tag| tag.name != "/ol") {
        match tag.name.as_str() {
            "li" => answers.push(Vec::new()),
            "/li" | "ol" => {}
            _ => {
                let link = tag.get("href").map(|href| href[1..].to_owned());
                let parts: &mut Vec<_> = answers.last_mut().expect("a sentence");
                parts.push((tag.text.clone(), link));
            }
        }
    }
    answers
}

/// Whether the cells bear out what is said of ours against theirs. Three digits are shown, so the
/// ratio of two cells may be off by 1 %.
fn holds(claim: &str, verb: &str, ours: &str, theirs: &str) -> bool {
    let Some(factor) = value(ours).zip(value(theirs)).map(|(a, b)| a / b) else {
        return false;
    };
    let number = |text: &str| text.replace(',', "").parse::<f64>().ok();
    let near = |share: &str, is: f64, off: f64| match share {
        "less than 1" => is < 1.0 + off,
        "more than 99" => is > 99.0 - off,
        share => number(share).is_some_and(|said| (said - is).abs() <= 0.5 + off),
    };
    if let Some((share, _)) = claim.split_once(" % of the ") {
        verb == "saves" && factor < 1.0 && near(share, 100.0 * (1.0 - factor), 1.2)
    } else if let Some((share, _)) = claim.split_once(" % more ") {
        verb == "costs" && factor > 1.0 && near(share, 100.0 * (factor - 1.0), 2.2)
    } else if let Some((times, _)) = claim.split_once(" times the ") {
        let rounding = if times.contains('.') { 0.05 } else { 0.5 };
        let off = rounding + 0.011 * factor;
        verb == "costs" && number(times).is_some_and(|said| (said - factor).abs() <= off)
    } else {
        verb == "takes" && claim.starts_with("the same ") && ours == theirs
    }
}

/// The claims that their cells do not bear out.
fn wrong_claims(page: &str) -> Vec<String> {
    let tags = tags(page);
    let mut wrong = Vec::new();
    let mut check = |holds: bool, claim: &str, cell: &str| {
        if !holds {
            wrong.push(format!("{claim:?}, cell {cell}"));
        }
    };
    let answers = answers(&tags);
    let [fit, instead, price, partition, unknown] = &answers[..] else {
        return vec![format!("{} sentences", answers.len())];
    };
    for (text, id) in answers.iter().flatten() {
        if let Some(id) = id {
            check(cell(&tags, id).is_some(), text, id);
        }
    }
    let claims = |parts: &[(String, Option<String>)]| -> Vec<(String, String, String)> {
        let claims = parts.iter().filter_map(|(text, id)| {
            let id = id.clone()?;
            let cell = cell(&tags, &id)?;
            Some((text.clone(), id, cell))
        });
        claims.collect()
    };

    let (verdict, id, shown) = claims(fit)[0].clone();
    let expected = match shown.as_str() {
        "FITS" => "Deltas fit this trace",
        "FITS WITH CONDITIONS" => "Deltas fit this trace on a condition",
        _ => "Deltas do not fit this trace",
    };
    check(verdict == expected, &verdict, &id);
    for (text, id, shown) in claims(fit).iter().skip(1) {
        check(shown.contains(text), text, id);
    }
    for (text, id, shown) in claims(instead) {
        if ["reason-0", "verdict"].contains(&id.as_str()) || id.starts_with("system-") {
            continue;
        }
        check(shown.contains(&text), &text, &id);
    }
    for (text, id, shown) in claims(unknown) {
        match id.as_str() {
            "machine" | "world" | "verdict" => {}
            "absent" => check(text.split(", ").all(|n| shown.contains(n)), &text, &id),
            _ => {
                let figure = text.trim_start_matches("first ").split(" slower").next();
                let figure = figure.map(|figure| figure.trim_end_matches([' ', 's']));
                let figure = figure.map(|figure| figure.trim_end_matches(" field"));
                check(figure.is_some_and(|f| shown.contains(f)), &text, &id);
            }
        }
    }
    let measured = tags.iter().any(|tag| tag.get("id") == Some("measured"));
    if !measured {
        return wrong;
    }

    let names = columns(&tags);
    let ours = names.iter().position(|name| name == "ATOMiK");
    let rival = |column: usize| !names[column].starts_with("ATOMiK");
    // The values of the others in the line of a cell: the lowest without caveats, and all.
    let others = |(row, run, _): (usize, usize, usize), sound: bool| -> Vec<f64> {
        let cells = (0..names.len())
            .filter(|&column| rival(column))
            .filter_map(|column| {
                let id = format!("figure-{row}-run-{run}-system-{column}");
                let tag = tags.iter().find(|tag| tag.get("id") == Some(&id))?;
                if sound && tag.get("class") == Some("with-caveat") {
                    return None;
                }
                value(&cell(&tags, &id)?)
            });
        cells.collect()
    };
    for (text, id, _) in claims(instead) {
        if let Some(at) = place(&id) {
            let least = others(at, true).into_iter().fold(f64::INFINITY, f64::min);
            check(value(&text) == Some(least), &text, &id);
        }
    }

    let (mut verb, mut against) = ("", "");
    let mut before = "";
    for (text, id) in price {
        match id.as_deref().map(|id| (id, place(id))) {
            Some((id, Some(at))) if against.is_empty() => {
                check(
                    Some(at.2) == ours && cell(&tags, id).as_ref() == Some(text),
                    text,
                    id,
                );
            }
            Some((id, Some(at))) => {
                let theirs = cell(&tags, id).unwrap_or_default();
                let ours = ours.and_then(|column| figure(&tags, (at.0, at.1, column)));
                let ours = ours.unwrap_or_default();
                check(names[at.2] == against, text, id);
                check(holds(text, verb, &ours, &theirs), text, id);
                // Each noun is that of its row.
                let noun = text.rsplit(' ').next().unwrap_or_default();
                let group = tags[..tags.iter().position(|t| t.get("id") == Some(id)).unwrap()]
                    .iter()
                    .rposition(|tag| tag.get("scope") == Some("rowgroup"))
                    .map(|at| text_at(&tags, at));
                let row = match noun {
                    "time" => "Write latency: until acknowledged, median",
                    "CPU" => "Write latency: CPU of all nodes, per write",
                    _ => "Sync bandwidth: bytes per write",
                };
                check(group.as_deref() == Some(row), text, id);
            }
            Some((id, None)) => {
                let shown = cell(&tags, id).unwrap_or_default();
                let caveats = text.trim_start_matches("but ").split(", ");
                for caveat in caveats {
                    check(shown.contains(caveat), text, id);
                }
            }
            None => {
                for word in ["saves", "takes", "costs"] {
                    if text.trim_end().ends_with(word) {
                        verb = word;
                    }
                }
                if before.ends_with("against ") {
                    against = text;
                }
            }
        }
        before = text;
    }

    let mut said = "";
    for (text, id) in partition {
        let Some(id) = id else {
            said = text;
            continue;
        };
        let shown = cell(&tags, id).unwrap_or_default();
        let Some(at) = place(id) else { continue };
        let figure = match text.as_str() {
            "no field" => "0",
            text => text.split(" field").next().unwrap_or(text),
        };
        let figure = figure.split(" of them").next().unwrap_or(figure);
        check(shown == figure, text, id);
        let all = others(at, false);
        if let Some(name) = said.strip_prefix(" (others: ") {
            let least = all.iter().copied().fold(f64::INFINITY, f64::min);
            check(
                value(text) == Some(least) && names[at.2] == name.trim(),
                text,
                id,
            );
        } else if let Some(name) = said.strip_prefix(" to ") {
            let most = all.iter().copied().fold(0.0, f64::max);
            check(
                value(text) == Some(most) && names[at.2] == name.trim(),
                text,
                id,
            );
        } else {
            check(Some(at.2) == ours, text, id);
        }
    }
    wrong
}

fn example() -> Review {
    let text = include_str!("../../../../docs/eval/flights.json");
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_cells_bear_out_every_claim() {
    let mut without = fixture::sound();
    for run in &mut without.runs {
        run.systems.remove(0);
        run.absent
            .push(("ATOMiK".into(), "it cannot express a field".into()));
    }
    for (name, review) in [
        ("without ATOMiK", without),
        ("example", example()),
        ("sound", fixture::sound()),
        ("bare", fixture::bare()),
    ] {
        assert_eq!(wrong_claims(&page(&review).unwrap()), [""; 0], "{name}");
    }
}

/// Each of these bugs is planted in the page of the example and must be found.
#[test]
fn a_claim_that_its_cell_does_not_bear_out_is_found() {
    let page = page(&example()).unwrap();
    for (right, wrong) in [
        (">3.2 times the CPU<", ">1.5 times the CPU<"),
        (">88 % of the time<", ">88 % more time<"),
        (">48 % of the CPU<", ">65 % of the CPU<"),
        (">the same time<", ">2.0 times the time<"),
        (", but costs <", ", but saves <"),
        ("; against <b>Raft<", "; against <b>Yrs<"),
        (
            "Deltas fit this trace on a condition",
            "Deltas fit this trace",
        ),
        (
            "324 of 4,037 flags (8.03 %) were toggled an odd number of times, and 324 are on \
          at the end</a>",
            "325 of 4,037 flags</a>",
        ),
        (">7.51 µs</a> per write", ">8.22 µs</a> per write"),
        ("(others: CRDT <", "(others: Raft <"),
        (">28.5 ms</a>)", ">25.8 ms</a>)"),
        (">60.5 ms</a>", ">65.0 ms</a>"),
        (">no field</a>", ">2 fields</a>"),
        (
            ">first 20,000 operations</a>",
            ">first 30,000 operations</a>",
        ),
        (">Loro, Automerge</a>", ">Loro, Automerge, Riak</a>"),
        (">Event log with snapshots</a>, ", ">Yrs</a>, "),
    ] {
        assert!(page.contains(right), "{right}");
        let broken = page.replacen(right, wrong, 1);
        assert_ne!(wrong_claims(&broken), [""; 0], "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whoever wins, by little or by much, and whatever goes wrong in the run.
    #[test]
    fn the_cells_bear_out_the_claims_in_every_direction(
        scales in prop::collection::vec(prop_oneof![0.9..1.1f64, 0.01..100.0f64], 7),
        flaw in 0..5u8,
        at in 0..7usize,
    ) {
        let mut review = fixture::sound();
        for run in &mut review.runs {
            for (system, &scale) in run.systems.iter_mut().zip(&scales) {
                let fresh = fixture::measure(&system.name, scale);
                system.latency = fresh.latency;
                system.bandwidth = fresh.bandwidth;
                if let Some(recovery) = &mut system.recovery {
                    recovery.virtual_us = (1e6 * scale) as u64;
                }
            }
            let system = &mut run.systems[at];
            match flaw {
                0 => system.converged = false,
                1 => system.acknowledged -= 5,
                2 => (system.conflicts.wrong, system.conflicts.wrong_reported) = (1, 0),
                3 => system.submitted = 0,
                _ => {}
            }
        }
        let found = wrong_claims(&page(&review).unwrap());
        prop_assert_eq!(found, Vec::<String>::new());
    }
}
