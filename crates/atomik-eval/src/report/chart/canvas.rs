//! What charts are drawn with: text, lines and marks, in the colours of the page.

use std::fmt::Display;

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::report::format::ReportError;

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub const WIDTH: i32 = 360;
/// plotters divides sizes by this factor to get the SVG `font-size`.
pub const POINTS: f64 = 1.24;
pub const TEXT: f64 = 12.0;
/// The least distance between lines of text.
pub const LINE: i32 = 15;

/// Placeholder colours. plotters has no CSS variables, so each is replaced with the variable that
/// the page defines for the light and the dark theme.
pub const INK: RGBColor = RGBColor(1, 0, 0);
/// As [`INK`], and bold.
pub const STRONG: RGBColor = RGBColor(1, 1, 0);
pub const MUTED: RGBColor = RGBColor(2, 0, 0);
pub const GRID: RGBColor = RGBColor(3, 0, 0);

/// The number of series colours of the page, far apart in OKLab in either theme.
pub const COLOURS: usize = 12;

/// The number of the colour of a system.
pub fn style(place: usize) -> usize {
    place % COLOURS
}

pub fn series(place: usize) -> RGBColor {
    RGBColor(4, 0, style(place) as u8)
}

pub type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

pub fn draw(height: i32, what: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, impl Display> {
    let mut text = String::new();
    let size = (WIDTH as u32, height.max(1) as u32);
    let result = {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        what(&area).and_then(|()| area.present())
    };
    result.map(|()| text)
}

pub fn failed<E: Display>(chart: &str) -> impl FnOnce(E) -> ReportError {
    let chart = chart.to_owned();
    move |error| ReportError::Chart {
        chart,
        reason: error.to_string(),
    }
}

pub fn line(area: &Area<'_>, points: &[(i32, i32)], colour: RGBColor, width: u32) -> Drawn {
    area.draw(&PathElement::new(
        points.to_vec(),
        colour.stroke_width(width),
    ))
}

pub fn text(area: &Area<'_>, text: &str, at: (i32, i32), from: HPos, colour: RGBColor) -> Drawn {
    label(area, text, at, Pos::new(from, VPos::Top), colour)
}

pub fn centred(area: &Area<'_>, text: &str, at: (i32, i32), from: HPos, colour: RGBColor) -> Drawn {
    label(area, text, at, Pos::new(from, VPos::Center), colour)
}

fn label(area: &Area<'_>, text: &str, at: (i32, i32), pos: Pos, colour: RGBColor) -> Drawn {
    // What is highlighted is bold.
    let weight = if colour == STRONG {
        FontStyle::Bold
    } else {
        FontStyle::Normal
    };
    let style = ("sans-serif", TEXT * POINTS)
        .into_font()
        .style(weight)
        .color(&colour)
        .pos(pos);
    area.draw(&Text::new(text.to_owned(), at, style))
}

/// The mark of a system. Five shapes and twelve colours distinguish 60 systems.
pub fn mark(area: &Area<'_>, at: (i32, i32), place: usize, look: Look) -> Drawn {
    let (x, y) = at;
    let colour = series(place);
    let size = if look.ours { 6 } else { 4 };
    let polygon = |corners: &[(i32, i32)]| {
        let corners = corners.iter().map(|(dx, dy)| (x + dx, y + dy));
        let corners: Vec<_> = corners.collect();
        if look.hollow {
            let closed: Vec<_> = corners.iter().chain(corners.first()).copied().collect();
            line(area, &closed, colour, 2)
        } else {
            area.draw(&Polygon::new(corners, colour.filled()))
        }
    };
    match place % 5 {
        0 if look.hollow => area.draw(&Circle::new(at, size, colour.stroke_width(2))),
        0 => area.draw(&Circle::new(at, size, colour.filled())),
        1 => polygon(&[(-size, -size), (size, -size), (size, size), (-size, size)]),
        2 => polygon(&[(0, -size - 1), (size + 1, size), (-size - 1, size)]),
        3 => polygon(&[(0, -size - 1), (size + 1, 0), (0, size + 1), (-size - 1, 0)]),
        _ => polygon(&[(0, size + 1), (size + 1, -size), (-size - 1, -size)]),
    }
}

/// What sets the marks of a system apart besides its colour and shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Whether it is the system that the evaluation is about, which is drawn larger.
    pub ours: bool,
    /// Whether it is drawn hollow because it does not compare with the others.
    pub hollow: bool,
}

