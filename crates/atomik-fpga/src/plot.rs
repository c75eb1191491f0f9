//! A plot of a sweep: frequency and throughput against lanes and depth, as an SVG of four panels.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use thiserror::Error;

use crate::design::Shape;
use crate::report::Report;

/// Why the plot cannot be drawn.
#[derive(Debug, Error)]
pub enum PlotError {
    /// No design was placed.
    #[error("cannot draw the plot: no design was placed; sweep smaller designs or larger devices")]
    Empty,
    /// The drawing library failed.
    #[error("cannot draw the plot: {0}; the CSV has the same figures")]
    Draw(#[from] DrawingAreaErrorKind<io::Error>),
}

const SIZE: (u32, u32) = (1280, 960);
/// Colours that colour-blind readers can tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];

/// The x axis of a panel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum X {
    Lanes,
    Depth,
}

/// The y axis of a panel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Y {
    Megahertz,
    Accumulates,
}

/// Draws the placed designs. A line connects designs that differ only in the variable of the x
/// axis; its label names the rest.
///
/// # Errors
/// If no design was placed, or if the drawing library fails.
pub fn svg(reports: &[Report]) -> Result<String, PlotError> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let panels = root.split_evenly((2, 2));
        let axes = [
            (X::Lanes, Y::Megahertz),
            (X::Depth, Y::Megahertz),
            (X::Lanes, Y::Accumulates),
            (X::Depth, Y::Accumulates),
        ];
        for (panel, (x, y)) in panels.iter().zip(axes) {
            draw(panel, reports, x, y)?;
        }
        root.present()?;
    }
    Ok(text)
}

type Lines = BTreeMap<String, Vec<(f64, f64)>>;

fn lines(reports: &[Report], x: X, y: Y) -> Lines {
    let mut lines = Lines::new();
    for report in reports {
        let (Some(shape), Some(fmax)) = (&report.shape, report.fmax_mhz()) else {
            continue;
        };
        let position = match x {
            X::Lanes => f64::from(shape.lanes),
            X::Depth => shape.depth as f64,
        };
        let value = match y {
            Y::Megahertz => fmax.median,
            Y::Accumulates => f64::from(shape.lanes) * fmax.median / 1e3,
        };
        lines
            .entry(line_name(report, shape, x))
            .or_default()
            .push((position, value));
    }
    for points in lines.values_mut() {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    lines
}

fn line_name(report: &Report, shape: &Shape, x: X) -> String {
    let Shape {
        width,
        layout,
        depth,
        lanes,
        target,
    } = shape;
    let word = layout.clone().unwrap_or_else(|| format!("w{width}"));
    let mut name = format!("{} {target} {word} ", report.device);
    let _ = match x {
        X::Lanes => write!(name, "d{depth}"),
        X::Depth => write!(name, "l{lanes}"),
    };
    name
}

fn draw(
    panel: &DrawingArea<SVGBackend<'_>, Shift>,
    reports: &[Report],
    x: X,
    y: Y,
) -> Result<(), PlotError> {
    let lines = lines(reports, x, y);
    let points = || lines.values().flatten();
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).reduce(f64::max);
    let (Some(right), Some(top)) = (most(|p| p.0), most(|p| p.1)) else {
        return Err(PlotError::Empty);
    };
    let x_text = match x {
        X::Lanes => "lanes",
        X::Depth => "depth (words)",
    };
    let y_text = match y {
        Y::Megahertz => "median Fmax of the placed design (MHz)",
        Y::Accumulates => "lanes x median Fmax (G accumulates/s, computed)",
    };
    let mut chart = ChartBuilder::on(panel)
        .margin(12)
        .caption(format!("{y_text} against {x_text}"), ("sans-serif", 16))
        .x_label_area_size(36)
        .y_label_area_size(56)
        // Lanes and depths are powers of two. The legend is to the right of the last.
        .build_cartesian_2d(
            (0.9..right * (right / 0.9).powf(0.45).max(2.0))
                .log_scale()
                .base(2.0),
            0.0..top * 1.15,
        )?;
    chart
        .configure_mesh()
        .x_desc(x_text)
        .x_labels(16)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|value| match y {
            Y::Megahertz => format!("{value:.0}"),
            Y::Accumulates => format!("{value:.1}"),
        })
        .max_light_lines(0)
        .draw()?;
    for (i, (name, points)) in lines.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        chart
            .draw_series(LineSeries::new(
                points.iter().copied(),
                colour.stroke_width(2),
            ))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        chart.draw_series(points.iter().map(|&p| Circle::new(p, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(RGBColor(200, 200, 200))
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Cells;
    use crate::report::{Outcome, Spread};

    fn report(depth: usize, lanes: u32, mhz: f64) -> Report {
        Report {
            design: "d".into(),
            shape: Some(Shape {
                width: 8,
                layout: None,
                depth,
                lanes,
                target: "ecp5".into(),
            }),
            device: "ecp5-25k".into(),
            asked_mhz: 300,
            cells: Cells::Timed,
            area: None,
            outcome: match Spread::of((mhz > 0.0).then_some(mhz)) {
                Some(fmax_mhz) => Outcome::Placed {
                    fmax_mhz,
                    placements: vec![],
                },
                None => Outcome::TooBig { overfull: vec![] },
            },
        }
    }

    #[test]
    fn a_line_varies_one_number_and_leaves_out_designs_that_were_not_placed() {
        let reports = [
            report(16, 4, 200.0),
            report(16, 1, 300.0),
            report(16, 8, 0.0),
            report(512, 1, 250.0),
        ];
        let name = |rest: &str| format!("ecp5-25k ecp5 w8 {rest}");
        assert_eq!(
            lines(&reports, X::Lanes, Y::Megahertz),
            Lines::from([
                (name("d16"), vec![(1.0, 300.0), (4.0, 200.0)]),
                (name("d512"), vec![(1.0, 250.0)]),
            ])
        );
        assert_eq!(
            lines(&reports, X::Depth, Y::Accumulates),
            Lines::from([
                (name("l1"), vec![(16.0, 0.3), (512.0, 0.25)]),
                (name("l4"), vec![(16.0, 0.8)]),
            ])
        );
    }

    #[test]
    fn the_plot_labels_its_lines_and_needs_a_placed_design() {
        let text = svg(&[report(16, 1, 300.0), report(16, 2, 290.0)]).unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
        assert!(text.contains("ecp5-25k ecp5 w8 d16"), "{text}");
        assert!(svg(&[report(16, 1, 0.0)]).is_err());
    }
}
