//! Bars and curves as inline SVG. It takes its colours from the page's style, and its text can be
//! searched and read by screen readers.
//!
//! All charts are 360 units wide, about the width of a phone, so their text stays readable.

use std::collections::BTreeMap;
use std::fmt::Display;

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::format::ReportError;
use atomik_terminal::Unit;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: i32 = 360;
/// plotters divides sizes by this factor to get the SVG `font-size`.
const POINTS: f64 = 1.24;
const TEXT: f64 = 12.0;
/// The least distance between lines of text.
const LINE: i32 = 15;

/// Placeholder colours. plotters has no CSS variables, so each is replaced with the variable that
/// the page defines for the light and the dark theme.
const INK: RGBColor = RGBColor(1, 0, 0);
const MUTED: RGBColor = RGBColor(2, 0, 0);
const GRID: RGBColor = RGBColor(3, 0, 0);

/// The number of series colours of the page, far apart in OKLab in either theme.
pub const COLOURS: usize = 12;

/// The number of the colour of a system.
pub fn style(place: usize) -> usize {
    place % COLOURS
}

fn series(place: usize) -> RGBColor {
    RGBColor(4, 0, style(place) as u8)
}

/// A bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// The name of the system.
    pub name: String,
    /// The index of the system, which gives it the same colour in every chart.
    pub style: usize,
    /// Its length, if there is a figure.
    pub value: Option<f64>,
    /// Where its whisker ends.
    pub whisker: Option<f64>,
    /// The figures as text, or why there are none.
    pub text: String,
    /// Whether it is drawn hollow because it does not compare with the others.
    pub hollow: bool,
}

/// A curve.
#[derive(Clone, Debug)]
pub struct Curve {
    /// The name of the system.
    pub name: String,
    /// The index of the system, which gives it the same colour and mark in every chart.
    pub style: usize,
    /// Its points. Points that are not above zero are not drawn.
    pub points: Vec<(f64, f64)>,
}

/// Horizontal bars from zero, with the name and the figures above each. Negative values extend to
/// the left of zero.
///
/// # Errors
///
/// [`ReportError::Chart`] if the drawing library fails.
pub fn bars(id: &str, title: &str, bars: &[Bar], unit: Unit) -> Result<Markup, ReportError> {
    const PITCH: i32 = 38;
    const THICK: i32 = 9;
    let height = bars.len() as i32 * PITCH + 24;
    let ends = || {
        bars.iter()
            .flat_map(|bar| [bar.value, bar.whisker])
            .flatten()
            .chain([0.0])
    };
    let most = ends().fold(0.0, f64::max);
    let least = ends().fold(0.0, f64::min);
    let span = if most > least { most - least } else { 1.0 };
    let x = |value: f64| 2 + ((value - least) / span * f64::from(WIDTH - 4)).round() as i32;
    let body = draw(height, |area| {
        let bottom = height - 20;
        line(area, &[(x(0.0), 2), (x(0.0), bottom)], MUTED, 1)?;
        for (place, bar) in bars.iter().enumerate() {
            let top = place as i32 * PITCH;
            let figures = fitting(&bar.text, WIDTH / 2 + 40);
            let room = WIDTH - estimate(&figures) - 14;
            text(
                area,
                &fitting(&bar.name, room),
                (6, top + 2),
                HPos::Left,
                INK,
            )?;
            text(area, &figures, (WIDTH - 2, top + 2), HPos::Right, INK)?;
            let Some(value) = bar.value else { continue };
            let (from, to) = (top + 19, top + 19 + THICK);
            // A bar that is not zero is at least one unit wide.
            let (left, right) = match (x(value.min(0.0)), x(value.max(0.0))) {
                (left, right) if left == right && value != 0.0 => (left, right + 1),
                ends => ends,
            };
            if bar.hollow {
                let outline = [
                    (left, from),
                    (right, from),
                    (right, to),
                    (left, to),
                    (left, from),
                ];
                line(area, &outline, series(bar.style), 2)?;
            } else if right > left {
                area.draw(&Rectangle::new(
                    [(left, from), (right, to)],
                    series(bar.style).filled(),
                ))?;
            }
            if let Some(whisker) = bar.whisker {
                let middle = from + THICK / 2;
                line(area, &[(x(value), middle), (x(whisker), middle)], INK, 1)?;
                line(
                    area,
                    &[(x(whisker), from + 1), (x(whisker), to - 1)],
                    INK,
                    1,
                )?;
            }
        }
        line(area, &[(2, bottom), (WIDTH - 2, bottom)], GRID, 1)?;
        if least < 0.0 {
            text(area, &unit.mark(least), (2, bottom + 5), HPos::Left, MUTED)?;
        }
        if most > 0.0 {
            text(
                area,
                &unit.mark(most),
                (WIDTH - 2, bottom + 5),
                HPos::Right,
                MUTED,
            )?;
        }
        // The zero label, unless the label of an end is in its place.
        let zero = x(0.0);
        let at = if least == 0.0 {
            Some(HPos::Left)
        } else if most == 0.0 {
            Some(HPos::Right)
        } else {
            (70..290).contains(&zero).then_some(HPos::Center)
        };
        if let Some(at) = at {
            text(area, "0", (zero, bottom + 5), at, MUTED)?;
        }
        Ok(())
    })
    .map_err(failed(title))?;
    let values: Vec<String> = bars
        .iter()
        .map(|bar| format!("{}: {}", bar.name, bar.text))
        .collect();
    let desc = format!("Bars from zero. {}.", values.join("; "));
    Ok(svg(id, title, &desc, height, &body))
}

