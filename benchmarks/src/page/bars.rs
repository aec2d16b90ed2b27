//! Bars beside names, as SVG.

use std::path::Path;

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::spread::{Spread, number};
use crate::Result;

/// Where is drawn.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What every viewer has some kind of.
pub const FONT: &str = "sans-serif";
/// Ours, and what it is compared with: of Okabe and Ito's, told apart by the colour-blind too.
pub const COLORS: [RGBColor; 2] = [RGBColor(0, 114, 178), RGBColor(230, 159, 0)];
const GREY: RGBColor = RGBColor(120, 120, 120);

const WIDTH: i32 = 960;
/// Left of the bars: room for the names.
const LEFT: i32 = 300;
/// Right of the longest bar: room for its number.
const RIGHT: i32 = 100;
/// A digit of a number, about.
const DIGIT: i32 = 7;
const HEADER: i32 = 84;
const BAR: i32 = 14;
/// Between the bars of two names.
const GAP: i32 = 12;

/// A chart of bars: for each name one for each series, from zero.
#[derive(Debug)]
pub struct Bars<'a> {
    /// Above it.
    pub title: &'a str,
    /// Below the title: unit, and what is better.
    pub what: &'a str,
    /// The names of the series, two at most.
    pub series: &'a [&'a str],
    /// Names, and for each series the length of the bar and its ends' spread.
    pub rows: Vec<(String, Vec<Option<Spread>>)>,
    /// Where a line is drawn across the bars.
    pub line: Option<f64>,
}

impl Bars<'_> {
    /// Writes the file.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn draw(&self, file: &Path) -> Result<()> {
        let each = BAR * self.series.len() as i32 + GAP;
        let height = HEADER + each * self.rows.len() as i32 + GAP;
        let root = SVGBackend::new(file, (WIDTH as u32, height as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        header(&root, self.title, self.what)?;
        let series = self.series.iter().zip(COLORS);
        legend(&root, series.map(|(name, color)| (*name, color)))?;

        let spreads = self.rows.iter().flat_map(|(_, spreads)| spreads).flatten();
        let longest = spreads.map(|spread| spread.high).chain(self.line).fold(0.0, f64::max);
        let scale = f64::from(WIDTH - LEFT - RIGHT) / if longest > 0.0 { longest } else { 1.0 };
        let x = |value: f64| LEFT + (value * scale).round() as i32;
        // Before the bars: their numbers are to be read where it crosses them.
        if let Some(line) = self.line {
            let ends = [(x(line), HEADER - 6), (x(line), height - GAP / 2)];
            root.draw(&PathElement::new(ends, GREY.stroke_width(2)))?;
        }
        for (row, (name, spreads)) in self.rows.iter().enumerate() {
            let top = HEADER + each * row as i32;
            let middle = top + (each - GAP) / 2;
            root.draw(&Text::new(name.as_str(), (LEFT - 10, middle), text(13, HPos::Right)))?;
            let bars = spreads.iter().zip(COLORS).filter_map(|(s, color)| Some(((*s)?, color)));
            let bars: Vec<_> = bars.collect();
            // A bar that is alone stands beside its name.
            let first = middle - BAR * bars.len() as i32 / 2;
            for (place, (spread, color)) in bars.into_iter().enumerate() {
                bar(&root, first + BAR * place as i32, x, spread, color)?;
            }
        }
        root.present()?;
        Ok(())
    }
}

/// The bar, a thin line from the lowest to the highest, and the median as a number.
fn bar(
    root: &Area<'_>,
    top: i32,
    x: impl Fn(f64) -> i32,
    spread: Spread,
    color: RGBColor,
) -> Result<()> {
    let (start, end, middle) = (x(0.0), x(spread.median), top + BAR / 2);
    root.draw(&Rectangle::new([(start, top + 1), (end, top + BAR - 1)], color.filled()))?;
    let ends = [(x(spread.low), middle), (x(spread.high), middle)];
    root.draw(&PathElement::new(ends, BLACK.stroke_width(1)))?;
    let (value, left) = (number(spread.median), end.max(x(spread.high)) + 6);
    let under = [(left - 2, top + 1), (left + DIGIT * value.len() as i32, top + BAR - 1)];
    root.draw(&Rectangle::new(under, WHITE.filled()))?;
    root.draw(&Text::new(value, (left, middle), text(12, HPos::Left)))?;
    Ok(())
}

/// Title, and what is shown.
pub fn header(root: &Area<'_>, title: &str, what: &str) -> Result<()> {
    root.draw(&Text::new(title.to_owned(), (20, 20), text(20, HPos::Left)))?;
    root.draw(&Text::new(what.to_owned(), (20, 44), text(13, HPos::Left)))?;
    Ok(())
}

/// Colours and names, above what is drawn, where nothing can cross them.
pub fn legend<'a>(
    root: &Area<'_>,
    entries: impl IntoIterator<Item = (&'a str, RGBColor)>,
) -> Result<()> {
    let mut x = 20;
    for (name, color) in entries {
        root.draw(&Rectangle::new([(x, 60), (x + 14, 74)], color.filled()))?;
        root.draw(&Text::new(name.to_owned(), (x + 20, 67), text(13, HPos::Left)))?;
        // Wide enough for any font that a viewer may put there.
        x += 20 + 8 * name.len() as i32 + 24;
    }
    Ok(())
}

fn text(size: i32, side: HPos) -> TextStyle<'static> {
    (FONT, size).into_font().color(&BLACK).pos(Pos::new(side, VPos::Center))
}
