//! The run with the changing destination as a picture, for the guides.

use std::{path::Path, time::Duration};

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{
    Result,
    figures::Figures,
    recorder::{Counts, SLOT},
    scenarios::CHANGES,
    token_bucket::Capacity,
};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Points = Vec<(f64, f64)>;

const SIZE: (u32, u32) = (960, 760);
const FONT: &str = "sans-serif";
/// Okabe and Ito's: told apart by the colour-blind too.
const COLORS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(204, 121, 167),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
];
const CAPACITY_COLOR: RGBColor = RGBColor(200, 200, 200);
/// Rates are means of this time: a tenth of a second holds ten requests, and one more or less
/// would be most of the picture.
const MEAN: Duration = Duration::from_millis(500);

/// Draws, for each limiter, what was delivered and what was wasted while the capacity changed.
///
/// # Errors
///
/// When the file cannot be written.
pub fn draw(all: &[Figures], file: &Path) -> Result<()> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (header, panels) = root.split_vertically(100);
    let (upper, lower) = panels.split_vertically(330);
    draw_header(&header, all)?;
    let capacity = all.first().map(|figures| &figures.change.capacity);
    draw_panel(&upper, "delivered, records/s", capacity, all, |counts| counts.delivered)?;
    draw_panel(&lower, "wasted sends, records/s", None, all, |counts| counts.throttled)?;
    root.present()?;
    Ok(())
}

/// Title and legend, above the panels, where no line can cross them.
fn draw_header(area: &Area<'_>, all: &[Figures]) -> Result<()> {
    let (left, middle) = (90, Pos::new(HPos::Left, VPos::Center));
    let text = |size: i32| (FONT, size).into_font().color(&BLACK).pos(middle);
    area.draw(&Text::new("Rate limiters, when the destination changes", (left, 24), text(22)))?;
    let what = "One sink, 20 ms to an answer. The destination takes 50,000 records/s, half of it \
                from 10 s on, all of it again from 20 s on.";
    area.draw(&Text::new(what, (left, 52), text(14)))?;

    let limiters = all.iter().zip(COLORS).map(|(figures, color)| (figures.limiter.name, color, 3));
    let mut x = left;
    for (name, color, width) in std::iter::once(("capacity", CAPACITY_COLOR, 6)).chain(limiters) {
        area.draw(&PathElement::new([(x, 80), (x + 24, 80)], color.stroke_width(width)))?;
        area.draw(&Text::new(name, (x + 32, 80), text(14)))?;
        // Wide enough for any font that a viewer may put there.
        x += 32 + 8 * name.len() as i32 + 20;
    }
    Ok(())
}

/// Axes, the capacity, and a line for each limiter; the first one is drawn last, above the others.
fn draw_panel(
    area: &Area<'_>,
    label: &str,
    capacity: Option<&Capacity>,
    all: &[Figures],
    count: fn(Counts) -> u64,
) -> Result<()> {
    let lines: Vec<Points> = all.iter().map(|figures| rates(figures, count)).collect();
    let highest = lines.iter().flatten().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let [.., end] = CHANGES;
    let mut chart = ChartBuilder::on(area)
        .margin_left(10)
        .margin_right(30)
        .margin_top(10)
        .x_label_area_size(50)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..end.as_secs_f64(), 0.0..(highest / 1e4).ceil() * 1e4)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("simulated time, s")
        .y_desc(label)
        .x_labels(8)
        .y_labels(7)
        .x_label_formatter(&|seconds| format!("{seconds:.0}"))
        .y_label_formatter(&|rate| thousands(*rate))
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 14))
        .draw()?;
    if let Some(capacity) = capacity {
        chart.draw_series(LineSeries::new(steps(capacity), CAPACITY_COLOR.stroke_width(6)))?;
    }
    for (line, color) in lines.into_iter().zip(COLORS).rev() {
        chart.draw_series(LineSeries::new(line, color.stroke_width(2)))?;
    }
    Ok(())
}

fn rates(figures: &Figures, count: fn(Counts) -> u64) -> Points {
    let [.., end] = CHANGES;
    let slots = |time: Duration| (time.as_millis() / SLOT.as_millis()) as u32;
    let rate = |slot: u32| {
        let at = SLOT * slot;
        let records = count(figures.change.recorder.all(at - MEAN..at));
        (at.as_secs_f64(), records as f64 / MEAN.as_secs_f64())
    };
    (slots(MEAN)..=slots(end)).map(rate).collect()
}

/// The capacity at both ends of each of its times.
fn steps(capacity: &Capacity) -> Points {
    let mut from = Duration::ZERO;
    let mut points = Points::new();
    for end in CHANGES {
        let rate = capacity.at(from);
        points.extend([(from.as_secs_f64(), rate), (end.as_secs_f64(), rate)]);
        from = end;
    }
    points
}

fn thousands(rate: f64) -> String {
    if rate == 0.0 { "0".to_owned() } else { format!("{:.0},000", rate / 1000.0) }
}
