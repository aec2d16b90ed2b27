//! What arrived: data as the tests see them, and their statistics.

use std::collections::BTreeMap;

/// A datum that arrived.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Datum {
    /// The metric's name.
    pub metric_name: String,
    /// Names and values of its dimensions, in the order in which they were sent.
    pub dimensions: Vec<(String, String)>,
    /// What was measured.
    pub value: DatumValue,
    /// Such as `Count` or `Bytes/Second`; `None` where no unit was given, as the service has it.
    pub unit: String,
    /// Seconds that the service keeps apart: 1 or 60, and 60 where nothing was said.
    pub storage_resolution: u32,
    /// Milliseconds since 1970: what was given, or else when it arrived.
    pub timestamp: i64,
}

/// One of the three ways to say what was measured.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DatumValue {
    /// One number.
    Single(f64),
    /// Numbers, and how often each occurred: as many counts as values.
    Values {
        /// The numbers.
        values: Vec<f64>,
        /// How often each occurred; once where no counts were sent.
        counts: Vec<f64>,
    },
    /// Many numbers in four.
    Statistics(StatisticSet),
}

/// Statistics of a set of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct StatisticSet {
    /// How many there are.
    pub sample_count: f64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub minimum: f64,
    /// The largest.
    pub maximum: f64,
}

impl StatisticSet {
    pub(super) fn new(sample_count: f64, sum: f64, minimum: f64, maximum: f64) -> Self {
        Self { sample_count, sum, minimum, maximum }
    }

    /// Statistics of one number that occurred so many times.
    fn of(value: f64, count: f64) -> Self {
        Self::new(count, value * count, value, value)
    }

    fn merge(self, other: Self) -> Self {
        Self::new(
            self.sample_count + other.sample_count,
            self.sum + other.sum,
            self.minimum.min(other.minimum),
            self.maximum.max(other.maximum),
        )
    }
}

impl Datum {
    /// Whether it is of this metric; the order of dimensions does not matter.
    fn is_of(&self, metric: &str, dimensions: &[(&str, &str)]) -> bool {
        self.metric_name == metric
            && self.dimensions.len() == dimensions.len()
            && self.dimensions.iter().all(|(name, value)| dimensions.contains(&(name, value)))
    }

    /// `None` if it has no values.
    fn statistics(&self) -> Option<StatisticSet> {
        match &self.value {
            DatumValue::Single(value) => Some(StatisticSet::of(*value, 1.0)),
            DatumValue::Statistics(statistics) => Some(*statistics),
            DatumValue::Values { values, counts } => values
                .iter()
                .zip(counts)
                .map(|(value, count)| StatisticSet::of(*value, *count))
                .reduce(StatisticSet::merge),
        }
    }
}

/// Statistics of one metric, by the first millisecond of each period that has data. Periods are
/// counted from `origin`.
pub(super) fn statistics(
    data: &[Datum],
    metric: &str,
    dimensions: &[(&str, &str)],
    origin: i64,
    period_ms: i64,
) -> BTreeMap<i64, StatisticSet> {
    let mut periods = BTreeMap::new();
    for datum in data.iter().filter(|datum| datum.is_of(metric, dimensions)) {
        let Some(more) = datum.statistics() else { continue };
        let start = datum.timestamp - (datum.timestamp - origin).rem_euclid(period_ms);
        periods
            .entry(start)
            .and_modify(|statistics: &mut StatisticSet| *statistics = statistics.merge(more))
            .or_insert(more);
    }
    periods
}