/// Curves on two logarithmic axes, each labelled at its end. `None` if no point is above zero.
///
/// # Errors
///
/// [`ReportError::Chart`] if the drawing library fails.
pub fn curves(
    id: &str,
    title: &str,
    curves: &[Curve],
    along: &str,
    unit: Unit,
) -> Result<Option<Markup>, ReportError> {
    const LEFT: i32 = 60;
    const RIGHT: i32 = WIDTH - 140;
    const TOP: i32 = 10;
    let drawn: Vec<Curve> = curves
        .iter()
        .map(|curve| Curve {
            points: sorted(
                curve
                    .points
                    .iter()
                    .copied()
                    .filter(|p| p.0 > 0.0 && p.1 > 0.0),
            ),
            ..curve.clone()
        })
        .filter(|curve| !curve.points.is_empty())
        .collect();
    let points = || drawn.iter().flat_map(|curve| &curve.points);
    let Some((x_range, y_range)) = range(points().map(|p| p.0)).zip(range(points().map(|p| p.1)))
    else {
        return Ok(None);
    };
    let bottom = TOP + (drawn.len() as i32 * LINE).max(190);
    let height = bottom + 38;
    let x = |value: f64| LEFT + (x_range.share(value) * f64::from(RIGHT - LEFT)).round() as i32;
    let y = |value: f64| bottom - (y_range.share(value) * f64::from(bottom - TOP)).round() as i32;

    let body = draw(height, |area| {
        for value in thinned(y_range.marks(), y, |_| LINE + 4) {
            line(area, &[(LEFT, y(value)), (RIGHT, y(value))], GRID, 1)?;
            let label = fitting(&unit.mark(value), LEFT - 10);
            centred(area, &label, (LEFT - 9, y(value)), HPos::Right, MUTED)?;
        }
        // A mark for each measurement.
        let measured: BTreeMap<u64, f64> = points().map(|p| (p.0.to_bits(), p.0)).collect();
        let measured = sorted(measured.into_values().map(|x| (x, 0.0)));
        let width = |value: f64| estimate(&Unit::Count.mark(value)) + 8;
        for value in thinned(measured.iter().map(|p| p.0).collect(), x, width) {
            line(
                area,
                &[(x(value), bottom), (x(value), bottom + 4)],
                MUTED,
                1,
            )?;
            let label = Unit::Count.mark(value);
            text(area, &label, (x(value), bottom + 7), HPos::Center, MUTED)?;
        }
        line(area, &[(LEFT, bottom), (RIGHT, bottom)], MUTED, 1)?;
        let middle = (LEFT + RIGHT) / 2;
        let along = fitting(along, 2 * middle - 4);
        text(area, &along, (middle, bottom + 22), HPos::Center, MUTED)?;

        let lasts: Vec<i32> = drawn
            .iter()
            .map(|curve| curve.points.last().map_or(bottom, |p| y(p.1)))
            .collect();
        for (curve, at) in drawn.iter().zip(apart(&lasts, TOP, bottom)) {
            let places: Vec<(i32, i32)> = curve.points.iter().map(|p| (x(p.0), y(p.1))).collect();
            let colour = series(curve.style);
            line(area, &places, colour, 2)?;
            for &place in &places {
                mark(area, place, curve.style)?;
            }
            let name = fitting(&curve.name, WIDTH - RIGHT - 20);
            if let Some(&end) = places.last() {
                line(area, &[end, (RIGHT + 6, at), (RIGHT + 14, at)], colour, 1)?;
            }
            centred(area, &name, (RIGHT + 18, at), HPos::Left, INK)?;
        }
        Ok(())
    })
    .map_err(failed(title))?;
    let said: Vec<String> = drawn
        .iter()
        .filter_map(|curve| {
            let (first, last) = (curve.points.first()?, curve.points.last()?);
            let (from, to) = (unit.show(first.1), unit.show(last.1));
            let (at, until) = (Unit::Count.show(first.0), Unit::Count.show(last.0));
            Some(format!("{}: {from} at {at}, {to} at {until}", curve.name))
        })
        .collect();
    let desc = format!(
        "Curves over {along}, both axes logarithmic. {}.",
        said.join("; ")
    );
    Ok(Some(svg(id, title, &desc, height, &body)))
}

