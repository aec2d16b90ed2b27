//! The first piece: an element becomes a metric datum.

use std::time::{SystemTime, UNIX_EPOCH};

use sink_core::{ConvertError, Entry};

use crate::metric::{Metric, shortened};

/// Distinct values of one datum: the API reference of `MetricDatum`.
pub(crate) const MAX_VALUES: usize = 150;
const TWO_WEEKS_MS: i64 = 14 * 24 * 3600 * 1000;
const TWO_HOURS_MS: i64 = 2 * 3600 * 1000;

/// One value of a metric, or several, at one time.
///
/// Made by [`Metric::value`], [`Metric::values`] and [`Metric::statistics`], which check all that
/// CloudWatch's API reference demands of it: CloudWatch itself refuses a whole request for one bad
/// datum.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricDatum {
    pub(crate) metric: Metric,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
    pub(crate) value: MetricValue,
}

/// What a datum says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// One value.
    Single(f64),
    /// Distinct values, and how often each occurred. Percentiles are known of them.
    Counted(Vec<(f64, f64)>),
    /// A summary. CloudWatch knows no percentiles of it, but where all its values are one.
    Statistics(StatisticSet),
}

/// A summary of many values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StatisticSet {
    /// How many values; more than 0.
    pub sample_count: f64,
    /// Their sum.
    pub sum: f64,
    /// The least of them.
    pub minimum: f64,
    /// The greatest of them.
    pub maximum: f64,
}

impl Metric {
    /// One value, now.
    ///
    /// # Errors
    ///
    /// When it is no number, infinite, or beyond ±2^360.
    pub fn value(&self, value: f64) -> Result<MetricDatum, ConvertError> {
        self.number("value", value)?;
        Ok(self.now(MetricValue::Single(value)))
    }

    /// Values and how often each occurred, now. Equal values are counted together.
    ///
    /// # Errors
    ///
    /// When there is none, or more than 150 different ones; when a value or a count is no number,
    /// infinite or beyond ±2^360, or a count is not above 0.
    pub fn values(
        &self,
        values: impl IntoIterator<Item = (f64, f64)>,
    ) -> Result<MetricDatum, ConvertError> {
        let mut counted: Vec<(f64, f64)> = Vec::new();
        for (value, count) in values {
            self.number("value", value)?;
            self.count("count of a value", count)?;
            if let Some((_, total)) = counted.iter_mut().find(|(known, _)| *known == value) {
                *total += count;
                self.count("count of a value", *total)?;
            } else if counted.len() < MAX_VALUES {
                counted.push((value, count));
            } else {
                return Err(self.problem(&format!(
                    "has more than {MAX_VALUES} different values; CloudWatch takes 1 to \
                     {MAX_VALUES} in a datum"
                )));
            }
        }
        if counted.is_empty() {
            return Err(self.problem(&format!(
                "has no values; CloudWatch takes 1 to {MAX_VALUES} in a datum"
            )));
        }
        Ok(self.now(MetricValue::Counted(counted)))
    }

    /// A summary, now. Prefer [`values`](Self::values) where percentiles are wanted.
    ///
    /// # Errors
    ///
    /// When a number in it is none, infinite or beyond ±2^360, when the count is not above 0, or
    /// the minimum above the maximum.
    pub fn statistics(&self, set: StatisticSet) -> Result<MetricDatum, ConvertError> {
        self.count("sample_count", set.sample_count)?;
        self.number("sum", set.sum)?;
        self.number("minimum", set.minimum)?;
        self.number("maximum", set.maximum)?;
        if set.minimum > set.maximum {
            return Err(self.problem(&format!(
                "has the minimum {} above the maximum {}",
                set.minimum, set.maximum
            )));
        }
        Ok(self.now(MetricValue::Statistics(set)))
    }

    fn now(&self, value: MetricValue) -> MetricDatum {
        MetricDatum { metric: self.clone(), timestamp: millis(SystemTime::now()), value }
    }

