//! What a destination stored while its capacity changed, as SVG.

use std::path::Path;

use plotters::prelude::*;
use serde_json::Value;

use super::bars::{self, COLORS, FONT};
use crate::Result;

/// The windows of a report, which it gives by this name.
pub const SERIES: &str = "accepted_per_100ms";
/// Windows in a second.
const WINDOWS: f64 = 10.0;
/// A rate is the mean of so many of them: a tenth of a second holds a few requests, and one more
/// or less would be most of the picture.
const MEAN: usize = 5;

const CAPACITY: RGBColor = RGBColor(200, 200, 200);
const SIZE: (u32, u32) = (960, 420);

/// Seconds, and records a second.
pub type Points = Vec<(f64, f64)>;

/// The mean of the series of all rounds; as long as the shortest.
pub fn rates(reports: &[Value]) -> Points {
    let series = |report: &Value| -> Option<Vec<f64>> {
        report.get(SERIES)?.as_array()?.iter().map(Value::as_f64).collect()
    };
    let all: Vec<_> = reports.iter().filter_map(series).collect();
    let length = all.iter().map(Vec::len).min().unwrap_or(0);
    let rate = |end: usize| {
        let sum: f64 = all.iter().filter_map(|one| one.get(end - MEAN..end)).flatten().sum();
        (end as f64 / WINDOWS, sum * WINDOWS / (MEAN * all.len()) as f64)
    };
    (MEAN..=length).map(rate).collect()
}

/// Draws the capacity and the rates of each series.
///
/// # Errors
///
/// When the file cannot be written.
pub fn draw(file: &Path, capacity: &Points, series: &[(&str, Points)]) -> Result<()> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, panel) = root.split_vertically(84);
    bars::header(
        &head,
        "A destination whose capacity changes",
        "Stored, 1,000 records/s, mean over 0.5 s and all runs; the closer to the capacity, the better",
    )?;
    let names = series.iter().zip(COLORS).map(|((name, _), color)| (*name, color));
    bars::legend(&head, [("capacity", CAPACITY)].into_iter().chain(names))?;

    let all = || series.iter().map(|(_, points)| points).chain([capacity]).flatten();
    let (end, highest) =
        all().fold((1.0, 1.0), |(x, y): (f64, f64), (at, rate)| (x.max(*at), y.max(*rate)));
    let mut chart = ChartBuilder::on(&panel)
        .margin_right(30)
        .margin_top(10)
        .x_label_area_size(45)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..end, 0.0..1.1 * highest)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("seconds")
        .x_label_formatter(&|seconds| format!("{seconds:.0}"))
        .y_label_formatter(&|rate| format!("{:.0}", rate / 1e3))
        .label_style((FONT, 13))
        .axis_desc_style((FONT, 13))
        .draw()?;
    chart.draw_series(LineSeries::new(capacity.iter().copied(), CAPACITY.stroke_width(6)))?;
    for ((_, points), color) in series.iter().zip(COLORS).rev() {
        chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?;
    }
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rates_are_means_of_half_a_second_and_of_all_rounds() {
        let reports =
            [json!({SERIES: [1, 2, 3, 4, 5, 6]}), json!({SERIES: [3, 2, 3, 4, 5, 6, 99]})];
        assert_eq!(rates(&reports), [(0.5, 32.0), (0.6, 40.0)]);
        assert!(rates(&[json!({})]).is_empty());
    }
}
