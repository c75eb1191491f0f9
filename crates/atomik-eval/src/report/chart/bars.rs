//! Horizontal bars.

use maud::Markup;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::axis::{range, thinned};
use super::canvas::{
    Area, Drawn, GRID, INK, Look, MUTED, STRONG, WIDTH, draw, estimate, failed, fitting, line,
    mark, series, svg, text,
};
use crate::report::format::ReportError;
use atomik_terminal::Unit;

/// A bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// The name of the system.
    pub name: String,
    /// The index of the system, which gives it the same colour and mark in every chart.
    pub style: usize,
    /// Whether it is the system that the evaluation is about, which is highlighted.
    pub ours: bool,
    /// Its length, if there is a figure.
    pub value: Option<f64>,
    /// Where its whisker ends.
    pub whisker: Option<f64>,
    /// The figures as text, or why there are none.
    pub text: String,
    /// Whether it is drawn hollow because it does not compare with the others.
    pub hollow: bool,
}

impl Bar {
    fn look(&self) -> Look {
        Look {
            ours: self.ours,
            hollow: self.hollow,
        }
    }
}

/// From this ratio of the highest to the lowest figure on, bars are marks on a logarithmic axis:
/// the shortest would be invisible.
const DECADES: f64 = 30.0;

const PITCH: i32 = 35;

/// Whether the axis of these bars is logarithmic.
pub fn span_decades(bars: &[Bar]) -> bool {
    let ends = || {
        bars.iter()
            .flat_map(|bar| [bar.value, bar.whisker])
            .flatten()
    };
    let least = ends().fold(f64::INFINITY, f64::min);
    let most = ends().fold(0.0, f64::max);
    least > 0.0 && most / least >= DECADES
}

/// Horizontal bars from zero, with the name and the figures above each. Negative values extend to
/// the left of zero. Values that span decades are marks on a logarithmic axis.
///
/// # Errors
///
/// [`ReportError::Chart`] if the drawing library fails.
pub fn bars(id: &str, title: &str, bars: &[Bar], unit: Unit) -> Result<Markup, ReportError> {
    let height = bars.len() as i32 * PITCH + 24;
    let wide = span_decades(bars);
    let body = draw(height, |area| {
        if wide {
            marks(area, height, bars, unit)
        } else {
            lengths(area, height, bars, unit)
        }
    })
    .map_err(failed(title))?;
    let values: Vec<String> = bars
        .iter()
        .map(|bar| format!("{}: {}", bar.name, bar.text))
        .collect();
    let kind = if wide {
        "Marks on a logarithmic axis"
    } else {
        "Bars from zero"
    };
    let desc = format!("{kind}. {}.", values.join("; "));
    Ok(svg(id, title, &desc, height, &body))
}

/// The name and the figures above a bar.
fn heading(area: &Area<'_>, bar: &Bar, top: i32) -> Drawn {
    let figures = fitting(&bar.text, WIDTH / 2 + 40);
    let room = WIDTH - estimate(&figures) - 14;
    let ink = if bar.ours { STRONG } else { INK };
    text(
        area,
        &fitting(&bar.name, room),
        (6, top + 2),
        HPos::Left,
        ink,
    )?;
    text(area, &figures, (WIDTH - 2, top + 2), HPos::Right, ink)
}

/// From where to where a bar reaches, from top to bottom.
fn thickness(bar: &Bar, top: i32) -> (i32, i32) {
    if bar.ours {
        (top + 18, top + 31)
    } else {
        (top + 20, top + 28)
    }
}

fn whisker(area: &Area<'_>, bar: &Bar, top: i32, x: impl Fn(f64) -> i32) -> Drawn {
    let Some((value, end)) = bar.value.zip(bar.whisker) else {
        return Ok(());
    };
    let (from, to) = thickness(bar, top);
    let middle = i32::midpoint(from, to);
    line(area, &[(x(value), middle), (x(end), middle)], INK, 1)?;
    line(area, &[(x(end), middle - 4), (x(end), middle + 4)], INK, 1)
}