    fn number(&self, field: &str, number: f64) -> Result<(), ConvertError> {
        if is_number(number) {
            return Ok(());
        }
        Err(self.problem(&format!(
            "has the {field} {number:e}; CloudWatch takes numbers from -2^360 to 2^360"
        )))
    }

    fn count(&self, field: &str, count: f64) -> Result<(), ConvertError> {
        if is_number(count) && count > 0.0 {
            return Ok(());
        }
        Err(self.problem(&format!(
            "has the {field} {count:e}; CloudWatch takes numbers above 0 and up to 2^360"
        )))
    }

    fn problem(&self, text: &str) -> ConvertError {
        ConvertError::new(format!("a datum of the metric {} {text}", shortened(self.name())))
    }
}

/// "Values must be in the range of -2^360 to 2^360. In addition, special values (for example, NaN,
/// +Infinity, -Infinity) are not supported": the API reference of `MetricDatum`.
pub(crate) fn is_number(number: f64) -> bool {
    // False for what is no number.
    number.abs() <= 2_f64.powi(360)
}

impl MetricDatum {
    /// The same at this time, which must lie between two weeks ago and two hours from now, as the
    /// API reference of `PutMetricData` demands. Fractions of a millisecond are dropped.
    ///
    /// A datum may be too old by the time it is sent, for it waited long in a buffer or in a
    /// snapshot. CloudWatch then refuses it, and it goes to the dead letters with the reason.
    ///
    /// # Errors
    ///
    /// When the time is outside.
    pub fn at(self, time: SystemTime) -> Result<Self, ConvertError> {
        self.at_by_clock(time, SystemTime::now())
    }

    /// As [`at`](Self::at), by a clock of your own: `now` is what it shows.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at).
    pub fn at_by_clock(mut self, time: SystemTime, now: SystemTime) -> Result<Self, ConvertError> {
        let time = millis(time);
        let ahead = time.saturating_sub(millis(now));
        if (-TWO_WEEKS_MS..=TWO_HOURS_MS).contains(&ahead) {
            self.timestamp = time;
            return Ok(self);
        }
        let (off, side) = (ahead.unsigned_abs() / 1000, if ahead < 0 { "before" } else { "after" });
        Err(self.metric.problem(&format!(
            "has a timestamp {off} s {side} now; CloudWatch takes two weeks before to two hours after"
        )))
    }

    /// What is measured.
    pub fn metric(&self) -> &Metric {
        &self.metric
    }

    /// When, in milliseconds since 1970 (UTC).
    pub fn timestamp_millis(&self) -> i64 {
        self.timestamp
    }

    /// What was measured.
    pub fn value(&self) -> &MetricValue {
        &self.value
    }
}

impl Entry for MetricDatum {
    /// Exactly the bytes that it takes in the body of a request before compression. The API
    /// reference limits "the size" of a request and does not say whether before or after gzip;
    /// before is on the safe side.
    fn size_bytes(&self) -> usize {
        self.metric.size_bytes() + crate::request::value_size(&self.value)
    }

    fn merge(&mut self, newer: Self) -> Result<(), Self> {
        Self::merge(self, newer) // the inherent one
    }
}

/// A converter for elements that are data already. Others are made by a closure
/// `Fn(T) -> Result<MetricDatum, ConvertError>`.
///
/// # Errors
///
/// Never.
pub fn as_is(datum: MetricDatum) -> Result<MetricDatum, ConvertError> {
    Ok(datum)
}

