//! How figures are shown: what is written, and what is seen of it in a browser.

use std::collections::BTreeSet;
use std::process::Command;

use atomik_arena::figures::{Review, SystemFigures};
use atomik_eval::report::linger;
use atomik_eval::report::linger::Pair;
use atomik_eval::report::metrics::{self, caveats};
use atomik_eval::report::{FORMAT, overview, page, terminal};
use atomik_workload::fit::Verdict;
use proptest::prelude::*;

use crate::report_page::html::{Tag, tags};
use crate::report_page::{browser, fixture};

/// The example of the documentation, as it is stored, with a linger.
fn example() -> Review {
    let text = include_str!("../../../../docs/eval/flights.json");
    let mut review: Review = serde_json::from_str(text).unwrap();
    let runs = review.runs.into_iter();
    review.runs = runs.map(fixture::and_lingering).collect();
    review
}

fn reviews() -> [(&'static str, Review); 4] {
    [
        ("example", example()),
        ("sound", fixture::sound()),
        ("rare", fixture::rare()),
        ("bare", fixture::bare()),
    ]
}

/// Names of tags and attributes, in order. Classes may depend on what a text is, and the label of a
/// curve has two lines if it is long.
fn structure(tags: &[Tag]) -> Vec<(&str, Vec<&str>)> {
    tags.iter()
        .filter(|tag| tag.name.trim_start_matches('/') != "text")
        .map(|tag| {
            let attributes = tag.attributes.iter().map(|(name, _)| name.as_str());
            (
                tag.name.as_str(),
                attributes.filter(|name| *name != "class").collect(),
            )
        })
        .collect()
}

/// Panics if anything in the page could load or run something.
fn asks_nobody(tags: &[Tag]) {
    const KNOWN: &[&str] = &[
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "footer",
        "nav",
        "h1",
        "h2",
        "h3",
        "h4",
        "p",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "b",
        "strong",
        "small",
        "span",
        "div",
        "a",
        "code",
        "pre",
        "details",
        "summary",
        "figure",
        "figcaption",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "svg",
        "desc",
        "text",
        "rect",
        "circle",
        "line",
        "polygon",
        "polyline",
    ];
    const HARMLESS: &[&str] = &[
        "lang",
        "charset",
        "name",
        "content",
        "http-equiv",
        "class",
        "id",
        "href",
        "role",
        "aria-label",
        "aria-labelledby",
        "tabindex",
        "scope",
        "colspan",
        "viewBox",
        "x",
        "y",
        "dx",
        "dy",
        "x1",
        "x2",
        "y1",
        "y2",
        "cx",
        "cy",
        "r",
        "width",
        "height",
        "points",
        "fill",
        "stroke",
        "stroke-width",
        "opacity",
        "text-anchor",
        "font-family",
        "font-size",
        "font-weight",
    ];
    for tag in tags {
        assert!(KNOWN.contains(&tag.name.trim_start_matches('/')), "{tag:?}");
        for (name, value) in &tag.attributes {
            assert!(HARMLESS.contains(&name.as_str()), "{name} of {tag:?}");
            match name.as_str() {
                "href" => assert!(value.starts_with('#'), "{tag:?}"),
                "fill" | "stroke" => {
                    assert!(value == "none" || value.starts_with("var(--"), "{tag:?}")
                }
                "content" => assert!(!value.contains("//"), "{tag:?}"),
                _ => {}
            }
        }
    }
    let css = &tags.iter().find(|tag| tag.name == "style").unwrap().text;
    for loads in ["url(", "@import", "image-set(", "//", "src("] {
        assert!(!css.contains(loads), "the style has {loads:?}");
    }
    let policy = tags
        .iter()
        .find(|tag| tag.get("http-equiv") == Some("Content-Security-Policy"))
        .and_then(|tag| tag.get("content"))
        .unwrap();
    let mut parts: Vec<&str> = policy.split(';').map(str::trim).collect();
    parts.retain(|part| *part != "style-src 'unsafe-inline'" && !part.ends_with(" 'none'"));
    assert!(
        policy.starts_with("default-src 'none'") && parts.is_empty(),
        "{policy}"
    );
}

#[test]
fn the_page_loads_nothing_and_runs_nothing() {
    for (_, review) in reviews() {
        asks_nobody(&tags(&page(&review).unwrap()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Names come from data. Whatever is in them, the page has the same elements, and shows the
    /// name as it is.
    #[test]
    fn no_text_changes_what_the_page_is_made_of(
        text in prop_oneof![
            Just(fixture::HOSTILE.to_owned()),
            "\\PC*[<>&\"'`=/a-z-]{1,40}[^ \\PC]",
        ],
    ) {
        let review = fixture::sound();
        let plain = page(&fixture::with_every_string(&review, "plain")).unwrap();
        let written = page(&fixture::with_every_string(&review, &text)).unwrap();
        let (plain, written) = (tags(&plain), tags(&written));
        prop_assert_eq!(structure(&plain), structure(&written));
        asks_nobody(&written);
        let heading = written.iter().find(|tag| tag.name == "h1").unwrap();
        prop_assert_eq!(&heading.text, &format!("Do deltas fit “{text}”?"));
    }

    /// Only a column that did everything may be called the least, and never if all are equal.
    #[test]
    fn the_least_is_one_that_did_everything(
        made in prop::collection::vec((0.5..3.0f64, 0..6u8), 0..6),
    ) {
        let systems: Vec<SystemFigures> = made
            .iter()
            .map(|&(scale, flaw)| {
                let mut system = fixture::measure("c", scale);
                match flaw {
                    0 => system.conflicts.wrong = 1,
                    1 => system.converged = false,
                    2 => system.acknowledged -= 1,
                    3 => system.inexpressible = vec![atomik_arena::figures::Inexpressible {
                        field: "f".into(), operations: 1, reason: "r".into(),
                    }],
                    _ => {}
                }
                system
            })
            .collect();
        for metric in metrics::ALL {
            let least = metric.least(&systems);
            prop_assert_eq!(least.len(), systems.len());
            let whole: Vec<_> = systems.iter().filter(|c| caveats(c).is_empty()).collect();
            for (system, _) in systems.iter().zip(&least).filter(|(_, least)| **least) {
                prop_assert!(metric.ranked && caveats(system).is_empty());
                let value = metric.measure(system);
                prop_assert!(
                    whole.iter().any(|other| metric.measure(other).text() != value.text())
                );
                for other in &whole {
                    let (a, b) = (value.number().unwrap(), metric.measure(other).number().unwrap());
                    prop_assert!(a <= b || metric.measure(other).text() == value.text());
                }
            }
        }
        // Two sound columns that differ do have a least.
        let sound = |scale| fixture::measure("c", scale);
        prop_assert_eq!(metrics::WIRE.least(&[sound(1.0), sound(2.0)]), vec![true, false]);
    }
}

#[test]
fn the_page_is_built_for_readers_of_all_kinds() {
    for (name, review) in reviews() {
        let page = page(&review).unwrap();
        let tags = tags(&page);
        let mut ids = BTreeSet::new();
        for id in tags.iter().filter_map(|tag| tag.get("id")) {
            assert!(ids.insert(id), "{name}: the id {id} twice");
        }
        for tag in &tags {
            if let Some(target) = tag.get("href") {
                assert!(ids.contains(&target[1..]), "{name}: no {target}");
            }
            for id in tag
                .get("aria-labelledby")
                .unwrap_or_default()
                .split_whitespace()
            {
                assert!(ids.contains(id), "{name}: no {id}");
            }
            match tag.name.as_str() {
                "th" => assert!(tag.get("scope").is_some(), "{name}: {tag:?}"),
                "svg" => assert_eq!(
                    (tag.get("role"), tag.get("aria-labelledby").is_some()),
                    (Some("img"), true)
                ),
                "html" => assert_eq!(tag.get("lang"), Some("en")),
                _ => {}
            }
        }
        let levels: Vec<u32> = tags
            .iter()
            .filter_map(|tag| tag.name.strip_prefix('h')?.parse().ok())
            .collect();
        assert_eq!(
            levels.iter().filter(|&&level| level == 1).count(),
            1,
            "{name}"
        );
        assert_eq!(levels[0], 1, "{name}");
        assert!(
            levels.windows(2).all(|two| two[1] <= two[0] + 1),
            "{name}: {levels:?}"
        );
    }
}

/// All that is said of a column is said in all three forms.
#[test]
fn all_forms_show_the_same_cells() {
    for (name, review) in reviews() {
        let page = tags(&page(&review).unwrap());
        let cells: Vec<&str> = page.iter().map(|tag| tag.text.as_str()).collect();
        let (terminal, markdown) = (terminal(&review, 140), overview(&review));
        for system in review.runs.iter().flat_map(|run| &run.systems) {
            for metric in metrics::ALL {
                let text = metric.measure(system).text();
                assert!(
                    cells.contains(&text.as_str()),
                    "{name}: the page lacks {text}"
                );
                assert!(
                    terminal.contains(&text),
                    "{name}: the terminal lacks {text}"
                );
            }
            assert!(cells.contains(&system.command.as_str()));
            assert!(terminal.contains(&system.command) && markdown.contains(&system.command));
            for caveat in caveats(system) {
                assert!(cells.contains(&caveat.as_str()), "{name}: {caveat}");
                assert!(
                    terminal.contains(&caveat) && markdown.contains(&caveat),
                    "{name}: {caveat}"
                );
            }
            for metric in [
                &metrics::WIRE,
                &metrics::RECOVERY_TIME,
                &metrics::WRONG,
                &metrics::REBUILD_CPU,
            ] {
                let text = metric.measure(system).text();
                assert!(markdown.contains(&text), "{name}: the README lacks {text}");
            }
        }
        for lingering in review.runs.iter().filter_map(|run| run.lingering.as_ref()) {
            for system in &lingering.systems {
                for metric in linger::ROWS {
                    let text = metric.measure(system).text();
                    let missing = format!("{name}: {text} with a linger");
                    assert!(cells.contains(&text.as_str()), "{missing}");
                    assert!(
                        terminal.contains(&text) && markdown.contains(&text),
                        "{missing}"
                    );
                }
                assert!(terminal.contains(&system.command) && markdown.contains(&system.command));
            }
        }
        for form in [&terminal, &markdown] {
            assert!(form.contains(&review.fit.verdict.to_string()));
        }
        for point in review.scaling.iter().flat_map(|series| &series.points) {
            for (metric, ..) in metrics::GROWTH {
                let text = metric.measure(&point.system).text();
                assert!(
                    cells.contains(&text.as_str())
                        && terminal.contains(&text)
                        && markdown.contains(&text),
                    "{name}: {text}"
                );
            }
        }
        for point in review.scaling.iter().flat_map(|series| &series.left_out) {
            let here = |text: &str| text.contains("Not measured") && text.contains(&point.name);
            assert!(cells.iter().any(|cell| here(cell)), "{name}: {point:?}");
            let line = format!("not measured: {}, ", point.name);
            assert!(
                terminal.contains(&line) && markdown.contains(&line),
                "{name}: {point:?}"
            );
        }
        if name == "sound" {
            let text = "10,000,000 operations in the history: would take about 47.0 min, more \
                than the limit of 5.00 min";
            assert!(cells.iter().any(|cell| cell.contains(text)));
            assert!(terminal.contains(text) && markdown.contains(text));
        }
    }
}

/// What the verdict assumes and what the runs play differ by orders of magnitude, so both numbers
/// are beside the figures.
#[test]
fn the_terminal_says_what_was_simulated() {
    for run in &fixture::sound().runs {
        assert!(!run.world.settings.is_empty());
        let text = terminal::run(run, 140);
        for setting in &run.world.settings {
            assert!(text.contains(setting.as_str()), "{setting}: {text}");
        }
    }
}

#[test]
fn why_verdict_and_runs_may_disagree_is_said_in_every_form() {
    let said = "The verdict lets 1 s pass before nodes know of each other's changes; here it is \
        about 5 ms except during a fault, so the verdict may count concurrent changes that \
        this run does not have. It also counts every operation after which a state differs from \
        the order of the trace; here, only fields count whose last value no order of the \
        operations explains.";
    let review = fixture::sound();
    let alone = terminal::alone(&review.runs[0], 140);
    assert!(
        alone.contains("lets 10 s pass") && alone.contains("about 5 ms"),
        "{alone}"
    );
    for form in [
        page(&review).unwrap(),
        terminal(&review, 140),
        overview(&review),
    ] {
        assert_eq!(form.matches(said).count(), 1);
    }
    let mut fits = review.clone();
    fits.fit.verdict = Verdict::Fits;
    let mut unknown = review;
    unknown.runs[0].world.latency_ms = None;
    for review in [fits, unknown] {
        for form in [
            page(&review).unwrap(),
            terminal(&review, 140),
            overview(&review),
        ] {
            assert!(!form.contains("the verdict may count"));
        }
    }
}

#[test]
fn what_a_linger_saves_and_costs_is_said_of_both_settings() {
    let mut review = fixture::sound();
    let said = |review: &Review| Pair::all(review)[0].sentence().unwrap();
    assert_eq!(
        said(&review),
        "With 4.5 ms of linger, ATOMiK saves bytes (63.7 B instead of 95.0 B a write) and costs \
         freshness (a change is visible everywhere after 6.67 ms instead of 2.35 ms, median)."
    );
    for form in [
        page(&review).unwrap(),
        terminal(&review, 140),
        overview(&review),
    ] {
        assert!(form.contains(&said(&review)) && form.contains(linger::WHAT));
    }
    let run = &mut review.runs[0];
    let later = &mut run.lingering.as_mut().unwrap().systems[0];
    later.bandwidth.wire_bytes_per_op = 95.5;
    later.latency.visible = run.systems[0].latency.visible.clone();
    let other = said(&review);
    assert!(other.contains("does not save bytes") && other.contains("costs no freshness"));
}

#[test]
fn a_table_of_the_readme_has_the_same_cells_in_every_row() {
    for (name, review) in reviews() {
        let text = overview(&review);
        let grown = review.scaling.iter().filter(|s| !s.points.is_empty());
        let mut systems = review
            .runs
            .iter()
            .flat_map(|run| {
                let lingering = run.lingering.as_ref().map(|it| it.systems.len() + 1);
                [run.systems.len(), lingering.unwrap_or_default()]
            })
            .filter(|&n| n > 0)
            .chain(grown.map(|_| metrics::GROWTH.len() + 1));
        let mut inside = 0;
        for line in text.lines() {
            if !line.starts_with('|') {
                inside = 0;
                continue;
            }
            if inside == 0 {
                inside = systems.next().expect("a table more than there are runs") + 2;
            }
            let bars = line
                .replace("\\\\", "")
                .replace("\\|", "")
                .matches('|')
                .count();
            assert_eq!(bars, inside, "{name}: {line}");
        }
        assert_eq!(systems.next(), None, "{name}");
        // Outside code (commands stand between two backticks here, because they have one) every `<`
        // of a name is escaped.
        for prose in text.split("``").step_by(2) {
            let prose = prose.replace("<br>", "").replace("\\<", "");
            assert!(!prose.contains('<'), "{name}: {prose}");
        }
    }
}

#[test]
fn tables_of_the_terminal_keep_to_its_width() {
    for width in [100, 140, 400] {
        for run in &fixture::sound().runs {
            let text = terminal::run(run, width);
            let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
            assert!(!rows.is_empty());
            for row in &rows {
                assert!(row.chars().count() <= width, "{width}: {row}");
            }
            // Each column is there once for each table.
            let tables = 1 + usize::from(run.lingering.is_some());
            for system in &run.systems {
                let headings = rows.iter().filter(|row| {
                    row.split('|')
                        .any(|cell| cell.trim().trim_end_matches(" !") == system.name)
                });
                assert_eq!(headings.count(), tables, "{width}: {}", system.name);
            }
        }
    }
}

#[test]
fn one_of_a_kind_and_no_name_are_said_as_people_say_them() {
    let mut review = fixture::sound();
    review.fit.trace = "-".into();
    review.fit.keys = 1;
    for run in &mut review.runs {
        run.trace.name = "-".into();
        (run.trace.keys, run.world.nodes) = (1, 1);
    }
    review.scaling[0].left_out[0].x = 1;
    let cells = tags(&page(&review).unwrap());
    let line = |tag: &Tag| format!("{}{}", if tag.name == "li" { "\n" } else { "" }, tag.text);
    let page: String = cells.iter().map(line).collect();
    for text in [page, terminal(&review, 140), overview(&review)] {
        for wrong in ["1 keys", "1 nodes", "1 operations", "“-”", "**-: "] {
            let found = text.lines().find(|line| line.contains(wrong));
            assert_eq!(found, None, "{wrong}");
        }
        assert!(text.contains("standard input") && text.contains("1 operation in the history"));
    }
}

#[test]
fn the_command_writes_what_the_library_makes_and_refuses_another_format() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let command = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_atomik-eval"))
            .arg("report")
            .args(args)
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let review = fixture::rare();
    std::fs::write(file("review.json"), serde_json::to_string(&review).unwrap()).unwrap();
    let done = command(&["review.json", "-o", "page.html"]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(
        std::fs::read_to_string(file("page.html")).unwrap(),
        page(&review).unwrap()
    );
    let done = command(&["review.json", "--format", "markdown"]);
    assert_eq!(String::from_utf8(done.stdout).unwrap(), overview(&review));
    let done = command(&["review.json"]);
    assert!(
        String::from_utf8(done.stdout)
            .unwrap()
            .contains("DOES NOT FIT")
    );

    let mut other = review;
    other.format = FORMAT + 1;
    std::fs::write(file("other.json"), serde_json::to_string(&other).unwrap()).unwrap();
    std::fs::write(file("none.json"), "{\"t\":1}").unwrap();
    for (name, reason) in [
        ("other.json", "format 2"),
        ("none.json", "not a review"),
        ("gone.json", "gone.json"),
    ] {
        let done = command(&[name, "-o", "none.html"]);
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(
            said.contains(reason) && !file("none.html").exists(),
            "{said}"
        );
    }
}

/// The height of a page at 1280 pixels with details closed.
const TALLEST: u32 = 8_000;

/// Phones and desks, light and dark: nothing is cut off, hidden, on top of each other, too faint or
/// too small.
#[test]
fn the_page_is_readable_in_a_browser() {
    let Some(program) = browser::find() else {
        return;
    };
    const PHONES: [(u32, u32); 2] = [(320, 640), (390, 844)];
    const DESK: (u32, u32) = (1280, 800);
    for (name, review) in reviews() {
        let page = page(&review).unwrap();
        let windows: &[(u32, u32)] = match name {
            "example" => &[PHONES[1], DESK],
            "sound" => &[PHONES[0], PHONES[1], DESK],
            "rare" => &[PHONES[0], DESK],
            _ => &[PHONES[1]],
        };
        for &(width, height) in windows {
            let seen = browser::look(&program, name, &page, width, height);
            let here = format!("{name} at {width}, see {}", seen.file.display());
            assert_eq!((seen.light.dark, seen.dark.dark), (false, true), "{here}");
            assert_ne!(seen.light.background, seen.dark.background, "{here}");
            for (findings, offset) in seen.frames() {
                let here = format!("{here}, {}", if findings.dark { "dark" } else { "light" });
                assert_eq!(findings.problems, [""; 0], "{here}");
                assert_eq!(findings.requests, [""; 0], "{here}");
                assert_eq!(findings.width, width, "{here}");
                assert_eq!(findings.answer, 6, "{here}: a verdict and five sentences");
                assert_eq!(findings.verdict, review.fit.verdict.to_string(), "{here}");
                assert!(findings.lines > 50, "{here}: {} lines", findings.lines);
                if width == DESK.0 && ["example", "sound"].contains(&name) {
                    let tall = findings.closed;
                    assert!(tall <= TALLEST, "{here}: {tall} px");
                }
                let coloured = findings.systems as usize;
                match name {
                    "example" => assert_eq!(coloured, review.runs[0].systems.len(), "{here}"),
                    "sound" => assert_eq!(coloured, 7, "{here}"),
                    _ => {}
                }
                let drawn = !review.scaling.is_empty();
                assert_eq!(findings.charts.is_empty(), !drawn, "{here}");
                // What the picture shows, not what the styles promise.
                let background: Vec<u8> = findings
                    .background
                    .split(',')
                    .map(|c| c.parse().unwrap())
                    .collect();
                assert_eq!(
                    seen.picture.at(offset + 2, 2).to_vec(),
                    background,
                    "{here}"
                );
                let (looked_at, missing) = seen.charts_that_show(findings, offset);
                assert_eq!(missing, [""; 0], "{here}");
                // The charts of the other reviews are below where screenshots end.
                assert!(
                    looked_at >= 6 || name != "sound",
                    "{here}: {looked_at} charts"
                );
                if drawn && width < 400 {
                    assert!(
                        findings.scrollers > 0,
                        "{here}: wide tables scroll by themselves"
                    );
                }
            }
        }
    }
}

/// The eyes of the test above: each of these bugs is planted, and must be seen, in light and in
/// dark.
#[test]
fn a_page_that_is_not_readable_is_found_out() {
    let Some(program) = browser::find() else {
        return;
    };
    const BROKEN: &str = r##"
        <div style="height: 9000px">a page that is too tall</div>
        <div style="width: 2000px">wider than the page</div>
        <p style="color: #777; background: #666">grey on grey</p>
        <p>a line</p><p style="margin-top: -2.2em">a line on top of it</p>
        <p style="overflow: hidden; white-space: nowrap; width: 60px">a line that is cut off</p>
        <svg viewBox="0 0 360 20"><text x="350" y="14" font-size="12">beyond its chart</text></svg>
        <img src="https://example.org/x.png" alt="">
    "##;
    let mut page = page(&fixture::sound()).unwrap();
    for (sound, broken) in [
        ("</main>", &format!("{BROKEN}</main>") as &str),
        ("<h1>", "<h1 style=\"padding-top: 900px\">"),
        ("position: sticky", "position: static"),
        ("--s5: #ac054d", "--s5: #0058c8"),
        ("--s5: #e26a72", "--s5: #58b4ec"),
        (".cue { display: block; }", ".cue { display: none; }"),
        (
            "overflow-wrap: break-word; }\ntbody",
            "word-break: break-all; }\ntbody",
        ),
        ("font-size=\"12\"", "font-size=\"8\""),
        // Black, as long as nobody says otherwise, and white: each is lost in one of the schemes.
        ("fill=\"var(--ink)\"", "fill=\"#000000\""),
        ("fill=\"var(--muted)\"", "fill=\"#ffffff\""),
        ("stroke=\"var(--muted)\"", "stroke=\"#000000\""),
        ("stroke=\"var(--ink)\"", "stroke=\"#ffffff\""),
    ] {
        assert!(page.contains(sound), "{sound}");
        page = page.replace(sound, broken);
    }
    // One bar of one chart.
    assert!(page.contains("fill=\"var(--s1)\""));
    page = page.replacen("fill=\"var(--s1)\"", "fill=\"var(--s2)\"", 1);
    let seen = browser::look(&program, "broken", &page, 390, 844);
    for (findings, _) in seen.frames() {
        assert_eq!(findings.requests, ["https://example.org/x.png"]);
        assert!(findings.closed > TALLEST);
        for kind in [
            "page scrolls sideways",
            "beyond the page",
            "contrast of text",
            "texts on top of each other",
            "cut off",
            "label outside its chart",
            "answer is not on the first screen",
            "no cue that a table scrolls",
            "word broken",
            "a system of two colours",
            "systems of like colours",
            "names of rows scroll away",
            "contrast of a chart",
            "text too small",
        ] {
            let found = findings
                .problems
                .iter()
                .any(|p| p.starts_with(&format!("{kind} (")));
            assert!(found, "{kind}: {:#?}", findings.problems);
        }
    }
}
