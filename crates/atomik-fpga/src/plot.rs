//! Frequency and throughput of a sweep against lanes and depth, as one SVG of four panels.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use plotters::coord::Shift;
use plotters::prelude::*;
use thiserror::Error;

use crate::design::Shape;
use crate::report::Report;

/// The plot could not be drawn.
#[derive(Debug, Error)]
#[error("cannot draw the plot: {0}")]
pub struct PlotError(String);

const SIZE: (u32, u32) = (1280, 960);
/// Colours that differ for the colour-blind, too (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];

/// What is along the bottom of a panel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Along {
    Lanes,
    Depth,
}

/// What is up the side of a panel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Up {
    Megahertz,
    Accumulates,
}

/// Draws the reports that were placed. All that a line does not run along is in its name.
///
/// # Errors
/// When there is nothing to draw.
pub fn svg(reports: &[Report]) -> Result<String, PlotError> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let panels = root.split_evenly((2, 2));
        let kinds = [
            (Along::Lanes, Up::Megahertz),
            (Along::Depth, Up::Megahertz),
            (Along::Lanes, Up::Accumulates),
            (Along::Depth, Up::Accumulates),
        ];
        for (panel, (along, up)) in panels.iter().zip(kinds) {
            draw(panel, reports, along, up)?;
        }
        root.present().map_err(failed)?;
    }
    Ok(text)
}

fn failed(error: impl std::fmt::Display) -> PlotError {
    PlotError(error.to_string())
}

type Lines = BTreeMap<String, Vec<(f64, f64)>>;

fn lines(reports: &[Report], along: Along, up: Up) -> Lines {
    let mut lines = Lines::new();
    for report in reports {
        let (Some(shape), Some(fmax)) = (&report.shape, report.fmax_mhz()) else {
            continue;
        };
        let x = match along {
            Along::Lanes => f64::from(shape.lanes),
            Along::Depth => shape.depth as f64,
        };
        let y = match up {
            Up::Megahertz => fmax.median,
            Up::Accumulates => f64::from(shape.lanes) * fmax.median / 1e3,
        };
        lines
            .entry(line_name(report, shape, along))
            .or_default()
            .push((x, y));
    }
    for points in lines.values_mut() {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    lines
}

fn line_name(report: &Report, shape: &Shape, along: Along) -> String {
    let Shape {
        width,
        depth,
        lanes,
        target,
    } = shape;
    let mut name = format!("{} {target} w{width} ", report.device);
    let _ = match along {
        Along::Lanes => write!(name, "d{depth}"),
        Along::Depth => write!(name, "l{lanes}"),
    };
    name
}

fn draw(
    panel: &DrawingArea<SVGBackend<'_>, Shift>,
    reports: &[Report],
    along: Along,
    up: Up,
) -> Result<(), PlotError> {
    let lines = lines(reports, along, up);
    let points = || lines.values().flatten();
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).reduce(f64::max);
    let (Some(right), Some(top)) = (most(|p| p.0), most(|p| p.1)) else {
        return Err(PlotError("nothing was placed".into()));
    };
    let along_text = match along {
        Along::Lanes => "lanes",
        Along::Depth => "depth (words)",
    };
    let up_text = match up {
        Up::Megahertz => "median Fmax of the placed design (MHz)",
        Up::Accumulates => "lanes x median Fmax (G accumulates/s, computed)",
    };
    let mut chart = ChartBuilder::on(panel)
        .margin(12)
        .caption(
            format!("{up_text} against {along_text}"),
            ("sans-serif", 16),
        )
        .x_label_area_size(36)
        .y_label_area_size(56)
        // Lanes and depths are powers of two. The legend stands to the right of the last.
        .build_cartesian_2d(
            (0.9..right * (right / 0.9).powf(0.45).max(2.0))
                .log_scale()
                .base(2.0),
            0.0..top * 1.15,
        )
        .map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc(along_text)
        .x_labels(16)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| match up {
            Up::Megahertz => format!("{y:.0}"),
            Up::Accumulates => format!("{y:.1}"),
        })
        .max_light_lines(0)
        .draw()
        .map_err(failed)?;
    for (i, (name, points)) in lines.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        chart
            .draw_series(LineSeries::new(
                points.iter().copied(),
                colour.stroke_width(2),
            ))
            .map_err(failed)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        chart
            .draw_series(points.iter().map(|&p| Circle::new(p, 3, colour.filled())))
            .map_err(failed)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(RGBColor(200, 200, 200))
        .draw()
        .map_err(failed)
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
    fn a_line_runs_along_one_number_and_leaves_out_what_was_not_placed() {
        let reports = [
            report(16, 4, 200.0),
            report(16, 1, 300.0),
            report(16, 8, 0.0),
            report(512, 1, 250.0),
        ];
        let name = |rest: &str| format!("ecp5-25k ecp5 w8 {rest}");
        assert_eq!(
            lines(&reports, Along::Lanes, Up::Megahertz),
            Lines::from([
                (name("d16"), vec![(1.0, 300.0), (4.0, 200.0)]),
                (name("d512"), vec![(1.0, 250.0)]),
            ])
        );
        assert_eq!(
            lines(&reports, Along::Depth, Up::Accumulates),
            Lines::from([
                (name("l1"), vec![(16.0, 0.3), (512.0, 0.25)]),
                (name("l4"), vec![(16.0, 0.8)]),
            ])
        );
    }

    #[test]
    fn the_plot_names_its_lines_and_there_is_none_of_nothing() {
        let text = svg(&[report(16, 1, 300.0), report(16, 2, 290.0)]).unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
        assert!(text.contains("ecp5-25k ecp5 w8 d16"), "{text}");
        assert!(svg(&[report(16, 1, 0.0)]).is_err());
    }
}