fn millis(time: SystemTime) -> i64 {
    let saturating = |millis: u128| i64::try_from(millis).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => saturating(after.as_millis()),
        Err(before) => -saturating(before.duration().as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn metric() -> Metric {
        Metric::builder("Latency").build().unwrap()
    }

    const LARGEST: f64 = 2.3485425827738332e108; // 2^360

    #[test]
    fn numbers_beyond_2_to_the_360_are_refused_by_the_name_of_their_field() {
        assert_eq!(LARGEST, 2_f64.powi(360));
        for good in [0.0, -0.0, 1e-300, LARGEST, -LARGEST] {
            assert_eq!(metric().value(good).unwrap().value(), &MetricValue::Single(good));
            metric().values([(good, 1.0)]).unwrap();
        }
        let set = StatisticSet { sample_count: 2.0, sum: 3.0, minimum: 1.0, maximum: 2.0 };
        metric().statistics(set).unwrap();
        let beyond = LARGEST * 1.000_000_1;
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, beyond, -beyond] {
            for (datum, field) in [
                (metric().value(bad), "value"),
                (metric().values([(1.0, 1.0), (bad, 1.0)]), "value"),
                (metric().values([(1.0, bad)]), "count of a value"),
                (metric().statistics(StatisticSet { sample_count: bad, ..set }), "sample_count"),
                (metric().statistics(StatisticSet { sum: bad, ..set }), "sum"),
                (metric().statistics(StatisticSet { minimum: bad, ..set }), "minimum"),
                (metric().statistics(StatisticSet { maximum: bad, ..set }), "maximum"),
            ] {
                let error = datum.unwrap_err().to_string();
                let expected = format!("a datum of the metric `Latency` has the {field} {bad:e}; ");
                assert!(error.starts_with(&expected), "{error}");
            }
        }
    }

    #[test]
    fn counts_are_above_0_and_a_minimum_not_above_its_maximum() {
        let set = StatisticSet { sample_count: 2.0, sum: 3.0, minimum: 1.0, maximum: 1.0 };
        metric().statistics(set).unwrap();
        for bad in [0.0, -1.0] {
            metric().statistics(StatisticSet { sample_count: bad, ..set }).unwrap_err();
            metric().values([(1.0, bad)]).unwrap_err();
        }
        let error = metric().statistics(StatisticSet { minimum: 1.5, ..set }).unwrap_err();
        assert!(error.to_string().ends_with("has the minimum 1.5 above the maximum 1"), "{error}");
        // Each in range, and their sum beyond.
        metric().values([(1.0, LARGEST), (1.0, LARGEST)]).unwrap_err();
    }

    #[test]
    fn a_datum_has_1_to_150_different_values() {
        let values = |count: u32| (0..count).map(|n| (f64::from(n % 150), 1.0));
        let MetricValue::Counted(counted) = metric().values(values(300)).unwrap().value else {
            panic!("not counted");
        };
        assert!(counted.iter().all(|(_, count)| *count == 2.0) && counted.len() == 150);
        let more = metric().values((0..151).map(|n| (f64::from(n), 1.0))).unwrap_err();
        assert!(more.to_string().contains("has more than 150 different values"), "{more}");
        let none = metric().values([]).unwrap_err();
        assert!(none.to_string().contains("has no values"), "{none}");
    }

    #[test]
    fn a_time_is_at_most_two_weeks_past_and_two_hours_ahead() {
        let now = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let (weeks, hours) = (Duration::from_secs(1_209_600), Duration::from_secs(7200));
        let ms = Duration::from_millis(1);
        let at = |time| metric().value(1.0).unwrap().at_by_clock(time, now);
        for time in [now, now - weeks, now + hours] {
            assert_eq!(at(time).unwrap().timestamp_millis(), millis(time));
        }
        for (time, expected) in [
            (now - weeks - ms, "1209600 s before now"),
            (now + hours + ms, "7200 s after now"),
            (UNIX_EPOCH, "1790000000 s before now"),
            (UNIX_EPOCH - weeks, "1791209600 s before now"),
        ] {
            let error = at(time).unwrap_err().to_string();
            assert!(error.contains(&format!("has a timestamp {expected}; ")), "{error}");
        }
        // By the machine's clock.
        let datum = metric().value(1.0).unwrap();
        datum.clone().at(SystemTime::now() - weeks / 2).unwrap();
        datum.clone().at(SystemTime::now() - weeks * 2).unwrap_err();
        assert!(datum.timestamp_millis() > millis(now) / 2);
    }
}
