//! The middle of some values, and how far they lie apart.

use std::fmt;

use serde_json::{Value, json};

/// Lowest, middle and highest of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The lowest.
    pub low: f64,
    /// The one in the middle; the mean of two where there is none.
    pub median: f64,
    /// The highest.
    pub high: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let (low, high) = (*values.first()?, *values.last()?);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        Some(Self { low, median: f64::midpoint(lower, upper), high })
    }

    /// Of what all reports have at a [path](value), times `factor`.
    pub fn at(reports: &[Value], path: &str, factor: f64) -> Option<Self> {
        Self::of(reports.iter().filter_map(|report| Some(value(report, path)? * factor)))
    }

    /// Of ours by theirs, each at its [path](value) and times its factor, of those reports that stand
    /// at the same place.
    pub fn of_ratios(
        (ours, our_path, our_factor): (&[Value], &str, f64),
        (theirs, their_path, their_factor): (&[Value], &str, f64),
    ) -> Option<Self> {
        let ratio = |(ours, theirs): (&Value, &Value)| {
            let ours = value(ours, our_path)? * our_factor;
            let theirs = value(theirs, their_path)? * their_factor;
            (theirs > 0.0).then(|| ours / theirs)
        };
        Self::of(ours.iter().zip(theirs).filter_map(ratio))
    }

    /// An object with `min`, `median` and `max`, rounded to four decimals.
    pub fn to_value(self) -> Value {
        let [low, median, high] =
            [self.low, self.median, self.high].map(|value| (value * 1e4).round() / 1e4);
        json!({ "min": low, "median": median, "max": high })
    }

    /// Each value by `change`; lowest and highest change places where it turns them.
    #[must_use]
    pub fn map(self, change: impl Fn(f64) -> f64) -> Self {
        let (one, other) = (change(self.low), change(self.high));
        Self { low: one.min(other), median: change(self.median), high: one.max(other) }
    }
}

/// A number in a report, by its path (`/write_us/p99`); the sum of two with a `+` between them.
pub fn value(report: &Value, path: &str) -> Option<f64> {
    path.split('+').map(|path| report.pointer(path)?.as_f64()).sum()
}

/// The median, and lowest and highest in brackets if they differ in what is shown.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, median, high] = [self.low, self.median, self.high].map(number);
        if low == high { f.write_str(&median) } else { write!(f, "{median} [{low}–{high}]") }
    }
}

/// Four digits, or all before the point, in groups of three.
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 999.95 => 0,
        size if size >= 99.995 => 1,
        size if size >= 9.9995 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(w, r)| (w, Some(r)));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        let left = whole.len() - place;
        if place > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    rest.map_or_else(|| grouped.clone(), |rest| format!("{grouped}.{rest}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle_or_the_mean_of_two() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { low: 1.0, median: 2.0, high: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn numbers_have_four_digits_and_all_before_the_point() {
        for (value, text) in [
            (0.0, "0.000"),
            (1.23456, "1.235"),
            (9.9999, "10.00"),
            (52.304, "52.30"),
            (999.96, "1,000"),
            (-1234.5, "-1,234"),
            (-123.4, "-123.4"),
            (20_936_460.4, "20,936,460"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_cell_has_the_spread_only_where_it_shows() {
        assert_eq!(Spread::of([3.0, 1.0, 2.04]).unwrap().to_string(), "2.040 [1.000–3.000]");
        assert_eq!(Spread::of([2.0, 2.00004]).unwrap().to_string(), "2.000");
    }

    #[test]
    fn a_path_may_be_a_sum_and_lacks_what_one_of_it_lacks() {
        let report = json!({"a": {"b": 1.5}, "c": 2});
        assert_eq!(value(&report, "/a/b"), Some(1.5));
        assert_eq!(value(&report, "/a/b+/c"), Some(3.5));
        assert_eq!(value(&report, "/a/b+/d"), None);
    }

    #[test]
    fn a_change_that_turns_the_order_keeps_low_below_high() {
        let waste = Spread { low: 1.0, median: 2.0, high: 4.0 }.map(|sent| 1.0 / sent);
        assert_eq!(waste, Spread { low: 0.25, median: 0.5, high: 1.0 });
    }
}
