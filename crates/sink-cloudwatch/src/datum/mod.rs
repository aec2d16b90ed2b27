//! What CloudWatch has besides the three pieces: metrics and their data, which are checked when they
//! are made, know their size in a request, and can be merged.

mod aggregate;
pub(crate) mod metric;
pub(crate) mod size;
pub(crate) mod unit;

use sink_core::ConvertError;

use self::metric::{ensure, shortened};
pub use self::{
    metric::{Metric, MetricBuilder, Resolution},
    unit::{Unit, parse_unit},
};

/// Of a metric: the API reference of `MetricDatum`.
const MAX_DIMENSIONS: usize = 30;
/// Of a metric's name and a dimension's: the API reference of `MetricDatum` and `Dimension`.
const MAX_NAME: usize = 255;
/// Of a dimension's value: the API reference of `Dimension`.
const MAX_DIMENSION_VALUE: usize = 1024;
/// Distinct values of one datum: the API reference of `MetricDatum`.
const MAX_VALUES: usize = 150;

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
        Ok(MetricDatum::now(self, MetricValue::Single(value)))
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
        let wrong = |what: &str| {
            format!("has {what} values; CloudWatch takes 1 to {MAX_VALUES} in a datum")
        };
        let mut counted = Vec::new();
        for (value, count) in values {
            self.number("value", value)?;
            self.count("count of a value", count)?;
            let total = add(&mut counted, value, count);
            self.count("count of a value", total)?;
            self.ensure(counted.len() <= MAX_VALUES, || {
                wrong(&format!("more than {MAX_VALUES} different"))
            })?;
        }
        self.ensure(!counted.is_empty(), || wrong("no"))?;
        Ok(MetricDatum::now(self, MetricValue::Counted(counted)))
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
        self.ensure(set.minimum <= set.maximum, || {
            format!("has the minimum {} above the maximum {}", set.minimum, set.maximum)
        })?;
        Ok(MetricDatum::now(self, MetricValue::Statistics(set)))
    }

    fn number(&self, field: &str, number: f64) -> Result<(), ConvertError> {
        self.ensure(is_number(number), || {
            format!("has the {field} {number:e}; CloudWatch takes numbers from -2^360 to 2^360")
        })
    }

    fn count(&self, field: &str, count: f64) -> Result<(), ConvertError> {
        self.ensure(is_number(count) && count > 0.0, || {
            format!("has the {field} {count:e}; CloudWatch takes numbers above 0 and up to 2^360")
        })
    }

    /// For checks of a datum: the error says of which metric it is.
    pub(crate) fn ensure(&self, is: bool, wrong: impl Fn() -> String) -> Result<(), ConvertError> {
        let of = |wrong| format!("a datum of the metric {} {wrong}", shortened(self.name()));
        ensure(is, wrong).map_err(|wrong| ConvertError::new(of(wrong)))
    }
}

impl MetricDatum {
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

/// "Values must be in the range of -2^360 to 2^360. In addition, special values (for example, NaN,
/// +Infinity, -Infinity) are not supported": the API reference of `MetricDatum`.
fn is_number(number: f64) -> bool {
    // False for what is no number.
    number.abs() <= 2_f64.powi(360)
}

/// Counts a value in, and says how often it is there now.
fn add(counted: &mut Vec<(f64, f64)>, value: f64, count: f64) -> f64 {
    if let Some((_, total)) = counted.iter_mut().find(|(known, _)| *known == value) {
        *total += count;
        return *total;
    }
    counted.push((value, count));
    count
}

#[cfg(test)]
mod tests {
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
}
