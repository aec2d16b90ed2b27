//! Merging: many data of one metric and one period become one datum, which says the same.

use super::{MAX_VALUES, MetricDatum, MetricValue, StatisticSet, add, is_number, metric::hash64};

/// Whole counts are exact below it; from here on, adding 1 changes nothing.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0; // 2^53

impl MetricDatum {
    /// Takes a newer datum in, where both are of one metric (name, dimensions, unit and resolution)
    /// and one period: a minute, or a second where the metric is stored by the second. Sum, count,
    /// minimum and maximum stay what they were together, and percentiles too.
    ///
    /// Values are merged into values with counts, summaries into summaries, but never values into
    /// a summary: their percentiles would be lost. The merged datum has the time at which the
    /// period begins, which CloudWatch stores in any case.
    ///
    /// # Errors
    ///
    /// Gives `newer` back and changes nothing where they cannot be merged: another metric or
    /// period, a value and a summary, more than 150 different values, a count that reaches 2^53 or a sum
    /// beyond ±2^360.
    #[allow(clippy::result_large_err)] // nothing is wrong: the datum goes on its own way
    pub fn merge(&mut self, newer: Self) -> Result<(), Self> {
        let is_merged = self.period() == newer.period()
            && self.metric == newer.metric
            && match (&mut self.value, &newer.value) {
                (MetricValue::Statistics(ours), MetricValue::Statistics(theirs)) => {
                    ours.merge(theirs)
                }
                (MetricValue::Statistics(_), _) | (_, MetricValue::Statistics(_)) => false,
                (ours, theirs) => ours.merge(theirs),
            };
        if !is_merged {
            return Err(newer);
        }
        self.timestamp = self.period();
        Ok(())
    }

    /// Equal for data that [`merge`](Self::merge) may merge. Others may have the same by chance.
    pub(crate) fn merge_key(&self) -> u64 {
        let is_summary = matches!(self.value, MetricValue::Statistics(_));
        hash64((self.metric.0.hash, self.period(), is_summary))
    }

    /// When the period begins, in milliseconds since 1970.
    fn period(&self) -> i64 {
        let length = 1000 * i64::from(self.metric.resolution().seconds());
        self.timestamp.saturating_sub(self.timestamp.rem_euclid(length))
    }
}

impl MetricValue {
    /// Values with counts; none of a summary.
    fn counted(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let one = if let Self::Single(value) = self { Some((*value, 1.0)) } else { None };
        let many = if let Self::Counted(counted) = self { &counted[..] } else { &[] };
        one.into_iter().chain(many.iter().copied())
    }

    /// All or nothing. `false` where there is no room.
    fn merge(&mut self, newer: &Self) -> bool {
        let (mut different, mut fits) = (self.counted().count(), true);
        for (value, count) in newer.counted() {
            match self.counted().find(|(known, _)| *known == value) {
                Some((_, before)) => fits &= before + count < MAX_EXACT,
                None => different += 1,
            }
        }
        if !fits || different > MAX_VALUES {
            return false;
        }
        if let Self::Single(value) = self {
            *self = Self::Counted(vec![(*value, 1.0)]);
        }
        let Self::Counted(counted) = self else { return false };
        for (value, count) in newer.counted() {
            add(counted, value, count);
        }
        true
    }
}

impl StatisticSet {
    fn merge(&mut self, newer: &Self) -> bool {
        let (sample_count, sum) = (self.sample_count + newer.sample_count, self.sum + newer.sum);
        if sample_count >= MAX_EXACT || !is_number(sum) {
            return false;
        }
        let (minimum, maximum) = (self.minimum.min(newer.minimum), self.maximum.max(newer.maximum));
        *self = Self { sample_count, sum, minimum, maximum };
        true
    }
}

#[cfg(test)]
mod tests;
