//! Curves on two logarithmic axes.

use std::collections::BTreeMap;

use maud::Markup;
use plotters::style::text_anchor::HPos;

use super::axis::{range, sorted, thinned};
use super::canvas::{
    GRID, INK, LINE, Look, MUTED, STRONG, WIDTH, centred, draw, estimate, failed, fitting, line,
    mark, series, svg, text, wrapped,
};
use crate::report::format::ReportError;
use atomik_terminal::Unit;

/// A curve.
#[derive(Clone, Debug)]
pub struct Curve {
    /// The name of the system.
    pub name: String,
    /// The index of the system, which gives it the same colour and mark in every chart.
    pub style: usize,
    /// Whether it is the system that the evaluation is about, which is highlighted.
    pub ours: bool,
    /// Its points. Points that are not above zero are not drawn.
    pub points: Vec<(f64, f64)>,
}

/// A chart of curves.
#[derive(Debug)]
pub struct Curves {
    /// The chart.
    pub svg: Markup,
    /// The names of curves less than a pixel apart, which are drawn side by side.
    pub equal: Vec<Vec<String>>,
}

/// How far equal curves are moved aside.
const ASIDE: i32 = 4;

/// The distance between the lines of a label.
const PITCH: i32 = 14;

/// The height of a label with this many lines, which is even.
fn tall(lines: usize) -> i32 {
    PITCH * lines as i32 + 2
}