fn sorted(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut points: Vec<_> = points.collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// A logarithmic axis, with room for at least one mark.
#[derive(Clone, Copy)]
struct Range {
    from: f64,
    to: f64,
}

fn range(values: impl Iterator<Item = f64>) -> Option<Range> {
    let (from, to) = values.fold((f64::INFINITY, 0.0), |(from, to): (f64, f64), value| {
        (from.min(value), to.max(value))
    });
    if from > to {
        return None;
    }
    // 1, 2, 5, 10: neighbours differ by a factor of at most 2.5.
    let room = if to / from < 4.0 { 2.0 } else { 1.0 };
    Some(Range {
        from: from / room,
        to: to * room,
    })
}

impl Range {
    fn share(&self, value: f64) -> f64 {
        (value / self.from).log10() / (self.to / self.from).log10()
    }

    /// Decades, or 1, 2 and 5 per decade if there are few.
    fn marks(&self) -> Vec<f64> {
        let (from, to) = (
            self.from.log10().floor() as i32,
            self.to.log10().ceil() as i32,
        );
        let steps: &[f64] = if to - from > 3 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        (from..=to)
            .flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)))
            .filter(|&mark| mark >= self.from * 0.999 && mark <= self.to * 1.001)
            .collect()
    }
}

/// The marks whose labels do not overlap.
fn thinned(marks: Vec<f64>, at: impl Fn(f64) -> i32, room: impl Fn(f64) -> i32) -> Vec<f64> {
    let mut kept: Vec<f64> = Vec::new();
    for mark in marks {
        let free = kept
            .last()
            .is_none_or(|&last| (at(mark) - at(last)).abs() >= (room(mark) + room(last)) / 2);
        if free {
            kept.push(mark);
        }
    }
    kept
}

