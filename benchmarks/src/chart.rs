//! The run with the changing destination as a picture, for the guides.

use std::{ops::Range, path::Path, time::Duration};

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
const GREY: RGBColor = RGBColor(110, 110, 110);
/// Rates are means of this time: a tenth of a second holds ten requests, and one more or less
/// would be most of the picture.
const MEAN: Duration = Duration::from_millis(500);

/// Draws, for each limiter, what was delivered and what was wasted while the capacity changed.
///
/// # Errors
///
/// When the file cannot be written.
pub fn draw(all: &[Figures], file: &Path) -> Result<()> {
    let Some(first) = all.first() else { return Ok(()) };
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (header, panels) = root.split_vertically(100);
    let (upper, lower) = panels.split_vertically(330);
    draw_header(&header, all)?;

    let capacity: Points =
        slots().map(|at| (at.as_secs_f64(), first.change.capacity.at(at))).collect();
    let delivered = panel(&upper, "delivered, records/s", 60_000.0, all, |counts| counts.delivered);
    dashed(&mut delivered?, capacity)?;
    panel(&lower, "wasted sends, records/s", 60_000.0, all, |counts| counts.throttled)?;
    root.present()?;
    Ok(())
}

type Panel<'a> = ChartContext<
    'a,
    SVGBackend<'a>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// Axes, and a line for each limiter; the first one is drawn last, above the others.
fn panel<'a>(
    area: &Area<'a>,
    label: &str,
    highest: f64,
    all: &[Figures],
    count: fn(Counts) -> u64,
) -> Result<Panel<'a>> {
    let [.., end] = CHANGES;
    let mut chart = ChartBuilder::on(area)
        .margin_right(30)
        .margin_top(10)
        .x_label_area_size(50)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..end.as_secs_f64(), 0.0..highest)?;
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
    for (figures, color) in all.iter().zip(COLORS).rev() {
        let rate = |at: Duration| {
            let during = at.saturating_sub(MEAN)..at;
            let seconds = (during.end - during.start).as_secs_f64();
            count(figures.change.recorder.all(during)) as f64 / seconds
        };
        let points = slots().map(|at| (at.as_secs_f64(), rate(at)));
        chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
    }
    Ok(chart)
}

/// The ends of all slots of the run.
fn slots() -> impl Iterator<Item = Duration> {
    let [.., end] = CHANGES;
    let all: Range<u32> = 1..(end.as_millis() / SLOT.as_millis()) as u32 + 1;
    all.map(|number| SLOT * number)
}

fn dashed(chart: &mut Panel<'_>, points: Points) -> Result<()> {
    chart.draw_series(DashedLineSeries::new(points, 6, 4, GREY.stroke_width(2)))?;
    Ok(())
}

/// Title and legend, above the panels, where no line can cross them.
fn draw_header(area: &Area<'_>, all: &[Figures]) -> Result<()> {
    let (left, middle) = (80, Pos::new(HPos::Left, VPos::Center));
    let text = |size: i32| (FONT, size).into_font().color(&BLACK).pos(middle);
    area.draw(&Text::new("Rate limiters, when the destination changes", (left, 24), text(22)))?;
    let what = "One sink, 20 ms to an answer. The destination takes 50,000 records/s, half of it \
                from 10 s on, all of it again from 20 s on.";
    area.draw(&Text::new(what, (left, 52), text(14)))?;

    let mut x = left;
    let capacity = std::iter::once(("capacity", GREY));
    for (name, color) in capacity.chain(all.iter().map(|f| f.limiter.name).zip(COLORS)) {
        let line = [(x, 80), (x + 24, 80)];
        if name == "capacity" {
            for dash in [x, x + 10, x + 20] {
                area.draw(&PathElement::new([(dash, 80), (dash + 6, 80)], color.stroke_width(2)))?;
            }
        } else {
            area.draw(&PathElement::new(line, color.stroke_width(3)))?;
        }
        area.draw(&Text::new(name, (x + 32, 80), text(14)))?;
        // Wide enough for any font that a viewer may put there.
        x += 32 + 9 * name.len() as i32 + 16;
    }
    Ok(())
}

fn thousands(rate: f64) -> String {
    if rate == 0.0 { "0".to_owned() } else { format!("{:.0},000", rate / 1000.0) }
}