/// Curves on two logarithmic axes, each labelled at its end. Curves that are equal are drawn
/// side by side. `None` if no point is above zero.
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
) -> Result<Option<Curves>, ReportError> {
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
    let labels: Vec<Vec<String>> = drawn
        .iter()
        .map(|curve| wrapped(&curve.name, WIDTH - RIGHT - 20))
        .collect();
    let heights: Vec<i32> = labels.iter().map(|lines| tall(lines.len())).collect();
    let bottom = TOP + heights.iter().sum::<i32>().max(190);
    let height = bottom + 38;
    let x = |value: f64| LEFT + (x_range.share(value) * f64::from(RIGHT - LEFT)).round() as i32;
    // Curves that are moved aside stay above the axis.
    let low = bottom - 3 * ASIDE;
    let y = |value: f64| low - (y_range.share(value) * f64::from(low - TOP)).round() as i32;

    let mut paths: Vec<Vec<(i32, i32)>> = drawn
        .iter()
        .map(|curve| curve.points.iter().map(|p| (x(p.0), y(p.1))).collect())
        .collect();
    let groups = equal(&paths);
    for group in &groups {
        for (number, &place) in group.iter().enumerate() {
            let aside = (2 * number as i32 - group.len() as i32 + 1) * ASIDE / 2;
            for point in paths.get_mut(place).into_iter().flatten() {
                point.1 += aside;
            }
        }
    }
    let name = |place: usize| drawn.get(place).map(|curve| curve.name.clone());
    let groups: Vec<Vec<String>> = groups
        .into_iter()
        .map(|group| group.into_iter().filter_map(name).collect())
        .collect();

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

        let lasts: Vec<i32> = paths
            .iter()
            .map(|path| path.last().map_or(bottom, |end| end.1))
            .collect();
        let places = apart(&lasts, &heights, TOP, bottom);
        // What is highlighted is drawn last, on top of the others.
        let mut order: Vec<usize> = (0..drawn.len()).collect();
        order.sort_by_key(|&place| drawn.get(place).is_some_and(|curve| curve.ours));
        for place in order {
            let (Some(curve), Some(path), Some(lines), Some(&at)) = (
                drawn.get(place),
                paths.get(place),
                labels.get(place),
                places.get(place),
            ) else {
                continue;
            };
            let colour = series(curve.style);
            line(area, path, colour, if curve.ours { 3 } else { 2 })?;
            let look = Look {
                ours: curve.ours,
                hollow: false,
            };
            for &point in path {
                mark(area, point, curve.style, look)?;
            }
            if let Some(&end) = path.last() {
                line(area, &[end, (RIGHT + 6, at), (RIGHT + 14, at)], colour, 1)?;
            }
            let ink = if curve.ours { STRONG } else { INK };
            let first = at - (lines.len() as i32 - 1) * PITCH / 2;
            for (row, name) in lines.iter().enumerate() {
                let at = first + row as i32 * PITCH;
                centred(area, name, (RIGHT + 18, at), HPos::Left, ink)?;
            }
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
    Ok(Some(Curves {
        svg: svg(id, title, &desc, height, &body),
        equal: groups,
    }))
}

/// Groups of paths that lie on each other: where one has a point, all have it, or end before.
fn equal(paths: &[Vec<(i32, i32)>]) -> Vec<Vec<usize>> {
    let same = |one: &[(i32, i32)], other: &[(i32, i32)]| {
        let near = |(a, b): (&(i32, i32), &(i32, i32))| a.0 == b.0 && (a.1 - b.1).abs() <= 1;
        !one.is_empty() && !other.is_empty() && one.iter().zip(other).all(near)
    };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (place, path) in paths.iter().enumerate() {
        let on = |group: &Vec<usize>| {
            let first = group.first().and_then(|&first| paths.get(first));
            first.is_some_and(|first| same(first, path))
        };
        match groups.iter_mut().find(|group| on(group)) {
            Some(group) => group.push(place),
            None => groups.push(vec![place]),
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}

/// The middles of labels of these heights near the wanted places, in order, none on another, and
/// within the limits if there is room.
fn apart(wanted: &[i32], heights: &[i32], top: i32, bottom: i32) -> Vec<i32> {
    let half = |place: usize| heights.get(place).map_or(LINE, |height| *height) / 2;
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&i| wanted.get(i).copied());
    let mut places = wanted.to_vec();
    let mut free = top - LINE / 2;
    for &i in &order {
        if let Some(place) = places.get_mut(i) {
            *place = (*place).max(free + half(i));
            free = *place + half(i);
        }
    }
    let mut free = bottom + LINE / 2;
    for &i in order.iter().rev() {
        if let Some(place) = places.get_mut(i) {
            *place = (*place).min(free - half(i));
            free = *place - half(i);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn labels_are_apart_in_order_and_inside(
            wanted in prop::collection::vec((0..200i32, 1..3usize), 1..14),
        ) {
            let heights: Vec<i32> = wanted.iter().map(|(_, lines)| tall(*lines)).collect();
            let wanted: Vec<i32> = wanted.into_iter().map(|(at, _)| at).collect();
            let room = heights.iter().sum::<i32>();
            let (top, bottom) = (0, room.max(200));
            let places = apart(&wanted, &heights, top, bottom);
            let mut both: Vec<(i32, i32, i32)> = wanted
                .iter()
                .zip(&places)
                .zip(&heights)
                .map(|((&wanted, &place), &height)| (wanted, place, height))
                .collect();
            both.sort();
            prop_assert!(both.iter().all(|b| b.1 >= top && b.1 <= bottom), "{:?}", both);
            both.sort_by_key(|b| b.1);
            for two in both.windows(2) {
                prop_assert!(two[1].1 - two[0].1 >= (two[0].2 + two[1].2) / 2, "{:?}", both);
                prop_assert!(two[0].0 <= two[1].0, "{:?}", both);
            }
        }
    }

    fn curve(name: &str, points: Vec<(f64, f64)>) -> Curve {
        Curve {
            name: name.into(),
            style: 0,
            ours: false,
            points,
        }
    }

    #[test]
    fn nothing_above_zero_makes_no_curve() {
        let curve = curve("n", vec![(10.0, 0.0), (0.0, 5.0)]);
        let drawn = curves("i", "t", &[curve], "x", Unit::Bytes).unwrap();
        assert!(drawn.is_none());
    }

    #[test]
    fn equal_curves_are_named_and_drawn_side_by_side() {
        let flat = |name: &str, end: f64| curve(name, vec![(1.0, 5.0), (10.0, end)]);
        let all = [flat("a", 5.0), flat("b", 5.0), flat("c", 50.0)];
        let drawn = curves("i", "t", &all, "x", Unit::Bytes).unwrap().unwrap();
        assert_eq!(drawn.equal, [["a", "b"]]);
        let text = drawn.svg.into_string();
        let heights: Vec<i32> = text
            .split("cy=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next()?.parse().ok())
            .collect();
        assert_eq!(heights[2] - heights[0], ASIDE);
    }
}
