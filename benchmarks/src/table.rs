//! The figures as aligned text.

use std::fmt::Write as _;

use crate::figures::{FIGURES, Figure, Figures, Target, Unit};

/// One row for each limiter, one column for each figure. What misses its target has a `!`.
pub fn table(all: &[Figures]) -> String {
    let mut rows = vec![
        row("", |figure| figure.heading[0].to_owned()),
        row("limiter", |figure| figure.heading[1].to_owned()),
        row("target", |figure| figure.target.map_or_else(String::new, |t| target(t, figure.unit))),
    ];
    rows.extend(all.iter().map(|figures| row(figures.limiter.name, |f| cell(f, figures))));

    let columns = FIGURES.len() + 1;
    let mut widths = vec![0; columns];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Writing to a string cannot fail.
            let _ok = match column {
                0 => write!(line, "{cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
        if number == 2 {
            let rule: usize = widths.iter().sum::<usize>() + 2 * (columns - 1);
            text.push_str(&"-".repeat(rule));
            text.push('\n');
        }
    }
    text
}

fn row(name: &str, cell: impl Fn(&Figure) -> String) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(FIGURES.iter().map(cell)).collect()
}

fn cell(figure: &Figure, figures: &Figures) -> String {
    let value = (figure.of)(figures);
    let missed = figure.target.is_some_and(|target| !target.is_met(value));
    let text = value.map_or_else(|| "never".to_owned(), |value| written(value, figure.unit));
    if missed { format!("{text} !") } else { text }
}

fn target(target: Target, unit: Unit) -> String {
    match target {
        Target::AtLeast(least) => format!(">= {}", written(least, unit)),
        Target::AtMost(most) => format!("<= {}", written(most, unit)),
    }
}

fn written(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Percent => format!("{:.1} %", value * 100.0),
        Unit::Seconds => format!("{value:.1} s"),
        Unit::Index => format!("{value:.3}"),
    }
}