/// The approximate width of a text, rounded up because fonts differ.
pub fn estimate(text: &str) -> i32 {
    let em: f64 = text
        .chars()
        .map(|c| match c {
            'm' | 'w' | 'M' | 'W' | '@' | '%' | '×' | '−' => 1.0,
            'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' => 0.36,
            'A'..='Z' | '<' | '>' | '+' | '=' | '~' | '_' => 0.8,
            ' '..='~' => 0.64,
            _ => 1.1,
        })
        .sum();
    (em * TEXT).ceil() as i32
}

/// Words up to this many characters stay whole.
const WORD: usize = 20;

/// The text, truncated with an ellipsis if it does not fit: between words, unless the next word has
/// no end.
pub fn fitting(text: &str, room: i32) -> String {
    let text = printable(text);
    if estimate(&text) <= room {
        return text;
    }
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if estimate(&format!("{short}…")) > room {
            short.pop();
            break;
        }
    }
    let rest = text.get(short.len()..).unwrap_or_default();
    if let Some((before, start)) = short.rsplit_once(' ')
        && !rest.starts_with(' ')
    {
        let end = rest.split(' ').next().unwrap_or_default();
        if start.chars().count() + end.chars().count() <= WORD {
            short = before.to_owned();
        }
    }
    format!("{}…", short.trim_end())
}

/// The text on at most two lines, each of which fits.
pub fn wrapped(text: &str, room: i32) -> Vec<String> {
    let text = printable(text);
    if estimate(&text) <= room {
        return vec![text];
    }
    let mut spaces = text.match_indices(' ').map(|(at, _)| text.split_at(at));
    let last = spaces.rfind(|(first, _)| estimate(first) <= room);
    match last {
        Some((first, second)) if !first.trim().is_empty() => {
            vec![first.to_owned(), fitting(second.trim_start(), room)]
        }
        _ => vec![fitting(&text, room)],
    }
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// An SVG with a title, in the colours of the page.
pub fn svg(id: &str, title: &str, desc: &str, height: i32, drawn: &str) -> Markup {
    let inner = drawn
        .split_once('>')
        .and_then(|(_, rest)| rest.rsplit_once("</svg>"))
        .map_or("", |(inner, _)| inner);
    // Quotation marks in text are written as `&quot;`, so this only replaces attributes.
    let mut inner = inner.to_owned();
    let named = [
        (INK, "ink"),
        (STRONG, "ink"),
        (MUTED, "muted"),
        (GRID, "grid"),
    ];
    for (colour, name) in named {
        inner = inner.replace(&hex(colour), &format!("\"var(--{name})\""));
    }
    for place in 0..COLOURS {
        inner = inner.replace(&hex(series(place)), &format!("\"var(--s{place})\""));
    }
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-labelledby=(format!("\
            {id}-title {id}-desc")) {
            title id=(format!("{id}-title")) { (title) }
            desc id=(format!("{id}-desc")) { (desc) }
            (PreEscaped(inner))
        }
    }
}

fn hex(colour: RGBColor) -> String {
    format!("\"#{:02X}{:02X}{:02X}\"", colour.0, colour.1, colour.2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_that_is_cut_fits(text in "\\PC{0,60}", room in 40..300i32) {
            prop_assert!(estimate(&fitting(&text, room)) <= room);
            for line in wrapped(&text, room) {
                prop_assert!(estimate(&line) <= room);
            }
        }

        #[test]
        fn a_short_word_is_not_cut(words in prop::collection::vec("[a-z]{1,9}", 1..9)) {
            let text = words.join(" ");
            let lines = wrapped(&text, 120);
            prop_assert!(lines.len() <= 2);
            for word in lines.iter().flat_map(|line| line.trim_end_matches('…').split(' ')) {
                prop_assert!(words.iter().any(|whole| whole == word), "{:?}", lines);
            }
        }
    }

    #[test]
    fn a_name_of_several_words_has_two_lines() {
        let lines = wrapped("Event log with snapshots", 120);
        assert_eq!(lines, ["Event log with", "snapshots"]);
    }
}