/// Label positions near the wanted ones, in order, at least a line apart, and within the limits if
/// there is room.
fn apart(wanted: &[i32], top: i32, bottom: i32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&i| wanted.get(i).copied());
    let mut places = wanted.to_vec();
    let mut free = top;
    for &i in &order {
        if let Some(place) = places.get_mut(i) {
            *place = (*place).max(free);
            free = *place + LINE;
        }
    }
    let mut free = bottom;
    for &i in order.iter().rev() {
        if let Some(place) = places.get_mut(i) {
            *place = (*place).min(free);
            free = *place - LINE;
        }
    }
    places
}

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn draw(height: i32, what: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, impl Display> {
    let mut text = String::new();
    let size = (WIDTH as u32, height.max(1) as u32);
    let result = {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        what(&area).and_then(|()| area.present())
    };
    result.map(|()| text)
}

fn failed<E: Display>(chart: &str) -> impl FnOnce(E) -> ReportError {
    let chart = chart.to_owned();
    move |error| ReportError::Chart {
        chart,
        reason: error.to_string(),
    }
}

fn line(area: &Area<'_>, points: &[(i32, i32)], colour: RGBColor, width: u32) -> Drawn {
    area.draw(&PathElement::new(
        points.to_vec(),
        colour.stroke_width(width),
    ))
}

fn text(area: &Area<'_>, text: &str, at: (i32, i32), from: HPos, colour: RGBColor) -> Drawn {
    label(area, text, at, Pos::new(from, VPos::Top), colour)
}

fn centred(area: &Area<'_>, text: &str, at: (i32, i32), from: HPos, colour: RGBColor) -> Drawn {
    label(area, text, at, Pos::new(from, VPos::Center), colour)
}

fn label(area: &Area<'_>, text: &str, at: (i32, i32), pos: Pos, colour: RGBColor) -> Drawn {
    let style = ("sans-serif", TEXT * POINTS)
        .into_font()
        .color(&colour)
        .pos(pos);
    area.draw(&Text::new(text.to_owned(), at, style))
}

/// The mark of a series. Five shapes and seven colours distinguish 35 series.
fn mark(area: &Area<'_>, at: (i32, i32), place: usize) -> Drawn {
    let (x, y) = at;
    let colour = series(place);
    let polygon = |corners: &[(i32, i32)]| {
        let corners: Vec<_> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
        area.draw(&Polygon::new(corners, colour.filled()))
    };
    match place % 5 {
        0 => area.draw(&Circle::new(at, 4, colour.filled())),
        1 => polygon(&[(-4, -4), (4, -4), (4, 4), (-4, 4)]),
        2 => polygon(&[(0, -5), (5, 4), (-5, 4)]),
        3 => polygon(&[(0, -5), (5, 0), (0, 5), (-5, 0)]),
        _ => polygon(&[(0, 5), (5, -4), (-5, -4)]),
    }
}

/// The approximate width of a text, rounded up because fonts differ.
fn estimate(text: &str) -> i32 {
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

/// The text, truncated with an ellipsis if it does not fit.
fn fitting(text: &str, room: i32) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
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
    format!("{}…", short.trim_end())
}

/// An SVG with a title, in the colours of the page.
fn svg(id: &str, title: &str, desc: &str, height: i32, drawn: &str) -> Markup {
    let inner = drawn
        .split_once('>')
        .and_then(|(_, rest)| rest.rsplit_once("</svg>"))
        .map_or("", |(inner, _)| inner);
    // Quotation marks in text are written as `&quot;`, so this only replaces attributes.
    let mut inner = inner.to_owned();
    let named = [(INK, "ink"), (MUTED, "muted"), (GRID, "grid")];
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
        fn labels_are_a_line_apart_in_order_and_inside(
            wanted in prop::collection::vec(0..200i32, 1..14),
        ) {
            let (top, bottom) = (0, 200);
            let places = apart(&wanted, top, bottom);
            let mut both: Vec<(i32, i32)> = wanted.iter().copied().zip(places).collect();
            both.sort();
            let mut places: Vec<i32> = both.iter().map(|b| b.1).collect();
            prop_assert!(places.iter().all(|&p| (top..=bottom).contains(&p)), "{both:?}");
            places.sort_unstable();
            prop_assert!(places.windows(2).all(|p| p[1] - p[0] >= LINE), "{both:?}");
        }

        #[test]
        fn an_axis_has_marks_and_all_of_its_values(
            values in prop::collection::vec(-9.0..20.0f64, 1..5),
        ) {
            let range = range(values.iter().map(|v| 10f64.powf(*v))).unwrap();
            prop_assert!(!range.marks().is_empty());
            for value in values {
                let share = range.share(10f64.powf(value));
                prop_assert!((-1e-9..=1.0 + 1e-9).contains(&share), "{share}");
            }
        }

        #[test]
        fn a_text_that_is_cut_fits(text in "\\PC{0,60}", room in 40..300i32) {
            prop_assert!(estimate(&fitting(&text, room)) <= room);
        }
    }

    #[test]
    fn a_bar_is_as_long_as_its_share_of_the_longest() {
        let bar = |value| Bar {
            name: "n".into(),
            style: 0,
            value: Some(value),
            whisker: None,
            text: "t".into(),
            hollow: false,
        };
        let drawn = bars("i", "t", &[bar(50.0), bar(200.0)], Unit::Bytes)
            .unwrap()
            .into_string();
        let widths: Vec<f64> = drawn
            .split("<rect")
            .skip(1)
            .filter_map(|rect| {
                rect.split("width=\"")
                    .nth(1)?
                    .split('"')
                    .next()?
                    .parse()
                    .ok()
            })
            .collect();
        assert_eq!(widths, [89.0, 356.0]);
    }

    #[test]
    fn nothing_above_zero_makes_no_curve() {
        let curve = Curve {
            name: "n".into(),
            style: 0,
            points: vec![(10.0, 0.0), (0.0, 5.0)],
        };
        assert!(
            curves("i", "t", &[curve], "x", Unit::Bytes)
                .unwrap()
                .is_none()
        );
    }
}