fn lengths(area: &Area<'_>, height: i32, bars: &[Bar], unit: Unit) -> Drawn {
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
    let bottom = height - 20;
    line(area, &[(x(0.0), 2), (x(0.0), bottom)], MUTED, 1)?;
    for (place, bar) in bars.iter().enumerate() {
        let top = place as i32 * PITCH;
        heading(area, bar, top)?;
        let Some(value) = bar.value else { continue };
        let (from, to) = thickness(bar, top);
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
        whisker(area, bar, top, x)?;
    }
    line(area, &[(2, bottom), (WIDTH - 2, bottom)], GRID, 1)?;
    let end =
        |value: f64, at: (i32, i32), from: HPos| text(area, &unit.mark(value), at, from, MUTED);
    if least < 0.0 {
        end(least, (2, bottom + 5), HPos::Left)?;
    }
    if most > 0.0 {
        end(most, (WIDTH - 2, bottom + 5), HPos::Right)?;
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
}

fn marks(area: &Area<'_>, height: i32, bars: &[Bar], unit: Unit) -> Drawn {
    const EDGE: i32 = 9;
    let ends = bars.iter().flat_map(|bar| [bar.value, bar.whisker]);
    let Some(axis) = range(ends.flatten()) else {
        return Ok(());
    };
    let x = |value: f64| EDGE + (axis.share(value) * f64::from(WIDTH - 2 * EDGE)).round() as i32;
    let bottom = height - 20;
    let room = |value: f64| 2 * estimate(&unit.mark(value)) + 8;
    for value in thinned(axis.marks(), x, room) {
        line(area, &[(x(value), 2), (x(value), bottom)], GRID, 1)?;
        let label = unit.mark(value);
        let half = estimate(&label) / 2;
        let (at, from) = match x(value) {
            at if at < half => (1, HPos::Left),
            at if at > WIDTH - half => (WIDTH - 1, HPos::Right),
            at => (at, HPos::Center),
        };
        text(area, &label, (at, bottom + 5), from, MUTED)?;
    }
    line(area, &[(2, bottom), (WIDTH - 2, bottom)], GRID, 1)?;
    for (place, bar) in bars.iter().enumerate() {
        let top = place as i32 * PITCH;
        heading(area, bar, top)?;
        let Some(value) = bar.value else { continue };
        whisker(area, bar, top, x)?;
        let (from, to) = thickness(bar, top);
        let middle = i32::midpoint(from, to);
        mark(area, (x(value), middle), bar.style, bar.look())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(value: f64) -> Bar {
        Bar {
            name: "n".into(),
            style: 0,
            ours: false,
            value: Some(value),
            whisker: None,
            text: "t".into(),
            hollow: false,
        }
    }

    fn attributes(drawn: &str, tag: &str, attribute: &str) -> Vec<f64> {
        drawn
            .split(&format!("<{tag} "))
            .skip(1)
            .filter_map(|shape| {
                let (_, rest) = shape.split_once(&format!("{attribute}=\""))?;
                rest.split('"').next()?.parse().ok()
            })
            .collect()
    }

    #[test]
    fn a_bar_is_as_long_as_its_share_of_the_longest() {
        let drawn = bars("i", "t", &[bar(50.0), bar(200.0)], Unit::Bytes).unwrap();
        let widths = attributes(&drawn.into_string(), "rect", "width");
        assert_eq!(widths, [89.0, 356.0]);
    }

    #[test]
    fn values_that_span_decades_are_marks_at_equal_distances_for_equal_factors() {
        let drawn = bars("i", "t", &[bar(1.0), bar(100.0), bar(1e4)], Unit::Bytes).unwrap();
        let drawn = drawn.into_string();
        assert_eq!(attributes(&drawn, "circle", "cx"), [9.0, 180.0, 351.0]);
        assert!(!drawn.contains("<rect"));
    }
}
